// SPDX-License-Identifier: BSD-3-Clause
// How many INITs a second are answered: of one source address, and of all strangers together. An
// INIT costs its sender nothing and its receiver a MAC and a packet to an address that may be
// somebody else's (RFC 5062 sections 6 and 9). Fixed memory: buckets found by a keyed hash, that
// nobody outside can aim at; sources that share a bucket share its rate.
#pragma once

#include <cstdint>
#include <vector>

#include "base/siphash.h"
#include "base/token_bucket.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/random.h"
#include "trunkline/stack/types.h"

namespace trunkline {

class InitLimiter {
 public:
  static constexpr size_t kBuckets = 4096;  // of strangers, and as many of those who are known

  enum class Verdict : uint8_t { kPass, kSourceRate, kTotalRate };

  // INITs a second; 0: no limit.
  InitLimiter(RandomSource& random, uint32_t per_source, uint32_t total);

  // `known`: a configured peer, or an association with this address and port exists. The known
  // have buckets of their own and do not count in the total, so that no flood of strangers can
  // keep a peer from coming back.
  [[nodiscard]] Verdict judge(TimePoint now, const IpAddress& source, bool known);

 private:
  // Of an IPv6 address the first half counts: who has one address of a /64 has them all.
  [[nodiscard]] size_t bucket_of(const IpAddress& source) const;

  SipKey key_;
  uint32_t per_source_;
  uint32_t total_;
  TokenBucket all_strangers_;
  std::vector<TokenBucket> strangers_;
  std::vector<TokenBucket> known_;
};

}  // namespace trunkline
