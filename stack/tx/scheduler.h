// SPDX-License-Identifier: BSD-3-Clause
// Which stream is served next (RFC 8260 section 3): of each stream that may send, the scheduler has
// the oldest message that waits, and no other. The send queue asks it, message by message for DATA;
// what a stream holds beyond that one, and that a message which has begun is finished first, is the
// send queue's. Chosen by Profile::scheduler; a scheduler is one pointer, and links messages.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>

#include "trunkline/stack/profile.h"
#include "tx/messages.h"

namespace trunkline {

template <typename S>
concept StreamScheduler = requires(S scheduler, const S& constant, TxMessage* oldest) {
  // Does it look at TxMessage::accepted?
  { S::kByAcceptance } -> std::convertible_to<bool>;
  // A stream may send; of it no message is here.
  scheduler.push(oldest);
  // Whose stream is next; null: none. Stays the same until something is pushed or sent.
  { constant.next() } -> std::same_as<TxMessage*>;
  // Is there no other stream beside it?
  { constant.is_alone() } -> std::same_as<bool>;
  // What next() gave leaves; its stream comes again with another.
  scheduler.sent();
};

// Each stream in turn, a message at a time (section 3.2).
class RoundRobin {
 public:
  static constexpr bool kByAcceptance = false;
  void push(TxMessage* oldest) {
    if (last_ == nullptr) {
      oldest->turn = oldest;
    } else {
      oldest->turn = std::exchange(last_->turn, oldest);
    }
    last_ = oldest;
  }
  [[nodiscard]] TxMessage* next() const { return last_ != nullptr ? last_->turn : nullptr; }
  [[nodiscard]] bool is_alone() const { return last_->turn == last_; }
  void sent() {
    TxMessage* const gone = last_->turn;
    if (gone == last_) {
      last_ = nullptr;
    } else {
      last_->turn = gone->turn;
    }
  }

 private:
  TxMessage* last_ = nullptr;  // a ring: behind the last comes the first
};

// In the order in which messages were accepted, whatever their streams (section 3.1): a skew heap,
// O(log n) amortised in the streams that wait.
class FirstCome {
 public:
  static constexpr bool kByAcceptance = true;
  [[gnu::cold]] void push(TxMessage* oldest);
  [[nodiscard]] TxMessage* next() const { return root_; }
  [[nodiscard]] bool is_alone() const { return root_->next == nullptr && root_->turn == nullptr; }
  [[gnu::cold]] void sent();

 private:
  // Of a message that is here neither link is in use for anything else.
  TxMessage* root_ = nullptr;
};

static_assert(StreamScheduler<RoundRobin> && StreamScheduler<FirstCome>);
static_assert(sizeof(RoundRobin) == sizeof(void*) && sizeof(FirstCome) == sizeof(void*));

// The one that was chosen.
class Scheduler {
 public:
  using Kind = StreamScheduling;

  explicit Scheduler(Kind kind) {
    if (kind == Kind::kRoundRobin) {
      std::construct_at(&round_robin_);
    } else {
      std::construct_at(&first_come_);
    }
  }

  // Calls use(S&) with the scheduler of that kind, always the same.
  template <typename Use>
  decltype(auto) ask(Kind kind, Use&& use) {
    if (kind == Kind::kRoundRobin) [[likely]]
      return use(round_robin_);
    return use(first_come_);
  }

 private:
  union {
    RoundRobin round_robin_;
    FirstCome first_come_;
  };
};

}  // namespace trunkline
