// SPDX-License-Identifier: BSD-3-Clause
// The associations of a one-to-many socket as the sockets thread finds them: by the id that
// programs have, and by each address of the peer with its port. What they are called here are
// serials of sockets; the book owns nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "trunkline/stack/address.h"

namespace trunkline::sockets {

class MemberBook {
 public:
  static constexpr uint64_t kNobody = 0;

  void add(uint64_t serial, std::span<const IpAddress> peers, uint16_t port);
  // It has an id, once its worker knows it; its association may be over before that is heard of.
  void name(uint64_t serial, uint32_t id);
  // Likewise all that have none yet, as far as `id_of` a serial knows one (0: it does not).
  template <typename IdOf>
  void name_new(IdOf id_of) {
    for (const uint64_t serial : std::vector(unnamed_.begin(), unnamed_.end())) {
      name(serial, id_of(serial));
    }
  }
  // Its peer turned out to have these addresses, too.
  void add_peers(uint64_t serial, std::span<const IpAddress> peers);
  // Its association is over: it is found no more, but still is a member.
  void retire(uint64_t serial);
  // It is a member no more, but its peer's addresses still lead to it.
  void peel_off(uint64_t serial);
  void remove(uint64_t serial);

  // kNobody: there is none.
  [[nodiscard]] uint64_t by_id(uint32_t id) const;
  [[nodiscard]] uint64_t by_peer(const IpAddress& peer, uint16_t port) const;
  // In the order of their ids.
  [[nodiscard]] std::vector<uint32_t> ids() const;
  [[nodiscard]] std::vector<uint64_t> serials() const;
  [[nodiscard]] bool empty() const {
    return std::ranges::all_of(members_, [](const auto& one) { return one.second.peeled_off; });
  }

 private:
  struct Peer {
    IpAddress address;
    uint16_t port = 0;
    bool operator<(const Peer& other) const {
      if (port != other.port) return port < other.port;
      return std::ranges::lexicographical_compare(address.bytes(), other.address.bytes());
    }
  };
  struct Member {
    uint32_t id = 0;
    uint16_t port = 0;
    bool peeled_off = false;
    bool retired = false;
    std::vector<IpAddress> peers;
  };
  void forget_id(uint64_t serial, const Member& member);

  std::map<uint64_t, Member> members_;  // by serial
  std::set<uint64_t> unnamed_;
  std::map<uint32_t, uint64_t> ids_;
  std::map<Peer, uint64_t> peers_;
};

}  // namespace trunkline::sockets
