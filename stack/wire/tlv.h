// SPDX-License-Identifier: BSD-3-Clause
// What chunks, parameters and error causes have in common: a length that counts the header, padding
// to four bytes that it does not count, and two type bits that say what to do with the unknown
// (RFC 9260 sections 3.2, 3.2.1, 3.3.10). The cursors are the first bounds gate; behind them only
// the fixed part of each structure remains to be checked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"

namespace trunkline::wire {

inline constexpr size_t kTlvHeaderSize = 4;

// The size with its padding. In size_t, so that no 16-bit length can wrap.
[[nodiscard]] constexpr size_t padded(size_t size) {
  return (size + 3) & ~size_t{3};
}

// How a walk ended. Anything but kClean means that what follows the last item handed out can't be
// trusted; the items handed out before can (section 6.10: drop the partial chunk, not the packet).
enum class CursorEnd : uint8_t {
  kClean,       // the last item ended where the bytes end
  kStrayBytes,  // one to three bytes follow, too few for a header
  kBadLength,   // a length field below four
  kTruncated,   // a length field that runs past the end
};

// The two highest bits of an unknown type. kStop: this one and all that follow are not processed.
enum class UnknownAction : uint8_t { kStop = 0, kStopAndReport = 1, kSkip = 2, kSkipAndReport = 3 };

[[nodiscard]] constexpr bool stops(UnknownAction action) {
  return action == UnknownAction::kStop || action == UnknownAction::kStopAndReport;
}
[[nodiscard]] constexpr bool reports(UnknownAction action) {
  return action == UnknownAction::kStopAndReport || action == UnknownAction::kSkipAndReport;
}

// Splits bytes into items by the 16-bit length in their third and fourth byte. Missing padding
// behind the last item is accepted: section 3.2 has the receiver ignore padding bytes, section 6.10
// calls partial only what lacks bytes that its length counts, and whether a chunk's length counts
// the padding of its last parameter has always been answered both ways.
class TlvCursor {
 public:
  explicit TlvCursor(std::span<const uint8_t> bytes) : rest_(bytes) {}

  // The next item, header included and padding excluded; empty at the end.
  [[nodiscard]] std::span<const uint8_t> next() {
    if (rest_.size() < kTlvHeaderSize) {
      if (end_ == CursorEnd::kClean && !rest_.empty()) end_ = CursorEnd::kStrayBytes;
      rest_ = {};
      return {};
    }
    const size_t length = load_be16(rest_.data() + 2);
    if (length < kTlvHeaderSize || length > rest_.size()) {
      end_ = length < kTlvHeaderSize ? CursorEnd::kBadLength : CursorEnd::kTruncated;
      rest_ = {};
      return {};
    }
    const std::span<const uint8_t> item = rest_.first(length);
    rest_ = rest_.subspan(std::min(padded(length), rest_.size()));
    return item;
  }

  // What next() has not looked at yet; and so many bytes of it, whole items, that it need not.
  [[nodiscard]] std::span<const uint8_t> rest() const { return rest_; }
  void pass(size_t size) { rest_ = rest_.subspan(size); }

  // Meaningful once next() has returned nothing.
  [[nodiscard]] CursorEnd end() const { return end_; }

 private:
  std::span<const uint8_t> rest_;
  CursorEnd end_ = CursorEnd::kClean;
};

}  // namespace trunkline::wire
