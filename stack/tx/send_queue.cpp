// SPDX-License-Identifier: BSD-3-Clause
// Round robin over the streams that have something to send.
#include "tx/send_queue.h"

namespace trunkline {

bool SendQueue::push(TxMessage* message) {
  Stream* const stream = streams_.get(message->stream);
  if (stream == nullptr) return false;
  if (stream->messages.empty()) active_.push_back(stream);
  stream->messages.push_back(message);
  bytes_ += message->unsent_size;
  return true;
}

TxMessage* SendQueue::front() {
  if (current_ != nullptr) return current_;
  return active_.empty() ? nullptr : active_.front()->messages.front();
}

void SendQueue::advance(TxMessage* message, uint32_t size) {
  Stream* const stream = streams_.find(message->stream);
  if (!message->started) {
    message->started = true;
    if (!message->unordered) {
      message->ssn = stream->next_ssn;
      ++stream->next_ssn;
    }
  }
  message->unsent_size -= size;
  bytes_ -= size;
  if (message->unsent_size > 0) {
    current_ = message;
    return;
  }
  current_ = nullptr;
  drop_from_stream(stream, message);
}

void SendQueue::drop_from_stream(Stream* stream, TxMessage* message) {
  stream->messages.remove(message);
  const bool alone = active_.front() == stream && active_.back() == stream;
  if (alone && !stream->messages.empty()) return;
  active_.remove(stream);
  if (!stream->messages.empty()) active_.push_back(stream);  // to the end of the round
}

TxMessage* SendQueue::pop_any() {
  TxMessage* const message = front();
  if (message == nullptr) return nullptr;
  bytes_ -= message->unsent_size;
  current_ = nullptr;
  drop_from_stream(streams_.find(message->stream), message);
  return message;
}

void SendQueue::reset_ssns() {
  streams_.for_each([](Stream& stream) { stream.next_ssn = Ssn(0); });
}

}  // namespace trunkline
