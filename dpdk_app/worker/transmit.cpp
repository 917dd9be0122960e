// SPDX-License-Identifier: BSD-3-Clause
// The way out: from the shard's packets to frames in a port's queue, and the small frames that the
// network layer sends for itself.
#include "net/bytes.h"
#include "worker/worker.h"

namespace trunkline::worker {
namespace {
// Bounds one turn of the loop, so that a busy sender still receives.
constexpr unsigned kMostBursts = 8;

// So much waits for the other side that the stack should not be asked for more.
bool is_crowded(HandOvers::Ring& ring) {
  return ring.waiting() >= ring.size() / 2;
}

void write_header(uint8_t* at, const net::HeaderTemplate& header, const PacketOut& packet,
                  const net::FragmentField* fragment) {
  if (fragment == nullptr) return header.write(at, packet.length, packet.dscp);
  header.write_fragment(at, packet.length, packet.dscp, *fragment);
}
}  // namespace

size_t Worker::transmit() {
  for (const auto& queue : ports_) {
    const QueueShare& share = queue->share();
    const bool congested = share.has_queue()
                               ? queue->congested()
                               : is_crowded(hand_overs_.ring(config_.index, share.sender()));
    if (congested) {
      queue->counters().add(port::PortCounter::k_tx_stalls);
      return 0;
    }
  }
  if (is_crowded(hand_overs_.ring(config_.index, config_.index))) return 0;
  size_t total = 0;
  for (unsigned burst = 0; burst < kMostBursts && shard_.has_output(); ++burst) {
    if (!refill_spares()) {
      net_counters_.add(net::NetCounter::k_drop_no_buffer);
      break;
    }
    const size_t count = shard_.transmit(now_, {rooms_.data(), spare_count_});
    for (size_t i = 0; i < count; ++i) dispatch(rooms_[i], spares_[i]);
    total += count;
    const bool all = count == spare_count_;
    spare_count_ -= count;
    std::copy(spares_.begin() + static_cast<ptrdiff_t>(count),
              spares_.begin() + static_cast<ptrdiff_t>(count + spare_count_), spares_.begin());
    if (!all) break;
  }
  return total;
}

bool Worker::refill_spares() {
  const auto missing = static_cast<unsigned>(kBurst - spare_count_);
  if (missing > 0 && rte_pktmbuf_alloc_bulk(tx_pool_, &spares_[spare_count_], missing) == 0) {
    spare_count_ = kBurst;
  }
  for (size_t i = 0; i < spare_count_; ++i) {
    rooms_[i].room = {rte_pktmbuf_mtod(spares_[i], uint8_t*), rte_pktmbuf_tailroom(spares_[i])};
    rooms_[i].checksum_by_port = checksum_by_port_;
    rooms_[i].length = 0;
  }
  return spare_count_ > 0;
}

void Worker::dispatch(const PacketOut& packet, rte_mbuf* mbuf) {
  mbuf->data_len = packet.length;
  mbuf->pkt_len = packet.length;
  if (packet.fragment_size != 0 && !routes_.is_local(packet.destination)) [[unlikely]] {
    const net::FragmentPlan plan(packet.length, packet.fragment_size, packet.destination.is_ipv6());
    if (plan.count() != 1) return dispatch_fragments(packet, mbuf, plan);
  }
  dispatch_piece(packet, mbuf, nullptr);
}

void Worker::dispatch_fragments(const PacketOut& packet, rte_mbuf* mbuf,
                                const net::FragmentPlan& plan) {
  if (plan.count() == 0) return drop_packet(mbuf, net::NetCounter::k_drop_too_long);
  const uint32_t id = random_.u32();
  for (size_t i = 0; i < plan.count(); ++i) {
    rte_mbuf* const piece = rte_pktmbuf_alloc(tx_pool_);
    if (piece == nullptr) {
      net_counters_.add(net::NetCounter::k_drop_no_buffer);
      break;
    }
    PacketOut part = packet;
    part.length = static_cast<uint16_t>(plan.length(i));
    const uint8_t* const from = rte_pktmbuf_mtod_offset(mbuf, const uint8_t*, plan.offset(i));
    std::copy_n(from, part.length,
                reinterpret_cast<uint8_t*>(rte_pktmbuf_append(piece, part.length)));
    const net::FragmentField field = plan.field(i, id);
    net_counters_.add(net::NetCounter::k_out_fragments);
    dispatch_piece(part, piece, &field);
  }
  rte_pktmbuf_free(mbuf);
}

void Worker::dispatch_piece(const PacketOut& packet, rte_mbuf* mbuf,
                            const net::FragmentField* fragment) {
  const bool counts = fragment == nullptr || fragment->offset == 0;  // one of each packet
  if (const net::Output::Flow* flow = output_.cached(now_, packet.source, packet.destination)) {
    if (flow->loop) return loop_back(packet, mbuf);
    const size_t ip_length = packet.length + flow->header.size() - flow->header.l2_size();
    if (ip_length > routes_.port(flow->port).mtu) [[unlikely]] {
      return drop_packet(mbuf, net::NetCounter::k_drop_too_long);
    }
    put_header(mbuf, flow->header, packet, fragment);
    net_counters_.add(net::NetCounter::k_out_sctp, counts ? 1 : 0);
    return send_frame(*ports_[flow->port], mbuf);
  }
  const net::OutputVerdict verdict =
      output_.resolve(now_, packet.source, packet.destination, actions_,
                      [&](uint16_t, const net::HeaderTemplate& header) -> net::PacketHandle {
                        put_header(mbuf, header, packet, fragment);
                        return mbuf;
                      });
  switch (verdict.kind) {
    case net::OutputKind::kLoop:
      return loop_back(packet, mbuf);
    case net::OutputKind::kDropped:
      drop_packet(mbuf, verdict.drop);
      break;
    case net::OutputKind::kQueued:
      break;  // the neighbour table has it
    case net::OutputKind::kSend:
      // The header was written before the neighbour's address was known: write it again.
      write_header(rte_pktmbuf_mtod(mbuf, uint8_t*), *verdict.header, packet, fragment);
      net_counters_.add(net::NetCounter::k_out_sctp, counts ? 1 : 0);
      send_frame(*ports_[verdict.port], mbuf);
      break;
  }
  apply(*ports_[verdict.port], actions_);
}

void Worker::put_header(rte_mbuf* mbuf, const net::HeaderTemplate& header, const PacketOut& packet,
                        const net::FragmentField* fragment) {
  const size_t size = fragment == nullptr ? header.size() : header.fragment_size();
  char* const at = rte_pktmbuf_prepend(mbuf, static_cast<uint16_t>(size));
  write_header(reinterpret_cast<uint8_t*>(at), header, packet, fragment);
  // Of a packet in fragments no port can take the checksum: the stack has written it.
  if (!checksum_by_port_ || packet.fragment_size != 0) return;
  mbuf->l2_len = header.l2_size() & 0x7f;
  mbuf->l3_len = (header.size() - header.l2_size()) & 0x1ff;
  mbuf->ol_flags |= RTE_MBUF_F_TX_SCTP_CKSUM |
                    (packet.destination.is_ipv4() ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
}

void Worker::loop_back(const PacketOut& packet, rte_mbuf* mbuf) {
  net_counters_.add(net::NetCounter::k_out_sctp);
  net_counters_.add(net::NetCounter::k_out_looped);
  PacketIn in;
  in.source = packet.source;
  in.destination = packet.destination;
  in.bytes = {rte_pktmbuf_mtod(mbuf, const uint8_t*), rte_pktmbuf_data_len(mbuf)};
  in.checksum = ChecksumState::kGood;  // it never leaves this memory
  in.looped = true;
  steer(in, mbuf, Arrival::kLooped, nullptr);
}

void Worker::drop_packet(rte_mbuf* mbuf, net::NetCounter why) {
  net_counters_.add(why);
  rte_pktmbuf_free(mbuf);
}

void Worker::send_frame(PortQueue& queue, rte_mbuf* mbuf) {
  const uint16_t index = queue.port().index();
  if (!taps_.empty()) [[unlikely]] {
    capture::FrameFacts facts;
    facts.port = index;
    const std::span<const uint8_t> bytes(rte_pktmbuf_mtod(mbuf, const uint8_t*),
                                         rte_pktmbuf_data_len(mbuf));
    const net::Frame frame = net::parse_frame(bytes, routes_.port(index).vlan, true);
    if (frame.kind == net::FrameKind::kSctp && frame.payload_length >= 4) {
      facts.sctp = true;
      facts.peer = frame.destination;
      facts.local_port = net::load_be16(&bytes[frame.payload_offset]);
      facts.peer_port = net::load_be16(&bytes[frame.payload_offset + 2u]);
    }
    tap_frame(index, capture::Direction::kOut, mbuf, facts, 0);
  }
  if (queue.share().has_queue()) return queue.send(mbuf);
  HandOver message;
  message.kind = HandOverKind::kFrame;
  message.port = index;
  message.mbuf = mbuf;
  if (hand_over(queue.share().sender(), message, WorkerCounter::k_drop_frame_hand_over_full)) {
    counters_.add(WorkerCounter::k_frames_handed_over);
  }
}

void Worker::apply(PortQueue& queue, net::NeighbourActions& actions) {
  if (actions.empty()) return;
  tell_lessons(queue, actions);
  for (const net::NeighbourActions::Solicit& solicit : actions.solicit) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(tx_pool_);
    if (mbuf == nullptr) {
      net_counters_.add(net::NetCounter::k_drop_no_buffer);
      continue;
    }
    const size_t length = queue.responder().build_question(
        solicit, {rte_pktmbuf_mtod(mbuf, uint8_t*), rte_pktmbuf_tailroom(mbuf)});
    if (length == 0) {
      drop_packet(mbuf, net::NetCounter::k_drop_no_route);
      continue;
    }
    rte_pktmbuf_append(mbuf, static_cast<uint16_t>(length));
    send_frame(queue, mbuf);
  }
  for (const net::NeighbourActions::Ready& ready : actions.ready) {
    auto* mbuf = static_cast<rte_mbuf*>(ready.packet);
    std::copy(ready.mac.bytes.begin(), ready.mac.bytes.end(), rte_pktmbuf_mtod(mbuf, uint8_t*));
    net_counters_.add(net::NetCounter::k_out_sctp);
    send_frame(queue, mbuf);
  }
  for (net::PacketHandle packet : actions.dropped) {
    drop_packet(static_cast<rte_mbuf*>(packet), net::NetCounter::k_drop_neighbour_unreachable);
  }
  net_counters_.add(net::NetCounter::k_neighbours_failed, actions.failed);
  net_counters_.add(net::NetCounter::k_neighbours_evicted, actions.evicted);
  net_counters_.add(net::NetCounter::k_neighbour_claims, actions.claims);
  net_counters_.add(net::NetCounter::k_neighbour_claims_refuted, actions.refuted);
  net_counters_.add(net::NetCounter::k_neighbours_replaced, actions.replaced);
  actions.clear();
}

void Worker::announce(PortQueue& queue) {
  for (const net::LocalPrefix& prefix : routes_.port(queue.port().index()).prefixes) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(tx_pool_);
    if (mbuf == nullptr) return;
    const size_t length = queue.responder().build_announcement(
        prefix.address, {rte_pktmbuf_mtod(mbuf, uint8_t*), rte_pktmbuf_tailroom(mbuf)});
    rte_pktmbuf_append(mbuf, static_cast<uint16_t>(length));
    send_frame(queue, mbuf);
  }
}

}  // namespace trunkline::worker
