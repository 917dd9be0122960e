// SPDX-License-Identifier: BSD-3-Clause
// Partial reliability (RFC 7496 section 4): whether it is offered or was agreed on, and what was
// given up. The policies of messages are in options_messages.cpp.
#include <array>
#include <utility>

#include "sockets/option_call.h"

namespace trunkline::sockets {
namespace {

int get_pr_supported(OptionCall& call) {
  if (call.room < sizeof(sctp_assoc_value)) return EINVAL;
  auto out = call.head<sctp_assoc_value>();
  const AssociationView* const view = call.target.association;
  const bool has = view != nullptr && view->status.partial_reliability;
  const bool offers = !call.target.connected && call.profile().partial_reliability;
  out.assoc_value = has || offers ? 1 : 0;
  return call.give(out);
}

// Of associations to come.
int set_pr_supported(OptionCall& call) {
  if (call.room != sizeof(sctp_assoc_value)) return EINVAL;
  call.options().partial_reliability = call.head<sctp_assoc_value>().assoc_value != 0;
  return 0;
}

constexpr uint16_t kAllPolicies = 0x80;  // SCTP_PR_SCTP_ALL

bool is_policy(uint16_t word) {
  return word == kAllPolicies || (word != 0 && (word & ~SCTP_PR_SCTP_MASK) == 0);
}

// What the word names of what was given up: one policy, or all.
AbandonedCounts given_up(const AssocStatus& status, uint16_t word) {
  using Policy = Reliability::Policy;
  constexpr std::array kPolicies{std::pair{SCTP_PR_SCTP_TTL, Policy::kLifetime},
                                 std::pair{SCTP_PR_SCTP_RTX, Policy::kRetransmissions},
                                 std::pair{SCTP_PR_SCTP_PRIO, Policy::kPriority}};
  AbandonedCounts out;
  for (const auto& [number, policy] : kPolicies) {
    if (word != kAllPolicies && word != number) continue;
    const AbandonedCounts& counts = status.abandoned[static_cast<size_t>(policy)];
    out.unsent += counts.unsent;
    out.sent += counts.sent;
  }
  return out;
}

int get_pr_status(OptionCall& call) {
  if (call.room < sizeof(sctp_prstatus)) return EINVAL;
  auto out = call.head<sctp_prstatus>();
  const AssociationView* const view = call.target.association;
  if (!is_policy(out.sprstat_policy) || view == nullptr) return EINVAL;
  const AbandonedCounts counts = given_up(view->status, out.sprstat_policy);
  out.sprstat_abandoned_unsent = counts.unsent;
  out.sprstat_abandoned_sent = counts.sent;
  return call.give(out);
}

// Nobody counts by streams.
int get_pr_stream_status(OptionCall& call) {
  if (call.room < sizeof(sctp_prstatus)) return EINVAL;
  const auto in = call.head<sctp_prstatus>();
  const AssociationView* const view = call.target.association;
  if (!is_policy(in.sprstat_policy) || view == nullptr) return EINVAL;
  return in.sprstat_sid < view->status.outbound_streams ? EOPNOTSUPP : EINVAL;
}

constexpr std::array kPartial = {
    OptionEntry{SCTP_PR_SUPPORTED, get_pr_supported, set_pr_supported, true},
    OptionEntry{SCTP_PR_ASSOC_STATUS, get_pr_status, nullptr, true},
    OptionEntry{SCTP_PR_STREAM_STATUS, get_pr_stream_status, nullptr, true},
};

}  // namespace

std::span<const OptionEntry> partial_options() {
  return kPartial;
}

}  // namespace trunkline::sockets
