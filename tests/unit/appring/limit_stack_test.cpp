// SPDX-License-Identifier: BSD-3-Clause
// A message with a lifetime, from an application through the stack and back.
#include <cerrno>
#include <string>

#include "real_stack.h"

namespace trunkline::test {
namespace {

class LimitStackTest : public RealStackTest {
 protected:
  LimitStackTest() {
    step_ = std::chrono::milliseconds(1);
    reader_ = attach(left, {});
    writer_ = attach(right, {});
    listen(reader_);
    EXPECT_EQ(dial(writer_, &assoc_, {.peer = "10.1.0.1"}), 0);
    tl_event event{};
    while (tl_poll(writer_, &event, 1) != 1) turn();
    EXPECT_EQ(event.kind, TL_EVENT_CONNECTED);
  }
  // Of what the writer is told, other events apart.
  bool next_failed(tl_event& event) {
    while (tl_poll(writer_, &event, 1) == 1) {
      if (event.kind == TL_EVENT_SEND_FAILED) return true;
    }
    return false;
  }

  tl_lane* reader_ = nullptr;
  tl_lane* writer_ = nullptr;
  tl_assoc assoc_ = 0;
};

// Behind what the path takes at once it waits for its turn, which comes too late.
TEST_F(LimitStackTest, ALifetimeThatEndsBeforeItsMessageIsSent) {
  loss_ = 1000;
  ASSERT_EQ(send_text(writer_, assoc_, bytes(15'000, 'f')), 0) << tl_last_error();
  const tl_message late = limited_of("late", TL_SEND_LIFETIME, 30);
  ASSERT_EQ(tl_send(writer_, assoc_, &late), 0);
  ASSERT_EQ(send_text(writer_, assoc_, "patient"), 0);
  for (int i = 0; i < 29; ++i) turn();
  tl_event event{};
  EXPECT_FALSE(next_failed(event));
  for (int i = 0; i < 5; ++i) turn();
  ASSERT_TRUE(next_failed(event));
  EXPECT_EQ(event.reason, TL_REASON_ABANDONED);
  EXPECT_EQ(event.error, -ECONNABORTED);
  EXPECT_EQ(event.flags, 0);
  EXPECT_EQ(text_of(writer_, event), "late");
  tl_event_release(writer_, &event, 1);
  loss_ = 0;
  std::string received;
  for (int i = 0; i < 2000 && received.size() < 7; ++i) {
    turn();
    while (tl_poll(reader_, &event, 1) == 1) {
      if (event.kind == TL_EVENT_MESSAGE && event.length < 100) received += text_of(reader_, event);
      tl_event_release(reader_, &event, 1);
    }
  }
  EXPECT_EQ(received, "patient");
}

}  // namespace
}  // namespace trunkline::test
