// SPDX-License-Identifier: BSD-3-Clause
// Rings between workers, bells, and who polls which queue. The races run with real threads, also
// under ThreadSanitizer.
#include "worker/hand_over.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "net_helpers.h"
#include "worker/neighbour_news.h"
#include "worker/queue_share.h"

namespace trunkline::worker {
namespace {

bool is_readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return poll(&one, 1, 0) == 1;
}

TEST(HandOverRing, NothingIsSeenBeforeItIsPublished) {
  HandOverRing<int> ring(4);
  EXPECT_FALSE(ring.publish());
  EXPECT_TRUE(ring.put(7));
  EXPECT_EQ(ring.look(), 0u);
  EXPECT_TRUE(ring.empty());
  EXPECT_TRUE(ring.publish());
  EXPECT_FALSE(ring.publish());
  EXPECT_EQ(ring.look(), 1u);
  EXPECT_FALSE(ring.empty());
  EXPECT_EQ(ring.take(), 7);
  EXPECT_TRUE(ring.empty());
}

TEST(HandOverRing, FullRefusesAndLosesNothing) {
  HandOverRing<int> ring(4);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.put(round * 10 + i));
    EXPECT_FALSE(ring.put(99));
    EXPECT_EQ(ring.waiting(), 4u);
    ring.publish();
    EXPECT_FALSE(ring.put(99));
    ASSERT_EQ(ring.look(), 4u);
    EXPECT_EQ(ring.take(), round * 10);
    EXPECT_TRUE(ring.put(round * 10 + 4));  // one place is free again
    EXPECT_FALSE(ring.put(99));
    ring.publish();
    for (int i = 1; i <= 4; ++i) EXPECT_EQ(ring.take(), round * 10 + i);
    EXPECT_EQ(ring.waiting(), 0u);
  }
}

TEST(HandOverRing, TwoThreadsEveryItemOnceAndInOrder) {
  struct Item {
    uint64_t number;
    std::array<uint64_t, 9> body;  // as large as a hand-over: torn copies would show
  };
  HandOverRing<Item> ring(64);
  constexpr uint64_t kItems = 100'000;
  std::thread producer([&] {
    for (uint64_t i = 0; i < kItems;) {
      Item item{i, {}};
      item.body.fill(i * 3);
      if (ring.put(item)) ++i;
      if (i % 7 == 0 || ring.waiting() == ring.size()) {
        ring.publish();
        if (ring.waiting() == ring.size()) std::this_thread::yield();
      }
    }
    ring.publish();
  });
  uint64_t next = 0;
  while (next < kItems) {
    const size_t count = ring.look();
    if (count == 0) std::this_thread::yield();
    for (size_t i = 0; i < count; ++i) {
      const Item item = ring.take();
      ASSERT_EQ(item.number, next);
      for (const uint64_t word : item.body) ASSERT_EQ(word, next * 3);
      ++next;
    }
  }
  producer.join();
  EXPECT_TRUE(ring.empty());
}

TEST(Bell, OnlyASleeperIsRungAndOnlyOnce) {
  Bell bell;
  EXPECT_FALSE(bell.ring());  // spins: no system call
  EXPECT_FALSE(is_readable(bell.fd()));
  bell.arm();
  EXPECT_TRUE(bell.ring());
  EXPECT_FALSE(bell.ring());
  EXPECT_TRUE(is_readable(bell.fd()));
  bell.acknowledge();
  bell.disarm();
  EXPECT_FALSE(is_readable(bell.fd()));
  EXPECT_FALSE(bell.ring());
}

// Three givers and one who sleeps without a limit whenever there is nothing: a lost wake-up would
// hang it for ever.
TEST(Bell, NoWakeUpIsLost) {
  constexpr uint16_t kGivers = 3;
  constexpr uint64_t kEach = 3000;
  HandOvers hand_overs(kGivers + 1);
  std::vector<std::thread> givers;
  for (uint16_t giver = 0; giver < kGivers; ++giver) {
    givers.emplace_back([&hand_overs, giver] {
      HandOvers::Ring& ring = hand_overs.ring(giver, kGivers);
      HandOver message;
      for (uint64_t i = 0; i < kEach;) {
        message.offset = static_cast<uint16_t>(i);
        if (ring.put(message)) ++i;
        ring.publish();
        hand_overs.bell(kGivers).ring();
        if (i % 16 == 0) std::this_thread::yield();
      }
    });
  }
  std::array<uint64_t, kGivers> got{};
  uint64_t total = 0;
  Bell& bell = hand_overs.bell(kGivers);
  while (total < kGivers * kEach) {
    for (uint16_t giver = 0; giver < kGivers; ++giver) {
      HandOvers::Ring& ring = hand_overs.ring(giver, kGivers);
      for (size_t left = ring.look(); left > 0; --left) {
        ASSERT_EQ(ring.take().offset, static_cast<uint16_t>(got[giver]++));
        ++total;
      }
    }
    bell.arm();
    if (total < kGivers * kEach && hand_overs.nothing_for(kGivers)) {
      pollfd one{bell.fd(), POLLIN, 0};
      poll(&one, 1, -1);
      bell.acknowledge();
    }
    bell.disarm();
  }
  for (std::thread& giver : givers) giver.join();
}

TEST(HandOvers, EachPairHasARingOfItsOwn) {
  HandOvers hand_overs(3);
  std::set<const void*> rings;
  for (uint16_t from = 0; from < 3; ++from) {
    for (uint16_t to = 0; to < 3; ++to) rings.insert(&hand_overs.ring(from, to));
  }
  EXPECT_EQ(rings.size(), 9u);
  static_cast<void>(hand_overs.ring(2, 0).put({}));
  hand_overs.ring(2, 0).publish();
  EXPECT_FALSE(hand_overs.nothing_for(0));
  EXPECT_TRUE(hand_overs.nothing_for(1));
  EXPECT_TRUE(hand_overs.nothing_for(2));
}

// For every number of workers and queues: each queue is polled by exactly one worker, whoever has
// none sends through one that has, and one worker speaks for the port.
TEST(QueueShare, EachQueueHasOneWorker) {
  for (uint16_t workers = 1; workers <= 5; ++workers) {
    for (uint16_t queues = 1; queues <= 7; ++queues) {
      for (uint16_t port = 0; port < 6; ++port) {
        std::vector<int> polled(queues);
        int speakers = 0;
        for (uint16_t worker = 0; worker < workers; ++worker) {
          const QueueShare share(port, queues, worker, workers);
          for (uint16_t q = share.first(); q < share.queues();
               q = static_cast<uint16_t>(q + share.step())) {
            ++polled[q];
            EXPECT_EQ(worker, (port + q) % workers);
          }
          if (share.has_queue()) {
            EXPECT_EQ(share.sender(), worker);
          }
          EXPECT_TRUE(QueueShare(port, queues, share.sender(), workers).has_queue());
          if (share.speaks()) {
            ++speakers;
            EXPECT_TRUE(share.has_queue());
          }
        }
        EXPECT_EQ(polled, std::vector<int>(queues, 1));
        EXPECT_EQ(speakers, 1);
      }
    }
  }
}

TEST(QueueShare, PathsOnTwoPortsArriveAtDifferentWorkers) {
  EXPECT_TRUE(QueueShare(0, 1, 0, 2).has_queue());
  EXPECT_FALSE(QueueShare(0, 1, 1, 2).has_queue());
  EXPECT_FALSE(QueueShare(1, 1, 0, 2).has_queue());
  EXPECT_TRUE(QueueShare(1, 1, 1, 2).has_queue());
}

// Workers with a table each of one port's neighbours, and what they tell each other.
class NeighbourNewsTest : public testing::Test {
 protected:
  static constexpr uint16_t kWorkers = 4;
  struct One {
    net::NeighbourTable table{{.max_entries = 8}};
    net::NeighbourActions actions;
    size_t asked = 0;
  };

  void knows(uint16_t who, const net::MacAddress& mac) {
    workers[who].table.use(now, peer, nullptr, workers[who].actions);
    workers[who].table.learn(now, peer, mac, {false, true, true}, workers[who].actions);
    workers[who].actions.clear();
  }
  // A frame comes in at `at`, which learns as its responder does.
  void frame(uint16_t at, const net::MacAddress& mac, const net::NeighbourNews& news) {
    One& one = workers[at];
    const auto learnt = one.table.learn(now, peer, mac, news, one.actions);
    if (learnt != net::NeighbourTable::Learnt::kDoubted) {
      one.actions.lessons.push_back({peer, mac, news});
    }
    settle();
  }
  void settle() {
    for (bool more = true; more;) {
      more = false;
      for (uint16_t at = 0; at < kWorkers; ++at) {
        One& one = workers[at];
        one.asked += one.actions.solicit.size();
        const auto lessons = std::exchange(one.actions.lessons, {});
        one.actions.clear();
        more = more || !lessons.empty();
        for (const auto& lesson : lessons) tell_news(at, kWorkers, 0, lesson, put);
        for (const HandOver& message : std::exchange(mail[at], {})) {
          more = true;
          const auto mac = message.has_mac ? std::optional(message.mac) : std::nullopt;
          const auto learnt = one.table.learn(now, message.source, mac, message.news, one.actions);
          pass_news_on(at, kWorkers, message, learnt, put);
        }
        more = more || !one.actions.empty();
      }
    }
  }
  void pass(Duration time) {
    for (Duration done{}; done < time; done += std::chrono::milliseconds(5)) {
      now = now + std::chrono::milliseconds(5);
      for (One& one : workers) one.table.advance_challenges(now, one.actions);
      settle();
    }
  }
  size_t asked() {
    size_t total = 0;
    for (One& one : workers) total += std::exchange(one.asked, 0);
    return total;
  }
  net::MacAddress mac_at(uint16_t who) { return workers[who].table.entries().at(0).mac; }

  TimePoint now = TimePoint::from_ns(1'000'000'000);
  const IpAddress peer = net::ip("192.0.2.77");
  const net::MacAddress old_mac = net::kPeerMac;
  const net::MacAddress new_mac = net::mac(0x99);
  std::array<One, kWorkers> workers;
  std::array<std::vector<HandOver>, kWorkers> mail;
  std::function<void(uint16_t, const HandOver&)> put = [this](uint16_t to, const HandOver& news) {
    mail[to].push_back(news);
    ++told;
  };
  size_t told = 0;
};

TEST_F(NeighbourNewsTest, OneWorkerAsksForAllAndAllHearTheVerdict) {
  for (uint16_t knowing = 1; knowing < 1u << kWorkers; ++knowing) {
    for (uint16_t at = 0; at < kWorkers; ++at) {
      for (const bool answers : {true, false}) {
        for (One& one : workers) one.table.clear(one.actions);
        settle();
        static_cast<void>(asked());
        for (uint16_t who = 0; who < kWorkers; ++who) {
          if ((knowing >> who & 1) != 0) knows(who, old_mac);
        }
        frame(at, new_mac, {false, false, true});
        EXPECT_EQ(asked(), 1u) << knowing << " at " << at;
        pass(std::chrono::milliseconds(150));
        if (answers)
          frame(static_cast<uint16_t>((at + 1) % kWorkers), old_mac, {false, true, true});
        pass(std::chrono::milliseconds(400));
        EXPECT_EQ(asked(), answers ? 1u : 2u);  // of three in all
        for (uint16_t who = 0; who < kWorkers; ++who) {
          if ((knowing >> who & 1) == 0) continue;
          EXPECT_EQ(mac_at(who), answers ? old_mac : new_mac) << knowing << " " << at << " " << who;
        }
        pass(std::chrono::seconds(1));
      }
    }
  }
}

TEST_F(NeighbourNewsTest, NewsThatNobodyDoubtsGoRoundOnceAndEnd) {
  told = 0;
  frame(2, new_mac, {false, false, true});  // nobody knows it
  EXPECT_EQ(told, kWorkers - 1u + kWorkers - 2u);
  for (uint16_t who = 0; who < kWorkers; ++who) knows(who, old_mac);
  told = 0;
  frame(2, old_mac, {false, true, true});
  EXPECT_EQ(told, kWorkers - 1u + kWorkers - 2u);
  EXPECT_EQ(asked(), 0u);
}

}  // namespace
}  // namespace trunkline::worker
