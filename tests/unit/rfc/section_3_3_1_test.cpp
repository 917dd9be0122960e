// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, sections 3.3.1 (DATA), 3.3.4 (SACK), 3.3.5 and 3.3.6 (HEARTBEAT and its ACK),
// that no part's own tests prove.
#include <map>
#include <numeric>
#include <set>

#include "sizes.h"
#include "support/pair.h"
#include "trunkline/stack/random.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

using Strings = std::vector<std::string>;

// ---------------------------------------------------------------- DATA from the peer

class Section3Data : public Peer {
 protected:
  // All DATA chunks in the order in which the host sends them, each acknowledged.
  std::vector<Packet> send_all(const std::vector<std::pair<std::string, Host::SendOptions>>& all) {
    for (const auto& [text, options] : all) {
      EXPECT_EQ(host().send(now, text, options), Status::kOk);
    }
    std::vector<Packet> out;
    for (int i = 0; i < 1000; ++i) {
      const std::vector<Packet> packets = listen();
      if (packets.empty()) break;
      out.insert(out.end(), packets.begin(), packets.end());
      tell(sack(last_tsn()));
    }
    return out;
  }
};

TEST_F(Section3Data, TheSsnOfUnorderedDataMeansNothing) {
  open();
  tell(data({.text = "a", .flags = "BEU", .ssn = 7}));
  tell(data({.text = "b", .flags = "BEU", .ssn = 7}));
  tell(data({.text = "c1 ", .flags = "BU", .ssn = 9}));
  tell(data({.text = "c2 ", .flags = "U", .ssn = 1}));
  tell(data({.text = "c3", .flags = "EU", .ssn = 65535}));
  EXPECT_EQ(host().messages(), (Strings{"a", "b", "c1 c2 c3"}));
  tell(data({.text = "first in order", .ssn = 0}));
  EXPECT_EQ(host().messages().back(), "first in order") << "the stream has counted none of them";
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(Section3Data, UnorderedMessagesAreDeliveredAsSoonAsTheyAreWhole) {
  open();
  tell_data("first");
  const Tsn missing = peer_tsn;
  ++peer_tsn;
  tell(data({.text = "in order", .ssn = 2}));
  const Tsn cut = peer_tsn;
  peer_tsn = peer_tsn + 2;
  tell(data({.text = "whole", .flags = "BEU"}));
  tell(data({.text = "end", .flags = "EU", .tsn = cut + 1}));
  EXPECT_EQ(host().messages(), (Strings{"first", "whole"}));
  tell(data({.text = "the ", .flags = "BU", .tsn = cut}));
  EXPECT_EQ(host().messages(), (Strings{"first", "whole", "the end"}));
  tell(data({.text = "missing", .ssn = 1, .tsn = missing}));
  EXPECT_EQ(host().messages(), (Strings{"first", "whole", "the end", "missing", "in order"}));
}

// ---------------------------------------------------------------- DATA to the peer

TEST_F(Section3Data, FragmentsShareAllButTheirTsnAndEnds) {
  be_opened();
  const std::vector<Packet> packets = send_all({
      {std::string(3 * kLimit + 5, 'a'), {.stream = 3, .ppid = 46}},
      {"short", {.stream = 3, .ppid = 47}},
      {std::string(2 * kLimit, 'b'), {.stream = 4, .unordered = true, .ppid = 0xfffffffe}},
      {"short", {.stream = 4, .unordered = true, .ppid = 1}},
      {std::string(kLimit + 1, 'c'), {.stream = 3, .ppid = 48}},
      {std::string(2 * kLimit, 'd'), {.stream = 4, .ppid = 49}},
  });
  // By PPID: what each message looked like.
  struct Look {
    std::string flags;
    std::set<uint16_t> streams;
    std::set<uint16_t> ssns;
    std::vector<uint32_t> tsns;
    size_t size = 0;
  };
  std::map<uint32_t, Look> looks;
  for (const Packet& packet : packets) {
    for (const wire::DataChunk& chunk : data_of(packet)) {
      Look& look = looks[chunk.ppid.value];
      look.flags += std::string(chunk.unordered ? "U" : "") + (chunk.beginning ? "B" : "") +
                    (chunk.ending ? "E" : "") + " ";
      look.streams.insert(chunk.stream.value);
      look.ssns.insert(static_cast<uint16_t>(chunk.mid.value));
      look.tsns.push_back(chunk.tsn.value);
      look.size += chunk.payload.size();
    }
  }
  struct Row {
    uint32_t ppid;
    uint16_t stream;
    std::optional<uint16_t> ssn;  // or unordered
    size_t size;
  };
  const Row rows[] = {
      {46, 3, 0, 3 * kLimit + 5}, {47, 3, 1, 5},          {0xfffffffe, 4, std::nullopt, 2 * kLimit},
      {1, 4, std::nullopt, 5},    {48, 3, 2, kLimit + 1}, {49, 4, 0, 2 * kLimit}};
  EXPECT_EQ(looks.size(), std::size(rows));
  for (const Row& row : rows) {
    const Look& look = looks[row.ppid];
    const size_t count = look.tsns.size();
    EXPECT_GE(count, (row.size + kLimit - 1) / kLimit);
    const std::string unordered = row.ssn ? "" : "U";
    std::string flags;
    for (size_t i = 0; i < count; ++i) {
      flags += unordered + (i == 0 ? "B" : "") + (i + 1 == count ? "E" : "") + " ";
    }
    EXPECT_EQ(look.flags, flags) << row.ppid;
    EXPECT_EQ(look.streams, std::set<uint16_t>{row.stream}) << row.ppid;
    EXPECT_EQ(look.ssns.size(), 1u) << row.ppid;
    if (row.ssn) {
      EXPECT_EQ(look.ssns, std::set<uint16_t>{*row.ssn}) << row.ppid;
    }
    EXPECT_EQ(look.size, row.size) << row.ppid;
    for (size_t i = 1; i < look.tsns.size(); ++i) EXPECT_EQ(look.tsns[i], look.tsns[0] + i);
  }
}

TEST_F(Section3Data, TsnsAreConsecutiveOverAllStreams) {
  be_opened();
  std::vector<std::pair<std::string, Host::SendOptions>> all;
  for (uint16_t i = 0; i < 40; ++i) {
    const auto stream = static_cast<uint16_t>(i * 7 % 10);
    all.push_back({std::string(1 + i * 131u, 'x'), {.stream = stream, .unordered = i % 3 == 0}});
  }
  Tsn next = host_tsn;
  for (const Packet& packet : send_all(all)) {
    for (const wire::DataChunk& chunk : data_of(packet)) {
      ASSERT_EQ(chunk.tsn, next);
      ++next;
    }
  }
  EXPECT_EQ(next, host().status().next_tsn);
  EXPECT_GT((next - host_tsn.value).value, 60u);
}

TEST_F(Section3Data, TheLengthCountsTheUserDataAndNoPadding) {
  be_opened();
  for (size_t size = 1; size <= 9; ++size) {
    const auto packets = send_all({{std::string(size, 'x'), {}}});
    ASSERT_EQ(names(packets), "DATA");
    const std::vector<uint8_t>& bytes = packets[0].bytes;
    EXPECT_EQ(load_be16(&bytes[14]), 16 + size);
    ASSERT_EQ(bytes.size(), 12 + 16 + (size + 3) / 4 * 4);
    for (size_t i = 12 + 16; i < bytes.size(); ++i) {
      EXPECT_EQ(bytes[i], i < 12 + 16 + size ? 'x' : 0) << size;
    }
  }
}

// ---------------------------------------------------------------- SACK to the peer

class Section3Sack : public Peer {
 protected:
  wire::SackChunk sack_in(const Packet& packet) {
    const auto chunk = packet.find(ChunkType::kSack);
    EXPECT_TRUE(chunk.has_value()) << packet.names();
    return chunk ? *wire::SackChunk::parse(*chunk) : wire::SackChunk();
  }
};

TEST_F(Section3Sack, TheExampleOfTheSection) {
  setup.profile.a_rwnd = 4660;
  peer_tsn = Tsn(10);
  open();
  Packet last;
  for (const uint32_t tsn : {10u, 11u, 12u, 14u, 15u, 17u}) {
    tell(data({.flags = "BEUI", .tsn = Tsn(tsn)}));
    last = hear_one();
  }
  const auto chunk = last.chunks()[0].whole;
  EXPECT_EQ(std::vector<uint8_t>(chunk.begin(), chunk.end()),
            (std::vector<uint8_t>{3, 0, 0, 24, 0, 0, 0, 12, 0, 0, 0x12, 0x34, 0, 2, 0, 0,  //
                                  0, 2, 0, 3,  0, 5, 0, 5}));
}

TEST_F(Section3Sack, GapBlocksAreIsolated) {
  open();
  tell_data();
  listen();
  std::vector<uint32_t> order(120);
  std::iota(order.begin(), order.end(), 0);
  SeededRandom random(3);
  for (size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  size_t most = 0;
  for (const uint32_t n : order) {
    tell(data({.flags = "BEUI", .tsn = peer_tsn + n}));
    const Packet answer = hear_one();
    const wire::SackChunk sack = sack_in(answer);
    most = std::max(most, sack.gap_count());
    for (size_t i = 0; i < sack.gap_count(); ++i) {
      ASSERT_LE(sack.gap(i).start, sack.gap(i).end);
      ASSERT_GT(sack.gap(i).start, i == 0 ? 1 : sack.gap(i - 1).end + 1);
    }
  }
  EXPECT_GT(most, 10u);
  EXPECT_EQ(host().messages().size(), 1 + order.size());
}

// ---------------------------------------------------------------- HEARTBEAT

class Section3Heartbeat : public Peer {
 protected:
  std::vector<uint8_t> heartbeat_to(const IpAddress& address) {
    EXPECT_EQ(host().shard().request_heartbeat(now, host().assoc, address), Status::kOk);
    const Packet packet = hear_one();
    EXPECT_EQ(packet.names(), "HEARTBEAT");
    EXPECT_EQ(packet.destination, address);
    const auto parsed = wire::HeartbeatChunk::parse(packet.chunks()[0]);
    EXPECT_TRUE(parsed.has_value());
    return {parsed->info.begin(), parsed->info.end()};
  }
  Write answer(std::vector<uint8_t> info) {
    return [=](PacketWriter& w) { return wire::write_heartbeat_ack(w, info); };
  }
};

TEST_F(Section3Heartbeat, HoldsItsTimeAndDestination) {
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
  peer_list = {peer_address, ip("198.51.100.2"), ip("2001:db8::9")};
  open();
  // All three are confirmed first.
  for (int i = 0; i < 20; ++i) {
    for (const Packet& packet : listen()) {
      const auto chunk = packet.find(ChunkType::kHeartbeat);
      if (!chunk) continue;
      const auto info = wire::HeartbeatChunk::parse(*chunk)->info;
      tell(answer({info.begin(), info.end()}));
    }
    wait(seconds(1));
  }
  listen();
  for (const IpAddress& address : peer_list) {
    now = now + milliseconds(7);
    const std::vector<uint8_t> info = heartbeat_to(address);
    ASSERT_GE(info.size(), 34u);
    EXPECT_EQ(load_be64(&info[26]), static_cast<uint64_t>(now.ns()));
    const auto bytes = address.bytes();
    EXPECT_EQ(std::vector<uint8_t>(info.begin() + 10, info.begin() + 10 + ptrdiff_t(bytes.size())),
              std::vector<uint8_t>(bytes.begin(), bytes.end()));
    tell(answer(info));
  }
  // One that says another time, or another address, is not ours.
  std::vector<uint8_t> forged = heartbeat_to(peer_address);
  const uint64_t good = host().count(Counter::k_heartbeat_acks_received);
  for (const size_t at : {7u, 8u, 9u, 10u, 13u, 33u}) {
    std::vector<uint8_t> altered = forged;
    altered[at] ^= 1;
    tell(answer(altered));
  }
  EXPECT_EQ(host().count(Counter::k_heartbeat_acks_received), good);
  EXPECT_EQ(host().count(Counter::k_drop_bad_heartbeat_ack), 6u);
  tell(answer(forged));
  EXPECT_EQ(host().count(Counter::k_heartbeat_acks_received), good + 1);
}

TEST_F(Section3Heartbeat, HoldsANonceOf64RandomBits) {
  be_opened();
  std::set<uint64_t> nonces;
  uint64_t ones = 0;
  uint64_t zeros = 0;
  for (int i = 0; i < 80; ++i) {
    const std::vector<uint8_t> info = heartbeat_to(peer_address);
    const uint64_t nonce = load_be64(info.data());
    nonces.insert(nonce);
    ones |= nonce;
    zeros |= ~nonce;
    tell(answer(info));
  }
  EXPECT_EQ(nonces.size(), 80u);
  EXPECT_EQ(ones, UINT64_MAX) << "a bit that is never set";
  EXPECT_EQ(zeros, UINT64_MAX) << "a bit that is always set";
}

TEST_F(Section3Heartbeat, IsAnsweredInEveryStateThatHasAPeer) {
  for (const AssocState state : {AssocState::kCookieEchoed, AssocState::kEstablished,
                                 AssocState::kShutdownPending, AssocState::kShutdownReceived}) {
    reach(state);
    tell([](PacketWriter& w) { return wire::write_heartbeat(w, std::array<uint8_t, 5>{1, 2}); });
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "HEARTBEAT ACK") << state_name(state);
    EXPECT_EQ(answer.header().verification_tag, peer_tag);
    EXPECT_EQ(host().state(), state);
    start_over();
  }
}

TEST_F(Section3Heartbeat, TheAnswerHoldsEveryByteOfTheQuestion) {
  open();
  for (const size_t size : {0u, 1u, 2u, 3u, 4u, 41u, 1459u, 1460u}) {
    std::vector<uint8_t> info(size);
    for (size_t i = 0; i < size; ++i) info[i] = static_cast<uint8_t>(i * 5 + size);
    const Packet question =
        packet(host_tag, [&](PacketWriter& w) { return wire::write_heartbeat(w, info); });
    host().receive(now, question);
    const Packet answer = hear_one();
    ASSERT_EQ(answer.names(), "HEARTBEAT ACK") << size;
    const auto asked = question.chunks()[0].value;
    const auto said = answer.chunks()[0].value;
    EXPECT_TRUE(std::equal(asked.begin(), asked.end(), said.begin(), said.end())) << size;
  }
}

}  // namespace
}  // namespace trunkline::test
