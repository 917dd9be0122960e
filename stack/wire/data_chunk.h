// SPDX-License-Identifier: BSD-3-Clause
// DATA, type 0 (RFC 9260 section 3.3.1): view, parse, build. On the fast path, hence all inline.
//
//  0   | 0 | - - - - I U B E | length             |
//  4   | TSN                                      |
//  8   | stream identifier   | stream sequence    |
//  12  | payload protocol identifier              |
//  16  | user data ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "trunkline/stack/types.h"
#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

inline constexpr size_t kDataHeaderSize = 16;  // the chunk header included

// A DATA chunk of checked bytes, read where it lies.
class DataFields {
 public:
  explicit DataFields(const uint8_t* at) : at_(at) {}
  [[nodiscard]] uint32_t head() const { return load_be32(at_); }  // type, flags, length
  [[nodiscard]] uint32_t size() const {                           // of the payload
    return load_be16(at_ + 2) - static_cast<uint32_t>(kDataHeaderSize);
  }
  [[nodiscard]] Tsn tsn() const { return Tsn(load_be32(at_ + 4)); }
  [[nodiscard]] uint32_t turn() const { return load_be32(at_ + 8); }  // stream and SSN
  [[nodiscard]] StreamId stream() const { return StreamId(load_be16(at_ + 8)); }
  [[nodiscard]] Ssn ssn() const { return Ssn(load_be16(at_ + 10)); }
  [[nodiscard]] Ppid ppid() const { return Ppid(load_be32(at_ + 12)); }
  [[nodiscard]] const uint8_t* payload() const { return at_ + kDataHeaderSize; }

 private:
  const uint8_t* at_;
};

struct DataChunk {
  static constexpr uint8_t kEndingFlag = 0x01;
  static constexpr uint8_t kBeginningFlag = 0x02;
  static constexpr uint8_t kUnorderedFlag = 0x04;
  static constexpr uint8_t kImmediateFlag = 0x08;

  bool immediate = false;
  bool unordered = false;
  bool beginning = false;
  bool ending = false;
  Tsn tsn;
  StreamId stream;
  Mid mid;  // the SSN, whose circle is shorter
  Ppid ppid;
  uint8_t path = 0;                  // by which it came: its receiver's word, for what it holds
  std::span<const uint8_t> payload;  // empty where the peer broke the rule: answer No User Data

  // The chunk must be a DATA chunk. Nothing if it is shorter than its fixed part.
  [[nodiscard]] static std::optional<DataChunk> parse(const ChunkView& chunk) {
    constexpr size_t kFixed = kDataHeaderSize - kChunkHeaderSize;
    if (chunk.type != ChunkType::kData || chunk.value.size() < kFixed) return std::nullopt;
    const DataFields fields(chunk.whole.data());
    DataChunk out;
    out.immediate = (chunk.flags & kImmediateFlag) != 0;
    out.unordered = (chunk.flags & kUnorderedFlag) != 0;
    out.beginning = (chunk.flags & kBeginningFlag) != 0;
    out.ending = (chunk.flags & kEndingFlag) != 0;
    out.tsn = fields.tsn();
    out.stream = fields.stream();
    out.mid = Mid(fields.ssn().value);
    out.ppid = fields.ppid();
    out.payload = chunk.value.subspan(kFixed);
    return out;
  }
};

// Do these bytes, of which there are some, begin like a DATA chunk?
[[nodiscard]] inline bool is_data(std::span<const uint8_t> chunks) {
  return chunks[0] == static_cast<uint8_t>(ChunkType::kData);
}

[[nodiscard]] inline uint8_t data_flags(const DataChunk& data) {
  return static_cast<uint8_t>((data.immediate ? DataChunk::kImmediateFlag : 0u) |
                              (data.unordered ? DataChunk::kUnorderedFlag : 0u) |
                              (data.beginning ? DataChunk::kBeginningFlag : 0u) |
                              (data.ending ? DataChunk::kEndingFlag : 0u));
}
// What stands between the chunk header and the payload. Returns where that goes.
inline uint8_t* store_data_fields(uint8_t* at, Tsn tsn, StreamId stream, Mid mid, Ppid ppid) {
  store_be32(at, tsn.value);
  store_be32(at + 4, uint32_t{stream.value} << 16 | static_cast<uint16_t>(mid.value));
  store_be32(at + 8, ppid.value);
  return at + (kDataHeaderSize - kChunkHeaderSize);
}

// The chunk is a DATA chunk; its receiver is not to put its SACK off (3.3.1, the I bit).
inline void ask_for_sack(uint8_t* chunk) {
  chunk[1] |= DataChunk::kImmediateFlag;
}

// Writes all but the payload; the payload field of `data` is not looked at. Returns where the
// payload goes, or nullptr if there is no room or payload_size is 0 (a DATA chunk must have some).
[[nodiscard]] inline uint8_t* write_data_header(PacketWriter& writer, const DataChunk& data,
                                                size_t payload_size) {
  constexpr size_t kFixed = kDataHeaderSize - kChunkHeaderSize;
  if (payload_size == 0 || payload_size > kMaxChunkSize) return nullptr;
  uint8_t* const at =
      writer.reserve_chunk(ChunkType::kData, data_flags(data), kFixed + payload_size);
  return at == nullptr ? nullptr
                       : store_data_fields(at, data.tsn, data.stream, data.mid, data.ppid);
}
// The same into padded(kDataHeaderSize + payload_size) bytes that are there: PacketWriter::rest().
inline uint8_t* write_data_header(uint8_t* at, uint32_t flags, uint32_t payload_size, Tsn tsn,
                                  StreamId stream, Mid mid, Ppid ppid) {
  const auto length = static_cast<uint32_t>(kDataHeaderSize + payload_size);
  store_be32(at + padded(length) - 4, 0);  // the padding, if any
  store_be32(at, uint32_t{static_cast<uint8_t>(ChunkType::kData)} << 24 | flags << 16 | length);
  return store_data_fields(at + kChunkHeaderSize, tsn, stream, mid, ppid);
}

}  // namespace trunkline::wire
