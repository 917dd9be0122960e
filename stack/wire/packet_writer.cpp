// SPDX-License-Identifier: BSD-3-Clause
// The parts of the packet writer that are off the fast path: chunks that grow, and the end of
// the packet.
#include "wire/packet_writer.h"

#include <algorithm>

#include "wire/crc32c.h"

namespace trunkline::wire {

bool PacketWriter::begin_chunk(ChunkType type, uint8_t flags) {
  if (open_ || remaining() < kChunkHeaderSize) return false;
  uint8_t* const at = room_.data() + size_;
  at[0] = static_cast<uint8_t>(type);
  at[1] = flags;
  end_ = size_ + kChunkHeaderSize;
  tlv_depth_ = 0;
  failed_ = false;
  open_ = true;
  return true;
}

size_t PacketWriter::open_remaining() const {
  if (!open_ || failed_) return 0;
  // The room ends on a multiple of four, so the padding of whatever fits fits too.
  return std::min(room_.size() - end_, kMaxChunkSize - (end_ - size_));
}

uint8_t* PacketWriter::append(size_t size) {
  if (size > open_remaining() || !open_ || failed_) {
    fail();
    return nullptr;
  }
  uint8_t* const at = room_.data() + end_;
  end_ += size;
  return at;
}

bool PacketWriter::append_bytes(std::span<const uint8_t> bytes) {
  uint8_t* const at = append(bytes.size());
  if (at == nullptr) return false;
  copy_bytes(at, bytes);
  return true;
}

bool PacketWriter::align() {
  const size_t missing = padded(end_) - end_;
  uint8_t* const at = append(missing);
  if (at == nullptr) return false;
  std::fill_n(at, missing, uint8_t{0});
  return true;
}

bool PacketWriter::begin_tlv(uint16_t type) {
  // What precedes is padded only now, and at the end of the chunk by end_chunk: the padding of the
  // last parameter does not count into the chunk's length (RFC 9260 section 3.2).
  if (tlv_depth_ == kMaxTlvDepth || !align()) return fail();
  uint8_t* const at = append(kTlvHeaderSize);
  if (at == nullptr) return false;
  store_be16(at, type);
  tlv_at_[tlv_depth_++] = static_cast<size_t>(at - room_.data());
  return true;
}

bool PacketWriter::end_tlv() {
  if (!open_ || failed_ || tlv_depth_ == 0) return fail();
  const size_t start = tlv_at_[--tlv_depth_];
  store_be16(room_.data() + start + 2, static_cast<uint16_t>(end_ - start));
  return true;
}

bool PacketWriter::append_tlv(uint16_t type, std::span<const uint8_t> value) {
  return begin_tlv(type) && append_bytes(value) && end_tlv();
}

bool PacketWriter::append_address(const IpAddress& address) {
  if (address.is_none()) return fail();
  const ParameterType type =
      address.is_ipv4() ? ParameterType::kIpv4Address : ParameterType::kIpv6Address;
  return append_tlv(static_cast<uint16_t>(type), address.bytes());
}

bool PacketWriter::end_chunk() {
  if (!open_) return false;
  open_ = false;
  if (failed_ || tlv_depth_ != 0) return false;
  store_be16(room_.data() + size_ + 2, static_cast<uint16_t>(end_ - size_));
  std::fill(room_.begin() + static_cast<ptrdiff_t>(end_),
            room_.begin() + static_cast<ptrdiff_t>(padded(end_)), uint8_t{0});
  size_ = padded(end_);
  return true;
}

void PacketWriter::swap_chunks(size_t first, size_t middle) {
  std::rotate(room_.data() + first, room_.data() + middle, room_.data() + size_);
}

std::span<uint8_t> PacketWriter::finish(bool with_checksum) {
  open_ = false;
  if (room_.size() < kCommonHeaderSize) return {};
  const std::span<uint8_t> packet = room_.first(size_);
  if (with_checksum) write_checksum(packet);
  return packet;
}

}  // namespace trunkline::wire
