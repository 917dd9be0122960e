// SPDX-License-Identifier: BSD-3-Clause
// What the bridge does for well-behaved clients, through the real client library: messages, sends
// that fail, credit, notifications, and the end of associations.
#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <vector>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

class BridgeTest : public RingHarness {};

TEST_F(BridgeTest, CarriesAMessageBothWays) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  ASSERT_EQ(send(lane, pair.client, "hello", 3, TL_SEND_UNORDERED), 0) << tl_last_error();
  ASSERT_EQ(send(lane, pair.server, "and back", 9), 0);
  turn();
  const auto events = poll(lane);
  ASSERT_EQ(count(events, TL_EVENT_MESSAGE), 2U);
  for (const Got& got : events) {
    const bool to_server = got.event.assoc == pair.server;
    EXPECT_EQ(got.text, to_server ? "hello" : "and back");
    EXPECT_EQ(got.event.stream, to_server ? 3 : 9);
    EXPECT_EQ(got.event.ppid, 46U);
    EXPECT_EQ(got.event.flags, to_server ? TL_SEND_UNORDERED : 0);
    EXPECT_EQ(got.event.piece_count, 1U);
  }
  EXPECT_EQ(counter(RingCounter::k_ring_messages_in), 2U);
  EXPECT_EQ(counter(RingCounter::k_ring_message_bytes_out), 13U);
}

TEST_F(BridgeTest, OpensWithStreamsPortsAddressAndUserWords) {
  tl_lane* const server = lane_of(attach());
  tl_lane* const client = lane_of(attach());
  tl_listener listener = 0;
  ASSERT_EQ(listen(server, 5000, &listener, 77), 0);
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(client, 5000, &assoc, 42), 0);
  turn();
  const Got accepted = only(poll(server), TL_EVENT_ACCEPTED);
  const Got connected = only(poll(client), TL_EVENT_CONNECTED);
  EXPECT_EQ(accepted.event.user, 77U);
  EXPECT_EQ(accepted.event.listener, listener);
  EXPECT_EQ(accepted.event.local_port, 5000);
  EXPECT_EQ(connected.event.assoc, assoc);
  EXPECT_EQ(connected.event.user, 42U);
  EXPECT_EQ(connected.event.peer_port, 5000);
  EXPECT_EQ(connected.event.outbound_streams, 10);
  EXPECT_EQ(connected.event.inbound_streams, 10);
  char text[64];
  EXPECT_STREQ(tl_address_text(&connected.event.address, text, sizeof(text)), "192.0.2.7");
  uint16_t out = 0;
  EXPECT_EQ(tl_assoc_streams(client, assoc, &out, nullptr), 0);
  EXPECT_EQ(out, 10);
  // The answer to a changed user word is in the events that follow.
  EXPECT_EQ(tl_assoc_set_user(client, assoc, 4711), 0);
  ASSERT_EQ(send(server, accepted.event.assoc, "x"), 0);
  turn();
  EXPECT_EQ(only(poll(client), TL_EVENT_MESSAGE).event.user, 4711U);
}

// Every length around the edges of a slot and of the largest message arrives byte for byte.
TEST_F(BridgeTest, MessagesOfAllSizes) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  for (const size_t n : std::initializer_list<size_t>{1, 2, 511, 512, 513, 1023, 1024, 1025, 1400,
                                                      1401, 5000, 16384}) {
    const std::string text = bytes(n, 'A');
    ASSERT_EQ(send(lane, pair.client, text), 0) << n << ": " << tl_last_error();
    turn();
    const auto events = poll(lane);
    EXPECT_EQ(only(events, TL_EVENT_MESSAGE).text, text) << n;
    EXPECT_EQ(only(events, TL_EVENT_MESSAGE).event.piece_count, (n + 511) / 512) << n;
  }
  EXPECT_EQ(shard.chains_out, 0U);
}

// However many slots a lane has: those that are in use are those that were used just now, which the
// caches of both sides still hold.
TEST_F(BridgeTest, AMessageGoesToTheSlotThatWasGivenBackLast) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  std::vector<uint32_t> slots;
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(send(lane, pair.client, "one"), 0);
    turn();
    slots.push_back(only(poll(lane), TL_EVENT_MESSAGE).event.slot);
    turn();
  }
  EXPECT_EQ(slots, std::vector<uint32_t>(4, slots[0]));
}

TEST_F(BridgeTest, PiecesOfALongMessageAreReadInPlace) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  const std::string text = bytes(1300, 'a');
  ASSERT_EQ(send(lane, pair.client, text), 0);
  turn();
  tl_event event{};
  ASSERT_EQ(tl_poll(lane, &event, 1), 1);
  ASSERT_EQ(event.kind, TL_EVENT_MESSAGE);
  EXPECT_EQ(event.data_length, 512U);
  iovec pieces[8];
  ASSERT_EQ(tl_event_iov(lane, &event, pieces, 8), 3U);
  EXPECT_EQ(pieces[0].iov_base, event.data);
  std::string joined;
  for (int i = 0; i < 3; ++i) {
    joined.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  EXPECT_EQ(joined, text);
  EXPECT_EQ(tl_event_iov(lane, &event, pieces, 1), 3U);  // how many there are, whatever the room
  char head[10];
  EXPECT_EQ(tl_event_copy(lane, &event, head, sizeof(head)), sizeof(head));
  EXPECT_EQ(std::string(head, sizeof(head)), text.substr(0, sizeof(head)));
  tl_event_release(lane, &event, 1);
  EXPECT_EQ(event.data, nullptr);
  tl_event_release(lane, &event, 1);  // twice is once
  turn();
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_return), 0U);
}

TEST_F(BridgeTest, ZeroCopyBuffers) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  tl_buffer buffer{};
  ASSERT_EQ(tl_buffer_alloc(lane, pair.client, 2000, &buffer), 0);
  EXPECT_EQ(buffer.piece_count, 4U);
  ASSERT_EQ(tl_buffer_trim(lane, &buffer, 700), 0);
  EXPECT_EQ(tl_buffer_trim(lane, &buffer, 701), -EINVAL);
  EXPECT_EQ(buffer.piece_count, 2U);
  const std::string text = bytes(700, 'k');
  iovec pieces[4];
  ASSERT_EQ(tl_buffer_iov(lane, &buffer, pieces, 4), 2U);
  memcpy(pieces[0].iov_base, text.data(), pieces[0].iov_len);
  memcpy(pieces[1].iov_base, text.data() + pieces[0].iov_len, pieces[1].iov_len);
  tl_message how{};
  how.stream = 2;
  how.ppid = 3;
  tl_buffer copy = buffer;
  ASSERT_EQ(tl_send_buffer(lane, pair.client, &buffer, &how), 0) << tl_last_error();
  EXPECT_EQ(buffer.length, 0U);
  EXPECT_EQ(tl_send_buffer(lane, pair.client, &copy, &how), -EINVAL);  // sent already
  tl_buffer_free(lane, &copy);                                         // no effect on the daemon's
  turn();
  const auto events = poll(lane);
  EXPECT_EQ(only(events, TL_EVENT_MESSAGE).text, text);
  // A buffer that is freed instead gives its slots back.
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(tl_buffer_alloc(lane, pair.client, 16000, &buffer), 0) << i;
    tl_buffer_free(lane, &buffer);
  }
}

TEST_F(BridgeTest, TellsWhatWasSentOnlyIfAsked) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_EQ(send(lane, pair.client, "x", 0, i % 2 == 0 ? TL_SEND_NOTIFY : 0, 100 + i), 0);
  }
  turn();
  const auto events = poll(lane);
  EXPECT_EQ(count(events, TL_EVENT_SENT), 10U);
  uint64_t expected = 100;
  for (const Got& got : events) {
    if (got.event.kind != TL_EVENT_SENT) continue;
    EXPECT_EQ(got.event.context, expected);
    EXPECT_EQ(got.event.assoc, pair.client);
    expected += 2;
  }
  // 20 sends share two entries; listening took one, each end of the association two.
  EXPECT_LE(shared(*clients[0]).completion_produced.value, 20U + 2U + 1U + 2U + 2U);
}

// One entry with more news than the caller has room for is told over several calls.
TEST_F(BridgeTest, SendsDoneSpreadOverSmallPolls) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  for (uint64_t i = 0; i < 13; ++i) {
    ASSERT_EQ(send(lane, pair.client, "x", 0, TL_SEND_NOTIFY, i), 0);
  }
  turn();
  uint64_t expected = 0;
  tl_event event{};
  while (tl_poll(lane, &event, 1) == 1) {
    if (event.kind == TL_EVENT_SENT) {
      EXPECT_EQ(event.context, expected++);
    }
    tl_event_release(lane, &event, 1);
  }
  EXPECT_EQ(expected, 13U);
}

TEST_F(BridgeTest, UnsentPayloadComesBack) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  const std::string text = bytes(900, 'q');
  ASSERT_EQ(send(lane, pair.client, text, 4, 0, 31337), 0);
  ASSERT_EQ(tl_abort(lane, pair.client, "enough"), 0);
  turn(0);
  const auto events = poll(lane);
  const Got& failed = only(events, TL_EVENT_SEND_FAILED);
  EXPECT_EQ(failed.text, text);
  EXPECT_EQ(failed.event.context, 31337U);
  EXPECT_EQ(failed.event.stream, 4);
  EXPECT_EQ(failed.event.ppid, 46U);
  EXPECT_EQ(failed.event.error, -ECONNABORTED);
  EXPECT_EQ(failed.event.reason, TL_REASON_LOCAL_ABORT);
  EXPECT_EQ(shard.last_abort_reason, "enough");
  // Failed messages come before the end of their association.
  EXPECT_EQ(events.back().event.kind, TL_EVENT_LOST);
  EXPECT_EQ(count(events, TL_EVENT_LOST), 2U);
  EXPECT_EQ(send(lane, pair.client, "x"), -ENOTCONN);
  EXPECT_EQ(bridge.associations(), 0U);
}

TEST_F(BridgeTest, RefusedSendsSayWhy) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  const struct {
    Status verdict;
    int error;
  } kCases[] = {{Status::kWouldBlock, -EAGAIN},
                {Status::kClosing, -ENOTCONN},
                {Status::kOutOfResources, -ENOMEM},
                {Status::kMessageTooLarge, -EMSGSIZE}};
  for (const auto& c : kCases) {
    shard.next_send = c.verdict;
    ASSERT_EQ(send(lane, pair.client, "payload", 0, 0, 5), 0);
    turn();
    const auto events = poll(lane);
    const Got& failed = only(events, TL_EVENT_SEND_FAILED);
    EXPECT_EQ(failed.event.error, c.error);
    EXPECT_EQ(failed.text, "payload");
    EXPECT_EQ(failed.event.context, 5U);
  }
  EXPECT_EQ(counter(RingCounter::k_refuse_send), 4U);
}

TEST_F(BridgeTest, TheLibraryRefusesWhatCannotWork) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  EXPECT_EQ(send(lane, pair.client, "x", 10), -EINVAL);
  EXPECT_STREQ(tl_last_error(), "stream 10: 10 were negotiated, so 0 to 9 may be used");
  EXPECT_EQ(send(lane, pair.client, ""), -EMSGSIZE);
  EXPECT_EQ(send(lane, pair.client, bytes(16385, 'a')), -EMSGSIZE);
  EXPECT_EQ(send(lane, pair.client, "x", 0, 0x80), -EINVAL);
  EXPECT_EQ(send(lane, pair.client + (uint64_t{1} << 32), "x"), -ENOTCONN);
  EXPECT_EQ(send(lane, 0, "x"), -ENOTCONN);
  turn();
  EXPECT_EQ(counter(RingCounter::k_ring_messages_in), 0U);
}

// A stalled association uses up its credit and leaves the lane's other slots to the rest.
TEST_F(BridgeTest, CreditStopsOneAssociationNotTheLane) {
  tl_lane* const lane = lane_of(attach());
  const Pair stalled = join(lane, lane);
  const Pair other = join(lane, lane);
  size_t taken = 0;
  while (send(lane, stalled.client, "x") == 0) ++taken;
  EXPECT_EQ(taken, 32U);
  EXPECT_EQ(send(lane, stalled.client, "x"), -EAGAIN);
  EXPECT_EQ(send(lane, other.client, "through"), 0) << tl_last_error();
  turn(0);
  EXPECT_EQ(count(poll(lane), TL_EVENT_WRITABLE), 0U);
  turn();
  const auto events = poll(lane);
  EXPECT_EQ(count(events, TL_EVENT_MESSAGE), 33U);
  EXPECT_EQ(only(events, TL_EVENT_WRITABLE).event.assoc, stalled.client);
  EXPECT_EQ(send(lane, stalled.client, "x"), 0);
}

// Many wait for the slots of a lane: the first are told first, and no more at a time than may send.
TEST_F(BridgeTest, RoomIsToldToTheFirstWhoWait) {
  constexpr size_t kWaiting = 24;
  tl_lane* const lane = lane_of(attach());
  std::vector<tl_assoc> waiting;
  const Pair filler = join(lane, lane);
  const Pair other = join(lane, lane);
  for (size_t i = 0; i < kWaiting; ++i) waiting.push_back(join(lane, lane).client);
  const std::string large = bytes(8000, 'L');  // 16 slots
  for (const tl_assoc each : {filler.client, other.client}) {
    while (send(lane, each, large) == 0) {
    }
  }
  for (const tl_assoc each : waiting) EXPECT_EQ(send(lane, each, large), -EAGAIN);
  turn();
  turn();
  std::vector<tl_assoc> told;
  size_t most = 0;
  std::array<tl_event, 64> events;
  while (const int n = tl_poll(lane, events.data(), events.size())) {
    const size_t before = told.size();
    for (const tl_event& event : std::span(events).first(static_cast<size_t>(n))) {
      const bool waits = event.assoc != filler.client && event.assoc != other.client;
      if (event.kind == TL_EVENT_WRITABLE && waits) told.push_back(event.assoc);
    }
    most = std::max(most, told.size() - before);
    tl_event_release(lane, events.data(), static_cast<size_t>(n));
  }
  EXPECT_EQ(told, waiting);
  EXPECT_LE(most, kWaiting / 2);
}

TEST_F(BridgeTest, WritableComesForALargeMessageOnlyWhenItFits) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  const std::string large = bytes(15000, 'L');  // 30 of 32 slots
  ASSERT_EQ(send(lane, pair.client, "a"), 0);
  ASSERT_EQ(send(lane, pair.client, "b"), 0);
  ASSERT_EQ(send(lane, pair.client, "c"), 0);
  EXPECT_EQ(send(lane, pair.client, large), -EAGAIN);
  turn(0);
  EXPECT_EQ(count(poll(lane), TL_EVENT_WRITABLE), 0U);
  turn(1);
  EXPECT_EQ(count(poll(lane), TL_EVENT_WRITABLE), 1U);
  EXPECT_EQ(send(lane, pair.client, large), 0);
}

TEST_F(BridgeTest, BurstTakesWhatFits) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  std::vector<tl_message> burst(40);
  for (auto& message : burst) {
    message.data = "abc";
    message.length = 3;
  }
  burst[10].stream = 99;
  EXPECT_EQ(tl_send_burst(lane, pair.client, burst.data(), burst.size()), 10);
  EXPECT_EQ(tl_send_burst(lane, pair.client, burst.data() + 10, 30), -EINVAL);
  burst[10].stream = 0;
  EXPECT_EQ(tl_send_burst(lane, pair.client, burst.data() + 10, 30), 22);  // credit of 32
  EXPECT_EQ(tl_send_burst(lane, pair.client, burst.data(), 8), -EAGAIN);
  EXPECT_EQ(tl_send_burst(lane, pair.client, burst.data(), 0), 0);
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_MESSAGE), 32U);
}

TEST_F(BridgeTest, WhatIsNotAsTheOthersBreaksARunAndNothingElse) {
  tl_lane* const lane = lane_of(attach());
  const Pair first = join(lane, lane);
  const Pair second = join(lane, lane);
  const std::string large = bytes(1400, 'L');  // three slots
  EXPECT_EQ(send(lane, first.client, "a"), 0);
  EXPECT_EQ(send(lane, first.client, "b"), 0);
  EXPECT_EQ(send(lane, first.client, large), 0);
  EXPECT_EQ(send(lane, first.client, "c"), 0);
  EXPECT_EQ(send(lane, second.client, "d"), 0);
  EXPECT_EQ(send(lane, first.client, "e", 0, TL_SEND_UNORDERED), 0);
  EXPECT_EQ(send(lane, first.client, "f", 0, TL_SEND_NOTIFY, 7), 0);
  std::vector<std::string> of_first;
  std::vector<std::string> of_second;
  std::vector<uint64_t> sent;
  for (int i = 0; i < 3; ++i) {
    turn();
    for (const Got& got : poll(lane)) {
      if (got.event.kind == TL_EVENT_SENT) sent.push_back(got.event.context);
      if (got.event.kind != TL_EVENT_MESSAGE) continue;
      (got.event.assoc == first.server ? of_first : of_second).push_back(got.text);
    }
  }
  EXPECT_EQ(of_first, (std::vector<std::string>{"a", "b", large, "c", "e", "f"}));
  EXPECT_EQ(of_second, std::vector<std::string>{"d"});
  EXPECT_EQ(sent, std::vector<uint64_t>{7});
}

TEST_F(BridgeTest, ABurstEndsBeforeAMessageWithoutData) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  std::vector<tl_message> burst(3);
  for (auto& message : burst) {
    message.data = "abc";
    message.length = 3;
  }
  burst[2].data = nullptr;
  EXPECT_EQ(tl_send_burst(lane, pair.client, burst.data(), burst.size()), 2);
  EXPECT_EQ(tl_send_burst(lane, pair.client, burst.data() + 2, 1), -EINVAL);
}

// ---------------------------------------------------------------- notifications

// The peer's shutdown is over with its former life; the application's own is not.
TEST_F(BridgeTest, ARestartUndoesThePeersShutdownOnly) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  const AssocId id = shard.assocs.at(0).id;
  const auto push = [&](EventKind kind) {
    Event event;
    event.kind = kind;
    event.assoc = id;
    event.outbound_streams = event.inbound_streams = 10;
    shard.push(std::move(event));
    turn();
    poll(lane);
  };
  push(EventKind::kPeerShutdown);
  EXPECT_EQ(send(lane, pair.client, "x"), -ENOTCONN);
  push(EventKind::kRestarted);
  EXPECT_EQ(send(lane, pair.client, "x"), 0);
  EXPECT_EQ(tl_shutdown(lane, pair.client), 0);
  push(EventKind::kRestarted);
  EXPECT_EQ(send(lane, pair.client, "x"), -ENOTCONN);
}

TEST_F(BridgeTest, NotificationsCarryTheirFields) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  const AssocId id = shard.assocs.at(0).id;
  Event path;
  path.kind = EventKind::kPathChanged;
  path.assoc = id;
  path.path = *IpAddress::parse("2001:db8::5");
  path.path_state = PathState::kInactive;
  shard.push(std::move(path));
  Event doubtful;
  doubtful.kind = EventKind::kPathChanged;
  doubtful.assoc = id;
  doubtful.path = IpAddress::ipv4(192, 0, 2, 5);
  doubtful.path_state = PathState::kPotentiallyFailed;
  shard.push(std::move(doubtful));
  Event primary;
  primary.kind = EventKind::kPrimaryChanged;
  primary.assoc = id;
  primary.path = IpAddress::ipv4(192, 0, 2, 6);
  shard.push(std::move(primary));
  Event error;
  error.kind = EventKind::kRemoteError;
  error.assoc = id;
  error.cause = 8;
  shard.push(std::move(error));
  shard.push(id, EventKind::kSenderDry);
  Event restarted;
  restarted.kind = EventKind::kRestarted;
  restarted.assoc = id;
  restarted.outbound_streams = 2;
  restarted.inbound_streams = 3;
  shard.push(std::move(restarted));
  Event refused;
  refused.kind = EventKind::kRestartRefused;
  refused.assoc = id;
  refused.path = IpAddress::ipv4(192, 0, 2, 7);
  shard.push(std::move(refused));
  Event silent;
  silent.kind = EventKind::kPathChanged;
  silent.assoc = id;
  silent.path_state = PathState::kUnconfirmedInactive;
  shard.push(std::move(silent));
  shard.push(id, EventKind::kMessageBroken);
  turn();
  const auto events = poll(lane);
  ASSERT_EQ(events.size(), 9U);
  const tl_event& changed = events[0].event;
  EXPECT_EQ(changed.kind, TL_EVENT_PATH_CHANGED);
  EXPECT_EQ(changed.path_state, TL_PATH_INACTIVE);
  char text[64];
  EXPECT_STREQ(tl_address_text(&changed.address, text, sizeof(text)), "2001:db8::5");
  EXPECT_EQ(events[1].event.kind, TL_EVENT_PATH_CHANGED);
  EXPECT_EQ(events[1].event.path_state, TL_PATH_POTENTIALLY_FAILED);
  EXPECT_EQ(events[2].event.kind, TL_EVENT_PRIMARY_CHANGED);
  EXPECT_STREQ(tl_address_text(&events[2].event.address, text, sizeof(text)), "192.0.2.6");
  EXPECT_EQ(events[3].event.kind, TL_EVENT_REMOTE_ERROR);
  EXPECT_EQ(events[3].event.cause, 8);
  EXPECT_EQ(events[4].event.kind, TL_EVENT_SENDER_DRY);
  EXPECT_EQ(events[5].event.kind, TL_EVENT_RESTARTED);
  EXPECT_EQ(events[5].event.outbound_streams, 2);
  EXPECT_EQ(events[5].event.inbound_streams, 3);
  EXPECT_EQ(events[6].event.kind, TL_EVENT_RESTART_REFUSED);
  EXPECT_STREQ(tl_address_text(&events[6].event.address, text, sizeof(text)), "192.0.2.7");
  EXPECT_EQ(events[7].event.path_state, TL_PATH_UNCONFIRMED_INACTIVE);
  EXPECT_EQ(events[8].event.kind, TL_EVENT_MESSAGE_BROKEN);
  EXPECT_EQ(events[8].event.assoc, pair.client);
  // Fewer streams than before hold for the next send.
  EXPECT_EQ(send(lane, pair.client, "x", 2), -EINVAL);
  EXPECT_EQ(send(lane, pair.client, "x", 1), 0);
}

TEST_F(BridgeTest, ShutdownEndsBothSides) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  ASSERT_EQ(send(lane, pair.client, "last words"), 0);
  ASSERT_EQ(tl_shutdown(lane, pair.client), 0);
  EXPECT_EQ(send(lane, pair.client, "too late"), -ENOTCONN);
  turn();
  const auto events = poll(lane);
  EXPECT_EQ(only(events, TL_EVENT_MESSAGE).text, "last words");
  EXPECT_EQ(only(events, TL_EVENT_PEER_SHUTDOWN).event.assoc, pair.server);
  EXPECT_EQ(count(events, TL_EVENT_CLOSED), 2U);
  EXPECT_EQ(tl_shutdown(lane, pair.client), -ENOTCONN);
  turn();
  EXPECT_EQ(counter(RingCounter::k_refuse_no_association), 0U);
}

// What is sent while the end is on its way to the application comes back, after the end.
TEST_F(BridgeTest, SendsThatCrossTheEndComeBack) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  shard.end(0, EventKind::kLost, Reason::kTimedOut);
  turn();
  ASSERT_EQ(send(lane, pair.client, "crossing", 0, 0, 9), 0);  // LOST is not read yet
  turn();
  const auto events = poll(lane);
  const Got& failed = only(events, TL_EVENT_SEND_FAILED);
  EXPECT_EQ(failed.text, "crossing");
  EXPECT_EQ(failed.event.error, -ENOTCONN);
  EXPECT_EQ(failed.event.assoc, pair.client);
  EXPECT_EQ(counter(RingCounter::k_refuse_no_association), 1U);
  // A new association never gets the old one's name.
  const Pair next = join(lane, lane);
  EXPECT_NE(next.client, pair.client);
  EXPECT_EQ(send(lane, pair.client, "stale"), -ENOTCONN);
}

}  // namespace
}  // namespace trunkline::test
