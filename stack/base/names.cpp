// SPDX-License-Identifier: BSD-3-Clause
// Names of counters, states, reasons and answers: for logs, tools and tests.
#include <algorithm>

#include "trunkline/stack/stack.h"

namespace trunkline {
namespace {

constexpr std::array<std::string_view, kCounterCount> kCounterNames = {
#define X(name, text) #name,
    TRUNKLINE_STACK_COUNTERS(X)
#undef X
};

constexpr std::array<std::string_view, kCounterCount> kCounterTexts = {
#define X(name, text) text,
    TRUNKLINE_STACK_COUNTERS(X)
#undef X
};

}  // namespace

std::string_view counter_name(Counter counter) {
  return kCounterNames[static_cast<size_t>(counter)];
}

std::string_view counter_text(Counter counter) {
  return kCounterTexts[static_cast<size_t>(counter)];
}

std::string_view state_name(AssocState state) {
  switch (state) {
    case AssocState::kClosed:
      return "CLOSED";
    case AssocState::kCookieWait:
      return "COOKIE-WAIT";
    case AssocState::kCookieEchoed:
      return "COOKIE-ECHOED";
    case AssocState::kEstablished:
      return "ESTABLISHED";
    case AssocState::kShutdownPending:
      return "SHUTDOWN-PENDING";
    case AssocState::kShutdownSent:
      return "SHUTDOWN-SENT";
    case AssocState::kShutdownReceived:
      return "SHUTDOWN-RECEIVED";
    case AssocState::kShutdownAckSent:
      return "SHUTDOWN-ACK-SENT";
  }
  return "?";
}

std::string_view state_name(PmtuState state) {
  switch (state) {
    case PmtuState::kFixed:
      return "FIXED";
    case PmtuState::kSearching:
      return "SEARCHING";
    case PmtuState::kComplete:
      return "COMPLETE";
    case PmtuState::kError:
      return "ERROR";
  }
  return "?";
}

std::string_view state_name(PathState state) {
  switch (state) {
    case PathState::kUnconfirmed:
      return "UNCONFIRMED";
    case PathState::kActive:
      return "ACTIVE";
    case PathState::kPotentiallyFailed:
      return "POTENTIALLY-FAILED";
    case PathState::kInactive:
      return "INACTIVE";
    case PathState::kUnconfirmedInactive:
      return "UNCONFIRMED-INACTIVE";
  }
  return "?";
}

std::string_view reason_name(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "none";
    case Reason::kTimedOut:
      return "timed out";
    case Reason::kRefused:
      return "refused by the peer";
    case Reason::kReset:
      return "aborted by the peer";
    case Reason::kLocalAbort:
      return "aborted by this side";
    case Reason::kPeerViolation:
      return "the peer broke the protocol";
    case Reason::kOutOfResources:
      return "out of resources";
    case Reason::kShutdown:
      return "the association is shutting down";
    case Reason::kRestarted:
      return "restarted by the peer";
    case Reason::kInvalidStream:
      return "the peer agreed to fewer streams";
    case Reason::kAbandoned:
      return "given up, as its policy says";
  }
  return "?";
}

std::string_view status_text(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kNoSuchAssociation:
      return "no such association: it has ended";
    case Status::kNoSuchEndpoint:
      return "no such endpoint";
    case Status::kClosing:
      return "the association is closing and takes no more messages";
    case Status::kNotEstablished:
      return "the association is not established yet";
    case Status::kInvalidStream:
      return "the stream is not below the negotiated number";
    case Status::kEmptyMessage:
      return "a message has at least one byte";
    case Status::kMessageTooLarge:
      return "the message is larger than max_message_size";
    case Status::kWouldBlock:
      return "the send buffer is full: try again after an acknowledgement";
    case Status::kAlreadyExists:
      return "that association or local port already exists";
    case Status::kInvalidValue:
      return "a value is out of its range, or does not fit to the others";
    case Status::kInvalidAddress:
      return "no local address can reach that peer address";
    case Status::kOutOfResources:
      return "a pool or table is full";
  }
  return "?";
}

size_t copy_pieces(const Piece* head, std::span<uint8_t> out) {
  size_t at = 0;
  for (const Piece* piece = head; piece != nullptr; piece = piece->next) {
    std::copy_n(piece->data, piece->length, out.begin() + static_cast<ptrdiff_t>(at));
    at += piece->length;
  }
  return at;
}

}  // namespace trunkline
