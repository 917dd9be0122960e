// SPDX-License-Identifier: BSD-3-Clause
// Edits of a living association's profile (RFC 6458 sections 8.1.1, 8.1.2, 8.1.12, 8.1.19): what is
// refused, what follows at once, what waits for the next occasion.
#include "support/pair.h"

namespace trunkline::test {
namespace {

class ProfileEdits : public Peer {
 protected:
  EditResult edit(const ProfileEdit& wanted) {
    return host().shard().set_profile(now, host().assoc, wanted);
  }
  void edited(const ProfileEdit& wanted) {
    const EditResult result = edit(wanted);
    EXPECT_EQ(result.status, Status::kOk) << result.fault.field << " " << result.fault.what;
  }
  const Profile& profile() { return *host().shard().profile(host().assoc); }
  PathStatus path() { return host().status().paths.at(0); }
  // How long until the host has something to say by itself; what it is.
  std::pair<Duration, std::string> next_word() {
    const TimePoint before = now;
    for (int i = 0; i < 1000; ++i) {
      const TimePoint next = host().shard().next_deadline();
      if (next.is_never() || next - before > minutes(120)) return {Duration::max(), ""};
      now = std::max(now, next);
      host().advance(now);
      if (const std::string said = hear(); !said.empty()) return {now - before, said};
    }
    return {Duration::max(), "?"};
  }
};

struct Refused {
  const char* field;
  const char* what;
  ProfileEdit edit;
};

TEST_F(ProfileEdits, WhatTheConfigurationWouldNotTakeIsRefusedWithAWord) {
  constexpr const char* kRange = "is out of range";
  using std::chrono::hours;
  const std::vector<Refused> cases = {
      {"rto_initial", kRange, {.rto_initial = Duration{0}}},
      {"rto_initial", kRange, {.rto_initial = Duration{-1}}},
      {"rto_initial", kRange, {.rto_initial = Duration::max()}},
      {"rto_min", kRange, {.rto_min = Duration{0}}},
      {"rto_min", "is above rto_initial", {.rto_min = seconds(2)}},
      {"rto_max", kRange, {.rto_max = minutes(11)}},
      {"rto_max", "is below rto_initial", {.rto_max = milliseconds(999)}},
      {"association_max_retrans", kRange, {.association_max_retrans = uint16_t{0}}},
      {"association_max_retrans", kRange, {.association_max_retrans = uint16_t{256}}},
      {"path_max_retrans", kRange, {.path_max_retrans = uint16_t{256}}},
      {"max_init_retransmits", kRange, {.max_init_retransmits = uint16_t{256}}},
      {"heartbeat_interval", kRange, {.heartbeat_interval = Duration{-1}}},
      {"heartbeat_interval", kRange, {.heartbeat_interval = hours(2)}},
      {"potentially_failed_max_retrans", kRange, {.potentially_failed_max_retrans = uint16_t{300}}},
      {"primary_switchover_max_retrans", kRange, {.primary_switchover_max_retrans = uint16_t{256}}},
      {"primary_switchover_max_retrans",
       "is below the threshold where data leaves a path",
       {.potentially_failed_max_retrans = uint16_t{3},
        .primary_switchover_max_retrans = uint16_t{2}}},
      {"primary_return_heartbeats", kRange, {.primary_return_heartbeats = uint16_t{0}}},
      {"sack_delay", kRange, {.sack_delay = milliseconds(501)}},
      {"sack_frequency", kRange, {.sack_frequency = uint8_t{0}}},
      {"valid_cookie_life", kRange, {.valid_cookie_life = Duration{0}}},
      {"shutdown_guard", kRange, {.shutdown_guard = hours(25)}},
      {"send_buffer", kRange, {.send_buffer = 100u}},
      {"send_buffer", kRange, {.send_buffer = UINT32_MAX}},
      {"send_buffer", "is smaller than max_message_size", {.send_buffer = 100'000u}},
      {"fixed_path_mtu", kRange, {.fixed_path_mtu = uint16_t{575}}},
      {"fixed_path_mtu", "is above path_mtu", {.fixed_path_mtu = uint16_t{1501}}},
      {"pmtu_raise_interval", kRange, {.pmtu_raise_interval = Duration{-1}}},
      {"dscp", kRange, {.dscp = uint8_t{64}}},
  };
  open();
  uint64_t refused = 0;
  for (const Refused& c : cases) {
    ProfileEdit also = c.edit;
    also.nagle = true;  // all of it, or nothing
    const EditResult result = edit(also);
    EXPECT_EQ(result.status, Status::kInvalidValue) << c.field;
    EXPECT_EQ(result.fault.field, c.field);
    EXPECT_EQ(result.fault.what, c.what) << c.field;
    EXPECT_EQ(profile(), setup.profile) << c.field;
    EXPECT_EQ(host().count(Counter::k_refused_edits), ++refused);
  }
}

TEST_F(ProfileEdits, AnAssociationThatHasEndedHasNone) {
  open();
  const AssocId gone = host().assoc;
  ASSERT_EQ(host().shard().abort(now, gone, {}), Status::kOk);
  hear();
  EXPECT_EQ(edit({}).status, Status::kNoSuchAssociation);
  EXPECT_EQ(host().shard().profile(gone), nullptr);
}

TEST_F(ProfileEdits, TenThousandLeaveNothing) {
  open();
  for (int64_t n = 0; n < 10'000; ++n) {
    edited({.rto_max = seconds(60) + milliseconds(n), .nagle = n % 2 == 0});
    ASSERT_EQ(host().shard().pool_usage().profiles_used, 1u);
  }
  edited({.rto_max = setup.profile.rto_max, .nagle = setup.profile.nagle});
  EXPECT_EQ(profile(), setup.profile);
}

TEST_F(ProfileEdits, EqualOnesAreShared) {
  open();
  const AssocId first = host().assoc;
  ASSERT_EQ(host().connect(now, {ip("198.51.100.2")}, peer_port).status, Status::kOk);
  const auto different = [&] { return host().shard().pool_usage().profiles_used; };
  EXPECT_EQ(different(), 1u);
  edited({.nagle = true});
  EXPECT_EQ(different(), 2u);
  ASSERT_EQ(host().shard().set_profile(now, first, {.nagle = true}).status, Status::kOk);
  EXPECT_EQ(different(), 1u);
  EXPECT_EQ(host().shard().profile(first), host().shard().profile(host().assoc));
}

// The other associations, and those to come, have what the endpoint has.
TEST_F(ProfileEdits, AreOfOneAssociation) {
  open();
  edited({.nagle = true, .dscp = uint8_t{46}});
  ASSERT_EQ(host().connect(now, {ip("198.51.100.2")}, peer_port).status, Status::kOk);
  EXPECT_EQ(profile(), setup.profile);
}

// ---------------------------------------------------------------- RTO

TEST_F(ProfileEdits, ARestartKeepsThem) {
  open();
  edited({.rto_initial = milliseconds(300), .rto_min = milliseconds(300), .dscp = uint8_t{46}});
  const Profile before = profile();
  peer_tag = VerificationTag(0x55667788);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(hear(), "COOKIE ACK");
  ASSERT_EQ(host().count(EventKind::kRestarted), 1u);
  EXPECT_EQ(profile(), before);
  EXPECT_EQ(path().rto, milliseconds(300));
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  EXPECT_EQ(hear_one().dscp, 46);
  EXPECT_EQ(host().shard().pool_usage().profiles_used, 1u);
}

TEST_F(ProfileEdits, TheBoundsOfAnRtoCountAtOnce) {
  be_opened();
  ASSERT_EQ(path().rto, seconds(1));  // what was measured is less
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  hear();
  edited({.rto_initial = milliseconds(200), .rto_min = milliseconds(200)});
  EXPECT_EQ(path().rto, milliseconds(200));
  EXPECT_EQ(next_word(), std::pair(Duration(milliseconds(200)), std::string("DATA")));
}

TEST_F(ProfileEdits, AnRtoThatWasNeverMeasuredIsTheInitialOne) {
  open();
  ASSERT_EQ(path().rto, seconds(1));
  edited({.rto_initial = seconds(3)});
  EXPECT_EQ(path().rto, seconds(3));
}

TEST_F(ProfileEdits, AnRtoThatWasBackedOffIsBroughtWithinTheBounds) {
  setup.profile.heartbeat_interval = Duration{0};
  open();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  hear();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(next_word().second, "DATA");
  ASSERT_EQ(path().rto, seconds(8));
  edited({.rto_initial = seconds(2)});
  EXPECT_EQ(path().rto, seconds(8));
  edited({.rto_max = seconds(5)});
  EXPECT_EQ(path().rto, seconds(5));
  EXPECT_EQ(next_word(), std::pair(Duration(seconds(5)), std::string("DATA")));
  edited({.rto_initial = seconds(30), .rto_min = seconds(30), .rto_max = seconds(60)});
  EXPECT_EQ(path().rto, seconds(30));
}

TEST_F(ProfileEdits, OfAnAttemptToConnectCountToo) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  EXPECT_EQ(hear(), "INIT");
  edited({.rto_initial = milliseconds(200),
          .rto_min = milliseconds(100),
          .max_init_retransmits = uint16_t{1}});
  EXPECT_EQ(next_word(), std::pair(Duration(milliseconds(200)), std::string("INIT")));
  EXPECT_EQ(next_word().second, "");
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kTimedOut);
}

TEST_F(ProfileEdits, BringTheShutdownForward) {
  setup.profile.rto_max = seconds(20);
  open();
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  EXPECT_EQ(hear(), "SHUTDOWN");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(next_word().second, "SHUTDOWN");
  edited({.rto_initial = milliseconds(500), .rto_min = milliseconds(500), .rto_max = seconds(2)});
  EXPECT_EQ(next_word(), std::pair(Duration(seconds(2)), std::string("SHUTDOWN")));
}

TEST_F(ProfileEdits, AGuardMayBecomeShorterWhileItRuns) {
  open();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  hear();
  ASSERT_EQ(host().shard().shutdown(now, host().assoc), Status::kOk);
  edited({.shutdown_guard = milliseconds(500)});
  EXPECT_EQ(next_word(), std::pair(Duration(milliseconds(500)), std::string("ABORT")));
}

// ---------------------------------------------------------------- thresholds

// Its peer may be well: what was counted ends nothing, the next error does.
TEST_F(ProfileEdits, ALimitBelowWhatWasCountedWaitsForTheNextError) {
  setup.profile.heartbeat_interval = Duration{0};
  open();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  hear();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(next_word().second, "DATA");
  ASSERT_EQ(host().status().error_count, 4u);
  edited({.association_max_retrans = uint16_t{2}});
  EXPECT_EQ(host().state(), AssocState::kEstablished);
  EXPECT_EQ(next_word().second, "");
  EXPECT_EQ(host().last(EventKind::kLost).reason, Reason::kTimedOut);
}

TEST_F(ProfileEdits, AnAnswerAfterALimitWasLoweredBeginsAnew) {
  setup.profile.heartbeat_interval = Duration{0};
  open();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  hear();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(next_word().second, "DATA");
  edited({.association_max_retrans = uint16_t{2}});
  tell(sack(last_tsn()));
  EXPECT_EQ(host().status().error_count, 0u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(ProfileEdits, APathIsJudgedByItsNewLimitsWithTheNextError) {
  setup.profile.heartbeat_interval = Duration{0};
  open();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  hear();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(next_word().second, "DATA");
  ASSERT_EQ(path().state, PathState::kPotentiallyFailed);
  edited({.path_max_retrans = uint16_t{1}});
  EXPECT_EQ(path().state, PathState::kPotentiallyFailed);
  EXPECT_EQ(next_word().second, "DATA");
  EXPECT_EQ(path().state, PathState::kInactive);
}

// ---------------------------------------------------------------- heartbeats

class HeartbeatEdits : public ProfileEdits {
 protected:
  HeartbeatEdits() { setup.profile.heartbeat_interval = seconds(30); }
};

TEST_F(HeartbeatEdits, AShorterIntervalCountsFromNow) {
  open();
  wait(seconds(10));
  edited({.heartbeat_interval = seconds(1)});
  const auto [span, said] = next_word();
  EXPECT_EQ(said, "HEARTBEAT");
  EXPECT_GE(span, seconds(1) + milliseconds(500));
  EXPECT_LE(span, seconds(1) + milliseconds(1500));
}

TEST_F(HeartbeatEdits, ManyOfThemPutNothingOff) {
  open();
  edited({.heartbeat_interval = milliseconds(2000)});
  const TimePoint begin = now;
  for (int64_t n = 1; n < 1000 && host().count(Counter::k_heartbeats_sent) == 0; ++n) {
    edited({.heartbeat_interval = milliseconds(2000 - n)});
    wait(milliseconds(10));
    hear();
  }
  EXPECT_EQ(host().count(Counter::k_heartbeats_sent), 1u);
  EXPECT_LE(now - begin, milliseconds(3510));
}

TEST_F(HeartbeatEdits, ALongerIntervalPutsThemOff) {
  open();
  edited({.heartbeat_interval = minutes(10)});
  EXPECT_GE(next_word().first, minutes(10));
}

TEST_F(HeartbeatEdits, ZeroStopsThemAndAnotherValueBeginsAnew) {
  open();
  edited({.heartbeat_interval = Duration{0}});
  EXPECT_EQ(next_word().second, "");
  edited({.heartbeat_interval = seconds(5)});
  const auto [span, said] = next_word();
  EXPECT_EQ(said, "HEARTBEAT");
  EXPECT_LE(span, seconds(5) + milliseconds(1500));
}

// One that is under way is waited for.
TEST_F(HeartbeatEdits, LeaveOneThatIsUnderWayAlone) {
  open();
  ASSERT_EQ(host().shard().request_heartbeat(now, host().assoc, peer_address), Status::kOk);
  EXPECT_EQ(hear(), "HEARTBEAT");
  edited({.heartbeat_interval = Duration{0}});
  next_word();
  EXPECT_EQ(path().error_count, 1u);
}

// ---------------------------------------------------------------- acknowledgements

class SackEdits : public ProfileEdits {
 protected:
  SackEdits() { setup.profile.sack_delay = milliseconds(400); }
  // One packet that is not acknowledged yet.
  void owe_one() {
    open();
    tell_data();
    EXPECT_EQ(hear(), "SACK");
    tell_data();
    EXPECT_EQ(hear(), "");
  }
};

TEST_F(SackEdits, AShorterDelayCountsAtOnce) {
  owe_one();
  wait(milliseconds(100));
  edited({.sack_delay = milliseconds(50)});
  EXPECT_EQ(next_word(), std::pair(Duration(milliseconds(50)), std::string("SACK")));
}

TEST_F(SackEdits, ALongerOnePutsNothingOff) {
  owe_one();
  edited({.sack_delay = milliseconds(500)});
  EXPECT_EQ(next_word(), std::pair(Duration(milliseconds(400)), std::string("SACK")));
}

TEST_F(SackEdits, NoDelayAtAllMeansNow) {
  owe_one();
  edited({.sack_delay = Duration{0}});
  EXPECT_EQ(hear(), "SACK");
}

TEST_F(SackEdits, AFrequencyThatIsReachedMeansNow) {
  owe_one();
  edited({.sack_frequency = uint8_t{3}});
  EXPECT_EQ(hear(), "");
  edited({.sack_frequency = uint8_t{1}});
  EXPECT_EQ(hear(), "SACK");
}

// ---------------------------------------------------------------- sending

TEST_F(ProfileEdits, WhatNagleHoldsGoesWithoutIt) {
  setup.profile.nagle = true;
  open();
  ASSERT_EQ(host().send(now, "one"), Status::kOk);
  EXPECT_EQ(hear(), "DATA");
  ASSERT_EQ(host().send(now, "two"), Status::kOk);
  EXPECT_EQ(hear(), "");
  edited({.nagle = false});
  EXPECT_EQ(hear(), "DATA");
}

TEST_F(ProfileEdits, WhatTheBurstHoldsGoesWithALargerOne) {
  setup.profile.max_burst = 1;
  open();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(host().send(now, std::string(1400, 'x')), Status::kOk);
  EXPECT_EQ(hear(), "DATA");
  edited({.dscp = uint8_t{1}});
  EXPECT_EQ(hear(), "");
  edited({.max_burst = uint8_t{0}});
  EXPECT_EQ(hear(), "DATA, DATA");
}

TEST_F(ProfileEdits, ADscpCountsFromTheNextPacketOn) {
  open();
  edited({.dscp = uint8_t{34}});
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  EXPECT_EQ(hear_one().dscp, 34);
}

TEST_F(ProfileEdits, ASendBufferMayGrow) {
  setup.profile.max_message_size = 2000;
  setup.profile.send_buffer = 2000;
  open();
  ASSERT_EQ(host().send(now, std::string(1500, 'x')), Status::kOk);
  ASSERT_EQ(host().send(now, std::string(1500, 'x')), Status::kWouldBlock);
  edited({.send_buffer = 4000u});
  EXPECT_EQ(host().send(now, std::string(1500, 'x')), Status::kOk);
}

// ---------------------------------------------------------------- path MTU

TEST_F(ProfileEdits, APathMtuMayBeFixedAndFollowTheNetworkAgain) {
  setup.profile.heartbeat_interval = Duration{0};
  open();
  EXPECT_EQ(path().mtu, 1500u);
  edited({.pmtu_discovery = PmtuDiscovery::kOff, .fixed_path_mtu = uint16_t{800}});
  EXPECT_EQ(path().mtu, 800u);
  EXPECT_EQ(path().mtu_state, PmtuState::kFixed);
  ASSERT_EQ(host().send(now, std::string(1400, 'x')), Status::kOk);
  const std::vector<Packet> packets = listen();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_LE(packets[0].bytes.size(), 780u);
  tell(sack(last_tsn()));
  edited({.fixed_path_mtu = uint16_t{0}});
  EXPECT_EQ(path().mtu, 1500u);
  edited({.fixed_path_mtu = uint16_t{1300}});
  edited({.pmtu_discovery = PmtuDiscovery::kReactive});
  EXPECT_EQ(path().mtu, 1300u);
  EXPECT_EQ(hear(), "HEARTBEAT + PAD");
  EXPECT_EQ(path().mtu_state, PmtuState::kSearching);
}

// ICMP's word counts where the network is followed.
TEST_F(ProfileEdits, WhatIsFixedDoesNotListenToRouters) {
  open();
  ASSERT_EQ(host().send(now, std::string(1400, 'x')), Status::kOk);
  const Packet sent = hear_one();
  const PacketIn quoted{sent.source, sent.destination, sent.bytes};
  edited({.pmtu_discovery = PmtuDiscovery::kOff});
  host().shard().packet_too_big(now, quoted, 1300);
  EXPECT_EQ(path().mtu, 1500u);
  EXPECT_EQ(host().count(Counter::k_drop_icmp_pmtu_off), 1u);
  edited({.pmtu_discovery = PmtuDiscovery::kReactive});
  host().shard().packet_too_big(now, quoted, 1300);
  EXPECT_LT(path().mtu, 1500u);
}

}  // namespace
}  // namespace trunkline::test
