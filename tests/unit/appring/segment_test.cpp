// SPDX-License-Identifier: BSD-3-Clause
// The shared memory itself: seals that hold, memory that is taken away and survived, and a client
// whose memory vanishes while its messages are on their way.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "appring/segment.h"
#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;
using appring::Segment;
using appring::SegmentGuard;

TEST(Segment, DescribesItself) {
  const tlr_geometry geometry = small_geometry();
  const auto segment = Segment::create(geometry);
  ASSERT_NE(segment, nullptr);
  tlr_segment_header header;
  memcpy(&header, segment->base(), sizeof(header));
  EXPECT_EQ(header.magic, TLR_MAGIC);
  EXPECT_EQ(header.abi_version, TLR_ABI_VERSION);
  EXPECT_EQ(header.segment_size, segment->size());
  EXPECT_EQ(memcmp(&header.geometry, &geometry, sizeof(geometry)), 0);
  EXPECT_EQ(memcmp(segment->base(), "TRNKTRNG", 8), 0);
  EXPECT_FALSE(segment->lost());
}

TEST(Segment, ImpossibleSizesAreRefused) {
  const auto refused = [](auto change) {
    tlr_geometry geometry = small_geometry();
    change(geometry);
    errno = 0;
    return Segment::create(geometry) == nullptr && errno == EINVAL;
  };
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.lanes = 0; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.lanes = 65; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.workers = 0; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.submission_size = 48; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.completion_size = 0; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.completion_size = 1u << 31; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.rx_slots = 65; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.tx_slots = 0xffffffff; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.slot_size = 500; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.slot_size = 1u << 20; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.send_credit = 65; }));
  EXPECT_TRUE(refused([](tlr_geometry& g) { g.max_operations = 65; }));
}

// Channels lie one after the other, without overlap, inside the segment.
TEST(Segment, ChannelsDoNotOverlap) {
  tlr_geometry geometry = small_geometry();
  geometry.lanes = 3;
  geometry.workers = 2;
  const tlr_layout layout = tlr_layout_of(&geometry);
  EXPECT_EQ(layout.submissions, sizeof(tlr_channel));
  EXPECT_GE(layout.completions, layout.submissions + 64 * sizeof(tlr_submission));
  EXPECT_GE(layout.returns, layout.completions + 128 * sizeof(tlr_completion));
  EXPECT_GE(layout.tx_next, layout.returns + 64 * 4);
  EXPECT_GE(layout.rx_next, layout.tx_next + 64 * 4);
  EXPECT_GE(layout.tx_data, layout.rx_next + 64 * 4);
  EXPECT_GE(layout.rx_data, layout.tx_data + 64 * 512);
  EXPECT_GE(layout.stride, layout.rx_data + 64 * 512);
  uint64_t expected = TLR_PAGE;
  for (uint32_t lane = 0; lane < 3; ++lane) {
    for (uint32_t worker = 0; worker < 2; ++worker) {
      EXPECT_EQ(tlr_channel_offset(&geometry, lane, worker), expected);
      expected += layout.stride;
    }
  }
  EXPECT_EQ(tlr_segment_size(&geometry), expected);
}

TEST(Segment, SealsRefuseToShrinkOrGrow) {
  const auto segment = Segment::create(small_geometry());
  ASSERT_NE(segment, nullptr);
  EXPECT_EQ(ftruncate(segment->fd(), 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(segment->fd(), static_cast<off_t>(segment->size() * 2)), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(fcntl(segment->fd(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  EXPECT_EQ(fallocate(segment->fd(), 0, 0, static_cast<off_t>(segment->size() * 2)), -1);
}

TEST(SegmentGuard, CoversMemoryThatIsTakenAway) {
  const auto segment = Segment::create(small_geometry(), Segment::Seals::kOff);
  const auto other = Segment::create(small_geometry());
  ASSERT_NE(segment, nullptr);
  ASSERT_NE(other, nullptr);
  segment->base()[5000] = 7;
  ASSERT_EQ(ftruncate(segment->fd(), 0), 0);
  EXPECT_EQ(static_cast<volatile uint8_t*>(segment->base())[5000], 0);
  EXPECT_TRUE(segment->lost());
  EXPECT_FALSE(other->lost());
  // All of it can be used again, and no further signal is needed.
  memset(segment->base(), 1, segment->size());
  EXPECT_EQ(segment->base()[segment->size() - 1], 1);
}

TEST(SegmentGuard, OtherFaultsStayFatal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const auto segment = Segment::create(small_geometry());
        const int fd = memfd_create("other", 0);
        if (ftruncate(fd, 4096) != 0) _exit(1);
        void* const page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
        if (ftruncate(fd, 0) != 0) _exit(1);
        [[maybe_unused]] const volatile uint8_t byte = *static_cast<volatile uint8_t*>(page);
        _exit(0);
      },
      [](int status) {
        // The sanitizers' own handler ends the process in its own way.
        return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
      },
      "");
}

TEST(SegmentGuard, TableIsBounded) {
  std::vector<SegmentGuard::Range*> ranges;
  static char memory[16];
  while (true) {
    SegmentGuard::Range* const range = SegmentGuard::add(memory, sizeof(memory));
    if (range == nullptr) break;
    ranges.push_back(range);
    ASSERT_LE(ranges.size(), SegmentGuard::kMaxRanges);
  }
  EXPECT_EQ(Segment::create(small_geometry()), nullptr);
  for (SegmentGuard::Range* range : ranges) SegmentGuard::remove(range);
  EXPECT_NE(Segment::create(small_geometry()), nullptr);
}

class LostSegmentTest : public RingHarness {};

// Holes read as zeros: the client hurts itself only.
TEST_F(LostSegmentTest, PunchedHolesHurtOnlyTheClient) {
  TestClient& hostile = attach();
  tl_lane* const bad = lane_of(hostile);
  tl_lane* const good = lane_of(attach());
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  tl_assoc bad_assoc = 0;
  tl_assoc good_assoc = 0;
  ASSERT_EQ(connect(bad, 5000, &bad_assoc), 0);
  ASSERT_EQ(connect(good, 5000, &good_assoc), 0);
  turn();
  poll(bad);
  poll(good);
  poll(peer);
  ASSERT_EQ(send(bad, bad_assoc, std::string(3000, 'b')), 0);
  turn(0);
  ASSERT_EQ(fallocate(hostile.ring->segment->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                      static_cast<off_t>(hostile.ring->segment->size())),
            0);
  ASSERT_EQ(send(good, good_assoc, "untouched"), 0);
  for (int i = 0; i < 5; ++i) turn();
  bool heard = false;
  for (const Got& got : poll(peer)) heard |= got.text == "untouched";
  EXPECT_TRUE(heard);
  // Its indices went back to 0, which no correct client does.
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_index), 1U);
  EXPECT_EQ(faults, 1U);
}

TEST_F(LostSegmentTest, TruncatedUnderTrafficEndsOnlyThatClient) {
  ClientSetup setup;
  setup.seals = Segment::Seals::kOff;
  TestClient& hostile = attach(setup);
  tl_lane* const bad = lane_of(hostile);
  tl_lane* const good = lane_of(attach());
  tl_lane* const peer = lane_of(attach());
  ASSERT_EQ(listen(peer, 5000), 0);
  tl_assoc bad_assoc = 0;
  tl_assoc good_assoc = 0;
  ASSERT_EQ(connect(bad, 5000, &bad_assoc), 0);
  ASSERT_EQ(connect(good, 5000, &good_assoc), 0);
  turn();
  poll(bad);
  poll(good);
  poll(peer);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(send(bad, bad_assoc, std::string(3000, 'b')), 0);
  turn(1);
  ASSERT_EQ(ftruncate(hostile.ring->segment->fd(), 0), 0);
  ASSERT_EQ(send(good, good_assoc, "untouched"), 0);
  for (int i = 0; i < 5; ++i) turn();
  EXPECT_TRUE(hostile.ring->segment->lost());
  EXPECT_EQ(counter(RingCounter::k_refuse_lost_segment), 1U);
  EXPECT_EQ(faults, 1U);
  EXPECT_EQ(shard.aborts, 1U);
  const auto events = poll(peer);
  EXPECT_EQ(count(events, TL_EVENT_LOST), 1U);
  bool heard = false;
  for (const Got& got : events) heard |= got.text == "untouched";
  EXPECT_TRUE(heard);
  EXPECT_EQ(gone, 0U);  // not before the control thread has hung up
  ASSERT_TRUE(bridge.mailbox().post_to_worker({appring::MailKind::kRemove, hostile.ring.get()}));
  turn();
  EXPECT_EQ(gone, 1U);
}

}  // namespace
}  // namespace trunkline::test
