// SPDX-License-Identifier: BSD-3-Clause
// When the peer is told what has come, and the SACK that tells it (RFC 9260 sections 3.3.4, 6.2).
#include <array>

#include "rx/receiver.h"
#include "wire/sack_chunk.h"

namespace trunkline {
namespace {

constexpr Duration kLongestSackDelay = std::chrono::milliseconds(500);  // 6.2, whatever was asked

TimePoint latest(const Profile& profile, TimePoint now) {
  return now + std::min(profile.sack_delay, kLongestSackDelay);
}

}  // namespace

void Receiver::plan_sack(const Profile& profile, TimePoint now, const DataSeen& seen) {
  ++packets_since_sack_;
  const bool first = !first_data_seen_;
  first_data_seen_ = true;
  if (first || seen.immediate || tsns_.has_gaps() ||
      packets_since_sack_ >= profile.sack_frequency || profile.sack_delay == Duration{0}) {
    sack_due_ = true;
  } else if (sack_at_.is_never()) {
    sack_at_ = latest(profile, now);
  }
}

void Receiver::on_edit(const Profile& profile, TimePoint now) {
  if (sack_at_.is_never()) return;
  sack_at_ = std::min(sack_at_, latest(profile, now));
  if (packets_since_sack_ >= profile.sack_frequency || sack_at_ <= now) on_sack_time();
}

void Receiver::put_sack_off(const Profile& profile, TimePoint now) {
  sack_due_ = false;
  sack_at_ = latest(profile, now);
}

bool Receiver::write_sack_of_disorder(wire::PacketWriter& writer, uint32_t window) const {
  std::array<wire::GapBlock, TsnDisorder::kMaxBlocks> gaps;
  const size_t gap_count = tsns_.gap_blocks(gaps);
  return wire::write_sack(writer, tsns_.cum_tsn(), window, std::span(gaps).first(gap_count),
                          tsns_.duplicates());
}

void Receiver::on_sack_sent(const ReceiverContext& ctx, uint32_t window) {
  ctx.counters.add(Counter::k_out_ctrl_chunks);
  if (tsns_.has_gaps()) ctx.counters.add(Counter::k_gap_sacks_sent);
  tsns_.clear_duplicates(ctx.disorder);
  const uint32_t granted = offered_ + withdrawn_;
  withdrawn_ = granted - std::min(granted, window);
  offered_ = window;
  sack_due_ = false;
  packets_since_sack_ = 0;
  sack_at_ = TimePoint::never();
}

}  // namespace trunkline
