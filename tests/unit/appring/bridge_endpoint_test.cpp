// SPDX-License-Identifier: BSD-3-Clause
// Endpoints, listeners and connects: addresses, profiles, ports, turns, limits; and asking.
#include <cerrno>
#include <string>

#include "ring_harness.h"

namespace trunkline::test {
namespace {

using appring::RingCounter;

class EndpointTest : public RingHarness {};

// ---------------------------------------------------------------- endpoints

TEST_F(EndpointTest, ConnectFailureEndsTheAssociation) {
  tl_lane* const lane = lane_of(attach());
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 4000, &assoc, 8), 0);
  EXPECT_EQ(send(lane, assoc, "too early"), -ENOTCONN);
  turn();
  const Got failed = only(poll(lane), TL_EVENT_CONNECT_FAILED);
  EXPECT_EQ(failed.event.assoc, assoc);
  EXPECT_EQ(failed.event.user, 8U);
  EXPECT_EQ(failed.event.reason, TL_REASON_REFUSED);
  EXPECT_EQ(failed.event.error, -ECONNABORTED);
  EXPECT_EQ(send(lane, assoc, "x"), -ENOTCONN);
  EXPECT_EQ(bridge.endpoints_in_use(), 0U);
  EXPECT_EQ(shard.endpoints.size(), 1U);  // the configured one
}

TEST_F(EndpointTest, EndpointsTakeAddressesAndProfilesFromTheConfiguration) {
  tl_lane* const lane = lane_of(attach());
  ASSERT_EQ(listen(lane, 2905), 0);
  ASSERT_EQ(listen(lane, 3000), 0);
  ASSERT_EQ(listen(lane, 3001, nullptr, 0, "fast"), 0);
  ASSERT_EQ(shard.endpoints.size(), 3U);
  EXPECT_EQ(shard.endpoints[1].addresses[0], IpAddress::ipv4(198, 51, 100, 1));
  EXPECT_EQ(shard.endpoints[1].profile.rto_initial, std::chrono::milliseconds(120));
  EXPECT_EQ(shard.endpoints[1].out_of_blue, OutOfBlue::kSilent);
  EXPECT_TRUE(shard.endpoints[2].addresses.empty()) << "all that the host has";
  EXPECT_EQ(shard.endpoints[2].out_of_blue, OutOfBlue::kAnswer);
  EXPECT_EQ(shard.endpoints[2].profile.rto_initial, std::chrono::seconds(1));
  EXPECT_EQ(shard.endpoints[3].profile.rto_initial, std::chrono::milliseconds(120));
  EXPECT_EQ(listen(lane, 3002, nullptr, 0, "slow"), -ENOENT);
  EXPECT_NE(std::string(tl_last_error()).size(), 0U);
  EXPECT_EQ(counter(RingCounter::k_refuse_profile), 1U);
  // The profile's limit is the association's.
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 2905, &assoc), 0);
  turn();
  const tl_assoc server = only(poll(lane), TL_EVENT_ACCEPTED).event.assoc;
  EXPECT_EQ(send(lane, server, bytes(1000, 'x')), 0);
  EXPECT_EQ(send(lane, server, bytes(1001, 'x')), -EMSGSIZE);
}

// What comes to its port meets with the operator's wishes whether an application is there or not.
TEST_F(EndpointTest, ConfiguredEndpointsAreThereForGood) {
  ClientSetup other;
  other.uid = 2000;
  tl_lane* const lane = lane_of(attach());
  tl_lane* const other_user = lane_of(attach(other));
  ASSERT_EQ(shard.endpoints.size(), 1U);
  EXPECT_EQ(shard.endpoints[1].port, PortNumber(2905));
  EXPECT_EQ(shard.endpoints[1].out_of_blue, OutOfBlue::kSilent);
  EXPECT_FALSE(shard.listening[1]);
  EXPECT_EQ(bridge.endpoints_in_use(), 0U);
  tl_listener listener = 0;
  ASSERT_EQ(listen(lane, 2905, &listener), 0);
  EXPECT_TRUE(shard.listening[1]);
  EXPECT_EQ(listen(other_user, 2905), -EADDRINUSE);
  ASSERT_EQ(tl_unlisten(lane, listener), 0);
  turn();
  EXPECT_EQ(shard.endpoints.size(), 1U);
  EXPECT_FALSE(shard.listening[1]);
  EXPECT_EQ(listen(other_user, 2905), 0);  // nobody's again
  EXPECT_EQ(shard.endpoints.size(), 1U);
}

// At another worker, that is: here the bridge would know.
TEST_F(EndpointTest, AConfiguredEndpointIsTakenAtAllWorkersOrNotAtAll) {
  tl_lane* const lane = lane_of(attach());
  shard.next_owner = Status::kAlreadyExists;
  EXPECT_EQ(listen(lane, 2905), -EADDRINUSE);
  EXPECT_EQ(counter(RingCounter::k_refuse_port_in_use), 1U);
  EXPECT_EQ(bridge.endpoints_in_use(), 0U);
  shard.next_owner = Status::kOk;
  tl_listener listener = 0;
  ASSERT_EQ(listen(lane, 2905, &listener), 0);
  EXPECT_NE(shard.endpoints[1].owner, 0U);
  ASSERT_EQ(tl_unlisten(lane, listener), 0);
  turn();
  EXPECT_EQ(shard.endpoints[1].owner, 0U) << "nobody's again";
}

// One port with two endpoints, as the operator wants it.
class TwoOnOnePortTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    out.local_addresses = {IpAddress::ipv4(192, 0, 2, 1), IpAddress::ipv4(198, 51, 100, 1)};
    out.endpoints.push_back(out.endpoints[0]);  // of 198.51.100.1
    out.endpoints[1].addresses = {IpAddress::ipv4(192, 0, 2, 1)};
    out.endpoints[1].profile = "";
    return out;
  }
  TwoOnOnePortTest() : RingHarness(config()) {}
  int listen_at(tl_lane* lane, std::vector<const char*> local, tl_listener* out = nullptr) {
    return with_daemon([&] { return open_listener(lane, {.port = 2905, .local = local}, out); });
  }
};

TEST_F(TwoOnOnePortTest, WhoUsesOneSaysWhich) {
  ClientSetup other;
  other.uid = 2000;
  tl_lane* const a = lane_of(attach());
  tl_lane* const b = lane_of(attach(other));
  ASSERT_EQ(shard.endpoints.size(), 2U);
  EXPECT_EQ(listen_at(a, {}), -EADDRNOTAVAIL);
  EXPECT_EQ(counter(RingCounter::k_refuse_local_address), 1U);
  tl_listener listener = 0;
  ASSERT_EQ(listen_at(a, {"198.51.100.1"}), 0);
  ASSERT_EQ(listen_at(b, {"192.0.2.1"}, &listener), 0);
  EXPECT_EQ(listen_at(a, {"192.0.2.1"}), -EADDRINUSE);
  EXPECT_EQ(listen_at(b, {"198.51.100.1"}), -EADDRINUSE);
  EXPECT_EQ(shard.endpoints.size(), 2U) << "those that were there";
  EXPECT_TRUE(shard.listening[1]);
  EXPECT_TRUE(shard.listening[2]);
  EXPECT_EQ(shard.endpoints[1].profile.rto_initial, std::chrono::milliseconds(120));
  EXPECT_EQ(shard.endpoints[2].profile.rto_initial, std::chrono::seconds(1));
  ASSERT_EQ(tl_unlisten(b, listener), 0);
  turn();
  EXPECT_TRUE(shard.listening[1]);
  EXPECT_FALSE(shard.listening[2]);
  EXPECT_EQ(listen_at(a, {"192.0.2.1"}), 0);
}

TEST_F(TwoOnOnePortTest, EachGetsItsOwnAssociations) {
  tl_lane* const lane = lane_of(attach());
  ASSERT_EQ(with_daemon([&] {
              return open_listener(lane, {.port = 2905, .user = 1, .local = {"198.51.100.1"}});
            }),
            0);
  ASSERT_EQ(with_daemon([&] {
              return open_listener(lane, {.port = 2905, .user = 2, .local = {"192.0.2.1"}});
            }),
            0);
  for (uint32_t endpoint = 1; endpoint <= 2; ++endpoint) {
    shard.accept(EndpointId(endpoint), shard.endpoints[endpoint].user);
    turn();
    EXPECT_EQ(only(poll(lane), TL_EVENT_ACCEPTED).event.user, endpoint);
  }
}

TEST_F(EndpointTest, PortsThatAreNotGrantedAreRefused) {
  ClientSetup setup;
  setup.rights.ports = {{3000, 3010}};
  setup.rights.connect_from_any = false;
  tl_lane* const lane = lane_of(attach(setup));
  EXPECT_EQ(listen(lane, 2999), -EACCES);
  EXPECT_EQ(listen(lane, 3000), 0);
  EXPECT_EQ(listen(lane, 3011), -EACCES);
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 3000, &assoc), 0);
  turn();
  EXPECT_EQ(only(poll(lane), TL_EVENT_CONNECT_FAILED).event.error, -EACCES);
  EXPECT_EQ(counter(RingCounter::k_refuse_port), 3U);
  ASSERT_EQ(dial(lane, &assoc, {.port = 3000, .local_port = 3005}), 0);
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_CONNECTED), 1U);
}

TEST_F(EndpointTest, APortBelongsToOneUser) {
  ClientSetup other;
  other.uid = 2000;
  tl_lane* const first = lane_of(attach());
  tl_lane* const same_user = lane_of(attach());
  tl_lane* const other_user = lane_of(attach(other));
  ASSERT_EQ(listen(first, 5000), 0);
  EXPECT_EQ(listen(same_user, 5000), 0);
  EXPECT_EQ(listen(other_user, 5000), -EADDRINUSE);
  EXPECT_EQ(counter(RingCounter::k_refuse_port_in_use), 1U);
  EXPECT_EQ(bridge.endpoints_in_use(), 1U);
}

TEST_F(EndpointTest, ListenersTakeTurns) {
  tl_lane* const a = lane_of(attach());
  tl_lane* const b = lane_of(attach());
  tl_lane* const c = lane_of(attach());
  tl_listener listener_b = 0;
  ASSERT_EQ(listen(a, 5000), 0);
  ASSERT_EQ(listen(b, 5000, &listener_b), 0);
  for (int i = 0; i < 6; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(c, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(a), TL_EVENT_ACCEPTED), 3U);
  EXPECT_EQ(count(poll(b), TL_EVENT_ACCEPTED), 3U);
  ASSERT_EQ(tl_unlisten(b, listener_b), 0);
  EXPECT_EQ(tl_unlisten(b, listener_b), -ENOENT);
  turn();
  for (int i = 0; i < 4; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(c, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(a), TL_EVENT_ACCEPTED), 4U);
  EXPECT_EQ(count(poll(b), TL_EVENT_ACCEPTED), 0U);
}

TEST_F(EndpointTest, AcceptsGoToTheLaneOfThisWorkerFirst) {
  tl_lane* const any = lane_of(attach());
  tl_lane* const here = lane_of(attach());
  tl_lane* const client = lane_of(attach());
  ASSERT_EQ(listen(any, 5000), 0);
  ASSERT_EQ(with_daemon([&] { return open_listener(here, {.affinity = 0}); }), 0);
  for (int i = 0; i < 4; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(client, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(any), TL_EVENT_ACCEPTED), 0U);
  EXPECT_EQ(count(poll(here), TL_EVENT_ACCEPTED), 4U);
}

TEST_F(EndpointTest, NobodyListensAnyMore) {
  tl_lane* const lane = lane_of(attach());
  tl_listener listener = 0;
  ASSERT_EQ(listen(lane, 5000, &listener), 0);
  const EndpointId endpoint(shard.endpoints.begin()->first);
  const uint64_t user = shard.endpoints.begin()->second.user;
  shard.accept(endpoint, user);
  ASSERT_EQ(tl_unlisten(lane, listener), 0);
  turn();  // the listener goes before the event is delivered
  EXPECT_EQ(counter(RingCounter::k_refuse_accept_no_listener), 1U);
  EXPECT_EQ(shard.aborts, 1U);
  EXPECT_EQ(bridge.associations(), 0U);
  EXPECT_EQ(bridge.endpoints_in_use(), 0U);
}

TEST_F(EndpointTest, AssociationLimitOfALane) {
  ClientSetup setup;
  setup.limits.max_associations = 3;
  tl_lane* const lane = lane_of(attach(setup));
  tl_lane* const client = lane_of(attach());
  ASSERT_EQ(listen(lane, 5000), 0);
  for (int i = 0; i < 5; ++i) {
    tl_assoc assoc = 0;
    ASSERT_EQ(connect(client, 5000, &assoc), 0);
  }
  turn();
  EXPECT_EQ(count(poll(lane), TL_EVENT_ACCEPTED), 3U);
  EXPECT_EQ(counter(RingCounter::k_refuse_association_limit), 2U);
  EXPECT_EQ(count(poll(client), TL_EVENT_LOST), 2U);
}

// Limits follow the profile that the stack takes for a peer: the longest prefix.
class PeerProfileTest : public RingHarness {
 protected:
  static appring::BridgeConfig config() {
    appring::BridgeConfig out = test_bridge_config();
    Profile wide;
    wide.max_message_size = 300;
    Profile narrow;
    narrow.max_message_size = 200;
    out.peers = std::make_shared<const PeerTable>(std::vector<PeerProfile>{
        {IpAddress::ipv4(192, 0, 2, 0), 28, narrow}, {IpAddress::ipv4(192, 0, 0, 0), 16, wide}});
    return out;
  }
  PeerProfileTest() : RingHarness(config()) {}
};

TEST_F(PeerProfileTest, LimitsAreThoseOfThePeer) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);  // the peer is 192.0.2.7, seen from either side
  EXPECT_EQ(shard.endpoints.begin()->second.peers->size(), 2U);
  for (const tl_assoc assoc : {pair.client, pair.server}) {
    EXPECT_EQ(send(lane, assoc, bytes(201, 'x')), -EMSGSIZE);
    EXPECT_EQ(send(lane, assoc, bytes(200, 'x')), 0);
  }
}

TEST_F(EndpointTest, ConnectNamesAddressesAndProfile) {
  tl_lane* const lane = lane_of(attach());
  ASSERT_EQ(listen(lane, 5000), 0);
  tl_assoc assoc = 0;
  ASSERT_EQ(connect(lane, 5000, &assoc), 0);
  turn();
  EXPECT_EQ(shard.last_connect_profile, nullptr);
  tl_address addresses[2]{};
  ASSERT_EQ(tl_address_parse("192.0.2.7", &addresses[0]), 0);
  ASSERT_EQ(tl_address_parse("2001:db8::7", &addresses[1]), 0);
  tl_connect_options options{};
  options.addresses = addresses;
  options.address_count = 2;
  options.peer_port = 5000;
  options.profile = "fast";
  options.affinity = TL_ANY_WORKER;
  ASSERT_EQ(tl_connect(lane, &options, &assoc), 0);
  turn();
  ASSERT_NE(shard.last_connect_profile, nullptr);
  EXPECT_EQ(shard.last_connect_profile->max_message_size, 1000U);
  ASSERT_EQ(shard.last_connect_addresses.size(), 2U);
  EXPECT_EQ(shard.last_connect_addresses[1], *IpAddress::parse("2001:db8::7"));
  options.profile = "nonesuch";
  ASSERT_EQ(tl_connect(lane, &options, &assoc), 0);
  turn();
  EXPECT_EQ(only(poll(lane), TL_EVENT_CONNECT_FAILED).event.error, -ENOENT);
}

// ---------------------------------------------------------------- asking

TEST_F(EndpointTest, QueryAndHeartbeat) {
  tl_lane* const lane = lane_of(attach());
  const Pair pair = join(lane, lane);
  tl_assoc_info info{};
  ASSERT_EQ(with_daemon([&] { return tl_assoc_query(lane, pair.client, &info); }), 0);
  EXPECT_STREQ(info.state, "ESTABLISHED");
  EXPECT_EQ(info.outbound_streams, 10);
  EXPECT_EQ(info.path_count, 3U);
  EXPECT_EQ(info.paths[2].cwnd, 4380U);
  EXPECT_EQ(info.paths[2].rto_us, 300000U);
  EXPECT_EQ(info.paths[2].state, TL_PATH_POTENTIALLY_FAILED);
  EXPECT_EQ(info.paths[2].mtu, 1400U);
  EXPECT_EQ(info.paths[2].heartbeats_sent, 7U);
  EXPECT_EQ(info.paths[2].failovers, 3U);
  EXPECT_EQ(info.max_message, 16384U);
  char text[64];
  EXPECT_STREQ(tl_address_text(&info.paths[2].remote, text, sizeof(text)), "192.0.2.33");
  tl_address address{};
  ASSERT_EQ(tl_address_parse("192.0.2.9", &address), 0);
  EXPECT_EQ(with_daemon([&] { return tl_assoc_heartbeat(lane, pair.client, &address); }), 0);
  ASSERT_EQ(shard.heartbeats.size(), 1U);
  EXPECT_EQ(shard.heartbeats[0], IpAddress::ipv4(192, 0, 2, 9));
  ASSERT_EQ(tl_address_parse("0.0.0.0", &address), 0);
  EXPECT_EQ(with_daemon([&] { return tl_assoc_heartbeat(lane, pair.client, &address); }),
            -EADDRNOTAVAIL);
  EXPECT_EQ(with_daemon([&] { return tl_assoc_set_primary(lane, pair.client, &address); }),
            -EADDRNOTAVAIL);
  ASSERT_EQ(tl_address_parse("2001:db8::9", &address), 0);
  EXPECT_EQ(with_daemon([&] { return tl_assoc_set_primary(lane, pair.client, &address); }), 0);
  ASSERT_EQ(shard.primaries.size(), 1U);
  EXPECT_EQ(shard.primaries[0], *IpAddress::parse("2001:db8::9"));
  EXPECT_EQ(shard.heartbeats.size(), 1U);
  // Events that arrive while a call waits are not lost.
  ASSERT_EQ(send(lane, pair.server, "meanwhile"), 0);
  ASSERT_EQ(with_daemon([&] { return tl_assoc_query(lane, pair.client, &info); }), 0);
  turn();
  EXPECT_EQ(only(poll(lane), TL_EVENT_MESSAGE).text, "meanwhile");
}

}  // namespace
}  // namespace trunkline::test
