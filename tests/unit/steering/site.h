// SPDX-License-Identifier: BSD-3-Clause
// A host of several workers with one or two ports, as a NIC family spreads packets over them, and
// its peers. Each packet arrives at the queue that the port chooses and is handed over until a
// shard says that it is home; every hand-over is counted.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "port_model.h"
#include "support/pair.h"

namespace trunkline::test {

struct SiteSetup {
  const PortModel* model = nullptr;
  bool ipv6 = false;
  uint16_t workers = 1;
  uint16_t paths = 1;
};

// Packets that came to the site, by how often they were handed over.
struct HandOvers {
  uint64_t packets = 0;
  uint64_t once = 0;
  uint64_t twice = 0;
  void add(uint8_t hand_overs) {
    ++packets;
    if (hand_overs >= 1) ++once;
    if (hand_overs >= 2) ++twice;
  }
};

class Site {
 public:
  explicit Site(const SiteSetup& setup) : setup_(setup), random_(7) {
    directory_ = make_directory(random_, 1000);
    HostSetup host = setup_of_a_host();
    for (uint16_t path = 0; path < setup.paths; ++path) {
      host.addresses.push_back(address(path, 0));
      ports_.emplace_back(*setup.model, setup.workers);
    }
    host.shard.count = setup.workers;
    for (uint16_t i = 0; i < setup.workers; ++i) {
      host.shard.index = i;
      workers_.push_back(std::make_unique<Host>(100 + i, host, now, directory_.get()));
    }
  }
  ~Site() {
    for (auto& host : workers_) end(*host);
    for (auto& host : peers_) end(*host);
  }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  // Peers share one source port, as signalling clients do.
  Host& add_peer() {
    const auto index = static_cast<uint8_t>(peers_.size() + 1);
    HostSetup host = setup_of_a_host();
    for (uint16_t path = 0; path < setup_.paths; ++path) {
      host.addresses.push_back(address(path, index));
    }
    peer_setups_.push_back(host);
    peers_.push_back(std::make_unique<Host>(index, host, now));
    return *peers_.back();
  }
  // It forgets everything without a word.
  void crash_peer(size_t index) {
    end(*peers_[index]);
    peers_[index] = std::make_unique<Host>(50 + index, peer_setups_[index], now);
  }

  // Address of the site (host 0) or of a peer on a path.
  [[nodiscard]] IpAddress address(uint16_t path, uint8_t host) const {
    const std::string last = std::to_string(host + 1);
    const std::string net = std::to_string(path + 1);
    return ip(setup_.ipv6 ? "2001:db8:" + net + "::" + last : "203.0." + net + "." + last);
  }
  [[nodiscard]] std::vector<IpAddress> addresses_of(uint8_t host) const {
    std::vector<IpAddress> out;
    for (uint16_t path = 0; path < setup_.paths; ++path) out.push_back(address(path, host));
    return out;
  }

  [[nodiscard]] Host& worker(size_t index) { return *workers_[index % workers_.size()]; }
  [[nodiscard]] size_t workers() const { return workers_.size(); }
  [[nodiscard]] Host& peer(size_t index) { return *peers_[index]; }
  // The worker that has an association with that peer; null when none has, or two.
  Host* owner_of_peer(uint8_t host) {
    Host* found = nullptr;
    for (auto& worker : workers_) {
      for (const AssocId id : worker->shard().associations()) {
        const AssocStatus status = worker->status(id);
        for (const PathStatus& path : status.paths) {
          if (!(path.remote == address(0, host))) continue;
          if (found != nullptr) return nullptr;
          found = worker.get();
          found->assoc = id;
        }
      }
    }
    return found;
  }

  // Until all are silent.
  void exchange() {
    for (int round = 0; round < 1000; ++round) {
      bool busy = false;
      for (auto& peer : peers_) {
        for (const Packet& packet : peer->transmit(now)) {
          busy = true;
          if (!cut(packet)) arrive(packet);
        }
      }
      for (auto& worker : workers_) {
        for (const Packet& packet : worker->transmit(now)) {
          busy = true;
          if (!cut(packet)) to_peer(packet);
        }
      }
      if (!busy) return;
    }
    ADD_FAILURE() << "no end of packets";
  }
  // Time passes, from deadline to deadline.
  void run(Duration span) {
    const TimePoint until = now + span;
    exchange();
    for (int i = 0; i < 100000; ++i) {
      TimePoint next = TimePoint::never();
      for (Host* host : all()) next = std::min(next, host->shard().next_deadline());
      if (next > until) break;
      now = std::max(now, next);
      for (Host* host : all()) host->advance(now);
      exchange();
    }
    now = until;
  }
  void arrive(const Packet& packet) {
    size_t port = 0;
    while (port + 1 < ports_.size() &&
           !(address(static_cast<uint16_t>(port), 0) == packet.destination)) {
      ++port;
    }
    PacketIn in{packet.source, packet.destination, packet.bytes};
    uint16_t at = ports_[port].queue_of(in);
    for (;;) {
      const uint16_t home = workers_[at]->shard().steer(in);
      if (home == at) break;
      ASSERT_LT(home, workers_.size());
      ASSERT_LT(in.hand_overs, 2) << "a third hand-over: " << packet.names();
      ++in.hand_overs;
      at = home;
    }
    counted.add(in.hand_overs);
    workers_[at]->receive(now, packet);
  }

  TimePoint now = kStart;
  int path_cut = -1;  // no packet passes there
  HandOvers counted;

 private:
  std::vector<Host*> all() {
    std::vector<Host*> out;
    for (auto& host : workers_) out.push_back(host.get());
    for (auto& host : peers_) out.push_back(host.get());
    return out;
  }
  // Paths are given up and found again soon, associations never.
  static HostSetup setup_of_a_host() {
    HostSetup host;
    host.port = PortNumber(2905);
    host.profile.heartbeat_interval = seconds(2);
    host.profile.rto_max = seconds(2);
    host.profile.path_max_retrans = 1;
    host.profile.association_max_retrans = 200;
    // Hundreds of sites are built, and torn down: pools of a size for what they do.
    host.shard.max_associations = 256;
    host.shard.receive_buffer_bytes = 1 << 20;
    host.shard.max_outstanding_chunks = 4096;
    host.shard.max_queued_messages = 4096;
    host.shard.spent_cookies = 256;
    return host;
  }
  void end(Host& host) {
    host.finish(now);
    EXPECT_EQ(host.violation(), "");
  }
  // A path is known by where it leads.
  [[nodiscard]] bool cut(const Packet& packet) const {
    if (path_cut < 0) return false;
    for (uint8_t host = 0; host <= peers_.size(); ++host) {
      if (address(static_cast<uint16_t>(path_cut), host) == packet.destination) return true;
    }
    return false;
  }
  void to_peer(const Packet& packet) {
    for (size_t i = 0; i < peers_.size(); ++i) {
      for (const IpAddress& mine : peer_setups_[i].addresses) {
        if (mine == packet.destination) return peers_[i]->receive(now, packet);
      }
    }
  }

  SiteSetup setup_;
  SeededRandom random_;
  DirectoryPtr directory_;
  std::vector<ModelPort> ports_;
  std::vector<std::unique_ptr<Host>> workers_;
  std::vector<HostSetup> peer_setups_;
  std::vector<std::unique_ptr<Host>> peers_;
};

}  // namespace trunkline::test
