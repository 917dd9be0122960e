// SPDX-License-Identifier: BSD-3-Clause
// What the structured targets share: a reader of fuzz bytes, and a grammar that turns them into
// SCTP packets which get past the gates. Every chunk and parameter type can come, known or not, of
// the right size or nearly; the checksum is right, the tag right or wrong in a way that the bytes
// choose, TSNs lie near those that are expected, and cookies carry the victim's own MAC.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "../unit/support/host.h"
#include "assoc/cookie.h"

namespace trunkline::fuzz {

using test::Packet;

// Numbers from the input, zeros behind its end.
class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  uint8_t byte() { return static_cast<uint8_t>(number(1)); }
  uint16_t word() { return static_cast<uint16_t>(number(2)); }
  uint32_t number(size_t size) {
    uint32_t out = 0;
    for (; size > 0; --size) {
      out = out << 8 | (rest_.empty() ? 0u : rest_[0]);
      rest_ = rest_.subspan(std::min<size_t>(1, rest_.size()));
    }
    return out;
  }
  uint8_t below(uint8_t limit) { return static_cast<uint8_t>(byte() % limit); }
  // Zero half of the time, else a small number of either sign.
  int near() {
    const uint8_t value = byte();
    return value < 128 ? 0 : static_cast<int>(value) - 192;
  }
  std::span<const uint8_t> take(size_t size) {
    const auto out = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }

 private:
  std::span<const uint8_t> rest_;
};

// What the victim has said on the wire that is worth knowing.
struct Heard {
  void note(const Packet& packet);

  std::vector<uint8_t> cookie;     // of its last INIT ACK
  VerificationTag initiate_tag;    // of its last INIT or INIT ACK
  std::vector<uint8_t> heartbeat;  // value of its last HEARTBEAT
  std::vector<uint8_t> chunk;      // the last whole chunk
};

// Whom the packets are for, and whom they seem to come from.
struct Victim {
  std::vector<IpAddress> peers;  // addresses of the pretended sender
  std::vector<IpAddress> locals;
  PortNumber peer_port;
  PortNumber local_port;
  AssocStatus status;  // of its association, if it has one
  const Heard* heard = nullptr;
  CookieJar* jar = nullptr;  // with the victim's key; null: cookies can only be repeated
  TimePoint now;
};

// Remembers from packet to packet what a sender has to: SSNs, and what tag it uses.
class Grammar {
 public:
  // A packet of one to four chunks.
  Packet packet(Input& in, const Victim& victim);
  // One chunk behind what `packet` holds, before the checksum: write_checksum() is the caller's.
  void append_chunk(Input& in, const Victim& victim, std::vector<uint8_t>& bytes);

  // What a correct peer with this memory would put into its INIT.
  static constexpr VerificationTag kPeerTag{0x11223344};
  static constexpr Tsn kPeerTsn{1000};

 private:
  class Bytes;
  void write_chunk(Input& in, uint8_t type, Bytes& out);
  void write_init(Input& in, bool ack, Bytes& out);
  void write_parameter(Input& in, Bytes& out);
  void write_data(Input& in, Bytes& out);
  void write_sack(Input& in, Bytes& out);
  void write_forward_tsn(Input& in, Bytes& out);
  void write_causes(Input& in, Bytes& out);
  void write_cookie(Input& in, Bytes& out);
  void write_heartbeat_ack(Input& in, Bytes& out);
  [[nodiscard]] std::vector<uint8_t> altered_cookie(Input& in);
  [[nodiscard]] VerificationTag fitting_tag(std::span<const uint8_t> chunks) const;
  [[nodiscard]] VerificationTag choose_tag(Input& in, std::span<const uint8_t> chunks) const;

  const Victim* victim_ = nullptr;
  Tsn next_tsn_;                           // of the DATA chunks of this packet
  VerificationTag cookie_tag_;             // in the cookie that this packet echoes
  std::map<uint16_t, uint16_t> next_ssn_;  // by stream
};

}  // namespace trunkline::fuzz
