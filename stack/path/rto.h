// SPDX-License-Identifier: BSD-3-Clause
// The retransmission time-out of one path (RFC 9260 section 6.3.1 to 6.3.3): smoothed round trip,
// variance, bounds and back-off. Knows nothing of packets; fed by whoever measured.
#pragma once

#include "trunkline/stack/profile.h"
#include "trunkline/stack/types.h"

namespace trunkline {

class Rto {
 public:
  explicit Rto(const Profile& profile) : rto_(profile.rto_initial) {}

  // A round trip measured on a chunk that was sent once (Karn; 6.3.1 C5).
  void on_sample(const Profile& profile, Duration rtt);
  // What was computed from the old bounds is computed anew; what was backed off is kept within.
  void on_edit(const Profile& before, const Profile& profile);
  // T3 expired (6.3.3 E2). Linear back-off keeps the value.
  void on_expiry(const Profile& profile);

  [[nodiscard]] Duration value() const { return rto_; }
  [[nodiscard]] Duration srtt() const { return measured() ? srtt_ : Duration{0}; }
  [[nodiscard]] bool measured() const { return srtt_ != kNotMeasured; }

 private:
  static constexpr Duration kNotMeasured{-1};

  [[nodiscard]] Duration computed(const Profile& profile) const;

  Duration rto_;
  Duration srtt_ = kNotMeasured;
  Duration rttvar_{};
};

}  // namespace trunkline
