// SPDX-License-Identifier: BSD-3-Clause
// One-to-many sockets: each association is a member, a socket of its own without a handle, which is
// begun by a send or connect(), or comes in, and can be peeled off (RFC 6458 sections 3 and 9.2).
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sockets/linux_sctp.h"
#include "sockets/option_scope.h"
#include "sockets/socket_core.h"
#include "sockets/subscriptions.h"

namespace trunkline::sockets {
namespace {

uint32_t load(const uint32_t& word) {
  return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
}

sctp_initmsg init_of(const tls_member_query& query) {
  sctp_initmsg out{};
  if (query.has_init != 0) std::memcpy(&out, query.init, sizeof(out));
  return out;
}

}  // namespace

// ---------------------------------------------------------------- which member

// Null: there is none whose association lives.
SocketCore::Socket* SocketCore::living_member(uint64_t serial) {
  Socket* const socket = find(serial);
  const bool lives = socket != nullptr && !socket->closing && !socket->peeled_off &&
                     load(socket->end->page().state) != TLS_ENDED;
  return lives ? socket : nullptr;
}

// What workers have told their programs already, and not yet us.
void SocketCore::learn_ids(Socket& front) {
  front.members.name_new([this](uint64_t serial) {
    const Socket* const member = find(serial);
    return member != nullptr ? load(member->end->page().assoc_id) : 0;
  });
}

SocketCore::Socket* SocketCore::member_of(Socket& front, uint32_t id) {
  if (front.members.by_id(id) == MemberBook::kNobody) learn_ids(front);
  return living_member(front.members.by_id(id));
}

SocketCore::Socket* SocketCore::member_of(Socket& front, const OptionScope& scope,
                                          std::span<const uint8_t> body) {
  Socket* const found = member_of(front, scope.id);
  if (found != nullptr || scope.address == 0) return found;
  return member_with(front, body.subspan(scope.address));
}

SocketCore::Socket* SocketCore::member_with(const Socket& front, std::span<const uint8_t> address) {
  SocketAddress peer;
  if (!read_address(address, peer)) return nullptr;
  return living_member(front.members.by_peer(peer.address, peer.port));
}

void SocketCore::find_member(Process& process, Socket& front, const Request& request) {
  const Ticket ticket = process.id;
  tls_member_query query;
  if (!front.end->is_front() || request.body.size() < sizeof(query)) return answer(ticket, EINVAL);
  std::memcpy(&query, request.body.data(), sizeof(query));
  const std::span<const uint8_t> addresses = request.body.subspan(sizeof(query));
  Socket* found = nullptr;
  if (query.id != 0) {
    found = member_of(front, static_cast<uint32_t>(query.id));
  } else if (query.index != TLS_NO_FRONT) {
    // Also of one that is over: there may be something to read.
    found = query.index < by_index_.size() ? by_index_[query.index] : nullptr;
    const bool ours = found != nullptr && found->front == front.serial && !found->peeled_off;
    if (!ours) found = nullptr;
  } else {
    found = member_with(front, addresses);
    if (found == nullptr && request.head.a != TLS_ONLY_LOOK) {
      return begin_association(process, front, request.head.a == TLS_BEGIN, query, addresses);
    }
  }
  if (found == nullptr) return answer(ticket, ENOENT);
  if (request.head.a == TLS_BEGIN_ANEW) {
    return answer(ticket, found->object->state() == SocketState::kConnecting ? EALREADY : EISCONN);
  }
  give_member(ticket, found->serial, false);
}

// One that is just being begun has no id yet.
void SocketCore::give_member(Ticket ticket, uint64_t serial, bool begun) {
  Socket* const member = find(serial);
  if (member == nullptr) return answer(ticket, ENOENT);
  const uint32_t id = load(member->end->page().assoc_id);
  if (id == 0) {
    return workers_.wait_for(member->worker, [this, ticket, serial, begun] {
      const Socket* const again = find(serial);
      const bool known = again != nullptr && load(again->end->page().assoc_id) != 0;
      return known ? give_member(ticket, serial, begun) : answer(ticket, ENOENT);
    });
  }
  const int fds[] = {member->end->memory_fd()};
  const uint8_t just_now = 1;
  answer(ticket, 0, static_cast<int>(id), {&just_now, begun ? size_t{1} : size_t{0}}, fds);
}

// ---------------------------------------------------------------- beginning

// Null with errno set.
SocketCore::Socket* SocketCore::make_member(Socket& front) {
  Socket* const fresh = make_socket(front.object->ipv6(), front.user, 0, front.pid, {0, front.end});
  if (fresh != nullptr) fresh->front = front.serial;
  return fresh;
}

void SocketCore::begin_association(Process& process, Socket& front, bool by_message,
                                   const tls_member_query& query,
                                   std::span<const uint8_t> addresses) {
  const Ticket ticket = process.id;
  const sctp_initmsg init = init_of(query);
  const uint16_t streams =
      init.sinit_num_ostreams != 0 ? init.sinit_num_ostreams : front.object->outbound_streams();
  ConnectPlan plan;
  int error = front.object->plan_association(process.rights, addresses, plan);
  if (error == EACCES) ++counters_.refused_permission;
  if (error != 0) return answer(ticket, error);
  set_names(front);
  for (const IpAddress& peer : plan.peers) {
    const uint64_t serial = front.members.by_peer(peer, plan.peer_port);
    if (const Socket* const other = find(serial); other != nullptr && other->peeled_off) {
      return answer(ticket, EADDRNOTAVAIL);
    }
    if (const Socket* const other = living_member(serial)) {
      const bool connecting = other->object->state() == SocketState::kConnecting;
      return answer(ticket, connecting ? EALREADY : EISCONN);
    }
  }
  // Once there is a name for it, and nobody who has left with that peer, as on Linux.
  if (query.stream >= streams) return answer(ticket, EINVAL);
  error = refusal(front.user->uid, nullptr);
  if (error != 0) return answer(ticket, error);
  Socket* const fresh = make_member(front);
  if (fresh == nullptr) return answer(ticket, errno);
  SocketObject& object = *fresh->object;
  if (!object.began(*front.object, plan)) {
    destroy(*fresh);
    return answer(ticket, EADDRINUSE);
  }
  take_init(init, object.options());
  update_page(*fresh);
  fresh->end->set_names(object.name_to_connect_from(), object.peer_name());
  set_state(*fresh, TLS_CONNECTING);
  if (by_message) fresh->expects_message = Clock::now() + kExpectMessage;
  fresh->at_worker = true;
  fresh->worker = next_worker();
  front.members.add(fresh->serial, plan.peers, plan.peer_port);
  SocketBridge::ConnectCommand command;
  command.from = {kPortOwner, PortNumber(object.bound().port), object.addresses()};
  command.peers = plan.peers;
  command.peer_port = PortNumber(plan.peer_port);
  command.profile = fresh->profile = object.profile();
  workers_.connect(
      fresh->worker, *fresh->end, std::move(command), terms_of(*fresh),
      [this, ticket, by_message, serial = fresh->serial, from = front.serial,
       peer = plan.peers.front(), port = plan.peer_port](Status status, const tls_name& local) {
        if (status != Status::kAlreadyExists) return begun(ticket, serial, from, status, local);
        if (Socket* const member = find(serial); member != nullptr && !member->closing) {
          destroy(*member);
        }
        find_begun_by_peer(ticket, from, peer, port, by_message, 0);
      });
}

// The peer was quicker, and which worker has its association is not known. It may also be one that
// was peeled off; that is said as by sctp_sendmsg_new_asoc() of Linux.
void SocketCore::find_begun_by_peer(Ticket ticket, uint64_t from, const IpAddress& peer,
                                    uint16_t port, bool by_message, uint16_t worker) {
  Socket* const front = find(from);
  if (front == nullptr) return answer(ticket, EBADF);
  const uint64_t serial = front->members.by_peer(peer, port);
  if (living_member(serial) != nullptr) {
    return by_message ? give_member(ticket, serial, false) : answer(ticket, EISCONN);
  }
  if (worker == workers_.count()) return answer(ticket, EADDRNOTAVAIL);
  workers_.wait_for(worker, [=, this] {
    find_begun_by_peer(ticket, from, peer, port, by_message, static_cast<uint16_t>(worker + 1));
  });
}

void SocketCore::begun(Ticket ticket, uint64_t serial, uint64_t from, Status status,
                       const tls_name& local) {
  Socket* const member = find(serial);
  if (member == nullptr) return answer(ticket, EBADF);
  if (status != Status::kOk) {
    // The worker does not know it; if it is being closed, it says so all the same.
    if (!member->closing) destroy(*member);
    return answer(ticket, connect_error(status));
  }
  if (member->closing) return answer(ticket, EBADF);
  if (Socket* const front = find(from)) {
    front->members.name(serial, load(member->end->page().assoc_id));
    // As on Linux, getsockname() tells where it connected from last.
    front->object->set_source(local);
    set_names(*front);
  }
  give_member(ticket, serial, true);
}

// An association that a peer began, of a listening one-to-many socket.
void SocketCore::accept_member(Socket& front, const News& news) {
  if (news.peers.empty() || refusal_of_peer(front.user->uid) != 0) return refuse_association(news);
  Socket* const fresh = make_member(front);
  if (fresh == nullptr) return refuse_association(news);
  if (!fresh->object->accepted(*front.object, news.peers.front(), news.peer_port.value)) {
    destroy(*fresh);
    return refuse_association(news);
  }
  fresh->at_worker = true;
  fresh->worker = news.worker;
  fresh->profile = front.profile;
  update_page(*fresh);
  fresh->end->set_names(fresh->object->name_to_connect_from(), {});
  front.members.add(fresh->serial, news.peers, news.peer_port.value);
  workers_.accept(news.worker, news.assoc, *fresh->end, terms_of(*fresh),
                  [this, from = front.serial, serial = fresh->serial](Status status) {
                    Socket* const member = find(serial);
                    if (member == nullptr) return;
                    if (status != Status::kOk) {
                      if (!member->closing) destroy(*member);
                      return;
                    }
                    if (member->closing) return;
                    member->local = member->end->page().local;
                    ++counters_.accepted;
                    if (Socket* const front_of = find(from)) {
                      front_of->members.name(serial, load(member->end->page().assoc_id));
                    }
                  });
}

// ---------------------------------------------------------------- the end

// Its association is over; it goes once its last message and notification were read, or, where it
// was peeled off, with its handle. Its peer's addresses are free for another one at once.
void SocketCore::end_member(Socket& member) {
  if (Socket* const front = find(member.front)) front->members.retire(member.serial);
  if (!member.closing && !member.peeled_off) ended_members_.push_back(member.serial);
}

// Nothing of it is unread, nor will be: what is submitted after the end comes back, and who begins
// an association with a message may submit that when it has been refused. The worker publishes what
// it answers before it says that it has taken the question.
bool SocketCore::is_done(const Socket& member, Clock::time_point now) {
  const SocketChannel& channel = member.end->channel();
  const bool told = (load(member.end->page().options.events) & kSendFailed) != 0;
  if (told && !channel.looks_used() && now < member.expects_message) return false;
  return channel.looks_taken() && channel.looks_read();
}

// Now and then: whoever leaves thousands of them unread must not make each request wait for a look
// at all.
void SocketCore::sweep_members() {
  if (ended_members_.empty()) return;
  const Clock::time_point now = Clock::now();
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepPeriod;
  std::vector<Socket*> read;
  std::erase_if(ended_members_, [&](uint64_t serial) {
    Socket* const member = find(serial);
    if (member == nullptr || member->closing) return true;
    if (!is_done(*member, now)) return false;
    read.push_back(member);
    return true;
  });
  for (Socket* member : read) close_socket(*member, false);
}

// Its last handle is gone: so are its associations. It waits for them, its port is theirs.
void SocketCore::part_from_members(Socket& front, bool abort) {
  const bool reset = abort || front.object->options().linger == 0;
  front.object->release();
  for (const Ticket ticket : std::exchange(front.waiting, {})) answer(ticket, 0);
  for (const uint64_t serial : front.members.serials()) {
    if (Socket* const member = find(serial)) close_socket(*member, reset);
  }
}

// Before the socket is destroyed.
void SocketCore::leave_front(Socket& member) {
  __atomic_store_n(&member.end->page().state, uint32_t{TLS_GONE}, __ATOMIC_SEQ_CST);
  if (Socket* const front = find(member.front)) front->members.remove(member.serial);
}

// ---------------------------------------------------------------- peeling off

void SocketCore::peel_off(Process& process, Socket& front, uint32_t id) {
  const Ticket ticket = process.id;
  Socket* const member = front.end->is_front() ? member_of(front, id) : nullptr;
  if (member == nullptr) return answer(ticket, EINVAL);
  if (const int error = refusal_of_maker(process)) return answer(ticket, error);
  if (!member->end->make_pair()) return answer(ticket, failure(errno));
  member->peeled_off = true;
  member->object->peeled_off();
  workers_.peel_off(member->worker, *member->end,
                    [this, ticket, serial = member->serial] { peeled_off(ticket, serial); });
}

void SocketCore::peeled_off(Ticket ticket, uint64_t serial) {
  Socket* const socket = find(serial);
  if (socket == nullptr || socket->closing) return answer(ticket, EBADF);
  // Not before: until the worker has done it, the front must not go.
  if (Socket* const front = find(socket->front)) front->members.peel_off(serial);
  add(pairs_fd_, socket->end->pair_fd(), 0, serial);
  const int handle = socket->end->take_handle();
  note_handle(*socket, handle);
  if (const auto maker = processes_.find(ticket); maker != processes_.end()) {
    socket->maker = ticket;
    ++maker->second->sockets;
  }
  const int fds[] = {handle, socket->end->memory_fd()};
  answer(ticket, 0, 0, {}, fds);
  ::close(handle);
}

// ---------------------------------------------------------------- options

// False: the option is the front's own, and is dealt with as any socket's is. `member` null: there
// is no such association.
bool SocketCore::is_of_member(Socket& front, const OptionScope& scope,
                              std::span<const uint8_t> body, Socket*& member) {
  switch (scope.whose) {
    case OptionScope::kSocket:
      return false;
    case OptionScope::kPeer:
      member = member_with(front, body.subspan(scope.address));
      return member != nullptr;  // else the front says that there is none of that address
    case OptionScope::kAssociation:
      member = member_of(front, scope, body);
      return true;
    case OptionScope::kCurrent:
    case OptionScope::kAll:
    case OptionScope::kNobody:
      return true;
  }
  return true;
}

bool SocketCore::get_of_member(Process& process, Socket& front, const Request& request) {
  const tls_request& head = request.head;
  const OptionScope scope = scope_of(head.a, head.b, request.body, false);
  if (scope.whose == OptionScope::kSocket && head.a == IPPROTO_SCTP && lists_members(head.b)) {
    learn_ids(front);
    list_members(process.id, front.members.ids(), head.b, head.length);
    return true;
  }
  Socket* member = nullptr;
  if (!is_of_member(front, scope, request.body, member)) return false;
  at_member(process, member, request, &SocketCore::get_option);
  return true;
}

// Null: there is no such association. What its worker knows more of it than this thread is waited
// for: the program has seen it in the member's page.
void SocketCore::at_member(Process& process, Socket* member, const Request& request,
                           void (SocketCore::*call)(Process&, Socket&, const Request&)) {
  if (member == nullptr) return answer(process.id, EINVAL);
  if (!is_behind(*member)) return (this->*call)(process, *member, request);
  dispatch_later(process, *member, request);
}

bool SocketCore::lists_members(int name) {
  return name == SCTP_GET_ASSOC_NUMBER || name == SCTP_GET_ASSOC_ID_LIST;
}

void SocketCore::list_members(Ticket ticket, const std::vector<uint32_t>& ids, int name,
                              size_t room) {
  std::vector<uint8_t> body(sizeof(uint32_t));
  const auto count = static_cast<uint32_t>(ids.size());
  std::memcpy(body.data(), &count, sizeof(count));
  if (name == SCTP_GET_ASSOC_ID_LIST) {
    const auto* const bytes = reinterpret_cast<const uint8_t*>(ids.data());
    body.insert(body.end(), bytes, bytes + ids.size() * sizeof(uint32_t));
  }
  if (room < body.size() || body.size() > TLS_MAX_BODY) return answer(ticket, EINVAL);
  answer(ticket, 0, static_cast<int>(body.size()), body);
}

// What one member is to have, and what its worker must do for it; nobody waits for that.
int SocketCore::set_at(Socket& member, int level, int name, std::span<const uint8_t> value) {
  OptionAnswer out;
  const uint32_t id = load(member.end->page().assoc_id);
  const int error = member.object->set_option(level, name, nullptr, id, value, out);
  if (error == 0) bring_up_to_date(member, std::move(out.effects));
  return error;
}

void SocketCore::bring_up_to_date(Socket& member, OptionEffects effects) {
  update_page(member);
  if (member.object->state() != SocketState::kEstablished) return;
  const Profile now = member.object->profile_in_force();
  if (!effects.edit) effects.edit = difference(member.profile, now);
  if (!effects.any()) return;
  member.profile = now;
  workers_.act(member.worker, *member.end, std::move(effects), [](int) {});
}

// Of all that there are, and with kAll of those to come.
int SocketCore::set_at_all(Socket& front, const OptionScope& scope, const Request& request) {
  const tls_request& head = request.head;
  int error = 0;
  if (scope.whose == OptionScope::kAll) error = set_at(front, head.a, head.b, request.body);
  for (const uint64_t serial : front.members.serials()) {
    Socket* const one = living_member(serial);
    if (one == nullptr) continue;
    const int failed = set_at(*one, head.a, head.b, request.body);
    if (error == 0) error = failed;
  }
  return error;
}

bool SocketCore::set_of_member(Process& process, Socket& front, const Request& request) {
  const OptionScope scope = scope_of(request.head.a, request.head.b, request.body, true);
  if (scope.whose == OptionScope::kCurrent || scope.whose == OptionScope::kAll) {
    answer(process.id, set_at_all(front, scope, request));
    return true;
  }
  Socket* member = nullptr;
  if (!is_of_member(front, scope, request.body, member)) return false;
  at_member(process, member, request, &SocketCore::set_option);
  return true;
}

// An option of the socket as a whole was set, which its associations share.
void SocketCore::tell_members(Socket& front, int level, int name) {
  const bool events = level == IPPROTO_SCTP && name == SCTP_EVENTS;
  for (const uint64_t serial : front.members.serials()) {
    Socket* const living = living_member(serial);
    Socket* const member = living != nullptr ? living : find(serial);
    if (member == nullptr || member->closing) continue;
    member->object->follow(*front.object, events);
    // What it says of reading is for what is unread of one that is over, too.
    if (living == nullptr) {
      update_page(*member);
      continue;
    }
    bring_up_to_date(*member, {});
    if (level == SOL_SOCKET && name == SO_RCVBUF) {
      workers_.set_receive_buffer(member->worker, *member->end,
                                  member->object->options().receive_buffer);
    }
  }
}

}  // namespace trunkline::sockets
