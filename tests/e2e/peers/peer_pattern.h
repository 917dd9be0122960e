// SPDX-License-Identifier: BSD-3-Clause
// The contents of test messages: made by whoever sends, recomputed by whoever receives.
// From 24 bytes on: a header (magic, stream, sequence number within the stream, size, hash of the
// body) and a body from a seeded generator. Shorter ones are a pattern of the same values.
#ifndef TRUNKLINE_PEER_PATTERN_H
#define TRUNKLINE_PEER_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

enum { kPatternHeader = 24 };

enum PatternVerdict { kPatternGood, kPatternCorrupt, kPatternMisordered };

// Writes message `sequence` of `stream` into data. Unordered ones carry their number, too.
void pattern_write(uint8_t* data, uint32_t size, uint32_t seed, uint16_t stream, uint32_t sequence);

// Judges a message; sequence is the one expected, or any when `unordered`.
enum PatternVerdict pattern_check(const uint8_t* data, uint32_t size, uint32_t seed,
                                  uint16_t stream, uint32_t sequence, bool unordered);

// The sequence number in the header of a message of 24 bytes or more.
uint32_t pattern_sequence(const uint8_t* data);

#endif
