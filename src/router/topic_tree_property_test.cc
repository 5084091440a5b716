#include <gtest/gtest.h>

#include <map>
#include <set>

#include "router/test_topics.h"
#include "router/topic_tree.h"

namespace fairlead {
namespace {

using Key = std::pair<std::string, uint32_t>;  // filter, subscriber

void expect_match(const TopicTree& tree, const std::map<Key, uint32_t>& model,
                  const std::string& topic) {
  std::multiset<std::pair<uint32_t, uint32_t>> expected;
  for (const auto& [key, identifier] : model) {
    if (mqtt::topic_matches(key.first, topic)) expected.emplace(key.second, identifier);
  }
  std::multiset<std::pair<uint32_t, uint32_t>> found;
  tree.match(topic, [&](const Subscription& s) {
    found.emplace(static_cast<uint32_t>(s.subscriber), s.identifier);
  });
  EXPECT_EQ(found, expected) << topic;
}

TEST(TopicTreeProperty, MatchesAsTopicMatchesThroughAddsAndRemoves) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    test::Random random(seed);
    TopicTree tree;
    std::map<Key, uint32_t> model;
    for (uint32_t step = 1; step <= 1000; ++step) {
      const Key key{test::random_filter(random), static_cast<uint32_t>(test::below(random, 3))};
      const Subscription subscription{SubscriberId{key.second}, step, {}};
      if (test::below(random, 3) != 0) {
        const Added added = model.contains(key) ? Added::kReplaced : Added::kNew;
        ASSERT_EQ(tree.add(key.first, subscription), added) << key.first;
        model[key] = step;
      } else {
        ASSERT_EQ(tree.remove(key.first, SubscriberId{key.second}), model.erase(key) == 1)
            << key.first;
      }
      ASSERT_EQ(tree.size(), model.size());
      if (step % 5 == 0) expect_match(tree, model, test::random_topic(random));
    }
    for (const auto& [key, identifier] : model) {
      ASSERT_TRUE(tree.remove(key.first, SubscriberId{key.second})) << key.first;
    }
    EXPECT_EQ(tree.node_count(), 1u);
  }
}

TEST(TopicTreeProperty, MatchesTenThousandFiltersAndTopics) {
  test::Random random(42);
  TopicTree tree;
  std::set<std::string> filters;
  for (int i = 0; i < 10'000; ++i) {
    const std::string filter = test::random_filter(random);
    filters.insert(filter);
    tree.add(filter, {SubscriberId{1}, 0, {}});
  }
  ASSERT_EQ(tree.size(), filters.size());
  std::set<std::string> topics;
  for (int i = 0; i < 10'000; ++i) topics.insert(test::random_topic(random));
  for (const std::string& topic : topics) {
    if (random() % 16 != 0) continue;  // the model is slow
    std::size_t found = 0;
    tree.match(topic, [&](const Subscription&) { ++found; });
    std::size_t expected = 0;
    for (const std::string& filter : filters) expected += mqtt::topic_matches(filter, topic);
    ASSERT_EQ(found, expected) << topic;
  }
}

}  // namespace
}  // namespace fairlead
