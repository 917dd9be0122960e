// SPDX-License-Identifier: BSD-3-Clause
// The strong types that every layer shares: time, serial numbers, identifiers.
// Values only; no behaviour beyond what RFC 9260 says of the numbers themselves.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace trunkline {

using Duration = std::chrono::nanoseconds;

// A moment on the caller's monotonic time line. The stack never reads a clock: the caller says
// what time it is. The epoch is the caller's choice; only differences matter.
class TimePoint {
 public:
  constexpr TimePoint() = default;
  static constexpr TimePoint from_ns(int64_t ns) { return TimePoint(ns); }
  static constexpr TimePoint never() { return TimePoint(INT64_MAX); }
  [[nodiscard]] constexpr int64_t ns() const { return ns_; }
  [[nodiscard]] constexpr bool is_never() const { return ns_ == INT64_MAX; }
  constexpr bool operator==(const TimePoint&) const = default;
  constexpr auto operator<=>(TimePoint other) const { return ns_ <=> other.ns_; }
  constexpr TimePoint operator+(Duration d) const {
    return is_never() ? *this : TimePoint(ns_ + d.count());
  }
  constexpr TimePoint operator-(Duration d) const {
    return is_never() ? *this : TimePoint(ns_ - d.count());
  }
  constexpr Duration operator-(TimePoint other) const { return Duration(ns_ - other.ns_); }

 private:
  constexpr explicit TimePoint(int64_t ns) : ns_(ns) {}
  int64_t ns_ = 0;
};

// A named integer. Equality only; arithmetic is added by those types that have one.
template <typename Tag, typename Rep>
struct Named {
  using rep = Rep;
  Rep value{};
  constexpr Named() = default;
  constexpr explicit Named(Rep v) : value(v) {}
  constexpr bool operator==(const Named&) const = default;
};

// A number on a circle (RFC 9260 section 1.6, RFC 1982). There is no operator<: on a circle the
// question is "before or after", asked of numbers less than half the circle apart.
template <typename Tag, typename Rep>
struct Serial {
  using rep = Rep;
  Rep value{};
  constexpr Serial() = default;
  constexpr explicit Serial(Rep v) : value(v) {}
  constexpr bool operator==(const Serial&) const = default;
  constexpr Serial operator+(Rep n) const { return Serial(static_cast<Rep>(value + n)); }
  constexpr Serial operator-(Rep n) const { return Serial(static_cast<Rep>(value - n)); }
  constexpr Serial& operator++() {
    value = static_cast<Rep>(value + 1);
    return *this;
  }
  // How far one must count up from `other` to reach this number.
  [[nodiscard]] constexpr Rep distance_from(Serial other) const {
    return static_cast<Rep>(value - other.value);
  }
  [[nodiscard]] constexpr bool before(Serial other) const {
    constexpr Rep kHalf = static_cast<Rep>(Rep{1} << (sizeof(Rep) * 8 - 1));
    const Rep ahead = other.distance_from(*this);
    return ahead != 0 && ahead < kHalf;
  }
  [[nodiscard]] constexpr bool after(Serial other) const { return other.before(*this); }
  [[nodiscard]] constexpr bool at_or_before(Serial other) const { return !after(other); }
  [[nodiscard]] constexpr bool at_or_after(Serial other) const { return !before(other); }
};

struct TsnTag;
struct SsnTag;
struct MidTag;
struct StreamIdTag;
struct PpidTag;
struct VerificationTagTag;
struct PortNumberTag;
struct EndpointIdTag;

using Tsn = Serial<TsnTag, uint32_t>;
using Ssn = Serial<SsnTag, uint16_t>;
using Mid = Serial<MidTag, uint32_t>;  // RFC 8260; of DATA its SSN
using StreamId = Named<StreamIdTag, uint16_t>;
using Ppid = Named<PpidTag, uint32_t>;  // host order; on the wire big endian
using VerificationTag = Named<VerificationTagTag, uint32_t>;
using PortNumber = Named<PortNumberTag, uint16_t>;  // host order
using EndpointId = Named<EndpointIdTag, uint32_t>;

// Names one association of one shard for as long as it lives. A recycled slot has another
// generation, so that a stale id finds nothing. A slot is free again with the verb that ended its
// association: whoever keeps something by slot drains the events of that end before connect(). The
// all-zero id never names anything.
struct AssocId {
  uint32_t generation = 0;
  uint32_t slot = 0;   // index in the owning shard's table
  uint16_t shard = 0;  // the owning shard
  constexpr bool operator==(const AssocId&) const = default;
  [[nodiscard]] constexpr bool is_valid() const { return generation != 0; }
};

}  // namespace trunkline
