// SPDX-License-Identifier: BSD-3-Clause
// The calls, one by one, against a fake daemon. Of control data: calls_control_test.cpp; of ends:
// calls_ends_test.cpp.
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "asleep.h"
#include "descriptor_table.h"
#include "fixture.h"

namespace trunkline::test {
namespace {

using CallsTest = SocketsTest;

const sockaddr* wild() {
  return reinterpret_cast<const sockaddr*>(uintptr_t{16});
}

TEST_F(CallsTest, WithoutADaemonThereIsNoSctp) {
  daemon.reset();
  EXPECT_EQ(make_socket(), -1);
  EXPECT_EQ(errno, EPROTONOSUPPORT);
}

TEST_F(CallsTest, OtherDescriptorsAreLibcs) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  EXPECT_EQ(tlsctp_write(pipe_ends[1], "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(tlsctp_read(pipe_ends[0], &byte, 1), 1);
  EXPECT_EQ(tlsctp_close(pipe_ends[0]), 0);
  EXPECT_EQ(tlsctp_close(pipe_ends[1]), 0);
  EXPECT_EQ(tlsctp_send(-1, "x", 1, 0), -1);
  EXPECT_EQ(errno, EBADF);
}

// In a process of its own: the daemon has descriptors in this one.
TEST_F(CallsTest, ASocketTakesTheLowestNumber) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int probe = ::dup(0);
    ::close(probe);
    const bool first = make_socket() == probe;
    const bool second = make_socket() == probe + 1;
    ::_exit(first && second ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(CallsTest, FlagsOfTheTypeAreTheDescriptors) {
  const int fd = make_socket(SOCK_CLOEXEC | SOCK_NONBLOCK);
  EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(mask_of(fd), "");
  tlsctp_close(fd);
  client = make_socket();
  EXPECT_EQ(::fcntl(client, F_GETFD), 0);
  EXPECT_EQ(::fcntl(client, F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(CallsTest, AMessageGoesBothWays) {
  connect_pair();
  EXPECT_EQ(mask_of(client), "OUT");
  ASSERT_EQ(tlsctp_send(client, "hello", 5, 0), 5);
  char data[16];
  ASSERT_EQ(tlsctp_recv(server, data, sizeof(data), 0), 5);
  EXPECT_EQ(std::memcmp(data, "hello", 5), 0);
  ASSERT_EQ(tlsctp_write(server, "good day", 8), 8);
  ASSERT_EQ(tlsctp_read(client, data, sizeof(data)), 8);
  EXPECT_EQ(mask_of(client), "OUT");
  EXPECT_EQ(tlsctp_recv(client, data, sizeof(data), MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
}

// As who died between taking the tokens and their bytes leaves them.
TEST_F(CallsTest, BytesThatNobodyAccountsForAreTaken) {
  connect_pair();
  daemon->at_daemon([&] {
    for (auto& [index, socket] : daemon->sockets) {
      if (socket->peer == nullptr) continue;
      socket->send_token();
      store_seq_cst(socket->page.tokens, 0);
    }
  });
  EXPECT_EQ(mask_of(server), "IN OUT");
  char byte = 0;
  EXPECT_EQ(tlsctp_recv(server, &byte, 1, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(mask_of(server), "OUT");
}

TEST_F(CallsTest, NamesAreThePages) {
  connect_pair();
  sockaddr_in name{};
  socklen_t length = sizeof(name);
  ASSERT_EQ(tlsctp_getpeername(client, reinterpret_cast<sockaddr*>(&name), &length), 0);
  EXPECT_EQ(ntohs(name.sin_port), 5000);
  EXPECT_EQ(length, sizeof(name));
  length = 4;
  ASSERT_EQ(tlsctp_getsockname(server, reinterpret_cast<sockaddr*>(&name), &length), 0);
  EXPECT_EQ(length, sizeof(name));
  EXPECT_EQ(tlsctp_getpeername(listener, reinterpret_cast<sockaddr*>(&name), &length), -1);
  EXPECT_EQ(errno, ENOTCONN);
}

TEST_F(CallsTest, AtTheCurrentPositionThereAreFlags) {
  connect_pair();
  char data[8];
  const iovec part{data, sizeof(data)};
  const iovec hello{const_cast<char*>("hello"), 5};
  const iovec nothing{data, 0};
  constexpr int kUnknown = 1 << 30;
  ASSERT_EQ(tlsctp_pwritev2(client, &hello, 1, -1, RWF_DSYNC), 5);
  EXPECT_EQ(tlsctp_preadv2(server, &part, 1, -1, kUnknown), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(tlsctp_preadv2(server, &nothing, 1, -1, kUnknown), 0);
  EXPECT_EQ(tlsctp_preadv2(server, &part, 1, 0, 0), -1);
  EXPECT_EQ(errno, ESPIPE);
  EXPECT_EQ(tlsctp_preadv2(server, &part, 1, -2, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  ASSERT_EQ(tlsctp_preadv2(server, &part, 1, -1, RWF_HIPRI), 5);
  EXPECT_EQ(tlsctp_preadv2(server, &part, 1, -1, RWF_NOWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(tlsctp_pwritev2(client, &hello, 1, -1, kUnknown), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(tlsctp_pwritev2(client, &nothing, 1, -1, kUnknown), 0);
  EXPECT_EQ(tlsctp_pwritev2(client, &hello, 1, 0, 0), -1);
  EXPECT_EQ(errno, ESPIPE);
  daemon->at_daemon([&] { daemon->holds_acknowledgements = true; });
  for (int sent = 0; sent < 1000; ++sent) {  // until there is no room
    if (tlsctp_pwritev2(client, &hello, 1, -1, RWF_NOWAIT) != 5) break;
  }
  EXPECT_EQ(errno, EAGAIN);
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  EXPECT_EQ(tlsctp_pwritev2(pipe_ends[1], &hello, 1, -1, 0), 5);
  EXPECT_EQ(tlsctp_preadv2(pipe_ends[0], &part, 1, -1, 0), 5);
  for (const int fd : pipe_ends) ::close(fd);
}

TEST_F(CallsTest, ALongMessageIsReadInParts) {
  connect_pair();
  std::string sent(3000, 'x');
  for (size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i % 26);
  ASSERT_EQ(tlsctp_send(client, sent.data(), sent.size(), 0), 3000);
  std::string got;
  char data[700];
  iovec parts[2] = {{data, 300}, {data + 300, 400}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  int flags = 0;
  while ((flags & MSG_EOR) == 0) {
    ASSERT_GT(tlsctp_recv(server, data, 1, MSG_PEEK), 0);
    EXPECT_EQ(data[0], sent[got.size()]);
    int waiting = 0;
    ASSERT_EQ(tlsctp_ioctl(server, FIONREAD, &waiting), 0);
    EXPECT_EQ(static_cast<size_t>(waiting), sent.size() - got.size());
    const ssize_t n = tlsctp_recvmsg(server, &message, 0);
    ASSERT_GT(n, 0);
    got.append(data, static_cast<size_t>(n));
    flags = message.msg_flags;
  }
  EXPECT_EQ(got, sent);
}

TEST_F(CallsTest, OptionsOfAnyLengthLeaveTheSocketAsItIs) {
  connect_pair();
  int value = 1;
  socklen_t length = INT_MAX;
  EXPECT_EQ(tlsctp_setsockopt(client, IPPROTO_SCTP, SCTP_NODELAY, &value, sizeof(value)), 0);
  EXPECT_EQ(tlsctp_getsockopt(client, IPPROTO_SCTP, SCTP_NODELAY, &value, &length), 0);
  EXPECT_EQ(length, sizeof(value));
  EXPECT_EQ(tlsctp_setsockopt(client, IPPROTO_SCTP, SCTP_NODELAY, &value, INT_MAX), -1);
  EXPECT_EQ(errno, EFAULT);
  length = sizeof(value);
  EXPECT_EQ(tlsctp_getsockopt(client, IPPROTO_SCTP, SCTP_NODELAY, nullptr, &length), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(tlsctp_getsockopt(client, IPPROTO_TCP, 1, &value, &length), -1);
  EXPECT_EQ(errno, EOPNOTSUPP);
  EXPECT_EQ(tlsctp_send(client, "abc", 3, 0), 3);
}

TEST_F(CallsTest, SendingToAnotherAddressThanThePeers) {
  connect_pair();
  sockaddr_in name{};
  socklen_t length = sizeof(name);
  ASSERT_EQ(tlsctp_getpeername(client, reinterpret_cast<sockaddr*>(&name), &length), 0);
  const auto send_to = [&] {
    return tlsctp_sendto(client, "x", 1, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&name),
                         sizeof(name));
  };
  EXPECT_EQ(send_to(), 1);
  ASSERT_EQ(tlsctp_shutdown(client, SHUT_WR), 0);
  EXPECT_EQ(send_to(), -1);
  EXPECT_EQ(errno, EADDRNOTAVAIL);
}

TEST_F(CallsTest, WildPointersGiveEfault) {
  connect_pair();
  EXPECT_EQ(tlsctp_bind(listener, wild(), 16), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(tlsctp_connect(client, wild(), 16), -1);
  EXPECT_EQ(errno, EFAULT);
  socklen_t length = 16;
  EXPECT_EQ(tlsctp_getsockname(client, const_cast<sockaddr*>(wild()), &length), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(tlsctp_setsockopt(client, IPPROTO_SCTP, SCTP_NODELAY, wild(), 4), -1);
  EXPECT_EQ(errno, EFAULT);
  int value = 0;
  EXPECT_EQ(tlsctp_getsockopt(client, IPPROTO_SCTP, SCTP_NODELAY, &value,
                              reinterpret_cast<socklen_t*>(uintptr_t{8})),
            -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(tlsctp_sendmsg(client, reinterpret_cast<const msghdr*>(wild()), 0), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(tlsctp_recvmsg(client, reinterpret_cast<msghdr*>(uintptr_t{64}), 0), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(tlsctp_send(client, nullptr, 5, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  const sockaddr_in short_name = loopback_port(40000);
  EXPECT_EQ(tlsctp_sendto(server, "x", 1, 0, as_name(short_name), 4), -1);
  EXPECT_EQ(errno, EINVAL);
  // Linux loses the message, too.
  ASSERT_EQ(tlsctp_send(client, "lost", 4, 0), 4);
  EXPECT_EQ(tlsctp_recv(server, nullptr, 4, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  EXPECT_EQ(tlsctp_recv(server, &value, 4, MSG_DONTWAIT), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(tlsctp_recv(server, &value, 4, MSG_ERRQUEUE), -1);
  EXPECT_EQ(errno, EAGAIN);
  msghdr message{};
  message.msg_iov = reinterpret_cast<iovec*>(uintptr_t{64});
  message.msg_iovlen = 1;
  EXPECT_EQ(tlsctp_sendmsg(client, &message, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  // Pages that can't be written.
  void* const page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  EXPECT_EQ(tlsctp_getsockname(client, static_cast<sockaddr*>(page), &length), -1);
  EXPECT_EQ(errno, EFAULT);
  ::munmap(page, 4096);
}

TEST_F(CallsTest, ErrorsOfSending) {
  client = make_socket();
  EXPECT_EQ(tlsctp_send(client, "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  tlsctp_close(client);
  connect_pair();
  EXPECT_EQ(tlsctp_send(listener, "x", 1, MSG_NOSIGNAL), -1);
  EXPECT_EQ(errno, EPIPE);
  EXPECT_EQ(tlsctp_send(client, "x", 0, 0), -1);
  EXPECT_EQ(errno, EINVAL);
  const std::string large(300000, 'x');
  EXPECT_EQ(tlsctp_send(client, large.data(), large.size(), 0), -1);
  EXPECT_EQ(errno, EMSGSIZE);
}

TEST_F(CallsTest, ARefusedConnectIsAnErrorOnce) {
  client = make_socket();
  const sockaddr_in nobody = loopback_port(9);
  EXPECT_EQ(tlsctp_connect(client, as_name(nobody), sizeof(nobody)), -1);
  EXPECT_EQ(errno, ECONNREFUSED);
  EXPECT_EQ(mask_of(client), "ERR");
  int error = 0;
  socklen_t length = sizeof(error);
  ASSERT_EQ(tlsctp_getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  EXPECT_EQ(error, ECONNREFUSED);
  EXPECT_EQ(mask_of(client), "");
  ASSERT_EQ(tlsctp_fcntl(client, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(tlsctp_connect(client, as_name(nobody), sizeof(nobody)), -1);
  EXPECT_EQ(errno, EINPROGRESS);  // even if there is an answer at once
  listen_at(5000);
  const sockaddr_in somebody = loopback_port(5000);
  // Whatever is pending from before does not count.
  EXPECT_EQ(tlsctp_connect(client, as_name(somebody), sizeof(somebody)), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  pollfd at{client, POLLOUT, 0};
  EXPECT_EQ(::poll(&at, 1, 5000), 1);
  EXPECT_EQ(mask_of(client), "OUT");
}

// The worker writes the error, takes the ballast out, and writes the state: who waits must not fill
// the handle again in between.
TEST_F(CallsTest, ARefusalInTheMiddleOfItIsWaitedFor) {
  daemon->at_daemon([&] { daemon->accepts_connects = false; });
  client = make_socket();
  Asleep asleep;
  std::thread blocked([&] {
    const sockaddr_in name = loopback_port(9);
    asleep.here();
    EXPECT_EQ(tlsctp_connect(client, as_name(name), sizeof(name)), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
  });
  FakeSocket* socket = nullptr;
  while (socket == nullptr) {
    daemon->at_daemon([&] {
      FakeSocket& only = *daemon->sockets.begin()->second;
      if (load_seq_cst(only.page.state) == TLS_CONNECTING) socket = &only;
    });
  }
  asleep.wait();
  store_seq_cst(socket->page.error, ECONNREFUSED);
  for (int i = 0; i < 20; ++i) {
    daemon->at_daemon([&] { socket->take_ballast(); });
    ::usleep(100);
  }
  store_seq_cst(socket->page.state, TLS_FRESH);
  blocked.join();
}

TEST_F(CallsTest, AConnectUnderWayIsSeenByPoll) {
  daemon->at_daemon([&] { daemon->accepts_connects = false; });
  client = make_socket(SOCK_NONBLOCK);
  const sockaddr_in name = loopback_port(5000);
  EXPECT_EQ(tlsctp_connect(client, as_name(name), sizeof(name)), -1);
  EXPECT_EQ(errno, EINPROGRESS);
  EXPECT_EQ(mask_of(client), "");
  daemon->at_daemon([&] {
    FakeSocket& socket = *daemon->sockets.begin()->second;
    store_seq_cst(socket.page.state, TLS_FRESH);
    socket.set_error(ETIMEDOUT);
    socket.take_ballast();
  });
  EXPECT_EQ(mask_of(client), "ERR");
  int error = 0;
  socklen_t length = sizeof(error);
  ASSERT_EQ(tlsctp_getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  EXPECT_EQ(error, ETIMEDOUT);
  EXPECT_EQ(mask_of(client), "");
  ASSERT_EQ(tlsctp_getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  EXPECT_EQ(error, 0);
}

TEST_F(CallsTest, AcceptWaitsAsTheDescriptorSays) {
  listen_at(5000);
  ASSERT_EQ(tlsctp_fcntl(listener, F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(tlsctp_accept(listener, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  client = make_socket();
  EXPECT_EQ(tlsctp_accept(client, nullptr, nullptr), -1);
  EXPECT_EQ(errno, EINVAL);
  const sockaddr_in name = loopback_port(5000);
  ASSERT_EQ(tlsctp_connect(client, as_name(name), sizeof(name)), 0);
  EXPECT_EQ(mask_of(listener), "IN");
  sockaddr_in peer{};
  socklen_t length = sizeof(peer);
  server = tlsctp_accept4(listener, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK);
  ASSERT_GE(server, 0);
  EXPECT_EQ(ntohs(peer.sin_port), 40000);
  EXPECT_NE(::fcntl(server, F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(CallsTest, WithoutANumberNoConnectionIsLost) {
  listen_at(5000);
  client = make_socket();
  const sockaddr_in name = loopback_port(5000);
  ASSERT_EQ(tlsctp_connect(client, as_name(name), sizeof(name)), 0);
  std::vector<int> fillers;
  for (int fd; (fd = ::fcntl(0, F_DUPFD, 0)) >= 0;) {
    fillers.push_back(fd);
    if (fillers.size() > 5000) break;
  }
  if (fillers.size() <= 5000) {
    EXPECT_EQ(tlsctp_accept(listener, nullptr, nullptr), -1);
    EXPECT_EQ(errno, EMFILE);
  }
  for (const int fd : fillers) ::close(fd);
  server = tlsctp_accept(listener, nullptr, nullptr);
  EXPECT_GE(server, 0);
}

TEST_F(CallsTest, OptionsGoToTheDaemonAsBytes) {
  connect_pair();
  const sctp_initmsg wanted = {5, 6, 7, 8};
  ASSERT_EQ(tlsctp_setsockopt(client, IPPROTO_SCTP, SCTP_INITMSG, &wanted, sizeof(wanted)), 0);
  sctp_initmsg got{};
  socklen_t length = sizeof(got);
  ASSERT_EQ(tlsctp_getsockopt(client, IPPROTO_SCTP, SCTP_INITMSG, &got, &length), 0);
  EXPECT_EQ(got.sinit_max_init_timeo, 8);
  EXPECT_EQ(length, sizeof(got));
  EXPECT_EQ(tlsctp_setsockopt(client, IPPROTO_TCP, 1, &wanted, 4), -1);
  EXPECT_EQ(errno, ENOPROTOOPT);
  int value = 0;
  length = sizeof(value);
  ASSERT_EQ(tlsctp_getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &value, &length), 0);
  EXPECT_EQ(value, 1);
  ASSERT_EQ(tlsctp_getsockopt(client, SOL_SOCKET, SO_PROTOCOL, &value, &length), 0);
  EXPECT_EQ(value, IPPROTO_SCTP);
  // Time-outs are the handle's.
  const timeval limit{0, 20000};
  ASSERT_EQ(tlsctp_setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
  char byte = 0;
  EXPECT_EQ(tlsctp_recv(client, &byte, 1, 0), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(CallsTest, AFullSocketIsNotWritableUntilThereIsRoom) {
  connect_pair();
  daemon->at_daemon([&] { daemon->holds_acknowledgements = true; });
  const std::string message(500, 'x');
  int sent = 0;
  while (tlsctp_send(client, message.data(), message.size(), MSG_DONTWAIT) > 0) ++sent;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(sent, 64);
  EXPECT_EQ(mask_of(client), "");
  std::thread blocked([&] { EXPECT_EQ(tlsctp_send(client, "y", 1, 0), 1); });
  daemon->at_daemon([&] {
    daemon->holds_acknowledgements = false;
    for (auto& [index, socket] : daemon->sockets) {
      if (socket->under_way() != 64) continue;
      for (uint16_t slot = 0; slot < 64; ++slot) socket->finish(slot);
      socket->make_room();
    }
  });
  blocked.join();
  // The ballast may have gone in while there was room already: the daemon takes it out in its turn.
  pollfd at{client, POLLOUT, 0};
  EXPECT_EQ(poll(&at, 1, 10000), 1);
  EXPECT_EQ(mask_of(client), "OUT");
}

TEST_F(CallsTest, ADuplicateIsTheSameSocket) {
  connect_pair();
  const int copy = tlsctp_dup(client);
  ASSERT_GE(copy, 0);
  tlsctp_close(std::exchange(client, -1));
  EXPECT_EQ(tlsctp_send(copy, "x", 1, 0), 1);
  const int third = tlsctp_fcntl(copy, F_DUPFD_CLOEXEC, 100);
  EXPECT_GE(third, 100);
  // Onto a descriptor that was a socket, and away from it again.
  ASSERT_EQ(tlsctp_dup2(0, copy), copy);
  EXPECT_FALSE(sctp::descriptors::is_ours(copy));
  ::close(copy);
  EXPECT_EQ(tlsctp_send(third, "y", 1, 0), 1);
  tlsctp_close_range(100, ~0u, 0);
  EXPECT_FALSE(sctp::descriptors::is_ours(third));
  char data[4];
  EXPECT_EQ(tlsctp_recv(server, data, 4, 0), 1);
  EXPECT_EQ(tlsctp_recv(server, data, 4, 0), 1);
  EXPECT_EQ(tlsctp_recv(server, data, 4, 0), 0);
  // What is ours behind the program's back survives that.
  EXPECT_GE(client = make_socket(), 0);
}

TEST_F(CallsTest, AChildAttachesByItself) {
  connect_pair();
  const pid_t child = ::fork();
  if (child == 0) {
    char data[8];
    const bool good = tlsctp_recv(server, data, sizeof(data), 0) == 4 &&
                      tlsctp_send(server, "from the child", 14, 0) == 14;
    ::_exit(good ? 0 : 1);
  }
  ASSERT_EQ(tlsctp_send(client, "ping", 4, 0), 4);
  char data[32];
  EXPECT_EQ(tlsctp_recv(client, data, sizeof(data), 0), 14);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  daemon->at_daemon([&] { EXPECT_EQ(daemon->attachments, 2u); });
  // Nobody says CLOSE any more: the child may have it, for all this process knows.
  tlsctp_close(std::exchange(server, -1));
  daemon->at_daemon([&] { EXPECT_NE(daemon->requests.back(), TLS_CLOSE); });
  EXPECT_EQ(tlsctp_recv(client, data, sizeof(data), 0), 0);
}

TEST_F(CallsTest, EdgesAreSeenEach) {
  connect_pair();
  const int epoll = ::epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  ASSERT_EQ(tlsctp_epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event), 0);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(tlsctp_send(client, "x", 1, 0), 1);
    EXPECT_EQ(::epoll_wait(epoll, &event, 1, 5000), 1) << i;
  }
  char byte = 0;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(tlsctp_recv(server, &byte, 1, 0), 1);
  EXPECT_EQ(mask_of(server), "OUT");
  ::close(epoll);
}

TEST_F(CallsTest, SeveralMessagesInACall) {
  connect_pair();
  char a[4] = "one";
  char b[4] = "two";
  iovec parts[2] = {{a, 3}, {b, 3}};
  mmsghdr messages[2] = {};
  messages[0].msg_hdr.msg_iov = &parts[0];
  messages[1].msg_hdr.msg_iov = &parts[1];
  messages[0].msg_hdr.msg_iovlen = messages[1].msg_hdr.msg_iovlen = 1;
  EXPECT_EQ(tlsctp_sendmmsg(client, messages, 2, 0), 2);
  EXPECT_EQ(messages[1].msg_len, 3u);
  std::memset(a, 0, 4);
  EXPECT_EQ(tlsctp_recvmmsg(server, messages, 2, 0, nullptr), 2);
  EXPECT_STREQ(a, "one");
  EXPECT_EQ(messages[0].msg_hdr.msg_flags, MSG_EOR);
  ASSERT_EQ(tlsctp_send(client, "three", 3, 0), 3);
  EXPECT_EQ(tlsctp_recvmmsg(server, messages, 2, MSG_WAITFORONE, nullptr), 1);
}

}  // namespace
}  // namespace trunkline::test
