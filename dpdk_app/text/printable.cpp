// SPDX-License-Identifier: BSD-3-Clause
// Decoding of UTF-8, and escapes.
#include "text/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace trunkline::text {
namespace {

// What is not seen, or changes how its neighbours are: controls, direction, joiners, fillers, line
// separators, tags, what is no character at all (Unicode 15: Cc, Cf, Zl, Zp, default ignorable).
struct Range {
  char32_t first;
  char32_t last;
};
constexpr Range kInvisible[] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},    {0x034f, 0x034f},
    {0x0600, 0x0605},   {0x061c, 0x061c},   {0x06dd, 0x06dd},    {0x070f, 0x070f},
    {0x0890, 0x0891},   {0x08e2, 0x08e2},   {0x115f, 0x1160},    {0x17b4, 0x17b5},
    {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e},    {0x2060, 0x206f},
    {0x3164, 0x3164},   {0xe000, 0xf8ff},   {0xfdd0, 0xfdef},    {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},    {0xfffe, 0xffff},
    {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f},  {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff},
};

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const Character bad{byte(0), 1, false};
  if (byte(0) < 0x80) return {byte(0), 1, true};
  // The least code of each length: a longer form of a smaller one is forbidden (RFC 3629).
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const uint8_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc0 || byte(0) > 0xf4 || text.size() < length) return bad;
  char32_t code = byte(0) & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return bad;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kLeast[length] || code > 0x10ffff || surrogate) return bad;
  return {code, length, true};
}

bool is_visible(char32_t code) {
  if (code < 0x7f) return code >= 0x20;  // nearly all there is
  const auto* const after =
      std::upper_bound(std::begin(kInvisible), std::end(kInvisible), code,
                       [](char32_t value, const Range& range) { return value < range.first; });
  return after == std::begin(kInvisible) || code > std::prev(after)->last;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character one = first_character(text);
    const auto code = static_cast<uint32_t>(one.code);
    if (one.code == '\\') {
      out += "\\\\";
    } else if (one.valid && is_visible(one.code)) {
      out += text.substr(0, one.length);
    } else if (one.code == '\n') {
      out += "\\n";
    } else if (!one.valid || code < 0x80) {
      out += fmt::format("\\x{:02x}", code);
    } else {
      out += code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
    }
    text.remove_prefix(one.length);
  }
  return out;
}

}  // namespace trunkline::text
