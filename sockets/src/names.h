// SPDX-License-Identifier: BSD-3-Clause
// Socket addresses between the page and the program.
#pragma once

#include <sys/socket.h>

#include "socket.h"

namespace trunkline::sctp {

// A consistent copy of a name; without one, the wildcard of the socket's family.
tls_name read_name(const tls_page& page, const tls_name& name);
// As getsockname(2) does: at most `*length` bytes, then the whole length.
[[nodiscard]] long store_name(const tls_name& name, sockaddr* to, socklen_t* length);

}  // namespace trunkline::sctp
