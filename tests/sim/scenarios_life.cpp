// SPDX-License-Identifier: BSD-3-Clause
// Scenarios of how associations begin, end and fail, and of hosts that are slow, full or gone.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

void Drawer::stalls() {
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      side->reader.keep = static_cast<uint32_t>(dice_.between(50, 100)) * kPercent;
      side->reader.stall = dice_.one_of<uint32_t>({kPercent, 10 * kPercent, 50 * kPercent});
      side->reader.stall_for = dice_.between(milliseconds(1), seconds(dice_.percent(80) ? 3 : 40));
      side->reader.trickle = dice_.percent(50);
      if (side->traffic.pattern != Pattern::kPingPong) {
        side->traffic.pattern = dice_.percent(80) ? Pattern::kStream : Pattern::kBursts;
      }
    }
  }
  for (HostPlan& host : plan_.hosts) {
    host.profile.a_rwnd = dice_.one_of<uint32_t>({4 * 1024, 16 * 1024, 32 * 1024});
  }
  limit_sizes();
  if (dice_.percent(40)) light_loss();
}

void Drawer::shutdown() {
  // The guard timer is 5 * RTO.max: time enough to lose some packets.
  for (HostPlan& host : plan_.hosts) {
    host.profile.rto_max = std::max<Duration>(host.profile.rto_max, seconds(10));
  }
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      side->ending =
          dice_.one_of<Ending>({Ending::kPassive, Ending::kWhenAllSent, Ending::kShutdownAt});
      side->ending_after = dice_.between(Duration{}, milliseconds(500));
    }
    // At the same time, now and then.
    if (dice_.percent(25)) {
      assoc.client_side.ending = assoc.server_side.ending = Ending::kShutdownAt;
      assoc.server_side.ending_after = assoc.client_side.ending_after;
    }
    if (assoc.client_side.ending == Ending::kPassive) {
      assoc.server_side.ending = Ending::kWhenAllSent;
    }
  }
  if (dice_.percent(60)) light_loss();
  for (const LinkPlan& link : plan_.links) {
    if (!dice_.percent(40)) continue;
    named_drops(link.from, link.to,
                {wire::ChunkType::kShutdown, wire::ChunkType::kShutdownAck,
                 wire::ChunkType::kShutdownComplete, wire::ChunkType::kData},
                3);
  }
}

void Drawer::abort() {
  plan_.expect.all_close = false;
  for (AssocPlan& assoc : plan_.assocs) {
    SidePlan& side = dice_.percent(50) ? assoc.client_side : assoc.server_side;
    side.ending = Ending::kAbortAt;
    side.ending_after = dice_.between(Duration{}, milliseconds(dice_.percent(50) ? 20 : 500));
  }
  // A lost ABORT leaves the peer alone with a dead association: it must find out by itself.
  for (HostPlan& host : plan_.hosts) {
    host.profile.heartbeat_interval =
        std::max<Duration>(host.profile.heartbeat_interval, milliseconds(500));
    host.profile.association_max_retrans = 20;
    if (dice_.percent(20)) host.out_of_blue_replies = 0;
  }
  if (dice_.percent(50)) light_loss();
}

void Drawer::restart() {
  plan_.expect.all_close = false;
  const HostIndex victim = any_host();
  Duration at = dice_.between(Duration{}, milliseconds(800));
  const size_t times = dice_.between(1, 2);
  for (size_t i = 0; i < times; ++i) {
    plan_.incidents.push_back({Incident::kCrash, at, victim, 0, {}, 0, 0});
    at += dice_.between(microseconds(1), dice_.percent(50) ? milliseconds(50) : seconds(20));
    plan_.incidents.push_back({Incident::kStart, at, victim, 0, {}, 0, 0});
    at += dice_.between(milliseconds(1), milliseconds(800));
  }
  for (HostPlan& host : plan_.hosts) {
    host.profile.heartbeat_interval = dice_.one_of<Duration>({milliseconds(500), seconds(5)});
    // A cookie of before the crash is answered with silence: the client must begin anew.
    host.profile.max_init_retransmits = 10;
  }
  for (AssocPlan& assoc : plan_.assocs) {
    assoc.reconnect = true;
    assoc.close_endpoint = false;
    // Whoever ends it must live to do so.
    assoc.client_side.ending = Ending::kWhenAllDone;
    assoc.server_side.ending = Ending::kPassive;
  }
  if (dice_.percent(30)) light_loss();
}

void Drawer::collision() {
  for (AssocPlan& assoc : plan_.assocs) {
    assoc.both_connect = true;
    assoc.close_endpoint = false;
    assoc.connect_after = Duration{};
    assoc.peer_connect_after =
        dice_.percent(50) ? Duration{} : dice_.between(Duration{}, milliseconds(100));
    assoc.server_port = static_cast<uint16_t>(assoc.client_port + 10'000);
  }
  for (HostPlan& host : plan_.hosts) host.listening = dice_.percent(70);
  // Who does not listen refuses an INIT that comes before its own connect.
  if (std::any_of(plan_.hosts.begin(), plan_.hosts.end(),
                  [](const HostPlan& host) { return !host.listening; })) {
    for (AssocPlan& assoc : plan_.assocs) assoc.peer_connect_after = Duration{};
  }
  for (const LinkPlan& link : plan_.links) {
    if (dice_.percent(40)) {
      named_drops(link.from, link.to,
                  {wire::ChunkType::kInit, wire::ChunkType::kInitAck, wire::ChunkType::kCookieEcho,
                   wire::ChunkType::kCookieAck});
    }
  }
  if (dice_.percent(40)) light_loss();
  if (dice_.percent(30)) {
    for (LinkPlan& link : plan_.links) link.faults.duplicate = 20 * kPercent;
  }
}

void Drawer::crash() {
  plan_.expect.all_close = false;
  plan_.expect.loss_reason = Reason::kTimedOut;
  impatient_profiles();
  // Only the crash may look like a failure.
  for (LinkPlan& link : plan_.links) link.faults.rate = 0;
  for (HostPlan& host : plan_.hosts) host.profile.rto_min = host.profile.rto_initial;
  plan_.incidents.push_back(
      {Incident::kCrash, dice_.between(Duration{}, seconds(1)), any_host(), 0, {}, 0, 0});
  for (AssocPlan& assoc : plan_.assocs) {
    assoc.client_side.ending_after = assoc.server_side.ending_after = seconds(1);
  }
}

void Drawer::setup() {
  switch (dice_.below(4)) {
    case 3: {  // cookies grow stale on the way, and are asked for anew (section 5.2.6)
      const Duration delay = dice_.between(milliseconds(5), milliseconds(200));
      for (LinkPlan& link : plan_.links) {
        link.faults.rate = 0;
        link.faults.delay = delay;
      }
      // A life may be doubled on request, not more. The way takes two delays.
      for (HostPlan& host : plan_.hosts) {
        host.profile.valid_cookie_life = dice_.between(delay * 5 / 4 + milliseconds(2), delay * 3);
      }
      break;
    }
    case 0:  // every chunk of the handshake gets lost some time
      for (const LinkPlan& link : plan_.links) {
        named_drops(link.from, link.to,
                    {wire::ChunkType::kInit, wire::ChunkType::kInitAck,
                     wire::ChunkType::kCookieEcho, wire::ChunkType::kCookieAck});
      }
      break;
    case 1:  // nobody listens
      for (HostPlan& host : plan_.hosts) host.listening = false;
      plan_.expect.all_close = false;
      plan_.expect.connects_fail = true;
      plan_.expect.connect_reason = Reason::kRefused;
      break;
    default:  // nobody is there
      impatient_profiles();
      for (LinkPlan& link : plan_.links) link.faults.cut = true;
      plan_.expect.all_close = false;
      plan_.expect.connects_fail = true;
      plan_.expect.connect_reason = Reason::kTimedOut;
      break;
  }
}

void Drawer::exhaustion() {
  plan_.expect.all_close = false;
  plan_.expect.refusals = true;
  for (HostPlan& host : plan_.hosts) {
    host.max_associations = static_cast<uint32_t>(dice_.between(1, 4));
    host.receive_buffer_bytes = 1024 * dice_.between(2, 64);
    host.max_outstanding_chunks = static_cast<uint32_t>(dice_.between(1, 40));
    host.max_queued_messages = static_cast<uint32_t>(dice_.between(1, 40));
    host.profile.heartbeat_interval = milliseconds(500);
    host.profile.association_max_retrans = 20;
    host.profile.max_init_retransmits = 10;
  }
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      side->reader.keep = dice_.percent(50) ? 80 * kPercent : 0;
      side->reader.stall = 2 * kPercent;
      side->reader.stall_for = dice_.between(milliseconds(1), seconds(1));
    }
  }
  if (dice_.percent(60)) {
    for (LinkPlan& link : plan_.links) {
      link.faults.loss = 5 * kPercent;
      link.faults.reorder = 30 * kPercent;
      link.faults.reorder_by = milliseconds(10);
    }
  }
}

}  // namespace trunkline::sim
