// SPDX-License-Identifier: BSD-3-Clause
// Hosts with real shards on a network of numbers, in a time that only jumps. One seed gives one
// run, byte for byte. Every packet passes the referee, every event the ledger.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "address_watch.h"
#include "consumer_watch.h"
#include "end_book.h"
#include "endpoint/port_table.h"
#include "ledger.h"
#include "network.h"
#include "packet_digest.h"
#include "path_watch.h"
#include "port_model.h"
#include "referee.h"
#include "trunkline/stack/stack.h"
#include "verdict.h"

namespace trunkline::sim {

class Host;
class Simulator;

// What runs on a host. Called from the host's iteration only.
class Application {
 public:
  virtual ~Application() = default;
  // The host has started (again): nothing of before exists.
  virtual void started(Host& host, TimePoint now) = 0;
  virtual void crashed(Host& host, TimePoint now) = 0;
  // The ledger has seen the event; the payload of a send event is dropped after the call.
  virtual void on_event(Host& host, TimePoint now, RecordId record, Event& event) = 0;
  // True: it takes events as shards give them, by deliver(). on_event() shows it each one before,
  // or each message of one, and leaves everything in its place.
  [[nodiscard]] virtual bool takes_whole() const { return false; }
  virtual void deliver(Host&, TimePoint, Event&) {}
  [[nodiscard]] virtual TimePoint next_action() const = 0;
  virtual void act(Host& host, TimePoint now) = 0;
  // The receive buffer of an association on this port.
  [[nodiscard]] virtual uint32_t window_of(PortNumber local_port) const = 0;
  // And what it may come to hold at most.
  [[nodiscard]] virtual uint32_t memory_of(PortNumber local_port) const = 0;
  // At the end of each turn of a shard, before it is asked for packets.
  virtual void end_turn(Host&, TimePoint, uint16_t /*shard*/) {}
  // Bytes of blocks that messages hold which were kept and not let go yet.
  [[nodiscard]] virtual uint64_t kept_blocks() const { return 0; }
  // Those among them that a shard holds for associations that are no more.
  [[nodiscard]] virtual uint64_t left_blocks(uint16_t /*shard*/) const { return 0; }
  // Of what a shard has delivered, what it was told to be unread: its windows are charged with it.
  [[nodiscard]] virtual uint64_t unread_of(uint16_t /*shard*/) const { return 0; }
};

// At which shard of a host a packet arrives. The port knows nothing of owners.
enum class Spread : uint8_t {
  kByFlow,     // addresses and ports
  kByPacket,   // by chance
  kByAddress,  // addresses only: each path of an association at another shard
  kWrong,      // never where it belongs
  kByPort,     // as a model of a NIC does
};

struct HostConfig {
  std::vector<IpAddress> addresses;
  ShardConfig shard;  // index and count are filled in
  uint16_t shards = 1;
  Spread spread = Spread::kByFlow;
  uint8_t port = 0;      // kByPort: which model
  Duration hand_over{};  // what the way from one shard to another takes: half of it more or less
  uint16_t hand_over_room = 0;  // packets on the way from one shard to another; 0: any number
  // What its packets say beside the truth (mangle.h): addresses that its INITs list, and no window
  // above `window_cap` while the cap lasts.
  std::vector<IpAddress> lists;
  uint32_t window_cap = UINT32_MAX;
  Duration window_cap_until{};
  PacketLimits limits;
  bool checksum_by_port = false;  // the port fills in and checks the checksums
  Duration poll{};                // the worker looks only at multiples of this; 0: at once
  uint16_t free_ports = 0;  // dynamic ports that others have left to applications; 0: all of them
  uint32_t loop_loss = 0;   // of what it sends to itself, as full rings do; parts per million
};

// A seed's sequence, in which many numbers of four bytes lie just before zero: TSNs that wrap.
class WrappingRandom final : public RandomSource {
 public:
  explicit WrappingRandom(uint64_t seed) : random_(seed), near_(seed) {}
  void fill(std::span<uint8_t> out) override;

 private:
  SeededRandom random_;
  uint64_t near_;  // each of them once: they are tags, too
};

class Host {
 public:
  Host(Simulator& simulator, HostIndex index, HostConfig config, Application& application);

  void start(TimePoint now);
  void crash(TimePoint now);  // all state is gone, nothing is sent
  // The worker loses its core.
  void pause_until(TimePoint time) { paused_until_ = time; }

  void deliver(TimePoint now, std::unique_ptr<NetPacket> packet);
  // ICMP says of `sent` that it was too big. What is forged must change no path's MTU.
  void told_too_big(TimePoint now, const PacketIn& sent, uint16_t mtu, bool forged);
  [[nodiscard]] TimePoint next_wake(TimePoint now) const;
  void iterate(TimePoint now);

  [[nodiscard]] bool alive() const { return !shards_.empty(); }
  [[nodiscard]] HostIndex index() const { return index_; }
  [[nodiscard]] uint32_t boot() const { return boot_; }
  [[nodiscard]] uint64_t hand_overs() const { return hand_overs_; }
  [[nodiscard]] uint64_t hand_over_losses() const { return hand_over_losses_; }
  [[nodiscard]] const HostConfig& config() const { return config_; }
  Shard& shard(uint16_t index = 0) { return *shards_[index]; }
  [[nodiscard]] uint16_t shard_count() const { return static_cast<uint16_t>(shards_.size()); }
  // The one that an id names; any other for an id that names none.
  Shard& shard_of(AssocId id) { return *shards_[id.shard % shards_.size()]; }
  [[nodiscard]] size_t association_count() const;
  Simulator& simulator() { return simulator_; }

  // What must be so whenever the worker rests, and what is looked at now and then.
  void check_accounts(TimePoint now);
  void audit(TimePoint now);
  // What holds when every association is gone.
  void check_empty(TimePoint now);
  // What holds when every endpoint is closed at every shard.
  void check_ports(TimePoint now);

 private:
  static constexpr size_t kBurst = 32;           // packets
  static constexpr size_t kRoom = 9000;          // for one of them
  static constexpr uint64_t kSomebodyElse = 99;  // an owner of ports

  // A packet at a shard: as it came, or handed over by another one.
  struct Waiting {
    TimePoint ready;
    uint8_t hand_overs = 0;
    std::unique_ptr<NetPacket> packet;
    bool looped = false;  // to this host from itself
  };
  struct Parties {
    Party ours;
    Party theirs;
  };

  void receive(TimePoint now);
  void receive(TimePoint now, uint16_t index);
  // `counts`: 1, or 0 where the other shard is to take it for a packet that came in there.
  void hand_over(TimePoint now, uint16_t from, uint16_t to, uint8_t counts, Waiting waiting);
  std::deque<Waiting>& ring(uint16_t from, uint16_t to) {
    return rings_[size_t{from} * config_.shards + to];
  }
  [[nodiscard]] TimePoint next_waiting() const;
  [[nodiscard]] uint16_t place_of(const Waiting& waiting);
  [[nodiscard]] uint16_t owner_of(const Waiting& waiting) const;
  void give(TimePoint now, Shard& shard, std::vector<Waiting>& burst);
  [[nodiscard]] PacketIn as_input(const Waiting& waiting) const;
  void audit(TimePoint now, uint16_t index);
  void check_owners(TimePoint now);
  [[nodiscard]] std::vector<uint32_t> path_mtus() const;
  [[nodiscard]] std::optional<uint16_t> shard_with(const PacketIn& sent) const;
  void check_paths(TimePoint now, const AssocStatus& status);
  void check_expired(TimePoint now);
  void drain_events(TimePoint now, Shard& shard);
  // False: something was wrong.
  bool take_event(TimePoint now, Shard& shard, Event& event);
  bool transmit(TimePoint now, uint16_t at);
  void loop_back(TimePoint now, uint16_t from, const PacketOut& packet);
  void mangle(TimePoint now, PacketOut& packet) const;
  void occupy_ports();
  // Whose address it is; this host's own for one that nobody has.
  [[nodiscard]] HostIndex host_at(const IpAddress& address) const;
  [[nodiscard]] Parties parties_of(const AssocStatus& status) const;
  void check_windows(TimePoint now);

  Simulator& simulator_;
  HostIndex index_;
  HostConfig config_;
  Application& application_;
  std::deque<WrappingRandom> randoms_;
  DirectoryPtr directory_;
  PortTablePtr ports_;
  std::vector<PortTable::Entry*> occupied_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::deque<Waiting>> inboxes_;  // by shard: what the port gave it
  std::vector<std::deque<Waiting>> rings_;    // by pair of shards: what one has for the other
  std::vector<PacketIn> burst_;
  test::ModelPort port_;
  SeededRandom arrivals_;
  TimePoint paused_until_;
  uint32_t boot_ = 0;
  uint64_t hand_overs_ = 0;
  uint64_t hand_over_losses_ = 0;
  uint64_t iterations_ = 0;
  uint64_t t3_expirations_ = 0;                            // of all shards, at the last look
  std::map<std::pair<uint64_t, size_t>, uint64_t> t3_of_;  // by association and path
  bool never_crashed_ = true;
};

class Simulator {
 public:
  struct Options {
    bool verbose = false;  // every packet and event to stdout, as it happens
    size_t remembered = 60;
    bool keeps_packets = false;  // for a forger
  };
  Simulator(uint64_t seed, Options options);

  Host& add_host(HostConfig config, Application& application);
  Host& host(HostIndex index) { return *hosts_[index]; }
  [[nodiscard]] size_t host_count() const { return hosts_.size(); }
  // No path may seem to fail: whoever asks is answered.
  void expect_sound_paths() { paths_are_sound_ = true; }
  // Something that happens to the network or a host at a moment.
  void at(TimePoint when, std::function<void(TimePoint)> what);
  // Until done() or a verdict, at most until `limit`, which itself is a failure.
  void run(const std::function<bool()>& done, TimePoint limit);
  // On for as long as something happens, at most for `span`. No failure.
  void run_for(Duration span);

  [[nodiscard]] TimePoint now() const { return now_; }
  [[nodiscard]] TimePoint start() const { return start_; }
  [[nodiscard]] uint64_t steps() const { return steps_; }
  [[nodiscard]] uint64_t packets() const { return packets_; }
  [[nodiscard]] uint64_t trace_hash() const { return trace_.value(); }
  // Random numbers for scenarios and applications, apart from those of network and stack.
  SeededRandom& random() { return random_; }
  [[nodiscard]] uint64_t seed() const { return seed_; }
  Network& network() { return network_; }
  Ledger& ledger() { return ledger_; }
  Referee& referee() { return referee_; }
  PathWatch& paths() { return paths_; }
  AddressWatch& addresses() { return addresses_; }
  EndBook& ends() { return ends_; }
  // Who speaks to whom, by the ports that begin the packet.
  [[nodiscard]] std::pair<Party, Party> parties_of(HostIndex from, HostIndex to,
                                                   const IpAddress& source,
                                                   const IpAddress& destination,
                                                   std::span<const uint8_t> bytes) const;
  [[nodiscard]] uint64_t looped() const { return looped_; }
  ConsumerWatch& consumers() { return consumers_; }
  Verdict& verdict() { return verdict_; }

  // A packet that passed, for who wants to forge others like it: a few of the last ones are kept.
  struct Seen {
    IpAddress source;
    IpAddress destination;
    std::vector<uint8_t> bytes;
  };
  [[nodiscard]] const Seen* any_seen_packet(SeededRandom& random) const;
  // Shows every packet that a host sends.
  void tap(std::function<void(const Seen&)> tap) { tap_ = std::move(tap); }
  // Delivers a packet that no host has sent. The referee does not judge it.
  void inject(TimePoint now, const IpAddress& source, const IpAddress& destination,
              std::vector<uint8_t> bytes);

  // ICMP to the sender of a packet: it was too big.
  void tell_too_big(TimePoint now, const Seen& sent, uint16_t mtu, bool forged);
  // From hosts. False: it is for the host itself, and goes to no link.
  [[nodiscard]] bool send_packet(TimePoint now, HostIndex from, const PacketOut& packet);
  void note_event(TimePoint now, HostIndex host, const Event& event);
  void note(TimePoint now, const std::string& text);
  // The last packets and notes, one a line.
  [[nodiscard]] std::string history() const;

 private:
  struct Remembered {
    TimePoint when;
    HostIndex from = 0;
    HostIndex to = 0;
    Fate fate = Fate::kPassed;
    std::vector<uint8_t> bytes;  // a packet, or
    std::string note;
  };
  struct Script {
    TimePoint when;
    std::function<void(TimePoint)> what;
  };

  bool step(TimePoint limit);
  void answer_too_big(TimePoint now, HostIndex from, HostIndex to, const Seen& sent,
                      bool fragments);
  void remember(Remembered entry);
  [[nodiscard]] static std::string line(const Remembered& entry);
  void check_addresses(TimePoint now, HostIndex from, const PacketOut& packet);

  uint64_t seed_;
  Options options_;
  Verdict verdict_;
  Network network_;
  Ledger ledger_;
  Referee referee_;
  PathWatch paths_;
  EndBook ends_;
  AddressWatch addresses_;
  ConsumerWatch consumers_;
  SeededRandom random_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<Script> scripts_;
  std::deque<Remembered> remembered_;
  std::vector<Seen> seen_;
  size_t next_seen_ = 0;
  std::function<void(const Seen&)> tap_;
  bool paths_are_sound_ = false;
  TimePoint start_ = TimePoint::from_ns(1'000'000'000);
  TimePoint now_ = start_;
  uint64_t steps_ = 0;
  uint64_t packets_ = 0;
  uint64_t looped_ = 0;
  test::PacketDigest trace_;
};

}  // namespace trunkline::sim
