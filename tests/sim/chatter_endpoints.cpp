// SPDX-License-Identifier: BSD-3-Clause
// The endpoints of a simulated application: each port is its alone, and given back in the end.
#include "chatter.h"

#include <utility>

namespace trunkline::sim {

using std::chrono::milliseconds;

namespace {

// Of this host's ports, in the table that its shards share.
constexpr uint64_t kOwner = 1;
constexpr uint64_t kAnother = 2;

}  // namespace

size_t Chatter::bind(Host& host, TimePoint now, const Side& side, uint16_t first, uint16_t count) {
  const HostPlan& mine = plan_.hosts[host_];
  EndpointConfig config;
  config.port = PortNumber(side.local_port);
  config.addresses = plan_.bound_of(*side.assoc, side.client, host.boot() > 1);
  config.owner = kOwner;
  config.profile = mine.profile;
  config.listening = mine.listening && (!side.client || side.assoc->both_connect);
  config.user = side.local_port;
  const auto addresses = BoundAddresses::of(config.addresses);
  if (!addresses) {
    fail(now, "a plan with addresses that do not go together");
    return SIZE_MAX;
  }
  const bool lists = !side.assoc->client_bound.empty() || !side.assoc->server_bound.empty();
  for (size_t i = 0; i < bounds_.size() && side.local_port != 0; ++i) {
    Bound& known = bounds_[i];
    if (known.port != side.local_port || (lists && !(known.addresses == *addresses))) continue;
    for (uint16_t at = 0; at < host.shard_count() && lists && config.listening; ++at) {
      static_cast<void>(host.shard(at).set_listening(known.ids[at], true, known.port));
    }
    return i;
  }
  Bound bound;
  bound.addresses = *addresses;
  bound.ids.resize(host.shard_count());
  bound.first = first;
  bound.count = count;
  for (uint16_t i = first; i < first + count; ++i) {
    const EndpointResult result = host.shard(i).add_endpoint(config);
    if (side.local_port == 0 && result.status == Status::kOutOfResources) return SIZE_MAX;
    if (result.status != Status::kOk ||
        (side.local_port != 0 && result.port.value != side.local_port)) {
      fail(now, "add_endpoint: " + std::string(status_text(result.status)));
      return SIZE_MAX;
    }
    bound.ids[i] = result.endpoint;
    bound.port = result.port.value;
  }
  bound.end = simulator_.ends().opened(now, host_, PortNumber(bound.port), bound.addresses);
  if (lists) try_to_take(host, now, bound);
  bounds_.push_back(std::move(bound));
  return bounds_.size() - 1;
}

// As whoever calls without a port of its own gets one: at the shard that calls.
bool Chatter::bind_ephemeral(Host& host, TimePoint now, Side& side, uint16_t shard) {
  side.local_port = 0;
  side.bound = bind(host, now, side, shard, 1);
  if (side.bound == SIZE_MAX) {
    const auto addresses = BoundAddresses::of(plan_.bound_of(*side.assoc, side.client));
    simulator_.ends().refused(now, host_, *addresses);
    side.connect_at = now + milliseconds(50);  // somebody else will have ended by then
    return false;
  }
  const Bound& bound = bounds_[side.bound];
  if (bound.port < 49152) fail(now, "an ephemeral port below the dynamic ones (RFC 6335)");
  side.local_port = bound.port;
  side.endpoint_closed = false;
  meeting(side).client_port = bound.port;
  meeting(side).client_end = bound.end;
  simulator_.ends().note_ephemeral(host_, PortNumber(bound.port));
  return true;
}

// Nobody else gets that port on one of its addresses, at whichever shard.
void Chatter::try_to_take(Host& host, TimePoint now, const Bound& bound) {
  EndpointConfig config;
  config.port = PortNumber(bound.port);
  if (!bound.addresses.is_all() && random_.below(2) == 0) {
    const auto named = bound.addresses.named();
    config.addresses = {named[random_.below(named.size())]};
  }
  config.owner = kAnother;
  const auto shard = static_cast<uint16_t>(random_.below(host.shard_count()));
  const EndpointResult result = host.shard(shard).add_endpoint(config);
  if (result.status != Status::kAlreadyExists) {
    fail(now, "port " + std::to_string(bound.port) +
                  " was given to two users: " + std::string(status_text(result.status)));
  }
}

size_t Chatter::bound_of(uint16_t shard, EndpointId endpoint) const {
  for (size_t i = 0; i < bounds_.size(); ++i) {
    const Bound& bound = bounds_[i];
    const bool here = shard >= bound.first && shard < bound.first + bound.count;
    if (here && bound.ids[shard] == endpoint) return i;
  }
  return SIZE_MAX;
}

Status Chatter::close(Host& host, const Bound& bound) {
  Status status = Status::kOk;
  for (uint16_t i = bound.first; i < bound.first + bound.count; ++i) {
    const Status here = host.shard(i).close_endpoint(bound.ids[i]);
    if (here != Status::kOk) status = here;
  }
  return status;
}

void Chatter::check_end(Host& host, TimePoint now) {
  for (const Bound& bound : bounds_) {
    static_cast<void>(close(host, bound));
    for (uint16_t i = bound.first; i < bound.first + bound.count; ++i) {
      if (host.shard(i).close_endpoint(bound.ids[i]) != Status::kNoSuchEndpoint) {
        fail(now, "an endpoint that was closed and has no association is still there");
      }
    }
  }
  for (const Bound& bound : bounds_) {
    EndpointConfig config;
    config.port = PortNumber(bound.port);
    config.addresses = {plan_.hosts[host_].addresses[0]};
    for (uint16_t i = 0; i < host.shard_count(); ++i) {
      const EndpointResult again = host.shard(i).add_endpoint(config);
      if (again.status != Status::kOk) {
        fail(now,
             "add_endpoint() on a port that was closed: " + std::string(status_text(again.status)));
      }
      static_cast<void>(host.shard(i).close_endpoint(again.endpoint));
    }
  }
}

}  // namespace trunkline::sim
