// SPDX-License-Identifier: BSD-3-Clause
// Packets out (RFC 9260 sections 6.1, 6.4, 6.9, 6.10), one at a time: where each goes, and what it
// carries: control chunks, SACK, and the DATA that the sending half puts in.
#include <algorithm>

#include "assoc/context.h"
#include "assoc/setup_parameters.h"
#include "wire/cause.h"
#include "wire/cookie_chunk.h"
#include "wire/data_chunk.h"
#include "wire/error_chunk.h"
#include "wire/valueless_chunks.h"

namespace trunkline {

struct Association::Composition {
  PacketFrame frame;
  Path& path;
  DataSent data{};
  uint16_t fragment_size = 0;  // the packet is larger than the path MTU, and IP may fragment it
};

bool Association::fill_packet(ShardContext& ctx, TimePoint now, PacketOut& out) {
  if (dead_) return false;
  if (is_straight()) return fill_straight(ctx, now, out);
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
    Composition packet{{out.room, path.packet_size(), head()}, path};
    wire::PacketWriter& writer = packet.frame.writer();
    // A COOKIE ACK may go to an address that is not confirmed; DATA may not (5.4).
    const bool may_carry_data = path.usable() || (pending_ & kPendingCookieAck) == 0;
    if (add_cookie_ack(ctx, now, writer, path)) add_control(ctx, now, writer, path);
    if (may_carry_data && &path == path_for_data()) add_data(ctx, now, packet, out.room);
    filled = !packet.frame.empty() && finish_packet(ctx, packet.frame, path, out);
    out.fragment_size = packet.fragment_size;
    if (packet.fragment_size != 0) ctx.counters.add(Counter::k_fragmentable_packets);
  }
  return filled;
}

// Nothing is due but a SACK and new DATA, and there is only one way for both.
bool Association::is_straight() const {
  if (pending_ != 0 || paths_.size() != 1 || is_opening() || sender_.has_again()) return false;
  const Path& path = paths_.at(0);
  return path.usable() && !path.send_heartbeat && !path.one_packet && path.mtu.wanted(true) == 0;
}

// What mostly goes. Step by step it does what fill_packet() does, without asking what
// is_straight() has answered.
bool Association::fill_straight(ShardContext& ctx, TimePoint now, PacketOut& out) {
  if (!may_have_chunks()) return false;
  Path& path = paths_.at(0);
  const size_t size = path.packet_size();
  PacketFrame frame(out.room, size, head());
  const bool due = receiver_.sack_due();
  const uint32_t window = due || receiver_.sack_may_ride() ? advertised(ctx) : 0;
  bool sack = (due || receiver_.sack_may_ride()) && receiver_.write_sack(frame.writer(), window);
  DataSent sent;
  uint64_t idle_rtos = 0;
  if (sends_data() && sender_.has_new()) {
    const DataLane lane = lane_of(now, path);
    idle_rtos = lane.idle_rtos;
    sender_.fill(sender_context(ctx), now, frame.writer(), lane, sent);
    if (sack && !due && !sent.any) {  // perhaps there is more room without it
      sack = false;
      frame = PacketFrame(out.room, size, head());
      sender_.fill(sender_context(ctx), now, frame.writer(), lane, sent);
    }
  }
  if (sack && (due || sent.any)) receiver_.on_sack_sent(receiver_context(ctx), window);
  if (!sent.any && (!sack || !due)) return false;
  if (sent.any) on_data_sent(now, path, sent, idle_rtos);
  return finish_packet(ctx, frame, path, out);
}

bool Association::fill_init(ShardContext& ctx, TimePoint now, PacketOut& out) {
  Path& path = paths_.at(setup_path_);
  pending_ &= static_cast<uint8_t>(~kPendingInit);
  PacketFrame frame(out.room, path.packet_size(), head(VerificationTag(0)));
  const SetupSide side{.local = local_,
                       .profile = *profile_,
                       .tag = local_tag_,
                       .initial_tsn = sender_.next_tsn(),
                       .outbound_streams = sender_.streams(),
                       .offers = offered(*profile_)};
  passage_->t1 = now + path.rto.value();  // even if it does not fit: the attempt must end some day
  if (!write_our_init(frame.writer(), side, path.local, path.remote,
                      passage_->cookie_extension_ms)) {
    return false;
  }
  if (passage_->retries == 0) passage_->sent_at = now;
  ctx.counters.add(Counter::k_out_ctrl_chunks);
  return finish_packet(ctx, frame, path, out);
}

bool Association::fill_cookie_echo(ShardContext& ctx, TimePoint now, PacketOut& out) {
  Path& path = paths_.at(setup_path_);
  pending_ &= static_cast<uint8_t>(~kPendingCookieEcho);
  const std::span<const uint8_t> echoed(passage_->echoed);
  // A cookie can't be cut: where it is larger than the path MTU, IP fragments it.
  const size_t alone = cookie_echo_size();
  const bool oversize = alone > path.packet_size();
  const size_t size = std::max(path.packet_size(), alone);
  PacketFrame frame(out.room, size, head());
  wire::PacketWriter& writer = frame.writer();
  passage_->t1 = now + path.rto.value();  // even if it does not fit: the attempt must end some day
  if (!wire::write_cookie_echo(writer, echoed.first(passage_->cookie_size))) return false;
  ++passage_->echoes;
  // The report is no reason to hold the association up: without room for it, there is none.
  if (echoed.size() > passage_->cookie_size && wire::begin_error(writer)) {
    const std::span<const uint8_t> parameters = echoed.subspan(passage_->cookie_size);
    if (!wire::append_unrecognized_parameters(writer, {&parameters, 1}) || !writer.end_chunk()) {
      writer.cancel_chunk();
    }
  }
  if (passage_->retries == 0) passage_->sent_at = now;
  static_cast<void>(finish_packet(ctx, frame, path, out));
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
  if (const TxChunk* chunk = sender_.next_again()) return &path_again(*chunk);
  return sender_.has_new() ? &paths_.data_path() : nullptr;
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
  if ((pending_ & kPendingForwardTsn) != 0) write_forward_tsn_chunk(ctx, now, writer);
  if ((pending_ & kPendingShutdown) != 0) write_shutdown_chunk(ctx, now, writer, path);
  if ((pending_ & kPendingShutdownAck) != 0 && wire::write_shutdown_ack(writer)) {
    pending_ &= static_cast<uint8_t>(~kPendingShutdownAck);
    // A peer that asks again is answered, and does not put the end off.
    if (passage_->t2.is_never()) passage_->t2 = now + path.rto.value();
    setup_path_ = path.index;
    ctx.counters.add(Counter::k_out_ctrl_chunks);
  }
}

// How the sending half sees the path.
inline DataLane Association::lane_of(TimePoint now, const Path& path) const {
  DataLane lane;
  lane.path = path.index;
  lane.takes_new = &path == &paths_.data_path();
  lane.last_words = state_ == AssocState::kShutdownPending;
  lane.hastens = profile_->loss_recovery != LossRecovery::kRfc9260;
  lane.ip_header = static_cast<uint16_t>(path.ip_header());
  lane.cwnd = lane.cwnd_when_used = path.congestion.cwnd();
  lane.packet = path.pmdcs();
  lane.fragment_limit = paths_.fragment_limit();
  lane.rto = path.rto.value();
  // A window that was not used says nothing about the network of today (7.2.1, last rule).
  if (sender_.flight(path.index) == 0 && path.last_sent_at.ns() != 0) {
    const Duration idle = now - path.last_sent_at;
    if (idle >= lane.rto) {
      lane.idle_rtos = static_cast<uint64_t>(idle.count() / lane.rto.count());
      Congestion used = path.congestion;
      used.on_idle(lane.idle_rtos);
      lane.cwnd_when_used = used.cwnd();
    }
  }
  if (path.loss_probe_new) lane.cwnd = UINT32_MAX;  // RFC 8985 section 7.3
  if (sender_.has_again()) [[unlikely]] {
    for (const Path* from : paths()) {
      const Path& other = paths_.alternate_to(*from);
      const auto bit = static_cast<uint8_t>(1u << from->index);
      if (&other == &path) lane.lost_from |= bit;
      if ((from->usable() ? from : &other) == &path) lane.missed_from |= bit;
    }
  }
  return lane;
}

// A SACK that is owed and not due yet rides with DATA, if there is room for both; it does not
// travel alone (6.1, 6.2).
void Association::add_data(ShardContext& ctx, TimePoint now, Composition& packet,
                           std::span<uint8_t> room) {
  Path& path = packet.path;
  // A small packet leaves room in cwnd: cwnd alone would let a second one out.
  if (path.one_packet && sender_.flight(path.index) > 0) return;
  const DataLane lane = lane_of(now, path);
  const SenderContext sending = sender_context(ctx);
  const TxChunk* const again = sender_.next_again();
  if (again != nullptr && wire::padded(wire::kDataHeaderSize + again->size) > lane.packet) {
    // It was cut for a larger path MTU: it travels alone, in a packet that IP may fragment (6.9,
    // 7.3). What is in the packet already goes first, without it.
    if (!packet.frame.empty()) return;
    const size_t size = wire::kCommonHeaderSize + wire::padded(wire::kDataHeaderSize + again->size);
    packet.frame = PacketFrame(room, size, head());
    sender_.send_again(sending, now, packet.frame.writer(), lane, packet.data);
    if (packet.data.any) packet.fragment_size = path.mtu.value();
  } else {
    wire::PacketWriter& writer = packet.frame.writer();
    const wire::PacketWriter before = writer;
    const bool rides =
        receiver_.sack_may_ride() && &path == &sack_path() && write_sack_chunk(ctx, writer);
    sender_.fill(sending, now, writer, lane, packet.data);
    if (rides && packet.data.any) note_sack_sent(ctx);
    if (rides && !packet.data.any) {
      writer = before;
      sender_.fill(sending, now, writer, lane, packet.data);
    }
  }
  if (packet.data.any) on_data_sent(now, path, packet.data, lane.idle_rtos);
}

// What DATA in a packet means for its path.
void Association::on_data_sent(TimePoint now, Path& path, const DataSent& sent,
                               uint64_t idle_rtos) {
  if (idle_rtos > 0) path.congestion.on_idle(idle_rtos);
  if (sent.window_probe) path.probe_answered = false;
  path.loss_probe_new = false;
  if (sent.loss_probe) {
    path.loss_probe_open = true;
    path.loss_probe = static_cast<uint16_t>(sent.loss_probe->value);
  }
  start_t3(now, path, sent.earliest_again, sent.hastened);
  path.last_sent_at = now;
  if (sent.again != 0) [[unlikely]]
    count_sent_again(path, sent.again);
}

// A window that was shut explains no silence about what was sent since.
// `hastened`: its SACK is asked for at once.
void Association::start_t3(TimePoint now, Path& path, bool restart, bool hastened) {
  if (path.t3.is_never() || (restart && !sender_.has_older_than(path.shut_before))) {
    path.probe_answered = false;
  } else if (!restart) {
    return;
  }
  path.t3 = now + path.rto.value();
  if (profile_->loss_recovery != LossRecovery::kRfc9260) hasten_t3(now, path, hastened);
}

bool Association::finish_packet(ShardContext& ctx, PacketFrame& frame, Path& path, PacketOut& out) {
  out.length = frame.finish(!out.checksum_by_port);
  out.source = path.local;
  out.destination = path.remote;
  out.dscp = profile_of(ctx, path).dscp;
  out.fragment_size = 0;
  ++path.packets_sent;
  return true;
}

}  // namespace trunkline
