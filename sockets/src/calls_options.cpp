// SPDX-License-Identifier: BSD-3-Clause
// Options. What the page says is answered here; what only concerns waiting is the handle's; the
// rest goes to the daemon as bytes, whose table knows numbers and sizes.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "attachment.h"
#include "calls.h"
#include "libc_calls.h"
#include "linux_sctp.h"
#include "mirror.h"
#include "mode.h"
#include "raw_calls.h"
#include "user_memory.h"

namespace trunkline::sctp::calls {
namespace {

constexpr uint32_t kMostRead = 256;

// Of the SOL_SOCKET ones, those that the daemon must know; others are the handle's.
bool is_the_daemons(int level, int name) {
  if (level != SOL_SOCKET) return true;
  switch (name) {
    case SO_SNDBUF:
    case SO_RCVBUF:
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE:
    case SO_REUSEADDR:
    case SO_REUSEPORT:
    case SO_LINGER:
    case SO_RCVLOWAT:
      return true;
    default:
      return false;
  }
}

// What would change how the handle works, and has no meaning for the socket.
bool is_dangerous(int name) {
  return name == SO_PEEK_OFF || name == SO_PASSCRED || name == SO_PASSSEC;
}

// An int that the page knows. False: not that option.
bool from_page(Socket& socket, int fd, int name, int& value) {
  switch (name) {
    case SO_ERROR:
      value = mirror::take_error(socket, fd);
      return true;
    case SO_TYPE:
      value = static_cast<int>(socket.page->type);
      return true;
    case SO_PROTOCOL:
      value = mode.tcp ? IPPROTO_TCP : IPPROTO_SCTP;
      return true;
    case SO_DOMAIN:
      value = static_cast<int>(socket.page->family);
      return true;
    case SO_ACCEPTCONN:
      value = socket.state() == TLS_LISTENING ? 1 : 0;
      return true;
    default:
      return false;
  }
}

long store_value(void* value, socklen_t* length, const void* from, uint32_t size) {
  socklen_t room = 0;
  long error = fetch(&room, length, sizeof(room));
  if (error != 0) return error;
  if (static_cast<int>(room) < 0) return -EINVAL;
  const socklen_t n = std::min<socklen_t>(room, size);
  error = store(value, from, n);
  return error != 0 ? error : store(length, &n, sizeof(n));
}

long ask_for(Socket& socket, int level, int name, void* value, socklen_t* length) {
  socklen_t room = 0;
  long error = fetch(&room, length, sizeof(room));
  if (error != 0) return error;
  if (static_cast<int>(room) < 0) return -EINVAL;
  uint8_t body[TLS_MAX_BODY];
  // No option's structure is larger. What can't be read matters to options that are there.
  uint32_t known = std::min<uint32_t>(room, kMostRead);
  const bool unreadable = fetch(body, value, known) != 0;
  if (unreadable) known = 0;
  attachment::Request request;
  request.kind = TLS_GET_OPTION;
  request.socket = socket.page;
  request.a = level;
  request.b = name;
  request.body = body;
  request.length = known;
  request.meant = room;
  attachment::Reply reply;
  reply.body = body;
  reply.room = sizeof(body);
  error = attachment::request(request, reply);
  if (unreadable && error != -ENOPROTOOPT && error != -EOPNOTSUPP) return -EFAULT;
  if (error != 0) return error;
  error = store(value, body, std::min<uint32_t>(reply.length, room));
  const auto whole = static_cast<socklen_t>(reply.value);
  return error != 0 ? error : store(length, &whole, sizeof(whole));
}

// The value that is to be set, and how much of it counts: Linux copies all of level IPPROTO_SCTP
// before it looks at it, and what it needs of the others. None is longer than `body`.
long fetch_value(int level, const void* value, socklen_t& length,
                 std::span<uint8_t, TLS_MAX_BODY> body) {
  if (level != IPPROTO_SCTP) length = std::min<socklen_t>(length, sizeof(linger));
  if (length > body.size()) {
    uint8_t last = 0;
    const long error = fetch(&last, static_cast<const uint8_t*>(value) + length - 1, 1);
    if (error != 0) return error;
    length = static_cast<socklen_t>(body.size());
  }
  return fetch(body.data(), value, length);
}

// SCTP_SOCKOPT_CONNECTX3: addresses behind a pointer; the answer is the association's id.
long connectx3(Use& use, int fd, void* value, socklen_t* length) {
  socklen_t room = 0;
  long error = fetch(&room, length, sizeof(room));
  if (error != 0) return error;
  sctp_getaddrs_old what;
  if (room < sizeof(what)) return -EINVAL;
  error = fetch(&what, value, sizeof(what));
  if (error != 0) return error;
  uint8_t names[TLS_MAX_BODY];
  if (what.addr_num < 0) return -ENOMEM;
  if (what.addr_num == 0 || static_cast<uint32_t>(what.addr_num) > sizeof(names)) return -EINVAL;
  const auto size = static_cast<uint32_t>(what.addr_num);
  error = fetch(names, what.addrs, size);
  if (error != 0) return error;
  int32_t id = 0;
  const long result = connect_to(use, fd, names, size, &id);
  if (result == 0 || result == -EINPROGRESS) {
    const socklen_t written = sizeof(id);
    error = store(value, &id, sizeof(id));
    if (error == 0) error = store(length, &written, sizeof(written));
    if (error != 0) return error;
  }
  return result;
}

// SCTP_SOCKOPT_PEELOFF and its form with flags: the answer is a descriptor, which is the result,
// too.
long get_peeled_off(Socket& socket, int from, int name, void* value, socklen_t* length) {
  socklen_t room = 0;
  long error = fetch(&room, length, sizeof(room));
  if (error != 0) return error;
  sctp_peeloff_flags_arg_t what{};
  const auto size =
      static_cast<socklen_t>(name == SCTP_SOCKOPT_PEELOFF ? sizeof(what.p_arg) : sizeof(what));
  if (static_cast<int>(room) < 0 || room < size) return -EINVAL;
  error = fetch(&what, value, size);
  if (error != 0) return error;
  const long fd = peel_off(socket, from, what.p_arg.associd, static_cast<int>(what.flags));
  if (fd < 0) return fd;
  what.p_arg.sd = static_cast<int>(fd);
  error = store(length, &size, sizeof(size));
  if (error == 0) error = store(value, &what, size);
  if (error == 0) return fd;
  close(static_cast<int>(fd));
  return error;
}

long set_tcp(Use& use, int fd, int name, const void* value, socklen_t length) {
  if (!mode.tcp || name == TCP_FASTOPEN || name == TCP_ULP) return -ENOPROTOOPT;
  return name == TCP_NODELAY ? setsockopt(use, fd, IPPROTO_SCTP, SCTP_NODELAY, value, length) : 0;
}

}  // namespace

long getsockopt(Use& use, int fd, int level, int name, void* value, socklen_t* length) {
  Socket& socket = *use;
  if (level == SOL_SOCKET) {
    int number = 0;
    if (from_page(socket, fd, name, number)) {
      return store_value(value, length, &number, sizeof(number));
    }
  }
  if (level == IPPROTO_TCP) {
    if (!mode.tcp) return -EOPNOTSUPP;
    if (name != TCP_NODELAY) return -ENOPROTOOPT;
    return ask_for(socket, IPPROTO_SCTP, SCTP_NODELAY, value, length);
  }
  if (!is_the_daemons(level, name)) {
    return raw::checked(libc().getsockopt(fd, level, name, value, length));
  }
  if (level == IPPROTO_SCTP && name == SCTP_SOCKOPT_CONNECTX3) {
    return connectx3(use, fd, value, length);
  }
  if (level == IPPROTO_SCTP &&
      (name == SCTP_SOCKOPT_PEELOFF || name == SCTP_SOCKOPT_PEELOFF_FLAGS)) {
    return get_peeled_off(socket, fd, name, value, length);
  }
  return ask_for(socket, level, name, value, length);
}

long setsockopt(Use& use, int fd, int level, int name, const void* value, socklen_t length) {
  Socket& socket = *use;
  if (static_cast<int>(length) < 0) return -EINVAL;
  if (level == IPPROTO_TCP) return set_tcp(use, fd, name, value, length);
  if (!is_the_daemons(level, name)) {
    if (is_dangerous(name)) return 0;
    return raw::checked(libc().setsockopt(fd, level, name, value, length));
  }
  uint8_t body[TLS_MAX_BODY];
  const long error = fetch_value(level, value, length, body);
  if (error != 0) return error;
  if (level == IPPROTO_SCTP &&
      (name == SCTP_SOCKOPT_CONNECTX || name == SCTP_SOCKOPT_CONNECTX_OLD)) {
    int32_t id = 0;
    const long result = connect_to(use, fd, body, length, &id);
    return result == 0 && name == SCTP_SOCKOPT_CONNECTX ? id : result;
  }
  attachment::Request request;
  request.kind = TLS_SET_OPTION;
  request.socket = socket.page;
  request.a = level;
  request.b = name;
  if (level == IPPROTO_SCTP && (name == SCTP_SOCKOPT_BINDX_ADD || name == SCTP_SOCKOPT_BINDX_REM)) {
    request.kind = TLS_BINDX;
    request.a = name == SCTP_SOCKOPT_BINDX_ADD ? 1 : 2;  // SCTP_BINDX_ADD_ADDR, _REM_ADDR
    request.b = 0;
  }
  request.body = body;
  request.length = length;
  attachment::Reply reply;
  const long result = attachment::request(request, reply);
  if (result == 0 && level == SOL_SOCKET && name == SO_LINGER) {
    linger how{};
    std::memcpy(&how, body, std::min<size_t>(length, sizeof(how)));
    socket.lingers = how.l_onoff != 0 && how.l_linger != 0;
  }
  return result;
}

}  // namespace trunkline::sctp::calls
