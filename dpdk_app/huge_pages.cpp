// SPDX-License-Identifier: BSD-3-Clause
// Anonymous mappings that begin on a huge page, of whole huge pages.
#include "huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace trunkline {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// What is small stays on small pages: a huge one would cost more memory than it saves misses.
size_t mapped_size(size_t bytes) {
  const size_t unit = bytes < kHugePage ? 4096 : kHugePage;
  return (bytes + unit - 1) & ~(unit - 1);
}

}  // namespace

void* HugePages::reserve(size_t bytes) noexcept {
  const size_t size = mapped_size(bytes);
  const size_t slack = size < kHugePage ? 0 : kHugePage;
  void* const all = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return nullptr;
  if (slack == 0) return all;
  // Only what lies on whole huge pages is kept.
  const auto from = reinterpret_cast<uintptr_t>(all);
  const uintptr_t first = (from + kHugePage - 1) & ~(kHugePage - 1);
  if (first > from) munmap(all, first - from);
  const uintptr_t end = from + size + slack;
  if (end > first + size) munmap(reinterpret_cast<void*>(first + size), end - first - size);
  auto* const memory = reinterpret_cast<void*>(first);
  static_cast<void>(madvise(memory, size, MADV_HUGEPAGE));  // refused: small pages, then
  return memory;
}

void HugePages::release(void* memory, size_t bytes) noexcept {
  munmap(memory, mapped_size(bytes));
}

HugePages& huge_pages() {
  static HugePages only;
  return only;
}

}  // namespace trunkline
