// SPDX-License-Identifier: BSD-3-Clause
// Hosts with programs on rings; see ring_host.h.
#include "bare/ring_host.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "appring/ring_client.h"
#include "harness/sample.h"
#include "huge_pages.h"
#include "lane.h"

namespace trunkline::perf {
namespace {

// As the clients of e2e/rate ask for.
tlr_geometry geometry(uint32_t submissions) {
  tlr_geometry out{};
  out.lanes = 1;
  out.workers = 1;
  out.submission_size = submissions;
  out.completion_size = 16384;
  out.return_size = 16384;
  out.tx_slots = 16384;
  out.rx_slots = 16384;
  out.slot_size = 512;
  out.send_credit = 4096;
  out.max_operations = 8192;
  return out;
}

tl_address address_of(const IpAddress& address) {
  tl_address out{};
  out.family = 4;
  const auto bytes = address.bytes();
  std::copy(bytes.begin(), bytes.end(), out.bytes);
  return out;
}

}  // namespace

// ---------------------------------------------------------------- the program

RingProgram::RingProgram(tl_client* client, size_t message_size)
    : message_size_(message_size), sink_(message_size) {
  require(tl_lane_open(client, &lane_) == 0, tl_last_error());
  for (size_t i = 0; i < kBurst; ++i) {
    texts_[i].resize(message_size);
    for (size_t at = 0; at < message_size; ++at) texts_[i][at] = static_cast<uint8_t>(at * 7);
    burst_[i].data = texts_[i].data();
    burst_[i].length = static_cast<uint32_t>(message_size);
  }
}

void RingProgram::connect(uint16_t port, const IpAddress& peer, uint16_t local_port) {
  const tl_address address = address_of(peer);
  tl_connect_options options{};
  options.addresses = &address;
  options.address_count = 1;
  options.peer_port = port;
  options.local_port = local_port;
  options.affinity = TL_ANY_WORKER;
  tl_assoc assoc = 0;
  require(tl_connect(lane_, &options, &assoc) == 0, tl_last_error());
}

bool RingProgram::shutdown(tl_assoc assoc) {
  const int status = tl_shutdown(lane_, assoc);
  require(status == 0 || status == -EAGAIN, tl_last_error());
  return status == 0;
}

size_t RingProgram::send(tl_assoc assoc, uint64_t count) {
  size_t taken = 0;
  while (taken < count) {
    const size_t n = std::min<uint64_t>(count - taken, kBurst);
    for (size_t i = 0; i < n; ++i) {
      const uint64_t number = sent + i;
      std::memcpy(texts_[i].data(), &number, sizeof number);
      burst_[i].context = number;
    }
    const int accepted = tl_send_burst(lane_, assoc, burst_.data(), n);
    require(accepted >= 0 || accepted == -EAGAIN, tl_last_error());
    if (accepted <= 0) break;
    sent += static_cast<uint64_t>(accepted);
    taken += static_cast<size_t>(accepted);
    if (static_cast<size_t>(accepted) < n) break;
  }
  return taken;
}

void RingProgram::read(const tl_event& event) {
  uint64_t number = 0;
  require(event.length == message_size_ && event.piece_count == 1, "a message has another size");
  std::memcpy(sink_.data(), event.data, message_size_);
  std::memcpy(&number, sink_.data(), sizeof number);
  require(number == received && sink_.back() == texts_[0].back(), "a message is not what was sent");
  ++received;
  if (echo_) require(send(event.assoc, 1) == 1, "no room for an answer");
}

void RingProgram::poll() {
  while (true) {
    const int n = tl_poll(lane_, events_.data(), events_.size());
    require(n >= 0, tl_last_error());
    for (const tl_event& event : std::span(events_).first(static_cast<size_t>(n))) {
      switch (event.kind) {
        case TL_EVENT_MESSAGE:
          read(event);
          break;
        case TL_EVENT_ACCEPTED:
        case TL_EVENT_CONNECTED:
          associations.push_back(event.assoc);
          break;
        case TL_EVENT_CONNECT_FAILED:
        case TL_EVENT_SEND_FAILED:
        case TL_EVENT_LOST:
          ++lost;
          break;
        case TL_EVENT_CLOSED:
          ++closed;
          break;
        case TL_EVENT_WRITABLE:
          if (persist_) static_cast<void>(send(event.assoc, 1));
          break;
        default:
          break;
      }
    }
    tl_event_release(lane_, events_.data(), static_cast<size_t>(n));
    if (static_cast<size_t>(n) < events_.size()) return;
  }
}

// ---------------------------------------------------------------- the host

RingHost::RingHost(const IpAddress& address, const Profile& profile, size_t message_size,
                   TimePoint now, uint32_t associations, uint32_t submissions) {
  directory_ = make_directory(random_, associations, &huge_pages());
  ShardConfig shard;
  shard.memory = &huge_pages();
  shard.max_associations = associations;
  shard.own_addresses = {address};
  shard.inits_per_second = shard.inits_per_second_per_source = 0;
  shard_ = std::make_unique<Shard>(shard, *directory_, random_, now);
  appring::BridgeConfig bridge;
  bridge.local_addresses = {address};
  bridge.default_profile = profile;
  bridge.max_associations = associations;
  bridge_ = std::make_unique<appring::Bridge>(bridge, *shard_);

  const appring::ClientIdentity identity{1, "bench", 1, 1000, 1000};
  const appring::ClientRights rights{{{1, 65535}}, true};
  appring::ChannelLimits limits;
  limits.max_associations = std::max(associations, limits.max_associations);
  limits.max_listeners = 1024;
  ring_ = appring::RingClient::create(identity, rights, geometry(submissions), limits);
  require(ring_ != nullptr, "no memory for a segment");
  int ends[2];
  require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  daemon_socket_ = ends[0];
  std::vector<int> lane_fds;
  std::vector<int> doorbells;
  for (const auto& wake : ring_->lane_wakes) lane_fds.push_back(dup(wake.client_end));
  for (const int fd : ring_->doorbells) doorbells.push_back(dup(fd));
  require(client::open_client(ring_->segment->base(), ring_->segment->size(), geometry(submissions),
                              ends[1], lane_fds, doorbells, false, &client_) == 0,
          tl_last_error());
  for (const int fd : ring_->doorbells) {
    require(bridge_->mailbox().watch(fd), "no memory for a doorbell");
  }
  require(bridge_->mailbox().post_to_worker({appring::MailKind::kAdd, ring_.get()}),
          "the bridge's mailbox is full");
  program_ = std::make_unique<RingProgram>(client_, message_size);
}

RingHost::~RingHost() {
  tl_detach(client_);
  close(daemon_socket_);
}

void RingHost::work(TimePoint now) {
  bridge_->drain_submissions(now);
  deliver(now);
  shard_->advance(now);
  deliver(now);
}

std::span<const PacketIn> RingHost::take_packets(TimePoint now) {
  if (!shard_->has_output()) return {};
  const std::span<PacketOut> burst = packets_.burst();
  const size_t n = shard_->transmit(now, burst);
  for (size_t i = 0; i < n; ++i) {
    packets_.arriving[i].source = burst[i].source;
    packets_.arriving[i].destination = burst[i].destination;
    packets_.arriving[i].bytes = burst[i].room.first(burst[i].length);
  }
  packets_.advance(n);
  deliver(now);
  return std::span(packets_.arriving).first(n);
}

void RingHost::receive(TimePoint now, std::span<const PacketIn> packets) {
  shard_->receive(now, packets);
  deliver(now);
}

void RingHost::listen(uint16_t port) {
  std::atomic<bool> done{false};
  std::thread program([&] {
    tl_listen_options options{};
    options.port = port;
    options.affinity = TL_ANY_WORKER;
    tl_listener listener = 0;
    require(tl_listen(program_->lane(), &options, &listener) == 0, tl_last_error());
    done.store(true);
  });
  while (!done.load()) {
    work(clock_now());
    flush();
    bridge_->arm();
    if (!bridge_->has_work()) bridge_->wait(std::chrono::milliseconds(1));
    bridge_->disarm();
  }
  program.join();
}

}  // namespace trunkline::perf
