// SPDX-License-Identifier: BSD-3-Clause
#include "sockets/workers.h"

#include <cerrno>
#include <memory>
#include <utility>

namespace trunkline::sockets {
namespace {

int errno_of(Status status) {
  switch (status) {
    case Status::kOk:
      return 0;
    case Status::kInvalidAddress:
    case Status::kInvalidValue:
    case Status::kNoSuchAssociation:
      return EINVAL;
    case Status::kOutOfResources:
      return ENOBUFS;
    default:
      return EINVAL;
  }
}

AssociationView view_of(const SocketBridge& bridge, const SocketEnd& socket, AssocStatus status) {
  AssociationView view;
  view.status = std::move(status);
  if (const Profile* profile = bridge.profile(socket)) view.profile = *profile;
  for (const PathStatus& path : view.status.paths) {
    const Profile* const of_path = bridge.path_profile(socket, path.remote);
    view.path_profiles.push_back(of_path != nullptr ? *of_path : view.profile);
  }
  return view;
}

int run_effects(SocketBridge& bridge, TimePoint now, SocketEnd& socket,
                const OptionEffects& effects) {
  if (effects.edit) {
    if (const int error = errno_of(bridge.edit(now, socket, *effects.edit).status)) return error;
  }
  if (effects.path_edit) {
    const auto& [address, edit] = *effects.path_edit;
    if (const int error = errno_of(bridge.edit_path(now, socket, address, edit).status)) {
      return error;
    }
  }
  if (effects.primary) {
    if (const int error = errno_of(bridge.set_primary(now, socket, *effects.primary))) return error;
  }
  for (const IpAddress& address : effects.heartbeats) {
    if (const int error = errno_of(bridge.request_heartbeat(now, socket, address))) return error;
  }
  if (effects.tell_if_dry) bridge.tell_if_dry(now, socket);
  return 0;
}

}  // namespace

void Workers::at_all(const std::function<Status(SocketBridge&, TimePoint, uint16_t)>& work,
                     std::function<void(Status)> done) {
  struct Count {
    size_t left;
    Status worst = Status::kOk;
    std::function<void(Status)> done;
  };
  const auto progress = std::make_shared<Count>(Count{mails_.size(), Status::kOk, std::move(done)});
  for (uint16_t i = 0; i < count(); ++i) {
    SocketMail* const mail = mails_[i];
    mail->post([=](SocketBridge& bridge, TimePoint now) {
      const Status status = work(bridge, now, i);
      mail->answer([=] {
        if (status != Status::kOk) progress->worst = status;
        if (--progress->left == 0 && progress->done) progress->done(progress->worst);
      });
    });
  }
}

void Workers::listen(const LocalEndName& name, uint64_t listener, uint32_t backlog,
                     const Profile& profile, int pair_fd, std::function<void(Status)> done) {
  const auto finish = [this, name, listener, done = std::move(done)](Status status) {
    if (status == Status::kOk) return done(status);
    unlisten(name, listener, false, [done, status] { done(status); });
  };
  at_all([=](SocketBridge& bridge, TimePoint,
             uint16_t) { return bridge.listen(name, listener, backlog, profile, pair_fd); },
         finish);
}

void Workers::unlisten(const LocalEndName& name, uint64_t listener, bool keep_parked,
                       std::function<void()> done) {
  at_all(
      [=](SocketBridge& bridge, TimePoint now, uint16_t) {
        bridge.unlisten(now, name, listener, keep_parked);
        return Status::kOk;
      },
      [done = std::move(done)](Status) { done(); });
}

void Workers::add_process(std::span<const KickArea> areas) {
  for (uint16_t i = 0; i < count(); ++i) {
    mails_[i]->post(
        [area = areas[i]](SocketBridge& bridge, TimePoint) { bridge.add_process(area); });
  }
}

void Workers::remove_process(std::span<const KickArea> areas, std::function<void()> done) {
  const std::vector<KickArea> copy(areas.begin(), areas.end());
  at_all(
      [=](SocketBridge& bridge, TimePoint, uint16_t worker) {
        bridge.remove_process(copy[worker]);
        return Status::kOk;
      },
      [done = std::move(done)](Status) { done(); });
}

void Workers::connect(uint16_t worker, SocketEnd& socket, SocketBridge::ConnectCommand command,
                      SocketBridge::Terms terms,
                      std::function<void(Status, const tls_name&)> done) {
  SocketMail* const mail = mails_[worker];
  mail->post([=, &socket, command = std::move(command), done = std::move(done)](
                 SocketBridge& bridge, TimePoint now) {
    bridge.set_receive_buffer(socket, terms.receive_buffer);
    const Status status = bridge.connect(now, socket, command);
    if (status == Status::kOk) bridge.begin_autoclose(now, socket, terms.autoclose);
    const tls_name local = socket.page().local;
    mail->answer([=] { done(status, local); });
  });
}

void Workers::accept(uint16_t worker, AssocId parked, SocketEnd& socket, SocketBridge::Terms terms,
                     std::function<void(Status)> done) {
  SocketMail* const mail = mails_[worker];
  mail->post([=, &socket, done = std::move(done)](SocketBridge& bridge, TimePoint now) {
    bridge.set_receive_buffer(socket, terms.receive_buffer);
    const Status status = bridge.accept(now, parked, socket);
    if (status == Status::kOk) bridge.begin_autoclose(now, socket, terms.autoclose);
    mail->answer([=] { done(status); });
  });
}

void Workers::set_receive_buffer(uint16_t worker, SocketEnd& socket, uint32_t room) {
  mails_[worker]->post(
      [=, &socket](SocketBridge& bridge, TimePoint) { bridge.set_receive_buffer(socket, room); });
}

void Workers::refuse(uint16_t worker, AssocId parked) {
  mails_[worker]->post([=](SocketBridge& bridge, TimePoint now) { bridge.refuse(now, parked); });
}

void Workers::wait_for(uint16_t worker, std::function<void()> done) {
  SocketMail* const mail = mails_[worker];
  mail->post([mail, done = std::move(done)](SocketBridge&, TimePoint) { mail->answer(done); });
}

void Workers::close(uint16_t worker, SocketEnd& socket, bool abort) {
  mails_[worker]->post(
      [=, &socket](SocketBridge& bridge, TimePoint now) { bridge.close(now, socket, abort); });
}

void Workers::peel_off(uint16_t worker, SocketEnd& socket, std::function<void()> done) {
  SocketMail* const mail = mails_[worker];
  mail->post([mail, &socket, done = std::move(done)](SocketBridge& bridge, TimePoint) {
    bridge.peel_off(socket);
    mail->answer(done);
  });
}

void Workers::look(uint16_t worker, SocketEnd& socket,
                   std::function<void(std::optional<AssociationView>)> done) {
  SocketMail* const mail = mails_[worker];
  mail->post([=, &socket, done = std::move(done)](SocketBridge& bridge, TimePoint) {
    AssocStatus status;
    std::optional<AssociationView> view;
    if (bridge.status(socket, status)) view = view_of(bridge, socket, std::move(status));
    mail->answer([done, view = std::move(view)] { done(view); });
  });
}

void Workers::act(uint16_t worker, SocketEnd& socket, OptionEffects effects,
                  std::function<void(int)> done) {
  SocketMail* const mail = mails_[worker];
  mail->post([=, &socket, effects = std::move(effects), done = std::move(done)](
                 SocketBridge& bridge, TimePoint now) {
    const int error = run_effects(bridge, now, socket, effects);
    mail->answer([=] { done(error); });
  });
}

}  // namespace trunkline::sockets
