// SPDX-License-Identifier: BSD-3-Clause
// The bundler (RFC 9260 sections 6.1, 6.9, 6.10): one packet at a time, in one pass: control
// chunks, SACK, retransmissions, new DATA in the order of the streams. No allocation but from
// pools, and nothing waits for company.
#include <algorithm>

#include "assoc/context.h"
#include "wire/cause.h"
#include "wire/cookie_chunk.h"
#include "wire/data_chunk.h"
#include "wire/error_chunk.h"
#include "wire/valueless_chunks.h"

namespace trunkline {
namespace {

// When a pool is empty, somebody else's acknowledgement will fill it: look again soon.
constexpr Duration kPoolRetry = std::chrono::milliseconds(5);

// A message is cut to the space that is left in a packet only if that saves more than it costs.
constexpr uint32_t kSmallestUsefulShare = 2;

// The interval of window probes has reached any RTO.Max long before.
constexpr uint8_t kMostProbesCounted = 16;

}  // namespace

struct Association::Composition {
  wire::PacketWriter writer;
  Path& path;
  bool has_data = false;
  uint16_t fragment_size = 0;  // the packet is larger than the path MTU, and IP may fragment it
};

bool Association::fill_packet(ShardContext& ctx, TimePoint now, PacketOut& out) {
  if (dead_) return false;
  bool filled = false;
  if ((pending_ & kPendingInit) != 0) {
    filled = fill_init(ctx, now, out);
  } else if ((pending_ & kPendingCookieEcho) != 0) {
    filled = fill_cookie_echo(ctx, now, out);
  } else if (!is_opening()) {
    for (Path* path : paths()) {
      if ((pending_ & kPendingCookieAck) != 0) break;
      if (path->send_heartbeat) {
        filled = fill_heartbeat(ctx, now, *path, out);
      } else if (sends_data() && path->mtu.wanted(path->usable()) != 0) {
        filled = fill_probe(ctx, now, *path, out);
        if (!filled) continue;
      } else {
        continue;
      }
      return filled;
    }
    if (!may_have_chunks()) return false;
    Path& path = *transmit_path();
    Composition packet{
        wire::PacketWriter(out.room.first(std::min(out.room.size(), path.packet_size()))), path};
    packet.writer.write_header(local_.port, peer_port_, peer_tag_);
    // A COOKIE ACK may go to an address that is not confirmed; DATA may not (5.4).
    const bool may_carry_data = path.usable() || (pending_ & kPendingCookieAck) == 0;
    if (add_cookie_ack(ctx, now, packet.writer, path)) add_control(ctx, now, packet.writer, path);
    if (may_carry_data && &path == path_for_data()) add_data(ctx, now, packet, out.room);
    filled = !packet.writer.empty() && finish_packet(packet.writer, path, out);
    out.fragment_size = packet.fragment_size;
    if (packet.fragment_size != 0) ctx.counters.add(Counter::k_fragmentable_packets);
  }
  return filled;
}

bool Association::fill_init(ShardContext& ctx, TimePoint now, PacketOut& out) {
  Path& path = paths_.at(setup_path_);
  pending_ &= static_cast<uint8_t>(~kPendingInit);
  wire::PacketWriter writer(out.room.first(std::min(out.room.size(), path.packet_size())));
  writer.write_header(local_.port, peer_port_, VerificationTag(0));
  const wire::InitFields fields{local_tag_, profile_.a_rwnd, outbound_streams_,
                                profile_.max_inbound_streams, outstanding_.next_tsn()};
  const std::vector<IpAddress> announced = local_.announced_to(path.remote, path.local);
  wire::InitOptions options;
  for (const IpAddress& address : local_.addresses) {
    if (!LocalEnd::means_something(address, path.remote)) continue;
    (address.is_ipv4() ? options.lists_ipv4 : options.lists_ipv6) = true;
  }
  if (passage_->cookie_extension_ms > 0) {
    options.cookie_preservative_ms = passage_->cookie_extension_ms;
  }
  passage_->t1 = now + path.rto.value();  // even if it does not fit: the attempt must end some day
  if (!wire::write_init(writer, fields, announced, options)) return false;
  if (passage_->retries == 0) passage_->sent_at = now;
  ctx.counters.add(Counter::k_out_ctrl_chunks);
  return finish_packet(writer, path, out);
}

bool Association::fill_cookie_echo(ShardContext& ctx, TimePoint now, PacketOut& out) {
  Path& path = paths_.at(setup_path_);
  pending_ &= static_cast<uint8_t>(~kPendingCookieEcho);
  const std::span<const uint8_t> echoed(passage_->echoed);
  // A cookie can't be cut: where it is larger than the path MTU, IP fragments it.
  const size_t alone = cookie_echo_size();
  const bool oversize = alone > path.packet_size();
  const size_t size = std::max(path.packet_size(), alone);
  wire::PacketWriter writer(out.room.first(std::min(out.room.size(), size)));
  writer.write_header(local_.port, peer_port_, peer_tag_);
  passage_->t1 = now + path.rto.value();  // even if it does not fit: the attempt must end some day
  if (!wire::write_cookie_echo(writer, echoed.first(passage_->cookie_size))) return false;
  // The report is no reason to hold the association up: without room for it, there is none.
  if (echoed.size() > passage_->cookie_size && wire::begin_error(writer)) {
    const std::span<const uint8_t> parameters = echoed.subspan(passage_->cookie_size);
    if (!wire::append_unrecognized_parameters(writer, {&parameters, 1}) || !writer.end_chunk()) {
      writer.cancel_chunk();
    }
  }
  if (passage_->retries == 0) passage_->sent_at = now;
  static_cast<void>(finish_packet(writer, path, out));
  if (oversize) {
    out.fragment_size = path.mtu.value();
    ctx.counters.add(Counter::k_fragmentable_packets);
  }
  return true;
}

// Where a chunk goes that is sent again: lost in time, by another way; found missing by what came
// behind it, by its own (6.4).
Path& Association::path_again(const TxChunk& chunk) const {
  Path& last = paths_.at(chunk.path);
  return chunk.fast_retransmitted && last.usable() ? last : paths_.alternate_to(last);
}

// Where DATA would go now; nullptr if there is none to send.
Path* Association::path_for_data() const {
  if (!sends_data()) return nullptr;
  if (const TxChunk* chunk = outstanding_.next_retransmission()) return &path_again(*chunk);
  return queue_.empty() ? nullptr : &paths_.data_path();
}

// Where the next packet goes: as what it will carry demands. A SACK goes where the DATA came from,
// and takes ours along only if that goes there too (6.4, 6.7).
Path* Association::transmit_path() const {
  if ((pending_ & kPendingCookieAck) != 0) return &paths_.at(cookie_ack_path_);
  if ((pending_ & (kPendingShutdown | kPendingShutdownAck)) != 0) return &paths_.at(setup_path_);
  if (receiver_.sack_due()) return &sack_path();
  Path* const path = path_for_data();
  return path != nullptr ? path : &paths_.data_path();
}

bool Association::add_cookie_ack(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer,
                                 Path& path) {
  const bool unconfirmed = !path.confirmed();
  if ((pending_ & kPendingCookieAck) != 0 && wire::write_cookie_ack(writer)) {
    pending_ &= static_cast<uint8_t>(~kPendingCookieAck);
    ctx.counters.add(Counter::k_out_ctrl_chunks);
    if (unconfirmed) add_heartbeat(ctx, now, writer, path);
  }
  return !unconfirmed;  // 5.4
}

void Association::add_control(ShardContext& ctx, TimePoint now, wire::PacketWriter& writer,
                              Path& path) {
  if (receiver_.sack_due() && write_sack_chunk(ctx, writer)) note_sack_sent(ctx);
  if ((pending_ & kPendingShutdown) != 0) write_shutdown_chunk(ctx, now, writer, path);
  if ((pending_ & kPendingShutdownAck) != 0 && wire::write_shutdown_ack(writer)) {
    pending_ &= static_cast<uint8_t>(~kPendingShutdownAck);
    // A peer that asks again is answered, and does not put the end off.
    if (passage_->t2.is_never()) passage_->t2 = now + path.rto.value();
    setup_path_ = path.index;
    ctx.counters.add(Counter::k_out_ctrl_chunks);
  }
}

// A SACK that is owed and not due yet rides with DATA, if there is room for both; it does not
// travel alone (6.1, 6.2).
void Association::add_data(ShardContext& ctx, TimePoint now, Composition& packet,
                           std::span<uint8_t> room) {
  // A small packet leaves room in cwnd: cwnd alone would let a second one out.
  if (packet.path.one_packet && outstanding_.flight(packet.path.index) > 0) return;
  if (cut_too_large(outstanding_.next_retransmission(), packet.path)) {
    return add_oversize(ctx, now, packet, room);
  }
  const wire::PacketWriter before = packet.writer;
  const bool rides = receiver_.sack_may_ride() && &packet.path == &sack_path() &&
                     write_sack_chunk(ctx, packet.writer);
  add_old_and_new(ctx, now, packet);
  if (rides && packet.has_data) note_sack_sent(ctx);
  if (rides && !packet.has_data) {
    packet.writer = before;
    add_old_and_new(ctx, now, packet);
  }
}

// Nothing new before all that is to be sent again (6.1 C).
void Association::add_old_and_new(ShardContext& ctx, TimePoint now, Composition& packet) {
  add_retransmissions(ctx, now, packet);
  if (outstanding_.has_retransmissions() || &paths_.data_path() != &packet.path) return;
  add_new_data(ctx, now, packet);
}

bool Association::cut_too_large(const TxChunk* chunk, const Path& path) {
  return chunk != nullptr && wire::padded(wire::kDataHeaderSize + chunk->size) > path.pmdcs();
}

// A chunk that was cut for a larger path MTU travels alone, in a packet that IP may fragment (6.9,
// 7.3). What is in the packet already goes first, without it.
void Association::add_oversize(ShardContext& ctx, TimePoint now, Composition& packet,
                               std::span<uint8_t> room) {
  if (!packet.writer.empty()) return;
  const TxChunk& chunk = *outstanding_.next_retransmission();
  const size_t size = wire::kCommonHeaderSize + wire::padded(wire::kDataHeaderSize + chunk.size);
  packet.writer = wire::PacketWriter(room.first(std::min(room.size(), size)));
  packet.writer.write_header(local_.port, peer_port_, peer_tag_);
  add_retransmissions(ctx, now, packet);
  if (packet.has_data) packet.fragment_size = packet.path.mtu.value();
}

void Association::add_retransmissions(ShardContext& ctx, TimePoint now, Composition& packet) {
  TxChunk* chunk = outstanding_.next_retransmission();
  while (chunk != nullptr) {
    // One packet of a fast retransmission goes out whatever cwnd says (7.2.4 rule 3).
    const bool allowed = fast_retransmit_now_ ||
                         outstanding_.flight(packet.path.index) < packet.path.congestion.cwnd();
    if (!allowed || &path_again(*chunk) != &packet.path) break;
    wire::DataChunk header;
    header.unordered = chunk->message->unordered;
    header.beginning = chunk->beginning;
    header.ending = chunk->ending;
    header.tsn = chunk->tsn;
    header.stream = chunk->message->stream;
    header.ssn = chunk->message->ssn;
    header.ppid = chunk->message->ppid;
    uint8_t* const at = wire::write_data_header(packet.writer, header, chunk->size);
    if (at == nullptr) break;
    if (!packet.has_data) decay_idle_window(now, packet.path);
    PayloadCursor payload{chunk->piece, chunk->offset};
    payload.read(at, chunk->size);
    // What IP may fragment proves nothing about the path MTU.
    const bool whole = !cut_too_large(chunk, packet.path);
    chunk->packet = whole ? packet.path.ip_size(packet.writer.size()) : uint16_t{0};
    // What comes from another path puts nothing off that is waited for here (7.2.4 rule 4).
    const bool was_here = chunk->path == packet.path.index;
    outstanding_.retransmit(chunk, now, packet.path.index);
    peer_rwnd_ -= std::min<uint32_t>(peer_rwnd_, chunk->size);
    start_t3(now, packet.path, was_here && outstanding_.earliest(packet.path.index) == chunk);
    packet.path.last_sent_at = now;
    packet.has_data = true;
    ++totals_.retransmitted;
    ++packet.path.retransmitted_chunks;
    ctx.counters.add(Counter::k_retransmitted_chunks);
    if (profile_.one_data_per_packet) break;
    chunk = outstanding_.next_retransmission(chunk);
  }
  if (packet.has_data) fast_retransmit_now_ = false;
}

void Association::add_new_data(ShardContext& ctx, TimePoint now, Composition& packet) {
  if (queue_.empty() || (packet.has_data && profile_.one_data_per_packet)) return;
  if (profile_.max_burst > 0 && burst_left_ == 0 && !packet.has_data) return;
  if (profile_.nagle && !packet.has_data && outstanding_.flight() > 0 &&
      queue_.bytes() < paths_.fragment_limit()) {
    return;
  }
  bool added = false;
  while (TxMessage* message = queue_.front()) {
    const uint32_t size = next_fragment_size(*message, packet.writer);
    if (size == 0 || !window_allows(now, packet.path, size)) break;
    if (!outstanding_.make_room(ctx.chunks)) {
      ctx.counters.add(Counter::k_waits_for_chunks);
      retry_at_ = now + kPoolRetry;
      break;
    }
    if (!added) decay_idle_window(now, packet.path);
    const bool beginning = !message->started;
    queue_.advance(message, size);
    const bool ending = message->unsent_size == 0;
    wire::DataChunk header;
    header.unordered = message->unordered;
    header.beginning = beginning;
    header.ending = ending;
    header.immediate =
        ending && (message->sack_immediately || state_ == AssocState::kShutdownPending);
    header.tsn = outstanding_.next_tsn();
    header.stream = message->stream;
    header.ssn = message->ssn;
    header.ppid = message->ppid;
    uint8_t* const at = wire::write_data_header(packet.writer, header, size);
    outstanding_.add(ctx.chunks, {.message = message,
                                  .tsn = header.tsn,
                                  .size = static_cast<uint16_t>(size),
                                  .packet = packet.path.ip_size(packet.writer.size()),
                                  .piece = message->unsent.piece,
                                  .offset = message->unsent.offset,
                                  .path = packet.path.index,
                                  .beginning = beginning,
                                  .ending = ending,
                                  .sent_at = now});
    message->unsent.read(at, size);
    ++message->chunks_outstanding;
    added = true;
    ctx.counters.add(message->unordered ? Counter::k_out_unorder_chunks
                                        : Counter::k_out_order_chunks);
    if (beginning && !ending) ctx.counters.add(Counter::k_frag_usr_msgs);
    if (peer_rwnd_ < size) {
      peer_rwnd_ = 0;
      probing_window_ = true;
      packet.path.probe_answered = false;
      probe_due_ = false;
      if (probes_ < kMostProbesCounted) ++probes_;
      ctx.counters.add(Counter::k_zero_window_probes);
      break;
    }
    peer_rwnd_ -= size;
    if (profile_.one_data_per_packet) break;
  }
  if (added) {
    start_t3(now, packet.path, false);
    packet.path.last_sent_at = now;
    packet.has_data = true;
    if (burst_left_ > 0) --burst_left_;
  }
}

// How much of the message goes into this packet; 0: none of it, it waits for the next packet.
uint32_t Association::next_fragment_size(const TxMessage& message,
                                         const wire::PacketWriter& writer) const {
  const size_t left = writer.remaining();
  if (left <= wire::kDataHeaderSize) return 0;
  const uint32_t room = static_cast<uint32_t>(left - wire::kDataHeaderSize);
  // A packet with less room than the path has must still make progress.
  const uint32_t limit = writer.empty() ? std::min(paths_.fragment_limit(), room) : paths_.fragment_limit();
  if (message.unsent_size <= limit) return message.unsent_size <= room ? message.unsent_size : 0;
  const uint32_t share = std::min(room & ~3u, limit & ~3u);
  return share >= limit / kSmallestUsefulShare ? share : 0;
}

// Rules A and B of section 6.1. A window that is closed, or too small for the chunk, lets one
// through now and then when nothing is in flight. The chunk is never cut to fit it: crumbs would
// be all that the peer gets (SWS).
bool Association::window_allows(TimePoint now, const Path& path, uint32_t size) {
  if (outstanding_.flight(path.index) >= path.congestion.cwnd()) return false;
  if (outstanding_.span() >= kMaxSendWindow) return false;
  if (peer_rwnd_ >= size) {
    probe_at_ = TimePoint::never();
    probe_due_ = false;
    probes_ = 0;
    return true;
  }
  if (outstanding_.flight() > 0) return false;
  if (!probe_due_ && probe_at_.is_never()) plan_probe(now, path);
  return probe_due_;
}

// The first an RTO after the window was found closed, the others at twice the interval each.
void Association::plan_probe(TimePoint now, const Path& path) {
  const Duration interval = path.rto.value() * (int64_t{1} << probes_);
  probe_at_ = now + std::min(interval, profile_.rto_max);
}

void Association::start_t3(TimePoint now, Path& path, bool restart) {
  if (path.t3.is_never()) {
    path.probe_answered = false;
  } else if (!restart) {
    return;
  }
  path.t3 = now + path.rto.value();
}

bool Association::finish_packet(wire::PacketWriter& writer, Path& path, PacketOut& out) {
  out.length = static_cast<uint16_t>(writer.finish(!out.checksum_by_port).size());
  out.source = path.local;
  out.destination = path.remote;
  out.dscp = profile_.dscp;
  out.fragment_size = 0;
  ++totals_.packets_sent;
  ++path.packets_sent;
  return true;
}

}  // namespace trunkline
