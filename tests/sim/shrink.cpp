// SPDX-License-Identifier: BSD-3-Clause
// Greedy: each change that keeps the failure stays.
#include "shrink.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <type_traits>

#include "plan_fields.h"
#include "runner.h"

namespace trunkline::sim {
namespace {

// A failure in the same words is the same one: numbers may differ.
std::string words_of(const std::string& what) {
  std::string out;
  for (const char c : what) {
    if (c >= '0' && c <= '9') continue;
    out += c;
  }
  return out;
}

// Patience and the addresses stay: less of them would be another way to fail.
bool stays(std::string_view field) {
  constexpr std::string_view kNames[] = {"association_max_retrans",
                                         "path_max_retrans",
                                         "max_init_retransmits",
                                         "valid_cookie_life",
                                         "shutdown_guard",
                                         "rto_max",
                                         "max_message_size",
                                         "addresses",
                                         "client_port",
                                         "server_port",
                                         "from",
                                         "to",
                                         "client",
                                         "server",
                                         "what",
                                         "chunk",
                                         "expect",
                                         "limit",
                                         "ending",
                                         "nets"};
  return std::find(std::begin(kNames), std::end(kNames), field) != std::end(kNames);
}

class Shrinker {
 public:
  Shrinker(const Plan& plan, const Judge& judge, uint64_t max_runs)
      : plan_(plan), judge_(judge), left_(max_runs) {}

  Shrunk run() {
    const uint64_t budget = left_;
    what_ = judge(plan_);
    words_ = words_of(what_);
    if (what_.empty()) return {plan_, {}, 1};
    do {
      changed_ = false;
      fewer(&Plan::assocs, 1);
      fewer(&Plan::incidents, 0);
      fewer(&Plan::links, 0);
      while (plan_.hosts.size() > 2 && try_without_last_host()) {
      }
      calm_field(&Plan::forge_every);
      calm_field(&Plan::forge_icmp_every);
      calm_field(&Plan::intrude_every);
      calm_all(&Plan::hosts);
      calm_all(&Plan::links);
      calm_all(&Plan::assocs);
      calm_all(&Plan::incidents);
    } while (changed_ && left_ > 0);
    return {plan_, what_, budget - left_};
  }

 private:
  std::string judge(const Plan& plan) {
    if (left_ > 0) --left_;
    return judge_(plan);
  }

  // Keeps the change if the plan still fails by it.
  template <typename Change>
  bool attempt(Change&& change) {
    if (left_ == 0) return false;
    Plan changed = plan_;
    change(changed);
    const std::string what = judge(changed);
    if (what.empty() || words_of(what) != words_) return false;
    plan_ = std::move(changed);
    what_ = what;
    changed_ = true;
    return true;
  }

  // Halves first, then one by one.
  template <typename T>
  void fewer(std::vector<T> Plan::*list, size_t least) {
    for (size_t count = (plan_.*list).size() / 2; count > 0; count /= 2) {
      for (size_t at = 0; at + count <= (plan_.*list).size();) {
        const bool gone = (plan_.*list).size() >= least + count && attempt([&](Plan& plan) {
                            const auto begin = (plan.*list).begin() + static_cast<ptrdiff_t>(at);
                            (plan.*list).erase(begin, begin + static_cast<ptrdiff_t>(count));
                          });
        if (!gone) at += count;
      }
    }
    if ((plan_.*list).size() == 1 && least == 0) attempt([&](Plan& p) { (p.*list).clear(); });
  }

  bool try_without_last_host() {
    const auto last = static_cast<HostIndex>(plan_.hosts.size() - 1);
    for (const AssocPlan& assoc : plan_.assocs) {
      if (assoc.client == last || assoc.server == last) return false;
    }
    return attempt([&](Plan& plan) {
      plan.hosts.pop_back();
      std::erase_if(plan.links, [&](const auto& x) { return x.from == last || x.to == last; });
      std::erase_if(plan.incidents, [&](const auto& x) { return x.from == last || x.to == last; });
    });
  }

  template <typename M>
  void calm_field(M Plan::*member) {
    if (plan_.*member == Plan{}.*member) return;
    attempt([&](Plan& plan) { plan.*member = Plan{}.*member; });
  }

  template <typename T>
  void calm_all(std::vector<T> Plan::*list) {
    for (size_t i = 0; i < (plan_.*list).size(); ++i) {
      calm<T>([list, i](Plan& plan) -> T& { return (plan.*list)[i]; });
    }
  }

  // Each field of the object that `find` finds in a plan.
  template <HasFields T, typename Find>
  void calm(const Find& find) {
    each_field<T>([&](const char* name, auto member) {
      if (stays(name)) return;
      using M = std::remove_cvref_t<decltype(std::declval<T&>().*member)>;
      const auto at = [find, member](Plan& plan) -> M& { return find(plan).*member; };
      if constexpr (HasFields<M>) {
        calm<M>(at);
      } else if constexpr (std::is_same_v<M, Duration> || std::is_integral_v<M> ||
                           std::is_enum_v<M>) {
        calm_value<M>(at, T{}.*member);
      }
    });
  }

  template <typename M, typename Find>
  void calm_value(const Find& at, const M& calm) {
    if (at(plan_) == calm) return;
    if (attempt([&](Plan& plan) { at(plan) = calm; })) return;
    if constexpr (std::is_integral_v<M> && !std::is_same_v<M, bool>) {
      while (at(plan_) > 1 &&
             attempt([&](Plan& plan) { at(plan) = static_cast<M>(at(plan) / 2); })) {
      }
    }
  }

  Plan plan_;
  const Judge& judge_;
  std::string what_;
  std::string words_;
  uint64_t left_;
  bool changed_ = false;
};

// ---------------------------------------------------------------- as C++

std::string literal_of(bool value) {
  return value ? "true" : "false";
}
std::string literal_of(Duration value) {
  return "Duration(" + std::to_string(value.count()) + ")";
}
std::string literal_of(const IpAddress& value) {
  return "*IpAddress::parse(\"" + value.to_string() + "\")";
}
template <typename T>
requires(std::is_integral_v<T> && !std::is_same_v<T, bool>) std::string literal_of(T value) {
  return std::to_string(value);
}
template <typename T>
requires std::is_enum_v<T> std::string literal_of(T value) {
  const char* const name = std::is_same_v<T, Spread>          ? "Spread"
                           : std::is_same_v<T, Pattern>       ? "Pattern"
                           : std::is_same_v<T, AddressCheck>  ? "AddressCheck"
                           : std::is_same_v<T, LossRecovery>  ? "LossRecovery"
                           : std::is_same_v<T, PmtuDiscovery> ? "PmtuDiscovery"
                           : std::is_same_v<T, Ending>        ? "Ending"
                           : std::is_same_v<T, Incident>      ? "Incident"
                                                              : "Reason";
  return std::string(name) + "{" + std::to_string(static_cast<int>(value)) + "}";
}
template <HasFields T>
std::string literal_of(const T& object);

template <typename T>
std::string literal_of(const std::vector<T>& list) {
  std::string out = "{";
  for (const T& item : list) out += literal_of(item) + ", ";
  return out + "}";
}

// What differs from the default only.
template <HasFields T>
std::string literal_of(const T& object) {
  std::string out;
  each_field<T>([&](const char* name, auto member) {
    const std::string text = literal_of(object.*member);
    if (text == literal_of(T{}.*member)) return;
    out += (out.empty() ? "." : ", .") + std::string(name) + " = " + text;
  });
  return "{" + out + "}";
}

}  // namespace

Shrunk shrink(const Plan& plan, const Judge& judge, uint64_t max_runs) {
  return Shrinker(plan, judge, max_runs).run();
}

Shrunk shrink(const Plan& plan, uint64_t seed) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  return shrink(plan, [&](const Plan& smaller) {
    // What spins takes seconds a run.
    if (Clock::now() - start > std::chrono::seconds(30)) return std::string();
    return run_plan(smaller, seed).what;
  });
}

std::string plan_as_test(const Plan& plan, uint64_t seed) {
  std::string out = "TEST(Found, SayWhatItWas) {\n  Plan plan;\n";
  each_field<Plan>([&](const char* name, auto member) {
    const std::string text = literal_of(plan.*member);
    if (text == literal_of(Plan{}.*member)) return;
    out += "  plan." + std::string(name) + " = " + text + ";\n";
  });
  out += "  const RunResult result = run_plan(plan, " + std::to_string(seed) +
         ");\n  EXPECT_TRUE(result.passed) << result.report;\n}\n";
  return out;
}

}  // namespace trunkline::sim
