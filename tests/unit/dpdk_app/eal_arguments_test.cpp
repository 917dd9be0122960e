// SPDX-License-Identifier: BSD-3-Clause
// DPDK's command line, as made from the configuration.
#include <gtest/gtest.h>

#include <algorithm>

#include "eal.h"

namespace trunkline {
namespace {

using Words = std::vector<std::string>;

TEST(EalArguments, VirtualPortsWithoutHugePages) {
  config::Config config;
  config.eal.file_prefix = "abc";
  config.eal.huge_pages = false;
  config.eal.memory_mib = 128;
  config.ports.resize(1);
  config.ports[0].device = "net_memif0,role=server";
  const Words wanted{
      "--lcores=0@(0,1,5),1@(0,1,5)", "--file-prefix=abc", "-m",      "128", "--no-telemetry",
      "--log-level=warning",          "--no-huge",         "--no-pci"};
  EXPECT_EQ(eal_arguments(config, {0, 1, 5}), wanted);
  EXPECT_TRUE(shares_cores(config));

  config.workers.count = 3;
  EXPECT_EQ(eal_arguments(config, {0, 1})[0], "--lcores=0@(0,1),1@(0,1),2@(0,1),3@(0,1)");
}

TEST(EalArguments, NicsAndPinnedCores) {
  config::Config config;
  config.eal.control_core = 0;
  config.workers.count = 2;
  config.workers.cores = {3, 2};
  config.eal.extra_args = {"--iova-mode=va"};
  config.ports.resize(3);
  config.ports[0].device = "0000:3b:00.0";
  config.ports[1].device = "net_null0";
  config.ports[2].device = "0000:3b:00.1";
  const Words wanted{
      "--lcores=0@0,1@3,2@2", "--file-prefix=trunkline", "-m", "512",          "--no-telemetry",
      "--log-level=warning",  "--huge-unlink",           "-a", "0000:3b:00.0", "-a",
      "0000:3b:00.1",         "--iova-mode=va"};
  EXPECT_EQ(eal_arguments(config, {0, 1, 2, 3}), wanted);
  EXPECT_FALSE(shares_cores(config));
}

}  // namespace
}  // namespace trunkline
