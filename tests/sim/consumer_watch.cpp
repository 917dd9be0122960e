// SPDX-License-Identifier: BSD-3-Clause
// The rules of consumers.
#include "consumer_watch.h"

#include <algorithm>

namespace trunkline::sim {

void ConsumerWatch::bound(RecordId record, ConsumerIndex consumer, size_t waiting) {
  Association& association = associations_[record];
  changes_ += association.epochs.empty() ? 0 : 1;
  association.epochs.push_back(consumer);
  std::vector<Item>& items = association.items;
  for (size_t i = items.size() - std::min(waiting, items.size()); i < items.size(); ++i) {
    items[i].epoch = association.epochs.size();
  }
}

void ConsumerWatch::delivered(RecordId record, uint32_t ppid, uint32_t offset, uint32_t size) {
  Association& association = associations_[record];
  association.items.push_back({ppid, offset, size, association.epochs.size(), false, 0});
}

void ConsumerWatch::ended(RecordId record, bool in_order) {
  associations_[record].ended = true;
  associations_[record].in_order = in_order;
}

uint32_t ConsumerWatch::read(TimePoint now, RecordId record, ConsumerIndex consumer, uint32_t ppid,
                             MessageId message, std::span<const uint8_t> bytes) {
  Association& association = associations_[record];
  const std::string who = "consumer " + std::to_string(consumer);
  if (association.told && association.epochs.back() == consumer) {
    fail(now, who + " reads a message after the end");
  }
  size_t& next = association.next[consumer];
  for (size_t at = 0; at < association.items.size(); ++at) {
    Item& item = association.items[at];
    const bool it = item.ppid == ppid && item.size == bytes.size() && !item.taken;
    if (!it || compare_content(message, item.offset, bytes) != bytes.size()) continue;
    if (at < next) fail(now, who + " reads a message that is older than its last one");
    item.taken = true;
    item.by = consumer;
    next = at + 1;
    return item.offset;
  }
  fail(now, who + " reads a message that was not delivered so, or was read before");
  return 0;
}

void ConsumerWatch::told_end(TimePoint now, RecordId record, ConsumerIndex consumer) {
  Association& association = associations_[record];
  const std::string who = "consumer " + std::to_string(consumer);
  if (!association.ended) fail(now, who + " is told an end that has not come");
  if (association.told) fail(now, who + " is told an end that was told");
  if (association.epochs.empty() || association.epochs.back() != consumer) {
    fail(now, who + " is told the end of another's association");
  }
  association.told = true;
}

void ConsumerWatch::send_ended(TimePoint now, ConsumerIndex consumer, MessageId message) {
  const auto sent = sends_.find(message);
  const std::string who = "consumer " + std::to_string(consumer);
  if (sent == sends_.end()) {
    return fail(now, who + " is told the end of a send that has none, or had one");
  }
  if (sent->second != consumer) fail(now, who + " is told the end of another's send");
  sends_.erase(sent);
}

// In the order of the stack, the readers change as the association did.
void ConsumerWatch::check_turns(TimePoint now, const Association& association) {
  size_t turn = 0;
  for (const Item& item : association.items) {
    if (!item.taken) continue;
    // It came after `item.epoch` changes: not to one before.
    if (item.epoch > 0) turn = std::max(turn, item.epoch - 1);
    while (turn < association.epochs.size() && association.epochs[turn] != item.by) ++turn;
    if (turn < association.epochs.size()) continue;
    return fail(now, "a message went to consumer " + std::to_string(item.by) +
                         ", whose turn was over, or had not come");
  }
}

void ConsumerWatch::finish(TimePoint now) {
  for (const auto& [record, association] : associations_) {
    if (association.ended && !association.told) fail(now, "an end was not told");
    for (const Item& item : association.items) {
      if (!item.taken && association.in_order) {
        return fail(now, "a message of " + std::to_string(item.size) +
                             " bytes was delivered, and nobody read it");
      }
    }
    check_turns(now, association);
  }
  if (!sends_.empty()) {
    fail(now, std::to_string(sends_.size()) + " sends whose ends were not told");
  }
}

}  // namespace trunkline::sim
