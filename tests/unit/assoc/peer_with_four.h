// SPDX-License-Identifier: BSD-3-Clause
// The addresses of a Peer that has up to four.
#pragma once

#include "support/pair.h"

namespace trunkline::test {

inline const IpAddress kFirst = ip("198.51.100.1");  // Peer::peer_address
inline const IpAddress kSecond = ip("198.51.100.2");
inline const IpAddress kThird = ip("198.51.100.3");
inline const IpAddress kFourth = ip("198.51.100.4");

inline std::vector<IpAddress> remotes_of(const AssocStatus& status) {
  std::vector<IpAddress> out;
  for (const PathStatus& path : status.paths) out.push_back(path.remote);
  return out;
}

}  // namespace trunkline::test
