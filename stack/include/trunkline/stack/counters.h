// SPDX-License-Identifier: BSD-3-Clause
// Every event that an operator may want to count has a name here; every dropped packet or chunk
// has exactly one. The list is the documentation. RFC 3873 names are used where it has them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace trunkline {

// clang-format off
#define TRUNKLINE_STACK_COUNTERS(X)                                                             \
  /* RFC 3873 section 3: statistics of the whole endpoint set */                                \
  X(curr_estab, "associations now in ESTABLISHED, SHUTDOWN-RECEIVED or SHUTDOWN-PENDING")       \
  X(active_estabs, "associations that this side opened")                                        \
  X(passive_estabs, "associations that the peer opened")                                        \
  X(aborteds, "associations that ended by ABORT or failure")                                    \
  X(shutdowns, "associations that ended by the shutdown sequence")                              \
  X(out_of_blues, "packets that no association matches")                                        \
  X(checksum_errors, "packets dropped for a wrong CRC32c")                                      \
  X(out_ctrl_chunks, "control chunks sent, retransmissions excluded")                           \
  X(out_order_chunks, "ordered DATA chunks sent, retransmissions excluded")                     \
  X(out_unorder_chunks, "unordered DATA chunks sent, retransmissions excluded")                 \
  X(in_ctrl_chunks, "control chunks received")                                                  \
  X(in_order_chunks, "ordered DATA chunks received, duplicates excluded")                       \
  X(in_unorder_chunks, "unordered DATA chunks received, duplicates excluded")                   \
  X(frag_usr_msgs, "messages sent in fragments")                                                \
  X(reasm_usr_msgs, "messages reassembled")                                                     \
  X(partial_deliveries, "pieces of messages given before their end had come")                   \
  X(out_sctp_packs, "SCTP packets sent")                                                        \
  X(in_sctp_packs, "SCTP packets received")                                                     \
  /* Messages and recovery */                                                                   \
  X(messages_sent, "messages accepted from applications")                                       \
  X(messages_received, "messages given to applications")                                        \
  X(message_bytes_sent, "payload bytes accepted from applications")                             \
  X(message_bytes_received, "payload bytes given to applications")                              \
  X(retransmitted_chunks, "DATA chunks sent again")                                             \
  X(fast_retransmits, "times that fast recovery was entered")                                   \
  X(t1_expirations, "INIT or COOKIE ECHO timers that fired")                                    \
  X(t2_expirations, "SHUTDOWN or SHUTDOWN ACK timers that fired")                               \
  X(shutdown_guard_expirations, "associations aborted because their shutdown took too long")     \
  X(t3_expirations, "retransmission timers that fired")                                         \
  X(loss_probes, "times that silence was answered by a probe before T3 fired")                   \
  X(recoveries_undone, "fast recoveries that turned out to be needless: the window was given back") \
  X(duplicate_tsns, "DATA chunks received again")                                               \
  X(forward_tsns_received, "FORWARD TSNs that skipped something")                               \
  X(gap_sacks_sent, "SACKs sent with gap blocks")                                               \
  X(zero_window_probes, "DATA sent into a closed window")                                       \
  X(messages_abandoned, "messages given up as their policy says")                               \
  X(forward_tsns_sent, "FORWARD TSN chunks sent")                                               \
  X(heartbeats_sent, "HEARTBEAT chunks sent")                                                   \
  X(heartbeat_acks_received, "HEARTBEAT ACK chunks that matched")                               \
  X(path_failures, "paths that became inactive")                                                \
  X(path_recoveries, "paths that became active again after that")                              \
  X(path_doubts, "paths that became potentially failed")                                        \
  X(unconfirmed_failures, "peers' addresses that never answered, and are asked seldom now")     \
  X(failovers, "times that data left a path because it failed")                                 \
  X(primary_switchovers, "times that another path became primary because it failed")            \
  X(pmtu_probes_sent, "HEARTBEATs padded to find out whether a larger packet passes")           \
  X(pmtu_probes_lost, "such probes that were not answered in time")                             \
  X(pmtu_raised, "path MTUs that a probe raised")                                               \
  X(pmtu_lowered, "path MTUs that an ICMP message lowered")                                     \
  X(pmtu_black_holes, "path MTUs lowered because large packets vanished while small ones passed")\
  X(fragmentable_packets, "packets larger than a path MTU that has shrunk, sent to be fragmented")\
  X(restarts, "associations that the peer restarted")                                           \
  X(restarts_refused, "INITs of a restarted peer refused for an address that is new (cause 11)")\
  X(inits_answered, "INIT ACKs sent")                                                           \
  X(addresses_taken, "addresses of peers not used because another association has them")        \
  X(oob_aborts_sent, "ABORTs sent to out-of-the-blue packets")                                  \
  X(directory_full, "times that the directory had no room for an association's addresses")      \
  /* Drops: packets */                                                                          \
  X(drop_runt, "packets shorter than a common header and a chunk")                              \
  X(drop_zero_port, "packets with port number 0")                                               \
  X(drop_not_unicast, "packets from or to an address that is not unicast")                      \
  X(drop_own_source, "packets from outside whose source is one of our own addresses")           \
  X(drop_looped, "packets of ours that came back to an association with another host")          \
  X(drop_chunk_length, "packets whose chunk lengths do not add up")                             \
  X(drop_bundled_init, "INIT, INIT ACK or SHUTDOWN COMPLETE bundled with other chunks")         \
  X(drop_bad_tag, "packets of an association with a wrong verification tag")                    \
  X(drop_init_nonzero_tag, "INITs whose packet has a verification tag")                         \
  X(drop_no_endpoint, "packets to a port that nobody listens on, unanswered")                   \
  X(drop_out_of_blue, "out-of-the-blue packets that get no answer")                             \
  X(drop_oob_rate, "out-of-the-blue answers withheld by the rate limit")                        \
  X(drop_oob_silent, "out-of-the-blue answers withheld because the endpoint is silent")         \
  X(drop_init_source_rate, "INITs beyond the rate of their source address")                     \
  X(drop_init_total_rate, "INITs of strangers beyond the rate of the shard")                    \
  X(drop_bad_init, "INIT chunks that are malformed or impossible")                              \
  X(drop_bad_init_ack, "INIT ACK chunks that are malformed or impossible")                      \
  X(drop_peer_addresses, "INITs and INIT ACKs whose addresses are not the expected ones")       \
  X(drop_closing_init, "INITs in SHUTDOWN-ACK-SENT, answered with the SHUTDOWN ACK again")      \
  X(drop_unexpected_init_ack, "INIT ACKs outside COOKIE-WAIT")                                  \
  X(drop_bad_cookie, "COOKIE ECHOs whose cookie is not ours, or altered")                       \
  X(drop_stale_cookie, "COOKIE ECHOs whose cookie is too old")                                  \
  X(drop_spent_cookie, "COOKIE ECHOs whose association has ended: replayed")                    \
  X(drop_cookie_collision, "COOKIE ECHOs that section 5.2.4 tells to discard")                  \
  X(drop_unexpected_stale_cookie, "Stale Cookie errors outside COOKIE-ECHOED")                  \
  X(drop_unexpected_cookie_ack, "COOKIE ACKs outside COOKIE-ECHOED")                            \
  X(drop_unexpected_shutdown, "shutdown chunks that the state does not expect")                 \
  X(drop_no_association_memory, "set-ups refused because a table or pool is full")              \
  X(drop_elsewhere, "packets of an association that another shard has come to own meanwhile")   \
  X(drop_icmp, "ICMP errors that quote no packet of an association, or not its tag")            \
  X(drop_icmp_not_in_flight, "ICMP too-big messages about a packet that is not on its way")     \
  X(drop_icmp_size, "ICMP too-big messages whose size asks for nothing less")                   \
  X(drop_icmp_pmtu_off, "ICMP too-big messages while the profile's path MTU is fixed")          \
  X(clamped_icmp_size, "ICMP too-big messages whose size was lifted to the profile's base")     \
  X(drop_reply_queue_full, "stateless replies withheld because their queue is full")            \
  /* Drops: chunks */                                                                           \
  X(drop_bad_chunk, "chunks whose fixed part is malformed")                                     \
  X(drop_unknown_chunk, "chunks of a type that is not known")                                   \
  X(drop_bad_sack, "SACKs that acknowledge what was never sent, or are malformed")              \
  X(drop_bad_gap_block, "gap blocks that overlap, run backwards or lie below the cumulative TSN") \
  X(drop_fickle_gap_blocks, "times that a peer took back so much that its gap blocks are ignored")\
  X(drop_old_sack, "SACKs older than one already processed, or second in a packet")             \
  X(drop_sack_state, "SACKs in a state in which nothing waits for one")                         \
  X(drop_answer_too_long, "answers that do not fit the one packet that they may fill")          \
  X(drop_answer_limit, "HEARTBEATs beyond the answers that one packet may draw")                \
  X(drop_heartbeat_state, "HEARTBEATs in a state that answers none")                            \
  X(drop_bad_heartbeat_ack, "HEARTBEAT ACKs that answer no HEARTBEAT of ours")                  \
  X(drop_bad_stream, "DATA chunks on a stream that was not negotiated")                         \
  X(drop_empty_data, "DATA chunks without user data")                                           \
  X(drop_data_state, "DATA chunks in a state that takes none")                                  \
  X(drop_data_no_window, "DATA chunks beyond the advertised window")                            \
  X(drop_data_no_memory, "DATA chunks dropped because the shard's buffers are used up")         \
  X(drop_held_no_window, "held fragments and messages dropped: an earlier one needed the window") \
  X(drop_held_no_memory, "held fragments and messages dropped: others needed the shard's buffers")\
  X(aborted_for_memory, "associations that this side aborted, out of memory for what they sent") \
  X(drop_data_beyond_tsn_range, "DATA chunks too far ahead of the cumulative TSN")              \
  X(drop_orphaned_data, "DATA chunks whose message's beginning or rest the peer has given up")  \
  X(drop_cut_off_messages, "unfinished messages that the peer went on without finishing")       \
  X(drop_old_forward_tsn, "FORWARD TSNs that skip nothing, as all up to there has come")        \
  X(drop_forward_tsn_too_far, "FORWARD TSNs too far ahead of the cumulative TSN")               \
  X(drop_forward_tsn_no_memory, "FORWARD TSNs that name more streams than there is memory for") \
  X(drop_forward_tsn_state, "FORWARD TSNs in a state that takes no DATA")                       \
  X(drop_forward_tsn_stream, "streams in FORWARD TSNs that were not negotiated")                \
  X(drop_protocol_violation, "packets that made this side abort the association")               \
  /* Refusals to applications */                                                                \
  X(refused_sends, "messages refused: closing, bad stream, too large or no room")               \
  X(refused_send_share, "of these, messages beyond their association's share of the shard's")   \
  X(waits_for_chunks, "times that DATA waited: no DATA chunk was left of the shard's, or its share")\
  X(refused_extensions, "times that an association wanted more remembered than the shard has room for")\
  X(refused_connects, "connects refused: no memory or an association exists")                  \
  X(refused_edits, "edits of an association's profile refused: a value that cannot be")
// clang-format on

enum class Counter : uint16_t {
#define X(name, text) k_##name,
  TRUNKLINE_STACK_COUNTERS(X)
#undef X
      kCount
};

inline constexpr size_t kCounterCount = static_cast<size_t>(Counter::kCount);

[[nodiscard]] std::string_view counter_name(Counter counter);
[[nodiscard]] std::string_view counter_text(Counter counter);  // one line for people

// Written by the shard's worker only; others read single values without order between them.
class Counters {
 public:
  void add(Counter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] += n; }
  void subtract(Counter counter, uint64_t n = 1) { values_[static_cast<size_t>(counter)] -= n; }
  [[nodiscard]] uint64_t get(Counter counter) const {
    return values_[static_cast<size_t>(counter)];
  }

 private:
  std::array<uint64_t, kCounterCount> values_{};
};

}  // namespace trunkline
