// SPDX-License-Identifier: BSD-3-Clause
// Starting of ports and following of links.
#include "link_watch.h"

#include <rte_log.h>
#include <spdlog/spdlog.h>

namespace trunkline {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPeriod(100);
constexpr milliseconds kQuickPeriod(10);
constexpr milliseconds kRetry(250);
constexpr milliseconds kEager(1000);  // how long a link is expected any moment
// A memif client that hangs up before its server has answered makes the server's driver panic
// (22.11 closes a descriptor that it still waits on): give a busy server time. One that has hung up
// has answered: a daemon that starts listens for a while before it serves its memif.
constexpr milliseconds kGrace(10000);

}  // namespace

LinkWatch::LinkWatch(worker::WorkerGroup& workers,
                     std::span<const std::unique_ptr<port::Port>> ports)
    : workers_(workers), ports_(ports), states_(ports.size()) {}

bool LinkWatch::impatient() const {
  const auto now = Clock::now();
  for (const State& state : states_) {
    if (!state.up && state.polled && now - state.changed < kEager) return true;
  }
  return false;
}

void LinkWatch::check() {
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + (impatient() ? kQuickPeriod : kPeriod);
  for (size_t i = 0; i < ports_.size(); ++i) {
    State& state = states_[i];
    const bool lost = state.was_up && now - state.changed >= kRetry;
    const bool stuck = ports_[i]->wants_restart() &&
                       (lost || ports_[i]->was_refused() || now - state.changed >= kGrace);
    if ((!ports_[i]->started() || stuck) && now >= state.next_start) {
      start_port(i);
    } else if (ports_[i]->started() && !state.polled_by_all) {
      poll_port(i);
    }
    follow_link(i);
  }
  next_ = std::min(next_, Clock::now() + (impatient() ? kQuickPeriod : kPeriod));
}

void LinkWatch::start_port(size_t index) {
  port::Port& port = *ports_[index];
  State& state = states_[index];
  state.next_start = Clock::now() + kRetry;
  if (state.polled) {
    const bool answered =
        workers_.ask_each([&](worker::Worker& worker) { worker.port(index).set_polling(false); });
    if (!answered) return;
    state.polled = false;
    state.polled_by_all = false;
  }
  port.stop();
  // What a driver says about a peer that is not there yet would be repeated at every attempt.
  const uint32_t level = rte_log_get_global_level();
  if (state.reported) rte_log_set_global_level(RTE_LOG_EMERG);
  const bool started = port.start();
  rte_log_set_global_level(level);
  if (!started) {
    if (!state.reported) {
      spdlog::warn("port {}: cannot be started yet; trying again", port.config().name);
    }
    state.reported = true;
    return;
  }
  state.reported = true;
  state.was_up = false;
  state.changed = Clock::now();
  poll_port(index);
}

void LinkWatch::poll_port(size_t index) {
  State& state = states_[index];
  state.polled = true;  // by some at least, even if one of them does not answer
  state.polled_by_all =
      workers_.ask_each([&](worker::Worker& worker) { worker.port(index).set_polling(true); });
}

void LinkWatch::follow_link(size_t index) {
  port::Port& port = *ports_[index];
  State& state = states_[index];
  const bool up = port.started() && port.link_up();
  if (up == state.up) return;
  const bool answered =
      workers_.ask_each([&](worker::Worker& worker) { worker.set_link(index, up); });
  if (!answered) return;
  state.up = up;
  state.was_up = state.was_up || up;
  state.changed = Clock::now();
  spdlog::info("port {}: link {}", port.config().name, up ? "up" : "down");
}

}  // namespace trunkline
