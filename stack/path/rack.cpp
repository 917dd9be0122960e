// SPDX-License-Identifier: BSD-3-Clause
// RACK's state of a path, RFC 8985 section 6.2 steps 1 to 4.
#include "path/rack.h"

namespace trunkline {
namespace {

uint32_t micros_of(Duration duration) {
  constexpr int64_t kMost = UINT32_MAX;
  return static_cast<uint32_t>(std::clamp<int64_t>(duration.count() / 1000, 1, kMost));
}

// A round trip that was shorter long ago is forgotten by and by.
constexpr uint32_t kForgetting = 256;

}  // namespace

void Rack::on_sample(Duration rtt) {
  const uint32_t us = micros_of(rtt);
  if (min_rtt_us_ == 0 || us < min_rtt_us_) {
    min_rtt_us_ = us;
  } else {
    min_rtt_us_ += (us - min_rtt_us_) / kForgetting;
  }
  widened_ = false;
}

bool Rack::is_before_newest(TimePoint now, TimePoint sent_at, Tsn tsn) const {
  const int64_t newest = newest_us(now);
  if (micros(sent_at) != newest) return micros(sent_at) < newest;
  return static_cast<int16_t>(static_cast<uint16_t>(tsn.value) - newest_tsn_) < 0;
}

// Step 2.
void Rack::on_delivered(TimePoint now, TimePoint sent_at, Tsn tsn) {
  if (knows() && is_before_newest(now, sent_at, tsn)) return;
  newest_us_ = static_cast<uint32_t>(micros(sent_at));
  newest_tsn_ = static_cast<uint16_t>(tsn.value);
  rtt_us_ = micros_of(now - sent_at);
}

// What comes back sooner than any round trip is the answer to the first transmission, which was
// late, and not lost.
void Rack::on_delivered_again(TimePoint now, TimePoint sent_at, Tsn tsn, bool by_recovery) {
  if (min_rtt_us_ == 0) return;
  if (micros_of(now - sent_at) >= min_rtt_us_) return on_delivered(now, sent_at, tsn);
  if (by_recovery) see_reordering();
}

Duration Rack::patience(bool sure, Duration srtt) const {
  const Duration rtt = std::chrono::microseconds(rtt_us_);
  if (sure && !reordering_) return rtt;
  const Duration window = std::chrono::microseconds(uint64_t{min_rtt_us_} * quarters_ / 4);
  return rtt + (srtt.count() > 0 ? std::min(window, srtt) : window);
}

void Rack::on_spurious() {
  see_reordering();
  if (widened_) return;
  widened_ = true;
  if (quarters_ < kWidest) ++quarters_;
}

void Rack::on_recovery_end() {
  if (persist_ > 0) {
    --persist_;
  } else {
    quarters_ = 1;
  }
}

}  // namespace trunkline
