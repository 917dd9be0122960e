// SPDX-License-Identifier: BSD-3-Clause
// Which socket has which port on which addresses: the rules of Linux between sockets (SO_REUSEADDR,
// SO_REUSEPORT), and one claim in the daemon's table of ports for each, against everybody else.
// The sockets thread alone.
//
// What sockets have may overlap in that table (EndpointConfig::beside_own): who may have what
// beside whom is decided here.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "trunkline/stack/bound_addresses.h"
#include "trunkline/stack/port_claim.h"
#include "trunkline/stack/stack.h"

namespace trunkline::sockets {

// All sockets are one owner in the table of ports: what they do to each other is decided here.
// Above those that stand for users (uid + 1).
inline constexpr uint64_t kPortOwner = uint64_t{1} << 48;

// What one socket has. It stays where it is while it has a port.
struct PortHolder {
  uint32_t uid = 0;
  bool reuse_address = false;  // SO_REUSEADDR
  bool reuse_sctp = false;     // SCTP_REUSE_PORT, which Linux takes for SO_REUSEADDR
  bool reuse_port = false;     // SO_REUSEPORT
  bool shares_port = false;    // accepted from one that has it
  bool listening = false;
  uint64_t group = 0;                // a one-to-many socket and its associations; 0: alone
  uint16_t port = 0;                 // 0: not bound
  std::vector<IpAddress> addresses;  // as BoundAddresses has them
  PortClaim claim;

  [[nodiscard]] bool reuses() const { return reuse_address || reuse_sctp; }
  [[nodiscard]] bool shares() const { return reuse_port || shares_port; }
};

class PortBook {
 public:
  PortBook(PortTable& table, RandomSource& random) : table_(table), random_(random) {}
  PortBook(const PortBook&) = delete;
  PortBook& operator=(const PortBook&) = delete;

  // Gives `who` that port on those addresses, instead of what it has; port 0: a free one. 0,
  // EADDRINUSE or EINVAL (such addresses do not go together); then nothing has changed.
  [[nodiscard]] int bind(PortHolder& who, uint16_t port, std::vector<IpAddress> addresses);
  // Others on the port that it has, of which only `fresh` must be nobody else's.
  [[nodiscard]] int change(PortHolder& who, std::vector<IpAddress> addresses,
                           std::span<const IpAddress> fresh);
  // 0, EADDRINUSE (another one listens there, and not both have SO_REUSEPORT), or EEXIST: both
  // have, and some of their addresses in common, but not all.
  [[nodiscard]] int may_listen(const PortHolder& who) const;
  // An accepted socket has what its listener has. False: not any more.
  [[nodiscard]] bool share(PortHolder& fresh, const PortHolder& listener);
  void release(PortHolder& who);
  [[nodiscard]] uint64_t new_group() { return ++groups_; }

 private:
  [[nodiscard]] bool conflict(const PortHolder& who, uint16_t port,
                              const BoundAddresses& addresses) const;
  [[nodiscard]] int take(PortHolder& who, uint16_t port, std::vector<IpAddress> addresses);
  void enter(PortHolder& who);

  PortTable& table_;
  RandomSource& random_;
  std::unordered_map<uint16_t, std::vector<PortHolder*>> holders_;
  uint64_t groups_ = 0;
};

}  // namespace trunkline::sockets
