// SPDX-License-Identifier: BSD-3-Clause
// For the rules of sections 5 and 12: an association that the host opens, in any state, with a peer
// made by hand; and all that must be as it was after something that changes nothing.
#pragma once

#include <set>

#include "support/pair.h"
#include "wire/error_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {

// Addresses of the peer.
inline const IpAddress kOne = ip("198.51.100.1");
inline const IpAddress kTwo = ip("198.51.100.2");
inline const IpAddress kThree = ip("198.51.100.3");
inline const IpAddress kFour = ip("198.51.100.4");

class States : public Peer {
 protected:
  // A new association, of another peer port each time, in that state; nothing is left to send. In
  // SHUTDOWN-PENDING and SHUTDOWN-RECEIVED a message of the host is under way.
  void bring_to(AssocState state) {
    peer_port = PortNumber(static_cast<uint16_t>(peer_port.value + 1));
    peer_tag = VerificationTag(0x11223344);
    peer_tsn = Tsn(1000);
    peer_ssn = 0;
    ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    if (state == AssocState::kCookieWait) {
      take_init(hear_one());
    } else {
      ASSERT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
    }
    if (state > AssocState::kCookieEchoed) tell(wire::write_cookie_ack);
    if (state > AssocState::kEstablished) go_on_to(state);
    ASSERT_EQ(host().state(), state);
    EXPECT_EQ(hear(), "");
  }
  void take_init(const Packet& init) {
    ASSERT_EQ(init.names(), "INIT");
    const auto parsed = wire::InitChunk::parse(init.chunks()[0], false);
    ASSERT_TRUE(parsed.ok());
    host_tag = parsed.init.initiate_tag;
    host_tsn = parsed.init.initial_tsn;
  }
  void tell_init_ack() {
    tell([&](PacketWriter& w) {
      return wire::write_init_ack(w, init_fields(), peer_list, cookie.empty() ? some : cookie);
    });
  }
  static bool stale_cookie(PacketWriter& w) {
    return wire::begin_error(w) && wire::append_stale_cookie(w, 500000) && w.end_chunk();
  }
  static bool heartbeat(PacketWriter& w) {
    return wire::write_heartbeat(w, std::array<uint8_t, 4>{1, 2, 3, 4});
  }
  static Write unknown(uint8_t type) {
    return [type](PacketWriter& w) {
      uint8_t* const at = w.reserve_chunk(ChunkType{type}, 0, 4);
      if (at != nullptr) store_be32(at, 0x01020304);
      return at != nullptr;
    };
  }
  // What a host that took no notice has still.
  std::string all_of_it() {
    return what_it_has() + " " + std::to_string(host().events.size()) + " " +
           std::to_string(host().shard().next_deadline().ns());
  }
  // The same, of one that may have been told something, or have asked.
  std::string what_it_has() {
    const AssocStatus s = host().status();
    std::string out = std::string(state_name(s.state));
    for (const uint64_t n :
         {uint64_t{s.local_tag.value}, uint64_t{s.peer_tag.value}, uint64_t{s.next_tsn.value},
          uint64_t{s.cum_tsn_ack.value}, uint64_t{s.outbound_streams}, uint64_t{s.inbound_streams},
          uint64_t{s.peer_rwnd}, s.outstanding_bytes}) {
      out += " " + std::to_string(n);
    }
    for (const PathStatus& path : s.paths) {
      out += " " + path.remote.to_string() + " " + std::string(state_name(path.state)) + " " +
             std::to_string(path.cwnd) + " " + std::to_string(path.rto.count());
    }
    return out;
  }
  std::vector<IpAddress> remotes() {
    std::vector<IpAddress> out;
    for (const PathStatus& path : host().status().paths) out.push_back(path.remote);
    return out;
  }
  // What the host says in that time and nobody answers, with the milliseconds since `kStart`.
  std::vector<std::pair<int64_t, Packet>> overhear(Duration span) {
    std::vector<std::pair<int64_t, Packet>> out;
    const TimePoint end = now + span;
    while (true) {
      for (Packet& packet : listen()) {
        out.emplace_back((now - kStart) / milliseconds(1), std::move(packet));
      }
      const TimePoint next = host().shard().next_deadline();
      if (next > end) break;
      now = std::max(now, next);
      host().advance(now);
    }
    now = end;
    return out;
  }

  const std::vector<uint8_t> some{9, 8, 7, 6};
};

}  // namespace trunkline::test
