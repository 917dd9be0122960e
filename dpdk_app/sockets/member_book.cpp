// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/member_book.h"

namespace trunkline::sockets {

void MemberBook::add(uint64_t serial, std::span<const IpAddress> peers, uint16_t port) {
  members_[serial].port = port;
  unnamed_.insert(serial);
  add_peers(serial, peers);
}

void MemberBook::name(uint64_t serial, uint32_t id) {
  const auto at = members_.find(serial);
  if (at == members_.end() || id == 0 || at->second.retired || at->second.peeled_off) return;
  unnamed_.erase(serial);
  at->second.id = id;
  ids_[id] = serial;
}

void MemberBook::add_peers(uint64_t serial, std::span<const IpAddress> peers) {
  const auto at = members_.find(serial);
  if (at == members_.end()) return;
  Member& member = at->second;
  for (const IpAddress& peer : peers) {
    // Who had that address before is over, or about to be: the newer one answers to it.
    uint64_t& whose = peers_[{peer, member.port}];
    if (whose == serial) continue;
    whose = serial;
    member.peers.push_back(peer);
  }
}

void MemberBook::forget_id(uint64_t serial, const Member& member) {
  unnamed_.erase(serial);
  const auto id = ids_.find(member.id);
  if (id != ids_.end() && id->second == serial) ids_.erase(id);
}

void MemberBook::retire(uint64_t serial) {
  const auto at = members_.find(serial);
  if (at == members_.end()) return;
  Member& member = at->second;
  member.retired = true;
  forget_id(serial, member);
  for (const IpAddress& peer : member.peers) {
    const auto found = peers_.find({peer, member.port});
    if (found != peers_.end() && found->second == serial) peers_.erase(found);
  }
  member.peers.clear();
}

void MemberBook::peel_off(uint64_t serial) {
  const auto at = members_.find(serial);
  if (at == members_.end()) return;
  forget_id(serial, at->second);
  at->second.peeled_off = true;
}

void MemberBook::remove(uint64_t serial) {
  retire(serial);
  members_.erase(serial);
}

uint64_t MemberBook::by_id(uint32_t id) const {
  const auto at = ids_.find(id);
  return at != ids_.end() ? at->second : kNobody;
}

uint64_t MemberBook::by_peer(const IpAddress& peer, uint16_t port) const {
  const auto at = peers_.find({peer, port});
  return at != peers_.end() ? at->second : kNobody;
}

std::vector<uint32_t> MemberBook::ids() const {
  std::vector<uint32_t> out;
  for (const auto& [id, serial] : ids_) out.push_back(id);
  return out;
}

std::vector<uint64_t> MemberBook::serials() const {
  std::vector<uint64_t> out;
  for (const auto& [serial, member] : members_) {
    if (!member.peeled_off) out.push_back(serial);
  }
  return out;
}

}  // namespace trunkline::sockets
