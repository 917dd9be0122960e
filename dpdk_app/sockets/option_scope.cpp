// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/option_scope.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "sockets/linux_sctp.h"

#include "sockets/address_set.h"

namespace trunkline::sockets {
namespace {

constexpr size_t kNoAddress = SIZE_MAX;

struct Place {
  int name;
  size_t id = 0;                // where the association's id lies
  bool many = false;            // setsockopt() takes SCTP_CURRENT_ASSOC and SCTP_ALL_ASSOC
  size_t address = kNoAddress;  // where an address of the peer lies that says as much as the id
  // An address that is known needs no id: Linux looks for it first.
  enum : uint8_t { kNever, kToSet, kAlways } address_alone = kNever;
};

constexpr std::array kPlaces = {
    Place{SCTP_RTOINFO},
    Place{SCTP_ASSOCINFO},
    Place{SCTP_PRIMARY_ADDR, 0, false, offsetof(sctp_prim, ssp_addr), Place::kToSet},
    Place{SCTP_PEER_ADDR_PARAMS, 0, false, offsetof(sctp_paddrparams, spp_address)},
    Place{SCTP_DEFAULT_SEND_PARAM, offsetof(sctp_sndrcvinfo, sinfo_assoc_id), true},
    Place{SCTP_DEFAULT_SNDINFO, offsetof(sctp_sndinfo, snd_assoc_id), true},
    Place{SCTP_MAXSEG},
    Place{SCTP_STATUS},
    Place{SCTP_GET_PEER_ADDR_INFO, 0, false, offsetof(sctp_paddrinfo, spinfo_address),
          Place::kAlways},
    Place{SCTP_DELAYED_SACK, 0, true},
    Place{SCTP_CONTEXT, 0, true},
    Place{SCTP_MAX_BURST, 0, true},
    Place{SCTP_AUTH_KEY, 0, true},
    Place{SCTP_AUTH_ACTIVE_KEY, 0, true},
    Place{SCTP_AUTH_DELETE_KEY, 0, true},
    Place{SCTP_AUTH_DEACTIVATE_KEY, 0, true},
    Place{SCTP_PEER_AUTH_CHUNKS},
    Place{SCTP_LOCAL_AUTH_CHUNKS},
    Place{SCTP_PEER_ADDR_THLDS, 0, false, offsetof(sctp_paddrthlds, spt_address), Place::kAlways},
    Place{SCTP_PEER_ADDR_THLDS_V2, 0, false, offsetof(sctp_paddrthlds_v2, spt_address),
          Place::kAlways},
    Place{SCTP_GET_PEER_ADDRS},
    Place{SCTP_GET_LOCAL_ADDRS},
    Place{SCTP_GET_ASSOC_STATS},
    Place{SCTP_PR_SUPPORTED},
    Place{SCTP_DEFAULT_PRINFO, offsetof(sctp_default_prinfo, pr_assoc_id), true},
    Place{SCTP_PR_ASSOC_STATUS},
    Place{SCTP_PR_STREAM_STATUS},
    Place{SCTP_RECONFIG_SUPPORTED},
    Place{SCTP_ENABLE_STREAM_RESET, 0, true},
    Place{SCTP_RESET_STREAMS},
    Place{SCTP_RESET_ASSOC},
    Place{SCTP_ADD_STREAMS},
    Place{SCTP_STREAM_SCHEDULER, 0, true},
    Place{SCTP_STREAM_SCHEDULER_VALUE, 0, true},
    Place{SCTP_INTERLEAVING_SUPPORTED},
    Place{SCTP_EVENT, 0, true},
    Place{SCTP_ASCONF_SUPPORTED},
    Place{SCTP_AUTH_SUPPORTED},
    Place{SCTP_ECN_SUPPORTED},
    Place{SCTP_EXPOSE_POTENTIALLY_FAILED_STATE},
    Place{SCTP_REMOTE_UDP_ENCAPS_PORT, 0, false, offsetof(sctp_udpencaps, sue_address),
          Place::kAlways},
    Place{SCTP_PLPMTUD_PROBE_INTERVAL, 0, false, offsetof(sctp_probeinterval, spi_address),
          Place::kAlways},
};

// Forms of an int, from before there were ids in them.
bool is_plain(int name, size_t size) {
  return (name == SCTP_MAXSEG || name == SCTP_MAX_BURST) && size == sizeof(int);
}

OptionScope of_the_socket(bool for_all) {
  OptionScope out;
  out.for_all = for_all;
  return out;
}

// Where an address lies that is enough; 0: there is none.
size_t address_alone(const Place& place, std::span<const uint8_t> value, bool set) {
  const bool enough =
      place.address_alone == Place::kAlways || (place.address_alone == Place::kToSet && set);
  if (!enough || value.size() < place.address) return 0;
  return means_all(value.subspan(place.address)) ? 0 : place.address;
}

}  // namespace

OptionScope scope_of(int level, int name, std::span<const uint8_t> value, bool set) {
  if (level != IPPROTO_SCTP) return of_the_socket(true);
  const auto place = std::ranges::find(kPlaces, name, &Place::name);
  if (place == kPlaces.end()) return of_the_socket(true);
  int32_t id = 0;
  if (is_plain(name, value.size()) || value.size() < place->id + sizeof(id)) {
    return of_the_socket(false);
  }
  std::memcpy(&id, value.data() + place->id, sizeof(id));
  OptionScope out;
  const size_t alone = address_alone(*place, value, set);
  switch (id) {
    case SCTP_FUTURE_ASSOC:
      if (place->address == kNoAddress || value.size() < place->address) return out;
      out.address = place->address;
      if (!means_all(value.subspan(place->address))) out.whose = OptionScope::kPeer;
      return out;
    case SCTP_CURRENT_ASSOC:
    case SCTP_ALL_ASSOC:
      if (alone != 0) {
        out.whose = OptionScope::kPeer;
        out.address = alone;
      } else if (!set || !place->many) {
        out.whose = OptionScope::kNobody;
      } else {
        out.whose = id == SCTP_ALL_ASSOC ? OptionScope::kAll : OptionScope::kCurrent;
      }
      return out;
    default:
      out.whose = OptionScope::kAssociation;
      out.address = alone;
      out.id = static_cast<uint32_t>(id);
      return out;
  }
}

}  // namespace trunkline::sockets
