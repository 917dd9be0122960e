// SPDX-License-Identifier: BSD-3-Clause
// Rules of RFC 9260, section 3.3.2 (INIT), that no part's own tests prove: what ours holds, what is
// done with impossible ones in every state, addresses.
#include <map>
#include <set>

#include "support/pair.h"

namespace trunkline::test {
namespace {

using wire::ParameterType;

class Section3Init : public Peer {
 protected:
  // How often each parameter comes; an address counts by its value.
  static std::map<std::vector<uint8_t>, int> census(const Packet& packet) {
    std::map<std::vector<uint8_t>, int> out;
    for (const wire::ParameterView& parameter : parameters_of(packet)) {
      const bool is_address = parameter.type == ParameterType::kIpv4Address ||
                              parameter.type == ParameterType::kIpv6Address;
      const auto key = is_address ? parameter.whole : parameter.whole.first(2);
      ++out[{key.begin(), key.end()}];
    }
    return out;
  }
  void expect_sound_init(const Packet& packet, std::vector<uint8_t> address_types,
                         size_t address_count, bool with_preservative = false) {
    ASSERT_EQ(packet.names(), "INIT");
    size_t addresses = 0;
    for (const auto& [key, count] : census(packet)) {
      EXPECT_EQ(count, 1) << "parameter " << int{key[0]} << "," << int{key[1]};
      addresses += key.size() > 2 ? 1u : 0u;
    }
    EXPECT_EQ(addresses, address_count);
    // Supported Address Types, Supported Extensions, Forward-TSN-Supported.
    EXPECT_EQ(census(packet).size(), address_count + (with_preservative ? 4 : 3));
    std::vector<uint8_t> types;
    for (const wire::ParameterView& parameter : parameters_of(packet)) {
      EXPECT_NE(parameter.type, ParameterType::kHostNameAddress);
      if (parameter.type != ParameterType::kSupportedAddressTypes) continue;
      types.assign(parameter.value.begin(), parameter.value.end());
    }
    EXPECT_EQ(types, address_types) << "families that we have, and no host names";
  }
  // What a packet must not have changed.
  void expect_unchanged(const AssocStatus& before, size_t events) {
    const AssocStatus after = host().status();
    EXPECT_EQ(after.state, before.state);
    EXPECT_EQ(after.local_tag, before.local_tag);
    EXPECT_EQ(after.peer_tag, before.peer_tag);
    EXPECT_EQ(after.next_tsn, before.next_tsn);
    EXPECT_EQ(after.cum_tsn_ack, before.cum_tsn_ack);
    EXPECT_EQ(after.peer_rwnd, before.peer_rwnd);
    EXPECT_EQ(after.outbound_streams, before.outbound_streams);
    EXPECT_EQ(after.paths.size(), before.paths.size());
    EXPECT_EQ(host().events.size(), events);
  }
};

TEST_F(Section3Init, OursHasEachParameterOnceAndNoHostName) {
  struct Row {
    std::vector<IpAddress> addresses;
    std::vector<uint8_t> types;
    size_t announced;
  };
  const Row rows[] = {
      {{ip("192.0.2.1")}, {0, 5}, 0},
      {{ip("192.0.2.1"), ip("192.0.2.2"), ip("127.0.0.1")}, {0, 5}, 2},
      {{ip("192.0.2.1"), ip("2001:db8::1"), ip("2001:db8::2")}, {0, 5, 0, 6}, 3},
  };
  for (const Row& row : rows) {
    setup.addresses = row.addresses;
    ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
    const Packet init = hear_one();
    expect_sound_init(init, row.types, row.announced);
    // Again, with a Cookie Preservative.
    host_tag = host().status().local_tag;
    cookie = {1};
    tell([&](PacketWriter& w) { return wire::write_init_ack(w, init_fields(), {}, cookie); });
    EXPECT_EQ(hear(), "COOKIE ECHO");
    tell([](PacketWriter& w) {
      return w.begin_chunk(ChunkType::kError, 0) && wire::append_stale_cookie(w, 1000) &&
             w.end_chunk();
    });
    expect_sound_init(hear_one(), row.types, row.announced, true);
    start_over();
  }
}

TEST_F(Section3Init, TheMandatoryFieldsAreEnough) {
  tell(VerificationTag(0), raw_init(init_fields(), {}));
  take_init_ack(hear_one());
  tell(cookie_echo());
  EXPECT_EQ(host().state(), AssocState::kEstablished);
}

TEST_F(Section3Init, FlagsAreZeroAndIgnored) {
  tell(VerificationTag(0), raw_init(init_fields(), {}, ChunkType::kInit, 0xff));
  EXPECT_EQ(hear(), "INIT ACK");
  ASSERT_EQ(host().connect(now, {peer_address}, peer_port).status, Status::kOk);
  const Packet init = hear_one();
  EXPECT_EQ(init.chunks()[0].flags, 0);
}

TEST_F(Section3Init, ABadOneIsAbortedAndChangesNothingInAnyState) {
  struct Row {
    const char* what;
    uint32_t window;
    uint16_t streams_out;
    uint16_t streams_in;
    std::vector<uint8_t> parameters;
    CauseCode cause;
  };
  const Row rows[] = {
      {"window", 1499, 10, 10, {}, CauseCode::kInvalidMandatoryParameter},
      {"no window", 0, 10, 10, {}, CauseCode::kInvalidMandatoryParameter},
      {"no outbound stream", 1500, 0, 10, {}, CauseCode::kInvalidMandatoryParameter},
      {"no inbound stream", 1500, 10, 0, {}, CauseCode::kInvalidMandatoryParameter},
      {"host name", 1500, 10, 10, {0, 11, 0, 6, 'a', 0, 0, 0}, CauseCode::kUnresolvableAddress},
  };
  const VerificationTag tag(0x77777777);
  for (const AssocState state : kEveryState) {
    reach(state);
    for (const Row& row : rows) {
      SCOPED_TRACE(std::string(state_name(state)) + ": " + row.what);
      const AssocStatus before = host().status();
      const size_t events = host().events.size();
      const uint64_t dropped = host().count(Counter::k_drop_bad_init);
      tell(VerificationTag(0),
           raw_init({tag, row.window, row.streams_out, row.streams_in, Tsn(5)}, row.parameters));
      const Packet answer = hear_one();
      EXPECT_EQ(answer.names(), "ABORT");
      EXPECT_EQ(answer.header().verification_tag, tag);
      EXPECT_EQ(answer.chunks()[0].flags, 0) << "not a reflected tag";
      EXPECT_EQ(answer.destination, peer_address);
      EXPECT_EQ(causes(answer), std::vector{row.cause});
      EXPECT_EQ(host().count(Counter::k_drop_bad_init), dropped + 1);
      expect_unchanged(before, events);
    }
    start_over();
  }
}

TEST_F(Section3Init, AZeroTagIsPassedOverInEveryState) {
  for (const AssocState state : kEveryState) {
    SCOPED_TRACE(state_name(state));
    reach(state);
    const AssocStatus before = host().status();
    const size_t events = host().events.size();
    for (const uint16_t streams : {uint16_t{0}, uint16_t{10}}) {
      tell(VerificationTag(0), raw_init({VerificationTag(0), 10000, streams, streams, Tsn(5)}, {}));
    }
    tell(VerificationTag(0),
         raw_init({VerificationTag(0), 10000, 10, 10, Tsn(5)}, {0, 11, 0, 6, 'a', 0, 0, 0}));
    EXPECT_EQ(hear(), "");
    EXPECT_EQ(host().count(Counter::k_drop_bad_init), 3u);
    expect_unchanged(before, events);
    start_over();
  }
}

TEST_F(Section3Init, ThePromisedWindowIsNotTakenBack) {
  setup.profile.a_rwnd = 4096;
  host().keep_messages = true;
  open();
  const AssocId slow = host().assoc;
  for (int i = 0; i < 8; ++i) {
    tell_data(std::string(400, 'x'));
    listen();
  }
  ASSERT_EQ(host().status(slow).a_rwnd, 0u);
  peer_port = PortNumber(2906);
  peer_ssn = 0;
  send_init();
  const Packet answer = hear_one();
  EXPECT_EQ(wire::InitChunk::parse(answer.chunks()[0], true).init.a_rwnd, 4096u);
  take_init_ack(answer);
  tell(cookie_echo());
  listen();
  EXPECT_EQ(host().status().a_rwnd, 4096u) << "what the first one holds is its own affair";
  host().read_kept(now);
  listen();
  EXPECT_EQ(host().status(slow).a_rwnd, 4096u);
}

TEST_F(Section3Init, TagsAndInitialTsnsAreRandom) {
  constexpr uint32_t kCount = 64;
  std::set<uint32_t> tags;
  std::set<uint32_t> tsns;
  uint32_t ones = 0;
  uint32_t zeros = 0;
  const auto take = [&](const Packet& packet, bool is_ack) {
    const auto parsed = wire::InitChunk::parse(packet.chunks()[0], is_ack);
    tags.insert(parsed.init.initiate_tag.value);
    tsns.insert(parsed.init.initial_tsn.value);
    ones |= parsed.init.initial_tsn.value;
    zeros |= ~parsed.init.initial_tsn.value;
  };
  for (uint32_t i = 0; i < kCount; ++i) {
    const PortNumber port(static_cast<uint16_t>(1000 + i));
    ASSERT_EQ(host().connect(now, {ip("203.0.113.1")}, port).status, Status::kOk);
    take(hear_one(), false);
    send_init();  // the same one each time
    take(hear_one(), true);
  }
  EXPECT_EQ(tags.size(), 2 * kCount);
  EXPECT_EQ(tsns.size(), 2 * kCount);
  EXPECT_EQ(ones, UINT32_MAX) << "a bit that is never set";
  EXPECT_EQ(zeros, UINT32_MAX) << "a bit that is always set";
}

// ---------------------------------------------------------------- addresses (3.3.2.1)

TEST_F(Section3Init, WithoutAddressesItsSourceIsTheOnlyDestination) {
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
  for (const char* const source : {"198.51.100.9", "2001:db8::9"}) {
    peer_address = ip(source);
    host_address = ip(source[0] == '1' ? "192.0.2.1" : "2001:db8::1");
    open();
    const AssocStatus status = host().status();
    ASSERT_EQ(status.paths.size(), 1u);
    EXPECT_EQ(status.paths[0].remote, peer_address);
    EXPECT_EQ(status.paths[0].local, host_address);
    start_over();
  }
}

TEST_F(Section3Init, AHostNameAmongTheSupportedTypesIsIgnored) {
  tell(VerificationTag(0), raw_init(init_fields(), {0, 12, 0, 8, 0, 11, 0, 5}));
  EXPECT_EQ(hear(), "INIT ACK");
}

TEST_F(Section3Init, MappedAddressesAreNeitherAnnouncedNorTaken) {
  const IpAddress mapped = ip("::ffff:192.0.2.7");
  setup.addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
  EndpointConfig config;
  config.port = PortNumber(7);
  config.addresses = {ip("192.0.2.1"), mapped};
  EXPECT_EQ(host().shard().add_endpoint(config).status, Status::kInvalidAddress);
  EXPECT_EQ(host().connect(now, {mapped}, peer_port).status, Status::kInvalidAddress);
  // An INIT that lists one, and one that comes from one.
  peer_list = {peer_address, mapped, ip("2001:db8::9")};
  open();
  std::vector<IpAddress> remotes;
  for (const PathStatus& path : host().status().paths) remotes.push_back(path.remote);
  EXPECT_EQ(remotes, (std::vector<IpAddress>{peer_address, ip("2001:db8::9")}));
  peer_address = mapped;
  host_address = ip("2001:db8::1");
  send_init();
  EXPECT_EQ(hear(), "");
  EXPECT_EQ(host().count(Counter::k_drop_not_unicast), 1u);
}

}  // namespace
}  // namespace trunkline::test
