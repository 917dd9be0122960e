// SPDX-License-Identifier: BSD-3-Clause
// The eal and ports sections: DPDK's arguments, devices, addresses and gateways.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "config/sections.h"

namespace trunkline::config {
namespace {

// Arguments that the daemon generates itself, and what to write instead.
struct Generated {
  std::string_view argument;
  std::string_view instead;
};
constexpr std::array<Generated, 15> kGenerated{{{"--no-huge", "huge_pages: false"},
                                                {"--huge-dir", "huge_pages"},
                                                {"-m", "memory"},
                                                {"--file-prefix", "file_prefix"},
                                                {"--lcores", "control_core and workers.cores"},
                                                {"-l", "control_core and workers.cores"},
                                                {"-c", "control_core and workers.cores"},
                                                {"--vdev", "ports"},
                                                {"-a", "ports"},
                                                {"--allow", "ports"},
                                                {"-b", "ports"},
                                                {"--no-pci", "pci: false"},
                                                {"--in-memory", "file_prefix"},
                                                {"--proc-type", "nothing: there is one process"},
                                                {"--no-telemetry", "nothing: it is always off"}}};

void read_core(const Map& map, std::string_view key, std::optional<uint16_t>& out) {
  uint64_t value = 0;
  if (const auto field = map.find(key); field && map.read_integer(*field, value, 0, 1023)) {
    out = static_cast<uint16_t>(value);
  }
}

void read_gateway(const Map& map, std::string_view key, AddressFamily family,
                  std::optional<IpAddress>& out) {
  const auto field = map.find(key);
  if (!field) return;
  const auto address = read_address(*field, map.mistakes());
  if (!address) return;
  if (address->family() != family) {
    map.mistakes().add(*field, fmt::format("{} is not an {} address", address->to_string(),
                                           family == AddressFamily::kIpv4 ? "IPv4" : "IPv6"));
    return;
  }
  out = address;
}

// Whether each character is what the shape wants there: x is a hexadecimal digit, o one from 0 to
// 7, anything else itself.
bool has_shape(std::string_view text, std::string_view shape) {
  return std::equal(text.begin(), text.end(), shape.begin(), shape.end(), [](char c, char want) {
    if (want == 'x') return std::isxdigit(static_cast<unsigned char>(c)) != 0;
    if (want == 'o') return c >= '0' && c <= '7';
    return c == want;
  });
}

bool is_virtual_name(std::string_view name) {
  constexpr std::string_view kPrefix = "net_";
  return name.size() > kPrefix.size() && name.starts_with(kPrefix) &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ||
                  c == '-';
         });
}

void check_device(const Field& field, const std::string& device, Mistakes& mistakes) {
  const std::string_view name = std::string_view(device).substr(0, device.find(','));
  if (has_shape(name, "xxxx:xx:xx.o") || has_shape(name, "xx:xx.o") || is_virtual_name(name)) {
    return;
  }
  mistakes.add(field, fmt::format("\"{}\" is not a device; write a PCI address such as "
                                  "0000:3b:00.0 or a virtual device such as "
                                  "net_af_packet0,iface=eth1",
                                  device));
}

void load_port(const Field& at, Loading& loading) {
  Mistakes& mistakes = loading.mistakes;
  const Map map(at,
                {"name", "device", "queues", "rx_descriptors", "tx_descriptors", "buffers", "vlan",
                 "mtu", "promiscuous", "addresses", "gateway_v4", "gateway_v6"},
                mistakes);
  if (!at.node.IsMap()) return;
  Port port;
  port.line = at.line;
  if (const auto field = map.require("name", "name: left")) {
    if (const auto name = scalar(*field, "a name", mistakes)) {
      if (check_name(*field, *name, mistakes)) port.name = *name;
    }
  }
  if (const auto field = map.require("device", "device: net_af_packet0,iface=eth1")) {
    if (const auto device = scalar(*field, "a DPDK device", mistakes)) {
      check_device(*field, *device, mistakes);
      port.device = *device;
    }
  }
  map.integer("queues", port.queues, 1, 64);
  map.integer("rx_descriptors", port.rx_descriptors, 64, 32768);
  map.integer("tx_descriptors", port.tx_descriptors, 64, 32768);
  map.integer("buffers", port.buffers, 512, 4u << 20);
  map.integer("vlan", port.vlan, 1, 4094);
  map.integer("mtu", port.mtu, 576, 9200);
  map.boolean("promiscuous", port.promiscuous);
  if (const auto field = map.require("addresses", "addresses: [192.0.2.1/24]")) {
    const auto list = items(*field, "addresses such as 192.0.2.1/24", mistakes);
    if (field->node.IsSequence() && list.empty()) {
      mistakes.add(*field, "a port needs at least one address");
    }
    for (const Field& item : list) {
      const auto prefix = read_prefix(item, false, mistakes);
      if (!prefix) continue;
      const IpAddress& address = prefix->address;
      if (!address.is_unicast() || address.scope() == AddressScope::kLoopback) {
        mistakes.add(item, fmt::format("{} cannot be the address of a port: it must be unicast and "
                                       "not loopback",
                                       address.to_string()));
        continue;
      }
      port.addresses.push_back(*prefix);
    }
  }
  read_gateway(map, "gateway_v4", AddressFamily::kIpv4, port.gateway_v4);
  read_gateway(map, "gateway_v6", AddressFamily::kIpv6, port.gateway_v6);
  const bool has_v6 = std::any_of(port.addresses.begin(), port.addresses.end(),
                                  [](const Prefix& p) { return p.address.is_ipv6(); });
  if (has_v6 && port.mtu < 1280) {
    mistakes.conclude(
        at, {at.key},
        fmt::format("mtu {} is too small for a port with an IPv6 address, which needs "
                    "1280 (RFC 8200 section 5)",
                    port.mtu));
  }
  loading.config.ports.push_back(std::move(port));
}

}  // namespace

void load_eal(const Field& at, Loading& loading) {
  Mistakes& mistakes = loading.mistakes;
  Eal& eal = loading.config.eal;
  const Map map(at, {"file_prefix", "huge_pages", "memory", "control_core", "pci", "extra_args"},
                mistakes);
  map.text("file_prefix", eal.file_prefix);
  if (const auto field = map.find("file_prefix")) {
    static_cast<void>(check_name(*field, eal.file_prefix, mistakes));
  }
  map.boolean("huge_pages", eal.huge_pages);
  map.boolean("pci", eal.pci);
  uint64_t memory = static_cast<uint64_t>(eal.memory_mib) << 20;
  map.bytes("memory", memory, 64ull << 20, 1ull << 40);
  eal.memory_mib = static_cast<uint32_t>(memory >> 20);
  read_core(map, "control_core", eal.control_core);
  const auto field = map.find("extra_args");
  if (!field) return;
  for (const Field& item : items(*field, "DPDK arguments such as --log-level=pmd:8", mistakes)) {
    const auto text = scalar(item, "one DPDK argument", mistakes);
    if (!text) continue;
    const std::string name = text->substr(0, text->find('='));
    const auto* const known = std::find_if(kGenerated.begin(), kGenerated.end(),
                                           [&](const Generated& g) { return g.argument == name; });
    if (known != kGenerated.end()) {
      mistakes.add(item, fmt::format("{} is set by the daemon; use {}", name, known->instead));
      continue;
    }
    eal.extra_args.push_back(*text);
  }
}

void load_ports(const Field& at, Loading& loading) {
  const auto list = items(at, "ports", loading.mistakes);
  if (at.node.IsSequence() && list.empty()) {
    loading.mistakes.add(at, "at least one port is needed");
  }
  for (const Field& item : list) load_port(item, loading);
}

}  // namespace trunkline::config
