// SPDX-License-Identifier: BSD-3-Clause
// How the daemon's limits are divided among its workers.
#include "worker/worker_config.h"

#include <gtest/gtest.h>

#include "trunkline/stack/pool_share.h"

namespace trunkline::worker {
namespace {

TEST(WorkerConfig, OneWorkerHasEverything) {
  EXPECT_EQ(share_of(4096, 1), 4096u);
  EXPECT_EQ(share_of(0, 1), 0u);
}

TEST(WorkerConfig, SharesHoldTheWholeWithAMargin) {
  EXPECT_EQ(share_of(4096, 2), 2048u + 256u);
  EXPECT_EQ(share_of(4096, 4), 1024u + 128u);
  for (const uint16_t workers : {uint16_t{2}, uint16_t{3}, uint16_t{5}, uint16_t{64}}) {
    for (const uint64_t limit : {1u, 2u, 63u, 64u, 65u, 4097u, 1u << 20}) {
      EXPECT_GE(share_of(limit, workers) * workers, limit);
      EXPECT_LE(share_of(limit, workers), (limit + workers) * 9 / 8 / workers + 2);
    }
  }
}

// 0 switches a rate limit off: it stays off.
TEST(WorkerConfig, NoLimitStaysNone) {
  EXPECT_EQ(share_of(0, 3), 0u);
}

TEST(WorkerConfig, EachWorkerIsToldItsPlace) {
  config::Config config;
  config.workers.count = 2;
  config.profiles.push_back({"default", Profile{}});
  config.limits.max_associations = 100;
  config.limits.inits_per_second = 1000;
  config.limits.inits_per_second_per_source = 7;
  config.ports.resize(2);
  config.ports[0].addresses = {{IpAddress::ipv4(192, 0, 2, 1), 24}};
  config.ports[1].addresses = {{IpAddress::ipv4(10, 0, 0, 1), 8}};
  const WorkerConfig second = worker_config(config, 1);
  EXPECT_EQ(second.index, 1);
  EXPECT_EQ(second.count, 2);
  EXPECT_EQ(second.shard.index, 1);
  EXPECT_EQ(second.shard.count, 2);
  EXPECT_EQ(second.bridge.worker, 1);
  EXPECT_EQ(second.bridge.workers, 2);
  EXPECT_EQ(second.shard.max_associations, 57u);
  EXPECT_EQ(second.bridge.max_associations, 57u);
  EXPECT_EQ(second.shard.inits_per_second, 563u);
  EXPECT_EQ(second.shard.inits_per_second_per_source, 7u);
  EXPECT_EQ(second.shard.own_addresses,
            (std::vector{IpAddress::ipv4(192, 0, 2, 1), IpAddress::ipv4(10, 0, 0, 1)}))
      << "those of every port";
  EXPECT_EQ(second.shard.own_prefix_lengths, (std::vector<uint8_t>{24, 8}));
}

TEST(WorkerConfig, AnEighthOfTheAssociationsMayBeExtendedUnlessToldOtherwise) {
  config::Config config;
  config.profiles.push_back({"default", Profile{}});
  config.workers.count = 2;
  config.limits.max_associations = 1600;
  EXPECT_EQ(worker_config(config, 1).shard.max_extended, share_of(200, 2));
  config.limits.max_extended = 40;
  EXPECT_EQ(worker_config(config, 1).shard.max_extended, share_of(40, 2));
  config.limits = {};
  config.limits.max_associations = 1;
  EXPECT_EQ(worker_config(config, 0).shard.max_extended, share_of(1, 2));
}

// What clients may have under way between them never is half of a shard's pools: the shares of
// associations, which are smaller than those of clients, do not bind.
TEST(WorkerConfig, AClientsPartIsUsableByOneAssociation) {
  config::Config config;
  config.profiles.push_back({"default", Profile{}});
  for (const uint32_t workers : {1u, 2u, 3u}) {
    config.workers.count = static_cast<uint16_t>(workers);
    const WorkerConfig worker = worker_config(config, 0);
    const uint32_t clients = worker.bridge.max_units;
    EXPECT_GE(clients, config.limits.max_queued_messages / workers);
    const ShardConfig& shard = worker.shard;
    for (const uint32_t pool : {shard.max_queued_messages, shard.max_outstanding_chunks}) {
      const PoolShare share(pool, shard.max_associations, 8);
      EXPECT_TRUE(share.allows(clients - 1, pool - (clients - 1)));
      EXPECT_TRUE(share.allows(clients, pool - clients));
    }
  }
}

}  // namespace
}  // namespace trunkline::worker
