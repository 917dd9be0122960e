// SPDX-License-Identifier: BSD-3-Clause
// Translations between the stack's types and those of the ring ABI, and the check of a listen or
// connect body.
#include "appring/wire_types.h"

#include <algorithm>
#include <cstring>

#include "appring/assoc_id.h"

namespace trunkline::appring {

uint8_t wire_status(Status status) {
  switch (status) {
    case Status::kOk:
      return TLR_STATUS_OK;
    case Status::kNoSuchAssociation:
    case Status::kNoSuchEndpoint:
      return TLR_STATUS_NO_ASSOCIATION;
    case Status::kNotEstablished:
      return TLR_STATUS_NOT_ESTABLISHED;
    case Status::kClosing:
      return TLR_STATUS_CLOSING;
    case Status::kInvalidStream:
      return TLR_STATUS_INVALID_STREAM;
    case Status::kEmptyMessage:
      return TLR_STATUS_EMPTY_MESSAGE;
    case Status::kMessageTooLarge:
      return TLR_STATUS_MESSAGE_TOO_LARGE;
    case Status::kWouldBlock:
      return TLR_STATUS_WOULD_BLOCK;
    case Status::kAlreadyExists:
      return TLR_STATUS_ALREADY_EXISTS;
    case Status::kInvalidValue:
      return TLR_STATUS_INVALID_VALUE;
    case Status::kInvalidAddress:
      return TLR_STATUS_INVALID_ADDRESS;
    case Status::kOutOfResources:
      return TLR_STATUS_NO_RESOURCES;
  }
  return TLR_STATUS_FAILED;
}

uint8_t wire_reason(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return TLR_REASON_NONE;
    case Reason::kTimedOut:
      return TLR_REASON_TIMED_OUT;
    case Reason::kRefused:
      return TLR_REASON_REFUSED;
    case Reason::kReset:
      return TLR_REASON_RESET;
    case Reason::kLocalAbort:
      return TLR_REASON_LOCAL_ABORT;
    case Reason::kPeerViolation:
      return TLR_REASON_PEER_VIOLATION;
    case Reason::kOutOfResources:
      return TLR_REASON_OUT_OF_RESOURCES;
    case Reason::kShutdown:
      return TLR_REASON_SHUTDOWN;
    case Reason::kRestarted:
      return TLR_REASON_RESTARTED;
    case Reason::kInvalidStream:
      return TLR_REASON_INVALID_STREAM;
    case Reason::kAbandoned:
      return TLR_REASON_ABANDONED;
  }
  return TLR_REASON_NONE;
}

uint8_t wire_path_state(PathState state) {
  switch (state) {
    case PathState::kUnconfirmed:
      return TLR_PATH_UNCONFIRMED;
    case PathState::kActive:
      return TLR_PATH_ACTIVE;
    case PathState::kPotentiallyFailed:
      return TLR_PATH_POTENTIALLY_FAILED;
    case PathState::kInactive:
      return TLR_PATH_INACTIVE;
    case PathState::kUnconfirmedInactive:
      return TLR_PATH_UNCONFIRMED_INACTIVE;
  }
  return TLR_PATH_INACTIVE;
}

uint8_t wire_assoc_state(AssocState state) {
  switch (state) {
    case AssocState::kClosed:
      return TLR_STATE_CLOSED;
    case AssocState::kCookieWait:
      return TLR_STATE_COOKIE_WAIT;
    case AssocState::kCookieEchoed:
      return TLR_STATE_COOKIE_ECHOED;
    case AssocState::kEstablished:
      return TLR_STATE_ESTABLISHED;
    case AssocState::kShutdownPending:
      return TLR_STATE_SHUTDOWN_PENDING;
    case AssocState::kShutdownSent:
      return TLR_STATE_SHUTDOWN_SENT;
    case AssocState::kShutdownReceived:
      return TLR_STATE_SHUTDOWN_RECEIVED;
    case AssocState::kShutdownAckSent:
      return TLR_STATE_SHUTDOWN_ACK_SENT;
  }
  return TLR_STATE_CLOSED;
}

IpAddress address_from_wire(const tlr_address& address) {
  if (address.family == 4) {
    return IpAddress::from_ipv4(std::span<const uint8_t, 4>(address.bytes, 4));
  }
  if (address.family == 6) return IpAddress::from_ipv6(std::span<const uint8_t, 16>(address.bytes));
  return {};
}

tlr_address address_to_wire(const IpAddress& address) {
  tlr_address out{};
  out.family = static_cast<uint8_t>(address.family());
  const std::span<const uint8_t> bytes = address.bytes();
  if (!bytes.empty()) std::memcpy(out.bytes, bytes.data(), bytes.size());
  return out;
}

void set_address(tlr_completion_more& more, const IpAddress& address) {
  const tlr_address wire = address_to_wire(address);
  more.family = wire.family;
  std::memcpy(more.address, wire.bytes, sizeof(more.address));
}

namespace {

uint32_t microseconds(Duration duration) {
  const int64_t us = duration.count() / 1000;
  return static_cast<uint32_t>(std::clamp<int64_t>(us, 0, UINT32_MAX));
}

}  // namespace

void fill_info(const AssocStatus& status, uint32_t worker, TimePoint now, tlr_info_body& out) {
  std::memset(static_cast<void*>(&out), 0, sizeof(out));
  out.state = wire_assoc_state(status.state);
  out.local_port = status.local_port.value;
  out.peer_port = status.peer_port.value;
  out.outbound_streams = status.outbound_streams;
  out.inbound_streams = status.inbound_streams;
  out.worker = worker;
  out.peer_rwnd = status.peer_rwnd;
  out.a_rwnd = status.a_rwnd;
  out.error_count = status.error_count;
  out.queued_bytes = status.queued_bytes;
  out.outstanding_bytes = status.outstanding_bytes;
  out.messages_sent = status.messages_sent;
  out.messages_received = status.messages_received;
  out.packets_sent = status.packets_sent;
  out.packets_received = status.packets_received;
  out.retransmitted_chunks = status.retransmitted_chunks;
  const std::string id = id_text(status.id);
  static_assert(sizeof(out.id) > 28, "the longest");
  std::memcpy(out.id, id.c_str(), id.size() + 1);
  const size_t paths = std::min<size_t>(status.paths.size(), TLR_MAX_ADDRESSES);
  out.path_count = static_cast<uint32_t>(paths);
  for (size_t i = 0; i < paths; ++i) {
    const PathStatus& path = status.paths[i];
    tlr_path_info& info = out.paths[i];
    info.local = address_to_wire(path.local);
    info.remote = address_to_wire(path.remote);
    info.state = wire_path_state(path.state);
    info.primary = path.primary ? 1 : 0;
    info.rto_us = microseconds(path.rto);
    info.srtt_us = microseconds(path.srtt);
    info.cwnd = path.cwnd;
    info.ssthresh = path.ssthresh;
    info.flight = path.flight;
    info.mtu = path.mtu;
    info.error_count = path.error_count;
    info.state_age_us = static_cast<uint64_t>((now - path.state_since).count()) / 1000;
    info.heartbeats_sent = path.heartbeats_sent;
    info.heartbeat_acks = path.heartbeat_acks;
    info.t3_expirations = path.t3_expirations;
    info.packets_sent = path.packets_sent;
    info.packets_received = path.packets_received;
    info.retransmitted_chunks = path.retransmitted_chunks;
    info.failovers = path.failovers;
  }
}

std::optional<Reliability> reliability_of(const tlr_submission& limit) {
  tlr_submission rest = limit;
  rest.op = rest.flags = 0;
  rest.length = 0;
  const tlr_submission zero{};
  if (std::memcmp(&rest, &zero, sizeof(zero)) != 0) return {};
  switch (limit.flags) {
    case TLR_POLICY_LIFETIME:
      return Reliability{Reliability::Policy::kLifetime, limit.length};
    case TLR_POLICY_RETRANSMISSIONS:
      return Reliability{Reliability::Policy::kRetransmissions, limit.length};
    case TLR_POLICY_PRIORITY:
      return Reliability{Reliability::Policy::kPriority, limit.length};
    default:
      return {};
  }
}

uint8_t failed_flags(const Event& event) {
  return static_cast<uint8_t>((event.started ? TLR_FAILED_STARTED : 0) |
                              (event.unordered ? TLR_FAILED_UNORDERED : 0));
}

// Everything but messages and the ends of operations: fields by kind.
void fill_notification(const Event& event, ChannelCore::Notice& notice) {
  tlr_completion& out = notice.head;
  tlr_completion_more& more = notice.more;
  out.reason = wire_reason(event.reason);
  out.cause = event.cause;
  out.assoc_index = event.assoc.slot;
  out.assoc_generation = event.assoc.generation;
  switch (event.kind) {
    case EventKind::kAccepted:
    case EventKind::kConnected:
      out.kind = event.kind == EventKind::kAccepted ? TLR_ACCEPTED : TLR_CONNECTED;
      out.context = event.context;
      more.local_port = event.local_port.value;
      more.peer_port = event.peer_port.value;
      // Event::user holds the limits: send buffer above, largest message below.
      out.length = static_cast<uint32_t>(event.user >> 32);
      out.slot = static_cast<uint32_t>(event.user);
      [[fallthrough]];
    case EventKind::kRestarted:
      if (event.kind == EventKind::kRestarted) out.kind = TLR_RESTARTED;
      more.outbound_streams = event.outbound_streams;
      more.inbound_streams = event.inbound_streams;
      break;
    case EventKind::kConnectFailed:
      out.kind = TLR_CONNECT_FAILED;
      out.status = TLR_STATUS_FAILED;
      out.context = event.context;
      break;
    case EventKind::kPeerShutdown:
      out.kind = TLR_PEER_SHUTDOWN;
      break;
    case EventKind::kClosed:
      out.kind = TLR_CLOSED;
      break;
    case EventKind::kLost:
      out.kind = TLR_LOST;
      break;
    case EventKind::kPathChanged:
      out.kind = TLR_PATH_CHANGED;
      if (event.path_before == PathState::kUnconfirmed ||
          event.path_before == PathState::kUnconfirmedInactive) {
        out.flags = TLR_PATH_CONFIRMED;
      }
      more.path_state = wire_path_state(event.path_state);
      break;
    case EventKind::kRemoteError:
      out.kind = TLR_REMOTE_ERROR;
      break;
    case EventKind::kSenderDry:
      out.kind = TLR_SENDER_DRY;
      break;
    case EventKind::kPrimaryChanged:
      out.kind = TLR_PRIMARY_CHANGED;
      break;
    case EventKind::kAdaptation:
      out.kind = TLR_ADAPTATION;
      out.context = event.context;
      break;
    case EventKind::kMessageBroken:
      out.kind = TLR_MESSAGE_BROKEN;
      break;
    case EventKind::kRestartRefused:
      out.kind = TLR_RESTART_REFUSED;
      break;
    case EventKind::kMessage:
    case EventKind::kSendAcknowledged:
    case EventKind::kSendFailed:
      break;
  }
  if (notice.entries() == 1) return;
  set_address(more, event.path);
}

bool open_body_valid(const tlr_open_body& body, bool connect) {
  const char* const end = body.profile + TLR_NAME_SIZE;
  if (std::find(body.profile, end, '\0') == end) return false;
  if (body.local_count > TLR_MAX_ADDRESSES) return false;
  if (!connect) return body.local_port != 0 && body.address_count == 0;
  if (body.address_count + body.local_count > TLR_OPEN_ADDRESSES) return false;
  return body.peer_port != 0 && body.address_count >= 1 && body.address_count <= TLR_MAX_ADDRESSES;
}

}  // namespace trunkline::appring
