// SPDX-License-Identifier: BSD-3-Clause
#include "names.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "user_memory.h"

namespace trunkline::sctp {

tls_name read_name(const tls_page& page, const tls_name& name) {
  tls_name out{};
  for (int i = 0; i < 1000; ++i) {
    const uint32_t before = load_acquire(page.names);
    uint64_t words[sizeof(out) / 8];
    const auto* const from = reinterpret_cast<const uint64_t*>(&name);
    // Acquire: none of them is read after the count is looked at again.
    for (size_t w = 0; w < sizeof(out) / 8; ++w) {
      words[w] = __atomic_load_n(&from[w], __ATOMIC_ACQUIRE);
    }
    std::memcpy(&out, words, sizeof(out));
    if (before % 2 == 0 && load_relaxed(page.names) == before) break;
  }
  if (out.length == 0 || out.length > TLS_NAME_SIZE) {
    out = tls_name{};
    out.length = page.family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    const auto family = static_cast<sa_family_t>(page.family);
    std::memcpy(out.bytes, &family, sizeof(family));
  }
  return out;
}

long store_name(const tls_name& name, sockaddr* to, socklen_t* length) {
  socklen_t room = 0;
  long error = fetch(&room, length, sizeof(room));
  if (error != 0) return error;
  if (static_cast<int>(room) < 0) return -EINVAL;
  error = store(to, name.bytes, std::min<size_t>(room, name.length));
  const socklen_t whole = name.length;
  return error != 0 ? error : store(length, &whole, sizeof(whole));
}

}  // namespace trunkline::sctp
