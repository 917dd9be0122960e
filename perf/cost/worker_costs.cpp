// SPDX-License-Identifier: BSD-3-Clause
// One host of many workers, as its shards see it: each packet is steered where it comes in, and
// given to the shard that owns it. What only several cores could show, lines of cache that move
// between them, is not in the counts; rings and pools of DPDK neither.
#include <algorithm>

#include "cost/measured.h"
#include "cost/pair.h"

namespace trunkline::perf {
namespace {

constexpr uint32_t kAssociations = 256;
constexpr uint16_t kCalled = 2905;

// The called host: shards that share a directory and a table of ports.
class Workers {
 public:
  Workers(const EndSetup& setup, uint16_t count)
      : directory_(make_directory(random_, setup.max_associations)), ports_(make_port_table()) {
    for (uint16_t i = 0; i < count; ++i) {
      EndSetup one = setup;
      one.index = i;
      one.count = count;
      one.directory = directory_.get();
      one.ports = ports_.get();
      shards_.push_back(std::make_unique<End>(one, clock_now()));
      shards_.back()->add_endpoint(kAddressZ, kCalled, true);
    }
  }

  // As a NIC spreads it, by the peer's port; `wrong`: to the shard beside that one first.
  void receive(const PacketIn& packet, bool wrong) {
    const auto peer_port = static_cast<uint16_t>(packet.bytes[0] << 8 | packet.bytes[1]);
    size_t at = (peer_port + (wrong ? 1u : 0u)) % shards_.size();
    PacketIn in = packet;
    for (size_t to = shards_[at]->shard().steer(in); to != at;
         to = shards_[at]->shard().steer(in)) {
      at = to;
      ++in.hand_overs;
      ++handed_over;
    }
    Pair::give(*shards_[at], in);
  }
  [[nodiscard]] size_t carry_to(End& a) {
    size_t n = 0;
    for (const auto& each : shards_) n += carry(clock_now(), *each, a);
    return n;
  }
  [[nodiscard]] uint64_t up() const {
    uint64_t n = 0;
    for (const auto& each : shards_) n += each->up;
    return n;
  }
  [[nodiscard]] uint64_t received() const {
    uint64_t n = 0;
    for (const auto& each : shards_) n += each->received;
    return n;
  }
  // Have all shards their part?
  [[nodiscard]] bool is_shared_out() const {
    return std::all_of(shards_.begin(), shards_.end(),
                       [](const auto& each) { return each->up > 0; });
  }

  uint64_t handed_over = 0;

 private:
  SecureRandom random_;
  DirectoryPtr directory_;
  PortTablePtr ports_;
  std::vector<std::unique_ptr<End>> shards_;
};

struct Hosts {
  explicit Hosts(uint16_t workers)
      : a(cost_setup(cost_profile(), kAssociations), clock_now()),
        z(cost_setup(cost_profile(), kAssociations), workers) {}

  void turn(bool wrong) {
    for (const PacketIn& packet : take_packets(clock_now(), a)) z.receive(packet, wrong);
    static_cast<void>(z.carry_to(a));
  }
  void connect(const std::vector<EndpointId>& callers) {
    for (uint32_t i = 0; i < kAssociations; ++i) {
      call(a, callers, i);
      turn(false);
    }
    for (int i = 0; i < 1000 && a.up < kAssociations; ++i) turn(false);
    require(a.up == kAssociations && z.up() == kAssociations && z.is_shared_out(),
            "not every association was established");
  }
  // One on each association in turn.
  void send(uint64_t messages, bool wrong) {
    for (uint64_t i = 0; i < messages; ++i) {
      require(a.send(clock_now(), a.associations[i % kAssociations]), "a message was refused");
      if (i % PacketRing::kBurst == 0) turn(wrong);
    }
    for (int i = 0; i < 1000 && a.acknowledged < a.sent; ++i) turn(wrong);
    require(a.acknowledged == a.sent && z.received() == a.sent, "a message was lost");
  }

  End a;
  Workers z;
};

}  // namespace

void workers(Sizes sizes) {
  constexpr uint64_t kMessages = 4096;
  const std::vector<uint16_t> few = {2, 8};
  const std::vector<uint16_t> all = {1, 2, 4, 8, 32};
  for (const uint16_t n : sizes == Sizes::kFew ? few : all) {
    Hosts hosts(n);
    const std::vector<EndpointId> callers = add_callers(hosts.a, kAssociations);
    measure({"workers, set-up", n, kAssociations}, [&] { hosts.connect(callers); });
    measure({"workers, a message alone in its packet", n, kMessages},
            [&] { hosts.send(kMessages, false); });
    require(hosts.z.handed_over == 0, "a packet was handed over");
    if (n == 1) continue;
    measure({"workers, the same at a wrong one", n, kMessages},
            [&] { hosts.send(kMessages, true); });
    require(hosts.z.handed_over >= kMessages, "no packet was handed over");
  }
}

}  // namespace trunkline::perf
