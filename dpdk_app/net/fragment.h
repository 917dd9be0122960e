// SPDX-License-Identifier: BSD-3-Clause
// Cutting of a packet that no longer fits its path into IP fragments: what the stack has cut into
// chunks for a path MTU that shrank afterwards can't be cut anew (PacketOut::fragment_size). Where
// to cut; the headers are HeaderTemplate's. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "net/frame.h"

namespace trunkline::net {

// What the headers of one fragment say.
struct FragmentField {
  uint32_t id = 0;  // unpredictable (RFC 7739); IPv4 takes the lower half
  uint16_t offset = 0;
  bool more = false;
};

class FragmentPlan {
 public:
  // For `length` bytes behind the IP header in IP packets of at most `fragment_size` bytes.
  // `fragment_size` 0 or large enough: one piece.
  FragmentPlan(size_t length, uint16_t fragment_size, bool ipv6);

  // 1: it is to be sent whole. 0: so small a fragment holds nothing.
  [[nodiscard]] size_t count() const { return count_; }
  [[nodiscard]] size_t offset(size_t index) const { return index * piece_; }
  [[nodiscard]] size_t length(size_t index) const {
    return index + 1 < count_ ? piece_ : length_ - offset(index);
  }
  [[nodiscard]] FragmentField field(size_t index, uint32_t id) const {
    return {id, static_cast<uint16_t>(offset(index)), index + 1 < count_};
  }

 private:
  size_t length_;
  size_t piece_ = 0;  // a multiple of 8
  size_t count_ = 0;
};

}  // namespace trunkline::net
