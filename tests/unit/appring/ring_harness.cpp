// SPDX-License-Identifier: BSD-3-Clause
// The harness of ring tests, and the one instantiation of the bridge over the fake shard.
#include "ring_harness.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "appring/bridge_control_impl.h"
#include "appring/bridge_impl.h"

namespace trunkline::appring {
template class BasicBridge<test::FakeShard>;
}

namespace trunkline::test {

using appring::Mail;
using appring::MailKind;
using appring::RingClient;

std::string bytes(size_t n, char seed) {
  std::string out(n, '\0');
  for (size_t i = 0; i < n; ++i) out[i] = static_cast<char>(seed + static_cast<char>(i % 61));
  return out;
}

tlr_geometry small_geometry() {
  tlr_geometry g{};
  g.lanes = 1;
  g.workers = 1;
  g.submission_size = 64;
  g.completion_size = 128;
  g.return_size = 64;
  g.tx_slots = 64;
  g.rx_slots = 64;
  g.slot_size = 512;
  g.send_credit = 32;
  g.max_operations = 64;
  return g;
}

TestClient::TestClient(TestClient&& other) noexcept
    : ring(std::move(other.ring)),
      api(std::exchange(other.api, nullptr)),
      daemon_socket(std::exchange(other.daemon_socket, -1)) {}

TestClient::~TestClient() {
  tl_detach(api);
  hang_up();
}

void TestClient::hang_up() {
  if (daemon_socket >= 0) close(daemon_socket);
  daemon_socket = -1;
}

TestClient make_client(const ClientSetup& setup) {
  static std::atomic<uint32_t> next_id{1};
  TestClient out;
  const appring::ClientIdentity identity{next_id++, "test", 1, setup.uid, setup.uid};
  out.ring = RingClient::create(identity, setup.rights, setup.geometry, setup.limits, setup.seals);
  EXPECT_NE(out.ring, nullptr);
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  out.daemon_socket = ends[0];
  std::vector<int> lane_fds;
  std::vector<int> doorbells;
  for (const auto& wake : out.ring->lane_wakes) lane_fds.push_back(dup(wake.client_end));
  for (const int fd : out.ring->doorbells) doorbells.push_back(dup(fd));
  EXPECT_EQ(client::open_client(out.ring->segment->base(), out.ring->segment->size(),
                                setup.geometry, ends[1], lane_fds, doorbells, false, &out.api),
            0);
  return out;
}

appring::BridgeConfig test_bridge_config() {
  appring::BridgeConfig config;
  config.local_addresses = {IpAddress::ipv4(192, 0, 2, 1)};
  config.max_associations = 64;
  config.default_profile.max_message_size = 16 * 1024;
  config.default_profile.send_buffer = 64 * 1024;
  Profile fast;
  fast.rto_initial = std::chrono::milliseconds(120);
  fast.max_message_size = 1000;
  config.profiles.push_back({"fast", fast});
  config.endpoints.push_back(
      {PortNumber(2905), {IpAddress::ipv4(198, 51, 100, 1)}, "fast", OutOfBlue::kSilent});
  return config;
}

RingHarness::~RingHarness() {
  // Payload that is still with the shard lies in the clients' segments.
  bridge.close_all(now, true);
  turn();
  turn();
}

TestClient& RingHarness::attach(const ClientSetup& setup) {
  clients.push_back(std::make_unique<TestClient>(make_client(setup)));
  TestClient& client = *clients.back();
  for (const int fd : client.ring->doorbells) bridge.mailbox().watch(fd);
  EXPECT_TRUE(bridge.mailbox().post_to_worker({MailKind::kAdd, client.ring.get()}));
  bridge.drain_submissions(now);
  return client;
}

tl_lane* RingHarness::lane_of(TestClient& client) {
  tl_lane* lane = nullptr;
  EXPECT_EQ(tl_lane_open(client.api, &lane), 0) << tl_last_error();
  return lane;
}

void RingHarness::turn(size_t limit) {
  const auto deliver = [&](Event& event) { bridge.deliver(now, event); };
  bridge.drain_submissions(now);
  shard.run(deliver, limit);
  bridge.drain_submissions(now);
  bridge.flush();
  Mail mail;
  while (bridge.mailbox().take_from_worker(mail)) {
    if (mail.kind == MailKind::kGone) ++gone;
    if (mail.kind == MailKind::kFault) ++faults;
    if (mail.kind == MailKind::kDetached) {
      ++detached;
      for (const int fd : mail.client->doorbells) bridge.mailbox().unwatch(fd);
      mail.client->drop_segment();
    }
  }
}

std::vector<RingHarness::Got> RingHarness::poll(tl_lane* lane) {
  std::vector<Got> out;
  tl_event events[16];
  while (true) {
    const int n = tl_poll(lane, events, 16);
    if (n <= 0) return out;
    for (int i = 0; i < n; ++i) {
      Got got{events[i], std::string(events[i].length, '?')};
      if (events[i].data != nullptr) {
        EXPECT_EQ(tl_event_copy(lane, &events[i], got.text.data(), got.text.size()),
                  got.text.size());
      } else {
        got.text.clear();
      }
      out.push_back(std::move(got));
    }
    tl_event_release(lane, events, static_cast<size_t>(n));
  }
}

const RingHarness::Got& RingHarness::only(const std::vector<Got>& events, int kind) {
  static const Got kNothing{};
  const Got* found = nullptr;
  for (const Got& got : events) {
    if (got.event.kind != kind) continue;
    EXPECT_EQ(found, nullptr) << "two events " << tl_event_kind_name(kind);
    found = &got;
  }
  EXPECT_NE(found, nullptr) << "no event " << tl_event_kind_name(kind);
  return found != nullptr ? *found : kNothing;
}

size_t RingHarness::count(const std::vector<Got>& events, int kind) {
  size_t n = 0;
  for (const Got& got : events) n += got.event.kind == kind ? 1 : 0;
  return n;
}

int RingHarness::with_daemon(const std::function<int()>& call) {
  std::atomic<bool> done{false};
  int result = 0;
  std::thread application([&] {
    result = call();
    done.store(true);
  });
  while (!done.load()) {
    turn();
    std::this_thread::yield();
  }
  application.join();
  return result;
}

int RingHarness::listen(tl_lane* lane, uint16_t port, tl_listener* out, uint64_t user,
                        const char* profile) {
  return with_daemon(
      [&] { return open_listener(lane, {.port = port, .user = user, .profile = profile}, out); });
}

int RingHarness::connect(tl_lane* lane, uint16_t port, tl_assoc* out, uint64_t user) {
  return dial(lane, out, {.port = port, .user = user});
}

RingHarness::Pair RingHarness::join(tl_lane* client, tl_lane* server, uint16_t port) {
  Pair pair;
  if (bridge.endpoints_in_use() == 0) {
    EXPECT_EQ(listen(server, port), 0) << tl_last_error();
  }
  EXPECT_EQ(connect(client, port, &pair.client), 0) << tl_last_error();
  turn();
  if (client == server) {
    const auto events = poll(client);
    pair.server = only(events, TL_EVENT_ACCEPTED).event.assoc;
    only(events, TL_EVENT_CONNECTED);
  } else {
    only(poll(client), TL_EVENT_CONNECTED);
    pair.server = only(poll(server), TL_EVENT_ACCEPTED).event.assoc;
  }
  return pair;
}

int RingHarness::send(tl_lane* lane, tl_assoc assoc, std::string_view text, uint16_t stream,
                      uint16_t flags, uint64_t context) {
  return send_text(lane, assoc, text, stream, flags, context);
}

}  // namespace trunkline::test
