// SPDX-License-Identifier: BSD-3-Clause
// Threads that read, send and peel off by one one-to-many socket at once, over a daemon in this
// process. What they share is told by ThreadSanitizer, too (suite threads-tsan).
#include <poll.h>

#include "asleep.h"
#include "attachment.h"
#include "calls.h"
#include "descriptor_table.h"
#include "many_traffic.h"
#include "members.h"
#include "socket_lock.h"

#if defined(__SANITIZE_THREAD__)
// The library closes descriptors by system calls, which ThreadSanitizer does not see: it takes the
// daemon's next one of that number for the same.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race_top:close\n";
}
#endif

namespace trunkline::test {
namespace {

class ManyThreadsTest : public ManyTraffic {
 protected:
  ManyThreadsTest() : ManyTraffic(20'000) {}
  static sctp::Socket& socket_of(int fd) { return *sctp::descriptors::Use(fd); }
  // As sctp_peeloff(), but what the front's readers have of it is left as it is.
  static int begin_to_peel_off(sctp::Socket& front, sctp_assoc_t id) {
    sctp::attachment::Request request;
    request.kind = TLS_PEEL_OFF;
    request.socket = front.page;
    request.a = id;
    sctp::attachment::Reply reply;
    if (sctp::attachment::request(request, reply) != 0) return -1;
    return static_cast<int>(sctp::calls::adopt(reply.descriptors[0], reply.descriptors[1], 0));
  }
};

TEST_F(ManyThreadsTest, ReadersSendersAndOneWhoPeelsOff) {
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([this] { EXPECT_TRUE(read_numbers(front, *board, messages)); });
  }
  std::thread peeler([this] { peel_some_off(); });
  std::vector<std::thread> senders;
  for (int i = 0; i < 2; ++i) senders.emplace_back([this] { send_runs(); });
  for (std::thread& sender : senders) sender.join();
  board->stop = 1;
  peeler.join();
  wait_until_read();
  send_ends(3);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(board->received, messages);
  EXPECT_EQ(board->twice, 0u);
  EXPECT_EQ(board->late, 0u);
  expect_runs_in_order();
}

// By one socket to its associations, and to all of them at once.
TEST_F(ManyThreadsTest, SendersOfOneSocket) {
  constexpr int kPeers = 3;
  constexpr int kMessages = 400;
  int peers[kPeers];
  for (int& peer : peers) peer = connect_one();
  std::vector<sctp_assoc_t> to;
  while (to.size() != kPeers) to = ids();
  const auto send_to_each = [&](sctp_assoc_t id, uint16_t flags) {
    for (int i = 0; i < kMessages; ++i) EXPECT_EQ(send_to(id, &i, sizeof(i), flags), 4);
  };
  std::vector<std::thread> threads;
  for (const sctp_assoc_t id : to) threads.emplace_back(send_to_each, id, uint16_t{0});
  threads.emplace_back(send_to_each, 0, uint16_t{SCTP_SENDALL});
  for (const int peer : peers) {
    threads.emplace_back([peer] {
      int number = 0;
      for (int i = 0; i < 2 * kMessages; ++i) EXPECT_EQ(tlsctp_recv(peer, &number, 4, 0), 4);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int peer : peers) tlsctp_close(peer);
}

// Who waits for the end of its last association asks whether there is any left: what came before
// the answer is read, though it was not there before the question.
TEST_F(ManyThreadsTest, TheLastEndIsReadWhereNobodyIsLeft) {
  const int caller = make(SOCK_SEQPACKET);
  sctp_event what{};
  what.se_type = SCTP_ASSOC_CHANGE;
  what.se_on = 1;
  ASSERT_EQ(tlsctp_setsockopt(caller, IPPROTO_SCTP, SCTP_EVENT, &what, sizeof(what)), 0);
  const auto wait_for = [&](uint16_t state) {
    union {
      sctp_notification told;
      char bytes[256];
    };
    const ssize_t size = tlsctp_recv(caller, bytes, sizeof(bytes), 0);
    ASSERT_GT(size, 0) << std::strerror(errno);
    ASSERT_EQ(told.sn_header.sn_type, SCTP_ASSOC_CHANGE);
    ASSERT_EQ(told.sn_assoc_change.sac_state, state);
  };
  for (int i = 0; i < 500 && !HasFatalFailure(); ++i) {
    char byte = 0;
    ASSERT_EQ(call(caller, &byte, 1), 1);
    wait_for(SCTP_COMM_UP);
    ASSERT_EQ(tlsctp_recv(front, &byte, 1, 0), 1);
    ASSERT_EQ(call(caller, nullptr, 0, SCTP_EOF), 0);
    wait_for(SCTP_SHUTDOWN_COMP);
  }
  tlsctp_close(caller);
}

TEST_F(ManyThreadsTest, SendAllReachesEach) {
  int peers[3];
  for (int& peer : peers) peer = connect_one();
  while (ids().size() != 3) {
  }
  ASSERT_EQ(send_to(0, "x", 1, SCTP_SENDALL), 1);
  for (const int peer : peers) {
    pollfd at{peer, POLLIN, 0};
    EXPECT_EQ(tlsctp_poll(&at, 1, 5000), 1);
    tlsctp_close(peer);
  }
}

// A sender that waits for room hears that it is not the front's business any more.
TEST_F(ManyThreadsTest, WhoWaitsForRoomIsWokenByThePeelingOff) {
  const int peer = connect_one();
  const int other = connect_one();
  while (ids().size() != 2) {
  }
  const sctp_assoc_t id = ids()[0];
  sctp::Member member;
  ASSERT_EQ(sctp::members::with_id(socket_of(front), static_cast<uint32_t>(id), member), 0);
  Asleep asleep;
  std::thread sender([&] {
    const std::string text(1000, 'x');
    asleep.here();
    while (send_to(id, text.data(), text.size()) == 1000) {
    }
    EXPECT_EQ(errno, EPIPE);
  });
  while (load_seq_cst(member->page->full) == 0) ::usleep(1000);
  asleep.wait();
  const int own = peel_off(id);
  EXPECT_GE(own, 0);
  sender.join();
  // The front has room for its other association.
  pollfd at{front, POLLOUT, 0};
  EXPECT_EQ(tlsctp_poll(&at, 1, kPatience * 1000), 1);
  for (const int fd : {peer, other, own}) tlsctp_close(fd);
}

// Nobody reads by the front while it is done.
TEST_F(ManyThreadsTest, PeelingOffWaitsForReaders) {
  const int peer = connect_one();
  while (ids().size() != 1) {
  }
  const sctp_assoc_t id = ids()[0];
  {
    // As a signal handler that interrupts who has it.
    const sctp::Locked held(*socket_of(front).page, sctp::Locked::kReceive);
    EXPECT_EQ(peel_off(id), -1);
    EXPECT_EQ(errno, EAGAIN);
  }
  const int own = peel_off(id);
  EXPECT_GE(own, 0);
  EXPECT_EQ(tlsctp_send(front, "x", 1, MSG_NOSIGNAL), -1);
  tlsctp_close(own);
  tlsctp_close(peer);
}

// Who died with the lock in the middle of peeling off leaves a reader beside the worker: tokens of
// the member's handle are left to who reads that, those of the front to its readers.
TEST_F(ManyThreadsTest, AReaderOfTheFrontLeavesTheTokensOfAMemberAlone) {
  const int peer = connect_one();
  ASSERT_EQ(tlsctp_send(peer, "hello", 5, 0), 5);
  char text[8];
  ASSERT_EQ(tlsctp_recv(front, text, 1, MSG_PEEK), 1);
  sctp::Socket& socket = socket_of(front);
  sctp::Member member;
  ASSERT_EQ(sctp::members::with_id(socket, static_cast<uint32_t>(ids().at(0)), member), 0);
  const int own = begin_to_peel_off(socket, ids().at(0));
  ASSERT_GE(own, 0);
  EXPECT_EQ(load_seq_cst(member->page->tokens), 1u);
  // As one that had found the member before.
  store_seq_cst(member->page->front, socket.page->index);
  EXPECT_EQ(tlsctp_recv(front, text, sizeof(text), MSG_DONTWAIT), 5);
  store_seq_cst(member->page->front, TLS_NO_FRONT);
  EXPECT_EQ(load_seq_cst(member->page->tokens), 1u);
  EXPECT_EQ(tlsctp_recv(own, text, sizeof(text), MSG_DONTWAIT), -1);
  EXPECT_EQ(load_seq_cst(member->page->tokens), 0u);
  pollfd at{own, POLLIN, 0};
  EXPECT_EQ(tlsctp_poll(&at, 1, 0), 0);
  tlsctp_close(own);
  tlsctp_close(peer);
}

// Who has more than it had when its turn came waits behind the others.
TEST_F(ManyThreadsTest, AssociationsTakeTurns) {
  const int one = connect_one();
  const int two = connect_one();
  while (ids().size() != 2) {
  }
  sctp::Member members[2];
  for (size_t i = 0; i < 2; ++i) {
    const auto id = static_cast<uint32_t>(ids()[i]);
    ASSERT_EQ(sctp::members::with_id(socket_of(front), id, members[i]), 0);
  }
  uint32_t sent = 0;
  for (const auto& [peer, text] : {std::pair{one, "a1"}, {two, "b1"}, {one, "a2"}, {one, "a3"}}) {
    ASSERT_EQ(tlsctp_send(peer, text, 2, 0), 2);
    ++sent;
    while (members[0]->rings().produced() + members[1]->rings().produced() != sent) {
    }
  }
  std::string order;
  for (int i = 0; i < 4; ++i) {
    char text[2];
    ASSERT_EQ(tlsctp_recv(front, text, sizeof(text), 0), 2);
    order.append(text, 2);
  }
  EXPECT_EQ(order, "a1b1a2a3");
  tlsctp_close(one);
  tlsctp_close(two);
}

// A limit in front of an abort would be a fault, which ends it without a word.
TEST_F(ManyThreadsTest, AnAbortHasNoLimit) {
  const int peer = connect_one();
  while (ids().size() != 1) {
  }
  sctp_event lost{};
  lost.se_type = SCTP_ASSOC_CHANGE;
  lost.se_on = 1;
  ASSERT_EQ(tlsctp_setsockopt(peer, IPPROTO_SCTP, SCTP_EVENT, &lost, sizeof(lost)), 0);
  EXPECT_EQ(send_to(ids()[0], "why", 3, SCTP_ABORT | SCTP_PR_SCTP_RTX), 0);
  char told[256];
  const ssize_t n = tlsctp_recv(peer, told, sizeof(told), 0);
  ASSERT_GT(n, 3);
  EXPECT_NE(std::string(told, static_cast<size_t>(n)).find("why"), std::string::npos);
  tlsctp_close(peer);
}

TEST_F(ManyThreadsTest, EofShutsDownAndAbortAborts) {
  for (const uint16_t how : {uint16_t{SCTP_EOF}, uint16_t{SCTP_ABORT}}) {
    const int peer = connect_one();
    while (ids().size() != 1) {
    }
    EXPECT_EQ(send_to(ids()[0], "", 0, how), 0);
    char byte = 0;
    const ssize_t n = tlsctp_recv(peer, &byte, 1, 0);
    if (how == SCTP_EOF) {
      EXPECT_EQ(n, 0);
    } else {
      EXPECT_EQ(n, -1);
      EXPECT_EQ(errno, ECONNRESET);
    }
    tlsctp_close(peer);
    while (!ids().empty()) {
    }
  }
}

}  // namespace
}  // namespace trunkline::test
