// SPDX-License-Identifier: BSD-3-Clause
// What workers tell: connections that wait to be accepted, and what became of sockets.
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

#include "sockets/socket_core.h"

namespace trunkline::sockets {

// What is there now, and no more: peers that connect without end must not keep programs waiting.
void SocketCore::take_mail() {
  for (uint16_t i = 0; i < workers_.count(); ++i) {
    SocketMail& mail = workers_.mail(i);
    mail.acknowledge();
    std::vector<News> news;
    std::vector<SocketMail::Answer> answers;
    mail.take_all(news, answers);
    for (News& one : news) take(one);
    for (const SocketMail::Answer& answer : answers) answer();
  }
}

void SocketCore::take(News& news) {
  if (news.kind == NewsKind::kAccepted) return accept_parked(news);
  if (news.kind == NewsKind::kWithdrawn || news.socket == nullptr) return;
  Socket* const socket = by_index_[news.socket->index()];
  if (socket == nullptr || socket->end.get() != news.socket) return;
  switch (news.kind) {
    case NewsKind::kConnected:
      if (Socket* const front = find(socket->front)) {
        front->members.add_peers(socket->serial, news.peers);
      }
      return connected(*socket);
    case NewsKind::kFailed:
      socket->local = {};
      socket->object->connect_failed();
      socket->object->set_source(socket->end->page().local);
      set_names(*socket);
      return update_page(*socket);
    case NewsKind::kEnded:
      socket->object->ended();
      update_page(*socket);
      if (socket->front != 0) end_member(*socket);
      return;
    case NewsKind::kGone:
      return destroy(*socket);
    default:
      return;
  }
}

// What was set meanwhile and holds for living associations, too, reaches it now.
void SocketCore::connected(Socket& socket) {
  socket.object->connected();
  // The worker has been told to close it, and may have let go of it by now.
  if (socket.closing) return;
  socket.local = socket.end->page().local;
  update_page(socket);
  const Profile now = socket.object->profile_in_force();
  OptionEffects effects;
  effects.edit = difference(socket.profile, now);
  if (!effects.any()) return;
  socket.profile = now;
  workers_.act(socket.worker, *socket.end, std::move(effects), [](int) {});
}

// The backlog counts what the program has not taken; one more may wait, as on Linux.
void SocketCore::accept_parked(const News& news) {
  Socket* const listener = find(news.listener);
  const auto refuse = [&] {
    ++counters_.refused_backlog;
    workers_.refuse(news.worker, news.assoc);
  };
  if (listener == nullptr || listener->closing ||
      listener->object->state() != SocketState::kListening) {
    return refuse();
  }
  if (listener->end->is_front()) return accept_member(*listener, news);
  if (listener->queue.unaccepted() + listener->handed_out > listener->object->backlog()) {
    return refuse();
  }
  if (news.peers.empty() || refusal_of_peer(listener->user->uid) != 0) {
    return refuse_association(news);
  }
  Socket* const fresh = make_socket(listener->object->ipv6(), listener->user, 0, listener->pid);
  if (fresh == nullptr) return refuse_association(news);
  if (!fresh->object->accepted(*listener->object, news.peers.front(), news.peer_port.value)) {
    destroy(*fresh);
    return refuse_association(news);
  }
  fresh->at_worker = true;
  fresh->worker = news.worker;
  fresh->profile = listener->profile;
  update_page(*fresh);
  fresh->end->set_names(fresh->object->name_to_connect_from(), {});
  const uint64_t from = listener->serial;
  const uint64_t serial = fresh->serial;
  ++listener->handed_out;
  workers_.accept(news.worker, news.assoc, *fresh->end, terms_of(*fresh),
                  [this, from, serial](Status status) {
                    Socket* const again = find(from);
                    if (again != nullptr) --again->handed_out;
                    Socket* const accepted = find(serial);
                    if (accepted == nullptr) return;
                    // Its listener has stopped meanwhile: it was aborted, and is nobody's.
                    // If it is being closed (close_all()), the worker still says that it is gone.
                    if (status != Status::kOk) {
                      if (!accepted->closing) destroy(*accepted);
                      return;
                    }
                    if (accepted->closing) return;
                    if (again == nullptr || again->closing) return close_socket(*accepted, false);
                    ++counters_.accepted;
                    hand_out(*again, *accepted);
                  });
}

void SocketCore::hand_out(Socket& listener, Socket& fresh) {
  fresh.local = fresh.end->page().local;
  const int handle = fresh.end->take_handle();
  note_handle(fresh, handle);
  listener.queue.push(handle, fresh.end->memory_fd());
  flush_queue(listener);
}

void SocketCore::count_held(Socket& listener) {
  const uint32_t now = listener.queue.held();
  const uint32_t change = now - listener.held;  // it may be less than nothing
  listener.held = now;
  uses_[listener.user->uid].held += change;
  held_ += change;
}

void SocketCore::flush_queue(Socket& listener) {
  const bool waits = !listener.queue.flush();
  count_held(listener);
  if (waits == listener.waits_for_room) return;
  listener.waits_for_room = waits;
  epoll_event event{};
  event.events = waits ? uint32_t{EPOLLOUT} : 0u;
  event.data.u64 = listener.serial;
  epoll_ctl(pairs_fd_, EPOLL_CTL_MOD, listener.end->pair_fd(), &event);
}

}  // namespace trunkline::sockets
