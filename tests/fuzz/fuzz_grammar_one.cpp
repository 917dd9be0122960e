// SPDX-License-Identifier: BSD-3-Clause
// Fuzz target: one endpoint, in any state of section 4, and a peer that speaks the grammar. The
// first byte says in which state the play begins; then packets, the user's verbs and time follow
// each other as the input says.
#include <array>

#include "stage.h"
#include "wire/cookie_chunk.h"
#include "wire/init_chunk.h"
#include "wire/sack_chunk.h"
#include "wire/shutdown_chunk.h"
#include "wire/valueless_chunks.h"

namespace {

using namespace trunkline;
using namespace trunkline::fuzz;
using Write = std::function<bool(wire::PacketWriter&)>;

class Play {
 public:
  explicit Play(Input input)
      : input_(input), state_(input_.byte()), style_(input_.byte()), stage_(1, setup(), now_) {}

  void run() {
    // The first packet after it, as after any packet that the harness sends, is the grammar's.
    reach(static_cast<AssocState>(state_ % 8));
    for (int step = 0; step < 300 && !input_.empty(); ++step) act(input_.byte());
    stage_.end(now_);
  }

 private:
  [[nodiscard]] HostSetup setup() const {
    HostSetup out = host_setup(1, style_);
    out.listening = (state_ & 8) == 0;
    return out;
  }
  Host& host() { return *stage_.host; }

  // ---- a correct peer, up to where the play begins

  void tell(VerificationTag tag, const Write& write) {
    std::vector<uint8_t> room(1500);
    wire::PacketWriter writer(room);
    writer.write_header(kPeerPort, stage_.setup.port, tag);
    FUZZ_CHECK(write(writer));
    const auto bytes = writer.finish(true);
    host().receive(now_, Packet{peers_[0], stage_.setup.addresses[0],
                                std::vector<uint8_t>(bytes.begin(), bytes.end())});
  }
  void tell(const Write& write) { tell(host().status().local_tag, write); }
  [[nodiscard]] wire::InitFields fields() const {
    return {Grammar::kPeerTag, 100'000, 10, 10, Grammar::kPeerTsn};
  }
  void acknowledge_all() {
    tell([&](wire::PacketWriter& w) {
      return wire::write_sack(w, host().status().next_tsn - 1, 100'000, {}, {});
    });
  }
  void be_called() {
    host().shard().set_listening(host().endpoint, true, 7);
    tell(VerificationTag(0),
         [&](wire::PacketWriter& w) { return wire::write_init(w, fields(), peers_); });
    stage_.listen(now_);
    FUZZ_CHECK(stage_.twin_fits(now_));
    tell(stage_.heard.initiate_tag,
         [&](wire::PacketWriter& w) { return wire::write_cookie_echo(w, stage_.heard.cookie); });
    stage_.listen(now_);
  }
  void call() {
    FUZZ_CHECK(host().connect(now_, peers_, kPeerPort).status == Status::kOk);
    stage_.listen(now_);
  }
  void answer_call() {
    const std::vector<uint8_t> cookie(60, 'c');
    tell(stage_.heard.initiate_tag,
         [&](wire::PacketWriter& w) { return wire::write_init_ack(w, fields(), peers_, cookie); });
    stage_.listen(now_);
  }
  void be_up() {
    if ((state_ & 16) != 0) return be_called();
    call();
    answer_call();
    tell(wire::write_cookie_ack);
  }
  void reach(AssocState wanted) {
    switch (wanted) {
      case AssocState::kClosed:
        break;
      case AssocState::kCookieWait:
        call();
        break;
      case AssocState::kCookieEchoed:
        call();
        answer_call();
        break;
      case AssocState::kEstablished:
        be_up();
        break;
      case AssocState::kShutdownPending:
      case AssocState::kShutdownSent:
        be_up();
        host().send(now_, "last words");
        host().shard().shutdown(now_, host().assoc);
        stage_.listen(now_);
        if (wanted == AssocState::kShutdownSent) acknowledge_all();
        break;
      case AssocState::kShutdownReceived:
      case AssocState::kShutdownAckSent: {
        be_up();
        host().send(now_, "last words");
        stage_.listen(now_);
        const Tsn before = host().status().next_tsn - 2;
        tell([&](wire::PacketWriter& w) { return wire::write_shutdown(w, before); });
        if (wanted == AssocState::kShutdownAckSent) acknowledge_all();
        break;
      }
    }
    stage_.listen(now_);
    FUZZ_CHECK(host().state() == wanted);
  }

  // ---- the play

  void act(uint8_t command) {
    switch (command % 16) {
      default:
        return forge(1);
      case 7:
        return forge(1 + input_.below(4));
      case 8:
      case 9:
        past_ = stage_.listen(now_);
        return;
      case 10:
        return pass(std::chrono::milliseconds(input_.byte()));
      case 11: {  // to whatever is due next
        const TimePoint next = host().shard().next_deadline();
        return next.is_never() || next < now_ ? pass(Duration{0}) : pass(next - now_);
      }
      case 12:
        return pass(std::chrono::seconds(input_.byte()));
      case 13:
        return reflect();
      case 14:
        return say();
      case 15:
        return use();
    }
  }
  void forge(int count) {
    std::vector<Packet> burst;
    for (; count > 0; --count) {
      burst.push_back(grammar_.packet(input_, stage_.as_victim(peers_, kPeerPort, now_)));
    }
    host().receive(now_, burst);
    stage_.check_bounds();
  }
  void pass(Duration span) {
    now_ = now_ + span;
    host().advance(now_);
  }
  // What the host said comes back to it.
  void reflect() {
    if (past_.empty()) return;
    Packet packet = past_[input_.byte() % past_.size()];
    std::swap(packet.source, packet.destination);
    if (input_.below(2) == 0) {
      store_be16(packet.bytes.data(), kPeerPort.value);
      store_be16(packet.bytes.data() + 2, stage_.setup.port.value);
      wire::write_checksum(packet.bytes);
    }
    host().receive(now_, packet);
  }
  void say() {
    Host::SendOptions options;
    const uint8_t how = input_.byte();
    options.stream = how & 15;
    options.unordered = (how & 16) != 0;
    options.sack_immediately = (how & 32) != 0;
    const size_t size = input_.byte();
    host().send(now_, std::string((how & 128) != 0 ? size * 37 : size, 'm'), options);
  }
  void use() {
    switch (input_.below(8)) {
      case 0:
        host().connect(now_, peers_, kPeerPort);
        return;
      case 1:
        host().shard().shutdown(now_, host().assoc);
        return;
      case 2:
        host().shard().abort(now_, host().assoc, input_.take(input_.byte()));
        return;
      case 3:
        host().shard().request_heartbeat(now_, host().assoc, peers_[input_.byte() % peers_.size()]);
        return;
      case 4:
        host().keep_messages = !host().keep_messages;
        return;
      case 5:
        return host().read_kept(now_);
      default:
        host().shard().set_listening(host().endpoint, input_.below(4) != 0, 7);
        return;
    }
  }

  static constexpr PortNumber kPeerPort{2905};

  Input input_;
  uint8_t state_;
  uint8_t style_;
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  std::vector<IpAddress> peers_ = {IpAddress::ipv4(198, 51, 100, 1),
                                   IpAddress::ipv4(198, 51, 100, 2)};
  Stage stage_;
  Grammar grammar_;
  std::vector<Packet> past_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Play(Input({data, size})).run();
  return 0;
}
