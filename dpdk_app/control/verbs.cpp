// SPDX-License-Identifier: BSD-3-Clause
// The verbs of the control socket.
#include "control/verbs.h"

#include <fmt/format.h>
#include <unistd.h>

#include "appring/assoc_id.h"
#include "control/socket_verbs.h"

namespace trunkline::control {
namespace {

using appring::id_text;
using appring::parse_id;
using worker::Worker;
using worker::WorkerCounter;

constexpr size_t kPage = 32;  // associations that a worker describes at a time

Json failure(std::string text) {
  return Json::object({{"ok", false}, {"error", std::move(text)}});
}
Json not_answered() {
  return failure("a worker does not answer; is it starved of its core?");
}

double milliseconds_of(Duration value) {
  return static_cast<double>(value.count()) / 1e6;
}

Json describe_port(Daemon& daemon, size_t index) {
  const port::Port& port = *daemon.ports[index];
  Json addresses = Json::array();
  for (const config::Prefix& prefix : port.config().addresses) {
    addresses.push(fmt::format("{}/{}", prefix.address.to_string(), prefix.length));
  }
  return Json::object({{"name", port.config().name},
                       {"device", port.config().device},
                       {"driver", port.capabilities().driver},
                       {"mac", port.mac().to_string()},
                       {"link", port.started() && port.link_up() ? "up" : "down"},
                       {"speed_mbps", port.started() ? port.link_speed_mbps() : 0},
                       {"mtu", port.config().mtu},
                       {"vlan", port.config().vlan},
                       {"addresses", std::move(addresses)}});
}

// What one worker counts, copied by itself.
struct Snapshot {
  size_t associations = 0;
  Shard::PoolUsage pools;
  Counters stack;
  net::NetCounters net;
  appring::RingCounters ring;
  sockets::SocketCounters sockets;
  worker::WorkerCounters own;
  std::vector<port::PortCounters> ports;
  std::vector<size_t> neighbours;  // of each port
};

// Nothing: a worker does not answer.
std::optional<std::vector<Snapshot>> take_snapshots(Daemon& daemon) {
  std::vector<Snapshot> out;
  const bool answered = daemon.workers.ask_each([&](Worker& worker) {
    Snapshot& one = out.emplace_back();
    one.associations = worker.shard().association_count();
    one.pools = worker.shard().pool_usage();
    one.stack = worker.shard().counters();
    one.net = worker.net_counters();
    one.ring = worker.bridge().counters();
    if (worker.sockets() != nullptr) one.sockets = worker.sockets()->counters();
    one.own = worker.counters();
    for (size_t i = 0; i < worker.port_count(); ++i) {
      one.ports.push_back(worker.port(i).counters());
      one.neighbours.push_back(worker.port(i).neighbours().size());
    }
  });
  if (!answered) return std::nullopt;
  return out;
}

template <typename Get>
uint64_t sum(const std::vector<Snapshot>& workers, Get&& get) {
  uint64_t total = 0;
  for (const Snapshot& worker : workers) total += get(worker);
  return total;
}

Json describe_worker(size_t index, const Snapshot& worker) {
  const auto own = [&](WorkerCounter counter) { return worker.own.get(counter); };
  return Json::object({{"index", index},
                       {"associations", worker.associations},
                       {"packets_in", worker.stack.get(Counter::k_in_sctp_packs)},
                       {"packets_out", worker.stack.get(Counter::k_out_sctp_packs)},
                       {"handed_over_in", own(WorkerCounter::k_handed_over_in)},
                       {"handed_over_out", own(WorkerCounter::k_handed_over_out)},
                       {"hand_over_drops", own(WorkerCounter::k_drop_hand_over_full) +
                                               own(WorkerCounter::k_drop_frame_hand_over_full) +
                                               own(WorkerCounter::k_drop_icmp_hand_over_full) +
                                               own(WorkerCounter::k_drop_news_hand_over_full)},
                       {"iterations", own(WorkerCounter::k_iterations)},
                       {"busy_iterations", own(WorkerCounter::k_busy_iterations)},
                       {"receive_blocks_used", worker.pools.receive_blocks_used},
                       {"chunks_used", worker.pools.chunks_used},
                       {"messages_used", worker.pools.messages_used}});
}

Json describe_clients(Daemon& daemon) {
  Json clients = Json::array();
  if (daemon.attach == nullptr) return clients;
  for (const appring::ClientInfo& client : daemon.attach->clients()) {
    clients.push(Json::object({{"id", client.id},
                               {"name", client.name},
                               {"pid", client.pid},
                               {"uid", client.uid},
                               {"gid", client.gid},
                               {"lanes", client.lanes},
                               {"bytes", client.bytes},
                               {"leaving", client.leaving}}));
  }
  return clients;
}

Json status(Daemon& daemon) {
  const auto snapshots = take_snapshots(daemon);
  if (!snapshots) return not_answered();
  const auto up = std::chrono::steady_clock::now() - daemon.started;
  Json out = Json::object(
      {{"ok", true},
       {"version", TRUNKLINE_VERSION},
       {"pid", getpid()},
       {"config", daemon.config.file},
       {"state", daemon.draining ? "draining" : "running"},
       {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(up).count()},
       {"idle", daemon.config.idle == config::Idle::kSpin ? "spin" : "adaptive"},
       {"associations", sum(*snapshots, [](const Snapshot& one) { return one.associations; })},
       {"max_associations", daemon.config.limits.max_associations}});
  Json list = Json::array();
  for (size_t i = 0; i < daemon.ports.size(); ++i) {
    const auto total = [&](port::PortCounter counter) {
      return sum(*snapshots, [&](const Snapshot& one) { return one.ports[i].get(counter); });
    };
    Json port = describe_port(daemon, i);
    port.set("rx_packets", total(port::PortCounter::k_rx_packets));
    port.set("tx_packets", total(port::PortCounter::k_tx_packets));
    port.set("neighbours", sum(*snapshots, [&](const Snapshot& one) { return one.neighbours[i]; }));
    list.push(std::move(port));
  }
  out.set("ports", std::move(list));
  Json workers = Json::array();
  for (size_t i = 0; i < snapshots->size(); ++i) {
    workers.push(describe_worker(i, (*snapshots)[i]));
  }
  out.set("workers", std::move(workers));
  out.set("clients", describe_clients(daemon));
  return out;
}

Json describe_path(const PathStatus& path, TimePoint now) {
  const bool since_known = path.state_since.ns() != 0;
  const Duration in_state = since_known ? now - path.state_since : Duration{0};
  return Json::object({{"local", path.local.to_string()},
                       {"remote", path.remote.to_string()},
                       {"state", state_name(path.state)},
                       {"primary", path.primary},
                       {"rto_ms", milliseconds_of(path.rto)},
                       {"srtt_ms", milliseconds_of(path.srtt)},
                       {"cwnd", path.cwnd},
                       {"ssthresh", path.ssthresh},
                       {"flight", path.flight},
                       {"mtu", path.mtu},
                       {"mtu_state", state_name(path.mtu_state)},
                       {"error_count", path.error_count},
                       {"heartbeats_sent", path.heartbeats_sent},
                       {"heartbeat_acks", path.heartbeat_acks},
                       {"t3_expirations", path.t3_expirations},
                       {"packets_sent", path.packets_sent},
                       {"packets_received", path.packets_received},
                       {"retransmitted_chunks", path.retransmitted_chunks},
                       {"failovers", path.failovers},
                       {"state_s", static_cast<double>(in_state.count()) / 1e9}});
}

// By policy, those of which there are any; messages that were sent in part count as sent.
Json describe_abandoned(const AssocStatus& status) {
  using Policy = Reliability::Policy;
  constexpr std::pair<Policy, const char*> kPolicies[] = {
      {Policy::kLifetime, "lifetime"},
      {Policy::kRetransmissions, "retransmissions"},
      {Policy::kPriority, "priority"}};
  static_assert(std::size(kPolicies) + 1 == static_cast<size_t>(Policy::kCount));
  Json out = Json::object({});
  for (const auto& [policy, name] : kPolicies) {
    const AbandonedCounts& counts = status.abandoned[static_cast<size_t>(policy)];
    if (counts.unsent == 0 && counts.sent == 0) continue;
    out.set(name, Json::object({{"unsent", counts.unsent}, {"sent", counts.sent}}));
  }
  return out;
}

struct Described {
  AssocStatus status;
  uint32_t client = 0;
};

Json describe_association(const Described& described, TimePoint now, bool all) {
  const AssocStatus& s = described.status;
  Json out = Json::object({{"id", id_text(s.id)},
                           {"worker", s.id.shard},
                           {"state", state_name(s.state)},
                           {"local_port", s.local_port.value},
                           {"peer_port", s.peer_port.value},
                           {"client", described.client},
                           {"outbound_streams", s.outbound_streams},
                           {"inbound_streams", s.inbound_streams},
                           {"messages_sent", s.messages_sent},
                           {"messages_received", s.messages_received},
                           {"retransmitted_chunks", s.retransmitted_chunks},
                           {"queued_bytes", s.queued_bytes},
                           {"outstanding_bytes", s.outstanding_bytes}});
  Json paths = Json::array();
  for (const PathStatus& path : s.paths) paths.push(describe_path(path, now));
  out.set("paths", std::move(paths));
  if (!all) return out;
  out.set("local_tag", fmt::format("0x{:08x}", s.local_tag.value));
  out.set("peer_tag", fmt::format("0x{:08x}", s.peer_tag.value));
  out.set("next_tsn", s.next_tsn.value);
  out.set("cum_tsn_ack", s.cum_tsn_ack.value);
  out.set("peer_rwnd", s.peer_rwnd);
  out.set("a_rwnd", s.a_rwnd);
  out.set("partial_reliability", s.partial_reliability);
  out.set("abandoned", describe_abandoned(s));
  out.set("error_count", s.error_count);
  out.set("packets_sent", s.packets_sent);
  out.set("packets_received", s.packets_received);
  if (s.established_at.ns() != 0 && !s.established_at.is_never()) {
    out.set("age_s", static_cast<double>((now - s.established_at).count()) / 1e9);
  }
  return out;
}

// All associations of one worker, a page at a time, so that it is never away from its packets for
// long. False: it does not answer.
bool list_of_worker(Worker& worker, Json& list) {
  std::vector<AssocId> ids;
  TimePoint now;
  if (!worker.mailbox().call([&](Worker& own) {
        ids = own.shard().associations();
        now = own.now();
      })) {
    return false;
  }
  for (size_t first = 0; first < ids.size(); first += kPage) {
    std::vector<Described> page;
    const bool answered = worker.mailbox().call([&](Worker& own) {
      for (size_t i = first; i < std::min(first + kPage, ids.size()); ++i) {
        Described one;
        if (!own.shard().status(ids[i], one.status)) continue;  // gone meanwhile
        one.client = own.bridge().client_of(ids[i]);
        page.push_back(std::move(one));
      }
    });
    if (!answered) return false;
    for (const Described& one : page) list.push(describe_association(one, now, false));
  }
  return true;
}

Json list_associations(Daemon& daemon) {
  Json list = Json::array();
  for (size_t i = 0; i < daemon.workers.size(); ++i) {
    if (!list_of_worker(daemon.workers[i], list)) return not_answered();
  }
  return Json::object({{"ok", true}, {"associations", std::move(list)}});
}

// The status of the association that the request names, or an answer that says why not.
std::optional<Json> find_association(Daemon& daemon, const Json& request, Described& out,
                                     TimePoint& now) {
  const std::string& text = request["id"].as_string();
  const auto id = parse_id(text);
  if (!id) {
    return failure(
        fmt::format("\"{}\" is not an association; write it as in `trunkctl assoc "
                    "list`, such as 0.3.1",
                    text));
  }
  bool found = false;
  if (id->shard >= daemon.workers.size()) {
    return failure(fmt::format("there is no association {}: no worker {}", text, id->shard));
  }
  if (!daemon.workers[id->shard].mailbox().call([&](Worker& worker) {
        found = worker.shard().status(*id, out.status);
        out.client = worker.bridge().client_of(*id);
        now = worker.now();
      })) {
    return not_answered();
  }
  if (!found) return failure(fmt::format("there is no association {}", text));
  return std::nullopt;
}

Json show_association(Daemon& daemon, const Json& request) {
  Described found;
  TimePoint now;
  if (auto failed = find_association(daemon, request, found, now)) return *failed;
  return Json::object({{"ok", true}, {"association", describe_association(found, now, true)}});
}

void add_counter(Json& list, std::string_view layer, std::string_view name, uint64_t value,
                 std::string_view text) {
  list.push(Json::object(
      {{"name", fmt::format("{}.{}", layer, name)}, {"value", value}, {"text", text}}));
}

void add_device_counters(Json& list, const port::Port& port) {
  const std::string layer = "port." + port.config().name;
  const rte_eth_stats stats = port.stats();
  add_counter(list, layer, "device_missed", stats.imissed,
              "frames that the device dropped because nobody took them");
  add_counter(list, layer, "device_rx_errors", stats.ierrors, "frames that arrived damaged");
  add_counter(list, layer, "device_no_buffer", stats.rx_nombuf,
              "receive buffers that could not be had");
  add_counter(list, layer, "device_tx_errors", stats.oerrors,
              "frames that the device could not send");
}

void add_attach_counters(Json& list, const appring::AttachCounters& attach) {
  add_counter(list, "attach", "attached", attach.attached, "clients let in");
  add_counter(list, "attach", "detached", attach.detached, "clients that are gone");
  add_counter(list, "attach", "refused_permission", attach.refused_permission,
              "clients that the configuration does not allow");
  add_counter(list, "attach", "refused_limit", attach.refused_limit,
              "clients beyond the limit of clients, lanes or memory");
  add_counter(list, "attach", "refused_share", attach.refused_share,
              "clients beyond what one user may have, so that others find a place");
  add_counter(list, "attach", "refused_request", attach.refused_request,
              "clients with a malformed request or another version");
  add_counter(list, "attach", "refused_timeout", attach.refused_timeout,
              "clients that connected and asked for nothing");
  add_counter(list, "attach", "ended_fault", attach.ended_fault,
              "clients ended for bad indices or lost memory");
}

void add_server_counters(Json& list, const sockets::ServerCounters& counters) {
#define X(name, text) add_counter(list, "sockets", #name, counters.name, text);
  TRUNKLINE_SERVER_COUNTERS(X)
#undef X
}

// The sums of these workers' counters.
void add_worker_counters(Json& list, const std::vector<Snapshot>& workers) {
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    add_counter(list, "stack", counter_name(counter),
                sum(workers, [&](const Snapshot& one) { return one.stack.get(counter); }),
                counter_text(counter));
  }
  for (size_t i = 0; i < net::kNetCounterCount; ++i) {
    const auto counter = static_cast<net::NetCounter>(i);
    add_counter(list, "net", net::kNetCounterInfo[i].name,
                sum(workers, [&](const Snapshot& one) { return one.net.get(counter); }),
                net::kNetCounterInfo[i].text);
  }
  for (size_t i = 0; i < appring::kRingCounterCount; ++i) {
    const auto counter = static_cast<appring::RingCounter>(i);
    add_counter(list, "ring", counter_name(counter),
                sum(workers, [&](const Snapshot& one) { return one.ring.get(counter); }),
                counter_text(counter));
  }
  for (size_t i = 0; i < sockets::kSocketCounterCount; ++i) {
    const auto counter = static_cast<sockets::SocketCounter>(i);
    add_counter(list, "sockets", counter_name(counter),
                sum(workers, [&](const Snapshot& one) { return one.sockets.get(counter); }),
                counter_text(counter));
  }
  for (size_t i = 0; i < worker::kWorkerCounterCount; ++i) {
    const auto counter = static_cast<WorkerCounter>(i);
    add_counter(list, "worker", worker::kWorkerCounterInfo[i].name,
                sum(workers, [&](const Snapshot& one) { return one.own.get(counter); }),
                worker::kWorkerCounterInfo[i].text);
  }
}

void add_port_counters(Json& list, const std::vector<Snapshot>& workers, const port::Port& port) {
  const std::string layer = "port." + port.config().name;
  for (size_t i = 0; i < port::kPortCounterCount; ++i) {
    const auto counter = static_cast<port::PortCounter>(i);
    add_counter(
        list, layer, port::kPortCounterInfo[i].name,
        sum(workers, [&](const Snapshot& one) { return one.ports[port.index()].get(counter); }),
        port::kPortCounterInfo[i].text);
  }
}

Json list_counters(Daemon& daemon, const Json& request) {
  auto snapshots = take_snapshots(daemon);
  if (!snapshots) return not_answered();
  const bool one_only = request.has("worker");
  if (one_only) {
    const uint64_t index = request["worker"].as_uint();
    if (index >= snapshots->size()) {
      return failure(fmt::format("there is no worker {}; there are {}, numbered from 0", index,
                                 snapshots->size()));
    }
    snapshots = std::vector<Snapshot>{(*snapshots)[index]};
  }
  Json list = Json::array();
  add_worker_counters(list, *snapshots);
  for (const auto& port : daemon.ports) {
    add_port_counters(list, *snapshots, *port);
    if (!one_only) add_device_counters(list, *port);
  }
  if (daemon.attach != nullptr && !one_only) {
    add_attach_counters(list, daemon.attach->counters());
  }
  if (daemon.sockets != nullptr && !one_only) {
    const auto sockets = daemon.sockets->snapshot(false);
    if (!sockets) return not_answered();
    add_server_counters(list, sockets->counters);
  }
  return Json::object({{"ok", true}, {"counters", std::move(list)}});
}

std::optional<Json> begin_capture(Daemon& daemon, Server::ConnectionId connection,
                                  const Json& request, Fd& passed) {
  Captures::Request capture;
  capture.label = "all";
  if (request.has("port")) {
    const std::string& name = request["port"].as_string();
    for (const auto& port : daemon.ports) {
      if (port->config().name == name) capture.filter.port = port->index();
    }
    if (!capture.filter.port) return failure(fmt::format("there is no port \"{}\"", name));
    capture.label = name;
  }
  if (request.has("id")) {
    Described found;
    TimePoint now;
    if (auto failed = find_association(daemon, request, found, now)) return failed;
    capture.filter.by_association = true;
    capture.filter.local_port = found.status.local_port.value;
    capture.filter.peer_port = found.status.peer_port.value;
    for (const PathStatus& path : found.status.paths) {
      capture.filter.peers.push_back(path.remote);
    }
    capture.label = "assoc-" + request["id"].as_string();
  }
  capture.max_packets = request["count"].as_uint();
  if (request.has("seconds")) {
    const double seconds = request["seconds"].as_double();
    if (!(seconds > 0 && seconds <= 86400)) return failure("seconds must be from 0 to 86400");
    capture.duration = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  }
  capture.file = std::move(passed);
  const std::string wrong = daemon.captures->begin(connection, std::move(capture));
  if (!wrong.empty()) return failure(wrong);
  return std::nullopt;
}

}  // namespace

std::optional<Json> serve(Daemon& daemon, Server::ConnectionId connection, const Json& request,
                          Fd& passed) {
  const std::string& verb = request["verb"].as_string();
  if (verb == "status") return status(daemon);
  if (verb == "assoc-list") return list_associations(daemon);
  if (verb == "assoc-show") return show_association(daemon, request);
  if (verb == "sockets") return list_sockets(daemon.sockets);
  if (verb == "counters") return list_counters(daemon, request);
  if (verb == "capture") return begin_capture(daemon, connection, request, passed);
  if (verb == "capture-end") {
    auto ended = daemon.captures->end(connection);
    return ended ? ended : failure("no capture is under way");
  }
  return failure(fmt::format("unknown verb \"{}\"", verb));
}

}  // namespace trunkline::control
