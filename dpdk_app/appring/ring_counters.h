// SPDX-License-Identifier: BSD-3-Clause
// Names of what the ring bridge counts: traffic, stalls, and every refusal of something that an
// application put into its segment. One set per worker, written by that worker only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trunkline::appring {

// clang-format off
#define TRUNKLINE_RING_COUNTERS(X)                                                               \
  X(ring_submissions, "descriptors taken from submission rings")                                 \
  X(ring_completions, "entries written to completion rings")                                     \
  X(ring_messages_in, "messages that applications asked to send and the stack took")             \
  X(ring_messages_out, "messages copied to applications")                                        \
  X(ring_message_bytes_out, "payload bytes copied to applications")                              \
  X(ring_doorbells, "event fds rung because a lane slept")                                       \
  X(ring_clients_added, "clients whose rings this worker began to serve")                        \
  X(ring_clients_removed, "clients whose rings this worker has let go")                          \
  X(ring_orphaned, "associations of dead clients whose last messages the daemon took over")      \
  X(ring_backlogged, "events that waited because a lane had no room")                            \
  X(ring_rebound, "associations that went from one lane to another")                             \
  X(ring_submission_stalls, "times that a lane waited for completion entries before more work")  \
  /* Refusals: what the application may meet in good faith */                                    \
  X(refuse_no_association, "operations on an association that is over or not the lane's")        \
  X(refuse_send_credit, "sends beyond the association's credit of slots")                        \
  X(refuse_client_share, "sends beyond the client's share of the messages under way")             \
  X(refuse_send, "sends that the stack refused: stream, size, state or memory")                  \
  X(refuse_port, "listens and connects with a port that the client may not use")                 \
  X(refuse_port_in_use, "listens on a port that belongs to another user")                        \
  X(refuse_local_address, "listens and connects with local addresses that are not the daemon's") \
  X(refuse_profile, "listens and connects with an unknown profile")                              \
  X(refuse_connect, "connects that the stack refused")                                           \
  X(refuse_listen, "listens that the stack refused")                                             \
  X(refuse_operation, "other operations that the stack refused")                                 \
  X(refuse_association_limit, "associations beyond the lane's limit, aborted or not begun")      \
  X(refuse_rebind, "associations that a lane could not take over: its limit, or no room")         \
  X(refuse_listener_limit, "listens beyond the lane's limit")                                    \
  X(refuse_accept_no_listener, "associations aborted because nobody listens any more")           \
  /* Refusals: what only a defective or hostile application does */                              \
  X(refuse_bad_index, "ring indices that went backwards or too far; the client is ended")        \
  X(refuse_bad_operation, "descriptors with an unknown operation, flag or option")               \
  X(refuse_bad_length, "descriptors whose length and number of slots disagree")                  \
  X(refuse_bad_slot, "slots out of range")                                                       \
  X(refuse_slot_twice, "slots submitted while already submitted, or chains with a cycle")        \
  X(refuse_bad_body, "listen, connect or option bodies with impossible content")                 \
  X(refuse_bad_return, "returned slots that were not lent, or were returned twice")              \
  X(refuse_lost_segment, "segments whose memory vanished (SIGBUS); the client is ended")         \
  /* Losses to keep within bounds */                                                             \
  X(drop_abort_reason, "what peers said when they aborted, dropped for want of room in the lane") \
  X(drop_lane_backlog, "notifications dropped because the lane does not poll")                   \
  X(abort_lane_backlog, "associations aborted because the lane does not poll")                   \
  X(abort_orphan_buffer, "associations of dead clients aborted: their last messages have no room") \
  X(abort_no_receive_memory, "associations aborted because the shard could not keep a message")  \
  X(abort_message_too_large, "associations aborted: a message larger than all slots of a lane")  \
  X(drop_orphan_event, "events of associations that no client has any more")
// clang-format on

enum class RingCounter : uint16_t {
#define X(name, text) k_##name,
  TRUNKLINE_RING_COUNTERS(X)
#undef X
      kCount
};

inline constexpr size_t kRingCounterCount = static_cast<size_t>(RingCounter::kCount);

[[nodiscard]] std::string_view counter_name(RingCounter counter);
[[nodiscard]] std::string_view counter_text(RingCounter counter);  // one line for people

class RingCounters {
 public:
  void add(RingCounter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] += n; }
  [[nodiscard]] uint64_t get(RingCounter counter) const {
    return values_[static_cast<size_t>(counter)];
  }

 private:
  std::array<uint64_t, kRingCounterCount> values_{};
};

}  // namespace trunkline::appring
