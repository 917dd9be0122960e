// SPDX-License-Identifier: BSD-3-Clause
// JSON both ways, and text that is not JSON.
#include "control/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace trunkline::control {
namespace {

TEST(Json, WritesAndReadsBack) {
  Json value = Json::object({{"null", nullptr},
                             {"yes", true},
                             {"no", false},
                             {"big", UINT64_MAX},
                             {"small", INT64_MIN},
                             {"real", 1.5},
                             {"text", "a\"b\\c\n\x01 \xc3\xa4"},
                             {"list", Json(Json::Array{1, "x", Json::object({})})}});
  const std::string text = value.dump();
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_EQ(text,
            "{\"null\":null,\"yes\":true,\"no\":false,\"big\":18446744073709551615,"
            "\"small\":-9223372036854775808,\"real\":1.5,"
            "\"text\":\"a\\\"b\\\\c\\n\\u0001 \xc3\xa4\",\"list\":[1,\"x\",{}]}");
  const auto back = Json::parse(text);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->dump(), text);
  EXPECT_EQ((*back)["big"].as_uint(), UINT64_MAX);
  EXPECT_EQ((*back)["small"].as_int(), INT64_MIN);
  EXPECT_EQ((*back)["real"].as_double(), 1.5);
  EXPECT_EQ((*back)["text"].as_string(), "a\"b\\c\n\x01 \xc3\xa4");
  EXPECT_EQ((*back)["list"].as_array().size(), 3u);
  EXPECT_TRUE((*back)["missing"].is_null());
  EXPECT_FALSE(back->has("null"));
  const auto pretty = Json::parse(back->dump_pretty());
  ASSERT_TRUE(pretty.has_value());
  EXPECT_EQ(pretty->dump(), text);
}

TEST(Json, Escapes) {
  const auto value = Json::parse(R"("\u0041\u00e4\u20ac\/\b\f\r\t")");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->as_string(), "A\xc3\xa4\xe2\x82\xac/\b\f\r\t");
}

TEST(Json, WrongTypesGiveDefaults) {
  const Json text("x");
  EXPECT_EQ(text.as_uint(), 0u);
  EXPECT_FALSE(text.as_bool());
  EXPECT_TRUE(text.as_array().empty());
  EXPECT_TRUE(text["key"].is_null());
  EXPECT_EQ(Json(-1).as_uint(), 0u);
  EXPECT_EQ(Json(3).as_string(), "");
}

TEST(Json, WhatIsNotJson) {
  for (const char* text :
       {"",      " ",          "{",       "}",         "[1,]",        "{\"a\"}",  "{\"a\":}",
        "{a:1}", "{\"a\":1,}", "tru",     "nul",       "1 2",         "+1",       "-",
        "1e999", "\"",         "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"a\nb\"", "[1",
        "'a'",   "\"a\"b",     "NaN",     "{\"a\":1}}"}) {
    EXPECT_FALSE(Json::parse(text).has_value()) << text;
  }
}

TEST(Json, DepthIsBounded) {
  EXPECT_TRUE(Json::parse(std::string(20, '[') + std::string(20, ']')).has_value());
  EXPECT_FALSE(Json::parse(std::string(100000, '[')).has_value());
  EXPECT_FALSE(Json::parse(std::string(64, '[') + std::string(64, ']')).has_value());
}

TEST(Json, EveryCutOfAGoodTextIsRefused) {
  const std::string good = R"({"verb":"capture","port":"left","count":12,"list":[true,null]})";
  ASSERT_TRUE(Json::parse(good).has_value());
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(Json::parse(good.substr(0, length)).has_value()) << length;
  }
}

TEST(Json, SettingTwiceReplaces) {
  Json value = Json::object({{"a", 1}});
  value.set("a", 2);
  value.set("b", 3);
  EXPECT_EQ(value.dump(), "{\"a\":2,\"b\":3}");
}

}  // namespace
}  // namespace trunkline::control
