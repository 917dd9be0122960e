// SPDX-License-Identifier: BSD-3-Clause
// COOKIE ECHO, type 10 (RFC 9260 section 3.3.11): view, parse, build. The cookie is opaque here;
// COOKIE ACK has no value and is in valueless_chunks.h.
//
//  0   | 10 | flags = 0 | length   |
//  4   | cookie ...
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

struct CookieEchoChunk {
  std::span<const uint8_t> cookie;

  // Nothing if the cookie is empty.
  [[nodiscard]] static std::optional<CookieEchoChunk> parse(const ChunkView& chunk);
};

[[nodiscard]] bool write_cookie_echo(PacketWriter& writer, std::span<const uint8_t> cookie);

}  // namespace trunkline::wire
