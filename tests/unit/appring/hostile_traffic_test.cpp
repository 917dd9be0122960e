// SPDX-License-Identifier: BSD-3-Clause
// A client that goes on writing nonsense while its own and others' traffic flows: words all over
// its segment, holes, old descriptors, descriptors and payload that change under the bridge's eyes.
// The other client's messages arrive once and in order; the hostile one is ended where it must be.
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "hostile.h"

namespace trunkline::test {
namespace {

using appring::MailKind;

// A thread with a mapping of its own, as a client in another process has, and a stream of numbers.
class Vandal {
 public:
  using Deed = std::function<void(uint32_t* words, std::minstd_rand& random)>;
  Vandal(const appring::Segment& segment, Deed deed) : size_(segment.size()) {
    void* const own = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, segment.fd(), 0);
    EXPECT_NE(own, MAP_FAILED);
    words_ = static_cast<uint32_t*>(own);
    thread_ = std::thread([this, deed = std::move(deed)] {
      std::minstd_rand random(20261123);
      while (!stop_.load(std::memory_order_relaxed)) {
        deed(words_, random);
        deeds_.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  ~Vandal() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    stop_.store(true);
    thread_.join();
    munmap(words_, size_);
  }
  [[nodiscard]] uint64_t deeds() const { return deeds_.load(std::memory_order_relaxed); }

 private:
  size_t size_;
  uint32_t* words_ = nullptr;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> deeds_{0};
  std::thread thread_;
};

class HostileTrafficTest : public HostileTest {
 protected:
  // One more message of the other client, one turn of the worker, and what has arrived.
  void traffic() {
    if (send(good_lane_, good_, std::to_string(sent_)) == 0) ++sent_;
    turn();
    poll(good_lane_);
    listen_to_peer();
  }
  void listen_to_peer() {
    for (const Got& got : poll(peer_lane_)) {
      if (got.event.kind != TL_EVENT_MESSAGE) continue;
      if (got.event.assoc == accepted_[1]) {
        EXPECT_EQ(got.text, std::to_string(received_));
        ++received_;
      } else if (got.event.assoc == accepted_[0]) {
        heard_.push_back(got.text);
      }
    }
  }
  // What the hostile client does as a correct one would: a message, and all completions taken.
  void put_own(uint32_t slot, uint32_t length = 5) {
    if (channel_->submission_produced.value - channel_->submission_consumed.value < 32) {
      put(send_of(slot, length));
    }
  }
  // Descriptors as they are, whatever that is.
  void put_what_lies_there(uint32_t count) const {
    const uint32_t taken = channel_->submission_consumed.value;
    const uint32_t at = channel_->submission_produced.value;
    __atomic_store_n(&channel_->submission_produced.value, std::min(at + count, taken + 64),
                     __ATOMIC_SEQ_CST);
  }
  void consume_all() const {
    __atomic_store_n(&channel_->completion_consumed.value, channel_->completion_produced.value,
                     __ATOMIC_SEQ_CST);
  }
  void expect_all_arrived() {
    for (int i = 0; i < 20; ++i) {
      turn();
      poll(good_lane_);
      listen_to_peer();
    }
    EXPECT_EQ(received_, sent_);
    EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 0U);
  }
  // As the control thread does when the bridge reports a fault.
  void hang_up() {
    ASSERT_TRUE(bridge.mailbox().post_to_worker({MailKind::kRemove, hostile_->ring.get()}));
  }
  uint64_t refused() const {
    uint64_t sum = 0;
    for (const RingCounter c :
         {RingCounter::k_refuse_bad_operation, RingCounter::k_refuse_bad_length,
          RingCounter::k_refuse_bad_slot, RingCounter::k_refuse_slot_twice,
          RingCounter::k_refuse_bad_return, RingCounter::k_refuse_no_association}) {
      sum += counter(c);
    }
    return sum;
  }
  void punch(uint64_t offset, uint64_t length) const {
    EXPECT_EQ(fallocate(hostile_->ring->segment->fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(offset), static_cast<off_t>(length)),
              0);
  }

  static constexpr uint32_t kHead = TLR_PAGE / 4;  // where the channel begins, in words
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  std::vector<std::string> heard_;  // messages of the hostile client
};

// Every word but the six indices: the client lives on, and so does everybody else.
TEST_F(HostileTrafficTest, RandomWritesAllOverButTheIndices) {
  const auto words = static_cast<uint32_t>(hostile_->ring->segment->size() / 4);
  Vandal vandal(*hostile_->ring->segment, [=](uint32_t* at, std::minstd_rand& random) {
    const auto word =
        static_cast<uint32_t>(random() % 2 == 0 ? random() % words : kHead + random() % (4 * 1024));
    if (word >= kHead && word < kHead + 96 && (word - kHead) % 16 == 0) return;
    const auto value = static_cast<uint32_t>(random() % 4 == 0 ? random() : random() % 80);
    __atomic_store_n(&at[word], value, __ATOMIC_RELAXED);
  });
  for (uint32_t i = 0; sent_ < 2000 || vandal.deeds() < 20'000 || refused() < 100; ++i) {
    put_own(i % 64);
    put_what_lies_there(4);
    traffic();
    consume_all();
  }
  vandal.stop();
  expect_all_arrived();
  EXPECT_EQ(faults, 0U);
  EXPECT_GT(heard_.size(), 0U);
}

// Only the submission ring, as fast as can be: a descriptor is copied once, and the copy is used.
TEST_F(HostileTrafficTest, DescriptorsThatChangeWhileTheyAreTaken) {
  const auto ring =
      static_cast<uint32_t>(tlr_layout_of(&hostile_->ring->segment->geometry()).submissions / 4);
  const tlr_submission right = send_of(0);
  Vandal vandal(*hostile_->ring->segment, [=](uint32_t* at, std::minstd_rand& random) {
    // slot and length: right ones and wrong ones in quick succession.
    const auto entry = static_cast<uint32_t>(random() % 64);
    const auto field = static_cast<uint32_t>(6 + random() % 2);
    uint32_t* const word = &at[kHead + ring + entry * 8 + field];
    __atomic_store_n(word, static_cast<uint32_t>(random() % 2000), __ATOMIC_RELAXED);
    __atomic_store_n(word, field == 6 ? entry : right.length, __ATOMIC_RELAXED);
  });
  for (uint32_t i = 0; sent_ < 500 || vandal.deeds() < 20'000 || refused() == 0; ++i) {
    put_own(i % 64);
    put_what_lies_there(40);
    traffic();
    consume_all();
  }
  vandal.stop();
  expect_all_arrived();
  EXPECT_EQ(faults, 0U);
  EXPECT_GT(heard_.size(), 0U);
}

// The ring is always full, of descriptors that were there before: what was sent is sent again.
TEST_F(HostileTrafficTest, ARingThatIsAlwaysFullOfOldDescriptors) {
  for (uint32_t i = 0; i < 64; ++i) submissions_[i] = send_of(i / 2);
  for (int i = 0; i < 200; ++i) {
    __atomic_store_n(&channel_->submission_produced.value, channel_->submission_consumed.value + 64,
                     __ATOMIC_SEQ_CST);
    traffic();
    consume_all();
  }
  expect_all_arrived();
  EXPECT_EQ(faults, 0U);
  EXPECT_GT(heard_.size(), 0U);
  EXPECT_GE(counter(RingCounter::k_refuse_slot_twice), 200U * 32U);
}

// What the daemon writes for the client, it does not read back.
TEST_F(HostileTrafficTest, TheDaemonsOwnWordsMeanNothingToIt) {
  uint32_t produced = channel_->submission_produced.value;
  uint32_t completed = channel_->completion_produced.value;
  for (uint32_t i = 0; i < 300; ++i) {
    submissions_[produced & 63] = send_of(i % 64);
    __atomic_store_n(&channel_->submission_produced.value, ++produced, __ATOMIC_SEQ_CST);
    traffic();
    ++completed;  // each send ends in one entry of its own
    EXPECT_EQ(channel_->submission_consumed.value, produced);
    EXPECT_EQ(channel_->completion_produced.value, completed);
    __atomic_store_n(&channel_->completion_consumed.value, completed, __ATOMIC_SEQ_CST);
    channel_->submission_consumed.value = i * 7919;
    channel_->completion_produced.value = ~i;
    channel_->return_consumed.value = i * 31;
    channel_->client_armed.value = i % 3;
    channel_->worker_armed.value = i * 5;
    memset(hostile_->ring->segment->base(), static_cast<int>(i), TLR_PAGE);  // the header
  }
  expect_all_arrived();
  EXPECT_EQ(heard_.size(), 300U);
  EXPECT_EQ(faults, 0U);
  EXPECT_EQ(refused(), 0U);
}

// Payload, chain and descriptor are altered while the message is on its way: it keeps its length
// and its slots; what is in them is the client's own affair.
TEST_F(HostileTrafficTest, ChangesBehindASubmission) {
  memset(tx_data_, 'a', size_t{64} * 512);
  tx_next_[1] = 2;
  tx_next_[2] = 3;
  put(send_of(1, 1200));
  turn(0);
  EXPECT_EQ(hostile_->ring->channel(0, 0).tx_in_use(), 3U);
  memset(tx_data_ + 512, 'b', 512);
  for (uint32_t i = 0; i < 64; ++i) tx_next_[i] = i % 2 == 0 ? 1 : 0xffffffff;
  memset(submissions_, 0xff, 64 * sizeof(tlr_submission));
  traffic();
  expect_all_arrived();
  ASSERT_EQ(heard_.size(), 1U);
  EXPECT_EQ(heard_[0], std::string(512, 'b') + std::string(688, 'a'));
  EXPECT_EQ(refused(), 0U);
}

// Indices that go back, but not behind what the daemon has taken.
TEST_F(HostileTrafficTest, SubmissionIndexBackAmongWhatWaits) {
  tlr_submission s = send_of(1);
  s.op = TLR_OP_SHUTDOWN;
  s.slot = TLR_NO_SLOT;
  s.assoc_index = 50;  // fails at once: a completion each, which nobody reads
  while (counter(RingCounter::k_ring_submission_stalls) == 0) {
    while (channel_->submission_produced.value - channel_->submission_consumed.value < 64) put(s);
    turn();
  }
  put(s);
  put(s);
  turn();
  ASSERT_GT(channel_->submission_produced.value - channel_->submission_consumed.value, 1U);
  __atomic_store_n(&channel_->submission_produced.value, channel_->submission_produced.value - 1,
                   __ATOMIC_SEQ_CST);
  expect_ended(RingCounter::k_refuse_bad_index);
}

TEST_F(HostileTrafficTest, ReturnIndexBackwards) {
  __atomic_store_n(&channel_->return_produced.value, channel_->return_produced.value - 1,
                   __ATOMIC_SEQ_CST);
  for (int i = 0; i < 65; ++i) {  // until the bridge looks for free slots
    shard.inject(wire_, std::vector<uint8_t>(10, 'm'), 0, 0,
                 [&](Event& event) { bridge.deliver(now, event); });
  }
  expect_ended(RingCounter::k_refuse_bad_index);
}

// Says that it has read what it has not, and that it has returned every slot, always: it spoils
// its own messages, nothing else.
TEST_F(HostileTrafficTest, EverythingIsReadAndReturnedAtOnce) {
  for (int i = 0; i < 300; ++i) {
    for (int n = 0; n < 20; ++n) {
      shard.inject(wire_, std::vector<uint8_t>(700, 'm'), 0, 0,
                   [&](Event& event) { bridge.deliver(now, event); });
    }
    consume_all();
    for (uint32_t slot = 0; slot < 64; ++slot) returns_[slot] = slot;
    __atomic_store_n(&channel_->return_produced.value, channel_->return_consumed.value + 64,
                     __ATOMIC_SEQ_CST);
    traffic();
  }
  expect_all_arrived();
  EXPECT_EQ(faults, 0U);
  EXPECT_GT(counter(RingCounter::k_refuse_bad_return), 0U);
  EXPECT_EQ(counter(RingCounter::k_ring_messages_out), 300U * 20U + sent_);
}

// Each page in turn, with traffic in between. Only the page of the indices ends the client: they
// have gone back to zero. The others read as zeros, which is as good as any other content.
TEST_F(HostileTrafficTest, AHoleInEachPage) {
  const uint64_t size = hostile_->ring->segment->size();
  const auto own_text = [&] { memcpy(tx_data_, "whole", 5); };
  for (uint64_t page = 0; page < size; page += TLR_PAGE) {
    if (page == TLR_PAGE) continue;
    own_text();
    put_own(0);
    turn(0);  // taken, not yet sent
    punch(page, TLR_PAGE);
    traffic();
    consume_all();
    EXPECT_EQ(faults, 0U) << "page " << page / TLR_PAGE;
  }
  expect_all_arrived();
  const uint64_t pages = size / TLR_PAGE - 1;
  ASSERT_EQ(heard_.size(), pages);
  EXPECT_EQ(std::count(heard_.begin(), heard_.end(), "whole"), pages - 1);
  EXPECT_EQ(std::count(heard_.begin(), heard_.end(), std::string(5, '\0')), 1);
  punch(TLR_PAGE, TLR_PAGE);
  expect_ended(RingCounter::k_refuse_bad_index);
}

// Holes anywhere, at any moment, and random writes into what has grown over them. It ends where the
// page of the indices is hit.
TEST_F(HostileTrafficTest, HolesWhileTrafficFlows) {
  const int fd = hostile_->ring->segment->fd();
  const auto pages = static_cast<uint32_t>(hostile_->ring->segment->size() / TLR_PAGE);
  std::atomic<bool> indices_too{false};
  Vandal vandal(*hostile_->ring->segment, [&, fd, pages](uint32_t* at, std::minstd_rand& random) {
    const auto page = static_cast<uint32_t>(random() % pages);
    if (page == 1 && !indices_too.load(std::memory_order_relaxed)) return;
    [[maybe_unused]] const int result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                  static_cast<off_t>(page) * TLR_PAGE, TLR_PAGE);
    if (page == 1) return;
    const uint32_t word = page * kHead + static_cast<uint32_t>(random() % kHead);
    __atomic_store_n(&at[word], static_cast<uint32_t>(random() % 80), __ATOMIC_RELAXED);
  });
  for (uint32_t i = 0; sent_ < 1000 || vandal.deeds() < 5000; ++i) {
    put_own(i % 64);
    traffic();
    consume_all();
  }
  EXPECT_EQ(faults, 0U);
  EXPECT_GT(heard_.size(), 0U);
  indices_too.store(true);
  while (faults == 0) traffic();
  hang_up();
  while (gone == 0) traffic();
  vandal.stop();
  expect_all_arrived();
  EXPECT_EQ(faults, 1U);
  EXPECT_EQ(counter(RingCounter::k_refuse_bad_index), 1U);
}

}  // namespace
}  // namespace trunkline::test
