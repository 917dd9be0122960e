// SPDX-License-Identifier: BSD-3-Clause
// Extensions that two ends agree on when they set an association up, and how INIT and INIT ACK
// announce them: by the chunk types of a Supported Extensions parameter (RFC 5061 section 4.2.7),
// one also by a parameter of its own. What only one of them announces is not used, and its chunks
// are unknown ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "wire/chunk.h"

namespace trunkline::wire {

struct InitChunk;

enum class Feature : uint8_t {
  kPartialReliability,  // RFC 3758
  kReconfiguration,     // RFC 6525
  kInterleaving,        // RFC 8260
  kAuthentication,      // RFC 4895
  kDynamicAddresses,    // RFC 5061
};

class FeatureSet {
 public:
  constexpr FeatureSet() = default;
  constexpr FeatureSet(std::initializer_list<Feature> features) {
    for (const Feature feature : features) add(feature);
  }
  [[nodiscard]] static constexpr FeatureSet from_bits(uint16_t bits) {
    FeatureSet out;
    out.bits_ = bits;
    return out;
  }
  [[nodiscard]] constexpr uint16_t bits() const { return bits_; }

  constexpr void add(Feature feature) { bits_ |= bit(feature); }
  constexpr void remove(Feature feature) { bits_ &= static_cast<uint16_t>(~bit(feature)); }
  [[nodiscard]] constexpr bool has(Feature feature) const { return (bits_ & bit(feature)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  // What both have.
  [[nodiscard]] constexpr FeatureSet operator&(FeatureSet other) const {
    return from_bits(bits_ & other.bits_);
  }
  [[nodiscard]] constexpr bool operator==(const FeatureSet&) const = default;

 private:
  [[nodiscard]] static constexpr uint16_t bit(Feature feature) {
    return static_cast<uint16_t>(1u << static_cast<unsigned>(feature));
  }

  uint16_t bits_ = 0;
};

// The value of a Supported Extensions parameter.
struct ExtensionList {
  std::array<uint8_t, 8> types{};
  size_t count = 0;
  [[nodiscard]] std::span<const uint8_t> list() const { return {types.data(), count}; }
};
[[nodiscard]] ExtensionList extensions_of(FeatureSet features);

// What a peer's INIT or INIT ACK announces: of an extension all of its chunk types.
[[nodiscard]] FeatureSet announced(const InitChunk& init);

}  // namespace trunkline::wire
