// SPDX-License-Identifier: BSD-3-Clause
// Processes that hold one socket, and what they tell each other of the messages that they read.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

namespace trunkline::test {

// Of each message, which have numbers from 0 on.
struct Board {
  std::atomic<uint64_t> received;
  std::atomic<uint64_t> sum;
  std::atomic<uint32_t> twice;
  std::atomic<uint32_t> late;  // came after one that was sent later
  std::atomic<uint32_t> stop;
  std::atomic<uint8_t> seen[1];

  void note(uint32_t number, uint8_t mark = 1) {
    if (seen[number].exchange(mark) != 0) ++twice;
    sum += number;
    ++received;
  }
};

// Shared by whoever is forked afterwards.
class SharedBoard {
 public:
  explicit SharedBoard(uint32_t messages) : size_(sizeof(Board) + messages) {
    void* const at =
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    board_ = new (at) Board{};
  }
  ~SharedBoard() { ::munmap(board_, size_); }
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  Board& operator*() { return *board_; }
  Board* operator->() { return board_; }

 private:
  size_t size_;
  Board* board_;
};

// How many messages a test sends: the environment may want more.
inline uint32_t wanted_messages(uint32_t usual) {
  const char* const wanted = std::getenv("TRUNKLINE_SOCKET_MESSAGES");
  return wanted != nullptr ? static_cast<uint32_t>(std::atoi(wanted)) : usual;
}

// A process whose threads do that, and which ends with them.
template <typename Work>
pid_t fork_threads(int count, Work work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  ::_exit(0);
}

}  // namespace trunkline::test
