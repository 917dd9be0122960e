// SPDX-License-Identifier: BSD-3-Clause
// The associations of a one-to-many socket (a front) as this process has them: members, mapped when
// they are first needed, found by index, id or the peer's address. What is not known, or known
// wrongly, is asked of the daemon; nothing here waits for anybody else.
#pragma once

#include <netinet/in.h>

#include "socket.h"

namespace trunkline::sctp {

// A reference to a member for the time of a call.
class Member {
 public:
  Member() = default;
  explicit Member(Socket* socket) : socket_(socket) {}
  Member(Member&& other) noexcept : socket_(other.socket_) { other.socket_ = nullptr; }
  Member& operator=(Member&& other) noexcept;
  ~Member();
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  explicit operator bool() const { return socket_ != nullptr; }
  [[nodiscard]] Socket& operator*() const { return *socket_; }
  [[nodiscard]] Socket* operator->() const { return socket_; }

 private:
  Socket* socket_ = nullptr;
};

namespace members {

// The addresses of a peer, packed, in our memory; and what SCTP_INIT says of the association that
// is to be begun with it.
struct Peer {
  const uint8_t* names = nullptr;
  uint32_t size = 0;
  const uint16_t* init = nullptr;  // four, as in struct sctp_initmsg; null: none
  uint16_t stream = 0;             // that it must have
};

// Each returns 0 or a negative errno: -ENOENT, there is no such association.
[[nodiscard]] long with_index(Socket& front, uint32_t index, Member& out);
// Of one whose association lives.
[[nodiscard]] long with_id(Socket& front, uint32_t id, Member& out);
// `begun`: it was, just now.
[[nodiscard]] long with_peer(Socket& front, const Peer& peer, tls_begin how, Member& out,
                             bool& begun);

// Whether this process has one that is not over.
[[nodiscard]] bool any(Socket& front);

// This process needs that one no more: it is over, or was peeled off.
void forget(Socket& front, Socket& member);
// The front itself is unmapped.
void forget_all(Socket& front);

}  // namespace members
}  // namespace trunkline::sctp
