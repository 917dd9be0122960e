// SPDX-License-Identifier: BSD-3-Clause
// The ceiling: what a stream of messages would cost if there were no protocol. Headers written,
// payload copied in, CRC32c taken; CRC32c checked, chunks walked, payload copied out. The same
// buffers as the bare stack's cases, no association, acknowledgement or timer.
#pragma once

#include "harness/sample.h"

namespace trunkline::perf {

// Never made for one size: an endpoint does not know sizes when it is compiled.
[[gnu::noipa]] void run_model(const Run& run, size_t message_size);

template <size_t Size>
void model(const Run& run) {
  run_model(run, Size);
}

}  // namespace trunkline::perf
