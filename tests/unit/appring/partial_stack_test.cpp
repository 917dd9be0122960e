// SPDX-License-Identifier: BSD-3-Clause
// A message that is larger than its receiver's window, in pieces, from application to application.
#include <string>
#include <vector>

#include "real_stack.h"

namespace trunkline::test {
namespace {

constexpr size_t kMebibyte = 1024 * 1024;

class PartialStackTest : public RealStackTest {
 protected:
  PartialStackTest() { step_ = std::chrono::milliseconds(1); }
  void set_up(const char* profile) {
    ClientSetup setup;
    setup.geometry.slot_size = 4096;
    setup.geometry.tx_slots = setup.geometry.send_credit = 512;
    reader_ = attach(left, setup);
    writer_ = attach(right, setup);
    listen(reader_, {.profile = profile});
    ASSERT_EQ(dial(writer_, &assoc_, {.peer = "10.1.0.1", .profile = profile}), 0);
    tl_event event{};
    while (tl_poll(writer_, &event, 1) != 1) turn();
    ASSERT_EQ(event.kind, TL_EVENT_CONNECTED);
    while (tl_poll(reader_, &event, 1) != 1) turn();
    ASSERT_EQ(event.kind, TL_EVENT_ACCEPTED);
    reader_assoc_ = event.assoc;
  }
  // What the reader has, its pieces put together; how often it waits before it gives slots back.
  void run(int turns, int patience) {
    for (int i = 0; i < turns && over_ < 2; ++i) {
      turn();
      tl_event events[16];
      for (int n = 0; (n = tl_poll(reader_, events, 16)) > 0;) {
        for (int k = 0; k < n; ++k) take(events[k]);
      }
      if (i % patience == 0) give_back();
    }
    give_back();
  }
  void take(const tl_event& event) {
    if (event.kind == TL_EVENT_LOST) lost_ = true;
    if (event.kind == TL_EVENT_MESSAGE_BROKEN) {
      EXPECT_EQ(event.assoc, reader_assoc_);
      broken_after_.push_back(text_[0].size());
    }
    if (event.kind != TL_EVENT_MESSAGE) return;
    text_[event.stream] += text_of(reader_, event);
    ++pieces_;
    most_lent_ = std::max(most_lent_, lent_bytes_ += event.length);
    if ((event.flags & TL_MESSAGE_MORE) == 0) ++over_;
    lent_.push_back(event);
  }
  void give_back() {
    tl_event_release(reader_, lent_.data(), lent_.size());
    lent_.clear();
    lent_bytes_ = 0;
  }

  tl_lane* reader_ = nullptr;
  tl_lane* writer_ = nullptr;
  tl_assoc assoc_ = 0;
  tl_assoc reader_assoc_ = 0;
  std::vector<size_t> broken_after_;  // bytes of stream 0
  std::string text_[2];
  size_t pieces_ = 0;
  size_t over_ = 0;
  bool lost_ = false;
  std::vector<tl_event> lent_;
  size_t lent_bytes_ = 0;
  size_t most_lent_ = 0;
};

TEST_F(PartialStackTest, AMebibyteGoesThroughAWindowOf64KiB) {
  set_up("pieces");
  const std::string sent = bytes(kMebibyte, 'm');
  ASSERT_EQ(send_text(writer_, assoc_, sent, 0), 0) << tl_last_error();
  ASSERT_EQ(send_text(writer_, assoc_, "behind it", 1), 0);
  run(20'000, 1);
  EXPECT_TRUE(text_[0] == sent) << text_[0].size();
  EXPECT_EQ(text_[1], "behind it");
  EXPECT_EQ(over_, 2u);
  EXPECT_GT(pieces_, 17u);
}

// A reader that takes its time has no more than the window in its hands, and misses nothing.
TEST_F(PartialStackTest, AndWaitsForAReaderThatTakesItsTime) {
  set_up("pieces");
  const std::string sent = bytes(kMebibyte, 's');
  ASSERT_EQ(send_text(writer_, assoc_, sent, 0), 0) << tl_last_error();
  ASSERT_EQ(send_text(writer_, assoc_, "behind it", 1), 0);
  run(200'000, 100);
  EXPECT_TRUE(text_[0] == sent) << text_[0].size();
  EXPECT_EQ(over_, 2u);
  EXPECT_LE(most_lent_, 80u * 1024u);
}

// The writer gives the message up in its midst: the reader hears that there is no end of what it
// has, and what comes behind it is whole.
TEST_F(PartialStackTest, TheReaderHearsThatTheRestNeverComes) {
  set_up("pieces");
  const std::string sent = bytes(kMebibyte, 'g');
  const tl_message message = limited_of(sent, TL_SEND_LIFETIME, 5);
  ASSERT_EQ(tl_send(writer_, assoc_, &message), 0) << tl_last_error();
  ASSERT_EQ(send_text(writer_, assoc_, "behind it", 0), 0);
  ASSERT_EQ(send_text(writer_, assoc_, "beside it", 1), 0);
  run(20'000, 1);
  EXPECT_EQ(over_, 2u);
  ASSERT_EQ(broken_after_.size(), 1u);
  EXPECT_GT(broken_after_[0], 16u * 1024u);
  EXPECT_LT(broken_after_[0], sent.size());
  EXPECT_TRUE(text_[0] == sent.substr(0, broken_after_[0]) + "behind it");
  EXPECT_EQ(text_[1], "beside it");
  EXPECT_FALSE(lost_);
}

// An application whose profile does not say so sees no pieces.
TEST_F(PartialStackTest, WithoutAPointItIsNotGivenAtAll) {
  set_up("whole");
  ASSERT_EQ(send_text(writer_, assoc_, bytes(kMebibyte, 'm'), 0), 0) << tl_last_error();
  run(20'000, 1);
  EXPECT_EQ(pieces_, 0u);
  EXPECT_TRUE(lost_);
}

}  // namespace
}  // namespace trunkline::test
