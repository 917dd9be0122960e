// SPDX-License-Identifier: BSD-3-Clause
// Sentences for errors, kept per thread, as tl_last_error() hands them out.
#pragma once

#include <cstdint>

namespace trunkline::client {

inline constexpr const char* kGoneText =
    "the daemon is gone: detach, and attach again once it runs";

// Remember a sentence and give `error` back. The first form keeps the pointer: literals only, no
// cost on hot paths.
int fail(int error, const char* literal);
int missing(const char* what);  // a null pointer: -EINVAL
[[gnu::format(printf, 2, 3)]] int failf(int error, const char* format, ...);

// A refusal of the daemon (enum tlr_status) as a negative errno value, and why.
int error_of_status(uint8_t status);
const char* text_of_status(uint8_t status);

}  // namespace trunkline::client
