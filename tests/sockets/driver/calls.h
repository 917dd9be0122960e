// SPDX-License-Identifier: BSD-3-Clause
// What the calls share, and those of calls_data.c and calls_library.c; calls.c has the table of
// all.
#ifndef TRUNKLINE_SOCKETS_CALLS_H
#define TRUNKLINE_SOCKETS_CALLS_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "agent.h"
#include "structs.h"

// "null" and "wild" under `key` instead of the pointer that the call would have. wild() is a page
// that nobody may touch.
void* pointer(const struct Step* step, const char* key, void* usual);
void* wild(void);
int descriptor(const struct Step* step, const char* key);
// The number, or -1 and errno's name; false for the latter.
bool result(struct Out* out, long value);
void out_name(struct Out* out, const struct sockaddr_storage* address, socklen_t given,
              socklen_t size);
int assoc_of(const char* name);
// "to=127.0.0.1:5,127.0.0.2:5", packed one after the other: how many, and how many bytes.
int address_list(const struct Step* step, char* packed, size_t* total);
extern const struct Name kSocketWords[];  // of families, types, protocols and flags
int lowest(void);                         // the number that the next descriptor gets
void new_descriptor(const struct Step* step, struct Out* out, int fd, int wanted);

void call_assocs(const struct Step* step, struct Out* out);
void call_getpaddrs(const struct Step* step, struct Out* out);
void call_getladdrs(const struct Step* step, struct Out* out);
void call_bindx(const struct Step* step, struct Out* out);
void call_connectx(const struct Step* step, struct Out* out);
void call_peeloff(const struct Step* step, struct Out* out);

// To be freed: the bytes to send, and room to receive with a guard behind it.
char* payload(const struct Step* step, size_t* size);
char* buffer(size_t size);
int flags_of(const struct Step* step);
void out_message_flags(struct Out* out, int flags);

// What a recvmsg() reads into, as the step wants it, its bytes to be freed; and what it has read.
enum { kMaxVectors = 8, kControl = 512 };
struct Receiving {
  struct msghdr head;
  struct iovec vector[kMaxVectors + 1];
  _Alignas(struct cmsghdr) char control[kControl];
  struct sockaddr_storage address;
  char* bytes;
  size_t size;
};
void prepare_receive(const struct Step* step, struct Receiving* receiving);
void out_message(struct Out* out, const struct Receiving* receiving, ssize_t got);

void call_send(const struct Step* step, struct Out* out);
void call_write(const struct Step* step, struct Out* out);
void call_writev(const struct Step* step, struct Out* out);
void call_pwritev2(const struct Step* step, struct Out* out);
void call_sendto(const struct Step* step, struct Out* out);
void call_sendmsg(const struct Step* step, struct Out* out);
void call_sendmmsg(const struct Step* step, struct Out* out);
void call_sctp_sendmsg(const struct Step* step, struct Out* out);
void call_recv(const struct Step* step, struct Out* out);
void call_read(const struct Step* step, struct Out* out);
void call_readv(const struct Step* step, struct Out* out);
void call_preadv2(const struct Step* step, struct Out* out);
void call_recvfrom(const struct Step* step, struct Out* out);
void call_recvmsg(const struct Step* step, struct Out* out);
void call_recvmmsg(const struct Step* step, struct Out* out);
void call_collect(const struct Step* step, struct Out* out);
void call_sctp_recvmsg(const struct Step* step, struct Out* out);

void call_sctp_send(const struct Step* step, struct Out* out);
void call_sctp_sendv(const struct Step* step, struct Out* out);
void call_sctp_recvv(const struct Step* step, struct Out* out);
void call_opt_info(const struct Step* step, struct Out* out);

#endif
