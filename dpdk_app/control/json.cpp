// SPDX-License-Identifier: BSD-3-Clause
// JSON text: writing and reading.
#include "control/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/printable.h"

namespace trunkline::control {
namespace {

constexpr int kDeepest = 32;

constexpr char32_t kReplacement = 0xfffd;  // for what is no UTF-8

void write_escape(std::string& out, char32_t code) {
  const auto unit = [&](uint32_t value) { out += fmt::format("\\u{:04x}", value); };
  if (code < 0x10000) return unit(code);
  unit(0xd800 + ((code - 0x10000) >> 10));
  unit(0xdc00 + ((code - 0x10000) & 0x3ff));
}

// Whatever the text holds, the line is JSON in UTF-8, and a terminal shows it as it is.
void write_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const text::Character one = text::first_character(text);
    if (one.code == '"' || one.code == '\\') {
      out += '\\';
      out += text[0];
    } else if (one.code == '\n') {
      out += "\\n";
    } else if (one.valid && text::is_visible(one.code)) {
      out += text.substr(0, one.length);
    } else {
      write_escape(out, one.valid ? one.code : kReplacement);
    }
    text.remove_prefix(one.length);
  }
  out += '"';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<Json> document() {
    auto value = parse_value(0);
    skip_space();
    if (!value || !rest_.empty()) return std::nullopt;
    return value;
  }

 private:
  void skip_space() {
    while (!rest_.empty() &&
           (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\n' || rest_[0] == '\r')) {
      rest_.remove_prefix(1);
    }
  }
  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::optional<Json> parse_value(int depth) {
    skip_space();
    if (rest_.empty() || depth > kDeepest) return std::nullopt;
    if (rest_[0] == '{') return parse_object(depth);
    if (rest_[0] == '[') return parse_array(depth);
    if (rest_[0] == '"') {
      auto text = parse_string();
      if (!text) return std::nullopt;
      return Json(std::move(*text));
    }
    if (take("true")) return Json(true);
    if (take("false")) return Json(false);
    if (take("null")) return Json();
    return parse_number();
  }
  std::optional<Json> parse_number() {
    const size_t length = std::min(rest_.find_first_not_of("+-.eE0123456789"), rest_.size());
    const char* const begin = rest_.data();
    const char* const end = begin + length;
    rest_.remove_prefix(length);
    if (length == 0 || *begin == '+') return std::nullopt;
    if (uint64_t value = 0; std::from_chars(begin, end, value) == done(end)) return Json(value);
    if (int64_t value = 0; std::from_chars(begin, end, value) == done(end)) return Json(value);
    if (double value = 0; std::from_chars(begin, end, value) == done(end) && std::isfinite(value)) {
      return Json(value);
    }
    return std::nullopt;
  }
  static std::from_chars_result done(const char* end) { return {end, std::errc{}}; }

  std::optional<std::string> parse_string() {
    rest_.remove_prefix(1);
    std::string out;
    while (!rest_.empty()) {
      const char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        out += c;
      } else if (!parse_escape(out)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }
  bool parse_escape(std::string& out) {
    if (rest_.empty()) return false;
    const char c = rest_[0];
    rest_.remove_prefix(1);
    constexpr std::string_view kFrom = "\"\\/bfnrt";
    constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (const size_t at = kFrom.find(c); at != std::string_view::npos) {
      out += kTo[at];
      return true;
    }
    if (c != 'u') return false;
    auto code = parse_unit();
    if (!code) return false;
    if (*code >= 0xd800 && *code < 0xe000) {  // the first half of a pair, or nothing
      if (*code >= 0xdc00 || !take("\\u")) return false;
      const auto second = parse_unit();
      if (!second || *second < 0xdc00 || *second >= 0xe000) return false;
      code = 0x10000 + ((*code - 0xd800) << 10) + (*second - 0xdc00);
    }
    append_utf8(out, *code);
    return true;
  }
  std::optional<uint32_t> parse_unit() {
    if (rest_.size() < 4) return std::nullopt;
    uint32_t code = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + 4, code, 16);
    if (error != std::errc{} || end != rest_.data() + 4) return std::nullopt;
    rest_.remove_prefix(4);
    return code;
  }
  static void append_utf8(std::string& out, uint32_t code) {
    if (code < 0x80) {
      out += static_cast<char>(code);
      return;
    }
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    out += static_cast<char>((0xff00u >> (more + 1) & 0xffu) | code >> 6 * more);
    for (int i = more; i-- > 0;) out += static_cast<char>(0x80 | (code >> 6 * i & 0x3f));
  }
  std::optional<Json> parse_array(int depth) {
    rest_.remove_prefix(1);
    Json::Array out;
    skip_space();
    if (take("]")) return Json(std::move(out));
    while (true) {
      auto value = parse_value(depth + 1);
      if (!value) return std::nullopt;
      out.push_back(std::move(*value));
      skip_space();
      if (take("]")) return Json(std::move(out));
      if (!take(",")) return std::nullopt;
    }
  }
  std::optional<Json> parse_object(int depth) {
    rest_.remove_prefix(1);
    Json out = Json::object({});
    skip_space();
    if (take("}")) return out;
    while (true) {
      skip_space();
      if (rest_.empty() || rest_[0] != '"') return std::nullopt;
      auto key = parse_string();
      skip_space();
      if (!key || !take(":")) return std::nullopt;
      auto value = parse_value(depth + 1);
      if (!value) return std::nullopt;
      out.set(std::move(*key), std::move(*value));
      skip_space();
      if (take("}")) return out;
      if (!take(",")) return std::nullopt;
    }
  }

  std::string_view rest_;
};

void new_line(std::string& out, int indent) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * 2, ' ');
}

}  // namespace

std::optional<Json> Json::parse(std::string_view text) {
  return Parser(text).document();
}

std::string Json::dump() const {
  std::string out;
  write(out, -1);
  return out;
}

std::string Json::dump_pretty() const {
  std::string out;
  write(out, 0);
  return out;
}

// `indent` below 0: everything on one line.
void Json::write(std::string& out, int indent) const {
  const int inner = indent < 0 ? indent : indent + 1;
  if (const auto* boolean = std::get_if<bool>(&value_)) {
    out += *boolean ? "true" : "false";
  } else if (const auto* integer = std::get_if<int64_t>(&value_)) {
    out += fmt::format("{}", *integer);
  } else if (const auto* natural = std::get_if<uint64_t>(&value_)) {
    out += fmt::format("{}", *natural);
  } else if (const auto* real = std::get_if<double>(&value_)) {
    out += std::isfinite(*real) ? fmt::format("{}", *real) : "null";
  } else if (const auto* text = std::get_if<std::string>(&value_)) {
    write_string(out, *text);
  } else if (const auto* array = std::get_if<Array>(&value_)) {
    out += '[';
    for (size_t i = 0; i < array->size(); ++i) {
      if (i > 0) out += ',';
      new_line(out, inner);
      (*array)[i].write(out, inner);
    }
    if (!array->empty()) new_line(out, indent);
    out += ']';
  } else if (const auto* object = std::get_if<Object>(&value_)) {
    out += '{';
    for (size_t i = 0; i < object->size(); ++i) {
      if (i > 0) out += ',';
      new_line(out, inner);
      write_string(out, (*object)[i].first);
      out += indent < 0 ? ":" : ": ";
      (*object)[i].second.write(out, inner);
    }
    if (!object->empty()) new_line(out, indent);
    out += '}';
  } else {
    out += "null";
  }
}

bool Json::as_bool() const {
  const auto* value = std::get_if<bool>(&value_);
  return value != nullptr && *value;
}

uint64_t Json::as_uint() const {
  if (const auto* natural = std::get_if<uint64_t>(&value_)) return *natural;
  if (const auto* integer = std::get_if<int64_t>(&value_)) {
    return *integer < 0 ? 0 : static_cast<uint64_t>(*integer);
  }
  return 0;
}

int64_t Json::as_int() const {
  if (const auto* integer = std::get_if<int64_t>(&value_)) return *integer;
  return static_cast<int64_t>(as_uint());
}

double Json::as_double() const {
  if (const auto* real = std::get_if<double>(&value_)) return *real;
  if (const auto* integer = std::get_if<int64_t>(&value_)) return static_cast<double>(*integer);
  return static_cast<double>(as_uint());
}

const std::string& Json::as_string() const {
  static const std::string kEmpty;
  const auto* value = std::get_if<std::string>(&value_);
  return value == nullptr ? kEmpty : *value;
}

const Json::Array& Json::as_array() const {
  static const Array kEmpty;
  const auto* value = std::get_if<Array>(&value_);
  return value == nullptr ? kEmpty : *value;
}

const Json::Object& Json::as_object() const {
  static const Object kEmpty;
  const auto* value = std::get_if<Object>(&value_);
  return value == nullptr ? kEmpty : *value;
}

const Json& Json::operator[](std::string_view key) const {
  static const Json kNull;
  for (const auto& [name, value] : as_object()) {
    if (name == key) return value;
  }
  return kNull;
}

void Json::set(std::string key, Json value) {
  if (!is_object()) value_ = Object{};
  auto& object = std::get<Object>(value_);
  for (auto& [name, old] : object) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  object.emplace_back(std::move(key), std::move(value));
}

void Json::push(Json value) {
  if (!is_array()) value_ = Array{};
  std::get<Array>(value_).push_back(std::move(value));
}

}  // namespace trunkline::control
