// SPDX-License-Identifier: BSD-3-Clause
// What the intruder says. Chunks are written byte by byte: most of them no builder would make.
#include "intruder.h"

#include <algorithm>

#include "base/bytes.h"
#include "wire/chunk.h"
#include "wire/common_header.h"
#include "wire/crc32c.h"
#include "wire/init_chunk.h"

namespace trunkline::sim {
namespace {

using wire::ChunkType;
using Bytes = std::vector<uint8_t>;

void put16(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void put32(Bytes& out, uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}
void put_chunk(Bytes& out, uint8_t type, uint8_t flags, const Bytes& value) {
  out.push_back(type);
  out.push_back(flags);
  put16(out, static_cast<uint32_t>(value.size() + 4));
  out.insert(out.end(), value.begin(), value.end());
  while (out.size() % 4 != 0) out.push_back(0);
}
void put_chunk(Bytes& out, ChunkType type, uint8_t flags, const Bytes& value) {
  put_chunk(out, static_cast<uint8_t>(type), flags, value);
}

}  // namespace

Intruder::Bytes Intruder::noise(size_t most) {
  Bytes out(random_.below(most + 1));
  random_.fill(out);
  return out;
}

// Mostly near the one that is expected, where it hurts.
uint32_t Intruder::about(uint32_t tsn) {
  switch (random_.below(4)) {
    case 0:
      return tsn + 1;
    case 1:
      return tsn + static_cast<uint32_t>(random_.below(20));
    case 2:
      return tsn - static_cast<uint32_t>(random_.below(20));
    default:
      return random_.below(4) == 0 ? random_.u32()
                                   : tsn + static_cast<uint32_t>(random_.below(3000));
  }
}

void Intruder::observe(const Simulator::Seen& packet) {
  const auto header = wire::CommonHeader::parse(packet.bytes);
  if (!header) return;
  const bool hostile =
      simulator_.ledger().is_hostile(header->source_port.value, header->destination_port.value);
  if (!hostile && !everybody_) return;
  const uint32_t ports = uint32_t{header->source_port.value} << 16 | header->destination_port.value;
  auto place = std::find_if(sides_.begin(), sides_.end(), [&](const Side& known) {
    return known.ports == ports && known.last.source == packet.source &&
           known.last.destination == packet.destination;
  });
  if (place == sides_.end()) place = sides_.insert(place, Side{});
  Side& side = *place;
  side.ports = ports;
  side.last = packet;
  wire::ChunkCursor cursor(std::span(packet.bytes).subspan(wire::kCommonHeaderSize));
  const bool ours = own_tags_.contains(header->verification_tag.value);
  if (header->verification_tag.value != 0 && !ours) side.tag = header->verification_tag.value;
  while (const auto chunk = cursor.next()) {
    if (ours && chunk->type == ChunkType::kInitAck) {
      const auto answer = wire::InitChunk::parse(*chunk, true);
      if (!answer.ok()) continue;
      side.early_cookie.assign(answer.init.cookie.begin(), answer.init.cookie.end());
      side.early_tag = answer.init.initiate_tag.value;
    }
    if (chunk->value.size() < 4) continue;
    if (chunk->type == ChunkType::kData) side.tsn = load_be32(chunk->value.data());
    if (chunk->type == ChunkType::kSack) side.cum = load_be32(chunk->value.data());
    if (chunk->type == ChunkType::kCookieEcho) {
      side.cookie.assign(chunk->value.begin(), chunk->value.end());
      tamper_with_cookie(simulator_.now(), side);
    }
  }
}

void Intruder::intrude(TimePoint now) {
  if (sides_.empty()) return;
  const Side& side = sides_[random_.below(sides_.size())];
  for (uint64_t left = 1 + random_.below(3); left > 0; --left) send(now, side, some_packet(side));
}

void Intruder::send(TimePoint now, const Side& side, Bytes packet) {
  // No larger than a packet may be on any path of ours.
  if (packet.size() > 1200) packet.resize(1200);
  wire::write_checksum(packet);
  simulator_.inject(now, side.last.source, side.last.destination, std::move(packet));
}

// Faster than the true one. Its seal is broken, and nothing may come of it.
void Intruder::tamper_with_cookie(TimePoint now, const Side& side) {
  Bytes cookie = side.cookie;
  const size_t at = random_.below(cookie.size());
  cookie[at] = static_cast<uint8_t>(cookie[at] ^ (1u << random_.below(8)));
  Bytes packet = begin(side, side.tag);
  put_chunk(packet, ChunkType::kCookieEcho, 0, cookie);
  send(now, side, std::move(packet));
}

Intruder::Bytes Intruder::begin(const Side& side, uint32_t tag) const {
  Bytes out(side.last.bytes.begin(), side.last.bytes.begin() + 4);  // the ports
  put32(out, tag);
  put32(out, 0);
  return out;
}

Intruder::Bytes Intruder::some_packet(const Side& side) {
  Bytes out = begin(side, side.tag);
  switch (random_.below(12)) {
    case 0:
    case 1:
      add_sack(out, side);
      break;
    case 2:
    case 3:
      add_data(out, side);
      break;
    case 4:
    case 5:
      add_fragments(out, side);
      break;
    case 6:
      add_unknown(out);
      break;
    case 7:
      add_error(out);
      break;
    case 8:
      add_set_up(out, side);
      break;
    case 9:
      if (random_.below(4) == 0) add_ending(out, side);
      break;
    case 10:
      add_heartbeat(out);
      break;
    default: {  // the last true packet with some bytes changed
      out = side.last.bytes;
      store_be32(out.data() + 4, side.tag);
      for (uint64_t left = 1 + random_.below(6); left > 0; --left) {
        out[8 + random_.below(out.size() - 8)] = static_cast<uint8_t>(random_.u32());
      }
      return out;
    }
  }
  // Company, now and then.
  if (random_.below(4) == 0) add_sack(out, side);
  if (random_.below(4) == 0) add_data(out, side);
  return out;
}

void Intruder::add_sack(Bytes& out, const Side& side) {
  Bytes value;
  // Never sent is rare: it ends the association, by the rules.
  put32(value, random_.below(20) == 0 ? about(side.cum) : side.cum);
  put32(value, random_.below(3) == 0 ? 0 : static_cast<uint32_t>(random_.below(100'000)));
  const auto gaps = static_cast<uint32_t>(random_.below(5));
  const auto duplicates = static_cast<uint32_t>(random_.below(3));
  put16(value, random_.below(10) == 0 ? 65535 : gaps);
  put16(value, duplicates);
  for (uint32_t i = 0; i < gaps; ++i) {  // in any order, backward, from zero
    const auto start = static_cast<uint32_t>(random_.below(random_.below(8) == 0 ? 65536 : 12));
    put16(value, start);
    put16(value,
          random_.below(4) == 0 ? start / 2 : start + static_cast<uint32_t>(random_.below(4)));
  }
  for (uint32_t i = 0; i < duplicates; ++i) put32(value, about(side.cum));
  put_chunk(out, ChunkType::kSack, 0, value);
}

void Intruder::add_data(Bytes& out, const Side& side) {
  Bytes value;
  put32(value, about(side.tsn));
  put16(value, random_.below(3) == 0 ? 65535 : static_cast<uint32_t>(random_.below(20)));  // stream
  put16(value, static_cast<uint32_t>(random_.below(random_.below(2) == 0 ? 4 : 65536)));   // SSN
  put32(value, random_.u32());
  const Bytes payload = noise(random_.below(4) == 0 ? 900 : 40);  // empty, too
  value.insert(value.end(), payload.begin(), payload.end());
  put_chunk(out, ChunkType::kData, static_cast<uint8_t>(random_.below(16)), value);
}

// A message in fragments, mostly with something wrong: beginnings without ends, two of them,
// middles of nothing, other SSNs, streams or flags on the way.
void Intruder::add_fragments(Bytes& out, const Side& side) {
  uint32_t tsn = about(side.tsn);
  auto stream = static_cast<uint16_t>(random_.below(3));
  auto ssn = static_cast<uint16_t>(random_.below(4));
  bool unordered = random_.below(2) == 0;
  const uint64_t count = 2 + random_.below(4);
  for (uint64_t i = 0; i < count; ++i) {
    if (i > 0 && random_.below(4) == 0) ++stream;
    if (i > 0 && random_.below(6) == 0) ++ssn;
    if (i > 0 && random_.below(8) == 0) unordered = !unordered;
    uint32_t flags = (i == 0 ? 2u : 0u) | (i + 1 == count ? 1u : 0u) | (unordered ? 4u : 0u);
    if (random_.below(8) == 0) flags ^= 1u << random_.below(2);
    Bytes value;
    put32(value, tsn);
    put16(value, stream);
    put16(value, ssn);
    put32(value, 7);
    // An unordered message has no SSN (6.6).
    const auto mark = intruder_mark(stream, unordered ? uint16_t{0} : ssn, unordered);
    for (uint64_t left = 1 + random_.below(8); left > 0; --left) {
      value.insert(value.end(), mark.begin(), mark.end());
    }
    put_chunk(out, ChunkType::kData, static_cast<uint8_t>(flags), value);
    tsn += random_.below(8) == 0 ? 2 : 1;
  }
}

void Intruder::add_unknown(Bytes& out) {
  constexpr uint8_t kTypes[] = {0x0f, 0x3f, 0x40, 0x7f, 0x80, 0x82, 0xbf, 0xc0, 0xc1, 0xff};
  for (uint64_t left = 1 + random_.below(30); left > 0; --left) {
    put_chunk(out, kTypes[random_.below(std::size(kTypes))], static_cast<uint8_t>(random_.u32()),
              noise(30));
  }
}

void Intruder::add_error(Bytes& out) {
  Bytes value;
  for (uint64_t left = random_.below(4); left > 0; --left) {
    const Bytes text = noise(20);
    put16(value, static_cast<uint32_t>(random_.below(16)));
    put16(value, random_.below(5) == 0 ? static_cast<uint32_t>(random_.below(5))
                                       : static_cast<uint32_t>(text.size() + 4));
    value.insert(value.end(), text.begin(), text.end());
    while (value.size() % 4 != 0) value.push_back(0);
  }
  put_chunk(out, ChunkType::kError, 0, value);
}

void Intruder::add_set_up(Bytes& out, const Side& side) {
  switch (random_.below(4)) {
    case 0:
    case 1: {  // a restart, as it seems
      Bytes value;
      put32(value, random_.below(3) == 0 ? side.tag : random_.u32());
      put32(value, static_cast<uint32_t>(random_.below(100'000)));
      put16(value, static_cast<uint32_t>(random_.below(3)));
      put16(value, static_cast<uint32_t>(random_.below(3)));
      put32(value, random_.u32());
      const Bytes parameters = noise(random_.below(3) == 0 ? 40 : 0);
      value.insert(value.end(), parameters.begin(), parameters.end());
      const bool ack = random_.below(3) == 0;
      if (!ack) store_be32(out.data() + 4, 0);
      put_chunk(out, ack ? ChunkType::kInitAck : ChunkType::kInit, 0, value);
      break;
    }
    case 2:
      put_chunk(out, ChunkType::kCookieAck, 0, {});
      break;
    default:
      put_chunk(out, ChunkType::kCookieEcho, 0, noise(300));
      break;
  }
}

void Intruder::add_ending(Bytes& out, const Side& side) {
  const auto flags = static_cast<uint8_t>(random_.below(2));
  Bytes value;
  switch (random_.below(4)) {
    case 0:
      put32(value, about(side.cum));
      put_chunk(out, ChunkType::kShutdown, 0, value);
      break;
    case 1:
      put_chunk(out, ChunkType::kShutdownAck, 0, {});
      break;
    case 2:
      put_chunk(out, ChunkType::kShutdownComplete, flags, {});
      break;
    default:
      put_chunk(out, ChunkType::kAbort, flags, noise(12));
      break;
  }
}

void Intruder::add_heartbeat(Bytes& out) {
  Bytes value;
  const Bytes info = noise(200);
  put16(value, random_.below(8) == 0 ? 9 : 1);
  put16(value, static_cast<uint32_t>(info.size() + (random_.below(8) == 0 ? 3 : 4)));
  value.insert(value.end(), info.begin(), info.end());
  put_chunk(out, random_.below(2) == 0 ? ChunkType::kHeartbeat : ChunkType::kHeartbeatAck, 0,
            value);
}

// ---------------------------------------------------------------- what must change nothing

void Intruder::ask_for_cookie(TimePoint now, const IpAddress& client, const IpAddress& server,
                              uint16_t client_port, uint16_t server_port) {
  uint32_t tag = 0;
  while (tag == 0 || simulator_.referee().knows_tag(tag)) tag = random_.u32();
  own_tags_.insert(tag);
  simulator_.referee().allow_tag(tag);
  Bytes packet;
  put16(packet, client_port);
  put16(packet, server_port);
  put32(packet, 0);
  put32(packet, 0);
  Bytes value;
  put32(value, tag);
  put32(value, 50'000);
  put16(value, 5);
  put16(value, 5);
  put32(value, random_.u32());
  put_chunk(packet, ChunkType::kInit, 0, value);
  wire::write_checksum(packet);
  simulator_.inject(now, client, server, std::move(packet));
}

Intruder::Side* Intruder::reverse_of(const Side& side) {
  const uint32_t ports = side.ports << 16 | side.ports >> 16;
  for (Side& other : sides_) {
    if (other.ports == ports && other.last.source == side.last.destination &&
        other.last.destination == side.last.source) {
      return &other;
    }
  }
  return nullptr;
}

// The tag that the receiver of this side's packets puts into its own; zero unless it has the
// association, and nobody ends it.
uint32_t Intruder::peer_tag_of(const Side& side) {
  const auto host = simulator_.network().host_of(side.last.destination);
  if (!host || !simulator_.host(*host).alive()) return 0;
  Host& to = simulator_.host(*host);
  AssocStatus status;
  for (uint16_t i = 0; i < to.shard_count(); ++i) {
    for (const AssocId id : to.shard(i).associations()) {
      if (to.shard(i).status(id, status) && status.state == AssocState::kEstablished &&
          status.local_tag.value == side.tag && status.peer_port.value == side.ports >> 16 &&
          status.local_port.value == (side.ports & 0xffff)) {
        return status.peer_tag.value;
      }
    }
  }
  return 0;
}

void Intruder::bother(TimePoint now) {
  if (sides_.empty()) return;
  const Side& from = sides_[random_.below(sides_.size())];
  const Side* const known = reverse_of(from);
  if (known == nullptr) return;
  Side to = *known;
  to.tag = peer_tag_of(from);
  // Two tags may be the same by chance: then no T bit lies.
  if (to.tag == 0 || to.tag == from.tag) return;
  Bytes packet = begin(from, from.tag);
  if (add_harmless(packet, from, to)) send(now, from, std::move(packet));
}

// In the name of `from`, to who speaks as `to` and has the tag that `from` uses.
bool Intruder::add_harmless(Bytes& out, const Side& from, const Side& to) {
  const auto use_other_tag = [&] { store_be32(out.data() + 4, to.tag); };
  Bytes value;
  switch (random_.below(9)) {
    case 0:  // 8.5.1 B: a T bit that lies
      put_chunk(out, ChunkType::kAbort, 1, {});
      return true;
    case 1:
      use_other_tag();
      put_chunk(out, ChunkType::kAbort, 0, {});
      return true;
    case 2:  // 8.5.1 C, 9.2: nobody waits for it
      if (random_.below(2) == 0) use_other_tag();
      put_chunk(out, ChunkType::kShutdownComplete, load_be32(out.data() + 4) == to.tag ? 1 : 0, {});
      return true;
    case 3:  // 9.2
      put_chunk(out, ChunkType::kShutdownAck, 0, {});
      return true;
    case 4:  // 5.2.5
      put_chunk(out, ChunkType::kCookieAck, 0, {});
      return true;
    case 5:  // 8.3: an answer to what was not asked
      add_heartbeat(out);
      return out[wire::kCommonHeaderSize] == static_cast<uint8_t>(ChunkType::kHeartbeatAck);
    case 6:  // 6.2.1 D i: an old SACK
      if (from.cum == 0) return false;
      put32(value, from.cum - 1000 - static_cast<uint32_t>(random_.below(1000)));
      put32(value, 0);
      put32(value, 0);
      put_chunk(out, ChunkType::kSack, 0, value);
      return true;
    case 7:  // 5.1.5: a seal that is broken
      if (from.cookie.empty()) return false;
      value = from.cookie;
      value[random_.below(value.size())] ^= 0x10;
      put_chunk(out, ChunkType::kCookieEcho, 0, value);
      return true;
    default:  // 5.2.4: a good cookie of before, without nonces and with other tags
      if (to.early_cookie.empty()) return false;
      store_be32(out.data() + 4, to.early_tag);
      put_chunk(out, ChunkType::kCookieEcho, 0, to.early_cookie);
      return true;
  }
}

}  // namespace trunkline::sim
