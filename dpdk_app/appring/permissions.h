// SPDX-License-Identifier: BSD-3-Clause
// Who may attach, and with which ports: the configuration's permissions applied to the credentials
// that the kernel vouches for. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "appring/app_ring.h"
#include "appring/ring_client.h"
#include "trunkline/ring_abi.h"

namespace trunkline::appring {

struct PeerCredentials {
  int32_t pid = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;  // supplementary
};

// The sum of the permissions that match; nothing if none does.
[[nodiscard]] std::optional<ClientRights> rights_of(std::span<const Permission> permissions,
                                                    const PeerCredentials& who);

// Who has how many of the clients that the daemon can have.
struct SlotUse {
  uint32_t uid = 0;
  std::vector<bool> names;  // that match it, as names_matching() says
};

// Of the permissions that name a user or a group, each name once: which match `who`?
[[nodiscard]] std::vector<bool> names_matching(std::span<const Permission> permissions,
                                               const PeerCredentials& who);

// How many places must stay free if `who` takes one more beside those that `attached` have: one for
// each other user or group that is named and has none. 0 for somebody who takes such a place.
[[nodiscard]] uint32_t kept_for_others(std::span<const Permission> permissions,
                                       std::span<const SlotUse> attached,
                                       const PeerCredentials& who);

// What the daemon grants for a request: defaults filled in, sizes made regular, cut down to the
// limits, and large enough for the largest message. An error text if that cannot be.
struct Grant {
  tlr_geometry geometry{};
  uint64_t bytes = 0;  // that the client costs, segment and bookkeeping
  std::string error;   // empty: granted
};
[[nodiscard]] Grant grant(const tlr_attach_request& request, const AttachConfig& config,
                          uint32_t workers);

}  // namespace trunkline::appring
