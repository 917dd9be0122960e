// SPDX-License-Identifier: BSD-3-Clause
// Messages that are accepted, and the deadlines of a sender.
#include "tx/sender.h"

namespace trunkline {

Status Sender::accept(const SenderContext& ctx, TimePoint now, const SendRequest& request,
                      Payload& payload) {
  const Profile& profile = ctx.profile;
  if (request.stream.value >= streams_) return Status::kInvalidStream;
  const size_t size = payload.size();
  if (size == 0) return Status::kEmptyMessage;
  if (size > profile.max_message_size) return Status::kMessageTooLarge;
  // One message may always be under way, however large.
  if (accepted_bytes_ + size > profile.send_buffer && accepted_bytes_ > 0) {
    return Status::kWouldBlock;
  }
  if (!ctx.message_share.allows(accepted_messages_, ctx.messages.available())) {
    ctx.counters.add(Counter::k_refused_send_share);
    return Status::kWouldBlock;
  }
  TxMessage* const message = ctx.messages.make(request, payload);
  if (message == nullptr) return Status::kOutOfResources;
  const bool limited = request.reliability.policy != Reliability::Policy::kFull;
  const bool filed = !limited || ctx.limited->file(ctx.limits, now, request.reliability, *message);
  if (!filed || !queue_.push(message)) {
    if (message->limit_place != 0) ctx.limited->forget(ctx.limits, *message);
    payload = std::move(message->payload);
    ctx.messages.destroy(message);
    return Status::kOutOfResources;
  }
  accepted_bytes_ += static_cast<uint32_t>(size);
  ++accepted_messages_;
  ctx.counters.add(Counter::k_messages_sent);
  ctx.counters.add(Counter::k_message_bytes_sent, size);
  // With nothing in flight no SACK will come to open a new burst.
  if (outstanding_.flight() == 0) burst_left_ = profile.max_burst;
  return Status::kOk;
}

TxMessage* Sender::take_waiting() {
  TxMessage* first = nullptr;
  TxMessage** link = &first;
  while (TxMessage* const message = queue_.pop_any()) {
    message->in_turn = false;
    *link = message;
    link = &message->next;
  }
  *link = nullptr;
  accepted_bytes_ = 0;
  accepted_messages_ = 0;
  return first;
}

bool Sender::on_time(TimePoint now) {
  const bool retry = retry_at_ <= now;
  if (retry) retry_at_ = TimePoint::never();
  const bool probe = !probe_is_due() && probe_at_ <= now;
  if (probe) probe_at_ = kNow;
  return retry || probe;
}

}  // namespace trunkline
