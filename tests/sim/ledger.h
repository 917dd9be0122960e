// SPDX-License-Identifier: BSD-3-Clause
// The oracle: what applications sent, what they got, and whether both agree with what the verbs
// promise (trunkline/stack/stack.h). It stands outside the stack and believes nothing of it: each
// message carries its number as PPID and a content that follows from that number.
//
// Rules: delivered at most once, unchanged, on its stream, to the association it was sent to, whole
// or in pieces between which nothing else of its stream comes;
// ordered messages of a stream without gap but what was given up; an acknowledged message has been
// delivered; what was given up had a limit, and is not delivered if nothing of it was sent; each
// accepted message ends in one event that brings its payload back; events of an association begin
// and end as `struct Event` says.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "network.h"
#include "trunkline/stack/stack.h"
#include "verdict.h"

namespace trunkline::sim {

using MessageId = uint32_t;
using RecordId = uint32_t;

// The bytes of a message follow from its number; any piece of it can be checked alone.
void fill_content(MessageId message, size_t offset, std::span<uint8_t> out);
// The offset of the first wrong byte, or `piece.size()`.
[[nodiscard]] size_t compare_content(MessageId message, size_t offset,
                                     std::span<const uint8_t> piece);

enum class Ended : uint8_t { kNot, kClosed, kLost, kConnectFailed, kCrashed };

// One association as one side sees it.
struct AssocRecord {
  HostIndex host = 0;
  HostIndex peer_host = 0;
  uint32_t boot = 0;  // how often the host had started
  AssocId assoc;
  PortNumber local_port;
  PortNumber peer_port;
  bool connecting = false;  // made by connect(), nothing heard yet
  bool established = false;
  bool connector = false;
  // An intruder spoke in the peer's name: only the order of events and the payloads are judged.
  bool hostile = false;
  Ended ended = Ended::kNot;
  Reason reason = Reason::kNone;
  uint32_t restarts = 0;
  uint32_t flow = 0;       // what this side sends now; a restart begins another
  uint32_t peer_flow = 0;  // what this side receives, once something came; 0: nothing yet
  uint16_t outbound_streams = 0;
  uint16_t inbound_streams = 0;
  uint64_t pending = 0;  // accepted and not finished
  uint64_t accepted = 0;
  uint64_t acknowledged = 0;
  uint64_t failed = 0;     // but for
  uint64_t abandoned = 0;  // what was given up as its limit said
  uint64_t received = 0;
  bool dry_promised = false;  // kSenderDry came and nothing was accepted since
};

// What an intruder's fragments consist of, so that pieces of different messages can be told apart.
inline constexpr size_t kMarkSize = 8;
[[nodiscard]] std::array<uint8_t, kMarkSize> intruder_mark(uint16_t stream, uint16_t ssn,
                                                           bool unordered);

class Ledger final : private PieceOwner {
 public:
  // `key` scrambles message numbers into PPIDs, so that all their bits are used.
  Ledger(Verdict& verdict, uint32_t key) : verdict_(verdict), key_(key) { flows_.emplace_back(); }
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;
  ~Ledger();

  // -- associations
  // connect() answered kOk.
  RecordId connecting(TimePoint now, HostIndex host, uint32_t boot, AssocId assoc,
                      PortNumber local_port, HostIndex peer_host, PortNumber peer_port);
  // The host is about to vanish with all that it has; then it has vanished.
  void host_crashing(HostIndex host);
  void host_crashed(TimePoint now, HostIndex host);

  // Associations with this port at either end are hostile.
  void expect_intruder(uint16_t port) { hostile_ports_.insert(port); }
  [[nodiscard]] bool is_hostile(uint16_t a, uint16_t b) const {
    return hostile_ports_.contains(a) || hostile_ports_.contains(b);
  }
  // What a host's shards must hold now: messages accepted and not ended, associations alive.
  [[nodiscard]] uint64_t pending(HostIndex host) const { return pending_[host]; }
  [[nodiscard]] uint32_t living(HostIndex host) const { return living_[host]; }

  // -- messages
  struct Outgoing {
    MessageId message = 0;
    SendRequest request;
    Payload payload;
  };
  // A message in `pieces` pieces. It must end in accepted() or refused().
  Outgoing make(RecordId sender, StreamId stream, bool unordered, uint32_t size, uint32_t pieces);
  // It has a limit: it may be given up.
  void limit(const Outgoing& outgoing) { messages_[outgoing.message].limited = true; }
  // It is copied: the payload that goes out, and comes back, is somebody else's.
  void copied(Outgoing& outgoing);
  void accepted(TimePoint now, const Outgoing& outgoing);
  void refused(TimePoint now, Outgoing& outgoing);

  // -- what the stack says. Before the application sees the event; finds or makes the record.
  RecordId event(TimePoint now, HostIndex host, uint32_t boot, const Event& event,
                 HostIndex peer_host);
  // Checks the bytes of a message that was kept and is about to be let go, or of the piece of one
  // that begins there.
  void check_kept(TimePoint now, RecordId record, const Event& event, uint32_t offset);
  // Where the last kMessage began in its message.
  [[nodiscard]] uint32_t last_offset() const { return last_offset_; }

  // Messages to that side that were given up, and have not come.
  [[nodiscard]] uint64_t given_up_to(RecordId record) const;

  // -- at the end
  // Everything accepted by this side must have been delivered and acknowledged.
  void must_have_delivered_all(TimePoint now, RecordId record);
  // Nothing may be left open: payload out, association alive.
  void finish(TimePoint now);

  // How the stack has ended it, if it has.
  [[nodiscard]] bool is_acknowledged(MessageId id) const {
    return messages_[id].fate == Fate::kAcknowledged;
  }
  [[nodiscard]] bool has_failed(MessageId id) const { return messages_[id].fate == Fate::kFailed; }
  [[nodiscard]] MessageId message_of(Ppid ppid) const { return ppid.value ^ key_; }
  [[nodiscard]] const AssocRecord& record(RecordId id) const { return records_[id]; }
  [[nodiscard]] size_t record_count() const { return records_.size(); }
  [[nodiscard]] uint64_t payloads_out() const { return payloads_out_; }
  [[nodiscard]] uint64_t delivered() const { return delivered_; }
  [[nodiscard]] uint64_t accepted_count() const { return accepted_; }

 private:
  enum class Fate : uint8_t { kMade, kAccepted, kAcknowledged, kFailed, kAbandoned, kRefused };
  struct Chain {
    static constexpr uint32_t kMaxPieces = 4;
    Piece pieces[kMaxPieces];  // the first is the head that release() gets
    MessageId message = 0;
    uint32_t size = 0;
    std::unique_ptr<uint8_t[]> bytes;
    bool out = true;  // not yet released
  };
  struct Message {
    uint32_t flow = 0;
    RecordId sender = 0;
    StreamId stream;
    bool unordered = false;
    uint32_t size = 0;
    bool limited = false;
    bool unsent = false;   // given up, and nothing of it was sent
    uint32_t ordinal = 0;  // among the accepted ordered ones of its stream
    Fate fate = Fate::kMade;
    uint8_t deliveries = 0;
    uint32_t given = 0;  // bytes of a message that comes in pieces
    std::unique_ptr<Chain> chain;
  };
  // One sequence of messages, from one side between two (re)starts.
  struct Flow {
    RecordId sender = 0;
    bool bound = false;
    RecordId receiver = 0;
    uint64_t given_up = 0;                                        // and not delivered
    std::map<uint16_t, std::vector<MessageId>> accepted_ordered;  // by stream
    std::map<uint16_t, uint32_t> delivered_ordered;               // by stream: the next ordinal
    std::map<uint16_t, MessageId> open;  // given in part, by stream: one at most
  };

  void check_splice(TimePoint now, const AssocRecord& record, const Event& event);
  void release(Piece* head) noexcept override;
  RecordId find(HostIndex host, uint32_t boot, AssocId assoc) const;
  RecordId add(AssocRecord record);
  uint32_t new_flow(RecordId sender);
  void check_lifecycle(TimePoint now, AssocRecord& record, const Event& event);
  void message_event(TimePoint now, RecordId receiver, const Event& event);
  void check_order(TimePoint now, const AssocRecord& record, Flow& flow, MessageId id);
  void broken_event(TimePoint now, const AssocRecord& record);
  void send_event(TimePoint now, RecordId sender, const Event& event);
  bool check_pieces(TimePoint now, MessageId message, const Event& event, uint32_t offset);
  bool check_open(TimePoint now, const AssocRecord& record, Flow& flow, MessageId id,
                  const Event& event);
  void bind(TimePoint now, Flow& flow, uint32_t flow_id, RecordId receiver);
  void fail(TimePoint now, const AssocRecord& record, const std::string& what);
  [[nodiscard]] std::string name(MessageId message) const;

  Verdict& verdict_;
  uint32_t key_;
  TimePoint now_;
  std::deque<AssocRecord> records_;
  std::vector<Flow> flows_;
  std::deque<Message> messages_;
  std::vector<bool> crashing_ = std::vector<bool>(256, false);
  std::vector<uint64_t> pending_ = std::vector<uint64_t>(256, 0);  // by host
  std::vector<uint32_t> living_ = std::vector<uint32_t>(256, 0);   // by host
  std::set<uint16_t> hostile_ports_;
  uint32_t last_offset_ = 0;
  uint64_t payloads_out_ = 0;
  uint64_t delivered_ = 0;
  uint64_t accepted_ = 0;
};

inline constexpr RecordId kNoRecord = UINT32_MAX;

}  // namespace trunkline::sim
