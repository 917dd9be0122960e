// SPDX-License-Identifier: BSD-3-Clause
// Where the pools and tables of a shard, and the directory, get their memory: asked once at the
// start, given back at the end, and never touched before it is needed. Whoever embeds the stack may
// lay it on huge pages, on which a million associations are found with fewer misses.
#pragma once

#include <cstddef>

namespace trunkline {

class MemorySource {
 public:
  // `bytes` of zeros, aligned to a cache line at least; nullptr if there are none. To be had from
  // several threads at once. What nobody writes to should cost address space only.
  [[nodiscard]] virtual void* reserve(size_t bytes) noexcept = 0;
  virtual void release(void* memory, size_t bytes) noexcept = 0;

 protected:
  ~MemorySource() = default;
};

}  // namespace trunkline
