// SPDX-License-Identifier: BSD-3-Clause
// The loop itself: order of the steps, housekeeping, and how to rest when there is nothing to do.
#include "worker/worker.h"

#include <fmt/format.h>
#include <poll.h>
#include <rte_pause.h>
#include <sys/prctl.h>

#include <algorithm>

namespace trunkline::worker {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr uint64_t kHousekeepingTurns = 64;
constexpr Duration kNeighbourPeriod = milliseconds(100);
constexpr uint32_t kSpinTurns = 64;  // turns without work before the first wait
// Ports have no interrupts: what they receive waits for the end of a rest.
constexpr Duration kTraffic = milliseconds(200);      // since the last work
constexpr Duration kShortestWait = microseconds(5);   // under traffic: as long as there has been
constexpr Duration kLongestWait = microseconds(100);  // nothing to do, between these two
constexpr Duration kLongestIdleWait = microseconds(500);  // associations, but no traffic
constexpr Duration kLongestQuietWait = milliseconds(5);   // no association
// Longer than any wait: who comes this much later has lost its core.
constexpr Duration kLongGap = milliseconds(10);

constexpr net::ReassemblyLimits kReassembly;
// What the reassembler made and the stack or another worker has not done with yet.
constexpr uint32_t kJoinedBuffers = 64;

net::RouteTable make_routes(std::span<const std::unique_ptr<port::Port>> ports) {
  std::vector<net::LocalPort> out;
  for (const auto& port : ports) {
    net::LocalPort local;
    local.mac = port->mac();
    local.vlan = port->config().vlan;
    local.mtu = port->config().mtu;
    for (const config::Prefix& prefix : port->config().addresses) {
      local.prefixes.push_back({prefix.address, prefix.length});
    }
    local.gateway_v4 = port->config().gateway_v4;
    local.gateway_v6 = port->config().gateway_v6;
    out.push_back(std::move(local));
  }
  return net::RouteTable(std::move(out));
}

std::vector<std::unique_ptr<PortQueue>> make_queues(
    std::span<const std::unique_ptr<port::Port>> ports, const WorkerConfig& config,
    const net::RouteTable& routes, net::NetCounters& counters) {
  std::vector<std::unique_ptr<PortQueue>> out;
  for (const auto& port : ports) {
    out.push_back(std::make_unique<PortQueue>(*port, config.index, config.count, routes, counters,
                                              config.max_neighbours));
  }
  return out;
}

std::vector<net::NeighbourTable*> tables_of(const std::vector<std::unique_ptr<PortQueue>>& ports) {
  std::vector<net::NeighbourTable*> out;
  out.reserve(ports.size());
  for (const auto& port : ports) out.push_back(&port->neighbours());
  return out;
}

}  // namespace

Worker::Worker(const WorkerConfig& config, std::span<const std::unique_ptr<port::Port>> ports,
               const TscClock& clock, Directory& directory, HandOvers& hand_overs)
    : config_(config),
      clock_(clock),
      routes_(make_routes(ports)),
      ports_(make_queues(ports, config_, routes_, net_counters_)),
      output_(routes_, tables_of(ports_)),
      reassembler_(kReassembly, random_, net_counters_),
      shard_(config_.shard, directory, random_, clock.now()),
      bridge_(config_.bridge, shard_),
      now_(clock.now()),
      hand_overs_(hand_overs),
      handed_in_(config_.count) {
  if (config_.sockets) {
    socket_mail_ = std::make_unique<sockets::SocketMail>();
    sockets_ = std::make_unique<sockets::SocketBridge>(*config_.sockets, shard_, *socket_mail_);
    bridge_.set_other(sockets_.get());
  }
  uint16_t mtu = 0;
  // Others free what they get of it, and so keep some in their caches.
  uint32_t buffers = 3072 + (config_.count - 1u) * port::kMostCached;
  for (const auto& port : ports) {
    mtu = std::max(mtu, port->config().mtu);
    buffers += port->config().tx_descriptors + static_cast<uint32_t>(PortQueue::kBacklog);
  }
  // The stack does not know where a packet will go, so every port must be able to do it.
  checksum_by_port_ = std::all_of(ports.begin(), ports.end(), [](const auto& port) {
    return port->offloads().tx_sctp_checksum;
  });
  tx_pool_ =
      port::make_pool(fmt::format("tx_{}", config_.index), buffers, mtu, config_.shared_cores);
  joined_pool_ = port::make_pool(fmt::format("joined_{}", config_.index), kJoinedBuffers,
                                 kReassembly.packet_size, config_.shared_cores);
}

Worker::~Worker() {
  for (const auto& queue : ports_) {
    queue->drop_all();
    queue->neighbours().clear(actions_);
    apply(*queue, actions_);
    queue->drop_all();
  }
  for (size_t i = 0; i < spare_count_; ++i) rte_pktmbuf_free(spares_[i]);
  // The pools go with the ports: a driver may still hold frames until they are closed.
}

void Worker::run() {
  // The kernel may delay wake-ups by this much; its default of 50 us would double short waits.
  prctl(PR_SET_TIMERSLACK, 1);
  while (!stop_.load(std::memory_order_relaxed)) iterate();
  mailbox_.run_all(*this);
}

void Worker::iterate() {
  const TimePoint before = now_;
  look_at_hand_overs();
  now_ = clock_.now();
  if (now_ - before > kLongGap) counters_.add(WorkerCounter::k_long_gaps);
  counters_.add(WorkerCounter::k_iterations);

  // What was received comes before timers: after a lost time slice, the answer to what would time
  // out may be in the queue already.
  size_t work = receive_hand_overs();
  for (const auto& queue : ports_) work += receive_port(*queue);
  work += bridge_.drain_submissions(now_);
  if (sockets_ != nullptr) work += sockets_->drain(now_);
  deliver_events();
  shard_.advance(now_);
  deliver_events();
  if (sockets_ != nullptr) sockets_->tell_unread();
  work += transmit();
  guard_.enter();
  for (const auto& queue : ports_) queue->send_all();
  guard_.leave();
  publish_hand_overs();
  deliver_events();
  bridge_.flush();
  if (sockets_ != nullptr) sockets_->flush();

  if (work > 0) {
    counters_.add(WorkerCounter::k_busy_iterations);
    last_work_ = now_;
    idle_turns_ = 0;
  } else {
    ++idle_turns_;
  }
  if (counters_.get(WorkerCounter::k_iterations) % kHousekeepingTurns == 0 || idle_turns_ > 1) {
    housekeep();
  }
  if (idle_turns_ > 0) rest();
}

void Worker::housekeep() {
  if (mailbox_.has_mail()) {
    counters_.add(WorkerCounter::k_mail);
    mailbox_.run_all(*this);
    deliver_events();
  }
  for (const auto& queue : ports_) {
    if (now_ < queue->neighbours().next_challenge()) continue;
    queue->neighbours().advance_challenges(now_, actions_);
    apply(*queue, actions_);
  }
  if (now_ < next_neighbours_) return;
  next_neighbours_ = now_ + kNeighbourPeriod;
  reassembler_.expire(now_);
  for (const auto& queue : ports_) {
    queue->neighbours().advance(now_, actions_);
    apply(*queue, actions_);
  }
}

void Worker::rest() {
  if (config_.idle == config::Idle::kSpin || idle_turns_ < kSpinTurns) {
    rte_pause();
    return;
  }
  Duration timeout = std::clamp(now_ - last_work_, kShortestWait, kLongestWait);
  if (now_ - last_work_ > kTraffic) {
    timeout = shard_.association_count() == 0 ? kLongestQuietWait : kLongestIdleWait;
  }
  TimePoint deadline = shard_.next_deadline();
  if (sockets_ != nullptr) deadline = std::min(deadline, sockets_->next_deadline());
  if (!deadline.is_never()) timeout = std::min(timeout, deadline - now_);
  for (const auto& queue : ports_) {
    if (!queue->idle()) return;  // frames wait for room in a send queue
    const TimePoint challenge = queue->neighbours().next_challenge();
    if (!challenge.is_never()) timeout = std::min(timeout, challenge - now_);
  }
  if (timeout.count() <= 0 || shard_.has_output()) return;
  wait(timeout);
}

void Worker::wait(Duration timeout) {
  publish_hand_overs();
  Bell& bell = hand_overs_.bell(config_.index);
  bridge_.arm();
  if (sockets_ != nullptr) sockets_->arm();
  bell.arm();
  const bool asked = bridge_.has_work() || (sockets_ != nullptr && sockets_->has_work());
  if (!asked && !mailbox_.has_mail() && hand_overs_.nothing_for(config_.index)) {
    counters_.add(WorkerCounter::k_waits);
    pollfd fds[4] = {{bridge_.wait_fd(), POLLIN, 0},
                     {mailbox_.fd(), POLLIN, 0},
                     {bell.fd(), POLLIN, 0},
                     {sockets_ != nullptr ? sockets_->wait_fd() : -1, POLLIN, 0}};
    const timespec limit{timeout.count() / 1'000'000'000, timeout.count() % 1'000'000'000};
    ppoll(fds, 4, &limit, nullptr);
    if (fds[0].revents != 0) bridge_.wait(Duration(0));  // takes what made it readable
    if (fds[2].revents != 0) bell.acknowledge();
    if (fds[3].revents != 0) sockets_->wait_over();
    const TimePoint woken = clock_.now();
    if (woken - now_ > kLongGap) counters_.add(WorkerCounter::k_long_gaps);
    counters_.add(WorkerCounter::k_wait_ns, static_cast<uint64_t>((woken - now_).count()));
    now_ = woken;
  }
  bell.disarm();
  if (sockets_ != nullptr) sockets_->disarm();
  bridge_.disarm();
}

void Worker::set_link(size_t port, bool up) {
  PortQueue& queue = *ports_[port];
  const bool came_up = up && !queue.link_up();
  queue.set_link(up);
  if (came_up) {
    // Whoever is at the other end now need not be whom we knew.
    queue.neighbours().clear(actions_);
    apply(queue, actions_);
    output_.invalidate();
    if (!queue.share().speaks()) return;
    announce(queue);
    for (const auto& gateway : {routes_.port(port).gateway_v4, routes_.port(port).gateway_v6}) {
      if (gateway) queue.neighbours().prime(now_, *gateway, actions_);
    }
    apply(queue, actions_);
  }
}

void Worker::remove_tap(const capture::Tap* tap) {
  std::erase_if(taps_, [&](const auto& other) { return other.get() == tap; });
}

void Worker::tap_frame(uint16_t port, capture::Direction direction, const rte_mbuf* mbuf,
                       const capture::FrameFacts& facts, uint32_t drop) {
  capture::Tap::Record record;
  record.time_ns = now_.ns();
  record.length = rte_pktmbuf_data_len(mbuf);
  record.port = port;
  record.direction = direction;
  record.drop = drop;
  for (const auto& tap : taps_) {
    if (!tap->filter().matches(facts)) continue;
    counters_.add(WorkerCounter::k_capture_frames);
    tap->push(record, {rte_pktmbuf_mtod(mbuf, const uint8_t*), record.length});
  }
}

}  // namespace trunkline::worker
