// SPDX-License-Identifier: BSD-3-Clause
// An association that changes its consumer all the time, over the stack, with traffic both ways:
// nothing is lost, repeated or out of order, and each consumer hears the ends of what it sent.
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "raw_lane.h"
#include "real_stack.h"

namespace trunkline::test {
namespace {

constexpr size_t kEachWay = 2000;
constexpr size_t kConsumers = 3;

class RebindStackTest : public RealStackTest {
 protected:
  explicit RebindStackTest(uint64_t loss = 0) : RealStackTest(loss) {
    step_ = std::chrono::milliseconds(1);
  }
  void SetUp() override {
    ClientSetup setup;
    setup.limits.backlog = 512;
    tl_lane* const listener = attach(left, setup);
    for (size_t i = 1; i < kConsumers; ++i) attach(left, setup);
    writer_ = attach(right, setup);
    listen(listener);
    ASSERT_EQ(dial(writer_, &assoc_, {.peer = "10.1.0.1"}), 0);
    tl_event event{};
    while (tl_poll(writer_, &event, 1) != 1) turn();
    while (tl_poll(listener, &event, 1) != 1) turn();
    id_ = left.shard.associations().at(0);
    for (size_t i = 0; i < kConsumers; ++i) lanes_.emplace_back(*clients_[i]->ring);
  }
  static std::string text(size_t i) {
    return std::to_string(i) + " " + std::string(i * 37 % 450, 'r');
  }
  static size_t number(const std::string& text) { return std::stoul(text); }
  // Each consumer reads some now and then; the one that has the association sends.
  void consume(uint64_t round) {
    for (size_t i = 0; i < lanes_.size(); ++i) {
      for (const RawLane::Got& got : lanes_[i].poll(round % 16 != i, dice_.below(12))) {
        if (got.entry.kind != TLR_MESSAGE) continue;
        const size_t n = number(got.text);
        EXPECT_EQ(got.text, text(n));
        // Each is a chunk, and all are of one stream.
        EXPECT_EQ(got.entry.ssn, n);
        if (!first_tsn_) first_tsn_ = got.entry.tsn - static_cast<uint32_t>(n);
        EXPECT_EQ(got.entry.tsn, *first_tsn_ + n);
        heard_[i].push_back(n);
      }
    }
    for (int n = 0; n < 4 && told_ < kEachWay; ++n) {
      // No more than the credit allows.
      if (sent_[at_] - lanes_[at_].ends > 24 || !lanes_[at_].send(id_, text(told_))) break;
      ++told_;
      ++sent_[at_];
    }
  }
  void write_and_read() {
    for (int n = 0; n < 6 && written_ < kEachWay; ++n) {
      if (send_text(writer_, assoc_, text(written_)) != 0) break;
      ++written_;
    }
    std::array<tl_event, 16> events;
    const int n = tl_poll(writer_, events.data(), 16);
    for (int i = 0; i < n; ++i) {
      if (events[static_cast<size_t>(i)].kind != TL_EVENT_MESSAGE) continue;
      EXPECT_EQ(text_of(writer_, events[static_cast<size_t>(i)]), text(answers_));
      ++answers_;
    }
    if (n > 0) tl_event_release(writer_, events.data(), static_cast<size_t>(n));
  }
  void move() {
    const size_t next = dice_.below(kConsumers);
    // What it asked for must have been taken: afterwards it is another's.
    left.bridge.drain_submissions(now_);
    appring::Channel& from = clients_[at_]->ring->channel(0, 0);
    appring::Channel& to = clients_[next]->ring->channel(0, 0);
    if (left.bridge.rebind(now_, id_, to) != Status::kOk || next == at_) return;
    at_ = next;
    from.each_waiting([this](const Event& event) {
      EXPECT_FALSE(event.assoc == id_) << "stayed with the former consumer";
    });
  }
  [[nodiscard]] size_t heard() const {
    size_t n = 0;
    for (const auto& each : heard_) n += each.size();
    return n;
  }
  void talk() {
    for (uint64_t round = 0; round < 60'000; ++round) {
      if (heard() == kEachWay && answers_ == kEachWay) break;
      write_and_read();
      consume(round);
      turn();
      if (round % 7 == 3) move();
    }
    std::vector<bool> seen(kEachWay);
    for (const auto& each : heard_) {
      EXPECT_FALSE(each.empty());
      for (size_t i = 0; i < each.size(); ++i) {
        EXPECT_FALSE(seen[each[i]]) << each[i] << " came twice";
        seen[each[i]] = true;
        EXPECT_TRUE(i == 0 || each[i - 1] < each[i]);
      }
    }
    EXPECT_EQ(heard(), kEachWay);
    EXPECT_EQ(answers_, kEachWay);
    for (int i = 0; i < 1000; ++i) turn();
    for (size_t i = 0; i < kConsumers; ++i) {
      lanes_[i].poll();
      EXPECT_EQ(lanes_[i].ends, sent_[i]);
      EXPECT_EQ(lanes_[i].failures, 0U);
      EXPECT_EQ(clients_[i]->ring->channel(0, 0).tx_in_use(), 0U);
    }
    turn();
    turn();
    AssocStatus status;
    ASSERT_TRUE(left.shard.status(id_, status));
    EXPECT_EQ(status.a_rwnd, 64U * 1024) << "all has been read";
    EXPECT_GT(left.bridge.counters().get(appring::RingCounter::k_ring_rebound), 50U);
    EXPECT_GT(left.bridge.counters().get(appring::RingCounter::k_ring_backlogged), 0U);
  }

  SeededRandom dice_{7};
  tl_lane* writer_ = nullptr;
  tl_assoc assoc_ = 0;
  AssocId id_;
  std::vector<RawLane> lanes_;
  size_t at_ = 0;  // who has it
  std::optional<uint32_t> first_tsn_;
  std::array<std::vector<size_t>, kConsumers> heard_;
  std::array<size_t, kConsumers> sent_{};
  size_t written_ = 0;
  size_t told_ = 0;
  size_t answers_ = 0;
};

TEST_F(RebindStackTest, UnderLoadLosesRepeatsAndReordersNothing) {
  talk();
}

class LossyRebindStackTest : public RebindStackTest {
 protected:
  LossyRebindStackTest() : RebindStackTest(20) {}
};

TEST_F(LossyRebindStackTest, UnderLoadLosesRepeatsAndReordersNothing) {
  talk();
}

// The former consumer dies with messages on the wire and others unread: the association goes on.
TEST_F(LossyRebindStackTest, TheFormerConsumerDies) {
  while (told_ < 30) {
    while (told_ < 30 && lanes_[0].send(id_, text(told_))) ++told_;
    for (int n = 0; n < 3; ++n) {
      if (send_text(writer_, assoc_, text(written_)) == 0) ++written_;
    }
    turn();
  }
  left.bridge.drain_submissions(now_);
  appring::RingClient& old = *clients_[0]->ring;
  ASSERT_NE(old.channel(0, 0).tx_in_use(), 0U);
  ASSERT_EQ(left.bridge.rebind(now_, id_, clients_[1]->ring->channel(0, 0)), Status::kOk);
  ASSERT_TRUE(left.bridge.mailbox().post_to_worker({appring::MailKind::kRemove, &old}));
  appring::Mail mail;
  for (int i = 0; i < 100 && !left.bridge.mailbox().take_from_worker(mail); ++i) turn();
  for (const int fd : old.doorbells) left.bridge.mailbox().unwatch(fd);
  old.drop_segment();
  for (int i = 0; i < 5000 && (mail.kind != appring::MailKind::kGone || answers_ < told_); ++i) {
    write_and_read();
    lanes_[1].messages();
    turn();
    left.bridge.mailbox().take_from_worker(mail);
  }
  EXPECT_EQ(mail.kind, appring::MailKind::kGone);
  EXPECT_EQ(answers_, told_);
  EXPECT_EQ(left.shard.association_count(), 1U);
  for (int i = 0; i < 300; ++i) {
    lanes_[1].messages();
    turn();
  }
  AssocStatus status;
  ASSERT_TRUE(left.shard.status(id_, status));
  EXPECT_EQ(status.a_rwnd, 64U * 1024);
}

}  // namespace
}  // namespace trunkline::test
