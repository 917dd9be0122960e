// SPDX-License-Identifier: BSD-3-Clause
// DPDK's environment: its arguments made from the configuration, and nothing left behind at the
// end, which DPDK itself does not care for.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace trunkline {

inline constexpr unsigned kControlLcore = 0;
inline constexpr unsigned kFirstWorkerLcore = 1;

// The arguments after the program's name. `cpus` are those that this process may use.
[[nodiscard]] std::vector<std::string> eal_arguments(const config::Config& config,
                                                     const std::vector<unsigned>& cpus);
// Whether workers may have to share their cores.
[[nodiscard]] bool shares_cores(const config::Config& config);

class Eal {
 public:
  // Throws std::runtime_error.
  explicit Eal(const config::Config& config);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

 private:
  std::string runtime_directory_;
};

}  // namespace trunkline
