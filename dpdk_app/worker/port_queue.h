// SPDX-License-Identifier: BSD-3-Clause
// A worker's queues of one port, with what belongs to them: neighbours, responder, and the frames
// that are to be sent, some of which may wait because the send queue was full.
#pragma once

#include <array>
#include <cstdint>

#include "net/neighbour.h"
#include "net/responder.h"
#include "net/route.h"
#include "port/counters.h"
#include "port/port.h"
#include "worker/queue_share.h"

namespace trunkline::worker {

class PortQueue {
 public:
  static constexpr size_t kBacklog = 512;  // frames; a power of two

  PortQueue(port::Port& port, uint16_t worker, uint16_t workers, const net::RouteTable& routes,
            net::NetCounters& counters, uint32_t max_neighbours)
      : port_(port),
        share_(port.index(), port.queues(), worker, workers),
        neighbours_({.max_entries = max_neighbours}),
        responder_(routes.port(port.index()), routes, neighbours_, counters, workers > 1) {}

  // Without a queue of its own this worker receives nothing, and its frames must go through
  // another.
  [[nodiscard]] const QueueShare& share() const { return share_; }
  uint16_t receive(uint16_t queue, rte_mbuf** out);
  // Takes the frame. send_all() puts what was given since on the wire.
  void send(rte_mbuf* frame) {
    if (waiting() == kBacklog) return drop_full(frame);
    ring_[tail_++ & (kBacklog - 1)] = frame;
  }
  void send_all();
  // True when so much waits that the stack should not be asked for more.
  [[nodiscard]] bool congested() const { return waiting() >= kBacklog / 2; }
  [[nodiscard]] bool idle() const { return head_ == tail_; }

  // Between the control thread's stop() and start() nothing may be polled.
  void set_polling(bool on);
  [[nodiscard]] bool polling() const { return polling_; }
  void set_link(bool up) {
    if (link_up_ && !up) counters_.add(port::PortCounter::k_link_downs);
    link_up_ = up;
  }
  [[nodiscard]] bool link_up() const { return link_up_; }
  void drop_all();

  [[nodiscard]] port::Port& port() { return port_; }
  [[nodiscard]] const port::Port& port() const { return port_; }
  [[nodiscard]] net::NeighbourTable& neighbours() { return neighbours_; }
  [[nodiscard]] net::Responder& responder() { return responder_; }
  [[nodiscard]] port::PortCounters& counters() { return counters_; }

 private:
  [[nodiscard]] size_t waiting() const { return tail_ - head_; }
  void drop_full(rte_mbuf* frame);

  port::Port& port_;
  QueueShare share_;
  bool polling_ = false;
  bool link_up_ = false;
  net::NeighbourTable neighbours_;
  net::Responder responder_;
  port::PortCounters counters_;
  size_t head_ = 0;  // frames [head_, tail_) of ring_ are still to be sent
  size_t tail_ = 0;
  std::array<rte_mbuf*, kBacklog> ring_{};
};

}  // namespace trunkline::worker
