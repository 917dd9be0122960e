// SPDX-License-Identifier: BSD-3-Clause
// Fills one SCTP packet into bytes that the caller owns: common header, chunks, padding, checksum.
// It knows lengths and padding, not meaning: the builders in the files named after the chunks sit
// on top. A chunk that does not fit leaves the packet as it was.
//
// A chunk of known size is reserved in one step (DATA, SACK). One that grows is begun, appended to
// and ended (INIT, ERROR, ABORT); inside it, parameters and causes are begun and ended the same
// way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/parameter.h"

namespace trunkline::wire {

class PacketWriter {
 public:
  // The packet grows in `room`, at most to its size rounded down to a multiple of four.
  explicit PacketWriter(std::span<uint8_t> room)
      : room_(room.first(room.size() & ~size_t{3})),
        size_(room_.size() < kCommonHeaderSize ? room_.size() : kCommonHeaderSize) {}

  // At any time before finish(): chunks may be written first. The checksum field is zeroed.
  void write_header(PortNumber source, PortNumber destination, VerificationTag tag) {
    if (room_.size() < kCommonHeaderSize) return;
    uint8_t* const at = room_.data();
    store_be16(at, source.value);
    store_be16(at + 2, destination.value);
    store_be32(at + 4, tag.value);
    store_be32(at + kChecksumOffset, 0);
  }

  // Bytes left for whole chunks, each counted with its header and padding.
  [[nodiscard]] size_t remaining() const { return room_.size() - size_; }
  // Bytes of header and finished chunks.
  [[nodiscard]] size_t size() const { return size_; }
  // No finished chunk yet.
  [[nodiscard]] bool empty() const { return size_ <= kCommonHeaderSize; }

  // Writes the header and the zero padding of a chunk; returns where its value goes. nullptr if it
  // does not fit, if its length could not be told in 16 bits, or while another chunk is open.
  [[nodiscard]] uint8_t* reserve_chunk(ChunkType type, uint8_t flags, size_t value_size) {
    const size_t length = kChunkHeaderSize + value_size;
    if (length < value_size || length > kMaxChunkSize || padded(length) > remaining() || open_) {
      return nullptr;
    }
    uint8_t* const at = room_.data() + size_;
    // The last word first: it holds the padding, if any. A value-less chunk's is its header.
    store_be32(at + padded(length) - 4, 0);
    at[0] = static_cast<uint8_t>(type);
    at[1] = flags;
    store_be16(at + 2, static_cast<uint16_t>(length));
    size_ += padded(length);
    return at + kChunkHeaderSize;
  }

  // Room for whole chunks that somebody else writes, padding included, and that so many bytes of it
  // are written. No other chunk is open.
  [[nodiscard]] std::span<uint8_t> rest() const { return room_.subspan(size_); }
  void take_chunks(size_t bytes) { size_ += bytes; }

  // Opens a chunk that grows. False (and nothing is open) if not even its header fits.
  [[nodiscard]] bool begin_chunk(ChunkType type, uint8_t flags);
  // Room for `size` more bytes of the open chunk, directly behind the last ones; nullptr if there
  // is none, and then the chunk is lost: end_chunk will say so.
  [[nodiscard]] uint8_t* append(size_t size);
  bool append_bytes(std::span<const uint8_t> bytes);
  // Zeros up to the next multiple of four; needed only before whole parameters copied as bytes.
  bool align();
  // Opens a parameter or cause inside the open chunk, aligned to four bytes; they may nest twice (a
  // parameter in a cause). What is appended until end_tlv belongs to it.
  bool begin_tlv(uint16_t type);
  bool end_tlv();
  // The whole of one parameter or cause.
  bool append_tlv(uint16_t type, std::span<const uint8_t> value);
  bool append_address(const IpAddress& address);
  // How many bytes append() could still give.
  [[nodiscard]] size_t open_remaining() const;
  // Writes length and padding. False if anything did not fit: the chunk is gone, the packet is as
  // it was before begin_chunk.
  [[nodiscard]] bool end_chunk();
  // What was written from `middle` on (a size(), as `first`) goes in front of what was written from
  // `first` to there.
  void swap_chunks(size_t first, size_t middle);
  // Forgets the open chunk.
  void cancel_chunk() { open_ = false; }

  // The packet. Without checksum the field stays zero, for a port that fills it in. An open chunk
  // is forgotten. Empty if the room was too small for a common header.
  [[nodiscard]] std::span<uint8_t> finish(bool with_checksum);

 private:
  static constexpr size_t kMaxTlvDepth = 2;

  bool fail() {
    failed_ = true;
    return false;
  }

  std::span<uint8_t> room_;
  size_t size_;                       // header and finished chunks
  size_t end_ = 0;                    // where the open chunk ends so far
  size_t tlv_at_[kMaxTlvDepth] = {};  // where the open parameters start
  size_t tlv_depth_ = 0;
  bool open_ = false;
  bool failed_ = false;
};

}  // namespace trunkline::wire
