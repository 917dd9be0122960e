// SPDX-License-Identifier: BSD-3-Clause
// Outstanding data against its naive model: long random conversations with peers of every kind, on
// several paths, in windows from a few chunks to all there may be; outcome by outcome, chunk by
// chunk.
#include <set>

#include "naive_outstanding.h"
#include "sent_chunks.h"
#include "trunkline/stack/random.h"

namespace trunkline {
namespace {

struct Play {
  uint32_t window;  // chunks outstanding at most
  uint32_t burst;   // chunks sent at once, at most
  uint8_t paths;
  bool reneges;         // the peer takes back, its SACKs overtake each other
  bool talks_nonsense;  // gap blocks that overlap, run backwards, lie below
  int steps;
  int check_every = 1;  // all chunks
};

class Conversation {
 public:
  Conversation(uint64_t seed, const Play& play)
      : play_(play),
        random_(seed),
        sender_(static_cast<uint32_t>(0u - random_.below(2 * play.window + 1))),
        naive_(sender_.tsn(0)) {}

  void run() {
    for (int step = 0; step < play_.steps; ++step) {
      now_ = at_ms(step);
      take_a_step();
      if (step % 500 == 499 && random_.below(4) == 0) restart();
      check_sums();
      if (step % play_.check_every == 0) check_chunks();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  Outstanding& real() { return sender_.out; }
  uint8_t any_path() { return static_cast<uint8_t>(random_.below(play_.paths)); }
  uint32_t outstanding() { return static_cast<uint32_t>(naive_.chunks().size()); }

  void take_a_step() {
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2:
        return send();
      case 3: {
        if (random_.below(3) != 0) return;
        const uint8_t path = any_path();
        const uint64_t bytes = naive_.mark_lost(path);
        ASSERT_EQ(real().mark_lost(path).bytes, bytes);
        return;
      }
      case 4:
        return retransmit();
      case 5:
        if (random_.below(4) == 0) return shutdown();
        return ask();
      default:
        return sack();
    }
  }
  void send() {
    const uint64_t room = play_.window - outstanding();
    const uint64_t count = std::min(random_.below(play_.burst + 1), room);
    const uint8_t path = any_path();
    for (uint64_t i = 0; i < count; ++i) {
      const auto size = static_cast<uint16_t>(1 + random_.below(1452));
      const auto packet = static_cast<uint16_t>(48 + size + random_.below(200));
      ASSERT_TRUE(real().make_room(sender_.memory));
      TxChunk chunk;
      chunk.tsn = real().next_tsn();
      chunk.message = &message_;
      chunk.size = size;
      chunk.packet = packet;
      chunk.sent_at = now_;
      chunk.path = path;
      real().add(sender_.memory, chunk);
      naive_.add(size, packet, now_, path);
    }
  }
  // Some of what waits for it, in order.
  void retransmit() {
    const uint8_t path = any_path();
    uint64_t left = random_.below(play_.burst + 1);
    TxChunk* chunk = real().next_retransmission();
    for (NaiveChunk& expected : naive_.chunks()) {
      if (expected.state != TxChunk::State::kRetransmit) continue;
      ASSERT_NE(chunk, nullptr);
      ASSERT_EQ(chunk->tsn, expected.tsn);
      if (left-- == 0) return;
      if (random_.below(8) != 0) {
        real().retransmit(chunk, now_, path);
        naive_.retransmit(expected, now_, path);
      }
      chunk = real().next_retransmission(chunk);
    }
    ASSERT_EQ(chunk, nullptr);
  }
  void shutdown() {
    const auto count = static_cast<uint32_t>(random_.below(outstanding() + 1));
    const Tsn cum = naive_.cum_ack() + count;
    SackOutcome said;
    SackOutcome expected;
    real().process_cum_ack(cum, said);
    sender_.pop();
    naive_.process_cum_ack(cum, expected);
    forget(count);
    compare(said, expected);
  }
  // Small questions.
  void ask() {
    const uint8_t path = any_path();
    const auto size = static_cast<uint16_t>(random_.below(1700));
    const NaiveChunk* first = nullptr;
    bool larger = false;
    for (const NaiveChunk& chunk : naive_.chunks()) {
      if (!NaiveOutstanding::flies(chunk, path)) continue;
      if (first == nullptr) first = &chunk;
      larger = larger || chunk.packet > size;
    }
    ASSERT_EQ(real().larger_in_flight(path, size), larger);
    const TxChunk* const earliest = real().earliest(path);
    ASSERT_EQ(earliest != nullptr, first != nullptr);
    if (first != nullptr) {
      ASSERT_EQ(earliest->tsn, first->tsn);
    }
    ASSERT_EQ(real().in_flight(naive_.cum_ack()), nullptr);
    ASSERT_EQ(real().in_flight(naive_.next_tsn()), nullptr);
    const TxChunk* const front = real().front();
    ASSERT_EQ(front != nullptr, outstanding() > 0);
    if (front != nullptr) {
      ASSERT_EQ(front->tsn, naive_.cum_ack() + 1);
    }
  }
  void forget(uint64_t count) {
    first_ += count;
    received_.erase(received_.begin(), received_.lower_bound(first_));
  }

  // The peer has got some more; what it says of it may be old, or false.
  void sack() {
    const uint64_t first = first_;
    const uint64_t end = first + outstanding();
    const bool repeats = play_.reneges && random_.below(5) == 0;
    if (!repeats) {
      before_ = received_;
      receive(first, end);
    }
    const std::set<uint64_t>& told = repeats ? before_ : received_;
    uint64_t cum = first;
    while (told.count(cum) != 0) ++cum;
    if (random_.below(8) == 0 && cum == first) cum += random_.below(end - first + 1);
    Gaps gaps;
    for (auto it = told.upper_bound(cum); it != told.end() && *it < end; ++it) {
      const auto offset = static_cast<uint16_t>(*it - cum + 1);
      if (!gaps.empty() && gaps.back().end + 1 == offset) {
        gaps.back().end = offset;
      } else {
        gaps.push_back({offset, offset});
      }
    }
    if (play_.talks_nonsense) garble(gaps, static_cast<uint32_t>(end - cum));
    say(naive_.cum_ack() + static_cast<uint32_t>(cum - first), gaps);
  }
  void receive(uint64_t first, uint64_t end) {
    if (first == end) return;
    for (uint64_t runs = 1 + random_.below(4); runs > 0; --runs) {
      const uint64_t from = first + random_.below(end - first);
      const uint64_t to = std::min(end, from + 1 + random_.below(play_.burst * 2));
      for (uint64_t n = from; n < to; ++n) {
        if (random_.below(6) != 0) received_.insert(n);
      }
    }
    if (random_.below(3) == 0) received_.insert(first);
    if (!play_.reneges || random_.below(4) != 0) return;
    const uint64_t from = first + random_.below(end - first);
    const uint64_t to = random_.below(4) == 0 ? end : from + 1 + random_.below(play_.burst);
    received_.erase(received_.lower_bound(from), received_.lower_bound(to));
  }
  void garble(Gaps& gaps, uint32_t most) {
    for (uint64_t n = random_.below(3); n > 0; --n) {
      const auto any = [&] {
        return static_cast<uint16_t>(random_.below(std::min(most, 65535u) + 1));
      };
      const wire::GapBlock nonsense{any(), any()};
      const auto at = static_cast<std::ptrdiff_t>(random_.below(gaps.size() + 1));
      gaps.insert(gaps.begin() + at, nonsense);
    }
  }
  void say(Tsn cum, const Gaps& gaps) {
    const Sack sack(cum, gaps);
    if (real().acknowledges_unsent(sack.view())) {
      ASSERT_TRUE(play_.talks_nonsense);
      return;
    }
    const bool in_fast_recovery = random_.below(2) == 0;
    SackOutcome said;
    SackOutcome expected;
    real().process(sack.view(), in_fast_recovery, said);
    sender_.pop();
    forget(cum.distance_from(naive_.cum_ack()));
    naive_.process(cum, gaps, in_fast_recovery, expected);
    compare(said, expected);
    ignored_ += said.gaps_ignored ? 1 : 0;
  }
  void compare(const SackOutcome& said, const SackOutcome& expected) {
    ASSERT_EQ(said.cum_advanced, expected.cum_advanced);
    ASSERT_EQ(said.newly_acked, expected.newly_acked);
    ASSERT_EQ(said.highest_acked, expected.highest_acked);
    ASSERT_EQ(said.gaps_ignored, expected.gaps_ignored);
    ASSERT_EQ(said.unsound_gaps, expected.unsound_gaps);
    for (size_t i = 0; i < kMaxPaths; ++i) {
      const SackOutcome::PerPath& a = said.paths[i];
      const SackOutcome::PerPath& b = expected.paths[i];
      ASSERT_EQ(a.acked, b.acked);
      ASSERT_EQ(a.flight_before, b.flight_before);
      ASSERT_EQ(a.certain, b.certain);
      ASSERT_EQ(a.largest_acked, b.largest_acked);
      ASSERT_EQ(a.first_acked, b.first_acked);
      ASSERT_EQ(a.reneged, b.reneged);
      ASSERT_EQ(a.lost, b.lost);
      // Where paths mix or the peer reneges, a round trip that is certain may be passed over.
      if (play_.paths == 1 && !play_.reneges) {
        ASSERT_EQ(a.rtt_from, b.rtt_from);
      } else if (a.rtt_from) {
        ASSERT_LE(*a.rtt_from, b.rtt_from.value_or(TimePoint()));
      }
    }
  }
  void restart() {
    while (real().pop_any(sender_.memory)) {
    }
    ASSERT_EQ(sender_.memory.used(), 0u);
    const Tsn initial = random_.below(2) == 0 ? Tsn(random_.u32()) : naive_.next_tsn();
    sender_.begin_anew(initial);
    naive_ = NaiveOutstanding(initial);
    received_.clear();
    before_.clear();
  }
  void check_sums() {
    ASSERT_EQ(real().next_tsn(), naive_.next_tsn());
    ASSERT_EQ(real().cum_ack(), naive_.cum_ack());
    ASSERT_EQ(real().size(), naive_.chunks().size());
    ASSERT_EQ(real().span(), naive_.chunks().size());
    ASSERT_EQ(sender_.memory.used(), naive_.chunks().size());
    ASSERT_EQ(real().flight(), naive_.flight());
    ASSERT_EQ(real().bytes(), naive_.bytes());
    for (uint8_t path = 0; path < kMaxPaths; ++path) {
      ASSERT_EQ(real().flight(path), naive_.flight(path));
    }
  }
  void check_chunks() {
    bool lost = false;
    for (const NaiveChunk& expected : naive_.chunks()) {
      const TxChunk& chunk = real().at(expected.tsn);
      ASSERT_EQ(chunk.tsn, expected.tsn);
      ASSERT_EQ(chunk.state, expected.state);
      ASSERT_EQ(chunk.size, expected.size);
      ASSERT_EQ(chunk.path, expected.path);
      ASSERT_EQ(chunk.sent_at, expected.sent_at);
      ASSERT_EQ(chunk.misses, expected.misses) << chunk.tsn.value - naive_.cum_ack().value;
      ASSERT_EQ(chunk.retransmitted, expected.retransmitted);
      ASSERT_EQ(chunk.fast_retransmitted, expected.fast_retransmitted);
      ASSERT_EQ(chunk.many_paths, expected.many_paths);
      lost = lost || expected.state == TxChunk::State::kRetransmit;
    }
    ASSERT_EQ(real().has_retransmissions(), lost);
  }

 public:
  int ignored_ = 0;

 private:
  const Play play_;
  SeededRandom random_;
  SentChunks sender_;
  NaiveOutstanding naive_;
  TxMessage message_;
  TimePoint now_;
  // TSNs as numbers that grow for ever.
  uint64_t first_ = 0;           // the one behind the cumulative TSN
  std::set<uint64_t> received_;  // behind it, as the peer says now
  std::set<uint64_t> before_;    // and said before
};

void play(uint64_t seeds, const Play& play) {
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Conversation(seed, play).run();
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(OutstandingModel, AFewChunksOnOnePath) {
  play(20, {.window = 20,
            .burst = 5,
            .paths = 1,
            .reneges = false,
            .talks_nonsense = false,
            .steps = 3000});
}
TEST(OutstandingModel, AFewChunksOnManyPathsWithPeersOfEveryKind) {
  play(20, {.window = 60,
            .burst = 8,
            .paths = 8,
            .reneges = true,
            .talks_nonsense = true,
            .steps = 3000});
}
TEST(OutstandingModel, HundredsOfChunksOnOnePath) {
  play(6, {.window = 700,
           .burst = 60,
           .paths = 1,
           .reneges = false,
           .talks_nonsense = true,
           .steps = 2000,
           .check_every = 5});
}
TEST(OutstandingModel, HundredsOfChunksOnThreePathsWithPeersThatRenege) {
  play(6, {.window = 900,
           .burst = 60,
           .paths = 3,
           .reneges = true,
           .talks_nonsense = false,
           .steps = 2000,
           .check_every = 5});
}
TEST(OutstandingModel, ThousandsOfChunks) {
  play(2, {.window = 6000,
           .burst = 700,
           .paths = 2,
           .reneges = true,
           .talks_nonsense = true,
           .steps = 600,
           .check_every = 20});
}
TEST(OutstandingModel, AllThereMayBe) {
  play(1, {.window = kMaxSendWindow,
           .burst = 9000,
           .paths = 2,
           .reneges = true,
           .talks_nonsense = true,
           .steps = 120,
           .check_every = 20});
}

}  // namespace
}  // namespace trunkline
