// SPDX-License-Identifier: BSD-3-Clause
// Scenarios of associations with several paths, some of which fail.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

uint8_t bit(NetIndex net) {
  return static_cast<uint8_t>(1u << net);
}

}  // namespace

void Drawer::multihoming() {
  for (HostPlan& host : plan_.hosts) {
    host.profile.path_max_retrans = static_cast<uint16_t>(dice_.between(0, 5));
    host.profile.heartbeat_interval = dice_.one_of<Duration>({milliseconds(500), seconds(5)});
  }
  if (dice_.percent(50)) light_loss();
  // One network at a time dies, for a while or for good: the other one carries on.
  const bool for_good = dice_.percent(40);
  const bool both_ways = dice_.percent(70);
  Duration at = dice_.between(milliseconds(400), seconds(1));
  const size_t times = for_good ? 1 : dice_.between(1, 3);
  const size_t nets = plan_.hosts[0].addresses.size();
  auto net = static_cast<NetIndex>(dice_.below(nets));
  for (size_t i = 0; i < times; ++i) {
    const Duration back = at + dice_.between(milliseconds(10), seconds(10));
    for (const LinkPlan& link : plan_.links) {
      if (link.net != net || (!both_ways && link.from > link.to)) continue;
      IncidentPlan cut{Incident::kCut, at, link.from, link.to, {}, 0, 0, bit(net)};
      plan_.incidents.push_back(cut);
      if (for_good) continue;
      cut.what = Incident::kRestore;
      cut.after = back;
      plan_.incidents.push_back(cut);
    }
    at = back + dice_.between(milliseconds(1), seconds(5));
    net = static_cast<NetIndex>((net + 1) % nets);
  }
  // Who has one path only is lost with it. So is, in the end, who is closing already when it goes
  // and has not been told yet that the other one works. Whose time-outs stay as short as they are
  // needs more of them until the next HEARTBEAT finds that out.
  if (for_good) {
    for (HostPlan& host : plan_.hosts) {
      host.profile.association_max_retrans = host.profile.linear_backoff ? 1000 : 60;
    }
    for (AssocPlan& assoc : plan_.assocs) {
      if (assoc.server_paths == 1) give_paths(assoc);
      assoc.named = 0;  // all of them: no INIT finds what it does not know
    }
  }
}

// Takes a network from all hosts, in both directions or one, for a while or, without a span, for
// good.
void Drawer::cut(Duration at, Duration span, NetIndex net, bool both_ways) {
  for (const LinkPlan& link : plan_.links) {
    if (link.net != net || (!both_ways && link.from > link.to)) continue;
    IncidentPlan incident{Incident::kCut, at, link.from, link.to, {}, 0, 0, bit(net)};
    plan_.incidents.push_back(incident);
    if (span.count() == 0) continue;
    incident.what = Incident::kRestore;
    incident.after = at + span;
    plan_.incidents.push_back(incident);
  }
}

void Drawer::failover() {
  const size_t nets = plan_.hosts[0].addresses.size();
  // What operators use, or what RFC 9260 recommends (section 16).
  const bool signalling = dice_.percent(70);
  const Duration shortest =
      signalling ? dice_.one_of<Duration>({milliseconds(100), milliseconds(150), milliseconds(200)})
                 : seconds(1);
  for (HostPlan& host : plan_.hosts) {
    Profile& p = host.profile;
    p.rto_min = p.rto_initial = shortest;
    p.rto_max = signalling ? milliseconds(400) : seconds(60);
    p.linear_backoff = signalling && dice_.percent(50);
    p.heartbeat_interval = signalling ? milliseconds(500) : seconds(5);
    p.path_max_retrans = signalling ? static_cast<uint16_t>(dice_.between(0, 5)) : 5;
    p.potentially_failed_max_retrans = signalling || dice_.percent(50) ? 0 : 5;
    p.primary_return_heartbeats = dice_.one_of<uint16_t>({1, 1, 2, 3});
    if (dice_.percent(20)) p.primary_switchover_max_retrans = 5;
    p.association_max_retrans = 10;
    host.knows_networks = dice_.percent(75);
    // The round trip is a fifth of the RTO at most: see path_watch.h.
    p.sack_delay = dice_.one_of<Duration>({Duration{}, shortest / 20});
    host.poll = dice_.one_of<Duration>({Duration{}, microseconds(50), milliseconds(1)});
    host.hand_over = dice_.one_of<Duration>({Duration{}, microseconds(2), microseconds(200)});
    host.meddles = false;  // a HEARTBEAT on demand puts off what the one before would tell
  }
  for (LinkPlan& link : plan_.links) {
    link.faults = {};
    link.faults.delay = dice_.between(microseconds(10), shortest / 40);
  }
  // Nothing can be promised in time where an application may name a path that is just dying.
  const bool switching = dice_.percent(30);
  plan_.expect.failover = !switching;
  for (AssocPlan& assoc : plan_.assocs) {
    if (assoc.server_paths == 1) give_paths(assoc);
    assoc.connect_after = Duration{};
    assoc.close_endpoint = false;
    assoc.switches_primary = switching;
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      TrafficPlan& traffic = side->traffic;
      traffic.pattern = dice_.one_of<Pattern>(
          {Pattern::kPaced, Pattern::kPaced, Pattern::kPaced, Pattern::kBursts, Pattern::kSilent});
      traffic.gap = dice_.between(milliseconds(5), milliseconds(60));
      traffic.burst = static_cast<uint32_t>(dice_.between(1, 3));
      traffic.messages = static_cast<uint32_t>(dice_.between(50, 250));
      traffic.max_size = std::min<uint32_t>(traffic.max_size, 600);
      traffic.min_size = std::min(traffic.min_size, traffic.max_size);
    }
    // It lasts as long as the links are being pulled.
    assoc.client_side.ending = Ending::kWhenAllDone;
    assoc.client_side.ending_after = seconds(dice_.between(5, 30));
    assoc.server_side.ending = Ending::kPassive;
  }
  Duration at = dice_.between(milliseconds(300), seconds(2));
  auto net = static_cast<NetIndex>(dice_.below(nets));
  const bool both_ways = dice_.percent(75);
  switch (dice_.below(4)) {
    case 0:  // one, for good
      cut(at, Duration{}, net, both_ways);
      break;
    case 1:  // one after the other, each put back before the next
      for (size_t i = 0; i < nets; ++i) {
        const Duration span = dice_.between(milliseconds(50), seconds(5));
        cut(at, span, net, both_ways);
        at += span + dice_.between(seconds(1), seconds(4));
        net = static_cast<NetIndex>((net + 1) % nets);
      }
      break;
    case 2: {  // one that flaps
      const size_t times = dice_.between(2, 12);
      for (size_t i = 0; i < times; ++i) {
        const Duration span = dice_.between(milliseconds(1), milliseconds(800));
        cut(at, span, net, both_ways);
        at += span + dice_.between(milliseconds(1), milliseconds(800));
      }
      break;
    }
    default:  // all at once, for a while: who is patient survives it
      for (HostPlan& host : plan_.hosts) host.profile.association_max_retrans = 60'000;
      for (NetIndex each = 0; each < nets; ++each) {
        cut(at, dice_.between(milliseconds(100), seconds(5)), each, both_ways);
      }
      break;
  }
  limit_sizes();
}

}  // namespace trunkline::sim
