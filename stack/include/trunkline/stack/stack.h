// SPDX-License-Identifier: BSD-3-Clause
// The SCTP stack as verbs: packets in, time in, commands in; packets, events and the next deadline
// out. Nothing here reads a clock, blocks, locks or calls back. One Shard belongs to one worker.
//
// One iteration of a worker:
//   shard.receive(now, burst);      // bytes of the burst must stay valid until ...
//   while (Event* event = shard.next_event()) deliver(*event);  // ... the events are drained
//   shard.send(now, ...);           // what applications ask for
//   shard.advance(now);             // timers, after what was received
//   while ((n = shard.transmit(now, room)) > 0) put n packets on the wire;
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "trunkline/stack/address.h"
#include "trunkline/stack/counters.h"
#include "trunkline/stack/memory.h"
#include "trunkline/stack/payload.h"
#include "trunkline/stack/peer_table.h"
#include "trunkline/stack/profile.h"
#include "trunkline/stack/profile_edit.h"
#include "trunkline/stack/profile_limits.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/types.h"

namespace trunkline {

// ---------------------------------------------------------------- packets

enum class ChecksumState : uint8_t {
  kUnchecked,  // the stack checks it
  kGood,       // the port did and it is right
  kBad,        // the port did and it is wrong
};

// An SCTP packet as it came: `bytes` runs from the common header to the end of the IP payload.
struct PacketIn {
  IpAddress source;
  IpAddress destination;
  std::span<const uint8_t> bytes;
  ChecksumState checksum = ChecksumState::kUnchecked;
  uint8_t hand_overs = 0;  // how often it went from one shard to another
  // It never was on a wire: transmit() gave it, to one of this host's own addresses. Of what comes
  // from outside nothing has such an address as its source; the caller drops it.
  bool looped = false;
};

// Room for one SCTP packet to send. The caller sets `room` (at least the largest path MTU less
// the IP header) and `checksum_by_port`; transmit() fills the rest.
struct PacketOut {
  std::span<uint8_t> room;
  bool checksum_by_port = false;  // true: leave the checksum field zero, the port fills it

  uint16_t length = 0;  // bytes of `room` used, a multiple of 4
  IpAddress source;
  IpAddress destination;
  uint8_t dscp = 0;
  // 0: goes out whole, and no router may fragment it (DF). Otherwise it was cut before the path MTU
  // shrank (sections 6.9, 7.3): it goes out without DF, in IP packets of at most this many bytes,
  // and its checksum is written whatever checksum_by_port says.
  uint16_t fragment_size = 0;
};

// ---------------------------------------------------------------- associations, as seen outside

enum class AssocState : uint8_t {  // RFC 9260 section 4
  kClosed,
  kCookieWait,
  kCookieEchoed,
  kEstablished,
  kShutdownPending,
  kShutdownSent,
  kShutdownReceived,
  kShutdownAckSent,
};
[[nodiscard]] std::string_view state_name(AssocState state);  // "ESTABLISHED"

enum class PathState : uint8_t {
  kUnconfirmed,
  kActive,
  kPotentiallyFailed,
  kInactive,
  kUnconfirmedInactive,  // never confirmed, and not answering: asked as seldom as an inactive one
};
[[nodiscard]] std::string_view state_name(PathState state);

// Of path MTU discovery (RFC 8899 section 5.2).
enum class PmtuState : uint8_t {
  kFixed,      // Profile::pmtu_discovery is kOff
  kSearching,  // a probe is under way
  kComplete,   // no larger packet is known to pass
  kError,      // not even Profile::pmtu_base passes
};
[[nodiscard]] std::string_view state_name(PmtuState state);

// Why an association ended, a connect failed or a message was not sent.
enum class Reason : uint8_t {
  kNone,
  kTimedOut,        // retransmission limit reached (sections 4, 8.1)
  kRefused,         // ABORT in answer to INIT or COOKIE ECHO
  kReset,           // ABORT from the peer
  kLocalAbort,      // abort() of this side
  kPeerViolation,   // the peer broke the protocol; this side sent ABORT
  kOutOfResources,  // this side ran out of memory for it
  kShutdown,        // the shutdown sequence began before the message could be sent
  kRestarted,       // the peer restarted; what was queued is given back
  kInvalidStream,   // sent while the association was set up; the peer agreed to fewer streams
  kAbandoned,       // its SendRequest::reliability was not worth more
};
[[nodiscard]] std::string_view reason_name(Reason reason);

struct PathStatus {
  IpAddress local;
  IpAddress remote;
  PathState state = PathState::kUnconfirmed;
  bool primary = false;
  Duration rto{};
  Duration srtt{};
  uint32_t cwnd = 0;      // bytes
  uint32_t ssthresh = 0;  // bytes
  uint32_t flight = 0;    // bytes of DATA chunks outstanding, as cwnd counts them
  uint32_t mtu = 0;       // bytes, IP packet
  PmtuState mtu_state = PmtuState::kFixed;
  uint32_t error_count = 0;
  uint64_t heartbeats_sent = 0;
  uint64_t heartbeat_acks = 0;
  uint64_t t3_expirations = 0;
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;
  uint64_t retransmitted_chunks = 0;  // sent here again, wherever they were lost
  uint64_t failovers = 0;             // times that data left it because it failed
  TimePoint state_since;
};

// How long a message is tried, before it comes back with kSendFailed and Reason::kAbandoned (RFC
// 3758, RFC 7496). What was sent of it can be given up where both ends have agreed to
// (AssocStatus::partial_reliability); elsewhere only a message of which nothing was sent, by its
// lifetime.
struct Reliability {
  enum class Policy : uint8_t {
    kFull,             // until it is acknowledged
    kLifetime,         // `value` milliseconds from send() on (RFC 3758 section 4.1)
    kRetransmissions,  // until one of its chunks would be sent again more often than `value` times;
                       // 127 or more is no limit (RFC 7496 section 3.1)
    kPriority,         // until a message with a smaller `value`, or without priority, needs its
                       // place in Profile::send_buffer (RFC 7496 section 3.2)
    kCount,
  } policy = Policy::kFull;
  uint32_t value = 0;
};

// Messages that were given up (RFC 7496 section 4.3).
struct AbandonedCounts {
  uint64_t unsent = 0;
  uint64_t sent = 0;  // some of it
};

struct AssocStatus {
  AssocId id;
  EndpointId endpoint;
  AssocState state = AssocState::kClosed;
  PortNumber local_port;
  PortNumber peer_port;
  VerificationTag local_tag;
  VerificationTag peer_tag;
  uint16_t outbound_streams = 0;
  uint16_t inbound_streams = 0;
  bool partial_reliability = false;  // RFC 3758; negotiated
  Tsn next_tsn;                      // to be sent
  Tsn cum_tsn_ack;                   // of the peer's TSNs, received
  uint32_t peer_rwnd = 0;
  uint32_t a_rwnd = 0;  // what the next SACK would say
  uint32_t error_count = 0;
  uint64_t queued_bytes = 0;       // accepted, not yet sent
  uint64_t outstanding_bytes = 0;  // sent, not yet acknowledged
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;
  uint64_t retransmitted_chunks = 0;
  // By Reliability::Policy.
  std::array<AbandonedCounts, static_cast<size_t>(Reliability::Policy::kCount)> abandoned{};
  TimePoint established_at;
  uint64_t user = 0;
  std::vector<PathStatus> paths;
};

// ---------------------------------------------------------------- events

enum class EventKind : uint8_t {
  kAccepted,          // a peer set an association up; streams are negotiated
  kConnected,         // connect() succeeded
  kConnectFailed,     // connect() gave up: `reason`, `cause`; the id is dead
  kMessage,           // a message, or a piece of one: see Event::more, Event::payload
  kSendAcknowledged,  // the peer has every byte of the messages in Event::sent
  kSendFailed,        // the message was not (entirely) acknowledged; its payload comes back
  kPeerShutdown,      // the peer began the shutdown sequence; it takes no more messages
  kClosed,            // the shutdown sequence is complete; the id is dead
  kLost,              // aborted or timed out: `reason`, `cause`; the id is dead
  kRestarted,         // the peer restarted (section 5.2.4 A); streams were negotiated anew
  kPathChanged,       // `path` is now in `path_state`
  kRemoteError,       // the peer sent ERROR with `cause`, and perhaps more: one for each cause
  kSenderDry,         // everything accepted so far has been acknowledged
  kPrimaryChanged,    // `path` is the primary path now
  kRestartRefused,    // the peer seems to have restarted, from `path`, with addresses that are not
                      // this association's (section 5.2.2): all paths are being probed
  kAdaptation,        // the peer's layer above says `context` of itself (RFC 5061 section 4.2.6)
  kMessageBroken,     // the rest of the message that was given in pieces never comes: the peer has
                      // given it up (RFC 3758 section 3.6), or kRestarted or the last event follows
};

// A message of a kSendAcknowledged. One SACK acknowledges many: they stay where the stack has them,
// in the order of their TSNs, until the event is over; what is left of a payload is released then.
struct SentMessage {
  SentMessage* next_sent = nullptr;  // of the same event
  Payload payload;                   // what was given to send()
  uint64_t context = 0;              // as given to send()
  Ppid ppid;
  StreamId stream;
};

// For each association the order is: kAccepted/kConnected first, kClosed/kLost/kConnectFailed
// last and exactly once, and every accepted message ends in exactly one kSendAcknowledged or
// kSendFailed before that last one. Of an attempt that fails, only such kSendFailed come before
// kConnectFailed.
struct Event {
  EventKind kind = EventKind::kMessage;
  Reason reason = Reason::kNone;
  PathState path_state = PathState::kActive;
  PathState path_before = PathState::kActive;  // kPathChanged: it was that
  bool unordered = false;                      // kMessage, kSendFailed
  AssocId assoc;
  EndpointId endpoint;
  Tsn tsn{};                      // kMessage: of its first chunk, of a piece the piece's first
  uint64_t user = 0;              // the application's word for this association
  uint64_t context = 0;           // kSendFailed: as given to send(); kAdaptation
  uint16_t cause = 0;             // RFC 9260 section 3.3.10 code, 0 when there is none
  StreamId stream{};              // kMessage, kSendFailed
  Ppid ppid{};                    // kMessage, kSendFailed
  uint16_t outbound_streams = 0;  // kAccepted, kConnected, kRestarted
  uint16_t inbound_streams = 0;
  PortNumber local_port{};  // kAccepted, kConnected
  PortNumber peer_port{};
  // kAccepted, kConnected, kPrimaryChanged: primary; kPathChanged, kRestartRefused: which;
  // kMessage: where its first chunk came from
  IpAddress path{};
  // kMessage: the message lies in `pieces`, in order; `size` is the sum. When `borrowed` is true
  // the bytes lie in the received packet and are valid only until receive()'s caller reuses it;
  // Shard::keep() makes them last. Otherwise `payload` owns them.
  // kSendFailed: `payload` is what was given to send().
  // kLost, kConnectFailed: when the peer aborted, its ABORT's causes as they came (see said());
  // kRemoteError: what the cause says, padded as it came. Borrowed like a message.
  bool borrowed = false;
  // kMessage: the message is not over (Profile::partial_delivery_point). The next kMessage of that
  // stream is its next piece: one message of an association is given in pieces at a time, and
  // others of its stream wait, those of other streams do not. kMessageBroken is the end of it, too.
  bool more = false;
  bool started = false;  // kSendFailed: some of it was sent, and the peer may have all of it
  uint32_t number = 0;   // kMessage: see ssn() and cum_tsn()
  Piece borrowed_piece{};
  Payload payload{};
  SentMessage* sent = nullptr;  // kSendAcknowledged: the first

  [[nodiscard]] const Piece* pieces() const { return borrowed ? &borrowed_piece : payload.head(); }
  [[nodiscard]] size_t size() const { return borrowed ? borrowed_piece.length : payload.size(); }
  // kLost, kConnectFailed: of those causes, what the peer's user said (9.1: its Upper Layer Abort
  // Reason). `pieces` hold it, and perhaps more behind it.
  struct Said {
    Piece pieces{};
    size_t size = 0;
  };
  [[nodiscard]] Said said() const {
    constexpr uint16_t kUserInitiatedAbort = 12;
    constexpr uint32_t kHead = 4;  // of a cause
    if (cause != kUserInitiatedAbort || size() <= kHead) return {};
    const Piece& first = *pieces();
    const size_t whole = size_t{first.data[2]} << 8 | first.data[3];
    return {{first.data + kHead, first.length - kHead, first.next},
            std::min(whole, size()) - kHead};
  }
  // kMessage: its SSN; of an unordered one, which has none, the cumulative TSN when `tsn` had come.
  // Else 0.
  [[nodiscard]] Ssn ssn() const { return Ssn(static_cast<uint16_t>(unordered ? 0 : number)); }
  [[nodiscard]] Tsn cum_tsn() const { return Tsn(unordered ? number : 0); }
};

// ---------------------------------------------------------------- commands

enum class Status : uint8_t {
  kOk,
  kNoSuchAssociation,  // the id is dead or never was
  kNoSuchEndpoint,
  kClosing,          // the association is shutting down (section 9.2): no new messages
  kNotEstablished,   // still being set up, and this is not to be had before kConnected
  kInvalidStream,    // not below the negotiated number of outbound streams
  kEmptyMessage,     // a message has at least one byte (section 3.3.1)
  kMessageTooLarge,  // above Profile::max_message_size
  kWouldBlock,       // Profile::send_buffer is full, or the association has its part of the shard's
                     // messages; try again after kSendAcknowledged
  kAlreadyExists,    // an association with that peer address and port; or that local port, on one
                     // of these addresses
  kInvalidAddress,   // not unicast, named beside all, or no local address of its family and scope
  kOutOfResources,   // a pool or table is full
  kInvalidValue,     // a number is out of its range, or does not fit to the others
};
[[nodiscard]] std::string_view status_text(Status status);

// What becomes of packets to an endpoint's port that belong to no association (section 8.4).
enum class OutOfBlue : uint8_t {
  kAnswer,  // with ABORT or SHUTDOWN COMPLETE, as far as the shard's rate allows
  kSilent,  // nothing is sent, everything is counted: behind a NAT or a load balancer an ABORT may
            // end an association that lives elsewhere
};

struct EndpointConfig {
  PortNumber port;  // 0: one of 49152 to 65535 that nobody has on these addresses
  // Local. Empty, or the unspecified address of a family: all of the host (see BoundAddresses),
  // those of loopback among them. The port may belong to other endpoints on other addresses.
  std::vector<IpAddress> addresses;
  // Whose it is. At other shards nobody else may have an endpoint with that port and one of these
  // addresses, nor the same owner one with other addresses that overlap. 0: nobody's, as yet; see
  // Shard::own_endpoint().
  uint64_t owner = 0;
  // ... but for those that were all added so: they may have addresses in common, and what comes to
  // these is for the one that listens. The owner sees to it that only one of them does.
  bool beside_own = false;
  Profile profile;
  std::shared_ptr<const PeerTable> peers;  // null: the profile is for all
  bool listening = false;
  OutOfBlue out_of_blue = OutOfBlue::kAnswer;
  uint64_t user = 0;  // given back in kAccepted as Event::user
};

struct ConnectRequest {
  EndpointId endpoint;
  std::span<const IpAddress> peer_addresses;  // at least one; the first becomes primary
  PortNumber peer_port;
  uint16_t outbound_streams = 0;  // 0: as the profile says
  uint64_t user = 0;
  const Profile* profile = nullptr;  // null: the endpoint's for this peer
};

struct SendRequest {
  StreamId stream;
  Ppid ppid;
  bool unordered = false;
  bool sack_immediately = false;  // I bit on the last fragment (RFC 7053, now 9260 section 3.3.1)
  uint64_t context = 0;           // comes back with the event
  Reliability reliability{};
};

struct ConnectResult {
  Status status = Status::kOk;
  AssocId assoc;
};

struct EditResult {
  Status status = Status::kOk;
  ProfileFault fault{};  // kInvalidValue: which
};

struct EndpointResult {
  Status status = Status::kOk;
  EndpointId endpoint;
  PortNumber port;
};

class PortTable;

struct ShardConfig {
  uint16_t index = 0;
  uint16_t count = 1;  // shards that share the directory; each drives its verbs now and then
  uint32_t max_associations = 4096;
  uint64_t receive_buffer_bytes = 64ull << 20;  // payload held for reassembly and slow readers
  uint32_t max_outstanding_chunks = 262144;     // DATA chunks in flight, over all associations
  uint32_t max_queued_messages = 262144;        // messages accepted and not yet finished
  uint32_t max_extended = 512;  // associations with more than RFC 9260 asks to remember of one
  uint32_t out_of_blue_replies_per_second = 1000;  // 0: out-of-the-blue packets get no answer
  // INITs answered. Configured peers, and peers with an association, have a rate of their own each
  // and do not count in the total.
  uint32_t inits_per_second_per_source = 200;  // source: an IPv4 address, an IPv6 /64; 0: no limit
  uint32_t inits_per_second = 20000;           // of strangers together; 0: no limit
  uint32_t spent_cookies = 16384;              // remembered against replay; 0: none
  // Of this host, on whatever port, beside those of the endpoints and of loopback: no other host's
  // address is among them, whatever a peer lists.
  std::vector<IpAddress> own_addresses;
  // The networks that they lie in, in their order, as far as known: a peer's address in one of them
  // is reached from there.
  std::vector<uint8_t> own_prefix_lengths;
  MemorySource* memory = nullptr;  // of pools and tables; null: the heap
  PortTable* ports = nullptr;      // shared with other shards of this host; null: its own
};

// Which ports the endpoints of a host have, for shards that are one host, whatever threads they run
// on. `memory`, null for the heap, must outlive it, and it the shards.
struct PortTableDeleter {
  void operator()(PortTable* table) const;
};
using PortTablePtr = std::unique_ptr<PortTable, PortTableDeleter>;
[[nodiscard]] PortTablePtr make_port_table(MemorySource* memory = nullptr);

// What shards ask for packets, whatever threads they run on: addresses and ports of both sides to
// association. `max_entries`: an association has one for each pair of a local and a peer
// address, 32 bytes each; memory that was never needed is never touched. `memory`, null for
// the heap, must outlive it.
class Directory;
struct DirectoryDeleter {
  void operator()(Directory* directory) const;
};
using DirectoryPtr = std::unique_ptr<Directory, DirectoryDeleter>;
[[nodiscard]] DirectoryPtr make_directory(RandomSource& random, uint32_t max_entries,
                                          MemorySource* memory = nullptr);

class ShardCore;

class Shard {
 public:
  // `directory` and `random` must outlive the shard; `random` is used by this shard alone.
  Shard(const ShardConfig& config, Directory& directory, RandomSource& random, TimePoint now);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // -- endpoints
  EndpointResult add_endpoint(const EndpointConfig& config);
  // `profile`: of the associations that begin from now on, where no PeerProfile names the peer;
  // null: the endpoint's own.
  Status set_listening(EndpointId endpoint, bool listening, uint64_t user,
                       const Profile* profile = nullptr);
  // From now on it is that owner's, at all shards; 0: nobody's again. kAlreadyExists: it is
  // another's, here or at another shard.
  Status own_endpoint(EndpointId endpoint, uint64_t owner);
  // Refuses new associations and forgets the endpoint once its last association is gone.
  Status close_endpoint(EndpointId endpoint);

  // Which shard a packet that lies here must be given to: this one, or another, where it is asked
  // again with `hand_overs` counted. Two hand-overs lead to the right one from anywhere.
  [[nodiscard]] uint16_t steer(const PacketIn& packet) const;
  // Likewise for what ICMP says of `sent`, as far as it is quoted: who has the association that the
  // packet, from one of our addresses to a peer's, belonged to. One hand-over is enough.
  [[nodiscard]] uint16_t steer_quoted(const PacketIn& sent) const;

  // -- in: a burst of packets. Nothing of `burst` is kept after the events have been drained.
  void receive(TimePoint now, std::span<const PacketIn> burst);

  // To the shard that steer_quoted() names.
  // ICMP or ICMPv6 says that SCTP is not spoken where `sent` went: a packet from one of our
  // addresses to a peer's, quoted as far as the message goes. If it proves that it was ours, the
  // association ends as by an ABORT (section 10).
  void protocol_unreachable(TimePoint now, const PacketIn& sent);
  // ICMP (fragmentation needed) or ICMPv6 (too big) says that `sent` did not fit where it went.
  // `mtu`: bytes of the IP packets that would, 0 if not told. Believed only of a packet that is on
  // its way (RFC 8899 section 4.6). No other ICMP message concerns the stack.
  void packet_too_big(TimePoint now, const PacketIn& sent, uint16_t mtu);

  // -- commands (RFC 9260 section 11.1)
  ConnectResult connect(TimePoint now, const ConnectRequest& request);
  // Takes `payload` only when it answers kOk; otherwise the caller still owns it. While the
  // association is set up, messages wait for kConnected: nothing is sent before the COOKIE ACK. Any
  // stream below those that we offer will do; if the peer agrees to fewer, the messages of others
  // fail with kInvalidStream after kConnected. shutdown() before that gives all of them back.
  Status send(TimePoint now, AssocId assoc, const SendRequest& request, Payload& payload);
  Status shutdown(TimePoint now, AssocId assoc);
  // `reason`: Upper Layer Abort Reason, cut to what a packet holds (section 3.3.10.12).
  Status abort(TimePoint now, AssocId assoc, std::span<const uint8_t> reason);
  // Of events from now on; those that wait to be drained have the former one.
  Status set_user(AssocId assoc, uint64_t user);
  Status request_heartbeat(TimePoint now, AssocId assoc, IpAddress peer_address);
  // Data goes to that address from now on, as soon as and as long as its path works. Refused with
  // kInvalidAddress while the address is not confirmed (section 5.4).
  Status set_primary(TimePoint now, AssocId assoc, IpAddress peer_address);

  // All of it, or nothing.
  EditResult set_profile(TimePoint now, AssocId assoc, const ProfileEdit& edit);
  // Of one of the peer's addresses alone. kInvalidAddress: it is none of them. kOutOfResources: too
  // many associations have words of their own for an address.
  EditResult set_path_profile(TimePoint now, AssocId assoc, IpAddress peer_address,
                              const PathEdit& edit);
  // What the association has, and what counts for one address; null: there is none. Until the next
  // verb.
  [[nodiscard]] const Profile* profile(AssocId assoc) const;
  [[nodiscard]] const Profile* path_profile(AssocId assoc, IpAddress peer_address) const;

  // -- time: fires what is due, at most a bounded number of timers a call.
  void advance(TimePoint now);
  // Not later than the next moment at which advance() has something to do; never() if nothing.
  [[nodiscard]] TimePoint next_deadline() const;

  // -- out: fills up to room.size() packets; fewer means that there is nothing more to send.
  size_t transmit(TimePoint now, std::span<PacketOut> room);
  [[nodiscard]] bool has_output() const;

  // -- events, oldest first; nullptr when there is none. It stays what it is until the next call,
  // which drops what has not been taken out of it, and may make the next event in its place.
  // `payload` alone may be taken, and keep() be asked: all else is read.
  Event* next_event();
  // For a message whose reader has no room yet: makes a borrowed one last by copying it into the
  // shard's own buffers, and counts it against a_rwnd until consumed(). False: no buffer is left;
  // the message is gone and the association is aborted.
  bool keep(TimePoint now, Event& event);
  // The reader has taken a kept message of `bytes`: the window may open again. Once a message.
  void consumed(TimePoint now, AssocId assoc, size_t bytes);
  // Of the messages that were delivered, kept ones that are consumed() among them, the reader has
  // `bytes` still to read: they count against a_rwnd until less is told. Whoever reads at once
  // never tells. True: so much that its reading should be told soon, since the peer may wait for
  // it.
  bool set_unread(AssocId assoc, uint32_t bytes);

  // -- what operators see
  [[nodiscard]] const Counters& counters() const;
  [[nodiscard]] bool status(AssocId assoc, AssocStatus& out) const;
  [[nodiscard]] std::vector<AssocId> associations() const;
  [[nodiscard]] size_t association_count() const;
  // Buffers not in use, for audits: receive blocks, outstanding chunks, queued messages.
  struct PoolUsage {
    uint64_t receive_blocks_used = 0;
    uint64_t receive_blocks = 0;  // in all
    uint64_t chunks_used = 0;
    uint64_t messages_used = 0;
    uint64_t profiles_used = 0;  // different ones, of associations
  };
  [[nodiscard]] PoolUsage pool_usage() const;
  // For tests: what is wrong with the memory of received data; nullptr if nothing is. It walks over
  // all that is held. Of each association, what waits for reassembly or its turn takes less than
  // the profile's a_rwnd (or receive_memory) and one chunk, in whole blocks of 512 bytes; what was
  // kept for a slow reader less than a_rwnd and what one burst brought, and is charged block by
  // block; all of them together hold what the shard's buffers say.
  [[nodiscard]] const char* receive_memory_fault() const;

 private:
  std::unique_ptr<ShardCore> core_;
};

// Which shard owns packets with this verification tag; the same answer from every shard that
// shares `directory`.
[[nodiscard]] uint16_t owner_of(const Directory& directory, VerificationTag tag,
                                uint16_t shard_count);

}  // namespace trunkline
