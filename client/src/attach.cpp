// SPDX-License-Identifier: BSD-3-Clause
// Attaching to the daemon and opening lanes.
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "lane.h"
#include "text.h"

using namespace trunkline::client;

namespace {

constexpr int kPatienceMs = 5000;
constexpr size_t kMaxFds = 1 + TLR_MAX_LANES + TLR_MAX_WORKERS;

void close_all(const std::vector<int>& fds) {
  for (const int fd : fds) close(fd);
}

int fill_request(const tl_options* options, tlr_attach_request& request) {
  request.magic = TLR_MAGIC;
  request.abi_version = TLR_ABI_VERSION;
  if (options == nullptr) return 0;
  request.lanes = options->lanes;
  request.submission_size = options->submission_size;
  request.completion_size = options->completion_size;
  request.tx_slots = options->tx_slots;
  request.rx_slots = options->rx_slots;
  request.slot_size = options->slot_size;
  if (options->lanes > TLR_MAX_LANES) {
    return failf(-EINVAL, "%u lanes: at most %u", options->lanes, TLR_MAX_LANES);
  }
  if (options->slot_size > TLR_MAX_SLOT_SIZE) {
    return failf(-EINVAL, "slots of %u bytes: at most %u", options->slot_size, TLR_MAX_SLOT_SIZE);
  }
  if (options->name != nullptr) {
    const size_t length = std::strlen(options->name);
    if (length >= TLR_NAME_SIZE) return fail(-EINVAL, "a client's name has at most 31 bytes");
    std::memcpy(request.name, options->name, length);
  }
  return 0;
}

int connect_socket(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  if (length == 0 || length >= sizeof(address.sun_path)) {
    return failf(-EINVAL, "'%.200s': a socket path of 1 to %zu bytes is needed", path,
                 sizeof(address.sun_path) - 1);
  }
  std::memcpy(address.sun_path, path, length + 1);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return failf(-errno, "no socket: %s", std::strerror(errno));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    const int error = errno;
    close(fd);
    switch (error) {
      case ENOENT:
        return failf(-error, "%.200s: no daemon there: start trunklined, or name its socket", path);
      case ECONNREFUSED:
        return failf(-error, "%.200s: the daemon is not running: start trunklined", path);
      case EACCES:
        return failf(-error, "%.200s: this user may not open the socket: see its group and mode",
                     path);
      default:
        return failf(-error, "%.200s: %s", path, std::strerror(error));
    }
  }
  return fd;
}

int receive_reply(int socket, tlr_attach_reply& reply, std::vector<int>& fds) {
  pollfd ready{socket, POLLIN, 0};
  const int n = ::poll(&ready, 1, kPatienceMs);
  if (n == 0) return fail(-ETIMEDOUT, "the daemon did not answer within 5 s");
  if (n < 0) return failf(-errno, "waiting for the daemon: %s", std::strerror(errno));
  iovec iov{&reply, sizeof(reply)};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(kMaxFds * sizeof(int))];
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (got == 0) return fail(-EPIPE, "the daemon hung up while this client attached");
  if (got < 0) return failf(-errno, "the daemon's answer: %s", std::strerror(errno));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
      fds.push_back(fd);
    }
  }
  if (got != sizeof(reply) || reply.magic != TLR_MAGIC) {
    return fail(-EPROTO, "this is not a Trunkline daemon");
  }
  if (reply.abi_version != TLR_ABI_VERSION) {
    return failf(-EPROTO,
                 "the daemon speaks ring ABI %u, this library %u: install libtrunkline and "
                 "trunklined of one version",
                 reply.abi_version, TLR_ABI_VERSION);
  }
  if (reply.error != 0) {
    reply.text[TLR_TEXT_SIZE - 1] = '\0';
    return failf(reply.error < 0 ? reply.error : -EPROTO, "the daemon refused: %s", reply.text);
  }
  const tlr_geometry& g = reply.geometry;
  if (tlr_geometry_valid(&g) == 0 || reply.segment_size != tlr_segment_size(&g) ||
      fds.size() != size_t{1} + g.lanes + g.workers) {
    return fail(-EPROTO, "the daemon's answer makes no sense: versions may differ");
  }
  return 0;
}

}  // namespace

tl_client::~tl_client() {
  lanes.clear();
  if (owns_mapping && base != nullptr) munmap(base, size);
  close_all(lane_fds);
  close_all(doorbells);
  if (socket >= 0) close(socket);
}

tl_lane::tl_lane(tl_client& owner, uint32_t lane_index)
    : client(owner), index(lane_index), next_worker_(owner.first_worker + lane_index) {
  const tlr_geometry& g = owner.geometry;
  channels.reserve(g.workers);
  for (uint32_t worker = 0; worker < g.workers; ++worker) {
    channels.emplace_back(owner.base + tlr_channel_offset(&g, lane_index, worker), g,
                          owner.doorbells[worker]);
  }
  wake_fd = owner.lane_fds[lane_index];
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = wake_fd;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event);
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.fd = owner.socket;
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, owner.socket, &event);
}

tl_lane::~tl_lane() {
  if (epoll_fd >= 0) close(epoll_fd);
}

namespace trunkline::client {

int open_client(uint8_t* base, size_t size, const tlr_geometry& geometry, int socket,
                std::vector<int> lane_fds, std::vector<int> doorbells, bool own, tl_client** out) {
  auto client = std::make_unique<tl_client>();
  client->base = base;
  client->size = size;
  client->geometry = geometry;
  client->socket = socket;
  client->owns_mapping = own;
  // Many clients of one association each must not meet at the first worker. A test counts.
  if (own) [[maybe_unused]]
    const ssize_t n = getrandom(&client->first_worker, 4, 0);
  client->lane_fds = std::move(lane_fds);
  client->doorbells = std::move(doorbells);
  for (uint32_t i = 0; i < geometry.lanes; ++i) {
    client->lanes.push_back(std::make_unique<tl_lane>(*client, i));
    if (client->lanes.back()->epoll_fd < 0) {
      return fail(-EMFILE, "no descriptors left: raise the limit of open files");
    }
  }
  *out = client.release();
  return 0;
}

}  // namespace trunkline::client

extern "C" int tl_attach(const char* path, const tl_options* options, tl_client** out) {
  if (out == nullptr) return fail(-EINVAL, "no room for the client");
  *out = nullptr;
  tlr_attach_request request{};
  int error = fill_request(options, request);
  if (error != 0) return error;
  const int socket = connect_socket(path != nullptr ? path : TL_DEFAULT_SOCKET);
  if (socket < 0) return socket;
  tlr_attach_reply reply{};
  std::vector<int> fds;
  if (send(socket, &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request)) {
    error = failf(-errno, "asking the daemon: %s", std::strerror(errno));
  } else {
    error = receive_reply(socket, reply, fds);
  }
  if (error != 0) {
    close_all(fds);
    close(socket);
    return error;
  }
  void* const base = mmap(nullptr, reply.segment_size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, fds[0], 0);
  const int map_error = errno;
  close(fds[0]);
  const auto lanes_at = fds.begin() + 1;
  std::vector<int> lane_fds(lanes_at, lanes_at + reply.geometry.lanes);
  std::vector<int> doorbells(lanes_at + reply.geometry.lanes, fds.end());
  if (base == MAP_FAILED) {
    close_all(lane_fds);
    close_all(doorbells);
    close(socket);
    return failf(-map_error, "mapping %llu bytes of rings: %s",
                 static_cast<unsigned long long>(reply.segment_size), std::strerror(map_error));
  }
  return open_client(static_cast<uint8_t*>(base), reply.segment_size, reply.geometry, socket,
                     std::move(lane_fds), std::move(doorbells), true, out);
}
