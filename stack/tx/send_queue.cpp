// SPDX-License-Identifier: BSD-3-Clause
// Round robin over the streams that have something to send.
#include "tx/send_queue.h"

namespace trunkline {

bool SendQueue::push(TxMessage* message) {
  Stream* const stream = streams_.get(message->stream);
  if (stream == nullptr) return false;
  if (stream->last == nullptr) {
    join_round(message);
  } else {
    stream->last->next = message;
  }
  stream->last = message;
  bytes_ += message->unsent_size;
  return true;
}

void SendQueue::join_round(TxMessage* oldest) {
  (last_ != nullptr ? last_->turn : first_) = oldest;
  last_ = oldest;
}

void SendQueue::advance(TxMessage* message, uint32_t size) {
  if (!message->started) {
    message->started = true;
    if (!message->unordered) {
      Stream* const stream = streams_.find(message->stream);
      message->ssn = stream->next_ssn;
      ++stream->next_ssn;
    }
  }
  message->unsent_size -= size;
  bytes_ -= size;
  if (message->unsent_size == 0) drop_front();
}

// Its stream goes to the end of the round.
void SendQueue::drop_front() {
  TxMessage* const gone = first_;
  first_ = gone->turn;
  if (first_ == nullptr) last_ = nullptr;
  if (gone->next != nullptr) {
    join_round(gone->next);
  } else {
    streams_.find(gone->stream)->last = nullptr;
  }
  gone->next = gone->turn = nullptr;
}

TxMessage* SendQueue::pop_any() {
  TxMessage* const message = front();
  if (message == nullptr) return nullptr;
  bytes_ -= message->unsent_size;
  drop_front();
  return message;
}

void SendQueue::reset_ssns() {
  streams_.for_each([](Stream& stream) { stream.next_ssn = Ssn(0); });
}

}  // namespace trunkline
