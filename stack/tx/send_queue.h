// SPDX-License-Identifier: BSD-3-Clause
// Messages that are accepted and not yet entirely sent: a queue for each stream, streams served
// round robin, one whole message at a time (fragments of different messages must not mix without
// I-DATA, RFC 9260 section 6.9). Knows nothing of windows or packets.
#pragma once

#include <cstdint>

#include "base/list.h"
#include "base/stream_table.h"
#include "tx/messages.h"

namespace trunkline {

class SendQueue {
 public:
  // False only when memory for the stream's state ran out.
  bool push(TxMessage* message);

  // The message whose bytes go next; nullptr if there is none. Stays the same until it is sent
  // entirely or removed.
  [[nodiscard]] TxMessage* front();
  // The next `size` bytes of front() go into a chunk; whoever reads them moves its cursor. Gives
  // the message its SSN when it starts, and takes it off the queue when it is all sent.
  void advance(TxMessage* message, uint32_t size);

  // Takes any message off the queue, sent in part or not at all; nullptr when empty. For an
  // association that ends.
  [[nodiscard]] TxMessage* pop_any();
  // The peer restarted: every stream counts from zero again.
  void reset_ssns();

  [[nodiscard]] bool empty() const { return active_.empty(); }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }  // not yet sent

 private:
  struct Stream {
    ListLink<Stream> link;  // among the streams with messages
    List<TxMessage, &TxMessage::link> messages;
    Ssn next_ssn;
  };

  void drop_from_stream(Stream* stream, TxMessage* message);

  StreamTable<Stream> streams_;
  List<Stream, &Stream::link> active_;  // round robin: the front is served next
  TxMessage* current_ = nullptr;        // begun and not finished
  uint64_t bytes_ = 0;
};

}  // namespace trunkline
