// SPDX-License-Identifier: BSD-3-Clause
// What the forger sends. Tags come from a part of their space that simulated hosts do not draw
// from, else one seed in a few million would guess right.
#include "forger.h"

#include <algorithm>

#include "base/bytes.h"
#include "wire/abort_chunk.h"
#include "wire/common_header.h"
#include "wire/cookie_chunk.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/heartbeat_chunk.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"
#include "wire/sack_chunk.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace trunkline::sim {

uint32_t Forger::foreign_tag() {
  uint32_t tag = 0;
  do {
    tag = random_.u32();
  } while (tag == 0 || simulator_.referee().knows_tag(tag));
  return tag;
}

std::vector<uint8_t> Forger::from_scratch(PortNumber source, PortNumber destination) {
  std::vector<uint8_t> room(1000);
  wire::PacketWriter writer(room);
  const bool zero_tag = random_.below(8) == 0;
  uint32_t tag = zero_tag ? 0 : foreign_tag();
  std::vector<uint8_t> noise(1 + random_.below(200));
  random_.fill(noise);
  const bool reflected = random_.below(2) == 0;
  bool written = false;
  switch (random_.below(10)) {
    case 0: {
      if (random_.below(4) != 0) tag = 0;  // as it should be
      const uint32_t initiate_tag = foreign_tag();
      simulator_.referee().allow_tag(initiate_tag);
      const wire::InitFields fields{VerificationTag(initiate_tag), random_.u32(),
                                    static_cast<uint16_t>(random_.u32()),
                                    static_cast<uint16_t>(random_.u32()), Tsn(random_.u32())};
      written = wire::write_init(writer, fields, {});
      break;
    }
    case 1: {
      const wire::InitFields fields{VerificationTag(foreign_tag()), 100'000, 10, 10,
                                    Tsn(random_.u32())};
      written = wire::write_init_ack(writer, fields, {}, noise);
      break;
    }
    case 2:
      written = wire::write_cookie_echo(writer, noise);
      break;
    case 3:
      written = wire::write_cookie_ack(writer);
      break;
    case 4:
      written = wire::write_abort(writer, reflected);
      break;
    case 5:
      written = wire::write_shutdown_complete(writer, reflected);
      break;
    case 6:
      written = random_.below(2) == 0 ? wire::write_shutdown(writer, Tsn(random_.u32()))
                                      : wire::write_shutdown_ack(writer);
      break;
    case 7:
      written = random_.below(2) == 0 ? wire::write_heartbeat(writer, noise)
                                      : wire::write_heartbeat_ack(writer, noise);
      break;
    case 8:
      written = wire::write_sack(writer, Tsn(random_.u32()), random_.u32(), {}, {});
      break;
    default: {
      wire::DataChunk data;
      data.beginning = data.ending = true;
      data.tsn = Tsn(random_.u32());
      uint8_t* const at = wire::write_data_header(writer, data, noise.size());
      written = at != nullptr;
      if (written) std::copy(noise.begin(), noise.end(), at);
      break;
    }
  }
  if (!written) return {};
  simulator_.referee().allow_tag(tag);
  writer.write_header(source, destination, VerificationTag(tag));
  const auto packet = writer.finish(true);
  return {packet.begin(), packet.end()};
}

// A real packet with another tag and some bytes changed, its checksum put right.
std::vector<uint8_t> Forger::from_model(const std::vector<uint8_t>& model) {
  std::vector<uint8_t> out = model;
  if (out.size() <= wire::kCommonHeaderSize + 4) return {};
  const uint32_t tag = foreign_tag();
  simulator_.referee().allow_tag(tag);
  store_be32(out.data() + 4, tag);
  const size_t changes = random_.below(4);
  for (size_t i = 0; i < changes; ++i) {
    const size_t at = wire::kCommonHeaderSize + random_.below(out.size() - wire::kCommonHeaderSize);
    out[at] = static_cast<uint8_t>(random_.u32());
  }
  // An INIT needs no tag, and a changed one would be answered under a tag that nobody announced.
  if (out[wire::kCommonHeaderSize] == static_cast<uint8_t>(wire::ChunkType::kInit)) return {};
  wire::write_checksum(out);
  return out;
}

void Forger::forge(TimePoint now) {
  const Simulator::Seen* const model = simulator_.any_seen_packet(random_);
  if (model == nullptr) return;
  const auto header = wire::CommonHeader::parse(model->bytes);
  if (!header) return;
  std::vector<uint8_t> bytes = random_.below(2) == 0
                                   ? from_model(model->bytes)
                                   : from_scratch(header->source_port, header->destination_port);
  if (bytes.empty()) return;
  simulator_.inject(now, model->source, model->destination, std::move(bytes));
}

void Forger::forge_too_big(TimePoint now) {
  const Simulator::Seen* const model = simulator_.any_seen_packet(random_);
  if (model == nullptr || model->bytes.size() < wire::kCommonHeaderSize) return;
  Simulator::Seen sent = *model;
  uint16_t told = 0;
  switch (random_.below(5)) {
    case 0:
      break;  // not told
    case 1:
      told = 1;
      break;
    case 2:
      told = 576;
      break;
    case 3:
      told = 1280;
      break;
    default:
      told = static_cast<uint16_t>(random_.below(9000));
      break;
  }
  switch (random_.below(3)) {
    case 0:
      told = static_cast<uint16_t>(9000 + random_.below(50'000));
      break;
    case 1: {
      // The first DATA chunk is what counts; the quotation goes as far.
      constexpr size_t kTsn = wire::kChunkHeaderSize;
      for (size_t at = wire::kCommonHeaderSize; at + kTsn + 4 <= sent.bytes.size();) {
        if (sent.bytes[at] == static_cast<uint8_t>(wire::ChunkType::kData)) {
          const uint32_t tsn = load_be32(sent.bytes.data() + at + kTsn);
          store_be32(sent.bytes.data() + at + kTsn, tsn + (1u << 20) + (random_.u32() >> 2));
          return simulator_.tell_too_big(now, sent, told, true);
        }
        const size_t length = load_be16(sent.bytes.data() + at + 2);
        at += (std::max<size_t>(length, wire::kChunkHeaderSize) + 3) & ~size_t{3};
      }
      [[fallthrough]];
    }
    default:
      store_be32(sent.bytes.data() + 4, foreign_tag());
      sent.bytes.resize(8 + random_.below(sent.bytes.size() - 7));
      break;
  }
  simulator_.tell_too_big(now, sent, told, true);
}

}  // namespace trunkline::sim
