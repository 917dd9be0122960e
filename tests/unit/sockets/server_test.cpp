// SPDX-License-Identifier: BSD-3-Clause
// The sockets thread of two daemons, each with a worker over a real shard, and programs that ask it
// by hand. Nothing here is timed: what takes long is waited for.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "server_fixture.h"
#include "sockets/linux_sctp.h"

namespace trunkline::test {
namespace {

TEST_F(ServerTest, AConnectionIsAcceptedAndCarriesMessages) {
  start();
  Pair pair = establish();
  ASSERT_NE(pair.server, nullptr);
  EXPECT_EQ(pair.client->holder->mask(), "OUT");
  EXPECT_EQ(text_of(pair.client->page().peer), "10.1.0.2:3868");
  EXPECT_EQ(text_of(pair.server->page().local), "10.1.0.2:3868");
  const std::string client_name = text_of(pair.client->page().local);
  EXPECT_EQ(client_name.substr(0, 9), "10.1.0.1:");
  EXPECT_EQ(text_of(pair.server->page().peer), client_name);
  ASSERT_TRUE(pair.client->holder->send("hello"));
  pollfd at{pair.server->holder->handle, POLLIN, 0};
  ASSERT_EQ(poll(&at, 1, 5000), 1);
  EXPECT_EQ(pair.server->holder->read_all(), "hello");
  const SocketSnapshot seen = snapshot(1);
  ASSERT_EQ(seen.sockets.size(), 2u);
  EXPECT_EQ(seen.sockets[0].state, sockets::SocketState::kListening);
  EXPECT_EQ(seen.sockets[0].unaccepted, 0u);
  EXPECT_EQ(seen.sockets[1].state, sockets::SocketState::kEstablished);
  EXPECT_EQ(seen.sockets[1].assoc_id, pair.server->page().assoc_id);
  // The last handle is gone: the peer reads the end, and nothing is left of either.
  pair.client->holder->hang_up();
  ASSERT_EQ(poll(&at, 1, 5000), 1);
  EXPECT_TRUE(pair.server->wait_for(TLS_ENDED));
  pair.server->holder->hang_up();
  EXPECT_TRUE(waits_for_sockets(0, 0));
  EXPECT_TRUE(waits_for_sockets(1, 1));
}

TEST_F(ServerTest, OptionsOfALivingAssociationComeFromItsWorker) {
  start();
  Pair pair = establish();
  ASSERT_NE(pair.server, nullptr);
  sctp_status status{};
  ASSERT_EQ(pair.client->get(IPPROTO_SCTP, SCTP_STATUS, status), 0);
  EXPECT_EQ(status.sstat_state, SCTP_ESTABLISHED);
  EXPECT_EQ(static_cast<uint32_t>(status.sstat_assoc_id), pair.client->page().assoc_id);
  EXPECT_EQ(status.sstat_primary.spinfo_mtu, 1500u);
  EXPECT_EQ(pair.listener->get(IPPROTO_SCTP, SCTP_STATUS, status), EINVAL);
  // An edit reaches the association, and the address of the peer is known.
  sctp_rtoinfo rto{};
  rto.srto_max = 5000;
  rto.srto_min = 50;
  EXPECT_EQ(pair.client->set(IPPROTO_SCTP, SCTP_RTOINFO, bytes_of(rto)), 0);
  rto = {};
  EXPECT_EQ(pair.client->get(IPPROTO_SCTP, SCTP_RTOINFO, rto), 0);
  EXPECT_EQ(rto.srto_max, 5000u);
  EXPECT_EQ(rto.srto_min, 50u);
  sctp_paddrparams params{};
  std::memcpy(&params.spp_address, &pair.client->page().peer.bytes, sizeof(sockaddr_in));
  params.spp_flags = SPP_HB_ENABLE | SPP_HB_DEMAND;
  params.spp_hbinterval = 12345;
  params.spp_pathmaxrxt = 3;
  EXPECT_EQ(pair.client->set(IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, bytes_of(params)), 0);
  sctp_paddrparams got{};
  std::memcpy(&got.spp_address, &params.spp_address, sizeof(got.spp_address));
  EXPECT_EQ(pair.client->get(IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, got), 0);
  EXPECT_EQ(got.spp_hbinterval, 12345u);
  EXPECT_EQ(got.spp_pathmaxrxt, 3u);
  // Lists.
  std::vector<uint8_t> list(256);
  Answer peers = pair.client->get(IPPROTO_SCTP, SCTP_GET_PEER_ADDRS, list, list.size());
  EXPECT_EQ(peers.error, 0);
  EXPECT_EQ(peers.value, 8 + 16);
  EXPECT_EQ(peers.body.size(), 24u);
  Answer locals = pair.server->get(IPPROTO_SCTP, SCTP_GET_LOCAL_ADDRS, list, list.size());
  EXPECT_EQ(locals.error, 0);
  EXPECT_EQ(locals.value, 16);
  // The primary address is the only one.
  sctp_prim prim{};
  EXPECT_EQ(pair.client->get(IPPROTO_SCTP, SCTP_PRIMARY_ADDR, prim), 0);
  EXPECT_EQ(pair.client->set(IPPROTO_SCTP, SCTP_PRIMARY_ADDR, bytes_of(prim)), 0);
}

TEST_F(ServerTest, RefusedConnectsLeaveAFreshSocket) {
  start();
  auto client = ProgramSocket::make(*left);
  ASSERT_EQ(client->bind(ipv4("10.1.0.1", 5000)), 0);
  std::vector<uint8_t> peer = ipv4("10.1.0.2", 9);
  for (int i = 0; i < 3; ++i) {
    peer.resize(16 + 56u * static_cast<size_t>(i), 0x77);  // as much as a program says it is
    ASSERT_EQ(client->connect(peer), 0);
    pollfd at{client->holder->handle, POLLIN, 0};
    ASSERT_EQ(poll(&at, 1, 5000), 1);
    EXPECT_TRUE(client->wait_for(TLS_FRESH));  // the worker writes the state last
    EXPECT_EQ(__atomic_exchange_n(&client->page().error, 0, __ATOMIC_SEQ_CST),
              static_cast<uint32_t>(ECONNREFUSED));
    client->holder->take_tokens();
    client->holder->put_ballast();
    EXPECT_EQ(text_of(client->page().local), "10.1.0.1:5000");
  }
}

TEST_F(ServerTest, WhatIsClosedMayBeBoundAgainAtOnce) {
  start();
  for (int i = 0; i < 20; ++i) {
    auto socket = ProgramSocket::make(*left);
    // Other addresses each time: the workers' endpoint must be gone, too.
    ASSERT_EQ(socket->bind(ipv4(i % 2 == 0 ? "0.0.0.0" : "10.1.0.1", 7000)), 0) << i;
    if (i % 3 != 0) {
      ASSERT_EQ(socket->listen(3), 0);
    }
    if (i % 4 == 0) {
      EXPECT_EQ(socket->ask(TLS_CLOSE).error, 0);
    }
    socket->holder->hang_up();
  }
  EXPECT_TRUE(waits_for_sockets(0, 0));
}

TEST_F(ServerTest, TheBacklogCountsWhatNobodyHasAccepted) {
  start();
  auto listener = ProgramSocket::make(*right);
  ASSERT_EQ(listener->bind(ipv4("0.0.0.0", 3868)), 0);
  ASSERT_EQ(listener->listen(2), 0);
  std::vector<std::unique_ptr<ProgramSocket>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(ProgramSocket::make(*left));
    ASSERT_EQ(clients.back()->connect(ipv4("10.1.0.2", 3868)), 0);
    // What comes while another is being handed out may be established before it is refused.
    for (int k = 0; k < 5000 && clients.back()->state() == TLS_CONNECTING; ++k) usleep(1000);
    if (i < 3) {
      ASSERT_TRUE(waits_for_sockets(1, 2 + static_cast<size_t>(i)));
      continue;
    }
    pollfd at{clients.back()->holder->handle, POLLIN, 0};
    ASSERT_EQ(poll(&at, 1, 5000), 1);
    EXPECT_NE(clients.back()->page().error, 0u);
  }
  EXPECT_EQ(snapshot(1).sockets[0].unaccepted, 3u);
  auto first = listener->accept();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(snapshot(1).sockets[0].unaccepted, 2u);
  // There is room for one again.
  clients.push_back(ProgramSocket::make(*left));
  ASSERT_EQ(clients.back()->connect(ipv4("10.1.0.2", 3868)), 0);
  ASSERT_TRUE(clients.back()->wait_for(TLS_ESTABLISHED));
  // Those that nobody accepted die with the listener; what was accepted does not.
  listener->holder->hang_up();
  EXPECT_TRUE(waits_for_sockets(1, 1));
  EXPECT_EQ(first->state(), static_cast<uint32_t>(TLS_ESTABLISHED));
}

TEST_F(ServerTest, WhoIsGoneLeavesNothing) {
  start();
  {
    Pair pair = establish();
    ASSERT_NE(pair.server, nullptr);
    pair.listener->holder->hang_up();
    pair.server->holder->hang_up();
    pair.client->holder->hang_up();
  }
  left.reset();
  right.reset();
  EXPECT_TRUE(waits_for_sockets(0, 0));
  EXPECT_TRUE(waits_for_sockets(1, 0));
}

TEST_F(ServerTest, LingerDecidesHowASocketEnds) {
  start();
  const linger none{1, 0};
  const linger some{1, 60};
  Pair pair = establish();
  ASSERT_NE(pair.server, nullptr);
  EXPECT_EQ(pair.client->set(SOL_SOCKET, SO_LINGER, bytes_of(none)), 0);
  pair.client->holder->hang_up();
  ASSERT_TRUE(pair.server->wait_for(TLS_ENDED));
  EXPECT_EQ(pair.server->page().error, static_cast<uint32_t>(ECONNRESET));
  Pair other = establish(3869);
  ASSERT_NE(other.server, nullptr);
  EXPECT_TRUE(waits_for_sockets(0, 1));
  EXPECT_EQ(other.client->set(SOL_SOCKET, SO_LINGER, bytes_of(some)), 0);
  EXPECT_EQ(other.client->ask(TLS_CLOSE).error, 0);
  // The answer came when the peer had agreed, and nothing of it is left.
  EXPECT_EQ(snapshot(0).sockets.size(), 0u);
  ASSERT_TRUE(other.server->wait_for(TLS_ENDED));
  EXPECT_EQ(other.server->page().error, 0u);
}

TEST_F(ServerTest, AHandleProvesWhoseItIs) {
  start();
  auto socket = ProgramSocket::make(*left);
  Program other(left_config.place.path);
  ASSERT_EQ(other.hello(), 0);
  tls_request head{};
  head.kind = TLS_IDENTIFY;
  const Answer known = other.ask(head, {}, socket->holder->handle);
  EXPECT_EQ(known.error, 0);
  ASSERT_EQ(known.fds.size(), 1u);
  const Answer unknown = other.ask(head, {}, other.fd);
  EXPECT_EQ(unknown.error, ENOTSOCK);
  EXPECT_EQ(other.ask(head).error, ENOTSOCK);
  // Who has mapped its memory may use it from another process, who only guesses may not.
  tls_request bind = socket->request(TLS_BIND);
  EXPECT_EQ(other.ask(bind, ipv4("10.1.0.1", 4000)).error, 0);
  bind.key ^= 1;
  EXPECT_EQ(other.ask(bind, ipv4("10.1.0.1", 4000)).error, ECONNRESET);
  ::close(known.fds[0]);
}

// A file whose inode has the number of a handle's: anybody can make one, in a file system of its
// own.
int file_with_inode(ino_t wanted, const std::string& folder) {
  const std::string uids = "0 " + std::to_string(geteuid()) + " 1";
  const std::string gids = "0 " + std::to_string(getegid()) + " 1";
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return -1;
  const auto put = [](const char* path, const std::string& what) {
    const int to = open(path, O_WRONLY | O_CLOEXEC);
    return write(to, what.data(), what.size()) == static_cast<ssize_t>(what.size());
  };
  if (!put("/proc/self/setgroups", "deny") || !put("/proc/self/uid_map", uids) ||
      !put("/proc/self/gid_map", gids)) {
    return -1;
  }
  if (mount("none", folder.c_str(), "tmpfs", 0, nullptr) != 0) return -1;
  const std::string path = folder + "/socket";
  for (;;) {
    struct stat info {};
    if (mknod(path.c_str(), S_IFSOCK | 0600, 0) != 0 || stat(path.c_str(), &info) != 0) return -1;
    if (info.st_ino > wanted) return -1;
    if (info.st_ino == wanted) return open(path.c_str(), O_PATH);
    unlink(path.c_str());
  }
}

TEST_F(ServerTest, AFileWithTheNumberOfAHandleProvesNothing) {
  start();
  auto socket = ProgramSocket::make(*left);
  struct stat handle {};
  ASSERT_EQ(fstat(socket->holder->handle, &handle), 0);
  if (handle.st_ino > 200'000) GTEST_SKIP() << "too many files to make";
  Program other(left_config.place.path);
  ASSERT_EQ(other.hello(), 0);
  constexpr int kNoFile = 255;
  const pid_t child = fork();
  if (child == 0) {
    const int file = file_with_inode(handle.st_ino, folder);
    if (file < 0) _exit(kNoFile);
    tls_request head{};
    head.kind = TLS_IDENTIFY;
    _exit(other.ask(head, {}, file).error);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == kNoFile) GTEST_SKIP() << "no such file can be made here";
  EXPECT_EQ(WEXITSTATUS(status), ENOTSOCK);
}

// Closing what a program has passed may take as long as it likes; nobody else waits for that.
TEST_F(ServerTest, ADescriptorThatCannotBeClosedHoldsUpNobody) {
  start();
  auto socket = ProgramSocket::make(*left);
  Program other(left_config.place.path);
  ASSERT_EQ(other.hello(), 0);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(at);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&at), length), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length), 0);
  const int full = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::connect(full, reinterpret_cast<sockaddr*>(&at), length), 0);
  const linger an_hour = {1, 3600};
  ASSERT_EQ(setsockopt(full, SOL_SOCKET, SO_LINGER, &an_hour, sizeof(an_hour)), 0);
  const std::vector<uint8_t> bytes(65536);
  while (::send(full, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
  }
  tls_request head{};
  head.kind = TLS_IDENTIFY;
  other.send(head, {}, full);
  std::thread last([full] { ::close(full); });  // or the daemon's close is
  EXPECT_EQ(other.answer().error, ENOTSOCK);
  EXPECT_EQ(socket->bind(ipv4("10.1.0.1", 0)), 0);
  ::close(listener);  // and with it the other end, which nobody has accepted
  last.join();
}

TEST_F(ServerTest, LimitsAreRefusedAsLinuxWould) {
  left_config.limits.max_sockets = 8;
  left_config.limits.max_sockets_per_uid = 6;
  left_config.limits.max_sockets_per_process = 4;
  start();
  tls_request head{};
  head.kind = TLS_SOCKET;
  head.a = AF_INET;
  head.b = SOCK_STREAM;
  std::vector<std::unique_ptr<ProgramSocket>> sockets;
  for (int i = 0; i < 4; ++i) sockets.push_back(ProgramSocket::make(*left));
  EXPECT_EQ(left->ask(head).error, EMFILE);
  Program other(left_config.place.path);
  ASSERT_EQ(other.hello(), 0);
  for (int i = 0; i < 2; ++i) sockets.push_back(ProgramSocket::make(other));
  EXPECT_EQ(other.ask(head).error, ENFILE);
  EXPECT_EQ(snapshot(0).counters.refused_process_sockets, 1u);
  EXPECT_EQ(snapshot(0).counters.refused_user_sockets, 1u);
  sockets.front()->holder->hang_up();
  EXPECT_TRUE(waits_for_sockets(0, 5));
  sockets.push_back(ProgramSocket::make(*left));
  EXPECT_EQ(left->ask(head).error, EMFILE);
  head.a = AF_UNIX;
  EXPECT_EQ(left->ask(head).error, EAFNOSUPPORT);
  head.a = AF_INET;
  head.b = SOCK_DGRAM;
  EXPECT_EQ(left->ask(head).error, ESOCKTNOSUPPORT);
}

TEST_F(ServerTest, OnlyTheUsersOfRulesComeIn) {
  left_config.permissions = {{UINT32_MAX - 7, std::nullopt, {{1, 65535}}, true}};
  right_config.permissions = {{std::nullopt, std::nullopt, {{100, 200}}, false}};
  serve();
  Program stranger(left_config.place.path);
  ASSERT_TRUE(stranger.connected);
  EXPECT_EQ(stranger.hello(), EACCES);
  EXPECT_EQ(snapshot(0).counters.refused_permission, 1u);
  Program guest(right_config.place.path);
  ASSERT_EQ(guest.hello(), 0);
  auto socket = ProgramSocket::make(guest);
  EXPECT_EQ(socket->bind(ipv4("0.0.0.0", 99)), EACCES);
  EXPECT_EQ(socket->bind(ipv4("0.0.0.0", 0)), EACCES);
  EXPECT_EQ(socket->listen(1), EACCES);
  EXPECT_EQ(socket->connect(ipv4("10.1.0.1", 3868)), EACCES);
  EXPECT_EQ(socket->bind(ipv4("0.0.0.0", 150)), 0);
  EXPECT_EQ(snapshot(1).counters.refused_permission, 4u);
}

// Bytes that are no request end the connection, and nobody else's.
TEST_F(ServerTest, JunkEndsOnlyWhoSendsIt) {
  start();
  auto socket = ProgramSocket::make(*left);
  for (size_t size : {size_t{1}, sizeof(tls_request) - 1, sizeof(tls_request), size_t{20000}}) {
    Program junk(left_config.place.path);
    ASSERT_TRUE(junk.connected);
    const std::vector<uint8_t> bytes(size, 0x5a);
    ::send(junk.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    EXPECT_EQ(junk.answer().error, EPROTO);
    EXPECT_EQ(junk.answer().error, -1);
  }
  // Before hello, nothing is served.
  Program early(left_config.place.path);
  tls_request head{};
  head.kind = TLS_SOCKET;
  EXPECT_EQ(early.ask(head).error, EPROTO);
  EXPECT_EQ(socket->ask(99).error, EINVAL);
  EXPECT_EQ(socket->bind(ipv4("10.1.0.1", 0)), 0);
}

}  // namespace
}  // namespace trunkline::test
