// SPDX-License-Identifier: BSD-3-Clause
// The registry of polling workers, and the hook that makes drivers wait for them.
//
// DPDK 22.11's memif clears its "connected" flag, unregisters its control channel from the
// interrupt thread and then unmaps the regions, all in one function without a callback. The middle
// step is a call into librte_eal, so a definition of that function in the executable comes first:
// it waits until no worker is inside a burst, then does what the original does. From then on
// every burst sees the cleared flag.
#include "port/poll_guard.h"

#include <dlfcn.h>
#include <rte_interrupts.h>

#include <chrono>
#include <mutex>
#include <thread>

namespace trunkline::port {
namespace {
std::mutex registry_mutex;
PollGuard* registry = nullptr;
}  // namespace

PollGuard::PollGuard() {
  const std::lock_guard lock(registry_mutex);
  next_ = registry;
  registry = this;
}

PollGuard::~PollGuard() {
  const std::lock_guard lock(registry_mutex);
  PollGuard** link = &registry;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

bool PollGuard::wait_all_outside() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  const std::lock_guard lock(registry_mutex);
  for (const PollGuard* guard = registry; guard != nullptr; guard = guard->next_) {
    const uint64_t passes = guard->passes_.load(std::memory_order_seq_cst);
    while (guard->inside_.load(std::memory_order_seq_cst) &&
           guard->passes_.load(std::memory_order_seq_cst) == passes) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      std::this_thread::yield();
    }
  }
  return true;
}

}  // namespace trunkline::port

extern "C" __attribute__((visibility("default"))) int rte_intr_callback_unregister(
    const struct rte_intr_handle* intr_handle, rte_intr_callback_fn cb, void* cb_arg) {
  using Function = int (*)(const struct rte_intr_handle*, rte_intr_callback_fn, void*);
  static const auto original =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "rte_intr_callback_unregister"));
  static_cast<void>(trunkline::port::PollGuard::wait_all_outside());
  return original != nullptr ? original(intr_handle, cb, cb_arg) : -1;
}
