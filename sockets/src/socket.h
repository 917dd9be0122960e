// SPDX-License-Identifier: BSD-3-Clause
// A socket as this process has it: its memory, mapped, under as many descriptors as the program
// made. Objects are never given back to the system, so that a thread that finds one under a
// descriptor which another thread is just closing can tell (DescriptorTable).
#pragma once

#include <cstdint>

#include "rings.h"

namespace trunkline::sctp {

struct MemberTable;  // members.h

struct Socket {
  uint32_t references = 0;   // descriptors, and calls under way; 0: unused
  uint32_t descriptors = 0;  // of them; the table's mutex
  bool lingers = false;      // closing may take its time
  int kept = -1;             // the handle, if all descriptors were closed beneath calls under way
  Socket* next_free = nullptr;
  tls_page* page = nullptr;
  uint64_t size = 0;               // bytes that are mapped
  MemberTable* members = nullptr;  // of a front, once it has any
  alignas(Rings) unsigned char rings_memory[sizeof(Rings)];

  [[nodiscard]] Rings& rings() { return *reinterpret_cast<Rings*>(rings_memory); }

  // A one-to-many socket: its messages are in the rings of its members.
  [[nodiscard]] bool is_front() const { return page->ready_rings != 0; }
  // The words of the page that the daemon or other holders change.
  [[nodiscard]] uint32_t state() const { return load_acquire(page->state); }
  [[nodiscard]] uint32_t shut() const { return load_acquire(page->shut); }
};

// Maps a socket's memory; the descriptor is closed in any case. Null: it is none, or there is no
// room.
Socket* map_socket(int memory_fd);
void unmap_socket(Socket& socket);

}  // namespace trunkline::sctp
