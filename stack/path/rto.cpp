// SPDX-License-Identifier: BSD-3-Clause
// RFC 9260 section 6.3.1: RTO from measured round trips, with RTO.Alpha = 1/8 and RTO.Beta = 1/4.
#include "path/rto.h"

#include <algorithm>

namespace trunkline {
namespace {

// The clock granularity G of 6.3.1: RTTVAR of zero is lifted to it, else a path without jitter
// would time out on the first packet that is one tick late.
constexpr Duration kGranularity = std::chrono::milliseconds(1);

}  // namespace

void Rto::on_sample(const Profile& profile, Duration rtt) {
  rtt = std::max(rtt, Duration{0});
  if (!measured()) {  // C2
    srtt_ = rtt;
    rttvar_ = rtt / 2;
  } else {  // C3: the variance first, with the old SRTT
    const Duration error = srtt_ > rtt ? srtt_ - rtt : rtt - srtt_;
    rttvar_ = rttvar_ - rttvar_ / 4 + error / 4;
    srtt_ = srtt_ - srtt_ / 8 + rtt / 8;
  }
  rttvar_ = std::max(rttvar_, kGranularity);  // G1, G2
  rto_ = computed(profile);
}

Duration Rto::computed(const Profile& profile) const {
  if (!measured()) return profile.rto_initial;                               // C1
  return std::clamp(srtt_ + 4 * rttvar_, profile.rto_min, profile.rto_max);  // C6, C7
}

void Rto::on_edit(const Profile& before, const Profile& profile) {
  rto_ = rto_ == computed(before) ? computed(profile)
                                  : std::clamp(rto_, profile.rto_min, profile.rto_max);
}

void Rto::on_expiry(const Profile& profile) {
  if (profile.linear_backoff) return;
  rto_ = std::min(rto_ * 2, profile.rto_max);
}

}  // namespace trunkline
