// SPDX-License-Identifier: BSD-3-Clause
// IP addresses as values: 16 bytes and a family, comparable and hashable, with text forms.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace trunkline {

enum class AddressFamily : uint8_t { kNone = 0, kIpv4 = 4, kIpv6 = 6 };

// How far an address reaches. INIT and INIT ACK announce only addresses that mean the same at the
// peer (RFC 9260 section 5.1.2 and 5.1.3 leave this to the implementation; never loopback or
// link-local to a global peer).
enum class AddressScope : uint8_t { kLoopback, kLinkLocal, kGlobal };

class IpAddress {
 public:
  constexpr IpAddress() = default;

  // Network order, as in the IP header.
  static IpAddress from_ipv4(std::span<const uint8_t, 4> bytes);
  static IpAddress from_ipv6(std::span<const uint8_t, 16> bytes);
  static constexpr IpAddress ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    IpAddress out;
    out.family_ = AddressFamily::kIpv4;
    out.bytes_ = {a, b, c, d};
    return out;
  }
  // "192.0.2.1" or "2001:db8::1"; nothing for any other text.
  static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] AddressFamily family() const { return family_; }
  [[nodiscard]] bool is_ipv4() const { return family_ == AddressFamily::kIpv4; }
  [[nodiscard]] bool is_ipv6() const { return family_ == AddressFamily::kIpv6; }
  [[nodiscard]] bool is_none() const { return family_ == AddressFamily::kNone; }
  // 4 or 16 bytes in network order; empty for none.
  [[nodiscard]] std::span<const uint8_t> bytes() const {
    return {bytes_.data(), is_ipv4() ? size_t{4} : is_ipv6() ? size_t{16} : size_t{0}};
  }
  [[nodiscard]] AddressScope scope() const;
  [[nodiscard]] bool is_unspecified() const;
  // Not so: multicast, broadcast, unspecified, IPv4-mapped. None of these is ever the address of a
  // peer (RFC 9260 sections 8.4 rule 1, 3.3.2.1.2).
  [[nodiscard]] bool is_unicast() const {
    // 224/4 is multicast, 240/4 reserved.
    if (is_ipv4()) return bytes_[0] != 0 && bytes_[0] < 224;
    return is_ipv6() && is_unicast_ipv6();
  }
  // The bits that both have in common, from the first; none if they are of two families.
  [[nodiscard]] size_t common_prefix(const IpAddress& other) const;
  // Does it begin with the first `length` bits of `prefix`?
  [[nodiscard]] bool has_prefix(const IpAddress& prefix, size_t length) const {
    return family_ == prefix.family_ && common_prefix(prefix) >= length;
  }
  [[nodiscard]] std::string to_string() const;

  // Two loads and compares; what the array's own comparison becomes is a call.
  bool operator==(const IpAddress& other) const {
    return family_ == other.family_ && std::memcmp(bytes_.data(), other.bytes_.data(), 16) == 0;
  }

 private:
  [[nodiscard]] bool is_unicast_ipv6() const;

  std::array<uint8_t, 16> bytes_{};
  AddressFamily family_ = AddressFamily::kNone;
};

}  // namespace trunkline
