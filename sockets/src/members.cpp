// SPDX-License-Identifier: BSD-3-Clause
#include "members.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "attachment.h"
#include "descriptor_table.h"
#include "names.h"

namespace trunkline::sctp {

// Sparse: what is not used is not there. All of it is read and written atomically; guesses may be
// wrong.
struct MemberTable {
  static constexpr uint32_t kGuesses = 16384;
  Socket* by_index[TLS_MAX_SOCKETS];  // each a reference
  uint64_t by_id[kGuesses];           // id << 32 | index
  uint64_t by_peer[kGuesses];         // the rest of the hash << 32 | index
  uint32_t top;                       // one above the largest index that ever was in by_index
};

Member& Member::operator=(Member&& other) noexcept {
  std::swap(socket_, other.socket_);
  return *this;
}

Member::~Member() {
  if (socket_ != nullptr) descriptors::drop(*socket_);
}

namespace members {
namespace {

constexpr size_t kLargestQuery = TLS_MAX_BODY;

// Null: there is no room.
MemberTable* table_of(Socket& front) {
  MemberTable* const there = __atomic_load_n(&front.members, __ATOMIC_ACQUIRE);
  if (there != nullptr) return there;
  void* const at = ::mmap(nullptr, sizeof(MemberTable), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  MemberTable* none = nullptr;
  auto* const made = static_cast<MemberTable*>(at);
  if (__atomic_compare_exchange_n(&front.members, &none, made, false, __ATOMIC_ACQ_REL,
                                  __ATOMIC_ACQUIRE)) {
    return made;
  }
  ::munmap(at, sizeof(MemberTable));
  return none;
}

// Of the primary address, so that it can be checked against the member's page.
struct PeerName {
  uint16_t port = 0;  // network order
  uint8_t bytes[16] = {};
  bool operator==(const PeerName& other) const {
    return port == other.port && std::memcmp(bytes, other.bytes, sizeof(bytes)) == 0;
  }
};

bool read_peer(const uint8_t* name, size_t size, PeerName& out) {
  sockaddr_in6 v6{};
  sockaddr_in v4{};
  sa_family_t family = 0;
  if (size < sizeof(v4)) return false;
  std::memcpy(&family, name, sizeof(family));
  if (family == AF_INET) {
    std::memcpy(&v4, name, sizeof(v4));
    out.port = v4.sin_port;
    out.bytes[10] = out.bytes[11] = 0xff;
    std::memcpy(out.bytes + 12, &v4.sin_addr, 4);
    return true;
  }
  if (family != AF_INET6 || size < sizeof(v6)) return false;
  std::memcpy(&v6, name, sizeof(v6));
  out.port = v6.sin6_port;
  std::memcpy(out.bytes, &v6.sin6_addr, 16);
  return true;
}

uint64_t hash_of(const PeerName& name) {
  uint64_t words[2];
  std::memcpy(words, name.bytes, sizeof(words));
  uint64_t hash = words[0] * 0x9e3779b97f4a7c15ull ^ words[1] * 0xc2b2ae3d27d4eb4full ^ name.port;
  hash *= 0xff51afd7ed558ccdull;
  return hash ^ hash >> 33;
}

bool lives(const Socket& member) {
  const uint32_t state = member.state();
  return state == TLS_CONNECTING || state == TLS_ESTABLISHED;
}

bool is_of(const Socket& front, const Socket& member) {
  return load_acquire(member.page->front) == front.page->index;
}

// As this process knows it; none: it does not, or not rightly any more.
Member known(Socket& front, uint32_t index) {
  const MemberTable* const table = __atomic_load_n(&front.members, __ATOMIC_ACQUIRE);
  if (table == nullptr || index >= TLS_MAX_SOCKETS) return {};
  Member out(descriptors::acquire_at(table->by_index[index]));
  if (!out) return {};
  if (out->state() != TLS_GONE && is_of(front, *out)) return out;
  forget(front, *out);
  return {};
}

// Members that are over, of which readers in this process will not hear any more.
void sweep(Socket& front, MemberTable& table) {
  const uint32_t top = load_acquire(table.top);
  for (uint32_t i = 0; i < top; ++i) known(front, i);
}

long keep(Socket& front, int memory_fd, Member& out) {
  if (memory_fd < 0) return -EMFILE;
  MemberTable* const table = table_of(front);
  Socket* const fresh = map_socket(memory_fd);
  if (table == nullptr || fresh == nullptr) {
    if (fresh != nullptr) descriptors::drop(*fresh);
    return -ENOMEM;
  }
  const uint32_t index = fresh->page->index;
  out = Member(fresh);
  descriptors::hold(*fresh);
  Socket* const before = __atomic_exchange_n(&table->by_index[index], fresh, __ATOMIC_SEQ_CST);
  if (before != nullptr) descriptors::drop(*before);
  uint32_t top = load_acquire(table->top);
  if (index < top) return 0;
  // Now and then: each that is new would otherwise make a look at all.
  constexpr uint32_t kSweepEvery = 256;
  if (index / kSweepEvery != top / kSweepEvery) sweep(front, *table);
  while (index >= top && !__atomic_compare_exchange_n(&table->top, &top, index + 1, false,
                                                      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
  }
  return 0;
}

long ask(Socket& front, const tls_member_query& query, const Peer& peer, tls_begin how, Member& out,
         bool* begun = nullptr) {
  uint8_t body[kLargestQuery];
  if (peer.size > sizeof(body) - sizeof(query)) return -EINVAL;
  std::memcpy(body, &query, sizeof(query));
  if (peer.size != 0) std::memcpy(body + sizeof(query), peer.names, peer.size);
  attachment::Request request;
  request.kind = TLS_MEMBER;
  request.socket = front.page;
  request.a = how;
  request.body = body;
  request.length = static_cast<uint32_t>(sizeof(query)) + peer.size;
  uint8_t just_now = 0;
  attachment::Reply reply;
  reply.body = &just_now;
  reply.room = sizeof(just_now);
  const long error = attachment::request(request, reply);
  if (error != 0) return error;
  if (begun != nullptr) *begun = reply.length != 0;
  return keep(front, reply.descriptors[0], out);
}

}  // namespace

long with_index(Socket& front, uint32_t index, Member& out) {
  out = known(front, index);
  if (out) return 0;
  tls_member_query query{};
  query.index = index;
  return ask(front, query, {}, TLS_ONLY_LOOK, out);
}

long with_id(Socket& front, uint32_t id, Member& out) {
  MemberTable* const table = table_of(front);
  if (table == nullptr) return -ENOMEM;
  uint64_t& guess = table->by_id[id % MemberTable::kGuesses];
  const uint64_t found = __atomic_load_n(&guess, __ATOMIC_RELAXED);
  if (found >> 32 == id) {
    out = known(front, static_cast<uint32_t>(found));
    if (out && load_acquire(out->page->assoc_id) == id && lives(*out)) return 0;
  }
  tls_member_query query{};
  query.id = static_cast<int32_t>(id);
  query.index = TLS_NO_FRONT;
  const long error = ask(front, query, {}, TLS_ONLY_LOOK, out);
  if (error == 0) {
    __atomic_store_n(&guess, uint64_t{id} << 32 | out->page->index, __ATOMIC_RELAXED);
  }
  return error;
}

long with_peer(Socket& front, const Peer& peer, tls_begin how, Member& out, bool& begun) {
  begun = false;
  MemberTable* const table = table_of(front);
  if (table == nullptr) return -ENOMEM;
  PeerName name;
  const bool readable = read_peer(peer.names, peer.size, name);
  const uint64_t hash = hash_of(name);
  uint64_t& guess = table->by_peer[hash % MemberTable::kGuesses];
  const uint64_t found = __atomic_load_n(&guess, __ATOMIC_RELAXED);
  if (readable && how != TLS_BEGIN_ANEW && found >> 32 == hash >> 32) {
    out = known(front, static_cast<uint32_t>(found));
    PeerName primary;
    if (out && lives(*out)) {
      const tls_name its = read_name(*out->page, out->page->peer);
      if (read_peer(its.bytes, its.length, primary) && primary == name) return 0;
    }
  }
  tls_member_query query{};
  query.index = TLS_NO_FRONT;
  query.stream = peer.stream;
  if (peer.init != nullptr) {
    query.has_init = 1;
    std::memcpy(query.init, peer.init, sizeof(query.init));
  }
  const long error = ask(front, query, peer, how, out, &begun);
  if (error == 0 && readable) {
    __atomic_store_n(&guess, hash >> 32 << 32 | out->page->index, __ATOMIC_RELAXED);
  }
  return error;
}

bool any(Socket& front) {
  const MemberTable* const table = __atomic_load_n(&front.members, __ATOMIC_ACQUIRE);
  const uint32_t top = table != nullptr ? load_acquire(table->top) : 0;
  for (uint32_t i = 0; i < top; ++i) {
    const Member member = known(front, i);
    if (member && member->state() != TLS_ENDED) return true;
  }
  return false;
}

void forget(Socket& front, Socket& member) {
  MemberTable* const table = __atomic_load_n(&front.members, __ATOMIC_ACQUIRE);
  if (table == nullptr) return;
  Socket* expected = &member;
  if (__atomic_compare_exchange_n(&table->by_index[member.page->index % TLS_MAX_SOCKETS], &expected,
                                  nullptr, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
    descriptors::drop(member);
  }
}

void forget_all(Socket& front) {
  MemberTable* const table = __atomic_exchange_n(&front.members, nullptr, __ATOMIC_ACQ_REL);
  if (table == nullptr) return;
  for (uint32_t i = 0; i < table->top; ++i) {
    if (table->by_index[i] != nullptr) descriptors::drop(*table->by_index[i]);
  }
  ::munmap(table, sizeof(MemberTable));
}

}  // namespace members
}  // namespace trunkline::sctp
