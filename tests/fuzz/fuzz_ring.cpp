// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: a client's segment. The bytes are what a client does to its rings at two workers
// (descriptors, indices, words anywhere), mixed with what the stack does meanwhile. Whatever it is,
// another client's associations live on, and when the client is let go nothing of it is left.
#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <memory>
#include <span>

#include "appring/bridge.h"
#include "fake_shard.h"
#include "fuzz_check.h"
#include "ring_view.h"

namespace {

using namespace trunkline;
using appring::Mail;
using appring::MailKind;
using appring::RingClient;
using fuzz::View;
using test::FakeShard;

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : rest_(bytes) {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  uint32_t number(size_t size) {
    uint32_t out = 0;
    for (; size > 0; --size) {
      out = out << 8 | (rest_.empty() ? 0u : rest_[0]);
      rest_ = rest_.subspan(std::min<size_t>(1, rest_.size()));
    }
    return out;
  }

 private:
  std::span<const uint8_t> rest_;
};

constexpr uint32_t kWorkers = 2;

class World {
 public:
  World() {
    for (Worker& worker : workers_) worker.shard.max_associations = 16;
    good_ = add();
    bad_ = add();
    for (Worker& worker : workers_) {
      open(View(*good_, worker.index), TLR_OP_LISTEN);
      open(View(*good_, worker.index), TLR_OP_CONNECT);
      open(View(*bad_, worker.index), TLR_OP_CONNECT);
      turn(worker, SIZE_MAX);
      FUZZ_CHECK(worker.bridge.associations() == 4);
      worker.good_assoc = worker.shard.assocs.at(0).id;
    }
  }
  ~World() {
    post(MailKind::kRemove, bad_.get());
    for (Worker& worker : workers_) {
      for (int i = 0; i < 3; ++i) turn(worker, SIZE_MAX);
      FUZZ_CHECK(worker.gone == bad_.get());
      FUZZ_CHECK(bad_->channel(0, worker.index).tx_in_use() == 0);
      FUZZ_CHECK(bad_->channel(0, worker.index).unread_bytes() == 0);
      finish(worker);
    }
  }

  void step(Input& in) {
    const uint32_t what = in.number(1);
    Worker& worker = workers_[what / 12 % kWorkers];
    FakeShard& shard = worker.shard;
    const View bad(*bad_, worker.index);
    switch (what % 12) {
      case 0:
      case 1:
        return bad.put_nearly_right(in, [&](uint32_t index) {
          const auto it = shard.assocs.find(index);
          return it != shard.assocs.end() ? it->second.id.generation : in.number(1);
        });
      case 2:
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
      case 8:
        return bad.spoil(in, what % 12 - 2);
      case 9: {  // a message for it, or for its peer
        const uint32_t slot = in.number(1) % 16;
        if (!shard.assocs.contains(slot) || slot < 2) return;
        const std::vector<uint8_t> bytes(1 + in.number(2) % 9000, 0x42);
        shard.inject(shard.assocs.at(slot).id, bytes, 1, 2,
                     [&](Event& event) { worker.bridge.deliver(now_, event); });
        return;
      }
      case 10:
        return happen(shard, in);
      default:
        turn(worker, in.number(1));
        poll_good(worker);
    }
  }

 private:
  struct Worker {
    explicit Worker(uint32_t at) : index(at), bridge(config(at), shard) {}
    uint32_t index;
    FakeShard shard;  // outlives the bridge
    appring::Bridge bridge;
    AssocId good_assoc;
    RingClient* gone = nullptr;
  };

  static appring::BridgeConfig config(uint32_t worker) {
    appring::BridgeConfig config;
    config.worker = static_cast<uint16_t>(worker);
    config.workers = kWorkers;
    config.max_associations = 16;
    config.local_addresses = {IpAddress::ipv4(192, 0, 2, 1)};
    config.burst = 8;
    return config;
  }
  std::unique_ptr<RingClient> add() {
    auto client = RingClient::create({++clients_, "fuzz", 1, 0, 0}, {{{1, 65535}}, true},
                                     fuzz::small_rings(kWorkers), {8, 4, 16});
    FUZZ_CHECK(client != nullptr);
    post(MailKind::kAdd, client.get());
    for (Worker& worker : workers_) worker.bridge.drain_submissions(now_);
    return client;
  }
  void post(MailKind kind, RingClient* client) {
    for (Worker& worker : workers_) {
      FUZZ_CHECK(worker.bridge.mailbox().post_to_worker({kind, client}));
    }
  }
  // The good client's own association is as it was, and messages pass.
  void finish(Worker& worker) {
    FakeShard& shard = worker.shard;
    const View good(*good_, worker.index);
    FUZZ_CHECK(shard.assocs.contains(0) && shard.assocs.at(0).id == worker.good_assoc);
    tlr_submission send{};
    send.op = TLR_OP_SEND;
    send.assoc_index = worker.good_assoc.slot;
    send.assoc_generation = worker.good_assoc.generation;
    send.slot = 3;
    send.length = 4;
    for (int i = 0; i < 20; ++i) {  // until nothing waits any more
      turn(worker, SIZE_MAX);
      poll_good(worker);
    }
    const uint64_t before = messages_out(worker);
    good.put(send);
    for (int i = 0; i < 3; ++i) {
      turn(worker, SIZE_MAX);
      poll_good(worker);
    }
    FUZZ_CHECK(messages_out(worker) == before + 1);
    turn(worker, SIZE_MAX);  // it has read all: nobody is charged for what others did
    FUZZ_CHECK(good_->channel(0, worker.index).unread_bytes() == 0);
    for (const auto& [slot, assoc] : shard.assocs) {
      if (worker.bridge.client_of(assoc.id) == good_->identity.id) FUZZ_CHECK(assoc.unread == 0);
    }
    worker.bridge.close_all(now_, true);
    for (int i = 0; i < 2; ++i) turn(worker, SIZE_MAX);
    FUZZ_CHECK(worker.bridge.associations() == 0);
    FUZZ_CHECK(good_->channel(0, worker.index).tx_in_use() == 0);
  }
  static void open(const View& view, uint8_t op) { view.open(op, 5000, {192, 0, 2, 7}); }
  [[nodiscard]] static uint64_t messages_out(const Worker& worker) {
    return worker.bridge.counters().get(appring::RingCounter::k_ring_messages_out);
  }
  void poll_good(const Worker& worker) const {
    View(*good_, worker.index).poll_well([](const tlr_completion&) {});
  }
  // Something happens to an association of the bad client.
  static void happen(FakeShard& shard, Input& in) {
    const uint32_t slot = in.number(1) % 16;
    const auto it = shard.assocs.find(slot);
    if (it == shard.assocs.end() || slot < 2) return;  // 0 and 1 are the good client's pair
    if (in.number(1) % 4 == 0) {
      shard.end(slot, EventKind::kLost, Reason::kTimedOut);
    } else {
      constexpr EventKind kKinds[] = {EventKind::kPathChanged,    EventKind::kRemoteError,
                                      EventKind::kPrimaryChanged, EventKind::kRestarted,
                                      EventKind::kPeerShutdown,   EventKind::kRestartRefused,
                                      EventKind::kMessageBroken};
      shard.push(it->second.id, kKinds[in.number(1) % std::size(kKinds)]);
    }
  }
  void turn(Worker& worker, size_t limit) {
    appring::Bridge& bridge = worker.bridge;
    bridge.drain_submissions(now_);
    worker.shard.run([&](Event& event) { bridge.deliver(now_, event); }, limit);
    bridge.flush();
    bridge.arm();
    [[maybe_unused]] const bool more = bridge.has_work();
    bridge.disarm();
    Mail mail;
    while (bridge.mailbox().take_from_worker(mail)) {
      if (mail.kind == MailKind::kGone) worker.gone = mail.client;
      FUZZ_CHECK(mail.client == bad_.get());  // nobody else is at fault
    }
  }

  // The clients outlive the shards' payload.
  std::unique_ptr<RingClient> good_;
  std::unique_ptr<RingClient> bad_;
  std::array<Worker, kWorkers> workers_{Worker(0), Worker(1)};
  TimePoint now_ = TimePoint::from_ns(1);
  uint32_t clients_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(std::span(data, std::min<size_t>(size, 4096)));
  World world;
  while (!in.empty()) world.step(in);
  return 0;
}
