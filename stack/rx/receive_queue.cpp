// SPDX-License-Identifier: BSD-3-Clause
// Fragments wait in one list by TSN: the fragments of a message have consecutive TSNs (6.9), so a
// message is whole when a run from B to E has no hole. Whole ordered messages wait in their stream
// for the SSN before theirs.
#include "rx/receive_queue.h"

namespace trunkline {
namespace {

void describe(ReceiveBlock* block, const wire::DataChunk& chunk) {
  HeldInfo& held = block->held;
  held.tsn = chunk.tsn;
  held.ppid = chunk.ppid;
  held.stream = chunk.stream;
  held.ssn = chunk.ssn;
  held.unordered = chunk.unordered;
  held.beginning = chunk.beginning;
  held.ending = chunk.ending;
  held.whole_chunk = chunk.beginning && chunk.ending;
}

// Two chunks with consecutive TSNs, of which the first is not the end of a message.
bool continues(const HeldInfo& first, const HeldInfo& second) {
  return !second.beginning && first.stream == second.stream &&
         first.unordered == second.unordered && (first.unordered || first.ssn == second.ssn);
}

}  // namespace

void ReceiveQueue::Sequence::insert_after(ReceiveBlock* where, ReceiveBlock* item) {
  ReceiveBlock* const following = where != nullptr ? where->held.order.next : head;
  item->held.order = {where, following};
  (where != nullptr ? where->held.order.next : head) = item;
  (following != nullptr ? following->held.order.prev : tail) = item;
}

void ReceiveQueue::Sequence::remove(ReceiveBlock* item) {
  ListLink<ReceiveBlock>& link = item->held.order;
  (link.prev != nullptr ? link.prev->held.order.next : head) = link.next;
  (link.next != nullptr ? link.next->held.order.prev : tail) = link.prev;
  link = {};
}

ReceiveQueue::Outcome ReceiveQueue::add(const wire::DataChunk& chunk, ReceiveBlocks& blocks,
                                        uint32_t max_message_size) {
  if (chunk.payload.size() > max_message_size) return Outcome::kTooLarge;
  if (chunk.beginning && chunk.ending) {
    if (chunk.unordered) return Outcome::kWholeInOrder;
    Stream* const stream = streams_.get(chunk.stream);
    if (stream == nullptr) return Outcome::kNoMemory;
    if (chunk.ssn == stream->next_ssn) {
      ++stream->next_ssn;
      release_waiting(*stream);
      return Outcome::kWholeInOrder;
    }
  } else if (!chunk.unordered && streams_.get(chunk.stream) == nullptr) {
    return Outcome::kNoMemory;
  }
  ReceiveBlock* const block = blocks.copy_in(chunk.payload);
  if (block == nullptr) return Outcome::kNoMemory;
  describe(block, chunk);
  held_blocks_ += block->held.blocks;
  if (chunk.beginning && chunk.ending) {
    if (take_whole(block)) return Outcome::kHeld;
    held_blocks_ -= block->held.blocks;
    blocks.free_chain(block);
    return Outcome::kViolation;
  }
  return insert_fragment(chunk, block, max_message_size);
}

ReceiveQueue::Outcome ReceiveQueue::insert_fragment(const wire::DataChunk& chunk,
                                                    ReceiveBlock* block,
                                                    uint32_t max_message_size) {
  ReceiveBlock* before = fragments_.tail;
  while (before != nullptr && before->held.tsn.after(chunk.tsn)) before = before->held.order.prev;
  fragments_.insert_after(before, block);
  ReceiveBlock* const after = block->held.order.next;
  const bool follows = before != nullptr && before->held.tsn + 1 == chunk.tsn;
  const bool precedes = after != nullptr && chunk.tsn + 1 == after->held.tsn;
  if (follows && !before->held.ending && !continues(before->held, block->held)) {
    return Outcome::kViolation;
  }
  if (precedes && !chunk.ending && !continues(block->held, after->held)) {
    return Outcome::kViolation;
  }
  // A middle or last fragment can't follow the end of a message, whichever came first.
  if (follows && before->held.ending && !chunk.beginning) return Outcome::kViolation;
  if (precedes && chunk.ending && !after->held.beginning) return Outcome::kViolation;
  return try_assemble(block, max_message_size);
}

ReceiveQueue::Outcome ReceiveQueue::try_assemble(ReceiveBlock* at, uint32_t max_message_size) {
  // Forward first: fragments mostly come in order, and then there is nothing behind the new one.
  ReceiveBlock* last = at;
  while (!last->held.ending) {
    ReceiveBlock* const next = last->held.order.next;
    if (next == nullptr || next->held.tsn != last->held.tsn + 1) return Outcome::kHeld;
    last = next;
  }
  ReceiveBlock* first = at;
  while (!first->held.beginning) {
    ReceiveBlock* const previous = first->held.order.prev;
    if (previous == nullptr || previous->held.tsn + 1 != first->held.tsn) return Outcome::kHeld;
    first = previous;
  }
  uint64_t size = 0;
  for (ReceiveBlock* part = first;; part = part->held.order.next) {
    size += part->held.size;
    if (part == last) break;
  }
  if (size > max_message_size) return Outcome::kTooLarge;
  while (!first->held.ending) {
    ReceiveBlock* const next = first->held.order.next;
    const bool ends = next->held.ending;
    fragments_.remove(next);
    ReceiveBlocks::join(first, next);
    first->held.ending = ends;
  }
  fragments_.remove(first);
  if (take_whole(first)) return Outcome::kHeld;
  fragments_.insert_after(nullptr, first);  // still ours: clear() frees it
  return Outcome::kViolation;
}

// False if the stream has already delivered, or already holds, a message with this SSN.
bool ReceiveQueue::take_whole(ReceiveBlock* message) {
  if (message->held.unordered) {
    queue_ready(message);
    return true;
  }
  Stream* const stream = streams_.find(message->held.stream);
  if (message->held.ssn.before(stream->next_ssn)) return false;
  if (message->held.ssn == stream->next_ssn) {
    ++stream->next_ssn;
    queue_ready(message);
    release_waiting(*stream);
    return true;
  }
  ReceiveBlock* before = nullptr;
  ReceiveBlock* after = stream->waiting;
  while (after != nullptr && after->held.ssn.before(message->held.ssn)) {
    before = after;
    after = after->held.order.next;
  }
  if (after != nullptr && after->held.ssn == message->held.ssn) return false;
  message->held.order = {before, after};
  (before != nullptr ? before->held.order.next : stream->waiting) = message;
  if (after != nullptr) after->held.order.prev = message;
  return true;
}

void ReceiveQueue::queue_ready(ReceiveBlock* message) {
  ready_.insert_after(ready_.tail, message);
}

void ReceiveQueue::release_waiting(Stream& stream) {
  while (stream.waiting != nullptr && stream.waiting->held.ssn == stream.next_ssn) {
    ReceiveBlock* const message = stream.waiting;
    stream.waiting = message->held.order.next;
    if (stream.waiting != nullptr) stream.waiting->held.order.prev = nullptr;
    ++stream.next_ssn;
    queue_ready(message);
  }
}

ReceiveBlock* ReceiveQueue::pop_ready() {
  ReceiveBlock* const message = ready_.head;
  if (message == nullptr) return nullptr;
  ready_.remove(message);
  held_blocks_ -= message->held.blocks;
  return message;
}

std::optional<Tsn> ReceiveQueue::last_fragment() const {
  if (fragments_.tail == nullptr) return std::nullopt;
  return fragments_.tail->held.tsn;
}

void ReceiveQueue::drop_last_fragment(ReceiveBlocks& blocks) {
  ReceiveBlock* const victim = fragments_.tail;
  fragments_.remove(victim);
  held_blocks_ -= victim->held.blocks;
  blocks.free_chain(victim);
}

void ReceiveQueue::clear(ReceiveBlocks& blocks) {
  const auto free_all = [&blocks](ReceiveBlock* item) {
    while (item != nullptr) {
      ReceiveBlock* const next = item->held.order.next;
      blocks.free_chain(item);
      item = next;
    }
  };
  free_all(fragments_.head);
  free_all(ready_.head);
  streams_.for_each([&](Stream& stream) {
    free_all(stream.waiting);
    stream.waiting = nullptr;
  });
  fragments_ = {};
  ready_ = {};
  streams_.clear();
  held_blocks_ = 0;
}

}  // namespace trunkline
