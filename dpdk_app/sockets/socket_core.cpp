// SPDX-License-Identifier: BSD-3-Clause
// Descriptors, and the life of a socket from its making to its end.
#include "sockets/socket_core.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace trunkline::sockets {
namespace {

using std::chrono::milliseconds;

// What epoll gives back: what it is, and which.
uint64_t tag(uint8_t what, uint64_t which) {
  return uint64_t{what} << 56 | which;
}

void store(uint32_t& word, uint32_t value) {
  __atomic_store_n(&word, value, __ATOMIC_SEQ_CST);
}

}  // namespace

SocketCore::SocketCore(const SocketServerConfig& config, std::span<SocketMail* const> mails,
                       PortTable& ports)
    : config_(config),
      room_(SocketRoom::of(config.limits, config.machine, static_cast<uint16_t>(mails.size()))),
      ports_(ports, random_),
      world_{ports_,
             OwnAddresses(config.own_addresses),
             config.default_profile,
             config.ends,
             config.peers,
             config.floors,
             config.max_backlog},
      workers_(mails),
      geometry_{config.geometry, SocketEnd::find_ballast()},
      socket_bytes_(tls_layout_of(&config.geometry).size),
      by_index_(room_.sockets) {
  for (uint32_t i = 0; i < by_index_.size(); ++i) free_indices_.push_back(i);
  if (geometry_.ballast == 0) {
    throw std::runtime_error("sockets: the kernel's socket pairs cannot be filled by one write");
  }
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  pairs_fd_ = epoll_create1(EPOLL_CLOEXEC);
  try {
    if (epoll_fd_ < 0 || pairs_fd_ < 0) throw std::runtime_error("sockets: no descriptors left");
    listen_fd_ = appring::open_listener(config_.place);
  } catch (...) {
    ::close(epoll_fd_);
    ::close(pairs_fd_);
    throw;
  }
  // Of those who have not said hello, no descriptors are taken, where the kernel can keep them out.
  pass_rights(listen_fd_, false);
  add(epoll_fd_, listen_fd_, EPOLLIN, tag(static_cast<uint8_t>(What::kListener), 0));
  add(epoll_fd_, pairs_fd_, EPOLLIN, tag(static_cast<uint8_t>(What::kPairs), 0));
  for (uint16_t i = 0; i < workers_.count(); ++i) {
    add(epoll_fd_, workers_.mail(i).fd(), EPOLLIN, tag(static_cast<uint8_t>(What::kMail), i));
  }
}

SocketCore::~SocketCore() {
  if (listen_fd_ >= 0) {
    ::close(listen_fd_);
    unlink(config_.place.path.c_str());
  }
  for (const auto& [id, process] : processes_) ::close(process->fd);
  sockets_.clear();
  ::close(epoll_fd_);
  ::close(pairs_fd_);
}

bool SocketCore::add(int epoll, int fd, uint32_t events, uint64_t data) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void SocketCore::watch(int fd, std::function<void()> ready) {
  add(epoll_fd_, fd, EPOLLIN, tag(static_cast<uint8_t>(What::kOther), others_.size()));
  others_.push_back(std::move(ready));
}

void SocketCore::poll(milliseconds patience) {
  if (!handshakes_.empty() || !lingering_.empty()) patience = std::min(patience, milliseconds(20));
  if (!ended_members_.empty()) patience = std::min(patience, kSweepPeriod);
  epoll_event events[64];
  const int n = epoll_wait(epoll_fd_, events, 64, static_cast<int>(patience.count()));
  // What workers told comes before what programs ask: they may have seen it already.
  take_mail();
  for (int i = 0; i < n; ++i) serve(events[i].data.u64);
  expire();
  sweep_members();
  measure_some();
}

void SocketCore::serve(uint64_t data) {
  const uint64_t which = data & ((uint64_t{1} << 56) - 1);
  switch (static_cast<What>(data >> 56)) {
    case What::kListener:
      return accept_processes();
    case What::kProcess:
      return serve_process(which);
    case What::kMail:
      return;  // taken already
    case What::kPairs:
      return look_at_pairs();
    case What::kOther:
      return others_[which]();
  }
}

void SocketCore::look_at_pairs() {
  epoll_event events[64];
  int n = 0;
  do {
    n = epoll_wait(pairs_fd_, events, 64, 0);
    for (int i = 0; i < n; ++i) serve_pair(events[i].data.u64, events[i].events);
  } while (n == 64);
}

void SocketCore::serve_pair(uint64_t serial, uint32_t events) {
  Socket* const socket = find(serial);
  if (socket == nullptr) return;
  if ((events & EPOLLHUP) != 0) return close_socket(*socket, false);
  if ((events & EPOLLOUT) != 0) flush_queue(*socket);
}

void SocketCore::expire() {
  if (lingering_.empty() && handshakes_.empty()) return;
  const Clock::time_point now = Clock::now();
  std::erase_if(lingering_, [&](uint64_t serial) {
    Socket* const socket = find(serial);
    if (socket == nullptr) return true;
    if (socket->linger_until > now) return false;
    for (const Ticket ticket : std::exchange(socket->waiting, {})) answer(ticket, 0);
    return true;
  });
  std::vector<uint64_t> late;
  for (const auto& [id, since] : handshakes_) {
    if (now - since >= config_.limits.handshake_timeout) late.push_back(id);
  }
  for (const uint64_t id : late) {
    ++counters_.refused_timeout;
    drop_process(id);
  }
}

SocketCore::Socket* SocketCore::find(uint64_t serial) {
  const auto at = sockets_.find(serial);
  return at != sockets_.end() ? at->second.get() : nullptr;
}

uint64_t SocketCore::cookie_of(int fd) {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

// ---------------------------------------------------------------- making

// Null with errno set: also when it would take one of the last descriptors, by which the daemon
// serves everybody else.
std::unique_ptr<SocketEnd> SocketCore::make_end(const SocketRole& role, uint32_t index,
                                                uint64_t key, bool ipv6,
                                                std::shared_ptr<SocketUser> user) {
  const bool many = role.front_of_workers != 0 || role.front != nullptr;
  auto end =
      SocketEnd::create(index, key, ipv6 ? AF_INET6 : AF_INET, many ? SOCK_SEQPACKET : SOCK_STREAM,
                        geometry_, std::move(user), role);
  if (end == nullptr) return nullptr;
  if (std::max(end->memory_fd(), end->pair_fd()) < room_.last_descriptor) return end;
  end.reset();
  errno = EMFILE;
  return nullptr;
}

SocketCore::Socket* SocketCore::make_socket(bool ipv6, const std::shared_ptr<SocketUser>& user,
                                            Ticket maker, int32_t pid, const SocketRole& role) {
  const uint32_t index = free_indices_[next_free_];
  auto socket = std::make_unique<Socket>();
  socket->serial = next_id_++;
  socket->key = random_.nonce();
  socket->end = make_end(role, index, socket->key, ipv6, user);
  if (socket->end == nullptr ||
      (role.front == nullptr && !add(pairs_fd_, socket->end->pair_fd(), 0, socket->serial))) {
    const int error = failure(errno);
    socket.reset();
    errno = error;
    return nullptr;
  }
  const bool many = role.front_of_workers != 0 || role.front != nullptr;
  next_free_ = (next_free_ + 1) % free_indices_.size();
  socket->object = std::make_unique<SocketObject>(world_, ipv6, user->uid, many);
  socket->user = user;
  socket->maker = maker;
  socket->pid = pid;
  socket->bytes = socket->end->page().segment_size;
  socket->queue = AcceptQueue(socket->end->pair_fd());
  Use& use = uses_[user->uid];
  ++use.sockets;
  use.bytes += socket->bytes;
  measure(*socket);
  ++counters_.made;
  Socket* const out = socket.get();
  by_index_[index] = out;
  sockets_.emplace(out->serial, std::move(socket));
  return out;
}

void SocketCore::set_state(const Socket& socket, uint32_t state) {
  store(socket.end->page().state, state);
}

// By its cookie, of which there are never two of the same, a handle is known again.
void SocketCore::note_handle(Socket& socket, int handle) {
  socket.cookie = cookie_of(handle);
  if (socket.cookie != 0) by_cookie_[socket.cookie] = socket.serial;
}

// What its options say, for the library.
void SocketCore::update_page(Socket& socket) const {
  tls_page& page = socket.end->page();
  const SocketOptions& options = socket.object->options();
  tls_options next = page_options(options);
  next.context = socket.object->receive_context();
  constexpr size_t kWords = sizeof(tls_options) / sizeof(uint32_t);
  uint32_t words[kWords];
  std::memcpy(words, &next, sizeof(next));
  auto* const at = reinterpret_cast<uint32_t*>(&page.options);
  for (size_t i = 0; i < kWords; ++i) __atomic_store_n(&at[i], words[i], __ATOMIC_RELAXED);
  store(page.send_buffer, options.send_buffer);
  store(page.receive_buffer, options.receive_buffer);
  store(page.max_message_size, max_message_size(options, geometry_.rings));
}

void SocketCore::set_names(const Socket& socket) {
  // That an attempt failed may be unread, and comes from that peer.
  const tls_name peer = socket.object->peer_name();
  socket.end->set_names(socket.object->local_name(),
                        peer.length != 0 ? peer : tls_name(socket.end->page().peer));
}

// ---------------------------------------------------------------- the end

void SocketCore::close_socket(Socket& socket, bool abort) {
  if (socket.closing) return;
  socket.closing = true;
  ++closing_;
  epoll_ctl(pairs_fd_, EPOLL_CTL_DEL, socket.end->pair_fd(), nullptr);
  socket.queue.clear();
  count_held(socket);
  const uint64_t serial = socket.serial;
  if (socket.object->state() == SocketState::kListening || socket.listening_at > 0) {
    return stop_listening(socket, [this, serial, abort] {
      if (Socket* const again = find(serial)) part_from(*again, abort);
    });
  }
  part_from(socket, abort);
}

// One that tried to connect before it listened is at a worker, too.
void SocketCore::part_from(Socket& socket, bool abort) {
  if (!socket.members.empty()) return part_from_members(socket, abort);
  if (!socket.at_worker) return destroy(socket);
  const bool reset = abort || socket.object->options().linger == 0;
  workers_.close(socket.worker, *socket.end, reset);
}

void SocketCore::destroy(Socket& socket) {
  if (socket.front != 0) leave_front(socket);
  const uint64_t front_serial = socket.front;
  const uint32_t index = socket.index();
  const std::vector<Ticket> waiting = std::move(socket.waiting);
  Use& use = uses_[socket.user->uid];
  --use.sockets;
  use.bytes -= socket.bytes;
  use.resident -= socket.resident;
  if (const auto maker = processes_.find(socket.maker); maker != processes_.end()) {
    --maker->second->sockets;
  }
  if (socket.closing) --closing_;
  if (socket.cookie != 0) by_cookie_.erase(socket.cookie);
  by_index_[index] = nullptr;
  closers_.close_pair(socket.user->uid, socket.end->take_pair());
  // The free ones lie from next_free_ on, in the order in which they became free.
  const size_t used = sockets_.size();
  free_indices_[(next_free_ + free_indices_.size() - used) % free_indices_.size()] = index;
  sockets_.erase(socket.serial);
  for (const Ticket ticket : waiting) answer(ticket, 0);
  // The last of a front that is being closed.
  Socket* const front = find(front_serial);
  if (front != nullptr && front->closing && front->listening_at == 0 && front->members.empty()) {
    return destroy(*front);
  }
  retry_binds();
}

SocketBridge::Terms SocketCore::terms_of(const Socket& socket) {
  const SocketOptions& options = socket.object->options();
  return {options.receive_buffer, std::chrono::seconds(options.autoclose)};
}

uint16_t SocketCore::next_worker() {
  const uint16_t out = next_worker_;
  next_worker_ = static_cast<uint16_t>((next_worker_ + 1) % workers_.count());
  return out;
}

// Listeners that workers are letting go. Those that still shut an association down keep their port
// until that is over, as on Linux: nobody waits for them.
bool SocketCore::ports_come_back() const {
  return std::any_of(sockets_.begin(), sockets_.end(), [](const auto& one) {
    const Socket& socket = *one.second;
    return socket.closing && !socket.at_worker && socket.members.empty();
  });
}

void SocketCore::retry_binds() {
  for (Waiting& one : std::exchange(waiting_binds_, {})) {
    const auto process = processes_.find(one.ticket);
    Socket* const socket = find(one.serial);
    if (process == processes_.end()) continue;
    if (socket == nullptr || socket->closing) {
      answer(one.ticket, EBADF);
      continue;
    }
    const int error = try_bind(*process->second, *socket, one.how, one.body);
    if (error == EADDRINUSE && ports_come_back()) {
      waiting_binds_.push_back(std::move(one));
    } else {
      finish_bind(one.ticket, one.serial, error);
    }
  }
}

void SocketCore::close_all() {
  if (listen_fd_ >= 0) {
    ::close(listen_fd_);
    listen_fd_ = -1;
    unlink(config_.place.path.c_str());
  }
  std::vector<uint64_t> all;
  for (const auto& [id, process] : processes_) all.push_back(id);
  for (const uint64_t id : all) drop_process(id);
  all.clear();
  for (const auto& [serial, socket] : sockets_) all.push_back(serial);
  for (const uint64_t serial : all) {
    if (Socket* const socket = find(serial)) close_socket(*socket, false);
  }
}

SocketSnapshot SocketCore::snapshot(bool list) const {
  SocketSnapshot out;
  out.counters = counters_;
  out.processes = static_cast<uint32_t>(processes_.size() - handshakes_.size());
  out.closing = closing_;
  if (!list) return out;
  for (const auto& [serial, socket] : sockets_) {
    const SocketObject& object = *socket->object;
    const tls_page& page = socket->end->page();
    SocketInfo info;
    info.index = socket->index();
    info.pid = socket->pid;
    info.uid = socket->user->uid;
    info.state = object.state();
    info.closing = socket->closing;
    info.local = socket->local.length != 0 ? socket->local : object.local_name();
    info.peer = object.peer_name();
    info.send_queued = __atomic_load_n(&page.tx_bytes, __ATOMIC_RELAXED);
    info.assoc_id = __atomic_load_n(&page.assoc_id, __ATOMIC_RELAXED);
    if (socket->at_worker) info.worker = socket->worker;
    info.one_to_many = socket->end->is_front();
    info.associations = static_cast<uint32_t>(socket->members.serials().size());
    const auto front = sockets_.find(socket->peeled_off ? 0 : socket->front);
    if (front != sockets_.end()) info.front = front->second->index();
    if (info.state == SocketState::kListening) {
      info.unaccepted = static_cast<uint32_t>(socket->queue.unaccepted());
      info.backlog = object.backlog();
    }
    out.sockets.push_back(info);
  }
  std::sort(out.sockets.begin(), out.sockets.end(),
            [](const SocketInfo& a, const SocketInfo& b) { return a.index < b.index; });
  return out;
}

}  // namespace trunkline::sockets
