// SPDX-License-Identifier: BSD-3-Clause
// Watches which addresses peers list in INIT and INIT ACK, and holds each association's paths
// against them: a path to an address that the peer's present incarnation does not list, or that is
// the host's own, can only do harm (RFC 9260 sections 5.1.2, 5.2.2, 5.4). Of a host with itself all
// of them are the host's own.
//
// What is listed is what the endpoint is bound to, as far as it means something to the peer, all of
// it and nothing else; or nothing at all, where that is the packet's source alone.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "end_book.h"
#include "network.h"
#include "trunkline/stack/stack.h"
#include "verdict.h"

namespace trunkline::sim {

class AddressWatch {
 public:
  AddressWatch(Verdict& verdict, const Network& network, const EndBook& ends)
      : verdict_(verdict), network_(network), ends_(ends) {}

  // Its packets list others' addresses as well, on purpose.
  void expect_lies(HostIndex host) { liars_.insert(host); }
  void sent(TimePoint now, HostIndex from, const IpAddress& source, const IpAddress& destination,
            std::span<const uint8_t> packet);
  // What `host` has of an association with `peer`, as it is now.
  void check(TimePoint now, HostIndex host, HostIndex peer, const AssocStatus& status);

  [[nodiscard]] uint64_t checks() const { return checks_; }
  // Lists that were held against what an endpoint is bound to.
  [[nodiscard]] uint64_t lists() const { return exact_; }

 private:
  // By who said it, its port, and its tag, which is another one after a restart.
  using Key = std::tuple<HostIndex, uint16_t, uint32_t>;
  struct Before {
    bool operator()(const IpAddress& a, const IpAddress& b) const;
  };

  void check_list(TimePoint now, HostIndex from, PortNumber port, const IpAddress& source,
                  const IpAddress& destination, std::vector<IpAddress> said);

  Verdict& verdict_;
  const Network& network_;
  const EndBook& ends_;
  std::set<HostIndex> liars_;
  std::map<Key, std::set<IpAddress, Before>> lists_;
  uint64_t checks_ = 0;
  uint64_t exact_ = 0;
};

}  // namespace trunkline::sim
