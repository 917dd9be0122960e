// SPDX-License-Identifier: BSD-3-Clause
// INITs by the second.
#include "endpoint/init_limiter.h"

#include "base/bytes.h"

namespace trunkline {

InitLimiter::InitLimiter(RandomSource& random, uint32_t per_source, uint32_t total)
    : key_{random.u64(), random.u64()},
      per_source_(per_source),
      total_(total),
      strangers_(kBuckets),
      known_(kBuckets) {}

size_t InitLimiter::bucket_of(const IpAddress& source) const {
  const uint8_t* const bytes = source.bytes().data();
  const uint64_t hash = source.is_ipv6() ? SipHash::of(key_, load_be64(bytes))
                                         : SipHash::of(key_, {}, load_be32(bytes));
  return hash % kBuckets;
}

InitLimiter::Verdict InitLimiter::judge(TimePoint now, const IpAddress& source, bool known) {
  if (per_source_ != 0) {
    std::vector<TokenBucket>& buckets = known ? known_ : strangers_;
    if (!buckets[bucket_of(source)].take(now, per_source_)) return Verdict::kSourceRate;
  }
  // Asked last: what one source sends beyond its own rate must not use up what is for all.
  if (!known && total_ != 0 && !all_strangers_.take(now, total_)) return Verdict::kTotalRate;
  return Verdict::kPass;
}

}  // namespace trunkline
