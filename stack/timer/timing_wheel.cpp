// SPDX-License-Identifier: BSD-3-Clause
// Filing, popping and looking ahead. The invariant behind it all: every filed entry's slot starts
// at or after `present_`, and on levels above 0 strictly after it, so the first non-empty slot of
// the lowest non-empty level is the earliest.
#include "timer/timing_wheel.h"

#include <algorithm>
#include <bit>

#include "base/steps.h"

namespace trunkline {
namespace {

constexpr uint64_t kNever = UINT64_MAX;
// How many entries next_deadline() may look at for an exact answer.
constexpr size_t kLookAhead = 32;

void make_empty(WheelLink& head) {
  head.wheel_next = head.wheel_prev = &head;
}
bool is_empty(const WheelLink& head) {
  return head.wheel_next == &head;
}

void append(WheelLink& head, WheelLink& link) {
  link.wheel_prev = head.wheel_prev;
  link.wheel_next = &head;
  head.wheel_prev->wheel_next = &link;
  head.wheel_prev = &link;
}

void unlink(WheelLink& link) {
  link.wheel_prev->wheel_next = link.wheel_next;
  link.wheel_next->wheel_prev = link.wheel_prev;
  link.wheel_next = link.wheel_prev = nullptr;
}

void append_all(WheelLink& head, WheelLink& from) {
  from.wheel_next->wheel_prev = head.wheel_prev;
  head.wheel_prev->wheel_next = from.wheel_next;
  from.wheel_prev->wheel_next = &head;
  head.wheel_prev = from.wheel_prev;
  make_empty(from);
}

WheelEntry& first_entry(WheelLink& head) {
  return static_cast<WheelEntry&>(*head.wheel_next);
}

}  // namespace

struct TimingWheel::FirstSlot {
  size_t level = 0;
  size_t slot = 0;
  uint64_t start = kNever;  // kNever: every slot is empty
};

TimingWheel::TimingWheel(TimePoint now) : present_(to_wheel(now)), bound_(kNever) {
  for (auto& level : slots_) {
    for (WheelLink& slot : level) make_empty(slot);
  }
  make_empty(moving_);
}

void TimingWheel::move(WheelEntry& entry) {
  if (entry.armed()) unlink(entry);
  file(entry);
}

void TimingWheel::cancel(WheelEntry& entry) {
  if (!entry.armed()) return;
  unlink(entry);  // the slot's bit goes stale; whoever looks there next clears it
  entry.deadline = TimePoint::never();
}

void TimingWheel::file(WheelEntry& entry) {
  const uint64_t at = std::max(to_wheel(entry.deadline), present_);
  const uint64_t differs = at ^ present_;
  const size_t level =
      differs == 0 ? 0 : (63 - static_cast<size_t>(std::countl_zero(differs))) / kBits;
  const size_t shift = level * kBits;
  const size_t slot = static_cast<size_t>(at >> shift) % kSlots;
  entry.filed_from = at >> shift << shift;
  append(slots_[level][slot], entry);
  occupied_[level] |= uint64_t{1} << slot;
}

uint64_t TimingWheel::slot_start(size_t level, size_t slot) const {
  const size_t above = (level + 1) * kBits;
  const uint64_t upper = above >= 64 ? 0 : present_ >> above << above;
  return upper | static_cast<uint64_t>(slot) << (level * kBits);
}

TimingWheel::FirstSlot TimingWheel::first_slot() {
  for (size_t level = 0; level < kLevels; ++level) {
    while (occupied_[level] != 0) {
      count_steps();
      const size_t slot = static_cast<size_t>(std::countr_zero(occupied_[level]));
      if (!is_empty(slots_[level][slot])) return {level, slot, slot_start(level, slot)};
      occupied_[level] &= occupied_[level] - 1;
    }
  }
  return {};
}

WheelEntry* TimingWheel::pop_expired(TimePoint now) {
  const uint64_t at = to_wheel(now);
  if (at < bound_) return nullptr;
  size_t moves_left = kMovesPerCall;
  while (true) {
    for (; !is_empty(moving_) && moves_left > 0; --moves_left) {
      count_steps();
      WheelEntry& entry = first_entry(moving_);
      unlink(entry);
      file(entry);
    }
    const FirstSlot first = first_slot();
    if (first.start > at) {
      // Nothing filed is due. `present_` may not pass a slot start, and `at` does not.
      present_ = std::max(present_, at);
      bound_ = is_empty(moving_) ? first.start : present_;
      return nullptr;
    }
    present_ = std::max(present_, first.start);
    WheelLink& slot = slots_[first.level][first.slot];
    if (first.level > 0) {
      append_all(moving_, slot);
    } else {
      WheelEntry& entry = first_entry(slot);
      unlink(entry);
      if (to_wheel(entry.deadline) <= first.start) {
        entry.deadline = TimePoint::never();
        return &entry;
      }
      append(moving_, entry);  // put off while it lay here; others may be due before it
    }
    if (moves_left == 0) {
      bound_ = present_;
      return nullptr;
    }
  }
}

TimePoint TimingWheel::next_deadline() const {
  uint64_t best = kNever;
  size_t looks_left = kLookAhead;
  // True when the whole list was looked at.
  const auto look = [&](const WheelLink& head) {
    for (const WheelLink* link = head.wheel_next; link != &head; link = link->wheel_next) {
      if (looks_left-- == 0) return false;
      count_steps();
      best = std::min(best, to_wheel(static_cast<const WheelEntry*>(link)->deadline));
    }
    return true;
  };
  if (!look(moving_)) return from_wheel(bound_);
  for (size_t level = 0; level < kLevels; ++level) {
    for (uint64_t bits = occupied_[level]; bits != 0; bits &= bits - 1) {
      const size_t slot = static_cast<size_t>(std::countr_zero(bits));
      count_steps();
      if (is_empty(slots_[level][slot])) continue;
      const uint64_t start = slot_start(level, slot);
      // Nothing in this slot or after it is due before the slot starts.
      if (start >= best) return from_wheel(best);
      if (!look(slots_[level][slot])) return from_wheel(std::min(best, start));
    }
  }
  return from_wheel(best);
}

}  // namespace trunkline
