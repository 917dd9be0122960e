// SPDX-License-Identifier: BSD-3-Clause
// The library's way to the C library.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "libc_calls.h"

namespace trunkline::sctp {

const LibcCalls& libc() {
  static constexpr LibcCalls kCalls = {
#define TRUNKLINE_LIBC_VALUE(name, type, parameters) &::name,
      TRUNKLINE_LIBC_CALLS(TRUNKLINE_LIBC_VALUE)
#undef TRUNKLINE_LIBC_VALUE
  };
  return kCalls;
}

}  // namespace trunkline::sctp
