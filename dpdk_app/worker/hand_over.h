// SPDX-License-Identifier: BSD-3-Clause
// What workers give to each other: a ring for each ordered pair of them, one from each to itself
// among them, and a bell for each that sleeps. No DPDK in here.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/icmp.h"
#include "net/mac.h"
#include "net/neighbour.h"
#include "trunkline/stack/stack.h"
#include "worker/hand_over_ring.h"

struct rte_mbuf;

namespace trunkline::worker {

enum class HandOverKind : uint8_t {
  kPacket,     // an SCTP packet, received or looped, for who owns its association
  kIcmp,       // ICMP quotes this packet of ours: SCTP is not spoken there, or it was too big
  kNeighbour,  // `source` is at `mac`, on `port`
  kFrame,      // a whole frame to send on `port`, where the giver has no queue
};

struct HandOver {
  HandOverKind kind = HandOverKind::kPacket;
  uint8_t hand_overs = 0;  // kPacket: with this one; kNeighbour: before this one
  ChecksumState checksum = ChecksumState::kUnchecked;
  bool looped = false;  // kPacket
  bool has_mac = false;
  net::IcmpErrorKind icmp = net::IcmpErrorKind::kProtocolUnreachable;
  uint16_t mtu = 0;  // kIcmp
  uint16_t port = 0;
  uint16_t offset = 0;  // of the SCTP packet in the mbuf's data
  uint16_t length = 0;
  net::MacAddress mac;
  net::NeighbourTable::News news;
  rte_mbuf* mbuf = nullptr;  // kNeighbour: none
  IpAddress source;
  IpAddress destination;
};

// Wakes a worker that sleeps; costs nothing but a load while it does not.
class Bell {
 public:
  Bell();  // throws std::runtime_error without descriptors
  ~Bell();
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;

  // -- others, after they have published. True: it slept, or was about to.
  bool ring();
  // -- its worker: arm, look at all rings once more, sleep on fd(), disarm.
  void arm() { armed_.store(true, std::memory_order_seq_cst); }
  void disarm() { armed_.store(false, std::memory_order_relaxed); }
  // Whenever fd() was readable. Who rang may be slow to write: that costs one more wake-up.
  void acknowledge();
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
  std::atomic<bool> armed_{false};  // its worker sets it, whoever rings clears it
};

class HandOvers {
 public:
  static constexpr size_t kRing = 1024;
  using Ring = HandOverRing<HandOver>;

  explicit HandOvers(uint16_t workers);

  [[nodiscard]] uint16_t workers() const { return workers_; }
  [[nodiscard]] Ring& ring(uint16_t from, uint16_t to) { return *rings_[from * workers_ + to]; }
  [[nodiscard]] Bell& bell(uint16_t worker) { return *bells_[worker]; }
  // Whether nothing is there for `worker`, which has armed its bell.
  [[nodiscard]] bool nothing_for(uint16_t worker);

 private:
  uint16_t workers_;
  std::vector<std::unique_ptr<Ring>> rings_;
  std::vector<std::unique_ptr<Bell>> bells_;
};

}  // namespace trunkline::worker
