// SPDX-License-Identifier: BSD-3-Clause
// Start, control loop and end of the daemon.
#include "daemon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "appring/app_ring.h"
#include "control/captures.h"
#include "control/server.h"
#include "control/verbs.h"
#include "eal.h"
#include "huge_pages.h"
#include "link_watch.h"
#include "sockets/socket_server.h"
#include "unix_path.h"
#include "worker/group.h"

namespace trunkline {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// The directory's room for each association: four addresses on either side. Who has more takes from
// those who have fewer.
constexpr uint32_t kAddressPairs = 16;

// Written by the signal handler, read by the control loop.
int signal_pipe = -1;

void on_signal(int number) {
  const int saved = errno;
  const auto byte = static_cast<unsigned char>(number);
  static_cast<void>(!write(signal_pipe, &byte, 1));
  errno = saved;
}

class Signals {
 public:
  Signals() {
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) throw std::runtime_error("no pipe for signals");
    read_end_ = control::Fd(ends[0]);
    write_end_ = control::Fd(ends[1]);
    signal_pipe = ends[1];
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaction(number, &action, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }
  ~Signals() {
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) signal(number, SIG_DFL);
  }
  [[nodiscard]] int fd() const { return read_end_.get(); }
  // How many requests to end have come since the last call.
  int take_ends() {
    int ends = 0;
    unsigned char byte = 0;
    while (read(read_end_.get(), &byte, 1) == 1) {
      if (byte == SIGHUP) {
        spdlog::warn("SIGHUP ignored: the configuration is read at start only");
      } else {
        ++ends;
      }
    }
    return ends;
  }

 private:
  control::Fd read_end_;
  control::Fd write_end_;
};

std::vector<std::unique_ptr<port::Port>> open_ports(const config::Config& config) {
  std::vector<std::unique_ptr<port::Port>> out;
  for (const config::Port& one : config.ports) {
    const auto index = static_cast<uint16_t>(out.size());
    out.push_back(
        std::make_unique<port::Port>(one, index, config.workers.count, shares_cores(config)));
    const port::Port& port = *out.back();
    spdlog::info("port {}: {} ({}), {}, {} queue pair{}, checksum offload: {}{}", one.name,
                 one.device, port.capabilities().driver, port.mac().to_string(), port.queues(),
                 port.queues() == 1 ? "" : "s", port.offloads().rx_sctp_checksum ? "receive " : "",
                 port.offloads().tx_sctp_checksum ? "send" : "software");
  }
  return out;
}

appring::AttachConfig attach_config(const config::Config& config) {
  appring::AttachConfig out;
  out.socket_path = config.clients.socket;
  out.socket_mode = config.clients.socket_mode;
  out.socket_gid = config.clients.socket_gid;
  for (const config::ClientRule& rule : config.clients.allow) {
    appring::Permission permission;
    permission.uid = rule.uid;
    permission.gid = rule.gid;
    permission.connect_from_any = rule.ephemeral;
    for (const config::PortRange& range : rule.ports) {
      permission.ports.push_back({range.first, range.last});
    }
    out.permissions.push_back(std::move(permission));
  }
  const config::ClientLimits& limits = config.clients.limits;
  out.limits.max_clients = limits.max_clients;
  out.limits.max_clients_per_uid = limits.max_clients_per_uid;
  out.limits.max_lanes = limits.max_lanes;
  out.limits.max_client_bytes = limits.max_client_memory;
  out.limits.max_total_bytes = limits.max_total_memory;
  out.limits.max_associations = limits.max_associations;
  out.limits.max_listeners = limits.max_listeners;
  if (limits.receive_buffer != 0) out.limits.receive_buffer = limits.receive_buffer;
  // Messages that wait for a slow application are bounded by a_rwnd; this must not be the tighter
  // bound, because passing it costs the association. Memory is used only as far as it is needed.
  out.limits.backlog = 65536;
  out.max_message_size = 0;
  for (const config::NamedProfile& profile : config.profiles) {
    out.max_message_size = std::max(out.max_message_size, profile.profile.max_message_size);
  }
  return out;
}

std::vector<appring::Permission> permissions_of(const config::Config& config) {
  return attach_config(config).permissions;
}

sockets::SocketServerConfig sockets_config(const config::Config& config) {
  sockets::SocketServerConfig out;
  const config::Sockets& from = *config.sockets;
  out.place = {"sockets", from.socket, from.socket_mode, from.socket_gid};
  out.permissions = permissions_of(config);
  out.limits.max_sockets = from.limits.max_sockets;
  out.limits.max_sockets_per_uid = from.limits.max_sockets_per_uid;
  out.limits.max_sockets_per_process = from.limits.max_sockets_per_process;
  out.limits.max_processes = from.limits.max_processes;
  out.limits.max_processes_per_uid = from.limits.max_processes_per_uid;
  out.limits.max_memory_per_uid = from.limits.max_memory_per_uid;
  out.limits.max_resident_per_uid = from.limits.max_resident_per_uid;
  out.max_backlog = from.limits.max_backlog;
  const appring::BridgeConfig bridge = worker::worker_config(config, 0).bridge;
  out.own_addresses = bridge.local_addresses;
  out.default_profile = bridge.default_profile;
  out.peers = bridge.peers;
  out.floors = {bridge.least_rto, bridge.least_heartbeat_interval};
  for (const config::Endpoint& end : config.endpoints) {
    out.ends.push_back({end.port, end.addresses, config.profiles[end.profile].profile});
  }
  return out;
}

// The workers' threads, stopped and joined at the end of the scope.
class WorkerThreads {
 public:
  explicit WorkerThreads(worker::WorkerGroup& workers) : workers_(workers) {
    const auto run = [](void* argument) {
      static_cast<worker::Worker*>(argument)->run();
      return 0;
    };
    for (; started_ < workers_.size(); ++started_) {
      if (rte_eal_remote_launch(run, &workers_[started_], lcore_of(started_)) == 0) continue;
      stop();
      throw std::runtime_error(fmt::format("the lcore of worker {} does not start", started_));
    }
  }
  ~WorkerThreads() { stop(); }
  WorkerThreads(const WorkerThreads&) = delete;
  WorkerThreads& operator=(const WorkerThreads&) = delete;

 private:
  static unsigned lcore_of(size_t worker) {
    return kFirstWorkerLcore + static_cast<unsigned>(worker);
  }
  // A worker that sleeps notices within its longest rest.
  void stop() {
    for (size_t i = 0; i < started_; ++i) workers_[i].stop();
    for (size_t i = 0; i < started_; ++i) rte_eal_wait_lcore(lcore_of(i));
  }

  worker::WorkerGroup& workers_;
  size_t started_ = 0;
};

// The sockets thread ends before the workers do; what it made goes after them.
class SocketThread {
 public:
  explicit SocketThread(std::unique_ptr<sockets::SocketServer>& server) : server_(server) {}
  ~SocketThread() {
    if (server_ != nullptr) server_->stop(milliseconds(0));
  }
  SocketThread(const SocketThread&) = delete;
  SocketThread& operator=(const SocketThread&) = delete;

 private:
  std::unique_ptr<sockets::SocketServer>& server_;
};

class App {
 public:
  explicit App(const config::Config& config)
      : config_(config),
        eal_(config),
        ports_(open_ports(config)),
        directory_(
            make_directory(random_, config.limits.max_associations * kAddressPairs, &huge_pages())),
        workers_(config, ports_, clock_, *directory_),
        threads_(workers_),
        socket_thread_(sockets_),
        links_(workers_, ports_),
        captures_(workers_, clock_, ports_, config.capture_directory),
        verbs_{config, workers_, ports_, nullptr, nullptr, &captures_, Clock::now(), false},
        server_(
            config.control.socket, config.control.socket_mode,
            [this](auto connection, const control::Json& request, control::Fd& passed) {
              return control::serve(verbs_, connection, request, passed);
            },
            [this](auto connection) { static_cast<void>(captures_.end(connection)); }) {
    links_.check();
    static_cast<void>(prepare_socket_path(config.clients.socket));
    std::vector<appring::BridgeMailbox*> mailboxes;
    for (size_t i = 0; i < workers_.size(); ++i) mailboxes.push_back(&workers_[i].bridge_mailbox());
    attach_ = std::make_unique<appring::AttachServer>(attach_config(config), mailboxes);
    verbs_.attach = attach_.get();
    if (config.sockets) serve_sockets();
    if (config.clients.allow.empty()) {
      spdlog::warn("clients.allow is empty: no application may attach");
    }
  }

  void run() {
    spdlog::info("ready: applications at {}, trunkctl at {}", config_.clients.socket,
                 config_.control.socket);
    if (sockets_ != nullptr) spdlog::info("programs with sockets at {}", config_.sockets->socket);
    while (signals_.take_ends() == 0) turn();
    drain();
    for (const control::Captures::Ended& ended : captures_.end_all()) {
      server_.reply(ended.connection, ended.answer);
    }
    detach();
  }

 private:
  void serve_sockets() {
    static_cast<void>(prepare_socket_path(config_.sockets->socket));
    // Each socket takes some.
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
      files.rlim_cur = files.rlim_max;
      setrlimit(RLIMIT_NOFILE, &files);
    }
    std::vector<sockets::SocketMail*> mails;
    for (size_t i = 0; i < workers_.size(); ++i) mails.push_back(workers_[i].socket_mail());
    sockets::SocketServerConfig config = sockets_config(config_);
    config.machine = sockets::MachineRoom::measure();
    sockets_ = std::make_unique<sockets::SocketServer>(config, mails, workers_.ports());
    warn_of(sockets_->room(), config.limits);
    verbs_.sockets = sockets_.get();
    sockets_->start();
  }

  static void warn_of(const sockets::SocketRoom& room, const sockets::SocketLimits& wanted) {
    if (room.sockets < wanted.max_sockets) {
      const bool mappings = room.refused_sockets == &sockets::ServerCounters::refused_mappings;
      spdlog::warn("{} has room for {} sockets, not for {} (sockets.limits.max_sockets)",
                   mappings ? "vm.max_map_count" : "RLIMIT_NOFILE", room.sockets,
                   wanted.max_sockets);
    }
    if (room.processes < wanted.max_processes) {
      spdlog::warn(
          "RLIMIT_NOFILE has room for {} programs with sockets, not for {} "
          "(sockets.limits.max_processes)",
          room.processes, wanted.max_processes);
    }
  }

  // One round of the control loop; waits a little for something to do. Each of its steps does a
  // bounded amount of work, so that signals, which the caller looks at first, are heard.
  void turn(milliseconds patience = milliseconds(100)) {
    if (captures_.any() || links_.impatient()) patience = std::min(patience, milliseconds(10));
    if (server_.busy()) patience = milliseconds(0);
    pollfd fds[] = {
        {signals_.fd(), POLLIN, 0}, {server_.fd(), POLLIN, 0}, {attach_->fd(), POLLIN, 0}};
    poll(fds, 3, static_cast<int>(patience.count()));
    server_.poll();
    attach_->poll(milliseconds(0));
    for (control::Captures::Ended& ended : captures_.poll()) {
      server_.reply(ended.connection, ended.answer);
    }
    links_.check();
  }

  static constexpr milliseconds kLastWords{100};

  // Associations that live, or whose clients have not been told of their end.
  static size_t left_at(worker::Worker& worker) {
    return std::max(worker.shard().association_count(), worker.bridge().associations());
  }

  // Has each worker begin to end what it has, and waits until nothing is left. False: something is,
  // or a worker does not answer.
  template <typename Begin>
  bool end_associations(Begin&& begin, milliseconds patience, bool last) {
    const auto until = Clock::now() + patience;
    size_t left = 0;
    bool answered = workers_.ask_each([&](worker::Worker& worker) {
      begin(worker);
      left += left_at(worker);
    });
    while (answered && left > 0 && Clock::now() < until && !hurried_) {
      turn(milliseconds(10));
      if (!last && signals_.take_ends() > 0) {
        spdlog::warn("second signal: ending at once");
        hurried_ = true;
      }
      left = 0;
      answered = workers_.ask_each([&](worker::Worker& worker) { left += left_at(worker); });
    }
    if (!answered) spdlog::error("a worker does not answer");
    return answered && left == 0;
  }

  void drain() {
    verbs_.draining = true;
    const auto all = std::chrono::ceil<milliseconds>(config_.drain_timeout);
    // Half of it at least is for the shutdowns.
    const auto grace = std::min(all / 2, std::chrono::ceil<milliseconds>(config_.grace));
    spdlog::info("ending: applications have {} ms, then associations {} ms to shut down",
                 grace.count(), (all - grace).count());
    size_t had = 0;
    const auto announce = [&](worker::Worker& worker) {
      had += left_at(worker);
      worker.bridge().announce_end(worker.now(), grace);
    };
    const auto close = [](worker::Worker& worker, bool abort) {
      worker.bridge().close_all(worker.now(), abort);
      if (worker.sockets() != nullptr) worker.sockets()->close_all(worker.now(), abort);
    };
    const auto shut_down = [&](worker::Worker& worker) { close(worker, false); };
    const auto abort = [&](worker::Worker& worker) { close(worker, true); };
    if (!end_associations(announce, grace, false) &&
        (hurried_ || !end_associations(shut_down, all - grace, false))) {
      hurried_ = false;
      if (!end_associations(abort, milliseconds(500), true)) {
        spdlog::warn("some associations did not end");
      }
    }
    // The last SHUTDOWN COMPLETE or ABORT is in a queue now, perhaps of another worker's, or in a
    // ring that is gone with the port: who misses it asks nobody, until its own timers give up.
    if (had > 0) std::this_thread::sleep_for(kLastWords);
  }

  void detach() {
    if (sockets_ != nullptr && !sockets_->stop(milliseconds(1000))) {
      spdlog::warn("some sockets were not let go");
    }
    const auto until = Clock::now() + milliseconds(1000);
    while (!attach_->stop() && Clock::now() < until) {
      attach_->poll(milliseconds(5));
    }
  }

  const config::Config& config_;
  Signals signals_;
  Eal eal_;
  worker::TscClock clock_;
  SecureRandom random_;
  std::vector<std::unique_ptr<port::Port>> ports_;
  DirectoryPtr directory_;
  std::unique_ptr<sockets::SocketServer> sockets_;  // null: not configured
  worker::WorkerGroup workers_;
  WorkerThreads threads_;
  SocketThread socket_thread_;
  LinkWatch links_;
  control::Captures captures_;
  control::Daemon verbs_;
  control::Server server_;
  std::unique_ptr<appring::AttachServer> attach_;
  bool hurried_ = false;
};

}  // namespace

int run_daemon(const config::Config& config) {
  if (geteuid() == 0) {
    spdlog::info(
        "running as root, which DPDK needs for most devices; files and sockets are made "
        "with the permissions of the configuration");
  }
  {
    App app(config);
    app.run();
  }
  spdlog::info("ended");
  return 0;
}

}  // namespace trunkline
