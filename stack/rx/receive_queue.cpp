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
  if (order == nullptr) {
    queue_ready(message);
    return Outcome::kHeld;
  }
  return take_whole(message, *order) ? Outcome::kHeld : Outcome::kViolation;
}

// A message that has become whole. False if its number can't be true.
bool ReceiveQueue::take_whole(ReceiveBlock* message, Order& order) {
  HeldInfo& held = message->held;
  if (order.is_next(held.turn)) {
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
  return order.may_wait(held.turn, fragments_.tsns_before(held)) &&
         waiting_.find({held.stream, held.turn}) == nullptr;
}

// From among the fragments to those that go out; a message that waited has left the tree.
void ReceiveQueue::queue_ready(ReceiveBlock* message) {
  fragments_.take_out(message);
  message->held.is_ready = nullptr;
  (last_ready_ != nullptr ? last_ready_->held.is_ready : first_ready_) = message;
  last_ready_ = message;
}

void ReceiveQueue::release_waiting(StreamId id, Order& order) {
  while (ReceiveBlock* const message = waiting_.find({id, order.next()})) {
    waiting_.remove(message);
    order.advance();
    queue_ready(message);
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
  streams_.clear();
}

bool ReceiveQueue::is_sound() const {
  if (!fragments_.is_sound() || !waiting_.is_sound() || first_ready_ != nullptr) return false;
  for (const ReceiveBlock* at = fragments_.first(); at != nullptr; at = fragments_.after(*at)) {
    if (at->held.is_message() && waiting_.find({at->held.stream, at->held.turn}) != at) {
      return false;
    }
  }
  return true;
}

}  // namespace trunkline
