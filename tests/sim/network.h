// SPDX-License-Identifier: BSD-3-Clause
// A network that exists only as numbers: hosts joined by one link each way, every link with its
// own rate, delay and faults. It decides, from its own random sequence, which packets arrive, when,
// how often and in what state. It knows nothing of SCTP but the chunk types that a named fault
// asks for.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "trunkline/stack/address.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/types.h"

namespace trunkline::sim {

using HostIndex = uint8_t;
// One of the networks that join the hosts; a packet goes by that of its destination's address.
using NetIndex = uint8_t;
inline constexpr NetIndex kMaxNets = 4;

// Who speaks at a port: a host may have several endpoints there, each on addresses of its own
// (end_book.h); which one it is.
struct Party {
  constexpr Party(HostIndex host_, uint8_t end_ = 0) : host(host_), end(end_) {}  // NOLINT: the one
  auto operator<=>(const Party&) const = default;

  HostIndex host;
  uint8_t end;
};
// Of packets between two ports.
[[nodiscard]] constexpr uint64_t key_of(Party from, Party to, uint16_t source_port,
                                        uint16_t destination_port) {
  return uint64_t{from.host} << 56 | uint64_t{from.end} << 48 | uint64_t{to.host} << 40 |
         uint64_t{to.end} << 32 | uint64_t{source_port} << 16 | destination_port;
}

// Chances are in parts per million, so that a scenario can be printed and replayed exactly.
struct LinkFaults {
  Duration delay = std::chrono::milliseconds(5);
  Duration jitter{};                  // added, uniformly; does not change the order
  uint64_t rate = 0;                  // bytes per second, 0: unlimited
  uint32_t queue_limit = 128 * 1024;  // bytes waiting for a limited rate; more are dropped

  uint32_t loss = 0;
  // Gilbert-Elliott: a bad state, entered and left by chance at each packet.
  uint32_t enter_bad = 0;
  uint32_t leave_bad = 0;
  uint32_t loss_when_bad = 0;

  uint32_t reorder = 0;  // held back by up to reorder_by, others overtake
  Duration reorder_by{};
  Duration backwards{};  // what is sent within such a period arrives in the opposite order
  uint32_t duplicate = 0;
  uint32_t corrupt = 0;    // one to three bits flipped
  uint32_t truncate = 0;   // the end cut off
  uint16_t mtu = 0;        // larger IP packets vanish; 0: none do
  uint32_t tells_mtu = 0;  // ... and the sender is told by ICMP
  bool cut = false;        // nothing passes
};

struct NetPacket {
  TimePoint sent;
  TimePoint arrives;
  uint64_t serial = 0;  // of the sending, duplicates share it
  HostIndex from = 0;
  HostIndex to = 0;
  bool damaged = false;
  IpAddress source;
  IpAddress destination;
  std::vector<uint8_t> bytes;  // from the SCTP common header on
  // Where the receiver takes less than came (mangle.h): what it took. Empty: all of it.
  std::vector<uint8_t> taken;
};

enum class Fate : uint8_t { kPassed, kLost, kTooBig, kDamaged, kDuplicated, kDelayed };

class Network {
 public:
  explicit Network(uint64_t seed) : random_(seed) {}

  void attach(HostIndex host, const IpAddress& address, NetIndex net);
  // By the family: IPv4 is the first network, IPv6 the second one.
  void attach(HostIndex host, const IpAddress& address) {
    attach(host, address, address.is_ipv6() ? 1 : 0);
  }
  [[nodiscard]] std::optional<HostIndex> host_of(const IpAddress& address) const;
  [[nodiscard]] bool has(HostIndex host, const IpAddress& address) const {
    return host_of(address) == host;
  }
  [[nodiscard]] NetIndex net_of(const IpAddress& address) const;  // 0 for one that nobody has

  // The link of one direction and network: two hosts have a path for each network between them.
  LinkFaults& link(HostIndex from, HostIndex to, NetIndex net = 0) {
    return link_state(from, to, net).faults;
  }
  // The next `count` packets on any network that carry a chunk of this type vanish.
  void drop_next(HostIndex from, HostIndex to, uint8_t chunk_type, uint32_t count);
  // Ends all faults of all links; rate and delay stay.
  void heal();

  // What happened to the packet, the worst of it. With a `fragment_size` it travels in fragments of
  // that size, and arrives whole or not at all.
  Fate send(TimePoint now, HostIndex from, const IpAddress& source, const IpAddress& destination,
            const std::vector<uint8_t>& bytes, uint16_t fragment_size = 0);

  // A packet from nowhere: arrives at once, whatever the links are like, marked as damaged.
  void inject(TimePoint now, HostIndex from, HostIndex to, const IpAddress& source,
              const IpAddress& destination, std::vector<uint8_t> bytes);

  [[nodiscard]] TimePoint next_arrival() const {
    return in_flight_.empty() ? TimePoint::never() : in_flight_.top()->arrives;
  }
  // The packet that arrives first, if it does so by `now`.
  std::unique_ptr<NetPacket> receive(TimePoint now);

  // For statistics and tests.
  struct Totals {
    uint64_t sent = 0;
    uint64_t arrived = 0;
    uint64_t lost = 0;
    uint64_t damaged = 0;
    uint64_t duplicated = 0;
    uint64_t reordered = 0;
  };
  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  struct Link {
    LinkFaults faults;
    bool bad = false;
    TimePoint bad_since;
    TimePoint busy_until;
    TimePoint last_arrival;
  };
  struct Later {
    bool operator()(const std::unique_ptr<NetPacket>& a,
                    const std::unique_ptr<NetPacket>& b) const {
      return a->arrives != b->arrives ? a->arrives > b->arrives : a->serial > b->serial;
    }
  };
  struct AddressHash {
    size_t operator()(const IpAddress& address) const;
  };

  Link& link_state(HostIndex from, HostIndex to, NetIndex net) { return links_[{from, to, net}]; }
  [[nodiscard]] bool chance(uint32_t parts_per_million) {
    return parts_per_million > 0 && random_.below(1'000'000) < parts_per_million;
  }
  bool lose(TimePoint now, Link& link);
  bool drop_by_name(HostIndex from, HostIndex to, std::span<const uint8_t> bytes);
  bool damage(const LinkFaults& faults, std::vector<uint8_t>& bytes);
  // When it arrives, or nothing if the queue of the link is full.
  std::optional<TimePoint> schedule(TimePoint now, Link& link, size_t wire_bytes, bool& reordered);

  SeededRandom random_;
  struct Route {
    HostIndex host = 0;
    NetIndex net = 0;
  };

  std::unordered_map<IpAddress, Route, AddressHash> routes_;
  std::map<std::tuple<HostIndex, HostIndex, NetIndex>, Link> links_;
  std::map<std::pair<HostIndex, HostIndex>, std::array<uint32_t, 256>> named_drops_;
  std::priority_queue<std::unique_ptr<NetPacket>, std::vector<std::unique_ptr<NetPacket>>, Later>
      in_flight_;
  uint64_t next_serial_ = 0;
  Totals totals_;
};

// IP header bytes in front of an SCTP packet to this address.
[[nodiscard]] constexpr size_t ip_header_size(bool ipv6) {
  return ipv6 ? 40 : 20;
}

}  // namespace trunkline::sim
