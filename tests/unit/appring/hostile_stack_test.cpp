// SPDX-License-Identifier: BSD-3-Clause
// Hostile clients on the real bridge over the real stack: one writes all over its segment while its
// own messages and another client's are on the wire, is ended, and the next one begins.
#include <fcntl.h>
#include <sys/mman.h>

#include <random>

#include "real_stack.h"

namespace trunkline::test {
namespace {

using appring::MailKind;
using appring::RingCounter;

class HostileStackTest : public RealStackTest {
 protected:
  explicit HostileStackTest(uint64_t loss = 0) : RealStackTest(loss) {
    step_ = std::chrono::milliseconds(1);
  }
  void SetUp() override {
    ClientSetup setup;
    setup.limits.backlog = 1024;
    peer_ = attach(right, setup);
    listen(peer_);
    good_lane_ = attach(left, setup);
    good_ = join(good_lane_);
    good_at_peer_ = accepted_.back();
  }
  // An association of `lane` with the peer, up at both ends.
  tl_assoc join(tl_lane* lane) {
    tl_assoc assoc = 0;
    EXPECT_EQ(dial(lane, &assoc, {.peer = "10.1.0.2"}), 0) << tl_last_error();
    const size_t before = accepted_.size();
    tl_event event{};
    while (tl_poll(lane, &event, 1) != 1 || event.kind != TL_EVENT_CONNECTED) turn();
    while (accepted_.size() == before) traffic();
    return assoc;
  }
  static std::string numbered(uint64_t number) {
    std::string text = std::to_string(number) + ":";
    text.resize(text.size() + number * 37 % 2500, 't');
    return text;
  }
  // A message of the good client, one of its peer, a turn, and what has come at both ends.
  void traffic() {
    if (good_ != 0) {
      if (send_text(good_lane_, good_, numbered(sent_)) == 0) ++sent_;
      if (send_text(peer_, good_at_peer_, numbered(echoes_sent_)) == 0) ++echoes_sent_;
      collect(good_lane_, [&](const tl_event& event, const std::string& text) {
        EXPECT_NE(event.kind, TL_EVENT_LOST);
        if (event.kind != TL_EVENT_MESSAGE) return;
        EXPECT_EQ(text, numbered(echoes_));
        ++echoes_;
      });
    }
    turn();
    collect(peer_, [&](const tl_event& event, const std::string& text) {
      if (event.kind == TL_EVENT_ACCEPTED) accepted_.push_back(event.assoc);
      if (event.kind == TL_EVENT_LOST) {
        EXPECT_NE(event.assoc, good_at_peer_);
        ++lost_;
      }
      if (event.kind != TL_EVENT_MESSAGE) return;
      if (event.assoc == good_at_peer_) {
        EXPECT_EQ(text, numbered(received_));
        ++received_;
      } else {
        ++of_others_;
      }
    });
    appring::Mail mail;
    while (left.bridge.mailbox().take_from_worker(mail)) {
      if (mail.kind == MailKind::kFault) ++faults_;
      if (mail.kind == MailKind::kGone) ++gone_;
    }
  }
  template <typename Take>
  static void collect(tl_lane* lane, Take take) {
    tl_event events[16];
    const int n = tl_poll(lane, events, 16);
    for (int i = 0; i < n; ++i) {
      take(events[i], text_of(lane, events[i]));
    }
    if (n > 0) tl_event_release(lane, events, static_cast<size_t>(n));
  }
  // A client connects, fills the wire with its messages, and `spoil` does what it likes with the
  // segment, once a turn, until the bridge has ended it.
  template <typename Spoil>
  void round(Spoil spoil, appring::Segment::Seals seals = appring::Segment::Seals::kOn) {
    ClientSetup setup;
    setup.seals = seals;
    tl_lane* const lane = attach(left, setup);
    appring::RingClient& ring = *clients_.back()->ring;
    const tl_assoc bad = join(lane);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(send_text(lane, bad, std::string(2000, 'h')), 0);
    left.bridge.drain_submissions(now_);
    const uint64_t before = faults_;
    while (faults_ == before) {
      spoil(ring);
      traffic();
    }
    ASSERT_TRUE(left.bridge.mailbox().post_to_worker({MailKind::kRemove, &ring}));
    const uint64_t gone_before = gone_;
    while (gone_ == gone_before) traffic();
    EXPECT_EQ(ring.channel(0, 0).tx_in_use(), 0U);
    EXPECT_EQ(left.bridge.associations(), 1U);
  }
  // The good client's associations are as they were, and every message has come once, in order.
  void expect_unharmed(uint64_t rounds) {
    for (int i = 0; i < 200; ++i) traffic();
    const uint64_t sent = sent_;
    const uint64_t echoes = echoes_sent_;
    while (received_ < sent || echoes_ < echoes || lost_ < rounds) traffic();
    EXPECT_GT(sent, 200U);
    EXPECT_EQ(faults_, rounds);
    EXPECT_EQ(lost_, rounds);
    EXPECT_EQ(left.bridge.counters().get(RingCounter::k_abort_lane_backlog), 0U);
    EXPECT_EQ(left.shard.association_count(), 1U);
  }
  [[nodiscard]] uint64_t counted(RingCounter which) const {
    return left.bridge.counters().get(which);
  }

  // Random words over all of the segment, half of them where the indices and rings are.
  void scribble(appring::RingClient& ring) {
    auto* const words = reinterpret_cast<uint32_t*>(ring.segment->base());
    const size_t count = ring.segment->size() / 4;
    for (int i = 0; i < 50; ++i) {
      const size_t at =
          random_() % 2 == 0 ? random_() % count : TLR_PAGE / 4 + random_() % (4 * 1024);
      const auto value = static_cast<uint32_t>(random_() % 4 == 0 ? random_() : random_() % 80);
      __atomic_store_n(&words[at], value, __ATOMIC_RELAXED);
    }
  }

  tl_lane* peer_ = nullptr;
  tl_lane* good_lane_ = nullptr;
  tl_assoc good_ = 0;
  tl_assoc good_at_peer_ = 0;
  std::vector<tl_assoc> accepted_;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  uint64_t echoes_sent_ = 0;
  uint64_t echoes_ = 0;
  uint64_t of_others_ = 0;
  uint64_t lost_ = 0;
  uint64_t faults_ = 0;
  uint64_t gone_ = 0;
  std::minstd_rand random_{42};
};

TEST_F(HostileStackTest, RandomWritesRoundAfterRound) {
  for (int i = 0; i < 10; ++i) round([&](appring::RingClient& ring) { scribble(ring); });
  expect_unharmed(10);
  EXPECT_EQ(counted(RingCounter::k_refuse_bad_index), 10U);
}

class HostileLossyStackTest : public HostileStackTest {
 protected:
  HostileLossyStackTest() : HostileStackTest(30) {}
};

// What is sent again is read again from the segment.
TEST_F(HostileLossyStackTest, RandomWritesRoundAfterRound) {
  for (int i = 0; i < 10; ++i) round([&](appring::RingClient& ring) { scribble(ring); });
  expect_unharmed(10);
  EXPECT_EQ(counted(RingCounter::k_refuse_bad_index), 10U);
}

TEST_F(HostileLossyStackTest, HolesUnderMessagesOnTheWire) {
  for (int i = 0; i < 10; ++i) {
    round([&](appring::RingClient& ring) {
      const auto pages = static_cast<off_t>(ring.segment->size() / TLR_PAGE);
      const off_t page = static_cast<off_t>(random_()) % pages;
      EXPECT_EQ(fallocate(ring.segment->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                          page * TLR_PAGE, TLR_PAGE),
                0);
    });
  }
  expect_unharmed(10);
  EXPECT_EQ(counted(RingCounter::k_refuse_bad_index), 10U);
}

// The memory goes for good while the stack has it in its queues: SIGBUS, and the client's end.
TEST_F(HostileLossyStackTest, MemoryThatVanishesUnderMessagesOnTheWire) {
  for (int i = 0; i < 10; ++i) {
    round([&](appring::RingClient& ring) { EXPECT_EQ(ftruncate(ring.segment->fd(), 0), 0); },
          appring::Segment::Seals::kOff);
  }
  expect_unharmed(10);
  EXPECT_EQ(counted(RingCounter::k_refuse_lost_segment), 10U);
}

}  // namespace
}  // namespace trunkline::test
