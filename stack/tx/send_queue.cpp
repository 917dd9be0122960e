// SPDX-License-Identifier: BSD-3-Clause
// Lines of streams, and when a stream takes turns with the others.
#include "tx/send_queue.h"

#include <type_traits>
#include <utility>

namespace trunkline {
void SendQueue::release(SendStream& stream) {
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    take_turns(scheduler, stream, take_first(stream));
    choose(scheduler);
  });
}

// Of the first the one before it may be gone.
void SendQueue::take_out(SendStream& stream, TxMessage* message) {
  if (stream.last->next == message) {
    static_cast<void>(take_first(stream));
    return;
  }
  TxMessage* const before = message->turn;
  before->next = message->next;
  if (stream.last == message) {
    stream.last = before;
  } else {
    message->next->turn = before;
  }
}

void SendQueue::remove(TxMessage* message) {
  SendStream& stream = *message->queue;
  bytes_ -= message->unsent_size;
  if (!message->started && !message->in_turn) {
    take_out(stream, message);
    const bool held = stream.place == SendStream::Place::kHeld;
    if (held && stream.last == nullptr) stream.place = SendStream::Place::kIdle;
    return;
  }
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    if (!message->started) scheduler.remove(message);
    if (front_ == message) front_ = nullptr;
    go_on(scheduler, stream, take_next(stream));
    choose(scheduler);
  });
}

TxMessage* SendQueue::pop_any() {
  TxMessage* const message = front_;
  if (message == nullptr) return nullptr;
  bytes_ -= message->unsent_size;
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    if (!message->started) scheduler.sent();
    leave(scheduler, *message->queue, take_next(*message->queue));
  });
  return message;
}

}  // namespace trunkline
