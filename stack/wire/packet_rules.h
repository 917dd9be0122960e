// SPDX-License-Identifier: BSD-3-Clause
// What a packet is, before anyone looks into its chunks: which chunks it has, whether they may be
// together (RFC 9260 sections 3, 6.10), and which verification tag it must carry (8.5, 8.5.1).
// Pure functions, asked by the dispatcher and by the rules for packets out of the blue (8.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "trunkline/stack/types.h"
#include "wire/chunk.h"
#include "wire/features.h"

namespace trunkline::wire {

struct PacketShape {
  size_t chunk_count = 0;  // whole chunks; a partial one at the end is not counted
  CursorEnd end = CursorEnd::kClean;
  // The first chunk, or the one behind an AUTH in front: it says what the packet is for. Meaningful
  // if chunk_count > 0.
  ChunkType lead_type{};
  uint8_t lead_flags = 0;
  bool authenticated = false;  // an AUTH stands in front of it
  bool has_data = false;
  bool has_init = false;
  bool has_init_ack = false;
  bool has_abort = false;
  bool abort_reflected = false;  // the T bit of the first ABORT
  bool has_cookie_echo = false;
  bool has_cookie_ack = false;
  bool has_shutdown_ack = false;
  bool has_shutdown_complete = false;
  bool has_stale_cookie_error = false;  // an ERROR with the Stale Cookie cause (8.4, rule 7)

  // At least one chunk, and nothing left over behind the last one.
  [[nodiscard]] bool well_formed() const { return chunk_count > 0 && end == CursorEnd::kClean; }
  // INIT, INIT ACK and SHUTDOWN COMPLETE must be alone. A partial chunk behind one is company too.
  [[nodiscard]] bool breaks_bundling() const {
    return (has_init || has_init_ack || has_shutdown_complete) &&
           (chunk_count != 1 || end != CursorEnd::kClean);
  }
};

// `chunks` are the bytes behind the common header. Who does not do RFC 4895 finds in an AUTH an
// unknown chunk like any other.
[[nodiscard]] PacketShape inspect(std::span<const uint8_t> chunks, FeatureSet understood = {});

// Which tag a packet must carry to be accepted. The lead chunk decides: a later ABORT with the
// T bit can't be reflected in a packet whose other chunks need the receiver's own tag.
enum class TagClass : uint8_t {
  kZero,       // INIT
  kOwn,        // the receiver's own tag
  kReflected,  // ABORT or SHUTDOWN COMPLETE with the T bit: the tag that the peer chose
  kByCookie,   // COOKIE ECHO: the tag in its cookie (5.1.5, 5.2.4), not that of an association
};

[[nodiscard]] TagClass tag_class(const PacketShape& shape);

// Whether a packet with this tag belongs to an association with these two tags. `peer` is zero
// while it is not known yet. Zero is accepted for kZero only: a T-bit ABORT with tag 0 must not
// kill an association in COOKIE-WAIT. kByCookie is judged as kOwn: false does not mean invalid,
// but that the cookie has to be asked.
[[nodiscard]] bool tag_matches(TagClass tag_class, VerificationTag received, VerificationTag own,
                               VerificationTag peer);

}  // namespace trunkline::wire
