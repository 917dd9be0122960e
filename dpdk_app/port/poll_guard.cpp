// SPDX-License-Identifier: BSD-3-Clause
// The registry of polling workers, and the hook that makes drivers wait for them.
//
// DPDK 22.11's memif clears its "connected" flag, unregisters its control channel from the
// interrupt thread and then unmaps the regions, all in one function without a callback. The middle
// step is a call into librte_eal, so a definition of that function in the executable comes first:
// it waits until no worker is inside a burst, then does what the original does. From then on
// every burst sees the cleared flag. The same call, and the one that registers, say which control
// channels there are.
#include "port/poll_guard.h"

#include <dlfcn.h>
#include <rte_interrupts.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace trunkline::port {
namespace {
std::mutex registry_mutex;
PollGuard* registry = nullptr;

struct Callback {
  uint64_t serial;
  const rte_intr_handle* handle;
  rte_intr_callback_fn function;
};
std::mutex callbacks_mutex;
// By their argument. Never destroyed, since the interrupt thread outlives main().
auto& callbacks = *new std::map<void*, Callback>;
uint64_t next_serial = 1;
thread_local uint64_t last_serial = 0;  // of this thread

void note_registered(const rte_intr_handle* handle, rte_intr_callback_fn function, void* argument) {
  const std::lock_guard lock(callbacks_mutex);
  last_serial = next_serial++;
  callbacks[argument] = {last_serial, handle, function};
}

void note_unregistered(void* argument) {
  const std::lock_guard lock(callbacks_mutex);
  callbacks.erase(argument);
}

// Its argument and what else is known of it.
std::optional<std::pair<void*, Callback>> find_callback(uint64_t serial) {
  const std::lock_guard lock(callbacks_mutex);
  for (const auto& [argument, callback] : callbacks) {
    if (callback.serial == serial) return std::pair(argument, callback);
  }
  return std::nullopt;
}

}  // namespace

uint64_t ControlChannel::last_registered() {
  return last_serial;
}

bool ControlChannel::closed() const {
  return !find_callback(serial_);
}

void ControlChannel::close() const {
  const auto found = find_callback(serial_);
  if (!found) return;
  const auto& [argument, callback] = *found;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  // Refused while the interrupt thread is in the callback.
  while (rte_intr_callback_unregister(callback.handle, callback.function, argument) == -EAGAIN &&
         std::chrono::steady_clock::now() < give_up) {
    std::this_thread::yield();
  }
}

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

using Function = int (*)(const struct rte_intr_handle*, rte_intr_callback_fn, void*);

extern "C" __attribute__((visibility("default"))) int rte_intr_callback_register(
    const struct rte_intr_handle* intr_handle, rte_intr_callback_fn cb, void* cb_arg) {
  static const auto original =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "rte_intr_callback_register"));
  trunkline::port::note_registered(intr_handle, cb, cb_arg);
  return original != nullptr ? original(intr_handle, cb, cb_arg) : -1;
}

extern "C" __attribute__((visibility("default"))) int rte_intr_callback_unregister(
    const struct rte_intr_handle* intr_handle, rte_intr_callback_fn cb, void* cb_arg) {
  static const auto original =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "rte_intr_callback_unregister"));
  static_cast<void>(trunkline::port::PollGuard::wait_all_outside());
  trunkline::port::note_unregistered(cb_arg);
  return original != nullptr ? original(intr_handle, cb, cb_arg) : -1;
}
