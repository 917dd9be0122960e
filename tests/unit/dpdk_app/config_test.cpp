// SPDX-License-Identifier: BSD-3-Clause
// What a correct configuration turns into: values, defaults, inheritance, look-ups. The annotated
// file and the examples of the project are correct.
#include <gtest/gtest.h>

#include <filesystem>

#include "config/load.h"

namespace trunkline::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kPort =
    "ports:\n- name: left\n  device: net_null0\n  addresses: [192.0.2.1/24, '2001:db8::1/64']\n";

Config good(const std::string& text) {
  LoadResult result = parse_config(text, "test.yaml");
  for (const Mistake& mistake : result.mistakes) ADD_FAILURE() << mistake.to_string();
  return result.config;
}

TEST(Config, LeastFileHasTheDefaults) {
  const Config config = good(kPort);
  ASSERT_EQ(config.ports.size(), 1u);
  const Port& port = config.ports[0];
  EXPECT_EQ(port.name, "left");
  EXPECT_EQ(port.device, "net_null0");
  EXPECT_TRUE(port.is_virtual());
  EXPECT_EQ(port.mtu, 1500);
  EXPECT_EQ(port.vlan, 0);
  EXPECT_EQ(port.queues, 0);
  ASSERT_EQ(port.addresses.size(), 2u);
  EXPECT_EQ(port.addresses[0].address, IpAddress::ipv4(192, 0, 2, 1));
  EXPECT_EQ(port.addresses[0].length, 24);
  EXPECT_EQ(port.addresses[1].length, 64);
  ASSERT_EQ(config.profiles.size(), 1u);
  EXPECT_EQ(config.profiles[0].name, "default");
  EXPECT_EQ(config.profiles[0].profile, Profile{});
  EXPECT_EQ(config.idle, Idle::kAdaptive);
  EXPECT_TRUE(config.clients.allow.empty());
  EXPECT_EQ(config.control.socket_mode, 0600u);
}

TEST(Config, EveryFieldOfAProfile) {
  const Config config = good(kPort + R"(
profiles:
  all:
    rto_initial: 300ms
    rto_min: 120ms
    rto_max: 2s
    linear_backoff: true
    association_max_retrans: 8
    path_max_retrans: 3
    max_init_retransmits: 4
    heartbeat_interval: 1min
    potentially_failed_max_retrans: 1
    primary_switchover_max_retrans: 2
    primary_return_heartbeats: 3
    peer_address_check: exact
    sack_delay: 20ms
    sack_frequency: 1
    outbound_streams: 17
    max_inbound_streams: 18
    valid_cookie_life: 30s
    shutdown_guard: 90s
    a_rwnd: 1MiB
    receive_memory: 3MiB
    send_buffer: 2MiB
    max_message_size: 128KiB
    partial_delivery_point: 32KiB
    partial_reliability: false
    path_mtu: 1400
    pmtu_discovery: probing
    pmtu_base: 1280
    pmtu_probe_timeout: 5s
    pmtu_raise_interval: 0s
    max_burst: 0
    loss_recovery: early
    nagle: true
    one_data_per_packet: true
    scheduler: fcfs
    dscp: 40
)");
  ASSERT_EQ(config.profiles.size(), 2u);
  Profile wanted;
  wanted.rto_initial = milliseconds(300);
  wanted.rto_min = milliseconds(120);
  wanted.rto_max = seconds(2);
  wanted.linear_backoff = true;
  wanted.association_max_retrans = 8;
  wanted.path_max_retrans = 3;
  wanted.max_init_retransmits = 4;
  wanted.heartbeat_interval = seconds(60);
  wanted.potentially_failed_max_retrans = 1;
  wanted.primary_switchover_max_retrans = 2;
  wanted.primary_return_heartbeats = 3;
  wanted.peer_address_check = AddressCheck::kExact;
  wanted.sack_delay = milliseconds(20);
  wanted.sack_frequency = 1;
  wanted.outbound_streams = 17;
  wanted.max_inbound_streams = 18;
  wanted.valid_cookie_life = seconds(30);
  wanted.shutdown_guard = seconds(90);
  wanted.a_rwnd = 1u << 20;
  wanted.receive_memory = 3u << 20;
  wanted.send_buffer = 2u << 20;
  wanted.max_message_size = 128u << 10;
  wanted.partial_delivery_point = 32u << 10;
  wanted.partial_reliability = false;
  wanted.path_mtu = 1400;
  wanted.pmtu_discovery = PmtuDiscovery::kProbing;
  wanted.pmtu_base = 1280;
  wanted.pmtu_probe_timeout = seconds(5);
  wanted.pmtu_raise_interval = Duration(0);
  wanted.max_burst = 0;
  wanted.loss_recovery = LossRecovery::kEarly;
  wanted.nagle = true;
  wanted.one_data_per_packet = true;
  wanted.scheduler = StreamScheduling::kFirstCome;
  wanted.dscp = 40;
  EXPECT_EQ(config.profiles[1].profile, wanted);
}

TEST(Config, PathMtuDiscovery) {
  const Config config = good(kPort + R"(
profiles:
  fixed: {pmtu_discovery: off}
  quoted: {pmtu_discovery: "off"}
  alert: {pmtu_discovery: reactive, pmtu_base: 1500}   # as much as path_mtu is not above it
  narrow: {path_mtu: 600}                              # the default base goes down with it
)");
  ASSERT_EQ(config.profiles.size(), 5u);
  EXPECT_EQ(config.profiles[1].profile.pmtu_discovery, PmtuDiscovery::kOff);
  EXPECT_EQ(config.profiles[2].profile.pmtu_discovery, PmtuDiscovery::kOff);
  EXPECT_EQ(config.profiles[3].profile.pmtu_discovery, PmtuDiscovery::kReactive);
  EXPECT_EQ(config.profiles[3].profile.pmtu_base, 1500);
  EXPECT_EQ(config.profiles[4].profile.path_mtu, 600);
}

TEST(Config, ProfilesInheritFromDefaultAndFromEachOther) {
  const Config config = good(kPort + R"(
profiles:
  child: {extends: parent, dscp: 3}      # before its parent, on purpose
  parent: {sack_delay: 10ms}
  default: {path_max_retrans: 2}
)");
  const auto find = [&](const std::string& name) -> const Profile& {
    for (const NamedProfile& profile : config.profiles) {
      if (profile.name == name) return profile.profile;
    }
    throw std::runtime_error(name);
  };
  EXPECT_EQ(config.profiles[0].name, "default");
  EXPECT_EQ(find("default").path_max_retrans, 2);
  EXPECT_EQ(find("parent").path_max_retrans, 2);
  EXPECT_EQ(find("parent").sack_delay, milliseconds(10));
  EXPECT_EQ(find("child").sack_delay, milliseconds(10));
  EXPECT_EQ(find("child").dscp, 3);
  EXPECT_EQ(find("parent").dscp, 0);
}

TEST(Config, EndpointsAndPeersFindTheirProfiles) {
  const Config config = good(kPort + R"(
endpoints:
  - {name: m3ua, port: 2905, addresses: [192.0.2.1], profile: fast}
  - {port: 36412, addresses: ['2001:db8::1']}
  - {port: 2905, addresses: ['2001:db8::1']}
  - {port: 2905, addresses: [127.0.0.5]}
peers:
  - {addresses: [203.0.113.0/24, "2001:db8:7::1"], profile: fast}
profiles:
  slow: {}
  fast: {dscp: 7}
)");
  ASSERT_EQ(config.endpoints.size(), 4u);
  EXPECT_EQ(config.profiles[config.endpoints[0].profile].name, "fast");
  EXPECT_EQ(config.profiles[config.endpoints[1].profile].name, "default");
  EXPECT_EQ(config.endpoints[1].name, "port-36412");
  // The port of the first, at another address; loopback is nobody's in `ports`.
  EXPECT_EQ(config.endpoints[2].port, 2905);
  EXPECT_EQ(config.endpoints[2].addresses, std::vector{*IpAddress::parse("2001:db8::1")});
  EXPECT_EQ(config.endpoints[3].addresses, std::vector{*IpAddress::parse("127.0.0.5")});
  ASSERT_EQ(config.peers.size(), 1u);
  ASSERT_EQ(config.peers[0].addresses.size(), 2u);
  EXPECT_EQ(config.peers[0].addresses[0].address, IpAddress::ipv4(203, 0, 113, 0));
  EXPECT_EQ(config.peers[0].addresses[0].length, 24);
  EXPECT_EQ(config.peers[0].addresses[1].length, 128);
  EXPECT_EQ(config.profiles[config.peers[0].profile].profile.dscp, 7);
}

TEST(Config, ClientsAndTheirRules) {
  const Config config = good(kPort + R"(
clients:
  socket: /run/x.sock
  socket_mode: 0606
  on_death: shutdown
  limits: {max_clients: 3, max_clients_per_uid: 2, max_lanes: 2, max_client_memory: 8MiB,
           receive_buffer: 64KiB}
  allow:
    - {uid: 0, ports: any}
    - {gid: 4711, ports: [2905, 36000-36999], ephemeral: true}
    - {ports: [4000]}
)");
  const Clients& clients = config.clients;
  EXPECT_EQ(clients.socket, "/run/x.sock");
  EXPECT_EQ(clients.socket_mode, 0606u);
  EXPECT_EQ(clients.on_death, OnDeath::kShutdown);
  EXPECT_EQ(clients.limits.max_clients, 3u);
  EXPECT_EQ(clients.limits.max_clients_per_uid, 2u);
  EXPECT_EQ(clients.limits.max_client_memory, 8u << 20);
  EXPECT_EQ(clients.limits.receive_buffer, 64u << 10);
  ASSERT_EQ(clients.allow.size(), 3u);
  EXPECT_EQ(clients.allow[0].uid, 0u);
  EXPECT_TRUE(clients.allow[0].ports[0].contains(1));
  EXPECT_TRUE(clients.allow[0].ports[0].contains(65535));
  EXPECT_EQ(clients.allow[1].gid, 4711u);
  EXPECT_TRUE(clients.allow[1].ephemeral);
  EXPECT_TRUE(clients.allow[1].ports[1].contains(36412));
  EXPECT_FALSE(clients.allow[1].ports[1].contains(37000));
  EXPECT_FALSE(clients.allow[2].uid.has_value());
}

// Without the section, nobody is served.
TEST(Config, SocketsAreServedWhereTheyAreConfigured) {
  EXPECT_FALSE(good(kPort).sockets.has_value());
  const Config config = good(kPort + R"(
sockets:
  socket: /run/y.sock
  socket_mode: 0600
  socket_gid: 4711
  limits: {max_sockets: 100, max_sockets_per_uid: 50, max_sockets_per_process: 7, max_processes: 9,
           max_processes_per_uid: 8, max_memory_per_uid: 1GiB,
           max_resident_per_uid: 1MiB, max_backlog: 128}
)");
  ASSERT_TRUE(config.sockets.has_value());
  EXPECT_EQ(config.sockets->socket, "/run/y.sock");
  EXPECT_EQ(config.sockets->socket_mode, 0600u);
  EXPECT_EQ(config.sockets->socket_gid, 4711u);
  const SocketLimits& limits = config.sockets->limits;
  EXPECT_EQ(limits.max_sockets, 100u);
  EXPECT_EQ(limits.max_sockets_per_uid, 50u);
  EXPECT_EQ(limits.max_sockets_per_process, 7u);
  EXPECT_EQ(limits.max_processes, 9u);
  EXPECT_EQ(limits.max_processes_per_uid, 8u);
  EXPECT_EQ(limits.max_memory_per_uid, 1u << 30);
  EXPECT_EQ(limits.max_resident_per_uid, 1u << 20);
  EXPECT_EQ(limits.max_backlog, 128u);
}

// What nobody has written is granted to nobody.
TEST(Config, PortsThatTheDaemonChoosesAreForThoseWhoWereGrantedThem) {
  const Config config = good(kPort + R"(
clients:
  allow:
    - {uid: 7, ports: [2905]}
    - {uid: 8, ports: any}
    - {uid: 9, ephemeral: true}
)");
  ASSERT_EQ(config.clients.allow.size(), 3u);
  EXPECT_FALSE(config.clients.allow[0].ephemeral);
  EXPECT_FALSE(config.clients.allow[1].ephemeral);
  EXPECT_TRUE(config.clients.allow[2].ephemeral);
  EXPECT_TRUE(config.clients.allow[2].ports.empty());
}

TEST(Config, TheDaemonsOwnSections) {
  const Config config = good(kPort + R"(
eal: {file_prefix: abc, huge_pages: false, memory: 96MiB, control_core: 0, extra_args: ["--x=1"]}
control: {socket: /run/c.sock, socket_mode: 0660}
logging: {level: error, file: /tmp/log}
limits: {max_associations: 7, receive_buffer: 2MiB, out_of_blue_replies_per_second: 0,
         orphan_buffer: 3MiB, inits_per_second_per_source: 0, inits_per_second: 123, spent_cookies: 99}
capture: {directory: /tmp}
idle: spin
drain_timeout: 250ms
grace: 100ms
)");
  EXPECT_EQ(config.eal.file_prefix, "abc");
  EXPECT_FALSE(config.eal.huge_pages);
  EXPECT_EQ(config.eal.memory_mib, 96u);
  EXPECT_EQ(config.eal.control_core, 0);
  EXPECT_EQ(config.eal.extra_args, std::vector<std::string>{"--x=1"});
  EXPECT_EQ(config.control.socket_mode, 0660u);
  EXPECT_EQ(config.logging.level, LogLevel::kError);
  EXPECT_EQ(config.limits.max_associations, 7u);
  EXPECT_EQ(config.limits.out_of_blue_replies_per_second, 0u);
  EXPECT_EQ(config.limits.inits_per_second_per_source, 0u);
  EXPECT_EQ(config.limits.inits_per_second, 123u);
  EXPECT_EQ(config.limits.orphan_buffer, 3u << 20);
  EXPECT_EQ(config.limits.spent_cookies, 99u);
  EXPECT_EQ(config.idle, Idle::kSpin);
  EXPECT_EQ(config.drain_timeout, milliseconds(250));
  EXPECT_EQ(config.grace, milliseconds(100));
}

TEST(Config, Workers) {
  EXPECT_EQ(good(kPort).workers.count, 1u);
  EXPECT_EQ(good(kPort).ports[0].queues, 0u);
  EXPECT_EQ(good(kPort + "\nworkers: {count: 3}").workers.count, 3u);
  EXPECT_EQ(good(kPort + "\nworkers: {cores: [4, 2]}").workers.count, 2u);
  const Config config = good(kPort + "\nworkers: {count: 2, cores: [7, 3], misdirect: true}");
  EXPECT_EQ(config.workers.cores, (std::vector<uint16_t>{7, 3}));
  EXPECT_TRUE(config.workers.misdirect);
}

TEST(Config, JsonIsYamlToo) {
  const Config config = good(
      R"({"ports": [{"name": "a", "device": "net_null0", "addresses": ["10.0.0.1/8"],
          "promiscuous": true, "mtu": 1400}], "idle": "spin"})");
  EXPECT_TRUE(config.ports[0].promiscuous);
  EXPECT_EQ(config.ports[0].mtu, 1400);
}

TEST(Config, FilesOfTheProjectAreCorrect) {
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(CONFIG_DIR)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const LoadResult result = load_config(entry.path());
    for (const Mistake& mistake : result.mistakes) ADD_FAILURE() << mistake.to_string();
  }
  EXPECT_GE(files, 5u);
}

// The annotated file says that its "default" profile shows the built-in values.
TEST(Config, AnnotatedDefaultsAreTheRealOnes) {
  const LoadResult result = load_config(std::string(CONFIG_DIR) + "/trunklined.yaml");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.config.profiles[0].profile, Profile{});
  EXPECT_EQ(result.config.limits.receive_buffer, Limits{}.receive_buffer);
  EXPECT_EQ(result.config.limits.max_neighbours, Limits{}.max_neighbours);
  EXPECT_EQ(result.config.limits.inits_per_second_per_source, Limits{}.inits_per_second_per_source);
  EXPECT_EQ(result.config.limits.inits_per_second, Limits{}.inits_per_second);
  EXPECT_EQ(result.config.limits.spent_cookies, Limits{}.spent_cookies);
  EXPECT_EQ(result.config.endpoints[0].out_of_blue, OutOfBlue::kAnswer);
  EXPECT_EQ(result.config.clients.limits.max_total_memory, ClientLimits{}.max_total_memory);
  EXPECT_EQ(result.config.clients.socket, Clients{}.socket);
  EXPECT_EQ(result.config.drain_timeout, Config{}.drain_timeout);
  EXPECT_EQ(result.config.ports[0].buffers, Port{}.buffers);
}

}  // namespace
}  // namespace trunkline::config
