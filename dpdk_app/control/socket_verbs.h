// SPDX-License-Identifier: BSD-3-Clause
// What trunkctl can ask of sockets: see verbs.h.
#pragma once

#include "control/json.h"
#include "sockets/socket_server.h"

namespace trunkline::control {

// Null: none are served. A failure if the sockets thread does not answer.
[[nodiscard]] Json list_sockets(sockets::SocketServer* server);

}  // namespace trunkline::control
