// SPDX-License-Identifier: BSD-3-Clause
// What is asked of the association that a socket has.
#include <algorithm>

#include "sockets/socket_bridge.h"

namespace trunkline::sockets {

EditResult SocketBridge::edit(TimePoint now, SocketEnd& socket, const ProfileEdit& edit) {
  return shard_.set_profile(now, socket.notes.assoc, edit);
}

EditResult SocketBridge::edit_path(TimePoint now, SocketEnd& socket, IpAddress peer,
                                   const PathEdit& edit) {
  return shard_.set_path_profile(now, socket.notes.assoc, peer, edit);
}

void SocketBridge::set_receive_buffer(SocketEnd& socket, uint64_t bytes) {
  socket.channel().set_receive_buffer(bytes);
  store_relaxed(socket.page().receive_buffer, static_cast<uint32_t>(bytes));
}

// Linux tells of it even if it was that already.
Status SocketBridge::set_primary(TimePoint now, SocketEnd& socket, IpAddress peer) {
  AssocStatus before;
  const bool same = shard_.status(socket.notes.assoc, before) &&
                    std::any_of(before.paths.begin(), before.paths.end(), [&](const auto& path) {
                      return path.primary && path.remote == peer;
                    });
  if (same) {
    Event event;
    event.kind = EventKind::kPrimaryChanged;
    event.assoc = socket.notes.assoc;
    event.path = peer;
    tell_or_keep(now, socket, event);
  }
  return shard_.set_primary(now, socket.notes.assoc, peer);
}

Status SocketBridge::request_heartbeat(TimePoint now, SocketEnd& socket, IpAddress peer) {
  return shard_.request_heartbeat(now, socket.notes.assoc, peer);
}

bool SocketBridge::status(const SocketEnd& socket, AssocStatus& out) const {
  return shard_.status(socket.notes.assoc, out);
}

const Profile* SocketBridge::profile(const SocketEnd& socket) const {
  return shard_.profile(socket.notes.assoc);
}

const Profile* SocketBridge::path_profile(const SocketEnd& socket, IpAddress peer) const {
  return shard_.path_profile(socket.notes.assoc, peer);
}

// It stays positive as a signed number, and is none of the ones that mean all, current or future.
uint32_t SocketBridge::assoc_id_of(AssocId id) const {
  constexpr uint32_t kFirst = 3;
  // A generation that lives is odd.
  return kFirst +
         ((id.generation >> 1 & 15u) << 26 | (config_.worker & 63u) << 20 | (id.slot & 0xfffffu));
}

}  // namespace trunkline::sockets
