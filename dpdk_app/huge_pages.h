// SPDX-License-Identifier: BSD-3-Clause
// Memory of shards and directory on huge pages, where the kernel gives them (madvise): a million
// associations are found with fewer misses of the TLB. Address space until it is touched.
#pragma once

#include "trunkline/stack/memory.h"

namespace trunkline {

class HugePages final : public MemorySource {
 public:
  void* reserve(size_t bytes) noexcept override;
  void release(void* memory, size_t bytes) noexcept override;
};

// The one that everything shares: it has no state.
[[nodiscard]] HugePages& huge_pages();

}  // namespace trunkline
