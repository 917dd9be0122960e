// SPDX-License-Identifier: BSD-3-Clause
// What a simulated application does beside talking: looks, changes, and calls that are wrong.
#include "chatter.h"

#include <chrono>

namespace trunkline::sim {

// Looks and touches where nothing may come of it.
void Chatter::meddle(Host& host, TimePoint now, Side& side) {
  Shard& shard = host.shard_of(side.id);
  const Profile& profile = plan_.hosts[host_].profile;
  const bool up = side.phase == Phase::kUp;
  switch (random_.below(5)) {
    case 0: {
      AssocStatus status;
      if (!shard.status(side.id, status)) return fail(now, "no status of a living association");
      bool good = status.id == side.id && status.local_port.value == side.local_port &&
                  status.peer_port.value == side.peer_port && !status.paths.empty() &&
                  status.state != AssocState::kClosed && status.user == side.user &&
                  status.a_rwnd <= profile.a_rwnd;
      uint64_t flight = 0;
      for (const PathStatus& path : status.paths) {
        flight += path.flight;
        good = good && path.rto >= profile.rto_min && path.rto <= profile.rto_max &&
               path.mtu <= profile.path_mtu && path.cwnd > 0;
      }
      // The one counts payload, the other DATA chunks: at most twenty bytes for one of payload.
      if (!good || flight > 20 * status.outstanding_bytes) fail(now, "status() makes no sense");
      break;
    }
    case 1: {
      side.former_user = side.user;
      side.user = random_.next();
      if (shard.set_user(side.id, side.user) != Status::kOk) fail(now, "set_user()");
      edit_profile(host, now, side);
      break;
    }
    case 2: {
      const IpAddress peer = peer_address(host, side);
      const Status status = shard.request_heartbeat(now, side.id, peer);
      const bool expected =
          status == Status::kOk || status == Status::kNotEstablished || status == Status::kClosing;
      if (!expected || (up && !side.closing && status != Status::kOk)) {
        fail(now, "request_heartbeat(): " + std::string(status_text(status)));
      }
      if (shard.request_heartbeat(now, side.id, IpAddress::ipv4(9, 9, 9, 9)) !=
          Status::kInvalidAddress) {
        fail(now, "request_heartbeat() to an unknown address");
      }
      break;
    }
    case 3: {
      AssocId wrong = side.id;
      ++wrong.generation;
      AssocStatus status;
      if (shard.status(wrong, status) || shard.shutdown(now, wrong) == Status::kOk ||
          shard.set_user(wrong, 1) == Status::kOk) {
        fail(now, "an id of another generation was taken");
      }
      break;
    }
    default: {
      if (!up) return;
      const auto size = profile.max_message_size + 1;
      auto outgoing = simulator_.ledger().make(side.record, StreamId(0), false, size, 2);
      const Status status =
          host.shard_of(side.id).send(now, side.id, outgoing.request, outgoing.payload);
      if (status != Status::kMessageTooLarge && status != Status::kClosing) {
        fail(now, "send() of too much: " + std::string(status_text(status)));
      }
      simulator_.ledger().refused(now, outgoing);
      break;
    }
  }
}

// Of the association, and of one of the peer's addresses: what changes how it sends, and nothing
// that its referee goes by.
void Chatter::edit_profile(Host& host, TimePoint now, const Side& side) {
  Shard& shard = host.shard_of(side.id);
  const Profile& profile = plan_.hosts[host_].profile;
  ProfileEdit edit;
  edit.max_burst = static_cast<uint8_t>(1 + side.user % 8);
  edit.nagle = side.user % 16 < 8;
  // A plan may say what no operator may.
  const bool good = !fault_of(edit.applied_to(profile));
  const EditResult edited = shard.set_profile(now, side.id, edit);
  if (edited.status != (good ? Status::kOk : Status::kInvalidValue)) {
    fail(now, "set_profile(): " + std::string(edited.fault.field));
  }
  edit.rto_min = std::chrono::seconds(100);
  edit.rto_initial = std::chrono::seconds(1);
  if (shard.set_profile(now, side.id, edit).status != Status::kInvalidValue) {
    fail(now, "set_profile() of what contradicts itself");
  }
  PathEdit path;
  path.dscp = static_cast<uint8_t>(side.user % 64);
  const IpAddress peer = peer_address(host, side);
  const Status status = shard.set_path_profile(now, side.id, peer, path).status;
  if (good && status != Status::kOk && status != Status::kOutOfResources)
    fail(now, "set_path_profile()");
}

// To any address of the peer, dead or alive. One that is not confirmed is refused (5.4).
void Chatter::switch_primary(Host& host, TimePoint now, Side& side) {
  const std::vector<IpAddress> peer = plan_.addresses_of(*side.assoc, !side.client);
  const IpAddress& to = peer[random_.below(peer.size())];
  const Status status = host.shard_of(side.id).set_primary(now, side.id, to);
  if (status != Status::kOk && status != Status::kInvalidAddress && status != Status::kClosing) {
    fail(now, "set_primary(): " + std::string(status_text(status)));
  }
}

void Chatter::try_wrong_calls(Host& host, TimePoint now, Side& side) {
  const uint16_t streams = simulator_.ledger().record(side.record).outbound_streams;
  if (streams < 65535) {
    auto outgoing = simulator_.ledger().make(side.record, StreamId(streams), false, 5, 1);
    const Status status =
        host.shard_of(side.id).send(now, side.id, outgoing.request, outgoing.payload);
    if (status != Status::kInvalidStream && status != Status::kClosing) {
      fail(now, "send() on a stream too many: " + std::string(status_text(status)));
    }
    simulator_.ledger().refused(now, outgoing);
  }
  Payload nothing;
  SendRequest request;
  const Status status = host.shard_of(side.id).send(now, side.id, request, nothing);
  if (status != Status::kEmptyMessage && status != Status::kClosing) {
    fail(now, "send() of nothing: " + std::string(status_text(status)));
  }
}

}  // namespace trunkline::sim
