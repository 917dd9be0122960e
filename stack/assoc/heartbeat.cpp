// SPDX-License-Identifier: BSD-3-Clause
// Is the path alive (RFC 9260 sections 5.4, 8.2, 8.3)? HEARTBEAT and its ACK, both ways.
#include <algorithm>
#include <array>

#include "assoc/context.h"
#include "assoc/errors.h"
#include "base/bytes.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline {
namespace {

// What our HEARTBEATs carry: an unpredictable word that proves that the peer has seen this very
// one, the path it went to, and when (8.3). It must come back as it was: the round trip is measured
// from our own note of the time, which a peer can't change.
struct HeartbeatInfo {
  static constexpr size_t kSize = 8 + 1 + 1 + 16 + 8;
  uint64_t nonce = 0;
  TimePoint sent_at;
  uint8_t path = 0;
  IpAddress address;
};

std::array<uint8_t, HeartbeatInfo::kSize> encode(const HeartbeatInfo& info) {
  std::array<uint8_t, HeartbeatInfo::kSize> out{};
  store_be64(out.data(), info.nonce);
  out[8] = info.path;
  out[9] = static_cast<uint8_t>(info.address.family());
  copy_bytes(out.data() + 10, info.address.bytes());
  store_be64(out.data() + 26, static_cast<uint64_t>(info.sent_at.ns()));
  return out;
}

}  // namespace

// Answered the way it came: to its source, from the address it was sent to (6.4).
void Association::on_heartbeat(ShardContext& ctx, const InboundPacket& packet,
                               const wire::ChunkView& chunk, PacketSeen& seen) {
  const auto heartbeat = wire::HeartbeatChunk::parse(chunk);
  if (!heartbeat) {
    ctx.counters.add(Counter::k_drop_bad_chunk);
    return;
  }
  if (state_ == AssocState::kCookieWait || state_ == AssocState::kShutdownAckSent ||
      paths_.find(packet.source) == nullptr) {
    ctx.counters.add(Counter::k_drop_heartbeat_state);
    return;
  }
  if (!seen.may_answer()) {
    ctx.counters.add(Counter::k_drop_answer_limit);
    return;
  }
  // "copied unchanged", other parameters included (8.3)
  uint8_t* const at = ctx.answers.writer(paths_.primary().packet_size())
                          .reserve_chunk(wire::ChunkType::kHeartbeatAck, 0, chunk.value.size());
  if (at == nullptr) {
    ctx.counters.add(Counter::k_drop_answer_too_long);
    return;
  }
  copy_bytes(at, chunk.value);
}

void Association::on_heartbeat_ack(ShardContext& ctx, TimePoint now, const wire::ChunkView& chunk) {
  const auto ack = wire::HeartbeatChunk::parse(chunk);
  if (ack && ack->info.size() == kProbeInfoSize) return on_probe_ack(ctx, now, ack->info);
  if (!ack || ack->info.size() != HeartbeatInfo::kSize || ack->info[8] >= paths_.size()) {
    ctx.counters.add(Counter::k_drop_bad_heartbeat_ack);
    return;
  }
  Path& path = paths_.at(ack->info[8]);
  const HeartbeatInfo sent{path.heartbeat_nonce, path.heartbeat_sent_at, path.index, path.remote};
  const auto expected = encode(sent);
  if (path.heartbeat_nonce == 0 ||
      !std::equal(expected.begin(), expected.end(), ack->info.begin())) {
    ctx.counters.add(Counter::k_drop_bad_heartbeat_ack);
    return;
  }
  ctx.counters.add(Counter::k_heartbeat_acks_received);
  error_count_ = 0;  // 8.3
  set_path_state(ctx, now, path, paths_.on_heartbeat_answered(profile_of(ctx, path), now, path));
  paths_.plan_heartbeat(profile_of(ctx, path), ctx.random, now, path);
  choose_data_path(ctx);
}

void Association::on_heartbeat_due(ShardContext& ctx, TimePoint now, Path& path) {
  if (is_closing() && state_ != AssocState::kShutdownPending &&
      state_ != AssocState::kShutdownReceived) {
    path.heartbeat_due = TimePoint::never();
    return;
  }
  if (path.heartbeat_outstanding) {
    on_heartbeat_unanswered(ctx, now, path);
    if (dead_ || path.heartbeat_due > now) return;
  }
  if (paths_.on_heartbeat_due(profile_of(ctx, path), now, path, !sender_.all_acked()))
    mark_ready(ctx);
}

// It was not answered within an RTO. While data is on its way over a potentially failed path, T3
// tells the same, and one silence is not counted twice (RFC 7829 section 3.2 rule 6).
void Association::on_heartbeat_unanswered(ShardContext& ctx, TimePoint now, Path& path) {
  path.heartbeat_outstanding = false;
  const bool t3_tells =
      path.state == PathState::kPotentiallyFailed && sender_.flight(path.index) > 0;
  if (!t3_tells) {
    const bool carries_data = &path == &paths_.data_path();
    count_error(ctx, now, path);
    path.rto.on_expiry(*profile_);
    if (carries_data && (++error_count_, too_many_errors())) {  // 8.1: only where data goes
      end_with_abort(ctx, Reason::kTimedOut, 0);
      return;
    }
  }
  paths_.plan_heartbeat(profile_of(ctx, path), ctx.random, now, path);
  if (path.state == PathState::kPotentiallyFailed && !path.heartbeat_due.is_never()) {
    path.heartbeat_due = now;  // the next one follows at once
  }
}

bool Association::fill_heartbeat(ShardContext& ctx, TimePoint now, Path& path, PacketOut& out) {
  PacketFrame frame(out.room, path.packet_size(), head());
  return add_heartbeat(ctx, now, frame.writer(), path) && finish_packet(ctx, frame, path, out);
}

bool Association::add_heartbeat(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer,
                                Path& path) {
  paths_.on_heartbeat_sent(now, path, ctx.random.nonce());
  const HeartbeatInfo info{path.heartbeat_nonce, now, path.index, path.remote};
  if (!wire::write_heartbeat(writer, encode(info))) return false;
  path.heartbeat_outstanding = true;
  path.heartbeat_due = now + path.rto.value();
  ++path.heartbeats_sent;
  ctx.counters.add(Counter::k_heartbeats_sent);
  ctx.counters.add(Counter::k_out_ctrl_chunks);
  return true;
}

Status Association::request_heartbeat(ShardContext& ctx, const IpAddress& peer_address) {
  Path* const path = paths_.find(peer_address);
  if (path == nullptr) return Status::kInvalidAddress;
  if (state_ != AssocState::kEstablished) return Status::kNotEstablished;
  path->send_heartbeat = true;
  mark_ready(ctx);
  return Status::kOk;
}

}  // namespace trunkline
