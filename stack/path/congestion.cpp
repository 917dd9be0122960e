// SPDX-License-Identifier: BSD-3-Clause
// Slow start, congestion avoidance and the reactions to loss, RFC 9260 section 7.2.
#include "path/congestion.h"

#include <algorithm>

namespace trunkline {

Congestion::Congestion(uint32_t pmdcs, bool ipv6)
    : pmdcs_(static_cast<uint16_t>(pmdcs)), ipv6_(ipv6), cwnd_(initial_window()) {}

uint32_t Congestion::initial_window() const {
  const uint32_t three_packets = ipv6_ ? 4344 : 4404;
  return std::min(4u * pmdcs_, std::max(2u * pmdcs_, three_packets));
}

uint32_t Congestion::halved() const {
  return std::max(cwnd_ / 2, 4u * pmdcs_);
}

void Congestion::reset() {
  cwnd_ = initial_window();
  ssthresh_ = UINT32_MAX;
  partial_bytes_acked_ = 0;
  forget();
}

void Congestion::on_doubtful_retransmit() {
  const uint32_t before = cwnd_;
  on_fast_retransmit();
  prior_cwnd_ = before;
}

// What ssthresh was is not kept: from here on the window grows as it does after a loss.
void Congestion::undo() {
  cwnd_ = std::max(cwnd_, prior_cwnd_);
  ssthresh_ = std::max(ssthresh_, prior_cwnd_);
  forget();
}

void Congestion::on_ack(uint32_t acked, uint32_t flight_before) {
  if (acked == 0) return;
  const bool fully_used = flight_before >= cwnd_;
  if (cwnd_ <= ssthresh_) {
    // Slow start: by at most one PMDCS a SACK, and only when the window was the limit.
    if (fully_used) cwnd_ += std::min<uint32_t>(acked, pmdcs_);
    return;
  }
  partial_bytes_acked_ += acked;
  if (partial_bytes_acked_ >= cwnd_) {
    if (fully_used) {
      partial_bytes_acked_ -= cwnd_;
      cwnd_ += pmdcs_;
    } else {
      partial_bytes_acked_ = cwnd_;
    }
  }
}

void Congestion::on_t3_expiry() {
  ssthresh_ = halved();
  cwnd_ = pmdcs_;
  partial_bytes_acked_ = 0;
  forget();
}

void Congestion::on_fast_retransmit() {
  ssthresh_ = halved();
  cwnd_ = ssthresh_;
  partial_bytes_acked_ = 0;
  forget();
}

void Congestion::on_idle(uint64_t rtos) {
  if (rtos == 0) return;
  forget();
  if (cwnd_ <= 4u * pmdcs_) return;
  ssthresh_ = cwnd_;
  for (; rtos > 0 && cwnd_ > 4u * pmdcs_; --rtos) cwnd_ = std::max(cwnd_ / 2, 4u * pmdcs_);
}

}  // namespace trunkline
