#include "proto/mqtt/topic.h"

#include <gtest/gtest.h>

namespace fairlead::mqtt {
namespace {

using namespace std::string_view_literals;

TEST(MqttTopic, NameMayHoldAnythingButWildcardsAndNul) {
  for (const auto topic : {"a"sv, "/"sv, "//"sv, "/finance"sv, "$SYS/x"sv, "a b"sv, "中/é"sv}) {
    EXPECT_TRUE(check_topic_name(topic).ok()) << topic;
  }
  for (const auto topic : {""sv, "a/+"sv, "#"sv, "a+b"sv, "a#"sv, "a\0b"sv}) {
    const Status status = check_topic_name(topic);
    ASSERT_FALSE(status.ok()) << topic;
    EXPECT_EQ(status.error().code, ReasonCode::kTopicNameInvalid);
  }
}

// Names are looked at in words; each character must count once, wherever it stands, whatever stands
// before the name and behind it.
TEST(MqttTopic, ShapeIsThatOfEachCharacterAtEachPlaceInEachLength) {
  const std::string around = "+#/+#/+#" + std::string(8, '\0');
  for (std::size_t size = 0; size <= 40; ++size) {
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'/', '+', '#', '\0', 'a', '\x7f', '.', '\xAF', '\xA3', '\x80'}) {
        std::string text = around + std::string(size, 'x') + around;
        text[around.size() + at] = c;
        const NameShape shape = shape_of(std::string_view(text).substr(around.size(), size));
        EXPECT_EQ(shape.levels, c == '/' ? 2u : 1u) << size << ' ' << at;
        EXPECT_EQ(shape.wildcard, c == '+' || c == '#') << size << ' ' << at << ' ' << c;
        EXPECT_EQ(shape.nul, c == '\0') << size << ' ' << at;
      }
    }
    EXPECT_EQ(shape_of(std::string(size, '/')).levels, size + 1);
  }
}

TEST(MqttTopic, NameKeepsToItsLimits) {
  EXPECT_TRUE(check_topic_name("a/b/c", {.bytes_max = 5, .levels_max = 3}).ok());
  EXPECT_FALSE(check_topic_name("a/b/c", {.bytes_max = 4, .levels_max = 3}).ok());
  EXPECT_FALSE(check_topic_name("a/b/c", {.bytes_max = 5, .levels_max = 2}).ok());
  EXPECT_FALSE(check_topic_name(std::string(65536, 'a'), {.bytes_max = 1u << 20}).ok());
}

TEST(MqttTopic, FilterHasWildcardsAloneInTheirLevelAndHashLast) {
  for (const auto filter :
       {"#"sv, "+"sv, "/#"sv, "+/+"sv, "a/+/b"sv, "a/#"sv, "+/a/#"sv, "/+"sv, "a"sv, "$SYS/#"sv}) {
    EXPECT_TRUE(check_topic_filter(filter).ok()) << filter;
  }
  for (const auto filter : {""sv, "a#"sv, "#/a"sv, "a/#/b"sv, "a+"sv, "+a"sv, "a/b+/c"sv, "##"sv,
                            "++"sv, "+#"sv, "a\0"sv}) {
    const Status status = check_topic_filter(filter);
    ASSERT_FALSE(status.ok()) << filter;
    EXPECT_EQ(status.error().code, ReasonCode::kTopicFilterInvalid);
  }
}

TEST(MqttTopic, FilterKeepsToItsLimits) {
  EXPECT_TRUE(check_topic_filter("a/+/#", {.bytes_max = 5, .levels_max = 3}).ok());
  EXPECT_FALSE(check_topic_filter("a/+/#", {.bytes_max = 4, .levels_max = 3}).ok());
  EXPECT_FALSE(check_topic_filter("a/+/#", {.bytes_max = 5, .levels_max = 2}).ok());
}

TEST(MqttTopic, SharedSubscriptionSplitsIntoGroupAndFilter) {
  const auto shared = split_filter("$share/g/a/+");
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(shared->group, "g");
  EXPECT_EQ(shared->filter, "a/+");
  const auto leading_slash = split_filter("$share/g//a");
  ASSERT_TRUE(leading_slash.ok());
  EXPECT_EQ(leading_slash->filter, "/a");
  const auto plain = split_filter("a/#");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->group, "");
  EXPECT_EQ(plain->filter, "a/#");
  EXPECT_TRUE(split_filter("$shared/g/a")->group.empty());
}

TEST(MqttTopic, SharedSubscriptionNeedsAGroupAndAFilter) {
  for (const auto filter : {"$share"sv, "$share/"sv, "$share/g"sv, "$share/g/"sv, "$share//a"sv,
                            "$share/+/a"sv, "$share/g#/a"sv, "$share/g/a#"sv}) {
    const auto parts = split_filter(filter);
    ASSERT_FALSE(parts.ok()) << filter;
    EXPECT_EQ(parts.error().code, ReasonCode::kTopicFilterInvalid);
  }
}

TEST(MqttTopic, LimitsOfASharedSubscriptionCountItsFilterOnly) {
  EXPECT_TRUE(split_filter("$share/group/a/b", {.bytes_max = 3, .levels_max = 2}).ok());
}

TEST(MqttTopic, MatchesAsTheSpecificationsExamplesSay) {
  EXPECT_TRUE(topic_matches("sport/tennis/player1/#", "sport/tennis/player1"));
  EXPECT_TRUE(topic_matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
  EXPECT_TRUE(topic_matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
  EXPECT_TRUE(topic_matches("sport/#", "sport"));
  EXPECT_TRUE(topic_matches("#", "a/b"));
  EXPECT_TRUE(topic_matches("sport/tennis/+", "sport/tennis/player1"));
  EXPECT_FALSE(topic_matches("sport/tennis/+", "sport/tennis/player1/ranking"));
  EXPECT_FALSE(topic_matches("sport/+", "sport"));
  EXPECT_TRUE(topic_matches("sport/+", "sport/"));
  EXPECT_TRUE(topic_matches("+/+", "/finance"));
  EXPECT_TRUE(topic_matches("/+", "/finance"));
  EXPECT_FALSE(topic_matches("+", "/finance"));
}

TEST(MqttTopic, MatchIsCaseSensitiveAndCountsEmptyLevels) {
  EXPECT_FALSE(topic_matches("ACCOUNTS", "Accounts"));
  EXPECT_FALSE(topic_matches("a/b", "a/b/"));
  EXPECT_FALSE(topic_matches("a/b/", "a/b"));
  EXPECT_FALSE(topic_matches("/a", "a"));
  EXPECT_TRUE(topic_matches("a//+", "a//b"));
  EXPECT_FALSE(topic_matches("a/b/#", "a"));
  EXPECT_TRUE(topic_matches("+/#", "a"));
}

TEST(MqttTopic, WildcardAtTheFirstLevelDoesNotMatchDollarTopics) {
  EXPECT_FALSE(topic_matches("#", "$SYS/monitor/Clients"));
  EXPECT_FALSE(topic_matches("+/monitor/Clients", "$SYS/monitor/Clients"));
  EXPECT_FALSE(topic_matches("+", "$"));
  EXPECT_TRUE(topic_matches("$SYS/#", "$SYS/monitor/Clients"));
  EXPECT_TRUE(topic_matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
  EXPECT_TRUE(topic_matches("$SYS/#", "$SYS"));
  EXPECT_TRUE(topic_matches("a/+", "a/$b"));
}

TEST(MqttTopic, LevelsAreWalkedFromTheLeft) {
  LevelWalker walker("/a//b");
  EXPECT_EQ(walker.next(), "");
  EXPECT_EQ(walker.next(), "a");
  EXPECT_EQ(walker.next(), "");
  EXPECT_EQ(walker.next(), "b");
  EXPECT_EQ(walker.next(), std::nullopt);
  EXPECT_EQ(walker.next(), std::nullopt);
  EXPECT_EQ(level_count("/a//b"), 4u);
  EXPECT_EQ(level_count("a"), 1u);
}

TEST(MqttTopic, WildcardsAreFound) {
  EXPECT_TRUE(has_wildcard("a/+"));
  EXPECT_TRUE(has_wildcard("#"));
  EXPECT_FALSE(has_wildcard("a/b"));
}

}  // namespace
}  // namespace fairlead::mqtt
