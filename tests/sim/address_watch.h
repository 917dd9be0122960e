// SPDX-License-Identifier: BSD-3-Clause
// Watches which addresses peers list in INIT and INIT ACK, and holds each association's paths
// against them: a path to an address that the peer's present incarnation does not list, or that is
// the host's own, can only do harm (RFC 9260 sections 5.1.2, 5.2.2, 5.4).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <tuple>

#include "network.h"
#include "trunkline/stack/stack.h"
#include "verdict.h"

namespace trunkline::sim {

class AddressWatch {
 public:
  AddressWatch(Verdict& verdict, const Network& network) : verdict_(verdict), network_(network) {}

  void sent(HostIndex from, const IpAddress& source, std::span<const uint8_t> packet);
  // What `host` has of an association with `peer`, as it is now.
  void check(TimePoint now, HostIndex host, HostIndex peer, const AssocStatus& status);

  [[nodiscard]] uint64_t checks() const { return checks_; }

 private:
  // By who said it, its port, and its tag, which is another one after a restart.
  using Key = std::tuple<HostIndex, uint16_t, uint32_t>;
  struct Before {
    bool operator()(const IpAddress& a, const IpAddress& b) const;
  };

  Verdict& verdict_;
  const Network& network_;
  std::map<Key, std::set<IpAddress, Before>> lists_;
  uint64_t checks_ = 0;
};

}  // namespace trunkline::sim
