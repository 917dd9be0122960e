// SPDX-License-Identifier: BSD-3-Clause
// Many associations of one lane of a program on the rings: set-up, messages, waiting for room, end.
#include "bare/ring_host.h"
#include "cost/measured.h"
#include "cost/pair.h"
#include "harness/sample.h"

namespace trunkline::perf {
namespace {

constexpr uint32_t kLocalPorts = 1024;  // local ports for each port of the peer
constexpr uint32_t kSubmissions = 256;  // so few that most associations wait for room
constexpr uint16_t kFirstPort = 2905;
constexpr uint16_t kFirstLocalPort = 20'000;

struct Rings {
  explicit Rings(uint32_t count)
      : n(count),
        a(kAddressA, cost_profile(), 100, clock_now(), count, kSubmissions),
        z(kAddressZ, cost_profile(), 100, clock_now(), count, kSubmissions) {
    for (uint32_t i = 0; i * kLocalPorts < n; ++i) z.listen(static_cast<uint16_t>(kFirstPort + i));
  }

  // A turn of both workers, then of both programs; packets carried.
  size_t turn() {
    const TimePoint now = clock_now();
    a.work(now);
    z.work(now);
    const auto there = a.take_packets(now);
    z.receive(now, there);
    const auto back = z.take_packets(now);
    a.receive(now, back);
    a.flush();
    z.flush();
    a.program().poll();
    z.program().poll();
    return there.size() + back.size();
  }
  template <typename Done>
  void until(Done&& done) {
    for (int idle = 0; !done();) {
      if (turn() > 0) {
        idle = 0;
        continue;
      }
      require(++idle < 10'000, "nothing happens any more");
      if (idle > 2) skip_time(std::chrono::milliseconds(1));
    }
    require(a.program().lost == 0 && z.program().lost == 0, "an association or a message was lost");
  }

  void connect_all() {
    constexpr uint32_t kBatch = 256;
    for (uint32_t i = 0; i < n; ++i) {
      a.program().connect(static_cast<uint16_t>(kFirstPort + i / kLocalPorts), kAddressZ,
                          static_cast<uint16_t>(kFirstLocalPort + i % kLocalPorts));
      if ((i + 1) % kBatch != 0 && i + 1 < n) continue;
      until([&] {
        return a.program().associations.size() == i + 1 && z.program().associations.size() == i + 1;
      });
    }
  }
  void in_turn() {
    constexpr uint32_t kAtOnce = 32;
    RingProgram& from = a.program();
    for (uint32_t i = 0; i < n; ++i) {
      while (from.send(from.associations[i], 1) == 0) turn();
      if (i % kAtOnce == 0) turn();
    }
    until([&] { return z.program().received == from.sent; });
  }
  // Each tries; who finds no room is told when there is some, and tries again.
  void as_room_comes() {
    RingProgram& from = a.program();
    const uint64_t all = from.sent + n;
    from.persist(true);
    for (const tl_assoc assoc : from.associations) static_cast<void>(from.send(assoc, 1));
    until([&] { return from.sent == all && z.program().received == all; });
    from.persist(false);
  }
  void end_all() {
    constexpr uint32_t kBatch = 256;
    for (uint32_t i = 0; i < n; ++i) {
      // What was sent is an operation until it is acknowledged, and there may be so many.
      until([&] { return a.program().shutdown(a.program().associations[i]); });
      if ((i + 1) % kBatch == 0 || i + 1 == n) {
        until([&] { return a.program().closed == i + 1 && z.program().closed == i + 1; });
      }
    }
  }

  uint32_t n;
  RingHost a;
  RingHost z;
};

}  // namespace

void ring_associations(Sizes sizes) {
  const std::vector<uint32_t> all = {1000, 10'000, 100'000};
  const std::vector<uint32_t> few = {1000, 8000};
  for (const uint32_t n : sizes == Sizes::kFew ? few : all) {
    Rings rings(n);
    measure({"rings, set-up", n, n}, [&] { rings.connect_all(); });
    measure({"rings, a message on each in turn", n, n}, [&] { rings.in_turn(); });
    measure({"rings, a message on each as room comes", n, n}, [&] { rings.as_room_comes(); });
    measure({"rings, the end", n, n}, [&] { rings.end_all(); });
  }
}

}  // namespace trunkline::perf
