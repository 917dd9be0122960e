// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: what packets may cost, and whom. The bytes are what two dozen peers of a few
// endpoints do to one shard whose pools are scarce: DATA in every order, SACKs over much that is
// outstanding, set-ups and restarts, ICMP, jumps of time, with an application that sends and reads.
// Every verb is held to a price in steps (base/steps.h); nobody holds more than its window allows;
// and a peer that behaves gets its next TSN in whatever the others do.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/steps.h"
#include "fuzz_check.h"
#include "grammar.h"
#include "wire/cookie_chunk.h"
#include "wire/data_chunk.h"
#include "wire/heartbeat_chunk.h"
#include "wire/init_chunk.h"
#include "wire/sack_chunk.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace {

using namespace trunkline;
using namespace trunkline::fuzz;
using test::Host;
using test::HostSetup;
using wire::PacketWriter;

// What a verb may cost, in steps. A packet is found, looks at each of its association's paths and
// arms a timer; a chunk of DATA takes twenty bytes and the depth of two trees; what was held
// and is held no longer was paid for when it came, and goes once.
struct Price {
  static constexpr uint64_t kPerCall = 800;  // the wheel's slots among them
  static constexpr uint64_t kPerPacket = 200;
  static constexpr uint64_t kPerByte = 6;
  // More for a byte of a SACK or FORWARD TSN: two look-ups a gap block or stream, as deep as the
  // tree of chunks or of messages.
  static constexpr uint64_t kPerByteOfSack = 10;
  static constexpr uint64_t kPerMessage = 60;
  static constexpr uint64_t kPerReleased = 24;    // block, chunk or message that is held no longer,
                                                  // or TSN that the cumulative one has passed
  static constexpr uint64_t kPerSent = 4;         // DATA chunk sent: reported missing, three times
  static constexpr uint64_t kPerPathTimer = 100;  // of each path there is, when time passes
  static constexpr uint64_t kPerLost = 12;        // chunk outstanding, when time passes
};

constexpr size_t kPeers = 24;
constexpr size_t kPorts = 4;
constexpr size_t kGood = 0;  // the peer that behaves
constexpr size_t kBlock = 512;

// One of the peers, as far as it remembers anything.
struct Peer {
  std::vector<IpAddress> addresses;
  PortNumber port;
  PortNumber host_port;
  VerificationTag tag;
  VerificationTag host_tag;
  std::vector<uint8_t> cookie;
  Tsn initial_tsn;
  AssocId assoc;
  Tsn acked;  // of the host's TSNs
  test::Packet last_heard;
  std::vector<std::vector<uint8_t>> heartbeats;  // not answered yet
  Grammar grammar;
  Heard heard;
};

HostSetup host_setup(uint8_t style) {
  constexpr uint32_t kWindows[] = {4096, 16384, 65536, 262144};
  HostSetup setup;
  setup.addresses = {IpAddress::ipv4(192, 0, 2, 1), IpAddress::ipv4(192, 0, 3, 1)};
  setup.port = PortNumber(5000);
  Profile& profile = setup.profile;
  profile.a_rwnd = kWindows[style & 3];
  profile.max_message_size = std::min<uint32_t>(profile.max_message_size, profile.a_rwnd);
  profile.max_inbound_streams = profile.outbound_streams = (style & 4) != 0 ? 65535 : 64;
  profile.send_buffer = 1 << 20;
  profile.max_burst = (style & 8) != 0 ? 4 : 0;
  if ((style & 128) != 0) profile.loss_recovery = LossRecovery::kEarly;
  if ((style & 136) == 136) profile.loss_recovery = LossRecovery::kRack;
  setup.shard.max_associations = 2 * kPeers;
  setup.shard.receive_buffer_bytes = (style & 16) != 0 ? 16u << 20 : 48 * 1024;
  setup.shard.max_outstanding_chunks = (style & 32) != 0 ? 8192 : 64;
  setup.shard.max_queued_messages = (style & 64) != 0 ? 8192 : 48;
  setup.shard.spent_cookies = 8;
  setup.shard.inits_per_second_per_source = (style & 128) != 0 ? 20 : 0;
  return setup;
}

class Play {
 public:
  explicit Play(Input input)
      : input_(input), setup_(host_setup(input_.byte())), host_(1, setup_, now_) {
    for (uint16_t i = 1; i < kPorts; ++i) {
      EndpointConfig config;
      config.port = PortNumber(static_cast<uint16_t>(5000 + i));
      config.addresses = setup_.addresses;
      config.profile = setup_.profile;
      config.listening = true;
      FUZZ_CHECK(host_.shard().add_endpoint(config).status == Status::kOk);
    }
    for (size_t i = 0; i < kPeers; ++i) {
      Peer& peer = peers_[i];
      const auto number = static_cast<uint8_t>(i);
      // Several behind one address, and some with the same port at another one.
      peer.addresses = {IpAddress::ipv4(198, 51, 100, static_cast<uint8_t>(1 + number % 8)),
                        IpAddress::ipv4(203, 0, 113, static_cast<uint8_t>(1 + number))};
      peer.port = PortNumber(static_cast<uint16_t>(2905 + i / 4));
      peer.host_port = PortNumber(static_cast<uint16_t>(5000 + i % kPorts));
      peer.tag = VerificationTag(0x10000000 + static_cast<uint32_t>(i));
      peer.initial_tsn = Tsn(static_cast<uint32_t>(0) - static_cast<uint32_t>(40 * i));
    }
    set_up(peers_[kGood]);
    FUZZ_CHECK(is_up(peers_[kGood]));
  }

  void run() {
    for (int step = 0; step < 300 && !input_.empty(); ++step) {
      act(input_.byte());
      hear();
      behave();
      check_windows();
      host_.events.clear();
    }
    host_.finish(now_);
    FUZZ_CHECK(host_.violation().empty());
  }

 private:
  // ---------------------------------------------------------------- what is counted

  [[nodiscard]] uint64_t held() {
    const Shard::PoolUsage used = host_.shard().pool_usage();
    return used.receive_blocks_used + used.chunks_used + used.messages_used;
  }
  // Calls a verb that may take `allowed` steps, and as many as what it releases is worth.
  template <typename Verb>
  void within(const Peer* peer, uint64_t allowed, const char* what, Verb&& verb) {
    const uint64_t held_before = held();
    const size_t associations = host_.shard().association_count();
    const uint64_t restarts = host_.count(Counter::k_restarts);
    const Tsn reached = peer != nullptr ? status(*peer).cum_tsn_ack : Tsn();
    const uint64_t steps_before = steps_taken;
    verb();
    const uint64_t taken = steps_taken - steps_before;
    const uint64_t held_after = held();
    allowed += Price::kPerCall;
    if (held_after < held_before) allowed += Price::kPerReleased * (held_before - held_after);
    if (peer != nullptr) {
      const uint32_t passed = status(*peer).cum_tsn_ack.distance_from(reached);
      if (passed <= 65535) allowed += Price::kPerReleased * passed;
    }
    // The state of streams goes with an association; each was made by a chunk or a message.
    if (host_.shard().association_count() < associations ||
        host_.count(Counter::k_restarts) != restarts) {
      allowed += std::exchange(streams_owed_, 0);
    }
    // Whoever reports many chunks missing does so three times; then they are sent again (7.2.4).
    const uint64_t beyond = taken > allowed ? taken - allowed : 0;
    const uint64_t reported = std::min(beyond, misses_owed_);
    misses_owed_ -= reported;
    allowed += reported;
    if (taken > allowed) {
      std::fprintf(stderr, "%s: %llu steps taken, %llu allowed; held %llu before, %llu now\n", what,
                   static_cast<unsigned long long>(taken), static_cast<unsigned long long>(allowed),
                   static_cast<unsigned long long>(held_before),
                   static_cast<unsigned long long>(held_after));
    }
    FUZZ_CHECK(taken <= allowed);
    FUZZ_CHECK(host_.violation().empty());
  }
  void give(const Peer& peer, const test::Packet& packet, const char* what) {
    streams_owed_ += packet.bytes.size() / 4;
    uint64_t allowed = Price::kPerPacket + Price::kPerByte * packet.bytes.size();
    for (const wire::ChunkView& chunk : packet.chunks()) {
      if (chunk.type == wire::ChunkType::kSack || chunk.type == wire::ChunkType::kForwardTsn) {
        allowed += Price::kPerByteOfSack * chunk.value.size();
      }
    }
    within(&peer, allowed, what, [&] { host_.receive(now_, packet); });
  }

  // ---------------------------------------------------------------- packets

  template <typename Write>
  test::Packet build(const Peer& peer, VerificationTag tag, Write&& write) {
    std::vector<uint8_t> room(32768);
    PacketWriter writer(room);
    writer.write_header(peer.port, peer.host_port, tag);
    static_cast<void>(write(writer));
    const auto bytes = writer.finish(true);
    return {peer.addresses[0], setup_.addresses[0], {bytes.begin(), bytes.end()}, 0, 0};
  }
  [[nodiscard]] AssocStatus status(const Peer& peer) const { return host_.status(peer.assoc); }
  [[nodiscard]] bool is_up(const Peer& peer) const {
    return status(peer).state != AssocState::kClosed;
  }

  // What the host says now, and who hears it.
  void hear() {
    std::vector<test::Packet> packets;
    const uint64_t before = steps_taken;
    const uint64_t held_before = held();
    packets = host_.transmit(now_);
    uint64_t allowed =
        Price::kPerCall * (2 + packets.size() / 16) + Price::kPerReleased * held_before;
    for (const test::Packet& packet : packets) {
      allowed += Price::kPerPacket + Price::kPerByte * packet.bytes.size();
      for (const wire::ChunkView& chunk : packet.chunks()) {
        if (chunk.type == wire::ChunkType::kData) misses_owed_ += Price::kPerSent;
      }
      for (Peer& peer : peers_) {
        const bool its = packet.header().destination_port == peer.port &&
                         packet.header().source_port == peer.host_port &&
                         std::find(peer.addresses.begin(), peer.addresses.end(),
                                   packet.destination) != peer.addresses.end();
        if (its) heard(peer, packet);
      }
    }
    // Whoever has something to send and may not is asked, and that is all.
    allowed += Price::kPerPacket * host_.shard().association_count();
    if (steps_taken - before > allowed) {
      std::fprintf(stderr, "transmit: %llu steps taken, %llu allowed, for %zu packets\n",
                   static_cast<unsigned long long>(steps_taken - before),
                   static_cast<unsigned long long>(allowed), packets.size());
    }
    FUZZ_CHECK(steps_taken - before <= allowed);
  }
  static void heard(Peer& peer, const test::Packet& packet) {
    peer.heard.note(packet);
    peer.last_heard = packet;
    if (const auto chunk = packet.find(wire::ChunkType::kInitAck)) {
      const auto parsed = wire::InitChunk::parse(*chunk, true);
      peer.host_tag = parsed.init.initiate_tag;
      peer.acked = parsed.init.initial_tsn - 1;
      peer.cookie.assign(parsed.init.cookie.begin(), parsed.init.cookie.end());
    }
    if (const auto chunk = packet.find(wire::ChunkType::kHeartbeat)) {
      peer.heartbeats.emplace_back(chunk->value.begin(), chunk->value.end());
    }
  }

  void send_init(Peer& peer, const std::vector<IpAddress>& list, PortNumber from) {
    const wire::InitFields fields{peer.tag, 65536, 65535, 65535, peer.initial_tsn};
    Peer as = peer;
    as.port = from;
    wire::InitOptions options;
    options.forward_tsn_supported = true;
    give(as,
         build(as, VerificationTag(0),
               [&](PacketWriter& w) { return wire::write_init(w, fields, list, options); }),
         "INIT");
  }
  void echo_cookie(Peer& peer) {
    give(peer,
         build(peer, peer.host_tag,
               [&](PacketWriter& w) { return wire::write_cookie_echo(w, peer.cookie); }),
         "COOKIE ECHO");
    for (const test::Seen& event : host_.events) {
      if (event.kind == EventKind::kAccepted) peer.assoc = event.assoc;
    }
  }
  void set_up(Peer& peer) {
    send_init(peer, peer.addresses, peer.port);
    hear();
    host_.events.clear();
    echo_cookie(peer);
    hear();
  }

  // ---------------------------------------------------------------- what peers do

  Peer& any_bad() { return peers_[1 + input_.byte() % (kPeers - 1)]; }

  void act(uint8_t what) {
    switch (what % 20) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return data(any_bad());
      case 5:
      case 6:
        return sack(any_bad());
      case 7:
      case 8:
        return send(any_bad());
      case 9:
        return set_up(any_bad());
      case 10:
        return fill_hole(any_bad());
      case 11:
        return flood();
      case 12:
        return restart(any_bad());
      case 13:
        return heartbeats(any_bad());
      case 14:
        return icmp(any_bad());
      case 15:
        return pass(std::chrono::milliseconds(10 * input_.byte()));
      case 16:
        return pass(std::chrono::milliseconds(100 * input_.byte()));
      case 17:
        return end(any_bad());
      case 18:
        return everybody();
      default:
        return forge(any_bad());
    }
  }

  struct Order {
    uint8_t tsns;
    uint8_t ssns;
    uint8_t fragments;
    uint8_t streams;
    bool unordered;
    bool alone;  // one chunk a packet
    uint32_t first;
    uint32_t count;
    size_t size;
  };
  [[nodiscard]] static uint32_t place(const Order& order, uint32_t i) {
    switch (order.tsns) {
      case 0:
        return i;
      case 1:
        return order.count - 1 - i;
      case 2:
        return 2 * i;
      case 3:
        return 2 * (order.count - 1 - i);
      case 4:
        return static_cast<uint32_t>(uint64_t{i} * 7919 % order.count);
      case 5:
        return 0;
      case 6:  // from the middle outwards
        return i % 2 == 0 ? order.count / 2 + i / 2 : order.count / 2 - (i + 1) / 2;
      default:  // what fills the last hole first
        return i < order.count / 2 ? 2 * i + 1 : 2 * (order.count - 1 - i);
    }
  }
  [[nodiscard]] wire::DataChunk chunk_of(const Order& order, Tsn base, uint32_t at) const {
    wire::DataChunk chunk;
    chunk.tsn = base + order.first + at;
    chunk.unordered = order.unordered;
    const uint32_t offset = order.first + at;
    const uint32_t streams[] = {1, 2, 8, 64, 60000};
    const uint32_t count = streams[order.streams];
    chunk.stream = StreamId(static_cast<uint16_t>(offset % count));
    const uint32_t ssns[] = {offset / count, 0, 60000 - offset, offset * 7919, 32767 + offset};
    chunk.mid = Mid(static_cast<uint16_t>(ssns[order.ssns]));
    chunk.beginning = order.fragments == 0 || (order.fragments == 1 && at == 0) ||
                      (order.fragments == 3 && offset % 2 == 0);
    chunk.ending = order.fragments == 0 || (order.fragments == 1 && at + 1 == order.count) ||
                   (order.fragments == 3 && offset % 2 == 1);
    if (order.fragments != 0) {
      chunk.stream = StreamId(0);
      chunk.mid = Mid(static_cast<uint16_t>(order.fragments == 3 ? offset / 2 : 0));
    }
    return chunk;
  }
  void data(Peer& peer) {
    constexpr size_t kSizes[] = {1, 1, 1, 16, 100, 400, 440, 1200};
    const uint8_t how = input_.byte();
    const uint8_t shape = input_.byte();
    Order order{};
    order.tsns = how & 7;
    order.ssns = static_cast<uint8_t>((how >> 3 & 7) % 5);
    order.alone = (how & 64) != 0;
    order.unordered = (how & 128) != 0;
    order.fragments = shape & 3;
    order.streams = static_cast<uint8_t>((shape >> 2 & 7) % 5);
    order.size = kSizes[shape >> 5];
    order.first = input_.byte();
    if (order.first >= 128) order.first = (order.first - 127) * 250;  // up to 32,000
    order.count = 1 + 4u * input_.byte();
    send_data(peer, order);
  }
  void send_data(Peer& peer, const Order& order) {
    const Tsn base = status(peer).cum_tsn_ack + 1;
    const std::string payload(order.size, 'd');
    for (uint32_t i = 0; i < order.count;) {
      give(peer,
           build(peer, peer.host_tag,
                 [&](PacketWriter& w) {
                   for (bool first = true; i < order.count; first = false) {
                     if (!first && (order.alone || w.size() + 20 + order.size > 1400)) break;
                     const wire::DataChunk chunk = chunk_of(order, base, place(order, i));
                     ++i;
                     uint8_t* const at = wire::write_data_header(w, chunk, payload.size());
                     if (at == nullptr) return false;
                     std::copy(payload.begin(), payload.end(), at);
                   }
                   return true;
                 }),
           "DATA");
      if (i % 64 == 0) check_windows();
    }
  }
  void fill_hole(Peer& peer) {
    Order order{};
    order.size = 1;
    order.count = 1 + input_.byte() % 8u;
    order.alone = true;
    send_data(peer, order);
  }

  void sack(Peer& peer) {
    const AssocStatus now = status(peer);
    const uint32_t left = now.next_tsn.distance_from(peer.acked) - 1;  // sent and not acknowledged
    const uint8_t how = input_.byte();
    const uint32_t moves = input_.byte();
    const uint32_t wanted = input_.byte();
    if (left > 65535) return;
    peer.acked = peer.acked + std::min(left, moves * ((how & 64) != 0 ? 16 : 1));
    const uint32_t ahead = now.next_tsn.distance_from(peer.acked) - 1;
    std::vector<wire::GapBlock> gaps;
    for (uint32_t i = 0; i < wanted; ++i) {
      uint32_t start = 2 + 2 * i;
      switch (how & 7) {
        case 0:
          break;
        case 1:  // the last ones
          start = ahead > 2 * wanted ? ahead - 2 * wanted + 2 * i : 2 + 2 * i;
          break;
        case 2:  // backwards
          start = 2 + 2 * (wanted - i);
          break;
        case 3:  // far apart
          start = 2 + i * std::max<uint32_t>(2, ahead / (wanted + 1));
          break;
        default:  // overlapping
          start = 2 + i % 7;
          break;
      }
      if (start > ahead && (how & 32) == 0) continue;
      gaps.push_back({static_cast<uint16_t>(start), static_cast<uint16_t>(start)});
    }
    constexpr uint32_t kWindows[] = {1 << 20, 0, 1, 1300};
    const uint32_t window = kWindows[how >> 3 & 3];
    for (int again = (how & 128) != 0 ? 8 : 1; again > 0; --again) {
      give(
          peer,
          build(peer, peer.host_tag,
                [&](PacketWriter& w) { return wire::write_sack(w, peer.acked, window, gaps, {}); }),
          "SACK");
    }
  }

  void send(Peer& peer) {
    const uint8_t how = input_.byte();
    const uint32_t count = 1 + 8u * input_.byte();
    Host::SendOptions options;
    options.unordered = (how & 1) != 0;
    const std::string text((how & 2) != 0 ? 1 : 700, 's');
    for (uint32_t i = 0; i < count; ++i) {
      options.stream = static_cast<uint16_t>((how & 4) != 0 ? i * 31 % 64000 : 0);
      Status said{};
      streams_owed_ += 8;
      within(&peer, Price::kPerMessage, "send",
             [&] { said = host_.send_on(now_, peer.assoc, text, options); });
      if (said != Status::kOk) break;
    }
  }

  // Strangers and repeats.
  void flood() {
    Peer& peer = any_bad();
    const uint8_t how = input_.byte();
    std::vector<IpAddress> list = peer.addresses;
    if ((how & 8) != 0) list.push_back(peers_[kGood].addresses[0]);
    if ((how & 16) != 0) list.push_back(setup_.addresses[1]);
    for (uint8_t i = 0; i < (how & 32); ++i) list.push_back(IpAddress::ipv4(203, 0, 114, i));
    for (uint32_t n = 1 + input_.byte() % 64u; n > 0; --n) {
      switch (how & 3) {
        case 0:
          echo_cookie(peer);
          break;
        case 1:
          send_init(peer, list, PortNumber(static_cast<uint16_t>(10000 + n)));
          break;
        case 2:
          send_init(peer, list, peers_[kGood].port);
          break;
        default:  // out of the blue
          give(peer, build(peer, VerificationTag(n), wire::write_shutdown_ack), "out of the blue");
          break;
      }
    }
  }
  void restart(Peer& peer) {
    peer.tag = VerificationTag(peer.tag.value + 0x100);
    set_up(peer);
  }
  void heartbeats(Peer& peer) {
    const std::vector<uint8_t> info(input_.byte(), 'h');
    const uint32_t count = 1 + input_.byte() % 100u;
    give(peer,
         build(peer, peer.host_tag,
               [&](PacketWriter& w) {
                 for (uint32_t i = 0; i < count && w.size() < 1300; ++i) {
                   if (!wire::write_heartbeat(w, info)) return false;
                 }
                 return true;
               }),
         "HEARTBEAT");
    answer_heartbeats(peer);
  }
  void answer_heartbeats(Peer& peer) {
    for (const auto& info : std::exchange(peer.heartbeats, {})) {
      test::Packet packet = build(peer, peer.host_tag, [&](PacketWriter& w) {
        uint8_t* const at = w.reserve_chunk(wire::ChunkType::kHeartbeatAck, 0, info.size());
        if (at != nullptr) std::copy(info.begin(), info.end(), at);
        return at != nullptr;
      });
      give(peer, packet, "HEARTBEAT ACK");
    }
  }
  void icmp(Peer& peer) {
    if (peer.last_heard.bytes.size() < 8) return;
    const test::Packet& sent = peer.last_heard;
    const uint8_t how = input_.byte();
    const size_t quoted = (how & 1) != 0 ? sent.bytes.size() : 8;
    const PacketIn packet{sent.source, sent.destination, std::span(sent.bytes).first(quoted),
                          ChecksumState::kUnchecked, 0};
    const auto mtu = static_cast<uint16_t>(input_.byte() * 8);
    within(&peer, Price::kPerPacket + Price::kPerByte * quoted, "ICMP", [&] {
      if ((how & 6) == 6) {
        host_.shard().protocol_unreachable(now_, packet);
      } else {
        host_.shard().packet_too_big(now_, packet, mtu);
      }
      host_.drain(now_);
    });
  }
  void end(Peer& peer) {
    switch (input_.byte() % 4) {
      case 0:
        within(&peer, 0, "shutdown", [&] { host_.shard().shutdown(now_, peer.assoc); });
        return;
      case 1:
        within(&peer, 0, "abort", [&] {
          host_.shard().abort(now_, peer.assoc, {});
          host_.drain(now_);
        });
        return;
      case 2:
        give(peer,
             build(peer, peer.host_tag,
                   [&](PacketWriter& w) { return wire::write_shutdown(w, peer.acked); }),
             "SHUTDOWN");
        return;
      default:
        give(peer, build(peer, peer.host_tag, wire::write_shutdown_ack), "SHUTDOWN ACK");
        return;
    }
  }
  // The same from all at once.
  void everybody() {
    const Input kept = input_;
    const uint8_t what = input_.byte();
    for (size_t i = 1; i < kPeers; ++i) {
      input_ = kept;
      input_.byte();
      if (!is_up(peers_[i])) set_up(peers_[i]);
      if (what % 4 == 0) {
        sack(peers_[i]);
      } else if (what % 4 == 1) {
        send(peers_[i]);
      } else {
        data(peers_[i]);
      }
    }
  }
  void forge(Peer& peer) {
    Victim victim;
    victim.peers = peer.addresses;
    victim.locals = setup_.addresses;
    victim.peer_port = peer.port;
    victim.local_port = peer.host_port;
    victim.status = status(peer);
    victim.heard = &peer.heard;
    victim.now = now_;
    give(peer, peer.grammar.packet(input_, victim), "the grammar's packet");
  }

  void pass(Duration span) {
    // In steps that the peer that behaves can keep up with.
    while (span.count() > 0) {
      const Duration step = std::min<Duration>(span, std::chrono::seconds(1));
      span -= step;
      now_ = now_ + step;
      const Shard::PoolUsage used = host_.shard().pool_usage();
      const uint64_t allowed = Price::kPerPathTimer * 2 * host_.shard().association_count() +
                               Price::kPerLost * used.chunks_used;
      within(nullptr, allowed, "advance", [&] { host_.advance(now_); });
      hear();
      answer_heartbeats(peers_[kGood]);
      hear();
    }
  }

  // ---------------------------------------------------------------- what must hold

  // The good peer's next TSNs, which need memory: the two halves of a message.
  void behave() {
    Peer& good = peers_[kGood];
    for (const bool first : {true, false}) {
      const Tsn next = status(good).cum_tsn_ack + 1;
      wire::DataChunk chunk;
      chunk.tsn = next;
      chunk.mid = Mid(good_ssn_);
      chunk.beginning = first;
      chunk.ending = !first;
      const auto write = [&](PacketWriter& w) {
        uint8_t* const at = wire::write_data_header(w, chunk, 300);
        std::fill_n(at, 300, uint8_t{'g'});
        return true;
      };
      // Where all is held by unfinished messages, one of them ends once it has come in vain for a
      // while (decision 22).
      for (int tries = 0; tries < 4 && !(status(good).cum_tsn_ack == next); ++tries) {
        if (tries > 0) pass(setup_.profile.rto_min);  // as a sender does
        give(good, build(good, good.host_tag, write), "good DATA");
        FUZZ_CHECK(status(good).state == AssocState::kEstablished);
      }
      FUZZ_CHECK(status(good).cum_tsn_ack == next);
    }
    ++good_ssn_;
    hear();
    answer_heartbeats(good);
  }

  // A chunk may come in beyond the window, if it is the next one.
  void check_windows() {
    if (const char* const fault = host_.shard().receive_memory_fault()) {
      std::fprintf(stderr, "%s\n", fault);
      FUZZ_CHECK(fault == nullptr);
    }
    const uint64_t most = setup_.profile.a_rwnd + 8 * kBlock;
    const Shard::PoolUsage used = host_.shard().pool_usage();
    FUZZ_CHECK(used.receive_blocks_used * kBlock <= most * host_.shard().association_count());
    FUZZ_CHECK(used.receive_blocks_used * kBlock <= setup_.shard.receive_buffer_bytes);
    FUZZ_CHECK(used.chunks_used <= setup_.shard.max_outstanding_chunks);
    FUZZ_CHECK(used.messages_used <= setup_.shard.max_queued_messages);
  }

  Input input_;
  HostSetup setup_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  Host host_;
  std::array<Peer, kPeers> peers_;
  uint64_t streams_owed_ = 0;
  uint64_t misses_owed_ = 0;
  uint16_t good_ssn_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Play(Input({data, size})).run();
  return 0;
}
