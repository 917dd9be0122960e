// SPDX-License-Identifier: BSD-3-Clause
// What a message holds when its content is not verified: a kind, when it was to be sent, and bytes
// that change from message to message. The sender writes every byte and the receiver reads every
// byte, as an application would, and neither does more. Integers are in the machine's order and
// times are CLOCK_MONOTONIC: time one way means something between two programs of one machine.
#ifndef TRUNKLOAD_PAYLOAD_H
#define TRUNKLOAD_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

typedef enum PayloadKind {
  kPayloadOther = 0,             // not of this program
  kPayloadMessage = 0x544c4c31,  // "TLL1"
  kPayloadRamp = 0x544c4c32,     // the same, sent during the ramp: not to be measured
  kPayloadEnd = 0x544c4c45       // the association's last message, 16 bytes
} PayloadKind;

typedef struct PayloadHeader {
  uint32_t kind;
  uint32_t check;  // kPayloadEnd: of the value
  uint64_t value;  // kPayloadEnd: messages that went before it; else nanoseconds
} PayloadHeader;

// Writes a message of `size` bytes, at least a header.
void payload_write(uint8_t* out, uint32_t size, PayloadKind kind, uint64_t due_ns, uint64_t number);
void payload_write_end(uint8_t* out, uint64_t messages);
// Reads the header.
PayloadKind payload_read(const uint8_t* data, uint64_t size, uint64_t* value);
// Reads every byte.
uint64_t payload_sum(const uint8_t* data, uint64_t size);

#endif
