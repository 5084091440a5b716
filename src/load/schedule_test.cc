#include "load/schedule.h"

#include <gtest/gtest.h>

#include "load/process.h"

namespace fairlead::load {
namespace {

using namespace std::chrono_literals;
using Clock = Schedule::Clock;

TEST(Schedule, MessagesAreDueEvenly) {
  const Clock::time_point start{5s};
  const Schedule schedule(start, 2'000);
  EXPECT_EQ(schedule.due(0), start);
  EXPECT_EQ(schedule.due(1), start + 500us);
  EXPECT_EQ(schedule.due(2'000), start + 1s);
}

TEST(Schedule, ARateThatDoesNotDivideASecondDoesNotDrift) {
  const Clock::time_point start{};
  const Schedule schedule(start, 3);
  EXPECT_EQ(schedule.due(1), start + 333'333'333ns);
  EXPECT_EQ(schedule.due(3'000'000), start + 1'000'000s);
  const Schedule fast(start, 10'000'000);
  EXPECT_EQ(fast.due(uint64_t{10'000'000} * 86'400), start + 24h) << "a day at the highest rate";
}

TEST(GeneratorWasBottleneck, WhenItsCoreWasFullAndTheBrokersWasNot) {
  EXPECT_TRUE(generator_was_bottleneck({.wall = 10, .own_cpu = 9.5, .broker_cpu = 4}));
  EXPECT_TRUE(generator_was_bottleneck({.wall = 10, .own_cpu = 9.5})) << "unknown: perhaps";
  EXPECT_FALSE(generator_was_bottleneck({.wall = 10, .own_cpu = 9.5, .broker_cpu = 9.9}));
  EXPECT_FALSE(generator_was_bottleneck({.wall = 10, .own_cpu = 8}));
}

}  // namespace
}  // namespace fairlead::load
