// SPDX-License-Identifier: BSD-3-Clause
// A shard without SCTP, linked in the place of the stack's: the verbs that the bridge uses,
// associations that are joined in pairs, and messages that move when the test says so. Single-piece
// messages are delivered borrowed, from a buffer that is scribbled over afterwards; longer ones as
// a chain that the shard owns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trunkline/stack/stack.h"

namespace trunkline::test {

// Shard's verbs lead to the methods of the same names (fake_shard.cpp): every Shard is one of
// these.
class FakeShard final : public Shard, public PieceOwner {
 public:
  FakeShard();

  struct Queued {
    SendRequest request;
    Payload payload;
  };
  struct Assoc {
    AssocId id;
    EndpointId endpoint;
    uint64_t user = 0;
    uint32_t peer = 0;  // slot of the other end; kNoPeer: none
    bool up = false;
    bool shut = false;
    uint16_t outbound_streams = 0;
    size_t held = 0;  // kept bytes that nobody has consumed
    size_t unread = 0;
    size_t max_message_size = 0;
    std::deque<Queued> queue;
  };
  static constexpr uint32_t kNoPeer = 0xffffffff;

  // -- what tests set
  size_t window = 64 * 1024;  // kept and unread bytes at which an association stops receiving
  uint16_t streams = 10;      // every association gets these
  uint32_t max_associations = 64;
  bool keep_fails = false;
  bool answer_connects = true;     // false: connects stay pending until finish_connect()
  Status next_send = Status::kOk;  // the verdict of every send that is otherwise right
  std::function<void()> on_send;   // called with each of them
  Status next_endpoint = Status::kOk;
  Status next_owner = Status::kOk;
  bool hold_acknowledgements = false;
  Profile common;

  // -- what tests look at
  std::map<uint32_t, EndpointConfig> endpoints;
  std::map<uint32_t, bool> listening;
  std::map<uint32_t, Assoc> assocs;  // by slot
  std::vector<IpAddress> heartbeats;
  std::vector<IpAddress> primaries;
  std::string last_abort_reason;
  size_t aborts = 0;
  size_t shutdowns = 0;
  size_t consumed_bytes = 0;
  size_t unread_told = 0;  // times
  size_t kept_bytes = 0;
  const Profile* last_connect_profile = nullptr;
  std::vector<IpAddress> last_connect_addresses;
  uint32_t chains_out = 0;  // chains of ours that are with events

  // -- the verbs
  EndpointResult add_endpoint(const EndpointConfig& config) {
    if (next_endpoint != Status::kOk) return {next_endpoint, {}, {}};
    const uint32_t id = ++last_endpoint_;
    EndpointConfig stored = config;
    if (stored.port.value == 0) stored.port = PortNumber(next_port_++);
    endpoints[id] = stored;
    listening[id] = config.listening;
    return {Status::kOk, EndpointId(id), stored.port};
  }
  Status set_listening(EndpointId endpoint, bool on, uint64_t user,
                       const Profile* profile = nullptr) {
    if (!endpoints.contains(endpoint.value)) return Status::kNoSuchEndpoint;
    listening[endpoint.value] = on;
    endpoints[endpoint.value].user = user;
    if (profile != nullptr) endpoints[endpoint.value].profile = *profile;
    return Status::kOk;
  }
  Status own_endpoint(EndpointId endpoint, uint64_t owner) {
    if (!endpoints.contains(endpoint.value)) return Status::kNoSuchEndpoint;
    if (next_owner != Status::kOk) return next_owner;
    endpoints[endpoint.value].owner = owner;
    return Status::kOk;
  }
  Status close_endpoint(EndpointId endpoint) {
    if (endpoints.erase(endpoint.value) == 0) return Status::kNoSuchEndpoint;
    listening.erase(endpoint.value);
    return Status::kOk;
  }

  ConnectResult connect(TimePoint, const ConnectRequest& request) {
    if (assocs.size() >= max_associations) return {Status::kOutOfResources, {}};
    last_connect_profile = request.profile;
    last_connect_addresses.assign(request.peer_addresses.begin(), request.peer_addresses.end());
    Assoc& assoc = make(request.endpoint, request.user);
    assoc.outbound_streams = request.outbound_streams != 0 ? request.outbound_streams : streams;
    connect_ports_[assoc.id.slot] = request.peer_port;
    const AssocId id = assoc.id;
    if (answer_connects) finish_connect(id);
    return {Status::kOk, id};
  }
  // Joins it to a listener at its peer port, or refuses.
  void finish_connect(AssocId id) {
    Assoc& assoc = assocs.at(id.slot);
    const PortNumber port = connect_ports_[id.slot];
    for (const auto& [endpoint, config] : endpoints) {
      if (config.port != port || !listening[endpoint]) continue;
      if (assocs.size() >= max_associations) break;
      Assoc& other = make(EndpointId(endpoint), config.user);
      other.outbound_streams = assoc.outbound_streams;
      other.peer = id.slot;
      other.up = true;
      Assoc& self = assocs.at(id.slot);
      self.peer = other.id.slot;
      self.up = true;
      push_opened(EventKind::kAccepted, other, config.port, endpoints[self.endpoint.value].port);
      push_opened(EventKind::kConnected, self, endpoints[self.endpoint.value].port, config.port);
      return;
    }
    Event event = event_of(assoc, EventKind::kConnectFailed);
    event.reason = Reason::kRefused;
    events_.push_back(std::move(event));
    assocs.erase(id.slot);
  }
  // A peer that no client of the test stands behind.
  AssocId accept(EndpointId endpoint, uint64_t user) {
    Assoc& assoc = make(endpoint, user);
    assoc.up = true;
    assoc.outbound_streams = streams;
    push_opened(EventKind::kAccepted, assoc, endpoints[endpoint.value].port, PortNumber(9));
    return assoc.id;
  }

  Status send(TimePoint, AssocId id, const SendRequest& request, Payload& payload) {
    Assoc* const assoc = find(id);
    if (assoc == nullptr) return Status::kNoSuchAssociation;
    if (!assoc->up) return Status::kNotEstablished;
    if (assoc->shut) return Status::kClosing;
    if (request.stream.value >= assoc->outbound_streams) return Status::kInvalidStream;
    if (on_send) on_send();
    if (next_send != Status::kOk) return next_send;
    assoc->queue.push_back({request, std::move(payload)});
    return Status::kOk;
  }
  Status shutdown(TimePoint, AssocId id) {
    Assoc* const assoc = find(id);
    if (assoc == nullptr) return Status::kNoSuchAssociation;
    if (assoc->shut) return Status::kClosing;
    ++shutdowns;
    assoc->shut = true;
    return Status::kOk;
  }
  Status abort(TimePoint, AssocId id, std::span<const uint8_t> reason) {
    Assoc* const assoc = find(id);
    if (assoc == nullptr) return Status::kNoSuchAssociation;
    ++aborts;
    last_abort_reason.assign(reason.begin(), reason.end());
    const uint32_t peer = assoc->peer;
    end(id.slot, EventKind::kLost, Reason::kLocalAbort);
    if (!assocs.contains(peer)) return Status::kOk;
    end(peer, EventKind::kLost, Reason::kReset);
    events_.back().borrowed = !reason.empty();
    events_.back().borrowed_piece = said(last_abort_reason);
    events_.back().cause = kUserAbort;
    return Status::kOk;
  }
  Status request_heartbeat(TimePoint, AssocId id, IpAddress address) {
    if (find(id) == nullptr) return Status::kNoSuchAssociation;
    if (!address.is_unicast()) return Status::kInvalidAddress;
    heartbeats.push_back(address);
    return Status::kOk;
  }
  Status set_primary(TimePoint, AssocId id, IpAddress address) {
    if (find(id) == nullptr) return Status::kNoSuchAssociation;
    if (!address.is_unicast()) return Status::kInvalidAddress;
    primaries.push_back(address);
    return Status::kOk;
  }
  // All associations have one profile, and all addresses what was said of one.
  EditResult set_profile(AssocId id, const ProfileEdit& edit) {
    if (find(id) == nullptr) return {Status::kNoSuchAssociation};
    const Profile wanted = edit.applied_to(common);
    if (const ProfileFault fault = fault_of(wanted)) return {Status::kInvalidValue, fault};
    common = wanted;
    return {};
  }
  EditResult set_path_profile(AssocId id, IpAddress address, const PathEdit& edit) {
    if (path_profile(id, address) == nullptr) return {Status::kInvalidAddress};
    common = edit.applied_to(common);
    return {};
  }
  [[nodiscard]] const Profile* profile(AssocId id) const {
    return assocs.contains(id.slot) ? &common : nullptr;
  }
  [[nodiscard]] const Profile* path_profile(AssocId id, IpAddress address) const {
    return address.is_unicast() ? profile(id) : nullptr;
  }
  bool status(AssocId id, AssocStatus& out) const {
    const auto it = assocs.find(id.slot);
    if (it == assocs.end() || it->second.id != id) return false;
    out = AssocStatus{};
    out.state = AssocState::kEstablished;
    out.outbound_streams = it->second.outbound_streams;
    out.inbound_streams = streams;
    out.queued_bytes = it->second.queue.size();
    out.paths.resize(3);
    out.paths[2].remote = IpAddress::ipv4(192, 0, 2, 33);
    out.paths[2].cwnd = 4380;
    out.paths[2].rto = std::chrono::milliseconds(300);
    out.paths[2].state = PathState::kPotentiallyFailed;
    out.paths[2].mtu = 1400;
    out.paths[2].heartbeats_sent = 7;
    out.paths[2].failovers = 3;
    return true;
  }
  bool keep(TimePoint, Event& event) {
    if (keep_fails) {
      event.payload.reset();
      if (find(event.assoc) != nullptr) {
        end(event.assoc.slot, EventKind::kLost, Reason::kOutOfResources);
      }
      return false;
    }
    Assoc* const assoc = find(event.assoc);
    if (assoc != nullptr) assoc->held += event.size();
    kept_bytes += event.size();
    if (event.borrowed) {
      Piece* const copy = chain_of(event.borrowed_piece.data, event.borrowed_piece.length, 1 << 20);
      event.payload = Payload(copy, this);
      event.borrowed = false;
    }
    return true;
  }
  void consumed(TimePoint, AssocId id, size_t bytes) {
    consumed_bytes += bytes;
    Assoc* const assoc = find(id);
    if (assoc != nullptr) assoc->held -= std::min(assoc->held, bytes);
  }
  bool set_unread(AssocId id, uint32_t bytes) {
    ++unread_told;
    Assoc* const assoc = find(id);
    if (assoc != nullptr) assoc->unread = bytes;
    return bytes >= window / 4;
  }

  // -- driving
  // Moves queued messages to the other ends, at most `limit`; `deliver(Event&)` takes each event.
  template <typename Deliver>
  size_t run(Deliver deliver, size_t limit = SIZE_MAX) {
    drain(deliver);
    size_t moved = 0;
    for (uint32_t slot : slots()) {
      while (moved < limit && move_one(slot, deliver)) ++moved;
    }
    finish_shutdowns();
    drain(deliver);
    return moved;
  }
  // A message out of nowhere.
  template <typename Deliver>
  void inject(AssocId id, std::span<const uint8_t> bytes, uint16_t stream, uint32_t ppid,
              Deliver deliver) {
    Event event = event_of(assocs.at(id.slot), EventKind::kMessage);
    event.stream = StreamId(stream);
    event.ppid = Ppid(ppid);
    hand_over(event, bytes, deliver);
  }
  void push(AssocId id, EventKind kind, Reason reason = Reason::kNone) {
    Event event = event_of(assocs.at(id.slot), kind);
    event.reason = reason;
    events_.push_back(std::move(event));
  }
  // As the stack's: valid until the next call.
  Event* next_event() {
    if (events_.empty()) return nullptr;
    given_ = std::move(events_.front());
    events_.pop_front();
    return &given_;
  }
  void push(Event event) { events_.push_back(std::move(event)); }
  // The cause of an ABORT with that reason, in bytes that outlive all events.
  static constexpr uint16_t kUserAbort = 12;
  Piece said(const std::string& reason) {
    const auto size = static_cast<uint16_t>(4 + reason.size());
    std::string text{0, static_cast<char>(kUserAbort), static_cast<char>(size >> 8),
                     static_cast<char>(size)};
    text += reason;
    said_.push_back(text);
    return {reinterpret_cast<const uint8_t*>(said_.back().data()),
            static_cast<uint32_t>(text.size()), nullptr};
  }
  // Everything of it fails, then it ends.
  void end(uint32_t slot, EventKind kind, Reason reason) {
    Assoc& assoc = assocs.at(slot);
    for (Queued& queued : assoc.queue) fail(assoc, queued, reason);
    for (Queued& queued : unacknowledged_[slot]) fail(assoc, queued, reason);
    unacknowledged_.erase(slot);
    Event event = event_of(assoc, kind);
    event.reason = reason;
    events_.push_back(std::move(event));
    assocs.erase(slot);
  }
  void fail_queued(uint32_t slot, Reason reason) {
    Assoc& assoc = assocs.at(slot);
    for (Queued& queued : assoc.queue) fail(assoc, queued, reason);
    assoc.queue.clear();
  }

  void release(Piece* head) noexcept override {
    --chains_out;
    while (head != nullptr) {
      Piece* const next = head->next;
      delete[] head->data;
      delete head;
      head = next;
    }
  }

 private:
  Assoc& make(EndpointId endpoint, uint64_t user) {
    uint32_t slot = 0;
    while (assocs.contains(slot)) ++slot;
    Assoc& assoc = assocs[slot];
    assoc.id = AssocId{++generation_, slot, 0};
    assoc.endpoint = endpoint;
    assoc.user = user;
    assoc.peer = kNoPeer;
    return assoc;
  }
  Assoc* find(AssocId id) {
    const auto it = assocs.find(id.slot);
    return it != assocs.end() && it->second.id == id ? &it->second : nullptr;
  }
  std::vector<uint32_t> slots() const {
    std::vector<uint32_t> out;
    for (const auto& [slot, assoc] : assocs) out.push_back(slot);
    return out;
  }
  Event event_of(const Assoc& assoc, EventKind kind) const {
    Event event;
    event.kind = kind;
    event.assoc = assoc.id;
    event.endpoint = assoc.endpoint;
    event.user = assoc.user;
    return event;
  }
  void push_opened(EventKind kind, const Assoc& assoc, PortNumber local, PortNumber peer) {
    Event event = event_of(assoc, kind);
    event.outbound_streams = assoc.outbound_streams;
    event.inbound_streams = streams;
    event.local_port = local;
    event.peer_port = peer;
    event.path = IpAddress::ipv4(192, 0, 2, 7);
    events_.push_back(std::move(event));
  }
  void fail(const Assoc& assoc, Queued& queued, Reason reason) {
    Event event = event_of(assoc, EventKind::kSendFailed);
    event.reason = reason;
    event.context = queued.request.context;
    event.stream = queued.request.stream;
    event.ppid = queued.request.ppid;
    event.payload = std::move(queued.payload);
    events_.push_back(std::move(event));
  }
  Piece* chain_of(const uint8_t* data, size_t length, size_t piece_size) {
    ++chains_out;
    Piece* head = nullptr;
    Piece** tail = &head;
    for (size_t at = 0; at < length; at += piece_size) {
      const size_t n = std::min(piece_size, length - at);
      auto* const bytes = new uint8_t[n];
      std::memcpy(bytes, data + at, n);
      *tail = new Piece{bytes, static_cast<uint32_t>(n), nullptr};
      tail = &(*tail)->next;
    }
    return head;
  }
  template <typename Deliver>
  void drain(Deliver deliver) {
    while (Event* const event = next_event()) deliver(*event);
  }
  template <typename Deliver>
  void hand_over(Event& event, std::span<const uint8_t> bytes, Deliver deliver) {
    if (bytes.size() <= 1400) {
      std::vector<uint8_t> packet(bytes.begin(), bytes.end());
      event.borrowed = true;
      event.borrowed_piece = Piece{packet.data(), static_cast<uint32_t>(packet.size()), nullptr};
      deliver(event);
      std::fill(packet.begin(), packet.end(), uint8_t{0xdd});
    } else {
      event.payload = Payload(chain_of(bytes.data(), bytes.size(), 1400), this);
      deliver(event);
    }
  }
  template <typename Deliver>
  bool move_one(uint32_t slot, Deliver deliver) {
    const auto it = assocs.find(slot);
    if (it == assocs.end() || it->second.queue.empty()) return false;
    Assoc& assoc = it->second;
    const auto peer = assocs.find(assoc.peer);
    if (peer != assocs.end() && peer->second.held + peer->second.unread >= window) return false;
    // On its way: whoever ends the association meanwhile finds it there.
    std::deque<Queued>& on_its_way = unacknowledged_[slot];
    on_its_way.push_back(std::move(assoc.queue.front()));
    assoc.queue.pop_front();
    const Queued& queued = on_its_way.back();
    if (peer != assocs.end()) {
      std::vector<uint8_t> bytes(queued.payload.size());
      copy_pieces(queued.payload.head(), bytes);
      Event event = event_of(peer->second, EventKind::kMessage);
      event.stream = queued.request.stream;
      event.ppid = queued.request.ppid;
      event.unordered = queued.request.unordered;
      hand_over(event, bytes, deliver);
    }
    if (!assocs.contains(slot)) return false;  // ended by its reader
    if (!hold_acknowledgements) acknowledge(slot, deliver);
    return true;
  }
  template <typename Deliver>
  void acknowledge(uint32_t slot, Deliver deliver) {
    std::deque<Queued>& on_its_way = unacknowledged_[slot];
    Event done = event_of(assocs.at(slot), EventKind::kSendAcknowledged);
    SentMessage message;
    message.context = on_its_way.front().request.context;
    message.payload = std::move(on_its_way.front().payload);
    done.sent = &message;
    on_its_way.pop_front();
    deliver(done);
  }
  void finish_shutdowns() {
    for (const uint32_t slot : slots()) {
      const auto it = assocs.find(slot);
      if (it == assocs.end() || !it->second.shut || !it->second.queue.empty()) continue;
      const auto peer = assocs.find(it->second.peer);
      if (peer != assocs.end() && !peer->second.queue.empty()) continue;
      if (peer != assocs.end()) {
        push(peer->second.id, EventKind::kPeerShutdown);
        end(peer->first, EventKind::kClosed, Reason::kNone);
      }
      end(slot, EventKind::kClosed, Reason::kNone);
    }
  }

  std::deque<Event> events_;
  Event given_;
  std::deque<std::string> said_;
  std::map<uint32_t, PortNumber> connect_ports_;
  std::map<uint32_t, std::deque<Queued>> unacknowledged_;
  uint32_t last_endpoint_ = 0;
  uint16_t next_port_ = 49152;
  uint32_t generation_ = 0;
};

}  // namespace trunkline::test
