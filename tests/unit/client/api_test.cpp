// SPDX-License-Identifier: BSD-3-Clause
// The C API against a daemon on a real socket: wrong calls get clear errors, waiting works by
// every way there is, and a daemon that goes away is told once and never hangs anybody.
#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>

#include "mini_daemon.h"

extern "C" int trunkline_c_user(void);

namespace trunkline::test {
namespace {

TEST(CHeaders, WorkFromC) {
  EXPECT_EQ(trunkline_c_user(), 0);
}

TEST(Texts, EveryErrorHasASentence) {
  for (const int error :
       {-EPIPE, -ENOENT, -ECONNREFUSED, -EACCES, -EPROTO, -EINVAL, -EUSERS, -ENOMEM, -ETIMEDOUT,
        -EAGAIN, -EMSGSIZE, -ENOTCONN, -EADDRINUSE, -EADDRNOTAVAIL, -ECONNABORTED, -EINTR, 0}) {
    EXPECT_GT(strlen(tl_strerror(error)), 5U);
    EXPECT_STRNE(tl_strerror(error), tl_strerror(-9999)) << error;
  }
  EXPECT_GT(strlen(tl_strerror(-9999)), 5U);
}

TEST(Texts, NamesOfEventsReasonsAndStates) {
  EXPECT_STREQ(tl_event_kind_name(TL_EVENT_MESSAGE), "MESSAGE");
  EXPECT_STREQ(tl_event_kind_name(TL_EVENT_DAEMON_GONE), "DAEMON_GONE");
  EXPECT_STREQ(tl_event_kind_name(TL_EVENT_RESTART_REFUSED), "RESTART_REFUSED");
  EXPECT_STREQ(tl_event_kind_name(TL_EVENT_MESSAGE_BROKEN), "MESSAGE_BROKEN");
  EXPECT_STREQ(tl_event_kind_name(-1), "?");
  EXPECT_STREQ(tl_event_kind_name(99), "?");
  EXPECT_STREQ(tl_reason_name(TL_REASON_RESET), "reset by the peer");
  EXPECT_STREQ(tl_reason_name(TL_REASON_ABANDONED), "given up, as its limit says");
  EXPECT_STREQ(tl_reason_name(TL_REASON_DAEMON_GONE), "the daemon is gone");
  EXPECT_STREQ(tl_reason_name(TL_REASON_DAEMON_GONE + 1), "?");
  EXPECT_STREQ(tl_path_state_name(TL_PATH_POTENTIALLY_FAILED), "potentially failed");
  EXPECT_STREQ(tl_path_state_name(5), "?");
}

TEST(Addresses, ParseAndPrint) {
  tl_address address{};
  char text[64];
  for (const char* good : {"192.0.2.1", "255.255.255.255", "2001:db8::1", "::", "::1"}) {
    ASSERT_EQ(tl_address_parse(good, &address), 0) << good;
    EXPECT_STREQ(tl_address_text(&address, text, sizeof(text)), good);
  }
  for (const char* bad :
       {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "host", "fe80::1%eth0", "1.2.3.4 "}) {
    EXPECT_EQ(tl_address_parse(bad, &address), -EINVAL) << bad;
    EXPECT_EQ(address.family, 0);
  }
  EXPECT_EQ(tl_address_parse(nullptr, &address), -EINVAL);
  EXPECT_STREQ(tl_address_text(&address, text, sizeof(text)), "-");
  ASSERT_EQ(tl_address_parse("192.0.2.1", &address), 0);
  char tiny[4];
  EXPECT_LT(strlen(tl_address_text(&address, tiny, sizeof(tiny))), sizeof(tiny));
}

TEST(Attach, NoDaemonThere) {
  const TempDir dir;
  tl_client* client = nullptr;
  EXPECT_EQ(tl_attach(dir.file("none").c_str(), nullptr, &client), -ENOENT);
  EXPECT_EQ(client, nullptr);
  EXPECT_NE(std::string(tl_last_error()).find("start trunklined"), std::string::npos);
  EXPECT_EQ(tl_attach(std::string(300, 'p').c_str(), nullptr, &client), -EINVAL);
  EXPECT_EQ(tl_attach("", nullptr, &client), -EINVAL);
  EXPECT_EQ(tl_attach(dir.file("none").c_str(), nullptr, nullptr), -EINVAL);
  tl_detach(nullptr);
}

TEST(WrongCalls, NullEverywhere) {
  tl_event event{};
  tl_buffer buffer{};
  tl_message message{};
  tl_assoc assoc = 0;
  tl_listener listener = 0;
  tl_assoc_info info{};
  tl_address address{};
  EXPECT_EQ(tl_lane_open(nullptr, nullptr), -EINVAL);
  EXPECT_EQ(tl_listen(nullptr, nullptr, &listener), -EINVAL);
  EXPECT_EQ(tl_unlisten(nullptr, 1), -EINVAL);
  EXPECT_EQ(tl_connect(nullptr, nullptr, &assoc), -EINVAL);
  EXPECT_EQ(tl_send(nullptr, 1, &message), -EINVAL);
  EXPECT_EQ(tl_buffer_alloc(nullptr, 1, 1, &buffer), -EINVAL);
  EXPECT_EQ(tl_buffer_trim(nullptr, &buffer, 1), -EINVAL);
  EXPECT_EQ(tl_send_buffer(nullptr, 1, &buffer, &message), -EINVAL);
  EXPECT_EQ(tl_shutdown(nullptr, 1), -EINVAL);
  EXPECT_EQ(tl_abort(nullptr, 1, nullptr), -EINVAL);
  EXPECT_EQ(tl_poll(nullptr, &event, 1), -EINVAL);
  EXPECT_EQ(tl_fd(nullptr), -EINVAL);
  EXPECT_EQ(tl_arm(nullptr), -EINVAL);
  EXPECT_EQ(tl_wait(nullptr, 0), -EINVAL);
  EXPECT_EQ(tl_assoc_query(nullptr, 1, &info), -EINVAL);
  EXPECT_EQ(tl_assoc_streams(nullptr, 1, nullptr, nullptr), -EINVAL);
  EXPECT_EQ(tl_assoc_set_user(nullptr, 1, 0), -EINVAL);
  EXPECT_EQ(tl_assoc_heartbeat(nullptr, 1, &address), -EINVAL);
  EXPECT_EQ(tl_assoc_set_primary(nullptr, 1, &address), -EINVAL);
  EXPECT_EQ(tl_event_iov(nullptr, &event, nullptr, 0), 0U);
  EXPECT_EQ(tl_event_copy(nullptr, &event, nullptr, 0), 0U);
  EXPECT_EQ(tl_buffer_iov(nullptr, &buffer, nullptr, 0), 0U);
  tl_event_release(nullptr, &event, 1);
  tl_buffer_free(nullptr, &buffer);
  EXPECT_STREQ(tl_last_error(), "no lane: call tl_lane_open() first");
}

class ApiTest : public ::testing::Test {
 protected:
  explicit ApiTest(uint32_t workers = 1)
      : config(attach_config(dir.file("sock"))), daemon(with_patience(config), workers) {}
  static appring::AttachConfig& with_patience(appring::AttachConfig& config) {
    config.limits.handshake_timeout = std::chrono::milliseconds(60'000);
    return config;
  }
  void SetUp() override {
    daemon.start();
    ASSERT_EQ(tl_attach(config.socket_path.c_str(), nullptr, &client), 0) << tl_last_error();
    ASSERT_EQ(tl_lane_open(client, &lane), 0);
  }
  void TearDown() override { tl_detach(client); }

  int listen(uint16_t port) { return open_listener(lane, {.port = port}); }
  tl_connect_options connect_options() {
    EXPECT_EQ(tl_address_parse("192.0.2.7", &address), 0);
    tl_connect_options options{};
    options.addresses = &address;
    options.address_count = 1;
    options.peer_port = 5000;
    options.affinity = TL_ANY_WORKER;
    return options;
  }
  // The next event of that kind; waits for it.
  tl_event next(int kind) {
    tl_event event{};
    while (true) {
      const int n = tl_poll(lane, &event, 1);
      if (n == 1 && event.kind == kind) return event;
      EXPECT_GE(n, 0) << tl_last_error();
      if (n == 1) tl_event_release(lane, &event, 1);
      if (n < 0 || (n == 0 && tl_wait(lane, 20'000) != 1)) {
        ADD_FAILURE() << "no " << tl_event_kind_name(kind) << ": " << tl_last_error();
        return event;
      }
    }
  }

  TempDir dir;
  appring::AttachConfig config;
  MiniDaemon daemon;
  tl_client* client = nullptr;
  tl_lane* lane = nullptr;
  tl_address address{};
};

TEST_F(ApiTest, OneLaneWasAskedFor) {
  tl_lane* other = nullptr;
  EXPECT_EQ(tl_lane_open(client, &other), -EUSERS);
  EXPECT_NE(std::string(tl_last_error()).find("tl_options.lanes"), std::string::npos);
}

TEST_F(ApiTest, ConnectOptionsAreChecked) {
  tl_assoc assoc = 0;
  tl_connect_options options = connect_options();
  options.address_count = 0;
  EXPECT_EQ(tl_connect(lane, &options, &assoc), -EINVAL);
  options.address_count = 17;
  EXPECT_EQ(tl_connect(lane, &options, &assoc), -EINVAL);
  options = connect_options();
  options.addresses = nullptr;
  EXPECT_EQ(tl_connect(lane, &options, &assoc), -EINVAL);
  options = connect_options();
  options.peer_port = 0;
  EXPECT_EQ(tl_connect(lane, &options, &assoc), -EINVAL);
  options = connect_options();
  options.affinity = 1;
  EXPECT_EQ(tl_connect(lane, &options, &assoc), -EINVAL);
  EXPECT_NE(std::string(tl_last_error()).find("worker 1"), std::string::npos);
  options = connect_options();
  options.profile = "a profile name of more than thirty-one bytes";
  EXPECT_EQ(tl_connect(lane, &options, &assoc), -EINVAL);
  options = connect_options();
  address.family = 9;
  EXPECT_EQ(tl_connect(lane, &options, &assoc), -EINVAL);
  EXPECT_EQ(assoc, 0U);
  EXPECT_EQ(listen(0), -EINVAL);
}

TEST_F(ApiTest, NothingWorksBeforeConnected) {
  daemon.pause();
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc), 0);
  tl_message message{};
  message.data = "x";
  message.length = 1;
  tl_buffer buffer{};
  tl_assoc_info info{};
  EXPECT_EQ(tl_send(lane, assoc, &message), -ENOTCONN);
  EXPECT_STREQ(tl_last_error(), "not established yet: wait for TL_EVENT_CONNECTED");
  EXPECT_EQ(tl_buffer_alloc(lane, assoc, 10, &buffer), -ENOTCONN);
  EXPECT_EQ(tl_shutdown(lane, assoc), -ENOTCONN);
  EXPECT_EQ(tl_abort(lane, assoc, nullptr), -ENOTCONN);
  EXPECT_EQ(tl_assoc_query(lane, assoc, &info), -ENOTCONN);
  EXPECT_EQ(tl_assoc_streams(lane, assoc, nullptr, nullptr), -ENOTCONN);
  EXPECT_EQ(tl_assoc_heartbeat(lane, assoc, &address), -ENOTCONN);
  EXPECT_EQ(tl_assoc_set_primary(lane, assoc, &address), -ENOTCONN);
  daemon.start();
}

TEST_F(ApiTest, ExchangesMessages) {
  ASSERT_EQ(listen(5000), 0) << tl_last_error();
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc), 0);
  const tl_assoc server = next(TL_EVENT_ACCEPTED).assoc;
  next(TL_EVENT_CONNECTED);
  std::string text(16384, 'm');
  tl_message message{};
  message.data = text.data();
  message.length = static_cast<uint32_t>(text.size());
  message.ppid = 60;
  ASSERT_EQ(tl_send(lane, server, &message), 0);
  tl_event event = next(TL_EVENT_MESSAGE);
  EXPECT_EQ(event.assoc, assoc);
  EXPECT_EQ(event.length, text.size());
  EXPECT_EQ(event.ppid, 60U);
  std::string copy(event.length, '\0');
  EXPECT_EQ(tl_event_copy(lane, &event, copy.data(), copy.size()), copy.size());
  EXPECT_EQ(copy, text);
  tl_event_release(lane, &event, 1);
  message.data = nullptr;
  EXPECT_EQ(tl_send(lane, server, &message), -EINVAL);
}

TEST_F(ApiTest, EpollWakesAnArmedLane) {
  ASSERT_EQ(listen(5000), 0);
  const int epoll = epoll_create1(0);
  epoll_event watch{};
  watch.events = EPOLLIN;
  ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, tl_fd(lane), &watch), 0);
  ASSERT_EQ(tl_arm(lane), 0);
  epoll_event ready{};
  EXPECT_EQ(epoll_wait(epoll, &ready, 1, 0), 0);
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc), 0);
  EXPECT_EQ(epoll_wait(epoll, &ready, 1, 20'000), 1);
  next(TL_EVENT_CONNECTED);
  // Polling empties it: no more readiness until the next arm and event.
  tl_event event{};
  while (tl_poll(lane, &event, 1) == 1) tl_event_release(lane, &event, 1);
  ASSERT_EQ(tl_arm(lane), 0);
  EXPECT_EQ(epoll_wait(epoll, &ready, 1, 0), 0);
  EXPECT_EQ(tl_wait(lane, 0), 0);
  close(epoll);
}

TEST_F(ApiTest, ArmSeesWhatIsThereAlready) {
  ASSERT_EQ(listen(5000), 0);
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc), 0);
  while (tl_arm(lane) == 0) std::this_thread::yield();
  EXPECT_EQ(tl_arm(lane), 1);
  EXPECT_EQ(tl_wait(lane, -1), 1);
}

// ---------------------------------------------------------------- the daemon goes away

TEST_F(ApiTest, ADaemonThatEndsIsToldOnce) {
  ASSERT_EQ(listen(5000), 0);
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc), 0);
  next(TL_EVENT_ACCEPTED);
  next(TL_EVENT_CONNECTED);
  daemon.stop();
  // A waiting application wakes up.
  EXPECT_EQ(tl_wait(lane, -1), 1);
  next(TL_EVENT_DAEMON_GONE);
  tl_event event{};
  EXPECT_EQ(tl_poll(lane, &event, 1), -EPIPE);
  EXPECT_NE(std::string(tl_last_error()).find("attach again"), std::string::npos);
  EXPECT_EQ(tl_wait(lane, -1), -EPIPE);
  EXPECT_EQ(tl_arm(lane), -EPIPE);
  tl_message message{};
  message.data = "x";
  message.length = 1;
  EXPECT_EQ(tl_send(lane, assoc, &message), -EPIPE);
  EXPECT_EQ(dial(lane, &assoc), -EPIPE);
  EXPECT_EQ(listen(5001), -EPIPE);
  tl_lane* other = nullptr;
  EXPECT_EQ(tl_lane_open(client, &other), -EPIPE);
  tl_client* again = nullptr;
  EXPECT_EQ(tl_attach(config.socket_path.c_str(), nullptr, &again), -ENOENT);
}

// An application that only ever polls notices, too, and gets what had arrived first.
TEST_F(ApiTest, APollingApplicationNoticesTheEnd) {
  ASSERT_EQ(listen(5000), 0);
  tl_assoc assoc = 0;
  ASSERT_EQ(dial(lane, &assoc), 0);
  next(TL_EVENT_ACCEPTED);
  next(TL_EVENT_CONNECTED);
  tl_message message{};
  message.data = "last";
  message.length = 4;
  ASSERT_EQ(tl_send(lane, assoc, &message), 0);
  daemon.pause();
  daemon.turn();
  daemon.stop();
  std::vector<int> kinds;
  tl_event event{};
  int n = 0;
  for (int i = 0; i < 100'000 && n >= 0; ++i) {
    n = tl_poll(lane, &event, 1);
    if (n != 1) continue;
    kinds.push_back(event.kind);
    tl_event_release(lane, &event, 1);
  }
  EXPECT_EQ(n, -EPIPE);
  ASSERT_GE(kinds.size(), 2U);
  EXPECT_EQ(kinds.front(), TL_EVENT_MESSAGE);
  EXPECT_EQ(kinds.back(), TL_EVENT_DAEMON_GONE);
}

// A call that waits for an answer gives up when the daemon ends instead of answering.
TEST_F(ApiTest, WaitingCallsEndWithTheDaemon) {
  daemon.pause();
  std::thread stopper([&] {
    while (true) {
      // The listen has been asked for; nobody will answer it.
      const auto* const channel = reinterpret_cast<const tlr_channel*>(client->base + TLR_PAGE);
      if (__atomic_load_n(&channel->submission_produced.value, __ATOMIC_ACQUIRE) != 0) break;
      std::this_thread::yield();
    }
    daemon.stop();
  });
  const int result = listen(5000);
  stopper.join();
  // stop() serves the rings until the client is let go, so the answer may have come first.
  EXPECT_TRUE(result == -EPIPE || result == 0) << result;
}

class TwoWorkersTest : public ApiTest {
 protected:
  TwoWorkersTest() : ApiTest(2) {}
};

TEST_F(TwoWorkersTest, ListensOnBothAndConnectsWhereAsked) {
  ASSERT_EQ(listen(5000), 0);
  tl_limits limits{};
  tl_limits_of(client, &limits);
  EXPECT_EQ(limits.workers, 2U);
  for (uint32_t worker = 0; worker < 2; ++worker) {
    tl_assoc assoc = 0;
    ASSERT_EQ(dial(lane, &assoc, {.affinity = worker}), 0);
    EXPECT_EQ(next(TL_EVENT_CONNECTED).assoc, assoc);
    tl_assoc_info info{};
    ASSERT_EQ(tl_assoc_query(lane, assoc, &info), 0) << tl_last_error();
    EXPECT_EQ(info.worker, worker);
  }
  EXPECT_EQ(listen(70), 0);
  // The same indices and generations at both workers: told apart by the channel.
  daemon.pause();
  EXPECT_EQ(daemon.bridges[0]->associations(), 2U);
  EXPECT_EQ(daemon.bridges[1]->associations(), 2U);
}

}  // namespace
}  // namespace trunkline::test
