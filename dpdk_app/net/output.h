// SPDX-License-Identifier: BSD-3-Clause
// The way out for SCTP packets: a cache from (source, destination) to port and finished header,
// in front of routing and neighbour resolution. One per worker; pure.
#pragma once

#include <cstdint>
#include <vector>

#include "net/counters.h"
#include "net/headers.h"
#include "net/neighbour.h"
#include "net/route.h"

namespace trunkline::net {

enum class OutputKind : uint8_t { kSend, kLoop, kQueued, kDropped };

struct OutputVerdict {
  OutputKind kind = OutputKind::kDropped;
  NetCounter drop = NetCounter::k_drop_no_route;  // kDropped: why
  uint16_t port = 0;
  const HeaderTemplate* header = nullptr;  // kSend
};

class Output {
 public:
  // Both outlive this. One neighbour table per port, in the same order.
  Output(const RouteTable& routes, std::vector<NeighbourTable*> neighbours);

  // The common case: the flow is cached and its neighbour known. Null otherwise.
  struct Flow {
    IpAddress source;
    IpAddress destination;
    HeaderTemplate header;
    TimePoint good_until;
    uint32_t slot = 0;
    uint32_t generation = 0;
    uint16_t port = 0;
    bool loop = false;
  };
  [[nodiscard]] const Flow* cached(TimePoint now, const IpAddress& source,
                                   const IpAddress& destination) const {
    const Flow& flow = flows_[index_of(source, destination)];
    if (!(flow.destination == destination && flow.source == source)) return nullptr;
    if (flow.loop) return &flow;
    if (now >= flow.good_until) return nullptr;
    if (!neighbours_[flow.port]->still_valid(flow.slot, flow.generation)) return nullptr;
    return &flow;
  }

  // The rest. When the packet must wait for its neighbour, `prepare(port, header)` has to put the
  // header in front of the packet (its destination MAC is set when it is released) and returns the
  // handle that waits.
  template <typename Prepare>
  OutputVerdict resolve(TimePoint now, const IpAddress& source, const IpAddress& destination,
                        NeighbourActions& actions, Prepare&& prepare) {
    Flow fresh;
    OutputVerdict verdict = start(source, destination, fresh);
    if (verdict.kind != OutputKind::kQueued) return verdict;
    NeighbourTable& table = *neighbours_[fresh.port];
    const PacketHandle handle = prepare(fresh.port, fresh.header);
    const NeighbourTable::Answer answer = table.use(now, next_hop_, handle, actions);
    return finish(answer, fresh, verdict);
  }

  // Forgets all flows: a port or an address changed.
  void invalidate();

 private:
  [[nodiscard]] size_t index_of(const IpAddress& source, const IpAddress& destination) const;
  // Routes; kQueued means that the neighbour of next_hop_ has to be asked.
  OutputVerdict start(const IpAddress& source, const IpAddress& destination, Flow& fresh);
  OutputVerdict finish(const NeighbourTable::Answer& answer, Flow& fresh, OutputVerdict verdict);

  const RouteTable& routes_;
  std::vector<NeighbourTable*> neighbours_;
  std::vector<Flow> flows_;
  IpAddress next_hop_;
};

}  // namespace trunkline::net
