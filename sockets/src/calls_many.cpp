// SPDX-License-Identifier: BSD-3-Clause
// What a one-to-many socket does with one of its associations: begins it by connect(), peels it
// off.
#include <sys/time.h>

#include "attachment.h"
#include "calls.h"
#include "members.h"
#include "mirror.h"
#include "raw_calls.h"

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

}  // namespace

long connect_member(Use& use, int fd, const void* names, uint32_t size, int32_t* assoc_id) {
  members::Peer peer;
  peer.names = static_cast<const uint8_t*>(names);
  peer.size = size;
  Member member;
  const long error = members::with_peer(*use, peer, TLS_BEGIN_ANEW, member);
  if (error != 0) return error;
  if (assoc_id != nullptr) {
    *assoc_id = static_cast<int32_t>(load_acquire(member->page->assoc_id));
  }
  if (mirror::does_not_block(fd, 0)) return -EINPROGRESS;
  const long waited =
      mirror::wait_for_another_state(*member, fd, TLS_CONNECTING, send_time_out(fd));
  if (waited != 0) return waited == -EAGAIN ? -EINPROGRESS : waited;
  if (member->state() == TLS_ESTABLISHED) return 0;
  const auto failed = static_cast<long>(load_acquire(member->page->error));
  return failed != 0 ? -failed : -ECONNREFUSED;
}

long peel_off(Socket& front, int fd, int32_t assoc_id, int flags) {
  if (!front.is_front()) return -EINVAL;
  attachment::Request request;
  request.kind = TLS_PEEL_OFF;
  request.socket = front.page;
  request.a = assoc_id;
  attachment::Reply reply;
  const long error = attachment::request(request, reply);
  if (error != 0) return error;
  if (reply.descriptors[0] < 0 || reply.descriptors[1] < 0) {
    if (reply.descriptors[0] >= 0) raw::close(reply.descriptors[0]);
    return -EMFILE;
  }
  inherit_time_outs(fd, reply.descriptors[0]);
  return adopt(reply.descriptors[0], reply.descriptors[1], flags);
}

}  // namespace trunkline::sctp::calls
