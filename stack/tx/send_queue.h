// SPDX-License-Identifier: BSD-3-Clause
// Messages that are accepted and not yet entirely sent: a line for each stream, and a scheduler
// that says whose turn it is. One whole message at a time: fragments of different messages must not
// mix in DATA (RFC 9260 section 6.9). Of one stream no more ordered messages are under way than a
// receiver can put in order by their SSNs; the others go on meanwhile. Knows nothing of windows or
// packets.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "base/stream_table.h"
#include "tx/messages.h"
#include "tx/scheduler.h"

namespace trunkline {

// Ordered messages of a stream from the first transmission of one to the cumulative acknowledgement
// of all of it. SSNs are compared as serial numbers (1.6): half the circle, and none more.
inline constexpr uint16_t kMostUnderWay = 32767;

// What a stream has beyond its messages; the oldest one the scheduler has.
struct SendStream {
  // Of the messages behind the oldest the youngest, which leads round to the first of them; null:
  // there is none. While the stream is held back, the oldest is among them.
  TxMessage* last = nullptr;
  Mid next_mid;
  uint16_t under_way = 0;  // ordered messages
  enum class Place : uint8_t {
    kIdle,    // no message waits
    kInTurn,  // the scheduler, or the queue itself, has the oldest
    kHeld,
  } place = Place::kIdle;
};
static_assert(sizeof(SendStream) == 16);

class SendQueue {
 public:
  explicit SendQueue(StreamScheduling scheduling = StreamScheduling::kRoundRobin)
      : scheduling_(scheduling), scheduler_(scheduling) {}

  // False only when memory for the stream's state ran out.
  bool push(TxMessage* message);

  // The message whose bytes go next; nullptr if there is none. Once it has begun it stays the same
  // until it is sent entirely or removed.
  [[nodiscard]] TxMessage* front() const { return front_; }
  // The next `size` bytes of front() go into a chunk; whoever reads them moves its cursor. Gives
  // the message its number when it starts, and takes it off the queue when it is all sent.
  void advance(TxMessage* message, uint32_t size);
  struct Taken {
    uint32_t messages = 0;
    uint32_t ordered = 0;  // of these
    uint32_t bytes = 0;
  };
  // Messages that go whole, the oldest first, which there is: take(message, number) says whether it
  // went. Others of its stream follow while no other stream has any, up to where `take` refuses,
  // which it does after `most`. False: none went.
  template <typename Take>
  bool take_whole(uint32_t most, Taken& taken, Take&& take);
  // A message leaves unsent, or with the rest of it unsent.
  void remove(TxMessage* message);
  // A message that is all sent is all acknowledged, or given up; or an ordered one of that stream.
  void finish(const TxMessage& message) {
    if (!message.unordered) finish(*message.queue);
  }
  void finish(SendStream& stream) {
    --stream.under_way;
    if (stream.place == SendStream::Place::kHeld) release(stream);
  }

  // Takes any message off the queue, sent in part or not at all; nullptr when empty. For an
  // association that ends: what was under way is finished before, and holds nothing back.
  [[nodiscard]] TxMessage* pop_any();

  // Nothing that may go now. While a stream is held back, something is outstanding.
  [[nodiscard]] bool empty() const { return front_ == nullptr; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // not yet sent

 private:
  static void append(SendStream& stream, TxMessage* message);
  static void prepend(SendStream& stream, TxMessage* message);
  [[nodiscard]] static TxMessage* take_first(SendStream& stream);
  static void take_out(SendStream& stream, TxMessage* message);
  // Behind the one that has its turn; nullptr: there is none.
  [[nodiscard]] static TxMessage* take_next(SendStream& stream) {
    return stream.last != nullptr ? take_first(stream) : nullptr;
  }
  template <typename S>
  void take_turns(S& scheduler, SendStream& stream, TxMessage* oldest);
  template <typename S>
  void choose(const S& scheduler);
  void release(SendStream& stream);
  template <typename S>
  void go_on(S& scheduler, SendStream& stream, TxMessage* next);
  template <typename S>
  void leave(S& scheduler, SendStream& stream, TxMessage* next);

  [[no_unique_address]] StreamTable<SendStream> streams_;
  StreamScheduling scheduling_;
  Scheduler scheduler_;
  TxMessage* front_ = nullptr;  // has begun, and left the scheduler, or is the scheduler's choice
  uint32_t bytes_ = 0;
  uint32_t accepted_ = 0;  // messages so far
};

inline void SendQueue::append(SendStream& stream, TxMessage* message) {
  message->turn = stream.last;
  message->next = stream.last != nullptr ? std::exchange(stream.last->next, message) : message;
  stream.last = message;
}

inline void SendQueue::prepend(SendStream& stream, TxMessage* message) {
  if (stream.last == nullptr) return append(stream, message);
  message->next = std::exchange(stream.last->next, message);
  message->next->turn = message;
}

inline TxMessage* SendQueue::take_first(SendStream& stream) {
  TxMessage* const first = stream.last->next;
  if (first == stream.last) {
    stream.last = nullptr;
  } else {
    stream.last->next = first->next;
  }
  return first;
}

// The stream's oldest message may go when its turn comes, or when one of those under way is
// acknowledged.
template <typename S>
inline void SendQueue::take_turns(S& scheduler, SendStream& stream, TxMessage* oldest) {
  if (stream.under_way < kMostUnderWay || oldest->unordered) {
    stream.place = SendStream::Place::kInTurn;
    oldest->in_turn = true;
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

// Its oldest message is gone; it takes part again with the next one, if there is any.
template <typename S>
inline void SendQueue::go_on(S& scheduler, SendStream& stream, TxMessage* next) {
  if (next != nullptr) {
    take_turns(scheduler, stream, next);
  } else {
    stream.place = SendStream::Place::kIdle;
  }
}

// The same of the front message.
template <typename S>
inline void SendQueue::leave(S& scheduler, SendStream& stream, TxMessage* next) {
  go_on(scheduler, stream, next);
  front_ = scheduler.next();
}

[[gnu::always_inline]] inline bool SendQueue::push(TxMessage* message) {
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

[[gnu::always_inline]] inline void SendQueue::advance(TxMessage* message, uint32_t size) {
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
    if (ends) leave(scheduler, stream, take_next(stream));
  });
}

template <typename Take>
[[gnu::always_inline]] inline bool SendQueue::take_whole(uint32_t most, Taken& taken, Take&& take) {
  TxMessage* message = front_;
  if (message->started) return false;
  SendStream& stream = *message->queue;
  const bool alone = stream.under_way + most <= kMostUnderWay &&
                     scheduler_.ask(scheduling_, [](const auto& s) { return s.is_alone(); });
  const TxMessage* const first = message;
  Mid mid = stream.next_mid;
  uint32_t bytes = 0;
  do {
    const uint32_t size = message->unsent_size;
    const bool ordered = !message->unordered;
    const Mid number = ordered ? mid : Mid();
    if (!take(*message, number)) break;
    message->mid = number;
    message->started = true;
    message->unsent_size = 0;
    mid = mid + (ordered ? 1 : 0);
    bytes += size;
    ++taken.messages;
    message = take_next(stream);
  } while (alone && message != nullptr);
  if (message == first) return false;
  const uint32_t ordered = mid.distance_from(stream.next_mid);
  taken.ordered += ordered;
  taken.bytes += bytes;
  bytes_ -= bytes;
  stream.under_way = static_cast<uint16_t>(stream.under_way + ordered);
  stream.next_mid = mid;
  scheduler_.ask(scheduling_, [&](auto& scheduler) {
    scheduler.sent();
    leave(scheduler, stream, message);
  });
  return true;
}

}  // namespace trunkline
