// SPDX-License-Identifier: BSD-3-Clause
#include "user_memory.h"

#include <cstdint>
#include <cstring>

#include "raw_calls.h"

namespace trunkline::sctp {
namespace {

// Where this thread's stack is known to be mapped. What calls point at lies there as a rule, and
// needs no system call.
struct Window {
  uintptr_t low = 0;
  uintptr_t high = 0;
};
[[gnu::tls_model("initial-exec")]] thread_local Window window;

[[gnu::noinline]] bool widen(uintptr_t here, uintptr_t end) {
  constexpr uintptr_t kPage = 4096;
  constexpr uintptr_t kFar = 64 * kPage;
  if (end - here > kFar) return false;
  const uintptr_t low = here & ~(kPage - 1);
  const uintptr_t high = (end + kPage - 1) & ~(kPage - 1);
  unsigned char resident[kFar / kPage + 2];
  if (::syscall(SYS_mincore, low, high - low, resident) != 0) return false;
  window = {low, high};
  return true;
}

// Between the frames below and what was found to be mapped above them.
bool on_the_stack(const void* at, size_t size) {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  const auto from = reinterpret_cast<uintptr_t>(at);
  const uintptr_t end = from + size;
  if (from < here || end < from) return false;
  if (window.low <= here && end <= window.high) return true;
  return widen(here, end);
}

// The kernel copies from the process to itself, and says so when it can't. Where it may not (a
// filter of system calls), what the program says is taken as true.
long copy(long call, void* ours, void* users, size_t size, bool* refused) {
  iovec local{ours, size};
  iovec remote{users, size};
  // Words, since the kernel looks at all of them: of an int the upper half may be anything.
  const long n = raw::checked(::syscall(call, raw::pid(), &local, 1L, &remote, 1L, 0L));
  *refused = n == -EPERM || n == -ENOSYS;
  return n == static_cast<long>(size) ? 0 : -EFAULT;
}

}  // namespace

long fetch(void* to, const void* from_user, size_t size) {
  if (size == 0) return 0;
  if (from_user == nullptr) return -EFAULT;
  if (on_the_stack(from_user, size)) {
    std::memcpy(to, from_user, size);
    return 0;
  }
  bool refused = false;
  const long error = copy(SYS_process_vm_readv, to, const_cast<void*>(from_user), size, &refused);
  if (!refused) return error;
  std::memcpy(to, from_user, size);
  return 0;
}

long store(void* to_user, const void* from, size_t size) {
  if (size == 0) return 0;
  if (to_user == nullptr) return -EFAULT;
  if (on_the_stack(to_user, size)) {
    std::memcpy(to_user, from, size);
    return 0;
  }
  bool refused = false;
  const long error = copy(SYS_process_vm_writev, const_cast<void*>(from), to_user, size, &refused);
  if (!refused) return error;
  std::memcpy(to_user, from, size);
  return 0;
}

}  // namespace trunkline::sctp
