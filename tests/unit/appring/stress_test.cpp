// SPDX-License-Identifier: BSD-3-Clause
// Real threads on real rings: a worker thread with the bridge, application threads with the
// client library, sleeping and waking, rings that run full, and a ledger that nothing is lost,
// swapped or altered. ThreadSanitizer watches all of it.
#include <atomic>
#include <thread>

#include "ring_harness.h"
#include "talker.h"

namespace trunkline::test {
namespace {

class StressTest : public RingHarness {
 protected:
  // The worker's loop as app_ring.h describes it, idle included.
  void run_worker() {
    const auto deliver = [&](Event& event) { bridge.deliver(now, event); };
    while (!stop_.load(std::memory_order_relaxed)) {
      size_t work = bridge.drain_submissions(now);
      work += shard.run(deliver);
      bridge.flush();
      if (work != 0) continue;
      bridge.arm();
      if (!bridge.has_work()) bridge.wait(std::chrono::milliseconds(50));
      bridge.disarm();
    }
  }

  std::atomic<bool> stop_{false};
};

TEST_F(StressTest, TwoApplicationsAndAWorker) {
  Talker::reset();
  shard.window = 16 * 1024;
  ClientSetup setup;
  setup.limits.backlog = 1024;  // more than the shard's window, as in a real configuration
  tl_lane* const server_lane = lane_of(attach(setup));
  tl_lane* const client_lane = lane_of(attach(setup));
  std::thread worker([&] { run_worker(); });
  Talker server(server_lane, true);
  Talker client(client_lane, false);
  std::thread server_thread([&] { server.run(); });
  std::thread client_thread([&] { client.run(); });
  server_thread.join();
  client_thread.join();
  stop_.store(true);
  worker.join();
  EXPECT_EQ(server.received, Talker::kAssociations * Talker::kMessages);
  EXPECT_EQ(client.received, Talker::kAssociations * Talker::kMessages);
  EXPECT_GT(server.writable_events + client.writable_events, 0U);  // rings did run full
  EXPECT_EQ(shard.chains_out, 0U);
  for (const auto& c :
       {appring::RingCounter::k_refuse_slot_twice, appring::RingCounter::k_refuse_bad_return,
        appring::RingCounter::k_refuse_bad_index, appring::RingCounter::k_refuse_send_credit,
        appring::RingCounter::k_ring_submission_stalls}) {
    EXPECT_EQ(counter(c), 0U) << counter_name(c);
  }
}

// Two lanes of one client, each with its own thread, on one listener port.
TEST_F(StressTest, TwoLanesOfOneClient) {
  Talker::reset();
  shard.window = 16 * 1024;
  ClientSetup setup;
  setup.geometry.lanes = 2;
  setup.limits.backlog = 1024;
  TestClient& both = attach(setup);
  tl_lane* const server_lane = lane_of(both);
  tl_lane* const client_lane = lane_of(both);
  tl_lane* none = nullptr;
  EXPECT_EQ(tl_lane_open(both.api, &none), -EUSERS);
  std::thread worker([&] { run_worker(); });
  Talker server(server_lane, true);
  Talker client(client_lane, false);
  std::thread server_thread([&] { server.run(); });
  client.run();
  server_thread.join();
  stop_.store(true);
  worker.join();
  EXPECT_EQ(server.received + client.received, 2 * Talker::kAssociations * Talker::kMessages);
}

}  // namespace
}  // namespace trunkline::test
