// SPDX-License-Identifier: BSD-3-Clause
// Real threads on real rings: a worker thread with the bridge, application threads with the
// client library, sleeping and waking, rings that run full, and a ledger that nothing is lost,
// swapped or altered. ThreadSanitizer watches all of it.
#include <atomic>
#include <cstring>
#include <thread>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

struct Body {
  uint64_t number;
  uint64_t hash;
};

uint64_t hash_of(const uint8_t* data, size_t n) {
  uint64_t h = 0xcbf29ce484222325;
  for (size_t i = 0; i < n; ++i) h = (h ^ data[i]) * 0x100000001b3;
  return h;
}

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

// One end of the traffic: opens associations, sends `kMessages` on each, checks what comes.
class Talker {
 public:
  static constexpr uint64_t kMessages = 3000;
  static constexpr size_t kAssociations = 2;

  Talker(tl_lane* lane, bool listens) : lane_(lane), listens_(listens) {}

  void run() {
    if (listens_) {
      tl_listen_options options{};
      options.port = 5000;
      options.affinity = TL_ANY_WORKER;
      tl_listener listener = 0;
      ASSERT_EQ(tl_listen(lane_, &options, &listener), 0) << tl_last_error();
      listening.store(true);
    } else {
      while (!listening.load()) std::this_thread::yield();
      tl_address address{};
      ASSERT_EQ(tl_address_parse("192.0.2.7", &address), 0);
      tl_connect_options options{};
      options.addresses = &address;
      options.address_count = 1;
      options.peer_port = 5000;
      options.affinity = TL_ANY_WORKER;
      for (size_t i = 0; i < kAssociations; ++i) {
        tl_assoc assoc = 0;
        ASSERT_EQ(tl_connect(lane_, &options, &assoc), 0) << tl_last_error();
      }
    }
    uint64_t turns = 0;
    while (!done()) {
      const bool moved = receive();
      const bool sent = send();
      if (moved || sent) continue;
      // Sometimes spin, sometimes sleep, by each of the two ways to wait.
      if (++turns % 3 == 0) std::this_thread::yield();
      ASSERT_GE(tl_wait(lane_, 1000), 0) << tl_last_error();
    }
  }

  static std::atomic<bool> listening;
  uint64_t received = 0;
  uint64_t sent_events = 0;
  uint64_t writable_events = 0;

 private:
  struct Side {
    tl_assoc assoc = 0;
    uint64_t next_out = 0;
    uint64_t next_in = 0;
    bool blocked = false;
  };

  bool done() const {
    if (sides_.size() < kAssociations) return false;
    for (const Side& side : sides_) {
      if (side.next_in < kMessages || side.next_out < kMessages) return false;
    }
    return sent_events == kAssociations * kMessages / 5;
  }

  bool receive() {
    tl_event events[32];
    const int n = tl_poll(lane_, events, 32);
    EXPECT_GE(n, 0) << tl_last_error();
    for (int i = 0; i < n; ++i) {
      const tl_event& event = events[i];
      switch (event.kind) {
        case TL_EVENT_ACCEPTED:
        case TL_EVENT_CONNECTED:
          sides_.push_back({event.assoc, 0, 0, false});
          break;
        case TL_EVENT_MESSAGE:
          check(event);
          break;
        case TL_EVENT_SENT:
          EXPECT_EQ(event.context % 5, 0U);
          ++sent_events;
          break;
        case TL_EVENT_WRITABLE:
          side_of(event.assoc).blocked = false;
          ++writable_events;
          break;
        default:
          ADD_FAILURE() << tl_event_kind_name(event.kind) << " " << tl_reason_name(event.reason);
      }
    }
    tl_event_release(lane_, events, static_cast<size_t>(n));
    return n > 0;
  }

  void check(const tl_event& event) {
    Side& side = side_of(event.assoc);
    uint8_t bytes[4096];
    ASSERT_LE(event.length, sizeof(bytes));
    ASSERT_EQ(tl_event_copy(lane_, &event, bytes, sizeof(bytes)), event.length);
    Body body;
    memcpy(&body, bytes, sizeof(body));
    EXPECT_EQ(body.number, side.next_in);
    EXPECT_EQ(body.hash, hash_of(bytes + sizeof(body), event.length - sizeof(body)));
    EXPECT_EQ(event.ppid, static_cast<uint32_t>(body.number));
    ++side.next_in;
    ++received;
  }

  bool send() {
    bool any = false;
    for (Side& side : sides_) {
      while (side.next_out < kMessages && !side.blocked) {
        uint8_t bytes[4096];
        const auto filler = static_cast<uint32_t>(side.next_out * 131 % 1500);
        const auto length = static_cast<uint32_t>(sizeof(Body)) + filler;
        memset(bytes + sizeof(Body), static_cast<int>(side.next_out), filler);
        const Body body{side.next_out, hash_of(bytes + sizeof(Body), filler)};
        memcpy(bytes, &body, sizeof(body));
        tl_message message{};
        message.data = bytes;
        message.length = length;
        message.stream = static_cast<uint16_t>(side.next_out % 10);
        message.ppid = static_cast<uint32_t>(side.next_out);
        message.context = side.next_out;
        message.flags = side.next_out % 5 == 0 ? TL_SEND_NOTIFY : 0;
        const int result = tl_send(lane_, side.assoc, &message);
        if (result == -EAGAIN) {
          side.blocked = true;
          break;
        }
        EXPECT_EQ(result, 0) << tl_last_error();
        if (result != 0) return false;
        ++side.next_out;
        any = true;
      }
    }
    return any;
  }

  Side& side_of(tl_assoc assoc) {
    for (Side& side : sides_) {
      if (side.assoc == assoc) return side;
    }
    ADD_FAILURE() << "unknown association";
    return sides_.emplace_back();
  }

  tl_lane* lane_;
  bool listens_;
  std::vector<Side> sides_;
};

std::atomic<bool> Talker::listening{false};

TEST_F(StressTest, TwoApplicationsAndAWorker) {
  Talker::listening.store(false);
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
  Talker::listening.store(false);
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
