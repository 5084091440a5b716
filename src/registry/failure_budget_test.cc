#include "registry/failure_budget.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

using namespace std::chrono_literals;
constexpr Instant kStart{1h};

TEST(FailureBudget, AllowsTenAtOnceAndOneEverySixSeconds) {
  FailureBudget budget(10, 100);
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(budget.exhausted(1, kStart)) << i;
    budget.count_failure(1, kStart);
  }
  EXPECT_TRUE(budget.exhausted(1, kStart));
  EXPECT_TRUE(budget.exhausted(1, kStart + 5s));
  EXPECT_FALSE(budget.exhausted(1, kStart + 6s));
  budget.count_failure(1, kStart + 6s);
  EXPECT_TRUE(budget.exhausted(1, kStart + 6s));
  EXPECT_TRUE(budget.has_failures(1, kStart + 6s));
  EXPECT_FALSE(budget.has_failures(1, kStart + 66s));
  EXPECT_FALSE(budget.exhausted(2, kStart));
}

TEST(FailureBudget, NeverExhaustsWhenOff) {
  FailureBudget budget(0, 100);
  for (int i = 0; i < 100; ++i) budget.count_failure(1, kStart);
  EXPECT_FALSE(budget.exhausted(1, kStart));
  EXPECT_FALSE(budget.has_failures(1, kStart));
  EXPECT_EQ(budget.tracked_count(), 0u);
}

TEST(FailureBudget, ForgetsTheOldestWhenFull) {
  FailureBudget budget(1, 100);
  for (uint64_t key = 0; key < 10'000; ++key) {
    budget.count_failure(key, kStart);
    ASSERT_LE(budget.tracked_count(), 102u);
  }
  EXPECT_TRUE(budget.exhausted(9'999, kStart));
  EXPECT_TRUE(budget.exhausted(9'960, kStart));
  EXPECT_FALSE(budget.exhausted(1, kStart));
}

TEST(FailureBudget, KeepsTheCountOfWhoComesAgain) {
  FailureBudget budget(3, 10);
  budget.count_failure(1, kStart);
  for (uint64_t key = 100; key < 106; ++key) budget.count_failure(key, kStart);
  budget.count_failure(1, kStart);
  budget.count_failure(1, kStart);
  EXPECT_TRUE(budget.exhausted(1, kStart));
}

TEST(FailureBudget, AClockReadEarlierForgivesNothing) {
  FailureBudget budget(1, 10);
  budget.count_failure(1, kStart);
  EXPECT_TRUE(budget.exhausted(1, kStart - 1h));
}

}  // namespace
}  // namespace fairlead
