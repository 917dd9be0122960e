// SPDX-License-Identifier: BSD-3-Clause
// What an association or a shard remembers: outstanding data, the wheel, both tables.
#include <array>
#include <memory>

#include "harness/sample.h"
#include "parts/parts.h"
#include "shards/directory.h"
#include "shards/tag_table.h"
#include "timer/timing_wheel.h"
#include "trunkline/stack/random.h"
#include "tx/outstanding.h"
#include "wire/packet_writer.h"
#include "wire/sack_chunk.h"

namespace trunkline::perf {
namespace {

// 96 chunks go out; a SACK with four gap blocks comes, then one for all of them. For a SACK.
void sack_with_gaps(benchmark::State& state) {
  constexpr uint32_t kChunks = 96;
  ChunkMemory memory(4 * kChunks, 1, nullptr);
  Outstanding outstanding(Tsn(1));
  TxMessage message;
  const std::array<wire::GapBlock, 4> gaps = {{{2, 20}, {23, 40}, {42, 60}, {64, 80}}};
  std::array<uint8_t, 256> room{};
  const auto apply = [&](Tsn cum, std::span<const wire::GapBlock> blocks) {
    wire::PacketWriter writer(room);
    writer.write_header(PortNumber(1), PortNumber(2), VerificationTag(3));
    require(wire::write_sack(writer, cum, 1 << 20, blocks, {}), "a SACK does not fit");
    const std::span<const uint8_t> packet = writer.finish(false);
    wire::ChunkCursor cursor(packet.subspan(wire::kCommonHeaderSize));
    const auto sack = wire::SackChunk::parse(*cursor.next());
    require(sack && !outstanding.acknowledges_unsent(*sack), "not a SACK");
    SackOutcome outcome;
    outstanding.process(*sack, false, outcome);
    benchmark::DoNotOptimize(outcome);
    outstanding.pop_acked(memory, [](const TxChunk&) {});
  };
  int64_t now = 0;
  for (auto _ : state) {
    const Tsn first = outstanding.next_tsn();
    for (uint32_t i = 0; i < kChunks; ++i) {
      require(outstanding.make_room(memory), "no memory for a chunk");
      TxChunk chunk;
      chunk.message = &message;
      chunk.tsn = outstanding.next_tsn();
      chunk.size = 100;
      chunk.sent_at = TimePoint::from_ns(++now);
      outstanding.add(memory, chunk);
    }
    apply(first + 7, gaps);
    apply(first + (kChunks - 1), {});
  }
  require(outstanding.empty(), "chunks are left");
  state.SetItemsProcessed(state.iterations() * 2);
}

// As many entries as there are associations, with deadlines within half a minute.
struct Wheel {
  explicit Wheel(int64_t entries)
      : count(static_cast<size_t>(entries)),
        entry(std::make_unique<WheelEntry[]>(count)),
        wheel(std::make_unique<TimingWheel>(TimePoint::from_ns(0))) {
    for (size_t i = 0; i < count; ++i) wheel->arm(entry[i], in(kSpan));
  }
  ~Wheel() {
    for (size_t i = 0; i < count; ++i) wheel->cancel(entry[i]);
  }
  TimePoint in(uint64_t most) {
    return TimePoint::from_ns(now + 1 + static_cast<int64_t>(random.below(most)));
  }
  WheelEntry& any() { return entry[random.below(count)]; }

  static constexpr uint64_t kSpan = 30'000'000'000;  // ns
  int64_t now = 0;
  size_t count;
  std::unique_ptr<WheelEntry[]> entry;
  std::unique_ptr<TimingWheel> wheel;
  SeededRandom random{3};
};
void wheel_arm(benchmark::State& state) {
  Wheel it(many(state));
  for (auto _ : state) {
    WheelEntry& entry = it.any();
    it.wheel->cancel(entry);
    it.wheel->arm(entry, it.in(Wheel::kSpan));
  }
}
void wheel_arm_later(benchmark::State& state) {
  Wheel it(many(state));
  for (auto _ : state) {
    WheelEntry& entry = it.any();
    it.wheel->arm(entry, entry.deadline + Duration(1000));
  }
}
void wheel_pop(benchmark::State& state) {
  Wheel it(many(state));
  for (auto _ : state) {
    WheelEntry* due = nullptr;
    while ((due = it.wheel->pop_expired(TimePoint::from_ns(it.now))) == nullptr) {
      it.now += 10'000;
    }
    it.wheel->arm(*due, TimePoint::from_ns(it.now + static_cast<int64_t>(Wheel::kSpan)));
  }
}

// Hot: the same few over and over. Cold: any of them.
constexpr size_t kFew = 32;

template <bool Cold>
void find_tag(benchmark::State& state) {
  const size_t count = static_cast<size_t>(many(state));
  SeededRandom random(5);
  TagTable table(random.u64(), static_cast<uint32_t>(count));
  std::vector<VerificationTag> tags(count);
  for (size_t i = 0; i < count; ++i) {
    tags[i] = VerificationTag(random.u32());
    table.insert(tags[i], static_cast<uint32_t>(i));
  }
  for (auto _ : state) {
    const size_t i = random.below(Cold ? count : kFew);
    const auto found = table.find(tags[i], [&](uint32_t slot) { return slot == i; });
    require(found.has_value(), "a tag is not found");
  }
}

template <bool Cold>
void find_in_directory(benchmark::State& state) {
  const uint32_t count = static_cast<uint32_t>(many(state));
  SeededRandom random(5);
  Directory directory(random, count);
  Directory::Reader& self = directory.join();
  const auto key = [](uint32_t i) {
    return DirectoryKey{IpAddress::ipv4(192, 0, 2, 1),
                        IpAddress::ipv4(10, static_cast<uint8_t>(i >> 16),
                                        static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)),
                        PortNumber(2905), PortNumber(2905)};
  };
  for (uint32_t i = 0; i < count; ++i) {
    const DirectoryKey one = key(i);
    require(directory.claim(self, std::span(&one, 1), AssocId{1, i, 0}).outcome ==
                Directory::Claim::Outcome::kDone,
            "the directory is full");
  }
  for (auto _ : state) {
    const auto found =
        directory.find(key(static_cast<uint32_t>(random.below(Cold ? count : kFew))));
    require(found.has_value(), "an address is not found");
  }
  directory.leave(self);
}

constexpr int64_t kMillion = 1'000'000;

}  // namespace

std::vector<Part> state_parts() {
  return {{"parts/sack/gaps-in-96", "trunkline", sack_with_gaps},
          {"parts/wheel/1000000/arm", "trunkline", wheel_arm, kMillion},
          {"parts/wheel/1000000/arm-later", "trunkline", wheel_arm_later, kMillion},
          {"parts/wheel/1000000/pop", "trunkline", wheel_pop, kMillion},
          {"parts/tag/hot", "trunkline", find_tag<false>, kMillion},
          {"parts/tag/cold", "trunkline", find_tag<true>, kMillion},
          {"parts/directory/hot", "trunkline", find_in_directory<false>, kMillion},
          {"parts/directory/cold", "trunkline", find_in_directory<true>, kMillion}};
}

}  // namespace trunkline::perf
