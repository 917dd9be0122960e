// SPDX-License-Identifier: BSD-3-Clause
// One worker: a shard, its queue pair of every port, its bridge to the applications, and the loop
// that runs them to completion. Everything in here belongs to one lcore; the control thread reaches
// it through the mailbox only.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "appring/bridge.h"
#include "capture/tap.h"
#include "config/config.h"
#include "net/counters.h"
#include "net/fragment.h"
#include "net/frame.h"
#include "net/icmp.h"
#include "net/output.h"
#include "net/reassembly.h"
#include "net/route.h"
#include "port/poll_guard.h"
#include "port/port.h"
#include "sockets/socket_bridge.h"
#include "trunkline/stack/stack.h"
#include "worker/clock.h"
#include "worker/counters.h"
#include "worker/hand_over.h"
#include "worker/mailbox.h"
#include "worker/port_queue.h"
#include "worker/worker_config.h"

namespace trunkline::worker {

class Worker {
 public:
  // `ports`, `clock`, `directory` and `hand_overs` outlive the worker.
  Worker(const WorkerConfig& config, std::span<const std::unique_ptr<port::Port>> ports,
         const TscClock& clock, Directory& directory, HandOvers& hand_overs);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // -- any thread
  // The loop; returns after stop().
  void run();
  void stop() { stop_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] Mailbox& mailbox() { return mailbox_; }
  [[nodiscard]] appring::BridgeMailbox& bridge_mailbox() { return bridge_.mailbox(); }
  // Null: no sockets are served.
  [[nodiscard]] sockets::SocketMail* socket_mail() { return socket_mail_.get(); }

  [[nodiscard]] uint16_t index() const { return config_.index; }

  // -- the worker's thread: closures in the mailbox, and tests
  [[nodiscard]] TimePoint now() const { return now_; }
  [[nodiscard]] Shard& shard() { return shard_; }
  [[nodiscard]] appring::Bridge& bridge() { return bridge_; }
  [[nodiscard]] sockets::SocketBridge* sockets() { return sockets_.get(); }  // null: as above
  [[nodiscard]] PortQueue& port(size_t index) { return *ports_[index]; }
  [[nodiscard]] size_t port_count() const { return ports_.size(); }
  [[nodiscard]] const net::NetCounters& net_counters() const { return net_counters_; }
  [[nodiscard]] const WorkerCounters& counters() const { return counters_; }
  void set_link(size_t port, bool up);
  void add_tap(std::shared_ptr<capture::Tap> tap) { taps_.push_back(std::move(tap)); }
  void remove_tap(const capture::Tap* tap);

 private:
  static constexpr uint16_t kBurst = port::kBurst;
  // kHandedOver: another worker has looked at it already.
  enum class Arrival : uint8_t { kFromPort, kLooped, kHandedOver };

  void iterate();
  // -- receive.cpp
  size_t receive_port(PortQueue& port);
  size_t receive_burst(PortQueue& port, uint16_t queue);
  // False: the mbuf has been used up or dropped. True: `packet` is SCTP for the stack and lies in
  // `mbuf`, which may be another one than before.
  bool take_frame(PortQueue& queue, rte_mbuf*& mbuf, PacketIn& packet);
  bool take_fragment(const net::Frame& frame, rte_mbuf*& mbuf, PacketIn& packet);
  void respond(PortQueue& queue, const net::Frame& frame, rte_mbuf* mbuf);
  void tell_icmp(const net::IcmpError& error, rte_mbuf* mbuf);
  void hear_icmp(const net::IcmpError& error);
  void drop_frame(PortQueue& queue, rte_mbuf* mbuf, net::NetCounter why);
  void deliver_events();
  // Hands a full burst to the shard; the mbufs are held until its events have been delivered.
  void give_to_shard();
  // -- exchange.cpp
  void look_at_hand_overs();
  size_t receive_hand_overs();
  void receive_hand_over(const HandOver& message);
  // Gives a packet of a port, of the loopback or of another worker to its owner, which may be here.
  void steer(const PacketIn& packet, rte_mbuf* mbuf, Arrival arrival, const PortQueue* queue);
  [[nodiscard]] uint16_t spread(const PacketIn& packet) const;
  // The packet, which lies in the mbuf, as a message.
  [[nodiscard]] static HandOver about(HandOverKind kind, const PacketIn& packet, rte_mbuf* mbuf);
  void hand_over_packet(uint16_t to, const PacketIn& packet, rte_mbuf* mbuf);
  // Takes the mbuf, if there is one. Full: counted as `full`.
  bool hand_over(uint16_t to, const HandOver& message, WorkerCounter full);
  void tell_lessons(const PortQueue& queue, const net::NeighbourActions& actions);
  void tell(uint16_t to, const HandOver& news);
  void publish_hand_overs();
  // -- transmit.cpp
  size_t transmit();
  void dispatch(const PacketOut& packet, rte_mbuf* mbuf);
  void dispatch_fragments(const PacketOut& packet, rte_mbuf* mbuf, const net::FragmentPlan& plan);
  // A packet, or one fragment of it, without its IP header.
  void dispatch_piece(const PacketOut& packet, rte_mbuf* mbuf, const net::FragmentField* fragment);
  void put_header(rte_mbuf* mbuf, const net::HeaderTemplate& header, const PacketOut& packet,
                  const net::FragmentField* fragment);
  void loop_back(const PacketOut& packet, rte_mbuf* mbuf);
  void drop_packet(rte_mbuf* mbuf, net::NetCounter why);
  bool refill_spares();
  void apply(PortQueue& queue, net::NeighbourActions& actions);
  void announce(PortQueue& queue);
  void send_frame(PortQueue& queue, rte_mbuf* mbuf);
  // -- worker.cpp
  void housekeep();
  void rest();
  void wait(Duration timeout);
  void tap_frame(uint16_t port, capture::Direction direction, const rte_mbuf* mbuf,
                 const capture::FrameFacts& facts, uint32_t drop);

  WorkerConfig config_;
  const TscClock& clock_;
  Mailbox mailbox_;
  port::PollGuard guard_;
  std::atomic<bool> stop_{false};  // any thread writes, the worker reads

  net::NetCounters net_counters_;
  WorkerCounters counters_;
  net::RouteTable routes_;
  std::vector<std::unique_ptr<PortQueue>> ports_;
  net::Output output_;
  net::NeighbourActions actions_;

  SecureRandom random_;
  net::Reassembler reassembler_;
  rte_mempool* joined_pool_ = nullptr;  // for what the reassembler put together
  Shard shard_;
  appring::Bridge bridge_;
  std::unique_ptr<sockets::SocketMail> socket_mail_;
  std::unique_ptr<sockets::SocketBridge> sockets_;

  TimePoint now_;
  TimePoint next_neighbours_;
  TimePoint last_work_;
  uint32_t idle_turns_ = 0;
  bool checksum_by_port_ = false;

  HandOvers& hand_overs_;
  std::vector<size_t> handed_in_;    // by giver: what lay there when the turn began
  std::array<PacketIn, kBurst> in_;  // the burst under way, and what holds its bytes
  std::array<rte_mbuf*, kBurst> held_{};
  uint16_t in_count_ = 0;
  rte_mempool* tx_pool_ = nullptr;
  std::array<rte_mbuf*, kBurst> spares_{};  // empty mbufs for the next packets
  std::array<PacketOut, kBurst> rooms_;
  size_t spare_count_ = 0;
  std::vector<std::shared_ptr<capture::Tap>> taps_;
};

}  // namespace trunkline::worker
