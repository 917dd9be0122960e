// SPDX-License-Identifier: BSD-3-Clause
// CRC32c, and the checksum of an SCTP packet made from it (RFC 9260 section 6.8, appendix A).
// Long runs go to ISA-L, short ones to an inline SSE4.2 loop, both chosen at run time: the code is
// built for baseline x86-64 and falls back to a table anywhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trunkline::wire {

// The plain CRC32c of some bytes ("123456789" gives 0xe3069283).
[[nodiscard]] uint32_t crc32c(std::span<const uint8_t> bytes);

// What belongs in the checksum field of `packet` (which starts at the common header): the CRC32c
// with that field read as zero, as load_be32 of the field would give it. That is the CRC with its
// bytes reversed, since appendix A sends the low byte first. Writes nothing. 0 for fewer than the
// 12 bytes of a common header.
[[nodiscard]] uint32_t packet_checksum(std::span<const uint8_t> packet);

// Fills in the checksum field. Nothing happens to fewer than 12 bytes.
void write_checksum(std::span<uint8_t> packet);

// Whether the checksum field is right; false for fewer than 12 bytes.
[[nodiscard]] bool verify_checksum(std::span<const uint8_t> packet);

// The three ways to do it, for the tests and the measurement that chooses between them. Each
// extends a running CRC register (start with all ones, complement at the end).
namespace crc32c_ways {
[[nodiscard]] uint32_t by_table(uint32_t state, std::span<const uint8_t> bytes);
// Only where the processor has SSE4.2; see has_sse42.
[[nodiscard]] uint32_t by_sse42(uint32_t state, std::span<const uint8_t> bytes);
[[nodiscard]] uint32_t by_isal(uint32_t state, std::span<const uint8_t> bytes);
[[nodiscard]] bool has_sse42();
// From how many bytes on ISA-L is the faster one. Measured with independent buffers, 64 to 1452
// bytes: where ISA-L has its VPCLMULQDQ version, which starts at 256 bytes, it halves the time from
// there on (256 bytes: 8 ns against 14); with its older version the inline loop wins up to some
// 600.
inline constexpr size_t kIsalFromWithVpclmulqdq = 256;
inline constexpr size_t kIsalFrom = 640;
}  // namespace crc32c_ways

}  // namespace trunkline::wire
