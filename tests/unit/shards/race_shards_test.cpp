// SPDX-License-Identifier: BSD-3-Clause
// Shards of one host on threads of their own, and their peers: packets arrive at any of them, twice
// or not at all, are handed over through rings, and set-up, collision, restart, address changes and
// teardown race. Whenever all threads have met, who owns what is compared with the directory.
// ThreadSanitizer watches in the threads-tsan suite. A fixed amount of work; time is each thread's
// own and simulated.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "shards/directory.h"
#include "support/host.h"
#include "support/spsc_ring.h"

namespace trunkline {
namespace {

using std::chrono::milliseconds;
using test::Host;
using test::HostSetup;
using test::Packet;

constexpr uint16_t kSites = 4;  // threads: each is a shard of the host and some of the peers
constexpr uint32_t kFarHostsPerSite = 2;
constexpr uint32_t kFarHosts = kSites * kFarHostsPerSite;
constexpr int kRounds = 60;
constexpr int kTurns = 60;  // a round
constexpr PortNumber kPort(5000);

IpAddress ours(uint32_t n) {
  return IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(1 + n));
}
// Peer p has the addresses 2p and 2p + 1.
IpAddress theirs(uint32_t n) {
  return IpAddress::ipv4(198, 51, 100, static_cast<uint8_t>(1 + n));
}

Profile impatient() {
  Profile profile;
  profile.rto_initial = milliseconds(200);
  profile.rto_min = milliseconds(100);
  profile.rto_max = milliseconds(800);
  return profile;
}

struct Message {
  Packet packet;
  uint8_t hand_overs = 0;
  bool quoted = false;  // our own packet, as ICMP gives it back
};

struct World {
  SeededRandom random{1};
  DirectoryPtr directory = make_directory(random, 4096);
  std::array<std::array<test::SpscRing<Message, 256>, kSites>, kSites> rings;  // [from][to]
  std::atomic<uint32_t> half_seen = 0;
  std::atomic<uint32_t> hand_overs = 0;
  std::atomic<uint32_t> quotes = 0;
};

class Site {
 public:
  Site(uint16_t index, World& world)
      : index_(index),
        world_(world),
        random_(1000 + index),
        now_(TimePoint::from_ns(1'000'000'000 + index * 7'000'000)) {
    HostSetup setup;
    setup.addresses = {ours(0), ours(1)};
    setup.port = kPort;
    setup.profile = impatient();
    setup.shard.index = index;
    setup.shard.count = kSites;
    setup.shard.max_associations = 64;
    setup.shard.inits_per_second_per_source = 0;
    shard = std::make_unique<Host>(10 + index, setup, now_, world.directory.get());
    for (uint32_t i = 0; i < kFarHostsPerSite; ++i) boot(i);
  }

  void turn() {
    now_ = now_ + milliseconds(5);
    take();
    for (uint32_t i = 0; i < kFarHostsPerSite; ++i) {
      if (chance(10)) act_as_peer(i);
    }
    if (chance(6)) act_as_host();
    look();
    shard->advance(now_);
    for (auto& peer : peers) peer->advance(now_);
    give();
    shard->events.clear();
    for (auto& peer : peers) peer->events.clear();
  }

  // The end: nothing may be left. What is under way is lost.
  void finish() {
    for (auto& peer : peers) {
      peer->finish(now_);
      EXPECT_EQ(peer->violation(), "");
    }
    for (uint16_t c = 0; c < kCounterCount; ++c) {
      totals.add(static_cast<Counter>(c), shard->count(static_cast<Counter>(c)));
    }
    shard->finish(now_);
    EXPECT_EQ(shard->violation(), "");
  }

  std::unique_ptr<Host> shard;
  std::array<std::unique_ptr<Host>, kFarHostsPerSite> peers;
  Counters totals;

 private:
  bool chance(uint64_t one_in) { return random_.below(one_in) == 0; }
  uint16_t any_site() { return static_cast<uint16_t>(random_.below(kSites)); }
  // One of two addresses, or both in either order.
  std::vector<IpAddress> some_of(const IpAddress& a, const IpAddress& b) {
    const std::vector<IpAddress> choices[] = {{a}, {b}, {a, b}, {b, a}};
    return choices[random_.below(4)];
  }

  // A peer that begins, or begins again and has forgotten everything.
  void boot(uint32_t i) {
    if (peers[i] != nullptr) {
      EXPECT_EQ(peers[i]->violation(), "");
    }
    const uint32_t peer = index_ * kFarHostsPerSite + i;
    HostSetup setup;
    setup.addresses = {theirs(2 * peer), theirs(2 * peer + 1)};
    setup.port = kPort;
    setup.profile = impatient();
    setup.shard.max_associations = 16;
    peers[i] = std::make_unique<Host>(5000 + 100 * peer + boots_++, setup, now_);
  }

  void send(uint16_t to, Message&& message) {
    static_cast<void>(world_.rings[index_][to].push(std::move(message)));  // full: lost
  }

  void take() {
    Message message;
    for (uint16_t from = 0; from < kSites; ++from) {
      for (int n = 0; n < 32 && world_.rings[from][index_].pop(message); ++n) {
        receive(std::move(message));
      }
    }
  }
  void receive(Message&& message) {
    const Packet& packet = message.packet;
    for (uint32_t i = 0; i < 2 * kFarHostsPerSite && !message.quoted; ++i) {
      if (packet.destination == theirs(2 * index_ * kFarHostsPerSite + i)) {
        return peers[i / 2]->receive(now_, packet);
      }
    }
    const PacketIn in{packet.source, packet.destination, packet.bytes, ChecksumState::kUnchecked,
                      message.hand_overs};
    const Shard& mine = shard->shard();
    const uint16_t owner = message.quoted ? mine.steer_quoted(in) : mine.steer(in);
    if (owner != index_ && message.hand_overs < 2) {
      ++world_.hand_overs;
      ++message.hand_overs;
      return send(owner, std::move(message));
    }
    if (!message.quoted) return shard->receive(now_, packet);
    shard->shard().protocol_unreachable(now_, in);
    shard->drain(now_);
    ++world_.quotes;
  }

  void give() {
    for (const Packet& packet : shard->transmit(now_)) {
      if (chance(200)) send(any_site(), {packet, 0, true});
      for (uint32_t n = 0; n < 2 * kFarHosts; ++n) {
        if (packet.destination != theirs(n)) continue;
        send(static_cast<uint16_t>(n / 2 / kFarHostsPerSite), {packet, 0, false});
      }
    }
    for (auto& peer : peers) {
      for (const Packet& packet : peer->transmit(now_)) {
        if (chance(40)) continue;
        send(any_site(), {packet, 0, false});
        if (chance(6)) send(any_site(), {packet, 0, false});
      }
    }
  }

  void act_as_peer(uint32_t i) {
    Host& peer = *peers[i];
    if (peer.shard().association_count() == 0) {
      peer.connect(now_, some_of(ours(0), ours(1)), kPort);
      return;
    }
    end_or_send(peer);
    if (chance(12)) boot(i);
  }
  void act_as_host() {
    const auto peer = static_cast<uint32_t>(random_.below(kFarHosts));
    if (chance(2)) {
      shard->connect(now_, some_of(theirs(2 * peer), theirs(2 * peer + 1)), kPort);
    } else {
      end_or_send(*shard);
    }
  }
  void end_or_send(Host& host) {
    const std::vector<AssocId> all = host.shard().associations();
    if (all.empty()) return;
    const AssocId id = all[random_.below(all.size())];
    switch (random_.below(12)) {
      case 0:
        host.shard().abort(now_, id, {});
        break;
      case 1:
      case 2:
        host.shard().shutdown(now_, id);
        break;
      default:
        static_cast<void>(host.send_on(now_, id, "a message", {}));
        break;
    }
    host.drain(now_);
  }

  // Both of our addresses lead to an association from each of its peer's, or none does.
  void look() {
    const IpAddress peer = theirs(static_cast<uint32_t>(random_.below(2 * kFarHosts)));
    const auto find = [&](uint32_t local) {
      return world_.directory->find({ours(local), peer, kPort, kPort});
    };
    const auto before = find(0);
    const auto other = find(1);
    if (before && find(0) == before && other != before) ++world_.half_seen;
  }

  uint16_t index_;
  World& world_;
  SeededRandom random_;
  TimePoint now_;
  uint32_t boots_ = 0;
};

// With all threads at rest: the directory says what the shards say.
void compare(World& world, std::array<std::unique_ptr<Site>, kSites>& sites) {
  std::set<std::string> seen;
  size_t entries = 0;
  for (uint16_t i = 0; i < kSites; ++i) {
    for (const AssocId id : sites[i]->shard->shard().associations()) {
      const AssocStatus status = sites[i]->shard->status(id);
      EXPECT_EQ(id.shard, i);
      EXPECT_EQ(owner_of(*world.directory, status.local_tag, kSites), i);
      for (const PathStatus& path : status.paths) {
        EXPECT_TRUE(seen.insert(path.remote.to_string()).second) << "two associations, one peer";
        for (const uint32_t local : {0u, 1u}) {
          EXPECT_EQ(world.directory->find({ours(local), path.remote, kPort, kPort}), id);
          ++entries;
        }
      }
    }
    EXPECT_EQ(sites[i]->shard->violation(), "");
  }
  EXPECT_EQ(world.directory->size(), entries);
}

TEST(ShardsRace, WhoOwnsWhatIsWhatTheDirectorySays) {
  World world;
  std::array<std::unique_ptr<Site>, kSites> sites;
  for (uint16_t i = 0; i < kSites; ++i) sites[i] = std::make_unique<Site>(i, world);
  std::barrier meeting(kSites, [&]() noexcept { compare(world, sites); });
  std::vector<std::thread> threads;
  for (auto& site : sites) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        for (int turn = 0; turn < kTurns; ++turn) site->turn();
        meeting.arrive_and_wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& site : sites) site->finish();
  EXPECT_EQ(world.directory->size(), 0u);
  EXPECT_EQ(world.half_seen, 0u);
  const auto total = [&](Counter counter) {
    uint64_t sum = 0;
    for (const auto& site : sites) sum += site->totals.get(counter);
    return sum;
  };
  // What raced.
  EXPECT_GT(world.hand_overs, 0u);
  EXPECT_GT(total(Counter::k_passive_estabs), 0u);
  EXPECT_GT(total(Counter::k_active_estabs), 0u);
  EXPECT_GT(total(Counter::k_restarts), 0u);
  EXPECT_EQ(total(Counter::k_drop_no_association_memory), 0u);
  EXPECT_EQ(total(Counter::k_directory_full), 0u);
  std::printf(
      "accepted %llu connected %llu restarts %llu hand-overs %u lost cookie races %llu refused "
      "connects %llu elsewhere %llu quotes %u\n",
      static_cast<unsigned long long>(total(Counter::k_passive_estabs)),
      static_cast<unsigned long long>(total(Counter::k_active_estabs)),
      static_cast<unsigned long long>(total(Counter::k_restarts)), world.hand_overs.load(),
      static_cast<unsigned long long>(total(Counter::k_drop_cookie_collision)),
      static_cast<unsigned long long>(total(Counter::k_refused_connects)),
      static_cast<unsigned long long>(total(Counter::k_drop_elsewhere)), world.quotes.load());
}

}  // namespace
}  // namespace trunkline
