// SPDX-License-Identifier: BSD-3-Clause
// The receiving half alone: what it takes of chunks, what its window is, when it owes a SACK and
// what that says. No association is near.
#include "rx/receiver.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/sack_chunk.h"

namespace trunkline {
namespace {

using Arrival = Receiver::Arrival;
using std::chrono::milliseconds;

class ReceiverTest : public testing::Test {
 protected:
  ~ReceiverTest() override {
    receiver.release(ctx);
    EXPECT_EQ(blocks.used(), 0u);
    EXPECT_EQ(disorder.used(), 0u);
  }
  static wire::DataChunk chunk(uint32_t tsn, uint16_t ssn, const std::string& text,
                               const char* flags = "BE") {
    wire::DataChunk out;
    out.tsn = Tsn(tsn);
    out.mid = Mid(ssn);
    out.beginning = std::string(flags).find('B') != std::string::npos;
    out.ending = std::string(flags).find('E') != std::string::npos;
    out.payload = {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
    return out;
  }
  // As an association does; the messages that are whole now. "-": it was not taken.
  std::vector<std::string> tell(const wire::DataChunk& chunk) {
    if (receiver.look_at(ctx, chunk, seen) != Arrival::kNew) return {"-"};
    if (receiver.told_window(ctx, 1200) == 0 &&
        receiver.make_room(ctx, chunk, seen) != Receiver::Room::kFound) {
      return {"-"};
    }
    const auto outcome = receiver.add(ctx, chunk);
    std::vector<std::string> out;
    if (outcome == ReceiveQueue::Outcome::kWholeInOrder) {
      out.emplace_back(chunk.payload.begin(), chunk.payload.end());
    } else if (outcome != ReceiveQueue::Outcome::kHeld) {
      return {"-"};
    }
    receiver.take(ctx, chunk, seen);
    receiver.acknowledge_held(ctx, partly_reliable);
    while (ReceiveBlock* const message = receiver.pop_ready(blocks)) {
      const Payload payload(&message->piece, &blocks);
      std::string text;
      for (const Piece* piece = payload.head(); piece != nullptr; piece = piece->next) {
        text.append(reinterpret_cast<const char*>(piece->data), piece->length);
      }
      out.push_back(text);
    }
    return out;
  }
  struct Told {
    Tsn cum;
    uint32_t window;
    size_t gaps;
  };
  Told sack() {
    std::vector<uint8_t> room(1000);
    wire::PacketWriter writer(room);
    const uint32_t window = receiver.told_window(ctx, 1200);
    EXPECT_TRUE(receiver.write_sack(writer, window));
    const auto packet = writer.finish(false);
    wire::ChunkCursor chunks(std::span<const uint8_t>(packet).subspan(wire::kCommonHeaderSize));
    const auto sack = wire::SackChunk::parse(*chunks.next());
    receiver.on_sack_sent(ctx, window);
    return {sack->cum_tsn_ack, sack->a_rwnd, sack->gap_count()};
  }
  // The end of a packet with what was told since.
  void end_packet() {
    const uint8_t path = 3;
    receiver.note_source(&path, seen);
    receiver.plan_sack(profile, now, seen);
    seen = {};
  }

  static Profile small_window() {
    Profile out;
    out.a_rwnd = 8 * ReceiveBlock::kSize;
    return out;
  }

  Profile profile = small_window();
  ReceiveMemory blocks{64 * ReceiveBlock::kSize};
  Pool<TsnDisorder> disorder{4};
  Counters counters;
  ReceiverContext ctx{profile, blocks, disorder, counters};
  Receiver receiver{profile.a_rwnd, Tsn(100), 4};
  DataSeen seen;
  bool partly_reliable = false;
  TimePoint now = TimePoint::from_ns(1'000'000'000);
};

TEST_F(ReceiverTest, GivesMessagesInTheirOrder) {
  EXPECT_EQ(tell(chunk(100, 0, "a")), std::vector<std::string>{"a"});
  EXPECT_TRUE(tell(chunk(102, 2, "c")).empty());
  EXPECT_TRUE(receiver.has_gaps());
  EXPECT_EQ(tell(chunk(101, 1, "b")), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(receiver.cum_tsn(), Tsn(102));
  EXPECT_FALSE(receiver.holds_any());
}

TEST_F(ReceiverTest, TellsWhatIsNotToBeTaken) {
  ASSERT_EQ(tell(chunk(100, 0, "a")).size(), 1u);
  EXPECT_EQ(receiver.look_at(ctx, chunk(100, 0, "a"), seen), Arrival::kSettled);
  EXPECT_TRUE(seen.duplicate && seen.immediate);
  EXPECT_EQ(receiver.look_at(ctx, chunk(100 + 70000, 0, "far"), seen), Arrival::kSettled);
  EXPECT_EQ(counters.get(Counter::k_drop_data_beyond_tsn_range), 1u);
  wire::DataChunk bad = chunk(101, 0, "x");
  bad.stream = StreamId(4);
  EXPECT_EQ(receiver.look_at(ctx, bad, seen), Arrival::kBadStream);
  receiver.record(ctx, bad.tsn, seen);
  EXPECT_EQ(receiver.cum_tsn(), Tsn(101)) << "it has come, whatever it was";
}

// The first SACK goes at once, then one for every second packet, or when the delay is over (6.2).
TEST_F(ReceiverTest, OwesASackForEverySecondPacket) {
  profile.sack_delay = milliseconds(200);
  profile.sack_frequency = 2;
  uint32_t tsn = 100;
  const auto packet = [&] {
    ASSERT_EQ(tell(chunk(tsn, static_cast<uint16_t>(tsn - 100), "m")).size(), 1u);
    ++tsn;
    end_packet();
  };
  packet();
  EXPECT_TRUE(receiver.sack_due()) << "the first";
  EXPECT_EQ(sack().cum, Tsn(100));
  EXPECT_FALSE(receiver.sack_due() || receiver.sack_may_ride());
  packet();
  EXPECT_FALSE(receiver.sack_due());
  EXPECT_TRUE(receiver.sack_may_ride());
  EXPECT_EQ(receiver.sack_at(), now + milliseconds(200));
  packet();
  EXPECT_TRUE(receiver.sack_due());
  EXPECT_EQ(sack().cum, Tsn(102));
  EXPECT_TRUE(receiver.sack_at().is_never());
  packet();
  receiver.on_sack_time();
  EXPECT_TRUE(receiver.sack_due());
  EXPECT_EQ(receiver.last_path(), 3);
}

TEST_F(ReceiverTest, OwesASackAtOnceForAGapAndADuplicate) {
  ASSERT_EQ(tell(chunk(100, 0, "a")).size(), 1u);
  end_packet();
  EXPECT_EQ(sack().gaps, 0u);
  tell(chunk(102, 2, "c"));
  end_packet();
  EXPECT_TRUE(receiver.sack_due());
  EXPECT_EQ(sack().gaps, 1u);
  EXPECT_EQ(counters.get(Counter::k_gap_sacks_sent), 1u);
  tell(chunk(100, 0, "a"));
  end_packet();
  EXPECT_TRUE(receiver.sack_due());
  EXPECT_TRUE(receiver.sack_detour()) << "perhaps our SACKs do not come through";
}

// What waits uses the window; with nothing left of it, what lies behind a gap gives way.
TEST_F(ReceiverTest, TheWindowBinds) {
  for (uint32_t i = 1; i <= 8; ++i) {
    EXPECT_TRUE(tell(chunk(100 + i, static_cast<uint16_t>(i), "held")).empty()) << i;
  }
  EXPECT_EQ(receiver.window(profile), 0u);
  EXPECT_EQ(tell(chunk(109, 9, "beyond")), std::vector<std::string>{"-"});
  EXPECT_EQ(counters.get(Counter::k_drop_data_no_window), 1u);
  EXPECT_EQ(tell(chunk(100, 0, "next")).size(), 9u) << "that leaves nothing behind";
  EXPECT_EQ(receiver.window(profile), profile.a_rwnd);
}

TEST_F(ReceiverTest, ALateReaderShutsTheWindowAndOpensItByAQuarter) {
  for (uint16_t i = 0; i < 8; ++i) {
    ASSERT_EQ(tell(chunk(100u + i, i, "kept")).size(), 1u);
    receiver.on_kept(4);
  }
  end_packet();
  EXPECT_EQ(sack().window, 0u);
  EXPECT_EQ(tell(chunk(108, 8, "x")), std::vector<std::string>{"-"});
  receiver.on_consumed(4);
  EXPECT_FALSE(receiver.worth_telling(profile, receiver.told_window(ctx, 1200)));
  for (int i = 0; i < 3; ++i) receiver.on_consumed(4);
  EXPECT_TRUE(receiver.worth_telling(profile, receiver.told_window(ctx, 1200)));
}

// The peer counts bytes, and sends as many as it was told before it hears that they cost more.
TEST_F(ReceiverTest, WhatWasSentWithinTheWindowComesInWhateverItCosts) {
  profile.receive_memory = 2 * profile.a_rwnd;
  const auto keep = [&](uint16_t i) {
    ASSERT_EQ(tell(chunk(100u + i, i, "kept")).size(), 1u) << i;
    receiver.on_kept(4);
  };
  for (uint16_t i = 0; i < 8; ++i) keep(i);
  end_packet();
  EXPECT_EQ(sack().window, 0u) << "no more is to be sent";
  for (uint16_t i = 8; i < 16; ++i) keep(i);
  EXPECT_EQ(tell(chunk(116, 16, "x")), std::vector<std::string>{"-"}) << "but not without end";
  for (int i = 0; i < 16; ++i) receiver.on_consumed(4);
  EXPECT_TRUE(receiver.worth_telling(profile, receiver.told_window(ctx, 1200)));
}

TEST_F(ReceiverTest, WhatWasNeverGrantedDoesNotComeIn) {
  profile.receive_memory = 2 * profile.a_rwnd;
  uint32_t used = 0;
  uint16_t i = 0;
  for (; used + 400 <= profile.a_rwnd; ++i, used += 400) {
    ASSERT_EQ(tell(chunk(100u + i, i, std::string(400, 'x'))).size(), 1u) << i;
    receiver.on_kept(400);
  }
  end_packet();
  EXPECT_EQ(sack().window, 0u);
  EXPECT_LT(receiver.held_bytes(), profile.receive_memory);
  EXPECT_EQ(tell(chunk(100u + i, i, std::string(400, 'x'))), std::vector<std::string>{"-"});
}

// Several at once only where nothing that each of them would be asked could matter.
TEST_F(ReceiverTest, IsCalmWhileNothingIsMissingHeldOrScarce) {
  EXPECT_EQ(receiver.calm_bytes(profile), UINT32_MAX) << "nobody reads late: nothing binds";
  ASSERT_TRUE(tell(chunk(101, 1, "behind a gap")).empty());
  EXPECT_EQ(receiver.calm_bytes(profile), 0u);
  ASSERT_EQ(tell(chunk(100, 0, "in it")).size(), 2u);
  EXPECT_EQ(receiver.calm_bytes(profile), UINT32_MAX);
  ASSERT_TRUE(tell(chunk(102, 3, "held, and nothing is missing")).empty());
  EXPECT_EQ(receiver.calm_bytes(profile), 0u);
  ASSERT_EQ(tell(chunk(103, 2, "before it")).size(), 2u);
  end_packet();
  static_cast<void>(sack());
  receiver.set_unread(100);
  const uint32_t left = receiver.calm_bytes(profile);
  EXPECT_GT(left, 0u);
  EXPECT_LE(left, profile.a_rwnd) << "what is unread uses the window that was told";
  receiver.on_kept(4);
  EXPECT_EQ(receiver.calm_bytes(profile), 0u) << "one that is behind is looked at closely";
  receiver.on_consumed(4);
  receiver.set_unread(profile.a_rwnd);
  EXPECT_EQ(receiver.calm_bytes(profile), 0u);
}

TEST_F(ReceiverTest, UnreadBytesShutTheWindow) {
  ASSERT_EQ(tell(chunk(100, 0, "read")).size(), 1u);
  end_packet();
  receiver.set_unread(profile.a_rwnd - 1);
  EXPECT_EQ(receiver.kept_bytes(), 0u);
  EXPECT_EQ(receiver.told_window(ctx, 1200), 1u);
  receiver.set_unread(profile.a_rwnd);
  EXPECT_EQ(sack().window, 0u);
  EXPECT_EQ(tell(chunk(101, 1, "x")), std::vector<std::string>{"-"});
  receiver.set_unread(profile.a_rwnd - 100);
  EXPECT_EQ(receiver.told_window(ctx, 1200), 0u) << "no silly window";
  receiver.on_kept(4);
  receiver.set_unread(0);
  EXPECT_EQ(receiver.kept_bytes(), ReceiveBlock::kSize) << "what is put aside is another matter";
  receiver.on_consumed(4);
  EXPECT_TRUE(receiver.worth_telling(profile, receiver.told_window(ctx, 1200)));
}

// With a window that is used up by what waits for it, the next comes in, unread bytes or not.
TEST_F(ReceiverTest, WhatLeavesNothingBehindComesInBesideUnreadBytes) {
  receiver.set_unread(ReceiveBlock::kSize);
  for (uint32_t i = 1; i <= 7; ++i) {
    EXPECT_TRUE(tell(chunk(100 + i, static_cast<uint16_t>(i), "held")).empty()) << i;
  }
  EXPECT_EQ(receiver.window(profile), 0u);
  EXPECT_EQ(tell(chunk(100, 0, "next")).size(), 8u);
}

TEST_F(ReceiverTest, CopiesInOneMomentAreOneTry) {
  EXPECT_EQ(receiver.count_starved(profile, now), 1);
  EXPECT_EQ(receiver.count_starved(profile, now + milliseconds(1)), 1);
  EXPECT_EQ(receiver.count_starved(profile, now + profile.rto_min), 2);
  ASSERT_EQ(tell(chunk(100, 0, "found room")).size(), 1u);
  EXPECT_EQ(receiver.count_starved(profile, now + profile.rto_min), 1) << "it is forgotten";
}

}  // namespace
}  // namespace trunkline
