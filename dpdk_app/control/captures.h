// SPDX-License-Identifier: BSD-3-Clause
// Captures under way: which connection asked for them, when they end, and the steps of ending one
// (the workers let their taps go, then the writer closes the file). Control thread only.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/writer.h"
#include "control/server.h"
#include "port/port.h"
#include "worker/group.h"

namespace trunkline::control {

class Captures {
 public:
  Captures(worker::WorkerGroup& workers, const worker::TscClock& clock,
           std::span<const std::unique_ptr<port::Port>> ports, std::string directory)
      : workers_(workers), clock_(clock), ports_(ports), directory_(std::move(directory)) {}

  struct Request {
    capture::Filter filter;
    std::string label;  // for the file's comment and name
    uint64_t max_packets = 0;
    std::optional<std::chrono::milliseconds> duration;
    Fd file;  // not valid: a file in the configured directory
  };
  // Empty when it began; else why not.
  std::string begin(Server::ConnectionId connection, Request request);

  struct Ended {
    Server::ConnectionId connection = 0;
    Json answer;
  };
  // Ends what is over; call it every few milliseconds while any() is true.
  std::vector<Ended> poll();
  [[nodiscard]] bool any() const { return !running_.empty(); }
  // The connection asks for the end of its capture, or is gone.
  std::optional<Json> end(Server::ConnectionId connection);
  std::vector<Ended> end_all();

 private:
  struct Running {
    Server::ConnectionId connection = 0;
    std::vector<std::shared_ptr<capture::Tap>> taps;  // one for each worker
    std::unique_ptr<capture::Writer> writer;
    std::optional<std::chrono::steady_clock::time_point> until;
    std::string path;  // empty: a file of the client's
  };
  static constexpr size_t kMost = 4;
  static constexpr size_t kTapSize = 8u << 20;

  Json finish(Running& running);

  worker::WorkerGroup& workers_;
  const worker::TscClock& clock_;
  std::span<const std::unique_ptr<port::Port>> ports_;
  std::string directory_;
  std::vector<Running> running_;
};

}  // namespace trunkline::control
