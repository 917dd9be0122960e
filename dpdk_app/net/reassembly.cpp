// SPDX-License-Identifier: BSD-3-Clause
// Reassembly of IP fragments.
#include "net/reassembly.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace trunkline::net {
namespace {

constexpr size_t kSctpHeader = 12;
// A packet of either family can say no more.
constexpr size_t kMostBytes = 65535;

uint64_t load(std::span<const uint8_t> bytes) {
  uint64_t out = 0;
  for (const uint8_t byte : bytes) out = out << 8 | byte;
  return out;
}

}  // namespace

Reassembler::Reassembler(const ReassemblyLimits& limits, RandomSource& random,
                         NetCounters& counters)
    : limits_(limits),
      counters_(counters),
      slots_(limits.packets),
      buffers_(size_t{limits.packets} * limits.packet_size),
      buckets_(std::bit_ceil(size_t{limits.packets} * 2), kNone) {
  // A polynomial over the field of 2^61 - 1, evaluated at a secret point: nobody outside can make
  // packets meet in one bucket.
  for (uint64_t& word : key_) word = random.u64() >> 4 | 1;
}

uint64_t Reassembler::hash_of(const Frame& frame) const {
  constexpr uint64_t kPrime = (uint64_t{1} << 61) - 1;
  uint64_t hash = key_[1];
  const auto mix = [&](uint64_t word) {
    __extension__ using Wide = unsigned __int128;
    hash = static_cast<uint64_t>((Wide{hash} * key_[0] + word) % kPrime);
  };
  for (const IpAddress* address : {&frame.source, &frame.destination}) {
    const auto bytes = address->bytes();
    mix(bytes.size());
    for (size_t at = 0; at < bytes.size(); at += 4) mix(load(bytes.subspan(at, 4)));
  }
  mix(frame.fragment_id);
  return hash;
}

std::span<uint8_t> Reassembler::buffer_of(const Slot& slot) {
  const auto index = static_cast<size_t>(&slot - slots_.data());
  return std::span(buffers_).subspan(index * limits_.packet_size, limits_.packet_size);
}

Reassembler::Slot* Reassembler::find(uint64_t hash, const Frame& frame) {
  for (uint16_t at = buckets_[hash % buckets_.size()]; at != kNone; at = slots_[at].next) {
    Slot& slot = slots_[at];
    if (slot.id == frame.fragment_id && slot.source == frame.source &&
        slot.destination == frame.destination) {
      return &slot;
    }
  }
  return nullptr;
}

Reassembler::Slot* Reassembler::make(TimePoint now, uint64_t hash, const Frame& frame) {
  Slot* unused = nullptr;
  Slot* oldest = nullptr;
  Slot* oldest_here = nullptr;
  size_t here = 0;
  const auto older = [](const Slot* one, const Slot& other) {
    return one == nullptr || other.deadline < one->deadline;
  };
  for (Slot& slot : slots_) {
    if (!slot.used) {
      unused = &slot;
      continue;
    }
    if (older(oldest, slot)) oldest = &slot;
    if (!(slot.source == frame.source)) continue;
    ++here;
    if (older(oldest_here, slot)) oldest_here = &slot;
  }
  // The fragments of a packet come in a row: an old one is more likely a lost one.
  if (here >= limits_.packets_per_source) {
    give_up(*oldest_here, NetCounter::k_drop_fragment_full);
    unused = oldest_here;
  } else if (unused == nullptr) {
    give_up(*oldest, NetCounter::k_drop_fragment_full);
    unused = oldest;
  }
  Slot& slot = *unused;
  slot.source = frame.source;
  slot.destination = frame.destination;
  slot.id = frame.fragment_id;
  slot.hash = hash;
  slot.deadline = now + limits_.timeout;
  slot.used = true;
  uint16_t& bucket = buckets_[hash % buckets_.size()];
  slot.next = bucket;
  bucket = static_cast<uint16_t>(&slot - slots_.data());
  ++used_;
  return &slot;
}

void Reassembler::free(Slot& slot) {
  const auto index = static_cast<uint16_t>(&slot - slots_.data());
  uint16_t* at = &buckets_[slot.hash % buckets_.size()];
  while (*at != index) at = &slots_[*at].next;
  *at = slot.next;
  slot.used = false;
  slot.dead.reset();
  slot.next = kNone;
  slot.length = slot.received = 0;
  slot.count = 0;
  --used_;
}

void Reassembler::give_up(Slot& slot, NetCounter why) {
  counters_.add(why, slot.count);
  free(slot);
}

void Reassembler::expire(TimePoint now) {
  if (used_ == 0) return;
  for (Slot& slot : slots_) {
    if (slot.used && now >= slot.deadline) give_up(slot, NetCounter::k_drop_fragment_timeout);
  }
}

// What is wrong with the fragment, whatever came before.
std::optional<NetCounter> Reassembler::judge(const Frame& frame,
                                             std::span<const uint8_t> payload) const {
  if (payload.empty() || (frame.more_fragments && payload.size() % 8 != 0)) {
    return NetCounter::k_drop_fragment_malformed;
  }
  const size_t end = size_t{frame.fragment_offset} + payload.size();
  if (end + frame.header_length > kMostBytes || end > limits_.packet_size) {
    return NetCounter::k_drop_fragment_too_long;
  }
  // The first fragment holds all headers (RFC 7112; RFC 1858 for IPv4), and is never all there is.
  if (frame.fragment_offset == 0) {
    const auto sctp = find_sctp(frame.fragment_protocol, payload);
    if (!sctp || payload.size() - *sctp < kSctpHeader) return NetCounter::k_drop_fragment_tiny;
  }
  return std::nullopt;
}

// What is wrong with it beside those that came before: the whole packet is refused.
std::optional<NetCounter> Reassembler::judge_in(const Slot& slot, const Frame& frame,
                                                std::span<const uint8_t> payload) {
  const auto begin = frame.fragment_offset;
  const auto end = static_cast<uint16_t>(begin + payload.size());
  if (slot.length != 0 && (end > slot.length || (!frame.more_fragments && end != slot.length))) {
    return NetCounter::k_drop_fragment_overlap;
  }
  for (const Range& range : std::span(slot.ranges).first(slot.count)) {
    if (range.begin == begin && range.end == end) {
      const bool last = slot.length == end;
      const bool same = std::ranges::equal(payload, buffer_of(slot).subspan(begin, payload.size()));
      return same && last != frame.more_fragments ? NetCounter::k_drop_fragment_duplicate
                                                  : NetCounter::k_drop_fragment_overlap;
    }
    if (begin < range.end && range.begin < end) return NetCounter::k_drop_fragment_overlap;
    if (!frame.more_fragments && range.end > end) return NetCounter::k_drop_fragment_overlap;
  }
  if (slot.count == kMostFragments) return NetCounter::k_drop_fragment_too_many;
  return std::nullopt;
}

Reassembler::MaybeSpan Reassembler::add(TimePoint now, const Frame& frame,
                                        std::span<const uint8_t> payload) {
  counters_.add(NetCounter::k_in_fragments);
  expire(now);
  if (const auto wrong = judge(frame, payload)) return drop(*wrong);
  const uint64_t hash = hash_of(frame);
  Slot* slot = find(hash, frame);
  if (slot == nullptr) slot = make(now, hash, frame);
  if (slot->dead) return drop(*slot->dead);
  if (const auto wrong = judge_in(*slot, frame, payload)) {
    if (*wrong == NetCounter::k_drop_fragment_duplicate) return drop(*wrong);
    slot->dead = wrong;
    const uint64_t held = slot->count;
    slot->count = 0;
    return drop(*wrong, held + 1);
  }
  const auto end = static_cast<uint16_t>(frame.fragment_offset + payload.size());
  std::ranges::copy(payload, buffer_of(*slot).begin() + frame.fragment_offset);
  slot->ranges[slot->count++] = {frame.fragment_offset, end};
  slot->received = static_cast<uint16_t>(slot->received + payload.size());
  if (frame.fragment_offset == 0) slot->protocol = frame.fragment_protocol;
  if (!frame.more_fragments) slot->length = end;
  // Nothing overlaps: what is as long as the whole is the whole.
  if (slot->received != slot->length) return std::nullopt;
  return finish(*slot);
}

Reassembler::MaybeSpan Reassembler::finish(Slot& slot) {
  const std::span<const uint8_t> bytes = buffer_of(slot).first(slot.length);
  const auto sctp = find_sctp(slot.protocol, bytes);
  if (!sctp) {
    give_up(slot, NetCounter::k_drop_fragment_tiny);
    return std::nullopt;
  }
  counters_.add(NetCounter::k_in_reassembled);
  free(slot);
  return bytes.subspan(*sctp);
}

}  // namespace trunkline::net
