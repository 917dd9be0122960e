// SPDX-License-Identifier: BSD-3-Clause
// A daemon in this process, but for ports of DPDK: a real shard, bridge and sockets thread, and one
// worker whose packets come back to it, so that its sockets meet.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sockets/socket_server.h"
#include "two_hosts.h"

namespace trunkline::test {

// Everybody may do everything.
inline sockets::SocketServerConfig open_server(const SocketHost& host, const std::string& path) {
  sockets::SocketServerConfig out;
  out.place = {"sockets", path, 0666, {}};
  appring::Permission all;
  all.ports = {{1, 65535}};
  all.connect_from_any = true;
  out.permissions = {all};
  out.own_addresses = {host.address};
  out.default_profile = SocketHost::profile();
  return out;
}

class LoopedDaemon {
 public:
  static constexpr const char* kAddress = "10.9.0.2";

  // Profile: what the daemon has for sockets; none given: that of SocketHost.
  explicit LoopedDaemon(const std::string& path, const Profile& profile = SocketHost::profile())
      : server_(config_of(path, profile), {&mail_, 1}, *host_.ports) {
    server_.start();
    worker_ = std::thread([this] { run(); });
  }
  ~LoopedDaemon() {
    if (worker_.joinable()) stop();
  }
  LoopedDaemon(const LoopedDaemon&) = delete;
  LoopedDaemon& operator=(const LoopedDaemon&) = delete;
  // True: nothing was left.
  bool stop() {
    const bool empty = server_.stop(std::chrono::seconds(5));
    over_ = true;
    worker_.join();
    return empty;
  }

  // How many associations listeners have been given.
  [[nodiscard]] uint64_t accepted() {
    const auto now = server_.snapshot(false);
    return now ? now->counters.accepted : 0;
  }

 private:
  static constexpr size_t kBurst = 32;

  sockets::SocketServerConfig config_of(const std::string& path, const Profile& profile) const {
    sockets::SocketServerConfig out = open_server(host_, path);
    out.default_profile = profile;
    return out;
  }
  void run() {
    while (!over_.load(std::memory_order_relaxed)) {
      const TimePoint now =
          TimePoint::from_ns(std::chrono::steady_clock::now().time_since_epoch().count());
      const size_t work = host_.work(now);
      const size_t sent = carry(now);
      host_.flush();
      if (work + sent == 0) std::this_thread::yield();
    }
  }
  size_t carry(TimePoint now) {
    std::array<PacketOut, kBurst> out;
    for (size_t i = 0; i < out.size(); ++i) out[i].room = rooms_[i];
    const size_t n = host_.shard.transmit(now, out);
    std::array<PacketIn, kBurst> in;
    for (size_t i = 0; i < n; ++i) {
      in[i].source = out[i].source;
      in[i].destination = out[i].destination;
      in[i].bytes = std::span<const uint8_t>(rooms_[i]).first(out[i].length);
      in[i].looped = true;
    }
    host_.shard.receive(now, std::span(in).first(n));
    host_.deliver(now);
    return n;
  }

  std::vector<std::array<uint8_t, 65536>> rooms_ = std::vector<std::array<uint8_t, 65536>>(kBurst);
  SocketHost host_{IpAddress::ipv4(10, 9, 0, 2), 1};
  sockets::SocketMail* mail_ = &host_.mail;
  sockets::SocketServer server_;
  std::atomic<bool> over_{false};
  std::thread worker_;
};

}  // namespace trunkline::test
