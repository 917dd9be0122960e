// SPDX-License-Identifier: BSD-3-Clause
// Bytes in and bytes out: checksum, parse, bundle.
#include <isa-l/crc.h>

#include <array>
#include <cstring>

#include "harness/sample.h"
#include "parts/parts.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/packet_rules.h"
#include "wire/packet_writer.h"

namespace trunkline::perf {
namespace {

constexpr size_t kMessages = 12;
constexpr size_t kSize = 100;  // bytes of a message
using Room = std::array<uint8_t, 1480>;

// Independent buffers, as packets are: the next checksum may begin before this one has ended.
void crc32c(benchmark::State& state) {
  const std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)), 7);
  for (auto _ : state) benchmark::DoNotOptimize(wire::crc32c(bytes));
}
void crc32c_isal(benchmark::State& state) {
  std::vector<uint8_t> bytes(static_cast<size_t>(state.range(0)), 7);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        ~crc32_iscsi(bytes.data(), static_cast<int>(bytes.size()), 0xffffffff));
  }
}

std::span<const uint8_t> bundle(Room& room, const Room& text, uint32_t tsn) {
  wire::PacketWriter writer(room);
  writer.write_header(PortNumber(5000), PortNumber(2905), VerificationTag(1));
  for (size_t i = 0; i < kMessages; ++i) {
    wire::DataChunk data;
    data.beginning = true;
    data.ending = true;
    data.tsn = Tsn(tsn + static_cast<uint32_t>(i));
    uint8_t* const at = wire::write_data_header(writer, data, kSize);
    require(at != nullptr, "a chunk does not fit");
    std::memcpy(at, text.data() + i * kSize, kSize);
  }
  return writer.finish(true);
}
void bundle_packet(benchmark::State& state) {
  Room room{};
  const Room text{};
  uint32_t tsn = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(bundle(room, text, tsn).data());
    benchmark::ClobberMemory();
    tsn += kMessages;
  }
}

void parse_packet(benchmark::State& state) {
  Room room{};
  const std::span<const uint8_t> packet = bundle(room, Room{}, 1);
  for (auto _ : state) {
    const auto header = wire::CommonHeader::parse(packet);
    const std::span<const uint8_t> chunks = packet.subspan(wire::kCommonHeaderSize);
    const wire::PacketShape shape = wire::inspect(chunks);
    require(header && shape.well_formed() && shape.chunk_count == kMessages, "not well formed");
    wire::ChunkCursor cursor(chunks);
    size_t bytes = 0;
    while (const auto chunk = cursor.next())
      bytes += wire::DataChunk::parse(*chunk)->payload.size();
    benchmark::DoNotOptimize(bytes);
    benchmark::ClobberMemory();
  }
}

}  // namespace

std::vector<Part> wire_parts() {
  std::vector<Part> out;
  for (const int64_t size : {64, 256, 512, 1024, 1452}) {
    const std::string name = "parts/crc32c/" + std::to_string(size);
    out.push_back({name, "trunkline", crc32c, size});
    out.push_back({name, "isal", crc32c_isal, size});
  }
  out.push_back({"parts/parse/12x100", "trunkline", parse_packet});
  out.push_back({"parts/bundle/12x100", "trunkline", bundle_packet});
  return out;
}

}  // namespace trunkline::perf
