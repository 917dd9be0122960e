// SPDX-License-Identifier: BSD-3-Clause
// A signal handler on a one-to-many socket, over a daemon in this process. Not among the threads
// that ThreadSanitizer judges: it runs handlers later, where the library has them blocked.
#include <thread>

#include "interrupted.h"
#include "many_fixture.h"

namespace trunkline::test {
namespace {

using ManyHandlersTest = ManySocketsTest;

// A signal handler reads and sends by the front while its thread does, and another one reads.
TEST_F(ManyHandlersTest, NothingIsLostWhenAHandlerSendsAndReceives) {
  static sockaddr_in name{};  // of the peer
  const int peer = connect_one();
  ASSERT_GE(peer, 0);
  socklen_t size = sizeof(name);
  ASSERT_EQ(tlsctp_getsockname(peer, reinterpret_cast<sockaddr*>(&name), &size), 0);
  ASSERT_EQ(tlsctp_send(peer, "hello", 5, 0), 5);
  char text[8];
  ASSERT_EQ(tlsctp_recv(front, text, sizeof(text), 0), 5);
  InterruptedTraffic traffic(wanted_messages(20'000), front, [](uint32_t number) {
    return tlsctp_sendto(InterruptedTraffic::running->fd, &number, sizeof(number), MSG_DONTWAIT,
                         as_name(name), sizeof(name));
  });
  std::thread echo([&] { InterruptedTraffic::echo(peer); });
  traffic.run();
  echo.join();
  tlsctp_close(peer);
}

}  // namespace
}  // namespace trunkline::test
