// SPDX-License-Identifier: BSD-3-Clause
// Making a socket's memory and its pair; tokens and ballast.
#include "sockets/socket_end.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace trunkline::sockets {
namespace {

constexpr uint32_t kLargestBallast = 16384;
constexpr uint32_t kLinuxBuffer = 212992;  // net.core.{w,r}mem_default

// [0] for the daemon, [1] for the program.
bool make_handle_pair(std::array<int, 2>& fds) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0) return false;
  const int least = 1;  // the kernel has a minimum
  // No descriptors come this way; a kernel that does not know the option is guarded against where
  // the bytes are read.
  pass_rights(fds[0], false);
  if (fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 &&
      setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)) == 0) {
    return true;
  }
  const int error = errno;
  close(fds[0]);
  close(fds[1]);
  errno = error;
  return false;
}

// Descriptors that a program sends to itself, it never sees again: whoever takes them out of the
// queue closes them, and closing may take as long as the program likes (SO_LINGER, FUSE). So what
// they lie with stays where it is.
void empty(int pair_fd) {
  std::array<uint8_t, 8192> room;
  // Whoever writes all the time gains nothing by it.
  for (int i = 0; i < 4; ++i) {
    iovec part{room.data(), room.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t there = recvmsg(pair_fd, &message, MSG_DONTWAIT | MSG_PEEK);
    if (there <= 0 || (message.msg_flags & MSG_CTRUNC) != 0) return;
    recv(pair_fd, room.data(), static_cast<size_t>(there), MSG_DONTWAIT);
  }
}

bool is_full(int handle) {
  struct pollfd at = {handle, POLLOUT, 0};
  if (poll(&at, 1, 0) != 0) return false;
  return send(handle, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN;
}

bool make_lock(tls_lock& lock) {
  pthread_mutexattr_t attributes;
  if (const int error = pthread_mutexattr_init(&attributes); error != 0) {
    errno = error;
    return false;
  }
  int error = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  if (error == 0) error = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  if (error == 0) error = pthread_mutex_init(&lock.mutex, &attributes);
  pthread_mutexattr_destroy(&attributes);
  errno = error;
  return error == 0;
}

}  // namespace

void pass_rights(int fd, bool on) {
#ifndef SO_PASSRIGHTS
  constexpr int SO_PASSRIGHTS = 83;  // Linux 6.16
#endif
  const int value = on ? 1 : 0;
  setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &value, sizeof(value));
}

uint32_t SocketEnd::find_ballast() {
  std::array<int, 2> fds;
  if (!make_handle_pair(fds)) return 0;
  const std::vector<uint8_t> bytes(kLargestBallast);
  uint32_t found = 0;
  for (uint32_t size = 64; size <= kLargestBallast && found == 0; size += 64) {
    if (send(fds[1], bytes.data(), size, MSG_DONTWAIT) != static_cast<ssize_t>(size)) break;
    if (is_full(fds[1])) found = size;
    empty(fds[0]);
  }
  close(fds[0]);
  close(fds[1]);
  if (found == 0) errno = ENOBUFS;
  return found;
}

tlr_geometry SocketEnd::default_geometry() {
  tlr_geometry out{};
  out.lanes = out.workers = 1;
  out.submission_size = 2048;
  out.completion_size = 4096;
  out.return_size = 2048;
  out.tx_slots = out.rx_slots = 2048;
  out.slot_size = 512;
  out.send_credit = out.tx_slots;
  out.max_operations = out.completion_size / 2;
  return out;
}

std::unique_ptr<SocketEnd> SocketEnd::create(uint32_t index, uint64_t key, uint32_t family,
                                             uint32_t type, const Geometry& geometry,
                                             std::shared_ptr<SocketUser> user,
                                             const SocketRole& role) {
  if (tlr_geometry_valid(&geometry.rings) == 0 || index >= TLS_MAX_SOCKETS) {
    errno = EINVAL;
    return nullptr;
  }
  if (!appring::SegmentGuard::install()) return nullptr;
  std::unique_ptr<SocketEnd> out(new SocketEnd);
  out->index_ = index;
  out->family_ = family;
  out->ballast_ = geometry.ballast;
  out->user_ = std::move(user);
  out->front_ = role.front;
  out->ready_.resize(role.front_of_workers);
  const uint32_t rings = role.front_of_workers != 0 ? role.front_of_workers + 1u : 0u;
  if (!out->make_memory(geometry.rings, rings)) return nullptr;
  if (role.front == nullptr && !out->make_pair()) return nullptr;
  if (!out->fill_page(key, type, geometry)) return nullptr;
  out->channel_ = std::make_unique<SocketChannel>(out->memory_, geometry.rings);
  return out;
}

// Sparse: pages come when they are needed.
bool SocketEnd::make_memory(const tlr_geometry& geometry, uint32_t ready_rings) {
  size_ = tls_size_of(&geometry, ready_rings);
  memory_fd_ = memfd_create("trunkline-socket", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memory_fd_ < 0 || ftruncate(memory_fd_, static_cast<off_t>(size_)) != 0) return false;
  if (fcntl(memory_fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return false;
  void* const base = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd_, 0);
  if (base == MAP_FAILED) return false;
  memory_ = static_cast<uint8_t*>(base);
  page_ = reinterpret_cast<tls_page*>(memory_);
  for (uint32_t i = 0; i < ready_.size(); ++i) {
    ready_[i].ring = reinterpret_cast<tls_ready*>(memory_ + tls_ready_at(&geometry, i));
  }
  page_->ready_rings = ready_rings;
  range_ = appring::SegmentGuard::add(base, size_);
  if (range_ == nullptr) errno = ENOMEM;
  return range_ != nullptr;
}

bool SocketEnd::make_pair() {
  std::array<int, 2> fds;
  if (!make_handle_pair(fds)) return false;
  pair_fd_ = fds[0];
  handle_ = fds[1];
  return true;
}

bool SocketEnd::fill_page(uint64_t key, uint32_t type, const Geometry& geometry) {
  tls_page& page = *page_;
  page.magic = TLS_MAGIC;
  page.abi_version = TLS_ABI_VERSION;
  page.index = index_;
  page.key = key;
  page.segment_size = size_;
  page.family = family_;
  page.type = type;
  page.ballast = geometry.ballast;
  page.geometry = geometry.rings;
  page.state = TLS_FRESH;
  page.worker = TLS_NO_WORKER;
  page.front = front_ != nullptr ? front_->index() : TLS_NO_FRONT;
  page.options.mapped_v4 = 1;
  page.send_buffer = page.receive_buffer = kLinuxBuffer;
  // The table of free slots lies in the same page of memory, or nearly so. Lowest on top.
  const uint32_t slots = geometry.rings.tx_slots;
  auto* const free = reinterpret_cast<uint16_t*>(memory_ + tls_layout_of(&geometry.rings).tx_free);
  for (uint32_t i = 0; i < slots; ++i) free[i] = static_cast<uint16_t>(slots - 1 - i);
  page.tx_free_count = slots;
  return make_lock(page.send_lock) && make_lock(page.receive_lock);
}

SocketEnd::~SocketEnd() {
  channel_.reset();
  appring::SegmentGuard::remove(range_);
  if (memory_ != nullptr) munmap(memory_, size_);
  for (const int fd : {memory_fd_, pair_fd_, handle_}) {
    if (fd >= 0) close(fd);
  }
}

int SocketEnd::take_handle() {
  return std::exchange(handle_, -1);
}

int SocketEnd::take_pair() {
  return std::exchange(pair_fd_, -1);
}

bool SocketEnd::put_ballast() {
  const std::vector<uint8_t> bytes(ballast_);
  return handle_ >= 0 && send(handle_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
                             static_cast<ssize_t>(bytes.size());
}

void SocketEnd::take_ballast() {
  empty(is_member() ? front_->pair_fd_ : pair_fd_);
}

// Never more of them than fit: so it fails only if nobody has the handle any more, or nobody may
// send to it.
bool SocketEnd::send_token() {
  if (is_member()) return front_->send_token();
  uint32_t tokens = load_seq_cst(page_->tokens);
  do {
    if (tokens != 0 && load_seq_cst(page_->edge) == 0) return false;
    if (tokens >= TLS_MAX_TOKENS) return false;
  } while (!__atomic_compare_exchange_n(&page_->tokens, &tokens, tokens + 1, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  const uint8_t byte = TLS_TOKEN_BYTE;
  if (send(pair_fd_, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) return true;
  tokens = load_seq_cst(page_->tokens);
  while (tokens != 0 && !__atomic_compare_exchange_n(&page_->tokens, &tokens, tokens - 1, false,
                                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return false;
}

void SocketEnd::send_end() {
  if (!is_member()) shutdown(pair_fd_, SHUT_WR);
}

// ---------------------------------------------------------------- members and fronts

bool SocketEnd::announce(uint16_t worker) {
  if (!is_member()) return send_token();
  if (__atomic_exchange_n(&page_->queued, 1, __ATOMIC_SEQ_CST) == 0) {
    front_->push_ready(worker, {index_, channel_->completions_published()});
  }
  return front_->send_token();
}

// As many fit as there are sockets: a ring is full only if its holders do what none should, and
// then it is they who miss something.
void SocketEnd::push_ready(uint16_t worker, tls_ready_entry entry) {
  Ready& ready = ready_[worker];
  if (ready.produced - load_acquire(ready.ring->consumed.value) >= TLS_READY_SIZE) return;
  tls_ready_entry& at = ready.ring->entries[ready.produced % TLS_READY_SIZE];
  store_relaxed(at.index, entry.index);
  store_relaxed(at.until, entry.until);
  store_seq_cst(ready.ring->produced.value, ++ready.produced);
}

void SocketEnd::wake_connectors() {
  if (!is_member() || load_seq_cst(page_->waiting) == 0) return;
  syscall(SYS_futex, &page_->state, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

void SocketEnd::leave_front() {
  on_its_own_ = true;
  store_seq_cst(page_->front, TLS_NO_FRONT);
  // Who waits at the front for room in here waits for nothing.
  if (load_seq_cst(page_->full) != 0) empty(front_->pair_fd_);
  if (channel_->has_unread()) send_token();
}

void SocketEnd::set_names(const tls_name& local, const tls_name& peer) {
  const uint32_t before = load_relaxed(page_->names) | 1;
  store_seq_cst(page_->names, before);
  page_->local = local;
  page_->peer = peer;
  store_seq_cst(page_->names, before + 1);
}

void SocketEnd::set_error(int error) {
  store_seq_cst(page_->error, static_cast<uint32_t>(error));
  send_token();
}

tls_name name_of(const IpAddress& address, PortNumber port, uint32_t family, bool mapped) {
  tls_name out{};
  if (address.is_none()) return out;
  const uint16_t network_port = htons(port.value);
  if (address.is_ipv4() && (family == AF_INET || !mapped)) {
    struct sockaddr_in at = {};
    at.sin_family = AF_INET;
    at.sin_port = network_port;
    std::memcpy(&at.sin_addr, address.bytes().data(), 4);
    out.length = sizeof(at);
    std::memcpy(out.bytes, &at, sizeof(at));
    return out;
  }
  struct sockaddr_in6 at = {};
  at.sin6_family = AF_INET6;
  at.sin6_port = network_port;
  auto* const bytes = reinterpret_cast<uint8_t*>(&at.sin6_addr);
  if (address.is_ipv4()) {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes + 12, address.bytes().data(), 4);
  } else {
    std::memcpy(bytes, address.bytes().data(), 16);
  }
  out.length = sizeof(at);
  std::memcpy(out.bytes, &at, sizeof(at));
  return out;
}

}  // namespace trunkline::sockets
