// SPDX-License-Identifier: BSD-3-Clause
// Makes what one client needs: segment, wake-up descriptors, channels.
#include "appring/ring_client.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace trunkline::appring {

RingClient::~RingClient() {
  drop_segment();
}

void RingClient::drop_segment() {
  for (const LaneWake& wake : lane_wakes) {
    close(wake.client_end);
    close(wake.worker_end);
  }
  for (const int fd : doorbells) close(fd);
  lane_wakes.clear();
  doorbells.clear();
  segment.reset();
}

uint64_t RingClient::bytes_of_the_dead() const {
  tlr_geometry left = geometry;
  left.rx_slots = 0;
  return channels.size() * Channel::memory_bytes(left, {0, 0, 0});
}

std::unique_ptr<RingClient> RingClient::create(const ClientIdentity& identity,
                                               const ClientRights& rights,
                                               const tlr_geometry& geometry,
                                               const ChannelLimits& limits, Segment::Seals seals) {
  auto client = std::make_unique<RingClient>();
  client->identity = identity;
  client->rights = rights;
  client->geometry = geometry;
  client->uses.resize(geometry.workers);
  client->segment = Segment::create(geometry, seals);
  if (client->segment == nullptr) return nullptr;
  for (uint32_t lane = 0; lane < geometry.lanes; ++lane) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return nullptr;
    client->lane_wakes.push_back({ends[0], ends[1]});
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
  }
  for (uint32_t worker = 0; worker < geometry.workers; ++worker) {
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return nullptr;
    client->doorbells.push_back(fd);
  }
  for (uint32_t lane = 0; lane < geometry.lanes; ++lane) {
    for (uint32_t worker = 0; worker < geometry.workers; ++worker) {
      client->channels.push_back(
          std::make_unique<Channel>(*client, client->segment->channel(lane, worker),
                                    client->lane_wakes[lane].worker_end, geometry, limits));
    }
  }
  return client;
}

}  // namespace trunkline::appring
