// SPDX-License-Identifier: BSD-3-Clause
// What a one-to-many socket does with one of its associations: begins it by connect(), peels it
// off.
#include <sys/time.h>

#include "attachment.h"
#include "calls.h"
#include "members.h"
#include "mirror.h"
#include "raw_calls.h"
#include "receiving.h"
#include "socket_lock.h"

namespace trunkline::sctp::calls {
namespace {

// SO_SNDTIMEO in milliseconds; -1: none.
int send_time_out(int fd) {
  timeval value{};
  socklen_t length = sizeof(value);
  if (raw::getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, &length) != 0) return -1;
  if (value.tv_sec == 0 && value.tv_usec == 0) return -1;
  constexpr long kMost = 1'000'000;  // seconds
  const long seconds = value.tv_sec < kMost ? value.tv_sec : kMost;
  return static_cast<int>(seconds * 1000 + value.tv_usec / 1000);
}

// As on Linux, what was shut of the front is shut of what is peeled off.
void inherit_shut(const Socket& front, int handle) {
  const uint32_t shut = front.shut() & (TLS_SHUT_RECEIVE | TLS_SHUT_ASKED);
  const Use made(handle);
  if (shut == 0 || !made) return;
  __atomic_fetch_or(&made->page->shut, shut, __ATOMIC_SEQ_CST);
  if ((shut & TLS_SHUT_RECEIVE) != 0) raw::shutdown(handle, SHUT_RD);
}

}  // namespace

long wait_until_begun(Socket& member, int fd) {
  return mirror::wait_for_another_state(member, fd, TLS_CONNECTING, send_time_out(fd));
}

long connect_member(Use& use, int fd, const void* names, uint32_t size, int32_t* assoc_id) {
  members::Peer peer;
  peer.names = static_cast<const uint8_t*>(names);
  peer.size = size;
  Member member;
  bool begun = false;
  const long error = members::with_peer(*use, peer, TLS_BEGIN_ANEW, member, begun);
  if (error != 0) return error;
  if (assoc_id != nullptr) {
    *assoc_id = static_cast<int32_t>(load_acquire(member->page->assoc_id));
  }
  if (mirror::does_not_block(fd, 0)) return -EINPROGRESS;
  const long waited = wait_until_begun(*member, fd);
  if (waited != 0) return waited == -EAGAIN ? -EINPROGRESS : waited;
  if (member->state() == TLS_ESTABLISHED) return 0;
  const auto failed = static_cast<long>(load_acquire(member->page->error));
  return failed != 0 ? -failed : -ECONNREFUSED;
}

long peel_off(Socket& front, int fd, int32_t assoc_id, int flags) {
  if (!front.is_front()) return -EINVAL;
  Member member;
  long error = members::with_id(front, static_cast<uint32_t>(assoc_id), member);
  if (error != 0) return error == -ENOENT ? -EINVAL : error;
  attachment::Request request;
  request.kind = TLS_PEEL_OFF;
  request.socket = front.page;
  request.a = assoc_id;
  attachment::Reply reply;
  {
    // Nobody is in the middle of reading or sending by the front; who comes later sees it.
    Locked receiving(*front.page, Locked::kReceive);
    Locked sending(*member->page, Locked::kSend);
    if (receiving.error() != 0) return receiving.error();
    if (sending.error() != 0) return sending.error();
    if (sending.inherited()) member->rings().repair_sending();
    error = attachment::request(request, reply);
    if (error != 0) return error;
  }
  if (reply.descriptors[0] < 0 || reply.descriptors[1] < 0) {
    if (reply.descriptors[0] >= 0) raw::close(reply.descriptors[0]);
    return -EMFILE;
  }
  take_from_front(front, fd);
  inherit_time_outs(fd, reply.descriptors[0]);
  const long made = adopt(reply.descriptors[0], reply.descriptors[1], flags);
  if (made >= 0) inherit_shut(front, static_cast<int>(made));
  return made;
}

}  // namespace trunkline::sctp::calls
