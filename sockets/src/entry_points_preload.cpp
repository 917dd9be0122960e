// SPDX-License-Identifier: BSD-3-Clause
// What only the preloaded library shows: the names that a program calls without having written them
// (fortified forms, 64-bit ones), and stdio on a socket.
#include <dlfcn.h>
#include <poll.h>
#include <spawn.h>
#include <sys/types.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "calls.h"
#include "descriptor_table.h"
#include "libc_calls.h"

#define ENTRY(type, name, parameters)                                                            \
  extern "C" __attribute__((visibility("default"))) type entry_##name parameters __asm__(#name); \
  type entry_##name parameters

using namespace trunkline::sctp;

extern "C" {
ssize_t entry_read(int, void*, size_t) __asm__("read");
ssize_t entry_write(int, const void*, size_t) __asm__("write");
ssize_t entry_recv(int, void*, size_t, int) __asm__("recv");
ssize_t entry_recvfrom(int, void*, size_t, int, sockaddr*, socklen_t*) __asm__("recvfrom");
int entry_poll(pollfd*, nfds_t, int) __asm__("poll");
int entry_ppoll(pollfd*, nfds_t, const timespec*, const sigset_t*) __asm__("ppoll");
int entry_close(int) __asm__("close");
ssize_t entry_preadv2(int, const iovec*, int, off64_t, int) __asm__("preadv2");
ssize_t entry_pwritev2(int, const iovec*, int, off64_t, int) __asm__("pwritev2");
ssize_t entry_sendfile(int, int, off_t*, size_t) __asm__("sendfile");
}

namespace {

void check(size_t wanted, size_t room) {
  if (wanted > room) std::abort();  // as libc's __chk_fail() does, in the end
}

ssize_t read_stream(void* cookie, char* to, size_t size) {
  return entry_read(static_cast<int>(reinterpret_cast<intptr_t>(cookie)), to, size);
}
ssize_t write_stream(void* cookie, const char* from, size_t size) {
  return entry_write(static_cast<int>(reinterpret_cast<intptr_t>(cookie)), from, size);
}
int close_stream(void* cookie) {
  return entry_close(static_cast<int>(reinterpret_cast<intptr_t>(cookie)));
}

}  // namespace

ENTRY(ssize_t, __read_chk, (int fd, void* to, size_t size, size_t room)) {
  check(size, room);
  return entry_read(fd, to, size);
}

ENTRY(ssize_t, __recv_chk, (int fd, void* to, size_t size, size_t room, int flags)) {
  check(size, room);
  return entry_recv(fd, to, size, flags);
}

ENTRY(ssize_t, __recvfrom_chk,
      (int fd, void* to, size_t size, size_t room, int flags, sockaddr* name, socklen_t* length)) {
  check(size, room);
  return entry_recvfrom(fd, to, size, flags, name, length);
}

ENTRY(int, __poll_chk, (pollfd * fds, nfds_t count, int timeout, size_t room)) {
  check(count, room / sizeof(pollfd));
  return entry_poll(fds, count, timeout);
}

ENTRY(int, __ppoll_chk,
      (pollfd * fds, nfds_t count, const timespec* timeout, const sigset_t* mask, size_t room)) {
  check(count, room / sizeof(pollfd));
  return entry_ppoll(fds, count, timeout, mask);
}

ENTRY(ssize_t, preadv64v2, (int fd, const iovec* parts, int count, off64_t offset, int flags)) {
  return entry_preadv2(fd, parts, count, offset, flags);
}

ENTRY(ssize_t, pwritev64v2, (int fd, const iovec* parts, int count, off64_t offset, int flags)) {
  return entry_pwritev2(fd, parts, count, offset, flags);
}

ENTRY(ssize_t, sendfile64, (int to, int from, off_t* offset, size_t count)) {
  return entry_sendfile(to, from, offset, count);
}

// Programs that are started inherit descriptors, though none of ours knows when they close them.
#define SPAWNS(type, name, parameters, arguments)                         \
  ENTRY(type, name, parameters) {                                         \
    calls::note_spawn();                                                  \
    static decltype(&::name) next;                                        \
    if (next == nullptr) {                                                \
      next = reinterpret_cast<decltype(next)>(::dlsym(RTLD_NEXT, #name)); \
    }                                                                     \
    return next arguments;                                                \
  }

SPAWNS(int, posix_spawn,
       (pid_t * pid, const char* path, const posix_spawn_file_actions_t* actions,
        const posix_spawnattr_t* attributes, char* const* words, char* const* environment),
       (pid, path, actions, attributes, words, environment))
SPAWNS(int, posix_spawnp,
       (pid_t * pid, const char* file, const posix_spawn_file_actions_t* actions,
        const posix_spawnattr_t* attributes, char* const* words, char* const* environment),
       (pid, file, actions, attributes, words, environment))
SPAWNS(int, system, (const char* command), (command))
SPAWNS(FILE*, popen, (const char* command, const char* how), (command, how))

// A stream on a socket reads and writes by libc's own system calls, which know nothing of rings; so
// it gets others.
ENTRY(FILE*, fdopen, (int fd, const char* how)) {
  if (!descriptors::is_ours(fd)) return libc().fdopen(fd, how);
  const cookie_io_functions_t functions = {read_stream, write_stream, nullptr, close_stream};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a number, which nobody follows
  auto* const cookie = reinterpret_cast<void*>(static_cast<intptr_t>(fd));
  FILE* const stream = ::fopencookie(cookie, how, functions);
  if (stream != nullptr) stream->_fileno = fd;  // what fileno() says
  return stream;
}
