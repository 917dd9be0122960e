// SPDX-License-Identifier: BSD-3-Clause
// Bells and the table of rings.
#include "worker/hand_over.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>

namespace trunkline::worker {

Bell::Bell() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::runtime_error("no event fd for a worker's bell");
}

Bell::~Bell() {
  close(fd_);
}

bool Bell::ring() {
  if (!armed_.load(std::memory_order_seq_cst)) return false;
  if (!armed_.exchange(false, std::memory_order_seq_cst)) return false;  // another one was quicker
  const uint64_t one = 1;
  static_cast<void>(!write(fd_, &one, sizeof one));
  return true;
}

void Bell::acknowledge() {
  uint64_t count = 0;
  static_cast<void>(!read(fd_, &count, sizeof count));
}

HandOvers::HandOvers(uint16_t workers) : workers_(workers) {
  for (size_t i = 0; i < size_t{workers} * workers; ++i) {
    rings_.push_back(std::make_unique<Ring>(kRing));
  }
  for (size_t i = 0; i < workers; ++i) bells_.push_back(std::make_unique<Bell>());
}

bool HandOvers::nothing_for(uint16_t worker) {
  for (uint16_t from = 0; from < workers_; ++from) {
    if (!ring(from, worker).empty()) return false;
  }
  return true;
}

}  // namespace trunkline::worker
