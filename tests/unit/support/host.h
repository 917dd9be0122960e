// SPDX-License-Identifier: BSD-3-Clause
// One host for tests: a shard with its application. It owns the payload that it sends, writes down
// every event, and checks the promises of struct Event and of transmit() as it goes: the first one
// broken is told by violation(). Free of any test framework, for unit tests and fuzz targets alike.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../support/each_end.h"
#include "../../support/packet_digest.h"
#include "ip.h"
#include "trunkline/stack/stack.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/crc32c.h"
#include "wire/packet_writer.h"

namespace trunkline::test {

struct Packet {
  IpAddress source;
  IpAddress destination;
  std::vector<uint8_t> bytes;
  uint8_t dscp = 0;
  uint16_t fragment_size = 0;

  [[nodiscard]] wire::CommonHeader header() const { return *wire::CommonHeader::parse(bytes); }
  [[nodiscard]] std::vector<wire::ChunkView> chunks() const {
    std::vector<wire::ChunkView> out;
    wire::ChunkCursor cursor(std::span<const uint8_t>(bytes).subspan(wire::kCommonHeaderSize));
    while (const auto chunk = cursor.next()) out.push_back(*chunk);
    return out;
  }
  // "INIT ACK" or "SACK DATA DATA", for comparison and for people.
  [[nodiscard]] std::string names() const {
    std::string out;
    for (const wire::ChunkView& chunk : chunks()) {
      out += (out.empty() ? "" : " + ") + std::string(wire::chunk_name(chunk.type));
    }
    return out;
  }
  [[nodiscard]] std::optional<wire::ChunkView> find(wire::ChunkType type) const {
    for (const wire::ChunkView& chunk : chunks()) {
      if (chunk.type == type) return chunk;
    }
    return std::nullopt;
  }
};

// The application's memory: every piece that was handed out must come back once.
class Texts final : public PieceOwner {
 public:
  Payload make(std::string_view text, size_t piece_size = SIZE_MAX) {
    Piece* first = nullptr;
    Piece* last = nullptr;
    while (!text.empty()) {
      const size_t n = std::min(text.size(), piece_size);
      auto* const node = new Node{{}, std::string(text.substr(0, n))};
      node->piece = {reinterpret_cast<const uint8_t*>(node->bytes.data()), static_cast<uint32_t>(n),
                     nullptr};
      (last != nullptr ? last->next : first) = &node->piece;
      last = &node->piece;
      text.remove_prefix(n);
    }
    if (first == nullptr) return {};
    ++living_;
    return {first, this};
  }
  void release(Piece* head) noexcept override {
    --living_;
    while (head != nullptr) delete reinterpret_cast<Node*>(std::exchange(head, head->next));
  }
  [[nodiscard]] int living() const { return living_; }

 private:
  struct Node {
    Piece piece;  // first: a Piece* of ours is a Node*
    std::string bytes;
  };
  int living_ = 0;
};

// An event with its message copied.
struct Seen {
  EventKind kind{};
  Reason reason{};
  PathState path_state{};
  bool unordered = false;
  bool more = false;
  AssocId assoc;
  uint64_t user = 0;
  uint64_t context = 0;
  uint16_t cause = 0;
  StreamId stream;
  Ppid ppid;
  uint16_t outbound_streams = 0;
  uint16_t inbound_streams = 0;
  IpAddress path;
  std::string text;
  Tsn tsn;
  Ssn ssn;
  Tsn cum_tsn;
  bool started = false;
  std::string said;  // kLost, kConnectFailed: see Event::said()
};

struct HostSetup {
  std::vector<IpAddress> addresses;
  PortNumber port{5000};
  Profile profile;
  std::vector<PeerProfile> peer_profiles;
  ShardConfig shard;
  bool listening = true;
  OutOfBlue out_of_blue = OutOfBlue::kAnswer;
};

class Host {
 public:
  // With a directory of its own, or as one of several shards that share one.
  Host(uint64_t seed, const HostSetup& setup, TimePoint now, Directory* shared = nullptr)
      : random_(seed),
        directory_(make_directory(random_, 4 * setup.shard.max_associations)),
        own_(setup.addresses),
        loops_(shared == nullptr),
        shard_(std::make_unique<Shard>(setup.shard, shared != nullptr ? *shared : *directory_,
                                       random_, now)) {
    own_.insert(own_.end(), setup.shard.own_addresses.begin(), setup.shard.own_addresses.end());
    EndpointConfig config;
    config.port = setup.port;
    config.addresses = setup.addresses;
    config.profile = setup.profile;
    config.peers = std::make_shared<const PeerTable>(setup.peer_profiles);
    config.listening = setup.listening;
    config.out_of_blue = setup.out_of_blue;
    config.user = 7;
    const EndpointResult result = shard_->add_endpoint(config);
    if (result.status != Status::kOk) broken("the endpoint was refused");
    endpoint = result.endpoint;
    for (PacketOut& out : out_) {
      room_.push_back(std::vector<uint8_t>(kRoom));
      out.room = room_.back();
    }
  }

  ConnectResult connect(TimePoint now, const std::vector<IpAddress>& peers, PortNumber port,
                        const Profile* profile = nullptr, uint16_t streams = 0) {
    ConnectRequest request;
    request.endpoint = endpoint;
    request.peer_addresses = peers;
    request.peer_port = port;
    request.outbound_streams = streams;
    request.user = 11;
    request.profile = profile;
    const ConnectResult result = shard_->connect(now, request);
    if (result.status == Status::kOk) assoc = result.assoc;
    return result;
  }
  struct SendOptions {
    uint16_t stream = 0;
    bool unordered = false;
    bool sack_immediately = false;
    uint32_t ppid = 0;
    size_t piece_size = SIZE_MAX;
    Reliability reliability{};
  };
  // The context is the number of messages accepted before.
  Status send(TimePoint now, std::string_view text, const SendOptions& options) {
    return send_on(now, assoc, text, options);
  }
  Status send(TimePoint now, std::string_view text) { return send(now, text, SendOptions()); }
  Status send_on(TimePoint now, AssocId id, std::string_view text, const SendOptions& options) {
    SendRequest request;
    request.stream = StreamId(options.stream);
    request.ppid = Ppid(options.ppid);
    request.unordered = options.unordered;
    request.sack_immediately = options.sack_immediately;
    request.reliability = options.reliability;
    request.context = sent_;
    Payload payload = texts.make(text, options.piece_size);
    const Status status = shard_->send(now, id, request, payload);
    if (status == Status::kOk) {
      if (!payload.empty()) broken("an accepted payload was not taken");
      lives_[key(id)].unfinished.emplace(sent_++, std::string(text));
    } else if (payload.size() != text.size()) {
      broken("a refused payload was taken");
    }
    return status;
  }

  void receive(TimePoint now, const Packet& packet) { receive(now, std::vector<Packet>{packet}); }
  void receive(TimePoint now, const std::vector<Packet>& packets) {
    // Copies of exact size, which are gone before anything else happens.
    std::vector<std::unique_ptr<uint8_t[]>> copies;
    std::vector<PacketIn> burst;
    for (const Packet& packet : packets) {
      copies.emplace_back(new uint8_t[packet.bytes.size()]);
      std::copy(packet.bytes.begin(), packet.bytes.end(), copies.back().get());
      burst.push_back({packet.source, packet.destination,
                       std::span<const uint8_t>(copies.back().get(), packet.bytes.size()),
                       ChecksumState::kUnchecked, 0, is_own(packet.source)});
    }
    shard_->receive(now, burst);
    drain(now);
  }
  void advance(TimePoint now) {
    for (int i = 0; i < 1000 && shard_->next_deadline() <= now; ++i) shard_->advance(now);
    if (shard_->next_deadline() <= now) broken("a deadline that has passed does not go away");
    drain(now);
  }
  // What goes to an address of this host goes round, as the daemon does it, and is not returned.
  // One of several shards leaves that to the test: another shard may be the owner.
  std::vector<Packet> transmit(TimePoint now) {
    std::vector<Packet> packets = take_output(now);
    for (int round = 0; loops_; ++round) {
      std::vector<Packet> looped;
      const auto to_us = [&](const Packet& packet) { return is_own(packet.destination); };
      std::copy_if(packets.begin(), packets.end(), std::back_inserter(looped), to_us);
      if (looped.empty()) break;
      if (round == 1000) {
        broken("no end of looped packets");
        break;
      }
      packets_looped += looped.size();
      std::erase_if(packets, to_us);
      receive(now, looped);
      const std::vector<Packet> more = take_output(now);
      packets.insert(packets.end(), more.begin(), more.end());
    }
    return packets;
  }
  // Of an endpoint that was added by the test.
  void add_own(const IpAddress& address) { own_.push_back(address); }
  [[nodiscard]] bool is_own(const IpAddress& address) const {
    return address.scope() == AddressScope::kLoopback ||
           std::find(own_.begin(), own_.end(), address) != own_.end();
  }
  void drain(TimePoint now) {
    while (Event* event = shard_->next_event()) {
      test::each_end(*event, [&](Event& one) { note(now, one); });
    }
  }
  // What is kept is read: the window may open again.
  void read_kept(TimePoint now) {
    for (const auto& [id, size] : std::exchange(kept_, {})) shard_->consumed(now, id, size);
    kept_payloads_.clear();
  }

  [[nodiscard]] AssocStatus status() const { return status(assoc); }
  [[nodiscard]] AssocStatus status(AssocId id) const {
    AssocStatus out;
    if (!shard_->status(id, out)) out.state = AssocState::kClosed;
    return out;
  }
  [[nodiscard]] AssocState state() const { return status().state; }
  [[nodiscard]] uint64_t count(Counter counter) const { return shard_->counters().get(counter); }
  [[nodiscard]] size_t count(EventKind kind) const {
    return static_cast<size_t>(std::count_if(
        events.begin(), events.end(), [&](const Seen& event) { return event.kind == kind; }));
  }
  // The last event of that kind; an empty one if there was none.
  [[nodiscard]] Seen last(EventKind kind) const {
    for (auto it = events.rbegin(); it != events.rend(); ++it) {
      if (it->kind == kind) return *it;
    }
    return {};
  }
  [[nodiscard]] std::vector<std::string> messages() const {
    std::vector<std::string> out;
    for (const Seen& event : events) {
      if (event.kind == EventKind::kMessage) out.push_back(event.text);
    }
    return out;
  }

  Shard& shard() { return *shard_; }
  Directory& directory() { return *directory_; }
  [[nodiscard]] const std::string& violation() const { return violation_; }

  // The end of a test: every association is aborted; then nothing may be left anywhere.
  void finish(TimePoint now) {
    read_kept(now);
    for (const AssocId id : shard_->associations()) shard_->abort(now, id, {});
    transmit(now);
    if (shard_->association_count() != 0) broken("associations are left");
    const Shard::PoolUsage used = shard_->pool_usage();
    if (used.receive_blocks_used != 0) broken("receive blocks are left");
    if (used.chunks_used != 0) broken("chunks are left");
    if (used.messages_used != 0) broken("messages are left");
    if (used.profiles_used != 0) broken("profiles are left");
    if (count(Counter::k_curr_estab) != 0) broken("curr_estab is not zero");
    if (!shard_->next_deadline().is_never()) broken("a timer is left");
    for (const auto& [id, life] : lives_) {
      if (life.up && !life.ended) broken("an association has no last event");
    }
    shard_.reset();
    if (texts.living() != 0) broken("payload was not given back");
  }

  EndpointId endpoint;
  AssocId assoc;  // the last one that was opened or accepted
  std::vector<Seen> events;
  Texts texts;
  bool checksum_by_port = false;
  bool keep_messages = false;  // the reader is slow: see read_kept()
  uint64_t packets_looped = 0;

 private:
  static constexpr size_t kRoom = 9216;

  struct Life {
    bool up = false;
    bool failed_early = false;  // a message came back before it was up: it never will be
    bool ended = false;
    std::map<uint64_t, std::string> unfinished;  // by context
  };
  using Key = std::pair<uint32_t, uint32_t>;
  static Key key(AssocId id) { return {id.slot, id.generation}; }

  std::vector<Packet> take_output(TimePoint now) {
    std::vector<Packet> packets;
    for (PacketOut& out : out_) out.checksum_by_port = checksum_by_port;
    for (size_t n = out_.size(); n == out_.size();) {
      n = shard_->transmit(now, out_);
      for (const PacketOut& out : std::span(out_).first(n)) {
        // As a port does, which sees whole packets only.
        if (checksum_by_port && out.fragment_size == 0) {
          wire::write_checksum(out.room.first(out.length));
        }
        packets.push_back({out.source, out.destination,
                           std::vector<uint8_t>(out.room.begin(), out.room.begin() + out.length),
                           out.dscp, out.fragment_size});
        check(packets.back());
        ProcessDigest::get().add_packet(packets.back().bytes);
      }
      if (packets.size() > 100000) {
        broken("transmit() has no end");
        break;
      }
    }
    if (shard_->has_output()) broken("has_output() after all was taken");
    drain(now);
    return packets;
  }

  void broken(const std::string& what) {
    if (violation_.empty()) violation_ = what;
  }

  void check(const Packet& packet) {
    if (packet.bytes.size() < 16 || packet.bytes.size() % 4 != 0) broken("a packet's length");
    if (!wire::verify_checksum(packet.bytes)) broken("a packet's checksum");
    wire::ChunkCursor cursor(std::span<const uint8_t>(packet.bytes).subspan(12));
    while (cursor.next()) {
    }
    if (cursor.end() != wire::CursorEnd::kClean) broken("a packet's chunks");
    if (packet.source.is_none() || packet.destination.is_none()) broken("a packet's addresses");
  }

  void note(TimePoint now, Event& event) {
    Seen seen{event.kind,
              event.reason,
              event.path_state,
              event.unordered,
              event.more,
              event.assoc,
              event.user,
              event.context,
              event.cause,
              event.stream,
              event.ppid,
              event.outbound_streams,
              event.inbound_streams,
              event.path,
              {},
              event.tsn,
              event.ssn(),
              event.cum_tsn(),
              event.started,
              {}};
    for (const Piece* piece = event.pieces(); piece != nullptr; piece = piece->next) {
      seen.text.append(reinterpret_cast<const char*>(piece->data), piece->length);
    }
    if (seen.text.size() != event.size()) broken("an event's size");
    if (event.kind == EventKind::kLost || event.kind == EventKind::kConnectFailed) {
      const Event::Said said = event.said();
      for (const Piece* piece = &said.pieces; piece != nullptr; piece = piece->next) {
        seen.said.append(reinterpret_cast<const char*>(piece->data), piece->length);
      }
      seen.said.resize(said.size);
    }
    follow(seen);
    if (seen.kind == EventKind::kMessage && keep_messages) {
      if (shard_->keep(now, event)) {
        kept_.emplace_back(event.assoc, event.size());
        kept_payloads_.push_back(std::move(event.payload));
      }
    }
    event.payload.reset();
    events.push_back(std::move(seen));
  }

  // The order that struct Event promises.
  void follow(const Seen& seen) {
    Life& life = lives_[key(seen.assoc)];
    if (life.ended) broken("an event after the last one");
    switch (seen.kind) {
      case EventKind::kAccepted:
      case EventKind::kConnected:
        if (life.up) broken("up twice");
        if (life.failed_early) broken("up after a message had failed");
        life.up = true;
        assoc = seen.assoc;
        break;
      case EventKind::kConnectFailed:
        if (life.up) broken("failed to connect after it had");
        life.ended = true;
        break;
      case EventKind::kSendAcknowledged:
      case EventKind::kSendFailed: {
        const auto found = life.unfinished.find(seen.context);
        if (found == life.unfinished.end()) {
          broken("the end of a message that was not sent, or twice");
        } else {
          if (found->second != seen.text) broken("another payload came back");
          life.unfinished.erase(found);
        }
        if (!life.up && seen.kind == EventKind::kSendFailed) life.failed_early = true;
        break;
      }
      case EventKind::kClosed:
      case EventKind::kLost:
        if (!life.up) broken("closed before it was up");
        life.ended = true;
        break;
      case EventKind::kMessage:
        if (seen.text.empty()) broken("an empty message");
        break;
      case EventKind::kSenderDry:
        if (!life.unfinished.empty()) broken("dry with messages under way");
        break;
      default:
        break;
    }
    if (!life.up && !life.ended && !life.failed_early) broken("an event before the first one");
    if (life.ended && !life.unfinished.empty()) broken("ended with messages under way");
  }

  SeededRandom random_;
  DirectoryPtr directory_;
  std::vector<IpAddress> own_;
  bool loops_;
  std::map<Key, Life> lives_;
  std::vector<std::pair<AssocId, size_t>> kept_;
  std::string violation_;
  std::vector<std::vector<uint8_t>> room_;
  std::array<PacketOut, 16> out_;
  uint64_t sent_ = 0;
  std::unique_ptr<Shard> shard_;        // goes before what it uses
  std::vector<Payload> kept_payloads_;  // these lie in the shard's buffers
};

}  // namespace trunkline::test
