// SPDX-License-Identifier: BSD-3-Clause
// A bounded ring of captured frames from a worker to a writer thread, and the filter that the
// worker applies. The worker never waits: what does not fit is counted and lost.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "capture/pcapng.h"
#include "trunkline/stack/address.h"

namespace trunkline::capture {

// What of a frame the filter can look at. `sctp` false: only the port decides.
struct FrameFacts {
  uint16_t port = 0;
  bool sctp = false;
  uint16_t local_port = 0;
  uint16_t peer_port = 0;
  IpAddress peer;
};

struct Filter {
  std::optional<uint16_t> port;  // index
  // One association: its ports and any of the peer's addresses.
  bool by_association = false;
  uint16_t local_port = 0;
  uint16_t peer_port = 0;
  std::vector<IpAddress> peers;

  [[nodiscard]] bool matches(const FrameFacts& facts) const {
    if (port && *port != facts.port) return false;
    if (!by_association) return true;
    if (!facts.sctp || facts.local_port != local_port || facts.peer_port != peer_port) return false;
    for (const IpAddress& peer : peers) {
      if (peer == facts.peer) return true;
    }
    return false;
  }
};

class Tap {
 public:
  struct Record {
    int64_t time_ns = 0;  // on the worker's time line
    uint32_t length = 0;  // bytes that follow
    uint16_t port = 0;
    Direction direction = Direction::kIn;
    uint8_t reserved = 0;
    uint32_t drop = 0;  // 1 + NetCounter of the drop, 0: not dropped
    uint32_t pad = 0;
  };

  // `size` is a power of two.
  Tap(size_t size, Filter filter)
      : filter_(std::move(filter)), mask_(size - 1), bytes_(std::make_unique<uint8_t[]>(size)) {}

  [[nodiscard]] const Filter& filter() const { return filter_; }

  // -- worker
  void push(const Record& record, std::span<const uint8_t> frame) {
    const size_t need = space_for(record.length);
    const uint64_t head = head_.load(std::memory_order_relaxed);
    if (mask_ + 1 - (head - tail_.load(std::memory_order_acquire)) < need) {
      lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      return;
    }
    copy_in(head, {reinterpret_cast<const uint8_t*>(&record), sizeof record});
    copy_in(head + sizeof record, frame.first(record.length));
    head_.store(head + need, std::memory_order_release);
  }

  // -- writer thread
  // The next record and its bytes (valid until the next call), or false.
  bool pop(Record& record, std::vector<uint8_t>& frame) {
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail == head_.load(std::memory_order_acquire)) return false;
    copy_out(tail, {reinterpret_cast<uint8_t*>(&record), sizeof record});
    frame.resize(record.length);
    copy_out(tail + sizeof record, frame);
    tail_.store(tail + space_for(record.length), std::memory_order_release);
    return true;
  }
  // Frames that did not fit.
  [[nodiscard]] uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

 private:
  static size_t space_for(size_t length) { return sizeof(Record) + (length + 7) / 8 * 8; }
  void copy_in(uint64_t at, std::span<const uint8_t> data) {
    if (data.empty()) return;
    const size_t offset = at & mask_;
    const size_t first = std::min(data.size(), mask_ + 1 - offset);
    std::memcpy(&bytes_[offset], data.data(), first);
    std::memcpy(&bytes_[0], data.data() + first, data.size() - first);
  }
  void copy_out(uint64_t at, std::span<uint8_t> out) const {
    if (out.empty()) return;
    const size_t offset = at & mask_;
    const size_t first = std::min(out.size(), mask_ + 1 - offset);
    std::memcpy(out.data(), &bytes_[offset], first);
    std::memcpy(out.data() + first, &bytes_[0], out.size() - first);
  }

  const Filter filter_;
  const size_t mask_;
  const std::unique_ptr<uint8_t[]> bytes_;
  alignas(64) std::atomic<uint64_t> head_{0};  // worker writes, writer reads
  std::atomic<uint64_t> lost_{0};              // worker writes, writer reads
  alignas(64) std::atomic<uint64_t> tail_{0};  // writer writes, worker reads
  static_assert(std::atomic<uint64_t>::is_always_lock_free);
};

}  // namespace trunkline::capture
