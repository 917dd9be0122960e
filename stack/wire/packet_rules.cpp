// SPDX-License-Identifier: BSD-3-Clause
// What a packet is, and which verification tag it must carry (RFC 9260 sections 6.10, 8.4, 8.5).
#include "wire/packet_rules.h"

#include <algorithm>

#include "base/bytes.h"
#include "wire/cause.h"

namespace trunkline::wire {
namespace {

bool has_stale_cookie(std::span<const uint8_t> causes) {
  CauseCursor cursor(causes);
  while (const auto cause = cursor.next()) {
    if (cause->code == CauseCode::kStaleCookie) return true;
  }
  return false;
}

void note(PacketShape& shape, const ChunkView& chunk) {
  switch (chunk.type) {
    case ChunkType::kData:
      shape.has_data = true;
      break;
    case ChunkType::kInit:
      shape.has_init = true;
      break;
    case ChunkType::kInitAck:
      shape.has_init_ack = true;
      break;
    case ChunkType::kAbort:
      if (!shape.has_abort) shape.abort_reflected = (chunk.flags & kTagReflectedFlag) != 0;
      shape.has_abort = true;
      break;
    case ChunkType::kError:
      shape.has_stale_cookie_error |= has_stale_cookie(chunk.value);
      break;
    case ChunkType::kCookieEcho:
      shape.has_cookie_echo = true;
      break;
    case ChunkType::kCookieAck:
      shape.has_cookie_ack = true;
      break;
    case ChunkType::kShutdownAck:
      shape.has_shutdown_ack = true;
      break;
    case ChunkType::kShutdownComplete:
      shape.has_shutdown_complete = true;
      break;
    default:
      break;
  }
}

// DATA and SACK are nearly all that comes, and of them there is nothing to note but that they are
// there. Returns what is behind them.
std::span<const uint8_t> pass_common(PacketShape& shape, std::span<const uint8_t> chunks) {
  const uint8_t* at = chunks.data();
  const uint8_t* const end = at + chunks.size();
  size_t count = 0;
  for (size_t left = chunks.size(); left >= kChunkHeaderSize;
       left = static_cast<size_t>(end - at)) {
    const uint32_t header = load_be32(at);
    const auto type = static_cast<ChunkType>(header >> 24);
    const size_t length = header & 0xffff;
    if (length < kChunkHeaderSize || length > left) break;
    if (type == ChunkType::kData) {
      shape.has_data = true;
    } else if (type != ChunkType::kSack) {
      break;
    }
    ++count;
    at += std::min(padded(length), left);
  }
  if (count > 0) {
    shape.chunk_count = count;
    shape.lead_type = static_cast<ChunkType>(chunks[0]);
    shape.lead_flags = chunks[1];
  }
  return {at, end};
}

}  // namespace

PacketShape inspect(std::span<const uint8_t> chunks, FeatureSet understood) {
  PacketShape shape;
  ChunkCursor cursor(pass_common(shape, chunks));
  while (const auto chunk = cursor.next()) {
    const bool behind_auth = shape.chunk_count == 1 && shape.lead_type == ChunkType::kAuth &&
                             understood.has(Feature::kAuthentication);
    if (shape.chunk_count == 0 || behind_auth) {
      shape.lead_type = chunk->type;
      shape.lead_flags = chunk->flags;
      shape.authenticated = behind_auth;
    }
    ++shape.chunk_count;
    note(shape, *chunk);
  }
  shape.end = cursor.end();
  return shape;
}

TagClass tag_class(const PacketShape& shape) {
  if (shape.chunk_count == 0) return TagClass::kOwn;
  switch (shape.lead_type) {
    case ChunkType::kInit:
      return TagClass::kZero;
    case ChunkType::kCookieEcho:
      return TagClass::kByCookie;
    case ChunkType::kAbort:
    case ChunkType::kShutdownComplete:
      return (shape.lead_flags & kTagReflectedFlag) != 0 ? TagClass::kReflected : TagClass::kOwn;
    default:
      return TagClass::kOwn;
  }
}

bool tag_matches(TagClass tag_class, VerificationTag received, VerificationTag own,
                 VerificationTag peer) {
  if (tag_class == TagClass::kZero) return received.value == 0;
  if (received.value == 0) return false;
  return received == (tag_class == TagClass::kReflected ? peer : own);
}

}  // namespace trunkline::wire
