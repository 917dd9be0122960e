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
