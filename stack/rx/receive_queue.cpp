// SPDX-License-Identifier: BSD-3-Clause
// All that is held lies in one tree by TSN: the fragments of a message have consecutive TSNs (6.9),
// so it is whole when a run goes from B to E. The ends of a run know each other, and nothing is
// walked before the message is complete. Whole ordered messages wait in a second tree, by stream
// and SSN: as TSNs come from within 65,535 (3.3.4), there is no more than one message for each SSN
// that lies ahead of the next one, however far.
#include "rx/receive_queue.h"

namespace trunkline {
namespace {

HeldInfo describe(const wire::DataChunk& chunk, uint64_t place) {
  HeldInfo held;
  held.place = place;
  held.turn = chunk.ssn.value;
  held.ppid = chunk.ppid;
  held.stream = chunk.stream;
  held.unordered = chunk.unordered;
  held.beginning = chunk.beginning;
  held.ending = chunk.ending;
  held.whole_chunk = chunk.beginning && chunk.ending;
  return held;
}

// Are two of consecutive TSNs parts of one message?
bool continues(const HeldInfo& first, const HeldInfo& second) {
  return !second.beginning && first.stream == second.stream &&
         first.unordered == second.unordered && (first.unordered || first.turn == second.turn);
}

// May they have consecutive TSNs? A middle or last fragment can't follow the end of a message, and
// nothing else what is not the end.
bool may_follow(const HeldInfo& first, const HeldInfo& second) {
  return first.ending ? second.beginning : continues(first, second);
}

uint16_t ssns_ahead(Ssn ssn, uint32_t next_turn) {
  return ssn.distance_from(Ssn(static_cast<uint16_t>(next_turn)));
}

}  // namespace

ReceiveQueue::Outcome ReceiveQueue::add_fragment(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 ReceiveBlocks& blocks, uint32_t max_message_size) {
  Stream* const stream = chunk.unordered ? nullptr : streams_.get(chunk.stream);
  if (stream == nullptr && !chunk.unordered) return Outcome::kNoMemory;
  acknowledge(cum_tsn);
  return hold_fragment(chunk, stream, blocks, max_message_size);
}

void ReceiveQueue::acknowledge(Tsn cum_tsn) {
  if (empty()) {
    cum_place_ = (uint64_t{1} << 32) + cum_tsn.value;
    return;
  }
  const uint64_t reached = place_of(cum_tsn);
  const ReceiveBlock* at = reached != cum_place_ ? by_tsn_.after(cum_place_) : nullptr;
  while (at != nullptr && at->held.place <= reached) {
    bound_blocks_ += at->held.blocks;
    at = by_tsn_.after(at->held.place);
  }
  cum_place_ = reached;
}

ReceiveQueue::Neighbours ReceiveQueue::neighbours(uint64_t place) const {
  const auto [before, after] = by_tsn_.around(place);
  const bool follows = before != nullptr && before->held.place + before->held.chunks == place;
  const bool precedes = after != nullptr && after->held.place == place + 1;
  return {follows ? before : nullptr, precedes ? after : nullptr};
}

bool ReceiveQueue::fits(const HeldInfo& held, const Neighbours& beside) {
  return (beside.before == nullptr || may_follow(beside.before->held, held)) &&
         (beside.after == nullptr || may_follow(held, beside.after->held));
}

// A copy of the chunk, in its place by TSN; nullptr if there is no memory.
ReceiveBlock* ReceiveQueue::hold(const wire::DataChunk& chunk, HeldInfo held,
                                 ReceiveBlocks& blocks) {
  ReceiveBlock* const block = blocks.copy_in(chunk.payload);
  if (block == nullptr) return nullptr;
  held.size = block->held.size;
  held.blocks = block->held.blocks;
  block->held = held;
  held_blocks_ += held.blocks;
  blocks.count_held(held.blocks);
  by_tsn_.insert(block);
  return block;
}

ReceiveQueue::Outcome ReceiveQueue::hold_message(const wire::DataChunk& chunk, Tsn cum_tsn,
                                                 Stream& stream, ReceiveBlocks& blocks) {
  acknowledge(cum_tsn);
  HeldInfo held = describe(chunk, place_of(chunk.tsn));
  held.turn = stream.next_turn + ssns_ahead(chunk.ssn, stream.next_turn);
  if (!fits(held, neighbours(held.place)) || !may_wait(held, stream)) return Outcome::kViolation;
  ReceiveBlock* const block = hold(chunk, held, blocks);
  if (block == nullptr) return Outcome::kNoMemory;
  waiting_.insert(block);
  return Outcome::kHeld;
}

ReceiveQueue::Outcome ReceiveQueue::hold_fragment(const wire::DataChunk& chunk, Stream* stream,
                                                  ReceiveBlocks& blocks,
                                                  uint32_t max_message_size) {
  const HeldInfo held = describe(chunk, place_of(chunk.tsn));
  const Neighbours beside = neighbours(held.place);
  if (!fits(held, beside)) return Outcome::kViolation;
  const bool joins_before = beside.before != nullptr && !beside.before->held.ending;
  const bool joins_after = beside.after != nullptr && !held.ending;
  uint64_t size = chunk.payload.size();
  if (joins_before) size += beside.before->held.run.size;
  if (joins_after) size += beside.after->held.run.size;
  if (size > max_message_size) return Outcome::kTooLarge;
  ReceiveBlock* const block = hold(chunk, held, blocks);
  if (block == nullptr) return Outcome::kNoMemory;
  ReceiveBlock* const first = joins_before ? beside.before->held.run.other_end : block;
  ReceiveBlock* const last = joins_after ? beside.after->held.run.other_end : block;
  first->held.run = {last, static_cast<uint32_t>(size)};
  last->held.run = {first, static_cast<uint32_t>(size)};
  if (!first->held.beginning || !last->held.ending) return Outcome::kHeld;
  assemble(first, last);
  if (stream == nullptr) {
    queue_ready(first);
    return Outcome::kHeld;
  }
  return take_whole(first, *stream) ? Outcome::kHeld : Outcome::kViolation;
}

// The fragments of a run become one message in the place of the first.
void ReceiveQueue::assemble(ReceiveBlock* first, const ReceiveBlock* last) {
  const bool bound = first->held.place <= cum_place_;
  ReceiveBlock* end = ReceiveBlocks::last_of(first);
  bool more = true;
  while (more) {
    ReceiveBlock* const next = by_tsn_.after(first->held.place);
    more = next != last;
    by_tsn_.remove(next);
    if (bound && next->held.place > cum_place_) bound_blocks_ += next->held.blocks;
    end = ReceiveBlocks::join(first, end, next);
    ++first->held.chunks;
  }
  first->held.ending = true;
}

// A message that has become whole. False if its SSN can't be true.
bool ReceiveQueue::take_whole(ReceiveBlock* message, Stream& stream) {
  HeldInfo& held = message->held;
  const uint16_t ahead = ssns_ahead(Ssn(static_cast<uint16_t>(held.turn)), stream.next_turn);
  if (ahead == 0) {
    ++stream.next_turn;
    const StreamId id = held.stream;
    queue_ready(message);
    if (!waiting_.empty()) release_waiting(id, stream);
    return true;
  }
  held.turn = stream.next_turn + ahead;
  held.by_ssn = {};
  if (!may_wait(held, stream)) {
    held.beginning = false;  // a fragment again, with nothing to wait for: clear() frees it
    held.run = {message, held.size};
    return false;
  }
  waiting_.insert(message);
  return true;
}

// Can the message with that turn lie where it does? One that seems to be more than half the circle
// ahead is old, unless there are as many TSNs before it; and each SSN comes once.
bool ReceiveQueue::may_wait(const HeldInfo& held, const Stream& stream) const {
  const uint32_t ahead = held.turn - stream.next_turn;
  const uint64_t room = held.place > cum_place_ ? held.place - cum_place_ : 0;
  if (ahead > INT16_MAX && ahead > room) return false;
  return waiting_.find({held.stream, held.turn}) == nullptr;
}

// From the tree by TSN to those that go out; a message that waited has left the other tree.
void ReceiveQueue::queue_ready(ReceiveBlock* message) {
  by_tsn_.remove(message);
  if (message->held.place <= cum_place_) bound_blocks_ -= message->held.blocks;
  message->held.is_ready = nullptr;
  (last_ready_ != nullptr ? last_ready_->held.is_ready : first_ready_) = message;
  last_ready_ = message;
}

void ReceiveQueue::release_waiting(StreamId id, Stream& stream) {
  while (ReceiveBlock* const message = waiting_.find({id, stream.next_turn})) {
    waiting_.remove(message);
    ++stream.next_turn;
    queue_ready(message);
  }
}

ReceiveBlock* ReceiveQueue::pop_ready(ReceiveBlocks& blocks) {
  ReceiveBlock* const message = first_ready_;
  if (message == nullptr) return nullptr;
  first_ready_ = message->held.is_ready;
  if (first_ready_ == nullptr) last_ready_ = nullptr;
  held_blocks_ -= message->held.blocks;
  blocks.count_given(message->held.blocks);
  return message;
}

bool ReceiveQueue::delivers(const wire::DataChunk& chunk) {
  if (!chunk.ending) return false;
  if (!chunk.unordered) {
    const Stream* const stream = streams_.find(chunk.stream);
    if (ssns_ahead(chunk.ssn, stream != nullptr ? stream->next_turn : 0) != 0) return false;
  }
  if (chunk.beginning) return true;
  if (empty()) return false;
  const HeldInfo held = describe(chunk, place_of(chunk.tsn));
  const ReceiveBlock* const before = neighbours(held.place).before;
  return before != nullptr && !before->held.ending && continues(before->held, held) &&
         before->held.run.other_end->held.beginning;
}

std::optional<ReceiveQueue::Tsns> ReceiveQueue::last_loose() const {
  if (loose_blocks() == 0) return std::nullopt;
  const HeldInfo& last = by_tsn_.last()->held;
  return Tsns{last.first_tsn(), last.last_tsn()};
}

void ReceiveQueue::drop_last_loose(ReceiveBlocks& blocks) {
  ReceiveBlock* const victim = by_tsn_.last();
  const HeldInfo& held = victim->held;
  by_tsn_.remove(victim);
  if (held.is_message()) {
    waiting_.remove(victim);
  } else if (held.run.other_end != victim) {
    ReceiveBlock* const first = held.run.other_end;
    ReceiveBlock* const last = by_tsn_.last();
    const uint32_t size = held.run.size - held.size;
    first->held.run = {last, size};
    last->held.run = {first, size};
  }
  held_blocks_ -= held.blocks;
  blocks.count_given(held.blocks);
  blocks.free_chain(victim);
}

void ReceiveQueue::clear(ReceiveBlocks& blocks) {
  while (ReceiveBlock* const message = pop_ready(blocks)) blocks.free_chain(message);
  by_tsn_.clear([&blocks](ReceiveBlock* held) { blocks.free_chain(held); });
  waiting_ = {};
  streams_.clear();
  blocks.count_given(held_blocks_);
  held_blocks_ = 0;
  bound_blocks_ = 0;
}

bool ReceiveQueue::is_sound() const {
  if (!by_tsn_.is_sound() || !waiting_.is_sound()) return false;
  uint64_t held = 0;
  uint64_t bound = 0;
  uint64_t end = 0;  // behind the last one seen
  const ReceiveBlock* run = nullptr;
  uint64_t run_size = 0;
  for (const ReceiveBlock* at = by_tsn_.first(); at != nullptr;
       at = by_tsn_.after(at->held.place)) {
    const HeldInfo& info = at->held;
    held += info.blocks;
    if (info.place <= cum_place_) bound += info.blocks;
    if (info.place < end) return false;
    const bool joins = run != nullptr && info.place == end;
    if (run != nullptr && !joins) return false;  // its end was said to be further on
    end = info.place + info.chunks;
    if (info.is_message()) {
      if (waiting_.find({info.stream, info.turn}) != at) return false;
      continue;
    }
    if (!joins) {
      run = at;
      run_size = 0;
    }
    run_size += info.size;
    if (run->held.run.other_end != at) continue;
    if (info.run.other_end != run || info.run.size != run_size) return false;
    if (run->held.run.size != run_size) return false;
    run = nullptr;
  }
  return run == nullptr && first_ready_ == nullptr && held == held_blocks_ &&
         bound == bound_blocks_;
}

}  // namespace trunkline
