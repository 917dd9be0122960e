// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: two endpoints that set up, talk and shut down as correct users have them do, and a
// man in the middle whom the input drives: each packet passes, is lost, comes twice, late, altered
// under a right checksum, with one more chunk of the grammar inside, or is joined by a forged one.
// When he leaves, both go on alone for some minutes. If all he did was to lose, delay and repeat,
// every message has arrived once and in order, unless the association is lost.
#include <array>
#include <deque>
#include <string>

#include "stage.h"

namespace {

using namespace trunkline;
using namespace trunkline::fuzz;

class Play {
 public:
  explicit Play(Input input)
      : input_(input),
        plot_(input_.byte()),
        ends_{Stage(1, host_setup(1, input_.byte()), now_),
              Stage(2, host_setup(2, input_.byte()), now_)} {}

  void run() {
    dial(0);
    if ((plot_ & 1) != 0) dial(1);  // both call at once
    for (int step = 0; step < 250 && !input_.empty(); ++step) {
      live();
      for (size_t to = 0; to < 2; ++to) meddle(to);
      if (idle()) pass_to_deadline();
    }
    settle();
    if (!tampered_) judge();
    for (Stage& end : ends_) end.end(now_);
  }

 private:
  Host& host(size_t i) { return *ends_[i].host; }
  [[nodiscard]] Victim victim(size_t i) const {
    const HostSetup& other = ends_[1 - i].setup;
    return ends_[i].as_victim(other.addresses, other.port, now_);
  }
  void dial(size_t from) {
    const HostSetup& other = ends_[1 - from].setup;
    host(from).connect(now_, other.addresses, other.port);
  }

  // What both users and the network do by themselves.
  void live() {
    for (size_t i = 0; i < 2; ++i) {
      if (host(i).state() == AssocState::kEstablished && said_[i] < kMessages) {
        Host::SendOptions options;
        options.stream = static_cast<uint16_t>(said_[i] % 3);
        const size_t size = said_[i] % 4 == 3 ? 2500 : 20;
        std::string text = std::to_string(said_[i]);
        text.resize(size, 'm');
        if (host(i).send(now_, text, options) == Status::kOk) ++said_[i];
      }
      // The one who called first hangs up when all is said, or both do.
      const bool hangs_up = (plot_ & 2) != 0 && (i == 0 || (plot_ & 4) != 0);
      if (hangs_up && said_[i] == kMessages) host(i).shard().shutdown(now_, host(i).assoc);
    }
    for (size_t i = 0; i < 2; ++i) {
      for (Packet& packet : ends_[i].listen(now_)) {
        std::deque<Packet>& wire = wires_[1 - i];
        if (past_[1 - i].size() < 32) past_[1 - i].push_back(packet);
        if (wire.size() < 200) wire.push_back(std::move(packet));
      }
    }
  }
  [[nodiscard]] bool idle() const { return wires_[0].empty() && wires_[1].empty(); }
  void pass_to_deadline() {
    const TimePoint next =
        std::min(host(0).shard().next_deadline(), host(1).shard().next_deadline());
    if (next.is_never()) return;
    now_ = std::max(now_, next);
    for (size_t i = 0; i < 2; ++i) host(i).advance(now_);
  }
  void deliver(size_t to, const Packet& packet) {
    host(to).receive(now_, packet);
    ends_[to].check_bounds();
  }

  // ---- the man in the middle

  void meddle(size_t to) {
    const uint8_t how = input_.byte();
    std::deque<Packet>& wire = wires_[to];
    if (wire.empty()) {
      if ((how & 0x1f) == 0x1f) forge(to);
      return;
    }
    Packet packet = std::move(wire.front());
    wire.pop_front();
    switch (how & 0x1f) {
      default:  // and with it some of those behind it
        deliver(to, packet);
        for (int n = how >> 5; n > 0 && !wire.empty(); --n) {
          deliver(to, wire.front());
          wire.pop_front();
        }
        return;
      case 16:
      case 17:
        return;  // lost
      case 18:
        deliver(to, packet);
        return deliver(to, packet);
      case 19:  // the one behind it overtakes
        wire.insert(wire.begin() + static_cast<ptrdiff_t>(std::min<size_t>(wire.size(), how >> 5)),
                    std::move(packet));
        return;
      case 20:  // something old comes again
        deliver(to, packet);
        return deliver(to, past_[to][input_.byte() % past_[to].size()]);
      case 21:  // time goes by
        now_ = now_ + std::chrono::milliseconds(20 * input_.byte());
        for (size_t i = 0; i < 2; ++i) host(i).advance(now_);
        return deliver(to, packet);
      case 22:
      case 23:
        return alter(to, packet);
      case 24:
      case 25:
        return extend(to, packet);
      case 26:
      case 27:
        return repeat_chunk(to, packet);
      case 28:
        forge(to);
        return deliver(to, packet);
      case 29:
        deliver(to, packet);
        return forge(to);
      case 30:
        return forge(to);  // instead
    }
  }
  void deliver_altered(size_t to, Packet& packet) {
    tampered_ = true;
    wire::write_checksum(packet.bytes);
    deliver(to, packet);
  }
  void alter(size_t to, Packet& packet) {
    for (int n = input_.below(3); n >= 0; --n) {
      const size_t at = 12 + input_.word() % (packet.bytes.size() - 12);
      packet.bytes[at] ^= input_.byte();
    }
    deliver_altered(to, packet);
  }
  void extend(size_t to, Packet& packet) {
    const Victim target = victim(to);
    if (input_.below(2) == 0) {
      grammar_[to].append_chunk(input_, target, packet.bytes);
    } else {  // before the others
      std::vector<uint8_t> bytes(packet.bytes.begin(), packet.bytes.begin() + 12);
      grammar_[to].append_chunk(input_, target, bytes);
      while (bytes.size() % 4 != 0) bytes.push_back(0);
      bytes.insert(bytes.end(), packet.bytes.begin() + 12, packet.bytes.end());
      packet.bytes = std::move(bytes);
    }
    deliver_altered(to, packet);
  }
  // One chunk twice, or without the others.
  void repeat_chunk(size_t to, Packet& packet) {
    const std::vector<wire::ChunkView> chunks = packet.chunks();
    if (chunks.empty()) return;
    const auto whole = chunks[input_.byte() % chunks.size()].whole;
    const std::vector<uint8_t> copy(whole.begin(), whole.end());
    if (input_.below(2) == 0) packet.bytes.resize(12);
    packet.bytes.insert(packet.bytes.end(), copy.begin(), copy.end());
    while (packet.bytes.size() % 4 != 0) packet.bytes.push_back(0);
    deliver_altered(to, packet);
  }
  void forge(size_t to) {
    tampered_ = true;
    deliver(to, grammar_[to].packet(input_, victim(to)));
  }

  // ---- afterwards

  void settle() {
    const TimePoint end = now_ + std::chrono::minutes(3);
    for (int i = 0; i < 1500 && now_ < end; ++i) {
      live();
      for (size_t to = 0; to < 2; ++to) {
        for (; !wires_[to].empty(); wires_[to].pop_front()) deliver(to, wires_[to].front());
      }
      if (!host(0).shard().has_output() && !host(1).shard().has_output()) pass_to_deadline();
    }
  }
  void judge() {
    for (size_t i = 0; i < 2; ++i) {
      const size_t failures = host(i).count(EventKind::kLost) +
                              host(i).count(EventKind::kConnectFailed) +
                              host(i).count(EventKind::kRestarted);
      if (failures != 0) return;
    }
    for (size_t i = 0; i < 2; ++i) {
      std::array<uint64_t, 3> next = {0, 1, 2};
      uint64_t received = 0;
      for (const test::Seen& seen : host(1 - i).events) {
        if (seen.kind != EventKind::kMessage) continue;
        FUZZ_CHECK(seen.stream.value < next.size());
        FUZZ_CHECK(std::stoull(seen.text) == next[seen.stream.value]);
        next[seen.stream.value] += 3;
        ++received;
      }
      FUZZ_CHECK(received == said_[i]);
      FUZZ_CHECK(host(i).shard().pool_usage().messages_used == 0);
    }
  }

  static constexpr uint64_t kMessages = 16;

  Input input_;
  uint8_t plot_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  std::array<Stage, 2> ends_;
  std::array<Grammar, 2> grammar_;           // whoever attacks that end
  std::array<std::deque<Packet>, 2> wires_;  // under way to that end
  std::array<std::vector<Packet>, 2> past_;  // some of what was
  std::array<uint64_t, 2> said_{};
  bool tampered_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Play(Input({data, size})).run();
  return 0;
}
