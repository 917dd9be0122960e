// SPDX-License-Identifier: BSD-3-Clause
// Start and end of DPDK's environment.
#include "eal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "control/fd.h"

namespace trunkline {
namespace {

std::vector<unsigned> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> out;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) out.push_back(cpu);
    }
  }
  if (out.empty()) out.push_back(0);
  return out;
}

// DPDK locks its configuration file; its own message about that names no key of ours.
void refuse_used_prefix(const std::string& prefix) {
  const control::Fd file(
      open(fmt::format("/var/run/dpdk/{}/config", prefix).c_str(), O_RDWR | O_CLOEXEC));
  if (!file.valid()) return;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(file.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
    throw std::runtime_error(
        fmt::format("eal.file_prefix \"{}\" is in use by process {}; choose "
                    "another one",
                    prefix, lock.l_pid));
  }
}

// DPDK would say that it cannot set a thread's affinity, and not whose.
void check_cores(const config::Config& config, const std::vector<unsigned>& cpus) {
  const auto check = [&](std::string_view key, uint16_t core) {
    if (std::find(cpus.begin(), cpus.end(), core) != cpus.end()) return;
    throw std::runtime_error(
        fmt::format("{}: this process may not use core {}; it has {} of them, the highest is {}",
                    key, core, cpus.size(), cpus.back()));
  };
  if (config.eal.control_core) check("eal.control_core", *config.eal.control_core);
  for (const uint16_t core : config.workers.cores) check("workers.cores", core);
}

// DPDK's interrupt thread may still be busy with a peer that hung up, while rte_eal_cleanup()
// unmaps what it reads: that crashed. It has done with it when it runs what was given to it
// afterwards.
void wait_for_interrupt_thread() {
  static std::atomic<bool> came_round{false};
  const auto note = [](void*) { came_round = true; };
  if (rte_eal_alarm_set(1, note, nullptr) != 0) return;
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (!came_round && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

Eal::Eal(const config::Config& config) {
  refuse_used_prefix(config.eal.file_prefix);
  const std::vector<unsigned> cpus = usable_cpus();
  check_cores(config, cpus);
  std::vector<std::string> arguments = eal_arguments(config, cpus);
  arguments.insert(arguments.begin(), "trunklined");
  std::vector<char*> argv;
  std::string line;
  for (std::string& argument : arguments) {
    argv.push_back(argument.data());
    line += argument + " ";
  }
  argv.push_back(nullptr);
  spdlog::debug("DPDK: {}", line);
  if (rte_eal_init(static_cast<int>(argv.size()) - 1, argv.data()) < 0) {
    std::string hint;
    if (rte_errno == EAGAIN || rte_errno == EALREADY) {
      hint =
          fmt::format("; another process may use eal.file_prefix \"{}\"", config.eal.file_prefix);
    } else if (rte_errno == EACCES || rte_errno == ENOMEM || rte_errno == ENOENT) {
      hint = "; without huge pages, set eal.huge_pages: false";
    }
    throw std::runtime_error(fmt::format("DPDK does not start ({}){}; see its messages above",
                                         rte_strerror(rte_errno), hint));
  }
  runtime_directory_ = rte_eal_get_runtime_dir();
}

Eal::~Eal() {
  wait_for_interrupt_thread();
  rte_eal_cleanup();
  // 22.11 leaves its configuration, page table and sockets there.
  const std::filesystem::path directory(runtime_directory_);
  if (directory.parent_path().filename() != "dpdk") return;
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

}  // namespace trunkline
