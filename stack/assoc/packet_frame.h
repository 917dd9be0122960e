// SPDX-License-Identifier: BSD-3-Clause
// The one way out for SCTP packets, an association's and answers to strangers alike: common header,
// room for chunks, checksum. What is to seal a packet (RFC 4895) has its room subtracted before it
// comes here, by Path::packet_size_in(), and is written where the packet is finished.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "wire/packet_writer.h"

namespace trunkline {

struct PacketHead {
  PortNumber source;
  PortNumber destination;
  VerificationTag tag;
};

class PacketFrame {
 public:
  // In `room`, of at most `limit` bytes.
  PacketFrame(std::span<uint8_t> room, size_t limit, const PacketHead& head)
      : writer_(room.first(std::min(room.size(), limit))) {
    writer_.write_header(head.source, head.destination, head.tag);
  }

  [[nodiscard]] wire::PacketWriter& writer() { return writer_; }
  [[nodiscard]] bool empty() const { return writer_.empty(); }
  // Its bytes. Without checksum the field stays zero, for a port that fills it in.
  [[nodiscard]] uint16_t finish(bool with_checksum) {
    return static_cast<uint16_t>(writer_.finish(with_checksum).size());
  }

 private:
  wire::PacketWriter writer_;
};

}  // namespace trunkline
