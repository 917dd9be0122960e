// SPDX-License-Identifier: BSD-3-Clause
// One application over a daemon of one to three workers: what the library does at all of them at
// once, and what it keeps apart. The workers are turned by hand, so that they disagree when a test
// wants it.
#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "mini_daemon.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

class WorkersTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  WorkersTest() : config(attach_config(dir.file("sock"))), daemon(patient(config), GetParam()) {}
  ~WorkersTest() override {
    for (tl_client* client : clients_) tl_detach(client);
  }
  static appring::AttachConfig& patient(appring::AttachConfig& config) {
    config.limits.handshake_timeout = std::chrono::milliseconds(60'000);
    return config;
  }
  // What the application does while the daemon runs; it stands still again afterwards.
  template <typename Call>
  int meanwhile(Call call) {
    daemon.start();
    const int result = call();
    daemon.pause();
    return result;
  }
  std::vector<tl_lane*> attach(uint32_t lanes = 1) {
    tl_client* client = nullptr;
    std::vector<tl_lane*> out(lanes);
    EXPECT_EQ(meanwhile([&] {
                tl_options options{};
                options.lanes = lanes;
                const int error = tl_attach(config.socket_path.c_str(), &options, &client);
                if (error == 0) clients_.push_back(client);
                return error;
              }),
              0)
        << tl_last_error();
    for (tl_lane*& lane : out) EXPECT_EQ(tl_lane_open(client, &lane), 0) << tl_last_error();
    return out;
  }
  // One worker alone.
  void turn(size_t worker) {
    const auto deliver = [&](Event& event) { daemon.bridges[worker]->deliver(daemon.now, event); };
    daemon.bridges[worker]->drain_submissions(daemon.now);
    daemon.shards[worker]->run(deliver);
    daemon.bridges[worker]->flush();
  }
  // A peer calls, and this worker answers.
  AssocId accept(size_t worker, uint16_t port = 5000) {
    FakeShard& shard = *daemon.shards[worker];
    for (const auto& [id, endpoint] : shard.endpoints) {
      if (endpoint.port != PortNumber(port) || !shard.listening[id]) continue;
      const AssocId out = shard.accept(EndpointId(id), endpoint.user);
      const auto deliver = [&](Event& event) {
        daemon.bridges[worker]->deliver(daemon.now, event);
      };
      shard.run(deliver);
      daemon.bridges[worker]->flush();
      return out;
    }
    return {};
  }
  static std::vector<tl_event> poll(tl_lane* lane, size_t max = 64) {
    std::vector<tl_event> events(max);
    const int n = tl_poll(lane, events.data(), max);
    EXPECT_GE(n, 0) << tl_last_error();
    events.resize(n < 0 ? 0 : static_cast<size_t>(n));
    tl_event_release(lane, events.data(), events.size());
    return events;
  }
  static size_t count(const std::vector<tl_event>& events, int kind) {
    return static_cast<size_t>(std::count_if(events.begin(), events.end(), [&](const tl_event& e) {
      return static_cast<int>(e.kind) == kind;
    }));
  }
  uint32_t workers() const { return GetParam(); }

  TempDir dir;
  appring::AttachConfig config;
  MiniDaemon daemon;
  std::vector<tl_client*> clients_;
};

INSTANTIATE_TEST_SUITE_P(Workers, WorkersTest, ::testing::Values(1, 2, 3));

// One worker does not disagree with itself.
class SeveralWorkersTest : public WorkersTest {};

INSTANTIATE_TEST_SUITE_P(Workers, SeveralWorkersTest, ::testing::Values(2, 3));

// ---------------------------------------------------------------- listening

TEST_P(WorkersTest, AListenIsAtAllWorkersOrAtNone) {
  tl_lane* const lane = attach()[0];
  tl_listener listener = 0;
  ASSERT_EQ(meanwhile([&] { return open_listener(lane, {.port = 70}, &listener); }), 0);
  for (const auto& bridge : daemon.bridges) EXPECT_EQ(bridge->endpoints_in_use(), 1U);
  for (uint32_t refuses = 0; refuses < workers(); ++refuses) {
    daemon.shards[refuses]->next_endpoint = Status::kOutOfResources;
    EXPECT_EQ(meanwhile([&] { return open_listener(lane); }), -ENOMEM);
    EXPECT_NE(std::string(tl_last_error()).find("worker " + std::to_string(refuses)),
              std::string::npos)
        << tl_last_error();
    daemon.shards[refuses]->next_endpoint = Status::kOk;
    daemon.turn();
    for (const auto& bridge : daemon.bridges) EXPECT_EQ(bridge->endpoints_in_use(), 1U);
  }
  ASSERT_EQ(tl_unlisten(lane, listener), 0);
  EXPECT_EQ(tl_unlisten(lane, listener), -ENOENT);
  daemon.turn();
  for (const auto& bridge : daemon.bridges) EXPECT_EQ(bridge->endpoints_in_use(), 0U);
  EXPECT_EQ(poll(lane).size(), 0U);
}

// A worker that has listened at once has had callers before another one refuses.
TEST_P(SeveralWorkersTest, CallersOfAListenThatFailsAreSentAway) {
  tl_lane* const lane = attach()[0];
  FakeShard& first = *daemon.shards[0];
  daemon.shards[1]->next_endpoint = Status::kOutOfResources;
  int result = 0;
  std::atomic<bool> asked{false};
  std::thread application([&] {
    asked.store(true);
    result = open_listener(lane);
  });
  while (!asked.load() || daemon.bridges[0]->endpoints_in_use() == 0) turn(0);
  const AssocId early = accept(0);
  const std::string text = "hello";
  first.inject(early, std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()), 0, 0,
               [&](Event& event) { daemon.bridges[0]->deliver(daemon.now, event); });
  daemon.bridges[0]->flush();
  EXPECT_EQ(daemon.bridges[0]->associations(), 1U);
  for (size_t worker = 1; worker < workers(); ++worker) {
    while (daemon.bridges[worker]->counters().get(RingCounter::k_ring_submissions) == 0) {
      turn(worker);
    }
  }
  application.join();
  EXPECT_EQ(result, -ENOMEM);
  const AssocId late = accept(0);  // before the worker has seen that nobody listens any more
  ASSERT_TRUE(late.is_valid());
  EXPECT_EQ(poll(lane).size(), 0U);
  for (int i = 0; i < 3; ++i) daemon.turn();
  EXPECT_EQ(poll(lane).size(), 0U);
  EXPECT_EQ(first.aborts, 2U);
  EXPECT_EQ(daemon.bridges[0]->associations(), 0U);
  EXPECT_EQ(daemon.bridges[0]->endpoints_in_use(), 0U);
  // Nothing of it is left in the lane: the next one works, with payload both ways.
  daemon.shards[1]->next_endpoint = Status::kOk;
  ASSERT_EQ(meanwhile([&] { return open_listener(lane); }), 0);
  ASSERT_TRUE(accept(0).is_valid());
  EXPECT_EQ(count(poll(lane), TL_EVENT_ACCEPTED), 1U);
}

TEST_P(WorkersTest, LanesTakeTurnsOverAllWorkers) {
  std::vector<tl_lane*> lanes = attach(3);
  lanes.push_back(attach()[0]);  // another process of the same user
  for (tl_lane* lane : lanes) {
    ASSERT_EQ(meanwhile([&] { return open_listener(lane); }), 0) << tl_last_error();
  }
  // The first association of each worker goes to a lane of its own.
  std::map<tl_lane*, size_t> got;
  const auto collect = [&] {
    for (tl_lane* lane : lanes) got[lane] += count(poll(lane), TL_EVENT_ACCEPTED);
  };
  for (uint32_t worker = 0; worker < workers(); ++worker) accept(worker);
  collect();
  for (tl_lane* lane : lanes) EXPECT_LE(got[lane], 1U);
  for (int i = 0; i < 11; ++i) {
    for (uint32_t worker = 0; worker < workers(); ++worker) accept(worker);
  }
  collect();
  for (tl_lane* lane : lanes) EXPECT_EQ(got[lane], 3U * workers());
}

TEST_P(WorkersTest, ALaneForEachWorker) {
  const std::vector<tl_lane*> lanes = attach(workers());
  for (uint32_t worker = 0; worker < workers(); ++worker) {
    ASSERT_EQ(meanwhile([&] { return open_listener(lanes[worker], {.affinity = worker}); }), 0);
  }
  for (int i = 0; i < 5; ++i) {
    for (uint32_t worker = 0; worker < workers(); ++worker) accept(worker);
  }
  for (uint32_t worker = 0; worker < workers(); ++worker) {
    const std::vector<tl_event> events = poll(lanes[worker]);
    EXPECT_EQ(count(events, TL_EVENT_ACCEPTED), 5U);
    for (const tl_event& event : events) {
      uint32_t at = UINT32_MAX;
      ASSERT_EQ(tl_assoc_worker(lanes[worker], event.assoc, &at), 0) << tl_last_error();
      EXPECT_EQ(at, worker);
    }
  }
}

// While some lanes stop listening and others begin, every association goes to one that listens.
TEST_P(WorkersTest, LanesComeAndGo) {
  const std::vector<tl_lane*> lanes = attach(4);
  std::vector<tl_listener> listeners(lanes.size());
  ASSERT_EQ(meanwhile([&] { return open_listener(lanes[0], {}, &listeners[0]); }), 0);
  size_t accepted = 0;
  size_t told = 0;
  for (size_t round = 0; round < 12; ++round) {
    const size_t comes = (round + 1) % lanes.size();
    const size_t goes = round % lanes.size();
    ASSERT_EQ(meanwhile([&] { return open_listener(lanes[comes], {}, &listeners[comes]); }), 0);
    for (uint32_t worker = 0; worker < workers(); ++worker) {
      accepted += accept(worker).is_valid() ? 1 : 0;
    }
    ASSERT_EQ(tl_unlisten(lanes[goes], listeners[goes]), 0);
    // Some workers know it already.
    for (uint32_t worker = 0; worker < workers(); ++worker) {
      if (worker % 2 == 0) turn(worker);
      accepted += accept(worker).is_valid() ? 1 : 0;
      turn(worker);
      accepted += accept(worker).is_valid() ? 1 : 0;
    }
    for (tl_lane* lane : lanes) {
      for (const tl_event& event : poll(lane)) {
        if (event.kind != TL_EVENT_ACCEPTED) continue;
        ++told;
        EXPECT_EQ(tl_abort(lane, event.assoc, nullptr), 0);
      }
    }
    daemon.turn();
  }
  EXPECT_EQ(accepted, 12U * 3U * workers());
  EXPECT_EQ(told, accepted);
  for (const auto& bridge : daemon.bridges) {
    EXPECT_EQ(bridge->counters().get(RingCounter::k_refuse_accept_no_listener), 0U);
    EXPECT_EQ(bridge->endpoints_in_use(), 1U);
  }
}

// An endpoint lives on where it has associations and goes elsewhere; who listens next finds the
// same at all workers.
TEST_P(WorkersTest, ListenersAgreeOnAProfileAtEveryWorker) {
  const std::vector<tl_lane*> lanes = attach(2);
  tl_listener listener = 0;
  ASSERT_EQ(meanwhile([&] { return open_listener(lanes[0], {.profile = "fast"}, &listener); }), 0);
  EXPECT_EQ(meanwhile([&] { return open_listener(lanes[1], {.profile = "default"}); }), -ENOENT);
  ASSERT_TRUE(accept(0).is_valid());
  ASSERT_EQ(tl_unlisten(lanes[0], listener), 0);
  daemon.turn();
  EXPECT_EQ(daemon.bridges[0]->endpoints_in_use(), 1U);
  for (uint32_t worker = 1; worker < workers(); ++worker) {
    EXPECT_EQ(daemon.bridges[worker]->endpoints_in_use(), 0U);
  }
  ASSERT_EQ(meanwhile([&] { return open_listener(lanes[1]); }), 0);  // the endpoint's own
  EXPECT_EQ(meanwhile([&] { return open_listener(lanes[0], {.profile = "fast"}); }), -EADDRINUSE);
  for (uint32_t worker = 0; worker < workers(); ++worker) accept(worker);
  for (const tl_event& event : poll(lanes[1])) {
    // 16 KiB; the profile "fast" would end at 1000.
    EXPECT_EQ(send_text(lanes[1], event.assoc, bytes(1001, 'x')), 0) << tl_last_error();
  }
}

// Packets of strangers reach any worker, and meet with the same there.
TEST_P(WorkersTest, ConfiguredEndpointsAreAtEveryWorkerFromTheStart) {
  for (const auto& shard : daemon.shards) {
    ASSERT_EQ(shard->endpoints.size(), 1U);
    EXPECT_EQ(shard->endpoints.begin()->second.port, PortNumber(2905));
    EXPECT_EQ(shard->endpoints.begin()->second.out_of_blue, OutOfBlue::kSilent);
  }
}

// ---------------------------------------------------------------- connecting

TEST_P(WorkersTest, ConnectsSpreadOverWorkersWhateverTheLane) {
  const std::vector<tl_lane*> lanes = attach(6);
  ASSERT_EQ(meanwhile([&] { return open_listener(lanes[0]); }), 0);
  for (tl_lane* lane : lanes) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(lane, &assoc), 0);
    uint32_t worker = UINT32_MAX;
    ASSERT_EQ(tl_assoc_worker(lane, assoc, &worker), 0);
    EXPECT_LT(worker, workers());
  }
  daemon.turn();
  for (const auto& bridge : daemon.bridges) EXPECT_EQ(bridge->associations(), 12U / workers());
}

TEST_P(WorkersTest, AWorkerWithoutRoomDoesNotStopTheOthers) {
  tl_client* client = nullptr;
  tl_options options{};
  options.submission_size = 16;
  ASSERT_EQ(meanwhile([&] { return tl_attach(config.socket_path.c_str(), &options, &client); }), 0);
  clients_.push_back(client);
  tl_lane* lane = nullptr;
  ASSERT_EQ(tl_lane_open(client, &lane), 0);
  tl_assoc assoc = 0;
  int error = 0;
  while (error == 0) error = dial(lane, &assoc, {.affinity = 0});
  EXPECT_EQ(error, -EAGAIN);
  for (uint32_t i = 0; i < 16 * (workers() - 1); ++i) {
    ASSERT_EQ(dial(lane, &assoc), 0) << i << " " << tl_last_error();
  }
  EXPECT_EQ(dial(lane, &assoc), -EAGAIN);
}

// ---------------------------------------------------------------- ids

TEST_P(WorkersTest, AnAssociationIsItsLanesAlone) {
  const std::vector<tl_lane*> lanes = attach(2);
  ASSERT_EQ(meanwhile([&] { return open_listener(lanes[0]); }), 0);
  std::vector<tl_assoc> assocs(2);
  for (size_t i = 0; i < 2; ++i) ASSERT_EQ(dial(lanes[i], &assocs[i]), 0);
  daemon.turn();
  for (tl_lane* lane : lanes) poll(lane);
  EXPECT_NE(assocs[0], assocs[1]);
  const tl_assoc foreign = assocs[1];
  tl_assoc_info info{};
  tl_buffer buffer{};
  uint32_t worker = 0;
  EXPECT_EQ(send_text(lanes[0], foreign, "x"), -ENOTCONN);
  EXPECT_STREQ(tl_last_error(), "this is lane 0, and the association belongs to lane 1");
  EXPECT_EQ(tl_buffer_alloc(lanes[0], foreign, 1, &buffer), -ENOTCONN);
  EXPECT_EQ(tl_shutdown(lanes[0], foreign), -ENOTCONN);
  EXPECT_EQ(tl_abort(lanes[0], foreign, nullptr), -ENOTCONN);
  EXPECT_EQ(tl_assoc_query(lanes[0], foreign, &info), -ENOTCONN);
  EXPECT_EQ(tl_assoc_worker(lanes[0], foreign, &worker), -ENOTCONN);
  EXPECT_EQ(tl_assoc_set_user(lanes[0], foreign, 1), -ENOTCONN);
  EXPECT_EQ(send_text(lanes[1], foreign, "x"), 0) << tl_last_error();
  // Buffers are a worker's.
  for (uint32_t other = 1; other < workers(); ++other) {
    tl_assoc here = 0;
    tl_assoc there = 0;
    ASSERT_EQ(dial(lanes[0], &here, {.affinity = 0}), 0);
    ASSERT_EQ(dial(lanes[0], &there, {.affinity = other}), 0);
    daemon.turn();
    poll(lanes[0]);
    ASSERT_EQ(tl_buffer_alloc(lanes[0], here, 10, &buffer), 0);
    const tl_message how{};
    EXPECT_EQ(tl_send_buffer(lanes[0], there, &buffer, &how), -EINVAL);
    EXPECT_NE(std::string(tl_last_error()).find("another worker"), std::string::npos);
    EXPECT_EQ(tl_send_buffer(lanes[0], here, &buffer, &how), 0) << tl_last_error();
  }
}

// A client that writes an association's id into the rings of another worker reaches nobody.
TEST_P(WorkersTest, AnIdInTheRingsOfAnotherWorkerFindsNothing) {
  tl_lane* const lane = attach()[0];
  ASSERT_EQ(meanwhile([&] { return open_listener(lane); }), 0);
  const AssocId wire = accept(0);
  ASSERT_EQ(poll(lane).size(), 1U);
  for (uint32_t worker = 1; worker < workers(); ++worker) {
    tlr_submission& entry = lane->channels[worker].next_submission();
    entry.op = TLR_OP_ABORT;
    entry.slot = TLR_NO_SLOT;
    entry.assoc_index = wire.slot;
    entry.assoc_generation = wire.generation;
    lane->channels[worker].publish();
    turn(worker);
    EXPECT_EQ(daemon.bridges[worker]->counters().get(RingCounter::k_refuse_no_association), 1U);
  }
  EXPECT_EQ(daemon.bridges[0]->associations(), 1U);
}

// ---------------------------------------------------------------- fairness

class BusyWorkersTest : public WorkersTest {
 protected:
  void SetUp() override {
    lane = attach()[0];
    ASSERT_EQ(meanwhile([&] { return open_listener(lane); }), 0);
    for (uint32_t worker = 0; worker < workers(); ++worker) {
      wires.push_back(accept(worker));
      assocs.push_back(poll(lane).at(0).assoc);
    }
  }
  // Messages wait in that worker's ring.
  void receive(size_t worker, size_t messages) {
    const uint8_t byte = 1;
    for (size_t i = 0; i < messages; ++i) {
      daemon.shards[worker]->inject(
          wires[worker], {&byte, 1}, 0, static_cast<uint32_t>(worker),
          [&](Event& event) { daemon.bridges[worker]->deliver(daemon.now, event); });
    }
    daemon.bridges[worker]->flush();
  }

  tl_lane* lane = nullptr;
  std::vector<AssocId> wires;
  std::vector<tl_assoc> assocs;
};

INSTANTIATE_TEST_SUITE_P(Workers, BusyWorkersTest, ::testing::Values(1, 2, 3));

TEST_P(BusyWorkersTest, EachWorkersRingComesFirstInTurn) {
  for (uint32_t worker = 0; worker < workers(); ++worker) receive(worker, 8);
  std::set<uint32_t> first;
  for (uint32_t i = 0; i < workers(); ++i) {
    const std::vector<tl_event> events = poll(lane, 4);
    ASSERT_EQ(events.size(), 4U);
    for (const tl_event& event : events) EXPECT_EQ(event.ppid, events[0].ppid);
    first.insert(events[0].ppid);
  }
  EXPECT_EQ(first.size(), workers());
}

// One worker's messages fill every burst; that another has room again is told all the same.
TEST_P(BusyWorkersTest, WritableIsToldWhileMessagesPourIn) {
  const uint32_t quiet = workers() - 1;
  int error = 0;
  size_t sent = 0;
  for (; error == 0; ++sent) error = send_text(lane, assocs[quiet], "x");
  EXPECT_EQ(error, -EAGAIN);
  for (int i = 0; i < 10; ++i) turn(quiet);  // all of it is acknowledged
  ASSERT_EQ(lane->channels[quiet].operations(), sent - 1);
  size_t polls = 0;
  for (size_t writable = 0; writable == 0; ++polls) {
    ASSERT_LT(polls, 10U);
    for (uint32_t worker = 0; worker < workers(); ++worker) receive(worker, 4);
    writable = count(poll(lane, 4), TL_EVENT_WRITABLE);
  }
}

}  // namespace
}  // namespace trunkline::test
