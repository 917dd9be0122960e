// SPDX-License-Identifier: BSD-3-Clause
// An endpoint: a local port with its addresses, who may call it and with which profile; and the
// table that finds the endpoint of a packet. Knows nothing of associations beyond their number.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "assoc/association.h"

namespace trunkline {

struct Endpoint : LocalEnd {
  Profile profile;
  std::optional<Profile> listening_profile;  // takes the place of `profile`
  std::shared_ptr<const PeerTable> peers;    // or null
  bool listening = false;
  bool closing = false;
  OutOfBlue out_of_blue = OutOfBlue::kAnswer;
  uint64_t user = 0;
  uint32_t associations = 0;

  // The entry that names this peer, however wide its prefix; null: a stranger.
  [[nodiscard]] const PeerProfile* configured(const IpAddress& peer) const {
    return peers != nullptr ? peers->find(peer) : nullptr;
  }
  // Of a configured peer, or of a stranger.
  [[nodiscard]] const Profile& profile_for(const PeerProfile* peer) const;
  [[nodiscard]] const Profile& profile_for(const IpAddress& peer) const {
    return profile_for(configured(peer));
  }
  // What the profile wants of a caller's addresses. Exact: those of one configured peer.
  [[nodiscard]] bool accepts_addresses(const PeerProfile* peer, const IpAddress& source,
                                       std::span<const IpAddress> listed) const;
};

// Which part of the dynamic ports a table takes its free ones from first: shards that see only
// their own endpoints would otherwise choose the same port for one peer.
struct PortShare {
  uint16_t index = 0;
  uint16_t count = 1;
};

class EndpointTable {
 public:
  // `of_host`: what the host has beside the addresses of endpoints.
  explicit EndpointTable(std::span<const IpAddress> of_host = {}) : of_host_(of_host) {}
  EndpointTable(const EndpointTable&) = delete;
  EndpointTable& operator=(const EndpointTable&) = delete;

  // Port 0 asks for a free one of the dynamic range, searched from a random place in its share,
  // then in those of others.
  EndpointResult add(const EndpointConfig& config, RandomSource& random, PortShare share = {});
  [[nodiscard]] Endpoint* find(EndpointId id) const;
  [[nodiscard]] Endpoint* find(const IpAddress& local, PortNumber port) const;
  // Has this host that address, for whichever endpoint?
  [[nodiscard]] bool is_ours(const IpAddress& address) const { return of_host_.contains(address); }
  // Forgets an endpoint that is closing and has no association left.
  void forget_if_unused(Endpoint& endpoint);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  // Which dynamic ports are taken on an address, a bit each: a client that has nearly all of them
  // and asks for more must not cost a look at every port.
  static constexpr uint16_t kFirstDynamicPort = 49152;  // RFC 6335 section 6
  using PortSet = std::array<uint64_t, (65536 - kFirstDynamicPort) / 64>;
  struct TakenPorts {
    IpAddress address;
    PortSet ports{};
  };

  [[nodiscard]] bool taken(PortNumber port, const std::vector<IpAddress>& addresses) const;
  // 0: all are taken.
  [[nodiscard]] PortNumber free_port(const std::vector<IpAddress>& addresses, RandomSource& random,
                                     PortShare share) const;
  void mark(const Endpoint& endpoint, bool taken);

  AddressSet of_host_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;  // by id; empty where forgotten
  std::vector<uint32_t> next_on_port_;                // by id: chains of endpoints on one port
  std::vector<uint32_t> first_on_port_ = std::vector<uint32_t>(65536, kNone);
  std::vector<uint32_t> free_ids_;
  std::vector<TakenPorts> taken_ports_;  // an entry for each address that ever had one
};

}  // namespace trunkline
