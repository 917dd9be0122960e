// SPDX-License-Identifier: BSD-3-Clause
// One timing wheel per shard: who is due, and when to look next. An association is a
// WheelEntry and arms it for its earliest deadline; the wheel knows nothing of what the deadline
// means. No allocation, no clock: the caller says what time it is, and time never goes back.
//
// The levels are a radix queue over nanoseconds: level k has 64 slots of 64^k ns. An entry lies on
// the level of the highest digit in which its deadline differs from the wheel's present, so a jump
// of days costs as little as one of a millisecond, and nothing wraps.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "trunkline/stack/types.h"

namespace trunkline {

struct WheelLink {
  WheelLink* wheel_next = nullptr;  // null: in no list
  WheelLink* wheel_prev = nullptr;
};

// What has deadlines derives from it. Must be cancelled, or popped, before it is destroyed.
struct WheelEntry : WheelLink {
  WheelEntry() = default;
  WheelEntry(const WheelEntry&) = delete;
  WheelEntry& operator=(const WheelEntry&) = delete;

  [[nodiscard]] bool armed() const { return wheel_next != nullptr; }

  TimePoint deadline = TimePoint::never();  // set by arm(); meaningful while armed
  uint64_t filed_from = 0;                  // the wheel's: start of the slot that it was put in
};

class TimingWheel {
 public:
  explicit TimingWheel(TimePoint now);
  TimingWheel(const TimingWheel&) = delete;
  TimingWheel& operator=(const TimingWheel&) = delete;

  // Arms, or arms anew, in constant time. A later deadline leaves the entry where it lies and is
  // noticed when that slot comes up, so pushing a timer back for every packet costs one store.
  // A deadline before the last pop_expired() is due at once, as if it were then; never() is
  // cancel().
  void arm(WheelEntry& entry, TimePoint deadline) {
    if (deadline.is_never()) return cancel(entry);
    entry.deadline = deadline;
    const uint64_t at = to_wheel(deadline);
    bound_ = std::min(bound_, at);
    if (!entry.armed() || at < entry.filed_from) move(entry);
  }
  void cancel(WheelEntry& entry);

  // Removes and returns one entry whose deadline is at or before `now`, the earliest deadline
  // first, equal ones in a fixed order; nullptr when there is none. Never early. One call re-files
  // at most kMovesPerCall entries: when more than that come up at once, it may return nullptr (or
  // an entry out of order) with work left, and next_deadline() stays at or before `now`.
  [[nodiscard]] WheelEntry* pop_expired(TimePoint now);

  // Not later than the next moment at which pop_expired() would return something; never() when
  // nothing is armed. Exact unless many deadlines lie close together far ahead; calling
  // pop_expired() at the times that it names reaches the next deadline within a few steps.
  [[nodiscard]] TimePoint next_deadline() const;

  static constexpr size_t kMovesPerCall = 128;

 private:
  static constexpr size_t kBits = 6;
  static constexpr size_t kSlots = size_t{1} << kBits;
  static constexpr size_t kLevels = (64 + kBits - 1) / kBits;

  static constexpr uint64_t kSignBit = uint64_t{1} << 63;
  [[nodiscard]] static uint64_t to_wheel(TimePoint time) {
    return static_cast<uint64_t>(time.ns()) ^ kSignBit;
  }
  [[nodiscard]] static TimePoint from_wheel(uint64_t time) {
    return TimePoint::from_ns(static_cast<int64_t>(time ^ kSignBit));
  }
  struct FirstSlot;
  [[nodiscard]] uint64_t slot_start(size_t level, size_t slot) const;
  [[nodiscard]] FirstSlot first_slot();
  void file(WheelEntry& entry);
  void move(WheelEntry& entry);

  // All times inside are nanoseconds with the sign bit flipped, so that they order as unsigned.
  uint64_t present_;                          // every entry filed lies at or after it
  uint64_t bound_;                            // nothing is due before it
  std::array<uint64_t, kLevels> occupied_{};  // a set bit may be stale, a clear one never is
  std::array<std::array<WheelLink, kSlots>, kLevels> slots_;
  WheelLink moving_;  // taken out of a slot that came up, to be filed on a lower level
};

}  // namespace trunkline
