// SPDX-License-Identifier: BSD-3-Clause
// Draws a plan from a seed: first what all scenarios share (plan.cpp), then what makes the scenario
// its own (a function of its name, in scenarios_*.cpp).
#pragma once

#include <initializer_list>

#include "dice.h"
#include "plan.h"
#include "wire/chunk.h"

namespace trunkline::sim {

inline constexpr uint32_t kPercent = 10'000;  // parts per million

class Drawer {
 public:
  Drawer(Scenario scenario, uint64_t seed) : dice_(seed * 64 + static_cast<uint64_t>(scenario)) {
    plan_.scenario = scenario;
  }
  Plan draw();

 private:
  // plan.cpp
  Profile draw_profile();
  void draw_hosts();
  void draw_links();
  // The largest message that both ends can hold several of. What a receiver holds is charged with
  // its overhead.
  uint32_t size_limit(const HostPlan& from, const HostPlan& to);
  TrafficPlan draw_traffic(const HostPlan& from, const HostPlan& to);
  SidePlan draw_side(const HostPlan& from, const HostPlan& to);
  void draw_assocs();
  // Both sides' traffic, and which of them ends it.
  void draw_talk(AssocPlan& assoc);
  void give_paths(AssocPlan& assoc);
  void heal_after(Duration low, Duration high);
  void maybe_heal();
  void named_drops(HostIndex from, HostIndex to, std::initializer_list<wire::ChunkType> types,
                   size_t most = 5);
  void pause(Duration longest);
  // After a profile was changed.
  void limit_sizes();
  void limit_size(TrafficPlan& traffic, const HostPlan& from, const HostPlan& to);
  void light_loss();
  void impatient_profiles();
  // A COOKIE ECHO that the network held back until its association is over sets up another one, by
  // the rules. Associations live longer than packets do here.
  void draw_limits();
  void keep_stale_cookies_out();
  HostIndex any_host() { return static_cast<HostIndex>(dice_.below(plan_.hosts.size())); }

  // scenarios_network.cpp
  void data_loss();
  // Heartbeats get lost now and then, never many in a row: over minutes they are more than the
  // association would forgive at once (8.3).
  void idle_for_long();
  void reorder_dup();
  // More than a stream has sequence numbers (6.6).
  void many_messages();
  void corruption();
  void delay();
  void partition();
  void mixed();

  // scenarios_life.cpp
  void stalls();
  void shutdown();
  void abort();
  void restart();
  void collision();
  void crash();
  void setup();
  void exhaustion();

  // scenarios_enemies.cpp
  void attacker();
  void hostile();

  // scenarios_paths.cpp
  void multihoming();
  void failover();
  void cut(Duration at, Duration span, NetIndex net, bool both_ways);
  // scenarios_mtu.cpp
  void path_mtu();
  void shrink_links(const LinkPlan& first, uint16_t limit);
  // scenarios_peers.cpp
  void addresses();
  void list_more(HostIndex host, HostIndex other);
  void restart_with_other_lists();
  void windows();
  // scenarios_readers.cpp
  void readers();
  void rebind();
  // scenarios_steering.cpp
  void steering();
  // scenarios_endpoints.cpp
  struct EndPlan {
    HostIndex host = 0;
    uint16_t port = 0;
    std::vector<IpAddress> bound;
    friend bool operator==(const EndPlan&, const EndPlan&) = default;
  };
  void endpoints();
  std::vector<EndPlan> draw_ends(HostIndex host, uint16_t port);
  [[nodiscard]] std::vector<IpAddress> covered_by(const EndPlan& end) const;
  std::vector<IpAddress> draw_dialled(const EndPlan& client, const EndPlan& server);
  bool draw_ends_of(AssocPlan& assoc, const std::vector<EndPlan>& servers,
                    const std::vector<std::vector<EndPlan>>& callers);

  Dice dice_;
  Plan plan_;
  bool wide_ = false;  // of several shards and several paths
};

}  // namespace trunkline::sim
