// SPDX-License-Identifier: BSD-3-Clause
// Sleeping and waking with several workers, each in a thread of its own: a lane waits on one
// descriptor for all of them, a worker on one for all lanes. Everybody sleeps as soon as there is
// nothing to do, for so long that a wake-up that is lost fails the test. ThreadSanitizer watches.
#include <atomic>
#include <thread>

#include <sys/eventfd.h>
#include <unistd.h>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

constexpr auto kForEver = std::chrono::seconds(20);
constexpr int kForEverMs = 20'000;
constexpr uint64_t kRounds = 2000;

class WakeupTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  struct Worker {
    explicit Worker(const appring::BridgeConfig& config) : bridge(config, shard) {}
    FakeShard shard;
    appring::Bridge bridge;
    std::thread thread;
  };

  WakeupTest() {
    for (uint32_t i = 0; i < GetParam(); ++i) {
      appring::BridgeConfig config = test_bridge_config();
      config.worker = static_cast<uint16_t>(i);
      config.workers = static_cast<uint16_t>(GetParam());
      workers_.push_back(std::make_unique<Worker>(config));
    }
  }
  void attach(uint32_t lanes) {
    ClientSetup setup;
    setup.geometry.lanes = lanes;
    setup.geometry.workers = GetParam();
    client_ = std::make_unique<TestClient>(make_client(setup));
    for (size_t i = 0; i < workers_.size(); ++i) {
      appring::BridgeMailbox& mailbox = workers_[i]->bridge.mailbox();
      mailbox.watch(client_->ring->doorbells[i]);
      EXPECT_TRUE(mailbox.post_to_worker({appring::MailKind::kAdd, client_->ring.get()}));
      mailbox.watch(stop_fd_);
      workers_[i]->thread = std::thread([this, i] { run(*workers_[i]); });
    }
  }
  // What a worker counts is its own while it runs.
  void halt() {
    stop_.store(true);
    eventfd_write(stop_fd_, 1);
    for (auto& worker : workers_) {
      if (worker->thread.joinable()) worker->thread.join();
    }
  }
  ~WakeupTest() override {
    halt();
    for (auto& worker : workers_) {
      worker->bridge.close_all(now_, true);
      for (int i = 0; i < 2; ++i) turn(*worker);
    }
    close(stop_fd_);
  }
  size_t turn(Worker& worker) const {
    size_t work = worker.bridge.drain_submissions(now_);
    work += worker.shard.run([&](Event& event) { worker.bridge.deliver(now_, event); });
    worker.bridge.flush();
    return work;
  }
  void run(Worker& worker) const {
    while (!stop_.load()) {
      if (turn(worker) != 0) continue;
      worker.bridge.arm();
      if (!worker.bridge.has_work() && !stop_.load()) worker.bridge.wait(kForEver);
      worker.bridge.disarm();
    }
  }
  // One ball per worker, each thrown back as soon as it comes.
  void play(tl_lane* lane, uint16_t port) const {
    ASSERT_EQ(open_listener(lane, {.port = port}), 0) << tl_last_error();
    for (uint32_t worker = 0; worker < GetParam(); ++worker) {
      tl_assoc assoc = 0;
      ASSERT_EQ(dial(lane, &assoc, {.port = port, .affinity = worker, .user = worker + 1}), 0)
          << tl_last_error();
    }
    std::vector<uint64_t> rounds(GetParam());
    size_t playing = GetParam();
    while (playing != 0) {
      tl_event events[16];
      const int n = tl_poll(lane, events, 16);
      ASSERT_GE(n, 0) << tl_last_error();
      for (int i = 0; i < n; ++i) {
        tl_event& event = events[i];
        if (event.kind == TL_EVENT_CONNECTED) {
          ASSERT_EQ(send_text(lane, event.assoc, "ball"), 0) << tl_last_error();
        } else if (event.kind == TL_EVENT_MESSAGE) {
          uint32_t worker = 0;
          ASSERT_EQ(tl_assoc_worker(lane, event.assoc, &worker), 0);
          if (++rounds[worker] == kRounds) {
            --playing;
          } else {
            ASSERT_EQ(send_text(lane, event.assoc, "ball"), 0) << tl_last_error();
          }
        }
      }
      tl_event_release(lane, events, static_cast<size_t>(n));
      if (n == 0 && playing != 0) {
        ASSERT_EQ(tl_wait(lane, kForEverMs), 1) << "a wake-up was lost";
      }
    }
  }

  TimePoint now_ = TimePoint::from_ns(1);
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<TestClient> client_;
  std::atomic<bool> stop_{false};
  int stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
};

TEST_P(WakeupTest, NoneIsLost) {
  attach(2);
  std::vector<std::thread> applications;
  for (uint32_t i = 0; i < 2; ++i) {
    tl_lane* lane = nullptr;
    ASSERT_EQ(tl_lane_open(client_->api, &lane), 0);
    applications.emplace_back([=, this] { play(lane, static_cast<uint16_t>(5000 + i)); });
  }
  for (std::thread& application : applications) application.join();
  halt();
  uint64_t doorbells = 0;
  for (auto& worker : workers_) {
    doorbells += worker->bridge.counters().get(appring::RingCounter::k_ring_doorbells);
  }
  EXPECT_GT(doorbells, 0U);  // somebody slept
}

INSTANTIATE_TEST_SUITE_P(Workers, WakeupTest, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace trunkline::test
