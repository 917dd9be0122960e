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

#include "appring/bridge_control_impl.h"
#include "appring/bridge_impl.h"
#include "fake_shard.h"
#include "fuzz_check.h"

namespace {

using namespace trunkline;
using appring::Mail;
using appring::MailKind;
using appring::RingClient;
using test::FakeShard;
using FuzzBridge = appring::BasicBridge<FakeShard>;

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
  void fill(void* to, size_t size) {
    const size_t n = std::min(size, rest_.size());
    if (n != 0) std::memcpy(to, rest_.data(), n);
    rest_ = rest_.subspan(n);
  }

 private:
  std::span<const uint8_t> rest_;
};

constexpr uint32_t kWorkers = 2;

tlr_geometry geometry() {
  tlr_geometry g{};
  g.lanes = 1;
  g.workers = kWorkers;
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

// The client's view of its channel at one worker.
struct View {
  View(RingClient& client, uint32_t worker) {
    const tlr_geometry g = client.segment->geometry();
    const tlr_layout layout = tlr_layout_of(&g);
    uint8_t* const block = client.segment->channel(0, worker);
    channel = reinterpret_cast<tlr_channel*>(block);
    submissions = reinterpret_cast<tlr_submission*>(block + layout.submissions);
    completions = reinterpret_cast<tlr_completion*>(block + layout.completions);
    returns = reinterpret_cast<uint32_t*>(block + layout.returns);
    tx_next = reinterpret_cast<uint32_t*>(block + layout.tx_next);
    tx_data = block + layout.tx_data;
  }
  void put(const tlr_submission& submission) const {
    submissions[channel->submission_produced.value & 15] = submission;
    ++channel->submission_produced.value;
  }
  tlr_channel* channel;
  tlr_submission* submissions;
  tlr_completion* completions;
  uint32_t* returns;
  uint32_t* tx_next;
  uint8_t* tx_data;
};

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
        return put(shard, bad, in);
      case 2: {  // a descriptor of nothing but input
        tlr_submission raw{};
        in.fill(&raw, sizeof(raw));
        return bad.put(raw);
      }
      case 3: {  // a word anywhere from this channel on
        auto* const words = reinterpret_cast<uint32_t*>(bad.channel);
        const auto before =
            static_cast<size_t>(bad_->segment->channel(0, worker.index) - bad_->segment->base());
        const size_t count = (bad_->segment->size() - before) / sizeof(uint32_t);
        words[in.number(2) % count] = in.number(4);
        return;
      }
      case 4: {  // an index
        tlr_word* const indices = &bad.channel->submission_produced;
        indices[in.number(1) % 8].value += static_cast<uint32_t>(static_cast<int8_t>(in.number(1)));
        return;
      }
      case 5: {
        const uint32_t slot = in.number(1) % 20;
        bad.returns[bad.channel->return_produced.value++ & 15] = slot;
        return;
      }
      case 6:
        return poll(bad);
      case 7:
        bad.tx_next[in.number(1) % 16] = in.number(1) % 20;
        return;
      case 8:
        in.fill(bad.tx_data + in.number(1) % 16 * 512, in.number(1));
        return;
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
    FuzzBridge bridge;
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
                                     geometry(), {8, 4, 16});
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
    send.slot_count = 1;
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
    worker.bridge.close_all(now_, true);
    for (int i = 0; i < 2; ++i) turn(worker, SIZE_MAX);
    FUZZ_CHECK(worker.bridge.associations() == 0);
    FUZZ_CHECK(good_->channel(0, worker.index).tx_in_use() == 0);
  }
  static void open(const View& view, uint8_t op) {
    tlr_open_body body{};
    if (op == TLR_OP_LISTEN) {
      body.local_port = 5000;
    } else {
      body.peer_port = 5000;
      body.address_count = 1;
      body.addresses[0] = {4, {0, 0, 0}, {192, 0, 2, 7}};
    }
    const uint32_t slot = op == TLR_OP_LISTEN ? 1 : 0;
    std::memcpy(view.tx_data + slot * 512, &body, sizeof(body));
    tlr_submission submission{};
    submission.op = op;
    submission.slot = slot;
    submission.length = sizeof(body);
    submission.slot_count = 1;
    view.put(submission);
  }
  static void poll(const View& view) {
    view.channel->completion_consumed.value = view.channel->completion_produced.value;
  }
  [[nodiscard]] static uint64_t messages_out(const Worker& worker) {
    return worker.bridge.counters().get(appring::RingCounter::k_ring_messages_out);
  }
  // As a correct client: payload is given back, of messages and of the reasons of aborts.
  void poll_good(const Worker& worker) const {
    const View good(*good_, worker.index);
    uint32_t& consumed = good.channel->completion_consumed.value;
    for (; consumed != good.channel->completion_produced.value; ++consumed) {
      const tlr_completion& entry = good.completions[consumed & 31];
      const bool ended = entry.kind == TLR_LOST || entry.kind == TLR_CONNECT_FAILED;
      if (entry.kind != TLR_MESSAGE && (!ended || entry.length == 0)) continue;
      good.returns[good.channel->return_produced.value++ & 15] = entry.slot;
    }
  }
  // A descriptor that is nearly right.
  static void put(const FakeShard& shard, const View& bad, Input& in) {
    tlr_submission s{};
    s.op = static_cast<uint8_t>(in.number(1) % 10);
    s.slot = in.number(1) % 18;
    s.length = in.number(2) % 9000;
    s.slot_count = tlr_slots_for(s.length, 512) + (in.number(1) % 16 == 0 ? 1u : 0u);
    s.assoc_index = in.number(1) % 18;
    const auto it = shard.assocs.find(s.assoc_index);
    s.assoc_generation = it != shard.assocs.end() ? it->second.id.generation : in.number(1);
    s.stream = static_cast<uint16_t>(in.number(1) % 16);
    s.option = in.number(1) % 4;
    s.argument = in.number(1);
    bad.put(s);
  }
  // Something happens to an association of the bad client.
  static void happen(FakeShard& shard, Input& in) {
    const uint32_t slot = in.number(1) % 16;
    const auto it = shard.assocs.find(slot);
    if (it == shard.assocs.end() || slot < 2) return;  // 0 and 1 are the good client's pair
    if (in.number(1) % 4 == 0) {
      shard.end(slot, EventKind::kLost, Reason::kTimedOut);
    } else {
      constexpr EventKind kKinds[] = {EventKind::kPathChanged, EventKind::kRemoteError,
                                      EventKind::kPrimaryChanged, EventKind::kRestarted,
                                      EventKind::kPeerShutdown, EventKind::kRestartRefused};
      shard.push(it->second.id, kKinds[in.number(1) % std::size(kKinds)]);
    }
  }
  void turn(Worker& worker, size_t limit) {
    FuzzBridge& bridge = worker.bridge;
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
