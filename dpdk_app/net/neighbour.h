// SPDX-License-Identifier: BSD-3-Clause
// The neighbours of one port: who has which Ethernet address, for IPv4 (ARP) and IPv6 (RFC 4861
// section 7.3) alike. Bounded in entries and in packets that wait for an answer. Pure: time comes
// in, what has to be sent or dropped goes out through Actions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/mac.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/types.h"

namespace trunkline::net {

// A packet that waits, whatever it is to the caller (an mbuf).
using PacketHandle = void*;

// Who says it: a frame, to the one worker that asks when it must be doubted; a frame, as another
// worker tells; or that worker when it no longer doubts.
enum class NewsSource : uint8_t { kFrame, kTold, kVerdict };

// What is said about a neighbour.
struct NeighbourNews {
  bool create = false;     // a stranger that speaks to us: remember it
  bool solicited = false;  // an answer to our question, or so it says
  bool override_cache = true;
  NewsSource source = NewsSource::kFrame;
};

// What the caller has to do now. Reused between calls, so that it allocates rarely.
struct NeighbourActions {
  struct Solicit {
    IpAddress address;
    std::optional<MacAddress> unicast;  // none: ask everybody
  };
  struct Ready {
    PacketHandle packet = nullptr;
    MacAddress mac;
  };
  // For the tables of other workers: the answer to a question of theirs may arrive anywhere.
  struct Lesson {
    IpAddress address;
    std::optional<MacAddress> mac;
    NeighbourNews news;
  };
  std::vector<Lesson> lessons;
  std::vector<Solicit> solicit;
  std::vector<Ready> ready;           // these may go now
  std::vector<PacketHandle> dropped;  // the neighbour did not answer
  uint32_t failed = 0;                // neighbours that did not answer
  uint32_t evicted = 0;
  uint32_t claims = 0;    // of a living neighbour's address, by another station
  uint32_t refuted = 0;   // of these: the old one answered
  uint32_t replaced = 0;  // it did not

  [[nodiscard]] bool empty() const {
    return lessons.empty() && solicit.empty() && ready.empty() && dropped.empty() &&
           (failed | evicted | claims | refuted | replaced) == 0;
  }
  void clear() {
    lessons.clear();
    solicit.clear();
    ready.clear();
    dropped.clear();
    failed = evicted = claims = refuted = replaced = 0;
  }
};

enum class NeighbourUse : uint8_t {
  kSend,         // the address is known
  kQueued,       // the packet waits in the table
  kQueueFull,    // too many wait already; the caller drops the packet
  kTableFull,    // the caller drops the packet
  kUnreachable,  // it did not answer a moment ago; the caller drops the packet
};

enum class NeighbourState : uint8_t { kFree, kIncomplete, kReachable, kStale, kProbe, kFailed };

struct NeighbourConfig {
  uint32_t max_entries = 1024;
  Duration retransmit = std::chrono::seconds(1);
  Duration reachable = std::chrono::seconds(30);
  Duration failure_hold = std::chrono::seconds(1);
  Duration forget = std::chrono::minutes(10);
  unsigned probes = 3;
  Duration challenge = std::chrono::milliseconds(100);  // between questions to one that is claimed
};

class NeighbourTable {
 public:
  // Packets that wait for one neighbour, and for all: hundreds of INITs may go to one gateway at
  // once, and one lost costs a second.
  static constexpr uint32_t kQueue = 512;
  static constexpr uint32_t kAllQueues = 1024;

  explicit NeighbourTable(const NeighbourConfig& config);

  struct Answer {
    NeighbourUse use = NeighbourUse::kTableFull;
    MacAddress mac;
    uint32_t slot = 0;
    // kSend: until then, or until still_valid() says no, the caller need not ask again.
    TimePoint good_until;
    uint32_t generation = 0;
  };
  // Wants to send `packet` to `address`.
  Answer use(TimePoint now, const IpAddress& address, PacketHandle packet,
             NeighbourActions& actions);
  [[nodiscard]] bool still_valid(uint32_t slot, uint32_t generation) const {
    return slots_[slot].generation == generation;
  }

  using News = NeighbourNews;
  // Asks for `address` before anybody wants to send there.
  void prime(TimePoint now, const IpAddress& address, NeighbourActions& actions);
  // What became of it.
  enum class Learnt : uint8_t {
    kUnknown,  // nobody cares
    kKnown,
    // Another station claims what a living neighbour has, one that has answered us. That one is
    // asked three times, 100 ms apart, before the claim is believed: who has the address answers
    // (RFC 5227 section 2.4 for ARP), who is gone costs 300 ms.
    kDoubted,
  };
  // `mac` claims to have `address`.
  Learnt learn(TimePoint now, const IpAddress& address, const std::optional<MacAddress>& mac,
               const News& news, NeighbourActions& actions);

  // Asks again, gives up, forgets. Call it every 100 ms or so.
  void advance(TimePoint now, NeighbourActions& actions);
  // The same for those whose address is claimed by another: at next_challenge(), which is seldom.
  [[nodiscard]] TimePoint next_challenge() const { return next_challenge_; }
  void advance_challenges(TimePoint now, NeighbourActions& actions);
  // Forgets everybody; packets that wait are dropped.
  void clear(NeighbourActions& actions);

  struct Entry {
    IpAddress address;
    MacAddress mac;
    NeighbourState state = NeighbourState::kFree;
    size_t waiting = 0;
  };
  [[nodiscard]] std::vector<Entry> entries() const;
  [[nodiscard]] size_t size() const { return used_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Slot {
    IpAddress address;
    MacAddress mac;
    NeighbourState state = NeighbourState::kFree;
    uint32_t waiting = 0;
    uint32_t first = kNone;  // of the packets that wait, in waiting_
    uint32_t last = kNone;
    unsigned asked = 0;
    uint32_t generation = 1;  // changes when what others cached is no longer true
    uint32_t next = 0;        // in its bucket or in the free list; kNone at the end
    TimePoint fresh_until;    // kReachable
    TimePoint act_at;         // kIncomplete, kProbe: ask again; kFailed: forget
    bool used = false;        // by us, to send
    bool confirmed = false;   // `mac` has answered us
    TimePoint last_used;
    TimePoint heard;
    // Another station's claim, while the neighbour is asked whether it is still there.
    bool challenged = false;
    bool planned = false;  // it is in challenges_, and is not asked earlier, whatever is claimed
    MacAddress rival;
    unsigned challenges = 0;
  };
  struct Challenge {
    TimePoint at;
    uint32_t slot = 0;
  };
  struct Waiting {
    PacketHandle packet = nullptr;
    uint32_t next = kNone;
  };

  [[nodiscard]] uint32_t bucket_of(const IpAddress& address) const;
  [[nodiscard]] uint32_t find(const IpAddress& address) const;
  // kNone when the table is full of neighbours in use.
  uint32_t insert(TimePoint now, const IpAddress& address, NeighbourActions& actions);
  void remove(uint32_t index, NeighbourActions& actions);
  bool push_waiting(Slot& slot, PacketHandle packet);
  // Calls `take` with each packet that waits, oldest first; none waits afterwards.
  template <typename Take>
  void pop_waiting(Slot& slot, Take&& take);
  void drop_waiting(Slot& slot, NeighbourActions& actions);
  void ask(TimePoint now, Slot& slot, NeighbourActions& actions);
  void take(Slot& slot, const MacAddress& mac);
  void doubt(TimePoint now, uint32_t index, const MacAddress& rival, NeighbourActions& actions);
  void challenge(TimePoint now, uint32_t index, NeighbourActions& actions);
  uint32_t pick_victim(TimePoint now);

  NeighbourConfig config_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> buckets_;
  std::vector<Waiting> waiting_;  // nodes; free ones are chained from free_waiting_
  uint32_t free_waiting_ = kNone;
  uint32_t free_ = kNone;
  uint32_t hand_ = 0;  // where the search for a victim goes on
  size_t used_ = 0;
  std::vector<Challenge> challenges_;  // a heap, the earliest in front; each slot at most once
  TimePoint next_challenge_ = TimePoint::never();
};

}  // namespace trunkline::net
