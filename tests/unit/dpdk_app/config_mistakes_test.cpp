// SPDX-License-Identifier: BSD-3-Clause
// One file for each kind of mistake in mistakes/. Its last lines, "# expect: FILE:LINE: ...", say
// every message that it must cause, to the letter and in this order.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
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

std::string in_words(const LoadResult& result) {
  std::string out;
  for (const Mistake& mistake : result.mistakes) out += "  " + mistake.to_string() + "\n";
  return out;
}

std::vector<std::string> lines_of_the_explained_file() {
  std::ifstream in(std::string(CONFIG_DIR) + "/trunklined.yaml");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

LoadResult parse_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return parse_config(text, "FILE");
}

// Where a key begins and its ':' is; nothing in a comment, or in a name of the operator's own.
std::optional<std::pair<size_t, size_t>> key_in(const std::string& line) {
  const size_t begin = line.find_first_not_of(" -");
  const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", begin);
  if (begin == std::string::npos || end == std::string::npos || end == begin) return std::nullopt;
  if (line[end] != ':' || line[begin] == '#') return std::nullopt;
  const std::string key = line.substr(begin, end - begin);
  if (key == "default" || key == "signalling" || key == "lan") return std::nullopt;
  return std::pair(begin, end);
}

// One mistake, one message: whatever key is mistyped, and however.
TEST(Mistakes, AMistypedKeyIsSaidOnce) {
  const std::vector<std::string> lines = lines_of_the_explained_file();
  ASSERT_TRUE(parse_lines(lines).ok()) << in_words(parse_lines(lines));
  size_t keys = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto key = key_in(lines[i]);
    if (!key) continue;
    const auto [begin, end] = *key;
    ++keys;
    std::vector<std::string> mistypes(4, lines[i]);
    mistypes[0].insert(end, "x");
    mistypes[1].erase(end - 1, 1);
    mistypes[2][begin] = 'q';
    mistypes[3].replace(begin, end - begin, "quite-another-word-altogether");
    for (const std::string& line : mistypes) {
      std::vector<std::string> wrong = lines;
      wrong[i] = line;
      const LoadResult result = parse_lines(wrong);
      EXPECT_EQ(result.mistakes.size(), 1u) << line << "\n" << in_words(result);
      if (result.mistakes.empty()) continue;
      EXPECT_EQ(result.mistakes[0].line, static_cast<int>(i + 1)) << line;
      EXPECT_NE(result.mistakes[0].text.find("unknown key"), std::string::npos) << line;
    }
  }
  EXPECT_GT(keys, 80u);
}

TEST(Mistakes, AWrongValueIsSaidOnce) {
  const std::vector<std::string> lines = lines_of_the_explained_file();
  size_t values = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto key = key_in(lines[i]);
    if (!key) continue;
    const size_t value = lines[i].find_first_not_of(' ', key->second + 1);
    if (value == std::string::npos || lines[i][value] == '#') continue;  // it has keys below
    ++values;
    std::vector<std::string> wrong = lines;
    wrong[i] = lines[i].substr(0, key->second + 1) + " {no: thing}";
    const LoadResult result = parse_lines(wrong);
    EXPECT_EQ(result.mistakes.size(), 1u) << wrong[i] << "\n" << in_words(result);
    if (!result.mistakes.empty()) {
      EXPECT_EQ(result.mistakes[0].line, static_cast<int>(i + 1)) << wrong[i];
    }
  }
  EXPECT_GT(values, 80u);
}

// What is wrong beside it is still said.
TEST(Mistakes, IndependentOnesAreSaidTogether) {
  const LoadResult result = parse_config(
      "prots:\n- name: a\n  device: net_null0\n  addresses: [10.9.0.1/24]\n"
      "idle: fast\nlimits: {max_neighbors: x}\nendpoints:\n- port: 0\n  addresses: [10.9.0.1]\n",
      "FILE");
  EXPECT_EQ(in_words(result),
            "  FILE:1: prots: unknown key; did you mean \"ports\"?\n"
            "  FILE:5: idle: must be one of adaptive, spin, not \"fast\"\n"
            "  FILE:6: limits.max_neighbors: unknown key; did you mean \"max_neighbours\"?\n"
            "  FILE:8: endpoints[0].port: 0 is out of range; it must be from 1 to 65535\n");
}

TEST(Mistakes, AnEmptyFileIsSaidToBeEmpty) {
  const std::string path = testing::TempDir() + "trunkline-empty.yaml";
  for (const char* text : {"", "\n", "# nothing\n", "---\n"}) {
    std::ofstream(path) << text;
    const LoadResult result = load_config(path);
    EXPECT_EQ(in_words(result),
              "  " + path + ": the file is empty; at least \"ports:\" is needed\n");
  }
  std::filesystem::remove(path);
  EXPECT_EQ(in_words(load_config(testing::TempDir())),
            "  " + testing::TempDir() + ": cannot be read: Is a directory\n");
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
