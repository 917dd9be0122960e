// SPDX-License-Identifier: BSD-3-Clause
// What the calls that receive have in common: calls_receive.cpp, and for one-to-many sockets
// calls_receive_many.cpp.
#pragma once

#include <sys/socket.h>

#include "linux_sctp.h"
#include "members.h"
#include "notification.h"
#include "rings.h"

namespace trunkline::sctp::calls {

// What a call wants, and what it got.
struct Receiving {
  const iovec* parts = nullptr;
  size_t count = 0;
  int flags = 0;
  bool wants_control = false;

  int out_flags = 0;
  bool found = false;  // a message, or one of no bytes, or none of it was asked for
  Front front;         // what it came from
  bool has_next = false;
  sctp_nxtinfo next{};  // if there is one
  Member source;        // of a one-to-many socket: whose it is
};

enum class Look : uint8_t { kDone, kEmpty, kEnd };

// Reads from the front, under the receive lock. `fd`: the socket's own handle; -1: a member, which
// may be given one meanwhile. `more`: there was nothing that a program sees.
long read_front(Socket& socket, int fd, Receiving& r, bool& more);
// What a program that wants SCTP_NXTINFO hears of the content from there on: it is the next.
void note_next(Receiving& r, const tls_page& page, const Front& front, const Content& content,
               uint32_t from);
// One look at all that the members of a front have.
Look look_at_members(Socket& front, int fd, Receiving& r, bool again, long& result);
// A member was peeled off: if all that there was to read has gone with it, the handle says so.
void take_from_front(Socket& front, int fd);
// The bytes of the next message or notification of a front that are unread.
long next_length_of_members(Socket& front);

}  // namespace trunkline::sctp::calls
