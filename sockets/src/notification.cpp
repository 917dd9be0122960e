// SPDX-License-Identifier: BSD-3-Clause
#include "notification.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include "linux_sctp.h"

#include <algorithm>
#include <cstring>

#include "names.h"

namespace trunkline::sctp {
namespace {

template <typename T>
void put(Content& out, const T& body, uint32_t extra = 0) {
  static_assert(sizeof(T) <= sizeof(out.head));
  // Type, flags and length begin each of them.
  std::memcpy(out.head, &body, sizeof(body));
  out.head_length = sizeof(body);
  const auto total = static_cast<uint32_t>(sizeof(body)) + extra;
  std::memcpy(out.head + 4, &total, sizeof(total));
}

void put_association(const tls_page& page, const Front& front, uint16_t state, Content& out) {
  sctp_assoc_change body{};
  body.sac_type = SCTP_ASSOC_CHANGE;
  body.sac_state = state;
  body.sac_error = htons(front.head.cause);
  if (front.more.outbound_streams != 0) {
    body.sac_outbound_streams = front.more.outbound_streams;
    body.sac_inbound_streams = front.more.inbound_streams;
  } else if (state == SCTP_COMM_UP) {
    body.sac_outbound_streams = static_cast<uint16_t>(load_relaxed(page.outbound_streams));
    body.sac_inbound_streams = static_cast<uint16_t>(load_relaxed(page.inbound_streams));
  }  // Linux says 0 of what is over
  body.sac_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  put(out, body);
}

// In network order. All of its addresses have the same one.
in_port_t peer_port(const tls_page& page) {
  const tls_name peer = read_name(page, page.peer);
  sockaddr_in address{};  // IPv6 addresses have it at the same place
  std::memcpy(&address, peer.bytes, sizeof(address));
  return address.sin_port;
}

// The address that comes with the front, as sockets of that family and option have it.
tls_name name_of_more(const tls_page& page, const Front& front) {
  tls_name out{};
  const in_port_t port = peer_port(page);
  const bool mapped = load_relaxed(page.options.mapped_v4) != 0 && page.family == AF_INET6;
  if (front.more.family == 4 && !mapped) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = port;
    std::memcpy(&address.sin_addr, front.more.address, 4);
    out.length = sizeof(address);
    std::memcpy(out.bytes, &address, sizeof(address));
    return out;
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = port;
  if (front.more.family == 4) {
    address.sin6_addr.s6_addr[10] = address.sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(&address.sin6_addr.s6_addr[12], front.more.address, 4);
  } else {
    std::memcpy(&address.sin6_addr, front.more.address, 16);
  }
  out.length = sizeof(address);
  std::memcpy(out.bytes, &address, sizeof(address));
  return out;
}

void put_address(const tls_page& page, const Front& front, int state, Content& out) {
  sctp_paddr_change body{};
  body.spc_type = SCTP_PEER_ADDR_CHANGE;
  body.spc_state = state;
  // What brought it back is a heartbeat's answer, as far as can be told.
  constexpr int kHeartbeatSuccess = 2;  // SCTP_HEARTBEAT_SUCCESS
  const bool is_back = state == SCTP_ADDR_CONFIRMED || state == SCTP_ADDR_AVAILABLE;
  body.spc_error = is_back ? kHeartbeatSuccess : front.head.cause;
  body.spc_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  const tls_name name = name_of_more(page, front);
  std::memcpy(&body.spc_aaddr, name.bytes, name.length);
  put(out, body);
}

// The causes of an ABORT, or what that of an ERROR says, come behind.
void put_causes(const Front& front, Content& out) {
  if (front.head.length == 0) return;
  out.rx_slot = front.head.slot;
  out.tail_length = front.head.length;
  const uint32_t total = out.length();
  std::memcpy(out.head + 4, &total, sizeof(total));
}

int address_state(const Front& front) {
  switch (front.more.path_state) {
    case TLR_PATH_ACTIVE:
      return (front.head.flags & TLR_PATH_CONFIRMED) != 0 ? SCTP_ADDR_CONFIRMED
                                                          : SCTP_ADDR_AVAILABLE;
    case TLR_PATH_POTENTIALLY_FAILED:
      return SCTP_ADDR_POTENTIALLY_FAILED;
    default:
      return SCTP_ADDR_UNREACHABLE;
  }
}

// As Linux tells them: those of the message's DATA chunk.
constexpr uint16_t kWholeMessage = 3;  // SCTP_DATA_NOT_FRAG: its first and its last piece
constexpr uint16_t kUnorderedChunk = 4;

constexpr uint32_t event_bit(uint32_t type) {
  return 1u << (type - SCTP_SN_TYPE_BASE);
}

// The message comes back behind its notification, in the slots that it was sent from.
void put_send_failed(const tls_page& page, const Front& front, Content& out) {
  const auto id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  const uint32_t length = front.head.slot == TLR_NO_SLOT ? 0 : front.head.length;
  const bool started = (front.head.flags & TLR_FAILED_STARTED) != 0;
  const uint32_t ppid = htonl(static_cast<uint32_t>(front.head.context >> 32));
  const auto sent = static_cast<uint16_t>(
      kWholeMessage | ((front.head.flags & TLR_FAILED_UNORDERED) != 0 ? kUnorderedChunk : 0));
  const uint16_t flags = started ? SCTP_DATA_SENT : SCTP_DATA_UNSENT;
  if ((load_relaxed(page.options.events) & event_bit(SCTP_SEND_FAILED_EVENT)) != 0) {
    sctp_send_failed_event body{};
    body.ssf_type = SCTP_SEND_FAILED_EVENT;
    body.ssf_flags = flags;
    body.ssf_error = htons(front.head.cause);
    body.ssfe_info.snd_sid = front.head.stream;
    body.ssfe_info.snd_flags = sent;
    body.ssfe_info.snd_ppid = ppid;
    body.ssfe_info.snd_context = static_cast<uint32_t>(front.head.context);
    body.ssfe_info.snd_assoc_id = id;
    body.ssf_assoc_id = id;
    put(out, body, length);
  } else {
    sctp_send_failed body{};
    body.ssf_type = SCTP_SEND_FAILED;
    body.ssf_flags = flags;
    body.ssf_error = htons(front.head.cause);
    body.ssf_info.sinfo_stream = front.head.stream;
    body.ssf_info.sinfo_flags = sent;
    body.ssf_info.sinfo_ppid = ppid;
    body.ssf_info.sinfo_context = static_cast<uint32_t>(front.head.context);
    body.ssf_info.sinfo_assoc_id = id;
    body.ssf_assoc_id = id;
    put(out, body, length);
  }
  out.tx_slot = front.head.slot;
  out.tail_length = length;
}

void put_remote_error(const tls_page& page, const Front& front, Content& out) {
  sctp_remote_error body{};
  body.sre_type = SCTP_REMOTE_ERROR;
  body.sre_error = htons(front.head.cause);
  body.sre_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  put(out, body);
}

void put_shutdown(const tls_page& page, Content& out) {
  sctp_shutdown_event body{};
  body.sse_type = SCTP_SHUTDOWN_EVENT;
  body.sse_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  put(out, body);
}

void put_adaptation(const tls_page& page, const Front& front, Content& out) {
  sctp_adaptation_event body{};
  body.sai_type = SCTP_ADAPTATION_INDICATION;
  body.sai_adaptation_ind = static_cast<uint32_t>(front.head.context);
  body.sai_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  put(out, body);
}

// Linux names neither the stream nor the message.
void put_broken(const tls_page& page, Content& out) {
  sctp_pdapi_event body{};
  body.pdapi_type = SCTP_PARTIAL_DELIVERY_EVENT;
  body.pdapi_indication = SCTP_PARTIAL_DELIVERY_ABORTED;
  body.pdapi_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  put(out, body);
}

void put_no_auth(const tls_page& page, Content& out) {
  sctp_authkey_event body{};
  body.auth_type = SCTP_AUTHENTICATION_EVENT;
  body.auth_indication = SCTP_AUTH_NO_AUTH;
  body.auth_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  put(out, body);
}

void put_dry(const tls_page& page, Content& out) {
  sctp_sender_dry_event body{};
  body.sender_dry_type = SCTP_SENDER_DRY_EVENT;
  body.sender_dry_assoc_id = static_cast<sctp_assoc_t>(load_relaxed(page.assoc_id));
  put(out, body);
}

}  // namespace

void Content::copy(const Rings& rings, uint32_t from, uint8_t* to, uint32_t size) const {
  if (from < head_length) {
    const uint32_t n = std::min(size, head_length - from);
    std::memcpy(to, head + from, n);
    to += n;
    size -= n;
    from = head_length;
  }
  if (tx_slot != TLR_NO_SLOT) {
    rings.copy_tx(tx_slot, from - head_length, to, size);
  } else if (rx_slot != TLR_NO_SLOT) {
    rings.copy_rx(rx_slot, from - head_length, to, size);
  }
}

tls_name name_of_sender(const tls_page& page, const Front& front) {
  if (front.head.kind == TLR_MESSAGE_FROM) return name_of_more(page, front);
  return read_name(page, page.peer);
}

bool describe(const tls_page& page, const Front& front, Content& out) {
  if (tlr_is_message(front.head.kind) != 0) [[likely]] {
    out.rx_slot = front.head.slot;
    out.tail_length = front.head.length;
    return true;
  }
  out.notification = true;
  switch (front.head.kind) {
    case TLR_ACCEPTED:
    case TLR_CONNECTED:
      put_association(page, front, SCTP_COMM_UP, out);
      return true;
    case TLR_CONNECT_FAILED:
      put_association(page, front, SCTP_CANT_STR_ASSOC, out);
      return true;
    case TLR_LOST:
      put_association(page, front, SCTP_COMM_LOST, out);
      put_causes(front, out);
      return true;
    case TLR_CLOSED:
      put_association(page, front, SCTP_SHUTDOWN_COMP, out);
      return true;
    case TLR_RESTARTED:
      put_association(page, front, SCTP_RESTART, out);
      return true;
    case TLR_PEER_SHUTDOWN:
      put_shutdown(page, out);
      return true;
    case TLR_PATH_CHANGED:
      put_address(page, front, address_state(front), out);
      return true;
    case TLR_PRIMARY_CHANGED:
      put_address(page, front, SCTP_ADDR_MADE_PRIM, out);
      return true;
    case TLR_REMOTE_ERROR:
      put_remote_error(page, front, out);
      put_causes(front, out);
      return true;
    case TLR_ADAPTATION:
      put_adaptation(page, front, out);
      return true;
    case TLR_MESSAGE_BROKEN:
      put_broken(page, out);
      return true;
    case TLR_NO_AUTH:
      put_no_auth(page, out);
      return true;
    case TLR_SENDER_DRY:
      put_dry(page, out);
      return true;
    case TLR_SEND_FAILED:
      put_send_failed(page, front, out);
      return true;
    default:
      return false;
  }
}

}  // namespace trunkline::sctp
