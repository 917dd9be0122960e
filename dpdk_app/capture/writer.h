// SPDX-License-Identifier: BSD-3-Clause
// The thread that empties taps into a pcapng file, in the order of time. Made and asked by the
// control thread.
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
  // One tap for each worker.
  Writer(WriterConfig config, std::vector<std::shared_ptr<Tap>> taps);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // True once the limit is reached or the file cannot be written.
  [[nodiscard]] bool done() const { return done_.load(std::memory_order_acquire); }
  // Writes what is left in the taps, then the statistics, and closes the file. Nothing may be
  // pushed any more.
  void finish();
  [[nodiscard]] uint64_t packets() const { return packets_.load(std::memory_order_relaxed); }
  // Frames that did not fit into a tap.
  [[nodiscard]] uint64_t lost() const;
  // errno of the write that failed, 0: none.
  [[nodiscard]] int error() const { return error_.load(std::memory_order_relaxed); }

 private:
  // The oldest frame of a tap, taken out of it.
  struct Front {
    bool there = false;
    Tap::Record record;
    std::vector<uint8_t> frame;
  };

  void run();
  // Writes all records that are there and not younger than `until`, oldest first; returns how many.
  size_t drain(int64_t until);
  // The oldest of all taps, or null.
  Front* oldest();
  void write_packet(const Front& front);
  bool flush();

  WriterConfig config_;
  std::vector<std::shared_ptr<Tap>> taps_;
  std::vector<Front> fronts_;  // of each tap
  bool may_block_ = false;     // a pipe or the like
  std::vector<uint8_t> out_;
  std::atomic<bool> stop_{false};                  // control thread writes, writer reads
  std::chrono::steady_clock::time_point give_up_;  // written before stop_, read after it
  std::atomic<bool> done_{false};                  // writer writes, control thread reads
  std::atomic<uint64_t> packets_{0};
  std::atomic<int> error_{0};
  std::thread thread_;
};

}  // namespace trunkline::capture
