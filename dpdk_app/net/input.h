// SPDX-License-Identifier: BSD-3-Clause
// Judges addresses of a parsed frame: is it for us, may it come from there. Pure.
#pragma once

#include <optional>

#include "net/frame.h"
#include "net/route.h"

namespace trunkline::net {

// Why `frame`, received on `port`, has to be dropped; nothing when it may pass.
[[nodiscard]] std::optional<NetCounter> judge_addresses(const Frame& frame, const LocalPort& port,
                                                        const RouteTable& routes);

}  // namespace trunkline::net
