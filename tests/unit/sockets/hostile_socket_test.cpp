// SPDX-License-Identifier: BSD-3-Clause
// Programs that write what no correct one writes: their socket ends, and nobody else notices.
#include <fcntl.h>

#include "../../support/control_message.h"
#include "socket_test.h"

namespace trunkline::test {
namespace {

class HostileSocketTest : public SocketTest {
 protected:
  HostileSocketTest() { pair = establish(); }
  // The peer hears of it by an ABORT, the holder by an error.
  void expect_ended(SocketCounter why) {
    net.turns(20);
    EXPECT_EQ(counter(left, why), 1u) << sockets::counter_name(why);
    EXPECT_EQ(pair.client.page().state, TLS_ENDED);
    EXPECT_EQ(pair.client.page().error, static_cast<uint32_t>(EIO));
    EXPECT_EQ(pair.server.page().error, static_cast<uint32_t>(ECONNRESET));
    EXPECT_EQ(left.host->shard.association_count(), 0u);
    close(left, pair.client);
    EXPECT_TRUE(news(left, NewsKind::kGone, 5).has_value());
    expect_others_live();
  }
  void expect_others_live() {
    TestSocket client = make(left);
    ASSERT_EQ(connect(left, client, right), Status::kOk);
    TestSocket server = accept(right);
    ASSERT_TRUE(client->send("still here"));
    net.turns(20);
    EXPECT_EQ(server->read_all(), "still here");
  }
  // Some words, of the page, the tables and the rings; small numbers and odd ones; and a kick.
  void scribble(TestSocket& socket, SeededRandom& dice) {
    auto* const words = reinterpret_cast<uint32_t*>(&socket.page());
    const uint64_t heads = tls_layout_of(&geometry).channel + tlr_layout_of(&geometry).tx_data;
    for (uint64_t n = 1 + dice.below(20); n != 0; --n) {
      const uint64_t at = dice.below(2) == 0
                              ? dice.below(heads / 4)  // else: indices, first entries
                              : (tls_layout_of(&geometry).channel / 4 + dice.below(256));
      const uint32_t value =
          dice.below(2) == 0 ? static_cast<uint32_t>(dice.below(600)) : dice.u32();
      store_relaxed(words[at], value);
    }
    left.kicks.kick(socket.end->index());
    left.kicks.kick(static_cast<uint32_t>(dice.below(TLS_MAX_SOCKETS)));
  }
  tlr_submission message(uint32_t slot, uint32_t length) {
    tlr_submission out{};
    out.op = TLR_OP_SEND;
    out.slot = slot;
    out.length = length;
    return out;
  }
  static tlr_submission limit(uint8_t policy) {
    tlr_submission out{};
    out.op = TLR_OP_LIMIT;
    out.flags = policy;
    out.length = 100;
    return out;
  }
  Pair pair;
};

// Whoever reads a descriptor out of the handle's queue closes it, and that may take for ever: the
// worker must not.
TEST_F(HostileSocketTest, DescriptorsInTheHandle) {
  const int on = 1;  // as on a kernel that cannot keep them out
  setsockopt(pair.client.end->pair_fd(), SOL_SOCKET, 83 /* SO_PASSRIGHTS */, &on, sizeof(on));
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  char byte = 'x';
  iovec part{&byte, 1};
  ControlMessage message({&part, 1});
  message.put(SOL_SOCKET, SCM_RIGHTS, pipe_fds[1]);
  ASSERT_EQ(sendmsg(pair.client->handle, &message, MSG_NOSIGNAL), 1);
  ::close(pipe_fds[1]);
  store_seq_cst(pair.client.page().full, 1);
  pair.client->kick();
  net.turns(5);
  EXPECT_EQ(pair.client.page().full, 0u);
  pollfd open = {pipe_fds[0], POLLIN, 0};
  EXPECT_EQ(poll(&open, 1, 0), 0) << "closed";
  ::close(pipe_fds[0]);
  expect_others_live();
}

// However many processes kick, and whatever they kick, a turn looks at no more than it has time
// for; and each of them gets its turn.
TEST_F(HostileSocketTest, ManyProcessesThatKick) {
  std::vector<KickMemory> many(100);
  for (KickMemory& process : many) left.host->sockets.add_process(process.area);
  const auto kick_all = [&] {
    for (KickMemory& process : many) {
      for (uint32_t index = 1000; index < 1128; ++index) process.kick(index);
    }
  };
  const auto kicks = [&] { return counter(left, SocketCounter::k_drop_kick); };
  uint64_t before = kicks();
  for (int turn = 0; turn < 20; ++turn) {
    kick_all();
    net.turn();
    EXPECT_LE(kicks() - before, 256u);
    before = kicks();
  }
  // Now one turn is enough for everybody.
  kick_all();
  ASSERT_TRUE(pair.client->send("not the last"));
  net.turn();
  EXPECT_EQ(counter(left, SocketCounter::k_socket_messages_in), 1u);
  for (KickMemory& process : many) left.host->sockets.remove_process(process.area);
}

class FewSubmissionsTest : public SocketTest {
 protected:
  static sockets::SocketBridgeConfig few() {
    sockets::SocketBridgeConfig out;
    out.all_submissions = 3;
    return out;
  }
  FewSubmissionsTest() : SocketTest(few()) {}
};

// All sockets together have as many submissions taken a turn as there is time for; the rest waits.
TEST_F(FewSubmissionsTest, NoneIsForgotten) {
  Pair pair = establish();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pair.client->send("one of ten"));
  for (uint64_t wanted : {3u, 6u, 9u, 10u}) {
    net.turn();
    EXPECT_EQ(counter(left, SocketCounter::k_socket_messages_in), wanted);
    EXPECT_EQ(left.host->sockets.has_work(), wanted != 10);
  }
}

// The end of a turn parts no limit from its message.
TEST_F(FewSubmissionsTest, ALimitAndItsMessageAreTakenTogether) {
  Pair pair = establish();
  const Limit limit{TLR_POLICY_PRIORITY, 7};
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(pair.client->send("one of five", 0, 0, 0, 0, limit));
  for (uint64_t wanted : {2u, 4u, 5u}) {
    net.turn();
    EXPECT_EQ(counter(left, SocketCounter::k_socket_messages_in), wanted);
    EXPECT_EQ(left.host->sockets.has_work(), wanted != 5);
  }
}

TEST_F(HostileSocketTest, SubmissionIndexTooFar) {
  store_seq_cst(pair.client->words().submission_produced.value, 100'000);
  pair.client->kick();
  expect_ended(SocketCounter::k_fault_bad_index);
}

TEST_F(HostileSocketTest, SubmissionIndexBackwards) {
  ASSERT_TRUE(pair.client->send("x"));
  net.turns(5);
  store_seq_cst(pair.client->words().submission_produced.value, 0);
  pair.client->kick();
  expect_ended(SocketCounter::k_fault_bad_index);
}

TEST_F(HostileSocketTest, ReturnIndexTooFar) {
  store_seq_cst(pair.client->words().return_produced.value, 5'000);
  pair.client->kick();
  expect_ended(SocketCounter::k_fault_bad_index);
}

TEST_F(HostileSocketTest, UnknownOperation) {
  tlr_submission out{};
  out.op = TLR_OP_LISTEN;
  pair.client->submit(out);
  expect_ended(SocketCounter::k_fault_bad_operation);
}

TEST_F(HostileSocketTest, UnknownFlag) {
  tlr_submission out = message(0, 10);
  out.flags = 0x80;
  pair.client->submit(out);
  expect_ended(SocketCounter::k_fault_bad_operation);
}

TEST_F(HostileSocketTest, LimitWithoutAMessage) {
  pair.client->submit(limit(TLR_POLICY_LIFETIME));
  expect_ended(SocketCounter::k_fault_bad_operation);
}

TEST_F(HostileSocketTest, LimitOfAnotherOperation) {
  pair.client->submit(limit(TLR_POLICY_LIFETIME));
  pair.client->operation(TLR_OP_SHUTDOWN);
  expect_ended(SocketCounter::k_fault_bad_operation);
}

TEST_F(HostileSocketTest, UnknownPolicy) {
  pair.client->submit(limit(TLR_POLICY_PRIORITY + 1));
  pair.client->submit(message(0, 10));
  expect_ended(SocketCounter::k_fault_bad_operation);
}

TEST_F(HostileSocketTest, LimitThatSaysMore) {
  tlr_submission out = limit(TLR_POLICY_LIFETIME);
  out.context = 1;
  pair.client->submit(out);
  pair.client->submit(message(0, 10));
  expect_ended(SocketCounter::k_fault_bad_operation);
}

TEST_F(HostileSocketTest, ImpossibleLength) {
  pair.client->submit(message(0, UINT32_MAX));
  expect_ended(SocketCounter::k_fault_bad_length);
}

TEST_F(HostileSocketTest, SlotOutOfRange) {
  pair.client->submit(message(geometry.tx_slots, 10));
  expect_ended(SocketCounter::k_fault_bad_slot);
}

TEST_F(HostileSocketTest, ChainWithACycle) {
  pair.client->chain()[3] = 4;
  pair.client->chain()[4] = 3;
  pair.client->submit(message(3, 10 * geometry.slot_size));
  expect_ended(SocketCounter::k_fault_slot_twice);
}

TEST_F(HostileSocketTest, SlotTwice) {
  pair.client->submit(message(3, 100));
  pair.client->submit(message(3, 100));
  expect_ended(SocketCounter::k_fault_slot_twice);
}

TEST_F(HostileSocketTest, ReturnsOfWhatWasNotLentAreCounted) {
  for (const uint32_t slot : {0u, 5u, 70'000u}) pair.client->give_back(slot);
  pair.client->kick();
  net.turns(5);
  EXPECT_EQ(counter(left, SocketCounter::k_refuse_bad_socket_return), 3u);
  EXPECT_EQ(pair.client.page().state, TLS_ESTABLISHED);
  ASSERT_TRUE(pair.client->send("alive"));
  net.turns(20);
  EXPECT_EQ(pair.server->read_all(), "alive");
}

TEST_F(HostileSocketTest, AnotherAssociationsName) {
  TestSocket other = make(left);
  ASSERT_EQ(connect(left, other, right), Status::kOk);
  TestSocket its_server = accept(right);
  pair.client.page().assoc_index = other.page().assoc_index;
  pair.client.page().assoc_generation = other.page().assoc_generation;
  pair.client->submit(message(3, 100));
  pair.client->operation(TLR_OP_ABORT);
  net.turns(20);
  EXPECT_EQ(counter(left, SocketCounter::k_drop_stale_submission), 1u);
  EXPECT_EQ(other.page().state, TLS_ESTABLISHED);
  EXPECT_EQ(its_server->waiting(), 0u);
}

TEST_F(HostileSocketTest, KicksOfAllSocketsAtOnceCostAFewLooksATurn) {
  for (uint64_t& word : left.kicks.area.kicks->bits) word = ~uint64_t{0};
  for (uint64_t& word : left.kicks.area.kicks->summary) word = ~uint64_t{0};
  const auto looks = [&] {
    return counter(left, SocketCounter::k_socket_kicks) + counter(left, SocketCounter::k_drop_kick);
  };
  uint64_t before = looks();
  for (int i = 0; i < 10; ++i) {
    net.turn();
    EXPECT_EQ(looks() - before, 64u);
    before = looks();
  }
  // Its own socket, too, has its turn in the end.
  ASSERT_TRUE(pair.client->send("in its turn"));
  net.turns(1100);
  EXPECT_EQ(pair.server->read_all(), "in its turn");
  EXPECT_EQ(looks() - before, TLS_MAX_SOCKETS - 640 + 1);
}

TEST_F(HostileSocketTest, APageOfNonsense) {
  tls_page& page = pair.client.page();
  page.tokens = UINT32_MAX;
  page.full = 77;
  page.send_buffer = 0;
  page.receive_buffer = 1;
  page.names = 12345;
  page.tx_free_count = UINT32_MAX;
  page.options.events = UINT32_MAX;
  ASSERT_TRUE(pair.server->send("x"));
  net.turns(20);
  close(left, pair.client);
  expect_others_live();
}

TEST_F(HostileSocketTest, MemoryThatVanishes) {
  // What a sealed memfd still allows: pages taken away. They come again as zeros.
  ASSERT_TRUE(pair.server->send("x"));
  ASSERT_EQ(fallocate(pair.client.end->memory_fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(tls_layout_of(&geometry).size)),
            0);
  pair.client->kick();
  net.turns(20);
  close(left, pair.client);
  expect_others_live();
}

// Whoever scribbles over all that it can map harms its own sockets alone.
TEST_F(HostileSocketTest, AScribblerHarmsOnlyItself) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SeededRandom dice(seed);
    TestSocket bystander = make(left);
    ASSERT_EQ(connect(left, bystander, right), Status::kOk);
    TestSocket its_server = accept(right);
    TestSocket hostile = make(left);
    ASSERT_EQ(connect(left, hostile, right), Status::kOk);
    TestSocket victim = accept(right);
    std::string wanted;
    std::string got;
    for (int i = 0; i < 60; ++i) {
      if (i % 3 == 0) (void)victim->send("x", static_cast<uint16_t>(i % 10));
      scribble(hostile, dice);
      const std::string message = "m" + std::to_string(i);
      if (bystander->send(message)) wanted += message;
      net.turn();
      got += its_server->read_all();
    }
    net.turns(40);
    got += its_server->read_all();
    EXPECT_EQ(got, wanted) << seed;
    EXPECT_EQ(bystander.page().state, TLS_ESTABLISHED) << seed;
    EXPECT_EQ(left.host->shard.receive_memory_fault(), nullptr) << seed;
    for (TestSocket* socket : {&hostile, &bystander}) {
      close(left, *socket);
      EXPECT_TRUE(news(left, NewsKind::kGone).has_value()) << seed;
    }
    for (TestSocket* socket : {&victim, &its_server}) close(right, *socket);
    net.turns(50);
  }
  EXPECT_EQ(left.user->shares[0].units, 0u);
}

}  // namespace
}  // namespace trunkline::test
