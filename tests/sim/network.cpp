// SPDX-License-Identifier: BSD-3-Clause
// What the links do to packets.
#include "network.h"

#include <algorithm>

#include "wire/chunk.h"
#include "wire/common_header.h"

namespace trunkline::sim {

size_t Network::AddressHash::operator()(const IpAddress& address) const {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const uint8_t byte : address.bytes()) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash;
}

void Network::attach(HostIndex host, const IpAddress& address, NetIndex net) {
  routes_[address] = {host, net};
}

std::optional<HostIndex> Network::host_of(const IpAddress& address) const {
  const auto it = routes_.find(address);
  if (it == routes_.end()) return std::nullopt;
  return it->second.host;
}

NetIndex Network::net_of(const IpAddress& address) const {
  const auto it = routes_.find(address);
  return it == routes_.end() ? NetIndex{0} : it->second.net;
}

void Network::drop_next(HostIndex from, HostIndex to, uint8_t chunk_type, uint32_t count) {
  named_drops_[{from, to}][chunk_type] += count;
}

void Network::heal() {
  for (auto& [ends, link] : links_) {
    LinkFaults clean;
    clean.delay = link.faults.delay;
    clean.rate = link.faults.rate;
    clean.queue_limit = link.faults.queue_limit;
    link.faults = clean;
    link.bad = false;
  }
  named_drops_.clear();
}

// A burst is told by packets, but who backs off sends few: it ends by time as well.
bool Network::lose(TimePoint now, Link& link) {
  constexpr Duration kLongestBurst = std::chrono::seconds(10);
  const LinkFaults& faults = link.faults;
  if (faults.cut) return true;
  const bool was_bad = link.bad && now - link.bad_since < kLongestBurst;
  link.bad = was_bad ? !chance(faults.leave_bad) : chance(faults.enter_bad);
  if (link.bad && !was_bad) link.bad_since = now;
  return chance(faults.loss) || (link.bad && chance(faults.loss_when_bad));
}

bool Network::drop_by_name(HostIndex from, HostIndex to, std::span<const uint8_t> bytes) {
  const auto drops = named_drops_.find({from, to});
  if (drops == named_drops_.end() || bytes.size() < wire::kCommonHeaderSize) return false;
  wire::ChunkCursor cursor(bytes.subspan(wire::kCommonHeaderSize));
  while (const auto chunk = cursor.next()) {
    uint32_t& left = drops->second[static_cast<uint8_t>(chunk->type)];
    if (left == 0) continue;
    --left;
    return true;
  }
  return false;
}

bool Network::damage(const LinkFaults& faults, std::vector<uint8_t>& bytes) {
  if (bytes.empty()) return false;
  if (chance(faults.truncate)) {
    bytes.resize(random_.below(bytes.size()));
    return true;
  }
  if (!chance(faults.corrupt)) return false;
  // Up to three flipped bits are always caught by CRC32c at these lengths. They must be distinct,
  // or they undo each other.
  const size_t bits = bytes.size() * 8;
  const size_t first = random_.below(bits);
  const uint64_t count = 1 + random_.below(3);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t bit = (first + i * 37) % bits;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1u << (bit % 8)));
  }
  return true;
}

std::optional<TimePoint> Network::schedule(TimePoint now, Link& link, size_t wire_bytes,
                                           bool& reordered) {
  const LinkFaults& faults = link.faults;
  TimePoint leaves = now;
  if (faults.rate > 0) {
    const TimePoint starts = std::max(now, link.busy_until);
    const auto waiting =
        static_cast<uint64_t>((starts - now).count()) * faults.rate / 1'000'000'000;
    if (waiting > faults.queue_limit) return std::nullopt;
    leaves = starts + Duration(static_cast<int64_t>(wire_bytes * 1'000'000'000 / faults.rate));
    link.busy_until = leaves;
  }
  TimePoint arrives = leaves + faults.delay;
  if (faults.jitter.count() > 0) {
    arrives =
        arrives +
        Duration(static_cast<int64_t>(random_.below(static_cast<uint64_t>(faults.jitter.count()))));
  }
  if (faults.backwards.count() > 0) {
    reordered = true;
    const int64_t period = faults.backwards.count();
    const int64_t left = period - leaves.ns() % period;
    // Of what leaves at one moment, too, the last comes first.
    arrives = arrives + Duration(2 * left);
    return arrives - Duration(static_cast<int64_t>(next_serial_ % 1'000));
  }
  if (faults.reorder_by.count() > 0 && chance(faults.reorder)) {
    reordered = true;
    return arrives + Duration(static_cast<int64_t>(
                         random_.below(static_cast<uint64_t>(faults.reorder_by.count()))));
  }
  arrives = std::max(arrives, link.last_arrival);
  link.last_arrival = arrives;
  return arrives;
}

Fate Network::send(TimePoint now, HostIndex from, const IpAddress& source,
                   const IpAddress& destination, const std::vector<uint8_t>& bytes,
                   uint16_t fragment_size) {
  ++totals_.sent;
  const auto to = host_of(destination);
  if (!to) {
    ++totals_.lost;
    return Fate::kLost;
  }
  Link& link = link_state(from, *to, net_of(destination));
  const size_t whole = bytes.size() + ip_header_size(destination.is_ipv6());
  const size_t ip_size = fragment_size != 0 ? std::min<size_t>(whole, fragment_size) : whole;
  const bool too_big = link.faults.mtu != 0 && ip_size > link.faults.mtu && !link.faults.cut;
  if (too_big || drop_by_name(from, *to, bytes) || lose(now, link)) {
    ++totals_.lost;
    return too_big ? Fate::kTooBig : Fate::kLost;
  }
  const uint64_t copies = chance(link.faults.duplicate) ? 2 + random_.below(2) : 1;
  Fate fate = copies > 1 ? Fate::kDuplicated : Fate::kPassed;
  totals_.duplicated += copies - 1;
  for (uint64_t i = 0; i < copies; ++i) {
    auto packet = std::make_unique<NetPacket>();
    packet->sent = now;
    packet->serial = next_serial_++;
    packet->from = from;
    packet->to = *to;
    packet->source = source;
    packet->destination = destination;
    packet->bytes = bytes;
    bool reordered = false;
    const auto arrives = schedule(
        now, link, packet->bytes.size() + ip_header_size(destination.is_ipv6()), reordered);
    if (!arrives) {
      ++totals_.lost;
      return Fate::kLost;
    }
    if (reordered) {
      ++totals_.reordered;
      fate = Fate::kDelayed;
    }
    packet->arrives = *arrives;
    packet->damaged = damage(link.faults, packet->bytes);
    if (packet->damaged) {
      ++totals_.damaged;
      fate = Fate::kDamaged;
    }
    in_flight_.push(std::move(packet));
  }
  return fate;
}

void Network::inject(TimePoint now, HostIndex from, HostIndex to, const IpAddress& source,
                     const IpAddress& destination, std::vector<uint8_t> bytes) {
  auto packet = std::make_unique<NetPacket>();
  packet->sent = packet->arrives = now;
  packet->serial = next_serial_++;
  packet->from = from;
  packet->to = to;
  packet->damaged = true;
  packet->source = source;
  packet->destination = destination;
  packet->bytes = std::move(bytes);
  in_flight_.push(std::move(packet));
}

std::unique_ptr<NetPacket> Network::receive(TimePoint now) {
  if (in_flight_.empty() || in_flight_.top()->arrives > now) return nullptr;
  // The queue's top is const only to keep its order; it is popped before anyone can look again.
  auto packet = std::move(const_cast<std::unique_ptr<NetPacket>&>(in_flight_.top()));
  in_flight_.pop();
  ++totals_.arrived;
  return packet;
}

}  // namespace trunkline::sim
