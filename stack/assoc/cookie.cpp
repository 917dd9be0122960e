// SPDX-License-Identifier: BSD-3-Clause
// The cookie's layout, and the keys of its MAC.
#include "assoc/cookie.h"

#include <openssl/crypto.h>

#include <utility>

#include "base/bytes.h"

namespace trunkline {
namespace {

// Changed hourly, as section 5.1.3 suggests. The previous key opens cookies for as long again; a
// cookie's own lifespan ends long before.
constexpr Duration kKeyLife = std::chrono::hours(1);

constexpr uint8_t kVersion = 4;
// Up to the number of the peer's addresses; then what it says of its adaptation layer, if it does;
// then our address and these, each with no more bytes than its
// family has: the cookie travels twice, and an INIT ACK should be small (5.1.3, 12.4). What
// extensions keep is behind them.
constexpr size_t kFixedSize = 2 + 8 + 4 + 4 * 4 + 4 + 2 * 2 + 2 * 2 + 8 * 2 + 4 + 2 * 2 + 1;
constexpr uint8_t kAdapts = 0x80;  // beside the number: it does
constexpr size_t kAdaptationSize = 4;
constexpr size_t kLeastAddressSize = 1 + 4;
constexpr size_t kMostAddressSize = 1 + 16;

class Writer {
 public:
  explicit Writer(uint8_t* at) : at_(at) {}
  void u8(uint8_t v) { *at_++ = v; }
  void u16(uint16_t v) { store_be16(std::exchange(at_, at_ + 2), v); }
  void u32(uint32_t v) { store_be32(std::exchange(at_, at_ + 4), v); }
  void u64(uint64_t v) { store_be64(std::exchange(at_, at_ + 8), v); }
  void address(const IpAddress& address) {
    u8(static_cast<uint8_t>(address.family()));
    copy_bytes(at_, address.bytes());
    at_ += address.bytes().size();
  }
  void bytes(std::span<const uint8_t> bytes) {
    copy_bytes(at_, bytes);
    at_ += bytes.size();
  }
  [[nodiscard]] uint8_t* at() const { return at_; }

 private:
  uint8_t* at_;
};

class Reader {
 public:
  // The fixed part is known to be there; addresses look for themselves.
  explicit Reader(std::span<const uint8_t> bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  uint8_t u8() { return *at_++; }
  uint16_t u16() { return load_be16(std::exchange(at_, at_ + 2)); }
  uint32_t u32() { return load_be32(std::exchange(at_, at_ + 4)); }
  uint64_t u64() { return load_be64(std::exchange(at_, at_ + 8)); }
  bool address(IpAddress& out) {
    if (left() == 0) return false;
    const uint8_t family = u8();
    if (family == static_cast<uint8_t>(AddressFamily::kIpv4) && left() >= 4) {
      out = IpAddress::from_ipv4(std::span<const uint8_t, 4>(std::exchange(at_, at_ + 4), 4));
      return true;
    }
    if (family == static_cast<uint8_t>(AddressFamily::kIpv6) && left() >= 16) {
      out = IpAddress::from_ipv6(std::span<const uint8_t, 16>(std::exchange(at_, at_ + 16), 16));
      return true;
    }
    return false;
  }
  void bytes(std::span<uint8_t> out) {
    copy_bytes(out.data(), std::span(std::exchange(at_, at_ + out.size()), out.size()));
  }
  [[nodiscard]] size_t left() const { return static_cast<size_t>(end_ - at_); }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace

static_assert(kFixedSize + kAdaptationSize + (1 + kMaxPaths) * kMostAddressSize + Cookie::kMaxKept +
                  CookieJar::kMacSize <=
              CookieJar::kMaxSize);

CookieJar::CookieJar(RandomSource& random, TimePoint now)
    : random_(random), rotated_at_(now), current_(draw_key()) {}

CookieJar::Key CookieJar::draw_key() {
  std::array<uint8_t, 32> secret{};
  random_.fill(secret);
  const Key key{next_id_++, HmacSha256(secret)};
  OPENSSL_cleanse(secret.data(), secret.size());
  return key;
}

void CookieJar::rotate_if_due(TimePoint now) {
  const Duration age = now - rotated_at_;
  if (age < kKeyLife) return;
  previous_.reset();
  if (age < 2 * kKeyLife) previous_ = current_;
  current_ = draw_key();
  rotated_at_ = now;
}

size_t CookieJar::seal(TimePoint now, const Cookie& cookie, std::span<uint8_t, kMaxSize> out) {
  rotate_if_due(now);
  Writer writer(out.data());
  writer.u8(kVersion);
  writer.u8(current_.id);
  writer.u64(static_cast<uint64_t>(cookie.created.ns()));
  writer.u32(static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(cookie.lifespan).count()));
  writer.u32(cookie.local_tag.value);
  writer.u32(cookie.peer_tag.value);
  writer.u32(cookie.local_initial_tsn.value);
  writer.u32(cookie.peer_initial_tsn.value);
  writer.u32(cookie.peer_rwnd);
  writer.u16(cookie.outbound_streams);
  writer.u16(cookie.inbound_streams);
  writer.u16(cookie.features.bits());
  writer.u16(static_cast<uint16_t>(cookie.kept_size));
  writer.u64(cookie.local_tie);
  writer.u64(cookie.peer_tie);
  writer.u32(cookie.endpoint.value);
  writer.u16(cookie.local_port.value);
  writer.u16(cookie.peer_port.value);
  const bool adapts = cookie.peer_adaptation != 0;
  writer.u8(static_cast<uint8_t>(cookie.peer_address_count | (adapts ? kAdapts : 0u)));
  if (adapts) writer.u32(cookie.peer_adaptation);
  writer.address(cookie.local_address);
  for (const IpAddress& address : cookie.peers()) writer.address(address);
  writer.bytes(cookie.kept());
  const size_t size = static_cast<size_t>(writer.at() - out.data());
  current_.mac.compute(out.first(size), std::span<uint8_t, kMacSize>(writer.at(), kMacSize));
  return size + kMacSize;
}

bool CookieJar::open(TimePoint now, std::span<const uint8_t> sealed, Cookie& out) {
  rotate_if_due(now);
  if (sealed.size() < kFixedSize + kMacSize || sealed.size() > kMaxSize) return false;
  if (sealed[0] != kVersion) return false;
  const size_t address_count = sealed[kFixedSize - 1] & (kAdapts - 1u);
  if (address_count == 0 || address_count > kMaxPaths) return false;
  const size_t size = sealed.size() - kMacSize;
  const size_t before =
      kFixedSize + ((sealed[kFixedSize - 1] & kAdapts) != 0 ? kAdaptationSize : 0);
  if (size < before + (1 + address_count) * kLeastAddressSize ||
      size > before + (1 + address_count) * kMostAddressSize + Cookie::kMaxKept) {
    return false;
  }
  const Key* key = nullptr;
  if (sealed[1] == current_.id) key = &current_;
  if (previous_ && sealed[1] == previous_->id) key = &*previous_;
  if (key == nullptr) return false;
  std::array<uint8_t, kMacSize> mac;
  key->mac.compute(sealed.first(size), mac);
  if (CRYPTO_memcmp(mac.data(), sealed.data() + size, kMacSize) != 0) return false;

  Reader reader(sealed.subspan(2, size - 2));
  out.created = TimePoint::from_ns(static_cast<int64_t>(reader.u64()));
  out.lifespan = std::chrono::milliseconds(reader.u32());
  out.local_tag = VerificationTag(reader.u32());
  out.peer_tag = VerificationTag(reader.u32());
  out.local_initial_tsn = Tsn(reader.u32());
  out.peer_initial_tsn = Tsn(reader.u32());
  out.peer_rwnd = reader.u32();
  out.outbound_streams = reader.u16();
  out.inbound_streams = reader.u16();
  out.features = wire::FeatureSet::from_bits(reader.u16());
  out.kept_size = reader.u16();
  out.local_tie = reader.u64();
  out.peer_tie = reader.u64();
  out.endpoint = EndpointId(reader.u32());
  out.local_port = PortNumber(reader.u16());
  out.peer_port = PortNumber(reader.u16());
  const uint8_t counted = reader.u8();
  out.peer_address_count = counted & (kAdapts - 1u);
  out.peer_adaptation = (counted & kAdapts) != 0 ? reader.u32() : 0;
  if (!reader.address(out.local_address)) return false;
  for (size_t i = 0; i < out.peer_address_count; ++i) {
    if (!reader.address(out.peer_addresses[i])) return false;
  }
  if (reader.left() != out.kept_size || out.kept_size > Cookie::kMaxKept) return false;
  reader.bytes(std::span(out.kept_bytes).first(out.kept_size));
  return true;
}

}  // namespace trunkline
