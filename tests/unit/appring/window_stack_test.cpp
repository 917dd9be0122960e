// SPDX-License-Identifier: BSD-3-Clause
// What an application does not read shuts the window of its association, over the stack.
#include <cerrno>
#include <string>
#include <vector>

#include "real_stack.h"

namespace trunkline::test {
namespace {

constexpr size_t kWindowMessages = 300;

class WindowStackTest : public RealStackTest {
 protected:
  WindowStackTest() { step_ = std::chrono::milliseconds(1); }
  void SetUp() override {
    ClientSetup setup;
    setup.geometry.rx_slots = 1024;  // half a megabyte, eight windows
    setup.geometry.return_size = 1024;
    setup.geometry.completion_size = 2048;
    reader_ = attach(left, setup);
    writer_ = attach(right, {});
    listen(reader_);
    ASSERT_EQ(dial(writer_, &assoc_, {.peer = "10.1.0.1"}), 0);
    tl_event event{};
    while (tl_poll(writer_, &event, 1) != 1) turn();
    while (tl_poll(reader_, &event, 1) != 1) turn();
    ASSERT_EQ(event.kind, TL_EVENT_ACCEPTED);
  }
  static std::string text(size_t i) { return std::to_string(i) + std::string(1000, 'w'); }
  // A turn in which the writer goes on and the reader looks.
  void round() {
    while (sent_ < kWindowMessages && send_text(writer_, assoc_, text(sent_)) == 0) ++sent_;
    turn();
    tl_event events[16];
    while (tl_poll(writer_, events, 16) > 0) {
    }
    for (int n = 0; (n = tl_poll(reader_, events, 16)) > 0;) {
      for (int i = 0; i < n; ++i) {
        ASSERT_EQ(events[i].kind, TL_EVENT_MESSAGE);
        EXPECT_EQ(text_of(reader_, events[i]), text(heard_));
        ++heard_;
        lent_.push_back(events[i]);
      }
    }
  }
  void read(size_t n) {
    tl_event_release(reader_, lent_.data(), n);
    lent_.erase(lent_.begin(), lent_.begin() + static_cast<ptrdiff_t>(n));
  }
  [[nodiscard]] AssocStatus status() const {
    AssocStatus out;
    EXPECT_TRUE(left.shard.status(left.shard.associations().at(0), out));
    return out;
  }

  tl_lane* reader_ = nullptr;
  tl_lane* writer_ = nullptr;
  tl_assoc assoc_ = 0;
  size_t sent_ = 0;
  size_t heard_ = 0;
  std::vector<tl_event> lent_;
};

TEST_F(WindowStackTest, UnreadBytesShutItAndReadingOpensIt) {
  for (int i = 0; i < 300; ++i) round();
  EXPECT_EQ(status().a_rwnd, 0U);
  const size_t shut = heard_;
  EXPECT_LE(shut * text(100).size(), 64U * 1024 + 2000);
  EXPECT_GE(shut * text(100).size(), 60U * 1024);
  EXPECT_EQ(left.shard.pool_usage().receive_blocks_used, 0U) << "the daemon keeps none of it";
  // Time goes by with probes of the window, and nothing comes.
  for (int i = 0; i < 2000; ++i) round();
  EXPECT_EQ(heard_, shut);
  EXPECT_GT(left.shard.counters().get(Counter::k_drop_data_no_window), 0U);
  EXPECT_EQ(status().state, AssocState::kEstablished);
  // A little is no reason to tell, half of it is; and then as fast as it is read.
  read(shut / 2);
  for (int i = 0; i < 20; ++i) round();
  EXPECT_GT(heard_, shut);
  for (int i = 0; i < 2000 && heard_ < kWindowMessages; ++i) {
    round();
    read(lent_.size());
  }
  EXPECT_EQ(heard_, kWindowMessages);
  for (int i = 0; i < 20; ++i) round();
  EXPECT_EQ(status().a_rwnd, 64U * 1024);
}

// Nothing of the window's is lost to a reader that keeps up, nor a SACK spent on it.
TEST_F(WindowStackTest, AReaderThatKeepsUpIsNotSeen) {
  for (int i = 0; i < 3000 && heard_ < kWindowMessages; ++i) {
    round();
    read(lent_.size());
  }
  EXPECT_EQ(heard_, kWindowMessages);
  turn();
  EXPECT_EQ(left.shard.counters().get(Counter::k_drop_data_no_window), 0U);
  const AssocStatus now = status();
  EXPECT_EQ(now.a_rwnd, 64U * 1024);
  EXPECT_LE(now.packets_sent, now.packets_received / 2 + 20);
}

// What a client that died had not read was its association's alone, and goes with it.
TEST_F(WindowStackTest, ADeadReaderLeavesNothingBehind) {
  for (int i = 0; i < 100; ++i) round();
  ASSERT_EQ(status().a_rwnd, 0U);
  appring::RingClient& ring = *clients_[0]->ring;
  ASSERT_TRUE(left.bridge.mailbox().post_to_worker({appring::MailKind::kRemove, &ring}));
  appring::Mail mail;
  for (int i = 0; i < 100 && mail.kind != appring::MailKind::kGone; ++i) {
    turn();
    left.bridge.mailbox().take_from_worker(mail);
  }
  EXPECT_EQ(mail.kind, appring::MailKind::kGone);
  EXPECT_EQ(left.shard.association_count(), 0U);
  EXPECT_EQ(ring.channel(0, 0).unread_bytes(), 0U);
}

}  // namespace
}  // namespace trunkline::test
