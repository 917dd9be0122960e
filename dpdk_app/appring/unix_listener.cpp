// SPDX-License-Identifier: BSD-3-Clause
#include "appring/unix_listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace trunkline::appring {
namespace {

std::runtime_error failure(const ListenerPlace& place, const char* what) {
  return std::runtime_error(place.what + " " + place.path + ": " + what + ": " +
                            std::strerror(errno));
}

sockaddr_un address_of(const ListenerPlace& place) {
  const std::string& path = place.path;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw std::runtime_error(place.what + " '" + path + "': a path of 1 to " +
                             std::to_string(sizeof(address.sun_path) - 1) + " bytes is needed");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

// A socket file that nobody listens on is left over from a daemon that was killed.
void remove_stale(const ListenerPlace& place, const sockaddr_un& address) {
  const std::string& path = place.path;
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return;
  if (!S_ISSOCK(info.st_mode)) {
    throw std::runtime_error(place.what + " " + path + ": something else is there; remove it");
  }
  const int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool alive =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN;
  close(probe);
  if (alive) {
    throw std::runtime_error(place.what + " " + path +
                             ": another daemon serves it; stop it, or choose another path");
  }
  unlink(path.c_str());
}

}  // namespace

int open_listener(const ListenerPlace& place) {
  const std::string& path = place.path;
  const sockaddr_un address = address_of(place);
  remove_stale(place, address);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) throw failure(place, "socket");
  // Mode first, so that there is no moment at which the wrong people may connect.
  fchmod(fd, place.mode);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int why = errno;
    close(fd);
    errno = why;
    throw failure(place, "bind");
  }
  const bool owned = !place.gid || chown(path.c_str(), static_cast<uid_t>(-1), *place.gid) == 0;
  if (!owned || chmod(path.c_str(), place.mode) != 0 || listen(fd, 64) != 0) {
    const int why = errno;
    close(fd);
    unlink(path.c_str());
    errno = why;
    throw failure(place, "listen");
  }
  return fd;
}

PeerCredentials credentials_of(int fd) {
  PeerCredentials who;
  ucred cred{};
  socklen_t length = sizeof(cred);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) != 0) {
    who.uid = who.gid = UINT32_MAX;  // nobody
    return who;
  }
  who.pid = cred.pid;
  who.uid = cred.uid;
  who.gid = cred.gid;
#ifdef SO_PEERGROUPS
  gid_t groups[256];
  length = sizeof(groups);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) == 0) {
    who.groups.assign(groups, groups + length / sizeof(gid_t));
  }
#endif
  return who;
}

bool send_message(int fd, std::span<const iovec> parts, std::span<const int> fds) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  std::vector<uint8_t> control(CMSG_SPACE(fds.size_bytes()));
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

}  // namespace trunkline::appring
