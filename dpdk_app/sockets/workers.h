// SPDX-License-Identifier: BSD-3-Clause
// What the sockets thread has workers do. Each call returns at once; `done` runs later, in the
// sockets thread, as an answer of the worker's mail.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "sockets/news.h"
#include "sockets/options.h"
#include "sockets/socket_bridge.h"

namespace trunkline::sockets {

class Workers {
 public:
  explicit Workers(std::span<SocketMail* const> mails) : mails_(mails.begin(), mails.end()) {}

  [[nodiscard]] uint16_t count() const { return static_cast<uint16_t>(mails_.size()); }
  [[nodiscard]] SocketMail& mail(uint16_t worker) { return *mails_[worker]; }

  // At all of them; the first error, or kOk. After an error that one does not listen.
  void listen(const LocalEndName& name, uint64_t listener, uint32_t backlog, const Profile& profile,
              int pair_fd, std::function<void(Status)> done);
  void unlisten(const LocalEndName& name, uint64_t listener, bool keep_parked,
                std::function<void()> done);
  void add_process(std::span<const KickArea> areas);
  void remove_process(std::span<const KickArea> areas, std::function<void()> done);

  // `done` also hears the name that it connects from.
  void connect(uint16_t worker, SocketEnd& socket, SocketBridge::ConnectCommand command,
               SocketBridge::Terms terms, std::function<void(Status, const tls_name&)> done);
  void accept(uint16_t worker, AssocId parked, SocketEnd& socket, SocketBridge::Terms terms,
              std::function<void(Status)> done);
  void set_receive_buffer(uint16_t worker, SocketEnd& socket, uint32_t room);
  void refuse(uint16_t worker, AssocId parked);
  // Once it has told all that it knew when this was called.
  void wait_for(uint16_t worker, std::function<void()> done);
  void close(uint16_t worker, SocketEnd& socket, bool abort);
  void peel_off(uint16_t worker, SocketEnd& socket, std::function<void()> done);
  // Nothing: it has no association.
  void look(uint16_t worker, SocketEnd& socket,
            std::function<void(std::optional<AssociationView>)> done);
  // An errno.
  void act(uint16_t worker, SocketEnd& socket, OptionEffects effects,
           std::function<void(int)> done);

 private:
  // Counts down for a command that goes to all.
  void at_all(const std::function<Status(SocketBridge&, TimePoint, uint16_t)>& work,
              std::function<void(Status)> done);

  std::vector<SocketMail*> mails_;
};

}  // namespace trunkline::sockets
