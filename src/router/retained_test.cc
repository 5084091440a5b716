#include "router/retained.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace fairlead {
namespace {

using mqtt::Message;
using mqtt::MessageRef;
constexpr Instant kNow{milliseconds{1000}};
constexpr Instant kLater{milliseconds{2000}};

MessageRef message(std::string_view topic, std::string_view payload = "x",
                   Instant expires_at = Message::kNever) {
  Message::Parts parts;
  parts.topic = topic;
  parts.payload = as_bytes(payload);
  parts.retain = mqtt::Retain::kYes;
  parts.expires_at = expires_at;
  return Message::make(parts);
}

using Topics = std::multiset<std::string>;
Topics match(RetainedStore& store, std::string_view filter, Instant now = kNow) {
  Topics found;
  store.match(filter, now, [&](const MessageRef& m) { found.emplace(m->topic()); });
  return found;
}

TEST(RetainedStore, KeepsTheLatestMessageOfATopic) {
  RetainedStore store;
  EXPECT_EQ(store.set(message("a/b", "one")), RetainedStore::Set::kStored);
  const std::size_t bytes = store.bytes();
  EXPECT_EQ(store.set(message("a/b", "two")), RetainedStore::Set::kReplaced);
  EXPECT_EQ(store.count(), 1u);
  EXPECT_EQ(store.bytes(), bytes);
  store.match("a/b", kNow, [](const MessageRef& m) { EXPECT_EQ(as_text(m->payload()), "two"); });
}

TEST(RetainedStore, ClearsWithoutATrace) {
  RetainedStore store;
  store.set(message("a/b/c"));
  EXPECT_FALSE(store.clear("a/b"));
  EXPECT_FALSE(store.clear("a/b/c/d"));
  EXPECT_TRUE(store.clear("a/b/c"));
  EXPECT_FALSE(store.clear("a/b/c"));
  EXPECT_EQ(store.count(), 0u);
  EXPECT_EQ(store.bytes(), 0u);
  EXPECT_EQ(store.node_count(), 1u);
}

TEST(RetainedStore, MatchesWildcards) {
  RetainedStore store;
  for (const char* topic : {"a", "a/b", "a/b/c", "a/", "/a", "b/b", "$SYS/load"}) {
    store.set(message(topic));
  }
  EXPECT_EQ(match(store, "a/#"), (Topics{"a", "a/b", "a/b/c", "a/"}));
  EXPECT_EQ(match(store, "+/b"), (Topics{"a/b", "b/b"}));
  EXPECT_EQ(match(store, "+/+"), (Topics{"a/b", "a/", "/a", "b/b"}));
  EXPECT_EQ(match(store, "#"), (Topics{"a", "a/b", "a/b/c", "a/", "/a", "b/b"}));
  EXPECT_EQ(match(store, "+/load"), (Topics{}));
  EXPECT_EQ(match(store, "$SYS/#"), (Topics{"$SYS/load"}));
  EXPECT_EQ(match(store, "a/b/c"), (Topics{"a/b/c"}));
}

// A store that hears of what it drops, by name.
class NamedRetainedStore : public ::testing::Test {
 protected:
  NamedRetainedStore() {
    store_.on_drop([this](uint64_t name) { dropped_.push_back(name); });
  }
  // What was dropped since the last time.
  std::vector<uint64_t> dropped() { return std::exchange(dropped_, {}); }

  std::vector<uint64_t> dropped_;
  RetainedStore store_{{.count_max = 3}};
};
using Names = std::vector<uint64_t>;

TEST_F(NamedRetainedStore, NamesWhatIsReplacedOrCleared) {
  store_.set(message("a", "1"), 11);
  store_.set(message("a/b", "1"), 12);
  EXPECT_EQ(dropped(), Names{});
  store_.set(message("a", "2"), 13);
  EXPECT_EQ(dropped(), Names{11});
  EXPECT_TRUE(store_.clear("a"));
  EXPECT_EQ(dropped(), Names{13});
  EXPECT_FALSE(store_.clear("a"));
  EXPECT_TRUE(store_.clear("a/b"));
  EXPECT_EQ(dropped(), Names{12});
}

TEST_F(NamedRetainedStore, NamesWhatExpiresOnce) {
  store_.set(message("a/1", "x", kLater), 1);
  store_.set(message("b/2", "x", kLater), 2);
  store_.set(message("c/3", "x", kLater), 3);
  EXPECT_EQ(match(store_, "a/+", kLater), Topics{});
  EXPECT_EQ(dropped(), Names{1});
  EXPECT_EQ(match(store_, "b/2", kLater), Topics{});
  EXPECT_EQ(dropped(), Names{2});
  EXPECT_EQ(store_.sweep(kLater, 100).dropped, 1u);
  EXPECT_EQ(dropped(), Names{3});
  EXPECT_EQ(store_.sweep(kLater, 100).dropped, 0u);
  EXPECT_EQ(match(store_, "#", kLater), Topics{});
  EXPECT_EQ(dropped(), Names{});
}

TEST_F(NamedRetainedStore, RefusedMessageTakesNothingAway) {
  for (uint64_t i = 1; i <= 3; ++i) store_.set(message(std::to_string(i)), i);
  EXPECT_EQ(store_.set(message("4"), 4), RetainedStore::Set::kRefusedLimit);
  EXPECT_EQ(dropped(), Names{});
  EXPECT_EQ(store_.set(message("3", "again"), 5), RetainedStore::Set::kReplaced);
  EXPECT_EQ(dropped(), Names{3});
}

TEST_F(NamedRetainedStore, MessagesWithoutANameGoInSilence) {
  store_.set(message("a"));
  store_.set(message("a", "2"), 1);
  EXPECT_EQ(dropped(), Names{});
  store_.set(message("a", "3"));
  EXPECT_EQ(dropped(), Names{1});
  EXPECT_TRUE(store_.clear("a"));
  EXPECT_EQ(dropped(), Names{});
}

TEST(RetainedStore, EndsInSilence) {
  Names dropped;
  {
    RetainedStore store;
    store.on_drop([&](uint64_t name) { dropped.push_back(name); });
    store.set(message("a"), 1);
  }
  EXPECT_EQ(dropped, Names{});
}

TEST(RetainedStore, DropsExpiredMessagesInPassing) {
  RetainedStore store;
  store.set(message("a/1", "x", kLater));
  store.set(message("a/2"));
  store.set(message("b/1/2", "x", kLater));
  EXPECT_EQ(match(store, "#").size(), 3u);
  EXPECT_EQ(match(store, "a/+", kLater), (Topics{"a/2"}));
  EXPECT_EQ(store.count(), 2u);
  EXPECT_EQ(match(store, "b/1/2", kLater), (Topics{}));
  EXPECT_EQ(store.count(), 1u);
  EXPECT_EQ(store.node_count(), 3u);  // root, a, 2
}

TEST(RetainedStore, SweepsInSlices) {
  RetainedStore store;
  for (int i = 0; i < 500; ++i) {
    store.set(message("e/" + std::to_string(i) + "/x", "x", kLater));
    store.set(message("k/" + std::to_string(i) + "/x"));
  }
  EXPECT_EQ(store.sweep(kNow, 100'000).dropped, 0u);
  uint32_t slices = 0;
  uint32_t dropped = 0;
  while (dropped < 500 && slices < 1000) {
    const Swept slice = store.sweep(kLater, 10);
    EXPECT_LE(slice.dropped, 10u);
    EXPECT_EQ(slice.earliest, slice.dropped > 0 ? kLater : Instant::max());
    dropped += slice.dropped;
    ++slices;
  }
  EXPECT_EQ(dropped, 500u);
  EXPECT_EQ(store.count(), 500u);
  EXPECT_EQ(match(store, "#").size(), 500u);
  EXPECT_EQ(store.sweep(Message::kNever, 10).dropped, 0u);
}

TEST(RetainedStore, RefusesWhatIsOverTheCount) {
  RetainedStore store({.count_max = 2});
  store.set(message("a"));
  store.set(message("b"));
  const std::size_t bytes = store.bytes();
  EXPECT_EQ(store.set(message("c/d/e")), RetainedStore::Set::kRefusedLimit);
  EXPECT_EQ(store.bytes(), bytes);
  EXPECT_EQ(store.node_count(), 3u);
  EXPECT_EQ(store.set(message("a")), RetainedStore::Set::kReplaced);
  EXPECT_TRUE(store.clear("a"));
  EXPECT_EQ(store.set(message("c")), RetainedStore::Set::kStored);
}

TEST(RetainedStore, RefusesWhatIsOverTheBytesAndKeepsTheOlder) {
  RetainedStore store({.bytes_max = 1000});
  EXPECT_EQ(store.set(message("a", "small")), RetainedStore::Set::kStored);
  EXPECT_EQ(store.set(message("a", std::string(2000, 'x'))), RetainedStore::Set::kRefusedLimit);
  store.match("a", kNow, [](const MessageRef& m) { EXPECT_EQ(as_text(m->payload()), "small"); });
  EXPECT_EQ(store.count(), 1u);
  EXPECT_LE(store.bytes(), 1000u);
}

// Who asks all devices for a level that they do not have must not cost a look-up for each.
TEST(RetainedStore, RulesOutALevelThatATopicDoesNotHave) {
  RetainedStore store;
  constexpr uint32_t kTopics = 1'000;
  for (uint32_t i = 0; i < kTopics; ++i) store.set(message("a/" + std::to_string(i) + "/state"));
  const uint32_t steps = store.match("a/+/none", kNow, [](const MessageRef&) { FAIL(); });
  EXPECT_LT(steps, kTopics + 200);  // one in sixteen is looked for
}

TEST(RetainedStore, FindsWhatCameBackBelowATopicThatHadLostIt) {
  RetainedStore store;
  store.set(message("a/b"));
  store.set(message("a/c"));
  EXPECT_TRUE(store.clear("a/b"));
  EXPECT_EQ(match(store, "+/c"), (Topics{"a/c"}));
  EXPECT_TRUE(store.clear("a/c"));
  store.set(message("a/b"));
  EXPECT_EQ(match(store, "+/b"), (Topics{"a/b"}));
  EXPECT_EQ(match(store, "+/c"), (Topics{}));
}

TEST(RetainedStore, VisitsOnlyBranchesThatMatch) {
  RetainedStore store;
  for (int i = 0; i < 5'000; ++i) {
    const std::string device = "/pk/device" + std::to_string(i);
    store.set(message(device + "/state"));
    store.set(message(device + "/shadow/reported"));
  }
  auto visited = [&](std::string_view filter) {
    return store.match(filter, kNow, [](const MessageRef&) {});
  };
  EXPECT_LE(visited("/pk/device42/state"), 5u);
  EXPECT_LE(visited("/pk/device42/#"), 7u);
  EXPECT_LE(visited("/pk/device42/+/reported"), 7u);
  EXPECT_LE(visited("/nobody/#"), 3u);  // the root, its child, and a look-up unless ruled out
  EXPECT_GE(visited("/pk/+/state"), 10'000u);
  EXPECT_EQ(match(store, "/pk/+/state").size(), 5'000u);
}

}  // namespace
}  // namespace fairlead
