// SPDX-License-Identifier: BSD-3-Clause
// Whole ordered messages wait in a tree by stream and turn: as TSNs come from within 65,535
// (3.3.4), there is no more than one message for each number that lies ahead of the next one,
// however far.
#include "rx/receive_queue.h"

namespace trunkline {

ReceiveQueue::Outcome ReceiveQueue::hold_message(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 const Order& order, ReceiveBlocks& blocks) {
  acknowledge(cum_tsn);
  HeldInfo held = fragments_.describe(chunk);
  held.turn = order.turn_of(chunk.mid);
  if (!fragments_.fits(held) || !may_wait(held, order)) return Outcome::kViolation;
  ReceiveBlock* const block = fragments_.hold(chunk, held, blocks);
  if (block == nullptr) return Outcome::kNoMemory;
  waiting_.insert(block);
  return Outcome::kHeld;
}

ReceiveQueue::Outcome ReceiveQueue::add_fragment(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 ReceiveBlocks& blocks, uint32_t max_message_size) {
  Order* const order = chunk.unordered ? nullptr : streams_.get(chunk.stream);
  if (order == nullptr && !chunk.unordered) return Outcome::kNoMemory;
  acknowledge(cum_tsn);
  const auto [outcome, message] = fragments_.add(chunk, blocks, max_message_size);
  switch (outcome) {
    case FragmentsByTsn::Outcome::kNoMemory:
      return Outcome::kNoMemory;
    case FragmentsByTsn::Outcome::kViolation:
      return Outcome::kViolation;
    case FragmentsByTsn::Outcome::kTooLarge:
      return Outcome::kTooLarge;
    case FragmentsByTsn::Outcome::kHeld:
      return Outcome::kHeld;
    case FragmentsByTsn::Outcome::kWhole:
      break;
  }
  return take_whole(message, order);
}

// The next of its stream, beside what is held.
ReceiveQueue::Outcome ReceiveQueue::take_in_turn(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 Order& order, ReceiveBlocks& blocks) {
  if (is_closed(chunk.stream)) return hold_message(chunk, cum_tsn, order, blocks);
  order.advance();
  if (!waiting_.empty()) release_waiting(chunk.stream, order);
  return Outcome::kWholeInOrder;
}

// Until its stream is open again.
ReceiveQueue::Outcome ReceiveQueue::hold_unordered(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                   ReceiveBlocks& blocks) {
  acknowledge(cum_tsn);
  const HeldInfo held = fragments_.describe(chunk);
  if (!fragments_.fits(held)) return Outcome::kViolation;
  ReceiveBlock* const block = fragments_.hold(chunk, held, blocks);
  if (block == nullptr) return Outcome::kNoMemory;
  waiting_.insert(block);
  return Outcome::kHeld;
}

// A message that has become whole; `order`: null for an unordered one.
ReceiveQueue::Outcome ReceiveQueue::take_whole(ReceiveBlock* message, Order* order) {
  if (message->held.given) {
    take_rest(message, order);
    return Outcome::kHeld;
  }
  if (order != nullptr) {
    return take_ordered(message, *order) ? Outcome::kHeld : Outcome::kViolation;
  }
  if (is_closed(message->held.stream)) {
    message->held.by_turn = {};
    waiting_.insert(message);
  } else {
    queue_ready(message);
  }
  return Outcome::kHeld;
}

// The last piece of a message: its stream is open again.
void ReceiveQueue::take_rest(ReceiveBlock* message, Order* order) {
  const StreamId stream = message->held.stream;
  const Tsn first = message->held.first_tsn();
  queue_ready(message);
  partial_ = Partial::kNone;
  if (order != nullptr) {
    order->advance();
  } else {
    order = streams_.find(stream);
  }
  if (waiting_.empty()) return;
  if (order != nullptr) release_waiting(stream, *order);
  release_unordered(stream, first);
}

bool ReceiveQueue::give_front(ReceiveBlocks& blocks, uint32_t least) {
  const HeldInfo* const front = fragments_.front();
  if (front == nullptr || (partial_ != Partial::kNone && !front->given)) return false;
  if (fragments_.front_bytes() < least) return false;
  const StreamId stream = front->stream;
  const bool unordered = front->unordered;
  if (!unordered) {
    const Order* const order = streams_.find(stream);
    if (order == nullptr || !order->is_next(front->turn)) return false;
  }
  ReceiveBlock* const piece = fragments_.cut_front(blocks);
  if (piece == nullptr) return false;
  append_ready(piece);
  partial_ = unordered ? Partial::kUnordered : Partial::kOrdered;
  partial_stream_ = stream;
  return true;
}

// An ordered message that has become whole. False if its number can't be true.
bool ReceiveQueue::take_ordered(ReceiveBlock* message, Order& order) {
  HeldInfo& held = message->held;
  if (order.is_next(held.turn) && !is_closed(held.stream)) {
    order.advance();
    const StreamId id = held.stream;
    queue_ready(message);
    if (!waiting_.empty()) release_waiting(id, order);
    return true;
  }
  held.turn = order.turn_of(held.turn);
  held.by_turn = {};
  if (!may_wait(held, order)) {
    FragmentsByTsn::disown(message);
    return false;
  }
  waiting_.insert(message);
  return true;
}

// Can the message lie where it does, and each number comes once.
bool ReceiveQueue::may_wait(const HeldInfo& held, const Order& order) const {
  // The number that is next is that of the message which is given in pieces.
  const bool taken = partial_ == Partial::kOrdered && is_closed(held.stream);
  if (taken && held.turn == order.next()) return false;
  return order.may_wait(held.turn, fragments_.tsns_before(held)) &&
         waiting_.find({held.stream, false, held.turn}) == nullptr;
}

// From among the fragments to those that go out; a message that waited has left the tree.
void ReceiveQueue::queue_ready(ReceiveBlock* message) {
  fragments_.take_out(message);
  append_ready(message);
}

void ReceiveQueue::append_ready(ReceiveBlock* message) {
  message->held.is_ready = nullptr;
  (last_ready_ != nullptr ? last_ready_->held.is_ready : first_ready_) = message;
  last_ready_ = message;
}

void ReceiveQueue::release_waiting(StreamId id, Order& order) {
  while (ReceiveBlock* const message = waiting_.find({id, false, order.next()})) {
    waiting_.remove(message);
    order.advance();
    queue_ready(message);
  }
}

// Those that came while the stream was closed: what closed it lies before all of them.
void ReceiveQueue::release_unordered(StreamId id, Tsn behind) {
  const Turn from{id, true, Mid(behind.value)};
  for (ReceiveBlock* at = waiting_.after(from); at != nullptr; at = waiting_.after(from)) {
    if (at->held.stream != id || !at->held.unordered) return;
    waiting_.remove(at);
    queue_ready(at);
  }
}

ReceiveBlock* ReceiveQueue::pop_ready(ReceiveBlocks& blocks) {
  ReceiveBlock* const message = first_ready_;
  if (message == nullptr) return nullptr;
  first_ready_ = message->held.is_ready;
  if (first_ready_ == nullptr) last_ready_ = nullptr;
  fragments_.give(*message, blocks);
  return message;
}

bool ReceiveQueue::delivers(const wire::DataChunk& chunk) {
  if (!chunk.ending) return false;
  // In a closed stream all waits but the end of the message that closed it.
  if (is_closed(chunk.stream)) return !chunk.beginning && fragments_.completes(chunk);
  if (!chunk.unordered) {
    const Order* const order = streams_.find(chunk.stream);
    if (!(order != nullptr ? *order : Order()).is_next(chunk.mid)) return false;
  }
  return chunk.beginning || fragments_.completes(chunk);
}

std::optional<ReceiveQueue::Tsns> ReceiveQueue::last_loose() const {
  if (loose_blocks() == 0) return std::nullopt;
  const HeldInfo& last = fragments_.last();
  return Tsns{last.first_tsn(), last.last_tsn()};
}

void ReceiveQueue::drop_last_loose(ReceiveBlocks& blocks) {
  ReceiveBlock* const victim = fragments_.take_last(blocks);
  if (victim->held.is_message()) waiting_.remove(victim);
  blocks.free_chain(victim);
}

void ReceiveQueue::clear(ReceiveBlocks& blocks) {
  while (ReceiveBlock* const message = pop_ready(blocks)) blocks.free_chain(message);
  fragments_.clear(blocks);
  waiting_ = {};
  partial_ = Partial::kNone;
  streams_.clear();
}

bool ReceiveQueue::is_sound() const {
  if (!fragments_.is_sound() || !waiting_.is_sound() || first_ready_ != nullptr) return false;
  for (const ReceiveBlock* at = fragments_.first(); at != nullptr; at = fragments_.after(*at)) {
    const HeldInfo& held = at->held;
    if (!held.is_message()) continue;
    if (waiting_.find(ByTurn::key(*at)) != at) return false;
    if (held.unordered && !is_closed(held.stream)) return false;
  }
  return true;
}

}  // namespace trunkline
