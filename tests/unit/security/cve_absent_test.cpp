// SPDX-License-Identifier: BSD-3-Clause
// Class 3 of the CVEs: ASCONF (2014-3673, 2014-3687, 2015-3212, 2026-53225), AUTH (2014-0101,
// 2026-23125), RE-CONFIG (2021-3894, 2022-0322), FORWARD-TSN and I-DATA. None of these exists here,
// or it is off: whatever such a chunk or parameter holds, the upper two bits of its type decide
// (RFC 9260 sections 3.2, 3.2.1), in each state, and nothing changes. Whoever adds one of them
// finds here what its CVEs were. FORWARD-TSN, where it is on: forward_tsn_in_test.cpp.
#include "support/staged.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

struct Absent {
  const char* name;
  uint8_t type;
  bool skips;    // the chunks behind it are read
  bool reports;  // in an ERROR
};

constexpr Absent kAbsent[] = {
    {"ASCONF", 0xc1, true, true},
    {"ASCONF-ACK", 0x80, true, false},
    {"AUTH", 0x0f, false, false},
    {"RE-CONFIG", 0x82, true, false},
    {"FORWARD-TSN", 0xc0, true, true},
    {"I-FORWARD-TSN", 0xc2, true, true},
    {"I-DATA", 0x40, false, true},
    {"PAD", 0x84, true, false},
    {"DTLS (as usrsctp)", 0x41, false, true},
};

// The values of such chunks, good and bad: the bodies on which others fell.
std::vector<std::vector<uint8_t>> bodies() {
  std::vector<std::vector<uint8_t>> out;
  out.push_back({});
  out.push_back({0});
  out.push_back({0, 0, 0, 1});
  // ASCONF: serial number, an IPv4 address parameter, Add IP with an address.
  out.push_back({0,    0, 0, 1,  0, 5, 0, 8, 198, 51, 100, 1,  //
                 0xc0, 1, 0, 16, 0, 0, 0, 1, 0,   5,  0,   8, 203, 0, 113, 9});
  // CVE-2026-53225: the lookup address is an IPv6 one, cut after four bytes.
  out.push_back({0, 0, 0, 1, 0, 6, 0, 20, 0x20, 1, 0xd, 0xb8});
  // CVE-2014-3673: a parameter inside that is longer than what is left, and one of length 0.
  out.push_back({0, 0, 0, 1, 0, 5, 0, 8, 198, 51, 100, 1, 0xc0, 4, 0xff, 0xff, 0, 0});
  out.push_back({0, 0, 0, 1, 0, 5, 0, 8, 198, 51, 100, 1, 0xc0, 1, 0, 0});
  // RE-CONFIG: an outgoing reset with an odd number of bytes of streams (CVE-2021-3894).
  out.push_back({0, 13, 0, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1});
  // FORWARD-TSN: far ahead, with a stream and its SSN.
  out.push_back({0x7f, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff});
  // I-DATA without user data (pion: it cost nothing of the window).
  out.push_back(std::vector<uint8_t>(16, 0));
  // AUTH with an HMAC of the wrong length.
  out.push_back({0, 0, 0, 1, 1, 2, 3});
  out.push_back(std::vector<uint8_t>(1200, 0xff));
  return out;
}

class CveClass3AbsentFeatures : public InEachState {
 protected:
  CveClass3AbsentFeatures() { setup.profile.partial_reliability = false; }
};

TEST_P(CveClass3AbsentFeatures, ChunksAreHandledByTheirUpperBitsAndChangeNothing) {
  reach(GetParam());
  const std::string before = picture();
  for (const Absent& absent : kAbsent) {
    for (const auto& body : bodies()) {
      const uint64_t unknown = host().count(Counter::k_drop_unknown_chunk);
      tell(raw_chunk(absent.type, body));
      // Before the COOKIE ACK nothing goes out but the COOKIE ECHO (5.1 C).
      EXPECT_EQ(hear(), absent.reports && !opening() ? "ERROR" : "") << absent.name;
      ASSERT_EQ(picture(), before) << absent.name << " of " << body.size();
      const bool known = absent.type == static_cast<uint8_t>(ChunkType::kPad);
      EXPECT_EQ(host().count(Counter::k_drop_unknown_chunk), unknown + (known ? 0 : 1));
    }
  }
}

TEST_P(CveClass3AbsentFeatures, TheSameTwiceIsTheSame) {  // CVE-2014-3687: a duplicate ASCONF
  reach(GetParam());
  const std::string before = picture();
  for (const Absent& absent : kAbsent) {
    for (const auto& body : bodies()) {
      for (int i = 0; i < 2; ++i) {
        tell([&](PacketWriter& w) {
          return raw_chunk(absent.type, body)(w) && raw_chunk(absent.type, body)(w);
        });
      }
    }
  }
  listen();
  EXPECT_EQ(picture(), before);
}

TEST_P(CveClass3AbsentFeatures, WhatFollowsThemIsReadOrNot) {
  reach(GetParam());
  const std::string before = picture();
  for (const Absent& absent : kAbsent) {
    const uint64_t bad = host().count(Counter::k_drop_bad_heartbeat_ack);
    tell([&](PacketWriter& w) {
      return raw_chunk(absent.type, {1, 2, 3, 4})(w) &&
             wire::write_heartbeat_ack(w, std::array<uint8_t, 4>{});
    });
    EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), bad + (absent.skips ? 1 : 0))
        << absent.name;
  }
  listen();
  EXPECT_EQ(picture(), before);
}

TEST_P(CveClass3AbsentFeatures, WithAWrongTagTheyDrawNothing) {
  reach(GetParam());
  const std::string before = picture();
  for (const Absent& absent : kAbsent) {
    for (const auto& body : bodies()) {
      tell(VerificationTag(host_tag.value ^ 1), raw_chunk(absent.type, body));
    }
  }
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(picture(), before);
}

// CVE-2015-3212, and the wish behind ASCONF altogether: no chunk moves an association to another
// address.
TEST_P(CveClass3AbsentFeatures, AnAsconfFromAnotherAddressFindsNoAssociation) {
  reach(GetParam());
  const std::string before = picture();
  const IpAddress right = std::exchange(peer_address, ip("203.0.113.9"));
  for (const auto& body : bodies()) tell(raw_chunk(0xc1, body));
  EXPECT_EQ(hear(), "") << "our tag: no ABORT that could end what lives";
  peer_address = right;
  EXPECT_EQ(picture(), before);
}

INSTANTIATE_TEST_SUITE_P(All, CveClass3AbsentFeatures, each_state(), state_of);

class CveClass3WithoutAssociation : public Staged {
 protected:
  CveClass3WithoutAssociation() { setup.profile.partial_reliability = false; }
};

// CVE-2026-53225: the look-up by an address inside an ASCONF, before any association is known.
TEST_F(CveClass3WithoutAssociation, NoAddressInsideAChunkIsLookedUp) {
  open();
  const std::string before = picture();
  const IpAddress right = std::exchange(peer_address, ip("203.0.113.9"));
  for (const auto& body : bodies()) {
    tell(VerificationTag(77), raw_chunk(0xc1, body));
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ABORT");
    EXPECT_EQ(answer.header().verification_tag, VerificationTag(77)) << "reflected, not ours";
    EXPECT_EQ(answer.chunks()[0].flags, wire::kTagReflectedFlag);
  }
  peer_address = right;
  EXPECT_EQ(picture(), before);
}

// CVE-2014-0101: an AUTH chunk in front of the COOKIE ECHO, from a peer that never spoke of AUTH.
TEST_F(CveClass3WithoutAssociation, AnAuthBeforeTheCookieEchoStopsThePacket) {
  send_init();
  take_init_ack(hear_one());
  tell([&](PacketWriter& w) { return raw_chunk(0x0f, {0, 0, 0, 1})(w) && cookie_echo()(w); });
  EXPECT_EQ(hear(), "ABORT") << "out of the blue (8.4): the first chunk decides";
  EXPECT_EQ(host().shard().association_count(), 0u);
  tell([&](PacketWriter& w) { return cookie_echo()(w) && raw_chunk(0x0f, {0, 0, 0, 1})(w); });
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// CVE-2014-7841, CVE-2026-23125: the parameters of those features, good, empty and cut, in an INIT.
TEST_F(CveClass3WithoutAssociation, ParametersAreReportedOrSkippedAndNothingElse) {
  const struct {
    uint16_t type;
    bool reported;
  } parameters[] = {
      {0x8002, false},  // RANDOM
      {0x8003, false},  // CHUNKS
      {0x8004, false},  // HMAC-ALGO
      {0x8005, false},  // PAD
      {0xc001, true},   // Add IP Address
      {0xc002, true},   // Delete IP Address
      {0xc003, true},   // Error Cause Indication
      {0xc004, true},   // Set Primary Address
      {0xc005, true},   // Success Indication
      {0xc006, false},  // Adaptation Layer Indication, which is known
      {0xc000, true},   // FORWARD-TSN-SUPPORTED
  };
  for (const auto& [type, reported] : parameters) {
    for (const size_t size : {0, 1, 4, 8, 16, 20, 300}) {
      std::vector<uint8_t> parameter(4 + size, 0xff);
      store_be16(parameter.data(), type);
      store_be16(parameter.data() + 2, static_cast<uint16_t>(4 + size));
      parameter.resize((parameter.size() + 3) & ~size_t{3});
      send_init_with(parameter);
      const Packet answer = hear_one();
      ASSERT_EQ(answer.names(), "INIT ACK") << std::hex << type << " " << size;
      const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
      EXPECT_EQ(parsed.init.reported_by_peer, reported ? 1u : 0u) << std::hex << type;
    }
  }
  EXPECT_EQ(host().shard().association_count(), 0u);
}

// What we don't have, we don't offer: a peer must not believe that it may use it.
TEST_F(CveClass3WithoutAssociation, NoneOfThemIsOffered) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  const auto init = wire::InitChunk::parse(hear_one().chunks()[0], false);
  EXPECT_TRUE(init.init.supported_extensions.empty());
  EXPECT_FALSE(init.init.forward_tsn_supported);
  EXPECT_EQ(init.init.unrecognized_count, 0u);
  host().shard().abort(now, host().assoc, {});
  send_init();
  const Packet answer = hear_one();
  const auto init_ack = wire::InitChunk::parse(answer.chunks()[0], true);
  EXPECT_TRUE(init_ack.init.supported_extensions.empty());
  EXPECT_FALSE(init_ack.init.forward_tsn_supported);
}

}  // namespace
}  // namespace trunkline::test
