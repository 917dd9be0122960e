// SPDX-License-Identifier: BSD-3-Clause
// Reading and writing where a program points: addresses, lengths, options, control data, message
// headers. A wild pointer gives -EFAULT, as the kernel's calls do, and no signal.
#pragma once

#include <cstddef>

namespace trunkline::sctp {

// 0 or -EFAULT.
[[nodiscard]] long fetch(void* to, const void* from_user, size_t size);
[[nodiscard]] long store(void* to_user, const void* from, size_t size);

}  // namespace trunkline::sctp
