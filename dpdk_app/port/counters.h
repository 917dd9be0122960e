// SPDX-License-Identifier: BSD-3-Clause
// Names of what a worker counts for each port.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trunkline::port {

// clang-format off
#define TRUNKLINE_PORT_COUNTERS(X)                                                     \
  X(rx_packets, "frames received")                                                     \
  X(rx_bytes, "bytes of frames received")                                              \
  X(rx_bursts, "bursts with at least one frame")                                       \
  X(tx_packets, "frames sent")                                                         \
  X(tx_bytes, "bytes of frames sent")                                                  \
  X(tx_bursts, "bursts sent")                                                          \
  X(tx_backlogged, "frames that waited in software because the queue was full")        \
  X(tx_stalls, "times that the stack was not asked for packets because of a backlog")  \
  X(drop_tx_full, "frames dropped because queue and backlog were full")                \
  X(drop_tx_stopped, "frames dropped because the port was stopped or its link down")   \
  X(link_downs, "times that the link went down")
// clang-format on

enum class PortCounter : uint16_t {
#define X(name, text) k_##name,
  TRUNKLINE_PORT_COUNTERS(X)
#undef X
      kCount
};
inline constexpr size_t kPortCounterCount = static_cast<size_t>(PortCounter::kCount);

struct PortCounterInfo {
  std::string_view name;
  std::string_view text;
};
inline constexpr std::array<PortCounterInfo, kPortCounterCount> kPortCounterInfo{{
#define X(name, text) {#name, text},
    TRUNKLINE_PORT_COUNTERS(X)
#undef X
}};

// Written by one worker; others ask it for a copy.
class PortCounters {
 public:
  void add(PortCounter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] += n; }
  [[nodiscard]] uint64_t get(PortCounter counter) const {
    return values_[static_cast<size_t>(counter)];
  }

 private:
  std::array<uint64_t, kPortCounterCount> values_{};
};

}  // namespace trunkline::port
