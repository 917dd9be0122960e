// SPDX-License-Identifier: BSD-3-Clause
// The directory and the tag table against containers of the standard library: all addresses or
// none, fullness, when an entry is used again, doubles; and the owner of a tag. Threads that race
// for it are race_test.cpp's.
#include "shards/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/steps.h"
#include "shards/tag_table.h"

namespace trunkline {
namespace {

using Outcome = Directory::Claim::Outcome;

IpAddress address(uint32_t n) {
  return IpAddress::ipv4(10, static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8),
                         static_cast<uint8_t>(n));
}

// Of the local address 10.255.0.`local` and port 2905.
DirectoryKey key(uint32_t peer, uint16_t peer_port = 2905, uint8_t local = 1) {
  return {IpAddress::ipv4(10, 255, 0, local), address(peer), PortNumber(2905),
          PortNumber(peer_port)};
}

AssocId assoc(uint32_t slot, uint32_t generation = 1) {
  return {generation, slot, static_cast<uint16_t>(slot % 3)};
}

// A directory and the shards that use it.
struct Shared {
  explicit Shared(uint32_t max_entries, uint64_t seed = 1, size_t shards = 1)
      : random(seed), directory(random, max_entries) {
    for (size_t i = 0; i < shards; ++i) readers.push_back(&directory.join());
  }
  Directory::Claim claim(const std::vector<DirectoryKey>& keys, AssocId who,
                         Directory::Batch old = 0) {
    return directory.claim(*readers[0], keys, who, old);
  }
  void withdraw(Directory::Batch batch) { directory.withdraw(*readers[0], batch); }

  SeededRandom random;
  Directory directory;
  std::vector<Directory::Reader*> readers;
};

TEST(Directory, FindsWhatWasClaimedUnderEachKey) {
  Shared shared(100);
  const std::vector<DirectoryKey> keys = {key(1), key(2), key(1, 2905, 2), key(2, 2905, 2)};
  ASSERT_EQ(shared.claim(keys, assoc(3)).outcome, Outcome::kDone);
  EXPECT_EQ(shared.directory.size(), 4u);
  for (const DirectoryKey& each : keys) EXPECT_EQ(shared.directory.find(each), assoc(3));
  EXPECT_FALSE(shared.directory.find(key(3)).has_value());
  EXPECT_FALSE(shared.directory.find(key(1, 2906)).has_value());
  EXPECT_FALSE(shared.directory.find(key(1, 2905, 3)).has_value());
  DirectoryKey other_port = key(1);
  other_port.local_port = PortNumber(2906);
  EXPECT_FALSE(shared.directory.find(other_port).has_value());
}

TEST(Directory, TheTwoSidesAreToldApart) {
  Shared shared(100);
  const DirectoryKey there{address(1), address(2), PortNumber(3), PortNumber(4)};
  ASSERT_EQ(shared.claim({there}, assoc(1)).outcome, Outcome::kDone);
  EXPECT_FALSE(
      shared.directory.find({address(2), address(1), PortNumber(4), PortNumber(3)}).has_value());
  EXPECT_FALSE(
      shared.directory.find({address(2), address(1), PortNumber(3), PortNumber(4)}).has_value());
}

TEST(Directory, AnIpv6AddressIsNotTheIpv4AddressOfTheSameBytes) {
  Shared shared(100);
  const std::array<uint8_t, 16> bytes{10, 0, 0, 1};
  DirectoryKey six = key(1);
  six.peer = IpAddress::from_ipv6(bytes);
  ASSERT_EQ(shared.claim({key(1)}, assoc(1)).outcome, Outcome::kDone);
  EXPECT_FALSE(shared.directory.find(six).has_value());
}

TEST(Directory, AllKeysOrNoneAndWhoHasTheOtherOneIsTold) {
  Shared shared(100);
  ASSERT_EQ(shared.claim({key(5)}, assoc(1)).outcome, Outcome::kDone);
  const std::vector<DirectoryKey> keys = {key(3), key(4), key(5)};
  const Directory::Claim refused = shared.claim(keys, assoc(2));
  EXPECT_EQ(refused.outcome, Outcome::kTaken);
  EXPECT_EQ(refused.by, assoc(1));
  EXPECT_EQ(shared.directory.size(), 1u);
  EXPECT_FALSE(shared.directory.find(key(3)).has_value());
  EXPECT_FALSE(shared.directory.find(key(4)).has_value());
  EXPECT_EQ(shared.directory.find(key(5)), assoc(1));
  EXPECT_EQ(shared.claim({key(3), key(5, 2906)}, assoc(2)).outcome, Outcome::kDone)
      << "another port is another peer";
}

TEST(Directory, AnotherLifeOfTheSameSlotIsAnother) {
  Shared shared(100);
  ASSERT_EQ(shared.claim({key(5)}, assoc(1, 1)).outcome, Outcome::kDone);
  EXPECT_EQ(shared.claim({key(5)}, assoc(1, 3)).outcome, Outcome::kTaken);
}

TEST(Directory, NewAddressesTakeThePlaceOfTheOld) {
  Shared shared(100);
  const Directory::Claim first = shared.claim({key(1), key(2)}, assoc(1));
  const Directory::Claim second = shared.claim({key(2), key(3), key(4)}, assoc(1), first.batch);
  ASSERT_EQ(second.outcome, Outcome::kDone);
  EXPECT_FALSE(shared.directory.find(key(1)).has_value());
  for (const uint32_t n : {2u, 3u, 4u}) EXPECT_EQ(shared.directory.find(key(n)), assoc(1));
  EXPECT_EQ(shared.directory.size(), 3u);
  EXPECT_EQ(shared.claim({key(1)}, assoc(2)).outcome, Outcome::kDone) << "free again";
  const Directory::Claim refused = shared.claim({key(1), key(5)}, assoc(1), second.batch);
  EXPECT_EQ(refused.outcome, Outcome::kTaken);
  for (const uint32_t n : {2u, 3u, 4u}) EXPECT_EQ(shared.directory.find(key(n)), assoc(1));
  EXPECT_FALSE(shared.directory.find(key(5)).has_value());
  shared.withdraw(second.batch);
  EXPECT_EQ(shared.directory.size(), 1u);
  EXPECT_FALSE(shared.directory.find(key(3)).has_value());
}

TEST(Directory, FullIsARefusalThatChangesNothing) {
  Shared shared(10);
  std::vector<Directory::Batch> batches;
  for (uint32_t n = 0; n < 9; ++n) {
    const Directory::Claim claim = shared.claim({key(n)}, assoc(n));
    ASSERT_EQ(claim.outcome, Outcome::kDone);
    batches.push_back(claim.batch);
  }
  EXPECT_EQ(shared.claim({key(100), key(101)}, assoc(50)).outcome, Outcome::kFull);
  EXPECT_EQ(shared.directory.size(), 9u);
  EXPECT_FALSE(shared.directory.find(key(100)).has_value());
  EXPECT_EQ(shared.claim({key(100)}, assoc(50)).outcome, Outcome::kDone);
  EXPECT_EQ(shared.claim({key(101)}, assoc(51)).outcome, Outcome::kFull);
  EXPECT_EQ(shared.claim({key(4), key(101)}, assoc(51)).outcome, Outcome::kTaken)
      << "said rather than full";
  EXPECT_EQ(shared.claim({key(102)}, assoc(4), batches[4]).outcome, Outcome::kDone)
      << "an exchange needs no room";
  EXPECT_EQ(shared.claim({}, assoc(51)).outcome, Outcome::kFull) << "nothing could be found";
  shared.withdraw(batches[5]);
  EXPECT_EQ(shared.claim({key(101)}, assoc(51)).outcome, Outcome::kDone);
}

// Held up by a shard that does not run, entries wait; nothing but room is lost, and all of it comes
// back when that shard runs or leaves.
TEST(Directory, AShardThatDoesNotRunHoldsUpMemoryOnly) {
  for (const bool leaves : {false, true}) {
    Shared shared(100, 1, 2);
    Directory::Reader& sleeper = *shared.readers[1];
    size_t done = 0;
    while (done < 10000) {
      const Directory::Claim claim = shared.claim({key(1), key(2)}, assoc(1));
      if (claim.outcome != Outcome::kDone) break;
      shared.withdraw(claim.batch);
      ++done;
    }
    EXPECT_GT(done, 100u);
    EXPECT_LT(done, 1000u) << "its memory is bounded";
    EXPECT_EQ(shared.directory.waiting(), 2 * done);
    EXPECT_FALSE(shared.directory.find(key(1)).has_value());
    EXPECT_EQ(shared.claim({key(1), key(2)}, assoc(1)).outcome, Outcome::kFull);
    leaves ? shared.directory.leave(sleeper) : shared.directory.quiescent(sleeper);
    for (int i = 0; i < 10000; ++i) {
      const Directory::Claim claim = shared.claim({key(1), key(2)}, assoc(1));
      ASSERT_EQ(claim.outcome, Outcome::kDone) << i;
      shared.withdraw(claim.batch);
      shared.directory.quiescent(sleeper);
    }
  }
}

TEST(Directory, AnEntryIsUsedAgainOnlyAfterEveryShardWasQuietOnce) {
  Shared shared(16, 1, 3);
  const Directory::Batch batch = shared.claim({key(1)}, assoc(1)).batch;
  shared.withdraw(batch);
  // Rounds begin only when there is enough to collect.
  const auto churn = [&] {
    bool again = false;
    for (uint32_t n = 0; n < 70; ++n) {
      const Directory::Claim claim = shared.claim({key(2)}, assoc(2));
      again = again || claim.batch == batch;
      shared.withdraw(claim.batch);
    }
    return again;
  };
  EXPECT_FALSE(churn());
  shared.directory.quiescent(*shared.readers[1]);
  EXPECT_FALSE(churn());
  shared.directory.quiescent(*shared.readers[2]);
  EXPECT_TRUE(churn());
}

TEST(Directory, RandomUseAgainstAMap) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    constexpr uint32_t kLimit = 60;
    constexpr uint32_t kKeys = 100;
    constexpr uint32_t kAssociations = 40;
    Shared shared(kLimit, seed);
    std::map<uint32_t, uint32_t> model;                 // key to association
    std::vector<Directory::Batch> held(kAssociations);  // what each has
    for (int step = 0; step < 3000; ++step) {
      const auto who = static_cast<uint32_t>(shared.random.below(kAssociations));
      std::set<uint32_t> wanted;
      if (shared.random.below(3) != 0) {
        for (uint64_t n = shared.random.below(4) + 1; n > 0; --n) {
          wanted.insert(static_cast<uint32_t>(shared.random.below(kKeys)));
        }
      }
      const auto forget = [&] { std::erase_if(model, [&](auto& e) { return e.second == who; }); };
      if (wanted.empty()) {
        shared.withdraw(std::exchange(held[who], 0));
        forget();
      } else {
        std::vector<DirectoryKey> keys;
        bool taken = false;
        for (const uint32_t n : wanted) {
          keys.push_back(key(n));
          const auto known = model.find(n);
          taken = taken || (known != model.end() && known->second != who);
        }
        size_t others = 0;
        for (const auto& [n, owner] : model) others += owner != who ? 1 : 0;
        const Outcome expected = taken                           ? Outcome::kTaken
                                 : others + keys.size() > kLimit ? Outcome::kFull
                                                                 : Outcome::kDone;
        const Directory::Claim claim = shared.claim(keys, assoc(who), held[who]);
        ASSERT_EQ(claim.outcome, expected) << step;
        if (expected == Outcome::kDone) {
          held[who] = claim.batch;
          forget();
          for (const uint32_t n : wanted) model[n] = who;
        }
      }
      ASSERT_EQ(shared.directory.size(), model.size());
      for (uint32_t n = 0; n < kKeys; ++n) {
        const auto known = model.find(n);
        const auto found = shared.directory.find(key(n));
        ASSERT_EQ(found.has_value(), known != model.end()) << step;
        ASSERT_TRUE(!found || *found == assoc(known->second));
      }
    }
  }
}

TEST(Directory, OwnersAreSpreadEvenlyAndStayInRange) {
  SeededRandom random(6);
  Directory directory(random, 10);
  for (uint16_t count = 1; count <= 64; ++count) {
    std::vector<int> hits(count);
    constexpr int kPerShard = 1000;
    for (int i = 0; i < kPerShard * count; ++i) {
      const uint16_t owner = directory.owner(VerificationTag(random.u32()), count);
      ASSERT_LT(owner, count);
      ++hits[owner];
    }
    // 1024 buckets over `count` shards differ by at most one bucket, and chance does the rest.
    for (const int n : hits) {
      EXPECT_GT(n, kPerShard * 7 / 10) << count;
      EXPECT_LT(n, kPerShard * 13 / 10) << count;
    }
  }
}

TEST(Directory, TheOwnerDependsOnTheKeyAndNotOnTheTagAlone) {
  SeededRandom random(7);
  Directory one(random, 10);
  Directory other(random, 10);
  int differ = 0;
  for (uint32_t tag = 1; tag <= 1000; ++tag) {
    EXPECT_EQ(one.owner(VerificationTag(tag), 1), 0);
    if (one.owner(VerificationTag(tag), 4) != other.owner(VerificationTag(tag), 4)) ++differ;
  }
  EXPECT_GT(differ, 600) << "three quarters are expected";
}

// ---------------------------------------------------------------- tags

TEST(TagTable, DoublesAreToldApartByTheCaller) {
  TagTable table(1, 8);
  const VerificationTag tag(5);
  for (uint32_t slot = 1; slot <= 3; ++slot) table.insert(tag, slot);
  for (uint32_t slot = 1; slot <= 3; ++slot) {
    EXPECT_EQ(table.find(tag, [&](uint32_t found) { return found == slot; }), slot);
  }
  EXPECT_EQ(table.find(tag, [](uint32_t) { return false; }), std::nullopt);
  table.erase(tag, 2);
  EXPECT_EQ(table.find(tag, [](uint32_t found) { return found == 2; }), std::nullopt);
  EXPECT_EQ(table.find(tag, [](uint32_t found) { return found == 3; }), 3u);
}

TEST(TagTable, TheFirstSlotIsASlotLikeAnyOther) {
  TagTable table(1, 8);
  const auto any = [](uint32_t) { return true; };
  EXPECT_EQ(table.find(VerificationTag(0), any), std::nullopt);
  table.insert(VerificationTag(9), 0);
  EXPECT_EQ(table.find(VerificationTag(9), any), 0u);
  table.erase(VerificationTag(9), 0);
  EXPECT_EQ(table.find(VerificationTag(9), any), std::nullopt);
}

TEST(TagTable, ErasingWhatIsNotThereChangesNothing) {
  TagTable table(1, 8);
  table.insert(VerificationTag(5), 1);
  table.erase(VerificationTag(5), 2);
  table.erase(VerificationTag(6), 1);
  EXPECT_EQ(table.find(VerificationTag(5), [](uint32_t) { return true; }), 1u);
}

TEST(TagTable, RandomUseAgainstAMultimapWithCrowdedHomes) {
  SeededRandom random(8);
  TagTable table(random.u64(), 64);
  // Few homes, some at the end of the table, so that runs are long and wrap.
  const TagTable::Place place = table.place_of(VerificationTag(0));
  std::vector<uint32_t> tags;
  for (uint32_t tag = 1; tags.size() < 36; ++tag) {
    const size_t home = table.place_of(VerificationTag(tag)).at;
    if (home >= place.size - 8 || home < 4) tags.push_back(tag);
  }
  std::multimap<uint32_t, uint32_t> model;
  const auto draw = [&] { return tags[random.below(tags.size())]; };
  for (int step = 0; step < 50000; ++step) {
    const uint32_t tag = draw();
    if (random.below(2) == 0 && model.size() < 64) {
      const auto who = static_cast<uint32_t>(random.below(128));
      bool known = false;
      for (const auto& [t, w] : model) known = known || w == who;
      if (known) continue;
      table.insert(VerificationTag(tag), who);
      model.emplace(tag, who);
    } else if (!model.empty()) {
      auto it = std::next(model.begin(), static_cast<ptrdiff_t>(random.below(model.size())));
      table.erase(VerificationTag(it->first), it->second);
      model.erase(it);
    }
    const uint32_t asked = draw();
    std::set<uint32_t> seen;
    static_cast<void>(table.find(VerificationTag(asked), [&](uint32_t found) {
      EXPECT_TRUE(seen.insert(found).second);
      return false;
    }));
    std::set<uint32_t> expected;
    for (auto [it, end] = model.equal_range(asked); it != end; ++it) {
      expected.insert(it->second);
    }
    ASSERT_EQ(seen, expected) << step;
  }
}

// Who echoes of many cookies only those whose tags lie close together crowds nobody's look-ups: of
// 1,000 associations in a table for 4,096, all in an eighth of the tags or in a row. (Without
// -Dsteps=true nothing is counted, and nothing found.)
TEST(TagTable, TagsThatSomebodyChoseAreFoundAsSoonAsOthers) {
  SeededRandom random(5);
  const auto chosen = [&](uint32_t i, int how) {
    if (how == 0) return random.u32() & ~(0xe00u | 0x1000u);  // the lower part of any table
    if (how == 1) return 0xabcd0000u + i;                     // neighbours
    return i << 20 | 0x12345;                                 // the upper bits alone
  };
  for (const int how : {0, 1, 2}) {
    TagTable table(random.u64(), 4096);
    for (uint32_t i = 0; i < 1000; ++i) table.insert(VerificationTag(chosen(i, how)), i);
    const uint64_t before = steps_taken;
    uint64_t longest = 0;
    for (uint32_t i = 0; i < 1000; ++i) {
      const uint64_t since = steps_taken;
      static_cast<void>(
          table.find(VerificationTag(chosen(i + 5000, how)), [](uint32_t) { return false; }));
      longest = std::max<uint64_t>(longest, steps_taken - since);
    }
    EXPECT_LE(steps_taken - before, 1000u) << how;  // an eighth full: hardly one each
    EXPECT_LE(longest, 16u) << how;
  }
}

}  // namespace
}  // namespace trunkline
