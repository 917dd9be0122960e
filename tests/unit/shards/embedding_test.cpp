// SPDX-License-Identifier: BSD-3-Clause
// The stack as whoever embeds it has it: public headers and the library, and no flags but the
// sanitizers' own, which ask for the type information of what has virtual functions.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "trunkline/stack/stack.h"

namespace trunkline {
namespace {

struct Packet {
  IpAddress source;
  IpAddress destination;
  std::vector<uint8_t> bytes;
};

// The application's memory of one message.
class Message final : public PieceOwner {
 public:
  Message() : bytes_(100, 0x5a), piece_{bytes_.data(), 100, nullptr} {}
  void release(Piece*) noexcept override { ++released; }
  [[nodiscard]] Payload payload() { return {&piece_, this}; }
  int released = 0;

 private:
  std::vector<uint8_t> bytes_;
  Piece piece_;
};

class Embedding : public testing::Test {
 protected:
  static constexpr int kMessages = 8;

  void open() {
    EndpointConfig endpoint;
    endpoint.addresses = {ours};
    endpoint.port = PortNumber(7);
    endpoint.listening = true;
    endpoint.profile.one_data_per_packet = true;
    server = shard.add_endpoint(endpoint).endpoint;
    endpoint.port = PortNumber(8);
    endpoint.listening = false;
    client = shard.add_endpoint(endpoint).endpoint;
  }
  // What the shard sends comes back to it; the first packet last, so that others wait for it.
  void turn() {
    std::vector<Packet> sent;
    std::array<uint8_t, 2048> room{};
    std::array<PacketOut, 1> out;
    while (true) {
      out[0].room = room;
      out[0].length = 0;
      if (shard.transmit(now, out) == 0) break;
      sent.push_back(
          {out[0].source, out[0].destination, {room.begin(), room.begin() + out[0].length}});
    }
    if (reorder && sent.size() > 1) std::swap(sent.front(), sent.back());
    for (const Packet& packet : sent) {
      PacketIn in{packet.source, packet.destination, packet.bytes};
      in.looped = true;
      shard.receive(now, {&in, 1});
      take_events();
    }
    now = now + std::chrono::milliseconds(10);
    shard.advance(now);
    take_events();
  }
  void connect() {
    ConnectRequest request;
    request.endpoint = client;
    request.peer_addresses = {&ours, 1};
    request.peer_port = PortNumber(7);
    ASSERT_EQ(shard.connect(now, request).status, Status::kOk);
    for (int i = 0; i < 10; ++i) turn();
  }
  void send(std::span<Message> messages) {
    SendRequest how;
    how.ppid = Ppid(46);
    for (Message& message : messages) {
      Payload payload = message.payload();
      ASSERT_EQ(shard.send(now, connected, how, payload), Status::kOk);
      ++how.context;
    }
  }
  void take_events() {
    if (deaf) return;
    while (Event* event = shard.next_event()) {
      if (event->kind == EventKind::kConnected) connected = event->assoc;
      if (event->kind == EventKind::kSendAcknowledged) {
        size_t count = 0;
        for (SentMessage* sent = event->sent; sent != nullptr; sent = sent->next_sent, ++count) {
          acknowledged.push_back(sent->context);
          EXPECT_EQ(sent->payload.size(), 100u);
          EXPECT_EQ(sent->ppid, Ppid(46));
        }
        EXPECT_GE(shard.pool_usage().messages_used, count) << "they are there until it is over";
        most_at_once = std::max(most_at_once, count);
      }
      if (event->kind == EventKind::kMessage) {
        ++received;
        bytes += event->size();
        waited += event->borrowed ? 0 : 1;
        event->payload.reset();  // the stack's own memory, where it waited for its turn
      }
    }
  }

  SecureRandom random;
  RandomSource& source = random;
  ShardConfig config;
  DirectoryPtr directory = make_directory(source, 64);
  TimePoint now = TimePoint::from_ns(1'000'000'000);
  Shard shard{config, *directory, source, now};
  const IpAddress ours = IpAddress::ipv4(192, 0, 2, 1);
  EndpointId server;
  EndpointId client;
  AssocId connected;
  int received = 0;
  int waited = 0;
  std::vector<uint64_t> acknowledged;
  size_t most_at_once = 0;
  size_t bytes = 0;
  bool reorder = false;
  bool deaf = false;  // takes no events
};

class Lonely : public Embedding {
 public:
  using Embedding::connect;
  using Embedding::deaf;
  using Embedding::open;
  using Embedding::send;
  using Embedding::turn;

 private:
  void TestBody() override {}
};

// Its messages come back in their order, each once, and what is left of them goes with it.
TEST_F(Embedding, OneEventForAllThatASackAcknowledges) {
  open();
  connect();
  std::array<Message, kMessages> messages;
  send(messages);
  for (int i = 0; i < 50; ++i) turn();
  ASSERT_EQ(acknowledged.size(), size_t{kMessages});
  for (uint64_t i = 0; i < kMessages; ++i) EXPECT_EQ(acknowledged[i], i);
  EXPECT_GT(most_at_once, 1u);
  for (const Message& message : messages) EXPECT_EQ(message.released, 1);
  EXPECT_EQ(shard.pool_usage().messages_used, 0u);
}

TEST_F(Embedding, AnEventThatNobodyTookGivesItsMessagesBack) {
  std::array<Message, kMessages> messages;
  {
    Lonely other;
    other.open();
    other.connect();
    other.send(messages);
    other.deaf = true;
    for (int i = 0; i < 50; ++i) other.turn();
  }
  for (const Message& message : messages) EXPECT_EQ(message.released, 1);
}

TEST_F(Embedding, PublicHeadersAndTheLibraryAreEnough) {
  EXPECT_NE(source.nonce(), 0u);
  open();
  connect();
  reorder = true;
  std::array<Message, kMessages> messages;
  send(messages);
  for (int i = 0; i < 50; ++i) turn();
  EXPECT_EQ(received, kMessages);
  EXPECT_EQ(bytes, 100u * kMessages);
  EXPECT_GT(waited, 0);
  for (const Message& message : messages) EXPECT_EQ(message.released, 1);
  ASSERT_EQ(shard.abort(now, connected, {}), Status::kOk);
  turn();
  EXPECT_EQ(shard.association_count(), 0u);
}

}  // namespace
}  // namespace trunkline
