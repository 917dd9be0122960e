// SPDX-License-Identifier: BSD-3-Clause
// When a path is asked whether it is alive, and what its answer proves (RFC 9260 sections 5.4, 8.3;
// RFC 7829 section 3.2).
#include "path/path_set.h"

namespace trunkline {
namespace {

constexpr Duration kProbeInterval = std::chrono::seconds(30);  // HB.interval of section 16

}  // namespace

// Once per HB.interval and RTO, the RTO jittered by half of itself (8.3). An address that is not
// confirmed yet is probed at once, and then every RTO, until it has failed (5.4); one that is
// potentially failed every RTO (RFC 7829 section 3.2 rule 5).
void PathSet::plan_heartbeat(const Profile& profile, RandomSource& random, TimePoint now,
                             Path& path) {
  if (path.state == PathState::kUnconfirmed) {
    path.heartbeat_due = path.heartbeats_sent == 0 ? now : now + path.rto.value();
    return;
  }
  // Without HEARTBEATs it would stay unconfirmed whatever becomes of it: there the RFC's interval
  // counts.
  const Duration interval = profile.heartbeat_interval == Duration{0} && !path.confirmed()
                                ? kProbeInterval
                                : profile.heartbeat_interval;
  if (interval == Duration{0}) {
    path.heartbeat_due = TimePoint::never();
    return;
  }
  const Duration rto = path.rto.value();
  if (path.state == PathState::kPotentiallyFailed) {
    path.heartbeat_due = now + rto;
    return;
  }
  const Duration jitter(
      static_cast<int64_t>(random.u64() % static_cast<uint64_t>(rto.count() + 1)));
  path.heartbeat_due = now + interval + rto / 2 + jitter;
}

// A shorter one puts nothing off, however often it is edited; zero, for none at all, is the
// longest. How often an address is asked while it is probed, or in doubt, does not follow from it.
void PathSet::replan_heartbeat(const Profile& profile, RandomSource& random, TimePoint now,
                               Path& path, Duration before) {
  if (path.send_heartbeat || path.heartbeat_outstanding) return;
  if (path.state == PathState::kUnconfirmed) return;
  const TimePoint planned = path.heartbeat_due;
  plan_heartbeat(profile, random, now, path);
  const bool longer = before != Duration{0} && path.usable() && profile.heartbeat_interval > before;
  if (!longer && !path.heartbeat_due.is_never()) {
    path.heartbeat_due = std::min(path.heartbeat_due, planned);
  }
}

bool PathSet::on_heartbeat_due(const Profile& profile, TimePoint now, Path& path, bool data) {
  // An only path need not be asked while its data is: that tells as much (RFC 7829 section 3.2
  // rule 6).
  if (path.state == PathState::kPotentiallyFailed && count_ == 1 && data) {
    path.heartbeat_due = now + path.rto.value();
    return false;
  }
  // Data that was sent within the period has tested the path already: it is not idle.
  const TimePoint idle_since = path.last_sent_at + profile.heartbeat_interval;
  if (path.usable() && idle_since > now && path.last_sent_at.ns() != 0) {
    path.heartbeat_due = idle_since + path.rto.value();
    return false;
  }
  if (!path.confirmed()) {
    if (!may_probe(now, path)) {
      path.heartbeat_due = next_probe_at() > now ? next_probe_at() : now + path.rto.value();
      return false;
    }
    set_next_probe_at(now + path.rto.value());
  }
  path.send_heartbeat = true;
  path.heartbeat_due = TimePoint::never();
  return true;
}

// HB.Max.Burst is 1: one address that is not confirmed is probed in an RTO, and none again before
// each had its turn that has not failed (5.4).
bool PathSet::may_probe(TimePoint now, const Path& path) const {
  if (now < next_probe_at()) return false;
  for (const Path* other : list()) {
    if (other->state != PathState::kUnconfirmed || other->send_heartbeat) continue;
    if (other->heartbeats_sent < path.heartbeats_sent) return false;
  }
  return true;
}

void PathSet::on_heartbeat_sent(TimePoint now, Path& path, uint64_t nonce) {
  path.send_heartbeat = false;
  path.heartbeat_nonce = nonce;
  path.heartbeat_sent_at = now;
  if (!path.confirmed()) set_next_probe_at(now + path.rto.value());
}

// A path that failed is back when it has answered often enough; until then it is asked at each RTO,
// as one that is potentially failed.
PathState PathSet::on_heartbeat_answered(const Profile& profile, TimePoint now, Path& path) {
  ++path.heartbeat_acks;
  path.heartbeat_nonce = 0;
  path.heartbeat_outstanding = false;
  path.error_count = 0;
  path.rto.on_sample(profile, now - path.heartbeat_sent_at);
  if (path.failed()) ++path.answers_in_row;
  const bool proven = !path.failed() || path.answers_in_row >= profile.primary_return_heartbeats;
  return proven ? PathState::kActive : PathState::kPotentiallyFailed;
}

bool PathSet::ask_all(TimePoint now) {
  bool asked = false;
  for (Path* path : list()) {
    if (!path->confirmed() || path->send_heartbeat || path->heartbeat_outstanding) continue;
    if (path->heartbeats_sent > 0 && now - path->heartbeat_sent_at < path->rto.value()) continue;
    path->send_heartbeat = true;
    asked = true;
  }
  return asked;
}

void PathSet::stop_heartbeats() {
  for (Path* path : list()) {
    path->heartbeat_due = TimePoint::never();
    path->send_heartbeat = false;
    path->heartbeat_outstanding = false;
    path->mtu.stop();
  }
}

}  // namespace trunkline
