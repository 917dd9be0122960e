// SPDX-License-Identifier: BSD-3-Clause
#include "bare/model.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/bytes.h"
#include "trunkline/stack/profile.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/packet_writer.h"

namespace trunkline::perf {
namespace {

constexpr size_t kPacket = 1500 - 20;  // bytes for SCTP in an IPv4 packet of 1500
constexpr size_t kBurst = 32;
constexpr size_t kBuffers = 4096;
constexpr size_t kRoom = 2048;
constexpr size_t kSlots = 4096;

struct Buffers {
  explicit Buffers(size_t size)
      : stride((size + 63) & ~size_t{63}),
        packets(kBuffers * kRoom),
        slots(kSlots * stride, uint8_t{7}),
        sink(65536) {}
  size_t stride;
  std::vector<uint8_t> packets;
  std::vector<uint8_t> slots;
  std::vector<uint8_t> sink;
};

}  // namespace

void run_model(const Run& run, size_t size) {
  Run as_model = run;
  as_model.role = "model";
  Buffers buffers(size);
  const size_t most = kPacket - wire::kCommonHeaderSize - wire::kDataHeaderSize;
  const size_t fragment = std::min(size, most & ~size_t{3});
  const size_t per_packet =
      (kPacket - wire::kCommonHeaderSize) / (wire::kDataHeaderSize + wire::padded(fragment));
  const uint64_t chunks = run.pick(10'000, 10'000'000, 40'000'000) / (1 + size / 200);
  std::vector<std::span<uint8_t>> burst(kBurst);
  uint64_t sent = 0;
  uint64_t received = 0;
  size_t buffer = 0;
  size_t slot = 0;
  uint32_t tsn = 0;
  const double from = cpu_seconds();
  while (received < chunks) {
    for (auto& packet : burst) {
      wire::PacketWriter writer(std::span(buffers.packets).subspan(buffer * kRoom, kPacket));
      buffer = (buffer + 1) % kBuffers;
      writer.write_header(PortNumber(1), PortNumber(2), VerificationTag(3));
      for (size_t i = 0; i < per_packet; ++i) {
        wire::DataChunk header;
        header.beginning = header.ending = true;
        header.tsn = Tsn(tsn++);
        uint8_t* const at = wire::write_data_header(writer, header, fragment);
        std::memcpy(at, buffers.slots.data() + slot * buffers.stride, fragment);
        slot = (slot + 1) % kSlots;
        ++sent;
      }
      packet = writer.finish(true);
    }
    for (const auto& packet : burst) {
      require(wire::verify_checksum(packet), "a checksum is wrong");
      wire::ChunkCursor cursor(packet.subspan(wire::kCommonHeaderSize));
      while (const auto chunk = cursor.next()) {
        const auto data = wire::DataChunk::parse(*chunk);
        std::memcpy(buffers.sink.data(), data->payload.data(), data->payload.size());
        ++received;
      }
    }
  }
  const double spent = cpu_seconds() - from;
  require(sent == received, "the model loses messages");
  const double messages =
      static_cast<double>(received) * static_cast<double>(fragment) / static_cast<double>(size);
  as_model.report("messages_per_cpu_second", "1/s", messages / spent);
}

}  // namespace trunkline::perf
