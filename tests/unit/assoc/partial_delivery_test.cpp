// SPDX-License-Identifier: BSD-3-Clause
// A message that is given in pieces (RFC 9260 sections 6.9, 11.1.7; RFC 6458 sections 6.1.7 and
// 8.1.20): it may be larger than the window; nothing is lost or repeated where it is cut, and what
// never ends ends the association at the size that a message may have.
#include "support/pair.h"

namespace trunkline::test {
namespace {

std::string bytes_for(size_t size, uint32_t from = 1) {
  std::string out(size, '\0');
  for (char& byte : out) {
    from = from * 1664525u + 1013904223u;
    byte = static_cast<char>(from >> 24);
  }
  return out;
}

// What came of messages on a stream, their pieces put together: those that are over, then what
// there is of the last one.
struct Together {
  std::vector<std::string> whole;
  std::string open;
  size_t pieces = 0;
};
Together together(const Host& host, uint16_t stream = 0) {
  Together out;
  for (const Seen& event : host.events) {
    if (event.kind != EventKind::kMessage || event.stream != StreamId(stream)) continue;
    out.open += event.text;
    ++out.pieces;
    if (!event.more) out.whole.push_back(std::exchange(out.open, {}));
  }
  return out;
}

class PartialDelivery : public Peer {
 protected:
  static constexpr size_t kChunk = 1400;

  PartialDelivery() {
    setup.profile.a_rwnd = 64 * 1024;
    setup.profile.partial_delivery_point = 16 * 1024;
    setup.profile.max_message_size = 2 * 1024 * 1024;
  }
  // The chunks of a message on stream 0; `flags` beside B and E. Heard: what the host says to each.
  void tell_message(const std::string& text, const std::string& flags = "", uint16_t stream = 0,
                    std::optional<uint16_t> ssn = std::nullopt) {
    for (size_t at = 0; at < text.size(); at += kChunk) {
      const bool last = at + kChunk >= text.size();
      tell_fragment(text.substr(at, kChunk),
                    std::string(at == 0 ? "B" : "") + (last ? "E" : "") + flags, stream,
                    ssn.value_or(message_));
    }
    if (!ssn && flags.empty()) ++message_;
  }
  void tell_fragment(const std::string& text, const std::string& flags, uint16_t stream = 0,
                     uint16_t ssn = 0, std::optional<Tsn> tsn = std::nullopt) {
    tell(data({.text = text, .flags = flags, .stream = stream, .ssn = ssn, .tsn = tsn}));
    most_ = std::max(most_, blocks());
    for (const Packet& said : listen()) {
      if (const auto sack = said.find(ChunkType::kSack)) {
        least_window_ = std::min(least_window_, wire::SackChunk::parse(*sack)->a_rwnd);
      }
    }
  }
  // The front of one on stream 0, as far as it is given: at least a piece.
  std::string begin_message(const std::string& flags = "") {
    std::string sent = bytes_for(13 * kChunk);
    for (size_t at = 0; at < sent.size(); at += kChunk) {
      tell_fragment(sent.substr(at, kChunk), (at == 0 ? "B" : "") + flags);
    }
    EXPECT_GE(together(host()).pieces, 1u);
    EXPECT_TRUE(together(host()).whole.empty());
    return sent;
  }
  uint64_t blocks() { return host().shard().pool_usage().receive_blocks_used; }
  uint64_t pieces() { return host().count(Counter::k_partial_deliveries); }

  uint16_t message_ = 0;
  uint64_t most_ = 0;
  uint32_t least_window_ = UINT32_MAX;
};

TEST_F(PartialDelivery, AMessageLargerThanTheWindowComesInPiecesAndTheWindowStaysOpen) {
  open();
  const std::string sent = bytes_for(1024 * 1024);
  tell_message(sent);
  tell_message("the next one");
  const Together got = together(host());
  ASSERT_EQ(got.whole, (std::vector<std::string>{sent, "the next one"}));
  EXPECT_GT(got.pieces, 1024u / 64u);
  EXPECT_EQ(pieces(), got.pieces - 2);
  EXPECT_LE(most_ * 512, setup.profile.a_rwnd);
  EXPECT_GT(least_window_, 16u * 1024u);
  EXPECT_EQ(host().count(Counter::k_messages_received), 2u);
  EXPECT_EQ(host().count(Counter::k_message_bytes_received), sent.size() + 12);
  EXPECT_EQ(blocks(), 0u);
}

// What waits for the message in pieces comes in no better than anything else when the window is
// shut, however its peer leaves the message unfinished.
TEST_F(PartialDelivery, WhatWaitsBehindPiecesDoesNotGetPastTheWindow) {
  open();
  begin_message("U");
  tell(data({.text = "between", .flags = "BEU", .stream = 1}));
  listen();
  for (int i = 0; i < 500; ++i) {
    tell_fragment(bytes_for(kChunk), "BEU");
    ASSERT_LE(blocks() * 512, setup.profile.a_rwnd + 2048u) << i;
  }
}

TEST_F(PartialDelivery, BelowThePointMessagesAreWhole) {
  open();
  for (int i = 0; i < 20; ++i) tell_message(bytes_for(15 * 1024));
  EXPECT_EQ(together(host()).pieces, 20u);
  EXPECT_EQ(pieces(), 0u);
}

// Off, as it is unless the application asks for it.
TEST_F(PartialDelivery, WithoutAPointALargerMessageEndsTheAssociation) {
  setup.profile.partial_delivery_point = 0;
  open();
  tell_message(bytes_for(200 * 1024));
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
  EXPECT_TRUE(host().messages().empty());
}

// Wherever it is cut; fragments come in disorder, some of them twice.
TEST_F(PartialDelivery, NothingIsLostOrRepeatedWhateverTheOrder) {
  SeededRandom random(7);
  setup.profile.partial_delivery_point = 3000;
  open();
  std::string all;
  for (uint16_t message = 0; message < 20; ++message) {
    const std::string flags = message % 3 == 2 ? "U" : "";
    const std::string sent = bytes_for(20'000 + random.below(60'000), message);
    std::vector<std::pair<size_t, size_t>> parts;
    for (size_t at = 0; at < sent.size();) {
      const size_t size = std::min<size_t>(sent.size() - at, 1 + random.below(1400));
      parts.emplace_back(at, size);
      at += size;
    }
    const Tsn first = peer_tsn;
    const auto count = static_cast<uint32_t>(parts.size());
    std::vector<size_t> order(parts.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    for (size_t i = 0; i < order.size(); ++i) {
      std::swap(order[i], order[i + random.below(std::min<size_t>(5, order.size() - i))]);
    }
    for (const size_t i : order) {
      const std::string ends =
          std::string(i == 0 ? "B" : "") + (i + 1 == parts.size() ? "E" : "") + flags;
      for (int n = random.below(8) == 0 ? 2 : 1; n > 0; --n) {
        tell_fragment(sent.substr(parts[i].first, parts[i].second), ends, 0,
                      static_cast<uint16_t>(message - message / 3),
                      first + static_cast<uint32_t>(i));
      }
    }
    peer_tsn = first + count;
    ASSERT_EQ(together(host()).whole.size(), message + 1u);
    ASSERT_EQ(together(host()).whole.back(), sent) << message;
    ASSERT_EQ(together(host()).open, "");
  }
  EXPECT_GT(pieces(), 100u);
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(PartialDelivery, OnlyWhatIsInItsTurnIsGiven) {
  open();
  tell_message(bytes_for(200 * 1024), "", 0, uint16_t{1});  // the stream's first never came
  EXPECT_EQ(pieces(), 0u);
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
}

TEST_F(PartialDelivery, UnorderedMessagesLikewise) {
  open();
  const std::string sent = bytes_for(300 * 1024);
  tell_message(sent, "U");
  ASSERT_EQ(together(host()).whole, std::vector<std::string>{sent});
  EXPECT_GT(pieces(), 4u);
  for (const Seen& event : host().events) {
    if (event.kind == EventKind::kMessage) {
      EXPECT_TRUE(event.unordered);
    }
  }
}

// Each piece its own TSN, all the SSN.
TEST_F(PartialDelivery, PiecesHaveTheirNumbers) {
  for (const std::string flags : {"", "U"}) {
    start_over();
    open();
    const Tsn first = peer_tsn;
    begin_message(flags);
    for (int i = 0; i < 11; ++i) tell_fragment(bytes_for(kChunk), flags);  // a piece, and no more
    const Tsn gap = peer_tsn;
    tell_fragment("waits", "BEU", 0, 0, gap + 1);
    tell_fragment("the end", "E" + flags, 0, 0, gap);
    size_t bytes = 0;
    size_t count = 0;
    for (const Seen& event : host().events) {
      if (event.kind != EventKind::kMessage || event.text == "waits") continue;
      const Tsn tsn = first + static_cast<uint32_t>(bytes / kChunk);
      EXPECT_EQ(event.tsn, tsn);
      EXPECT_EQ(event.ssn, Ssn(0));
      const bool last = !event.more;  // came when what is behind it had come
      EXPECT_EQ(event.cum_tsn, flags.empty() ? Tsn(0) : last ? tsn + 1 : tsn);
      bytes += event.text.size();
      ++count;
    }
    EXPECT_GE(count, 3u);
    EXPECT_EQ(host().last(EventKind::kMessage).text, "waits");
    EXPECT_EQ(host().last(EventKind::kMessage).tsn, gap + 1);
    EXPECT_EQ(host().last(EventKind::kMessage).cum_tsn, gap - 1);
  }
}

// A point beyond the window: then the window's end is the point.
TEST_F(PartialDelivery, AShutWindowOpensWhateverThePointIs) {
  setup.profile.partial_delivery_point = 1024 * 1024;
  open();
  const std::string sent = bytes_for(300 * 1024);
  tell_message(sent);
  ASSERT_EQ(together(host()).whole, std::vector<std::string>{sent});
  EXPECT_EQ(host().count(Counter::k_drop_data_no_window), 0u);
}

// Behind a gap other messages are complete before the one that is given in pieces.
TEST_F(PartialDelivery, OthersOfItsStreamWaitAndOtherStreamsGoOn) {
  for (const std::string flags : {"", "U"}) {
    start_over();
    open();
    const std::string front = begin_message(flags);
    const Tsn gap = peer_tsn;
    const uint16_t next = flags.empty() ? 1 : 0;
    tell_fragment("unordered", "BEU", 0, 0, gap + 1);
    tell_fragment("ordered", "BE", 0, next, gap + 2);
    tell_fragment("in two ", "BU", 0, 0, gap + 3);
    tell_fragment("parts", "EU", 0, 0, gap + 4);
    tell_fragment("elsewhere", "BE", 1, 0, gap + 5);
    tell_fragment("unordered elsewhere", "BEU", 2, 0, gap + 6);
    EXPECT_TRUE(together(host(), 0).whole.empty());
    EXPECT_EQ(together(host(), 1).whole, std::vector<std::string>{"elsewhere"});
    EXPECT_EQ(together(host(), 2).whole, std::vector<std::string>{"unordered elsewhere"});
    tell_fragment("the end", "E" + flags, 0, 0, gap);
    std::vector<std::string> got = together(host(), 0).whole;
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[0], front + "the end");
    std::sort(got.begin() + 1, got.end());
    EXPECT_EQ(got[1], "in two parts");
    EXPECT_EQ(got[2], "ordered");
    EXPECT_EQ(got[3], "unordered");
    EXPECT_EQ(blocks(), 0u);
    EXPECT_EQ(host().state(), AssocState::kEstablished);
  }
}

TEST_F(PartialDelivery, WhatWaitsForItsStreamMayBeDroppedAndComesAgain) {
  open();
  const std::string front = begin_message();
  const Tsn gap = peer_tsn;
  // More than the window has room for; the highest give way to what fills the gap.
  uint32_t n = 0;
  while (host().status().a_rwnd > 0) tell_fragment("u", "BEU", 0, 0, gap + ++n);
  tell_fragment("the end", "E", 0, 0, gap);
  EXPECT_EQ(together(host()).whole[0], front + "the end");
  EXPECT_EQ(blocks(), 0u);
  EXPECT_EQ(host().status().cum_tsn_ack.distance_from(gap) + 1, together(host()).whole.size());
}

TEST_F(PartialDelivery, ItsNumberCountsAsTaken) {
  open();
  begin_message();
  tell_fragment("the same SSN", "BE", 0, 0, peer_tsn + 1);
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation);
  EXPECT_TRUE(together(host()).whole.empty());
}

TEST_F(PartialDelivery, WhatDoesNotContinueItIsAViolation) {
  for (const char* const flags : {"B", "BE", "U"}) {
    start_over();
    open();
    begin_message();
    tell_fragment("x", flags, 0, 0);
    EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation) << flags;
  }
}

// Memory is bounded by the window, other streams go on, and it ends at the size that is allowed.
TEST_F(PartialDelivery, AMessageWithoutEndEndsTheAssociationAtItsLimit) {
  setup.profile.max_message_size = 500'000;
  open();
  size_t told = 0;
  for (uint16_t i = 0; host().shard().association_count() == 1; ++i) {
    ASSERT_LT(told, 501'000u);
    if (i == 100) {  // behind a gap, far ahead of what follows
      tell_fragment("elsewhere", "BE", 1, 0, peer_tsn + 30'000);
      EXPECT_EQ(together(host(), 1).whole, std::vector<std::string>{"elsewhere"});
    }
    tell_fragment(bytes_for(kChunk), i == 0 ? "B" : "");
    told += kChunk;
  }
  EXPECT_GT(told, 500'000u);
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
  EXPECT_LE(most_ * 512, setup.profile.a_rwnd);
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(PartialDelivery, WhatWasGivenCountsForTheLargestMessage) {
  for (const bool fits : {true, false}) {
    start_over();
    message_ = 0;
    setup.profile.max_message_size = 100 * kChunk;
    open();
    tell_message(bytes_for(100 * kChunk + (fits ? 0 : 1)));
    EXPECT_GT(pieces(), 4u);
    EXPECT_EQ(host().count(EventKind::kLost), fits ? 0u : 1u);
    if (fits) {
      EXPECT_EQ(together(host()).whole.size(), 1u);
    } else {
      EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kOutOfResources);
    }
    EXPECT_EQ(blocks(), 0u);
  }
}

TEST_F(PartialDelivery, AnAbortInTheMiddleIsTheEndOfIt) {
  open();
  begin_message();
  tell([](PacketWriter& w) { return wire::write_abort(w, false); });
  const std::vector<Seen>& events = host().events;
  EXPECT_EQ(events.back().kind, EventKind::kLost);
  EXPECT_EQ(events[events.size() - 2].kind, EventKind::kMessageBroken);
  EXPECT_TRUE(together(host()).whole.empty());
  EXPECT_EQ(blocks(), 0u);
}

TEST_F(PartialDelivery, NothingIsBrokenOnceTheEndHasCome) {
  open();
  tell_message(bytes_for(40 * 1024));
  ASSERT_GT(pieces(), 0u);
  tell([](PacketWriter& w) { return wire::write_abort(w, false); });
  EXPECT_EQ(host().events.back().kind, EventKind::kLost);
  EXPECT_EQ(host().count(EventKind::kMessageBroken), 0u);
}

TEST_F(PartialDelivery, ARestartInTheMiddleBeginsAnew) {
  open();
  begin_message();
  peer_tsn = Tsn(50'000);
  peer_tag = VerificationTag(77);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  listen();
  ASSERT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(host().events.back().kind, EventKind::kRestarted);
  EXPECT_EQ(host().events[host().events.size() - 2].kind, EventKind::kMessageBroken);
  EXPECT_EQ(blocks(), 0u);
  host().events.clear();
  tell_message("the first of a new life");
  EXPECT_EQ(together(host()).whole, std::vector<std::string>{"the first of a new life"});
}

// Pieces that nobody takes shut the window; each that is taken opens it, and what came meanwhile is
// given then.
TEST_F(PartialDelivery, AReaderThatIsLateHoldsTheWindowAndLosesNothing) {
  open();
  host().keep_messages = true;
  const std::string sent = bytes_for(400 * 1024);
  size_t at = 0;
  int idle = 0;
  while (at < sent.size() && idle < 3) {
    const bool first = at == 0;
    const bool last = at + kChunk >= sent.size();
    const Tsn tsn = peer_tsn;
    tell_fragment(sent.substr(at, kChunk), std::string(first ? "B" : "") + (last ? "E" : ""), 0, 0,
                  tsn);
    if (host().status().cum_tsn_ack == tsn) {
      ++peer_tsn;
      at += kChunk;
      idle = 0;
    } else {
      EXPECT_EQ(host().status().a_rwnd, 0u);
      host().read_kept(now);
      host().drain(now);
      ++idle;
    }
    EXPECT_LE(most_ * 512, setup.profile.a_rwnd + 2048);
  }
  host().read_kept(now);
  host().drain(now);
  ASSERT_EQ(together(host()).whole, std::vector<std::string>{sent});
  EXPECT_GT(host().count(Counter::k_drop_data_no_window), 3u);
  host().read_kept(now);
  EXPECT_EQ(blocks(), 0u);
}

// ---------------------------------------------------------------- between two of our own

class PartialDeliveryPair : public Pair {
 protected:
  PartialDeliveryPair() {
    for (HostSetup* setup : {&a_setup, &z_setup}) {
      setup->profile.a_rwnd = 64 * 1024;
      setup->profile.send_buffer = setup->profile.max_message_size = 1024 * 1024;
    }
    z_setup.profile.partial_delivery_point = 16 * 1024;
  }
};

TEST_F(PartialDeliveryPair, AMebibyteGoesThroughAWindowOf64KiB) {
  connect();
  const std::string sent = bytes_for(1024 * 1024);
  ASSERT_EQ(a().send(now, sent), Status::kOk);
  run(seconds(1));
  EXPECT_EQ(together(z()).whole, std::vector<std::string>{sent});
  EXPECT_EQ(a().count(EventKind::kSendAcknowledged), 1u);
  EXPECT_EQ(a().count(Counter::k_zero_window_probes), 0u) << "it never waits for a probe";
}

TEST_F(PartialDeliveryPair, AndUnderLoss) {
  SeededRandom random(3);
  connect();
  eats = [&](const Packet&) { return random.below(20) == 0; };
  const std::string sent = bytes_for(1024 * 1024);
  ASSERT_EQ(a().send(now, sent, {.stream = 3}), Status::kOk);
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(a().send(now, "small " + std::to_string(i), {.stream = 4}), Status::kWouldBlock);
  }
  run(seconds(600));
  EXPECT_EQ(together(z(), 3).whole, std::vector<std::string>{sent});
  EXPECT_EQ(a().count(EventKind::kSendAcknowledged), 1u);
}

}  // namespace
}  // namespace trunkline::test
