// SPDX-License-Identifier: BSD-3-Clause
// Reassembly: every order, every reason to refuse, every bound, and a slow oracle over random
// fragments.
#include "net/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

#include "net_helpers.h"

namespace trunkline::net {
namespace {

using std::chrono::milliseconds;

struct Piece {
  uint32_t id = 1;
  uint16_t offset = 0;
  bool more = false;
  Bytes bytes;
};

Bytes pattern(size_t size, uint8_t seed = 0) {
  Bytes out(size);
  for (size_t i = 0; i < size; ++i) out[i] = static_cast<uint8_t>(seed + i * 7 + i / 256);
  return out;
}

// `bytes` cut at `cuts`, which are multiples of 8.
std::vector<Piece> cut(uint32_t id, const Bytes& bytes, std::vector<size_t> cuts) {
  cuts.push_back(bytes.size());
  std::vector<Piece> out;
  size_t from = 0;
  for (const size_t to : cuts) {
    out.push_back(
        {id, static_cast<uint16_t>(from), to != bytes.size(),
         Bytes(bytes.begin() + static_cast<long>(from), bytes.begin() + static_cast<long>(to))});
    from = to;
  }
  return out;
}

class Reassembly : public testing::Test {
 protected:
  explicit Reassembly(const ReassemblyLimits& limits = {}) : limits_(limits) {
    reassembler_ = std::make_unique<Reassembler>(limits_, random_, counters_);
  }
  std::optional<Bytes> add(const Piece& piece, std::string_view source = "192.0.2.77") {
    const bool v6 = source.find(':') != std::string_view::npos;
    Frame frame;
    frame.kind = FrameKind::kFragment;
    frame.source = ip(source);
    frame.destination = ip(v6 ? "2001:db8::1" : "192.0.2.1");
    frame.fragment_id = piece.id;
    frame.fragment_offset = piece.offset;
    frame.more_fragments = piece.more;
    frame.fragment_protocol = protocol_;
    frame.header_length = v6 ? 0 : 20;
    // A heap block of exactly that size, so that a sanitizer sees any read beyond it.
    const auto exact = std::make_unique<uint8_t[]>(piece.bytes.size());
    std::copy(piece.bytes.begin(), piece.bytes.end(), exact.get());
    const auto whole = reassembler_->add(now_, frame, {exact.get(), piece.bytes.size()});
    if (!whole) return std::nullopt;
    return Bytes(whole->begin(), whole->end());
  }
  uint64_t count(NetCounter counter) const { return counters_.get(counter); }
  uint64_t drops() const {
    uint64_t sum = 0;
    for (auto c = static_cast<size_t>(NetCounter::k_drop_fragment_protocol);
         c <= static_cast<size_t>(NetCounter::k_drop_fragment_full); ++c) {
      sum += counters_.get(static_cast<NetCounter>(c));
    }
    return sum;
  }

  ReassemblyLimits limits_;
  SeededRandom random_{5};
  NetCounters counters_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  uint8_t protocol_ = 132;
  std::unique_ptr<Reassembler> reassembler_;
};

TEST_F(Reassembly, EveryOrderOfFourFragments) {
  const Bytes whole = pattern(150);
  uint32_t id = 0;
  for (const std::string_view source : {"192.0.2.77", "2001:db8::77"}) {
    std::vector<size_t> order{0, 1, 2, 3};
    do {
      const auto pieces = cut(++id, whole, {16, 24, 144});
      for (size_t i = 0; i < 3; ++i) ASSERT_EQ(add(pieces[order[i]], source), std::nullopt);
      ASSERT_EQ(add(pieces[order[3]], source), whole);
    } while (std::next_permutation(order.begin(), order.end()));
  }
  EXPECT_EQ(count(NetCounter::k_in_fragments), 48u * 4);
  EXPECT_EQ(count(NetCounter::k_in_reassembled), 48u);
  EXPECT_EQ(drops(), 0u);
  EXPECT_EQ(reassembler_->waiting(), 0u);
}

TEST_F(Reassembly, PacketsAreToldApartByIdAndAddresses) {
  const auto one = cut(1, pattern(40, 1), {16});
  const auto two = cut(2, pattern(48, 2), {24});
  const auto other = cut(1, pattern(56, 3), {32});
  EXPECT_FALSE(add(one[0]));
  EXPECT_FALSE(add(two[1]));
  EXPECT_FALSE(add(other[0], "192.0.2.78"));
  EXPECT_EQ(reassembler_->waiting(), 3u);
  EXPECT_EQ(add(other[1], "192.0.2.78"), pattern(56, 3));
  EXPECT_EQ(add(two[0]), pattern(48, 2));
  EXPECT_EQ(add(one[1]), pattern(40, 1));
}

TEST_F(Reassembly, HeadersOfTheFragmentedPartAreSkipped) {
  protocol_ = 60;
  Bytes whole{132, 0, 1, 4, 0, 0, 0, 0};
  const Bytes rest = pattern(60);
  whole.insert(whole.end(), rest.begin(), rest.end());
  const auto pieces = cut(9, whole, {32});
  EXPECT_FALSE(add(pieces[1], "2001:db8::77"));
  const auto sctp = add(pieces[0], "2001:db8::77");
  ASSERT_TRUE(sctp.has_value());
  EXPECT_EQ(*sctp, Bytes(whole.begin() + 8, whole.end()));
}

TEST_F(Reassembly, ADuplicateChangesNothing) {
  const auto pieces = cut(1, pattern(40), {16});
  EXPECT_FALSE(add(pieces[0]));
  EXPECT_FALSE(add(pieces[0]));
  EXPECT_EQ(count(NetCounter::k_drop_fragment_duplicate), 1u);
  EXPECT_EQ(add(pieces[1]), pattern(40));
}

// RFC 5722: all of the packet goes, and what comes of it later.
TEST_F(Reassembly, OverlapRefusesThePacket) {
  const Bytes whole = pattern(64);
  const auto pieces = cut(1, whole, {16, 32});
  const auto refused = [&](const Piece& wrong) {
    const uint64_t before = count(NetCounter::k_drop_fragment_overlap);
    auto mine = pieces;
    for (Piece& piece : mine) piece.id = wrong.id;
    EXPECT_FALSE(add(mine[0]));
    EXPECT_FALSE(add(mine[2]));
    EXPECT_FALSE(add(wrong));
    EXPECT_FALSE(add(mine[1])) << "nothing was missing but this";
    EXPECT_FALSE(add(mine[0]));
    EXPECT_EQ(count(NetCounter::k_drop_fragment_overlap) - before, 5u) << wrong.id;
  };
  refused({10, 8, true, pattern(8)});     // within the first
  refused({11, 8, true, pattern(16)});    // over its end
  refused({12, 16, true, pattern(24)});   // into the last
  refused({13, 0, true, pattern(64)});    // around all
  refused({14, 16, false, pattern(16)});  // another end, before what is there
  refused({15, 64, true, pattern(8)});    // behind the end
  refused({16, 64, false, pattern(8)});   // another end
  refused({17, 32, true, Bytes(whole.begin() + 32, whole.end())});  // the last is not the last
  Bytes other(whole.begin(), whole.begin() + 16);
  other[15] ^= 1;
  refused({18, 0, true, other});  // the same place, other bytes
  EXPECT_EQ(count(NetCounter::k_in_reassembled), 0u);
}

TEST_F(Reassembly, FragmentsThatCannotBe) {
  const auto refused = [&](const Piece& piece, NetCounter why) {
    const uint64_t before = count(why);
    EXPECT_FALSE(add(piece));
    EXPECT_EQ(count(why), before + 1) << piece.offset << ' ' << piece.bytes.size();
  };
  refused({1, 8, false, {}}, NetCounter::k_drop_fragment_malformed);
  refused({1, 8, true, {}}, NetCounter::k_drop_fragment_malformed);
  refused({1, 0, true, pattern(23)}, NetCounter::k_drop_fragment_malformed);
  refused({1, 0, true, pattern(8)}, NetCounter::k_drop_fragment_tiny);
  refused({1, 65528, false, pattern(8)}, NetCounter::k_drop_fragment_too_long);
  refused({1, 65528, true, pattern(65528)}, NetCounter::k_drop_fragment_too_long);
  refused({1, 9208, false, pattern(16)}, NetCounter::k_drop_fragment_too_long);
  EXPECT_EQ(reassembler_->waiting(), 0u);
  EXPECT_FALSE(add({1, 9208, false, pattern(8)}));
  EXPECT_EQ(reassembler_->waiting(), 1u);
  protocol_ = 60;  // the first fragment must have all headers
  refused({2, 0, true, {132, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
          NetCounter::k_drop_fragment_tiny);
  refused({2, 0, true, {132, 9, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
          NetCounter::k_drop_fragment_tiny);
  refused({2, 0, true, {58, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}},
          NetCounter::k_drop_fragment_tiny);
}

TEST_F(Reassembly, TooManyFragmentsRefuseThePacket) {
  EXPECT_FALSE(add({1, 0, true, pattern(16)}));
  uint16_t offset = 16;
  for (int i = 1; i < 64; ++i, offset = static_cast<uint16_t>(offset + 8)) {
    EXPECT_FALSE(add({1, offset, true, pattern(8)}));
  }
  EXPECT_EQ(drops(), 0u);
  EXPECT_FALSE(add({1, offset, false, pattern(8)}));
  EXPECT_EQ(count(NetCounter::k_drop_fragment_too_many), 65u);
  EXPECT_FALSE(add({1, offset, false, pattern(8)}));
  EXPECT_EQ(count(NetCounter::k_drop_fragment_too_many), 66u);
}

TEST_F(Reassembly, WhatIsMissingForTooLongIsGivenUp) {
  const auto pieces = cut(1, pattern(40), {16, 24});
  EXPECT_FALSE(add(pieces[0]));
  now_ = now_ + milliseconds(4000);
  EXPECT_FALSE(add(pieces[1]));  // gives it no more time
  now_ = now_ + milliseconds(999);
  reassembler_->expire(now_);
  EXPECT_EQ(reassembler_->waiting(), 1u);
  now_ = now_ + milliseconds(1);
  reassembler_->expire(now_);
  EXPECT_EQ(reassembler_->waiting(), 0u);
  EXPECT_EQ(count(NetCounter::k_drop_fragment_timeout), 2u);
  EXPECT_FALSE(add(pieces[2]));
  EXPECT_EQ(reassembler_->waiting(), 1u);
}

TEST_F(Reassembly, ARefusedPacketIsForgottenInTimeToo) {
  EXPECT_FALSE(add({1, 0, true, pattern(16)}));
  EXPECT_FALSE(add({1, 8, true, pattern(16)}));
  EXPECT_EQ(reassembler_->waiting(), 1u);
  now_ = now_ + limits_.timeout;
  const auto pieces = cut(1, pattern(40), {16});
  EXPECT_FALSE(add(pieces[0]));
  EXPECT_EQ(add(pieces[1]), pattern(40));
  EXPECT_EQ(count(NetCounter::k_drop_fragment_timeout), 0u) << "they were counted before";
}

TEST_F(Reassembly, OneSourceMayNotFillIt) {
  const auto victim = cut(1, pattern(40), {16});
  EXPECT_FALSE(add(victim[0], "192.0.2.1"));
  for (uint32_t id = 0; id < 1000; ++id) {
    now_ = now_ + milliseconds(1);
    EXPECT_FALSE(add({id, 0, true, pattern(16)}));
    EXPECT_LE(reassembler_->waiting(), 9u);
  }
  EXPECT_EQ(count(NetCounter::k_drop_fragment_full), 992u);
  EXPECT_EQ(add(victim[1], "192.0.2.1"), pattern(40));
  // The newest of the flood are still there.
  EXPECT_TRUE(add({999, 16, false, pattern(8)}).has_value());
}

TEST_F(Reassembly, AFullTableGivesUpTheOldest) {
  for (uint16_t i = 0; i < 65; ++i) {
    now_ = now_ + milliseconds(1);
    const auto source = "192.0.2." + std::to_string(100 + i);
    EXPECT_FALSE(add({i, 0, true, pattern(16)}, source));
  }
  EXPECT_EQ(reassembler_->waiting(), 64u);
  EXPECT_EQ(count(NetCounter::k_drop_fragment_full), 1u);
  EXPECT_TRUE(add({1, 16, false, pattern(8)}, "192.0.2.101").has_value());
  EXPECT_FALSE(add({0, 16, false, pattern(8)}, "192.0.2.100").has_value());
}

// What the oracle remembers of a packet: every byte that came, and where fragments began.
struct Oracle {
  bool dead = false;
  size_t length = 0;
  std::map<size_t, uint8_t> bytes;
  std::map<size_t, Piece> pieces;
  enum class Answer { kWaits, kDuplicate, kRefused, kWhole };

  Answer add(const Piece& piece) {
    if (dead) return Answer::kRefused;
    const auto same = pieces.find(piece.offset);
    if (same != pieces.end() && same->second.bytes == piece.bytes &&
        same->second.more == piece.more) {
      return Answer::kDuplicate;
    }
    const size_t end = piece.offset + piece.bytes.size();
    bool wrong = length != 0 && (end > length || (!piece.more && end != length));
    wrong = wrong || (!piece.more && !bytes.empty() && bytes.rbegin()->first >= end);
    for (size_t at = piece.offset; at < end; ++at) wrong = wrong || bytes.contains(at);
    if (wrong) {
      dead = true;
      return Answer::kRefused;
    }
    for (size_t i = 0; i < piece.bytes.size(); ++i) bytes[piece.offset + i] = piece.bytes[i];
    pieces[piece.offset] = piece;
    if (!piece.more) length = end;
    return bytes.size() == length ? Answer::kWhole : Answer::kWaits;
  }
  [[nodiscard]] Bytes whole() const {
    Bytes out;
    for (const auto& [at, byte] : bytes) out.push_back(byte);
    return out;
  }
};

TEST_F(Reassembly, RandomFragmentsAsTheOracleSays) {
  SeededRandom dice(17);
  uint64_t wholes = 0;
  uint64_t refused = 0;
  uint64_t duplicates = 0;
  for (uint32_t round = 0; round < 3000; ++round) {
    std::map<uint32_t, Oracle> oracles;
    std::vector<Piece> pieces;
    for (uint32_t id = round * 4; id < round * 4 + 4; ++id) {
      // A packet cut as it should be, and sometimes something that does not belong to it.
      const size_t size = 16 + dice.below(120);
      std::vector<size_t> cuts;
      for (size_t at = 16; at < size; at += 8) {
        if (dice.below(3) == 0) cuts.push_back(at);
      }
      for (Piece& piece : cut(id, pattern(size, static_cast<uint8_t>(id)), cuts)) {
        if (piece.offset == 0 && !piece.more) continue;  // whole from the start
        if (dice.below(8) == 0) pieces.push_back(piece);
        pieces.push_back(std::move(piece));
      }
      if (dice.below(4) == 0) {
        const auto offset = static_cast<uint16_t>(16 + dice.below(16) * 8);
        pieces.push_back({id, offset, dice.below(2) == 0, pattern(8 + dice.below(3) * 8)});
      }
    }
    for (size_t i = pieces.size(); i > 1; --i) std::swap(pieces[i - 1], pieces[dice.below(i)]);
    for (const Piece& piece : pieces) {
      Oracle& oracle = oracles[piece.id];
      const Oracle::Answer answer = oracle.add(piece);
      const uint64_t duplicates_before = count(NetCounter::k_drop_fragment_duplicate);
      const auto whole = add(piece);
      ASSERT_EQ(whole.has_value(), answer == Oracle::Answer::kWhole) << "round " << round;
      if (whole) {
        ASSERT_EQ(*whole, oracle.whole());
        oracle = Oracle{};  // what comes later begins anew
        ++wholes;
      }
      ASSERT_EQ(count(NetCounter::k_drop_fragment_duplicate) - duplicates_before,
                answer == Oracle::Answer::kDuplicate ? 1u : 0u)
          << "round " << round;
      refused += answer == Oracle::Answer::kRefused ? 1 : 0;
      duplicates += answer == Oracle::Answer::kDuplicate ? 1 : 0;
    }
    now_ = now_ + limits_.timeout;
    reassembler_->expire(now_);
    ASSERT_EQ(reassembler_->waiting(), 0u);
  }
  EXPECT_GT(wholes, 5000u);
  EXPECT_GT(refused, 1000u);
  EXPECT_GT(duplicates, 1000u);
}

}  // namespace
}  // namespace trunkline::net
