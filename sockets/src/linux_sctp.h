// SPDX-License-Identifier: BSD-3-Clause
// Linux's numbers and structures of SCTP sockets; the header names what it does not include.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
// After those.
#include <linux/sctp.h>
