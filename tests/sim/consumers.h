// SPDX-License-Identifier: BSD-3-Clause
// The applications of a simulated host as clients on rings, through the daemon's bridge at each
// shard: nothing of it is faked but who runs when. One thread plays all of them, and the workers;
// the association's consumer changes while both have work under way.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "appring/bridge.h"
#include "planned_application.h"
#include "ring_lane.h"

namespace trunkline::sim {

class Consumers final : public PlannedApplication {
 public:
  Consumers(Simulator& simulator, const Plan& plan, HostIndex host, Meetings& meetings);
  ~Consumers() override;

  void started(Host& host, TimePoint now) override;
  void crashed(Host& host, TimePoint now) override;
  void on_event(Host& host, TimePoint now, RecordId record, Event& event) override;
  [[nodiscard]] bool takes_whole() const override { return true; }
  void deliver(Host& host, TimePoint now, Event& event) override;
  [[nodiscard]] TimePoint next_action() const override { return next_action_; }
  void act(Host& host, TimePoint now) override;
  void end_turn(Host& host, TimePoint now, uint16_t shard) override;
  [[nodiscard]] uint32_t window_of(PortNumber) const override { return mine().profile.a_rwnd; }
  [[nodiscard]] uint32_t memory_of(PortNumber) const override {
    return std::max(mine().profile.a_rwnd, mine().profile.receive_memory);
  }
  [[nodiscard]] uint64_t kept_blocks() const override;
  [[nodiscard]] uint64_t left_blocks(uint16_t shard) const override;
  [[nodiscard]] uint64_t unread_of(uint16_t shard) const override;

  [[nodiscard]] bool finished() const override;
  void check_end(Host& host, TimePoint now) override;
  [[nodiscard]] std::string pending() const override;

 private:
  static constexpr size_t kNone = SIZE_MAX;  // no side

  enum class Phase : uint8_t { kWaiting, kConnecting, kUp, kOver };

  // One end of one planned association.
  struct Side {
    const AssocPlan* assoc = nullptr;
    const SidePlan* plan = nullptr;
    const SidePlan* peer_plan = nullptr;
    bool client = false;
    bool connector = false;
    HostIndex peer_host = 0;
    uint16_t local_port = 0;
    uint16_t peer_port = 0;

    Phase phase = Phase::kWaiting;
    TimePoint connect_at = TimePoint::never();
    AssocId id;
    RecordId record = kNoRecord;
    ConsumerIndex holder = 0;
    TimePoint up_since;
    uint16_t streams = 1;
    uint32_t sent = 0;      // accepted, or on their way to be
    uint32_t read = 0;      // messages of the peer, to their end
    bool blocked = false;   // refused; the next end of a send frees it, or another consumer
    bool closing = false;   // shutdown, by whomever
    bool ended_it = false;  // by us
    TimePoint next_send = TimePoint::never();
    TimePoint rebind_at = TimePoint::never();
    uint32_t rebinds = 0;
    TimePoint closing_since = TimePoint::never();
    // In the slots of whoever read for it, as its bridge knows; see Chatter.
    uint32_t unread = 0;
    uint32_t unread_least = 0;
    uint32_t turn_bytes = 0;
    uint32_t most_of_a_turn = 0;
  };
  // A send that the worker has not taken yet; without a message, another operation.
  struct Submitted {
    std::optional<Ledger::Outgoing> outgoing;
    size_t side = 0;
    bool connects = false;
    uint32_t body = TLR_NO_SLOT;  // of such an operation
  };
  // A message that was read, in slots that were not given back.
  struct Held {
    tlr_completion entry{};
    size_t side = 0;
    MessageId message = 0;
    uint32_t offset = 0;
    TimePoint give_at;
  };
  // A client's lane at one worker.
  struct Lane {
    Lane(appring::RingClient& client, ConsumerIndex index, uint16_t at)
        : ring(client, at), channel(client.channel(0, at)), consumer(index), worker(at) {}
    RingLane ring;
    appring::Channel& channel;
    ConsumerIndex consumer;
    uint16_t worker;
    TimePoint poll_at = TimePoint::never();
    TimePoint stalled_until;
    std::deque<Submitted> submitted;
    std::deque<Held> held;
    std::vector<std::pair<size_t, uint32_t>> returned;  // side, bytes; the worker has not seen it
  };

  [[nodiscard]] const HostPlan& mine() const { return plan_.hosts[host_]; }
  Lane& lane(ConsumerIndex consumer, uint16_t worker) {
    return *lanes_[size_t{consumer} * mine().shards + worker];
  }
  void make_sides(TimePoint now);
  void book(TimePoint now, const Side& side);
  void make_clients();
  void listen(TimePoint now);
  [[nodiscard]] tlr_open_body open_body(const Side& side) const;
  void fail(TimePoint now, const std::string& what);
  // What is random and short.
  Duration some_time(Duration most);
  [[nodiscard]] size_t index_of(const Side& side) const;
  [[nodiscard]] size_t side_of(AssocId id) const;
  [[nodiscard]] size_t side_of(const tlr_completion& entry, uint16_t worker) const;
  void up(TimePoint now, Side& side, const Event& event);
  void over(TimePoint now, Side& side, const Event& event);

  // The clients hang up: nothing of them is left at any worker.
  void let_go(Host& host, TimePoint now);

  // -- the worker
  void drain(Host& host, TimePoint now);
  void drain(Host& host, TimePoint now, uint16_t worker);
  void settle(Host& host, TimePoint now, Lane& lane, bool accepted);
  void begun(Host& host, TimePoint now, const Lane& lane, Side& side);
  void plan_rebind(TimePoint now, Side& side);
  void rebind(Host& host, TimePoint now, Side& side);
  [[nodiscard]] uint32_t given_back(const Side& side) const;
  void limit_window(const Side& side, uint32_t unread);
  void check_unread(TimePoint now, const Side& side);
  [[nodiscard]] static size_t messages_waiting(const Lane& lane, AssocId id);
  // Bytes of blocks that wait for room in a lane; of associations that are over, or of all.
  [[nodiscard]] uint64_t waiting(const Lane& lane, bool of_the_dead) const;

  // -- the clients
  void connect(TimePoint now, Side& side);
  void send_some(TimePoint now, Side& side);
  bool send_one(TimePoint now, Side& side, ConsumerIndex by);
  void try_ending(TimePoint now, Side& side);
  void poll(TimePoint now, Lane& lane);
  void take(TimePoint now, Lane& lane, const tlr_completion& entry);
  void take_message(TimePoint now, Lane& lane, const tlr_completion& entry);
  void take_sends_done(TimePoint now, Lane& lane, const tlr_completion& entry);
  void take_send_failed(TimePoint now, Lane& lane, const tlr_completion& entry);
  void end_send(TimePoint now, Lane& lane, uint32_t slot, MessageId message);
  void give_back(TimePoint now, Lane& lane);
  void worker_is_due(TimePoint now);
  [[nodiscard]] bool has_sent_all(const Side& side) const;
  [[nodiscard]] TimePoint next_of(const Side& side) const;
  [[nodiscard]] static TimePoint next_of(const Lane& lane);
  void update_next_action();

  Simulator& simulator_;
  const Plan& plan_;
  HostIndex host_;
  SeededRandom random_;
  Meetings& meetings_;
  Host* running_ = nullptr;
  std::vector<std::unique_ptr<appring::RingClient>> clients_;
  std::vector<std::unique_ptr<appring::Bridge>> bridges_;  // by shard
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::deque<Side> sides_;
  std::map<std::pair<const Lane*, uint32_t>, MessageId> sends_;  // by the first slot
  TimePoint drain_at_ = TimePoint::never();
  bool asked_ = false;  // something happened: look whether there is more to do
  bool dirty_ = false;  // a bridge has something to publish
  TimePoint next_action_ = TimePoint::never();
};

}  // namespace trunkline::sim
