/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libtrunkline: SCTP associations (RFC 9260) through shared-memory rings of the trunklined daemon.
 * C11 and C++. No DPDK, no hidden threads, no callbacks.
 *
 * The shape of a program:
 *
 *   tl_attach()                one per process
 *   tl_lane_open()             one per thread; a lane and what belongs to it is used by one thread
 *   tl_listen(), tl_connect()
 *   loop:
 *     n = tl_poll(lane, events, 64);
 *     handle each event; tl_event_release(lane, events, n);
 *     tl_send_burst(...)
 *     nothing to do: tl_wait(lane, timeout), or tl_arm(lane) and epoll on tl_fd(lane)
 *   tl_detach()
 *
 * Errors: functions that return int give 0 or a positive result on success and a negative errno
 * value otherwise. tl_strerror() has a sentence for each; tl_last_error() has the sentence for
 * this thread's last failure, with its particulars and what to do. Every function may also answer
 * -EPIPE once the daemon is gone: nothing but tl_poll() (which hands out what had arrived) and
 * tl_detach() makes sense then.
 *
 * Several workers: the daemon deals associations to its workers (tl_limits.workers), each a thread
 * on a core of its own, and an association stays where it began. A lane reaches all of them, so a
 * program of one thread need not know. One that has a thread for each worker keeps everything of an
 * association on two cores, the worker's and its own:
 *
 *   options.lanes = W;                      W: as many as the daemon has workers
 *   thread w: tl_lane_open(client, &lane);
 *             listen.affinity = w;          what worker w accepts comes to this lane
 *             connect.affinity = w;         what this thread opens lives at worker w
 *
 * Where no lane prefers the worker, accepted associations go to the listening lanes in turn, and
 * connects with TL_ANY_WORKER to the workers in turn. tl_assoc_worker() tells where one lives.
 *
 * Ports and payload protocol identifiers are in host order everywhere. Times are in microseconds
 * where a name says _us, in milliseconds where it says _ms. Version 0: the API may change.
 */
#ifndef TRUNKLINE_TRUNKLINE_H
#define TRUNKLINE_TRUNKLINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TL_API __attribute__((visibility("default")))
#else
#define TL_API
#endif

#define TL_DEFAULT_SOCKET "/run/trunkline/trunkline.sock"
#define TL_MAX_ADDRESSES 16
#define TL_MAX_OPEN_ADDRESSES 22 /* of both sides together, in one tl_connect() */
#define TL_NAME_SIZE 32
#define TL_ID_SIZE 32
#define TL_ANY_WORKER 0xffffffffu

typedef struct tl_client tl_client; /* one attachment to a daemon */
typedef struct tl_lane tl_lane;     /* one thread's rings */

/* Names an association of one lane, and on that lane only. Never reused while the lane lives; 0
 * names nothing. */
typedef uint64_t tl_assoc;
/* Names a listener of one lane; 0 names nothing. */
typedef uint64_t tl_listener;

/* ---------------------------------------------------------------- addresses */

typedef struct tl_address {
  uint8_t family; /* 4, 6, or 0 for none */
  uint8_t reserved[3];
  uint8_t bytes[16]; /* network order; IPv4 in the first four */
} tl_address;

/* "192.0.2.1" or "2001:db8::1". 0, or -EINVAL. */
TL_API int tl_address_parse(const char* text, tl_address* out);
/* Writes at most `size` bytes with the final NUL; 46 are always enough. Returns `buffer`. */
TL_API const char* tl_address_text(const tl_address* address, char* buffer, size_t size);

/* ---------------------------------------------------------------- errors */

/* A sentence for a negative errno value of this library. Never NULL. */
TL_API const char* tl_strerror(int error);
/* The sentence for this thread's last failed call, until its next call. Never NULL. */
TL_API const char* tl_last_error(void);

/* ---------------------------------------------------------------- attaching */

/* Zero everywhere means the daemon's defaults, which pass messages of up to 256 KiB. The daemon
 * limits what it grants; tl_limits_of() tells what was granted. */
typedef struct tl_options {
  const char* name;         /* what the operator sees; at most 31 bytes; may be NULL */
  uint32_t lanes;           /* threads that will open a lane */
  uint32_t submission_size; /* entries of a submission ring */
  uint32_t completion_size; /* entries of a completion ring */
  uint32_t tx_slots;        /* payload slots for sending, per lane and worker */
  uint32_t rx_slots;        /* payload slots for receiving, per lane and worker */
  uint32_t slot_size;       /* bytes */
} tl_options;

typedef struct tl_limits {
  uint32_t lanes;
  uint32_t workers;
  uint32_t submission_size;
  uint32_t completion_size;
  uint32_t tx_slots;
  uint32_t rx_slots;
  uint32_t slot_size;
  uint32_t send_credit; /* TX slots that one association may have in flight */
} tl_limits;

/* Connects to the daemon at a UNIX socket path (NULL: TL_DEFAULT_SOCKET) and maps the rings.
 * `options` may be NULL. Waits at most 5 s.
 * -ENOENT, -ECONNREFUSED: no daemon there. -EACCES: this user may not attach, or may not open the
 * socket. -EPROTO: another ABI version, or not a Trunkline daemon. -EINVAL: impossible options.
 * -EUSERS: the daemon has its maximum of clients. -ENOMEM: more memory than the daemon grants.
 * -ETIMEDOUT: the daemon does not answer. */
TL_API int tl_attach(const char* path, const tl_options* options, tl_client** out);
/* Unmaps the rings and frees the client and its lanes. The daemon aborts or shuts down (as its
 * configuration says) the associations that still live. No thread may use a lane any more. */
TL_API void tl_detach(tl_client* client);
TL_API void tl_limits_of(const tl_client* client, tl_limits* out);

/* A lane for the calling thread. Any thread may call it at any time.
 * -EUSERS: all lanes that were asked for at attach are open. */
TL_API int tl_lane_open(tl_client* client, tl_lane** out);

/* ---------------------------------------------------------------- listening and connecting */

typedef struct tl_listen_options {
  uint16_t port;       /* local SCTP port, not 0 */
  const char* profile; /* named by the operator; NULL: the endpoint's or the default */
  uint32_t affinity;   /* associations that live on this worker come to this lane first, or
                          TL_ANY_WORKER */
  uint64_t user;       /* comes back in TL_EVENT_ACCEPTED as the new association's user word */
  const tl_address* local_addresses; /* see below; NULL: those of the endpoint with that port as
                                        configured, else all that the daemon has */
  size_t local_count;                /* at most TL_MAX_ADDRESSES */
} tl_listen_options;

/* Local addresses, here and of tl_connect(), are addresses of the daemon's ports or of loopback
 * (127.0.0.0/8 and ::1, which every daemon has and which reach its own applications only); or
 * 0.0.0.0 for all of IPv4, or :: for all of both families (RFC 6458 section 3.1.2), not beside
 * others. A port may have several users on different addresses; what they name must not overlap.
 *
 * Listens on these addresses at that port, at all workers or at none. Several lanes, also of
 * several processes of one user, may listen on one port and the same addresses: new associations
 * are dealt out in turn, first to lanes whose affinity is the worker that has the association.
 * Waits until all workers have answered (at most 5 s); what some of them accepted before another
 * refused is aborted and not told. -EACCES: the configuration does not grant this port to this
 * user. -EADDRINUSE: it belongs to another user, or to an endpoint with other addresses that
 * overlap with these, or others listen on it with another profile than this one names.
 * -EADDRNOTAVAIL: a local address is none of the daemon's; or several endpoints are configured with
 * that port: name the addresses of one. -ENOENT: no profile of that name. -EINVAL: port 0. -ENOMEM.
 * -ETIMEDOUT. */
TL_API int tl_listen(tl_lane* lane, const tl_listen_options* options, tl_listener* out);
/* Accepts no more; associations already accepted live on, and those that a worker accepted before
 * it heard of this are still told. -ENOENT: no such listener. */
TL_API int tl_unlisten(tl_lane* lane, tl_listener listener);

typedef struct tl_connect_options {
  const tl_address* addresses;       /* of the peer, the first becomes primary (section 5.1) */
  size_t address_count;              /* 1 to TL_MAX_ADDRESSES */
  uint16_t peer_port;                /* not 0 */
  uint16_t local_port;               /* 0: a free one */
  uint16_t outbound_streams;         /* to ask for; 0: as the profile says */
  const char* profile;               /* NULL: the peer's as configured, or the default */
  uint32_t affinity;                 /* the worker that shall own it, or TL_ANY_WORKER: in turn */
  uint64_t user;                     /* comes back with each event of the association */
  const tl_address* local_addresses; /* to connect from, as of tl_listen(): the endpoint with that
                                        port and these addresses, or a new one. NULL: as there */
  size_t local_count; /* at most TL_MAX_ADDRESSES, and TL_MAX_OPEN_ADDRESSES with the peer's */
} tl_connect_options;

/* Starts a set-up (section 5.1) and names it at once; TL_EVENT_CONNECTED or
 * TL_EVENT_CONNECT_FAILED follows. -EINVAL: options; -EAGAIN: poll, then try again; -ENOMEM. */
TL_API int tl_connect(tl_lane* lane, const tl_connect_options* options, tl_assoc* out);

/* ---------------------------------------------------------------- sending */

enum tl_send_flag {
  TL_SEND_UNORDERED = 1,        /* section 6.6 */
  TL_SEND_SACK_IMMEDIATELY = 2, /* ask the peer for a SACK at once (I bit, section 3.3.1) */
  TL_SEND_NOTIFY = 4,           /* TL_EVENT_SENT once the peer has every byte */
  /* At most one of these: the message is given up at its `limit`, see there. */
  TL_SEND_LIFETIME = 16,        /* milliseconds (RFC 3758 section 4.1) */
  TL_SEND_RETRANSMISSIONS = 32, /* times (RFC 7496 section 3.1) */
  TL_SEND_PRIORITY = 64         /* 0 the highest (RFC 7496 section 3.2) */
};

/* Of TL_EVENT_MESSAGE, beside TL_SEND_UNORDERED. Only where the operator's profile of the
 * association has a partial_delivery_point: a message that is larger comes in pieces (RFC 6458
 * section 6.1.7), so that neither window nor lane need hold all of it. All pieces but the last have
 * TL_MESSAGE_MORE; the next TL_EVENT_MESSAGE of that association and stream is the next piece. An
 * association has one message in pieces at a time, between which those of other streams may come.
 * TL_EVENT_MESSAGE_BROKEN ends it: the rest never comes. */
enum tl_message_flag { TL_MESSAGE_MORE = 8 };

/* Of TL_EVENT_SEND_FAILED, beside TL_SEND_UNORDERED: some of the message was sent, and the peer may
 * have all of it (SCTP_DATA_SENT of RFC 6458 section 6.1.4). Without it the peer has none of it. */
enum tl_failed_flag { TL_FAILED_STARTED = 128 };

/* How long a message is tried (partial reliability, RFC 3758 and RFC 7496): until it is
 * acknowledged, unless a flag says that it is worth no more than its `limit`:
 *
 *   TL_SEND_LIFETIME         for so many milliseconds from when the daemon took it
 *   TL_SEND_RETRANSMISSIONS  until a part of it would be sent again more often than so many times;
 *                            127 or more is no limit
 *   TL_SEND_PRIORITY         until a message with a smaller limit, or without this flag, needs its
 *                            place in the send buffer of the association's profile
 *
 * What is given up comes back with TL_EVENT_SEND_FAILED: error -ECONNABORTED, reason
 * TL_REASON_ABANDONED, and TL_FAILED_STARTED among its flags if some of it was sent. What was sent
 * can be given up only where the peer agreed to at the set-up. Where it did not, TL_SEND_LIFETIME
 * counts until the message's first byte is sent, and the others are of no effect. Such a message
 * takes two entries of the submission ring. */
typedef struct tl_message {
  const void* data; /* copied before the call returns */
  uint32_t length;  /* bytes, 1 to the association's max_message */
  uint16_t stream;  /* below the association's outbound_streams */
  uint16_t flags;   /* enum tl_send_flag */
  uint32_t ppid;    /* payload protocol identifier, host order */
  uint32_t limit;   /* see above; not looked at without one of those flags */
  uint64_t context; /* comes back in TL_EVENT_SENT and TL_EVENT_SEND_FAILED */
} tl_message;

/* Queues one message; no system call unless the worker sleeps. What is taken here ends in exactly
 * one TL_EVENT_SEND_FAILED, or in TL_EVENT_SENT if that was asked for, before the association's
 * last event. TL_EVENT_SEND_FAILED with error -EAGAIN: other messages of this client, or of this
 * association, have all of the daemon's memory for messages that is theirs; send it again when some
 * of those have been acknowledged (TL_SEND_NOTIFY and TL_EVENT_SENDER_DRY tell).
 * -EAGAIN: the association's send credit, the lane's slots or the ring are used up; poll, and
 * TL_EVENT_WRITABLE says when to go on. -EMSGSIZE: empty, or above max_message. -EINVAL: no such
 * stream or flag, or more than one limit. -ENOTCONN: not established yet, shutting down, or over.
 */
TL_API int tl_send(tl_lane* lane, tl_assoc assoc, const tl_message* message);
/* The same for `count` messages, with one doorbell. Returns how many were taken, from the first
 * on; when none was, the error that the first one met. */
TL_API int tl_send_burst(tl_lane* lane, tl_assoc assoc, const tl_message* messages, size_t count);

/* Zero copy: ask for slots, write the message into them, send them. */
typedef struct tl_buffer {
  struct iovec first;   /* where to write: the first piece ... */
  uint32_t piece_count; /* ... of this many; tl_buffer_iov() gives all */
  uint32_t length;      /* bytes of the message; tl_buffer_trim() may lower it */
  uint32_t slot;        /* the library's */
  uint32_t channel;     /* the library's */
} tl_buffer;

/* Room for a message of `length` bytes to this association. -EAGAIN, -EMSGSIZE, -ENOTCONN. */
TL_API int tl_buffer_alloc(tl_lane* lane, tl_assoc assoc, uint32_t length, tl_buffer* out);
/* Fills at most `max` entries with the pieces in order; returns how many there are in all. */
TL_API size_t tl_buffer_iov(const tl_lane* lane, const tl_buffer* buffer, struct iovec* out,
                            size_t max);
/* The message is shorter than was asked for. -EINVAL: longer, or 0. */
TL_API int tl_buffer_trim(tl_lane* lane, tl_buffer* buffer, uint32_t length);
/* Sends it; data and length of `how` are not looked at. On success the buffer is the daemon's; on
 * an error it is still the caller's. Errors as tl_send(). */
TL_API int tl_send_buffer(tl_lane* lane, tl_assoc assoc, tl_buffer* buffer, const tl_message* how);
TL_API void tl_buffer_free(tl_lane* lane, tl_buffer* buffer);

/* ---------------------------------------------------------------- ending */

/* Shuts down after all that is queued has been acknowledged (section 9.2). TL_EVENT_CLOSED or
 * TL_EVENT_LOST follows. -ENOTCONN: over, or not established. -EAGAIN: poll, then try again. */
TL_API int tl_shutdown(tl_lane* lane, tl_assoc assoc);
/* Aborts (section 9.1); `reason` (may be NULL) travels in the ABORT, cut to what one slot holds.
 * TL_EVENT_SEND_FAILED for each message on its way and TL_EVENT_LOST follow. -ENOTCONN, -EAGAIN. */
TL_API int tl_abort(tl_lane* lane, tl_assoc assoc, const char* reason);

/* ---------------------------------------------------------------- events */

/* The last word. An association that tl_connect() named, or TL_EVENT_ACCEPTED, ends in exactly one
 * of TL_EVENT_CLOSED, TL_EVENT_LOST and TL_EVENT_CONNECT_FAILED; all of its sends have ended
 * before, and nothing is told of it afterwards, so that what `user` points to may be freed. When
 * the daemon is gone, the library itself tells the end of every send (whose peer may have it
 * nevertheless) and of every association, with TL_REASON_DAEMON_GONE; TL_EVENT_DAEMON_GONE comes
 * after them. */
enum tl_event_kind {
  TL_EVENT_NONE = 0,
  TL_EVENT_ACCEPTED,       /* a peer set it up: streams, ports, address (of the peer), listener */
  TL_EVENT_CONNECTED,      /* streams, ports, address */
  TL_EVENT_CONNECT_FAILED, /* error, reason, cause, and what the peer said as in TL_EVENT_LOST; the
                              association is over */
  TL_EVENT_MESSAGE,        /* data, length, stream, ppid, flags; release it */
  TL_EVENT_SENT,           /* context; only for messages with TL_SEND_NOTIFY */
  TL_EVENT_SEND_FAILED,    /* context, error, reason, stream, ppid, flags, and the payload in data
                              and length; release it (RFC 6458 section 6.1.4) */
  TL_EVENT_WRITABLE,       /* a send that met -EAGAIN may be tried again */
  TL_EVENT_PEER_SHUTDOWN,  /* the peer takes no more messages (RFC 6458 section 6.1.5) */
  TL_EVENT_CLOSED,         /* shut down in order; the association is over */
  TL_EVENT_LOST,           /* reason, cause; in data and length what the peer's user gave as its
                              reason to abort (section 3.3.10.12), bytes without a NUL, cut to one
                              slot; release it; the association is over */
  TL_EVENT_RESTARTED,      /* the peer restarted (section 5.2.4): streams may differ now */
  TL_EVENT_PATH_CHANGED,   /* address, path_state (RFC 6458 section 6.1.2); potentially failed: data
                              has left it (RFC 7829) */
  TL_EVENT_PRIMARY_CHANGED, /* address, of the path that is the primary one now */
  TL_EVENT_REMOTE_ERROR,    /* cause (RFC 6458 section 6.1.3) */
  TL_EVENT_SENDER_DRY,      /* all that was sent has been acknowledged (RFC 6458 section 6.1.9) */
  TL_EVENT_DAEMON_GONE,     /* once, last: the daemon ended; every association has ended before */
  TL_EVENT_RESTART_REFUSED, /* address, where an INIT came from that was refused: the peer seems to
                               have restarted with addresses that this association does not have
                               (section 5.2.2), and can come back only when this one is over. All
                               its paths are being probed; TL_EVENT_LOST follows if it is dead */
  TL_EVENT_DAEMON_ENDING,   /* once, of no association: the daemon has been asked to end. In
                               time_left_ms it shuts down the associations that still live; until
                               then everything works, but nothing new is accepted. Say goodbye as
                               the protocol above demands it, then tl_shutdown(): the daemon does
                               not wait for its time once no association is left */
  TL_EVENT_MESSAGE_BROKEN   /* the rest of the message that was given in pieces (TL_MESSAGE_MORE)
                               never comes: the peer has given it up, or TL_EVENT_RESTARTED or the
                               last event follows (RFC 6458 section 6.1.7) */
};

enum tl_reason {
  TL_REASON_NONE = 0,
  TL_REASON_TIMED_OUT,        /* retransmission limit (section 8.1) */
  TL_REASON_REFUSED,          /* ABORT in answer to the set-up */
  TL_REASON_RESET,            /* ABORT from the peer */
  TL_REASON_LOCAL_ABORT,      /* tl_abort() */
  TL_REASON_PEER_VIOLATION,   /* the peer broke the protocol */
  TL_REASON_OUT_OF_RESOURCES, /* the daemon ran out of memory for it */
  TL_REASON_SHUTDOWN,         /* the shutdown began before the message could go */
  TL_REASON_RESTARTED,        /* the peer restarted; what was queued is given back */
  TL_REASON_INVALID_STREAM,   /* sent before TL_EVENT_CONNECTED; the peer agreed to fewer streams */
  TL_REASON_ABANDONED,        /* the message was given up at its limit: see struct tl_message */
  TL_REASON_DAEMON_GONE       /* the daemon ended, or hung up on this client */
};

enum tl_path_state {
  TL_PATH_UNCONFIRMED = 0,
  TL_PATH_ACTIVE,
  TL_PATH_POTENTIALLY_FAILED,
  TL_PATH_INACTIVE,
  TL_PATH_UNCONFIRMED_INACTIVE /* never confirmed, and not answering: asked now and then */
};

/* What tl_poll() hands out. Fields that the kind does not name are 0. */
typedef struct tl_event {
  uint8_t kind;       /* enum tl_event_kind */
  uint8_t reason;     /* enum tl_reason */
  uint8_t path_state; /* enum tl_path_state */
  uint8_t flags;      /* TL_EVENT_MESSAGE: TL_SEND_UNORDERED, TL_MESSAGE_MORE;
                         TL_EVENT_SEND_FAILED: TL_SEND_UNORDERED, TL_FAILED_STARTED */
  int32_t error;      /* negative errno; tl_strerror() explains it */
  tl_assoc assoc;
  uint64_t user;        /* the application's word for the association */
  uint64_t context;     /* as given in tl_message */
  tl_listener listener; /* TL_EVENT_ACCEPTED */
  const void* data;     /* first piece of the message, readable until tl_event_release() */
  uint32_t data_length; /* bytes of the first piece */
  uint32_t length;      /* bytes of the message */
  uint32_t piece_count; /* 1: all of the message lies at `data`; else see tl_event_iov() */
  uint32_t ppid;        /* host order */
  uint16_t stream;
  uint16_t cause; /* error cause code, RFC 9260 section 3.3.10 */
  uint16_t outbound_streams;
  uint16_t inbound_streams;
  uint16_t local_port;
  uint16_t peer_port;
  tl_address address;
  uint32_t time_left_ms; /* TL_EVENT_DAEMON_ENDING */
  uint32_t slot;         /* the library's */
  uint32_t channel;      /* the library's */
} tl_event;

/* Hands out up to `max` events. Never waits. Those of one association come in the order in which
 * they happened; those of associations of one worker, too; there is no order between workers, whose
 * rings take turns to come first. TL_EVENT_WRITABLE may come before what happened earlier, and the
 * last event of an association later, since it waits for its sends. Returns
 * how many; 0: nothing happened; -EPIPE: the daemon is gone and everything was handed out. */
TL_API int tl_poll(tl_lane* lane, tl_event* events, size_t max);
/* Gives back the payload of events that have one; others are left alone, so a whole burst may be
 * passed. Until then their bytes are taken off the window of their association: the peer sees it
 * close (section 6.2), and a lane without slots stops receiving. Clears the events' data. */
TL_API void tl_event_release(tl_lane* lane, tl_event* events, size_t count);
/* Fills at most `max` entries with the pieces of an event's payload; returns how many there are
 * in all. */
TL_API size_t tl_event_iov(const tl_lane* lane, const tl_event* event, struct iovec* out,
                           size_t max);
/* Copies the payload; returns the bytes written, at most `room`. */
TL_API size_t tl_event_copy(const tl_lane* lane, const tl_event* event, void* out, size_t room);
TL_API const char* tl_event_kind_name(int kind);  /* "MESSAGE" */
TL_API const char* tl_reason_name(int reason);    /* "reset by the peer" */
TL_API const char* tl_path_state_name(int state); /* "active" */

/* ---------------------------------------------------------------- waiting */

/* A descriptor that becomes readable when an armed lane has events or the daemon is gone: for
 * poll, select, epoll. Do not read it or close it. */
TL_API int tl_fd(const tl_lane* lane);
/* Asks for the next event to make tl_fd() readable. 0: armed, wait now; 1: there are events
 * already, call tl_poll(). tl_poll() disarms. -EPIPE. */
TL_API int tl_arm(tl_lane* lane);
/* Waits until there is an event. `timeout_ms` < 0: for ever. 1: call tl_poll(); 0: time-out;
 * -EPIPE; -EINTR. */
TL_API int tl_wait(tl_lane* lane, int timeout_ms);

/* ---------------------------------------------------------------- looking */

typedef struct tl_path_info {
  tl_address local;
  tl_address remote;
  uint8_t state; /* enum tl_path_state */
  uint8_t primary;
  uint8_t reserved[2];
  uint32_t rto_us;
  uint32_t srtt_us;
  uint32_t cwnd;     /* bytes */
  uint32_t ssthresh; /* bytes */
  uint32_t flight;   /* bytes */
  uint32_t mtu;      /* bytes of an IP packet */
  uint32_t error_count;
  uint64_t state_age_us; /* for how long it has been in that state */
  uint64_t heartbeats_sent;
  uint64_t heartbeat_acks;
  uint64_t t3_expirations; /* of the retransmission timer (section 6.3.3) */
  uint64_t packets_sent;
  uint64_t packets_received;
  uint64_t retransmitted_chunks; /* sent here again, wherever they were lost */
  uint64_t failovers;            /* times that data left it because it failed */
} tl_path_info;

typedef struct tl_assoc_info {
  const char* state; /* as in section 4: "ESTABLISHED" */
  uint16_t local_port;
  uint16_t peer_port;
  uint16_t outbound_streams; /* negotiated */
  uint16_t inbound_streams;
  uint32_t worker;      /* that owns the association */
  uint32_t max_message; /* bytes */
  uint32_t peer_rwnd;   /* bytes */
  uint32_t a_rwnd;      /* bytes */
  uint32_t error_count;
  uint32_t credit_used;       /* TX slots of the lane that wait for acknowledgement */
  uint64_t queued_bytes;      /* not yet sent */
  uint64_t outstanding_bytes; /* sent, not yet acknowledged */
  uint64_t messages_sent;
  uint64_t messages_received;
  uint64_t packets_sent;
  uint64_t packets_received;
  uint64_t retransmitted_chunks;
  uint32_t path_count; /* entries of `paths` */
  uint32_t reserved;
  char id[TL_ID_SIZE]; /* what the operator calls it: trunkctl, logs, captures */
  tl_path_info paths[TL_MAX_ADDRESSES];
} tl_assoc_info;

/* State, counters and all paths (RFC 6458 sections 8.2.1 and 8.2.2).
 * Asks the owner of the association and waits for its answer (at most 5 s). Events that arrive
 * meanwhile are kept for tl_poll(). Not for the hot path. -ENOTCONN, -EAGAIN, -ETIMEDOUT. */
TL_API int tl_assoc_query(tl_lane* lane, tl_assoc assoc, tl_assoc_info* out);
/* Negotiated streams without asking the daemon. -ENOTCONN. */
TL_API int tl_assoc_streams(const tl_lane* lane, tl_assoc assoc, uint16_t* outbound,
                            uint16_t* inbound);
/* The worker that owns the association, without asking the daemon: as long as the association lives
 * it stays there. -ENOTCONN. */
TL_API int tl_assoc_worker(const tl_lane* lane, tl_assoc assoc, uint32_t* worker);
/* Changes the user word of the events that later calls of tl_poll() give, whenever they came; those
 * of the burst in hand (a message beside its TL_EVENT_ACCEPTED, say) still carry the old one.
 * -ENOTCONN. */
TL_API int tl_assoc_set_user(tl_lane* lane, tl_assoc assoc, uint64_t user);
/* Sends a HEARTBEAT to that address of the peer (section 8.3). -ENOTCONN, -EINVAL, -EAGAIN. */
TL_API int tl_assoc_heartbeat(tl_lane* lane, tl_assoc assoc, const tl_address* address);
/* Makes the path to that address of the peer the primary one (section 11.1.5): data goes there as
 * soon as and as long as it works. -EADDRNOTAVAIL: not an address of the peer, or its path is not
 * confirmed yet (TL_EVENT_PATH_CHANGED says when). -ENOTCONN, -EINVAL, -EAGAIN. */
TL_API int tl_assoc_set_primary(tl_lane* lane, tl_assoc assoc, const tl_address* address);

/* Timers and limits of an association, or of one of the peer's addresses (RFC 6458 sections 8.1.1,
 * 8.1.2, 8.1.12, 8.1.19): what the daemon's profile says, until it is changed. The names are those
 * of the profile. */
enum tl_timer {
  TL_TIMER_RTO_INITIAL = 1,
  TL_TIMER_RTO_MIN = 2,
  TL_TIMER_RTO_MAX = 4,
  TL_TIMER_SACK_DELAY = 8,
  TL_TIMER_SACK_FREQUENCY = 16,
  TL_TIMER_ASSOCIATION_MAX_RETRANS = 32,
  TL_TIMER_HEARTBEAT = 64, /* this one and those below may be set for one address */
  TL_TIMER_PATH_MAX_RETRANS = 128,
  TL_TIMER_POTENTIALLY_FAILED = 256
};
typedef struct tl_timers {
  uint32_t fields; /* enum tl_timer: those that are to be set; all of them once read */
  uint32_t rto_initial_ms;
  uint32_t rto_min_ms;
  uint32_t rto_max_ms;
  uint32_t sack_delay_ms;
  uint32_t heartbeat_ms;   /* 0: none on idle paths */
  uint16_t sack_frequency; /* packets with DATA per SACK */
  uint16_t association_max_retrans;
  uint16_t path_max_retrans;
  uint16_t potentially_failed_max_retrans; /* RFC 7829 */
} tl_timers;

/* `address`: of the peer; NULL: the association as a whole. Both ask the owner of the association
 * and wait for its answer, as tl_assoc_query() does.
 * What is set takes effect at once: RTOs in use are brought within their bounds, a shorter interval
 * counts from now on, thresholds judge the next error. What is set for the association counts for
 * all of its addresses; what was set for one outlives a restart of the peer. All of it is set, or
 * nothing: -EINVAL, with a text that names the field, where a value is out of the range of the
 * configuration, below what it grants to clients (least_rto, least_heartbeat_interval), or does not
 * fit to the others. -EADDRNOTAVAIL: not an address of the peer. -ENOMEM: too many associations
 * have words of their own for an address. -ENOTCONN, -EAGAIN, -ETIMEDOUT. */
TL_API int tl_assoc_timers(tl_lane* lane, tl_assoc assoc, const tl_address* address,
                           tl_timers* out);
TL_API int tl_assoc_set_timers(tl_lane* lane, tl_assoc assoc, const tl_address* address,
                               const tl_timers* timers);

#ifdef __cplusplus
}
#endif

#endif
