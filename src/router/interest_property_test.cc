#include <gtest/gtest.h>

#include <map>

#include "proto/mqtt/topic.h"
#include "router/interest.h"
#include "router/test_topics.h"

namespace fairlead {
namespace {

TEST(InterestProperty, MaySayTooMuchButNeverTooLittle) {
  uint64_t useful = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    test::Random random(seed);
    Interest interest;
    std::array<LocalInterest, 8> locals;
    std::vector<std::pair<std::string, uint8_t>> filters;
    for (int step = 0; step < 2000; ++step) {
      if (filters.size() < 30 && test::below(random, 2) == 0) {
        const auto shard = static_cast<uint8_t>(test::below(random, locals.size()));
        filters.emplace_back(test::random_filter(random), shard);
        if (const auto key = locals[shard].add(filters.back().first)) {
          interest.add(*key, TargetId{shard});
        }
      } else if (!filters.empty()) {
        std::swap(filters[test::below(random, filters.size())], filters.back());
        const auto [filter, shard] = filters.back();
        filters.pop_back();
        if (const auto key = locals[shard].remove(filter)) {
          ASSERT_TRUE(interest.remove(*key, TargetId{shard}));
        }
      }
      const std::string topic = test::random_topic(random);
      const TargetMask targets = interest.targets(topic);
      for (const auto& [filter, shard] : filters) {
        if (!mqtt::topic_matches(filter, topic)) continue;
        ASSERT_TRUE(targets & mask_of(TargetId{shard})) << filter << " wants " << topic;
      }
      useful += targets == 0;
    }
    for (const auto& [filter, shard] : filters) {
      if (const auto key = locals[shard].remove(filter)) interest.remove(*key, TargetId{shard});
    }
    EXPECT_EQ(interest.size(), 0u);
  }
  EXPECT_GT(useful, 0u);  // not everything is wanted by somebody
}

TEST(InterestProperty, CountsRepeatedAddsOfOneTarget) {
  test::Random random(5);
  Interest interest;
  std::map<std::pair<std::string, uint8_t>, int> model;
  for (int step = 0; step < 5000; ++step) {
    const std::pair key{test::random_filter(random), static_cast<uint8_t>(random() % 3)};
    int& count = model[key];
    if (count == 0 || random() % 2 == 0) {
      interest.add(key.first, TargetId{key.second});
      ++count;
    } else {
      ASSERT_TRUE(interest.remove(key.first, TargetId{key.second}));
      --count;
    }
  }
  for (auto& [key, count] : model) {
    for (; count > 0; --count) ASSERT_TRUE(interest.remove(key.first, TargetId{key.second}));
  }
  EXPECT_EQ(interest.size(), 0u);
}

}  // namespace
}  // namespace fairlead
