// SPDX-License-Identifier: BSD-3-Clause
// The way in: from a burst of a port to events of the shard and completions of the bridge.
#include <rte_prefetch.h>

#include "net/bytes.h"
#include "net/input.h"
#include "worker/worker.h"

namespace trunkline::worker {
namespace {

capture::FrameFacts facts_of(uint16_t port, const net::Frame& frame,
                             std::span<const uint8_t> bytes) {
  capture::FrameFacts facts;
  facts.port = port;
  if (frame.kind == net::FrameKind::kSctp && frame.payload_length >= 4) {
    facts.sctp = true;
    facts.peer = frame.source;
    facts.peer_port = net::load_be16(&bytes[frame.payload_offset]);
    facts.local_port = net::load_be16(&bytes[frame.payload_offset + 2u]);
  }
  return facts;
}

port::ChecksumVerdict verdict_of(const rte_mbuf* mbuf) {
  const uint64_t flags = mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  if (flags == RTE_MBUF_F_RX_L4_CKSUM_GOOD) return port::ChecksumVerdict::kGood;
  if (flags == RTE_MBUF_F_RX_L4_CKSUM_BAD) return port::ChecksumVerdict::kBad;
  return port::ChecksumVerdict::kNone;
}

}  // namespace

size_t Worker::receive_port(PortQueue& port) {
  if (!port.polling()) return 0;
  size_t total = 0;
  const QueueShare& share = port.share();
  for (uint16_t queue = share.first(); queue < share.queues();
       queue = static_cast<uint16_t>(queue + share.step())) {
    total += receive_burst(port, queue);
  }
  return total;
}

size_t Worker::receive_burst(PortQueue& port, uint16_t queue) {
  std::array<rte_mbuf*, kBurst> mbufs;
  guard_.enter();
  const uint16_t count = port.receive(queue, mbufs.data());
  guard_.leave();
  if (count == 0) return 0;
  PacketIn packet;
  for (uint16_t i = 0; i < count; ++i) {
    if (take_frame(port, mbufs[i], packet)) steer(packet, mbufs[i], Arrival::kFromPort, &port);
  }
  give_to_shard();
  return count;
}

bool Worker::take_frame(PortQueue& queue, rte_mbuf*& mbuf, PacketIn& packet) {
  if (mbuf->nb_segs > 1 && rte_pktmbuf_linearize(mbuf) != 0) {
    drop_frame(queue, mbuf, net::NetCounter::k_drop_segmented);
    return false;
  }
  const port::Offloads& offloads = queue.port().offloads();
  const std::span<const uint8_t> bytes(rte_pktmbuf_mtod(mbuf, const uint8_t*),
                                       rte_pktmbuf_data_len(mbuf));
  const bool ip_good =
      offloads.rx_ipv4_checksum &&
      (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  const net::LocalPort& local = routes_.port(queue.port().index());
  const net::Frame frame = net::parse_frame(bytes, local.vlan, ip_good);
  std::optional<net::NetCounter> drop;
  if (frame.kind == net::FrameKind::kDropped) {
    drop = frame.drop;
  } else {
    drop = net::judge_addresses(frame, local, routes_);
  }
  if (!taps_.empty()) [[unlikely]] {
    tap_frame(queue.port().index(), capture::Direction::kIn, mbuf,
              facts_of(queue.port().index(), frame, bytes),
              drop ? static_cast<uint32_t>(*drop) + 1 : 0);
  }
  if (drop) {
    net_counters_.add(*drop);
    rte_pktmbuf_free(mbuf);
    return false;
  }
  if (frame.kind == net::FrameKind::kFragment) return take_fragment(frame, mbuf, packet);
  if (frame.kind != net::FrameKind::kSctp) {
    respond(queue, frame, mbuf);
    return false;
  }
  packet.source = frame.source;
  packet.destination = frame.destination;
  packet.bytes = bytes.subspan(frame.payload_offset, frame.payload_length);
  packet.checksum = port::believe(verdict_of(mbuf), offloads);
  return true;
}

bool Worker::take_fragment(const net::Frame& frame, rte_mbuf*& mbuf, PacketIn& packet) {
  const uint8_t* const bytes = rte_pktmbuf_mtod(mbuf, const uint8_t*);
  const auto whole =
      reassembler_.add(now_, frame, {bytes + frame.payload_offset, frame.payload_length});
  rte_pktmbuf_free(mbuf);
  if (!whole) return false;
  mbuf = rte_pktmbuf_alloc(joined_pool_);
  if (mbuf == nullptr) {
    net_counters_.add(net::NetCounter::k_drop_no_buffer);
    return false;
  }
  char* const at = rte_pktmbuf_append(mbuf, static_cast<uint16_t>(whole->size()));
  std::copy(whole->begin(), whole->end(), reinterpret_cast<uint8_t*>(at));
  packet.source = frame.source;
  packet.destination = frame.destination;
  packet.bytes = {reinterpret_cast<const uint8_t*>(at), whole->size()};
  packet.checksum = ChecksumState::kUnchecked;
  return true;
}

void Worker::respond(PortQueue& queue, const net::Frame& frame, rte_mbuf* mbuf) {
  const std::span<uint8_t> buffer(rte_pktmbuf_mtod(mbuf, uint8_t*),
                                  rte_pktmbuf_data_len(mbuf) + rte_pktmbuf_tailroom(mbuf));
  if (const auto error = net::Responder::told_error(frame, buffer)) return tell_icmp(*error, mbuf);
  const size_t reply =
      queue.responder().handle(now_, frame, buffer, rte_pktmbuf_data_len(mbuf), actions_);
  apply(queue, actions_);
  if (reply == 0) {
    rte_pktmbuf_free(mbuf);
    return;
  }
  mbuf->data_len = static_cast<uint16_t>(reply);
  mbuf->pkt_len = static_cast<uint32_t>(reply);
  mbuf->ol_flags = 0;
  send_frame(queue, mbuf);
}

// The association that the message is about may be another worker's.
void Worker::tell_icmp(const net::IcmpError& error, rte_mbuf* mbuf) {
  const uint16_t owner = shard_.steer_quoted(error.sent);
  if (owner == config_.index) {
    hear_icmp(error);
    return rte_pktmbuf_free(mbuf);
  }
  HandOver message = about(HandOverKind::kIcmp, error.sent, mbuf);
  message.icmp = error.kind;
  message.mtu = error.mtu;
  if (hand_over(owner, message, WorkerCounter::k_drop_icmp_hand_over_full)) {
    counters_.add(WorkerCounter::k_icmp_handed_over);
  }
}

void Worker::hear_icmp(const net::IcmpError& error) {
  if (error.kind == net::IcmpErrorKind::kTooBig) {
    shard_.packet_too_big(now_, error.sent, error.mtu);
  } else {
    shard_.protocol_unreachable(now_, error.sent);
  }
  deliver_events();
}

void Worker::drop_frame(PortQueue& queue, rte_mbuf* mbuf, net::NetCounter why) {
  net_counters_.add(why);
  if (!taps_.empty()) {
    capture::FrameFacts facts;
    facts.port = queue.port().index();
    tap_frame(facts.port, capture::Direction::kIn, mbuf, facts, static_cast<uint32_t>(why) + 1);
  }
  rte_pktmbuf_free(mbuf);
}

void Worker::give_to_shard() {
  if (in_count_ == 0) return;
  net_counters_.add(net::NetCounter::k_in_sctp, in_count_);
  shard_.receive(now_, {in_.data(), in_count_});
  deliver_events();
  rte_pktmbuf_free_bulk(held_.data(), in_count_);
  in_count_ = 0;
}

void Worker::deliver_events() {
  while (Event* event = shard_.next_event()) bridge_.deliver(now_, *event);
}

}  // namespace trunkline::worker
