// SPDX-License-Identifier: BSD-3-Clause
// One end of test traffic in a thread of its own: opens associations, sends numbered and hashed
// messages in both directions, waits by every way there is, and checks what comes.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "application.h"

namespace trunkline::test {

struct Body {
  uint64_t number;
  uint64_t hash;
};

inline uint64_t hash_of(const uint8_t* data, size_t n) {
  uint64_t h = 0xcbf29ce484222325;
  for (size_t i = 0; i < n; ++i) h = (h ^ data[i]) * 0x100000001b3;
  return h;
}

class Talker {
 public:
  static constexpr uint64_t kMessages = 3000;
  static constexpr size_t kAssociations = 2;
  static constexpr uint64_t kStreams = 10;

  // Talkers of different pairs use different ports. Call reset() before the threads begin.
  Talker(tl_lane* lane, bool listens, const char* peer = kPeer, size_t pair = 0)
      : lane_(lane), listens_(listens), peer_(peer), pair_(pair) {}
  static void reset() {
    for (auto& one : listening) one.store(false);
  }

  void run() {
    if (listens_) {
      ASSERT_EQ(open_listener(lane_, {.port = port()}), 0) << tl_last_error();
      listening.at(pair_).store(true);
    } else {
      while (!listening.at(pair_).load()) std::this_thread::yield();
      for (size_t i = 0; i < kAssociations; ++i) {
        tl_assoc assoc = 0;
        ASSERT_EQ(dial(lane_, &assoc, {.peer = peer_, .port = port()}), 0) << tl_last_error();
      }
    }
    uint64_t turns = 0;
    while (!done()) {
      const bool moved = receive();
      const bool sent = send();
      if (moved || sent) continue;
      // Sometimes spin, sometimes sleep, by each of the two ways to wait.
      if (++turns % 3 == 0) std::this_thread::yield();
      ASSERT_GE(tl_wait(lane_, 1000), 0) << tl_last_error();
    }
  }

  static inline std::array<std::atomic<bool>, 4> listening{};
  uint64_t received = 0;
  uint64_t sent_events = 0;
  uint64_t writable_events = 0;

 private:
  struct Side {
    tl_assoc assoc = 0;
    uint64_t next_out = 0;
    uint64_t next_in = 0;
    bool blocked = false;
    std::array<uint64_t, kStreams> expected{};
  };

  uint16_t port() const { return static_cast<uint16_t>(5000 + pair_); }
  bool done() const {
    if (sides_.size() < kAssociations) return false;
    for (const Side& side : sides_) {
      if (side.next_in < kMessages || side.next_out < kMessages) return false;
    }
    return sent_events == kAssociations * kMessages / 5;
  }

  bool receive() {
    tl_event events[32];
    const int n = tl_poll(lane_, events, 32);
    EXPECT_GE(n, 0) << tl_last_error();
    for (int i = 0; i < n; ++i) {
      const tl_event& event = events[i];
      switch (event.kind) {
        case TL_EVENT_ACCEPTED:
        case TL_EVENT_CONNECTED:
          sides_.push_back({event.assoc});
          break;
        case TL_EVENT_MESSAGE:
          check(event);
          break;
        case TL_EVENT_SENT:
          EXPECT_EQ(event.context % 5, 0U);
          ++sent_events;
          break;
        case TL_EVENT_WRITABLE:
          side_of(event.assoc).blocked = false;
          ++writable_events;
          break;
        case TL_EVENT_SENDER_DRY:
        case TL_EVENT_PATH_CHANGED:
          break;
        default:
          ADD_FAILURE() << tl_event_kind_name(event.kind) << " " << tl_reason_name(event.reason);
      }
    }
    tl_event_release(lane_, events, static_cast<size_t>(n));
    return n > 0;
  }

  void check(const tl_event& event) {
    Side& side = side_of(event.assoc);
    uint8_t bytes[4096];
    ASSERT_LE(event.length, sizeof(bytes));
    ASSERT_EQ(tl_event_copy(lane_, &event, bytes, sizeof(bytes)), event.length);
    Body body;
    memcpy(&body, bytes, sizeof(body));
    // Order holds within a stream (RFC 9260 section 6.6), not between streams.
    ASSERT_LT(event.stream, kStreams);
    EXPECT_EQ(body.number, side.expected[event.stream] * kStreams + event.stream);
    ++side.expected[event.stream];
    EXPECT_EQ(body.hash, hash_of(bytes + sizeof(body), event.length - sizeof(body)));
    EXPECT_EQ(event.ppid, static_cast<uint32_t>(body.number));
    ++side.next_in;
    ++received;
  }

  bool send() {
    bool any = false;
    for (Side& side : sides_) {
      while (side.next_out < kMessages && !side.blocked) {
        uint8_t bytes[4096];
        const auto filler = static_cast<uint32_t>(side.next_out * 131 % 1500);
        const auto length = static_cast<uint32_t>(sizeof(Body)) + filler;
        memset(bytes + sizeof(Body), static_cast<int>(side.next_out), filler);
        const Body body{side.next_out, hash_of(bytes + sizeof(Body), filler)};
        memcpy(bytes, &body, sizeof(body));
        tl_message message{};
        message.data = bytes;
        message.length = length;
        message.stream = static_cast<uint16_t>(side.next_out % kStreams);
        message.ppid = static_cast<uint32_t>(side.next_out);
        message.context = side.next_out;
        message.flags = side.next_out % 5 == 0 ? TL_SEND_NOTIFY : 0;
        const int result = tl_send(lane_, side.assoc, &message);
        if (result == -EAGAIN) {
          side.blocked = true;
          break;
        }
        EXPECT_EQ(result, 0) << tl_last_error();
        if (result != 0) return false;
        ++side.next_out;
        any = true;
      }
    }
    return any;
  }

  Side& side_of(tl_assoc assoc) {
    for (Side& side : sides_) {
      if (side.assoc == assoc) return side;
    }
    ADD_FAILURE() << "unknown association";
    return sides_.emplace_back();
  }

  tl_lane* lane_;
  bool listens_;
  const char* peer_;
  size_t pair_;
  std::vector<Side> sides_;
};

}  // namespace trunkline::test
