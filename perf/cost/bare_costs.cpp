// SPDX-License-Identifier: BSD-3-Clause
// The bare stack as things become many: streams, chunks, gaps, paths, endpoints, associations.
#include <algorithm>
#include <array>

#include "cost/measured.h"
#include "cost/pair.h"

namespace trunkline::perf {
namespace {

using SizeList = std::vector<uint32_t>;

SizeList pick(Sizes sizes, SizeList few, SizeList all) {
  return sizes == Sizes::kFew ? few : all;
}

}  // namespace

// ---------------------------------------------------------------- streams

void streams(Sizes sizes) {
  const size_t messages = sizes == Sizes::kFew ? 4096 : 65'535;
  for (const uint32_t n : pick(sizes, {1, 1000}, {1, 100, 10'000, 65'535})) {
    Profile profile = cost_profile();
    profile.outbound_streams = profile.max_inbound_streams = static_cast<uint16_t>(n);
    Pair pair(cost_setup(profile, 16, 70'000));
    connect_all(pair.a, pair.z, 1);
    pair.streams = std::min<uint64_t>(n, pair.streams);
    pair.open_window(2048);
    if (n > 1) measure({"streams, the first message on each", n, n}, [&] { pair.send(n, n); });
    measure({"streams, a message on each in turn", n, messages}, [&] { pair.send(messages, n); });
    // All of them wait for their turn at once.
    for (size_t i = 0; i < messages; ++i) {
      const auto stream = StreamId(static_cast<uint16_t>(i % n));
      require(pair.a.send_on(clock_now(), pair.a.associations[0], stream), "a message was refused");
    }
    measure({"streams, messages wait on all", n, messages}, [&] { pair.finish(); });
  }
}

// ---------------------------------------------------------------- chunks outstanding

void outstanding(Sizes sizes) {
  constexpr size_t kMeasured = 8;
  for (const uint32_t n : pick(sizes, {10, 1000}, {10, 100, 1000, 10'000, 60'000})) {
    Pair pair(cost_setup(cost_profile(), 16, 70'000));
    connect_all(pair.a, pair.z, 1);
    pair.open_window(n + 2 * kMeasured);
    Packets sent;
    pair.send_singly(n, &sent);
    measure({"outstanding, a chunk more", n, kMeasured}, [&] { pair.send_singly(kMeasured); });
    Packets sacks;
    for (size_t i = 0; i < kMeasured; ++i) {
      Pair::give(pair.z, sent.at(i));
      sacks.take(pair.z);
    }
    require(sacks.size() == kMeasured, "not every packet was acknowledged");
    measure({"outstanding, a SACK", n, kMeasured}, [&] {
      for (size_t i = 0; i < kMeasured; ++i) Pair::give(pair.a, sacks.at(i));
    });
    require(pair.a.acknowledged + n == pair.a.sent, "a SACK acknowledged something else");
  }
}

// ---------------------------------------------------------------- gaps

namespace {

void put_be(std::vector<uint8_t>& out, uint32_t value, size_t bytes) {
  while (bytes-- > 0) out.push_back(static_cast<uint8_t>(value >> 8 * bytes));
}

// A SACK as `like`, which has no gap blocks, with `gaps` blocks of one TSN each that are apart by
// one.
std::vector<uint8_t> with_gaps(std::span<const uint8_t> like, uint32_t gaps) {
  constexpr size_t kUpToWindow = 12 + 4 + 8;  // headers, cumulative TSN, a_rwnd
  std::vector<uint8_t> out(like.begin(), like.begin() + kUpToWindow);
  put_be(out, gaps, 2);
  put_be(out, 0, 2);
  for (uint32_t i = 0; i < gaps; ++i) {
    put_be(out, 2 * i + 2, 2);
    put_be(out, 2 * i + 2, 2);
  }
  out[14] = static_cast<uint8_t>((16 + 4 * gaps) >> 8);
  out[15] = static_cast<uint8_t>(16 + 4 * gaps);
  return out;
}

// What the sender does with a SACK of many blocks: as many as a packet holds.
void gaps_received(uint32_t n) {
  Pair pair(cost_setup(cost_profile(), 16, 4096));
  connect_all(pair.a, pair.z, 1);
  pair.open_window(2 * n + 2);
  Packets sent;
  pair.send_singly(2 * n + 2, &sent);
  Pair::give(pair.z, sent.at(0));
  Packets sacks;
  sacks.take(pair.z);
  PacketIn packet = sacks.at(0);
  const std::vector<uint8_t> bytes = with_gaps(packet.bytes, n);
  packet.bytes = bytes;
  packet.checksum = ChecksumState::kGood;
  measure({"gaps, a SACK read, a block", n, n}, [&] { Pair::give(pair.a, packet); });
  // The chunks that are lost by now have been sent again.
  while (!take_packets(clock_now(), pair.a).empty()) {
  }
  for (int i = 0; i < 3; ++i) Pair::give(pair.a, packet);
  while (!take_packets(clock_now(), pair.a).empty()) {
  }
  measure({"gaps, a SACK read that says nothing new, a block", n, n},
          [&] { Pair::give(pair.a, packet); });
}

// What the receiver does, up to the number of gaps that it remembers.
void gaps_written(uint32_t n) {
  constexpr size_t kMore = 16;
  Pair pair(cost_setup(cost_profile(), 16, 4096));
  connect_all(pair.a, pair.z, 1);
  pair.open_window(2 * n + kMore);
  Packets sent;
  pair.send_singly(2 * n + kMore, &sent);
  Packets sacks;
  const uint64_t blocks = uint64_t{n} * (n + 1) / 2;  // of all SACKs
  measure({"gaps, chunks that open one, a block", n, blocks}, [&] {
    for (size_t i = 0; i < n; ++i) {
      Pair::give(pair.z, sent.at(2 * i + 1));
      sacks.take(pair.z);
    }
  });
  measure({"gaps, a SACK written, a block", n, kMore * n}, [&] {
    for (size_t i = 2 * n; i < 2 * n + kMore; ++i) {
      Pair::give(pair.z, sent.at(i));
      sacks.take(pair.z);
    }
  });
  measure({"gaps, chunks that fill one, a block", n, blocks}, [&] {
    for (size_t i = 0; i < n; ++i) {
      Pair::give(pair.z, sent.at(2 * i));
      sacks.take(pair.z);
    }
  });
  require(sacks.size() == 2 * n + kMore, "not every packet drew a SACK");
  require(pair.z.received == pair.a.sent, "a message was lost");
}

}  // namespace

void gaps(Sizes sizes) {
  for (const uint32_t n : pick(sizes, {10, 128}, {10, 32, 128})) gaps_written(n);
  for (const uint32_t n : pick(sizes, {10, 128}, {10, 32, 128, 350})) gaps_received(n);
}

// One chunk is missing: what comes after it waits, and goes to the application with it.
void behind_a_hole(Sizes sizes) {
  for (const uint32_t n : pick(sizes, {100, 1000}, {100, 1000, 10'000, 32'000})) {
    for (const bool backwards : {false, true}) {
      Pair pair(cost_setup(cost_profile(), 16, 70'000));
      connect_all(pair.a, pair.z, 1);
      pair.streams = 1;
      pair.open_window(n + 1);
      Packets sent;
      pair.send_singly(n + 1, &sent);
      const uint64_t before = pair.z.received;
      measure(
          {backwards ? "behind a hole, chunks come, the last first" : "behind a hole, chunks come",
           n, n},
          [&] {
            Packets sacks;
            for (size_t i = 1; i <= n; ++i) {
              Pair::give(pair.z, sent.at(backwards ? n + 1 - i : i));
              sacks.take(pair.z);
            }
          });
      require(pair.z.received == before, "a message came too early");
      if (backwards) continue;
      measure({"behind a hole, it is filled, a chunk", n, n},
              [&] { Pair::give(pair.z, sent.at(0)); });
      require(pair.z.received == before + n + 1, "a message was lost");
    }
  }
}

// ---------------------------------------------------------------- recovery

void recovery(Sizes sizes) {
  constexpr size_t kAfter = 8;  // so many come, and tell of the others
  for (const uint32_t n : pick(sizes, {100, 1000}, {10, 100, 1000, 10'000, 60'000})) {
    for (const bool by_timer : {true, false}) {
      Pair pair(cost_setup(cost_profile(), 16, 70'000));
      connect_all(pair.a, pair.z, 1);
      pair.open_window(n + kAfter);
      pair.send_singly(n);
      if (by_timer) {
        skip_time(std::chrono::milliseconds(1500));
      } else {
        Packets after;
        pair.send_singly(kAfter, &after);
        for (size_t i = 0; i < kAfter; ++i) Pair::give(pair.z, after.at(i));
      }
      measure({by_timer ? "recovery, by T3" : "recovery, by fast retransmit", n, n},
              [&] { pair.finish(); });
    }
  }
}

// ---------------------------------------------------------------- paths

namespace {

std::vector<IpAddress> addresses_of(uint8_t end, uint32_t count) {
  std::vector<IpAddress> out;
  for (uint32_t i = 0; i < count; ++i) {
    out.push_back(IpAddress::ipv4(10, static_cast<uint8_t>(i), end, 1));
  }
  return out;
}

}  // namespace

void paths(Sizes sizes) {
  constexpr uint64_t kMessages = 4096;
  constexpr uint16_t kPort = 2905;
  for (const uint32_t n : pick(sizes, {1, 8}, {1, 2, 4, 8})) {
    EndSetup setup = cost_setup(cost_profile());
    setup.max_associations = 64;  // entries of the directory, of which one has many
    Pair pair(setup);
    const auto make = [&](End& end, uint8_t number, bool listening) {
      EndpointConfig config;
      config.addresses = addresses_of(number, n);
      config.port = PortNumber(kPort);
      config.profile = setup.profile;
      config.listening = listening;
      return end.shard().add_endpoint(config).endpoint;
    };
    const EndpointId caller = make(pair.a, 1, false);
    static_cast<void>(make(pair.z, 2, true));
    const std::vector<IpAddress> peers = addresses_of(2, n);
    ConnectRequest request;
    request.endpoint = caller;
    request.peer_addresses = peers;
    request.peer_port = PortNumber(kPort);
    measure({"paths, set-up, a path", n, n}, [&] {
      require(pair.a.shard().connect(clock_now(), request).status == Status::kOk, "no connect");
      settle(clock_now(), pair.a, pair.z);
    });
    require(pair.a.up == 1 && pair.z.up == 1, "the association was not established");
    pair.open_window(2048);
    measure({"paths, a message", n, kMessages}, [&] { pair.send(kMessages); });
    const auto acks = [&] {
      return pair.a.shard().counters().get(Counter::k_heartbeat_acks_received) +
             pair.z.shard().counters().get(Counter::k_heartbeat_acks_received);
    };
    // From deadline to deadline.
    const auto idle = [&] {
      const TimePoint end = clock_now() + std::chrono::seconds(64);
      while (true) {
        const TimePoint due =
            std::min(pair.a.shard().next_deadline(), pair.z.shard().next_deadline());
        const TimePoint now = clock_now();
        if (std::max(due, now) >= end) return;
        if (due > now) skip_time(due - now);
        pair.turn();
        settle(clock_now(), pair.a, pair.z);
      }
    };
    idle();
    const uint64_t before = acks();
    Measured row{"paths, idle, a heartbeat", n, 0};
    measure(row, [&] {
      idle();
      row.count = acks() - before;  // how many a minute has is drawn (8.3)
    });
    require(row.count >= 2 * n, "not every path had its heartbeat");
  }
}

// ---------------------------------------------------------------- endpoints

void endpoints(Sizes sizes) {
  constexpr uint32_t kCalls = 64;
  constexpr uint64_t kMessages = 4096;
  for (const uint32_t n : pick(sizes, {1, 100}, {1, 10, 100, 1000})) {
    Pair pair(cost_setup(cost_profile(), 2 * kCalls, 4096));
    std::vector<EndpointId> callers = add_callers(pair.a, kCalls);
    // The port that is called is there on other addresses, too, as often as it may be.
    constexpr uint32_t kMostOfAPort = 64;
    for (uint32_t i = 1; i < n; ++i) {
      const bool beside = i < kMostOfAPort;
      pair.z.add_endpoint(
          beside ? IpAddress::ipv4(198, 18, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i))
                 : kAddressZ,
          static_cast<uint16_t>(beside ? 2905 : 10'000 + i), true);
    }
    listen_for(pair.z, 1);
    measure({"endpoints, set-up", n, kCalls}, [&] { call_all(pair.a, pair.z, callers, kCalls); });
    measure({"endpoints, a message", n, kMessages}, [&] { pair.send(kMessages); });
  }
}

// ---------------------------------------------------------------- associations

void associations(Sizes sizes) {
  for (const uint32_t n : pick(sizes, {100, 1000}, {1000, 10'000, 100'000})) {
    Pair pair(cost_setup(rfc_profile().profile, n, 4096));
    const std::vector<EndpointId> callers = add_callers(pair.a, n);
    listen_for(pair.z, n);
    measure({"associations, set-up", n, n}, [&] { call_all(pair.a, pair.z, callers, n); });
    measure({"associations, a message on each in turn", n, n}, [&] {
      for (uint32_t i = 0; i < n; ++i) {
        while (!pair.a.send(clock_now(), pair.a.associations[i])) {
          if (pair.turn() == 0) skip_time(std::chrono::milliseconds(1));
        }
        if (i % PacketRing::kBurst == 0) pair.turn();
      }
      pair.finish();
    });
    measure({"associations, the end", n, n}, [&] {
      size_t ending = 0;
      for (const AssocId assoc : pair.a.associations) {
        require(pair.a.shard().shutdown(clock_now(), assoc) == Status::kOk, "no shutdown");
        if (++ending % 256 == 0) settle(clock_now(), pair.a, pair.z);
      }
      settle(clock_now(), pair.a, pair.z);
    });
    require(pair.a.closed == n && pair.z.closed == n, "not every association was shut down");
  }
}

}  // namespace trunkline::perf
