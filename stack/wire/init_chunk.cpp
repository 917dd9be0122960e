// SPDX-License-Identifier: BSD-3-Clause
// INIT and INIT ACK (RFC 9260 sections 3.3.2, 3.3.3): the one walk over their parameters, the rules
// on their values, and the builders.
#include "wire/init_chunk.h"

#include <algorithm>

namespace trunkline::wire {
namespace {

constexpr size_t kIpv4Size = 4;
constexpr size_t kIpv6Size = 16;

void add_address(InitChunk& init, const IpAddress& address) {
  const auto known = init.address_list();
  // A peer that repeats an address must not fill the list with it.
  if (std::find(known.begin(), known.end(), address) != known.end()) return;
  if (init.address_count == InitChunk::kMaxAddresses) {
    ++init.addresses_dropped;
    return;
  }
  init.addresses[init.address_count++] = address;
}

void add_unrecognized(InitChunk& init, std::span<const uint8_t> whole) {
  if (init.unrecognized_count == InitChunk::kMaxUnrecognized) {
    ++init.unrecognized_dropped;
    return;
  }
  init.unrecognized[init.unrecognized_count++] = whole;
}

// What section 3.2.1 wants done with a parameter that nobody here understands. False: stop.
bool handle_unknown(InitChunk& init, const ParameterView& parameter) {
  const UnknownAction action = unknown_parameter_action(parameter.type);
  if (reports(action)) add_unrecognized(init, parameter.whole);
  if (stops(action)) init.walk_stopped = true;
  return !init.walk_stopped;
}

bool read_address_types(InitChunk& init, std::span<const uint8_t> value) {
  if (value.size() % 2 != 0) return false;
  init.address_types_present = true;
  init.supports_ipv4 = false;
  init.supports_ipv6 = false;
  for (; !value.empty(); value = value.subspan(2)) {
    const auto type = static_cast<ParameterType>(load_be16(value.data()));
    if (type == ParameterType::kIpv4Address) init.supports_ipv4 = true;
    if (type == ParameterType::kIpv6Address) init.supports_ipv6 = true;
  }
  return true;
}

// One parameter into the checked struct. False if it has not the size that its type has.
bool read_parameter(InitChunk& init, const ParameterView& parameter, bool is_ack,
                    FeatureSet understood) {
  const std::span<const uint8_t> value = parameter.value;
  switch (parameter.type) {
    case ParameterType::kIpv4Address:
      if (value.size() != kIpv4Size) return false;
      add_address(init, IpAddress::from_ipv4(value.first<kIpv4Size>()));
      return true;
    case ParameterType::kIpv6Address:
      if (value.size() != kIpv6Size) return false;
      add_address(init, IpAddress::from_ipv6(value.first<kIpv6Size>()));
      return true;
    case ParameterType::kStateCookie:
      // Only one is allowed; of several the first is used. In an INIT it means nothing.
      if (is_ack && !init.has_cookie()) init.cookie = value;
      return true;
    case ParameterType::kUnrecognizedParameter:
      if (is_ack) ++init.reported_by_peer;
      return true;
    case ParameterType::kCookiePreservative:
      if (value.size() != 4) return false;
      if (!is_ack) init.cookie_preservative_ms = load_be32(value.data());
      return true;
    case ParameterType::kHostNameAddress:
      init.host_name_present = true;
      init.host_name = parameter.whole;
      return true;
    case ParameterType::kSupportedAddressTypes:
      return read_address_types(init, value);
    case ParameterType::kEcnCapable:
      init.ecn_capable = true;
      return true;
    case ParameterType::kSupportedExtensions:
      init.supported_extensions = value;
      return true;
    case ParameterType::kForwardTsnSupported:
      init.forward_tsn_supported = true;
      // Who does not do RFC 3758 reports it, so that the peer knows (section 3.3.1 there).
      if (!understood.has(Feature::kPartialReliability)) handle_unknown(init, parameter);
      return true;
    case ParameterType::kAdaptationLayer:
      // Nothing hangs on it here: of another size it is no word of the layer above.
      if (value.size() == 4) init.adaptation = load_be32(value.data());
      return true;
    case ParameterType::kHeartbeatInfo:  // has no place here
      break;
  }
  handle_unknown(init, parameter);
  return true;
}

}  // namespace

InitParseResult InitChunk::parse(const ChunkView& chunk, bool is_ack, FeatureSet understood) {
  constexpr size_t kFixed = kInitHeaderSize - kChunkHeaderSize;
  InitParseResult out;
  InitChunk& init = out.init;
  const uint8_t* const at = chunk.value.data();
  if (chunk.value.size() < kFixed) {
    out.error = InitParseError::kTooShort;
    return out;
  }
  init.initiate_tag = VerificationTag(load_be32(at));
  init.a_rwnd = load_be32(at + 4);
  init.outbound_streams = load_be16(at + 8);
  init.inbound_streams = load_be16(at + 10);
  init.initial_tsn = Tsn(load_be32(at + 12));

  ParameterCursor cursor(chunk.value.subspan(kFixed));
  while (const auto parameter = cursor.next()) {
    if (!read_parameter(init, *parameter, is_ack, understood)) {
      out.error = InitParseError::kBadParameterLength;
      out.bad_parameter = static_cast<uint16_t>(parameter->type);
      return out;
    }
    if (init.walk_stopped) return out;
  }
  if (cursor.end() != CursorEnd::kClean) out.error = InitParseError::kBadParameterLength;
  return out;
}

bool has_address_parameters(const ChunkView& chunk) {
  constexpr size_t kFixed = kInitHeaderSize - kChunkHeaderSize;
  ParameterCursor cursor(chunk.value.subspan(std::min(chunk.value.size(), kFixed)));
  while (const auto parameter = cursor.next()) {
    if (parameter->type == ParameterType::kIpv4Address ||
        parameter->type == ParameterType::kIpv6Address) {
      return true;
    }
  }
  return false;
}

InitParseError validate_init(const InitChunk& init, bool is_ack) {
  if (init.initiate_tag.value == 0) return InitParseError::kZeroTag;
  if (init.outbound_streams == 0 || init.inbound_streams == 0) return InitParseError::kZeroStreams;
  if (init.a_rwnd < kMinInitWindow) return InitParseError::kSmallWindow;
  if (init.host_name_present) return InitParseError::kHostName;
  if (is_ack && !init.has_cookie()) return InitParseError::kMissingCookie;
  return InitParseError::kNone;
}

namespace {

constexpr uint16_t number(ParameterType type) {
  return static_cast<uint16_t>(type);
}

// The writer remembers that something did not fit, so nothing is checked until end_chunk.
bool begin(PacketWriter& writer, ChunkType type, const InitFields& fields,
           std::span<const IpAddress> addresses) {
  if (!writer.begin_chunk(type, 0)) return false;
  uint8_t* const at = writer.append(kInitHeaderSize - kChunkHeaderSize);
  if (at != nullptr) {
    store_be32(at, fields.initiate_tag.value);
    store_be32(at + 4, fields.a_rwnd);
    store_be16(at + 8, fields.outbound_streams);
    store_be16(at + 10, fields.inbound_streams);
    store_be32(at + 12, fields.initial_tsn.value);
  }
  for (const IpAddress& address : addresses) writer.append_address(address);
  return true;
}

void append_options(PacketWriter& writer, const InitOptions& options) {
  if (options.cookie_preservative_ms) {
    uint8_t value[4];
    store_be32(value, *options.cookie_preservative_ms);
    writer.append_tlv(number(ParameterType::kCookiePreservative), value);
  }
  if (options.lists_ipv4 || options.lists_ipv6) {
    uint8_t value[4];
    size_t size = 0;
    for (const auto& [listed, type] :
         {std::pair(options.lists_ipv4, ParameterType::kIpv4Address),
          std::pair(options.lists_ipv6, ParameterType::kIpv6Address)}) {
      if (!listed) continue;
      store_be16(value + size, number(type));
      size += 2;
    }
    writer.append_tlv(number(ParameterType::kSupportedAddressTypes), std::span(value, size));
  }
  if (options.ecn_capable) writer.append_tlv(number(ParameterType::kEcnCapable), {});
  if (!options.supported_extensions.empty()) {
    writer.append_tlv(number(ParameterType::kSupportedExtensions), options.supported_extensions);
  }
  if (options.forward_tsn_supported) {
    writer.append_tlv(number(ParameterType::kForwardTsnSupported), {});
  }
  if (options.adaptation != 0) {
    uint8_t value[4];
    store_be32(value, options.adaptation);
    writer.append_tlv(number(ParameterType::kAdaptationLayer), value);
  }
}

}  // namespace

bool write_init(PacketWriter& writer, const InitFields& fields,
                std::span<const IpAddress> addresses, const InitOptions& options) {
  if (!begin(writer, ChunkType::kInit, fields, addresses)) return false;
  append_options(writer, options);
  return writer.end_chunk();
}

bool write_init_ack(PacketWriter& writer, const InitFields& fields,
                    std::span<const IpAddress> addresses, std::span<const uint8_t> cookie,
                    std::span<const std::span<const uint8_t>> unrecognized,
                    const InitOptions& options) {
  if (!begin(writer, ChunkType::kInitAck, fields, addresses)) return false;
  writer.append_tlv(number(ParameterType::kStateCookie), cookie);
  append_options(writer, options);
  for (const std::span<const uint8_t> parameter : unrecognized) {
    writer.append_tlv(number(ParameterType::kUnrecognizedParameter), parameter);
  }
  return writer.end_chunk();
}

}  // namespace trunkline::wire
