// SPDX-License-Identifier: BSD-3-Clause
// Helpers of the wire tests: hex, packets of one chunk, and chunks cut to a length, each in an
// allocation of exactly its size so that AddressSanitizer sees every byte read too far.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

using Bytes = std::vector<uint8_t>;

// Spaces are ignored.
Bytes from_hex(std::string_view text);
std::string to_hex(std::span<const uint8_t> bytes);

// A chunk that owns its bytes, in memory that ends where the chunk ends.
class OwnedChunk {
 public:
  OwnedChunk(uint8_t type, uint8_t flags, std::span<const uint8_t> value);
  // The same chunk with only the first `value_size` bytes of its value, its length field adjusted.
  static OwnedChunk cut(const ChunkView& chunk, size_t value_size);
  [[nodiscard]] const ChunkView& view() const { return view_; }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  ChunkView view_;
};

// The first chunk of a captured packet; the test fails if there is none or more follows.
OwnedChunk only_chunk(std::string_view packet_hex);

// What `build` writes, without the common header, as hex; "refused" if it returns false.
std::string chunk_hex(const std::function<bool(PacketWriter&)>& build, size_t room = 2048);

// A whole packet with the header of `like` and the one chunk that `build` writes, as hex.
std::string rebuilt(std::string_view like, const std::function<bool(PacketWriter&)>& build);

// Every room too small for what `build` writes must be refused and leave the packet empty, and the
// exact room must do.
void expect_needs_its_room(const std::function<bool(PacketWriter&)>& build);

}  // namespace trunkline::wire
