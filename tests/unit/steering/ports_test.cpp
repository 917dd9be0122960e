// SPDX-License-Identifier: BSD-3-Clause
// Every kind of port in front of one to four workers, over one path and two: whatever the NIC
// hashes, each packet comes to the shard that owns it in at most two hand-overs, and everything is
// delivered. docs/nics.md shows how many hand-overs that takes.
#include <gtest/gtest.h>

#include <cstdio>

#include "site.h"

namespace trunkline {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Host;
using test::PortModel;
using test::Site;
using test::SiteSetup;

constexpr uint8_t kPeers = 6;

std::vector<SiteSetup> every_setup() {
  std::vector<SiteSetup> out;
  for (const PortModel& model : test::port_models()) {
    for (const bool ipv6 : {false, true}) {
      for (uint16_t workers = 1; workers <= 4; ++workers) {
        for (uint16_t paths = 1; paths <= 2; ++paths) {
          out.push_back({&model, ipv6, workers, paths});
        }
      }
    }
  }
  return out;
}

std::string name_of(const SiteSetup& setup) {
  std::string out(setup.model->name);
  std::replace(out.begin(), out.end(), '-', '_');
  return out + (setup.ipv6 ? "_ipv6_" : "_ipv4_") + std::to_string(setup.workers) + "w_" +
         std::to_string(setup.paths) + "p";
}

class EveryPort : public testing::TestWithParam<SiteSetup> {
 protected:
  // All peers connect.
  void peers_connect() {
    for (uint8_t i = 0; i < kPeers; ++i) {
      Host& peer = site_.add_peer();
      ASSERT_EQ(peer.connect(site_.now, site_.addresses_of(0), PortNumber(2905)).status,
                Status::kOk);
    }
    site_.run(milliseconds(100));
    all_are_up();
  }
  void all_are_up() {
    for (uint8_t i = 0; i < kPeers; ++i) {
      ASSERT_EQ(site_.peer(i).state(), AssocState::kEstablished) << int{i};
      Host* const owner = site_.owner_of_peer(static_cast<uint8_t>(i + 1));
      ASSERT_NE(owner, nullptr) << int{i};
      ASSERT_EQ(owner->state(), AssocState::kEstablished) << int{i};
    }
  }
  // A message each way, to and from every peer; true once all have come.
  void talk(const std::string& text) {
    std::map<Host*, std::vector<std::string>> expected;
    std::map<Host*, size_t> before;
    for (uint8_t i = 0; i < kPeers; ++i) {
      Host* const owner = site_.owner_of_peer(static_cast<uint8_t>(i + 1));
      ASSERT_NE(owner, nullptr);
      for (Host* host : {owner, &site_.peer(i)}) before.emplace(host, host->messages().size());
      const std::string mine = text + std::to_string(i);
      ASSERT_EQ(owner->send(site_.now, "to " + mine), Status::kOk);
      ASSERT_EQ(site_.peer(i).send(site_.now, "from " + mine), Status::kOk);
      expected[&site_.peer(i)].push_back("to " + mine);
      expected[owner].push_back("from " + mine);
    }
    site_.run(seconds(20));
    for (auto& [host, texts] : expected) {
      auto got = host->messages();
      got.erase(got.begin(), got.begin() + static_cast<long>(before[host]));
      std::sort(got.begin(), got.end());
      std::sort(texts.begin(), texts.end());
      EXPECT_EQ(got, texts);
    }
  }

  Site site_{GetParam()};
};

TEST_P(EveryPort, PeersConnectAndTalk) {
  peers_connect();
  talk("first ");
  talk("second ");
  for (int path = 0; path < GetParam().paths && GetParam().paths > 1; ++path) {
    site_.path_cut = path;
    talk("over the other path than " + std::to_string(path) + " ");
    site_.path_cut = -1;
    site_.run(seconds(20));
  }
  EXPECT_EQ(site_.counted.twice, 0u) << "the tag tells each packet's owner";
}

TEST_P(EveryPort, WorkersConnectAndTalk) {
  for (uint8_t i = 0; i < kPeers; ++i) {
    site_.add_peer();
    ASSERT_EQ(
        site_.worker(i)
            .connect(site_.now, site_.addresses_of(static_cast<uint8_t>(i + 1)), PortNumber(2905))
            .status,
        Status::kOk);
  }
  site_.run(milliseconds(100));
  all_are_up();
  for (uint8_t i = 0; i < kPeers; ++i) {
    EXPECT_EQ(site_.owner_of_peer(static_cast<uint8_t>(i + 1)), &site_.worker(i))
        << "where the application asked for it";
  }
  talk("first ");
}

TEST_P(EveryPort, BothSidesConnectAtOnce) {
  for (uint8_t i = 0; i < kPeers; ++i) {
    Host& peer = site_.add_peer();
    ASSERT_EQ(peer.connect(site_.now, site_.addresses_of(0), PortNumber(2905)).status, Status::kOk);
    ASSERT_EQ(
        site_.worker(i)
            .connect(site_.now, site_.addresses_of(static_cast<uint8_t>(i + 1)), PortNumber(2905))
            .status,
        Status::kOk);
  }
  site_.run(seconds(10));
  all_are_up();
  talk("after the collision ");
}

TEST_P(EveryPort, PeersRestart) {
  peers_connect();
  talk("before ");
  std::vector<Host*> owners;
  for (uint8_t i = 0; i < kPeers; ++i) {
    owners.push_back(site_.owner_of_peer(static_cast<uint8_t>(i + 1)));
    site_.crash_peer(i);
    ASSERT_EQ(site_.peer(i).connect(site_.now, site_.addresses_of(0), PortNumber(2905)).status,
              Status::kOk);
  }
  site_.run(milliseconds(500));
  all_are_up();
  size_t restarts = 0;
  for (size_t i = 0; i < site_.workers(); ++i) {
    restarts += site_.worker(i).count(EventKind::kRestarted);
  }
  EXPECT_EQ(restarts, kPeers);
  for (uint8_t i = 0; i < kPeers; ++i) {
    EXPECT_EQ(site_.owner_of_peer(static_cast<uint8_t>(i + 1)), owners[i]) << "it never migrates";
  }
  talk("after ");
}

TEST_P(EveryPort, EitherSideShutsDown) {
  peers_connect();
  for (uint8_t i = 0; i < kPeers; ++i) {
    Host* const owner = site_.owner_of_peer(static_cast<uint8_t>(i + 1));
    if (i % 3 != 1) site_.peer(i).shard().shutdown(site_.now, site_.peer(i).assoc);
    if (i % 3 != 0) owner->shard().shutdown(site_.now, owner->assoc);  // i % 3 == 2: both
  }
  site_.run(seconds(5));
  size_t closed = 0;
  for (size_t i = 0; i < site_.workers(); ++i) {
    EXPECT_EQ(site_.worker(i).shard().association_count(), 0u);
    closed += site_.worker(i).count(EventKind::kClosed);
  }
  EXPECT_EQ(closed, kPeers);
  for (uint8_t i = 0; i < kPeers; ++i) {
    EXPECT_EQ(site_.peer(i).count(EventKind::kClosed), 1u);
  }
}

// The peer does not know the association any more: its ABORT carries the peer's tag, not ours.
TEST_P(EveryPort, AnAbortWithTheTBitFindsTheOwner) {
  peers_connect();
  for (uint8_t i = 0; i < kPeers; ++i) {
    Host* const owner = site_.owner_of_peer(static_cast<uint8_t>(i + 1));
    site_.crash_peer(i);
    ASSERT_EQ(owner->send(site_.now, "to nobody"), Status::kOk);
  }
  site_.run(milliseconds(500));
  size_t lost = 0;
  for (size_t i = 0; i < site_.workers(); ++i) {
    EXPECT_EQ(site_.worker(i).shard().association_count(), 0u);
    EXPECT_EQ(site_.worker(i).last(EventKind::kLost).reason,
              site_.worker(i).count(EventKind::kLost) > 0 ? Reason::kReset : Reason::kNone);
    lost += site_.worker(i).count(EventKind::kLost);
  }
  EXPECT_EQ(lost, kPeers);
}

INSTANTIATE_TEST_SUITE_P(Steering, EveryPort, testing::ValuesIn(every_setup()),
                         [](const auto& instance) { return name_of(instance.param); });

// The table of docs/nics.md: of the packets that 24 peers send (set-up, 40 messages, heartbeats on
// both paths, half a minute of one path only), how many per cent a worker of four hands over.
int percent(const PortModel& model, uint16_t paths) {
  Site site({&model, false, 4, paths});
  constexpr uint8_t kMany = 24;
  for (uint8_t i = 0; i < kMany; ++i) {
    static_cast<void>(site.add_peer().connect(site.now, site.addresses_of(0), PortNumber(2905)));
  }
  site.run(milliseconds(100));
  for (int message = 0; message < 40; ++message) {
    // The second half over the second path, where there is one.
    site.path_cut = paths > 1 && message == 20 ? 0 : site.path_cut;
    for (uint8_t i = 0; i < kMany; ++i) static_cast<void>(site.peer(i).send(site.now, "x"));
    site.run(milliseconds(100));
  }
  site.run(seconds(20));
  const uint64_t all = site.counted.packets;
  return static_cast<int>((site.counted.once * 100 + all / 2) / all);
}

TEST(HandOverTable, SaysWhatTheDocumentSays) {
  std::printf("port, one path, two paths: per cent of packets handed over\n");
  for (const PortModel& model : test::port_models()) {
    const int one = percent(model, 1);
    const int two = percent(model, 2);
    std::printf("%-12s %3d %3d\n", std::string(model.name).c_str(), one, two);
    switch (model.sctp) {
      case test::HashInput::kNothing:
        EXPECT_EQ(one + two, 0) << "one worker does everything, with or without paths";
        break;
      case test::HashInput::kAddresses:
      case test::HashInput::kPorts:
        EXPECT_EQ(one, 0) << "everything comes where the INIT came";
        EXPECT_GT(two, 10) << "but over the second path";
        EXPECT_LT(two, 60);
        break;
      case test::HashInput::kPortsAndTag:
        EXPECT_GT(one, 50) << "three of four: the tag leads anywhere";
        EXPECT_GT(two, 50);
        break;
    }
  }
}

}  // namespace
}  // namespace trunkline
