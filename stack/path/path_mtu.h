// SPDX-License-Identifier: BSD-3-Clause
// How large an IP packet one path takes, and the search for it: RFC 8899 over SCTP. Probes that are
// answered raise the path MTU; an ICMP message, or a black hole that swallows large packets while
// small ones pass, lowers it. Decides sizes and times; the association sends and hears.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "trunkline/stack/profile.h"
#include "trunkline/stack/stack.h"
#include "trunkline/stack/types.h"

namespace trunkline {

// MIN_PLPMTU of RFC 8899: every host and network takes this much (RFC 1122 section 3.3.3, RFC 8200
// section 5).
inline constexpr uint16_t kIpv4Minimum = 576;
inline constexpr uint16_t kIpv6Minimum = 1280;

struct MtuAtRest;

// The search; most paths never begin one.
class MtuSearch {
 public:
  explicit MtuSearch(const MtuAtRest& at_rest);

  // Bytes of the largest IP packet that DATA may fill.
  [[nodiscard]] uint16_t value() const { return value_; }
  [[nodiscard]] PmtuState state() const;

  // What it is if it does not follow the network.
  [[nodiscard]] static uint16_t fixed_by(const Profile& profile, uint16_t limit);

  // -- probes
  // The size of a probe that is to go out; 0: none. `can_search`: the path carries data. A check,
  // which asks whether a path that swallows large packets takes small ones, goes out regardless.
  [[nodiscard]] uint16_t wanted(bool can_search) const {
    return send_ && (checking_ || can_search) ? probe_ : uint16_t{0};
  }
  [[nodiscard]] uint64_t nonce() const { return nonce_; }  // of the probe under way; 0: none
  [[nodiscard]] uint16_t probed() const { return nonce_ != 0 ? probe_ : uint16_t{0}; }
  void on_probe_sent(TimePoint now, const Profile& profile, Duration rto, uint64_t nonce);
  // The one that is wanted is more than the sender has room for.
  void on_no_room(TimePoint now, const Profile& profile);
  // A probe is late, or it is time to look for more; never() if neither.
  [[nodiscard]] TimePoint due() const { return due_; }
  // True: a probe was lost.
  bool on_due(TimePoint now, const Profile& profile);
  enum class Change : uint8_t { kNone, kRaised, kBlackHole };
  Change on_probe_acked(TimePoint now, const Profile& profile);

  // -- what happens on the path
  // It has become active: what it takes may have changed.
  void resume();
  // It is not active any more, or the association is over: no probes (5.2, DISABLED).
  void pause();
  // The association sends no HEARTBEATs any more.
  void stop() { stop_probe(); }
  // T3 expired; the largest packet that was not acknowledged had `largest` bytes.
  void on_timeout(uint16_t largest);
  // DATA was acknowledged that went in a packet of `largest` bytes.
  void on_acked(TimePoint now, const Profile& profile, uint16_t largest) {
    if (timeouts_ > 0 && largest >= suspect_) clear_suspicion(now, profile);
  }
  // The user has decided anew whether it follows the network, or what it is if it does not. True:
  // it is another one now. Where it is to follow, the search goes on with resume().
  bool on_edit(const Profile& profile, const Profile& before);
  // A router, believed, has said that packets of more than `told` bytes do not pass (4.6.2). True:
  // the path MTU is lower now.
  bool on_too_big(TimePoint now, const Profile& profile, uint16_t told);

 private:
  [[nodiscard]] uint16_t next_size() const;
  [[nodiscard]] uint16_t fixed_by(const Profile& profile) const {
    return fixed_by(profile, limit_);
  }
  [[nodiscard]] uint16_t minimum() const;
  void search(TimePoint now, const Profile& profile);
  void stop_probe();
  void fail_probe(TimePoint now, const Profile& profile);
  void clear_suspicion(TimePoint now, const Profile& profile);

  uint16_t limit_;        // Profile::path_mtu
  uint16_t base_;         // BASE_PLPMTU
  uint16_t value_;        // PLPMTU, unless it is fixed
  uint16_t ceiling_;      // nothing larger is worth a probe before the next raise
  uint16_t hint_ = 0;     // what a router said: the first size to probe
  uint16_t probe_ = 0;    // PROBED_SIZE: under way, or to be sent; 0: none
  uint16_t suspect_ = 0;  // the largest packet that was lost in time-outs
  uint8_t timeouts_ = 0;  // in a row, of large packets
  uint8_t lost_ : 2 = 0;  // PROBE_COUNT
  bool ipv6_ : 1;
  bool enabled_ : 1;
  bool send_ : 1 = false;      // the probe is to go out
  bool checking_ : 1 = false;  // it asks about less than value_, not more
  uint64_t nonce_ = 0;
  TimePoint due_ = TimePoint::never();
};

// What there is to know as long as nothing is searched for.
struct MtuAtRest {
  MtuAtRest(const Profile& profile, bool v6);

  // What surely passes: nothing that is not larger tells of a black hole.
  [[nodiscard]] uint16_t floor() const { return floor_of(value, base, ipv6); }
  [[nodiscard]] static uint16_t minimum_of(uint16_t base, bool v6) {
    return std::min(v6 ? kIpv6Minimum : kIpv4Minimum, base);
  }
  [[nodiscard]] static uint16_t floor_of(uint16_t value, uint16_t base, bool v6) {
    return value > base ? base : minimum_of(base, v6);
  }

  uint16_t limit;
  uint16_t base;
  uint16_t value;
  bool ipv6 : 1;
  bool enabled : 1;
};

class PathMtu {
 public:
  PathMtu(const Profile& profile, bool ipv6) : at_rest_(profile, ipv6) {}

  // Whoever asks for more than a path of such a profile at rest can say gives it a search first.
  [[nodiscard]] static bool searches(const Profile& profile) {
    return profile.pmtu_discovery == PmtuDiscovery::kProbing;
  }
  [[nodiscard]] const MtuAtRest& at_rest() const { return at_rest_; }
  [[nodiscard]] MtuSearch* search() const { return search_; }  // null: it is at rest
  void set_search(MtuSearch* search) { search_ = search; }
  // May packets of that size, which are lost, tell of a black hole? Then on_timeout() follows.
  [[nodiscard]] bool may_doubt(uint16_t largest) const {
    return search_ != nullptr || (at_rest_.enabled && largest > at_rest_.floor());
  }

  // -- of MtuSearch
  using Change = MtuSearch::Change;
  [[nodiscard]] uint16_t value() const { return at_rest_.value; }
  [[nodiscard]] uint16_t base() const { return at_rest_.base; }
  [[nodiscard]] PmtuState state() const {
    if (search_ != nullptr) return search_->state();
    return at_rest_.enabled ? PmtuState::kComplete : PmtuState::kFixed;
  }
  [[nodiscard]] uint16_t wanted(bool can_search) const {
    return search_ != nullptr ? search_->wanted(can_search) : uint16_t{0};
  }
  [[nodiscard]] uint64_t nonce() const { return search_ != nullptr ? search_->nonce() : 0; }
  [[nodiscard]] uint16_t probed() const {
    return search_ != nullptr ? search_->probed() : uint16_t{0};
  }
  [[nodiscard]] TimePoint due() const {
    return search_ != nullptr ? search_->due() : TimePoint::never();
  }
  void on_probe_sent(TimePoint now, const Profile& profile, Duration rto, uint64_t nonce) {
    search_->on_probe_sent(now, profile, rto, nonce);
  }
  void on_no_room(TimePoint now, const Profile& profile) { search_->on_no_room(now, profile); }
  bool on_due(TimePoint now, const Profile& profile) { return search_->on_due(now, profile); }
  Change on_probe_acked(TimePoint now, const Profile& profile) {
    const Change change = search_->on_probe_acked(now, profile);
    at_rest_.value = search_->value();
    return change;
  }
  void resume() {
    if (search_ != nullptr) search_->resume();
  }
  void pause() {
    if (search_ != nullptr) search_->pause();
  }
  void stop() {
    if (search_ != nullptr) search_->stop();
  }
  void on_timeout(uint16_t largest) { search_->on_timeout(largest); }
  void on_acked(TimePoint now, const Profile& profile, uint16_t largest) {
    if (search_ != nullptr) search_->on_acked(now, profile, largest);
  }
  bool on_edit(const Profile& profile, const Profile& before) {
    if (search_ == nullptr) return false;
    const bool changed = search_->on_edit(profile, before);
    at_rest_.value = search_->value();
    return changed;
  }
  bool on_too_big(TimePoint now, const Profile& profile, uint16_t told) {
    const bool lower = search_->on_too_big(now, profile, told);
    at_rest_.value = search_->value();
    return lower;
  }

 private:
  MtuSearch* search_ = nullptr;
  MtuAtRest at_rest_;  // with a search the value is that one's
};

}  // namespace trunkline
