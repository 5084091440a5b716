#include <gtest/gtest.h>

#include <memory>

#include "budget/budget_clients.h"

// What it costs that publisher and subscriber live on different shards.

namespace fairlead::testing {
namespace {

// Pairs are made until one has a message go from shard to shard: the other one has to be woken.
std::unique_ptr<Pair> pair_apart(TestServer& server, Qos qos) {
  for (int tries = 0; tries < 100; ++tries) {
    auto pair = std::make_unique<Pair>(server, Transport::kWs, qos);
    server.settle();
    const Counts before = shard_counts();
    for (int i = 0; i < 5; ++i) pair->window();
    server.settle();
    if ((shard_counts() - before).wakes > 0) return pair;
  }
  throw TestFailure("all clients live on one shard");
}

class ShardsBudget : public ::testing::TestWithParam<Qos> {};
INSTANTIATE_TEST_SUITE_P(All, ShardsBudget, ::testing::Values(kQos0, kQos1, kQos2),
                         [](const auto& test) {
                           return "qos" + std::to_string(static_cast<int>(test.param));
                         });

TEST_P(ShardsBudget, OneWakeForAWindowThatCrosses) {
  constexpr uint64_t kWindows = 40;
  constexpr uint64_t kMessages = kWindows * kWindow;
  TestServer server(quiet_server(TestStore::kNone, 2));
  const auto pair = pair_apart(server, GetParam());
  for (int i = 0; i < 20; ++i) pair->window();
  server.settle();
  const Counts before = shard_counts();
  for (uint64_t i = 0; i < kWindows; ++i) pair->window();
  server.settle();
  const Counts cost = shard_counts() - before;
  const uint64_t each_way = GetParam() == kQos0 ? 1 : GetParam() == kQos1 ? 2 : 4;
  EXPECT_EQ(cost.receives, each_way * kWindows);
  EXPECT_EQ(cost.sends, each_way * kWindows);
  EXPECT_EQ(cost.interests, 0u);
  // None where the other shard has not gone to sleep yet.
  EXPECT_LE(cost.wakes, kWindows);
  EXPECT_GT(cost.wakes, 0u);
  EXPECT_LE(cost.waits, (each_way + 2) * kWindows + 60);
  EXPECT_EQ(cost.encodings, kMessages);
  std::printf(
      "a message that crosses: %.2f allocations, %.0f bytes; of a window: %.2f wakes, %.2f waits\n",
      each(cost.allocations, kMessages), each(cost.allocated_bytes, kMessages),
      each(cost.wakes, kWindows), each(cost.waits, kWindows));
  // Beyond what it costs on one shard: 6 pieces of mail and lists of receivers for a window, whose
  // memory crosses with them.
  const uint64_t lists = GetParam() == kQos0 ? 0 : GetParam() == kQos1 ? 2 : 3;
  EXPECT_LE(cost.allocations, kMessages + kWindows * (lists + 6) + 60);
  EXPECT_LE(cost.allocated_bytes, 430 * kMessages);
}

}  // namespace
}  // namespace fairlead::testing
