// SPDX-License-Identifier: BSD-3-Clause
// The harness of ring tests; see ring_harness.h.
#include "ring_harness.h"

#include <atomic>
#include <thread>

namespace trunkline::test {

using appring::Mail;
using appring::MailKind;

RingHarness::~RingHarness() {
  // Payload that is still with the shard lies in the clients' segments.
  bridge.close_all(now, true);
  turn();
  turn();
}

TestClient& RingHarness::attach(const ClientSetup& setup) {
  clients.push_back(std::make_unique<TestClient>(make_client(setup)));
  TestClient& client = *clients.back();
  for (const int fd : client.ring->doorbells) bridge.mailbox().watch(fd);
  EXPECT_TRUE(bridge.mailbox().post_to_worker({MailKind::kAdd, client.ring.get()}));
  bridge.drain_submissions(now);
  return client;
}

tl_lane* RingHarness::lane_of(TestClient& client) {
  tl_lane* lane = nullptr;
  EXPECT_EQ(tl_lane_open(client.api, &lane), 0) << tl_last_error();
  return lane;
}

void RingHarness::turn(size_t limit) {
  const auto deliver = [&](Event& event) { bridge.deliver(now, event); };
  bridge.drain_submissions(now);
  shard.run(deliver, limit);
  bridge.drain_submissions(now);
  bridge.flush();
  Mail mail;
  while (bridge.mailbox().take_from_worker(mail)) {
    if (mail.kind == MailKind::kGone) ++gone;
    if (mail.kind == MailKind::kFault) ++faults;
    if (mail.kind == MailKind::kDetached) {
      ++detached;
      for (const int fd : mail.client->doorbells) bridge.mailbox().unwatch(fd);
      mail.client->drop_segment();
    }
  }
}

std::vector<RingHarness::Got> RingHarness::poll(tl_lane* lane) {
  std::vector<Got> out;
  tl_event events[16];
  while (true) {
    const int n = tl_poll(lane, events, 16);
    if (n <= 0) return out;
    for (int i = 0; i < n; ++i) {
      Got got{events[i], std::string(events[i].length, '?')};
      if (events[i].data != nullptr) {
        EXPECT_EQ(tl_event_copy(lane, &events[i], got.text.data(), got.text.size()),
                  got.text.size());
      } else {
        got.text.clear();
      }
      out.push_back(std::move(got));
    }
    tl_event_release(lane, events, static_cast<size_t>(n));
  }
}

const RingHarness::Got& RingHarness::only(const std::vector<Got>& events, int kind) {
  static const Got kNothing{};
  const Got* found = nullptr;
  for (const Got& got : events) {
    if (got.event.kind != kind) continue;
    EXPECT_EQ(found, nullptr) << "two events " << tl_event_kind_name(kind);
    found = &got;
  }
  EXPECT_NE(found, nullptr) << "no event " << tl_event_kind_name(kind);
  return found != nullptr ? *found : kNothing;
}

size_t RingHarness::count(const std::vector<Got>& events, int kind) {
  size_t n = 0;
  for (const Got& got : events) n += got.event.kind == kind ? 1 : 0;
  return n;
}

int RingHarness::with_daemon(const std::function<int()>& call) {
  std::atomic<bool> done{false};
  int result = 0;
  std::thread application([&] {
    result = call();
    done.store(true);
  });
  while (!done.load()) {
    turn();
    std::this_thread::yield();
  }
  application.join();
  return result;
}

int RingHarness::listen(tl_lane* lane, uint16_t port, tl_listener* out, uint64_t user,
                        const char* profile) {
  return with_daemon(
      [&] { return open_listener(lane, {.port = port, .user = user, .profile = profile}, out); });
}

int RingHarness::connect(tl_lane* lane, uint16_t port, tl_assoc* out, uint64_t user) {
  return dial(lane, out, {.port = port, .user = user});
}

RingHarness::Pair RingHarness::join(tl_lane* client, tl_lane* server, uint16_t port) {
  Pair pair;
  if (bridge.endpoints_in_use() == 0) {
    EXPECT_EQ(listen(server, port), 0) << tl_last_error();
  }
  EXPECT_EQ(connect(client, port, &pair.client), 0) << tl_last_error();
  turn();
  if (client == server) {
    const auto events = poll(client);
    pair.server = only(events, TL_EVENT_ACCEPTED).event.assoc;
    only(events, TL_EVENT_CONNECTED);
  } else {
    only(poll(client), TL_EVENT_CONNECTED);
    pair.server = only(poll(server), TL_EVENT_ACCEPTED).event.assoc;
  }
  return pair;
}

int RingHarness::send(tl_lane* lane, tl_assoc assoc, std::string_view text, uint16_t stream,
                      uint16_t flags, uint64_t context) {
  return send_text(lane, assoc, text, stream, flags, context);
}

}  // namespace trunkline::test
