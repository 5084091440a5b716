#include "shard/takeover_pace.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

constexpr milliseconds kWaitMax{5'000};
constexpr uint32_t kPerMinute = 30;

TEST(TakeoverPace, AFewPassAtOnceThenOneEachPeriod) {
  TakeoverPace pace;
  const Instant now{milliseconds(1'000'000)};
  for (int i = 0; i < TakeoverPace::kAtOnce; ++i) {
    EXPECT_EQ(pace.reserve(kPerMinute, kWaitMax, now), milliseconds(0)) << i;
  }
  EXPECT_EQ(pace.reserve(kPerMinute, kWaitMax, now), milliseconds(2'000));
  EXPECT_EQ(pace.reserve(kPerMinute, kWaitMax, now), milliseconds(4'000));
}

TEST(TakeoverPace, WhoWouldWaitTooLongIsRefusedAndReservesNothing) {
  TakeoverPace pace;
  const Instant now{milliseconds(1'000'000)};
  for (int i = 0; i < TakeoverPace::kAtOnce + 2; ++i) {
    EXPECT_TRUE(pace.reserve(kPerMinute, kWaitMax, now));
  }
  EXPECT_EQ(pace.reserve(kPerMinute, kWaitMax, now), std::nullopt);
  EXPECT_EQ(pace.reserve(kPerMinute, kWaitMax, now), std::nullopt);
  EXPECT_EQ(pace.reserve(kPerMinute, kWaitMax, now + milliseconds(1'000)), milliseconds(5'000));
}

TEST(TakeoverPace, ForgetsWhenItHasBeenQuiet) {
  TakeoverPace pace;
  const Instant now{milliseconds(1'000'000)};
  while (pace.reserve(kPerMinute, kWaitMax, now)) {
  }
  const Instant later = now + seconds(60);
  for (int i = 0; i < TakeoverPace::kAtOnce; ++i) {
    EXPECT_EQ(pace.reserve(kPerMinute, kWaitMax, later), milliseconds(0)) << i;
  }
}

}  // namespace
}  // namespace fairlead
