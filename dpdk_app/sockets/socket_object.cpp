// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/socket_object.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sockets/linux_sctp.h"

namespace trunkline::sockets {
namespace {

constexpr size_t kMostAddresses = 64;

bool may_bind(const SocketObject::Rights& rights, uint16_t port) {
  return port != 0 ? rights.may_use(port) : rights.connect_from_any;
}

// Long enough, and neither of IPv4 nor of IPv6.
bool names_other_family(std::span<const uint8_t> address) {
  sa_family_t family = AF_UNSPEC;
  if (address.size() < sizeof(sockaddr_in)) return false;
  std::memcpy(&family, address.data(), sizeof(family));
  return family != AF_UNSPEC && family != AF_INET && family != AF_INET6;
}

bool is_all(const std::vector<IpAddress>& addresses) {
  return addresses.empty() || addresses.front().is_unspecified();
}

}  // namespace

const char* state_name(SocketState state) {
  switch (state) {
    case SocketState::kFresh:
      return "fresh";
    case SocketState::kListening:
      return "listening";
    case SocketState::kConnecting:
      return "connecting";
    case SocketState::kEstablished:
      return "established";
    case SocketState::kEnded:
      return "ended";
  }
  return "?";
}

SocketObject::SocketObject(SocketWorld& world, bool ipv6, uint32_t uid, bool many)
    : world_(world), ipv6_(ipv6), many_(many), last_local_(wildcard_of({ipv6, false, true})) {
  holder_.uid = uid;
  if (many) holder_.group = world.ports.new_group();
}

SocketObject::~SocketObject() {
  release();
}

bool SocketObject::accepted(const SocketObject& listener, const IpAddress& peer, uint16_t port) {
  options_ = listener.options_;
  options_.current = options_.future;
  options_.receive_low_water = SocketOptions().receive_low_water;
  holder_.reuse_address = listener.holder_.reuse_address;
  holder_.reuse_sctp = listener.holder_.reuse_sctp;
  holder_.shares_port = listener.holder_.shares();
  holder_.group = listener.holder_.group;
  last_local_ = listener.last_local_;
  peer_ = peer;
  peer_port_ = port;
  state_ = SocketState::kEstablished;
  return world_.ports.share(holder_, listener.holder_);
}

bool SocketObject::began(const SocketObject& front, const ConnectPlan& plan) {
  const bool shared = accepted(front, plan.peers.front(), plan.peer_port);
  begun_ = options_.future;
  options_.current.reset();
  state_ = SocketState::kConnecting;
  return shared;
}

void SocketObject::follow(const SocketObject& front, bool events) {
  SocketOptions next = front.options_;
  next.future = options_.future;
  next.current = options_.current;
  if (events) {
    next.future.events = front.options_.future.events;
    if (next.current) next.current->events = next.future.events;
  }
  options_ = next;
}

const Profile& SocketObject::configured() const {
  if (!peer_.is_none() && world_.peers != nullptr) {
    if (const PeerProfile* peer = world_.peers->find(peer_)) return peer->profile;
  }
  if (holder_.port == 0) return world_.default_profile;
  for (const ConfiguredEnd& end : world_.ends) {
    if (end.port != holder_.port) continue;
    const bool ours =
        std::any_of(end.addresses.begin(), end.addresses.end(),
                    [&](const IpAddress& one) { return matches_bound(holder_.addresses, one); });
    if (ours) return end.profile;
  }
  return world_.default_profile;
}

Profile SocketObject::profile() const {
  return profile_of(options_, options_.future, configured(), world_.floors);
}

Profile SocketObject::profile_in_force() const {
  return profile_of(options_, options_.association(), configured(), world_.floors);
}

// ---------------------------------------------------------------- bind

// All IPv6 addresses and no others is nothing that the stack's endpoints have a word for.
std::vector<IpAddress> SocketObject::as_bound(const IpAddress& address) const {
  if (address.is_unspecified() && address.is_ipv6() && options_.v6_only) {
    return world_.own.all(family());
  }
  return {address};
}

int SocketObject::bind(const Rights& rights, std::span<const uint8_t> address) {
  if (names_other_family(address)) return EAFNOSUPPORT;
  if (holder_.port != 0) return EINVAL;
  SocketAddress one;
  return read_address(address, one) ? bind_one(rights, one) : EINVAL;
}

int SocketObject::bind_one(const Rights& rights, const SocketAddress& address) {
  if (const int error = check_local(address, family(), world_.own)) return error;
  uint16_t port = address.port;
  if (holder_.port != 0) {
    if (port == 0) port = holder_.port;
    if (port != holder_.port) return EINVAL;
  } else if (!may_bind(rights, port)) {
    return EACCES;
  }
  std::vector<IpAddress> all = as_bound(address.address);
  int error = 0;
  if (holder_.port != 0) {
    if (is_all(holder_.addresses) || address.address.is_unspecified()) return EINVAL;
    if (matches_bound(holder_.addresses, address.address)) return EINVAL;
    if (holder_.addresses.size() >= kMostAddresses) return ENOMEM;
    all.insert(all.begin(), holder_.addresses.begin(), holder_.addresses.end());
    error = world_.ports.change(holder_, std::move(all), {&address.address, 1});
  } else {
    error = world_.ports.bind(holder_, port, std::move(all));
  }
  if (error != 0) return error;
  last_local_ = address.address;
  source_ = IpAddress();
  return 0;
}

// One after the other, as Linux does it: what was added before one that can't be is taken away
// again, but for the last address that is left.
int SocketObject::bind_add(const Rights& rights, std::span<const uint8_t> addresses) {
  std::vector<SocketAddress> list;
  return read_addresses(addresses, list) ? add_all(rights, list) : EINVAL;
}

int SocketObject::bind_remove(const Rights& rights, std::span<const uint8_t> addresses) {
  std::vector<SocketAddress> list;
  return read_addresses(addresses, list) ? remove_all(rights, list) : EINVAL;
}

int SocketObject::add_all(const Rights& rights, std::span<const SocketAddress> list) {
  for (size_t i = 0; i < list.size(); ++i) {
    const int error = bind_one(rights, list[i]);
    if (error == 0) continue;
    if (i > 0) remove_all(rights, list.first(i));
    return error;
  }
  return 0;
}

int SocketObject::remove_all(const Rights& rights, std::span<const SocketAddress> list) {
  for (size_t i = 0; i < list.size(); ++i) {
    const int error = remove_one(list[i]);
    if (error == 0) continue;
    if (i > 0) add_all(rights, list.first(i));
    return error;
  }
  return 0;
}

int SocketObject::remove_one(const SocketAddress& one) {
  if (holder_.addresses.size() < 2 || last_local_.is_unspecified()) return EBUSY;
  if (!one.address.is_unicast() || (one.mapped && family().v6_only)) return EADDRNOTAVAIL;
  if (one.port != 0 && one.port != holder_.port) return EINVAL;
  std::vector<IpAddress> rest = holder_.addresses;
  if (std::erase(rest, one.address) == 0) return EINVAL;
  return world_.ports.change(holder_, std::move(rest), {});
}

bool SocketObject::bind_again(std::vector<IpAddress> addresses) {
  return world_.ports.change(holder_, std::move(addresses), {}) == 0;
}

int SocketObject::autobind(const Rights& rights) {
  if (!may_bind(rights, 0)) return EACCES;
  const IpAddress all = wildcard_of(family());
  return world_.ports.bind(holder_, 0, as_bound(all)) != 0 ? EAGAIN : 0;
}

void SocketObject::release() {
  world_.ports.release(holder_);
}

// ---------------------------------------------------------------- listen, connect, shutdown

int SocketObject::listen(const Rights& rights, int backlog, bool& stops) {
  stops = false;
  // As on Linux, where a listener that was shut goes on as it is, for ever.
  if (shut_while_listening_) return EINVAL;
  if (state_ != SocketState::kFresh && state_ != SocketState::kListening) return EINVAL;
  if (backlog == 0) {
    if (state_ == SocketState::kFresh) return EINVAL;
    stops = true;
    state_ = SocketState::kFresh;
    holder_.listening = false;
    return 0;
  }
  if (state_ == SocketState::kFresh) {
    if (holder_.port == 0) {
      if (const int error = autobind(rights)) return error;
    } else if (const int error = world_.ports.may_listen(holder_)) {
      return error;
    }
  }
  backlog_ = std::min(static_cast<uint32_t>(backlog), world_.max_backlog);
  state_ = SocketState::kListening;
  holder_.listening = true;
  return 0;
}

void SocketObject::listen_failed() {
  state_ = SocketState::kFresh;
  holder_.listening = false;
}

int SocketObject::connect(const Rights& rights, std::span<const uint8_t> addresses,
                          const sctp_initmsg& init, ConnectPlan& plan) {
  switch (state_) {
    case SocketState::kConnecting:
      return EALREADY;
    case SocketState::kFresh:
      break;
    default:
      return EISCONN;
  }
  if (const int error = plan_association(rights, addresses, plan)) return error;
  peer_ = plan.peers.front();
  peer_port_ = plan.peer_port;
  SocketOptions options = options_;
  take_init(init, options);
  plan.profile = profile_of(options, options.future, configured(), world_.floors);
  begun_ = options_.future;
  state_ = SocketState::kConnecting;
  return 0;
}

// Whether an address that it is bound to is of that family.
bool SocketObject::has_family_of(const IpAddress& peer) const {
  const auto& own = holder_.addresses;
  const auto alike = [&](const IpAddress& one) { return one.is_ipv6() == peer.is_ipv6(); };
  return own.empty() || std::any_of(own.begin(), own.end(), alike);
}

int SocketObject::plan_association(const Rights& rights, std::span<const uint8_t> addresses,
                                   ConnectPlan& plan) {
  SocketAddress first;
  if (!read_address(addresses, first)) return EINVAL;
  if (const int error = check_peer(first, family())) return error;
  if (holder_.port == 0) {
    if (const int error = autobind(rights)) return error;
  }
  std::vector<SocketAddress> list;
  if (!read_addresses(addresses, list) || list.size() > kMostAddresses) return EINVAL;
  plan = {};
  for (const SocketAddress& one : list) {
    if (one.port != first.port || check_peer(one, family()) != 0) return EINVAL;
    const auto& peers = plan.peers;
    if (std::find(peers.begin(), peers.end(), one.address) != peers.end()) return EADDRNOTAVAIL;
    // As on Linux, where it begins with the first; that one must be within reach.
    if (!peers.empty() && !has_family_of(one.address)) continue;
    plan.peers.push_back(one.address);
  }
  plan.peer_port = first.port;
  return 0;
}

int SocketObject::shut_down(int how, bool& receive) {
  receive = false;
  if (how < SHUT_RD || how > SHUT_RDWR) return EINVAL;
  receive = how != SHUT_WR;
  switch (state_) {
    case SocketState::kFresh:
    case SocketState::kConnecting:
      return ENOTCONN;
    case SocketState::kListening:
      if (!receive) return 0;
      receive = false;
      shut_while_listening_ = true;
      return EOPNOTSUPP;
    default:
      return 0;
  }
}

void SocketObject::connected() {
  if (state_ != SocketState::kConnecting) return;
  state_ = SocketState::kEstablished;
  options_.current = begun_;
  options_.current->events = options_.future.events;
}

void SocketObject::connect_failed() {
  if (state_ != SocketState::kConnecting) return;
  state_ = SocketState::kFresh;
  options_.current.reset();
  peer_ = IpAddress();
  peer_port_ = 0;
}

uint32_t SocketObject::receive_context() const {
  return state_ == SocketState::kEnded ? last_context_ : options_.association().receive_context;
}

void SocketObject::ended() {
  last_context_ = receive_context();
  state_ = SocketState::kEnded;
  options_.current.reset();
}

// ---------------------------------------------------------------- options

OptionTarget SocketObject::target(const AssociationView* view, uint32_t assoc_id) {
  return {options_,
          ipv6_,
          state_ == SocketState::kListening,
          holder_.port,
          holder_.addresses,
          world_.own,
          configured(),
          world_.floors,
          has_association(),
          has_association() ? view : nullptr,
          assoc_id,
          many_};
}

// Those that only ports know. Null: another one.
bool PortHolder::*SocketObject::reuse_option(int level, int name) {
  if (level == SOL_SOCKET && name == SO_REUSEADDR) return &PortHolder::reuse_address;
  if (level == SOL_SOCKET && name == SO_REUSEPORT) return &PortHolder::reuse_port;
  if (level == IPPROTO_SCTP && name == SCTP_REUSE_PORT) return &PortHolder::reuse_sctp;
  return nullptr;
}

int SocketObject::get_option(int level, int name, const AssociationView* view, uint32_t assoc_id,
                             std::span<const uint8_t> there, size_t room, OptionAnswer& answer) {
  const OptionTarget seen = target(view, assoc_id);
  const auto reuse = reuse_option(level, name);
  if (reuse == nullptr) {
    answer = sockets::get_option(seen, level, name, there, room);
    return answer.error;
  }
  if (level == IPPROTO_SCTP && room < sizeof(int)) return answer.error = EINVAL;
  const int value = holder_.*reuse ? 1 : 0;
  answer.length = static_cast<int>(std::min(room, sizeof(value)));
  answer.body.resize(static_cast<size_t>(answer.length));
  std::memcpy(answer.body.data(), &value, answer.body.size());
  return 0;
}

int SocketObject::set_option(int level, int name, const AssociationView* view, uint32_t assoc_id,
                             std::span<const uint8_t> value, OptionAnswer& answer) {
  const auto reuse = reuse_option(level, name);
  if (reuse == nullptr) {
    OptionTarget changed = target(view, assoc_id);
    answer = sockets::set_option(changed, level, name, value);
    return answer.error;
  }
  if (level == IPPROTO_SCTP && many_) return answer.error = EOPNOTSUPP;
  if (level == IPPROTO_SCTP && holder_.port != 0) return answer.error = EFAULT;
  if (value.size() < sizeof(int)) return answer.error = EINVAL;
  int on = 0;
  std::memcpy(&on, value.data(), sizeof(on));
  holder_.*reuse = on != 0;
  return 0;
}

// ---------------------------------------------------------------- names

void SocketObject::set_source(const tls_name& local) {
  SocketAddress from;
  const size_t length = std::min<size_t>(local.length, sizeof(local.bytes));
  if (read_address({local.bytes, length}, from)) source_ = from.address;
}

tls_name SocketObject::local_name() const {
  return name_of(source_.is_none() ? last_local_ : source_, holder_.port, family());
}

tls_name SocketObject::name_to_connect_from() const {
  const bool several = last_local_.is_unspecified() || holder_.addresses.size() > 1;
  return several ? tls_name{} : local_name();
}

tls_name SocketObject::peer_name() const {
  if (peer_.is_none()) return {};
  return name_of(peer_, peer_port_, family());
}

}  // namespace trunkline::sockets
