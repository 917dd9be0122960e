// SPDX-License-Identifier: BSD-3-Clause
// Translations between the stack's types and those of the ring ABI, for all who fill completions.
#pragma once

#include <cstdint>
#include <optional>

#include "appring/channel_core.h"
#include "trunkline/ring_abi.h"
#include "trunkline/stack/address.h"
#include "trunkline/stack/stack.h"

namespace trunkline::appring {

[[nodiscard]] uint8_t wire_status(Status status);  // enum tlr_status
[[nodiscard]] uint8_t wire_reason(Reason reason);  // enum tlr_reason
[[nodiscard]] uint8_t wire_path_state(PathState state);
[[nodiscard]] uint8_t wire_assoc_state(AssocState state);
[[nodiscard]] IpAddress address_from_wire(const tlr_address& address);  // none if malformed
[[nodiscard]] tlr_address address_to_wire(const IpAddress& address);
void set_address(tlr_completion_more& more, const IpAddress& address);
void fill_info(const AssocStatus& status, uint32_t worker, TimePoint now, tlr_info_body& out);
// What a submission of a message asks of the stack.
[[nodiscard]] inline SendRequest request_of(const tlr_submission& submission,
                                            Reliability reliability) {
  return {.stream = StreamId(submission.stream),
          .ppid = Ppid(submission.ppid),
          .unordered = (submission.flags & TLR_SEND_UNORDERED) != 0,
          .sack_immediately = (submission.flags & TLR_SEND_SACK_IMMEDIATELY) != 0,
          .context = submission.context,
          .reliability = reliability};
}
// What a limit asks; nothing: it is malformed.
[[nodiscard]] std::optional<Reliability> reliability_of(const tlr_submission& limit);
[[nodiscard]] uint8_t failed_flags(const Event& event);  // of a kSendFailed: enum tlr_failed_flag
// Everything but messages and the ends of sends: fields by kind.
void fill_notification(const Event& event, ChannelCore::Notice& out);
// True if the body is one that a correct client writes; then its profile name ends with a NUL.
[[nodiscard]] bool open_body_valid(const tlr_open_body& body, bool connect);

}  // namespace trunkline::appring
