// SPDX-License-Identifier: BSD-3-Clause
// Messages that are given up, and the FORWARD TSN that tells the peer not to wait for what was sent
// of them (RFC 3758 section 3.5): when each is looked for, who hears of it, and that the telling
// goes on until the peer has passed it.
#include "assoc/context.h"

namespace trunkline {

// Null: there is no memory; counted.
LimitedMessages* Association::make_limited(ShardContext& ctx) {
  ExtensionState* const block = make_extension(ctx);
  return block != nullptr ? &block->limited : nullptr;
}

// Both ends have agreed to, and it can be told.
bool Association::gives_up_what_was_sent() const {
  return features_.has(wire::Feature::kPartialReliability);
}

void Association::tell_abandoned(ShardContext& ctx, TimePoint now, TxMessage* message) {
  ctx.counters.add(Counter::k_messages_abandoned);
  give_back(ctx, message, Reason::kAbandoned, 0);
  if (sender_.is_dry()) emit(ctx, EventKind::kSenderDry);
  if (is_closing()) maybe_finish_sending(ctx, now);
}

// Lifetimes that are over.
void Association::abandon_late(ShardContext& ctx, TimePoint now) {
  const LimitedMessages* const all = limited(ctx);
  if (all == nullptr || all->due() > now) return;
  while (TxMessage* const message =
             sender_.abandon_late(sender_context(ctx), now, gives_up_what_was_sent())) {
    tell_abandoned(ctx, now, message);
  }
  pass_abandoned(ctx, now);
  mark_ready(ctx);
}

// After chunks were marked as lost, or the peer has passed some: what must not be sent again is
// given up, and what is given up is told (A4, A5).
void Association::abandon_lost(ShardContext& ctx, TimePoint now) {
  if (extension_place_ == 0) return;
  while (TxMessage* const message =
             sender_.abandon_lost(sender_context(ctx), gives_up_what_was_sent())) {
    tell_abandoned(ctx, now, message);
  }
  pass_abandoned(ctx, now);
}

// Step C3. The same is not told again within a round trip; T3 is there for what is not answered
// (C5).
void Association::pass_abandoned(ShardContext& ctx, TimePoint now) {
  LimitedMessages* const all = limited(ctx);
  if (dead_ || all == nullptr || !sends_data() || !sender_.advance_ack_point(*all)) return;
  Path& path = paths_.data_path();
  const bool told = all->told_to == all->ack_point && all->told_from == sender_.cum_ack();
  if (told && now - all->told_at < path.rto.srtt()) return start_t3(now, path, false);
  pending_ |= kPendingForwardTsn;
  mark_ready(ctx);
}

void Association::write_forward_tsn_chunk(ShardContext& ctx, TimePoint now,
                                          wire::PacketWriter& writer) {
  LimitedMessages& all = *limited(ctx);
  pending_ &= static_cast<uint8_t>(~kPendingForwardTsn);
  if (!sends_data() || !sender_.advance_ack_point(all)) return;
  if (!sender_.write_forward_tsn(all, writer)) return;
  all.told_at = now;
  ctx.counters.add(Counter::k_out_ctrl_chunks);
  ctx.counters.add(Counter::k_forward_tsns_sent);
  start_t3(now, paths_.data_path(), false);
}

// Of what take_waiting() gave.
void Association::file_again(ShardContext& ctx, TxMessage* waiting) {
  for (; waiting != nullptr; waiting = waiting->next) {
    MessageLimit* const limit = limit_of(ctx.limits, *waiting);
    if (limit == nullptr) continue;
    if (LimitedMessages* const all = make_limited(ctx)) {
      all->file_again(*limit);
    } else {
      ctx.limits.destroy(limit);
      waiting->limit_place = 0;
    }
  }
}

}  // namespace trunkline
