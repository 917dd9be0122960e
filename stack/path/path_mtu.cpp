// SPDX-License-Identifier: BSD-3-Clause
// RFC 8899 sections 4.3, 4.6.2 and 5: the state machine and the search.
#include "path/path_mtu.h"

#include <algorithm>
#include <array>
#include <utility>

namespace trunkline {
namespace {

constexpr uint8_t kMaxProbes = 3;                               // MAX_PROBES
constexpr Duration kShortestTimeout = std::chrono::seconds(1);  // 5.1.1
constexpr uint8_t kTimeoutsForCheck = 2;

// What networks have: IPv6's least, tunnels of all kinds in Ethernet, PPPoE, Ethernet, jumbo
// frames. One probe for each that passes; the first that does not ends the search.
constexpr std::array<uint16_t, 11> kSizes = {1280, 1400, 1420, 1450, 1476, 1492,
                                             1500, 2000, 4096, 8192, 9000};

}  // namespace

uint16_t MtuSearch::fixed_by(const Profile& profile, uint16_t limit) {
  const bool fixed = profile.pmtu_discovery == PmtuDiscovery::kOff && profile.fixed_path_mtu != 0;
  return fixed ? std::min(profile.fixed_path_mtu, limit) : limit;
}

MtuAtRest::MtuAtRest(const Profile& profile, bool v6)
    : limit(profile.path_mtu),
      base(std::min(v6 ? std::max(profile.pmtu_base, kIpv6Minimum) : profile.pmtu_base, limit)),
      value(profile.pmtu_discovery == PmtuDiscovery::kProbing
                ? base
                : MtuSearch::fixed_by(profile, limit)),
      ipv6(v6),
      enabled(profile.pmtu_discovery != PmtuDiscovery::kOff) {}

MtuSearch::MtuSearch(const MtuAtRest& at_rest)
    : limit_(at_rest.limit),
      base_(at_rest.base),
      value_(at_rest.value),
      ceiling_(limit_),
      ipv6_(at_rest.ipv6),
      enabled_(at_rest.enabled) {}

bool MtuSearch::on_edit(const Profile& profile, const Profile& before) {
  const bool follows = profile.pmtu_discovery != PmtuDiscovery::kOff;
  if (follows == enabled_ && (follows || fixed_by(profile) == fixed_by(before))) return false;
  enabled_ = follows;
  stop_probe();
  timeouts_ = 0;
  suspect_ = 0;
  if (follows) return false;
  return std::exchange(value_, fixed_by(profile)) != value_;
}

uint16_t MtuSearch::minimum() const {
  return MtuAtRest::minimum_of(base_, ipv6_);
}

PmtuState MtuSearch::state() const {
  if (!enabled_) return PmtuState::kFixed;
  if (value_ < base_) return PmtuState::kError;
  return probe_ != 0 ? PmtuState::kSearching : PmtuState::kComplete;
}

// The next size to try; 0: none that could pass is left.
uint16_t MtuSearch::next_size() const {
  if (hint_ > value_ && hint_ <= ceiling_) return hint_;
  if (value_ < base_ && base_ <= ceiling_) return base_;
  for (const uint16_t size : kSizes) {
    if (size > value_ && size <= ceiling_) return size;
  }
  return ceiling_ == limit_ && limit_ > value_ ? limit_ : uint16_t{0};
}

void MtuSearch::search(TimePoint now, const Profile& profile) {
  stop_probe();
  probe_ = next_size();
  send_ = probe_ != 0;
  const bool raises = value_ < limit_ && profile.pmtu_raise_interval > Duration{0};
  if (probe_ == 0 && raises) due_ = now + profile.pmtu_raise_interval;
}

void MtuSearch::stop_probe() {
  probe_ = 0;
  lost_ = 0;
  nonce_ = 0;
  send_ = false;
  checking_ = false;
  due_ = TimePoint::never();
}

void MtuSearch::clear_suspicion(TimePoint now, const Profile& profile) {
  timeouts_ = 0;
  suspect_ = 0;
  if (checking_) search(now, profile);
}

void MtuSearch::on_probe_sent(TimePoint now, const Profile& profile, Duration rto, uint64_t nonce) {
  send_ = false;
  nonce_ = nonce;
  // A check that is not answered is repeated by the next T3: then the path has failed, or worse.
  if (!checking_) due_ = now + std::max({profile.pmtu_probe_timeout, kShortestTimeout, rto});
}

void MtuSearch::on_no_room(TimePoint now, const Profile& profile) {
  ceiling_ = std::min<uint16_t>(ceiling_, static_cast<uint16_t>(probe_ - 1));
  search(now, profile);
}

void MtuSearch::fail_probe(TimePoint now, const Profile& profile) {
  nonce_ = 0;
  lost_ = (lost_ + 1) & 3;
  if (lost_ < kMaxProbes) {
    send_ = true;
    due_ = TimePoint::never();
    return;
  }
  ceiling_ = static_cast<uint16_t>(probe_ - 1);
  search(now, profile);
}

bool MtuSearch::on_due(TimePoint now, const Profile& profile) {
  if (probe_ != 0) {
    fail_probe(now, profile);
    return true;
  }
  ceiling_ = limit_;  // PMTU_RAISE_TIMER
  hint_ = 0;
  search(now, profile);
  return false;
}

MtuSearch::Change MtuSearch::on_probe_acked(TimePoint now, const Profile& profile) {
  const bool lowered = checking_;
  value_ = probe_;
  if (lowered) {
    ceiling_ = std::min<uint16_t>(ceiling_, static_cast<uint16_t>(suspect_ - 1));
    hint_ = 0;
  }
  timeouts_ = 0;
  suspect_ = 0;
  search(now, profile);
  return lowered ? Change::kBlackHole : Change::kRaised;
}

void MtuSearch::resume() {
  if (checking_) return;
  stop_probe();
  if (!enabled_ || value_ == limit_) return;
  ceiling_ = limit_;
  hint_ = 0;
  probe_ = next_size();
  send_ = probe_ != 0;
}

void MtuSearch::pause() {
  if (checking_) return;  // it asks precisely whether the path is dead, or its large packets only
  stop_probe();
}

// Once may be chance. From the second time on small packets are asked after: of the base, then, as
// that was not answered, of the least that must pass, in turns.
void MtuSearch::on_timeout(uint16_t largest) {
  const uint16_t floor = MtuAtRest::floor_of(value_, base_, ipv6_);
  if (!enabled_ || largest <= floor) return;
  suspect_ = std::max(suspect_, largest);
  if (timeouts_ < UINT8_MAX) ++timeouts_;
  if (timeouts_ < kTimeoutsForCheck) return;
  const bool base_unanswered = checking_ && nonce_ != 0 && probe_ == base_;
  stop_probe();
  probe_ = base_unanswered ? minimum() : floor;
  checking_ = true;
  send_ = true;
}

bool MtuSearch::on_too_big(TimePoint now, const Profile& profile, uint16_t told) {
  const uint16_t probed = checking_ ? uint16_t{0} : probe_;
  if (told < value_) {
    // Not lowered to what was said but to the base; a probe then shows whether it was true.
    value_ = std::min(base_, told);
    ceiling_ = hint_ = told;
    timeouts_ = 0;
    suspect_ = 0;
    search(now, profile);
    return true;
  }
  if (told < probed) {
    ceiling_ = hint_ = told;
    search(now, profile);
  }
  return false;
}

}  // namespace trunkline
