// SPDX-License-Identifier: BSD-3-Clause
// Loss by time (RFC 8985 section 6), between a sender and whoever knows the round trips: what a
// SACK has delivered by each path, and from when on a chunk of each path is lost. Which chunks
// those are is found in rack.cpp.
#pragma once

#include <array>
#include <cstdint>

#include "tx/messages.h"

namespace trunkline {

struct SendMark {
  bool any = false;
  bool by_recovery = false;  // sent again there
  Tsn tsn;
  TimePoint at;  // when it was sent

  [[nodiscard]] bool is_before(const TxChunk& chunk) const {
    return at < chunk.sent_at || (at == chunk.sent_at && tsn.before(chunk.tsn));
  }
  void set(const TxChunk& chunk) {
    *this = {true, chunk.fast_retransmitted, chunk.tsn, chunk.sent_at};
  }
};

// Of the chunks that a SACK has newly acknowledged, by path.
struct Deliveries {
  struct PerPath {
    SendMark first;  // of those that were sent once
    SendMark last;   // likewise
    SendMark again;  // the last of those that were sent more than once
  };
  std::array<PerPath, kMaxPaths> paths;

  void note(const TxChunk& chunk) {
    PerPath& path = paths[chunk.path];
    SendMark& last = chunk.retransmitted ? path.again : path.last;
    if (!last.any || last.is_before(chunk)) last.set(chunk);
    if (chunk.retransmitted) return;
    if (!path.first.any || !path.first.is_before(chunk)) path.first.set(chunk);
  }
};

// A chunk of that path is lost if it went before `newest`, which was delivered, and `patience` ago.
struct LateLimit {
  bool any = false;
  uint16_t newest_tsn = 0;
  int64_t newest_us = 0;
  Duration patience{};

  [[nodiscard]] bool concerns(const TxChunk& chunk) const {
    const int64_t us = chunk.sent_at.ns() / 1000;
    if (!any || us != newest_us) return any && us < newest_us;
    return static_cast<int16_t>(static_cast<uint16_t>(chunk.tsn.value) - newest_tsn) < 0;
  }
};
using LateLimits = std::array<LateLimit, kMaxPaths>;

}  // namespace trunkline
