// SPDX-License-Identifier: BSD-3-Clause
#include "fake_daemon.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace trunkline::test {
namespace {

constexpr uint32_t kBallast = 2304;

void init_lock(tls_lock& lock) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&lock.mutex, &attributes);
}

void send_descriptors(int to, const void* head, size_t head_size, const void* body, size_t size,
                      const std::vector<int>& fds) {
  iovec parts[2] = {{const_cast<void*>(head), head_size}, {const_cast<void*>(body), size}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 8)] = {};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = size != 0 ? 2 : 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
    cmsghdr* const c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
    std::memcpy(CMSG_DATA(c), fds.data(), sizeof(int) * fds.size());
  }
  ::sendmsg(to, &message, MSG_NOSIGNAL);
}

uint16_t port_of(const uint8_t* name) {
  sockaddr_in address;
  std::memcpy(&address, name, sizeof(address));
  return ntohs(address.sin_port);
}

tls_name loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tls_name name{};
  name.length = sizeof(address);
  std::memcpy(name.bytes, &address, sizeof(address));
  return name;
}

}  // namespace

// ---------------------------------------------------------------- one socket

FakeSocket::FakeSocket(tls_page& the_page, int memory, int pair, int program)
    : RingEnd(reinterpret_cast<uint8_t*>(&the_page) + tls_layout_of(&the_page.geometry).channel,
              the_page.geometry),
      page(the_page),
      memory_fd(memory),
      pair_fd(pair),
      handle(program),
      memory_(reinterpret_cast<uint8_t*>(&the_page)),
      layout_(tls_layout_of(&the_page.geometry)) {
  auto* const tx_free = reinterpret_cast<uint16_t*>(memory_ + layout_.tx_free);
  for (uint32_t i = 0; i < tx_slots_; ++i) tx_free[i] = static_cast<uint16_t>(tx_slots_ - 1 - i);
  page.tx_free_count = tx_slots_;
  for (uint32_t i = 0; i < rx_slots_; ++i) rx_free_.push_back(i);
}

FakeSocket::~FakeSocket() {
  ::close(memory_fd);
  ::close(pair_fd);
  if (handle >= 0) ::close(handle);
  ::munmap(&page, page.segment_size);
}

std::shared_ptr<FakeSocket> FakeSocket::create(uint32_t index, uint32_t family, uint32_t type,
                                               const FakeGeometry& geometry) {
  tlr_geometry g{};
  g.lanes = g.workers = 1;
  g.submission_size = geometry.submission_size;
  g.completion_size = geometry.completion_size;
  g.return_size = geometry.return_size;
  g.tx_slots = geometry.tx_slots;
  g.rx_slots = geometry.rx_slots;
  g.slot_size = geometry.slot_size;
  const uint64_t size = tls_layout_of(&g).size;
  const int memory = ::memfd_create("socket", MFD_CLOEXEC);
  if (memory < 0 || ::ftruncate(memory, static_cast<off_t>(size)) != 0) return nullptr;
  auto* const page =
      static_cast<tls_page*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0));
  page->magic = TLS_MAGIC;
  page->abi_version = TLS_ABI_VERSION;
  page->index = index;
  page->key = index * 7919u;
  page->segment_size = size;
  page->family = family;
  page->type = type;
  page->ballast = kBallast;
  page->front = TLS_NO_FRONT;
  page->geometry = g;
  page->worker = TLS_NO_WORKER;
  page->send_buffer = geometry.send_buffer;
  page->receive_buffer = geometry.send_buffer;
  init_lock(page->send_lock);
  init_lock(page->receive_lock);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return nullptr;
  const int least = 1;
  ::setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
  ::fcntl(pair[1], F_SETFL, O_RDWR | O_NONBLOCK);
  auto made = std::shared_ptr<FakeSocket>(new FakeSocket(*page, memory, pair[1], pair[0]));
  made->put_ballast();
  return made;
}

void FakeSocket::put_ballast() {
  static const uint8_t nothing[kBallast] = {};
  [[maybe_unused]] const ssize_t n = ::send(handle, nothing, kBallast, MSG_DONTWAIT);
}

void FakeSocket::take_ballast() {
  uint8_t away[8192];
  while (::recv(pair_fd, away, sizeof(away), MSG_DONTWAIT) > 0) {
  }
}

bool FakeSocket::take(tlr_submission& out) {
  const tlr_submission* const front = look();
  if (front == nullptr) return false;
  out = *front;
  if (out.op == TLR_OP_SEND) under_way_ += slots_for(out.length);
  if (out.op == TLR_OP_LIMIT) limits.push_back(out);
  store_release(shared_->submission_consumed.value, ++submission_consumed_);
  return true;
}

const tlr_submission* FakeSocket::look() const {
  if (load_seq_cst(shared_->submission_produced.value) == submission_consumed_) return nullptr;
  return &submissions_[submission_consumed_ & submission_mask_];
}

bool FakeSocket::deliver(const FakeSocket& from, const tlr_submission& message) {
  const uint32_t slots = slots_for(message.length);
  if (completion_produced_ - load_acquire(shared_->completion_consumed.value) > completion_mask_ ||
      rx_free_.size() < slots) {
    return false;
  }
  std::vector<uint32_t> chain;
  uint32_t source = message.slot;
  uint32_t left = message.length;
  for (uint32_t i = 0; i < slots; ++i) {
    const uint32_t slot = rx_free_.back();
    rx_free_.pop_back();
    if (!chain.empty()) store_relaxed(rx_next_[chain.back()], slot);
    chain.push_back(slot);
    const uint32_t n = std::min(left, slot_size_);
    std::memcpy(rx_data_ + size_t{slot} * slot_size_, from.tx_data_ + size_t{source} * slot_size_,
                n);
    left -= n;
    if (left != 0) source = load_relaxed(from.tx_next_[source]);
  }
  tlr_completion entry{};
  entry.kind = TLR_MESSAGE;
  entry.flags = (message.flags & TLR_SEND_UNORDERED) != 0 ? TLR_MESSAGE_UNORDERED : 0;
  entry.stream = message.stream;
  entry.ppid = message.ppid;
  entry.tsn = kFirstTsn + delivered_;
  if (entry.flags == 0) {
    entry.ssn = static_cast<uint16_t>(delivered_);
  } else {
    entry.cum_ahead = cum_ahead;
  }
  ++delivered_;
  entry.slot = chain.front();
  entry.length = message.length;
  rx_lent_[chain.front()] = chain;
  completions_[completion_produced_ & completion_mask_] = entry;
  store_seq_cst(shared_->completion_produced.value, ++completion_produced_);
  return true;
}

uint32_t FakeSocket::lend(std::string_view text) {
  const uint32_t slot = rx_free_.back();
  rx_free_.pop_back();
  std::memcpy(rx_data_ + size_t{slot} * slot_size_, text.data(), text.size());
  rx_lent_[slot] = {slot};
  return slot;
}

bool FakeSocket::notify(const tlr_completion& completion, const tlr_completion_more* more) {
  const uint32_t room = completion_mask_ + 1 -
                        (completion_produced_ - load_acquire(shared_->completion_consumed.value));
  if (room < 2) return false;
  completions_[completion_produced_++ & completion_mask_] = completion;
  if (more != nullptr) {
    std::memcpy(static_cast<void*>(&completions_[completion_produced_++ & completion_mask_]), more,
                sizeof(*more));
  }
  store_seq_cst(shared_->completion_produced.value, completion_produced_);
  send_token();
  return true;
}

void FakeSocket::send_token() {
  if (load_seq_cst(page.tokens) != 0 && load_seq_cst(page.edge) == 0) return;
  if (load_seq_cst(page.tokens) >= TLS_MAX_TOKENS) return;
  __atomic_fetch_add(&page.tokens, 1, __ATOMIC_SEQ_CST);
  const uint8_t byte = TLS_TOKEN_BYTE;
  if (::send(pair_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
    __atomic_fetch_sub(&page.tokens, 1, __ATOMIC_SEQ_CST);
  }
}

void FakeSocket::finish(uint16_t head) {
  const auto* const lengths = reinterpret_cast<const uint32_t*>(memory_ + layout_.tx_length);
  under_way_ -= slots_for(load_relaxed(lengths[head]));
  auto* const ring = reinterpret_cast<uint16_t*>(memory_ + layout_.tx_done);
  ring[done_produced_ & (layout_.tx_done_size - 1)] = head;
  store_seq_cst(page.tx_done_produced, ++done_produced_);
}

void FakeSocket::make_room() {
  if (load_seq_cst(page.full) == 0 || under_way_ > tx_slots_ * 2 / 3) return;
  __atomic_exchange_n(&page.full, 0, __ATOMIC_SEQ_CST);
  take_ballast();
}

void FakeSocket::take_returns() {
  const uint32_t produced = load_seq_cst(shared_->return_produced.value);
  for (; return_consumed_ != produced; ++return_consumed_) {
    const uint32_t slot = load_relaxed(returns_[return_consumed_ & return_mask_]);
    const auto lent = rx_lent_.find(slot);
    if (lent == rx_lent_.end()) std::abort();  // returned twice
    rx_free_.insert(rx_free_.end(), lent->second.begin(), lent->second.end());
    rx_lent_.erase(lent);
  }
}

void FakeSocket::set_error(int error) {
  store_seq_cst(page.error, static_cast<uint32_t>(error));
  send_token();
}

void FakeSocket::end_of_file() {
  __atomic_fetch_or(&page.shut, TLS_SHUT_RECEIVE, __ATOMIC_SEQ_CST);
  ::shutdown(pair_fd, SHUT_WR);
}

// ---------------------------------------------------------------- the daemon

struct FakeDaemon::Process {
  int fd = -1;
  int kicks_fd = -1;
  tls_kicks* kicks = nullptr;
  ~Process() {
    ::close(fd);
    if (kicks_fd >= 0) ::close(kicks_fd);
    if (kicks != nullptr) ::munmap(kicks, sizeof(*kicks));
  }
};

FakeDaemon::FakeDaemon(std::string path, const FakeGeometry& geometry)
    : path_(std::move(path)), geometry_(geometry) {
  ::unlink(path_.c_str());
  listener_ = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener_, 64) != 0) {
    std::abort();
  }
  doorbell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  thread_ = std::thread([this] { run(); });
}

FakeDaemon::~FakeDaemon() {
  stop_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_, &one, sizeof(one));
  thread_.join();
  ::close(listener_);
  ::close(doorbell_);
  ::close(wake_);
  ::unlink(path_.c_str());
}

void FakeDaemon::at_daemon(const std::function<void()>& work) {
  std::mutex mutex;
  std::condition_variable over;
  bool done = false;
  {
    const std::lock_guard lock(mutex_);
    work_.push_back([&] {
      work();
      const std::lock_guard told(mutex);
      done = true;
      over.notify_one();
    });
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_, &one, sizeof(one));
  std::unique_lock lock(mutex);
  over.wait(lock, [&] { return done; });
}

FakeSocket* FakeDaemon::socket_of(uint32_t index) {
  const auto found = sockets.find(index);
  return found == sockets.end() ? nullptr : found->second.get();
}

bool FakeDaemon::arm(bool on) {
  for (const auto& process : processes_) {
    if (process->kicks != nullptr) store_seq_cst(process->kicks->worker_armed, on ? 1 : 0);
  }
  return on;
}

void FakeDaemon::run() {
  while (!stop_) {
    bool busy = look_at_kicks();
    if (!busy) {
      arm(true);
      busy = look_at_kicks();
    }
    std::vector<pollfd> fds = {{doorbell_, POLLIN, 0}, {wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& process : processes_) fds.push_back({process->fd, POLLIN, 0});
    const size_t first_socket = fds.size();
    for (const auto& [index, socket] : sockets) fds.push_back({socket->pair_fd, 0, 0});
    ::poll(fds.data(), fds.size(), busy ? 0 : -1);
    arm(false);
    uint64_t count = 0;
    [[maybe_unused]] ssize_t n = ::read(doorbell_, &count, sizeof(count));
    n = ::read(wake_, &count, sizeof(count));
    std::vector<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(work_);
    }
    for (const auto& each : work) each();
    for (size_t i = first_socket; i < fds.size(); ++i) {
      if ((fds[i].revents & POLLHUP) != 0) look_at_hangups();
    }
    const size_t known = processes_.size();
    for (size_t i = 0; i < known && i + 3 < first_socket; ++i) {
      if (fds[i + 3].revents != 0) serve(*processes_[i]);
    }
    if ((fds[2].revents & POLLIN) != 0) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) {
        processes_.push_back(std::make_unique<Process>());
        processes_.back()->fd = fd;
      }
    }
    std::erase_if(processes_, [](const auto& process) { return process->fd < 0; });
  }
}

// A process is gone, perhaps in the middle of a call: between publishing and kicking, or between
// ballast and `full`.
void FakeDaemon::look_at_all() {
  for (const auto& [index, socket] : sockets) {
    store_seq_cst(socket->page.full, 1);
    socket->take_returns();
    drain(*socket);
  }
}

// What was closed without a word.
void FakeDaemon::look_at_hangups() {
  std::vector<uint32_t> gone;
  for (const auto& [index, socket] : sockets) {
    pollfd what{socket->pair_fd, 0, 0};
    if (socket->handle < 0 && ::poll(&what, 1, 0) == 1 && (what.revents & POLLHUP) != 0) {
      gone.push_back(index);
    }
  }
  for (const uint32_t index : gone) {
    drain(*sockets[index]);
    close_socket(*sockets[index]);
    sockets.erase(index);
  }
}

void FakeDaemon::close_socket(FakeSocket& socket) {
  socket.closed = true;
  if (socket.peer == nullptr) return;
  socket.peer->peer = nullptr;
  store_seq_cst(socket.peer->page.state, TLS_ENDED);
  __atomic_fetch_or(&socket.peer->page.shut, TLS_SHUT_SEND | TLS_SHUT_RECEIVE, __ATOMIC_SEQ_CST);
  socket.peer->end_of_file();
  socket.peer->take_ballast();
  socket.peer = nullptr;
}

bool FakeDaemon::look_at_kicks() {
  bool did = false;
  for (const auto& process : processes_) {
    if (process->kicks == nullptr) continue;
    tls_kicks& kicks = *process->kicks;
    for (uint32_t s = 0; s < TLS_MAX_SOCKETS / 64 / 64; ++s) {
      uint64_t words = __atomic_load_n(&kicks.summary[s], __ATOMIC_SEQ_CST);
      if (words != 0) words = __atomic_exchange_n(&kicks.summary[s], 0, __ATOMIC_SEQ_CST);
      for (; words != 0; words &= words - 1) {
        const auto word = s * 64 + static_cast<uint32_t>(__builtin_ctzll(words));
        uint64_t bits = __atomic_exchange_n(&kicks.bits[word], 0, __ATOMIC_SEQ_CST);
        for (; bits != 0; bits &= bits - 1) {
          FakeSocket* const socket =
              socket_of(word * 64 + static_cast<uint32_t>(__builtin_ctzll(bits)));
          if (socket == nullptr) continue;
          did = true;
          socket->take_returns();
          if (socket->peer != nullptr) drain(*socket->peer);
          drain(*socket);
        }
      }
    }
  }
  return did;
}

// Its submissions, as far as the peer has room.
bool FakeDaemon::drain(FakeSocket& socket) {
  bool delivered = false;
  std::vector<uint16_t> done;
  while (const tlr_submission* const front = socket.look()) {
    if (front->op == TLR_OP_SEND && socket.peer != nullptr) {
      if (!socket.peer->deliver(socket, *front)) break;
      delivered = true;
    }
    tlr_submission taken;
    if (!socket.take(taken)) break;
    if (taken.op == TLR_OP_SEND) done.push_back(static_cast<uint16_t>(taken.slot));
    if (taken.op == TLR_OP_SHUTDOWN && socket.peer != nullptr) {
      if (delivered) socket.peer->send_token();
      socket.peer->end_of_file();
    }
  }
  if (delivered && socket.peer != nullptr) socket.peer->send_token();
  if (!holds_acknowledgements) {
    for (const uint16_t head : done) socket.finish(head);
    socket.make_room();
  }
  return delivered;
}

void FakeDaemon::establish(FakeSocket& a, FakeSocket& b) {
  a.peer = &b;
  b.peer = &a;
  for (FakeSocket* socket : {&a, &b}) {
    tls_page& page = socket->page;
    page.local = loopback(socket->port);
    page.peer = loopback(socket->peer->port);
    page.outbound_streams = page.inbound_streams = 10;
    page.assoc_id = page.index + 3;
    page.fragment_point = 1400;
    page.worker = 0;
    store_seq_cst(page.state, TLS_ESTABLISHED);
    socket->take_ballast();
  }
}

int FakeDaemon::connect(FakeSocket& socket, const uint8_t* body, uint32_t size, int& value) {
  if (size < sizeof(sockaddr_in)) return -EINVAL;
  if (load_acquire(socket.page.state) == TLS_ESTABLISHED) return -EISCONN;
  if (load_acquire(socket.page.error) != 0) return -ERESTART;
  store_seq_cst(socket.page.state, TLS_CONNECTING);
  value = static_cast<int>(socket.page.index + 3);
  if (socket.port == 0) socket.port = next_port_++;
  if (!accepts_connects) return 0;
  for (const auto& [index, other] : sockets) {
    if (!other->listens || other->port != port_of(body)) continue;
    auto made = FakeSocket::create(next_index_++, socket.page.family, socket.page.type, geometry_);
    made->port = other->port;
    sockets[made->page.index] = made;
    establish(socket, *made);
    const uint8_t byte = TLS_ACCEPT_BYTE;
    send_descriptors(other->pair_fd, &byte, 1, nullptr, 0, {made->handle, made->memory_fd});
    ::close(made->handle);
    made->handle = -1;
    return 0;
  }
  store_seq_cst(socket.page.error, ECONNREFUSED);
  socket.send_token();
  socket.take_ballast();
  store_seq_cst(socket.page.state, TLS_FRESH);
  return 0;
}

void FakeDaemon::reply(Process& process, int error, int value, const void* body, uint32_t size,
                       const std::vector<int>& fds) {
  tls_reply head{};
  head.magic = TLS_MAGIC;
  head.error = error;
  head.value = value;
  head.length = size;
  send_descriptors(process.fd, &head, sizeof(head), body, size, fds);
}

void FakeDaemon::serve(Process& process) {
  uint8_t data[sizeof(tls_request) + TLS_MAX_BODY];
  iovec part{data, sizeof(data)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t n = ::recvmsg(process.fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < static_cast<ssize_t>(sizeof(tls_request))) {
    ::close(std::exchange(process.fd, -1));
    look_at_all();
    return;
  }
  int descriptor = -1;
  if (const cmsghdr* const c = CMSG_FIRSTHDR(&message)) {
    std::memcpy(&descriptor, CMSG_DATA(c), sizeof(descriptor));
  }
  tls_request request;
  std::memcpy(&request, data, sizeof(request));
  requests.push_back(static_cast<tls_request_kind>(request.kind));
  answer(process, request, data + sizeof(request),
         static_cast<uint32_t>(static_cast<size_t>(n) - sizeof(request)), descriptor);
  if (descriptor >= 0) ::close(descriptor);
}

void FakeDaemon::answer(Process& process, const tls_request& request, const uint8_t* body,
                        uint32_t size, int /*descriptor*/) {
  FakeSocket* const socket = socket_of(request.socket);
  int value = 0;
  switch (request.kind) {
    case TLS_HELLO: {
      ++attachments;
      process.kicks_fd = ::memfd_create("kicks", MFD_CLOEXEC);
      if (::ftruncate(process.kicks_fd, sizeof(tls_kicks)) != 0) std::abort();
      process.kicks = static_cast<tls_kicks*>(::mmap(
          nullptr, sizeof(tls_kicks), PROT_READ | PROT_WRITE, MAP_SHARED, process.kicks_fd, 0));
      return reply(process, 0, 1, nullptr, 0, {process.kicks_fd, doorbell_});
    }
    case TLS_SOCKET: {
      auto made = FakeSocket::create(next_index_++, static_cast<uint32_t>(request.a),
                                     static_cast<uint32_t>(request.b), geometry_);
      sockets[made->page.index] = made;
      reply(process, 0, 0, nullptr, 0, {made->handle, made->memory_fd});
      ::close(made->handle);
      made->handle = -1;
      return;
    }
    case TLS_IDENTIFY:
      // The tests have one socket when they ask.
      if (sockets.size() == 1) {
        return reply(process, 0, 0, nullptr, 0, {sockets.begin()->second->memory_fd});
      }
      return reply(process, -ENOTSOCK, 0);
    default:
      break;
  }
  if (socket == nullptr || socket->page.key != request.key) return reply(process, -EBADF, 0);
  switch (request.kind) {
    case TLS_BIND:
      if (size < sizeof(sockaddr_in)) return reply(process, -EINVAL, 0);
      socket->port = port_of(body) != 0 ? port_of(body) : next_port_++;
      socket->page.local = loopback(socket->port);
      return reply(process, 0, 0);
    case TLS_LISTEN:
      socket->listens = true;
      store_seq_cst(socket->page.state, TLS_LISTENING);
      return reply(process, 0, 0);
    case TLS_CONNECT:
      return reply(process, connect(*socket, body, size, value), value);
    case TLS_SET_OPTION:
      socket->options[{request.a, request.b}] = {body, body + size};
      return reply(process, 0, 0);
    case TLS_GET_OPTION: {
      const auto& kept = socket->options[{request.a, request.b}];
      const auto length = static_cast<uint32_t>(std::min<size_t>(kept.size(), request.length));
      return reply(process, 0, static_cast<int>(length), kept.data(), length);
    }
    case TLS_SHUTDOWN:
      return reply(process, 0, 0);
    case TLS_CLOSE:
      drain(*socket);
      close_socket(*socket);
      return reply(process, 0, 0);
    default:
      return reply(process, -EOPNOTSUPP, 0);
  }
}

}  // namespace trunkline::test
