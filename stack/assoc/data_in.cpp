// SPDX-License-Identifier: BSD-3-Clause
// DATA in, SACK out (RFC 9260 sections 3.3.1, 3.3.4, 6.2, 6.5, 6.6, 6.7).
#include <algorithm>
#include <array>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "wire/data_chunk.h"
#include "wire/sack_chunk.h"

namespace trunkline {
namespace {

constexpr Duration kLongestSackDelay = std::chrono::milliseconds(500);  // 6.2, whatever was asked

}  // namespace

// On the path of every chunk, hence inline.
inline void Association::record_tsn(ShardContext& ctx, Tsn tsn) {
  tsns_.record(tsn, ctx.disorder);
  if (!received_.empty()) settle_received(ctx);
}

void Association::on_data(ShardContext& ctx, TimePoint now, const wire::ChunkView& chunk,
                          DataSeen& data) {
  const auto parsed = wire::DataChunk::parse(chunk);
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
  data.any = true;
  switch (tsns_.classify(parsed->tsn, ctx.disorder)) {
    case TsnTracker::Verdict::kDuplicate:
      ctx.counters.add(Counter::k_duplicate_tsns);
      data.duplicate = true;
      tsns_.record_duplicate(parsed->tsn, ctx.disorder);
      data.immediate = true;
      return;
    case TsnTracker::Verdict::kTooFar:
      return drop_data(ctx, Counter::k_drop_data_beyond_tsn_range, data);
    case TsnTracker::Verdict::kNew:
      break;
  }
  data.immediate = data.immediate || parsed->immediate;
  if (parsed->stream.value >= inbound_streams_) {
    // Acknowledged like any other, reported, not delivered (6.5).
    ctx.counters.add(Counter::k_drop_bad_stream);
    record_tsn(ctx, parsed->tsn);
    data.fresh = true;
    if (data.may_answer()) {
      report_error(ctx, [&](wire::PacketWriter& writer) {
        return wire::append_invalid_stream_identifier(writer, parsed->stream);
      });
    }
    return;
  }
  if (advertised(ctx) == 0 && !make_room(ctx, *parsed, data)) return;
  accept_data(ctx, now, *parsed, data);
}

// Dropped as if it had never come; the peer is told at once where it stands (6.2).
void Association::drop_data(ShardContext& ctx, Counter why, DataSeen& data) {
  ctx.counters.add(why);
  data.immediate = true;
}

// The advertised window binds (6.2): with nothing left of it, the next in order comes in if it
// leaves nothing behind and the reader keeps up, and what fills a gap in the place of the highest
// that is held behind it. False: the chunk is dropped, or the association has ended.
bool Association::make_room(ShardContext& ctx, const wire::DataChunk& chunk, DataSeen& data) {
  const bool fills_gap = chunk.tsn.before(tsns_.highest());
  const bool next_to_be_read = chunk.tsn == tsns_.cum_tsn() + 1 && kept_bytes_ == 0;
  if (next_to_be_read && received_.delivers(chunk)) return true;
  bool dropped = false;
  while (window() == 0 && drop_held_behind(ctx, chunk.tsn, Counter::k_drop_held_no_window)) {
    dropped = true;
    data.immediate = true;
  }
  // What was dropped may have used, or moved, the gap block that this TSN counted on.
  if (dropped && tsns_.classify(chunk.tsn, ctx.disorder) != TsnTracker::Verdict::kNew) {
    drop_data(ctx, Counter::k_drop_data_beyond_tsn_range, data);
    return false;
  }
  if ((dropped ? window() : advertised(ctx)) > 0 && fills_gap) return true;
  if (next_to_be_read && received_.loose_blocks() == 0) {
    // All that fills the window is one unfinished message: it would never end.
    abort_for_memory(ctx);
    return false;
  }
  drop_data(ctx, Counter::k_drop_data_no_window, data);
  return false;
}

void Association::accept_data(ShardContext& ctx, TimePoint now, const wire::DataChunk& chunk,
                              DataSeen& data) {
  using Outcome = ReceiveQueue::Outcome;
  Outcome outcome = received_.add(chunk, tsns_.cum_tsn(), ctx.blocks, profile_.max_message_size);
  if (outcome == Outcome::kNoMemory) outcome = add_when_short(ctx, now, chunk, data);
  switch (outcome) {
    case Outcome::kNoMemory:
      if (!dead_) drop_data(ctx, Counter::k_drop_data_no_memory, data);
      return;
    case Outcome::kViolation:
      protocol_violation(ctx, "fragments of a message contradict each other");
      return;
    case Outcome::kTooLarge:
      abort_for_memory(ctx);
      return;
    case Outcome::kWholeInOrder: {
      Event& event = emit(ctx, EventKind::kMessage);
      event.stream = chunk.stream;
      event.ppid = chunk.ppid;
      event.unordered = chunk.unordered;
      event.borrowed = true;
      event.borrowed_piece = {chunk.payload.data(), static_cast<uint32_t>(chunk.payload.size()),
                              nullptr};
      ++messages_received_;
      ctx.counters.add(Counter::k_messages_received);
      ctx.counters.add(Counter::k_message_bytes_received, chunk.payload.size());
      break;
    }
    case Outcome::kHeld:
      break;
  }
  if (starved_ != 0 && chunk.tsn == tsns_.cum_tsn() + 1) starved_ = 0;
  offered_ -= std::min(offered_, static_cast<uint32_t>(chunk.payload.size()));
  data.fresh = true;
  ctx.counters.add(chunk.unordered ? Counter::k_in_unorder_chunks : Counter::k_in_order_chunks);
  record_tsn(ctx, chunk.tsn);
}

// Of what is held, more may be acknowledged now, or ready.
void Association::settle_received(ShardContext& ctx) {
  received_.acknowledge(tsns_.cum_tsn());
  deliver_ready(ctx);
  weigh(ctx);
}

void Association::deliver_ready(ShardContext& ctx) {
  while (ReceiveBlock* message = received_.pop_ready(ctx.blocks)) {
    const HeldInfo& held = message->held;
    Event& event = emit(ctx, EventKind::kMessage);
    event.stream = held.stream;
    event.ppid = held.ppid;
    event.unordered = held.unordered;
    event.payload = Payload(&message->piece, &ctx.blocks);
    ++messages_received_;
    ctx.counters.add(Counter::k_messages_received);
    ctx.counters.add(Counter::k_message_bytes_received, held.size);
    if (!held.whole_chunk) ctx.counters.add(Counter::k_reasm_usr_msgs);
  }
}

// Once a packet with DATA: is a SACK due now, or soon?
void Association::after_data(TimePoint now, const InboundPacket& packet, const DataSeen& data) {
  if (const Path* const from = paths_.find(packet.source)) last_data_path_ = from->index;
  // Nothing but what was here before, and acknowledged: perhaps our SACKs do not come through
  // (6.4). Every second one still goes the way that the DATA came.
  const bool told = packets_since_sack_ == 0;
  sack_detour_ = data.duplicate && !data.fresh && told && !sack_detour_;
  if (state_ == AssocState::kShutdownSent) {  // 9.2: each one is answered with a SHUTDOWN
    pending_ |= kPendingShutdown;
    passage_->t2 = TimePoint::never();
    // What a SHUTDOWN has no field for, a SACK tells beside it: gaps, the window (6.2).
    if (tsns_.has_gaps() || data.immediate) sack_due_ = true;
    return;
  }
  ++packets_since_sack_;
  const bool first = !first_data_seen_;
  first_data_seen_ = true;
  const TimePoint later = now + std::min(profile_.sack_delay, kLongestSackDelay);
  if (first || data.immediate || tsns_.has_gaps() ||
      packets_since_sack_ >= profile_.sack_frequency || profile_.sack_delay == Duration{0}) {
    sack_due_ = true;
  } else if (sack_at_.is_never()) {
    sack_at_ = later;
  }
  // The COOKIE ACK that is due goes to an address that takes no SACK (5.4), and one packet is all
  // that this one may draw (12.4): the SACK waits.
  const bool apart = (pending_ & kPendingCookieAck) != 0 && !paths_.at(cookie_ack_path_).usable();
  if (sack_due_ && apart) {
    sack_due_ = false;
    sack_at_ = later;
  }
}

uint32_t Association::window() const {
  const uint64_t held = held_bytes();
  return held >= profile_.a_rwnd ? 0 : static_cast<uint32_t>(profile_.a_rwnd - held);
}

// The window as a SACK tells it. It closes with what comes in, and opens only by a packet or half
// the buffer, lest the peer fill it with crumbs (6.2, receiver's SWS; RFC 1122 section 4.2.3.3).
// Without a late reader there is nobody who would open it any further.
//
// A slow reader has no more than is left for others: however many they are, something always is.
uint32_t Association::advertised(const ShardContext& ctx) const {
  if (kept_bytes_ == 0) return window();
  const uint64_t share = static_cast<uint64_t>(ctx.blocks.left_to_keep()) * ReceiveBlock::kSize;
  const uint32_t left = static_cast<uint32_t>(
      std::min<uint64_t>(window(), share > kept_bytes_ ? share - kept_bytes_ : 0));
  if (left <= offered_) return left;
  const uint32_t step = std::min(profile_.a_rwnd / 2, paths_.primary().pmdcs());
  return left - offered_ < step ? offered_ : left;
}

bool Association::write_sack_chunk(const ShardContext& ctx, wire::PacketWriter& writer) const {
  const uint32_t left = advertised(ctx);
  if (!tsns_.has_disorder()) return wire::write_sack(writer, tsns_.cum_tsn(), left, {}, {});
  std::array<wire::GapBlock, TsnDisorder::kMaxBlocks> gaps;
  const size_t gap_count = tsns_.gap_blocks(gaps);
  return wire::write_sack(writer, tsns_.cum_tsn(), left, std::span(gaps).first(gap_count),
                          tsns_.duplicates());
}

// The SACK that was written is on its way.
void Association::note_sack_sent(ShardContext& ctx) {
  ctx.counters.add(Counter::k_out_ctrl_chunks);
  if (tsns_.has_gaps()) ctx.counters.add(Counter::k_gap_sacks_sent);
  tsns_.clear_duplicates(ctx.disorder);
  offered_ = advertised(ctx);
  sack_due_ = false;
  packets_since_sack_ = 0;
  sack_at_ = TimePoint::never();
}

void Association::flush_acknowledgement(ShardContext& ctx, TimePoint now) {
  Path& path = sack_path();
  if (queue_reply(ctx, path.local, path.remote, local_.port, peer_port_, peer_tag_, profile_.dscp,
                  path.packet_size(), [&](wire::PacketWriter& writer) {
                    if (sack_due_ && write_sack_chunk(ctx, writer)) note_sack_sent(ctx);
                    if ((pending_ & kPendingShutdown) != 0)
                      write_shutdown_chunk(ctx, now, writer, path);
                    return !writer.empty();
                  })) {
    ++packets_sent_;
    ++path.packets_sent;
  }
}

void Association::on_message_kept(size_t bytes) {
  kept_bytes_ += static_cast<uint64_t>(ReceiveBlocks::blocks_for(bytes)) * ReceiveBlock::kSize;
}

bool Association::may_keep(const ShardContext& ctx, size_t bytes) const {
  const uint64_t more =
      static_cast<uint64_t>(ReceiveBlocks::blocks_for(bytes)) * ReceiveBlock::kSize;
  const uint64_t share = static_cast<uint64_t>(ctx.blocks.left_to_keep()) * ReceiveBlock::kSize;
  return kept_bytes_ + more <= std::max<uint64_t>(profile_.a_rwnd, share);
}

void Association::on_message_consumed(ShardContext& ctx, size_t bytes) {
  const uint64_t charge =
      static_cast<uint64_t>(ReceiveBlocks::blocks_for(bytes)) * ReceiveBlock::kSize;
  kept_bytes_ -= std::min(kept_bytes_, charge);
  // Tell the peer once the window has opened by a quarter of the buffer (6.2).
  const bool worth_telling = advertised(ctx) >= offered_ + profile_.a_rwnd / 4;
  if (worth_telling && first_data_seen_ && takes_data()) {
    sack_due_ = true;
    mark_ready(ctx);
  }
}

}  // namespace trunkline
