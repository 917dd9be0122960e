// SPDX-License-Identifier: BSD-3-Clause
// ICMP (RFC 9260 section 10): that nobody speaks SCTP at an address ends an association there, but
// only if the message proves that it quotes a packet of ours. What else ICMP may say never comes so
// far: dpdk_app/icmp_test.cpp.
#include "support/states.h"

namespace trunkline::test {
namespace {

class Section10Icmp : public InEveryState {
 protected:
  // ICMP quotes the first `size` bytes of that packet of the host.
  void quote(const Packet& sent, size_t size = SIZE_MAX) {
    const std::vector<uint8_t> bytes(
        sent.bytes.begin(),
        sent.bytes.begin() + static_cast<ptrdiff_t>(std::min(size, sent.bytes.size())));
    host().shard().protocol_unreachable(now, {sent.source, sent.destination, bytes});
    host().drain(now);
  }
  // A packet as the host might have sent it, with that tag.
  [[nodiscard]] Packet sent(VerificationTag tag) const {
    return build(host_address, peer_address, host_port, peer_port, tag, wire::write_cookie_ack);
  }
  [[nodiscard]] Packet sent_init(VerificationTag initiate_tag) const {
    return build(host_address, peer_address, host_port, peer_port, VerificationTag(0),
                 [&](PacketWriter& w) {
                   return wire::write_init(w, {initiate_tag, 10000, 1, 1, Tsn(1)}, {});
                 });
  }
  void expect_ignored(AssocState state, const std::string& what) {
    EXPECT_EQ(host().state(), state) << what;
    EXPECT_EQ(hear(), "") << what;
    EXPECT_EQ(host().count(Counter::k_drop_icmp), ++ignored_) << what;
  }

 private:
  uint64_t ignored_ = 0;
};

TEST_F(Section10Icmp, ProtocolUnreachableWithThePeersTagEndsItLikeAnAbort) {
  for (const AssocState state : kOpenStates) {
    if (state == AssocState::kCookieWait) continue;  // there is no such tag yet
    reach(state);
    quote(sent(peer_tag), 8);  // as little as a router of IPv4 may quote
    EXPECT_EQ(hear(), "") << state_name(state);
    EXPECT_EQ(host().shard().association_count(), 0u) << state_name(state);
    const Seen& end = host().events.back();
    EXPECT_EQ(end.kind, opening(state) ? EventKind::kConnectFailed : EventKind::kLost);
    EXPECT_EQ(end.reason, opening(state) ? Reason::kRefused : Reason::kReset);
    leave();
  }
}

TEST_F(Section10Icmp, AnyOtherTagProvesNothing) {
  for (const AssocState state : kOpenStates) {
    reach(state);
    const std::string what(state_name(state));
    for (const VerificationTag tag :
         {VerificationTag(peer_tag.value ^ 1), host_tag, VerificationTag(0)}) {
      quote(sent(tag));
      expect_ignored(state, what);
    }
    quote(sent(peer_tag), 7);
    expect_ignored(state, what + ", cut within the tag");
    quote(sent(peer_tag), 0);
    expect_ignored(state, what + ", nothing quoted");
    if (state != AssocState::kCookieWait) {
      quote(sent_init(host_tag));
      expect_ignored(state, what + ", an INIT that has been answered since");
    }
    leave();
  }
}

TEST_F(Section10Icmp, InCookieWaitTheInitThatWasSentIsProof) {
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  const Packet init = hear_one();
  ASSERT_EQ(init.names(), "INIT");
  const VerificationTag chosen = host().status().local_tag;
  quote(init, 12 + 4 + 3);
  expect_ignored(AssocState::kCookieWait, "cut within the Initiate Tag");
  quote(sent_init(VerificationTag(chosen.value ^ 1)));
  expect_ignored(AssocState::kCookieWait, "another Initiate Tag");
  Packet other = init;
  other.bytes[12] = static_cast<uint8_t>(ChunkType::kInitAck);
  quote(other);
  expect_ignored(AssocState::kCookieWait, "another chunk");
  quote(init, 12 + 4 + 4);
  EXPECT_EQ(host().last(EventKind::kConnectFailed).reason, Reason::kRefused);
  EXPECT_EQ(host().shard().association_count(), 0u);
}

TEST_F(Section10Icmp, AQuotedPacketOfNoAssociationIsIgnored) {
  open();
  Packet wrong = sent(peer_tag);
  wrong.source = ip("192.0.2.9");
  quote(wrong);
  expect_ignored(AssocState::kEstablished, "another address of ours");
  wrong = sent(peer_tag);
  wrong.destination = ip("198.51.100.9");
  quote(wrong);
  expect_ignored(AssocState::kEstablished, "another address of the peer");
  for (const size_t at : {size_t{1}, size_t{3}}) {
    wrong = sent(peer_tag);
    wrong.bytes[at] ^= 1;
    quote(wrong);
    expect_ignored(AssocState::kEstablished, "another port");
  }
  wrong = sent(peer_tag);
  std::swap(wrong.source, wrong.destination);
  quote(wrong);
  expect_ignored(AssocState::kEstablished, "the other way round");
}

}  // namespace
}  // namespace trunkline::test
