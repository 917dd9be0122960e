// SPDX-License-Identifier: BSD-3-Clause
// A simulated host: the iteration of a worker as stack.h describes it, for each of its shards. What
// is looked at when it rests: host_checks.cpp.
#include <algorithm>
#include <array>
#include <set>

#include "../support/each_end.h"
#include "base/bytes.h"
#include "mangle.h"
#include "shards/directory.h"
#include "simulator.h"
#include "wire/crc32c.h"

namespace trunkline::sim {
namespace {

// No iteration needs anywhere near that many rounds unless it spins.
constexpr size_t kMaxRounds = 20000;
constexpr uint8_t kReusedByte = 0xee;
// What the way from a shard of a host to a shard of the same host takes, through memory.
constexpr Duration kLoop = std::chrono::microseconds(1);

}  // namespace

void WrappingRandom::fill(std::span<uint8_t> out) {
  random_.fill(out);
  if (out.size() != 4 || random_.below(6) != 0) return;
  // As u32() puts them together.
  const uint32_t value = 0xffffff80u | static_cast<uint32_t>(near_++ % 128);
  for (size_t i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

Host::Host(Simulator& simulator, HostIndex index, HostConfig config, Application& application)
    : simulator_(simulator),
      index_(index),
      config_(std::move(config)),
      application_(application),
      port_(test::port_models()[config_.port % test::port_models().size()], config_.shards),
      arrivals_(simulator.seed() * 31 + index) {
  for (size_t i = 0; i < config_.addresses.size(); ++i) {
    simulator_.network().attach(index_, config_.addresses[i], static_cast<NetIndex>(i));
  }
  simulator_.referee().set_limits(index_, config_.limits);
  simulator_.ends().set_host(index_, config_.addresses, config_.free_ports);
  if (!config_.lists.empty()) simulator_.addresses().expect_lies(index_);
}

void Host::start(TimePoint now) {
  ++boot_;
  const uint64_t seed = simulator_.seed() * 1000003 + index_ * 257ull + boot_ * 65537ull;
  randoms_.emplace_back(seed);
  directory_ =
      make_directory(randoms_.back(), config_.shard.max_associations * config_.shards * 16);
  ports_ = make_port_table();
  if (config_.free_ports > 0) occupy_ports();
  inboxes_.resize(config_.shards);
  rings_.resize(size_t{config_.shards} * config_.shards);
  t3_expirations_ = 0;
  t3_of_.clear();
  for (uint16_t i = 0; i < config_.shards; ++i) {
    ShardConfig config = config_.shard;
    config.index = i;
    config.count = config_.shards;
    config.own_addresses = config_.addresses;
    config.ports = ports_.get();
    randoms_.emplace_back(seed + 1 + i);
    shards_.push_back(std::make_unique<Shard>(config, *directory_, randoms_.back(), now));
  }
  application_.started(*this, now);
}

// Somebody else has nearly all dynamic ports, on every address: what is left comes around soon.
void Host::occupy_ports() {
  SeededRandom random(simulator_.seed() * 131 + index_);
  std::set<uint16_t> free;
  while (free.size() < config_.free_ports) {
    const uint64_t offset = random.below(65536u - PortTable::kFirstDynamic);
    free.insert(static_cast<uint16_t>(PortTable::kFirstDynamic + offset));
  }
  const BoundAddresses all = *BoundAddresses::of({});
  occupied_.clear();
  for (uint32_t port = PortTable::kFirstDynamic; port < 65536; ++port) {
    const PortNumber number(static_cast<uint16_t>(port));
    if (free.contains(number.value)) continue;
    occupied_.push_back(ports_->claim(number, all, kSomebodyElse, random).entry);
  }
}

void Host::crash(TimePoint now) {
  simulator_.note(now, "host " + std::to_string(index_) + " crashes");
  never_crashed_ = false;
  simulator_.ledger().host_crashing(index_);
  simulator_.referee().crashed(index_);
  simulator_.paths().crashed(index_);
  simulator_.ends().crashed(index_);
  application_.crashed(*this, now);
  shards_.clear();
  ports_.reset();
  directory_.reset();
  randoms_.clear();
  inboxes_.clear();
  rings_.clear();
  simulator_.ledger().host_crashed(now, index_);
}

TimePoint Host::next_wake(TimePoint now) const {
  if (!alive()) return TimePoint::never();
  TimePoint wake = application_.next_action();
  for (const auto& shard : shards_) {
    wake = std::min(wake, shard->has_output() ? now : shard->next_deadline());
  }
  wake = std::min(wake, next_waiting());
  if (wake.is_never()) return wake;
  wake = std::max({wake, paused_until_, now});
  if (config_.poll.count() > 0) {
    const int64_t poll = config_.poll.count();
    wake = TimePoint::from_ns((wake.ns() + poll - 1) / poll * poll);
  }
  return wake;
}

TimePoint Host::next_waiting() const {
  TimePoint next = TimePoint::never();
  for (const auto* queues : {&inboxes_, &rings_}) {
    for (const auto& queue : *queues) {
      if (!queue.empty()) next = std::min(next, queue.front().ready);
    }
  }
  return next;
}

void Host::deliver(TimePoint now, std::unique_ptr<NetPacket> packet) {
  if (now < simulator_.start() + config_.window_cap_until && !packet->damaged) {
    static_cast<void>(refuse_data(packet->bytes, config_.window_cap, packet->taken));
  }
  Waiting waiting{now, 0, std::move(packet), false};
  const uint16_t place = config_.shards > 1 ? place_of(waiting) : uint16_t{0};
  inboxes_[place].push_back(std::move(waiting));
}

// At any shard, as ICMP arrives; one hand-over is enough.
void Host::told_too_big(TimePoint now, const PacketIn& sent, uint16_t mtu, bool forged) {
  const auto place = static_cast<size_t>(arrivals_.below(shards_.size()));
  const uint16_t owner = shards_[place]->steer_quoted(sent);
  Verdict& verdict = simulator_.verdict();
  const std::string who = "host " + std::to_string(index_) + ": ";
  if (owner >= shards_.size() || shards_[owner]->steer_quoted(sent) != owner) {
    return verdict.fail(now, who + "an ICMP message that is handed over without end");
  }
  const std::optional<uint16_t> concerned = shard_with(sent);
  if (concerned && *concerned != owner) {
    return verdict.fail(now, who + "an ICMP message given to shard " + std::to_string(owner) +
                                 ", its association is in shard " + std::to_string(*concerned));
  }
  const std::vector<uint32_t> before = path_mtus();
  shards_[owner]->packet_too_big(now, sent, mtu);
  if (forged && path_mtus() != before) {
    verdict.fail(now, who + "a forged ICMP message changed a path's MTU (RFC 8899 section 4.6)");
  }
}

// Asked of all shards: which one has the association that a packet of ours belongs to?
std::optional<uint16_t> Host::shard_with(const PacketIn& sent) const {
  // What every quotation shows: the ports.
  const PortNumber source(load_be16(sent.bytes.data()));
  const PortNumber destination(load_be16(sent.bytes.data() + 2));
  AssocStatus status;
  for (uint16_t i = 0; i < shards_.size(); ++i) {
    for (const AssocId id : shards_[i]->associations()) {
      if (!shards_[i]->status(id, status) || status.local_port != source ||
          status.peer_port != destination) {
        continue;
      }
      for (const PathStatus& path : status.paths) {
        if (path.local == sent.source && path.remote == sent.destination) return i;
      }
    }
  }
  return std::nullopt;
}

std::vector<uint32_t> Host::path_mtus() const {
  std::vector<uint32_t> out;
  AssocStatus status;
  for (const auto& shard : shards_) {
    for (const AssocId id : shard->associations()) {
      if (!shard->status(id, status)) continue;
      for (const PathStatus& path : status.paths) out.push_back(path.mtu);
    }
  }
  return out;
}

uint16_t Host::place_of(const Waiting& waiting) {
  const NetPacket& packet = *waiting.packet;
  uint64_t hash = simulator_.seed() + boot_;
  switch (config_.spread) {
    case Spread::kByPacket:
      hash = arrivals_.below(config_.shards);
      break;
    case Spread::kByFlow:
      for (size_t i = 0; i < 4 && i < packet.bytes.size(); ++i) hash = hash * 31 + packet.bytes[i];
      [[fallthrough]];
    case Spread::kByAddress:
      for (const uint8_t byte : packet.source.bytes()) hash = hash * 31 + byte;
      for (const uint8_t byte : packet.destination.bytes()) hash = hash * 31 + byte;
      break;
    case Spread::kByPort:
      return port_.queue_of(as_input(waiting));
    case Spread::kWrong:
      hash = owner_of(waiting) + 1 + arrivals_.below(config_.shards - 1u);
      break;
  }
  return static_cast<uint16_t>(hash % config_.shards);
}

// Where it would end, asked of one shard after the other as workers do.
uint16_t Host::owner_of(const Waiting& waiting) const {
  PacketIn packet = as_input(waiting);
  auto at = static_cast<uint16_t>(packet.bytes.size() % config_.shards);
  while (packet.hand_overs < 3) {
    const uint16_t next = shards_[at]->steer(packet);
    if (next == at || next >= config_.shards) break;
    at = next;
    ++packet.hand_overs;
  }
  return at;
}

PacketIn Host::as_input(const Waiting& waiting) const {
  const NetPacket& packet = *waiting.packet;
  ChecksumState checksum = ChecksumState::kUnchecked;
  if (config_.checksum_by_port) {
    checksum = wire::verify_checksum(packet.bytes) ? ChecksumState::kGood : ChecksumState::kBad;
  }
  if (waiting.looped) checksum = ChecksumState::kGood;  // it never left this memory
  return {packet.source, packet.destination, packet.bytes,
          checksum,      waiting.hand_overs, waiting.looped};
}

size_t Host::association_count() const {
  size_t count = 0;
  for (const auto& shard : shards_) count += shard->association_count();
  return count;
}

// The shards' turns come in another order each time.
void Host::receive(TimePoint now) {
  const size_t first = iterations_ % shards_.size();
  for (size_t i = 0; i < shards_.size() && !simulator_.verdict().failed(); ++i) {
    receive(now, static_cast<uint16_t>((first + i) % shards_.size()));
  }
}

// Takes what is ready from the port and from each other shard, hands over what is for another one,
// and gives the rest to this one.
void Host::receive(TimePoint now, uint16_t index) {
  std::vector<Waiting> burst;
  const size_t sources = shards_.size() + 1;
  const size_t first = iterations_ % sources;
  for (size_t i = 0; i < sources; ++i) {
    const size_t source = (first + i) % sources;
    auto& queue =
        source < shards_.size() ? ring(static_cast<uint16_t>(source), index) : inboxes_[index];
    while (!queue.empty() && queue.front().ready <= now) {
      Waiting waiting = std::move(queue.front());
      queue.pop_front();
      const uint16_t owner = shards_.size() > 1 ? shards_[index]->steer(as_input(waiting)) : index;
      if (owner != index) {
        hand_over(now, index, owner, 1, std::move(waiting));
        continue;
      }
      burst.push_back(std::move(waiting));
      if (burst.size() == kBurst) give(now, *shards_[index], burst);
    }
  }
  give(now, *shards_[index], burst);
}

// A ring for each pair of shards: it keeps the order, has room for so many, and loses what finds it
// full. What lands at the owner meanwhile, or comes from a third one, overtakes.
void Host::hand_over(TimePoint now, uint16_t from, uint16_t to, uint8_t counts, Waiting waiting) {
  waiting.hand_overs = static_cast<uint8_t>(waiting.hand_overs + counts);
  if (to >= config_.shards || waiting.hand_overs > 2) {
    return simulator_.verdict().fail(now, "a packet that is handed over without end");
  }
  auto& way = ring(from, to);
  if (config_.hand_over_room > 0 && way.size() >= config_.hand_over_room) {
    ++hand_over_losses_;
    simulator_.note(now, "host " + std::to_string(index_) + ": no room on the way from shard " +
                             std::to_string(from) + " to " + std::to_string(to));
    return;
  }
  ++hand_overs_;
  const Duration usual = config_.hand_over;
  const Duration takes =
      usual / 2 +
      Duration(static_cast<int64_t>(arrivals_.below(static_cast<uint64_t>(usual.count()) + 1)));
  waiting.ready = std::max(now + takes, way.empty() ? now : way.back().ready);
  way.push_back(std::move(waiting));
}

void Host::give(TimePoint now, Shard& shard, std::vector<Waiting>& burst) {
  if (burst.empty()) return;
  burst_.clear();
  for (const Waiting& waiting : burst) {
    burst_.push_back(as_input(waiting));
    const NetPacket& packet = *waiting.packet;
    const auto [from, to] =
        simulator_.parties_of(packet.from, index_, packet.source, packet.destination, packet.bytes);
    simulator_.referee().given(from, to, packet.bytes);
    if (!packet.damaged) {
      const auto& taken = packet.taken.empty() ? packet.bytes : packet.taken;
      simulator_.referee().delivered(now, from, to, taken);
      simulator_.paths().delivered(now, from, to, taken);
    }
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
  bool good = true;
  const auto take = [&](Event& one) { good = good && take_event(now, shard, one); };
  while (Event* event = good ? shard.next_event() : nullptr) {
    if (application_.takes_whole()) {
      test::show_each_end(*event, take);
      application_.deliver(*this, now, *event);
    } else {
      test::each_end(*event, take);
    }
  }
}

bool Host::take_event(TimePoint now, Shard& shard, Event& event) {
  simulator_.note_event(now, index_, event);
  const HostIndex peer = host_at(event.path);
  if (event.kind == EventKind::kAccepted || event.kind == EventKind::kConnected ||
      event.kind == EventKind::kRestarted) {
    AssocStatus status;
    const bool lives = shard.status(event.assoc, status);
    if (event.kind == EventKind::kAccepted) {
      const Parties parties = lives ? parties_of(status) : Parties{index_, peer};
      simulator_.referee().accepted(now, parties.ours, parties.theirs, event.local_port,
                                    event.peer_port);
    }
    const bool judged =
        lives && !simulator_.ledger().is_hostile(status.local_port.value, status.peer_port.value);
    if (judged) {
      simulator_.addresses().check(now, index_, peer, status);
    }
  }
  const RecordId record = simulator_.ledger().event(now, index_, boot_, event, peer);
  if (record == kNoRecord || simulator_.verdict().failed()) return false;
  application_.on_event(*this, now, record, event);
  return true;
}

bool Host::transmit(TimePoint now, uint16_t at) {
  Shard& shard = *shards_[at];
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
    mangle(now, out[i]);
    if (!simulator_.send_packet(now, index_, out[i])) loop_back(now, at, out[i]);
  }
  return count > 0;
}

// As a worker does: the shard that sent it says whose it is, and it always goes through a ring.
// What belongs where it was sent goes elsewhere all the same, where packets from the port do so,
// too: else no INIT of this host to itself would ever leave its shard.
void Host::loop_back(TimePoint now, uint16_t from, const PacketOut& packet) {
  if (config_.loop_loss > 0 && arrivals_.below(1'000'000) < config_.loop_loss) {
    return simulator_.note(now,
                           "host " + std::to_string(index_) + ": no room on the way to itself");
  }
  auto looped = std::make_unique<NetPacket>();
  looped->sent = looped->arrives = now;
  looped->from = looped->to = index_;
  looped->source = packet.source;
  looped->destination = packet.destination;
  looped->bytes.assign(packet.room.begin(), packet.room.begin() + packet.length);
  Waiting waiting{now, 0, std::move(looped), true};
  const uint16_t owner = shards_.size() > 1 ? shards_[from]->steer(as_input(waiting)) : from;
  if (owner != from) return hand_over(now, from, owner, 1, std::move(waiting));
  const bool misdirected =
      shards_.size() > 1 && (config_.spread == Spread::kWrong ||
                             (config_.spread == Spread::kByPacket && arrivals_.below(2) == 0));
  if (misdirected) {
    const auto other = static_cast<uint16_t>((from + 1) % shards_.size());
    return hand_over(now, from, other, 0, std::move(waiting));
  }
  auto& way = ring(from, from);
  waiting.ready = now + kLoop;
  way.push_back(std::move(waiting));
}

HostIndex Host::host_at(const IpAddress& address) const {
  return simulator_.network().host_of(address).value_or(index_);
}

Host::Parties Host::parties_of(const AssocStatus& status) const {
  const PathStatus& path = status.paths[0];
  const HostIndex peer = host_at(path.remote);
  const EndBook& ends = simulator_.ends();
  return {{index_, ends.end_of(index_, path.local, status.local_port)},
          {peer, ends.end_of(peer, path.remote, status.peer_port)}};
}

void Host::mangle(TimePoint now, PacketOut& packet) const {
  if (now < simulator_.start() + config_.window_cap_until) {
    cap_windows(packet.room.first(packet.length), config_.window_cap);
  }
  if (config_.lists.empty()) return;
  const size_t most = config_.limits.mtu - ip_header_size(true);
  packet.length =
      static_cast<uint16_t>(list_more(packet.room.first(std::max<size_t>(most, packet.length)),
                                      packet.length, packet.source, config_.lists));
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
    busy = busy || next_waiting() <= now;
    for (uint16_t at = 0; at < shards_.size(); ++at) {
      Shard* const shard = shards_[at].get();
      shard->advance(now);
      check_expired(now);
      drain_events(now, *shard);
      application_.end_turn(*this, now, at);
      while (!verdict.failed() && transmit(now, at)) busy = true;
      drain_events(now, *shard);
      busy = busy || shard->next_deadline() <= now || shard->has_output();
    }
    if (verdict.failed()) return;
    if (!busy) break;
  }
  check_accounts(now);
  check_windows(now);
  if (++iterations_ % 16 == 0) audit(now);
}

}  // namespace trunkline::sim
