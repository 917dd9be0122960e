// SPDX-License-Identifier: BSD-3-Clause
// Changing packets in place, their checksums put right.
#include "mangle.h"

#include <algorithm>

#include "base/bytes.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/init_chunk.h"

namespace trunkline::sim {
namespace {

constexpr size_t kFirst = wire::kCommonHeaderSize;  // where the first chunk begins
constexpr size_t kIpv4Parameter = 8;
constexpr size_t kIpv6Parameter = 20;
constexpr size_t kWindowOffset = 8;  // in a SACK

bool is_set_up(std::span<const uint8_t> packet) {
  return packet.size() >= kFirst + wire::kInitHeaderSize &&
         (packet[kFirst] == static_cast<uint8_t>(wire::ChunkType::kInit) ||
          packet[kFirst] == static_cast<uint8_t>(wire::ChunkType::kInitAck));
}

void put_address(uint8_t* at, const IpAddress& address) {
  const auto bytes = address.bytes();
  store_be16(at, address.is_ipv6() ? 6 : 5);
  store_be16(at + 2, static_cast<uint16_t>(4 + bytes.size()));
  std::copy(bytes.begin(), bytes.end(), at + 4);
}

}  // namespace

void cap_windows(std::span<uint8_t> packet, uint32_t cap) {
  bool changed = false;
  for (size_t at = kFirst; at + 4 <= packet.size();) {
    const size_t length = load_be16(packet.data() + at + 2);
    if (packet[at] == static_cast<uint8_t>(wire::ChunkType::kSack) &&
        at + kWindowOffset + 4 <= packet.size() &&
        load_be32(packet.data() + at + kWindowOffset) > cap) {
      store_be32(packet.data() + at + kWindowOffset, cap);
      changed = true;
    }
    at += std::max<size_t>(4, (length + 3) & ~size_t{3});
  }
  if (changed) wire::write_checksum(packet);
}

bool refuse_data(std::span<uint8_t> packet, uint32_t window, std::vector<uint8_t>& taken) {
  constexpr uint32_t kLongAgo = 1u << 24;
  std::vector<uint8_t> rest(packet.begin(), packet.end());
  bool refused = false;
  for (size_t at = kFirst; at + wire::kDataHeaderSize <= packet.size();) {
    const size_t length = load_be16(packet.data() + at + 2);
    const bool is_data = packet[at] == static_cast<uint8_t>(wire::ChunkType::kData);
    if (is_data && length > wire::kDataHeaderSize + window) {
      store_be32(packet.data() + at + 4, load_be32(packet.data() + at + 4) - kLongAgo);
      rest[at] = static_cast<uint8_t>(wire::ChunkType::kPad);
      refused = true;
    }
    at += std::max<size_t>(4, (length + 3) & ~size_t{3});
  }
  if (!refused) return false;
  wire::write_checksum(packet);
  taken = std::move(rest);
  return true;
}

size_t list_more(std::span<uint8_t> room, size_t length, const IpAddress& source,
                 const std::vector<IpAddress>& more) {
  if (more.empty() || !is_set_up(room.first(length))) return length;
  std::vector<IpAddress> list = announced_in(room.first(length), source).addresses;
  const bool has_list = list.size() > 1;
  if (has_list) list.clear();  // it stands in the packet
  for (const IpAddress& address : more) list.push_back(address);
  size_t end = length;
  for (const IpAddress& address : list) {
    const size_t size = address.is_ipv6() ? kIpv6Parameter : kIpv4Parameter;
    if (end + size > room.size()) break;
    put_address(room.data() + end, address);
    end += size;
  }
  // The last parameter before may have had padding, which is part of the chunk now.
  store_be16(room.data() + kFirst + 2, static_cast<uint16_t>(end - kFirst));
  wire::write_checksum(room.first(end));
  return end;
}

Announced announced_in(std::span<const uint8_t> packet, const IpAddress& source) {
  Announced out;
  if (packet.size() < kFirst + wire::kInitHeaderSize) return out;
  wire::ChunkCursor chunks(packet.subspan(kFirst));
  const auto chunk = chunks.next();
  if (!chunk ||
      (chunk->type != wire::ChunkType::kInit && chunk->type != wire::ChunkType::kInitAck)) {
    return out;
  }
  const auto parsed = wire::InitChunk::parse(*chunk, chunk->type == wire::ChunkType::kInitAck);
  if (!parsed.ok()) return out;
  out.tag = parsed.init.initiate_tag.value;
  out.addresses = {source};
  for (const IpAddress& address : parsed.init.address_list()) {
    if (!(address == source)) out.addresses.push_back(address);
  }
  return out;
}

}  // namespace trunkline::sim
