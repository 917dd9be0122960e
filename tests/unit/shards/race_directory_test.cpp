// SPDX-License-Identifier: BSD-3-Clause
// Threads that race for the directory, each as a shard would use it. What must hold at every moment
// is checked by the threads themselves; ThreadSanitizer watches them in the threads-tsan suite.
// Each thread does a fixed amount of work.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <latch>
#include <thread>
#include <vector>

#include "shards/directory.h"

namespace trunkline {
namespace {

constexpr uint16_t kThreads = 4;
constexpr uint32_t kPeers = 6;      // few, so that threads meet
constexpr uint32_t kAddresses = 4;  // of each peer: which of them an association has changes
constexpr int kOperations = 6000;

using Outcome = Directory::Claim::Outcome;

DirectoryKey key(uint32_t peer, uint32_t address, uint8_t local) {
  return {IpAddress::ipv4(192, 0, 2, local),
          IpAddress::ipv4(10, 0, static_cast<uint8_t>(peer), static_cast<uint8_t>(address)),
          PortNumber(2905), PortNumber(2905)};
}

// What the threads know beside the directory.
struct Model {
  // By peer and address: the thread that has claimed it, or none. Set after the claim, cleared
  // before the withdrawal: whoever finds it set has been given what another has.
  std::array<std::array<std::atomic<uint16_t>, kAddresses>, kPeers> holders{};
  std::atomic<uint32_t> two_owners = 0;
  std::atomic<uint32_t> half_seen = 0;      // one entry of a batch without the other
  std::atomic<uint32_t> wrong_found = 0;    // an association that never had the address
  std::atomic<uint32_t> own_not_found = 0;  // by the thread that has claimed it
  std::atomic<uint32_t> taken = 0;
};

// An association of one thread: its addresses, and what it holds in the directory.
struct Held {
  AssocId id;
  Directory::Batch batch = 0;
  uint32_t addresses = 0;  // a set of bits
};

class Racer {
 public:
  Racer(uint16_t index, Directory& directory, Model& model)
      : index_(index),
        directory_(directory),
        model_(model),
        reader_(directory.join()),
        random_(100 + index) {}

  void run() {
    for (int i = 0; i < kOperations; ++i) {
      const auto peer = static_cast<uint32_t>(random_.below(kPeers));
      Held& held = held_[peer];
      switch (random_.below(8)) {
        case 0:
        case 1:
          held.batch == 0 ? begin(peer, held) : end(peer, held);
          break;
        case 2:
          if (held.batch != 0) change(peer, held);
          break;
        case 3:
          directory_.quiescent(reader_);
          break;
        default:
          look(peer);
          break;
      }
    }
    for (uint32_t peer = 0; peer < kPeers; ++peer) {
      if (held_[peer].batch != 0) end(peer, held_[peer]);
    }
    directory_.leave(reader_);
  }

 private:
  uint32_t some_addresses() { return 1 + static_cast<uint32_t>(random_.below(15)); }

  Outcome claim(uint32_t peer, Held& held, uint32_t addresses) {
    std::vector<DirectoryKey> keys;
    for (uint32_t n = 0; n < kAddresses; ++n) {
      if ((addresses >> n & 1) == 0) continue;
      keys.push_back(key(peer, n, 1));
      keys.push_back(key(peer, n, 2));
    }
    const Directory::Claim claim = directory_.claim(reader_, keys, held.id, held.batch);
    if (claim.outcome == Outcome::kTaken) {
      ++model_.taken;
      if (claim.by.shard == index_ || claim.by.slot != peer) ++model_.wrong_found;
    }
    if (claim.outcome == Outcome::kDone) held.batch = claim.batch;
    return claim.outcome;
  }
  void note(uint32_t peer, uint32_t addresses, bool comes) {
    for (uint32_t n = 0; n < kAddresses; ++n) {
      if ((addresses >> n & 1) == 0) continue;
      const auto me = static_cast<uint16_t>(index_ + 1);
      const uint16_t was = model_.holders[peer][n].exchange(comes ? me : 0);
      if (was != (comes ? 0 : me)) ++model_.two_owners;
    }
  }
  void check_own(uint32_t peer, const Held& held) {
    for (uint32_t n = 0; n < kAddresses; ++n) {
      if ((held.addresses >> n & 1) == 0) continue;
      if (directory_.find(key(peer, n, 2)) != held.id) ++model_.own_not_found;
    }
  }

  void begin(uint32_t peer, Held& held) {
    held.id = {++generation_, peer, index_};
    const uint32_t addresses = some_addresses();
    if (claim(peer, held, addresses) != Outcome::kDone) return;
    held.addresses = addresses;
    note(peer, addresses, true);
    check_own(peer, held);
  }
  void change(uint32_t peer, Held& held) {
    const uint32_t addresses = some_addresses();
    const uint32_t dropped = held.addresses & ~addresses;
    note(peer, dropped, false);
    if (claim(peer, held, addresses) != Outcome::kDone) {
      note(peer, dropped, true);
      return check_own(peer, held);
    }
    note(peer, addresses & ~held.addresses, true);
    held.addresses = addresses;
    check_own(peer, held);
  }
  void end(uint32_t peer, Held& held) {
    note(peer, held.addresses, false);
    directory_.withdraw(reader_, held.batch);
    held.batch = 0;
    for (uint32_t n = 0; n < kAddresses; ++n) {
      if (directory_.find(key(peer, n, 1)) == held.id) ++model_.wrong_found;
    }
  }

  // Generations are never used again: who is found before and after was there in between, with both
  // entries that each of its batches has for an address.
  void look(uint32_t peer) {
    const auto n = static_cast<uint32_t>(random_.below(kAddresses));
    const auto before = directory_.find(key(peer, n, 1));
    const auto other = directory_.find(key(peer, n, 2));
    const auto after = directory_.find(key(peer, n, 1));
    if (before && after == before && other != before) ++model_.half_seen;
    for (const auto& found : {before, other, after}) {
      if (found && (found->slot != peer || found->shard >= kThreads)) ++model_.wrong_found;
    }
  }

  uint16_t index_;
  Directory& directory_;
  Model& model_;
  Directory::Reader& reader_;
  SeededRandom random_;
  uint32_t generation_ = 0;
  std::array<Held, kPeers> held_;
};

TEST(DirectoryRace, AllEntriesOfAnAssociationOrNoneAndNoAddressTwice) {
  SeededRandom random(1);
  Directory directory(random, 256);
  Model model;
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (uint16_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      Racer racer(i, directory, model);
      start.arrive_and_wait();
      racer.run();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(model.two_owners, 0u);
  EXPECT_EQ(model.half_seen, 0u);
  EXPECT_EQ(model.wrong_found, 0u);
  EXPECT_EQ(model.own_not_found, 0u);
  EXPECT_EQ(directory.size(), 0u);
}

// One thread makes and ends an association of many entries; others look at its first and last.
TEST(DirectoryRace, AReaderNeverSeesHalfOfAnAssociation) {
  SeededRandom random(2);
  Directory directory(random, 256);
  constexpr int kRounds = 20000;
  constexpr uint32_t kMany = 30;
  std::latch start(3);
  std::atomic<uint32_t> half = 0;
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    Directory::Reader& self = directory.join();
    std::vector<DirectoryKey> keys;
    for (uint32_t n = 0; n < kMany; ++n) keys.push_back(key(n, 0, 1));
    start.arrive_and_wait();
    for (uint32_t i = 1; i <= kRounds; ++i) {
      directory.withdraw(self, directory.claim(self, keys, {i, 0, 0}).batch);
    }
    over = true;
    directory.leave(self);
  });
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      Directory::Reader& self = directory.join();
      start.arrive_and_wait();
      for (int i = 0; i < 1000 * kRounds && !over; ++i) {
        const auto first = directory.find(key(0, 0, 1));
        const auto last = directory.find(key(kMany - 1, 0, 1));
        if (first && last != first && directory.find(key(0, 0, 1)) == first) ++half;
        directory.quiescent(self);
      }
      directory.leave(self);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(half, 0u);
  EXPECT_EQ(directory.size(), 0u);
}

// One thread changes all addresses but one of an association, again and again; others look for
// that one.
TEST(DirectoryRace, AnAddressThatStaysIsFoundThroughoutAChange) {
  SeededRandom random(3);
  Directory directory(random, 64);  // and chains are long
  constexpr int kRounds = 20000;
  constexpr uint32_t kMany = 20;
  std::latch start(3);
  std::atomic<uint32_t> lost = 0;
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  Directory::Reader& writer = directory.join();
  const DirectoryKey stays = key(0, 0, 1);
  const AssocId who{1, 0, 0};
  Directory::Batch batch = directory.claim(writer, {&stays, 1}, who).batch;
  threads.emplace_back([&] {
    start.arrive_and_wait();
    for (int i = 1; i <= kRounds; ++i) {
      std::vector<DirectoryKey> keys;
      for (uint32_t n = 1; n < kMany; ++n) keys.push_back(key(n, i % 2, 1));
      keys.insert(keys.begin() + i % 7, stays);
      const Directory::Claim claim = directory.claim(writer, keys, who, batch);
      if (claim.outcome == Outcome::kDone) batch = claim.batch;  // else a reader lost its core
    }
    over = true;
  });
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&] {
      Directory::Reader& self = directory.join();
      start.arrive_and_wait();
      for (int i = 0; i < 1000 * kRounds && !over; ++i) {
        if (directory.find(stays) != who) ++lost;
        if (i % 16 == 0) directory.quiescent(self);
      }
      directory.leave(self);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lost, 0u);
  EXPECT_EQ(directory.find(stays), who);
  directory.withdraw(writer, batch);
  directory.leave(writer);
}

}  // namespace
}  // namespace trunkline
