// SPDX-License-Identifier: BSD-3-Clause
// Whatever is refused on the way into an association, or without one, raises one counter with a
// name, and no other drop's; and what is answered is answered as the table says.
#include "support/states.h"
#include "wire/abort_chunk.h"
#include "wire/error_chunk.h"
#include "wire/heartbeat_chunk.h"

namespace trunkline::test {
namespace {

using enum AssocState;
using enum Counter;

class Refusals : public InEveryState {
 protected:
  struct Row {
    std::string name;
    Counter counter;
    std::string answer;
    std::function<void()> prepare;
    std::function<void()> refused;
  };

  // All that a drop or refusal raises.
  std::vector<std::string> raised() {
    std::vector<std::string> out;
    for (size_t i = 0; i < kCounterCount; ++i) {
      const auto counter = static_cast<Counter>(i);
      const std::string name(counter_name(counter));
      if (name.rfind("drop_", 0) != 0 && name.find("refused") == std::string::npos) continue;
      for (uint64_t n = host().count(counter); n > 0; --n) out.push_back(name);
    }
    return out;
  }
  void try_all(const std::vector<Row>& rows) {
    const HostSetup usual = setup;
    for (const Row& row : rows) {
      SCOPED_TRACE(row.name);
      setup = usual;
      peer_address = ip("198.51.100.1");
      host_address = ip("192.0.2.1");
      host_port = PortNumber(5000);
      peer_port = PortNumber(2905);
      peer_tag = VerificationTag(0x11223344);
      peer_list.clear();
      peer_window = 200'000;
      peer_streams_in = 10;
      start_over();
      if (row.prepare) row.prepare();
      const auto before = raised();
      ASSERT_TRUE(before.empty()) << before.front();
      listen();
      row.refused();
      EXPECT_EQ(raised(), std::vector{std::string(counter_name(row.counter))});
      EXPECT_EQ(hear(), row.answer);
    }
  }
  std::function<void()> in(AssocState state) {
    return [=, this] { reach(state); };
  }
  Write init() {
    return [this](PacketWriter& w) { return wire::write_init(w, init_fields(), peer_list); };
  }
  Write init_ack() {
    return [this](PacketWriter& w) {
      return wire::write_init_ack(w, init_fields(), peer_list, cookie);
    };
  }
  // INIT and INIT ACK have been exchanged; the cookie is with the peer.
  void half_way() {
    send_init();
    take_init_ack(hear_one());
  }
  void end() {
    tell([](PacketWriter& w) { return wire::write_abort(w, false); });
    ASSERT_EQ(host().shard().association_count(), 0u);
  }
  static Write abort(bool reflected) {
    return [=](PacketWriter& w) { return wire::write_abort(w, reflected); };
  }
  static bool stale(PacketWriter& w) {
    return wire::begin_error(w) && wire::append_stale_cookie(w, 1) && w.end_chunk();
  }
};

TEST_F(Refusals, OfAnInitHaveANameEach) {
  const VerificationTag none(0);
  try_all({
      {"with a tag", k_drop_init_nonzero_tag, "", {}, [&] { tell(VerificationTag(1), init()); }},
      {"in company",
       k_drop_bundled_init,
       "",
       {},
       [=, this] {
         tell(none, [&](PacketWriter& w) { return init()(w) && wire::write_cookie_ack(w); });
       }},
      {"that chooses no tag",
       k_drop_bad_init,
       "",
       {},
       [&] {
         peer_tag = VerificationTag(0);
         send_init();
       }},
      {"too short",
       k_drop_bad_init,
       "",
       {},
       [=, this] {
         tell(none, [](PacketWriter& w) {
           uint8_t* const at = w.reserve_chunk(ChunkType::kInit, 0, 12);
           std::fill_n(at, 12, uint8_t{1});
           return true;
         });
       }},
      {"without streams",
       k_drop_bad_init,
       "ABORT",
       {},
       [&] {
         peer_streams_in = 0;
         send_init();
       }},
      {"with a small window",
       k_drop_bad_init,
       "ABORT",
       {},
       [&] {
         peer_window = 1499;
         send_init();
       }},
      {"with a host name",
       k_drop_bad_init,
       "ABORT",
       {},
       [=, this] {
         tell(none, raw_init(init_fields(), {0, 11, 0, 8, 'a', '.', 'b', 0}));
       }},
      {"with a parameter of no length",
       k_drop_bad_init,
       "ABORT",
       {},
       [=, this] {
         tell(none, raw_init(init_fields(), {0, 5, 0, 60, 192, 0, 2, 1}));
       }},
      {"to no endpoint",
       k_drop_no_endpoint,
       "ABORT",
       {},
       [&] {
         host_port = PortNumber(9);
         send_init();
       }},
      {"to one that does not listen", k_drop_no_endpoint, "ABORT",
       [&] { host().shard().set_listening(host().endpoint, false, 0); }, [&] { send_init(); }},
      {"to one that is silent", k_drop_bad_init, "",
       [&] { setup.out_of_blue = trunkline::OutOfBlue::kSilent; },
       [&] {
         peer_streams_in = 0;
         send_init();
       }},
      {"too many of one source", k_drop_init_source_rate, "",
       [&] {
         setup.shard.inits_per_second_per_source = 1;
         send_init();
       },
       [&] { send_init(); }},
      {"too many of all", k_drop_init_total_rate, "",
       [&] {
         setup.shard.inits_per_second = 1;
         send_init();
       },
       [&] {
         peer_address = ip("198.51.100.2");
         send_init();
       }},
      {"with other addresses", k_drop_peer_addresses, "ABORT",
       [&] { setup.profile.peer_address_check = AddressCheck::kExact; }, [&] { send_init(); }},
      {"of a restart with new addresses", k_restarts_refused, "ABORT, HEARTBEAT", in(kEstablished),
       [&] {
         peer_tag = VerificationTag(5);
         peer_list = {ip("198.51.100.77")};
         send_init();
       }},
      {"while the SHUTDOWN ACK is under way", k_drop_closing_init, "SHUTDOWN ACK",
       in(kShutdownAckSent), [&] { send_init(); }},
  });
}

TEST_F(Refusals, OfAnInitAckHaveANameEach) {
  try_all({
      {"that chooses no tag", k_drop_bad_init_ack, "ABORT", in(kCookieWait),
       [&] {
         peer_tag = VerificationTag(0);
         tell(init_ack());
       }},
      {"too short", k_drop_bad_init_ack, "", in(kCookieWait),
       [&] {
         tell([](PacketWriter& w) {
           uint8_t* const at = w.reserve_chunk(ChunkType::kInitAck, 0, 12);
           std::fill_n(at, 12, uint8_t{1});
           return true;
         });
       }},
      {"with a small window", k_drop_bad_init_ack, "ABORT", in(kCookieWait),
       [&] {
         peer_window = 1;
         tell(init_ack());
       }},
      {"without cookie", k_drop_bad_init_ack, "ABORT", in(kCookieWait),
       [&] { tell(raw_init(init_fields(), {}, ChunkType::kInitAck)); }},
      {"with other addresses", k_drop_peer_addresses, "ABORT",
       [&] {
         setup.profile.peer_address_check = AddressCheck::kExact;
         reach(kCookieWait);
       },
       [&] {
         peer_list = {ip("198.51.100.2")};
         cookie = {1};
         tell(init_ack());
       }},
      {"out of turn", k_drop_unexpected_init_ack, "", in(kCookieEchoed), [&] { tell(init_ack()); }},
      {"with another tag", k_drop_bad_tag, "", in(kCookieWait),
       [&] { tell(VerificationTag(host_tag.value ^ 1), init_ack()); }},
  });
}

TEST_F(Refusals, OfACookieHaveANameEach) {
  const auto half = [this] { half_way(); };
  try_all({
      {"altered", k_drop_bad_cookie, "", half,
       [&] {
         cookie.back() ^= 1;
         tell(cookie_echo());
       }},
      {"empty", k_drop_bad_cookie, "", half,
       [&] {
         tell([](PacketWriter& w) {
           return w.reserve_chunk(ChunkType::kCookieEcho, 0, 0) != nullptr;
         });
       }},
      {"with another tag", k_drop_bad_cookie, "", half,
       [&] { tell(VerificationTag(host_tag.value + 1), cookie_echo()); }},
      {"from elsewhere", k_drop_bad_cookie, "", half,
       [&] {
         peer_address = ip("198.51.100.2");
         tell(cookie_echo());
       }},
      {"whose key is gone", k_drop_bad_cookie, "",
       [&] {
         half_way();
         wait(std::chrono::hours(2) + seconds(1));
       },
       [&] { tell(cookie_echo()); }},
      {"stale", k_drop_stale_cookie, "ERROR",
       [&] {
         half_way();
         wait(seconds(61));
       },
       [&] { tell(cookie_echo()); }},
      {"spent", k_drop_spent_cookie, "ERROR",
       [&] {
         open();
         end();
       },
       [&] { tell(cookie_echo()); }},
      {"spent, beyond the rate", k_drop_spent_cookie, "",
       [&] {
         setup.shard.out_of_blue_replies_per_second = 0;
         open();
         end();
       },
       [&] { tell(cookie_echo()); }},
      {"spent, and silence is wanted", k_drop_spent_cookie, "",
       [&] {
         setup.out_of_blue = trunkline::OutOfBlue::kSilent;
         open();
         end();
       },
       [&] { tell(cookie_echo()); }},
      {"nobody listens any more", k_drop_no_endpoint, "ABORT",
       [&] {
         half_way();
         host().shard().set_listening(host().endpoint, false, 0);
       },
       [&] { tell(cookie_echo()); }},
      {"the endpoint is gone", k_drop_no_endpoint, "ABORT",
       [&] {
         half_way();
         host().shard().close_endpoint(host().endpoint);
       },
       [&] { tell(cookie_echo()); }},
      {"to an address of no endpoint, of an association that lives", k_drop_no_endpoint, "",
       [&] { open(); },
       [&] {
         host_address = ip("192.0.2.99");
         tell(cookie_echo());
       }},
      {"of an endpoint that is gone, of an association that lives on its port", k_drop_no_endpoint,
       "",
       [&] {
         half_way();
         const auto first = cookie;
         const auto tag = host_tag;
         host().shard().close_endpoint(host().endpoint);
         for (const uint16_t port : {uint16_t{9}, host_port.value}) {  // the first takes its id
           EndpointConfig anew;
           anew.port = PortNumber(port);
           anew.addresses = {host_address};
           anew.listening = true;
           ASSERT_EQ(host().shard().add_endpoint(anew).status, Status::kOk);
         }
         open();
         cookie = first;
         host_tag = tag;
       },
       [&] { tell(cookie_echo()); }},
      {"no memory", k_drop_no_association_memory, "ABORT",
       [&] {
         setup.shard.max_associations = 1;
         open();
         peer_port = PortNumber(1);
         half_way();
       },
       [&] { tell(cookie_echo()); }},
      {"of an association that has other tags", k_drop_cookie_collision, "",
       [&] {
         half_way();
         const auto first = cookie;
         const auto tag = host_tag;
         peer_tag = VerificationTag(5);
         open();
         cookie = first;
         host_tag = tag;
       },
       [&] { tell(cookie_echo()); }},
  });
}

TEST_F(Refusals, OfWhatComesOutOfTurnOrOutOfTheBlueHaveANameEach) {
  try_all({
      {"COOKIE ACK", k_drop_unexpected_cookie_ack, "", in(kEstablished),
       [&] { tell(wire::write_cookie_ack); }},
      {"Stale Cookie", k_drop_unexpected_stale_cookie, "", in(kEstablished), [&] { tell(stale); }},
      {"SHUTDOWN ACK", k_drop_unexpected_shutdown, "", in(kEstablished),
       [&] { tell(wire::write_shutdown_ack); }},
      {"SHUTDOWN while calling", k_drop_unexpected_shutdown, "", in(kCookieEchoed),
       [&] { tell(shutdown_up_to(last_tsn())); }},
      {"HEARTBEAT while calling", k_drop_heartbeat_state, "", in(kCookieWait),
       [&] {
         tell([](PacketWriter& w) { return wire::write_heartbeat(w, std::array<uint8_t, 4>{}); });
       }},
      {"HEARTBEAT at the very end", k_drop_heartbeat_state, "", in(kShutdownAckSent),
       [&] {
         tell([](PacketWriter& w) { return wire::write_heartbeat(w, std::array<uint8_t, 4>{}); });
       }},
      {"DATA while calling", k_drop_data_state, "", in(kCookieWait), [&] { tell_data(); }},
      {"SACK while calling", k_drop_sack_state, "", in(kCookieWait),
       [&] { tell(sack(last_tsn())); }},
      {"ABORT of nobody",
       k_drop_out_of_blue,
       "",
       {},
       [&] { tell(VerificationTag(9), abort(false)); }},
      {"reflected ABORT of nobody",
       k_drop_out_of_blue,
       "",
       {},
       [&] { tell(VerificationTag(9), abort(true)); }},
      {"Stale Cookie of nobody",
       k_drop_out_of_blue,
       "",
       {},
       [&] { tell(VerificationTag(9), stale); }},
      {"beyond the rate", k_drop_oob_rate, "",
       [&] { setup.shard.out_of_blue_replies_per_second = 0; },
       [&] { tell(VerificationTag(9), wire::write_shutdown_ack); }},
      {"where silence is wanted", k_drop_oob_silent, "",
       [&] { setup.out_of_blue = trunkline::OutOfBlue::kSilent; },
       [&] { tell(VerificationTag(9), wire::write_shutdown_ack); }},
      {"a wrong tag", k_drop_bad_tag, "", in(kEstablished),
       [&] { tell(VerificationTag(host_tag.value ^ 1), abort(false)); }},
      {"no tag",
       k_drop_bad_tag,
       "",
       {},
       [&] { tell(VerificationTag(0), wire::write_shutdown_ack); }},
      {"ICMP of nobody",
       k_drop_icmp,
       "",
       {},
       [&] {
         const Packet sent = packet(VerificationTag(9), wire::write_cookie_ack);
         host().shard().protocol_unreachable(now, {sent.destination, sent.source, sent.bytes});
       }},
      {"a connect to nowhere",
       k_refused_connects,
       "",
       {},
       [&] { host().connect(now, {}, peer_port); }},
      {"a message while calling, on a stream that we do not offer", k_refused_sends, "",
       in(kCookieWait), [&] { host().send(now, "early", {.stream = 10}); }},
  });
}

}  // namespace
}  // namespace trunkline::test
