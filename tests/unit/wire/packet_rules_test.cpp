// SPDX-License-Identifier: BSD-3-Clause
// What a packet is and which tag it must carry (RFC 9260 sections 3, 6.10, 8.4, 8.5.1), as tables.
#include "wire/packet_rules.h"

#include <gtest/gtest.h>

#include "captured_packets.h"
#include "wire_test_util.h"

namespace trunkline::wire {
namespace {

struct ShapeCase {
  const char* name;
  const char* chunks;
  size_t count;
  CursorEnd end;
  bool well_formed;
  bool breaks_bundling;
};

TEST(PacketRules, CountEndAndCompany) {
  const ShapeCase cases[] = {
      {"no chunk", "", 0, CursorEnd::kClean, false, false},
      {"stray bytes only", "0001", 0, CursorEnd::kStrayBytes, false, false},
      {"partial chunk only", "01000014", 0, CursorEnd::kTruncated, false, false},
      {"INIT alone", "01000004", 1, CursorEnd::kClean, true, false},
      {"INIT and DATA", "01000004 00000004", 2, CursorEnd::kClean, true, true},
      {"DATA and INIT", "00000004 01000004", 2, CursorEnd::kClean, true, true},
      {"two INIT", "01000004 01000004", 2, CursorEnd::kClean, true, true},
      {"INIT and a partial chunk", "01000004 00000005", 1, CursorEnd::kTruncated, false, true},
      {"INIT and a stray byte", "01000004 00", 1, CursorEnd::kStrayBytes, false, true},
      {"INIT ACK alone", "02000004", 1, CursorEnd::kClean, true, false},
      {"INIT ACK and ERROR", "02000004 09000008 00040004", 2, CursorEnd::kClean, true, true},
      {"SHUTDOWN COMPLETE alone", "0e000004", 1, CursorEnd::kClean, true, false},
      {"SACK and SHUTDOWN COMPLETE", "03000004 0e000004", 2, CursorEnd::kClean, true, true},
      {"unknown and SHUTDOWN COMPLETE", "ff000004 0e000004", 2, CursorEnd::kClean, true, true},
      {"COOKIE ECHO and DATA", "0a000004 00000004", 2, CursorEnd::kClean, true, false},
      {"three DATA, unpadded end", "00000004 00000004 00000005 01", 3, CursorEnd::kClean, true,
       false},
      {"DATA and a zero length", "00000004 00000000", 1, CursorEnd::kBadLength, false, false},
  };
  for (const ShapeCase& c : cases) {
    const PacketShape shape = inspect(from_hex(c.chunks));
    EXPECT_EQ(shape.chunk_count, c.count) << c.name;
    EXPECT_EQ(shape.end, c.end) << c.name;
    EXPECT_EQ(shape.well_formed(), c.well_formed) << c.name;
    EXPECT_EQ(shape.breaks_bundling(), c.breaks_bundling) << c.name;
  }
}

// One letter for each flag, in the order of the struct.
std::string flags_of(const PacketShape& shape) {
  std::string out;
  if (shape.has_data) out += 'd';
  if (shape.has_init) out += 'i';
  if (shape.has_init_ack) out += 'I';
  if (shape.has_abort) out += 'a';
  if (shape.has_cookie_echo) out += 'c';
  if (shape.has_cookie_ack) out += 'C';
  if (shape.has_shutdown_ack) out += 's';
  if (shape.has_shutdown_complete) out += 'S';
  if (shape.has_stale_cookie_error) out += 'e';
  return out;
}

TEST(PacketRules, WhatItContains) {
  const struct {
    const char* chunks;
    const char* flags;
  } cases[] = {
      {"00000004", "d"},
      {"01000004", "i"},
      {"02000004", "I"},
      {"03000004", ""},
      {"04000004", ""},
      {"05000004", ""},
      {"06000004", "a"},
      {"07000004", ""},
      {"08000004", "s"},
      {"09000004", ""},
      {"0a000004", "c"},
      {"0b000004", "C"},
      {"0c000004", ""},
      {"0d000004", ""},
      {"0e000004", "S"},
      {"40000004", ""},
      {"0a000004 00000004", "dc"},
      {"09000008 00040004", ""},
      {"0900000c 0003000800000000", "e"},
      {"09000010 00040004 0003000800000000", "e"},
      {"0600000c 0003000800000000", "a"},  // not an ERROR
      {"09000008 00030008", ""},           // runs past its chunk
      {"03000004 04000004 06010004 00000004", "da"},
      {"00000004 06000005", "d"},  // a partial ABORT is no ABORT
  };
  for (const auto& c : cases) EXPECT_EQ(flags_of(inspect(from_hex(c.chunks))), c.flags) << c.chunks;
}

TEST(PacketRules, TheFirstChunkIsRemembered) {
  const PacketShape shape = inspect(from_hex("0b070004 06010004"));
  EXPECT_EQ(shape.lead_type, ChunkType::kCookieAck);
  EXPECT_EQ(shape.lead_flags, 7);
}

TEST(PacketRules, TagClassOfTheFirstChunk) {
  const struct {
    const char* chunks;
    TagClass expected;
  } cases[] = {
      {"", TagClass::kOwn},
      {"00000004", TagClass::kOwn},
      {"01000004", TagClass::kZero},
      {"01010004", TagClass::kZero},
      {"02000004", TagClass::kOwn},
      {"02010004", TagClass::kOwn},
      {"06000004", TagClass::kOwn},
      {"06010004", TagClass::kReflected},
      {"06fe0004", TagClass::kOwn},
      {"07010004", TagClass::kOwn},
      {"08010004", TagClass::kOwn},
      {"0a000004", TagClass::kByCookie},
      {"0e000004", TagClass::kOwn},
      {"0e010004", TagClass::kReflected},
      {"03000004 06010004", TagClass::kOwn},  // behind a SACK, which needs the receiver's tag
      {"00000004 01000004", TagClass::kOwn},  // an INIT in company never gets the zero tag
      {"ff010004", TagClass::kOwn},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(tag_class(inspect(from_hex(c.chunks))), c.expected) << c.chunks;
  }
}

// Whoever does RFC 4895 looks behind one AUTH; for all others it is the unknown chunk that it is,
// and a second one is nothing to look behind.
TEST(PacketRules, TheLeadIsBehindAnAuthThatIsUnderstood) {
  const struct {
    const char* chunks;
    TagClass expected;
    bool authenticated;
  } cases[] = {
      {"0f000004", TagClass::kOwn, false},
      {"0f000004 00000004", TagClass::kOwn, true},
      {"0f000004 02000004", TagClass::kOwn, true},
      {"0f000004 06000004", TagClass::kOwn, true},
      {"0f000004 06010004", TagClass::kReflected, true},
      {"0f000004 08010004", TagClass::kOwn, true},
      {"0f000004 0a000004", TagClass::kByCookie, true},
      {"0f000004 0a000004 00000004", TagClass::kByCookie, true},
      {"0f000004 0e010004", TagClass::kReflected, true},
      {"0f000004 03000004 06010004", TagClass::kOwn, true},
      {"0f000004 0f000004 0a000004", TagClass::kOwn, true},
      {"03000004 0f000004 0a000004", TagClass::kOwn, false},
  };
  for (const auto& c : cases) {
    const PacketShape shape = inspect(from_hex(c.chunks), {Feature::kAuthentication});
    EXPECT_EQ(tag_class(shape), c.expected) << c.chunks;
    EXPECT_EQ(shape.authenticated, c.authenticated) << c.chunks;
    const PacketShape other = inspect(from_hex(c.chunks), {Feature::kInterleaving});
    EXPECT_EQ(tag_class(other), TagClass::kOwn) << c.chunks;
    EXPECT_FALSE(other.authenticated) << c.chunks;
  }
  // An INIT has no company, whoever it is.
  EXPECT_TRUE(inspect(from_hex("0f000004 01000004"), {Feature::kAuthentication}).breaks_bundling());
}

TEST(PacketRules, TagMatches) {
  constexpr uint32_t kOwnTag = 0x11;
  constexpr uint32_t kPeerTag = 0x22;
  const struct {
    TagClass kind;
    uint32_t received;
    uint32_t peer;
    bool accepted;
  } cases[] = {
      {TagClass::kZero, 0, kPeerTag, true},
      {TagClass::kZero, kOwnTag, kPeerTag, false},
      {TagClass::kZero, kPeerTag, kPeerTag, false},
      {TagClass::kOwn, kOwnTag, kPeerTag, true},
      {TagClass::kOwn, kPeerTag, kPeerTag, false},
      {TagClass::kOwn, 0, kPeerTag, false},
      {TagClass::kReflected, kPeerTag, kPeerTag, true},
      {TagClass::kReflected, kOwnTag, kPeerTag, false},
      {TagClass::kReflected, 0, kPeerTag, false},
      {TagClass::kReflected, 0, 0, false},  // COOKIE-WAIT: the peer's tag is unknown
      {TagClass::kReflected, kOwnTag, 0, false},
      {TagClass::kByCookie, kOwnTag, kPeerTag, true},
      {TagClass::kByCookie, kPeerTag, kPeerTag, false},
      {TagClass::kByCookie, 0, kPeerTag, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(tag_matches(c.kind, VerificationTag(c.received), VerificationTag(kOwnTag),
                          VerificationTag(c.peer)),
              c.accepted)
        << static_cast<int>(c.kind) << " " << c.received << " " << c.peer;
  }
  // Not even our own tag, were it unset, makes zero acceptable.
  EXPECT_FALSE(
      tag_matches(TagClass::kOwn, VerificationTag(0), VerificationTag(0), VerificationTag(0)));
}

}  // namespace
}  // namespace trunkline::wire
