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
constexpr uint32_t kMostNames = 1 + SendControl::kMostAddresses;

// The address of the call and those of SCTP_DSTADDRV4 and V6, which have its port, packed.
uint32_t pack_names(const sockaddr_storage& name, const SendControl& control, uint8_t* to) {
  uint32_t size = name.ss_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::memcpy(to, &name, size);
  in_port_t port = 0;
  std::memcpy(&port, to + offsetof(sockaddr_in, sin_port), sizeof(port));
  const auto append = [&](const auto& at) {
    std::memcpy(to + size, &at, sizeof(at));
    size += sizeof(at);
  };
  for (uint32_t i = 0; i < control.address_count; ++i) {
    const SendControl::Address& more = control.addresses[i];
    if (more.family == AF_INET) {
      sockaddr_in at{};
      at.sin_family = AF_INET;
      at.sin_port = port;
      std::memcpy(&at.sin_addr, more.bytes, sizeof(at.sin_addr));
      append(at);
    } else {
      sockaddr_in6 at{};
      at.sin6_family = AF_INET6;
      at.sin6_port = port;
      std::memcpy(&at.sin6_addr, more.bytes, sizeof(at.sin6_addr));
      append(at);
    }
  }
  return size;
}

// Whether an association is begun for this message: what it could not send, it is not begun for.
long check_beginning(Use& front, int fd, const Sending& s, const SendControl& control) {
  if ((control.info.sinfo_flags & kEnds) != 0 || control.short_address) return -EINVAL;
  uint16_t streams = control.has_init ? control.init.sinit_num_ostreams : uint16_t{0};
  if (streams == 0) {
    sctp_initmsg init{};
    socklen_t size = sizeof(init);
    const long error = getsockopt(front, fd, IPPROTO_SCTP, SCTP_INITMSG, &init, &size);
    if (error != 0) return error;
    streams = init.sinit_num_ostreams;
  }
  return outgoing(*front, s, control).stream < streams ? 0 : -EINVAL;
}

// The one with the peer that the program named, which is begun if there is none.
long find_by_name(Use& front, int fd, const Sending& s, const SendControl& control, Member& out,
                  bool& begun) {
  sockaddr_storage name;
  long error = fetch_name(s, name);
  if (error != 0) return error;
  uint8_t names[kMostNames * sizeof(sockaddr_in6)];
  members::Peer peer;
  peer.names = names;
  peer.size = pack_names(name, control, names);
  uint16_t init[4];
  if (control.has_init) {
    std::memcpy(init, &control.init, sizeof(init));
    peer.init = init;
  }
  begun = false;
  const long found = members::with_peer(*front, peer, TLS_ONLY_LOOK, out);
  if (found != -ENOENT) return found;
  error = check_beginning(front, fd, s, control);
  if (error != 0) return error;
  begun = true;
  return members::with_peer(*front, peer, TLS_BEGIN, out);
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

long send_many(Use& use, int fd, const Sending& s, const SendControl& control) {
  const long error = check_parts(s);
  if (error != 0) return error;
  if ((control.info.sinfo_flags & SCTP_SENDALL) != 0) return send_to_all(use, fd, s, control);
  // An association that ends between the look and the send is no peer's any more: look again.
  for (int round = 0;; ++round) {
    Member member;
    bool begun = false;
    const long found = s.name != nullptr ? find_by_name(use, fd, s, control, member, begun)
                                         : find_by_id(*use, control, member);
    if (found != 0) return found;
    const long sent = send_to(use, member, fd, s, control);
    if (sent == -EPIPE && begun) {
      send_to_refused(*member, fd, outgoing(*member, s, control));
      return static_cast<long>(s.length);
    }
    if (sent != -EPIPE || s.name == nullptr || round == 2) return sent;
  }
}

}  // namespace trunkline::sctp::calls
