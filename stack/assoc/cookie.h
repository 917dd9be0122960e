// SPDX-License-Identifier: BSD-3-Clause
// The State Cookie (RFC 9260 sections 3.3.3.1.1, 5.1.3, 5.1.5): everything that an INIT told us,
// sealed with a MAC and sent to the peer to keep, so that an INIT costs no memory here. What comes
// back is untrusted bytes like any other until its MAC is checked.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/hmac_sha256.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/types.h"
#include "tx/outstanding.h"
#include "wire/features.h"

namespace trunkline {

struct Cookie {
  TimePoint created;
  Duration lifespan{};
  VerificationTag local_tag;
  VerificationTag peer_tag;
  Tsn local_initial_tsn;
  Tsn peer_initial_tsn;
  uint32_t peer_rwnd = 0;
  uint32_t peer_adaptation = 0;   // what its INIT said of the layer above
  uint16_t outbound_streams = 0;  // negotiated
  uint16_t inbound_streams = 0;
  wire::FeatureSet features;  // negotiated
  // Random nonces that name the association that existed when the INIT came, or zero (5.2.2).
  uint64_t local_tie = 0;
  uint64_t peer_tie = 0;
  EndpointId endpoint;
  PortNumber local_port;
  PortNumber peer_port;
  IpAddress local_address;                          // the one the INIT was sent to
  std::array<IpAddress, kMaxPaths> peer_addresses;  // the first is the one the INIT came from
  size_t peer_address_count = 0;
  // What an extension has to find again: kept as it is.
  static constexpr size_t kMaxKept = 640;
  std::array<uint8_t, kMaxKept> kept_bytes;
  size_t kept_size = 0;

  [[nodiscard]] std::span<const uint8_t> kept() const { return {kept_bytes.data(), kept_size}; }
  [[nodiscard]] std::span<const IpAddress> peers() const {
    return {peer_addresses.data(), peer_address_count};
  }
  // Not the first, and in the order of the others.
  void leave_out(const IpAddress& address) {
    const auto end = peer_addresses.begin() + static_cast<ptrdiff_t>(peer_address_count);
    const auto others = std::remove(peer_addresses.begin() + 1, end, address);
    peer_address_count = static_cast<size_t>(others - peer_addresses.begin());
  }
};

// Seals and opens cookies with HMAC-SHA256. Two keys: the current one, and the one before it for
// cookies that are still under way when keys change.
class CookieJar {
 public:
  static constexpr size_t kMacSize = HmacSha256::kSize;
  static constexpr size_t kMaxSize = 1024;

  CookieJar(RandomSource& random, TimePoint now);
  CookieJar(const CookieJar&) = delete;
  CookieJar& operator=(const CookieJar&) = delete;

  // Returns the sealed cookie's length.
  size_t seal(TimePoint now, const Cookie& cookie, std::span<uint8_t, kMaxSize> out);

  // The cheap checks come before the MAC. Neither ports, addresses nor age are judged here: that
  // needs the packet (5.1.5 steps 3 and 4).
  [[nodiscard]] bool open(TimePoint now, std::span<const uint8_t> sealed, Cookie& out);

 private:
  struct Key {
    uint8_t id = 0;
    HmacSha256 mac;
  };

  void rotate_if_due(TimePoint now);
  [[nodiscard]] Key draw_key();

  RandomSource& random_;
  TimePoint rotated_at_;
  uint8_t next_id_ = 1;
  Key current_;
  std::optional<Key> previous_;
};

}  // namespace trunkline
