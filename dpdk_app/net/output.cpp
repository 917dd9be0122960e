// SPDX-License-Identifier: BSD-3-Clause
// Flow cache: filling and indexing.
#include "net/output.h"

#include <cstring>

namespace trunkline::net {
namespace {
constexpr size_t kFlows = 4096;  // a power of two; direct mapped
}

Output::Output(const RouteTable& routes, std::vector<NeighbourTable*> neighbours)
    : routes_(routes), neighbours_(std::move(neighbours)), flows_(kFlows) {}

size_t Output::index_of(const IpAddress& source, const IpAddress& destination) const {
  // The low parts of addresses are what differs between peers.
  const auto low = [](const IpAddress& address) {
    uint32_t value = 0;
    const auto bytes = address.bytes();
    if (bytes.size() >= 4) std::memcpy(&value, bytes.data() + bytes.size() - 4, 4);
    return value;
  };
  const uint64_t hash =
      (static_cast<uint64_t>(low(destination)) << 32 | low(source)) * 0x9e3779b97f4a7c15ull;
  return static_cast<size_t>(hash >> 52);
}

OutputVerdict Output::start(const IpAddress& source, const IpAddress& destination, Flow& fresh) {
  const Route route = routes_.route(source, destination);
  fresh.source = source;
  fresh.destination = destination;
  fresh.port = route.port;
  switch (route.kind) {
    case RouteKind::kNoPort:
      return {OutputKind::kDropped, NetCounter::k_drop_no_port, 0, nullptr};
    case RouteKind::kNoRoute:
      return {OutputKind::kDropped, NetCounter::k_drop_no_route, route.port, nullptr};
    case RouteKind::kLoop: {
      fresh.loop = true;
      Flow& flow = flows_[index_of(source, destination)];
      flow = fresh;
      return {OutputKind::kLoop, NetCounter::k_drop_no_route, 0, nullptr};
    }
    case RouteKind::kPort:
      break;
  }
  const LocalPort& port = routes_.port(route.port);
  const IpFields ip{source, destination, kProtocolSctp, 0, 64};
  fresh.header = HeaderTemplate(MacAddress{}, port.mac, port.vlan, ip);
  next_hop_ = route.next_hop;
  return {OutputKind::kQueued, NetCounter::k_drop_neighbour_queue, route.port, nullptr};
}

OutputVerdict Output::finish(const NeighbourTable::Answer& answer, Flow& fresh,
                             OutputVerdict verdict) {
  verdict.kind = OutputKind::kDropped;
  switch (answer.use) {
    case NeighbourUse::kQueued:
      verdict.kind = OutputKind::kQueued;
      return verdict;
    case NeighbourUse::kQueueFull:
      verdict.drop = NetCounter::k_drop_neighbour_queue;
      return verdict;
    case NeighbourUse::kTableFull:
      verdict.drop = NetCounter::k_drop_neighbour_table;
      return verdict;
    case NeighbourUse::kUnreachable:
      verdict.drop = NetCounter::k_drop_neighbour_unreachable;
      return verdict;
    case NeighbourUse::kSend:
      break;
  }
  fresh.header.set_destination_mac(answer.mac);
  fresh.good_until = answer.good_until;
  fresh.slot = answer.slot;
  fresh.generation = answer.generation;
  Flow& flow = flows_[index_of(fresh.source, fresh.destination)];
  flow = fresh;
  verdict.kind = OutputKind::kSend;
  verdict.header = &flow.header;
  return verdict;
}

void Output::invalidate() {
  flows_.assign(kFlows, Flow{});
}

}  // namespace trunkline::net
