// SPDX-License-Identifier: BSD-3-Clause
// Bursts in and out of a port.
#include "worker/port_queue.h"

#include <algorithm>

namespace trunkline::worker {

using port::PortCounter;

uint16_t PortQueue::receive(uint16_t queue, rte_mbuf** out) {
  const uint16_t count = port_.rx(queue, out);
  if (count == 0) return 0;
  uint64_t bytes = 0;
  for (uint16_t i = 0; i < count; ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(out[i], const void*));
    bytes += rte_pktmbuf_pkt_len(out[i]);
  }
  counters_.add(PortCounter::k_rx_packets, count);
  counters_.add(PortCounter::k_rx_bytes, bytes);
  counters_.add(PortCounter::k_rx_bursts);
  return count;
}

void PortQueue::send_all() {
  if (idle()) return;
  if (!polling_ || !link_up_) return drop_all();
  while (!idle()) {
    const size_t at = head_ & (kBacklog - 1);
    const auto run = static_cast<uint16_t>(
        std::min({waiting(), kBacklog - at, static_cast<size_t>(port::kBurst)}));
    std::array<uint32_t, port::kBurst> lengths{};
    for (size_t i = 0; i < run; ++i) lengths[i] = rte_pktmbuf_pkt_len(ring_[at + i]);
    const uint16_t sent = port_.tx(share_.first(), &ring_[at], run);
    uint64_t bytes = 0;
    for (size_t i = 0; i < sent; ++i) bytes += lengths[i];
    counters_.add(PortCounter::k_tx_packets, sent);
    counters_.add(PortCounter::k_tx_bytes, bytes);
    counters_.add(PortCounter::k_tx_bursts);
    head_ += sent;
    if (sent < run) {
      counters_.add(PortCounter::k_tx_backlogged, waiting());
      return;
    }
  }
}

void PortQueue::drop_full(rte_mbuf* frame) {
  counters_.add(PortCounter::k_drop_tx_full);
  rte_pktmbuf_free(frame);
}

void PortQueue::drop_all() {
  counters_.add(PortCounter::k_drop_tx_stopped, waiting());
  for (; !idle(); ++head_) rte_pktmbuf_free(ring_[head_ & (kBacklog - 1)]);
}

void PortQueue::set_polling(bool on) {
  polling_ = on;
  if (!on) drop_all();
}

}  // namespace trunkline::worker
