// SPDX-License-Identifier: BSD-3-Clause
// A NIC in software, as far as SCTP meets it: which queue receive-side scaling (RSS) chooses for a
// packet, and what the port says and does about checksums. No DPDK, no SCTP state: addresses and
// bytes in, a queue out. For unit tests of steering, the simulator, and tests of the daemon's
// choices. The presets are what docs/nics.md says of each family of NICs, and why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "trunkline/stack/stack.h"

namespace trunkline::test {

// The hash that RSS is made of: for every bit set in `input`, the 32 bits of `key` that begin at
// the same place. Bits beyond the key count as zero.
[[nodiscard]] uint32_t toeplitz(std::span<const uint8_t> key, std::span<const uint8_t> input);

// The key in Microsoft's verification suite, which most drivers use unless they are given another.
inline constexpr std::array<uint8_t, 40> kWellKnownKey{
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

// What of a packet is hashed.
enum class HashInput : uint8_t {
  kNothing,      // no RSS: everything comes to queue 0
  kAddresses,    // source, destination
  kPorts,        // and both ports
  kPortsAndTag,  // and the verification tag: 0 in an INIT, another value in what follows it
};

// What the port says of the CRC32c of packets that it received.
enum class ReceiveChecksum : uint8_t {
  kSilent,   // nothing: software looks
  kTells,    // good or bad, and it is right
  kSaysBad,  // always bad: it looked for another checksum than CRC32c
};

struct PortModel {
  std::string_view name;
  HashInput sctp = HashInput::kNothing;       // whole SCTP packets
  HashInput fragments = HashInput::kNothing;  // fragments of IP packets
  bool symmetric = false;                     // both directions of a flow hash to one queue
  uint16_t reta_size = 0;                     // entries of the redirection table; 0: hash % queues
  uint16_t key_size = 0;                      // bytes
  ReceiveChecksum receive_checksum = ReceiveChecksum::kSilent;
  bool send_checksum = false;  // fills in the CRC32c of what is sent, where it is asked to
};

// i40e, ice, ixgbe, mlx5, virtio, virtio-rss, af_packet, and no-rss.
[[nodiscard]] std::span<const PortModel> port_models();
// Null when there is none of that name.
[[nodiscard]] const PortModel* find_port_model(std::string_view name);

class ModelPort {
 public:
  // `key` is cut or repeated to the length that the port wants; the redirection table spreads over
  // the queues in turn.
  ModelPort(const PortModel& model, uint16_t queues, std::span<const uint8_t> key = kWellKnownKey);

  [[nodiscard]] uint32_t hash(const PacketIn& packet) const;
  // The queue in which a whole packet comes to lie.
  [[nodiscard]] uint16_t queue_of(const PacketIn& packet) const;
  // The same for each fragment of a packet between these addresses.
  [[nodiscard]] uint16_t queue_of_fragment(const IpAddress& source,
                                           const IpAddress& destination) const;

  // What the port says of a received packet, as the flags of an mbuf would.
  [[nodiscard]] ChecksumState said_of(std::span<const uint8_t> packet) const;
  // What a port does to a packet that is sent with an empty checksum field. False: nothing, the
  // port can't, and the caller should not have asked.
  [[nodiscard]] bool fill_in(std::span<uint8_t> packet) const;

  [[nodiscard]] const PortModel& model() const { return model_; }
  [[nodiscard]] uint16_t queues() const { return queues_; }
  [[nodiscard]] std::vector<uint16_t>& redirection() { return redirection_; }

 private:
  [[nodiscard]] uint32_t hash_of(HashInput what, const IpAddress& source,
                                 const IpAddress& destination,
                                 std::span<const uint8_t> bytes) const;
  [[nodiscard]] uint16_t queue_for(uint32_t hash) const;

  PortModel model_;
  uint16_t queues_;
  std::vector<uint8_t> key_;
  std::vector<uint16_t> redirection_;
};

}  // namespace trunkline::test
