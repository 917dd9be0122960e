// SPDX-License-Identifier: BSD-3-Clause
// Text from outside, such as a client's name or a path, made fit for a terminal, a log, a JSON
// string or the comment of a capture: nothing in it can end the line, move the cursor or change the
// direction of what stands beside it. For whoever prints.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace trunkline::text {

// One character of a text that ought to be UTF-8.
struct Character {
  char32_t code = 0;
  uint8_t length = 1;  // bytes
  bool valid = false;  // else `code` is the one byte
};
// The first of `text`, which is not empty.
[[nodiscard]] Character first_character(std::string_view text);

// Whether it is seen where it stands, and does nothing else: no control, no change of direction,
// not invisible, no line break.
[[nodiscard]] bool is_visible(char32_t code);

// With what is not visible written as \n, \x1b, \u202e or \U000e0001, a byte that is no UTF-8 as
// \x9b, and a backslash as two, so that what was there can be told.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace trunkline::text
