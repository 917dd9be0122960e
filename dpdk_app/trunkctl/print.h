// SPDX-License-Identifier: BSD-3-Clause
// Answers of the daemon as text for people.
#pragma once

#include "control/json.h"

namespace trunkline::trunkctl {

void print_status(const control::Json& answer);
void print_associations(const control::Json& answer);
void print_sockets(const control::Json& answer);
void print_association(const control::Json& association);
// `before`: an earlier answer, `seconds` ago, to print rates; null: none.
void print_counters(const control::Json& answer, const control::Json& before, bool nonzero,
                    double seconds);
[[nodiscard]] control::Json select_counters(const control::Json& answer, bool nonzero);

}  // namespace trunkline::trunkctl
