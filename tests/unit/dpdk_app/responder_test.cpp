// SPDX-License-Identifier: BSD-3-Clause
// What a port answers by itself: whole frames in, whole frames out.
#include "net/responder.h"

#include <gtest/gtest.h>

#include "net/arp.h"
#include "net/icmp.h"
#include "net/input.h"
#include "net_helpers.h"

namespace trunkline::net {
namespace {

class ResponderTest : public testing::Test {
 protected:
  explicit ResponderTest(unsigned vlan = 0) : routes({local_port(vlan)}) {}

  // The reply to `frame`, empty when there is none.
  Bytes answer(const Bytes& frame) {
    const Frame parsed = parse_frame(frame, routes.port(0).vlan, false);
    if (parsed.kind == FrameKind::kDropped) {
      ADD_FAILURE() << "dropped: " << kNetCounterInfo[static_cast<size_t>(parsed.drop)].name;
      return {};
    }
    Bytes buffer = frame;
    buffer.resize(2048);
    buffer.resize(responder.handle(now, parsed, buffer, frame.size(), actions));
    return buffer;
  }
  [[nodiscard]] uint64_t count(NetCounter counter) const { return counters.get(counter); }

  RouteTable routes;
  NeighbourTable neighbours{{.max_entries = 64}};
  NetCounters counters;
  Responder responder{routes.port(0), routes, neighbours, counters};
  NeighbourActions actions;
  TimePoint now = TimePoint::from_ns(1'000'000'000);
};

TEST_F(ResponderTest, ArpRequestForUs) {
  const Bytes reply = answer(arp_frame(1, "192.0.2.77", "192.0.2.1"));
  ASSERT_EQ(reply.size(), 42u);
  EXPECT_EQ(MacAddress::from(reply.data()), kPeerMac);
  EXPECT_EQ(MacAddress::from(&reply[6]), kOurMac);
  const auto arp = parse_arp({&reply[14], 28});
  ASSERT_TRUE(arp.has_value());
  EXPECT_EQ(arp->operation, ArpOperation::kReply);
  EXPECT_EQ(arp->sender, ip("192.0.2.1"));
  EXPECT_EQ(arp->sender_mac, kOurMac);
  EXPECT_EQ(arp->target, ip("192.0.2.77"));
  // Who asks us will be spoken to: it is known now.
  EXPECT_EQ(neighbours.use(now, ip("192.0.2.77"), nullptr, actions).use, NeighbourUse::kSend);
}

TEST_F(ResponderTest, ArpThatIsNotForUs) {
  EXPECT_TRUE(answer(arp_frame(1, "192.0.2.77", "192.0.2.2")).empty());
  EXPECT_EQ(count(NetCounter::k_drop_arp_not_for_us), 1u);
  EXPECT_EQ(neighbours.size(), 0u);
  EXPECT_TRUE(answer(arp_frame(2, "192.0.2.77", "192.0.2.1")).empty());
  EXPECT_EQ(count(NetCounter::k_drop_arp_unexpected), 1u);
  EXPECT_EQ(neighbours.size(), 0u);
  EXPECT_TRUE(answer(arp_frame(1, "198.51.100.9", "192.0.2.1")).empty());
  EXPECT_EQ(count(NetCounter::k_drop_arp_off_link), 1u);
  EXPECT_TRUE(answer(arp_frame(1, "192.0.2.1", "192.0.2.1")).empty());
  EXPECT_EQ(count(NetCounter::k_drop_arp_conflict), 1u);
}

TEST_F(ResponderTest, ArpAnnouncementIsNoDrop) {
  EXPECT_TRUE(answer(arp_frame(1, "192.0.2.77", "192.0.2.77")).empty());
  EXPECT_EQ(count(NetCounter::k_announcements_in), 1u);
  EXPECT_EQ(count(NetCounter::k_drop_arp_not_for_us), 0u);
  EXPECT_EQ(neighbours.size(), 0u);
}

TEST_F(ResponderTest, ArpProbeIsAnsweredAndTeachesNothing) {  // RFC 5227
  EXPECT_FALSE(answer(arp_frame(1, "0.0.0.0", "192.0.2.1")).empty());
  EXPECT_EQ(neighbours.size(), 0u);
}

TEST_F(ResponderTest, ArpReplyReleasesWhatWaits) {
  int packet = 0;
  neighbours.use(now, ip("192.0.2.77"), &packet, actions);
  ASSERT_EQ(actions.solicit.size(), 1u);
  Bytes question(128);
  question.resize(responder.build_question(actions.solicit[0], question));
  ASSERT_EQ(question.size(), 42u);
  EXPECT_EQ(MacAddress::from(question.data()), MacAddress::broadcast());
  EXPECT_EQ(parse_arp({&question[14], 28})->sender, ip("192.0.2.1"));
  actions.clear();
  EXPECT_TRUE(answer(arp_frame(2, "192.0.2.77", "192.0.2.1")).empty());
  ASSERT_EQ(actions.ready.size(), 1u);
  EXPECT_EQ(actions.ready[0].packet, &packet);
  EXPECT_EQ(count(NetCounter::k_arp_replies_in), 1u);
}

// With several workers the question may be another one's. It is told of the answer, but a stranger
// that nobody asked for must not get into any table.
TEST_F(ResponderTest, AnswersForOtherWorkersAreLessonsAndNoDrops) {
  Responder one_of_many(routes.port(0), routes, neighbours, counters, true);
  Bytes frame = arp_frame(2, "192.0.2.77", "192.0.2.1");
  const Frame parsed = parse_frame(frame, 0, false);
  frame.resize(2048);
  EXPECT_EQ(one_of_many.handle(now, parsed, frame, 42, actions), 0u);
  EXPECT_EQ(count(NetCounter::k_answers_for_others), 1u);
  EXPECT_EQ(count(NetCounter::k_drop_arp_unexpected), 0u);
  EXPECT_EQ(neighbours.size(), 0u);
  ASSERT_EQ(actions.lessons.size(), 1u);
  EXPECT_EQ(actions.lessons[0].address, ip("192.0.2.77"));
  EXPECT_TRUE(actions.lessons[0].news.solicited);
  EXPECT_FALSE(actions.lessons[0].news.create);

  // The worker that asked, as it is told.
  NeighbourTable other({.max_entries = 64});
  NeighbourActions sent;
  int packet = 0;
  other.use(now, ip("192.0.2.77"), &packet, sent);
  sent.clear();
  const NeighbourActions::Lesson& lesson = actions.lessons[0];
  EXPECT_EQ(other.learn(now, lesson.address, lesson.mac, lesson.news, sent),
            NeighbourTable::Learnt::kKnown);
  ASSERT_EQ(sent.ready.size(), 1u);
  EXPECT_EQ(sent.ready[0].packet, &packet);
}

TEST_F(ResponderTest, WhatIsKnownHereIsMadeKnownToAll) {
  answer(arp_frame(1, "192.0.2.77", "192.0.2.1"));  // it asked for us
  ASSERT_EQ(actions.lessons.size(), 1u);
  EXPECT_TRUE(actions.lessons[0].news.create);
  actions.clear();
  EXPECT_TRUE(actions.lessons.empty());
  answer(arp_frame(2, "192.0.2.77", "192.0.2.1"));  // and answered
  ASSERT_EQ(actions.lessons.size(), 1u);
  EXPECT_TRUE(actions.lessons[0].news.create);
  actions.clear();
  answer(arp_frame(1, "192.0.2.78", "192.0.2.78"));  // a stranger says where it is
  ASSERT_EQ(actions.lessons.size(), 1u);
  EXPECT_FALSE(actions.lessons[0].news.create);
}

// A neighbour that has answered us, and every frame by which another station can say that it is it.
class ClaimTest : public ResponderTest {
 protected:
  static constexpr const char* kFour = "192.0.2.77";
  static constexpr const char* kSix = "2001:db8::77";
  const MacAddress rival = mac(0x99);

  void SetUp() override {
    for (const char* who : {kFour, kSix}) {
      neighbours.use(now, ip(who), &packet, actions);
      neighbours.learn(now, ip(who), kPeerMac, {false, true, true}, actions);
    }
    actions.clear();
  }
  [[nodiscard]] Bytes advert(const MacAddress& who, unsigned flags) const {
    Bytes message{136, 0, 0, 0, static_cast<uint8_t>(flags), 0, 0, 0};
    add(message, ip(kSix));
    add(message, Bytes{2, 1});
    add(message, who);
    const char* to = (flags & 0x40) != 0 ? "2001:db8::1" : "ff02::1";
    return ipv6_frame(58, icmpv6(message, kSix, to), 0, kSix, to, 255);
  }
  [[nodiscard]] Bytes solicit(const MacAddress& who) const {
    Bytes message{135, 0, 0, 0, 0, 0, 0, 0};
    add(message, ip("2001:db8::1"));
    add(message, Bytes{1, 1});
    add(message, who);
    return ipv6_frame(58, icmpv6(message, kSix, "2001:db8::1"), 0, kSix, "2001:db8::1", 255);
  }
  MacAddress known_as(const char* who) {
    return neighbours.use(now, ip(who), &packet, actions).mac;
  }
  void pass(Duration time) {
    for (Duration done{}; done < time; done += std::chrono::milliseconds(1)) {
      now = now + std::chrono::milliseconds(1);
      neighbours.advance_challenges(now, actions);
    }
  }

  int packet = 0;
};

TEST_F(ClaimTest, EveryFrameThatMovesALivingNeighbourAsksItFirst) {
  struct Case {
    const char* name;
    const char* who;
    Bytes frame;
  };
  const Case cases[] = {
      {"gratuitous request", kFour, arp_frame(1, kFour, kFour, 0, rival)},
      {"gratuitous reply", kFour, arp_frame(2, kFour, kFour, 0, rival)},
      {"a reply to us that we did not ask for", kFour, arp_frame(2, kFour, "192.0.2.1", 0, rival)},
      {"a question to us", kFour, arp_frame(1, kFour, "192.0.2.1", 0, rival)},
      {"a question to others", kFour, arp_frame(1, kFour, "192.0.2.5", 0, rival)},
      {"unsolicited advertisement", kSix, advert(rival, 0x20)},
      {"one that says it was solicited", kSix, advert(rival, 0x60)},
      {"solicitation", kSix, solicit(rival)},
  };
  for (const Case& c : cases) {
    actions.clear();
    answer(c.frame);
    ASSERT_EQ(actions.solicit.size(), 1u) << c.name;
    EXPECT_EQ(actions.solicit[0].address, ip(c.who)) << c.name;
    EXPECT_EQ(actions.solicit[0].unicast, kPeerMac) << c.name;
    EXPECT_EQ(actions.claims, 1u) << c.name;
    EXPECT_TRUE(actions.lessons.empty()) << c.name;
    EXPECT_EQ(known_as(c.who), kPeerMac) << c.name;
    // It answers.
    answer(std::string_view(c.who) == kFour ? arp_frame(2, kFour, "192.0.2.1")
                                            : advert(kPeerMac, 0x60));
    EXPECT_EQ(actions.refuted, 1u) << c.name;
    pass(std::chrono::milliseconds(500));
    EXPECT_EQ(known_as(c.who), kPeerMac) << c.name;
    EXPECT_EQ(actions.replaced, 0u) << c.name;
  }
  for (const Case& c : cases) {  // nobody answers
    SetUp();
    answer(c.frame);
    pass(std::chrono::milliseconds(300));
    EXPECT_EQ(known_as(c.who), rival) << c.name;
    EXPECT_EQ(actions.replaced, 1u) << c.name;
    neighbours.clear(actions);
  }
}

// RFC 4861 section 7.2.5: without the override flag it changes nothing, and nobody need be asked.
TEST_F(ClaimTest, AdvertisementWithoutOverride) {
  answer(advert(rival, 0x00));
  EXPECT_EQ(actions.claims, 0u);
  pass(std::chrono::seconds(1));
  EXPECT_EQ(known_as(kSix), kPeerMac);
}

TEST_F(ClaimTest, OfAPrefixsBroadcastAddressIsNoNews) {
  for (const char* who : {"192.0.2.255", "192.0.2.0"}) {
    EXPECT_TRUE(answer(arp_frame(1, who, "192.0.2.1")).empty());
  }
  EXPECT_EQ(count(NetCounter::k_drop_arp_off_link), 2u);
  EXPECT_EQ(neighbours.size(), 2u);
}

TEST_F(ResponderTest, Ping) {
  Ipv4Options how;
  how.protocol = 1;
  how.options = {7, 7, 4, 0, 0, 0, 0, 1};  // the reply has no options
  const Bytes question = ipv4_frame(icmp({8, 0, 0, 0, 1, 2, 3, 4, 'p'}), how);
  const Bytes reply = answer(question);
  ASSERT_EQ(reply.size(), 14u + 20 + 9);
  const Frame frame = parse_frame(reply, 0, false);
  ASSERT_EQ(frame.kind, FrameKind::kIcmp);
  EXPECT_EQ(frame.source, ip("192.0.2.1"));
  EXPECT_EQ(frame.destination, ip("192.0.2.77"));
  EXPECT_EQ(frame.traffic_class, 0xa0);  // as it came
  EXPECT_EQ(Bytes(reply.begin() + 34, reply.end()), icmp({0, 0, 0, 0, 1, 2, 3, 4, 'p'}));
}

TEST_F(ResponderTest, PingIpv6) {
  const Bytes message = icmpv6({128, 0, 0, 0, 1, 2, 3, 4, 'q'}, "2001:db8::77", "2001:db8::1");
  const Bytes reply = answer(ipv6_frame(58, message));
  const Frame frame = parse_frame(reply, 0, false);
  ASSERT_EQ(frame.kind, FrameKind::kIcmpv6);
  EXPECT_EQ(frame.source, ip("2001:db8::1"));
  EXPECT_EQ(Bytes(reply.begin() + 54, reply.end()),
            icmpv6({129, 0, 0, 0, 1, 2, 3, 4, 'q'}, "2001:db8::1", "2001:db8::77"));
}

TEST_F(ResponderTest, PingOfAGroupIsNotAnswered) {
  const Bytes message = icmpv6({128, 0, 0, 0, 1, 2, 3, 4}, "2001:db8::77", "ff02::1");
  EXPECT_TRUE(answer(ipv6_frame(58, message, 0, "2001:db8::77", "ff02::1")).empty());
  EXPECT_EQ(count(NetCounter::k_drop_icmp_other), 1u);
}

// RFC 9260 section 10: of all errors two concern the stack, and only if they came undamaged.
TEST_F(ResponderTest, OnlyThatSctpIsNotSpokenOrAPacketTooBigIsHeardFromIcmp) {
  Bytes frame;  // what is told lies in it
  const auto told = [&](const Bytes& message, unsigned protocol = 1) {
    Ipv4Options how;
    how.protocol = protocol;
    frame = ipv4_frame(message, how);
    return Responder::told_error(parse_frame(frame, 0, false), frame);
  };
  Bytes error{3, 2, 0, 0, 0, 0, 0, 0, 0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 132, 0, 0};
  add(error, ip("192.0.2.1"));
  add(error, ip("192.0.2.77"));
  for (uint8_t i = 0; i < 8; ++i) error.push_back(i);
  const auto heard = told(icmp(error));
  ASSERT_TRUE(heard.has_value());
  EXPECT_EQ(heard->kind, IcmpErrorKind::kProtocolUnreachable);
  EXPECT_EQ(heard->sent.source, ip("192.0.2.1"));
  EXPECT_EQ(heard->sent.destination, ip("192.0.2.77"));
  EXPECT_EQ(heard->sent.bytes.size(), 8u);
  Bytes damaged = icmp(error);
  damaged.back() ^= 1;
  EXPECT_FALSE(told(damaged)) << "its checksum is wrong";
  EXPECT_FALSE(told(icmp(error), 132)) << "no ICMP";
  EXPECT_FALSE(told(icmp({8, 0, 0, 0, 1, 2, 3, 4, 'p'}))) << "a ping";
  error[1] = 4;
  ASSERT_TRUE(told(icmp(error)).has_value());
  EXPECT_EQ(told(icmp(error))->kind, IcmpErrorKind::kTooBig);
  for (const uint8_t code : {uint8_t{1}, uint8_t{3}}) {  // host and port unreachable
    error[1] = code;
    EXPECT_FALSE(told(icmp(error)));
    Ipv4Options how;
    how.protocol = 1;
    EXPECT_TRUE(answer(ipv4_frame(icmp(error), how)).empty());
  }
  EXPECT_EQ(count(NetCounter::k_drop_icmp_other), 2u);
}

TEST_F(ResponderTest, PingsAreLimited) {
  Ipv4Options how;
  how.protocol = 1;
  const Bytes question = ipv4_frame(icmp({8, 0, 0, 0, 1, 2, 3, 4}), how);
  int answered = 0;
  for (int i = 0; i < 3000; ++i) answered += answer(question).empty() ? 0 : 1;
  EXPECT_EQ(answered, 1000);
  EXPECT_EQ(count(NetCounter::k_drop_icmp_rate), 2000u);
  now = now + std::chrono::milliseconds(100);
  answered = 0;
  for (int i = 0; i < 3000; ++i) answered += answer(question).empty() ? 0 : 1;
  EXPECT_EQ(answered, 100);
}

TEST_F(ResponderTest, NeighborSolicitation) {
  Bytes message{135, 0, 0, 0, 0, 0, 0, 0};
  add(message, ip("2001:db8::1"));
  add(message, Bytes{1, 1});
  add(message, kPeerMac);
  const Bytes question =
      ipv6_frame(58, icmpv6(message, "2001:db8::77", "ff02::1:ff00:1"), 0, "2001:db8::77",
                 "ff02::1:ff00:1", 255, multicast_mac(ip("ff02::1:ff00:1")));
  const Bytes reply = answer(question);
  ASSERT_EQ(reply.size(), 14u + 40 + 32);
  const Frame frame = parse_frame(reply, 0, false);
  EXPECT_EQ(frame.destination_mac, kPeerMac);
  EXPECT_EQ(frame.source, ip("2001:db8::1"));
  EXPECT_EQ(frame.destination, ip("2001:db8::77"));
  EXPECT_EQ(frame.hop_limit, 255);
  const auto parsed =
      parse_neighbor_message({&reply[54], 32}, frame.source, frame.destination, 255);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_TRUE(parsed->solicited && parsed->override_cache);
  EXPECT_EQ(parsed->link_address, kOurMac);
  EXPECT_EQ(classify_icmpv6({&reply[54], 32}, frame.source, frame.destination),
            IcmpKind::kNeighborMessage);
  EXPECT_EQ(neighbours.use(now, ip("2001:db8::77"), nullptr, actions).use, NeighbourUse::kSend);
}

TEST_F(ResponderTest, DuplicateAddressDetectionIsDefended) {  // RFC 4862 section 5.4.3
  Bytes message{135, 0, 0, 0, 0, 0, 0, 0};
  add(message, ip("2001:db8::1"));
  const Bytes reply = answer(
      ipv6_frame(58, icmpv6(message, "::", "ff02::1:ff00:1"), 0, "::", "ff02::1:ff00:1", 255));
  const Frame frame = parse_frame(reply, 0, false);
  EXPECT_EQ(frame.destination, ip("ff02::1"));
  EXPECT_EQ(frame.destination_mac.to_string(), "33:33:00:00:00:01");
  EXPECT_EQ(neighbours.size(), 0u);
}

TEST_F(ResponderTest, NeighborMessagesThatAreDropped) {
  Bytes other{135, 0, 0, 0, 0, 0, 0, 0};
  add(other, ip("2001:db8::2"));
  EXPECT_TRUE(answer(ipv6_frame(58, icmpv6(other, "2001:db8::77", "2001:db8::1"), 0, "2001:db8::77",
                                "2001:db8::1", 255))
                  .empty());
  EXPECT_EQ(count(NetCounter::k_drop_nd_not_for_us), 1u);
  EXPECT_TRUE(answer(ipv6_frame(58, icmpv6(other, "2001:db8::77", "2001:db8::1"), 0, "2001:db8::77",
                                "2001:db8::1", 64))
                  .empty());
  EXPECT_EQ(count(NetCounter::k_drop_nd_malformed), 1u);
  Bytes claim{136, 0, 0, 0, 0x20, 0, 0, 0};
  add(claim, ip("2001:db8::1"));
  EXPECT_TRUE(answer(ipv6_frame(58, icmpv6(claim, "2001:db8::77", "2001:db8::1"), 0, "2001:db8::77",
                                "2001:db8::1", 255))
                  .empty());
  EXPECT_EQ(count(NetCounter::k_drop_arp_conflict), 1u);
  Bytes nobody{136, 0, 0, 0, 0x60, 0, 0, 0};
  add(nobody, ip("2001:db8::77"));
  EXPECT_TRUE(answer(ipv6_frame(58, icmpv6(nobody, "2001:db8::77", "2001:db8::1"), 0,
                                "2001:db8::77", "2001:db8::1", 255))
                  .empty());
  EXPECT_EQ(count(NetCounter::k_drop_nd_unexpected), 1u);
  nobody[4] = 0x20;  // an announcement: nobody asked, and it does not say so
  EXPECT_TRUE(answer(ipv6_frame(58, icmpv6(nobody, "2001:db8::77", "2001:db8::1"), 0,
                                "2001:db8::77", "2001:db8::1", 255))
                  .empty());
  EXPECT_EQ(count(NetCounter::k_drop_nd_unexpected), 1u);
  EXPECT_EQ(count(NetCounter::k_announcements_in), 1u);
}

TEST_F(ResponderTest, QuestionAndAnnouncementForIpv6) {
  Bytes question(128);
  question.resize(responder.build_question({ip("2001:db8::77"), std::nullopt}, question));
  const Frame asked = parse_frame(question, 0, false);
  EXPECT_EQ(asked.destination, ip("ff02::1:ff00:77"));
  EXPECT_EQ(asked.destination_mac.to_string(), "33:33:ff:00:00:77");
  EXPECT_EQ(asked.hop_limit, 255);
  Bytes probe(128);
  probe.resize(responder.build_question({ip("2001:db8::77"), kPeerMac}, probe));
  EXPECT_EQ(parse_frame(probe, 0, false).destination, ip("2001:db8::77"));
  EXPECT_EQ(parse_frame(probe, 0, false).destination_mac, kPeerMac);
  Bytes news(128);
  news.resize(responder.build_announcement(ip("2001:db8::1"), news));
  const Frame announced = parse_frame(news, 0, false);
  EXPECT_EQ(announced.destination, ip("ff02::1"));
  EXPECT_EQ(classify_icmpv6({&news[54], 32}, announced.source, announced.destination),
            IcmpKind::kNeighborMessage);
}

class TaggedResponderTest : public ResponderTest {
 protected:
  TaggedResponderTest() : ResponderTest(101) {}
};

TEST_F(TaggedResponderTest, RepliesCarryTheTag) {
  const Bytes arp = answer(arp_frame(1, "192.0.2.77", "192.0.2.1", 101));
  ASSERT_EQ(arp.size(), 46u);
  EXPECT_EQ(parse_frame(arp, 101, false).kind, FrameKind::kArp);
  Ipv4Options how;
  how.protocol = 1;
  how.vlan = 101;
  const Bytes ping = answer(ipv4_frame(icmp({8, 0, 0, 0, 1, 2, 3, 4}), how));
  EXPECT_EQ(parse_frame(ping, 101, false).kind, FrameKind::kIcmp);
}

// Damaged frames: whatever the parser lets through, the responder survives in a buffer of exactly
// the least size.
TEST_F(ResponderTest, RandomDamage) {
  Bytes solicit{135, 0, 0, 0, 0, 0, 0, 0};
  add(solicit, ip("2001:db8::1"));
  add(solicit, Bytes{1, 1});
  add(solicit, kPeerMac);
  Ipv4Options ping;
  ping.protocol = 1;
  const Bytes bases[] = {arp_frame(1, "192.0.2.77", "192.0.2.1"),
                         ipv4_frame(icmp({8, 0, 0, 0, 1, 2, 3, 4}), ping),
                         ipv6_frame(58, icmpv6(solicit, "2001:db8::77", "2001:db8::1"), 0,
                                    "2001:db8::77", "2001:db8::1", 255)};
  uint32_t state = 7;
  const auto next = [&] { return state = state * 1664525u + 1013904223u; };
  int replies = 0;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes = bases[(next() >> 8) % 3];
    for (uint32_t changes = (next() >> 8) % 3; changes-- > 0;) {
      bytes[(next() >> 8) % bytes.size()] = static_cast<uint8_t>(next() >> 16);
    }
    const size_t length =
        (next() >> 8) % 4 == 0 ? (next() >> 8) % (bytes.size() + 1) : bytes.size();
    bytes.resize(length);
    const Frame frame = parse_frame(bytes, 0, true);
    if (frame.kind == FrameKind::kDropped) continue;
    const size_t room = std::max(bytes.size(), Responder::kLongestReply);
    const auto buffer = std::make_unique<uint8_t[]>(room);
    std::copy(bytes.begin(), bytes.end(), buffer.get());
    const size_t reply = responder.handle(now, frame, {buffer.get(), room}, bytes.size(), actions);
    ASSERT_LE(reply, room);
    replies += reply > 0 ? 1 : 0;
    actions.clear();
  }
  EXPECT_GT(replies, 100);
}

}  // namespace
}  // namespace trunkline::net
