// SPDX-License-Identifier: BSD-3-Clause
// What a SACK means for the sender as a whole: loss, recovery from it, the peer's window (RFC 9260
// sections 6.1 A, 6.2.1, 7.2.4).
#include <limits>

#include "tx/sender.h"

namespace trunkline {

void Sender::acknowledge(const SenderContext& ctx, const wire::SackChunk& sack,
                         SackOutcome& outcome) {
  EarlySigns signs;
  if (ctx.profile.loss_recovery == LossRecovery::kEarly) {
    signs = {.few = queue_.empty() || window_closed_, .again = true};
  }
  outstanding_.process(sack, in_recovery_, outcome, signs);
  if (outcome.unsound_gaps > 0) {
    ctx.counters.add(Counter::k_drop_bad_gap_block, outcome.unsound_gaps);
  }
  if (outcome.gaps_ignored) ctx.counters.add(Counter::k_drop_fickle_gap_blocks);
}

bool Sender::recover(const Profile& profile, const SackOutcome& outcome) {
  const bool begins = outcome.lost && !in_recovery_;
  if (begins) {
    in_recovery_ = true;
    recovery_exit_ = outstanding_.next_tsn() - 1;
    again_now_ = true;
  }
  if (outcome.lost_again) again_now_ = true;
  if (in_recovery_ && outstanding_.cum_ack().at_or_after(recovery_exit_)) in_recovery_ = false;
  if (outcome.newly_acked || outcome.cum_advanced) burst_left_ = profile.max_burst;
  return begins;
}

// A window that has no room for the chunk that goes next is closed (6.1 A).
bool Sender::fits_next_chunk(uint32_t a_rwnd, uint32_t fragment_limit) const {
  if (a_rwnd > std::numeric_limits<uint16_t>::max()) return true;  // the common case
  const TxChunk* const first = outstanding_.front();
  if (first != nullptr && !first->is_abandoned()) return a_rwnd >= first->size;
  if (const TxMessage* const message = queue_.front()) {
    return a_rwnd >= std::min(message->unsent_size, fragment_limit);
  }
  return a_rwnd > 0;
}

Sender::WindowNews Sender::take_window(uint32_t a_rwnd, bool newly_acked, uint32_t fragment_limit) {
  told_rwnd_ = a_rwnd;
  peer_rwnd_ = left_of(a_rwnd);  // 6.2.1 D ii
  window_closed_ = !fits_next_chunk(a_rwnd, fragment_limit);
  WindowNews news;
  news.answers_probe = probing_window_ || window_closed_;
  if (probing_window_ && (outstanding_.empty() || !window_closed_)) {
    probing_window_ = false;
    // The window is open again, and the probe was dropped while it was not: it goes now rather than
    // when its timer, backed off many times, comes up.
    news.resend = !outstanding_.empty() && !newly_acked;
  }
  return news;
}

}  // namespace trunkline
