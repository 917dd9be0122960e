// SPDX-License-Identifier: BSD-3-Clause
// Strict reading of YAML nodes: each read checks the type, converts the unit, bounds the value and
// notes a mistake with line and key instead of throwing. Used by the load_*.cpp files only.
#pragma once

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/load.h"

namespace trunkline::config {

// A node and where it stands in the document.
struct Field {
  YAML::Node node;
  std::string key;
  int line = 0;
};

class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}
  void add(int line, std::string key, std::string text);
  void add(const Field& at, std::string text) { add(at.line, at.key, std::move(text)); }
  // What does not fit together, in keys below `parts`: only if all of these could be read. What was
  // mistyped there would draw follow-ups that are none.
  void conclude(const Field& at, std::initializer_list<std::string_view> parts, std::string text);
  [[nodiscard]] bool sound(std::string_view part) const;
  // What is at `key`, or below, is not known: it is missing, since another key is mistyped.
  void spoil(std::string key) { spoilt_.push_back(std::move(key)); }
  // The same, and there is no word about it: the key itself is mistyped, which has been said.
  void hush(std::string key);
  [[nodiscard]] std::vector<Mistake> take() { return std::move(list_); }
  // Every key that was read, so that checks between sections can name its line.
  void remember(const std::string& key, int line) { lines_.emplace(key, line); }
  void add_at_key(const std::string& key, std::string text);

 private:
  std::string file_;
  std::map<std::string, int> lines_;
  std::vector<Mistake> list_;
  std::vector<std::string> spoilt_;
  std::vector<std::string> hushed_;
};

// A YAML map whose keys are all known. Unknown and repeated keys are noted on construction; one
// that is a known key mistyped stands for it.
class Map {
 public:
  Map(Field at, std::initializer_list<std::string_view> known, Mistakes& mistakes);

  [[nodiscard]] const Field& at() const { return at_; }
  [[nodiscard]] Mistakes& mistakes() const { return *mistakes_; }
  [[nodiscard]] std::optional<Field> find(std::string_view key) const;
  // Notes a mistake when the key is missing, unless an unknown one may be meant for it.
  [[nodiscard]] std::optional<Field> require(std::string_view key, std::string_view example) const;

  // Each leaves `out` alone when the key is missing or wrong.
  void boolean(std::string_view key, bool& out) const;
  void text(std::string_view key, std::string& out) const;
  void duration(std::string_view key, Duration& out, Duration low, Duration high) const;
  template <typename Int>
  void integer(std::string_view key, Int& out, uint64_t low, uint64_t high) const {
    uint64_t value = 0;
    if (const auto field = find(key); field && read_integer(*field, value, low, high)) {
      out = static_cast<Int>(value);
    }
  }
  template <typename Int>
  void bytes(std::string_view key, Int& out, uint64_t low, uint64_t high) const {
    uint64_t value = 0;
    if (const auto field = find(key); field && read_bytes(*field, value, low, high)) {
      out = static_cast<Int>(value);
    }
  }
  // One of `names`; returns its index.
  [[nodiscard]] std::optional<size_t> choice(std::string_view key,
                                             std::initializer_list<std::string_view> names) const;

  bool read_integer(const Field& field, uint64_t& out, uint64_t low, uint64_t high) const;
  bool read_bytes(const Field& field, uint64_t& out, uint64_t low, uint64_t high) const;

 private:
  [[nodiscard]] std::string path_of(std::string_view name) const;
  // None of `names`, which are `known`.
  void take_unknown(const YAML::Node& value, const std::string& name, int line,
                    const std::vector<std::string_view>& known);
  Field at_;
  Mistakes* mistakes_;
  std::vector<std::pair<std::string, Field>> fields_;
  bool has_unknown_ = false;  // that is nothing mistyped
};

// The text of a plain value; notes a mistake and returns nothing for maps, lists and null.
[[nodiscard]] std::optional<std::string> scalar(const Field& field, std::string_view wanted,
                                                Mistakes& mistakes);
// The items of a list; `wanted` completes "must be a list of ...".
[[nodiscard]] std::vector<Field> items(const Field& field, std::string_view wanted,
                                       Mistakes& mistakes);
[[nodiscard]] std::optional<IpAddress> read_address(const Field& field, Mistakes& mistakes);

// The one of `known` that `given` may be meant for, if one is close.
[[nodiscard]] std::optional<std::string_view> closest(std::string_view given,
                                                      const std::vector<std::string_view>& known);
// "; did you mean \"x\"?" when one of `known` is close to `given`, else nothing.
[[nodiscard]] std::string did_you_mean(std::string_view given,
                                       const std::vector<std::string_view>& known);

// Text forms of values for messages: "200ms", "512KiB".
[[nodiscard]] std::string duration_text(Duration value);
[[nodiscard]] std::string bytes_text(uint64_t value);

}  // namespace trunkline::config
