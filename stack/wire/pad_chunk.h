// SPDX-License-Identifier: BSD-3-Clause
// PAD, type 0x84 (RFC 4820 section 3): fills a packet up to a size that is to be tried (RFC 8899
// section 6.2.1.2). What it holds means nothing: its receiver passes over it.
//
//  0   | 0x84 | flags = 0 | length        |
//  4   | zeros ...
#pragma once

#include <cstddef>

#include "wire/chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::wire {

// Takes `size` bytes of the packet, header included: a multiple of four, at least four.
[[nodiscard]] bool write_pad(PacketWriter& writer, size_t size);

}  // namespace trunkline::wire
