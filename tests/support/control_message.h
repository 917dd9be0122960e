// SPDX-License-Identifier: BSD-3-Clause
// A message of sendmsg() or recvmsg() with memory for its control data. Its parts are whoever's
// makes it.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

namespace trunkline::test {

struct ControlMessage : msghdr {
  static constexpr size_t kRoom = 256;

  explicit ControlMessage(std::span<iovec> parts = {}) : msghdr{} {
    msg_iov = parts.data();
    msg_iovlen = parts.size();
  }
  ControlMessage(const ControlMessage&) = delete;
  ControlMessage& operator=(const ControlMessage&) = delete;

  // To send: this one piece, of which its header says that it has `said` bytes.
  template <typename T>
  void put(int level, int type, const T& value, size_t said = sizeof(T)) {
    static_assert(CMSG_SPACE(sizeof(T)) <= kRoom);
    std::memset(room_, 0, sizeof(room_));
    make_room(CMSG_SPACE(sizeof(T)));
    cmsghdr* const header = CMSG_FIRSTHDR(this);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(said);
    std::memcpy(CMSG_DATA(header), &value, sizeof(value));
  }

  // To receive: so much room.
  void make_room(size_t size = kRoom) {
    msg_control = room_;
    msg_controllen = size;
  }
  // The one piece of a type that was received, whole; nothing if there is none, or another one.
  template <typename T>
  [[nodiscard]] std::optional<T> the_one(int level, int type) {
    std::optional<T> out;
    for (cmsghdr* at = CMSG_FIRSTHDR(this); at != nullptr; at = CMSG_NXTHDR(this, at)) {
      if (at->cmsg_level != level || at->cmsg_type != type) continue;
      if (out || at->cmsg_len != CMSG_LEN(sizeof(T))) return std::nullopt;
      std::memcpy(&out.emplace(), CMSG_DATA(at), sizeof(T));
    }
    return out;
  }

 private:
  alignas(cmsghdr) char room_[kRoom] = {};
};

}  // namespace trunkline::test
