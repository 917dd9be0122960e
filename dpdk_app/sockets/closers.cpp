// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/closers.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace trunkline::sockets {

struct Closers::Counts {
  std::mutex lock;
  std::map<uint32_t, uint32_t> of_user;  // under the lock
};

Closers::Closers() : counts_(std::make_shared<Counts>()) {}

void Closers::close(uint32_t uid, std::vector<int> fds) {
  {
    const std::lock_guard held(counts_->lock);
    counts_->of_user[uid] += static_cast<uint32_t>(fds.size());
  }
  try {
    std::thread([counts = counts_, uid, all = std::move(fds)] {
      for (const int fd : all) ::close(fd);
      const std::lock_guard held(counts->lock);
      uint32_t& left = counts->of_user[uid];
      left -= static_cast<uint32_t>(all.size());
      if (left == 0) counts->of_user.erase(uid);
    }).detach();
  } catch (const std::system_error&) {
    // No more threads: they stay open, and are counted for ever.
  }
}

void Closers::close_pair(uint32_t uid, int fd) {
  // Nothing comes after this; there are no messages without bytes in a stream.
  shutdown(fd, SHUT_RD);
  int there = 0;
  if (ioctl(fd, FIONREAD, &there) == 0 && there == 0) {
    ::close(fd);
  } else {
    close(uid, {fd});
  }
}

uint32_t Closers::under_way(uint32_t uid) const {
  const std::lock_guard held(counts_->lock);
  const auto at = counts_->of_user.find(uid);
  return at != counts_->of_user.end() ? at->second : 0;
}

}  // namespace trunkline::sockets
