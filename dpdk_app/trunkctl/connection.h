// SPDX-License-Identifier: BSD-3-Clause
// A connection to the daemon's control socket. Throws std::runtime_error with words for people.
#pragma once

#include <chrono>
#include <string>

#include "control/json.h"

namespace trunkline::trunkctl {

class Connection {
 public:
  // A daemon that lives answers within milliseconds, or within seconds that a worker does not.
  static constexpr std::chrono::seconds kPatience{10};

  explicit Connection(const std::string& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // `fd` goes along when it is not negative.
  void send(const control::Json& request, int fd);
  // True when an answer is there; false when time is over or a signal came.
  bool wait_answer(std::chrono::milliseconds patience);
  // The next answer; throws what it says when it is a failure, or that none came in kPatience.
  control::Json checked_answer();

 private:
  [[noreturn]] void give_up() const;

  std::string path_;
  int fd_ = -1;
  std::string in_;
};

}  // namespace trunkline::trunkctl
