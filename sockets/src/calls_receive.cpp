// SPDX-License-Identifier: BSD-3-Clause
// Receiving: the front of the ring, or part of it; then pending errors, then end of file, then
// waiting on the handle (sctp_recvmsg() of Linux).
#include <arpa/inet.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <optional>

#include "ancillary.h"
#include "attachment.h"
#include "calls.h"
#include "mirror.h"
#include "mode.h"
#include "names.h"
#include "notification.h"
#include "raw_calls.h"
#include "receiving.h"
#include "socket_lock.h"
#include "user_memory.h"

namespace trunkline::sctp::calls {
// As Linux tells it of the next one: notifications, too.
void note_next(Receiving& r, const tls_page& page, const Front& front, const Content& content,
               uint32_t from) {
  r.has_next = true;
  r.next.nxt_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  r.next.nxt_length = content.length() - from;
  if (content.notification) {
    r.next.nxt_flags = SCTP_NOTIFICATION;
    return;
  }
  r.next.nxt_sid = front.head.stream;
  r.next.nxt_flags =
      static_cast<uint16_t>((front.head.flags & TLR_MESSAGE_UNORDERED) != 0 ? SCTP_UNORDERED : 0);
  r.next.nxt_ppid = htonl(front.head.ppid);
}

namespace {

constexpr size_t kMaxParts = 1024;
constexpr size_t kControl = 256;  // more than all that we write

// Copies what is left of the content, as much as fits. -EFAULT: a part begins at null.
long copy_out(const Rings& rings, const Content& content, uint32_t from, const Receiving& r) {
  uint32_t left = content.length() - from;
  long copied = 0;
  for (size_t i = 0; i < r.count && left != 0; ++i) {
    const auto n = static_cast<uint32_t>(std::min<size_t>(r.parts[i].iov_len, left));
    if (n == 0) continue;
    if (r.parts[i].iov_base == nullptr) return -EFAULT;
    content.copy(rings, from, static_cast<uint8_t*>(r.parts[i].iov_base), n);
    from += n;
    left -= n;
    copied += n;
  }
  return copied;
}

// Takes the front away, with what belongs to it; under the send lock, too, if that is a message
// that came back.
void take_away(Socket& socket, int fd, const Front& front, const Content& content) {
  Rings& rings = socket.rings();
  if (content.tx_slot != TLR_NO_SLOT) rings.free_message(content.tx_slot);
  rings.pop(front, content.rx_slot);
  const bool empty = !rings.has_completion();
  if (rings.returns_are_news(empty)) {
    attachment::kick(load_relaxed(socket.page->worker), socket.page->index);
  }
  if (empty && fd >= 0) mirror::take_tokens(socket, fd);
}

void find_next(const Socket& socket, const Rings& rings, Receiving& r) {
  Front next;
  Content content;
  if (rings.behind(r.front, next) && describe(*socket.page, next, content)) {
    note_next(r, *socket.page, next, content, 0);
  }
}

}  // namespace

long read_front(Socket& socket, int fd, Receiving& r, bool& more) {
  Rings& rings = socket.rings();
  Content content;
  more = false;
  if (!describe(*socket.page, r.front, content)) {
    take_away(socket, fd, r.front, content);
    more = true;
    return 0;
  }
  // Before anything is copied: who can't have the lock reads the message later.
  std::optional<Locked> sending;
  if (content.tx_slot != TLR_NO_SLOT && (r.flags & MSG_PEEK) == 0) {
    sending.emplace(*socket.page, Locked::kSend);
    if (sending->error() != 0) return sending->error();
    if (sending->inherited()) rings.repair_sending();
  }
  const uint32_t from = std::min(rings.read_of_front(), content.length());
  const long copied = copy_out(rings, content, from, r);
  if (copied < 0) {  // and the message is lost, as Linux loses it
    if ((r.flags & MSG_PEEK) == 0) take_away(socket, fd, r.front, content);
    return copied;
  }
  r.found = true;
  if (content.notification) r.out_flags |= MSG_NOTIFICATION;
  if (r.wants_control && (load_relaxed(socket.page->options.receive) & TLS_WANT_NXTINFO) != 0) {
    // What was only looked at is the next one.
    if ((r.flags & MSG_PEEK) != 0) {
      note_next(r, *socket.page, r.front, content, from);
    } else {
      find_next(socket, rings, r);
    }
  }
  const uint32_t end = from + static_cast<uint32_t>(copied);
  if (end == content.length()) {
    const bool piece = !content.notification && (r.front.head.flags & TLR_MESSAGE_MORE) != 0;
    if (!piece) r.out_flags |= MSG_EOR;
    if ((r.flags & MSG_PEEK) == 0) take_away(socket, fd, r.front, content);
  } else if ((r.flags & MSG_PEEK) == 0) {
    rings.set_read_of_front(end);
  }
  return copied;
}

namespace {

// One look at the ring, under the lock.
Look look(Socket& socket, int fd, Receiving& r, bool again, long& result) {
  Locked lock(*socket.page, Locked::kReceive);
  result = lock.error();
  if (result != 0) return Look::kDone;
  Rings& rings = socket.rings();
  if (lock.inherited()) {
    rings.repair_receiving();
    attachment::kick(load_relaxed(socket.page->worker), socket.page->index);
  }
  for (;;) {
    // Before the ring, so that what came before the end is read before it.
    const bool ended = (socket.shut() & TLS_SHUT_RECEIVE) != 0;
    if (rings.front(r.front)) {
      bool more = false;
      result = read_front(socket, fd, r, more);
      if (more) continue;
      return Look::kDone;
    }
    if (lock.inherited() || again) mirror::heal_tokens(socket, fd);
    mirror::take_tokens(socket, fd);
    if (rings.has_completion()) continue;
    return ended ? Look::kEnd : Look::kEmpty;
  }
}

// What Linux says of a socket on which nothing can come.
long check_state(uint32_t state, int fd, int flags) {
  switch (state) {
    case TLS_LISTENING:
      return -ENOTCONN;
    case TLS_FRESH:
    case TLS_ENDED:
      return mirror::does_not_block(fd, flags) ? 0 : -ENOTCONN;
    default:
      return 0;
  }
}

// Nobody waits on a one-to-many socket that has no association and gets none by itself.
long check_front(Use& use, int fd, int flags, uint32_t state) {
  if (state == TLS_LISTENING || mirror::does_not_block(fd, flags)) return 0;
  if (members::any(*use)) return 0;
  uint32_t number = 0;
  socklen_t size = sizeof(number);
  const long error = getsockopt(use, fd, IPPROTO_SCTP, SCTP_GET_ASSOC_NUMBER, &number, &size);
  return error == 0 && number == 0 ? -ENOTCONN : 0;
}

long receive(Use& use, int fd, Receiving& r) {
  if ((r.flags & MSG_ERRQUEUE) != 0) return -EAGAIN;  // nothing ever lies there
  Socket& socket = *use;
  attachment::ready();
  bool end_of_file = false;
  bool nobody = false;  // was the answer, before this look
  for (int round = 0;; ++round) {
    long result = 0;
    const uint32_t state = socket.state();
    const Look seen = socket.is_front() ? look_at_members(socket, fd, r, round > 1, result)
                                        : look(socket, fd, r, round > 1, result);
    if (seen == Look::kDone) return result;
    const int error = mirror::take_error(socket, fd);
    if (error != 0) return -error;
    if (seen == Look::kEnd) return 0;
    if (end_of_file) {  // and not by the daemon's will
      mirror::daemon_is_gone(socket);
      continue;
    }
    if (nobody) return -ENOTCONN;
    result = socket.is_front() && state != TLS_ENDED ? check_front(use, fd, r.flags, state)
                                                     : check_state(state, fd, r.flags);
    // Whoever was the last may have left something after the look, and before the daemon said so.
    nobody = socket.is_front() && result == -ENOTCONN;
    if (nobody) continue;
    if (result != 0) return result;
    const long waited = mirror::wait_in(use, fd, r.flags, state);
    fd = descriptors::current(fd, socket);
    if (waited == -ECONNRESET) {
      mirror::daemon_is_gone(socket);
    } else if (waited < 0) {
      return waited;
    }
    end_of_file = waited == 0;
  }
}

// What Linux gives of an unordered message alone.
uint32_t cum_tsn_of(const tlr_completion& head) {
  if ((head.flags & TLR_MESSAGE_UNORDERED) == 0) return 0;
  return head.tsn + static_cast<uint32_t>(int32_t{head.cum_ahead});
}

uint16_t ssn_of(const tlr_completion& head) {
  return (head.flags & TLR_MESSAGE_UNORDERED) == 0 ? head.ssn : uint16_t{0};
}

// The socket that a message came by, or its association's member.
const tls_page& source_of(const Socket& socket, const Receiving& r) {
  return r.source ? *r.source->page : *socket.page;
}

void put_info(const tls_page& page, const Receiving& r, ControlWriter& out) {
  const uint32_t wanted = load_relaxed(page.options.receive);
  const tlr_completion& head = r.front.head;
  if (wanted == 0 || tlr_is_message(head.kind) == 0) return;
  const auto id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  const auto flags =
      static_cast<uint16_t>((head.flags & TLR_MESSAGE_UNORDERED) != 0 ? SCTP_UNORDERED : 0);
  if (r.has_next) out.put(SCTP_NXTINFO, &r.next, sizeof(r.next));
  if ((wanted & TLS_WANT_RCVINFO) != 0) {
    sctp_rcvinfo info{};
    info.rcv_sid = head.stream;
    info.rcv_ssn = ssn_of(head);
    info.rcv_flags = flags;
    info.rcv_ppid = htonl(head.ppid);
    info.rcv_tsn = head.tsn;
    info.rcv_cumtsn = cum_tsn_of(head);
    info.rcv_context = load_relaxed(page.options.context);
    info.rcv_assoc_id = id;
    out.put(SCTP_RCVINFO, &info, sizeof(info));
  }
  if ((wanted & TLS_WANT_SNDRCV) != 0) {
    sctp_sndrcvinfo info{};
    info.sinfo_stream = head.stream;
    info.sinfo_ssn = ssn_of(head);
    info.sinfo_flags = flags;
    info.sinfo_ppid = htonl(head.ppid);
    info.sinfo_tsn = head.tsn;
    info.sinfo_cumtsn = cum_tsn_of(head);
    info.sinfo_context = load_relaxed(page.options.context);
    info.sinfo_assoc_id = id;
    out.put(SCTP_SNDRCV, &info, sizeof(info));
  }
}

// Name, control data and flags, as recvmsg() leaves them in the program's header.
long fill_header(const Socket& socket, Receiving& r, msghdr* message, const msghdr& header) {
  msghdr out = header;
  long error = 0;
  if (r.found && header.msg_name != nullptr) {
    const tls_name peer = name_of_sender(source_of(socket, r), r.front);
    error = store(header.msg_name, peer.bytes, std::min<size_t>(header.msg_namelen, peer.length));
    out.msg_namelen = peer.length;
  } else if (header.msg_name != nullptr) {
    out.msg_namelen = 0;
  }
  uint8_t data[kControl];
  const size_t room = header.msg_control == nullptr ? 0 : header.msg_controllen;
  ControlWriter control(data, std::min(room, kControl));
  if (r.found) put_info(source_of(socket, r), r, control);
  if (control.truncated()) r.out_flags |= MSG_CTRUNC;
  if (error == 0) error = store(header.msg_control, data, control.written());
  out.msg_controllen = control.written();
  out.msg_flags = r.out_flags;
  return error != 0 ? error : store(message, &out, sizeof(out));
}

long import_parts(const iovec* parts, size_t count, iovec* ours) {
  const long error = fetch(ours, parts, count * sizeof(iovec));
  if (error != 0) return error;
  for (size_t i = 0; i < count; ++i) {
    if (ours[i].iov_len > SSIZE_MAX) return -EINVAL;
  }
  return 0;
}

}  // namespace

static long receive_into(Use& use, int fd, void* data, size_t size, Receiving& r) {
  const iovec part{data, size};
  r.parts = &part;
  r.count = 1;
  const long n = receive(use, fd, r);
  r.parts = nullptr;
  return n;
}

// MSG_WAITALL means something to programs of TCP's alone.
static long receive_all(Use& use, int fd, uint8_t* data, size_t size, Receiving& r) {
  r.flags &= ~MSG_WAITALL;
  size_t got = 0;
  while (got < size) {
    const long n = receive_into(use, fd, data + got, size - got, r);
    if (n <= 0) return got != 0 ? static_cast<long>(got) : n;
    got += static_cast<size_t>(n);
  }
  return static_cast<long>(got);
}

static long receive_some(Use& use, int fd, void* data, size_t size, int flags, Receiving& r) {
  r.flags = flags;
  if (mode.tcp && (flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL) {
    return receive_all(use, fd, static_cast<uint8_t*>(data), size, r);
  }
  return receive_into(use, fd, data, size, r);
}

long recv(Use& use, int fd, void* data, size_t size, int flags) {
  Receiving r;
  return receive_some(use, fd, data, size, flags, r);
}

long recvfrom(Use& use, int fd, void* data, size_t size, int flags, sockaddr* name,
              socklen_t* length) {
  Receiving r;
  const long n = receive_some(use, fd, data, size, flags, r);
  if (n < 0 || name == nullptr) return n;
  const tls_name peer = r.found ? name_of_sender(source_of(*use, r), r.front) : tls_name{};
  const long error = store_name(peer, name, length);
  return error != 0 ? error : n;
}

long recvmsg(Use& use, int fd, msghdr* message, int flags) {
  msghdr header;
  long error = fetch(&header, message, sizeof(header));
  if (error != 0) return error;
  if (header.msg_iovlen > kMaxParts) return -EMSGSIZE;
  auto* const parts =
      static_cast<iovec*>(__builtin_alloca((header.msg_iovlen + 1) * sizeof(iovec)));
  error = import_parts(header.msg_iov, header.msg_iovlen, parts);
  if (error != 0) return error;
  if (header.msg_name != nullptr && static_cast<int>(header.msg_namelen) < 0) return -EINVAL;
  Receiving r;
  r.parts = parts;
  r.count = header.msg_iovlen;
  r.flags = flags;
  r.wants_control = true;
  if ((flags & MSG_CMSG_CLOEXEC) != 0) r.out_flags |= MSG_CMSG_CLOEXEC;
  const long n = receive(use, fd, r);
  if (n < 0) return n;
  error = fill_header(*use, r, message, header);
  return error != 0 ? error : n;
}

long recvmmsg(Use& use, int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
  timespec until{};
  timespec now{};
  if (limit != nullptr) {
    const long error = fetch(&until, limit, sizeof(until));
    if (error != 0) return error;
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    until.tv_sec += now.tv_sec;
    until.tv_nsec += now.tv_nsec;
  }
  // As on Linux: before what there is to be read.
  if (const int error = mirror::take_error(*use, fd); error != 0) return -error;
  unsigned got = 0;
  count = std::min<unsigned>(count, kMaxParts);
  for (; got < count; ++got) {
    const long n = recvmsg(use, fd, &messages[got].msg_hdr, flags & ~MSG_WAITFORONE);
    if (n < 0) return got != 0 ? static_cast<long>(got) : n;
    const auto length = static_cast<unsigned>(n);
    const long error = store(&messages[got].msg_len, &length, sizeof(length));
    if (error != 0) return got != 0 ? static_cast<long>(got) : error;
    if ((flags & MSG_WAITFORONE) != 0) flags |= MSG_DONTWAIT;
    if (limit != nullptr) {
      ::clock_gettime(CLOCK_MONOTONIC, &now);
      const long nanoseconds =
          (until.tv_sec - now.tv_sec) * 1'000'000'000L + (until.tv_nsec - now.tv_nsec);
      if (nanoseconds <= 0) return got + 1;
    }
  }
  return got;
}

long readv(Use& use, int fd, const iovec* parts, int count, int rwf) {
  if (count < 0 || count > static_cast<int>(kMaxParts)) return -EINVAL;
  const auto n = static_cast<size_t>(count);
  auto* const ours = static_cast<iovec*>(__builtin_alloca((n + 1) * sizeof(iovec)));
  const long error = import_parts(parts, n, ours);
  if (error != 0) return error;
  Receiving r;
  r.parts = ours;
  r.count = n;
  size_t room = 0;
  for (size_t i = 0; i < n; ++i) room += ours[i].iov_len;
  if (room == 0) return 0;  // as read() of nothing
  if (const long unknown = take_rwf(rwf, r.flags)) return unknown;
  return receive(use, fd, r);
}

}  // namespace trunkline::sctp::calls
