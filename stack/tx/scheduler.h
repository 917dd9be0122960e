// SPDX-License-Identifier: BSD-3-Clause
// Which stream is served next (RFC 8260 section 3): of each stream that may send, the scheduler has
// the oldest message that waits, and no other. The send queue asks it, message by message for DATA;
// what a stream holds beyond that one, and that a message which has begun is finished first, is the
// send queue's. Chosen by Profile::scheduler; a scheduler is one pointer, and links messages. Any
// of its messages may leave without its turn.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/ordered_tree.h"
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
  // The same of any that is here.
  scheduler.remove(oldest);
};

// Each stream in turn, a message at a time (section 3.2).
class RoundRobin {
 public:
  static constexpr bool kByAcceptance = false;
  void push(TxMessage* oldest) {
    if (last_ == nullptr) {
      oldest->turn = oldest->next = oldest;
    } else {
      oldest->next = last_;
      oldest->turn = std::exchange(last_->turn, oldest);
      oldest->turn->next = oldest;
    }
    last_ = oldest;
  }
  [[nodiscard]] TxMessage* next() const { return last_ != nullptr ? last_->turn : nullptr; }
  [[nodiscard]] bool is_alone() const { return last_->turn == last_; }
  void sent() { remove(last_->turn); }
  void remove(TxMessage* message) {
    if (message->turn == message) {
      last_ = nullptr;
      return;
    }
    message->next->turn = message->turn;
    message->turn->next = message->next;
    if (last_ == message) last_ = message->next;
  }

 private:
  TxMessage* last_ = nullptr;  // a ring: `turn` leads from the last to the first, `next` back
};

// In the order in which messages were accepted, whatever their streams (section 3.1): O(log n) in
// the streams that wait.
class FirstCome {
 public:
  static constexpr bool kByAcceptance = true;
  [[gnu::cold]] void push(TxMessage* oldest);
  [[nodiscard]] TxMessage* next() const { return waiting_.first(); }
  [[nodiscard]] bool is_alone() const { return waiting_.first() == waiting_.last(); }
  [[gnu::cold]] void sent();
  [[gnu::cold]] void remove(TxMessage* message);

 private:
  struct ByAcceptance {
    using Key = uint32_t;
    static Key key(const TxMessage& message) { return message.accepted; }
    static bool before(Key a, Key b) { return static_cast<int32_t>(a - b) < 0; }
    // Of a message that is here neither link is in use for anything else.
    static TxMessage*& child(TxMessage& message, size_t side) {
      return side == 0 ? message.next : message.turn;
    }
    static int balance(const TxMessage& message) { return message.turn_balance - 1; }
    static void set_balance(TxMessage& message, int balance) {
      message.turn_balance = static_cast<uint8_t>(balance + 1) & 3;
    }
  };

  OrderedTree<TxMessage, ByAcceptance> waiting_;
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
