// SPDX-License-Identifier: BSD-3-Clause
// The attach socket: who asks, what is granted, and the hang-up that says that a client is gone.
// Control thread only. A client that leaves is unmapped once every worker has let it go.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "appring/app_ring.h"
#include "appring/mailbox.h"
#include "appring/permissions.h"
#include "appring/ring_client.h"
#include "appring/unix_listener.h"

namespace trunkline::appring {
namespace {

using Clock = std::chrono::steady_clock;

std::runtime_error failure(const std::string& path, const char* what) {
  return std::runtime_error("attach socket " + path + ": " + what + ": " + std::strerror(errno));
}

bool send_reply(int fd, const tlr_attach_reply& reply, std::span<const int> fds) {
  const iovec part{const_cast<tlr_attach_reply*>(&reply), sizeof(reply)};
  return send_message(fd, {&part, 1}, fds);
}

}  // namespace

class AttachCore {
 public:
  AttachCore(const AttachConfig& config, std::span<BridgeMailbox* const> bridges)
      : config_(config), bridges_(bridges.begin(), bridges.end()) {
    if (bridges_.empty() || bridges_.size() > TLR_MAX_WORKERS) {
      throw std::runtime_error("attach server: 1 to 64 workers are needed");
    }
    config_.limits.max_clients =
        std::min<uint32_t>(config_.limits.max_clients, MailQueue::kMaxClients);
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd_ < 0) throw failure(config_.socket_path, "epoll");
    try {
      listen_fd_ = open_listener(
          {"attach socket", config_.socket_path, config_.socket_mode, config_.socket_gid});
    } catch (...) {
      close(epoll_fd_);
      throw;
    }
    watch(listen_fd_);
    for (BridgeMailbox* bridge : bridges_) watch(bridge->control_fd());
  }

  ~AttachCore() {
    close_listener();
    for (const Handshake& handshake : handshakes_) close(handshake.fd);
    for (Attached& attached : attached_) {
      if (attached.socket >= 0) close(attached.socket);
      for (size_t i = 0; i < bridges_.size(); ++i) {
        if (!attached.detached[i]) bridges_[i]->unwatch(attached.ring->doorbells[i]);
      }
    }
    close(epoll_fd_);
  }

  [[nodiscard]] int fd() const { return epoll_fd_; }
  void poll(std::chrono::milliseconds timeout);
  bool stop();
  [[nodiscard]] std::vector<ClientInfo> clients() const;
  [[nodiscard]] const AttachCounters& counters() const { return counters_; }

 private:
  struct Handshake {
    int fd = -1;
    uint32_t uid = 0;
    Clock::time_point since;
  };
  struct Attached {
    std::unique_ptr<RingClient> ring;
    SlotUse use;
    int socket = -1;  // -1: hung up
    uint64_t bytes = 0;
    std::vector<bool> detached;  // per worker
    std::vector<bool> gone;      // likewise
    // Its segment is there: it takes one of the daemon's places.
    [[nodiscard]] bool has_segment() const { return ring->segment != nullptr; }
  };

  void watch(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.fd = fd;
    epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
  }
  void close_listener() {
    if (listen_fd_ < 0) return;
    close(listen_fd_);
    listen_fd_ = -1;
    unlink(config_.socket_path.c_str());
  }
  void serve(int fd);
  void accept_some();
  bool make_room_for(uint32_t uid);
  void take_request(size_t index);
  void expire_handshakes();
  void refuse(int fd, int error, const std::string& text) const;
  bool attach(int fd, const tlr_attach_request& request);
  struct Refusal {
    int error = 0;  // 0: none
    std::string text;
  };
  // Is there a place, and memory, for one more client of that user?
  [[nodiscard]] Refusal refusal(const PeerCredentials& who, uint64_t bytes);
  void detach(Attached& attached, size_t worker);
  void hang_up(Attached& attached);
  void take_mail();

  AttachConfig config_;
  std::vector<BridgeMailbox*> bridges_;
  AttachCounters counters_;
  std::vector<Handshake> handshakes_;
  std::vector<Attached> attached_;
  uint64_t total_bytes_ = 0;
  uint32_t next_id_ = 1;
  int epoll_fd_ = -1;
  int listen_fd_ = -1;
};

void AttachCore::poll(std::chrono::milliseconds timeout) {
  epoll_event events[32];
  const int n = epoll_wait(epoll_fd_, events, 32, static_cast<int>(timeout.count()));
  for (int i = 0; i < n; ++i) serve(events[i].data.fd);
  take_mail();
  expire_handshakes();
}

void AttachCore::serve(int fd) {
  if (fd == listen_fd_) return accept_some();
  for (size_t i = 0; i < handshakes_.size(); ++i) {
    if (handshakes_[i].fd == fd) return take_request(i);
  }
  for (Attached& attached : attached_) {
    if (attached.socket != fd) continue;
    // Nothing is ever sent on it: readable means gone, or a client that does not keep to the ABI.
    return hang_up(attached);
  }
}

void AttachCore::accept_some() {
  for (int i = 0; i < 16; ++i) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    const uint32_t uid = credentials_of(fd).uid;
    if (handshakes_.size() >= config_.limits.max_handshakes && !make_room_for(uid)) {
      ++counters_.refused_limit;
      refuse(fd, -EAGAIN, "too many clients are attaching at once; try again");
      close(fd);
      continue;
    }
    handshakes_.push_back({fd, uid, Clock::now()});
    watch(fd);
  }
}

// Whoever has most of those that have not asked yet loses the oldest, unless it is the same user.
bool AttachCore::make_room_for(uint32_t uid) {
  const auto count = [this](uint32_t of) {
    return std::count_if(handshakes_.begin(), handshakes_.end(),
                         [of](const Handshake& one) { return one.uid == of; });
  };
  auto victim = handshakes_.end();
  for (auto it = handshakes_.begin(); it != handshakes_.end(); ++it) {
    if (victim == handshakes_.end() || count(it->uid) > count(victim->uid)) victim = it;
  }
  if (victim == handshakes_.end() || count(victim->uid) <= count(uid) + 1) return false;
  ++counters_.refused_timeout;
  close(victim->fd);
  handshakes_.erase(victim);
  return true;
}

void AttachCore::refuse(int fd, int error, const std::string& text) const {
  tlr_attach_reply reply{};
  reply.magic = TLR_MAGIC;
  reply.abi_version = TLR_ABI_VERSION;
  reply.error = error;
  std::memcpy(reply.text, text.c_str(), std::min<size_t>(text.size(), TLR_TEXT_SIZE - 1));
  [[maybe_unused]] const bool sent = send_reply(fd, reply, {});
}

void AttachCore::take_request(size_t index) {
  const int fd = handshakes_[index].fd;
  // One byte more than a request, so that a longer one is noticed.
  uint8_t bytes[sizeof(tlr_attach_request) + 1];
  const ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  handshakes_.erase(handshakes_.begin() + static_cast<ptrdiff_t>(index));
  tlr_attach_request request{};
  if (n >= 12) std::memcpy(&request, bytes, std::min(static_cast<size_t>(n), sizeof(request)));
  bool kept = false;
  if (n < 12 || request.magic != TLR_MAGIC) {
    ++counters_.refused_request;
    if (n > 0) refuse(fd, -EPROTO, "not a Trunkline attach request");
  } else if (request.abi_version != TLR_ABI_VERSION) {
    ++counters_.refused_request;
    refuse(fd, -EPROTO,
           "the application speaks ring ABI " + std::to_string(request.abi_version) +
               ", this daemon " + std::to_string(TLR_ABI_VERSION) +
               ": install libtrunkline and trunklined of one version");
  } else if (n != sizeof(request) || request.name[TLR_NAME_SIZE - 1] != '\0') {
    ++counters_.refused_request;
    refuse(fd, -EPROTO, "malformed attach request");
  } else {
    kept = attach(fd, request);
  }
  if (!kept) close(fd);  // which also ends the watch
}

bool AttachCore::attach(int fd, const tlr_attach_request& request) {
  const PeerCredentials who = credentials_of(fd);
  const std::optional<ClientRights> rights = rights_of(config_.permissions, who);
  if (!rights) {
    ++counters_.refused_permission;
    refuse(fd, -EACCES,
           "no permission of the configuration matches uid " + std::to_string(who.uid) + ", gid " +
               std::to_string(who.gid));
    return false;
  }
  const Grant granted = grant(request, config_, static_cast<uint32_t>(bridges_.size()));
  if (!granted.error.empty()) {
    ++counters_.refused_request;
    refuse(fd, -EINVAL, granted.error);
    return false;
  }
  if (const Refusal no = refusal(who, granted.bytes); no.error != 0) {
    refuse(fd, no.error, no.text);
    return false;
  }
  const ClientIdentity identity{next_id_++, request.name, who.pid, who.uid, who.gid};
  const ChannelLimits limits{config_.limits.max_associations, config_.limits.max_listeners,
                             config_.limits.backlog, config_.limits.receive_buffer};
  Attached attached;
  attached.ring = RingClient::create(identity, *rights, granted.geometry, limits);
  if (attached.ring == nullptr) {
    ++counters_.refused_limit;
    refuse(fd, -ENOMEM, std::string("the daemon cannot make the segment: ") + std::strerror(errno));
    return false;
  }
  tlr_attach_reply reply{};
  reply.magic = TLR_MAGIC;
  reply.abi_version = TLR_ABI_VERSION;
  reply.segment_size = attached.ring->segment->size();
  reply.geometry = granted.geometry;
  std::vector<int> fds = {attached.ring->segment->fd()};
  for (const auto& wake : attached.ring->lane_wakes) fds.push_back(wake.client_end);
  fds.insert(fds.end(), attached.ring->doorbells.begin(), attached.ring->doorbells.end());
  if (!send_reply(fd, reply, fds)) return false;
  attached.socket = fd;
  attached.bytes = granted.bytes;
  attached.use = {who.uid, names_matching(config_.permissions, who)};
  attached.detached.resize(bridges_.size());
  attached.gone.resize(bridges_.size());
  total_bytes_ += granted.bytes;
  for (size_t i = 0; i < bridges_.size(); ++i) {
    bridges_[i]->watch(attached.ring->doorbells[i]);
    bridges_[i]->post_to_worker({MailKind::kAdd, attached.ring.get()});
  }
  attached_.push_back(std::move(attached));
  ++counters_.attached;
  return true;
}

// One user may have all but one place for each other that the permissions name, and as much of the
// memory.
AttachCore::Refusal AttachCore::refusal(const PeerCredentials& who, uint64_t bytes) {
  const AttachLimits& limits = config_.limits;
  std::vector<SlotUse> uses;
  for (const Attached& attached : attached_) {
    if (attached.has_segment()) uses.push_back(attached.use);
  }
  if (uses.size() >= limits.max_clients) {
    ++counters_.refused_limit;
    return {-EUSERS, "the daemon has its maximum of " + std::to_string(limits.max_clients) +
                         " clients: detach one, or raise max_clients"};
  }
  const auto own = static_cast<uint32_t>(std::count_if(
      uses.begin(), uses.end(), [&](const SlotUse& use) { return use.uid == who.uid; }));
  const bool fixed = limits.max_clients_per_uid != 0;
  const uint32_t kept = fixed ? 0 : kept_for_others(config_.permissions, uses, who);
  if (fixed ? own >= limits.max_clients_per_uid : uses.size() + kept >= limits.max_clients) {
    ++counters_.refused_share;
    return {-EUSERS, "uid " + std::to_string(who.uid) + " has " + std::to_string(own) +
                         " clients, and " +
                         (fixed ? "may have no more" : "the rest is kept for others") +
                         ": detach one, or raise max_clients_per_uid"};
  }
  const uint64_t kept_bytes = kept * (limits.max_total_bytes / limits.max_clients);
  if (bytes > limits.max_client_bytes ||
      total_bytes_ + bytes + kept_bytes > limits.max_total_bytes) {
    const bool share =
        bytes <= limits.max_client_bytes && total_bytes_ + bytes <= limits.max_total_bytes;
    ++(share ? counters_.refused_share : counters_.refused_limit);
    return {-ENOMEM, "its rings need " + std::to_string(bytes) +
                         " bytes, more than the daemon grants" +
                         (share ? " this user, since others are to find some" : "") +
                         ": ask for fewer lanes or slots"};
  }
  return {};
}

void AttachCore::hang_up(Attached& attached) {
  if (attached.socket < 0) return;
  close(attached.socket);
  attached.socket = -1;
  for (BridgeMailbox* bridge : bridges_) {
    bridge->post_to_worker({MailKind::kRemove, attached.ring.get()});
  }
}

void AttachCore::take_mail() {
  for (size_t worker = 0; worker < bridges_.size(); ++worker) {
    bridges_[worker]->acknowledge();
    Mail mail;
    while (bridges_[worker]->take_from_worker(mail)) {
      const auto it = std::find_if(attached_.begin(), attached_.end(),
                                   [&](const Attached& a) { return a.ring.get() == mail.client; });
      if (it == attached_.end()) continue;
      if (mail.kind == MailKind::kFault) {
        if (it->socket >= 0) ++counters_.ended_fault;
        hang_up(*it);
      } else if (mail.kind == MailKind::kDetached) {
        detach(*it, worker);
      } else if (mail.kind == MailKind::kGone) {
        detach(*it, worker);
        it->gone[worker] = true;
        if (std::find(it->gone.begin(), it->gone.end(), false) != it->gone.end()) continue;
        ++counters_.detached;
        total_bytes_ -= it->bytes;
        attached_.erase(it);
      }
    }
  }
}

// That worker does not need its segment any more. If nobody does, it goes, and with it the client's
// place.
void AttachCore::detach(Attached& attached, size_t worker) {
  if (attached.detached[worker]) return;
  attached.detached[worker] = true;
  bridges_[worker]->unwatch(attached.ring->doorbells[worker]);
  const std::vector<bool>& all = attached.detached;
  if (std::find(all.begin(), all.end(), false) != all.end()) return;
  attached.ring->drop_segment();
  // What remembers its associations stays, and is counted, until they are over.
  const uint64_t left = attached.ring->bytes_of_the_dead();
  total_bytes_ -= attached.bytes - left;
  attached.bytes = left;
}

void AttachCore::expire_handshakes() {
  if (handshakes_.empty()) return;
  const Clock::time_point now = Clock::now();
  std::erase_if(handshakes_, [&](const Handshake& handshake) {
    if (now - handshake.since < config_.limits.handshake_timeout) return false;
    ++counters_.refused_timeout;
    close(handshake.fd);
    return true;
  });
}

bool AttachCore::stop() {
  close_listener();
  for (const Handshake& handshake : handshakes_) close(handshake.fd);
  handshakes_.clear();
  for (Attached& attached : attached_) hang_up(attached);
  take_mail();
  return attached_.empty();
}

std::vector<ClientInfo> AttachCore::clients() const {
  std::vector<ClientInfo> out;
  for (const Attached& attached : attached_) {
    const ClientIdentity& who = attached.ring->identity;
    out.push_back({who.id, who.name, who.pid, who.uid, who.gid, attached.ring->lanes(),
                   attached.bytes, attached.socket < 0});
  }
  return out;
}

AttachServer::AttachServer(const AttachConfig& config, std::span<BridgeMailbox* const> bridges)
    : core_(std::make_unique<AttachCore>(config, bridges)) {}
AttachServer::~AttachServer() = default;
int AttachServer::fd() const {
  return core_->fd();
}
void AttachServer::poll(std::chrono::milliseconds timeout) {
  core_->poll(timeout);
}
bool AttachServer::stop() {
  return core_->stop();
}
std::vector<ClientInfo> AttachServer::clients() const {
  return core_->clients();
}
const AttachCounters& AttachServer::counters() const {
  return core_->counters();
}

}  // namespace trunkline::appring
