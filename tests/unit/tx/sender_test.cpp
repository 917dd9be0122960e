// SPDX-License-Identifier: BSD-3-Clause
// The sending half alone: what of its messages goes into a packet, as windows and room allow, and
// what SACKs and silence make of it. A path is a DataLane, and no association is near.
#include "tx/sender.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "wire/data_chunk.h"

namespace trunkline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SenderTest : public testing::Test, public PieceOwner {
 protected:
  SenderTest() {
    profile.max_burst = 0;
    lane.takes_new = true;
    lane.ip_header = 20;
    lane.cwnd = lane.cwnd_when_used = 10'000;
    lane.packet = 1460;
    lane.fragment_limit = 1444;
    lane.rto = seconds(1);
  }
  ~SenderTest() override {
    sender.give_all_back(chunks, [&](TxMessage* message) { messages.destroy(message); });
    EXPECT_EQ(messages.used() + chunks.used(), 0u);
    EXPECT_EQ(living, 0);
  }
  void release(Piece* head) noexcept override {
    static_cast<void>(head);
    --living;
  }
  Status send(const std::string& text, uint16_t stream = 0, Reliability reliability = {}) {
    texts.push_back(text);
    pieces.push_back({reinterpret_cast<const uint8_t*>(texts.back().data()),
                      static_cast<uint32_t>(text.size()), nullptr});
    ++living;
    Payload payload(&pieces.back(), this);
    SendRequest request;
    request.stream = StreamId(stream);
    request.reliability = reliability;
    return sender.accept(ctx, now, request, payload);
  }
  // The DATA chunks of one packet; what was said of it.
  std::vector<std::string> packet(size_t size = 1472) {
    std::vector<uint8_t> room(size);
    wire::PacketWriter writer(room);
    sent = {};
    sender.fill(ctx, now, writer, lane, sent);
    const auto bytes = writer.finish(false);
    std::vector<std::string> out;
    tsns.clear();
    asked.clear();
    wire::ChunkCursor cursor(std::span<const uint8_t>(bytes).subspan(wire::kCommonHeaderSize));
    while (const auto chunk = cursor.next()) {
      const auto data = wire::DataChunk::parse(*chunk);
      out.emplace_back(data->payload.begin(), data->payload.end());
      tsns.push_back(data->tsn);
      asked.push_back(data->immediate);
    }
    EXPECT_EQ(sent.any, !out.empty());
    return out;
  }
  // A SACK; the messages that are done by it.
  int sack(uint32_t cum, uint32_t window = 100'000, const std::vector<wire::GapBlock>& gaps = {}) {
    std::vector<uint8_t> room(1000);
    wire::PacketWriter writer(room);
    EXPECT_TRUE(wire::write_sack(writer, Tsn(cum), window, gaps, {}));
    const auto bytes = writer.finish(false);
    wire::ChunkCursor cursor(std::span<const uint8_t>(bytes).subspan(wire::kCommonHeaderSize));
    const auto parsed = wire::SackChunk::parse(*cursor.next());
    verdict = sender.judge(*parsed);
    if (verdict != Sender::SackVerdict::kGood) return 0;
    outcome = {};
    sender.acknowledge(ctx, *parsed, outcome);
    all_acked = sender.all_acked();
    recovers = sender.recover(profile, outcome);
    int done = 0;
    dry = sender.finish_acked(ctx, [&](TxMessage* message) {
      ++done;
      messages.destroy(message);
    });
    news = sender.take_window(window, outcome.newly_acked, lane.fragment_limit);
    return done;
  }

  Profile profile;
  Pool<TxMessage> messages{100};
  PoolShare share{100, 1};
  ChunkMemory chunks{100, 1, nullptr};
  Counters counters;
  Pool<MessageLimit> limits{100};
  LimitedMessages limited;
  SenderContext ctx{profile, messages, share, chunks, counters, limits, &limited};
  Sender sender{StreamScheduling::kRoundRobin, Tsn(1), 4, 100'000};
  DataLane lane;
  DataSent sent;
  TimePoint now = TimePoint::from_ns(1'000'000'000);
  std::deque<std::string> texts;
  std::deque<Piece> pieces;
  std::vector<Tsn> tsns;
  std::vector<bool> asked;  // for a SACK at once
  SackOutcome outcome;
  Sender::SackVerdict verdict{};
  Sender::WindowNews news;
  bool recovers = false;
  bool dry = false;
  bool all_acked = false;  // when the SACK had been read, before messages were taken out
  int living = 0;
};

TEST_F(SenderTest, BundlesWhatThereIs) {
  ASSERT_EQ(send("one"), Status::kOk);
  ASSERT_EQ(send("two", 1), Status::kOk);
  EXPECT_EQ(packet(), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(tsns, (std::vector{Tsn(1), Tsn(2)}));
  EXPECT_FALSE(sender.has_new());
  EXPECT_EQ(sack(1), 1);
  EXPECT_FALSE(dry);
  EXPECT_EQ(sack(2), 1);
  EXPECT_TRUE(dry) << "all that was accepted is acknowledged";
  EXPECT_EQ(sack(2), 0);
  EXPECT_FALSE(dry) << "once";
  EXPECT_TRUE(sender.all_acked());
}

// 7.2.2, last rule: partial_bytes_acked goes back to 0 with the SACK that acknowledges all.
TEST_F(SenderTest, KnowsThatAllIsAckedBeforeMessagesAreTakenOut) {
  ASSERT_EQ(send("one"), Status::kOk);
  ASSERT_EQ(send("two"), Status::kOk);
  packet();
  sack(1);
  EXPECT_FALSE(all_acked);
  sack(2);
  EXPECT_TRUE(all_acked);
}

// In one walk: what three would say and do.
TEST_F(SenderTest, AcknowledgesTheFrontInOneWalk) {
  SackOutcome::PerPath by_steps;
  const auto send_some = [&] {
    for (const char* text : {"one", "two and more", "three", "4"}) {
      ASSERT_EQ(send(text), Status::kOk);
    }
    packet();
  };
  send_some();
  EXPECT_TRUE(sender.is_plain());
  EXPECT_EQ(sack(3), 3);
  by_steps = outcome.paths[0];
  EXPECT_EQ(sack(4), 1);
  send_some();
  SackOutcome::PerPath said;
  int done = 0;
  const auto count = [&](TxMessage* message) {
    ++done;
    messages.destroy(message);
  };
  EXPECT_FALSE(sender.acknowledge_front(ctx, Tsn(7), said, count));
  EXPECT_EQ(done, 3);
  EXPECT_EQ(sender.cum_ack(), Tsn(7));
  EXPECT_EQ(said.acked, by_steps.acked);
  EXPECT_EQ(said.flight_before, by_steps.flight_before);
  EXPECT_EQ(said.certain, by_steps.certain);
  EXPECT_EQ(said.largest_acked, by_steps.largest_acked);
  EXPECT_EQ(said.first_acked, by_steps.first_acked);
  EXPECT_EQ(said.rtt_from, by_steps.rtt_from);
  EXPECT_EQ(sender.flight(0), wire::padded(wire::kDataHeaderSize + 1));
  EXPECT_EQ(sender.outstanding_bytes(), 1u);
  EXPECT_TRUE(sender.acknowledge_front(ctx, Tsn(8), said, count)) << "all that was accepted";
  EXPECT_EQ(done, 4);
  EXPECT_TRUE(sender.all_acked());
  EXPECT_EQ(sender.flight(0), 0u);
}

TEST_F(SenderTest, TheFrontThatWasSentAgainTellsNoRoundTrip) {
  ASSERT_EQ(send("one"), Status::kOk);
  packet();
  lane.lost_from = 1;
  static_cast<void>(sender.lose(0));
  packet();
  ASSERT_TRUE(sender.is_plain());
  SackOutcome::PerPath said;
  EXPECT_TRUE(sender.acknowledge_front(ctx, Tsn(1), said,
                                       [&](TxMessage* message) { messages.destroy(message); }));
  EXPECT_GT(said.acked, 0u);
  EXPECT_FALSE(said.rtt_from.has_value());
}

// 3.3.1: whoever gains by a SACK at once may ask for it. A peer that puts its SACKs off would
// otherwise hold up a window of few packets.
TEST_F(SenderTest, AsksForASackWhereTheCongestionWindowIsFull) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(std::string(600, 'x')), Status::kOk);
  lane.cwnd = lane.cwnd_when_used = 2000;
  packet();
  EXPECT_EQ(asked, (std::vector{false, false})) << "a second packet may go";
  packet();
  EXPECT_EQ(asked, (std::vector{false, true}));
  packet();
  EXPECT_TRUE(asked.empty());
  EXPECT_EQ(sack(4), 4);
  packet();
  EXPECT_EQ(asked, (std::vector{false})) << "nothing more is held up";
}

TEST_F(SenderTest, AsksForASackAfterATimeOut) {
  lane.cwnd = lane.cwnd_when_used = 1000;
  lane.lost_from = 1;
  for (int i = 0; i < 2; ++i) ASSERT_EQ(send(std::string(600, 'x')), Status::kOk);
  packet();
  EXPECT_EQ(asked, (std::vector{false, false})) << "nothing waits";
  static_cast<void>(sender.lose(0));
  packet(700);
  EXPECT_EQ(asked, (std::vector{false})) << "the window is not full";
  lane.cwnd = lane.cwnd_when_used = 600;
  static_cast<void>(sender.lose(0));
  packet(700);
  EXPECT_EQ(asked, (std::vector{true})) << "the other one waits for this one's SACK";
}

TEST_F(SenderTest, RefusesWithAReason) {
  EXPECT_EQ(send("x", 4), Status::kInvalidStream);
  EXPECT_EQ(send(""), Status::kEmptyMessage);
  profile.max_message_size = 10;
  EXPECT_EQ(send(std::string(11, 'x')), Status::kMessageTooLarge);
  profile.send_buffer = 15;
  EXPECT_EQ(send(std::string(10, 'x')), Status::kOk);
  EXPECT_EQ(send(std::string(6, 'x')), Status::kWouldBlock);
  EXPECT_EQ(send(std::string(5, 'x')), Status::kOk);
}

TEST_F(SenderTest, CutsWhatIsTooLargeForAPacket) {
  const std::string text(4000, 'm');
  ASSERT_EQ(send(text), Status::kOk);
  std::string got;
  for (int i = 0; i < 3; ++i) {
    const auto parts = packet();
    ASSERT_EQ(parts.size(), 1u) << i;
    got += parts[0];
  }
  EXPECT_EQ(got, text);
  EXPECT_TRUE(packet().empty());
}

// 6.1 B: nothing beyond cwnd, but for the last packet that begins below it.
TEST_F(SenderTest, KeepsToTheCongestionWindow) {
  lane.cwnd = lane.cwnd_when_used = 2000;
  for (int i = 0; i < 4; ++i) ASSERT_EQ(send(std::string(1000, 'c')), Status::kOk);
  EXPECT_EQ(packet().size(), 1u);
  EXPECT_EQ(packet().size(), 1u);
  EXPECT_TRUE(packet().empty());
  EXPECT_EQ(sender.flight(0), 2u * 1016);
}

// A window that was idle is halved with the first chunk, which may go in any case.
TEST_F(SenderTest, AnIdleWindowCountsFromTheSecondChunkOn) {
  lane.cwnd = 10'000;
  lane.cwnd_when_used = 600;
  for (int i = 0; i < 4; ++i) ASSERT_EQ(send(std::string(400, 'i')), Status::kOk);
  EXPECT_EQ(packet().size(), 2u);
}

// 6.1 A: a closed window is probed with one chunk, an RTO later, then ever more seldom.
TEST_F(SenderTest, ProbesAClosedWindow) {
  ASSERT_EQ(send("first"), Status::kOk);
  ASSERT_EQ(packet().size(), 1u);
  ASSERT_EQ(sack(1, 0), 1);
  ASSERT_EQ(send("second"), Status::kOk);
  EXPECT_TRUE(packet().empty());
  EXPECT_EQ(sender.due(), now + seconds(1));
  EXPECT_FALSE(sender.on_time(now + milliseconds(999)));
  now = now + seconds(1);
  EXPECT_TRUE(sender.on_time(now));
  EXPECT_TRUE(sender.due().is_never());
  EXPECT_EQ(packet(), std::vector<std::string>{"second"});
  EXPECT_TRUE(sent.window_probe);
  sack(1, 0);
  EXPECT_TRUE(news.answers_probe);
  EXPECT_FALSE(news.resend);
  sack(1, 5000);  // open again, and the probe was not taken
  EXPECT_TRUE(news.resend);
}

TEST_F(SenderTest, SendsAgainWhatIsReportedMissingThreeTimes) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(std::string(1200, 'g')), Status::kOk);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(packet().size(), 1u);
  for (uint16_t end = 2; end <= 4; ++end) {
    sack(0, 100'000, {{2, end}});
    EXPECT_EQ(recovers, end == 4) << end;
  }
  EXPECT_TRUE(sender.in_recovery());
  ASSERT_TRUE(sender.has_again());
  EXPECT_TRUE(packet().empty()) << "not by this path";
  lane.missed_from = 1;
  lane.cwnd = lane.cwnd_when_used = 0;
  EXPECT_EQ(packet().size(), 1u) << "one packet whatever cwnd says (7.2.4 rule 3)";
  EXPECT_EQ(tsns, std::vector{Tsn(1)});
  EXPECT_TRUE(sent.earliest_again);
  EXPECT_EQ(sent.again, 1);
  EXPECT_EQ(sack(5), 5);
  EXPECT_FALSE(sender.in_recovery());
}

TEST_F(SenderTest, NothingNewBeforeWhatIsLost) {
  ASSERT_EQ(send("old"), Status::kOk);
  ASSERT_EQ(packet().size(), 1u);
  EXPECT_EQ(sender.lose(0).bytes, 3u);
  ASSERT_EQ(send("new"), Status::kOk);
  EXPECT_TRUE(packet().empty()) << "it goes another way";
  lane.lost_from = 1;
  EXPECT_EQ(packet(), (std::vector<std::string>{"old", "new"}));
}

TEST_F(SenderTest, JudgesWhatASackMayAcknowledge) {
  ASSERT_EQ(send("x"), Status::kOk);
  ASSERT_EQ(packet().size(), 1u);
  sack(2);
  EXPECT_EQ(verdict, Sender::SackVerdict::kUnsent);
  sack(1);
  EXPECT_EQ(verdict, Sender::SackVerdict::kGood);
  sack(0);
  EXPECT_EQ(verdict, Sender::SackVerdict::kOld);
}

TEST_F(SenderTest, WaitsForChunksOfTheShard) {
  ChunkMemory none(0, 1, nullptr);
  SenderContext poor{profile, messages, share, none, counters, limits, &limited};
  ASSERT_EQ(send("x"), Status::kOk);
  std::vector<uint8_t> room(1000);
  wire::PacketWriter writer(room);
  sender.fill(poor, now, writer, lane, sent);
  EXPECT_FALSE(sent.any);
  EXPECT_EQ(counters.get(Counter::k_waits_for_chunks), 1u);
  EXPECT_EQ(sender.due(), now + milliseconds(5));
  EXPECT_TRUE(sender.on_time(now + milliseconds(5)));
  EXPECT_EQ(packet().size(), 1u);
}

}  // namespace
}  // namespace trunkline
