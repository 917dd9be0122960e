// SPDX-License-Identifier: BSD-3-Clause
// See payload.h.
#include "payload.h"

#include <string.h>

#include "sizes.h"

void payload_write(uint8_t* out, uint32_t size, PayloadKind kind, uint64_t due_ns,
                   uint64_t number) {
  const PayloadHeader header = {.kind = kind, .value = due_ns};
  memcpy(out, &header, sizeof(header));
  memset(out + sizeof(header), (int)(number & 0xff), size - sizeof(header));
}

static uint32_t check_of(uint64_t messages) {
  return (uint32_t)sizes_scatter(messages);
}

void payload_write_end(uint8_t* out, uint64_t messages) {
  const PayloadHeader header = {
      .kind = kPayloadEnd, .check = check_of(messages), .value = messages};
  memcpy(out, &header, sizeof(header));
}

PayloadKind payload_read(const uint8_t* data, uint64_t size, uint64_t* value) {
  PayloadHeader header;
  if (size < sizeof(header)) {
    return kPayloadOther;
  }
  memcpy(&header, data, sizeof(header));
  *value = header.value;
  switch (header.kind) {
    case kPayloadMessage:
    case kPayloadRamp:
      return header.kind;
    case kPayloadEnd:
      return size == sizeof(header) && header.check == check_of(header.value) ? kPayloadEnd
                                                                              : kPayloadOther;
    default:
      return kPayloadOther;
  }
}

static uint64_t word_at(const uint8_t* data) {
  uint64_t word;
  memcpy(&word, data, sizeof(word));
  return word;
}

uint64_t payload_sum(const uint8_t* data, uint64_t size) {
  uint64_t sum = 0;
  uint64_t at = 0;
  if (size < 8) {
    for (; at < size; at++) {
      sum += data[at];
    }
    return sum;
  }
  for (; at + 32 <= size; at += 32) {
    sum += word_at(data + at) + word_at(data + at + 8) + word_at(data + at + 16) +
           word_at(data + at + 24);
  }
  for (; at + 8 <= size; at += 8) {
    sum += word_at(data + at);
  }
  // What is left, with some bytes a second time: cheaper than one by one.
  return at < size ? sum + word_at(data + size - 8) : sum;
}
