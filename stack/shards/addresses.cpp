// SPDX-License-Identifier: BSD-3-Clause
// What the directory knows of this shard's associations: put in when they begin, kept in step with
// their addresses. Withdrawn by destroy().
#include <algorithm>

#include "shards/shard_core.h"

namespace trunkline {
// Under each pair of addresses between which packets may go.
Directory::Claim ShardCore::claim_addresses(const Association& association,
                                            std::span<const IpAddress> peers) {
  const bool calling = association.state() == AssocState::kCookieWait;
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
  Directory::Batch& batch = slots_[association.id.slot].batch;
  const Directory::Claim claim = directory_.claim(reader_, keys_, association.id, batch, calling);
  if (claim.outcome == Directory::Claim::Outcome::kDone) batch = claim.batch;
  if (claim.outcome == Directory::Claim::Outcome::kFull)
    ctx.counters.add(Counter::k_directory_full);
  return claim;
}

// An address of which the peer has told, and that another association has, is not this one's: the
// peer's word for it proves nothing. (Two shards called one peer at two of its addresses; or two
// peers behind NATs list the same private address.)
void ShardCore::update_addresses(Association& association, const PeerAddresses& before) {
  using Outcome = Directory::Claim::Outcome;
  if (std::ranges::equal(addresses_of(association).list(), before.list())) {
    const bool calling = association.state() == AssocState::kCookieWait;
    if (!calling) directory_.settle(slots_[association.id.slot].batch);
    return;
  }
  const auto claim = [&] { return claim_addresses(association, addresses_of(association).list()); };
  Directory::Claim said = claim();
  for (; said.outcome == Outcome::kTaken; said = claim()) {
    ctx.counters.add(Counter::k_addresses_taken);
    association.forget_address(ctx, said.peer);
  }
  if (said.outcome == Outcome::kDone) return;
  // No room: it keeps to the addresses that it had.
  for (const IpAddress& peer : addresses_of(association).list()) {
    const auto had = before.list();
    if (std::find(had.begin(), had.end(), peer) == had.end()) association.forget_address(ctx, peer);
  }
  static_cast<void>(claim());
}

}  // namespace trunkline
