// SPDX-License-Identifier: BSD-3-Clause
// trunklined: the command line.
#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "config/load.h"
#include "daemon.h"
#include "text/printable.h"

namespace {

using trunkline::text::printable;

// Prints all mistakes; true when there is none.
bool report(const trunkline::config::LoadResult& loaded) {
  for (const auto& mistake : loaded.mistakes) {
    fmt::print(stderr, "{}\n", printable(mistake.to_string()));
  }
  return loaded.ok();
}

// What is logged, with names and paths from outside in it: a message is one line, whatever they
// are.
class PrintableMessage : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string shown = printable({message.payload.data(), message.payload.size()});
    out.append(shown.data(), shown.data() + shown.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PrintableMessage>();
  }
};

void set_up_logging(const trunkline::config::Logging& logging) {
  auto logger = logging.file.empty() ? spdlog::stderr_color_mt("trunklined")
                                     : spdlog::basic_logger_mt("trunklined", logging.file);
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<PrintableMessage>('*').set_pattern("%Y-%m-%d %H:%M:%S.%e %^%-7l%$ %*");
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  logger->set_level(kLevels[static_cast<size_t>(logging.level)]);
  spdlog::set_default_logger(std::move(logger));
}

int run(int argc, char** argv) {
  CLI::App app{"trunklined: an SCTP endpoint in user space, driving network ports with DPDK"};
  std::string config_file;
  std::string check_file;
  app.add_option("config,--config,-c", config_file, "the configuration, in YAML");
  app.add_option("--check", check_file, "only check this configuration");
  app.set_version_flag("--version,-V", std::string("trunklined ") + TRUNKLINE_VERSION);
  app.footer("Signals: SIGTERM and SIGINT end it, a second one at once; SIGHUP is ignored.");
  CLI11_PARSE(app, argc, argv);
  if (config_file.empty() == check_file.empty()) {
    fmt::print(stderr, "trunklined: give a configuration to run, or one to --check\n");
    return 2;
  }
  const auto loaded = trunkline::config::load_config(check_file.empty() ? config_file : check_file);
  if (!report(loaded)) {
    fmt::print(stderr, "trunklined: {} mistake{} in {}\n", loaded.mistakes.size(),
               loaded.mistakes.size() == 1 ? "" : "s",
               printable(check_file.empty() ? config_file : check_file));
    return 1;
  }
  if (!check_file.empty()) {
    fmt::print("{}: ok\n", printable(check_file));
    return 0;
  }
  set_up_logging(loaded.config.logging);
  return trunkline::run_daemon(loaded.config);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "trunklined: %s\n", printable(error.what()).c_str());
  } catch (...) {
    std::fputs("trunklined: unknown failure\n", stderr);
  }
  return 1;
}
