// SPDX-License-Identifier: BSD-3-Clause
// The thread that empties a tap into a pcapng file. Made and asked by the control thread.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "capture/tap.h"

namespace trunkline::capture {

struct WriterConfig {
  int fd = -1;  // owned by the writer from here on
  std::string application;
  std::string comment;
  struct Interface {
    std::string name;
    std::string description;
  };
  std::vector<Interface> interfaces;
  int64_t time_offset_ns = 0;  // to add to the worker's time for the time of day
  uint64_t max_packets = 0;    // 0: no limit
};

class Writer {
 public:
  Writer(WriterConfig config, std::shared_ptr<Tap> tap);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // True once the limit is reached or the file cannot be written.
  [[nodiscard]] bool done() const { return done_.load(std::memory_order_acquire); }
  // Writes what is left in the tap, then the statistics, and closes the file. The worker must not
  // push any more.
  void finish();
  [[nodiscard]] uint64_t packets() const { return packets_.load(std::memory_order_relaxed); }
  // errno of the write that failed, 0: none.
  [[nodiscard]] int error() const { return error_.load(std::memory_order_relaxed); }

 private:
  void run();
  // Writes all records that are there; returns how many.
  size_t drain();
  bool flush();

  WriterConfig config_;
  std::shared_ptr<Tap> tap_;
  bool may_block_ = false;  // a pipe or the like
  std::vector<uint8_t> out_;
  std::vector<uint8_t> frame_;
  std::atomic<bool> stop_{false};  // control thread writes, writer reads
  std::atomic<bool> done_{false};  // writer writes, control thread reads
  std::atomic<uint64_t> packets_{0};
  std::atomic<int> error_{0};
  std::thread thread_;
};

}  // namespace trunkline::capture
