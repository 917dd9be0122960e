// SPDX-License-Identifier: BSD-3-Clause
// The neighbour table: states and timers with a jumped clock, packets that wait, bounds.
#include "net/neighbour.h"

#include <gtest/gtest.h>

#include <set>

#include "net_helpers.h"

namespace trunkline::net {
namespace {

using Learnt = NeighbourTable::Learnt;
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
    return table.learn(now, peer, kPeerMac, {false, solicited, true}, actions) == Learnt::kKnown;
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

// One that never answered us is not defended: who speaks last is believed.
TEST_F(Neighbours, ChangedAddressInvalidatesWhatOthersKeep) {
  EXPECT_EQ(table.learn(now, peer, kPeerMac, {true, false, true}, actions), Learnt::kKnown);
  const auto before = use(2);
  EXPECT_TRUE(table.still_valid(before.slot, before.generation));
  EXPECT_EQ(table.learn(now, peer, mac(0x99), {false, false, true}, actions), Learnt::kKnown);
  EXPECT_FALSE(table.still_valid(before.slot, before.generation));
  EXPECT_EQ(use(3).mac, mac(0x99));
}

TEST_F(Neighbours, WithoutOverrideOnlyDoubt) {  // RFC 4861 section 7.2.5
  use(1);
  answer();
  EXPECT_EQ(table.learn(now, peer, mac(0x99), {false, false, false}, actions), Learnt::kKnown);
  actions.clear();
  const auto doubted = use(2);
  EXPECT_EQ(doubted.use, NeighbourUse::kSend);
  EXPECT_EQ(doubted.mac, kPeerMac);
  EXPECT_EQ(actions.solicit.size(), 1u);  // it is asked
}

TEST_F(Neighbours, ConfirmationWithoutAddress) {
  use(1);
  EXPECT_EQ(table.learn(now, peer, std::nullopt, {false, true, false}, actions), Learnt::kUnknown);
  answer();
  pass(seconds(31));
  use(2);
  actions.clear();
  EXPECT_EQ(table.learn(now, peer, std::nullopt, {false, true, false}, actions), Learnt::kKnown);
  EXPECT_EQ(use(3).good_until, now + seconds(30));
}

TEST_F(Neighbours, StrangersAreRememberedOnlyWhenTheySpeakToUs) {
  EXPECT_EQ(table.learn(now, peer, kPeerMac, {false, false, true}, actions), Learnt::kUnknown);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.learn(now, peer, kPeerMac, {true, false, true}, actions), Learnt::kKnown);
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
    EXPECT_EQ(table.learn(now, IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(1 + i)), mac(3),
                          {true, false, true}, actions),
              Learnt::kKnown);
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
      table.advance_challenges(now, actions);
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

// What another station claims of one that has answered us.
class Claims : public Neighbours {
 protected:
  static constexpr NeighbourNews kGratuitous{false, false, true};
  const MacAddress rival = mac(0x99);

  void SetUp() override { known(); }
  void known() {
    use(1);
    answer();
    actions.clear();
  }
  Learnt claim(const NeighbourNews& news = kGratuitous) {
    return table.learn(now, peer, rival, news, actions);
  }
  // In steps of a millisecond, as a worker at work; returns when the first question came after.
  void pass_quick(Duration time) {
    for (Duration done{}; done < time; done += milliseconds(1)) {
      now = now + milliseconds(1);
      if (now >= table.next_challenge()) table.advance_challenges(now, actions);
    }
  }
  MacAddress current() { return table.entries().at(0).mac; }
};

TEST_F(Claims, TheOldOneIsAskedThreeTimesByUnicastBeforeTheNewOneIsTaken) {
  const TimePoint start = now;
  const auto cached = use(2);
  EXPECT_EQ(claim(), Learnt::kDoubted);
  for (unsigned asked = 1; asked <= 3; ++asked) {
    ASSERT_EQ(actions.solicit.size(), asked);
    EXPECT_EQ(actions.solicit[asked - 1].address, peer);
    EXPECT_EQ(actions.solicit[asked - 1].unicast, kPeerMac);
    pass_quick(milliseconds(99));
    ASSERT_EQ(actions.solicit.size(), asked);
    EXPECT_EQ(use(3).mac, kPeerMac);
    EXPECT_TRUE(table.still_valid(cached.slot, cached.generation));
    EXPECT_TRUE(actions.lessons.empty());
    pass_quick(milliseconds(1));
  }
  EXPECT_EQ(now - start, milliseconds(300));
  EXPECT_EQ(current(), rival);
  EXPECT_FALSE(table.still_valid(cached.slot, cached.generation));
  EXPECT_EQ(actions.claims, 1u);
  EXPECT_EQ(actions.replaced, 1u);
  EXPECT_EQ(actions.refuted, 0u);
  ASSERT_EQ(actions.lessons.size(), 1u);  // for the other workers
  EXPECT_EQ(actions.lessons[0].mac, rival);
  EXPECT_EQ(actions.lessons[0].news.source, NewsSource::kVerdict);
  EXPECT_FALSE(actions.lessons[0].news.create);
  EXPECT_EQ(use(4).mac, rival);
  EXPECT_EQ(actions.solicit.back().unicast, rival);  // and it is asked in turn
}

TEST_F(Claims, TheOldOnesAnswerKeepsIt) {
  EXPECT_EQ(claim(), Learnt::kDoubted);
  pass_quick(milliseconds(150));
  EXPECT_TRUE(answer());
  EXPECT_EQ(actions.refuted, 1u);
  const size_t asked = actions.solicit.size();
  pass_quick(seconds(2));
  EXPECT_EQ(actions.solicit.size(), asked);
  EXPECT_EQ(current(), kPeerMac);
  EXPECT_EQ(actions.replaced, 0u);
  // RFC 4861 section 7.2.4: an answer to a unicast question may leave the address out.
  EXPECT_EQ(claim(), Learnt::kDoubted);
  EXPECT_EQ(table.learn(now, peer, std::nullopt, {false, true, false}, actions), Learnt::kKnown);
  pass_quick(seconds(2));
  EXPECT_EQ(current(), kPeerMac);
}

// Whatever form the claim has: a reply that nobody asked for says of itself that it is an answer.
TEST_F(Claims, EveryFormOfItIsDoubted) {
  for (const NeighbourNews& news :
       {NeighbourNews{false, false, true}, NeighbourNews{false, true, true},
        NeighbourNews{true, false, true}, NeighbourNews{true, true, true}}) {
    EXPECT_EQ(claim(news), Learnt::kDoubted);
    EXPECT_EQ(current(), kPeerMac);
    answer();
    pass_quick(seconds(1));
  }
  EXPECT_EQ(actions.refuted, 4u);
}

TEST_F(Claims, OldOnesThatAreStaleOrProbedAreAskedToo) {
  pass(seconds(31));
  EXPECT_EQ(claim(), Learnt::kDoubted);  // fresh no longer
  EXPECT_EQ(use(2).mac, kPeerMac);
  answer();
  pass(seconds(31));
  pass_quick(milliseconds(1));
  actions.clear();
  EXPECT_EQ(use(2).use, NeighbourUse::kSend);  // is asked, and will be for three seconds
  pass(milliseconds(2900));
  EXPECT_EQ(claim({false, true, true}), Learnt::kDoubted);
  for (int i = 0; i < 3; ++i) {  // it must not fail meanwhile
    pass(milliseconds(100));
    pass_quick(milliseconds(1));
    EXPECT_EQ(use(3).use, NeighbourUse::kSend);
  }
  EXPECT_EQ(actions.failed, 0u);
  EXPECT_EQ(current(), rival);
}

// A gateway's address moves while somebody forges claims of it, or right after: 400 ms at most.
TEST_F(Claims, FailoverCostsFourHundredMillisecondsAtMost) {
  for (int after = 0; after < 250; after += 7) {
    table.clear(actions);
    known();
    EXPECT_EQ(table.learn(now, peer, mac(0x66), kGratuitous, actions), Learnt::kDoubted);
    pass_quick(milliseconds(1));
    answer();  // forged
    pass_quick(milliseconds(after));
    const TimePoint start = now;
    EXPECT_EQ(claim(), Learnt::kDoubted);
    while (!(current() == rival)) {
      pass_quick(milliseconds(1));
      ASSERT_LE(now - start, milliseconds(400)) << after;
    }
    EXPECT_EQ(use(9).mac, rival);
    EXPECT_GE(now - start, milliseconds(300)) << after;
  }
}

TEST_F(Claims, AFloodOfThemCostsOneQuestionEveryHundredMilliseconds) {
  uint32_t claims = 0;
  for (int i = 0; i < 2000; ++i) {  // two seconds, ten a millisecond; the old one answers at once
    for (int k = 0; k < 10; ++k, ++claims) {
      table.learn(now, peer, mac(static_cast<uint8_t>(0x80 + i % 64)), kGratuitous, actions);
      answer();
    }
    pass_quick(milliseconds(1));
  }
  EXPECT_EQ(actions.claims, claims);
  EXPECT_LE(actions.solicit.size(), 21u);
  EXPECT_GE(actions.solicit.size(), 19u);
  EXPECT_EQ(current(), kPeerMac);
  EXPECT_TRUE(actions.lessons.empty());
}

TEST_F(Claims, OfManyNeighboursAreIndependent) {
  for (int i = 0; i < 7; ++i) {
    const IpAddress other = IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(1 + i));
    table.use(now, other, handle(5), actions);
    table.learn(now, other, kPeerMac, {false, true, true}, actions);
  }
  actions.clear();
  for (int i = 0; i < 7; ++i) {
    pass_quick(milliseconds(13));
    const IpAddress other = IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(1 + i));
    EXPECT_EQ(table.learn(now, other, mac(static_cast<uint8_t>(i)), kGratuitous, actions),
              Learnt::kDoubted);
  }
  pass_quick(milliseconds(300));
  EXPECT_EQ(actions.solicit.size(), 21u);
  EXPECT_EQ(actions.replaced, 7u);
  EXPECT_EQ(current(), kPeerMac);  // of it nothing was claimed
  EXPECT_TRUE(table.next_challenge().is_never());
}

TEST_F(Claims, ThoseOfOthersWorkersFramesWaitForTheVerdict) {
  EXPECT_EQ(claim({false, false, true, NewsSource::kTold}), Learnt::kKnown);
  EXPECT_EQ(claim({false, true, true, NewsSource::kTold}), Learnt::kKnown);
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(current(), kPeerMac);
  EXPECT_EQ(claim({false, false, true, NewsSource::kVerdict}), Learnt::kKnown);
  EXPECT_EQ(current(), rival);
  EXPECT_TRUE(actions.empty());
  EXPECT_EQ(
      table.learn(now, ip("192.0.2.9"), rival, {false, false, true, NewsSource::kVerdict}, actions),
      Learnt::kUnknown);
}

TEST_F(Claims, EndWithWhomTheyConcern) {
  EXPECT_EQ(claim(), Learnt::kDoubted);
  table.clear(actions);
  actions.clear();
  pass_quick(seconds(1));
  EXPECT_TRUE(actions.empty());
  known();  // as likely as not in the same place
  EXPECT_EQ(current(), kPeerMac);
  EXPECT_EQ(claim(), Learnt::kDoubted);
  pass_quick(milliseconds(300));
  EXPECT_EQ(current(), rival);
}

}  // namespace
}  // namespace trunkline::net
