// SPDX-License-Identifier: BSD-3-Clause
// Messages of many associations to one socket: peers that come, send a run of numbers and go, until
// all numbers are sent; and readers that note what they get.
#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>

#include "holders.h"
#include "many_fixture.h"

namespace trunkline::test {

class ManyTraffic : public ManySocketsTest {
 protected:
  static constexpr uint32_t kRun = 500;  // messages of an association

  explicit ManyTraffic(uint32_t usual) : messages(wanted_messages(usual)) {}

  // The messages of one peer after another; each has a run of numbers.
  void send_runs() {
    for (;;) {
      const uint32_t run = next_run_.fetch_add(1);
      const uint32_t end = std::min((run + 1) * kRun, messages);
      if (run * kRun >= messages) return;
      const int fd = connect_one();
      ASSERT_GE(fd, 0) << "run " << run;
      ++connected_;
      for (uint32_t i = run * kRun; i < end; ++i) {
        ASSERT_EQ(tlsctp_send(fd, &i, sizeof(i), 0), 4) << "message " << i;
      }
      // What is sent arrives. Readers that were forked meanwhile have copies: close() alone would
      // not be the last one.
      ASSERT_EQ(tlsctp_shutdown(fd, SHUT_WR), 0);
      tlsctp_close(fd);
    }
  }
  // So that readers end.
  void send_ends(int count) {
    const int fd = connect_one();
    ASSERT_GE(fd, 0);
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(tlsctp_send(fd, &messages, sizeof(messages), 0), 4);
    }
    tlsctp_close(fd);
  }
  // Until an end comes, or end of file; false: it waited in vain. Each reader sees what it gets of
  // an association in its order.
  static bool read_numbers(int fd, Board& board, uint32_t messages) {
    std::map<uint32_t, uint32_t> latest;  // by run
    for (;;) {
      uint32_t number = 0;
      const ssize_t n = tlsctp_recv(fd, &number, sizeof(number), 0);
      if (n <= 0) return n == 0 || errno != EAGAIN;
      if (number >= messages) return true;
      board.note(number, kByFront);
      const auto [at, is_first] = latest.try_emplace(number / kRun, number);
      if (!is_first && number <= at->second) ++board.late;
      at->second = number;
    }
  }
  // Peels associations off and reads them to their ends, until `stop`: nothing of them is missing
  // in between, nor comes by the front any more.
  void peel_some_off() {
    for (uint32_t seed = 1; board->stop == 0;) {
      seed = seed * 1664525u + 1013904223u;
      ::usleep(peeled_off != 0 ? seed >> 18 : 20);  // one at least
      const auto there = ids();
      if (there.empty()) continue;
      const int fd = peel_off(there[(seed >> 8) % there.size()]);
      if (fd < 0) continue;
      ++peeled_off;
      read_peeled_off(fd);
      tlsctp_close(fd);
    }
  }

  // What was sent has been read, and all peers are gone. Whoever has connected, sent and closed may
  // still have to be given to the front.
  void wait_until_read() {
    char byte = 0;
    for (int i = 0; i < kPatience * 1000; ++i) {
      const bool all = daemon->accepted() >= connected_;
      if (all && ids().empty() && tlsctp_recv(front, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) return;
      ::usleep(1000);
    }
    ADD_FAILURE() << "something is left";
  }
  // Of a run that was peeled off: nothing came by the front behind what came after that.
  void expect_runs_in_order() {
    for (uint32_t run = 0; run * kRun < messages; ++run) {
      bool peeled = false;
      for (uint32_t i = run * kRun; i < std::min((run + 1) * kRun, messages); ++i) {
        const uint8_t mark = board->seen[i];
        peeled = peeled || mark == kPeeledOff;
        ASSERT_TRUE(!peeled || mark != kByFront) << "message " << i;
      }
    }
  }

  // The numbers that nobody read, and by what way the ones before and behind them came.
  [[nodiscard]] std::string missing() {
    std::ostringstream out;
    for (uint32_t i = 0; i < messages;) {
      const uint32_t first = i;
      while (i < messages && board->seen[i] == 0) ++i;
      if (i > first) {
        out << first << " to " << i - 1 << " of a run of " << kRun << ", before "
            << (first > 0 ? board->seen[first - 1].load() : 0) << ", behind "
            << (i < messages ? board->seen[i].load() : 0) << "; ";
      }
      i = std::max(i, first + 1);
    }
    return out.str();
  }

  static constexpr uint8_t kByFront = 1;
  static constexpr uint8_t kPeeledOff = 2;
  const uint32_t messages;
  SharedBoard board{messages + kRun};
  std::atomic<uint32_t> peeled_off{0};

 private:
  void read_peeled_off(int fd) {
    const timeval limit{kPatience, 0};
    tlsctp_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    uint32_t expected = 0;
    for (bool is_first = true;; is_first = false) {
      uint32_t number = 0;
      const ssize_t n = tlsctp_recv(fd, &number, sizeof(number), 0);
      if (n <= 0) {
        EXPECT_FALSE(n < 0 && errno == EAGAIN) << "waited in vain";
        return;
      }
      // The ends are for the others.
      if (number >= messages) return;
      EXPECT_TRUE(is_first || number == expected) << number;
      expected = number + 1;
      board->note(number, kPeeledOff);
    }
  }

  std::atomic<uint32_t> next_run_{0};
  std::atomic<uint32_t> connected_{0};
};

}  // namespace trunkline::test
