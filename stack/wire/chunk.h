// SPDX-License-Identifier: BSD-3-Clause
// Chunk types and the cursor that splits a packet into chunks (RFC 9260 section 3.2). What is in a
// chunk's value is the business of the files named after the chunks.
//
//  0      1       2        4
//  | type | flags | length | value ... | 0 to 3 bytes of padding, not counted by length
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "wire/tlv.h"

namespace trunkline::wire {

inline constexpr size_t kChunkHeaderSize = kTlvHeaderSize;
inline constexpr size_t kMaxChunkSize = 65535;  // what the length field can say

enum class ChunkType : uint8_t {
  kData = 0,
  kInit = 1,
  kInitAck = 2,
  kSack = 3,
  kHeartbeat = 4,
  kHeartbeatAck = 5,
  kAbort = 6,
  kShutdown = 7,
  kShutdownAck = 8,
  kError = 9,
  kCookieEcho = 10,
  kCookieAck = 11,
  kEcne = 12,  // reserved
  kCwr = 13,   // reserved
  kShutdownComplete = 14,
  // Of extensions: known by number, and to RFC 9260 alone unknown.
  kAuth = 15,          // RFC 4895
  kIData = 64,         // RFC 8260
  kAsconfAck = 128,    // RFC 5061
  kReconfig = 130,     // RFC 6525
  kPad = 132,          // RFC 4820
  kForwardTsn = 192,   // RFC 3758
  kAsconf = 193,       // RFC 5061
  kIForwardTsn = 194,  // RFC 8260
};

// The T bit of ABORT and SHUTDOWN COMPLETE: the packet carries the tag that it was sent in answer
// to, not the one that its receiver chose (sections 3.3.7, 3.3.13, 8.5.1).
inline constexpr uint8_t kTagReflectedFlag = 0x01;

struct ChunkView {
  ChunkType type{};
  uint8_t flags = 0;
  std::span<const uint8_t> value;  // without header and padding
  std::span<const uint8_t> whole;  // header and value, without padding
};

// Walks the bytes that follow the common header. See TlvCursor for lengths and padding.
class ChunkCursor {
 public:
  explicit ChunkCursor(std::span<const uint8_t> chunks) : items_(chunks) {}

  [[nodiscard]] std::optional<ChunkView> next() {
    const std::span<const uint8_t> whole = items_.next();
    if (whole.empty()) return std::nullopt;
    return ChunkView{static_cast<ChunkType>(whole[0]), whole[1], whole.subspan(kChunkHeaderSize),
                     whole};
  }
  [[nodiscard]] std::span<const uint8_t> rest() const { return items_.rest(); }
  void pass(size_t size) { items_.pass(size); }
  [[nodiscard]] CursorEnd end() const { return items_.end(); }

 private:
  TlvCursor items_;
};

// What to do with a chunk whose type the endpoint does not know (table 2).
[[nodiscard]] constexpr UnknownAction unknown_chunk_action(ChunkType type) {
  return static_cast<UnknownAction>(static_cast<uint8_t>(type) >> 6);
}

// "DATA", "INIT ACK" ...; "unknown" for what is not in the enumeration.
[[nodiscard]] std::string_view chunk_name(ChunkType type);

}  // namespace trunkline::wire
