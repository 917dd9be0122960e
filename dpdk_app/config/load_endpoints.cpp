// SPDX-License-Identifier: BSD-3-Clause
// The endpoints, peers, clients and sockets sections: who listens where, whom with which profile,
// and which users may ask for it.
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>

#include "config/sections.h"

namespace trunkline::config {
namespace {

void read_addresses(const Map& map, std::vector<IpAddress>& out, std::vector<Field>& places) {
  const auto field = map.require("addresses", "addresses: [192.0.2.1]");
  if (!field) return;
  const auto list = items(*field, "IP addresses", map.mistakes());
  if (field->node.IsSequence() && list.empty()) {
    map.mistakes().add(*field, "at least one address is needed");
  }
  for (const Field& item : list) {
    const auto address = read_address(item, map.mistakes());
    if (!address) continue;
    if (std::find(out.begin(), out.end(), *address) != out.end()) {
      map.mistakes().add(item, fmt::format("{} is listed twice", address->to_string()));
      continue;
    }
    out.push_back(*address);
    places.push_back(item);
  }
}

void read_prefixes(const Map& map, std::vector<Prefix>& out) {
  const auto field = map.require("addresses", "addresses: [192.0.2.1, 198.51.100.0/24]");
  if (!field) return;
  const auto list = items(*field, "addresses or prefixes", map.mistakes());
  if (field->node.IsSequence() && list.empty()) {
    map.mistakes().add(*field, "at least one address is needed");
  }
  for (const Field& item : list) {
    if (const auto prefix = read_prefix(item, true, map.mistakes())) out.push_back(*prefix);
  }
}

void read_name(const Map& map, std::string& out) {
  const auto field = map.find("name");
  if (!field) return;
  if (const auto name = scalar(*field, "a name", map.mistakes())) {
    if (check_name(*field, *name, map.mistakes())) out = *name;
  }
}

// Remembers which profile is meant; `index` must stay where it is until cross_check().
void read_profile(const Map& map, size_t* index, Loading& loading) {
  const auto field = map.find("profile");
  if (!field) return;
  if (const auto name = scalar(*field, "the name of a profile", map.mistakes())) {
    loading.profile_uses.push_back({*field, *name, index});
  }
}

std::optional<PortRange> read_port_range(const Field& field, Mistakes& mistakes) {
  const auto text = scalar(field, "a port or a range of ports", mistakes);
  if (!text) return std::nullopt;
  const size_t dash = text->find('-');
  const auto number = [](const std::string& digits) -> std::optional<uint16_t> {
    if (digits.empty() || digits.size() > 5) return std::nullopt;
    unsigned value = 0;
    for (const char c : digits) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (value == 0 || value > 65535) return std::nullopt;
    return static_cast<uint16_t>(value);
  };
  const auto first = number(text->substr(0, dash));
  const auto last = dash == std::string::npos ? first : number(text->substr(dash + 1));
  if (!first || !last || *first > *last) {
    mistakes.add(field, fmt::format("\"{}\" is not a port or a range of ports such as 2905 or "
                                    "36000-36999",
                                    *text));
    return std::nullopt;
  }
  return PortRange{*first, *last};
}

// A number, or the name of a user or group of this machine.
void read_uid(const Map& map, std::optional<uint32_t>& out) {
  const auto field = map.find("uid");
  if (!field) return;
  const auto text = scalar(*field, "a user name or number", map.mistakes());
  if (!text) return;
  if (const passwd* user = getpwnam(text->c_str())) {
    out = user->pw_uid;
    return;
  }
  uint64_t value = 0;
  if (text->find_first_not_of("0123456789") != std::string::npos) {
    map.mistakes().add(*field, fmt::format("there is no user \"{}\" on this machine", *text));
  } else if (map.read_integer(*field, value, 0, UINT32_MAX - 1)) {
    out = static_cast<uint32_t>(value);
  }
}

void read_gid(const Map& map, std::string_view key, std::optional<uint32_t>& out) {
  const auto field = map.find(key);
  if (!field) return;
  const auto text = scalar(*field, "a group name or number", map.mistakes());
  if (!text) return;
  if (const group* known = getgrnam(text->c_str())) {
    out = known->gr_gid;
    return;
  }
  uint64_t value = 0;
  if (text->find_first_not_of("0123456789") != std::string::npos) {
    map.mistakes().add(*field, fmt::format("there is no group \"{}\" on this machine", *text));
  } else if (map.read_integer(*field, value, 0, UINT32_MAX - 1)) {
    out = static_cast<uint32_t>(value);
  }
}

ClientRule read_rule(const Field& at, Mistakes& mistakes) {
  const Map map(at, {"uid", "gid", "ports", "ephemeral"}, mistakes);
  ClientRule rule;
  read_uid(map, rule.uid);
  read_gid(map, "gid", rule.gid);
  if (const auto field = map.find("ports")) {
    if (field->node.IsScalar() && field->node.Scalar() == "any") {
      rule.ports.push_back({1, 65535});
    } else {
      for (const Field& item : items(*field, "ports such as 2905 or 36000-36999", mistakes)) {
        if (const auto range = read_port_range(item, mistakes)) rule.ports.push_back(*range);
      }
    }
  }
  map.boolean("ephemeral", rule.ephemeral);
  if (at.node.IsMap() && rule.ports.empty() && !rule.ephemeral) {
    mistakes.conclude(at, {at.key},
                      "allows nothing: give \"ports\" (a list, or any), or \"ephemeral: true\"");
  }
  return rule;
}

void read_limits(const Field& at, Loading& loading) {
  ClientLimits& limits = loading.config.clients.limits;
  const Map map(at,
                {"max_clients", "max_clients_per_uid", "max_lanes", "max_client_memory",
                 "max_total_memory", "max_associations", "max_listeners", "receive_buffer",
                 "least_rto", "least_heartbeat_interval"},
                loading.mistakes);
  map.integer("max_clients", limits.max_clients, 1, 1024);
  map.integer("max_clients_per_uid", limits.max_clients_per_uid, 0, 1024);
  map.integer("max_lanes", limits.max_lanes, 1, 64);
  map.bytes("max_client_memory", limits.max_client_memory, 1ull << 20, 1ull << 40);
  map.bytes("max_total_memory", limits.max_total_memory, 1ull << 20, 1ull << 44);
  map.integer("max_associations", limits.max_associations, 1, 16u << 20);
  map.integer("max_listeners", limits.max_listeners, 1, 65535);
  map.bytes("receive_buffer", limits.receive_buffer, 0, 1ull << 40);
  using std::chrono::milliseconds;
  map.duration("least_rto", limits.least_rto, milliseconds(1), std::chrono::minutes(10));
  map.duration("least_heartbeat_interval", limits.least_heartbeat_interval, milliseconds(1),
               std::chrono::hours(1));
}

}  // namespace

void load_endpoints(const Field& at, Loading& loading) {
  const auto list = items(at, "endpoints", loading.mistakes);
  loading.config.endpoints.reserve(list.size());  // read_profile() keeps pointers into it
  for (const Field& item : list) {
    const Map map(item, {"name", "port", "addresses", "profile", "out_of_blue"}, loading.mistakes);
    if (!item.node.IsMap()) continue;
    Endpoint& endpoint = loading.config.endpoints.emplace_back();
    Loading::EndpointPlace place{item, {}};
    read_name(map, endpoint.name);
    if (map.require("port", "port: 2905")) map.integer("port", endpoint.port, 1, 65535);
    read_addresses(map, endpoint.addresses, place.addresses);
    read_profile(map, &endpoint.profile, loading);
    if (const auto which = map.choice("out_of_blue", {"answer", "silent"})) {
      endpoint.out_of_blue = *which == 0 ? OutOfBlue::kAnswer : OutOfBlue::kSilent;
    }
    if (endpoint.name.empty()) endpoint.name = fmt::format("port-{}", endpoint.port);
    loading.endpoint_places.push_back(std::move(place));
  }
}

void load_peers(const Field& at, Loading& loading) {
  const auto list = items(at, "peers", loading.mistakes);
  loading.config.peers.reserve(list.size());
  for (const Field& item : list) {
    const Map map(item, {"name", "addresses", "profile"}, loading.mistakes);
    if (!item.node.IsMap()) continue;
    Peer& peer = loading.config.peers.emplace_back();
    read_name(map, peer.name);
    read_prefixes(map, peer.addresses);
    if (map.require("profile", "profile: default")) read_profile(map, &peer.profile, loading);
    loading.peer_places.push_back(item);
  }
}

void load_clients(const Field& at, Loading& loading) {
  Clients& clients = loading.config.clients;
  const Map map(at, {"socket", "socket_mode", "socket_gid", "on_death", "limits", "allow"},
                loading.mistakes);
  read_socket_path(map, "socket", clients.socket);
  read_mode(map, "socket_mode", clients.socket_mode);
  read_gid(map, "socket_gid", clients.socket_gid);
  if (const auto which = map.choice("on_death", {"abort", "shutdown"})) {
    clients.on_death = *which == 0 ? OnDeath::kAbort : OnDeath::kShutdown;
  }
  if (const auto field = map.find("limits")) read_limits(*field, loading);
  if (const auto field = map.find("allow")) {
    for (const Field& item : items(*field, "rules with uid or gid", loading.mistakes)) {
      clients.allow.push_back(read_rule(item, loading.mistakes));
    }
  }
}

void load_sockets(const Field& at, Loading& loading) {
  Sockets& sockets = loading.config.sockets.emplace();
  const Map map(at, {"socket", "socket_mode", "socket_gid", "limits"}, loading.mistakes);
  read_socket_path(map, "socket", sockets.socket);
  read_mode(map, "socket_mode", sockets.socket_mode);
  read_gid(map, "socket_gid", sockets.socket_gid);
  if (const auto field = map.find("limits")) {
    SocketLimits& limits = sockets.limits;
    const Map inner(
        *field,
        {"max_sockets", "max_sockets_per_uid", "max_sockets_per_process", "max_processes",
         "max_processes_per_uid", "max_memory_per_uid", "max_resident_per_uid", "max_backlog"},
        loading.mistakes);
    inner.integer("max_sockets", limits.max_sockets, 1, 65536);
    inner.integer("max_sockets_per_uid", limits.max_sockets_per_uid, 0, 65536);
    inner.integer("max_sockets_per_process", limits.max_sockets_per_process, 1, 65536);
    inner.integer("max_processes", limits.max_processes, 1, 4096);
    inner.integer("max_processes_per_uid", limits.max_processes_per_uid, 0, 4096);
    inner.bytes("max_memory_per_uid", limits.max_memory_per_uid, 2ull << 20, 1ull << 44);
    inner.bytes("max_resident_per_uid", limits.max_resident_per_uid, 0, 1ull << 44);
    inner.integer("max_backlog", limits.max_backlog, 1, 65535);
  }
}

}  // namespace trunkline::config
