#include "base/mpsc_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace fairlead {
namespace {

TEST(MpscQueue, HandsOverInOrderAndTellsWhenItWasEmpty) {
  MpscQueue<int> queue;
  EXPECT_TRUE(queue.push(1));
  EXPECT_FALSE(queue.push(2));
  std::vector<int> got;
  queue.drain([&](int&& item) { got.push_back(item); });
  EXPECT_EQ(got, (std::vector{1, 2}));
  EXPECT_TRUE(queue.empty());
  EXPECT_TRUE(queue.push(3));
}

TEST(MpscQueue, FreesWhatIsLeft) {
  auto item = std::make_shared<int>(1);
  {
    MpscQueue<std::shared_ptr<int>> queue;
    queue.push(item);
    EXPECT_EQ(item.use_count(), 2);
  }
  EXPECT_EQ(item.use_count(), 1);
}

TEST(MpscQueue, KeepsEachProducersOrder) {
  constexpr int kProducers = 4;
  constexpr int kItems = 5000;
  MpscQueue<std::pair<int, int>> queue;
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i) queue.push({p, i});
    });
  }
  std::vector<int> next(kProducers, 0);
  int taken = 0;
  while (taken < kProducers * kItems) {
    queue.drain([&](std::pair<int, int>&& item) {
      EXPECT_EQ(item.second, next[static_cast<std::size_t>(item.first)]++);
      ++taken;
    });
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace fairlead
