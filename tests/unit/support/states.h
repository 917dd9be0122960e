// SPDX-License-Identifier: BSD-3-Clause
// A Peer that brings the host's association into any state of RFC 9260 section 4, for rules that
// hold in all of them or in one.
#pragma once

#include <array>

#include "pair.h"

namespace trunkline::test {

class InEveryState : public Peer {
 protected:
  InEveryState() { setup.profile.heartbeat_interval = Duration{0}; }
  static bool opening(AssocState state) {
    return state == AssocState::kCookieWait || state == AssocState::kCookieEchoed;
  }
  Write shutdown_up_to(Tsn cum) {
    return [=](PacketWriter& w) { return wire::write_shutdown(w, cum); };
  }
  Status shut() { return host().shard().shutdown(now, host().assoc); }
  // Away with it: the next one has other tags, ports and numbers.
  void leave() {
    host().shard().abort(now, host().assoc, {});
    listen();
    ASSERT_EQ(host().shard().association_count(), 0u);
    host().events.clear();
    peer_tag = VerificationTag(peer_tag.value + 1);
    peer_port = PortNumber(static_cast<uint16_t>(peer_port.value + 1));
    peer_tsn = peer_tsn + 1000;
    peer_ssn = 0;
  }
  // Up to the next moment at which the host has something to do.
  void pass_to_deadline() {
    now = std::max(now, host().shard().next_deadline());
    host().advance(now);
  }
};

}  // namespace trunkline::test
