// SPDX-License-Identifier: BSD-3-Clause
// A process that uses sockets: its connection, who it is and what it may, and the memory by which
// it kicks workers. The sockets thread makes and destroys it; each worker reads its own kick area
// between SocketBridge::add_process() and remove_process().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "appring/permissions.h"
#include "appring/ring_client.h"
#include "appring/segment_guard.h"
#include "sockets/socket_bridge.h"

namespace trunkline::sockets {

// A memfd of tls_kicks[workers] and an event fd for each.
class KickMemory {
 public:
  // Null with errno set.
  static std::unique_ptr<KickMemory> create(uint16_t workers);
  ~KickMemory();
  KickMemory(const KickMemory&) = delete;
  KickMemory& operator=(const KickMemory&) = delete;

  [[nodiscard]] const std::vector<KickArea>& areas() const { return areas_; }
  // The memfd, then the event fds: what the process gets.
  [[nodiscard]] std::vector<int> descriptors() const;

 private:
  KickMemory() = default;
  int fd_ = -1;
  void* base_ = nullptr;
  size_t size_ = 0;
  appring::SegmentGuard::Range* range_ = nullptr;
  std::vector<KickArea> areas_;
};

struct Process {
  uint64_t id = 0;  // never 0, never reused
  int fd = -1;      // its connection
  appring::PeerCredentials who;
  appring::ClientRights rights;
  std::shared_ptr<SocketUser> user;
  std::unique_ptr<KickMemory> kicks;  // null: it has not said hello
  uint32_t sockets = 0;               // that it made, and that are still there
  bool busy = false;                  // an answer is under way; the next request waits
};

}  // namespace trunkline::sockets
