// SPDX-License-Identifier: BSD-3-Clause
// The state of the load: associations, what each has sent and received, what was measured. load.h
// moves it; live.h and report.h read it.
#ifndef TRUNKLOAD_STATE_H
#define TRUNKLOAD_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "fault.h"
#include "histogram.h"
#include "ledger.h"
#include "options.h"
#include "schedule.h"
#include "trunkline/trunkline.h"

enum { kEvents = 256, kBurst = 64 };
#define kNoEnd UINT64_MAX

// An answer that the daemon had no room for.
typedef struct Pending {
  struct Pending* next;
  tl_message message;
  uint8_t data[];
} Pending;

typedef struct Association {
  tl_assoc handle;
  uint64_t next;    // number of the next message to send
  uint64_t seen;    // messages received
  uint64_t acked;   // closed loop, one way: messages that the peer's stack has
  uint64_t end_at;  // messages that the peer has sent in all; kNoEnd: not known yet
  Pending *pending, *pending_last;
  Ledger* ledger;  // --verify
  bool up, over, closing, end_sent;
  bool ready;  // it is on the list of those that may have something to do
} Association;

typedef struct Counts {
  uint64_t sent, sent_bytes;
  uint64_t received, received_bytes;
  uint64_t send_failed;  // given back by the daemon
  uint64_t unsent;       // open loop: due, and not sent when the time was over
} Counts;

// What counts towards the rates: nothing of the ramp.
typedef struct Measured {
  uint64_t sent, sent_first_ns, sent_last_ns;
  uint64_t received, received_first_ns, received_last_ns;
} Measured;

typedef struct Load {
  Options options;
  tl_client* client;
  tl_lane* lane;
  tl_limits limits;
  Association* associations;
  uint32_t known, up, over;  // how many have a name, are or were established, have ended
  uint32_t lost;             // of those: not in order
  uint32_t* ready;           // associations that may have something to do
  uint32_t ready_count;

  bool begun;    // all associations are up, and sending may begin
  bool stopped;  // no new messages
  bool broken;   // it could not run, or not to its end; it was said on stderr
  uint64_t begun_ns, measure_ns, stop_ns, ended_ns;
  Schedule schedule;
  uint64_t due;     // open loop: messages due so far, of all associations
  uint64_t marker;  // closed loop, one way: each so-manieth message asks to be told of

  Counts counts;
  Verdict verdict;
  FaultInbox inbox;
  uint8_t* inbox_data;  // --verify: a message in one piece
  Measured measured;
  Histogram latency;
  uint64_t sum;  // of everything read: nobody wants it, but it makes the reading real

  uint8_t* scratch;  // messages on their way to the daemon
  uint32_t scratch_size;
  // Answers to the messages in hand: all of one association.
  tl_message answers[kBurst];
  uint32_t answer_count;
  Association* answer_to;
  uint32_t answer_scratch;  // used, of scratch
} Load;

#endif
