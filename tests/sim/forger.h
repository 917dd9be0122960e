// SPDX-License-Identifier: BSD-3-Clause
// Somebody who can send with any source address but sees nothing: forges packets of every kind
// between the hosts, well-formed and with a right checksum, and must not be able to do any harm.
// It does not know the verification tags; ports and addresses are no secret.
#pragma once

#include <cstdint>
#include <vector>

#include "simulator.h"

namespace trunkline::sim {

class Forger {
 public:
  explicit Forger(Simulator& simulator) : simulator_(simulator), random_(simulator.seed() ^ 0xf0) {}

  // Sends one packet, made from scratch or from one that passed.
  void forge(TimePoint now);
  // ICMP "too big" that quotes what was not sent, or says that what was sent is small enough.
  void forge_too_big(TimePoint now);

 private:
  std::vector<uint8_t> from_scratch(PortNumber source, PortNumber destination);
  std::vector<uint8_t> from_model(const std::vector<uint8_t>& model);
  uint32_t foreign_tag();

  Simulator& simulator_;
  SeededRandom random_;
};

}  // namespace trunkline::sim
