// SPDX-License-Identifier: BSD-3-Clause
#include "control/socket_verbs.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>

namespace trunkline::control {
namespace {

std::string text_of(const tls_name& name) {
  char text[INET6_ADDRSTRLEN] = "";
  if (name.length == sizeof(sockaddr_in)) {
    sockaddr_in at{};
    std::memcpy(&at, name.bytes, sizeof(at));
    inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text));
    return fmt::format("{}:{}", text, ntohs(at.sin_port));
  }
  if (name.length != sizeof(sockaddr_in6)) return "";
  sockaddr_in6 at{};
  std::memcpy(&at, name.bytes, sizeof(at));
  inet_ntop(AF_INET6, &at.sin6_addr, text, sizeof(text));
  return fmt::format("[{}]:{}", text, ntohs(at.sin6_port));
}

Json describe(const sockets::SocketInfo& socket) {
  Json out = Json::object({{"index", socket.index},
                           {"pid", socket.pid},
                           {"uid", socket.uid},
                           {"state", socket.closing ? "closing" : state_name(socket.state)},
                           {"local", text_of(socket.local)},
                           {"peer", text_of(socket.peer)},
                           {"send_queued", socket.send_queued}});
  if (socket.state == sockets::SocketState::kListening) {
    out.set("unaccepted", socket.unaccepted);
    out.set("backlog", socket.backlog);
  }
  if (socket.one_to_many) out.set("associations", socket.associations);
  if (socket.front != TLS_NO_FRONT) out.set("front", socket.front);
  if (socket.worker != TLS_NO_WORKER) out.set("worker", socket.worker);
  if (socket.assoc_id != 0) out.set("assoc_id", socket.assoc_id);
  return out;
}

}  // namespace

Json list_sockets(sockets::SocketServer* server) {
  if (server == nullptr) {
    return Json::object(
        {{"ok", false}, {"error", "this daemon serves no sockets: there is no section sockets"}});
  }
  const auto snapshot = server->snapshot();
  if (!snapshot) {
    return Json::object({{"ok", false}, {"error", "the sockets thread does not answer"}});
  }
  Json list = Json::array();
  for (const sockets::SocketInfo& socket : snapshot->sockets) list.push(describe(socket));
  Json out = Json::object(
      {{"ok", true}, {"processes", snapshot->processes}, {"closing", snapshot->closing}});
  const sockets::ServerCounters& counters = snapshot->counters;
#define X(name, text) out.set(#name, counters.name);
  TRUNKLINE_SERVER_COUNTERS(X)
#undef X
  out.set("sockets", std::move(list));
  return out;
}

}  // namespace trunkline::control
