// SPDX-License-Identifier: BSD-3-Clause
// The option table: lengths and values as Linux 6.1 judges them, what is read after it was written,
// and what becomes of an association's profile.
#include "sockets/options.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <climits>

#include "program.h"
#include "sockets/linux_sctp.h"
#include "trunkline/stack/profile_limits.h"

namespace trunkline::test {
namespace {

using sockets::AssociationView;
using sockets::OptionAnswer;
using sockets::OptionTarget;
using sockets::SocketOptions;
using std::chrono::milliseconds;
using Bytes = std::vector<uint8_t>;

class OptionsTest : public ::testing::Test {
 protected:
  OptionsTest() {
    view.status.state = AssocState::kEstablished;
    view.status.peer_port = PortNumber(3868);
    view.status.outbound_streams = 10;
    view.status.inbound_streams = 5;
    view.status.peer_rwnd = 4711;
    for (const char* text : {"192.0.2.8", "192.0.2.9"}) {
      PathStatus path;
      path.remote = *IpAddress::parse(text);
      path.state = PathState::kActive;
      path.primary = view.status.paths.empty();
      path.mtu = 1500;
      path.rto = milliseconds(300);
      view.status.paths.push_back(path);
      view.path_profiles.push_back(configured);
    }
  }
  OptionTarget target() {
    return {options,
            false,
            false,
            port,
            addresses,
            own,
            configured,
            floors,
            connected,
            connected ? &view : nullptr,
            connected ? 77u : 0u};
  }
  void establish() {
    connected = true;
    options.current = options.future;
  }
  OptionAnswer get(int name, const Bytes& there, size_t room, int level = IPPROTO_SCTP) {
    return sockets::get_option(target(), level, name, there, room);
  }
  int set(int name, const Bytes& value, int level = IPPROTO_SCTP) {
    OptionTarget at = target();
    last = sockets::set_option(at, level, name, value);
    return last.error;
  }
  template <typename T>
  int get(int name, T& value, int level = IPPROTO_SCTP) {
    const OptionAnswer out = get(name, bytes_of(value), sizeof(value), level);
    if (out.error == 0) std::memcpy(&value, out.body.data(), std::min(out.body.size(), sizeof(T)));
    return out.error;
  }
  template <typename T>
  int set(int name, const T& value, int level = IPPROTO_SCTP) requires(!std::is_same_v<T, Bytes>) {
    return set(name, bytes_of(value), level);
  }
  int get_int(int name, int level = IPPROTO_SCTP) {
    int value = -1;
    EXPECT_EQ(get(name, value, level), 0) << name;
    return value;
  }
  sockaddr_storage peer(const char* text, uint16_t at_port = 3868) {
    sockaddr_storage out{};
    const Bytes bytes = ipv4(text, at_port);
    std::memcpy(&out, bytes.data(), bytes.size());
    return out;
  }
  Profile profile() {
    return sockets::profile_of(options, options.association(), configured, floors);
  }

  SocketOptions options;
  sockets::OptionFloors floors;
  Profile configured;
  sockets::OwnAddresses own{std::vector{*IpAddress::parse("192.0.2.1")}};
  std::vector<IpAddress> addresses;
  uint16_t port = 0;
  bool connected = false;
  AssociationView view;
  OptionAnswer last;
};

// What zeros of that many bytes are answered, without an association: an errno, or -1 for "there
// is no such length to try".
struct Lengths {
  const char* name;
  int option;
  size_t size;  // of the structure
  int get_short, get_exact, get_long;
  int set_short, set_exact, set_long;
};

TEST_F(OptionsTest, LengthsAreJudgedAsLinuxDoes) {
  constexpr int kNone = ENOPROTOOPT;
  const Lengths kAll[] = {
      {"RTOINFO", 0, 16, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"ASSOCINFO", 1, 20, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"INITMSG", 2, 8, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"NODELAY", 3, 4, EINVAL, 0, 0, EINVAL, 0, 0},
      {"AUTOCLOSE", 4, 4, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
      {"SET_PEER_PRIMARY", 5, 132, kNone, kNone, kNone, EPERM, EPERM, EPERM},
      {"PRIMARY_ADDR", 6, 132, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL},
      {"ADAPTATION_LAYER", 7, 4, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"DISABLE_FRAGMENTS", 8, 4, EINVAL, 0, 0, EINVAL, 0, 0},
      {"PEER_ADDR_PARAMS", 9, 156, 0, 0, 0, EINVAL, 0, EINVAL},
      {"DEFAULT_SEND_PARAM", 10, 32, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"EVENTS", 11, 14, 0, 0, 0, 0, 0, EINVAL},
      {"MAPPED_V4", 12, 4, EINVAL, 0, 0, EINVAL, 0, 0},
      {"STATUS", 14, 176, EINVAL, EINVAL, EINVAL, kNone, kNone, kNone},
      {"PEER_ADDR_INFO", 15, 152, EINVAL, EINVAL, EINVAL, kNone, kNone, kNone},
      {"DELAYED_SACK", 16, 12, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"CONTEXT", 17, 8, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"FRAGMENT_INTERLEAVE", 18, 4, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"PARTIAL_DELIVERY_POINT", 19, 4, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"AUTH_CHUNK", 21, 1, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EACCES, EACCES, EACCES},
      {"HMAC_IDENT", 22, 8, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES},
      {"AUTH_KEY", 23, 8, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EINVAL, EINVAL, EACCES},
      {"ACTIVE_KEY", 24, 8, EINVAL, EACCES, EACCES, EINVAL, EACCES, EINVAL},
      {"DELETE_KEY", 25, 8, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, EINVAL, EACCES, EINVAL},
      {"PEER_AUTH_CHUNKS", 26, 8, EINVAL, EINVAL, EINVAL, kNone, kNone, kNone},
      {"LOCAL_AUTH_CHUNKS", 27, 8, EINVAL, EACCES, EACCES, kNone, kNone, kNone},
      {"ASSOC_NUMBER", 28, 4, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, kNone, kNone, kNone},
      {"ASSOC_ID_LIST", 29, 4, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP, kNone, kNone, kNone},
      {"AUTO_ASCONF", 30, 4, EINVAL, 0, 0, EINVAL, 0, 0},
      {"THLDS", 31, sizeof(sctp_paddrthlds), EINVAL, 0, 0, EINVAL, 0, 0},
      {"RECVRCVINFO", 32, 4, EINVAL, 0, 0, EINVAL, 0, 0},
      {"RECVNXTINFO", 33, 4, EINVAL, 0, 0, EINVAL, 0, 0},
      {"DEFAULT_SNDINFO", 34, 16, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"GET_PEER_ADDRS", 108, 8, EINVAL, EINVAL, EINVAL, kNone, kNone, kNone},
      {"GET_LOCAL_ADDRS", 109, 8, EINVAL, EINVAL, 0, kNone, kNone, kNone},
      {"ASSOC_STATS", 112, 4, EINVAL, EINVAL, EINVAL, kNone, kNone, kNone},
      {"PR_SUPPORTED", 113, 8, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"DEFAULT_PRINFO", 114, 12, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"RECONFIG", 117, 8, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"STREAM_RESET", 118, 8, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"RESET_ASSOC", 120, 4, kNone, kNone, kNone, EINVAL, EINVAL, EINVAL},
      {"ADD_STREAMS", 121, 8, kNone, kNone, kNone, EINVAL, EINVAL, EINVAL},
      {"SCHEDULER", 123, 8, EINVAL, 0, 0, EINVAL, 0, 0},
      {"INTERLEAVING", 125, 8, EINVAL, 0, 0, EINVAL, EPERM, EPERM},
      {"SENDMSG_CONNECT", 126, 4, kNone, kNone, kNone, kNone, kNone, kNone},
      {"EVENT", 127, 8, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, EINVAL},
      {"EXPOSE_PF", 131, 8, EINVAL, 0, 0, EINVAL, 0, EINVAL},
      {"nothing", 99, 4, kNone, kNone, kNone, kNone, kNone, kNone},
  };
  const Bytes zeros(512);
  for (const Lengths& at : kAll) {
    SCOPED_TRACE(at.name);
    const auto get_error = [&](size_t size) { return get(at.option, zeros, size).error; };
    const auto set_error = [&](size_t size) { return set(at.option, Bytes(size)); };
    EXPECT_EQ(get_error(at.size - 1), at.get_short);
    EXPECT_EQ(get_error(at.size), at.get_exact);
    EXPECT_EQ(get_error(at.size + 1), at.get_long);
    EXPECT_EQ(set_error(at.size - 1), at.set_short);
    EXPECT_EQ(set_error(at.size), at.set_exact);
    EXPECT_EQ(set_error(at.size + 1), at.set_long);
    // Nothing reads beyond what was sent, nor writes beyond the room.
    for (size_t room = 0; room < 200; room += 7) {
      const OptionAnswer out = get(at.option, {}, room);
      EXPECT_LE(out.body.size(), room);
    }
  }
  EXPECT_EQ(get(SCTP_PEER_ADDR_PARAMS, zeros, size_t{151}).error,
            EINVAL);  // older than flow labels
  EXPECT_EQ(get(SCTP_PEER_ADDR_PARAMS, zeros, size_t{152}).error, 0);
  EXPECT_EQ(get(SCTP_EVENTS, {}, 0).error, EINVAL);
  EXPECT_EQ(set(SCTP_EVENTS, Bytes{}), 0);
}

TEST_F(OptionsTest, DefaultsAreThoseInForce) {
  sctp_rtoinfo rto{};
  EXPECT_EQ(get(SCTP_RTOINFO, rto), 0);
  EXPECT_EQ(rto.srto_initial, 1000u);
  EXPECT_EQ(rto.srto_max, 60000u);
  sctp_initmsg init{};
  EXPECT_EQ(get(SCTP_INITMSG, init), 0);
  EXPECT_EQ(init.sinit_num_ostreams, 10);
  EXPECT_EQ(init.sinit_max_instreams, 2048);
  EXPECT_EQ(init.sinit_max_attempts, 8);
  EXPECT_EQ(init.sinit_max_init_timeo, 60000);
  sctp_paddrparams params{};
  EXPECT_EQ(get(SCTP_PEER_ADDR_PARAMS, params), 0);
  EXPECT_EQ(params.spp_hbinterval, 30000u);
  EXPECT_EQ(params.spp_pathmaxrxt, 5);
  EXPECT_EQ(params.spp_flags, uint32_t{SPP_HB_ENABLE | SPP_PMTUD_ENABLE | SPP_SACKDELAY_ENABLE});
  EXPECT_EQ(get_int(SCTP_NODELAY), 0);
  EXPECT_EQ(get_int(SCTP_I_WANT_MAPPED_V4_ADDR), 1);
  EXPECT_EQ(get_int(SCTP_MAX_BURST), 4);
  EXPECT_EQ(get_int(SO_SNDBUF, SOL_SOCKET), 212992);
  EXPECT_EQ(get_int(SO_RCVBUF, SOL_SOCKET), 212992);
}

// As on Linux, where they are one policy and one value.
TEST_F(OptionsTest, DefaultsOfWhatIsSentAreOnePolicyAndOneValue) {
  sctp_default_prinfo partial{};
  partial.pr_policy = 0x11;
  EXPECT_EQ(set(SCTP_DEFAULT_PRINFO, partial), EINVAL);
  sctp_sndrcvinfo info{};
  info.sinfo_flags = SCTP_UNORDERED;
  info.sinfo_timetolive = 700;
  EXPECT_EQ(set(SCTP_DEFAULT_SEND_PARAM, info), 0);
  EXPECT_EQ(get(SCTP_DEFAULT_PRINFO, partial), 0);
  EXPECT_EQ(partial.pr_policy, SCTP_PR_SCTP_NONE);
  EXPECT_EQ(partial.pr_value, 700u);
  partial.pr_policy = SCTP_PR_SCTP_RTX;
  partial.pr_value = 3;
  EXPECT_EQ(set(SCTP_DEFAULT_PRINFO, partial), 0);
  EXPECT_EQ(get(SCTP_DEFAULT_SEND_PARAM, info), 0);
  EXPECT_EQ(info.sinfo_flags, SCTP_UNORDERED | SCTP_PR_SCTP_RTX);
  EXPECT_EQ(info.sinfo_timetolive, 3u);
  sctp_sndinfo snd{};
  EXPECT_EQ(get(SCTP_DEFAULT_SNDINFO, snd), 0);
  EXPECT_EQ(snd.snd_flags, SCTP_UNORDERED | SCTP_PR_SCTP_RTX);
  EXPECT_EQ(sockets::page_options(options).send_flags, SCTP_UNORDERED | SCTP_PR_SCTP_RTX);
  EXPECT_EQ(sockets::page_options(options).send_lifetime, 3u);
  snd.snd_flags = 0;
  EXPECT_EQ(set(SCTP_DEFAULT_SNDINFO, snd), 0);
  EXPECT_EQ(get(SCTP_DEFAULT_PRINFO, partial), 0);
  EXPECT_EQ(partial.pr_policy, SCTP_PR_SCTP_NONE);
  EXPECT_EQ(partial.pr_value, 3u);
  partial.pr_value = 9;
  EXPECT_EQ(set(SCTP_DEFAULT_PRINFO, partial), 0);
  EXPECT_EQ(get(SCTP_DEFAULT_PRINFO, partial), 0);
  EXPECT_EQ(partial.pr_value, 0u);
}

TEST_F(OptionsTest, PartialReliabilityIsOfferedUnlessAProgramSaysOtherwise) {
  sctp_assoc_value value{};
  const auto supported = [&] {
    EXPECT_EQ(get(SCTP_PR_SUPPORTED, value), 0);
    return value.assoc_value;
  };
  EXPECT_EQ(supported(), 1u);
  configured.partial_reliability = false;
  EXPECT_EQ(supported(), 0u);
  for (const bool on : {true, false}) {
    value.assoc_value = on ? 2 : 0;
    EXPECT_EQ(set(SCTP_PR_SUPPORTED, value), 0);
    EXPECT_EQ(supported(), on ? 1u : 0u);
    EXPECT_EQ(profile().partial_reliability, on);
  }
  establish();
  EXPECT_EQ(supported(), 0u);
  view.status.partial_reliability = true;
  EXPECT_EQ(supported(), 1u);
}

TEST_F(OptionsTest, WhatWasGivenUpByPolicy) {
  sctp_prstatus status{};
  status.sprstat_policy = SCTP_PR_SCTP_TTL;
  EXPECT_EQ(get(SCTP_PR_ASSOC_STATUS, status), EINVAL);
  establish();
  view.status.abandoned = {{{0, 0}, {1, 2}, {30, 40}, {500, 600}}};
  const struct {
    uint16_t policy;
    uint64_t unsent, sent;
  } cases[] = {{SCTP_PR_SCTP_TTL, 1, 2},
               {SCTP_PR_SCTP_RTX, 30, 40},
               {SCTP_PR_SCTP_PRIO, 500, 600},
               {0x80, 531, 642}};
  for (const auto& [policy, unsent, sent] : cases) {
    status.sprstat_policy = policy;
    EXPECT_EQ(get(SCTP_PR_ASSOC_STATUS, status), 0);
    EXPECT_EQ(status.sprstat_abandoned_unsent, unsent) << policy;
    EXPECT_EQ(status.sprstat_abandoned_sent, sent) << policy;
  }
  for (const int policy : {0, 1, 0x40, 0x90, 0x81}) {
    status.sprstat_policy = static_cast<uint16_t>(policy);
    EXPECT_EQ(get(SCTP_PR_ASSOC_STATUS, status), EINVAL) << policy;
    EXPECT_EQ(get(SCTP_PR_STREAM_STATUS, status), EINVAL) << policy;
  }
  status.sprstat_policy = SCTP_PR_SCTP_TTL;
  status.sprstat_sid = 9;
  EXPECT_EQ(get(SCTP_PR_STREAM_STATUS, status), EOPNOTSUPP);
  status.sprstat_sid = 10;
  EXPECT_EQ(get(SCTP_PR_STREAM_STATUS, status), EINVAL);
}

TEST_F(OptionsTest, WhatIsWrittenIsRead) {
  sctp_rtoinfo rto{};
  rto.srto_min = 3000;
  rto.srto_max = 2000;
  EXPECT_EQ(set(SCTP_RTOINFO, rto), EINVAL);
  rto = {5, 200, 2000, 100};
  EXPECT_EQ(set(SCTP_RTOINFO, rto), 0);
  EXPECT_EQ(get(SCTP_RTOINFO, rto), 0);
  EXPECT_EQ(rto.srto_initial, 200u);
  EXPECT_EQ(rto.srto_assoc_id, 5);  // as it was given
  for (const int name : {SCTP_NODELAY, SCTP_DISABLE_FRAGMENTS, SCTP_RECVRCVINFO, SCTP_RECVNXTINFO,
                         SCTP_FRAGMENT_INTERLEAVE}) {
    EXPECT_EQ(set(name, 2), 0);
    EXPECT_EQ(get_int(name), 1) << name;
  }
  EXPECT_EQ(set(SCTP_I_WANT_MAPPED_V4_ADDR, 0), 0);
  EXPECT_EQ(get_int(SCTP_I_WANT_MAPPED_V4_ADDR), 0);
  EXPECT_EQ(set(SCTP_PARTIAL_DELIVERY_POINT, 106496), 0);
  EXPECT_EQ(set(SCTP_PARTIAL_DELIVERY_POINT, 106497), EINVAL);
  EXPECT_EQ(get_int(SCTP_PARTIAL_DELIVERY_POINT), 106496);
  EXPECT_EQ(set(SO_SNDBUF, 10000, SOL_SOCKET), 0);
  EXPECT_EQ(get_int(SO_SNDBUF, SOL_SOCKET), 20000);
  EXPECT_EQ(set(SO_RCVBUF, 1, SOL_SOCKET), 0);
  EXPECT_EQ(get_int(SO_RCVBUF, SOL_SOCKET), 2304);
  EXPECT_EQ(set(SO_RCVBUF, 1 << 30, SOL_SOCKET), 0);
  EXPECT_EQ(get_int(SO_RCVBUF, SOL_SOCKET), 425984);
  const linger wait{1, 7};
  EXPECT_EQ(set(SO_LINGER, wait, SOL_SOCKET), 0);
  linger out{};
  EXPECT_EQ(get(SO_LINGER, out, SOL_SOCKET), 0);
  EXPECT_EQ(out.l_onoff, 1);
  EXPECT_EQ(out.l_linger, 7);
  sctp_sndrcvinfo info{};
  info.sinfo_flags = 0x8000;
  EXPECT_EQ(set(SCTP_DEFAULT_SEND_PARAM, info), EINVAL);
  info.sinfo_flags = SCTP_UNORDERED;
  info.sinfo_stream = 3;
  info.sinfo_ppid = 99;
  EXPECT_EQ(set(SCTP_DEFAULT_SEND_PARAM, info), 0);
  sctp_sndinfo snd{};
  EXPECT_EQ(get(SCTP_DEFAULT_SNDINFO, snd), 0);
  EXPECT_EQ(snd.snd_sid, 3);
  EXPECT_EQ(snd.snd_ppid, 99u);
  EXPECT_EQ(set(SCTP_MAXSEG, 463), EINVAL);
  EXPECT_EQ(set(SCTP_MAXSEG, 464), 0);
  EXPECT_EQ(set(SCTP_MAXSEG, 65517), EINVAL);
  EXPECT_EQ(get_int(SCTP_MAXSEG), 464);
  const tls_options page = sockets::page_options(options);
  EXPECT_EQ(page.send_stream, 3);
  EXPECT_EQ(page.send_ppid, 99u);
  EXPECT_EQ(page.max_segment, 464u);
  EXPECT_EQ(page.mapped_v4, 0u);
  EXPECT_EQ(page.receive, uint32_t{TLS_WANT_RCVINFO | TLS_WANT_NXTINFO});
}

TEST_F(OptionsTest, WhatGoesBeyondLimitsIsShownAsItWasAsked) {
  sctp_rtoinfo rto{0, 2000, 1000, 100};
  EXPECT_EQ(set(SCTP_RTOINFO, rto), 0);
  EXPECT_EQ(get(SCTP_RTOINFO, rto), 0);
  EXPECT_EQ(rto.srto_initial, 2000u);
  EXPECT_EQ(profile_of(options, options.future, configured, floors).rto_initial,
            Duration(milliseconds(1000)));
  sctp_assocparams assoc{};
  assoc.sasoc_asocmaxrxt = 65535;
  EXPECT_EQ(set(SCTP_ASSOCINFO, assoc), 0);
  EXPECT_EQ(get(SCTP_ASSOCINFO, assoc), 0);
  EXPECT_EQ(assoc.sasoc_asocmaxrxt, 65535);
  sctp_initmsg init{65535, 65535, 300, 0};
  EXPECT_EQ(set(SCTP_INITMSG, init), 0);
  EXPECT_EQ(get(SCTP_INITMSG, init), 0);
  EXPECT_EQ(init.sinit_max_instreams, 65535);
  EXPECT_EQ(init.sinit_max_attempts, 300);
}

TEST_F(OptionsTest, OfOtherLevelsAsLinuxHasThem) {
  EXPECT_EQ(set(SO_LINGER, linger{1, 5}, SOL_SOCKET), 0);
  EXPECT_EQ(set(SO_LINGER, linger{0, 9}, SOL_SOCKET), 0);
  linger wait{};
  EXPECT_EQ(get(SO_LINGER, wait, SOL_SOCKET), 0);
  EXPECT_EQ(wait.l_onoff, 0);
  EXPECT_EQ(wait.l_linger, 5);
  EXPECT_EQ(set(SO_LINGER, linger{1, -1}, SOL_SOCKET), 0);
  EXPECT_EQ(options.linger, INT_MAX);  // no reset: for ever
  EXPECT_EQ(get_int(SO_RCVLOWAT, SOL_SOCKET), 1);
  EXPECT_EQ(set(SO_RCVLOWAT, 10, SOL_SOCKET), 0);
  EXPECT_EQ(get_int(SO_RCVLOWAT, SOL_SOCKET), 10);
  EXPECT_EQ(set(SO_RCVLOWAT, 0, SOL_SOCKET), 0);
  EXPECT_EQ(get_int(SO_RCVLOWAT, SOL_SOCKET), 1);
  EXPECT_EQ(get_int(IP_TTL, IPPROTO_IP), 64);
  EXPECT_EQ(set(IP_TTL, 64, IPPROTO_IP), 0);
  EXPECT_EQ(set(IP_TTL, 0, IPPROTO_IP), EINVAL);
  EXPECT_EQ(set(IP_TTL, 33, IPPROTO_IP), EOPNOTSUPP);
  EXPECT_EQ(set(IP_TOS, 0xba, IPPROTO_IP), 0);
  EXPECT_EQ(get_int(IP_TOS, IPPROTO_IP), 0xb8);
  EXPECT_EQ(get(IP_TOS, Bytes(3), size_t{3}, IPPROTO_IP).length, 1);
  EXPECT_EQ(set(IP_TOS, Bytes{}, IPPROTO_IP), 0);
  EXPECT_EQ(get_int(IP_TOS, IPPROTO_IP), 0);
}

TEST_F(OptionsTest, EventsOfAnyLength) {
  EXPECT_EQ(set(SCTP_EVENTS, Bytes{1, 1, 0, 1}), 0);
  EXPECT_EQ(options.future.events, 0xbu);
  EXPECT_EQ(set(SCTP_EVENTS, Bytes{0}), 0);
  EXPECT_EQ(options.future.events, 0xau);
  OptionAnswer out = get(SCTP_EVENTS, {}, 3);
  EXPECT_EQ(out.body, (Bytes{0, 1, 0}));
  EXPECT_EQ(out.length, 3);
  out = get(SCTP_EVENTS, {}, 100);
  EXPECT_EQ(out.body.size(), 14u);
  EXPECT_EQ(out.length, 14);
  sctp_event event{};
  event.se_type = SCTP_SENDER_DRY_EVENT;
  event.se_on = 1;
  EXPECT_EQ(set(SCTP_EVENT, event), 0);
  EXPECT_EQ(options.future.events, 0x20au);
  event.se_type = SCTP_SN_TYPE_MAX + 1;
  EXPECT_EQ(set(SCTP_EVENT, event), EINVAL);
  event.se_type = SCTP_ASSOC_CHANGE;
  event.se_on = 0;
  EXPECT_EQ(get(SCTP_EVENT, event), 0);
  EXPECT_EQ(event.se_on, 1);
  // Of an association alone by the newer option, of both by the older one.
  establish();
  event.se_on = 0;
  EXPECT_EQ(set(SCTP_EVENT, event), 0);
  EXPECT_EQ(options.current->events, 0x208u);
  EXPECT_EQ(options.future.events, 0x20au);
  EXPECT_EQ(set(SCTP_EVENTS, Bytes{1}), 0);
  EXPECT_EQ(options.current->events, 0x20bu);
}

TEST_F(OptionsTest, OfALivingAssociationAnEditIsMade) {
  establish();
  sctp_rtoinfo rto{};
  rto.srto_max = 9000;
  EXPECT_EQ(set(SCTP_RTOINFO, rto), 0);
  ASSERT_TRUE(last.effects.edit.has_value());
  EXPECT_EQ(last.effects.edit->rto_max, Duration(milliseconds(9000)));
  EXPECT_FALSE(last.effects.edit->rto_min.has_value());
  EXPECT_FALSE(options.future.rto_max.has_value());  // of the next one nothing was said
  EXPECT_EQ(set(SCTP_RTOINFO, rto), 0);
  EXPECT_FALSE(last.effects.any());  // it has that already
  EXPECT_EQ(set(SCTP_NODELAY, 1), 0);
  ASSERT_TRUE(last.effects.edit.has_value());
  EXPECT_EQ(last.effects.edit->nagle, false);
  sctp_assocparams assoc{};
  assoc.sasoc_asocmaxrxt = 11;  // more than both paths together
  EXPECT_EQ(set(SCTP_ASSOCINFO, assoc), EINVAL);
  assoc.sasoc_asocmaxrxt = 7;
  EXPECT_EQ(set(SCTP_ASSOCINFO, assoc), 0);
  EXPECT_EQ(last.effects.edit->association_max_retrans, 7);
  EXPECT_EQ(get(SCTP_ASSOCINFO, assoc), 0);
  EXPECT_EQ(assoc.sasoc_number_peer_destinations, 2);
  EXPECT_EQ(assoc.sasoc_peer_rwnd, 4711u);
}

TEST_F(OptionsTest, ParametersOfPeersAddresses) {
  sctp_paddrparams in{};
  in.spp_flags = SPP_HB;
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), EINVAL);
  in.spp_flags = SPP_HB_DEMAND;
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), EINVAL);  // to whom?
  in = {};
  in.spp_sackdelay = 501;
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), EINVAL);
  in = {};
  in.spp_address = peer("192.0.2.8");
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), EINVAL);  // no association
  // As programs before the flow label have it.
  in = {};
  in.spp_flags = SPP_HB_DISABLE;
  Bytes short_form = bytes_of(in);
  short_form.resize(152);
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, short_form), 0);
  EXPECT_EQ(profile().heartbeat_interval, Duration{0});
  in.spp_flags = SPP_HB_ENABLE;
  in.spp_hbinterval = 5000;
  in.spp_pathmaxrxt = 2;
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), 0);
  EXPECT_EQ(profile().heartbeat_interval, Duration(milliseconds(5000)));
  EXPECT_EQ(profile().path_max_retrans, 2);

  establish();
  in = {};
  in.spp_address = peer("192.0.2.7");
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), EINVAL);
  in.spp_address = peer("192.0.2.9", 3869);
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), EINVAL);
  in.spp_address = peer("192.0.2.9");
  in.spp_flags = SPP_HB_ENABLE | SPP_HB_DEMAND;
  in.spp_hbinterval = 700;
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), 0);
  ASSERT_TRUE(last.effects.path_edit.has_value());
  EXPECT_EQ(last.effects.path_edit->first, view.status.paths[1].remote);
  EXPECT_EQ(last.effects.path_edit->second.heartbeat_interval, Duration(milliseconds(700)));
  EXPECT_FALSE(last.effects.path_edit->second.path_max_retrans.has_value());
  EXPECT_EQ(last.effects.heartbeats, std::vector{view.status.paths[1].remote});
  EXPECT_FALSE(last.effects.edit.has_value());
  in.spp_address = {};
  in.spp_flags = SPP_HB_DEMAND;
  EXPECT_EQ(set(SCTP_PEER_ADDR_PARAMS, in), 0);
  EXPECT_EQ(last.effects.heartbeats.size(), 2u);
}

TEST_F(OptionsTest, AcknowledgementsMayBeDelayed) {
  sctp_sack_info in{0, 501, 0};
  EXPECT_EQ(set(SCTP_DELAYED_SACK, in), EINVAL);
  in = {0, 120, 4};
  EXPECT_EQ(set(SCTP_DELAYED_SACK, in), 0);
  EXPECT_EQ(profile().sack_delay, Duration(milliseconds(120)));
  EXPECT_EQ(profile().sack_frequency, 4);
  in = {0, 0, 1};
  EXPECT_EQ(set(SCTP_DELAYED_SACK, in), 0);
  EXPECT_EQ(profile().sack_frequency, 1);
  EXPECT_EQ(get(SCTP_DELAYED_SACK, in), 0);
  EXPECT_EQ(in.sack_delay, 0u);
  EXPECT_EQ(in.sack_freq, 1u);
  const sctp_assoc_value old{0, 90};
  EXPECT_EQ(set(SCTP_DELAYED_SACK, old), 0);
  EXPECT_EQ(profile().sack_frequency, 4);
  EXPECT_EQ(profile().sack_delay, Duration(milliseconds(90)));
}

TEST_F(OptionsTest, StatusIsTheWorkersWord) {
  establish();
  sctp_status out{};
  EXPECT_EQ(get(SCTP_STATUS, out), 0);
  EXPECT_EQ(out.sstat_assoc_id, 77);
  EXPECT_EQ(out.sstat_state, SCTP_ESTABLISHED);
  EXPECT_EQ(out.sstat_rwnd, 4711u);
  EXPECT_EQ(out.sstat_outstrms, 10);
  EXPECT_EQ(out.sstat_fragmentation_point, 1452u);
  EXPECT_EQ(out.sstat_primary.spinfo_state, SCTP_ACTIVE);
  EXPECT_EQ(out.sstat_primary.spinfo_rto, 300u);
  sctp_paddrinfo info{};
  EXPECT_EQ(get(SCTP_GET_PEER_ADDR_INFO, info), EINVAL);
  info.spinfo_address = peer("192.0.2.9");
  EXPECT_EQ(get(SCTP_GET_PEER_ADDR_INFO, info), 0);
  EXPECT_EQ(info.spinfo_mtu, 1500u);
  view.status.paths[1].state = PathState::kPotentiallyFailed;
  EXPECT_EQ(get(SCTP_GET_PEER_ADDR_INFO, info), 0);
  EXPECT_EQ(info.spinfo_state, SCTP_PF);
  EXPECT_EQ(set(SCTP_EXPOSE_POTENTIALLY_FAILED_STATE, sctp_assoc_value{0, 1}), 0);
  EXPECT_EQ(get(SCTP_GET_PEER_ADDR_INFO, info), EACCES);
  sctp_prim prim{};
  prim.ssp_addr = peer("192.0.2.9");
  EXPECT_EQ(set(SCTP_PRIMARY_ADDR, prim), 0);
  EXPECT_EQ(last.effects.primary, view.status.paths[1].remote);
}

TEST_F(OptionsTest, ListsOfAddresses) {
  OptionAnswer out = get(SCTP_GET_LOCAL_ADDRS, Bytes(8), 100);
  EXPECT_EQ(out.error, 0);
  EXPECT_EQ(out.length, 0);
  EXPECT_EQ(out.body, Bytes(8));
  port = 5000;
  addresses = {*IpAddress::parse("0.0.0.0")};
  out = get(SCTP_GET_LOCAL_ADDRS, Bytes(8), 100);
  EXPECT_EQ(out.error, 0);
  EXPECT_EQ(out.body[4], 2);  // 127.0.0.1 and 192.0.2.1
  EXPECT_EQ(out.length, 32);  // without the head, as on Linux
  EXPECT_EQ(out.body.size(), 40u);
  EXPECT_EQ(get(SCTP_GET_LOCAL_ADDRS, Bytes(8), 39).error, ENOMEM);
  establish();
  EXPECT_EQ(get(SCTP_GET_PEER_ADDRS, Bytes(8), 39).error, ENOMEM);
  out = get(SCTP_GET_PEER_ADDRS, Bytes(8), 40);
  EXPECT_EQ(out.error, 0);
  EXPECT_EQ(out.length, 40);
  EXPECT_EQ(Bytes(out.body.begin() + 8, out.body.begin() + 24), ipv4("192.0.2.8", 3868));
}

TEST_F(OptionsTest, WhatIsNotThereIsNotPromised) {
  // Offered to a peer that does not know it: kept, and not in use.
  EXPECT_EQ(set(SCTP_RECONFIG_SUPPORTED, sctp_assoc_value{0, 1}), 0);
  sctp_assoc_value value{};
  EXPECT_EQ(get(SCTP_RECONFIG_SUPPORTED, value), 0);
  EXPECT_EQ(value.assoc_value, 1u);
  establish();
  EXPECT_EQ(get(SCTP_RECONFIG_SUPPORTED, value), 0);
  EXPECT_EQ(value.assoc_value, 0u);
  EXPECT_EQ(set(SCTP_RESET_ASSOC, sctp_assoc_t{77}), ENOPROTOOPT);
  EXPECT_EQ(set(SCTP_AUTH_SUPPORTED, sctp_assoc_value{0, 1}), EOPNOTSUPP);
  EXPECT_EQ(set(SCTP_AUTH_SUPPORTED, sctp_assoc_value{0, 0}), 0);
  EXPECT_EQ(set(SCTP_STREAM_SCHEDULER, sctp_assoc_value{0, SCTP_SS_PRIO}), EOPNOTSUPP);
  EXPECT_EQ(set(SCTP_STREAM_SCHEDULER, sctp_assoc_value{0, 9}), EINVAL);
}

// Whatever a program asks for, the profile is a valid one, and no shorter than the operator grants.
TEST_F(OptionsTest, AnyOptionsMakeAValidProfile) {
  SeededRandom random(5);
  const uint32_t kValues[] = {0, 1, 2, 50, 100, 499, 500, 1000, 60000, 1u << 20, 0xffffffff};
  const auto any = [&] { return kValues[random.below(std::size(kValues))]; };
  for (int i = 0; i < 3000; ++i) {
    options = {};
    sctp_rtoinfo rto{0, any(), any(), any()};
    set(SCTP_RTOINFO, rto);
    sctp_assocparams assoc{};
    assoc.sasoc_asocmaxrxt = static_cast<uint16_t>(any());
    assoc.sasoc_cookie_life = any();
    set(SCTP_ASSOCINFO, assoc);
    sctp_initmsg init{static_cast<uint16_t>(any()), static_cast<uint16_t>(any()),
                      static_cast<uint16_t>(any()), static_cast<uint16_t>(any())};
    set(SCTP_INITMSG, init);
    sctp_paddrparams params{};
    params.spp_flags = any() & 0x7f;
    params.spp_hbinterval = any();
    params.spp_pathmaxrxt = static_cast<uint16_t>(any());
    params.spp_pathmtu = any();
    params.spp_sackdelay = any();
    set(SCTP_PEER_ADDR_PARAMS, params);
    set(SCTP_DELAYED_SACK, sctp_sack_info{0, any(), any()});
    set(SCTP_MAX_BURST, sctp_assoc_value{0, any()});
    sctp_paddrthlds_v2 thresholds{};
    thresholds.spt_pathmaxrxt = static_cast<uint16_t>(any());
    thresholds.spt_pathpfthld = static_cast<uint16_t>(any());
    thresholds.spt_pathcpthld = static_cast<uint16_t>(any());
    set(SCTP_PEER_ADDR_THLDS_V2, thresholds);
    set(SO_RCVBUF, any(), SOL_SOCKET);
    set(SCTP_PARTIAL_DELIVERY_POINT, any());
    const Profile p = profile();
    const ProfileFault fault = fault_of(p);
    ASSERT_FALSE(fault) << fault.field << " " << fault.what;
    ASSERT_GE(p.rto_min, floors.least_rto);
    ASSERT_TRUE(p.heartbeat_interval == Duration{0} ||
                p.heartbeat_interval >= floors.least_heartbeat_interval);
  }
}

}  // namespace
}  // namespace trunkline::test
