// SPDX-License-Identifier: BSD-3-Clause
// What the directory knows of this shard's associations: put in when they begin, kept in step with
// their addresses. Withdrawn by destroy().
#include <algorithm>

#include "shards/shard_core.h"

namespace trunkline {
// Under each pair of addresses between which packets may go.
Directory::Claim::Outcome ShardCore::claim_addresses(const Association& association,
                                                     std::span<const IpAddress> peers) {
  const LocalEnd& local = association.local();
  keys_.clear();
  for (size_t i = 0; i < peers.size(); ++i) {
    const auto earlier = peers.first(i);
    if (std::find(earlier.begin(), earlier.end(), peers[i]) != earlier.end()) continue;
    for (const IpAddress& address : local.addresses) {
      if (!LocalEnd::fits(address, peers[i])) continue;
      keys_.push_back({address, peers[i], local.port, association.peer_port()});
    }
  }
  Directory::Batch& batch = batches_[association.id.slot];
  const Directory::Claim claim = directory_.claim(reader_, keys_, association.id, batch);
  if (claim.outcome == Directory::Claim::Outcome::kDone) batch = claim.batch;
  if (claim.outcome == Directory::Claim::Outcome::kFull)
    ctx.counters.add(Counter::k_directory_full);
  return claim.outcome;
}

// Where another association has one of the addresses that came, all of them stay out: packets from
// there still find theirs by tag. What the association has no longer goes in any case.
void ShardCore::update_addresses(const Association& association, const PeerAddresses& before) {
  const PeerAddresses now = addresses_of(association);
  if (std::ranges::equal(now.list(), before.list())) return;
  if (claim_addresses(association, now.list()) == Directory::Claim::Outcome::kDone) return;
  PeerAddresses kept;
  for (const IpAddress& peer : before.list()) {
    if (association.has_address(peer)) kept.addresses[kept.count++] = peer;
  }
  if (kept.count < before.count) static_cast<void>(claim_addresses(association, kept.list()));
}

}  // namespace trunkline
