// SPDX-License-Identifier: BSD-3-Clause
// Sending: checks in Linux's order (sctp_sendmsg()), room, one copy into slots, one kick.
#include <arpa/inet.h>
#include <signal.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "ancillary.h"
#include "attachment.h"
#include "calls.h"
#include "mirror.h"
#include "mode.h"
#include "names.h"
#include "raw_calls.h"
#include "sending.h"
#include "socket_lock.h"
#include "user_memory.h"

namespace trunkline::sctp::calls {
namespace {

constexpr size_t kMaxControl = 4096;
constexpr size_t kMaxParts = 1024;  // UIO_MAXIOV

// What can't be sent at all, whatever the association does.
long check_message(const Socket& socket, const Sending& s, const SendControl& control) {
  if (s.length > load_relaxed(socket.page->send_buffer)) return -EMSGSIZE;
  const uint16_t flags = control.info.sinfo_flags;
  const bool one_to_one = socket.page->type == SOCK_STREAM;
  const bool ends = (flags & (SCTP_EOF | SCTP_ABORT)) != 0;
  if (ends && one_to_one) return -EINVAL;
  if ((flags & SCTP_EOF) != 0 && s.length != 0) return -EINVAL;
  if (!ends && s.length == 0) return -EINVAL;
  if ((flags & SCTP_ADDR_OVER) != 0 && s.name == nullptr) return -EINVAL;
  return 0;
}

}  // namespace

long check_parts(const Sending& s) {
  for (size_t i = 0; i < s.count; ++i) {
    if (s.parts[i].iov_base == nullptr && s.parts[i].iov_len != 0) return -EFAULT;
  }
  return 0;
}

namespace {

bool is_member(const Socket& socket) {
  return load_relaxed(socket.page->front) != TLS_NO_FRONT;
}

bool was_peeled_off(const Socket& front, const Socket& member) {
  return &front != &member && load_acquire(member.page->front) != front.page->index;
}

// The error that nobody has read comes before EPIPE, as from sctp_error() of Linux.
long nothing_to_send_on(Socket& socket, int fd) {
  const int error = mirror::take_error(socket, fd);
  return error != 0 ? -error : -EPIPE;
}

// Whether the association takes messages; positive: it is being set up.
long check_state(Socket& socket, int fd) {
  const uint32_t state = socket.state();
  if (state == TLS_ESTABLISHED) [[likely]] {
    if ((socket.shut() & TLS_SHUT_SEND) == 0) return 0;
    return is_member(socket) ? -ESHUTDOWN : -EPIPE;
  }
  if (state == TLS_CONNECTING) return 1;
  if (is_member(socket)) return -EPIPE;
  return state == TLS_LISTENING ? -EPIPE : nothing_to_send_on(socket, fd);
}

// A message that begins its association waits in it. On a one-to-one socket, from when there is
// one.
bool takes_early(const Socket& socket) {
  return is_member(socket) || load_acquire(socket.page->worker) != TLS_NO_WORKER;
}

long check_stream(const Socket& socket, const Outgoing& message) {
  const tls_page& page = *socket.page;
  if (message.stream >= load_relaxed(page.outbound_streams)) return -EINVAL;
  if (load_relaxed(page.options.disable_fragments) != 0 &&
      message.length > load_relaxed(page.fragment_point)) {
    return -EMSGSIZE;
  }
  return 0;
}

// One look, under the lock, by the socket of `fd`, which is this one or its front. 0: it is sent;
// 1: there is no room, and the handle says so.
long try_to_send(const Socket& by, Socket& socket, int fd, const Outgoing& message,
                 bool stray_byte) {
  Locked lock(*socket.page, Locked::kSend);
  if (lock.error() != 0) return lock.error();
  Rings& rings = socket.rings();
  const uint32_t worker = load_relaxed(socket.page->worker);
  if (lock.inherited()) {
    rings.repair_sending();
    attachment::kick(worker, socket.page->index);
  }
  if (was_peeled_off(by, socket)) return -EPIPE;
  if (stray_byte) mirror::note_stray_byte(socket);
  if (!rings.room_for(message)) {
    mirror::put_ballast(socket, fd);
    if (!rings.room_for(message)) return 1;
  }
  rings.submit(message);
  attachment::kick(worker, socket.page->index);
  return 0;
}

// As a waiting sender of Linux finds it; the error stays pending.
bool ended_beneath(const Socket& socket) {
  const uint32_t shut = socket.shut();
  return (shut & TLS_SHUT_SEND) != 0 && (shut & TLS_SHUT_ASKED) == 0;
}

}  // namespace

long send_on(Use& use, Socket& socket, int fd, const Outgoing& message, int flags, bool early) {
  bool stray_byte = false;
  for (;;) {
    long result = check_state(socket, fd);
    if (result == 1 && !early) return -EPIPE;
    if (result == 1 && takes_early(socket)) result = 0;
    if (result == 0) {
      result = check_stream(socket, message);
      if (result == 0 && !socket.rings().fits(message.length)) result = -EMSGSIZE;
      // After a fork it may be out of reach (another root directory, another user): then the worker
      // would hear of nothing.
      if (result == 0 && !attachment::ready()) result = -ECONNRESET;
      if (result == 0) result = try_to_send(*use, socket, fd, message, stray_byte);
      if (result == 0) return message.length;
    }
    if (result != 1) return result;
    const long waited = mirror::wait_out(use, fd, flags);
    fd = descriptors::current(fd, *use);
    if (waited == 1 && ended_beneath(socket)) return -ESRCH;
    if (waited == -EPIPE || waited == -ECONNRESET) {
      mirror::daemon_is_gone(*use);
      if (&socket != &*use) mirror::daemon_is_gone(socket);
    } else if (waited < 0) {
      return waited;
    }
    stray_byte = true;
  }
}

void send_to_refused(Socket& socket, int fd, const Outgoing& message) {
  if (!socket.rings().fits(message.length) || !attachment::ready()) return;
  [[maybe_unused]] const long result = try_to_send(socket, socket, fd, message, false);
}

long end_one(Socket& socket, int fd, const Outgoing& reason, uint16_t flags) {
  if (!attachment::ready()) return -ECONNRESET;
  if ((flags & SCTP_EOF) != 0) return begin_shutdown(socket);
  const uint32_t state = socket.state();
  {
    Locked lock(*socket.page, Locked::kSend);
    if (lock.error() != 0) return lock.error();
    if (lock.inherited()) socket.rings().repair_sending();
    if (reason.length != 0 && socket.rings().room_for(reason)) {
      socket.rings().submit(reason, TLR_OP_ABORT);
    } else if (!socket.rings().submit(TLR_OP_ABORT)) {
      return -EAGAIN;
    }
    attachment::kick(load_relaxed(socket.page->worker), socket.page->index);
  }
  // It is over when the call returns, as on Linux, unless nobody has read for long.
  constexpr int kPatience = 200;
  if (is_member(socket)) {
    const long waited = mirror::wait_for_another_state(socket, fd, state, kPatience);
    return waited == -EINTR || waited == -EAGAIN ? 0 : waited;
  }
  return 0;
}

namespace {

// Of an association with several addresses it may be another one.
long find_peer(Use& use, int fd, const sockaddr_storage& name, socklen_t length) {
  sctp_paddrinfo info{};
  std::memcpy(&info.spinfo_address, &name, std::min<size_t>(length, sizeof(name)));
  socklen_t size = sizeof(info);
  const long error = getsockopt(use, fd, IPPROTO_SCTP, SCTP_GET_PEER_ADDR_INFO, &info, &size);
  return error == 0 ? 0 : -EADDRNOTAVAIL;
}

// The program's address in our memory: of a family and length that there are.
long fetch_name(const Sending& s, sockaddr_storage& out) {
  out = sockaddr_storage{};
  if (s.name_length > sizeof(out)) return -EINVAL;
  const long error = fetch(&out, s.name, s.name_length);
  if (error != 0) return error;
  const socklen_t whole = out.ss_family == AF_INET    ? sizeof(sockaddr_in)
                          : out.ss_family == AF_INET6 ? sizeof(sockaddr_in6)
                                                      : sizeof(out) + 1;
  return s.name_length < whole ? -EINVAL : 0;
}

}  // namespace

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

namespace {

// The address of a message on a one-to-one socket: of its peer, or the association is begun with
// it.
long check_name(Use& use, int fd, const Sending& s, const sockaddr_storage& name,
                const SendControl& control, bool& begun) {
  if (s.name == nullptr) return 0;
  long error = s.name_error;
  if (error != 0) return error;
  const uint32_t state = use->state();
  if (state == TLS_FRESH) {
    error = check_parts(s);
    if (error != 0) return error;
    if (control.short_address) return -EINVAL;
    uint8_t names[kMostNames * sizeof(sockaddr_in6)];
    const uint32_t size = pack_names(name, control, names);
    error = begin_connect_to(use, fd, names, size, control.has_init ? &control.init : nullptr);
    begun = error == 0;
    return error == -EALREADY ? 0 : error;
  }
  const bool connecting = state == TLS_CONNECTING;
  if (!connecting && state != TLS_ESTABLISHED) return -EADDRNOTAVAIL;
  if ((use->shut() & TLS_SHUT_SEND) != 0) return -EADDRNOTAVAIL;
  const tls_name peer = read_name(*use->page, use->page->peer);
  sockaddr_in mine{};
  sockaddr_in theirs{};
  std::memcpy(&mine, peer.bytes, sizeof(mine));
  std::memcpy(&theirs, &name, sizeof(theirs));
  const bool is_primary = std::memcmp(peer.bytes, &name, std::min<size_t>(peer.length, 8)) == 0;
  if (connecting) return is_primary ? 0 : -EALREADY;  // as connect() to another one
  if (mine.sin_port != theirs.sin_port) return -EADDRNOTAVAIL;
  return is_primary ? 0 : find_peer(use, fd, name, s.name_length);
}

long control_of(const Sending& s, SendControl& out) {
  if (s.control_length == 0 || s.control == nullptr) return 0;
  if (s.control_length > kMaxControl) return -ENOBUFS;
  alignas(cmsghdr) uint8_t data[kMaxControl];
  const long error = fetch(data, s.control, s.control_length);
  return error != 0 ? error : parse_control(data, s.control_length, out);
}

// A time to live without a policy is one as well; of 0 it is none.
void set_limit(uint32_t flags, uint32_t value, Outgoing& out) {
  out.limit = value;
  switch (flags & SCTP_PR_SCTP_MASK) {
    case SCTP_PR_SCTP_RTX:
      out.policy = TLR_POLICY_RETRANSMISSIONS;
      break;
    case SCTP_PR_SCTP_PRIO:
      out.policy = TLR_POLICY_PRIORITY;
      break;
    default:
      out.policy = value != 0 ? TLR_POLICY_LIFETIME : 0;
  }
}

}  // namespace

// What was not said is the default. As on Linux SCTP_PRINFO is in the place of all default flags,
// and SCTP_SNDINFO leaves the default value.
Outgoing outgoing(const Socket& socket, const Sending& s, const SendControl& control) {
  const tls_options& defaults = socket.page->options;
  const bool given = control.has_sndrcv || control.has_sndinfo;
  Outgoing out;
  out.parts = s.parts;
  out.count = s.count;
  out.length = static_cast<uint32_t>(s.length);
  const uint32_t flags = given || control.has_prinfo
                             ? control.info.sinfo_flags
                             : __atomic_load_n(&defaults.send_flags, __ATOMIC_RELAXED);
  out.stream =
      given ? control.info.sinfo_stream : __atomic_load_n(&defaults.send_stream, __ATOMIC_RELAXED);
  out.ppid = ntohl(given ? control.info.sinfo_ppid : load_relaxed(defaults.send_ppid));
  out.context = given ? control.info.sinfo_context : load_relaxed(defaults.send_context);
  out.flags =
      static_cast<uint8_t>(((flags & SCTP_UNORDERED) != 0 ? TLR_SEND_UNORDERED : 0) |
                           ((flags & SCTP_SACK_IMMEDIATELY) != 0 ? TLR_SEND_SACK_IMMEDIATELY : 0));
  if (control.has_prinfo) {
    set_limit(control.prinfo.pr_policy, control.prinfo.pr_value, out);
  } else {
    set_limit(
        flags,
        control.has_sndrcv ? control.info.sinfo_timetolive : load_relaxed(defaults.send_lifetime),
        out);
  }
  return out;
}

namespace {

// As on Linux the message is the association's then, and how that ends is the next call's to tell.
long send_first(Use& use, int fd, const Outgoing& message, int flags) {
  long sent = message.length;
  const uint32_t state = use->state();
  if (state == TLS_CONNECTING || state == TLS_ESTABLISHED) {
    sent = check_stream(*use, message);
    if (sent == 0 && !use->rings().fits(message.length)) sent = -EMSGSIZE;
    // Should it be refused meanwhile, the next association finds a message that is not its own.
    if (sent == 0) sent = try_to_send(*use, *use, fd, message, false);
    if (sent == 0)
      sent = message.length;
    else if (sent == 1)
      sent = send_on(use, *use, fd, message, flags, true);
  }
  if (sent >= 0 && (flags & MSG_DONTWAIT) == 0) {
    [[maybe_unused]] const long told_later = wait_until_connected(use, fd);
  }
  return sent;
}

long send_checked(Use& use, int fd, Sending& s) {
  const bool one_to_one = use->page->type == SOCK_STREAM;
  // As the system does, which copies a name and control data before it asks the protocol.
  sockaddr_storage name;
  if (s.name != nullptr) s.name_error = fetch_name(s, name);
  if (s.name_error == -EFAULT) return -EFAULT;
  SendControl control;
  long error = control_of(s, control);
  if (one_to_one && use->state() == TLS_LISTENING) {
    if (s.name != nullptr && s.name_length > sizeof(name)) return -EINVAL;
    return error == -EFAULT ? -EFAULT : -EPIPE;
  }
  if (error == 0) error = check_message(*use, s, control);
  if (error == 0 && use->is_front()) return send_many(use, fd, s, name, control);
  if (!one_to_one) s.name = nullptr;  // peeled off: there is but one
  bool begun = false;
  if (error == 0) error = check_name(use, fd, s, name, control, begun);
  if (error == 0) error = check_parts(s);
  if (error != 0) return error;
  const Outgoing message = outgoing(*use, s, control);
  const uint16_t flags = control.info.sinfo_flags;
  const bool ends = (flags & (SCTP_EOF | SCTP_ABORT)) != 0;
  if (ends && use->state() == TLS_ENDED) return nothing_to_send_on(*use, fd);
  if (ends) return end_one(*use, fd, message, flags);
  if (begun) return send_first(use, fd, message, s.flags);
  return send_on(use, *use, fd, message, s.flags, s.name != nullptr || !one_to_one);
}

// A program of TCP's expects that any length goes, in part if need be.
size_t part_of_stream(const Socket& socket, size_t length) {
  const tls_page& page = *socket.page;
  const size_t slots = size_t{page.geometry.tx_slots} * page.geometry.slot_size / 4;
  return std::min({length, slots, size_t{load_relaxed(page.send_buffer)} / 4});
}

long send_all(Use& use, int fd, Sending& s) {
  if (mode.tcp) s.length = part_of_stream(*use, s.length);
  const long sent = send_checked(use, fd, s);
  if (sent == -EPIPE && (s.flags & MSG_NOSIGNAL) == 0) {
    ::syscall(SYS_tgkill, raw::pid(), ::syscall(SYS_gettid), SIGPIPE);
  }
  return sent;
}

long send_parts(Use& use, int fd, Sending& s, const iovec* parts, size_t count) {
  if (count > kMaxParts) return -EMSGSIZE;
  auto* const ours = static_cast<iovec*>(__builtin_alloca((count + 1) * sizeof(iovec)));
  const long error = fetch(ours, parts, count * sizeof(iovec));
  if (error != 0) return error;
  for (size_t i = 0; i < count; ++i) {
    if (ours[i].iov_len > SSIZE_MAX || s.length + ours[i].iov_len > INT_MAX) return -EINVAL;
    s.length += ours[i].iov_len;
  }
  if (s.is_write && s.length == 0) return 0;  // writev() of nothing does nothing
  if (const long unknown = take_rwf(s.rwf, s.flags)) return unknown;
  s.parts = ours;
  s.count = count;
  return send_all(use, fd, s);
}

}  // namespace

long send(Use& use, int fd, const void* data, size_t size, int flags) {
  return sendto(use, fd, data, size, flags, nullptr, 0);
}

long sendto(Use& use, int fd, const void* data, size_t size, int flags, const sockaddr* name,
            socklen_t length) {
  if (name != nullptr && length > sizeof(sockaddr_storage)) return -EINVAL;
  const iovec part{const_cast<void*>(data), size};
  Sending s;
  s.parts = &part;
  s.count = 1;
  s.length = size;
  s.name = name;
  s.name_length = length;
  s.flags = flags;
  return send_all(use, fd, s);
}

long sendmsg(Use& use, int fd, const msghdr* message, int flags) {
  msghdr header;
  const long error = fetch(&header, message, sizeof(header));
  if (error != 0) return error;
  Sending s;
  s.flags = flags;
  // Linux takes a name without length, or the other way round, as none.
  if (header.msg_name != nullptr && header.msg_namelen != 0) {
    s.name = static_cast<const sockaddr*>(header.msg_name);
    s.name_length = header.msg_namelen;
  }
  if (static_cast<int>(header.msg_namelen) < 0) return -EINVAL;
  s.control = header.msg_control;
  s.control_length = header.msg_controllen;
  if (s.control == nullptr && s.control_length != 0) return -EFAULT;
  return send_parts(use, fd, s, header.msg_iov, header.msg_iovlen);
}

long sendmmsg(Use& use, int fd, mmsghdr* messages, unsigned count, int flags) {
  unsigned sent = 0;
  count = std::min<unsigned>(count, kMaxParts);
  for (; sent < count; ++sent) {
    const long n = sendmsg(use, fd, &messages[sent].msg_hdr, flags);
    if (n < 0) return sent != 0 ? static_cast<long>(sent) : n;
    const auto length = static_cast<unsigned>(n);
    const long error = store(&messages[sent].msg_len, &length, sizeof(length));
    if (error != 0) return sent != 0 ? static_cast<long>(sent) : error;
  }
  return sent;
}

long writev(Use& use, int fd, const iovec* parts, int count, int rwf) {
  if (count < 0 || count > static_cast<int>(kMaxParts)) return -EINVAL;
  Sending s;
  s.is_write = true;
  s.rwf = rwf;
  return send_parts(use, fd, s, parts, static_cast<size_t>(count));
}

}  // namespace trunkline::sctp::calls
