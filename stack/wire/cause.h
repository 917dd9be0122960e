// SPDX-License-Identifier: BSD-3-Clause
// Error causes (RFC 9260 section 3.3.10), as carried by ABORT and ERROR: codes, cursor, and a
// builder for each. A builder appends one cause to the chunk that the writer has open (begin_abort,
// begin_error); false means that it did not fit, and then end_chunk will take the whole chunk back.
//
//  0      2        4
//  | code | length | information ... | padding, not counted by length
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"
#include "wire/packet_writer.h"
#include "wire/parameter.h"
#include "wire/tlv.h"

namespace trunkline::wire {

enum class CauseCode : uint16_t {
  kInvalidStreamIdentifier = 1,
  kMissingMandatoryParameter = 2,
  kStaleCookie = 3,
  kOutOfResource = 4,
  kUnresolvableAddress = 5,
  kUnrecognizedChunkType = 6,
  kInvalidMandatoryParameter = 7,
  kUnrecognizedParameters = 8,
  kNoUserData = 9,
  kCookieReceivedWhileShuttingDown = 10,
  kRestartWithNewAddresses = 11,
  kUserInitiatedAbort = 12,
  kProtocolViolation = 13,
};

struct CauseView {
  CauseCode code{};
  std::span<const uint8_t> value;  // without header and padding
  std::span<const uint8_t> whole;  // header and value, without padding
};

class CauseCursor {
 public:
  explicit CauseCursor(std::span<const uint8_t> causes) : items_(causes) {}

  [[nodiscard]] std::optional<CauseView> next() {
    const std::span<const uint8_t> whole = items_.next();
    if (whole.empty()) return std::nullopt;
    return CauseView{static_cast<CauseCode>(load_be16(whole.data())), whole.subspan(kTlvHeaderSize),
                     whole};
  }
  [[nodiscard]] CursorEnd end() const { return items_.end(); }

 private:
  TlvCursor items_;
};

// "Stale Cookie" ...; "unknown cause" for what RFC 9260 does not define.
[[nodiscard]] std::string_view cause_name(CauseCode code);

// What the causes with a fixed form say; nothing for another code or a value of the wrong size.
[[nodiscard]] std::optional<StreamId> parse_invalid_stream_identifier(const CauseView& cause);
[[nodiscard]] std::optional<uint32_t> parse_stale_cookie_us(const CauseView& cause);
[[nodiscard]] std::optional<Tsn> parse_no_user_data(const CauseView& cause);

[[nodiscard]] bool append_invalid_stream_identifier(PacketWriter& writer, StreamId stream);
[[nodiscard]] bool append_missing_mandatory_parameters(PacketWriter& writer,
                                                       std::span<const ParameterType> missing);
// Microseconds past the cookie's expiry, or 0 not to say.
[[nodiscard]] bool append_stale_cookie(PacketWriter& writer, uint32_t staleness_us);
[[nodiscard]] bool append_out_of_resource(PacketWriter& writer);
// The whole address (or host name) parameter as it was received.
[[nodiscard]] bool append_unresolvable_address(PacketWriter& writer,
                                               std::span<const uint8_t> parameter);
// The whole chunk as it was received (ChunkView::whole), and its padding, which is part of it as
// sections 3.2 and 3.3.10.6 have it; other stacks count it too. Cut short if that is what fits: the
// chunk's header names the culprit, and a 65535-byte chunk can't be sent back whole.
[[nodiscard]] bool append_unrecognized_chunk(PacketWriter& writer, std::span<const uint8_t> chunk);
[[nodiscard]] bool append_invalid_mandatory_parameter(PacketWriter& writer);
// The whole parameters as they were received (ParameterView::whole).
[[nodiscard]] bool append_unrecognized_parameters(
    PacketWriter& writer, std::span<const std::span<const uint8_t>> parameters);
[[nodiscard]] bool append_no_user_data(PacketWriter& writer, Tsn tsn);
[[nodiscard]] bool append_cookie_received_while_shutting_down(PacketWriter& writer);
[[nodiscard]] bool append_restart_with_new_addresses(PacketWriter& writer,
                                                     std::span<const IpAddress> addresses);
// The upper layer's reason, opaque to SCTP; may be empty.
[[nodiscard]] bool append_user_initiated_abort(PacketWriter& writer,
                                               std::span<const uint8_t> reason);
[[nodiscard]] bool append_protocol_violation(PacketWriter& writer, std::string_view information);

}  // namespace trunkline::wire
