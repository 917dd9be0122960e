// SPDX-License-Identifier: BSD-3-Clause
// A daemon in a thread: an attach server on a real socket and a bridge over a fake shard, so that
// tests attach through tl_attach() as applications do.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "appring/app_ring.h"
#include "ring_harness.h"

namespace trunkline::test {

// A directory of its own for each test, gone afterwards.
class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/trunkline-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class MiniDaemon {
 public:
  explicit MiniDaemon(const appring::AttachConfig& config, uint32_t workers = 1,
                      appring::ClientDeath on_death = appring::ClientDeath::kAbort) {
    std::vector<appring::BridgeMailbox*> mailboxes;
    for (uint32_t i = 0; i < workers; ++i) {
      appring::BridgeConfig bridge_config = test_bridge_config();
      bridge_config.worker = static_cast<uint16_t>(i);
      bridge_config.workers = static_cast<uint16_t>(workers);
      bridge_config.on_death = on_death;
      shards.push_back(std::make_unique<FakeShard>());
      bridges.push_back(std::make_unique<appring::Bridge>(bridge_config, *shards.back()));
      mailboxes.push_back(&bridges.back()->mailbox());
    }
    server = std::make_unique<appring::AttachServer>(config, mailboxes);
  }
  ~MiniDaemon() { stop(); }

  // One round of control thread and workers.
  void turn() {
    server->poll(std::chrono::milliseconds(0));
    for (size_t i = 0; i < bridges.size(); ++i) {
      const auto deliver = [&](Event& event) { bridges[i]->deliver(now, event); };
      bridges[i]->drain_submissions(now);
      shards[i]->run(deliver);
      bridges[i]->drain_submissions(now);
      bridges[i]->flush();
    }
  }
  void start() {
    running_.store(true);
    thread_ = std::thread([this] {
      while (running_.load(std::memory_order_relaxed)) {
        turn();
        std::this_thread::yield();
      }
    });
  }
  void pause() {
    running_.store(false);
    if (thread_.joinable()) thread_.join();
  }
  // As a daemon that ends in order: hangs up on everybody.
  void stop() {
    pause();
    if (server == nullptr) return;
    for (int i = 0; i < 1000 && !server->stop(); ++i) turn();
    EXPECT_TRUE(server->stop());
    server.reset();
  }
  // Turns until `what` holds; only while paused.
  template <typename Condition>
  bool turn_until(Condition what) {
    for (int i = 0; i < 200'000; ++i) {
      if (what()) return true;
      turn();
      std::this_thread::yield();
    }
    return what();
  }

  std::vector<std::unique_ptr<FakeShard>> shards;
  std::vector<std::unique_ptr<appring::Bridge>> bridges;
  std::unique_ptr<appring::AttachServer> server;
  TimePoint now = TimePoint::from_ns(1);

 private:
  std::atomic<bool> running_{false};
  std::thread thread_;
};

inline appring::AttachConfig attach_config(const std::string& path) {
  appring::AttachConfig config;
  config.socket_path = path;
  config.permissions.push_back({std::nullopt, std::nullopt, {{1, 65535}}, true});
  config.max_message_size = 16 * 1024;
  config.limits.handshake_timeout = std::chrono::milliseconds(0);
  config.limits.max_associations = 64;
  config.limits.backlog = 64;
  return config;
}

}  // namespace trunkline::test
