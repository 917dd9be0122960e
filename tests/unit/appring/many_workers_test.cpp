// SPDX-License-Identifier: BSD-3-Clause
// Applications over daemons of one to three workers, with the stack and steering in between: where
// associations come to live, which lane has them, and that they end everywhere.
#include "many_workers.h"

#include <cerrno>
#include <map>
#include <set>

#include "talker.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

INSTANTIATE_TEST_SUITE_P(Workers, ManyWorkersTest, ::testing::Values(1, 2, 3));

TEST_P(ManyWorkersTest, AcceptedAssociationsComeToTheLaneOfTheirWorker) {
  const std::vector<tl_lane*> lanes = attach(left, GetParam());
  tl_lane* const client = attach(right)[0];
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    ASSERT_EQ(meanwhile([&] { return open_listener(lanes[worker], {.affinity = worker}); }), 0)
        << last_error_;
  }
  constexpr size_t kCount = 48;
  for (size_t i = 0; i < kCount; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = kLeft}), 0) << tl_last_error();
  }
  std::map<uint32_t, size_t> accepted;
  for (const On& on : collect(lanes, TL_EVENT_ACCEPTED, kCount)) {
    const uint32_t worker = worker_of(on.lane, on.event.assoc);
    EXPECT_EQ(on.lane, lanes.at(worker));
    ++accepted[worker];
    tl_assoc_info info{};
    ASSERT_EQ(meanwhile([&] { return tl_assoc_query(on.lane, on.event.assoc, &info); }), 0)
        << last_error_;
    EXPECT_EQ(info.worker, worker);
    EXPECT_STREQ(info.state, "ESTABLISHED");
  }
  EXPECT_EQ(accepted.size(), GetParam());
  // What the client opened without a wish is spread evenly, and every worker had packets to pass
  // on.
  for (const auto& worker : right.workers) {
    EXPECT_EQ(worker->bridge.associations(), kCount / GetParam());
    EXPECT_EQ(worker->handed_over != 0, GetParam() > 1);
  }
}

TEST_P(ManyWorkersTest, AConnectLivesWhereTheApplicationWants) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    for (int i = 0; i < 3; ++i) {
      tl_assoc assoc = 0;
      ASSERT_EQ(dial(client, &assoc, {.peer = kLeft, .affinity = worker}), 0);
      EXPECT_EQ(collect({client}, TL_EVENT_CONNECTED, 1).at(0).event.assoc, assoc);
      EXPECT_EQ(worker_of(client, assoc), worker);
    }
    EXPECT_EQ(right.workers[worker]->bridge.associations(), 3U);
  }
}

// Ports that the daemon chooses at each worker: never the same towards one peer.
TEST_P(ManyWorkersTest, ManyConnectsToOnePeerGetPortsOfTheirOwn) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  constexpr size_t kCount = 60;  // of the 64 that a lane may have at one worker
  std::set<uint16_t> ports;
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    for (size_t i = 0; i < kCount / GetParam(); ++i) {
      tl_assoc assoc = 0;
      ASSERT_EQ(dial(client, &assoc, {.peer = kLeft, .affinity = worker}), 0);
    }
  }
  for (const On& on : collect({client}, TL_EVENT_CONNECTED, kCount)) {
    EXPECT_GE(on.event.local_port, 49152);
    EXPECT_TRUE(ports.insert(on.event.local_port).second) << on.event.local_port;
  }
}

// The same local port at several workers: one association with a peer, whoever has it; each worker
// makes the endpoint when it needs it.
TEST_P(ManyWorkersTest, AFixedLocalPortAtEveryWorker) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  for (uint16_t port = 6000; port < 6003; ++port) {
    ASSERT_EQ(meanwhile([&] { return open_listener(server, {.port = port}); }), 0) << last_error_;
  }
  std::vector<tl_assoc> assocs(GetParam());
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    const auto port = static_cast<uint16_t>(6000 + worker);
    ASSERT_EQ(dial(client, &assocs[worker],
                   {.peer = kLeft, .port = port, .affinity = worker, .local_port = 5000}),
              0);
    EXPECT_EQ(collect({client}, TL_EVENT_CONNECTED, 1).at(0).event.local_port, 5000);
    for (uint32_t other = 0; other < GetParam(); ++other) {
      tl_assoc again = 0;
      ASSERT_EQ(dial(client, &again,
                     {.peer = kLeft, .port = port, .affinity = other, .local_port = 5000}),
                0);
      EXPECT_EQ(collect({client}, TL_EVENT_CONNECT_FAILED, 1).at(0).event.error, -EADDRINUSE);
    }
  }
  for (const tl_assoc assoc : assocs) {
    ASSERT_EQ(send_text(client, assoc, "from " + std::to_string(worker_of(client, assoc))), 0);
  }
  EXPECT_EQ(collect({server}, TL_EVENT_MESSAGE, GetParam()).size(), GetParam());
  // The port is free again as soon as its last association is.
  for (const tl_assoc assoc : assocs) ASSERT_EQ(tl_abort(client, assoc, nullptr), 0);
  collect({server}, TL_EVENT_LOST, GetParam());
  tl_assoc again = 0;
  ASSERT_EQ(dial(client, &again, {.peer = kLeft, .port = 6000, .local_port = 5000}), 0);
  collect({client}, TL_EVENT_CONNECTED, 1);
}

// Nobody listens any more: associations live on at their workers, callers are refused at each, and
// a new listener finds all workers ready.
TEST_P(ManyWorkersTest, UnlistenLeavesAssociationsAlone) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  tl_listener listener = 0;
  ASSERT_EQ(meanwhile([&] { return open_listener(server, {}, &listener); }), 0) << last_error_;
  tl_assoc first = 0;
  ASSERT_EQ(dial(client, &first, {.peer = kLeft}), 0);
  const tl_assoc at_server = collect({server}, TL_EVENT_ACCEPTED, 1).at(0).event.assoc;
  collect({client}, TL_EVENT_CONNECTED, 1);
  ASSERT_EQ(tl_unlisten(server, listener), 0);
  turns(2);
  for (uint32_t i = 0; i < 12; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = kLeft}), 0);
  }
  for (const On& on : collect({client}, TL_EVENT_CONNECT_FAILED, 12)) {
    EXPECT_EQ(on.event.reason, TL_REASON_REFUSED);
  }
  ASSERT_EQ(send_text(client, first, "still here"), 0);
  EXPECT_EQ(collect({server}, TL_EVENT_MESSAGE, 1).at(0).text, "still here");
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  for (uint32_t i = 0; i < 12; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = kLeft}), 0);
  }
  collect({client}, TL_EVENT_CONNECTED, 12);
  ASSERT_EQ(send_text(server, at_server, "and here"), 0);
  EXPECT_EQ(collect({client}, TL_EVENT_MESSAGE, 1).at(0).text, "and here");
}

TEST_P(ManyWorkersTest, TheApplicationChoosesThePrimaryPath) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  tl_address first{};
  tl_address second{};
  tl_address foreign{};
  ASSERT_EQ(tl_address_parse(kLeft, &first), 0);
  ASSERT_EQ(tl_address_parse("10.2.0.1", &second), 0);
  ASSERT_EQ(tl_address_parse("10.2.0.99", &foreign), 0);
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = kLeft, .affinity = worker}), 0);
    collect({client}, TL_EVENT_CONNECTED, 1);
    turns(100);  // the second path is confirmed (RFC 9260 section 5.4)
    EXPECT_EQ(meanwhile([&] { return tl_assoc_set_primary(client, assoc, &foreign); }),
              -EADDRNOTAVAIL);
    ASSERT_EQ(meanwhile([&] { return tl_assoc_set_primary(client, assoc, &second); }), 0)
        << last_error_;
    char text[46];
    const On changed = collect({client}, TL_EVENT_PRIMARY_CHANGED, 1).at(0);
    EXPECT_EQ(changed.event.assoc, assoc);
    EXPECT_STREQ(tl_address_text(&changed.event.address, text, sizeof(text)), "10.2.0.1");
    ASSERT_EQ(send_text(client, assoc, "by the second path"), 0);
    collect({server}, TL_EVENT_MESSAGE, 1);
    turns(100);
    tl_assoc_info info{};
    ASSERT_EQ(meanwhile([&] { return tl_assoc_query(client, assoc, &info); }), 0) << last_error_;
    EXPECT_EQ(info.worker, worker);
    ASSERT_EQ(info.path_count, 2U);
    for (uint32_t i = 0; i < info.path_count; ++i) {
      const tl_path_info& path = info.paths[i];
      const bool chosen = path.remote.bytes[1] == 2;
      EXPECT_EQ(path.primary != 0, chosen);
      EXPECT_EQ(path.state, TL_PATH_ACTIVE);
      EXPECT_EQ(path.mtu, 1500U);
      EXPECT_GT(path.rto_us, 0U);
      EXPECT_GT(path.packets_sent, 0U);
      EXPECT_GT(path.state_age_us, 0U);
      EXPECT_EQ(path.error_count, 0U);
      if (chosen) {
        EXPECT_GT(path.heartbeat_acks, 0U);
      }
    }
  }
}

// What the peer says when it aborts arrives, set up and being set up.
TEST_P(ManyWorkersTest, TheReasonOfAnAbortArrives) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = kLeft, .affinity = worker}), 0);
    const tl_assoc at_server = collect({server}, TL_EVENT_ACCEPTED, 1).at(0).event.assoc;
    collect({client}, TL_EVENT_CONNECTED, 1);
    ASSERT_EQ(tl_abort(server, at_server, "maintenance"), 0);
    const On lost = collect({client}, TL_EVENT_LOST, 1).at(0);
    EXPECT_EQ(lost.event.assoc, assoc);
    EXPECT_EQ(lost.event.reason, TL_REASON_RESET);
    EXPECT_EQ(lost.event.cause, 12);
    EXPECT_EQ(lost.text, "maintenance");
  }
}

// A client with associations at every worker dies while its messages are on the wire: each worker
// ends its own, and the memory may go when the last one has let go.
TEST_P(ManyWorkersTest, AClientDiesEverywhere) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  TestClient& dying = *clients_.back();
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  const uint32_t count = 4 * GetParam();
  for (uint32_t i = 0; i < count; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = kLeft}), 0);
  }
  for (const On& on : collect({client}, TL_EVENT_CONNECTED, count)) {
    ASSERT_EQ(send_text(client, on.event.assoc, bytes(3000, 'd')), 0);
  }
  for (auto& worker : right.workers) worker->bridge.drain_submissions(now_);
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    EXPECT_GT(dying.ring->channel(0, worker).tx_in_use(), 0U);
  }
  post_death(right, dying);
  size_t gone = 0;
  for (int i = 0; i < 100 && gone < GetParam(); ++i) {
    turns();
    gone += let_go(right);
  }
  EXPECT_EQ(gone, GetParam());
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    EXPECT_EQ(dying.ring->channel(0, worker).tx_in_use(), 0U);
    EXPECT_EQ(right.workers[worker]->shard.association_count(), 0U);
  }
  collect({server}, TL_EVENT_LOST, count);
  EXPECT_EQ(left.associations(), 0U);
}

// ---------------------------------------------------------------- everything in threads of its own

class BusyHostsTest : public ManyWorkersTest {
 protected:
  void run(Talker& server, Talker& client) {
    threads_.emplace_back([&] { server.run(); });
    threads_.emplace_back([&] { client.run(); });
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void expect_no_fault() const {
    for (const ShardedHost* host : {&left, &right}) {
      for (const auto& worker : host->workers) {
        for (const RingCounter c :
             {RingCounter::k_refuse_slot_twice, RingCounter::k_refuse_bad_return,
              RingCounter::k_refuse_bad_index, RingCounter::k_abort_lane_backlog}) {
          EXPECT_EQ(worker->bridge.counters().get(c), 0U) << counter_name(c);
        }
      }
    }
  }
  static ClientSetup roomy() {
    ClientSetup setup;
    setup.limits.backlog = 1024;
    return setup;
  }

  std::vector<std::thread> threads_;
};

INSTANTIATE_TEST_SUITE_P(Workers, BusyHostsTest, ::testing::Values(1, 2, 3));

TEST_P(BusyHostsTest, LanesExchangeEverything) {
  Talker::reset();
  const std::vector<tl_lane*> servers = attach(left, 2, roomy());
  const std::vector<tl_lane*> clients = attach(right, 2, roomy());
  std::vector<std::unique_ptr<Talker>> talkers;
  start();
  for (size_t pair = 0; pair < 2; ++pair) {
    talkers.push_back(std::make_unique<Talker>(servers[pair], true, kLeft, pair));
    talkers.push_back(std::make_unique<Talker>(clients[pair], false, kLeft, pair));
    run(*talkers[2 * pair], *talkers[2 * pair + 1]);
  }
  join();
  stop();
  for (const auto& talker : talkers) {
    EXPECT_EQ(talker->received, Talker::kAssociations * Talker::kMessages);
  }
  expect_no_fault();
}

// One client dies while it sends on associations of every worker, and never stops writing to its
// rings; the others notice nothing.
TEST_P(BusyHostsTest, AClientDiesInTheMiddleOfTraffic) {
  Talker::reset();
  tl_lane* const server_lane = attach(left, 1, roomy())[0];
  tl_lane* const client_lane = attach(right, 1, roomy())[0];
  tl_lane* const sink = attach(left, 1, roomy())[0];
  tl_lane* const victim = attach(right, 1, roomy())[0];
  TestClient& dying = *clients_.back();
  Talker server(server_lane, true, kLeft);
  Talker client(client_lane, false, kLeft);
  start();
  ASSERT_EQ(open_listener(sink, {.port = 7000}), 0) << tl_last_error();
  run(server, client);
  const size_t count = 2 * GetParam();
  std::atomic<bool> dead{false};
  std::atomic<size_t> received{0};
  std::atomic<size_t> lost{0};
  threads_.emplace_back([&] {
    for (size_t i = 0; i < count; ++i) {
      tl_assoc assoc = 0;
      EXPECT_EQ(dial(victim, &assoc, {.peer = kLeft, .port = 7000}), 0) << tl_last_error();
    }
    std::vector<tl_assoc> open;
    while (!dead.load()) {
      std::vector<tl_event> events = poll(victim);
      for (const tl_event& event : events) {
        if (event.kind == TL_EVENT_CONNECTED) open.push_back(event.assoc);
      }
      tl_event_release(victim, events.data(), events.size());
      if (open.size() < count) continue;
      for (const tl_assoc assoc : open) send_text(victim, assoc, "still alive");
    }
  });
  threads_.emplace_back([&] {
    while (lost.load() < count) {
      std::vector<tl_event> events = poll(sink);
      for (const tl_event& event : events) {
        received += event.kind == TL_EVENT_MESSAGE ? 1 : 0;
        lost += event.kind == TL_EVENT_LOST ? 1 : 0;
      }
      tl_event_release(sink, events.data(), events.size());
      if (!events.empty()) continue;
      EXPECT_GE(tl_wait(sink, 100), 0) << tl_last_error();
    }
  });
  while (received.load() < 50 * count) std::this_thread::yield();
  post_death(right, dying);
  for (size_t gone = 0; gone < GetParam(); gone += let_go(right)) std::this_thread::yield();
  dead.store(true);
  join();
  stop();
  for (uint32_t worker = 0; worker < GetParam(); ++worker) {
    EXPECT_EQ(dying.ring->channel(0, worker).tx_in_use(), 0U);
  }
  EXPECT_EQ(server.received, Talker::kAssociations * Talker::kMessages);
  EXPECT_EQ(client.received, Talker::kAssociations * Talker::kMessages);
  expect_no_fault();
}

}  // namespace
}  // namespace trunkline::test
