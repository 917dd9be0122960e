// SPDX-License-Identifier: BSD-3-Clause
// Puts SCTP packets together that came as IP fragments (RFC 791, RFC 8200 section 4.5), within
// bounds that a stranger can't move: packets under way, in all and of one source, their size, their
// fragments, their time. One per worker, before steering: whatever a NIC hashes, fragments have no
// ports, so that those of one packet come to one queue (docs/nics.md). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "net/counters.h"
#include "net/frame.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/types.h"

namespace trunkline::net {

struct ReassemblyLimits {
  uint16_t packets = 64;
  uint16_t packets_per_source = 8;
  // Bytes behind the IP header. Peers fragment what they cut for a path MTU that has shrunk since:
  // a jumbo frame at most.
  uint16_t packet_size = 9216;
  // Shorter than the 15 s and 60 s of the RFCs: fragments of one packet come in a row, and a sender
  // of SCTP has sent another packet long before. What is lost must not hold memory.
  Duration timeout = std::chrono::seconds(5);
};

class Reassembler {
 public:
  // `random` is used here only. Every fragment given to add() is counted once: when it arrives and
  // is refused, with its packet, or when that packet is given up.
  Reassembler(const ReassemblyLimits& limits, RandomSource& random, NetCounters& counters);

  // A frame of kind kFragment and what it carries. When the packet is complete: its SCTP part,
  // valid until the next call.
  std::optional<std::span<const uint8_t>> add(TimePoint now, const Frame& frame,
                                              std::span<const uint8_t> payload);
  // Gives up what has waited too long. Cheap when there is nothing.
  void expire(TimePoint now);

  [[nodiscard]] size_t waiting() const { return used_; }

 private:
  // RFC 8200 asks for no limit; 64 fragments of the smallest IPv6 packet make 78 kB.
  static constexpr size_t kMostFragments = 64;
  static constexpr uint16_t kNone = UINT16_MAX;

  struct Range {
    uint16_t begin = 0;
    uint16_t end = 0;
  };
  struct Slot {
    IpAddress source;
    IpAddress destination;
    uint32_t id = 0;
    TimePoint deadline;
    uint64_t hash = 0;
    bool used = false;
    // A packet that was refused. Later fragments of it must not start it again (RFC 5722).
    std::optional<NetCounter> dead;
    uint8_t protocol = 0;  // of the first fragment
    uint16_t length = 0;   // 0: the last fragment has not come
    uint16_t received = 0;
    uint8_t count = 0;
    uint16_t next = kNone;                       // in its bucket
    std::array<Range, kMostFragments> ranges{};  // [0, count), in no order
  };
  using MaybeSpan = std::optional<std::span<const uint8_t>>;

  [[nodiscard]] uint64_t hash_of(const Frame& frame) const;
  [[nodiscard]] std::span<uint8_t> buffer_of(const Slot& slot);
  Slot* find(uint64_t hash, const Frame& frame);
  Slot* make(TimePoint now, uint64_t hash, const Frame& frame);
  [[nodiscard]] std::optional<NetCounter> judge(const Frame& frame,
                                                std::span<const uint8_t> payload) const;
  [[nodiscard]] std::optional<NetCounter> judge_in(const Slot& slot, const Frame& frame,
                                                   std::span<const uint8_t> payload);
  void give_up(Slot& slot, NetCounter why);
  void free(Slot& slot);
  MaybeSpan finish(Slot& slot);
  MaybeSpan drop(NetCounter why, uint64_t n = 1) {
    counters_.add(why, n);
    return std::nullopt;
  }

  ReassemblyLimits limits_;
  NetCounters& counters_;
  std::array<uint64_t, 2> key_{};
  std::vector<Slot> slots_;
  std::vector<uint8_t> buffers_;
  std::vector<uint16_t> buckets_;
  size_t used_ = 0;
};

}  // namespace trunkline::net
