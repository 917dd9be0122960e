// SPDX-License-Identifier: BSD-3-Clause
// What trunkload's figures rest on: the histogram, the mix of sizes, the open loop's schedule in
// simulated time, what unverified messages hold, and the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "ending.h"
#include "histogram.h"
#include "limit.h"
#include "options.h"
#include "payload.h"
#include "presets.h"
#include "schedule.h"
#include "sizes.h"
}

namespace {

using testing::HasSubstr;

// ---------------------------------------------------------------- endings

std::string ending(uint8_t kind, uint8_t reason, int error, uint16_t cause,
                   const std::string& said = "") {
  tl_event event{};
  event.kind = kind;
  event.reason = reason;
  event.error = error;
  event.cause = cause;
  std::array<char, 384> out{};
  return ending_text(&event, said.data(), said.size(), out.data(), out.size());
}

TEST(Ending, SaysWhyAConnectFailed) {
  EXPECT_EQ(ending(TL_EVENT_CONNECT_FAILED, TL_REASON_REFUSED, -ECONNABORTED, 11),
            "CONNECT_FAILED, refused by the peer (cause 11: restart of an association with new "
            "addresses)");
  EXPECT_EQ(ending(TL_EVENT_CONNECT_FAILED, TL_REASON_NONE, -EACCES, 0),
            std::string("CONNECT_FAILED, ") + tl_strerror(-EACCES));
  EXPECT_EQ(ending(TL_EVENT_CONNECT_FAILED, TL_REASON_TIMED_OUT, -ECONNABORTED, 0),
            "CONNECT_FAILED, timed out");
  EXPECT_EQ(ending(TL_EVENT_LOST, TL_REASON_RESET, 0, 12, "maintenance"),
            "LOST, reset by the peer (cause 12: user-initiated abort); the peer says "
            "\"maintenance\"");
  EXPECT_EQ(ending(TL_EVENT_LOST, TL_REASON_RESET, 0, 4711),
            "LOST, reset by the peer (cause 4711: unknown)");
}

TEST(Ending, WhatThePeerSaysIsFitForATerminal) {
  const std::string said("a\x1b[2J\n\x9b\xe2\x80\xae\\\0z", 13);
  EXPECT_THAT(ending(TL_EVENT_LOST, TL_REASON_RESET, 0, 12, said),
              HasSubstr("\"a\\x1b[2J\\x0a\\x9b\\xe2\\x80\\xae\\\\\\x00z\""));
  std::array<char, 8> small{};
  EXPECT_STREQ(ending_escape("abcd\x1b"
                             "efgh",
                             9, small.data(), small.size()),
               "abcd");
  EXPECT_STREQ(ending_escape("abcdefghij", 10, small.data(), small.size()), "abcdefg");
  EXPECT_STREQ(ending_escape("x", 1, small.data(), 1), "");
  const std::string long_one(10000, '\x01');
  EXPECT_LT(ending(TL_EVENT_LOST, TL_REASON_RESET, 0, 12, long_one).size(), 384u);
}

// ---------------------------------------------------------------- histogram

TEST(Histogram, BucketsAreThreePercentWide) {
  for (uint64_t value = 1; value < UINT64_MAX / 3; value += value / 7 + 1) {
    auto histogram = std::make_unique<Histogram>();
    histogram_add(histogram.get(), value);
    uint32_t bucket = 0;
    while (histogram->counts[bucket] == 0) {
      ASSERT_LT(++bucket, static_cast<uint32_t>(kHistogramBuckets));
    }
    const auto middle = static_cast<double>(histogram_value(bucket));
    EXPECT_NEAR(middle, static_cast<double>(value), 1 + static_cast<double>(value) / 32);
  }
  auto histogram = std::make_unique<Histogram>();
  histogram_add(histogram.get(), UINT64_MAX);
  EXPECT_EQ(histogram->counts[kHistogramBuckets - 1], 1u);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram{};
  for (uint64_t value = 0; value < 64; ++value) histogram_add(&histogram, value);
  for (uint32_t value = 0; value < 64; ++value) {
    EXPECT_EQ(histogram.counts[value], 1u);
    EXPECT_EQ(histogram_value(value), value);
  }
}

TEST(Histogram, PercentilesOfAnEvenSpread) {
  Histogram histogram{};
  for (uint64_t value = 1; value <= 100000; ++value) histogram_add(&histogram, value * 1000);
  for (const double share : {0.5, 0.9, 0.99, 0.999}) {
    EXPECT_NEAR(static_cast<double>(histogram_percentile(&histogram, share)), share * 1e8,
                share * 1e8 / 30);
  }
  EXPECT_EQ(histogram_percentile(&histogram, 1), 100000000u);
  EXPECT_EQ(histogram.most, 100000000u);
  EXPECT_DOUBLE_EQ(histogram_mean(&histogram), 50000500.0);
}

TEST(Histogram, OneSlowMessageShowsOnlyAtTheTop) {
  Histogram histogram{};
  for (int i = 0; i < 999; ++i) histogram_add(&histogram, 10);
  histogram_add(&histogram, 5000000);
  EXPECT_EQ(histogram_percentile(&histogram, 0.5), 10u);
  EXPECT_EQ(histogram_percentile(&histogram, 0.999), 10u);
  EXPECT_EQ(histogram_percentile(&histogram, 1), 5000000u);
}

TEST(Histogram, EmptySaysNothing) {
  const Histogram histogram{};
  EXPECT_EQ(histogram_percentile(&histogram, 0.99), 0u);
  EXPECT_EQ(histogram_mean(&histogram), 0);
}

// ---------------------------------------------------------------- schedule

constexpr uint64_t kSecond = 1000000000;

TEST(Schedule, EvenlySpaced) {
  Schedule schedule;
  schedule_set(&schedule, 5 * kSecond, 1000, 0);
  for (uint64_t number = 0; number < 100000; number += 777) {
    EXPECT_NEAR(static_cast<double>(schedule_time(&schedule, number)),
                static_cast<double>(5 * kSecond + number * 1000000), 1);
  }
  EXPECT_EQ(schedule_due(&schedule, 5 * kSecond - 1), 0u);
  EXPECT_EQ(schedule_due(&schedule, 5 * kSecond), 1u);
  EXPECT_EQ(schedule_due(&schedule, 6 * kSecond + 1), 1001u);
}

TEST(Schedule, TheRampIsATriangle) {
  Schedule schedule;
  schedule_set(&schedule, 0, 10000, 4 * kSecond);
  // Half the rate on average: a quarter of the ramp's messages in its first half.
  EXPECT_NEAR(static_cast<double>(schedule_due(&schedule, 2 * kSecond)), 5000, 2);
  EXPECT_NEAR(static_cast<double>(schedule_due(&schedule, 4 * kSecond)), 20000, 2);
  EXPECT_NEAR(static_cast<double>(schedule_due(&schedule, 5 * kSecond)), 30000, 2);
}

TEST(Schedule, WhatIsDueIsWhatHasATimeNotLater) {
  for (const double rate : {0.5, 3.0, 999.9, 1234567.0, 2e8}) {
    for (const uint64_t ramp : {uint64_t{0}, kSecond / 3, 2 * kSecond}) {
      Schedule schedule;
      schedule_set(&schedule, 123456789012345, rate, ramp);
      for (uint64_t past = 0; past < 5 * kSecond; past += kSecond / 97) {
        const uint64_t now = 123456789012345 + past;
        const uint64_t due = schedule_due(&schedule, now);
        EXPECT_GT(schedule_time(&schedule, due), now) << rate << " " << ramp << " " << past;
        if (due > 0) {
          EXPECT_LE(schedule_time(&schedule, due - 1), now);
        }
      }
    }
  }
}

// A sender that looks only now and then still knows when each message was due.
TEST(Schedule, ALateLookOmitsNothing) {
  Schedule schedule;
  schedule_set(&schedule, 0, 1000, 0);
  const uint64_t before = schedule_due(&schedule, kSecond);
  const uint64_t after = schedule_due(&schedule, 3 * kSecond);
  EXPECT_EQ(after - before, 2000u);
  EXPECT_NEAR(static_cast<double>(schedule_time(&schedule, before)), 1.001e9, 2);
}

// ---------------------------------------------------------------- sizes

SizeMix mix_of(const char* text) {
  SizeMix mix{};
  char why[200];
  EXPECT_TRUE(sizes_parse(text, &mix, why, sizeof(why))) << why;
  return mix;
}

std::string refused(const char* text) {
  SizeMix mix{};
  char why[200];
  return sizes_parse(text, &mix, why, sizeof(why)) ? "" : why;
}

std::map<uint32_t, double> shares(const SizeMix& mix) {
  std::map<uint32_t, double> found;
  for (uint64_t number = 0; number < 100000; ++number) {
    found[sizes_pick(&mix, 77, number)] += 1e-5;
  }
  return found;
}

TEST(Sizes, OneSize) {
  const SizeMix mix = mix_of("200");
  EXPECT_EQ(mix.least, 200u);
  EXPECT_EQ(mix.most, 200u);
  EXPECT_DOUBLE_EQ(mix.mean, 200);
  EXPECT_EQ(shares(mix).size(), 1u);
}

TEST(Sizes, WeightsAreKept) {
  const auto found = shares(mix_of("64:5,100:3,1000:2"));
  EXPECT_NEAR(found.at(64), 0.5, 0.01);
  EXPECT_NEAR(found.at(100), 0.3, 0.01);
  EXPECT_NEAR(found.at(1000), 0.2, 0.01);
  EXPECT_NEAR(mix_of("64:5,100:3,1000:2").mean, 262, 2);
}

TEST(Sizes, TheRarestStillComes) {
  const auto found = shares(mix_of("64:100000,9000:1"));
  EXPECT_GT(found.at(9000), 0);
  EXPECT_LT(found.at(9000), 0.003);
}

TEST(Sizes, NoWeightIsOneAndNothingIsNever) {
  const auto found = shares(mix_of("20,30,40:0"));
  EXPECT_NEAR(found.at(20), 0.5, 0.01);
  EXPECT_NEAR(found.at(30), 0.5, 0.01);
  EXPECT_EQ(found.count(40), 0u);
  EXPECT_EQ(mix_of("20,30,40:0").most, 30u);
}

TEST(Sizes, TheSamePlaceHasTheSameSize) {
  const SizeMix mix = mix_of("20,30,40,50");
  std::vector<uint32_t> once, again, other;
  for (uint64_t number = 0; number < 50; ++number) {
    once.push_back(sizes_pick(&mix, 1, number));
    again.push_back(sizes_pick(&mix, 1, number));
    other.push_back(sizes_pick(&mix, 2, number));
  }
  EXPECT_EQ(once, again);
  EXPECT_NE(once, other);
}

TEST(Sizes, MistakesAreExplained) {
  EXPECT_THAT(refused("abc"), HasSubstr("no size"));
  EXPECT_THAT(refused(""), HasSubstr("no size"));
  EXPECT_THAT(refused("64:"), HasSubstr("64:5,300:1"));
  EXPECT_THAT(refused("64;300"), HasSubstr("no size"));
  EXPECT_THAT(refused("8"), HasSubstr("16"));
  EXPECT_THAT(refused("300000"), HasSubstr("262144"));
  EXPECT_THAT(refused("64:0"), HasSubstr("weights are 0"));
  EXPECT_THAT(refused("64:99999999"), HasSubstr("weight"));
}

TEST(Sizes, PresetsAreMixesThatCanBeVerified) {
  for (const char* name : {"m3ua-isup", "m3ua-map", "s1ap-attach", "diameter"}) {
    const Preset* preset = preset_named(name);
    ASSERT_NE(preset, nullptr) << name;
    EXPECT_GE(mix_of(preset->up).least, 40u) << name;
    EXPECT_GE(mix_of(preset->down).least, 40u) << name;
  }
  EXPECT_EQ(preset_named("diameter")->ppid, 46u);
  EXPECT_EQ(preset_named("smtp"), nullptr);
}

// ---------------------------------------------------------------- limits

constexpr Limits kNoLimits{-1, -1, -1, -1, -1, -1, 0, 0, -1};

// The names of the limits that were missed.
std::vector<std::string> missed(const Limits& limits, const Outcome& outcome) {
  Limit judged[kMostLimits];
  const size_t count = limits_judge(&limits, &outcome, judged);
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) {
    if (!judged[i].met) names.emplace_back(judged[i].name);
  }
  return names;
}

Outcome good_outcome() {
  Outcome outcome{};
  outcome.measured = 1000;
  outcome.p50_us = 50;
  outcome.p90_us = 90;
  outcome.p99_us = 99;
  outcome.p999_us = 100;
  outcome.most_us = 120;
  outcome.rate = 5000;
  return outcome;
}

TEST(Limit, WithoutAnyOnlyLossAndWrongCount) {
  EXPECT_THAT(missed(kNoLimits, good_outcome()), testing::IsEmpty());
  Outcome outcome = good_outcome();
  outcome.lost = outcome.associations_lost = outcome.wrong = outcome.unsent = 1;
  EXPECT_THAT(missed(kNoLimits, outcome),
              testing::ElementsAre("max-lost", "max-associations-lost", "wrong"));
}

TEST(Limit, EachIsMetAtItsValueAndMissedBeyond) {
  const Outcome outcome = good_outcome();
  const Limits met{50, 90, 99, 100, 120, 5000, 0, 0, 0};
  EXPECT_THAT(missed(met, outcome), testing::IsEmpty());
  const Limits tight{49, 89, 98, 99, 119, 5001, 0, 0, -1};
  EXPECT_THAT(missed(tight, outcome), testing::ElementsAre("max-p50", "max-p90", "max-p99",
                                                           "max-p99.9", "max-latency", "min-rate"));
}

TEST(Limit, SomeLossMayBeAllowed) {
  Limits limits = kNoLimits;
  limits.lost = 3;
  limits.associations_lost = 1;
  limits.unsent = 10;
  Outcome outcome = good_outcome();
  outcome.lost = 3;
  outcome.associations_lost = 1;
  outcome.unsent = 11;
  EXPECT_THAT(missed(limits, outcome), testing::ElementsAre("max-unsent"));
}

TEST(Limit, WhatNobodyMeasuredIsMissed) {
  Limits limits = kNoLimits;
  limits.p99_us = 1e6;
  EXPECT_THAT(missed(limits, Outcome{}), testing::ElementsAre("max-p99"));
}

// ---------------------------------------------------------------- payload

TEST(Payload, CarriesKindAndTime) {
  std::array<uint8_t, 100> data{};
  uint64_t value = 0;
  payload_write(data.data(), 100, kPayloadMessage, 4711, 9);
  EXPECT_EQ(payload_read(data.data(), 100, &value), kPayloadMessage);
  EXPECT_EQ(value, 4711u);
  payload_write(data.data(), 16, kPayloadRamp, 4712, 9);
  EXPECT_EQ(payload_read(data.data(), 16, &value), kPayloadRamp);
}

TEST(Payload, EveryByteIsWrittenAndRead) {
  for (uint32_t size = 16; size < 140; ++size) {
    std::vector<uint8_t> data(size, 0xee);
    payload_write(data.data(), size, kPayloadMessage, 1, 3);
    for (uint32_t i = 16; i < size; ++i) EXPECT_EQ(data[i], 3);
    const uint64_t sum = payload_sum(data.data(), size);
    for (uint32_t i = 0; i < size; ++i) {
      ++data[i];
      EXPECT_NE(payload_sum(data.data(), size), sum) << "byte " << i << " of " << size;
      --data[i];
    }
  }
}

TEST(Payload, TheEndSaysHowManyWentBefore) {
  std::array<uint8_t, 17> data{};
  uint64_t value = 0;
  payload_write_end(data.data(), 123456);
  EXPECT_EQ(payload_read(data.data(), 16, &value), kPayloadEnd);
  EXPECT_EQ(value, 123456u);
  EXPECT_EQ(payload_read(data.data(), 17, &value), kPayloadOther);
  data[8] ^= 1;
  EXPECT_EQ(payload_read(data.data(), 16, &value), kPayloadOther);
}

TEST(Payload, StrangersAreStrangers) {
  const std::array<uint8_t, 32> data{};
  uint64_t value = 0;
  EXPECT_EQ(payload_read(data.data(), 32, &value), kPayloadOther);
  EXPECT_EQ(payload_read(data.data(), 15, &value), kPayloadOther);
}

// ---------------------------------------------------------------- the command line

struct Parsed {
  Asked asked;
  Options options;
  std::string said;
};

Parsed parse(std::vector<std::string> words) {
  words.insert(words.begin(), "trunkload");
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  char* text = nullptr;
  size_t size = 0;
  FILE* const out = open_memstream(&text, &size);
  Parsed parsed{};
  parsed.asked = options_parse(static_cast<int>(words.size()), argv.data(), &parsed.options, out);
  fclose(out);
  parsed.said = text;
  free(text);
  return parsed;
}

TEST(Options, WhatIsNotSaidIsUsual) {
  const Parsed parsed = parse({"--listen"});
  ASSERT_EQ(parsed.asked, kAskedRun) << parsed.said;
  EXPECT_EQ(parsed.options.port, 2905u);
  EXPECT_EQ(parsed.options.associations, 1u);
  EXPECT_EQ(parsed.options.sizes.most, 100u);
  EXPECT_FALSE(options_sends(&parsed.options));
}

TEST(Options, NumbersAndTimesHaveUnits) {
  const Parsed parsed = parse({"--connect", "192.0.2.1,2001:db8::1", "--rate", "1.5M", "--ramp",
                               "500ms", "--duration=2m", "--size", "64:5,300:1"});
  ASSERT_EQ(parsed.asked, kAskedRun) << parsed.said;
  EXPECT_EQ(parsed.options.peers.count, 2u);
  EXPECT_DOUBLE_EQ(parsed.options.rate, 1.5e6);
  EXPECT_EQ(parsed.options.ramp_ns, 500000000u);
  EXPECT_EQ(parsed.options.duration_ns, 120 * kSecond);
  EXPECT_EQ(parsed.options.sizes.most, 300u);
}

TEST(Options, LocalAddressesAddUp) {
  const Parsed parsed = parse({"--listen", "--local", "127.0.0.1,::1", "--local", "192.0.2.1"});
  ASSERT_EQ(parsed.asked, kAskedRun) << parsed.said;
  EXPECT_EQ(parsed.options.locals.count, 3u);
  EXPECT_EQ(parsed.options.locals.at[1].family, 6);
  EXPECT_EQ(parsed.options.peers.count, 0u);
}

TEST(Options, WhoSendsAndWhoAnswers) {
  struct Row {
    std::vector<std::string> words;
    bool sends, answers;
  };
  const std::vector<Row> rows = {
      {{"--listen"}, false, false},
      {{"--connect", "192.0.2.1"}, true, false},
      {{"--listen", "--reverse"}, true, false},
      {{"--connect", "192.0.2.1", "--reverse"}, false, false},
      {{"--listen", "--traffic", "both"}, true, false},
      {{"--connect", "192.0.2.1", "--traffic", "both"}, true, false},
      {{"--listen", "--traffic", "echo"}, false, true},
      {{"--connect", "192.0.2.1", "--traffic", "echo"}, true, false},
      {{"--listen", "--traffic", "echo", "--reverse"}, true, false},
      {{"--connect", "192.0.2.1", "--traffic", "echo", "--reverse"}, false, true},
  };
  for (const Row& row : rows) {
    const Parsed parsed = parse(row.words);
    ASSERT_EQ(parsed.asked, kAskedRun) << parsed.said;
    EXPECT_EQ(options_sends(&parsed.options), row.sends) << testing::PrintToString(row.words);
    EXPECT_EQ(options_answers(&parsed.options), row.answers) << testing::PrintToString(row.words);
  }
}

TEST(Options, APresetKnowsTheDirection) {
  const Parsed up = parse({"--connect", "192.0.2.1", "--size", "s1ap-attach"});
  const Parsed down = parse({"--size", "s1ap-attach", "--listen"});
  ASSERT_EQ(up.asked, kAskedRun) << up.said;
  ASSERT_EQ(down.asked, kAskedRun) << down.said;
  EXPECT_EQ(up.options.sizes.most, 180u);
  EXPECT_EQ(down.options.sizes.most, 244u);
  EXPECT_EQ(up.options.ppid, 18u);
}

TEST(Options, LimitsHaveUnits) {
  const Parsed parsed = parse({"--listen", "--max-p99", "2ms", "--max-p99.9", "1500us",
                               "--min-rate", "0.5M", "--max-lost", "3"});
  ASSERT_EQ(parsed.asked, kAskedRun) << parsed.said;
  EXPECT_DOUBLE_EQ(parsed.options.limits.p99_us, 2000);
  EXPECT_DOUBLE_EQ(parsed.options.limits.p999_us, 1500);
  EXPECT_DOUBLE_EQ(parsed.options.limits.rate, 5e5);
  EXPECT_EQ(parsed.options.limits.lost, 3u);
  EXPECT_LT(parsed.options.limits.p50_us, 0);
}

TEST(Options, MistakesSayWhatWouldBeRight) {
  const std::vector<std::pair<std::vector<std::string>, const char*>> rows = {
      {{}, "--listen, or --connect ADDRESS"},
      {{"--listen", "--connect", "192.0.2.1"}, "only one of them"},
      {{"--connect", "example.org"}, "192.0.2.1 or 2001:db8::1"},
      {{"--listen", "--port", "0"}, "from 1 to 65535"},
      {{"--listen", "--port", "many"}, "from 1 to 65535"},
      {{"--listen", "--streams", "1.5"}, "whole number"},
      {{"--listen", "--ramp", "soon"}, "10s, 500ms, 2m"},
      {{"--listen", "--size", "1"}, "16"},
      {{"--listen", "--traffic", "sideways"}, "one-way, both or echo"},
      {{"--listen", "--idle", "never"}, "sleep, yield or spin"},
      {{"--listen", "--fault", "drop"}, "drop:sender"},
      {{"--listen", "--fault", "drop:sender"}, "needs --verify"},
      {{"--listen", "--verify", "--size", "20"}, "at least 40 bytes"},
      {{"--listen", "--speed", "7"}, "--help"},
      {{"--listen", "--port"}, "needs a value"},
      {{"--listen", "now"}, "--help"},
      {{"--listen", "--rate", "5"}, "only receives"},
      {{"--connect", "192.0.2.1", "--rate", "5", "--window", "5"}, "only one of them"},
      {{"--connect", "192.0.2.1", "--local-port", "5", "--associations", "2"}, "--local-port"},
      {{"--listen", "--local-port", "5"}, "--port"},
      {{"--listen", "--local", "here"}, "IP address"},
      {{"--connect", "192.0.2.1", "--max-p99", "1ms"}, "side that receives"},
      {{"--connect", "192.0.2.1", "--max-unsent", "0"}, "--rate"},
      {{"--listen", "--max-p99", "fast"}, "500ms"},
      {{"--listen", "--size", "m4ua"}, "a preset: m3ua-isup"},
  };
  for (const auto& [words, right] : rows) {
    const Parsed parsed = parse(words);
    EXPECT_EQ(parsed.asked, kAskedWrong) << testing::PrintToString(words);
    EXPECT_THAT(parsed.said, HasSubstr(right)) << testing::PrintToString(words);
    EXPECT_THAT(parsed.said, testing::StartsWith("trunkload: "));
  }
}

TEST(Options, HelpNamesEveryOption) {
  EXPECT_EQ(parse({"--help"}).asked, kAskedHelp);
  char* text = nullptr;
  size_t size = 0;
  FILE* const out = open_memstream(&text, &size);
  options_help(out);
  fclose(out);
  const std::string help = text;
  free(text);
  for (const char* option : {"--listen", "--connect ADDRESS", "--rate N", "--window N", "--ramp",
                             "--duration", "--count", "--verify", "--report FILE"}) {
    EXPECT_THAT(help, HasSubstr(option));
  }
  size_t longest = 0;
  for (size_t at = 0; at < help.size();) {
    const size_t end = help.find('\n', at);
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  EXPECT_LE(longest, 100u);
}

}  // namespace
