// SPDX-License-Identifier: BSD-3-Clause
// The rules, one function each. A rule that can't be judged from the packets is not judged.
#include "referee.h"

#include <algorithm>

#include "packet_text.h"
#include "wire/common_header.h"
#include "wire/crc32c.h"
#include "wire/forward_tsn_chunk.h"
#include "wire/init_chunk.h"
#include "wire/shutdown_chunk.h"

namespace trunkline::sim {
namespace {

// Who takes back again and again what it acknowledged is not believed for a window: times at least.
constexpr uint32_t kTooOften = 1024;

using wire::ChunkType;

uint64_t hash_of_bytes(std::span<const uint8_t> bytes, uint64_t hash = 0xcbf29ce484222325ull) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word = 0;
    std::copy_n(at, 8, reinterpret_cast<uint8_t*>(&word));
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
  }
  for (; left > 0; --left, ++at) hash = (hash ^ *at) * 0x100000001b3ull;
  return hash;
}

// Everything but the I bit, which a retransmission may add.
uint64_t hash_of(const wire::ChunkView& chunk) {
  return hash_of_bytes(chunk.value, 0xcbf29ce484222325ull ^
                                        (chunk.flags & ~unsigned{wire::DataChunk::kImmediateFlag}));
}

// With header and padding: what cwnd may grow by (section 7.2.1).
uint64_t chunk_size(uint32_t payload) {
  return wire::padded(wire::kDataHeaderSize + payload);
}

}  // namespace

void Referee::fail(const Context& context, const std::string& what) {
  verdict_.fail(context.now, "packet rule: " + what);
}

Referee::Direction& Referee::direction(Party from, Party to, uint16_t source_port,
                                       uint16_t destination_port) {
  return directions_[key_of(from, to, source_port, destination_port)];
}

bool Referee::knows_tag(uint32_t tag) const {
  for (const auto& [key, direction] : directions_) {
    for (const Announcement& announcement : direction.announced) {
      if (announcement.tag == tag) return true;
    }
  }
  return false;
}

void Referee::given(Party from, Party to, std::span<const uint8_t> bytes) {
  const auto header = wire::CommonHeader::parse(bytes);
  if (!header) return;
  wire::ChunkCursor cursor(bytes.subspan(wire::kCommonHeaderSize));
  const auto first = cursor.next();
  if (!first || first->type != ChunkType::kCookieEcho || !wire::verify_checksum(bytes)) return;
  Direction& made = direction(to, from, header->destination_port.value, header->source_port.value);
  const uint64_t hash = hash_of_bytes(first->value);
  for (const SentCookie& cookie : made.cookies) {
    if (cookie.hash == hash) made.echoed = cookie;
  }
}

void Referee::crashed(HostIndex host) {
  for (auto& [key, direction] : directions_) {
    if (key >> 56 != host) continue;
    direction.cookies.clear();
    direction.echoed.reset();
    // It may draw the same tag and TSN again.
    direction.started = false;
    direction.most_window.reset();
    direction.told_shut = false;
    for (Announcement& announcement : direction.announced) announcement.begun = false;
  }
}

std::optional<Referee::Unacknowledged> Referee::unacknowledged(Party from, Party to,
                                                               PortNumber source,
                                                               PortNumber destination) {
  const Direction& data = direction(from, to, source.value, destination.value);
  // After a restart the old sequence stands here until the new one begins.
  if (!data.started || !data.announced.back().begun || hostile_ports_.contains(source.value) ||
      hostile_ports_.contains(destination.value) || gives_up(from.host)) {
    return std::nullopt;
  }
  Unacknowledged out{0, data.chunk_flight, data.window_closed};
  for (const SentChunk& chunk : data.window) {
    out.outstanding += chunk.bytes;
    if (chunk.gap_acked && data.taken_back >= kTooOften) out.flight += chunk_size(chunk.bytes);
  }
  return out;
}

void Referee::accepted(TimePoint now, Party host, Party peer, PortNumber local_port,
                       PortNumber peer_port) {
  Direction& mine = direction(host, peer, local_port.value, peer_port.value);
  const Context context{now, host, peer, local_port.value, peer_port.value};
  if (!mine.echoed) {
    fail(context, "an association without a cookie of this host's making (section 5.1.5)");
  } else if (const auto limits = limits_.find(host.host); limits != limits_.end()) {
    const Duration life = limits->second.cookie_life * (mine.longer_life ? 2 : 1);
    if (life.count() > 0 && now - mine.echoed->sent > life) {
      fail(context, "an association by a cookie that has expired (section 5.1.5)");
    }
  }
  // Another INIT would have been answered with another announcement.
  if (mine.started && mine.announced.back().begun) {
    fail(context, "an association by a cookie that has made one before (RFC 5062 section 6)");
  }
  mine.started = false;
  for (Announcement& announcement : mine.announced) announcement.begun = false;
}

void Referee::sent(TimePoint now, Party from, Party to, bool ipv6, std::span<const uint8_t> bytes) {
  const auto header = wire::CommonHeader::parse(bytes);
  Context context{now, from, to, 0, 0};
  if (!header) return fail(context, "a packet shorter than the common header");
  context.tag = header->verification_tag.value;
  context.source_port = header->source_port.value;
  context.destination_port = header->destination_port.value;
  const auto chunks = bytes.subspan(wire::kCommonHeaderSize);
  const wire::PacketShape shape = wire::inspect(chunks);
  check_form(context, ipv6, bytes, shape);
  check_order(context, chunks);
  const bool hostile = hostile_ports_.contains(context.source_port) ||
                       hostile_ports_.contains(context.destination_port);
  if (!hostile) check_tag(context, header->verification_tag.value, shape);
  wire::ChunkCursor cursor(chunks);
  while (const auto chunk = cursor.next()) {
    if (hostile && chunk->type != ChunkType::kInitAck) continue;
    switch (chunk->type) {
      case ChunkType::kData:
        sent_data(context, *chunk);
        break;
      case ChunkType::kSack:
        sent_sack(context, *chunk);
        break;
      case ChunkType::kForwardTsn:
        sent_forward_tsn(context, *chunk);
        break;
      case ChunkType::kInit:
      case ChunkType::kInitAck:
        note_announcement(context, *chunk);
        break;
      case ChunkType::kShutdown:
        sack_paid(context);
        [[fallthrough]];
      case ChunkType::kShutdownAck:
        direction(from, to, context.source_port, context.destination_port).shutdown_sent = true;
        break;
      default:
        break;
    }
  }
}

void Referee::check_form(const Context& context, bool ipv6, std::span<const uint8_t> bytes,
                         const wire::PacketShape& shape) {
  if (bytes.size() % 4 != 0) fail(context, "length is not a multiple of 4");
  const auto limits = limits_.find(context.from.host);
  if (limits != limits_.end() && bytes.size() + ip_header_size(ipv6) > limits->second.mtu) {
    fail(context, "larger than the path MTU: " + std::to_string(bytes.size()));
  }
  if (!wire::verify_checksum(bytes)) fail(context, "wrong checksum");
  if (!shape.well_formed()) fail(context, "malformed chunks");
  if (shape.breaks_bundling()) {
    fail(context, "INIT, INIT ACK or SHUTDOWN COMPLETE in company (section 6.10)");
  }
  if (context.source_port == 0 || context.destination_port == 0) fail(context, "port 0");
}

void Referee::check_order(const Context& context, std::span<const uint8_t> chunks) {
  const auto limits = limits_.find(context.from.host);
  wire::ChunkCursor cursor(chunks);
  size_t index = 0;
  size_t data_chunks = 0;
  bool aborted = false;
  while (const auto chunk = cursor.next()) {
    if (aborted) fail(context, "a chunk behind an ABORT");
    if (chunk->type == ChunkType::kData) {
      ++data_chunks;
    } else if (data_chunks > 0) {
      fail(context, "a control chunk behind DATA (section 6.10)");
    }
    if (chunk->type == ChunkType::kCookieEcho && index > 0) {
      fail(context, "COOKIE ECHO is not the first chunk (section 5.1)");
    }
    if (chunk->type == ChunkType::kAbort) {
      aborted = true;
    }
    ++index;
  }
  if (limits != limits_.end() && limits->second.one_data_per_packet && data_chunks > 1) {
    fail(context, "DATA bundled though the profile forbids it");
  }
}

void Referee::check_tag(const Context& context, uint32_t tag, const wire::PacketShape& shape) {
  if (!foreign_tags_.empty() && foreign_tags_.contains(tag)) return;
  if (shape.lead_type == ChunkType::kInit) {
    if (tag != 0) fail(context, "INIT with a verification tag (section 8.5.1 A)");
    return;
  }
  const auto announced_by = [&](Party from, Party to, uint16_t source, uint16_t destination) {
    const auto& list = direction(from, to, source, destination).announced;
    return std::any_of(list.begin(), list.end(), [&](const auto& a) { return a.tag == tag; });
  };
  const bool of_peer =
      announced_by(context.to, context.from, context.destination_port, context.source_port);
  const bool of_sender =
      announced_by(context.from, context.to, context.source_port, context.destination_port);
  if (wire::tag_class(shape) == wire::TagClass::kReflected) {
    // Reflected from a packet of the peer: a tag that this side once announced.
    if (!of_sender) fail(context, "reflected tag was never announced by the sender");
  } else if (!of_peer) {
    fail(context, "verification tag was never announced by the peer");
  }
}

void Referee::note_announcement(const Context& context, const wire::ChunkView& chunk) {
  const auto init = wire::InitChunk::parse(chunk, chunk.type == ChunkType::kInitAck);
  if (!init.ok() || wire::validate_init(init.init, chunk.type == ChunkType::kInitAck) !=
                        wire::InitParseError::kNone) {
    return fail(context, "INIT or INIT ACK that breaks section 3.3.2");
  }
  Direction& mine =
      direction(context.from, context.to, context.source_port, context.destination_port);
  if (chunk.type == ChunkType::kInitAck) {
    mine.cookies.push_back({hash_of_bytes(init.init.cookie), context.now});
  }
  const uint32_t tag = init.init.initiate_tag.value;
  const bool known = std::any_of(mine.announced.begin(), mine.announced.end(), [&](const auto& a) {
    return a.tag == tag && a.initial_tsn == init.init.initial_tsn;
  });
  if (known) return;
  mine.announced.push_back({tag, init.init.initial_tsn, false});
}

void Referee::sent_data(const Context& context, const wire::ChunkView& chunk) {
  const auto data = wire::DataChunk::parse(chunk);
  if (!data || data->payload.empty()) return fail(context, "DATA without payload");
  ++data_chunks_;
  Direction& mine =
      direction(context.from, context.to, context.source_port, context.destination_port);
  const Tsn next = mine.base + static_cast<uint32_t>(mine.window.size());
  const uint64_t hash = hash_of(chunk);
  const auto fresh = std::find_if(mine.announced.begin(), mine.announced.end(), [&](const auto& a) {
    return a.initial_tsn == data->tsn && !a.begun;
  });
  const bool begins = fresh != mine.announced.end();
  // Another association, after a restart: its TSNs may lie among the old ones, or behind them.
  const bool other = begins && mine.data_tag != context.tag;
  const bool known = mine.started && !other && data->tsn.before(next) &&
                     data->tsn.at_or_after(mine.base) &&
                     // A new sequence may begin where the old one was.
                     !(begins && mine.window[data->tsn.distance_from(mine.base)].hash != hash);
  if (known) {
    ++retransmissions_;
    SentChunk& before = mine.window[data->tsn.distance_from(mine.base)];
    if (before.hash != hash) {
      fail(context, "TSN " + std::to_string(data->tsn.value) + " sent again with other content");
    }
    if (before.passed) {
      fail(context, "TSN " + std::to_string(data->tsn.value) + " sent again after it was passed");
    }
    check_again(context, mine, data->tsn, before);
    before.sent_at[before.times++ % before.sent_at.size()] = context.now;
    return;
  }
  // By chance the first TSN of a new sequence is the next one of the old.
  const bool over = begins && mine.shutdown_sent;
  // What was not sent of a message that is given up has one TSN.
  const bool passes_one = gives_up(context.from.host) && !begins && data->tsn == next + 1;
  if (mine.started && passes_one) mine.window.push_back({});
  if (!mine.started || over || other || (data->tsn != next && !passes_one)) {
    if (mine.started && !begins && data->tsn.before(mine.base)) {
      return fail(context, "TSN " + std::to_string(data->tsn.value) +
                               " sent again after it was acknowledged");
    }
    if (!begins)
      return fail(context, "TSN " + std::to_string(data->tsn.value) + " out of sequence");
    fresh->begun = true;
    mine.started = true;
    mine.data_tag = context.tag;
    mine.base = data->tsn;
    mine.window.clear();
    mine.flight = 0;
    mine.chunk_flight = 0;
    mine.acknowledged = 0;
    mine.window_closed = false;
    mine.shutdown_sent = false;
    mine.sack_seen = false;
    mine.packets_unsacked = 0;
    mine.sack_due = TimePoint::never();
    mine.peer_window = mine.peer_windows.empty() ? 0 : mine.peer_windows.back();
  }
  if (mine.shutdown_sent) fail(context, "new DATA after SHUTDOWN or SHUTDOWN ACK (section 9.2)");
  // Section 6.1 A: new DATA only into the window, or one chunk to probe a closed one.
  if (!gives_up(context.from.host) && mine.flight > 0 &&
      mine.flight + data->payload.size() > mine.peer_window) {
    fail(context, "TSN " + std::to_string(data->tsn.value) + ": " + std::to_string(mine.flight) +
                      " bytes in flight and " + std::to_string(data->payload.size()) +
                      " more, into a window of " + std::to_string(mine.peer_window));
  }
  check_congestion(context, mine);
  SentChunk fresh_chunk;
  fresh_chunk.hash = hash;
  fresh_chunk.bytes = static_cast<uint32_t>(data->payload.size());
  fresh_chunk.sent_at[fresh_chunk.times++] = context.now;
  mine.window.push_back(fresh_chunk);
  mine.flight += data->payload.size();
  mine.chunk_flight += chunk_size(fresh_chunk.bytes);
}

void Referee::check_again(const Context& context, const Direction& mine, Tsn tsn,
                          const SentChunk& chunk) {
  if (chunk.gap_acked && mine.taken_back < kTooOften) {
    fail(context, "TSN " + std::to_string(tsn.value) +
                      " sent again while a gap block covers it (section 6.3.3 E3)");
  }
  // Section 7.2.4: fast retransmission is for once, until T3 expires; T3 expires once within
  // RTO.min, but what it marks as lost may wait for the window. So at most two of either fall into
  // any span of RTO.min; a window that opens after it was closed sends anew as well.
  const auto limits = limits_.find(context.from.host);
  if (limits == limits_.end() || limits->second.paths > 1 || mine.window_closed) return;
  const TimePoint long_before = chunk.sent_at[chunk.times % chunk.sent_at.size()];
  // A fast retransmission that was lost is known to be by what was sent after it: that takes a
  // round trip each, and before the first there may have been a probe. Where the round trip is
  // longer than RTO.min, T3 may come before it is known.
  const auto& limit = limits->second;
  const bool early = limit.early && limit.least_round_trip < limit.rto_min;
  const Duration least = early ? limit.least_round_trip : limit.rto_min;
  if (tsn == mine.base && chunk.times >= chunk.sent_at.size() &&
      context.now < long_before + least) {
    fail(context, "TSN " + std::to_string(tsn.value) + " sent again and again within " +
                      (early ? "a round trip" : "RTO.min"));
  }
}

// Sections 7.2.1 and 7.2.3: the window begins with 4404 bytes or so, or with four packets after a
// loss, and never grows by more than what was acknowledged. The real window is often far smaller;
// this one needs no knowledge of losses.
void Referee::check_congestion(const Context& context, const Direction& mine) {
  const auto limits = limits_.find(context.from.host);
  if (limits == limits_.end() || limits->second.gives_up) return;
  const uint64_t mtu = limits->second.mtu;
  const uint64_t initial =
      mine.sack_seen ? 4 * mtu : std::min(4 * mtu, std::max<uint64_t>(2 * mtu, 4404));
  // The last packet of each path may pass its window; here the one that is judged is not in yet.
  const uint64_t paths = limits->second.paths;
  // A loss probe may, too (RFC 8985 section 7.3).
  const uint64_t probe = limits->second.early ? mtu : 0;
  if (mine.chunk_flight >= initial * paths + mtu * (paths - 1) + probe + mine.acknowledged) {
    fail(context, std::to_string(mine.chunk_flight) + " bytes in flight, after a window of " +
                      std::to_string(initial) + " and " + std::to_string(mine.acknowledged) +
                      " bytes acknowledged");
  }
}

// RFC 3758: who has nothing to give up sends none (F1); behind what was sent lies one TSN at most,
// and nothing that is covered goes again.
void Referee::sent_forward_tsn(const Context& context, const wire::ChunkView& chunk) {
  const auto forward = wire::ForwardTsnChunk::parse(chunk);
  if (!forward) return fail(context, "malformed FORWARD TSN");
  if (!gives_up(context.from.host)) return fail(context, "a FORWARD TSN, and nothing to give up");
  Direction& mine =
      direction(context.from, context.to, context.source_port, context.destination_port);
  const uint32_t count = forward->new_cum_tsn.distance_from(mine.base - 1);
  if (!mine.started || count > mine.window.size() + 1) {
    return fail(context, "FORWARD TSN up to " + std::to_string(forward->new_cum_tsn.value) +
                             ", which is acknowledged or was never sent");
  }
  if (count > mine.window.size()) mine.window.push_back({});
  for (uint32_t i = 0; i < count; ++i) mine.window[i].passed = true;
}

bool Referee::got_forward_tsn(const Context& context, const wire::ChunkView& chunk) {
  const auto forward = wire::ForwardTsnChunk::parse(chunk);
  if (!forward) return false;
  Direction& theirs =
      direction(context.from, context.to, context.source_port, context.destination_port);
  const uint32_t count = forward->new_cum_tsn.distance_from(theirs.base - 1);
  if (!theirs.started || count > theirs.window.size()) return false;
  for (uint32_t i = 0; i < count; ++i) theirs.window[i].delivered = true;
  return true;
}

// Section 6.2: a SACK for every second packet, or within the delay.
void Referee::sack_paid(const Context& context) {
  Direction& theirs =
      direction(context.to, context.from, context.destination_port, context.source_port);
  const auto limits = limits_.find(context.from.host);
  if (limits != limits_.end() && limits->second.check_sacks && !theirs.sack_due.is_never() &&
      context.now > theirs.sack_due + limits->second.slack) {
    fail(context, "SACK " + std::to_string((context.now - theirs.sack_due).count() / 1000) +
                      " us later than section 6.2 allows");
  }
  theirs.sack_seen = true;
  theirs.packets_unsacked = 0;
  theirs.sack_due = TimePoint::never();
}

void Referee::sack_owed(const Context& context) {
  Direction& theirs =
      direction(context.from, context.to, context.source_port, context.destination_port);
  const auto limits = limits_.find(context.to.host);
  // Before the first SACK the receiver may not be up yet.
  if (limits == limits_.end() || !theirs.sack_seen) return;
  ++theirs.packets_unsacked;
  const TimePoint due = theirs.packets_unsacked >= limits->second.sack_frequency
                            ? context.now
                            : context.now + limits->second.sack_delay;
  theirs.sack_due = std::min(theirs.sack_due, due);
}

void Referee::limit_window(HostIndex host, HostIndex peer, PortNumber local_port,
                           PortNumber peer_port, uint32_t most) {
  direction(host, peer, local_port.value, peer_port.value).most_window = most;
}

// What was delivered and not yet read is held (section 6.2): the window is smaller by it.
void Referee::check_window(const Context& context, uint32_t told) {
  Direction& mine =
      direction(context.from, context.to, context.source_port, context.destination_port);
  if (!mine.most_window) return;
  if (told > *mine.most_window) {
    return fail(context, "a window of " + std::to_string(told) + " bytes, " +
                             std::to_string(*mine.most_window) +
                             " are left of it by what is unread (section 6.2)");
  }
  const bool shut = told == 0;
  if (shut && !mine.told_shut) ++windows_shut_;
  if (!shut && mine.told_shut) ++windows_opened_;
  mine.told_shut = shut;
}

void Referee::sent_sack(const Context& context, const wire::ChunkView& chunk) {
  const auto sack = wire::SackChunk::parse(chunk);
  if (!sack) return fail(context, "malformed SACK");
  sack_paid(context);
  check_window(context, sack->a_rwnd);
  const Direction& theirs =
      direction(context.to, context.from, context.destination_port, context.source_port);
  if (!theirs.started) return;
  const auto delivered = [&](Tsn tsn) {
    if (tsn.before(theirs.base)) return true;
    const uint32_t index = tsn.distance_from(theirs.base);
    return index < theirs.window.size() && theirs.window[index].delivered;
  };
  // After a restart the SACK may speak of the sequence before; it is out of reach then.
  const uint32_t ahead = sack->cum_tsn_ack.distance_from(theirs.base - 1);
  if (ahead > 1u << 20) return;
  for (uint32_t i = 0; i < ahead; ++i) {
    if (!delivered(theirs.base + i)) {
      return fail(context, "SACK for TSN " + std::to_string((theirs.base + i).value) +
                               ", which was not delivered");
    }
  }
  uint32_t previous_end = 1;  // the first TSN behind the cumulative one is missing
  for (size_t i = 0; i < sack->gap_count(); ++i) {
    const wire::GapBlock gap = sack->gap(i);
    if (gap.start <= previous_end || gap.end < gap.start) {
      return fail(context, "gap blocks out of order (section 3.3.4)");
    }
    for (uint32_t offset = gap.start; offset <= gap.end; ++offset) {
      if (!delivered(sack->cum_tsn_ack + offset)) {
        return fail(context, "gap block for a TSN that was not delivered");
      }
    }
    previous_end = gap.end;
  }
}

void Referee::delivered(TimePoint now, Party from, Party to, std::span<const uint8_t> bytes) {
  const auto header = wire::CommonHeader::parse(bytes);
  if (!header) return;
  const Context context{now, from, to, header->source_port.value, header->destination_port.value};
  if (hostile_ports_.contains(context.source_port) ||
      hostile_ports_.contains(context.destination_port)) {
    return;
  }
  wire::ChunkCursor cursor(bytes.subspan(wire::kCommonHeaderSize));
  bool has_data = false;
  while (const auto chunk = cursor.next()) {
    switch (chunk->type) {
      case ChunkType::kData:
        has_data = got_data(context, *chunk) || has_data;
        break;
      case ChunkType::kForwardTsn:
        has_data = got_forward_tsn(context, *chunk) || has_data;
        break;
      case ChunkType::kSack:
        got_sack(context, *chunk);
        break;
      case ChunkType::kShutdown:
        if (const auto shutdown = wire::ShutdownChunk::parse(*chunk)) {
          Direction& acked = direction(to, from, context.destination_port, context.source_port);
          advance_base(acked, shutdown->cum_tsn_ack);
        }
        break;
      case ChunkType::kInit:
      case ChunkType::kInitAck: {
        const auto init = wire::InitChunk::parse(*chunk, chunk->type == ChunkType::kInitAck);
        if (!init.ok()) break;
        auto& windows =
            direction(to, from, context.destination_port, context.source_port).peer_windows;
        windows.push_back(init.init.a_rwnd);
        if (init.init.cookie_preservative_ms) {
          direction(to, from, context.destination_port, context.source_port).longer_life = true;
        }
        break;
      }
      default:
        break;
    }
  }
  if (has_data) sack_owed(context);
}

// Whether it is of the present sequence and new.
bool Referee::got_data(const Context& context, const wire::ChunkView& chunk) {
  const auto data = wire::DataChunk::parse(chunk);
  if (!data) return false;
  Direction& theirs =
      direction(context.from, context.to, context.source_port, context.destination_port);
  const uint32_t index = data->tsn.distance_from(theirs.base);
  if (!theirs.started || index >= theirs.window.size()) return false;
  theirs.window[index].delivered = true;
  return true;
}

void Referee::advance_base(Direction& data, Tsn cum_tsn_ack) {
  if (!data.started) return;
  const uint32_t acked = cum_tsn_ack.distance_from(data.base - 1);
  if (acked > data.window.size()) return;  // old, or of another sequence
  for (uint32_t i = 0; i < acked; ++i) {
    if (!data.window.front().gap_acked) {
      data.flight -= data.window.front().bytes;
      data.chunk_flight -= chunk_size(data.window.front().bytes);
      data.acknowledged += chunk_size(data.window.front().bytes);
    }
    data.window.pop_front();
  }
  data.base = data.base + acked;
}

void Referee::got_sack(const Context& context, const wire::ChunkView& chunk) {
  const auto sack = wire::SackChunk::parse(chunk);
  if (!sack) return;
  Direction& data =
      direction(context.to, context.from, context.destination_port, context.source_port);
  if (!data.started) return;
  const uint32_t acked = sack->cum_tsn_ack.distance_from(data.base - 1);
  if (acked > data.window.size()) return;
  advance_base(data, sack->cum_tsn_ack);
  data.peer_window = sack->a_rwnd;
  // A window without room for the chunk that is awaited is a closed one (6.1 A), unless more was
  // received behind it: then it may have been lost.
  const bool lost = sack->a_rwnd > 0 && sack->gap_count() > 0;
  const uint32_t awaited = data.window.empty() ? 1 : data.window.front().bytes;
  data.window_closed = data.window_closed || (sack->a_rwnd < awaited && !lost);
  std::vector<bool> gap_acked(data.window.size(), false);
  for (size_t i = 0; i < sack->gap_count(); ++i) {
    const wire::GapBlock gap = sack->gap(i);
    // Offset 1 is the base.
    for (uint32_t offset = gap.start; offset <= gap.end && offset <= data.window.size(); ++offset) {
      if (offset >= 1) gap_acked[offset - 1] = true;
    }
  }
  data.flight = 0;
  data.chunk_flight = 0;
  for (size_t i = 0; i < data.window.size(); ++i) {
    if (gap_acked[i] && !data.window[i].gap_acked)
      data.acknowledged += chunk_size(data.window[i].bytes);
    if (data.window[i].gap_acked && !gap_acked[i]) ++data.taken_back;
    data.window[i].gap_acked = gap_acked[i];
    if (gap_acked[i]) continue;
    data.flight += data.window[i].bytes;
    data.chunk_flight += chunk_size(data.window[i].bytes);
  }
}

}  // namespace trunkline::sim
