// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/ballast.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace trunkline::sockets {
namespace {

constexpr size_t kMost = 8192;

// Is it neither writable, nor taking a byte, with so many in it?
bool fills(int program, int daemon, size_t size) {
  const std::array<char, kMost> bytes{};
  std::array<char, kMost> out{};
  if (send(program, bytes.data(), size, MSG_DONTWAIT) != static_cast<ssize_t>(size)) return false;
  pollfd look{program, POLLOUT, 0};
  const bool full = poll(&look, 1, 0) == 0 && send(program, bytes.data(), 1, MSG_DONTWAIT) < 0;
  while (recv(daemon, out.data(), out.size(), MSG_DONTWAIT) > 0) {
  }
  return full;
}

}  // namespace

uint32_t measure_ballast() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return 0;
  const int least = 1;
  setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
  uint32_t found = 0;
  for (size_t size = 64; size <= kMost && found == 0; size += 64) {
    if (fills(pair[0], pair[1], size)) found = static_cast<uint32_t>(size);
  }
  close(pair[0]);
  close(pair[1]);
  return found;
}

}  // namespace trunkline::sockets
