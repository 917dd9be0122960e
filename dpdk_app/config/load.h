// SPDX-License-Identifier: BSD-3-Clause
// Reads trunklined.yaml strictly: an unknown key, a wrong type or an impossible value is an error
// that names the file, the line, the key and what would be right. All mistakes are reported, not
// only the first.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"

namespace trunkline::config {

struct Mistake {
  std::string file;
  int line = 0;      // from 1; 0: the file as a whole
  std::string key;   // "ports[0].mtu"; empty: the document
  std::string text;  // what is wrong and what would be right

  // "trunklined.yaml:12: ports[0].mtu: ..."
  [[nodiscard]] std::string to_string() const;
};

struct LoadResult {
  Config config;  // meaningful only when `mistakes` is empty
  std::vector<Mistake> mistakes;
  [[nodiscard]] bool ok() const { return mistakes.empty(); }
};

[[nodiscard]] LoadResult load_config(const std::string& path);
// `name` stands for the file in messages.
[[nodiscard]] LoadResult parse_config(const std::string& text, const std::string& name);

}  // namespace trunkline::config
