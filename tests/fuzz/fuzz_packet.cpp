// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: any bytes as an SCTP packet. Everything in it is parsed; what parsed is built again
// and must say the same, byte for byte where the wire form leaves no choice. The rebuilt chunks are
// bundled into one packet, which must be walked like the first.
#include <algorithm>
#include <span>
#include <vector>

#include "fuzz_check.h"
#include "wire/abort_chunk.h"
#include "wire/cause.h"
#include "wire/common_header.h"
#include "wire/cookie_chunk.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/error_chunk.h"
#include "wire/forward_tsn_chunk.h"
#include "wire/heartbeat_chunk.h"
#include "wire/init_chunk.h"
#include "wire/packet_rules.h"
#include "wire/sack_chunk.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace {

using namespace trunkline;
using namespace trunkline::wire;

bool same(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// Writes one chunk with `build` into a packet of its own and hands it back, sound and alone. The
// room is a little more than what `original` can grow to when its parts are wrapped once more.
class Rebuilt {
 public:
  template <typename Build>
  Rebuilt(const ChunkView& original, Build build)
      : room_(kCommonHeaderSize + 2 * padded(original.whole.size()) + 256, uint8_t{0xee}) {
    PacketWriter writer(room_);
    FUZZ_CHECK(build(writer));
    const auto packet = writer.finish(true);
    FUZZ_CHECK(verify_checksum(packet));
    ChunkCursor cursor{std::span<const uint8_t>(packet).subspan(kCommonHeaderSize)};
    const auto chunk = cursor.next();
    FUZZ_CHECK(chunk.has_value());
    view_ = *chunk;
    FUZZ_CHECK(!cursor.next());
    FUZZ_CHECK(cursor.end() == CursorEnd::kClean);
    FUZZ_CHECK(packet.size() % 4 == 0);
    const auto padding = packet.subspan(kCommonHeaderSize + view_.whole.size());
    FUZZ_CHECK(padding.size() < 4);
    for (const uint8_t byte : padding) FUZZ_CHECK(byte == 0);
  }
  [[nodiscard]] const ChunkView& view() const { return view_; }

  // The same type and value, and of the flags those that mean something.
  void expect_same(const ChunkView& original, uint8_t flags) const {
    FUZZ_CHECK(view_.type == original.type);
    FUZZ_CHECK(view_.flags == (original.flags & flags));
    FUZZ_CHECK(same(view_.value, original.value));
  }

 private:
  std::vector<uint8_t> room_;
  ChunkView view_;
};

void check_data(const ChunkView& chunk) {
  const auto data = DataChunk::parse(chunk);
  FUZZ_CHECK(data.has_value() == (chunk.value.size() >= 12));
  if (!data || data->payload.empty()) return;
  const Rebuilt again(chunk, [&](PacketWriter& w) {
    uint8_t* const at = write_data_header(w, *data, data->payload.size());
    if (at == nullptr) return false;
    copy_bytes(at, data->payload);
    return true;
  });
  again.expect_same(chunk, 0x0f);
}

void check_sack(const ChunkView& chunk) {
  const auto sack = SackChunk::parse(chunk);
  if (!sack) return;
  std::vector<GapBlock> gaps;
  std::vector<Tsn> dups;
  for (size_t i = 0; i < sack->gap_count(); ++i) gaps.push_back(sack->gap(i));
  for (size_t i = 0; i < sack->dup_count(); ++i) dups.push_back(sack->dup(i));
  const Rebuilt again(chunk, [&](PacketWriter& w) {
    return write_sack(w, sack->cum_tsn_ack, sack->a_rwnd, gaps, dups);
  });
  again.expect_same(chunk, 0);
}

void check_forward_tsn(const ChunkView& chunk) {
  const auto forward = ForwardTsnChunk::parse(chunk);
  if (!forward) return;
  std::vector<SkippedStream> streams;
  for (size_t i = 0; i < forward->stream_count(); ++i) streams.push_back(forward->stream(i));
  const Rebuilt again(
      chunk, [&](PacketWriter& w) { return write_forward_tsn(w, forward->new_cum_tsn, streams); });
  again.expect_same(chunk, 0);
}

bool inside(std::span<const uint8_t> part, std::span<const uint8_t> whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

// What can be said of any INIT that parsed.
void check_init_limits(const InitChunk& init, const ChunkView& chunk) {
  FUZZ_CHECK(init.address_count <= InitChunk::kMaxAddresses);
  FUZZ_CHECK(init.addresses_dropped == 0 || init.address_count == InitChunk::kMaxAddresses);
  FUZZ_CHECK(init.unrecognized_count <= InitChunk::kMaxUnrecognized);
  FUZZ_CHECK(init.unrecognized_dropped == 0 ||
             init.unrecognized_count == InitChunk::kMaxUnrecognized);
  FUZZ_CHECK(inside(init.cookie, chunk.value));
  FUZZ_CHECK(inside(init.host_name, chunk.value));
  FUZZ_CHECK(inside(init.supported_extensions, chunk.value));
  const auto addresses = init.address_list();
  for (size_t i = 0; i < addresses.size(); ++i) {
    FUZZ_CHECK(!addresses[i].is_none());
    for (size_t j = 0; j < i; ++j) FUZZ_CHECK(addresses[i] != addresses[j]);
  }
  for (const auto& parameter : init.unrecognized_list()) {
    FUZZ_CHECK(inside(parameter, chunk.value));
    FUZZ_CHECK(parameter.size() >= kParameterHeaderSize);
    FUZZ_CHECK(load_be16(parameter.data() + 2) == parameter.size());
    const auto type = static_cast<ParameterType>(load_be16(parameter.data()));
    FUZZ_CHECK(reports(unknown_parameter_action(type)));
  }
}

void check_init(const ChunkView& chunk, bool is_ack) {
  const InitParseResult result = InitChunk::parse(chunk, is_ack);
  if (!result.ok()) return;
  const InitChunk& init = result.init;
  check_init_limits(init, chunk);
  const InitParseError verdict = validate_init(init, is_ack);
  const InitOptions options{
      .cookie_preservative_ms = init.cookie_preservative_ms,
      .lists_ipv4 = init.address_types_present && init.supports_ipv4,
      .lists_ipv6 = init.address_types_present && init.supports_ipv6,
      .ecn_capable = init.ecn_capable,
      .supported_extensions = init.supported_extensions,
      .forward_tsn_supported = init.forward_tsn_supported,
  };
  // An INIT ACK may carry a cookie and reports that, wrapped once more, no longer fit into a chunk.
  size_t reports_size = 0;
  for (const auto& parameter : init.unrecognized_list()) {
    reports_size += 4 + padded(parameter.size());
  }
  if (padded(chunk.whole.size()) + reports_size + 64 > kMaxChunkSize) return;
  const Rebuilt again(chunk, [&](PacketWriter& w) {
    return is_ack ? write_init_ack(w, init, init.address_list(), init.cookie,
                                   init.unrecognized_list(), options)
                  : write_init(w, init, init.address_list(), options);
  });
  const InitParseResult second = InitChunk::parse(again.view(), is_ack);
  FUZZ_CHECK(second.ok());
  const InitChunk& copy = second.init;
  FUZZ_CHECK(copy.initiate_tag == init.initiate_tag && copy.a_rwnd == init.a_rwnd);
  FUZZ_CHECK(copy.outbound_streams == init.outbound_streams);
  FUZZ_CHECK(copy.inbound_streams == init.inbound_streams);
  FUZZ_CHECK(copy.initial_tsn == init.initial_tsn);
  FUZZ_CHECK(std::ranges::equal(copy.address_list(), init.address_list()));
  FUZZ_CHECK(copy.cookie_preservative_ms == init.cookie_preservative_ms);
  FUZZ_CHECK(same(copy.cookie, init.cookie));
  FUZZ_CHECK(same(copy.supported_extensions, init.supported_extensions));
  FUZZ_CHECK(copy.ecn_capable == init.ecn_capable);
  FUZZ_CHECK(copy.forward_tsn_supported == init.forward_tsn_supported);
  if (is_ack) FUZZ_CHECK(copy.reported_by_peer == init.unrecognized_count);
  // What is written has a cookie, if an empty one.
  if (verdict != InitParseError::kHostName && verdict != InitParseError::kMissingCookie) {
    FUZZ_CHECK(validate_init(copy, is_ack) == verdict);
  }
}

void check_heartbeat(const ChunkView& chunk) {
  const auto heartbeat = HeartbeatChunk::parse(chunk);
  if (!heartbeat) return;
  FUZZ_CHECK(inside(heartbeat->info, chunk.value));
  const Rebuilt again(chunk, [&](PacketWriter& w) {
    return chunk.type == ChunkType::kHeartbeat ? write_heartbeat(w, heartbeat->info)
                                               : write_heartbeat_ack(w, heartbeat->info);
  });
  const auto copy = HeartbeatChunk::parse(again.view());
  FUZZ_CHECK(copy.has_value() && same(copy->info, heartbeat->info));
}

// One cause, by its own builder where it has a fixed form.
void append_again(PacketWriter& writer, const CauseView& cause) {
  if (const auto stream = parse_invalid_stream_identifier(cause)) {
    FUZZ_CHECK(append_invalid_stream_identifier(writer, *stream));
  } else if (const auto staleness = parse_stale_cookie_us(cause)) {
    FUZZ_CHECK(append_stale_cookie(writer, *staleness));
  } else if (const auto tsn = parse_no_user_data(cause)) {
    FUZZ_CHECK(append_no_user_data(writer, *tsn));
  } else {
    FUZZ_CHECK(writer.append_tlv(static_cast<uint16_t>(cause.code), cause.value));
  }
}

void expect_same_causes(std::span<const uint8_t> left, std::span<const uint8_t> right) {
  CauseCursor a(left);
  CauseCursor b(right);
  while (const auto cause = a.next()) {
    const auto other = b.next();
    FUZZ_CHECK(other.has_value() && other->code == cause->code);
    FUZZ_CHECK(other->value.size() == cause->value.size());
    // The reserved half of Invalid Stream Identifier is not kept.
    if (const auto stream = parse_invalid_stream_identifier(*cause)) {
      FUZZ_CHECK(parse_invalid_stream_identifier(*other) == stream);
    } else {
      FUZZ_CHECK(same(cause->value, other->value));
    }
    FUZZ_CHECK(!cause_name(cause->code).empty());
  }
  FUZZ_CHECK(!b.next() && a.end() == CursorEnd::kClean && b.end() == CursorEnd::kClean);
}

void check_abort(const ChunkView& chunk) {
  const auto abort = AbortChunk::parse(chunk);
  if (!abort) return;
  const Rebuilt verbatim(
      chunk, [&](PacketWriter& w) { return write_abort(w, abort->tag_reflected, abort->causes); });
  verbatim.expect_same(chunk, kTagReflectedFlag);
  const Rebuilt again(chunk, [&](PacketWriter& w) {
    if (!begin_abort(w, abort->tag_reflected)) return false;
    CauseCursor cursor = abort->cursor();
    while (const auto cause = cursor.next()) append_again(w, *cause);
    return w.end_chunk();
  });
  const auto copy = AbortChunk::parse(again.view());
  FUZZ_CHECK(copy.has_value() && copy->tag_reflected == abort->tag_reflected);
  expect_same_causes(abort->causes, copy->causes);
}

void check_error(const ChunkView& chunk) {
  const auto error = ErrorChunk::parse(chunk);
  if (!error) return;
  const Rebuilt verbatim(chunk, [&](PacketWriter& w) { return write_error(w, error->causes); });
  verbatim.expect_same(chunk, 0);
  const Rebuilt again(chunk, [&](PacketWriter& w) {
    if (!begin_error(w)) return false;
    CauseCursor cursor = error->cursor();
    while (const auto cause = cursor.next()) append_again(w, *cause);
    return w.end_chunk();
  });
  const auto copy = ErrorChunk::parse(again.view());
  FUZZ_CHECK(copy.has_value());
  expect_same_causes(error->causes, copy->causes);
}

void check_fixed(const ChunkView& chunk) {
  if (const auto shutdown = ShutdownChunk::parse(chunk)) {
    Rebuilt(chunk, [&](PacketWriter& w) {
      return write_shutdown(w, shutdown->cum_tsn_ack);
    }).expect_same(chunk, 0);
  }
  if (const auto echo = CookieEchoChunk::parse(chunk)) {
    Rebuilt(chunk, [&](PacketWriter& w) {
      return write_cookie_echo(w, echo->cookie);
    }).expect_same(chunk, 0);
  }
  if (const auto complete = ShutdownCompleteChunk::parse(chunk)) {
    Rebuilt(chunk, [&](PacketWriter& w) {
      return write_shutdown_complete(w, complete->tag_reflected);
    }).expect_same(chunk, kTagReflectedFlag);
  }
  if (is_shutdown_ack(chunk)) Rebuilt(chunk, write_shutdown_ack).expect_same(chunk, 0);
  if (is_cookie_ack(chunk)) Rebuilt(chunk, write_cookie_ack).expect_same(chunk, 0);
}

// Any chunk can be the one that we do not know: the report must hold it, whole or cut.
void check_report(const ChunkView& chunk) {
  const Rebuilt report(chunk, [&](PacketWriter& w) {
    return begin_error(w) && append_unrecognized_chunk(w, chunk.whole) && w.end_chunk();
  });
  const auto error = ErrorChunk::parse(report.view());
  FUZZ_CHECK(error.has_value());
  const auto cause = error->cursor().next();
  FUZZ_CHECK(cause.has_value() && cause->code == CauseCode::kUnrecognizedChunkType);
  const size_t padded_size = (chunk.whole.size() + 3) & ~size_t{3};
  FUZZ_CHECK(cause->value.size() == std::min(padded_size, kMaxChunkSize - 8));
  const size_t told = std::min(cause->value.size(), chunk.whole.size());
  FUZZ_CHECK(same(cause->value.first(told), chunk.whole.first(told)));
}

void check_chunk(const ChunkView& chunk) {
  FUZZ_CHECK(!chunk_name(chunk.type).empty());
  check_fixed(chunk);
  switch (chunk.type) {
    case ChunkType::kData:
      return check_data(chunk);
    case ChunkType::kInit:
      return check_init(chunk, false);
    case ChunkType::kInitAck:
      return check_init(chunk, true);
    case ChunkType::kSack:
      return check_sack(chunk);
    case ChunkType::kForwardTsn:
      return check_forward_tsn(chunk);
    case ChunkType::kHeartbeat:
    case ChunkType::kHeartbeatAck:
      return check_heartbeat(chunk);
    case ChunkType::kAbort:
      return check_abort(chunk);
    case ChunkType::kError:
      return check_error(chunk);
    default:
      return check_report(chunk);
  }
}

void check_shape(std::span<const uint8_t> chunks, size_t count) {
  const PacketShape shape = inspect(chunks);
  FUZZ_CHECK(shape.chunk_count == count);
  const TagClass kind = tag_class(shape);
  FUZZ_CHECK(tag_matches(kind, VerificationTag(0), VerificationTag(1), VerificationTag(0)) ==
             (kind == TagClass::kZero));
  if (shape.breaks_bundling()) {
    FUZZ_CHECK(shape.has_init || shape.has_init_ack || shape.has_shutdown_complete);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> packet(data, size);
  const auto header = CommonHeader::parse(packet);
  FUZZ_CHECK(header.has_value() == (size >= kCommonHeaderSize));
  if (!header) {
    FUZZ_CHECK(!verify_checksum(packet));
    return 0;
  }
  FUZZ_CHECK(verify_checksum(packet) == (header->checksum == packet_checksum(packet)));

  const std::span<const uint8_t> chunks = packet.subspan(kCommonHeaderSize);
  std::vector<uint8_t> room(size + 3);
  PacketWriter writer(room);
  writer.write_header(header->source_port, header->destination_port, header->verification_tag);
  size_t count = 0;
  ChunkCursor cursor(chunks);
  while (const auto chunk = cursor.next()) {
    check_chunk(*chunk);
    uint8_t* const at = writer.reserve_chunk(chunk->type, chunk->flags, chunk->value.size());
    FUZZ_CHECK(at != nullptr);
    copy_bytes(at, chunk->value);
    ++count;
  }
  check_shape(chunks, count);

  const auto again = writer.finish(true);
  FUZZ_CHECK(verify_checksum(again));
  const auto header_again = CommonHeader::parse(again);
  FUZZ_CHECK(header_again->verification_tag == header->verification_tag);
  FUZZ_CHECK(header_again->source_port == header->source_port);
  FUZZ_CHECK(header_again->destination_port == header->destination_port);
  const PacketShape shape = inspect(std::span<const uint8_t>(again).subspan(kCommonHeaderSize));
  FUZZ_CHECK(shape.chunk_count == count && shape.end == CursorEnd::kClean);
  return 0;
}
