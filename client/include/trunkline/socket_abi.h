/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The socket ABI: what the library of sockets (sockets/) and the daemon share, beside the rings of
 * ring_abi.h. Self-contained, C11 and C++20; programs include neither. Version 0: it changes
 * without notice, and both sides refuse another version.
 *
 * A socket's descriptor in a program, its *handle*, is one end of an AF_UNIX stream pair; the
 * daemon has the other. What the kernel says of the handle's readiness mirrors the socket:
 *
 *   token     a byte from the daemon: readable. Sent when something can be read.
 *   ballast   one write of `ballast` bytes at the handle, which fills its send buffer: not
 *             writable. The daemon puts it in before it hands the handle out, and takes it out when
 *             the socket is connected; a sender without room puts it in, the worker takes it out.
 *   SHUT_WR   by the daemon: end of file, once everything was read.
 *
 * Messages travel through the socket's memory: a sealed memfd with one page, tables of the holders
 * and one channel (ring_abi.h) whose lane is shared by all who hold the handle, under the two locks
 * of the page. Whoever has the handle may map it. Differences to the lane of a ring client:
 *
 *   - the ends of sends come by a ring of their own (tx_done), so that who sends need not read;
 *     TLR_SENDS_DONE and, unless its notification is subscribed, TLR_SEND_FAILED never lie among
 *     the completions; the `context` of the latter is the sender's 32 bits, above them the ppid;
 *   - completions are messages and notifications, nothing else: the socket's state is in the page;
 *   - the consumer is woken by tokens, the worker by kicks. client_armed and worker_armed of the
 *     channel are not used.
 *
 * A one-to-many socket (its *front*) has no channel in use. Each of its associations is a *member*:
 * a socket with memory of its own and no handle. Messages to and from an association go through its
 * member's memory as those of a one-to-one socket do; readers learn by the front's ready rings
 * which members have something, and tokens and ballast are those of the front's handle. Peeling an
 * association off gives its member a handle, and nothing has to be moved.
 */
#ifndef TRUNKLINE_SOCKET_ABI_H
#define TRUNKLINE_SOCKET_ABI_H

#include <pthread.h>

#include "trunkline/ring_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TLS_ABI_VERSION 0u
#define TLS_MAGIC 0x534b434f534b5254ull /* "TRKSOCKS" as bytes in memory */
#define TLS_MAX_SOCKETS 65536u          /* of a daemon; an index has 16 bits */
#define TLS_NO_WORKER 0xffffffffu
#define TLS_NAME_SIZE 28u /* of a struct sockaddr_in6, the larger one */
#define TLS_MAX_TOKENS 64u
#define TLS_NO_FRONT 0xffffffffu

/* -------------------------------------------------------------------------------------------
 * The page. Constant, unless said otherwise: written before anybody else sees it. Words that change
 * are read and written atomically; who writes them is said for each group. */

enum tls_state {
  TLS_FRESH = 0, /* neither listening nor connected; bound or not. A failed connect leads here */
  TLS_LISTENING = 1, /* accept() is recvmsg() on the handle */
  TLS_CONNECTING = 2,
  TLS_ESTABLISHED = 3, /* also while it is shut down: see `shut` */
  TLS_ENDED = 4,       /* its association is over */
  TLS_GONE = 5         /* a member that the daemon has forgotten: unmap it */
};

enum tls_shut {                       /* bits */
                TLS_SHUT_RECEIVE = 1, /* after what is in the ring: end of file */
                TLS_SHUT_SEND = 2,    /* EPIPE */
                TLS_SHUT_ASKED = 4    /* holders: shutdown() of sending was called */
};

enum tls_receive_flag {                       /* bits: what recvmsg() puts beside a message */
                        TLS_WANT_SNDRCV = 1,  /* sctp_data_io_event of SCTP_EVENTS: SCTP_SNDRCV */
                        TLS_WANT_RCVINFO = 2, /* SCTP_RECVRCVINFO */
                        TLS_WANT_NXTINFO = 4  /* SCTP_RECVNXTINFO */
};

/* A socket address of IPv4 or IPv6 as the system has it, in network order. */
typedef struct tls_name {
  uint32_t length; /* 0: none */
  uint8_t bytes[TLS_NAME_SIZE];
} tls_name;
TLR_STATIC_ASSERT(sizeof(tls_name) == 32, "name");

/* What the library needs of a socket's options at each send and receive. Written by the sockets
 * thread. */
typedef struct tls_options {
  uint32_t events;      /* bit n: notifications of type SCTP_SN_TYPE_BASE + n (Linux's numbers) */
  uint32_t receive;     /* enum tls_receive_flag */
  uint32_t context;     /* SCTP_CONTEXT: of received messages */
  uint32_t interleave;  /* SCTP_FRAGMENT_INTERLEAVE */
  uint16_t send_stream; /* SCTP_DEFAULT_SEND_PARAM, SCTP_DEFAULT_SNDINFO, here and below */
  uint16_t send_flags;  /* enum sctp_sinfo_flags */
  uint32_t send_ppid;   /* as the program gave it: network order by convention */
  uint32_t send_context;
  uint32_t send_lifetime;     /* milliseconds */
  uint32_t disable_fragments; /* SCTP_DISABLE_FRAGMENTS */
  uint32_t max_segment;       /* SCTP_MAXSEG; 0: as the path says */
  uint32_t mapped_v4;         /* SCTP_I_WANT_MAPPED_V4_ADDR */
  uint32_t expose_pf;         /* SCTP_EXPOSE_POTENTIALLY_FAILED_STATE */
  uint32_t reserved[4];
} tls_options;
TLR_STATIC_ASSERT(sizeof(tls_options) == 64, "options");

/* A lock of all who hold the socket: PTHREAD_PROCESS_SHARED and PTHREAD_MUTEX_ROBUST. */
typedef struct tls_lock {
  TLR_ALIGNED(64) pthread_mutex_t mutex;
} tls_lock;
TLR_STATIC_ASSERT(sizeof(tls_lock) == 64, "lock");

typedef struct tls_page {
  uint64_t magic;
  uint32_t abi_version;
  uint32_t index;        /* of the socket in the daemon; in kicks */
  uint64_t key;          /* random: in requests, the proof that the socket is mapped */
  uint64_t segment_size; /* bytes */
  uint32_t family;       /* AF_INET or AF_INET6 */
  uint32_t type;         /* SOCK_STREAM or SOCK_SEQPACKET */
  uint32_t ballast;      /* bytes */
  uint32_t ready_rings;  /* of a front: workers and one more; 0: it is none */
  tlr_geometry geometry; /* lanes 1, workers 1 */

  /* The daemon writes: the sockets thread, and the worker that has the association. */
  TLR_ALIGNED(64) uint32_t state; /* enum tls_state */
  uint32_t shut;                  /* enum tls_shut, bits set */
  uint32_t error;       /* errno that is pending; holders take it by exchanging it with 0 */
  uint32_t worker;      /* whom to kick; TLS_NO_WORKER: nobody yet */
  uint32_t assoc_index; /* in submissions, as in CONNECTED of a ring client */
  uint32_t assoc_generation;
  uint32_t assoc_id;         /* sctp_assoc_t; 0: none */
  uint32_t outbound_streams; /* negotiated */
  uint32_t inbound_streams;
  uint32_t send_buffer;      /* SO_SNDBUF: bytes of messages under way, as Linux's number says */
  uint32_t receive_buffer;   /* SO_RCVBUF */
  uint32_t max_message_size; /* bytes; EMSGSIZE above */
  uint32_t names;            /* odd while the two names are written; a reader looks twice */
  uint32_t fragment_point;   /* bytes of payload of a chunk */
  uint32_t front;            /* of a member: its front's index; TLS_NO_FRONT: it is none */
  uint32_t reserved_state;
  tls_name local; /* of getsockname() */
  tls_name peer;  /* of getpeername(): the primary address */

  TLR_ALIGNED(64) tls_options options;

  /* The worker writes. */
  TLR_ALIGNED(64) uint32_t tx_done_produced; /* entries of the ring tx_done */
  uint32_t reserved_worker[15];

  /* Daemon and holders, by atomic read-modify-write. */
  TLR_ALIGNED(64) uint32_t tokens; /* sent and not yet taken back */
  uint32_t edge;    /* 1: somebody waits for edges (EPOLLET) or signals: a token a burst */
  uint32_t full;    /* 1: a sender put the ballast in; the worker takes it out */
  uint32_t copied;  /* 1: the handle was duplicated, inherited or passed on */
  uint32_t waiting; /* readers that wait, or are about to; more if some were killed meanwhile. Of a
                       member: who waits for the end of CONNECTING, by a futex that `state` is */
  uint32_t queued;  /* of a member: 1: an entry of a ready ring names it */
  uint32_t reserved_shared[10];

  /* Holders write, under the lock before them. */
  tls_lock send_lock;
  TLR_ALIGNED(64) uint32_t tx_free_count;
  uint32_t tx_done_consumed; /* entries of the ring tx_done */
  uint32_t tx_bytes;         /* payload under way */
  uint32_t tx_pending;       /* 1 + the first slot of a message that is just being submitted; 0 */
  uint32_t tx_pending_at;    /* what submission_produced was before it */
  uint32_t reserved_send[11];

  tls_lock receive_lock;
  TLR_ALIGNED(64) uint32_t rx_offset; /* bytes of the front message that were read */
  uint32_t rx_unkicked; /* completions and slots taken since the worker was last kicked for it */
  uint32_t rx_popping;  /* 1: the front is being taken away; how, is in the next three */
  uint32_t rx_pop_consumed;   /* completion_consumed afterwards */
  uint32_t rx_pop_returned;   /* return_produced before */
  uint32_t rx_pop_slot;       /* what goes into the return ring, or TLR_NO_SLOT */
  uint32_t rx_unkicked_bytes; /* as rx_unkicked: of messages */
  uint32_t rx_source;         /* of a front: the ready ring that is looked at first */
  uint32_t reserved_receive[8];
} tls_page;
TLR_STATIC_ASSERT(offsetof(tls_page, geometry) == 48, "page");
TLR_STATIC_ASSERT(offsetof(tls_page, state) == 128, "page");
TLR_STATIC_ASSERT(offsetof(tls_page, local) == 192, "page");
TLR_STATIC_ASSERT(offsetof(tls_page, options) == 256, "page");
TLR_STATIC_ASSERT(offsetof(tls_page, tx_done_produced) == 320, "page");
TLR_STATIC_ASSERT(offsetof(tls_page, tokens) == 384, "page");
TLR_STATIC_ASSERT(offsetof(tls_page, send_lock) == 448, "page");
TLR_STATIC_ASSERT(offsetof(tls_page, receive_lock) == 576, "page");
TLR_STATIC_ASSERT(sizeof(tls_page) == 704, "page");

/* -------------------------------------------------------------------------------------------
 * Ready rings of a front, behind its channel: one for each worker, who writes it, and a last one
 * for holders, who write it under the front's receive lock; they take from all of them under that
 * lock. A member has an entry once its completions are published and `queued` was 0. Who has read
 * up to `until`, and finds more, puts the member into the last ring; who finds nothing sets
 * `queued` to 0, looks again, and takes the entry away last. So associations take turns in the
 * order in which their messages came. Entries of members that are no more may be left, and name
 * whoever has the index. */

#define TLS_READY_SIZE TLS_MAX_SOCKETS /* entries */
typedef struct tls_ready_entry {
  uint32_t index; /* of the member's socket */
  uint32_t until; /* its completion_produced when the entry was made */
} tls_ready_entry;

typedef struct tls_ready {
  tlr_word produced;
  tlr_word consumed; /* holders write, receive lock */
  tlr_word
      round_end; /* holders: up to there entries are taken before other rings have their turn */
  tls_ready_entry entries[TLS_READY_SIZE];
} tls_ready;
TLR_STATIC_ASSERT(offsetof(tls_ready, entries) == 192, "ready ring");

/* Where things lie in a socket's memory: page, tables, channel. Offsets in bytes. */
typedef struct tls_layout {
  uint64_t tx_free;      /* uint16_t[tx_slots]: the free ones as a stack; holders, send lock */
  uint64_t tx_length;    /* uint32_t[tx_slots]: bytes of the message that begins there; likewise */
  uint64_t tx_done;      /* uint16_t[tx_done_size]: first slots of messages that are done; worker */
  uint64_t channel;      /* as ring_abi.h has it, page aligned */
  uint64_t size;         /* of it all */
  uint32_t tx_done_size; /* entries, power of two, at least tx_slots */
  uint32_t reserved;
} tls_layout;

static inline tls_layout tls_layout_of(const tlr_geometry* g) {
  tls_layout l;
  l.tx_done_size = 1;
  while (l.tx_done_size < g->tx_slots) l.tx_done_size *= 2u;
  l.reserved = 0;
  l.tx_free = tlr_align(sizeof(tls_page), TLR_CACHE_LINE);
  l.tx_length = tlr_align(l.tx_free + (uint64_t)g->tx_slots * 2u, TLR_CACHE_LINE);
  l.tx_done = tlr_align(l.tx_length + (uint64_t)g->tx_slots * 4u, TLR_CACHE_LINE);
  l.channel = tlr_align(l.tx_done + (uint64_t)l.tx_done_size * 2u, TLR_PAGE);
  l.size = l.channel + tlr_layout_of(g).stride;
  return l;
}

/* The whole of it, with ready rings (page aligned) behind what tls_layout_of() says. */
static inline uint64_t tls_size_of(const tlr_geometry* g, uint32_t ready_rings) {
  return tls_layout_of(g).size + ready_rings * tlr_align((uint64_t)sizeof(tls_ready), TLR_PAGE);
}
static inline uint64_t tls_ready_at(const tlr_geometry* g, uint32_t ring) {
  return tls_size_of(g, ring);
}

/* -------------------------------------------------------------------------------------------
 * Kicks: how a program tells a worker that a socket has submissions or returned slots. One area for
 * each process and worker; any thread of the process writes, the worker takes.
 *
 * Who has published: sets the socket's bit; if it was clear, sets the word's bit in `summary`;
 * then, if `worker_armed` is not 0, sets it to 0 and rings the worker's event fd. All of it
 * seq_cst. The worker takes a word of `summary`, then the words it names, by exchanging them with
 * 0.
 *
 * A process may end between publishing and its kick, or between putting a ballast in and `full`,
 * while all other holders wait. When one is gone, each worker sets `full` of all its sockets and
 * looks at each of them once, as if it had been kicked. */

typedef struct tls_kicks {
  TLR_ALIGNED(64) uint32_t worker_armed;
  uint32_t reserved[15];
  TLR_ALIGNED(64) uint64_t summary[TLS_MAX_SOCKETS / 64u / 64u];
  TLR_ALIGNED(64) uint64_t bits[TLS_MAX_SOCKETS / 64u];
  uint8_t fill[TLR_PAGE - 64u - 128u];
} tls_kicks;
TLR_STATIC_ASSERT(offsetof(tls_kicks, summary) == 64, "kicks");
TLR_STATIC_ASSERT(offsetof(tls_kicks, bits) == 192, "kicks");
TLR_STATIC_ASSERT(sizeof(tls_kicks) == 3 * TLR_PAGE, "kicks");

/* -------------------------------------------------------------------------------------------
 * Requests: an AF_UNIX SOCK_SEQPACKET connection of each process, the sockets thread's answer to
 * each before the next is sent. The first is TLS_HELLO. Numbers of options, families, types and
 * flags are Linux's; addresses are struct sockaddr_in and sockaddr_in6 one behind the other, as the
 * program gave them. What a program passes wrongly is answered with Linux's errno. */

enum tls_request_kind {
  TLS_HELLO = 1,       /* -> descriptors: memfd of tls_kicks[workers], one event fd a worker;
                             value: workers */
  TLS_SOCKET = 2,      /* a: family, b: type -> descriptors: handle, memory */
  TLS_IDENTIFY = 3,    /* descriptor: a handle -> descriptor: memory; -ENOTSOCK: none of ours */
  TLS_BIND = 4,        /* body: one address */
  TLS_BINDX = 5,       /* a: SCTP_BINDX_ADD_ADDR or _REM_ADDR; body: addresses */
  TLS_LISTEN = 6,      /* a: backlog */
  TLS_CONNECT = 7,     /* a: 1: all of the body is addresses, as of sctp_connectx(); 0: only the
                             first need be; b: 1: a struct sctp_initmsg precedes them, of this
                             association alone; body: addresses -> 0: begun, see `state`; value: the
                             association's id; ERESTART: it would be, and is once `error` of an attempt
                             that failed has been taken */
  TLS_GET_OPTION = 8,  /* a: level, b: name; length: room; body: what lies there -> body, value:
                             its length */
  TLS_SET_OPTION = 9,  /* a: level, b: name; body */
  TLS_SHUTDOWN = 10,   /* a: how; only of the receiving side is anything to be done there */
  TLS_CLOSE = 11,      /* this is the last handle: -> 0 once the port is free or lingering is over;
                             the handle is closed afterwards */
  TLS_DISCONNECT = 12, /* connect() with AF_UNSPEC */
  TLS_MEMBER = 13,     /* of a front: an association's; body: tls_member_query, then addresses ->
                            descriptor: its memory; value: the association's id; body: a byte if
                            it was begun just now. a: enum tls_begin */
  TLS_PEEL_OFF = 14    /* of a front; a: id -> descriptors: handle, memory */
};

enum tls_begin {                    /* what TLS_MEMBER does if there is no such association */
                 TLS_ONLY_LOOK = 0, /* -ENOENT */
                 TLS_BEGIN = 1,     /* begins one with the addresses */
                 TLS_BEGIN_ANEW = 2 /* likewise; if there is one, -EISCONN or -EALREADY */
};

typedef struct tls_member_query {
  int32_t id;       /* 0: not by that */
  uint32_t index;   /* of the member's socket; TLS_NO_FRONT: not by that; else addresses follow */
  uint16_t init[4]; /* struct sctp_initmsg of SCTP_INIT, for the association that begins */
  uint32_t has_init;
  uint16_t stream; /* of what it is begun for: with fewer streams there is no association */
  uint16_t reserved;
} tls_member_query;
TLR_STATIC_ASSERT(sizeof(tls_member_query) == 24, "member query");

#define TLS_MAX_BODY 16384u
typedef struct tls_request {
  uint64_t magic;       /* TLS_MAGIC */
  uint32_t abi_version; /* TLS_HELLO; else 0 */
  uint32_t kind;        /* enum tls_request_kind */
  uint64_t key;         /* of the socket; 0 for HELLO, SOCKET and IDENTIFY */
  uint32_t socket;      /* its index */
  int32_t a;
  int32_t b;
  uint32_t length; /* bytes of body that are meant; what was sent may be less (GET_OPTION) */
  /* the body follows in the same message */
} tls_request;
TLR_STATIC_ASSERT(sizeof(tls_request) == 40, "request");

typedef struct tls_reply {
  uint64_t magic;
  int32_t error; /* 0 or a negative errno */
  int32_t value;
  uint32_t length; /* of the body, which follows */
  uint32_t reserved;
} tls_reply;
TLR_STATIC_ASSERT(sizeof(tls_reply) == 24, "reply");

/* A connection that waits to be accepted: one byte on the listener's handle, with two descriptors
 * (SCM_RIGHTS): the new socket's handle and its memory, whose page says everything else. */
#define TLS_ACCEPT_BYTE 'a'
#define TLS_TOKEN_BYTE 't'

#ifdef __cplusplus
}
#endif

#endif
