// SPDX-License-Identifier: BSD-3-Clause
// Which way DATA goes: see the header for what is judged, and why in that time.
#include "path_watch.h"

#include <algorithm>

#include "wire/chunk.h"
#include "wire/common_header.h"

namespace trunkline::sim {
namespace {

using wire::ChunkType;

constexpr uint8_t kPad = 0x84;  // RFC 4820

uint64_t hash_of(std::span<const uint8_t> bytes) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3ull;
  return hash;
}

}  // namespace

void PathWatch::fail(TimePoint now, const Flow& flow, const Way& way, const std::string& what) {
  verdict_.fail(now, "host " + std::to_string(flow.from) + " to " + way.destination.to_string() +
                         ": " + what);
}

PathWatch::Flow& PathWatch::flow(Party from, Party to, uint16_t source_port,
                                 uint16_t destination_port) {
  Flow& out = flows_[key_of(from, to, source_port, destination_port)];
  out.from = from.host;
  out.to = to.host;
  return out;
}

PathWatch::Way& PathWatch::way_to(Flow& flow, const IpAddress& destination) {
  for (Way& way : flow.ways) {
    if (way.destination == destination) return way;
  }
  flow.ways.emplace_back().destination = destination;
  return flow.ways.back();
}

void PathWatch::named(Party host, Party peer, PortNumber local, PortNumber remote,
                      const IpAddress& address) {
  way_to(flow(host, peer, local.value, remote.value), address).confirmed = true;
}

void PathWatch::crashed(HostIndex host) {
  std::erase_if(flows_, [&](const auto& entry) { return entry.second.from == host; });
}

// ---------------------------------------------------------------- links

void PathWatch::cut(TimePoint now, HostIndex from, HostIndex to, NetIndex net) {
  Link& link = links_[{from, to, net}];
  if (link.is_cut) return;
  // What had no answer by now is judged by what the links were.
  for (auto& [key, flow] : flows_) check_left(now, flow);
  link = {true, true, now};
  links_changed(now, from, to, net);
}

void PathWatch::restored(TimePoint now, HostIndex from, HostIndex to, NetIndex net) {
  Link& link = links_[{from, to, net}];
  if (!link.is_cut) return;
  for (auto& [key, flow] : flows_) check_left(now, flow);
  link.is_cut = false;
  link.since = now;
  links_changed(now, from, to, net);
}

void PathWatch::links_changed(TimePoint now, HostIndex from, HostIndex to, NetIndex net) {
  for (auto& [key, flow] : flows_) {
    for (Way& way : flow.ways) {
      const bool there =
          flow.from == from && flow.to == to && network_.net_of(way.destination) == net;
      const bool back = flow.from == to && flow.to == from && network_.net_of(way.source) == net;
      if (!there && !back) continue;
      // Both directions may change at one moment.
      if (way.changed != now) {
        way.was_measured = way.answers > 0 || way.changed == TimePoint();
      }
      way.changed = now;
      way.answers = 0;
      way.first_unanswered = way.first_data = TimePoint::never();
      way.was_left = false;
      way.given_up_at = TimePoint::never();
    }
  }
}

const PathWatch::Link& PathWatch::link(HostIndex from, HostIndex to,
                                       const IpAddress& towards) const {
  static const Link kWhole;
  const auto it = links_.find({from, to, network_.net_of(towards)});
  return it == links_.end() ? kWhole : it->second;
}

bool PathWatch::is_dead(const Flow& flow, const Way& way) const {
  return link(flow.from, flow.to, way.destination).is_cut &&
         link(flow.to, flow.from, way.source).is_cut;
}

TimePoint PathWatch::sound_since(const Flow& flow, const Way& way, uint32_t answers) const {
  const Link& there = link(flow.from, flow.to, way.destination);
  const Link& back = link(flow.to, flow.from, way.source);
  if (!way.confirmed || there.is_cut || back.is_cut) return TimePoint::never();
  if (!there.was_ever_cut && !back.was_ever_cut) return way.confirmed_at;
  return way.answers > answers ? way.answers_since : TimePoint::never();
}

TimePoint PathWatch::other_sound_since(const Flow& flow, const Way& but,
                                       const Promise& promise) const {
  TimePoint since = TimePoint::never();
  for (const Way& way : flow.ways) {
    if (&way == &but) continue;
    since = std::min(since, sound_since(flow, way, promise.return_heartbeats));
  }
  return since;
}

TimePoint PathWatch::deadline(const Flow& flow, const Way& way, TimePoint first) const {
  const auto promise = promises_.find(flow.from);
  if (first.is_never() || promise == promises_.end() || promise->second.rto.count() == 0) {
    return TimePoint::never();
  }
  // It was sound until it died, and measured: else its RTO may be another one.
  if (!way.was_measured) return TimePoint::never();
  const TimePoint other = other_sound_since(flow, way, promise->second);
  if (other.is_never()) return TimePoint::never();
  return std::max(first, other) + promise->second.rto * 3 / 2;
}

// ---------------------------------------------------------------- packets

// Of what went into a dead path unanswered, some must have gone another way by now.
void PathWatch::check_left(TimePoint now, Flow& flow) {
  for (Way& way : flow.ways) {
    if (way.was_left || way.first_data.is_never() || !is_dead(flow, way)) continue;
    if (now > deadline(flow, way, way.first_data)) {
      fail(now, flow, way, "DATA waits for a dead path, though another one works (RFC 7829)");
    }
  }
}

void PathWatch::sent_data(TimePoint now, Flow& flow, Way& way) {
  if (!way.confirmed) fail(now, flow, way, "DATA before the address is confirmed (section 5.4)");
  way.last_data = now;
  for (Way& other : flow.ways) {
    if (&other == &way || other.was_left || !is_dead(flow, other)) continue;
    if (other.first_data.is_never()) {
      // What it carried when it died may have had no answer either: then this is how it was left.
      const Duration rto = promises_[flow.from].rto;
      other.was_left = other.last_data != TimePoint() && other.last_data + rto > other.changed;
      continue;
    }
    const TimePoint last = deadline(flow, other, other.first_data);
    other.was_left = true;
    if (last.is_never()) continue;
    const Duration rto = promises_[flow.from].rto;
    if (now - other.first_data >= rto) other.given_up_at = now;
    ++failovers_;
    slowest_ = std::max(slowest_, static_cast<double>((now - (last - rto * 3 / 2)).count()) /
                                      static_cast<double>(rto.count()));
  }
  if (!is_dead(flow, way)) return;
  if (now > way.given_up_at && !deadline(flow, way, way.given_up_at).is_never()) {
    fail(now, flow, way, "DATA into a dead path that a time-out had driven it from (RFC 7829)");
  }
  way.first_unanswered = std::min(way.first_unanswered, now);
  way.first_data = std::min(way.first_data, now);
  if (now > deadline(flow, way, way.first_unanswered)) {
    fail(now, flow, way,
         "DATA into a dead path, " + std::to_string((now - way.first_unanswered).count() / 1000) +
             " us after the first packet without an answer (RFC 7829)");
  }
}

void PathWatch::sent(TimePoint now, Party from, Party to, const IpAddress& source,
                     const IpAddress& destination, std::span<const uint8_t> bytes) {
  const auto header = wire::CommonHeader::parse(bytes);
  if (!header || hostile_ports_.contains(header->source_port.value) ||
      hostile_ports_.contains(header->destination_port.value)) {
    return;
  }
  bool has_data = false;
  bool has_init_ack = false;
  bool is_probe = false;
  uint64_t heartbeat = 0;
  wire::ChunkCursor cursor(bytes.subspan(wire::kCommonHeaderSize));
  while (const auto chunk = cursor.next()) {
    has_data = has_data || chunk->type == ChunkType::kData;
    has_init_ack = has_init_ack || chunk->type == ChunkType::kInitAck;
    is_probe = is_probe || static_cast<uint8_t>(chunk->type) == kPad;
    if (chunk->type == ChunkType::kHeartbeat) heartbeat = hash_of(chunk->value);
  }
  Flow& mine = flow(from, to, header->source_port.value, header->destination_port.value);
  check_left(now, mine);
  if (!has_data && !has_init_ack && heartbeat == 0) return;
  Way& way = way_to(mine, destination);
  if (!(way.source == source)) {  // another return path: nothing is known of it
    way.source = source;
    way.answers = 0;
    way.first_unanswered = way.first_data = TimePoint::never();
  }
  if (has_init_ack && !way.confirmed) {
    way.confirmed = true;
    way.confirmed_at = now;
  }
  if (heartbeat != 0) {
    constexpr size_t kKept = 4;
    way.heartbeats.push_back(heartbeat);
    if (way.heartbeats.size() > kKept) way.heartbeats.pop_front();
    // A probe of the path's MTU may get lost; that is no error (RFC 8899 section 3).
    if (is_dead(mine, way) && !is_probe) {
      way.first_unanswered = std::min(way.first_unanswered, now);
    }
  }
  if (has_data) sent_data(now, mine, way);
}

void PathWatch::delivered(TimePoint now, Party from, Party to, std::span<const uint8_t> bytes) {
  const auto header = wire::CommonHeader::parse(bytes);
  if (!header) return;
  wire::ChunkCursor cursor(bytes.subspan(wire::kCommonHeaderSize));
  while (const auto chunk = cursor.next()) {
    if (chunk->type != ChunkType::kHeartbeatAck) continue;
    const uint64_t hash = hash_of(chunk->value);
    Flow& asked = flow(to, from, header->destination_port.value, header->source_port.value);
    for (Way& way : asked.ways) {
      if (std::find(way.heartbeats.begin(), way.heartbeats.end(), hash) == way.heartbeats.end()) {
        continue;
      }
      if (!way.confirmed) way.confirmed_at = now;
      way.confirmed = true;
      ++way.answers;
      const auto promise = promises_.find(to.host);
      const uint32_t wanted = promise == promises_.end() ? 1 : promise->second.return_heartbeats;
      if (way.answers == wanted + 1) way.answers_since = now;
    }
  }
}

}  // namespace trunkline::sim
