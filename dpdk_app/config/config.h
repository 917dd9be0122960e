// SPDX-License-Identifier: BSD-3-Clause
// What an operator writes in trunklined.yaml, checked and in plain types. Nothing here knows YAML
// or DPDK; load_config() in load.h fills it and guarantees the invariants named here.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trunkline/stack/address.h"
#include "trunkline/stack/profile.h"
#include "trunkline/stack/stack.h"

namespace trunkline::config {

struct Prefix {
  IpAddress address;
  uint8_t length = 0;
};

struct Eal {
  std::string file_prefix = "trunkline";  // names /var/run/dpdk/<prefix>
  bool huge_pages = true;
  uint32_t memory_mib = 512;
  std::optional<uint16_t> control_core;  // none: wherever the scheduler likes
  bool pci = true;                       // false: do not even look at the PCI bus
  std::vector<std::string> extra_args;
};

struct Workers {
  static constexpr uint16_t kMost = 64;

  uint16_t count = 1;
  std::vector<uint16_t> cores;  // one for each worker, or none: wherever the scheduler likes
  bool misdirect = false;       // for tests: every packet is handed to a wrong worker first
};

struct Port {
  std::string name;
  std::string device;   // a DPDK device: "net_memif0,role=server,..." or "0000:3b:00.0"
  uint16_t queues = 0;  // 0: as many as there are workers and the driver has
  uint16_t rx_descriptors = 1024;
  uint16_t tx_descriptors = 1024;
  uint32_t buffers = 8192;  // mbufs in this port's pool
  uint16_t vlan = 0;        // 0: untagged
  uint16_t mtu = 1500;
  bool promiscuous = false;
  std::vector<Prefix> addresses;  // at least one; no address twice in the file
  std::optional<IpAddress> gateway_v4;
  std::optional<IpAddress> gateway_v6;
  int line = 0;

  // "net_memif0,role=..." is a virtual device; anything else names a PCI function.
  [[nodiscard]] bool is_virtual() const { return device.starts_with("net_"); }
};

struct NamedProfile {
  std::string name;
  Profile profile;
};

struct Endpoint {
  std::string name;
  uint16_t port = 0;
  std::vector<IpAddress> addresses;  // each of a port or of loopback; of no other with this port
  size_t profile = 0;                // index in Config::profiles
  OutOfBlue out_of_blue = OutOfBlue::kAnswer;
};

struct Peer {
  std::string name;
  std::vector<Prefix> addresses;  // a single address has the length of its family
  size_t profile = 0;
};

struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
  [[nodiscard]] bool contains(uint16_t port) const { return port >= first && port <= last; }
};

enum class OnDeath : uint8_t { kAbort, kShutdown };

// What processes of a user or group may do. A client may do the sum of all rules that name its
// uid or gid; without any, it may not attach.
struct ClientRule {
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;   // both unset: anybody
  std::vector<PortRange> ports;  // local ports that it may listen on and connect from
  bool ephemeral = false;        // may connect from a port that the daemon chooses
};

// Bounds on what clients can make the daemon hold.
struct ClientLimits {
  uint32_t max_clients = 64;
  uint32_t max_clients_per_uid = 0;  // 0: all but one for each other that `allow` names
  uint32_t max_lanes = 16;           // threads of one client
  uint64_t max_client_memory = 512ull << 20;
  uint64_t max_total_memory = 4ull << 30;
  uint32_t max_associations = 4096;  // of one lane
  uint32_t max_listeners = 64;       // of one lane
  uint64_t receive_buffer = 0;       // bytes unread in the slots of one lane; 0: all that they hold
  // Down to here clients may shorten what a profile says.
  Duration least_rto = std::chrono::milliseconds(10);
  Duration least_heartbeat_interval = std::chrono::milliseconds(100);
};

struct Clients {
  std::string socket = "/run/trunkline/trunkline.sock";
  uint32_t socket_mode = 0660;
  std::optional<uint32_t> socket_gid;
  OnDeath on_death = OnDeath::kAbort;  // of associations whose client is gone
  ClientLimits limits;
  std::vector<ClientRule> allow;
};

// Bounds on what programs with sockets can make the daemon hold.
struct SocketLimits {
  uint32_t max_sockets = 16384;
  uint32_t max_sockets_per_uid = 0;  // 0: all but an eighth
  uint32_t max_sockets_per_process = 4096;
  uint32_t max_processes = 256;
  uint32_t max_processes_per_uid = 0;         // 0: all but an eighth
  uint64_t max_memory_per_uid = 64ull << 30;  // that its sockets could use at most
  uint64_t max_resident_per_uid = 0;          // that they do use; 0: half of the machine's
  uint32_t max_backlog = 4096;                // of listen()
};

// Programs that have SCTP sockets. Their rights are those of Clients::allow.
struct Sockets {
  std::string socket = "/run/trunkline/sockets.sock";
  uint32_t socket_mode = 0660;
  std::optional<uint32_t> socket_gid;
  SocketLimits limits;
};

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

struct Logging {
  LogLevel level = LogLevel::kInfo;
  std::string file;  // empty: standard error
};

struct Control {
  std::string socket = "/run/trunkline/control.sock";
  uint32_t socket_mode = 0600;
};

struct Limits {
  uint32_t max_associations = 4096;
  // Of these, with settings of their own or extensions in use; 0: an eighth.
  uint32_t max_extended = 0;
  uint64_t receive_buffer = 64ull << 20;
  uint32_t max_outstanding_chunks = 262144;
  uint32_t max_queued_messages = 262144;
  uint64_t orphan_buffer = 16ull << 20;  // unacknowledged messages of dead clients
  uint32_t out_of_blue_replies_per_second = 1000;
  uint32_t inits_per_second_per_source = 200;
  uint32_t inits_per_second = 20000;
  uint32_t spent_cookies = 16384;
  uint32_t max_neighbours = 1024;  // of each port
};

enum class Idle : uint8_t { kAdaptive, kSpin };

struct Config {
  std::string file;
  Eal eal;
  Workers workers;
  std::vector<Port> ports;             // at least one
  std::vector<NamedProfile> profiles;  // [0] is "default"
  std::vector<Endpoint> endpoints;
  std::vector<Peer> peers;
  Clients clients;
  std::optional<Sockets> sockets;  // none: the daemon serves no sockets
  Control control;
  Logging logging;
  Limits limits;
  Idle idle = Idle::kAdaptive;
  std::string capture_directory = "/var/tmp";
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(5);
  // Of it, what applications have before their associations are shut down.
  std::chrono::nanoseconds grace = std::chrono::seconds(1);
};

}  // namespace trunkline::config
