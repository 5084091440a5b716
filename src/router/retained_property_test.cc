#include <gtest/gtest.h>

#include <map>
#include <set>

#include "router/retained.h"
#include "router/test_topics.h"

namespace fairlead {
namespace {

using mqtt::Message;
using mqtt::MessageRef;

MessageRef message(const std::string& topic, Instant expires_at) {
  Message::Parts parts;
  parts.topic = topic;
  parts.payload = as_bytes(topic);
  parts.expires_at = expires_at;
  return Message::make(parts);
}

TEST(RetainedProperty, AgreesWithAMapOfTopics) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    test::Random random(seed);
    RetainedStore store;
    std::map<std::string, Instant> model;
    Instant now{milliseconds{0}};
    for (int step = 0; step < 2000; ++step) {
      now += milliseconds{1};
      const std::string topic = test::random_topic(random);
      switch (test::below(random, 4)) {
        case 0:
          std::erase_if(model, [now](const auto& entry) { return now >= entry.second; });
          while (store.sweep(now, 1'000'000).dropped != 0) {
          }
          ASSERT_EQ(store.count(), model.size());
          ASSERT_EQ(store.clear(topic), model.erase(topic) == 1);
          break;
        case 1:
        case 2: {
          const Instant expires_at = test::below(random, 2) == 0
                                         ? Message::kNever
                                         : now + milliseconds{1 + test::below(random, 100)};
          store.set(message(topic, expires_at));
          model[topic] = expires_at;
          break;
        }
        case 3: {
          const std::string filter = test::random_filter(random);
          std::set<std::string> expected;
          for (const auto& [name, expires_at] : model) {
            if (now < expires_at && mqtt::topic_matches(filter, name)) expected.insert(name);
          }
          std::set<std::string> found;
          store.match(filter, now, [&](const MessageRef& m) {
            EXPECT_TRUE(found.emplace(m->topic()).second) << "twice: " << m->topic();
          });
          ASSERT_EQ(found, expected) << filter;
        }
      }
    }
    for (const auto& [name, expires_at] : model) store.clear(name);
    EXPECT_EQ(store.count(), 0u);
    EXPECT_EQ(store.bytes(), 0u);
    EXPECT_EQ(store.node_count(), 1u);
  }
}

}  // namespace
}  // namespace fairlead
