// SPDX-License-Identifier: BSD-3-Clause
#include "socket.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <new>

#include "descriptor_table.h"
#include "raw_calls.h"

namespace trunkline::sctp {
namespace {

bool is_power_of_two(uint32_t n) {
  return n != 0 && (n & (n - 1)) == 0;
}

// The daemon is trusted, but a version of it that does things differently would be a disaster.
bool makes_sense(const tls_page& page, uint64_t size) {
  const tlr_geometry& g = page.geometry;
  return page.magic == TLS_MAGIC && page.abi_version == TLS_ABI_VERSION &&
         is_power_of_two(g.submission_size) && is_power_of_two(g.completion_size) &&
         is_power_of_two(g.return_size) && g.tx_slots != 0 && g.tx_slots <= TLR_MAX_SLOTS &&
         g.rx_slots != 0 && g.rx_slots <= TLR_MAX_SLOTS && g.slot_size >= 64 &&
         g.slot_size <= TLR_MAX_SLOT_SIZE && page.index < TLS_MAX_SOCKETS &&
         page.ready_rings <= TLR_MAX_WORKERS + 1 && tls_size_of(&g, page.ready_rings) <= size;
}

}  // namespace

Socket* map_socket(int memory_fd) {
  struct stat about {};
  void* at = MAP_FAILED;
  if (memory_fd >= 0 && ::fstat(memory_fd, &about) == 0 &&
      about.st_size >= static_cast<off_t>(sizeof(tls_page))) {
    at = ::mmap(nullptr, static_cast<size_t>(about.st_size), PROT_READ | PROT_WRITE, MAP_SHARED,
                memory_fd, 0);
  }
  if (memory_fd >= 0) raw::close(memory_fd);
  if (at == MAP_FAILED) return nullptr;
  auto* const page = static_cast<tls_page*>(at);
  const auto size = static_cast<uint64_t>(about.st_size);
  Socket* const socket = makes_sense(*page, size) ? descriptors::new_socket() : nullptr;
  if (socket == nullptr) {
    ::munmap(at, size);
    return nullptr;
  }
  socket->page = page;
  socket->size = size;
  socket->lingers = false;
  socket->kept = -1;
  socket->members = nullptr;
  ::new (socket->rings_memory)
      Rings(*page, static_cast<uint8_t*>(at), tls_layout_of(&page->geometry));
  __atomic_store_n(&socket->references, 1, __ATOMIC_RELEASE);
  return socket;
}

void unmap_socket(Socket& socket) {
  ::munmap(socket.page, socket.size);
}

}  // namespace trunkline::sctp
