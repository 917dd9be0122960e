// SPDX-License-Identifier: BSD-3-Clause
// Text forms and scopes of IP addresses.
#include "trunkline/stack/address.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "base/bytes.h"

namespace trunkline {
namespace {

std::optional<std::array<uint8_t, 4>> parse_dotted_quad(std::string_view text) {
  std::array<uint8_t, 4> out{};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (size_t i = 0; i < 4; ++i) {
    if (i > 0) {
      if (at == end || *at != '.') return std::nullopt;
      ++at;
    }
    // A leading zero would be octal to some readers: refuse what can be misread.
    if (at != end && *at == '0' && at + 1 != end && at[1] >= '0' && at[1] <= '9') {
      return std::nullopt;
    }
    if (at == end || *at < '0' || *at > '9') return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, out[i]);
    if (error != std::errc{}) return std::nullopt;
    at = next;
  }
  if (at != end) return std::nullopt;
  return out;
}

// The groups of one side of "::". Returns how many 16-bit groups were written, or nothing.
std::optional<size_t> parse_groups(std::string_view text, std::array<uint8_t, 16>& out) {
  size_t groups = 0;
  if (text.empty()) return groups;
  while (true) {
    if (groups == 8) return std::nullopt;
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      const auto quad = parse_dotted_quad(group);
      if (!quad || groups > 6) return std::nullopt;
      std::copy(quad->begin(), quad->end(), out.begin() + static_cast<ptrdiff_t>(groups * 2));
      return groups + 2;
    }
    uint16_t value = 0;
    if (group.empty() || group.size() > 4 || group[0] == '-' || group[0] == '+') {
      return std::nullopt;
    }
    const auto [next, error] =
        std::from_chars(group.data(), group.data() + group.size(), value, 16);
    if (error != std::errc{} || next != group.data() + group.size()) return std::nullopt;
    out[groups * 2] = static_cast<uint8_t>(value >> 8);
    out[groups * 2 + 1] = static_cast<uint8_t>(value);
    ++groups;
    if (colon == std::string_view::npos) return groups;
    text.remove_prefix(colon + 1);
  }
}

std::optional<std::array<uint8_t, 16>> parse_ipv6(std::string_view text) {
  std::array<uint8_t, 16> out{};
  const size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    const auto groups = parse_groups(text, out);
    if (!groups || *groups != 8) return std::nullopt;
    return out;
  }
  // A dotted quad may only stand for the last 32 bits (RFC 4291 section 2.2).
  if (text.substr(0, gap).find('.') != std::string_view::npos) return std::nullopt;
  std::array<uint8_t, 16> tail{};
  const auto left = parse_groups(text.substr(0, gap), out);
  const auto right = parse_groups(text.substr(gap + 2), tail);
  if (!left || !right || *left + *right > 7) return std::nullopt;
  std::copy(tail.begin(), tail.begin() + static_cast<ptrdiff_t>(*right * 2),
            out.end() - static_cast<ptrdiff_t>(*right * 2));
  return out;
}

void append_hex(std::string& out, unsigned value) {
  char text[8];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value, 16);
  static_cast<void>(error);
  out.append(text, end);
}

}  // namespace

IpAddress IpAddress::from_ipv4(std::span<const uint8_t, 4> bytes) {
  return ipv4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

IpAddress IpAddress::from_ipv6(std::span<const uint8_t, 16> bytes) {
  IpAddress out;
  out.family_ = AddressFamily::kIpv6;
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin());
  return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    const auto quad = parse_dotted_quad(text);
    if (!quad) return std::nullopt;
    return from_ipv4(*quad);
  }
  const auto bytes = parse_ipv6(text);
  if (!bytes) return std::nullopt;
  return from_ipv6(*bytes);
}

AddressScope IpAddress::scope() const {
  if (is_ipv4()) {
    if (bytes_[0] == 127) return AddressScope::kLoopback;
    if (bytes_[0] == 169 && bytes_[1] == 254) return AddressScope::kLinkLocal;
    return AddressScope::kGlobal;
  }
  if (is_ipv6()) {
    const bool zeros =
        std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t byte) { return byte == 0; });
    if (zeros && bytes_[15] == 1) return AddressScope::kLoopback;
    if (bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80) return AddressScope::kLinkLocal;
  }
  return AddressScope::kGlobal;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_unicast_ipv6() const {
  if (is_unspecified()) return false;
  // IPv4-mapped: an IPv4 address goes over the wire as what it is (section 3.3.2.1.2).
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return bytes_[0] != 0xff && !std::equal(kMapped.begin(), kMapped.end(), bytes_.begin());
}

size_t IpAddress::common_prefix(const IpAddress& other) const {
  if (family_ != other.family_) return 0;
  const auto differing = [&](size_t half) {
    return load_be64(bytes_.data() + half) ^ load_be64(other.bytes_.data() + half);
  };
  size_t same = static_cast<size_t>(std::countl_zero(differing(0)));
  if (same == 64) same += static_cast<size_t>(std::countl_zero(differing(8)));
  return std::min(same, 8 * bytes().size());
}

std::string IpAddress::to_string() const {
  std::string out;
  if (is_ipv4()) {
    for (size_t i = 0; i < 4; ++i) {
      if (i > 0) out += '.';
      out += std::to_string(bytes_[i]);
    }
    return out;
  }
  if (is_none()) return "none";
  std::array<unsigned, 8> groups{};
  for (size_t i = 0; i < 8; ++i) groups[i] = bytes_[i * 2] * 256u + bytes_[i * 2 + 1];
  // RFC 5952: the longest run of two or more zero groups, the first of equals, becomes "::".
  size_t best = 0;
  size_t best_length = 1;
  for (size_t i = 0; i < 8;) {
    size_t run = 0;
    while (i + run < 8 && groups[i + run] == 0) ++run;
    if (run > best_length) {
      best = i;
      best_length = run;
    }
    i += run > 0 ? run : 1;
  }
  for (size_t i = 0; i < 8; ++i) {
    if (best_length > 1 && i == best) {
      out += "::";
      i += best_length - 1;
      continue;
    }
    if (!out.empty() && out.back() != ':') out += ':';
    append_hex(out, groups[i]);
  }
  return out;
}

}  // namespace trunkline
