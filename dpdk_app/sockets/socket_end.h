// SPDX-License-Identifier: BSD-3-Clause
// One socket of a program as the daemon has it: its memory, the daemon's end of its handle, its
// channel. Made and destroyed by the sockets thread; used by one worker, the one that has its
// association, between SocketBridge::connect() or accept() and its kGone. What both of them write in
// the page is said in socket_abi.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "appring/channel.h"
#include "appring/segment_guard.h"
#include "trunkline/socket_abi.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"

namespace trunkline::sockets {

// What all sockets of one user have under way at one worker, of what all users share.
struct alignas(64) UserShare {
  uint64_t units = 0;
};

// Whose a socket is.
struct SocketUser {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<UserShare> shares;  // per worker; the worker's alone
};

class SocketEnd {
 public:
  struct Geometry {
    tlr_geometry rings{};
    uint32_t ballast = 0;
  };
  // Null with errno set. `family`, `type` as of socket(2).
  static std::unique_ptr<SocketEnd> create(uint32_t index, uint64_t key, uint32_t family,
                                           uint32_t type, const Geometry& geometry,
                                           std::shared_ptr<SocketUser> user);
  ~SocketEnd();
  SocketEnd(const SocketEnd&) = delete;
  SocketEnd& operator=(const SocketEnd&) = delete;

  [[nodiscard]] uint32_t index() const { return index_; }
  [[nodiscard]] tls_page& page() const { return *page_; }
  [[nodiscard]] int memory_fd() const { return memory_fd_; }
  // The daemon's end of the pair, never blocking. The program's is given away once: take_handle().
  [[nodiscard]] int pair_fd() const { return pair_fd_; }
  [[nodiscard]] int take_handle();
  [[nodiscard]] SocketUser& user() const { return *user_; }
  // The memory is gone and reads as zeros.
  [[nodiscard]] bool lost() const;

  // -- any thread of the daemon
  // Puts the ballast in, for the program, before it has the handle; takes out whatever lies there.
  bool put_ballast();
  void take_ballast();
  // A token: see socket_abi.h. False: it was there already, or there are too many.
  bool send_token();
  void set_names(const tls_name& local, const tls_name& peer);
  void set_error(int error);  // and a token, so that it is noticed
};

}  // namespace trunkline::sockets
