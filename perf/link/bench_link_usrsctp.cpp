// SPDX-License-Identifier: BSD-3-Clause
// The same with usrsctp: its time is simulated as well. It reads the clock by gettimeofday(), which
// this program defines, and its timers are driven a millisecond at a time.
#include <arpa/inet.h>
#include <sys/time.h>
#include <usrsctp.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "link/link.h"

namespace {
int64_t simulated_ns = 1'000'000'000'000;
}

// Instead of libc's, for the library too. It has no other clock.
extern "C" int gettimeofday(timeval* __restrict time, void* __restrict) {
  time->tv_sec = simulated_ns / 1'000'000'000;
  time->tv_usec = simulated_ns % 1'000'000'000 / 1000;
  return 0;
}

namespace trunkline::perf {
namespace {

constexpr uint16_t kPort = 2905;
// usrsctp calls an end by a pointer.
char end_a;
char end_z;

class Conversation;
Conversation* conversation;

void set(struct socket* s, int level, int name, const void* value, size_t size, const char* what) {
  require(usrsctp_setsockopt(s, level, name, value, static_cast<socklen_t>(size)) == 0, what);
}

class Conversation {
 public:
  Conversation(const LinkCase& what, uint64_t seed)
      : what_(what), there_(what.setup, 2 * seed), back_(what.setup, 2 * seed + 1) {
    conversation = this;
  }

  double goodput() {
    struct socket* const listener = make_socket(&end_z, kPort);
    require(usrsctp_listen(listener, 16) == 0, "usrsctp_listen failed");
    a_ = make_socket(&end_a, 0);
    sockaddr_conn peer{};
    peer.sconn_family = AF_CONN;
    peer.sconn_port = htons(kPort);
    peer.sconn_addr = &end_a;  // its own name for the other end
    const int result = usrsctp_connect(a_, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
    require(result == 0 || errno == EINPROGRESS, "usrsctp_connect failed");
    struct socket* z = nullptr;
    while (z == nullptr || !(usrsctp_get_events(a_) & SCTP_EVENT_WRITE)) {
      step(now() + std::chrono::seconds(1));
      if (z == nullptr) z = usrsctp_accept(listener, nullptr, nullptr);
    }
    there_.lossy(true);
    back_.lossy(true);
    const TimePoint end = now() + what_.duration;
    sending_ = true;
    while (now() < end) step(end);
    std::fprintf(stderr, "%lu messages, %lu packets, %lu lost, %lu overflowed\n", received_,
                 there_.offered, there_.lost, there_.overflowed);
    say();
    return static_cast<double>(received_ * what_.message_size * 8) /
           std::chrono::duration<double>(what_.duration).count();
  }

  void on_output(const void* end, const void* bytes, size_t size) {
    const std::span packet(static_cast<const uint8_t*>(bytes), size);
    (end == &end_a ? there_ : back_).offer(now(), packet);
  }
  void on_message(const uint8_t* data, size_t size) {
    uint64_t number = 0;
    std::memcpy(&number, data, sizeof number);
    std::memcpy(sink_.data(), data, std::min(size, sink_.size()));
    require(size == what_.message_size && number == received_, "a message is not the next one");
    ++received_;
  }

 private:
  static TimePoint now() { return TimePoint::from_ns(simulated_ns); }

  static int receive(struct socket*, union sctp_sockstore, void* data, size_t size,
                     struct sctp_rcvinfo, int flags, void*) {
    if (data == nullptr) return 1;
    if ((flags & MSG_NOTIFICATION) == 0) {
      conversation->on_message(static_cast<uint8_t*>(data), size);
    }
    std::free(data);
    return 1;
  }

  struct socket* make_socket(void* end, uint16_t port) {
    struct socket* const s =
        usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, receive, nullptr, 0, nullptr);
    require(s != nullptr, "usrsctp_socket failed");
    usrsctp_set_non_blocking(s, 1);
    const int on = 1;
    set(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on, "SCTP_NODELAY");
    sctp_sack_info sack{};
    sack.sack_delay = kSackDelayMs;
    sack.sack_freq = 2;
    set(s, IPPROTO_SCTP, SCTP_DELAYED_SACK, &sack, sizeof sack, "SCTP_DELAYED_SACK");
    sctp_rtoinfo rto{};
    rto.srto_initial = what_.rto.initial;
    rto.srto_min = what_.rto.min;
    rto.srto_max = what_.rto.max;
    set(s, IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof rto, "SCTP_RTOINFO");
    sctp_paddrparams path{};  // 1500 bytes, as ours; no probes
    path.spp_address.ss_family = AF_CONN;
    path.spp_pathmtu = 1500 - 20;
    path.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE;
    path.spp_hbinterval = 30'000;
    set(s, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path, "SCTP_PEER_ADDR_PARAMS");
    const int window = kWindow;
    set(s, SOL_SOCKET, SO_SNDBUF, &window, sizeof window, "SO_SNDBUF");
    set(s, SOL_SOCKET, SO_RCVBUF, &window, sizeof window, "SO_RCVBUF");
    sockaddr_conn address{};
    address.sconn_family = AF_CONN;
    address.sconn_port = htons(port);
    address.sconn_addr = end;
    require(usrsctp_bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
            "usrsctp_bind failed");
    return s;
  }

  bool send_one() {
    std::memcpy(text_.data(), &sent_, sizeof sent_);
    const sctp_sndinfo info{};
    const ssize_t n =
        usrsctp_sendv(a_, text_.data(), text_.size(), nullptr, 0, const_cast<sctp_sndinfo*>(&info),
                      sizeof info, SCTP_SENDV_SNDINFO, 0);
    if (n < 0) require(errno == EWOULDBLOCK || errno == EAGAIN, "usrsctp_sendv failed");
    if (n > 0) ++sent_;
    return n > 0;
  }

  // On to the next packet or millisecond, `end` at the latest.
  void step(TimePoint end) {
    while (sending_ && send_one()) {
    }
    const TimePoint tick = TimePoint::from_ns(ticked_ns_ + 1'000'000);
    const TimePoint next = std::min({end, tick, there_.next_arrival(), back_.next_arrival()});
    simulated_ns = std::max(simulated_ns, next.ns());
    arrive(there_, &end_z);
    arrive(back_, &end_a);
    if (simulated_ns >= tick.ns()) {
      ticked_ns_ = tick.ns();
      usrsctp_handle_timers(1);
    }
  }
  void arrive(Link& link, void* to) {
    for (;;) {
      const std::span<const uint8_t> bytes = link.take(now());
      if (bytes.empty()) return;
      usrsctp_conninput(to, bytes.data(), bytes.size(), 0);
    }
  }
  static void say() {
    struct sctpstat stat {};
    usrsctp_get_stat(&stat);
    std::fprintf(stderr, "chunks sent again: %u fast, %u in all; T3 %u\n",
                 stat.sctps_sendfastretrans, stat.sctps_sendretransdata, stat.sctps_timodata);
  }

  const LinkCase what_;
  Link there_;
  Link back_;
  struct socket* a_ = nullptr;
  bool sending_ = false;
  uint64_t sent_ = 0;
  uint64_t received_ = 0;
  int64_t ticked_ns_ = simulated_ns;
  std::vector<uint8_t> text_ = std::vector<uint8_t>(what_.message_size);
  std::vector<uint8_t> sink_ = std::vector<uint8_t>(what_.message_size);
};

int on_output(void* end, void* bytes, size_t size, uint8_t, uint8_t) {
  conversation->on_output(end, bytes, size);
  return 0;
}

double one_goodput(const LinkCase& what, uint64_t seed) {
  usrsctp_init_nothreads(0, on_output, nullptr);
  usrsctp_register_address(&end_a);
  usrsctp_register_address(&end_z);
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_max_chunks_on_queue(1 << 20);
  return Conversation(what, seed).goodput();
}

void goodput(const Run& run) {
  report_goodput(run, one_goodput);
}

}  // namespace
}  // namespace trunkline::perf

int main(int argc, char** argv) {
  using namespace trunkline::perf;
  return run_cases(argc, argv, "usrsctp", link_cases(goodput));
}
