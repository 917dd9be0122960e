// SPDX-License-Identifier: BSD-3-Clause
// Messages that are accepted and not yet entirely sent: a queue for each stream, streams served
// round robin, one whole message at a time (fragments of different messages must not mix without
// I-DATA, RFC 9260 section 6.9). Knows nothing of windows or packets.
#pragma once

#include <cstdint>

#include "base/stream_table.h"
#include "tx/messages.h"

namespace trunkline {

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

  // Takes any message off the queue, sent in part or not at all; nullptr when empty. For an
  // association that ends.
  [[nodiscard]] TxMessage* pop_any();
  // The peer restarted: every stream counts from zero again.
  void reset_ssns();

  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // not yet sent

 private:
  // What outlives the messages; where they begin, the round knows.
  struct Stream {
    TxMessage* last = nullptr;  // null: none waits
    Ssn next_ssn;
  };

  void join_round(TxMessage* oldest);
  void drop_front();

  StreamTable<Stream> streams_;
  // The round: of each stream that has any, its oldest message. The first is served next, and stays
  // first until it is sent entirely.
  TxMessage* first_ = nullptr;
  TxMessage* last_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace trunkline
