// SPDX-License-Identifier: BSD-3-Clause
// What the calls that send have in common: calls_send.cpp, and for one-to-many sockets
// calls_send_many.cpp.
#pragma once

#include <sys/socket.h>

#include "ancillary.h"
#include "calls.h"
#include "rings.h"

namespace trunkline::sctp::calls {

struct Sending {
  const iovec* parts = nullptr;
  size_t count = 0;
  size_t length = 0;
  const sockaddr* name = nullptr;  // the program's
  socklen_t name_length = 0;
  long name_error =
      0;  // of what lies there: not to be read, or of no family and length that there are
  const void* control = nullptr;  // the program's
  size_t control_length = 0;
  int flags = 0;
  bool is_write = false;
  int rwf = 0;  // of pwritev2()
};

// A payload that begins at null; wild ones are not seen here.
[[nodiscard]] long check_parts(const Sending& s);
// The message as `socket` sends it, with its defaults for what was not said.
[[nodiscard]] Outgoing outgoing(const Socket& socket, const Sending& s, const SendControl& control);
// That address and those of SCTP_DSTADDRV4 and V6, which have its port, packed; `to` has room for
// kMostNames of them. Their bytes.
constexpr uint32_t kMostNames = 1 + SendControl::kMostAddresses;
[[nodiscard]] uint32_t pack_names(const sockaddr_storage& name, const SendControl& control,
                                  uint8_t* to);
// Sends by `socket`, which is that of `use` or a member of it, and waits for room as `fd`, the
// handle, says. `early`: also while the association is being set up.
[[nodiscard]] long send_on(Use& use, Socket& socket, int fd, const Outgoing& message, int flags,
                           bool early);
// To a member that was refused before it could be given what it was begun for: as soon as the
// worker sees it, it comes back as a failed send, if the program wants to know.
void send_to_refused(Socket& socket, int fd, const Outgoing& message);
// SCTP_EOF or SCTP_ABORT: the end of that association.
[[nodiscard]] long end_one(Socket& socket, int fd, const Outgoing& reason, uint16_t flags);
// On a one-to-many socket; everything was checked that can be without looking at an association.
[[nodiscard]] long send_many(Use& use, int fd, const Sending& s, const sockaddr_storage& name,
                             const SendControl& control);

}  // namespace trunkline::sctp::calls
