// SPDX-License-Identifier: BSD-3-Clause
// How many sockets and programs there may be: what the machine's limits come to, and that each
// refusal has its errno and its counter, and harms nobody who is there already.
#include <sys/syscall.h>

#include <cerrno>
#include <filesystem>

#include "server_fixture.h"
#include "sockets/socket_limits.h"

namespace trunkline::test {
namespace {

using sockets::MachineRoom;
using sockets::ServerCounters;
using sockets::SocketLimits;
using sockets::SocketRoom;

TEST(SocketRoomTest, IsWhatTheConfigurationSaysWhereTheMachineHasMuch) {
  SocketLimits limits;
  limits.max_sockets = 800;
  limits.max_processes = 80;
  MachineRoom machine;
  machine.memory = 1000;
  SocketRoom room = SocketRoom::of(limits, machine, 2);
  EXPECT_EQ(room.sockets, 800u);
  EXPECT_EQ(room.sockets_per_uid, 700u);
  EXPECT_EQ(room.accepted_per_uid, 613u);
  EXPECT_EQ(room.processes, 80u);
  EXPECT_EQ(room.processes_per_uid, 70u);
  EXPECT_EQ(room.resident_per_uid, 500u);
  EXPECT_EQ(room.refused_sockets, &ServerCounters::refused_sockets);
  EXPECT_EQ(room.refused_processes, &ServerCounters::refused_processes);
  limits.max_sockets_per_uid = 800;
  limits.max_processes_per_uid = 80;
  limits.max_resident_per_uid = 7;
  room = SocketRoom::of(limits, machine, 2);
  EXPECT_EQ(room.sockets_per_uid, 800u);
  EXPECT_EQ(room.processes_per_uid, 80u);
  EXPECT_EQ(room.resident_per_uid, 7u);
}

// Whatever there is, a sixteenth stays free when all have what they may, and no user has all of it.
TEST(SocketRoomTest, LeavesRoomForTheRestOfTheDaemon) {
  SocketLimits limits;
  limits.max_sockets_per_uid = limits.max_sockets;
  for (uint64_t limit = 256; limit <= 65536; limit *= 2) {
    for (const uint16_t workers : {uint16_t{1}, uint16_t{2}, uint16_t{8}}) {
      MachineRoom machine;
      machine.descriptors = limit;
      machine.open = 100;
      const SocketRoom room = SocketRoom::of(limits, machine, workers);
      EXPECT_LE(16 * (machine.open + room.processes * (2u + workers) + room.sockets * 2u),
                15 * limit);
      EXPECT_EQ(room.last_descriptor, static_cast<int>(limit - limit / 16));
      if (room.sockets == limits.max_sockets) continue;
      EXPECT_EQ(room.refused_sockets, &ServerCounters::refused_descriptors);
      EXPECT_LE(room.sockets_per_uid, room.sockets - room.sockets / 8);
    }
  }
  MachineRoom machine;
  machine.mappings = 4096;
  machine.mapped = 1000;
  const SocketRoom room = SocketRoom::of(limits, machine, 1);
  EXPECT_EQ(room.sockets, 4096u - 256 - 1000 - room.processes);
  EXPECT_EQ(room.refused_sockets, &ServerCounters::refused_mappings);
  machine = {};
  machine.descriptors = 0;
  EXPECT_EQ(SocketRoom::of(limits, machine, 1).sockets, 0u);
  EXPECT_EQ(SocketRoom::of(limits, machine, 1).processes, 0u);
  EXPECT_EQ(SocketRoom::of(limits, machine, 1).refused_processes,
            &ServerCounters::refused_descriptors);
}

TEST(SocketRoomTest, TheMachineIsMeasured) {
  const MachineRoom before = MachineRoom::measure();
  EXPECT_GT(before.descriptors, before.open);
  EXPECT_GT(before.mappings, before.mapped);
  EXPECT_GT(before.mapped, 5u);
  EXPECT_GT(before.memory, 1u << 20);
  const int one = dup(0);
  EXPECT_EQ(MachineRoom::measure().open, before.open + 1);
  close(one);
}

class LimitsTest : public ServerTest {
 protected:
  static constexpr uint32_t kStranger = 65533;

  LimitsTest() {
    left_config.limits.max_sockets_per_uid = 100;
    right_config.place = {"sockets", folder + "/right", 0666, std::nullopt};
    left_config.place = {"sockets", folder + "/left", 0666, std::nullopt};
    std::filesystem::permissions(folder, std::filesystem::perms{0755});
  }
  // At the left one. Null: this is not run by somebody who may be others.
  std::unique_ptr<Program> of_stranger() {
    // Of this thread alone.
    if (syscall(SYS_setresuid, -1, kStranger, -1) != 0) return nullptr;
    auto out = std::make_unique<Program>(left_config.place.path);
    EXPECT_EQ(syscall(SYS_setresuid, -1, 0, -1), 0);
    return out;
  }
  // An errno, or 0.
  int make(Program& program, int type = SOCK_STREAM) {
    tls_request head{};
    head.kind = TLS_SOCKET;
    head.a = AF_INET;
    head.b = type;
    const Answer got = program.ask(head);
    if (got.error == 0) {
      made.push_back(std::make_unique<ProgramSocket>(program, got.fds[0], got.fds[1]));
    }
    return got.error;
  }
  // How many could be made, and what was said then.
  std::pair<int, int> make_all(Program& program) {
    for (int count = 0;; ++count) {
      if (const int error = make(program)) return {count, error};
    }
  }
  ServerCounters counters(int side = 0) { return snapshot(side).counters; }

  std::vector<std::unique_ptr<ProgramSocket>> made;
};

TEST_F(LimitsTest, AllThatThereAreIsNobodys) {
  left_config.limits.max_sockets = 8;
  start();
  EXPECT_EQ(make_all(*left), std::pair(8, ENFILE));
  EXPECT_EQ(counters().refused_sockets, 1u);
  EXPECT_EQ(counters().refused_user_sockets, 0u);
}

// Who takes all that it can get leaves others their part, and what it has goes on.
TEST_F(LimitsTest, AUserWhoTakesAllLeavesOthersTheirPart) {
  left_config.limits.max_sockets = 16;
  left_config.limits.max_sockets_per_uid = 0;
  left_config.limits.max_processes = 4;
  start();
  EXPECT_EQ(make_all(*left), std::pair(14, ENFILE));
  EXPECT_EQ(counters().refused_user_sockets, 1u);
  auto other = of_stranger();
  if (other == nullptr) GTEST_SKIP() << "not root: there is one user only";
  ASSERT_EQ(other->hello(), 0);
  EXPECT_EQ(make_all(*other), std::pair(2, ENFILE));
  EXPECT_EQ(counters().refused_sockets, 1u);
  EXPECT_EQ(made.front()->bind(ipv4("10.1.0.1", 1000)), 0);
  EXPECT_EQ(made.back()->bind(ipv4("10.1.0.1", 1001)), 0);
}

TEST_F(LimitsTest, ProgramsAreCountedLikewise) {
  left_config.limits.max_processes = 4;
  left_config.limits.max_processes_per_uid = 3;
  start();
  Program second(left_config.place.path);
  Program third(left_config.place.path);
  ASSERT_EQ(second.hello(), 0);
  ASSERT_EQ(third.hello(), 0);
  Program fourth(left_config.place.path);
  EXPECT_EQ(fourth.hello(), ENFILE);
  EXPECT_EQ(counters().refused_user_processes, 1u);
  auto other = of_stranger();
  if (other == nullptr) GTEST_SKIP() << "not root: there is one user only";
  EXPECT_EQ(other->hello(), 0);
  auto another = of_stranger();
  EXPECT_EQ(another->hello(), ENFILE);
  EXPECT_EQ(counters().refused_processes, 1u);
  EXPECT_EQ(make(*left), 0);
}

TEST_F(LimitsTest, MemoryThatSocketsCouldUse) {
  left_config.limits.max_memory_per_uid = 8u << 20;
  start();
  EXPECT_EQ(make_all(*left), std::pair(3, ENOBUFS));
  EXPECT_EQ(counters().refused_user_memory, 1u);
}

TEST_F(LimitsTest, MemoryThatSocketsUse) {
  left_config.limits.max_resident_per_uid = 1u << 20;
  start();
  EXPECT_EQ(make(*left), 0);
  EXPECT_EQ(make(*left), 0);
  // All of it is there from now on.
  const tls_page& page = made.front()->page();
  const auto* const bytes = reinterpret_cast<const volatile uint8_t*>(&page);
  for (uint64_t i = 0; i < page.segment_size; i += 4096) static_cast<void>(bytes[i]);
  int error = 0;
  for (int i = 0; i < 5000 && error == 0; ++i) {
    error = make(*left);
    if (error == 0) made.pop_back();
    usleep(1000);
  }
  EXPECT_EQ(error, ENOBUFS);
  EXPECT_EQ(counters().refused_user_resident, 1u);
  EXPECT_EQ(made.back()->bind(ipv4("10.1.0.1", 1000)), 0);
  EXPECT_EQ(made.front()->ask(TLS_CLOSE).error, 0);
  EXPECT_EQ(make(*left), 0);
}

TEST_F(LimitsTest, DescriptorsOfTheDaemon) {
  left_config.machine.descriptors = 128;
  left_config.limits.max_handshakes = 8;
  start();
  const SocketRoom room = SocketRoom::of(left_config.limits, left_config.machine, 1);
  const auto mine = static_cast<int>(room.sockets_per_uid);
  ASSERT_GT(mine, 4);
  // The last ones are not for sockets, whoever has taken the others: here they are the test's.
  std::vector<int> taken;
  do {
    taken.push_back(dup(0));
  } while (taken.back() < room.last_descriptor);
  EXPECT_EQ(make(*left), ENFILE);
  EXPECT_EQ(counters().refused_descriptors, 1u);
  for (const int fd : taken) close(fd);
  EXPECT_EQ(make(*left), 0);
  EXPECT_EQ(made.back()->bind(ipv4("10.1.0.1", 1000)), 0);
}

TEST_F(LimitsTest, MappingsOfTheDaemon) {
  left_config.machine.mappings = 64;
  left_config.limits.max_processes = 4;
  start();
  const SocketRoom room = SocketRoom::of(left_config.limits, left_config.machine, 1);
  const auto mine = static_cast<int>(room.sockets_per_uid);
  EXPECT_EQ(room.sockets, 56u);
  EXPECT_EQ(make_all(*left), std::pair(mine, ENFILE));
  auto other = of_stranger();
  if (other == nullptr) GTEST_SKIP() << "not root: there is one user only";
  ASSERT_EQ(other->hello(), 0);
  EXPECT_EQ(make_all(*other), std::pair(56 - mine, ENOMEM));
  EXPECT_EQ(counters().refused_mappings, 1u);
}

// A peer that sets associations up without end: new ones are aborted, those that are there go on,
// and their user can still make a socket.
TEST_F(LimitsTest, PeersTakeAPartOnly) {
  right_config.limits.max_sockets_per_uid = 8;
  start();
  ASSERT_EQ(make(*right, SOCK_SEQPACKET), 0);
  ProgramSocket& listener = *made.front();
  EXPECT_EQ(listener.bind(ipv4("10.1.0.2", 3868)), 0);
  EXPECT_EQ(listener.listen(1), 0);
  std::vector<std::unique_ptr<ProgramSocket>> peers;
  for (int i = 0; i < 10; ++i) {
    peers.push_back(ProgramSocket::make(*left));
    EXPECT_EQ(peers.back()->connect(ipv4("10.1.0.2", 3868)), 0);
    EXPECT_TRUE(peers.back()->wait_for(i < 6 ? TLS_ESTABLISHED : TLS_ENDED));
  }
  EXPECT_EQ(counters(1).refused_associations, 4u);
  EXPECT_EQ(counters(1).refused_user_sockets, 4u);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(peers[static_cast<size_t>(i)]->state(), static_cast<uint32_t>(TLS_ESTABLISHED));
  }
  EXPECT_EQ(make(*right), 0);
  EXPECT_EQ(make(*right), ENFILE);
}

// A listener whose program takes nothing: what its pair has no room for keeps a third descriptor,
// and counts for it. The program that takes them gets all that there may be.
TEST_F(LimitsTest, WhatWaitsForAListenerCountsForItsThirdDescriptor) {
  constexpr uint32_t kMost = 512;
  constexpr uint32_t kAccepted = kMost - kMost / 8;
  right_config.limits.max_sockets_per_uid = kMost;
  left_config.limits.max_sockets_per_uid = 2 * kMost;
  start();
  auto listener = ProgramSocket::make(*right);
  ASSERT_EQ(listener->bind(ipv4("0.0.0.0", 3868)), 0);
  ASSERT_EQ(listener->listen(4096), 0);
  std::vector<std::unique_ptr<ProgramSocket>> peers;
  const auto connect_until_refused = [&] {
    const uint64_t refused = counters(1).refused_user_sockets;
    while (peers.size() < kMost && counters(1).refused_user_sockets == refused) {
      const uint64_t told = counters(1).accepted + counters(1).refused_associations;
      peers.push_back(ProgramSocket::make(*left));
      EXPECT_EQ(peers.back()->connect(ipv4("10.1.0.2", 3868)), 0);
      const auto now = [&] { return counters(1).accepted + counters(1).refused_associations; };
      for (int k = 0; k < 5000 && now() == told; ++k) usleep(100);
    }
  };
  connect_until_refused();
  const size_t waiting = snapshot(1).sockets.size() - 1;
  EXPECT_LT(waiting, kAccepted - 20);
  EXPECT_GT(waiting, kAccepted * 2 / 3);
  std::vector<std::unique_ptr<ProgramSocket>> accepted;
  for (size_t i = 0; i < waiting; ++i) {
    accepted.push_back(listener->accept());
    ASSERT_NE(accepted.back(), nullptr);
  }
  connect_until_refused();
  EXPECT_EQ(snapshot(1).sockets.size(), kAccepted);
}
}  // namespace
}  // namespace trunkline::test
