// SPDX-License-Identifier: BSD-3-Clause
// <linux/sctp.h>: the numbers and structures of Linux's options. It needs others before it.
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
// clang-format off
#include <linux/sctp.h>
// clang-format on
