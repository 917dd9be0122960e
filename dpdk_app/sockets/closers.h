// SPDX-License-Identifier: BSD-3-Clause
// Closes descriptors that programs have passed, and sockets in whose queues such may lie. That may
// take as long as a program likes (SO_LINGER with data that nobody takes, FUSE), so that each call
// has a thread of its own. What is under way is counted for each user, as what it has.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace trunkline::sockets {

class Closers {
 public:
  Closers();
  // Takes the descriptors; returns at once.
  void close(uint32_t uid, std::vector<int> fds);
  // The daemon's end of a pair: at once, unless there is something in it.
  void close_pair(uint32_t uid, int fd);
  // Descriptors that are not closed yet.
  [[nodiscard]] uint32_t under_way(uint32_t uid) const;

 private:
  struct Counts;
  std::shared_ptr<Counts> counts_;  // threads may outlive this
};

}  // namespace trunkline::sockets
