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
    out = copy_once<tls_name>(&name);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
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
