// SPDX-License-Identifier: BSD-3-Clause
// The ledger's rules. Messages are numbered from 0 in the order in which they were made.
#include "ledger.h"

#include <algorithm>
#include <cstring>

namespace trunkline::sim {
namespace {

constexpr uint8_t kReleasedByte = 0xdd;

uint64_t content_word(MessageId message, size_t index) {
  uint64_t z = (static_cast<uint64_t>(message) << 32) + (index + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  return z ^ (z >> 27);
}

uint8_t content_byte(MessageId message, size_t offset) {
  return static_cast<uint8_t>(content_word(message, offset / 8) >> (offset % 8 * 8));
}

const char* event_name(EventKind kind) {
  switch (kind) {
    case EventKind::kAccepted:
      return "kAccepted";
    case EventKind::kConnected:
      return "kConnected";
    case EventKind::kConnectFailed:
      return "kConnectFailed";
    case EventKind::kMessage:
      return "kMessage";
    case EventKind::kSendAcknowledged:
      return "kSendAcknowledged";
    case EventKind::kSendFailed:
      return "kSendFailed";
    case EventKind::kPeerShutdown:
      return "kPeerShutdown";
    case EventKind::kClosed:
      return "kClosed";
    case EventKind::kLost:
      return "kLost";
    case EventKind::kRestarted:
      return "kRestarted";
    case EventKind::kPathChanged:
      return "kPathChanged";
    case EventKind::kRemoteError:
      return "kRemoteError";
    case EventKind::kSenderDry:
      return "kSenderDry";
    case EventKind::kPrimaryChanged:
      return "kPrimaryChanged";
    case EventKind::kRestartRefused:
      return "kRestartRefused";
    case EventKind::kAdaptation:
      return "kAdaptation";
    case EventKind::kMessageBroken:
      return "kMessageBroken";
  }
  return "?";
}

}  // namespace

void fill_content(MessageId message, size_t offset, std::span<uint8_t> out) {
  size_t i = 0;
  for (; i < out.size() && (offset + i) % 8 != 0; ++i) out[i] = content_byte(message, offset + i);
  for (; i + 8 <= out.size(); i += 8) {
    const uint64_t word = content_word(message, (offset + i) / 8);
    std::memcpy(out.data() + i, &word, 8);
  }
  for (; i < out.size(); ++i) out[i] = content_byte(message, offset + i);
}

size_t compare_content(MessageId message, size_t offset, std::span<const uint8_t> piece) {
  size_t i = 0;
  for (; i < piece.size(); ++i) {
    while ((offset + i) % 8 == 0 && i + 8 <= piece.size()) {
      const uint64_t word = content_word(message, (offset + i) / 8);
      if (std::memcmp(piece.data() + i, &word, 8) != 0) break;
      i += 8;
    }
    if (i == piece.size()) break;
    if (piece[i] != content_byte(message, offset + i)) return i;
  }
  return piece.size();
}

Ledger::~Ledger() = default;

void Ledger::fail(TimePoint now, const AssocRecord& record, const std::string& what) {
  verdict_.fail(now, "host " + std::to_string(record.host) + " port " +
                         std::to_string(record.local_port.value) + " to " +
                         std::to_string(record.peer_port.value) + ": " + what);
}

std::string Ledger::name(MessageId message) const {
  const Message& m = messages_[message];
  return "message " + std::to_string(message) + " (stream " + std::to_string(m.stream.value) +
         (m.unordered ? ", unordered, " : ", ordered, ") + std::to_string(m.size) + " bytes)";
}

RecordId Ledger::find(HostIndex host, uint32_t boot, AssocId assoc) const {
  for (RecordId id = static_cast<RecordId>(records_.size()); id-- > 0;) {
    const AssocRecord& record = records_[id];
    if (record.host == host && record.boot == boot && record.assoc == assoc) return id;
  }
  return kNoRecord;
}

uint32_t Ledger::new_flow(RecordId sender) {
  flows_.emplace_back();
  flows_.back().sender = sender;
  return static_cast<uint32_t>(flows_.size() - 1);
}

RecordId Ledger::add(AssocRecord record) {
  const auto id = static_cast<RecordId>(records_.size());
  record.flow = new_flow(id);
  record.hostile = is_hostile(record.local_port.value, record.peer_port.value);
  ++living_[record.host];
  records_.push_back(record);
  return id;
}

RecordId Ledger::connecting(TimePoint now, HostIndex host, uint32_t boot, AssocId assoc,
                            PortNumber local_port, HostIndex peer_host, PortNumber peer_port) {
  now_ = now;
  AssocRecord record;
  record.host = host;
  record.peer_host = peer_host;
  record.boot = boot;
  record.assoc = assoc;
  record.local_port = local_port;
  record.peer_port = peer_port;
  record.connecting = true;
  record.connector = true;
  if (!assoc.is_valid()) fail(now, record, "connect() gave the invalid id");
  if (find(host, boot, assoc) != kNoRecord) fail(now, record, "connect() gave a used id again");
  return add(record);
}

void Ledger::host_crashing(HostIndex host) {
  crashing_[host] = true;
}

void Ledger::host_crashed(TimePoint now, HostIndex host) {
  now_ = now;
  crashing_[host] = false;
  pending_[host] = 0;
  living_[host] = 0;
  for (AssocRecord& record : records_) {
    if (record.host == host && record.ended == Ended::kNot) {
      record.ended = Ended::kCrashed;
      record.pending = 0;
    }
  }
  for (const Message& message : messages_) {
    if (message.chain && message.chain->out && message.fate != Fate::kMade &&
        records_[message.sender].host == host) {
      verdict_.fail(now, "the shard was destroyed and did not release the payload of " +
                             name(message.chain->message));
    }
  }
}

Ledger::Outgoing Ledger::make(RecordId sender, StreamId stream, bool unordered, uint32_t size,
                              uint32_t pieces) {
  const auto id = static_cast<MessageId>(messages_.size());
  Message message;
  message.flow = records_[sender].flow;
  message.sender = sender;
  message.stream = stream;
  message.unordered = unordered;
  message.size = size;
  message.chain = std::make_unique<Chain>();
  Chain& chain = *message.chain;
  chain.message = id;
  chain.size = size;
  chain.bytes = std::make_unique<uint8_t[]>(size);
  fill_content(id, 0, {chain.bytes.get(), size});
  pieces = std::clamp(pieces, 1u, std::min(Chain::kMaxPieces, size));
  uint32_t at = 0;
  for (uint32_t i = 0; i < pieces; ++i) {
    // Uneven pieces, so that fragments straddle them.
    const uint32_t left = size - at;
    const uint32_t length = i + 1 == pieces ? left : std::max(1u, left / (pieces - i + 1));
    chain.pieces[i] = {chain.bytes.get() + at, length,
                       i + 1 == pieces ? nullptr : &chain.pieces[i + 1]};
    at += length;
  }
  Outgoing out;
  out.message = id;
  out.request.stream = stream;
  out.request.unordered = unordered;
  out.request.ppid = Ppid(id ^ key_);
  out.request.context = (static_cast<uint64_t>(~id) << 32) | id;
  out.payload = Payload(&chain.pieces[0], this);
  ++payloads_out_;
  messages_.push_back(std::move(message));
  return out;
}

void Ledger::copied(Outgoing& outgoing) {
  outgoing.payload.reset();
  messages_[outgoing.message].chain.reset();
}

void Ledger::accepted(TimePoint now, const Outgoing& outgoing) {
  now_ = now;
  Message& message = messages_[outgoing.message];
  AssocRecord& record = records_[message.sender];
  if (!outgoing.payload.empty()) fail(now, record, "send() answered kOk and left the payload");
  message.fate = Fate::kAccepted;
  message.flow = record.flow;
  if (!message.unordered) {
    auto& ordered = flows_[message.flow].accepted_ordered[message.stream.value];
    message.ordinal = static_cast<uint32_t>(ordered.size());
    ordered.push_back(outgoing.message);
  }
  ++record.pending;
  ++pending_[record.host];
  ++record.accepted;
  ++accepted_;
  record.dry_promised = false;
}

void Ledger::refused(TimePoint now, Outgoing& outgoing) {
  now_ = now;
  Message& message = messages_[outgoing.message];
  if (message.chain && outgoing.payload.head() != &message.chain->pieces[0]) {
    fail(now, records_[message.sender], "send() refused a message and took its payload");
  }
  message.fate = Fate::kRefused;
  outgoing.payload.reset();
}

void Ledger::release(Piece* head) noexcept {
  // The head is the first member of its chain.
  Chain& chain = *reinterpret_cast<Chain*>(head);
  Message& message = messages_[chain.message];
  if (!chain.out) {
    verdict_.fail(now_, "payload released twice: " + name(chain.message));
    return;
  }
  chain.out = false;
  --payloads_out_;
  if (message.fate == Fate::kAccepted && !crashing_[records_[message.sender].host]) {
    verdict_.fail(now_, "payload released without an event: " + name(chain.message));
  }
  // Whoever still reads it gets nonsense, or an address sanitizer's report.
  std::memset(chain.bytes.get(), kReleasedByte, chain.size);
  chain.bytes.reset();
}

RecordId Ledger::event(TimePoint now, HostIndex host, uint32_t boot, const Event& event,
                       HostIndex peer_host) {
  now_ = now;
  RecordId id = find(host, boot, event.assoc);
  if (id == kNoRecord) {
    AssocRecord record;
    record.host = host;
    record.peer_host = peer_host;
    record.boot = boot;
    record.assoc = event.assoc;
    record.local_port = event.local_port;
    record.peer_port = event.peer_port;
    if (event.kind != EventKind::kAccepted) {
      fail(now, record, std::string(event_name(event.kind)) + " for an unknown association");
      return kNoRecord;
    }
    id = add(record);
  }
  AssocRecord& record = records_[id];
  check_lifecycle(now, record, event);
  if (event.kind == EventKind::kMessage) {
    message_event(now, id, event);
  } else if (event.kind == EventKind::kSendAcknowledged || event.kind == EventKind::kSendFailed) {
    send_event(now, id, event);
  } else if (event.kind == EventKind::kMessageBroken) {
    broken_event(now, record);
  } else if (event.kind == EventKind::kRestarted) {
    ++record.restarts;
    record.flow = new_flow(id);
    record.peer_flow = 0;
  }
  return id;
}

void Ledger::check_lifecycle(TimePoint now, AssocRecord& record, const Event& event) {
  const std::string what = event_name(event.kind);
  if (record.ended != Ended::kNot) {
    return fail(now, record, what + " after the association's last event");
  }
  switch (event.kind) {
    case EventKind::kAccepted:
    case EventKind::kConnected:
      if (record.established) return fail(now, record, what + " twice");
      if ((event.kind == EventKind::kConnected) != record.connector) {
        return fail(now, record, what + " on the wrong side");
      }
      record.established = true;
      record.connecting = false;
      record.outbound_streams = event.outbound_streams;
      record.inbound_streams = event.inbound_streams;
      if (event.outbound_streams == 0 || event.inbound_streams == 0) {
        fail(now, record, what + " without streams");
      }
      if (event.local_port != record.local_port || event.peer_port != record.peer_port) {
        fail(now, record, what + " with wrong ports");
      }
      return;
    case EventKind::kConnectFailed:
      if (!record.connecting) fail(now, record, what + " though it was set up or accepted");
      record.ended = Ended::kConnectFailed;
      break;
    case EventKind::kClosed:
      record.ended = Ended::kClosed;
      break;
    case EventKind::kLost:
      record.ended = Ended::kLost;
      break;
    case EventKind::kSendFailed:
      return;  // also of a connect that fails
    case EventKind::kSenderDry:
      if (record.pending > 0) fail(now, record, "kSenderDry with messages pending");
      return;
    case EventKind::kRestarted:
      if (event.outbound_streams == 0 || event.inbound_streams == 0) {
        fail(now, record, what + " without streams");
      }
      if (record.pending > 0) fail(now, record, what + " before the messages were given back");
      record.outbound_streams = event.outbound_streams;
      record.inbound_streams = event.inbound_streams;
      [[fallthrough]];
    default:
      if (!record.established) fail(now, record, what + " before kAccepted or kConnected");
      return;
  }
  --living_[record.host];
  record.reason = event.reason;
  if (event.kind != EventKind::kConnectFailed && !record.established) {
    fail(now, record, what + " before kAccepted or kConnected");
  }
  if (event.kind != EventKind::kClosed && event.reason == Reason::kNone) {
    fail(now, record, what + " without a reason");
  }
  if (record.pending > 0) {
    fail(now, record,
         what + " with " + std::to_string(record.pending) +
             " accepted messages that have not ended");
  }
}

bool Ledger::check_pieces(TimePoint now, MessageId message, const Event& event, uint32_t offset) {
  size_t at = offset;
  for (const Piece* piece = event.pieces(); piece != nullptr; piece = piece->next) {
    const size_t good = compare_content(message, at, {piece->data, piece->length});
    if (good < piece->length) {
      verdict_.fail(now, name(message) + ": content differs at byte " + std::to_string(at + good));
      return false;
    }
    at += piece->length;
    if (event.borrowed) break;
  }
  const bool ends = at == messages_[message].size;
  if (at != offset + event.size() || (event.more ? at > messages_[message].size : !ends)) {
    verdict_.fail(now, name(message) + ": " + std::to_string(at) + " bytes arrived");
    return false;
  }
  return true;
}

void Ledger::bind(TimePoint now, Flow& flow, uint32_t flow_id, RecordId receiver) {
  AssocRecord& to = records_[receiver];
  const AssocRecord& from = records_[flow.sender];
  if (!flow.bound && to.peer_flow == 0) {
    if (from.peer_host != to.host || to.peer_host != from.host || from.peer_port != to.local_port ||
        from.local_port != to.peer_port) {
      fail(now, to, "got a message that was sent to somebody else");
    }
    flow.bound = true;
    flow.receiver = receiver;
    to.peer_flow = flow_id;
  }
  if (flow.receiver != receiver || to.peer_flow != flow_id) {
    fail(now, to, "got a message of another association or from before a restart");
  }
}

void Ledger::message_event(TimePoint now, RecordId receiver, const Event& event) {
  AssocRecord& record = records_[receiver];
  if (record.hostile) return check_splice(now, record, event);
  const MessageId id = event.ppid.value ^ key_;
  if (id >= messages_.size()) return fail(now, record, "got a message that nobody sent");
  Message& message = messages_[id];
  Flow& flow = flows_[message.flow];
  if (message.fate == Fate::kMade || message.fate == Fate::kRefused) {
    return fail(now, record, "got " + name(id) + ", which was not accepted");
  }
  bind(now, flow, message.flow, receiver);
  if (message.deliveries > 0) return fail(now, record, "got twice: " + name(id));
  if (event.stream != message.stream || event.unordered != message.unordered) {
    return fail(now, record,
                "on stream " + std::to_string(event.stream.value) +
                    (event.unordered ? ", unordered: " : ", ordered: ") + name(id));
  }
  if (!check_open(now, record, flow, id, event)) return;
  if (message.unsent) return fail(now, record, "got what was given up unsent: " + name(id));
  if (!message.unordered && last_offset_ == 0) check_order(now, record, flow, id);
  if (!event.more) ++message.deliveries;
  if (!event.more && message.fate == Fate::kAbandoned) --flow.given_up;
  if (!check_pieces(now, id, event, last_offset_) || event.more) return;
  ++record.received;
  ++delivered_;
}

// Nothing but what was given up is passed.
void Ledger::check_order(TimePoint now, const AssocRecord& record, Flow& flow, MessageId id) {
  const Message& message = messages_[id];
  const auto& ordered = flow.accepted_ordered[message.stream.value];
  uint32_t& next = flow.delivered_ordered[message.stream.value];
  while (next < message.ordinal && messages_[ordered[next]].fate == Fate::kAbandoned) ++next;
  if (message.ordinal != next) {
    return fail(now, record,
                "out of order: " + name(id) + " is number " + std::to_string(message.ordinal) +
                    " of its stream, expected " + std::to_string(next));
  }
  ++next;
}

// The message that is given in pieces has no end: it was given up, unless the association ends.
void Ledger::broken_event(TimePoint now, const AssocRecord& record) {
  if (record.peer_flow == 0) return;
  Flow& flow = flows_[record.peer_flow];
  if (flow.open.empty() && !record.hostile) fail(now, record, "kMessageBroken, and none was open");
  flow.open.clear();
}

// Of a stream one message is given at a time, and of an association one in pieces.
bool Ledger::check_open(TimePoint now, const AssocRecord& record, Flow& flow, MessageId id,
                        const Event& event) {
  Message& message = messages_[id];
  const auto open = flow.open.find(message.stream.value);
  if (open != flow.open.end() && open->second != id) {
    fail(now, record, "between pieces of " + name(open->second) + ": " + name(id));
    return false;
  }
  if (event.more && open == flow.open.end() && !flow.open.empty()) {
    fail(now, record, "two messages in pieces at once: " + name(id));
    return false;
  }
  last_offset_ = message.given;
  message.given += static_cast<uint32_t>(event.size());
  if (event.more) {
    flow.open[message.stream.value] = id;
  } else {
    flow.open.erase(message.stream.value);
  }
  return true;
}

std::array<uint8_t, kMarkSize> intruder_mark(uint16_t stream, uint16_t ssn, bool unordered) {
  return {0xb0,
          0x05,
          unordered ? uint8_t{1} : uint8_t{0},
          static_cast<uint8_t>(stream >> 8),
          static_cast<uint8_t>(stream),
          static_cast<uint8_t>(ssn >> 8),
          static_cast<uint8_t>(ssn),
          0x5a};
}

// A message that consists of an intruder's fragments only: all must be of one message (6.9).
void Ledger::check_splice(TimePoint now, const AssocRecord& record, const Event& event) {
  if (event.size() % kMarkSize != 0) return;
  std::vector<uint8_t> bytes;
  for (const Piece* piece = event.pieces(); piece != nullptr; piece = piece->next) {
    bytes.insert(bytes.end(), piece->data, piece->data + piece->length);
    if (event.borrowed) break;
  }
  for (size_t at = 0; at < bytes.size(); at += kMarkSize) {
    if (bytes[at] != 0xb0 || bytes[at + 1] != 0x05 || bytes[at + 7] != 0x5a) return;
  }
  for (size_t at = kMarkSize; at < bytes.size(); at += kMarkSize) {
    if (std::equal(bytes.begin(), bytes.begin() + kMarkSize,
                   bytes.begin() + static_cast<ptrdiff_t>(at))) {
      continue;
    }
    return fail(now, record, "fragments of different messages were joined (section 6.9)");
  }
}

void Ledger::check_kept(TimePoint now, RecordId record, const Event& event, uint32_t offset) {
  now_ = now;
  if (event.borrowed) verdict_.fail(now, "keep() left the message borrowed");
  if (records_[record].hostile) return;
  static_cast<void>(check_pieces(now, event.ppid.value ^ key_, event, offset));
}

void Ledger::send_event(TimePoint now, RecordId sender, const Event& event) {
  AssocRecord& record = records_[sender];
  const bool acknowledged = event.kind == EventKind::kSendAcknowledged;
  const auto id = static_cast<MessageId>(event.context);
  if (id >= messages_.size() || event.context >> 32 != static_cast<MessageId>(~id)) {
    return fail(now, record, "a send event with an unknown context");
  }
  Message& message = messages_[id];
  if (message.sender != sender) {
    return fail(now, record, "a send event of another association: " + name(id));
  }
  if (message.fate != Fate::kAccepted) {
    return fail(now, record, "a second end, or the end of what was refused: " + name(id));
  }
  if (message.chain && event.payload.head() != &message.chain->pieces[0]) {
    return fail(now, record, "the event did not bring the payload back: " + name(id));
  }
  const bool abandoned = !acknowledged && event.reason == Reason::kAbandoned;
  message.fate = acknowledged ? Fate::kAcknowledged : abandoned ? Fate::kAbandoned : Fate::kFailed;
  message.unsent = abandoned && !event.started;
  if (abandoned && !message.limited) fail(now, record, "given up without a limit: " + name(id));
  if (message.unsent && message.deliveries > 0) {
    fail(now, record, "delivered, and given up as unsent: " + name(id));
  }
  if (abandoned && message.deliveries == 0) ++flows_[message.flow].given_up;
  --record.pending;
  --pending_[record.host];
  ++(acknowledged ? record.acknowledged : abandoned ? record.abandoned : record.failed);
  if (acknowledged && message.deliveries == 0 && !record.hostile) {
    fail(now, record, "acknowledged and not delivered: " + name(id));
  }
  if (!acknowledged && event.reason == Reason::kNone) {
    fail(now, record, "failed without a reason: " + name(id));
  }
}

uint64_t Ledger::given_up_to(RecordId id) const {
  const AssocRecord& to = records_[id];
  for (RecordId at = static_cast<RecordId>(records_.size()); at-- > 0;) {
    const AssocRecord& from = records_[at];
    if (at != id && from.host == to.peer_host && from.peer_host == to.host &&
        from.local_port == to.peer_port && from.peer_port == to.local_port) {
      return flows_[from.flow].given_up;
    }
  }
  return 0;
}

void Ledger::must_have_delivered_all(TimePoint now, RecordId record_id) {
  const AssocRecord& record = records_[record_id];
  if (record.hostile) return;
  for (MessageId id = 0; id < messages_.size(); ++id) {
    const Message& message = messages_[id];
    if (message.sender != record_id || message.fate == Fate::kRefused) continue;
    if (message.fate == Fate::kAbandoned) continue;
    if (message.deliveries != 1) return fail(now, record, "never delivered: " + name(id));
    if (message.fate != Fate::kAcknowledged) {
      return fail(now, record, "delivered and not acknowledged: " + name(id));
    }
  }
}

void Ledger::finish(TimePoint now) {
  for (const AssocRecord& record : records_) {
    if (record.ended == Ended::kNot) fail(now, record, "the association has not ended");
  }
  for (const Message& message : messages_) {
    if (message.chain && message.chain->out) {
      verdict_.fail(now, "payload never came back: " + name(message.chain->message));
    }
  }
}

}  // namespace trunkline::sim
