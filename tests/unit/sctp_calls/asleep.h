// SPDX-License-Identifier: BSD-3-Clause
// Waits until a thread sleeps in the kernel, so that what is done next meets one that waits.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <string>

namespace trunkline::test {

class Asleep {
 public:
  // By the thread, before the call that is meant.
  void here() { thread_ = static_cast<int>(::syscall(SYS_gettid)); }
  // By another: until the thread was found asleep many times in a row, as between two locks it is
  // not.
  void wait() const {
    for (int times = 0; times < 20; ::usleep(500)) times = sleeps() ? times + 1 : 0;
  }

 private:
  [[nodiscard]] bool sleeps() const {
    if (thread_ == 0) return false;
    std::ifstream file("/proc/self/task/" + std::to_string(thread_) + "/stat");
    std::string line;
    std::getline(file, line);
    const size_t name_end = line.rfind(')');
    return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
  }
  std::atomic<int> thread_{0};
};

}  // namespace trunkline::test
