// SPDX-License-Identifier: BSD-3-Clause
// The simulated link, and the cases that both programs have.
#include "link/link.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

namespace trunkline::perf {

void Link::offer(TimePoint now, std::span<const uint8_t> packet) {
  constexpr size_t kIpHeader = 20;
  const auto time_for = [&](size_t bytes) {
    return Duration(
        static_cast<int64_t>(static_cast<double>(bytes) * 8e9 / setup_.bits_per_second));
  };
  ++offered;
  if (free_at_ < now) free_at_ = now;
  if (free_at_ - now > time_for(setup_.queue_bytes)) {
    ++overflowed;
    return;
  }
  free_at_ = free_at_ + time_for(packet.size() + kIpHeader);
  const bool unlucky = draw_loss(now);
  if (lossy_ && unlucky) {
    ++lost;
    return;
  }
  std::vector<uint8_t> bytes;
  if (!spare_.empty()) {
    bytes = std::move(spare_.back());
    spare_.pop_back();
  }
  bytes.assign(packet.begin(), packet.end());
  TimePoint arrival = free_at_ + setup_.delay;
  if (setup_.reorder > 0 && draw() < setup_.reorder && lossy_)
    arrival = arrival + setup_.reorder_by;
  auto behind = queue_.end();
  while (behind != queue_.begin() && std::prev(behind)->arrival > arrival) --behind;
  queue_.insert(behind, {arrival, std::move(bytes)});
}

// Of two states that last exponentially long, what is known after some time: `loss` in the long
// run.
bool Link::draw_loss(TimePoint now) {
  if (setup_.burst == Duration{}) return draw() < setup_.loss;
  const double passed = std::chrono::duration<double>(now - drawn_at_).count();
  const double lasts = std::chrono::duration<double>(setup_.burst).count();
  const double memory = std::exp(-passed / lasts / (1 - setup_.loss));
  drawn_at_ = now;
  loses_all_ = draw() < setup_.loss + ((loses_all_ ? 1 : 0) - setup_.loss) * memory;
  return loses_all_;
}

std::span<const uint8_t> Link::take(TimePoint now) {
  if (next_arrival() > now) return {};
  if (!taken_.empty()) spare_.push_back(std::move(taken_));
  taken_ = std::move(queue_.front().bytes);
  queue_.pop_front();
  return taken_;
}

LinkCase link_case(const Run& run) {
  double percent = 0;
  int delay = 0;
  LinkCase out;
  std::string name = run.case_name;
  constexpr std::string_view kRfc = "rfc9260/";
  if (const size_t at = name.find(kRfc); at != std::string::npos) {
    out.rto = kRtoRfc;
    name.erase(at, kRfc.size());
  }
  constexpr std::string_view kRack = "rack/";
  if (const size_t at = name.find(kRack); at != std::string::npos) {
    out.rto = kRtoRfc;
    out.loss_recovery = LossRecovery::kRack;
    name.erase(at, kRack.size());
  }
  require(std::sscanf(name.c_str(), "link/%zu/loss-%lf/delay-%dms", &out.message_size, &percent,
                      &delay) == 3,
          "a case of another name");
  out.setup.loss = percent / 100;
  out.setup.delay = std::chrono::milliseconds(delay);
  // Where round trips are short, more of them happen, and more packets.
  out.duration = std::chrono::milliseconds(run.pick(500, 10'000, 30'000) / (delay < 10 ? 5 : 1));
  out.seeds = run.pick(1, 3, 7);
  return out;
}

void report_goodput(const Run& run,
                    const std::function<double(const LinkCase&, uint64_t)>& goodput) {
  const LinkCase what = link_case(run);
  for (uint64_t seed = 1; seed <= what.seeds; ++seed) {
    // In a process of its own: usrsctp forgets nothing.
    std::fflush(nullptr);
    const pid_t child = fork();
    require(child >= 0, "fork");
    if (child == 0) {
      run.report("goodput", "bit/s", goodput(what, seed));
      std::fflush(nullptr);
      std::_Exit(0);
    }
    int status = 0;
    require(waitpid(child, &status, 0) == child && status == 0, "a seed failed");
  }
}

std::vector<Case> link_cases(void (*run)(const Run&)) {
  std::vector<Case> out;
  for (const char* const size : {"100", "1000"}) {
    for (const char* const loss : {"0.1", "1", "5"}) {
      for (const char* const delay : {"1", "10", "50"}) {
        out.push_back(
            {std::string("link/") + size + "/loss-" + loss + "/delay-" + delay + "ms", run});
      }
    }
  }
  for (const char* const word : {"rfc9260", "rack"}) {
    for (const char* const size : {"100", "1000"}) {
      out.push_back({std::string("link/") + word + "/" + size + "/loss-1/delay-10ms", run});
    }
  }
  return out;
}

LossRecovery loss_recovery_of(std::string_view word) {
  if (word == "early") return LossRecovery::kEarly;
  return word == "rack" ? LossRecovery::kRack : LossRecovery::kRfc9260;
}

MatrixCase matrix_case(const Run& run) {
  int rate = 0;
  char how[16] = {};
  double percent = 0;
  uint32_t rto_min = 0;
  char word[16] = {};
  require(std::sscanf(run.case_name.c_str(), "link/matrix/%d/%15[a-z]-%lf/rto-%u/%15s", &rate, how,
                      &percent, &rto_min, word) == 5,
          "a case of another name");
  MatrixCase out;
  LinkSetup& setup = out.link.setup;
  setup.loss = percent / 100;
  setup.delay = std::chrono::milliseconds(10);
  if (std::string_view(how) == "burst") setup.burst = std::chrono::milliseconds(50);
  if (std::string_view(how) == "reorder") {
    setup.reorder = percent / 100;
    setup.reorder_by = std::chrono::milliseconds(15);
  }
  out.link.message_size = 100;
  out.link.rto = {1000, rto_min, 60'000};
  out.link.loss_recovery = loss_recovery_of(word);
  out.every = Duration(std::chrono::seconds(1)) / rate;
  out.messages = run.length(run.pick(1'000, 20'000, 100'000));
  out.word = word;
  return out;
}

// Those at a hundred messages a second, in bursts and reordered, stand for all of them.
std::vector<Case> matrix_cases(const std::vector<std::string>& words, void (*run)(const Run&)) {
  std::vector<Case> out;
  for (const std::string rate : {"1", "10", "100"}) {
    for (const std::string how :
         {"loss-0.1", "loss-1", "loss-5", "burst-0.1", "burst-1", "burst-5", "reorder-1"}) {
      for (const std::string rto : {"1000", "100"}) {
        const bool listed =
            rate == "100" && rto == "1000" && (how == "burst-1" || how == "reorder-1");
        for (const std::string& word : words) {
          out.push_back(
              {"link/matrix/" + rate + "/" + how + "/rto-" + rto + "/" + word, run, listed});
        }
      }
    }
  }
  return out;
}

void report_latencies(const Run& run, const std::vector<double>& all) {
  const auto percentile = [&](double part) {
    return all[std::min(all.size() - 1,
                        static_cast<size_t>(part * static_cast<double>(all.size())))];
  };
  run.report("p50", "ms", percentile(0.5));
  run.report("p99", "ms", percentile(0.99));
  run.report("p99.5", "ms", percentile(0.995));
  run.report("p99.9", "ms", percentile(0.999));
  run.report("max", "ms", all.back());
}

}  // namespace trunkline::perf
