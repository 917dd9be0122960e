// SPDX-License-Identifier: BSD-3-Clause
// Beginning and ending of captures.
#include "control/captures.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace trunkline::control {
namespace {

int64_t time_of_day_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

std::string file_name(const std::string& directory, const std::string& label) {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);
  return fmt::format("{}/trunkline-{}-{}-{}.pcapng", directory, label, stamp, getpid());
}

}  // namespace

std::string Captures::begin(Server::ConnectionId connection, Request request) {
  if (running_.size() == kMost) {
    return fmt::format("{} captures are under way already; end one first", kMost);
  }
  for (const Running& other : running_) {
    if (other.connection == connection) return "this connection has a capture under way";
  }
  Running running;
  running.connection = connection;
  if (!request.file.valid()) {
    running.path = file_name(directory_, request.label);
    request.file =
        Fd(open(running.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!request.file.valid()) {
      return fmt::format("{}: {}", running.path, std::strerror(errno));
    }
  }
  capture::WriterConfig config;
  config.fd = request.file.release();
  config.application = "trunklined";
  config.comment = request.label;
  for (const auto& port : ports_) {
    config.interfaces.push_back({port->config().name, port->config().device});
  }
  config.time_offset_ns = time_of_day_ns() - clock_.now().ns();
  config.max_packets = request.max_packets;
  for (size_t i = 0; i < workers_.size(); ++i) {
    running.taps.push_back(
        std::make_shared<capture::Tap>(std::bit_floor(kTapSize / workers_.size()), request.filter));
  }
  running.writer = std::make_unique<capture::Writer>(std::move(config), running.taps);
  if (request.duration) running.until = std::chrono::steady_clock::now() + *request.duration;
  const auto add = [&](worker::Worker& worker) { worker.add_tap(running.taps[worker.index()]); };
  if (!workers_.ask_each(add)) {
    static_cast<void>(finish(running));
    return "a worker does not answer";
  }
  running_.push_back(std::move(running));
  return {};
}

Json Captures::finish(Running& running) {
  // Once a worker has let its tap go, nothing is pushed any more.
  const bool answered = workers_.ask_each(
      [&](worker::Worker& worker) { worker.remove_tap(running.taps[worker.index()].get()); });
  running.writer->finish();
  Json answer = Json::object({{"ok", running.writer->error() == 0},
                              {"packets", running.writer->packets()},
                              {"lost", running.writer->lost()}});
  if (!running.path.empty()) answer.set("file", running.path);
  if (running.writer->error() != 0) {
    answer.set("error", fmt::format("writing failed: {}", std::strerror(running.writer->error())));
  } else if (!answered) {
    answer.set("warning", "a worker did not answer; the last packets may be missing");
  }
  return answer;
}

std::vector<Captures::Ended> Captures::poll() {
  std::vector<Ended> out;
  const auto now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < running_.size();) {
    Running& running = running_[i];
    if (!running.writer->done() && !(running.until && now >= *running.until)) {
      ++i;
      continue;
    }
    out.push_back({running.connection, finish(running)});
    running_.erase(running_.begin() + static_cast<ptrdiff_t>(i));
  }
  return out;
}

std::optional<Json> Captures::end(Server::ConnectionId connection) {
  for (size_t i = 0; i < running_.size(); ++i) {
    if (running_[i].connection != connection) continue;
    Json answer = finish(running_[i]);
    running_.erase(running_.begin() + static_cast<ptrdiff_t>(i));
    return answer;
  }
  return std::nullopt;
}

std::vector<Captures::Ended> Captures::end_all() {
  std::vector<Ended> out;
  for (Running& running : running_) out.push_back({running.connection, finish(running)});
  running_.clear();
  return out;
}

}  // namespace trunkline::control
