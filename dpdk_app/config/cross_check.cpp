// SPDX-License-Identifier: BSD-3-Clause
// Rules between sections: names that must exist, addresses that must be somewhere and only once,
// sizes that must fit into each other.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "config/sections.h"

namespace trunkline::config {
namespace {

Field port_field(const Port& port, size_t index) {
  return {YAML::Node(), fmt::format("ports[{}]", index), port.line};
}

void check_ports(Loading& loading) {
  const Config& config = loading.config;
  std::map<std::string, size_t> names;
  std::map<std::string, size_t> devices;
  std::map<std::string, size_t> addresses;
  for (size_t i = 0; i < config.ports.size(); ++i) {
    const Port& port = config.ports[i];
    const Field at = port_field(port, i);
    const auto unique = [&](std::map<std::string, size_t>& seen, const std::string& value,
                            std::string_view what) {
      if (value.empty()) return;
      const auto [it, fresh] = seen.emplace(value, i);
      if (fresh) return;
      loading.mistakes.add(at, fmt::format("{} {} is already that of ports[{}] on line {}", what,
                                           value, it->second, config.ports[it->second].line));
    };
    unique(names, port.name, "name");
    unique(devices, port.device.substr(0, port.device.find(',')), "device");
    if (!config.eal.pci && !port.device.empty() && !port.is_virtual()) {
      loading.mistakes.add(at,
                           fmt::format("{} is a PCI device, but eal.pci is false", port.device));
    }
    for (const Prefix& prefix : port.addresses) {
      unique(addresses, prefix.address.to_string(), "address");
    }
    for (const auto& gateway : {port.gateway_v4, port.gateway_v6}) {
      if (!gateway) continue;
      const auto reaches = [&](const Prefix& p) {
        return gateway->has_prefix(p.address, p.length);
      };
      const bool link_local = gateway->is_ipv6() && gateway->scope() == AddressScope::kLinkLocal;
      const bool own = std::any_of(port.addresses.begin(), port.addresses.end(),
                                   [&](const Prefix& p) { return p.address == *gateway; });
      if (own) {
        loading.mistakes.conclude(
            at, {at.key},
            fmt::format("gateway {} is the port's own address", gateway->to_string()));
      } else if (!link_local &&
                 !std::any_of(port.addresses.begin(), port.addresses.end(), reaches)) {
        loading.mistakes.conclude(
            at, {at.key},
            fmt::format("gateway {} is in none of the port's prefixes", gateway->to_string()));
      }
    }
  }
}

void check_profile_names(Loading& loading) {
  const Config& config = loading.config;
  std::vector<std::string_view> names;
  for (const NamedProfile& profile : config.profiles) names.push_back(profile.name);
  for (const Loading::ProfileUse& use : loading.profile_uses) {
    const auto found = std::find(names.begin(), names.end(), use.name);
    if (found == names.end()) {
      loading.mistakes.conclude(
          use.at, {"profiles"},
          fmt::format("there is no profile \"{}\"{}", use.name, did_you_mean(use.name, names)));
      loading.mistakes.spoil(use.at.key);
      continue;
    }
    *use.index = static_cast<size_t>(found - names.begin());
  }
}

// The port that has `address`, or null.
const Port* owner_of_address(const Config& config, const IpAddress& address) {
  for (const Port& port : config.ports) {
    for (const Prefix& prefix : port.addresses) {
      if (prefix.address == address) return &port;
    }
  }
  return nullptr;
}

// What goes round lies in buffers that are made for the widest.
const Port* widest_port(const Config& config) {
  const auto found = std::max_element(config.ports.begin(), config.ports.end(),
                                      [](const Port& a, const Port& b) { return a.mtu < b.mtu; });
  return found != config.ports.end() ? &*found : nullptr;
}

// One port may be that of several endpoints, on different addresses.
void check_endpoint_port(Loading& loading, size_t i) {
  const Endpoint& endpoint = loading.config.endpoints[i];
  for (size_t k = 0; endpoint.port != 0 && k < endpoint.addresses.size(); ++k) {
    for (size_t j = 0; j < i; ++j) {
      const Endpoint& other = loading.config.endpoints[j];
      const bool shared =
          other.port == endpoint.port && std::find(other.addresses.begin(), other.addresses.end(),
                                                   endpoint.addresses[k]) != other.addresses.end();
      if (!shared) continue;
      loading.mistakes.add(
          loading.endpoint_places[i].addresses[k],
          fmt::format("port {} at {} is already that of endpoints[{}] on line {}", endpoint.port,
                      endpoint.addresses[k].to_string(), j, loading.endpoint_places[j].at.line));
      break;
    }
  }
}

void check_endpoints(Loading& loading) {
  const Config& config = loading.config;
  for (size_t i = 0; i < config.endpoints.size(); ++i) {
    const Endpoint& endpoint = config.endpoints[i];
    const Loading::EndpointPlace& place = loading.endpoint_places[i];
    check_endpoint_port(loading, i);
    const uint16_t path_mtu = config.profiles[endpoint.profile].profile.path_mtu;
    for (size_t k = 0; k < endpoint.addresses.size(); ++k) {
      const bool loopback = endpoint.addresses[k].scope() == AddressScope::kLoopback;
      const Port* port =
          loopback ? widest_port(config) : owner_of_address(config, endpoint.addresses[k]);
      if (loopback && port == nullptr) continue;
      if (port == nullptr) {
        loading.mistakes.conclude(
            place.addresses[k], {"ports"},
            fmt::format("{} is not an address of any port", endpoint.addresses[k].to_string()));
      } else if (path_mtu > port->mtu) {
        loading.mistakes.conclude(
            place.addresses[k], {"ports", "profiles", place.at.key},
            fmt::format("profile \"{}\" has path_mtu {}, but port \"{}\" has mtu "
                        "{}; lower path_mtu or raise mtu",
                        config.profiles[endpoint.profile].name, path_mtu, port->name, port->mtu));
      }
    }
  }
}

void check_peers(Loading& loading) {
  std::map<std::string, size_t> seen;
  for (size_t i = 0; i < loading.config.peers.size(); ++i) {
    const NamedProfile& profile = loading.config.profiles[loading.config.peers[i].profile];
    for (const Port& port : loading.config.ports) {
      if (profile.profile.path_mtu <= port.mtu) continue;
      loading.mistakes.conclude(
          loading.peer_places[i], {"ports", "profiles", loading.peer_places[i].key},
          fmt::format("profile \"{}\" has path_mtu {}, but port \"{}\" has mtu {}; "
                      "lower path_mtu or raise mtu",
                      profile.name, profile.profile.path_mtu, port.name, port.mtu));
    }
    for (const Prefix& prefix : loading.config.peers[i].addresses) {
      const bool whole = prefix.length == (prefix.address.is_ipv4() ? 32 : 128);
      if (!whole && profile.profile.peer_address_check == AddressCheck::kExact) {
        loading.mistakes.conclude(
            loading.peer_places[i], {"profiles", loading.peer_places[i].key},
            fmt::format("profile \"{}\" has peer_address_check exact, which needs the peer's "
                        "addresses one by one, not {}/{}",
                        profile.name, prefix.address.to_string(), prefix.length));
      }
      const std::string text = fmt::format("{}/{}", prefix.address.to_string(), prefix.length);
      const auto [it, fresh] = seen.emplace(text, i);
      if (fresh || it->second == i) continue;
      loading.mistakes.add(loading.peer_places[i],
                           fmt::format("{} already belongs to peers[{}] on line {}", text,
                                       it->second, loading.peer_places[it->second].line));
    }
  }
}

// What "qpairs=" of an af_packet says: this many queues its sockets make.
std::optional<unsigned> queue_pairs(const Port& port) {
  if (!port.device.starts_with("net_af_packet")) return std::nullopt;
  constexpr std::string_view kKey = ",qpairs=";
  const size_t at = port.device.find(kKey);
  if (at == std::string::npos) return 1;
  return static_cast<unsigned>(std::strtoul(port.device.c_str() + at + kKey.size(), nullptr, 10));
}

void check_workers(Loading& loading) {
  const Config& config = loading.config;
  for (size_t i = 0; i < config.workers.cores.size(); ++i) {
    if (config.eal.control_core != config.workers.cores[i]) continue;
    loading.mistakes.add(loading.core_places[i],
                         fmt::format("core {} is also eal.control_core; a polling worker needs a "
                                     "core of its own, or leave both out to share",
                                     config.workers.cores[i]));
  }
  for (size_t i = 0; i < config.ports.size(); ++i) {
    const Port& port = config.ports[i];
    const auto pairs = queue_pairs(port);
    if (!pairs || port.queues <= *pairs) continue;
    const Field at = port_field(port, i);
    loading.mistakes.conclude(
        at, {at.key},
        fmt::format("{} queues need qpairs={} in the device's arguments, which "
                    "have {}",
                    port.queues, port.queues, *pairs));
  }
}

}  // namespace

void cross_check(Loading& loading) {
  const Config& config = loading.config;
  check_ports(loading);
  check_profile_names(loading);
  check_endpoints(loading);
  check_peers(loading);
  if (config.clients.socket == config.control.socket) {
    loading.mistakes.add_at_key(
        "control.socket",
        fmt::format("{} is also clients.socket; they must differ", config.control.socket));
  }
  if (config.sockets) {
    for (const auto& [key, path] : {std::pair{"clients.socket", &config.clients.socket},
                                    std::pair{"control.socket", &config.control.socket}}) {
      if (config.sockets->socket != *path) continue;
      loading.mistakes.add_at_key("sockets.socket",
                                  fmt::format("{} is also {}; they must differ", *path, key));
    }
  }
  if (loading.mistakes.sound("clients.limits") &&
      config.clients.limits.max_client_memory > config.clients.limits.max_total_memory) {
    loading.mistakes.add_at_key("clients.limits.max_client_memory",
                                "is above max_total_memory; one client cannot have more than all");
  }
  uint64_t buffers = 0;
  for (const Port& port : config.ports) buffers += port.buffers * (port.mtu + 700ull);
  const uint64_t memory = static_cast<uint64_t>(config.eal.memory_mib) << 20;
  const bool known = loading.mistakes.sound("ports") && loading.mistakes.sound("eal");
  if (known && buffers > memory) {
    loading.mistakes.add_at_key(
        "eal.memory", fmt::format("{} MiB cannot hold the buffers of all ports, which need "
                                  "about {} MiB; raise eal.memory or lower ports[].buffers",
                                  config.eal.memory_mib, (buffers >> 20) + 1));
  }
  check_workers(loading);
}

}  // namespace trunkline::config
