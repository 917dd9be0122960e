// SPDX-License-Identifier: BSD-3-Clause
// Scenarios of peers that say odd things of themselves: addresses that are somebody else's, other
// addresses after a restart, windows too small to be used.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What the INITs of `host` list beside its own addresses: some of `other`, which it talks to, as a
// bridge that both have; some that two hosts have behind their NATs; some that nobody has.
void Drawer::list_more(HostIndex host, HostIndex other) {
  std::vector<IpAddress>& lists = plan_.hosts[host].lists;
  const std::vector<IpAddress>& theirs = plan_.hosts[other].addresses;
  const size_t count = dice_.between(1, 3);
  for (size_t i = 0; i < count; ++i) {
    switch (dice_.below(3)) {
      case 0:
        lists.push_back(theirs[dice_.below(theirs.size())]);
        break;
      case 1:
        lists.push_back(IpAddress::ipv4(172, 17, 0, 1));
        break;
      default:
        lists.push_back(IpAddress::ipv4(10, 99, 0, static_cast<uint8_t>(1 + host)));
        break;
    }
  }
}

void Drawer::addresses() {
  for (HostPlan& host : plan_.hosts) {
    host.profile.heartbeat_interval = dice_.one_of<Duration>({milliseconds(500), seconds(5)});
    host.profile.association_max_retrans = 20;
    host.profile.path_max_retrans = 3;
    host.profile.rto_max = std::min<Duration>(host.profile.rto_max, seconds(10));
  }
  for (AssocPlan& assoc : plan_.assocs) {
    assoc.close_endpoint = false;
    // It lasts long enough for every listed address to be asked.
    assoc.client_side.ending_after = seconds(dice_.between(1, 40));
    assoc.server_side.ending_after = assoc.client_side.ending_after;
  }
  const size_t what = dice_.below(4);
  if (what != 1) {
    for (const AssocPlan& assoc : plan_.assocs) {
      if (dice_.percent(70)) list_more(assoc.client, assoc.server);
      if (dice_.percent(40)) list_more(assoc.server, assoc.client);
    }
    // A third host's address is not drawn: that one's ABORT would be believed, as it should
    // (RFC 5062 section 2).
    for (HostIndex i = 0; i < plan_.host_count(); ++i) {
      for (HostIndex k = 0; k < plan_.host_count(); ++k) {
        const bool talk =
            std::any_of(plan_.assocs.begin(), plan_.assocs.end(), [&](const AssocPlan& assoc) {
              return (assoc.client == i && assoc.server == k) ||
                     (assoc.client == k && assoc.server == i);
            });
        if (talk && plan_.host_count() == 2) continue;
        std::erase_if(plan_.hosts[i].lists, [&](const IpAddress& address) {
          const auto& theirs = plan_.hosts[k].addresses;
          return i != k && std::find(theirs.begin(), theirs.end(), address) != theirs.end();
        });
      }
    }
  }
  // Two callers that both list what is behind their NATs, at one endpoint and from one port.
  if (what == 2 && plan_.host_count() > 2) {
    AssocPlan& first = plan_.assocs[0];
    const auto third = static_cast<HostIndex>(3 - first.client - first.server);
    AssocPlan second = first;
    second.client = third;
    second.client_shard = static_cast<uint16_t>(dice_.below(4));
    second.connect_after =
        dice_.percent(50) ? first.connect_after : dice_.between(Duration{}, milliseconds(100));
    for (const HostIndex host : {first.client, third}) {
      plan_.hosts[host].lists = {IpAddress::ipv4(172, 17, 0, 1)};
    }
    plan_.assocs.resize(1);
    plan_.assocs.push_back(second);
    // Whose INIT comes when the other's association is up is told that its addresses are none of
    // that one's (5.2.2), at once; nobody is kept waiting for nothing.
    plan_.expect.all_close = false;
    plan_.expect.loss_reason = Reason::kRefused;
  }
  if (what == 1) restart_with_other_lists();
}

// Comes back with fewer of its addresses, or with more.
void Drawer::restart_with_other_lists() {
  restart();
  const HostIndex victim = plan_.incidents.front().from;
  for (HostPlan& host : plan_.hosts) {
    host.profile.association_max_retrans = static_cast<uint16_t>(dice_.between(2, 8));
  }
  for (AssocPlan& assoc : plan_.assocs) {
    assoc.named = 1;  // the one address that stays
    const auto all = static_cast<uint8_t>(plan_.hosts[0].addresses.size());
    if (assoc.client == victim) {
      assoc.client_paths_again = static_cast<uint8_t>(dice_.between(1, all));
    } else if (assoc.server == victim) {
      assoc.server_paths_again = static_cast<uint8_t>(dice_.between(1, all));
    }
  }
}

void Drawer::windows() {
  const bool small = dice_.percent(60);
  const bool backwards = dice_.percent(60);
  Duration until{};
  for (HostPlan& host : plan_.hosts) {
    Profile& p = host.profile;
    host.meddles = false;
    p.association_max_retrans = static_cast<uint16_t>(dice_.between(3, 10));
    p.path_max_retrans = static_cast<uint16_t>(dice_.between(1, 3));
    p.rto_min = p.rto_initial = dice_.one_of<Duration>({milliseconds(100), milliseconds(500)});
    p.rto_max = dice_.one_of<Duration>({milliseconds(500), seconds(2)});
    p.sack_delay = std::min<Duration>(p.sack_delay, milliseconds(10));
    p.a_rwnd = dice_.one_of<uint32_t>({4 * 1024, 16 * 1024, 64 * 1024});
    if (!small) continue;
    host.window_cap = dice_.one_of<uint32_t>({0, 1, 2, 19, 100, 500, 1000, 1300, 1400, 1472, 2000});
    host.window_cap_until = dice_.between(seconds(1), seconds(dice_.percent(80) ? 30 : 300));
    until = std::max(until, host.window_cap_until);
  }
  // What is answered must not seem lost: the round trip is far below the RTO.
  for (LinkPlan& link : plan_.links) {
    link.faults = {};
    link.faults.delay = dice_.between(microseconds(10), milliseconds(10));
    if (backwards)
      link.faults.backwards = dice_.one_of<Duration>({microseconds(100), milliseconds(5)});
  }
  // DATA that overtakes the COOKIE ACK, on the wire or between shards, is dropped without an
  // answer: that is a loss.
  const bool in_order =
      std::all_of(plan_.hosts.begin(), plan_.hosts.end(), [](const HostPlan& host) {
        const bool mixes = host.spread == Spread::kByPacket || host.spread == Spread::kWrong;
        return host.shards == 1 || (host.hand_over == Duration{} && !mixes);
      });
  plan_.expect.sound_paths = in_order && !backwards;
  if (plan_.expect.sound_paths) {  // nor by another network that is faster
    for (LinkPlan& link : plan_.links) {
      const auto first = std::find_if(
          plan_.links.begin(), plan_.links.end(),
          [&](const LinkPlan& one) { return one.from == link.from && one.to == link.to; });
      link.faults.delay = first->faults.delay;
    }
  }
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      side->traffic.streams = dice_.one_of<uint16_t>({1, 1, 2, 100});
      side->traffic.unordered = dice_.one_of<uint32_t>({0, 0, 30 * kPercent});
      if (dice_.percent(40)) {
        // Much that is small: what is held costs more than its bytes.
        side->traffic.pattern = Pattern::kStream;
        side->traffic.min_size = 1;
        side->traffic.max_size = 20;
        side->traffic.messages = static_cast<uint32_t>(dice_.between(50, 400));
      }
    }
    // No end before the windows are open again: the guard timer would come first (9.2).
    assoc.client_side.ending_after = assoc.server_side.ending_after = until + seconds(1);
  }
  limit_sizes();
}

}  // namespace trunkline::sim
