// SPDX-License-Identifier: BSD-3-Clause
// The preloaded library's way to the C library: the next function of each name. All are looked up
// at once, at start, since dlsym() is nothing for signal handlers; somebody's constructor that runs
// before ours brings that forward.
#include <dlfcn.h>

#include "libc_calls.h"

namespace trunkline::sctp {
namespace {

LibcCalls calls;
bool resolved;

[[gnu::constructor(101)]] void resolve() {
#define TRUNKLINE_LIBC_FIND(name, type, parameters) \
  calls.name = reinterpret_cast<decltype(calls.name)>(::dlsym(RTLD_NEXT, #name));
  TRUNKLINE_LIBC_CALLS(TRUNKLINE_LIBC_FIND)
#undef TRUNKLINE_LIBC_FIND
  __atomic_store_n(&resolved, true, __ATOMIC_RELEASE);
}

}  // namespace

const LibcCalls& libc() {
  if (!__atomic_load_n(&resolved, __ATOMIC_ACQUIRE)) [[unlikely]]
    resolve();
  return calls;
}

}  // namespace trunkline::sctp
