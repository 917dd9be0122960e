// SPDX-License-Identifier: BSD-3-Clause
// DATA to the peer (RFC 9260 sections 6.1, 6.2.1, 6.3, 6.9, 6.10, 7.2): fragments, bundles,
// windows, retransmission, and each answer of the verb send().
#include <map>

#include "support/pair.h"

namespace trunkline::test {
namespace {

constexpr size_t kPacket = 1480;              // SCTP packet in an IPv4 packet of 1500
constexpr size_t kLimit = kPacket - 12 - 16;  // user data in the largest DATA chunk

class DataOut : public Peer {
 protected:
  Status send(const std::string& text, Host::SendOptions options = {}) {
    return host().send(now, text, options);
  }
  void acknowledge_all() { tell(sack(last_tsn())); }
};

TEST_F(DataOut, AMessageGoesOutAtOnceWithItsNumbers) {
  be_opened();
  ASSERT_EQ(send("hello", {.stream = 3, .ppid = 46}), Status::kOk);
  ASSERT_EQ(send("world", {.stream = 3, .unordered = true, .sack_immediately = true}), Status::kOk);
  const Packet out = hear_one();
  EXPECT_EQ(out.names(), "DATA + DATA");
  const auto chunks = data_of(out);
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0].tsn, host_tsn);
  EXPECT_EQ(chunks[0].stream, StreamId(3));
  EXPECT_EQ(chunks[0].ppid, Ppid(46));
  EXPECT_TRUE(chunks[0].beginning && chunks[0].ending);
  EXPECT_FALSE(chunks[0].unordered || chunks[0].immediate);
  EXPECT_TRUE(chunks[1].unordered && chunks[1].immediate);
  EXPECT_EQ(chunks[1].tsn, host_tsn + 1);
  EXPECT_EQ(std::string(chunks[0].payload.begin(), chunks[0].payload.end()), "hello");
}

TEST_F(DataOut, FragmentationBeginsOneByteAboveTheLimit) {
  be_opened();
  struct Row {
    size_t size;
    std::vector<size_t> fragments;
  };
  const Row rows[] = {{kLimit, {kLimit}},
                      {kLimit + 1, {kLimit, 1}},
                      {2 * kLimit, {kLimit, kLimit}},
                      {2 * kLimit + 1, {kLimit, kLimit, 1}}};
  for (const Row& row : rows) {
    std::string text(row.size, 'x');
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
    ASSERT_EQ(send(text, {.piece_size = 333}), Status::kOk);
    std::vector<size_t> sizes;
    std::string whole;
    std::string flags;
    for (const Packet& packet : listen()) {
      EXPECT_LE(packet.bytes.size(), kPacket);
      for (const auto& chunk : data_of(packet)) {
        sizes.push_back(chunk.payload.size());
        whole.append(chunk.payload.begin(), chunk.payload.end());
        flags += chunk.beginning ? 'B' : '-';
        flags += chunk.ending ? 'E' : '-';
      }
    }
    EXPECT_EQ(sizes, row.fragments);
    EXPECT_EQ(whole, text);
    EXPECT_EQ(flags.front(), 'B');
    EXPECT_EQ(flags.back(), 'E');
    acknowledge_all();
    EXPECT_EQ(host().last(EventKind::kSendAcknowledged).text, text);
  }
}

TEST_F(DataOut, BundlesFillThePacketExactly) {
  be_opened();
  // 1468 bytes for chunks: 16 + 351, padded to 368, thrice, leaves 364: 16 + 348.
  for (const size_t size : {351u, 350u, 349u, 348u}) send(std::string(size, 'x'));
  const Packet full = hear_one();
  EXPECT_EQ(full.bytes.size(), kPacket);
  EXPECT_EQ(data_of(full).size(), 4u);
  acknowledge_all();
  // One byte more: the padding no longer fits.
  for (const size_t size : {351u, 350u, 349u, 349u}) send(std::string(size, 'x'));
  const std::vector<Packet> two = listen();
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(data_of(two[0]).size(), 3u);
  EXPECT_EQ(data_of(two[1]).size(), 1u);
}

TEST_F(DataOut, OneDataPerPacketIfThePeerNeedsIt) {
  setup.profile.one_data_per_packet = true;
  be_opened();
  for (int i = 0; i < 3; ++i) send("x");
  EXPECT_EQ(hear(), "DATA, DATA, DATA");
}

TEST_F(DataOut, NagleWaitsForAFullPacketWhileSomethingIsInFlight) {
  setup.profile.nagle = true;
  be_opened();
  send("a");
  EXPECT_EQ(hear(), "DATA");
  send("b");
  send("c");
  EXPECT_EQ(hear(), "");
  acknowledge_all();
  EXPECT_EQ(hear(), "DATA + DATA");
  send(std::string(kLimit, 'x'));
  EXPECT_EQ(hear(), "DATA") << "a full packet does not wait";
}

TEST_F(DataOut, AnAckRidesWithData) {
  be_opened();
  tell_data();
  EXPECT_EQ(hear(), "SACK");
  tell_data();
  send("x");
  EXPECT_EQ(hear(), "SACK + DATA");
}

TEST_F(DataOut, TheCongestionWindowHoldsBackWithOneOverbooking) {
  setup.profile.max_burst = 0;
  be_opened();
  ASSERT_EQ(host().status().paths[0].cwnd, 4404u);
  for (int i = 0; i < 10; ++i) send(std::string(kLimit, 'x'));
  EXPECT_EQ(listen().size(), 3u) << "three chunks of 1468 bytes are the window";
  EXPECT_EQ(host().status().paths[0].flight, 3 * 1468u);
  tell(sack(host_tsn + 1));
  EXPECT_EQ(host().status().paths[0].cwnd, 4404u + 1468u);
  EXPECT_EQ(listen().size(), 3u);
  tell(sack(host_tsn + 5));
  send(std::string(100, 'x'));
  for (int i = 0; i < 10; ++i) send(std::string(kLimit, 'x'));
  const uint32_t cwnd = host().status().paths[0].cwnd;
  listen();
  const uint32_t flight = host().status().paths[0].flight;
  EXPECT_GT(flight, cwnd) << "a byte of room lets a whole packet out (6.1 B)";
  EXPECT_LT(flight, cwnd + 1468);
}

TEST_F(DataOut, MaxBurstLimitsWhatASackReleases) {
  setup.profile.max_burst = 2;
  be_opened();
  for (int i = 0; i < 10; ++i) send(std::string(kLimit, 'x'));
  EXPECT_EQ(listen().size(), 2u);
  acknowledge_all();
  EXPECT_EQ(listen().size(), 2u);
}

TEST_F(DataOut, ThePeersWindowHoldsBack) {
  peer_window = 1500;
  be_opened();
  for (int i = 0; i < 3; ++i) send(std::string(800, 'x'));
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(host().status().peer_rwnd, 700u);
  acknowledge_all();
  EXPECT_EQ(hear(), "DATA");
}

TEST_F(DataOut, AClosedWindowIsProbedWithOneChunkWithoutEnd) {
  setup.profile.association_max_retrans = 3;
  setup.profile.heartbeat_interval = Duration{0};
  be_opened();
  send("a");
  listen();
  tell(sack(last_tsn(), {}, 0));
  send("probe");
  send("more");
  EXPECT_EQ(hear(), "");
  wait(seconds(1));
  EXPECT_EQ(hear(), "DATA") << "rule A: one, while nothing is in flight";
  EXPECT_EQ(host().count(Counter::k_zero_window_probes), 1u);
  tell(sack(host_tsn, {}, 0));
  for (int i = 0; i < 30; ++i) {
    wait(seconds(60));
    for (const Packet& packet : listen()) {
      if (data_of(packet).empty()) continue;
      EXPECT_EQ(data_of(packet).size(), 1u);
      tell(sack(host_tsn, {}, 0));
    }
  }
  EXPECT_EQ(host().state(), AssocState::kEstablished) << "a peer that answers is alive (6.1 A)";
  tell(sack(host_tsn, {}, 100000));
  std::string heard;
  for (int i = 0; i < 5; ++i) {
    for (const Packet& packet : listen()) {
      for (const auto& chunk : data_of(packet)) {
        heard.append(chunk.payload.begin(), chunk.payload.end());
      }
    }
    tell(sack(last_tsn(), {}, 100000));
    wait(seconds(1));
  }
  EXPECT_NE(heard.find("probe"), std::string::npos);
  EXPECT_NE(heard.find("more"), std::string::npos);
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 3u);
}

TEST_F(DataOut, AProbeThatIsNeverAnsweredEndsTheAssociation) {
  setup.profile.association_max_retrans = 3;
  be_opened();
  send("a");
  listen();
  tell(sack(last_tsn(), {}, 0));
  send("probe");
  for (int i = 0; i < 10; ++i) {
    listen();
    wait(seconds(60));
  }
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kTimedOut);
}

TEST_F(DataOut, T3SendsAgainWithBackOffAndGivesUpInTheEnd) {
  setup.profile.association_max_retrans = 3;
  setup.profile.heartbeat_interval = Duration{0};
  be_opened();
  send("lost", {.sack_immediately = false});
  listen();
  std::vector<int64_t> again;
  const TimePoint begin = now;
  for (int i = 0; i < 400 && host().count(EventKind::kLost) == 0; ++i) {
    wait(milliseconds(100));
    for (const Packet& packet : listen()) {
      ASSERT_EQ(data_of(packet).size(), 1u);
      EXPECT_EQ(data_of(packet)[0].tsn, host_tsn);
      again.push_back((now - begin) / milliseconds(1));
    }
  }
  EXPECT_EQ(again, (std::vector<int64_t>{1000, 3000, 7000}));
  EXPECT_EQ(host().last(EventKind::kSendFailed).reason, Reason::kTimedOut);
  EXPECT_EQ(host().last(EventKind::kSendFailed).text, "lost");
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kTimedOut);
  EXPECT_EQ(host().count(Counter::k_t3_expirations), 4u);
}

// While the first T3 runs for RTO.Initial the round trip is measured, by a gap block: what is sent
// once all is acknowledged has a T3 that ends before the first one would have.
TEST_F(DataOut, T3IsNotLateWhenTheRtoHasBecomeShorter) {
  setup.profile.rto_initial = seconds(3);
  setup.profile.heartbeat_interval = Duration{0};
  open();
  EXPECT_EQ(host().status().paths[0].rto, seconds(3));
  send(std::string(kLimit, 'x'));
  send(std::string(kLimit, 'y'));
  EXPECT_EQ(listen().size(), 2u);
  wait(milliseconds(10));
  tell(sack(host_tsn - 1, {{2, 2}}));
  listen();
  wait(milliseconds(10));
  tell(sack(last_tsn()));
  send("lost");
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(host().status().paths[0].rto, seconds(1));
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "DATA");
}

TEST_F(DataOut, T3BeginsAnewWithEachAcknowledgementOfTheEarliest) {
  setup.profile.heartbeat_interval = Duration{0};
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 3; ++i) send(std::string(kLimit, 'x'));
  EXPECT_EQ(listen().size(), 3u);
  wait(milliseconds(700));
  tell(sack(host_tsn));
  wait(milliseconds(700));
  tell(sack(host_tsn + 1));
  wait(milliseconds(999));
  EXPECT_EQ(hear(), "");
  wait(milliseconds(1));
  EXPECT_EQ(hear(), "DATA");
  EXPECT_EQ(host().count(Counter::k_t3_expirations), 1u);
}

TEST_F(DataOut, AfterT3OnePacketIsInFlightUntilItIsAcknowledged) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 4; ++i) send(std::string(kLimit, 'x'));
  EXPECT_EQ(listen().size(), 3u);
  wait(seconds(1));
  EXPECT_EQ(listen().size(), 1u) << "7.2.1, 7.2.3: though 1452 bytes are less than cwnd";
  EXPECT_EQ(host().status().paths[0].cwnd, 1468u);
  EXPECT_EQ(host().status().paths[0].ssthresh, 4 * 1468u);
  send("more");
  EXPECT_EQ(hear(), "");
  tell(sack(host_tsn));
  EXPECT_EQ(listen().size(), 2u);
}

TEST_F(DataOut, ThreeMissIndicationsRetransmitFast) {
  setup.profile.max_burst = 0;
  be_opened();
  for (int i = 0; i < 6; ++i) send(std::string(600, 'x'));
  listen();
  for (uint16_t i = 2; i <= 3; ++i) {
    tell(sack(host_tsn - 1, {{2, i}}));
    EXPECT_EQ(hear(), "");
  }
  tell(sack(host_tsn - 1, {{2, 4}}));
  const Packet again = hear_one();
  ASSERT_EQ(data_of(again).size(), 1u);
  EXPECT_EQ(data_of(again)[0].tsn, host_tsn);
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 1u);
  EXPECT_EQ(host().status().paths[0].cwnd, 4 * 1468u);
  EXPECT_EQ(host().status().retransmitted_chunks, 1u);
}

TEST_F(DataOut, AnOldSackIsDropped) {
  be_opened();
  send("a");
  listen();
  send("b");
  listen();
  tell(sack(host_tsn + 1));
  tell(sack(host_tsn, {}, 5));
  EXPECT_EQ(host().count(Counter::k_drop_old_sack), 1u);
  EXPECT_NE(host().status().peer_rwnd, 5u);
}

TEST_F(DataOut, AnAckOfWhatWasNeverSentEndsTheAssociation) {
  be_opened();
  send("a");
  listen();
  tell(sack(host_tsn + 1));
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kProtocolViolation});
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kPeerViolation);
  EXPECT_EQ(host().last(EventKind::kSendFailed).text, "a");
}

TEST_F(DataOut, AFailedMessageSaysWhetherAnyOfItWasSent) {
  be_opened();
  send("whole");
  send(std::string(100'000, 'p'));
  send("behind");
  listen();
  ASSERT_EQ(host().shard().abort(now, host().assoc, {}), Status::kOk);
  listen();
  std::map<std::string, bool> started;
  for (const Seen& event : host().events) {
    if (event.kind == EventKind::kSendFailed) started[event.text.substr(0, 6)] = event.started;
  }
  EXPECT_EQ(started,
            (std::map<std::string, bool>{{"whole", true}, {"pppppp", true}, {"behind", false}}));
}

TEST_F(DataOut, GapBlocksThatCanNotBeAreDropped) {
  be_opened();
  for (int i = 0; i < 3; ++i) send("a");
  listen();
  tell(sack(host_tsn - 1, {{3, 2}}));
  tell(sack(host_tsn - 1, {{9, 8}}));
  tell(sack(host_tsn - 1, {{0, 1}, {1, 2}}));
  EXPECT_EQ(host().count(Counter::k_drop_bad_gap_block), 4u);
  EXPECT_EQ(host().status().paths[0].flight, 3 * 20u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

// The rest of the SACK counts: cumulative TSN, window, blocks that are sound.
TEST_F(DataOut, BesideABadGapBlockWhatIsSoundCounts) {
  be_opened();
  for (int i = 0; i < 8; ++i) send("a");
  listen();
  tell(sack(host_tsn, {{2, 2}, {2, 3}}, 5000));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
  EXPECT_EQ(host().status().peer_rwnd, 5000u - 6);
  EXPECT_EQ(host().status().paths[0].flight, 6 * 20u);
  EXPECT_EQ(host().count(Counter::k_drop_bad_gap_block), 1u);
  EXPECT_EQ(host().count(Counter::k_drop_bad_sack), 0u);
  tell(sack(host_tsn, {{2, 2}, {2, 3}, {4, 4}}));
  tell(sack(host_tsn, {{2, 2}, {7, 5}, {4, 5}}));
  EXPECT_EQ(host().count(Counter::k_fast_retransmits), 1u) << "three sound blocks, three reports";
  const Packet again = hear_one();
  ASSERT_EQ(data_of(again).size(), 1u);
  EXPECT_EQ(data_of(again)[0].tsn, host_tsn + 1);
}

TEST_F(DataOut, AGapBlockOfWhatWasNeverSentEndsTheAssociationWhateverStandsBesideIt) {
  be_opened();
  for (int i = 0; i < 3; ++i) send("a");
  listen();
  tell(sack(host_tsn, {{2, 2}, {2, 2}, {3, 3}}));
  EXPECT_EQ(causes(hear_one()), std::vector{CauseCode::kProtocolViolation});
  EXPECT_EQ(host().count(Counter::k_drop_bad_sack), 1u);
}

// It takes back what it acknowledged, and acknowledges it again, with every SACK.
TEST_F(DataOut, APeerThatTakesBackAgainAndAgainIsBelievedNoMoreForAWindow) {
  be_opened();
  for (int i = 0; i < 100; ++i) send("a");
  listen();
  for (int i = 0; i < 100; ++i) {
    tell(sack(host_tsn - 1, {{2, 100}}));
    tell(sack(host_tsn - 1));
  }
  EXPECT_EQ(host().count(Counter::k_drop_fickle_gap_blocks), 1u);
  EXPECT_EQ(host().status().paths[0].flight, 99 * 20u) << "the first was reported three times";
  wait(host().status().paths[0].rto);
  listen();
  tell(sack(last_tsn()));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 100u) << "the cumulative TSN counts";
}

TEST_F(DataOut, WhenAllIsAcknowledgedTheSenderIsDry) {
  be_opened();
  send("a");
  send("b");
  listen();
  tell(sack(host_tsn));
  EXPECT_EQ(host().count(EventKind::kSenderDry), 0u);
  tell(sack(host_tsn + 1));
  EXPECT_EQ(host().count(EventKind::kSenderDry), 1u);
  EXPECT_EQ(host().events.back().kind, EventKind::kSenderDry);
  EXPECT_EQ(host().texts.living(), 0);
  EXPECT_EQ(host().status().outstanding_bytes, 0u);
}

TEST_F(DataOut, AMessageIsAcknowledgedWithItsLastFragment) {
  be_opened();
  send(std::string(kLimit + 1, 'x'));
  listen();
  tell(sack(host_tsn));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 0u);
  tell(sack(host_tsn + 1));
  EXPECT_EQ(host().count(EventKind::kSendAcknowledged), 1u);
}

// ---------------------------------------------------------------- the answers of send()

TEST_F(DataOut, SendSaysWhyNot) {
  setup.profile.max_message_size = 5000;
  setup.profile.send_buffer = 8000;
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  answer_up_to_cookie_echo();
  tell(wire::write_cookie_ack);
  EXPECT_EQ(send("x", {.stream = 10}), Status::kInvalidStream);
  EXPECT_EQ(send("x", {.stream = 9}), Status::kOk);
  EXPECT_EQ(send(""), Status::kEmptyMessage);
  EXPECT_EQ(send(std::string(5001, 'x')), Status::kMessageTooLarge);
  EXPECT_EQ(send(std::string(5000, 'x')), Status::kOk);
  EXPECT_EQ(send(std::string(3000, 'x')), Status::kWouldBlock) << "1 + 5000 + 3000 > 8000";
  EXPECT_EQ(send(std::string(2999, 'x')), Status::kOk);
  EXPECT_EQ(host().send_on(now, AssocId{}, "x", {}), Status::kNoSuchAssociation);
  EXPECT_EQ(host().count(Counter::k_refused_sends), 5u);
}

TEST_F(DataOut, ABlockedSenderGoesOnOnceTheBufferDrains) {
  setup.profile.send_buffer = 1000;
  be_opened();
  ASSERT_EQ(send(std::string(900, 'x')), Status::kOk);
  EXPECT_EQ(send(std::string(200, 'x')), Status::kWouldBlock);
  listen();
  EXPECT_EQ(send(std::string(200, 'x')), Status::kWouldBlock) << "sent is not acknowledged";
  acknowledge_all();
  EXPECT_EQ(send(std::string(200, 'x')), Status::kOk);
}

TEST_F(DataOut, OneMessageMayAlwaysBeUnderWayHoweverLarge) {
  setup.profile.send_buffer = 100;
  be_opened();
  EXPECT_EQ(send(std::string(2000, 'x')), Status::kOk);
  EXPECT_EQ(send("x"), Status::kWouldBlock);
}

TEST_F(DataOut, AnEmptyPoolOfMessagesIsARefusal) {
  setup.shard.max_queued_messages = 2;
  be_opened();
  EXPECT_EQ(send("1"), Status::kOk);
  EXPECT_EQ(send("2"), Status::kOk);
  EXPECT_EQ(send("3"), Status::kOutOfResources);
  listen();
  acknowledge_all();
  EXPECT_EQ(send("3"), Status::kOk);
}

// Of several associations of one shard whose peers take nothing.
class SharedMessages : public Pair {
 protected:
  static constexpr uint32_t kMessages = 900;

  static constexpr uint32_t kAssociations = 10;
  static constexpr uint32_t kPart = kMessages / 2 / kAssociations;

  SharedMessages() {
    a_setup.shard.max_queued_messages = kMessages;
    a_setup.shard.max_associations = kAssociations;
  }
  AssocId open(uint16_t local_port) {
    EndpointConfig config;
    config.port = PortNumber(local_port);
    config.addresses = a_setup.addresses;
    config.profile = a_setup.profile;
    ConnectRequest request;
    request.endpoint = a().shard().add_endpoint(config).endpoint;
    request.peer_addresses = z_setup.addresses;
    request.peer_port = z_setup.port;
    const ConnectResult result = a().shard().connect(now, request);
    EXPECT_EQ(result.status, Status::kOk);
    exchange();
    return result.assoc;
  }
  // Until one is refused; returns how many were not.
  uint32_t fill(AssocId assoc) {
    for (uint32_t taken = 0;; ++taken) {
      const Status status = a().send_on(now, assoc, "x", {});
      if (status == Status::kOk) continue;
      EXPECT_EQ(status, Status::kWouldBlock);
      return taken;
    }
  }
};

TEST_F(SharedMessages, OneAssociationDoesNotTakeThemAll) {
  z();
  std::vector<AssocId> all;
  for (uint16_t i = 0; i < kAssociations; ++i) {
    all.push_back(open(static_cast<uint16_t>(6000 + i)));
  }
  EXPECT_EQ(fill(all[0]), kMessages / 2);
  EXPECT_EQ(a().count(Counter::k_refused_send_share), 1u);
  // However many there are, the next one finds its part.
  for (size_t i = 1; i < all.size(); ++i) EXPECT_EQ(fill(all[i]), kPart) << i;
}

TEST_F(SharedMessages, WhatIsAcknowledgedOrAbortedIsThereAgain) {
  z();
  const AssocId hog = open(6000);
  const uint32_t most = fill(hog);
  exchange();
  run(seconds(10));
  EXPECT_EQ(fill(hog), most);
  a().shard().abort(now, hog, {});
  exchange();
  EXPECT_EQ(fill(open(6001)), most);
}

TEST_F(DataOut, AnEmptyPoolOfChunksDelaysAndForgetsNothing) {
  setup.shard.max_outstanding_chunks = 2;
  be_opened();
  for (int i = 0; i < 5; ++i) send(std::to_string(i));
  std::string heard;
  for (int round = 0; round < 20; ++round) {
    for (const Packet& packet : listen()) {
      for (const auto& chunk : data_of(packet))
        heard.append(chunk.payload.begin(), chunk.payload.end());
    }
    acknowledge_all();
    wait(milliseconds(10));
  }
  EXPECT_EQ(heard, "01234");
  EXPECT_GT(host().count(Counter::k_waits_for_chunks), 0u);
}

// ---------------------------------------------------------------- both ends

using Stream = Pair;

TEST_F(Stream, MessagesOfAllSizesArriveWholeAndInOrder) {
  a_setup.profile.send_buffer = 4 << 20;
  connect();
  std::vector<std::string> sent;
  for (const size_t size : {1u, 2u, 3u, 4u, 5u, 63u, 64u, 300u, 1451u, 1452u, 1453u, 2904u, 2905u,
                            65535u, 65536u, 262144u}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i + size) % 26);
    sent.push_back(text);
    ASSERT_EQ(a().send(now, text, {.piece_size = 1000}), Status::kOk);
  }
  run(seconds(5));
  EXPECT_EQ(z().messages(), sent);
  EXPECT_EQ(a().count(EventKind::kSendAcknowledged), sent.size());
  EXPECT_EQ(a().count(Counter::k_retransmitted_chunks), 0u);
}

TEST_F(Stream, LossOfAnySinglePacketIsMadeGood) {
  for (size_t lost = 0; lost < 12; ++lost) {
    connect();
    size_t n = 0;
    eats = [&](const Packet&) { return n++ == lost; };
    std::vector<std::string> sent;
    for (int i = 0; i < 10; ++i) {
      sent.push_back(std::string(1000, static_cast<char>('a' + i)));
      a().send(now, sent.back());
    }
    run(seconds(30));
    EXPECT_EQ(z().messages(), sent) << lost;
    EXPECT_EQ(a().count(EventKind::kSendAcknowledged), 10u) << lost;
    eats = nullptr;
    a().shard().abort(now, a().assoc, {});
    exchange();
    a().events.clear();
    z().events.clear();
  }
}

}  // namespace
}  // namespace trunkline::test
