// SPDX-License-Identifier: BSD-3-Clause
// Two daemons in one program, but for ports of DPDK: real shards, bridges and sockets threads, and
// a wire that is a function call. For programs under trunkline-run: two_daemons LEFT_PATH
// RIGHT_PATH. The left one is 10.1.0.1, the right one 10.1.0.2. Ends with its standard input.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "looped_daemon.h"

namespace {

using namespace trunkline;

void wait_for_the_end() {
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
}

int run_one(const char* path) {
  // As the tests of sockets have it (tests/sockets): what nobody chose, but for SACKs.
  Profile profile;
  profile.sack_delay = std::chrono::milliseconds(10);
  test::LoopedDaemon daemon(path, profile);
  wait_for_the_end();
  return daemon.stop() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2) return run_one(arguments[1]);
  if (count != 3) return 2;
  test::TwoHosts hosts;
  sockets::SocketMail* left_mail = &hosts.left.mail;
  sockets::SocketMail* right_mail = &hosts.right.mail;
  sockets::SocketServer left(test::open_server(hosts.left, arguments[1]), {&left_mail, 1},
                             *hosts.left.ports);
  sockets::SocketServer right(test::open_server(hosts.right, arguments[2]), {&right_mail, 1},
                              *hosts.right.ports);
  left.start();
  right.start();
  std::thread worker([&] { hosts.run_worker(); });
  wait_for_the_end();
  const bool left_empty = left.stop(std::chrono::seconds(5));
  const bool right_empty = right.stop(std::chrono::seconds(5));
  hosts.stop = true;
  worker.join();
  return left_empty && right_empty ? 0 : 1;
}
