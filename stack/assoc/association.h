// SPDX-License-Identifier: BSD-3-Clause
// One association: its state (RFC 9260 section 4) and what its packets, timers and user do to it.
// The handlers are grouped by procedure, a file each: handshake, collision (5.2), data_in, sack_in,
// heartbeat, shutdown, errors, timers, transmit. Effects are events, replies and flags; nothing is
// called back. The shard finds associations; an association knows nothing of tables.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "assoc/cookie.h"
#include "assoc/extension_state.h"
#include "assoc/packet_frame.h"
#include "base/address_set.h"
#include "base/largest_first.h"
#include "base/turn_queue.h"
#include "path/path_set.h"
#include "rx/receiver.h"
#include "timer/timing_wheel.h"
#include "trunkline/stack/stack.h"
#include "tx/sender.h"
#include "wire/abort_chunk.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/init_chunk.h"
#include "wire/packet_rules.h"
#include "wire/packet_writer.h"

namespace trunkline {

struct QueuedEvent;
struct ShardContext;

// A packet as the handlers see it: checked for checksum, shape and tag already.
struct InboundPacket {
  const IpAddress& source;  // whoever received it has them
  const IpAddress& destination;
  wire::CommonHeader header;
  std::span<const uint8_t> chunks;
  wire::PacketShape shape;
  bool looped = false;

  // The chunk that the shape tells of.
  [[nodiscard]] wire::ChunkView lead() const {
    wire::ChunkCursor cursor(chunks);
    if (shape.authenticated) static_cast<void>(cursor.next());
    return *cursor.next();
  }
};

class Association : public WheelEntry {
 public:
  // `profile`: of ShardContext::profiles. Whoever makes the association has become a user of it for
  // the association, which gives it back with release().
  //
  // The connecting side: COOKIE-WAIT, with a path for each address.
  Association(const LocalEnd& local, const Profile& profile, PortNumber peer_port,
              VerificationTag local_tag, Tsn initial_tsn, uint64_t user);
  // The accepting side: ESTABLISHED, from a valid cookie.
  Association(const LocalEnd& local, const Profile& profile, const Cookie& cookie, uint64_t user);
  Association(const Association&) = delete;
  Association& operator=(const Association&) = delete;

  // -- set-up (handshake.cpp). False: no memory for the paths.
  bool start_connect(ShardContext& ctx, TimePoint now, std::span<const IpAddress> peers,
                     uint16_t outbound_streams);
  bool start_accepted(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                      const Cookie& cookie);

  // -- packets (dispatch.cpp). The tag matches, or the packet is one of 8.5.1's exceptions that do.
  void on_packet(ShardContext& ctx, TimePoint now, const InboundPacket& packet);
  // -- collision and restart (collision.cpp)
  // An INIT from one of this association's addresses (5.2.1, 5.2.2, 9.2). `fresh_tag` and
  // `fresh_tsn` are for an INIT ACK that must not say the present ones.
  void on_unexpected_init(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                          const wire::InitChunk& init, VerificationTag fresh_tag, Tsn fresh_tsn);
  // What section 5.2.4 says of a valid cookie for this association.
  enum class CookieAction : uint8_t {
    kDiscard,
    kStale,
    kContinue,  // B or D: acknowledged; the rest of the packet is for this association
    kRestart,   // A: the association began anew with the cookie's tags; the rest likewise
  };
  CookieAction on_cookie(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                         const Cookie& cookie);

  // -- commands
  Status send(ShardContext& ctx, TimePoint now, const SendRequest& request, Payload& payload);
  Status shutdown(ShardContext& ctx, TimePoint now);
  void abort(ShardContext& ctx, std::span<const uint8_t> reason);
  Status request_heartbeat(ShardContext& ctx, const IpAddress& peer_address);
  Status set_primary(ShardContext& ctx, const IpAddress& peer_address);
  // The first thing that is wrong with it (profile_edit.cpp).
  ProfileFault set_profile(ShardContext& ctx, TimePoint now, const ProfileEdit& edit);
  EditResult set_path_profile(ShardContext& ctx, TimePoint now, const IpAddress& remote,
                              const PathEdit& edit);
  // A message was put aside for a slow reader, or taken by it at last.
  void on_message_kept(size_t bytes);
  void on_message_consumed(ShardContext& ctx, size_t bytes);
  // So much of what was delivered is unread. True: once it is read, the peer is to be told.
  bool set_unread(ShardContext& ctx, uint32_t bytes);
  // May it be put aside? Not beyond the window unless there is more left than the reader has.
  [[nodiscard]] bool may_keep(ShardContext& ctx, size_t bytes) const;
  // ICMP, checked, says that the peer does not speak SCTP.
  void on_protocol_unreachable(ShardContext& ctx);
  // ICMP, checked so far as to quote our tag, says that `sent` was too large (path_mtu.cpp).
  void on_packet_too_big(ShardContext& ctx, TimePoint now, const PacketIn& sent, uint16_t told);
  // The shard could not keep a message.
  void abort_for_memory(ShardContext& ctx);
  // Blocks for a message of `keeper`, null if that has ended, from whoever holds most (memory.cpp).
  static bool free_blocks_to_keep(ShardContext& ctx, size_t bytes, const Association* keeper);

  // -- time and output
  void on_timer(ShardContext& ctx, TimePoint now);
  // The shard's queue of delayed SACKs came to this one.
  void on_sack_queue(ShardContext& ctx, TimePoint now);
  // Fills one packet; false when there is nothing to send now. After the last one of a turn,
  // schedule() files the delayed SACK, and arms the wheel for the earliest of the other deadlines.
  bool fill_packet(ShardContext& ctx, TimePoint now, PacketOut& out);
  void schedule(ShardContext& ctx);
  // Could fill_packet() find something? It may still find that a window is closed.
  [[nodiscard]] bool may_have_output() const;

  // -- seen by the shard and by operators
  [[nodiscard]] AssocState state() const { return state_; }
  [[nodiscard]] bool is_opening() const {
    return state_ == AssocState::kCookieWait || state_ == AssocState::kCookieEchoed;
  }
  [[nodiscard]] bool is_dead() const { return dead_; }
  [[nodiscard]] const LocalEnd& local() const { return local_; }
  [[nodiscard]] const Profile& profile() const { return *profile_; }
  // The same as its user wants it on one path.
  [[nodiscard]] const Profile& profile_of(ShardContext& ctx, const Path& path) const {
    return path.has_override ? own_profile_of(ctx, path) : *profile_;
  }
  [[nodiscard]] PortNumber peer_port() const { return peer_port_; }
  [[nodiscard]] VerificationTag local_tag() const { return local_tag_; }
  [[nodiscard]] VerificationTag peer_tag() const { return peer_tag_; }
  [[nodiscard]] std::span<Path* const> paths() const { return paths_.list(); }
  // Is that one of the peer's addresses, and this one of ours? Mostly the one that we answer from.
  [[nodiscard]] bool is_between(const IpAddress& remote, const IpAddress& local) const {
    const Path* const path = paths_.find(remote);
    return path != nullptr && (path->local == local || local_.has_address(local));
  }
  [[nodiscard]] bool has_address(const IpAddress& address) const {
    return paths_.find(address) != nullptr;
  }
  // Where the profile wants it: has the peer exactly the addresses of this association's paths?
  [[nodiscard]] bool accepts_addresses(const IpAddress& source,
                                       std::span<const IpAddress> listed) const;
  void fill_status(ShardContext& ctx, AssocStatus& out) const;
  // For tests: what is wrong with the books of received data; nullptr if nothing is.
  [[nodiscard]] const char* receive_fault(const ShardContext& ctx) const;
  [[nodiscard]] const ReceiveQueue& received() const { return receiver_.queue(); }
  [[nodiscard]] uint64_t kept_bytes() const { return receiver_.kept_bytes(); }
  // An address that the peer has just told of cannot be used: another association has it. Not for
  // an address that our user named.
  void forget_address(ShardContext& ctx, const IpAddress& remote);
  // Gives all memory back to the pools. The last call before destruction.
  void release(ShardContext& ctx);

  // How much is asked for before a turn: from the start, most of what a message in or out touches.
  static constexpr size_t kHotBytes = 512;

  // The information in a HEARTBEAT that probes the path MTU; other HEARTBEATs have more.
  static constexpr size_t kProbeInfoSize = 9;

  AssocId id;
  uint32_t ready_place = 0;  // in ShardContext::ready
  uint64_t user = 0;
  uint32_t held_place = 0;  // in ShardContext::holders

 private:
  // Chunks to send at the next opportunity, beside SACK and DATA.
  enum PendingChunk : uint8_t {
    kPendingInit = 1,
    kPendingCookieEcho = 2,
    kPendingCookieAck = 4,
    kPendingShutdown = 8,
    kPendingShutdownAck = 16,
    kPendingForwardTsn = 32,
  };

  [[nodiscard]] SenderContext sender_context(ShardContext& ctx) const;
  // paths: what follows from a change of one.
  [[nodiscard]] PathContext path_context(ShardContext& ctx, const Path& path) const;
  bool add_path(ShardContext& ctx, const IpAddress& remote, const IpAddress& local = {});
  void apply(ShardContext& ctx, const Path& path, const PathNews& news);
  void count_error(ShardContext& ctx, TimePoint now, Path& path);
  void set_path_state(ShardContext& ctx, TimePoint now, Path& path, PathState state);
  void choose_data_path(ShardContext& ctx);
  [[nodiscard]] Path& path_again(const TxChunk& chunk) const;

  // A SACK goes where the DATA came from (6.4), if that address is confirmed (5.4).
  [[nodiscard]] Path& sack_path() const {
    Path& path = paths_.at(receiver_.last_path());
    if (!path.confirmed()) return paths_.data_path();
    return receiver_.sack_detour() ? paths_.alternate_to(path) : path;
  }

  // association.cpp; what each packet calls is in context.h
  void mark_ready(ShardContext& ctx);
  // may_have_output(), but for HEARTBEATs and probes.
  [[nodiscard]] bool may_have_chunks() const {
    return pending_ != 0 || receiver_.sack_due() || sender_.has_new() || sender_.has_again();
  }
  Event& emit(ShardContext& ctx, EventKind kind, Reason reason = Reason::kNone);
  QueuedEvent& emit_queued(ShardContext& ctx, EventKind kind, Reason reason);
  // `adaptation`: what the peer says of the layer above, or 0.
  void emit_up(ShardContext& ctx, EventKind kind, uint32_t adaptation);
  void enter_established(ShardContext& ctx, TimePoint now);
  // The end: every message comes back, then the last event; memory goes, the id is dead.
  // `said`: the peer's own words, to be shown to the user; they lie in the packet.
  void terminate(ShardContext& ctx, EventKind kind, Reason reason, uint16_t cause,
                 std::span<const uint8_t> said = {});
  void give_back(ShardContext& ctx, TxMessage* message, Reason reason, uint16_t cause);
  [[nodiscard]] TxMessage* take_waiting(ShardContext& ctx);
  void put_back(ShardContext& ctx, TxMessage* waiting);
  void fail_messages(ShardContext& ctx, Reason reason, uint16_t cause);
  [[nodiscard]] bool too_many_errors() const;
  [[nodiscard]] bool is_closing() const { return state_ >= AssocState::kShutdownPending; }
  [[nodiscard]] bool takes_data() const;
  [[nodiscard]] bool sends_data() const;

  // handshake.cpp
  void on_init_ack(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                   const wire::ChunkView& chunk);
  void accept_init_ack(ShardContext& ctx, const InboundPacket& packet,
                       const wire::InitChunk& init_ack);
  void drop_unlisted_paths(ShardContext& ctx, const IpAddress& source,
                           std::span<const IpAddress> listed);
  void keep_for_echo(const wire::InitChunk& init_ack);
  void on_cookie_ack(ShardContext& ctx, TimePoint now);
  void on_stale_cookie(ShardContext& ctx, TimePoint now, uint32_t staleness_us);
  void on_t1(ShardContext& ctx);
  // With the addresses of a valid cookie. False: no memory for all of the paths.
  bool add_paths(ShardContext& ctx, const Cookie& cookie);
  // From the packet that brought it.
  void come_up(ShardContext& ctx, TimePoint now, const InboundPacket& packet);

  // collision.cpp
  // What lives on when the association begins anew in its place; all else is as in a new one.
  struct Carried;
  [[nodiscard]] Carried carried(ShardContext& ctx) const;
  void restart(ShardContext& ctx, TimePoint now, const InboundPacket& packet, const Cookie& cookie);
  void begin_anew(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                  const Cookie& cookie);
  CookieAction on_own_cookie(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                             const Cookie& cookie);
  void refuse_restart(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                      const wire::InitChunk& init, std::span<const IpAddress> added);
  template <typename Append>
  void refuse_init(ShardContext& ctx, const InboundPacket& packet, const wire::InitChunk& init,
                   Append&& append);

  // dispatch.cpp
  // What a packet's chunks have shown so far.
  struct PacketSeen {
    DataSeen data;
    // ERRORs and HEARTBEAT ACKs that the packet may still draw.
    uint8_t answers_left = 4;
    bool may_answer() { return answers_left > 0 && answers_left-- > 0; }
  };
  bool on_chunk(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                const wire::ChunkView& chunk, PacketSeen& seen);
  bool on_unknown_chunk(ShardContext& ctx, const wire::ChunkView& chunk, PacketSeen& seen);
  // extension_chunks.cpp
  struct ExtensionChunk;
  bool on_extension_chunk(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                          const wire::ChunkView& chunk, PacketSeen& seen);
  // forward_tsn_in.cpp
  bool on_forward_tsn(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                      const wire::ChunkView& chunk, PacketSeen& seen);
  bool is_given_up(ShardContext& ctx, const wire::DataChunk& chunk, DataSeen& seen);
  void on_reported_parameters(std::span<const uint8_t> parameters);
  void flush_answers(ShardContext& ctx, TimePoint now, const InboundPacket& packet);

  // data_in.cpp
  [[nodiscard]] ReceiverContext receiver_context(ShardContext& ctx) const;
  void on_data(ShardContext& ctx, TimePoint now, const wire::ChunkView& chunk, PacketSeen& seen);
  size_t take_run(ShardContext& ctx, std::span<const uint8_t> chunks, DataSeen& seen);
  QueuedEvent& emit_whole(ShardContext& ctx, const wire::DataChunk& chunk, const IpAddress& from);
  void emit_run(ShardContext& ctx, std::span<const uint8_t> chunks, Tsn tsn, uint32_t count,
                const IpAddress& from);
  void on_bad_stream(ShardContext& ctx, const wire::DataChunk& chunk, PacketSeen& seen);
  bool make_room(ShardContext& ctx, const wire::DataChunk& chunk, DataSeen& seen);
  void accept_data(ShardContext& ctx, TimePoint now, const wire::DataChunk& chunk, DataSeen& seen);
  bool give_front(ShardContext& ctx);
  void settle_received(ShardContext& ctx);
  // `from`: the path that the packet came by, or null.
  void after_data(TimePoint now, const Path* from, const DataSeen& seen);
  void tell_of_window(ShardContext& ctx);
  // The window as it is told: no silly windows, and for a slow reader no more than the shard has
  // left.
  [[nodiscard]] uint32_t advertised(ShardContext& ctx) const {
    if (!receiver_.has_late_reader()) return receiver_.window(*profile_);
    return receiver_.told_window(receiver_context(ctx), paths_.primary().pmdcs());
  }
  bool write_sack_chunk(ShardContext& ctx, wire::PacketWriter& writer) const;
  void note_sack_sent(ShardContext& ctx);
  // What is owed to an earlier packet of the burst, as a packet of its own.
  void flush_acknowledgement(ShardContext& ctx, TimePoint now);

  // loss_probe.cpp
  [[gnu::noinline]] void hasten_t3(TimePoint now, Path& path, bool hastened);
  void arm_loss_probe(TimePoint now, Path& path, bool hastened);
  [[gnu::noinline]] void judge_loss_probes(const wire::SackChunk& sack, SackOutcome& outcome);
  void close_loss_probes(const SackOutcome& outcome);
  void on_loss_probe_due(ShardContext& ctx, TimePoint now, Path& path);
  // rack.cpp. What the default profile never does is kept out of its way.
  [[gnu::cold, gnu::noinline]] void take_sack_by_time(ShardContext& ctx, TimePoint now,
                                                      const wire::SackChunk& sack,
                                                      SackOutcome& outcome);
  void judge_duplicates(ShardContext& ctx, const wire::SackChunk& sack);
  [[nodiscard]] bool is_loss_probe(Tsn tsn) const;
  void forget_deliveries();
  void find_late(TimePoint now, SackOutcome& outcome);
  [[gnu::cold, gnu::noinline]] void on_reordering_time(ShardContext& ctx, TimePoint now);
  [[gnu::cold, gnu::noinline]] void begin_recovery(Path& path);
  [[gnu::cold, gnu::noinline]] void count_sent_again(Path& path, uint16_t chunks);
  [[gnu::cold, gnu::noinline]] void on_sample_by_time(Path& path, Duration rtt);
  [[gnu::cold, gnu::noinline]] void end_recovery_by_time();

  // profile_edit.cpp
  [[nodiscard]] const Profile& own_profile_of(ShardContext& ctx, const Path& path) const;
  void set_override(ShardContext& ctx, TimePoint now, Path& path, PathOverride& own,
                    const PathEdit& edit);
  // What a former life was told, of addresses that this one has too.
  void override_again(ShardContext& ctx, TimePoint now, const ExtensionState& former);
  // Of addresses that are not the peer's any more.
  void forget_overrides(ShardContext& ctx);
  void follow_edit(ShardContext& ctx, TimePoint now, Path& path, const Profile& before);

  // memory.cpp
  [[nodiscard]] uint32_t loose_blocks() const { return receiver_.queue().loose_blocks(); }
  bool find_blocks(ShardContext& ctx, TimePoint now, const wire::DataChunk& chunk, DataSeen& seen);
  ReceiveQueue::Outcome add_when_short(ShardContext& ctx, TimePoint now,
                                       const wire::DataChunk& chunk, DataSeen& seen);
  bool give_way(ShardContext& ctx);
  void weigh(ShardContext& ctx);
  void release_received(ShardContext& ctx);

  // sack_in.cpp
  class Acked;
  void on_sack(ShardContext& ctx, TimePoint now, const wire::ChunkView& chunk);
  bool take_plain_sack(ShardContext& ctx, TimePoint now, std::span<const uint8_t> chunks);
  void take_peers_window(uint32_t a_rwnd, bool newly_acked);
  void apply_outcome(ShardContext& ctx, TimePoint now, const SackOutcome& outcome);
  void apply_to_path(ShardContext& ctx, TimePoint now, Path& path,
                     const SackOutcome::PerPath& said);
  void finish_acked(ShardContext& ctx);

  // partial_reliability.cpp
  // Null: there never were any.
  [[nodiscard]] LimitedMessages* limited(ShardContext& ctx) const;
  [[nodiscard]] LimitedMessages* make_limited(ShardContext& ctx);
  [[nodiscard]] bool gives_up_what_was_sent() const;
  void tell_abandoned(ShardContext& ctx, TimePoint now, TxMessage* message);
  void abandon_late(ShardContext& ctx, TimePoint now);
  void abandon_lost(ShardContext& ctx, TimePoint now);
  void pass_abandoned(ShardContext& ctx, TimePoint now);
  void write_forward_tsn_chunk(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer);
  void file_again(ShardContext& ctx, TxMessage* waiting);
  // Of a message that leaves, if it has one.
  void forget_limit(ShardContext& ctx, TxMessage& message);
  [[gnu::cold]] bool make_way(ShardContext& ctx, TimePoint now, const SendRequest& request,
                              size_t size);

  // heartbeat.cpp
  void on_heartbeat(ShardContext& ctx, const InboundPacket& packet, const wire::ChunkView& chunk,
                    PacketSeen& seen);
  void on_heartbeat_ack(ShardContext& ctx, TimePoint now, const wire::ChunkView& chunk);
  void on_heartbeat_due(ShardContext& ctx, TimePoint now, Path& path);
  void on_heartbeat_unanswered(ShardContext& ctx, TimePoint now, Path& path);
  bool add_heartbeat(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer, Path& path);
  bool fill_heartbeat(ShardContext& ctx, TimePoint now, Path& path, PacketOut& out);

  // path_mtu.cpp
  bool fill_probe(ShardContext& ctx, TimePoint now, Path& path, PacketOut& out);
  void on_probe_ack(ShardContext& ctx, TimePoint now, std::span<const uint8_t> info);
  void on_mtu_due(ShardContext& ctx, TimePoint now, Path& path);
  void mtu_changed(Path& path);
  // Bytes of an SCTP packet with the COOKIE ECHO alone.
  [[nodiscard]] size_t cookie_echo_size() const {
    return wire::kCommonHeaderSize + wire::kChunkHeaderSize + wire::padded(passage_->cookie_size);
  }
  void send_again_smaller(ShardContext& ctx, TimePoint now, Path& path);
  [[nodiscard]] bool may_have_been_too_big(const Path& path, std::span<const uint8_t> sent,
                                           uint16_t told);

  // shutdown.cpp
  void maybe_finish_sending(ShardContext& ctx, TimePoint now);
  void send_shutdown(ShardContext& ctx, TimePoint now);
  void write_shutdown_chunk(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer,
                            const Path& path);
  void send_shutdown_ack(ShardContext& ctx);
  void on_guard(ShardContext& ctx);
  void on_shutdown(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                   const wire::ChunkView& chunk);
  void on_shutdown_ack(ShardContext& ctx, const InboundPacket& packet);
  void on_shutdown_complete(ShardContext& ctx, const InboundPacket& packet,
                            const wire::ChunkView& chunk);
  void on_t2(ShardContext& ctx, TimePoint now);

  // errors.cpp
  void on_abort(ShardContext& ctx, const InboundPacket& packet, const wire::ChunkView& chunk);
  // Does the packet carry the tag that the T bit claims it does?
  [[nodiscard]] bool tag_fits(const InboundPacket& packet, bool reflected) const {
    return packet.header.verification_tag == (reflected ? peer_tag_ : local_tag_);
  }
  void on_error(ShardContext& ctx, TimePoint now, const InboundPacket& packet,
                const wire::ChunkView& chunk);
  template <typename Write>
  bool queue_packet(ShardContext& ctx, const IpAddress& source, const Path& path, Write&& write);
  template <typename Write>
  bool queue_answer(ShardContext& ctx, const InboundPacket& packet, VerificationTag tag,
                    Write&& write);
  // Ends the association with an ABORT whose causes `append` writes.
  template <typename Append>
  void abort_with(ShardContext& ctx, Reason reason, wire::CauseCode code, Append&& append);
  template <typename Append>
  void report_error(ShardContext& ctx, Append&& append);
  void protocol_violation(ShardContext& ctx, std::string_view what);
  void end_with_abort(ShardContext& ctx, Reason reason, uint16_t cause,
                      std::span<const uint8_t> said = {});

  // timers.cpp
  void on_t3(ShardContext& ctx, TimePoint now, Path& path);

  // transmit.cpp
  struct Composition;
  [[nodiscard]] bool is_straight() const;
  bool fill_straight(ShardContext& ctx, TimePoint now, PacketOut& out);
  bool fill_init(ShardContext& ctx, TimePoint now, PacketOut& out);
  bool fill_cookie_echo(ShardContext& ctx, TimePoint now, PacketOut& out);
  // False: nothing else may go there.
  bool add_cookie_ack(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer, Path& path);
  void add_control(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer, Path& path);
  void add_data(ShardContext& ctx, TimePoint now, Composition& packet, std::span<uint8_t> room);
  [[nodiscard]] DataLane lane_of(TimePoint now, const Path& path) const;
  void on_data_sent(TimePoint now, Path& path, const DataSent& sent, uint64_t idle_rtos);
  void start_t3(TimePoint now, Path& path, bool restart, bool hastened = false);
  [[nodiscard]] PacketHead head(VerificationTag tag) const {
    return {local_.port, peer_port_, tag};
  }
  [[nodiscard]] PacketHead head() const { return head(peer_tag_); }
  bool finish_packet(ShardContext& ctx, PacketFrame& frame, Path& path, PacketOut& out);
  [[nodiscard]] Path* path_for_data() const;
  [[nodiscard]] Path* transmit_path() const;

  // What has been counted; a restart counts on.
  struct Totals {
    uint64_t messages_received = 0;
    uint64_t messages_sent = 0;
  };
  // The same of packets. What the paths have not counted that there are now, of former lives and of
  // addresses that are no path, is the shard's to remember, where there is any.
  struct PacketCounts {
    uint64_t received = 0;
    uint64_t sent = 0;
    uint64_t retransmitted = 0;  // chunks
    bool operator==(const PacketCounts&) const = default;
  };
  // What there is to know on the way in, in a collision and on the way out, and not between them:
  // from the shard's pool when one of these begins, given back when the association is up.
  struct Passage {
    TimePoint t1 = TimePoint::never();
    TimePoint t2 = TimePoint::never();
    TimePoint guard = TimePoint::never();  // of the shutdown, T5 and before it: Profile::guard()
    TimePoint sent_at;                     // INIT or COOKIE ECHO
    uint64_t local_tie = 0;                // this association's own nonces (5.2.2)
    uint64_t peer_tie = 0;
    // While in COOKIE-ECHOED: the peer's cookie, then the parameters of its INIT ACK to report.
    std::vector<uint8_t> echoed;
    uint32_t cookie_extension_ms = 0;
    uint32_t peer_adaptation = 0;  // what its INIT ACK said of the layer above
    uint16_t cookie_size = 0;      // its share of `echoed`
    uint16_t retries = 0;
    uint16_t offered_streams = 0;  // what our INIT said (5.2.1)
    uint16_t echoes = 0;           // of this cookie that went
    uint16_t older_echoes = 0;     // of cookies before it, that may yet be called stale
  };
  friend struct ShardContext;
  struct Layout;  // what lies together: association.cpp
  Passage& passage(ShardContext& ctx);
  void end_passage(ShardContext& ctx);
  [[nodiscard]] PacketCounts counted(ShardContext& ctx) const;
  PacketCounts& counted_elsewhere(ShardContext& ctx);
  // Paths have gone: so much had been counted before.
  void keep_counted(ShardContext& ctx, const PacketCounts& all);
  // Null: it has none.
  [[nodiscard]] ExtensionState* extension(ShardContext& ctx) const;
  // Null: there is none left; counted.
  [[nodiscard]] ExtensionState* make_extension(ShardContext& ctx);
  void end_extension(ShardContext& ctx);

  // -- who it is, and what state it is in
  VerificationTag local_tag_;
  const LocalEnd& local_;
  const Profile* profile_;  // in ShardContext::profiles, of which it is a user
  VerificationTag peer_tag_;
  PortNumber peer_port_;
  AssocState state_;
  uint8_t pending_ = 0;  // PendingChunk
  bool dead_ : 1 = false;
  bool accepted_ : 1 = false;         // the peer opened it
  bool shutdown_wished_ : 1 = false;  // by our user, whatever became of it
  bool sack_filed_ : 1 = false;       // in ShardContext::sacks, not later than it is due
  uint8_t cookie_ack_path_ = 0;       // where the last COOKIE ECHO came from (6.4)
  uint8_t setup_path_ = 0;            // where INIT and COOKIE ECHO go
  uint16_t error_count_ = 0;          // 8.1
  wire::FeatureSet features_;         // negotiated
  uint32_t extension_place_ = 0;      // in the shard's pool, counted from 1; 0: there is none
  uint32_t counts_place_ = 0;         // likewise, of PacketCounts
  Passage* passage_ = nullptr;

  // -- its parts, which know nothing of each other
  Receiver receiver_;
  Sender sender_;
  Totals totals_;
  PathSet paths_;

  // -- what is seldom touched
  TimePoint established_at_;
};
// A million associations have a million of these: decision 0008.
static_assert(sizeof(Association) <= 608);

using ReadyQueue = TurnQueue<Association, &Association::ready_place>;
// By what they hold of the receive buffers out of order, then by what they hold at all.
using Holders = LargestFirst<Association, &Association::held_place>;

}  // namespace trunkline
