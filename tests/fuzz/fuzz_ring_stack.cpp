// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: clients on rings, the stack behind them and the network in front of it, in one
// sequence with jumps of time. Two clients share a worker whose pools have a handful of entries; a
// dozen peers at a few addresses call them, and are called. The bytes are what a bad client does to
// its segment, what peers send, and what time it is. A good client and a good peer talk on whatever
// happens, and when the bad client is let go nothing of it is left.
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "appring/app_ring.h"
#include "appring/bridge.h"
#include "grammar.h"
#include "ring_view.h"
#include "wire/cookie_chunk.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/heartbeat_chunk.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"
#include "wire/sack_chunk.h"
#include "wire/valueless_chunks.h"

namespace {

using namespace trunkline;
using namespace trunkline::fuzz;
using appring::Mail;
using appring::MailKind;
using appring::RingClient;

constexpr size_t kPeers = 12;
constexpr uint16_t kGoodPort = 5000;
constexpr uint16_t kBadPort = 5001;
constexpr uint32_t kMaxAssociations = 6;
constexpr uint32_t kWindow = 8192;
const IpAddress kLocal = IpAddress::ipv4(192, 0, 2, 1);

struct Peer {
  IpAddress address;
  PortNumber port;
  PortNumber host_port;
  VerificationTag tag;
  VerificationTag host_tag;
  Tsn next_tsn;  // to be sent
  uint16_t next_ssn = 0;
  Tsn acked;  // of the host's
  bool up = false;
  std::vector<uint8_t> cookie;
  std::vector<std::vector<uint8_t>> heartbeats;
  Heard heard;
  Grammar grammar;
};

class Play {
 public:
  explicit Play(Input input)
      : input_(input),
        random_(1),
        directory_(make_directory(random_, 4 * kMaxAssociations)),
        shard_(shard_config(), *directory_, random_, now_),
        bridge_(bridge_config(), shard_) {
    for (size_t i = 0; i < kPeers; ++i) {
      Peer& peer = peers_[i];
      peer.address = IpAddress::ipv4(198, 51, 100, static_cast<uint8_t>(1 + i % 4));
      peer.port = PortNumber(static_cast<uint16_t>(2905 + i / 4));
      peer.host_port = PortNumber(i % 3 == 0 ? kGoodPort : kBadPort);
      peer.tag = VerificationTag(0x10000 + static_cast<uint32_t>(i));
      peer.next_tsn = Tsn(static_cast<uint32_t>(0) - static_cast<uint32_t>(10 * i));
    }
    good_ = add();
    bad_ = add();
    View(*good_, 0).open(TLR_OP_LISTEN, kGoodPort);
    View(*bad_, 0).open(TLR_OP_LISTEN, kBadPort);
    turn();
    set_up(peers_[0]);
    FUZZ_CHECK(peers_[0].up);
    turn();
    poll_good();
    FUZZ_CHECK(good_assoc_.is_valid());
  }
  ~Play() {
    post(MailKind::kRemove, bad_.get());
    for (int i = 0; i < 4; ++i) turn();
    FUZZ_CHECK(gone_ == bad_.get());
    FUZZ_CHECK(bad_->channel(0, 0).unread_bytes() == 0);
    behave();
    // Only the good client's associations are left; its peers' messages have all been read.
    for (const AssocId id : shard_.associations()) {
      FUZZ_CHECK(bridge_.client_of(id) == good_->identity.id);
    }
    bridge_.close_all(now_, true);
    for (int i = 0; i < 4; ++i) turn();
    FUZZ_CHECK(bridge_.associations() == 0);
    FUZZ_CHECK(shard_.association_count() == 0);
    const Shard::PoolUsage used = shard_.pool_usage();
    FUZZ_CHECK(used.receive_blocks_used + used.chunks_used + used.messages_used == 0);
    FUZZ_CHECK(good_->channel(0, 0).tx_in_use() == 0);
  }

  void run() {
    for (int step = 0; step < 400 && !input_.empty(); ++step) {
      act(input_.byte());
      if (step % 8 == 7) behave();
    }
  }

 private:
  static ShardConfig shard_config() {
    ShardConfig config;
    config.max_associations = kMaxAssociations;
    config.receive_buffer_bytes = 24 * 1024;
    config.max_outstanding_chunks = 24;
    config.max_queued_messages = 24;
    config.spent_cookies = 4;
    config.own_addresses = {kLocal};
    config.inits_per_second = 0;
    config.inits_per_second_per_source = 0;
    return config;
  }
  static appring::BridgeConfig bridge_config() {
    appring::BridgeConfig config;
    config.max_associations = kMaxAssociations;
    config.local_addresses = {kLocal};
    config.burst = 8;
    config.default_profile.association_max_retrans = 4;
    config.default_profile.path_max_retrans = 2;
    config.default_profile.max_init_retransmits = 2;
    config.default_profile.a_rwnd = kWindow;
    config.default_profile.max_message_size = 6000;
    config.default_profile.send_buffer = 16 * 1024;
    config.default_profile.rto_max = std::chrono::seconds(4);
    return config;
  }
  std::unique_ptr<RingClient> add() {
    auto client = RingClient::create({++clients_, "fuzz", 1, 0, 0}, {{{1, 65535}}, true},
                                     small_rings(1), {8, 4, 16});
    FUZZ_CHECK(client != nullptr);
    post(MailKind::kAdd, client.get());
    return client;
  }
  void post(MailKind kind, RingClient* client) {
    FUZZ_CHECK(bridge_.mailbox().post_to_worker({kind, client}));
  }

  // ---------------------------------------------------------------- the worker

  void deliver() {
    while (Event* event = shard_.next_event()) bridge_.deliver(now_, *event);
  }
  void turn() {
    bridge_.drain_submissions(now_);
    deliver();
    shard_.advance(now_);
    deliver();
    transmit();
    bridge_.flush();
    Mail mail;
    while (bridge_.mailbox().take_from_worker(mail)) {
      if (mail.kind == MailKind::kGone) gone_ = mail.client;
      FUZZ_CHECK(mail.client == bad_.get());  // nobody else is at fault
    }
  }
  void transmit() {
    std::array<std::array<uint8_t, 1500>, 16> rooms;
    std::array<PacketOut, 16> out;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = PacketOut{};
      out[i].room = rooms[i];
    }
    while (const size_t n = shard_.transmit(now_, out)) {
      for (size_t i = 0; i < n; ++i) {
        const auto bytes = std::span<const uint8_t>(rooms[i]).first(out[i].length);
        FUZZ_CHECK(wire::verify_checksum(bytes));
        heard({out[i].source, out[i].destination, {bytes.begin(), bytes.end()}, 0, 0});
      }
      deliver();
    }
  }
  void heard(const test::Packet& packet) {
    for (Peer& peer : peers_) {
      if (!(packet.destination == peer.address) ||
          !(packet.header().destination_port == peer.port) ||
          !(packet.header().source_port == peer.host_port)) {
        continue;
      }
      peer.heard.note(packet);
      for (const wire::ChunkView& chunk : packet.chunks()) {
        if (chunk.type == wire::ChunkType::kInitAck) {
          const auto parsed = wire::InitChunk::parse(chunk, true);
          peer.host_tag = parsed.init.initiate_tag;
          peer.acked = parsed.init.initial_tsn - 1;
          peer.cookie.assign(parsed.init.cookie.begin(), parsed.init.cookie.end());
        } else if (chunk.type == wire::ChunkType::kCookieAck) {
          peer.up = true;
        } else if (chunk.type == wire::ChunkType::kAbort) {
          peer.up = false;
        } else if (chunk.type == wire::ChunkType::kHeartbeat) {
          peer.heartbeats.emplace_back(chunk.value.begin(), chunk.value.end());
        } else if (const auto data = wire::DataChunk::parse(chunk)) {
          if (data->tsn == peer.acked + 1) peer.acked = data->tsn;
        }
      }
    }
  }
  void give(const test::Packet& packet) {
    // A copy of its exact size.
    const std::unique_ptr<uint8_t[]> copy(new uint8_t[packet.bytes.size()]);
    std::copy(packet.bytes.begin(), packet.bytes.end(), copy.get());
    PacketIn in;
    in.source = packet.source;
    in.destination = packet.destination;
    in.bytes = {copy.get(), packet.bytes.size()};
    shard_.receive(now_, {&in, 1});
    deliver();
  }
  template <typename Write>
  void tell(const Peer& peer, VerificationTag tag, Write&& write) {
    std::vector<uint8_t> room(1400);
    wire::PacketWriter writer(room);
    writer.write_header(peer.port, peer.host_port, tag);
    if (!write(writer)) return;
    const auto bytes = writer.finish(true);
    give({peer.address, kLocal, {bytes.begin(), bytes.end()}, 0, 0});
  }

  // ---------------------------------------------------------------- peers

  void set_up(Peer& peer) {
    peer.up = false;
    const wire::InitFields fields{peer.tag, 20'000, 8, 8, peer.next_tsn};
    tell(peer, VerificationTag(0),
         [&](wire::PacketWriter& w) { return wire::write_init(w, fields, {}); });
    transmit();
    tell(peer, peer.host_tag,
         [&](wire::PacketWriter& w) { return wire::write_cookie_echo(w, peer.cookie); });
    transmit();
    peer.next_ssn = 0;
  }
  void send_data(Peer& peer, size_t size, int ahead, uint8_t flags) {
    wire::DataChunk chunk;
    chunk.beginning = (flags & 1) == 0;
    chunk.ending = (flags & 2) == 0;
    chunk.tsn = peer.next_tsn + static_cast<uint32_t>(ahead);
    chunk.mid = Mid(static_cast<uint16_t>(peer.next_ssn + ahead));
    tell(peer, peer.host_tag, [&](wire::PacketWriter& w) {
      uint8_t* const at = wire::write_data_header(w, chunk, size);
      if (at != nullptr) std::memset(at, 'd', size);
      return at != nullptr;
    });
    if (ahead == 0) {
      ++peer.next_tsn;
      if (chunk.ending) ++peer.next_ssn;
    }
  }
  void send_sack(const Peer& peer, uint32_t window) {
    tell(peer, peer.host_tag,
         [&](wire::PacketWriter& w) { return wire::write_sack(w, peer.acked, window, {}, {}); });
  }
  void answer_heartbeats(Peer& peer) {
    for (const auto& info : std::exchange(peer.heartbeats, {})) {
      tell(peer, peer.host_tag, [&](wire::PacketWriter& w) {
        uint8_t* const at = w.reserve_chunk(wire::ChunkType::kHeartbeatAck, 0, info.size());
        if (at != nullptr) std::copy(info.begin(), info.end(), at);
        return at != nullptr;
      });
    }
  }

  // ---------------------------------------------------------------- what happens

  Peer& any_bad() { return peers_[1 + input_.byte() % (kPeers - 1)]; }

  void act(uint8_t what) {
    switch (what % 20) {
      case 0:
      case 1:
      case 2:
        return View(*bad_, 0).put_nearly_right(input_, [&](uint32_t index) {
          for (const AssocId id : shard_.associations()) {
            if (id.slot == index) return id.generation;
          }
          return input_.number(1);
        });
      case 3:
      case 4:
        return View(*bad_, 0).spoil(input_, input_.byte());
      case 5:
      case 6:
      case 7:
        turn();
        return poll_good();
      case 8:
        return set_up(any_bad());
      case 9:
      case 10: {
        Peer& peer = any_bad();
        const uint8_t how = input_.byte();
        return send_data(peer, 1 + 5u * input_.byte(), how >> 4, how & 3);
      }
      case 11: {
        Peer& peer = any_bad();
        return send_sack(peer, input_.byte() * 100u);
      }
      case 12:
      case 13:
        return forge(any_bad());
      case 14:
        return answer_heartbeats(any_bad());
      case 15:
        return pass(std::chrono::milliseconds(4 * input_.byte()));
      case 16:
        return pass(std::chrono::milliseconds(100 * input_.byte()));
      case 17: {  // the bad client calls a peer
        const Peer& peer = any_bad();
        const auto address = peer.address.bytes();
        return View(*bad_, 0).open(TLR_OP_CONNECT, peer.port.value,
                                   {address[0], address[1], address[2], address[3]});
      }
      case 18:  // it begins anew
        if (lives_left_-- <= 0) return;
        post(MailKind::kRemove, bad_.get());
        for (int i = 0; i < 4; ++i) turn();
        FUZZ_CHECK(gone_ == bad_.get());
        gone_ = nullptr;
        bad_ = add();
        View(*bad_, 0).open(TLR_OP_LISTEN, kBadPort);
        return turn();
      default: {
        Peer& peer = any_bad();  // a restart
        peer.tag = VerificationTag(peer.tag.value + 0x100);
        return set_up(peer);
      }
    }
  }
  void forge(Peer& peer) {
    Victim victim;
    victim.peers = {peer.address};
    victim.locals = {kLocal};
    victim.peer_port = peer.port;
    victim.local_port = peer.host_port;
    victim.heard = &peer.heard;
    victim.now = now_;
    for (const AssocId id : shard_.associations()) {
      AssocStatus status;
      if (shard_.status(id, status) && status.peer_port == peer.port &&
          status.local_port == peer.host_port && status.paths[0].remote == peer.address) {
        victim.status = status;
      }
    }
    give(peer.grammar.packet(input_, victim));
  }
  void pass(Duration span) {
    while (span.count() > 0) {
      const Duration step = std::min<Duration>(span, std::chrono::milliseconds(500));
      span -= step;
      now_ = now_ + step;
      turn();
      keep_good_alive();
    }
  }

  // ---------------------------------------------------------------- what must hold

  void keep_good_alive() {
    answer_heartbeats(peers_[0]);
    send_sack(peers_[0], 20'000);
    poll_good();
    turn();
    poll_good();
  }
  void poll_good() {
    View(*good_, 0).poll_well([this](const tlr_completion& entry) {
      if (entry.kind == TLR_ACCEPTED && !good_assoc_.is_valid()) {
        good_assoc_ = {entry.assoc_generation, entry.assoc_index, 0};
      }
      const bool its =
          entry.assoc_index == good_assoc_.slot && entry.assoc_generation == good_assoc_.generation;
      if (its && entry.kind == TLR_MESSAGE) ++good_messages_;
      FUZZ_CHECK(!its || entry.kind != TLR_LOST);
    });
  }
  // A message in two fragments reaches the good client, and one of its own its peer.
  void behave() {
    for (int i = 0; i < 3; ++i) {
      turn();
      keep_good_alive();
    }
    const uint64_t before = good_messages_;
    send_data(peers_[0], 200, 0, 2);
    send_data(peers_[0], 200, 0, 1);
    turn();
    poll_good();
    FUZZ_CHECK(good_messages_ == before + 1);
    const Tsn acked = peers_[0].acked;
    tlr_submission send{};
    send.op = TLR_OP_SEND;
    send.assoc_index = good_assoc_.slot;
    send.assoc_generation = good_assoc_.generation;
    send.slot = 3;
    send.length = 4;
    View(*good_, 0).put(send);
    turn();
    FUZZ_CHECK(peers_[0].acked == acked + 1);
    keep_good_alive();
    // Everything was read, and the window is whole again.
    AssocStatus status;
    FUZZ_CHECK(shard_.status(good_assoc_, status));
    FUZZ_CHECK(good_->channel(0, 0).unread_bytes() == 0 && status.a_rwnd == kWindow);
  }

  Input input_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  std::array<Peer, kPeers> peers_;
  // The clients outlive the shard's payload.
  std::unique_ptr<RingClient> good_;
  std::unique_ptr<RingClient> bad_;
  SeededRandom random_;
  DirectoryPtr directory_;
  Shard shard_;
  appring::Bridge bridge_;
  RingClient* gone_ = nullptr;
  AssocId good_assoc_;
  uint64_t good_messages_ = 0;
  uint32_t clients_ = 0;
  int lives_left_ = 3;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Play(Input({data, std::min<size_t>(size, 4096)})).run();
  return 0;
}
