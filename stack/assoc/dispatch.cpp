// SPDX-License-Identifier: BSD-3-Clause
// One packet of an association: its chunks in their order, each to its handler; then, once, what
// the packet as a whole asks for (RFC 9260 sections 6.2, 6.10).
#include "assoc/context.h"
#include "assoc/errors.h"
#include "wire/valueless_chunks.h"

namespace trunkline {

void Association::on_packet(ShardContext& ctx, TimePoint now, const InboundPacket& packet) {
  ++packets_received_;
  // A SACK owed to an earlier packet of this burst goes out as it stands: the peer is entitled to
  // one for every second packet (6.2), and its window grows by them.
  if (sack_due_ && packet.shape.has_data) flush_sack(ctx);

  DataSeen data;
  wire::ChunkCursor chunks(packet.chunks);
  while (const auto chunk = chunks.next()) {
    if (chunk->type != wire::ChunkType::kData) ctx.counters.add(Counter::k_in_ctrl_chunks);
    if (!on_chunk(ctx, now, packet, *chunk, data) || dead_) break;
  }
  if (dead_) return;
  if (chunks.end() != wire::CursorEnd::kClean) ctx.counters.add(Counter::k_drop_chunk_length);
  if (data.any) after_data(now, packet, data);
  if (state_ == AssocState::kShutdownSent) {
    // Any packet shows that the peer is still at work on its queue (9.2).
    error_count_ = 0;
  }
  mark_ready(ctx);
  schedule(ctx);
}

// False: the rest of the packet is not to be processed.
bool Association::on_chunk(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                           const wire::ChunkView& chunk, DataSeen& data) {
  using wire::ChunkType;
  switch (chunk.type) {
    case ChunkType::kData:
      on_data(ctx, packet, chunk, data);
      return true;
    case ChunkType::kSack:
      on_sack(ctx, now, chunk);
      return true;
    case ChunkType::kHeartbeat:
      on_heartbeat(ctx, packet, chunk, data);
      return true;
    case ChunkType::kHeartbeatAck:
      on_heartbeat_ack(ctx, now, chunk);
      return true;
    case ChunkType::kInitAck:
      on_init_ack(ctx, now, packet, chunk);
      return true;
    case ChunkType::kCookieAck:
      if (wire::is_cookie_ack(chunk)) {
        on_cookie_ack(ctx, now);
      } else {
        ctx.counters.add(Counter::k_drop_bad_chunk);
      }
      return true;
    case ChunkType::kAbort:
      on_abort(ctx, packet, chunk);
      return true;
    case ChunkType::kError:
      on_error(ctx, now, chunk);
      return true;
    case ChunkType::kShutdown:
      on_shutdown(ctx, now, chunk);
      return true;
    case ChunkType::kShutdownAck:
      if (wire::is_shutdown_ack(chunk)) {
        on_shutdown_ack(ctx, packet);
      } else {
        ctx.counters.add(Counter::k_drop_bad_chunk);
      }
      return true;
    case ChunkType::kShutdownComplete:
      on_shutdown_complete(ctx, packet, chunk);
      return true;
    case ChunkType::kInit:
    case ChunkType::kCookieEcho:
      return true;  // the shard has dealt with these before it came here
    default:
      return on_unknown_chunk(ctx, packet, chunk, data);
  }
}

// The upper two bits of the type say what to do (3.2).
bool Association::on_unknown_chunk(ShardContext& ctx, const InboundPacket& packet,
                                   const wire::ChunkView& chunk, DataSeen& data) {
  ctx.counters.add(Counter::k_drop_unknown_chunk);
  const wire::UnknownAction action = wire::unknown_chunk_action(chunk.type);
  if (wire::reports(action) && state_ != AssocState::kCookieWait && data.may_answer()) {
    report_error(ctx, packet, [&](wire::PacketWriter& writer) {
      return wire::append_unrecognized_chunk(writer, chunk.whole);
    });
  }
  return !wire::stops(action);
}

}  // namespace trunkline
