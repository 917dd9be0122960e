// SPDX-License-Identifier: BSD-3-Clause
// An endpoint: a local port with its addresses, who may call it and with which profile; and the
// table that finds the endpoint of a packet. Knows nothing of associations beyond their number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "assoc/association.h"
#include "endpoint/port_table.h"

namespace trunkline {

struct Endpoint : LocalEnd {
  BoundAddresses bound;
  PortTable::Entry* place = nullptr;  // in the table of ports
  bool owned = false;                 // it was taken there for an owner
  bool beside_own = false;
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

class EndpointTable {
 public:
  // `of_host`: what the host has beside the addresses of endpoints and those of loopback; the
  // networks that they lie in, as far as known. `ports`: null, or shared with other tables.
  explicit EndpointTable(std::span<const IpAddress> of_host = {},
                         std::span<const uint8_t> prefix_lengths = {}, PortTable* ports = nullptr);
  EndpointTable(const EndpointTable&) = delete;
  EndpointTable& operator=(const EndpointTable&) = delete;
  ~EndpointTable();

  EndpointResult add(const EndpointConfig& config, RandomSource& random);
  [[nodiscard]] Endpoint* find(EndpointId id) const;
  // Of several, the one that listens.
  [[nodiscard]] Endpoint* find(const IpAddress& local, PortNumber port) const;
  // Has this host that address, for whichever endpoint?
  [[nodiscard]] bool is_ours(const IpAddress& address) const {
    return address.scope() == AddressScope::kLoopback || of_host_.contains(address);
  }
  // False: it is another's. kNobody gives it up.
  [[nodiscard]] bool own(Endpoint& endpoint, uint64_t owner);
  // Forgets an endpoint that is closing and has no association left.
  void forget_if_unused(Endpoint& endpoint);

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  [[nodiscard]] bool taken(PortNumber port, const BoundAddresses& bound, bool beside_own) const;
  void set_addresses(Endpoint& endpoint, const BoundAddresses& bound);
  [[nodiscard]] uint32_t free_id();

  const std::vector<IpAddress> all_;           // that an endpoint bound to all tells of
  const std::vector<uint8_t> prefix_lengths_;  // of their networks, in their order
  AddressSet of_host_;
  std::unique_ptr<PortTable> own_ports_;  // if there is no shared one
  PortTable& ports_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;  // by id; empty where forgotten
  std::vector<uint32_t> next_on_port_;                // by id: chains of endpoints on one port
  std::vector<uint32_t> first_on_port_ = std::vector<uint32_t>(65536, kNone);
  std::vector<uint32_t> free_ids_;
};

}  // namespace trunkline
