// SPDX-License-Identifier: BSD-3-Clause
// What RACK knows of one path (RFC 8985 section 6): what was sent last of all that was delivered,
// how long that took, the shortest round trip, and how far the network reorders. Arithmetic on
// times and TSNs alone: chunks are the sender's. Times are microseconds that wrap after 71 minutes:
// what is known is forgotten with the last gap, and with T3.
#pragma once

#include <algorithm>
#include <cstdint>

#include "trunkline/stack/types.h"

namespace trunkline {

class Rack {
 public:
  // -- round trips
  // Measured on a chunk that was sent once; one a round trip.
  void on_sample(Duration rtt);
  // The newest of the chunks that a SACK has delivered; and of those that were sent more than once,
  // of which the first may be the one that came. `by_recovery`: because something else had come.
  void on_delivered(TimePoint now, TimePoint sent_at, Tsn tsn);
  void on_delivered_again(TimePoint now, TimePoint sent_at, Tsn tsn, bool by_recovery);
  // Nothing is missing any more, or T3 has taken over.
  void forget() { rtt_us_ = 0; }

  // -- what was sent before the newest that was delivered
  [[nodiscard]] bool knows() const { return rtt_us_ != 0; }
  [[nodiscard]] bool measured() const { return min_rtt_us_ != 0; }
  [[nodiscard]] int64_t newest_us(TimePoint now) const {
    return micros(now) - static_cast<uint32_t>(static_cast<uint32_t>(micros(now)) - newest_us_);
  }
  [[nodiscard]] uint16_t newest_tsn() const { return newest_tsn_; }
  [[nodiscard]] bool is_before_newest(TimePoint now, TimePoint sent_at, Tsn tsn) const;
  [[nodiscard]] static int64_t micros(TimePoint at) { return at.ns() / 1000; }
  // So long after it was sent it is lost: RACK.rtt and the reordering window (6.2 step 4). `sure`:
  // in recovery, or so much was reported behind it that, without reordering, it is lost at once.
  [[nodiscard]] Duration patience(bool sure, Duration srtt) const;

  // -- reordering
  // As long as there is some the window stays as wide as it is.
  void see_reordering() {
    reordering_ = true;
    persist_ = kRecoveries;
  }
  [[nodiscard]] bool sees_reordering() const { return reordering_; }
  // The peer says that what was sent again came twice.
  void on_spurious();
  void on_recovery_end();

  // -- what the recovery has sent again: if all of it came twice, none of it was lost
  void begin_recovery() { again_ = 0; }
  void on_sent_again(uint16_t chunks) {
    again_ = static_cast<uint8_t>(std::min<uint32_t>(again_ + chunks, kTooMany)) & kTooMany;
  }
  // One of them came twice. True: that was the last one.
  [[nodiscard]] bool on_came_twice() { return again_ != 0 && again_ != kTooMany && --again_ == 0; }

 private:
  static constexpr uint8_t kTooMany = 63;
  static constexpr uint8_t kWidest = 15;      // quarters of a round trip
  static constexpr uint8_t kRecoveries = 15;  // and one more, that it stays wide

  uint32_t newest_us_ = 0;  // RACK.xmit_ts
  uint32_t rtt_us_ = 0;     // RACK.rtt; 0: nothing is known
  uint32_t min_rtt_us_ = 0;
  uint16_t newest_tsn_ = 0;   // RACK.end_seq, its last 16 bits
  uint8_t quarters_ : 4 = 1;  // RACK.reo_wnd_mult
  uint8_t persist_ : 4 = 0;
  uint8_t again_ : 6 = 0;
  bool reordering_ : 1 = false;
  bool widened_ : 1 = false;  // in this round trip
};
static_assert(sizeof(Rack) == 16);

}  // namespace trunkline
