// SPDX-License-Identifier: BSD-3-Clause
// The mailbox between the control thread and a worker, with two real threads; and a tap likewise.
#include "worker/mailbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "capture/tap.h"

namespace trunkline::worker {
namespace {

using std::chrono::milliseconds;

// The mailbox only passes the worker on; these closures do not look at it.
alignas(16) std::byte nobody[16];
Worker& no_worker() {
  return reinterpret_cast<Worker&>(nobody);
}

TEST(Mailbox, RunsInTheOtherThreadAndWaits) {
  Mailbox mailbox;
  std::atomic<bool> stop{false};
  int calls = 0;  // written by the worker's thread, read here after each call
  std::thread worker([&] {
    while (!stop.load()) {
      if (mailbox.has_mail()) mailbox.run_all(no_worker());
    }
  });
  const auto caller = std::this_thread::get_id();
  for (int i = 1; i <= 300; ++i) {
    bool elsewhere = false;
    ASSERT_TRUE(mailbox.call([&](Worker&) {
      ++calls;
      elsewhere = std::this_thread::get_id() != caller;
    }));
    ASSERT_EQ(calls, i);
    ASSERT_TRUE(elsewhere);
  }
  stop.store(true);
  worker.join();
}

TEST(Mailbox, WhatWasGivenUpNeverRuns) {
  Mailbox mailbox;
  bool ran = false;
  EXPECT_FALSE(mailbox.call([&](Worker&) { ran = true; }, milliseconds(1)));
  EXPECT_TRUE(mailbox.has_mail());
  mailbox.run_all(no_worker());
  EXPECT_FALSE(ran);
  EXPECT_FALSE(mailbox.has_mail());
}

TEST(Mailbox, FullOfWhatNobodyTakesRefuses) {
  Mailbox mailbox;
  for (int i = 0; i < 40; ++i) {
    EXPECT_FALSE(mailbox.call([](Worker&) { FAIL(); }, milliseconds(0)));
  }
  mailbox.run_all(no_worker());
}

TEST(Tap, TwoThreads) {
  capture::Tap tap(1 << 14, {});
  constexpr uint32_t kFrames = 20000;
  std::atomic<bool> done{false};
  std::thread worker([&] {
    std::vector<uint8_t> frame(128);
    for (uint32_t i = 0; i < kFrames; ++i) {
      capture::Tap::Record record;
      record.time_ns = i;
      record.length = i % 128;
      std::fill(frame.begin(), frame.end(), static_cast<uint8_t>(i));
      tap.push(record, frame);
    }
    done.store(true);
  });
  uint64_t got = 0;
  int64_t last = -1;
  std::vector<uint8_t> frame;
  capture::Tap::Record record;
  const auto take = [&] {
    while (tap.pop(record, frame)) {
      ++got;
      ASSERT_GT(record.time_ns, last);
      last = record.time_ns;
      ASSERT_EQ(frame.size(), static_cast<size_t>(record.time_ns % 128));
      for (const uint8_t byte : frame) ASSERT_EQ(byte, static_cast<uint8_t>(record.time_ns));
    }
  };
  while (!done.load()) ASSERT_NO_FATAL_FAILURE(take());
  worker.join();
  ASSERT_NO_FATAL_FAILURE(take());
  EXPECT_EQ(got + tap.lost(), kFrames);
}

}  // namespace
}  // namespace trunkline::worker
