// SPDX-License-Identifier: BSD-3-Clause
// Messages that are accepted, and the deadlines of a sender.
#include "tx/sender.h"

namespace trunkline {

Status Sender::accept(const SenderContext& ctx, const SendRequest& request, Payload& payload) {
  const Profile& profile = ctx.profile;
  if (request.stream.value >= streams_) return Status::kInvalidStream;
  if (payload.size() == 0) return Status::kEmptyMessage;
  if (payload.size() > profile.max_message_size) return Status::kMessageTooLarge;
  // One message may always be under way, however large.
  if (accepted_bytes_ > 0 && accepted_bytes_ + payload.size() > profile.send_buffer) {
    return Status::kWouldBlock;
  }
  if (!ctx.message_share.allows(accepted_messages_, ctx.messages.available())) {
    ctx.counters.add(Counter::k_refused_send_share);
    return Status::kWouldBlock;
  }
  TxMessage* const message = ctx.messages.make();
  if (message == nullptr) return Status::kOutOfResources;
  message->context = request.context;
  message->ppid = request.ppid;
  message->stream = request.stream;
  message->unordered = request.unordered;
  message->sack_immediately = request.sack_immediately;
  message->unsent.piece = payload.head();
  message->unsent_size = static_cast<uint32_t>(payload.size());
  if (!queue_.push(message)) {
    ctx.messages.destroy(message);
    return Status::kOutOfResources;
  }
  message->payload = std::move(payload);
  accepted_bytes_ += message->unsent_size;
  ++accepted_messages_;
  ctx.counters.add(Counter::k_messages_sent);
  ctx.counters.add(Counter::k_message_bytes_sent, message->unsent_size);
  // With nothing in flight no SACK will come to open a new burst.
  if (outstanding_.flight() == 0) burst_left_ = profile.max_burst;
  return Status::kOk;
}

TxMessage* Sender::take_waiting() {
  TxMessage* first = nullptr;
  TxMessage** link = &first;
  while (TxMessage* const message = queue_.pop_any()) {
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
