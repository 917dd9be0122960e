// SPDX-License-Identifier: BSD-3-Clause
// Text from outside on its way to a terminal, a log, JSON, a capture.
#include "text/printable.h"

#include <gtest/gtest.h>

#include <string>

#include "capture/pcapng.h"
#include "control/json.h"

namespace trunkline::text {
namespace {

using namespace std::string_literals;

struct Case {
  std::string raw;
  std::string text;
  std::string json;  // without its quotes
};

const Case kCases[] = {
    {"plain name-1.2 (x)", "plain name-1.2 (x)", "plain name-1.2 (x)"},
    {"", "", ""},
    {"\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07", "\\u001b[2J\\u001b]0;owned\\u0007"},
    {"two\nlines\r\t", "two\\nlines\\x0d\\x09", "two\\nlines\\u000d\\u0009"},
    {"a\0b"s, "a\\x00b", "a\\u0000b"},
    {"del\x7f", "del\\x7f", "del\\u007f"},
    {"\x9b"
     "31m",
     "\\x9b31m", "\\ufffd31m"},  // CSI as one byte
    {"\xc2\x9b"
     "31m",
     "\\u009b31m", "\\u009b31m"},        // CSI in UTF-8
    {"\xc2\x85", "\\u0085", "\\u0085"},  // next line
    {"back\\slash", "back\\\\slash", "back\\\\slash"},
    {"\"quoted\"", "\"quoted\"", "\\\"quoted\\\""},
    {"gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80",
     "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80",
     "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80"},
    {"\xe2\x80\xae"
     "gnp",
     "\\u202egnp", "\\u202egnp"},  // right to left
    {"\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069", "\\u2066\\u2069"},
    {"\xe2\x80\xa8", "\\u2028", "\\u2028"},  // line separator
    {"\xe2\x80\x8b\xef\xbb\xbf", "\\u200b\\ufeff", "\\u200b\\ufeff"},
    {"\xf3\xa0\x80\x81", "\\U000e0001", "\\udb40\\udc01"},  // a tag
    // What is no UTF-8: alone, cut, too long a form, a surrogate, beyond the last.
    {"\xff\xfe", "\\xff\\xfe", "\\ufffd\\ufffd"},
    {"\x80", "\\x80", "\\ufffd"},
    {"x\xc3", "x\\xc3", "x\\ufffd"},
    {"\xe2\x80"
     "x",
     "\\xe2\\x80x", "\\ufffd\\ufffdx"},
    {"\xc0\xaf", "\\xc0\\xaf", "\\ufffd\\ufffd"},
    {"\xe0\x80\xaf", "\\xe0\\x80\\xaf", "\\ufffd\\ufffd\\ufffd"},
    {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd"},
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
    {"\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80", "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"},
};

TEST(Printable, EveryKindOfText) {
  for (const Case& c : kCases) EXPECT_EQ(printable(c.raw), c.text);
}

TEST(Printable, JsonStringsAndKeys) {
  for (const Case& c : kCases) {
    const std::string text = control::Json(c.raw).dump();
    EXPECT_EQ(text, '"' + c.json + '"');
    control::Json object = control::Json::object({});
    object.set(c.raw, 1);
    EXPECT_EQ(object.dump(), "{\"" + c.json + "\":1}");
    // Our own reader has it back, and a second time round nothing changes.
    const auto back = control::Json::parse(text);
    ASSERT_TRUE(back.has_value()) << text;
    if (c.json.find("ufffd") == std::string::npos) {
      EXPECT_EQ(back->as_string(), c.raw);
    }
    EXPECT_EQ(control::Json::parse(back->dump())->as_string(), back->as_string());
  }
}

// Whatever the bytes: what comes out is valid UTF-8 and visible to the last character.
TEST(Printable, NothingInvisibleComesOut) {
  const auto check = [](const std::string& shown) {
    std::string_view rest = shown;
    while (!rest.empty()) {
      const Character one = first_character(rest);
      ASSERT_TRUE(one.valid && is_visible(one.code)) << shown;
      rest.remove_prefix(one.length);
    }
  };
  uint32_t state = 11;
  const auto next = [&] { return state = state * 1664525u + 1013904223u; };
  for (int round = 0; round < 20000; ++round) {
    std::string raw;
    for (uint32_t length = (next() >> 8) % 12; length > 0; --length) {
      const uint32_t kind = (next() >> 8) % 4;
      const auto byte = static_cast<char>(next() >> 16);
      raw += kind == 0 ? static_cast<char>(0xe2) : kind == 1 ? static_cast<char>(0x80) : byte;
    }
    ASSERT_NO_FATAL_FAILURE(check(printable(raw)));
    ASSERT_NO_FATAL_FAILURE(check(control::Json(raw).dump()));
  }
}

TEST(Printable, TextsInCaptures) {
  for (const Case& c : kCases) {
    if (c.raw.empty() || c.raw == c.text) continue;
    std::vector<uint8_t> out;
    capture::append_section_header(out, c.raw, c.raw);
    capture::append_interface(out, c.raw, c.raw, 65535);
    capture::PacketRecord packet;
    packet.comment = c.raw;
    capture::append_packet(out, packet);
    const std::string file(out.begin(), out.end());
    EXPECT_EQ(file.find(c.raw), std::string::npos) << c.text;
    size_t times = 0;
    for (size_t at = 0; (at = file.find(c.text, at)) != std::string::npos; ++at) ++times;
    EXPECT_EQ(times, 5u) << c.text;
  }
  std::vector<uint8_t> out;  // longer than an option can be, once it is escaped
  capture::append_section_header(out, "x", std::string(70000, '\x1b'));
  EXPECT_LT(out.size(), 66000u);
  EXPECT_EQ(out.size() % 4, 0u);
}

TEST(Json, SurrogatePairs) {
  EXPECT_EQ(control::Json::parse(R"("\ud83d\ude00")")->as_string(), "\xf0\x9f\x98\x80");
  for (const char* text : {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", R"("\ud83d\u0041")",
                           R"("\ud83d\ud83d")", R"("\ude00\ud83d")"}) {
    EXPECT_FALSE(control::Json::parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace trunkline::text
