// SPDX-License-Identifier: BSD-3-Clause
// The verbs of the control socket.
#include "control/verbs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

namespace trunkline::control {
namespace {

using worker::Worker;

constexpr size_t kPage = 32;  // associations that a worker describes at a time

Json failure(std::string text) {
  return Json::object({{"ok", false}, {"error", std::move(text)}});
}
Json not_answered() {
  return failure("the worker does not answer; is it starved of its core?");
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

Json status(Daemon& daemon) {
  size_t associations = 0;
  Shard::PoolUsage pools;
  worker::WorkerCounters counters;
  std::vector<port::PortCounters> ports(daemon.ports.size());
  std::vector<size_t> neighbours(daemon.ports.size());
  const bool answered = daemon.worker.mailbox().call([&](Worker& worker) {
    associations = worker.shard().association_count();
    pools = worker.shard().pool_usage();
    counters = worker.counters();
    for (size_t i = 0; i < ports.size(); ++i) {
      ports[i] = worker.port(i).counters();
      neighbours[i] = worker.port(i).neighbours().size();
    }
  });
  if (!answered) return not_answered();
  const auto up = std::chrono::steady_clock::now() - daemon.started;
  Json out =
      Json::object({{"ok", true},
                    {"version", TRUNKLINE_VERSION},
                    {"pid", getpid()},
                    {"config", daemon.config.file},
                    {"state", daemon.draining ? "draining" : "running"},
                    {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(up).count()},
                    {"idle", daemon.config.idle == config::Idle::kSpin ? "spin" : "adaptive"},
                    {"associations", associations},
                    {"max_associations", daemon.config.limits.max_associations}});
  Json list = Json::array();
  for (size_t i = 0; i < daemon.ports.size(); ++i) {
    Json port = describe_port(daemon, i);
    port.set("rx_packets", ports[i].get(port::PortCounter::k_rx_packets));
    port.set("tx_packets", ports[i].get(port::PortCounter::k_tx_packets));
    port.set("neighbours", neighbours[i]);
    list.push(std::move(port));
  }
  out.set("ports", std::move(list));
  const uint64_t turns = counters.get(worker::WorkerCounter::k_iterations);
  const uint64_t busy = counters.get(worker::WorkerCounter::k_busy_iterations);
  Json worker = Json::object({{"index", 0}, {"iterations", turns}, {"busy_iterations", busy}});
  worker.set("receive_blocks_used", pools.receive_blocks_used);
  worker.set("chunks_used", pools.chunks_used);
  worker.set("messages_used", pools.messages_used);
  out.set("workers", Json(Json::Array{std::move(worker)}));
  Json clients = Json::array();
  if (daemon.attach != nullptr) {
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
  }
  out.set("clients", std::move(clients));
  return out;
}

Json describe_path(const PathStatus& path) {
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
                       {"error_count", path.error_count},
                       {"heartbeats_sent", path.heartbeats_sent},
                       {"t3_expirations", path.t3_expirations}});
}

struct Described {
  AssocStatus status;
  uint32_t client = 0;
};

Json describe_association(const Described& described, TimePoint now, bool all) {
  const AssocStatus& s = described.status;
  Json out = Json::object({{"id", id_text(s.id)},
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
  for (const PathStatus& path : s.paths) paths.push(describe_path(path));
  out.set("paths", std::move(paths));
  if (!all) return out;
  out.set("local_tag", fmt::format("0x{:08x}", s.local_tag.value));
  out.set("peer_tag", fmt::format("0x{:08x}", s.peer_tag.value));
  out.set("next_tsn", s.next_tsn.value);
  out.set("cum_tsn_ack", s.cum_tsn_ack.value);
  out.set("peer_rwnd", s.peer_rwnd);
  out.set("a_rwnd", s.a_rwnd);
  out.set("error_count", s.error_count);
  out.set("packets_sent", s.packets_sent);
  out.set("packets_received", s.packets_received);
  if (s.established_at.ns() != 0 && !s.established_at.is_never()) {
    out.set("age_s", static_cast<double>((now - s.established_at).count()) / 1e9);
  }
  return out;
}

Json list_associations(Daemon& daemon) {
  std::vector<AssocId> ids;
  TimePoint now;
  if (!daemon.worker.mailbox().call([&](Worker& worker) {
        ids = worker.shard().associations();
        now = worker.now();
      })) {
    return not_answered();
  }
  Json list = Json::array();
  for (size_t first = 0; first < ids.size(); first += kPage) {
    std::vector<Described> page;
    const bool answered = daemon.worker.mailbox().call([&](Worker& worker) {
      for (size_t i = first; i < std::min(first + kPage, ids.size()); ++i) {
        Described one;
        if (!worker.shard().status(ids[i], one.status)) continue;  // gone meanwhile
        one.client = worker.bridge().client_of(ids[i]);
        page.push_back(std::move(one));
      }
    });
    if (!answered) return not_answered();
    for (const Described& one : page) list.push(describe_association(one, now, false));
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
  if (!daemon.worker.mailbox().call([&](Worker& worker) {
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

Json list_counters(Daemon& daemon) {
  Counters stack;
  net::NetCounters net;
  appring::RingCounters ring;
  worker::WorkerCounters own;
  std::vector<port::PortCounters> ports(daemon.ports.size());
  const bool answered = daemon.worker.mailbox().call([&](Worker& worker) {
    stack = worker.shard().counters();
    net = worker.net_counters();
    ring = worker.bridge().counters();
    own = worker.counters();
    for (size_t i = 0; i < ports.size(); ++i) ports[i] = worker.port(i).counters();
  });
  if (!answered) return not_answered();
  Json list = Json::array();
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    add_counter(list, "stack", counter_name(counter), stack.get(counter), counter_text(counter));
  }
  for (size_t i = 0; i < net::kNetCounterCount; ++i) {
    add_counter(list, "net", net::kNetCounterInfo[i].name, net.get(static_cast<net::NetCounter>(i)),
                net::kNetCounterInfo[i].text);
  }
  for (size_t i = 0; i < appring::kRingCounterCount; ++i) {
    const auto counter = static_cast<appring::RingCounter>(i);
    add_counter(list, "ring", counter_name(counter), ring.get(counter), counter_text(counter));
  }
  for (size_t i = 0; i < worker::kWorkerCounterCount; ++i) {
    add_counter(list, "worker", worker::kWorkerCounterInfo[i].name,
                own.get(static_cast<worker::WorkerCounter>(i)), worker::kWorkerCounterInfo[i].text);
  }
  for (size_t p = 0; p < ports.size(); ++p) {
    const std::string layer = "port." + daemon.ports[p]->config().name;
    for (size_t i = 0; i < port::kPortCounterCount; ++i) {
      add_counter(list, layer, port::kPortCounterInfo[i].name,
                  ports[p].get(static_cast<port::PortCounter>(i)), port::kPortCounterInfo[i].text);
    }
    add_device_counters(list, *daemon.ports[p]);
  }
  if (daemon.attach != nullptr) {
    const appring::AttachCounters& attach = daemon.attach->counters();
    add_counter(list, "attach", "attached", attach.attached, "clients let in");
    add_counter(list, "attach", "detached", attach.detached, "clients that are gone");
    add_counter(list, "attach", "refused_permission", attach.refused_permission,
                "clients that the configuration does not allow");
    add_counter(list, "attach", "refused_limit", attach.refused_limit,
                "clients beyond the limit of clients, lanes or memory");
    add_counter(list, "attach", "refused_request", attach.refused_request,
                "clients with a malformed request or another version");
    add_counter(list, "attach", "refused_timeout", attach.refused_timeout,
                "clients that connected and asked for nothing");
    add_counter(list, "attach", "ended_fault", attach.ended_fault,
                "clients ended for bad indices or lost memory");
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

std::string id_text(AssocId id) {
  return fmt::format("{}.{}.{}", id.shard, id.slot, id.generation);
}

std::optional<AssocId> parse_id(std::string_view text) {
  uint32_t parts[3] = {};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (int i = 0; i < 3; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return std::nullopt;
    const auto [next, error] = std::from_chars(at, end, parts[i]);
    if (error != std::errc{}) return std::nullopt;
    at = next;
  }
  if (at != end || parts[0] > UINT16_MAX) return std::nullopt;
  return AssocId{parts[2], parts[1], static_cast<uint16_t>(parts[0])};
}

std::optional<Json> serve(Daemon& daemon, Server::ConnectionId connection, const Json& request,
                          Fd& passed) {
  const std::string& verb = request["verb"].as_string();
  if (verb == "status") return status(daemon);
  if (verb == "assoc-list") return list_associations(daemon);
  if (verb == "assoc-show") return show_association(daemon, request);
  if (verb == "counters") return list_counters(daemon);
  if (verb == "capture") return begin_capture(daemon, connection, request, passed);
  if (verb == "capture-end") {
    auto ended = daemon.captures->end(connection);
    return ended ? ended : failure("no capture is under way");
  }
  return failure(fmt::format("unknown verb \"{}\"", verb));
}

}  // namespace trunkline::control
