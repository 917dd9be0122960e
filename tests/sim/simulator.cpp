// SPDX-License-Identifier: BSD-3-Clause
// The iteration of a worker as stack.h describes it, and the loop that jumps from one moment to
// the next.
#include "simulator.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "packet_text.h"
#include "wire/common_header.h"
#include "wire/crc32c.h"

namespace trunkline::sim {
namespace {

constexpr size_t kBurst = 32;
constexpr size_t kRoom = 9000;
// No iteration needs anywhere near that many rounds unless it spins.
constexpr size_t kMaxRounds = 20000;
constexpr uint8_t kReusedByte = 0xee;

const char* fate_name(Fate fate) {
  switch (fate) {
    case Fate::kPassed:
      return "";
    case Fate::kLost:
      return "  [lost]";
    case Fate::kDamaged:
      return "  [damaged]";
    case Fate::kDuplicated:
      return "  [duplicated]";
    case Fate::kDelayed:
      return "  [held back]";
  }
  return "";
}

std::string describe_event(HostIndex host, const Event& event) {
  std::string out = "host " + std::to_string(host) + " assoc " + std::to_string(event.assoc.slot) +
                    "." + std::to_string(event.assoc.generation);
  switch (event.kind) {
    case EventKind::kAccepted:
      out += " accepted, ports " + std::to_string(event.local_port.value) + " " +
             std::to_string(event.peer_port.value);
      break;
    case EventKind::kConnected:
      out += " connected, port " + std::to_string(event.local_port.value);
      break;
    case EventKind::kConnectFailed:
      out += " connect failed: ";
      break;
    case EventKind::kMessage:
      out += " message on stream " + std::to_string(event.stream.value) + ", " +
             std::to_string(event.size()) + " bytes";
      break;
    case EventKind::kSendAcknowledged:
      out += " acknowledged message " + std::to_string(static_cast<MessageId>(event.context));
      break;
    case EventKind::kSendFailed:
      out += " failed message " + std::to_string(static_cast<MessageId>(event.context)) + ": ";
      break;
    case EventKind::kPeerShutdown:
      out += " peer shuts down";
      break;
    case EventKind::kClosed:
      out += " closed";
      break;
    case EventKind::kLost:
      out += " lost: ";
      break;
    case EventKind::kRestarted:
      out += " restarted by the peer";
      break;
    case EventKind::kPathChanged:
      out += " path " + event.path.to_string() + " is ";
      out += state_name(event.path_state);
      break;
    case EventKind::kRemoteError:
      out += " remote error " + std::to_string(event.cause);
      break;
    case EventKind::kSenderDry:
      out += " dry";
      break;
  }
  if (event.reason != Reason::kNone) out += reason_name(event.reason);
  return out;
}

}  // namespace

void WrappingRandom::fill(std::span<uint8_t> out) {
  random_.fill(out);
  if (out.size() != 4 || random_.below(6) != 0) return;
  // As u32() puts them together.
  const uint32_t value = 0xffffff80u | static_cast<uint32_t>(near_++ % 128);
  for (size_t i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

// ---------------------------------------------------------------- Host

Host::Host(Simulator& simulator, HostIndex index, HostConfig config, Application& application)
    : simulator_(simulator),
      index_(index),
      config_(std::move(config)),
      application_(application),
      arrivals_(simulator.seed() * 31 + index) {
  for (const IpAddress& address : config_.addresses) {
    simulator_.network().attach(index_, address);
  }
  simulator_.referee().set_limits(index_, config_.limits);
}

void Host::start(TimePoint now) {
  ++boot_;
  const uint64_t seed = simulator_.seed() * 1000003 + index_ * 257ull + boot_ * 65537ull;
  randoms_.emplace_back(seed);
  directory_ =
      make_directory(randoms_.back(), config_.shard.max_associations * config_.shards * 16);
  inboxes_.resize(config_.shards);
  t3_expirations_ = 0;
  t3_of_.clear();
  for (uint16_t i = 0; i < config_.shards; ++i) {
    ShardConfig config = config_.shard;
    config.index = i;
    config.count = config_.shards;
    randoms_.emplace_back(seed + 1 + i);
    shards_.push_back(std::make_unique<Shard>(config, *directory_, randoms_.back(), now));
  }
  application_.started(*this, now);
}

void Host::crash(TimePoint now) {
  simulator_.note(now, "host " + std::to_string(index_) + " crashes");
  never_crashed_ = false;
  simulator_.ledger().host_crashing(index_);
  simulator_.referee().crashed(index_);
  application_.crashed(*this, now);
  shards_.clear();
  directory_.reset();
  randoms_.clear();
  inboxes_.clear();
  simulator_.ledger().host_crashed(now, index_);
}

TimePoint Host::next_wake(TimePoint now) const {
  if (!alive()) return TimePoint::never();
  TimePoint wake = application_.next_action();
  for (const auto& shard : shards_) {
    wake = std::min(wake, shard->has_output() ? now : shard->next_deadline());
  }
  for (const auto& inbox : inboxes_) {
    if (!inbox.empty()) wake = std::min(wake, inbox.front().ready);
  }
  if (wake.is_never()) return wake;
  wake = std::max({wake, paused_until_, now});
  if (config_.poll.count() > 0) {
    const int64_t poll = config_.poll.count();
    wake = TimePoint::from_ns((wake.ns() + poll - 1) / poll * poll);
  }
  return wake;
}

void Host::deliver(TimePoint now, std::unique_ptr<NetPacket> packet) {
  uint64_t place = 0;
  if (config_.shards > 1 && config_.spread == Spread::kByPacket) {
    place = arrivals_.below(config_.shards);
  } else if (config_.shards > 1) {
    place = simulator_.seed() + boot_;
    for (size_t i = 0; i < 4 && i < packet->bytes.size(); ++i)
      place = place * 31 + packet->bytes[i];
    for (const uint8_t byte : packet->source.bytes()) place = place * 31 + byte;
  }
  inboxes_[place % config_.shards].push_back({now, 0, std::move(packet)});
}

PacketIn Host::as_input(const Waiting& waiting) const {
  const NetPacket& packet = *waiting.packet;
  ChecksumState checksum = ChecksumState::kUnchecked;
  if (config_.checksum_by_port) {
    checksum = wire::verify_checksum(packet.bytes) ? ChecksumState::kGood : ChecksumState::kBad;
  }
  return {packet.source, packet.destination, packet.bytes, checksum, waiting.hand_overs};
}

size_t Host::association_count() const {
  size_t count = 0;
  for (const auto& shard : shards_) count += shard->association_count();
  return count;
}

void Host::receive(TimePoint now) {
  for (uint16_t i = 0; i < inboxes_.size() && !simulator_.verdict().failed(); ++i) receive(now, i);
}

// Takes what is ready, hands over what is for another shard, and gives the rest to this one.
void Host::receive(TimePoint now, uint16_t index) {
  Shard& shard = *shards_[index];
  std::deque<Waiting>& inbox = inboxes_[index];
  std::vector<Waiting> burst;
  while (!inbox.empty() && inbox.front().ready <= now) {
    Waiting waiting = std::move(inbox.front());
    inbox.pop_front();
    const uint16_t owner = config_.shards > 1 ? shard.steer(as_input(waiting)) : index;
    if (owner != index) {
      if (owner >= config_.shards || ++waiting.hand_overs > 2) {
        return simulator_.verdict().fail(now, "a packet that is handed over without end");
      }
      ++hand_overs_;
      waiting.ready = now + config_.hand_over;
      auto& theirs = inboxes_[owner];
      const auto place = std::upper_bound(
          theirs.begin(), theirs.end(), waiting.ready,
          [](TimePoint ready, const Waiting& other) { return ready < other.ready; });
      theirs.insert(place, std::move(waiting));
      continue;
    }
    burst.push_back(std::move(waiting));
    if (burst.size() == kBurst) give(now, shard, burst);
  }
  give(now, shard, burst);
}

void Host::give(TimePoint now, Shard& shard, std::vector<Waiting>& burst) {
  if (burst.empty()) return;
  burst_.clear();
  for (const Waiting& waiting : burst) {
    burst_.push_back(as_input(waiting));
    const NetPacket& packet = *waiting.packet;
    simulator_.referee().given(packet.from, index_, packet.bytes);
    if (!packet.damaged) simulator_.referee().delivered(now, packet.from, index_, packet.bytes);
  }
  shard.receive(now, burst_);
  drain_events(now, shard);
  // The port takes its buffers back.
  for (const Waiting& waiting : burst) {
    std::fill(waiting.packet->bytes.begin(), waiting.packet->bytes.end(), kReusedByte);
  }
  burst.clear();
}

void Host::drain_events(TimePoint now, Shard& shard) {
  while (true) {
    Event event;
    if (!shard.next_event(event)) return;
    simulator_.note_event(now, index_, event);
    const HostIndex peer = simulator_.network().host_of(event.path).value_or(index_);
    if (event.kind == EventKind::kAccepted) {
      simulator_.referee().accepted(now, index_, peer, event.local_port, event.peer_port);
    }
    const RecordId record = simulator_.ledger().event(now, index_, boot_, event, peer);
    if (record == kNoRecord || simulator_.verdict().failed()) return;
    application_.on_event(*this, now, record, event);
  }
}

bool Host::transmit(TimePoint now, Shard& shard) {
  static thread_local std::vector<uint8_t> memory(kBurst * kRoom);
  std::array<PacketOut, kBurst> out;
  for (size_t i = 0; i < kBurst; ++i) {
    out[i] = PacketOut{};
    out[i].room = {memory.data() + i * kRoom, kRoom};
    out[i].checksum_by_port = config_.checksum_by_port;
  }
  const size_t count = shard.transmit(now, out);
  for (size_t i = 0; i < count; ++i) {
    if (config_.checksum_by_port) {
      wire::write_checksum(out[i].room.first(out[i].length));
    }
    simulator_.send_packet(now, index_, out[i]);
  }
  return count > 0;
}

void Host::iterate(TimePoint now) {
  Verdict& verdict = simulator_.verdict();
  for (size_t round = 0;; ++round) {
    if (round > kMaxRounds) {
      verdict.fail(now, "host " + std::to_string(index_) + " never comes to rest at one moment");
      return;
    }
    receive(now);
    if (!alive() || verdict.failed()) return;
    if (application_.next_action() <= now) application_.act(*this, now);
    bool busy = application_.next_action() <= now;
    for (const auto& inbox : inboxes_)
      busy = busy || (!inbox.empty() && inbox.front().ready <= now);
    for (const auto& shard : shards_) {
      shard->advance(now);
      check_expired(now);
      drain_events(now, *shard);
      while (!verdict.failed() && transmit(now, *shard)) busy = true;
      drain_events(now, *shard);
      busy = busy || shard->next_deadline() <= now || shard->has_output();
    }
    if (verdict.failed()) return;
    if (!busy) break;
  }
  check_accounts(now);
  if (++iterations_ % 16 == 0) audit(now);
}

// The ledger knows what was accepted and has not ended, and who lives.
void Host::check_accounts(TimePoint now) {
  uint64_t messages = 0;
  for (const auto& shard : shards_) messages += shard->pool_usage().messages_used;
  const Ledger& ledger = simulator_.ledger();
  const std::string who = "host " + std::to_string(index_) + ": ";
  if (messages != ledger.pending(index_)) {
    simulator_.verdict().fail(now, who + std::to_string(messages) +
                                       " messages in the pools, the ledger knows " +
                                       std::to_string(ledger.pending(index_)));
  }
  if (association_count() != ledger.living(index_)) {
    simulator_.verdict().fail(now, who + std::to_string(association_count()) +
                                       " associations, the ledger knows " +
                                       std::to_string(ledger.living(index_)));
  }
}

// Section 7.2.3: right after T3 has expired the window is one packet, unless the peer answers with
// a closed window: that counts as no error, and is no sign of congestion (6.1 A). Shards that have
// probed one are not asked: an error may be a HEARTBEAT's.
void Host::check_expired(TimePoint now) {
  uint64_t expirations = 0;
  for (const auto& shard : shards_) expirations += shard->counters().get(Counter::k_t3_expirations);
  if (expirations == t3_expirations_) return;
  t3_expirations_ = expirations;
  AssocStatus status;
  for (const auto& shard : shards_) {
    for (const AssocId id : shard->associations()) {
      if (!shard->status(id, status)) continue;
      const auto peer = simulator_.network().host_of(status.paths[0].remote);
      const auto seen = simulator_.referee().unacknowledged(index_, peer.value_or(index_),
                                                            status.local_port, status.peer_port);
      // Where a window was closed, what expires may be a probe (6.1 A).
      const bool judged = seen && !seen->window_closed;
      for (size_t i = 0; i < status.paths.size(); ++i) {
        const PathStatus& path = status.paths[i];
        const uint64_t key = uint64_t{id.shard} << 56 | uint64_t{id.slot} << 32 | id.generation;
        uint64_t& before = t3_of_[{key, i}];
        if (judged && path.t3_expirations > before && path.cwnd > path.mtu) {
          simulator_.verdict().fail(now, "host " + std::to_string(index_) + ": T3 expired, and " +
                                             "cwnd is still " + std::to_string(path.cwnd) +
                                             " (section 7.2.3)");
        }
        before = path.t3_expirations;
      }
    }
  }
}

// Section 6.3.1 C5: no round trip is shorter than the way is long, unless something that was sent
// twice was measured.
void Host::check_paths(TimePoint now, const AssocStatus& status) {
  for (const PathStatus& path : status.paths) {
    const auto peer = simulator_.network().host_of(path.remote);
    if (!peer || path.srtt.count() == 0) continue;
    const bool ipv6 = path.remote.is_ipv6();
    const Duration way = simulator_.network().link(index_, *peer, ipv6).delay +
                         simulator_.network().link(*peer, index_, ipv6).delay;
    if (path.srtt + std::chrono::microseconds(1) < way) {
      simulator_.verdict().fail(
          now, "host " + std::to_string(index_) + ": a smoothed round trip of " +
                   std::to_string(path.srtt.count() / 1000) + " us, where the way takes " +
                   std::to_string(way.count() / 1000) + " us (section 6.3.1 C5)");
    }
  }
}

void Host::audit(TimePoint now) {
  for (const auto& shard : shards_) audit(now, *shard);
}

void Host::audit(TimePoint now, const Shard& shard) {
  Verdict& verdict = simulator_.verdict();
  const std::string who = "host " + std::to_string(index_) + ": ";
  const Shard::PoolUsage usage = shard.pool_usage();
  constexpr uint64_t kBlock = 512;
  const uint64_t held = usage.receive_blocks_used * kBlock;
  uint64_t charged = 0;
  uint64_t windows = 0;
  uint64_t hidden = 0;
  uint64_t up = 0;
  bool any_closed = false;
  AssocStatus status;
  for (const AssocId id : shard.associations()) {
    if (!shard.status(id, status)) {
      verdict.fail(now, who + "an association without a status");
      return;
    }
    const uint64_t whole = application_.window_of(status.local_port);
    if (status.a_rwnd > whole) verdict.fail(now, who + "a window larger than the buffer");
    charged += whole - status.a_rwnd;
    windows += whole;
    any_closed = any_closed || status.a_rwnd == 0;
    hidden += std::min<uint64_t>(whole / 2, status.paths[0].mtu);
    up += status.state == AssocState::kEstablished ||
          status.state == AssocState::kShutdownPending ||
          status.state == AssocState::kShutdownReceived;
    if (!simulator_.ledger().is_hostile(status.local_port.value, status.peer_port.value)) {
      check_paths(now, status);
    }
    uint64_t flight = 0;
    for (const PathStatus& path : status.paths) flight += path.flight;
    // Chunks against payload: one byte of it is a chunk of twenty.
    if (flight > 20 * status.outstanding_bytes) {
      verdict.fail(now, who + "more in flight than was sent");
    }
    const auto peer = simulator_.network().host_of(status.paths[0].remote);
    const auto seen = simulator_.referee().unacknowledged(index_, peer.value_or(index_),
                                                          status.local_port, status.peer_port);
    if (seen && flight > seen->flight) verdict.fail(now, who + "more in flight than it may know");
    if (seen && seen->outstanding != status.outstanding_bytes) {
      verdict.fail(now, who + std::to_string(status.outstanding_bytes) +
                            " bytes outstanding, by the packets " +
                            std::to_string(seen->outstanding));
    }
  }
  // Every byte of the buffers is charged to a window, which opens by a packet at least. A closed
  // one may hide a burst of packets too many, with the smallest messages, of a slow reader.
  const uint64_t most = windows + kBurst * kRoom / 20 * kBlock;
  const bool open_fits = held <= charged && (held > 0 || charged == 0);
  const bool exact = charged <= held + hidden && (any_closed ? held <= most : open_fits);
  if (!exact) {
    verdict.fail(now, who + std::to_string(held) + " bytes held, the windows are charged with " +
                          std::to_string(charged));
  }
  if (shard.counters().get(Counter::k_curr_estab) != up) {
    verdict.fail(now, who + "curr_estab is " +
                          std::to_string(shard.counters().get(Counter::k_curr_estab)) + ", not " +
                          std::to_string(up));
  }
}

void Host::check_empty(TimePoint now) {
  Verdict& verdict = simulator_.verdict();
  const std::string who = "host " + std::to_string(index_) + ": ";
  for (const auto& shard : shards_) {
    if (shard->association_count() != 0) verdict.fail(now, who + "associations are left");
    const Shard::PoolUsage usage = shard->pool_usage();
    if (usage.receive_blocks_used + usage.chunks_used + usage.messages_used != 0) {
      verdict.fail(now, who + "pools leak: " + std::to_string(usage.receive_blocks_used) +
                            " receive blocks, " + std::to_string(usage.chunks_used) + " chunks, " +
                            std::to_string(usage.messages_used) + " messages");
    }
    const Counters& counters = shard->counters();
    if (counters.get(Counter::k_curr_estab) != 0) {
      verdict.fail(now,
                   who + "curr_estab is " + std::to_string(counters.get(Counter::k_curr_estab)));
    }
    if (shard->has_output()) verdict.fail(now, who + "has_output() without associations");
  }
}

// ---------------------------------------------------------------- Simulator

Simulator::Simulator(uint64_t seed, Options options)
    : seed_(seed),
      options_(options),
      network_(seed ^ 0x6e6574),
      ledger_(verdict_, static_cast<uint32_t>(seed * 0x9e3779b1)),
      referee_(verdict_),
      random_(seed ^ 0x617070) {}

Host& Simulator::add_host(HostConfig config, Application& application) {
  const auto index = static_cast<HostIndex>(hosts_.size());
  hosts_.push_back(std::make_unique<Host>(*this, index, std::move(config), application));
  return *hosts_.back();
}

void Simulator::at(TimePoint when, std::function<void(TimePoint)> what) {
  const auto place = std::find_if(scripts_.begin(), scripts_.end(),
                                  [&](const Script& script) { return script.when > when; });
  scripts_.insert(place, {when, std::move(what)});
}

bool Simulator::step(TimePoint limit) {
  TimePoint next = network_.next_arrival();
  if (!scripts_.empty()) next = std::min(next, scripts_.front().when);
  for (const auto& host : hosts_) next = std::min(next, host->next_wake(now_));
  if (next.is_never() || next > limit) return false;
  now_ = std::max(now_, next);
  ++steps_;
  while (!scripts_.empty() && scripts_.front().when <= now_) {
    const auto what = std::move(scripts_.front().what);
    scripts_.erase(scripts_.begin());
    what(now_);
  }
  while (auto packet = network_.receive(now_)) {
    Host& to = *hosts_[packet->to];
    if (to.alive()) to.deliver(now_, std::move(packet));
  }
  for (const auto& host : hosts_) {
    if (host->next_wake(now_) <= now_) host->iterate(now_);
    if (verdict_.failed()) return false;
  }
  return true;
}

void Simulator::run(const std::function<bool()>& done, TimePoint limit) {
  constexpr uint64_t kMaxSteps = 400'000;
  while (!verdict_.failed() && !done()) {
    if (!step(limit)) {
      verdict_.fail(now_, "nothing more happens before the limit, and the scenario is not done");
      return;
    }
    if (steps_ > kMaxSteps) {
      verdict_.fail(now_, "more than " + std::to_string(kMaxSteps) + " steps");
    }
  }
}

void Simulator::run_for(Duration span) {
  const TimePoint limit = now_ + span;
  while (!verdict_.failed() && step(limit)) {
  }
}

void Simulator::mix(uint64_t value) {
  trace_hash_ = (trace_hash_ ^ value) * 0xff51afd7ed558ccdull;
  trace_hash_ ^= trace_hash_ >> 32;
}

void Simulator::send_packet(TimePoint now, HostIndex from, const PacketOut& packet) {
  std::vector<uint8_t> bytes(packet.room.begin(), packet.room.begin() + packet.length);
  ++packets_;
  mix(static_cast<uint64_t>(now.ns()));
  mix(from);
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    mix(word);
  }
  for (; at < bytes.size(); ++at) mix(bytes[at]);
  for (const uint8_t byte : packet.destination.bytes()) mix(byte);

  const auto to = network_.host_of(packet.destination);
  if (network_.host_of(packet.source) != from) {
    verdict_.fail(
        now, "packet from an address that the host does not have: " + packet.source.to_string());
  }
  if (packet.source.family() != packet.destination.family()) {
    verdict_.fail(now, "packet between address families");
  }
  if (options_.keeps_packets) {
    constexpr size_t kKept = 16;
    if (seen_.size() < kKept) seen_.emplace_back();
    seen_[next_seen_] = {packet.source, packet.destination, bytes};
    next_seen_ = (next_seen_ + 1) % kKept;
  }
  Remembered entry{now, from, to.value_or(UINT8_MAX), Fate::kLost, bytes, {}};
  if (to) referee_.sent(now, from, *to, packet.destination.is_ipv6(), bytes);
  entry.fate = network_.send(now, from, packet.source, packet.destination, bytes);
  remember(std::move(entry));
  if (tap_) tap_({packet.source, packet.destination, bytes});
}

const Simulator::Seen* Simulator::any_seen_packet(SeededRandom& random) const {
  if (seen_.empty()) return nullptr;
  return &seen_[random.below(seen_.size())];
}

void Simulator::inject(TimePoint now, const IpAddress& source, const IpAddress& destination,
                       std::vector<uint8_t> bytes) {
  const auto from = network_.host_of(source);
  const auto to = network_.host_of(destination);
  if (!from || !to) return;
  mix(wire::packet_checksum(bytes));
  note(now, "forged " + std::to_string(*from) + ">" + std::to_string(*to) + " " +
                describe_packet(bytes));
  network_.inject(now, *from, *to, source, destination, std::move(bytes));
}

void Simulator::note_event(TimePoint now, HostIndex host, const Event& event) {
  mix(static_cast<uint64_t>(event.kind));
  mix(static_cast<uint64_t>(now.ns()));
  // Messages are many; the packets say enough of them.
  const bool bulk = event.kind == EventKind::kMessage ||
                    event.kind == EventKind::kSendAcknowledged ||
                    event.kind == EventKind::kSenderDry;
  if (!bulk || options_.verbose) note(now, describe_event(host, event));
}

void Simulator::note(TimePoint now, const std::string& text) {
  remember({now, 0, 0, Fate::kPassed, {}, text});
}

void Simulator::remember(Remembered entry) {
  if (options_.verbose) std::printf("%s\n", line(entry).c_str());
  remembered_.push_back(std::move(entry));
  if (remembered_.size() > options_.remembered) remembered_.pop_front();
}

std::string Simulator::line(const Remembered& entry) {
  char head[64];
  if (!entry.note.empty()) {
    std::snprintf(head, sizeof head, "%14.6f  -- ", static_cast<double>(entry.when.ns()) / 1e9);
    return head + entry.note;
  }
  std::snprintf(head, sizeof head, "%14.6f  %u>%u ", static_cast<double>(entry.when.ns()) / 1e9,
                entry.from, entry.to);
  return head + describe_packet(entry.bytes) + fate_name(entry.fate);
}

std::string Simulator::history() const {
  std::string out;
  for (const Remembered& entry : remembered_) out += line(entry) + '\n';
  return out;
}

}  // namespace trunkline::sim
