// SPDX-License-Identifier: BSD-3-Clause
// Parameter types and the cursor over the parameters of a chunk (RFC 9260 section 3.2.1).
//
//  0      2        4
//  | type | length | value ... | padding, not counted by length
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "wire/tlv.h"

namespace trunkline::wire {

inline constexpr size_t kParameterHeaderSize = kTlvHeaderSize;

enum class ParameterType : uint16_t {
  kHeartbeatInfo = 1,
  kIpv4Address = 5,
  kIpv6Address = 6,
  kStateCookie = 7,
  kUnrecognizedParameter = 8,
  kCookiePreservative = 9,
  kHostNameAddress = 11,
  kSupportedAddressTypes = 12,
  kEcnCapable = 0x8000,           // reserved by RFC 9260
  kSupportedExtensions = 0x8008,  // RFC 5061 section 4.2.7
  kForwardTsnSupported = 0xc000,  // RFC 3758 section 3.1
  kAdaptationLayer = 0xc006,      // RFC 5061 section 4.2.6
};

struct ParameterView {
  ParameterType type{};
  std::span<const uint8_t> value;  // without header and padding
  std::span<const uint8_t> whole;  // header and value, without padding: what a report copies
};

class ParameterCursor {
 public:
  explicit ParameterCursor(std::span<const uint8_t> parameters) : items_(parameters) {}

  [[nodiscard]] std::optional<ParameterView> next() {
    const std::span<const uint8_t> whole = items_.next();
    if (whole.empty()) return std::nullopt;
    return ParameterView{static_cast<ParameterType>(load_be16(whole.data())),
                         whole.subspan(kParameterHeaderSize), whole};
  }
  [[nodiscard]] CursorEnd end() const { return items_.end(); }

 private:
  TlvCursor items_;
};

// What to do with a parameter whose type the endpoint does not know (table 3).
[[nodiscard]] constexpr UnknownAction unknown_parameter_action(ParameterType type) {
  return static_cast<UnknownAction>(static_cast<uint16_t>(type) >> 14);
}

}  // namespace trunkline::wire
