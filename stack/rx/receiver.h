// SPDX-License-Identifier: BSD-3-Clause
// The half of an association that receives: which TSNs have come, what of them waits for others,
// how much more may come, and when the peer is to be told (RFC 9260 sections 3.3.4, 6.2, 6.4, 6.7).
//
// Owns the tracker of TSNs and the queue of fragments and waiting messages; holds what it must in
// the shard's buffers. Its association alone calls it, chunk by chunk, and does what the answer
// says: delivers, aborts, reports, looks for memory with others. It calls nobody, writes no packet
// but the SACK, and knows neither states nor paths nor what is sent.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/limits.h"
#include "base/pool.h"
#include "rx/receive_blocks.h"
#include "rx/receive_queue.h"
#include "rx/tsn_tracker.h"
#include "trunkline/stack/counters.h"
#include "trunkline/stack/stack.h"
#include "wire/data_chunk.h"
#include "wire/forward_tsn_chunk.h"
#include "wire/packet_writer.h"
#include "wire/sack_chunk.h"

namespace trunkline {

// What of a profile and of its shard a receiver uses.
struct ReceiverContext {
  const Profile& profile;
  ReceiveMemory& blocks;
  Pool<TsnDisorder>& disorder;
  Counters& counters;
};

// What a packet's DATA chunks have shown so far.
struct DataSeen {
  bool any = false;
  bool fresh = false;
  bool immediate = false;
  bool duplicate = false;
  uint8_t path = 0;  // by which the packet came
};

class Receiver {
 public:
  Receiver(uint32_t a_rwnd, Tsn initial_tsn, uint16_t streams)
      : tsns_(initial_tsn), offered_(a_rwnd), streams_(streams) {}
  // What the peer's INIT ACK says.
  void begin(Tsn initial_tsn, uint16_t streams) {
    tsns_ = TsnTracker(initial_tsn);
    streams_ = streams;
  }
  void release(const ReceiverContext& ctx);

  // -- a chunk, step by step
  enum class Arrival : uint8_t {
    kNew,
    kSettled,    // a duplicate, or too far ahead: noted, and that is all
    kBadStream,  // new, and of a stream that there is not: record() it, report it (6.5)
  };
  Arrival look_at(const ReceiverContext& ctx, const wire::DataChunk& chunk, DataSeen& seen) {
    seen.any = true;
    const TsnTracker::Verdict verdict = tsns_.classify(chunk.tsn, ctx.disorder);
    if (verdict != TsnTracker::Verdict::kNew) return settle(ctx, chunk, verdict, seen);
    seen.immediate = seen.immediate || chunk.immediate;
    return chunk.stream.value < streams_ ? Arrival::kNew : Arrival::kBadStream;
  }
  enum class Room : uint8_t {
    kFound,
    kNone,   // the chunk is dropped
    kNever,  // one unfinished message fills the window, and will for ever
  };
  // Nothing is left of the window as it would be told now.
  Room make_room(const ReceiverContext& ctx, const wire::DataChunk& chunk, DataSeen& seen);
  // On kNoMemory the shard's buffers have no room; add_again() when some was found.
  [[gnu::always_inline]] ReceiveQueue::Outcome add(const ReceiverContext& ctx,
                                                   const wire::DataChunk& chunk) {
    return queue_.add(chunk, tsns_.cum_tsn(), ctx.blocks, ctx.profile.max_message_size);
  }
  ReceiveQueue::Outcome add_again(const ReceiverContext& ctx, const wire::DataChunk& chunk);
  // It is delivered or held: it has come.
  void take(const ReceiverContext& ctx, const wire::DataChunk& chunk, DataSeen& seen) {
    if (starved_ != 0 && is_next(chunk.tsn)) starved_ = 0;
    use_window(static_cast<uint32_t>(chunk.payload.size()));
    seen.fresh = true;
    ctx.counters.add(chunk.unordered ? Counter::k_in_unorder_chunks : Counter::k_in_order_chunks);
    tsns_.record(chunk.tsn, ctx.disorder);
  }
  // The same for one that nobody will read.
  void record(const ReceiverContext& ctx, Tsn tsn, DataSeen& seen) {
    tsns_.record(tsn, ctx.disorder);
    seen.fresh = true;
  }
  // Dropped as if it had never come; the peer is told at once where it stands (6.2).
  static void drop(const ReceiverContext& ctx, Counter why, DataSeen& seen) {
    ctx.counters.add(why);
    seen.immediate = true;
  }
  // After take() and record(), if anything is held: more of it may be acknowledged for good now, or
  // ready. Then pop_ready(), until it is null: a whole message in its turn.
  [[nodiscard]] bool holds_any() const { return !queue_.empty(); }
  // `partly_reliable`: the peer may give messages up (RFC 3758).
  void acknowledge_held(const ReceiverContext& ctx, bool partly_reliable) {
    if (partly_reliable) drop_orphans(ctx);
    queue_.acknowledge(tsns_.cum_tsn());
  }
  [[nodiscard]] ReceiveBlock* pop_ready(ReceiveMemory& memory) { return queue_.pop_ready(memory); }

  // -- where the peer may give messages up (RFC 3758 section 3.6)
  // Of a new chunk: the beginning or the rest of its message was given up. It has come, and is not
  // kept.
  [[nodiscard]] bool is_orphan(const wire::DataChunk& chunk) const {
    if (is_next(chunk.tsn) && queue_.is_orphan(chunk)) return true;
    return !chunk.ending && tsns_.has_behind_gap(chunk.tsn + 1) &&
           !queue_.goes_on_at(chunk.tsn + 1);
  }
  void record_orphan(const ReceiverContext& ctx, const wire::DataChunk& chunk, DataSeen& seen) {
    ctx.counters.add(Counter::k_drop_orphaned_data);
    record(ctx, chunk.tsn, seen);
    if (chunk.beginning && !chunk.unordered) queue_.pass_number(chunk.stream, chunk.mid);
  }
  // A message that is open before that TSN does not go on there.
  ReceiveQueue::CutOff cut_off_before(const ReceiverContext& ctx, Tsn tsn) {
    const ReceiveQueue::CutOff out = queue_.cut_off_before(tsn, ctx.blocks);
    if (out != ReceiveQueue::CutOff::kNothing) ctx.counters.add(Counter::k_drop_cut_off_messages);
    return out;
  }
  enum class Skipped : uint8_t {
    kNothing,  // the chunk was old, or can't be true
    kSome,     // then acknowledge_held(), and pop_ready() until it is null
    kBroken,   // the same, and the message that was given in pieces is over without its end
  };
  Skipped skip(const ReceiverContext& ctx, const wire::ForwardTsnChunk& chunk, DataSeen& seen);

  // -- several at once: whole ordered messages that come in order while nothing is missing, held or
  // scarce, and so are delivered where they lie
  // So many bytes may come so, the last message apart; 0: none, chunk by chunk.
  [[nodiscard]] uint32_t calm_bytes(const Profile& profile) const {
    if (holds_any() || tsns_.has_disorder() || may_be_shut(profile)) return 0;
    return has_late_reader() ? offered_ : UINT32_MAX;
  }
  // Nullptr: there is no such stream, or no memory for it.
  [[nodiscard]] ReceiveQueue::Order* order_of(StreamId stream) {
    return stream.value < streams_ ? queue_.order_of(stream) : nullptr;
  }
  void take_run(const ReceiverContext& ctx, uint32_t count, uint32_t bytes, DataSeen& seen) {
    starved_ = 0;
    use_window(bytes);
    seen.any = seen.fresh = true;
    ctx.counters.add(Counter::k_in_order_chunks, count);
    tsns_.advance(count);
  }

  // A reader has the front of a message, and not its end.
  [[nodiscard]] bool gives_pieces() const { return queue_.gives_pieces(); }
  // Partial delivery, if the profile wants it and the reader keeps up: see
  // ReceiveQueue::give_front(). Where half of the window is unread nothing would be won: what is
  // given is charged again, and more than the window would be in the reader's hands.
  bool give_front(const ReceiverContext& ctx, uint32_t least) {
    const Profile& profile = ctx.profile;
    if (profile.partial_delivery_point == 0) return false;
    if (!keeps_up(profile) || unread_ > profile.a_rwnd / 2) return false;
    return queue_.give_front(ctx.blocks, least);
  }

  // -- memory that others want, too
  // The highest fragment or waiting message goes, if it lies behind that TSN and is not
  // acknowledged for good. The peer learns from the next SACK that it has to send it again.
  bool drop_held_behind(const ReceiverContext& ctx, Tsn tsn, Counter why);
  bool drop_last_held(const ReceiverContext& ctx) {
    return drop_held_behind(ctx, tsns_.cum_tsn(), Counter::k_drop_held_no_memory);
  }
  [[nodiscard]] bool is_next(Tsn tsn) const { return tsn == tsns_.cum_tsn() + 1; }
  // Times on end that the next TSN came and found no memory, this one included. What comes again
  // sooner than a sender would send it again is the same time.
  uint16_t count_starved(const Profile& profile, TimePoint now);
  [[nodiscard]] const ReceiveQueue& queue() const { return queue_; }
  // What it holds out of order, then what it holds at all: in blocks.
  [[nodiscard]] uint64_t weight() const {
    return uint64_t{queue_.loose_blocks()} << 32 | queue_.held_blocks();
  }

  // -- readers that are late
  // A message was put aside for one, or taken by it at last.
  void on_kept(size_t bytes) { readers_bytes_ += static_cast<uint32_t>(charge(bytes)); }
  void on_consumed(size_t bytes) {
    readers_bytes_ -= static_cast<uint32_t>(std::min<uint64_t>(kept_bytes(), charge(bytes)));
  }
  // May it be put aside? Not beyond the window unless there is more left than the reader has.
  [[nodiscard]] bool may_keep(const ReceiverContext& ctx, size_t bytes) const;
  [[nodiscard]] uint32_t kept_bytes() const { return readers_bytes_ - unread_; }
  // Of what was delivered, the reader still has to read this much.
  void set_unread(uint32_t bytes) { inherit_reader(kept_bytes(), std::min(bytes, kMostOfAReader)); }
  [[nodiscard]] uint32_t unread() const { return unread_; }
  // Not one whose unread bytes alone are the whole window.
  [[nodiscard]] bool keeps_up(const Profile& profile) const {
    return kept_bytes() == 0 && unread_ < profile.a_rwnd;
  }
  // The reader stays: what it has of the association that this one takes the place of.
  void inherit_reader(uint32_t kept_bytes, uint32_t unread) {
    readers_bytes_ = kept_bytes + unread;
    unread_ = unread;
  }

  // -- the window
  [[nodiscard]] uint64_t held_bytes() const { return queue_.held_bytes() + readers_bytes_; }
  // What is really left.
  [[nodiscard]] uint32_t window(const Profile& profile) const {
    const uint64_t held = held_bytes();
    return held >= profile.a_rwnd ? 0 : static_cast<uint32_t>(profile.a_rwnd - held);
  }
  // The same as a SACK tells it. `packet`: bytes for chunks in one of the peer's.
  [[nodiscard]] uint32_t told_window(const ReceiverContext& ctx, uint32_t packet) const;
  [[nodiscard]] bool has_late_reader() const { return readers_bytes_ != 0; }
  // What is told may be nothing: to be looked at closely. A reader that is not far behind leaves no
  // doubt.
  [[nodiscard]] bool may_be_shut(const Profile& profile) const {
    if (held_bytes() >= profile.a_rwnd) return true;
    return readers_bytes_ != 0 && (kept_bytes() != 0 || offered_ == 0);
  }
  // Has it opened so far that the peer is to be told (6.2)?
  [[nodiscard]] bool worth_telling(const Profile& profile, uint32_t window) const {
    return first_data_seen_ && window >= offered_ + profile.a_rwnd / 4;
  }

  // -- SACK (sack_out.cpp)
  // Once a packet with DATA: is one due now, or soon?
  void plan_sack(const Profile& profile, TimePoint now, const DataSeen& seen);
  // Which path the packet came by; null: none that is known.
  void note_source(const uint8_t* path, const DataSeen& seen) {
    if (path != nullptr) set_last_path(*path);
    // Nothing but what was here before, and acknowledged: perhaps our SACKs do not come through
    // (6.4). Every second one still goes the way that the DATA came.
    const bool told = packets_since_sack_ == 0;
    sack_detour_ = seen.duplicate && !seen.fresh && told && !sack_detour_;
  }
  bool write_sack(wire::PacketWriter& writer, uint32_t window) const {
    if (tsns_.has_disorder()) return write_sack_of_disorder(writer, window);
    return wire::write_plain_sack(writer, tsns_.cum_tsn(), window);
  }
  // The one that was written is on its way.
  void on_sack_sent(const ReceiverContext& ctx, uint32_t window);
  void owe_sack() { sack_due_ = true; }
  // The delay or the frequency was another one: what is owed does not come later than they say.
  void on_edit(const Profile& profile, TimePoint now);
  void put_sack_off(const Profile& profile, TimePoint now);
  void owe_no_sack() {
    sack_due_ = false;
    sack_at_ = TimePoint::never();
  }
  // The delay is over.
  void on_sack_time() {
    sack_at_ = TimePoint::never();
    sack_due_ = true;
  }
  [[nodiscard]] bool sack_due() const { return sack_due_; }
  [[nodiscard]] TimePoint sack_at() const { return sack_at_; }
  // One is owed, due or not: it may ride with DATA.
  [[nodiscard]] bool sack_may_ride() const { return packets_since_sack_ > 0; }
  [[nodiscard]] uint8_t last_path() const { return last_path_; }  // where the last DATA came from
  void set_last_path(uint8_t path) { last_path_ = path & (kMaxPaths - 1); }
  [[nodiscard]] bool sack_detour() const { return sack_detour_; }  // it goes another way, once

  [[nodiscard]] Tsn cum_tsn() const { return tsns_.cum_tsn(); }
  [[nodiscard]] Tsn cum_tsn_with(Tsn tsn) const { return tsns_.cum_tsn_with(tsn); }
  [[nodiscard]] bool has_gaps() const { return tsns_.has_gaps(); }
  [[nodiscard]] uint16_t streams() const { return streams_; }

 private:
  void use_window(uint32_t bytes) {
    if (bytes <= offered_) [[likely]] {
      offered_ -= bytes;
    } else {
      withdrawn_ -= std::min(withdrawn_, bytes - offered_);
      offered_ = 0;
    }
  }
  // Was it sent within a window that the peer knew, and is there memory for that?
  [[nodiscard]] bool was_granted(const ReceiverContext& ctx, size_t bytes) const {
    const Profile& profile = ctx.profile;
    if (profile.receive_memory <= profile.a_rwnd || bytes > offered_ + withdrawn_) {
      return false;
    }
    return held_bytes() + charge(bytes) <= profile.receive_memory && may_keep(ctx, bytes);
  }
  static_assert(kMaxPaths == 8, "last_path_");
  static constexpr std::chrono::milliseconds kStarvedTick{16};
  static constexpr uint32_t kMostOfAReader = 1u << 31;  // of what it has, and of what is put aside
  [[nodiscard]] static uint64_t charge(size_t bytes) {
    return static_cast<uint64_t>(ReceiveBlocks::blocks_for(bytes)) * ReceiveBlock::kSize;
  }
  bool write_sack_of_disorder(wire::PacketWriter& writer, uint32_t window) const;
  Arrival settle(const ReceiverContext& ctx, const wire::DataChunk& chunk,
                 TsnTracker::Verdict verdict, DataSeen& seen);
  [[nodiscard]] bool knows_streams(const ReceiverContext& ctx, const wire::ForwardTsnChunk& chunk);
  void drop_orphans(const ReceiverContext& ctx);

  // -- its members
  TsnTracker tsns_;
  ReceiveQueue queue_;
  uint32_t readers_bytes_ = 0;  // of messages: put aside for the reader, and delivered but unread
  uint32_t unread_ = 0;         // the latter alone
  TimePoint sack_at_ = TimePoint::never();
  uint32_t offered_;        // what the peer has not used of the window last told
  uint32_t withdrawn_ = 0;  // of a wider one told before: what may have been under way by then
  uint16_t streams_;
  uint16_t starved_ = 0;
  uint16_t starved_at_ = 0;  // the last of these times, in ticks of the shard's
  uint8_t packets_since_sack_ = 0;
  uint8_t last_path_ : 3 = 0;
  bool sack_due_ : 1 = false;  // at the next opportunity, not later
  bool sack_detour_ : 1 = false;
  bool first_data_seen_ : 1 = false;
};

}  // namespace trunkline
