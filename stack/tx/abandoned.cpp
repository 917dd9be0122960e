// SPDX-License-Identifier: BSD-3-Clause
// Chunks of messages that are given up (RFC 3758 section 3.5). They are neither in flight nor sent
// again, and no window knows of them; their records stay, with what a FORWARD TSN has to say of
// them.
#include "tx/outstanding.h"

namespace trunkline {

// They have consecutive TSNs (RFC 9260 section 6.9); the first of them may be acknowledged.
template <typename Visit>
void Outstanding::each_of(const TxMessage& message, Tsn of, Visit&& visit) const {
  Tsn tsn = of.before(first_tsn()) ? first_tsn() : of;
  while (tsn != first_tsn() && at(tsn - 1).is_of(message)) {
    count_steps();
    tsn = tsn - 1;
  }
  for (; tsn != next_tsn() && at(tsn).is_of(message); ++tsn) {
    count_steps();
    visit(at(tsn));
  }
}

void Outstanding::leave_state(const TxChunk& chunk) {
  if (chunk.state == TxChunk::State::kInFlight) unflight(chunk);
  if (chunk.state == TxChunk::State::kRetransmit) --retransmit_count_;
  if (chunk.is_gap_acked()) --gap_acked_count_;
  bytes_ -= chunk.size;
}

uint32_t Outstanding::abandon(const TxMessage& message, Tsn of) {
  uint32_t count = 0;
  each_of(message, of, [&](TxChunk& chunk) {
    leave_state(chunk);
    chunk.abandon(message);
    if (chunk.is_gap_acked()) ++gap_acked_count_;
    ++count;
  });
  any_abandoned_ = 1;
  return count;
}

void Outstanding::add_abandoned_end(ChunkMemory& memory, const TxMessage& message) {
  TxChunk end;
  end.tsn = next_tsn();
  end.ending = true;
  end.abandon(message);
  ring_.push(memory, end);
}

bool Outstanding::waits_to_go_again(const TxMessage& message, Tsn of) const {
  bool any = false;
  each_of(message, of,
          [&](const TxChunk& chunk) { any = any || chunk.state == TxChunk::State::kRetransmit; });
  return any;
}

Tsn Outstanding::last_abandoned(Tsn from) const {
  Tsn last = from;
  while (last + 1 != next_tsn() && at(last + 1).is_abandoned()) {
    count_steps();
    ++last;
  }
  return last;
}

}  // namespace trunkline
