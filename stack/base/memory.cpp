// SPDX-License-Identifier: BSD-3-Clause
// Memory of the caller's, or from the heap. Large blocks of the heap come from the system as zeroed
// pages, which calloc() knows and does not touch.
#include <cstdint>
#include <cstdlib>

#include "base/reserved.h"

namespace trunkline {

// The heap's block begins before the memory; where, stands in the word before that.
void* reserve_zeroed(MemorySource* source, size_t bytes) {
  if (source != nullptr) return source->reserve(bytes);
  void* const block = std::calloc(bytes + kCacheLine + sizeof(void*), 1);
  if (block == nullptr) return nullptr;
  const auto after = reinterpret_cast<uintptr_t>(block) + sizeof(void*);
  const auto aligned = (after + kCacheLine - 1) & ~uintptr_t{kCacheLine - 1};
  reinterpret_cast<void**>(aligned)[-1] = block;
  return reinterpret_cast<void*>(aligned);
}

void release_zeroed(MemorySource* source, void* memory, size_t bytes) {
  if (source != nullptr) return source->release(memory, bytes);
  std::free(static_cast<void**>(memory)[-1]);
}

}  // namespace trunkline
