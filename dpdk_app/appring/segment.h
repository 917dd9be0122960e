// SPDX-License-Identifier: BSD-3-Clause
// One client's shared memory: a memfd of fixed size, sealed so that nobody can shrink or grow it,
// mapped into the daemon and watched by SegmentGuard. Made and destroyed by the control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "appring/segment_guard.h"
#include "trunkline/ring_abi.h"

namespace trunkline::appring {

class Segment {
 public:
  // Tests leave the seals off to take pages away for certain.
  enum class Seals : uint8_t { kOn, kOff };

  // `geometry` must be valid. Null with errno set when there is no memory or descriptor for it;
  // every page is allocated here, so that workers never wait for one.
  static std::unique_ptr<Segment> create(const tlr_geometry& geometry, Seals seals = Seals::kOn);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  [[nodiscard]] uint8_t* base() const { return base_; }
  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const tlr_geometry& geometry() const { return geometry_; }
  [[nodiscard]] uint8_t* channel(uint32_t lane, uint32_t worker) const {
    return base_ + tlr_channel_offset(&geometry_, lane, worker);
  }
  // The memory is gone and reads as zeros. Any thread.
  [[nodiscard]] bool lost() const { return range_->lost.load(std::memory_order_relaxed); }

 private:
  Segment() = default;

  uint8_t* base_ = nullptr;
  size_t size_ = 0;
  int fd_ = -1;
  tlr_geometry geometry_{};
  SegmentGuard::Range* range_ = nullptr;
};

}  // namespace trunkline::appring
