// SPDX-License-Identifier: BSD-3-Clause
// The directory and the tag table against containers of the standard library: all addresses or
// none, removal that leaves no hole, fullness, doubles; and the owner of a tag.
#include "shards/directory.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <vector>

#include "shards/tag_table.h"

namespace trunkline {
namespace {

IpAddress address(uint32_t n) {
  return IpAddress::ipv4(10, static_cast<uint8_t>(n >> 16), static_cast<uint8_t>(n >> 8),
                         static_cast<uint8_t>(n));
}

DirectoryKey key(uint32_t endpoint, uint16_t port, uint32_t n) {
  return {EndpointId(endpoint), PortNumber(port), address(n)};
}

AssocId assoc(uint32_t slot) {
  return {1, slot, 0};
}

TEST(Directory, FindsWhatWasInsertedUnderEachAddress) {
  SeededRandom random(1);
  Directory directory(random, 100);
  const IpAddress peers[] = {address(1), address(2), *IpAddress::parse("2001:db8::1")};
  ASSERT_TRUE(directory.insert_all(EndpointId(7), PortNumber(2905), peers, assoc(3)));
  EXPECT_EQ(directory.size(), 3u);
  for (const IpAddress& peer : peers) {
    EXPECT_EQ(directory.find({EndpointId(7), PortNumber(2905), peer}), assoc(3));
    EXPECT_FALSE(directory.find({EndpointId(8), PortNumber(2905), peer}).has_value());
    EXPECT_FALSE(directory.find({EndpointId(7), PortNumber(2906), peer}).has_value());
  }
  EXPECT_FALSE(directory.find(key(7, 2905, 3)).has_value());
}

TEST(Directory, AnIpv6AddressIsNotTheIpv4AddressOfTheSameBytes) {
  SeededRandom random(1);
  Directory directory(random, 100);
  std::array<uint8_t, 16> bytes{192, 0, 2, 1};
  const IpAddress six = IpAddress::from_ipv6(bytes);
  const IpAddress four[] = {IpAddress::ipv4(192, 0, 2, 1)};
  ASSERT_TRUE(directory.insert_all(EndpointId(1), PortNumber(1), four, assoc(1)));
  EXPECT_FALSE(directory.find({EndpointId(1), PortNumber(1), six}).has_value());
}

TEST(Directory, AllAddressesOrNone) {
  SeededRandom random(2);
  Directory directory(random, 100);
  const IpAddress first[] = {address(5)};
  ASSERT_TRUE(directory.insert_all(EndpointId(0), PortNumber(1), first, assoc(1)));
  const IpAddress second[] = {address(3), address(4), address(5)};
  EXPECT_FALSE(directory.insert_all(EndpointId(0), PortNumber(1), second, assoc(2)));
  EXPECT_EQ(directory.size(), 1u);
  EXPECT_FALSE(directory.find(key(0, 1, 3)).has_value());
  EXPECT_FALSE(directory.find(key(0, 1, 4)).has_value());
  EXPECT_EQ(directory.find(key(0, 1, 5)), assoc(1));
  EXPECT_TRUE(directory.insert_all(EndpointId(0), PortNumber(2), second, assoc(2)))
      << "another port is another peer";
}

TEST(Directory, AnAddressTwiceAndAnAddressAgainAreHarmless) {
  SeededRandom random(3);
  Directory directory(random, 100);
  const IpAddress twice[] = {address(1), address(1), address(2)};
  ASSERT_TRUE(directory.insert_all(EndpointId(0), PortNumber(1), twice, assoc(1)));
  EXPECT_EQ(directory.size(), 2u);
  ASSERT_TRUE(directory.insert_all(EndpointId(0), PortNumber(1), twice, assoc(1)));
  EXPECT_EQ(directory.size(), 2u);
}

TEST(Directory, FullIsARefusalThatChangesNothing) {
  SeededRandom random(4);
  Directory directory(random, 10);
  for (uint32_t n = 0; n < 9; ++n) {
    const IpAddress peers[] = {address(n)};
    ASSERT_TRUE(directory.insert_all(EndpointId(0), PortNumber(1), peers, assoc(n)));
  }
  const IpAddress two[] = {address(100), address(101)};
  EXPECT_FALSE(directory.insert_all(EndpointId(0), PortNumber(1), two, assoc(50)));
  EXPECT_EQ(directory.size(), 9u);
  EXPECT_FALSE(directory.find(key(0, 1, 100)).has_value());
  EXPECT_TRUE(
      directory.insert_all(EndpointId(0), PortNumber(1), std::span(two).first(1), assoc(50)));
  EXPECT_FALSE(
      directory.insert_all(EndpointId(0), PortNumber(1), std::span(two).last(1), assoc(50)));
  directory.erase(key(0, 1, 4), assoc(4));
  EXPECT_TRUE(
      directory.insert_all(EndpointId(0), PortNumber(1), std::span(two).last(1), assoc(50)));
}

TEST(Directory, OnlyTheOwnerOfAnEntryErasesIt) {
  SeededRandom random(5);
  Directory directory(random, 10);
  const IpAddress peers[] = {address(1)};
  ASSERT_TRUE(directory.insert_all(EndpointId(0), PortNumber(1), peers, assoc(1)));
  directory.erase(key(0, 1, 1), assoc(2));
  directory.erase(key(0, 1, 1), {2, 1, 0});  // the same slot in another life
  directory.erase(key(0, 1, 2), assoc(1));
  EXPECT_EQ(directory.find(key(0, 1, 1)), assoc(1));
  EXPECT_EQ(directory.size(), 1u);
  directory.erase(key(0, 1, 1), assoc(1));
  EXPECT_EQ(directory.size(), 0u);
}

TEST(Directory, RandomUseAgainstAMap) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SeededRandom random(seed);
    constexpr uint32_t kLimit = 60;
    Directory directory(random, kLimit);
    std::map<uint32_t, uint32_t> model;  // address to slot
    for (int step = 0; step < 20000; ++step) {
      if (random.below(2) == 0) {
        std::vector<IpAddress> peers;
        std::multiset<uint32_t> fresh;  // an address named twice may be counted twice
        bool taken = false;
        const auto slot = static_cast<uint32_t>(random.below(40));
        for (uint64_t n = random.below(4) + 1; n > 0; --n) {
          const auto peer = static_cast<uint32_t>(random.below(100));
          peers.push_back(address(peer));
          const auto known = model.find(peer);
          taken = taken || (known != model.end() && known->second != slot);
          if (known == model.end()) fresh.insert(peer);
        }
        const bool fits = model.size() + fresh.size() <= kLimit;
        ASSERT_EQ(directory.insert_all(EndpointId(1), PortNumber(9), peers, assoc(slot)),
                  !taken && fits);
        if (!taken && fits) {
          for (const uint32_t peer : fresh) model[peer] = slot;
        }
      } else {
        const auto peer = static_cast<uint32_t>(random.below(100));
        const auto known = model.find(peer);
        const uint32_t slot = known != model.end() && random.below(8) != 0
                                  ? known->second
                                  : static_cast<uint32_t>(random.below(40));
        directory.erase(key(1, 9, peer), assoc(slot));
        if (known != model.end() && known->second == slot) model.erase(known);
      }
      ASSERT_EQ(directory.size(), model.size());
      for (uint32_t peer = 0; peer < 100; ++peer) {
        const auto known = model.find(peer);
        const auto found = directory.find(key(1, 9, peer));
        ASSERT_EQ(found.has_value(), known != model.end()) << step;
        ASSERT_TRUE(!found || found->slot == known->second);
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

// The table compares pointers and asks `fits`; it never looks into an association.
Association* fake(size_t n) {
  static std::array<std::max_align_t, 256> places;
  return reinterpret_cast<Association*>(&places[n]);
}

TEST(TagTable, DoublesAreToldApartByTheCaller) {
  TagTable table(8);
  table.insert(VerificationTag(5), fake(1));
  table.insert(VerificationTag(5), fake(2));
  table.insert(VerificationTag(5), fake(3));
  for (size_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(table.find(VerificationTag(5), [&](const Association& a) { return &a == fake(n); }),
              fake(n));
  }
  EXPECT_EQ(table.find(VerificationTag(5), [](const Association&) { return false; }), nullptr);
  table.erase(VerificationTag(5), fake(2));
  EXPECT_EQ(table.find(VerificationTag(5), [](const Association& a) { return &a == fake(2); }),
            nullptr);
  EXPECT_EQ(table.find(VerificationTag(5), [](const Association& a) { return &a == fake(3); }),
            fake(3));
}

TEST(TagTable, ErasingWhatIsNotThereChangesNothing) {
  TagTable table(8);
  table.insert(VerificationTag(5), fake(1));
  table.erase(VerificationTag(5), fake(2));
  table.erase(VerificationTag(6), fake(1));
  EXPECT_EQ(table.find(VerificationTag(5), [](const Association&) { return true; }), fake(1));
}

TEST(TagTable, RandomUseAgainstAMultimapWithCrowdedHomes) {
  SeededRandom random(8);
  TagTable table(64);
  std::multimap<uint32_t, size_t> model;
  // Few homes, some at the end of the table, so that runs are long and wrap.
  const auto draw = [&] {
    return static_cast<uint32_t>(random.below(3) * 1024 + 120 + random.below(12));
  };
  for (int step = 0; step < 50000; ++step) {
    const uint32_t tag = draw();
    if (random.below(2) == 0 && model.size() < 64) {
      const size_t who = random.below(128);
      bool known = false;
      for (const auto& [t, w] : model) known = known || w == who;
      if (known) continue;
      table.insert(VerificationTag(tag), fake(who));
      model.emplace(tag, who);
    } else if (!model.empty()) {
      auto it = std::next(model.begin(), static_cast<ptrdiff_t>(random.below(model.size())));
      table.erase(VerificationTag(it->first), fake(it->second));
      model.erase(it);
    }
    const uint32_t asked = draw();
    std::set<const Association*> seen;
    static_cast<void>(table.find(VerificationTag(asked), [&](const Association& a) {
      EXPECT_TRUE(seen.insert(&a).second);
      return false;
    }));
    std::set<const Association*> expected;
    for (auto [it, end] = model.equal_range(asked); it != end; ++it) {
      expected.insert(fake(it->second));
    }
    ASSERT_EQ(seen, expected) << step;
  }
}

}  // namespace
}  // namespace trunkline
