// SPDX-License-Identifier: BSD-3-Clause
// Cookies that no INIT of ours could have made, sealed with the shard's own key: what on_cookie()
// must not take for granted (RFC 9260 section 5.2.4).
#include <gtest/gtest.h>

#include "shards/shard_core.h"
#include "support/pair.h"

namespace trunkline::test {
namespace {

class CookieLists : public ::testing::Test {
 protected:
  CookieLists() : directory(make_directory(random, 100)), core({}, *directory, random, now) {
    EndpointConfig config;
    config.addresses = {host_address};
    config.port = host_port;
    config.listening = true;
    EXPECT_EQ(core.add_endpoint(config).status, Status::kOk);
  }
  void TearDown() override {
    drain();
    for (const AssocId id : core.associations()) core.find(id)->abort(core.ctx, {});
    core.reap();
    hear();
    drain();
  }
  void drain() {
    while (const QueuedEvent* const queued = core.ctx.events.front()) {
      restarts += queued->event.kind == EventKind::kRestarted ? 1 : 0;
      core.ctx.events.pop();
    }
  }
  void tell(VerificationTag tag, const Write& write) {
    const Packet packet = build(peer_address, host_address, peer_port, host_port, tag, write);
    const PacketIn in{packet.source, packet.destination, packet.bytes};
    core.receive(now, {&in, 1});
    drain();
  }
  std::vector<Packet> hear() {
    std::vector<Packet> out;
    std::vector<uint8_t> room(2048);
    PacketOut packet;
    packet.room = room;
    while (core.transmit(now, {&packet, 1}) == 1) {
      out.push_back({packet.source, packet.destination,
                     std::vector<uint8_t>(room.begin(), room.begin() + packet.length)});
    }
    return out;
  }
  // The cookie that an INIT with that tag draws, opened.
  Cookie cookie_for(VerificationTag tag) {
    tell(VerificationTag(0), [&](PacketWriter& w) {
      return wire::write_init(w, {tag, 100000, 10, 10, Tsn(1)}, {});
    });
    const std::vector<Packet> answer = hear();
    EXPECT_EQ(names(answer), "INIT ACK");
    const auto parsed = wire::InitChunk::parse(answer.at(0).chunks()[0], true);
    Cookie cookie;
    EXPECT_TRUE(core.ctx.cookies.open(now, parsed.init.cookie, cookie));
    return cookie;
  }
  void echo(const Cookie& cookie) {
    std::array<uint8_t, CookieJar::kMaxSize> sealed;
    const size_t size = core.ctx.cookies.seal(now, cookie, sealed);
    tell(cookie.local_tag, [&](PacketWriter& w) {
      return wire::write_cookie_echo(w, std::span(sealed).first(size));
    });
  }

  TimePoint now = kStart;
  SeededRandom random{3};
  DirectoryPtr directory;
  ShardCore core;
  size_t restarts = 0;
  const IpAddress host_address = ip("192.0.2.1");
  const IpAddress peer_address = ip("198.51.100.1");
  const PortNumber host_port{5000};
  const PortNumber peer_port{2905};
};

TEST_F(CookieLists, ARestartByACookieWithAnAddressThatTheAssociationLacksIsDiscarded) {
  echo(cookie_for(VerificationTag(0x55)));
  EXPECT_EQ(names(hear()), "COOKIE ACK");
  const Cookie sound = cookie_for(VerificationTag(0x66));
  Cookie more = sound;
  more.peer_addresses[more.peer_address_count++] = ip("198.51.100.66");
  echo(more);
  EXPECT_EQ(names(hear()), "");
  EXPECT_EQ(restarts, 0u);
  EXPECT_EQ(core.ctx.counters.get(Counter::k_drop_cookie_collision), 1u);
  AssocStatus status;
  core.find(core.associations()[0])->fill_status(core.ctx, status);
  EXPECT_EQ(status.peer_tag, VerificationTag(0x55));
  EXPECT_EQ(status.paths.size(), 1u);
  echo(sound);
  EXPECT_EQ(names(hear()), "COOKIE ACK");
  EXPECT_EQ(restarts, 1u);
}

}  // namespace
}  // namespace trunkline::test
