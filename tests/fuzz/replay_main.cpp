// SPDX-License-Identifier: BSD-3-Clause
// Runs a fuzz target over files instead of libFuzzer: [--mutate] FILE or FOLDER ... A folder
// without inputs is an error, lest the test pass by testing nothing. With --mutate, each input is
// also cut at every length and has every byte changed in a few ways.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "fuzz_check.h"

namespace {

namespace fs = std::filesystem;
using Input = std::vector<uint8_t>;

// In an allocation of its exact size, as libFuzzer hands it over.
void run(const Input& input, size_t size) {
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[size]);
  std::copy_n(input.begin(), size, copy.get());
  LLVMFuzzerTestOneInput(copy.get(), size);
}

size_t run_mutations(const Input& input) {
  size_t runs = 0;
  for (size_t size = 0; size < input.size(); ++size, ++runs) run(input, size);
  Input changed = input;
  for (size_t i = 0; i < input.size(); ++i) {
    const unsigned byte = input[i];
    for (const unsigned value : {byte + 1, byte - 1, byte ^ 0x80u, byte ^ 0xffu, 0u, 4u}) {
      changed[i] = static_cast<uint8_t>(value);
      run(changed, changed.size());
      ++runs;
    }
    changed[i] = input[i];
  }
  return runs;
}

std::vector<fs::path> inputs_of(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  bool mutate = false;
  size_t files = 0;
  size_t runs = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--mutate") {
      mutate = true;
      continue;
    }
    const auto inputs = inputs_of(argument);
    if (inputs.empty()) {
      std::fprintf(stderr, "%s: no inputs\n", argument.c_str());
      return 1;
    }
    for (const fs::path& path : inputs) {
      std::ifstream file(path, std::ios::binary);
      if (!file) {
        std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
        return 1;
      }
      // Said before the run, so that the last line names the input that broke it.
      std::printf("%s\n", path.filename().c_str());
      std::fflush(stdout);
      const Input input{std::istreambuf_iterator<char>(file), {}};
      run(input, input.size());
      runs += 1 + (mutate ? run_mutations(input) : 0);
      ++files;
    }
  }
  if (files == 0) {
    std::fprintf(stderr, "usage: %s [--mutate] FILE|FOLDER...\n", argv[0]);
    return 2;
  }
  std::printf("%zu inputs, %zu runs\n", files, runs);
  return 0;
}
