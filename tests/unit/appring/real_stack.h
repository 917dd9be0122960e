// SPDX-License-Identifier: BSD-3-Clause
// Everything but DPDK: applications on rings, bridges, real shards, and a wire that is a function
// call and loses packets by a seed. What the fake shard only plays, the stack does here.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "appring/bridge.h"
#include "attached_client.h"
#include "trunkline/stack/random.h"

namespace trunkline::test {

// One daemon's worker without ports.
struct StackHost {
  StackHost(IpAddress own, uint64_t seed)
      : address(own),
        random(seed),
        directory(make_directory(random, 64)),
        shard(shard_config(own), *directory, random, TimePoint::from_ns(1)),
        bridge(config(own), shard) {}

  static ShardConfig shard_config(IpAddress own) {
    ShardConfig out;
    out.own_addresses = {own};
    return out;
  }
  static appring::BridgeConfig config(IpAddress own) {
    appring::BridgeConfig out = test_bridge_config();
    out.local_addresses = {own};
    out.endpoints.clear();
    out.max_associations = 4096;
    out.default_profile.rto_initial = std::chrono::milliseconds(20);
    out.default_profile.rto_min = std::chrono::milliseconds(10);
    out.default_profile.rto_max = std::chrono::milliseconds(100);
    out.default_profile.sack_delay = std::chrono::milliseconds(1);
    out.default_profile.a_rwnd = 64 * 1024;
    Profile pieces = out.default_profile;
    pieces.max_message_size = 1024 * 1024;
    pieces.send_buffer = 2 * pieces.max_message_size;
    pieces.partial_delivery_point = 16 * 1024;
    out.profiles.push_back({"pieces", pieces});
    Profile whole = pieces;
    whole.partial_delivery_point = 0;
    out.profiles.push_back({"whole", whole});
    return out;
  }
  void deliver(TimePoint now) {
    while (Event* event = shard.next_event()) bridge.deliver(now, *event);
  }

  IpAddress address;
  SeededRandom random;
  DirectoryPtr directory;
  Shard shard;
  appring::Bridge bridge;
};

class RealStackTest : public ::testing::Test {
 protected:
  // Two hosts on one wire, one thread; `loss` in 1000 packets is lost.
  explicit RealStackTest(uint64_t loss = 0) : loss_(loss) {}
  ~RealStackTest() override {
    for (StackHost* host : {&left, &right}) host->bridge.close_all(now_, true);
    for (int i = 0; i < 50; ++i) turn();
  }

  tl_lane* attach(StackHost& host, const ClientSetup& setup) {
    clients_.push_back(std::make_unique<TestClient>(make_client(setup)));
    TestClient& client = *clients_.back();
    for (const int fd : client.ring->doorbells) host.bridge.mailbox().watch(fd);
    EXPECT_TRUE(host.bridge.mailbox().post_to_worker({appring::MailKind::kAdd, client.ring.get()}));
    tl_lane* lane = nullptr;
    EXPECT_EQ(tl_lane_open(client.api, &lane), 0);
    return lane;
  }

  // The call waits for its worker: another thread makes it.
  void listen(tl_lane* lane, const Listening& options = {}) {
    std::atomic<bool> done{false};
    std::thread application([&] {
      EXPECT_EQ(open_listener(lane, options), 0) << tl_last_error();
      done.store(true);
    });
    while (!done.load()) turn();
    application.join();
  }

  size_t carry(StackHost& from, StackHost& to) {
    std::array<std::array<uint8_t, 1500>, 32> rooms;
    std::array<PacketOut, 32> out;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = PacketOut{};
      out[i].room = rooms[i];
    }
    const size_t n = from.shard.transmit(now_, out);
    std::array<PacketIn, 32> in;
    size_t kept = 0;
    if (n != 0 && &from == &right) {
      last_packet_.assign(rooms[n - 1].begin(), rooms[n - 1].begin() + out[n - 1].length);
    }
    for (size_t i = 0; i < n; ++i) {
      if (loss_ != 0 && wire_.below(1000) < loss_) continue;
      in[kept].source = out[i].source;
      in[kept].destination = out[i].destination;
      in[kept].bytes = std::span<const uint8_t>(rooms[i]).first(out[i].length);
      ++kept;
    }
    to.shard.receive(now_, std::span(in).first(kept));
    to.deliver(now_);
    from.deliver(now_);
    return n;
  }

  size_t turn() {
    now_ = step_ != Duration{0}
               ? now_ + step_
               : TimePoint::from_ns(std::chrono::steady_clock::now().time_since_epoch().count());
    size_t work = 0;
    for (StackHost* host : {&left, &right}) {
      work += host->bridge.drain_submissions(now_);
      host->deliver(now_);
      host->shard.advance(now_);
      host->deliver(now_);
    }
    work += carry(left, right);
    work += carry(right, left);
    for (StackHost* host : {&left, &right}) host->bridge.flush();
    return work;
  }

  void run_worker() {
    while (!stop_.load(std::memory_order_relaxed)) {
      if (turn() == 0) std::this_thread::yield();
    }
  }

  TimePoint now_ = TimePoint::from_ns(1);
  Duration step_{0};  // how far a turn moves the time; zero: the time is the real one
  uint64_t loss_;
  SeededRandom wire_{99};
  std::vector<std::unique_ptr<TestClient>> clients_;  // outlive the payload that the shards hold
  StackHost left{IpAddress::ipv4(10, 1, 0, 1), 1};
  StackHost right{IpAddress::ipv4(10, 1, 0, 2), 2};
  std::atomic<bool> stop_{false};
  std::vector<uint8_t> last_packet_;  // of the right host
};

}  // namespace trunkline::test
