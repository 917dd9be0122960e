// SPDX-License-Identifier: BSD-3-Clause
// From the configuration to each worker's part of it. Pure.
#include "worker/worker_config.h"

#include <algorithm>

#include "huge_pages.h"

namespace trunkline::worker {

uint64_t share_of(uint64_t limit, uint16_t workers) {
  if (workers <= 1 || limit == 0) return limit;
  const uint64_t part = (limit + workers - 1) / workers;
  return part + (part + 7) / 8;
}

WorkerConfig worker_config(const config::Config& config, uint16_t index) {
  const uint16_t count = config.workers.count;
  const auto part = [&](uint32_t limit) { return static_cast<uint32_t>(share_of(limit, count)); };
  WorkerConfig out;
  out.index = index;
  out.count = count;
  out.misdirect = config.workers.misdirect;
  out.idle = config.idle;
  out.max_neighbours = config.limits.max_neighbours;
  out.shared_cores = config.workers.cores.empty();
  out.shard.index = index;
  out.shard.count = count;
  out.shard.memory = &huge_pages();
  out.shard.max_associations = part(config.limits.max_associations);
  const uint32_t extended = config.limits.max_extended;
  out.shard.max_extended =
      part(extended != 0 ? extended : std::max(config.limits.max_associations / 8, 1u));
  out.shard.receive_buffer_bytes = share_of(config.limits.receive_buffer, count);
  const uint32_t chunks = part(config.limits.max_outstanding_chunks);
  const uint32_t messages = part(config.limits.max_queued_messages);
  // Clients share these (decision 30). The shares of associations, for a shard that is used without
  // clients, must not bind before those do: they never do in a pool of which more than half is
  // left.
  // Sockets have as many for themselves.
  const uint32_t sharers = config.sockets ? 2 : 1;
  out.shard.max_outstanding_chunks = 2 * sharers * chunks + 2;
  out.shard.max_queued_messages = 2 * sharers * messages + 2;
  out.shard.out_of_blue_replies_per_second = part(config.limits.out_of_blue_replies_per_second);
  // One source's INITs mostly come to one worker.
  out.shard.inits_per_second_per_source = config.limits.inits_per_second_per_source;
  out.shard.inits_per_second = part(config.limits.inits_per_second);
  out.shard.spent_cookies = part(config.limits.spent_cookies);

  appring::BridgeConfig& bridge = out.bridge;
  bridge.least_rto = config.clients.limits.least_rto;
  bridge.least_heartbeat_interval = config.clients.limits.least_heartbeat_interval;
  bridge.worker = index;
  bridge.workers = count;
  for (const config::Port& port : config.ports) {
    for (const config::Prefix& prefix : port.addresses) {
      out.shard.own_addresses.push_back(prefix.address);
      out.shard.own_prefix_lengths.push_back(prefix.length);
      bridge.local_addresses.push_back(prefix.address);
    }
  }
  bridge.default_profile = config.profiles[0].profile;
  for (const config::NamedProfile& profile : config.profiles) {
    bridge.profiles.push_back({profile.name, profile.profile});
  }
  for (const config::Endpoint& endpoint : config.endpoints) {
    bridge.endpoints.push_back({PortNumber(endpoint.port), endpoint.addresses,
                                config.profiles[endpoint.profile].name, endpoint.out_of_blue});
  }
  std::vector<PeerProfile> peers;
  uint32_t number = 0;
  for (const config::Peer& peer : config.peers) {
    ++number;
    for (const config::Prefix& prefix : peer.addresses) {
      peers.push_back(
          {prefix.address, prefix.length, config.profiles[peer.profile].profile, number});
    }
  }
  if (!peers.empty()) bridge.peers = std::make_shared<const PeerTable>(std::move(peers));
  bridge.on_death = config.clients.on_death == config::OnDeath::kAbort
                        ? appring::ClientDeath::kAbort
                        : appring::ClientDeath::kShutdown;
  bridge.max_associations = out.shard.max_associations;
  bridge.max_units = std::min(messages, chunks);
  bridge.max_clients = config.clients.limits.max_clients;
  bridge.orphan_buffer = share_of(config.limits.orphan_buffer, count);
  if (config.sockets) {
    sockets::SocketBridgeConfig& sockets = out.sockets.emplace();
    sockets.worker = index;
    sockets.workers = count;
    sockets.max_associations = bridge.max_associations;
    sockets.max_units = bridge.max_units;
    sockets.max_users = config.sockets->limits.max_processes;
  }
  return out;
}

}  // namespace trunkline::worker
