// SPDX-License-Identifier: BSD-3-Clause
// A Peer that brings the host's association into any state of RFC 9260 section 4, for rules that
// hold in all of them or in one.
#pragma once

#include <array>

#include "pair.h"

namespace trunkline::test {

class InEveryState : public Peer {
 protected:
  static constexpr std::array kStates = {AssocState::kCookieWait,     AssocState::kCookieEchoed,
                                         AssocState::kEstablished,    AssocState::kShutdownPending,
                                         AssocState::kShutdownSent,   AssocState::kShutdownReceived,
                                         AssocState::kShutdownAckSent};

  InEveryState() { setup.profile.heartbeat_interval = Duration{0}; }
  static bool opening(AssocState state) {
    return state == AssocState::kCookieWait || state == AssocState::kCookieEchoed;
  }
  Write shutdown_up_to(Tsn cum) {
    return [=](PacketWriter& w) { return wire::write_shutdown(w, cum); };
  }
  Status shut() { return host().shard().shutdown(now, host().assoc); }
  // From nothing into `state`, with nothing left to say. In SHUTDOWN-PENDING and SHUTDOWN-RECEIVED
  // one message is not acknowledged.
  void enter(AssocState state) {
    if (opening(state)) {
      ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
      if (state == AssocState::kCookieEchoed) {
        ASSERT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
      } else {
        ASSERT_EQ(hear(), "INIT");
        host_tag = host().status().local_tag;
      }
      ASSERT_EQ(host().state(), state);
      return;
    }
    open();
    if (state == AssocState::kShutdownPending || state == AssocState::kShutdownReceived) {
      ASSERT_EQ(host().send(now, "under way"), Status::kOk);
      ASSERT_EQ(hear(), "DATA");
    }
    if (state == AssocState::kShutdownPending || state == AssocState::kShutdownSent) {
      ASSERT_EQ(shut(), Status::kOk);
    }
    if (state == AssocState::kShutdownReceived) tell(shutdown_up_to(last_tsn() - 1));
    if (state == AssocState::kShutdownAckSent) tell(shutdown_up_to(last_tsn()));
    listen();
    ASSERT_EQ(host().state(), state);
  }
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
