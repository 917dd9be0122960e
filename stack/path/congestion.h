// SPDX-License-Identifier: BSD-3-Clause
// Congestion control of one path (RFC 9260 section 7.2): cwnd, ssthresh, partial_bytes_acked.
// Pure arithmetic on bytes of DATA chunks, headers and padding included; the association says what
// happened.
#pragma once

#include <cstdint>

namespace trunkline {

class Congestion {
 public:
  // `pmdcs`: the path's maximum data chunk size, that is the room for chunks in a packet.
  Congestion(uint32_t pmdcs, bool ipv6);

  // The path MTU changed: cwnd is kept, the unit of growth follows.
  void set_pmdcs(uint32_t pmdcs) { pmdcs_ = static_cast<uint16_t>(pmdcs); }

  // A SACK acknowledged `acked` bytes of new DATA on this path; `flight_before` bytes were
  // outstanding before it. Not to be called while in fast recovery.
  void on_ack(uint32_t acked, uint32_t flight_before);
  // Nothing is outstanding any more: 7.2.2, last rule.
  void on_all_acked() { partial_bytes_acked_ = 0; }
  void on_t3_expiry();        // 7.2.3
  void on_fast_retransmit();  // 7.2.4 rule 2
  // The same where it may turn out to be needless: undo() gives the window back that there was. Not
  // after another loss, nor after forget().
  void on_doubtful_retransmit();
  void forget() { prior_cwnd_ = 0; }
  [[nodiscard]] bool may_undo() const { return prior_cwnd_ != 0; }
  void undo();
  // Nothing was sent for this many RTOs: 7.2.1, last rule.
  void on_idle(uint64_t rtos);
  // The path's window at the start, again: after a restart of the association.
  void reset();

  [[nodiscard]] uint32_t cwnd() const { return cwnd_; }
  [[nodiscard]] uint32_t ssthresh() const { return ssthresh_; }
  [[nodiscard]] uint32_t partial_bytes_acked() const { return partial_bytes_acked_; }

 private:
  [[nodiscard]] uint32_t initial_window() const;
  [[nodiscard]] uint32_t halved() const;

  uint16_t pmdcs_;
  bool ipv6_;
  uint32_t cwnd_;
  uint32_t ssthresh_ = UINT32_MAX;  // arbitrarily high at the start (7.2.1)
  uint32_t partial_bytes_acked_ = 0;
  uint32_t prior_cwnd_ = 0;  // before the last recovery; 0: not known
};

}  // namespace trunkline
