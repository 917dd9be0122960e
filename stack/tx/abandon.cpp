// SPDX-License-Identifier: BSD-3-Clause
// Messages that are given up: because their lifetime is over, because one of their chunks has been
// sent again often enough, or for others that matter more (RFC 3758, RFC 7496). What of them was
// sent is passed with FORWARD TSN. Of a peer that does not know it, only what is unsent is given
// up, when its lifetime is over (RFC 9260 section 11.1.5).
#include <algorithm>
#include <array>
#include <span>

#include "base/steps.h"
#include "tx/sender.h"
#include "wire/forward_tsn_chunk.h"

namespace trunkline {
namespace {

// A FORWARD TSN passes no more of them at once, so that none costs more to write than to send.
constexpr uint32_t kMostPassed = 4096;

Reliability::Policy policy_of(const SenderContext& ctx, const TxMessage& message) {
  using Policy = Reliability::Policy;
  const MessageLimit* const limit = limit_of(ctx.limits, message);
  if (limit == nullptr) return Policy::kRetransmissions;
  return limit->is_lifetime ? Policy::kLifetime : Policy::kPriority;
}

// The streams that a FORWARD TSN names, each once, with the last number that is passed: as many as
// it has room for, in their order.
class SkippedStreams {
 public:
  explicit SkippedStreams(size_t room) : most_(std::min(room / wire::kSkippedStreamSize, kMost)) {}

  // Numbers of a stream come in their order. False: there is no room for one more stream.
  bool add(StreamId stream, Ssn ssn) {
    if (last_ < count_ && streams_[last_].stream == stream) {
      streams_[last_].ssn = ssn;
      return true;
    }
    const auto end = streams_.begin() + static_cast<ptrdiff_t>(count_);
    const auto at = std::lower_bound(streams_.begin(), end, stream,
                                     [](const wire::SkippedStream& each, StreamId id) {
                                       count_steps();
                                       return each.stream.value < id.value;
                                     });
    if (at == end || at->stream != stream) {
      if (count_ == most_) return false;
      std::move_backward(at, end, end + 1);
      ++count_;
    }
    *at = {stream, ssn};
    last_ = static_cast<size_t>(at - streams_.begin());
    return true;
  }
  [[nodiscard]] std::span<const wire::SkippedStream> list() const {
    return std::span(streams_).first(count_);
  }

 private:
  static constexpr size_t kMost = 512;

  std::array<wire::SkippedStream, kMost> streams_;
  const size_t most_;
  size_t count_ = 0;
  size_t last_ = 0;  // found or added
};

}  // namespace

// A message that was sent in part gets one more TSN for the rest: where the FORWARD TSN ended
// inside it, its next one would look like a continuation to the peer.
bool Sender::abandon(const SenderContext& ctx, TxMessage& message, Tsn of) {
  const bool cut = message.started && message.unsent_size > 0;
  const bool room = outstanding_.span() < kMaxSendWindow;
  if (cut && (!room || !outstanding_.make_room(ctx.chunks))) return false;
  if (message.unsent_size > 0) queue_.remove(&message);
  if (message.started) {
    if (ctx.limited->outstanding == 0) ctx.limited->ack_point = outstanding_.cum_ack();
    ctx.limited->outstanding += outstanding_.abandon(message, of);
  }
  if (cut) {
    outstanding_.add_abandoned_end(ctx.chunks, message);
    ++ctx.limited->outstanding;
  }
  if (!has_again()) again_now_ = false;
  accepted_bytes_ -= static_cast<uint32_t>(message.payload.size());
  --accepted_messages_;
  ctx.limited->count(policy_of(ctx, message), message.started);
  return true;
}

TxMessage* Sender::abandon_late(const SenderContext& ctx, TimePoint now, bool agreed) {
  while (ctx.limited->due() <= now) {
    MessageLimit& limit = *ctx.limited->first_to_end();
    TxMessage& message = *limit.message;
    const bool waits =
        !message.started || (agreed && (message.unsent_size > 0 ||
                                        outstanding_.waits_to_go_again(message, limit.first)));
    if (waits && abandon(ctx, message, limit.first)) return &message;
    // The peer has it, or will soon: only if that proves wrong it is given up.
    ctx.limited->unfile(limit);
    message.most_again = 0;
  }
  return nullptr;
}

TxMessage* Sender::abandon_lost(const SenderContext& ctx, bool agreed) {
  while (TxChunk* const chunk = outstanding_.first_over_limit()) {
    TxMessage& message = *chunk->message;
    if (agreed && abandon(ctx, message, chunk->tsn)) return &message;
    chunk->over_limit = false;
  }
  return nullptr;
}

TxMessage* Sender::make_way(const SenderContext& ctx, const SendRequest& request, size_t size) {
  if (size > ctx.limited->priority_bytes()) return nullptr;
  const bool is_first = request.reliability.policy != Reliability::Policy::kPriority;
  MessageLimit* const limit = ctx.limited->lowest();
  if (limit == nullptr || (!is_first && limit->rank.value <= request.reliability.value)) {
    return nullptr;
  }
  return abandon(ctx, *limit->message, limit->first) ? limit->message : nullptr;
}

bool Sender::is_late(const SenderContext& ctx, const TxMessage& message, TimePoint now) {
  const MessageLimit* const limit = limit_of(ctx.limits, message);
  if (limit == nullptr || !limit->is_lifetime || !limit->filed) return false;
  return LimitedMessages::end_of(*limit) <= now;
}

// Steps C1 and C2.
bool Sender::advance_ack_point(LimitedMessages& limited) const {
  if (!outstanding_.has_abandoned()) return false;
  const Tsn cum = outstanding_.cum_ack();
  const bool ahead = limited.ack_point.distance_from(cum) <= outstanding_.span();
  limited.ack_point = outstanding_.last_abandoned(ahead ? limited.ack_point : cum);
  return limited.ack_point != cum;
}

// Step C4: where not all streams have room it ends before the first message of one that has none.
bool Sender::write_forward_tsn(LimitedMessages& limited, wire::PacketWriter& writer) const {
  if (writer.remaining() < wire::kForwardTsnHeaderSize) return false;
  SkippedStreams skipped(writer.remaining() - wire::kForwardTsnHeaderSize);
  Tsn last = outstanding_.cum_ack();
  for (uint32_t count = 0; last != limited.ack_point; ++count) {
    count_steps();
    const TxChunk& chunk = outstanding_.at(last + 1);
    if (count >= kMostPassed && chunk.beginning) break;
    if (chunk.queue != nullptr && !skipped.add(chunk.abandoned_stream(), chunk.abandoned_ssn())) {
      break;
    }
    ++last;
  }
  if (last == outstanding_.cum_ack()) return false;
  limited.told_from = outstanding_.cum_ack();
  limited.told_to = last;
  return wire::write_forward_tsn(writer, last, skipped.list());
}

}  // namespace trunkline
