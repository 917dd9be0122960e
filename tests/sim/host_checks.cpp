// SPDX-License-Identifier: BSD-3-Clause
// What must be so of a simulated host whenever it rests, now and then, and in the end.
#include <algorithm>
#include <set>
#include <tuple>

#include "shards/directory.h"
#include "simulator.h"

namespace trunkline::sim {

// The ledger knows what was accepted and has not ended, and who lives.
void Host::check_accounts(TimePoint now) {
  uint64_t messages = 0;
  for (const auto& shard : shards_) messages += shard->pool_usage().messages_used;
  const Ledger& ledger = simulator_.ledger();
  const std::string who = "host " + std::to_string(index_) + ": ";
  if (messages != ledger.pending(index_)) {
    simulator_.verdict().fail(now, who + std::to_string(messages) +
                                       " messages in the pools, the ledger knows " +
                                       std::to_string(ledger.pending(index_)));
  }
  if (association_count() != ledger.living(index_)) {
    simulator_.verdict().fail(now, who + std::to_string(association_count()) +
                                       " associations, the ledger knows " +
                                       std::to_string(ledger.living(index_)));
  }
}

// What is held for want of order, or of the rest of a message, is bounded by the windows of the
// associations there are, whatever order things come in; the next TSN may come in beyond one.
void Host::check_windows(TimePoint now) {
  constexpr uint64_t kBlock = 512;
  uint64_t held = 0;
  for (const auto& shard : shards_) {
    held += shard->pool_usage().receive_blocks_used * kBlock;
    if (const char* const fault = shard->receive_memory_fault()) {
      simulator_.verdict().fail(now, "host " + std::to_string(index_) + ": " + fault);
    }
  }
  const uint64_t kept = application_.kept_blocks();
  const uint64_t window = application_.memory_of(PortNumber(0));
  const uint64_t most =
      association_count() * (window + config_.limits.mtu / 400u * kBlock + kBlock);
  if (held > kept + most) {
    simulator_.verdict().fail(now, "host " + std::to_string(index_) + ": " + std::to_string(held) +
                                       " bytes held, " + std::to_string(kept) +
                                       " of them kept by readers; the windows allow " +
                                       std::to_string(most) + " (section 6.2)");
  }
}

// Section 7.2.3: right after T3 has expired the window is one packet, unless the peer answers with
// a closed window: that counts as no error, and is no sign of congestion (6.1 A). Shards that have
// probed one are not asked: an error may be a HEARTBEAT's.
void Host::check_expired(TimePoint now) {
  uint64_t expirations = 0;
  for (const auto& shard : shards_) expirations += shard->counters().get(Counter::k_t3_expirations);
  if (expirations == t3_expirations_) return;
  t3_expirations_ = expirations;
  AssocStatus status;
  for (const auto& shard : shards_) {
    for (const AssocId id : shard->associations()) {
      if (!shard->status(id, status)) continue;
      const Parties parties = parties_of(status);
      const auto seen = simulator_.referee().unacknowledged(parties.ours, parties.theirs,
                                                            status.local_port, status.peer_port);
      // Where a window was closed, what expires may be a probe (6.1 A).
      const bool judged = seen && !seen->window_closed;
      for (size_t i = 0; i < status.paths.size(); ++i) {
        const PathStatus& path = status.paths[i];
        const uint64_t key = uint64_t{id.shard} << 56 | uint64_t{id.slot} << 32 | id.generation;
        uint64_t& before = t3_of_[{key, i}];
        if (judged && path.t3_expirations > before && path.cwnd > path.mtu) {
          simulator_.verdict().fail(now, "host " + std::to_string(index_) + ": T3 expired, and " +
                                             "cwnd is still " + std::to_string(path.cwnd) +
                                             " (section 7.2.3)");
        }
        before = path.t3_expirations;
      }
    }
  }
}

// Section 6.3.1 C5: no round trip is shorter than the way is long, unless something that was sent
// twice was measured.
void Host::check_paths(TimePoint now, const AssocStatus& status) {
  for (const PathStatus& path : status.paths) {
    const auto peer = simulator_.network().host_of(path.remote);
    if (!peer || *peer == index_ || path.srtt.count() == 0) continue;
    Network& network = simulator_.network();
    // With several paths the answer may come by a shorter one.
    Duration back = network.link(*peer, index_, network.net_of(path.local)).delay;
    for (NetIndex net = 0; status.paths.size() > 1 && net < config_.addresses.size(); ++net) {
      back = std::min(back, network.link(*peer, index_, net).delay);
    }
    const Duration way = network.link(index_, *peer, network.net_of(path.remote)).delay + back;
    if (path.srtt + std::chrono::microseconds(1) < way) {
      simulator_.verdict().fail(
          now, "host " + std::to_string(index_) + ": a smoothed round trip of " +
                   std::to_string(path.srtt.count() / 1000) + " us, where the way takes " +
                   std::to_string(way.count() / 1000) + " us (section 6.3.1 C5)");
    }
  }
}

void Host::audit(TimePoint now) {
  for (uint16_t i = 0; i < shards_.size(); ++i) audit(now, i);
  check_owners(now);
}

// Every association is in one shard, and says so.
void Host::check_owners(TimePoint now) {
  std::set<std::tuple<Party, Party, uint16_t, uint16_t>> seen;
  const std::string who = "host " + std::to_string(index_) + ": ";
  AssocStatus status;
  for (uint16_t i = 0; i < shards_.size(); ++i) {
    for (const AssocId id : shards_[i]->associations()) {
      if (id.shard != i) simulator_.verdict().fail(now, who + "an association in a strange shard");
      if (!shards_[i]->status(id, status)) continue;
      const Parties parties = parties_of(status);
      if (!seen.emplace(parties.ours, parties.theirs, status.local_port.value,
                        status.peer_port.value)
               .second) {
        simulator_.verdict().fail(now, who + "two associations with the same peer and ports");
      }
    }
  }
}

void Host::audit(TimePoint now, uint16_t index) {
  const Shard& shard = *shards_[index];
  Verdict& verdict = simulator_.verdict();
  const std::string who = "host " + std::to_string(index_) + ": ";
  const Shard::PoolUsage usage = shard.pool_usage();
  constexpr uint64_t kBlock = 512;
  const uint64_t held = usage.receive_blocks_used * kBlock - application_.left_blocks(index);
  uint64_t charged = 0;
  uint64_t windows = 0;
  uint64_t largest = 0;
  uint64_t hidden = 0;
  uint64_t up = 0;
  bool any_closed = false;
  AssocStatus status;
  for (const AssocId id : shard.associations()) {
    if (!shard.status(id, status)) {
      verdict.fail(now, who + "an association without a status");
      return;
    }
    const uint64_t whole = application_.window_of(status.local_port);
    if (status.a_rwnd > whole) verdict.fail(now, who + "a window larger than the buffer");
    charged += whole - status.a_rwnd;
    windows += application_.memory_of(status.local_port);
    largest = std::max(largest, whole);
    any_closed = any_closed || status.a_rwnd == 0;
    hidden += std::min<uint64_t>(whole / 2, status.paths[0].mtu);
    up += status.state == AssocState::kEstablished ||
          status.state == AssocState::kShutdownPending ||
          status.state == AssocState::kShutdownReceived;
    if (!simulator_.ledger().is_hostile(status.local_port.value, status.peer_port.value)) {
      check_paths(now, status);
      simulator_.addresses().check(now, index_, host_at(status.paths[0].remote), status);
    }
    uint64_t flight = 0;
    for (const PathStatus& path : status.paths) flight += path.flight;
    // Chunks against payload: one byte of it is a chunk of twenty.
    if (flight > 20 * status.outstanding_bytes) {
      verdict.fail(now, who + "more in flight than was sent");
    }
    const Parties parties = parties_of(status);
    const auto seen = simulator_.referee().unacknowledged(parties.ours, parties.theirs,
                                                          status.local_port, status.peer_port);
    if (seen && flight > seen->flight) verdict.fail(now, who + "more in flight than it may know");
    if (seen && seen->outstanding != status.outstanding_bytes) {
      verdict.fail(now, who + std::to_string(status.outstanding_bytes) +
                            " bytes outstanding, by the packets " +
                            std::to_string(seen->outstanding));
    }
  }
  // Every byte of the buffers is charged to a window, which opens by a packet at least; so is what
  // readers have unread. A closed one may hide a burst of packets too many, with the smallest
  // messages, of a slow reader.
  const uint64_t unread = application_.unread_of(index);
  const uint64_t most = windows + kBurst * kRoom / 20 * kBlock;
  const bool open_fits = held <= charged && (held + unread > 0 || charged == 0);
  // A slow reader's is no larger than what is left for it, of three quarters of the buffers.
  const bool scarce = usage.receive_blocks * kBlock * 3 / 4 < 2 * held + largest;
  const bool exact =
      (scarce || charged <= held + unread + hidden) && (any_closed ? held <= most : open_fits);
  if (!exact) {
    verdict.fail(now, who + std::to_string(held) + " bytes held, the windows are charged with " +
                          std::to_string(charged));
  }
  if (shard.counters().get(Counter::k_curr_estab) != up) {
    verdict.fail(now, who + "curr_estab is " +
                          std::to_string(shard.counters().get(Counter::k_curr_estab)) + ", not " +
                          std::to_string(up));
  }
}

void Host::check_empty(TimePoint now) {
  Verdict& verdict = simulator_.verdict();
  const std::string who = "host " + std::to_string(index_) + ": ";
  if (directory_->size() != 0) {
    verdict.fail(now, who + std::to_string(directory_->size()) + " entries left in the directory");
  }
  for (const auto& shard : shards_) {
    if (shard->association_count() != 0) verdict.fail(now, who + "associations are left");
    const Shard::PoolUsage usage = shard->pool_usage();
    if (usage.receive_blocks_used + usage.chunks_used + usage.messages_used != 0) {
      verdict.fail(now, who + "pools leak: " + std::to_string(usage.receive_blocks_used) +
                            " receive blocks, " + std::to_string(usage.chunks_used) + " chunks, " +
                            std::to_string(usage.messages_used) + " messages");
    }
    const Counters& counters = shard->counters();
    if (counters.get(Counter::k_curr_estab) != 0) {
      verdict.fail(now,
                   who + "curr_estab is " + std::to_string(counters.get(Counter::k_curr_estab)));
    }
    if (shard->has_output()) verdict.fail(now, who + "has_output() without associations");
  }
}

// Every port is free on every address, and no set of ports is kept.
void Host::check_ports(TimePoint now) {
  for (PortTable::Entry* const entry : occupied_) ports_->give_back(*entry, true);
  occupied_.clear();
  const std::string who = "host " + std::to_string(index_) + ": ";
  if (ports_->sets() != 0) simulator_.verdict().fail(now, who + "ports were not given back");
  SeededRandom random(1);
  const BoundAddresses all = *BoundAddresses::of({});
  for (const uint16_t port : simulator_.ends().ports_of(index_)) {
    const PortTable::Claim claim = ports_->claim(PortNumber(port), all, kSomebodyElse, random);
    if (claim.status != Status::kOk) {
      simulator_.verdict().fail(now, who + "port " + std::to_string(port) + " was not given back");
      continue;
    }
    ports_->give_back(*claim.entry, true);
  }
}

}  // namespace trunkline::sim
