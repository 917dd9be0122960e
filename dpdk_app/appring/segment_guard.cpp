// SPDX-License-Identifier: BSD-3-Clause
// The SIGBUS handler and its table of watched mappings. Signal handlers belong to the process, so
// this is one of the few places with process-wide state; the handler reads atomics and calls
// mmap(), nothing else.
#include "appring/segment_guard.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>

namespace trunkline::appring {
namespace {

std::array<SegmentGuard::Range, SegmentGuard::kMaxRanges> g_ranges;
// Beyond this one none has been used. Written under the lock, read by the handler.
std::atomic<size_t> g_touched{0};
std::mutex g_lock;    // of those who add and remove
size_t g_search = 0;  // no free one is below; under the lock
struct sigaction g_previous;
std::atomic<bool> g_installed{false};

bool cover(uintptr_t address) {
  const size_t touched = g_touched.load(std::memory_order_acquire);
  for (size_t i = 0; i < touched; ++i) {
    SegmentGuard::Range& range = g_ranges[i];
    const uintptr_t base = range.base.load(std::memory_order_acquire);
    if (base == 0 || address < base) continue;
    const size_t size = range.size.load(std::memory_order_relaxed);
    if (address - base >= size) continue;
    // Marked first: whoever sees the zeros also sees that they mean nothing.
    range.lost.store(true, std::memory_order_seq_cst);
    void* const at = reinterpret_cast<void*>(base);  // NOLINT(performance-no-int-to-ptr): atomic
    return mmap(at, size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           at;
  }
  return false;
}

void on_sigbus(int number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const bool covered = cover(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = saved_errno;
  if (covered) return;
  if ((g_previous.sa_flags & SA_SIGINFO) != 0 && g_previous.sa_sigaction != nullptr) {
    g_previous.sa_sigaction(number, info, context);
    return;
  }
  if (g_previous.sa_handler != SIG_DFL && g_previous.sa_handler != SIG_IGN) {
    g_previous.sa_handler(number);
    return;
  }
  // Not ours: let the access fault again and end the process as it would have without us.
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(SIGBUS, &fallback, nullptr);
}

}  // namespace

bool SegmentGuard::install() {
  if (g_installed.exchange(true)) return true;
  struct sigaction action = {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, &action, &g_previous) == 0) return true;
  g_installed.store(false);
  return false;
}

SegmentGuard::Range* SegmentGuard::add(void* base, size_t size) {
  const std::lock_guard lock(g_lock);
  for (size_t i = g_search; i < g_ranges.size(); ++i) {
    Range& range = g_ranges[i];
    if (range.base.load(std::memory_order_relaxed) != 0) continue;
    range.lost.store(false, std::memory_order_relaxed);
    range.size.store(size, std::memory_order_relaxed);
    range.base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
    g_search = i + 1;
    if (g_touched.load(std::memory_order_relaxed) <= i) {
      g_touched.store(i + 1, std::memory_order_release);
    }
    return &range;
  }
  return nullptr;
}

void SegmentGuard::remove(Range* range) {
  if (range == nullptr) return;
  const std::lock_guard lock(g_lock);
  range->base.store(0, std::memory_order_release);
  g_search = std::min(g_search, static_cast<size_t>(range - g_ranges.data()));
}

}  // namespace trunkline::appring
