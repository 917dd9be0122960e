// SPDX-License-Identifier: BSD-3-Clause
// One DPDK ethdev: probed, configured, started and stopped by the control thread; polled by
// workers through rx() and tx(), which are the only calls of the fast path.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/mac.h"
#include "port/capabilities.h"
#include "port/poll_guard.h"

namespace trunkline::port {

// Room in front of a packet for its headers, and after the largest frame for a VLAN tag or two.
inline constexpr uint16_t kHeadroom = RTE_PKTMBUF_HEADROOM;
inline constexpr uint16_t kBurst = 32;

// What each lcore that frees into a pool may keep in its cache of it.
inline constexpr uint32_t kPoolCache = 256;
inline constexpr uint32_t kMostCached = kPoolCache * 3 / 2;

// An mbuf pool. Any worker may free what another one took: packets are handed over. Where threads
// share cores a preempted one must not stop the others, which the default ring of DPDK does.
[[nodiscard]] rte_mempool* make_pool(const std::string& name, uint32_t count, uint16_t frame_size,
                                     bool shared_cores);

class Port {
 public:
  // Throws std::runtime_error with what is wrong and, where it is known, what would help.
  // `workers` poll it and free its buffers.
  Port(const config::Port& config, uint16_t index, uint16_t workers, bool shared_cores);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  // -- workers
  uint16_t rx(uint16_t queue, rte_mbuf** out) { return rte_eth_rx_burst(id_, queue, out, kBurst); }
  uint16_t tx(uint16_t queue, rte_mbuf** frames, uint16_t count) {
    return rte_eth_tx_burst(id_, queue, frames, count);
  }

  // -- control thread
  // False when it cannot be started now: a memif client whose server is not there yet.
  bool start();
  void stop();
  // Stops, closes and frees; after that only the destructor may follow.
  void close();
  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] bool link_up() const;
  // A memif client does not call again by itself when its server went: stop() and start() do.
  [[nodiscard]] bool wants_restart() const;
  // Whether its server hung up on it: one that listens, but does not serve this memif yet.
  [[nodiscard]] bool was_refused() const;
  [[nodiscard]] uint32_t link_speed_mbps() const;
  [[nodiscard]] rte_eth_stats stats() const;

  [[nodiscard]] const config::Port& config() const { return config_; }
  [[nodiscard]] uint16_t index() const { return index_; }
  // Pairs of a receive and a send queue.
  [[nodiscard]] uint16_t queues() const { return queues_; }
  [[nodiscard]] const PortCapabilities& capabilities() const { return capabilities_; }
  [[nodiscard]] const Offloads& offloads() const { return offloads_; }
  [[nodiscard]] const net::MacAddress& mac() const { return mac_; }

 private:
  void probe();
  void configure(uint16_t workers, bool shared_cores);
  void ask_for_rss(rte_eth_conf& conf);
  void set_up_redirection();
  void set_up_filters();

  config::Port config_;
  uint16_t index_;
  uint16_t queues_ = 1;
  uint16_t id_ = RTE_MAX_ETHPORTS;
  bool started_ = false;
  bool probed_ = false;
  bool memif_client_ = false;
  std::optional<ControlChannel> listener_;  // of a memif server
  std::optional<ControlChannel> channel_;   // of a memif client: of the last start()
  PortCapabilities capabilities_;
  Offloads offloads_;
  RssChoice rss_;
  net::MacAddress mac_;
  rte_mempool* pool_ = nullptr;
};

}  // namespace trunkline::port
