// SPDX-License-Identifier: BSD-3-Clause
// Which addresses a peer must list: any, or just those that were named or configured.
#include "support/pair.h"

namespace trunkline::test {
namespace {

class AddressLists : public Peer {
 protected:
  AddressLists() {
    setup.addresses = {host_address, ip("192.0.2.2")};
    setup.profile.peer_address_check = AddressCheck::kExact;
    const IpAddress other = ip("203.0.113.9");
    for (const auto& [address, number] : {std::pair{first, 1u}, {second, 1u}, {other, 2u}}) {
      setup.peer_profiles.push_back({address, 32, setup.profile, number});
    }
  }
  void expect_refused(const std::vector<IpAddress>& listed) {
    const uint64_t before = host().count(Counter::k_drop_peer_addresses);
    peer_list = listed;
    send_init();
    const Packet answer = hear_one();
    EXPECT_EQ(answer.names(), "ABORT");
    EXPECT_EQ(answer.header().verification_tag, peer_tag);
    EXPECT_EQ(causes(answer), std::vector{CauseCode::kProtocolViolation});
    EXPECT_EQ(host().count(Counter::k_drop_peer_addresses), before + 1);
    EXPECT_EQ(host().shard().association_count(), 0u);
  }

  const IpAddress first = ip("198.51.100.1");
  const IpAddress second = ip("198.51.100.2");
};

TEST_F(AddressLists, ACallerWithTheConfiguredAddressesIsAccepted) {
  peer_list = {second, first};
  open();
  EXPECT_EQ(host().status().paths.size(), 2u);
}

TEST_F(AddressLists, TheSourceNeedNotBeListed) {
  peer_list = {second};
  open();
  EXPECT_EQ(host().status().paths.size(), 2u);
}

TEST_F(AddressLists, ACallerWithFewerAddressesIsRefused) {
  expect_refused({});
  expect_refused({first});
}

TEST_F(AddressLists, ACallerWithMoreAddressesIsRefused) {
  expect_refused({first, second, ip("198.51.100.3")});
  expect_refused({first, second, ip("203.0.113.9")});
}

TEST_F(AddressLists, AddressesOfNoUseHereCountForNothing) {
  peer_list = {first, second, ip("2001:db8::7")};
  open();
  EXPECT_EQ(host().status().paths.size(), 2u);
}

TEST_F(AddressLists, AStrangerIsRefusedWhereTheEndpointIsExact) {
  peer_address = ip("203.0.113.77");
  expect_refused({});
}

TEST_F(AddressLists, LooseTakesWhatIsListed) {
  setup.profile.peer_address_check = AddressCheck::kLoose;
  setup.peer_profiles.clear();
  peer_list = {first, ip("198.51.100.3")};
  open();
  EXPECT_EQ(host().status().paths.size(), 2u);
  EXPECT_EQ(host().count(Counter::k_drop_peer_addresses), 0u);
}

TEST_F(AddressLists, ACalledPeerMustListTheNamedAddresses) {
  ASSERT_EQ(host().connect(now, {first, second}, peer_port).status, Status::kOk);
  peer_list = {first, second};
  ASSERT_EQ(answer_up_to_cookie_echo().names(), "COOKIE ECHO");
}

TEST_F(AddressLists, ACalledPeerWithOtherAddressesIsRefused) {
  for (const std::vector<IpAddress>& listed :
       {std::vector{first}, {first, second, ip("198.51.100.3")}, {first, ip("198.51.100.3")}}) {
    start_over();
    ASSERT_EQ(host().connect(now, {first, second}, peer_port).status, Status::kOk);
    peer_list = listed;
    const Packet answer = answer_up_to_cookie_echo();
    EXPECT_EQ(answer.names(), "ABORT");
    EXPECT_EQ(answer.header().verification_tag, peer_tag);
    EXPECT_EQ(answer.destination, first);
    EXPECT_EQ(host().count(EventKind::kConnectFailed), 1u);
    EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kPeerViolation);
    EXPECT_EQ(host().count(Counter::k_drop_peer_addresses), 1u);
  }
}

TEST_F(AddressLists, ARestartMustListThemToo) {
  peer_list = {first, second};
  open();
  peer_list = {first};
  peer_tag = VerificationTag(0x55667788);
  send_init();
  EXPECT_EQ(names(listen()), "ABORT");
  EXPECT_EQ(host().count(Counter::k_drop_peer_addresses), 1u);
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(AddressLists, ACollisionMustListThemToo) {
  ASSERT_EQ(host().connect(now, {first, second}, peer_port).status, Status::kOk);
  EXPECT_EQ(hear(), "INIT");
  peer_list = {first};
  send_init();
  EXPECT_EQ(hear(), "ABORT");
  EXPECT_EQ(host().state(), AssocState::kCookieWait)
      << "whoever is the right peer may still answer";
  peer_list = {first, second};
  send_init();
  EXPECT_EQ(hear(), "INIT ACK");
}

}  // namespace
}  // namespace trunkline::test
