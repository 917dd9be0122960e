// SPDX-License-Identifier: BSD-3-Clause
// A bridge over a fake shard, and clients that are attached to it. Single-threaded tests turn the
// crank with turn().
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "appring/bridge.h"
#include "attached_client.h"
#include "fake_shard.h"

namespace trunkline::test {

class RingHarness : public ::testing::Test {
 protected:
  explicit RingHarness(const appring::BridgeConfig& config = test_bridge_config())
      : bridge(config, shard) {}
  ~RingHarness() override;

  // Attaches a client and opens its first lane.
  TestClient& attach(const ClientSetup& setup = {});
  tl_lane* lane_of(TestClient& client);
  // One iteration of a worker.
  void turn(size_t limit = SIZE_MAX);
  // Everything that has happened on a lane; payload of messages is copied and given back.
  struct Got {
    tl_event event;
    std::string text;
  };
  std::vector<Got> poll(tl_lane* lane);
  // The first event of a kind; fails the test if there is none.
  static const Got& only(const std::vector<Got>& events, int kind);
  static size_t count(const std::vector<Got>& events, int kind);

  // Calls that wait for the daemon, with the daemon answering: runs `call` in a second thread.
  int with_daemon(const std::function<int()>& call);
  int listen(tl_lane* lane, uint16_t port, tl_listener* out = nullptr, uint64_t user = 0,
             const char* profile = nullptr);
  int connect(tl_lane* lane, uint16_t port, tl_assoc* out, uint64_t user = 0);
  // Two ends of one association, on the given lanes.
  struct Pair {
    tl_assoc client = 0;
    tl_assoc server = 0;
  };
  Pair join(tl_lane* client, tl_lane* server, uint16_t port = 5000);
  static int send(tl_lane* lane, tl_assoc assoc, std::string_view text, uint16_t stream = 0,
                  uint16_t flags = 0, uint64_t context = 0);

  uint64_t counter(appring::RingCounter which) const { return bridge.counters().get(which); }
  static tlr_channel& shared(TestClient& client) {
    return *reinterpret_cast<tlr_channel*>(client.ring->segment->channel(0, 0));
  }

  FakeShard shard;
  appring::Bridge bridge;
  std::vector<std::unique_ptr<TestClient>> clients;
  TimePoint now = TimePoint::from_ns(1);
  size_t gone = 0;      // clients that the bridge has let go
  size_t detached = 0;  // clients whose segment it needs no more; it is unmapped then
  size_t faults = 0;
};

}  // namespace trunkline::test
