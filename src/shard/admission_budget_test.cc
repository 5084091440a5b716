#include "shard/admission_budget.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

using std::chrono::microseconds;

constexpr AdmissionLimits kLimits{.turn_max = milliseconds(5), .lag_max = milliseconds(20)};

int steps_of_a_turn(AdmissionBudget& budget, int wanted, microseconds cost) {
  int granted = 0;
  for (int i = 0; i < wanted; ++i) {
    if (!budget.may_step()) continue;
    ++granted;
    budget.spend(cost);
  }
  return granted;
}

TEST(AdmissionBudget, GrantsStepsUntilTheTimeIsSpent) {
  AdmissionBudget budget(kLimits);
  budget.begin_turn(milliseconds(1));
  EXPECT_EQ(steps_of_a_turn(budget, 100, microseconds(1000)), 5);
  budget.begin_turn(milliseconds(6));
  EXPECT_EQ(steps_of_a_turn(budget, 100, microseconds(10)), 100);
}

TEST(AdmissionBudget, GrantsOneStepAndOneConnectionHoweverLongTurnsAre) {
  AdmissionBudget budget(kLimits);
  budget.begin_turn(milliseconds(500));
  EXPECT_EQ(steps_of_a_turn(budget, 100, microseconds(10)), 1);
  EXPECT_EQ(budget.accept_count_max(), 1);
}

TEST(AdmissionBudget, AStepThatTakesTooLongIsTheLastOne) {
  AdmissionBudget budget(kLimits);
  budget.begin_turn(milliseconds(0));
  EXPECT_EQ(steps_of_a_turn(budget, 10, microseconds(50'000)), 1);
}

TEST(AdmissionBudget, ListenersHoldBackWhileNewcomersWait) {
  AdmissionBudget budget(kLimits);
  budget.begin_turn(milliseconds(0));
  EXPECT_GT(budget.accept_count_max(), 1);
  EXPECT_EQ(steps_of_a_turn(budget, 6, microseconds(1000)), 5);
  budget.begin_turn(milliseconds(5));
  EXPECT_EQ(budget.accept_count_max(), 1);
  EXPECT_EQ(steps_of_a_turn(budget, 1, microseconds(1000)), 1);
  budget.begin_turn(milliseconds(1));
  EXPECT_GT(budget.accept_count_max(), 1);
}

}  // namespace
}  // namespace fairlead
