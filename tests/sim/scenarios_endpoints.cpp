// SPDX-License-Identifier: BSD-3-Clause
// Endpoints by their addresses: several at one port, bound to some of a host's addresses, to all of
// a family or to all; calls from ephemeral ports, many of them or with few ports left; and hosts
// that talk to themselves, over loopback or their own addresses, within a shard and across shards.
#include <algorithm>
#include <set>

#include "drawer.h"
#include "trunkline/stack/bound_addresses.h"

namespace trunkline::sim {

using std::chrono::milliseconds;

namespace {

constexpr uint16_t kServerPort = 20'000;
constexpr uint16_t kCallerPort = 9'000;  // of several callers of one host
constexpr uint16_t kFixedPort = 10'000;

const IpAddress kLoopback4 = IpAddress::ipv4(127, 0, 0, 1);
const IpAddress kSecond4 = IpAddress::ipv4(127, 0, 0, 2);
const IpAddress kSome4 = IpAddress::ipv4(127, 9, 8, 7);
const IpAddress kAll4 = IpAddress::ipv4(0, 0, 0, 0);

IpAddress loopback6() {
  return *IpAddress::parse("::1");
}
IpAddress all6() {
  return *IpAddress::parse("::");
}
bool is_loopback(const IpAddress& address) {
  return address.scope() == AddressScope::kLoopback;
}
bool reaches(const IpAddress& from, const IpAddress& to) {
  return from.family() == to.family() && is_loopback(from) == is_loopback(to);
}

}  // namespace

// The endpoints of one port: they have no address in common, and perhaps not every one is theirs.
std::vector<Drawer::EndPlan> Drawer::draw_ends(HostIndex host, uint16_t port) {
  std::vector<IpAddress> all = plan_.hosts[host].addresses;
  all.insert(all.end(), {kLoopback4, kSecond4, loopback6()});
  std::vector<std::vector<IpAddress>> sets(3);
  const size_t what = dice_.below(5);
  if (what == 0) {
    sets[0] = {all6()};
  } else if (what == 1) {
    sets[0] = {kAll4};
    std::copy_if(all.begin(), all.end(), std::back_inserter(sets[1]),
                 [](const IpAddress& address) { return address.is_ipv6(); });
  } else {
    for (const IpAddress& address : all) {
      if (!dice_.percent(15)) sets[dice_.below(what == 2 ? 2 : 3)].push_back(address);
    }
  }
  std::vector<EndPlan> out;
  for (const auto& bound : sets) {
    if (!bound.empty()) out.push_back({host, port, bound});
  }
  return out;
}

// What it can be called at, or calls from.
std::vector<IpAddress> Drawer::covered_by(const EndPlan& end) const {
  const auto bound = BoundAddresses::of(end.bound);
  std::vector<IpAddress> all = plan_.hosts[end.host].addresses;
  all.insert(all.end(), {kLoopback4, kSecond4, kSome4, loopback6()});
  std::erase_if(all, [&](const IpAddress& address) { return !bound->covers(address); });
  return all;
}

// Nothing: no address of the server's is reached from such an endpoint.
std::vector<IpAddress> Drawer::draw_dialled(const EndPlan& client, const EndPlan& server) {
  std::vector<IpAddress> out = covered_by(server);
  const std::vector<IpAddress> from = covered_by(client);
  std::erase_if(out, [&](const IpAddress& to) {
    if (client.host != server.host && is_loopback(to)) return true;
    return std::none_of(from.begin(), from.end(),
                        [&](const IpAddress& address) { return reaches(address, to); });
  });
  if (out.empty()) return out;
  std::rotate(out.begin(), out.begin() + static_cast<ptrdiff_t>(dice_.below(out.size())),
              out.end());
  if (dice_.percent(60)) out.resize(dice_.between(1, out.size()));
  return out;
}

// Drawn again until it fits: a caller, and whom it calls.
bool Drawer::draw_ends_of(AssocPlan& assoc, const std::vector<EndPlan>& servers,
                          const std::vector<std::vector<EndPlan>>& callers) {
  const EndPlan& server = servers[dice_.below(servers.size())];
  const HostIndex host = dice_.percent(20) ? server.host : any_host();
  EndPlan client = callers[host][dice_.below(callers[host].size())];
  if (dice_.percent(15)) client.port = static_cast<uint16_t>(kFixedPort + plan_.assocs.size());
  if (dice_.percent(65)) {
    client.port = 0;
  } else if (dice_.percent(15)) {
    client = servers[dice_.below(servers.size())];  // one that listens as well
  }
  if (client == server) return false;
  const std::vector<IpAddress> dialled = draw_dialled(client, server);
  if (dialled.empty()) return false;
  for (const AssocPlan& other : plan_.assocs) {
    const EndPlan from{other.client, other.client_port, other.client_bound};
    const EndPlan to{other.server, other.server_port, other.server_bound};
    if (client.port != 0 && ((from == client && to == server) || (from == server && to == client)))
      return false;
  }
  assoc.client = client.host;
  assoc.client_port = client.port;
  assoc.client_bound = client.bound;
  assoc.server = server.host;
  assoc.server_port = server.port;
  assoc.server_bound = server.bound;
  assoc.dialled = dialled;
  assoc.client_paths = static_cast<uint8_t>(covered_by(client).size());
  assoc.server_paths = static_cast<uint8_t>(covered_by(server).size());
  return true;
}

void Drawer::endpoints() {
  std::vector<EndPlan> servers;
  std::vector<std::vector<EndPlan>> callers;
  for (HostIndex host = 0; host < plan_.host_count(); ++host) {
    const uint64_t ports = dice_.between(1, 2);
    for (uint64_t i = 0; i < ports; ++i) {
      const std::vector<EndPlan> ends = draw_ends(host, static_cast<uint16_t>(kServerPort + i));
      servers.insert(servers.end(), ends.begin(), ends.end());
    }
    callers.push_back(draw_ends(host, kCallerPort));
    HostPlan& plan = plan_.hosts[host];
    if (dice_.percent(15)) plan.free_ports = static_cast<uint16_t>(dice_.between(1, 6));
    plan.knows_networks = dice_.percent(30);
    if (dice_.percent(40)) {
      plan.loop_loss = static_cast<uint32_t>(dice_.between(1, 20)) * kPercent;
    }
  }
  const bool many = dice_.percent(10);
  const size_t count = many ? dice_.between(12, 30) : dice_.between(2, 6);
  plan_.assocs.clear();
  for (size_t tries = 0; plan_.assocs.size() < count && tries < 200; ++tries) {
    AssocPlan assoc;
    if (!draw_ends_of(assoc, servers, callers)) continue;
    assoc.client_shard = static_cast<uint16_t>(dice_.below(4));
    assoc.server_shard = static_cast<uint16_t>(dice_.below(4));
    assoc.connect_after = dice_.between(Duration{}, milliseconds(many ? 2'000 : 300));
    draw_talk(assoc);
    if (many) {
      for (SidePlan* const side : {&assoc.client_side, &assoc.server_side}) {
        side->traffic.messages = std::min(side->traffic.messages, 5u);
      }
    }
    assoc.switches_primary = dice_.percent(20);
    plan_.assocs.push_back(assoc);
  }
  if (dice_.percent(40)) light_loss();
}

}  // namespace trunkline::sim
