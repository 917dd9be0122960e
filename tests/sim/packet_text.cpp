// SPDX-License-Identifier: BSD-3-Clause
// One line for each packet, one phrase for each chunk.
#include "packet_text.h"

#include <cstdio>

#include "wire/abort_chunk.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/error_chunk.h"
#include "wire/init_chunk.h"
#include "wire/sack_chunk.h"
#include "wire/shutdown_chunk.h"

namespace trunkline::sim {
namespace {

template <typename... Args>
std::string format(const char* text, Args... args) {
  char out[160];
  // The callers pass literals; the attribute can't see through the pack.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
  std::snprintf(out, sizeof out, text, args...);
#pragma GCC diagnostic pop
  return out;
}

std::string describe_data(const wire::ChunkView& chunk) {
  const auto data = wire::DataChunk::parse(chunk);
  if (!data) return " malformed";
  return format(" tsn=%u sid=%u ssn=%u ppid=%08x %s%s%s%s %zu", data->tsn.value, data->stream.value,
                data->mid.value, data->ppid.value, data->immediate ? "I" : "",
                data->unordered ? "U" : "", data->beginning ? "B" : "", data->ending ? "E" : "",
                data->payload.size());
}

std::string describe_sack(const wire::ChunkView& chunk) {
  const auto sack = wire::SackChunk::parse(chunk);
  if (!sack) return " malformed";
  std::string out = format(" cum=%u a_rwnd=%u", sack->cum_tsn_ack.value, sack->a_rwnd);
  for (size_t i = 0; i < sack->gap_count() && i < 8; ++i) {
    out += format("%s%u-%u", i == 0 ? " gaps=" : ",", sack->gap(i).start, sack->gap(i).end);
  }
  if (sack->gap_count() > 8) out += ",...";
  if (sack->dup_count() > 0) out += format(" dups=%zu", sack->dup_count());
  return out;
}

std::string describe_init(const wire::ChunkView& chunk) {
  const auto result = wire::InitChunk::parse(chunk, chunk.type == wire::ChunkType::kInitAck);
  if (!result.ok()) return " malformed";
  return format(" itag=%08x a_rwnd=%u os=%u mis=%u tsn=%u", result.init.initiate_tag.value,
                result.init.a_rwnd, result.init.outbound_streams, result.init.inbound_streams,
                result.init.initial_tsn.value);
}

std::string describe_causes(wire::CauseCursor cursor) {
  std::string out;
  while (const auto cause = cursor.next()) {
    out += ' ';
    out += wire::cause_name(cause->code);
    if (cause->code == wire::CauseCode::kProtocolViolation) {
      out += " \"";
      out.append(cause->value.begin(), cause->value.end());
      out += '"';
    }
  }
  return out;
}

std::string describe_chunk(const wire::ChunkView& chunk) {
  std::string out(wire::chunk_name(chunk.type));
  switch (chunk.type) {
    case wire::ChunkType::kData:
      out += describe_data(chunk);
      break;
    case wire::ChunkType::kSack:
      out += describe_sack(chunk);
      break;
    case wire::ChunkType::kInit:
    case wire::ChunkType::kInitAck:
      out += describe_init(chunk);
      break;
    case wire::ChunkType::kShutdown:
      if (const auto shutdown = wire::ShutdownChunk::parse(chunk)) {
        out += format(" cum=%u", shutdown->cum_tsn_ack.value);
      }
      break;
    case wire::ChunkType::kAbort:
      if (const auto abort = wire::AbortChunk::parse(chunk))
        out += describe_causes(abort->cursor());
      break;
    case wire::ChunkType::kError:
      if (const auto error = wire::ErrorChunk::parse(chunk))
        out += describe_causes(error->cursor());
      break;
    default:
      break;
  }
  if ((chunk.type == wire::ChunkType::kAbort || chunk.type == wire::ChunkType::kShutdownComplete) &&
      (chunk.flags & wire::kTagReflectedFlag) != 0) {
    out += " T";
  }
  return out;
}

}  // namespace

std::string describe_packet(std::span<const uint8_t> bytes) {
  const auto header = wire::CommonHeader::parse(bytes);
  if (!header) return format("runt of %zu bytes", bytes.size());
  std::string out = format("%u>%u tag=%08x", header->source_port.value,
                           header->destination_port.value, header->verification_tag.value);
  if (!wire::verify_checksum(bytes)) out += " (bad checksum)";
  wire::ChunkCursor cursor(bytes.subspan(wire::kCommonHeaderSize));
  bool first = true;
  while (const auto chunk = cursor.next()) {
    out += first ? " " : " | ";
    out += describe_chunk(*chunk);
    first = false;
  }
  if (cursor.end() != wire::CursorEnd::kClean) out += " | malformed";
  return out;
}

}  // namespace trunkline::sim
