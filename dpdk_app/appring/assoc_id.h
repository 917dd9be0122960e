// SPDX-License-Identifier: BSD-3-Clause
// "shard.slot.generation", the name of an association for people: the same for operators and for
// applications that ask.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trunkline/stack/types.h"

namespace trunkline::appring {

[[nodiscard]] std::string id_text(AssocId id);
[[nodiscard]] std::optional<AssocId> parse_id(std::string_view text);

}  // namespace trunkline::appring
