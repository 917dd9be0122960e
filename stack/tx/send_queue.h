// SPDX-License-Identifier: BSD-3-Clause
// Messages that are accepted and not yet entirely sent: a queue for each stream, streams served
// round robin, one whole message at a time (fragments of different messages must not mix without
// I-DATA, RFC 9260 section 6.9). Of one stream no more ordered messages are under way than a
// receiver can put in order by their SSNs; the others go on meanwhile. Knows nothing of windows or
// packets.
#pragma once

#include <cstdint>

#include "base/stream_table.h"
#include "tx/messages.h"

namespace trunkline {

// Ordered messages of a stream from the first transmission of one to the cumulative acknowledgement
// of all of it. SSNs are compared as serial numbers (1.6): half the circle, and none more.
inline constexpr uint16_t kMostUnderWay = 32767;

// What a stream has beyond its messages; where those begin, the round knows.
struct SendStream {
  // The youngest that waits; null: none does. While the stream is held back it leads to the oldest.
  TxMessage* last = nullptr;
  Ssn next_ssn;
  Ssn first_ssn;  // the first under way, or the next
  bool held = false;
};

class SendQueue {
 public:
  // False only when memory for the stream's state ran out.
  bool push(TxMessage* message);

  // The message whose bytes go next; nullptr if there is none. Stays the same until it is sent
  // entirely or removed.
  [[nodiscard]] TxMessage* front() const { return first_; }
  // The next `size` bytes of front() go into a chunk; whoever reads them moves its cursor. Gives
  // the message its SSN when it starts, and takes it off the queue when it is all sent.
  void advance(TxMessage* message, uint32_t size);
  // A message that is all sent is all acknowledged, or given up. In the order of their TSNs.
  void finish(const TxMessage& message) {
    if (message.unordered) return;
    SendStream& stream = *message.queue;
    stream.first_ssn = message.ssn + 1;
    if (stream.held) release(stream);
  }

  // Takes any message off the queue, sent in part or not at all; nullptr when empty. For an
  // association that ends: what was under way is finished before, and holds nothing back.
  [[nodiscard]] TxMessage* pop_any();

  // Nothing that may go now. While a stream is held back, something is outstanding.
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // not yet sent

 private:
  void take_turns(SendStream& stream, TxMessage* oldest);
  void join_round(TxMessage* oldest);
  void release(SendStream& stream);
  void drop_front();

  StreamTable<SendStream> streams_;
  // The round: of each stream that has any, its oldest message. The first is served next, and stays
  // first until it is sent entirely.
  TxMessage* first_ = nullptr;
  TxMessage* last_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace trunkline
