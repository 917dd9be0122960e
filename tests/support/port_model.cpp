// SPDX-License-Identifier: BSD-3-Clause
// Toeplitz, redirection, checksum flags.
#include "port_model.h"

#include <algorithm>

#include "wire/crc32c.h"

namespace trunkline::test {
namespace {

// The DPDK 22.11 drivers, as docs/nics.md tells with its sources.
constexpr std::array<PortModel, 8> kModels{{
    {.name = "i40e",
     .sctp = HashInput::kPortsAndTag,
     .fragments = HashInput::kAddresses,
     .reta_size = 512,
     .key_size = 52,
     .send_checksum = true},
    {.name = "ice",
     .sctp = HashInput::kPorts,
     .fragments = HashInput::kAddresses,
     .reta_size = 512,
     .key_size = 52,
     .send_checksum = true},
    {.name = "ixgbe",
     .sctp = HashInput::kAddresses,
     .fragments = HashInput::kAddresses,
     .reta_size = 128,
     .key_size = 40,
     .send_checksum = true},
    {.name = "mlx5",
     .sctp = HashInput::kAddresses,
     .fragments = HashInput::kAddresses,
     .reta_size = 512,
     .key_size = 40},
    // Without the RSS feature the host chooses as it likes: one queue is the worst that it can do.
    {.name = "virtio"},
    {.name = "virtio-rss",
     .sctp = HashInput::kAddresses,
     .fragments = HashInput::kAddresses,
     .reta_size = 128,
     .key_size = 40},
    // The kernel's fan-out: a symmetric hash with ports, no table, no key of ours. It joins
    // fragments of IPv4 before it hashes; those of IPv6 have no ports.
    {.name = "af_packet",
     .sctp = HashInput::kPorts,
     .fragments = HashInput::kAddresses,
     .symmetric = true},
    {.name = "no-rss"},
}};

void append(std::vector<uint8_t>& out, std::span<const uint8_t> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

uint32_t toeplitz(std::span<const uint8_t> key, std::span<const uint8_t> input) {
  const auto key_byte = [&](size_t at) -> uint32_t { return at < key.size() ? key[at] : 0u; };
  uint32_t window = key_byte(0) << 24 | key_byte(1) << 16 | key_byte(2) << 8 | key_byte(3);
  uint32_t hash = 0;
  for (size_t at = 0; at < input.size(); ++at) {
    for (int bit = 7; bit >= 0; --bit) {
      if ((input[at] >> bit & 1) != 0) hash ^= window;
      window = window << 1 | (key_byte(at + 4) >> bit & 1);
    }
  }
  return hash;
}

std::span<const PortModel> port_models() {
  return kModels;
}

const PortModel* find_port_model(std::string_view name) {
  const auto* const found = std::find_if(
      kModels.begin(), kModels.end(), [&](const PortModel& model) { return model.name == name; });
  return found == kModels.end() ? nullptr : found;
}

ModelPort::ModelPort(const PortModel& model, uint16_t queues, std::span<const uint8_t> key)
    : model_(model), queues_(queues) {
  const size_t size = model.key_size != 0 ? model.key_size : kWellKnownKey.size();
  for (size_t i = 0; i < size; ++i) key_.push_back(key[i % key.size()]);
  for (uint16_t i = 0; i < model.reta_size; ++i) {
    redirection_.push_back(static_cast<uint16_t>(i % queues));
  }
}

uint32_t ModelPort::hash_of(HashInput what, const IpAddress& source, const IpAddress& destination,
                            std::span<const uint8_t> bytes) const {
  std::vector<uint8_t> input;
  const bool ports = what >= HashInput::kPorts && bytes.size() >= 4;
  const bool swap = model_.symmetric &&
                    !std::ranges::lexicographical_compare(source.bytes(), destination.bytes());
  append(input, swap ? destination.bytes() : source.bytes());
  append(input, swap ? source.bytes() : destination.bytes());
  if (ports) {
    append(input, bytes.subspan(swap ? 2 : 0, 2));
    append(input, bytes.subspan(swap ? 0 : 2, 2));
  }
  if (what == HashInput::kPortsAndTag && bytes.size() >= 8) append(input, bytes.subspan(4, 4));
  return toeplitz(key_, input);
}

uint32_t ModelPort::hash(const PacketIn& packet) const {
  if (model_.sctp == HashInput::kNothing) return 0;
  return hash_of(model_.sctp, packet.source, packet.destination, packet.bytes);
}

uint16_t ModelPort::queue_for(uint32_t hash) const {
  if (redirection_.empty()) return static_cast<uint16_t>(hash % queues_);
  return redirection_[hash % redirection_.size()];
}

uint16_t ModelPort::queue_of(const PacketIn& packet) const {
  return model_.sctp == HashInput::kNothing ? uint16_t{0} : queue_for(hash(packet));
}

uint16_t ModelPort::queue_of_fragment(const IpAddress& source, const IpAddress& destination) const {
  if (model_.fragments == HashInput::kNothing) return 0;
  return queue_for(hash_of(model_.fragments, source, destination, {}));
}

ChecksumState ModelPort::said_of(std::span<const uint8_t> packet) const {
  switch (model_.receive_checksum) {
    case ReceiveChecksum::kSilent:
      return ChecksumState::kUnchecked;
    case ReceiveChecksum::kSaysBad:
      return ChecksumState::kBad;
    case ReceiveChecksum::kTells:
      break;
  }
  return wire::verify_checksum(packet) ? ChecksumState::kGood : ChecksumState::kBad;
}

bool ModelPort::fill_in(std::span<uint8_t> packet) const {
  if (model_.send_checksum) wire::write_checksum(packet);
  return model_.send_checksum;
}

}  // namespace trunkline::test
