// SPDX-License-Identifier: BSD-3-Clause
// The DATA of a packet (RFC 9260 sections 6.1, 6.9, 6.10, 7.2): what is sent again, then new DATA
// in the order of the streams. No allocation but from pools, and nothing waits for company.
#include <cstring>

#include "tx/sender.h"
#include "wire/data_chunk.h"

namespace trunkline {
namespace {

// When a pool is empty, somebody else's acknowledgement will fill it: look again soon.
constexpr Duration kPoolRetry = std::chrono::milliseconds(5);

// A message is cut to the space that is left in a packet only if that saves more than it costs.
constexpr uint32_t kSmallestUsefulShare = 2;

// The interval of window probes has reached any RTO.Max long before.
constexpr uint8_t kMostProbesCounted = 15;

// What all chunks of a message say.
wire::DataChunk header_of(const TxMessage& message, Tsn tsn) {
  wire::DataChunk header;
  header.unordered = message.unordered;
  header.tsn = tsn;
  header.stream = message.stream;
  header.mid = message.mid;
  header.ppid = message.ppid;
  return header;
}

bool goes_by(const DataLane& lane, const TxChunk& chunk) {
  const uint8_t from = chunk.fast_retransmitted ? lane.missed_from : lane.lost_from;
  return (from >> chunk.path & 1) != 0;
}

}  // namespace

void Sender::send_again(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
                        const DataLane& lane, DataSent& sent) {
  TxChunk* chunk = outstanding_.next_retransmission();
  while (chunk != nullptr) {
    const uint32_t cwnd = sent.any ? lane.cwnd_when_used : lane.cwnd;
    // One packet of a fast retransmission goes out whatever cwnd says (7.2.4 rule 3).
    const bool allowed = again_now_ || outstanding_.flight(lane.path) < cwnd;
    if (!allowed || !goes_by(lane, *chunk) || is_late(ctx, *chunk->message, now)) break;
    wire::DataChunk header = header_of(*chunk->message, chunk->tsn);
    header.beginning = chunk->beginning;
    header.ending = chunk->ending;
    header.immediate = chunk->is_loss_probe();
    uint8_t* const at = wire::write_data_header(writer, header, chunk->size);
    if (at == nullptr) break;
    sent.last_chunk = at - wire::kDataHeaderSize;
    PayloadCursor payload{chunk->piece, chunk->offset};
    payload.read(at, chunk->size);
    // What IP may fragment proves nothing about the path MTU.
    const bool whole = wire::padded(wire::kDataHeaderSize + chunk->size) <= lane.packet;
    chunk->packet = whole ? static_cast<uint16_t>(writer.size() + lane.ip_header) : uint16_t{0};
    // What comes from another path puts nothing off that is waited for here (7.2.4 rule 4).
    const bool was_here = chunk->path == lane.path;
    // T3 goes on for what is lost again and again, since the path may be too narrow for it; and for
    // a probe, which puts nothing off.
    const bool puts_t3_off = was_here && !chunk->is_lost_again() && !header.immediate;
    if (chunk->is_lost_again()) chunk->misses = 0;
    outstanding_.retransmit(chunk, now, lane.path);
    peer_rwnd_ -= std::min<uint32_t>(peer_rwnd_, chunk->size);
    if (puts_t3_off && outstanding_.earliest(lane.path) == chunk) sent.earliest_again = true;
    if (header.immediate) {
      sent.loss_probe = chunk->tsn;
      outstanding_.forget_probe(*chunk);
    }
    sent.any = true;
    ++sent.again;
    ctx.counters.add(Counter::k_retransmitted_chunks);
    if (ctx.profile.one_data_per_packet) break;
    chunk = outstanding_.next_retransmission(chunk);
  }
  if (sent.any) again_now_ = false;
}

void Sender::send_new(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
                      const DataLane& lane, DataSent& sent) {
  const Profile& profile = ctx.profile;
  if (queue_.empty() || (sent.any && profile.one_data_per_packet)) return;
  if (profile.max_burst > 0 && burst_left_ == 0 && !sent.any) return;
  if (profile.nagle && !sent.any && outstanding_.flight() > 0 &&
      queue_.bytes() < lane.fragment_limit) {
    return;
  }
  const bool alone = lane.hastens && outstanding_.flight() == 0;
  bool added = send_whole(ctx, now, writer, lane, alone, sent);
  while (TxMessage* const message = queue_.front()) {
    const uint32_t size = next_fragment_size(*message, writer, lane.fragment_limit);
    const uint32_t cwnd = sent.any || added ? lane.cwnd_when_used : lane.cwnd;
    if (size == 0 || !window_allows(profile, now, lane, cwnd, size)) break;
    if (is_late(ctx, *message, now)) break;
    if (!outstanding_.make_room(ctx.chunks)) {
      ctx.counters.add(Counter::k_waits_for_chunks);
      retry_at_ = retry_before(ctx.profile, now + kPoolRetry);
      break;
    }
    sent.hastened = alone && queue_.bytes() == size;
    sent.last_chunk = send_chunk(ctx, now, writer, lane, message, size, sent.hastened);
    added = true;
    if (peer_rwnd_ < size) {
      note_probe(ctx);
      sent.window_probe = true;
      break;
    }
    peer_rwnd_ -= size;
    if (profile.one_data_per_packet) break;
  }
  if (!added) return;
  sent.any = true;
  if (burst_left_ > 0) --burst_left_;
}

// What mostly goes: messages of one piece, each whole in a chunk, into windows that are open for
// whatever the packet has room for. What is anything else ends the run; send_new() goes on with it.
// True: there was some.
//
// What changes with each of them is kept here, and told to record and windows once.
inline bool Sender::send_whole(const SenderContext& ctx, TimePoint now, wire::PacketWriter& writer,
                               const DataLane& lane, bool alone, DataSent& sent) {
  using wire::DataChunk;
  constexpr uint8_t kWhole = DataChunk::kBeginningFlag | DataChunk::kEndingFlag;
  const std::span<uint8_t> rest = writer.rest();
  const auto room = static_cast<uint32_t>(rest.size());
  const uint32_t most = room / wire::kDataHeaderSize;  // chunks
  if (outstanding_.flight(lane.path) + room > lane.cwnd_when_used || peer_rwnd_ < room ||
      outstanding_.span() + most > kMaxSendWindow ||
      lane.fragment_limit + wire::kDataHeaderSize < room || ctx.profile.one_data_per_packet) {
    return false;
  }
  uint8_t* at = rest.data();
  uint8_t* const end = at + rest.size();
  const auto packet_end = static_cast<uint16_t>(writer.size() + lane.ip_header + rest.size());
  const uint32_t all_flags = kWhole | (lane.last_words ? DataChunk::kImmediateFlag : 0u);
  const auto take = [&](TxMessage & message, Mid number) __attribute__((always_inline)) {
    const uint32_t size = message.unsent_size;
    const Piece* const piece = message.unsent_piece;
    const size_t length = wire::kDataHeaderSize + size;
    const size_t wire_size = wire::padded(length);
    const auto left = static_cast<size_t>(end - at);
    if (piece->length != size || wire_size > left || message.limit_place != 0) return false;
    if (!outstanding_.make_room(ctx.chunks)) return false;
    const Tsn tsn = outstanding_.next_tsn();
    outstanding_.record(ctx.chunks, {.message = &message,
                                     .tsn = tsn,
                                     .size = static_cast<uint16_t>(size),
                                     .packet = static_cast<uint16_t>(packet_end - left + wire_size),
                                     .piece = piece,
                                     .path = lane.path,
                                     .beginning = true,
                                     .ending = true,
                                     .sent_at = now});
    uint8_t* const payload = wire::write_data_header(at, all_flags | message.chunk_flags(), size,
                                                     tsn, message.stream, number, message.ppid);
    sent.last_chunk = at;
    at += wire_size;
    std::memcpy(payload, piece->data, size);
    return true;
  };
  SendQueue::Taken taken;
  while (queue_.front() != nullptr) {
    if (!queue_.take_whole(most, taken, take)) break;
  }
  if (taken.messages == 0) return false;
  const auto written = static_cast<size_t>(at - rest.data());
  writer.take_chunks(written);
  outstanding_.count_sent(lane.path, taken.bytes, static_cast<uint32_t>(written),
                          static_cast<uint16_t>(writer.size() + lane.ip_header));
  peer_rwnd_ -= taken.bytes;
  probe_at_ = TimePoint::never();
  probes_ = 0;
  sent.hastened = alone && queue_.bytes() == 0;
  if (sent.hastened) wire::ask_for_sack(sent.last_chunk);
  ctx.counters.add(Counter::k_out_order_chunks, taken.ordered);
  ctx.counters.add(Counter::k_out_unorder_chunks, taken.messages - taken.ordered);
  return true;
}

// The next `size` bytes of a message; there is room for them everywhere. Returns the chunk.
inline uint8_t* Sender::send_chunk(const SenderContext& ctx, TimePoint now,
                                   wire::PacketWriter& writer, const DataLane& lane,
                                   TxMessage* message, uint32_t size, bool hastened) {
  const bool beginning = !message->started;
  queue_.advance(message, size);
  const bool ending = message->unsent_size == 0;
  wire::DataChunk header = header_of(*message, outstanding_.next_tsn());
  header.beginning = beginning;
  header.ending = ending;
  header.immediate = ending && (message->sack_immediately || lane.last_words || hastened);
  if (beginning) {
    if (MessageLimit* const limit = limit_of(ctx.limits, *message)) limit->first = header.tsn;
  }
  uint8_t* const at = wire::write_data_header(writer, header, size);
  outstanding_.add(ctx.chunks, {.message = message,
                                .tsn = header.tsn,
                                .size = static_cast<uint16_t>(size),
                                .packet = static_cast<uint16_t>(writer.size() + lane.ip_header),
                                .piece = message->unsent_piece,
                                .offset = message->unsent_offset,
                                .path = lane.path,
                                .beginning = beginning,
                                .ending = ending,
                                .sent_at = now});
  message->read_unsent(at, size);
  if (!ending) ++message->parts;
  ctx.counters.add(message->unordered ? Counter::k_out_unorder_chunks
                                      : Counter::k_out_order_chunks);
  if (beginning && !ending) ctx.counters.add(Counter::k_frag_usr_msgs);
  return at - wire::kDataHeaderSize;
}

// The chunk just sent had no room in the peer's window.
void Sender::note_probe(const SenderContext& ctx) {
  peer_rwnd_ = 0;
  probing_window_ = true;
  probe_at_ = TimePoint::never();
  if (probes_ < kMostProbesCounted) ++probes_;
  ctx.counters.add(Counter::k_zero_window_probes);
}

// How much of the message goes into this packet; 0: none of it, it waits for the next packet.
uint32_t Sender::next_fragment_size(const TxMessage& message, const wire::PacketWriter& writer,
                                    uint32_t limit) const {
  const size_t left = writer.remaining();
  if (left <= wire::kDataHeaderSize) return 0;
  const uint32_t room = static_cast<uint32_t>(left - wire::kDataHeaderSize);
  // A packet with less room than the path has must still make progress.
  if (writer.empty()) limit = std::min(limit, room);
  if (message.unsent_size <= limit) return message.unsent_size <= room ? message.unsent_size : 0;
  const uint32_t share = std::min(room & ~3u, limit & ~3u);
  return share >= limit / kSmallestUsefulShare ? share : 0;
}

// Rules A and B of section 6.1. A window that is closed, or too small for the chunk, lets one
// through now and then when nothing is in flight. The chunk is never cut to fit it: crumbs would
// be all that the peer gets (SWS).
bool Sender::window_allows(const Profile& profile, TimePoint now, const DataLane& lane,
                           uint32_t cwnd, uint32_t size) {
  if (outstanding_.flight(lane.path) >= cwnd) return false;
  if (outstanding_.span() >= kMaxSendWindow) return false;
  if (peer_rwnd_ >= size) {
    probe_at_ = TimePoint::never();
    probes_ = 0;
    return true;
  }
  if (outstanding_.flight() > 0) return false;
  if (probe_at_.is_never()) plan_probe(profile, now, lane.rto);
  return probe_is_due();
}

// The first an RTO after the window was found closed, the others at twice the interval each.
void Sender::plan_probe(const Profile& profile, TimePoint now, Duration rto) {
  const Duration interval = rto * (int64_t{1} << probes_);
  probe_at_ = now + std::min(interval, profile.rto_max);
}

}  // namespace trunkline
