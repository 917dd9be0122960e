// SPDX-License-Identifier: BSD-3-Clause
// Whatever an association has been through, after a restart of its peer (RFC 9260 section 5.2.4 A)
// it says and does, packet by packet and event by event, what one does that has no past.
#include "peer_with_four.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

using enum AssocState;

class RestartedIsNew : public Peer {
 protected:
  RestartedIsNew() {
    setup.addresses = {host_address, ip("192.0.2.2")};
    setup.profile.heartbeat_interval = Duration{0};  // their jitter would differ
    setup.profile.a_rwnd = 64 * 1024;
    peer_list = {peer_address, kSecond};
  }
  // The peer, in the life that is compared: the first one, or one after another.
  void begin_life(bool restart) {
    peer_tag = VerificationTag(0x77777777);
    peer_tsn = Tsn(5000);
    peer_ssn = 0;
    peer_window = 200000;
    peer_list = {peer_address, kSecond};
    send_init();
    for (const Packet& packet : listen()) {
      if (packet.names() == "INIT ACK") take_init_ack(packet);
    }
    told_.clear();
    heard_.clear();
    since_ = now;
    tell(cookie_echo());
    first_event_ = restart ? EventKind::kRestarted : EventKind::kAccepted;
    hear_all();
    overhear(Duration{0});
    answer_heartbeats();
    hear_all();
  }

  // -- writing down what the host says
  static std::string text_of(const Packet& packet, Tsn host_first, Tsn peer_first) {
    std::string out = packet.source.to_string() + " > " + packet.destination.to_string() + " " +
                      std::to_string(packet.bytes.size());
    for (const wire::ChunkView& chunk : packet.chunks()) {
      out += ", " + std::string(wire::chunk_name(chunk.type));
      if (const auto data = wire::DataChunk::parse(chunk)) {
        out += " " + std::to_string(data->tsn.distance_from(host_first)) + " stream " +
               std::to_string(data->stream.value) + " ssn " + std::to_string(data->mid.value) +
               " flags " + std::to_string(chunk.flags) + " size " +
               std::to_string(data->payload.size());
      } else if (const auto sack = wire::SackChunk::parse(chunk)) {
        out += " " + std::to_string(sack->cum_tsn_ack.distance_from(peer_first - 1)) + " rwnd " +
               std::to_string(sack->a_rwnd) + " size " + std::to_string(chunk.value.size());
      } else if (const auto shutdown = wire::ShutdownChunk::parse(chunk)) {
        out += " " + std::to_string(shutdown->cum_tsn_ack.distance_from(peer_first - 1));
      }
    }
    return out;
  }
  void note(const std::string& what) {
    told_.push_back(std::to_string((now - since_) / milliseconds(1)) + " ms: " + what);
  }
  void hear_all() {
    for (const Packet& packet : listen()) {
      note(text_of(packet, host_tsn, Tsn(5000)));
      heard_.push_back(packet);
    }
  }
  void overhear(Duration span) {
    const TimePoint end = now + span;
    hear_all();
    while (host().shard().next_deadline() <= end) {
      now = std::max(now, host().shard().next_deadline());
      host().advance(now);
      hear_all();
    }
    now = end;
    host().advance(now);
    hear_all();
  }
  void answer_heartbeats() {
    for (const Packet& packet : std::exchange(heard_, {})) {
      const auto chunk = packet.find(ChunkType::kHeartbeat);
      if (!chunk) continue;
      const auto heartbeat = wire::HeartbeatChunk::parse(*chunk);
      host().receive(now, build(packet.destination, packet.source, peer_port, host_port, host_tag,
                                [&](PacketWriter& w) {
                                  return wire::write_heartbeat_ack(w, heartbeat->info);
                                }));
    }
  }
  void note_status() {
    const AssocStatus s = host().status();
    std::string out(state_name(s.state));
    for (const uint64_t n :
         {uint64_t{s.outbound_streams}, uint64_t{s.inbound_streams}, uint64_t{s.peer_rwnd},
          uint64_t{s.a_rwnd}, uint64_t{s.error_count}, s.queued_bytes, s.outstanding_bytes,
          uint64_t{s.next_tsn.distance_from(host_tsn)}, uint64_t{s.cum_tsn_ack.value},
          static_cast<uint64_t>((now - s.established_at).count())}) {
      out += " " + std::to_string(n);
    }
    for (const PathStatus& p : s.paths) {
      out += "; " + p.local.to_string() + " " + p.remote.to_string() + " " +
             std::string(state_name(p.state)) + (p.primary ? " primary" : "");
      for (const uint64_t n :
           {static_cast<uint64_t>(p.rto.count()), static_cast<uint64_t>(p.srtt.count()),
            uint64_t{p.cwnd}, uint64_t{p.ssthresh}, uint64_t{p.flight}, uint64_t{p.mtu},
            uint64_t{p.error_count}, p.heartbeats_sent, p.heartbeat_acks, p.t3_expirations,
            p.packets_sent, p.packets_received, p.retransmitted_chunks, p.failovers,
            static_cast<uint64_t>((now - p.state_since).count())}) {
        out += " " + std::to_string(n);
      }
    }
    note(out);
  }
  void note_events() {
    bool begun = false;
    for (const Seen& event : host().events) {
      begun = begun || event.kind == first_event_;
      if (!begun) continue;
      const bool first = event.kind == first_event_;
      note("event " + (first ? std::string("up") : std::to_string(static_cast<int>(event.kind))) +
           " " + std::to_string(static_cast<int>(event.reason)) + " " +
           std::to_string(event.outbound_streams) + " " + std::to_string(event.inbound_streams) +
           " " + event.path.to_string() + " " + event.text);
    }
  }
  void acknowledge_all(std::optional<uint32_t> window = std::nullopt) {
    tell(sack(last_tsn(), {}, window));
    hear_all();
  }
  void send(size_t size, uint16_t stream) {
    EXPECT_EQ(host().send(now, std::string(size, 'x'), {.stream = stream}), Status::kOk);
  }

  // A life that touches all that an association has; what it begins with may hide other marks.
  std::vector<std::string> live(bool in_silence) {
    note_status();
    // A message alone, and no answer: nothing rides with it, T3 is an error.
    if (in_silence) {
      send(50, 0);
      overhear(milliseconds(1500));
      note_status();
      acknowledge_all();
    }
    // Data in: the first SACK at once, then every second packet or late; gaps, duplicates, windows.
    tell_data("first");
    hear_all();
    tell_data("second");
    hear_all();
    overhear(milliseconds(300));
    tell(data({.text = std::string(3000, 'h'), .ssn = uint16_t{77}, .tsn = peer_tsn + 3}));
    hear_all();
    tell(data({.text = "again", .ssn = uint16_t{0}, .tsn = Tsn(5000)}));
    hear_all();
    note_status();
    overhear(milliseconds(300));
    // Data out: bursts, SSNs, fragments.
    for (uint16_t stream = 0; stream < 3; ++stream) send(100, stream);
    send(5000, 1);
    hear_all();
    acknowledge_all();
    const Tsn first = host().status().next_tsn;
    for (int i = 0; i < 20; ++i) send(1300, 2);
    hear_all();
    // What is behind a gap thrice is sent again at once.
    for (uint16_t end = 2; end < 5; ++end) {
      tell(sack(first - 1, {{2, end}}));
      hear_all();
    }
    note_status();
    for (int i = 0; i < 8; ++i) acknowledge_all();
    note_status();
    // Nothing is answered for a while: T3, the other path, errors.
    send(200, 0);
    overhear(seconds(8));
    note_status();
    acknowledge_all();
    // The window shuts, and is probed.
    acknowledge_all(0);
    send(200, 0);
    for (int i = 0; i < 4; ++i) {
      overhear(seconds(10));
      tell(sack(last_tsn() - 1, {}, 0));
      hear_all();
    }
    note_status();
    acknowledge_all();
    overhear(seconds(10));
    acknowledge_all();
    note_status();
    note_events();
    return told_;
  }

  std::vector<std::string> told_;
  std::vector<Packet> heard_;
  TimePoint since_;
  EventKind first_event_ = EventKind::kAccepted;
};

class RestartedFrom : public RestartedIsNew {
 public:
  void open_in_peace() {
    peer_tag = VerificationTag(0x11223344);
    peer_tsn = Tsn(1000);
    peer_ssn = 0;
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    overhear(Duration{0});
    answer_heartbeats();
    overhear(seconds(5));
  }
  // What the former life says, the new one must not.
  void expect_as_new(const std::string& name, const std::function<void()>& former) {
    SCOPED_TRACE(name);
    for (const bool in_silence : {false, true}) compare(in_silence, former);
  }
  void compare(bool in_silence, const std::function<void()>& former) {
    start_over();
    begin_life(false);
    const std::vector<std::string> fresh = live(in_silence);
    start_over();
    peer_list = {peer_address, kSecond};
    open_in_peace();
    former();
    listen();
    begin_life(true);
    const std::vector<std::string> restarted = live(in_silence);
    EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
    for (size_t i = 0; i < std::max(fresh.size(), restarted.size()); ++i) {
      const std::string was = i < fresh.size() ? fresh[i] : "";
      const std::string is = i < restarted.size() ? restarted[i] : "";
      ASSERT_EQ(is, was) << "line " << i << ", after " << (i > 0 ? fresh[i - 1] : "");
    }
  }
};

TEST_F(RestartedFrom, Peace) {
  expect_as_new("peace", [] {});
}

TEST_F(RestartedFrom, DataUnderWay) {
  expect_as_new("sent, not acknowledged", [&] {
    for (int i = 0; i < 30; ++i) send(1000, static_cast<uint16_t>(i % 3));
    hear_all();
  });
  expect_as_new("queued, one acknowledged", [&] {
    for (int i = 0; i < 30; ++i) send(1000, static_cast<uint16_t>(i % 3));
    hear_all();
    tell(sack(host_tsn));
    hear_all();
  });
  expect_as_new("fast recovery", [&] {
    for (int i = 0; i < 30; ++i) send(1300, 0);
    hear_all();
    for (uint16_t end = 2; end < 5; ++end) tell(sack(host_tsn - 1, {{2, end}}));
  });
  expect_as_new("T3, errors, the other path", [&] {
    send(1000, 0);
    overhear(seconds(20));
  });
  expect_as_new("both paths failed", [&] {
    send(1000, 0);
    overhear(seconds(60));
    ASSERT_EQ(host().state(), kEstablished);
    for (const PathStatus& path : host().status().paths) {
      ASSERT_EQ(path.state, PathState::kPotentiallyFailed) << path.remote.to_string();
    }
  });
  expect_as_new("a slow start left behind", [&] {
    for (int round = 0; round < 12; ++round) {
      for (int i = 0; i < 10; ++i) send(1400, 0);
      hear_all();
      for (int i = 0; i < 10; ++i) acknowledge_all();
    }
  });
}

TEST_F(RestartedFrom, AShutWindow) {
  expect_as_new("found shut", [&] {
    send(100, 0);
    hear_all();
    acknowledge_all(0);
    send(100, 0);
    hear_all();
  });
  expect_as_new("probed for long", [&] {
    send(100, 0);
    hear_all();
    acknowledge_all(0);
    for (int i = 0; i < 30; ++i) send(100, 0);
    for (int i = 0; i < 30; ++i) {
      overhear(seconds(10));
      acknowledge_all(0);
    }
    ASSERT_GT(host().count(Counter::k_zero_window_probes), 2u);
  });
}

TEST_F(RestartedFrom, DataThatCame) {
  expect_as_new("a SACK is owed", [&] {
    tell_data();
    hear_all();
    tell_data();
  });
  expect_as_new("gaps, duplicates, fragments, a message that waits", [&] {
    tell(data({.text = "first half", .flags = "B", .ssn = uint16_t{0}, .tsn = peer_tsn + 1}));
    tell(data({.text = "waits", .ssn = uint16_t{9}, .tsn = peer_tsn + 5}));
    tell(data({.text = "waits", .ssn = uint16_t{9}, .tsn = peer_tsn + 5}));
    hear_all();
    tell(data({.text = "waits", .ssn = uint16_t{9}, .tsn = peer_tsn + 5}));
  });
  expect_as_new("a window told that is not full", [&] {
    for (int i = 0; i < 4; ++i) {
      tell(data({.text = std::string(1400, 'w'),
                 .ssn = static_cast<uint16_t>(5 + i),
                 .tsn = peer_tsn + 2 + static_cast<uint32_t>(i)}));
    }
    hear_all();
  });
  expect_as_new("SACKs take another way", [&] {
    tell_data();
    tell(data({.text = "x", .ssn = uint16_t{0}, .tsn = peer_tsn - 1}));
    hear_all();
    tell(data({.text = "x", .ssn = uint16_t{0}, .tsn = peer_tsn - 1}));
    hear_all();
  });
}

TEST_F(RestartedFrom, PathsOfAllKinds) {
  expect_as_new("another primary", [&] {
    ASSERT_EQ(host().shard().set_primary(now, host().assoc, kSecond), Status::kOk);
    send(100, 0);
    hear_all();
    acknowledge_all();
  });
  expect_as_new("HEARTBEATs under way and due", [&] {
    for (const IpAddress& address : {peer_address, kSecond}) {
      host().shard().request_heartbeat(now, host().assoc, address);
    }
    hear_all();
    overhear(milliseconds(1500));
    for (const IpAddress& address : {peer_address, kSecond}) {
      host().shard().request_heartbeat(now, host().assoc, address);
    }
  });
  expect_as_new("an address that never answers", [&] {
    peer_list = {peer_address, kSecond};
    host().shard().abort(now, host().assoc, {});
    listen();
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    listen();
    overhear(minutes(20));
    do {  // until the last one is given up: the next may follow at once
      heard_.clear();
      overhear(host().shard().next_deadline() - now);
    } while (!heard_.empty());
    ASSERT_EQ(host().status().paths[1].state, PathState::kUnconfirmedInactive);
    heard_.clear();
    host().events.clear();
  });
  expect_as_new("a smaller path MTU", [&] {
    for (int i = 0; i < 3; ++i) send(5000, 0);
    hear_all();
    const Packet& large = *std::find_if(heard_.begin(), heard_.end(), [](const Packet& packet) {
      return packet.find(ChunkType::kData) && packet.bytes.size() > 1300;
    });
    const PacketIn sent{large.source, large.destination, large.bytes};
    host().shard().packet_too_big(now, sent, 1280);
    ASSERT_LT(host().status().paths[0].mtu, 1500u);
    hear_all();
  });
}

TEST_F(RestartedFrom, TheEndThatThePeerBegan) {
  expect_as_new("SHUTDOWN-RECEIVED", [&] {
    go_on_to(kShutdownReceived);
    ASSERT_EQ(host().state(), kShutdownReceived);
  });
}

}  // namespace
}  // namespace trunkline::test
