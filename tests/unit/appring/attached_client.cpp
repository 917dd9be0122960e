// SPDX-License-Identifier: BSD-3-Clause
// Attaches clients for ring tests; see attached_client.h.
#include "attached_client.h"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <utility>
#include <vector>

namespace trunkline::test {

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

}  // namespace trunkline::test
