// SPDX-License-Identifier: BSD-3-Clause
// INIT, type 1, and INIT ACK, type 2 (RFC 9260 sections 3.3.2, 3.3.3): view, parse, validate,
// build. The variable parameters are walked once, here, into a checked struct; nobody looks at the
// raw parameters again.
//
//  0   | 1 or 2 | flags = 0 | length                |
//  4   | initiate tag                               |
//  8   | a_rwnd                                     |
//  12  | outbound streams     | inbound streams     |
//  16  | initial TSN                                |
//  20  | parameters ...
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"
#include "wire/chunk.h"
#include "wire/features.h"
#include "wire/packet_writer.h"
#include "wire/parameter.h"

namespace trunkline::wire {

inline constexpr size_t kInitHeaderSize = 20;  // the chunk header included
inline constexpr uint32_t kMinInitWindow = 1500;

// The fixed part, the same for both chunks.
struct InitFields {
  VerificationTag initiate_tag;
  uint32_t a_rwnd = 0;
  uint16_t outbound_streams = 0;
  uint16_t inbound_streams = 0;
  Tsn initial_tsn;
};

enum class InitParseError : uint8_t {
  kNone,
  // Found by parse: the bytes make no sense.
  kTooShort,            // shorter than the fixed part
  kBadParameterLength,  // a parameter runs past the chunk, or has not the size that its type has
  // Found by validate_init: the bytes make sense, the values do not.
  kZeroTag,        // INIT: silence; INIT ACK: destroy, ABORT with the T bit
  kZeroStreams,    // outbound or inbound: ABORT
  kSmallWindow,    // a_rwnd below 1500: ABORT
  kHostName,       // a Host Name Address parameter: ABORT, Unresolvable Address
  kMissingCookie,  // INIT ACK without State Cookie: ABORT, Missing Mandatory Parameter
};

struct InitParseResult;

struct InitChunk : InitFields {
  static constexpr size_t kMaxAddresses = 32;
  static constexpr size_t kMaxUnrecognized = 16;

  // In the order of the chunk, without repetitions. Whether they are unicast and in a scope that
  // makes sense is not asked here.
  std::array<IpAddress, kMaxAddresses> addresses{};
  size_t address_count = 0;
  size_t addresses_dropped = 0;  // distinct or not: did not fit the array

  // Supported Address Types (12). Not present means any type (section 3.3.2, note 4).
  bool address_types_present = false;
  bool supports_ipv4 = true;
  bool supports_ipv6 = true;

  // State Cookie (7), INIT ACK only; may be empty. Points into the chunk, or nowhere: there is
  // none.
  std::span<const uint8_t> cookie;
  [[nodiscard]] bool has_cookie() const { return cookie.data() != nullptr; }
  // Cookie Preservative (9), INIT only.
  std::optional<uint32_t> cookie_preservative_ms;
  // Host Name Address (11), the whole parameter, to send back in Unresolvable Address.
  bool host_name_present = false;
  std::span<const uint8_t> host_name;

  // Adaptation Layer Indication (0xc006); 0, which some send always: none.
  uint32_t adaptation = 0;

  // Seen, which is not to say supported here.
  bool ecn_capable = false;
  bool forward_tsn_supported = false;
  std::span<const uint8_t> supported_extensions;  // chunk types, one byte each
  // INIT ACK: how many of our parameters the peer reports back as Unrecognized Parameter (8).
  size_t reported_by_peer = 0;

  // Whole parameters to report back: in the INIT ACK for those of an INIT, in an ERROR with the
  // COOKIE ECHO for those of an INIT ACK (section 3.2.2). They point into the chunk.
  std::array<std::span<const uint8_t>, kMaxUnrecognized> unrecognized{};
  size_t unrecognized_count = 0;
  size_t unrecognized_dropped = 0;
  bool walk_stopped = false;  // an unknown parameter demanded that the rest be ignored

  [[nodiscard]] std::span<const IpAddress> address_list() const {
    return {addresses.data(), address_count};
  }
  [[nodiscard]] std::span<const std::span<const uint8_t>> unrecognized_list() const {
    return {unrecognized.data(), unrecognized_count};
  }

  // Only syntax; see validate_init. is_ack says which of the two the chunk is taken for; parameters
  // of extensions that are not `understood` are unknown ones.
  [[nodiscard]] static InitParseResult parse(const ChunkView& chunk, bool is_ack,
                                             FeatureSet understood = {});
};

// Has an INIT or INIT ACK address parameters at all, good or bad? For those who ask for nothing
// else.
[[nodiscard]] bool has_address_parameters(const ChunkView& chunk);

struct InitParseResult {
  InitParseError error = InitParseError::kNone;
  // With kBadParameterLength: the parameter's type, or 0 where the walk broke off between
  // parameters. The fixed part of `init` is filled in then, so that an ABORT can carry the right
  // tag.
  uint16_t bad_parameter = 0;
  InitChunk init;
  [[nodiscard]] bool ok() const { return error == InitParseError::kNone; }
};

// The rules of sections 3.3.2 and 3.3.3 on the values; the first one broken, in the order of the
// enumerators (the tag comes first: without one there is nothing to answer with).
[[nodiscard]] InitParseError validate_init(const InitChunk& init, bool is_ack);

// Parameters beside the addresses. Empty ones are left out.
struct InitOptions {
  std::optional<uint32_t> cookie_preservative_ms;
  bool lists_ipv4 = false;  // Supported Address Types, if either is set
  bool lists_ipv6 = false;
  bool ecn_capable = false;
  std::span<const uint8_t> supported_extensions;
  bool forward_tsn_supported = false;
  uint32_t adaptation = 0;
};

// Both write parameters in this order: addresses, (cookie), cookie preservative, supported address
// types, ECN, supported extensions, forward TSN, adaptation layer, (unrecognized). False if it does
// not fit; nothing is written then, and the caller may try with fewer addresses or reports.
[[nodiscard]] bool write_init(PacketWriter& writer, const InitFields& fields,
                              std::span<const IpAddress> addresses,
                              const InitOptions& options = {});
// `unrecognized` are whole parameters of the INIT, each sent back in an Unrecognized Parameter.
[[nodiscard]] bool write_init_ack(PacketWriter& writer, const InitFields& fields,
                                  std::span<const IpAddress> addresses,
                                  std::span<const uint8_t> cookie,
                                  std::span<const std::span<const uint8_t>> unrecognized = {},
                                  const InitOptions& options = {});

}  // namespace trunkline::wire
