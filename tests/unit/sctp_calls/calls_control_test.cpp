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
