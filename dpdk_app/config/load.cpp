// SPDX-License-Identifier: BSD-3-Clause
// The document as a whole: YAML syntax, the order in which sections are read, and the small
// sections that concern the daemon itself.
#include "config/load.h"

#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "config/sections.h"

namespace trunkline::config {
namespace {

void load_document(const YAML::Node& root, Loading& loading) {
  const Field at{root, "", root.Mark().line + 1};
  const Map top(at,
                {"eal", "workers", "ports", "profiles", "endpoints", "peers", "clients", "sockets",
                 "control", "logging", "limits", "capture", "idle", "drain_timeout", "grace"},
                loading.mistakes);
  if (!root.IsMap()) return;
  if (const auto field = top.find("eal")) load_eal(*field, loading);
  if (const auto field = top.find("workers")) load_workers(*field, loading);
  if (const auto field = top.require("ports", "\"ports:\" with a list of them")) {
    load_ports(*field, loading);
  }
  if (const auto field = top.find("profiles")) load_profiles(*field, loading);
  if (const auto field = top.find("endpoints")) load_endpoints(*field, loading);
  if (const auto field = top.find("peers")) load_peers(*field, loading);
  if (const auto field = top.find("clients")) {
    load_clients(*field, loading);
  }
  if (const auto field = top.find("sockets")) load_sockets(*field, loading);
  load_daemon(top, loading);
  cross_check(loading);
}

}  // namespace

bool check_name(const Field& at, const std::string& name, Mistakes& mistakes) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  if (!name.empty() && name.size() <= 31 && std::all_of(name.begin(), name.end(), plain)) {
    return true;
  }
  mistakes.add(at,
               fmt::format("\"{}\" is not a name; use 1 to 31 letters, digits, '-' or '_'", name));
  return false;
}

std::optional<Prefix> read_prefix(const Field& field, bool whole_address_too, Mistakes& mistakes) {
  const auto text = scalar(field, "an address with its prefix", mistakes);
  if (!text) return std::nullopt;
  const size_t slash = text->find('/');
  const auto address = IpAddress::parse(std::string_view(*text).substr(0, slash));
  if (!address) {
    mistakes.add(field, fmt::format("\"{}\" is not an address with its prefix, such as "
                                    "192.0.2.1/24 or 2001:db8::1/64",
                                    *text));
    return std::nullopt;
  }
  const unsigned bits = address->is_ipv4() ? 32 : 128;
  if (slash == std::string::npos) {
    if (whole_address_too) return Prefix{*address, static_cast<uint8_t>(bits)};
    mistakes.add(field, fmt::format("{} lacks the length of its prefix; write {}/{}", *text, *text,
                                    address->is_ipv4() ? 24 : 64));
    return std::nullopt;
  }
  const std::string digits = text->substr(slash + 1);
  const bool number =
      !digits.empty() && digits.size() <= 3 &&
      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!number || std::stoul(digits) > bits || std::stoul(digits) == 0) {
    mistakes.add(field, fmt::format("the prefix of {} must be from 1 to {}, not \"{}\"",
                                    text->substr(0, slash), bits, digits));
    return std::nullopt;
  }
  return Prefix{*address, static_cast<uint8_t>(std::stoul(digits))};
}

void read_socket_path(const Map& map, std::string_view key, std::string& out) {
  map.text(key, out);
  const auto field = map.find(key);
  if (!field || !field->node.IsScalar()) return;
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (!out.starts_with('/')) {
    map.mistakes().add(*field, fmt::format("\"{}\" is not an absolute path", out));
  } else if (out.size() > kLongest) {
    map.mistakes().add(*field, fmt::format("the path of a socket has at most {} bytes, this one "
                                           "has {}",
                                           kLongest, out.size()));
  }
}

void read_mode(const Map& map, std::string_view key, uint32_t& out) {
  const auto field = map.find(key);
  if (!field) return;
  const auto text = scalar(*field, "permissions such as 0660", map.mistakes());
  if (!text) return;
  const bool octal = text->size() == 4 && text->front() == '0' &&
                     text->find_first_not_of("01234567") == std::string::npos;
  if (!octal) {
    map.mistakes().add(*field, fmt::format("\"{}\" is not octal permissions such as 0660", *text));
    return;
  }
  out = static_cast<uint32_t>(std::stoul(*text, nullptr, 8));
}

void load_daemon(const Map& top, Loading& loading) {
  Config& config = loading.config;
  if (const auto field = top.find("control")) {
    const Map map(*field, {"socket", "socket_mode"}, loading.mistakes);
    read_socket_path(map, "socket", config.control.socket);
    read_mode(map, "socket_mode", config.control.socket_mode);
  }
  if (const auto field = top.find("logging")) {
    const Map map(*field, {"level", "file"}, loading.mistakes);
    if (const auto level = map.choice("level", {"debug", "info", "warning", "error"})) {
      config.logging.level = static_cast<LogLevel>(*level);
    }
    map.text("file", config.logging.file);
  }
  if (const auto field = top.find("limits")) {
    Limits& limits = config.limits;
    const Map map(
        *field,
        {"max_associations", "max_extended", "receive_buffer", "max_outstanding_chunks",
         "max_queued_messages", "orphan_buffer", "out_of_blue_replies_per_second",
         "inits_per_second_per_source", "inits_per_second", "spent_cookies", "max_neighbours"},
        loading.mistakes);
    map.integer("max_associations", limits.max_associations, 1, 16u << 20);
    map.integer("max_extended", limits.max_extended, 0, 16u << 20);
    map.bytes("receive_buffer", limits.receive_buffer, 1ull << 20, 1ull << 40);
    map.integer("max_outstanding_chunks", limits.max_outstanding_chunks, 64, 1u << 28);
    map.integer("max_queued_messages", limits.max_queued_messages, 64, 1u << 28);
    map.bytes("orphan_buffer", limits.orphan_buffer, 0, 1ull << 40);
    map.integer("out_of_blue_replies_per_second", limits.out_of_blue_replies_per_second, 0,
                1'000'000);
    map.integer("inits_per_second_per_source", limits.inits_per_second_per_source, 0, 1'000'000);
    map.integer("inits_per_second", limits.inits_per_second, 0, 10'000'000);
    map.integer("spent_cookies", limits.spent_cookies, 0, 16u << 20);
    map.integer("max_neighbours", limits.max_neighbours, 8, 65536);
  }
  if (const auto field = top.find("capture")) {
    const Map map(*field, {"directory"}, loading.mistakes);
    map.text("directory", config.capture_directory);
    if (const auto directory = map.find("directory");
        directory && !config.capture_directory.starts_with('/')) {
      loading.mistakes.add(*directory,
                           fmt::format("\"{}\" is not an absolute path", config.capture_directory));
    }
  }
  if (const auto which = top.choice("idle", {"adaptive", "spin"})) {
    config.idle = static_cast<Idle>(*which);
  }
  top.duration("drain_timeout", config.drain_timeout, Duration(0), std::chrono::minutes(10));
  top.duration("grace", config.grace, Duration(0), std::chrono::minutes(10));
}

LoadResult parse_config(const std::string& text, const std::string& name) {
  LoadResult result;
  result.config.file = name;
  result.config.profiles.push_back({"default", Profile{}});
  Mistakes mistakes(name);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.empty() || documents[0].IsNull()) {
      mistakes.add(0, "", "the file is empty; at least \"ports:\" is needed");
    } else if (documents.size() > 1) {
      mistakes.add(documents[1].Mark().line + 1, "", "there must be one document in the file");
    } else {
      Loading loading{result.config, mistakes, {}, {}, {}, {}};
      load_document(documents[0], loading);
    }
  } catch (const YAML::Exception& error) {
    mistakes.add(error.mark.line + 1, "", "not YAML: " + error.msg);
  }
  result.mistakes = mistakes.take();
  std::stable_sort(result.mistakes.begin(), result.mistakes.end(),
                   [](const Mistake& a, const Mistake& b) { return a.line < b.line; });
  return result;
}

LoadResult load_config(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char bytes[4096];
  while (in.read(bytes, sizeof bytes) || in.gcount() > 0) {
    text.append(bytes, static_cast<size_t>(in.gcount()));
  }
  if (!in.eof()) {
    LoadResult result;
    result.mistakes.push_back(
        {path, 0, "", fmt::format("cannot be read: {}", std::strerror(errno))});
    return result;
  }
  return parse_config(text, path);
}

}  // namespace trunkline::config
