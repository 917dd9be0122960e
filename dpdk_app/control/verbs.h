// SPDX-License-Identifier: BSD-3-Clause
// What trunkctl can ask: one function per verb, from a JSON request to a JSON answer. Whatever
// belongs to a worker is copied by the worker itself, through its mailbox.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "appring/app_ring.h"
#include "config/config.h"
#include "control/captures.h"
#include "control/server.h"
#include "sockets/socket_server.h"

namespace trunkline::control {

// What the verbs look at; all of it outlives them.
struct Daemon {
  const config::Config& config;
  worker::WorkerGroup& workers;
  std::span<const std::unique_ptr<port::Port>> ports;
  appring::AttachServer* attach = nullptr;
  sockets::SocketServer* sockets = nullptr;  // null: none are served
  Captures* captures = nullptr;
  std::chrono::steady_clock::time_point started;
  bool draining = false;
};

// Nothing: the answer comes later (a capture).
[[nodiscard]] std::optional<Json> serve(Daemon& daemon, Server::ConnectionId connection,
                                        const Json& request, Fd& passed);

}  // namespace trunkline::control
