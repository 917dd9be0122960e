// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: a string of bytes as a play of commands for two shards in conversation: the verbs
// of their users, loss, reordering and duplication on the way, time, and packets whose chunks come
// from the input, with tag and checksum set right so that they pass the gates. Host checks what
// the stack promises as it goes; at the end nothing may be left.
#include <algorithm>
#include <array>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "../unit/support/host.h"
#include "fuzz_check.h"

namespace {

using namespace trunkline;
using namespace trunkline::test;

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : rest_(bytes) {}
  uint8_t byte() { return rest_.empty() ? uint8_t{0} : take(1)[0]; }
  uint16_t word() { return static_cast<uint16_t>(byte() << 8 | byte()); }
  std::span<const uint8_t> take(size_t size) {
    const auto out = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(out.size());
    return out;
  }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::span<const uint8_t> rest_;
};

struct Side {
  std::unique_ptr<Host> host;
  HostSetup setup;
  std::deque<Packet> inbox;  // under way to it
  std::vector<Packet> past;  // some of what came before, to come again
};

class Play {
 public:
  explicit Play(Input input) : input_(input) {
    const uint8_t style = input_.byte();
    for (size_t i = 0; i < 2; ++i) {
      HostSetup& setup = sides_[i].setup;
      const auto last = static_cast<uint8_t>(10 * (i + 1));
      setup.addresses = {IpAddress::ipv4(192, 0, 2, last)};
      if ((style & 1) != 0) setup.addresses.push_back(IpAddress::ipv4(192, 0, 2, last + 1));
      setup.port = PortNumber(static_cast<uint16_t>(5000 + i));
      Profile& profile = setup.profile;
      profile.association_max_retrans = 4;
      profile.path_max_retrans = 2;
      profile.max_init_retransmits = 3;
      if ((style & 2) != 0) profile.a_rwnd = 8000;
      if ((style & 4) != 0) profile.path_mtu = 576;
      if ((style & 8) != 0) profile.max_message_size = 3000;
      profile.nagle = (style & 16) != 0;
      profile.one_data_per_packet = (style & 32) != 0;
      profile.send_buffer = 64 * 1024;
      setup.shard.max_associations = 4;
      setup.shard.max_outstanding_chunks = (style & 64) != 0 ? 8 : 512;
      setup.shard.max_queued_messages = 64;
      setup.shard.receive_buffer_bytes = (style & 128) != 0 ? 8192 : 1 << 18;
      start(i);
    }
  }

  void run() {
    for (int step = 0; step < 400 && !input_.empty(); ++step) act(input_.byte());
    for (Side& side : sides_) end(side);
  }

 private:
  void start(size_t i) { sides_[i].host = std::make_unique<Host>(++seed_, sides_[i].setup, now_); }
  void end(Side& side) {
    side.host->finish(now_);
    if (!side.host->violation().empty()) {
      std::fprintf(stderr, "%s\n", side.host->violation().c_str());
    }
    FUZZ_CHECK(side.host->violation().empty());
  }
  Side& other(const Side& side) { return &side == &sides_[0] ? sides_[1] : sides_[0]; }

  void act(uint8_t command) {
    Side& side = sides_[command & 1];
    switch (command >> 1 & 31) {
      case 0:
      case 1:
        return flow();
      case 2: {
        const std::vector<IpAddress>& peers = other(side).setup.addresses;
        side.host->connect(now_, peers, other(side).setup.port);
        return;
      }
      case 3:
      case 4:
      case 5:
        return say(side);
      case 6:
        side.host->shard().shutdown(now_, side.host->assoc);
        return;
      case 7: {
        const auto reason = input_.take(input_.byte());
        side.host->shard().abort(now_, side.host->assoc, reason);
        return;
      }
      case 8:
        side.host->shard().request_heartbeat(now_, side.host->assoc,
                                             other(side).setup.addresses.back());
        return;
      case 9:
        return pass(std::chrono::milliseconds(input_.byte()));
      case 10:
        return pass(std::chrono::milliseconds(100 * input_.byte()));
      case 11:
        return pass(std::chrono::seconds(input_.byte()));
      case 12:
        collect(side);
        return;
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
          side.host->receive(now_, side.past[input_.byte() % side.past.size()]);
        }
        return;
      case 17:
        return corrupt(side);
      case 18:
        side.host->keep_messages = !side.host->keep_messages;
        return;
      case 19:
        side.host->read_kept(now_);
        return;
      case 20:  // the host begins again; a new shard takes milliseconds
        if (restarts_left_-- <= 0) return;
        end(side);
        start(command & 1);
        return;
      case 21:
        side.host->shard().set_listening(side.host->endpoint, input_.byte() % 2 == 0, 7);
        return;
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
    side.host->send(now_, std::string(size, 'm'), options);
  }
  void pass(Duration span) {
    now_ = now_ + span;
    for (Side& side : sides_) side.host->advance(now_);
  }
  void collect(Side& side) {
    for (Packet& packet : side.host->transmit(now_)) {
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
    if (!burst.empty()) side.host->receive(now_, burst);
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
    side.host->receive(now_, packet);
  }
  // Chunks from the input, from the peer or a stranger, with a tag that fits or nearly.
  void forge(Side& side) {
    const Side& from = other(side);
    const uint8_t how = input_.byte();
    const AssocStatus status = side.host->status();
    VerificationTag tag = status.local_tag;
    if ((how & 3) == 1) tag = status.peer_tag;
    if ((how & 3) == 2) tag = VerificationTag(0);
    Packet packet;
    packet.source = from.setup.addresses[(how >> 2) % from.setup.addresses.size()];
    if ((how & 0x70) == 0x70) packet.source = IpAddress::ipv4(203, 0, 113, how);
    packet.destination = side.setup.addresses[0];
    packet.bytes.resize(12);
    store_be16(packet.bytes.data(), from.setup.port.value);
    store_be16(packet.bytes.data() + 2, side.setup.port.value);
    store_be32(packet.bytes.data() + 4, tag.value);
    for (int n = (how >> 3 & 1) + 1; n > 0; --n) append_chunk(side, status, packet.bytes);
    wire::write_checksum(packet.bytes);
    side.host->receive(now_, packet);
  }
  void append_chunk(Side& side, const AssocStatus& status, std::vector<uint8_t>& bytes) {
    static_cast<void>(side);
    const uint8_t type = input_.byte();
    const uint8_t flags = input_.byte();
    const auto value = input_.take(input_.byte());
    const size_t at = bytes.size();
    bytes.resize(at + 4 + value.size());
    bytes[at] = type;
    bytes[at + 1] = flags;
    store_be16(&bytes[at + 2], static_cast<uint16_t>(4 + value.size()));
    std::copy(value.begin(), value.end(), bytes.begin() + static_cast<ptrdiff_t>(at + 4));
    // TSNs near the present ones: the first two bytes of the input are an offset.
    if (value.size() >= 4) {
      const auto offset = static_cast<int16_t>(value[2] << 8 | value[3]);
      if (type == 0) {
        store_be32(&bytes[at + 4], status.cum_tsn_ack.value + static_cast<uint32_t>(offset));
      } else if (type == 3 || type == 7) {
        store_be32(&bytes[at + 4], status.next_tsn.value - 1 + static_cast<uint32_t>(offset));
      }
    }
    while (bytes.size() % 4 != 0) bytes.push_back(0);
  }

  Input input_;
  std::array<Side, 2> sides_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  uint64_t seed_ = 0;
  int restarts_left_ = 3;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Play(Input({data, size})).run();
  return 0;
}
