// SPDX-License-Identifier: BSD-3-Clause
// Error causes (RFC 9260 section 3.3.10): names, the causes with a fixed form, and the builders, in
// the order of the codes.
#include "wire/cause.h"

#include <algorithm>

namespace trunkline::wire {
namespace {

bool append_empty(PacketWriter& writer, CauseCode code) {
  return writer.append_tlv(static_cast<uint16_t>(code), {});
}

bool append_word(PacketWriter& writer, CauseCode code, uint32_t word) {
  uint8_t value[4];
  store_be32(value, word);
  return writer.append_tlv(static_cast<uint16_t>(code), value);
}

std::optional<uint32_t> parse_word(const CauseView& cause, CauseCode code) {
  if (cause.code != code || cause.value.size() != 4) return std::nullopt;
  return load_be32(cause.value.data());
}

}  // namespace

std::string_view cause_name(CauseCode code) {
  switch (code) {
    case CauseCode::kInvalidStreamIdentifier:
      return "Invalid Stream Identifier";
    case CauseCode::kMissingMandatoryParameter:
      return "Missing Mandatory Parameter";
    case CauseCode::kStaleCookie:
      return "Stale Cookie";
    case CauseCode::kOutOfResource:
      return "Out of Resource";
    case CauseCode::kUnresolvableAddress:
      return "Unresolvable Address";
    case CauseCode::kUnrecognizedChunkType:
      return "Unrecognized Chunk Type";
    case CauseCode::kInvalidMandatoryParameter:
      return "Invalid Mandatory Parameter";
    case CauseCode::kUnrecognizedParameters:
      return "Unrecognized Parameters";
    case CauseCode::kNoUserData:
      return "No User Data";
    case CauseCode::kCookieReceivedWhileShuttingDown:
      return "Cookie Received While Shutting Down";
    case CauseCode::kRestartWithNewAddresses:
      return "Restart of an Association with New Addresses";
    case CauseCode::kUserInitiatedAbort:
      return "User-Initiated Abort";
    case CauseCode::kProtocolViolation:
      return "Protocol Violation";
  }
  return "unknown cause";
}

std::optional<StreamId> parse_invalid_stream_identifier(const CauseView& cause) {
  const auto word = parse_word(cause, CauseCode::kInvalidStreamIdentifier);
  if (!word) return std::nullopt;
  return StreamId(static_cast<uint16_t>(*word >> 16));  // the lower half is reserved
}

std::optional<uint32_t> parse_stale_cookie_us(const CauseView& cause) {
  return parse_word(cause, CauseCode::kStaleCookie);
}

std::optional<Tsn> parse_no_user_data(const CauseView& cause) {
  const auto word = parse_word(cause, CauseCode::kNoUserData);
  if (!word) return std::nullopt;
  return Tsn(*word);
}

bool append_invalid_stream_identifier(PacketWriter& writer, StreamId stream) {
  return append_word(writer, CauseCode::kInvalidStreamIdentifier, uint32_t{stream.value} << 16);
}

bool append_missing_mandatory_parameters(PacketWriter& writer,
                                         std::span<const ParameterType> missing) {
  if (!writer.begin_tlv(static_cast<uint16_t>(CauseCode::kMissingMandatoryParameter))) return false;
  uint8_t* at = writer.append(4 + 2 * missing.size());
  if (at == nullptr) return false;
  store_be32(at, static_cast<uint32_t>(missing.size()));
  at += 4;
  for (const ParameterType type : missing) {
    store_be16(at, static_cast<uint16_t>(type));
    at += 2;
  }
  return writer.end_tlv();
}

bool append_stale_cookie(PacketWriter& writer, uint32_t staleness_us) {
  return append_word(writer, CauseCode::kStaleCookie, staleness_us);
}

bool append_out_of_resource(PacketWriter& writer) {
  return append_empty(writer, CauseCode::kOutOfResource);
}

bool append_unresolvable_address(PacketWriter& writer, std::span<const uint8_t> parameter) {
  return writer.append_tlv(static_cast<uint16_t>(CauseCode::kUnresolvableAddress), parameter);
}

bool append_unrecognized_chunk(PacketWriter& writer, std::span<const uint8_t> chunk) {
  if (!writer.begin_tlv(static_cast<uint16_t>(CauseCode::kUnrecognizedChunkType))) return false;
  const size_t room = writer.open_remaining();
  // Without the chunk's own header the report would say nothing.
  if (chunk.size() > room && room < kChunkHeaderSize) return writer.append(chunk.size()) != nullptr;
  return writer.append_bytes(chunk.first(std::min(chunk.size(), room))) && writer.align() &&
         writer.end_tlv();
}

bool append_invalid_mandatory_parameter(PacketWriter& writer) {
  return append_empty(writer, CauseCode::kInvalidMandatoryParameter);
}

bool append_unrecognized_parameters(PacketWriter& writer,
                                    std::span<const std::span<const uint8_t>> parameters) {
  writer.begin_tlv(static_cast<uint16_t>(CauseCode::kUnrecognizedParameters));
  for (const std::span<const uint8_t> parameter : parameters) {
    if (!writer.align() || !writer.append_bytes(parameter)) return false;
  }
  return writer.end_tlv();
}

bool append_no_user_data(PacketWriter& writer, Tsn tsn) {
  return append_word(writer, CauseCode::kNoUserData, tsn.value);
}

bool append_cookie_received_while_shutting_down(PacketWriter& writer) {
  return append_empty(writer, CauseCode::kCookieReceivedWhileShuttingDown);
}

bool append_restart_with_new_addresses(PacketWriter& writer, std::span<const IpAddress> addresses) {
  writer.begin_tlv(static_cast<uint16_t>(CauseCode::kRestartWithNewAddresses));
  for (const IpAddress& address : addresses) {
    if (!writer.append_address(address)) return false;
  }
  return writer.end_tlv();
}

bool append_user_initiated_abort(PacketWriter& writer, std::span<const uint8_t> reason) {
  return writer.append_tlv(static_cast<uint16_t>(CauseCode::kUserInitiatedAbort), reason);
}

bool append_protocol_violation(PacketWriter& writer, std::string_view information) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(information.data());
  return writer.append_tlv(static_cast<uint16_t>(CauseCode::kProtocolViolation),
                           {bytes, information.size()});
}

}  // namespace trunkline::wire
