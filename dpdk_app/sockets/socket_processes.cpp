// SPDX-License-Identifier: BSD-3-Clause
// Programs: who is let in, requests and answers as bytes, and the end of a connection.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

#include "sockets/socket_core.h"

namespace trunkline::sockets {
namespace {

uint64_t process_tag(uint64_t id) {
  return uint64_t{1} << 56 | id;  // What::kProcess
}

// One message, and the descriptors that came with it. There is room for all that may come: what
// does not fit, the kernel closes here.
struct Received {
  ssize_t size = -1;
  std::vector<int> fds;
};

constexpr size_t kMostDescriptors = 253;  // SCM_MAX_FD

Received receive(int fd, std::span<uint8_t> room) {
  Received out;
  iovec part{room.data(), room.size()};
  alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  out.size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (out.size < 0) return out;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= at->cmsg_len; ++i) {
      int one = -1;
      std::memcpy(&one, CMSG_DATA(at) + i * sizeof(int), sizeof(one));
      out.fds.push_back(one);
    }
  }
  return out;
}

}  // namespace

void SocketCore::accept_processes() {
  for (int i = 0; i < 16; ++i) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      // Whoever waits there would wake this thread again and again.
      if (errno == EMFILE || errno == ENFILE) usleep(10'000);
      return;
    }
    auto process = std::make_unique<Process>();
    process->id = next_id_++;
    process->fd = fd;
    process->who = appring::credentials_of(fd);
    const uint64_t id = process->id;
    if (handshakes_.size() >= config_.limits.max_handshakes && !make_room_for(process->who.uid)) {
      ++counters_.refused_connections;
      ::close(fd);
      continue;
    }
    handshakes_.emplace(id, Clock::now());
    add(epoll_fd_, fd, EPOLLIN | EPOLLRDHUP, process_tag(id));
    processes_.emplace(id, std::move(process));
  }
}

// Whoever has most of those that have said nothing loses the oldest, unless it is the same user.
bool SocketCore::make_room_for(uint32_t uid) {
  std::unordered_map<uint32_t, size_t> counts;
  for (const auto& [id, since] : handshakes_) ++counts[processes_.at(id)->who.uid];
  uint64_t victim = 0;
  size_t most = counts[uid] + 1;
  for (const auto& [id, since] : handshakes_) {  // the oldest first
    const size_t count = counts[processes_.at(id)->who.uid];
    if (count <= most) continue;
    most = count;
    victim = id;
  }
  if (victim == 0) return false;
  ++counters_.refused_timeout;
  drop_process(victim);
  return true;
}

void SocketCore::serve_process(uint64_t id) {
  const auto at = processes_.find(id);
  if (at == processes_.end()) return;
  Process& process = *at->second;
  // What is not watched for is told all the same: that it has hung up.
  if (process.busy) return drop_process(id);
  std::array<uint8_t, sizeof(tls_request) + TLS_MAX_BODY + 1> bytes;
  const Received got = receive(process.fd, bytes);
  if (got.size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got.size <= 0) {
    close_passed(process.who.uid, got.fds);
    return drop_process(id);
  }
  Request request;
  const auto size = static_cast<size_t>(got.size);
  const bool whole = size >= sizeof(tls_request) && size < bytes.size();
  if (whole) std::memcpy(&request.head, bytes.data(), sizeof(tls_request));
  if (!got.fds.empty()) request.fd = got.fds.front();
  // The room that a program has for an option may be more than any answer takes.
  if (!whole || got.fds.size() > 1 || request.head.magic != TLS_MAGIC ||
      request.head.length > INT_MAX) {
    ++counters_.refused_request;
    close_passed(process.who.uid, got.fds);
    answer(id, EPROTO);
    return drop_process(id);
  }
  request.body = {bytes.data() + sizeof(tls_request), size - sizeof(tls_request)};
  process.busy = true;
  if (process.kicks == nullptr) {
    close_passed(process.who.uid, got.fds);
    request.fd = -1;
    hello(process, request);
  } else {
    const uint32_t uid = process.who.uid;
    dispatch(process, request);
    close_passed(uid, got.fds);
    // Who has passed too much that cannot be closed is not listened to any more.
    if (!got.fds.empty() && closers_.under_way(uid) > room_.processes_per_uid)
      return drop_process(id);
  }
  // While an answer is under way, nothing is read: a level that stays would make the loop spin.
  const auto again = processes_.find(id);
  if (again == processes_.end() || !again->second->busy) return;
  epoll_event event{};
  event.data.u64 = process_tag(id);
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, again->second->fd, &event);
}

void SocketCore::answer(Ticket ticket, int error, int value, std::span<const uint8_t> body,
                        std::span<const int> fds) {
  const auto at = processes_.find(ticket);
  if (at == processes_.end()) return;
  Process& process = *at->second;
  tls_reply reply{};
  reply.magic = TLS_MAGIC;
  reply.error = -error;
  reply.value = value;
  reply.length = static_cast<uint32_t>(body.size());
  const std::array parts = {iovec{&reply, sizeof(reply)},
                            iovec{const_cast<uint8_t*>(body.data()), body.size()}};
  // It has room for one answer, or has not kept to one request at a time.
  if (!appring::send_message(process.fd, parts, fds)) shutdown(process.fd, SHUT_RDWR);
  process.busy = false;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = process_tag(ticket);
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, process.fd, &event);
}

void SocketCore::drop_process(uint64_t id) {
  const auto at = processes_.find(id);
  if (at == processes_.end()) return;
  std::unique_ptr<Process> process = std::move(at->second);
  processes_.erase(at);
  handshakes_.erase(id);
  // What it sent and nobody has read may have descriptors with it.
  shutdown(process->fd, SHUT_RDWR);
  closers_.close(process->who.uid, {process->fd});
  if (process->kicks == nullptr) return;
  --uses_[process->who.uid].processes;
  ++leaving_processes_;
  // Workers look at its kicks until they say that they do not.
  const std::shared_ptr<Process> leaving = std::move(process);
  workers_.remove_process(leaving->kicks->areas(), [this, leaving] { --leaving_processes_; });
}

// The last handle of a socket of ours is closed in no time.
void SocketCore::close_passed(uint32_t uid, const std::vector<int>& fds) {
  std::vector<int> others;
  for (const int fd : fds) {
    if (by_cookie_.contains(cookie_of(fd))) {
      ::close(fd);
    } else {
      others.push_back(fd);
    }
  }
  if (!others.empty()) closers_.close(uid, std::move(others));
}

std::shared_ptr<SocketUser> SocketCore::user_of(const Process& process) {
  Use& use = uses_[process.who.uid];
  if (auto user = use.user.lock()) return user;
  auto user = std::make_shared<SocketUser>();
  user->uid = process.who.uid;
  user->gid = process.who.gid;
  user->shares.resize(workers_.count());
  use.user = user;
  return user;
}

void SocketCore::hello(Process& process, const Request& request) {
  const uint64_t id = process.id;
  const auto refuse = [&](int error) {
    answer(id, error);
    drop_process(id);
  };
  if (request.head.kind != TLS_HELLO || request.head.abi_version != TLS_ABI_VERSION) {
    return refuse(refused(counters_.refused_request, EPROTO));
  }
  const auto rights = appring::rights_of(config_.permissions, process.who);
  if (!rights) return refuse(refused(counters_.refused_permission, EACCES));
  Use& use = uses_[process.who.uid];
  if (const int error = refusal_of_process(process.who.uid)) return refuse(error);
  process.rights = *rights;
  process.user = user_of(process);
  auto kicks = KickMemory::create(workers_.count());
  if (kicks == nullptr) return refuse(failure(errno));
  process.kicks = std::move(kicks);
  pass_rights(process.fd, true);
  ++use.processes;
  ++counters_.let_in;
  handshakes_.erase(id);
  workers_.add_process(process.kicks->areas());
  answer(id, 0, workers_.count(), {}, process.kicks->descriptors());
}

// connect() may be given more room than its address takes, with anything in it: what is no list of
// addresses, and no longer than a struct sockaddr_storage, is its first one.
std::span<const uint8_t> SocketCore::without_rest(std::span<const uint8_t> body) {
  std::vector<SocketAddress> list;
  SocketAddress first;
  if (body.size() > sizeof(sockaddr_storage) || read_addresses(body, list)) return body;
  return read_address(body, first) ? body.first(first.size) : body;
}

// The page says more than the worker's news did: they are on their way.
bool SocketCore::is_behind(const Socket& socket) {
  if (!socket.at_worker) return false;
  const uint32_t state = __atomic_load_n(&socket.end->page().state, __ATOMIC_SEQ_CST);
  switch (socket.object->state()) {
    case SocketState::kConnecting:
      return state != TLS_CONNECTING;
    case SocketState::kEstablished:
      return state != TLS_ESTABLISHED;
    default:
      return false;
  }
}

void SocketCore::dispatch_later(const Process& process, Socket& socket, const Request& request) {
  workers_.wait_for(socket.worker,
                    [this, id = process.id, head = request.head,
                     body = std::vector<uint8_t>(request.body.begin(), request.body.end())] {
                      const auto at = processes_.find(id);
                      if (at != processes_.end()) dispatch(*at->second, {head, body, -1}, true);
                    });
}

void SocketCore::dispatch(Process& process, const Request& request, bool asked_worker) {
  const tls_request& head = request.head;
  if (head.kind == TLS_SOCKET) return make(process, request);
  if (head.kind == TLS_IDENTIFY) return identify(process, request);
  Socket* const socket = head.socket < by_index_.size() ? by_index_[head.socket] : nullptr;
  if (socket == nullptr || socket->key != head.key) {
    // Of a daemon that was here before, as a rule.
    ++counters_.refused_request;
    return answer(process.id, ECONNRESET);
  }
  if (socket->closing) {
    ++counters_.refused_request;
    return answer(process.id, EBADF);
  }
  if (!asked_worker && is_behind(*socket)) return dispatch_later(process, *socket, request);
  switch (head.kind) {
    case TLS_BIND:
      return bind(process, *socket, kBindOne, request.body);
    case TLS_BINDX:
      return bind(process, *socket, head.a == kBindOne ? -1 : head.a, request.body);
    case TLS_LISTEN:
      return listen(process, *socket, head.a);
    case TLS_CONNECT:
      return connect_as_told(process, *socket, request);
    case TLS_GET_OPTION:
      return get_option(process, *socket, request);
    case TLS_SET_OPTION:
      return set_option(process, *socket, request);
    case TLS_SHUTDOWN:
      return shut_down(process, *socket, head.a);
    case TLS_CLOSE:
      return close(process, *socket);
    case TLS_MEMBER:
      return find_member(process, *socket, request);
    case TLS_PEEL_OFF:
      return peel_off(process, *socket, static_cast<uint32_t>(head.a));
    case TLS_DISCONNECT:
      return answer(process.id, EOPNOTSUPP);
    default:
      ++counters_.refused_request;
      return answer(process.id, EINVAL);
  }
}

}  // namespace trunkline::sockets
