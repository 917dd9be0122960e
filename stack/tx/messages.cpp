// SPDX-License-Identifier: BSD-3-Clause
// Reading payload in place.
#include "tx/messages.h"

#include <algorithm>
#include <cstring>

namespace trunkline {

void PayloadCursor::read(uint8_t* out, size_t size) {
  while (size > 0) {
    const size_t n = std::min<size_t>(size, piece->length - offset);
    std::memcpy(out, piece->data + offset, n);
    out += n;
    size -= n;
    skip(n);
  }
}

void PayloadCursor::skip(size_t size) {
  while (size > 0) {
    const size_t n = std::min<size_t>(size, piece->length - offset);
    offset += static_cast<uint32_t>(n);
    size -= n;
    // Step over the end of a piece at once, so that the cursor never rests on nothing.
    while (piece->next != nullptr && offset == piece->length) {
      piece = piece->next;
      offset = 0;
    }
  }
}

}  // namespace trunkline
