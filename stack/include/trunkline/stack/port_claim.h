// SPDX-License-Identifier: BSD-3-Clause
// Ports that somebody holds who is no shard: sockets that are bound and neither listen nor connect
// yet. Shards whose ShardConfig::ports is the same table see that they are taken.
#pragma once

#include <cstdint>
#include <span>

#include "trunkline/stack/address.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/stack.h"
#include "trunkline/stack/types.h"

namespace trunkline {

// A port on some addresses, held for an owner by somebody who is no shard: as an endpoint of that
// owner would. Endpoints of the same owner and addresses may come and go beside it. From any
// thread; the table outlives it. It is given back at the end of its life.
class PortClaim {
 public:
  PortClaim() = default;
  // `port`, `addresses`, `owner` (not 0), `beside_own`, and how it is refused: as with
  // Shard::add_endpoint().
  PortClaim(PortTable& table, PortNumber port, std::span<const IpAddress> addresses, uint64_t owner,
            RandomSource& random, bool beside_own = false);
  ~PortClaim();
  PortClaim(PortClaim&& other) noexcept;
  PortClaim& operator=(PortClaim&& other) noexcept;

  [[nodiscard]] Status status() const { return status_; }
  [[nodiscard]] PortNumber port() const { return port_; }

 private:
  PortTable* table_ = nullptr;
  void* entry_ = nullptr;
  PortNumber port_;
  Status status_ = Status::kNoSuchEndpoint;
};

}  // namespace trunkline
