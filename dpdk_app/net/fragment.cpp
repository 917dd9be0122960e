// SPDX-License-Identifier: BSD-3-Clause
// Where to cut a packet into IP fragments.
#include "net/fragment.h"

namespace trunkline::net {

FragmentPlan::FragmentPlan(size_t length, uint16_t fragment_size, bool ipv6) : length_(length) {
  const size_t header = ipv6 ? kIpv6Header : kIpv4Header;
  if (fragment_size == 0 || header + length <= fragment_size) {
    piece_ = length;
    count_ = 1;
    return;
  }
  const size_t headers = header + (ipv6 ? kFragmentHeader : 0);
  if (fragment_size < headers + 8) return;
  piece_ = (fragment_size - headers) / 8 * 8;
  count_ = (length + piece_ - 1) / piece_;
}

}  // namespace trunkline::net
