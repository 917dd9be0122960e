// SPDX-License-Identifier: BSD-3-Clause
// Names of what the bridge of sockets counts: traffic, stalls, and every refusal of something that
// a program put into a socket's memory. One set per worker, written by that worker only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trunkline::sockets {

// clang-format off
#define TRUNKLINE_SOCKET_COUNTERS(X)                                                             \
  X(socket_submissions, "descriptors taken from the submission rings of sockets")                \
  X(socket_messages_in, "messages that programs sent and the stack took")                        \
  X(socket_messages_out, "messages copied to programs")                                          \
  X(socket_message_bytes_out, "payload bytes copied to programs")                                \
  X(socket_kicks, "looks at sockets because a program asked for one")                            \
  X(socket_tokens, "tokens sent to programs that had read everything")                           \
  X(socket_room_again, "times that a socket became writable again")                              \
  X(socket_accepted, "associations that peers began, parked until they are accepted")            \
  X(socket_connects, "associations that sockets began")                                          \
  X(socket_backlogged, "events that waited because a socket had no room")                        \
  X(socket_stalls, "times that a submission waited for room in the shard or in the user's share") \
  /* Refusals: what a program may meet in good faith */                                          \
  X(drop_stale_submission, "submissions of associations that are over")                          \
  X(refuse_socket_send, "sends that the stack refused: stream, size or state")                   \
  X(refuse_socket_connect, "connects that the stack refused")                                    \
  X(refuse_socket_listen, "listens that the stack refused")                                      \
  X(refuse_accept_backlog, "associations aborted because the listener's backlog is full")        \
  X(refuse_accept_nobody, "associations aborted because nobody listens any more")                \
  X(drop_kick, "kicks of sockets that this worker does not have")                                \
  /* Refusals: what only a defective or hostile program does */                                  \
  X(fault_bad_index, "ring indices that went backwards or too far; the socket is ended")         \
  X(fault_bad_operation, "descriptors with an unknown operation or flag; the socket is ended")   \
  X(fault_bad_length, "descriptors with an impossible length; the socket is ended")              \
  X(fault_bad_slot, "slots out of range; the socket is ended")                                   \
  X(fault_slot_twice, "slots submitted twice, or chains with a cycle; the socket is ended")      \
  X(fault_lost_memory, "sockets whose memory vanished (SIGBUS); the socket is ended")            \
  X(refuse_bad_socket_return, "returned slots that were not lent, or were returned twice")       \
  /* Losses to keep within bounds */                                                             \
  X(drop_socket_notification, "notifications dropped because the program does not read")         \
  X(drop_shut_message, "messages dropped because the program wants to receive no more")          \
  X(drop_parked_notification, "notifications dropped before their association was accepted")     \
  X(drop_socket_abort_reason, "what peers said when they aborted, dropped for want of room")     \
  X(abort_socket_backlog, "associations aborted because a program does not read")                \
  X(abort_socket_memory, "associations aborted because the shard could not keep a message")      \
  X(abort_socket_message, "associations aborted: a message larger than all slots of a socket")   \
  X(socket_autoclosed, "associations of one-to-many sockets shut down because they were idle")    \
  X(abort_unread, "associations aborted because their socket was closed with unread messages")
// clang-format on

enum class SocketCounter : uint16_t {
#define X(name, text) k_##name,
  TRUNKLINE_SOCKET_COUNTERS(X)
#undef X
      kCount
};

inline constexpr size_t kSocketCounterCount = static_cast<size_t>(SocketCounter::kCount);

[[nodiscard]] std::string_view counter_name(SocketCounter counter);
[[nodiscard]] std::string_view counter_text(SocketCounter counter);  // one line for people

class SocketCounters {
 public:
  void add(SocketCounter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] += n; }
  [[nodiscard]] uint64_t get(SocketCounter counter) const {
    return values_[static_cast<size_t>(counter)];
  }

 private:
  std::array<uint64_t, kSocketCounterCount> values_{};
};

}  // namespace trunkline::sockets
