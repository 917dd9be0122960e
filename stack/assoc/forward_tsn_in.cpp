// SPDX-License-Identifier: BSD-3-Clause
// FORWARD TSN in (RFC 3758 section 3.6): what the peer has given up is not waited for any more.
#include "wire/forward_tsn_chunk.h"

#include "assoc/context.h"

namespace trunkline {

bool Association::on_forward_tsn(ShardContext& ctx, TimePoint, const InboundPacket&,
                                 const wire::ChunkView& chunk, PacketSeen& seen) {
  const auto parsed = wire::ForwardTsnChunk::parse(chunk);
  if (!parsed) {
    ctx.counters.add(Counter::k_drop_bad_chunk);
    return true;
  }
  if (!takes_data()) {
    ctx.counters.add(Counter::k_drop_forward_tsn_state);
    return true;
  }
  switch (receiver_.skip(receiver_context(ctx), *parsed, seen.data)) {
    case Receiver::Skipped::kNothing:
      return true;
    case Receiver::Skipped::kBroken:
      emit(ctx, EventKind::kMessageBroken);
      break;
    case Receiver::Skipped::kSome:
      break;
  }
  settle_received(ctx);
  return true;
}

// Beside its COOKIE ECHO, of our INIT ACK: the peer does not know the extension after all, whatever
// its INIT said (3.3.3).
void Association::on_reported_parameters(std::span<const uint8_t> parameters) {
  wire::ParameterCursor cursor(parameters);
  while (const auto parameter = cursor.next()) {
    if (parameter->type != wire::ParameterType::kForwardTsnSupported) continue;
    features_.remove(wire::Feature::kPartialReliability);
  }
}

// True: the chunk is a part of a message that the peer has given up. Some senders send the rest of
// one; some, and without a FORWARD TSN if all of it that was sent had come, never do, and go on
// with another. What can't be whole is acknowledged like any other, and not delivered.
bool Association::is_given_up(ShardContext& ctx, const wire::DataChunk& chunk, DataSeen& seen) {
  using CutOff = ReceiveQueue::CutOff;
  const bool orphan = receiver_.is_orphan(chunk);
  CutOff cut_off = CutOff::kNothing;
  if (orphan || chunk.beginning) {
    cut_off = receiver_.cut_off_before(receiver_context(ctx), chunk.tsn);
  }
  if (cut_off == CutOff::kGiven) emit(ctx, EventKind::kMessageBroken);
  if (orphan) receiver_.record_orphan(receiver_context(ctx), chunk, seen);
  if (orphan || cut_off != CutOff::kNothing) settle_received(ctx);
  return orphan;
}

}  // namespace trunkline
