// SPDX-License-Identifier: BSD-3-Clause
#include "harness/usrsctp_ends.h"

#include <arpa/inet.h>

#include <cerrno>

#include "harness/sample.h"

namespace trunkline::perf {
namespace {

void set(struct socket* s, int level, int name, const void* value, size_t size, const char* what) {
  require(usrsctp_setsockopt(s, level, name, value, static_cast<socklen_t>(size)) == 0, what);
}

sockaddr_conn address_of(void* end, uint16_t port) {
  sockaddr_conn out{};
  out.sconn_family = AF_CONN;
  out.sconn_port = htons(port);
  out.sconn_addr = end;
  return out;
}

}  // namespace

void start_usrsctp(UsrsctpOutput* output) {
  usrsctp_init_nothreads(0, output, nullptr);
  usrsctp_register_address(&usrsctp_end_a);
  usrsctp_register_address(&usrsctp_end_z);
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_asconf_enable(0);
  usrsctp_sysctl_set_sctp_pr_enable(0);
  usrsctp_sysctl_set_sctp_nrsack_enable(0);
  // Its own bound on what lies in all sockets together.
  usrsctp_sysctl_set_sctp_max_chunks_on_queue(1 << 20);
}

struct socket* make_usrsctp_socket(void* end, uint16_t port, UsrsctpReceive* receive,
                                   const UsrsctpOptions& options) {
  struct socket* const s =
      usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, receive, nullptr, 0, nullptr);
  require(s != nullptr, "usrsctp_socket failed");
  usrsctp_set_non_blocking(s, 1);
  const int on = 1;
  set(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on, "SCTP_NODELAY");
  sctp_sack_info sack{};
  sack.sack_delay = options.sack_delay_ms;
  sack.sack_freq = options.sack_frequency;
  set(s, IPPROTO_SCTP, SCTP_DELAYED_SACK, &sack, sizeof sack, "SCTP_DELAYED_SACK");
  set(s, IPPROTO_SCTP, SCTP_RTOINFO, &options.rto, sizeof options.rto, "SCTP_RTOINFO");
  const sctp_initmsg init = {10, 10, 0, 0};
  set(s, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init, "SCTP_INITMSG");
  sctp_paddrparams path{};  // 1500 bytes, as ours; no probes
  path.spp_address.ss_family = AF_CONN;
  path.spp_pathmtu = 1500 - 20;
  path.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_ENABLE;
  path.spp_hbinterval = 30'000;
  set(s, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path, "SCTP_PEER_ADDR_PARAMS");
  set(s, SOL_SOCKET, SO_SNDBUF, &options.buffer, sizeof options.buffer, "SO_SNDBUF");
  set(s, SOL_SOCKET, SO_RCVBUF, &options.buffer, sizeof options.buffer, "SO_RCVBUF");
  sockaddr_conn address = address_of(end, port);
  require(usrsctp_bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
          "usrsctp_bind failed");
  return s;
}

void usrsctp_call(struct socket* from) {
  sockaddr_conn peer = address_of(&usrsctp_end_a, kUsrsctpPort);  // A's own name for the other end
  const int result = usrsctp_connect(from, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
  require(result == 0 || errno == EINPROGRESS, "usrsctp_connect failed");
}

bool usrsctp_send(struct socket* from, std::span<const uint8_t> message) {
  sctp_sndinfo info{};
  const ssize_t n = usrsctp_sendv(from, message.data(), message.size(), nullptr, 0, &info,
                                  sizeof info, SCTP_SENDV_SNDINFO, 0);
  if (n < 0) require(errno == EWOULDBLOCK || errno == EAGAIN, "usrsctp_sendv failed");
  return n > 0;
}

}  // namespace trunkline::perf
