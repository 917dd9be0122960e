// SPDX-License-Identifier: BSD-3-Clause
// The handle, whose readiness mirrors the socket: tokens and ballast from the program's side
// (socket_abi.h), and waiting, which is a libc call on the handle and thus a cancellation point
// that sees O_NONBLOCK, time-outs and signals. No lock is held while one waits.
#pragma once

#include "descriptor_table.h"
#include "socket.h"

namespace trunkline::sctp::mirror {

// -- receive lock
// The ring was found empty: takes what says that it is not, unless something came meanwhile.
void take_tokens(Socket& socket, int fd);
// Bytes that nobody accounts for, since their reader died before it took them: counted again.
void heal_tokens(Socket& socket, int fd);

// -- send lock
// There is no room: the handle is not writable from now on, and the worker knows that it is asked
// for some. Look again afterwards.
void put_ballast(Socket& socket, int fd);
// wait_out() left its byte with the daemon, which should take it out at the next occasion.
void note_stray_byte(Socket& socket);

// -- no lock
// 1: it is worth looking; 0: end of file; or a negative errno. `state`: what the caller has seen.
long wait_in(descriptors::Use& use, int fd, int flags, uint32_t state);
// 1: there was room for a byte, which is the daemon's now; or a negative errno.
long wait_out(descriptors::Use& use, int fd, int flags);
// Of a member, which has no handle: until its state is another one, or so many milliseconds are
// over (negative: without end). 0, -EAGAIN, -EINTR, or -ECONNRESET: the daemon is gone. `fd`: its
// front's.
long wait_for_another_state(Socket& member, int fd, uint32_t state, int milliseconds);
// The pending error as a positive errno, or 0; who takes it puts the handle back as it was.
int take_error(Socket& socket, int fd);
// The worker that ends a connect writes the error first, and the state last, when the handle says
// what it should.
void wait_for_the_end_of_connect(const Socket& socket);
// It was over before it was accepted: read to its end without an error, and never writable.
void born_over(Socket& socket, int fd);
// The daemon has hung up: the socket is over, and says so once.
void daemon_is_gone(Socket& socket);
bool does_not_block(int fd, int flags);

}  // namespace trunkline::sctp::mirror
