// SPDX-License-Identifier: BSD-3-Clause
// What programs ask for. Each request is answered once, here or when a worker has done its part.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sockets/linux_sctp.h"
#include "sockets/option_scope.h"
#include "sockets/socket_core.h"

namespace trunkline::sockets {
namespace {

uint32_t load(const uint32_t& word) {
  return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}

std::vector<uint8_t> copy(std::span<const uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace

// ---------------------------------------------------------------- socket

void SocketCore::make(Process& process, const Request& request) {
  const int family = request.head.a;
  const int type = request.head.b & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (family != AF_INET && family != AF_INET6) return answer(process.id, EAFNOSUPPORT);
  if (type != SOCK_STREAM && type != SOCK_SEQPACKET) return answer(process.id, ESOCKTNOSUPPORT);
  if (const int error = refusal(process.who.uid, &process)) return answer(process.id, error);
  const bool many = type == SOCK_SEQPACKET;
  const SocketRole role{many ? workers_.count() : uint16_t{0}, nullptr};
  Socket* const socket =
      make_socket(family == AF_INET6, process.user, process.id, process.who.pid, role);
  if (socket == nullptr) return answer(process.id, errno);
  ++process.sockets;
  update_page(*socket);
  set_names(*socket);
  if (!many) socket->end->put_ballast();
  const int handle = socket->end->take_handle();
  note_handle(*socket, handle);
  const int fds[] = {handle, socket->end->memory_fd()};
  answer(process.id, 0, 0, {}, fds);
  ::close(handle);
}

void SocketCore::identify(Process& process, const Request& request) {
  const auto at = by_cookie_.find(request.fd >= 0 ? cookie_of(request.fd) : 0);
  Socket* const socket = at != by_cookie_.end() ? find(at->second) : nullptr;
  if (socket == nullptr || socket->closing) return answer(process.id, ENOTSOCK);
  const int fds[] = {socket->end->memory_fd()};
  answer(process.id, 0, 0, {}, fds);
}

// ---------------------------------------------------------------- bind

int SocketCore::try_bind(Process& process, Socket& socket, int how, std::span<const uint8_t> body) {
  SocketObject& object = *socket.object;
  int error = EINVAL;
  if (how == kBindOne) error = object.bind(process.rights, body);
  if (how == SCTP_BINDX_ADD_ADDR) error = object.bind_add(process.rights, body);
  if (how == SCTP_BINDX_REM_ADDR) error = object.bind_remove(process.rights, body);
  // What an association has by name is what it connected from.
  if (object.state() == SocketState::kFresh || object.state() == SocketState::kListening) {
    set_names(socket);
  }
  if (error == EACCES) ++counters_.refused_permission;
  return error;
}

// A program may bind what it has closed just now: its hang-up is heard first, and waited for.
void SocketCore::bind(Process& process, Socket& socket, int how, std::span<const uint8_t> body) {
  const uint64_t serial = socket.serial;
  const std::vector<IpAddress> before = socket.object->addresses();
  int error = try_bind(process, socket, how, body);
  // Of several addresses, some may be bound.
  if (error == EADDRINUSE && socket.object->addresses() == before) {
    look_at_pairs();
    Socket* const again = find(serial);
    if (again == nullptr || again->closing) return answer(process.id, EBADF);
    error = try_bind(process, *again, how, body);
    if (error == EADDRINUSE && ports_come_back()) {
      waiting_binds_.push_back({process.id, serial, how, copy(body)});
      return;
    }
  }
  finish_bind(process.id, serial, error);
}

// Who listens goes on to do so where it is bound now.
void SocketCore::finish_bind(Ticket ticket, uint64_t serial, int error) {
  Socket& socket = *find(serial);
  const SocketObject& object = *socket.object;
  const auto now = BoundAddresses::of(object.addresses());
  const auto before = BoundAddresses::of(socket.listens.addresses);
  if (object.state() != SocketState::kListening || !now || !before || *now == *before) {
    return answer(ticket, error);
  }
  const LocalEndName old = socket.listens;
  begin_listening(socket, [=, this](Status status) {
    Socket* const again = find(serial);
    if (again == nullptr || again->closing) return answer(ticket, EBADF);
    if (status != Status::kOk) {
      again->listens = old;
      [[maybe_unused]] const bool back = again->object->bind_again(old.addresses);
      return answer(ticket, ENOBUFS);
    }
    workers_.unlisten(old, serial, true, [=, this] { answer(ticket, error); });
  });
}

// ---------------------------------------------------------------- listen

void SocketCore::listen(Process& process, Socket& socket, int backlog) {
  bool stops = false;
  const Ticket ticket = process.id;
  const int error = socket.object->listen(process.rights, backlog, stops);
  if (error == EACCES) ++counters_.refused_permission;
  if (error != 0) return answer(ticket, error);
  if (stops) {
    set_state(socket, TLS_FRESH);
    return stop_listening(socket, [this, ticket] { answer(ticket, 0); });
  }
  set_names(socket);
  const uint64_t serial = socket.serial;
  begin_listening(socket, [this, ticket, serial](Status status) {
    Socket* const again = find(serial);
    if (again == nullptr || again->closing) return answer(ticket, EBADF);
    if (status != Status::kOk) {
      again->object->listen_failed();
      set_state(*again, TLS_FRESH);
      return answer(ticket, status == Status::kAlreadyExists ? EADDRINUSE : ENOBUFS);
    }
    answer(ticket, 0);
  });
}

void SocketCore::begin_listening(Socket& socket, std::function<void(Status)> done) {
  socket.listens = {kPortOwner, PortNumber(socket.object->bound().port),
                    socket.object->addresses()};
  socket.profile = socket.object->profile();
  // Before the workers: a connection may be accepted before they have all answered.
  set_state(socket, TLS_LISTENING);
  ++socket.listening_at;
  const uint64_t serial = socket.serial;
  // One more than the program's number may wait, as on Linux; nobody accepts the associations of a
  // one-to-many socket, and what lies in its pair are tokens.
  const bool many = socket.end->is_front();
  workers_.listen(socket.listens, serial, many ? config_.max_backlog : socket.object->backlog() + 1,
                  socket.profile, many ? -1 : socket.end->pair_fd(),
                  [this, serial, done = std::move(done)](Status status) {
                    if (Socket* const again = find(serial)) --again->listening_at;
                    done(status);
                  });
}

void SocketCore::stop_listening(Socket& socket, std::function<void()> done) {
  ++socket.listening_at;
  const uint64_t serial = socket.serial;
  workers_.unlisten(socket.listens, serial, false, [this, serial, done = std::move(done)] {
    if (Socket* const again = find(serial)) --again->listening_at;
    done();
  });
}

// ---------------------------------------------------------------- connect

int SocketCore::connect_error(Status status) {
  switch (status) {
    case Status::kOk:
      return 0;
    case Status::kAlreadyExists:
      return EADDRINUSE;
    case Status::kInvalidAddress:
      return ENETUNREACH;  // nothing that it is bound to reaches that far
    case Status::kOutOfResources:
      return ENOBUFS;
    default:
      return EINVAL;
  }
}

void SocketCore::connect_as_told(Process& process, Socket& socket, const Request& request) {
  std::span<const uint8_t> addresses = request.body;
  sctp_initmsg init{};
  if (request.head.b != 0) {
    if (addresses.size() < sizeof(init)) return answer(process.id, EINVAL);
    std::memcpy(&init, addresses.data(), sizeof(init));
    addresses = addresses.subspan(sizeof(init));
  }
  if (request.head.a == 0) addresses = without_rest(addresses);
  connect(process, socket, addresses, 0, init);
}

void SocketCore::connect(Process& process, Socket& socket, std::span<const uint8_t> addresses,
                         int form, const sctp_initmsg& init) {
  const Ticket ticket = process.id;
  // Its associations are begun by TLS_MEMBER.
  if (socket.end->is_front()) return answer(ticket, EOPNOTSUPP);
  ConnectPlan plan;
  const int error = socket.object->connect(process.rights, addresses, init, plan);
  if (error == EACCES) ++counters_.refused_permission;
  if (error != 0) return answer(ticket, error);
  if (load(socket.end->page().error) != 0) {
    socket.object->connect_failed();
    return answer(ticket, ERESTART);
  }
  socket.end->set_names(socket.object->name_to_connect_from(), socket.object->peer_name());
  set_state(socket, TLS_CONNECTING);
  // Once it was at a worker, it stays there.
  if (!socket.at_worker) {
    socket.at_worker = true;
    socket.worker = next_worker();
  }
  SocketBridge::ConnectCommand command;
  command.from = {kPortOwner, PortNumber(socket.object->bound().port), socket.object->addresses()};
  command.peers = plan.peers;
  command.peer_port = PortNumber(plan.peer_port);
  command.profile = socket.profile = plan.profile;
  const uint64_t serial = socket.serial;
  workers_.connect(socket.worker, *socket.end, std::move(command), terms_of(socket),
                   [this, ticket, serial, form](Status status, const tls_name&) {
                     Socket* const again = find(serial);
                     if (again == nullptr || again->closing) return answer(ticket, EBADF);
                     if (status != Status::kOk) {
                       again->object->connect_failed();
                       set_names(*again);
                       set_state(*again, TLS_FRESH);
                       return answer(ticket, connect_error(status));
                     }
                     const auto id = static_cast<int>(load(again->end->page().assoc_id));
                     if (form != SCTP_SOCKOPT_CONNECTX3) return answer(ticket, 0, id);
                     const auto* const bytes = reinterpret_cast<const uint8_t*>(&id);
                     answer(ticket, 0, sizeof(id), {bytes, sizeof(id)});
                   });
}

// ---------------------------------------------------------------- options

void SocketCore::get_option(Process& process, Socket& socket, const Request& request) {
  const tls_request& head = request.head;
  if (head.a == IPPROTO_SCTP && head.b == SCTP_SOCKOPT_CONNECTX3) {
    // The structure of the call, with the addresses behind it instead of a pointer to them.
    if (request.body.size() < sizeof(sctp_getaddrs_old)) return answer(process.id, EINVAL);
    return connect(process, socket, request.body.subspan(sizeof(sctp_getaddrs_old)), head.b);
  }
  if (socket.end->is_front() && get_of_member(process, socket, request)) return;
  if (socket.peeled_off && head.a == IPPROTO_SCTP && lists_members(head.b)) {
    return list_members(process.id, {load(socket.end->page().assoc_id)}, head.b, head.length);
  }
  const Ticket ticket = process.id;
  const uint64_t serial = socket.serial;
  const std::vector<uint8_t> there = copy(request.body);
  const size_t room = head.length;
  const bool ask = socket.object->state() == SocketState::kEstablished &&
                   needs_association(head.a, head.b, false);
  if (!ask) return run_get(ticket, serial, head.a, head.b, room, there, nullptr);
  workers_.look(socket.worker, *socket.end,
                [=, this, level = head.a, name = head.b](std::optional<AssociationView> view) {
                  run_get(ticket, serial, level, name, room, there, view ? &*view : nullptr);
                });
}

void SocketCore::run_get(Ticket ticket, uint64_t serial, int level, int name, size_t room,
                         const std::vector<uint8_t>& there, const AssociationView* view) {
  Socket* const socket = find(serial);
  if (socket == nullptr || socket->closing) return answer(ticket, EBADF);
  OptionAnswer out;
  const uint32_t id = load(socket->end->page().assoc_id);
  if (const int error = socket->object->get_option(level, name, view, id, there, room, out)) {
    return answer(ticket, error);
  }
  answer(ticket, 0, out.length, out.body);
}

void SocketCore::set_option(Process& process, Socket& socket, const Request& request) {
  const tls_request& head = request.head;
  if (head.a == IPPROTO_SCTP) {
    switch (head.b) {
      case SCTP_SOCKOPT_BINDX_ADD:
        return bind(process, socket, SCTP_BINDX_ADD_ADDR, request.body);
      case SCTP_SOCKOPT_BINDX_REM:
        return bind(process, socket, SCTP_BINDX_REM_ADDR, request.body);
      case SCTP_SOCKOPT_CONNECTX:
      case SCTP_SOCKOPT_CONNECTX_OLD:
        return connect(process, socket, request.body, head.b);
    }
  }
  if (socket.end->is_front() && set_of_member(process, socket, request)) return;
  const Ticket ticket = process.id;
  const uint64_t serial = socket.serial;
  const std::vector<uint8_t> value = copy(request.body);
  const bool ask = socket.object->state() == SocketState::kEstablished &&
                   needs_association(head.a, head.b, true);
  if (!ask) return run_set(ticket, serial, head.a, head.b, value, nullptr);
  workers_.look(socket.worker, *socket.end,
                [=, this, level = head.a, name = head.b](std::optional<AssociationView> view) {
                  run_set(ticket, serial, level, name, value, view ? &*view : nullptr);
                });
}

void SocketCore::run_set(Ticket ticket, uint64_t serial, int level, int name,
                         const std::vector<uint8_t>& value, const AssociationView* view) {
  Socket* const socket = find(serial);
  if (socket == nullptr || socket->closing) return answer(ticket, EBADF);
  SocketObject& object = *socket->object;
  OptionAnswer out;
  const uint32_t id = load(socket->end->page().assoc_id);
  if (const int error = object.set_option(level, name, view, id, value, out)) {
    return answer(ticket, error);
  }
  update_page(*socket);
  if (socket->at_worker && level == SOL_SOCKET && name == SO_RCVBUF) {
    workers_.set_receive_buffer(socket->worker, *socket->end, object.options().receive_buffer);
  }
  if (object.state() == SocketState::kFresh) set_names(*socket);
  if (socket->end->is_front() && scope_of(level, name, value, true).for_all) {
    tell_members(*socket, level, name);
  }
  if (object.state() == SocketState::kListening && !(object.profile() == socket->profile)) {
    return begin_listening(*socket, [this, ticket](Status) { answer(ticket, 0); });
  }
  if (object.state() != SocketState::kEstablished || !out.effects.any()) return answer(ticket, 0);
  workers_.act(socket->worker, *socket->end, std::move(out.effects),
               [this, ticket](int error) { answer(ticket, error); });
}

// ---------------------------------------------------------------- shutdown, close

void SocketCore::shut_down(Process& process, Socket& socket, int how) {
  bool receive = false;
  const int error = socket.object->shut_down(how, receive);
  if (receive) __atomic_fetch_or(&socket.end->page().shut, TLS_SHUT_RECEIVE, __ATOMIC_SEQ_CST);
  answer(process.id, error);
}

bool SocketCore::linger(const Socket& socket) const {
  const SocketState state = socket.object->state();
  return socket.object->options().linger > 0 && state == SocketState::kEstablished;
}

void SocketCore::close(Process& process, Socket& socket) {
  const Ticket ticket = process.id;
  const uint64_t serial = socket.serial;
  // Who has associations that go on is not waited for.
  const bool waits = linger(socket) || !socket.at_worker;
  if (waits) socket.waiting.push_back(ticket);
  if (linger(socket)) {
    socket.linger_until = Clock::now() + std::chrono::seconds(socket.object->options().linger);
    lingering_.push_back(serial);
  }
  close_socket(socket, false);
  if (!waits) answer(ticket, 0);
}

}  // namespace trunkline::sockets
