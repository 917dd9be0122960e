// SPDX-License-Identifier: BSD-3-Clause
// The productions. Each reads few bytes and always the same ones, so that a change of one byte of
// the input changes one thing about the packet.
#include "grammar.h"

#include <array>

#include "base/bytes.h"
#include "wire/cause.h"
#include "wire/chunk.h"
#include "wire/crc32c.h"
#include "wire/init_chunk.h"
#include "wire/parameter.h"

namespace trunkline::fuzz {
namespace {

using wire::ChunkType;
using wire::ParameterType;

constexpr uint8_t kAnyType = 0xff;  // the input says which
// What comes often appears more than once.
constexpr std::array<uint8_t, 24> kChunkTypes = {0, 0, 0, 0, 1,  1,  2,  3,  3,  3,  4,   5,
                                                 6, 7, 8, 9, 10, 10, 11, 12, 13, 14, 192, kAnyType};

constexpr std::array<uint16_t, 20> kParameterTypes = {
    1,      5,      5,      6,      7,      8,      9,      11,     12,     0xc000,
    0x8000, 0x8008, 0xc000, 0xc001, 0x0001, 0x4123, 0x8123, 0xc123, 0x8002, 0x3fff};

constexpr std::array<uint32_t, 8> kWindows = {100'000, 100'000, 0,     1499,
                                              1500,    3000,    65535, 0xffffffff};
constexpr std::array<uint16_t, 8> kStreamCounts = {10, 10, 1, 0, 2, 300, 2048, 65535};
constexpr std::array<uint32_t, 4> kFirstTsns = {1000, 0xffffffff, 0, 0x7fffffff};

uint32_t moved(Tsn tsn, int by) {
  return tsn.value + static_cast<uint32_t>(by);
}

}  // namespace

// Bytes that grow, big-endian.
class Grammar::Bytes {
 public:
  explicit Bytes(std::vector<uint8_t>& bytes) : bytes_(bytes) {}
  [[nodiscard]] size_t size() const { return bytes_.size(); }
  [[nodiscard]] uint8_t& at(size_t index) { return bytes_[index]; }
  void cut(size_t size) { bytes_.resize(std::min(size, bytes_.size())); }
  void u8(uint8_t value) { bytes_.push_back(value); }
  void u16(uint16_t value) {
    u8(static_cast<uint8_t>(value >> 8));
    u8(static_cast<uint8_t>(value));
  }
  void u32(uint32_t value) {
    u16(static_cast<uint16_t>(value >> 16));
    u16(static_cast<uint16_t>(value));
  }
  void fill(size_t count, uint8_t value) { bytes_.insert(bytes_.end(), count, value); }
  void copy(std::span<const uint8_t> from) {
    bytes_.insert(bytes_.end(), from.begin(), from.end());
  }
  void pad() { fill((4 - bytes_.size() % 4) % 4, 0); }
  // Something with a type and a length: begins where this returns, ends with close().
  size_t open(uint16_t type) {
    u16(type);
    u16(0);
    return size() - 4;
  }
  // The length field, mostly right, and the padding, mostly there.
  void close(Input& in, size_t begin) {
    const uint8_t defect = in.byte();
    auto length = static_cast<uint16_t>(size() - begin);
    if (defect >= 0xe0) {
      constexpr std::array<int, 8> kOff = {-1, 1, -4, 4, -8, 16, 2, -2};
      length = static_cast<uint16_t>(length + kOff[defect & 7]);
      if ((defect & 0x18) == 0x08) length = defect & 7;
      if ((defect & 0x18) == 0x10) length = 0xffff;
    }
    store_be16(&bytes_[begin + 2], length);
    if (defect < 0xd8) pad();
  }

 private:
  std::vector<uint8_t>& bytes_;
};

void Heard::note(const Packet& packet) {
  for (const wire::ChunkView& view : packet.chunks()) {
    chunk.assign(view.whole.begin(), view.whole.end());
    if (view.type == ChunkType::kHeartbeat) {
      heartbeat.assign(view.value.begin(), view.value.end());
    }
    if (view.type != ChunkType::kInit && view.type != ChunkType::kInitAck) continue;
    const bool ack = view.type == ChunkType::kInitAck;
    const auto parsed = wire::InitChunk::parse(view, ack);
    initiate_tag = parsed.init.initiate_tag;
    if (ack) cookie.assign(parsed.init.cookie.begin(), parsed.init.cookie.end());
  }
}

// ---------------------------------------------------------------- packets

Packet Grammar::packet(Input& in, const Victim& victim) {
  const uint8_t how = in.byte();
  Packet packet;
  packet.source = victim.peers[(how & 3) % victim.peers.size()];
  if ((how & 0x1c) == 0x1c) packet.source = IpAddress::ipv4(203, 0, 113, 1);  // a stranger
  packet.destination = victim.locals[(how >> 5 & 1) % victim.locals.size()];
  packet.bytes.resize(wire::kCommonHeaderSize);
  store_be16(packet.bytes.data(), victim.peer_port.value);
  store_be16(packet.bytes.data() + 2, victim.local_port.value);
  next_tsn_ = victim.status.cum_tsn_ack + 1;
  if (victim.status.state == AssocState::kClosed) next_tsn_ = kPeerTsn;
  cookie_tag_ = VerificationTag(0);
  for (int n = how >> 6; n >= 0; --n) append_chunk(in, victim, packet.bytes);
  const auto chunks = std::span<const uint8_t>(packet.bytes).subspan(wire::kCommonHeaderSize);
  store_be32(packet.bytes.data() + 4, choose_tag(in, chunks).value);
  wire::write_checksum(packet.bytes);
  return packet;
}

VerificationTag Grammar::choose_tag(Input& in, std::span<const uint8_t> chunks) const {
  const uint8_t choice = in.byte();
  const AssocStatus& status = victim_->status;
  if (choice < 200) return fitting_tag(chunks);
  switch (choice & 3) {
    case 0:
      return VerificationTag(0);
    case 1:
      return status.peer_tag;
    case 2:
      return status.local_tag;
    default:
      return VerificationTag(status.local_tag.value + 1);
  }
}

// What the rules ask for (8.5.1), as far as it is known.
VerificationTag Grammar::fitting_tag(std::span<const uint8_t> chunks) const {
  const AssocStatus& status = victim_->status;
  const auto type = chunks.empty() ? ChunkType::kData : static_cast<ChunkType>(chunks[0]);
  const bool reflected = chunks.size() > 1 && (chunks[1] & wire::kTagReflectedFlag) != 0;
  if (type == ChunkType::kInit) return VerificationTag(0);
  if (type == ChunkType::kCookieEcho && cookie_tag_.value != 0) return cookie_tag_;
  if (reflected && (type == ChunkType::kAbort || type == ChunkType::kShutdownComplete)) {
    return status.peer_tag;
  }
  return status.local_tag.value != 0 ? status.local_tag : victim_->heard->initiate_tag;
}

void Grammar::append_chunk(Input& in, const Victim& victim, std::vector<uint8_t>& bytes) {
  victim_ = &victim;
  if (bytes.size() > 8000) return;
  const uint8_t pick = in.byte();
  uint8_t type = kChunkTypes[pick % kChunkTypes.size()];
  if (type == kAnyType) type = in.byte();
  Bytes out(bytes);
  const size_t begin = out.size();
  out.u16(static_cast<uint16_t>(type << 8));
  out.u16(0);
  write_chunk(in, type, out);
  if (pick >= 240 && out.size() > begin + 4) {  // one byte of it is another one
    const size_t at = begin + 4 + in.byte() % (out.size() - begin - 4);
    out.at(at) ^= in.byte();
  } else if (pick >= 232) {
    out.cut(begin + 4 + in.byte());
  }
  out.close(in, begin);
}

// ---------------------------------------------------------------- chunks

void Grammar::write_chunk(Input& in, uint8_t type, Bytes& out) {
  uint8_t& flags = out.at(out.size() - 3);
  switch (static_cast<ChunkType>(type)) {
    case ChunkType::kData:
      return write_data(in, out);
    case ChunkType::kInit:
    case ChunkType::kInitAck:
      return write_init(in, static_cast<ChunkType>(type) == ChunkType::kInitAck, out);
    case ChunkType::kSack:
      return write_sack(in, out);
    case ChunkType::kForwardTsn:
      return write_forward_tsn(in, out);
    case ChunkType::kHeartbeat: {
      const size_t begin = out.open(1);
      out.fill(in.byte(), 'h');
      out.close(in, begin);
      return;
    }
    case ChunkType::kHeartbeatAck:
      return write_heartbeat_ack(in, out);
    case ChunkType::kAbort:
    case ChunkType::kError:
      flags = in.below(4) == 1 ? 1 : 0;
      return write_causes(in, out);
    case ChunkType::kShutdown:
      return out.u32(moved(victim_->status.next_tsn - 1, in.near()));
    case ChunkType::kCookieEcho:
      return write_cookie(in, out);
    case ChunkType::kShutdownComplete:
      flags = in.below(2);
      return;
    case ChunkType::kShutdownAck:
    case ChunkType::kCookieAck:
      return;
    default:  // ECNE, CWR and whatever RFC 9260 does not define
      flags = in.byte();
      return out.copy(in.take(in.byte()));
  }
}

void Grammar::write_data(Input& in, Bytes& out) {
  const uint8_t how = in.byte();
  // Whole, ordered messages first; then any mixture of B, E, U and I.
  uint8_t flags = (how & 0x80) != 0 ? static_cast<uint8_t>(how & 0x0f) : uint8_t{3};
  if ((how & 0xf0) == 0xf0) flags = static_cast<uint8_t>(flags | 0xa0);  // reserved bits
  out.at(out.size() - 3) = flags;
  const uint16_t stream = (how & 0x40) != 0 ? in.byte() : uint16_t{0};
  const uint32_t tsn = moved(next_tsn_, in.near());
  if (tsn == next_tsn_.value) ++next_tsn_;
  uint16_t& ssn = next_ssn_[stream];
  const auto told = static_cast<uint16_t>(ssn + in.near());
  if ((flags & 5) == 1 && told == ssn) ++ssn;  // the last fragment of an ordered message
  out.u32(tsn);
  out.u16(stream);
  out.u16(told);
  out.u32(how);
  const size_t size = in.byte();
  out.fill((how & 0x20) != 0 ? size * 6 : size, 'd');
}

void Grammar::write_sack(Input& in, Bytes& out) {
  const uint32_t cum = moved(victim_->status.next_tsn - 1, in.near());
  const uint8_t how = in.byte();
  out.u32(cum);
  out.u32(kWindows[how & 7]);
  const size_t gaps = how >> 3 & 7;
  const size_t duplicates = how >> 6;
  // Counts that disagree with what follows, now and then.
  const int off = in.near();
  out.u16(static_cast<uint16_t>(gaps));
  out.u16(static_cast<uint16_t>(static_cast<int>(duplicates) + off));
  uint16_t at = 1;
  for (size_t i = 0; i < gaps; ++i) {
    const uint8_t step = in.byte();
    at = static_cast<uint16_t>(at + 1 + (step & 15));
    const auto end = static_cast<uint16_t>(at + (step >> 4 & 7));
    const bool backwards = (step & 0x80) != 0;
    out.u16(backwards ? static_cast<uint16_t>(end + 1) : at);
    out.u16(backwards ? at : end);
    at = end;
  }
  for (size_t i = 0; i < duplicates; ++i) out.u32(moved(Tsn(cum), in.near()));
}

// A little ahead of what the victim has, mostly, and of streams the numbers about their next ones.
void Grammar::write_forward_tsn(Input& in, Bytes& out) {
  const uint8_t how = in.byte();
  Tsn last = next_tsn_ - 1 + (how & 7);
  if ((how & 0xc0) == 0xc0) last = Tsn(moved(last, in.near() * 600));
  out.u32(last.value);
  if (!last.before(next_tsn_)) next_tsn_ = last + 1;
  for (int n = (how & 0xe0) == 0xa0 ? 64 : how >> 3 & 3; n > 0; --n) {
    const uint8_t stream = in.byte();
    const uint16_t id = stream < 192 ? stream & 3 : stream * 256;
    const auto ssn = static_cast<uint16_t>(next_ssn_[id] + in.near());
    if (stream < 128) next_ssn_[id] = static_cast<uint16_t>(ssn + 1);
    out.u16(id);
    out.u16(ssn);
  }
}

void Grammar::write_heartbeat_ack(Input& in, Bytes& out) {
  if (in.below(4) == 3 || victim_->heard->heartbeat.empty()) {
    const size_t begin = out.open(1);
    out.copy(in.take(in.byte()));
    return out.close(in, begin);
  }
  const size_t begin = out.size();
  out.copy(victim_->heard->heartbeat);
  const uint8_t change = in.byte();
  if (change >= 128 && out.size() > begin) {
    out.at(begin + change % (out.size() - begin)) ^= in.byte();
  }
}

// ---------------------------------------------------------------- set-up

void Grammar::write_init(Input& in, bool ack, Bytes& out) {
  const uint8_t how = in.byte();
  const uint8_t more = in.byte();
  uint32_t tag = kPeerTag.value;
  if ((how & 7) == 7) tag = in.below(2) == 0 ? 0 : victim_->status.local_tag.value;
  if ((how & 7) == 6) tag += in.byte();
  out.u32(tag);
  out.u32(kWindows[how >> 3 & 7]);
  out.u16(kStreamCounts[more & 7]);
  out.u16(kStreamCounts[more >> 3 & 7]);
  out.u32(kFirstTsns[how >> 6]);
  if (ack && (more & 0xc0) != 0xc0) {
    const size_t begin = out.open(7);
    out.fill(1 + size_t{in.byte()}, 'c');
    out.close(in, begin);
  }
  for (int n = in.below(6); n > 0; --n) write_parameter(in, out);
}

void Grammar::write_parameter(Input& in, Bytes& out) {
  const uint8_t pick = in.byte();
  const uint16_t type = kParameterTypes[pick % kParameterTypes.size()];
  const size_t begin = out.open(type);
  switch (static_cast<ParameterType>(type)) {
    case ParameterType::kIpv4Address:
    case ParameterType::kIpv6Address: {
      const uint8_t which = in.byte();
      // One of the peer's, one of the victim's own, or any other of that family.
      const auto& known = (which & 1) == 0 ? victim_->peers : victim_->locals;
      const IpAddress address = known[which / 2 % known.size()];
      if (which >= 128 || address.bytes().size() != (type == 5 ? 4u : 16u)) {
        const uint8_t first = (which & 2) != 0 ? uint8_t{224} : uint8_t{198};  // multicast, too
        out.u8(type == 5 ? first : uint8_t{0x20});
        out.fill(type == 5 ? 2 : 14, 0x11);
        out.u8(which);
      } else {
        out.copy(address.bytes());
      }
      break;
    }
    case ParameterType::kCookiePreservative:
      out.u32(in.number(4));
      break;
    case ParameterType::kSupportedAddressTypes:
      for (int n = in.below(4); n > 0; --n) out.u16(static_cast<uint16_t>(5 + in.below(8)));
      break;
    case ParameterType::kHostNameAddress:
      out.fill(in.byte(), 'n');
      break;
    case ParameterType::kSupportedExtensions:
      out.copy(in.take(in.below(8)));
      break;
    case ParameterType::kEcnCapable:
    case ParameterType::kForwardTsnSupported:
      break;
    default:
      out.copy(in.take(in.below(64)));
      break;
  }
  if (pick >= 240) out.fill(in.below(8), 0xee);  // longer than its type is
  if (pick < 8 && out.size() > begin + 4) out.cut(out.size() - 1);
  out.close(in, begin);
}

void Grammar::write_cookie(Input& in, Bytes& out) {
  const std::vector<uint8_t>& heard = victim_->heard->cookie;
  const uint8_t how = in.byte();
  cookie_tag_ = victim_->heard->initiate_tag;
  if (how >= 240 || heard.empty()) return out.copy(in.take(in.byte()));
  if (how >= 160) {
    const std::vector<uint8_t> sealed = altered_cookie(in);
    if (!sealed.empty()) return out.copy(sealed);
  }
  const size_t begin = out.size();
  out.copy(heard);
  if (how >= 144) out.at(begin + in.word() % heard.size()) ^= in.byte();
}

// The victim's last cookie with other contents under a right MAC: as if its key were known.
std::vector<uint8_t> Grammar::altered_cookie(Input& in) {
  Cookie cookie;
  if (victim_->jar == nullptr ||
      !victim_->jar->open(victim_->now, victim_->heard->cookie, cookie)) {
    return {};
  }
  for (int n = in.below(3); n >= 0; --n) {
    const uint8_t which = in.byte();
    const uint8_t value = in.byte();
    switch (which % 12) {
      case 0:
        cookie.created = victim_->now - std::chrono::seconds(value);
        break;
      case 1:
        cookie.lifespan = std::chrono::milliseconds(value);
        break;
      case 2:
        cookie.local_tag = value < 128 ? victim_->status.local_tag : VerificationTag(value);
        break;
      case 3:
        cookie.peer_tag = value < 128 ? victim_->status.peer_tag : VerificationTag(value);
        break;
      case 4:
        cookie.peer_initial_tsn = Tsn(value);
        break;
      case 5:
        cookie.local_initial_tsn = Tsn(0xffffff80u + value);
        break;
      case 6:
        cookie.peer_rwnd = kWindows[value & 7];
        break;
      case 7:
        cookie.outbound_streams = static_cast<uint16_t>(1 + value);
        break;
      case 8:
        cookie.inbound_streams = static_cast<uint16_t>(1 + value);
        break;
      case 9:
        if (value == 0) cookie.local_tie = cookie.peer_tie = 0;
        cookie.local_tie ^= value;
        break;
      case 10:
        if (cookie.peer_address_count < kMaxPaths) {
          cookie.peer_addresses[cookie.peer_address_count++] =
              value < 128 ? victim_->peers[value % victim_->peers.size()]
                          : IpAddress::ipv4(198, 51, 100, value);
        }
        break;
      default:
        cookie.peer_port = PortNumber(static_cast<uint16_t>(cookie.peer_port.value + (value & 1)));
        break;
    }
  }
  if (cookie.local_tag.value == 0) return {};  // no INIT ACK says that
  cookie_tag_ = cookie.local_tag;
  std::array<uint8_t, CookieJar::kMaxSize> room{};
  const size_t size = victim_->jar->seal(victim_->now, cookie, room);
  return {room.begin(), room.begin() + static_cast<ptrdiff_t>(size)};
}

// ---------------------------------------------------------------- causes

void Grammar::write_causes(Input& in, Bytes& out) {
  for (int n = in.below(4); n > 0; --n) {
    const uint8_t code = in.byte();
    const size_t begin = out.open(code < 0xf8 ? code % 15 : code);
    switch (static_cast<wire::CauseCode>(code % 15)) {
      case wire::CauseCode::kInvalidStreamIdentifier:
        out.u16(in.byte());
        out.u16(0);
        break;
      case wire::CauseCode::kMissingMandatoryParameter:
        out.u32(in.below(4));
        out.u16(7);
        break;
      case wire::CauseCode::kStaleCookie:
        out.u32(in.number(4));
        break;
      case wire::CauseCode::kNoUserData:
        out.u32(moved(victim_->status.next_tsn, in.near()));
        break;
      case wire::CauseCode::kUnrecognizedChunkType:
      case wire::CauseCode::kUnrecognizedParameters:
        out.copy(victim_->heard->chunk);
        break;
      case wire::CauseCode::kOutOfResource:
      case wire::CauseCode::kInvalidMandatoryParameter:
      case wire::CauseCode::kCookieReceivedWhileShuttingDown:
        break;
      default:
        out.copy(in.take(in.below(32)));
        break;
    }
    out.close(in, begin);
  }
}

}  // namespace trunkline::fuzz
