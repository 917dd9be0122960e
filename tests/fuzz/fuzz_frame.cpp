// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: frames as a port receives them. The bytes are frames one after the other, each
// behind two bytes of length and one that says how much time passes before; they go through
// parsing, reassembly and ICMP. Nothing may be read out of bounds, what comes out lies in what went
// in, and every fragment is counted once.
#include <algorithm>
#include <memory>
#include <span>

#include "fuzz_check.h"
#include "net/bytes.h"
#include "net/reassembly.h"
#include "net/responder.h"

namespace {

using namespace trunkline;
using net::Frame;
using net::FrameKind;
using net::NetCounter;

bool within(std::span<const uint8_t> part, std::span<const uint8_t> whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

class Receiver {
 public:
  void take(std::span<const uint8_t> bytes, uint8_t time) {
    now_ = now_ + std::chrono::milliseconds(time);
    const Frame frame = net::parse_frame(bytes, 0, (time & 1) != 0);
    if (frame.kind == FrameKind::kDropped) return;
    FUZZ_CHECK(size_t{frame.payload_offset} + frame.payload_length <= bytes.size());
    const auto payload = bytes.subspan(frame.payload_offset, frame.payload_length);
    if (frame.kind == FrameKind::kFragment) {
      take_fragment(frame, payload);
    } else if (frame.kind == FrameKind::kIcmp || frame.kind == FrameKind::kIcmpv6) {
      if (const auto error = net::Responder::told_error(frame, bytes)) {
        FUZZ_CHECK(within(error->sent.bytes, payload));
      }
      // Few inputs have a right checksum.
      if (const auto error = net::parse_icmp_error(payload, frame.kind == FrameKind::kIcmpv6)) {
        FUZZ_CHECK(within(error->sent.bytes, payload));
      }
    }
  }

  void end() {
    now_ = now_ + limits_.timeout;
    reassembler_.expire(now_);
    FUZZ_CHECK(reassembler_.waiting() == 0);
    uint64_t drops = 0;
    for (auto c = static_cast<size_t>(NetCounter::k_drop_fragment_malformed);
         c <= static_cast<size_t>(NetCounter::k_drop_fragment_full); ++c) {
      drops += counters_.get(static_cast<NetCounter>(c));
    }
    const uint64_t used = counters_.get(NetCounter::k_in_fragments) - drops;
    const uint64_t whole = counters_.get(NetCounter::k_in_reassembled);
    FUZZ_CHECK(used >= 2 * whole && used <= 64 * whole);
  }

 private:
  void take_fragment(const Frame& frame, std::span<const uint8_t> payload) {
    const auto whole = reassembler_.add(now_, frame, payload);
    FUZZ_CHECK(reassembler_.waiting() <= limits_.packets);
    if (!whole) return;
    FUZZ_CHECK(whole->size() >= 12 && whole->size() <= limits_.packet_size);
    // The last fragment lies where it says.
    const size_t end = size_t{frame.fragment_offset} + payload.size();
    FUZZ_CHECK(end <= limits_.packet_size);
    uint64_t sum = 0;
    for (const uint8_t byte : *whole) sum += byte;  // readable
    FUZZ_CHECK(sum <= whole->size() * 255);
  }

  net::ReassemblyLimits limits_{.packets = 8, .packets_per_source = 4};
  SeededRandom random_{1};
  net::NetCounters counters_;
  net::Reassembler reassembler_{limits_, random_, counters_};
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::span<const uint8_t> rest(data, size);
  Receiver receiver;
  while (rest.size() >= 3) {
    const size_t length = std::min<size_t>(net::load_be16(rest.data()), rest.size() - 3);
    const uint8_t time = rest[2];
    // In memory of exactly that size.
    const auto exact = std::make_unique<uint8_t[]>(length);
    std::copy_n(rest.begin() + 3, length, exact.get());
    receiver.take({exact.get(), length}, time);
    rest = rest.subspan(3 + length);
  }
  receiver.end();
  return 0;
}
