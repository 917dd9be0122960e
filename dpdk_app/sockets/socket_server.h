// SPDX-License-Identifier: BSD-3-Clause
// The sockets thread: programs ask it for sockets and for all that is done to them but sending and
// receiving (socket_abi.h), and it notices when their last handle is closed. It talks to workers
// through SocketMail only. Where it listens is here, which limits there are in socket_limits.h, how
// it serves in socket_core.h.
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
#include "sockets/server_counters.h"
#include "sockets/socket_end.h"
#include "sockets/socket_limits.h"
#include "sockets/socket_object.h"
#include "trunkline/stack/stack.h"

namespace trunkline::sockets {

class SocketMail;

struct SocketServerConfig {
  appring::ListenerPlace place;  // of the socket that programs connect to
  std::vector<appring::Permission> permissions;
  SocketLimits limits;
  MachineRoom machine;
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

  // From any thread while the sockets thread runs; nothing if it does not answer in time. Without
  // `list`, its sockets are left out.
  [[nodiscard]] std::optional<SocketSnapshot> snapshot(bool list = true);
  // What the limits come to on this machine.
  [[nodiscard]] const SocketRoom& room() const;

 private:
  struct Thread;
  std::unique_ptr<SocketCore> core_;
  std::unique_ptr<Thread> thread_;
};

}  // namespace trunkline::sockets
