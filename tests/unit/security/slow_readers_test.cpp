// SPDX-License-Identifier: BSD-3-Clause
// What readers leave in the shard's buffers: slow ones shut their own windows, keep room for
// others, and what came in one burst beyond the window costs nobody else.
#include "receive_memory.h"

namespace trunkline::test {
namespace {

// A message that was acknowledged needs a copy for its slow reader: that can't wait.
TEST_F(ReceiveMemory, ASlowReadersMessageFindsRoom) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 64 * kBlock;
  const Voice rogue = open_voice();
  const Voice stuck = open_voice();
  const Voice good = open_voice();
  for (uint32_t n = 0; n < 30; ++n) {
    say(stuck, {.flags = n == 0 ? "B" : "", .ssn = 0, .tsn = stuck.tsn + n});
  }
  for (uint32_t n = 1; n <= 64; ++n) {
    say(rogue, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = rogue.tsn + n});
  }
  listen();
  ASSERT_EQ(used(), 64u);
  host().keep_messages = true;
  for (uint32_t n = 0; n < 24; ++n) {
    say(good, {.text = "g", .ssn = static_cast<uint16_t>(n), .tsn = good.tsn + n});
    ASSERT_TRUE(lives(good));
    ASSERT_TRUE(lives(rogue));
    ASSERT_TRUE(lives(stuck));
    listen();
  }
  EXPECT_EQ(host().count(Counter::k_drop_held_no_memory), 24u);
  EXPECT_EQ(host().status(good.id).a_rwnd, 0u) << "half of what readers may have";
  host().read_kept(now);
  EXPECT_EQ(host().status(good.id).a_rwnd, setup.profile.a_rwnd);
}

// Where nothing that is held can be fetched again, the largest holder ends, not the slow reader.
TEST_F(ReceiveMemory, ASlowReadersMessageEndsWhoHoldsMore) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 64 * kBlock;
  const Voice small = open_voice();
  const Voice large = open_voice();
  const Voice good = open_voice();
  say_without_the_first(small, 30);
  say_without_the_first(large, 34);
  listen();
  ASSERT_EQ(used(), 64u);
  host().keep_messages = true;
  say(good, {.text = "g", .ssn = 0, .tsn = good.tsn});
  EXPECT_TRUE(lives(good));
  EXPECT_TRUE(lives(small));
  EXPECT_FALSE(lives(large));
  EXPECT_EQ(host().count(Counter::k_aborted_for_memory), 1u);
  EXPECT_EQ(used(), 31u);
}

// What its application has not taken counts too.
TEST_F(ReceiveMemory, ASlowReaderWhoLeftMoreThanAnyHoldsEndsItself) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 64 * kBlock;
  const Voice one = open_voice();
  const Voice other = open_voice();
  const Voice slow = open_voice();
  host().keep_messages = true;
  for (uint32_t n = 0; n < 22; ++n) {
    say(slow, {.text = "s", .ssn = static_cast<uint16_t>(n), .tsn = slow.tsn + n});
  }
  say_without_the_first(one, 21);
  say_without_the_first(other, 21);
  listen();
  ASSERT_EQ(used(), 64u);
  say(slow, {.text = "s", .ssn = 22, .tsn = slow.tsn + 22});
  EXPECT_FALSE(lives(slow));
  EXPECT_TRUE(lives(one));
  EXPECT_TRUE(lives(other));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
}

// But for one that holds the most itself nobody else ends.
TEST_F(ReceiveMemory, ASlowReaderWhoHoldsTheMostEndsItself) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 64 * kBlock;
  const Voice small = open_voice();
  const Voice large = open_voice();
  say_without_the_first(small, 30);
  say_without_the_first(large, 34);
  listen();
  ASSERT_EQ(used(), 64u);
  host().keep_messages = true;
  say(large, {.text = "l", .flags = "UBE", .tsn = large.tsn + 34});
  EXPECT_TRUE(lives(small));
  EXPECT_FALSE(lives(large));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
  EXPECT_EQ(used(), 30u);
}

// Slow readers leave something for others: each has no more than is left, and all of them together
// three quarters.
TEST_F(ReceiveMemory, SlowReadersLeaveRoom) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 160 * kBlock;
  host().keep_messages = true;
  std::vector<Voice> slow;
  for (int i = 0; i < 5; ++i) slow.push_back(open_voice());
  for (const Voice& one : slow) {
    for (uint32_t n = 0; n < 128; ++n) {
      say(one, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = one.tsn + n});
      listen();
    }
    EXPECT_TRUE(lives(one)) << "its window is shut, that is all";
    EXPECT_EQ(host().status(one.id).a_rwnd, 0u);
    EXPECT_GT(host().status(one.id).messages_received, 3u);
  }
  EXPECT_LT(used(), 120u);
  EXPECT_EQ(host().count(Counter::k_aborted_for_memory), 0u);
  EXPECT_GT(host().count(Counter::k_drop_data_no_window), 100u);
  // Reassembly has the rest.
  host().keep_messages = false;
  const Voice good = open_voice();
  for (uint32_t n = 0; n < 40; ++n) {
    say(good, {.text = "g",
               .flags = n == 0    ? "B"
                        : n == 39 ? "E"
                                  : "",
               .ssn = 0,
               .tsn = good.tsn + n});
  }
  EXPECT_EQ(host().last(EventKind::kMessage).text.size(), 40u);
  host().read_kept(now);
  for (const Voice& one : slow) {
    EXPECT_EQ(host().status(one.id).a_rwnd, setup.profile.a_rwnd) << "and opens again";
  }
}

// What is told is what binds, for what fills a gap too: where slow readers have all that they may,
// it would be delivered to one of them.
TEST_F(ReceiveMemory, AGapIsNotFilledIntoAShutWindow) {
  setup.profile.a_rwnd = 64 * 1024;
  setup.shard.receive_buffer_bytes = 160 * kBlock;
  host().keep_messages = true;
  const Voice late = open_voice();
  say(late, {.text = "kept", .ssn = 0, .tsn = late.tsn});
  say(late, {.text = "behind the gap", .ssn = 2, .tsn = late.tsn + 2});
  listen();
  for (int i = 0; i < 6; ++i) {
    const Voice slow = open_voice();
    for (uint32_t n = 0; n < 128; ++n) {
      say(slow, {.text = "x", .ssn = static_cast<uint16_t>(n), .tsn = slow.tsn + n});
      listen();
    }
  }
  ASSERT_EQ(host().status(late.id).a_rwnd, 0u);
  const uint64_t before = host().count(Counter::k_drop_data_no_window);
  say(late, {.text = "fills it", .ssn = 1, .tsn = late.tsn + 1});
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), before + 1);
  EXPECT_EQ(host().status(late.id).cum_tsn_ack, late.tsn);
  host().read_kept(now);
  say(late, {.text = "fills it", .ssn = 1, .tsn = late.tsn + 1});
  EXPECT_EQ(host().status(late.id).cum_tsn_ack, late.tsn + 2);
}

// A burst that filled more than the window before anybody knew that the reader sleeps may cost its
// own association when the buffers run short, not another.
TEST_F(ReceiveMemory, ABurstBeyondTheWindowIsKeptWhileThereIsPlenty) {
  setup.profile.a_rwnd = 4 * 1024;
  setup.shard.receive_buffer_bytes = 64 * kBlock;
  const Voice calm = open_voice();
  const Voice storm = open_voice();
  host().keep_messages = true;
  be(storm);
  const auto burst = [&](uint32_t first, uint32_t messages) {
    std::vector<Packet> packets;
    for (uint32_t n = first; n < first + messages; ++n) {
      packets.push_back(packet(
          host_tag, data({.text = "s", .ssn = static_cast<uint16_t>(n), .tsn = storm.tsn + n})));
    }
    host().receive(now, packets);
  };
  burst(0, 20);
  EXPECT_TRUE(lives(storm)) << "twice its window, and less than is left";
  EXPECT_EQ(used(), 20u);
  burst(20, 20);
  EXPECT_EQ(used(), 20u) << "now its window binds";
  for (uint32_t n = 0; n < 8; ++n) {
    say(calm, {.text = "c", .ssn = static_cast<uint16_t>(n), .tsn = calm.tsn + n});
  }
  EXPECT_TRUE(lives(calm));
  EXPECT_EQ(used(), 28u);
}

TEST_F(ReceiveMemory, ABurstBeyondTheWindowEndsItsOwnAssociationWhenThereIsNot) {
  setup.profile.a_rwnd = 4 * 1024;
  setup.shard.receive_buffer_bytes = 64 * kBlock;
  const Voice storm = open_voice();
  host().keep_messages = true;
  std::vector<Packet> packets;
  for (uint32_t n = 0; n < 60; ++n) {
    packets.push_back(packet(
        host_tag, data({.text = "s", .ssn = static_cast<uint16_t>(n), .tsn = storm.tsn + n})));
  }
  host().receive(now, packets);
  EXPECT_FALSE(lives(storm));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
  EXPECT_LE(used(), 32u) << "a third of what readers may have is for those who live";
}

}  // namespace
}  // namespace trunkline::test
