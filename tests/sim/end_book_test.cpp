// SPDX-License-Identifier: BSD-3-Clause
// The books on endpoints catch what is planted, and know who speaks at a port.
#include "end_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trunkline::sim {
namespace {

using ::testing::UnorderedElementsAre;

class Book : public testing::Test {
 protected:
  Book() { ends.set_host(0, {kOne, kTwo, kSix}, 2); }
  static BoundAddresses bound(std::vector<IpAddress> list) { return *BoundAddresses::of(list); }
  uint8_t open(PortNumber port, std::vector<IpAddress> list) {
    return ends.opened(kNow, 0, port, bound(std::move(list)));
  }
  std::vector<IpAddress> told(const IpAddress& peer, const IpAddress& address) {
    std::vector<IpAddress> out;
    EXPECT_TRUE(ends.told_to(peer, 0, address, kPort, out));
    return out;
  }

  static constexpr TimePoint kNow = TimePoint::from_ns(1);
  static constexpr PortNumber kPort{7000};
  static constexpr PortNumber kDynamic{50'000};
  const IpAddress kOne = IpAddress::ipv4(192, 0, 2, 1);
  const IpAddress kTwo = IpAddress::ipv4(198, 51, 100, 1);
  const IpAddress kSix = *IpAddress::parse("2001:db8::1");
  const IpAddress kPeer = IpAddress::ipv4(192, 0, 2, 2);
  const IpAddress kLoop = IpAddress::ipv4(127, 0, 0, 1);
  const IpAddress kSecondLoop = IpAddress::ipv4(127, 0, 0, 2);
  const IpAddress kLoop6 = *IpAddress::parse("::1");
  const IpAddress kAll4 = IpAddress::ipv4(0, 0, 0, 0);
  Verdict verdict;
  EndBook ends{verdict};
};

TEST_F(Book, EndpointsOfOnePortAreToldApartByTheirAddresses) {
  EXPECT_EQ(open(kPort, {kOne, kLoop}), 0);
  EXPECT_EQ(open(kPort, {kTwo, kSix}), 1);
  EXPECT_EQ(ends.end_of(0, kLoop, kPort), 0);
  EXPECT_EQ(ends.end_of(0, kSix, kPort), 1);
  EXPECT_EQ(ends.end_of(1, kSix, kPort), 0) << "of another host nothing is known";
  EXPECT_FALSE(verdict.failed());
}

TEST_F(Book, TwoEndpointsWithAPortAndAnAddressInCommonAreAFault) {
  open(kPort, {kOne, kTwo});
  open(kDynamic, {kTwo});
  EXPECT_FALSE(verdict.failed());
  open(kPort, {kTwo, kSix});
  EXPECT_TRUE(verdict.failed());
}

TEST_F(Book, AWildcardEndpointIsEverywhereInItsFamily) {
  open(kPort, {kAll4});
  open(kPort, {kSix});
  EXPECT_FALSE(verdict.failed());
  open(kPort, {kSecondLoop});
  EXPECT_TRUE(verdict.failed());
}

TEST_F(Book, APortThatCameBackMayBeGivenAgain) {
  open(kPort, {kOne});
  ends.closed(0, kPort, bound({kOne}));
  EXPECT_EQ(open(kPort, {kOne}), 0) << "the same endpoint";
  ends.crashed(0);
  EXPECT_EQ(open(kPort, {kTwo}), 0) << "the first after a crash, whatever its addresses";
  EXPECT_FALSE(verdict.failed());
}

TEST_F(Book, WhatPeersAreToldIsWhatMeansSomethingToThem) {
  open(kPort, {kOne, kLoop, kSecondLoop});
  EXPECT_THAT(told(kPeer, kOne), UnorderedElementsAre(kOne));
  EXPECT_THAT(told(kLoop, kLoop), UnorderedElementsAre(kOne, kLoop, kSecondLoop));
  ends.crashed(0);
  open(kPort, {});
  EXPECT_THAT(told(kPeer, kOne), UnorderedElementsAre(kOne, kTwo, kSix));
  EXPECT_THAT(told(kLoop6, kLoop6), UnorderedElementsAre(kOne, kTwo, kSix, kLoop, kLoop6));
}

TEST_F(Book, NoPortIsLeftOnlyWhereAllAreTaken) {
  open(kDynamic, {kOne});
  open(PortNumber(50'001), {kOne, kLoop});
  ends.refused(kNow, 0, bound({kOne, kSix}));
  EXPECT_FALSE(verdict.failed());
  ends.refused(kNow, 0, bound({kSecondLoop}));
  EXPECT_TRUE(verdict.failed()) << "one is in use there, two were free";
}

TEST_F(Book, OnlyPortsThatMeetWithinAHostDoSo) {
  ends.expect_within(0, kDynamic, kPort);
  EXPECT_TRUE(ends.is_within(0, kPort, kDynamic));
  EXPECT_FALSE(ends.is_within(0, kPort, PortNumber(50'001)));
  EXPECT_FALSE(ends.is_within(1, kPort, kDynamic));
}

}  // namespace
}  // namespace trunkline::sim
