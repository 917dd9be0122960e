// SPDX-License-Identifier: BSD-3-Clause
// usrsctp in process (AF_CONN), without threads of its own: two ends, which it calls by pointers,
// and sockets as the benchmarks want them. Who carries the packets, and who drives its timers, is
// the program's business.
#pragma once

#include <usrsctp.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace trunkline::perf {

inline constexpr uint16_t kUsrsctpPort = 2905;  // of the end that is called

// An end's name for itself, and for the other end where it calls it.
inline char usrsctp_end_a;
inline char usrsctp_end_z;

using UsrsctpOutput = int(void* end, void* bytes, size_t size, uint8_t tos, uint8_t set_df);
using UsrsctpReceive = int(struct socket*, union sctp_sockstore, void* data, size_t size,
                           struct sctp_rcvinfo, int flags, void*);

// Once a process.
void start_usrsctp(UsrsctpOutput* output);

struct UsrsctpOptions {
  int buffer = 1 << 20;         // bytes, send and receive
  uint32_t sack_frequency = 2;  // packets
  uint32_t sack_delay_ms = 50;
  sctp_rtoinfo rto{};  // zeros: its defaults, those of the RFC
};
// Bound, not blocking, with NODELAY, packets of 1500 bytes and no probes of the path MTU.
[[nodiscard]] struct socket* make_usrsctp_socket(void* end, uint16_t port, UsrsctpReceive* receive,
                                                 const UsrsctpOptions& options);
// From end A to end Z.
void usrsctp_call(struct socket* from);
// False: not now.
bool usrsctp_send(struct socket* from, std::span<const uint8_t> message);

}  // namespace trunkline::perf
