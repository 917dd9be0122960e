// SPDX-License-Identifier: BSD-3-Clause
// The daemon's side of the ring API, as its worker and control threads use it. No DPDK in here.
// AttachServer (control thread) lets clients in and notices when they go; Bridge (bridge.h; one per
// worker) turns submissions into verbs of the shard and events of the shard into completions. The
// two talk through each bridge's mailbox only.
//
// One iteration of a worker, around the verbs of stack.h:
//   shard.receive(now, burst);
//   while (Event* event = shard.next_event()) bridge.deliver(now, *event);
//   bridge.drain_submissions(now);
//   while (Event* event = shard.next_event()) bridge.deliver(now, *event);
//   shard.advance(now);  while (Event* event = ...) ...;
//   bridge.flush();
//   ... transmit ...
// When it has nothing to do:
//   bridge.arm();
//   if (!bridge.has_work()) bridge.wait(timeout);   // at most until shard.next_deadline()
//   bridge.disarm();
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appring/ring_counters.h"
#include "trunkline/stack/stack.h"

namespace trunkline::appring {

// ---------------------------------------------------------------- configuration

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;  // inclusive
};

// What processes of a user or group may do. A client has the sum of all entries that match it
// (by effective uid, effective gid or supplementary group); without any, it may not attach.
struct Permission {
  std::optional<uint32_t> uid;  // neither uid nor gid: everybody
  std::optional<uint32_t> gid;
  std::vector<PortRange> ports;   // local ports that it may listen on and connect from
  bool connect_from_any = false;  // may connect from a port that the daemon chooses
};

// Bounds on what clients can make the daemon hold. Requests above are cut down to them, except
// that a client that would pass the byte limits is refused.
struct AttachLimits {
  uint32_t max_clients = 64;
  // Of one user. 0: all but one for each other user or group that the permissions name and that has
  // none.
  uint32_t max_clients_per_uid = 0;
  uint32_t max_lanes = 16;  // per client
  uint32_t max_submission_size = 16384;
  uint32_t max_completion_size = 65536;
  uint32_t max_slots = 32768;  // TX and RX each, per lane and worker
  uint32_t max_slot_size = 16384;
  uint64_t max_client_bytes = 512ull << 20;
  uint64_t max_total_bytes = 4ull << 30;
  uint32_t max_associations = 4096;  // per lane and worker
  uint32_t max_listeners = 64;       // per lane and worker
  uint32_t backlog = 2048;  // events that wait for a lane without room, per lane and worker
  uint64_t receive_buffer = UINT64_MAX;  // bytes unread in the slots of a lane, likewise
  uint32_t max_handshakes = 16;          // sockets that have connected and not yet asked
  std::chrono::milliseconds handshake_timeout{2000};
};

struct AttachConfig {
  std::string socket_path;
  uint32_t socket_mode = 0660;
  std::optional<uint32_t> socket_gid;
  std::vector<Permission> permissions;
  AttachLimits limits;
  uint32_t max_message_size = 256 * 1024;  // largest of all profiles: lanes must be able to hold it
};

enum class ClientDeath : uint8_t { kAbort, kShutdown };

struct NamedProfile {
  std::string name;
  Profile profile;
};

// An endpoint that the operator configured: its port has this profile on these addresses. Another
// one may have the port on others.
struct NamedEndpoint {
  PortNumber port;
  std::vector<IpAddress> addresses;
  std::string profile;  // empty: the default
  OutOfBlue out_of_blue = OutOfBlue::kAnswer;
};

struct BridgeConfig {
  uint16_t worker = 0;
  uint16_t workers = 1;
  std::vector<IpAddress> local_addresses;  // that clients may name, beside those of loopback
  Profile default_profile;
  std::vector<NamedProfile> profiles;
  std::vector<NamedEndpoint> endpoints;
  // Peers with a profile of their own, whoever opens the association; an application that names a
  // profile when it connects overrides it.
  std::shared_ptr<const PeerTable> peers;  // null: none
  ClientDeath on_death = ClientDeath::kAbort;
  uint32_t max_associations = 4096;  // of the shard: slots of AssocId are below this
  // Messages under way, and the chunks that they are cut into, that the shard has memory for: half
  // of them for whoever comes first, half in equal parts for clients that have little.
  uint32_t max_units = 262144;
  uint32_t max_clients = 64;
  // Bytes for what clients leave unacknowledged when they go and their associations are shut down.
  // No dead client may have more of it than it leaves.
  uint64_t orphan_buffer = 16ull << 20;
  uint32_t burst = 256;  // submissions of one lane per call of drain_submissions()
  // Shorter than what an association has, clients may make these down to here and no further.
  Duration least_rto = std::chrono::milliseconds(10);
  Duration least_heartbeat_interval = std::chrono::milliseconds(100);
};

// ---------------------------------------------------------------- control thread

struct ClientInfo {
  uint32_t id = 0;
  std::string name;
  int32_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  uint32_t lanes = 0;
  uint64_t bytes = 0;    // of its segment and what goes with it; 0 once that is gone
  bool leaving = false;  // its socket is gone; workers still have some of its payload
};

// Numbers of the control thread: attaches granted and refused.
struct AttachCounters {
  uint64_t attached = 0;
  uint64_t detached = 0;
  uint64_t refused_permission = 0;
  uint64_t refused_limit = 0;    // clients, lanes or bytes
  uint64_t refused_share = 0;    // what is left is kept for other users
  uint64_t refused_request = 0;  // malformed, another version, impossible sizes
  uint64_t refused_timeout = 0;  // connected and asked for nothing
  uint64_t ended_fault = 0;      // ended by a bridge: bad indices or lost memory
};

class AttachCore;
class BridgeMailbox;

// Listens on the attach socket. All methods are for the control thread. May throw
// std::runtime_error in the constructor only.
class AttachServer {
 public:
  // One mailbox per worker, in the order of workers; the bridges outlive the server.
  AttachServer(const AttachConfig& config, std::span<BridgeMailbox* const> bridges);
  // Hangs up on all clients and removes the socket. The workers must have stopped, or must go on
  // draining until stop() said true.
  ~AttachServer();
  AttachServer(const AttachServer&) = delete;
  AttachServer& operator=(const AttachServer&) = delete;

  // An epoll descriptor: readable when poll() has something to do.
  [[nodiscard]] int fd() const;
  // Serves what is ready, waiting at most this long. Call it at least every 100 ms while clients
  // come and go.
  void poll(std::chrono::milliseconds timeout);
  // Takes no new clients, hangs up on all. Returns true once every worker has let all of them go.
  bool stop();

  [[nodiscard]] std::vector<ClientInfo> clients() const;
  [[nodiscard]] const AttachCounters& counters() const;

 private:
  std::unique_ptr<AttachCore> core_;
};

}  // namespace trunkline::appring
