// SPDX-License-Identifier: BSD-3-Clause
// One file for each kind of mistake in mistakes/. Its last lines, "# expect: FILE:LINE: ...", say
// every message that it must cause, to the letter and in this order.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "config/load.h"

namespace trunkline::config {
namespace {

std::vector<std::string> mistake_files() {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(MISTAKES_DIR)) {
    out.push_back(entry.path().stem());
  }
  std::sort(out.begin(), out.end());
  return out;
}

class Mistaken : public testing::TestWithParam<std::string> {};

TEST_P(Mistaken, IsExplained) {
  const std::string path = std::string(MISTAKES_DIR) + "/" + GetParam() + ".yaml";
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  std::vector<std::string> expected;
  std::istringstream lines(text.str());
  const std::string mark = "# expect: ";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(mark)) expected.push_back(line.substr(mark.size()));
  }
  ASSERT_FALSE(expected.empty()) << path << " expects nothing";
  std::vector<std::string> got;
  for (const Mistake& mistake : parse_config(text.str(), "FILE").mistakes) {
    got.push_back(mistake.to_string());
  }
  EXPECT_EQ(got, expected);
}

INSTANTIATE_TEST_SUITE_P(Config, Mistaken, testing::ValuesIn(mistake_files()),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Mistakes, ThereAreManyKinds) {
  EXPECT_GE(mistake_files().size(), 75u);
}

TEST(Mistakes, FileThatIsNotThere) {
  const LoadResult result = load_config("/nowhere/at/all.yaml");
  ASSERT_EQ(result.mistakes.size(), 1u);
  EXPECT_EQ(result.mistakes[0].to_string(),
            "/nowhere/at/all.yaml: cannot be read: No such file or directory");
}

// Any prefix of a good file is refused or accepted, never a crash: the reader is strict about
// shapes that a half-written file has.
TEST(Mistakes, CutAnywhere) {
  std::ifstream in(std::string(CONFIG_DIR) + "/trunklined.yaml");
  std::ostringstream text;
  text << in.rdbuf();
  const std::string whole = text.str();
  ASSERT_GT(whole.size(), 1000u);
  size_t refused = 0;
  for (size_t length = 0; length < whole.size(); length += 7) {
    const LoadResult result = parse_config(whole.substr(0, length), "cut.yaml");
    if (!result.ok()) ++refused;
    for (const Mistake& mistake : result.mistakes) EXPECT_FALSE(mistake.text.empty());
  }
  EXPECT_GT(refused, 10u);
}

}  // namespace
}  // namespace trunkline::config
