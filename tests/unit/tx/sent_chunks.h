// SPDX-License-Identifier: BSD-3-Clause
// Outstanding data without an association around it: chunks that are sent and SACKs for them.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

#include "tx/outstanding.h"
#include "wire/common_header.h"

namespace trunkline {

using State = TxChunk::State;
using Gaps = std::vector<wire::GapBlock>;

constexpr TimePoint at_ms(int64_t ms) {
  return TimePoint::from_ns(ms * 1'000'000);
}

// A SACK as it comes off the wire, with the bytes that its view points to.
class Sack {
 public:
  Sack(Tsn cum, const Gaps& gaps) : bytes_(12 + 16 + 4 * gaps.size()) {
    wire::PacketWriter writer(bytes_);
    EXPECT_TRUE(wire::write_sack(writer, cum, 100000, gaps, {}));
    wire::ChunkCursor cursor(std::span<const uint8_t>(bytes_).subspan(wire::kCommonHeaderSize));
    view_ = *wire::SackChunk::parse(*cursor.next());
  }
  Sack(const Sack&) = delete;
  Sack& operator=(const Sack&) = delete;
  [[nodiscard]] const wire::SackChunk& view() const { return view_; }

 private:
  std::vector<uint8_t> bytes_;
  wire::SackChunk view_;
};

// Chunks are numbered from 0; chunk n has TSN initial + n and is all of message n.
class SentChunks {
 public:
  explicit SentChunks(uint32_t initial = 0xfffffffcu, uint32_t most = 140000)
      : memory(most, 4, nullptr), out(Tsn(initial)), base_(initial) {
    out.know_paths(memory);
  }
  ~SentChunks() {
    while (out.pop_any(memory)) {
    }
    EXPECT_EQ(out.flight(), 0u);
    EXPECT_EQ(out.bytes(), 0u);
    EXPECT_FALSE(out.has_retransmissions());
    for (size_t path = 0; path < kMaxPaths; ++path) EXPECT_EQ(out.flight(path), 0u);
    EXPECT_EQ(memory.used(), 0u);
    out.forget_paths(memory);
  }
  SentChunks(const SentChunks&) = delete;
  SentChunks& operator=(const SentChunks&) = delete;

  // Another one in its place, while nothing is outstanding.
  void begin_anew(Tsn initial) {
    out.forget_paths(memory);
    std::destroy_at(&out);
    std::construct_at(&out, initial);
    out.know_paths(memory);
  }
  [[nodiscard]] Tsn tsn(uint32_t n) const { return Tsn(base_ + n); }
  void send(size_t count, uint16_t size = 100, uint8_t path = 0, int64_t ms = 0,
            uint16_t packet = 0) {
    for (size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(out.make_room(memory));
      TxChunk chunk;
      chunk.tsn = out.next_tsn();
      EXPECT_EQ(chunk.tsn, tsn(sent()));
      chunk.message = &messages.emplace_back();
      chunk.size = size;
      chunk.packet = packet;
      chunk.sent_at = at_ms(ms);
      chunk.path = path;
      out.add(memory, chunk);
    }
  }
  // Acknowledges the first `cum` chunks and what the gap blocks say, in offsets from there.
  SackOutcome sack(uint32_t cum, const Gaps& gaps = {}, bool in_fast_recovery = false,
                   EarlySigns signs = {}) {
    const Sack sack(tsn(cum) - 1, gaps);
    EXPECT_FALSE(out.acknowledges_unsent(sack.view()));
    SackOutcome outcome;
    out.process(sack.view(), in_fast_recovery, outcome, signs);
    pop();
    return outcome;
  }
  void pop() {
    out.pop_acked(memory, [this](const TxChunk& chunk) { popped.push_back(chunk.message); });
  }
  [[nodiscard]] uint32_t sent() const { return static_cast<uint32_t>(messages.size()); }
  [[nodiscard]] TxChunk& chunk(uint32_t n) const { return out.at(tsn(n)); }
  [[nodiscard]] State state(uint32_t n) const { return chunk(n).state; }

  ChunkMemory memory;
  Outstanding out;
  std::deque<TxMessage> messages;
  std::vector<TxMessage*> popped;

 private:
  uint32_t base_;
};

}  // namespace trunkline
