// SPDX-License-Identifier: BSD-3-Clause
#include "tx/limited_messages.h"

namespace trunkline {

bool LimitedMessages::file(Pool<MessageLimit>& pool, TimePoint now, const Reliability& reliability,
                           TxMessage& message) {
  using Policy = Reliability::Policy;
  if (reliability.policy == Policy::kRetransmissions) {
    message.most_again = static_cast<uint8_t>(
        reliability.value < TxMessage::kNoLimit ? reliability.value : TxMessage::kNoLimit);
  }
  const bool is_lifetime = reliability.policy == Policy::kLifetime;
  if (!is_lifetime && reliability.policy != Policy::kPriority) return true;
  MessageLimit* const limit = pool.make();
  if (limit == nullptr) return false;
  const TimePoint end = now + std::chrono::milliseconds(reliability.value);
  limit->message = &message;
  limit->is_lifetime = is_lifetime;
  limit->rank = {is_lifetime ? static_cast<uint64_t>(end.ns()) : reliability.value, order_};
  message.limit_place = pool.index_of(limit) + 1;
  file_again(*limit);
  return true;
}

// Those that come after one which comes from elsewhere come behind it: no two have one rank.
void LimitedMessages::file_again(MessageLimit& limit) {
  if (static_cast<int32_t>(limit.rank.order - order_) >= 0) order_ = limit.rank.order + 1;
  tree_of(limit).insert(&limit);
  limit.filed = true;
  if (!limit.is_lifetime) priority_bytes_ += limit.message->payload.size();
}

void LimitedMessages::unfile(MessageLimit& limit) {
  if (!limit.filed) return;
  tree_of(limit).remove(&limit);
  limit.filed = false;
  if (!limit.is_lifetime) priority_bytes_ -= limit.message->payload.size();
}

void LimitedMessages::forget(Pool<MessageLimit>& pool, TxMessage& message) {
  MessageLimit* const limit = limit_of(pool, message);
  unfile(*limit);
  pool.destroy(limit);
  message.limit_place = 0;
}

}  // namespace trunkline
