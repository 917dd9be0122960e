// SPDX-License-Identifier: BSD-3-Clause
// Applications over daemons of one to three workers, with the stack and steering in between: where
// associations come to live, which lane has them, and that they end everywhere.
#include "many_workers.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "appring/assoc_id.h"
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
  std::vector<std::string> names;
  for (const On& on : collect(lanes, TL_EVENT_ACCEPTED, kCount)) {
    const uint32_t worker = worker_of(on.lane, on.event.assoc);
    EXPECT_EQ(on.lane, lanes.at(worker));
    ++accepted[worker];
    tl_assoc_info info{};
    ASSERT_EQ(meanwhile([&] { return tl_assoc_query(on.lane, on.event.assoc, &info); }), 0)
        << last_error_;
    EXPECT_EQ(info.worker, worker);
    EXPECT_STREQ(info.state, "ESTABLISHED");
    // The operator calls it the same.
    const std::vector<AssocId> ids = left.workers[worker]->shard.associations();
    EXPECT_EQ(std::count_if(ids.begin(), ids.end(),
                            [&](AssocId id) { return appring::id_text(id) == info.id; }),
              1)
        << info.id;
    EXPECT_TRUE(std::all_of(names.begin(), names.end(),
                            [&](const std::string& name) { return name != info.id; }));
    names.emplace_back(info.id);
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

// ---------------------------------------------------------------- local addresses and ports

// Of 10.1.0.1 and 10.2.0.1, which the left host has.
TEST_P(ManyWorkersTest, TwoUsersHaveOnePortOnDifferentAddresses) {
  ClientSetup other;
  other.uid = 2000;
  tl_lane* const a = attach(left)[0];
  tl_lane* const b = attach(left, 1, other)[0];
  tl_lane* const client = attach(right)[0];
  const auto listen = [&](tl_lane* lane, std::vector<const char*> local) {
    return meanwhile([&] { return open_listener(lane, {.local = local}); });
  };
  ASSERT_EQ(listen(a, {"10.1.0.1"}), 0) << last_error_;
  ASSERT_EQ(listen(b, {"10.2.0.1"}), 0) << last_error_;
  for (const std::vector<const char*>& local :
       {std::vector<const char*>{}, {"10.1.0.1"}, {"0.0.0.0"}, {"::"}, {"10.1.0.1", "10.2.0.1"}}) {
    EXPECT_EQ(listen(b, local), -EADDRINUSE) << last_error_;
  }
  EXPECT_EQ(listen(b, {"10.2.0.1"}), 0) << "again, with another lane perhaps";
  EXPECT_EQ(listen(b, {"127.0.0.1"}), 0) << last_error_;
  constexpr size_t kCount = 12;
  for (size_t i = 0; i < kCount; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = i % 2 == 0 ? "10.1.0.1" : "10.2.0.1"}), 0);
  }
  for (const On& on : collect({client}, TL_EVENT_CONNECTED, kCount)) {
    tl_assoc_info info{};
    ASSERT_EQ(meanwhile([&] { return tl_assoc_query(client, on.event.assoc, &info); }), 0);
    EXPECT_EQ(info.path_count, 1U) << "only the set is announced";
  }
  EXPECT_EQ(collect({a}, TL_EVENT_ACCEPTED, kCount / 2).size(), kCount / 2);
  EXPECT_EQ(collect({b}, TL_EVENT_ACCEPTED, kCount / 2).size(), kCount / 2);
}

TEST_P(ManyWorkersTest, OnlyAddressesOfTheHostMayBeNamed) {
  tl_lane* const lane = attach(left)[0];
  const auto listen = [&](std::vector<const char*> local) {
    return meanwhile([&] { return open_listener(lane, {.local = local}); });
  };
  EXPECT_EQ(listen({"10.1.0.2"}), -EADDRNOTAVAIL) << "the right host's";
  EXPECT_EQ(listen({"10.1.0.1", "224.0.0.1"}), -EADDRNOTAVAIL);
  EXPECT_EQ(listen({"10.1.0.1", "0.0.0.0"}), -EADDRNOTAVAIL) << "RFC 6458 section 9.1";
  EXPECT_EQ(listen({"::", "::1"}), -EADDRNOTAVAIL);
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc, {.peer = kRight, .local = {"10.9.9.9"}}), 0);
  EXPECT_EQ(collect({lane}, TL_EVENT_CONNECT_FAILED, 1).at(0).event.error, -EADDRNOTAVAIL);
  ASSERT_EQ(dial(lane, &assoc, {.peer = kRight, .local = {"127.0.0.1"}}), 0);
  EXPECT_EQ(collect({lane}, TL_EVENT_CONNECT_FAILED, 1).at(0).event.error, -EADDRNOTAVAIL)
      << "loopback reaches no other host";
  uint64_t refused = 0;
  for (const auto& worker : left.workers) {
    refused += worker->bridge.counters().get(RingCounter::k_refuse_local_address);
  }
  EXPECT_EQ(refused, 4U * GetParam() + 1);
  EXPECT_EQ(listen({"10.1.0.1", "10.2.0.1", "127.0.0.9"}), 0) << last_error_;
}

TEST_P(ManyWorkersTest, AConnectGoesOutFromTheAddressesThatItNames) {
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(right)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  for (const char* from : {"10.1.0.2", "10.2.0.2"}) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = kLeft, .local_port = 7000, .local = {from}}), 0);
    const On accepted = collect({server}, TL_EVENT_ACCEPTED, 1).at(0);
    char text[64];
    EXPECT_STREQ(tl_address_text(&accepted.event.address, text, sizeof(text)), from);
    EXPECT_EQ(accepted.event.peer_port, 7000);
  }
}

// Whatever worker it has it at.
TEST_P(ManyWorkersTest, APortOfOneUserIsNoOtherUsersAtAnyWorker) {
  ClientSetup other;
  other.uid = 2000;
  tl_lane* const server = attach(left)[0];
  tl_lane* const a = attach(right)[0];
  tl_lane* const b = attach(right, 1, other)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  const uint32_t last = GetParam() - 1;
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(a, &assoc, {.peer = kLeft, .affinity = 0, .local_port = 7000}), 0);
  collect({a}, TL_EVENT_CONNECTED, 1);
  tl_assoc theirs = 0;
  ASSERT_EQ(dial(b, &theirs, {.peer = kLeft, .affinity = last, .local_port = 7000}), 0);
  EXPECT_EQ(collect({b}, TL_EVENT_CONNECT_FAILED, 1).at(0).event.error, -EACCES);
  EXPECT_EQ(meanwhile([&] { return open_listener(b, {.port = 7000}); }), -EADDRINUSE);
  EXPECT_EQ(meanwhile([&] { return open_listener(a, {.port = 7000}); }), 0) << "its own";
  ASSERT_EQ(tl_abort(a, assoc, nullptr), 0);
  collect({a}, TL_EVENT_LOST, 1);
}

TEST_P(ManyWorkersTest, ChosenPortsAreNobodyElsesAtAnyWorker) {
  ClientSetup other;
  other.uid = 2000;
  const std::vector<tl_lane*> lanes = {attach(right)[0], attach(right, 1, other)[0]};
  tl_lane* const server = attach(left)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  constexpr size_t kEach = 24;
  for (size_t i = 0; i < kEach; ++i) {
    for (tl_lane* lane : lanes) {
      tl_assoc assoc = 0;
      ASSERT_EQ(dial(lane, &assoc, {.peer = kLeft}), 0);
    }
  }
  std::set<uint16_t> ports;
  for (const On& on : collect(lanes, TL_EVENT_CONNECTED, 2 * kEach)) {
    EXPECT_TRUE(ports.insert(on.event.local_port).second) << on.event.local_port;
  }
}

// Through the stack, the bridge and back, at whichever worker; nothing leaves.
TEST_P(ManyWorkersTest, LoopbackReachesOtherApplicationsOfTheHost) {
  ClientSetup other;
  other.uid = 2000;
  tl_lane* const server = attach(left)[0];
  tl_lane* const client = attach(left, 1, other)[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(server); }), 0) << last_error_;
  for (const char* to : {"127.0.0.1", "127.0.0.5", "::1", "10.1.0.1"}) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(client, &assoc, {.peer = to}), 0);
    const On connected = collect({client}, TL_EVENT_CONNECTED, 1).at(0);
    EXPECT_EQ(connected.event.assoc, assoc);
    collect({server}, TL_EVENT_ACCEPTED, 1);
    ASSERT_EQ(send_text(client, assoc, to), 0);
    EXPECT_EQ(collect({server}, TL_EVENT_MESSAGE, 1).at(0).text, to);
    ASSERT_EQ(tl_shutdown(client, assoc), 0);
    collect({client}, TL_EVENT_CLOSED, 1);
  }
  EXPECT_EQ(left.sent.load(), 0U);
  EXPECT_EQ(right.sent.load(), 0U);
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
  for (const On& on : collect({client, server}, TL_EVENT_CONNECTED, kCount)) {
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
