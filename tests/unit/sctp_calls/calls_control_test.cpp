// SPDX-License-Identifier: BSD-3-Clause
// What goes beside the data: control data both ways, and notifications.
#include <string>

#include "../../support/control_message.h"
#include "fixture.h"

namespace trunkline::test {
namespace {

using CallsTest = SocketsTest;

TEST_F(CallsTest, ControlDataGoesOutAndIn) {
  connect_pair();
  char data[8] = "abc";
  iovec part{data, 3};
  ControlMessage message({&part, 1});
  sctp_sndrcvinfo info{};
  info.sinfo_stream = 7;
  info.sinfo_ppid = htonl(46);
  info.sinfo_flags = SCTP_UNORDERED;
  message.put(IPPROTO_SCTP, SCTP_SNDRCV, info);
  ASSERT_EQ(tlsctp_sendmsg(client, &message, 0), 3);

  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) {
      socket->page.options.receive = TLS_WANT_SNDRCV | TLS_WANT_RCVINFO;
    }
  });
  sockaddr_in name{};
  message.msg_name = &name;
  message.msg_namelen = sizeof(name);
  message.make_room();
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), 3);
  EXPECT_EQ(message.msg_flags, MSG_EOR);
  EXPECT_EQ(ntohs(name.sin_port), 40000);
  const auto got = message.the_one<sctp_sndrcvinfo>(IPPROTO_SCTP, SCTP_SNDRCV);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->sinfo_stream, 7);
  EXPECT_EQ(ntohl(got->sinfo_ppid), 46u);
  EXPECT_EQ(got->sinfo_flags, SCTP_UNORDERED);
  EXPECT_TRUE(message.the_one<sctp_rcvinfo>(IPPROTO_SCTP, SCTP_RCVINFO).has_value());

  // Too little room: what fits, and MSG_CTRUNC.
  message.put(IPPROTO_SCTP, SCTP_SNDRCV, info);
  message.msg_name = nullptr;
  ASSERT_EQ(tlsctp_sendmsg(client, &message, 0), 3);
  message.make_room(sizeof(cmsghdr) + 4);
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), 3);
  EXPECT_EQ(message.msg_flags, MSG_EOR | MSG_CTRUNC);
}

TEST_F(CallsTest, AMessageOfWhichNothingIsReadHasItsControlData) {
  connect_pair();
  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) socket->page.options.receive = TLS_WANT_RCVINFO;
  });
  ASSERT_EQ(tlsctp_send(client, "abc", 3, 0), 3);
  ControlMessage message;
  message.make_room(CMSG_SPACE(sizeof(sctp_rcvinfo)));
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), 0);
  EXPECT_EQ(message.msg_flags & MSG_EOR, 0);
  EXPECT_TRUE(message.the_one<sctp_rcvinfo>(IPPROTO_SCTP, SCTP_RCVINFO).has_value());
  char data[8];
  EXPECT_EQ(tlsctp_recv(server, data, sizeof(data), 0), 3);
}

TEST_F(CallsTest, TheNextOneMayBeANotification) {
  connect_pair();
  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) socket->page.options.receive = TLS_WANT_NXTINFO;
  });
  ASSERT_EQ(tlsctp_send(client, "abc", 3, 0), 3);
  char data[8];
  iovec part{data, sizeof(data)};
  ControlMessage message({&part, 1});
  const auto next = [&](int flags) {
    message.make_room();
    EXPECT_EQ(tlsctp_recvmsg(server, &message, flags), 3);
    return message.the_one<sctp_nxtinfo>(IPPROTO_SCTP, SCTP_NXTINFO);
  };
  const auto itself = next(MSG_PEEK);
  ASSERT_TRUE(itself.has_value());
  EXPECT_EQ(itself->nxt_length, 3u);
  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) {
      if (socket->peer == nullptr || socket->port != 5000) continue;
      tlr_completion entry{};
      entry.kind = TLR_PEER_SHUTDOWN;
      socket->notify(entry, nullptr);
    }
  });
  const auto told = next(0);
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->nxt_flags, SCTP_NOTIFICATION);
  EXPECT_EQ(told->nxt_length, sizeof(sctp_shutdown_event));
}

// ---------------------------------------------------------------- how long a message is tried

class LimitsTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    connect_pair();
  }
  // Of the next messages that say nothing.
  void set_defaults(uint16_t flags, uint32_t lifetime) {
    each([&](FakeSocket& socket) {
      socket.page.options.send_flags = flags;
      socket.page.options.send_lifetime = lifetime;
    });
  }
  // Sends it, with that piece of control data, and expects one limit, or with policy 0 none.
  template <typename T>
  void expect(int type, const T& control, uint8_t policy, uint32_t value) {
    char byte = 'x';
    iovec part{&byte, 1};
    ControlMessage message({&part, 1});
    message.put(IPPROTO_SCTP, type, control);
    ASSERT_EQ(tlsctp_sendmsg(client, &message, 0), 1);
    expect_limit(policy, value);
  }
  void expect_limit(uint8_t policy, uint32_t value) {
    char byte = 0;
    ASSERT_EQ(tlsctp_recv(server, &byte, 1, 0), 1);
    std::vector<tlr_submission> limits;
    each([&](FakeSocket& socket) {
      limits.insert(limits.end(), socket.limits.begin(), socket.limits.end());
      socket.limits.clear();
    });
    ASSERT_EQ(limits.size(), policy != 0 ? 1u : 0u);
    if (limits.empty()) return;
    tlr_submission wanted{};
    wanted.op = TLR_OP_LIMIT;
    wanted.flags = policy;
    wanted.length = value;
    EXPECT_EQ(std::memcmp(limits.data(), &wanted, sizeof(wanted)), 0)
        << int{limits[0].flags} << " " << limits[0].length;
  }
  void each(const std::function<void(FakeSocket&)>& what) {
    daemon->at_daemon([&] {
      for (auto& [index, socket] : daemon->sockets) what(*socket);
    });
  }
  static sctp_sndrcvinfo older(uint16_t flags, uint32_t lifetime) {
    sctp_sndrcvinfo out{};
    out.sinfo_flags = flags;
    out.sinfo_timetolive = lifetime;
    return out;
  }
  static sctp_sndinfo newer(uint16_t flags) {
    sctp_sndinfo out{};
    out.snd_flags = flags;
    return out;
  }
  static sctp_prinfo partial(uint16_t policy, uint32_t value) {
    sctp_prinfo out{};
    out.pr_policy = policy;
    out.pr_value = value;
    return out;
  }
};

TEST_F(LimitsTest, ATimeToLiveNeedsNoPolicy) {
  expect(SCTP_SNDRCV, older(0, 0), 0, 0);
  expect(SCTP_SNDRCV, older(SCTP_PR_SCTP_TTL, 0), 0, 0);
  expect(SCTP_SNDRCV, older(0, 150), TLR_POLICY_LIFETIME, 150);
  expect(SCTP_SNDRCV, older(SCTP_PR_SCTP_TTL | SCTP_UNORDERED, 7), TLR_POLICY_LIFETIME, 7);
  expect(SCTP_SNDRCV, older(SCTP_PR_SCTP_RTX, 0), TLR_POLICY_RETRANSMISSIONS, 0);
  expect(SCTP_SNDRCV, older(SCTP_PR_SCTP_PRIO, UINT32_MAX), TLR_POLICY_PRIORITY, UINT32_MAX);
}

TEST_F(LimitsTest, ThatOfPrinfo) {
  expect(SCTP_PRINFO, partial(SCTP_PR_SCTP_NONE, 77), 0, 0);
  expect(SCTP_PRINFO, partial(SCTP_PR_SCTP_TTL, 5000), TLR_POLICY_LIFETIME, 5000);
  expect(SCTP_PRINFO, partial(SCTP_PR_SCTP_RTX, 3), TLR_POLICY_RETRANSMISSIONS, 3);
  expect(SCTP_PRINFO, partial(SCTP_PR_SCTP_PRIO, 0), TLR_POLICY_PRIORITY, 0);
}

TEST_F(LimitsTest, DefaultsOfWhatIsNotSaid) {
  set_defaults(SCTP_PR_SCTP_RTX, 4);
  ASSERT_EQ(tlsctp_send(client, "x", 1, 0), 1);
  expect_limit(TLR_POLICY_RETRANSMISSIONS, 4);
  expect(SCTP_PRINFO, partial(SCTP_PR_SCTP_NONE, 9), 0, 0);
  expect(SCTP_PRINFO, partial(SCTP_PR_SCTP_TTL, 9), TLR_POLICY_LIFETIME, 9);
  expect(SCTP_SNDRCV, older(0, 0), 0, 0);
  // As on Linux, which leaves the value where only the policy is said, and that is none.
  expect(SCTP_SNDINFO, newer(0), TLR_POLICY_LIFETIME, 4);
  expect(SCTP_SNDINFO, newer(SCTP_PR_SCTP_PRIO), TLR_POLICY_PRIORITY, 4);
}

// As on Linux.
TEST_F(LimitsTest, PrinfoIsInThePlaceOfAllDefaultFlags) {
  set_defaults(SCTP_UNORDERED | SCTP_PR_SCTP_RTX, 4);
  each([](FakeSocket& socket) { socket.page.options.receive = TLS_WANT_RCVINFO; });
  const auto received = [&] {
    char data[8];
    iovec part{data, sizeof(data)};
    ControlMessage message({&part, 1});
    message.make_room();
    EXPECT_EQ(tlsctp_recvmsg(server, &message, 0), 1);
    return message.the_one<sctp_rcvinfo>(IPPROTO_SCTP, SCTP_RCVINFO).value().rcv_flags;
  };
  ASSERT_EQ(tlsctp_send(client, "x", 1, 0), 1);
  EXPECT_EQ(received(), SCTP_UNORDERED);
  char byte = 'x';
  iovec part{&byte, 1};
  ControlMessage message({&part, 1});
  message.put(IPPROTO_SCTP, SCTP_PRINFO, partial(SCTP_PR_SCTP_TTL, 5000));
  ASSERT_EQ(tlsctp_sendmsg(client, &message, 0), 1);
  EXPECT_EQ(received(), 0);
}

// In a ring with room for one entry.
TEST_F(LimitsTest, WaitsForRoomTogetherWithItsMessage) {
  for (int* fd : {&client, &server, &listener}) tlsctp_close(std::exchange(*fd, -1));
  sctp::attachment::detach();
  FakeGeometry geometry;
  geometry.submission_size = 2;
  start(geometry);
  connect_pair();
  char byte = 'y';
  iovec part{&byte, 1};
  ControlMessage message({&part, 1});
  message.put(IPPROTO_SCTP, SCTP_PRINFO, partial(SCTP_PR_SCTP_TTL, 5000));
  daemon->at_daemon([&] {  // which takes nothing meanwhile
    EXPECT_EQ(tlsctp_send(client, "x", 1, 0), 1);
    EXPECT_EQ(tlsctp_sendmsg(client, &message, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  });
  ASSERT_EQ(tlsctp_sendmsg(client, &message, 0), 1);
  expect_limit(0, 0);
  expect_limit(TLR_POLICY_LIFETIME, 5000);
}

ssize_t send_unordered(int fd, std::string text) {
  iovec part{text.data(), text.size()};
  ControlMessage message({&part, 1});
  sctp_sndrcvinfo info{};
  info.sinfo_flags = SCTP_UNORDERED;
  message.put(IPPROTO_SCTP, SCTP_SNDRCV, info);
  return tlsctp_sendmsg(fd, &message, 0);
}

TEST_F(CallsTest, ReceivedMessagesSayTheirNumbers) {
  connect_pair();
  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) {
      socket->page.options.receive = TLS_WANT_SNDRCV | TLS_WANT_RCVINFO;
    }
  });
  constexpr uint32_t kFirst = FakeSocket::kFirstTsn;
  const auto check = [&](uint32_t tsn, uint16_t ssn, uint32_t cum_tsn) {
    char data[8];
    iovec part{data, 3};
    ControlMessage message({&part, 1});
    message.make_room();
    ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), 3);
    const auto older = message.the_one<sctp_sndrcvinfo>(IPPROTO_SCTP, SCTP_SNDRCV);
    ASSERT_TRUE(older.has_value());
    EXPECT_EQ(older->sinfo_tsn, tsn);
    EXPECT_EQ(older->sinfo_ssn, ssn);
    EXPECT_EQ(older->sinfo_cumtsn, cum_tsn);
    const auto newer = message.the_one<sctp_rcvinfo>(IPPROTO_SCTP, SCTP_RCVINFO);
    ASSERT_TRUE(newer.has_value());
    EXPECT_EQ(newer->rcv_tsn, tsn);
    EXPECT_EQ(newer->rcv_ssn, ssn);
    EXPECT_EQ(newer->rcv_cumtsn, cum_tsn);
  };
  ASSERT_EQ(tlsctp_send(client, "one", 3, 0), 3);
  ASSERT_EQ(tlsctp_send(client, "two", 3, 0), 3);
  check(kFirst, 0, 0);
  check(kFirst + 1, 1, 0);
  // Unordered: no SSN, and where the cumulative TSN was, on either side.
  uint32_t tsn = kFirst + 2;
  for (const int ahead : {2, -3}) {
    daemon->at_daemon([&] {
      for (auto& [index, socket] : daemon->sockets) {
        socket->cum_ahead = static_cast<int16_t>(ahead);
      }
    });
    ASSERT_EQ(send_unordered(client, "any"), 3);
    check(tsn, 0, tsn + static_cast<uint32_t>(ahead));
    ++tsn;
  }
}

TEST_F(CallsTest, WrongControlDataIsInvalid) {
  connect_pair();
  char data[] = "abc";
  iovec part{data, 3};
  ControlMessage message({&part, 1});
  const auto try_it = [&](int type, size_t size, uint16_t flags, uint16_t stream) {
    sctp_sndrcvinfo info{};
    info.sinfo_flags = flags;
    info.sinfo_stream = stream;
    message.put(IPPROTO_SCTP, type, info, size);
    return tlsctp_sendmsg(client, &message, 0) < 0 ? errno : 0;
  };
  constexpr size_t kSize = sizeof(sctp_sndrcvinfo);
  EXPECT_EQ(try_it(SCTP_SNDRCV, kSize, 0, 0), 0);
  EXPECT_EQ(try_it(SCTP_SNDRCV, kSize - 1, 0, 0), EINVAL);
  EXPECT_EQ(try_it(SCTP_SNDRCV, kSize, 0x4000, 0), EINVAL);
  EXPECT_EQ(try_it(SCTP_SNDRCV, kSize, SCTP_EOF, 0), EINVAL);
  EXPECT_EQ(try_it(SCTP_SNDRCV, kSize, 0, 10), EINVAL);
  EXPECT_EQ(try_it(99, kSize, 0, 0), EINVAL);
}

TEST_F(CallsTest, NotificationsHaveLinuxsLayout) {
  connect_pair();
  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) {
      if (socket->peer == nullptr || socket->port != 5000) continue;
      tlr_completion entry{};
      tlr_completion_more more{};
      entry.kind = TLR_RESTARTED;
      more.outbound_streams = 3;
      more.inbound_streams = 4;
      socket->notify(entry, &more);
      entry.kind = TLR_PATH_CHANGED;
      more.family = 4;
      more.address[0] = 10;
      more.path_state = TLR_PATH_INACTIVE;
      socket->notify(entry, &more);
      entry.kind = TLR_PEER_SHUTDOWN;
      socket->notify(entry, nullptr);
      entry.kind = TLR_SENDER_DRY;
      socket->notify(entry, nullptr);
      entry.kind = TLR_SEND_FAILED;
      entry.slot = TLR_NO_SLOT;
      entry.status = TLR_STATUS_FAILED;
      entry.cause = 12;
      entry.stream = 5;
      entry.context = uint64_t{46} << 32 | 4711;
      socket->notify(entry, nullptr);
      entry.flags = TLR_FAILED_STARTED | TLR_FAILED_UNORDERED;
      socket->notify(entry, nullptr);
      entry.kind = TLR_LOST;  // by the peer's user, who said nothing: the cause is its head alone
      entry.reason = TLR_REASON_RESET;
      entry.length = 4;
      entry.slot = socket->lend({"\0\14\0\4", 4});
      socket->notify(entry, nullptr);
    }
  });
  sctp_notification got{};
  iovec part{&got, sizeof(got)};
  ControlMessage message({&part, 1});
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), sizeof(sctp_assoc_change));
  EXPECT_EQ(message.msg_flags, MSG_EOR | static_cast<int>(MSG_NOTIFICATION));
  EXPECT_EQ(got.sn_assoc_change.sac_type, SCTP_ASSOC_CHANGE);
  EXPECT_EQ(got.sn_assoc_change.sac_length, sizeof(sctp_assoc_change));
  EXPECT_EQ(got.sn_assoc_change.sac_state, SCTP_RESTART);
  EXPECT_EQ(got.sn_assoc_change.sac_inbound_streams, 4);
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), sizeof(sctp_paddr_change));
  EXPECT_EQ(got.sn_paddr_change.spc_state, SCTP_ADDR_UNREACHABLE);
  sockaddr_in address;
  std::memcpy(&address, &got.sn_paddr_change.spc_aaddr, sizeof(address));
  EXPECT_EQ(ntohs(address.sin_port), 40000);
  // In two parts.
  part.iov_len = 4;
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), 4);
  EXPECT_EQ(message.msg_flags, static_cast<int>(MSG_NOTIFICATION));
  part.iov_len = sizeof(got);
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), sizeof(sctp_shutdown_event) - 4);
  EXPECT_EQ(message.msg_flags, MSG_EOR | static_cast<int>(MSG_NOTIFICATION));
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), sizeof(sctp_sender_dry_event));
  for (const int sent : {SCTP_DATA_UNSENT, SCTP_DATA_SENT}) {
    ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), sizeof(sctp_send_failed));
    EXPECT_EQ(got.sn_send_failed.ssf_type, SCTP_SEND_FAILED);
    EXPECT_EQ(got.sn_send_failed.ssf_flags, sent);
    EXPECT_EQ(got.sn_send_failed.ssf_error, htons(12));
    EXPECT_EQ(got.sn_send_failed.ssf_info.sinfo_stream, 5);
    // The whole message; the other was unordered.
    EXPECT_EQ(got.sn_send_failed.ssf_info.sinfo_flags, sent == SCTP_DATA_UNSENT ? 3 : 7);
    EXPECT_EQ(ntohl(got.sn_send_failed.ssf_info.sinfo_ppid), 46u);
    EXPECT_EQ(got.sn_send_failed.ssf_info.sinfo_context, 4711u);
  }
  ASSERT_EQ(tlsctp_recvmsg(server, &message, 0), sizeof(sctp_assoc_change) + 4);
  EXPECT_EQ(got.sn_assoc_change.sac_length, sizeof(sctp_assoc_change) + 4);
  EXPECT_EQ(got.sn_assoc_change.sac_state, SCTP_COMM_LOST);
  uint16_t cause[2];
  std::memcpy(cause, got.sn_assoc_change.sac_info, sizeof(cause));
  EXPECT_EQ(ntohs(cause[0]), 12);
  EXPECT_EQ(ntohs(cause[1]), 4);
  EXPECT_EQ(mask_of(server), "OUT");
}

}  // namespace
}  // namespace trunkline::test
