// SPDX-License-Identifier: BSD-3-Clause
// The ready rings of a one-to-many socket (socket_abi.h) as a model: two workers with a member
// each, two readers of the front in two processes, one of which may die anywhere; a member that is
// over and whose index another one gets; a member that is peeled off and read on its own. The
// actions are those of socket_end.cpp, ready.h, calls_receive_many.cpp, mirror.cpp and
// calls_many.cpp, in their order.
#pragma once

#include <cstdint>
#include <string>

#include "explorer.h"
#include "ready_state.h"

namespace trunkline::test::ready {

class ReadyModel {
 public:
  explicit ReadyModel(const ReadyRules& rules) : rules_(rules) {}

  // What is wrong, or "".
  std::string explore() {
    ReadyState start{};
    start.reader[2].at = kAsk;
    if (!rules_.second_reader) start.reader[1].at = kDead;
    return explorer_.run(
        start, 7, [this](ReadyState& s, int thread) { return s.broken == 0 && step(s, thread); },
        [this](const ReadyState& s) { return is_good(s); });
  }
  [[nodiscard]] size_t states() const { return explorer_.states(); }

 private:
  bool step(ReadyState& s, int thread) {
    if (thread < kWorkers) return worker_step(s, thread);
    if (thread < 4) return reader_step(s, s.reader[thread - kWorkers], thread - kWorkers + 1);
    if (thread == 4) return rules_.peels && peeler_step(s);
    return thread == 5 ? die(s) : replace_member(s);
  }

  // Everything was read, nothing says that there is more, and all wait.
  bool is_good(const ReadyState& s) const {
    if (s.broken != 0 || s.tokens != 0 || s.bytes != 0 || s.owner != 0) return false;
    for (int i = 0; i < kWorkers; ++i) {
      const Member& m = s.member[i];
      const int all = rules_.messages[i] - (i == 1 && s.life != 0 ? 1 : 0);
      if (m.produced != all || m.consumed != all || s.worker[i] != kPublish) return false;
      if (m.tokens != 0 || m.bytes != 0 || m.owner != 0) return false;
    }
    for (const Ring& ring : s.ring) {
      if (ring.count != 0) return false;
    }
    const auto waits = [](const Reader& r) { return r.at == kPeek || r.at == kDead; };
    return waits(s.reader[0]) && waits(s.reader[1]) && (!rules_.peels || waits(s.reader[2]));
  }

  // ---------------------------------------------------------------- workers

  // True: a byte is to follow.
  static bool count_token(uint8_t& tokens) {
    if (tokens != 0) return false;
    ++tokens;
    return true;
  }

  static void enter(ReadyState& s, int ring, int member, int until) {
    Ring& r = s.ring[ring];
    if (r.count == kEntries) {
      s.broken = 1;
      return;
    }
    r.member[r.count] = static_cast<uint8_t>(member);
    r.until[r.count++] = static_cast<uint8_t>(until);
    // One of each member, and one for each reader that died; old ones of a member that was
    // replaced.
    int entries = 0;
    for (const Ring& each : s.ring) {
      for (int i = 0; i < each.count; ++i) entries += each.member[i] == member ? 1 : 0;
    }
    if (entries > 2 + s.deaths + s.life) s.broken = 1;  // one is just being put back
  }

  bool worker_step(ReadyState& s, int id) {
    Member& m = s.member[id];
    uint8_t& at = s.worker[id];
    switch (at) {
      case kPublish:
        if (id == 1 && s.asked != 0 && m.peeled == 0) {
          at = kLeave;
          return true;
        }
        if (m.produced + (id == 1 ? s.life : 0) == rules_.messages[id]) return false;
        ++m.produced;
        at = m.peeled != 0 ? kTell : rules_.token_last ? kAnnounce : kCount;
        return true;
      case kAnnounce:
        at = m.queued == 0 ? kEnter : rules_.token_last ? kCount : kPublish;
        m.queued = 1;
        return true;
      case kEnter:
        enter(s, id, id, m.produced);
        at = rules_.token_last ? kCount : kPublish;
        return true;
      case kCount:
        at = count_token(s.tokens) ? kSend : rules_.token_last ? kPublish : kAnnounce;
        return true;
      case kSend:
        ++s.bytes;
        at = rules_.token_last ? kPublish : kAnnounce;
        return true;
      case kLeave:
        m.peeled = 1;
        at = kUnread;
        return true;
      case kUnread:
        at = m.produced != m.consumed ? kTell : kPublish;
        s.answered = at == kPublish;
        return true;
      case kTell:
        at = count_token(m.tokens) ? kTellSend : kPublish;
        s.answered = 1;
        return true;
      default:
        ++m.bytes;
        at = kPublish;
        return true;
    }
  }

  // ---------------------------------------------------------------- readers of the front

  static bool round_has_one(ReadyState& s) {
    for (int i = s.source; i < kRings; ++i) {
      if (s.ring[i].round == 0) continue;
      s.source = static_cast<uint8_t>(i);
      return true;
    }
    return false;
  }

  // Where to go once it is known whether there is an entry.
  void go_on(Reader& r, ReadyState& s, bool there_is_one) const {
    switch (r.then) {
      case kToRead:
        r.at = there_is_one ? kFind : rules_.heals ? kHealBytes : kTake;
        break;
      case kAfterOne:
        r.at = there_is_one ? kUnlock : kTake;
        break;
      case kTokensTaken:
        if (there_is_one) {
          s.tokens = static_cast<uint8_t>(s.tokens + r.taken);
          r.taken = 0;
          tokens_are_done(r);
        } else {
          r.at = kReadBytes;
        }
        break;
      default:
        r.at = there_is_one ? kFind : kUnlock;
        r.waits = there_is_one ? 0 : 1;
    }
  }
  static void tokens_are_done(Reader& r) {
    r.then = kBeforeWaiting;
    r.at = r.found != 0 ? kUnlock : kFront;
  }

  // The old page of a member that was replaced stays as it was: read.
  static bool is_old(const ReadyState& s, const Reader& r) {
    return r.member == 1 && r.life != s.life;
  }
  static bool has_message(const ReadyState& s, const Reader& r) {
    const Member& m = s.member[r.member];
    return !is_old(s, r) && m.produced != m.consumed;
  }

  bool reader_step(ReadyState& s, Reader& r, int id) {
    switch (r.at) {
      case kLock:
        if (s.owner != 0) return false;
        s.owner = static_cast<uint8_t>(id);
        r = Reader{};
        r.at = kFront;
        return true;
      case kFront:
        if (round_has_one(s)) {
          go_on(r, s, true);
        } else {
          r.at = kRound;
          r.ring = 0;
        }
        return true;
      case kRound:
        return begin_round(s, r);
      case kUnlock:
        s.owner = 0;
        r.at = r.waits != 0 ? kPeek : kLock;
        return true;
      case kPeek:
        if (s.bytes == 0) return false;
        r.at = kLock;
        return true;
      case kHealBytes:
      case kHealTokens:
      case kTake:
      case kReadBytes:
        return token_step(s, r);
      case kDead:
        return false;
      default:
        return member_step(s, r, id);
    }
  }

  bool begin_round(ReadyState& s, Reader& r) const {
    s.ring[r.ring].round = s.ring[r.ring].count;
    if (++r.ring < kRings) return true;
    s.source = 0;
    r.ring = 0;
    go_on(r, s, round_has_one(s));
    return true;
  }

  bool token_step(ReadyState& s, Reader& r) const {
    switch (r.at) {
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
        if (r.taken == 0) {
          tokens_are_done(r);
        } else if (rules_.looks_for_entries) {
          r.then = kTokensTaken;
          r.at = kFront;
        } else {
          r.at = kReadBytes;
        }
        return true;
      default:
        if (s.bytes == 0) return false;  // they are on their way
        --s.bytes;
        if (--r.taken != 0) return true;
        if (rules_.looks_for_entries) {
          tokens_are_done(r);
        } else {
          r.at = kUnlock;
          r.waits = r.found == 0 ? 1 : 0;
        }
        return true;
    }
  }

  // With an entry at hand, which only the holder of the front's lock takes away.
  bool member_step(ReadyState& s, Reader& r, int id) const {
    Member& m = s.member[r.member];
    switch (r.at) {
      case kFind: {
        const Ring& ring = s.ring[s.source];
        r.member = ring.member[0];
        r.until = ring.until[0];
        r.life = s.life;
        r.at = s.member[r.member].peeled != 0 ? kPop : kRead;
        return true;
      }
      case kRead:
        if (m.owner != 0) return false;
        m.owner = static_cast<uint8_t>(id);
        if (has_message(s, r)) {
          if (m.peeled != 0 && s.reader[2].at != kAnswer && rules_.judges_whose) s.broken = 1;
          ++m.consumed;
          r.found = 1;
        }
        r.at = rules_.leaves_tokens ? kSettle : kMembersTokens;
        return true;
      case kMembersTokens:
        if (!has_message(s, r) && m.tokens != 0) {
          m.tokens = 0;
          if (s.bytes != 0) --s.bytes;  // or it waits in vain
        }
        r.at = kSettle;
        return true;
      default:
        return settle_step(s, r);
    }
  }

  bool settle_step(ReadyState& s, Reader& r) const {
    Member& m = s.member[r.member];
    switch (r.at) {
      case kSettle:
        r.at = has_message(s, r) ? kTurn : rules_.pops_last ? kMark : kPop;
        return true;
      case kMark:
        if (!is_old(s, r)) m.queued = 0;
        if (rules_.looks_again) {
          r.at = kLookAgain;
        } else {
          leave(s, r);
        }
        return true;
      case kLookAgain:
        if (has_message(s, r)) {
          r.at = kClaim;
        } else {
          leave(s, r);
        }
        return true;
      case kClaim:
        if (m.queued != 0 && rules_.claims) {
          leave(s, r);
        } else {
          r.at = kTurn;
        }
        m.queued = 1;
        return true;
      case kTurn:
        r.back = 1;
        if (r.popped != 0) {
          r.at = kPutBack;
        } else if (m.consumed >= r.until) {
          r.at = rules_.pops_last ? kPutBack : kPop;
        } else {
          member_is_done(s, r);
        }
        return true;
      case kPutBack:
        enter(s, kRings - 1, r.member, m.produced);
        leave(s, r);
        return true;
      default:
        pop(s.ring[s.source]);
        r.popped = 1;
        if (rules_.pops_last || m.peeled != 0) {
          member_is_done(s, r);
        } else {
          r.at = r.back != 0 ? kPutBack : kMark;
        }
        return true;
    }
  }

  static void leave(ReadyState& s, Reader& r) {
    if (r.popped != 0) {
      member_is_done(s, r);
    } else {
      r.at = kPop;
    }
  }
  static void member_is_done(ReadyState& s, Reader& r) {
    Member& m = s.member[r.member];
    if (m.owner != 0 && &s.reader[m.owner - 1] == &r) m.owner = 0;
    r.then = r.found != 0 ? kAfterOne : kToRead;
    r.at = kFront;
    r.member = r.until = r.life = r.back = r.popped = 0;
  }
  static void pop(Ring& ring) {
    for (int i = 1; i < kEntries; ++i) {
      ring.member[i - 1] = ring.member[i];
      ring.until[i - 1] = ring.until[i];
    }
    ring.member[kEntries - 1] = ring.until[kEntries - 1] = 0;
    --ring.count;
    --ring.round;
  }

  // ---------------------------------------------------------------- who peels off

  // Then a reader of the member by its own handle, as TokenModel has it.
  bool peeler_step(ReadyState& s) const {
    Reader& r = s.reader[2];
    Member& m = s.member[1];
    switch (r.at) {
      case kAsk:
        if (rules_.peels_locked && s.owner != 0) return false;
        if (rules_.peels_locked) s.owner = 3;
        s.asked = 1;
        r.at = kAnswer;
        return true;
      case kAnswer:
        if (s.answered == 0) return false;
        if (rules_.peels_locked) s.owner = 0;
        r.at = kLock;
        return true;
      case kLock:
        if (m.owner != 0) return false;
        m.owner = 3;
        r.at = kRead;
        return true;
      case kRead:
        if (m.produced == m.consumed) {
          r.at = kHealBytes;
          return true;
        }
        ++m.consumed;
        r.at = kUnlock;
        return true;
      case kHealBytes:
        if (m.bytes > m.tokens) m.tokens = m.bytes;
        r.at = kTake;
        return true;
      case kTake:
        r.taken = m.tokens;
        m.tokens = 0;
        r.waits = r.taken == 0 ? 1 : 0;
        r.at = r.taken != 0 ? kLookAgain : kUnlock;
        return true;
      case kLookAgain:
        if (m.produced != m.consumed) {
          m.tokens = static_cast<uint8_t>(m.tokens + r.taken);
          r.at = kRead;
        } else {
          r.at = kReadBytes;
        }
        return true;
      case kReadBytes:
        if (m.bytes == 0) return false;
        --m.bytes;
        if (--r.taken != 0) return true;
        r.waits = 1;
        r.at = kUnlock;
        return true;
      case kUnlock:
        m.owner = 0;
        r.at = r.waits != 0 ? kPeek : kLock;
        r.waits = 0;
        return true;
      default:
        if (m.bytes == 0) return false;
        r.at = kLock;
        return true;
    }
  }

  // ---------------------------------------------------------------- death

  // Its locks go to the next one, what it had taken from a member is lost with it.
  bool die(ReadyState& s) const {
    if (!rules_.may_die || s.reader[0].at == kDead) return false;
    if (s.owner == 1) s.owner = 0;
    for (Member& m : s.member) {
      if (m.owner == 1) m.owner = 0;
    }
    s.reader[0] = Reader{};
    s.reader[0].at = kDead;
    s.deaths = 1;
    return true;
  }

  // Member 1 is over and was read: it goes, and an association that is new has its index.
  bool replace_member(ReadyState& s) const {
    Member& m = s.member[1];
    if (!rules_.member_goes || s.life != 0 || m.produced != 1 || m.consumed != 1 ||
        s.worker[1] != kPublish) {
      return false;
    }
    m = Member{};
    s.life = 1;
    return true;
  }

  ReadyRules rules_;
  Explorer<ReadyState> explorer_;
};

}  // namespace trunkline::test::ready
