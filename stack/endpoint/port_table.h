// SPDX-License-Identifier: BSD-3-Clause
// Which local ports are taken, on which addresses and by whom: one table for all shards of a host,
// so that no two of them give the same port and address to two users. Asked where an endpoint comes
// or goes, never for a packet. Knows nothing of endpoints.
//
// Endpoints of one owner at several shards share an entry if port and addresses are the same; all
// other entries of a port have no address in common, but for those of an owner who keeps its own
// order among them (EndpointConfig::beside_own).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/reserved.h"
#include "base/spin_lock.h"
#include "trunkline/stack/bound_addresses.h"
#include "trunkline/stack/stack.h"

namespace trunkline {

class PortTable {
 public:
  static constexpr uint16_t kFirstDynamic = 49152;  // RFC 6335 section 6
  static constexpr uint64_t kNobody = 0;
  // Of one port, so that what comes to it finds its endpoint soon.
  static constexpr size_t kMostOfAPort = 64;

  // A place in the table. Held by whom claim() gave it to, until give_back().
  class Entry {
    friend class PortTable;
    PortNumber port_;
    BoundAddresses bound_;
    std::vector<IpAddress> keys_;  // that Taken counts it under
    // Under the lock:
    Entry* next_ = nullptr;  // of that port
    uint32_t holders_ = 0;
    uint32_t owning_ = 0;  // of them, for `owner_`
    uint64_t owner_ = kNobody;
    bool beside_own_ = false;
  };
  struct Claim {
    Status status = Status::kOk;
    PortNumber port;
    Entry* entry = nullptr;  // null unless kOk
  };

  // `memory`: see ShardConfig.
  explicit PortTable(MemorySource* memory = nullptr) : first_(memory, 65536) {}
  PortTable(const PortTable&) = delete;
  PortTable& operator=(const PortTable&) = delete;
  ~PortTable();

  // -- any number of shards at once; they wait for each other
  // Port 0: a dynamic one that nobody has on any of these addresses, searched from a random place;
  // kOutOfResources if there is none. Of 127.0.0.0/8 all addresses count as one there. Otherwise
  // kAlreadyExists if another owner has it, or the same one on other addresses that overlap; unless
  // all of these came with `beside_own`.
  Claim claim(PortNumber port, const BoundAddresses& bound, uint64_t owner, RandomSource& random,
              bool beside_own = false);
  // An entry that was claimed for nobody gets an owner. False: it has another one. Once until
  // disown().
  [[nodiscard]] bool own(Entry& entry, uint64_t owner);
  void disown(Entry& entry);
  // `owned`: it was claimed for an owner, or got one since.
  void give_back(Entry& entry, bool owned);
  // For tests, while nobody else uses it: sets of dynamic ports that are kept.
  [[nodiscard]] size_t sets() const { return taken_.size(); }

 private:
  static constexpr size_t kWords = (65536 - kFirstDynamic) / 64;
  using PortSet = std::array<uint64_t, kWords>;
  // The dynamic ports that are taken on an address, a bit each: who has nearly all of them and asks
  // for more must not cost a look at every port. There while there is such a port.
  struct Taken {
    IpAddress key;
    uint32_t entries = 0;
    PortSet ports{};
  };

  struct Overlap {
    Entry* same = nullptr;  // the very same addresses
    bool taken = false;     // others, which stand in the way
  };
  [[nodiscard]] Overlap overlap(PortNumber port, const BoundAddresses& bound, uint64_t owner,
                                bool beside_own) const;
  [[nodiscard]] PortNumber free_port(std::span<const IpAddress> keys, uint32_t from) const;
  [[nodiscard]] bool is_full(PortNumber port) const;
  [[nodiscard]] bool has_key(PortNumber port, const IpAddress& key) const;
  void link(Entry& entry);
  void unlink(Entry& entry);

  SpinLock lock_;                 // for all that follows
  const Reserved<Entry*> first_;  // by port
  std::vector<std::unique_ptr<Taken>> taken_;
};

}  // namespace trunkline
