// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, section 12, that no part's own tests prove: what a packet may draw at most.
#include "set_up.h"
#include "wire/abort_chunk.h"

namespace trunkline::test {
namespace {

class Section12 : public States {
 protected:
  std::string drawn_by(const std::vector<Write>& writes) {
    tell([&](PacketWriter& w) {
      for (const Write& write : writes) EXPECT_TRUE(write(w));
      return true;
    });
    return hear();
  }
  static bool shutdown_ack(PacketWriter& w) { return wire::write_shutdown_ack(w); }
};

TEST_F(Section12, AnInitInCompanyOrUnderATagIsDroppedWhole) {
  const Write init = [&](PacketWriter& w) { return wire::write_init(w, init_fields(), {}); };
  const auto expect_nothing = [&] {
    const std::string before = all_of_it();
    const Write chunks[] = {init,      data({.tsn = peer_tsn}), sack(host_tsn),
                            heartbeat, wire::write_cookie_ack,  unknown(0xff)};
    for (const VerificationTag tag : {VerificationTag(0), host_tag, VerificationTag(7)}) {
      for (const Write& other : chunks) {
        tell(tag, [&](PacketWriter& w) { return init(w) && other(w); });
        tell(tag, [&](PacketWriter& w) { return other(w) && init(w); });
      }
      if (tag.value != 0) tell(tag, init);
    }
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(all_of_it(), before);
    EXPECT_TRUE(host().messages().empty());
  };
  expect_nothing();
  open();
  expect_nothing();
}

TEST_F(Section12, OnePacketDrawsOneAnswer) {
  open();
  const Write bad_stream = data({.stream = 99});
  EXPECT_EQ(drawn_by({heartbeat, unknown(0xff), data({}), bad_stream}),
            "HEARTBEAT ACK + ERROR + ERROR + SACK");
  EXPECT_EQ(drawn_by({unknown(0xc7), unknown(0xc8), heartbeat}), "ERROR + ERROR + HEARTBEAT ACK");
  EXPECT_EQ(
      drawn_by({heartbeat, [&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); }}),
      "SHUTDOWN ACK + HEARTBEAT ACK");
  bring_to(AssocState::kShutdownSent);
  EXPECT_EQ(drawn_by({heartbeat, data({})}), "SHUTDOWN + HEARTBEAT ACK");
  EXPECT_EQ(drawn_by({heartbeat, unknown(0xff), shutdown_ack}), "SHUTDOWN COMPLETE");
  bring_to(AssocState::kEstablished);
  EXPECT_EQ(drawn_by({heartbeat, unknown(0xff), data({.text = ""})}), "ABORT");
  // The first packet of an association, and the first of a new life of it.
  peer_port = PortNumber(9);
  peer_tsn = Tsn(1000);
  peer_ssn = 0;
  send_init();
  take_init_ack(hear_one());
  EXPECT_EQ(drawn_by({cookie_echo(), heartbeat, data({})}), "COOKIE ACK + HEARTBEAT ACK + SACK");
  peer_tag = VerificationTag(0x77);
  peer_tsn = Tsn(1);
  peer_ssn = 0;
  send_init();
  take_init_ack(hear_one());
  EXPECT_EQ(drawn_by({cookie_echo(), unknown(0xff), data({})}), "COOKIE ACK + ERROR + SACK");
}

TEST_F(Section12, DataMayFollowInPacketsOfItsOwn) {
  open();
  ASSERT_EQ(host().send(now, "on its way"), Status::kOk);
  EXPECT_EQ(drawn_by({heartbeat, data({})}), "HEARTBEAT ACK + SACK, DATA");
}

TEST_F(Section12, EveryMixtureDrawsAtMostOneAnswer) {
  SeededRandom random(12);
  for (const AssocState state : kOpenStates) {
    for (int round = 0; round < 60; ++round) {
      bring_to(state);
      const Write choices[] = {
          data({.tsn = peer_tsn}),
          data({.tsn = peer_tsn + 2}),
          data({.stream = 99, .tsn = peer_tsn + 1}),
          sack(host_tsn - 1),
          heartbeat,
          unknown(0x7f),
          unknown(0xff),
          wire::write_cookie_ack,
          stale_cookie,
          shutdown_ack,
          [&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn - 1); },
          [](PacketWriter& w) { return wire::write_abort(w, false); }};
      std::vector<size_t> picked;
      for (uint64_t n = 1 + random.below(6); n > 0; --n) {
        picked.push_back(random.below(std::size(choices)));
      }
      tell([&](PacketWriter& w) {
        for (const size_t i : picked) EXPECT_TRUE(choices[i](w));
        return true;
      });
      size_t with_control = 0;
      const std::vector<Packet> answers = listen();
      for (const Packet& packet : answers) {
        for (const wire::ChunkView& chunk : packet.chunks()) {
          if (chunk.type == ChunkType::kData) continue;
          ++with_control;
          break;
        }
      }
      std::string what = std::string(state_name(state)) + ":";
      for (const size_t i : picked) what += " " + std::to_string(i);
      EXPECT_LE(with_control, 1u) << what << ": " << names(answers);
      if (host().state() != AssocState::kClosed) host().shard().abort(now, host().assoc, {});
      listen();
    }
  }
}

TEST_F(Section12, ALargeUnknownChunkIsReportedInPart) {
  setup.profile.path_mtu = 600;
  open();
  tell([](PacketWriter& w) { return w.reserve_chunk(ChunkType{0xff}, 0, 1400) != nullptr; });
  const Packet answer = hear_one();
  ASSERT_EQ(answer.names(), "ERROR");
  EXPECT_EQ(answer.bytes.size(), 580u) << "what the path takes";
  EXPECT_EQ(causes(answer), std::vector{CauseCode::kUnrecognizedChunkType});
}

TEST_F(Section12, AnAckOfATsnNeverSentEndsTheAssociation) {
  struct Row {
    Tsn cum;
    std::vector<wire::GapBlock> gaps;
  };
  for (int i = 0; i < 4; ++i) {
    bring_to(AssocState::kEstablished);
    for (int n = 0; n < 3; ++n) ASSERT_EQ(host().send(now, "x"), Status::kOk);
    listen();
    const Row rows[] = {{host_tsn + 3, {}},  // the first that was not sent
                        {host_tsn - 1, {{2, 4}}},
                        {host_tsn - 1, {{2, 2}, {4, 4}}},
                        {host_tsn + 1, {{65535, 65535}}}};
    tell(sack(rows[i].cum, rows[i].gaps));
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ABORT") << i;
    EXPECT_EQ(causes(answer), std::vector{CauseCode::kProtocolViolation});
    EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation);
    EXPECT_EQ(host().shard().association_count(), 0u);
  }
}

TEST_F(Section12, AnInitAckIsSmall) {
  send_init();
  const Packet answer = hear_one();
  // The headers of packet and INIT ACK, and the cookie; nothing that was not asked for.
  EXPECT_EQ(
      answer.bytes.size(),
      12 + 20 + 4 +
          ((wire::InitChunk::parse(answer.chunks()[0], true).init.cookie.size() + 3) & ~size_t{3}));
  EXPECT_LE(answer.bytes.size(), 148u);
}

}  // namespace
}  // namespace trunkline::test
