// SPDX-License-Identifier: BSD-3-Clause
// Scenarios of what readers have and have not read: it shuts the window of its association, and
// opens it again.
#include "drawer.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Slow readers, and such that stop and go on, with memory of their own for less than the window or
// for more. What does not fit there is kept for them.
void Drawer::readers() {
  const bool lossy = dice_.percent(40);
  for (HostPlan& host : plan_.hosts) {
    host.profile.a_rwnd = dice_.one_of<uint32_t>({4 * 1024, 16 * 1024, 16 * 1024, 64 * 1024});
    // A window may stay shut for as long as a reader stops: no end is cut short by its guard.
    host.profile.rto_max = std::max<Duration>(host.profile.rto_max, seconds(20));
  }
  for (AssocPlan& assoc : plan_.assocs) {
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      ReaderPlan& reader = side->reader;
      reader.keep = dice_.one_of<uint32_t>({20, 100, 100}) * kPercent;
      reader.slots = dice_.one_of<uint32_t>({2 * 1024, 32 * 1024, 1024 * 1024, 1024 * 1024});
      reader.lag = dice_.one_of<Duration>(
          {microseconds(100), milliseconds(2), milliseconds(20), milliseconds(100)});
      reader.stall = dice_.one_of<uint32_t>({0, 2 * kPercent, 10 * kPercent, 40 * kPercent});
      reader.stall_for = dice_.between(milliseconds(1), seconds(dice_.percent(80) ? 3 : 30));
      TrafficPlan& traffic = side->traffic;
      if (traffic.pattern != Pattern::kPingPong && dice_.percent(80)) {
        traffic.pattern = Pattern::kStream;
      }
      // More than a window, now and then.
      if (traffic.pattern == Pattern::kStream) {
        traffic.messages *= static_cast<uint32_t>(dice_.between(1, 3));
      }
    }
  }
  limit_sizes();
  if (lossy) light_loss();
  // A peer comes back, and what its former self sent is still unread.
  if (dice_.percent(20)) restart();
}

// Some hosts, or all, run their applications on rings. What lies in the slots of whoever had the
// association before counts against its window until it is read there.
void Drawer::rebind() {
  const bool lossy = dice_.percent(50);
  const size_t behind = dice_.below(plan_.hosts.size());  // this one has consumers anyway
  for (size_t i = 0; i < plan_.hosts.size(); ++i) {
    HostPlan& host = plan_.hosts[i];
    host.meddles = false;
    host.profile.a_rwnd = dice_.one_of<uint32_t>({16 * 1024, 32 * 1024, 64 * 1024});
    host.profile.rto_max = std::max<Duration>(host.profile.rto_max, seconds(20));
    if (i != behind && dice_.percent(50)) continue;
    host.consumers = static_cast<uint8_t>(dice_.between(2, 3));
    host.rx_slots = dice_.one_of<uint16_t>({16, 64, 256});
  }
  for (AssocPlan& assoc : plan_.assocs) {
    assoc.close_endpoint = assoc.close_in_one = assoc.switches_primary = false;
    assoc.rebinds = static_cast<uint32_t>(dice_.between(1, 60));
    assoc.rebind_every = dice_.one_of<Duration>(
        {microseconds(200), milliseconds(2), milliseconds(20), milliseconds(200)});
    for (SidePlan* side : {&assoc.client_side, &assoc.server_side}) {
      ReaderPlan& reader = side->reader;
      reader.lag = dice_.one_of<Duration>({Duration{}, microseconds(100), milliseconds(5)});
      reader.stall = dice_.one_of<uint32_t>({0, kPercent, 10 * kPercent});
      reader.stall_for = dice_.between(milliseconds(1), milliseconds(500));
      TrafficPlan& traffic = side->traffic;
      const bool idle = traffic.pattern == Pattern::kSilent || traffic.pattern == Pattern::kIdle;
      if (!idle) {
        traffic.pattern = dice_.percent(70) ? Pattern::kStream : Pattern::kBursts;
        traffic.messages *= static_cast<uint32_t>(dice_.between(1, 3));
      }
      traffic.early = false;
      // Every lane can hold some of it.
      traffic.max_size = std::min<uint32_t>(traffic.max_size, 6'000);
      traffic.min_size = std::min(traffic.min_size, traffic.max_size);
    }
  }
  limit_sizes();
  if (lossy) light_loss();
}

}  // namespace trunkline::sim
