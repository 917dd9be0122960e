// SPDX-License-Identifier: BSD-3-Clause
// Runs of consecutive TSNs: their ends know each other, and nothing is walked before the message is
// complete.
#include "rx/fragments_by_tsn.h"

namespace trunkline {
namespace {

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

}  // namespace

HeldInfo FragmentsByTsn::describe(const wire::DataChunk& chunk) const {
  HeldInfo held;
  held.place = place_of(chunk.tsn);
  held.turn = chunk.mid;
  held.ppid = chunk.ppid;
  held.stream = chunk.stream;
  held.unordered = chunk.unordered;
  held.beginning = chunk.beginning;
  held.ending = chunk.ending;
  held.whole_chunk = chunk.beginning && chunk.ending;
  held.path = chunk.path & 63;
  return held;
}

void FragmentsByTsn::acknowledge(Tsn cum_tsn) {
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

FragmentsByTsn::Neighbours FragmentsByTsn::neighbours(uint64_t place) const {
  const auto [before, after] = by_tsn_.around(place);
  const bool follows = before != nullptr && before->held.place + before->held.chunks == place;
  const bool precedes = after != nullptr && after->held.place == place + 1;
  return {follows ? before : nullptr, precedes ? after : nullptr};
}

bool FragmentsByTsn::fits(const HeldInfo& held, const Neighbours& beside) {
  return (beside.before == nullptr || may_follow(beside.before->held, held)) &&
         (beside.after == nullptr || may_follow(held, beside.after->held));
}

ReceiveBlock* FragmentsByTsn::hold(const wire::DataChunk& chunk, HeldInfo held,
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

FragmentsByTsn::Added FragmentsByTsn::add(const wire::DataChunk& chunk, ReceiveBlocks& blocks,
                                          uint32_t max_message_size) {
  const HeldInfo held = describe(chunk);
  const Neighbours beside = neighbours(held.place);
  if (!fits(held, beside)) return {Outcome::kViolation};
  const bool joins_before = beside.before != nullptr && !beside.before->held.ending;
  const bool joins_after = beside.after != nullptr && !held.ending;
  uint64_t size = chunk.payload.size();
  if (joins_before) size += beside.before->held.run.size;
  if (joins_after) size += beside.after->held.run.size;
  if (size > max_message_size) return {Outcome::kTooLarge};
  ReceiveBlock* const block = hold(chunk, held, blocks);
  if (block == nullptr) return {Outcome::kNoMemory};
  ReceiveBlock* const first = joins_before ? beside.before->held.run.other_end : block;
  ReceiveBlock* const last = joins_after ? beside.after->held.run.other_end : block;
  first->held.run = {last, static_cast<uint32_t>(size)};
  last->held.run = {first, static_cast<uint32_t>(size)};
  if (!first->held.beginning || !last->held.ending) return {Outcome::kHeld};
  ReceiveBlock* const message = assemble(first, last, blocks);
  message->held.ending = true;
  return {Outcome::kWhole, message};
}

// The fragments of a run become one message in the place of the first that has payload.
ReceiveBlock* FragmentsByTsn::assemble(ReceiveBlock* first, const ReceiveBlock* last,
                                       ReceiveBlocks& blocks) {
  if (first->held.given) {
    ReceiveBlock* const mark = first;
    first = by_tsn_.after(mark->held.place);
    first->held.beginning = first->held.given = true;
    first->held.ppid = mark->held.ppid;
    remove(mark, blocks);
  }
  const bool bound = first->held.place <= cum_place_;
  ReceiveBlock* end = ReceiveBlocks::last_of(first);
  bool more = first != last;
  while (more) {
    ReceiveBlock* const next = by_tsn_.after(first->held.place);
    more = next != last;
    by_tsn_.remove(next);
    if (bound && next->held.place > cum_place_) bound_blocks_ += next->held.blocks;
    end = ReceiveBlocks::join(first, end, next);
    ++first->held.chunks;
  }
  return first;
}

void FragmentsByTsn::remove(ReceiveBlock* block, ReceiveBlocks& blocks) {
  take_out(block);
  give(*block, blocks);
  blocks.free_chain(block);
}

ReceiveBlock* FragmentsByTsn::remove_run(ReceiveBlock* first, ReceiveBlocks& blocks) {
  const ReceiveBlock* const last = first->held.run.other_end;
  ReceiveBlock* at = first;
  for (bool more = true; more;) {
    ReceiveBlock* const next = by_tsn_.after(at->held.place);
    more = at != last;
    remove(at, blocks);
    at = next;
  }
  return at;
}

uint32_t FragmentsByTsn::drop_orphans(Tsn cum_tsn, ReceiveBlocks& blocks) {
  if (empty()) return 0;
  const uint64_t reached = place_of(cum_tsn);
  if (reached - cum_place_ <= 1) return 0;  // the one that was next: not held if it is one
  uint32_t dropped = 0;
  const ReceiveBlock* before = front_last();
  ReceiveBlock* at = by_tsn_.after(cum_place_);
  while (at != nullptr && at->held.place <= reached) {
    const HeldInfo& held = at->held;
    const bool follows = before != nullptr && !before->held.ending &&
                         before->held.place + before->held.chunks == held.place;
    if (held.beginning || follows) {
      before = at;
      at = by_tsn_.after(held.place);
      continue;
    }
    dropped += static_cast<uint32_t>(held.run.other_end->held.place - held.place) + 1;
    at = remove_run(at, blocks);
  }
  return dropped;
}

bool FragmentsByTsn::goes_on_at(Tsn tsn) const {
  const ReceiveBlock* const at = empty() ? nullptr : by_tsn_.find(place_of(tsn));
  return at != nullptr && !at->held.beginning;
}

std::optional<HeldInfo> FragmentsByTsn::cut_off_before(Tsn tsn, ReceiveBlocks& blocks) {
  if (!is_open_before(tsn)) return std::nullopt;
  ReceiveBlock* const first = neighbours(place_of(tsn)).before->held.run.other_end;
  const HeldInfo was = first->held;
  remove_run(first, blocks);
  return was;
}

bool FragmentsByTsn::is_open_before(Tsn tsn) const {
  const ReceiveBlock* const before = empty() ? nullptr : neighbours(place_of(tsn)).before;
  return before != nullptr && !before->held.ending;
}

const HeldInfo* FragmentsByTsn::front() const {
  const ReceiveBlock* const last = empty() ? nullptr : front_last();
  if (last == nullptr || last->held.place != cum_place_ || last->held.ending) return nullptr;
  const HeldInfo& first = last->held.run.other_end->held;
  return first.beginning ? &first : nullptr;
}

uint32_t FragmentsByTsn::front_bytes() const {
  const HeldInfo::Run& run = front_last()->held.run;
  const HeldInfo& first = run.other_end->held;
  return run.size - (first.given ? first.size : 0);
}

ReceiveBlock* FragmentsByTsn::cut_front(ReceiveBlocks& blocks) {
  ReceiveBlock* const last = front_last();
  ReceiveBlock* const first = last->held.run.other_end;
  ReceiveBlock* const mark = front_bytes() > 0 ? blocks.make_mark(first->held) : nullptr;
  if (mark == nullptr) return nullptr;
  mark->held.place = last->held.place;
  mark->held.given = true;
  mark->held.size = last->held.run.size;
  mark->held.run = {mark, mark->held.size};
  ReceiveBlock* const piece = assemble(first, last, blocks);
  take_out(piece);
  piece->held.more = true;
  ++held_blocks_;
  ++bound_blocks_;
  blocks.count_held(1);
  by_tsn_.insert(mark);
  return piece;
}

bool FragmentsByTsn::completes(const wire::DataChunk& chunk) const {
  if (!chunk.ending || empty()) return false;
  const HeldInfo held = describe(chunk);
  const ReceiveBlock* const before = neighbours(held.place).before;
  return before != nullptr && !before->held.ending && continues(before->held, held) &&
         before->held.run.other_end->held.beginning;
}

void FragmentsByTsn::take_out(ReceiveBlock* message) {
  by_tsn_.remove(message);
  if (message->held.place <= cum_place_) bound_blocks_ -= message->held.blocks;
}

void FragmentsByTsn::disown(ReceiveBlock* message) {
  message->held.beginning = false;
  message->held.run = {message, message->held.size};
}

ReceiveBlock* FragmentsByTsn::take_last(ReceiveBlocks& blocks) {
  ReceiveBlock* const victim = by_tsn_.last();
  const HeldInfo& held = victim->held;
  by_tsn_.remove(victim);
  if (!held.is_message() && held.run.other_end != victim) {
    ReceiveBlock* const first = held.run.other_end;
    ReceiveBlock* const last = by_tsn_.last();
    const uint32_t size = held.run.size - held.size;
    first->held.run = {last, size};
    last->held.run = {first, size};
  }
  give(*victim, blocks);
  return victim;
}

void FragmentsByTsn::clear(ReceiveBlocks& blocks) {
  by_tsn_.clear([&blocks](ReceiveBlock* held) { blocks.free_chain(held); });
  blocks.count_given(held_blocks_);
  held_blocks_ = 0;
  bound_blocks_ = 0;
}

bool FragmentsByTsn::is_sound() const {
  if (!by_tsn_.is_sound()) return false;
  uint64_t held = 0;
  uint64_t bound = 0;
  uint64_t end = 0;  // behind the last one seen
  const ReceiveBlock* run = nullptr;
  uint64_t run_size = 0;
  for (const ReceiveBlock* at = first(); at != nullptr; at = after(*at)) {
    const HeldInfo& info = at->held;
    held += info.blocks;
    if (info.place <= cum_place_) bound += info.blocks;
    if (info.place < end) return false;
    const bool joins = run != nullptr && info.place == end;
    if (run != nullptr && !joins) return false;  // its end was said to be further on
    end = info.place + info.chunks;
    if (info.is_message()) continue;
    if (!joins) {
      run = at;
      run_size = 0;
    }
    run_size += info.size;
    if (run->held.run.other_end != at) continue;
    if (info.run.other_end != run || info.run.size != run->held.run.size) return false;
    if (info.run.size != run_size || (run->held.given && run->held.place > cum_place_))
      return false;
    run = nullptr;
  }
  return run == nullptr && held == held_blocks_ && bound == bound_blocks_;
}

}  // namespace trunkline
