// SPDX-License-Identifier: BSD-3-Clause
// One reader for each section of trunklined.yaml. Each fills its part of Config and notes what is
// wrong; checks across sections are in cross_check(), which runs when all have been read.
#pragma once

#include <string>
#include <vector>

#include "config/reader.h"

namespace trunkline::config {

// What the sections hand to each other while a file is read.
struct Loading {
  Config& config;
  Mistakes& mistakes;
  // Names of profiles that were used, resolved once all profiles are known.
  struct ProfileUse {
    Field at;
    std::string name;
    size_t* index;
  };
  std::vector<ProfileUse> profile_uses;
  // Where each endpoint and each of its addresses was written, in the order of config.endpoints.
  struct EndpointPlace {
    Field at;
    std::vector<Field> addresses;
  };
  std::vector<EndpointPlace> endpoint_places;
  std::vector<Field> peer_places;
  std::vector<Field> core_places;  // in the order of config.workers.cores
};

void load_eal(const Field& at, Loading& loading);
void load_workers(const Field& at, Loading& loading);
void load_ports(const Field& at, Loading& loading);
void load_profiles(const Field& at, Loading& loading);
void load_endpoints(const Field& at, Loading& loading);
void load_peers(const Field& at, Loading& loading);
void load_clients(const Field& at, Loading& loading);
void load_sockets(const Field& at, Loading& loading);
void load_daemon(const Map& top, Loading& loading);  // control, logging, limits, capture, idle
void cross_check(Loading& loading);

// Names of ports, profiles and so on: letters, digits, '-' and '_', at most 31.
[[nodiscard]] bool check_name(const Field& at, const std::string& name, Mistakes& mistakes);
// "192.0.2.0/24"; with `whole_address_too` also "192.0.2.1", which is a prefix of all its bits.
[[nodiscard]] std::optional<Prefix> read_prefix(const Field& field, bool whole_address_too,
                                                Mistakes& mistakes);
// An absolute path of a UNIX socket, short enough for sockaddr_un.
void read_socket_path(const Map& map, std::string_view key, std::string& out);
// Octal file permissions, such as 0660.
void read_mode(const Map& map, std::string_view key, uint32_t& out);

}  // namespace trunkline::config
