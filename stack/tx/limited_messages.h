// SPDX-License-Identifier: BSD-3-Clause
// The messages of an association that are not sent at any price (RFC 3758 section 4.1, RFC 7496):
// those with a lifetime in the order in which they end, those with a priority in that order, and
// what became of those that were given up. A limit of retransmissions is in the message itself.
//
// An association has one from its first such message on. Its sender files messages here, and asks.
#pragma once

#include <array>
#include <cstdint>

#include "base/ordered_tree.h"
#include "base/pool.h"
#include "trunkline/stack/stack.h"
#include "tx/messages.h"

namespace trunkline {

// Until when, or before whom, a message is sent: from the shard's pool.
struct MessageLimit {
  struct Rank {
    uint64_t value;  // the end of its lifetime, in ns; or its priority, 0 the highest
    uint32_t order;  // of send()
  };

  TxMessage* message = nullptr;
  Rank rank{};
  std::array<MessageLimit*, 2> child{};
  Tsn first;  // of its chunks, once it has begun
  bool is_lifetime = false;
  bool filed = false;
  int8_t balance = 0;
};

struct ByRank {
  using Key = MessageLimit::Rank;
  static Key key(const MessageLimit& limit) { return limit.rank; }
  static bool before(Key a, Key b) {
    if (a.value != b.value) return a.value < b.value;
    return static_cast<int32_t>(a.order - b.order) < 0;
  }
  static MessageLimit*& child(MessageLimit& limit, size_t side) { return limit.child[side]; }
  static int balance(const MessageLimit& limit) { return limit.balance; }
  static void set_balance(MessageLimit& limit, int balance) {
    limit.balance = static_cast<int8_t>(balance);
  }
};

// A message's in that pool, or nullptr: it has none.
[[nodiscard]] inline MessageLimit* limit_of(const Pool<MessageLimit>& pool,
                                            const TxMessage& message) {
  return message.limit_place != 0 ? pool.at(message.limit_place - 1) : nullptr;
}

class LimitedMessages {
 public:
  // Chunks of messages that were given up, and that the peer has not passed.
  uint32_t outstanding = 0;
  Tsn ack_point;  // Advanced.Peer.Ack.Point, while there are any
  // The last FORWARD TSN: where it began and ended, and when it went.
  Tsn told_from;
  Tsn told_to;
  TimePoint told_at;

  // False: there is no memory. A message without lifetime and priority needs none.
  [[nodiscard]] bool file(Pool<MessageLimit>& pool, TimePoint now, const Reliability& reliability,
                          TxMessage& message);
  // The message, which has a limit, leaves.
  [[gnu::cold]] void forget(Pool<MessageLimit>& pool, TxMessage& message);
  // Its lifetime is over, and it is not given up.
  void unfile(MessageLimit& limit);
  // It comes from the association in whose place this one is.
  void file_again(MessageLimit& limit);

  [[nodiscard]] static TimePoint end_of(const MessageLimit& lifetime) {
    return TimePoint::from_ns(static_cast<int64_t>(lifetime.rank.value));
  }
  // The one whose lifetime ends first, or nullptr.
  [[nodiscard]] MessageLimit* first_to_end() const { return by_end_.first(); }
  [[nodiscard]] TimePoint due() const {
    const MessageLimit* const first = first_to_end();
    return first != nullptr ? end_of(*first) : TimePoint::never();
  }
  // The one with the lowest priority, and of these the youngest; nullptr: there is none.
  [[nodiscard]] MessageLimit* lowest() const { return by_priority_.last(); }
  [[nodiscard]] uint64_t priority_bytes() const { return priority_bytes_; }

  // How many were given up, by policy.
  using Counts = decltype(AssocStatus::abandoned);
  void count(Reliability::Policy policy, bool sent) {
    AbandonedCounts& counts = counts_[static_cast<size_t>(policy)];
    ++(sent ? counts.sent : counts.unsent);
  }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  [[nodiscard]] OrderedTree<MessageLimit, ByRank>& tree_of(const MessageLimit& limit) {
    return limit.is_lifetime ? by_end_ : by_priority_;
  }

  OrderedTree<MessageLimit, ByRank> by_end_;
  OrderedTree<MessageLimit, ByRank> by_priority_;
  uint64_t priority_bytes_ = 0;  // payload of those in by_priority_
  uint32_t order_ = 0;
  Counts counts_{};
};

}  // namespace trunkline
