// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: the state cookie. The bytes are a cookie to open; they are also the content of a
// cookie that is sealed, opened again, and then altered as they say: what was altered in any way
// must never open.
#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "assoc/cookie.h"
#include "base/bytes.h"
#include "fuzz_check.h"

namespace {

using namespace trunkline;

// Reads numbers from the input, zeros behind its end.
class Bytes {
 public:
  explicit Bytes(std::span<const uint8_t> bytes) : rest_(bytes) {}
  uint64_t number(size_t size) {
    uint64_t out = 0;
    for (; size > 0; --size) {
      out = out << 8 | (rest_.empty() ? 0u : rest_[0]);
      rest_ = rest_.subspan(std::min<size_t>(1, rest_.size()));
    }
    return out;
  }
  IpAddress address() {
    std::array<uint8_t, 16> bytes{};
    if (number(1) % 2 == 0) {
      store_be32(bytes.data(), static_cast<uint32_t>(number(4)));
      return IpAddress::from_ipv4(std::span(bytes).first<4>());
    }
    store_be64(bytes.data(), number(8));
    store_be64(bytes.data() + 8, number(8));
    return IpAddress::from_ipv6(bytes);
  }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::span<const uint8_t> rest_;
};

Cookie describe(Bytes& in) {
  Cookie cookie;
  cookie.created = TimePoint::from_ns(static_cast<int64_t>(in.number(8) >> 1));
  // Told in milliseconds.
  cookie.lifespan = std::chrono::milliseconds(static_cast<uint32_t>(in.number(8)));
  cookie.local_tag = VerificationTag(static_cast<uint32_t>(in.number(4)));
  cookie.peer_tag = VerificationTag(static_cast<uint32_t>(in.number(4)));
  cookie.local_initial_tsn = Tsn(static_cast<uint32_t>(in.number(4)));
  cookie.peer_initial_tsn = Tsn(static_cast<uint32_t>(in.number(4)));
  cookie.peer_rwnd = static_cast<uint32_t>(in.number(4));
  cookie.outbound_streams = static_cast<uint16_t>(in.number(2));
  cookie.inbound_streams = static_cast<uint16_t>(in.number(2));
  cookie.local_tie = in.number(8);
  cookie.peer_tie = in.number(8);
  cookie.features = wire::FeatureSet::from_bits(static_cast<uint16_t>(cookie.local_tie));
  cookie.kept_size = cookie.peer_tie % (Cookie::kMaxKept + 1);
  for (size_t i = 0; i < cookie.kept_size; ++i) {
    cookie.kept_bytes[i] = static_cast<uint8_t>(cookie.peer_tie >> (i % 8 * 8));
  }
  cookie.endpoint = EndpointId(static_cast<uint32_t>(in.number(4)));
  cookie.local_port = PortNumber(static_cast<uint16_t>(in.number(2)));
  cookie.peer_port = PortNumber(static_cast<uint16_t>(in.number(2)));
  cookie.local_address = in.address();
  cookie.peer_address_count = 1 + in.number(1) % kMaxPaths;
  for (size_t i = 0; i < cookie.peer_address_count; ++i) cookie.peer_addresses[i] = in.address();
  return cookie;
}

bool same(const Cookie& a, const Cookie& b) {
  return a.created == b.created && a.lifespan == b.lifespan && a.local_tag == b.local_tag &&
         a.peer_tag == b.peer_tag && a.local_initial_tsn == b.local_initial_tsn &&
         a.peer_initial_tsn == b.peer_initial_tsn && a.peer_rwnd == b.peer_rwnd &&
         a.outbound_streams == b.outbound_streams && a.inbound_streams == b.inbound_streams &&
         a.local_tie == b.local_tie && a.peer_tie == b.peer_tie && a.features == b.features &&
         std::ranges::equal(a.kept(), b.kept()) && a.endpoint == b.endpoint &&
         a.local_port == b.local_port && a.peer_port == b.peer_port &&
         a.local_address == b.local_address && std::ranges::equal(a.peers(), b.peers());
}

// In memory that ends where the cookie ends.
bool opens(CookieJar& jar, TimePoint now, std::vector<uint8_t> sealed, Cookie& out) {
  sealed.shrink_to_fit();
  return jar.open(now, sealed, out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> input(data, size);
  const TimePoint now = TimePoint::from_ns(1'000'000'000);
  SeededRandom random(42);
  CookieJar jar(random, now);
  Cookie opened;
  FUZZ_CHECK(!jar.open(now, input, opened));

  Bytes in(input);
  const Cookie cookie = describe(in);
  std::array<uint8_t, CookieJar::kMaxSize> room{};
  const size_t length = jar.seal(now, cookie, room);
  FUZZ_CHECK(length <= room.size());
  const std::vector<uint8_t> sealed(room.begin(), room.begin() + static_cast<ptrdiff_t>(length));
  FUZZ_CHECK(opens(jar, now, sealed, opened));
  FUZZ_CHECK(same(cookie, opened));

  // The rest of the input says what to do to it: up to four changes, then a cut or a tail.
  std::vector<uint8_t> altered = sealed;
  for (int i = 0; i < 4 && !in.empty(); ++i) {
    altered[in.number(2) % altered.size()] ^= static_cast<uint8_t>(in.number(1));
  }
  const size_t cut = in.number(2);
  if (cut % 4 == 1) altered.resize(cut / 4 % altered.size());
  if (cut % 4 == 2) altered.resize(altered.size() + 1 + cut / 4 % 64, static_cast<uint8_t>(cut));
  FUZZ_CHECK(opens(jar, now, altered, opened) == (altered == sealed));

  // Another jar's key, and a key of long ago, open nothing.
  CookieJar other(random, now);
  FUZZ_CHECK(!opens(other, now, sealed, opened));
  FUZZ_CHECK(!opens(jar, now + std::chrono::hours(5), sealed, opened));
  return 0;
}
