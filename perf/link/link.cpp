// SPDX-License-Identifier: BSD-3-Clause
// The simulated link, and the cases that both programs have.
#include "link/link.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
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
  const bool unlucky = static_cast<double>(random_.next() >> 11) * 0x1p-53 < setup_.loss;
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
  queue_.push_back({free_at_ + setup_.delay, std::move(bytes)});
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
  out.push_back({"link/rfc9260/100/loss-1/delay-10ms", run});
  out.push_back({"link/rfc9260/1000/loss-1/delay-10ms", run});
  return out;
}

}  // namespace trunkline::perf
