// SPDX-License-Identifier: BSD-3-Clause
// A Peer whose host is brought into a state of RFC 9260 section 4, and a picture of all that an
// attack might change there.
#pragma once

#include "pair.h"

namespace trunkline::test {

// Whom a forged address names.
inline const IpAddress kVictim = *IpAddress::parse("203.0.113.50");

inline std::string plain_name(AssocState state) {
  std::string out(state_name(state));
  std::replace(out.begin(), out.end(), '-', '_');
  return out;
}

class Staged : public Peer {
 protected:
  // Everything about the host's associations but how many packets they have seen.
  std::string picture() {
    std::string out;
    const auto add = [&](std::string_view name, uint64_t value) {
      out += std::string(name) + "=" + std::to_string(value) + " ";
    };
    for (const AssocId id : host().shard().associations()) {
      const AssocStatus status = host().status(id);
      out += std::string(state_name(status.state)) + " ";
      add("local_tag", status.local_tag.value);
      add("peer_tag", status.peer_tag.value);
      add("out", status.outbound_streams);
      add("in", status.inbound_streams);
      add("next_tsn", status.next_tsn.value);
      add("cum", status.cum_tsn_ack.value);
      add("peer_rwnd", status.peer_rwnd);
      add("a_rwnd", status.a_rwnd);
      add("errors", status.error_count);
      add("queued", status.queued_bytes);
      add("outstanding", status.outstanding_bytes);
      add("messages", status.messages_received);
      for (const PathStatus& path : status.paths) {
        out += path.remote.to_string() + " " + std::string(state_name(path.state)) + " ";
        add("primary", path.primary ? 1 : 0);
        add("cwnd", path.cwnd);
        add("flight", path.flight);
        add("errors", path.error_count);
      }
    }
    const Shard::PoolUsage used = host().shard().pool_usage();
    add("blocks", used.receive_blocks_used);
    add("chunks", used.chunks_used);
    add("messages", used.messages_used);
    add("events", host().events.size());
    return out;
  }
  // A chunk of any type, whatever its length field says; `value` is padded.
  static Write raw_chunk(uint8_t type, std::vector<uint8_t> value, uint8_t flags = 0) {
    return [=](PacketWriter& w) {
      uint8_t* const at = w.reserve_chunk(static_cast<ChunkType>(type), flags, value.size());
      if (at == nullptr) return false;
      std::copy(value.begin(), value.end(), at);
      return true;
    };
  }
  // The same packet with another number in the length field of its first chunk.
  static Packet with_length(Packet packet, uint16_t length) {
    store_be16(&packet.bytes[14], length);
    wire::write_checksum(packet.bytes);
    return packet;
  }
  // What peers may say in an INIT beside the fixed part, as bytes.
  void send_init_with(std::span<const uint8_t> parameters) {
    tell(VerificationTag(0), [&](PacketWriter& w) {
      uint8_t* const at = w.reserve_chunk(ChunkType::kInit, 0, 16 + parameters.size());
      if (at == nullptr) return false;
      store_be32(at, peer_tag.value);
      store_be32(at + 4, peer_window);
      store_be16(at + 8, peer_streams_out);
      store_be16(at + 10, peer_streams_in);
      store_be32(at + 12, peer_tsn.value);
      std::copy(parameters.begin(), parameters.end(), at + 16);
      return true;
    });
  }
};

class InEachState : public Staged, public ::testing::WithParamInterface<AssocState> {
 protected:
  [[nodiscard]] bool opening() const {
    return GetParam() == AssocState::kCookieWait || GetParam() == AssocState::kCookieEchoed;
  }
};

inline auto each_state() {
  return ::testing::ValuesIn(kOpenStates);
}
inline auto each_state_after_set_up() {
  return ::testing::ValuesIn(std::begin(kOpenStates) + 2, std::end(kOpenStates));
}
inline std::string state_of(const ::testing::TestParamInfo<AssocState>& info) {
  return plain_name(info.param);
}

}  // namespace trunkline::test
