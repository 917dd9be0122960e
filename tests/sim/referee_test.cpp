// SPDX-License-Identifier: BSD-3-Clause
// The referee against packets that break one rule each.
#include "referee.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>

#include "wire/cookie_chunk.h"
#include "wire/crc32c.h"
#include "wire/data_chunk.h"
#include "wire/forward_tsn_chunk.h"
#include "wire/init_chunk.h"
#include "wire/packet_writer.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace trunkline::sim {
namespace {

using wire::PacketWriter;

using std::chrono::milliseconds;

constexpr TimePoint kFirst = TimePoint::from_ns(7);
constexpr uint32_t kClientTag = 0x11111111;
constexpr uint32_t kServerTag = 0x22222222;
constexpr uint32_t kClientTsn = 0xfffffffe;  // wraps soon
constexpr uint32_t kServerTsn = 5000;

class RefereeTest : public testing::Test {
 protected:
  RefereeTest() {
    referee_.set_limits(
        0, {1500, false, true, std::chrono::milliseconds(10), 2, {}, milliseconds(20)});
    referee_.set_limits(1,
                        {1500, true, true, std::chrono::milliseconds(10), 2, {}, milliseconds(20)});
    set_up();
  }

  using Fill = std::function<void(PacketWriter&)>;
  static std::vector<uint8_t> packet(HostIndex from, uint32_t tag, const Fill& fill) {
    std::vector<uint8_t> room(4000);
    PacketWriter writer(room);
    const PortNumber client(1000);
    const PortNumber server(2000);
    writer.write_header(from == 0 ? client : server, from == 0 ? server : client,
                        VerificationTag(tag));
    fill(writer);
    const auto done = writer.finish(true);
    return {done.begin(), done.end()};
  }

  void sent(HostIndex from, const std::vector<uint8_t>& bytes) {
    referee_.sent(now_, from, static_cast<HostIndex>(1 - from), false, bytes);
  }
  void pass(HostIndex from, uint32_t tag, const Fill& fill) {
    const auto bytes = packet(from, tag, fill);
    sent(from, bytes);
    referee_.delivered(now_, from, static_cast<HostIndex>(1 - from), bytes);
  }
  void lose(HostIndex from, uint32_t tag, const Fill& fill) { sent(from, packet(from, tag, fill)); }

  static Fill init(uint32_t tag, uint32_t tsn, bool ack, uint32_t window = 10'000) {
    return [=](PacketWriter& writer) {
      wire::InitFields fields{VerificationTag(tag), window, 10, 10, Tsn(tsn)};
      const std::array<uint8_t, 8> cookie{1, 2, 3};
      ASSERT_TRUE(ack ? wire::write_init_ack(writer, fields, {}, cookie)
                      : wire::write_init(writer, fields, {}));
    };
  }
  static void add_data(PacketWriter& writer, uint32_t tsn, size_t size, uint8_t fill = 0x55) {
    wire::DataChunk chunk;
    chunk.beginning = chunk.ending = true;
    chunk.tsn = Tsn(tsn);
    uint8_t* const at = wire::write_data_header(writer, chunk, size);
    ASSERT_NE(at, nullptr);
    std::fill_n(at, size, fill);
  }
  static Fill data(uint32_t tsn, size_t size = 100, uint8_t fill = 0x55) {
    return [=](PacketWriter& writer) { add_data(writer, tsn, size, fill); };
  }
  static Fill sack(uint32_t cum, uint32_t window = 10'000,
                   const std::vector<wire::GapBlock>& gaps = {}) {
    return [=](PacketWriter& writer) {
      ASSERT_TRUE(wire::write_sack(writer, Tsn(cum), window, gaps, {}));
    };
  }

  static Fill forward(uint32_t tsn) {
    return
        [=](PacketWriter& writer) { ASSERT_TRUE(wire::write_forward_tsn(writer, Tsn(tsn), {})); };
  }

  void set_up() {
    pass(0, 0, init(kClientTag, kClientTsn, false));
    pass(1, kClientTag, init(kServerTag, kServerTsn, true));
  }

  void expect_good() { EXPECT_FALSE(verdict_.failed()) << verdict_.what(); }
  void expect_caught(const std::string& what) {
    EXPECT_TRUE(verdict_.failed()) << "not caught: " << what;
    EXPECT_NE(verdict_.what().find(what), std::string::npos) << verdict_.what();
  }

  TimePoint now_ = kFirst;
  Verdict verdict_;
  Referee referee_{verdict_};
};

TEST_F(RefereeTest, WhatIsUnreadIsNoWindow) {
  pass(0, kServerTag, data(kClientTsn));
  referee_.limit_window(1, 0, PortNumber(2000), PortNumber(1000), 900);
  pass(1, kClientTag, sack(kClientTsn, 900));
  pass(1, kClientTag, sack(kClientTsn, 0));
  EXPECT_EQ(referee_.windows_shut(), 1U);
  EXPECT_EQ(referee_.windows_opened(), 0U);
  pass(1, kClientTag, sack(kClientTsn, 10));
  EXPECT_EQ(referee_.windows_opened(), 1U);
  expect_good();
  pass(1, kClientTag, sack(kClientTsn, 901));
  expect_caught("left of it by what is unread");
}

TEST_F(RefereeTest, AnOrdinaryExchangeIsGood) {
  for (uint32_t i = 0; i < 5; ++i) pass(0, kServerTag, data(kClientTsn + i));
  pass(1, kClientTag, sack(kClientTsn + 1, 9000, {{2, 3}}));
  pass(1, kClientTag, [](PacketWriter& writer) {
    ASSERT_TRUE(wire::write_sack(writer, Tsn(kClientTsn + 4), 9000, {}, {}));
    add_data(writer, kServerTsn, 50);
  });
  pass(0, kServerTag, data(kClientTsn + 5));
  pass(0, kServerTag, data(kClientTsn + 5));  // not yet acknowledged: may come again
  expect_good();
  EXPECT_EQ(referee_.retransmissions(), 1u);
  EXPECT_EQ(referee_.data_chunks(), 8u);
}

TEST_F(RefereeTest, CatchesABadChecksum) {
  auto bytes = packet(0, kServerTag, data(kClientTsn));
  bytes.back() ^= 1;
  sent(0, bytes);
  expect_caught("checksum");
}

TEST_F(RefereeTest, CatchesAnOddLength) {
  auto bytes = packet(0, kServerTag, data(kClientTsn, 100));
  bytes.resize(bytes.size() + 2);
  sent(0, bytes);
  expect_caught("multiple of 4");
}

TEST_F(RefereeTest, CatchesAPacketAboveTheMtu) {
  lose(0, kServerTag, data(kClientTsn, 1500 - 20 - 12 - 16));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 1, 1500 - 20 - 12 - 16 + 4));
  expect_caught("path MTU");
}

TEST_F(RefereeTest, CatchesBundledInit) {
  lose(0, 0, [](PacketWriter& writer) {
    init(kClientTag, kClientTsn, false)(writer);
    add_data(writer, kClientTsn, 10);
  });
  expect_caught("in company");
}

TEST_F(RefereeTest, CatchesBundledShutdownComplete) {
  lose(0, kServerTag, [](PacketWriter& writer) {
    ASSERT_TRUE(wire::write_cookie_ack(writer));
    ASSERT_TRUE(wire::write_shutdown_complete(writer, false));
  });
  expect_caught("in company");
}

TEST_F(RefereeTest, CatchesControlBehindData) {
  lose(0, kServerTag, [](PacketWriter& writer) {
    add_data(writer, kClientTsn, 10);
    ASSERT_TRUE(wire::write_cookie_ack(writer));
  });
  expect_caught("behind DATA");
}

TEST_F(RefereeTest, CatchesTwoDataWhereOneIsAllowed) {
  lose(1, kClientTag, [](PacketWriter& writer) {
    add_data(writer, kServerTsn, 10);
    add_data(writer, kServerTsn + 1, 10);
  });
  expect_caught("forbids");
}

TEST_F(RefereeTest, CatchesWrongTags) {
  lose(0, kClientTag, data(kClientTsn));
  expect_caught("never announced by the peer");
  verdict_ = Verdict();
  lose(0, 77, init(kClientTag, kClientTsn, false));
  expect_caught("INIT with a verification tag");
  verdict_ = Verdict();
  lose(0, kServerTag,
       [](PacketWriter& writer) { ASSERT_TRUE(wire::write_shutdown_complete(writer, true)); });
  expect_caught("reflected");
}

// Endpoints of one host and one port are told apart: each has tags and TSNs of its own.
TEST_F(RefereeTest, CatchesTheTagOfAnotherEndpointOfThePort) {
  const auto to_second = [&](uint32_t tag, const Fill& fill) {
    referee_.sent(now_, 0, {1, 1}, false, packet(0, tag, fill));
  };
  const auto ack = packet(1, kClientTag, init(kServerTag + 1, kServerTsn, true));
  to_second(0, init(kClientTag, kClientTsn, false));
  referee_.sent(now_, {1, 1}, 0, false, ack);
  referee_.delivered(now_, {1, 1}, 0, ack);
  pass(0, kServerTag, data(kClientTsn));
  to_second(kServerTag + 1, data(kClientTsn));
  expect_good();
  to_second(kServerTag, data(kClientTsn + 1));
  expect_caught("verification tag");
}

TEST_F(RefereeTest, CatchesTsnsOutOfSequence) {
  lose(0, kServerTag, data(kClientTsn + 1));
  expect_caught("out of sequence");
  verdict_ = Verdict();
  lose(0, kServerTag, data(kClientTsn));
  lose(0, kServerTag, data(kClientTsn + 2));
  expect_caught("out of sequence");
}

TEST_F(RefereeTest, CatchesOtherContentUnderTheSameTsn) {
  lose(0, kServerTag, data(kClientTsn, 100, 1));
  lose(0, kServerTag, data(kClientTsn, 100, 2));
  expect_caught("other content");
}

TEST_F(RefereeTest, CatchesARetransmissionOfWhatWasAcknowledged) {
  pass(0, kServerTag, data(kClientTsn));
  lose(1, kClientTag, sack(kClientTsn));
  pass(0, kServerTag, data(kClientTsn));
  expect_good();  // the SACK did not arrive
  pass(1, kClientTag, sack(kClientTsn));
  lose(0, kServerTag, data(kClientTsn));
  expect_caught("after it was acknowledged");
}

TEST_F(RefereeTest, CatchesMoreThanTheWindow) {
  pass(0, kServerTag, data(kClientTsn, 1000));
  pass(1, kClientTag, sack(kClientTsn, 3000));
  for (uint32_t i = 1; i < 4; ++i) lose(0, kServerTag, data(kClientTsn + i, 1000));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 4, 1));
  expect_caught("into a window of 3000");
}

TEST_F(RefereeTest, CatchesMoreThanTheCongestionWindowCanBe) {
  for (uint32_t i = 0; i < 5; ++i) pass(0, kServerTag, data(kClientTsn + i, 1000));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 5, 1));
  expect_caught("after a window of 4404");
  verdict_ = Verdict();
  pass(1, kClientTag, sack(kClientTsn));
  for (uint32_t i = 6; i < 9; ++i) lose(0, kServerTag, data(kClientTsn + i, 1000));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 9, 1));
  expect_caught("after a window of 6000 and 1016 bytes");
}

// Profile::loss_recovery is another one: a probe beyond cwnd, and the same chunk again after a
// round trip; no more than that.
class EarlyRefereeTest : public RefereeTest {
 protected:
  EarlyRefereeTest() {
    PacketLimits limits{1500, false, true, milliseconds(10), 2, {}, milliseconds(20)};
    limits.early = true;
    limits.least_round_trip = milliseconds(4);
    referee_.set_limits(0, limits);
  }
};

TEST_F(EarlyRefereeTest, CatchesMoreThanOneProbeBeyondTheWindow) {
  for (uint32_t i = 0; i < 6; ++i) pass(0, kServerTag, data(kClientTsn + i, 1000));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 6, 1));
  expect_caught("after a window of 4404");
}

TEST_F(EarlyRefereeTest, CatchesWhatIsSentAgainAndAgainWithinARoundTrip) {
  for (const int at : {0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8}) {
    now_ = kFirst + milliseconds(at);
    lose(0, kServerTag, data(kClientTsn));
  }
  expect_good();
  lose(0, kServerTag, data(kClientTsn));
  expect_caught("within a round trip");
}

// A sender that may give up what it has sent.
class GivingUpRefereeTest : public RefereeTest {
 protected:
  GivingUpRefereeTest() {
    PacketLimits limits{1500, false, true, milliseconds(10), 2, {}, milliseconds(20)};
    limits.gives_up = true;
    referee_.set_limits(0, limits);
  }
};

TEST_F(GivingUpRefereeTest, WhatIsPassedHasCome) {
  lose(0, kServerTag, data(kClientTsn));
  pass(0, kServerTag, data(kClientTsn + 1));
  pass(0, kServerTag, forward(kClientTsn));
  pass(1, kClientTag, sack(kClientTsn + 1));
  expect_good();
}

TEST_F(GivingUpRefereeTest, CatchesASackForWhatWasPassedAndTheForwardTsnWasLost) {
  lose(0, kServerTag, data(kClientTsn));
  lose(0, kServerTag, forward(kClientTsn));
  pass(1, kClientTag, sack(kClientTsn));
  expect_caught("which was not delivered");
}

TEST_F(GivingUpRefereeTest, CatchesWhatGoesAgainAfterItWasPassed) {
  lose(0, kServerTag, data(kClientTsn));
  pass(0, kServerTag, forward(kClientTsn));
  lose(0, kServerTag, data(kClientTsn));
  expect_caught("sent again after it was passed");
}

TEST_F(GivingUpRefereeTest, OneTsnStandsForWhatWasCutOff) {
  pass(0, kServerTag, data(kClientTsn));
  pass(0, kServerTag, forward(kClientTsn + 1));
  pass(0, kServerTag, data(kClientTsn + 2));
  lose(0, kServerTag, data(kClientTsn + 4));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 7));
  expect_caught("out of sequence");
}

TEST_F(GivingUpRefereeTest, CatchesAForwardTsnBeyondAllThatWasSent) {
  pass(0, kServerTag, data(kClientTsn));
  lose(0, kServerTag, forward(kClientTsn + 2));
  expect_caught("was never sent");
}

TEST_F(RefereeTest, CatchesAForwardTsnOfWhoHasNothingToGiveUp) {
  pass(0, kServerTag, data(kClientTsn));
  lose(0, kServerTag, forward(kClientTsn));
  expect_caught("nothing to give up");
}

TEST_F(RefereeTest, CatchesALateSack) {
  pass(0, kServerTag, data(kClientTsn));
  pass(1, kClientTag, sack(kClientTsn));
  pass(0, kServerTag, data(kClientTsn + 1));
  now_ = kFirst + milliseconds(10);
  pass(1, kClientTag, sack(kClientTsn + 1));
  expect_good();
  pass(0, kServerTag, data(kClientTsn + 2));
  now_ = kFirst + milliseconds(20) + Duration(1);
  pass(1, kClientTag, sack(kClientTsn + 2));
  expect_caught("later than section 6.2 allows");
}

TEST_F(RefereeTest, CatchesASackThatDoesNotComeForTheSecondPacket) {
  pass(0, kServerTag, data(kClientTsn));
  pass(1, kClientTag, sack(kClientTsn));
  pass(0, kServerTag, data(kClientTsn + 1));
  pass(0, kServerTag, data(kClientTsn + 2));
  now_ = kFirst + milliseconds(1);
  pass(1, kClientTag, sack(kClientTsn + 2));
  expect_caught("later than section 6.2 allows");
}

TEST_F(RefereeTest, CatchesARetransmissionOfWhatAGapBlockCovers) {
  lose(0, kServerTag, data(kClientTsn));
  pass(0, kServerTag, data(kClientTsn + 1));
  pass(1, kClientTag, sack(kClientTsn - 1, 9000, {{2, 2}}));
  lose(0, kServerTag, data(kClientTsn));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 1));
  expect_caught("gap block covers it");
}

TEST_F(RefereeTest, AllowsOneProbeOfAClosedWindow) {
  pass(0, kServerTag, data(kClientTsn));
  pass(1, kClientTag, sack(kClientTsn, 0));
  lose(0, kServerTag, data(kClientTsn + 1));
  expect_good();
  lose(0, kServerTag, data(kClientTsn + 2));
  expect_caught("into a window of 0");
}

TEST_F(RefereeTest, CatchesASackForWhatWasNotDelivered) {
  pass(0, kServerTag, data(kClientTsn));
  lose(0, kServerTag, data(kClientTsn + 1));
  lose(1, kClientTag, sack(kClientTsn));
  expect_good();
  lose(1, kClientTag, sack(kClientTsn + 1));
  expect_caught("not delivered");
  verdict_ = Verdict();
  lose(1, kClientTag, sack(kClientTsn - 1, 100, {{2, 2}}));
  expect_caught("gap block");
}

TEST_F(RefereeTest, CatchesTouchingGapBlocks) {
  for (uint32_t i = 0; i < 4; ++i) pass(0, kServerTag, data(kClientTsn + i));
  lose(1, kClientTag, sack(kClientTsn - 1, 100, {{2, 2}, {3, 3}}));
  expect_good();  // two blocks that touch are odd, but in order
  lose(1, kClientTag, sack(kClientTsn - 1, 100, {{3, 3}, {2, 2}}));
  expect_caught("out of order");
}

TEST_F(RefereeTest, CatchesDataAfterShutdown) {
  lose(0, kServerTag, [](PacketWriter& writer) {
    ASSERT_TRUE(wire::write_shutdown(writer, Tsn(kServerTsn - 1)));
  });
  lose(0, kServerTag, data(kClientTsn));
  // The very first DATA of a sequence may belong to a restart; the second can't.
  lose(0, kServerTag, [](PacketWriter& writer) {
    ASSERT_TRUE(wire::write_shutdown(writer, Tsn(kServerTsn - 1)));
  });
  lose(0, kServerTag, data(kClientTsn + 1));
  expect_caught("after SHUTDOWN");
}

TEST_F(RefereeTest, CatchesASecondFastRetransmission) {
  lose(0, kServerTag, data(kClientTsn));
  for (const int at : {1, 2, 3, 4, 21, 22, 23, 24, 25}) {
    now_ = kFirst + milliseconds(at);
    lose(0, kServerTag, data(kClientTsn));
  }
  expect_good();
  now_ = kFirst + milliseconds(26);
  lose(0, kServerTag, data(kClientTsn));
  expect_caught("again and again");
}

TEST_F(RefereeTest, ARestartBeginsAnotherSequence) {
  pass(0, kServerTag, data(kClientTsn));
  pass(0, 0, init(0x33333333, 900, false));
  pass(1, 0x33333333, init(0x44444444, 7000, true));
  pass(0, 0x44444444, data(900));
  pass(1, 0x33333333, data(7000));
  pass(1, 0x33333333, sack(900));
  expect_good();
}

// ---------------------------------------------------------------- cookies

TEST_F(RefereeTest, AfterACrashTheSameTagAndTsnMayBeDrawnAgain) {
  for (uint32_t i = 0; i < 4; ++i) pass(0, kServerTag, data(kClientTsn + i));
  pass(1, kClientTag, sack(kClientTsn + 3));
  referee_.crashed(0);
  set_up();
  pass(0, kServerTag, data(kClientTsn, 100, 0x66));
  expect_good();
}

class CookieRefereeTest : public RefereeTest {
 protected:
  CookieRefereeTest() {
    PacketLimits limits;
    limits.cookie_life = milliseconds(100);
    referee_.set_limits(1, limits);
  }
  void echo(std::vector<uint8_t> cookie) {
    const auto bytes = packet(0, kServerTag, [&](PacketWriter& writer) {
      ASSERT_TRUE(wire::write_cookie_echo(writer, cookie));
    });
    referee_.given(0, 1, bytes);
  }
  void accept() { referee_.accepted(now_, 1, 0, PortNumber(2000), PortNumber(1000)); }
};

TEST_F(CookieRefereeTest, ACookieOfTheHostsOwnIsGood) {
  echo({1, 2, 3, 0, 0, 0, 0, 0});
  now_ = now_ + milliseconds(100);
  accept();
  expect_good();
}

TEST_F(CookieRefereeTest, CatchesAnAssociationWithoutACookie) {
  accept();
  expect_caught("without a cookie");
}

TEST_F(CookieRefereeTest, CatchesACookieThatWasTamperedWith) {
  echo({1, 2, 3, 0, 0, 0, 0, 1});
  accept();
  expect_caught("without a cookie");
}

TEST_F(CookieRefereeTest, CatchesACookieFromBeforeACrash) {
  referee_.crashed(1);
  echo({1, 2, 3, 0, 0, 0, 0, 0});
  accept();
  expect_caught("without a cookie");
}

TEST_F(CookieRefereeTest, CatchesACookieThatHasExpired) {
  echo({1, 2, 3, 0, 0, 0, 0, 0});
  now_ = now_ + milliseconds(101);
  accept();
  expect_caught("expired");
}

TEST_F(CookieRefereeTest, CatchesACookieThatWorksTwice) {
  echo({1, 2, 3, 0, 0, 0, 0, 0});
  accept();
  pass(1, kClientTag, data(kServerTsn));
  expect_good();
  accept();
  expect_caught("made one before");
}

TEST_F(RefereeTest, KnowsWhatIsUnacknowledged) {
  for (uint32_t i = 0; i < 3; ++i) pass(0, kServerTag, data(kClientTsn + i));
  pass(1, kClientTag, sack(kClientTsn, 9000, {{2, 2}}));
  const auto known = referee_.unacknowledged(0, 1, PortNumber(1000), PortNumber(2000));
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->outstanding, 200u);
  EXPECT_EQ(known->flight, 16 + 100u);
  expect_good();
}

TEST_F(RefereeTest, JudgesOnlyTheFormOfHostilePackets) {
  referee_.expect_intruder(1000);
  lose(1, kClientTag, sack(kClientTsn + 77));
  lose(0, 99, data(kClientTsn + 50));
  expect_good();
  EXPECT_FALSE(referee_.unacknowledged(0, 1, PortNumber(1000), PortNumber(2000)).has_value());
  auto bytes = packet(0, 99, data(kClientTsn));
  bytes.back() ^= 1;
  sent(0, bytes);
  expect_caught("checksum");
}

}  // namespace
}  // namespace trunkline::sim
