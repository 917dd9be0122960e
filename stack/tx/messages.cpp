// SPDX-License-Identifier: BSD-3-Clause
// Reading payload in place.
#include "tx/messages.h"

#include <algorithm>
#include <cstring>

#include "base/steps.h"

namespace trunkline {

// Steps over the end of a piece, and over empty pieces.
void PayloadCursor::settle() {
  while (offset == piece->length && piece->next != nullptr) {
    count_steps();
    piece = piece->next;
    offset = 0;
  }
}

void PayloadCursor::read(uint8_t* out, size_t size) {
  while (size > 0) {
    settle();
    const size_t n = std::min<size_t>(size, piece->length - offset);
    std::memcpy(out, piece->data + offset, n);
    offset += static_cast<uint32_t>(n);
    out += n;
    size -= n;
  }
}

}  // namespace trunkline
