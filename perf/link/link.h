// SPDX-License-Identifier: BSD-3-Clause
// One direction of a link in simulated time: so many bits a second, a queue in front that drops
// what does not fit, a delay, and packets lost on the way, each by itself or some in a row, or
// overtaken. The same seed loses the same packets by their number. Both stacks are measured on two
// of these.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/sample.h"
#include "trunkline/stack/profile.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/types.h"

namespace trunkline::perf {

struct LinkSetup {
  double loss = 0;  // 0 to 1
  // How long everything is lost, on average (two states, after Gilbert and Elliott); zero: packets
  // are lost each by itself.
  Duration burst{};
  double reorder = 0;  // 0 to 1: these take so much longer
  Duration reorder_by{};
  Duration delay{};
  double bits_per_second = 1e9;  // of IP packets
  size_t queue_bytes = 1 << 20;
};

class Link {
 public:
  Link(const LinkSetup& setup, uint64_t seed) : setup_(setup), random_(seed) {}

  // An SCTP packet is handed to the link, which adds an IPv4 header.
  void offer(TimePoint now, std::span<const uint8_t> packet);
  [[nodiscard]] TimePoint next_arrival() const {
    return queue_.empty() ? TimePoint::never() : queue_.front().arrival;
  }
  // The packet that arrives next, if it does by `now`; valid until the next call of any kind.
  [[nodiscard]] std::span<const uint8_t> take(TimePoint now);
  // Nothing is lost before this.
  void lossy(bool on) { lossy_ = on; }

  uint64_t offered = 0;
  uint64_t lost = 0;
  uint64_t overflowed = 0;

 private:
  [[nodiscard]] double draw() { return static_cast<double>(random_.next() >> 11) * 0x1p-53; }
  [[nodiscard]] bool draw_loss(TimePoint now);

  struct Packet {
    TimePoint arrival;
    std::vector<uint8_t> bytes;
  };

  LinkSetup setup_;
  SeededRandom random_;
  bool lossy_ = false;
  bool loses_all_ = false;
  TimePoint drawn_at_;  // when that was so
  TimePoint free_at_;   // when the last bit of what is queued has left
  std::deque<Packet> queue_;
  std::vector<std::vector<uint8_t>> spare_;
  std::vector<uint8_t> taken_;
};

// The profile of both: the defaults of RFC 9260 section 16, but for the delay of a SACK and, unless
// the case is called link/rfc9260/..., an RTO as on a signalling network.
inline constexpr uint32_t kSackDelayMs = 50;
struct RtoMs {
  uint32_t initial, min, max;
};
inline constexpr RtoMs kRtoRfc{1000, 1000, 60'000};
inline constexpr RtoMs kRtoSignalling{200, 100, 60'000};

// What both programs do in each case.
struct LinkCase {
  LinkSetup setup;
  size_t message_size = 0;  // bytes
  RtoMs rto = kRtoSignalling;
  LossRecovery loss_recovery = LossRecovery::kRfc9260;  // of ours
  uint8_t max_burst = Profile{}.max_burst;              // likewise
  uint8_t sack_frequency = Profile{}.sack_frequency;    // likewise
  Duration duration{};                                  // of sending as much as goes
  uint64_t seeds = 1;                                   // a figure each
};
inline constexpr uint32_t kWindow = 4 << 20;  // bytes of both buffers: never what limits
// "link/100/loss-1/delay-10ms", at the run's scale: bytes, per cent, one way.
[[nodiscard]] LinkCase link_case(const Run& run);
// Runs `goodput` with each seed and reports bits of messages a second.
void report_goodput(const Run& run,
                    const std::function<double(const LinkCase&, uint64_t)>& goodput);
// Each case, run by `run`.
[[nodiscard]] std::vector<Case> link_cases(void (*run)(const Run&));

// "link/matrix/10/burst-1/rto-100/rack": messages of 100 bytes, so many a second, on one ordered
// stream; per cent of packets that are lost, and how; RTO.min; who sends.
struct MatrixCase {
  LinkCase link;
  Duration every{};  // a message
  size_t messages = 0;
  std::string word;  // Profile::loss_recovery, or "usrsctp"
};
[[nodiscard]] MatrixCase matrix_case(const Run& run);
[[nodiscard]] std::vector<Case> matrix_cases(const std::vector<std::string>& words,
                                             void (*run)(const Run&));
[[nodiscard]] LossRecovery loss_recovery_of(std::string_view word);
// Milliseconds each, in ascending order.
void report_latencies(const Run& run, const std::vector<double>& all);

}  // namespace trunkline::perf
