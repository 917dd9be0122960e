// SPDX-License-Identifier: BSD-3-Clause
// The profiles section: every field of Profile with its unit, `extends`, and the rules between
// fields. Limits and rules are the stack's (trunkline/stack/profile_limits.h).
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/sections.h"
#include "trunkline/stack/profile_limits.h"

namespace trunkline::config {
namespace {

// Reads each number of a profile, within its limits.
struct Reader {
  const Map& map;
  Profile& out;

  void duration(std::string_view name, Duration Profile::*member, Duration least, Duration most) {
    map.duration(name, out.*member, least, most);
  }
  template <typename Int>
  void count(std::string_view name, Int Profile::*member, uint32_t least, uint32_t most) {
    map.integer(name, out.*member, least, most);
  }
  void bytes(std::string_view name, uint32_t Profile::*member, uint32_t least, uint32_t most) {
    map.bytes(name, out.*member, least, most);
  }
};

void read_fields(const Map& map, Profile& out) {
  visit_profile_limits(Reader{map, out});
  map.boolean("linear_backoff", out.linear_backoff);
  if (const auto field = map.find("primary_switchover_max_retrans")) {
    if (field->node.IsScalar() && field->node.Scalar() == "never") {
      out.primary_switchover_max_retrans = kNeverSwitch;
    } else {
      map.integer("primary_switchover_max_retrans", out.primary_switchover_max_retrans, 0,
                  kMostSwitchoverRetrans);
    }
  }
  if (const auto which = map.choice("peer_address_check", {"loose", "exact"})) {
    out.peer_address_check = *which == 0 ? AddressCheck::kLoose : AddressCheck::kExact;
  }
  if (const auto which = map.choice("pmtu_discovery", {"off", "reactive", "probing"})) {
    out.pmtu_discovery = static_cast<PmtuDiscovery>(*which);
  }
  if (const auto which = map.choice("loss_recovery", {"rfc9260", "early", "rack"})) {
    out.loss_recovery = static_cast<LossRecovery>(*which);
  }
  map.boolean("partial_reliability", out.partial_reliability);
  map.boolean("nagle", out.nagle);
  map.boolean("one_data_per_packet", out.one_data_per_packet);
  if (const auto which = map.choice("scheduler", {"round_robin", "fcfs"})) {
    out.scheduler = static_cast<StreamScheduling>(*which);
  }
}

// The field to blame: the first of `keys` that this profile writes itself, else the profile.
Field blame(const Map& map, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (auto field = map.find(key)) return *field;
  }
  return map.at();
}

void check_fields(const Map& map, const Profile& p) {
  Mistakes& mistakes = map.mistakes();
  if (!keeps(p, ProfileRule::kRtoMin)) {
    mistakes.conclude(
        blame(map, {"rto_min", "rto_initial"}), {"profiles"},
        fmt::format("rto_min {} is above rto_initial {}; wanted is rto_min <= rto_initial "
                    "<= rto_max",
                    duration_text(p.rto_min), duration_text(p.rto_initial)));
  }
  if (!keeps(p, ProfileRule::kRtoMax)) {
    mistakes.conclude(
        blame(map, {"rto_max", "rto_initial"}), {"profiles"},
        fmt::format("rto_max {} is below rto_initial {}; wanted is rto_min <= rto_initial "
                    "<= rto_max",
                    duration_text(p.rto_max), duration_text(p.rto_initial)));
  }
  if (!keeps(p, ProfileRule::kSwitchover)) {
    mistakes.conclude(
        blame(map, {"primary_switchover_max_retrans", "potentially_failed_max_retrans"}),
        {"profiles"},
        fmt::format("primary_switchover_max_retrans {} is below {}, where data leaves a path; "
                    "raise it, or write never",
                    p.primary_switchover_max_retrans, leaving_threshold(p)));
  }
  // A path with less than the default needs no word about the base: it is lowered with it.
  const bool says_base = map.find("pmtu_base") || p.pmtu_base != Profile{}.pmtu_base;
  if (says_base && p.pmtu_base > p.path_mtu) {
    mistakes.conclude(
        blame(map, {"pmtu_base", "path_mtu"}), {"profiles"},
        fmt::format("pmtu_base {} is above path_mtu {}; lower pmtu_base or raise path_mtu",
                    p.pmtu_base, p.path_mtu));
  }
  if (!keeps(p, ProfileRule::kWindow)) {
    mistakes.conclude(
        blame(map, {"a_rwnd", "max_message_size"}), {"profiles"},
        fmt::format("a_rwnd {} is smaller than twice max_message_size {}, so that the "
                    "largest message could not always be received; raise a_rwnd or lower "
                    "max_message_size",
                    bytes_text(p.a_rwnd), bytes_text(p.max_message_size)));
  }
  if (!keeps(p, ProfileRule::kPartialDelivery)) {
    mistakes.conclude(blame(map, {"partial_delivery_point", "a_rwnd"}), {"profiles"},
                      fmt::format("partial_delivery_point {} is above half of a_rwnd {}, so that "
                                  "the window could shut before; lower it or raise a_rwnd",
                                  bytes_text(p.partial_delivery_point), bytes_text(p.a_rwnd)));
  }
  if (!keeps(p, ProfileRule::kSendBuffer)) {
    mistakes.conclude(blame(map, {"send_buffer", "max_message_size"}), {"profiles"},
                      fmt::format("send_buffer {} is smaller than max_message_size {}, so that the "
                                  "largest message could never be sent; raise send_buffer or lower "
                                  "max_message_size",
                                  bytes_text(p.send_buffer), bytes_text(p.max_message_size)));
  }
}

struct Written {
  Field at;
  std::string name;
  std::optional<std::string> extends;
};

class Resolver {
 public:
  Resolver(std::vector<Written> written, Loading& loading)
      : written_(std::move(written)), loading_(loading) {}

  void resolve_all() {
    for (size_t i = 0; i < written_.size(); ++i) {
      if (written_[i].name == "default") resolve(i);
    }
    for (size_t i = 0; i < written_.size(); ++i) resolve(i);
  }

 private:
  Profile resolve(size_t index) {
    const Written& one = written_[index];
    if (const NamedProfile* done = find_done(one.name)) return done->profile;
    Profile base = one.name == "default" ? Profile{} : loading_.config.profiles[0].profile;
    if (one.extends) base = parent_of(index);
    const Map map = read(one.at);
    read_fields(map, base);
    check_fields(map, base);
    finished_.insert(one.name);
    if (one.name == "default") {
      loading_.config.profiles[0].profile = base;
    } else {
      loading_.config.profiles.push_back({one.name, base});
    }
    return base;
  }

  Profile parent_of(size_t index) {
    const Written& one = written_[index];
    const Field at{one.at.node["extends"], one.at.key + ".extends",
                   one.at.node["extends"].Mark().line + 1};
    if (!under_way_.insert(one.name).second || *one.extends == one.name) {
      loading_.mistakes.add(at, "profiles extend each other in a circle");
      return {};
    }
    Profile parent = loading_.config.profiles[0].profile;
    const auto found = std::find_if(written_.begin(), written_.end(), [&](const Written& other) {
      return other.name == *one.extends;
    });
    if (found != written_.end()) {
      parent = resolve(static_cast<size_t>(found - written_.begin()));
    } else if (*one.extends != "default") {
      std::vector<std::string_view> names{"default"};
      for (const Written& other : written_) names.push_back(other.name);
      loading_.mistakes.conclude(at, {"profiles"},
                                 fmt::format("there is no profile \"{}\"{}", *one.extends,
                                             did_you_mean(*one.extends, names)));
    }
    under_way_.erase(one.name);
    return parent;
  }

  Map read(const Field& at) {
    return Map(at,
               {"extends",
                "rto_initial",
                "rto_min",
                "rto_max",
                "linear_backoff",
                "association_max_retrans",
                "path_max_retrans",
                "max_init_retransmits",
                "heartbeat_interval",
                "potentially_failed_max_retrans",
                "primary_switchover_max_retrans",
                "primary_return_heartbeats",
                "peer_address_check",
                "sack_delay",
                "sack_frequency",
                "outbound_streams",
                "max_inbound_streams",
                "valid_cookie_life",
                "shutdown_guard",
                "a_rwnd",
                "receive_memory",
                "send_buffer",
                "max_message_size",
                "partial_delivery_point",
                "partial_reliability",
                "path_mtu",
                "pmtu_discovery",
                "pmtu_base",
                "pmtu_probe_timeout",
                "pmtu_raise_interval",
                "max_burst",
                "loss_recovery",
                "nagle",
                "one_data_per_packet",
                "scheduler",
                "dscp"},
               loading_.mistakes);
  }

  const NamedProfile* find_done(const std::string& name) const {
    if (!finished_.contains(name)) return nullptr;
    for (const NamedProfile& profile : loading_.config.profiles) {
      if (profile.name == name) return &profile;
    }
    return nullptr;
  }

  std::vector<Written> written_;
  Loading& loading_;
  std::set<std::string> under_way_;
  std::set<std::string> finished_;
};

}  // namespace

void load_profiles(const Field& at, Loading& loading) {
  const Map map(at, {}, loading.mistakes);
  std::vector<Written> written;
  if (!at.node.IsMap()) return;
  for (const auto& entry : at.node) {
    if (!entry.first.IsScalar()) continue;
    const std::string& name = entry.first.Scalar();
    const bool seen = std::any_of(written.begin(), written.end(),
                                  [&](const Written& other) { return other.name == name; });
    if (seen) continue;  // noted by Map
    const auto field = map.find(name);
    if (!check_name(*field, name, loading.mistakes)) continue;
    Written one{*field, name, std::nullopt};
    if (field->node.IsMap() && field->node["extends"]) {
      const YAML::Node extends = field->node["extends"];
      one.extends = scalar({extends, field->key + ".extends", extends.Mark().line + 1},
                           "the name of a profile", loading.mistakes);
    }
    written.push_back(std::move(one));
  }
  Resolver(std::move(written), loading).resolve_all();
}

}  // namespace trunkline::config
