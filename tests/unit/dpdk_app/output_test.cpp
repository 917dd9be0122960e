// SPDX-License-Identifier: BSD-3-Clause
// Routing by source and destination, and the flow cache in front of it.
#include "net/output.h"

#include <gtest/gtest.h>

#include "net_helpers.h"

namespace trunkline::net {
namespace {

RouteTable two_ports() {
  LocalPort left = local_port();
  LocalPort right;
  right.mac = mac(0x02);
  right.vlan = 7;
  right.prefixes = {{ip("198.51.100.1"), 24}};
  return RouteTable({left, right});
}

TEST(Route, ByTheSourcesPort) {
  const RouteTable routes = two_ports();
  const auto route = [&](std::string_view from, std::string_view to) {
    return routes.route(ip(from), ip(to));
  };
  const Route direct = route("192.0.2.1", "192.0.2.77");
  EXPECT_EQ(direct.kind, RouteKind::kPort);
  EXPECT_EQ(direct.port, 0);
  EXPECT_EQ(direct.next_hop, ip("192.0.2.77"));
  EXPECT_EQ(route("192.0.2.1", "203.0.113.9").next_hop, ip("192.0.2.254"));
  EXPECT_EQ(route("2001:db8::1", "2001:db8:9::1").next_hop, ip("2001:db8::fe"));
  EXPECT_EQ(route("2001:db8::1", "fe80::5").next_hop, ip("fe80::5"));
  // The second path must not leave through the first port, though that has a gateway.
  EXPECT_EQ(route("198.51.100.1", "203.0.113.9").kind, RouteKind::kNoRoute);
  EXPECT_EQ(route("198.51.100.1", "192.0.2.77").kind, RouteKind::kNoRoute);
  EXPECT_EQ(route("198.51.100.1", "198.51.100.9").port, 1);
  EXPECT_EQ(route("10.0.0.1", "192.0.2.77").kind, RouteKind::kNoPort);
  EXPECT_EQ(route("192.0.2.1", "198.51.100.1").kind, RouteKind::kLoop);
}

// Loopback is every host's, and leaves by no port.
TEST(Route, LoopbackGoesRoundWhateverPortsThereAre) {
  for (const RouteTable& routes : {two_ports(), RouteTable({})}) {
    for (const char* to : {"127.0.0.1", "127.0.0.5", "127.255.255.255"}) {
      EXPECT_EQ(routes.route(ip("127.0.0.1"), ip(to)).kind, RouteKind::kLoop) << to;
      EXPECT_TRUE(routes.is_local(ip(to)));
      EXPECT_FALSE(routes.has(ip(to)));
    }
    EXPECT_EQ(routes.route(ip("::1"), ip("::1")).kind, RouteKind::kLoop);
    // Nor may it be the source of what leaves.
    EXPECT_EQ(routes.route(ip("127.0.0.1"), ip("192.0.2.77")).kind, RouteKind::kNoPort);
  }
}

class OutputTest : public testing::Test {
 protected:
  OutputVerdict send(std::string_view from, std::string_view to) {
    return output.resolve(now, ip(from), ip(to), actions,
                          [&](uint16_t port, const HeaderTemplate& header) -> PacketHandle {
                            prepared_port = port;
                            prepared.assign(header.size(), 0);
                            header.write(prepared.data(), 100, 0);
                            return this;
                          });
  }
  const Output::Flow* cached(std::string_view from, std::string_view to) {
    return output.cached(now, ip(from), ip(to));
  }

  RouteTable routes = two_ports();
  NeighbourTable left{{.max_entries = 16}};
  NeighbourTable right{{.max_entries = 16}};
  Output output{routes, {&left, &right}};
  NeighbourActions actions;
  TimePoint now = TimePoint::from_ns(1'000'000'000);
  int prepared_port = -1;
  Bytes prepared;
};

TEST_F(OutputTest, LoopbackAsksNoNeighbour) {
  EXPECT_EQ(send("127.0.0.1", "127.0.0.5").kind, OutputKind::kLoop);
  EXPECT_EQ(prepared_port, -1);
  ASSERT_NE(cached("127.0.0.1", "127.0.0.5"), nullptr);
  EXPECT_TRUE(cached("127.0.0.1", "127.0.0.5")->loop);
  EXPECT_EQ(send("127.0.0.1", "192.0.2.77").kind, OutputKind::kDropped);
}

TEST_F(OutputTest, WaitsThenIsCached) {
  EXPECT_EQ(send("192.0.2.1", "192.0.2.77").kind, OutputKind::kQueued);
  EXPECT_EQ(prepared_port, 0);
  EXPECT_EQ(cached("192.0.2.1", "192.0.2.77"), nullptr);
  left.learn(now, ip("192.0.2.77"), kPeerMac, {false, true, true}, actions);
  ASSERT_EQ(actions.ready.size(), 1u);
  EXPECT_EQ(actions.ready[0].packet, this);
  const OutputVerdict verdict = send("192.0.2.1", "192.0.2.77");
  ASSERT_EQ(verdict.kind, OutputKind::kSend);
  Bytes header(verdict.header->size());
  verdict.header->write(header.data(), 100, 0);
  EXPECT_EQ(MacAddress::from(header.data()), kPeerMac);
  // What waited needs nothing but the address of its neighbour.
  std::copy_n(header.begin(), 6, prepared.begin());
  EXPECT_EQ(prepared, header);
  const Output::Flow* flow = cached("192.0.2.1", "192.0.2.77");
  ASSERT_NE(flow, nullptr);
  EXPECT_EQ(flow->port, 0);
  EXPECT_EQ(cached("192.0.2.1", "192.0.2.78"), nullptr);
}

TEST_F(OutputTest, SecondPortAndItsTag) {
  right.learn(now, ip("198.51.100.9"), kPeerMac, {true, false, true}, actions);
  const OutputVerdict verdict = send("198.51.100.1", "198.51.100.9");
  ASSERT_EQ(verdict.kind, OutputKind::kSend);
  EXPECT_EQ(verdict.port, 1);
  EXPECT_EQ(verdict.header->size(), 38u);
}

TEST_F(OutputTest, CacheForgetsInTime) {
  send("192.0.2.1", "192.0.2.77");
  left.learn(now, ip("192.0.2.77"), kPeerMac, {false, true, true}, actions);
  send("192.0.2.1", "192.0.2.77");
  ASSERT_NE(cached("192.0.2.1", "192.0.2.77"), nullptr);
  now = now + std::chrono::seconds(29);
  EXPECT_NE(cached("192.0.2.1", "192.0.2.77"), nullptr);
  now = now + std::chrono::seconds(1);
  EXPECT_EQ(cached("192.0.2.1", "192.0.2.77"), nullptr);  // its neighbour wants to be asked
}

TEST_F(OutputTest, CacheForgetsAChangedNeighbour) {
  send("192.0.2.1", "192.0.2.77");
  left.learn(now, ip("192.0.2.77"), kPeerMac, {false, true, true}, actions);
  send("192.0.2.1", "192.0.2.77");
  left.learn(now, ip("192.0.2.77"), mac(0x99), {false, false, true, NewsSource::kVerdict}, actions);
  EXPECT_EQ(cached("192.0.2.1", "192.0.2.77"), nullptr);
  const OutputVerdict verdict = send("192.0.2.1", "192.0.2.77");
  Bytes header(verdict.header->size());
  verdict.header->write(header.data(), 0, 0);
  EXPECT_EQ(MacAddress::from(header.data()), mac(0x99));
}

TEST_F(OutputTest, InvalidateForgetsAll) {
  left.learn(now, ip("192.0.2.77"), kPeerMac, {true, true, true}, actions);
  send("192.0.2.1", "192.0.2.77");
  send("192.0.2.1", "198.51.100.1");
  output.invalidate();
  EXPECT_EQ(cached("192.0.2.1", "192.0.2.77"), nullptr);
  EXPECT_EQ(cached("192.0.2.1", "198.51.100.1"), nullptr);
}

TEST_F(OutputTest, LoopsToOurselves) {
  EXPECT_EQ(send("192.0.2.1", "198.51.100.1").kind, OutputKind::kLoop);
  ASSERT_NE(cached("192.0.2.1", "198.51.100.1"), nullptr);
  EXPECT_TRUE(cached("192.0.2.1", "198.51.100.1")->loop);
  EXPECT_TRUE(actions.empty());
}

TEST_F(OutputTest, EachReasonHasItsCounter) {
  EXPECT_EQ(send("10.0.0.1", "192.0.2.77").drop, NetCounter::k_drop_no_port);
  EXPECT_EQ(send("198.51.100.1", "203.0.113.9").drop, NetCounter::k_drop_no_route);
  for (uint32_t i = 0; i < NeighbourTable::kQueue; ++i) send("192.0.2.1", "192.0.2.77");
  const OutputVerdict full = send("192.0.2.1", "192.0.2.77");
  EXPECT_EQ(full.kind, OutputKind::kDropped);
  EXPECT_EQ(full.drop, NetCounter::k_drop_neighbour_queue);
  for (int i = 0; i < 40; ++i) {
    now = now + std::chrono::milliseconds(100);
    left.advance(now, actions);
  }
  send("192.0.2.1", "192.0.2.78");
  for (int i = 0; i < 31; ++i) {
    now = now + std::chrono::milliseconds(100);
    left.advance(now, actions);
  }
  EXPECT_EQ(send("192.0.2.1", "192.0.2.78").drop, NetCounter::k_drop_neighbour_unreachable);
  for (int i = 0; i < 16; ++i) {
    send("192.0.2.1", IpAddress::ipv4(192, 0, 2, static_cast<uint8_t>(100 + i)).to_string());
  }
  EXPECT_EQ(send("192.0.2.1", "192.0.2.200").drop, NetCounter::k_drop_neighbour_table);
}

}  // namespace
}  // namespace trunkline::net
