// SPDX-License-Identifier: BSD-3-Clause
// DATA from the peer and the SACKs it earns (RFC 9260 sections 3.3.1, 6.2, 6.5, 6.6, 6.7, 6.10),
// unknown chunks (3.2), errors told to the user.
#include "support/pair.h"
#include "wire/error_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

wire::SackChunk sack_of(const Packet& packet) {
  const auto chunk = packet.find(ChunkType::kSack);
  EXPECT_TRUE(chunk.has_value()) << packet.names();
  return chunk ? *wire::SackChunk::parse(*chunk) : wire::SackChunk();
}

class DataIn : public Peer {
 protected:
  // The very first DATA has been seen and acknowledged.
  void warm_up() {
    open();
    tell_data("first");
    ASSERT_EQ(hear(), "SACK");
  }
};

TEST_F(DataIn, IsCountedApartFromControlChunks) {
  open();
  const uint64_t control = host().count(Counter::k_in_ctrl_chunks);
  tell_data();
  EXPECT_EQ(host().count(Counter::k_in_ctrl_chunks), control);
  EXPECT_EQ(host().count(Counter::k_in_order_chunks), 1u);
  tell(sack(last_tsn()));
  EXPECT_EQ(host().count(Counter::k_in_ctrl_chunks), control + 1);
}

TEST_F(DataIn, TheFirstIsAcknowledgedAtOnce) {
  open();
  tell_data();
  const Packet answer = hear_one();
  EXPECT_EQ(answer.names(), "SACK");
  EXPECT_EQ(sack_of(answer).cum_tsn_ack, peer_tsn - 1);
  EXPECT_EQ(sack_of(answer).a_rwnd, setup.profile.a_rwnd);
  EXPECT_EQ(answer.header().verification_tag, peer_tag);
}

TEST_F(DataIn, EverySecondPacketIsAcknowledgedAtOnce) {
  warm_up();
  for (int i = 0; i < 5; ++i) {
    tell_data();
    EXPECT_EQ(hear(), "");
    tell_data();
    EXPECT_EQ(hear(), "SACK");
  }
}

TEST_F(DataIn, ASecondPacketOfOneBurstEarnsItsSackToo) {
  warm_up();
  std::vector<Packet> burst;
  for (int i = 0; i < 6; ++i) burst.push_back(packet(host_tag, data({})));
  host().receive(now, burst);
  const std::vector<Packet> sacks = listen();
  ASSERT_EQ(names(sacks), "SACK, SACK, SACK");
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(sack_of(sacks[i]).cum_tsn_ack, peer_tsn - static_cast<uint32_t>(5 - 2 * i));
  }
}

// ---------------------------------------------------------------- several in one packet

class RunOfMessages : public DataIn {
 protected:
  // One packet, of which the test keeps the bytes.
  void receive(const std::vector<Data>& all) {
    std::vector<Write> writes;
    for (const Data& each : all) writes.push_back(data(each));
    packet_ = packet(host_tag, [&](PacketWriter& w) {
      return std::all_of(writes.begin(), writes.end(),
                         [&](const Write& write) { return write(w); });
    });
    const PacketIn in{packet_.source, packet_.destination, packet_.bytes};
    host().shard().receive(now, {&in, 1});
  }
  // The bytes of the `n`th chunk, each as long as the others.
  uint8_t* chunk(size_t n, size_t length) {
    return packet_.bytes.data() + wire::kCommonHeaderSize + n * length;
  }
  Event* next() { return host().shard().next_event(); }
  static std::string text_of(const Event& event) {
    std::string text;
    for (const Piece* piece = event.pieces(); piece != nullptr; piece = piece->next) {
      text.append(reinterpret_cast<const char*>(piece->data), piece->length);
    }
    return text;
  }

 private:
  Packet packet_;
};

TEST_F(RunOfMessages, EachIsAnEventOfItsOwn) {
  warm_up();
  const Tsn first = peer_tsn;
  receive({{.text = "one"},
           {.text = "a second one", .stream = 7, .ssn = 0},
           {.text = "third"},
           {.text = "4", .flags = "BEI", .stream = 7, .ssn = 1}});
  const std::vector<std::string> texts = {"one", "a second one", "third", "4"};
  const std::vector<unsigned> streams = {0, 7, 0, 7};
  const std::vector<unsigned> ssns = {1, 0, 2, 1};
  for (uint32_t i = 0; i < 4; ++i) {
    const Event* const event = next();
    ASSERT_NE(event, nullptr) << i;
    EXPECT_EQ(event->kind, EventKind::kMessage);
    EXPECT_EQ(text_of(*event), texts[i]);
    EXPECT_EQ(event->tsn, first + i);
    EXPECT_EQ(event->stream.value, streams[i]);
    EXPECT_EQ(event->ssn().value, ssns[i]);
    EXPECT_EQ(event->path, peer_address);
  }
  EXPECT_EQ(next(), nullptr);
  EXPECT_EQ(hear(), "SACK") << "the last one asks for it";
}

TEST_F(RunOfMessages, WhichAReaderKeepsIsNotTheOthers) {
  warm_up();
  receive({{.text = "one"}, {.text = "two"}, {.text = "three"}});
  ASSERT_NE(next(), nullptr);
  Event* const second = next();
  ASSERT_NE(second, nullptr);
  ASSERT_TRUE(host().shard().keep(now, *second));
  const Payload kept = std::move(second->payload);
  const Event* const third = next();
  ASSERT_NE(third, nullptr);
  EXPECT_TRUE(third->borrowed);
  EXPECT_EQ(text_of(*third), "three");
  EXPECT_EQ(next(), nullptr);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(kept.head()->data), kept.size()), "two");
  host().shard().consumed(now, host().assoc, kept.size());
}

TEST_F(RunOfMessages, WhatIsKeptAndLeftGoesBack) {
  warm_up();
  receive({{.text = "one"}, {.text = "two"}});
  Event* const first = next();
  ASSERT_NE(first, nullptr);
  ASSERT_TRUE(host().shard().keep(now, *first));
  host().shard().consumed(now, host().assoc, first->payload.size());
  ASSERT_NE(next(), nullptr);
  EXPECT_EQ(host().shard().pool_usage().receive_blocks_used, 0u);
  EXPECT_EQ(next(), nullptr);
}

// Each stream's numbers go round for themselves.
TEST_F(RunOfMessages, WhoseNumbersGoRound) {
  warm_up();
  for (uint32_t i = 1; i < 65535; ++i) {
    receive({{.text = "x"}});
    ASSERT_NE(next(), nullptr) << i;
    ASSERT_EQ(next(), nullptr) << i;
    if (i % 64 == 0) listen();
  }
  listen();
  receive({{.text = "last"},
           {.text = "other", .stream = 1, .ssn = 0},
           {.text = "first", .ssn = 0},
           {.text = "second", .ssn = 1}});
  for (const char* const text : {"last", "other", "first", "second"}) {
    const Event* const event = next();
    ASSERT_NE(event, nullptr) << text;
    EXPECT_EQ(text_of(*event), text);
  }
  EXPECT_EQ(next(), nullptr);
  EXPECT_EQ(host().status().a_rwnd, setup.profile.a_rwnd) << "nothing waits";
}

TEST_F(RunOfMessages, WhoseNumberGoesRoundWithinTheRun) {
  warm_up();
  for (uint32_t i = 1; i < 65535; ++i) {
    receive({{.text = "x"}});
    ASSERT_NE(next(), nullptr) << i;
    if (i % 64 == 0) listen();
  }
  receive({{.text = "last"}, {.text = "first", .ssn = 0}});
  ASSERT_NE(next(), nullptr);
  const Event* const event = next();
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(text_of(*event), "first");
  EXPECT_EQ(event->ssn().value, 0);
}

// Some ports share the memory of their packets with others, who may write there at any time.
TEST_F(RunOfMessages, NothingIsReadBeyondThePacketWhateverIsWrittenThereMeanwhile) {
  warm_up();
  for (const unsigned length : {0u, 15u, 16u, 0xffffu, 21u, 41u}) {
    receive({{.text = "1111"}, {.text = "2222"}, {.text = "3333"}});
    ASSERT_NE(next(), nullptr);
    store_be16(chunk(1, 20) + 2, static_cast<uint16_t>(length));
    size_t more = 0;
    while (const Event* const event = next()) {
      EXPECT_LE(event->pieces()->data + event->size(), chunk(3, 20)) << length;
      ++more;
    }
    EXPECT_LE(more, 2u);
  }
}

// What the queue of delayed SACKs has of one that went early finds the next one put off, and gives
// it its own time.
TEST_F(DataIn, ASackThatIsPutOffAgainComesInItsOwnTime) {
  setup.profile.sack_delay = milliseconds(200);
  warm_up();
  tell_data();
  EXPECT_EQ(hear(), "");
  wait(milliseconds(150));
  tell_data();
  EXPECT_EQ(hear(), "SACK");
  tell_data();
  EXPECT_EQ(hear(), "");
  wait(milliseconds(50));  // the first one's time
  EXPECT_EQ(hear(), "");
  wait(milliseconds(149));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(DataIn, ALoneOneIsAcknowledgedWithinTheDelayOfTheProfile) {
  setup.profile.sack_delay = milliseconds(70);
  warm_up();
  tell_data();
  wait(milliseconds(70) - std::chrono::nanoseconds(1));
  EXPECT_EQ(hear(), "");
  wait(std::chrono::nanoseconds(1));
  EXPECT_EQ(hear(), "SACK");
  wait(seconds(1));
  EXPECT_EQ(hear(), "") << "once";
}

TEST_F(DataIn, WithoutDelayEachIsAcknowledgedAtOnce) {
  setup.profile.sack_delay = Duration{0};
  warm_up();
  for (int i = 0; i < 3; ++i) {
    tell_data();
    EXPECT_EQ(hear(), "SACK");
  }
}

TEST_F(DataIn, TheFrequencyIsThatOfTheProfile) {
  setup.profile.sack_frequency = 4;
  warm_up();
  for (int i = 0; i < 3; ++i) {
    tell_data();
    EXPECT_EQ(hear(), "");
  }
  tell_data();
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(DataIn, TheIBitAsksForASackNow) {
  warm_up();
  tell(data({.flags = "BEI"}));
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(DataIn, AGapIsToldAtOnceUntilItIsFilled) {
  warm_up();
  const Tsn missing = peer_tsn;
  ++peer_tsn;
  ++peer_ssn;
  for (uint16_t i = 0; i < 3; ++i) {
    tell_data();
    const Packet answer = hear_one();
    const wire::SackChunk sack = sack_of(answer);
    EXPECT_EQ(sack.cum_tsn_ack, missing - 1);
    ASSERT_EQ(sack.gap_count(), 1u);
    EXPECT_EQ(sack.gap(0), (wire::GapBlock{2, static_cast<uint16_t>(2 + i)}));
  }
  EXPECT_EQ(host().messages().size(), 1u) << "held, in order of the stream";
  tell(data({.text = "missing", .ssn = 1, .tsn = missing}));
  EXPECT_EQ(host().messages().size(), 5u);
  EXPECT_EQ(host().messages()[1], "missing");
  tell_data();
  EXPECT_EQ(sack_of(hear_one()).gap_count(), 0u);
}

TEST_F(DataIn, ADuplicateIsToldAtOnceAndNotDelivered) {
  warm_up();
  tell(data({.ssn = 0, .tsn = peer_tsn - 1}));
  const Packet answer = hear_one();
  const wire::SackChunk sack = sack_of(answer);
  ASSERT_EQ(sack.dup_count(), 1u);
  EXPECT_EQ(sack.dup(0), peer_tsn - 1);
  EXPECT_EQ(host().messages().size(), 1u);
  EXPECT_EQ(host().count(Counter::k_duplicate_tsns), 1u);
}

TEST_F(DataIn, SeveralInOnePacketCountAsOnePacket) {
  warm_up();
  const Write one = data({.text = "1"});
  const Write two = data({.text = "2"});
  tell([&](PacketWriter& w) { return one(w) && two(w); });
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().messages().size(), 3u);
}

TEST_F(DataIn, OnAStreamNotNegotiatedIsReportedAcknowledgedAndNotDelivered) {
  open();
  tell(data({.stream = 10}));  // 0 to 9 exist
  const Packet answer = hear_one();
  ASSERT_EQ(answer.names(), "ERROR + SACK");
  wire::CauseCursor cursor(answer.chunks()[0].value);
  EXPECT_EQ(wire::parse_invalid_stream_identifier(*cursor.next()), StreamId(10));
  EXPECT_EQ(sack_of(answer).cum_tsn_ack, peer_tsn - 1);
  EXPECT_TRUE(host().messages().empty());
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  tell(data({.text = "last stream", .stream = 9, .ssn = 0}));
  EXPECT_EQ(host().messages().size(), 1u);
}

TEST_F(DataIn, WithoutUserDataEndsTheAssociation) {
  open();
  const Tsn tsn = peer_tsn;
  tell(data({.text = ""}));
  const Packet abort = hear_one();
  EXPECT_EQ(abort.names(), "ABORT");
  wire::CauseCursor cursor(abort.chunks()[0].value);
  EXPECT_EQ(wire::parse_no_user_data(*cursor.next()), tsn);
  const Seen lost = host().last(EventKind::kLost);
  EXPECT_EQ(lost.reason, Reason::kPeerViolation);
  EXPECT_EQ(lost.cause, static_cast<uint16_t>(CauseCode::kNoUserData));
}

TEST_F(DataIn, ContradictingFragmentsEndTheAssociation) {
  open();
  tell(data({.flags = "B", .ssn = 0}));
  tell(data({.flags = "B", .ssn = 1}));
  EXPECT_EQ(causes(listen().back()), std::vector{CauseCode::kProtocolViolation});
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation);
}

// No TSN is missing, only the order in the stream is another one.
TEST_F(DataIn, AMessageThatWaitsForTheOneBehindItGoesWithThat) {
  open();
  tell(data({.text = "second", .stream = 2, .ssn = 1}));
  EXPECT_TRUE(host().messages().empty());
  tell(data({.text = "first", .stream = 2, .ssn = 0}));
  EXPECT_EQ(host().messages(), (std::vector<std::string>{"first", "second"}));
}

TEST_F(DataIn, AMessageAboveTheLimitEndsTheAssociation) {
  setup.profile.max_message_size = 1000;
  open();
  tell(data({.text = std::string(600, 'x'), .flags = "B", .ssn = 0}));
  tell(data({.text = std::string(401, 'x'), .flags = "E", .ssn = 0}));
  EXPECT_EQ(listen().back().names(), "ABORT");
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
}

TEST_F(DataIn, AMessageOfOneChunkAboveTheLimitDoesToo) {
  setup.profile.max_message_size = 1000;
  open();
  tell(data({.text = std::string(1000, 'x'), .ssn = 0}));
  EXPECT_EQ(host().messages().size(), 1u);
  static_cast<void>(listen());
  tell(data({.text = std::string(1001, 'x'), .ssn = 1}));
  EXPECT_EQ(listen().back().names(), "ABORT");
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
}

TEST_F(DataIn, FragmentsBecomeOneMessage) {
  open();
  tell(data({.text = "one ", .flags = "B", .stream = 3, .ssn = 0}));
  tell(data({.text = "two ", .flags = "", .stream = 3, .ssn = 0}));
  EXPECT_TRUE(host().messages().empty());
  tell(data({.text = "three", .flags = "E", .stream = 3, .ssn = 0}));
  EXPECT_EQ(host().messages(), std::vector<std::string>{"one two three"});
  EXPECT_EQ(host().last(EventKind::kMessage).stream, StreamId(3));
  EXPECT_EQ(host().count(Counter::k_reasm_usr_msgs), 1u);
}

TEST_F(DataIn, UnorderedDoesNotWait) {
  warm_up();
  ++peer_tsn;  // one is missing
  tell(data({.text = "now", .flags = "BEU"}));
  EXPECT_EQ(host().messages().back(), "now");
  EXPECT_TRUE(host().last(EventKind::kMessage).unordered);
}

// TSN and SSN of the last `n` messages; of unordered ones the cumulative TSN, from that TSN on.
struct Numbers {
  uint32_t tsn = 0;
  int32_t ssn = -1;  // or unordered
  uint32_t cum = 0;
  bool operator==(const Numbers&) const = default;
};
std::vector<Numbers> numbers_of(const Host& host, size_t n, Tsn from) {
  std::vector<Numbers> out;
  for (const Seen& event : host.events) {
    if (event.kind != EventKind::kMessage) continue;
    const uint32_t tsn = event.tsn.distance_from(from);
    if (event.unordered) {
      EXPECT_EQ(event.ssn, Ssn(0));
      out.push_back({tsn, -1, event.cum_tsn.distance_from(from)});
    } else {
      EXPECT_EQ(event.cum_tsn, Tsn(0));
      out.push_back({tsn, event.ssn.value});
    }
  }
  if (out.size() > n) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(n));
  return out;
}
using NumbersOf = std::vector<Numbers>;

TEST_F(DataIn, OrderedMessagesHaveTheirNumbers) {
  open();
  const Tsn first = peer_tsn;
  const auto tell_part = [&](const char* flags, uint32_t tsn, uint16_t ssn) {
    tell(data({.flags = flags, .stream = 3, .ssn = ssn, .tsn = first + tsn}));
  };
  tell_part("BE", 0, 0);
  EXPECT_EQ(numbers_of(host(), 1, first), (NumbersOf{{0, 0}}));
  tell_part("B", 1, 1);
  tell_part("", 2, 1);
  tell_part("E", 3, 1);
  EXPECT_EQ(numbers_of(host(), 1, first), (NumbersOf{{1, 1}}));
  tell_part("BE", 7, 4);
  tell_part("E", 6, 3);
  tell_part("B", 5, 3);
  tell_part("BE", 4, 2);
  EXPECT_EQ(numbers_of(host(), 3, first), (NumbersOf{{4, 2}, {5, 3}, {7, 4}}));
}

TEST_F(DataIn, AHeldMessageHasItsSsnAfterTheCircle) {
  open();
  for (uint32_t i = 0; i < 65536; i += 64) {
    tell([&](PacketWriter& w) {
      for (uint32_t k = 0; k < 64; ++k) {
        if (!data({.ssn = static_cast<uint16_t>(i + k)})(w)) return false;
      }
      return true;
    });
    listen();
  }
  const Tsn first = peer_tsn;
  tell(data({.ssn = 1, .tsn = first + 1}));
  tell(data({.ssn = 0, .tsn = first}));
  EXPECT_EQ(numbers_of(host(), 2, first), (NumbersOf{{0, 0}, {1, 1}}));
}

// What had come of the peer's TSNs with their first chunk: it, less, or more.
TEST_F(DataIn, UnorderedMessagesHaveTheCumulativeTsn) {
  open();
  const Tsn first = peer_tsn;
  const auto tell_part = [&](const char* flags, uint32_t tsn) {
    tell(data({.flags = flags, .ssn = 9, .tsn = first + tsn}));
  };
  tell_part("BEU", 0);
  tell_part("BU", 1);
  tell_part("EU", 2);
  EXPECT_EQ(numbers_of(host(), 2, first), (NumbersOf{{0, -1, 0}, {1, -1, 1}}));
  tell_part("BEU", 4);  // 3 is missing
  tell_part("BU", 6);
  tell_part("EU", 7);
  EXPECT_EQ(numbers_of(host(), 2, first), (NumbersOf{{4, -1, 2}, {6, -1, 2}}));
  tell_part("BEU", 3);  // 5 is missing
  EXPECT_EQ(numbers_of(host(), 1, first), (NumbersOf{{3, -1, 4}}));
  tell_part("EU", 10);
  tell_part("BU", 9);
  tell_part("BEU", 5);  // 8 is missing
  tell_part("BEU", 8);
  EXPECT_EQ(numbers_of(host(), 3, first), (NumbersOf{{9, -1, 4}, {5, -1, 7}, {8, -1, 10}}));
  tell_part("EU", 12);
  tell_part("BU", 11);
  EXPECT_EQ(numbers_of(host(), 1, first), (NumbersOf{{11, -1, 12}}));
}

TEST_F(DataIn, BehindAWindowOf65535TsnsIsDroppedAndTold) {
  warm_up();
  tell(data({.ssn = 9, .tsn = peer_tsn + 65535}));
  EXPECT_EQ(hear(), "SACK");
  EXPECT_EQ(host().count(Counter::k_drop_data_beyond_tsn_range), 1u);
}

TEST_F(DataIn, ASlowReaderClosesTheWindowAndOpensItAgain) {
  setup.profile.a_rwnd = 4096;
  host().keep_messages = true;
  open();
  for (int i = 0; i < 8; ++i) {
    tell_data(std::string(400, 'x'));  // a block of 512 bytes each
    listen();
  }
  EXPECT_EQ(host().status().a_rwnd, 0u);
  tell_data(std::string(400, 'x'));
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 1u);
  const Packet closing = hear_one();
  const wire::SackChunk closed = sack_of(closing);
  EXPECT_EQ(closed.a_rwnd, 0u);
  EXPECT_EQ(closed.cum_tsn_ack, peer_tsn - 2);
  host().read_kept(now);
  const Packet opening = hear_one();
  const wire::SackChunk opened = sack_of(opening);
  EXPECT_EQ(opened.a_rwnd, 4096u) << "told without being asked (6.2)";
}

TEST_F(DataIn, UnreadBytesCloseTheWindowAndOpenItAgain) {
  setup.profile.a_rwnd = 4096;
  open();
  for (uint32_t i = 1; i <= 4; ++i) {
    tell_data(std::string(1024, 'x'));
    host().shard().set_unread(host().assoc, i * 1024);
    listen();
  }
  EXPECT_EQ(host().status().a_rwnd, 0u);
  EXPECT_EQ(host().shard().pool_usage().receive_blocks_used, 0u) << "the reader has them";
  tell_data(std::string(400, 'x'));
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 1u);
  const Packet closing = hear_one();
  EXPECT_EQ(sack_of(closing).a_rwnd, 0u);
  EXPECT_EQ(sack_of(closing).cum_tsn_ack, peer_tsn - 2);
  // Crumbs are not told (6.2), a quarter is.
  host().shard().set_unread(host().assoc, 4096 - 200);
  EXPECT_EQ(hear(), "");
  host().shard().set_unread(host().assoc, 2048);
  EXPECT_EQ(sack_of(hear_one()).a_rwnd, 2048u) << "told without being asked (6.2)";
  host().shard().set_unread(host().assoc, 0);
  EXPECT_EQ(sack_of(hear_one()).a_rwnd, 4096u);
}

// A message whose fragments have no room beside what is unread has it once that is read.
TEST_F(DataIn, UnreadBytesAreNoReasonToGiveAMessageUp) {
  setup.profile.a_rwnd = 4096;
  open();
  host().shard().set_unread(host().assoc, 3600);
  tell(data({.text = std::string(400, 'x'), .flags = "B", .ssn = 0}));
  listen();
  const Tsn stands = peer_tsn;
  for (int i = 0; i < 3; ++i) {
    peer_tsn = stands;
    tell(data({.text = std::string(400, 'y'), .flags = "", .ssn = 0}));
    listen();
  }
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 3u);
  EXPECT_EQ(host().count(EventKind::kLost), 0u);
  host().shard().set_unread(host().assoc, 0);
  peer_tsn = stands;
  tell(data({.text = std::string(400, 'y'), .flags = "", .ssn = 0}));
  tell(data({.text = std::string(400, 'z'), .flags = "E", .ssn = 0}));
  EXPECT_EQ(host().messages().back(),
            std::string(400, 'x') + std::string(400, 'y') + std::string(400, 'z'));
}

TEST_F(DataIn, OneUnfinishedMessageMayNotFillTheWindowForEver) {
  setup.profile.a_rwnd = 4096;
  open();
  tell(data({.text = std::string(400, 'x'), .flags = "B", .ssn = 0}));
  for (int i = 0; i < 30 && host().count(EventKind::kLost) == 0; ++i) {
    tell(data({.text = std::string(400, 'x'), .flags = "", .ssn = 0}));
    listen();
  }
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
  EXPECT_EQ(host().shard().pool_usage().receive_blocks_used, 0u);
}

// ---------------------------------------------------------------- unknown chunks (3.2)

Write unknown(uint8_t type) {
  return [type](PacketWriter& w) {
    uint8_t* const at = w.reserve_chunk(ChunkType{type}, 0, 4);
    if (at == nullptr) return false;
    store_be32(at, 0x01020304);
    return true;
  };
}

TEST_F(DataIn, UnknownChunksAreTreatedAsTheirUpperBitsSay) {
  struct Row {
    uint8_t type;
    bool reported;
    bool goes_on;
  };
  for (const Row& row : {Row{0x3f, false, false}, Row{0x7f, true, false}, Row{0xbf, false, true},
                         Row{0xff, true, true}}) {
    peer_port = PortNumber(static_cast<uint16_t>(peer_port.value + 1));
    peer_ssn = 0;
    open();
    host().events.clear();
    const Write behind = data({.text = "behind"});
    tell([&](PacketWriter& w) { return unknown(row.type)(w) && behind(w); });
    EXPECT_EQ(host().messages().size(), row.goes_on ? 1u : 0u) << int{row.type};
    std::vector<Packet> answers = listen();
    const auto error = answers.empty() ? std::nullopt : answers[0].find(ChunkType::kError);
    EXPECT_EQ(error.has_value(), row.reported) << int{row.type};
    if (!error) continue;
    wire::CauseCursor cursor(error->value);
    const auto cause = cursor.next();
    EXPECT_EQ(cause->code, CauseCode::kUnrecognizedChunkType);
    ASSERT_EQ(cause->value.size(), 8u) << "the whole chunk comes back";
    EXPECT_EQ(cause->value[0], row.type);
    EXPECT_EQ(load_be32(cause->value.data() + 4), 0x01020304u);
  }
}

TEST_F(DataIn, WhatComesBeforeAPartialChunkIsProcessed) {
  open();
  Packet cut = packet(host_tag, data({.text = "whole"}));
  cut.bytes.insert(cut.bytes.end(), {0, 3, 0, 90});
  wire::write_checksum(cut.bytes);
  host().receive(now, cut);
  EXPECT_EQ(host().messages(), std::vector<std::string>{"whole"});
  EXPECT_EQ(host().count(Counter::k_drop_chunk_length), 1u);
}

TEST_F(DataIn, AnErrorIsToldToTheUser) {
  open();
  tell([](PacketWriter& w) {
    return wire::begin_error(w) && wire::append_invalid_stream_identifier(w, StreamId(4)) &&
           wire::append_out_of_resource(w) && wire::append_protocol_violation(w, "12345") &&
           w.end_chunk();
  });
  ASSERT_EQ(host().count(EventKind::kRemoteError), 3u);
  EXPECT_EQ(host().events[1].cause, 1u);
  EXPECT_EQ(host().events[1].text, std::string("\0\4\0\0", 4));
  EXPECT_EQ(host().events[2].cause, 4u);
  EXPECT_EQ(host().events[2].text, "");
  EXPECT_EQ(host().events[3].cause, 13u);
  EXPECT_EQ(host().events[3].text, std::string("12345\0\0\0", 8));
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// A packet has room for hundreds of causes.
TEST_F(DataIn, OfAnErrorSomeCausesAreTold) {
  open();
  tell([](PacketWriter& w) {
    bool all = wire::begin_error(w);
    for (int i = 0; i < 100; ++i) all = all && wire::append_out_of_resource(w);
    return all && w.end_chunk();
  });
  EXPECT_EQ(host().count(EventKind::kRemoteError), 16u);
}

TEST_F(DataIn, AnAbortIsToldWithAllItsCauses) {
  open();
  tell([](PacketWriter& w) {
    return wire::begin_abort(w, false) && wire::append_protocol_violation(w, "12345") &&
           wire::append_invalid_stream_identifier(w, StreamId(4)) && w.end_chunk();
  });
  const Seen& end = host().last(EventKind::kLost);
  EXPECT_EQ(end.cause, 13u);
  EXPECT_EQ(end.text, std::string("\0\15\0\11"
                                  "12345"
                                  "\0\0\0"
                                  "\0\1\0\10"
                                  "\0\4\0\0",
                                  20));
  EXPECT_EQ(end.said, "");
}

TEST_F(DataIn, AnErrorWhileOpeningIsNoEventBeforeTheFirst) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  ASSERT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
  const Write error = [](PacketWriter& w) {
    return wire::begin_error(w) && wire::append_out_of_resource(w) && w.end_chunk();
  };
  tell([&](PacketWriter& w) { return error(w) && wire::write_cookie_ack(w); });
  ASSERT_FALSE(host().events.empty());
  EXPECT_EQ(host().events[0].kind, EventKind::kConnected);
}

// ---------------------------------------------------------------- heartbeats from the peer

TEST_F(DataIn, AHeartbeatComesBackUnchangedTheWayItCame) {
  peer_list = {peer_address, ip("198.51.100.2")};
  open();
  const std::vector<uint8_t> info = {1, 2, 3, 4, 5, 6, 7};
  peer_address = ip("198.51.100.2");
  tell([&](PacketWriter& w) { return wire::write_heartbeat(w, info); });
  const std::vector<Packet> answers = listen();
  const auto answer = std::find_if(answers.begin(), answers.end(), [](const Packet& packet) {
    return packet.names() == "HEARTBEAT ACK";
  });
  ASSERT_NE(answer, answers.end());
  EXPECT_EQ(answer->destination, ip("198.51.100.2"));
  EXPECT_EQ(answer->source, host_address);
  const auto parsed = wire::HeartbeatChunk::parse(answer->chunks()[0]);
  EXPECT_EQ(std::vector<uint8_t>(parsed->info.begin(), parsed->info.end()), info);
}

}  // namespace
}  // namespace trunkline::test
