// SPDX-License-Identifier: BSD-3-Clause
// The sockets thread: programs ask it for sockets and for all that is done to them but sending and
// receiving (socket_abi.h), and it notices when their last handle is closed. It talks to workers
// through SocketMail only. Where it listens, which limits there are and what is counted is here;
// how it serves is in socket_core.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appring/app_ring.h"
#include "appring/unix_listener.h"
#include "sockets/socket_end.h"
#include "sockets/socket_object.h"
#include "trunkline/stack/stack.h"

namespace trunkline::sockets {

class SocketMail;

// Bounds on what programs can make the daemon hold; each refusal is counted. In brackets what
// socket(2) says then.
struct SocketLimits {
  uint32_t max_sockets = 16384;               // of all [ENFILE]; at most TLS_MAX_SOCKETS
  uint32_t max_sockets_per_uid = 0;           // [ENFILE]; 0: all but an eighth
  uint32_t max_sockets_per_process = 4096;    // [EMFILE]
  uint32_t max_processes = 256;               // with a socket or ready to have one
  uint32_t max_processes_per_uid = 0;         // 0: all but an eighth
  uint64_t max_memory_per_uid = 64ull << 30;  // that sockets could use at most [ENOBUFS]
  uint32_t max_handshakes = 64;               // connected, and not yet said hello
  std::chrono::milliseconds handshake_timeout{2000};
};

struct SocketServerConfig {
  appring::ListenerPlace place;  // of the socket that programs connect to
  std::vector<appring::Permission> permissions;
  SocketLimits limits;
  std::vector<IpAddress> own_addresses;  // of ports
  Profile default_profile;
  std::vector<ConfiguredEnd> ends;
  std::shared_ptr<const PeerTable> peers;
  OptionFloors floors;
  uint32_t max_backlog = 4096;
  tlr_geometry geometry = SocketEnd::default_geometry();
};

struct SocketInfo {
  uint32_t index = 0;
  int32_t pid = 0;  // that made it, or its listener
  uint32_t uid = 0;
  SocketState state = SocketState::kFresh;
  bool closing = false;
  tls_name local{};
  tls_name peer{};
  uint32_t send_queued = 0;  // bytes
  uint32_t unaccepted = 0;
  uint32_t backlog = 0;
  uint32_t assoc_id = 0;
  uint32_t worker = TLS_NO_WORKER;
  bool one_to_many = false;
  uint32_t associations = 0;      // of a one-to-many socket
  uint32_t front = TLS_NO_FRONT;  // of an association of one: that socket's index
};

struct ServerCounters {
  uint64_t processes = 0;  // let in
  uint64_t sockets = 0;    // made, accepted ones included
  uint64_t accepted = 0;
  uint64_t refused_permission = 0;  // no rule matches, or not that port
  uint64_t refused_request = 0;     // malformed, another version, no such socket
  uint64_t refused_limit = 0;       // of all together
  uint64_t refused_share = 0;       // of a user or process
  uint64_t refused_memory = 0;
  uint64_t refused_backlog = 0;  // connections aborted
  uint64_t refused_timeout = 0;  // connected and said nothing
};

struct SocketSnapshot {
  std::vector<SocketInfo> sockets;
  ServerCounters counters;
  uint32_t processes = 0;
  uint32_t closing = 0;
};

class SocketCore;

class SocketServer {
 public:
  // One mail per worker, in the order of workers. Mails and ports outlive it. Throws
  // std::runtime_error if it cannot listen. Nothing is served before start().
  SocketServer(const SocketServerConfig& config, std::span<SocketMail* const> mails,
               PortTable& ports);
  // stop(), if nobody did. Workers may not use its sockets any more: they let go of them in stop(),
  // or they do not run.
  ~SocketServer();
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  void start();
  // Takes no new programs, closes all sockets, and waits, at most so long, until the workers have
  // let go of them; then the thread ends. False: they have not.
  bool stop(std::chrono::milliseconds patience);

  // From any thread while the sockets thread runs; nothing if it does not answer in time.
  [[nodiscard]] std::optional<SocketSnapshot> snapshot();

 private:
  struct Thread;
  std::unique_ptr<SocketCore> core_;
  std::unique_ptr<Thread> thread_;
};

}  // namespace trunkline::sockets
