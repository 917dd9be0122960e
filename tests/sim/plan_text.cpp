// SPDX-License-Identifier: BSD-3-Clause
// Scenarios by name, and a plan as text for the report of a failure.
#include <algorithm>
#include <iterator>

#include "plan.h"

namespace trunkline::sim {
namespace {

constexpr std::string_view kNames[kScenarioCount] = {
    "data_loss", "reorder_dup", "corruption", "delay",    "stalls",    "shutdown",    "abort",
    "restart",   "collision",   "crash",      "setup",    "partition", "multihoming", "attacker",
    "hostile",   "exhaustion",  "mixed",      "steering", "failover",  "path_mtu",    "addresses",
    "windows",   "endpoints",   "readers",    "rebind"};

std::string text_of(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(duration).count()) +
         "us";
}

std::string text_of(const char* what, const std::vector<IpAddress>& list) {
  std::string out;
  for (const IpAddress& address : list) {
    out += out.empty() ? std::string(what) + " " : ", ";
    out += address.to_string();
  }
  return out;
}

}  // namespace

std::string_view scenario_name(Scenario scenario) {
  return kNames[static_cast<size_t>(scenario)];
}

bool scenario_from_name(std::string_view name, Scenario& out) {
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return false;
  out = static_cast<Scenario>(found - std::begin(kNames));
  return true;
}

std::vector<IpAddress> Plan::bound_of(const AssocPlan& assoc, bool client, bool again) const {
  const std::vector<IpAddress>& bound = client ? assoc.client_bound : assoc.server_bound;
  return bound.empty() ? addresses_of(assoc, client, again) : bound;
}

std::vector<IpAddress> Plan::addresses_of(const AssocPlan& assoc, bool client, bool again) const {
  if (!client && !assoc.dialled.empty()) return assoc.dialled;
  const std::vector<IpAddress>& all = hosts[client ? assoc.client : assoc.server].addresses;
  size_t count = client ? assoc.client_paths : assoc.server_paths;
  const size_t then = client ? assoc.client_paths_again : assoc.server_paths_again;
  if (again && then > 0) count = then;
  count = std::min(count, all.size());
  std::vector<IpAddress> out;
  for (size_t i = 0; i < count; ++i) out.push_back(all[(assoc.net + i) % all.size()]);
  return out;
}

bool Plan::is_wide() const {
  return std::any_of(assocs.begin(), assocs.end(), [&](const AssocPlan& assoc) {
    return std::max(assoc.client_paths, assoc.server_paths) > 1 &&
           std::max(hosts[assoc.client].shards, hosts[assoc.server].shards) > 1;
  });
}

std::string Plan::describe() const {
  std::string out;
  for (size_t i = 0; i < hosts.size(); ++i) {
    const Profile& p = hosts[i].profile;
    out += "host " + std::to_string(i) + ": rto " + text_of(p.rto_initial) + " [" +
           text_of(p.rto_min) + ", " + text_of(p.rto_max) + "] sack " + text_of(p.sack_delay) +
           "/" + std::to_string(p.sack_frequency) + " a_rwnd " + std::to_string(p.a_rwnd) +
           " sndbuf " + std::to_string(p.send_buffer) + " mtu " + std::to_string(p.path_mtu) +
           " from " + std::to_string(p.pmtu_base) + " discovery " +
           std::to_string(static_cast<int>(p.pmtu_discovery)) + " probes " +
           text_of(p.pmtu_probe_timeout) + " raise " + text_of(p.pmtu_raise_interval) + " burst " +
           std::to_string(p.max_burst) + (p.nagle ? " nagle" : "") +
           (p.loss_recovery == LossRecovery::kEarly ? " early" : "") +
           (p.loss_recovery == LossRecovery::kRack ? " rack" : "") +
           (p.one_data_per_packet ? " one-data" : "") + (p.partial_reliability ? " partial" : "") +
           (p.linear_backoff ? " linear" : "") + " heartbeat " + text_of(p.heartbeat_interval) +
           " amr " + std::to_string(p.association_max_retrans) + " shards " +
           std::to_string(hosts[i].shards) + " spread " +
           std::to_string(static_cast<int>(hosts[i].spread)) + " hand-over " +
           text_of(hosts[i].hand_over) + " room " + std::to_string(hosts[i].hand_over_room) +
           " free ports " + std::to_string(hosts[i].free_ports) + " loop loss " +
           std::to_string(hosts[i].loop_loss);
    if (hosts[i].consumers > 0) {
      out += " consumers " + std::to_string(hosts[i].consumers) + " of " +
             std::to_string(hosts[i].rx_slots) + " slots";
    }
    for (const IpAddress& address : hosts[i].lists) out += " lists " + address.to_string();
    if (hosts[i].window_cap_until.count() > 0) {
      out += " windows " + std::to_string(hosts[i].window_cap) + " until " +
             text_of(hosts[i].window_cap_until);
    }
    out += "\n";
  }
  for (const LinkPlan& link : links) {
    const LinkFaults& f = link.faults;
    out += "link " + std::to_string(link.from) + ">" + std::to_string(link.to) + " net " +
           std::to_string(link.net) + ": delay " + text_of(f.delay) + " jitter " +
           text_of(f.jitter) + " rate " + std::to_string(f.rate) + " loss " +
           std::to_string(f.loss) + " bad " + std::to_string(f.enter_bad) + " reorder " +
           std::to_string(f.reorder) + " by " + text_of(f.reorder_by) + " dup " +
           std::to_string(f.duplicate) + " backwards " + text_of(f.backwards) + " corrupt " +
           std::to_string(f.corrupt) + " mtu " + std::to_string(f.mtu) + " told " +
           std::to_string(f.tells_mtu) + (f.cut ? " cut" : "") + "\n";
  }
  for (const AssocPlan& a : assocs) {
    out += "assoc " + std::to_string(a.client) + ":" + std::to_string(a.client_port) + " > " +
           std::to_string(a.server) + ":" + std::to_string(a.server_port) + " net " +
           std::to_string(a.net) + " paths " + std::to_string(a.client_paths) + "x" +
           std::to_string(a.server_paths) + " again " + std::to_string(a.client_paths_again) + "x" +
           std::to_string(a.server_paths_again) + " named " + std::to_string(a.named) +
           text_of(" from", a.client_bound) + text_of(" at", a.server_bound) +
           text_of(" dials", a.dialled) + (a.hostile ? " hostile" : "") +
           (a.both_connect ? " both connect" : "") +
           (a.rebinds > 0 ? " rebinds " + std::to_string(a.rebinds) + " " + text_of(a.rebind_every)
                          : "");
    for (const SidePlan* side : {&a.client_side, &a.server_side}) {
      out +=
          "; pattern " + std::to_string(static_cast<int>(side->traffic.pattern)) + " " +
          std::to_string(side->traffic.messages) + " of " + std::to_string(side->traffic.min_size) +
          ".." + std::to_string(side->traffic.max_size) + " ending " +
          std::to_string(static_cast<int>(side->ending)) + " after " + text_of(side->ending_after);
      if (side->reader.slots > 0) {
        out += " reads " + std::to_string(side->reader.slots) + " lag " +
               text_of(side->reader.lag) + " stalls " + std::to_string(side->reader.stall) +
               " for " + text_of(side->reader.stall_for);
      }
    }
    out += "\n";
  }
  for (const IncidentPlan& i : incidents) {
    out += "incident " + std::to_string(static_cast<int>(i.what)) + " after " + text_of(i.after) +
           " " + std::to_string(i.from) + ">" + std::to_string(i.to) + " chunk " +
           std::to_string(i.chunk) + " count " + std::to_string(i.count) + " span " +
           text_of(i.span) + " nets " + std::to_string(i.nets) + "\n";
  }
  return out;
}

}  // namespace trunkline::sim
