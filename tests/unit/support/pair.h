// SPDX-License-Identifier: BSD-3-Clause
// Fixtures for tests of associations. Pair: two hosts in conversation, in a time that only jumps,
// with packets that may be eaten on the way. Peer: a host talks to packets made by hand.
#pragma once

#include <gtest/gtest.h>

#include "host.h"
#include "wire/cause.h"
#include "wire/cookie_chunk.h"
#include "wire/data_chunk.h"
#include "wire/init_chunk.h"
#include "wire/sack_chunk.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace trunkline::test {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using wire::CauseCode;
using wire::ChunkType;
using wire::PacketWriter;
using Write = std::function<bool(PacketWriter&)>;

inline constexpr TimePoint kStart = TimePoint::from_ns(1'000'000'000);

inline Packet build(IpAddress source, IpAddress destination, PortNumber source_port,
                    PortNumber destination_port, VerificationTag tag, const Write& write) {
  std::vector<uint8_t> room(65536);
  PacketWriter writer(room);
  writer.write_header(source_port, destination_port, tag);
  EXPECT_TRUE(write(writer));
  const auto bytes = writer.finish(true);
  return {source, destination, std::vector<uint8_t>(bytes.begin(), bytes.end()), 0, 0};
}

// "INIT ACK, SACK + DATA": the packets, and the chunks in each.
inline std::string names(const std::vector<Packet>& packets) {
  std::string out;
  for (const Packet& packet : packets) out += (out.empty() ? "" : ", ") + packet.names();
  return out;
}

// The causes of the packet's ABORT or ERROR chunk.
inline std::vector<CauseCode> causes(const Packet& packet) {
  std::vector<CauseCode> out;
  for (const wire::ChunkView& chunk : packet.chunks()) {
    if (chunk.type != ChunkType::kAbort && chunk.type != ChunkType::kError) continue;
    wire::CauseCursor cursor(chunk.value);
    while (const auto cause = cursor.next()) out.push_back(cause->code);
  }
  return out;
}

inline std::vector<wire::DataChunk> data_of(const Packet& packet) {
  std::vector<wire::DataChunk> out;
  for (const wire::ChunkView& chunk : packet.chunks()) {
    if (const auto data = wire::DataChunk::parse(chunk)) out.push_back(*data);
  }
  return out;
}

// The parameters of the packet's INIT or INIT ACK, as views into the packet.
inline std::vector<wire::ParameterView> parameters_of(const Packet& packet) {
  std::vector<wire::ParameterView> out;
  for (const wire::ChunkView& chunk : packet.chunks()) {
    if (chunk.type != ChunkType::kInit && chunk.type != ChunkType::kInitAck) continue;
    wire::ParameterCursor cursor(chunk.value.subspan(wire::kInitHeaderSize - 4));
    while (const auto parameter = cursor.next()) out.push_back(*parameter);
    EXPECT_EQ(cursor.end(), wire::CursorEnd::kClean);
  }
  return out;
}

// An INIT or INIT ACK with these bytes behind its fixed part.
inline Write raw_init(const wire::InitFields& fields, std::vector<uint8_t> parameters,
                      ChunkType type = ChunkType::kInit, uint8_t flags = 0) {
  return [=](PacketWriter& w) {
    uint8_t* const at = w.reserve_chunk(type, flags, 16 + parameters.size());
    if (at == nullptr) return false;
    store_be32(at, fields.initiate_tag.value);
    store_be32(at + 4, fields.a_rwnd);
    store_be16(at + 8, fields.outbound_streams);
    store_be16(at + 10, fields.inbound_streams);
    store_be32(at + 12, fields.initial_tsn.value);
    std::copy(parameters.begin(), parameters.end(), at + 16);
    return true;
  };
}

class Pair : public ::testing::Test {
 protected:
  Pair() {
    a_setup.addresses = {ip("192.0.2.1")};
    a_setup.port = PortNumber(5001);
    a_setup.listening = false;
    z_setup.addresses = {ip("192.0.2.26")};
    z_setup.port = PortNumber(5026);
  }
  void TearDown() override {
    for (auto& host : {std::ref(a_), std::ref(z_)}) {
      if (!host.get()) continue;
      host.get()->finish(now);
      EXPECT_EQ(host.get()->violation(), "");
    }
  }
  // Made when first asked for, from the setup as it is then.
  Host& a() {
    if (!a_) a_ = std::make_unique<Host>(1, a_setup, now);
    return *a_;
  }
  Host& z() {
    if (!z_) z_ = std::make_unique<Host>(26, z_setup, now);
    return *z_;
  }
  // The host forgets everything without a word, and begins again.
  void crash_a() {
    a_->finish(now);
    EXPECT_EQ(a_->violation(), "");
    a_ = std::make_unique<Host>(100 + ++crashes_, a_setup, now);
  }

  ConnectResult dial() { return a().connect(now, {z_setup.addresses[0]}, z_setup.port); }
  void connect() {
    z();
    ASSERT_EQ(dial().status, Status::kOk);
    exchange();
    ASSERT_EQ(a().state(), AssocState::kEstablished);
    ASSERT_EQ(z().state(), AssocState::kEstablished);
  }
  // Packets go both ways until both hosts are silent. What `eats` is true for is lost.
  void exchange() {
    for (int round = 0; round < 10000; ++round) {
      const std::vector<Packet> from_a = a().transmit(now);
      const std::vector<Packet> from_z = z().transmit(now);
      if (from_a.empty() && from_z.empty()) return;
      carry(from_a, 'a', z());
      carry(from_z, 'z', a());
    }
    FAIL() << "no end of packets";
  }
  void carry(const std::vector<Packet>& packets, char from, Host& to) {
    for (const Packet& packet : packets) {
      trace.push_back(std::string(1, from) + ": " + packet.names());
      wire.push_back(packet);
      if (!eats || !eats(packet)) to.receive(now, packet);
    }
  }
  // Time passes, from deadline to deadline.
  void run(Duration span) {
    const TimePoint end = now + span;
    exchange();
    for (int i = 0; i < 100000; ++i) {
      const TimePoint next = std::min(a().shard().next_deadline(), z().shard().next_deadline());
      if (next > end) break;
      now = std::max(now, next);
      a().advance(now);
      z().advance(now);
      exchange();
    }
    now = end;
  }
  void forget_trace() {
    trace.clear();
    wire.clear();
  }
  // Packets that nobody sent, as if from A or from Z.
  Packet from_a(VerificationTag tag, const Write& write) const {
    return build(a_setup.addresses[0], z_setup.addresses[0], a_setup.port, z_setup.port, tag,
                 write);
  }
  Packet from_z(VerificationTag tag, const Write& write) const {
    return build(z_setup.addresses[0], a_setup.addresses[0], z_setup.port, a_setup.port, tag,
                 write);
  }

  TimePoint now = kStart;
  HostSetup a_setup;
  HostSetup z_setup;
  std::function<bool(const Packet&)> eats;
  std::vector<std::string> trace;
  std::vector<Packet> wire;

 private:
  std::unique_ptr<Host> a_;
  std::unique_ptr<Host> z_;
  uint64_t crashes_ = 0;
};

// Those in which there is an association, and all.
inline constexpr std::array kOpenStates = {
    AssocState::kCookieWait,      AssocState::kCookieEchoed, AssocState::kEstablished,
    AssocState::kShutdownPending, AssocState::kShutdownSent, AssocState::kShutdownReceived,
    AssocState::kShutdownAckSent};
inline constexpr std::array kEveryState = {
    AssocState::kClosed,           AssocState::kCookieWait,      AssocState::kCookieEchoed,
    AssocState::kEstablished,      AssocState::kShutdownPending, AssocState::kShutdownSent,
    AssocState::kShutdownReceived, AssocState::kShutdownAckSent};

// One host, and a peer that is played by the test.
class Peer : public ::testing::Test {
 protected:
  Peer() { setup.addresses = {ip("192.0.2.1")}; }
  void TearDown() override {
    if (!host_) return;
    host_->finish(now);
    EXPECT_EQ(host_->violation(), "");
  }
  Host& host() {
    if (!host_) host_ = std::make_unique<Host>(1, setup, now);
    return *host_;
  }

  // What the peer puts into its INIT or INIT ACK.
  [[nodiscard]] wire::InitFields init_fields() const {
    return {peer_tag, peer_window, peer_streams_out, peer_streams_in, peer_tsn};
  }
  [[nodiscard]] Packet packet(VerificationTag tag, const Write& write) const {
    return build(peer_address, host_address, peer_port, host_port, tag, write);
  }
  // With the tag that the host wants to see.
  void tell(const Write& write) { host().receive(now, packet(host_tag, write)); }
  void tell(VerificationTag tag, const Write& write) { host().receive(now, packet(tag, write)); }
  // All that the host says now.
  std::vector<Packet> listen() { return host().transmit(now); }
  std::string hear() { return names(listen()); }
  // Exactly one packet.
  Packet hear_one() {
    const std::vector<Packet> packets = listen();
    EXPECT_EQ(packets.size(), 1u) << names(packets);
    return packets.empty() ? Packet{{}, {}, std::vector<uint8_t>(16), 0} : packets[0];
  }
  void wait(Duration span) {
    now = now + span;
    host().advance(now);
  }

  void send_init() {
    tell(VerificationTag(0), [&](PacketWriter& w) {
      return wire::write_init(w, init_fields(), peer_list, peer_options);
    });
  }
  // The host's answer to an INIT: its tag, TSN and cookie are taken over.
  void take_init_ack(const Packet& answer) {
    ASSERT_EQ(answer.names(), "INIT ACK");
    EXPECT_EQ(answer.header().verification_tag, peer_tag);
    const auto parsed = wire::InitChunk::parse(answer.chunks()[0], true);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(wire::validate_init(parsed.init, true), wire::InitParseError::kNone);
    host_tag = parsed.init.initiate_tag;
    host_tsn = parsed.init.initial_tsn;
    cookie.assign(parsed.init.cookie.begin(), parsed.init.cookie.end());
    host_list.assign(parsed.init.address_list().begin(), parsed.init.address_list().end());
  }
  Write cookie_echo() {
    return [&](PacketWriter& w) { return wire::write_cookie_echo(w, cookie); };
  }
  // The peer opens.
  void open() {
    send_init();
    take_init_ack(hear_one());
    tell(cookie_echo());
    ASSERT_EQ(hear(), "COOKIE ACK");
    ASSERT_EQ(host().state(), AssocState::kEstablished);
  }
  // The host opens; up to its COOKIE ECHO, which is returned.
  Packet answer_up_to_cookie_echo() {
    const Packet init = hear_one();
    EXPECT_EQ(init.names(), "INIT");
    EXPECT_EQ(init.header().verification_tag, VerificationTag(0));
    const auto parsed = wire::InitChunk::parse(init.chunks()[0], false);
    EXPECT_TRUE(parsed.ok());
    host_tag = parsed.init.initiate_tag;
    host_tsn = parsed.init.initial_tsn;
    cookie = {1, 2, 3, 4, 5};
    tell([&](PacketWriter& w) {
      return wire::write_init_ack(w, init_fields(), peer_list, cookie, {}, peer_options);
    });
    return hear_one();
  }
  void be_opened() {
    ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    ASSERT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
    tell(wire::write_cookie_ack);
    ASSERT_EQ(host().state(), AssocState::kEstablished);
    EXPECT_EQ(hear(), "");
  }

  // A new host and a new peer, for tables of cases. What the test set in `setup` stays.
  void start_over() {
    TearDown();
    host_.reset();
    peer_tsn = Tsn(1000);
    peer_ssn = 0;
  }
  // Brings a host into the state by a new association, CLOSED to SHUTDOWN-ACK-SENT. What it said on
  // the way is heard; in SHUTDOWN-PENDING and SHUTDOWN-RECEIVED one DATA chunk is in flight.
  void reach(AssocState state) {
    using enum AssocState;
    host();
    if (state == kClosed) return;
    if (state == kCookieWait || state == kCookieEchoed) {
      ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
      if (state == kCookieWait) {
        EXPECT_EQ(hear(), "INIT");
        host_tag = host().status().local_tag;
        host_tsn = host().status().next_tsn;
      } else {
        EXPECT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
      }
    } else {
      open();
      go_on_to(state);
    }
    ASSERT_EQ(host().state(), state) << state_name(state);
  }
  // The same, from ESTABLISHED.
  void go_on_to(AssocState state) {
    using enum AssocState;
    const bool waits = state == kShutdownPending || state == kShutdownReceived;
    if (waits) {
      ASSERT_EQ(host().send(now, "in flight"), Status::kOk);
      EXPECT_EQ(hear(), "DATA");
    }
    if (state == kShutdownPending || state == kShutdownSent) {
      ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
    } else if (state != kEstablished) {
      tell([&](PacketWriter& w) { return wire::write_shutdown(w, last_tsn() - (waits ? 1 : 0)); });
    }
    listen();
  }

  struct Data {
    std::string text = "x";
    std::string flags = "BE";  // of B, E, U, I
    uint16_t stream = 0;
    std::optional<uint16_t> ssn = std::nullopt;  // else the next one of stream 0
    std::optional<Tsn> tsn = std::nullopt;       // else the next one
  };
  Write data(const Data& d) {
    wire::DataChunk chunk;
    chunk.beginning = d.flags.find('B') != std::string::npos;
    chunk.ending = d.flags.find('E') != std::string::npos;
    chunk.unordered = d.flags.find('U') != std::string::npos;
    chunk.immediate = d.flags.find('I') != std::string::npos;
    chunk.stream = StreamId(d.stream);
    chunk.mid = Mid(d.ssn ? *d.ssn : peer_ssn);
    if (!d.ssn && !chunk.unordered && chunk.ending) ++peer_ssn;
    chunk.tsn = d.tsn ? *d.tsn : peer_tsn;
    if (!d.tsn) ++peer_tsn;
    return [chunk, text = d.text](PacketWriter& w) {
      if (text.empty()) {
        uint8_t* const at = w.reserve_chunk(ChunkType::kData, 3, 12);
        if (at == nullptr) return false;
        store_be32(at, chunk.tsn.value);
        store_be32(at + 4, 0);
        store_be32(at + 8, 0);
        return true;
      }
      uint8_t* const at = wire::write_data_header(w, chunk, text.size());
      if (at == nullptr) return false;
      std::copy(text.begin(), text.end(), at);
      return true;
    };
  }
  void tell_data(const std::string& text = "x") { tell(data({.text = text})); }
  // Acknowledges all up to `cum`.
  Write sack(Tsn cum, std::vector<wire::GapBlock> gaps = {},
             std::optional<uint32_t> window = std::nullopt) {
    return [=, this](PacketWriter& w) {
      return wire::write_sack(w, cum, window.value_or(peer_window), gaps, {});
    };
  }
  // The host's last TSN so far.
  [[nodiscard]] Tsn last_tsn() { return host().status().next_tsn - 1; }

  TimePoint now = kStart;
  HostSetup setup;
  IpAddress peer_address = ip("198.51.100.1");
  IpAddress host_address = ip("192.0.2.1");
  PortNumber peer_port{2905};
  PortNumber host_port{5000};
  VerificationTag peer_tag{0x11223344};
  VerificationTag host_tag;
  Tsn peer_tsn{1000};  // the next one
  uint16_t peer_ssn = 0;
  Tsn host_tsn;  // the first one
  uint32_t peer_window = 200000;
  uint16_t peer_streams_out = 10;
  uint16_t peer_streams_in = 10;
  std::vector<IpAddress> peer_list;
  wire::InitOptions peer_options;  // of its INIT or INIT ACK
  std::vector<IpAddress> host_list;
  std::vector<uint8_t> cookie;

 private:
  std::unique_ptr<Host> host_;
};

}  // namespace trunkline::test
