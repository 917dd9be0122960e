// SPDX-License-Identifier: BSD-3-Clause
// How programs get a worker's attention: kick areas, doorbells, and sleeping.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>
#include <utility>

#include "sockets/socket_bridge.h"

namespace trunkline::sockets {
namespace {

constexpr uint32_t kSummaryWords = TLS_MAX_SOCKETS / 64 / 64;

uint64_t take_all(uint64_t& word) {
  return __atomic_exchange_n(&word, 0, __ATOMIC_SEQ_CST);
}

void put_back(uint64_t& word, uint64_t bits) {
  if (bits != 0) __atomic_fetch_or(&word, bits, __ATOMIC_SEQ_CST);
}

bool watch(int epoll_fd, int fd) {
  struct epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = fd;
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

SocketBridge::SocketBridge(const SocketBridgeConfig& config, Shard& shard, SocketMail& mail)
    : config_(config),
      shard_(shard),
      mail_(mail),
      share_(config.max_units, config.max_users),
      socket_memory_(appring::TableMemory::room<SocketEnd*>(TLS_MAX_SOCKETS)),
      sockets_(socket_memory_.take<SocketEnd*>(TLS_MAX_SOCKETS)),
      assocs_(config.max_associations),
      first_of_port_(size_t{UINT16_MAX} + 1, kNone),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_fd_ < 0 || !watch(epoll_fd_, mail_.worker_fd())) {
    throw std::runtime_error("sockets: no descriptors left; raise the limit of open files");
  }
}

SocketBridge::~SocketBridge() {
  // Messages that wait, parked or not, are the shard's, which goes next.
  parked_.clear();
  for (uint32_t index = 0; index < TLS_MAX_SOCKETS; ++index) {
    if (sockets_[index] != nullptr) sockets_[index]->channel().forget_waiting();
  }
  ::close(epoll_fd_);
}

void SocketBridge::add_process(const KickArea& area) {
  processes_.push_back({area});
  // Every ring is news, and nobody has to read the event fd: nobody can hide another's ring.
  [[maybe_unused]] const bool watched = watch(epoll_fd_, area.doorbell);
}

void SocketBridge::remove_process(const KickArea& area) {
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, area.doorbell, nullptr);
  std::erase_if(processes_, [&](const Process& p) { return p.area.kicks == area.kicks; });
  // It may have ended in the middle of a call, while all other holders wait: after it published and
  // before it kicked, or with the ballast in and `full` not yet set.
  for (const Assoc& assoc : assocs_) {
    if (assoc.socket == nullptr || assoc.socket->notes.connecting) continue;
    store_seq_cst(assoc.socket->page().full, 1);
    if (std::exchange(assoc.socket->notes.again, true)) continue;
    again_.push_back(assoc.socket);
  }
}

// Each of those that kick gets its part of the looks of a turn, by how many there were in the last
// one; who got none because all had gone to others is the first in the next.
size_t SocketBridge::take_all_kicks(TimePoint now) {
  const uint32_t each = std::clamp(config_.all_looks / kickers_, 1u, config_.looks);
  uint32_t left = config_.all_looks;
  uint32_t kickers = 0;
  size_t done = 0;
  const size_t first = next_process_ % processes_.size();
  for (size_t i = 0; i < processes_.size(); ++i) {
    const size_t at = (first + i) % processes_.size();
    if (left == 0) {
      next_process_ = at;
      kickers *= 2;  // at least: there are more than these
      break;
    }
    uint32_t looks = std::min(each, left);
    const uint32_t before = looks;
    done += take_kicks(now, processes_[at], looks);
    left -= before - looks;
    if (looks != before) ++kickers;
  }
  kickers_ = std::max(kickers, 1u);
  return done;
}

// At most `looks` sockets of a process, and another part of its words first each time.
size_t SocketBridge::take_kicks(TimePoint now, Process& process, uint32_t& looks) {
  tls_kicks& kicks = *process.area.kicks;
  size_t done = 0;
  for (uint32_t i = 0; i < kSummaryWords && looks != 0; ++i) {
    const uint32_t at = (process.next_word + i) % kSummaryWords;
    uint64_t words = __atomic_load_n(&kicks.summary[at], __ATOMIC_RELAXED);
    if (words == 0) continue;
    words = take_all(kicks.summary[at]);
    while (words != 0 && looks != 0) {
      const auto bit = static_cast<uint32_t>(std::countr_zero(words));
      words &= words - 1;
      done += take_word(now, kicks, at * 64 + bit, looks);
    }
    put_back(kicks.summary[at], words);
    if (looks == 0) process.next_word = at + 1;
  }
  return done;
}

size_t SocketBridge::take_word(TimePoint now, tls_kicks& kicks, uint32_t word, uint32_t& looks) {
  uint64_t bits = take_all(kicks.bits[word]);
  size_t done = 0;
  while (bits != 0 && looks != 0) {
    const uint32_t index = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
    bits &= bits - 1;
    --looks;
    SocketEnd* const socket = sockets_[index];
    if (socket == nullptr) {
      count(SocketCounter::k_drop_kick);
      continue;
    }
    count(SocketCounter::k_socket_kicks);
    done += 1 + look_at(now, *socket);
  }
  if (bits != 0) {
    put_back(kicks.bits[word], bits);
    put_back(kicks.summary[word / 64], uint64_t{1} << (word % 64));
  }
  return done;
}

void SocketBridge::arm() {
  for (const Process& process : processes_) {
    store_seq_cst(process.area.kicks->worker_armed, 1);
  }
}

bool SocketBridge::has_work() const {
  if (mail_.has_mail() || !dirty_.empty() || !changed_.empty()) return true;
  if (!again_.empty() && (retry_ || std::any_of(again_.begin(), again_.end(),
                                                [](SocketEnd* s) { return !s->notes.stalled; }))) {
    return true;
  }
  for (const Process& process : processes_) {
    for (const uint64_t& words : process.area.kicks->summary) {
      if (__atomic_load_n(&words, __ATOMIC_SEQ_CST) != 0) return true;
    }
  }
  return false;
}

void SocketBridge::disarm() {
  for (const Process& process : processes_) {
    store_relaxed(process.area.kicks->worker_armed, 0);
  }
}

void SocketBridge::wait_over() {
  std::array<struct epoll_event, 64> events;
  epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), 0);
}

}  // namespace trunkline::sockets
