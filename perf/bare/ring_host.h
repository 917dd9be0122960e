// SPDX-License-Identifier: BSD-3-Clause
// One host as applications meet with it: a program on the client library, the rings in shared
// memory, the bridge and the shard behind it, all on the caller's thread. What a message costs here
// is what it costs the stack (bare/stream) and the rings beside it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "appring/bridge.h"
#include "bare/end.h"
#include "trunkline/trunkline.h"

namespace trunkline::perf {

// What a program on a ring sees and does.
class RingProgram {
 public:
  RingProgram(tl_client* client, size_t message_size);

  [[nodiscard]] tl_lane* lane() { return lane_; }
  // `local_port` 0: the daemon chooses.
  void connect(uint16_t port, const IpAddress& peer, uint16_t local_port = 0);
  // False: not now.
  [[nodiscard]] bool shutdown(tl_assoc assoc);
  // At most `count` messages, numbered, in bursts. Returns how many were taken.
  size_t send(tl_assoc assoc, uint64_t count);
  // Takes the events that are there; messages are read, byte by byte, and must come in their order.
  void poll();
  // Answers each message with one of its own, from poll().
  void echo(bool on) { echo_ = on; }
  // Who is told that there is room sends a message, from poll().
  void persist(bool on) { persist_ = on; }

  uint64_t sent = 0;
  uint64_t received = 0;
  uint64_t lost = 0;    // associations, connects and messages that failed
  uint64_t closed = 0;  // in order
  std::vector<tl_assoc> associations;

 private:
  static constexpr size_t kBurst = 64;
  void read(const tl_event& event);

  tl_lane* lane_ = nullptr;
  size_t message_size_;
  std::array<std::vector<uint8_t>, kBurst> texts_;  // what the messages of a burst say
  std::array<tl_message, kBurst> burst_{};
  std::array<tl_event, kBurst> events_;
  std::vector<uint8_t> sink_;  // where messages are read to
  bool echo_ = false;
  bool persist_ = false;
};

class RingHost {
 public:
  RingHost(const IpAddress& address, const Profile& profile, size_t message_size, TimePoint now,
           uint32_t associations = 16, uint32_t submissions = 4096);
  ~RingHost();
  RingHost(const RingHost&) = delete;
  RingHost& operator=(const RingHost&) = delete;

  // What the worker of a daemon does in a turn, but for packets.
  void work(TimePoint now);
  // At most a burst of what it has to send, as the other one sees it. Valid until the next call.
  std::span<const PacketIn> take_packets(TimePoint now);
  void receive(TimePoint now, std::span<const PacketIn> packets);
  void flush() { bridge_->flush(); }
  // As a program does it, with the worker in this thread and the program in another.
  void listen(uint16_t port);

  [[nodiscard]] RingProgram& program() { return *program_; }

 private:
  void deliver(TimePoint now) {
    while (Event* event = shard_->next_event()) bridge_->deliver(now, *event);
  }

  std::unique_ptr<appring::RingClient> ring_;  // its slots outlive the payload that the shard holds
  SecureRandom random_;
  DirectoryPtr directory_;
  std::unique_ptr<Shard> shard_;
  std::unique_ptr<appring::Bridge> bridge_;
  int daemon_socket_ = -1;  // nothing is ever said on it
  tl_client* client_ = nullptr;
  std::unique_ptr<RingProgram> program_;
  PacketRing packets_;
};

}  // namespace trunkline::perf
