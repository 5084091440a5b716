#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <new>
#include <string>

#include "router/interest.h"
#include "router/match_set.h"
#include "router/shared_group.h"
#include "router/topic_tree.h"

// Counts what this program allocates: how often, and how many bytes are held, with the allocator's
// rounding and eight bytes of its own for each piece.
namespace {
std::size_t allocations = 0;
std::size_t bytes_held = 0;

void* counted(std::size_t size) {
  void* memory = std::malloc(size);
  if (!memory) throw std::bad_alloc();
  ++allocations;
  bytes_held += malloc_usable_size(memory) + 8;
  return memory;
}
void uncounted(void* memory) {
  if (memory) bytes_held -= malloc_usable_size(memory) + 8;
  std::free(memory);
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { uncounted(memory); }
void operator delete[](void* memory) noexcept { uncounted(memory); }
void operator delete(void* memory, std::size_t) noexcept { uncounted(memory); }
void operator delete[](void* memory, std::size_t) noexcept { uncounted(memory); }

namespace fairlead {
namespace {

constexpr uint32_t kDevices = 50'000;

Subscription by(uint32_t subscriber) { return {SubscriberId{subscriber}, 1, {}}; }

std::string device_topic(uint32_t device, std::string_view rest) {
  std::string topic = "/a1B2c3D4e5F/device-00000" + std::to_string(100'000 + device);
  return topic.append(rest);
}

// Bytes for each of kDevices subscriptions, each to its own filter.
std::size_t bytes_each(TopicTree& tree, std::string_view rest) {
  const std::size_t before = bytes_held;
  for (uint32_t i = 0; i < kDevices; ++i) tree.add(device_topic(i, rest), by(i));
  return (bytes_held - before) / kDevices;
}

TEST(RouterBudget, MatchingAllocatesNothing) {
  TopicTree tree;
  SharedGroups groups;
  Interest interest;
  for (uint32_t i = 0; i < 100; ++i) {
    tree.add("a/b/c", by(i));
    tree.add("a/+/c", by(i * 2));
    tree.add("#", by(i * 3));
    tree.add("other/" + std::to_string(i), by(i));
    groups.join("g", "a/#", {.session = i + 1, .subscriber = {}, .identifier = 0, .options = {}},
                Presence::kOnline);
    interest.add("a/+/" + std::to_string(i), TargetId{1});
  }
  MatchSet set;
  auto match_once = [&] {
    set.clear(SubscriberId{1});
    tree.match("a/b/c", set);
    groups.match("a/b/c",
                 [&](SharedGroups::GroupRef group) { static_cast<void>(groups.choose(group)); });
    static_cast<void>(interest.targets("a/b/c"));
  };
  const std::size_t before_tree = allocations;
  uint32_t visited = 0;
  tree.match("a/b/c", [&](const Subscription&) { ++visited; });
  EXPECT_EQ(allocations, before_tree);
  EXPECT_EQ(visited, 300u);

  match_once();  // the set takes its memory here
  const std::size_t before = allocations;
  for (int i = 0; i < 10; ++i) match_once();
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(set.size(), 199u);  // 0 to 99, even ones to 198, every third to 297, once each
}

TEST(RouterBudget, AnExactSubscriptionIsSmall) {
  TopicTree tree;
  ASSERT_EQ(device_topic(0, "/user/get").size(), 40u);
  const std::size_t each = bytes_each(tree, "/user/get");
  RecordProperty("bytes_each", static_cast<int>(each));
  std::printf("exact subscription, 40 characters: %zu bytes\n", each);
  EXPECT_LE(each, 120u);
}

TEST(RouterBudget, AWildcardSubscriptionIsSmall) {
  TopicTree tree;
  const std::size_t each = bytes_each(tree, "/user/#");
  RecordProperty("bytes_each", static_cast<int>(each));
  std::printf("wildcard subscription, two levels of its own: %zu bytes\n", each);
  EXPECT_LE(each, 240u);
}

TEST(RouterBudget, AnInterestIsSmall) {
  Interest interest;
  const std::size_t before = bytes_held;
  for (uint32_t i = 0; i < kDevices; ++i) interest.add(device_topic(i, "/user/get"), TargetId{1});
  const std::size_t each = (bytes_held - before) / kDevices;
  std::printf("interest of a device: %zu bytes\n", each);
  EXPECT_LE(each, 44u);
}

TEST(RouterBudget, GivesItsMemoryBack) {
  TopicTree tree;
  const std::size_t before = bytes_held;
  for (uint32_t i = 0; i < 5'000; ++i) {
    tree.add(device_topic(i, "/user/get"), by(i));
    tree.add(device_topic(i, "/user/#"), by(i));
  }
  for (uint32_t i = 0; i < 5'000; ++i) {
    ASSERT_TRUE(tree.remove(device_topic(i, "/user/get"), SubscriberId{i}));
    ASSERT_TRUE(tree.remove(device_topic(i, "/user/#"), SubscriberId{i}));
  }
  EXPECT_LE(bytes_held - before, 1024u);
}

}  // namespace
}  // namespace fairlead
