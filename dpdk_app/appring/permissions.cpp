// SPDX-License-Identifier: BSD-3-Clause
// Permissions and sizes at attach; see permissions.h.
#include "appring/permissions.h"

#include <algorithm>
#include <bit>

namespace trunkline::appring {
namespace {

constexpr uint32_t kDefaultSubmissionSize = 1024;
constexpr uint32_t kDefaultSlots = 4096;
constexpr uint32_t kDefaultSlotSize = 512;
constexpr uint32_t kMinRing = 16;

bool matches(const Permission& permission, const PeerCredentials& who) {
  if (permission.uid && *permission.uid != who.uid) return false;
  if (!permission.gid || *permission.gid == who.gid) return true;
  return std::find(who.groups.begin(), who.groups.end(), *permission.gid) != who.groups.end();
}

uint32_t or_default(uint32_t asked, uint32_t otherwise) {
  return asked != 0 ? asked : otherwise;
}

// A power of two that is at least `asked`, within [kMinRing, most].
uint32_t ring_size(uint32_t asked, uint32_t most) {
  const uint32_t cap = std::bit_floor(std::clamp(most, kMinRing, TLR_MAX_RING));
  return asked >= cap ? cap : std::max(std::bit_ceil(asked), kMinRing);
}

}  // namespace

std::optional<ClientRights> rights_of(std::span<const Permission> permissions,
                                      const PeerCredentials& who) {
  std::optional<ClientRights> rights;
  for (const Permission& permission : permissions) {
    if (!matches(permission, who)) continue;
    if (!rights) rights.emplace();
    rights->ports.insert(rights->ports.end(), permission.ports.begin(), permission.ports.end());
    rights->connect_from_any |= permission.connect_from_any;
  }
  return rights;
}

namespace {

bool is_named(const Permission& permission) {
  return permission.uid || permission.gid;
}

// The places of the names: each once, however many rules it has.
std::vector<const Permission*> names_of(std::span<const Permission> permissions) {
  std::vector<const Permission*> names;
  for (const Permission& permission : permissions) {
    if (!is_named(permission)) continue;
    const bool known = std::any_of(names.begin(), names.end(), [&](const Permission* name) {
      return name->uid == permission.uid && name->gid == permission.gid;
    });
    if (!known) names.push_back(&permission);
  }
  return names;
}

}  // namespace

std::vector<bool> names_matching(std::span<const Permission> permissions,
                                 const PeerCredentials& who) {
  std::vector<bool> out;
  for (const Permission* name : names_of(permissions)) out.push_back(matches(*name, who));
  return out;
}

uint32_t kept_for_others(std::span<const Permission> permissions, std::span<const SlotUse> attached,
                         const PeerCredentials& who) {
  const std::vector<const Permission*> names = names_of(permissions);
  uint32_t kept = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    const bool mine = matches(*names[i], who);
    const auto has = [&](const SlotUse& use) { return use.names[i]; };
    const auto another_has = [&](const SlotUse& use) { return use.names[i] && use.uid != who.uid; };
    if (mine && std::none_of(attached.begin(), attached.end(), has)) return 0;
    // A user's own name is of use to nobody else.
    if (mine && names[i]->uid) continue;
    if (std::none_of(attached.begin(), attached.end(), another_has)) ++kept;
  }
  return kept;
}

Grant grant(const tlr_attach_request& request, const AttachConfig& config, uint32_t workers) {
  const AttachLimits& limits = config.limits;
  Grant out;
  tlr_geometry& g = out.geometry;
  g.lanes = or_default(request.lanes, 1);
  if (g.lanes > std::min(limits.max_lanes, TLR_MAX_LANES)) {
    out.error = "asked for " + std::to_string(g.lanes) + " lanes; this daemon grants " +
                std::to_string(std::min(limits.max_lanes, TLR_MAX_LANES)) +
                " to a client: open fewer, or raise max_lanes";
    return out;
  }
  g.workers = workers;
  const uint32_t most_slot =
      std::clamp(limits.max_slot_size / 64 * 64, TLR_MIN_SLOT_SIZE, TLR_MAX_SLOT_SIZE);
  const uint32_t slot = std::min(or_default(request.slot_size, kDefaultSlotSize), most_slot);
  g.slot_size = std::max((slot + 63) / 64 * 64, TLR_MIN_SLOT_SIZE);

  const uint32_t largest = tlr_slots_for(config.max_message_size, g.slot_size);
  const uint32_t most_slots = std::min(limits.max_slots, TLR_MAX_SLOTS);
  if (largest > most_slots) {
    out.error = "slots of " + std::to_string(g.slot_size) +
                " bytes cannot hold the largest message of " +
                std::to_string(config.max_message_size) + " bytes: ask for larger slots";
    return out;
  }
  g.tx_slots = std::clamp(or_default(request.tx_slots, kDefaultSlots), largest, most_slots);
  g.rx_slots = std::clamp(or_default(request.rx_slots, kDefaultSlots), largest, most_slots);
  g.return_size = std::bit_ceil(g.rx_slots);
  g.send_credit = std::clamp(g.tx_slots / 4, largest, g.tx_slots);
  g.submission_size = ring_size(or_default(request.submission_size, kDefaultSubmissionSize),
                                limits.max_submission_size);
  // Half of the entries are for the ends of operations, so that sends of one slot can use all.
  g.completion_size =
      ring_size(or_default(request.completion_size, 2 * g.tx_slots), limits.max_completion_size);
  g.max_operations = g.completion_size / 2;
  if (tlr_geometry_valid(&g) == 0) {
    out.error = "impossible sizes";
    return out;
  }
  const ChannelLimits channel_limits{limits.max_associations, limits.max_listeners, limits.backlog};
  out.bytes = tlr_segment_size(&g) +
              uint64_t{g.lanes} * g.workers * Channel::memory_bytes(g, channel_limits);
  return out;
}

}  // namespace trunkline::appring
