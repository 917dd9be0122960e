// SPDX-License-Identifier: BSD-3-Clause
// Which worker polls which queue. Queue q of port p belongs to worker (p + q) mod workers: where
// ports have fewer queues than there are workers, two paths of an association, each on a port of
// its own, still arrive at different workers. Pure.
#pragma once

#include <cstdint>

namespace trunkline::worker {

// One worker's part of a port with this many queue pairs.
class QueueShare {
 public:
  QueueShare(uint16_t port, uint16_t queues, uint16_t worker, uint16_t workers)
      : port_(port),
        queues_(queues),
        workers_(workers),
        first_(static_cast<uint16_t>((worker + workers - port % workers) % workers)) {}

  // Its receive queues are first(), first() + step(), ... below queues(). It sends on the first.
  [[nodiscard]] uint16_t first() const { return first_; }
  [[nodiscard]] uint16_t step() const { return workers_; }
  [[nodiscard]] uint16_t queues() const { return queues_; }
  [[nodiscard]] bool has_queue() const { return first_ < queues_; }
  // Who sends for this worker: itself, or one that has a queue. Those without are spread over them.
  [[nodiscard]] uint16_t sender() const {
    return static_cast<uint16_t>((port_ + first_ % queues_) % workers_);
  }
  // The one that speaks for the port: asks for gateways, announces addresses. It has a queue.
  [[nodiscard]] bool speaks() const { return first_ == 0; }

 private:
  uint16_t port_;
  uint16_t queues_;
  uint16_t workers_;
  uint16_t first_;
};

}  // namespace trunkline::worker
