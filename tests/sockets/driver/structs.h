// SPDX-License-Identifier: BSD-3-Clause
// The structures of the sockets API as tables: options, control data, notifications, addresses,
// from a step's arguments to bytes and from bytes to text. What differs from run to run is written
// as a mark, "<port 40001>", "<assoc 7>", "<tsn 99>", which the controller replaces.
#ifndef TRUNKLINE_SOCKETS_STRUCTS_H
#define TRUNKLINE_SOCKETS_STRUCTS_H

#include <stddef.h>
#include <sys/socket.h>

#include "text.h"

enum { kMaxFields = 24 };

struct Field {
  const char* name;
  unsigned short offset;
  unsigned short size;
  // 'u' a number, 'i' signed, 'a' an association id, 'A' an address, 't' a TSN,
  // '*' anything but 0 is as good, 'f' flags of a message (enum sctp_sinfo_flags)
  char kind;
};

struct Layout {
  const char* name;
  int number;  // of the option, the control data or the notification
  int level;
  size_t size;
  struct Field field[kMaxFields];
};

const struct Layout* option_named(const char* level, const char* name, struct Layout* unknown);
const struct Layout* control_named(const char* name);
extern const struct Layout kControls[];

// Bytes of a structure from arguments named as its fields are, after `prefix` if there is one.
// `resolve` gives the id of an association for "@socket".
void layout_fill(const struct Layout* layout, const struct Step* step, const char* prefix,
                 void* bytes, int (*resolve)(const char* name));
// Those fields that lie within `size`.
void out_layout(struct Out* out, const struct Layout* layout, const void* bytes, size_t size);
void out_control(struct Out* out, const struct msghdr* message);
void out_notification(struct Out* out, const void* bytes, size_t size);
void out_address(struct Out* out, const void* address, size_t size);

// "127.0.0.1:5000", "[::1]:5000", "unspec", "unix"; the address's size, 0 if it is none.
socklen_t address_parse(const char* text, struct sockaddr_storage* address);

#endif
