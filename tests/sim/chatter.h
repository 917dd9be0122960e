// SPDX-License-Identifier: BSD-3-Clause
// The application of a simulated host: keeps every side of every planned association that lives
// there, sends and reads as planned, ends them as planned, and tries some wrong calls on the way.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "planned_application.h"

namespace trunkline::sim {

class Chatter final : public PlannedApplication {
 public:
  Chatter(Simulator& simulator, const Plan& plan, HostIndex host, Meetings& meetings);

  void started(Host& host, TimePoint now) override;
  void crashed(Host& host, TimePoint now) override;
  void on_event(Host& host, TimePoint now, RecordId record, Event& event) override;
  [[nodiscard]] TimePoint next_action() const override { return next_action_; }
  void act(Host& host, TimePoint now) override;
  [[nodiscard]] uint32_t window_of(PortNumber) const override {
    return plan_.hosts[host_].profile.a_rwnd;
  }
  [[nodiscard]] uint32_t memory_of(PortNumber) const override {
    const Profile& profile = plan_.hosts[host_].profile;
    return std::max(profile.a_rwnd, profile.receive_memory);
  }
  [[nodiscard]] uint64_t kept_blocks() const override;
  void end_turn(Host& host, TimePoint now, uint16_t shard) override;
  [[nodiscard]] uint64_t unread_of(uint16_t shard) const override;

  [[nodiscard]] bool finished() const override;
  // Endpoints that were closed are gone, the others can be closed and opened anew.
  void check_end(Host& host, TimePoint now) override;
  [[nodiscard]] std::string pending() const override;

 private:
  enum class Phase : uint8_t { kWaiting, kConnecting, kUp, kOver };

  struct Kept {
    Event event;
    TimePoint take_at;
    uint32_t offset = 0;  // in its message
  };

  // An endpoint of this host: at every shard, or an ephemeral one at the shard that calls.
  struct Bound {
    uint16_t port = 0;
    BoundAddresses addresses;
    uint8_t end = 0;
    std::vector<EndpointId> ids;  // by shard
    uint16_t first = 0;           // the shards that have it
    uint16_t count = 0;
  };

  // A message that lies in the reader's own memory.
  struct Unread {
    uint32_t bytes = 0;
    TimePoint read_at;
  };

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
    size_t bound = SIZE_MAX;  // in bounds_
    bool endpoint_closed = false;
    uint64_t user = 0;         // what its events must carry
    uint64_t former_user = 0;  // or, those that waited when that was set

    Phase phase = Phase::kWaiting;
    bool ever_up = false;
    TimePoint connect_at = TimePoint::never();
    AssocId id;
    RecordId record = kNoRecord;
    TimePoint up_since;
    uint16_t streams = 1;
    uint32_t sent = 0;
    uint32_t received = 0;
    uint32_t refusals = 0;   // of connect(), for want of memory
    uint32_t to_answer = 0;  // ping-pong: messages that wait for an answer
    bool blocked = false;    // kWouldBlock; the next acknowledgement frees it
    bool closing = false;    // shutdown() or the peer's; no more messages
    bool ended_it = false;   // shutdown() or abort() was called
    bool asked = false;      // something happened: look whether there is more to do
    TimePoint next_send = TimePoint::never();
    TimePoint look_at;  // again, whether it may end
    TimePoint stalled_until;
    TimePoint closing_since = TimePoint::never();
    std::deque<Kept> kept;
    size_t kept_bytes = 0;
    std::deque<Unread> unread;  // older than what is kept
    uint32_t unread_bytes = 0;
    uint32_t unread_told = 0;    // as the shard knows it
    uint32_t unread_least = 0;   // that it knew since it was last asked for packets
    uint32_t unread_before = 0;  // what is left of when the peer restarted
    uint32_t turn_bytes = 0;     // delivered in this turn
    uint32_t most_of_a_turn = 0;
  };

  Side* side_of(AssocId id);
  // The one whose peer is there, at whichever address, and called at `bound`.
  Side* side_for(HostIndex peer_host, size_t bound, const IpAddress& peer, uint16_t peer_port);
  [[nodiscard]] size_t bound_of(uint16_t shard, EndpointId endpoint) const;
  // SIZE_MAX: no ephemeral port is left.
  size_t bind(Host& host, TimePoint now, const Side& side, uint16_t first, uint16_t count);
  bool bind_ephemeral(Host& host, TimePoint now, Side& side, uint16_t shard);
  void try_to_take(Host& host, TimePoint now, const Bound& bound);
  // At every shard that has it; kOk if it was there.
  Status close(Host& host, const Bound& bound);
  [[nodiscard]] Meeting& meeting(const Side& side) const {
    return meetings_[static_cast<size_t>(side.assoc - plan_.assocs.data())];
  }
  // One of the peer's addresses, to which there is a path.
  [[nodiscard]] IpAddress peer_address(Host& host, const Side& side) const;
  void connect(Host& host, TimePoint now, Side& side);
  void begin(TimePoint now, Side& side, AssocId id, RecordId record);
  void up(Host& host, TimePoint now, Side& side, const Event& event);
  void over(Host& host, TimePoint now, Side& side, const Event& event);
  void got_message(Host& host, TimePoint now, Side& side, Event& event);
  void take_kept(Host& host, TimePoint now, Side& side);
  [[nodiscard]] static bool has_slots(const Side& side, size_t bytes) {
    return side.unread.empty() || side.unread_bytes + bytes <= side.plan->reader.slots;
  }
  void lend(TimePoint now, Side& side, size_t bytes);
  void read(Host& host, TimePoint now, Side& side);
  static void tell_unread(Host& host, Side& side);
  void limit_window(const Side& side);
  void check_unread(TimePoint now, const Side& side);
  void send_some(Host& host, TimePoint now, Side& side);
  [[nodiscard]] Reliability draw_limit();
  bool send_one(Host& host, TimePoint now, Side& side);
  void try_ending(Host& host, TimePoint now, Side& side);
  void edit_profile(Host& host, TimePoint now, const Side& side);
  void meddle(Host& host, TimePoint now, Side& side);
  void switch_primary(Host& host, TimePoint now, Side& side);
  void try_wrong_calls(Host& host, TimePoint now, Side& side);
  [[nodiscard]] bool has_sent_all(const Side& side) const;
  [[nodiscard]] TimePoint next_of(const Side& side) const;
  void update_next_action();
  void fail(TimePoint now, const std::string& what);

  Simulator& simulator_;
  const Plan& plan_;
  HostIndex host_;
  SeededRandom random_;
  Meetings& meetings_;
  std::deque<Side> sides_;
  std::vector<Bound> bounds_;
  TimePoint next_action_ = TimePoint::never();
};

}  // namespace trunkline::sim
