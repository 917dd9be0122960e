// SPDX-License-Identifier: BSD-3-Clause
// What the readers and writers of the option table share. Each returns an errno. Those of one part
// of the table are in one file.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <type_traits>

#include "sockets/linux_sctp.h"
#include "sockets/options.h"

namespace trunkline::sockets {

struct OptionCall {
  OptionTarget& target;
  std::span<const uint8_t> in;  // set: the value; get: what lies in the buffer
  size_t room = 0;              // set: bytes of the value; get: of the buffer
  OptionAnswer& answer;

  [[nodiscard]] SocketOptions& options() const { return target.options; }
  [[nodiscard]] AssocOptions& association() const { return target.options.association(); }
  // What counts for the next association, or for the present one, with what is configured.
  [[nodiscard]] Profile profile() const {
    return profile_of(options(), association(), target.configured, target.floors);
  }

  template <typename T>
  [[nodiscard]] T head() const {
    static_assert(std::is_trivially_copyable_v<T>);
    T out{};
    if (!in.empty()) std::memcpy(&out, in.data(), std::min(in.size(), sizeof(T)));
    return out;
  }
  // Writes `value`, or its first bytes.
  template <typename T>
  int give(const T& value, size_t size = sizeof(T)) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&value);
    answer.body.assign(bytes, bytes + size);
    answer.length = static_cast<int>(size);
    return 0;
  }
};

struct OptionEntry {
  int name;
  int (*get)(OptionCall&);  // null: ENOPROTOOPT
  int (*set)(OptionCall&);
  // The association is asked: for reading, for writing.
  bool get_asks = false;
  bool set_asks = false;
};

// The peer's address in an option's structure: all of them, one, or none of the peer's.
struct PeerChoice {
  enum Kind : uint8_t { kAll, kOne, kNone } kind = kAll;
  size_t path = 0;  // kOne: in AssocStatus::paths
};
[[nodiscard]] PeerChoice choose_peer(const OptionCall& call, const sockaddr_storage& address);
void put_name(const tls_name& name, void* at);

[[nodiscard]] inline uint32_t ms_of(Duration duration) {
  return static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}
// Of other sockets than one-to-one ones, or of what is not there.
inline int unsupported(OptionCall& /*call*/) {
  return EOPNOTSUPP;
}

[[nodiscard]] std::span<const OptionEntry> timer_options();    // RTO, retransmissions, heartbeats
[[nodiscard]] std::span<const OptionEntry> message_options();  // sending, receiving, notifications
[[nodiscard]] std::span<const OptionEntry> status_options();   // what is read of an association
[[nodiscard]] std::span<const OptionEntry> partial_options();  // partial reliability
[[nodiscard]] std::span<const OptionEntry> absent_options();   // of other extensions

}  // namespace trunkline::sockets
