// SPDX-License-Identifier: BSD-3-Clause
// trunkctl: asks a running trunklined and prints tables, or JSON for programs.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <thread>

#include "text/printable.h"
#include "trunkctl/connection.h"
#include "trunkctl/print.h"

namespace {

using trunkline::control::Json;
using trunkline::text::printable;
using trunkline::trunkctl::Connection;

volatile std::sig_atomic_t interrupted = 0;
void on_interrupt(int) {
  interrupted = 1;
}

struct Options {
  std::string socket = "/run/trunkline/control.sock";
  bool json = false;
  std::string id;
  bool nonzero = false;
  std::optional<uint32_t> worker;
  double watch = 0;
  bool watching = false;
  std::string port;
  std::string output;
  uint64_t count = 0;
  double seconds = 0;
};

Json ask(const Options& options, const Json& request) {
  Connection connection(options.socket);
  connection.send(request, -1);
  return connection.checked_answer();
}

void print_json(const Json& answer) {
  fmt::print("{}\n", answer.dump_pretty());
}

int show_counters(const Options& options) {
  std::signal(SIGINT, on_interrupt);
  Json before;
  while (true) {
    Json request = Json::object({{"verb", "counters"}});
    if (options.worker) request.set("worker", *options.worker);
    const Json answer = ask(options, request);
    if (options.json) {
      print_json(trunkline::trunkctl::select_counters(answer, options.nonzero));
    } else if (options.watching) {
      fmt::print("\x1b[H\x1b[2J");
      trunkline::trunkctl::print_counters(answer, before, options.nonzero, options.watch);
      std::fflush(stdout);
    } else {
      trunkline::trunkctl::print_counters(answer, Json(), options.nonzero, 0);
    }
    if (!options.watching) return 0;
    before = answer;
    std::this_thread::sleep_for(std::chrono::duration<double>(options.watch));
    if (interrupted != 0) return 0;
  }
}

int capture(const Options& options) {
  Json request = Json::object({{"verb", "capture"}});
  if (!options.port.empty()) request.set("port", options.port);
  if (!options.id.empty()) request.set("id", options.id);
  if (options.count > 0) request.set("count", options.count);
  if (options.seconds > 0) request.set("seconds", options.seconds);
  Connection connection(options.socket);
  int fd = -1;
  if (options.output == "-") {
    fd = STDOUT_FILENO;
    if (isatty(fd) == 1) throw std::runtime_error("not writing a capture to a terminal");
  } else if (!options.output.empty()) {
    fd = open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
      throw std::runtime_error(fmt::format("{}: {}", options.output, std::strerror(errno)));
    }
  }
  // No SA_RESTART: the wait for the answer is to end.
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A capture has no answer before its end: whether there is anybody must be asked before.
  connection.send(Json::object({{"verb", "status"}}), -1);
  static_cast<void>(connection.checked_answer());
  connection.send(request, fd);
  if (options.count == 0 && options.seconds <= 0) {
    fmt::print(stderr, "capturing; Ctrl-C ends it\n");
  }
  bool asked = false;
  while (!asked && !connection.wait_answer(std::chrono::milliseconds(200))) {
    if (interrupted != 0) {
      asked = true;
      connection.send(Json::object({{"verb", "capture-end"}}), -1);
    }
  }
  const Json answer = connection.checked_answer();
  if (options.json) {
    fmt::print(options.output == "-" ? stderr : stdout, "{}\n", answer.dump_pretty());
    return 0;
  }
  const std::string file = answer.has("file") ? answer["file"].as_string() : options.output;
  fmt::print(stderr, "{} packets in {}{}\n", answer["packets"].as_uint(), printable(file),
             answer["lost"].as_uint() == 0
                 ? ""
                 : fmt::format(", {} lost because the file is too slow", answer["lost"].as_uint()));
  return 0;
}

int answer_command(const Options& options, const CLI::App& app) {
  if (app.got_subcommand("counters")) return show_counters(options);
  if (app.got_subcommand("capture")) return capture(options);
  Json answer;
  if (app.got_subcommand("status")) {
    answer = ask(options, Json::object({{"verb", "status"}}));
    if (!options.json) trunkline::trunkctl::print_status(answer);
  } else if (app.got_subcommand("sockets")) {
    answer = ask(options, Json::object({{"verb", "sockets"}}));
    if (!options.json) trunkline::trunkctl::print_sockets(answer);
  } else if (app.get_subcommand("assoc")->got_subcommand("list")) {
    answer = ask(options, Json::object({{"verb", "assoc-list"}}));
    if (!options.json) trunkline::trunkctl::print_associations(answer);
  } else {
    answer = ask(options, Json::object({{"verb", "assoc-show"}, {"id", options.id}}));
    if (!options.json) trunkline::trunkctl::print_association(answer["association"]);
  }
  if (options.json) print_json(answer);
  return 0;
}

void declare(CLI::App& app, Options& options) {
  app.add_option("--socket,-s", options.socket, "the daemon's control socket")
      ->capture_default_str();
  app.set_version_flag("--version,-V", std::string("trunkctl ") + TRUNKLINE_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  app.add_flag("--json", options.json, "print JSON");
  app.add_subcommand("status", "the daemon, its ports and its clients");
  CLI::App* assoc = app.add_subcommand("assoc", "associations");
  assoc->require_subcommand(1);
  assoc->add_subcommand("list", "all associations");
  assoc->add_subcommand("show", "one association and its paths")
      ->add_option("ID", options.id, "as in the list")
      ->required();
  app.add_subcommand("sockets", "the sockets of programs");
  CLI::App* counters = app.add_subcommand("counters", "every counter; each drop has a name");
  counters->add_flag("--nonzero,-n", options.nonzero, "only those that are not 0");
  counters->add_option("--worker", options.worker, "of this worker; else the sum of all");
  CLI::Option* watch = counters
                           ->add_option("--watch,-w", options.watch,
                                        "again and again, every so many seconds, with rates")
                           ->expected(0, 1)
                           ->default_str("1");
  counters->callback([&options, watch] {
    options.watching = watch->count() > 0;
    if (options.watching && options.watch <= 0) options.watch = 1;
  });
  CLI::App* capture = app.add_subcommand("capture", "frames as pcapng; tcpdump cannot see them");
  CLI::Option* port = capture->add_option("--port,-p", options.port, "only this port");
  capture->add_option("--assoc,-a", options.id, "only this association")->excludes(port);
  capture->add_option("--output,-o", options.output,
                      "the file, or - for standard output; else one in the daemon's directory");
  capture->add_option("--count,-n", options.count, "end after so many frames");
  capture->add_option("--seconds,-t", options.seconds, "end after so many seconds");
}

int run(int argc, char** argv) {
  CLI::App app{"trunkctl: looks into a running trunklined"};
  Options options;
  declare(app, options);
  CLI11_PARSE(app, argc, argv);
  return answer_command(options, app);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trunkctl: %s\n", printable(error.what()).c_str());
  } catch (...) {
    std::fputs("trunkctl: unknown failure\n", stderr);
  }
  return 1;
}
