// SPDX-License-Identifier: BSD-3-Clause
#include "trace.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "raw_calls.h"

namespace trunkline::sctp {

void trace(long result, const char* format, ...) {
  char line[512];
  const int before = errno;
  int n = std::snprintf(line, sizeof(line), "[%d] ", raw::pid());
  va_list arguments;
  va_start(arguments, format);
  n += std::vsnprintf(line + n, sizeof(line) - static_cast<size_t>(n), format, arguments);
  va_end(arguments);
  const auto left = static_cast<int>(sizeof(line)) - n - 1;
  if (left > 0 && result < 0) {
    const char* const name = ::strerrorname_np(static_cast<int>(-result));
    n += std::snprintf(line + n, static_cast<size_t>(left), " = -1 %s (%s)",
                       name != nullptr ? name : "?", ::strerrordesc_np(static_cast<int>(-result)));
  } else if (left > 0) {
    n += std::snprintf(line + n, static_cast<size_t>(left), " = %ld", result);
  }
  if (n > static_cast<int>(sizeof(line)) - 2) n = sizeof(line) - 2;
  line[n++] = '\n';
  raw::write(2, line, static_cast<size_t>(n));
  errno = before;
}

}  // namespace trunkline::sctp
