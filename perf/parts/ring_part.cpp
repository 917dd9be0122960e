// SPDX-License-Identifier: BSD-3-Clause
// A message from the application's ring to the daemon's side of it and its completion back, on one
// core: what the hop costs in instructions, not in cache lines that two cores pass to each other.
#include <array>
#include <cstring>

#include "appring/ring_client.h"
#include "channel.h"
#include "harness/sample.h"
#include "parts/parts.h"

namespace trunkline::perf {
namespace {

constexpr uint32_t kBurst = 32;
constexpr uint32_t kSize = 100;  // bytes of a message

tlr_geometry geometry() {
  tlr_geometry out{};
  out.lanes = 1;
  out.workers = 1;
  out.submission_size = 1024;
  out.completion_size = 4096;
  out.return_size = 1024;
  out.tx_slots = 1024;
  out.rx_slots = 1024;
  out.slot_size = 512;
  out.send_credit = 1024;
  out.max_operations = 1024;
  return out;
}

void hop(benchmark::State& state) {
  const auto ring = appring::RingClient::create({}, {}, geometry(), {});
  require(ring != nullptr, "no memory for a segment");
  appring::Channel& daemon = ring->channel(0, 0);
  client::Channel client(ring->segment->channel(0, 0), geometry(), ring->doorbells[0]);
  std::array<uint8_t, kSize> text{};
  for (auto _ : state) {
    for (uint32_t i = 0; i < kBurst; ++i) {
      require(client.can_submit() && client.tx_free() > 0, "no room");
      const uint32_t slot = client.take_slots(1, kSize);
      client.write(slot, text.data(), kSize);
      tlr_submission& submission = client.next_submission();
      submission.op = TLR_OP_SEND;
      submission.slot = slot;
      submission.length = kSize;
    }
    client.publish();
    for (uint32_t n = daemon.pending_submissions(); n > 0; --n) {
      const tlr_submission taken = daemon.take_submission();
      require(daemon.reserve() && daemon.claim(taken) == appring::Channel::Claim::kOk,
              "a submission was refused");
      daemon.unclaim(daemon.piece(taken.slot));
      daemon.complete_send(taken.slot);
    }
    daemon.publish_submissions();
    benchmark::DoNotOptimize(daemon.publish_completions());
    while (const tlr_completion* completion = client.peek_completion()) {
      tlr_sends_done done;
      static_assert(sizeof done == sizeof *completion);
      std::memcpy(static_cast<void*>(&done), completion, sizeof done);
      for (uint32_t i = 0; i < done.count; ++i) client.free_slots(done.slots[i]);
      client.end_operations(done.count);
      client.pop_completion();
    }
    client.publish_completions();
  }
  require(client.operations() == 0 && daemon.tx_in_use() == 0, "messages are left");
  state.SetItemsProcessed(state.iterations() * kBurst);
}

}  // namespace

std::vector<Part> ring_parts() {
  return {{"parts/ring-hop/32x100", "trunkline", hop}};
}

}  // namespace trunkline::perf
