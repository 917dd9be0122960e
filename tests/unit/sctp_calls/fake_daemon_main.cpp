// SPDX-License-Identifier: BSD-3-Clause
// The fake daemon as a program, for programs that are run with the preloaded library. Ends with its
// standard input.
#include <unistd.h>

#include <cstdio>

#include "fake_daemon.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const trunkline::test::FakeDaemon daemon(arguments[1]);
  std::puts("ready");
  std::fflush(stdout);
  char byte = 0;
  while (::read(0, &byte, 1) > 0) {
  }
  return 0;
}
