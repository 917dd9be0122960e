// SPDX-License-Identifier: BSD-3-Clause
// What the bridge does for well-behaved clients: every operation and event, order, credit, lanes
// without room, several lanes on one port, clients that leave. Through the real client library.
#include <cerrno>
#include <string>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::ClientDeath;
using appring::RingCounter;

class BridgeTest : public RingHarness {};

std::string bytes(size_t n, char seed) {
  std::string out(n, '\0');
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<char>(seed + static_cast<char>(i % 61));
  return out;
}

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
  for (const size_t n : {1, 2, 511, 512, 513, 1023, 1024, 1025, 1400, 1401, 5000, 16384}) {
    const std::string text = bytes(n, 'A');
    ASSERT_EQ(send(lane, pair.client, text), 0) << n << ": " << tl_last_error();
    turn();
    const auto events = poll(lane);
    EXPECT_EQ(only(events, TL_EVENT_MESSAGE).text, text) << n;
    EXPECT_EQ(only(events, TL_EVENT_MESSAGE).event.piece_count, (n + 511) / 512) << n;
  }
  EXPECT_EQ(shard.chains_out, 0U);
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
  // 20 sends share two entries with at most 14 each.
  EXPECT_LE(shared(*clients[0]).completion_produced.value, 20U + 2U + 3U);
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

// ---------------------------------------------------------------- lanes without room

TEST_F(BridgeTest, MessagesWaitInOrderForASlowReader) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;  // holds one message of 16 KiB, or 32 small ones
  tl_lane* const reader = lane_of(attach(slow));
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, reader);
  std::vector<std::string> sent;
  for (int i = 0; i < 60; ++i) {
    sent.push_back(std::to_string(i) + bytes(static_cast<size_t>(i * 37 % 600), 'w'));
    while (send(writer, pair.client, sent.back()) == -EAGAIN) {
      turn();
      poll(writer);
    }
  }
  for (int i = 0; i < 5; ++i) turn();
  EXPECT_GT(counter(RingCounter::k_ring_backlogged), 0U);
  EXPECT_GT(shard.kept_bytes, 0U);
  std::vector<std::string> received;
  for (int i = 0; i < 60 && received.size() < sent.size(); ++i) {
    turn();
    for (const Got& got : poll(reader)) {
      if (got.event.kind == TL_EVENT_MESSAGE) received.push_back(got.text);
    }
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(shard.consumed_bytes, shard.kept_bytes);
  EXPECT_EQ(shard.chains_out, 0U);
  EXPECT_EQ(counter(RingCounter::k_abort_lane_backlog), 0U);
}

TEST_F(BridgeTest, LaterEventsStayBehindAWaitingMessage) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  tl_lane* const reader = lane_of(attach(slow));
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, reader);
  const AssocId id = shard.assocs.at(1).id;  // the accepted end
  for (int i = 0; i < 33; ++i) {
    shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  shard.push(id, EventKind::kRemoteError);
  shard.end(id.slot, EventKind::kLost, Reason::kTimedOut);
  turn();
  tl_event events[64];
  int n = tl_poll(reader, events, 64);
  ASSERT_EQ(n, 32);
  for (int i = 0; i < n; ++i) EXPECT_EQ(events[i].kind, TL_EVENT_MESSAGE);
  tl_event_release(reader, events, 32);
  turn();
  n = tl_poll(reader, events, 64);
  ASSERT_EQ(n, 3);
  EXPECT_EQ(events[0].kind, TL_EVENT_MESSAGE);
  EXPECT_EQ(events[1].kind, TL_EVENT_REMOTE_ERROR);
  EXPECT_EQ(events[2].kind, TL_EVENT_LOST);
  EXPECT_EQ(events[2].reason, TL_REASON_TIMED_OUT);
  EXPECT_EQ(events[2].assoc, pair.server);
  tl_event_release(reader, events, 3);
}

// A lane that never polls: notifications are dropped, then associations; nothing grows, and the
// end of each association is told in the end.
TEST_F(BridgeTest, ALaneThatNeverPollsIsBounded) {
  tl_lane* const idle = lane_of(attach());
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, idle);
  const AssocId id = shard.assocs.at(1).id;
  for (int i = 0; i < 1000; ++i) shard.push(id, EventKind::kPathChanged);
  turn();
  EXPECT_GT(counter(RingCounter::k_drop_lane_backlog), 700U);
  const size_t aborts = shard.aborts;
  shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
               [&](Event& event) { bridge.deliver(now, event); });
  turn();
  EXPECT_EQ(shard.aborts, aborts + 1);
  EXPECT_EQ(counter(RingCounter::k_abort_lane_backlog), 1U);
  EXPECT_EQ(bridge.associations(), 0U);
  size_t lost = 0;
  for (int i = 0; i < 10; ++i) {
    for (const Got& got : poll(idle)) lost += got.event.kind == TL_EVENT_LOST ? 1 : 0;
    turn();
  }
  EXPECT_EQ(lost, 1U);
  EXPECT_EQ(only(poll(writer), TL_EVENT_LOST).event.assoc, pair.client);
}

TEST_F(BridgeTest, NoMemoryToKeepAMessageEndsItsAssociation) {
  tl_lane* const idle = lane_of(attach());
  tl_lane* const writer = lane_of(attach());
  join(writer, idle);
  const AssocId id = shard.assocs.at(1).id;
  shard.keep_fails = true;
  for (int i = 0; i < 65; ++i) {
    shard.inject(id, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  turn();
  EXPECT_EQ(counter(RingCounter::k_abort_no_receive_memory), 1U);
  const auto first = poll(idle);
  EXPECT_EQ(count(first, TL_EVENT_MESSAGE), 64U);
  turn();
  EXPECT_EQ(count(first, TL_EVENT_LOST) + count(poll(idle), TL_EVENT_LOST), 1U);
}

TEST_F(BridgeTest, AMessageThatNoLaneCanHoldEndsItsAssociation) {
  ClientSetup narrow;
  narrow.geometry.rx_slots = 4;
  tl_lane* const lane = lane_of(attach(narrow));
  tl_lane* const writer = lane_of(attach());
  join(writer, lane);
  shard.inject(shard.assocs.at(1).id, std::vector<uint8_t>(5000, 'm'), 0, 0,
               [&](Event& event) { bridge.deliver(now, event); });
  turn();
  EXPECT_EQ(counter(RingCounter::k_abort_message_too_large), 1U);
  EXPECT_EQ(count(poll(lane), TL_EVENT_LOST), 1U);
  EXPECT_EQ(shard.chains_out, 0U);
}

// ---------------------------------------------------------------- notifications

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
  turn();
  const auto events = poll(lane);
  ASSERT_EQ(events.size(), 4U);
  const tl_event& changed = events[0].event;
  EXPECT_EQ(changed.kind, TL_EVENT_PATH_CHANGED);
  EXPECT_EQ(changed.path_state, TL_PATH_INACTIVE);
  char text[64];
  EXPECT_STREQ(tl_address_text(&changed.address, text, sizeof(text)), "2001:db8::5");
  EXPECT_EQ(events[1].event.kind, TL_EVENT_REMOTE_ERROR);
  EXPECT_EQ(events[1].event.cause, 8);
  EXPECT_EQ(events[2].event.kind, TL_EVENT_SENDER_DRY);
  EXPECT_EQ(events[3].event.kind, TL_EVENT_RESTARTED);
  EXPECT_EQ(events[3].event.outbound_streams, 2);
  EXPECT_EQ(events[3].event.inbound_streams, 3);
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

// ---------------------------------------------------------------- endpoints

TEST_F(BridgeTest, ConnectFailureEndsTheAssociation) {
  tl_lane* const lane = lane_of(attach());
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 4000, &assoc, 8), 0);
  EXPECT_EQ(send(lane, assoc, "too early"), -ENOTCONN);
  turn();
  const Got failed = only(poll(lane), TL_EVENT_CONNECT_FAILED);
  EXPECT_EQ(failed.event.assoc, assoc);
  EXPECT_EQ(failed.event.user, 8U);
  EXPECT_EQ(failed.event.reason, TL_REASON_REFUSED);
  EXPECT_EQ(failed.event.error, -ECONNABORTED);
  EXPECT_EQ(send(lane, assoc, "x"), -ENOTCONN);
  EXPECT_EQ(bridge.endpoints_in_use(), 0U);
  EXPECT_TRUE(shard.endpoints.empty());
}

TEST_F(BridgeTest, EndpointsTakeAddressesAndProfilesFromTheConfiguration) {
  tl_lane* const lane = lane_of(attach());
  ASSERT_EQ(listen(lane, 2905), 0);
  ASSERT_EQ(listen(lane, 3000), 0);
  ASSERT_EQ(listen(lane, 3001, nullptr, 0, "fast"), 0);
  ASSERT_EQ(shard.endpoints.size(), 3U);
  EXPECT_EQ(shard.endpoints[1].addresses[0], IpAddress::ipv4(198, 51, 100, 1));
  EXPECT_EQ(shard.endpoints[1].profile.rto_initial, std::chrono::milliseconds(120));
  EXPECT_EQ(shard.endpoints[2].addresses[0], IpAddress::ipv4(192, 0, 2, 1));
  EXPECT_EQ(shard.endpoints[2].profile.rto_initial, std::chrono::seconds(1));
  EXPECT_EQ(shard.endpoints[3].profile.rto_initial, std::chrono::milliseconds(120));
  EXPECT_EQ(listen(lane, 3002, nullptr, 0, "slow"), -ENOENT);
  EXPECT_NE(std::string(tl_last_error()).size(), 0U);
  EXPECT_EQ(counter(RingCounter::k_refuse_profile), 1U);
  // The profile's limit is the association's.
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 2905, &assoc), 0);
  turn();
  const tl_assoc server = only(poll(lane), TL_EVENT_ACCEPTED).event.assoc;
  EXPECT_EQ(send(lane, server, bytes(1000, 'x')), 0);
  EXPECT_EQ(send(lane, server, bytes(1001, 'x')), -EMSGSIZE);
}

TEST_F(BridgeTest, PortsThatAreNotGrantedAreRefused) {
  ClientSetup setup;
  setup.rights.ports = {{3000, 3010}};
  setup.rights.connect_from_any = false;
  tl_lane* const lane = lane_of(attach(setup));
  EXPECT_EQ(listen(lane, 2999), -EACCES);
  EXPECT_EQ(listen(lane, 3000), 0);
  EXPECT_EQ(listen(lane, 3011), -EACCES);
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 3000, &assoc), 0);
  turn();
  EXPECT_EQ(only(poll(lane), TL_EVENT_CONNECT_FAILED).event.error, -EACCES);
  EXPECT_EQ(counter(RingCounter::k_refuse_port), 3U);
  tl_address address{};
  ASSERT_EQ(tl_address_parse("192.0.2.7", &address), 0);
  tl_connect_options options{};
  options.addresses = &address;
  options.address_count = 1;
  options.peer_port = 3000;
  options.local_port = 3005;
  options.affinity = TL_ANY_WORKER;
  ASSERT_EQ(tl_connect(lane, &options, &assoc), 0);
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_CONNECTED), 1U);
}

TEST_F(BridgeTest, APortBelongsToOneUser) {
  ClientSetup other;
  other.uid = 2000;
  tl_lane* const first = lane_of(attach());
  tl_lane* const same_user = lane_of(attach());
  tl_lane* const other_user = lane_of(attach(other));
  ASSERT_EQ(listen(first, 5000), 0);
  EXPECT_EQ(listen(same_user, 5000), 0);
  EXPECT_EQ(listen(other_user, 5000), -EADDRINUSE);
  EXPECT_EQ(counter(RingCounter::k_refuse_port_in_use), 1U);
  EXPECT_EQ(bridge.endpoints_in_use(), 1U);
}

TEST_F(BridgeTest, ListenersTakeTurns) {
  tl_lane* const a = lane_of(attach());
  tl_lane* const b = lane_of(attach());
  tl_lane* const c = lane_of(attach());
  tl_listener listener_b = 0;
  ASSERT_EQ(listen(a, 5000), 0);
  ASSERT_EQ(listen(b, 5000, &listener_b), 0);
  for (int i = 0; i < 6; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(c, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(a), TL_EVENT_ACCEPTED), 3U);
  EXPECT_EQ(count(poll(b), TL_EVENT_ACCEPTED), 3U);
  ASSERT_EQ(tl_unlisten(b, listener_b), 0);
  EXPECT_EQ(tl_unlisten(b, listener_b), -ENOENT);
  turn();
  for (int i = 0; i < 4; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(c, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(a), TL_EVENT_ACCEPTED), 4U);
  EXPECT_EQ(count(poll(b), TL_EVENT_ACCEPTED), 0U);
}

TEST_F(BridgeTest, AcceptsGoToTheLaneOfThisWorkerFirst) {
  tl_lane* const any = lane_of(attach());
  tl_lane* const here = lane_of(attach());
  tl_lane* const client = lane_of(attach());
  ASSERT_EQ(listen(any, 5000), 0);
  tl_listener listener = 0;
  ASSERT_EQ(with_daemon([&] {
              tl_listen_options options{};
              options.port = 5000;
              options.affinity = 0;
              return tl_listen(here, &options, &listener);
            }),
            0);
  for (int i = 0; i < 4; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(client, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(any), TL_EVENT_ACCEPTED), 0U);
  EXPECT_EQ(count(poll(here), TL_EVENT_ACCEPTED), 4U);
}

TEST_F(BridgeTest, NobodyListensAnyMore) {
  tl_lane* const lane = lane_of(attach());
  tl_listener listener = 0;
  ASSERT_EQ(listen(lane, 5000, &listener), 0);
  const EndpointId endpoint(shard.endpoints.begin()->first);
  const uint64_t user = shard.endpoints.begin()->second.user;
  shard.accept(endpoint, user);
  ASSERT_EQ(tl_unlisten(lane, listener), 0);
  turn();  // the listener goes before the event is delivered
  EXPECT_EQ(counter(RingCounter::k_refuse_accept_no_listener), 1U);
  EXPECT_EQ(shard.aborts, 1U);
  EXPECT_EQ(bridge.associations(), 0U);
  EXPECT_EQ(bridge.endpoints_in_use(), 0U);
}

TEST_F(BridgeTest, AssociationLimitOfALane) {
  ClientSetup setup;
  setup.limits.max_associations = 3;
  tl_lane* const lane = lane_of(attach(setup));
  tl_lane* const client = lane_of(attach());
  ASSERT_EQ(listen(lane, 5000), 0);
  for (int i = 0; i < 5; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(client, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_ACCEPTED), 3U);
  EXPECT_EQ(counter(RingCounter::k_refuse_association_limit), 2U);
  EXPECT_EQ(count(poll(client), TL_EVENT_LOST), 2U);
}

// Limits follow the profile that the stack takes for a peer: the longest prefix.
class PeerProfileTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    Profile wide;
    wide.max_message_size = 300;
    Profile narrow;
    narrow.max_message_size = 200;
    out.peers.push_back({IpAddress::ipv4(192, 0, 2, 0), 28, narrow});
    out.peers.push_back({IpAddress::ipv4(192, 0, 0, 0), 16, wide});
    return out;
  }
  PeerProfileTest() : RingHarness(config()) {}
};

TEST_F(PeerProfileTest, LimitsAreThoseOfThePeer) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);  // the peer is 192.0.2.7, seen from either side
  EXPECT_EQ(shard.endpoints.begin()->second.peer_profiles.size(), 2U);
  for (const tl_assoc assoc : {pair.client, pair.server}) {
    EXPECT_EQ(send(lane, assoc, bytes(201, 'x')), -EMSGSIZE);
    EXPECT_EQ(send(lane, assoc, bytes(200, 'x')), 0);
  }
}

TEST(ProfileOfPeer, LongestPrefixOfTheSameFamily) {
  std::vector<PeerProfile> peers(4);
  peers[0].prefix = IpAddress::ipv4(10, 0, 0, 0);
  peers[0].prefix_length = 8;
  peers[1].prefix = IpAddress::ipv4(10, 1, 2, 0);
  peers[1].prefix_length = 23;
  peers[2].prefix = *IpAddress::parse("2001:db8::");
  peers[2].prefix_length = 32;
  peers[3].prefix = IpAddress::ipv4(10, 1, 2, 9);
  peers[3].prefix_length = 32;
  const auto of = [&](const char* text) {
    return appring::profile_of_peer(peers, *IpAddress::parse(text));
  };
  EXPECT_EQ(of("10.200.0.1"), &peers[0].profile);
  EXPECT_EQ(of("10.1.2.1"), &peers[1].profile);
  EXPECT_EQ(of("10.1.3.255"), &peers[1].profile);
  EXPECT_EQ(of("10.1.4.0"), &peers[0].profile);
  EXPECT_EQ(of("10.1.2.9"), &peers[3].profile);
  EXPECT_EQ(of("11.0.0.1"), nullptr);
  EXPECT_EQ(of("2001:db8:1::1"), &peers[2].profile);
  EXPECT_EQ(of("2001:db9::1"), nullptr);
  EXPECT_EQ(appring::profile_of_peer(peers, IpAddress()), nullptr);
}

TEST_F(BridgeTest, ConnectNamesAddressesAndProfile) {
  tl_lane* const lane = lane_of(attach());
  ASSERT_EQ(listen(lane, 5000), 0);
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 5000, &assoc), 0);
  turn();
  EXPECT_EQ(shard.last_connect_profile, nullptr);
  tl_address addresses[2]{};
  ASSERT_EQ(tl_address_parse("192.0.2.7", &addresses[0]), 0);
  ASSERT_EQ(tl_address_parse("2001:db8::7", &addresses[1]), 0);
  tl_connect_options options{};
  options.addresses = addresses;
  options.address_count = 2;
  options.peer_port = 5000;
  options.profile = "fast";
  options.affinity = TL_ANY_WORKER;
  ASSERT_EQ(tl_connect(lane, &options, &assoc), 0);
  turn();
  ASSERT_NE(shard.last_connect_profile, nullptr);
  EXPECT_EQ(shard.last_connect_profile->max_message_size, 1000U);
  ASSERT_EQ(shard.last_connect_addresses.size(), 2U);
  EXPECT_EQ(shard.last_connect_addresses[1], *IpAddress::parse("2001:db8::7"));
  options.profile = "nonesuch";
  ASSERT_EQ(tl_connect(lane, &options, &assoc), 0);
  turn();
  EXPECT_EQ(only(poll(lane), TL_EVENT_CONNECT_FAILED).event.error, -ENOENT);
}

// ---------------------------------------------------------------- asking

TEST_F(BridgeTest, QueryAndHeartbeat) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  tl_assoc_info info{};
  ASSERT_EQ(with_daemon([&] { return tl_assoc_query(lane, pair.client, &info); }), 0);
  EXPECT_STREQ(info.state, "ESTABLISHED");
  EXPECT_EQ(info.outbound_streams, 10);
  EXPECT_EQ(info.path_count, 3U);
  EXPECT_EQ(info.paths[2].cwnd, 4380U);
  EXPECT_EQ(info.paths[2].rto_us, 300000U);
  EXPECT_EQ(info.max_message, 16384U);
  char text[64];
  EXPECT_STREQ(tl_address_text(&info.paths[2].remote, text, sizeof(text)), "192.0.2.33");
  tl_address address{};
  ASSERT_EQ(tl_address_parse("192.0.2.9", &address), 0);
  EXPECT_EQ(with_daemon([&] { return tl_assoc_heartbeat(lane, pair.client, &address); }), 0);
  ASSERT_EQ(shard.heartbeats.size(), 1U);
  EXPECT_EQ(shard.heartbeats[0], IpAddress::ipv4(192, 0, 2, 9));
  ASSERT_EQ(tl_address_parse("0.0.0.0", &address), 0);
  EXPECT_EQ(with_daemon([&] { return tl_assoc_heartbeat(lane, pair.client, &address); }),
            -EADDRNOTAVAIL);
  // Events that arrive while a call waits are not lost.
  ASSERT_EQ(send(lane, pair.server, "meanwhile"), 0);
  ASSERT_EQ(with_daemon([&] { return tl_assoc_query(lane, pair.client, &info); }), 0);
  turn();
  EXPECT_EQ(only(poll(lane), TL_EVENT_MESSAGE).text, "meanwhile");
}

// ---------------------------------------------------------------- clients that leave

class ShutdownBridgeTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.on_death = ClientDeath::kShutdown;
    return out;
  }
  ShutdownBridgeTest() : RingHarness(config()) {}
};

TEST_F(BridgeTest, ADeadClientTakesOnlyItsOwnAssociations) {
  TestClient& victim = attach();
  tl_lane* const dead = lane_of(victim);
  tl_lane* const alive = lane_of(attach());
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  tl_assoc doomed = 0;
  tl_assoc safe = 0;
  ASSERT_EQ(connect(dead, 5000, &doomed), 0);
  ASSERT_EQ(connect(alive, 5000, &safe), 0);
  ASSERT_EQ(listen(dead, 6000), 0);
  turn();
  poll(dead);
  poll(alive);
  poll(peer);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(send(dead, doomed, bytes(600, 'd')), 0);
  ASSERT_EQ(send(alive, safe, "still here"), 0);
  turn(3);
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, victim.ring.get()}));
  bridge.drain_submissions(now);
  EXPECT_EQ(gone, 0U);
  turn();
  turn();
  EXPECT_EQ(gone, 1U);
  EXPECT_EQ(shard.aborts, 1U);
  EXPECT_EQ(victim.ring->channel(0, 0).tx_in_use(), 0U);
  EXPECT_EQ(bridge.endpoints_in_use(), 2U);  // the peer's, and that of the living connect
  const auto events = poll(peer);
  EXPECT_EQ(count(events, TL_EVENT_LOST), 1U);
  bool heard = false;
  for (const Got& got : events) heard |= got.text == "still here";
  EXPECT_TRUE(heard);
  ASSERT_EQ(send(alive, safe, "and still"), 0);
  turn();
  EXPECT_EQ(only(poll(peer), TL_EVENT_MESSAGE).text, "and still");
  EXPECT_EQ(counter(RingCounter::k_ring_clients_removed), 1U);
}

// The slots of a dead client stay mapped until the stack has given every payload back.
TEST_F(ShutdownBridgeTest, ADeadClientsLastMessagesStillGoOut) {
  TestClient& victim = attach();
  tl_lane* const dead = lane_of(victim);
  tl_lane* const peer = lane_of(attach());
  const Pair pair = join(dead, peer);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(send(dead, pair.client, "testament"), 0);
  turn(0);
  ASSERT_EQ(send(dead, pair.client, "testament"), 0);  // not even taken from the ring yet
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, victim.ring.get()}));
  turn(2);
  EXPECT_EQ(gone, 0U);
  EXPECT_EQ(shard.shutdowns, 1U);
  EXPECT_EQ(shard.aborts, 0U);
  turn();
  turn();
  EXPECT_EQ(gone, 1U);
  const auto events = poll(peer);
  EXPECT_EQ(count(events, TL_EVENT_MESSAGE), 5U);
  EXPECT_EQ(count(events, TL_EVENT_CLOSED), 1U);
}

TEST_F(BridgeTest, ADeadClientsBacklogIsGivenBack) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  TestClient& victim = attach(slow);
  tl_lane* const dead = lane_of(victim);
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, dead);
  for (int i = 0; i < 50; ++i) {
    while (send(writer, pair.client, "x") == -EAGAIN) {
      turn();
      poll(writer);
    }
  }
  turn();
  EXPECT_GT(shard.kept_bytes, shard.consumed_bytes);
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, victim.ring.get()}));
  turn();
  turn();
  EXPECT_EQ(shard.kept_bytes, shard.consumed_bytes);
  EXPECT_EQ(shard.chains_out, 0U);
  EXPECT_EQ(gone, 1U);
}

TEST_F(BridgeTest, CloseAllRefusesNewWork) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  ASSERT_EQ(send(lane, pair.client, "before the end"), 0);
  turn(0);
  bridge.close_all(now, false);
  turn();
  EXPECT_EQ(bridge.associations(), 0U);
  const auto events = poll(lane);
  EXPECT_EQ(count(events, TL_EVENT_CLOSED), 2U);
  EXPECT_EQ(only(events, TL_EVENT_MESSAGE).text, "before the end");
  EXPECT_EQ(listen(lane, 5001), -ENOTCONN);
  EXPECT_TRUE(shard.listening.empty() || !shard.listening.begin()->second);
}

// ---------------------------------------------------------------- the rest

TEST_F(BridgeTest, IndicesWrap) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(send(lane, pair.client, bytes(static_cast<size_t>(1 + i % 1500), 'i')), 0);
    turn();
    ASSERT_EQ(count(poll(lane), TL_EVENT_MESSAGE), 1U) << i;
  }
  EXPECT_EQ(counter(RingCounter::k_refuse_slot_twice), 0U);
}

TEST_F(BridgeTest, SleepersAreWokenOnce) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  // Nobody sleeps: no doorbell.
  const uint64_t before = counter(RingCounter::k_ring_doorbells);
  ASSERT_EQ(send(lane, pair.client, "a"), 0);
  turn();
  poll(lane);
  EXPECT_EQ(counter(RingCounter::k_ring_doorbells), before);
  // A sleeper: one doorbell for a burst.
  ASSERT_EQ(tl_arm(lane), 0);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(lane, pair.client, "b"), 0);
  turn();
  EXPECT_EQ(counter(RingCounter::k_ring_doorbells), before + 1);
  EXPECT_EQ(tl_wait(lane, 0), 1);
  EXPECT_EQ(count(poll(lane), TL_EVENT_MESSAGE), 5U);
  EXPECT_EQ(tl_wait(lane, 0), 0);
  // The worker's side: it sees work that came before it armed, and is rung for what comes after.
  ASSERT_EQ(send(lane, pair.client, "c"), 0);
  bridge.arm();
  EXPECT_TRUE(bridge.has_work());
  bridge.disarm();
  turn();
  poll(lane);
  turn();
  bridge.arm();
  EXPECT_FALSE(bridge.has_work());
  ASSERT_EQ(send(lane, pair.client, "d"), 0);
  EXPECT_TRUE(bridge.has_work());
  bridge.wait(std::chrono::seconds(60));  // returns at once, or the test times out
  bridge.disarm();
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_MESSAGE), 1U);
}

// A worker that waits for room is woken by returned slots, although nothing was submitted.
TEST_F(BridgeTest, RoomWakesAWorkerThatLacksIt) {
  ClientSetup slow;
  slow.geometry.rx_slots = 32;
  tl_lane* const reader = lane_of(attach(slow));
  tl_lane* const writer = lane_of(attach());
  const Pair pair = join(writer, reader);
  for (int i = 0; i < 40; ++i) {
    while (send(writer, pair.client, "x") == -EAGAIN) {
      turn();
      poll(writer);
    }
  }
  turn();
  poll(writer);
  turn();
  tl_event events[64];
  const int n = tl_poll(reader, events, 64);
  EXPECT_EQ(n, 32);
  turn();
  bridge.arm();
  EXPECT_FALSE(bridge.has_work());
  tl_event_release(reader, events, static_cast<size_t>(n));
  EXPECT_TRUE(bridge.has_work());
  bridge.wait(std::chrono::seconds(60));
  bridge.disarm();
  turn();
  EXPECT_EQ(count(poll(reader), TL_EVENT_MESSAGE), 8U);
}

}  // namespace
}  // namespace trunkline::test
