// SPDX-License-Identifier: BSD-3-Clause
// One attached client as both threads see it. The control thread makes and destroys it; between
// kAdd and kGone a worker uses its own channels and wake-up descriptors; the rest is constant.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "appring/app_ring.h"
#include "appring/channel.h"
#include "appring/segment.h"

namespace trunkline::appring {

// What the configuration grants to one client: the sum of the permissions that match it.
struct ClientRights {
  std::vector<PortRange> ports;
  bool connect_from_any = false;
  [[nodiscard]] bool may_use(uint16_t port) const {
    for (const PortRange& range : ports) {
      if (port >= range.first && port <= range.last) return true;
    }
    return false;
  }
};

struct ClientIdentity {
  uint32_t id = 0;  // never 0, never reused while the daemon lives
  std::string name;
  int32_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// What a client has under way at one worker, of what all clients share. The worker's alone.
struct alignas(64) ClientUse {
  uint64_t units = 0;         // of messages; see units_of()
  uint64_t orphan_bytes = 0;  // once it is gone: of the orphan buffer
};

struct RingClient {
  // Pipes: a worker writes to `worker_end`, the client waits on `client_end`. The daemon keeps
  // both, so that a dead client is no SIGPIPE.
  struct LaneWake {
    int client_end = -1;
    int worker_end = -1;
  };

  ClientIdentity identity;
  ClientRights rights;
  tlr_geometry geometry{};
  std::unique_ptr<Segment> segment;                // null once every worker has let go of it
  std::vector<LaneWake> lane_wakes;                // per lane
  std::vector<int> doorbells;                      // event fds, per worker
  std::vector<ClientUse> uses;                     // per worker
  std::vector<std::unique_ptr<Channel>> channels;  // lane * workers + worker

  RingClient() = default;
  ~RingClient();
  RingClient(const RingClient&) = delete;
  RingClient& operator=(const RingClient&) = delete;

  [[nodiscard]] uint32_t lanes() const { return geometry.lanes; }
  [[nodiscard]] uint32_t workers() const { return geometry.workers; }
  [[nodiscard]] Channel& channel(uint32_t lane, uint32_t worker) {
    return *channels[static_cast<size_t>(lane) * workers() + worker];
  }

  // What of it is left without segment, descriptors and anything to tell.
  [[nodiscard]] uint64_t bytes_of_the_dead() const;
  // Unmaps the segment and closes the descriptors: nobody uses them any more.
  void drop_segment();

  // Makes segment, descriptors and channels. Null with errno set.
  static std::unique_ptr<RingClient> create(const ClientIdentity& identity,
                                            const ClientRights& rights,
                                            const tlr_geometry& geometry,
                                            const ChannelLimits& limits,
                                            Segment::Seals seals = Segment::Seals::kOn);
};

}  // namespace trunkline::appring
