// SPDX-License-Identifier: BSD-3-Clause
// Survives the loss of memory that is shared with a program. A sealed memfd cannot shrink, but its
// pages can still be taken away (holes punched, memory limits), and touching one that cannot be had
// again raises SIGBUS. The handler maps anonymous zero pages over the whole segment, so that
// whoever touched it goes on, and marks the segment lost, so that its client, or its socket, is
// ended.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace trunkline::appring {

class SegmentGuard {
 public:
  struct Range {
    std::atomic<uintptr_t> base{
        0};                         // 0: free. Written by who adds and removes, read by the handler
    std::atomic<size_t> size{0};    // likewise
    std::atomic<bool> lost{false};  // written by the handler, read by workers and control
  };

  // Installs the handler once for the process. A SIGBUS elsewhere goes to the handler that was
  // there before. False if the kernel refuses.
  static bool install();
  // Watches a mapping; null when kMaxRanges are watched already. Any thread of control.
  static Range* add(void* base, size_t size);
  static void remove(Range* range);

  static constexpr size_t kMaxRanges = 1024 + 65536;  // clients, and sockets
};

}  // namespace trunkline::appring
