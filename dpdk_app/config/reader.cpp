// SPDX-License-Identifier: BSD-3-Clause
// Types, units and bounds of YAML values, and the wording of what is wrong with them.
#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace trunkline::config {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
constexpr std::array<Unit, 4> kTimeUnits{
    {{"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000}}};
constexpr std::array<Unit, 4> kSizeUnits{
    {{"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}}};

template <typename Names>
std::string joined(const Names& names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

// Letters left out, put in, changed, or swapped with the next one.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::vector<size_t> next(b.size() + 1, i);
    for (size_t j = 1; j <= b.size(); ++j) {
      next[j] =
          std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) next[j] = std::min(next[j], before[j - 2] + 1);
    }
    before = std::exchange(row, std::move(next));
  }
  return row[b.size()];
}

// Splits "512KiB" into a number and the rest.
std::optional<std::pair<uint64_t, std::string_view>> number_and_unit(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return std::pair{number, rest};
}

template <size_t N>
std::optional<uint64_t> scaled(uint64_t number, std::string_view unit,
                               const std::array<Unit, N>& units) {
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    uint64_t product = 0;
    if (__builtin_mul_overflow(number, known.factor, &product)) return std::nullopt;
    return product;
  }
  return std::nullopt;
}

template <size_t N>
std::string with_unit(uint64_t value, const std::array<Unit, N>& units) {
  for (size_t i = units.size(); i-- > 0;) {
    if (value >= units[i].factor && value % units[i].factor == 0) {
      return fmt::format("{}{}", value / units[i].factor, units[i].name);
    }
  }
  return value == 0 ? "0" : fmt::format("{}", value);
}

// Whether `key` is `part` or below it: "ports[0].name" is within "ports".
bool is_within(std::string_view key, std::string_view part) {
  if (!key.starts_with(part)) return false;
  return key.size() == part.size() || part.empty() || key[part.size()] == '.' ||
         key[part.size()] == '[';
}

}  // namespace

std::string Mistake::to_string() const {
  std::string out = file;
  if (line > 0) out += fmt::format(":{}", line);
  out += ": ";
  if (!key.empty()) out += key + ": ";
  return out + text;
}

void Mistakes::add(int line, std::string key, std::string text) {
  const auto covers = [&](const std::string& part) { return is_within(key, part); };
  if (std::any_of(hushed_.begin(), hushed_.end(), covers)) return;
  spoilt_.push_back(key);
  list_.push_back({file_, line, std::move(key), std::move(text)});
}

void Mistakes::conclude(const Field& at, std::initializer_list<std::string_view> parts,
                        std::string text) {
  if (std::all_of(parts.begin(), parts.end(), [&](auto part) { return sound(part); })) {
    list_.push_back({file_, at.line, at.key, std::move(text)});
  }
}

bool Mistakes::sound(std::string_view part) const {
  return std::none_of(spoilt_.begin(), spoilt_.end(), [&](const std::string& key) {
    return is_within(key, part) || is_within(part, key);
  });
}

void Mistakes::hush(std::string key) {
  spoilt_.push_back(key);
  hushed_.push_back(std::move(key));
}

void Mistakes::add_at_key(const std::string& key, std::string text) {
  const auto found = lines_.find(key);
  add(found == lines_.end() ? 0 : found->second, key, std::move(text));
}

std::optional<std::string_view> closest(std::string_view given,
                                        const std::vector<std::string_view>& known) {
  std::string_view best;
  size_t best_distance = SIZE_MAX;
  for (const std::string_view name : known) {
    const size_t distance = edit_distance(given, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  const size_t tolerance = std::max<size_t>(1, given.size() / 3);
  if (best.empty() || best_distance > tolerance) return std::nullopt;
  return best;
}

std::string did_you_mean(std::string_view given, const std::vector<std::string_view>& known) {
  const auto best = closest(given, known);
  return best ? fmt::format("; did you mean \"{}\"?", *best) : std::string();
}

std::string duration_text(Duration value) {
  return with_unit(static_cast<uint64_t>(value.count()), kTimeUnits);
}

std::string bytes_text(uint64_t value) {
  return with_unit(value, kSizeUnits);
}

Map::Map(Field at, std::initializer_list<std::string_view> known, Mistakes& mistakes)
    : at_(std::move(at)), mistakes_(&mistakes) {
  if (at_.node.IsNull()) return;  // "profiles:" with nothing below is an empty map
  if (!at_.node.IsMap()) {
    mistakes.add(at_, "must be a map of \"key: value\" lines");
    return;
  }
  const std::vector<std::string_view> names(known);
  for (const auto& entry : at_.node) {
    const int line = entry.first.Mark().line + 1;
    if (!entry.first.IsScalar()) {
      mistakes.add(line, at_.key, "a key must be a plain word");
      continue;
    }
    const std::string& name = entry.first.Scalar();
    const std::string path = path_of(name);
    if (const auto first = find(name)) {
      mistakes.add(line, path, fmt::format("is given twice; it is also on line {}", first->line));
      continue;
    }
    // An empty list of known keys means that the names are the operator's own.
    if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
      take_unknown(entry.second, name, line, names);
      continue;
    }
    mistakes.remember(path, line);
    fields_.emplace_back(name, Field{entry.second, path, line});
  }
  if (!has_unknown_) return;
  for (const std::string_view name : names) {
    if (!find(name)) mistakes.spoil(path_of(name));
  }
}

std::string Map::path_of(std::string_view name) const {
  return at_.key.empty() ? std::string(name) : fmt::format("{}.{}", at_.key, name);
}

void Map::take_unknown(const YAML::Node& value, const std::string& name, int line,
                       const std::vector<std::string_view>& known) {
  const auto meant = closest(name, known);
  mistakes_->add(line, path_of(name),
                 "unknown key" + (meant ? did_you_mean(name, known)
                                        : fmt::format("; known here: {}", joined(known))));
  has_unknown_ = has_unknown_ || !meant;
  if (!meant || std::as_const(at_.node)[std::string(*meant)]) return;
  mistakes_->hush(path_of(*meant));
  if (!find(*meant)) fields_.emplace_back(*meant, Field{value, path_of(*meant), line});
}

std::optional<Field> Map::find(std::string_view key) const {
  for (const auto& [name, field] : fields_) {
    if (name == key) return field;
  }
  return std::nullopt;
}

std::optional<Field> Map::require(std::string_view key, std::string_view example) const {
  auto field = find(key);
  if (!field && !has_unknown_) {
    mistakes_->add(at_.line, at_.key, fmt::format("\"{}\" is missing, such as {}", key, example));
  }
  return field;
}

std::optional<std::string> scalar(const Field& field, std::string_view wanted, Mistakes& mistakes) {
  if (field.node.IsScalar() && !field.node.Scalar().empty()) return field.node.Scalar();
  const std::string_view got = field.node.IsMap()        ? "a map"
                               : field.node.IsSequence() ? "a list"
                                                         : "nothing";
  mistakes.add(field, fmt::format("must be {}, not {}", wanted, got));
  return std::nullopt;
}

std::vector<Field> items(const Field& field, std::string_view wanted, Mistakes& mistakes) {
  std::vector<Field> out;
  if (!field.node.IsSequence()) {
    mistakes.add(field, fmt::format("must be a list of {}", wanted));
    return out;
  }
  for (size_t i = 0; i < field.node.size(); ++i) {
    const YAML::Node item = field.node[i];
    out.push_back({item, fmt::format("{}[{}]", field.key, i), item.Mark().line + 1});
  }
  return out;
}

std::optional<IpAddress> read_address(const Field& field, Mistakes& mistakes) {
  const auto text = scalar(field, "an IP address", mistakes);
  if (!text) return std::nullopt;
  const auto address = IpAddress::parse(*text);
  if (!address) {
    mistakes.add(
        field, fmt::format("\"{}\" is not an IP address such as 192.0.2.1 or 2001:db8::1", *text));
    return std::nullopt;
  }
  if (!address->is_unicast()) {
    mistakes.add(field, fmt::format("{} is not a unicast address", *text));
    return std::nullopt;
  }
  return address;
}

void Map::boolean(std::string_view key, bool& out) const {
  const auto field = find(key);
  if (!field) return;
  const auto text = scalar(*field, "true or false", *mistakes_);
  if (!text) return;
  if (*text == "true" || *text == "false") {
    out = *text == "true";
  } else {
    mistakes_->add(*field, fmt::format("must be true or false, not \"{}\"", *text));
  }
}

void Map::text(std::string_view key, std::string& out) const {
  if (const auto field = find(key)) {
    if (auto text = scalar(*field, "a text", *mistakes_)) out = std::move(*text);
  }
}

bool Map::read_integer(const Field& field, uint64_t& out, uint64_t low, uint64_t high) const {
  const auto text = scalar(field, "a whole number", *mistakes_);
  if (!text) return false;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error == std::errc::invalid_argument || end != text->data() + text->size()) {
    mistakes_->add(
        field, fmt::format("must be a whole number from {} to {}, not \"{}\"", low, high, *text));
    return false;
  }
  if (error != std::errc{} || value < low || value > high) {
    mistakes_->add(field,
                   fmt::format("{} is out of range; it must be from {} to {}", *text, low, high));
    return false;
  }
  out = value;
  return true;
}

bool Map::read_bytes(const Field& field, uint64_t& out, uint64_t low, uint64_t high) const {
  const auto text = scalar(field, "a size such as 512KiB", *mistakes_);
  if (!text) return false;
  const auto parts = number_and_unit(*text);
  std::optional<uint64_t> value;
  if (parts) value = scaled(parts->first, parts->second.empty() ? "B" : parts->second, kSizeUnits);
  if (!value) {
    mistakes_->add(field, fmt::format("\"{}\" is not a size; write it in B, KiB, MiB or GiB, such "
                                      "as 512KiB",
                                      *text));
    return false;
  }
  if (*value < low || *value > high) {
    mistakes_->add(field, fmt::format("{} is out of range; it must be from {} to {}", *text,
                                      bytes_text(low), bytes_text(high)));
    return false;
  }
  out = *value;
  return true;
}

void Map::duration(std::string_view key, Duration& out, Duration low, Duration high) const {
  const auto field = find(key);
  if (!field) return;
  const auto text = scalar(*field, "a duration such as 200ms", *mistakes_);
  if (!text) return;
  const auto parts = number_and_unit(*text);
  std::optional<uint64_t> value;
  if (parts && parts->second.empty() && parts->first == 0) value = 0;
  if (parts && !value) value = scaled(parts->first, parts->second, kTimeUnits);
  if (!value || *value > static_cast<uint64_t>(INT64_MAX)) {
    mistakes_->add(*field, fmt::format("\"{}\" is not a duration; write it in us, ms, s or min, "
                                       "such as 200ms",
                                       *text));
    return;
  }
  const Duration given(static_cast<int64_t>(*value));
  if (given < low || given > high) {
    mistakes_->add(*field, fmt::format("{} is out of range; it must be from {} to {}", *text,
                                       duration_text(low), duration_text(high)));
    return;
  }
  out = given;
}

std::optional<size_t> Map::choice(std::string_view key,
                                  std::initializer_list<std::string_view> names) const {
  const auto field = find(key);
  if (!field) return std::nullopt;
  const auto text = scalar(*field, fmt::format("one of {}", joined(names)), *mistakes_);
  if (!text) return std::nullopt;
  size_t index = 0;
  for (const std::string_view name : names) {
    if (name == *text) return index;
    ++index;
  }
  mistakes_->add(*field, fmt::format("must be one of {}, not \"{}\"{}", joined(names), *text,
                                     did_you_mean(*text, names)));
  return std::nullopt;
}

}  // namespace trunkline::config
