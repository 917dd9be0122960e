// SPDX-License-Identifier: BSD-3-Clause
// ABORT and ERROR, in and out (RFC 9260 sections 3.3.7, 3.3.10, 9.1).
#include "assoc/errors.h"

#include <algorithm>

namespace trunkline {

void Association::end_with_abort(ShardContext& ctx, Reason reason, uint16_t cause,
                                 std::span<const uint8_t> said) {
  terminate(ctx, is_opening() && !accepted_ ? EventKind::kConnectFailed : EventKind::kLost, reason,
            cause, said);
}

void Association::abort(ShardContext& ctx, std::span<const uint8_t> reason) {
  // What a packet has room for beside the headers of packet, chunk and cause.
  const size_t packet = std::min(paths_.data_path().packet_size(), Reply::kMaxSize);
  const size_t room =
      packet - wire::kCommonHeaderSize - wire::kChunkHeaderSize - wire::kTlvHeaderSize;
  reason = reason.first(std::min(reason.size(), room & ~size_t{3}));
  abort_with(ctx, Reason::kLocalAbort, wire::CauseCode::kUserInitiatedAbort,
             [&](wire::PacketWriter& writer) {
               return wire::append_user_initiated_abort(writer, reason);
             });
}

void Association::abort_for_memory(ShardContext& ctx) {
  ctx.counters.add(Counter::k_aborted_for_memory);
  abort_with(ctx, Reason::kOutOfResources, wire::CauseCode::kOutOfResource,
             [](wire::PacketWriter& writer) { return wire::append_out_of_resource(writer); });
}

void Association::protocol_violation(ShardContext& ctx, std::string_view what) {
  ctx.counters.add(Counter::k_drop_protocol_violation);
  abort_with(
      ctx, Reason::kPeerViolation, wire::CauseCode::kProtocolViolation,
      [&](wire::PacketWriter& writer) { return wire::append_protocol_violation(writer, what); });
}

void Association::on_abort(ShardContext& ctx, const InboundPacket& packet,
                           const wire::ChunkView& chunk) {
  const auto abort_chunk = wire::AbortChunk::parse(chunk);
  if (!abort_chunk) {
    ctx.counters.add(Counter::k_drop_bad_chunk);
    return;
  }
  // The T bit says whose tag the packet carries, and it must be true (8.5.1 B).
  if (!tag_fits(packet, abort_chunk->tag_reflected)) {
    ctx.counters.add(Counter::k_drop_bad_tag);
    return;
  }
  wire::CauseCursor causes = abort_chunk->cursor();
  const auto first = causes.next();
  const uint16_t cause = first ? static_cast<uint16_t>(first->code) : uint16_t{0};
  const bool opening = is_opening();
  end_with_abort(ctx, opening ? Reason::kRefused : Reason::kReset, cause, abort_chunk->causes);
}

void Association::on_protocol_unreachable(ShardContext& ctx) {
  const bool opening = is_opening();
  end_with_abort(ctx, opening ? Reason::kRefused : Reason::kReset, 0);
}

namespace {

// What a cause says and its padding, which comes with it as on Linux; of the last one it lies
// behind the chunk, if the packet has it.
Piece padded_value(const wire::CauseView& cause, const InboundPacket& packet) {
  const uint8_t* const end = packet.chunks.data() + packet.chunks.size();
  const size_t padded = (cause.value.size() + 3) & ~size_t{3};
  const auto there = static_cast<size_t>(end - cause.value.data());
  return {cause.value.data(), static_cast<uint32_t>(std::min(padded, there)), nullptr};
}

}  // namespace

void Association::on_error(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                           const wire::ChunkView& chunk) {
  constexpr int kMostTold = 16;  // of a chunk: a packet has room for hundreds
  const auto error = wire::ErrorChunk::parse(chunk);
  if (!error) {
    ctx.counters.add(Counter::k_drop_bad_chunk);
    return;
  }
  const bool opening = is_opening();
  int told = 0;
  wire::CauseCursor causes = error->cursor();
  while (const auto cause = causes.next()) {
    if (const auto staleness = wire::parse_stale_cookie_us(*cause)) {
      on_stale_cookie(ctx, now, *staleness);
      if (dead_) return;
      continue;
    }
    if (cause->code == wire::CauseCode::kUnrecognizedParameters &&
        packet.shape.lead_type == wire::ChunkType::kCookieEcho) {
      on_reported_parameters(cause->value);
    }
    // Nobody knows of the association before it is up.
    if (opening || told == kMostTold) continue;
    ++told;
    Event& event = emit(ctx, EventKind::kRemoteError);
    event.cause = static_cast<uint16_t>(cause->code);
    event.borrowed = !cause->value.empty();
    event.borrowed_piece = padded_value(*cause, packet);
  }
}

}  // namespace trunkline
