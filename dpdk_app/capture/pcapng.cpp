// SPDX-License-Identifier: BSD-3-Clause
// Building of pcapng blocks.
#include "capture/pcapng.h"

#include <bit>
#include <cstring>

#include "text/printable.h"

namespace trunkline::capture {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are written as they lie");

constexpr uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr uint32_t kInterfaceDescription = 1;
constexpr uint32_t kInterfaceStatistics = 5;
constexpr uint32_t kEnhancedPacket = 6;
constexpr uint16_t kOptionEnd = 0;
constexpr uint16_t kOptionComment = 1;
constexpr uint16_t kLinkTypeEthernet = 1;
constexpr size_t kLongestText = UINT16_MAX / 10;  // escaped, it fits an option still

// Appends one block; the lengths at both ends are filled in when it is finished.
class Block {
 public:
  Block(std::vector<uint8_t>& out, uint32_t type) : out_(out), start_(out.size()) {
    put(type);
    put(uint32_t{0});
  }
  template <typename Value>
  void put(Value value) {
    const size_t at = out_.size();
    out_.resize(at + sizeof value);
    std::memcpy(&out_[at], &value, sizeof value);
  }
  void bytes(std::span<const uint8_t> data) {
    out_.insert(out_.end(), data.begin(), data.end());
    out_.resize((out_.size() - start_ + 3) / 4 * 4 + start_);
  }
  void option(uint16_t code, std::span<const uint8_t> data) {
    put(code);
    put(static_cast<uint16_t>(data.size()));
    bytes(data);
  }
  void option(uint16_t code, std::string_view text) {
    if (text.empty()) return;
    const std::string shown = text::printable(text.substr(0, kLongestText));
    option(code, std::span(reinterpret_cast<const uint8_t*>(shown.data()), shown.size()));
  }
  template <typename Value>
  void number_option(uint16_t code, Value value) {
    option(code, std::span(reinterpret_cast<const uint8_t*>(&value), sizeof value));
  }
  void finish() {
    put(kOptionEnd);
    put(uint16_t{0});
    const auto length = static_cast<uint32_t>(out_.size() - start_ + 4);
    put(length);
    std::memcpy(&out_[start_ + 4], &length, sizeof length);
  }

 private:
  std::vector<uint8_t>& out_;
  size_t start_;
};

void put_time(Block& block, int64_t time_ns) {
  const auto time = static_cast<uint64_t>(time_ns);
  block.put(static_cast<uint32_t>(time >> 32));
  block.put(static_cast<uint32_t>(time));
}

}  // namespace

void append_section_header(std::vector<uint8_t>& out, std::string_view application,
                           std::string_view comment) {
  Block block(out, kSectionHeader);
  block.put(uint32_t{0x1a2b3c4d});
  block.put(uint16_t{1});
  block.put(uint16_t{0});
  block.put(int64_t{-1});  // the section's length is not known in advance
  block.option(kOptionComment, comment);
  block.option(4, application);
  block.finish();
}

void append_interface(std::vector<uint8_t>& out, std::string_view name,
                      std::string_view description, uint32_t snap_length) {
  Block block(out, kInterfaceDescription);
  block.put(kLinkTypeEthernet);
  block.put(uint16_t{0});
  block.put(snap_length);
  block.option(2, name);
  block.option(3, description);
  block.number_option(9, uint8_t{9});  // time stamps in units of 10^-9 s
  block.finish();
}

void append_packet(std::vector<uint8_t>& out, const PacketRecord& packet) {
  Block block(out, kEnhancedPacket);
  block.put(packet.interface);
  put_time(block, packet.time_ns);
  block.put(static_cast<uint32_t>(packet.bytes.size()));
  block.put(packet.original_length);
  block.bytes(packet.bytes);
  block.option(kOptionComment, packet.comment);
  block.number_option(2, static_cast<uint32_t>(packet.direction));
  block.finish();
}

void append_statistics(std::vector<uint8_t>& out, uint32_t interface, int64_t time_ns,
                       uint64_t received, uint64_t dropped) {
  Block block(out, kInterfaceStatistics);
  block.put(interface);
  put_time(block, time_ns);
  block.number_option(4, received);
  block.number_option(5, dropped);
  block.finish();
}

}  // namespace trunkline::capture
