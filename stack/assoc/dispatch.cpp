// SPDX-License-Identifier: BSD-3-Clause
// One packet of an association: its chunks in their order, each to its handler; then, once, what
// the packet as a whole asks for (RFC 9260 sections 6.2, 6.10).
#include <utility>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "base/bytes.h"
#include "wire/valueless_chunks.h"

namespace trunkline {

void Association::on_packet(ShardContext& ctx, TimePoint now, const InboundPacket& packet) {
  Path* const from = paths_.find(packet.source);
  PacketSeen seen;
  if (from != nullptr) {
    ++from->packets_received;
    seen.data.path = from->index;
  } else {
    ++counted_elsewhere(ctx).received;
  }
  // A SACK owed to an earlier packet of this burst goes out as it stands: the peer is entitled to
  // one for every second packet (6.2), and its window grows by them. A SHUTDOWN likewise (9.2). But
  // none ahead of the COOKIE ACK (3.3.12).
  const bool owed = receiver_.sack_due() || (pending_ & kPendingShutdown) != 0;
  const bool opens = (pending_ & kPendingCookieAck) != 0;
  if (owed && packet.shape.has_data && !opens) flush_acknowledgement(ctx, now);

  wire::ChunkCursor chunks(packet.chunks);
  bool sack_seen = take_plain_sack(ctx, now, packet.chunks);
  if (sack_seen) {
    ctx.counters.add(Counter::k_in_ctrl_chunks);
    chunks.pass(wire::kSackHeaderSize);
  }
  while (!dead_) {
    if (const auto rest = chunks.rest(); !rest.empty() && wire::is_data(rest)) {
      chunks.pass(take_run(ctx, rest, seen.data));
    }
    const auto chunk = chunks.next();
    if (!chunk) break;
    if (chunk->type != wire::ChunkType::kData) ctx.counters.add(Counter::k_in_ctrl_chunks);
    // Each may cost a walk over all that is outstanding, and nobody has two things to say at once.
    if (chunk->type == wire::ChunkType::kSack && std::exchange(sack_seen, true)) {
      ctx.counters.add(Counter::k_drop_old_sack);
      continue;
    }
    if (!on_chunk(ctx, now, packet, *chunk, seen) || dead_) break;
  }
  if (dead_) return ctx.answers.clear();  // the ABORT or SHUTDOWN COMPLETE is the answer
  if (chunks.end() != wire::CursorEnd::kClean) ctx.counters.add(Counter::k_drop_chunk_length);
  if (seen.data.any) after_data(now, from, seen.data);
  if (state_ == AssocState::kShutdownSent) {
    // Any packet shows that the peer is still at work on its queue: it gets all its time (9.2). Not
    // so a HEARTBEAT: where they come faster than T2 runs, a lost SHUTDOWN would never be repeated.
    error_count_ = 0;
    const bool at_work =
        packet.shape.chunk_count > 1 || packet.shape.lead_type != wire::ChunkType::kHeartbeat;
    if (at_work && !passage_->t2.is_never()) {
      passage_->t2 = now + paths_.at(setup_path_).rto.value();
    }
  }
  if (!ctx.answers.empty()) flush_answers(ctx, now, packet);
  if (may_have_output()) mark_ready(ctx);
  schedule(ctx);
}

// False: the rest of the packet is not to be processed.
bool Association::on_chunk(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                           const wire::ChunkView& chunk, PacketSeen& seen) {
  using wire::ChunkType;
  switch (chunk.type) {
    case ChunkType::kData:
      on_data(ctx, now, chunk, seen);
      return true;
    case ChunkType::kSack:
      on_sack(ctx, now, chunk);
      return true;
    case ChunkType::kHeartbeat:
      on_heartbeat(ctx, packet, chunk, seen);
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
      on_error(ctx, now, packet, chunk);
      return true;
    case ChunkType::kShutdown:
      on_shutdown(ctx, now, packet, chunk);
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
      return on_extension_chunk(ctx, now, packet, chunk, seen);
  }
}

// The upper two bits of the type say what to do (3.2). Until the COOKIE ACK has come nothing may go
// out but the COOKIE ECHO (5.1 C): then there is no report.
bool Association::on_unknown_chunk(ShardContext& ctx, const wire::ChunkView& chunk,
                                   PacketSeen& seen) {
  ctx.counters.add(Counter::k_drop_unknown_chunk);
  const wire::UnknownAction action = wire::unknown_chunk_action(chunk.type);
  const bool opening = is_opening();
  if (wire::reports(action) && !opening && seen.may_answer()) {
    report_error(ctx, [&](wire::PacketWriter& writer) {
      return wire::append_unrecognized_chunk(writer, chunk.whole);
    });
  }
  return !wire::stops(action);
}

namespace {

// To an address that is not confirmed, too.
bool may_go_anywhere(const wire::ChunkView& answer) {
  return answer.type == wire::ChunkType::kHeartbeatAck;
}

void write_answers(ShardContext& ctx, wire::PacketWriter& writer, bool unconfirmed) {
  wire::ChunkCursor answers(ctx.answers.chunks());
  while (const auto answer = answers.next()) {
    if (unconfirmed && !may_go_anywhere(*answer)) continue;
    uint8_t* const at = writer.reserve_chunk(answer->type, answer->flags, answer->value.size());
    if (at == nullptr) {
      ctx.counters.add(Counter::k_drop_answer_too_long);
      continue;
    }
    copy_bytes(at, answer->value);
    ctx.counters.add(Counter::k_out_ctrl_chunks);
  }
}

}  // namespace

// One packet is all that a packet may draw, DATA apart (12.4): the answers to its chunks leave
// together with the control chunks that are due. What does not fit is not sent, and of these it is
// the answers; yet they stand in front of the SACK, where other stacks have them. It goes back the
// way the question came (6.4), unless that address is not confirmed: then only HEARTBEAT ACKs may
// (5.4).
void Association::flush_answers(ShardContext& ctx, TimePoint now, const InboundPacket& packet) {
  constexpr uint8_t kControl = kPendingCookieAck | kPendingShutdown | kPendingShutdownAck;
  Path* const from = paths_.find(packet.source);
  bool back = from != nullptr;
  bool unconfirmed = back && !from->confirmed();
  if (unconfirmed && (pending_ & kPendingCookieAck) == 0) {
    back = !receiver_.sack_due() && (pending_ & kControl) == 0;
    wire::ChunkCursor answers(ctx.answers.chunks());
    while (const auto answer = answers.next()) back = back && may_go_anywhere(*answer);
    unconfirmed = back;
  }
  Path& path = back ? *from : paths_.data_path();
  const IpAddress& local = back ? packet.destination : path.local;
  const bool queued = queue_packet(ctx, local, path, [&](wire::PacketWriter& writer) {
    const bool all = add_cookie_ack(ctx, now, writer, path);
    const size_t control_at = writer.size();
    const bool sack = receiver_.sack_due();
    if (all) add_control(ctx, now, writer, path);
    const size_t answers_at = writer.size();
    write_answers(ctx, writer, unconfirmed);
    if (sack && !receiver_.sack_due()) writer.swap_chunks(control_at, answers_at);
    return true;
  });
  if (queued) ++path.packets_sent;
  ctx.answers.clear();
}

}  // namespace trunkline
