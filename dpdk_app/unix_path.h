// SPDX-License-Identifier: BSD-3-Clause
// Paths of UNIX sockets: folders that must exist, files that a killed process left behind.
#pragma once

#include <string>

namespace trunkline {

enum class SocketPath {
  kFree,    // nothing is there (any more)
  kServed,  // somebody listens
  kOther,   // something that is not a socket
};

// Makes the folder of `path` where it is missing, and removes a socket that nobody serves. Never
// connects to find out: a memif server of DPDK 22.11 panics when a peer hangs up at once.
SocketPath prepare_socket_path(const std::string& path);

}  // namespace trunkline
