// SPDX-License-Identifier: BSD-3-Clause
// For tests of what is received: a queue and a tracker as an association has them, a model of them
// that is as simple as can be, and conversations of a peer.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/steps.h"
#include "rx/receive_queue.h"
#include "rx/tsn_tracker.h"
#include "trunkline/stack/random.h"
#include "wire/forward_tsn_chunk.h"

namespace trunkline::rx_test {

using Outcome = ReceiveQueue::Outcome;
using Strings = std::vector<std::string>;

// A chunk of the peer's, by its number on a line: its TSN is the base and that.
struct Sent {
  uint64_t number = 0;
  uint16_t stream = 0;
  uint16_t ssn = 0;
  bool unordered = false;
  bool beginning = true;
  bool ending = true;
  std::string text;
};

// It remembers every chunk by its TSN and looks through all of them.
class QueueModel {
 public:
  // The messages that the chunk makes ready, in the order of delivery.
  Strings receive(const Sent& chunk) {
    chunks_[chunk.number] = chunk;
    Strings out;
    while (deliver_one(out)) {
    }
    return out;
  }
  // The peer has given up messages: all chunks of them up to `last`, and of a stream the numbers up
  // to the one that is named. What that makes ready.
  Strings skip(const std::set<uint64_t>& given_up, const std::vector<wire::SkippedStream>& named) {
    for (const uint64_t number : given_up) chunks_.erase(number);
    Strings out;
    for (const auto& [stream, ssn] : named) {
      while (next_[stream.value] != static_cast<uint16_t>(ssn.value + 1)) {
        while (deliver_one(out, stream.value)) {
        }
        if (next_[stream.value] != static_cast<uint16_t>(ssn.value + 1)) ++next_[stream.value];
      }
      while (deliver_one(out, stream.value)) {
      }
    }
    return out;
  }
  void drop(uint64_t first, uint64_t last) {
    chunks_.erase(chunks_.lower_bound(first), chunks_.upper_bound(last));
  }
  [[nodiscard]] size_t size() const { return chunks_.size(); }

 private:
  bool deliver_one(Strings& out, std::optional<uint16_t> stream = std::nullopt) {
    for (auto first = chunks_.begin(); first != chunks_.end(); ++first) {
      if (!first->second.beginning) continue;
      const Sent head = first->second;
      if (stream && (head.unordered || head.stream != *stream)) continue;
      if (!head.unordered && head.ssn != next_[head.stream]) continue;
      std::string text;
      auto at = first;
      for (uint64_t number = head.number; at != chunks_.end() && at->first == number; ++number) {
        text += at->second.text;
        const bool ends = (at++)->second.ending;
        if (!ends) continue;
        chunks_.erase(first, at);
        if (!head.unordered) ++next_[head.stream];
        out.push_back(text);
        return true;
      }
    }
    return false;
  }

  std::map<uint64_t, Sent> chunks_;
  std::map<uint16_t, uint16_t> next_;
};

// Queue and tracker as an association has them.
class OneEnd {
 public:
  explicit OneEnd(uint32_t base, uint32_t block_count = 1 << 20)
      : blocks(uint64_t{block_count} * ReceiveBlock::kSize),
        disorder(1),
        tracker(Tsn(base)),
        base_(base) {}
  ~OneEnd() {
    queue.clear(blocks);
    tracker.release(disorder);
    EXPECT_EQ(blocks.used(), 0u);
    EXPECT_EQ(blocks.held(), 0u);
  }
  OneEnd(const OneEnd&) = delete;
  OneEnd& operator=(const OneEnd&) = delete;

  [[nodiscard]] Tsn tsn(uint64_t number) const {
    return Tsn(base_ + static_cast<uint32_t>(number));
  }
  [[nodiscard]] bool would_take(uint64_t number) const {
    return tracker.classify(tsn(number), disorder) == TsnTracker::Verdict::kNew;
  }
  Outcome receive(const Sent& sent, Strings& out) {
    wire::DataChunk chunk;
    chunk.tsn = tsn(sent.number);
    chunk.stream = StreamId(sent.stream);
    chunk.mid = Mid(sent.ssn);
    chunk.unordered = sent.unordered;
    chunk.beginning = sent.beginning;
    chunk.ending = sent.ending;
    chunk.payload = {reinterpret_cast<const uint8_t*>(sent.text.data()), sent.text.size()};
    const uint64_t before = steps_taken;
    if (partly_reliable && is_given_up(chunk, out)) return Outcome::kHeld;
    const Outcome outcome = queue.add(chunk, tracker.cum_tsn(), blocks, 1 << 20);
    if (outcome != Outcome::kHeld && outcome != Outcome::kWholeInOrder) return outcome;
    if (outcome == Outcome::kWholeInOrder) out.push_back(sent.text);
    tracker.record(chunk.tsn, disorder);
    settle(out);
    steps += steps_taken - before;
    worst = std::max(worst, steps_taken - before);
    return outcome;
  }
  // As an association does it.
  bool is_given_up(const wire::DataChunk& chunk, Strings& out) {
    const bool next = chunk.tsn == tracker.cum_tsn() + 1;
    const bool cut =
        !chunk.ending && tracker.has_behind_gap(chunk.tsn + 1) && !queue.goes_on_at(chunk.tsn + 1);
    const bool orphan = cut || (next && queue.is_orphan(chunk));
    if (orphan || chunk.beginning) {
      const auto cut_off = queue.cut_off_before(chunk.tsn, blocks);
      if (cut_off == ReceiveQueue::CutOff::kGiven) open_.clear();
    }
    if (orphan) {
      ++orphans;
      tracker.record(chunk.tsn, disorder);
      if (chunk.beginning && !chunk.unordered) queue.pass_number(chunk.stream, chunk.mid);
    }
    settle(out);
    return orphan;
  }
  // FORWARD TSN. True: it broke off a message that was given in pieces.
  bool skip(uint64_t last, const std::vector<wire::SkippedStream>& named, Strings& out) {
    std::vector<uint8_t> room(64 + 4 * named.size());
    wire::PacketWriter writer(room);
    EXPECT_TRUE(wire::write_forward_tsn(writer, tsn(last), named));
    wire::ChunkCursor cursor(writer.finish(false).subspan(wire::kCommonHeaderSize));
    const auto chunk = wire::ForwardTsnChunk::parse(*cursor.next());
    const uint64_t before = steps_taken;
    for (const auto& [stream, ssn] : named) EXPECT_NE(queue.order_of(stream), nullptr);
    tracker.forward(tsn(last), disorder);
    const bool broken = queue.skip(*chunk, blocks);
    if (broken) open_.clear();
    settle(out);
    steps += steps_taken - before;
    worst = std::max(worst, steps_taken - before);
    return broken;
  }
  // What has come was acknowledged; what is ready is given.
  void settle(Strings& out) {
    if (partly_reliable) orphans += queue.drop_orphans(tracker.cum_tsn(), blocks);
    queue.acknowledge(tracker.cum_tsn());
    if (cut_at != 0) queue.give_front(blocks, cut_at);
    while (ReceiveBlock* message = queue.pop_ready(blocks)) {
      std::string& text = open_[message->held.stream.value];
      for (const Piece* piece = &message->piece; piece != nullptr; piece = piece->next) {
        text.append(reinterpret_cast<const char*>(piece->data), piece->length);
      }
      if (message->held.more) {
        ++pieces;
      } else {
        out.push_back(std::exchange(text, {}));
      }
      blocks.free_chain(message);
    }
  }

  ReceiveMemory blocks;
  Pool<TsnDisorder> disorder;
  TsnTracker tracker;
  ReceiveQueue queue;
  uint64_t steps = 0;
  uint64_t worst = 0;   // of one chunk
  uint32_t cut_at = 0;  // messages are given in pieces of so many bytes at least; 0: whole
  uint64_t pieces = 0;
  bool partly_reliable = false;
  uint64_t orphans = 0;  // chunks whose beginning was skipped

 private:
  uint32_t base_;
  std::map<uint16_t, std::string> open_;
};

// Messages of some streams, cut at random; their texts say which they are.
inline std::vector<Sent> conversation(SeededRandom& random, size_t messages, uint16_t streams,
                                      size_t most_parts, bool cuts = false) {
  std::vector<Sent> out;
  std::map<uint16_t, uint16_t> ssns;
  for (size_t m = 0; m < messages; ++m) {
    Sent chunk;
    chunk.stream = static_cast<uint16_t>(random.below(streams));
    chunk.unordered = random.below(6) == 0;
    if (!chunk.unordered) {
      chunk.ssn =
          static_cast<uint16_t>(ssns.try_emplace(chunk.stream, uint16_t{0}).first->second++);
    }
    const bool whole = !cuts || random.below(3) != 0;
    const size_t parts = random.below(2) == 0 ? 1 : 1 + random.below(most_parts);
    for (size_t p = 0; p < parts; ++p) {
      chunk.number = out.size();
      chunk.beginning = p == 0;
      chunk.ending = p + 1 == parts && whole;
      chunk.text = std::to_string(m) + "." + std::to_string(p) + " ";
      if (random.below(8) == 0) chunk.text += std::string(random.below(1300), 'x');
      out.push_back(chunk);
    }
  }
  return out;
}

}  // namespace trunkline::rx_test
