// SPDX-License-Identifier: BSD-3-Clause
// An address as one writes it.
#pragma once

#include <string_view>

#include "trunkline/stack/address.h"

namespace trunkline::test {

inline IpAddress ip(std::string_view text) {
  return *IpAddress::parse(text);
}

}  // namespace trunkline::test
