// SPDX-License-Identifier: BSD-3-Clause
// A client that is attached without a socket server: a segment, the daemon's part of it and a real
// libtrunkline on the same mapping, so that ThreadSanitizer judges every access of both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "application.h"
#include "appring/app_ring.h"
#include "appring/ring_client.h"
#include "lane.h"
#include "trunkline/trunkline.h"

namespace trunkline::test {

// Text of `n` bytes that differ.
[[nodiscard]] std::string bytes(size_t n, char seed);

tlr_geometry small_geometry();  // 1 lane, 1 worker, small rings, 16 KiB messages

// One attached client. The daemon's part and the application's, and the socket between them.
struct TestClient {
  std::unique_ptr<appring::RingClient> ring;
  tl_client* api = nullptr;
  int daemon_socket = -1;

  TestClient() = default;
  TestClient(TestClient&& other) noexcept;
  ~TestClient();
  void hang_up();  // the daemon's end
};

struct ClientSetup {
  tlr_geometry geometry = small_geometry();
  appring::ClientRights rights{{{1, 65535}}, true};
  appring::ChannelLimits limits{64, 8, 32};
  uint32_t uid = 1000;
  appring::Segment::Seals seals = appring::Segment::Seals::kOn;
};
TestClient make_client(const ClientSetup& setup = {});

appring::BridgeConfig test_bridge_config();

}  // namespace trunkline::test
