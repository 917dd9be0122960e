// SPDX-License-Identifier: BSD-3-Clause
// What the test peers share: command line, message contents and their check, the exchange itself,
// the JSON line at the end. Each peer (the kernel's SCTP, usrsctp, our ring API) is a Transport:
// how to open an association, send, receive and end it. peer_main runs one over the other.
#ifndef TRUNKLINE_PEER_COMMON_H
#define TRUNKLINE_PEER_COMMON_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
  kMaxAddresses = 8,
  kMaxSizes = 64,
  kMaxMessage = 1 << 18,
  kMaxStreams = 65535,
};

enum Mode {
  kModePing,    // sends, and expects each message back
  kModeEcho,    // sends back what comes
  kModeSource,  // only sends
  kModeSink,    // only receives
  kModeSteady,  // sends and receives at a rate (peer_steady.h)
};

enum End {
  kEndShutdown,  // close gracefully when the work is done
  kEndAbort,     // abort when the work is done
  kEndWait,      // wait for the peer to end it
};

// How long what it sends of its own is tried (RFC 3758, RFC 7496).
enum Limit {
  kLimitNone,
  kLimitLifetime,         // milliseconds
  kLimitRetransmissions,  // times
};

struct Options {
  bool listen;
  enum Mode mode;
  enum End end;
  int family;  // AF_INET or AF_INET6
  uint16_t port;
  uint16_t local_port;
  struct sockaddr_storage local[kMaxAddresses];
  int local_count;
  struct sockaddr_storage remote[kMaxAddresses];
  int remote_count;
  uint16_t streams;
  uint16_t first_stream;  // of the first message; the next ones go round from there
  uint32_t sizes[kMaxSizes];
  int size_count;
  uint32_t count;   // messages to send (ping, source) or to expect (echo, sink; 0: until the end)
  uint32_t window;  // ping: messages under way at most
  int interval_ms;  // between two messages that it sends of its own
  int rate;         // steady: messages a second
  const char* log;  // steady: where the arrivals are written; NULL: nowhere
  // After so many messages received (0: never), it does nothing at all for a while: it neither
  // reads nor sends, and its stack closes the window.
  uint32_t pause_after;
  int pause_ms;
  int receive_buffer;  // bytes; 0: large
  bool unordered;
  bool nagle;
  bool ignore_strays;
  enum Limit limit;
  uint32_t limit_value;
  bool reliable;    // sockets: partial reliability is not announced
  bool allow_gaps;  // messages may be missing, in ascending order
  uint32_t ppid;    // stream n uses ppid + n
  uint32_t seed;
  int associations;                            // how many a listener serves, one after the other
  int rto_initial_ms, rto_min_ms, rto_max_ms;  // 0: the stack's own, here and below
  int heartbeat_ms;
  int sack_delay_ms;
  int init_attempts;
  int max_retransmissions;   // of the association
  int path_retransmissions;  // of each path
  int end_delay_ms;          // between the last message and shutdown or abort
  int stay_ms;               // after the end
  int timeout_s;             // for everything
  const char* attach;        // ring API: the daemon's socket
  const char* profile;       // ring API: which of the daemon's; NULL: its default
};

enum EventKind {
  kEventNone,          // nothing to read now
  kEventMessage,       // data, size, stream, ppid, unordered
  kEventUp,            // streams_out, streams_in
  kEventRestart,       // the peer restarted
  kEventPeerShutdown,  // the peer began to shut down
  kEventShutdownDone,  // the association ended well
  kEventLost,          // aborted or timed out; error is the cause as the stack gives it
  kEventRefused,       // could not be set up
  kEventPath,          // a path changed state
  kEventSendFailed,
  kEventBroken,  // the rest of the message that was being received never comes
  kEventOther,
};

struct Event {
  enum EventKind kind;
  const uint8_t* data;  // valid until the next receive
  size_t size;
  uint16_t stream;
  uint32_t ppid;  // host order
  bool unordered;
  uint16_t streams_out, streams_in;
  uint32_t error;
  const char* reason;  // kEventLost, kEventRefused: the stack's words, if it has any
  char address[46];    // kEventPath: whose state changed, and the stack's word for the new one
  const char* path_state;
};

// Results of Transport.send.
enum SendResult { kSendDone, kSendLater, kSendFailed };

struct Transport {
  const char* name;
  // Each returns 0, or -1 after peer_fail().
  int (*start)(const struct Options* options);  // library, and the listening endpoint
  int (*open)(const struct Options* options);   // connect, or be ready to accept one
  enum SendResult (*send)(uint16_t stream, uint32_t ppid, bool unordered, const uint8_t* data,
                          size_t size);
  void (*receive)(struct Event* event);  // never waits
  void (*wait)(int ms);                  // until something may be read or written
  void (*shutdown)(void);                // graceful; events go on
  void (*abort)(void);
  void (*close)(void);  // frees what the association held
  void (*finish)(void);
};

// Runs the peer; the program's exit status.
int peer_main(int argc, char** argv, const struct Transport* transport);

// Remembers the first error, for the JSON line. printf-like. Returns -1.
int peer_fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// The first error that peer_fail() was told; "" when there was none.
const char* peer_error(void);

// A transport reports the address that it accepted or connected.
void peer_note_peer(const char* text);

uint64_t peer_now_ms(void);
socklen_t peer_sockaddr_size(const struct sockaddr_storage* address);

#endif
