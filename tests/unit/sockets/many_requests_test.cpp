// SPDX-License-Identifier: BSD-3-Clause
// One-to-many sockets at the sockets thread: which association a request means, how one begins, is
// peeled off, and goes; and the parts that know it.
#include <sched.h>

#include <cstring>

#include "server_fixture.h"
#include "sockets/linux_sctp.h"
#include "sockets/member_book.h"
#include "sockets/option_scope.h"

namespace trunkline::test {
namespace {

using sockets::MemberBook;
using sockets::OptionScope;
using sockets::scope_of;

class ManyRequests : public ServerTest {
 protected:
  static std::unique_ptr<ProgramSocket> make_front(Program& program) {
    return ProgramSocket::make(program, AF_INET, SOCK_SEQPACKET);
  }
  Answer member(ProgramSocket& front, tls_begin how, const std::vector<uint8_t>& address,
                uint32_t id = 0, uint32_t index = TLS_NO_FRONT) {
    tls_member_query query{};
    query.id = static_cast<int32_t>(id);
    query.index = index;
    std::vector<uint8_t> body = bytes_of(query);
    body.insert(body.end(), address.begin(), address.end());
    return front.ask(TLS_MEMBER, how, 0, body);
  }
  std::unique_ptr<ProgramSocket> adopt(Program& program, const Answer& got, int handle = -1) {
    EXPECT_EQ(got.error, 0);
    EXPECT_FALSE(got.fds.empty());
    if (got.fds.empty()) return nullptr;
    return std::make_unique<ProgramSocket>(program, handle, got.fds.back());
  }
  std::unique_ptr<ProgramSocket> listening(uint16_t port = 3868) {
    auto out = make_front(*right);
    EXPECT_EQ(out->bind(ipv4("10.1.0.2", port)), 0);
    EXPECT_EQ(out->listen(1), 0);
    return out;
  }
  // A listener at the right, a socket at the left, and its association with it.
  struct Begun {
    std::unique_ptr<ProgramSocket> server, client, mine;
    Answer begun;
  };
  Begun connected() {
    Begun out;
    out.server = listening();
    out.client = make_front(*left);
    out.begun = member(*out.client, TLS_BEGIN, ipv4("10.1.0.2", 3868));
    out.mine = adopt(*left, out.begun);
    EXPECT_TRUE(out.mine != nullptr && out.mine->wait_for(TLS_ESTABLISHED));
    return out;
  }
};

TEST_F(ManyRequests, AnAssociationIsBegunFoundAndOver) {
  start();
  auto server = listening();
  auto client = make_front(*left);
  const auto to = ipv4("10.1.0.2", 3868);
  EXPECT_EQ(member(*client, TLS_ONLY_LOOK, to).error, ENOENT);
  const Answer begun = member(*client, TLS_BEGIN, to);
  auto mine = adopt(*left, begun);
  ASSERT_NE(mine, nullptr);
  EXPECT_EQ(static_cast<uint32_t>(begun.value), mine->page().assoc_id);
  EXPECT_TRUE(mine->wait_for(TLS_ESTABLISHED));
  EXPECT_EQ(text_of(mine->page().peer), "10.1.0.2:3868");
  EXPECT_EQ(client->state(), static_cast<uint32_t>(TLS_FRESH));
  const SocketSnapshot seen = snapshot(0);
  ASSERT_EQ(seen.sockets.size(), 2u);
  for (const sockets::SocketInfo& one : seen.sockets) {
    const bool is_front = one.index == client->page().index;
    EXPECT_EQ(one.one_to_many, is_front);
    EXPECT_EQ(one.associations, is_front ? 1u : 0u);
    EXPECT_EQ(one.front, is_front ? TLS_NO_FRONT : client->page().index);
  }
  // The same one, by all that names it.
  const auto id = static_cast<uint32_t>(begun.value);
  for (const Answer& again :
       {member(*client, TLS_BEGIN, to), member(*client, TLS_ONLY_LOOK, {}, id),
        member(*client, TLS_ONLY_LOOK, {}, 0, mine->page().index)}) {
    EXPECT_EQ(again.error, 0);
    EXPECT_EQ(again.value, begun.value);
    for (const int fd : again.fds) close(fd);
  }
  EXPECT_EQ(member(*client, TLS_BEGIN_ANEW, to).error, EISCONN);
  EXPECT_EQ(member(*client, TLS_ONLY_LOOK, {}, 999).error, ENOENT);
  // An index that is no member's of it.
  EXPECT_EQ(member(*client, TLS_ONLY_LOOK, {}, 0, client->page().index).error, ENOENT);
  EXPECT_EQ(member(*client, TLS_ONLY_LOOK, {}, 0, 65535).error, ENOENT);
  mine->holder->operation(TLR_OP_SHUTDOWN);
  EXPECT_TRUE(mine->wait_for(TLS_GONE));
  EXPECT_EQ(member(*client, TLS_ONLY_LOOK, to).error, ENOENT);
  EXPECT_TRUE(waits_for_sockets(0, 1));
  EXPECT_TRUE(waits_for_sockets(1, 1));
}

// A program asks once: what it has a message for that cannot be sent is not begun.
TEST_F(ManyRequests, AnAssociationIsNotBegunForAStreamThatItHasNot) {
  start();
  auto server = listening();
  auto client = make_front(*left);
  sctp_initmsg init{};
  ASSERT_EQ(client->get(IPPROTO_SCTP, SCTP_INITMSG, init), 0);
  tls_member_query query{};
  query.index = TLS_NO_FRONT;
  query.stream = init.sinit_num_ostreams;
  const auto begin = [&] {
    std::vector<uint8_t> body = bytes_of(query);
    const auto to = ipv4("10.1.0.2", 3868);
    body.insert(body.end(), to.begin(), to.end());
    return client->ask(TLS_MEMBER, TLS_BEGIN, 0, body);
  };
  EXPECT_EQ(begin().error, EINVAL);
  EXPECT_EQ(snapshot(0).sockets.size(), 1u);
  // SCTP_INIT may say that it has more, or less.
  query.has_init = 1;
  query.init[0] = static_cast<uint16_t>(query.stream + 1);
  const Answer begun = begin();
  EXPECT_EQ(begun.body.size(), 1u);
  auto mine = adopt(*left, begun);
  query.init[0] = 1;
  const Answer found = begin();
  EXPECT_EQ(found.error, 0);
  EXPECT_EQ(found.value, begun.value);
  EXPECT_TRUE(found.body.empty());
  for (const int fd : found.fds) close(fd);
}

// A front that were connected itself would be at a worker, which nobody asks when it goes.
TEST_F(ManyRequests, AFrontIsNotConnectedItself) {
  start();
  auto server = listening();
  auto client = make_front(*left);
  const auto to = ipv4("10.1.0.2", 3868);
  EXPECT_EQ(client->connect(to), EOPNOTSUPP);
  EXPECT_EQ(client->set(IPPROTO_SCTP, SCTP_SOCKOPT_CONNECTX, to), EOPNOTSUPP);
  EXPECT_EQ(client->state(), static_cast<uint32_t>(TLS_FRESH));
}

TEST_F(ManyRequests, OneToOneSocketsHaveNoMembers) {
  start();
  auto socket = ProgramSocket::make(*left);
  EXPECT_EQ(member(*socket, TLS_BEGIN, ipv4("10.1.0.2", 3868)).error, EINVAL);
  EXPECT_EQ(socket->ask(TLS_PEEL_OFF, 5).error, EINVAL);
  auto front = make_front(*left);
  const std::vector<uint8_t> little(8);
  EXPECT_EQ(front->ask(TLS_MEMBER, TLS_BEGIN, 0, little).error, EINVAL);
  EXPECT_EQ(member(*front, TLS_BEGIN, little).error, EINVAL);
  EXPECT_EQ(front->ask(TLS_PEEL_OFF, 5).error, EINVAL);
}

TEST_F(ManyRequests, PeeledOffItOutlivesItsFront) {
  start();
  const auto& [server, client, mine, begun] = connected();
  const auto to = ipv4("10.1.0.2", 3868);
  const Answer peeled = client->ask(TLS_PEEL_OFF, begun.value);
  ASSERT_EQ(peeled.error, 0);
  ASSERT_EQ(peeled.fds.size(), 2u);
  auto alone = std::make_unique<ProgramSocket>(*left, peeled.fds[0], peeled.fds[1]);
  EXPECT_EQ(alone->page().front, TLS_NO_FRONT);
  EXPECT_EQ(alone->holder->mask(), "OUT");
  EXPECT_EQ(client->ask(TLS_PEEL_OFF, begun.value).error, EINVAL);
  EXPECT_EQ(member(*client, TLS_BEGIN, to).error, EADDRNOTAVAIL);
  client->holder->hang_up();
  EXPECT_TRUE(waits_for_sockets(0, 1));
  EXPECT_EQ(alone->state(), static_cast<uint32_t>(TLS_ESTABLISHED));
  alone->holder->hang_up();
  EXPECT_TRUE(waits_for_sockets(0, 0));
  EXPECT_TRUE(waits_for_sockets(1, 1));
}

TEST_F(ManyRequests, TheLastCloseTakesAllAssociationsWithIt) {
  start();
  const auto& [server, client, mine, begun] = connected();
  EXPECT_TRUE(waits_for_sockets(1, 2));
  EXPECT_EQ(client->ask(TLS_CLOSE).error, 0);
  EXPECT_TRUE(waits_for_sockets(0, 0));
  EXPECT_TRUE(waits_for_sockets(1, 1));
  // Its port is free again.
  EXPECT_EQ(server->ask(TLS_CLOSE).error, 0);
  auto next = listening();
  EXPECT_TRUE(waits_for_sockets(1, 1));
}

// Who begins one with a message may be slow to submit that: refused meanwhile, it comes back.
TEST_F(ManyRequests, AMessageThatBeginsARefusedOneComesBack) {
  start();
  auto client = make_front(*left);
  ASSERT_EQ(client->set(IPPROTO_SCTP, SCTP_EVENT,
                        bytes_of(sctp_event{SCTP_FUTURE_ASSOC, SCTP_SEND_FAILED_EVENT, 1})),
            0);
  auto mine = adopt(*left, member(*client, TLS_BEGIN, ipv4("10.1.0.2", 3868)));
  ASSERT_NE(mine, nullptr);
  ASSERT_TRUE(mine->wait_for(TLS_ENDED));
  // Another one that is begun without a message is forgotten as soon as it is refused.
  auto other = adopt(*left, member(*client, TLS_BEGIN_ANEW, ipv4("10.1.0.2", 3869)));
  ASSERT_NE(other, nullptr);
  ASSERT_TRUE(other->wait_for(TLS_GONE));
  EXPECT_EQ(mine->state(), static_cast<uint32_t>(TLS_ENDED));
  ASSERT_TRUE(mine->holder->send("too late"));
  for (int i = 0; i < 5000 && mine->holder->waiting() == 0; ++i) usleep(1000);
  const auto failed = mine->holder->receive();
  ASSERT_TRUE(failed.has_value());
  EXPECT_EQ(failed->head.kind, TLR_SEND_FAILED);
  EXPECT_TRUE(mine->wait_for(TLS_GONE));
}

TEST_F(ManyRequests, AssociationsCountAsSockets) {
  right_config.limits.max_sockets_per_uid = 2;
  start();
  const auto& [server, client, first, begun] = connected();
  EXPECT_TRUE(waits_for_sockets(1, 2));
  auto other = make_front(*left);
  auto refused = adopt(*left, member(*other, TLS_BEGIN, ipv4("10.1.0.2", 3868)));
  EXPECT_TRUE(refused->wait_for(TLS_GONE));
  EXPECT_EQ(snapshot(1).counters.refused_user_sockets, 1u);
  EXPECT_EQ(snapshot(1).counters.refused_associations, 1u);
  EXPECT_EQ(first->state(), static_cast<uint32_t>(TLS_ESTABLISHED));
}

// Their port is the socket's; that of one that was peeled off is another socket's.
TEST_F(ManyRequests, ListensBesideItsAssociations) {
  start();
  const auto& [server, client, mine, begun] = connected();
  EXPECT_EQ(client->listen(5), 0);
  EXPECT_EQ(client->listen(0), 0);
  EXPECT_EQ(client->listen(5), 0);
  EXPECT_EQ(client->listen(0), 0);
  const Answer peeled = client->ask(TLS_PEEL_OFF, begun.value);
  ASSERT_EQ(peeled.error, 0);
  EXPECT_EQ(client->listen(5), EADDRINUSE);
  for (const int fd : peeled.fds) close(fd);
}

TEST_F(ManyRequests, OptionsFindTheirAssociation) {
  start();
  const Begun all = connected();
  const auto& client = all.client;
  const auto& mine = all.mine;
  const Answer& begun = all.begun;
  sctp_status status{};
  EXPECT_EQ(client->get(IPPROTO_SCTP, SCTP_STATUS, status), EINVAL);
  status.sstat_assoc_id = begun.value;
  EXPECT_EQ(client->get(IPPROTO_SCTP, SCTP_STATUS, status), 0);
  EXPECT_EQ(status.sstat_state, SCTP_ESTABLISHED);
  const auto context = [&](int id) {
    sctp_assoc_value value{id, 0};
    EXPECT_EQ(client->get(IPPROTO_SCTP, SCTP_CONTEXT, value), 0);
    return value.assoc_value;
  };
  const auto set = [&](int id, uint32_t value) {
    return client->set(IPPROTO_SCTP, SCTP_CONTEXT, bytes_of(sctp_assoc_value{id, value}));
  };
  EXPECT_EQ(set(SCTP_FUTURE_ASSOC, 1), 0);
  EXPECT_EQ(context(begun.value), 0u);
  EXPECT_EQ(set(SCTP_CURRENT_ASSOC, 2), 0);
  EXPECT_EQ(context(begun.value), 2u);
  EXPECT_EQ(context(SCTP_FUTURE_ASSOC), 1u);
  EXPECT_EQ(set(SCTP_ALL_ASSOC, 3), 0);
  EXPECT_EQ(context(begun.value), 3u);
  EXPECT_EQ(context(SCTP_FUTURE_ASSOC), 3u);
  EXPECT_EQ(set(begun.value, 4), 0);
  EXPECT_EQ(context(SCTP_FUTURE_ASSOC), 3u);
  EXPECT_EQ(mine->page().options.context, 4u);
  EXPECT_EQ(set(12345, 4), EINVAL);
  EXPECT_EQ(client->set(IPPROTO_SCTP, SCTP_REUSE_PORT, bytes_of(int{1})), EOPNOTSUPP);
  // What is the socket's own, its associations have at once.
  EXPECT_EQ(client->set(IPPROTO_SCTP, SCTP_RECVRCVINFO, bytes_of(int{1})), 0);
  EXPECT_EQ(mine->page().options.receive & TLS_WANT_RCVINFO, uint32_t{TLS_WANT_RCVINFO});
  uint32_t number = 0;
  EXPECT_EQ(client->get(IPPROTO_SCTP, SCTP_GET_ASSOC_NUMBER, number), 0);
  EXPECT_EQ(number, 1u);
}

// What lies unread at the front is no connection that waits, and there is no backlog.
TEST_F(ManyRequests, AnyNumberOfPeersComesInWhateverIsUnread) {
  start();
  auto server = listening();
  std::vector<std::unique_ptr<ProgramSocket>> clients, members;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(make_front(*left));
    members.push_back(adopt(*left, member(*clients.back(), TLS_BEGIN, ipv4("10.1.0.2", 3868))));
    ASSERT_NE(members.back(), nullptr);
    ASSERT_TRUE(members.back()->holder->send("unread"));
  }
  for (const auto& one : members) EXPECT_TRUE(one->wait_for(TLS_ESTABLISHED));
  EXPECT_TRUE(waits_for_sockets(1, 9));
  for (const auto& one : members) EXPECT_EQ(one->state(), static_cast<uint32_t>(TLS_ESTABLISHED));
}

// The page says so before the sockets thread knows.
TEST_F(ManyRequests, OptionsAreSetAsSoonAsThePageSaysThatItIsUp) {
  start();
  auto server = listening();
  const auto to = ipv4("10.1.0.2", 3868);
  for (int i = 0; i < 40; ++i) {
    auto client = make_front(*left);
    const Answer begun = member(*client, TLS_BEGIN, to);
    auto mine = adopt(*left, begun);
    ASSERT_NE(mine, nullptr);
    while (mine->state() == TLS_CONNECTING) sched_yield();
    sctp_paddrparams value{};
    value.spp_assoc_id = begun.value;
    std::memcpy(&value.spp_address, to.data(), to.size());
    value.spp_pathmaxrxt = 3;
    EXPECT_EQ(client->set(IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, bytes_of(value)), 0);
  }
}

// ---------------------------------------------------------------- the parts

TEST(MemberBook, FindsByIdAndPeerUntilItIsOver) {
  const IpAddress a = IpAddress::ipv4(10, 0, 0, 1);
  const IpAddress b = IpAddress::ipv4(10, 0, 0, 2);
  MemberBook book;
  book.add(7, std::array{a, b}, 100);
  book.add(8, std::array{a}, 101);
  EXPECT_EQ(book.by_peer(a, 100), 7u);
  EXPECT_EQ(book.by_peer(b, 100), 7u);
  EXPECT_EQ(book.by_peer(a, 101), 8u);
  EXPECT_EQ(book.by_peer(b, 101), MemberBook::kNobody);
  EXPECT_EQ(book.by_id(55), MemberBook::kNobody);
  book.name(7, 55);
  EXPECT_EQ(book.by_id(55), 7u);
  EXPECT_EQ(book.ids(), std::vector<uint32_t>{55});
  book.retire(7);
  EXPECT_EQ(book.by_id(55), MemberBook::kNobody);
  EXPECT_EQ(book.by_peer(b, 100), MemberBook::kNobody);
  EXPECT_EQ(book.serials(), (std::vector<uint64_t>{7, 8}));
  // Its peer may have begun another one by now, which its end does not touch.
  book.add(9, std::array{a}, 100);
  book.remove(7);
  EXPECT_EQ(book.by_peer(a, 100), 9u);
  book.remove(8);
  book.remove(9);
  EXPECT_TRUE(book.empty());
}

// A program may have an id from a message before its worker's answer has come.
TEST(MemberBook, LearnsTheIdsOfThoseThatHaveNoneYet) {
  MemberBook book;
  for (uint64_t serial = 1; serial <= 4; ++serial) book.add(serial, {}, 100);
  book.name(1, 51);
  book.peel_off(3);
  book.retire(4);
  std::vector<uint64_t> asked;
  const auto id_of = [&](uint64_t serial) {
    asked.push_back(serial);
    return serial == 2 && asked.size() > 1 ? 52u : 0u;
  };
  book.name_new(id_of);
  EXPECT_EQ(book.ids(), (std::vector<uint32_t>{51}));
  book.name_new(id_of);
  book.name_new(id_of);
  EXPECT_EQ(book.ids(), (std::vector<uint32_t>{51, 52}));
  EXPECT_EQ(asked, (std::vector<uint64_t>{2, 2}));
  book.name(3, 53);
  EXPECT_EQ(book.by_id(53), MemberBook::kNobody) << "it was peeled off";
}

TEST(MemberBook, WhatWasOverBeforeItsIdWasKnownHasNone) {
  MemberBook book;
  book.add(7, std::array{IpAddress::ipv4(10, 0, 0, 1)}, 100);
  book.retire(7);
  book.name(7, 55);
  EXPECT_EQ(book.by_id(55), MemberBook::kNobody);
  EXPECT_TRUE(book.ids().empty());
}

TEST(MemberBook, PeeledOffItIsNoMemberAndItsPeerStillIsKnown) {
  const IpAddress a = IpAddress::ipv4(10, 0, 0, 1);
  MemberBook book;
  book.add(7, std::array{a}, 100);
  book.name(7, 55);
  book.peel_off(7);
  EXPECT_EQ(book.by_id(55), MemberBook::kNobody);
  EXPECT_EQ(book.by_peer(a, 100), 7u);
  EXPECT_TRUE(book.empty());
  book.remove(7);
  EXPECT_EQ(book.by_peer(a, 100), MemberBook::kNobody);
}

OptionScope of(int name, const std::vector<uint8_t>& value, bool set = true) {
  return scope_of(IPPROTO_SCTP, name, value, set);
}

TEST(OptionScope, IsTheIdsOrTheAddresss) {
  EXPECT_EQ(scope_of(SOL_SOCKET, SO_RCVBUF, bytes_of(int{1}), true).whose, OptionScope::kSocket);
  EXPECT_TRUE(scope_of(SOL_SOCKET, SO_RCVBUF, bytes_of(int{1}), true).for_all);
  EXPECT_EQ(of(SCTP_NODELAY, bytes_of(int{1})).whose, OptionScope::kSocket);
  sctp_rtoinfo rto{};
  EXPECT_EQ(of(SCTP_RTOINFO, bytes_of(rto)).whose, OptionScope::kSocket);
  EXPECT_FALSE(of(SCTP_RTOINFO, bytes_of(rto)).for_all);
  rto.srto_assoc_id = SCTP_ALL_ASSOC;
  EXPECT_EQ(of(SCTP_RTOINFO, bytes_of(rto)).whose, OptionScope::kNobody);
  rto.srto_assoc_id = 77;
  EXPECT_EQ(of(SCTP_RTOINFO, bytes_of(rto)).whose, OptionScope::kAssociation);
  EXPECT_EQ(of(SCTP_RTOINFO, bytes_of(rto)).id, 77u);
  sctp_sndinfo info{};
  info.snd_assoc_id = SCTP_ALL_ASSOC;
  EXPECT_EQ(of(SCTP_DEFAULT_SNDINFO, bytes_of(info)).whose, OptionScope::kAll);
  info.snd_assoc_id = SCTP_CURRENT_ASSOC;
  EXPECT_EQ(of(SCTP_DEFAULT_SNDINFO, bytes_of(info)).whose, OptionScope::kCurrent);
  EXPECT_EQ(of(SCTP_DEFAULT_SNDINFO, bytes_of(info), false).whose, OptionScope::kNobody);
  sctp_paddrparams path{};
  EXPECT_EQ(of(SCTP_PEER_ADDR_PARAMS, bytes_of(path)).whose, OptionScope::kSocket);
  const auto address = ipv4("10.0.0.1", 5);
  std::memcpy(&path.spp_address, address.data(), address.size());
  EXPECT_EQ(of(SCTP_PEER_ADDR_PARAMS, bytes_of(path)).whose, OptionScope::kPeer);
  EXPECT_EQ(of(SCTP_PEER_ADDR_PARAMS, bytes_of(path)).address,
            offsetof(sctp_paddrparams, spp_address));
  // Where the address alone is enough, Linux does not ask for the id first.
  path.spp_assoc_id = 77;
  EXPECT_EQ(of(SCTP_PEER_ADDR_PARAMS, bytes_of(path)).address, 0u);
  sctp_prim prim{};
  prim.ssp_assoc_id = SCTP_ALL_ASSOC;
  EXPECT_EQ(of(SCTP_PRIMARY_ADDR, bytes_of(prim)).whose, OptionScope::kNobody);
  std::memcpy(&prim.ssp_addr, address.data(), address.size());
  EXPECT_EQ(of(SCTP_PRIMARY_ADDR, bytes_of(prim)).whose, OptionScope::kPeer);
  EXPECT_EQ(of(SCTP_PRIMARY_ADDR, bytes_of(prim), false).whose, OptionScope::kNobody);
  prim.ssp_assoc_id = 77;
  EXPECT_EQ(of(SCTP_PRIMARY_ADDR, bytes_of(prim)).whose, OptionScope::kAssociation);
  EXPECT_EQ(of(SCTP_PRIMARY_ADDR, bytes_of(prim)).address, offsetof(sctp_prim, ssp_addr));
  // The older forms, without an id; and what is too short to have one.
  EXPECT_EQ(of(SCTP_MAXSEG, bytes_of(int{7})).whose, OptionScope::kSocket);
  EXPECT_EQ(of(SCTP_RTOINFO, {1, 2}).whose, OptionScope::kSocket);
}

}  // namespace
}  // namespace trunkline::test
