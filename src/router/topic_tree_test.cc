#include "router/topic_tree.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace fairlead {
namespace {

Subscription by(uint32_t subscriber, uint32_t identifier = 0) {
  return {SubscriberId{subscriber}, identifier, {}};
}

std::multiset<uint32_t> matches(const TopicTree& tree, std::string_view topic) {
  std::multiset<uint32_t> found;
  tree.match(topic,
             [&](const Subscription& s) { found.insert(static_cast<uint32_t>(s.subscriber)); });
  return found;
}
using Ids = std::multiset<uint32_t>;

TEST(TopicTree, VisitsEachMatchingFilterOnce) {
  TopicTree tree;
  tree.add("sport/tennis", by(1));
  tree.add("sport/+", by(1));
  tree.add("sport/#", by(1));
  tree.add("#", by(2));
  tree.add("+/tennis", by(3));
  tree.add("sport/golf", by(4));
  EXPECT_EQ(matches(tree, "sport/tennis"), (Ids{1, 1, 1, 2, 3}));
  EXPECT_EQ(matches(tree, "sport/golf"), (Ids{1, 1, 2, 4}));
  EXPECT_EQ(matches(tree, "Sport/tennis"), (Ids{2, 3}));
}

TEST(TopicTree, HashMatchesTheLevelAboveIt) {
  TopicTree tree;
  tree.add("sport/#", by(1));
  tree.add("sport/+", by(2));
  tree.add("sport/+/#", by(3));
  EXPECT_EQ(matches(tree, "sport"), (Ids{1}));
  EXPECT_EQ(matches(tree, "sport/"), (Ids{1, 2, 3}));
  EXPECT_EQ(matches(tree, "sport/a/b"), (Ids{1, 3}));
}

TEST(TopicTree, KeepsWildcardsAwayFromTopicsThatBeginWithDollar) {
  TopicTree tree;
  tree.add("#", by(1));
  tree.add("+/monitor", by(2));
  tree.add("$SYS/#", by(3));
  tree.add("$SYS/+", by(4));
  tree.add("$SYS/monitor", by(5));
  tree.add("a/+", by(6));
  EXPECT_EQ(matches(tree, "$SYS/monitor"), (Ids{3, 4, 5}));
  EXPECT_EQ(matches(tree, "a/$SYS"), (Ids{1, 6}));
}

TEST(TopicTree, TreatsEmptyLevelsAsLevels) {
  TopicTree tree;
  tree.add("/finance", by(1));
  tree.add("+/+", by(2));
  tree.add("/+", by(3));
  tree.add("+", by(4));
  tree.add("//#", by(5));
  EXPECT_EQ(matches(tree, "/finance"), (Ids{1, 2, 3}));
  EXPECT_EQ(matches(tree, "finance"), (Ids{4}));
  EXPECT_EQ(matches(tree, "//"), (Ids{5}));
  EXPECT_EQ(matches(tree, "/"), (Ids{2, 3, 5}));
}

TEST(TopicTree, ReplacesTheSubscriptionOfTheSameSession) {
  TopicTree tree;
  for (const char* filter : {"a/b", "a/+", "a/#"}) {
    EXPECT_EQ(tree.add(filter, by(1, 5)), Added::kNew);
    EXPECT_EQ(tree.add(filter, by(1, 6)), Added::kReplaced);
    EXPECT_EQ(tree.add(filter, by(2, 5)), Added::kNew);
  }
  EXPECT_EQ(tree.size(), 6u);
  tree.match("a/b", [](const Subscription& s) {
    EXPECT_EQ(s.identifier, s.subscriber == SubscriberId{1} ? 6u : 5u);
  });
}

TEST(TopicTree, RemovesOnlyWhatWasNamed) {
  TopicTree tree;
  tree.add("a/+/c", by(1));
  tree.add("a/+/c", by(2));
  tree.add("a/+", by(1));
  tree.add("x", by(1));
  EXPECT_FALSE(tree.remove("a/b/c", SubscriberId{1}));
  EXPECT_FALSE(tree.remove("a/#", SubscriberId{1}));
  EXPECT_FALSE(tree.remove("a/+/c", SubscriberId{3}));
  EXPECT_FALSE(tree.remove("b/+", SubscriberId{1}));
  EXPECT_FALSE(tree.remove("x", SubscriberId{2}));
  EXPECT_TRUE(tree.remove("a/+/c", SubscriberId{1}));
  EXPECT_EQ(matches(tree, "a/b/c"), (Ids{2}));
  EXPECT_EQ(matches(tree, "a/b"), (Ids{1}));
}

TEST(TopicTree, KeepsNoNodeWithoutUse) {
  TopicTree tree;
  tree.add("a/+/c/#", by(1));
  tree.add("a/+/d", by(1));
  tree.add("a/b/c", by(1));
  tree.add("#", by(1));
  EXPECT_GT(tree.node_count(), 4u);
  for (const char* filter : {"a/+/c/#", "a/+/d", "a/b/c", "#"}) {
    EXPECT_TRUE(tree.remove(filter, SubscriberId{1})) << filter;
  }
  EXPECT_EQ(tree.node_count(), 1u);
  EXPECT_EQ(tree.size(), 0u);
}

TEST(TopicTree, LooksUpOnceWhenThereAreNoWildcards) {
  TopicTree tree;
  EXPECT_EQ(tree.match("a/b/c/d/e/f", [](const Subscription&) {}), 0u);
  tree.add("a/b/c/d/e/f", by(1));
  EXPECT_EQ(tree.match("a/b/c/d/e/f", [](const Subscription&) {}), 1u);
  EXPECT_EQ(tree.match("a/b/c/d/e/g", [](const Subscription&) {}), 1u);
}

TEST(TopicTree, WorkDoesNotDependOnUnrelatedFilters) {
  TopicTree tree;
  uint32_t work_at_first = 0;
  for (uint32_t device = 0; device < 20'000; ++device) {
    const std::string base = "/pk/device" + std::to_string(device);
    tree.add(base + "/user/#", by(device));
    tree.add(base + "/+/get", by(device));
    tree.add(base + "/exact", by(device));
    if (device != 0 && device != 19'999) continue;
    uint32_t found = 0;
    const uint32_t work = tree.match("/pk/device0/user/get", [&](const Subscription&) { ++found; });
    EXPECT_EQ(found, 2u);
    if (device == 0) work_at_first = work;
    EXPECT_EQ(work, work_at_first);
    EXPECT_LE(work, 8u);
  }
}

TEST(TopicTree, HandlesAFilterWithTenThousandSubscribers) {
  TopicTree tree;
  for (uint32_t i = 0; i < 10'000; ++i) {
    tree.add("news/+", by(i));
    tree.add("news/today", by(i));
  }
  EXPECT_EQ(matches(tree, "news/today").size(), 20'000u);
  for (uint32_t i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(tree.remove("news/+", SubscriberId{i}));
    ASSERT_TRUE(tree.remove("news/today", SubscriberId{9'999 - i}));
  }
  EXPECT_EQ(tree.node_count(), 1u);
}

}  // namespace
}  // namespace fairlead
