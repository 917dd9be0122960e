// SPDX-License-Identifier: BSD-3-Clause
// What a simulated run consists of, as plain data drawn from a seed: hosts, profiles, associations,
// who sends what, who ends it and how, and what the network and the hosts suffer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "simulator.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/stack.h"

namespace trunkline::sim {

enum class Scenario : uint8_t {
  kDataLoss,
  kReorderDup,
  kCorruption,
  kDelay,
  kStalls,
  kShutdown,
  kAbort,
  kRestart,
  kCollision,
  kCrash,
  kSetup,
  kPartition,
  kMultihoming,  // two paths, one of which fails
  kAttacker,     // somebody off the path forges packets
  kHostile,      // somebody on the path, who knows the tags, breaks an association on purpose
  kExhaustion,   // pools far too small
  kMixed,
  kSteering,   // packets at any shard; set-ups, collisions and restarts at two shards at once
  kFailover,   // two to four paths, cut and put back in every order
  kPathMtu,    // links that take less than the hosts think, and say so or do not
  kAddresses,  // peers that list addresses of others, and come back with other lists
  kWindows,    // windows of any size, everything in every order
  kEndpoints,  // several at one port, ephemeral ports, associations of a host with itself
  kReaders,    // what was delivered lies unread, and shuts the window
  kRebind,     // associations behind a bridge, which change their consumer
};
inline constexpr size_t kScenarioCount = 25;

[[nodiscard]] std::string_view scenario_name(Scenario scenario);
// False for an unknown name.
[[nodiscard]] bool scenario_from_name(std::string_view name, Scenario& out);

enum class Pattern : uint8_t {
  kSilent,
  kStream,    // as fast as the send buffer takes it
  kPingPong,  // one message for each one received; the connector begins
  kBursts,
  kIdle,   // a message now and then, heartbeats between them
  kPaced,  // bursts at their time, whatever is acknowledged
};

struct TrafficPlan {
  Pattern pattern = Pattern::kStream;
  uint32_t messages = 20;
  uint32_t min_size = 1;
  uint32_t max_size = 1000;
  uint32_t unordered = 0;  // chance, parts per million
  uint16_t streams = 1;    // uses at most so many
  uint32_t burst = 1;
  Duration gap{};
  bool early = false;  // sends before the association is up (section 5.1: DATA with COOKIE ECHO)
  // Chance that a message is not sent at any price (RFC 3758, RFC 7496), parts per million.
  uint32_t limited = 0;
};

struct ReaderPlan {
  uint32_t keep = 0;   // chance to keep a message and take it later
  uint32_t stall = 0;  // chance that a message makes the reader stop
  Duration stall_for{};
  bool trickle = false;  // takes kept messages one by one
  // Its own memory, in bytes: what it keeps lies unread there as long as that has room, and only
  // the rest is kept for it. It takes a message at most so long after it could have taken the one
  // before.
  uint32_t slots = 0;
  Duration lag{};
};

enum class Ending : uint8_t {
  kPassive,      // leaves it to the peer
  kWhenAllDone,  // shutdown() after everything was sent and received
  kWhenAllSent,  // shutdown() as soon as everything was accepted
  kShutdownAt,   // shutdown() at a moment, whatever is left
  kAbortAt,      // abort() at a moment
};

struct SidePlan {
  TrafficPlan traffic;
  ReaderPlan reader;
  Ending ending = Ending::kPassive;
  Duration ending_after{};  // since the association is up; no ending begins before it
};

struct AssocPlan {
  HostIndex client = 0;
  HostIndex server = 1;
  uint16_t client_port = 0;  // 0: an ephemeral one, given back when the association is over
  uint16_t server_port = 0;
  // Where each side connects; counted round where the host has fewer.
  uint16_t client_shard = 0;
  uint16_t server_shard = 0;
  // The networks on which each side has an address, counted from `net` on, which is that of the
  // primary path. Of the server's addresses the client names the first `named`, or all for zero.
  NetIndex net = 0;
  uint8_t client_paths = 1;
  uint8_t server_paths = 1;
  uint8_t named = 0;
  uint8_t client_paths_again = 0;  // the client's after it has crashed; 0: as before
  uint8_t server_paths_again = 0;
  // What the endpoints are bound to, and which addresses the client names, as the verbs take them;
  // empty: as the networks say. Then client and server may be one host.
  std::vector<IpAddress> client_bound;
  std::vector<IpAddress> server_bound;
  std::vector<IpAddress> dialled;
  bool hostile = false;  // an intruder speaks in both sides' names: nothing is promised but order
  bool close_endpoint = false;  // the client closes its endpoint once it is connected
  bool close_in_one = false;    // each side does so in one shard only
  // On a host of several consumers: how many times it goes from one to another, and the mean time
  // between.
  uint32_t rebinds = 0;
  Duration rebind_every{};
  bool switches_primary = false;  // set_primary() by both applications, now and then
  bool both_connect = false;      // set-up collision (section 5.2.1)
  bool reconnect = false;         // the client tries again after it was lost
  Duration connect_after{};
  Duration peer_connect_after{};  // both_connect: when the server does
  uint16_t outbound_streams = 0;  // of the connect request
  SidePlan client_side;
  SidePlan server_side;
};

struct HostPlan {
  Profile profile;
  std::vector<IpAddress> addresses;  // one on each network
  bool knows_networks = false;  // and their prefixes, so that each path has a source of its own
  bool listening = true;
  bool checksum_by_port = false;
  bool meddles = false;  // calls verbs that should change nothing
  Duration poll{};
  uint32_t out_of_blue_replies = 1000;
  std::vector<IpAddress> lists;      // addresses that its INITs list beside its own
  uint32_t window_cap = UINT32_MAX;  // no SACK says more, for so long
  Duration window_cap_until{};
  // Not zero: what the plan says of applications is done by so many clients on rings, through a
  // bridge at each shard. Each has so many slots for what it has not read.
  uint8_t consumers = 0;
  uint16_t rx_slots = 64;
  uint16_t shards = 1;
  Spread spread = Spread::kByFlow;
  uint8_t port = 0;             // Spread::kByPort: which of test::port_models()
  uint16_t free_ports = 0;      // dynamic ones that others have left; 0: all
  uint32_t loop_loss = 0;       // of what it sends to itself, parts per million
  Duration hand_over{};         // what the way to another shard takes, more or less
  uint16_t hand_over_room = 0;  // packets on that way; zero: any number
  // What a shard has; enough, unless the scenario says otherwise.
  uint32_t max_associations = 64;
  uint64_t receive_buffer_bytes = 4u << 20;
  uint32_t max_outstanding_chunks = 4096;
  uint32_t max_queued_messages = 4096;
};

enum class Incident : uint8_t {
  kHeal,       // all links are clean again
  kCut,        // from -> to loses everything
  kRestore,    // from -> to works again
  kCrash,      // host `from` is gone
  kStart,      // host `from` comes back
  kPause,      // host `from` loses its core for `span`
  kDropNamed,  // the next `count` packets with `chunk` from -> to vanish
  kSetMtu,     // from -> to takes IP packets of up to `count` bytes; 0: any
};

struct IncidentPlan {
  Incident what = Incident::kHeal;
  Duration after{};  // since the start
  HostIndex from = 0;
  HostIndex to = 0;
  Duration span{};
  uint8_t chunk = 0;
  uint32_t count = 0;
  uint8_t nets = 0xff;  // kCut, kRestore, kSetMtu: which networks, a bit each
};

struct LinkPlan {
  HostIndex from = 0;
  HostIndex to = 0;
  NetIndex net = 0;
  LinkFaults faults;
};

// How the associations may end without anybody being to blame.
struct Expectations {
  bool all_close = true;       // each one is set up and ends by shutdown, everything delivered
  bool connects_fail = false;  // each connect fails ...
  Reason connect_reason = Reason::kNone;  // ... for this reason, unless kNone
  Reason loss_reason = Reason::kNone;     // an end by loss must have this reason, unless kNone
  bool refusals = false;                  // connect() and send() may answer kOutOfResources
  bool sound_paths = false;               // no path may seem to fail
  bool failover = false;  // nothing else delays packets: data leaves a dead path in time
};

struct Plan {
  Scenario scenario = Scenario::kDataLoss;
  std::vector<HostPlan> hosts;
  std::vector<LinkPlan> links;
  std::vector<AssocPlan> assocs;
  std::vector<IncidentPlan> incidents;
  Expectations expect;
  // How often a forged packet is sent, mean; zero: never.
  Duration forge_every{};
  // The same for an ICMP message that says of a packet that it was too big.
  Duration forge_icmp_every{};
  // The same for a packet of the intruder, in the hostile associations and up to a moment.
  Duration intrude_every{};
  Duration intrude_until{};
  Duration limit = std::chrono::hours(2);

  [[nodiscard]] HostIndex host_count() const { return static_cast<HostIndex>(hosts.size()); }
  // What one side's endpoint is bound to.
  [[nodiscard]] std::vector<IpAddress> bound_of(const AssocPlan& assoc, bool client,
                                                bool again = false) const;
  // One side's addresses, the primary one first; of a server those that are dialled.
  [[nodiscard]] std::vector<IpAddress> addresses_of(const AssocPlan& assoc, bool client,
                                                    bool again = false) const;
  // An association of several paths, an end of which has several shards.
  [[nodiscard]] bool is_wide() const;
  [[nodiscard]] std::string describe() const;
};

[[nodiscard]] Plan draw_plan(Scenario scenario, uint64_t seed);

}  // namespace trunkline::sim
