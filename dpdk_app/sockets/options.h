// SPDX-License-Identifier: BSD-3-Clause
// getsockopt() and setsockopt() of a one-to-one socket: one table of numbers, each with its reader
// and writer. Lengths, values and errnos are those of Linux 6.1. What belongs to an extension that
// is not there answers as Linux does with that feature off, or EOPNOTSUPP. No system calls, no
// workers: what the association must say is brought along, what it must do is handed back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sockets/address_set.h"
#include "sockets/socket_options.h"
#include "trunkline/stack/stack.h"

namespace trunkline::sockets {

// What a worker says of an association.
struct AssociationView {
  AssocStatus status;
  Profile profile;
  std::vector<Profile> path_profiles;  // in the order of status.paths
};

// What options look at and change.
struct OptionTarget {
  SocketOptions& options;
  bool ipv6 = false;
  bool listening = false;
  uint16_t port = 0;                     // 0: not bound
  std::span<const IpAddress> addresses;  // that it is bound to, as BoundAddresses has them
  const OwnAddresses& own;
  const Profile& configured;
  const OptionFloors& floors;
  // There is an association, and what it says where needs_association() asked for it.
  bool connected = false;
  const AssociationView* association = nullptr;
  uint32_t assoc_id = 0;
  bool many = false;  // a one-to-many socket, or an association of one

  [[nodiscard]] FamilyView family() const { return {ipv6, options.v6_only, options.mapped_v4}; }
};

// What a worker has to do for an option, in this order.
struct OptionEffects {
  std::optional<ProfileEdit> edit;
  std::optional<std::pair<IpAddress, PathEdit>> path_edit;
  std::optional<IpAddress> primary;
  std::vector<IpAddress> heartbeats;
  bool tell_if_dry = false;  // SCTP_SENDER_DRY_EVENT, if nothing is under way

  [[nodiscard]] bool any() const {
    return edit || path_edit || primary || !heartbeats.empty() || tell_if_dry;
  }
};

struct OptionAnswer {
  int error = 0;              // an errno
  std::vector<uint8_t> body;  // get: what is to be written to the program's buffer
  int length = 0;             // get: what its length becomes
  OptionEffects effects;      // set
};

// Does the association have to be asked first, if there is one?
[[nodiscard]] bool needs_association(int level, int name, bool set);

// `there`: what lies in the program's buffer, `room` bytes large, as far as it was sent.
[[nodiscard]] OptionAnswer get_option(const OptionTarget& target, int level, int name,
                                      std::span<const uint8_t> there, size_t room);
[[nodiscard]] OptionAnswer set_option(OptionTarget& target, int level, int name,
                                      std::span<const uint8_t> value);

}  // namespace trunkline::sockets
