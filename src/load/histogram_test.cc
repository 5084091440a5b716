#include "load/histogram.h"

#include <gtest/gtest.h>

namespace fairlead::load {
namespace {

using std::chrono::nanoseconds;

TEST(Histogram, WithoutDurationsEverythingIsZero) {
  const Histogram empty;
  EXPECT_EQ(empty.count(), 0u);
  EXPECT_EQ(empty.at(0.5).count(), 0);
  EXPECT_EQ(empty.max().count(), 0);
}

TEST(Histogram, SmallDurationsAreExact) {
  Histogram times;
  for (int i = 1; i <= 100; ++i) times.record(nanoseconds(i));
  EXPECT_EQ(times.count(), 100u);
  EXPECT_EQ(times.at(0.5).count(), 50);
  EXPECT_EQ(times.at(0.99).count(), 99);
  EXPECT_EQ(times.at(1).count(), 100);
  EXPECT_EQ(times.at(0).count(), 1);
}

TEST(Histogram, LargeOnesAreWithinOnePercentAndNeverTooSmall) {
  for (int64_t value = 1; value < (int64_t{1} << 44); value = value * 3 / 2 + 1) {
    Histogram times;
    times.record(nanoseconds(value));
    times.record(nanoseconds(value * 2));
    const auto half = times.at(0.5).count();
    EXPECT_GE(half, value);
    EXPECT_LE(static_cast<double>(half), static_cast<double>(value) * 1.01);
    EXPECT_EQ(times.at(1).count(), value * 2) << "the largest is known exactly";
  }
}

TEST(Histogram, OneOutlierInAThousandIsBeyondP99) {
  Histogram times;
  for (int i = 0; i < 999; ++i) times.record(std::chrono::microseconds(100));
  times.record(std::chrono::seconds(2));
  EXPECT_LT(times.at_ms(0.99), 0.11);
  EXPECT_LT(times.at_ms(0.999), 0.11);
  EXPECT_EQ(times.at_ms(1), 2'000);
}

TEST(Histogram, WhatIsNegativeOrBeyondItsRangeIsCounted) {
  Histogram times;
  times.record(nanoseconds(-5));
  times.record(std::chrono::hours(1'000));
  EXPECT_EQ(times.count(), 2u);
  EXPECT_EQ(times.at(0.5).count(), 0);
  EXPECT_EQ(times.at(1), std::chrono::hours(1'000));
  times.clear();
  EXPECT_EQ(times.count(), 0u);
}

}  // namespace
}  // namespace fairlead::load
