// SPDX-License-Identifier: BSD-3-Clause
// Two daemons in one program, but for ports of DPDK: real shards, bridges and sockets threads, and
// a wire that is a function call. For programs under trunkline-run: two_daemons LEFT_PATH
// RIGHT_PATH. The left one is 10.1.0.1, the right one 10.1.0.2. Ends with its standard input.
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <span>
#include <thread>
#include <utility>

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

// One worker whose packets come back to it.
void run_looped(test::SocketHost& host, const std::atomic<bool>& stop) {
  constexpr size_t kBurst = 32;
  static std::array<std::array<uint8_t, 65536>, kBurst> rooms;
  while (!stop.load(std::memory_order_relaxed)) {
    const TimePoint now =
        TimePoint::from_ns(std::chrono::steady_clock::now().time_since_epoch().count());
    const size_t work = host.work(now);
    std::array<PacketOut, kBurst> out;
    for (size_t i = 0; i < out.size(); ++i) out[i].room = rooms[i];
    const size_t n = host.shard.transmit(now, out);
    std::array<PacketIn, kBurst> in;
    for (size_t i = 0; i < n; ++i) {
      in[i].source = out[i].source;
      in[i].destination = out[i].destination;
      in[i].bytes = std::span<const uint8_t>(rooms[i]).first(out[i].length);
      in[i].looped = true;
    }
    host.shard.receive(now, std::span(in).first(n));
    host.deliver(now);
    host.flush();
    if (work + n == 0) std::this_thread::yield();
  }
}

void wait_for_the_end() {
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
}

int run_one(const char* path) {
  test::SocketHost host(IpAddress::ipv4(10, 9, 0, 2), 1);
  sockets::SocketMail* mail = &host.mail;
  sockets::SocketServerConfig config = config_of(host, path);
  // As the tests of sockets have it (tests/sockets): what nobody chose, but for SACKs.
  config.default_profile = Profile();
  config.default_profile.sack_delay = std::chrono::milliseconds(10);
  sockets::SocketServer server(std::move(config), {&mail, 1}, *host.ports);
  server.start();
  std::atomic<bool> stop{false};
  std::thread worker([&] { run_looped(host, stop); });
  wait_for_the_end();
  const bool empty = server.stop(std::chrono::seconds(5));
  stop = true;
  worker.join();
  return empty ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2) return run_one(arguments[1]);
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
  wait_for_the_end();
  const bool left_empty = left.stop(std::chrono::seconds(5));
  const bool right_empty = right.stop(std::chrono::seconds(5));
  hosts.stop = true;
  worker.join();
  return left_empty && right_empty ? 0 : 1;
}
