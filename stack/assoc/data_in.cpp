// SPDX-License-Identifier: BSD-3-Clause
// DATA in, SACK out (RFC 9260 sections 3.3.1, 6.2, 6.5, 6.6, 6.7): what the receiving half says is
// done here.
#include "assoc/context.h"
#include "assoc/errors.h"
#include "base/bytes.h"
#include "wire/data_chunk.h"

namespace trunkline {

ReceiverContext Association::receiver_context(ShardContext& ctx) const {
  return {*profile_, ctx.blocks, ctx.disorder, ctx.counters};
}

// What mostly comes: whole ordered messages, in order, while nothing is missing or held. Takes as
// many as there are from the front of `chunks`; window, TSN, counters and event follow once for all
// of them. Returns their bytes. What is anything else is left for on_data(), and so nothing is
// judged here.
size_t Association::take_run(ShardContext& ctx, std::span<const uint8_t> chunks, DataSeen& seen) {
  using wire::DataChunk;
  constexpr uint32_t kWhole = uint32_t{DataChunk::kBeginningFlag | DataChunk::kEndingFlag} << 16;
  constexpr uint32_t kImmediate = uint32_t{DataChunk::kImmediateFlag} << 16;
  constexpr uint32_t kTypeAndFlags = 0xff000000 | uint32_t{0x0f} << 16;
  const uint32_t calm_bytes = receiver_.calm_bytes(*profile_);
  if (calm_bytes == 0 || !takes_data() || chunks.size() > profile_->max_message_size) return 0;
  const uint8_t* at = chunks.data();
  size_t left = chunks.size();
  const Tsn first = receiver_.cum_tsn() + 1;
  Tsn next = first;
  uint32_t bytes = 0;
  uint32_t all_flags = 0;
  ReceiveQueue::Order* order = nullptr;
  uint32_t turn = 0;  // stream and SSN, as they stand in the chunk that is next in that order
  Tsn since;          // its first
  while (left > wire::kDataHeaderSize && bytes < calm_bytes) {
    const wire::DataFields chunk(at);
    const uint32_t head = chunk.head();
    const size_t length = head & 0xffff;
    const size_t size = length - wire::kDataHeaderSize;
    if ((head & kTypeAndFlags & ~kImmediate) != kWhole ||
        size - 1 >= left - wire::kDataHeaderSize || chunk.tsn() != next) {
      break;
    }
    if (const uint32_t its_turn = chunk.turn(); its_turn != turn || order == nullptr) {
      if (order != nullptr) order->advance(next.distance_from(since));
      since = next;
      order = receiver_.order_of(StreamId(static_cast<uint16_t>(its_turn >> 16)));
      if (order == nullptr || !order->is_next(Mid(its_turn & 0xffff))) break;
      turn = its_turn;
    }
    turn = (turn & 0xffff0000) | static_cast<uint16_t>(turn + 1);
    all_flags |= head;
    bytes += static_cast<uint32_t>(size);
    ++next;
    const size_t step = std::min(wire::padded(length), left);
    at += step;
    left -= step;
  }
  if (order != nullptr) order->advance(next.distance_from(since));
  const uint32_t count = next.distance_from(first);
  if (count == 0) return 0;
  emit_run(ctx, chunks.first(static_cast<size_t>(at - chunks.data())), first, count,
           paths_.at(seen.path).remote);
  receiver_.take_run(receiver_context(ctx), count, bytes, seen);
  seen.immediate = seen.immediate || (all_flags & kImmediate) != 0;
  totals_.messages_received += count;
  ctx.counters.add(Counter::k_messages_received, count);
  ctx.counters.add(Counter::k_message_bytes_received, bytes);
  return static_cast<size_t>(at - chunks.data());
}

// So many ordered messages that lie in the packet at hand, from `tsn` on.
inline void Association::emit_run(ShardContext& ctx, std::span<const uint8_t> chunks, Tsn tsn,
                                  uint32_t count, const IpAddress& from) {
  const wire::DataFields first(chunks.data());
  QueuedEvent& queued = emit_whole(ctx,
                                   {.tsn = tsn,
                                    .stream = first.stream(),
                                    .mid = Mid(first.ssn().value),
                                    .ppid = first.ppid(),
                                    .payload = {first.payload(), first.size()}},
                                   from);
  queued.behind = count - 1;
  queued.end = chunks.data() + chunks.size();
}

// A message that lies in the packet at hand, and came by a path to that address.
inline QueuedEvent& Association::emit_whole(ShardContext& ctx, const wire::DataChunk& chunk,
                                            const IpAddress& from) {
  return ctx.events.emplace([&] {
    return QueuedEvent{
        Event{.kind = EventKind::kMessage,
              .unordered = chunk.unordered,
              .assoc = id,
              .endpoint = local_.endpoint,
              .tsn = chunk.tsn,
              .user = user,
              .stream = chunk.stream,
              .ppid = chunk.ppid,
              .path = from,
              .borrowed = true,
              .number = chunk.mid.value,
              .borrowed_piece = {chunk.payload.data(), static_cast<uint32_t>(chunk.payload.size()),
                                 nullptr}}};
  });
}

void Association::on_data(ShardContext& ctx, TimePoint now, const wire::ChunkView& chunk,
                          PacketSeen& seen) {
  auto parsed = wire::DataChunk::parse(chunk);
  if (!parsed) {
    ctx.counters.add(Counter::k_drop_bad_chunk);
    return;
  }
  if (!takes_data()) {
    ctx.counters.add(Counter::k_drop_data_state);
    return;
  }
  if (parsed->payload.empty()) {  // 3.3.1, 6.2: a message has at least one byte
    ctx.counters.add(Counter::k_drop_empty_data);
    abort_with(
        ctx, Reason::kPeerViolation, wire::CauseCode::kNoUserData,
        [&](wire::PacketWriter& writer) { return wire::append_no_user_data(writer, parsed->tsn); });
    return;
  }
  const ReceiverContext receiving = receiver_context(ctx);
  switch (receiver_.look_at(receiving, *parsed, seen.data)) {
    case Receiver::Arrival::kSettled:
      return;
    case Receiver::Arrival::kBadStream:
      return on_bad_stream(ctx, *parsed, seen);
    case Receiver::Arrival::kNew:
      break;
  }
  if (features_.has(wire::Feature::kPartialReliability) && is_given_up(ctx, *parsed, seen.data)) {
    return;
  }
  if (receiver_.may_be_shut(*profile_) && advertised(ctx) == 0 &&
      !make_room(ctx, *parsed, seen.data)) {
    return;
  }
  // An unordered one has no SSN (6.6): in its place goes what its reader may ask for instead.
  if (parsed->unordered) parsed->mid = Mid(receiver_.cum_tsn_with(parsed->tsn).value);
  parsed->path = seen.data.path;
  accept_data(ctx, now, *parsed, seen.data);
}

// Acknowledged like any other, reported, not delivered (6.5).
void Association::on_bad_stream(ShardContext& ctx, const wire::DataChunk& chunk, PacketSeen& seen) {
  ctx.counters.add(Counter::k_drop_bad_stream);
  receiver_.record(receiver_context(ctx), chunk.tsn, seen.data);
  if (receiver_.holds_any()) settle_received(ctx);
  if (!seen.may_answer()) return;
  report_error(ctx, [&](wire::PacketWriter& writer) {
    return wire::append_invalid_stream_identifier(writer, chunk.stream);
  });
}

// False: the chunk is dropped, or the association has ended.
bool Association::make_room(ShardContext& ctx, const wire::DataChunk& chunk, DataSeen& seen) {
  if (give_front(ctx) && advertised(ctx) > 0) {
    seen.immediate = true;  // the window has opened
    return true;
  }
  const Receiver::Room room = receiver_.make_room(receiver_context(ctx), chunk, seen);
  weigh(ctx);
  if (room == Receiver::Room::kNever) abort_for_memory(ctx);
  return room == Receiver::Room::kFound;
}

void Association::accept_data(ShardContext& ctx, TimePoint now, const wire::DataChunk& chunk,
                              DataSeen& seen) {
  using Outcome = ReceiveQueue::Outcome;
  const ReceiverContext receiving = receiver_context(ctx);
  Outcome outcome = receiver_.add(receiving, chunk);
  if (outcome == Outcome::kNoMemory) outcome = add_when_short(ctx, now, chunk, seen);
  switch (outcome) {
    case Outcome::kNoMemory:
      if (!dead_) Receiver::drop(receiving, Counter::k_drop_data_no_memory, seen);
      return;
    case Outcome::kViolation:
      protocol_violation(ctx, "fragments of a message contradict each other");
      return;
    case Outcome::kTooLarge:
      abort_for_memory(ctx);
      return;
    case Outcome::kWholeInOrder:
      emit_whole(ctx, chunk, paths_.at(chunk.path).remote);
      ++totals_.messages_received;
      ctx.counters.add(Counter::k_messages_received);
      ctx.counters.add(Counter::k_message_bytes_received, chunk.payload.size());
      break;
    case Outcome::kHeld:
      break;
  }
  receiver_.take(receiving, chunk, seen);
  if (receiver_.holds_any()) settle_received(ctx);
}

// What there is of an unfinished message whose turn it is goes to its reader, to make room (6.9).
bool Association::give_front(ShardContext& ctx) {
  if (!receiver_.give_front(receiver_context(ctx), 1)) return false;
  settle_received(ctx);
  return true;
}

// Of what is held, more may be acknowledged now, or ready.
void Association::settle_received(ShardContext& ctx) {
  receiver_.acknowledge_held(receiver_context(ctx),
                             features_.has(wire::Feature::kPartialReliability));
  receiver_.give_front(receiver_context(ctx), profile_->partial_delivery_point);
  while (ReceiveBlock* message = receiver_.pop_ready(ctx.blocks)) {
    const HeldInfo& held = message->held;
    Event& event = emit(ctx, EventKind::kMessage);
    event.stream = held.stream;
    event.ppid = held.ppid;
    event.tsn = held.first_tsn();
    event.number = held.turn.value;
    event.unordered = held.unordered;
    event.path = paths_.at(held.path).remote;
    event.payload = Payload(&message->piece, &ctx.blocks);
    event.more = held.more;
    ctx.counters.add(Counter::k_message_bytes_received, held.size);
    if (held.more) {
      ctx.counters.add(Counter::k_partial_deliveries);
      continue;
    }
    ++totals_.messages_received;
    ctx.counters.add(Counter::k_messages_received);
    if (!held.whole_chunk) ctx.counters.add(Counter::k_reasm_usr_msgs);
  }
  weigh(ctx);
}

// Once a packet with DATA: is a SACK due now, or soon?
void Association::after_data(TimePoint now, const Path* from, const DataSeen& seen) {
  receiver_.note_source(from != nullptr ? &from->index : nullptr, seen);
  if (state_ == AssocState::kShutdownSent) {  // 9.2: each one is answered with a SHUTDOWN
    pending_ |= kPendingShutdown;
    passage_->t2 = TimePoint::never();
    // What a SHUTDOWN has no field for, a SACK tells beside it: gaps, the window (6.2).
    if (receiver_.has_gaps() || seen.immediate) receiver_.owe_sack();
    return;
  }
  receiver_.plan_sack(*profile_, now, seen);
  // The COOKIE ACK that is due goes to an address that takes no SACK (5.4), and one packet is all
  // that this one may draw (12.4): the SACK waits.
  const bool apart = (pending_ & kPendingCookieAck) != 0 && !paths_.at(cookie_ack_path_).usable();
  if (receiver_.sack_due() && apart) receiver_.put_sack_off(*profile_, now);
}

bool Association::write_sack_chunk(ShardContext& ctx, wire::PacketWriter& writer) const {
  return receiver_.write_sack(writer, advertised(ctx));
}

// The SACK that was written is on its way.
void Association::note_sack_sent(ShardContext& ctx) {
  receiver_.on_sack_sent(receiver_context(ctx), advertised(ctx));
}

void Association::flush_acknowledgement(ShardContext& ctx, TimePoint now) {
  Path& path = sack_path();
  const bool queued = queue_packet(ctx, path.local, path, [&](wire::PacketWriter& writer) {
    if (receiver_.sack_due() && write_sack_chunk(ctx, writer)) note_sack_sent(ctx);
    if ((pending_ & kPendingShutdown) != 0) write_shutdown_chunk(ctx, now, writer, path);
    return !writer.empty();
  });
  if (queued) ++path.packets_sent;
}

void Association::on_message_kept(size_t bytes) {
  receiver_.on_kept(bytes);
}

bool Association::may_keep(ShardContext& ctx, size_t bytes) const {
  return receiver_.may_keep(receiver_context(ctx), bytes);
}

void Association::on_message_consumed(ShardContext& ctx, size_t bytes) {
  receiver_.on_consumed(bytes);
  tell_of_window(ctx);
}

bool Association::set_unread(ShardContext& ctx, uint32_t bytes) {
  receiver_.set_unread(bytes);
  tell_of_window(ctx);
  // Does the peer wait for what is read, or soon?
  const uint32_t little = profile_->a_rwnd / 4;
  return bytes >= little || (bytes != 0 && advertised(ctx) < little);
}

// Perhaps it has opened so far that the peer should know.
void Association::tell_of_window(ShardContext& ctx) {
  // A reader that keeps up again gets the front.
  if (receiver_.give_front(receiver_context(ctx), profile_->partial_delivery_point)) {
    settle_received(ctx);
  }
  if (receiver_.worth_telling(*profile_, advertised(ctx)) && takes_data()) {
    receiver_.owe_sack();
    mark_ready(ctx);
  }
}

}  // namespace trunkline
