// SPDX-License-Identifier: BSD-3-Clause
// A hostile process at a daemon's attach socket: it attaches as anybody may, opens an association,
// then writes and punches all over its segment until the daemon hangs up, and comes again. Two
// other clients exchange messages all the while.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <random>

#include "mini_daemon.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

constexpr int kVisits = 10;

// Until the daemon has hung up: the socket says so.
bool hung_up(const tl_client& client) {
  pollfd socket{client.socket, POLLIN, 0};
  return ::poll(&socket, 1, 0) == 1;
}

void spoil(const tl_client& client, std::minstd_rand& random) {
  auto* const words = reinterpret_cast<uint32_t*>(client.base);
  const size_t count = client.size / 4;
  while (!hung_up(client)) {
    for (int i = 0; i < 200; ++i) {
      const size_t at =
          random() % 4 == 0 ? random() % count : TLR_PAGE / 4 + random() % (64 * 1024);
      const auto value = static_cast<uint32_t>(random() % 4 == 0 ? random() : random() % 80);
      __atomic_store_n(&words[at % count], value, __ATOMIC_RELAXED);
    }
    // Writing a hole fills it; the daemon sees zeros or what came after.
    const size_t page = random() % (client.size / TLR_PAGE) * TLR_PAGE;
    if (random() % 8 == 0) madvise(client.base + page, TLR_PAGE, MADV_REMOVE);
    const uint64_t one = 1;
    const int doorbell = client.doorbells[random() % client.doorbells.size()];
    [[maybe_unused]] const ssize_t rung = write(doorbell, &one, sizeof(one));
  }
}

// The life of the process; its exit status says how far it came.
[[noreturn]] void live(const std::string& socket_path, int go) {
  char byte = 0;
  if (read(go, &byte, 1) != 1) _exit(1);
  std::minstd_rand random(7);
  for (int visit = 0; visit < kVisits; ++visit) {
    tl_client* client = nullptr;
    tl_lane* lane = nullptr;
    if (tl_attach(socket_path.c_str(), nullptr, &client) != 0) _exit(2);
    if (tl_lane_open(client, &lane) != 0) _exit(3);
    tl_assoc assoc = 0;
    if (dial(lane, &assoc) != 0) _exit(4);
    tl_event event{};
    while (tl_poll(lane, &event, 1) != 1) {
      if (tl_wait(lane, 10'000) < 0) _exit(5);
    }
    for (int i = 0; i < 3; ++i) send_text(lane, assoc, std::string(700, 'v'));
    spoil(*client, random);
    // The library may stumble over what is in there now; the sockets and mappings go with a new
    // process image no sooner than this.
    close(client->socket);
    client->socket = -1;
    munmap(client->base, client->size);
  }
  _exit(0);
}

class HostileProcessTest : public ::testing::TestWithParam<uint32_t> {
 protected:
  HostileProcessTest() : config(attach_config(dir.file("sock"))) {
    config.limits.handshake_timeout = std::chrono::milliseconds(60'000);
  }
  tl_lane* attach() {
    tl_client* client = nullptr;
    EXPECT_EQ(tl_attach(config.socket_path.c_str(), nullptr, &client), 0) << tl_last_error();
    clients_.push_back(client);
    tl_lane* lane = nullptr;
    EXPECT_EQ(tl_lane_open(client, &lane), 0);
    return lane;
  }

  TempDir dir;
  appring::AttachConfig config;
  std::vector<tl_client*> clients_;
};

INSTANTIATE_TEST_SUITE_P(Workers, HostileProcessTest, ::testing::Values(1, 2, 3));

TEST_P(HostileProcessTest, ComesAgainAndAgainAndDisturbsNobody) {
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t pid = fork();  // before there are threads
  if (pid == 0) live(config.socket_path, go[0]);
  ASSERT_GT(pid, 0);
  MiniDaemon daemon(config, GetParam());
  daemon.start();
  tl_lane* const peer = attach();
  ASSERT_EQ(open_listener(peer), 0) << tl_last_error();
  tl_lane* const good = attach();
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(good, &assoc), 0) << tl_last_error();
  tl_assoc good_at_peer = 0;
  tl_event events[16];
  while (good_at_peer == 0) {
    const int n = tl_poll(peer, events, 16);
    if (n == 1) good_at_peer = events[0].assoc;
    std::this_thread::yield();
  }
  while (tl_poll(good, events, 1) != 1) std::this_thread::yield();

  ASSERT_EQ(write(go[1], "g", 1), 1);
  uint64_t sent = 0;
  uint64_t received = 0;
  int status = -1;
  bool over = false;
  while (!over || received < sent) {
    if (!over) {
      over = waitpid(pid, &status, WNOHANG) == pid;
      tl_message message{};
      message.data = &sent;
      message.length = sizeof(sent);
      if (tl_send(good, assoc, &message) == 0) ++sent;
    }
    int n = tl_poll(good, events, 16);
    ASSERT_GE(n, 0) << tl_last_error();
    for (int i = 0; i < n; ++i) EXPECT_NE(events[i].kind, TL_EVENT_LOST);
    tl_event_release(good, events, static_cast<size_t>(n));
    n = tl_poll(peer, events, 16);
    ASSERT_GE(n, 0) << tl_last_error();
    for (int i = 0; i < n; ++i) {
      if (events[i].assoc != good_at_peer || events[i].kind != TL_EVENT_MESSAGE) continue;
      uint64_t number = 0;
      ASSERT_EQ(events[i].length, sizeof(number));
      tl_event_copy(peer, &events[i], &number, sizeof(number));
      ASSERT_EQ(number, received);
      ++received;
    }
    tl_event_release(peer, events, static_cast<size_t>(n));
    if (n == 0) std::this_thread::yield();
  }
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
  daemon.pause();
  EXPECT_TRUE(daemon.turn_until([&] { return daemon.server->clients().size() == 2; }));
  EXPECT_EQ(daemon.server->counters().ended_fault, static_cast<uint64_t>(kVisits));
  // It takes one worker to notice; all of them let go.
  uint64_t noticed = 0;
  size_t associations = 0;
  for (const auto& bridge : daemon.bridges) {
    noticed += bridge->counters().get(RingCounter::k_refuse_bad_index);
    associations += bridge->associations();
    EXPECT_EQ(bridge->counters().get(RingCounter::k_ring_clients_removed),
              static_cast<uint64_t>(kVisits));
  }
  EXPECT_GE(noticed, static_cast<uint64_t>(kVisits));
  EXPECT_EQ(associations, 2U);
  for (tl_client* client : clients_) tl_detach(client);
  for (const int fd : go) close(fd);
}

}  // namespace
}  // namespace trunkline::test
