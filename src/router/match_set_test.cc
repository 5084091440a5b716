#include "router/match_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace fairlead {
namespace {

using mqtt::Qos;

struct Made {
  uint32_t subscriber = 0;
  Qos qos = Qos::kAtMostOnce;
  uint32_t identifier = 0;
  bool no_local = false;
  bool retain_as_published = false;
};
Subscription make(const Made& made) {
  return {SubscriberId{made.subscriber},
          made.identifier,
          {made.qos, made.no_local, made.retain_as_published, {}}};
}
std::vector<uint32_t> identifiers(const MatchSet::Target& target) {
  return {target.identifiers.begin(), target.identifiers.end()};
}

TEST(MatchSet, MergesOverlappingSubscriptionsOfOneSession) {
  MatchSet set;
  set.clear();
  set.add(make({.subscriber = 7, .qos = Qos::kAtLeastOnce, .identifier = 3}));
  set.add(make(
      {.subscriber = 7, .qos = Qos::kAtMostOnce, .identifier = 4, .retain_as_published = true}));
  set.add(make({.subscriber = 7, .identifier = 3}));
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].subscriber, SubscriberId{7});
  EXPECT_EQ(set[0].qos, Qos::kAtLeastOnce);
  EXPECT_TRUE(set[0].retain_as_published);
  EXPECT_EQ(identifiers(set[0]), (std::vector<uint32_t>{3, 4, 3}));
}

TEST(MatchSet, NoLocalLeavesOutTheSenderUnlessAnotherSubscriptionWantsIt) {
  MatchSet set;
  set.clear(SubscriberId{1});
  set.add(make({.subscriber = 1, .qos = Qos::kExactlyOnce, .identifier = 5, .no_local = true}));
  EXPECT_TRUE(set.empty());
  set.add(make({.subscriber = 2, .no_local = true}));
  set.add(make({.subscriber = 1, .qos = Qos::kAtLeastOnce, .identifier = 6}));
  ASSERT_EQ(set.size(), 2u);
  EXPECT_EQ(set[1].subscriber, SubscriberId{1});
  EXPECT_EQ(set[1].qos, Qos::kAtLeastOnce);
  EXPECT_EQ(identifiers(set[1]), (std::vector<uint32_t>{6}));
}

TEST(MatchSet, ForgetsEverythingOnClear) {
  MatchSet set;
  for (int round = 0; round < 3; ++round) {
    set.clear();
    EXPECT_TRUE(set.empty());
    set.add(make({.subscriber = 1, .identifier = 1}));
    set.add(make({.subscriber = 2}));
    set.add(make({.subscriber = 1}));
    ASSERT_EQ(set.size(), 2u);
    EXPECT_EQ(identifiers(set[0]), (std::vector<uint32_t>{1}));
    EXPECT_TRUE(set[1].identifiers.empty());
  }
}

TEST(MatchSet, AgreesWithAModelHoweverSessionsInterleave) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    MatchSet set;
    for (int round = 0; round < 5; ++round) {
      const uint32_t sender = 300;
      set.clear(SubscriberId{sender});
      struct Expected {
        Qos qos = Qos::kAtMostOnce;
        bool retain_as_published = false;
        std::vector<uint32_t> identifiers;
      };
      std::map<uint32_t, Expected> model;
      for (uint32_t i = 1; i <= 300; ++i) {
        const auto subscriber = static_cast<uint32_t>(random() % 10) * 100;
        const uint32_t identifier = random() % 4 == 0 ? 0 : i;
        const Made made{subscriber, static_cast<Qos>(random() % 3), identifier, random() % 2 == 0,
                        random() % 64 == 0};
        set.add(make(made));
        if (made.no_local && subscriber == sender) continue;
        Expected& expected = model[subscriber];
        expected.qos = std::max(expected.qos, made.qos);
        expected.retain_as_published |= made.retain_as_published;
        if (identifier != 0) expected.identifiers.push_back(identifier);
      }
      ASSERT_EQ(set.size(), model.size());
      for (const MatchSet::Target target : set) {
        const Expected& expected = model[static_cast<uint32_t>(target.subscriber)];
        EXPECT_EQ(target.qos, expected.qos);
        EXPECT_EQ(target.retain_as_published, expected.retain_as_published);
        EXPECT_EQ(identifiers(target), expected.identifiers);
      }
    }
  }
}

}  // namespace
}  // namespace fairlead
