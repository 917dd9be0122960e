// SPDX-License-Identifier: BSD-3-Clause
// Signal handlers that send and receive on the socket that their thread is just sending to or
// receiving from.
#include <sched.h>

#include <cerrno>
#include <thread>

#include "descriptor_table.h"
#include "fixture.h"
#include "interrupted.h"
#include "socket_lock.h"

namespace trunkline::test {
namespace {

using sctp::Locked;

class HandlersTest : public SocketsTest {
 protected:
  static tls_page& page_of(int fd) {
    const sctp::descriptors::Use use(fd);
    return *use->page;
  }
  // The client's first message comes back: its slot is given back by who reads of it.
  void let_a_message_come_back() {
    daemon->at_daemon([&] { daemon->holds_acknowledgements = true; });
    ASSERT_EQ(tlsctp_send(client, "hello", 5, 0), 5);
    char text[8];
    ASSERT_EQ(tlsctp_recv(server, text, sizeof(text), 0), 5);
    daemon->at_daemon([&] {
      tlr_completion entry{};
      entry.kind = TLR_SEND_FAILED;
      entry.slot = 0;  // the first that is taken
      entry.length = 5;
      daemon->socket_of(page_of(client).index)->notify(entry, nullptr);
    });
    ASSERT_EQ(mask_of(client), "IN OUT");
  }
  void expect_it_came_back(const tls_page& page, ssize_t got) {
    EXPECT_EQ(got, static_cast<ssize_t>(sizeof(sctp_send_failed) + 5));
    EXPECT_EQ(load_relaxed(page.tx_free_count), page.geometry.tx_slots);
    EXPECT_EQ(load_relaxed(page.tx_bytes), 0u);
  }
};

TEST_F(HandlersTest, WhatNeedsALockOfTheOwnThreadIsTriedLater) {
  connect_pair();
  tls_page& page = page_of(client);
  char text[8];
  ASSERT_EQ(tlsctp_send(server, "one", 3, 0), 3);
  {
    const Locked held(page, Locked::kSend);
    EXPECT_EQ(tlsctp_send(client, "x", 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(tlsctp_recv(client, text, sizeof(text), 0), 3);
  }
  ASSERT_EQ(tlsctp_send(server, "four", 4, 0), 4);
  {
    const Locked held(page, Locked::kReceive);
    EXPECT_EQ(tlsctp_recv(client, text, sizeof(text), 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(tlsctp_send(client, "x", 1, 0), 1);
  }
  EXPECT_EQ(tlsctp_recv(client, text, sizeof(text), 0), 4);
  EXPECT_EQ(tlsctp_recv(server, text, sizeof(text), 0), 1);
}

TEST_F(HandlersTest, AMessageThatComesBackWaitsForWhoSends) {
  connect_pair();
  tls_page& page = page_of(client);
  let_a_message_come_back();
  char data[256];
  {
    const Locked held(page, Locked::kSend);
    EXPECT_EQ(tlsctp_recv(client, data, sizeof(data), MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  }
  expect_it_came_back(page, tlsctp_recv(client, data, sizeof(data), MSG_DONTWAIT));
}

// A reader waits for who sends, whose handler reads.
TEST_F(HandlersTest, NobodyWaitsInACircle) {
  connect_pair();
  tls_page& page = page_of(client);
  let_a_message_come_back();
  ssize_t got = 0;
  std::thread reader;
  {
    const Locked held(page, Locked::kSend);
    reader = std::thread([&] {
      char data[256];
      got = tlsctp_recv(client, data, sizeof(data), 0);
    });
    while (::pthread_mutex_trylock(&page.receive_lock.mutex) == 0) {
      ::pthread_mutex_unlock(&page.receive_lock.mutex);
      ::sched_yield();
    }
    char data[256];
    EXPECT_EQ(tlsctp_recv(client, data, sizeof(data), MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
  }
  reader.join();
  expect_it_came_back(page, got);
}

// All that is sent by the thread and by its handler comes back, to the thread, to its handler or to
// another thread.
TEST_F(HandlersTest, NothingIsLostWhenAHandlerSendsAndReceives) {
  connect_pair();
  InterruptedTraffic traffic(wanted_messages(100'000), client, [](uint32_t number) {
    return tlsctp_send(InterruptedTraffic::running->fd, &number, sizeof(number), MSG_DONTWAIT);
  });
  std::thread echo([&] { InterruptedTraffic::echo(server); });
  traffic.run();
  echo.join();
}

}  // namespace
}  // namespace trunkline::test
