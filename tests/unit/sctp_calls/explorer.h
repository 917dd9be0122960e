// SPDX-License-Identifier: BSD-3-Clause
// Explores every interleaving of a small protocol. The state is plain bytes; a step of a thread is
// one atomic action. Every state must be able to reach a good end, so that a lost wake-up
// (everybody waits) and a loop without progress are found alike.
#pragma once

#include <cstring>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

namespace trunkline::test {

template <typename State>
class Explorer {
 public:
  // step(state, thread): does one action, false if the thread can't (waits, or has ended).
  // is_good(state): an end that is as it should be. Returns what is wrong, or "".
  template <typename Step, typename Good>
  std::string run(const State& start, int threads, Step step, Good is_good) {
    add(start);
    for (size_t at = 0; at < states_.size(); ++at) {
      bool moved = false;
      for (int thread = 0; thread < threads; ++thread) {
        State next = states_[at];
        if (!step(next, thread)) continue;
        moved = true;
        const size_t to = add(next);
        from_[to].push_back(static_cast<uint32_t>(at));
      }
      if (!moved && !is_good(states_[at])) return "everybody waits: " + states_[at].text();
      if (is_good(states_[at])) good_.push_back(at);
    }
    return all_reach_good();
  }
  [[nodiscard]] size_t states() const { return states_.size(); }

 private:
  size_t add(const State& state) {
    const std::string key(reinterpret_cast<const char*>(&state), sizeof(state));
    const auto [place, is_new] = index_.try_emplace(key, states_.size());
    if (is_new) {
      states_.push_back(state);
      from_.emplace_back();
    }
    return place->second;
  }
  std::string all_reach_good() {
    std::vector<bool> reaches(states_.size());
    std::deque<size_t> todo;
    for (const size_t at : good_) {
      reaches[at] = true;
      todo.push_back(at);
    }
    while (!todo.empty()) {
      const size_t at = todo.front();
      todo.pop_front();
      for (const uint32_t before : from_[at]) {
        if (reaches[before]) continue;
        reaches[before] = true;
        todo.push_back(before);
      }
    }
    for (size_t at = 0; at < states_.size(); ++at) {
      if (!reaches[at]) return "no good end from here: " + states_[at].text();
    }
    return good_.empty() ? "no good end at all" : "";
  }

  std::vector<State> states_;
  std::vector<std::vector<uint32_t>> from_;
  std::vector<size_t> good_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace trunkline::test
