// SPDX-License-Identifier: BSD-3-Clause
// A client that writes its segment itself, for targets that fuzz rings: its view of the channel at
// one worker, and what somebody hostile does to it. `Input` gives numbers (grammar.h,
// fuzz_ring.cpp).
#pragma once

#include <array>
#include <cstring>

#include "appring/ring_client.h"
#include "fuzz_check.h"

namespace trunkline::fuzz {

inline tlr_geometry small_rings(uint32_t workers) {
  tlr_geometry g{};
  g.lanes = 1;
  g.workers = workers;
  g.submission_size = 16;
  g.completion_size = 32;
  g.return_size = 16;
  g.tx_slots = 16;
  g.rx_slots = 16;
  g.slot_size = 512;
  g.send_credit = 8;
  g.max_operations = 16;
  return g;
}

struct View {
  View(appring::RingClient& client, uint32_t worker) {
    const tlr_geometry g = client.segment->geometry();
    const tlr_layout layout = tlr_layout_of(&g);
    uint8_t* const block = client.segment->channel(0, worker);
    channel = reinterpret_cast<tlr_channel*>(block);
    submissions = reinterpret_cast<tlr_submission*>(block + layout.submissions);
    completions = reinterpret_cast<tlr_completion*>(block + layout.completions);
    returns = reinterpret_cast<uint32_t*>(block + layout.returns);
    tx_next = reinterpret_cast<uint32_t*>(block + layout.tx_next);
    tx_data = block + layout.tx_data;
    segment = client.segment.get();
  }
  void put(const tlr_submission& submission) const {
    submissions[channel->submission_produced.value & 15] = submission;
    ++channel->submission_produced.value;
  }
  // Listens at a port, or connects to `peer`, by way of a slot.
  void open(uint8_t op, uint16_t port, std::array<uint8_t, 4> peer = {}) const {
    tlr_open_body body{};
    if (op == TLR_OP_LISTEN) {
      body.local_port = port;
    } else {
      body.peer_port = port;
      body.address_count = 1;
      body.addresses[0] = {4, {0, 0, 0}, {peer[0], peer[1], peer[2], peer[3]}};
    }
    const uint32_t slot = op == TLR_OP_LISTEN ? 1 : 0;
    std::memcpy(tx_data + slot * 512, &body, sizeof(body));
    tlr_submission submission{};
    submission.op = op;
    submission.slot = slot;
    submission.length = sizeof(body);
    put(submission);
  }
  void poll() const { channel->completion_consumed.value = channel->completion_produced.value; }
  // As a correct client: payload is given back, of messages and of the reasons of aborts.
  // visit(completion) for each.
  template <typename Visit>
  void poll_well(Visit&& visit) const {
    uint32_t& consumed = channel->completion_consumed.value;
    for (; consumed != channel->completion_produced.value; ++consumed) {
      const tlr_completion& entry = completions[consumed & 31];
      visit(entry);
      if (tlr_has_more(entry.kind) != 0) ++consumed;
      const bool ended = entry.kind == TLR_LOST || entry.kind == TLR_CONNECT_FAILED;
      if (entry.kind != TLR_MESSAGE && (!ended || entry.length == 0)) continue;
      returns[channel->return_produced.value++ & 15] = entry.slot;
    }
  }

  // A descriptor that is nearly right. `generation(index)`: of the association with that index.
  template <typename Input, typename Generation>
  void put_nearly_right(Input& in, Generation&& generation) const {
    tlr_submission s{};
    s.op = static_cast<uint8_t>(in.number(1) % 10);
    s.slot = in.number(1) % 18;
    s.length = in.number(2) % 9000;
    s.assoc_index = in.number(1) % 18;
    s.assoc_generation = generation(s.assoc_index);
    s.stream = static_cast<uint16_t>(in.number(1) % 16);
    if (s.op == TLR_OP_GET_OPTION || s.op == TLR_OP_SET_OPTION) {
      s.option = static_cast<uint16_t>(in.number(1) % 4);
    }
    s.ppid = in.number(1);
    put(s);
  }
  template <typename Input>
  static void fill(Input& in, void* to, size_t size) {
    auto* const bytes = static_cast<uint8_t*>(to);
    for (size_t i = 0; i < size && !in.empty(); ++i) bytes[i] = static_cast<uint8_t>(in.number(1));
  }
  // What no library does. `what` chooses.
  template <typename Input>
  void spoil(Input& in, uint32_t what) const {
    switch (what % 7) {
      case 0: {  // a descriptor of nothing but input
        tlr_submission raw{};
        fill(in, &raw, sizeof(raw));
        return put(raw);
      }
      case 1: {  // a word anywhere from this channel on
        auto* const words = reinterpret_cast<uint32_t*>(channel);
        const auto before =
            static_cast<size_t>(reinterpret_cast<uint8_t*>(channel) - segment->base());
        const size_t count = (segment->size() - before) / sizeof(uint32_t);
        words[in.number(2) % count] = in.number(4);
        return;
      }
      case 2: {  // an index
        tlr_word* const indices = &channel->submission_produced;
        indices[in.number(1) % 8].value += static_cast<uint32_t>(static_cast<int8_t>(in.number(1)));
        return;
      }
      case 3: {
        const uint32_t slot = in.number(1) % 20;
        returns[channel->return_produced.value++ & 15] = slot;
        return;
      }
      case 4:
        return poll();
      case 5:
        tx_next[in.number(1) % 16] = in.number(1) % 20;
        return;
      default: {
        const uint32_t slot = in.number(1) % 16;
        return fill(in, tx_data + slot * 512, in.number(1));
      }
    }
  }

  tlr_channel* channel;
  tlr_submission* submissions;
  tlr_completion* completions;
  uint32_t* returns;
  uint32_t* tx_next;
  uint8_t* tx_data;
  appring::Segment* segment;
};

}  // namespace trunkline::fuzz
