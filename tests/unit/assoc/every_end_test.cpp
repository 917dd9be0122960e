// SPDX-License-Identifier: BSD-3-Clause
// Every way in which an association can end, with messages in every stage of being sent: each of
// them ends first, under the user's present word; then comes the last event, and nothing behind it
// (the promise above struct Event).
#include "support/states.h"
#include "wire/abort_chunk.h"
#include "wire/error_chunk.h"

namespace trunkline::test {
namespace {

using enum AssocState;

class EveryEnd : public InEveryState {
 protected:
  static constexpr uint64_t kWord = 4711;

  struct Way {
    std::string name;
    AssocState from;
    EventKind last;
    Reason reason;
    std::function<void()> end;
  };

  // Messages that are acknowledged in a gap, in flight, in pieces, and waiting.
  void load() {
    for (int i = 0; i < 3; ++i) ASSERT_EQ(host().send(now, std::string(1400, 'f')), Status::kOk);
    ASSERT_EQ(host().send(now, std::string(20'000, 'p')), Status::kOk);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(host().send(now, std::string(100, 'q')), Status::kOk);
    listen();
    tell(sack(host_tsn - 1, {{2, 2}}, 9000));
    listen();
    const AssocStatus status = host().status();
    ASSERT_GT(status.outstanding_bytes, 0u);
    ASSERT_GT(status.queued_bytes, 0u);
    accepted_ = 9;
  }
  // To where the way begins.
  void begin(AssocState from) {
    start_over();
    accepted_ = 0;
    setup.profile.association_max_retrans = 3;
    if (from < kEstablished || from == kShutdownSent || from == kShutdownAckSent) {
      reach(from);
    } else {
      open();
      load();
      if (from == kShutdownPending) {
        ASSERT_EQ(shut(), Status::kOk);
      }
      if (from == kShutdownReceived) tell(shutdown_up_to(host_tsn - 1));
      listen();
      ASSERT_EQ(host().state(), from);
    }
    ASSERT_EQ(host().shard().set_user(assoc_now(), kWord), Status::kOk);
    host().events.clear();
  }
  AssocId assoc_now() { return host().shard().associations().at(0); }
  void abort() { ASSERT_EQ(host().shard().abort(now, assoc_now(), {}), Status::kOk); }
  // Nobody answers.
  void starve() {
    for (int i = 0; i < 2000 && host().shard().association_count() > 0; ++i) {
      pass_to_deadline();
      listen();
    }
  }
  // Somebody answers, and takes nothing.
  void stall() {
    for (int i = 0; i < 2000 && host().shard().association_count() > 0; ++i) {
      pass_to_deadline();
      for (const Packet& packet : listen()) {
        if (packet.find(ChunkType::kData)) tell(sack(host_tsn - 1, {}, 0));
      }
    }
  }
  void chatter() {
    while (host().shard().association_count() > 0) {
      tell_data();
      listen();
      now = now + milliseconds(500);
      host().advance(now);
    }
  }
  void unreachable() {
    const AssocStatus status = host().status(assoc_now());
    const bool waits = status.state == kCookieWait;
    const Packet sent =
        build(host_address, peer_address, host_port, peer_port,
              waits ? VerificationTag(0) : status.peer_tag, [&](PacketWriter& w) {
                return wire::write_init(w, {status.local_tag, 100'000, 1, 1, Tsn(1)}, {});
              });
    host().shard().protocol_unreachable(now, {sent.source, sent.destination, sent.bytes});
  }
  void answer_init(const Write& write) { tell(host_tag, write); }

  // The way is gone. What was promised?
  void judge(const Way& way) {
    host().drain(now);
    EXPECT_EQ(host().shard().association_count(), 0u);
    const std::vector<Seen>& events = host().events;
    ASSERT_FALSE(events.empty());
    const auto is_last = [](const Seen& event) {
      return event.kind == EventKind::kClosed || event.kind == EventKind::kLost ||
             event.kind == EventKind::kConnectFailed;
    };
    EXPECT_EQ(std::count_if(events.begin(), events.end(), is_last), 1);
    EXPECT_EQ(events.back().kind, way.last);
    EXPECT_EQ(events.back().reason, way.reason);
    EXPECT_EQ(host().count(EventKind::kSendFailed) + host().count(EventKind::kSendAcknowledged),
              accepted_);
    for (const Seen& event : events) EXPECT_EQ(event.user, kWord);
    // Whatever comes late says nothing more, nor does time.
    const size_t said = events.size();
    const AssocId dead = events.back().assoc;
    for (const Write& write :
         {data({}), sack(host_tsn + 5), shutdown_up_to(host_tsn), Write(wire::write_shutdown_ack),
          Write([](PacketWriter& w) { return wire::write_abort(w, false); }),
          Write(wire::write_cookie_ack)}) {
      tell(write);
    }
    host().shard().consumed(now, dead, 100);
    EXPECT_EQ(host().shard().abort(now, dead, {}), Status::kNoSuchAssociation);
    EXPECT_EQ(host().send_on(now, dead, "late", {}), Status::kNoSuchAssociation);
    listen();
    wait(minutes(60));
    EXPECT_EQ(host().events.size(), said);
    EXPECT_EQ(host().violation(), "");
  }

  std::vector<Way> by_us() {
    return {
        {"abort while calling", kCookieWait, EventKind::kConnectFailed, Reason::kLocalAbort,
         [&] { abort(); }},
        {"abort with the cookie under way", kCookieEchoed, EventKind::kConnectFailed,
         Reason::kLocalAbort, [&] { abort(); }},
        {"abort", kEstablished, EventKind::kLost, Reason::kLocalAbort, [&] { abort(); }},
        {"abort behind a shutdown", kShutdownPending, EventKind::kLost, Reason::kLocalAbort,
         [&] { abort(); }},
        {"abort of what the peer closes", kShutdownReceived, EventKind::kLost, Reason::kLocalAbort,
         [&] { abort(); }},
        {"abort behind a SHUTDOWN", kShutdownSent, EventKind::kLost, Reason::kLocalAbort,
         [&] { abort(); }},
        {"abort behind a SHUTDOWN ACK", kShutdownAckSent, EventKind::kLost, Reason::kLocalAbort,
         [&] { abort(); }},
        {"shutdown while calling", kCookieWait, EventKind::kConnectFailed, Reason::kLocalAbort,
         [&] { EXPECT_EQ(host().shard().shutdown(now, assoc_now()), Status::kOk); }},
        {"its endpoint is closed, then it", kEstablished, EventKind::kLost, Reason::kLocalAbort,
         [&] {
           EXPECT_EQ(host().shard().close_endpoint(host().endpoint), Status::kOk);
           abort();
         }},
        {"the shard ends", kEstablished, EventKind::kLost, Reason::kLocalAbort,
         [&] {
           for (const AssocId id : host().shard().associations()) host().shard().abort(now, id, {});
         }},
    };
  }
  std::vector<Way> by_the_peer() {
    const Write plain = [](PacketWriter& w) { return wire::write_abort(w, false); };
    const auto company = [this, plain](PacketWriter& w) { return plain(w) && data({})(w); };
    std::vector<Way> out;
    for (const AssocState state : kOpenStates) {
      const bool opens = opening(state);
      const std::string name(state_name(state));
      out.push_back({"ABORT in " + name, state,
                     opens ? EventKind::kConnectFailed : EventKind::kLost,
                     opens ? Reason::kRefused : Reason::kReset, [=, this] { tell(company); }});
      out.push_back({"no SCTP in " + name, state,
                     opens ? EventKind::kConnectFailed : EventKind::kLost,
                     opens ? Reason::kRefused : Reason::kReset, [this] { unreachable(); }});
    }
    out.push_back({"reflected ABORT", kEstablished, EventKind::kLost, Reason::kReset, [this] {
                     tell(peer_tag, [](PacketWriter& w) { return wire::write_abort(w, true); });
                   }});
    const auto violation = [&](std::string name, AssocState from, Write write) {
      out.push_back({std::move(name), from, EventKind::kLost, Reason::kPeerViolation,
                     [this, write] { tell(write); }});
    };
    violation("a SACK of what was not sent", kEstablished, sack(Tsn(0x7fffffff)));
    out.back().end = [this] { tell(sack(host().status().next_tsn + 3)); };
    for (const AssocState state : {kEstablished, kShutdownPending, kShutdownReceived}) {
      violation("a SHUTDOWN of what was not sent", state, {});
      out.back().end = [this] { tell(shutdown_up_to(host().status().next_tsn)); };
    }
    violation("DATA without data", kEstablished, {});
    out.back().end = [this] { tell(data({.text = ""})); };
    violation("fragments that contradict each other", kEstablished, {});
    out.back().end = [this] {
      tell(data({.flags = "B", .ssn = 0}));
      tell(data({.flags = "B", .ssn = 0}));
    };
    return out;
  }
  std::vector<Way> by_time() {
    return {
        {"T1 of the INIT", kCookieWait, EventKind::kConnectFailed, Reason::kTimedOut,
         [&] { starve(); }},
        {"T1 of the COOKIE ECHO", kCookieEchoed, EventKind::kConnectFailed, Reason::kTimedOut,
         [&] { starve(); }},
        {"T3", kEstablished, EventKind::kLost, Reason::kTimedOut, [&] { starve(); }},
        {"T3 behind a shutdown", kShutdownPending, EventKind::kLost, Reason::kTimedOut,
         [&] { starve(); }},
        {"T3 of what the peer closes", kShutdownReceived, EventKind::kLost, Reason::kTimedOut,
         [&] { starve(); }},
        {"T2 of the SHUTDOWN", kShutdownSent, EventKind::kLost, Reason::kTimedOut,
         [&] { starve(); }},
        {"T2 of the SHUTDOWN ACK", kShutdownAckSent, EventKind::kLost, Reason::kTimedOut,
         [&] { starve(); }},
        {"the guard, window shut", kShutdownPending, EventKind::kLost, Reason::kTimedOut,
         [&] { stall(); }},
        {"the guard, window shut by who closes", kShutdownReceived, EventKind::kLost,
         Reason::kTimedOut, [&] { stall(); }},
        {"T5", kShutdownSent, EventKind::kLost, Reason::kTimedOut, [&] { chatter(); }},
    };
  }
  std::vector<Way> in_order() {
    const Write complete = [](PacketWriter& w) { return wire::write_shutdown_complete(w, false); };
    return {
        {"we close", kShutdownSent, EventKind::kClosed, Reason::kNone,
         [&] {
           tell([&](PacketWriter& w) { return wire::write_shutdown_ack(w) && data({})(w); });
         }},
        {"we close with a backlog", kShutdownPending, EventKind::kClosed, Reason::kNone,
         [&] {
           for (int i = 0; i < 50 && host().state() == kShutdownPending; ++i) {
             tell(sack(last_tsn()));
             listen();
           }
           tell(wire::write_shutdown_ack);
         }},
        {"the peer closes", kShutdownAckSent, EventKind::kClosed, Reason::kNone,
         [=, this] { tell(complete); }},
        {"the peer closes, reflected", kShutdownAckSent, EventKind::kClosed, Reason::kNone,
         [&] {
           tell(peer_tag, [](PacketWriter& w) { return wire::write_shutdown_complete(w, true); });
         }},
        {"the peer closes upon a backlog", kShutdownReceived, EventKind::kClosed, Reason::kNone,
         [=, this] {
           for (int i = 0; i < 50 && host().state() == kShutdownReceived; ++i) {
             tell(sack(last_tsn()));
             listen();
           }
           tell(complete);
         }},
        {"both close", kShutdownSent, EventKind::kClosed, Reason::kNone,
         [&] {
           tell(shutdown_up_to(last_tsn()));
           tell(wire::write_shutdown_ack);
         }},
        {"both close upon a backlog", kShutdownPending, EventKind::kClosed, Reason::kNone,
         [=, this] {
           tell(shutdown_up_to(host_tsn - 1));
           tell(shutdown_up_to(last_tsn()));
           for (int i = 0; i < 50 && host().state() == kShutdownReceived; ++i) {
             tell(sack(last_tsn()));
             listen();
           }
           tell(complete);
         }},
    };
  }
  std::vector<Way> in_set_up() {
    const auto init_ack = [this](const std::function<void()>& change) {
      return [=, this] {
        const auto tag = std::exchange(peer_tag, peer_tag);
        const auto streams = peer_streams_in;
        change();
        tell(raw_init(init_fields(), {}, ChunkType::kInitAck));
        peer_tag = tag;
        peer_streams_in = streams;
      };
    };
    return {
        {"an INIT ACK without cookie", kCookieWait, EventKind::kConnectFailed,
         Reason::kPeerViolation, init_ack([] {})},
        {"an INIT ACK without tag", kCookieWait, EventKind::kConnectFailed, Reason::kPeerViolation,
         init_ack([this] { peer_tag = VerificationTag(0); })},
        {"an INIT ACK without streams", kCookieWait, EventKind::kConnectFailed,
         Reason::kPeerViolation, init_ack([this] { peer_streams_in = 0; })},
        {"cookies that are always stale", kCookieEchoed, EventKind::kConnectFailed,
         Reason::kTimedOut,
         [&] {
           while (host().shard().association_count() > 0) {
             tell([](PacketWriter& w) {
               return wire::begin_error(w) && wire::append_stale_cookie(w, 1) && w.end_chunk();
             });
             listen();
             tell([&](PacketWriter& w) {
               return wire::write_init_ack(w, init_fields(), {}, cookie);
             });
             listen();
           }
         }},
    };
  }
  void try_all(const std::vector<Way>& ways) {
    for (const Way& way : ways) {
      SCOPED_TRACE(way.name);
      begin(way.from);
      if (HasFatalFailure()) return;
      way.end();
      judge(way);
    }
  }

  size_t accepted_ = 0;
};

TEST_F(EveryEnd, ByUsGivesEveryMessageBackFirst) {
  try_all(by_us());
}

TEST_F(EveryEnd, ByThePeerGivesEveryMessageBackFirst) {
  try_all(by_the_peer());
}

TEST_F(EveryEnd, ByTimeGivesEveryMessageBackFirst) {
  try_all(by_time());
}

TEST_F(EveryEnd, InOrderEndsEveryMessageFirst) {
  try_all(in_order());
}

TEST_F(EveryEnd, InSetUpIsOneEvent) {
  try_all(in_set_up());
}

TEST_F(EveryEnd, ForLackOfMemoryGivesEveryMessageBackFirst) {
  setup.shard.receive_buffer_bytes = 512 * 8;
  const auto starved = [&] {
    // A message in fragments that fill the shard's buffers, and never ends.
    for (int i = 0; i < 200 && host().shard().association_count() > 0; ++i) {
      tell(data({.text = std::string(500, 'm'), .flags = i == 0 ? "B" : "", .ssn = 0}));
      if (host().count(Counter::k_drop_data_no_memory) > 0) {
        peer_tsn = peer_tsn - 1;
        wait(setup.profile.rto_min);
      }
      listen();
    }
  };
  const auto too_large = [&] {
    for (int i = 0; i < 60; ++i) {
      const char* const flags = i == 0 ? "B" : i == 59 ? "E" : "";
      tell(data({.text = std::string(500, 'm'), .flags = flags, .ssn = 0}));
      listen();
    }
  };
  // One burst brings more than the buffers can keep.
  const auto unkept = [&] {
    host().keep_messages = true;
    std::vector<Packet> burst;
    for (int i = 0; i < 12; ++i) burst.push_back(packet(host_tag, data({.text = "kept"})));
    host().receive(now, burst);
    host().keep_messages = false;
  };
  try_all({{"fragments", kEstablished, EventKind::kLost, Reason::kOutOfResources, starved},
           {"a slow reader", kEstablished, EventKind::kLost, Reason::kOutOfResources, unkept}});
  setup.profile.max_message_size = 20'000;
  setup.shard.receive_buffer_bytes = 1 << 20;
  try_all({{"a message too large", kEstablished, EventKind::kLost, Reason::kOutOfResources,
            too_large}});
}

// A restart ends the messages of the old life, and not the association.
TEST_F(EveryEnd, ARestartGivesEveryMessageBackAndTheEndComesOnce) {
  begin(kEstablished);
  peer_tag = VerificationTag(0x55);
  peer_tsn = Tsn(70'000);
  send_init();
  take_init_ack(hear_one());
  tell(cookie_echo());
  ASSERT_EQ(host().count(EventKind::kRestarted), 1u);
  ASSERT_EQ(host().count(EventKind::kSendFailed), 9u);
  ASSERT_EQ(host().events.back().kind, EventKind::kRestarted);
  listen();
  host().events.clear();
  load();
  abort();
  judge({"", kEstablished, EventKind::kLost, Reason::kLocalAbort, {}});
}

// One that is refused ends nothing.
TEST_F(EveryEnd, ARefusedRestartIsNoEnd) {
  begin(kEstablished);
  const VerificationTag living = std::exchange(peer_tag, VerificationTag(0x55));
  peer_list = {ip("198.51.100.77")};
  send_init();
  EXPECT_EQ(causes(listen().at(0)), std::vector{CauseCode::kRestartWithNewAddresses});
  EXPECT_EQ(host().state(), kEstablished);
  EXPECT_EQ(host().count(EventKind::kSendFailed), 0u);
  peer_tag = living;
  peer_list.clear();
  abort();
  judge({"", kEstablished, EventKind::kLost, Reason::kLocalAbort, {}});
}

}  // namespace
}  // namespace trunkline::test
