#include "router/subscriber_list.h"

#include <gtest/gtest.h>

#include <set>

namespace fairlead {
namespace {

Subscription of(uint32_t subscriber, uint32_t identifier = 0) {
  return {SubscriberId{subscriber}, identifier, {}};
}

std::multiset<uint32_t> subscribers(const SubscriberList& list) {
  std::multiset<uint32_t> found;
  list.for_each([&](const Subscription& s) { found.insert(static_cast<uint32_t>(s.subscriber)); });
  return found;
}

TEST(SubscriberList, KeepsOneEntryForEachSubscriber) {
  SubscriberList list;
  EXPECT_EQ(list.add(of(1, 10)), Added::kNew);
  EXPECT_EQ(list.add(of(1, 11)), Added::kReplaced);
  EXPECT_EQ(list.add(of(2)), Added::kNew);
  EXPECT_EQ(list.add(of(1, 12)), Added::kReplaced);
  EXPECT_EQ(list.size(), 2u);
  list.for_each([](const Subscription& s) {
    EXPECT_EQ(s.identifier, s.subscriber == SubscriberId{1} ? 12u : 0u);
  });
}

TEST(SubscriberList, GoesToManyAndBackToOneAndNone) {
  SubscriberList list;
  std::multiset<uint32_t> model;
  for (uint32_t i = 0; i < 10'000; ++i) {
    ASSERT_EQ(list.add(of(i * 7)), Added::kNew);
    model.insert(i * 7);
  }
  EXPECT_EQ(subscribers(list), model);
  for (uint32_t i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(list.remove(SubscriberId{i * 7}));
    ASSERT_FALSE(list.remove(SubscriberId{i * 7}));
    ASSERT_EQ(list.size(), 9'999 - i);
  }
  EXPECT_TRUE(list.empty());
  EXPECT_TRUE(subscribers(list).empty());
}

TEST(SubscriberList, RemovingAStrangerChangesNothing) {
  SubscriberList list;
  EXPECT_FALSE(list.remove(SubscriberId{1}));
  list.add(of(1));
  EXPECT_FALSE(list.remove(SubscriberId{2}));
  list.add(of(2));
  EXPECT_FALSE(list.remove(SubscriberId{3}));
  EXPECT_EQ(subscribers(list), (std::multiset<uint32_t>{1, 2}));
}

}  // namespace
}  // namespace fairlead
