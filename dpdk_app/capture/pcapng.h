// SPDX-License-Identifier: BSD-3-Clause
// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), built by hand: section header, interface
// descriptions, enhanced packets, interface statistics. Little endian, nanoseconds. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trunkline::capture {

enum class Direction : uint8_t { kIn = 1, kOut = 2 };  // as epb_flags says it

struct PacketRecord {
  uint32_t interface = 0;
  int64_t time_ns = 0;  // since 1970
  Direction direction = Direction::kIn;
  uint32_t original_length = 0;
  std::span<const uint8_t> bytes;
  std::string_view comment;  // empty: none
};

// Each appends whole blocks to `out`.
void append_section_header(std::vector<uint8_t>& out, std::string_view application,
                           std::string_view comment);
void append_interface(std::vector<uint8_t>& out, std::string_view name,
                      std::string_view description, uint32_t snap_length);
void append_packet(std::vector<uint8_t>& out, const PacketRecord& packet);
void append_statistics(std::vector<uint8_t>& out, uint32_t interface, int64_t time_ns,
                       uint64_t received, uint64_t dropped);

}  // namespace trunkline::capture
