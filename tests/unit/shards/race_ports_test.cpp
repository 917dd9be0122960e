// SPDX-License-Identifier: BSD-3-Clause
// Threads that race for ports as the shards of one host do. What must hold at every moment is
// checked by the threads themselves; ThreadSanitizer watches them in the threads-tsan suite.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "endpoint/endpoint.h"
#include "support/ip.h"

namespace trunkline {
namespace {

using test::ip;

constexpr uint32_t kPortRacers = 4;
constexpr int kPortOperations = 3000;
constexpr uint16_t kNamed = 2905;

// What the threads know beside the table: who has a port, by its number. Set after it was given,
// cleared before it is given back: whoever finds it set has been given what another has.
struct PortModel {
  std::array<std::atomic<uint32_t>, 65536> holders{};
  std::atomic<uint32_t> named_owner = 0;  // of kNamed: a thread, from 1
  std::atomic<uint32_t> given_twice = 0;
  std::atomic<uint32_t> two_owners = 0;
  std::atomic<uint32_t> refused = 0;
};

class PortRacer {
 public:
  PortRacer(uint32_t index, PortTable& ports, PortModel& model)
      : index_(index), table_({}, {}, &ports), model_(model), random_(100 + index) {}

  void run() {
    for (int i = 0; i < kPortOperations; ++i) {
      switch (random_.below(4)) {
        case 0:
          if (!held_.empty()) give_back();
          break;
        case 1:
          take_named();
          break;
        default:
          take_any();
          break;
      }
    }
    while (!held_.empty()) give_back();
  }

 private:
  void take_any() {
    EndpointConfig config;
    // On all addresses, or on some that overlap with those.
    if (random_.below(2) == 0) config.addresses = {ip("127.0.0.1"), ip("192.0.2.1")};
    config.owner = index_ + 1;
    const EndpointResult result = table_.add(config, random_);
    if (result.status != Status::kOk) return;
    if (model_.holders[result.port.value].exchange(index_ + 1) != 0) ++model_.given_twice;
    held_.push_back(result);
  }
  // Everybody wants that one.
  void take_named() {
    EndpointConfig config;
    config.port = PortNumber(kNamed);
    config.owner = index_ + 1;
    const EndpointResult result = table_.add(config, random_);
    if (result.status != Status::kOk) {
      ++model_.refused;
      return;
    }
    if (model_.named_owner.exchange(index_ + 1) != 0) ++model_.two_owners;
    held_.push_back(result);
  }
  void give_back() {
    const size_t at = random_.below(held_.size());
    const EndpointResult gone = held_[at];
    held_[at] = held_.back();
    held_.pop_back();
    if (gone.port.value == kNamed) {
      model_.named_owner.store(0);
    } else {
      model_.holders[gone.port.value].store(0);
    }
    Endpoint& endpoint = *table_.find(gone.endpoint);
    endpoint.closing = true;
    table_.forget_if_unused(endpoint);
  }

  const uint32_t index_;
  EndpointTable table_;
  PortModel& model_;
  SeededRandom random_;
  std::vector<EndpointResult> held_;
};

void race_all(std::vector<std::unique_ptr<PortRacer>>& racers) {
  std::latch start(static_cast<ptrdiff_t>(racers.size()));
  std::vector<std::thread> threads;
  for (const auto& racer : racers) {
    threads.emplace_back([&start, &racer] {
      start.arrive_and_wait();
      racer->run();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(RacePorts, NoPortIsGivenToTwo) {
  PortTable ports;
  const auto model = std::make_unique<PortModel>();
  std::vector<std::unique_ptr<PortRacer>> racers;
  for (uint32_t i = 0; i < kPortRacers; ++i) {
    racers.push_back(std::make_unique<PortRacer>(i, ports, *model));
  }
  race_all(racers);
  EXPECT_EQ(model->given_twice, 0u);
  EXPECT_EQ(model->two_owners, 0u);
  EXPECT_GT(model->refused, 0u) << "they never met";
  EXPECT_EQ(ports.sets(), 0u) << "all was given back";
}

// Four threads take what there is: each port once, and then none.
TEST(RacePorts, AllAreGivenOutOnceAndThenNone) {
  PortTable ports;
  std::array<std::vector<uint16_t>, kPortRacers> taken;
  std::array<std::unique_ptr<EndpointTable>, kPortRacers> tables;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < kPortRacers; ++i) {
    tables[i] = std::make_unique<EndpointTable>(std::span<const IpAddress>(),
                                                std::span<const uint8_t>(), &ports);
    threads.emplace_back([&, i] {
      SeededRandom random(i);
      while (true) {
        const EndpointResult result = tables[i]->add({}, random);
        if (result.status != Status::kOk) break;
        taken[i].push_back(result.port.value);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<bool> seen(65536, false);
  size_t total = 0;
  for (const auto& some : taken) {
    for (const uint16_t port : some) {
      EXPECT_FALSE(seen[port]) << port;
      seen[port] = true;
      ++total;
    }
  }
  EXPECT_EQ(total, 16384u);
}

}  // namespace
}  // namespace trunkline
