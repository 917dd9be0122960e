// SPDX-License-Identifier: BSD-3-Clause
// Whole ordered messages wait in a tree by stream and turn: as TSNs come from within 65,535
// (3.3.4), there is no more than one message for each number that lies ahead of the next one,
// however far.
#include "rx/receive_queue.h"

#include <utility>

#include "base/steps.h"

namespace trunkline {

HeldMessages& ReceiveQueue::open(ReceiveMemory& memory, Tsn cum_tsn) {
  if (held_ == nullptr) held_ = memory.held_.make();
  held_->fragments.acknowledge(cum_tsn);
  return *held_;
}

void ReceiveQueue::close(ReceiveMemory& memory) {
  if (held_->fragments.empty()) memory.held_.destroy(std::exchange(held_, nullptr));
}

ReceiveQueue::Outcome ReceiveQueue::close(ReceiveMemory& memory, Outcome outcome) {
  close(memory);
  return outcome;
}

ReceiveQueue::Outcome ReceiveQueue::hold_message(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 const Order& order, ReceiveMemory& memory) {
  HeldMessages& all = open(memory, cum_tsn);
  HeldInfo held = all.fragments.describe(chunk);
  held.turn = order.turn_of(chunk.mid);
  if (!all.fragments.fits(held) || !may_wait(held, order)) {
    return close(memory, Outcome::kViolation);
  }
  return wait_for_turn(chunk, held, memory);
}

// Until its stream is open again.
ReceiveQueue::Outcome ReceiveQueue::hold_unordered(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                   ReceiveMemory& memory) {
  HeldMessages& all = open(memory, cum_tsn);
  const HeldInfo held = all.fragments.describe(chunk);
  if (!all.fragments.fits(held)) return close(memory, Outcome::kViolation);
  return wait_for_turn(chunk, held, memory);
}

ReceiveQueue::Outcome ReceiveQueue::wait_for_turn(const wire::DataChunk& chunk,
                                                  const HeldInfo& held, ReceiveMemory& memory) {
  ReceiveBlock* const block = held_->fragments.hold(chunk, held, memory);
  if (block == nullptr) return close(memory, Outcome::kNoMemory);
  held_->waiting.insert(block);
  return Outcome::kHeld;
}

ReceiveQueue::Outcome ReceiveQueue::add_fragment(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 ReceiveMemory& memory, uint32_t max_message_size) {
  Order* const order = chunk.unordered ? nullptr : streams_.get(chunk.stream);
  if (order == nullptr && !chunk.unordered) return Outcome::kNoMemory;
  const auto [outcome, message] =
      open(memory, cum_tsn).fragments.add(chunk, memory, max_message_size);
  switch (outcome) {
    case FragmentsByTsn::Outcome::kNoMemory:
      return close(memory, Outcome::kNoMemory);
    case FragmentsByTsn::Outcome::kViolation:
      return close(memory, Outcome::kViolation);
    case FragmentsByTsn::Outcome::kTooLarge:
      return close(memory, Outcome::kTooLarge);
    case FragmentsByTsn::Outcome::kHeld:
      return Outcome::kHeld;
    case FragmentsByTsn::Outcome::kWhole:
      break;
  }
  return take_whole(message, order);
}

// The next of its stream, beside what is held.
ReceiveQueue::Outcome ReceiveQueue::take_in_turn(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 Order& order, ReceiveMemory& memory) {
  if (is_closed(chunk.stream)) return hold_message(chunk, cum_tsn, order, memory);
  order.advance();
  if (!held_->waiting.empty()) release_waiting(chunk.stream, order);
  return Outcome::kWholeInOrder;
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
    held_->waiting.insert(message);
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
  if (order != nullptr) {
    order->advance();
  } else {
    order = streams_.find(stream);
  }
  reopen(stream, order, first);
}

// What closed it has its place at `first`; `order`: null if the stream has seen no ordered message.
void ReceiveQueue::reopen(StreamId stream, Order* order, Tsn first) {
  held_->partial = Partial::kNone;
  if (held_->waiting.empty()) return;
  if (order != nullptr) release_waiting(stream, *order);
  release_unordered(stream, first);
}

// The same for a message in pieces whose rest never comes.
void ReceiveQueue::break_off(Tsn first) {
  const StreamId stream = held_->partial_stream;
  Order* const order = streams_.find(stream);
  if (held_->partial == Partial::kOrdered) order->advance();
  reopen(stream, order, first);
}

bool ReceiveQueue::skip(const wire::ForwardTsnChunk& chunk, ReceiveMemory& memory) {
  const auto is_named = [&](const HeldInfo& held) {
    if (held.unordered) return false;
    for (size_t i = 0; i < chunk.stream_count(); ++i) {
      count_steps();
      const wire::SkippedStream named = chunk.stream(i);
      const Ssn number(static_cast<uint16_t>(held.turn.value));
      if (named.stream == held.stream && number.at_or_before(named.ssn)) return true;
    }
    return false;
  };
  std::optional<Tsn> broken;
  if (held_ != nullptr) broken = held_->fragments.skip(chunk.new_cum_tsn, memory, is_named);
  if (broken) break_off(*broken);
  for (size_t i = 0; i < chunk.stream_count(); ++i) {
    count_steps();
    skip_stream(chunk.stream(i));
  }
  if (held_ != nullptr) close(memory);
  return broken.has_value();
}

// Messages up to that number which are here are stranded no longer; others will not come.
void ReceiveQueue::skip_stream(wire::SkippedStream skipped) {
  Order* const order = streams_.find(skipped.stream);
  if (order == nullptr) return;
  const Ssn next(static_cast<uint16_t>(order->next().value));
  if (skipped.ssn.before(next)) return;
  order->advance(uint32_t{skipped.ssn.distance_from(next)} + 1);
  if (held_ == nullptr || held_->waiting.empty() || is_closed(skipped.stream)) return;
  release_passed(skipped.stream, *order);
  release_waiting(skipped.stream, *order);
}

ReceiveQueue::CutOff ReceiveQueue::cut_off_before(Tsn tsn, ReceiveMemory& memory) {
  if (held_ == nullptr) return CutOff::kNothing;
  const std::optional<HeldInfo> was = held_->fragments.cut_off_before(tsn, memory);
  if (!was) return CutOff::kNothing;
  if (was->given) {
    break_off(was->first_tsn());
  } else if (was->beginning && !was->unordered) {
    pass_number(was->stream, was->turn);
  }
  close(memory);
  return was->given ? CutOff::kGiven : CutOff::kSome;
}

void ReceiveQueue::pass_number(StreamId stream, Mid number) {
  Order* const order = streams_.get(stream);
  if (order == nullptr || !order->is_next(number)) return;
  order->advance();
  if (held_ != nullptr && !is_closed(stream)) release_waiting(stream, *order);
}

uint32_t ReceiveQueue::drop_orphans(Tsn cum_tsn, ReceiveMemory& memory) {
  if (held_ == nullptr) return 0;
  const uint32_t dropped = held_->fragments.drop_orphans(cum_tsn, memory);
  close(memory);
  return dropped;
}

bool ReceiveQueue::give_front(ReceiveMemory& memory, uint32_t least) {
  if (held_ == nullptr) return false;
  const HeldInfo* const front = held_->fragments.front();
  if (front == nullptr || (held_->partial != Partial::kNone && !front->given)) return false;
  if (held_->fragments.front_bytes() < least) return false;
  const StreamId stream = front->stream;
  const bool unordered = front->unordered;
  if (!unordered) {
    const Order* const order = streams_.find(stream);
    if (order == nullptr || !order->is_next(front->turn)) return false;
  }
  ReceiveBlock* const piece = held_->fragments.cut_front(memory);
  if (piece == nullptr) return false;
  append_ready(piece);
  held_->partial = unordered ? Partial::kUnordered : Partial::kOrdered;
  held_->partial_stream = stream;
  return true;
}

// An ordered message that has become whole. False if its number can't be true.
bool ReceiveQueue::take_ordered(ReceiveBlock* message, Order& order) {
  HeldInfo& held = message->held;
  if (order.is_next(held.turn) && !is_closed(held.stream)) {
    order.advance();
    const StreamId id = held.stream;
    queue_ready(message);
    if (!held_->waiting.empty()) release_waiting(id, order);
    return true;
  }
  held.turn = order.turn_of(held.turn);
  held.by_turn = {};
  if (!may_wait(held, order)) {
    FragmentsByTsn::disown(message);
    return false;
  }
  held_->waiting.insert(message);
  return true;
}

// Can the message lie where it does, and each number comes once.
bool ReceiveQueue::may_wait(const HeldInfo& held, const Order& order) const {
  // The number that is next is that of the message which is given in pieces.
  const bool taken = held_->partial == Partial::kOrdered && is_closed(held.stream);
  if (taken && held.turn == order.next()) return false;
  return order.may_wait(held.turn, held_->fragments.tsns_before(held)) &&
         held_->waiting.find({held.stream, false, held.turn}) == nullptr;
}

// From among the fragments to those that go out; a message that waited has left the tree.
void ReceiveQueue::queue_ready(ReceiveBlock* message) {
  held_->fragments.take_out(message);
  append_ready(message);
}

void ReceiveQueue::append_ready(ReceiveBlock* message) {
  message->held.is_ready = nullptr;
  (held_->last_ready != nullptr ? held_->last_ready->held.is_ready : held_->first_ready) = message;
  held_->last_ready = message;
}

void ReceiveQueue::release_waiting(StreamId id, Order& order) {
  while (ReceiveBlock* const message = held_->waiting.find({id, false, order.next()})) {
    held_->waiting.remove(message);
    order.advance();
    queue_ready(message);
  }
}

// Those whose turn was skipped, in their order.
void ReceiveQueue::release_passed(StreamId id, const Order& order) {
  constexpr uint32_t kBeforeAll = 1u << 17;  // further back than any that waits
  const MessageTurn from{id, false, order.next() - kBeforeAll};
  for (ReceiveBlock* at = held_->waiting.after(from); at != nullptr;
       at = held_->waiting.after(from)) {
    const HeldInfo& held = at->held;
    if (held.stream != id || held.unordered || !SsnOrder::before(held.turn, order.next())) return;
    held_->waiting.remove(at);
    queue_ready(at);
  }
}

// Those that came while the stream was closed: what closed it lies before all of them.
void ReceiveQueue::release_unordered(StreamId id, Tsn behind) {
  const MessageTurn from{id, true, Mid(behind.value)};
  for (ReceiveBlock* at = held_->waiting.after(from); at != nullptr;
       at = held_->waiting.after(from)) {
    if (at->held.stream != id || !at->held.unordered) return;
    held_->waiting.remove(at);
    queue_ready(at);
  }
}

ReceiveBlock* ReceiveQueue::pop_ready(ReceiveMemory& memory) {
  if (held_ == nullptr || held_->first_ready == nullptr) return nullptr;
  ReceiveBlock* const message = held_->first_ready;
  held_->first_ready = message->held.is_ready;
  if (held_->first_ready == nullptr) held_->last_ready = nullptr;
  held_->fragments.give(*message, memory);
  close(memory);
  return message;
}

bool ReceiveQueue::delivers(const wire::DataChunk& chunk) {
  if (!chunk.ending) return false;
  // In a closed stream all waits but the end of the message that closed it.
  if (is_closed(chunk.stream)) return !chunk.beginning && completes(chunk);
  if (!chunk.unordered) {
    const Order* const order = streams_.find(chunk.stream);
    if (!(order != nullptr ? *order : Order()).is_next(chunk.mid)) return false;
  }
  return chunk.beginning || completes(chunk);
}

std::optional<ReceiveQueue::Tsns> ReceiveQueue::last_loose() const {
  if (loose_blocks() == 0) return std::nullopt;
  const HeldInfo& last = held_->fragments.last();
  return Tsns{last.first_tsn(), last.last_tsn()};
}

void ReceiveQueue::drop_last_loose(ReceiveMemory& memory) {
  ReceiveBlock* const victim = held_->fragments.take_last(memory);
  if (victim->held.is_message()) held_->waiting.remove(victim);
  memory.free_chain(victim);
  close(memory);
}

void ReceiveQueue::clear(ReceiveMemory& memory) {
  while (ReceiveBlock* const message = pop_ready(memory)) memory.free_chain(message);
  if (held_ != nullptr) {
    held_->fragments.clear(memory);
    close(memory);
  }
  streams_.clear();
}

bool ReceiveQueue::is_sound() const {
  if (held_ == nullptr) return true;
  if (!held_->fragments.is_sound() || !held_->waiting.is_sound() || held_->first_ready != nullptr)
    return false;
  for (const ReceiveBlock* at = held_->fragments.first(); at != nullptr;
       at = held_->fragments.after(*at)) {
    const HeldInfo& held = at->held;
    if (!held.is_message()) continue;
    if (held_->waiting.find(ByTurn::key(*at)) != at) return false;
    if (held.unordered && !is_closed(held.stream)) return false;
  }
  return true;
}

}  // namespace trunkline
