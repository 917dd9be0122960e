// SPDX-License-Identifier: BSD-3-Clause
// The ledger against planted faults: what it must notice, one lie at a time. A faithful pair of
// "stacks" is a few lines here: whatever is sent is handed to the other side and acknowledged.
#include "ledger.h"

#include <gtest/gtest.h>

#include <utility>

namespace trunkline::sim {
namespace {

constexpr TimePoint kNow = TimePoint::from_ns(5);
constexpr HostIndex kClient = 0;
constexpr HostIndex kServer = 1;

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() {
    client_ = ledger_.connecting(kNow, kClient, 1, AssocId{1, 0, 0}, PortNumber(1000), kServer,
                                 PortNumber(2000));
    Event accepted = event(EventKind::kAccepted);
    accepted.outbound_streams = accepted.inbound_streams = 10;
    accepted.local_port = PortNumber(2000);
    accepted.peer_port = PortNumber(1000);
    server_ = tell(kServer, accepted);
    Event connected = event(EventKind::kConnected);
    connected.outbound_streams = connected.inbound_streams = 10;
    connected.local_port = PortNumber(1000);
    connected.peer_port = PortNumber(2000);
    tell(kClient, connected);
  }

  struct Sent {
    MessageId id = 0;
    SendRequest request;
    Payload payload;               // as the stack would hold it
    std::vector<uint8_t> content;  // as it would arrive
  };

  Sent send(uint16_t stream = 0, bool unordered = false, uint32_t size = 100, uint32_t pieces = 1) {
    auto outgoing = ledger_.make(client_, StreamId(stream), unordered, size, pieces);
    Sent sent;
    sent.id = outgoing.message;
    sent.request = outgoing.request;
    sent.payload = std::move(outgoing.payload);
    ledger_.accepted(kNow, outgoing);
    sent.content.resize(size);
    size_t at = 0;
    for (const Piece* piece = sent.payload.head(); piece != nullptr; piece = piece->next) {
      std::copy_n(piece->data, piece->length, sent.content.begin() + static_cast<ptrdiff_t>(at));
      at += piece->length;
    }
    EXPECT_EQ(at, size);
    return sent;
  }

  static Event event(EventKind kind) {
    Event out;
    out.kind = kind;
    out.assoc = AssocId{1, 0, 0};
    return out;
  }

  Event message(const Sent& sent) {
    Event out = event(EventKind::kMessage);
    out.ppid = sent.request.ppid;
    out.stream = sent.request.stream;
    out.unordered = sent.request.unordered;
    out.borrowed = true;
    out.borrowed_piece = {sent.content.data(), static_cast<uint32_t>(sent.content.size()), nullptr};
    return out;
  }

  RecordId tell(HostIndex host, const Event& told) {
    return ledger_.event(kNow, host, 1, told, host == kClient ? kServer : kClient);
  }
  void deliver(const Sent& sent) { tell(kServer, message(sent)); }

  Sent send_limited() {
    Sent sent = send();
    Ledger::Outgoing outgoing;
    outgoing.message = sent.id;
    ledger_.limit(outgoing);
    return sent;
  }
  void give_up(Sent& sent, bool started) {
    Event out = event(EventKind::kSendFailed);
    out.context = sent.request.context;
    out.reason = Reason::kAbandoned;
    out.started = started;
    out.payload = std::move(sent.payload);
    tell(kClient, out);
  }

  void end(Sent& sent, EventKind kind = EventKind::kSendAcknowledged) {
    Event out = event(kind);
    out.context = sent.request.context;
    if (kind == EventKind::kSendFailed) out.reason = Reason::kReset;
    out.payload = std::move(sent.payload);
    tell(kClient, out);
  }

  void close() {
    tell(kClient, event(EventKind::kClosed));
    tell(kServer, event(EventKind::kClosed));
    ledger_.must_have_delivered_all(kNow, client_);
    ledger_.finish(kNow);
  }

  void expect_good() { EXPECT_FALSE(verdict_.failed()) << verdict_.what(); }
  void expect_caught(const std::string& what) {
    EXPECT_TRUE(verdict_.failed()) << "not caught: " << what;
    EXPECT_NE(verdict_.what().find(what), std::string::npos) << verdict_.what();
  }

  Verdict verdict_;
  Ledger ledger_{verdict_, 0xdeadbeef};
  RecordId client_ = 0;
  RecordId server_ = 0;
};

Event piece_of(const Event& whole, size_t from, size_t size) {
  Event out;
  out.kind = whole.kind;
  out.assoc = whole.assoc;
  out.ppid = whole.ppid;
  out.stream = whole.stream;
  out.unordered = whole.unordered;
  out.borrowed = true;
  out.borrowed_piece = {whole.borrowed_piece.data + from, static_cast<uint32_t>(size), nullptr};
  out.more = from + size < whole.borrowed_piece.length;
  return out;
}

TEST_F(LedgerTest, PiecesMakeAMessageAndOtherStreamsMayComeBetweenThem) {
  Sent large = send(1, false, 1000, 2);
  Sent other = send(2, false, 10, 1);
  const Event whole = message(large);
  tell(kServer, piece_of(whole, 0, 400));
  deliver(other);
  tell(kServer, piece_of(whole, 400, 1));
  EXPECT_EQ(ledger_.last_offset(), 400u);
  EXPECT_EQ(ledger_.delivered(), 1u);
  tell(kServer, piece_of(whole, 401, 599));
  end(large);
  end(other);
  close();
  expect_good();
}

TEST_F(LedgerTest, APieceThatComesTwiceIsCaught) {
  Sent large = send(1, false, 1000, 2);
  tell(kServer, piece_of(message(large), 0, 400));
  tell(kServer, piece_of(message(large), 0, 400));
  expect_caught("content differs");
}

TEST_F(LedgerTest, AnEndThatIsMissingIsCaught) {
  Sent large = send(1, false, 1000, 2);
  Event piece = piece_of(message(large), 0, 400);
  piece.more = false;
  tell(kServer, piece);
  expect_caught("bytes arrived");
}

TEST_F(LedgerTest, AMessageBetweenPiecesOfItsStreamIsCaught) {
  Sent large = send(1, false, 1000, 2);
  Sent other = send(1, true, 10, 1);
  tell(kServer, piece_of(message(large), 0, 400));
  deliver(other);
  expect_caught("between pieces");
}

TEST_F(LedgerTest, TwoMessagesInPiecesAtOnceAreCaught) {
  Sent large = send(1, false, 1000, 2);
  Sent other = send(2, false, 1000, 1);
  tell(kServer, piece_of(message(large), 0, 400));
  tell(kServer, piece_of(message(other), 0, 400));
  expect_caught("two messages in pieces");
}

TEST_F(LedgerTest, FaithfulDeliveryIsGood) {
  for (uint16_t i = 0; i < 50; ++i) {
    Sent sent = send(i % 10, i % 3 == 0, 1 + i * 7u, 1 + i % 4);
    deliver(sent);
    end(sent);
  }
  close();
  expect_good();
  EXPECT_EQ(ledger_.delivered(), 50u);
  EXPECT_EQ(ledger_.payloads_out(), 0u);
}

TEST_F(LedgerTest, UnorderedMayOvertakeAndStreamsAreIndependent) {
  Sent a = send(1);
  Sent b = send(2);
  Sent c = send(1, true);
  deliver(c);
  deliver(b);
  deliver(a);
  expect_good();
  end(a);
  end(b);
  end(c);
  close();
  expect_good();
}

TEST_F(LedgerTest, CatchesALostMessage) {
  Sent a = send(3);
  Sent b = send(4);
  deliver(b);
  end(b);
  end(a, EventKind::kSendFailed);
  close();
  expect_caught("never delivered");
}

TEST_F(LedgerTest, CatchesASwap) {
  Sent a = send(3);
  Sent b = send(3);
  deliver(b);
  expect_caught("out of order");
  deliver(a);
}

TEST_F(LedgerTest, CatchesAHole) {
  Sent a = send(3);
  Sent b = send(3);
  Sent c = send(3);
  deliver(a);
  deliver(c);
  expect_caught("out of order");
}

TEST_F(LedgerTest, CatchesADuplicate) {
  Sent a = send(3, true);
  deliver(a);
  expect_good();
  deliver(a);
  expect_caught("got twice");
}

TEST_F(LedgerTest, CatchesEveryFlippedByte) {
  for (size_t i : {0u, 1u, 7u, 8u, 63u, 99u}) {
    Sent a = send(0, true);
    a.content[i] ^= 0x10;
    deliver(a);
    EXPECT_NE(verdict_.what().find("differs at byte " + std::to_string(i)), std::string::npos)
        << verdict_.what();
    verdict_ = Verdict();
    end(a);
  }
}

TEST_F(LedgerTest, CatchesAShortAndALongMessage) {
  Sent a = send(0, true);
  a.content.pop_back();
  deliver(a);
  expect_caught("99 bytes arrived");
  verdict_ = Verdict();
  Sent b = send(0, true);
  b.content.push_back(0);
  deliver(b);
  EXPECT_TRUE(verdict_.failed());
}

TEST_F(LedgerTest, CatchesTheContentOfAnotherMessage) {
  Sent a = send(0, true);
  const Sent b = send(0, true);
  a.content = b.content;
  deliver(a);
  expect_caught("content differs");
}

TEST_F(LedgerTest, CatchesTheWrongStreamAndTheWrongOrderFlag) {
  Sent a = send(3);
  a.request.stream = StreamId(4);
  deliver(a);
  expect_caught("on stream 4");
  verdict_ = Verdict();
  Sent b = send(5);
  b.request.unordered = true;
  deliver(b);
  expect_caught("unordered");
}

TEST_F(LedgerTest, CatchesAMessageThatNobodySent) {
  Sent a = send(3);
  a.request.ppid = Ppid(12345);
  deliver(a);
  expect_caught("nobody sent");
}

TEST_F(LedgerTest, CatchesARefusedMessage) {
  auto outgoing = ledger_.make(client_, StreamId(0), false, 10, 1);
  Sent sent;
  sent.request = outgoing.request;
  sent.content.resize(10);
  fill_content(outgoing.message, 0, sent.content);
  ledger_.refused(kNow, outgoing);
  expect_good();
  EXPECT_EQ(ledger_.payloads_out(), 0u);
  deliver(sent);
  expect_caught("not accepted");
}

TEST_F(LedgerTest, CatchesAnAcknowledgementBeforeDelivery) {
  Sent a = send();
  end(a);
  expect_caught("acknowledged and not delivered");
}

TEST_F(LedgerTest, CatchesASecondEnd) {
  Sent a = send();
  deliver(a);
  end(a);
  expect_good();
  end(a, EventKind::kSendFailed);
  expect_caught("a second end");
}

TEST_F(LedgerTest, CatchesAPayloadThatIsNotReturned) {
  Sent a = send();
  deliver(a);
  Event out = event(EventKind::kSendAcknowledged);
  out.context = a.request.context;
  tell(kClient, out);
  expect_caught("did not bring the payload back");
}

TEST_F(LedgerTest, CatchesTheWrongPayload) {
  Sent a = send();
  Sent b = send();
  deliver(a);
  std::swap(a.payload, b.payload);
  end(a);
  expect_caught("did not bring the payload back");
}

TEST_F(LedgerTest, CatchesAPayloadDroppedInside) {
  Sent a = send();
  a.payload.reset();
  expect_caught("released without an event");
}

TEST_F(LedgerTest, CatchesAPayloadThatNeverComesBack) {
  Sent a = send();
  deliver(a);
  tell(kServer, event(EventKind::kClosed));
  ledger_.finish(kNow);
  EXPECT_TRUE(verdict_.failed());
}

TEST_F(LedgerTest, CatchesAnEndWithMessagesPending) {
  Sent a = send();
  deliver(a);
  tell(kClient, event(EventKind::kClosed));
  expect_caught("have not ended");
}

TEST_F(LedgerTest, CatchesEventsAfterTheLast) {
  tell(kClient, event(EventKind::kClosed));
  expect_good();
  tell(kClient, event(EventKind::kPeerShutdown));
  expect_caught("after the association's last event");
}

TEST_F(LedgerTest, CatchesEventsOfAnUnknownAssociation) {
  Event stray = event(EventKind::kPeerShutdown);
  stray.assoc.slot = 17;
  tell(kClient, stray);
  expect_caught("unknown association");
}

TEST_F(LedgerTest, CatchesASecondBeginning) {
  Event again = event(EventKind::kConnected);
  again.outbound_streams = again.inbound_streams = 1;
  tell(kClient, again);
  expect_caught("twice");
}

TEST_F(LedgerTest, CatchesALossWithoutReason) {
  tell(kClient, event(EventKind::kLost));
  expect_caught("without a reason");
}

TEST_F(LedgerTest, CatchesAnEarlyDryPromise) {
  Sent a = send();
  tell(kClient, event(EventKind::kSenderDry));
  expect_caught("kSenderDry");
}

TEST_F(LedgerTest, CatchesAnAssociationThatNeverEnds) {
  tell(kClient, event(EventKind::kClosed));
  ledger_.finish(kNow);
  expect_caught("has not ended");
}

TEST_F(LedgerTest, CatchesAMessageForSomebodyElse) {
  Event other = event(EventKind::kAccepted);
  other.assoc.slot = 9;
  other.outbound_streams = other.inbound_streams = 1;
  other.local_port = PortNumber(2000);
  other.peer_port = PortNumber(1001);
  tell(kServer, other);
  expect_good();
  Sent a = send();
  Event stray = message(a);
  stray.assoc.slot = 9;
  tell(kServer, stray);
  expect_caught("somebody else");
}

TEST_F(LedgerTest, CatchesAMessageFromBeforeARestart) {
  Sent before = send(1);
  Sent late = send(2);
  deliver(before);
  Event restarted = event(EventKind::kRestarted);
  restarted.outbound_streams = restarted.inbound_streams = 10;
  tell(kServer, restarted);
  expect_good();
  deliver(late);
  expect_caught("before a restart");
}

TEST_F(LedgerTest, ACrashTakesPayloadsWithoutEvents) {
  Sent a = send();
  ledger_.host_crashing(kClient);
  a.payload.reset();
  ledger_.host_crashed(kNow, kClient);
  expect_good();
}

TEST_F(LedgerTest, CatchesALeakInACrash) {
  Sent a = send();
  ledger_.host_crashing(kClient);
  ledger_.host_crashed(kNow, kClient);
  expect_caught("did not release");
}

TEST_F(LedgerTest, KeptMessagesAreCheckedAgain) {
  Sent a = send();
  Event kept = message(a);
  kept.borrowed = false;
  Piece piece{a.content.data(), static_cast<uint32_t>(a.content.size()), nullptr};
  struct Nobody final : PieceOwner {
    void release(Piece*) noexcept override {}
  } nobody;
  kept.payload = Payload(&piece, &nobody);
  ledger_.check_kept(kNow, 0, kept, 0);
  expect_good();
  a.content[50] = static_cast<uint8_t>(a.content[50] + 1);
  ledger_.check_kept(kNow, 0, kept, 0);
  expect_caught("differs at byte 50");
}

TEST_F(LedgerTest, CountsWhatEachHostHolds) {
  EXPECT_EQ(ledger_.living(kClient), 1u);
  Sent a = send();
  Sent b = send();
  EXPECT_EQ(ledger_.pending(kClient), 2u);
  deliver(a);
  end(a);
  EXPECT_EQ(ledger_.pending(kClient), 1u);
  end(b, EventKind::kSendFailed);
  EXPECT_EQ(ledger_.pending(kClient), 0u);
  Event lost = event(EventKind::kLost);
  lost.reason = Reason::kReset;
  tell(kClient, lost);
  EXPECT_EQ(ledger_.living(kClient), 0u);
  EXPECT_EQ(ledger_.living(kServer), 1u);
  expect_good();
}

class HostileLedgerTest : public testing::Test {
 protected:
  HostileLedgerTest() {
    ledger_.expect_intruder(1000);
    Event accepted;
    accepted.kind = EventKind::kAccepted;
    accepted.assoc = AssocId{1, 0, 0};
    accepted.outbound_streams = accepted.inbound_streams = 10;
    accepted.local_port = PortNumber(2000);
    accepted.peer_port = PortNumber(1000);
    ledger_.event(kNow, kServer, 1, accepted, kClient);
  }
  void deliver(const std::vector<uint8_t>& bytes) {
    Event event;
    event.kind = EventKind::kMessage;
    event.assoc = AssocId{1, 0, 0};
    event.borrowed = true;
    event.borrowed_piece = {bytes.data(), static_cast<uint32_t>(bytes.size()), nullptr};
    ledger_.event(kNow, kServer, 1, event, kClient);
  }
  static std::vector<uint8_t> marks(uint16_t first_stream, uint16_t second_stream) {
    const auto one = intruder_mark(first_stream, 3, false);
    const auto two = intruder_mark(second_stream, 3, false);
    std::vector<uint8_t> out(one.begin(), one.end());
    out.insert(out.end(), two.begin(), two.end());
    return out;
  }

  Verdict verdict_;
  Ledger ledger_{verdict_, 1};
};

TEST_F(HostileLedgerTest, WhatAnIntruderSaysMayBeDelivered) {
  deliver({1, 2, 3});
  deliver(marks(5, 5));
  EXPECT_FALSE(verdict_.failed()) << verdict_.what();
}

TEST_F(HostileLedgerTest, CatchesFragmentsOfDifferentMessagesInOne) {
  deliver(marks(5, 6));
  EXPECT_NE(verdict_.what().find("joined"), std::string::npos) << verdict_.what();
}

TEST_F(LedgerTest, WhatIsGivenUpLeavesAGap) {
  Sent first = send_limited();
  Sent second = send();
  give_up(first, true);
  deliver(second);
  end(second);
  close();
  ledger_.must_have_delivered_all(kNow, client_);
  expect_good();
}

TEST_F(LedgerTest, CatchesAGapOfWhatWasNotGivenUp) {
  Sent first = send_limited();
  Sent second = send();
  deliver(second);
  expect_caught("out of order");
  end(first);
  end(second);
}

TEST_F(LedgerTest, CatchesWhatIsGivenUpWithoutALimit) {
  Sent sent = send();
  give_up(sent, true);
  expect_caught("without a limit");
}

TEST_F(LedgerTest, CatchesWhatCameAndIsCalledUnsent) {
  Sent sent = send_limited();
  deliver(sent);
  give_up(sent, false);
  expect_caught("given up as unsent");
}

TEST_F(LedgerTest, CatchesWhatComesAfterItWasGivenUpUnsent) {
  Sent sent = send_limited();
  give_up(sent, false);
  deliver(sent);
  expect_caught("given up unsent");
}

}  // namespace
}  // namespace trunkline::sim
