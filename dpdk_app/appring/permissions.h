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
