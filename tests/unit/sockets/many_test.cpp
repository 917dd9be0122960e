// SPDX-License-Identifier: BSD-3-Clause
// One-to-many sockets at a worker: members speak by their front's handle and ready ring, and are
// sockets of their own once they are peeled off.
#include "socket_test.h"

namespace trunkline::test {
namespace {

class ManyTest : public SocketTest {
 protected:
  struct Front {
    std::shared_ptr<SocketEnd> end;
    std::unique_ptr<Holder> program;
    uint8_t* memory = nullptr;
  };
  // `make` of SocketTest, in another role.
  std::unique_ptr<SocketEnd> create(Side& side, const sockets::SocketRole& role) {
    return SocketEnd::create(side.next_index++, 99, AF_INET, SOCK_SEQPACKET, {geometry, ballast},
                             side.user, role);
  }
  Front make_front(Side& side) {
    Front out;
    out.end = create(side, {1, nullptr});
    EXPECT_NE(out.end, nullptr);
    fronts_.push_back(out.end);
    out.memory = reinterpret_cast<uint8_t*>(&out.end->page());
    out.program = std::make_unique<Holder>(*out.end, geometry, side.kicks);
    return out;
  }
  TestSocket make_member(Side& side, const Front& front) {
    TestSocket out;
    ends.push_back(create(side, {0, front.end}));
    out.end = ends.back().get();
    EXPECT_NE(out.end, nullptr);
    EXPECT_EQ(out.end->pair_fd(), -1);
    out.program = std::make_unique<Holder>(*out.end, geometry, side.kicks);
    return out;
  }
  tls_ready& ready(Front& front, uint32_t ring = 0) {
    return *reinterpret_cast<tls_ready*>(front.memory + tls_ready_at(&geometry, ring));
  }
  uint32_t entries(Front& front) {
    return ready(front).produced.value - ready(front).consumed.value;
  }
  tls_ready_entry next(Front& front) { return ready(front).entries[ready(front).consumed.value]; }
  // As a reader does it that has found nothing more in a member.
  void done(Front& front, TestSocket& member) {
    member.page().queued = 0;
    ++ready(front).consumed.value;
  }
  // A member of `front` at the right, with a one-to-one client at the left.
  struct Reached {
    TestSocket client;
    TestSocket member;
  };
  // Nothing arrives, and who sends has filled the member. As the library waits then: the front's
  // handle, the member's word.
  void wait_for_room(Front& front, Reached& one) {
    net.cut = true;
    while (one.member->send(text(1000))) net.turn();
    front.program->put_ballast();
    front.program->page().full = 0;
    one.member.page().full = 1;
    one.member->kick();
    net.turns(5);
  }
  void read_until_writable(Reached& one, Holder& writer) {
    net.cut = false;
    net.step = std::chrono::milliseconds(5);
    for (int i = 0; i < 500 && writer.mask() == "none"; ++i) {
      one.client->read_all();
      net.turn();
    }
  }
  Reached reach(Front& front) {
    if (!std::exchange(listening_, true)) listen(right);
    Reached out;
    out.client = make(left);
    EXPECT_EQ(connect(left, out.client, right), Status::kOk);
    const auto waiting = news(right, NewsKind::kAccepted);
    EXPECT_TRUE(waiting.has_value());
    out.member = make_member(right, front);
    EXPECT_EQ(accept_as(right, waiting->assoc, out.member), Status::kOk);
    EXPECT_TRUE(news(left, NewsKind::kConnected).has_value());
    return out;
  }

 private:
  std::vector<std::shared_ptr<SocketEnd>> fronts_;
  bool listening_ = false;
};

TEST_F(ManyTest, AMemberSpeaksByItsFront) {
  Front front = make_front(right);
  EXPECT_EQ(front.program->mask(), "OUT");
  Reached one = reach(front);
  EXPECT_EQ(one.member.page().front, front.end->index());
  ASSERT_TRUE(one.client->send("hello"));
  net.turns(20);
  EXPECT_EQ(front.program->mask(), "IN OUT");
  ASSERT_EQ(entries(front), 1u);
  EXPECT_EQ(next(front).index, one.member.end->index());
  EXPECT_EQ(next(front).until, 1u);
  EXPECT_EQ(one.member.page().queued, 1u);
  EXPECT_EQ(one.member->receive()->bytes, "hello");
  // What comes before the reader is done needs no entry of its own.
  ASSERT_TRUE(one.client->send("again"));
  net.turns(20);
  EXPECT_EQ(entries(front), 1u);
  EXPECT_EQ(one.member->receive()->bytes, "again");
  done(front, one.member);
  EXPECT_EQ(front.program->take_tokens(), 1u);
  EXPECT_EQ(front.program->mask(), "OUT");
  ASSERT_TRUE(one.client->send("third"));
  net.turns(20);
  EXPECT_EQ(entries(front), 1u);
  EXPECT_EQ(front.program->mask(), "IN OUT");
}

TEST_F(ManyTest, EntriesLieInTheOrderInWhichMessagesCame) {
  Front front = make_front(right);
  Reached one = reach(front);
  Reached two = reach(front);
  ASSERT_TRUE(two.client->send("2"));
  net.turns(20);
  ASSERT_TRUE(one.client->send("1"));
  net.turns(20);
  ASSERT_EQ(entries(front), 2u);
  EXPECT_EQ(next(front).index, two.member.end->index());
  EXPECT_EQ(two.member->receive()->bytes, "2");
  done(front, two.member);
  EXPECT_EQ(next(front).index, one.member.end->index());
}

TEST_F(ManyTest, TheEndOfAMemberIsNoneOfItsFront) {
  Front front = make_front(right);
  Reached one = reach(front);
  Reached two = reach(front);
  close(left, one.client);
  ASSERT_TRUE(news(right, NewsKind::kEnded).has_value());
  EXPECT_EQ(one.member.page().state, static_cast<uint32_t>(TLS_ENDED));
  EXPECT_EQ(front.program->mask(), "OUT");
  EXPECT_EQ(entries(front), 0u);
  ASSERT_TRUE(two.member->send("still here"));
  net.turns(20);
  EXPECT_EQ(two.client->read_all(), "still here");
}

TEST_F(ManyTest, MessagesGoWhileTheAssociationIsSetUp) {
  listen(right);
  Front front = make_front(left);
  TestSocket member = make_member(left, front);
  ASSERT_EQ(connect(left, member, right), Status::kOk);
  EXPECT_EQ(member.page().state, static_cast<uint32_t>(TLS_CONNECTING));
  EXPECT_NE(member.page().assoc_id, 0u);
  ASSERT_TRUE(member->send("early"));
  TestSocket server = accept(right);
  net.turns(50);
  EXPECT_EQ(server->read_all(), "early");
  EXPECT_EQ(member.page().state, static_cast<uint32_t>(TLS_ESTABLISHED));
  EXPECT_EQ(front.program->mask(), "OUT");
}

TEST_F(ManyTest, ARefusalEndsTheMemberAndIsToldToWhoAskedForIt) {
  Front front = make_front(left);
  TestSocket silent = make_member(left, front);
  ASSERT_EQ(connect(left, silent, right), Status::kOk);
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(silent.page().state, static_cast<uint32_t>(TLS_ENDED));
  EXPECT_EQ(silent.page().error, static_cast<uint32_t>(ECONNREFUSED));
  EXPECT_EQ(front.program->mask(), "OUT");
  TestSocket told = make_member(left, front);
  told.page().options.events = 1u << 1;  // SCTP_ASSOC_CHANGE
  ASSERT_EQ(connect(left, told, right), Status::kOk);
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(front.program->mask(), "IN OUT");
  const auto end = told->receive();
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->head.kind, TLR_CONNECT_FAILED);
  // What it was begun for came too late.
  told.page().options.events = 1u << 3;  // SCTP_SEND_FAILED
  ASSERT_TRUE(told->send("too late"));
  net.turns(20);
  const auto failed = told->receive();
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->head.kind, TLR_SEND_FAILED);
}

TEST_F(ManyTest, AFullMemberIsWaitedForAtTheFront) {
  Front front = make_front(right);
  Reached one = reach(front);
  wait_for_room(front, one);
  EXPECT_EQ(front.program->mask(), "none");
  read_until_writable(one, *front.program);
  EXPECT_EQ(front.program->mask(), "OUT");
  EXPECT_EQ(one.member.page().full, 0u);
}

TEST_F(ManyTest, WhoWaitsForRoomAtTheFrontIsWokenByThePeelingOff) {
  Front front = make_front(right);
  Reached one = reach(front);
  wait_for_room(front, one);
  ASSERT_EQ(front.program->mask(), "none");
  ASSERT_TRUE(one.member.end->make_pair());
  one.member->handle = one.member.end->take_handle();
  one.member->put_ballast();
  at(right, [&](SocketBridge& bridge, TimePoint) { bridge.peel_off(*one.member.end); });
  EXPECT_EQ(front.program->mask(), "OUT");
  // There is none yet.
  EXPECT_EQ(one.member->mask(), "none");
  read_until_writable(one, *one.member.program);
  EXPECT_EQ(one.member->mask(), "OUT");
}

TEST_F(ManyTest, WhatIsPeeledOffHasItsOwnHandleAndWhatWasUnread) {
  Front front = make_front(right);
  Reached one = reach(front);
  ASSERT_TRUE(one.client->send("unread"));
  net.turns(20);
  ASSERT_TRUE(one.member.end->make_pair());
  const int handle = one.member.end->take_handle();
  one.member->handle = handle;
  at(right, [&](SocketBridge& bridge, TimePoint) { bridge.peel_off(*one.member.end); });
  EXPECT_EQ(one.member.page().front, TLS_NO_FRONT);
  EXPECT_EQ(one.member->mask(), "IN OUT");
  EXPECT_EQ(one.member->read_all(), "unread");
  EXPECT_EQ(one.member->mask(), "OUT");
  front.program->take_tokens();
  ASSERT_TRUE(one.client->send("more"));
  net.turns(20);
  EXPECT_EQ(one.member->mask(), "IN OUT");
  EXPECT_EQ(front.program->mask(), "OUT");
  EXPECT_EQ(one.member->read_all(), "more");
  // Its peer's end is no end of file, as on Linux.
  close(left, one.client);
  ASSERT_TRUE(news(right, NewsKind::kEnded).has_value());
  EXPECT_EQ(one.member->mask(), "OUT");
}

TEST_F(ManyTest, IdleAssociationsAreShutDown) {
  Front front = make_front(right);
  Reached one = reach(front);
  constexpr auto kIdle = std::chrono::seconds(2);
  at(right, [&](SocketBridge& bridge, TimePoint now) {
    EXPECT_EQ(bridge.next_deadline(), TimePoint::never());
    bridge.begin_autoclose(now, *one.member.end, kIdle);
    EXPECT_EQ(bridge.next_deadline(), now + kIdle);
  });
  net.step = std::chrono::milliseconds(100);
  net.turns(15);
  ASSERT_TRUE(one.client->send("not idle"));
  net.turns(15);
  EXPECT_EQ(counter(right, SocketCounter::k_socket_autoclosed), 0u);
  net.turns(10);
  EXPECT_EQ(counter(right, SocketCounter::k_socket_autoclosed), 1u);
  ASSERT_TRUE(news(left, NewsKind::kEnded).has_value());
  EXPECT_EQ(right.host->sockets.next_deadline(), TimePoint::never());
}

// A hostile consumer index makes the ring look full, or its entries nonsense: no harm to others.
TEST_F(ManyTest, AScribbledReadyRingHarmsItsFrontAlone) {
  Front front = make_front(right);
  Front other = make_front(right);
  Reached one = reach(front);
  Reached two = reach(other);
  ready(front).consumed.value = 0x80000000u;
  ready(front).produced.value = 77;
  ASSERT_TRUE(one.client->send("lost on them"));
  ASSERT_TRUE(two.client->send("fine"));
  net.turns(20);
  EXPECT_EQ(entries(other), 1u);
  EXPECT_EQ(two.member->receive()->bytes, "fine");
}

}  // namespace
}  // namespace trunkline::test
