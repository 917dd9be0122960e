// SPDX-License-Identifier: BSD-3-Clause
// Scenarios of what networks do to packets.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

void Drawer::data_loss() {
  for (LinkPlan& link : plan_.links) {
    LinkFaults& f = link.faults;
    switch (dice_.below(4)) {
      case 0:
        f.loss = static_cast<uint32_t>(dice_.between(0, 30)) * kPercent;
        break;
      case 1:
        f.enter_bad = static_cast<uint32_t>(dice_.between(1, 10)) * kPercent;
        f.leave_bad = static_cast<uint32_t>(dice_.between(10, 60)) * kPercent;
        f.loss_when_bad = static_cast<uint32_t>(dice_.between(50, 100)) * kPercent;
        break;
      case 2:
        named_drops(link.from, link.to,
                    {wire::ChunkType::kData, wire::ChunkType::kSack, wire::ChunkType::kHeartbeat});
        break;
      default:
        f.loss = static_cast<uint32_t>(dice_.between(0, 5)) * kPercent;
        break;
    }
  }
  if (dice_.percent(30)) {
    // Losses must not add up to a failure while acknowledgements come in between.
    plan_.incidents.clear();
    for (LinkPlan& link : plan_.links) {
      link.faults = LinkFaults{.delay = link.faults.delay, .loss = 4 * kPercent};
    }
    for (HostPlan& host : plan_.hosts) {
      Profile& profile = host.profile;
      profile.association_max_retrans = 7;
      // The client may be long in saying COOKIE ECHO again; until then it takes no DATA.
      profile.rto_max = std::max<Duration>(profile.rto_max, seconds(10));
      profile.linear_backoff = false;
      profile.heartbeat_interval = seconds(5);
    }
  }
  maybe_heal();
  if (dice_.percent(3)) idle_for_long();
}

// Heartbeats get lost now and then, never many in a row: over minutes they are more than the
// association would forgive at once (8.3).
void Drawer::idle_for_long() {
  plan_.incidents.clear();
  plan_.assocs.resize(1);
  for (LinkPlan& link : plan_.links) {
    link.faults = LinkFaults{.delay = link.faults.delay, .loss = 8 * kPercent};
  }
  for (HostPlan& host : plan_.hosts) {
    Profile& profile = host.profile;
    profile.association_max_retrans = 8;
    profile.path_max_retrans = 100;
    profile.heartbeat_interval = milliseconds(500);
    profile.rto_initial = profile.rto_min = milliseconds(200);
    profile.rto_max = seconds(1);
  }
  AssocPlan& assoc = plan_.assocs[0];
  assoc.client_side.traffic.pattern = assoc.server_side.traffic.pattern = Pattern::kSilent;
  assoc.server_side.ending = Ending::kPassive;
  assoc.client_side.ending = Ending::kShutdownAt;
  assoc.client_side.ending_after = seconds(120);
}

void Drawer::reorder_dup() {
  for (LinkPlan& link : plan_.links) {
    link.faults.reorder = static_cast<uint32_t>(dice_.between(0, 50)) * kPercent;
    link.faults.reorder_by = dice_.between(microseconds(10), milliseconds(80));
    link.faults.duplicate = static_cast<uint32_t>(dice_.between(0, 30)) * kPercent;
    if (dice_.percent(20)) link.faults.loss = 5 * kPercent;
  }
  maybe_heal();
  if (dice_.below(300) == 0) many_messages();
}

// More than a stream has sequence numbers (6.6).
void Drawer::many_messages() {
  plan_.incidents.clear();
  plan_.assocs.resize(1);
  for (LinkPlan& link : plan_.links) {
    link.faults = LinkFaults{
        .delay = milliseconds(1), .reorder = 50 * kPercent, .reorder_by = milliseconds(2)};
  }
  for (HostPlan& host : plan_.hosts) {
    host.poll = host.hand_over = Duration{};
    host.meddles = false;
    host.profile.path_mtu = 9000;
    host.profile.a_rwnd = 512 * 1024;
    host.profile.send_buffer = 8 * 1024;
    host.profile.one_data_per_packet = host.profile.nagle = false;
    host.profile.max_burst = 0;
  }
  AssocPlan& assoc = plan_.assocs[0];
  TrafficPlan& traffic = assoc.client_side.traffic;
  traffic = {};
  traffic.pattern = Pattern::kBursts;
  traffic.burst = 2000;
  traffic.gap = milliseconds(1);
  traffic.messages = 66'000;
  traffic.min_size = traffic.max_size = 4;
  assoc.server_side.traffic.pattern = Pattern::kSilent;
  assoc.client_side.ending = Ending::kWhenAllDone;
  assoc.server_side.ending = Ending::kPassive;
}

void Drawer::corruption() {
  for (LinkPlan& link : plan_.links) {
    link.faults.corrupt = static_cast<uint32_t>(dice_.between(0, 25)) * kPercent;
    if (dice_.percent(30)) link.faults.truncate = 5 * kPercent;
  }
  maybe_heal();
}

void Drawer::delay() {
  for (LinkPlan& link : plan_.links) {
    link.faults.delay = dice_.between(microseconds(10), milliseconds(400));
    link.faults.jitter = dice_.between(Duration(1), milliseconds(300));
    if (dice_.percent(40)) {
      link.faults.rate = dice_.one_of<uint64_t>({20'000, 125'000, 1'250'000});
      link.faults.queue_limit = dice_.one_of<uint32_t>({4'000, 32'000, 256'000});
    }
  }
  const size_t pauses = dice_.below(6);
  for (size_t i = 0; i < pauses; ++i) pause(milliseconds(400));
}

void Drawer::partition() {
  const bool survivable = dice_.percent(60);
  if (!survivable) {
    plan_.expect.all_close = false;
    impatient_profiles();
  }
  const size_t times = dice_.between(1, 3);
  Duration at = dice_.between(Duration{}, milliseconds(300));
  for (size_t i = 0; i < times; ++i) {
    const LinkPlan& link = plan_.links[dice_.below(plan_.links.size())];
    const bool both = dice_.percent(60);
    const Duration span = dice_.between(milliseconds(1), seconds(dice_.percent(70) ? 3 : 100));
    plan_.incidents.push_back({Incident::kCut, at, link.from, link.to, {}, 0, 0});
    if (both) plan_.incidents.push_back({Incident::kCut, at, link.to, link.from, {}, 0, 0});
    plan_.incidents.push_back({Incident::kRestore, at + span, link.from, link.to, {}, 0, 0});
    plan_.incidents.push_back({Incident::kRestore, at + span, link.to, link.from, {}, 0, 0});
    at += span + dice_.between(milliseconds(1), seconds(2));
  }
  // One side may give up while the other still waits: heartbeats tell it in the end.
  for (HostPlan& host : plan_.hosts) {
    host.profile.heartbeat_interval =
        std::max<Duration>(host.profile.heartbeat_interval, milliseconds(500));
  }
}

void Drawer::mixed() {
  for (LinkPlan& link : plan_.links) {
    LinkFaults& f = link.faults;
    f.loss = static_cast<uint32_t>(dice_.between(0, 10)) * kPercent;
    f.corrupt = static_cast<uint32_t>(dice_.between(0, 5)) * kPercent;
    f.duplicate = static_cast<uint32_t>(dice_.between(0, 10)) * kPercent;
    f.reorder = static_cast<uint32_t>(dice_.between(0, 20)) * kPercent;
    f.reorder_by = dice_.between(microseconds(10), milliseconds(50));
    f.jitter = dice_.between(Duration(1), milliseconds(20));
  }
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      side->reader.keep = 50 * kPercent;
      side->reader.stall = 5 * kPercent;
      side->reader.stall_for = dice_.between(milliseconds(1), seconds(2));
    }
    if (dice_.percent(30)) assoc.client_side.ending = Ending::kWhenAllSent;
  }
  pause(milliseconds(200));
  heal_after(seconds(1), seconds(30));
}

}  // namespace trunkline::sim
