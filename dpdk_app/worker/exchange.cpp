// SPDX-License-Identifier: BSD-3-Clause
// A worker's dealings with the others: packets go to who owns their association, frames to who has
// a queue for them, news of neighbours to all. Nothing here waits: what does not fit is dropped and
// counted.
//
// A packet's CRC32c is computed once, where it ends up. Checking it first would pull the payload
// into the cache of a worker that has no other use for it. Steering by bytes that nobody has
// checked is harmless: it changes nothing, and what a damaged header costs is a hand-over or two,
// as does a packet that a stranger made with a right checksum.
#include <rte_prefetch.h>

#include "net/bytes.h"
#include "worker/neighbour_news.h"
#include "worker/worker.h"

namespace trunkline::worker {
namespace {

// INIT: the first chunk's type is 1, and the tag is zero (RFC 9260 section 8.5.1).
bool is_init(std::span<const uint8_t> bytes) {
  return bytes.size() > 12 && bytes[12] == 1 && net::load_be32(&bytes[4]) == 0;
}

}  // namespace

// Before the clock is read: what lies there now was put there earlier than "now", so that times of
// events and captures agree with the order of causes.
void Worker::look_at_hand_overs() {
  for (uint16_t from = 0; from < config_.count; ++from) {
    handed_in_[from] = hand_overs_.ring(from, config_.index).look();
  }
}

// Only what was there when the turn began, so that two workers cannot keep each other from their
// ports for ever.
size_t Worker::receive_hand_overs() {
  size_t total = 0;
  for (uint16_t from = 0; from < config_.count; ++from) {
    HandOvers::Ring& ring = hand_overs_.ring(from, config_.index);
    for (size_t i = 0; i < handed_in_[from]; ++i) {
      const HandOver message = ring.take();
      if (message.mbuf != nullptr) rte_prefetch0(rte_pktmbuf_mtod(message.mbuf, const void*));
      if (from != config_.index && message.kind == HandOverKind::kPacket) {
        counters_.add(WorkerCounter::k_handed_over_in);
      }
      receive_hand_over(message);
    }
    total += handed_in_[from];
    handed_in_[from] = 0;
  }
  give_to_shard();
  return total;
}

void Worker::receive_hand_over(const HandOver& message) {
  PacketIn packet;
  packet.source = message.source;
  packet.destination = message.destination;
  packet.checksum = message.checksum;
  packet.hand_overs = message.hand_overs;
  packet.looped = message.looped;
  if (message.mbuf != nullptr) {
    packet.bytes = {rte_pktmbuf_mtod_offset(message.mbuf, const uint8_t*, message.offset),
                    message.length};
  }
  switch (message.kind) {
    case HandOverKind::kPacket:
      return steer(packet, message.mbuf, Arrival::kHandedOver, nullptr);
    case HandOverKind::kIcmp:
      hear_icmp({message.icmp, packet, message.mtu});
      return rte_pktmbuf_free(message.mbuf);
    case HandOverKind::kNeighbour: {
      PortQueue& queue = *ports_[message.port];
      const auto mac = message.has_mac ? std::optional(message.mac) : std::nullopt;
      const auto learnt =
          queue.neighbours().learn(now_, message.source, mac, message.news, actions_);
      apply(queue, actions_);
      return pass_news_on(config_.index, config_.count, message, learnt,
                          [this](uint16_t to, const HandOver& news) { tell(to, news); });
    }
    case HandOverKind::kFrame:
      return ports_[message.port]->send(message.mbuf);
  }
}

void Worker::steer(const PacketIn& packet, rte_mbuf* mbuf, Arrival arrival,
                   const PortQueue* queue) {
  uint16_t to = shard_.steer(packet);
  if (to == config_.index && arrival != Arrival::kHandedOver) {
    // Whoever gets the packet now steers it as if it had come in there: no hand-over is counted.
    if (config_.misdirect) {
      to = static_cast<uint16_t>((config_.index + 1) % config_.count);
      counters_.add(WorkerCounter::k_misdirected);
      return hand_over_packet(to, packet, mbuf);
    }
    if (queue != nullptr && queue->share().queues() < config_.count && is_init(packet.bytes)) {
      to = spread(packet);
      if (to != config_.index) {
        counters_.add(WorkerCounter::k_spread_inits);
        return hand_over_packet(to, packet, mbuf);
      }
    }
  }
  // What was looped goes through a ring also when it stays here: never inline.
  if (to != config_.index || arrival == Arrival::kLooped) {
    PacketIn counted = packet;
    if (to != config_.index) ++counted.hand_overs;
    return hand_over_packet(to, counted, mbuf);
  }
  in_[in_count_] = packet;
  held_[in_count_] = mbuf;
  if (++in_count_ == kBurst) give_to_shard();
}

// Whoever answers an INIT of a stranger owns the association. Where a port has fewer queues than
// there are workers, those without one would never own any.
uint16_t Worker::spread(const PacketIn& packet) const {
  uint32_t hash = 2166136261u;
  const auto mix = [&](uint8_t byte) { hash = (hash ^ byte) * 16777619u; };
  for (const uint8_t byte : packet.source.bytes()) mix(byte);
  mix(packet.bytes[0]);
  mix(packet.bytes[1]);
  hash ^= hash >> 15;
  return static_cast<uint16_t>(hash % config_.count);
}

HandOver Worker::about(HandOverKind kind, const PacketIn& packet, rte_mbuf* mbuf) {
  HandOver message;
  message.kind = kind;
  message.hand_overs = packet.hand_overs;
  message.checksum = packet.checksum;
  message.looped = packet.looped;
  message.offset = static_cast<uint16_t>(packet.bytes.data() - rte_pktmbuf_mtod(mbuf, uint8_t*));
  message.length = static_cast<uint16_t>(packet.bytes.size());
  message.mbuf = mbuf;
  message.source = packet.source;
  message.destination = packet.destination;
  return message;
}

void Worker::hand_over_packet(uint16_t to, const PacketIn& packet, rte_mbuf* mbuf) {
  const HandOver message = about(HandOverKind::kPacket, packet, mbuf);
  if (hand_over(to, message, WorkerCounter::k_drop_hand_over_full) && to != config_.index) {
    counters_.add(WorkerCounter::k_handed_over_out);
  }
}

bool Worker::hand_over(uint16_t to, const HandOver& message, WorkerCounter full) {
  if (hand_overs_.ring(config_.index, to).put(message)) return true;
  counters_.add(full);
  if (message.mbuf != nullptr) rte_pktmbuf_free(message.mbuf);
  return false;
}

void Worker::tell_lessons(const PortQueue& queue, const net::NeighbourActions& actions) {
  for (const net::NeighbourActions::Lesson& lesson : actions.lessons) {
    tell_news(config_.index, config_.count, queue.port().index(), lesson,
              [this](uint16_t to, const HandOver& news) { tell(to, news); });
  }
}

void Worker::tell(uint16_t to, const HandOver& news) {
  if (hand_over(to, news, WorkerCounter::k_drop_news_hand_over_full)) {
    counters_.add(WorkerCounter::k_news_handed_over);
  }
}

void Worker::publish_hand_overs() {
  for (uint16_t to = 0; to < config_.count; ++to) {
    if (!hand_overs_.ring(config_.index, to).publish() || to == config_.index) continue;
    if (hand_overs_.bell(to).ring()) counters_.add(WorkerCounter::k_bells_rung);
  }
}

}  // namespace trunkline::worker
