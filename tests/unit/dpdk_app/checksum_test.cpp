// SPDX-License-Identifier: BSD-3-Clause
// An association over ports with checksum offload and without, right and wrong: the port fills in
// what the stack leaves out, and what a port says of received packets is believed only so far.
#include <gtest/gtest.h>

#include "port/capabilities.h"
#include "port_model.h"
#include "trunkline/stack/stack.h"

namespace trunkline::port {
namespace {

using test::ModelPort;
using test::PortModel;
using test::ReceiveChecksum;

IpAddress address(std::string_view text) {
  return *IpAddress::parse(text);
}

// What the daemon makes of such a port.
PortCapabilities capabilities_of(const PortModel& model) {
  PortCapabilities can;
  can.rx_sctp_checksum = model.receive_checksum != ReceiveChecksum::kSilent;
  can.tx_sctp_checksum = model.send_checksum;
  return can;
}

ChecksumVerdict verdict_of(ChecksumState said) {
  if (said == ChecksumState::kGood) return ChecksumVerdict::kGood;
  return said == ChecksumState::kBad ? ChecksumVerdict::kBad : ChecksumVerdict::kNone;
}

// A host behind one port.
class End {
 public:
  End(uint64_t seed, std::string_view own, const PortModel& model)
      : port_(model, 1),
        offloads_(choose_offloads(capabilities_of(model))),
        random_(seed),
        directory_(make_directory(random_, 100)),
        shard_({}, *directory_, random_, now_) {
    EndpointConfig config;
    config.port = PortNumber(2905);
    config.addresses = {address(own)};
    config.listening = true;
    endpoint_ = shard_.add_endpoint(config).endpoint;
  }
  void connect(std::string_view peer) {
    const IpAddress to = address(peer);
    ConnectRequest request;
    request.endpoint = endpoint_;
    request.peer_addresses = {&to, 1};
    request.peer_port = PortNumber(2905);
    ASSERT_EQ(shard_.connect(now_, request).status, Status::kOk);
  }
  // What it has to say goes to `peer`, damaged on its way if asked for. True: there was something.
  bool talk(End& peer, bool damage) {
    std::array<uint8_t, 2048> room{};
    PacketOut out;
    out.room = room;
    out.checksum_by_port = offloads_.tx_sctp_checksum;
    if (shard_.transmit(now_, {&out, 1}) == 0) return false;
    const auto bytes = std::span(room).first(out.length);
    EXPECT_EQ(out.checksum_by_port && port_.fill_in(bytes), out.checksum_by_port);
    if (damage) bytes[13] ^= 0x10;  // flags of the first chunk
    PacketIn in{out.source, out.destination, bytes};
    in.checksum = believe(verdict_of(peer.port_.said_of(bytes)), peer.offloads_);
    peer.shard_.receive(now_, {&in, 1});
    while (peer.shard_.next_event() != nullptr) {
    }
    return true;
  }
  [[nodiscard]] bool is_up() const {
    const auto all = shard_.associations();
    AssocStatus status;
    return all.size() == 1 && shard_.status(all[0], status) &&
           status.state == AssocState::kEstablished;
  }
  [[nodiscard]] uint64_t bad() const { return shard_.counters().get(Counter::k_checksum_errors); }

 private:
  TimePoint now_ = TimePoint::from_ns(1'000'000'000);
  ModelPort port_;
  Offloads offloads_;
  SeededRandom random_;
  DirectoryPtr directory_;
  Shard shard_;
  EndpointId endpoint_;
};

std::vector<PortModel> every_port() {
  std::vector<PortModel> out;
  for (const ReceiveChecksum receive :
       {ReceiveChecksum::kSilent, ReceiveChecksum::kTells, ReceiveChecksum::kSaysBad}) {
    for (const bool send : {false, true}) {
      PortModel model;
      model.receive_checksum = receive;
      model.send_checksum = send;
      out.push_back(model);
    }
  }
  return out;
}

TEST(ChecksumOffload, AssociationsComeUpOverEveryPairOfPorts) {
  for (const PortModel& one : every_port()) {
    for (const PortModel& other : every_port()) {
      End a(1, "192.0.2.1", one);
      End z(26, "192.0.2.26", other);
      a.connect("192.0.2.26");
      for (int turn = 0; turn < 10; ++turn) {
        a.talk(z, false);
        z.talk(a, false);
      }
      EXPECT_TRUE(a.is_up() && z.is_up());
      EXPECT_EQ(a.bad() + z.bad(), 0u);
    }
  }
}

TEST(ChecksumOffload, DamageIsNoticedWhateverThePortSays) {
  for (const PortModel& model : every_port()) {
    End a(1, "192.0.2.1", every_port()[0]);
    End z(26, "192.0.2.26", model);
    a.connect("192.0.2.26");
    ASSERT_TRUE(a.talk(z, true));
    EXPECT_EQ(z.bad(), 1u);
    EXPECT_FALSE(z.talk(a, false)) << "no answer to what was damaged";
  }
}

}  // namespace
}  // namespace trunkline::port
