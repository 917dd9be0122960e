// SPDX-License-Identifier: BSD-3-Clause
// The neighbour table: states and timers with a jumped clock, packets that wait, bounds.
#include "net/neighbour.h"

#include <gtest/gtest.h>

#include <set>

#include "net_helpers.h"

namespace trunkline::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class Neighbours : public testing::Test {
 protected:
  NeighbourTable::Answer use(int packet) { return table.use(now, peer, handle(packet), actions); }
  static PacketHandle handle(int packet) {
    return reinterpret_cast<PacketHandle>(static_cast<intptr_t>(packet));
  }
  bool answer(bool solicited = true) {
    return table.learn(now, peer, kPeerMac, {false, solicited, true}, actions);
  }
  // Lets time pass in steps of 100 ms, as the worker does.
  void pass(Duration time) {
    for (Duration done{}; done < time; done += milliseconds(100)) {
      now = now + milliseconds(100);
      table.advance(now, actions);
    }
  }

  NeighbourTable table{{.max_entries = 8}};
  NeighbourActions actions;
  TimePoint now = TimePoint::from_ns(1'000'000'000);
  IpAddress peer = ip("192.0.2.77");
};

TEST_F(Neighbours, FirstPacketWaitsUntilTheAnswer) {
  EXPECT_EQ(use(1).use, NeighbourUse::kQueued);
  ASSERT_EQ(actions.solicit.size(), 1u);
  EXPECT_EQ(actions.solicit[0].address, peer);
  EXPECT_FALSE(actions.solicit[0].unicast.has_value());
  EXPECT_EQ(use(2).use, NeighbourUse::kQueued);
  EXPECT_EQ(actions.solicit.size(), 1u);  // asked once
  actions.clear();
  EXPECT_TRUE(answer());
  ASSERT_EQ(actions.ready.size(), 2u);
  EXPECT_EQ(actions.ready[0].packet, handle(1));  // in the order of sending
  EXPECT_EQ(actions.ready[1].packet, handle(2));
  EXPECT_EQ(actions.ready[1].mac, kPeerMac);
  const auto third = use(3);
  EXPECT_EQ(third.use, NeighbourUse::kSend);
  EXPECT_EQ(third.mac, kPeerMac);
  EXPECT_EQ(third.good_until, now + seconds(30));
}

TEST_F(Neighbours, SilenceIsAskedThreeTimesThenDropped) {
  use(1);
  pass(milliseconds(2900));
  EXPECT_EQ(actions.solicit.size(), 3u);
  EXPECT_TRUE(actions.dropped.empty());
  pass(milliseconds(200));
  EXPECT_EQ(actions.solicit.size(), 3u);
  ASSERT_EQ(actions.dropped.size(), 1u);
  EXPECT_EQ(actions.dropped[0], handle(1));
  EXPECT_EQ(actions.failed, 1u);
  EXPECT_EQ(use(2).use, NeighbourUse::kUnreachable);  // for a moment nobody is asked again
  pass(seconds(1));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(use(3).use, NeighbourUse::kQueued);
}

TEST_F(Neighbours, LateAnswerAfterFailureCounts) {
  use(1);
  pass(milliseconds(3100));
  actions.clear();
  EXPECT_TRUE(answer());
  EXPECT_TRUE(actions.ready.empty());
  EXPECT_EQ(use(2).use, NeighbourUse::kSend);
}

TEST_F(Neighbours, UsedNeighbourIsProbedWhileItServes) {
  use(1);
  answer();
  actions.clear();
  pass(seconds(31));
  EXPECT_TRUE(actions.solicit.empty());  // nobody used it: nobody asks
  EXPECT_EQ(use(2).use, NeighbourUse::kSend);
  ASSERT_EQ(actions.solicit.size(), 1u);
  EXPECT_EQ(actions.solicit[0].unicast, kPeerMac);
  actions.clear();
  answer();
  pass(seconds(5));
  EXPECT_TRUE(actions.empty());
}

TEST_F(Neighbours, ProbedNeighbourThatIsGoneFails) {
  use(1);
  answer();
  pass(seconds(31));
  const auto probing = use(2);
  EXPECT_EQ(probing.use, NeighbourUse::kSend);
  EXPECT_LE(probing.good_until, now + seconds(1));  // others must look again soon
  pass(milliseconds(3100));
  EXPECT_EQ(actions.failed, 1u);
  EXPECT_FALSE(table.still_valid(probing.slot, probing.generation));
  EXPECT_EQ(use(3).use, NeighbourUse::kUnreachable);
}

TEST_F(Neighbours, ChangedAddressInvalidatesWhatOthersKeep) {
  use(1);
  answer();
  const auto before = use(2);
  EXPECT_TRUE(table.still_valid(before.slot, before.generation));
  EXPECT_TRUE(table.learn(now, peer, mac(0x99), {false, false, true}, actions));
  EXPECT_FALSE(table.still_valid(before.slot, before.generation));
  EXPECT_EQ(use(3).mac, mac(0x99));
}

TEST_F(Neighbours, WithoutOverrideOnlyDoubt) {  // RFC 4861 section 7.2.5
  use(1);
  answer();
  EXPECT_TRUE(table.learn(now, peer, mac(0x99), {false, false, false}, actions));
  actions.clear();
  const auto doubted = use(2);
  EXPECT_EQ(doubted.use, NeighbourUse::kSend);
  EXPECT_EQ(doubted.mac, kPeerMac);
  EXPECT_EQ(actions.solicit.size(), 1u);  // it is asked
}

TEST_F(Neighbours, ConfirmationWithoutAddress) {
  use(1);
  EXPECT_FALSE(table.learn(now, peer, std::nullopt, {false, true, false}, actions));
  answer();
  pass(seconds(31));
  use(2);
  actions.clear();
  EXPECT_TRUE(table.learn(now, peer, std::nullopt, {false, true, false}, actions));
  EXPECT_EQ(use(3).good_until, now + seconds(30));
}

TEST_F(Neighbours, StrangersAreRememberedOnlyWhenTheySpeakToUs) {
  EXPECT_FALSE(table.learn(now, peer, kPeerMac, {false, false, true}, actions));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.learn(now, peer, kPeerMac, {true, false, true}, actions));
  EXPECT_EQ(use(1).use, NeighbourUse::kSend);  // at once, and confirmed meanwhile
  EXPECT_EQ(actions.solicit.size(), 1u);
}

TEST_F(Neighbours, PrimedNeighbourIsAskedOnce) {
  table.prime(now, peer, actions);
  EXPECT_EQ(actions.solicit.size(), 1u);
  table.prime(now, peer, actions);
  EXPECT_EQ(actions.solicit.size(), 1u);
  answer();
  EXPECT_TRUE(actions.ready.empty());
  EXPECT_EQ(use(1).use, NeighbourUse::kSend);
}

TEST_F(Neighbours, QueueOfOneIsBounded) {
  for (uint32_t i = 0; i < NeighbourTable::kQueue; ++i) {
    ASSERT_EQ(use(static_cast<int>(i)).use, NeighbourUse::kQueued) << i;
  }
  EXPECT_EQ(use(-1).use, NeighbourUse::kQueueFull);
  actions.clear();
  answer();
  EXPECT_EQ(actions.ready.size(), NeighbourTable::kQueue);
}

TEST_F(Neighbours, QueuesOfAllAreBounded) {
  uint32_t queued = 0;
  for (uint32_t i = 0; i < 4 * NeighbourTable::kQueue; ++i) {
    const IpAddress other = IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(100 + i % 4));
    const auto result = table.use(now, other, handle(static_cast<int>(i)), actions);
    if (result.use == NeighbourUse::kQueued) ++queued;
  }
  EXPECT_EQ(queued, NeighbourTable::kAllQueues);
  table.clear(actions);
  EXPECT_EQ(actions.dropped.size(), NeighbourTable::kAllQueues);  // none is lost from sight
  EXPECT_EQ(table.size(), 0u);
}

TEST_F(Neighbours, FullTableEvictsStrangersButNotThoseInUse) {
  use(1);
  answer();
  use(2);
  for (int i = 0; i < 7; ++i) {
    EXPECT_TRUE(table.learn(now, IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(1 + i)), mac(3),
                            {true, false, true}, actions));
  }
  EXPECT_EQ(table.size(), 8u);
  // A flood of strangers displaces strangers only.
  for (int i = 0; i < 200; ++i) {
    table.learn(now, IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(i)), mac(4),
                {true, false, true}, actions);
    ASSERT_EQ(table.size(), 8u);
  }
  EXPECT_GT(actions.evicted, 0u);
  EXPECT_EQ(use(3).use, NeighbourUse::kSend);
}

TEST_F(Neighbours, FullOfResolvingNeighboursRefuses) {
  for (int i = 0; i < 8; ++i) {
    table.use(now, IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(1 + i)), handle(i), actions);
  }
  EXPECT_EQ(use(1).use, NeighbourUse::kTableFull);
  EXPECT_TRUE(actions.dropped.empty());
}

TEST_F(Neighbours, UnusedAreForgotten) {
  use(1);
  answer();
  pass(minutes(9));
  EXPECT_EQ(table.size(), 1u);
  pass(minutes(2));
  EXPECT_EQ(table.size(), 0u);
}

// Whatever happens, a packet that was queued comes out exactly once.
TEST_F(Neighbours, EveryPacketComesOutOnce) {
  uint32_t state = 99;
  const auto random = [&](uint32_t bound) {
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % bound;
  };
  std::set<uintptr_t> inside;
  size_t queued = 0;
  const auto collect = [&] {
    for (const auto& ready : actions.ready) {
      ASSERT_EQ(inside.erase(reinterpret_cast<uintptr_t>(ready.packet)), 1u);
    }
    for (const PacketHandle dropped : actions.dropped) {
      ASSERT_EQ(inside.erase(reinterpret_cast<uintptr_t>(dropped)), 1u);
    }
    actions.clear();
  };
  for (int i = 1; i < 20000; ++i) {
    const IpAddress other = IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(random(20)));
    const uint32_t what = random(8);
    if (what == 0) {
      table.learn(now, other, mac(static_cast<uint8_t>(random(3))),
                  {random(2) == 0, random(2) == 0, random(2) == 0}, actions);
    } else if (what == 1) {
      pass(milliseconds(100 * random(20)));
    } else if (table.use(now, other, handle(i), actions).use == NeighbourUse::kQueued) {
      inside.insert(static_cast<uintptr_t>(i));
      ++queued;
    }
    ASSERT_NO_FATAL_FAILURE(collect());
  }
  table.clear(actions);
  ASSERT_NO_FATAL_FAILURE(collect());
  EXPECT_TRUE(inside.empty());
  EXPECT_GT(queued, 1000u);
}

}  // namespace
}  // namespace trunkline::net
