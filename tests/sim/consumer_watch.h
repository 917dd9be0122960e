// SPDX-License-Identifier: BSD-3-Clause
// The oracle of consumers: an association behind a bridge has one at a time, and changes it. It
// knows what the stack gave to the bridge, whose the association was meanwhile, and what each
// consumer read and was told.
//
// Rules: each message is read once, unchanged, by one who had the association when it came or
// later; what one consumer reads is in its order, and what two read, too: whoever had it later has
// nothing older. The end of a send is told once, to who sent. The end of an association is told
// once, to who had it last, after everything else.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "ledger.h"
#include "verdict.h"

namespace trunkline::sim {

using ConsumerIndex = uint16_t;

class ConsumerWatch {
 public:
  explicit ConsumerWatch(Verdict& verdict) : verdict_(verdict) {}

  // -- the association
  // It is that consumer's from now on, and the last messages that came with it: they wait for room.
  void bound(RecordId record, ConsumerIndex consumer, size_t waiting = 0);
  // The stack gave a message, or a piece of one that begins there, to the bridge.
  void delivered(RecordId record, uint32_t ppid, uint32_t offset, uint32_t size);
  // It has ended, as the stack says: whether everything that came must still be read.
  void ended(RecordId record, bool in_order);

  // -- the consumer
  // `bytes` of a message; returns where in it they begin.
  uint32_t read(TimePoint now, RecordId record, ConsumerIndex consumer, uint32_t ppid,
                MessageId message, std::span<const uint8_t> bytes);
  void told_end(TimePoint now, RecordId record, ConsumerIndex consumer);
  void sent(ConsumerIndex consumer, MessageId message) { sends_[message] = consumer; }
  void send_ended(TimePoint now, ConsumerIndex consumer, MessageId message);

  // Nothing may be left: read, told, ended.
  void finish(TimePoint now);
  [[nodiscard]] uint64_t changes() const { return changes_; }

 private:
  struct Item {
    uint32_t ppid = 0;
    uint32_t offset = 0;
    uint32_t size = 0;
    size_t epoch = 0;  // that it came in
    bool taken = false;
    ConsumerIndex by = 0;
  };
  struct Association {
    std::vector<ConsumerIndex> epochs;     // who had it, in turn
    std::vector<Item> items;               // in the order of the stack
    std::map<ConsumerIndex, size_t> next;  // behind the last one that it read
    bool ended = false;
    bool in_order = false;
    bool told = false;
  };
  void check_turns(TimePoint now, const Association& association);
  void fail(TimePoint now, const std::string& what) { verdict_.fail(now, "consumers: " + what); }

  Verdict& verdict_;
  std::map<RecordId, Association> associations_;
  std::map<MessageId, ConsumerIndex> sends_;
  uint64_t changes_ = 0;
};

}  // namespace trunkline::sim
