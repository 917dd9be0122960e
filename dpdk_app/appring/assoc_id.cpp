// SPDX-License-Identifier: BSD-3-Clause
// See assoc_id.h.
#include "appring/assoc_id.h"

#include <charconv>

namespace trunkline::appring {

std::string id_text(AssocId id) {
  return std::to_string(id.shard) + '.' + std::to_string(id.slot) + '.' +
         std::to_string(id.generation);
}

std::optional<AssocId> parse_id(std::string_view text) {
  uint32_t parts[3] = {};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, parts[i]);
    if (error != std::errc{}) return std::nullopt;
    at = next;
  }
  if (at != end || parts[0] > UINT16_MAX) return std::nullopt;
  return AssocId{parts[2], parts[1], static_cast<uint16_t>(parts[0])};
}

}  // namespace trunkline::appring
