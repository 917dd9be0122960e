// SPDX-License-Identifier: BSD-3-Clause
// Texts: errors, names of events, reasons and states, addresses.
#include "text.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "trunkline/ring_abi.h"
#include "trunkline/trunkline.h"

namespace trunkline::client {
namespace {

thread_local const char* t_text = "no error";
thread_local char t_buffer[320];

}  // namespace

int fail(int error, const char* literal) {
  t_text = literal;
  return error;
}

int missing(const char* what) {
  return failf(-EINVAL, "%s must not be NULL", what);
}

int failf(int error, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(t_buffer, sizeof(t_buffer), format, arguments);
  va_end(arguments);
  t_text = t_buffer;
  return error;
}

int error_of_status(uint8_t status) {
  switch (status) {
    case TLR_STATUS_OK:
      return 0;
    case TLR_STATUS_NO_ASSOCIATION:
    case TLR_STATUS_CLOSING:
    case TLR_STATUS_NOT_ESTABLISHED:
      return -ENOTCONN;
    case TLR_STATUS_INVALID_VALUE:
      return -EINVAL;
    case TLR_STATUS_EMPTY_MESSAGE:
    case TLR_STATUS_MESSAGE_TOO_LARGE:
      return -EMSGSIZE;
    case TLR_STATUS_WOULD_BLOCK:
      return -EAGAIN;
    case TLR_STATUS_ALREADY_EXISTS:
      return -EADDRINUSE;
    case TLR_STATUS_INVALID_ADDRESS:
      return -EADDRNOTAVAIL;
    case TLR_STATUS_NO_RESOURCES:
      return -ENOMEM;
    case TLR_STATUS_NOT_PERMITTED:
      return -EACCES;
    case TLR_STATUS_NO_PROFILE:
    case TLR_STATUS_NO_LISTENER:
      return -ENOENT;
    case TLR_STATUS_FAILED:
      return -ECONNABORTED;
    default:  // INVALID_STREAM, BAD_DESCRIPTOR, BAD_SLOT
      return -EINVAL;
  }
}

const char* text_of_status(uint8_t status) {
  switch (status) {
    case TLR_STATUS_OK:
      return "done";
    case TLR_STATUS_NO_ASSOCIATION:
      return "the association is over";
    case TLR_STATUS_CLOSING:
      return "it is shutting down and takes nothing new";
    case TLR_STATUS_INVALID_STREAM:
      return "no such stream: use one below the negotiated outbound_streams";
    case TLR_STATUS_EMPTY_MESSAGE:
      return "a message has at least one byte";
    case TLR_STATUS_MESSAGE_TOO_LARGE:
      return "the message is larger than the profile's max_message_size";
    case TLR_STATUS_WOULD_BLOCK:
      return "too much is on its way already: poll, then try again";
    case TLR_STATUS_ALREADY_EXISTS:
      return "taken: that port has another user, or other addresses that overlap with these; or "
             "that peer already has an association";
    case TLR_STATUS_INVALID_ADDRESS:
      return "not a unicast address, or the daemon has no such local address, or none of the "
             "peer's "
             "family and scope; where several endpoints are configured with the port, name the "
             "local addresses of one";
    case TLR_STATUS_NO_RESOURCES:
      return "the daemon's tables are full, or this client has its maximum";
    case TLR_STATUS_NOT_PERMITTED:
      return "the daemon's configuration does not grant this port to this user: add it to the "
             "client permissions";
    case TLR_STATUS_NO_PROFILE:
      return "the daemon's configuration has no profile of that name";
    case TLR_STATUS_BAD_DESCRIPTOR:
      return "the daemon refused the request as malformed";
    case TLR_STATUS_BAD_SLOT:
      return "the daemon refused a slot that it already has";
    case TLR_STATUS_NO_LISTENER:
      return "no such listener";
    case TLR_STATUS_NOT_ESTABLISHED:
      return "not established yet: wait for TL_EVENT_CONNECTED";
    case TLR_STATUS_INVALID_VALUE:
      return "a value is out of its range, or does not fit to the others";
    default:
      return "it was tried and failed";
  }
}

}  // namespace trunkline::client

using trunkline::client::fail;

extern "C" {

const char* tl_last_error(void) {
  return trunkline::client::t_text;
}

const char* tl_strerror(int error) {
  switch (error) {
    case 0:
      return "no error";
    case -EPIPE:
      return "the daemon is gone: detach, and attach again once it runs";
    case -ENOENT:
      return "nothing of that name: no daemon at that path, or no such profile or listener";
    case -ECONNREFUSED:
      return "no daemon listens at that path: start trunklined, or name its socket";
    case -EACCES:
      return "not permitted: add this user and port to the daemon's client permissions";
    case -EPROTO:
      return "not a Trunkline daemon, or one of another version";
    case -EINVAL:
      return "an argument is impossible: see tl_last_error()";
    case -EUSERS:
      return "no more clients or lanes: ask for more, or close some";
    case -ENOMEM:
      return "no memory or table entry left: ask for less, or raise the daemon's limits";
    case -ETIMEDOUT:
      return "the daemon did not answer in time";
    case -EAGAIN:
      return "nothing free at the moment: poll, then try again";
    case -EMSGSIZE:
      return "a message must have 1 to max_message bytes";
    case -ENOTCONN:
      return "the association is not established, is shutting down, or is over";
    case -EADDRINUSE:
      return "the port or the peer is taken already";
    case -EADDRNOTAVAIL:
      return "not a unicast address, or no local address of its family and scope";
    case -ECONNABORTED:
      return "it was tried and failed: see reason and cause";
    case -EINTR:
      return "a signal arrived";
    default:
      return "an error of the system: see errno(3)";
  }
}

int tl_address_parse(const char* text, tl_address* out) {
  if (text == nullptr || out == nullptr) return fail(-EINVAL, "no text or no room for the address");
  memset(out, 0, sizeof(*out));
  if (inet_pton(AF_INET, text, out->bytes) == 1) {
    out->family = 4;
    return 0;
  }
  if (inet_pton(AF_INET6, text, out->bytes) == 1) {
    out->family = 6;
    return 0;
  }
  memset(out, 0, sizeof(*out));
  return trunkline::client::failf(-EINVAL, "'%.64s' is not an IPv4 or IPv6 address", text);
}

const char* tl_address_text(const tl_address* address, char* buffer, size_t size) {
  if (buffer == nullptr || size == 0) return "";
  buffer[0] = '\0';
  if (address == nullptr) return buffer;
  const int family = address->family == 4 ? AF_INET : address->family == 6 ? AF_INET6 : 0;
  if (family == 0 ||
      inet_ntop(family, address->bytes, buffer, static_cast<socklen_t>(size)) == nullptr) {
    snprintf(buffer, size, "%s", "-");
  }
  return buffer;
}

const char* tl_event_kind_name(int kind) {
  static const char* const kNames[] = {
      "NONE",       "ACCEPTED",    "CONNECTED",       "CONNECT_FAILED",  "MESSAGE",
      "SENT",       "SEND_FAILED", "WRITABLE",        "PEER_SHUTDOWN",   "CLOSED",
      "LOST",       "RESTARTED",   "PATH_CHANGED",    "PRIMARY_CHANGED", "REMOTE_ERROR",
      "SENDER_DRY", "DAEMON_GONE", "RESTART_REFUSED", "DAEMON_ENDING",   "MESSAGE_BROKEN"};
  constexpr int kCount = sizeof(kNames) / sizeof(kNames[0]);
  static_assert(kCount == TL_EVENT_MESSAGE_BROKEN + 1);
  return kind >= 0 && kind < kCount ? kNames[kind] : "?";
}

const char* tl_reason_name(int reason) {
  static const char* const kNames[] = {"none",
                                       "timed out",
                                       "refused by the peer",
                                       "reset by the peer",
                                       "aborted locally",
                                       "the peer broke the protocol",
                                       "out of resources",
                                       "shutting down",
                                       "the peer restarted",
                                       "the peer agreed to fewer streams",
                                       "given up, as its limit says",
                                       "the daemon is gone"};
  constexpr int kCount = sizeof(kNames) / sizeof(kNames[0]);
  static_assert(kCount == TL_REASON_DAEMON_GONE + 1);
  return reason >= 0 && reason < kCount ? kNames[reason] : "?";
}

const char* tl_path_state_name(int state) {
  static const char* const kNames[] = {"unconfirmed", "active", "potentially failed", "inactive",
                                       "unconfirmed and inactive"};
  constexpr int kCount = sizeof(kNames) / sizeof(kNames[0]);
  static_assert(kCount == TL_PATH_UNCONFIRMED_INACTIVE + 1);
  return state >= 0 && state < kCount ? kNames[state] : "?";
}

}  // extern "C"
