// SPDX-License-Identifier: BSD-3-Clause
// This process's connection to the daemon: made when it is first needed, and again after a fork or
// when the daemon was started anew. One request at a time. Signals are blocked meanwhile, so that
// handlers may use sockets, too.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "trunkline/socket_abi.h"

namespace trunkline::sctp::attachment {

struct Request {
  tls_request_kind kind{};
  const tls_page* socket = nullptr;  // whose it is; null: none's
  int32_t a = 0;
  int32_t b = 0;
  const void* body = nullptr;
  uint32_t length = 0;  // of the body
  uint32_t meant = 0;   // if more than that is meant (TLS_GET_OPTION)
  int descriptor = -1;  // goes along
};

struct Reply {
  int32_t value = 0;
  void* body = nullptr;           // the caller's
  uint32_t room = 0;              // of it
  uint32_t length = 0;            // what was written there
  int descriptors[2] = {-1, -1};  // the caller's from now on, close-on-exec
};

// 0, or what the daemon says as a negative errno; -EPROTONOSUPPORT: there is no daemon;
// -ECONNRESET: it went away.
[[nodiscard]] long request(const Request& request, Reply& reply);

// As request() on a connection of its own, for what may take its time.
[[nodiscard]] long request_alone(const Request& request, Reply& reply);

// Makes sure that kick() works; called before a lock is taken. False: there is no daemon.
bool ready();
// Tells a worker that the socket has something for it.
void kick(uint32_t worker, uint32_t socket_index);

// Whether the other end of a pair may be the daemon's, who shows itself there. In a PID namespace
// that is not its own it is process 0, and so are others.
[[nodiscard]] bool is_daemon(const ucred& peer);

// Whether a descriptor is one of ours, which the program does not know.
[[nodiscard]] bool owns(int fd);
// Moves ours out of the way of the program, which wants that number.
void vacate(int fd);

// -- fork handlers
void before_fork();
void after_fork_in_parent();
void after_fork_in_child();

// Tests: forgets the connection.
void detach();

}  // namespace trunkline::sctp::attachment
