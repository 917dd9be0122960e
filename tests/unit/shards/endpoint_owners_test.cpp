// SPDX-License-Identifier: BSD-3-Clause
// An endpoint at several shards of one host, and who comes to own it afterwards.
#include <gtest/gtest.h>

#include "support/ip.h"
#include "trunkline/stack/stack.h"

namespace trunkline {
namespace {

class EndpointOwners : public testing::Test {
 protected:
  static constexpr uint64_t kNobody = 0;
  static constexpr uint64_t kAlice = 5;
  static constexpr uint64_t kBob = 6;

  EndpointId add(Shard& shard) {
    EndpointConfig endpoint;
    endpoint.port = PortNumber(2905);
    endpoint.addresses = {test::ip("192.0.2.1")};
    const EndpointResult result = shard.add_endpoint(endpoint);
    EXPECT_EQ(result.status, Status::kOk);
    return result.endpoint;
  }
  [[nodiscard]] ShardConfig shard_of_the_host() const {
    ShardConfig out;
    out.ports = ports.get();
    return out;
  }

  PortTablePtr ports = make_port_table();
  SeededRandom random{1};
  DirectoryPtr directory = make_directory(random, 16);
  const TimePoint now = TimePoint::from_ns(1'000'000'000);
  Shard one{shard_of_the_host(), *directory, random, now};
  Shard two{shard_of_the_host(), *directory, random, now};
};

TEST_F(EndpointOwners, TheFirstWhoAsksHasItAtAllShards) {
  const EndpointId here = add(one);
  const EndpointId there = add(two);
  EXPECT_EQ(one.own_endpoint(here, kAlice), Status::kOk);
  EXPECT_EQ(one.own_endpoint(here, kBob), Status::kAlreadyExists);
  EXPECT_EQ(two.own_endpoint(there, kBob), Status::kAlreadyExists);
  EXPECT_EQ(two.own_endpoint(there, kAlice), Status::kOk);
}

TEST_F(EndpointOwners, ItIsFreeWhenTheLastShardHasGivenItUp) {
  const EndpointId here = add(one);
  const EndpointId there = add(two);
  ASSERT_EQ(one.own_endpoint(here, kAlice), Status::kOk);
  ASSERT_EQ(two.own_endpoint(there, kAlice), Status::kOk);
  ASSERT_EQ(one.own_endpoint(here, kAlice), Status::kOk) << "asks again, and has it once";
  EXPECT_EQ(one.own_endpoint(here, kNobody), Status::kOk);
  EXPECT_EQ(one.own_endpoint(here, kNobody), Status::kOk) << "nobody's already";
  EXPECT_EQ(one.own_endpoint(here, kBob), Status::kAlreadyExists) << "the other shard's is left";
  EXPECT_EQ(two.own_endpoint(there, kNobody), Status::kOk);
  EXPECT_EQ(one.own_endpoint(here, kBob), Status::kOk);
}

TEST_F(EndpointOwners, WhatIsClosedIsGivenBack) {
  const EndpointId here = add(one);
  const EndpointId there = add(two);
  ASSERT_EQ(one.own_endpoint(here, kAlice), Status::kOk);
  ASSERT_EQ(one.close_endpoint(here), Status::kOk);
  EXPECT_EQ(one.own_endpoint(here, kAlice), Status::kNoSuchEndpoint);
  EXPECT_EQ(one.own_endpoint(EndpointId(99), kAlice), Status::kNoSuchEndpoint);
  EXPECT_EQ(two.own_endpoint(there, kBob), Status::kOk);
}

}  // namespace
}  // namespace trunkline
