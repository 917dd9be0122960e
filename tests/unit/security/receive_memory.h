// SPDX-License-Identifier: BSD-3-Clause
// Several peers of one host, whose received data is watched: after each packet the books are
// checked (Shard::receive_memory_fault()). For the tests of the memory that it takes.
#pragma once

#include <optional>
#include <vector>

#include "rx/receive_blocks.h"
#include "support/pair.h"

namespace trunkline::test {

inline constexpr uint64_t kBlock = ReceiveBlock::kSize;

class ReceiveMemory : public Peer {
 protected:
  ReceiveMemory() {
    setup.shard.inits_per_second_per_source = 0;
    setup.profile.heartbeat_interval = Duration{0};
  }
  // One of several peers: what the fixture knows of it.
  struct Voice {
    AssocId id;
    PortNumber port;
    VerificationTag tag;
    VerificationTag host_tag;
    Tsn tsn;
    uint16_t ssn = 0;
  };
  Voice open_voice() {
    const auto n = static_cast<uint16_t>(++voices_);
    peer_port = PortNumber(static_cast<uint16_t>(2000 + n));
    peer_tag = VerificationTag(0x5000u + n);
    peer_tsn = Tsn(1000);
    peer_ssn = 0;
    listen();
    open();
    return {host().assoc, peer_port, peer_tag, host_tag, peer_tsn, 0};
  }
  void be(const Voice& voice) {
    peer_port = voice.port;
    peer_tag = voice.tag;
    host_tag = voice.host_tag;
    host().assoc = voice.id;
  }
  // One packet with that chunk; the books must be right behind it.
  void say(const Voice& voice, const Data& chunk) {
    be(voice);
    tell(data(chunk));
    if (used() > 100 && ++unchecked_ % 64 != 0) return;  // it walks over all that is held
    const char* const fault = host().shard().receive_memory_fault();
    ASSERT_EQ(fault, nullptr) << fault;
  }
  // So many messages, a buffer each, that are acknowledged and wait for the first of their stream.
  void say_without_the_first(const Voice& voice, uint32_t messages) {
    for (uint32_t n = 0; n < messages; ++n) {
      say(voice, {.ssn = static_cast<uint16_t>(n + 1), .tsn = voice.tsn + n});
    }
  }
  bool lives(const Voice& voice) { return host().status(voice.id).state != AssocState::kClosed; }
  uint64_t used() { return host().shard().pool_usage().receive_blocks_used; }
  // The last SACK to that peer among what is sent now.
  std::optional<wire::SackChunk> sack_to(const Voice& voice) {
    said = listen();
    std::optional<wire::SackChunk> out;
    for (const Packet& packet : said) {
      if (!(packet.header().destination_port == voice.port)) continue;
      if (const auto chunk = packet.find(ChunkType::kSack)) out = wire::SackChunk::parse(*chunk);
    }
    return out;
  }
  // Time in which nobody says anything.
  void pass(Duration span) {
    listen();
    wait(span);
    listen();
  }
  std::vector<Packet> said;

 private:
  int voices_ = 0;
  unsigned unchecked_ = 0;
};

}  // namespace trunkline::test
