// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, sections 3.3.7 (ABORT), 3.3.8 (SHUTDOWN) and 3.3.13 (SHUTDOWN COMPLETE), that
// no part's own tests prove.
#include "support/pair.h"
#include "wire/abort_chunk.h"

namespace trunkline::test {
namespace {

class Section3End : public Peer {
 protected:
  void expect_lone_abort(CauseCode cause) {
    const Packet abort = hear_one();
    EXPECT_EQ(abort.names(), "ABORT");
    EXPECT_EQ(abort.header().verification_tag, peer_tag);
    EXPECT_EQ(abort.chunks()[0].flags, 0);
    EXPECT_EQ(causes(abort), std::vector{cause});
  }
};

TEST_F(Section3End, AnAbortTravelsWithoutData) {
  // By the user's wish, with a message waiting.
  open();
  ASSERT_EQ(host().send(now, "waits"), Status::kOk);
  ASSERT_EQ(host().shard().abort(now, host().assoc, {}), Status::kOk);
  expect_lone_abort(CauseCode::kUserInitiatedAbort);
  start_over();
  // For a violation, the same.
  open();
  ASSERT_EQ(host().send(now, "waits"), Status::kOk);
  tell(data({.text = ""}));
  expect_lone_abort(CauseCode::kNoUserData);
}

TEST_F(Section3End, WhatStandsBehindAnAbortIsIgnored) {
  const Write late = data({.text = "late"});
  const Write abort = [](PacketWriter& w) { return wire::write_abort(w, false); };
  open();
  tell([&](PacketWriter& w) { return abort(w) && late(w); });
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kReset);
  EXPECT_TRUE(host().messages().empty());
  EXPECT_EQ(hear(), "");
}

bool write_malformed_abort(PacketWriter& w) {
  uint8_t* const at = w.reserve_chunk(ChunkType::kAbort, 0, 4);
  if (at == nullptr) return false;
  store_be32(at, 0x000c0100);  // a cause that runs past its chunk
  return true;
}

TEST_F(Section3End, AMalformedAbortIsPassedOverInEveryState) {
  for (const AssocState state : kEveryState) {
    reach(state);
    const size_t events = host().events.size();
    tell(state == AssocState::kClosed ? VerificationTag(1) : host_tag, write_malformed_abort);
    EXPECT_EQ(hear(), "") << state_name(state);
    EXPECT_EQ(host().state(), state);
    EXPECT_EQ(host().events.size(), events);
    EXPECT_EQ(host().count(Counter::k_drop_bad_chunk) + host().count(Counter::k_drop_out_of_blue),
              1u);
    start_over();
  }
}

TEST_F(Section3End, AnAbortIsNeverAnsweredInAnyState) {
  const Write plain = [](PacketWriter& w) { return wire::write_abort(w, false); };
  const Write reflected = [](PacketWriter& w) { return wire::write_abort(w, true); };
  for (const AssocState state : kEveryState) {
    SCOPED_TRACE(state_name(state));
    reach(state);
    const VerificationTag own = state == AssocState::kClosed ? VerificationTag(5) : host_tag;
    // None of these fits its tag.
    for (const auto& [tag, write] :
         {std::pair(VerificationTag(own.value ^ 1), plain), std::pair(own, reflected),
          std::pair(VerificationTag(own.value ^ 1), reflected), std::pair(peer_tag, plain),
          std::pair(VerificationTag(0), plain), std::pair(VerificationTag(0), reflected)}) {
      tell(tag, write);
      EXPECT_EQ(hear(), "");
      EXPECT_EQ(host().state(), state);
    }
    tell(own, plain);
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().shard().association_count(), 0u);
    // Once more, when nothing is left that it could end.
    tell(own, plain);
    EXPECT_EQ(hear(), "");
    start_over();
  }
}

TEST_F(Section3End, AShutdownTakesBackNothingThatAGapBlockTold) {
  be_opened();
  for (const char* const text : {"a", "b", "c"}) host().send(now, text);
  EXPECT_EQ(hear(), "DATA + DATA + DATA");
  tell(sack(host_tsn - 1, {{2, 2}}));
  EXPECT_EQ(host().status().paths[0].flight, 2 * 20u);
  tell([&](PacketWriter& w) { return wire::write_shutdown(w, host_tsn); });
  EXPECT_EQ(host().state(), AssocState::kShutdownReceived);
  EXPECT_EQ(host().status().paths[0].flight, 20u) << "b is the peer's still";
  EXPECT_EQ(hear(), "");
  wait(seconds(1));
  const Packet again = hear_one();
  ASSERT_EQ(data_of(again).size(), 1u);
  EXPECT_EQ(data_of(again)[0].tsn, host_tsn + 2);
}

TEST_F(Section3End, AShutdownAckIsAnsweredWithTheRightTag) {
  for (const AssocState state : {AssocState::kShutdownSent, AssocState::kShutdownAckSent}) {
    reach(state);
    tell(wire::write_shutdown_ack);
    const Packet complete = hear_one();
    EXPECT_EQ(complete.names(), "SHUTDOWN COMPLETE");
    EXPECT_EQ(complete.header().verification_tag, peer_tag);
    EXPECT_EQ(complete.chunks()[0].flags, 0);
    EXPECT_EQ(host().count(EventKind::kClosed), 1u);
    // Again, when the association is gone: its own tag comes back.
    tell(wire::write_shutdown_ack);
    const Packet reflected = hear_one();
    EXPECT_EQ(reflected.names(), "SHUTDOWN COMPLETE");
    EXPECT_EQ(reflected.header().verification_tag, host_tag);
    EXPECT_EQ(reflected.chunks()[0].flags, wire::kTagReflectedFlag);
    start_over();
  }
}

}  // namespace
}  // namespace trunkline::test
