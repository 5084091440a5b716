#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "auth/policy.h"

namespace fairlead {
namespace {

// Random texts over a tiny alphabet, so that pairs often match.
std::string random_levels(std::mt19937_64& random, bool filter) {
  std::string text;
  const std::size_t count = 1 + random() % 4;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) text += "/";
    const uint64_t pick = random() % (filter ? 6 : 4);
    if (pick == 5 && i + 1 == count) {
      text += "#";
    } else if (pick >= 4) {
      text += "+";
    } else {
      static constexpr const char* kLevels[] = {"a", "b", "", "$c"};
      text += kLevels[pick];
    }
  }
  return text;
}

TEST(FilterCoverProperty, WhatIsCoveredNeverMatchesMore) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int covered = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::string pattern = random_levels(random, true);
    const std::string filter = random_levels(random, true);
    if (!filter_covers(pattern, filter)) continue;
    ++covered;
    for (int i = 0; i < 20; ++i) {
      const std::string topic = random_levels(random, false);
      if (!filter_matches(filter, topic)) continue;
      ASSERT_TRUE(filter_matches(pattern, topic))
          << pattern << " covers " << filter << " but not " << topic;
    }
  }
  EXPECT_GT(covered, 0);
}

TEST(FilterCoverProperty, AFilterCoversItselfAndItsTopics) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 10'000; ++round) {
    const std::string filter = random_levels(random, true);
    ASSERT_TRUE(filter_covers(filter, filter)) << filter;
    const std::string topic = random_levels(random, false);
    // A topic is a filter that matches itself alone.
    ASSERT_EQ(filter_covers(filter, topic), filter_matches(filter, topic))
        << filter << " " << topic;
  }
}

TEST(DevicePolicyProperty, NeverReachesAnotherDevice) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto rules = TopicRules::make({});
  ASSERT_TRUE(rules.ok());
  auto one = AccessPolicy::for_device("pk", "d1", *rules);
  auto other = AccessPolicy::for_device("pk", "d2", *rules);
  static constexpr const char* kLevels[] = {"sys",     "ext",    "rrpc", "ota", "device",
                                            "upgrade", "pk",     "d1",   "d2",  "user",
                                            "thing",   "shadow", "get",  "1",   ""};
  for (int round = 0; round < 50'000; ++round) {
    std::string topic;
    const std::size_t count = 2 + random() % 6;
    for (std::size_t i = 0; i < count; ++i) {
      topic += "/" + std::string(kLevels[random() % std::size(kLevels)]);
    }
    ASSERT_FALSE(one->may_receive(topic) && other->may_receive(topic)) << topic;
  }
}

}  // namespace
}  // namespace fairlead
