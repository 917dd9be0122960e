// SPDX-License-Identifier: BSD-3-Clause
#include "structs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define AT(type, member, name, kind) \
  { name, offsetof(struct type, member), sizeof(((struct type*)0)->member), kind }
#define SCTP(name, type, ...)                                \
  {                                                          \
#name, SCTP_##name, IPPROTO_SCTP, sizeof(struct type), { \
      __VA_ARGS__                                            \
    }                                                        \
  }
#define NUMBER(name, level, number, kind) \
  {                                       \
    name, number, level, sizeof(int), {   \
      { "value", 0, sizeof(int), kind }   \
    }                                     \
  }
#define SCTP_NUMBER(name) NUMBER(#name, IPPROTO_SCTP, SCTP_##name, 'u')
#define ASSOC_VALUE(name)                                                    \
  SCTP(name, sctp_assoc_value, AT(sctp_assoc_value, assoc_id, "assoc", 'a'), \
       AT(sctp_assoc_value, assoc_value, "value", 'u'))
#define SOCKET_NUMBER(name) NUMBER(#name, SOL_SOCKET, SO_##name, 'u')

static const struct Layout kOptions[] = {
    SCTP(RTOINFO, sctp_rtoinfo, AT(sctp_rtoinfo, srto_assoc_id, "assoc", 'a'),
         AT(sctp_rtoinfo, srto_initial, "initial", 'u'), AT(sctp_rtoinfo, srto_max, "max", 'u'),
         AT(sctp_rtoinfo, srto_min, "min", 'u')),
    SCTP(ASSOCINFO, sctp_assocparams, AT(sctp_assocparams, sasoc_assoc_id, "assoc", 'a'),
         AT(sctp_assocparams, sasoc_asocmaxrxt, "maxrxt", 'u'),
         AT(sctp_assocparams, sasoc_number_peer_destinations, "peers", 'u'),
         AT(sctp_assocparams, sasoc_peer_rwnd, "peer_rwnd", '*'),
         AT(sctp_assocparams, sasoc_local_rwnd, "local_rwnd", '*'),
         AT(sctp_assocparams, sasoc_cookie_life, "cookie_life", 'u')),
    SCTP(INITMSG, sctp_initmsg, AT(sctp_initmsg, sinit_num_ostreams, "ostreams", 'u'),
         AT(sctp_initmsg, sinit_max_instreams, "instreams", 'u'),
         AT(sctp_initmsg, sinit_max_attempts, "attempts", 'u'),
         AT(sctp_initmsg, sinit_max_init_timeo, "timeo", 'u')),
    SCTP_NUMBER(NODELAY),
    SCTP_NUMBER(AUTOCLOSE),
    SCTP(SET_PEER_PRIMARY_ADDR, sctp_setpeerprim, AT(sctp_setpeerprim, sspp_assoc_id, "assoc", 'a'),
         AT(sctp_setpeerprim, sspp_addr, "addr", 'A')),
    SCTP(PRIMARY_ADDR, sctp_prim, AT(sctp_prim, ssp_assoc_id, "assoc", 'a'),
         AT(sctp_prim, ssp_addr, "addr", 'A')),
    SCTP(ADAPTATION_LAYER, sctp_setadaptation,
         AT(sctp_setadaptation, ssb_adaptation_ind, "value", 'u')),
    SCTP_NUMBER(DISABLE_FRAGMENTS),
    SCTP(PEER_ADDR_PARAMS, sctp_paddrparams, AT(sctp_paddrparams, spp_assoc_id, "assoc", 'a'),
         AT(sctp_paddrparams, spp_address, "addr", 'A'),
         AT(sctp_paddrparams, spp_hbinterval, "hb", 'u'),
         AT(sctp_paddrparams, spp_pathmaxrxt, "maxrxt", 'u'),
         AT(sctp_paddrparams, spp_pathmtu, "mtu", 'u'),
         AT(sctp_paddrparams, spp_sackdelay, "sackdelay", 'u'),
         AT(sctp_paddrparams, spp_flags, "flags", 'x'),
         AT(sctp_paddrparams, spp_ipv6_flowlabel, "flowlabel", 'u'),
         AT(sctp_paddrparams, spp_dscp, "dscp", 'u')),
    SCTP(DEFAULT_SEND_PARAM, sctp_sndrcvinfo, AT(sctp_sndrcvinfo, sinfo_stream, "stream", 'u'),
         AT(sctp_sndrcvinfo, sinfo_flags, "flags", 'x'),
         AT(sctp_sndrcvinfo, sinfo_ppid, "ppid", 'u'),
         AT(sctp_sndrcvinfo, sinfo_context, "context", 'u'),
         AT(sctp_sndrcvinfo, sinfo_timetolive, "ttl", 'u'),
         AT(sctp_sndrcvinfo, sinfo_assoc_id, "assoc", 'a')),
    SCTP(EVENTS, sctp_event_subscribe, AT(sctp_event_subscribe, sctp_data_io_event, "data_io", 'u'),
         AT(sctp_event_subscribe, sctp_association_event, "association", 'u'),
         AT(sctp_event_subscribe, sctp_address_event, "address", 'u'),
         AT(sctp_event_subscribe, sctp_send_failure_event, "send_failure", 'u'),
         AT(sctp_event_subscribe, sctp_peer_error_event, "peer_error", 'u'),
         AT(sctp_event_subscribe, sctp_shutdown_event, "shutdown", 'u'),
         AT(sctp_event_subscribe, sctp_partial_delivery_event, "partial", 'u'),
         AT(sctp_event_subscribe, sctp_adaptation_layer_event, "adaptation", 'u'),
         AT(sctp_event_subscribe, sctp_authentication_event, "authentication", 'u'),
         AT(sctp_event_subscribe, sctp_sender_dry_event, "dry", 'u'),
         AT(sctp_event_subscribe, sctp_stream_reset_event, "stream_reset", 'u'),
         AT(sctp_event_subscribe, sctp_assoc_reset_event, "assoc_reset", 'u'),
         AT(sctp_event_subscribe, sctp_stream_change_event, "stream_change", 'u'),
         AT(sctp_event_subscribe, sctp_send_failure_event_event, "send_failure_event", 'u')),
    NUMBER("MAPPED_V4", IPPROTO_SCTP, SCTP_I_WANT_MAPPED_V4_ADDR, 'u'),
    ASSOC_VALUE(MAXSEG),
    SCTP(STATUS, sctp_status, AT(sctp_status, sstat_assoc_id, "assoc", 'a'),
         AT(sctp_status, sstat_state, "state", 'i'), AT(sctp_status, sstat_rwnd, "rwnd", '*'),
         AT(sctp_status, sstat_unackdata, "unack", 'u'),
         AT(sctp_status, sstat_penddata, "pend", 'u'),
         AT(sctp_status, sstat_instrms, "instrms", 'u'),
         AT(sctp_status, sstat_outstrms, "outstrms", 'u'),
         AT(sctp_status, sstat_fragmentation_point, "fragment", '*'),
         AT(sctp_status, sstat_primary.spinfo_assoc_id, "p.assoc", 'a'),
         AT(sctp_status, sstat_primary.spinfo_address, "p.addr", 'A'),
         AT(sctp_status, sstat_primary.spinfo_state, "p.state", 'i'),
         AT(sctp_status, sstat_primary.spinfo_cwnd, "p.cwnd", '*'),
         AT(sctp_status, sstat_primary.spinfo_rto, "p.rto", '*'),
         AT(sctp_status, sstat_primary.spinfo_mtu, "p.mtu", '*')),
    {"GET_PEER_ADDR_INFO",
     SCTP_GET_PEER_ADDR_INFO,
     IPPROTO_SCTP,
     sizeof(struct sctp_paddrinfo),
     {AT(sctp_paddrinfo, spinfo_assoc_id, "assoc", 'a'),
      AT(sctp_paddrinfo, spinfo_address, "addr", 'A'),
      AT(sctp_paddrinfo, spinfo_state, "state", 'i'), AT(sctp_paddrinfo, spinfo_cwnd, "cwnd", '*'),
      AT(sctp_paddrinfo, spinfo_rto, "rto", '*'), AT(sctp_paddrinfo, spinfo_mtu, "mtu", '*')}},
    SCTP(DELAYED_SACK, sctp_sack_info, AT(sctp_sack_info, sack_assoc_id, "assoc", 'a'),
         AT(sctp_sack_info, sack_delay, "delay", 'u'), AT(sctp_sack_info, sack_freq, "freq", 'u')),
    ASSOC_VALUE(CONTEXT),
    SCTP_NUMBER(FRAGMENT_INTERLEAVE),
    SCTP_NUMBER(PARTIAL_DELIVERY_POINT),
    ASSOC_VALUE(MAX_BURST),
    SCTP_NUMBER(GET_ASSOC_NUMBER),
    SCTP_NUMBER(AUTO_ASCONF),
    SCTP(PEER_ADDR_THLDS, sctp_paddrthlds, AT(sctp_paddrthlds, spt_assoc_id, "assoc", 'a'),
         AT(sctp_paddrthlds, spt_address, "addr", 'A'),
         AT(sctp_paddrthlds, spt_pathmaxrxt, "maxrxt", 'u'),
         AT(sctp_paddrthlds, spt_pathpfthld, "pf", 'u')),
    SCTP_NUMBER(RECVRCVINFO),
    SCTP_NUMBER(RECVNXTINFO),
    SCTP(DEFAULT_SNDINFO, sctp_sndinfo, AT(sctp_sndinfo, snd_sid, "stream", 'u'),
         AT(sctp_sndinfo, snd_flags, "flags", 'x'), AT(sctp_sndinfo, snd_ppid, "ppid", 'u'),
         AT(sctp_sndinfo, snd_context, "context", 'u'),
         AT(sctp_sndinfo, snd_assoc_id, "assoc", 'a')),
    SCTP_NUMBER(REUSE_PORT),
    ASSOC_VALUE(PR_SUPPORTED),
    SCTP(DEFAULT_PRINFO, sctp_default_prinfo, AT(sctp_default_prinfo, pr_assoc_id, "assoc", 'a'),
         AT(sctp_default_prinfo, pr_value, "value", 'u'),
         AT(sctp_default_prinfo, pr_policy, "policy", 'u')),
    ASSOC_VALUE(RECONFIG_SUPPORTED),
    ASSOC_VALUE(ENABLE_STREAM_RESET),
    ASSOC_VALUE(STREAM_SCHEDULER),
    ASSOC_VALUE(INTERLEAVING_SUPPORTED),
    SCTP(EVENT, sctp_event, AT(sctp_event, se_assoc_id, "assoc", 'a'),
         AT(sctp_event, se_type, "type", 'x'), AT(sctp_event, se_on, "on", 'u')),
    ASSOC_VALUE(ASCONF_SUPPORTED),
    ASSOC_VALUE(AUTH_SUPPORTED),
    ASSOC_VALUE(ECN_SUPPORTED),
    ASSOC_VALUE(EXPOSE_PF_STATE),
    SOCKET_NUMBER(SNDBUF),
    SOCKET_NUMBER(RCVBUF),
    SOCKET_NUMBER(REUSEADDR),
    SOCKET_NUMBER(REUSEPORT),
    {"LINGER",
     SO_LINGER,
     SOL_SOCKET,
     sizeof(struct linger),
     {AT(linger, l_onoff, "onoff", 'i'), AT(linger, l_linger, "linger", 'i')}},
    NUMBER("ERROR", SOL_SOCKET, SO_ERROR, 'e'),
    SOCKET_NUMBER(TYPE),
    SOCKET_NUMBER(PROTOCOL),
    SOCKET_NUMBER(DOMAIN),
    SOCKET_NUMBER(ACCEPTCONN),
    SOCKET_NUMBER(KEEPALIVE),
    SOCKET_NUMBER(BROADCAST),
    SOCKET_NUMBER(RCVLOWAT),
    SOCKET_NUMBER(SNDLOWAT),
    SOCKET_NUMBER(OOBINLINE),
    {"RCVTIMEO",
     SO_RCVTIMEO,
     SOL_SOCKET,
     sizeof(struct timeval),
     {AT(timeval, tv_sec, "sec", 'i'), AT(timeval, tv_usec, "usec", 'i')}},
    {"SNDTIMEO",
     SO_SNDTIMEO,
     SOL_SOCKET,
     sizeof(struct timeval),
     {AT(timeval, tv_sec, "sec", 'i'), AT(timeval, tv_usec, "usec", 'i')}},
    NUMBER("TOS", IPPROTO_IP, IP_TOS, 'u'),
    NUMBER("TTL", IPPROTO_IP, IP_TTL, 'u'),
    NUMBER("V6ONLY", IPPROTO_IPV6, IPV6_V6ONLY, 'u'),
};

const struct Layout kControls[] = {
    SCTP(INIT, sctp_initmsg, AT(sctp_initmsg, sinit_num_ostreams, "ostreams", 'u'),
         AT(sctp_initmsg, sinit_max_instreams, "instreams", 'u'),
         AT(sctp_initmsg, sinit_max_attempts, "attempts", 'u'),
         AT(sctp_initmsg, sinit_max_init_timeo, "timeo", 'u')),
    SCTP(SNDRCV, sctp_sndrcvinfo, AT(sctp_sndrcvinfo, sinfo_stream, "stream", 'u'),
         AT(sctp_sndrcvinfo, sinfo_ssn, "ssn", 'u'), AT(sctp_sndrcvinfo, sinfo_flags, "flags", 'f'),
         AT(sctp_sndrcvinfo, sinfo_ppid, "ppid", 'u'),
         AT(sctp_sndrcvinfo, sinfo_context, "context", 'u'),
         AT(sctp_sndrcvinfo, sinfo_timetolive, "ttl", 'u'),
         AT(sctp_sndrcvinfo, sinfo_tsn, "tsn", 't'),
         AT(sctp_sndrcvinfo, sinfo_cumtsn, "cumtsn", 't'),
         AT(sctp_sndrcvinfo, sinfo_assoc_id, "assoc", 'a')),
    SCTP(SNDINFO, sctp_sndinfo, AT(sctp_sndinfo, snd_sid, "stream", 'u'),
         AT(sctp_sndinfo, snd_flags, "flags", 'f'), AT(sctp_sndinfo, snd_ppid, "ppid", 'u'),
         AT(sctp_sndinfo, snd_context, "context", 'u'),
         AT(sctp_sndinfo, snd_assoc_id, "assoc", 'a')),
    SCTP(RCVINFO, sctp_rcvinfo, AT(sctp_rcvinfo, rcv_sid, "stream", 'u'),
         AT(sctp_rcvinfo, rcv_ssn, "ssn", 'u'), AT(sctp_rcvinfo, rcv_flags, "flags", 'f'),
         AT(sctp_rcvinfo, rcv_ppid, "ppid", 'u'), AT(sctp_rcvinfo, rcv_tsn, "tsn", 't'),
         AT(sctp_rcvinfo, rcv_cumtsn, "cumtsn", 't'), AT(sctp_rcvinfo, rcv_context, "context", 'u'),
         AT(sctp_rcvinfo, rcv_assoc_id, "assoc", 'a')),
    SCTP(NXTINFO, sctp_nxtinfo, AT(sctp_nxtinfo, nxt_sid, "stream", 'u'),
         AT(sctp_nxtinfo, nxt_flags, "flags", 'f'), AT(sctp_nxtinfo, nxt_ppid, "ppid", 'u'),
         AT(sctp_nxtinfo, nxt_length, "length", 'u'), AT(sctp_nxtinfo, nxt_assoc_id, "assoc", 'a')),
    SCTP(PRINFO, sctp_prinfo, AT(sctp_prinfo, pr_policy, "policy", 'u'),
         AT(sctp_prinfo, pr_value, "value", 'u')),
    SCTP(AUTHINFO, sctp_authinfo, AT(sctp_authinfo, auth_keynumber, "key", 'u')),
    {"DSTADDRV6",
     SCTP_DSTADDRV6,
     IPPROTO_SCTP,
     sizeof(struct in6_addr),
     {{"mark", 10, 2, 'x'}, {"last", 12, 4, 'x'}}},
    {"DSTADDRV4", SCTP_DSTADDRV4, IPPROTO_SCTP, sizeof(struct in_addr), {{"addr", 0, 4, 'x'}}},
    {0},
};

#define EVENT(name, number, type, ...)      \
  {                                         \
    name, number, 0, sizeof(struct type), { \
      __VA_ARGS__                           \
    }                                       \
  }
static const struct Layout kNotifications[] = {
    EVENT("ASSOC_CHANGE", SCTP_ASSOC_CHANGE, sctp_assoc_change,
          AT(sctp_assoc_change, sac_flags, "flags", 'x'),
          AT(sctp_assoc_change, sac_length, "length", 'u'),
          AT(sctp_assoc_change, sac_state, "state", 'u'),
          AT(sctp_assoc_change, sac_error, "error", 'u'),
          AT(sctp_assoc_change, sac_outbound_streams, "out", 'u'),
          AT(sctp_assoc_change, sac_inbound_streams, "in", 'u'),
          AT(sctp_assoc_change, sac_assoc_id, "assoc", 'a')),
    EVENT("PEER_ADDR_CHANGE", SCTP_PEER_ADDR_CHANGE, sctp_paddr_change,
          AT(sctp_paddr_change, spc_flags, "flags", 'x'),
          AT(sctp_paddr_change, spc_length, "length", 'u'),
          AT(sctp_paddr_change, spc_aaddr, "addr", 'A'),
          AT(sctp_paddr_change, spc_state, "state", 'i'),
          AT(sctp_paddr_change, spc_error, "error", 'i'),
          AT(sctp_paddr_change, spc_assoc_id, "assoc", 'a')),
    EVENT("REMOTE_ERROR", SCTP_REMOTE_ERROR, sctp_remote_error,
          AT(sctp_remote_error, sre_flags, "flags", 'x'),
          AT(sctp_remote_error, sre_length, "length", 'u'),
          AT(sctp_remote_error, sre_error, "error", 'x'),
          AT(sctp_remote_error, sre_assoc_id, "assoc", 'a')),
    EVENT("SEND_FAILED", SCTP_SEND_FAILED, sctp_send_failed,
          AT(sctp_send_failed, ssf_flags, "flags", 'x'),
          AT(sctp_send_failed, ssf_length, "length", 'u'),
          AT(sctp_send_failed, ssf_error, "error", 'u'),
          AT(sctp_send_failed, ssf_info.sinfo_stream, "stream", 'u'),
          AT(sctp_send_failed, ssf_info.sinfo_flags, "sinfo_flags", 'f'),
          AT(sctp_send_failed, ssf_info.sinfo_ppid, "ppid", 'u'),
          AT(sctp_send_failed, ssf_info.sinfo_context, "context", 'u'),
          AT(sctp_send_failed, ssf_assoc_id, "assoc", 'a')),
    EVENT("SEND_FAILED_EVENT", SCTP_SEND_FAILED_EVENT, sctp_send_failed_event,
          AT(sctp_send_failed_event, ssf_flags, "flags", 'x'),
          AT(sctp_send_failed_event, ssf_length, "length", 'u'),
          AT(sctp_send_failed_event, ssf_error, "error", 'u'),
          AT(sctp_send_failed_event, ssfe_info.snd_sid, "stream", 'u'),
          AT(sctp_send_failed_event, ssfe_info.snd_flags, "snd_flags", 'f'),
          AT(sctp_send_failed_event, ssfe_info.snd_ppid, "ppid", 'u'),
          AT(sctp_send_failed_event, ssfe_info.snd_context, "context", 'u'),
          AT(sctp_send_failed_event, ssf_assoc_id, "assoc", 'a')),
    EVENT("SHUTDOWN_EVENT", SCTP_SHUTDOWN_EVENT, sctp_shutdown_event,
          AT(sctp_shutdown_event, sse_flags, "flags", 'x'),
          AT(sctp_shutdown_event, sse_length, "length", 'u'),
          AT(sctp_shutdown_event, sse_assoc_id, "assoc", 'a')),
    EVENT("ADAPTATION_INDICATION", SCTP_ADAPTATION_INDICATION, sctp_adaptation_event,
          AT(sctp_adaptation_event, sai_flags, "flags", 'x'),
          AT(sctp_adaptation_event, sai_length, "length", 'u'),
          AT(sctp_adaptation_event, sai_adaptation_ind, "value", 'u'),
          AT(sctp_adaptation_event, sai_assoc_id, "assoc", 'a')),
    EVENT("PARTIAL_DELIVERY", SCTP_PARTIAL_DELIVERY_EVENT, sctp_pdapi_event,
          AT(sctp_pdapi_event, pdapi_flags, "flags", 'x'),
          AT(sctp_pdapi_event, pdapi_length, "length", 'u'),
          AT(sctp_pdapi_event, pdapi_indication, "indication", 'u'),
          AT(sctp_pdapi_event, pdapi_assoc_id, "assoc", 'a'),
          AT(sctp_pdapi_event, pdapi_stream, "stream", 'u'),
          AT(sctp_pdapi_event, pdapi_seq, "seq", 'u')),
    EVENT("AUTHENTICATION", SCTP_AUTHENTICATION_EVENT, sctp_authkey_event,
          AT(sctp_authkey_event, auth_flags, "flags", 'x'),
          AT(sctp_authkey_event, auth_length, "length", 'u'),
          AT(sctp_authkey_event, auth_keynumber, "key", 'u'),
          AT(sctp_authkey_event, auth_indication, "indication", 'u'),
          AT(sctp_authkey_event, auth_assoc_id, "assoc", 'a')),
    EVENT("SENDER_DRY", SCTP_SENDER_DRY_EVENT, sctp_sender_dry_event,
          AT(sctp_sender_dry_event, sender_dry_flags, "flags", 'x'),
          AT(sctp_sender_dry_event, sender_dry_length, "length", 'u'),
          AT(sctp_sender_dry_event, sender_dry_assoc_id, "assoc", 'a')),
    {0},
};

static const struct Name kLevels[] = {{IPPROTO_SCTP, "sctp"}, {SOL_SOCKET, "socket"},
                                      {IPPROTO_IP, "ip"},     {IPPROTO_IPV6, "ipv6"},
                                      {IPPROTO_TCP, "tcp"},   {0, NULL}};

const struct Layout* option_named(const char* level, const char* name, struct Layout* unknown) {
  const int number = (int)names_parse(kLevels, level);
  for (size_t i = 0; i < sizeof(kOptions) / sizeof(kOptions[0]); i++) {
    if (kOptions[i].level == number && strcmp(kOptions[i].name, name) == 0) {
      return &kOptions[i];
    }
  }
  *unknown = (struct Layout)NUMBER("?", number, (int)strtol(name, NULL, 0), 'u');
  return unknown;
}

const struct Layout* control_named(const char* name) {
  const struct Layout* found = kControls;
  while (found->name != NULL && strcasecmp(found->name, name) != 0) {
    found++;
  }
  return found->name != NULL ? found : NULL;
}

static long field_value(const struct Field* field, const char* text, int (*resolve)(const char*)) {
  return field->kind == 'a' && text[0] == '@' ? resolve(text + 1) : strtol(text, NULL, 0);
}

void layout_fill(const struct Layout* layout, const struct Step* step, const char* prefix,
                 void* bytes, int (*resolve)(const char*)) {
  memset(bytes, 0, layout->size);
  for (int i = 0; i < kMaxFields && layout->field[i].name != NULL; i++) {
    const struct Field* field = &layout->field[i];
    char key[64];
    snprintf(key, sizeof(key), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", field->name);
    const char* text = step_text(step, key, NULL);
    if (text == NULL) {
      continue;
    }
    char* at = (char*)bytes + field->offset;
    if (field->kind == 'A') {
      struct sockaddr_storage address;
      address_parse(text, &address);
      memcpy(at, &address, sizeof(address));
    } else {
      const long value = field_value(field, text, resolve);
      memcpy(at, &value, field->size);  // little-endian
    }
  }
}

static void out_field(struct Out* out, const struct Field* field, const char* at) {
  if (field->kind == 'A') {
    out_address(out, at, field->size);
    return;
  }
  long value = 0;
  memcpy(&value, at, field->size);
  switch (field->kind) {
    case 'i':
      outf(out, "%ld", field->size == 4 ? (long)(int32_t)value : value);
      break;
    case 'e':
      outf(out, "%s", value == 0 ? "0" : error_name((int)value));
      break;
    case 'a':
      outf(out, "<assoc %ld>", value);
      break;
    case 't':
      outf(out, "<tsn %ld>", value);
      break;
    case '*':
      outf(out, value != 0 ? "*" : "0");
      break;
    case 'x':
    case 'f':
      outf(out, value != 0 ? "%#lx" : "%lx", value);
      break;
    default:
      outf(out, "%lu", (unsigned long)value);
  }
}

void out_layout(struct Out* out, const struct Layout* layout, const void* bytes, size_t size) {
  bool first = true;
  for (int i = 0; i < kMaxFields && layout->field[i].name != NULL; i++) {
    const struct Field* field = &layout->field[i];
    if ((size_t)field->offset + field->size > size) {
      continue;
    }
    outf(out, "%s%s=", first ? "" : " ", field->name);
    out_field(out, field, (const char*)bytes + field->offset);
    first = false;
  }
}

void out_control(struct Out* out, const struct msghdr* message) {
  struct msghdr head = *message;
  for (struct cmsghdr* at = CMSG_FIRSTHDR(&head); at != NULL; at = CMSG_NXTHDR(&head, at)) {
    const struct Layout* layout = kControls;
    while (layout->name != NULL && layout->number != at->cmsg_type) {
      layout++;
    }
    const size_t size = at->cmsg_len - CMSG_LEN(0);
    if (at->cmsg_level != IPPROTO_SCTP || layout->name == NULL) {
      outf(out, " %d/%d:%zu", at->cmsg_level, at->cmsg_type, size);
      continue;
    }
    outf(out, " %s{", layout->name);
    out_layout(out, layout, CMSG_DATA(at), size);
    outf(out, size == layout->size ? "}" : "}:%zu", size);
  }
}

void out_notification(struct Out* out, const void* bytes, size_t size) {
  const struct sctp_assoc_change* head = bytes;
  const struct Layout* layout = kNotifications;
  if (size < sizeof(head->sac_type)) {
    outf(out, " notification:%zu", size);
    return;
  }
  while (layout->name != NULL && layout->number != head->sac_type) {
    layout++;
  }
  if (layout->name == NULL) {
    outf(out, " notification %#x:%zu", head->sac_type, size);
    return;
  }
  outf(out, " %s{", layout->name);
  out_layout(out, layout, bytes, size);
  outf(out, "}");
  if (size > layout->size) {
    outf(out, "+");
    out_bytes(out, (const char*)bytes + layout->size, size - layout->size);
  }
}

void out_address(struct Out* out, const void* address, size_t size) {
  struct sockaddr_storage copy = {0};
  char text[INET6_ADDRSTRLEN] = "";
  memcpy(&copy, address, size < sizeof(copy) ? size : sizeof(copy));
  if (size >= sizeof(struct sockaddr_in) && copy.ss_family == AF_INET) {
    const struct sockaddr_in* in = (const struct sockaddr_in*)&copy;
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
    outf(out, "%s:<port %d>", text, ntohs(in->sin_port));
  } else if (size >= sizeof(struct sockaddr_in6) && copy.ss_family == AF_INET6) {
    const struct sockaddr_in6* in6 = (const struct sockaddr_in6*)&copy;
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    outf(out, "[%s]:<port %d>", text, ntohs(in6->sin6_port));
    if (in6->sin6_flowinfo != 0 || in6->sin6_scope_id != 0) {
      outf(out, "%%%u/%u", in6->sin6_scope_id, in6->sin6_flowinfo);
    }
  } else if (size < sizeof(copy.ss_family)) {
    outf(out, "none");
  } else {
    outf(out, "family %d:%zu", copy.ss_family, size < sizeof(copy) ? size : (size_t)0);
  }
}

socklen_t address_parse(const char* text, struct sockaddr_storage* address) {
  memset(address, 0, sizeof(*address));
  char copy[128];
  snprintf(copy, sizeof(copy), "%s", text);
  char* colon = strrchr(copy, ':');
  if (strcmp(text, "unspec") == 0) {
    return sizeof(struct sockaddr_in);  // AF_UNSPEC
  }
  if (strcmp(text, "unix") == 0) {
    address->ss_family = AF_UNIX;
    return 16;
  }
  if (colon == NULL) {
    return 0;
  }
  *colon = '\0';
  const in_port_t port = htons((uint16_t)atoi(colon + 1));
  if (copy[0] == '[') {
    struct sockaddr_in6* in6 = (struct sockaddr_in6*)address;
    copy[strlen(copy) - 1] = '\0';
    in6->sin6_family = AF_INET6;
    in6->sin6_port = port;
    return inet_pton(AF_INET6, copy + 1, &in6->sin6_addr) == 1 ? sizeof(*in6) : 0;
  }
  struct sockaddr_in* in = (struct sockaddr_in*)address;
  in->sin_family = AF_INET;
  in->sin_port = port;
  return inet_pton(AF_INET, copy, &in->sin_addr) == 1 ? sizeof(*in) : 0;
}
