// SPDX-License-Identifier: BSD-3-Clause
// What the plans of all scenarios share: hosts, links, associations and traffic.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

Plan Drawer::draw() {
  draw_hosts();
  draw_links();
  draw_assocs();
  switch (plan_.scenario) {
    case Scenario::kDataLoss:
      data_loss();
      break;
    case Scenario::kReorderDup:
      reorder_dup();
      break;
    case Scenario::kCorruption:
      corruption();
      break;
    case Scenario::kDelay:
      delay();
      break;
    case Scenario::kStalls:
      stalls();
      break;
    case Scenario::kShutdown:
      shutdown();
      break;
    case Scenario::kAbort:
      abort();
      break;
    case Scenario::kRestart:
      restart();
      break;
    case Scenario::kCollision:
      collision();
      break;
    case Scenario::kCrash:
      crash();
      break;
    case Scenario::kSetup:
      setup();
      break;
    case Scenario::kPartition:
      partition();
      break;
    case Scenario::kMultihoming:
      multihoming();
      break;
    case Scenario::kAttacker:
      attacker();
      break;
    case Scenario::kHostile:
      hostile();
      break;
    case Scenario::kExhaustion:
      exhaustion();
      break;
    case Scenario::kMixed:
      mixed();
      break;
    case Scenario::kSteering:
      steering();
      break;
    case Scenario::kFailover:
      failover();
      break;
    case Scenario::kPathMtu:
      path_mtu();
      break;
    case Scenario::kAddresses:
      addresses();
      break;
    case Scenario::kWindows:
      windows();
      break;
    case Scenario::kEndpoints:
      endpoints();
      break;
    case Scenario::kReaders:
      readers();
      break;
    case Scenario::kRebind:
      rebind();
      break;
  }
  // Drawn last, so that all else is as it was.
  for (HostPlan& host : plan_.hosts) {
    const uint64_t drawn = dice_.below(100);
    if (drawn < 40) host.profile.loss_recovery = LossRecovery::kEarly;
    if (drawn >= 20 && drawn < 40) host.profile.loss_recovery = LossRecovery::kRack;
  }
  draw_limits();
  keep_stale_cookies_out();
  return plan_;
}

// Messages that may be given up; not where each waits for an answer to the one before, nor where
// one end counts what comes and looks at nothing else, nor where ports do not tell which of two
// associations it is, nor where nothing but what is outstanding would tell of a peer that is gone:
// there are no heartbeats, or the application's own put off theirs.
void Drawer::draw_limits() {
  const bool offered = dice_.percent(50);
  for (HostPlan& host : plan_.hosts) {
    host.profile.partial_reliability = offered && dice_.percent(90);
  }
  for (AssocPlan& assoc : plan_.assocs) {
    const auto suits = [](const HostPlan& host) {
      return host.consumers == 0 && host.profile.heartbeat_interval.count() > 0 && !host.meddles;
    };
    const bool suit = suits(plan_.hosts[assoc.client]) && suits(plan_.hosts[assoc.server]);
    const bool waits = assoc.client_side.traffic.pattern == Pattern::kPingPong ||
                       assoc.server_side.traffic.pattern == Pattern::kPingPong;
    const bool alike = !assoc.dialled.empty();
    if (!dice_.percent(60) || assoc.hostile || waits || alike || !suit) continue;
    for (const bool client : {true, false}) {
      TrafficPlan& traffic = (client ? assoc.client_side : assoc.server_side).traffic;
      traffic.limited = dice_.one_of<uint32_t>({10, 50, 100}) * kPercent;
    }
  }
}

Profile Drawer::draw_profile() {
  Profile p;
  p.rto_min =
      dice_.one_of<Duration>({milliseconds(20), milliseconds(100), milliseconds(200), seconds(1)});
  p.rto_initial = std::max<Duration>(
      p.rto_min,
      dice_.one_of<Duration>({milliseconds(100), milliseconds(500), seconds(1), seconds(3)}));
  p.rto_max = std::max<Duration>(
      p.rto_initial, dice_.one_of<Duration>({milliseconds(400), seconds(2), seconds(10)}));
  p.linear_backoff = dice_.percent(20);
  // Faults end, so whoever is patient survives them; scenarios of failure lower these.
  p.association_max_retrans = 60'000;
  p.path_max_retrans = 60'000;
  p.max_init_retransmits = 60'000;
  p.valid_cookie_life = seconds(3600);
  p.heartbeat_interval =
      dice_.one_of<Duration>({Duration{}, milliseconds(500), seconds(5), seconds(30)});
  p.sack_delay =
      dice_.one_of<Duration>({Duration{}, milliseconds(10), milliseconds(50), milliseconds(200)});
  p.sack_frequency = dice_.one_of<uint8_t>({1, 2, 2, 2, 5});
  p.outbound_streams = dice_.one_of<uint16_t>({1, 2, 8, 10, 100, 65535});
  p.max_inbound_streams = dice_.one_of<uint16_t>({1, 4, 2048, 2048, 65535});
  p.a_rwnd = dice_.one_of<uint32_t>({16 * 1024, 32 * 1024, 64 * 1024, 512 * 1024});
  p.send_buffer = dice_.one_of<uint32_t>({16 * 1024, 64 * 1024, 1024 * 1024});
  p.path_mtu = dice_.one_of<uint16_t>({576, 1280, 1400, 1500, 1500, 9000});
  p.max_burst = dice_.one_of<uint8_t>({0, 1, 4, 4, 8});
  p.nagle = dice_.percent(15);
  p.one_data_per_packet = dice_.percent(15);
  // No draws of their own: all others stay as they are.
  p.partial_delivery_point = p.nagle ? 4096 : 0;
  p.receive_memory = p.one_data_per_packet || p.sack_frequency == 1 ? 2 * p.a_rwnd : 0;
  return p;
}

void Drawer::draw_hosts() {
  const size_t count = dice_.percent(75) ? 2 : 3;
  const bool always =
      plan_.scenario == Scenario::kSteering || plan_.scenario == Scenario::kMultihoming ||
      plan_.scenario == Scenario::kFailover || plan_.scenario == Scenario::kAddresses ||
      plan_.scenario == Scenario::kEndpoints || plan_.scenario == Scenario::kReaders ||
      plan_.scenario == Scenario::kRebind;
  wide_ = always || dice_.percent(45);
  const size_t nets = wide_ && dice_.percent(40) ? dice_.between(3, kMaxNets) : 2;
  for (size_t i = 0; i < count; ++i) {
    HostPlan host;
    host.profile = draw_profile();
    // The path carries what the smaller end calls its MTU.
    if (i > 0) host.profile.path_mtu = plan_.hosts[0].profile.path_mtu;
    const std::string number = std::to_string(i + 1);
    for (const char* prefix : {"192.0.2.", "2001:db8::", "198.51.100.", "2001:db8:3::"}) {
      if (host.addresses.size() < nets)
        host.addresses.push_back(*IpAddress::parse(prefix + number));
    }
    host.checksum_by_port = dice_.percent(20);
    host.meddles = dice_.percent(30);
    host.poll = dice_.one_of<Duration>({Duration{}, Duration{}, microseconds(50), milliseconds(1)});
    if (wide_ || dice_.percent(40)) {
      host.shards = static_cast<uint16_t>(dice_.between(2, 4));
      host.spread = dice_.one_of<Spread>({Spread::kByFlow, Spread::kByPacket, Spread::kByAddress,
                                          Spread::kWrong, Spread::kByPort});
      host.port = static_cast<uint8_t>(dice_.below(test::port_models().size()));
      host.hand_over =
          dice_.one_of<Duration>({Duration{}, microseconds(2), microseconds(100), milliseconds(2)});
      host.hand_over_room = 256;
    }
    plan_.hosts.push_back(host);
  }
  // Without heartbeats nobody learns of a peer whose shutdown the guard timer (5 * RTO.max) cut
  // short: then it must not come up.
  const bool deaf = std::any_of(plan_.hosts.begin(), plan_.hosts.end(), [](const HostPlan& host) {
    return host.profile.heartbeat_interval == Duration{};
  });
  for (HostPlan& host : plan_.hosts) {
    if (deaf) host.profile.rto_max = seconds(60);
  }
}

void Drawer::draw_links() {
  for (HostIndex from = 0; from < plan_.host_count(); ++from) {
    for (HostIndex to = 0; to < plan_.host_count(); ++to) {
      if (from == to) continue;
      LinkPlan link{from, to, 0, {}};
      link.faults.delay = dice_.one_of<Duration>(
          {microseconds(50), milliseconds(1), milliseconds(5), milliseconds(40)});
      if (dice_.percent(30)) {
        link.faults.rate = dice_.one_of<uint64_t>({125'000, 1'250'000, 12'500'000});
      }
      for (; link.net < plan_.hosts[0].addresses.size(); ++link.net) plan_.links.push_back(link);
    }
  }
}

// The largest message that both ends can hold several of, unless its receiver takes pieces. What a
// receiver holds is charged with its overhead.
uint32_t Drawer::size_limit(const HostPlan& from, const HostPlan& to) {
  const uint32_t whole =
      to.profile.partial_delivery_point != 0 ? UINT32_MAX : to.profile.a_rwnd / 4;
  return std::min({from.profile.send_buffer / 2, whole, to.profile.max_message_size,
                   from.profile.max_message_size});
}

TrafficPlan Drawer::draw_traffic(const HostPlan& from, const HostPlan& to) {
  TrafficPlan t;
  t.pattern = dice_.one_of<Pattern>({Pattern::kStream, Pattern::kStream, Pattern::kStream,
                                     Pattern::kPingPong, Pattern::kBursts, Pattern::kIdle,
                                     Pattern::kSilent});
  // About 60 KiB a side, in few large or many small messages.
  const uint32_t limit = size_limit(from, to);
  t.max_size = std::min(limit, dice_.percent(4) ? limit : dice_.scale(8, 12'000));
  t.min_size = dice_.percent(50) ? 1 : std::max(1u, t.max_size / 2);
  t.messages = static_cast<uint32_t>(
      std::clamp<uint64_t>(dice_.between(10'000, 90'000) / t.max_size, 3, 80));
  t.unordered = dice_.one_of<uint32_t>({0, 0, 20 * kPercent, 100 * kPercent});
  t.streams = dice_.one_of<uint16_t>({1, 2, 8, 100, 65535});
  t.burst = static_cast<uint32_t>(dice_.between(1, 12));
  t.gap = dice_.between(milliseconds(1), milliseconds(300));
  if (t.pattern == Pattern::kIdle) {
    t.messages = static_cast<uint32_t>(dice_.between(1, 5));
    t.gap = dice_.between(milliseconds(200), seconds(20));
  }
  t.early = dice_.percent(25);
  return t;
}

SidePlan Drawer::draw_side(const HostPlan& from, const HostPlan& to) {
  SidePlan side;
  side.traffic = draw_traffic(from, to);
  if (dice_.percent(20)) side.reader.keep = 30 * kPercent;
  return side;
}

void Drawer::draw_assocs() {
  const size_t count = dice_.percent(60) ? 1 : dice_.between(2, 4);
  for (size_t i = 0; i < count; ++i) {
    AssocPlan assoc;
    assoc.client = static_cast<HostIndex>(dice_.below(plan_.hosts.size()));
    assoc.server = static_cast<HostIndex>((assoc.client + 1 + dice_.below(plan_.hosts.size() - 1)) %
                                          plan_.hosts.size());
    assoc.client_port = static_cast<uint16_t>(10'000 + i);
    assoc.client_shard = static_cast<uint16_t>(dice_.below(4));
    assoc.server_shard = static_cast<uint16_t>(dice_.below(4));
    assoc.net = dice_.percent(35) ? 1 : 0;
    // Associations of a network share the server's endpoint.
    assoc.server_port = assoc.net > 0 ? 20'006 : 20'004;
    assoc.connect_after = dice_.between(Duration{}, milliseconds(dice_.percent(50) ? 0 : 300));
    draw_talk(assoc);
    assoc.close_endpoint = dice_.percent(10);
    if (wide_ && (i == 0 || dice_.percent(70))) give_paths(assoc);
    plan_.assocs.push_back(assoc);
  }
}

void Drawer::draw_talk(AssocPlan& assoc) {
  assoc.client_side = draw_side(plan_.hosts[assoc.client], plan_.hosts[assoc.server]);
  assoc.server_side = draw_side(plan_.hosts[assoc.server], plan_.hosts[assoc.client]);
  // It takes two to play ping-pong.
  TrafficPlan& client = assoc.client_side.traffic;
  TrafficPlan& server = assoc.server_side.traffic;
  if (client.pattern == Pattern::kPingPong || server.pattern == Pattern::kPingPong) {
    client.pattern = server.pattern = Pattern::kPingPong;
    client.messages = server.messages = std::min({client.messages, server.messages, 20u});
  }
  SidePlan& ender = dice_.percent(50) ? assoc.client_side : assoc.server_side;
  ender.ending = Ending::kWhenAllDone;
}

// Addresses on several networks at both ends, both families among them.
void Drawer::give_paths(AssocPlan& assoc) {
  const size_t nets = plan_.hosts[0].addresses.size();
  // Of three networks the last one and the first one are of one family.
  assoc.net = static_cast<NetIndex>(dice_.below(nets == 3 ? 2 : nets));
  assoc.server_paths = static_cast<uint8_t>(dice_.between(2, nets));
  assoc.client_paths =
      dice_.percent(70) ? assoc.server_paths : static_cast<uint8_t>(dice_.between(2, nets));
  assoc.named = dice_.percent(70) ? 0 : static_cast<uint8_t>(dice_.between(1, assoc.server_paths));
  // Associations of the same networks share the server's endpoint.
  assoc.server_port = static_cast<uint16_t>(20'040 + 10 * assoc.net + assoc.server_paths);
}

void Drawer::heal_after(Duration low, Duration high) {
  plan_.incidents.push_back({Incident::kHeal, dice_.between(low, high), 0, 0, {}, 0, 0});
}

void Drawer::maybe_heal() {
  // Sometimes the faults stay for good.
  if (dice_.percent(60)) heal_after(seconds(2), seconds(60));
}

void Drawer::named_drops(HostIndex from, HostIndex to, std::initializer_list<wire::ChunkType> types,
                         size_t most) {
  const size_t times = dice_.between(1, most);
  for (size_t i = 0; i < times; ++i) {
    IncidentPlan drop{Incident::kDropNamed,
                      dice_.between(Duration{}, milliseconds(400)),
                      from,
                      to,
                      {},
                      static_cast<uint8_t>(dice_.one_of(types)),
                      static_cast<uint32_t>(dice_.between(1, most - 1))};
    plan_.incidents.push_back(drop);
  }
}

void Drawer::pause(Duration longest) {
  IncidentPlan pause{Incident::kPause,
                     dice_.between(Duration{}, seconds(5)),
                     any_host(),
                     0,
                     dice_.between(milliseconds(1), longest),
                     0,
                     0};
  plan_.incidents.push_back(pause);
}

// After a profile was changed.
void Drawer::limit_sizes() {
  for (AssocPlan& assoc : plan_.assocs) {
    limit_size(assoc.client_side.traffic, plan_.hosts[assoc.client], plan_.hosts[assoc.server]);
    limit_size(assoc.server_side.traffic, plan_.hosts[assoc.server], plan_.hosts[assoc.client]);
  }
}

void Drawer::limit_size(TrafficPlan& traffic, const HostPlan& from, const HostPlan& to) {
  traffic.max_size = std::min(traffic.max_size, size_limit(from, to));
  traffic.min_size = std::min(traffic.min_size, traffic.max_size);
}

void Drawer::light_loss() {
  for (LinkPlan& link : plan_.links) {
    link.faults.loss = static_cast<uint32_t>(dice_.between(0, 10)) * kPercent;
  }
}

void Drawer::impatient_profiles() {
  for (HostPlan& host : plan_.hosts) {
    host.profile.association_max_retrans = static_cast<uint16_t>(dice_.between(2, 10));
    host.profile.path_max_retrans = static_cast<uint16_t>(dice_.between(1, 10));
    host.profile.max_init_retransmits = static_cast<uint16_t>(dice_.between(1, 8));
    host.profile.heartbeat_interval = dice_.one_of<Duration>({milliseconds(500), seconds(5)});
  }
}

// A COOKIE ECHO that the network held back until its association is over sets up another one, by
// the rules. Associations live longer than packets do here.
void Drawer::keep_stale_cookies_out() {
  Duration longest{};
  for (const LinkPlan& link : plan_.links) {
    longest = std::max(longest, link.faults.reorder_by + link.faults.jitter + link.faults.delay +
                                    2 * link.faults.backwards);
    if (link.faults.rate > 0) {
      longest =
          std::max(longest, Duration(static_cast<int64_t>(link.faults.queue_limit *
                                                          1'000'000'000ull / link.faults.rate)));
    }
  }
  bool faulty = std::any_of(plan_.links.begin(), plan_.links.end(), [](const auto& link) {
    return link.faults.duplicate > 0 || link.faults.reorder > 0 ||
           link.faults.backwards.count() > 0;
  });
  for (const HostPlan& host : plan_.hosts) {
    longest = std::max(longest, 4 * host.hand_over);
    faulty = faulty || host.hand_over.count() > 0;
  }
  if (!faulty) return;
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      side->ending_after = std::max(side->ending_after, 2 * longest);
    }
  }
}

Plan draw_plan(Scenario scenario, uint64_t seed) {
  return Drawer(scenario, seed).draw();
}

}  // namespace trunkline::sim
