// SPDX-License-Identifier: BSD-3-Clause
// The daemon's listening UNIX sockets, on which programs ask for something: made with the right
// permissions from the first moment, who asks, and answers with descriptors.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "appring/permissions.h"

namespace trunkline::appring {

struct ListenerPlace {
  std::string what;  // for errors: "attach socket"
  std::string path;
  uint32_t mode = 0660;
  std::optional<uint32_t> gid;
};

// A listening SOCK_SEQPACKET socket that does not block. A socket file on which nobody listens is
// removed first. Throws std::runtime_error.
[[nodiscard]] int open_listener(const ListenerPlace& place);

// Of the process at the other end, as the kernel vouches for them; nobody's if it does not.
[[nodiscard]] PeerCredentials credentials_of(int fd);

// One message, whole or not at all, without waiting. False with errno set.
[[nodiscard]] bool send_message(int fd, std::span<const iovec> parts, std::span<const int> fds);

}  // namespace trunkline::appring
