// SPDX-License-Identifier: BSD-3-Clause
// What an association may use of its shard: memory, randomness, counters, the queues of events and
// of ready-made packets, the timing wheel. One per shard, used by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "assoc/association.h"
#include "assoc/cookie.h"
#include "base/bytes.h"
#include "base/pool.h"
#include "base/profile_table.h"
#include "base/stable_queue.h"
#include "rx/receive_queue.h"
#include "rx/tsn_tracker.h"
#include "timer/sack_queue.h"
#include "timer/timing_wheel.h"
#include "trunkline/stack/pool_share.h"
#include "trunkline/stack/stack.h"
#include "wire/data_chunk.h"

namespace trunkline {

// A whole packet that waits to be sent: an answer that belongs to no association, or that must
// not wait for one (INIT ACK, ABORT, HEARTBEAT ACK, ERROR, SHUTDOWN COMPLETE).
struct Reply {
  static constexpr size_t kMaxSize = 1480;

  IpAddress source;
  IpAddress destination;
  uint16_t length = 0;
  uint8_t dscp = 0;
  uint16_t fragment_size = 0;  // as in PacketOut
  std::array<uint8_t, kMaxSize> bytes;
};

// Bounded: a flood of packets that ask for answers must not cost memory.
class ReplyQueue {
 public:
  static constexpr size_t kCapacity = 512;

  ReplyQueue() : slots_(kCapacity) {}

  // A slot to fill, or nullptr when full. Nothing is queued before commit().
  [[nodiscard]] Reply* reserve() { return size_ == kCapacity ? nullptr : &slots_[tail()]; }
  void commit() { ++size_; }
  [[nodiscard]] size_t size() const { return size_; }
  // Takes back what was queued since there were `size` of them.
  void truncate(size_t size) { size_ = std::min(size_, size); }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const Reply& front() const { return slots_[head_]; }
  void pop() {
    head_ = (head_ + 1) % kCapacity;
    --size_;
  }

 private:
  [[nodiscard]] size_t tail() const { return (head_ + size_) % kCapacity; }

  std::vector<Reply> slots_;
  size_t head_ = 0;
  size_t size_ = 0;
};

// Chunks that answer the packet at hand, ERROR and HEARTBEAT ACK: when it has been read to its end
// they leave in one packet with whatever else it draws (RFC 9260 section 12.4).
class AnswerChunks {
 public:
  AnswerChunks() : writer_(bytes_) {}
  AnswerChunks(const AnswerChunks&) = delete;
  AnswerChunks& operator=(const AnswerChunks&) = delete;

  // The first answer decides how large they may become together: `limit`, an SCTP packet.
  [[nodiscard]] wire::PacketWriter& writer(size_t limit) {
    if (empty()) writer_ = wire::PacketWriter(std::span(bytes_).first(std::min(limit, kMax)));
    return writer_;
  }
  [[nodiscard]] bool empty() const { return writer_.empty(); }
  [[nodiscard]] std::span<const uint8_t> chunks() const {
    return std::span(bytes_).first(writer_.size()).subspan(wire::kCommonHeaderSize);
  }
  void clear() { writer_ = wire::PacketWriter(bytes_); }

 private:
  static constexpr size_t kMax = Reply::kMaxSize;

  std::array<uint8_t, kMax> bytes_{};
  wire::PacketWriter writer_;
};

// An event that waits. Of whole messages that came one behind the other in one packet the first
// stands for all: it becomes the next one when it is over, by the chunk headers in the packet.
struct QueuedEvent {
  Event event;
  uint32_t behind = 0;           // so many messages follow it
  const uint8_t* end = nullptr;  // of what has come of them
  bool dry = false;              // kSendAcknowledged: kSenderDry follows it

  // False: there is none. The headers were checked; but in case somebody else can write where the
  // packet lies, nothing is believed that leads beyond its end.
  [[nodiscard]] bool go_on() {
    if (behind == 0) return false;
    --behind;
    const uint8_t* const at = event.borrowed_piece.data + wire::padded(event.borrowed_piece.length);
    const ptrdiff_t left = end - at - static_cast<ptrdiff_t>(wire::kDataHeaderSize);
    if (left <= 0) return false;
    const wire::DataFields chunk(at);
    const uint32_t size = chunk.size();
    if (size - 1 >= static_cast<uint64_t>(left)) return false;
    if (!event.borrowed) {  // it was kept
      event.payload.reset();
      event.borrowed = true;
    }
    ++event.tsn;
    event.stream = chunk.stream();
    event.number = chunk.ssn().value;
    event.ppid = chunk.ppid();
    event.borrowed_piece.data = chunk.payload();
    event.borrowed_piece.length = size;
    return true;
  }
};

struct ShardContext {
  ShardContext(const ShardConfig& shard_config, RandomSource& random_source, TimePoint now)
      : config(shard_config),
        random(random_source),
        wheel(now),
        sacks(shard_config.max_associations, shard_config.memory),
        cookies(random_source, now),
        table_key(random_source.u64()),
        path_memory(shard_config.max_associations, shard_config.memory),
        passages(shard_config.max_associations, shard_config.memory),
        counted_elsewhere(shard_config.max_associations, shard_config.memory),
        extensions(shard_config.max_extended, shard_config.memory),
        profiles(table_key, profile_users(shard_config), shard_config.memory),
        messages(shard_config.max_queued_messages, shard_config.memory),
        message_share(shard_config.max_queued_messages, shard_config.max_associations),
        limits(shard_config.max_queued_messages, shard_config.memory),
        chunks(shard_config.max_outstanding_chunks, shard_config.max_associations,
               shard_config.memory),
        disorder(shard_config.max_associations, shard_config.memory),
        blocks(shard_config.receive_buffer_bytes, shard_config.memory,
               shard_config.max_associations) {}

  // An association has a profile, and of those with an extension each path may; and one more while
  // one takes the place of another, or is followed.
  [[nodiscard]] static uint32_t profile_users(const ShardConfig& config) {
    return config.max_associations + uint32_t{kMaxPaths} * config.max_extended + 2;
  }

  // The oldest event is over, and with it the messages that it told of.
  void drop_event() {
    QueuedEvent& oldest = *events.front();
    for (SentMessage* message = std::exchange(oldest.event.sent, nullptr); message != nullptr;) {
      SentMessage* const next = message->next_sent;
      messages.destroy(static_cast<TxMessage*>(message));
      message = next;
    }
    if (!oldest.dry) return events.pop();
    oldest.dry = false;
    oldest.event.kind = EventKind::kSenderDry;
  }

  const ShardConfig config;
  RandomSource& random;
  TimingWheel wheel;
  SackQueue sacks;
  CookieJar cookies;
  const uint64_t table_key;  // where others choose what is put in
  Counters counters;
  PathMemory path_memory;
  Pool<Association::Passage> passages;
  Pool<Association::PacketCounts> counted_elsewhere;
  Pool<ExtensionState> extensions;
  ProfileTable profiles;
  Pool<TxMessage> messages;
  const PoolShare message_share;  // of an association
  Pool<MessageLimit> limits;
  ChunkMemory chunks;
  Pool<TsnDisorder> disorder;
  ReceiveMemory blocks;
  StableQueue<QueuedEvent> events;
  bool event_given = false;  // the oldest is with whoever drains them
  ReplyQueue replies;
  AnswerChunks answers;
  ReadyQueue ready;                 // may have something to send
  Holders holders;                  // hold received data
  std::vector<Association*> dying;  // ended; the shard forgets them when the handler is done
};

// -- what every packet or message calls, and needs the whole of ShardContext for

inline void Association::mark_ready(ShardContext& ctx) {
  if (ready_place != 0 || dead_) return;
  ctx.ready.push_back(this);
}

inline bool Association::may_have_output() const {
  if (may_have_chunks()) return true;
  for (const Path* const path : paths()) {
    if (path->send_heartbeat || path->mtu.wanted(path->usable()) != 0) return true;
  }
  return false;
}

inline void Association::schedule(ShardContext& ctx) {
  if (dead_) return;
  TimePoint earliest = sender_.due();
  if (const TimePoint sack_at = receiver_.sack_at(); !sack_filed_ && !sack_at.is_never()) {
    sack_filed_ = ctx.sacks.file(id.slot, sack_at);
    if (!sack_filed_) earliest = std::min(earliest, sack_at);
  }
  const auto look_at = [&](TimePoint due) {
    if (due < earliest) earliest = due;
  };
  if (passage_ != nullptr) {
    look_at(passage_->t1);
    look_at(passage_->t2);
    look_at(passage_->guard);
  }
  if (extension_place_ != 0 && !is_opening()) look_at(limited(ctx)->due());
  for (const Path* const path : paths()) {
    look_at(path->t3);
    look_at(path->heartbeat_due);
    look_at(path->mtu.due());
  }
  ctx.wheel.arm(*this, earliest);
}

[[gnu::always_inline]] inline QueuedEvent& Association::emit_queued(ShardContext& ctx,
                                                                    EventKind kind, Reason reason) {
  return ctx.events.emplace([&] {
    return QueuedEvent{Event{
        .kind = kind, .reason = reason, .assoc = id, .endpoint = local_.endpoint, .user = user}};
  });
}

[[gnu::always_inline]] inline Event& Association::emit(ShardContext& ctx, EventKind kind,
                                                       Reason reason) {
  return emit_queued(ctx, kind, reason).event;
}

inline ExtensionState* Association::extension(ShardContext& ctx) const {
  return extension_place_ != 0 ? ctx.extensions.at(extension_place_ - 1) : nullptr;
}

inline LimitedMessages* Association::limited(ShardContext& ctx) const {
  ExtensionState* const block = extension(ctx);
  return block != nullptr ? &block->limited : nullptr;
}

inline SenderContext Association::sender_context(ShardContext& ctx) const {
  return {*profile_,    ctx.messages, ctx.message_share, ctx.chunks,
          ctx.counters, ctx.limits,   limited(ctx)};
}

inline void Association::forget_limit(ShardContext& ctx, TxMessage& message) {
  if (message.limit_place != 0) [[unlikely]]
    limited(ctx)->forget(ctx.limits, message);
}

}  // namespace trunkline
