// SPDX-License-Identifier: BSD-3-Clause
// A Peer with several addresses, which answers the HEARTBEATs that come to those that work; and
// what tests of windows need: data in any amount, acknowledged as the test likes.
#pragma once

#include <algorithm>
#include <set>

#include "pair.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {

class ManyPaths : public Peer {
 protected:
  static constexpr uint32_t kPmdcs = 1468;       // room for chunks in an IPv4 packet of 1500
  static constexpr size_t kFull = kPmdcs - 16u;  // user data of a packet that is full

  ManyPaths() {
    setup.profile.max_burst = 0;
    setup.profile.send_buffer = 64 << 20;
    setup.profile.heartbeat_interval = Duration{0};
    peer_window = 32 << 20;
  }
  // The association is up, and `addresses` of the peer are confirmed.
  void open_with(const std::vector<IpAddress>& addresses) {
    peer_list = addresses;
    open();
    for (size_t i = 0; i < 4 * addresses.size() && !all_active(); ++i) {
      now = std::max(now, host().shard().next_deadline());
      host().advance(now);
      answer(listen());
    }
    for (const PathStatus& path : host().status().paths) {
      ASSERT_EQ(path.state, PathState::kActive) << path.remote.to_string();
    }
    ASSERT_EQ(host().status().paths.size(), addresses.size());
  }
  [[nodiscard]] bool all_active() {
    const auto paths = host().status().paths;
    return std::all_of(paths.begin(), paths.end(),
                       [](const PathStatus& each) { return each.state == PathState::kActive; });
  }
  // Each HEARTBEAT among the packets comes back, unless its address is one of `dead`.
  void answer(const std::vector<Packet>& packets) {
    for (const Packet& heard : packets) {
      const auto chunk = heard.find(ChunkType::kHeartbeat);
      if (!chunk || dead.count(heard.destination.to_string()) != 0) continue;
      const auto info = wire::HeartbeatChunk::parse(*chunk)->info;
      const IpAddress usual = std::exchange(peer_address, heard.destination);
      tell([&](PacketWriter& w) { return wire::write_heartbeat_ack(w, info); });
      peer_address = usual;
    }
  }
  [[nodiscard]] PathStatus path(size_t i = 0) { return host().status().paths[i]; }
  Status send(const std::string& text) { return host().send(now, text); }
  // More is waiting than any window holds.
  void fill(size_t path_index = 0) {
    const uint64_t wanted = 4ull * path(path_index).cwnd + 8 * kPmdcs;
    while (host().status().queued_bytes < wanted)
      ASSERT_EQ(send(std::string(kFull, 'x')), Status::kOk);
  }
  void acknowledge_all() { tell(sack(last_tsn())); }
  // Window by window, until cwnd is that large.
  void grow(uint32_t wanted, size_t path_index = 0) {
    for (int i = 0; i < 10000 && path(path_index).cwnd < wanted; ++i) {
      fill(path_index);
      listen();
      acknowledge_all();
    }
    ASSERT_GE(path(path_index).cwnd, wanted);
  }
  // Nothing is queued or in flight any more.
  void drain() {
    for (int i = 0; i < 10000 && host().status().queued_bytes > 0; ++i) {
      listen();
      acknowledge_all();
    }
    listen();
    acknowledge_all();
    ASSERT_EQ(host().status().outstanding_bytes, 0u);
  }
  static size_t count_data(const std::vector<Packet>& packets) {
    size_t n = 0;
    for (const Packet& packet : packets) n += data_of(packet).size();
    return n;
  }

  std::set<std::string> dead;  // addresses whose HEARTBEATs get no answer
};

}  // namespace trunkline::test
