// SPDX-License-Identifier: BSD-3-Clause
// What packets do a path's routers let through (RFC 9260 section 7.3, RFC 8899)?
#include "assoc/context.h"

namespace trunkline {

void Association::on_packet_too_big(ShardContext& ctx, TimePoint now, const PacketIn& sent,
                                    uint16_t told) {
  static_cast<void>(now);
  static_cast<void>(sent);
  static_cast<void>(told);
  ctx.counters.add(profile_.pmtu_discovery == PmtuDiscovery::kOff
                       ? Counter::k_drop_icmp_pmtu_off
                       : Counter::k_drop_icmp_not_in_flight);
}

}  // namespace trunkline
