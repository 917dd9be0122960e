// SPDX-License-Identifier: BSD-3-Clause
// Sending on a one-to-many socket: which association a message is for, in Linux's order
// (sctp_sendmsg()). Then it goes as on a one-to-one socket.
#include <algorithm>
#include <cstring>

#include "attachment.h"
#include "members.h"
#include "mirror.h"
#include "raw_calls.h"
#include "sending.h"
#include "user_memory.h"

namespace trunkline::sctp::calls {
namespace {

constexpr uint16_t kEnds = SCTP_EOF | SCTP_ABORT;

// The one with the peer that the program named, which is begun if there is none: but not for a
// message that ends it, nor for one that it could not send.
long find_by_name(Use& front, const Sending& s, const sockaddr_storage& name,
                  const SendControl& control, Member& out, bool& begun) {
  if (s.name_error != 0) return s.name_error;
  uint8_t names[kMostNames * sizeof(sockaddr_in6)];
  members::Peer peer;
  peer.names = names;
  peer.size = pack_names(name, control, names);
  peer.stream = outgoing(*front, s, control).stream;
  uint16_t init[4];
  if (control.has_init) {
    std::memcpy(init, &control.init, sizeof(init));
    peer.init = init;
  }
  const bool begins = (control.info.sinfo_flags & kEnds) == 0 && !control.short_address;
  const long found =
      members::with_peer(*front, peer, begins ? TLS_BEGIN : TLS_ONLY_LOOK, out, begun);
  return !begins && found == -ENOENT ? -EINVAL : found;
}

long find_by_id(Socket& front, const SendControl& control, Member& out) {
  const auto id = static_cast<uint32_t>(control.info.sinfo_assoc_id);
  if (id <= SCTP_ALL_ASSOC || static_cast<int32_t>(id) < 0) return -EPIPE;
  const long found = members::with_id(front, id, out);
  return found == -ENOENT ? -EPIPE : found;
}

long send_to(Use& use, Member& member, int fd, const Sending& s, const SendControl& control) {
  const Outgoing message = outgoing(*member, s, control);
  const uint16_t flags = control.info.sinfo_flags;
  if ((flags & kEnds) != 0) return end_one(*member, fd, message, flags);
  return send_on(use, *member, fd, message, s.flags, true);
}

// SCTP_SENDALL: to each that there is; an error ends it.
long send_to_all(Use& use, int fd, const Sending& s, const SendControl& control) {
  constexpr uint32_t kMost = (TLS_MAX_BODY - sizeof(uint32_t)) / sizeof(uint32_t);
  uint32_t list[1 + kMost];
  socklen_t size = sizeof(list);
  long result = getsockopt(use, fd, IPPROTO_SCTP, SCTP_GET_ASSOC_ID_LIST, list, &size);
  if (result < 0) return result;
  for (uint32_t i = 1; i <= std::min(list[0], kMost); ++i) {
    Member member;
    if (members::with_id(*use, list[i], member) != 0) continue;
    if (member->state() != TLS_ESTABLISHED) continue;
    result = send_to(use, member, fd, s, control);
    if (result < 0) return result;
  }
  return result;
}

}  // namespace

long send_many(Use& use, int fd, const Sending& s, const sockaddr_storage& name,
               const SendControl& control) {
  const long error = check_parts(s);
  if (error != 0) return error;
  if ((control.info.sinfo_flags & SCTP_SENDALL) != 0) return send_to_all(use, fd, s, control);
  // An association that ends between the look and the send is no peer's any more: look again.
  for (int round = 0;; ++round) {
    Member member;
    bool begun = false;
    const long found = s.name != nullptr ? find_by_name(use, s, name, control, member, begun)
                                         : find_by_id(*use, control, member);
    if (found != 0) return found;
    const long sent = send_to(use, member, fd, s, control);
    if (sent == -EPIPE && begun) {
      send_to_refused(*member, fd, outgoing(*member, s, control));
      return static_cast<long>(s.length);
    }
    // As on Linux, and how it ended is told by the next call.
    if (sent >= 0 && begun && !mirror::does_not_block(fd, s.flags)) {
      [[maybe_unused]] const long told_later = wait_until_begun(*member, fd);
    }
    if (sent != -EPIPE || s.name == nullptr || round == 2) return sent;
  }
}

}  // namespace trunkline::sctp::calls
