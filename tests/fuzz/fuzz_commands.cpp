// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: a string of bytes as a play of commands for two shards in conversation: every verb
// of stack.h with right and wrong arguments, loss, reordering and duplication on the way, time, and
// packets of the grammar. Host checks what the stack promises as it goes; at the end nothing may
// be left.
#include <array>
#include <deque>
#include <string>
#include <vector>

#include "stage.h"

namespace {

using namespace trunkline;
using namespace trunkline::fuzz;

class Play {
 public:
  explicit Play(Input input) : input_(input), style_(input_.byte()) {}

  void run() {
    for (int step = 0; step < 400 && !input_.empty(); ++step) act(input_.byte());
    for (Side& side : sides_) side.stage.end(now_);
  }

 private:
  struct Side {
    Stage stage;
    std::deque<Packet> inbox;  // under way to it
    std::vector<Packet> past;  // some of what came before, to come again
    Grammar grammar;           // of whoever forges for it
    EndpointId second;         // a further endpoint, if it was made
  };

  Side& other(const Side& side) { return &side == &sides_[0] ? sides_[1] : sides_[0]; }
  static Host& host(Side& side) { return *side.stage.host; }
  static Shard& shard(Side& side) { return side.stage.host->shard(); }

  void act(uint8_t command) {
    Side& side = sides_[command & 1];
    switch (command >> 1 & 31) {
      case 0:
      case 1:
        return flow();
      case 2:
        host(side).connect(now_, other(side).stage.setup.addresses, other(side).stage.setup.port);
        return;
      case 3:
      case 4:
      case 5:
        return say(side);
      case 6:
        shard(side).shutdown(now_, host(side).assoc);
        return;
      case 7:
        shard(side).abort(now_, host(side).assoc, input_.take(input_.byte()));
        return;
      case 8:
        shard(side).request_heartbeat(now_, host(side).assoc,
                                      other(side).stage.setup.addresses.back());
        return;
      case 9:
        return pass(std::chrono::milliseconds(input_.byte()));
      case 10:
        return pass(std::chrono::milliseconds(100 * input_.byte()));
      case 11:
        return pass(std::chrono::seconds(input_.byte()));
      case 12:
        return collect(side);
      case 13:
        return deliver(side, input_.byte());
      case 14:  // lost
        if (!side.inbox.empty()) side.inbox.pop_front();
        return;
      case 15:  // overtaken
        if (side.inbox.size() > 1) {
          std::swap(side.inbox.front(), side.inbox[input_.byte() % side.inbox.size()]);
        }
        return;
      case 16:  // comes again
        if (!side.past.empty()) {
          host(side).receive(now_, side.past[input_.byte() % side.past.size()]);
        }
        return;
      case 17:
        return corrupt(side);
      case 18:
        host(side).keep_messages = !host(side).keep_messages;
        return;
      case 19:
        return host(side).read_kept(now_);
      case 20:  // the host begins again; a new shard takes milliseconds
        if (restarts_left_-- <= 0) return;
        side.stage.end(now_);
        side.stage.begin(++seed_, now_);
        side.second = {};
        return;
      case 21:
        shard(side).set_listening(host(side).endpoint, input_.byte() % 2 == 0, 7);
        return;
      case 22:
        return use_rarely(side);
      default:
        return forge(side);
    }
  }

  void say(Side& side) {
    Host::SendOptions options;
    const uint8_t how = input_.byte();
    options.stream = how & 15;
    options.unordered = (how & 16) != 0;
    options.sack_immediately = (how & 32) != 0;
    options.piece_size = (how & 64) != 0 ? 100 : SIZE_MAX;
    size_t size = input_.byte();
    if ((how & 128) != 0) size *= 37;
    host(side).send(now_, std::string(size, 'm'), options);
  }

  // What a program calls seldom, or calls with what is not there.
  void use_rarely(Side& side) {
    const uint8_t what = input_.byte();
    const AssocId gone{input_.number(1), input_.number(1) % 6, 0};
    AssocStatus status;
    switch (what % 11) {
      case 0:
        host(side).send_on(now_, gone, "to nobody", {});
        return;
      case 1:
        shard(side).shutdown(now_, gone);
        return;
      case 2:
        shard(side).abort(now_, gone, {});
        return;
      case 3:
        shard(side).request_heartbeat(now_, host(side).assoc, IpAddress::ipv4(203, 0, 113, what));
        return;
      case 4:
        FUZZ_CHECK((shard(side).set_user(gone, what) == Status::kOk) ==
                   shard(side).status(gone, status));
        return;
      case 5:
        return add_second(side);
      case 6:
        shard(side).close_endpoint(what < 128 ? side.second : host(side).endpoint);
        return;
      case 7:
        return connect_oddly(side, what);
      case 8:
        if (!shard(side).status(gone, status)) shard(side).consumed(now_, gone, what);
        return;
      case 9:  // a clock that stands
        return pass(Duration{0});
      default:
        host(side).connect(now_, other(side).stage.setup.addresses, PortNumber(7777));
        return;
    }
  }
  void add_second(Side& side) {
    EndpointConfig config;
    config.addresses = side.stage.setup.addresses;
    const uint8_t how = input_.byte();
    config.port = PortNumber(how < 128 ? 7777 : 0);
    if ((how & 1) != 0) config.addresses.clear();  // all that the host has, and loopback
    config.listening = true;
    config.profile = side.stage.setup.profile;
    const EndpointResult result = shard(side).add_endpoint(config);
    if (result.status == Status::kOk) side.second = result.endpoint;
  }
  void connect_oddly(Side& side, uint8_t what) {
    Profile profile = side.stage.setup.profile;
    profile.heartbeat_interval = Duration{0};
    profile.linear_backoff = true;
    profile.sack_frequency = 1;
    profile.max_burst = 0;
    if ((what & 8) != 0) profile.loss_recovery = LossRecovery::kEarly;
    if ((what & 12) == 12) profile.loss_recovery = LossRecovery::kRack;
    std::vector<IpAddress> peers = other(side).stage.setup.addresses;
    if ((what & 0x10) != 0) peers.push_back(IpAddress::ipv4(224, 0, 0, 1));
    if ((what & 0x20) != 0) peers.push_back(peers.front());
    if ((what & 0x40) != 0) peers.clear();
    if ((what & 0x80) != 0) peers.insert(peers.end(), 12, IpAddress::ipv4(198, 51, 100, what));
    host(side).connect(now_, peers, other(side).stage.setup.port, &profile, what);
  }

  void pass(Duration span) {
    now_ = now_ + span;
    for (Side& side : sides_) host(side).advance(now_);
  }
  void collect(Side& side) {
    for (Packet& packet : side.stage.listen(now_)) {
      Side& to = other(side);
      if (to.past.size() < 64) {
        to.past.push_back(packet);
      } else {
        to.past[packet.bytes.size() / 4 % 64] = packet;
      }
      if (to.inbox.size() < 200) to.inbox.push_back(std::move(packet));
    }
  }
  // A burst of some packets.
  void deliver(Side& side, size_t count) {
    std::vector<Packet> burst;
    for (; count > 0 && !side.inbox.empty(); --count) {
      burst.push_back(std::move(side.inbox.front()));
      side.inbox.pop_front();
    }
    if (!burst.empty()) host(side).receive(now_, burst);
    side.stage.check_bounds();
  }
  void flow() {
    for (int round = 0; round < 6; ++round) {
      for (Side& side : sides_) {
        collect(side);
        deliver(other(side), 255);
      }
    }
  }
  // A real packet with some bytes changed, and the checksum made good.
  void corrupt(Side& side) {
    if (side.past.empty()) return;
    Packet packet = side.past[input_.byte() % side.past.size()];
    for (int n = input_.byte() % 4; n >= 0; --n) {
      const size_t at = 12 + input_.word() % (packet.bytes.size() - 12);
      packet.bytes[at] ^= input_.byte();
    }
    wire::write_checksum(packet.bytes);
    host(side).receive(now_, packet);
  }
  void forge(Side& side) {
    const HostSetup& from = other(side).stage.setup;
    host(side).receive(
        now_, side.grammar.packet(input_, side.stage.as_victim(from.addresses, from.port, now_)));
    side.stage.check_bounds();
  }

  Input input_;
  uint8_t style_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  uint64_t seed_ = 2;
  std::array<Side, 2> sides_{Side{Stage(1, host_setup(1, style_), now_), {}, {}, {}, {}},
                             Side{Stage(2, host_setup(2, style_), now_), {}, {}, {}, {}}};
  int restarts_left_ = 3;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Play(Input({data, size})).run();
  return 0;
}
