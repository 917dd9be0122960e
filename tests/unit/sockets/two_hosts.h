// SPDX-License-Identifier: BSD-3-Clause
// Two hosts on one wire in one process, each with a real shard, the bridge of rings and the bridge
// of sockets, as a worker has them: everything but DPDK. The wire is a function call and loses
// packets by a seed. Whoever uses it plays the sockets thread and the programs, or runs those for
// real in other threads beside run_worker().
#pragma once

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "appring/bridge.h"
#include "sockets/socket_bridge.h"
#include "trunkline/stack/random.h"

namespace trunkline::test {

// The kick area of one process and its doorbell, as the sockets thread makes them.
struct KickMemory {
  KickMemory() {
    void* const base =
        mmap(nullptr, sizeof(tls_kicks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    area.kicks = static_cast<tls_kicks*>(base);
    area.doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  ~KickMemory() {
    munmap(area.kicks, sizeof(tls_kicks));
    close(area.doorbell);
  }
  KickMemory(const KickMemory&) = delete;
  KickMemory& operator=(const KickMemory&) = delete;
  // As the library does it. True: the worker slept and was rung.
  bool kick(uint32_t socket) {
    const uint32_t word = socket / 64;
    const uint64_t bit = uint64_t{1} << (socket % 64);
    if ((__atomic_fetch_or(&area.kicks->bits[word], bit, __ATOMIC_SEQ_CST) & bit) == 0) {
      __atomic_fetch_or(&area.kicks->summary[word / 64], uint64_t{1} << (word % 64),
                        __ATOMIC_SEQ_CST);
    }
    if (load_seq_cst(area.kicks->worker_armed) == 0) return false;
    store_seq_cst(area.kicks->worker_armed, 0);
    const uint64_t one = 1;
    return write(area.doorbell, &one, sizeof(one)) == sizeof(one);
  }
  sockets::KickArea area;
};

// One daemon's worker without ports.
struct SocketHost {
  SocketHost(IpAddress own, uint64_t seed, const sockets::SocketBridgeConfig& config = {})
      : address(own),
        random(seed),
        directory(make_directory(random, 4096)),
        ports(make_port_table()),
        shard(shard_config(own, ports.get()), *directory, random, TimePoint::from_ns(1)),
        bridge(bridge_config(own), shard),
        sockets(config, shard, mail) {
    bridge.set_other(&sockets);
  }

  static ShardConfig shard_config(IpAddress own, PortTable* table) {
    ShardConfig out;
    out.own_addresses = {own};
    out.ports = table;
    return out;
  }
  static Profile profile() {
    Profile out;
    out.rto_initial = std::chrono::milliseconds(20);
    out.rto_min = std::chrono::milliseconds(10);
    out.rto_max = std::chrono::milliseconds(100);
    out.sack_delay = std::chrono::milliseconds(1);
    out.a_rwnd = 64 * 1024;
    out.max_message_size = 512 * 1024;
    out.send_buffer = 1024 * 1024;
    out.partial_delivery_point = 16 * 1024;
    out.scheduler = StreamScheduling::kFirstCome;
    return out;
  }
  static appring::BridgeConfig bridge_config(IpAddress own) {
    appring::BridgeConfig out;
    out.local_addresses = {own};
    out.default_profile = profile();
    return out;
  }
  void deliver(TimePoint now) {
    while (Event* event = shard.next_event()) bridge.deliver(now, *event);
  }
  // What a worker does once a turn, but for packets.
  size_t work(TimePoint now) {
    size_t done = bridge.drain_submissions(now);
    done += sockets.drain(now);
    deliver(now);
    shard.advance(now);
    deliver(now);
    return done;
  }
  void flush() {
    bridge.flush();
    sockets.flush();
  }

  IpAddress address;
  SeededRandom random;
  DirectoryPtr directory;
  PortTablePtr ports;  // where ports are claimed before an endpoint has them
  Shard shard;
  appring::Bridge bridge;
  sockets::SocketMail mail;
  sockets::SocketBridge sockets;
};

class TwoHosts {
 public:
  explicit TwoHosts(const sockets::SocketBridgeConfig& config = {})
      : left(IpAddress::ipv4(10, 1, 0, 1), 1, config),
        right(IpAddress::ipv4(10, 1, 0, 2), 2, config) {}

  // Both workers once, and what they sent. Returns how much was done.
  size_t turn() {
    now = step != Duration{0}
              ? now + step
              : TimePoint::from_ns(std::chrono::steady_clock::now().time_since_epoch().count());
    size_t work = 0;
    for (SocketHost* host : {&left, &right}) work += host->work(now);
    work += carry(left, right);
    work += carry(right, left);
    for (SocketHost* host : {&left, &right}) host->flush();
    return work;
  }
  void turns(int n) {
    for (int i = 0; i < n; ++i) turn();
  }
  // For a thread of its own, until `stop`.
  void run_worker() {
    while (!stop.load(std::memory_order_relaxed)) {
      if (turn() == 0) std::this_thread::yield();
    }
  }

  TimePoint now = TimePoint::from_ns(1);
  Duration step{0};   // how far a turn moves the time; zero: the time is the real one
  uint64_t loss = 0;  // of 1000 packets
  bool cut = false;   // nothing arrives
  SocketHost left;
  SocketHost right;
  std::atomic<bool> stop{false};

 private:
  size_t carry(SocketHost& from, SocketHost& to) {
    std::array<PacketOut, kBurst> out;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = PacketOut{};
      out[i].room = rooms_[i];
    }
    from.sockets.tell_unread();
    const size_t n = from.shard.transmit(now, out);
    std::array<PacketIn, kBurst> in;
    size_t kept = 0;
    for (size_t i = 0; i < n; ++i) {
      if (cut || (loss != 0 && wire_.below(1000) < loss)) continue;
      in[kept].source = out[i].source;
      in[kept].destination = out[i].destination;
      in[kept].bytes = std::span<const uint8_t>(rooms_[i]).first(out[i].length);
      // Between two addresses of one host it stays there.
      in[kept].looped = false;
      ++kept;
    }
    to.shard.receive(now, std::span(in).first(kept));
    to.deliver(now);
    from.deliver(now);
    return n;
  }

  static constexpr size_t kBurst = 32;
  std::array<std::array<uint8_t, 1500>, kBurst> rooms_{};
  SeededRandom wire_{99};
};

}  // namespace trunkline::test
