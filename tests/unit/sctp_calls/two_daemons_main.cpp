// SPDX-License-Identifier: BSD-3-Clause
// Two daemons in one program, but for ports of DPDK: real shards, bridges and sockets threads, and
// a wire that is a function call. For programs under trunkline-run: two_daemons LEFT_PATH
// RIGHT_PATH. The left one is 10.1.0.1, the right one 10.1.0.2. Ends with its standard input.
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "sockets/socket_server.h"
#include "two_hosts.h"

namespace {

using namespace trunkline;

sockets::SocketServerConfig config_of(const test::SocketHost& host, const char* path) {
  sockets::SocketServerConfig out;
  out.place = {"sockets", path, 0666, {}};
  appring::Permission all;
  all.ports = {{1, 65535}};
  all.connect_from_any = true;
  out.permissions = {all};
  out.own_addresses = {host.address};
  out.default_profile = test::SocketHost::profile();
  return out;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  test::TwoHosts hosts;
  sockets::SocketMail* left_mail = &hosts.left.mail;
  sockets::SocketMail* right_mail = &hosts.right.mail;
  sockets::SocketServer left(config_of(hosts.left, arguments[1]), {&left_mail, 1},
                             *hosts.left.ports);
  sockets::SocketServer right(config_of(hosts.right, arguments[2]), {&right_mail, 1},
                              *hosts.right.ports);
  left.start();
  right.start();
  std::thread worker([&] { hosts.run_worker(); });
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  const bool left_empty = left.stop(std::chrono::seconds(5));
  const bool right_empty = right.stop(std::chrono::seconds(5));
  hosts.stop = true;
  worker.join();
  return left_empty && right_empty ? 0 : 1;
}
