// SPDX-License-Identifier: BSD-3-Clause
// The two protocols of a handle's readiness (socket_abi.h), explored exhaustively: tokens with two
// readers and one worker, one of the readers dying anywhere; ballast with two senders and a worker.
// The actions are those of mirror.cpp, calls_receive.cpp, calls_send.cpp, in their order.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "explorer.h"

namespace trunkline::test {
namespace {

// ---------------------------------------------------------------- tokens

struct TokenRules {
  int messages = 3;
  bool heals = true;          // readers count bytes that nobody accounts for
  bool may_die = false;       // the first reader, anywhere
  bool looks_again = true;    // after taking the tokens
  bool worker_checks = true;  // sends a token only if there is none
};

enum ReaderAt : uint8_t {
  kLock,
  kLook,
  kHealBytes,
  kHealTokens,
  kTake,
  kLookAgain,
  kReadBytes,
  kUnlock,
  kPeek,
  kDead
};
enum WorkerAt : uint8_t { kPublish, kCheck, kCount, kSend, kIdle };

struct TokenState {
  uint8_t produced, consumed, lost, tokens, bytes, owner, inherited, worker;
  struct {
    uint8_t at, taken, found_empty, seen_bytes, had_one;
  } reader[2];
  [[nodiscard]] std::string text() const {
    std::string out = "produced " + std::to_string(produced) + " consumed " +
                      std::to_string(consumed) + " lost " + std::to_string(lost) + " tokens " +
                      std::to_string(tokens) + " bytes " + std::to_string(bytes) + " owner " +
                      std::to_string(owner) + " worker at " + std::to_string(worker);
    for (const auto& r : reader) out += ", reader at " + std::to_string(r.at);
    return out;
  }
};

bool worker_step(TokenState& s, const TokenRules& rules) {
  switch (s.worker) {
    case kPublish:
      if (s.produced == rules.messages) return false;
      ++s.produced;
      s.worker = kCheck;
      return true;
    case kCheck:
      s.worker = s.tokens == 0 || !rules.worker_checks ? kCount : kPublish;
      return true;
    case kCount:
      ++s.tokens;
      s.worker = kSend;
      return true;
    case kSend:
      ++s.bytes;
      s.worker = kPublish;
      return true;
    default:
      return false;
  }
}

bool reader_step(TokenState& s, int id, const TokenRules& rules) {
  auto& r = s.reader[id];
  const bool empty = s.produced == s.consumed + s.lost;
  switch (r.at) {
    case kLock:
      if (s.owner != 0) return false;
      s.owner = static_cast<uint8_t>(id + 1);
      r.at = kLook;
      return true;
    case kLook:
      if (empty) {
        r.found_empty = 1;
        r.at = rules.heals ? kHealBytes : kTake;
      } else {
        ++s.consumed;
        r.found_empty = 0;
        // The last one takes the tokens; others leave them.
        r.at = s.produced == s.consumed + s.lost ? kTake : kUnlock;
      }
      return true;
    case kHealBytes:
      r.seen_bytes = s.bytes;
      r.at = kHealTokens;
      return true;
    case kHealTokens:
      if (r.seen_bytes > s.tokens) s.tokens = r.seen_bytes;
      r.seen_bytes = 0;
      r.at = kTake;
      return true;
    case kTake:
      r.taken = s.tokens;
      s.tokens = 0;
      r.at = r.taken == 0 ? kUnlock : rules.looks_again ? kLookAgain : kReadBytes;
      return true;
    case kLookAgain:
      if (!empty) {
        s.tokens = static_cast<uint8_t>(s.tokens + r.taken);
        r.taken = 0;
        r.at = r.found_empty != 0 ? kLook : kUnlock;
        return true;
      }
      r.at = kReadBytes;
      return true;
    case kReadBytes:
      if (s.bytes == 0) return false;  // they are on their way
      --s.bytes;
      if (--r.taken == 0) r.at = kUnlock;
      return true;
    case kUnlock:
      s.owner = 0;
      r.at = r.found_empty != 0 ? kPeek : kLock;
      return true;
    case kPeek:
      if (s.bytes == 0) return false;
      r.at = kLock;
      return true;
    default:
      return false;
  }
}

// A holder dies: its lock goes to the next one, what it had taken from the ring is lost with it.
bool die(TokenState& s) {
  auto& r = s.reader[0];
  if (r.at == kDead) return false;
  if (s.owner == 1) s.owner = 0;
  r = {};
  r.at = kDead;
  return true;
}

std::string explore_tokens(const TokenRules& rules, size_t* states = nullptr) {
  Explorer<TokenState> explorer;
  TokenState start{};
  const std::string wrong = explorer.run(
      start, rules.may_die ? 4 : 3,
      [&](TokenState& s, int thread) {
        if (thread == 0) return worker_step(s, rules);
        return thread == 3 ? die(s) : reader_step(s, thread - 1, rules);
      },
      [&](const TokenState& s) {
        const bool first_waits = s.reader[0].at == kPeek || s.reader[0].at == kDead;
        return s.produced == rules.messages && s.consumed == s.produced && s.worker == kPublish &&
               first_waits && s.reader[1].at == kPeek && s.bytes == 0 && s.tokens == 0;
      });
  if (states != nullptr) *states = explorer.states();
  return wrong;
}

TEST(TokenModel, NoWakeUpIsLost) {
  size_t states = 0;
  EXPECT_EQ(explore_tokens({}, &states), "");
  EXPECT_GT(states, 1000u);
  TokenRules plain;
  plain.heals = false;
  EXPECT_EQ(explore_tokens(plain), "");
}

TEST(TokenModel, ATokenForEachBurstLosesNoneEither) {
  TokenRules rules;
  rules.worker_checks = false;
  EXPECT_EQ(explore_tokens(rules), "");
}

TEST(TokenModel, AReaderMayDieAnywhere) {
  TokenRules rules;
  rules.may_die = true;
  EXPECT_EQ(explore_tokens(rules), "");
}

TEST(TokenModel, FindsWhatTheRulesAreFor) {
  TokenRules careless;
  careless.looks_again = false;
  EXPECT_NE(explore_tokens(careless), "");
  TokenRules sickly;
  sickly.may_die = true;
  sickly.heals = false;
  EXPECT_NE(explore_tokens(sickly), "");
}

// ---------------------------------------------------------------- ballast

struct BallastRules {
  int messages = 3;           // of each sender
  int slots = 2;              // of both
  bool looks_again = true;    // after putting the ballast in
  bool notes_stray = true;    // a byte that was sent while waiting
  bool second_blocks = true;  // or polls until the handle is writable
};

enum SenderAt : uint8_t { kTry, kNote, kRoom, kPut, kFull, kRoomAgain, kLeave, kWait, kDone };
enum BallastWorkerAt : uint8_t { kTakeOrEnd, kLooksAtFull, kTakesOut };

struct BallastState {
  uint8_t submitted, taken, done, collected, full, ballast, stray, owner, worker;
  struct {
    uint8_t at, sent, left_byte;
  } sender[2];
  [[nodiscard]] std::string text() const {
    std::string out = "submitted " + std::to_string(submitted) + " taken " + std::to_string(taken) +
                      " done " + std::to_string(done) + " full " + std::to_string(full) +
                      " ballast " + std::to_string(ballast) + " stray " + std::to_string(stray);
    for (const auto& s : sender) {
      out += ", sender at " + std::to_string(s.at) + " sent " + std::to_string(s.sent);
    }
    return out;
  }
  // What poll() says: a single byte leaves room, two don't.
  [[nodiscard]] bool writable() const { return ballast == 0 && stray <= 1; }
};

bool ballast_worker_step(BallastState& s) {
  switch (s.worker) {
    case kTakeOrEnd:
      if (s.taken < s.submitted) {
        ++s.taken;
      } else if (s.done < s.taken) {
        ++s.done;
        s.worker = kLooksAtFull;
      } else {
        return false;
      }
      return true;
    case kLooksAtFull:
      if (s.full == 0) {
        s.worker = kTakeOrEnd;
        return true;
      }
      s.full = 0;
      s.worker = kTakesOut;
      return true;
    default:
      s.ballast = 0;
      s.stray = 0;
      s.worker = kTakeOrEnd;
      return true;
  }
}

bool sender_step(BallastState& s, int id, const BallastRules& rules) {
  auto& me = s.sender[id];
  const auto room = [&] {
    s.collected = s.done;
    return s.submitted - s.collected < rules.slots;
  };
  const auto submit = [&] {
    ++s.submitted;
    ++me.sent;
    s.owner = 0;
    me.at = me.sent == rules.messages ? kDone : kTry;
  };
  switch (me.at) {
    case kTry:
      if (s.owner != 0) return false;
      s.owner = static_cast<uint8_t>(id + 1);
      me.at = me.left_byte != 0 && rules.notes_stray ? kNote : kRoom;
      me.left_byte = 0;
      return true;
    case kNote:
      s.full = 1;
      me.at = kRoom;
      return true;
    case kRoom:
      if (room()) {
        submit();
      } else {
        me.at = kPut;
      }
      return true;
    case kPut:
      s.ballast = 1;  // or it was there already
      me.at = kFull;
      return true;
    case kFull:
      s.full = 1;
      me.at = rules.looks_again ? kRoomAgain : kLeave;
      return true;
    case kRoomAgain:
      if (room()) {
        submit();
      } else {
        me.at = kLeave;
      }
      return true;
    case kLeave:
      s.owner = 0;
      me.at = kWait;
      return true;
    case kWait:
      if (id == 1 && !rules.second_blocks) {  // EAGAIN, then poll()
        if (!s.writable()) return false;
        me.at = kTry;
        return true;
      }
      if (!s.writable()) return false;
      ++s.stray;
      me.left_byte = 1;
      me.at = kTry;
      return true;
    default:
      return false;
  }
}

std::string explore_ballast(const BallastRules& rules, size_t* states = nullptr) {
  Explorer<BallastState> explorer;
  const std::string wrong = explorer.run(
      BallastState{}, 3,
      [&](BallastState& s, int thread) {
        return thread == 0 ? ballast_worker_step(s) : sender_step(s, thread - 1, rules);
      },
      [&](const BallastState& s) {
        return s.sender[0].at == kDone && s.sender[1].at == kDone && s.done == s.submitted &&
               s.worker == kTakeOrEnd && s.writable();
      });
  if (states != nullptr) *states = explorer.states();
  return wrong;
}

TEST(BallastModel, ASenderIsWokenAndTheHandleIsWritableInTheEnd) {
  size_t states = 0;
  EXPECT_EQ(explore_ballast({}, &states), "");
  EXPECT_GT(states, 1000u);
  BallastRules one;
  one.slots = 1;
  EXPECT_EQ(explore_ballast(one), "");
}

TEST(BallastModel, OneThatPollsIsWoken) {
  BallastRules rules;
  rules.second_blocks = false;
  EXPECT_EQ(explore_ballast(rules), "");
}

TEST(BallastModel, FindsWhatTheRulesAreFor) {
  BallastRules careless;
  careless.looks_again = false;
  EXPECT_NE(explore_ballast(careless), "");
  BallastRules untidy;
  untidy.notes_stray = false;
  EXPECT_NE(explore_ballast(untidy), "");
}

}  // namespace
}  // namespace trunkline::test
