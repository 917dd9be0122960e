// SPDX-License-Identifier: BSD-3-Clause
// What a restart of the peer does to an association (RFC 9260 section 5.2.4 A): everything begins
// anew, or is carried over by name. A table of all members says which; what is carried over is
// tested here, the rest in restarted_test.cpp.
#include <fstream>
#include <regex>
#include <set>
#include <span>
#include <string>

#include "peer_with_four.h"

namespace trunkline::test {
namespace {

using enum AssocState;

// ---------------------------------------------------------------- the table

enum class AfterRestart : uint8_t {
  kAnew,         // as the constructor and enter_established() leave it in any association
  kCookie,       // what the restart's cookie says
  kCarriedOver,  // as it was: Association::Carried, or nothing that a life could change
};

struct MemberRow {
  const char* member;
  AfterRestart after;
  const char* why = "";
};

using enum AfterRestart;

// A member that is not in here is one that nobody has thought about: say what becomes of it, and
// make a life in restarted_test.cpp that leaves its mark on it.
constexpr MemberRow kAssociation[] = {
    // -- who it is, and what state it is in
    {"id", kCarriedOver, "its user and the shard know it by that"},
    {"user", kCarriedOver, "the user's word"},
    {"ready_place", kAnew},
    {"held_place", kAnew, "it holds nothing"},
    {"local_", kCarriedOver, "the endpoint"},
    {"profile_", kCarriedOver, "the operator's word for this peer"},
    {"local_tag_", kCookie},
    {"peer_tag_", kCookie},
    {"peer_port_", kCookie, "and never another"},
    {"state_", kAnew, "then SHUTDOWN once more, if our user wants out"},
    {"pending_", kAnew, "the COOKIE ACK"},
    {"dead_", kAnew},
    {"accepted_", kCarriedOver, "who called first is history"},
    {"shutdown_wished_", kCarriedOver, "not the peer's to undo"},
    {"sack_filed_", kAnew, "what the queue still has of the former life is looked at in vain"},
    {"cookie_ack_path_", kAnew, "where the COOKIE ECHO came from"},
    {"setup_path_", kAnew},
    {"error_count_", kAnew},
    {"features_", kCookie},
    {"extension_place_", kAnew, "the peer's extensions are those of the cookie"},
    {"counts_place_", kCarriedOver, "what was counted stays counted"},
    {"passage_", kAnew, "the tie-tags are good for one restart"},
    // -- its parts
    {"receiver_", kAnew, "see kReceiver"},
    {"sender_", kAnew, "see kSender"},
    {"totals_", kCarriedOver, "what was counted stays counted"},
    {"paths_", kAnew, "see kPaths"},
    // -- what is seldom touched
    {"established_at_", kAnew},
};

constexpr MemberRow kReceiver[] = {
    {"tsns_", kCookie},
    {"queue_", kAnew, "what was not whole never will be"},
    {"readers_bytes_", kCarriedOver, "a slow reader has them still to take, or to read"},
    {"unread_", kCarriedOver, "of these, what it has"},
    {"sack_at_", kAnew},
    {"offered_", kAnew, "the window of our INIT ACK"},
    {"withdrawn_", kAnew, "likewise"},
    {"streams_", kCookie},
    {"starved_", kAnew},
    {"starved_at_", kAnew, "counts for starved_"},
    {"packets_since_sack_", kAnew},
    {"last_path_", kAnew},
    {"sack_due_", kAnew},
    {"sack_detour_", kAnew},
    {"first_data_seen_", kAnew},
};

constexpr MemberRow kSender[] = {
    {"queue_", kAnew, "messages go back to their user, SSNs begin with 0"},
    {"outstanding_", kCookie},
    {"retry_at_", kAnew},
    {"probe_at_", kAnew},
    {"told_rwnd_", kCookie},
    {"peer_rwnd_", kCookie},
    {"accepted_bytes_", kAnew},
    {"accepted_messages_", kAnew, "nor is it owed that all is acknowledged"},
    {"recovery_exit_", kAnew},
    {"streams_", kCookie},
    {"burst_left_", kAnew},
    {"probes_", kAnew},
    {"again_now_", kAnew},
    {"in_recovery_", kAnew},
    {"probing_window_", kAnew},
    {"window_closed_", kAnew},
};

constexpr MemberRow kPaths[] = {
    {"only_", kCookie},
    {"paths_", kCookie, "a restart begins no new round of probes (5.4)"},
    {"fragment_limit_", kAnew},
    {"count_", kCookie, "the addresses of the new list, no others"},
    {"primary_", kAnew, "the address that the INIT came from"},
    {"data_path_", kAnew},
    {"named_", kAnew, "counts while opening"},
    {"own_used_", kAnew},
    {"own_", kAnew, "every path is a new one: see Path"},
};

// The data members that a header has between two texts.
std::set<std::string> members_in(const std::string& header, const std::string& from,
                                 const std::string& to) {
  std::ifstream file(TRUNKLINE_STACK + ("/" + header));
  EXPECT_TRUE(file.good()) << header;
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::regex member(
      R"(\n  [A-Za-z_][\w:<>, *&()]*?[ &*](\w+)(\[[^\]]*\])?( : \d)?( = [^;]*)?;)");
  const size_t begin = text.find(from);
  const size_t end = text.find(to, begin);
  EXPECT_NE(end, std::string::npos) << header << ": " << from;
  std::set<std::string> out;
  if (end == std::string::npos) return out;
  const std::string part = text.substr(begin, end - begin);
  for (std::sregex_iterator it(part.begin(), part.end(), member), last; it != last; ++it) {
    out.insert((*it)[1]);
  }
  return out;
}

std::set<std::string> names_of(std::span<const MemberRow> rows) {
  std::set<std::string> out;
  for (const MemberRow& row : rows) {
    EXPECT_TRUE(out.insert(row.member).second) << row.member << " is there twice";
  }
  return out;
}

TEST(RestartTable, NamesEveryMemberOfAnAssociation) {
  std::set<std::string> all = members_in("assoc/association.h", "\n  AssocId id;", " private:");
  all.merge(
      members_in("assoc/association.h", "  // -- who it is, and what state it is in\n", "\n};\n"));
  EXPECT_EQ(all, names_of(kAssociation));
}

TEST(RestartTable, NamesEveryMemberOfItsParts) {
  const std::string from = "  // -- its members";
  EXPECT_EQ(members_in("rx/receiver.h", from, "\n};\n"), names_of(kReceiver));
  EXPECT_EQ(members_in("tx/sender.h", from, "\n};\n"), names_of(kSender));
  EXPECT_EQ(members_in("path/path_set.h", from, "\n};\n"), names_of(kPaths));
}

// ---------------------------------------------------------------- what is carried over

class AfterARestart : public Peer {
 protected:
  void come_back(VerificationTag tag = VerificationTag(0x00c0ffee)) {
    peer_tag = tag;
    peer_tsn = Tsn(90000);
    peer_ssn = 0;
    send_init();
    const std::vector<Packet> answers = listen();
    ASSERT_FALSE(answers.empty());
    take_init_ack(answers[0]);
    tell(cookie_echo());
  }
};

TEST_F(AfterARestart, WhatWasCountedStaysCounted) {
  open();
  tell_data();
  ASSERT_EQ(host().send(now, "x"), Status::kOk);
  hear();
  wait(seconds(3));
  hear();
  tell(sack(last_tsn()));
  const AssocStatus before = host().status();
  come_back();
  const AssocStatus after = host().status();
  EXPECT_EQ(after.id, before.id);
  EXPECT_EQ(after.user, before.user);
  EXPECT_EQ(after.endpoint, before.endpoint);
  EXPECT_EQ(after.messages_sent, 1u);
  EXPECT_EQ(after.messages_received, 1u);
  EXPECT_EQ(after.retransmitted_chunks, before.retransmitted_chunks);
  EXPECT_GT(after.retransmitted_chunks, 0u);
  EXPECT_GE(after.packets_sent, before.packets_sent);
  EXPECT_GT(after.packets_received, before.packets_received);
  EXPECT_EQ(after.paths[0].packets_sent, 0u) << "its paths are new";
  come_back(VerificationTag(0x00c0ffef));
  EXPECT_GE(host().status().packets_sent, after.packets_sent) << "of two former lives";
  EXPECT_GT(host().status().packets_received, after.packets_received);
  EXPECT_EQ(host().status().retransmitted_chunks, before.retransmitted_chunks);
  EXPECT_EQ(host().count(Counter::k_curr_estab), 1u);
}

TEST_F(AfterARestart, WhatASlowReaderHasStillToTakeUsesTheWindow) {
  setup.profile.a_rwnd = 16 * 1024;
  open();
  host().keep_messages = true;
  for (int i = 0; i < 8; ++i) tell_data(std::string(1000, 'k'));
  listen();
  const uint32_t left = host().status().a_rwnd;
  ASSERT_LT(left, setup.profile.a_rwnd);
  come_back();
  listen();
  tell_data("new");
  EXPECT_LE(host().status().a_rwnd, left);
  host().read_kept(now);
  listen();
  EXPECT_GT(host().status().a_rwnd, left);
}

TEST_F(AfterARestart, WhatIsUnreadUsesTheWindowUntilItIsRead) {
  setup.profile.a_rwnd = 16 * 1024;
  open();
  host().shard().set_unread(host().assoc, 5000);
  come_back();
  listen();
  EXPECT_EQ(host().status().a_rwnd, 16 * 1024 - 5000u);
  host().shard().set_unread(host().assoc, 0);
  EXPECT_EQ(host().status().a_rwnd, 16 * 1024u);
}

// What the SACKs of the former life held back, lest the window open in crumbs, they held back from
// another peer.
TEST_F(AfterARestart, OffersAllOfTheWindow) {
  open();
  host().keep_messages = true;
  for (int i = 0; i < 8; ++i) tell_data(std::string(400, 'k'));
  listen();
  host().shard().consumed(now, host().assoc, 400);
  const uint32_t held_back = host().status().a_rwnd;
  come_back();
  listen();
  EXPECT_GT(host().status().a_rwnd, held_back);
}

// A window that is too small for the first chunk is probed after an RTO, as a new peer's.
TEST_F(AfterARestart, ProbesAShutWindowFromTheBeginning) {
  setup.profile.path_mtu = 9000;
  open();
  ASSERT_EQ(host().send(now, "taken"), Status::kOk);
  listen();
  tell(sack(last_tsn(), {}, 0));
  for (int i = 0; i < 10; ++i) ASSERT_EQ(host().send(now, "probe"), Status::kOk);
  const auto pass = [&](Duration span) {
    const TimePoint end = now + span;
    listen();
    while (host().shard().next_deadline() <= end) {
      now = host().shard().next_deadline();
      host().advance(now);
      for (const Packet& packet : listen()) {
        if (packet.find(ChunkType::kData)) return true;
      }
    }
    now = end;
    return false;
  };
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(pass(minutes(2)));
    tell(sack(last_tsn(), {}, 0));
  }
  ASSERT_EQ(host().count(Counter::k_zero_window_probes), 6u);
  peer_window = 1500;  // the smallest that an INIT may offer (3.3.2)
  come_back();
  listen();
  ASSERT_EQ(host().send(now, std::string(5000, 'x')), Status::kOk);
  const TimePoint begin = now;
  ASSERT_TRUE(pass(minutes(2)));
  EXPECT_EQ(now - begin, host().status().paths[0].rto);
}

// The round of probes goes on where it was.
TEST_F(AfterARestart, BeginsNoNewRoundOfProbes) {
  peer_list = {peer_address, kSecond};
  open();
  host().advance(now);
  EXPECT_EQ(hear(), "HEARTBEAT");
  for (uint32_t i = 1; i < 20; ++i) {
    come_back(VerificationTag(i));
    host().advance(now);
    EXPECT_EQ(hear(), "COOKIE ACK");
    EXPECT_EQ(host().count(EventKind::kRestarted), i);
  }
}

// Whoever asked in vain for long enough has somebody else end for it: the former life's patience is
// not the new one's.
TEST_F(AfterARestart, CountsItsOwnDearthOnly) {
  setup.shard.receive_buffer_bytes = 32 * 1024;
  setup.profile.a_rwnd = 1024 * 1024;
  const auto tell_fragment = [&](const char* flags, Tsn tsn) {
    tell(data({.text = std::string(400, 'f'), .flags = flags, .ssn = uint16_t{0}, .tsn = tsn}));
    listen();
  };
  peer_port = PortNumber(1111);
  open();
  // One holds all that there is, for a message without end.
  for (uint32_t i = 0; host().count(Counter::k_drop_data_no_memory) == 0; ++i) {
    tell_fragment(i == 0 ? "B" : "", peer_tsn + i);
  }
  peer_port = PortNumber(2222);
  open();
  const auto starve = [&] {
    for (int i = 0; i < 3; ++i) {
      tell_fragment("B", peer_tsn);
      wait(setup.profile.rto_min);
    }
  };
  starve();
  ASSERT_EQ(host().shard().association_count(), 2u);
  come_back();
  listen();
  starve();
  EXPECT_EQ(host().shard().association_count(), 2u);
  tell_fragment("B", peer_tsn);
  EXPECT_EQ(host().shard().association_count(), 1u) << "now it was asked often enough";
}

// What is lost in the new life is lost by the network, whatever the window of the former one was.
TEST_F(AfterARestart, TakesNoLossForAShutWindow) {
  open();
  ASSERT_EQ(host().send(now, "of the former life"), Status::kOk);
  hear();
  tell(sack(last_tsn(), {}, 0));
  come_back();
  listen();
  host_tsn = host().status().next_tsn;
  ASSERT_EQ(host().send(now, "lost"), Status::kOk);
  EXPECT_EQ(hear(), "DATA");
  wait(seconds(1));
  EXPECT_EQ(hear(), "DATA") << "T3";
  EXPECT_EQ(host().status().error_count, 1u);
  tell(sack(last_tsn() - 1));
  EXPECT_EQ(hear(), "") << "it is no probe that was dropped";
}

TEST_F(AfterARestart, OwesNoWordOfBeingDry) {
  open();
  ASSERT_EQ(host().send(now, "of the former life"), Status::kOk);
  EXPECT_EQ(hear(), "DATA");
  come_back();
  EXPECT_EQ(host().last(EventKind::kSendFailed).reason, Reason::kRestarted);
  host_tsn = host().status().next_tsn;
  tell(sack(host_tsn - 1));
  EXPECT_EQ(host().count(EventKind::kSenderDry), 0u);
  ASSERT_EQ(host().send(now, "of this one"), Status::kOk);
  listen();
  tell(sack(last_tsn()));
  EXPECT_EQ(host().count(EventKind::kSenderDry), 1u);
}

// ---------------------------------------------------------------- our user's wish

class RestartOfAShutdown : public AfterARestart {
 protected:
  RestartOfAShutdown() { setup.profile.heartbeat_interval = Duration{0}; }
};

TEST_F(RestartOfAShutdown, BeginsItAgain) {
  for (const AssocState from : {kShutdownPending, kShutdownSent}) {
    SCOPED_TRACE(state_name(from));
    start_over();
    peer_tag = VerificationTag(0x11223344);
    open();
    go_on_to(from);
    come_back();
    EXPECT_EQ(host().count(EventKind::kRestarted), 1u);
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "COOKIE ACK + SHUTDOWN");
    EXPECT_EQ(answer.header().verification_tag, peer_tag);
    EXPECT_EQ(host().state(), kShutdownSent);
    EXPECT_EQ(host().send(now, "no"), Status::kClosing);
    // It loses none of what the peer still sends, and T2 repeats it.
    tell_data("last words");
    EXPECT_EQ(hear(), "SHUTDOWN") << "it acknowledges, too";
    wait(seconds(1));
    EXPECT_EQ(hear(), "SHUTDOWN");
    tell(wire::write_shutdown_ack);
    EXPECT_EQ(hear(), "SHUTDOWN COMPLETE");
    EXPECT_EQ(host().count(EventKind::kClosed), 1u);
    EXPECT_EQ(host().messages(), std::vector<std::string>{"last words"});
  }
}

// The peer asked to end, and so did our user; the peer's new life knows nothing of it.
TEST_F(RestartOfAShutdown, BeginsItAgainWhenThePeerHadAskedToo) {
  open();
  go_on_to(kShutdownReceived);
  EXPECT_EQ(host().shard().shutdown(now, host().assoc), Status::kClosing);
  come_back();
  EXPECT_EQ(hear(), "COOKIE ACK + SHUTDOWN");
  EXPECT_EQ(host().state(), kShutdownSent);
}

TEST_F(RestartOfAShutdown, ThatThePeerAskedForIsOver) {
  open();
  go_on_to(kShutdownReceived);
  come_back();
  EXPECT_EQ(hear(), "COOKIE ACK");
  EXPECT_EQ(host().state(), kEstablished);
  EXPECT_EQ(host().send(now, "to the new life"), Status::kOk);
  EXPECT_EQ(hear(), "DATA");
}

// T5 counts from the first SHUTDOWN: a peer that restarts every minute gains no time.
TEST_F(RestartOfAShutdown, GivesThePeerNoMoreTime) {
  open();
  go_on_to(kShutdownSent);
  const TimePoint begin = now;
  for (uint32_t i = 1; host().shard().association_count() > 0 && i < 20; ++i) {
    come_back(VerificationTag(i));
    listen();
    const TimePoint next = now + seconds(50);
    while (host().shard().next_deadline() <= next && host().shard().association_count() > 0) {
      now = host().shard().next_deadline();
      host().advance(now);
      listen();
    }
    if (host().shard().association_count() > 0) now = next;
  }
  EXPECT_EQ(now - begin, 5 * setup.profile.rto_max);
  EXPECT_EQ(host().count(EventKind::kLost), 1u);
}

TEST_F(RestartOfAShutdown, FromShutdownAckSentIsRefusedAsEver) {
  open();
  peer_tag = VerificationTag(0x55);
  send_init();
  take_init_ack(hear_one());
  const VerificationTag tag = host_tag;
  host_tag = host().status().local_tag;
  go_on_to(kShutdownAckSent);
  tell(tag, cookie_echo());
  EXPECT_EQ(hear(), "SHUTDOWN ACK + ERROR");
  EXPECT_EQ(host().state(), kShutdownAckSent);
}

}  // namespace
}  // namespace trunkline::test
