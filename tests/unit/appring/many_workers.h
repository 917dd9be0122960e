// SPDX-License-Identifier: BSD-3-Clause
// Two daemons without ports, each of one to three workers: real shards that share a directory, a
// bridge for each, and a wire that brings every packet to a worker drawn at random, from where it
// is handed over as Shard::steer() says. The workers are turned by the test, in a time that only
// jumps, or run in threads of their own.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "real_stack.h"

namespace trunkline::test {

struct WirePacket {
  IpAddress source;
  IpAddress destination;
  std::vector<uint8_t> bytes;
  uint8_t hand_overs = 0;
  bool looped = false;
};

class ShardedHost {
 public:
  struct Worker {
    Worker(uint64_t seed, const ShardConfig& shard_config, Directory& directory,
           const appring::BridgeConfig& config)
        : random(seed),
          wire(seed + 1000),
          shard(shard_config, directory, random, TimePoint::from_ns(1)),
          bridge(config, shard) {}
    SeededRandom random;
    SeededRandom wire;  // where what it sends will land
    Shard shard;
    appring::Bridge bridge;
    std::mutex lock;  // of the inbox
    std::deque<WirePacket> inbox;
    std::thread thread;
    uint64_t handed_over = 0;  // packets that it gave to another
  };

  ShardedHost(IpAddress own, uint64_t seed, uint32_t count,
              const std::vector<appring::NamedEndpoint>& endpoints = {})
      : own_(own), random_(seed), directory_(make_directory(random_, 4096)) {
    for (uint32_t i = 0; i < count; ++i) {
      appring::BridgeConfig config = StackHost::config(own);
      config.worker = static_cast<uint16_t>(i);
      config.workers = static_cast<uint16_t>(count);
      config.local_addresses.push_back(second(own));
      config.default_profile.max_init_retransmits = 100;
      config.default_profile.association_max_retrans = 100;
      config.endpoints = endpoints;
      ShardConfig shard;
      shard.own_addresses = config.local_addresses;
      shard.ports = ports_.get();
      shard.index = static_cast<uint16_t>(i);
      shard.count = static_cast<uint16_t>(count);
      shard.inits_per_second = 0;
      shard.inits_per_second_per_source = 0;
      workers.push_back(std::make_unique<Worker>(seed * 100 + i, shard, *directory_, config));
    }
  }

  // Every host has two: 10.1.0.N and 10.2.0.N.
  static IpAddress second(IpAddress own) { return IpAddress::ipv4(10, 2, 0, own.bytes()[3]); }

  void put(WirePacket packet, size_t worker) {
    const std::lock_guard guard(workers[worker]->lock);
    workers[worker]->inbox.push_back(std::move(packet));
  }
  [[nodiscard]] size_t associations() const {
    size_t sum = 0;
    for (const auto& worker : workers) sum += worker->bridge.associations();
    return sum;
  }

  // One iteration of one worker, as app_ring.h describes it. What it transmits lands at `peer`.
  size_t turn(size_t at, TimePoint now, ShardedHost& peer) {
    Worker& self = *workers[at];
    size_t work = receive(self, at, now);
    work += self.bridge.drain_submissions(now);
    deliver(self, now);
    self.shard.advance(now);
    deliver(self, now);
    work += transmit(self, now, peer);
    self.bridge.flush();
    return work;
  }

 private:
  const IpAddress own_;
  SeededRandom random_;
  DirectoryPtr directory_;                  // outlives the shards,
  PortTablePtr ports_ = make_port_table();  // and so does this

 public:
  std::vector<std::unique_ptr<Worker>> workers;
  std::atomic<uint64_t> sent = 0;  // packets that left

 private:
  static void deliver(Worker& self, TimePoint now) {
    while (Event* event = self.shard.next_event()) self.bridge.deliver(now, *event);
  }
  size_t receive(Worker& self, size_t at, TimePoint now) {
    std::deque<WirePacket> packets;
    {
      const std::lock_guard guard(self.lock);
      packets.swap(self.inbox);
    }
    for (WirePacket& packet : packets) {
      PacketIn in;
      in.source = packet.source;
      in.destination = packet.destination;
      in.bytes = packet.bytes;
      in.hand_overs = packet.hand_overs;
      in.looped = packet.looped;
      const uint16_t owner = self.shard.steer(in);
      if (owner != at) {
        ++packet.hand_overs;
        ++self.handed_over;
        put(std::move(packet), owner);
        continue;
      }
      self.shard.receive(now, {&in, 1});
      deliver(self, now);
    }
    return packets.size();
  }
  // What is for this host itself goes round.
  size_t transmit(Worker& self, TimePoint now, ShardedHost& peer) {
    std::array<std::array<uint8_t, 1500>, 32> rooms;
    std::array<PacketOut, 32> out;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = PacketOut{};
      out[i].room = rooms[i];
    }
    const size_t n = self.shard.transmit(now, out);
    for (size_t i = 0; i < n; ++i) {
      const auto bytes = std::span<const uint8_t>(rooms[i]).first(out[i].length);
      const IpAddress& destination = out[i].destination;
      const bool looped = destination.scope() == AddressScope::kLoopback || destination == own_ ||
                          destination == second(own_);
      (looped ? *this : peer)
          .put({out[i].source, destination, {bytes.begin(), bytes.end()}, 0, looped},
               self.wire.below(peer.workers.size()));
      if (!looped) sent.fetch_add(1, std::memory_order_relaxed);
    }
    deliver(self, now);
    return n;
  }
};

class ManyWorkersTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  static constexpr const char* kLeft = "10.1.0.1";
  static constexpr const char* kRight = "10.1.0.2";

  ~ManyWorkersTest() override {
    stop();
    for (ShardedHost* host : {&left, &right}) {
      for (auto& worker : host->workers) worker->bridge.close_all(now_, true);
    }
    turns(50);
  }

  // A client of a host, with its lanes. Stays mapped until the end of the test.
  std::vector<tl_lane*> attach(ShardedHost& host, uint32_t lanes = 1, ClientSetup setup = {}) {
    setup.geometry.lanes = lanes;
    setup.geometry.workers = static_cast<uint32_t>(host.workers.size());
    clients_.push_back(std::make_unique<TestClient>(make_client(setup)));
    TestClient& client = *clients_.back();
    for (size_t i = 0; i < host.workers.size(); ++i) {
      appring::BridgeMailbox& mailbox = host.workers[i]->bridge.mailbox();
      mailbox.watch(client.ring->doorbells[i]);
      EXPECT_TRUE(mailbox.post_to_worker({appring::MailKind::kAdd, client.ring.get()}));
    }
    std::vector<tl_lane*> out(lanes);
    for (tl_lane*& lane : out) EXPECT_EQ(tl_lane_open(client.api, &lane), 0) << tl_last_error();
    return out;
  }
  // The control thread's part in a client's death.
  static void post_death(ShardedHost& host, TestClient& client) {
    for (auto& worker : host.workers) {
      EXPECT_TRUE(
          worker->bridge.mailbox().post_to_worker({appring::MailKind::kRemove, client.ring.get()}));
    }
  }
  // How many workers have let go since the last call.
  static size_t let_go(ShardedHost& host) {
    size_t gone = 0;
    appring::Mail mail;
    for (auto& worker : host.workers) {
      while (worker->bridge.mailbox().take_from_worker(mail)) {
        gone += mail.kind == appring::MailKind::kGone ? 1 : 0;
      }
    }
    return gone;
  }

  // -- in turn
  void turns(size_t n = 1) {
    for (; n > 0; --n) {
      now_ = now_ + std::chrono::milliseconds(1);
      for (size_t i = 0; i < left.workers.size(); ++i) left.turn(i, now_, right);
      for (size_t i = 0; i < right.workers.size(); ++i) right.turn(i, now_, left);
    }
  }
  // A call that waits for the daemon, while the workers turn.
  template <typename Call>
  int meanwhile(Call call) {
    std::atomic<bool> done{false};
    int result = 0;
    std::string text;
    std::thread application([&] {
      result = call();
      text = tl_last_error();
      done.store(true);
    });
    while (!done.load()) turns();
    application.join();
    last_error_ = text;
    return result;
  }
  static std::vector<tl_event> poll(tl_lane* lane) {
    std::vector<tl_event> events(64);
    const int n = tl_poll(lane, events.data(), events.size());
    EXPECT_GE(n, 0) << tl_last_error();
    events.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return events;
  }
  // Events of that kind on any of the lanes, until there are as many as wanted; others are dropped.
  struct On {
    tl_lane* lane;
    tl_event event;
    std::string text;
  };
  std::vector<On> collect(const std::vector<tl_lane*>& lanes, int kind, size_t wanted) {
    std::vector<On> out;
    for (int i = 0; i < 3000 && out.size() < wanted; ++i) {
      for (tl_lane* lane : lanes) {
        std::vector<tl_event> events = poll(lane);
        for (const tl_event& event : events) {
          if (event.kind == kind) out.push_back({lane, event, text_of(lane, event)});
        }
        tl_event_release(lane, events.data(), events.size());
      }
      if (out.size() < wanted) turns();
    }
    EXPECT_EQ(out.size(), wanted) << tl_event_kind_name(kind);
    return out;
  }
  static uint32_t worker_of(tl_lane* lane, tl_assoc assoc) {
    uint32_t worker = UINT32_MAX;
    EXPECT_EQ(tl_assoc_worker(lane, assoc, &worker), 0) << tl_last_error();
    return worker;
  }

  // -- in threads
  void start() {
    for (ShardedHost* host : {&left, &right}) {
      ShardedHost& peer = host == &left ? right : left;
      for (size_t i = 0; i < host->workers.size(); ++i) {
        host->workers[i]->thread = std::thread([this, host, &peer, i] { run(*host, i, peer); });
      }
    }
  }
  void stop() {
    stop_.store(true);
    for (ShardedHost* host : {&left, &right}) {
      for (auto& worker : host->workers) {
        if (worker->thread.joinable()) worker->thread.join();
      }
    }
    now_ = real_now();
  }

  TimePoint now_ = TimePoint::from_ns(1);
  std::string last_error_;                            // of the call that meanwhile() made
  std::vector<std::unique_ptr<TestClient>> clients_;  // outlive the payload that the shards hold
  ShardedHost left{IpAddress::ipv4(10, 1, 0, 1), 1, GetParam()};
  ShardedHost right{IpAddress::ipv4(10, 1, 0, 2), 2, GetParam()};

 private:
  static TimePoint real_now() {
    return TimePoint::from_ns(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  void run(ShardedHost& host, size_t at, ShardedHost& peer) {
    appring::Bridge& bridge = host.workers[at]->bridge;
    while (!stop_.load(std::memory_order_relaxed)) {
      if (host.turn(at, real_now(), peer) != 0) continue;
      bridge.arm();
      // Packets ring nothing here.
      if (!bridge.has_work()) bridge.wait(std::chrono::microseconds(200));
      bridge.disarm();
    }
  }

  std::atomic<bool> stop_{false};
};

}  // namespace trunkline::test
