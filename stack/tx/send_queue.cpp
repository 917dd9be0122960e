// SPDX-License-Identifier: BSD-3-Clause
// Round robin over the streams that have something to send.
#include "tx/send_queue.h"

#include <utility>

namespace trunkline {

bool SendQueue::push(TxMessage* message) {
  SendStream* const stream = streams_.get(message->stream);
  if (stream == nullptr) return false;
  message->queue = stream;
  TxMessage* const before = std::exchange(stream->last, message);
  if (before == nullptr) {
    take_turns(*stream, message);
  } else {
    message->next = std::exchange(before->next, message);
  }
  bytes_ += message->unsent_size;
  return true;
}

// The stream's oldest message may go when its turn comes, or when one of those under way is
// acknowledged.
void SendQueue::take_turns(SendStream& stream, TxMessage* oldest) {
  const bool full = stream.next_ssn.distance_from(stream.first_ssn) >= kMostUnderWay;
  if (!full || oldest->unordered) return join_round(oldest);
  stream.last->next = oldest;
  stream.held = true;
}

void SendQueue::join_round(TxMessage* oldest) {
  (last_ != nullptr ? last_->turn : first_) = oldest;
  last_ = oldest;
}

void SendQueue::release(SendStream& stream) {
  stream.held = false;
  join_round(std::exchange(stream.last->next, nullptr));
}

void SendQueue::advance(TxMessage* message, uint32_t size) {
  if (!message->started) {
    message->started = true;
    if (!message->unordered) {
      message->ssn = message->queue->next_ssn;
      ++message->queue->next_ssn;
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
    take_turns(*gone->queue, gone->next);
  } else {
    gone->queue->last = nullptr;
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

}  // namespace trunkline
