// SPDX-License-Identifier: BSD-3-Clause
// Clearing the way for a listening UNIX socket.
#include "unix_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace trunkline {
namespace {

constexpr unsigned kListening = 0x10000;  // __SO_ACCEPTCON, in the flags of /proc/net/unix

bool listed_as_listening(const std::filesystem::path& table, const std::string& path) {
  std::ifstream in(table);
  std::string line;
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string slot;
    std::string count;
    std::string protocol;
    std::string flags;
    std::string type;
    std::string state;
    std::string inode;
    std::string name;
    words >> slot >> count >> protocol >> flags >> type >> state >> inode >> std::ws;
    std::getline(words, name);
    if (name == path && (std::strtoul(flags.c_str(), nullptr, 16) & kListening) != 0) return true;
  }
  return false;
}

// The table of sockets shows one network namespace, but a path is good in all of them.
bool somebody_listens(const std::string& path) {
  std::set<std::string> seen;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (!std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      continue;
    }
    const auto network = std::filesystem::read_symlink(entry.path() / "ns/net", error);
    if (error || !seen.insert(network).second) continue;
    if (listed_as_listening(entry.path() / "net/unix", path)) return true;
  }
  return false;
}

}  // namespace

SocketPath prepare_socket_path(const std::string& path) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) return SocketPath::kFree;
  if (!S_ISSOCK(found.st_mode)) return SocketPath::kOther;
  if (somebody_listens(path)) return SocketPath::kServed;
  unlink(path.c_str());
  return SocketPath::kFree;
}

}  // namespace trunkline
