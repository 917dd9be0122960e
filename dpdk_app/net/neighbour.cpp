// SPDX-License-Identifier: BSD-3-Clause
// Neighbour states, timers and bounds.
#include "net/neighbour.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace trunkline::net {
namespace {

uint32_t mix(const IpAddress& address) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a: the table is small and its chains are bounded
  for (const uint8_t byte : address.bytes()) hash = (hash ^ byte) * 0x100000001b3ull;
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

constexpr Duration kInUse = std::chrono::seconds(60);

// The order of a heap with the earliest in front.
constexpr auto later = [](const auto& one, const auto& other) { return one.at > other.at; };

}  // namespace

NeighbourTable::NeighbourTable(const NeighbourConfig& config)
    : config_(config),
      slots_(config.max_entries),
      buckets_(std::bit_ceil(config.max_entries * 2), kNone),
      waiting_(kAllQueues) {
  for (uint32_t i = kAllQueues; i-- > 0;) {
    waiting_[i].next = free_waiting_;
    free_waiting_ = i;
  }
  for (uint32_t i = config.max_entries; i-- > 0;) {
    slots_[i].next = free_;
    free_ = i;
  }
}

uint32_t NeighbourTable::bucket_of(const IpAddress& address) const {
  return mix(address) & static_cast<uint32_t>(buckets_.size() - 1);
}

uint32_t NeighbourTable::find(const IpAddress& address) const {
  uint32_t index = buckets_[bucket_of(address)];
  while (index != kNone && !(slots_[index].address == address)) index = slots_[index].next;
  return index;
}

// Somebody whom we have not used for a while; a look at 64 entries is enough.
uint32_t NeighbourTable::pick_victim(TimePoint now) {
  uint32_t oldest = kNone;
  const auto count = static_cast<uint32_t>(slots_.size());
  for (uint32_t looked = 0; looked < 64 && looked < count; ++looked) {
    const uint32_t index = hand_;
    hand_ = hand_ + 1 == count ? 0 : hand_ + 1;
    const Slot& slot = slots_[index];
    if (slot.state == NeighbourState::kFree || slot.waiting > 0) continue;
    if (slot.state == NeighbourState::kFailed) return index;
    if (slot.used && slot.last_used + kInUse > now) continue;
    if (oldest == kNone || slot.last_used < slots_[oldest].last_used) oldest = index;
  }
  return oldest;
}

uint32_t NeighbourTable::insert(TimePoint now, const IpAddress& address,
                                NeighbourActions& actions) {
  if (free_ == kNone) {
    const uint32_t victim = pick_victim(now);
    if (victim == kNone) return kNone;
    remove(victim, actions);
    ++actions.evicted;
  }
  const uint32_t index = free_;
  Slot& slot = slots_[index];
  free_ = slot.next;
  slot.address = address;
  slot.state = NeighbourState::kIncomplete;
  slot.asked = 0;
  slot.used = false;
  slot.confirmed = false;
  slot.last_used = now;
  slot.heard = now;
  uint32_t& bucket = buckets_[bucket_of(address)];
  slot.next = bucket;
  bucket = index;
  ++used_;
  return index;
}

void NeighbourTable::remove(uint32_t index, NeighbourActions& actions) {
  Slot& slot = slots_[index];
  drop_waiting(slot, actions);
  uint32_t* link = &buckets_[bucket_of(slot.address)];
  while (*link != index) link = &slots_[*link].next;
  *link = slot.next;
  slot.state = NeighbourState::kFree;
  slot.challenged = false;
  ++slot.generation;
  slot.next = free_;
  free_ = index;
  --used_;
}

bool NeighbourTable::push_waiting(Slot& slot, PacketHandle packet) {
  if (slot.waiting == kQueue || free_waiting_ == kNone) return false;
  const uint32_t at = free_waiting_;
  free_waiting_ = waiting_[at].next;
  waiting_[at] = {packet, kNone};
  (slot.waiting == 0 ? slot.first : waiting_[slot.last].next) = at;
  slot.last = at;
  ++slot.waiting;
  return true;
}

template <typename Take>
void NeighbourTable::pop_waiting(Slot& slot, Take&& take) {
  for (; slot.waiting > 0; --slot.waiting) {
    const uint32_t at = slot.first;
    take(waiting_[at].packet);
    slot.first = waiting_[at].next;
    waiting_[at].next = free_waiting_;
    free_waiting_ = at;
  }
}

void NeighbourTable::drop_waiting(Slot& slot, NeighbourActions& actions) {
  pop_waiting(slot, [&](PacketHandle packet) { actions.dropped.push_back(packet); });
}

void NeighbourTable::ask(TimePoint now, Slot& slot, NeighbourActions& actions) {
  ++slot.asked;
  slot.act_at = now + config_.retransmit;
  std::optional<MacAddress> unicast;
  if (slot.state == NeighbourState::kProbe) unicast = slot.mac;
  actions.solicit.push_back({slot.address, unicast});
}

NeighbourTable::Answer NeighbourTable::use(TimePoint now, const IpAddress& address,
                                           PacketHandle packet, NeighbourActions& actions) {
  Answer answer;
  uint32_t index = find(address);
  if (index == kNone) {
    index = insert(now, address, actions);
    if (index == kNone) return answer;
    ask(now, slots_[index], actions);
  }
  Slot& slot = slots_[index];
  slot.used = true;
  slot.last_used = now;
  answer.slot = index;
  answer.generation = slot.generation;
  answer.mac = slot.mac;
  switch (slot.state) {
    case NeighbourState::kFree:
    case NeighbourState::kIncomplete:
      answer.use = push_waiting(slot, packet) ? NeighbourUse::kQueued : NeighbourUse::kQueueFull;
      return answer;
    case NeighbourState::kFailed:
      answer.use = NeighbourUse::kUnreachable;
      return answer;
    case NeighbourState::kReachable:
      if (now < slot.fresh_until) {
        answer.good_until = slot.fresh_until;
        break;
      }
      [[fallthrough]];
    case NeighbourState::kStale:  // still used, while it is asked whether it is there
      if (slot.challenged) {      // it is
        answer.good_until = now + config_.challenge;
        break;
      }
      slot.state = NeighbourState::kProbe;
      slot.asked = 0;
      ask(now, slot, actions);
      [[fallthrough]];
    case NeighbourState::kProbe:
      answer.good_until = slot.act_at;
      break;
  }
  answer.use = NeighbourUse::kSend;
  return answer;
}

void NeighbourTable::prime(TimePoint now, const IpAddress& address, NeighbourActions& actions) {
  if (find(address) != kNone) return;
  const uint32_t index = insert(now, address, actions);
  if (index != kNone) ask(now, slots_[index], actions);
}

void NeighbourTable::take(Slot& slot, const MacAddress& mac) {
  slot.mac = mac;
  slot.state = NeighbourState::kStale;
  slot.confirmed = false;
  slot.challenged = false;
  ++slot.generation;
}

NeighbourTable::Learnt NeighbourTable::learn(TimePoint now, const IpAddress& address,
                                             const std::optional<MacAddress>& mac, const News& news,
                                             NeighbourActions& actions) {
  uint32_t index = find(address);
  if (index == kNone) {
    if (!news.create || !mac) return Learnt::kUnknown;
    index = insert(now, address, actions);
    if (index == kNone) return Learnt::kUnknown;
    take(slots_[index], *mac);
    return Learnt::kKnown;
  }
  Slot& slot = slots_[index];
  const bool unresolved =
      slot.state == NeighbourState::kIncomplete || slot.state == NeighbourState::kFailed;
  if (unresolved && !mac) return Learnt::kUnknown;
  const bool differs = mac && !(*mac == slot.mac);
  if (!unresolved && differs && !news.override_cache) {
    // RFC 4861 section 7.2.5: doubt what we have, but do not believe the other one either.
    if (slot.state == NeighbourState::kReachable) {
      slot.state = NeighbourState::kStale;
      ++slot.generation;
    }
    return Learnt::kKnown;
  }
  // It may say that it answers: whom we know was asked by unicast, and would answer as itself.
  if (!unresolved && differs && slot.confirmed && news.source != NewsSource::kVerdict) {
    if (news.source == NewsSource::kTold) return Learnt::kKnown;  // one worker asks for all
    doubt(now, index, *mac, actions);
    return Learnt::kDoubted;
  }
  slot.heard = now;
  if (unresolved || differs) take(slot, *mac);
  if (news.solicited) {
    slot.state = NeighbourState::kReachable;
    slot.fresh_until = now + config_.reachable;
    slot.asked = 0;
    slot.confirmed = true;
    if (std::exchange(slot.challenged, false)) ++actions.refuted;
  }
  pop_waiting(slot, [&](PacketHandle packet) { actions.ready.push_back({packet, slot.mac}); });
  return Learnt::kKnown;
}

void NeighbourTable::doubt(TimePoint now, uint32_t index, const MacAddress& rival,
                           NeighbourActions& actions) {
  Slot& slot = slots_[index];
  ++actions.claims;
  slot.rival = rival;
  if (std::exchange(slot.challenged, true)) return;
  slot.challenges = 0;
  if (!slot.planned) challenge(now, index, actions);
}

void NeighbourTable::challenge(TimePoint now, uint32_t index, NeighbourActions& actions) {
  Slot& slot = slots_[index];
  ++slot.challenges;
  actions.solicit.push_back({slot.address, slot.mac});
  slot.planned = true;
  challenges_.push_back({now + config_.challenge, index});
  std::push_heap(challenges_.begin(), challenges_.end(), later);
  next_challenge_ = challenges_.front().at;
}

void NeighbourTable::advance_challenges(TimePoint now, NeighbourActions& actions) {
  while (!challenges_.empty() && challenges_.front().at <= now) {
    const uint32_t index = challenges_.front().slot;
    std::pop_heap(challenges_.begin(), challenges_.end(), later);
    challenges_.pop_back();
    Slot& slot = slots_[index];
    slot.planned = false;
    if (!slot.challenged) continue;
    if (slot.challenges < config_.probes) {
      challenge(now, index, actions);
      continue;
    }
    ++actions.replaced;
    take(slot, slot.rival);
    slot.heard = now;
    actions.lessons.push_back({slot.address, slot.mac, {false, false, true, NewsSource::kVerdict}});
  }
  next_challenge_ = challenges_.empty() ? TimePoint::never() : challenges_.front().at;
}

void NeighbourTable::advance(TimePoint now, NeighbourActions& actions) {
  if (used_ == 0) return;
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    Slot& slot = slots_[index];
    switch (slot.state) {
      case NeighbourState::kFree:
        break;
      case NeighbourState::kIncomplete:
      case NeighbourState::kProbe:
        if (now < slot.act_at || slot.challenged) break;  // it is asked more often
        if (slot.asked < config_.probes) {
          ask(now, slot, actions);
          break;
        }
        drop_waiting(slot, actions);
        slot.state = NeighbourState::kFailed;
        slot.act_at = now + config_.failure_hold;
        ++slot.generation;
        ++actions.failed;
        break;
      case NeighbourState::kFailed:
        if (now >= slot.act_at) remove(index, actions);
        break;
      case NeighbourState::kReachable:
      case NeighbourState::kStale:
        if (now >= slot.heard + config_.forget && now >= slot.last_used + config_.forget) {
          remove(index, actions);
        }
        break;
    }
  }
}

void NeighbourTable::clear(NeighbourActions& actions) {
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index].state != NeighbourState::kFree) remove(index, actions);
  }
}

std::vector<NeighbourTable::Entry> NeighbourTable::entries() const {
  std::vector<Entry> out;
  for (const Slot& slot : slots_) {
    if (slot.state != NeighbourState::kFree) {
      out.push_back({slot.address, slot.mac, slot.state, slot.waiting});
    }
  }
  return out;
}

}  // namespace trunkline::net
