// SPDX-License-Identifier: BSD-3-Clause
// Draws a plan from a seed: first what all scenarios share, then what makes the scenario its own.
#include <algorithm>
#include <initializer_list>

#include "dice.h"
#include "plan.h"
#include "wire/chunk.h"

namespace trunkline::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr uint32_t kPercent = 10'000;  // parts per million

class Drawer {
 public:
  Drawer(Scenario scenario, uint64_t seed) : dice_(seed * 64 + static_cast<uint64_t>(scenario)) {
    plan_.scenario = scenario;
  }

  Plan draw() {
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
    }
    keep_stale_cookies_out();
    return plan_;
  }

 private:
  Profile draw_profile() {
    Profile p;
    p.rto_min = dice_.one_of<Duration>(
        {milliseconds(20), milliseconds(100), milliseconds(200), seconds(1)});
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
    return p;
  }

  void draw_hosts() {
    const size_t count = dice_.percent(75) ? 2 : 3;
    for (size_t i = 0; i < count; ++i) {
      HostPlan host;
      host.profile = draw_profile();
      // The path carries what the smaller end calls its MTU.
      if (i > 0) host.profile.path_mtu = plan_.hosts[0].profile.path_mtu;
      host.addresses = {IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(i + 1)),
                        *IpAddress::parse("2001:db8::" + std::to_string(i + 1))};
      host.checksum_by_port = dice_.percent(20);
      host.meddles = dice_.percent(30);
      host.poll =
          dice_.one_of<Duration>({Duration{}, Duration{}, microseconds(50), milliseconds(1)});
      if (dice_.percent(50)) {
        host.shards = static_cast<uint16_t>(dice_.between(2, 4));
        host.spread = dice_.percent(50) ? Spread::kByFlow : Spread::kByPacket;
        host.hand_over = dice_.one_of<Duration>(
            {Duration{}, microseconds(2), microseconds(100), milliseconds(2)});
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

  void draw_links() {
    for (HostIndex from = 0; from < plan_.host_count(); ++from) {
      for (HostIndex to = 0; to < plan_.host_count(); ++to) {
        if (from == to) continue;
        LinkPlan link{from, to, false, {}};
        link.faults.delay = dice_.one_of<Duration>(
            {microseconds(50), milliseconds(1), milliseconds(5), milliseconds(40)});
        if (dice_.percent(30)) {
          link.faults.rate = dice_.one_of<uint64_t>({125'000, 1'250'000, 12'500'000});
        }
        plan_.links.push_back(link);
        link.ipv6 = true;
        plan_.links.push_back(link);
      }
    }
  }

  // The largest message that both ends can hold several of. What a receiver holds is charged with
  // its overhead.
  uint32_t size_limit(const HostPlan& from, const HostPlan& to) {
    return std::min({from.profile.send_buffer / 2, to.profile.a_rwnd / 4,
                     to.profile.max_message_size, from.profile.max_message_size});
  }

  TrafficPlan draw_traffic(const HostPlan& from, const HostPlan& to) {
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

  SidePlan draw_side(const HostPlan& from, const HostPlan& to) {
    SidePlan side;
    side.traffic = draw_traffic(from, to);
    if (dice_.percent(20)) side.reader.keep = 30 * kPercent;
    return side;
  }

  void draw_assocs() {
    const size_t count = dice_.percent(60) ? 1 : dice_.between(2, 4);
    for (size_t i = 0; i < count; ++i) {
      AssocPlan assoc;
      assoc.client = static_cast<HostIndex>(dice_.below(plan_.hosts.size()));
      assoc.server = static_cast<HostIndex>(
          (assoc.client + 1 + dice_.below(plan_.hosts.size() - 1)) % plan_.hosts.size());
      assoc.client_port = static_cast<uint16_t>(10'000 + i);
      assoc.client_shard = static_cast<uint16_t>(dice_.below(4));
      assoc.server_shard = static_cast<uint16_t>(dice_.below(4));
      assoc.ipv6 = dice_.percent(35);
      // Associations of a family share the server's endpoint.
      assoc.server_port = assoc.ipv6 ? 20'006 : 20'004;
      assoc.connect_after = dice_.between(Duration{}, milliseconds(dice_.percent(50) ? 0 : 300));
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
      assoc.close_endpoint = dice_.percent(10);
      plan_.assocs.push_back(assoc);
    }
  }

  void make_dual(AssocPlan& assoc) {
    assoc.dual = true;
    assoc.server_port = 20'046;
  }

  void heal_after(Duration low, Duration high) {
    plan_.incidents.push_back({Incident::kHeal, dice_.between(low, high), 0, 0, {}, 0, 0});
  }
  void maybe_heal() {
    // Sometimes the faults stay for good.
    if (dice_.percent(60)) heal_after(seconds(2), seconds(60));
  }

  void data_loss() {
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
          named_drops(
              link.from, link.to,
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
  void idle_for_long() {
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

  void named_drops(HostIndex from, HostIndex to, std::initializer_list<wire::ChunkType> types,
                   size_t most = 5) {
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

  void reorder_dup() {
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
  void many_messages() {
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

  void corruption() {
    for (LinkPlan& link : plan_.links) {
      link.faults.corrupt = static_cast<uint32_t>(dice_.between(0, 25)) * kPercent;
      if (dice_.percent(30)) link.faults.truncate = 5 * kPercent;
    }
    maybe_heal();
  }

  void delay() {
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

  void pause(Duration longest) {
    IncidentPlan pause{Incident::kPause,
                       dice_.between(Duration{}, seconds(5)),
                       any_host(),
                       0,
                       dice_.between(milliseconds(1), longest),
                       0,
                       0};
    plan_.incidents.push_back(pause);
  }
  HostIndex any_host() { return static_cast<HostIndex>(dice_.below(plan_.hosts.size())); }

  void stalls() {
    for (AssocPlan& assoc : plan_.assocs) {
      for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
        side->reader.keep = static_cast<uint32_t>(dice_.between(50, 100)) * kPercent;
        side->reader.stall = dice_.one_of<uint32_t>({kPercent, 10 * kPercent, 50 * kPercent});
        side->reader.stall_for =
            dice_.between(milliseconds(1), seconds(dice_.percent(80) ? 3 : 40));
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

  // After a profile was changed.
  void limit_sizes() {
    for (AssocPlan& assoc : plan_.assocs) {
      limit_size(assoc.client_side.traffic, plan_.hosts[assoc.client], plan_.hosts[assoc.server]);
      limit_size(assoc.server_side.traffic, plan_.hosts[assoc.server], plan_.hosts[assoc.client]);
    }
  }
  void limit_size(TrafficPlan& traffic, const HostPlan& from, const HostPlan& to) {
    traffic.max_size = std::min(traffic.max_size, size_limit(from, to));
    traffic.min_size = std::min(traffic.min_size, traffic.max_size);
  }

  void light_loss() {
    for (LinkPlan& link : plan_.links) {
      link.faults.loss = static_cast<uint32_t>(dice_.between(0, 10)) * kPercent;
    }
  }

  void shutdown() {
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

  void abort() {
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

  void impatient_profiles() {
    for (HostPlan& host : plan_.hosts) {
      host.profile.association_max_retrans = static_cast<uint16_t>(dice_.between(2, 10));
      host.profile.path_max_retrans = static_cast<uint16_t>(dice_.between(1, 10));
      host.profile.max_init_retransmits = static_cast<uint16_t>(dice_.between(1, 8));
      host.profile.heartbeat_interval = dice_.one_of<Duration>({milliseconds(500), seconds(5)});
    }
  }

  void restart() {
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

  void collision() {
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
                    {wire::ChunkType::kInit, wire::ChunkType::kInitAck,
                     wire::ChunkType::kCookieEcho, wire::ChunkType::kCookieAck});
      }
    }
    if (dice_.percent(40)) light_loss();
    if (dice_.percent(30)) {
      for (LinkPlan& link : plan_.links) link.faults.duplicate = 20 * kPercent;
    }
  }

  void crash() {
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

  void setup() {
    switch (dice_.below(4)) {
      case 3: {  // cookies grow stale on the way, and are asked for anew (section 5.2.6)
        const Duration delay = dice_.between(milliseconds(5), milliseconds(200));
        for (LinkPlan& link : plan_.links) {
          link.faults.rate = 0;
          link.faults.delay = delay;
        }
        // A life may be doubled on request, not more. The way takes two delays.
        for (HostPlan& host : plan_.hosts) {
          host.profile.valid_cookie_life =
              dice_.between(delay * 5 / 4 + milliseconds(2), delay * 3);
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

  void partition() {
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

  void multihoming() {
    for (AssocPlan& assoc : plan_.assocs) {
      if (dice_.percent(90)) make_dual(assoc);
    }
    for (HostPlan& host : plan_.hosts) {
      host.profile.path_max_retrans = static_cast<uint16_t>(dice_.between(0, 5));
      host.profile.heartbeat_interval = dice_.one_of<Duration>({milliseconds(500), seconds(5)});
    }
    if (dice_.percent(50)) light_loss();
    // One family at a time dies, for a while or for good: the other one carries on.
    const bool for_good = dice_.percent(40);
    const bool both_ways = dice_.percent(70);
    Duration at = dice_.between(milliseconds(400), seconds(1));
    const size_t times = for_good ? 1 : dice_.between(1, 3);
    bool ipv6 = dice_.percent(50);
    for (size_t i = 0; i < times; ++i) {
      const Duration back = at + dice_.between(milliseconds(10), seconds(10));
      for (const LinkPlan& link : plan_.links) {
        if (link.ipv6 != ipv6 || (!both_ways && link.from > link.to)) continue;
        IncidentPlan cut{Incident::kCut, at, link.from, link.to, {}, 0, 0, !ipv6, ipv6};
        plan_.incidents.push_back(cut);
        if (for_good) continue;
        cut.what = Incident::kRestore;
        cut.after = back;
        plan_.incidents.push_back(cut);
      }
      at = back + dice_.between(milliseconds(1), seconds(5));
      ipv6 = !ipv6;
    }
    // Who has one path only is lost with it.
    if (for_good) {
      for (AssocPlan& assoc : plan_.assocs) make_dual(assoc);
    }
  }

  void attacker() {
    plan_.forge_every = dice_.between(microseconds(100), milliseconds(20));
    for (HostPlan& host : plan_.hosts) {
      // The answers to forged packets must not cost the real peer its own.
      host.out_of_blue_replies = 100'000'000;
      // What bothers an association must find it as it was when it was sent.
      host.poll = host.hand_over = Duration{};
    }
    // Cookies are asked for before that.
    for (AssocPlan& assoc : plan_.assocs) {
      assoc.connect_after = std::max<Duration>(assoc.connect_after, milliseconds(1));
    }
    if (dice_.percent(40)) light_loss();
  }

  void hostile() {
    plan_.intrude_every = dice_.between(microseconds(200), milliseconds(50));
    plan_.intrude_until = seconds(3);
    for (HostPlan& host : plan_.hosts) {
      host.out_of_blue_replies = 100'000'000;
      host.profile.heartbeat_interval = dice_.one_of<Duration>({milliseconds(500), seconds(5)});
    }
    // What it breaks must end by itself; the others are as ever.
    const size_t victims = 1 + dice_.below(plan_.assocs.size());
    for (size_t i = 0; i < victims; ++i) {
      AssocPlan& assoc = plan_.assocs[i];
      assoc.hostile = true;
      assoc.reconnect = false;
      assoc.close_endpoint = false;
      assoc.connect_after = dice_.between(Duration{}, milliseconds(50));
      for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
        side->ending = dice_.percent(50) ? Ending::kShutdownAt : Ending::kAbortAt;
        side->ending_after = dice_.between(milliseconds(100), seconds(5));
      }
    }
    if (dice_.percent(30)) light_loss();
  }

  void exhaustion() {
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

  void mixed() {
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

  // A COOKIE ECHO that the network held back until its association is over sets up another one, by
  // the rules. Associations live longer than packets do here.
  void keep_stale_cookies_out() {
    Duration longest{};
    for (const LinkPlan& link : plan_.links) {
      longest = std::max(longest, link.faults.reorder_by + link.faults.jitter + link.faults.delay);
      if (link.faults.rate > 0) {
        longest =
            std::max(longest, Duration(static_cast<int64_t>(link.faults.queue_limit *
                                                            1'000'000'000ull / link.faults.rate)));
      }
    }
    bool faulty = std::any_of(plan_.links.begin(), plan_.links.end(), [](const auto& link) {
      return link.faults.duplicate > 0 || link.faults.reorder > 0;
    });
    for (const HostPlan& host : plan_.hosts) {
      longest = std::max(longest, 2 * host.hand_over);
      faulty = faulty || host.hand_over.count() > 0;
    }
    if (!faulty) return;
    for (AssocPlan& assoc : plan_.assocs) {
      for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
        side->ending_after = std::max(side->ending_after, 2 * longest);
      }
    }
  }

  Dice dice_;
  Plan plan_;
};

}  // namespace

Plan draw_plan(Scenario scenario, uint64_t seed) {
  return Drawer(scenario, seed).draw();
}

}  // namespace trunkline::sim
