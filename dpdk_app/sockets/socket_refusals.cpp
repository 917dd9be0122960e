// SPDX-License-Identifier: BSD-3-Clause
// Who gets no socket, and why. What is there already is never taken away for somebody new.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "sockets/socket_core.h"

namespace trunkline::sockets {

int SocketCore::refused(uint64_t& counter, int error) {
  ++counter;
  return error;
}

int SocketCore::refusal_of_maker(const Process& maker) {
  if (maker.sockets < config_.limits.max_sockets_per_process) return 0;
  return refused(counters_.refused_process_sockets, EMFILE);
}

int SocketCore::refusal(uint32_t uid, const Process* maker) {
  const Use& use = uses_[uid];
  const auto all = static_cast<uint32_t>(sockets_.size());
  if (maker != nullptr) {
    if (const int error = refusal_of_maker(*maker)) return error;
  }
  if (use.taken() >= room_.sockets_per_uid) {
    return refused(counters_.refused_user_sockets, ENFILE);
  }
  if (SocketRoom::taken(all, held_) >= room_.sockets) {
    const bool mappings = room_.refused_sockets == &ServerCounters::refused_mappings;
    return refused(counters_.*room_.refused_sockets, mappings ? ENOMEM : ENFILE);
  }
  if (use.bytes + socket_bytes_ > config_.limits.max_memory_per_uid) {
    return refused(counters_.refused_user_memory, ENOBUFS);
  }
  if (use.resident >= room_.resident_per_uid) {
    return refused(counters_.refused_user_resident, ENOBUFS);
  }
  return 0;
}

// Peers get no more than a part of what a user may have: its programs can still make some.
int SocketCore::refusal_of_peer(uint32_t uid) {
  if (uses_[uid].taken() >= room_.accepted_per_uid) {
    return refused(counters_.refused_user_sockets, ENFILE);
  }
  return refusal(uid, nullptr);
}

// Those whose descriptors are still being closed count, too.
int SocketCore::refusal_of_process(uint32_t uid) {
  if (processes_.size() - handshakes_.size() >= room_.processes) {
    return refused(counters_.*room_.refused_processes, ENFILE);
  }
  if (uses_[uid].processes + closers_.under_way(uid) >= room_.processes_per_uid) {
    return refused(counters_.refused_user_processes, ENFILE);
  }
  return 0;
}

// As the kernel says it of its own tables.
int SocketCore::failure(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
      return refused(counters_.refused_descriptors, ENFILE);
    case ENOMEM:
      return refused(counters_.refused_mappings, ENOMEM);
    default:
      return refused(counters_.refused_system, ENOBUFS);
  }
}

// RFC 9260, 3.3.10.4: its peer gets an ABORT. The others of its listener go on.
void SocketCore::refuse_association(const News& news) {
  ++counters_.refused_associations;
  workers_.refuse(news.worker, news.assoc);
}

// Pages of its memory that somebody has touched.
void SocketCore::measure(Socket& socket) {
  struct stat about {};
  if (fstat(socket.end->memory_fd(), &about) != 0) return;
  const uint64_t now = static_cast<uint64_t>(about.st_blocks) * 512;
  uint64_t& all = uses_[socket.user->uid].resident;
  all = all - socket.resident + now;
  socket.resident = now;
}

// Some of them each time, so that a turn costs little.
void SocketCore::measure_some() {
  if (sockets_.empty()) return;
  const Clock::time_point now = Clock::now();
  if (now < next_measure_) return;
  next_measure_ = now + kMeasurePeriod;
  size_t looks = std::min<size_t>(by_index_.size(), 1024);
  for (size_t measures = 16; measures > 0 && looks > 0; --looks) {
    measured_ = (measured_ + 1) % by_index_.size();
    if (by_index_[measured_] == nullptr) continue;
    measure(*by_index_[measured_]);
    --measures;
  }
}

}  // namespace trunkline::sockets
