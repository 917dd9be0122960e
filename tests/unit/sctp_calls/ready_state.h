// SPDX-License-Identifier: BSD-3-Clause
// What the model of the ready rings (ready_model.h) has in a state, and which rules it follows.
#pragma once

#include <cstdint>
#include <string>

namespace trunkline::test::ready {

constexpr int kWorkers = 2;  // worker 0 has member 0
constexpr int kRings = kWorkers + 1;
constexpr int kEntries = 4;

struct ReadyRules {
  int messages[kWorkers] = {2, 1};
  bool may_die = false;  // the first reader, anywhere
  bool second_reader = true;
  bool member_goes = false;       // member 1, once it was read; its index is another one's then
  bool peels = false;             // member 1
  bool looks_again = true;        // at the member, after saying that it has no entry
  bool claims = true;             // by an exchange, for the worker may have been quicker
  bool pops_last = true;          // after saying that it has no entry, or making another one
  bool token_last = true;         // the worker's, after the entry
  bool looks_for_entries = true;  // after taking the tokens
  bool heals = true;              // counts bytes that nobody accounts for
  bool peels_locked = true;       // under the front's receive lock
  bool leaves_tokens = true;      // of members alone: they are of another handle, if any
  bool judges_whose = true;       // what is read at the front once a peel-off was answered
};

enum WorkerAt : uint8_t {
  kPublish,
  kAnnounce,
  kEnter,
  kCount,
  kSend,
  kLeave,
  kUnread,
  kTell,
  kTellSend
};

enum ReaderAt : uint8_t {
  kLock,
  kFront,  // looks for an entry, and goes on as `then` says
  kRound,
  kFind,
  kRead,
  kMembersTokens,
  kSettle,
  kMark,
  kLookAgain,
  kClaim,
  kTurn,
  kPutBack,
  kPop,
  kHealBytes,
  kHealTokens,
  kTake,
  kReadBytes,
  kUnlock,
  kPeek,
  kAsk,
  kAnswer,
  kDead
};

enum Then : uint8_t { kToRead, kAfterOne, kTokensTaken, kBeforeWaiting };

struct Ring {
  uint8_t member[kEntries], until[kEntries], count, round;
};

struct Member {
  uint8_t produced, consumed, queued, peeled, tokens, bytes, owner;
};

struct Reader {
  uint8_t at, then, ring, member, until, life, back, popped, found, waits, taken, seen_bytes;
};

// Plain bytes: states are compared as such.
struct ReadyState {
  Ring ring[kRings];
  Member member[kWorkers];
  uint8_t worker[kWorkers];
  uint8_t source, tokens, bytes, owner, asked, answered, life, deaths, broken;
  Reader reader[3];  // the last one peels member 1 off, and reads it
  [[nodiscard]] std::string text() const {
    std::string out = broken != 0 ? "broken: " : "";
    for (const Ring& r : ring) out += "ring of " + std::to_string(r.count) + ", ";
    for (const Member& m : member) {
      out += "member " + std::to_string(m.consumed) + "/" + std::to_string(m.produced) +
             (m.queued != 0 ? " queued, " : ", ");
    }
    out += "tokens " + std::to_string(tokens) + " bytes " + std::to_string(bytes);
    for (const uint8_t at : worker) out += ", worker at " + std::to_string(at);
    for (const Reader& r : reader) out += ", reader at " + std::to_string(r.at);
    return out;
  }
};

}  // namespace trunkline::test::ready
