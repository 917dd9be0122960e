// SPDX-License-Identifier: BSD-3-Clause
// Scenarios with somebody who means harm.
#include <algorithm>

#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

void Drawer::attacker() {
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

void Drawer::hostile() {
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

}  // namespace trunkline::sim
