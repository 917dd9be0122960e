// SPDX-License-Identifier: BSD-3-Clause
// Packets arrive at any shard, in particular the wrong one, and what belongs together meets at two
// shards at once: two COOKIE ECHOs, INITs of both sides, a peer that has restarted.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

void Drawer::steering() {
  for (HostPlan& host : plan_.hosts) {
    if (dice_.percent(50)) host.spread = Spread::kWrong;
    // The way takes as long as a round trip, or longer.
    host.hand_over = dice_.one_of<Duration>(
        {microseconds(1), microseconds(100), milliseconds(2), milliseconds(20)});
    if (dice_.percent(20)) {
      host.hand_over_room = static_cast<uint16_t>(dice_.between(4, 16));
      // It loses the end of a burst, not the same packet of each.
      host.hand_over = microseconds(1);
    }
  }
  if (dice_.percent(50)) {
    for (LinkPlan& link : plan_.links) {
      link.faults.duplicate = dice_.one_of<uint32_t>({5, 30, 80}) * kPercent;
      link.faults.jitter = dice_.between(Duration(1), milliseconds(10));
    }
  }
  switch (dice_.below(4)) {
    case 0:  // connects from both ends at once, each from a shard of its own
      collision();
      break;
    case 1:  // the restarted peer's packets land elsewhere than before
      restart();
      break;
    case 2:  // the endpoint is closed while its association lives on
      // Whoever comes later finds the port closed.
      plan_.assocs.resize(1);
      plan_.assocs[0].close_endpoint = dice_.percent(30);
      plan_.assocs[0].close_in_one = true;
      break;
    default:  // sets up more than once: handshake chunks lost, said again, and late
      for (const LinkPlan& link : plan_.links) {
        if (link.net > 0 || !dice_.percent(50)) continue;
        named_drops(link.from, link.to, {wire::ChunkType::kInitAck, wire::ChunkType::kCookieAck},
                    2);
      }
      break;
  }
}

}  // namespace trunkline::sim
