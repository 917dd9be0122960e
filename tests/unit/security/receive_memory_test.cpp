// SPDX-License-Identifier: BSD-3-Clause
// Received data and the memory that it takes: no peer holds more than its window, and none keeps
// the shard's buffers from the others, whatever it sends and in whatever order.
#include "receive_memory.h"
#include "base/steps.h"
#include "rx/tsn_tracker.h"
#include "trunkline/stack/random.h"

namespace trunkline::test {
namespace {

// ---------------------------------------------------------------- the window

// One chunk far ahead made all below it fill a gap, which came in whatever the window: 40 MB were
// held against 32 KiB.
TEST_F(ReceiveMemory, OneChunkFarAheadOpensNoWindow) {
  setup.profile.a_rwnd = 32 * 1024;
  const Voice peer = open_voice();
  say(peer, {.text = "far", .ssn = 50000, .tsn = peer.tsn + 60000});
  uint64_t most = 0;
  for (uint32_t i = 1; i < 2000; ++i) {
    say(peer, {.text = "x", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + i});
    most = std::max(most, used());
    listen();
  }
  EXPECT_EQ(most, 64u);
  EXPECT_EQ(host().status().a_rwnd, 0u);
  EXPECT_TRUE(lives(peer));
  // The lowest are the ones that it has: with the one before them all are given, and the rest may
  // come again.
  say(peer, {.text = "first", .ssn = 0, .tsn = peer.tsn});
  EXPECT_EQ(host().messages().size(), 65u);
  EXPECT_EQ(host().count(Counter::k_drop_held_no_window), 1u) << "the one far ahead gave way";
  EXPECT_EQ(used(), 0u);
}

// The same with what was delivered already far ahead: there is nothing that could give way.
TEST_F(ReceiveMemory, OneUnorderedMessageFarAheadOpensNoWindowEither) {
  setup.profile.a_rwnd = 32 * 1024;
  const Voice peer = open_voice();
  say(peer, {.text = "far", .flags = "BEU", .tsn = peer.tsn + 60000});
  for (uint32_t i = 1; i < 2000; ++i) {
    say(peer, {.text = "x",
               .flags = i % 3 == 1   ? "B"
                        : i % 3 == 2 ? ""
                                     : "E",
               .ssn = static_cast<uint16_t>(1 + i / 3),
               .tsn = peer.tsn + 2 * (i % 100) + 1});
    ASSERT_LE(used(), 64u);
    listen();
    if (!lives(peer)) break;
  }
}

// Chunks of many blocks overshoot by less than one of them.
TEST_F(ReceiveMemory, TheLastChunkMayCostMoreThanIsLeft) {
  setup.profile.a_rwnd = 16 * 1024;
  setup.profile.path_mtu = 9000;
  const Voice peer = open_voice();
  for (uint32_t i = 1; i < 40; ++i) {
    say(peer, {.text = std::string(5000, 'x'),
               .ssn = static_cast<uint16_t>(i),
               .tsn = peer.tsn + (40 - i)});
    EXPECT_LT(used() * kBlock, 16 * 1024 + ReceiveBlocks::blocks_for(5000) * kBlock);
    listen();
  }
}

TEST_F(ReceiveMemory, WaitingMessagesGiveWayToEarlierOnesAndComeAgain) {
  setup.profile.a_rwnd = 8 * 1024;  // sixteen of them
  const Voice peer = open_voice();
  for (uint32_t i = 100; i < 116; ++i) {
    say(peer, {.text = "late", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + i});
  }
  for (uint32_t i = 1; i < 9; ++i) {
    say(peer, {.text = "early", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + i});
    EXPECT_EQ(used(), 16u);
  }
  const auto sack = sack_to(peer);
  ASSERT_TRUE(sack.has_value());
  ASSERT_EQ(sack->gap_count(), 2u);
  EXPECT_EQ(sack->gap(0), (wire::GapBlock{2, 9}));
  EXPECT_EQ(sack->gap(1), (wire::GapBlock{101, 108})) << "what gave way is not acknowledged";
  EXPECT_EQ(host().count(Counter::k_drop_held_no_window), 8u);
  for (uint32_t i = 0; i < 116; ++i) {
    say(peer, {.text = "all", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + i});
  }
  EXPECT_EQ(host().messages().size(), 116u);
  EXPECT_TRUE(lives(peer));
}

// What was dropped for a chunk behind it would have to come again for nothing.
TEST_F(ReceiveMemory, NothingGivesWayToWhatLiesBehindIt) {
  setup.profile.a_rwnd = 4 * 1024;
  const Voice peer = open_voice();
  say(peer, {.text = "seen", .flags = "BEU", .tsn = peer.tsn + 200});
  for (uint32_t i = 1; i <= 8; ++i) {
    say(peer, {.text = "held", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + i});
  }
  listen();
  say(peer, {.text = "behind", .ssn = 100, .tsn = peer.tsn + 100});
  EXPECT_EQ(host().count(Counter::k_drop_held_no_window), 0u);
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 1u);
  EXPECT_EQ(used(), 8u);
  EXPECT_EQ(sack_to(peer)->gap(0), (wire::GapBlock{2, 9}));
}

// The table of gaps is full, and a chunk that would only have extended a block is left without one
// by what gave way for it.
TEST_F(ReceiveMemory, AChunkWhoseGapBlockGaveWayIsDropped) {
  setup.profile.a_rwnd = 4 * 1024;
  const Voice peer = open_voice();
  // What is delivered at once is in no window: its blocks first, then the eight that are held.
  say(peer, {.text = "given", .flags = "BEU", .tsn = peer.tsn + 31});
  for (uint32_t i = 0; i < TsnDisorder::kMaxBlocks - 8; ++i) {
    say(peer, {.text = "given", .flags = "BEU", .tsn = peer.tsn + 100 + 2 * i});
  }
  for (uint32_t i = 1; i <= 7; ++i) {
    say(peer, {.text = "held", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + 2 * i});
  }
  say(peer, {.text = "held", .ssn = 90, .tsn = peer.tsn + 30});
  ASSERT_EQ(sack_to(peer)->gap_count(), TsnDisorder::kMaxBlocks);
  say(peer, {.text = "joins the eighth block", .ssn = 89, .tsn = peer.tsn + 29});
  EXPECT_EQ(host().count(Counter::k_drop_held_no_window), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_data_beyond_tsn_range), 1u);
  EXPECT_EQ(used(), 7u);
  const auto sack = sack_to(peer);
  ASSERT_EQ(sack->gap_count(), TsnDisorder::kMaxBlocks);
  EXPECT_EQ(sack->gap(7), (wire::GapBlock{32, 32})) << "what was given stays acknowledged";
}

// The same where it is the shard that has no more room.
TEST_F(ReceiveMemory, AChunkWhoseGapBlockGaveWayToAShortageIsDropped) {
  setup.shard.receive_buffer_bytes = 8 * kBlock;
  const Voice peer = open_voice();
  say(peer, {.text = "given", .flags = "BEU", .tsn = peer.tsn + 31});
  for (uint32_t i = 0; i < TsnDisorder::kMaxBlocks - 8; ++i) {
    say(peer, {.text = "given", .flags = "BEU", .tsn = peer.tsn + 100 + 2 * i});
  }
  for (uint32_t i = 1; i <= 7; ++i) {
    say(peer, {.text = "held", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + 2 * i});
  }
  say(peer, {.text = "held", .ssn = 90, .tsn = peer.tsn + 30});
  ASSERT_EQ(sack_to(peer)->gap_count(), TsnDisorder::kMaxBlocks);
  say(peer, {.text = "joins the eighth block", .ssn = 89, .tsn = peer.tsn + 29});
  EXPECT_EQ(host().count(Counter::k_drop_held_no_memory), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_data_no_memory), 1u);
  EXPECT_EQ(used(), 7u);
  EXPECT_EQ(sack_to(peer)->gap(7), (wire::GapBlock{32, 32}));
}

// What gives way may lie inside a block that has no room to be cut in two.
TEST_F(ReceiveMemory, WhatNoSackCouldTakeBackIsKept) {
  setup.profile.a_rwnd = 4 * 1024;
  const Voice peer = open_voice();
  for (uint32_t i = 29; i <= 45; i += 2) {
    say(peer, {.text = "given", .flags = "BEU", .tsn = peer.tsn + i});
  }
  for (uint32_t i = 30; i <= 44; i += 2) {
    if (i == 44) {
      for (uint32_t n = 0; n < TsnDisorder::kMaxBlocks - 2; ++n) {
        say(peer, {.text = "given", .flags = "BEU", .tsn = peer.tsn + 100 + 2 * n});
      }
    }
    say(peer, {.text = "held", .ssn = static_cast<uint16_t>(i), .tsn = peer.tsn + i});
  }
  ASSERT_EQ(sack_to(peer)->gap_count(), TsnDisorder::kMaxBlocks - 1);
  say(peer, {.text = "before the block", .ssn = 28, .tsn = peer.tsn + 28});
  ASSERT_EQ(sack_to(peer)->gap_count(), TsnDisorder::kMaxBlocks) << "the last one there is";
  EXPECT_EQ(host().count(Counter::k_drop_held_no_window), 1u);
  say(peer, {.text = "before that", .ssn = 27, .tsn = peer.tsn + 27});
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_held_no_window), 1u);
  EXPECT_EQ(used(), 8u);
}

TEST_F(ReceiveMemory, TheEndOfAMessageComesInBeyondTheWindow) {
  setup.profile.a_rwnd = 4 * 1024;
  const Voice peer = open_voice();
  for (uint32_t i = 0; i < 8; ++i) {
    say(peer,
        {.text = std::string(400, 'm'), .flags = i == 0 ? "B" : "", .ssn = 0, .tsn = peer.tsn + i});
  }
  listen();
  EXPECT_EQ(host().status().a_rwnd, 0u);
  say(peer, {.text = "end", .flags = "E", .ssn = 0, .tsn = peer.tsn + 8});
  ASSERT_EQ(host().messages().size(), 1u);
  EXPECT_EQ(host().messages()[0].size(), 3203u);
  EXPECT_EQ(used(), 0u);
}

// An end without a beginning is no end: with such ones the window would be no bound.
TEST_F(ReceiveMemory, AnEndThatCompletesNothingStaysOutside) {
  setup.profile.a_rwnd = 4 * 1024;
  const Voice peer = open_voice();
  uint32_t tsn = 0;
  for (int i = 0; i < 50 && lives(peer); ++i) {
    say(peer, {.text = "given", .flags = "BEU", .tsn = peer.tsn + tsn++});
    say(peer, {.text = "end", .flags = "EU", .tsn = peer.tsn + tsn++});
    listen();
    ASSERT_LE(used(), 8u);
  }
  EXPECT_FALSE(lives(peer)) << "nothing of it could ever be given";
  EXPECT_EQ(host().count(Counter::k_aborted_for_memory), 1u);
}

TEST_F(ReceiveMemory, NorDoesTheEndOfWhatHasNoBeginning) {
  setup.profile.a_rwnd = 4 * 1024;
  const Voice peer = open_voice();
  for (uint32_t n = 0; n < 8; ++n) say(peer, {.flags = "U", .tsn = peer.tsn + n});
  ASSERT_EQ(used(), 8u);
  say(peer, {.text = "end", .flags = "EU", .tsn = peer.tsn + 8});
  EXPECT_LE(used(), 8u);
  EXPECT_FALSE(lives(peer));
}

// ---------------------------------------------------------------- the shard's buffers

// Three peers with one-byte chunks behind a hole had all the buffers, and a fourth that did nothing
// wrong was aborted.
TEST_F(ReceiveMemory, TheNextTsnFindsRoomHoweverManyMisbehave) {
  setup.profile.a_rwnd = 256 * 1024;
  setup.shard.receive_buffer_bytes = 512 * 1024;
  std::vector<Voice> rogues;
  for (int i = 0; i < 6; ++i) rogues.push_back(open_voice());
  const Voice good = open_voice();
  for (uint32_t n = 1; n <= 512; ++n) {
    for (const Voice& rogue : rogues) {
      say(rogue, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = rogue.tsn + n});
    }
    if (n % 16 == 0) listen();
  }
  listen();
  ASSERT_EQ(used(), 1024u);
  // A message in fragments of a kilobyte, each in its turn.
  for (uint32_t n = 0; n < 100; ++n) {
    say(good, {.text = std::string(1000, 'g'),
               .flags = n == 0    ? "B"
                        : n == 99 ? "E"
                                  : "",
               .ssn = 0,
               .tsn = good.tsn + n});
    for (const Voice& rogue : rogues) {
      say(rogue, {.text = "x", .ssn = static_cast<uint16_t>(600 + n), .tsn = rogue.tsn + 600 + n});
    }
  }
  EXPECT_EQ(host().last(EventKind::kMessage).text.size(), 100000u);
  for (const Voice& rogue : rogues) {
    EXPECT_TRUE(lives(rogue)) << "what gave way was behind a gap: it comes again";
  }
  EXPECT_GE(host().count(Counter::k_drop_held_no_memory), 290u);
  EXPECT_EQ(host().count(Counter::k_aborted_for_memory), 0u);
}

// Whoever gives way for another tells its peer without waiting for a packet from it (6.2).
TEST_F(ReceiveMemory, WhoGaveWayTellsItsPeerAtOnce) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 16 * kBlock;
  const Voice rogue = open_voice();
  const Voice good = open_voice();
  for (uint32_t n = 1; n <= 16; ++n) {
    say(rogue, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = rogue.tsn + n});
  }
  ASSERT_EQ(sack_to(rogue)->gap(0), (wire::GapBlock{2, 17}));
  say(good, {.text = std::string(800, 'g'), .flags = "B", .ssn = 0, .tsn = good.tsn});
  const auto sack = sack_to(rogue);
  ASSERT_TRUE(sack.has_value());
  EXPECT_EQ(sack->gap(0), (wire::GapBlock{2, 15}));
  EXPECT_EQ(host().count(Counter::k_drop_held_no_memory), 2u);
  say(good, {.text = "g", .flags = "E", .ssn = 0, .tsn = good.tsn + 1});
  EXPECT_EQ(host().messages().size(), 1u);
  for (uint32_t n = 0; n <= 16; ++n) {
    say(rogue, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = rogue.tsn + n});
  }
  EXPECT_EQ(host().messages().size(), 18u) << "and nothing is lost";
}

// Of those behind a gap, too, whoever has less may take from whoever has most, but nobody who has
// as much.
TEST_F(ReceiveMemory, BehindAGapBuffersAreSharedEvenly) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 64 * kBlock;
  const Voice first = open_voice();
  const Voice second = open_voice();
  const auto held = [&](const Voice& voice) {
    return (setup.profile.a_rwnd - host().status(voice.id).a_rwnd) / kBlock;
  };
  for (uint32_t n = 1; n <= 64; ++n) {
    say(first, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = first.tsn + n});
  }
  for (uint32_t n = 1; n <= 64; ++n) {
    say(second, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = second.tsn + n});
    listen();
  }
  EXPECT_NEAR(static_cast<double>(held(first)), 32, 1);
  EXPECT_NEAR(static_cast<double>(held(second)), 32, 1);
  EXPECT_EQ(used(), 64u);
  // From then on they take nothing from each other.
  const uint64_t gave_way = host().count(Counter::k_drop_held_no_memory);
  for (uint32_t n = 65; n <= 70; ++n) {
    for (const Voice& one : {first, second}) {
      say(one, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = one.tsn + n});
    }
  }
  EXPECT_EQ(host().count(Counter::k_drop_held_no_memory), gave_way);
}

// Unfinished messages in order can't be dropped: they are acknowledged. Others that only compete
// for the buffers may finish theirs; then the one that holds most has to end.
TEST_F(ReceiveMemory, TheLargestUnfinishedMessageEndsWhenTheNextTsnHasComeInVain) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 48 * kBlock;
  const Voice small = open_voice();
  const Voice large = open_voice();
  const Voice good = open_voice();
  for (uint32_t n = 0; n < 32; ++n) {
    if (n < 16) say(small, {.flags = n == 0 ? "B" : "", .ssn = 0, .tsn = small.tsn + n});
    say(large, {.flags = n == 0 ? "B" : "", .ssn = 0, .tsn = large.tsn + n});
  }
  listen();
  ASSERT_EQ(used(), 48u);
  for (int i = 0; i < 3; ++i) {
    say(good, {.text = "g", .flags = "B", .ssn = 0, .tsn = good.tsn});
    EXPECT_EQ(sack_to(good)->cum_tsn_ack, good.tsn - 1) << "told at once that it was dropped";
    EXPECT_EQ(host().shard().association_count(), 3u) << i;
    pass(setup.profile.rto_min);
  }
  EXPECT_EQ(host().count(Counter::k_drop_data_no_memory), 3u);
  say(good, {.text = "g", .flags = "B", .ssn = 0, .tsn = good.tsn});
  EXPECT_FALSE(lives(large));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
  EXPECT_TRUE(lives(small));
  EXPECT_EQ(host().count(Counter::k_aborted_for_memory), 1u);
  EXPECT_EQ(used(), 17u);
  say(good, {.text = "ood", .flags = "E", .ssn = 0, .tsn = good.tsn + 1});
  EXPECT_EQ(host().messages(), std::vector<std::string>{"good"});
}

// Copies of one chunk are one try: a peer can't make others end by repeating itself.
TEST_F(ReceiveMemory, NobodyEndsForWhatComesInVainInOneMoment) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 8 * kBlock;
  const Voice honest = open_voice();
  const Voice hasty = open_voice();
  for (uint32_t n = 0; n < 8; ++n) {
    say(honest, {.flags = n == 0 ? "B" : "", .ssn = 0, .tsn = honest.tsn + n});
  }
  for (int i = 0; i < 100; ++i) {
    say(hasty, {.text = "x", .flags = "B", .ssn = 0, .tsn = hasty.tsn});
    if (i % 10 == 9) pass(setup.profile.rto_min / 10);
  }
  EXPECT_EQ(host().count(Counter::k_drop_data_no_memory), 100u);
  EXPECT_TRUE(lives(honest));
  EXPECT_TRUE(lives(hasty));
}

// It is the next TSN coming in vain time after time that ends somebody, not now and then.
TEST_F(ReceiveMemory, AShortageThatHasPassedIsForgotten) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 5 * kBlock;
  Voice large = open_voice();
  Voice good = open_voice();
  for (uint16_t round = 0; round < 10; ++round) {
    for (int n = 0; n < 3; ++n) {
      say(large, {.flags = n == 0 ? "B" : "", .ssn = round, .tsn = large.tsn});
      ++large.tsn;
    }
    say(good, {.text = "b", .flags = "B", .ssn = round, .tsn = good.tsn});
    for (int i = 0; i < 2; ++i) {
      say(good, {.text = std::string(500, 'e'), .flags = "E", .ssn = round, .tsn = good.tsn + 1});
      pass(setup.profile.rto_min);
    }
    EXPECT_EQ(host().count(Counter::k_drop_data_no_memory), 2u * (round + 1));
    listen();
    ASSERT_TRUE(lives(large) && lives(good)) << round;
    // The other is done, in the block that was too few for two.
    say(large, {.flags = "E", .ssn = round, .tsn = large.tsn});
    ++large.tsn;
    say(good, {.text = "e", .flags = "E", .ssn = round, .tsn = good.tsn + 1});
    good.tsn = good.tsn + 2;
    ASSERT_EQ(host().messages().size(), 2u * (round + 1));
  }
}

// Its end, which is small and lies behind the fragment that has no room, comes in time after time.
TEST_F(ReceiveMemory, WhatComesInBehindTheNextTsnDoesNotProlongItsWait) {
  setup.shard.receive_buffer_bytes = 16 * kBlock;
  const Voice peer = open_voice();
  for (uint32_t n = 0; n < 14; ++n) {
    say(peer, {.flags = n == 0 ? "B" : "", .ssn = 0, .tsn = peer.tsn + n});
  }
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(lives(peer)) << i;
    say(peer, {.flags = "E", .ssn = 0, .tsn = peer.tsn + 15});
    say(peer, {.text = std::string(1400, 'm'), .flags = "", .ssn = 0, .tsn = peer.tsn + 14});
    pass(setup.profile.rto_min);
  }
  EXPECT_FALSE(lives(peer));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
}

TEST_F(ReceiveMemory, AChunkLargerThanTheBuffersEndsItsAssociation) {
  setup.shard.receive_buffer_bytes = 2 * kBlock;
  const Voice peer = open_voice();
  for (uint32_t i = 0; i <= setup.profile.association_max_retrans; ++i) {
    ASSERT_TRUE(lives(peer)) << i;
    say(peer, {.text = std::string(1400, 'b'), .flags = "B", .ssn = 0, .tsn = peer.tsn});
    pass(setup.profile.rto_min);
  }
  EXPECT_FALSE(lives(peer));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
}

// ---------------------------------------------------------------- what packets cost

// Peers that send what they like, in the orders that cost most, to a shard with little memory. No
// chunk costs more than some walks down a tree of all that is held, and the books stay right.
TEST_F(ReceiveMemory, NoOrderOfArrivalCostsMoreThanAnother) {
  setup.profile.a_rwnd = 512 * 1024;
  setup.shard.receive_buffer_bytes = 1024 * 1024;  // 2048 blocks: of four windows, two
  std::vector<Voice> peers;
  for (int i = 0; i < 4; ++i) peers.push_back(open_voice());
  SeededRandom random(3);
  const uint64_t walk = 2 * 16;
  uint64_t chunks = 0;
  uint64_t steps = 0;
  for (uint32_t n = 0; n < 3000; ++n) {
    for (size_t i = 0; i < peers.size(); ++i) {
      const Voice& peer = peers[i];
      if (!lives(peer)) continue;
      be(peer);
      const uint32_t order[] = {n + 1, 3000 - n, (n ^ 1) + 1,
                                static_cast<uint32_t>(1 + random.below(3000))};
      const uint32_t tsn = order[i];
      const Write chunk =
          data({.text = "x", .ssn = static_cast<uint16_t>(tsn), .tsn = peer.tsn + tsn});
      const Packet one = packet(host_tag, chunk);
      const uint64_t before = steps_taken;
      host().receive(now, one);
      steps += steps_taken - before;
      ++chunks;
      if (kCountsSteps) {
        ASSERT_LE(steps_taken - before, 24 * walk) << n << " from " << i;
      }
    }
    if (n % 64 == 0) {
      ASSERT_EQ(host().shard().receive_memory_fault(), nullptr);
    }
    if (n % 16 == 0) listen();
  }
  if (kCountsSteps) {
    EXPECT_LE(steps, chunks * 8 * walk);
  }
  EXPECT_EQ(used(), 2048u);
  for (const Voice& peer : peers) EXPECT_TRUE(lives(peer));
}

// Everything at once, at random: fragments of any kind, duplicates, TSNs near and far, readers that
// sleep and wake. What lives, lives by the rules.
TEST_F(ReceiveMemory, TheBooksAreRightWhateverIsSent) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SeededRandom random(seed);
    start_over();
    setup.profile.a_rwnd = static_cast<uint32_t>(4096u << random.below(4));
    setup.profile.max_message_size = 6000;
    setup.shard.receive_buffer_bytes = (16u << random.below(4)) * kBlock;
    std::vector<Voice> peers;
    for (int i = 0; i < 5; ++i) peers.push_back(open_voice());
    for (int step = 0; step < 1500; ++step) {
      Voice& peer = peers[random.below(peers.size())];
      if (!lives(peer)) {
        peer = open_voice();
        continue;
      }
      host().keep_messages = random.below(3) == 0;
      if (random.below(20) == 0) host().read_kept(now);
      static constexpr const char* kFlags[] = {"BE", "BE", "BEU", "B", "", "E", "BU", "U", "EU"};
      Data chunk;
      chunk.text = std::string(1 + random.below(random.below(4) == 0 ? 1400 : 10), 'r');
      chunk.flags = kFlags[random.below(std::size(kFlags))];
      chunk.stream = static_cast<uint16_t>(random.below(3));
      const Tsn next = host().status(peer.id).cum_tsn_ack + 1;
      const uint64_t ahead =
          random.below(3) == 0 ? 0 : random.below(random.below(5) == 0 ? 400 : 12);
      chunk.tsn = next + static_cast<uint32_t>(ahead);
      chunk.ssn = static_cast<uint16_t>(random.below(4) == 0 ? random.below(20) : peer.ssn + ahead);
      const uint64_t before = host().messages().size();
      say(peer, chunk);
      if (ahead == 0 && host().messages().size() > before) ++peer.ssn;
      ASSERT_LE(used() * kBlock, setup.shard.receive_buffer_bytes);
      if (random.below(4) == 0) listen();
    }
    host().read_kept(now);
  }
}

}  // namespace
}  // namespace trunkline::test
