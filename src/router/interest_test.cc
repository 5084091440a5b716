#include "router/interest.h"

#include <gtest/gtest.h>

namespace fairlead {
namespace {

constexpr TargetId kOne{1};
constexpr TargetId kTwo{2};
constexpr TargetId kLast{63};

TEST(Interest, AnswersTheTargetsWhoseFiltersBeginAlike) {
  Interest interest;
  interest.add("/pk/d1/user/#", kOne);
  interest.add("/pk/+/user/get", kTwo);
  interest.add("/pk/d1/user/get", kLast);
  EXPECT_EQ(interest.targets("/pk/d1/user/get"), mask_of(kOne) | mask_of(kTwo) | mask_of(kLast));
  EXPECT_EQ(interest.targets("/pk/d2/user/get"), mask_of(kTwo));
  EXPECT_EQ(interest.targets("/other/d1/user/get"), 0u);
}

TEST(Interest, HashMatchesTheLevelAboveIt) {
  Interest interest;
  interest.add("a/b/#", kOne);
  EXPECT_EQ(interest.targets("a/b"), mask_of(kOne));
  EXPECT_EQ(interest.targets("a"), 0u);
}

TEST(Interest, KeepsWildcardsAwayFromTopicsThatBeginWithDollar) {
  Interest interest;
  interest.add("#", kOne);
  interest.add("+/a", kTwo);
  interest.add("$SYS/#", kLast);
  EXPECT_EQ(interest.targets("$SYS/a"), mask_of(kLast));
  EXPECT_EQ(interest.targets("x/a"), mask_of(kOne) | mask_of(kTwo));
}

TEST(Interest, ForgetsAKeyWhenItWasRemovedAsOftenAsAdded) {
  Interest interest;
  interest.add("a/b/c/d/e", kOne);
  interest.add("a/b/c/d/f", kOne);  // the same four levels
  interest.add("a/b/c/d/f", kTwo);
  EXPECT_EQ(interest.size(), 1u);
  EXPECT_TRUE(interest.remove("a/b/c/d/e", kOne));
  EXPECT_EQ(interest.targets("a/b/c/d/x"), mask_of(kOne) | mask_of(kTwo));
  EXPECT_TRUE(interest.remove("a/b/c/d/f", kOne));
  EXPECT_FALSE(interest.remove("a/b/c/d/f", kOne));
  EXPECT_EQ(interest.targets("a/b/c/d/x"), mask_of(kTwo));
  EXPECT_TRUE(interest.remove("a/b/c/d/f", kTwo));
  EXPECT_EQ(interest.size(), 0u);
  EXPECT_EQ(interest.targets("a/b/c/d/x"), 0u);
}

TEST(Interest, KeyIsTheSameInAllVersions) {
  // Nodes exchange these values: a change needs a new message between them.
  EXPECT_EQ(interest_key("#"), interest_key("+/a/b"));
  EXPECT_EQ(interest_key("/pk/dn/user/#"), interest_key("/pk/dn/user"));
  EXPECT_NE(interest_key("a/b").hash, interest_key("a").hash);
  EXPECT_NE(interest_key("/").hash, interest_key("+").hash);
  EXPECT_EQ(interest_key("/pk/dn/user/#"), (InterestKey{0x9CF77369A35B1D0Eu, 4}));
  EXPECT_EQ(interest_key("#"), (InterestKey{0xECBA3DF2C3383C52u, 0}));
}

TEST(LocalInterest, SpeaksUpForTheFirstAndTheLastOnly) {
  LocalInterest local;
  const auto first = local.add("/pk/d1/user/get");
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(*first, interest_key("/pk/d1/user/get"));
  EXPECT_FALSE(local.add("/pk/d1/user/#").has_value());
  EXPECT_TRUE(local.add("/pk/d1/+").has_value());
  EXPECT_EQ(local.size(), 2u);
  EXPECT_FALSE(local.remove("/pk/d1/user/get").has_value());
  EXPECT_EQ(local.remove("/pk/d1/user/#"), first);
  EXPECT_TRUE(local.remove("/pk/d1/+").has_value());
  EXPECT_EQ(local.size(), 0u);
}

}  // namespace
}  // namespace fairlead
