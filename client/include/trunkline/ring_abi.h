/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The ring ABI: the shared-memory layout and the attach messages between an application
 * (libtrunkline) and the daemon. Self-contained, C11 and C++20. Applications do not include this
 * file; they include trunkline.h. The ABI is version 0: it changes without notice until it is
 * declared frozen, and both sides refuse another version.
 *
 * One segment belongs to one client. It holds a header and, for each pair of (lane, worker), one
 * channel. A lane is used by one application thread, a worker is one thread of the daemon, so
 * each ring has one producer and one consumer and nothing is locked:
 *
 *   submission ring   client -> worker   tlr_submission   what the application asks for
 *   completion ring   worker -> client   tlr_completion   answers, messages, notifications
 *   return ring       client -> worker   uint32_t         received slots that are free again
 *   TX slots          written by the client, read by the worker until a completion returns them
 *   RX slots          written by the worker, read by the client until it returns them
 *
 * Indices count up for ever and wrap at 2^32; `produced - consumed` is the fill and entry i lies at
 * i & (size - 1). The worker keeps its own copy of every size and of its own indices, copies a
 * descriptor once, checks the copy and uses the copy.
 *
 * Going to sleep: set the armed word (seq_cst), look at the rings again (seq_cst), wait for the
 * descriptor, set the word to 0. The producer publishes its index (seq_cst), reads the armed word
 * (seq_cst), and rings the descriptor only if it must, at most once a burst, after setting the
 * word to 0. client_armed is 0 or 1. worker_armed is 0, 1 (ring for submissions) or 2 (the worker
 * lacks room: ring for consumed completions and returned slots, too).
 *
 * A lane's descriptor is the reading end of a pipe: the worker's end is the worker's alone, so that
 * no client can make it block. A worker's descriptor is an event fd that it watches and never
 * reads.
 */
#ifndef TRUNKLINE_RING_ABI_H
#define TRUNKLINE_RING_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define TLR_STATIC_ASSERT static_assert
#define TLR_ALIGNED(n) alignas(n)
extern "C" {
#else
#include <stdalign.h>
#define TLR_STATIC_ASSERT _Static_assert
#define TLR_ALIGNED(n) alignas(n)
#endif

#define TLR_ABI_VERSION 0u
#define TLR_MAGIC 0x474e52544b4e5254ull /* "TRNKTRNG" as bytes in memory */

#define TLR_CACHE_LINE 64u
#define TLR_PAGE 4096u
#define TLR_MAX_LANES 64u
#define TLR_MAX_WORKERS 64u
#define TLR_MAX_ADDRESSES 16u
#define TLR_MIN_SLOT_SIZE 512u
#define TLR_MAX_SLOT_SIZE 65536u
#define TLR_MAX_RING 65536u
#define TLR_MAX_SLOTS 32768u
#define TLR_NO_SLOT 0xffffffffu
#define TLR_ANY_WORKER 0xffffffffu

/* -------------------------------------------------------------------------------------------
 * Geometry: chosen by the daemon within its limits at attach, constant afterwards. */

typedef struct tlr_geometry {
  uint32_t lanes;
  uint32_t workers;
  uint32_t submission_size; /* entries, power of two */
  uint32_t completion_size; /* entries, power of two */
  uint32_t return_size;     /* entries, power of two, at least rx_slots */
  uint32_t tx_slots;        /* per channel */
  uint32_t rx_slots;        /* per channel */
  uint32_t slot_size;       /* bytes, a multiple of 64, at least TLR_MIN_SLOT_SIZE */
  uint32_t send_credit;     /* TX slots that one association may have in flight */
  uint32_t max_operations;  /* submissions of a channel that may await their completion */
} tlr_geometry;
TLR_STATIC_ASSERT(sizeof(tlr_geometry) == 40, "geometry");

/* First page of the segment. Written by the daemon before the client sees it; the daemon never
 * reads it back. */
typedef struct tlr_segment_header {
  uint64_t magic;
  uint32_t abi_version;
  uint32_t reserved;
  uint64_t segment_size; /* bytes, a multiple of TLR_PAGE */
  tlr_geometry geometry;
} tlr_segment_header;
TLR_STATIC_ASSERT(offsetof(tlr_segment_header, abi_version) == 8, "header");
TLR_STATIC_ASSERT(offsetof(tlr_segment_header, segment_size) == 16, "header");
TLR_STATIC_ASSERT(offsetof(tlr_segment_header, geometry) == 24, "header");
TLR_STATIC_ASSERT(sizeof(tlr_segment_header) == 64, "header");

/* One index or word alone on its cache line, so that its reader is not disturbed by others. */
typedef struct tlr_word {
  TLR_ALIGNED(64) uint32_t value;
  uint32_t reserved[15];
} tlr_word;
TLR_STATIC_ASSERT(sizeof(tlr_word) == 64, "word");

/* The head of a channel. "client" is the one thread that owns the lane. */
typedef struct tlr_channel {
  tlr_word submission_produced; /* client writes, worker reads */
  tlr_word submission_consumed; /* worker writes, client reads */
  tlr_word completion_produced; /* worker writes, client reads */
  tlr_word completion_consumed; /* client writes, worker reads */
  tlr_word return_produced;     /* client writes, worker reads */
  tlr_word return_consumed;     /* worker writes, client reads */
  tlr_word client_armed;        /* client sets, either clears */
  tlr_word worker_armed;        /* worker sets, either clears */
} tlr_channel;
TLR_STATIC_ASSERT(offsetof(tlr_channel, submission_consumed) == 64, "channel");
TLR_STATIC_ASSERT(offsetof(tlr_channel, completion_produced) == 128, "channel");
TLR_STATIC_ASSERT(offsetof(tlr_channel, completion_consumed) == 192, "channel");
TLR_STATIC_ASSERT(offsetof(tlr_channel, return_produced) == 256, "channel");
TLR_STATIC_ASSERT(offsetof(tlr_channel, return_consumed) == 320, "channel");
TLR_STATIC_ASSERT(offsetof(tlr_channel, client_armed) == 384, "channel");
TLR_STATIC_ASSERT(offsetof(tlr_channel, worker_armed) == 448, "channel");
TLR_STATIC_ASSERT(sizeof(tlr_channel) == 512, "channel");

/* -------------------------------------------------------------------------------------------
 * Slots. A message of n bytes takes the smallest number of slots that hold it: all full but the
 * last. A message of one slot is described by its descriptor alone. The slots of a longer one are
 * chained through the channel's tx_next (client writes, worker reads once) or rx_next (worker
 * writes, client reads) table: entry s names the slot after s; the last one's entry is not read. */

static inline uint32_t tlr_slots_for(uint32_t bytes, uint32_t slot_size) {
  return bytes == 0 ? 1u : (bytes - 1u) / slot_size + 1u;
}

/* -------------------------------------------------------------------------------------------
 * Submissions. Each one accepted by the worker ends in exactly one completion, whose entry (of
 * CONNECTED: two) the worker reserves first; sends may share one (tlr_sends_done).
 *
 * A message that is not to be sent at any price takes two entries, published at once: a limit, and
 * directly behind it the send that it belongs to. The limit has no completion of its own. Its
 * fields: op; flags: enum tlr_policy; length: the value; all others 0. If something is wrong with
 * it, its send fails as malformed; without a send behind it, it is an operation that there is not.
 */

enum tlr_operation {
  TLR_OP_LISTEN = 1,     /* slot: tlr_open_body. context names the listener. -> OP_DONE/FAILED */
  TLR_OP_UNLISTEN = 2,   /* listener. -> OP_DONE/FAILED */
  TLR_OP_CONNECT = 3,    /* slot: tlr_open_body. -> CONNECTED/CONNECT_FAILED with the context */
  TLR_OP_SEND = 4,       /* slot chain: payload. -> SENDS_DONE/SEND_FAILED */
  TLR_OP_SHUTDOWN = 5,   /* -> OP_DONE/FAILED at once, CLOSED or LOST later */
  TLR_OP_ABORT = 6,      /* slot (or none): reason text. -> OP_DONE/FAILED, then LOST */
  TLR_OP_GET_OPTION = 7, /* option; the answer is written to the slots */
  TLR_OP_SET_OPTION = 8, /* option; slot: its body */
  TLR_OP_LIMIT = 9       /* of the TLR_OP_SEND behind it */
};

enum tlr_policy { /* until when a message is tried; the value is */
                  TLR_POLICY_LIFETIME =
                      1, /* milliseconds from when the worker takes it (RFC 3758) */
                  TLR_POLICY_RETRANSMISSIONS =
                      2, /* how often one of its chunks may be sent again (RFC 7496) */
                  TLR_POLICY_PRIORITY = 3 /* its priority, 0 the highest (RFC 7496) */
};

enum tlr_option {
  TLR_OPTION_INFO = 1,      /* get: tlr_info_body */
  TLR_OPTION_HEARTBEAT = 2, /* set: tlr_address; send a HEARTBEAT there (RFC 9260 section 8.3) */
  TLR_OPTION_PRIMARY = 3,   /* set: tlr_address; the primary path (RFC 9260 section 11.1.5) */
  TLR_OPTION_TIMERS = 4     /* get and set: tlr_timers_body */
};

enum tlr_timer { /* bits of tlr_timers_body.fields; the second line may be set for one address */
                 TLR_TIMER_RTO_INITIAL = 1,
                 TLR_TIMER_RTO_MIN = 2,
                 TLR_TIMER_RTO_MAX = 4,
                 TLR_TIMER_SACK_DELAY = 8,
                 TLR_TIMER_SACK_FREQUENCY = 16,
                 TLR_TIMER_ASSOCIATION_MAX_RETRANS = 32,
                 TLR_TIMER_HEARTBEAT = 64,
                 TLR_TIMER_PATH_MAX_RETRANS = 128,
                 TLR_TIMER_POTENTIALLY_FAILED = 256
};

enum tlr_send_flag {
  TLR_SEND_UNORDERED = 1,       /* U bit */
  TLR_SEND_SACK_IMMEDIATELY = 2 /* I bit */
};

typedef struct tlr_submission {
  TLR_ALIGNED(32) uint8_t op; /* enum tlr_operation */
  uint8_t flags;              /* send: enum tlr_send_flag; limit: enum tlr_policy; others 0 */
  union {
    uint16_t stream; /* send */
    uint16_t option; /* get and set: enum tlr_option */
  };
  union {
    uint32_t ppid;     /* send: host order */
    uint32_t listener; /* unlisten: the lower half of the listener's context */
  };
  uint32_t assoc_index; /* as given in CONNECTED or ACCEPTED */
  uint32_t assoc_generation;
  uint64_t context; /* comes back in the completion */
  uint32_t slot;    /* first TX slot, or TLR_NO_SLOT */
  uint32_t length;  /* bytes in the chain of tlr_slots_for(length, slot_size) slots; limit: value */
} tlr_submission;
TLR_STATIC_ASSERT(offsetof(tlr_submission, op) == 0, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, flags) == 1, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, stream) == 2, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, ppid) == 4, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, assoc_index) == 8, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, assoc_generation) == 12, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, context) == 16, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, slot) == 24, "submission");
TLR_STATIC_ASSERT(offsetof(tlr_submission, length) == 28, "submission");
TLR_STATIC_ASSERT(sizeof(tlr_submission) == 32, "submission");

typedef struct tlr_address {
  uint8_t family; /* 4, 6 or 0 for none */
  uint8_t reserved[3];
  uint8_t bytes[16]; /* network order; IPv4 in the first four */
} tlr_address;
TLR_STATIC_ASSERT(offsetof(tlr_address, bytes) == 4, "address");
TLR_STATIC_ASSERT(sizeof(tlr_address) == 20, "address");

#define TLR_NAME_SIZE 32u

/* Body of LISTEN and CONNECT, in one TX slot. The addresses are those of the peer, then local ones:
 * as many in all as the smallest slot holds. */
#define TLR_OPEN_ADDRESSES 22u
typedef struct tlr_open_body {
  uint16_t local_port;       /* host order; connect: 0 for a free one */
  uint16_t peer_port;        /* connect */
  uint16_t outbound_streams; /* connect: 0 as the profile says */
  uint16_t address_count;    /* connect: 1 to TLR_MAX_ADDRESSES, the first is primary */
  uint32_t affinity;         /* listen: the worker this lane prefers, or TLR_ANY_WORKER */
  uint16_t local_count;      /* up to TLR_MAX_ADDRESSES; 0: those of the endpoint, or all */
  uint16_t reserved;
  char profile[TLR_NAME_SIZE]; /* named by the operator, NUL-terminated; empty: the default */
  tlr_address addresses[TLR_OPEN_ADDRESSES];
} tlr_open_body;
TLR_STATIC_ASSERT(offsetof(tlr_open_body, affinity) == 8, "open body");
TLR_STATIC_ASSERT(offsetof(tlr_open_body, local_count) == 12, "open body");
TLR_STATIC_ASSERT(offsetof(tlr_open_body, profile) == 16, "open body");
TLR_STATIC_ASSERT(offsetof(tlr_open_body, addresses) == 48, "open body");
TLR_STATIC_ASSERT(sizeof(tlr_open_body) == 488, "open body");
TLR_STATIC_ASSERT(sizeof(tlr_open_body) <= TLR_MIN_SLOT_SIZE, "open body fits a slot");

typedef struct tlr_path_info {
  tlr_address local;
  tlr_address remote;
  uint8_t state;   /* enum tlr_path_state */
  uint8_t primary; /* 1: the primary path */
  uint8_t reserved[2];
  uint32_t rto_us;
  uint32_t srtt_us;
  uint32_t cwnd;     /* bytes */
  uint32_t ssthresh; /* bytes */
  uint32_t flight;   /* bytes */
  uint32_t mtu;      /* bytes */
  uint32_t error_count;
  uint64_t state_age_us; /* for how long it has been in that state */
  uint64_t heartbeats_sent;
  uint64_t heartbeat_acks;
  uint64_t t3_expirations;
  uint64_t packets_sent;
  uint64_t packets_received;
  uint64_t retransmitted_chunks;
  uint64_t failovers; /* times that data left it because it failed */
} tlr_path_info;
TLR_STATIC_ASSERT(offsetof(tlr_path_info, state) == 40, "path info");
TLR_STATIC_ASSERT(offsetof(tlr_path_info, rto_us) == 44, "path info");
TLR_STATIC_ASSERT(offsetof(tlr_path_info, error_count) == 68, "path info");
TLR_STATIC_ASSERT(offsetof(tlr_path_info, state_age_us) == 72, "path info");
TLR_STATIC_ASSERT(offsetof(tlr_path_info, failovers) == 128, "path info");
TLR_STATIC_ASSERT(sizeof(tlr_path_info) == 136, "path info");

/* Answer to TLR_OPTION_INFO. */
typedef struct tlr_info_body {
  uint8_t state; /* enum tlr_assoc_state */
  uint8_t reserved[3];
  uint16_t local_port;
  uint16_t peer_port;
  uint16_t outbound_streams;
  uint16_t inbound_streams;
  uint32_t worker;
  uint32_t peer_rwnd; /* bytes */
  uint32_t a_rwnd;    /* bytes */
  uint32_t error_count;
  uint32_t path_count; /* entries of paths that are filled */
  uint64_t queued_bytes;
  uint64_t outstanding_bytes;
  uint64_t messages_sent;
  uint64_t messages_received;
  uint64_t packets_sent;
  uint64_t packets_received;
  uint64_t retransmitted_chunks;
  char id[TLR_NAME_SIZE]; /* what operators call it, NUL-terminated */
  tlr_path_info paths[TLR_MAX_ADDRESSES];
} tlr_info_body;
TLR_STATIC_ASSERT(offsetof(tlr_info_body, worker) == 12, "info body");
TLR_STATIC_ASSERT(offsetof(tlr_info_body, queued_bytes) == 32, "info body");
TLR_STATIC_ASSERT(offsetof(tlr_info_body, id) == 88, "info body");
TLR_STATIC_ASSERT(offsetof(tlr_info_body, paths) == 120, "info body");
TLR_STATIC_ASSERT(sizeof(tlr_info_body) == 120 + 136 * 16, "info body");

/* Timers and limits (RFC 6458 sections 8.1.1, 8.1.2, 8.1.12, 8.1.19). The client writes `address`
 * and, to set some, `fields` and their values; the daemon writes all values, or, where it refuses
 * one, what is wrong. */
typedef struct tlr_timers_body {
  tlr_address address; /* family 0: of the association as a whole */
  uint32_t fields;     /* enum tlr_timer */
  uint32_t rto_initial_ms;
  uint32_t rto_min_ms;
  uint32_t rto_max_ms;
  uint32_t sack_delay_ms;
  uint32_t heartbeat_ms; /* 0: none on idle paths */
  uint16_t sack_frequency;
  uint16_t association_max_retrans;
  uint16_t path_max_retrans;
  uint16_t potentially_failed_max_retrans;
  uint32_t reserved;
  char fault[72]; /* NUL-terminated; empty: none */
} tlr_timers_body;
TLR_STATIC_ASSERT(offsetof(tlr_timers_body, sack_frequency) == 44, "timers body");
TLR_STATIC_ASSERT(offsetof(tlr_timers_body, fault) == 56, "timers body");
TLR_STATIC_ASSERT(sizeof(tlr_timers_body) == 128, "timers body");

/* -------------------------------------------------------------------------------------------
 * Completions: what is frequent is half a cache line. What few have lies in a second entry behind
 * theirs (tlr_has_more), text in an RX slot. */

enum tlr_completion_kind {
  TLR_ACCEPTED = 1,       /* context: the listener's; limits; more: streams, ports, address */
  TLR_CONNECTED = 2,      /* context: the operation's; limits; more: streams, ports, address */
  TLR_CONNECT_FAILED = 3, /* context: the operation's; status, reason, cause; text as in LOST */
  TLR_MESSAGE = 4,        /* slot, length: RX slots; stream, ppid, flags, tsn, ssn or cum_ahead */
  TLR_SENDS_DONE = 5,     /* tlr_sends_done */
  TLR_SEND_FAILED = 6,    /* context; slot: the TX slots with the payload; status, reason, flags */
  TLR_PEER_SHUTDOWN = 7,  /* the peer takes no more messages */
  TLR_CLOSED = 8,         /* last one of its association, but for the ends (TLR_SEND_FAILED with
                             TLR_STATUS_NO_ASSOCIATION) of sends that the worker had not taken yet */
  TLR_LOST = 9, /* last one of its association, likewise; reason, cause; length: bytes of the Upper
                   Layer Abort Reason that the peer's user gave, in the RX slot `slot`;
                   0: there is none, or no slot was free for it, and no slot is lent */
  TLR_RESTARTED = 10,    /* more: streams */
  TLR_PATH_CHANGED = 11, /* more: address, path_state */
  TLR_REMOTE_ERROR = 12, /* cause; of sockets, slot and length as in LOST: what the cause says */
  TLR_SENDER_DRY = 13,
  TLR_OP_DONE = 14,         /* context */
  TLR_OP_FAILED = 15,       /* context, status */
  TLR_PRIMARY_CHANGED = 16, /* more: address */
  TLR_RESTART_REFUSED = 17, /* more: address */
  TLR_DAEMON_ENDING = 18,   /* of no association; length: milliseconds until the daemon shuts down
                               those that still live */
  TLR_MESSAGE_BROKEN = 20,  /* the rest of the message that was given in pieces never comes */
  /* Of sockets alone, where text may take several RX slots, and that of LOST is all causes. */
  TLR_ADAPTATION = 19,  /* context: what the peer's layer above says */
  TLR_NO_AUTH = 21,     /* the peer knows no AUTH; behind ACCEPTED and CONNECTED */
  TLR_MESSAGE_FROM = 22 /* as MESSAGE; more: address, another one than the socket's peer has */
};

/* Why an operation was refused. */
enum tlr_status {
  TLR_STATUS_OK = 0,
  TLR_STATUS_NO_ASSOCIATION = 1, /* dead, or never this lane's */
  TLR_STATUS_CLOSING = 2,
  TLR_STATUS_INVALID_STREAM = 3,
  TLR_STATUS_EMPTY_MESSAGE = 4,
  TLR_STATUS_MESSAGE_TOO_LARGE = 5,
  TLR_STATUS_WOULD_BLOCK = 6,    /* send credit, send buffer or the client's share used up */
  TLR_STATUS_ALREADY_EXISTS = 7, /* that peer has an association; that port has a user */
  TLR_STATUS_INVALID_ADDRESS = 8,
  TLR_STATUS_NO_RESOURCES = 9,
  TLR_STATUS_NOT_PERMITTED = 10,  /* port not granted to this client */
  TLR_STATUS_NO_PROFILE = 11,     /* no profile of that name */
  TLR_STATUS_BAD_DESCRIPTOR = 12, /* malformed: a defect of the client */
  TLR_STATUS_BAD_SLOT = 13,       /* slot out of range or already submitted: a defect */
  TLR_STATUS_NO_LISTENER = 14,
  TLR_STATUS_FAILED = 15, /* tried, see reason and cause */
  TLR_STATUS_NOT_ESTABLISHED = 16,
  TLR_STATUS_INVALID_VALUE = 17 /* out of its range, or it does not fit to the others */
};

/* Why an association ended, or a message was not sent. */
enum tlr_reason {
  TLR_REASON_NONE = 0,
  TLR_REASON_TIMED_OUT = 1,
  TLR_REASON_REFUSED = 2,
  TLR_REASON_RESET = 3,
  TLR_REASON_LOCAL_ABORT = 4,
  TLR_REASON_PEER_VIOLATION = 5,
  TLR_REASON_OUT_OF_RESOURCES = 6,
  TLR_REASON_SHUTDOWN = 7,
  TLR_REASON_RESTARTED = 8,
  TLR_REASON_INVALID_STREAM = 9,
  TLR_REASON_ABANDONED = 10
};

enum tlr_path_state {
  TLR_PATH_UNCONFIRMED = 0,
  TLR_PATH_ACTIVE = 1,
  TLR_PATH_POTENTIALLY_FAILED = 2,
  TLR_PATH_INACTIVE = 3,
  TLR_PATH_UNCONFIRMED_INACTIVE = 4
};

enum tlr_assoc_state {
  TLR_STATE_CLOSED = 0,
  TLR_STATE_COOKIE_WAIT = 1,
  TLR_STATE_COOKIE_ECHOED = 2,
  TLR_STATE_ESTABLISHED = 3,
  TLR_STATE_SHUTDOWN_PENDING = 4,
  TLR_STATE_SHUTDOWN_SENT = 5,
  TLR_STATE_SHUTDOWN_RECEIVED = 6,
  TLR_STATE_SHUTDOWN_ACK_SENT = 7
};

enum tlr_message_flag {
  TLR_MESSAGE_UNORDERED = 1,
  TLR_MESSAGE_MORE = 2 /* a piece: the next message of that association and stream goes on with it;
                        * TLR_RESTARTED and the association's end are the end of it, too */
};

/* Of sockets: TLR_MESSAGE or TLR_MESSAGE_FROM. */
static inline int tlr_is_message(uint8_t kind) {
  return kind == TLR_MESSAGE || kind == TLR_MESSAGE_FROM;
}

enum tlr_failed_flag {
  TLR_FAILED_STARTED = 1, /* some of the message was sent, and the peer may have all of it */
  TLR_FAILED_UNORDERED = 2
};

enum tlr_path_flag {
  TLR_PATH_CONFIRMED = 1 /* the path was unconfirmed until now */
};

typedef struct tlr_completion {
  TLR_ALIGNED(32) uint8_t kind; /* enum tlr_completion_kind */
  uint8_t reason;               /* enum tlr_reason */
  uint8_t flags;                /* enum tlr_message_flag; send failed: enum tlr_failed_flag; path
                                 * changed: enum tlr_path_flag */
  uint8_t status;               /* enum tlr_status */
  union {
    uint16_t cause;    /* RFC 9260 section 3.3.10, 0 when there is none */
    uint16_t ssn;      /* message: of an ordered one */
    int16_t cum_ahead; /* message: of an unordered one, which has no SSN, how far the cumulative TSN
                        * was ahead of `tsn` when that had come, or the nearest that fits */
  };
  uint16_t stream;
  uint32_t assoc_index;
  uint32_t assoc_generation;
  union {
    uint64_t context;
    __extension__ struct { /* message */
      uint32_t ppid;       /* host order */
      uint32_t tsn;        /* of its first chunk, of a piece the piece's first */
    };
  };
  uint32_t slot; /* message: the first RX slot; send failed: TX or TLR_NO_SLOT; opened: see below */
  uint32_t length; /* bytes in the chain of tlr_slots_for(length, slot_size) slots */
} tlr_completion;
/* ACCEPTED and CONNECTED carry limits: `length` is the send buffer of the association in bytes,
 * `slot` the largest message in bytes. */
TLR_STATIC_ASSERT(offsetof(tlr_completion, reason) == 1, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, flags) == 2, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, status) == 3, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, cause) == 4, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, ssn) == 4, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, cum_ahead) == 4, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, stream) == 6, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, assoc_index) == 8, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, assoc_generation) == 12, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, context) == 16, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, ppid) == 16, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, tsn) == 20, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, slot) == 24, "completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion, length) == 28, "completion");
TLR_STATIC_ASSERT(sizeof(tlr_completion) == 32, "completion");

/* What few completions have, in the entry behind theirs; both are published together. */
typedef struct tlr_completion_more {
  TLR_ALIGNED(32) uint8_t address[16];
  uint8_t family;     /* of address: 4, 6 or 0 */
  uint8_t path_state; /* enum tlr_path_state */
  uint16_t outbound_streams;
  uint16_t inbound_streams;
  uint16_t local_port; /* host order */
  uint16_t peer_port;
  uint8_t reserved[6];
} tlr_completion_more;
TLR_STATIC_ASSERT(offsetof(tlr_completion_more, family) == 16, "more of a completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion_more, path_state) == 17, "more of a completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion_more, outbound_streams) == 18, "more of a completion");
TLR_STATIC_ASSERT(offsetof(tlr_completion_more, local_port) == 22, "more of a completion");
TLR_STATIC_ASSERT(sizeof(tlr_completion_more) == 32, "more of a completion");

static inline int tlr_has_more(uint8_t kind) {
  return kind == TLR_ACCEPTED || kind == TLR_CONNECTED || kind == TLR_RESTARTED ||
         kind == TLR_PATH_CHANGED || kind == TLR_PRIMARY_CHANGED || kind == TLR_RESTART_REFUSED ||
         kind == TLR_MESSAGE_FROM;
}

/* TLR_SENDS_DONE: the first slots of messages of which the peer has every byte; the slots of
 * their chains are the client's again. */
#define TLR_SENDS_DONE_MAX 15u
typedef struct tlr_sends_done {
  TLR_ALIGNED(32) uint8_t kind; /* TLR_SENDS_DONE */
  uint8_t count;                /* 1 to TLR_SENDS_DONE_MAX */
  uint16_t slots[TLR_SENDS_DONE_MAX];
} tlr_sends_done;
TLR_STATIC_ASSERT(offsetof(tlr_sends_done, count) == 1, "sends done");
TLR_STATIC_ASSERT(offsetof(tlr_sends_done, slots) == 2, "sends done");
TLR_STATIC_ASSERT(sizeof(tlr_sends_done) == 32, "sends done");
TLR_STATIC_ASSERT(TLR_MAX_SLOTS <= 65536u, "sends done: a slot's number has 16 bits");

/* -------------------------------------------------------------------------------------------
 * Where things lie. Offsets in bytes, from the start of a channel's block. */

typedef struct tlr_layout {
  uint64_t submissions; /* tlr_submission[submission_size] */
  uint64_t completions; /* tlr_completion[completion_size] */
  uint64_t returns;     /* uint32_t[return_size] */
  uint64_t tx_next;     /* uint32_t[tx_slots] */
  uint64_t rx_next;     /* uint32_t[rx_slots] */
  uint64_t tx_data;     /* tx_slots * slot_size bytes, page aligned */
  uint64_t rx_data;     /* rx_slots * slot_size bytes */
  uint64_t stride;      /* of one channel's block, a multiple of TLR_PAGE */
} tlr_layout;

static inline uint64_t tlr_align(uint64_t value, uint64_t to) {
  return (value + to - 1u) / to * to;
}

static inline int tlr_is_power_of_two(uint32_t value) {
  return value != 0 && (value & (value - 1u)) == 0;
}

/* 1 when every number is one that this ABI allows; then no sum below overflows. */
static inline int tlr_geometry_valid(const tlr_geometry* g) {
  return g->lanes >= 1 && g->lanes <= TLR_MAX_LANES && g->workers >= 1 &&
         g->workers <= TLR_MAX_WORKERS && tlr_is_power_of_two(g->submission_size) &&
         g->submission_size >= 2 && g->submission_size <= TLR_MAX_RING &&
         tlr_is_power_of_two(g->completion_size) && g->completion_size >= 2 &&
         g->completion_size <= TLR_MAX_RING && tlr_is_power_of_two(g->return_size) &&
         g->return_size <= TLR_MAX_RING && g->rx_slots >= 1 && g->rx_slots <= TLR_MAX_SLOTS &&
         g->rx_slots <= g->return_size && g->tx_slots >= 1 && g->tx_slots <= TLR_MAX_SLOTS &&
         g->slot_size >= TLR_MIN_SLOT_SIZE && g->slot_size <= TLR_MAX_SLOT_SIZE &&
         g->slot_size % TLR_CACHE_LINE == 0 && g->send_credit >= 1 &&
         g->send_credit <= g->tx_slots && g->max_operations >= 1 &&
         g->max_operations <= g->completion_size / 2;
}

static inline tlr_layout tlr_layout_of(const tlr_geometry* g) {
  tlr_layout l;
  l.submissions = sizeof(tlr_channel);
  l.completions = tlr_align(l.submissions + (uint64_t)g->submission_size * sizeof(tlr_submission),
                            TLR_CACHE_LINE);
  l.returns = l.completions + (uint64_t)g->completion_size * sizeof(tlr_completion);
  l.tx_next = tlr_align(l.returns + (uint64_t)g->return_size * 4u, TLR_CACHE_LINE);
  l.rx_next = tlr_align(l.tx_next + (uint64_t)g->tx_slots * 4u, TLR_CACHE_LINE);
  l.tx_data = tlr_align(l.rx_next + (uint64_t)g->rx_slots * 4u, TLR_PAGE);
  l.rx_data = l.tx_data + (uint64_t)g->tx_slots * g->slot_size;
  l.stride = tlr_align(l.rx_data + (uint64_t)g->rx_slots * g->slot_size, TLR_PAGE);
  return l;
}

static inline uint64_t tlr_segment_size(const tlr_geometry* g) {
  const tlr_layout l = tlr_layout_of(g);
  return TLR_PAGE + l.stride * g->lanes * g->workers;
}

static inline uint64_t tlr_channel_offset(const tlr_geometry* g, uint32_t lane, uint32_t worker) {
  const tlr_layout l = tlr_layout_of(g);
  return TLR_PAGE + l.stride * ((uint64_t)lane * g->workers + worker);
}

/* -------------------------------------------------------------------------------------------
 * Attaching: a UNIX SOCK_SEQPACKET socket. The client sends one tlr_attach_request; the daemon
 * answers with one tlr_attach_reply. When its error is 0 it passes descriptors (SCM_RIGHTS):
 * the segment, one pipe per lane (the client waits on it), one event fd per worker (the client
 * rings it), in that order. The socket then stays open without traffic; each side learns
 * from it that the other one is gone. */

typedef struct tlr_attach_request {
  uint64_t magic;
  uint32_t abi_version;
  uint32_t lanes;           /* 0 means the daemon's default, here and below */
  uint32_t submission_size; /* entries, rounded up to a power of two */
  uint32_t completion_size; /* entries, rounded up to a power of two */
  uint32_t tx_slots;        /* per lane and worker */
  uint32_t rx_slots;
  uint32_t slot_size; /* bytes, rounded up to a multiple of 64 */
  uint32_t reserved;
  char name[TLR_NAME_SIZE]; /* what the operator sees, NUL-terminated */
} tlr_attach_request;
TLR_STATIC_ASSERT(offsetof(tlr_attach_request, lanes) == 12, "attach request");
TLR_STATIC_ASSERT(offsetof(tlr_attach_request, name) == 40, "attach request");
TLR_STATIC_ASSERT(sizeof(tlr_attach_request) == 72, "attach request");

#define TLR_TEXT_SIZE 184u
typedef struct tlr_attach_reply {
  uint64_t magic;
  uint32_t abi_version;
  int32_t error; /* 0 or a negative errno */
  uint64_t segment_size;
  tlr_geometry geometry;
  char text[TLR_TEXT_SIZE]; /* why, and what to do; NUL-terminated */
} tlr_attach_reply;
TLR_STATIC_ASSERT(offsetof(tlr_attach_reply, error) == 12, "attach reply");
TLR_STATIC_ASSERT(offsetof(tlr_attach_reply, geometry) == 24, "attach reply");
TLR_STATIC_ASSERT(offsetof(tlr_attach_reply, text) == 64, "attach reply");
TLR_STATIC_ASSERT(sizeof(tlr_attach_reply) == 248, "attach reply");

#ifdef __cplusplus
}
#endif

#endif
