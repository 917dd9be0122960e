// SPDX-License-Identifier: BSD-3-Clause
// What simulated clients do on their rings: they send, read, give slots back, and look at what
// comes back to whom.
#include <algorithm>
#include <cstring>

#include "consumers.h"

namespace trunkline::sim {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// ---------------------------------------------------------------- sending

bool Consumers::has_sent_all(const Side& side) const {
  if (side.plan->traffic.pattern == Pattern::kSilent) return true;
  return side.sent >= side.plan->traffic.messages;
}

bool Consumers::send_one(TimePoint now, Side& side, ConsumerIndex by) {
  const TrafficPlan& traffic = side.plan->traffic;
  Lane& at = lane(by, side.id.shard);
  if (!at.ring.has_room(traffic.max_size)) return false;
  const auto stream = static_cast<uint16_t>(random_.below(side.streams));
  const bool unordered = random_.below(1'000'000) < traffic.unordered;
  const auto size = static_cast<uint32_t>(traffic.min_size +
                                          random_.below(traffic.max_size - traffic.min_size + 1));
  Submitted submitted;
  submitted.side = index_of(side);
  submitted.outgoing = simulator_.ledger().make(side.record, StreamId(stream), unordered, size, 1);
  Ledger::Outgoing& outgoing = *submitted.outgoing;
  const Piece* const piece = outgoing.payload.head();
  tlr_submission submission{};
  submission.op = TLR_OP_SEND;
  if (unordered) submission.flags = TLR_SEND_UNORDERED;
  submission.stream = stream;
  submission.ppid = outgoing.request.ppid.value;
  submission.context = outgoing.request.context;
  submission.assoc_index = side.id.slot;
  submission.assoc_generation = side.id.generation;
  const uint32_t slot = at.ring.submit(submission, {piece->data, piece->length});
  sends_[{&at, slot}] = outgoing.message;
  simulator_.consumers().sent(by, outgoing.message);
  simulator_.ledger().copied(outgoing);
  at.submitted.push_back(std::move(submitted));
  ++side.sent;
  worker_is_due(now);
  return true;
}

void Consumers::send_some(TimePoint now, Side& side) {
  const TrafficPlan& traffic = side.plan->traffic;
  side.next_send = TimePoint::never();
  const bool stream = traffic.pattern == Pattern::kStream;
  const uint32_t portion = stream ? 16 : traffic.pattern == Pattern::kIdle ? 1 : traffic.burst;
  for (uint32_t i = 0; i < portion && !has_sent_all(side); ++i) {
    // Without slots it waits for some to come back.
    if (!send_one(now, side, side.holder)) return;
  }
  side.next_send = now + (stream ? milliseconds(1) : traffic.gap);
}

void Consumers::try_ending(TimePoint now, Side& side) {
  if (side.phase != Phase::kUp || side.ended_it || side.plan->ending == Ending::kPassive) return;
  if (now < side.up_since + side.plan->ending_after) return;
  const bool sent_all = has_sent_all(side) || side.closing;
  const TrafficPlan& theirs = side.peer_plan->traffic;
  const bool read_all = theirs.pattern == Pattern::kSilent || side.read >= theirs.messages;
  if (!sent_all || (side.plan->ending == Ending::kWhenAllDone && !read_all)) return;
  Lane& at = lane(side.holder, side.id.shard);
  // What was submitted may still be refused.
  const bool all_taken = std::all_of(lanes_.begin(), lanes_.end(),
                                     [](const auto& each) { return each->submitted.empty(); });
  if (!all_taken || !at.ring.has_room(0)) return;
  side.ended_it = true;
  tlr_submission submission{};
  submission.op = TLR_OP_SHUTDOWN;
  submission.context = 1 + index_of(side);
  submission.assoc_index = side.id.slot;
  submission.assoc_generation = side.id.generation;
  static_cast<void>(at.ring.submit(submission, {}));
  at.submitted.emplace_back();
  worker_is_due(now);
}

// ---------------------------------------------------------------- reading

void Consumers::poll(TimePoint now, Lane& at) {
  at.poll_at = TimePoint::never();
  for (uint64_t n = 1 + random_.below(8); n > 0 && at.ring.has_any() && at.stalled_until <= now;
       --n) {
    take(now, at, at.ring.take());
  }
  if (at.ring.has_any()) {
    at.poll_at = std::max(now + some_time(microseconds(200)), at.stalled_until);
  }
  worker_is_due(now);
}

void Consumers::take(TimePoint now, Lane& at, const tlr_completion& entry) {
  const size_t side = side_of(entry, at.worker);
  switch (entry.kind) {
    case TLR_MESSAGE:
      return take_message(now, at, entry);
    case TLR_SENDS_DONE:
      return take_sends_done(now, at, entry);
    case TLR_SEND_FAILED:
      return take_send_failed(now, at, entry);
    case TLR_OP_FAILED: {
      if (entry.context == 0) return fail(now, "nobody may listen");
      // Another one has it by now, and ends it when it is time.
      Side& asked = sides_[entry.context - 1];
      if (entry.status == TLR_STATUS_NO_ASSOCIATION) asked.ended_it = asked.phase == Phase::kOver;
      return;
    }
    case TLR_CLOSED:
    case TLR_LOST:
    case TLR_CONNECT_FAILED:
      if (entry.length > 0) at.ring.give_back(entry.slot);
      if (side == kNone) return fail(now, "the end of an association that there was not");
      return simulator_.consumers().told_end(now, sides_[side].record, at.consumer);
    default:
      return;
  }
}

void Consumers::take_message(TimePoint now, Lane& at, const tlr_completion& entry) {
  const size_t index = side_of(entry, at.worker);
  if (index == kNone) return fail(now, "a message of an association that there was not");
  Side& side = sides_[index];
  Held held;
  held.entry = entry;
  held.side = index;
  held.message = simulator_.ledger().message_of(Ppid(entry.ppid));
  held.offset = simulator_.consumers().read(now, side.record, at.consumer, entry.ppid, held.message,
                                            at.ring.bytes_of(entry));
  if ((entry.flags & TLR_MESSAGE_MORE) == 0) ++side.read;
  const ReaderPlan& reader = side.plan->reader;
  if (reader.stall > 0 && random_.below(1'000'000) < reader.stall) {
    at.stalled_until = now + reader.stall_for;
  }
  const TimePoint after = at.held.empty() ? now : std::max(now, at.held.back().give_at);
  held.give_at = std::max(after, at.stalled_until) + some_time(reader.lag);
  at.held.push_back(held);
}

void Consumers::end_send(TimePoint now, Lane& at, uint32_t slot, MessageId message) {
  const auto found = sends_.find({&at, slot});
  if (found == sends_.end() || !at.ring.reclaim(slot)) {
    return fail(now, "consumer " + std::to_string(at.consumer) + " got a slot that was not out");
  }
  if (found->second != message) fail(now, "the end of a send with another's slots");
  sends_.erase(found);
  simulator_.consumers().send_ended(now, at.consumer, message);
  for (Side& side : sides_) {
    if (side.phase == Phase::kUp && side.id.shard == at.worker && !side.blocked) {
      side.next_send = std::min(side.next_send, now);
    }
  }
}

void Consumers::take_sends_done(TimePoint now, Lane& at, const tlr_completion& entry) {
  tlr_sends_done done;
  static_assert(sizeof(done) == sizeof(entry));
  std::memcpy(&done, &entry, sizeof(done));
  for (uint32_t i = 0; i < done.count; ++i) {
    const auto found = sends_.find({&at, done.slots[i]});
    const MessageId message = found == sends_.end() ? 0 : found->second;
    end_send(now, at, done.slots[i], message);
    if (!simulator_.verdict().failed() && !simulator_.ledger().is_acknowledged(message)) {
      fail(now, "a send is done, and its message is not acknowledged");
    }
  }
}

void Consumers::take_send_failed(TimePoint now, Lane& at, const tlr_completion& entry) {
  const auto message = static_cast<MessageId>(entry.context);
  end_send(now, at, entry.slot, message);
  if (simulator_.verdict().failed()) return;
  const bool tried = entry.status == TLR_STATUS_FAILED;
  if (tried != simulator_.ledger().has_failed(message)) {
    fail(now, "a send failed with status " + std::to_string(entry.status) +
                  ", and the stack says something else");
  }
  const bool expected = tried || entry.status == TLR_STATUS_WOULD_BLOCK ||
                        entry.status == TLR_STATUS_NO_ASSOCIATION ||
                        entry.status == TLR_STATUS_CLOSING;
  if (!expected) fail(now, "a send is refused: " + std::to_string(entry.status));
  const size_t side = side_of(entry, at.worker);
  if (entry.status == TLR_STATUS_NO_ASSOCIATION && side != kNone) {
    sides_[side].blocked = false;
    sides_[side].next_send = std::min(sides_[side].next_send, now);
  }
}

// Nobody has touched it as long as it was ours.
void Consumers::give_back(TimePoint now, Lane& at) {
  while (!at.held.empty() && at.held.front().give_at <= now) {
    const Held& first = at.held.front();
    const std::vector<uint8_t> bytes = at.ring.bytes_of(first.entry);
    if (compare_content(first.message, first.offset, bytes) != bytes.size()) {
      fail(now, "a message has changed in the slots of its reader");
    }
    at.ring.give_back(first.entry.slot);
    at.returned.emplace_back(first.side, first.entry.length);
    at.held.pop_front();
    worker_is_due(now);
  }
}

}  // namespace trunkline::sim
