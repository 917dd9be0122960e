// SPDX-License-Identifier: BSD-3-Clause
// Lines of streams, and when a stream takes turns with the others.
#include "tx/send_queue.h"

#include <type_traits>
#include <utility>

namespace trunkline {
namespace {

void append(SendStream& stream, TxMessage* message) {
  message->next = stream.last != nullptr ? std::exchange(stream.last->next, message) : message;
  stream.last = message;
}

void prepend(SendStream& stream, TxMessage* message) {
  if (stream.last == nullptr) return append(stream, message);
  message->next = std::exchange(stream.last->next, message);
}

TxMessage* take_first(SendStream& stream) {
  TxMessage* const first = stream.last->next;
  if (first == stream.last) {
    stream.last = nullptr;
  } else {
    stream.last->next = first->next;
  }
  return first;
}

}  // namespace

bool SendQueue::push(TxMessage* message) {
  SendStream* const stream = streams_.get(message->stream);
  if (stream == nullptr) return false;
  message->queue = stream;
  bytes_ += message->unsent_size;
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    if constexpr (std::remove_reference_t<decltype(scheduler)>::kByAcceptance) {
      message->accepted = accepted_++;
    }
    if (stream->place != SendStream::Place::kIdle) return append(*stream, message);
    take_turns(scheduler, *stream, message);
    choose(scheduler);
  });
  return true;
}

// The stream's oldest message may go when its turn comes, or when one of those under way is
// acknowledged.
template <typename S>
inline void SendQueue::take_turns(S& scheduler, SendStream& stream, TxMessage* oldest) {
  if (stream.under_way < kMostUnderWay || oldest->unordered) {
    stream.place = SendStream::Place::kInTurn;
    return scheduler.push(oldest);
  }
  stream.place = SendStream::Place::kHeld;
  prepend(stream, oldest);
}

// What has begun is finished first.
template <typename S>
inline void SendQueue::choose(const S& scheduler) {
  if (front_ == nullptr || !front_->started) front_ = scheduler.next();
}

void SendQueue::release(SendStream& stream) {
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    take_turns(scheduler, stream, take_first(stream));
    choose(scheduler);
  });
}

void SendQueue::advance(TxMessage* message, uint32_t size) {
  SendStream& stream = *message->queue;
  const bool begins = !message->started;
  if (begins) {
    message->started = true;
    if (message->unordered) {
      message->mid = Mid();
    } else {
      message->mid = stream.next_mid;
      ++stream.next_mid;
      ++stream.under_way;
    }
  }
  message->unsent_size -= size;
  bytes_ -= size;
  const bool ends = message->unsent_size == 0;
  if (!begins && !ends) return;
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    if (begins) scheduler.sent();
    if (ends) leave(scheduler, stream);
  });
}

// Its front message is gone; it takes part again with the next one.
template <typename S>
inline void SendQueue::leave(S& scheduler, SendStream& stream) {
  if (stream.last != nullptr) {
    take_turns(scheduler, stream, take_first(stream));
  } else {
    stream.place = SendStream::Place::kIdle;
  }
  front_ = scheduler.next();
}

TxMessage* SendQueue::pop_any() {
  TxMessage* const message = front_;
  if (message == nullptr) return nullptr;
  bytes_ -= message->unsent_size;
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    if (!message->started) scheduler.sent();
    leave(scheduler, *message->queue);
  });
  return message;
}

}  // namespace trunkline
