// SPDX-License-Identifier: BSD-3-Clause
// Everything but DPDK: applications on rings, bridges, real shards, and a wire that is a function
// call and loses packets by a seed. What the fake shard only plays, the stack does here.
#include <array>
#include <atomic>
#include <deque>
#include <thread>

#include "appring/app_ring.h"
#include "ring_harness.h"
#include "talker.h"
#include "trunkline/stack/random.h"

namespace trunkline::test {
namespace {

using appring::Bridge;
using appring::MailKind;
using appring::RingCounter;

// One daemon's worker without ports.
struct Host {
  Host(IpAddress own, uint64_t seed)
      : address(own),
        random(seed),
        directory(make_directory(random, 64)),
        shard(ShardConfig{}, *directory, random, TimePoint::from_ns(1)),
        bridge(config(own), shard) {}

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
    return out;
  }
  void deliver(TimePoint now) {
    Event event;
    while (shard.next_event(event)) bridge.deliver(now, event);
  }

  IpAddress address;
  SeededRandom random;
  DirectoryPtr directory;
  Shard shard;
  Bridge bridge;
};

class RealStackTest : public ::testing::Test {
 protected:
  // Two hosts on one wire, one thread; `loss` in 1000 packets is lost.
  explicit RealStackTest(uint64_t loss = 0) : loss_(loss) {}
  ~RealStackTest() override {
    for (Host* host : {&left, &right}) host->bridge.close_all(now_, true);
    for (int i = 0; i < 50; ++i) turn();
  }

  tl_lane* attach(Host& host, const ClientSetup& setup) {
    clients_.push_back(std::make_unique<TestClient>(make_client(setup)));
    TestClient& client = *clients_.back();
    for (const int fd : client.ring->doorbells) host.bridge.mailbox().watch(fd);
    EXPECT_TRUE(host.bridge.mailbox().post_to_worker({MailKind::kAdd, client.ring.get()}));
    tl_lane* lane = nullptr;
    EXPECT_EQ(tl_lane_open(client.api, &lane), 0);
    return lane;
  }

  size_t carry(Host& from, Host& to) {
    std::array<std::array<uint8_t, 1500>, 32> rooms;
    std::array<PacketOut, 32> out;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = PacketOut{};
      out[i].room = rooms[i];
    }
    const size_t n = from.shard.transmit(now_, out);
    std::array<PacketIn, 32> in;
    size_t kept = 0;
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
    now_ = TimePoint::from_ns(std::chrono::steady_clock::now().time_since_epoch().count());
    size_t work = 0;
    for (Host* host : {&left, &right}) {
      work += host->bridge.drain_submissions(now_);
      host->deliver(now_);
      host->shard.advance(now_);
      host->deliver(now_);
    }
    work += carry(left, right);
    work += carry(right, left);
    for (Host* host : {&left, &right}) host->bridge.flush();
    return work;
  }

  void run_worker() {
    while (!stop_.load(std::memory_order_relaxed)) {
      if (turn() == 0) std::this_thread::yield();
    }
  }

  void talk() {
    Talker::listening.store(false);
    ClientSetup setup;
    setup.limits.backlog = 1024;
    tl_lane* const server_lane = attach(left, setup);
    tl_lane* const client_lane = attach(right, setup);
    std::thread worker([&] { run_worker(); });
    Talker server(server_lane, true);
    Talker client(client_lane, false, "10.1.0.1");
    std::thread server_thread([&] { server.run(); });
    client.run();
    server_thread.join();
    stop_.store(true);
    worker.join();
    EXPECT_EQ(server.received, Talker::kAssociations * Talker::kMessages);
    EXPECT_EQ(client.received, Talker::kAssociations * Talker::kMessages);
    for (Host* host : {&left, &right}) {
      for (const RingCounter c :
           {RingCounter::k_refuse_send, RingCounter::k_refuse_send_credit,
            RingCounter::k_refuse_slot_twice, RingCounter::k_refuse_bad_return,
            RingCounter::k_abort_lane_backlog, RingCounter::k_drop_orphan_event}) {
        EXPECT_EQ(host->bridge.counters().get(c), 0U) << counter_name(c);
      }
      // What was lost last is sent again first.
      while (host->shard.pool_usage().messages_used != 0) turn();
      EXPECT_EQ(host->shard.pool_usage().receive_blocks_used, 0U);
    }
  }

  TimePoint now_ = TimePoint::from_ns(1);
  uint64_t loss_;
  SeededRandom wire_{99};
  std::vector<std::unique_ptr<TestClient>> clients_;  // outlive the payload that the shards hold
  Host left{IpAddress::ipv4(10, 1, 0, 1), 1};
  Host right{IpAddress::ipv4(10, 1, 0, 2), 2};
  std::atomic<bool> stop_{false};
};

TEST_F(RealStackTest, TwoApplicationsExchangeEverything) {
  talk();
}

class LossyStackTest : public RealStackTest {
 protected:
  LossyStackTest() : RealStackTest(20) {}
};

TEST_F(LossyStackTest, TwoApplicationsExchangeEverything) {
  talk();
}

// A client that goes away while its messages are on the wire: the peer sees the ABORT, the slots
// are the daemon's again, and the worker lets the segment go.
TEST_F(RealStackTest, AClientGoesWithMessagesInFlight) {
  const ClientSetup setup;
  tl_lane* const server = attach(left, setup);
  tl_lane* const client = attach(right, setup);
  appring::RingClient& ring = *clients_[1]->ring;
  std::atomic<bool> listening{false};
  std::thread application([&] {
    tl_listen_options options{};
    options.port = 5000;
    options.affinity = TL_ANY_WORKER;
    tl_listener listener = 0;
    EXPECT_EQ(tl_listen(server, &options, &listener), 0) << tl_last_error();
    listening.store(true);
  });
  while (!listening.load()) turn();
  application.join();
  tl_address address{};
  ASSERT_EQ(tl_address_parse("10.1.0.1", &address), 0);
  tl_connect_options options{};
  options.addresses = &address;
  options.address_count = 1;
  options.peer_port = 5000;
  options.affinity = TL_ANY_WORKER;
  tl_assoc assoc = 0;
  ASSERT_EQ(tl_connect(client, &options, &assoc), 0);
  tl_event event{};
  while (tl_poll(client, &event, 1) != 1) turn();
  ASSERT_EQ(event.kind, TL_EVENT_CONNECTED);
  const std::string text(5000, 't');
  tl_message message{};
  message.data = text.data();
  message.length = static_cast<uint32_t>(text.size());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(tl_send(client, assoc, &message), 0) << tl_last_error();
  right.bridge.drain_submissions(now_);
  EXPECT_EQ(ring.channel(0, 0).tx_in_use(), 30U);
  EXPECT_EQ(right.bridge.client_of(right.shard.associations().at(0)), ring.identity.id);
  ASSERT_TRUE(right.bridge.mailbox().post_to_worker({MailKind::kRemove, &ring}));
  appring::Mail mail;
  while (!right.bridge.mailbox().take_from_worker(mail)) turn();
  EXPECT_EQ(mail.kind, MailKind::kGone);
  EXPECT_EQ(ring.channel(0, 0).tx_in_use(), 0U);
  EXPECT_EQ(right.shard.association_count(), 0U);
  bool lost = false;
  while (!lost) {
    turn();
    const int n = tl_poll(server, &event, 1);
    if (n == 1) tl_event_release(server, &event, 1);
    lost = n == 1 && event.kind == TL_EVENT_LOST;
  }
  EXPECT_EQ(event.reason, TL_REASON_RESET);
}

}  // namespace
}  // namespace trunkline::test
