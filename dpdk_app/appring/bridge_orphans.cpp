// SPDX-License-Identifier: BSD-3-Clause
// What a client leaves behind when its associations are shut down rather than aborted: messages
// that the peers have not acknowledged. They are copied out of its segment into the daemon's own
// memory, within the share for the dead, so that the segment goes at once however long a peer
// takes.
#include "appring/bridge.h"

#include <algorithm>

namespace trunkline::appring {

// Is there room for what the association has under way? Nobody has more of the buffer than there is
// left. `too_many`: units that the dead must give back.
bool Bridge::adopt(Assoc& assoc, const UnderWay& under_way, uint64_t& too_many) {
  const auto it = under_way.find(assoc.id.slot);
  if (it == under_way.end()) return true;
  if (too_many != 0) {
    too_many -= std::min(too_many, it->second.units);
    count(RingCounter::k_abort_orphan_buffer);
    return false;
  }
  return grant(*assoc.channel, it->second.slots, it->second.bytes);
}

// What its associations have under way, by AssocId::slot; but for what those sent by another lane
// that had them before.
Bridge::UnderWay Bridge::under_way_of(const Client& client) {
  UnderWay out;
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    const Channel& channel = client.ring->channel(lane, config_.worker);
    channel.each_under_way([&](uint32_t index, uint32_t slots, uint64_t bytes) {
      if (assocs_[index].channel != &channel) return;
      Sum& sum = out[index];
      sum.slots += slots;
      sum.bytes += bytes;
      sum.units += units_of(bytes);
    });
  }
  return out;
}

bool Bridge::grant(Channel& channel, uint32_t slots, uint64_t bytes) {
  ClientUse& use = channel.client().uses[config_.worker];
  const uint64_t overhead = channel.granted_bytes == 0 ? channel.orphan_overhead() : 0;
  const uint64_t need = bytes + overhead;
  if (use.orphan_bytes + orphan_bytes_ + 2 * need > config_.orphan_buffer) {
    count(RingCounter::k_abort_orphan_buffer);
    return false;
  }
  count(RingCounter::k_ring_orphaned);
  use.orphan_bytes += need;
  orphan_bytes_ += need;
  channel.granted_bytes += need;
  channel.granted_slots += slots;
  return true;
}

// Messages of associations that have another consumer by now: these live on, and with them what
// they sent before, whatever becomes of the dead client's own (`abort`).
void Bridge::adopt_moved(TimePoint now, Channel& channel, bool abort) {
  UnderWay moved;
  channel.each_under_way([&](uint32_t index, uint32_t slots, uint64_t bytes) {
    const Channel* const has_it = assocs_[index].channel;
    // Its own are aborted already; those of another one that dies are shut down still.
    if (has_it == &channel || (abort && &has_it->client() == &channel.client())) return;
    moved[index].slots += slots;
    moved[index].bytes += bytes;
  });
  const bool lost = channel.client().segment->lost();
  for (const auto& [index, sum] : moved) {
    if (lost || !grant(channel, sum.slots, sum.bytes)) {
      end_association(now, assocs_[index].id, true);
    }
  }
}

// True once nothing at this worker refers to the segment.
bool Bridge::detach(TimePoint now, Client& client, size_t& budget) {
  bool left = client.orderly;
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    Channel& channel = client.ring->channel(lane, config_.worker);
    // What was aborted comes back with the next events.
    if (channel.tx_in_use() > channel.granted_slots) return false;
    left = left || channel.tx_in_use() != 0;
    switch (channel.orphan(budget)) {
      case Channel::Orphaned::kAll:
        break;
      case Channel::Orphaned::kPart:
        return false;
      case Channel::Orphaned::kNoMemory:
        count(RingCounter::k_abort_orphan_buffer, channel.associations);
        channel.granted_slots = 0;
        abort_all(now, channel);
        return false;
    }
  }
  client.detached = true;
  if (!client.ring->segment->lost() || !left) return true;
  // Some of it was read as zeros: nothing of it may go out any more.
  count(RingCounter::k_refuse_lost_segment);
  for (uint32_t lane = 0; lane < client.ring->lanes(); ++lane) {
    abort_all(now, client.ring->channel(lane, config_.worker));
  }
  return true;
}

void Bridge::abort_all(TimePoint now, const Channel& channel) {
  for (const Assoc& assoc : assocs_) {
    if (assoc.channel == &channel) end_association(now, assoc.id, true);
  }
  channel.each_under_way(
      [&](uint32_t index, uint32_t, uint64_t) { end_association(now, assocs_[index].id, true); });
}

void Bridge::release_orphans(Channel& channel) {
  if (channel.tx_in_use() != 0) return;
  channel.client().uses[config_.worker].orphan_bytes -= channel.granted_bytes;
  orphan_bytes_ -= channel.granted_bytes;
  channel.granted_bytes = 0;
  channel.granted_slots = 0;
}

}  // namespace trunkline::appring
