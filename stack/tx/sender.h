// SPDX-License-Identifier: BSD-3-Clause
// The half of an association that sends: messages that are accepted, chunks of them that are
// outstanding, the window that the peer has told and the probes of it, loss and recovery, and the
// DATA of a packet (RFC 9260 sections 6.1, 6.2.1, 6.9, 7.2.4).
//
// Owns the queue of messages and the chunks outstanding, in the shard's pools. Its association
// alone calls it, and tells it of the path that a packet goes by with a DataLane; what was sent, or
// what a SACK said, comes back as a value, for the association to apply to paths and timers. It
// calls nobody, and knows neither states nor what is received. T3 and cwnd are the paths'.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/pool.h"
#include "trunkline/stack/counters.h"
#include "trunkline/stack/pool_share.h"
#include "trunkline/stack/stack.h"
#include "tx/limited_messages.h"
#include "tx/outstanding.h"
#include "tx/send_queue.h"
#include "wire/packet_writer.h"

namespace trunkline {

// What of a profile and of its shard a sender uses.
struct SenderContext {
  const Profile& profile;
  Pool<TxMessage>& messages;
  const PoolShare& message_share;
  ChunkMemory& chunks;
  Counters& counters;
  Pool<MessageLimit>& limits;
  LimitedMessages* limited;  // null: it never had any
};

// The path that a packet goes by, as far as DATA is concerned.
struct DataLane {
  uint8_t path = 0;         // index
  bool takes_new = false;   // new DATA goes this way
  bool last_words = false;  // the user has shut down: SACKs are asked for at once
  bool hastens = false;     // and for a packet that leaves alone
  uint8_t lost_from = 0;    // bit n: what was lost in time on path n is sent again this way,
  uint8_t missed_from = 0;  // and what was found missing there (6.4)
  uint16_t ip_header = 0;   // bytes of an IP packet in front of the SCTP packet
  uint32_t cwnd = 0;
  uint32_t cwnd_when_used = 0;  // the same once something is sent: a window that was idle is halved
  uint32_t packet = 0;          // bytes for chunks in one of its packets
  uint32_t fragment_limit = 0;  // user bytes in the largest chunk that fits every path
  Duration rto{};
  uint64_t idle_rtos = 0;  // so long nothing was sent there; for who sends, not for the sender
};

// What has gone into a packet.
struct DataSent {
  bool any = false;
  bool earliest_again = false;  // T3 begins anew (6.3.2 R1, 7.2.4 rule 4)
  bool window_probe = false;
  std::optional<Tsn> loss_probe{};  // that was sent again
  bool hastened = false;  // a SACK is asked for at once, because nothing else is outstanding
  uint16_t again = 0;     // chunks that were sent before
  uint8_t* last_chunk = nullptr;  // in the packet
};

class Sender {
 public:
  Sender(StreamScheduling scheduling, Tsn initial_tsn, uint16_t streams, uint32_t peer_rwnd)
      : queue_(scheduling),
        outstanding_(initial_tsn),
        told_rwnd_(peer_rwnd),
        peer_rwnd_(peer_rwnd),
        streams_(streams) {}
  // What the peer's INIT ACK says.
  void begin(uint16_t streams, uint32_t peer_rwnd) {
    streams_ = streams;
    told_rwnd_ = peer_rwnd_ = peer_rwnd;
  }

  // Before DATA goes by any path but the first one; and when it is over, all messages given back.
  void know_paths(ChunkMemory& chunks) { outstanding_.know_paths(chunks); }
  void forget_paths(ChunkMemory& chunks) { outstanding_.forget_paths(chunks); }

  // -- messages (sender.cpp)
  // Takes the payload over with kOk only.
  Status accept(const SenderContext& ctx, TimePoint now, const SendRequest& request,
                Payload& payload);
  // While the association is set up nothing is sent of what is accepted. Takes all of it out, in
  // its order, for put_back() of this sender or of the one that takes its place.
  [[nodiscard]] TxMessage* take_waiting();
  // refuse(TxMessage*, Reason) for each that does not go in again, which is then the caller's to
  // destroy: the peer has agreed to fewer streams, or memory for its stream ran out.
  template <typename Refuse>
  void put_back(TxMessage* first, Refuse&& refuse);
  // The end: done(TxMessage*) for each message, which is then the caller's to destroy.
  template <typename Done>
  void give_all_back(ChunkMemory& chunks, Done&& done);
  // done(TxMessage*) for each message that the peer has all of, likewise. True: there were some,
  // and now all that was accepted is acknowledged.
  template <typename Done>
  bool finish_acked(const SenderContext& ctx, Done&& done);

  // -- messages that are given up (abandon.cpp); where there are limited ones. Each gives one that
  // is, and is then the caller's to tell and destroy; nullptr: there is none left. `agreed`: both
  // ends know FORWARD TSN, and what was sent can be given up.
  // Its lifetime is over.
  [[nodiscard]] TxMessage* abandon_late(const SenderContext& ctx, TimePoint now, bool agreed);
  // After something was marked as lost: a chunk of it must not be sent again.
  [[nodiscard]] TxMessage* abandon_lost(const SenderContext& ctx, bool agreed);
  // Agreed; the queue is full, and a message of `size` bytes matters more.
  [[nodiscard]] TxMessage* make_way(const SenderContext& ctx, const SendRequest& request,
                                    size_t size);
  // Has the peer to be told to pass something?
  [[nodiscard]] bool advance_ack_point(LimitedMessages& limited) const;
  // False: there is no room, or nothing to pass.
  bool write_forward_tsn(LimitedMessages& limited, wire::PacketWriter& writer) const;
  // Nothing that was accepted is with us any more.
  [[nodiscard]] bool is_dry() const { return accepted_messages_ == 0; }

  // -- a packet (bundle.cpp)
  [[nodiscard]] const TxChunk* next_again() const { return outstanding_.next_retransmission(); }
  [[nodiscard]] bool has_again() const { return outstanding_.has_retransmissions(); }
  // What is to be sent again, then new DATA, as windows and room allow: nothing new before all that
  // is to be sent again (6.1 C).
  void fill(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
            const DataLane& lane, DataSent& sent) {
    if (has_again()) send_again(ctx, now, writer, lane, sent);
    if (!has_again() && lane.takes_new) send_new(ctx, now, writer, lane, sent);
    if (sent.any && is_held_up(lane)) wire::ask_for_sack(sent.last_chunk);
  }
  void send_again(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
                  const DataLane& lane, DataSent& sent);
  void open_burst(const Profile& profile) { burst_left_ = profile.max_burst; }
  [[nodiscard]] bool has_new() const { return !queue_.empty(); }

  // -- acknowledgements and loss (recovery.cpp)
  enum class SackVerdict : uint8_t { kGood, kOld, kUnsent };
  [[nodiscard]] SackVerdict judge(const wire::SackChunk& sack) const {
    if (sack.cum_tsn_ack.before(outstanding_.cum_ack())) return SackVerdict::kOld;  // 6.2.1 D i
    return outstanding_.acknowledges_unsent(sack) ? SackVerdict::kUnsent : SackVerdict::kGood;
  }
  // Of a good one: what it says of each path.
  void acknowledge(const SenderContext& ctx, const wire::SackChunk& sack, SackOutcome& outcome);
  // Nothing is lost, missing or probed, and the window is open: then, on an association of one
  // path, a SACK of a TSN that is ahead, without gap blocks, says no more than acknowledge_front().
  [[nodiscard]] bool is_plain() const {
    return outstanding_.is_plain() && !in_recovery_ && !probing_window_ && !window_closed_;
  }
  // In one walk what acknowledge(), recover() and finish_acked() do.
  template <typename Done>
  bool acknowledge_front(const SenderContext& ctx, Tsn cum_tsn, SackOutcome::PerPath& said,
                         Done&& done);
  // The same for a SHUTDOWN's cumulative TSN.
  void acknowledge(Tsn cum_tsn, SackOutcome& outcome) {
    outstanding_.process_cum_ack(cum_tsn, outcome);
  }
  // When the paths have heard of it. True: fast recovery begins, and those with a loss shrink.
  bool recover(const Profile& profile, const SackOutcome& outcome);
  // A SACK's a_rwnd, when all else is done.
  struct WindowNews {
    bool answers_probe = false;
    bool resend = false;  // the probe was dropped: lose() all paths, send it now
  };
  WindowNews take_window(uint32_t a_rwnd, bool newly_acked, uint32_t fragment_limit);
  // A SHUTDOWN has none: the last one told still counts.
  void take_window() { peer_rwnd_ = left_of(told_rwnd_); }
  // T3 has expired. `answered`: the peer is alive, and its window was shut.
  void on_t3(bool answered) {
    if (answered || window_closed_) probing_window_ = true;
  }
  // The last 16 bits of the TSN that goes next, and whether something older is outstanding: no more
  // than kMaxSendWindow are.
  [[nodiscard]] uint16_t next_tsn16() const {
    return static_cast<uint16_t>(outstanding_.next_tsn().value);
  }
  [[nodiscard]] bool has_older_than(uint16_t tsn16) const {
    const auto first = static_cast<uint16_t>(outstanding_.cum_ack().value + 1);
    const auto ahead = static_cast<uint16_t>(tsn16 - first);
    return ahead != 0 && ahead <= outstanding_.span();
  }
  // Was it the window, and not the network?
  [[nodiscard]] bool window_explains_loss() const {
    return told_rwnd_ == 0 || !outstanding_.has_gaps();
  }
  // All that is in flight on a path is to be sent again.
  Outstanding::Lost lose(uint8_t path) {
    const Outstanding::Lost lost = outstanding_.mark_lost(path);
    peer_rwnd_ += lost.bytes;  // 6.2.1 C
    return lost;
  }
  void end_recovery() { in_recovery_ = again_now_ = false; }
  [[nodiscard]] bool in_recovery() const { return in_recovery_; }

  // -- thin traffic (loss_probe.cpp); of no use with LossRecovery::kRfc9260
  // No acknowledgement but one of what is outstanding will come.
  [[nodiscard]] bool has_few() const { return queue_.empty() && outstanding_.packets() < 4; }
  // All that is outstanding went in one packet, and none follows: its SACK may be put off.
  [[nodiscard]] bool has_one_packet() const {
    return queue_.empty() && outstanding_.packets() == 1;
  }
  // The earliest chunk in flight on a path, or nullptr.
  [[nodiscard]] const TxChunk* earliest(uint8_t path) const { return outstanding_.earliest(path); }
  // May silence be a loss, and a probe tell?
  [[nodiscard]] bool may_probe_loss() const {
    return !in_recovery_ && !has_again() && !probing_window_ && !window_closed_;
  }
  // What the probe of a path is to be: new DATA, which goes out with the path's next packet
  // whatever cwnd says, or what is in flight, which is sent again.
  enum class LossProbe : uint8_t { kNone, kNew, kAgain };
  // Has the peer what was sent after the TSN with these last 16 bits?
  [[nodiscard]] bool is_past(uint16_t tsn16) const {
    const auto cum = static_cast<uint16_t>(outstanding_.cum_ack().value);
    const auto ahead = static_cast<uint16_t>(tsn16 - cum - 1);
    return tsn16 != cum && ahead >= outstanding_.span();
  }
  [[nodiscard]] LossProbe probe_loss(const Profile& profile, uint8_t path, bool takes_new,
                                     uint32_t fragment_limit);

  // -- loss by time (rack.cpp); with LossRecovery::kRack alone
  // What is late is to be sent again; due() is not later than when something else will be.
  void find_late(TimePoint now, const LateLimits& limits, SackOutcome& outcome);
  [[nodiscard]] bool reports_enough() const { return outstanding_.reports_enough(); }
  // May one of those outstanding have been sent more than once?
  [[nodiscard]] bool any_again() const { return outstanding_.any_again(); }

  // -- time
  // When a pool was empty, or when the closed window is to be probed.
  [[nodiscard]] TimePoint due() const {
    return probe_is_due() ? retry_at_ : std::min(retry_at_, probe_at_);
  }
  // True: there may be something to send.
  bool on_time(TimePoint now);

  [[nodiscard]] Tsn next_tsn() const { return outstanding_.next_tsn(); }
  [[nodiscard]] Tsn cum_ack() const { return outstanding_.cum_ack(); }
  [[nodiscard]] bool all_acked() const { return outstanding_.span() == 0; }
  // Bytes of DATA chunks in flight on a path.
  [[nodiscard]] uint32_t flight(size_t path) const { return outstanding_.flight(path); }
  [[nodiscard]] uint64_t queued_bytes() const { return queue_.bytes(); }
  [[nodiscard]] uint64_t outstanding_bytes() const { return outstanding_.bytes(); }
  [[nodiscard]] uint32_t peer_rwnd() const { return peer_rwnd_; }
  [[nodiscard]] uint16_t streams() const { return streams_; }
  void set_streams(uint16_t streams) { streams_ = streams; }
  // For ICMP: the chunk with this TSN, if it is in flight; is a larger packet?
  [[nodiscard]] const TxChunk* in_flight(Tsn tsn) const { return outstanding_.in_flight(tsn); }
  [[nodiscard]] bool larger_in_flight(uint8_t path, uint16_t size) {
    return outstanding_.larger_in_flight(path, size);
  }

 private:
  static constexpr TimePoint kNow{};  // in probe_at_

  // One chunk of the message is acknowledged for good.
  template <typename Done>
  void finish_chunk(TxMessage* message, Done&& done);
  // The peer has passed a chunk that was abandoned.
  void finish_abandoned(const TxChunk& chunk) {
    if (chunk.ending && chunk.queue != nullptr) queue_.finish(*chunk.queue);
  }
  // `of`: one of its chunks, if any was sent. False: not now.
  bool abandon(const SenderContext& ctx, TxMessage& message, Tsn of);
  // Its lifetime is over, and nobody has looked at it since: it waits for abandon_late().
  [[nodiscard]] static bool is_late(const SenderContext& ctx, const TxMessage& message,
                                    TimePoint now);

  [[nodiscard]] bool probe_is_due() const { return probe_at_ == kNow; }
  // More could go, but for the congestion window: until a SACK comes nothing will.
  [[nodiscard]] bool is_held_up(const DataLane& lane) const {
    return (has_new() || has_again()) && outstanding_.flight(lane.path) >= lane.cwnd_when_used;
  }
  void send_new(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
                const DataLane& lane, DataSent& sent);
  bool send_whole(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
                  const DataLane& lane, bool alone, DataSent& sent);
  uint8_t* send_chunk(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
                      const DataLane& lane, TxMessage* message, uint32_t size, bool hastened);
  [[nodiscard]] uint32_t next_fragment_size(const TxMessage& message,
                                            const wire::PacketWriter& writer, uint32_t limit) const;
  [[nodiscard]] bool window_allows(const Profile& profile, TimePoint now, const DataLane& lane,
                                   uint32_t cwnd, uint32_t size);
  void plan_probe(const Profile& profile, TimePoint now, Duration rto);
  void note_probe(const SenderContext& ctx);
  // Something may be late before.
  [[nodiscard]] TimePoint retry_before(const Profile& profile, TimePoint at) const {
    return profile.loss_recovery == LossRecovery::kRack ? std::min(retry_at_, at) : at;
  }
  [[nodiscard]] bool fits_next_chunk(uint32_t a_rwnd, uint32_t fragment_limit) const;
  [[nodiscard]] uint32_t left_of(uint32_t a_rwnd) const {
    const uint64_t flight = outstanding_.flight();
    return a_rwnd > flight ? static_cast<uint32_t>(a_rwnd - flight) : 0;
  }

  // -- its members
  SendQueue queue_;
  Outstanding outstanding_;
  TimePoint retry_at_ = TimePoint::never();  // a pool was empty, or something will be late
  TimePoint probe_at_ = TimePoint::never();  // when to probe the closed window; kNow: that has come
  uint32_t told_rwnd_;                       // the peer's last a_rwnd
  uint32_t peer_rwnd_;                       // what of it is left, as far as we can know
  uint32_t accepted_bytes_ = 0;              // payload accepted and not yet finished
  uint32_t accepted_messages_ = 0;           // likewise
  Tsn recovery_exit_;
  uint16_t streams_;
  uint8_t burst_left_ = 0;      // packets that may still go out before the next trigger
  uint8_t probes_ : 4 = 0;      // of the window, sent since it closed, as far as they are counted
  bool again_now_ : 1 = false;  // one packet regardless of cwnd (7.2.4 rule 3)
  bool in_recovery_ : 1 = false;
  bool probing_window_ : 1 = false;  // the chunk in flight is a zero window probe
  bool window_closed_ : 1 = false;   // the last SACK's a_rwnd had no room for the next chunk
};

template <typename Refuse>
void Sender::put_back(TxMessage* first, Refuse&& refuse) {
  while (first != nullptr) {
    TxMessage* const message = std::exchange(first, std::exchange(first->next, nullptr));
    if (message->stream.value >= streams_) {
      refuse(message, Reason::kInvalidStream);
    } else if (!queue_.push(message)) {
      refuse(message, Reason::kOutOfResources);
    } else {
      accepted_bytes_ += message->unsent_size;
      ++accepted_messages_;
    }
  }
}

template <typename Done>
inline void Sender::finish_chunk(TxMessage* message, Done&& done) {
  if (--message->parts > 0) return;
  queue_.finish(*message);
  accepted_bytes_ -= static_cast<uint32_t>(message->payload.size());
  --accepted_messages_;
  done(message);
}

template <typename Done>
bool Sender::finish_acked(const SenderContext& ctx, Done&& done) {
  const uint32_t before = accepted_messages_;
  outstanding_.pop_acked(ctx.chunks, [&](const TxChunk& chunk) {
    if (!chunk.is_abandoned()) return finish_chunk(chunk.message, done);
    finish_abandoned(chunk);
    if (--ctx.limited->outstanding == 0) outstanding_.forget_abandoned();
  });
  return accepted_messages_ == 0 && before != 0;
}

template <typename Done>
bool Sender::acknowledge_front(const SenderContext& ctx, Tsn cum_tsn, SackOutcome::PerPath& said,
                               Done&& done) {
  outstanding_.ack_front(ctx.chunks, cum_tsn, said,
                         [&](TxMessage* message) { finish_chunk(message, done); });
  burst_left_ = ctx.profile.max_burst;
  return accepted_messages_ == 0;
}

template <typename Done>
void Sender::give_all_back(ChunkMemory& chunks, Done&& done) {
  while (const auto chunk = outstanding_.pop_any(chunks)) {
    if (chunk->is_abandoned()) {
      finish_abandoned(*chunk);
    } else if (--chunk->message->parts == 0) {
      queue_.finish(*chunk->message);
      done(chunk->message);
    }
  }
  outstanding_.forget_abandoned();
  while (TxMessage* message = queue_.pop_any()) done(message);
  accepted_bytes_ = 0;
  accepted_messages_ = 0;
}

}  // namespace trunkline
