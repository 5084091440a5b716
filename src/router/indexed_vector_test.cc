#include "router/indexed_vector.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace fairlead {
namespace {

struct Item {
  uint64_t key = 0;
  int value = 0;
};
struct KeyOf {
  uint64_t operator()(const Item& item) const { return item.key; }
};
using Items = IndexedVector<Item, KeyOf>;

void expect_same(const Items& items, const std::map<uint64_t, int>& model) {
  ASSERT_EQ(items.size(), model.size());
  for (const auto& [key, value] : model) {
    const auto position = items.find(key);
    ASSERT_TRUE(position.has_value()) << "key " << key;
    EXPECT_EQ(items[*position].key, key);
    EXPECT_EQ(items[*position].value, value);
  }
}

TEST(IndexedVector, FindsEveryKeyThroughGrowthAndShrinking) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    Items items;
    std::map<uint64_t, int> model;
    for (int step = 0; step < 6000; ++step) {
      const bool growing = (step / 1500) % 2 == 0;
      const uint64_t key = random() % 2000;
      const auto position = items.find(key);
      ASSERT_EQ(position.has_value(), model.contains(key)) << "step " << step;
      if (position && (!growing || random() % 4 == 0)) {
        items.erase(*position);
        model.erase(key);
      } else if (position) {
        items.replace(*position, {key, step});
        model[key] = step;
      } else if (growing) {
        items.push_back({key, step});
        model[key] = step;
      }
      if (items.size() > 1) {
        items.swap(static_cast<uint32_t>(random() % items.size()), items.size() - 1);
      }
      if (step % 500 == 0) expect_same(items, model);
    }
    expect_same(items, model);
    while (!items.empty()) items.erase(0);
    EXPECT_FALSE(items.find(1).has_value());
  }
}

}  // namespace
}  // namespace fairlead
