// SPDX-License-Identifier: BSD-3-Clause
// What packets do a path's routers let through (RFC 9260 section 7.3, RFC 8899)? Probes, which are
// HEARTBEATs filled up with PAD, and ICMP; what follows for the data that is under way.
#include <algorithm>
#include <array>

#include "assoc/context.h"
#include "base/bytes.h"
#include "wire/data_chunk.h"
#include "wire/heartbeat_chunk.h"
#include "wire/pad_chunk.h"

namespace trunkline {
namespace {

// What a probe carries: a word that proves that the peer has seen this very one, and the path.
std::array<uint8_t, Association::kProbeInfoSize> probe_info(uint64_t nonce, uint8_t path) {
  std::array<uint8_t, Association::kProbeInfoSize> out{};
  store_be64(out.data(), nonce);
  out[8] = path;
  return out;
}

// The first TSN that the quotation of our packet shows, if it goes so far.
std::optional<Tsn> quoted_tsn(std::span<const uint8_t> sent) {
  constexpr size_t kTsnEnd = wire::kChunkHeaderSize + 4;
  for (size_t at = wire::kCommonHeaderSize; at + kTsnEnd <= sent.size();) {
    if (sent[at] == static_cast<uint8_t>(wire::ChunkType::kData)) {
      return Tsn(load_be32(sent.data() + at + wire::kChunkHeaderSize));
    }
    const size_t length = load_be16(sent.data() + at + 2);
    if (length < wire::kChunkHeaderSize) break;
    at += (length + 3) & ~size_t{3};
  }
  return std::nullopt;
}

}  // namespace

bool Association::fill_probe(ShardContext& ctx, TimePoint now, Path& path, PacketOut& out) {
  const size_t size = path.packet_size_in(path.mtu.wanted(path.usable()));
  if (size > out.room.size()) {
    path.mtu.on_no_room(now, *profile_);
    return false;
  }
  const uint64_t nonce = ctx.random.nonce();
  PacketFrame frame(out.room, size, head());
  wire::PacketWriter& writer = frame.writer();
  if (!wire::write_heartbeat(writer, probe_info(nonce, path.index)) ||
      !wire::write_pad(writer, writer.remaining())) {
    return false;
  }
  path.mtu.on_probe_sent(now, *profile_, path.rto.value(), nonce);
  ctx.counters.add(Counter::k_pmtu_probes_sent);
  ctx.counters.add(Counter::k_out_ctrl_chunks, 2);
  return finish_packet(ctx, frame, path, out);
}

// A probe that was answered is as good a sign of life as any HEARTBEAT; one that was not says
// nothing of the path (RFC 8899 section 6.2.1.2).
void Association::on_probe_ack(ShardContext& ctx, TimePoint now, std::span<const uint8_t> info) {
  Path* const path = info[8] < paths_.size() ? &paths_.at(info[8]) : nullptr;
  if (path == nullptr || path->mtu.nonce() == 0) {
    ctx.counters.add(Counter::k_drop_bad_heartbeat_ack);
    return;
  }
  const auto expected = probe_info(path->mtu.nonce(), path->index);
  if (!std::equal(expected.begin(), expected.end(), info.begin())) {
    ctx.counters.add(Counter::k_drop_bad_heartbeat_ack);
    return;
  }
  error_count_ = 0;  // 8.3
  if (path->usable()) path->error_count = 0;
  const PathMtu::Change change = path->mtu.on_probe_acked(now, *profile_);
  mtu_changed(*path);
  if (change == PathMtu::Change::kRaised) ctx.counters.add(Counter::k_pmtu_raised);
  if (change == PathMtu::Change::kBlackHole) {
    ctx.counters.add(Counter::k_pmtu_black_holes);
    send_again_smaller(ctx, now, *path);
  }
  mark_ready(ctx);
}

void Association::on_mtu_due(ShardContext& ctx, TimePoint now, Path& path) {
  if (path.mtu.on_due(now, *profile_)) ctx.counters.add(Counter::k_pmtu_probes_lost);
  mark_ready(ctx);
}

void Association::mtu_changed(Path& path) {
  path.congestion.set_pmdcs(path.pmdcs());
  paths_.sizes_changed();
}

// Whatever is under way there was too large, or shared a packet with what was. The network was not
// full: the congestion window stays as it is.
void Association::send_again_smaller(ShardContext& ctx, TimePoint now, Path& path) {
  if (state_ == AssocState::kCookieEchoed) pending_ |= kPendingCookieEcho;
  if (!sends_data()) return;
  static_cast<void>(sender_.lose(path.index));
  path.t3 = TimePoint::never();
  sender_.open_burst(*profile_);
  abandon_lost(ctx, now);
  mark_ready(ctx);
}

// Is a packet on its way that is larger than `told` and may be the one that is quoted? ICMP quotes
// as little as eight bytes: then the tag must do.
bool Association::may_have_been_too_big(const Path& path, std::span<const uint8_t> sent,
                                        uint16_t told) {
  if (const auto tsn = quoted_tsn(sent)) {
    const TxChunk* const chunk = sender_.in_flight(*tsn);
    return chunk != nullptr && chunk->path == path.index &&
           sender_.larger_in_flight(path.index, told);
  }
  constexpr size_t kNonceAt =
      wire::kCommonHeaderSize + wire::kChunkHeaderSize + wire::kTlvHeaderSize;
  if (path.mtu.probed() > told) {
    if (sent.size() <= wire::kCommonHeaderSize) return true;
    if (sent[wire::kCommonHeaderSize] == static_cast<uint8_t>(wire::ChunkType::kHeartbeat)) {
      return sent.size() < kNonceAt + 8 || load_be64(sent.data() + kNonceAt) == path.mtu.nonce();
    }
  }
  if (state_ == AssocState::kCookieEchoed) return path.ip_size(cookie_echo_size()) > told;
  return sender_.larger_in_flight(path.index, told);
}

void Association::on_packet_too_big(ShardContext& ctx, TimePoint now, const PacketIn& sent,
                                    uint16_t told) {
  Path* const path = paths_.find(sent.destination);
  if (path != nullptr && path->mtu.state() == PmtuState::kFixed) {
    ctx.counters.add(Counter::k_drop_icmp_pmtu_off);
    return;
  }
  if (path == nullptr || !(path->local == sent.source)) {
    ctx.counters.add(Counter::k_drop_icmp_not_in_flight);
    return;
  }
  const uint16_t size = std::max(told, path->mtu.base());
  if (!may_have_been_too_big(*path, sent.bytes, size)) {
    ctx.counters.add(Counter::k_drop_icmp_not_in_flight);
    return;
  }
  if (size >= std::max(path->mtu.value(), path->mtu.probed())) {
    ctx.counters.add(Counter::k_drop_icmp_size);
    return;
  }
  if (size > told && told != 0) ctx.counters.add(Counter::k_clamped_icmp_size);
  PathSet::give_detail(ctx.path_memory, *path);
  if (path->mtu.on_too_big(now, *profile_, size)) {
    ctx.counters.add(Counter::k_pmtu_lowered);
    mtu_changed(*path);
    send_again_smaller(ctx, now, *path);
  }
  mark_ready(ctx);
  schedule(ctx);
}

}  // namespace trunkline
