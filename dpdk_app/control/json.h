// SPDX-License-Identifier: BSD-3-Clause
// A JSON value, its text form and its parser (RFC 8259), as much as the control socket needs.
// Numbers are 64-bit integers or doubles; nesting is bounded, so that nobody can exhaust the stack.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace trunkline::control {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // in the order of writing

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool value) : value_(value) {}
  Json(double value) : value_(value) {}
  template <typename Int>
  requires(std::is_integral_v<Int> && !std::is_same_v<Int, bool>) Json(Int value) {
    if constexpr (std::is_signed_v<Int>) {
      value_ = static_cast<int64_t>(value);
    } else {
      value_ = static_cast<uint64_t>(value);
    }
  }
  Json(std::string value) : value_(std::move(value)) {}
  Json(std::string_view value) : value_(std::string(value)) {}
  Json(const char* value) : value_(std::string(value)) {}
  Json(Array value) : value_(std::move(value)) {}
  static Json object(std::initializer_list<std::pair<std::string, Json>> members) {
    Json out;
    out.value_ = Object(members);
    return out;
  }
  static Json array() { return Json(Array{}); }

  // Nothing when `text` is not one JSON value.
  static std::optional<Json> parse(std::string_view text);
  [[nodiscard]] std::string dump() const;         // one line
  [[nodiscard]] std::string dump_pretty() const;  // for people

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<Object>(value_); }
  [[nodiscard]] bool is_array() const { return std::holds_alternative<Array>(value_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(value_); }

  // Each returns a default when the value is of another type.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] uint64_t as_uint() const;  // 0 for negative numbers
  [[nodiscard]] int64_t as_int() const;
  [[nodiscard]] double as_double() const;
  [[nodiscard]] const std::string& as_string() const;
  [[nodiscard]] const Array& as_array() const;
  [[nodiscard]] const Object& as_object() const;
  // The member of an object; null when there is none.
  [[nodiscard]] const Json& operator[](std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return !(*this)[key].is_null(); }

  void set(std::string key, Json value);
  void push(Json value);

 private:
  void write(std::string& out, int indent) const;

  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object> value_;
};

}  // namespace trunkline::control
