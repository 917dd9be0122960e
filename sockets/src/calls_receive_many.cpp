// SPDX-License-Identifier: BSD-3-Clause
// Receiving on a one-to-many socket: its members in the order of the ready rings, each as a
// one-to-one socket is read.
#include <algorithm>
#include <cerrno>

#include "attachment.h"
#include "calls.h"
#include "mirror.h"
#include "notification.h"
#include "ready.h"
#include "receiving.h"
#include "socket_lock.h"

namespace trunkline::sctp::calls {
namespace {

void repair(Socket& member) {
  member.rings().repair_receiving();
  attachment::kick(load_relaxed(member.page->worker), member.page->index);
}

// Something was taken from the member whose turn it is: whether it keeps its turn, waits for
// another one, or has nothing more.
void settle(ReadyRings& ready, Socket& member, uint32_t until) {
  Rings& rings = member.rings();
  uint32_t& queued = member.page->queued;
  if (!rings.has_completion()) {
    store_seq_cst(queued, 0);
    if (!rings.has_completion()) return ready.pop();
    // Something came. If the worker was quicker, it has made an entry of its own.
    if (__atomic_exchange_n(&queued, 1, __ATOMIC_SEQ_CST) != 0) return ready.pop();
  }
  if (static_cast<int32_t>(rings.consumed() - until) >= 0) {
    ready.put_back(member.page->index, rings.produced());
  }
}

// False: it had nothing for the program.
bool read_member(Socket& front, Receiving& r, const tls_ready_entry& entry, Member& member,
                 long& result) {
  ReadyRings ready(front);
  Locked lock(*member->page, Locked::kReceive);
  if (lock.error() != 0) {
    result = lock.error();
    return true;
  }
  if (lock.inherited()) repair(*member);
  Rings& rings = member->rings();
  while (rings.front(r.front)) {
    bool more = false;
    result = read_front(*member, -1, r, more);
    if (more) continue;
    if ((r.flags & MSG_PEEK) == 0 && rings.read_of_front() == 0) {
      settle(ready, *member, entry.until);
    }
    return true;
  }
  settle(ready, *member, entry.until);
  return false;
}

// Tells what would be read next, if there is anything.
template <typename Tell>
long with_front(Socket& front, Tell tell) {
  ReadyRings ready(front);
  tls_ready_entry entry;
  Member member;
  if (!ready.front(entry) || members::with_index(front, entry.index, member) != 0) return 0;
  Locked lock(*member->page, Locked::kReceive);
  if (lock.error() != 0) return lock.error();
  if (lock.inherited()) repair(*member);
  Front next;
  Content content;
  if (member->rings().front(next) && describe(*member->page, next, content)) {
    tell(*member, next, content);
  }
  return 0;
}

// What comes behind a message that was taken may be another association's.
void find_next(Socket& front, Receiving& r) {
  r.has_next = false;
  [[maybe_unused]] const long error =
      with_front(front, [&](Socket& member, const Front& next, const Content& content) {
        note_next(r, *member.page, next, content, 0);
      });
}

bool wants_next(const Receiving& r, Socket& member) {
  return r.wants_control && (r.flags & MSG_PEEK) == 0 && member.rings().read_of_front() == 0 &&
         (load_relaxed(member.page->options.receive) & TLS_WANT_NXTINFO) != 0;
}

}  // namespace

Look look_at_members(Socket& front, int fd, Receiving& r, bool again, long& result) {
  Locked lock(*front.page, Locked::kReceive);
  result = lock.error();
  if (result != 0) return Look::kDone;
  ReadyRings ready(front);
  for (;;) {
    const bool ended = (front.shut() & TLS_SHUT_RECEIVE) != 0;
    tls_ready_entry entry;
    if (!ready.front(entry)) {
      if (lock.inherited() || again) mirror::heal_tokens(front, fd);
      mirror::take_tokens(front, fd);
      if (!ready.empty()) continue;
      return ended ? Look::kEnd : Look::kEmpty;
    }
    Member member;
    const long error = members::with_index(front, entry.index, member);
    if (error == -ENOENT || error == -EBADF) {  // it was read, and is no more
      ready.pop();
      continue;
    }
    result = error;
    if (error != 0) return Look::kDone;
    const bool found = read_member(front, r, entry, member, result);
    if (member->state() == TLS_ENDED && !member->rings().has_completion()) {
      members::forget(front, *member);
    }
    if (!found) continue;
    r.source = std::move(member);
    if (wants_next(r, *r.source)) find_next(front, r);
    if (ready.empty()) mirror::take_tokens(front, fd);
    return Look::kDone;
  }
}

void take_from_front(Socket& front, int fd) {
  Locked lock(*front.page, Locked::kReceive);
  if (lock.error() != 0) return;
  ReadyRings ready(front);
  tls_ready_entry entry;
  Member member;
  while (ready.front(entry)) {
    const long error = members::with_index(front, entry.index, member);
    if (error != -ENOENT && error != -EBADF) return;
    ready.pop();
  }
  mirror::take_tokens(front, fd);
}

long next_length_of_members(Socket& front) {
  Locked lock(*front.page, Locked::kReceive);
  if (lock.error() != 0) return lock.error();
  long length = 0;
  const auto take = [&](Socket& member, const Front&, const Content& content) {
    length = content.length() - member.rings().read_of_front();
  };
  const long error = with_front(front, take);
  return error != 0 ? error : length;
}

}  // namespace trunkline::sctp::calls
