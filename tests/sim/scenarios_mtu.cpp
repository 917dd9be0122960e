// SPDX-License-Identifier: BSD-3-Clause
// Links that take smaller packets than the hosts think (RFC 9260 section 7.3, RFC 8899): from the
// start or from a moment on, and they say so, sometimes, or never. Somebody off the path says so,
// too. Everything arrives, and nobody is taken for dead.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The links like this one: of its network and, most often, both ways.
void Drawer::shrink_links(const LinkPlan& first, uint16_t limit) {
  const auto most = std::min<uint64_t>(limit - 1, 1492);
  const auto mtu = static_cast<uint16_t>(dice_.one_of<uint64_t>(
      {1280, std::min<uint64_t>(most, 1400), most, dice_.between(1280, most)}));
  const auto told = dice_.one_of<uint32_t>({0, 0, 50, 100, 100}) * kPercent;
  const bool both_ways = dice_.percent(70);
  const bool from_the_start = dice_.percent(50);
  const bool grows = dice_.percent(25);
  const Duration at = dice_.between(milliseconds(1), seconds(3));
  const Duration until = at + dice_.between(milliseconds(10), seconds(30));
  for (LinkPlan& link : plan_.links) {
    if (link.net != first.net || (!both_ways && link.from > link.to)) continue;
    link.faults.tells_mtu = told;
    IncidentPlan incident{Incident::kSetMtu, at, link.from, link.to, {}, 0, mtu, 0};
    incident.nets = static_cast<uint8_t>(1u << link.net);
    if (from_the_start) {
      link.faults.mtu = mtu;
    } else {
      plan_.incidents.push_back(incident);
    }
    if (!grows) continue;
    incident.after = until;
    incident.count = 0;
    plan_.incidents.push_back(incident);
  }
}

void Drawer::path_mtu() {
  const auto limit = dice_.one_of<uint16_t>({1400, 1500, 1500, 1500, 9000});
  const bool lossy = dice_.percent(20);
  for (HostPlan& host : plan_.hosts) {
    Profile& p = host.profile;
    p.path_mtu = limit;
    p.pmtu_discovery = dice_.percent(60) ? PmtuDiscovery::kReactive : PmtuDiscovery::kProbing;
    p.pmtu_base = dice_.one_of<uint16_t>({576, 1200, 1200, 1280});
    p.pmtu_probe_timeout = dice_.one_of<Duration>({seconds(1), seconds(3), seconds(15)});
    p.pmtu_raise_interval =
        dice_.one_of<Duration>({Duration{}, seconds(2), seconds(30), seconds(600)});
    // Small packets pass: as long as nothing else is lost, nobody needs more patience than
    // RFC 9260 recommends (section 16).
    p.path_max_retrans = lossy ? uint16_t{60'000} : static_cast<uint16_t>(dice_.between(2, 5));
    p.association_max_retrans = lossy ? 60'000 : 10;
    p.max_init_retransmits = lossy ? 60'000 : 8;
    p.rto_max = std::max<Duration>(p.rto_max, seconds(2));
  }
  for (LinkPlan& link : plan_.links) {
    // A queue that is longer than all time-outs together is another matter.
    if (link.faults.rate > 0) link.faults.rate = 12'500'000;
  }
  if (lossy) light_loss();
  const size_t nets = plan_.hosts[0].addresses.size();
  const auto only = static_cast<NetIndex>(dice_.below(nets));
  const bool all = dice_.percent(60);
  for (NetIndex net = 0; net < nets; ++net) {
    if (!all && net != only) continue;
    const auto first = std::find_if(plan_.links.begin(), plan_.links.end(),
                                    [&](const LinkPlan& link) { return link.net == net; });
    shrink_links(*first, limit);
  }
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      TrafficPlan& traffic = side->traffic;
      if (traffic.pattern == Pattern::kPingPong) continue;
      if (dice_.percent(60)) {
        traffic.max_size =
            static_cast<uint32_t>(dice_.between(1200, dice_.percent(50) ? 1500 : 20'000));
        traffic.min_size = dice_.percent(50) ? 1 : traffic.max_size / 2;
        traffic.messages = static_cast<uint32_t>(dice_.between(5, 40));
      }
      if (dice_.percent(50)) {
        traffic.pattern = dice_.one_of<Pattern>({Pattern::kPaced, Pattern::kBursts});
        traffic.burst = static_cast<uint32_t>(dice_.between(1, 4));
        traffic.gap = dice_.between(milliseconds(5), milliseconds(500));
      }
    }
  }
  limit_sizes();
  if (dice_.percent(60))
    plan_.forge_icmp_every = dice_.between(microseconds(200), milliseconds(50));
}

}  // namespace trunkline::sim
