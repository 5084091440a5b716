#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "proto/mqtt/topic.h"

namespace fairlead::mqtt {
namespace {

using Levels = std::vector<std::string>;

Levels split(const std::string& text) {
  Levels levels{""};
  for (const char c : text) {
    if (c == '/') {
      levels.emplace_back();
    } else {
      levels.back() += c;
    }
  }
  return levels;
}

// Section 4.7, word by word.
bool reference_matches(const Levels& filter, const Levels& topic, std::size_t at = 0) {
  const bool wildcard_first = filter[0] == "+" || filter[0] == "#";
  if (wildcard_first && topic[0].starts_with('$')) return false;
  if (at == filter.size()) return at == topic.size();
  if (filter[at] == "#") return true;
  if (at == topic.size()) return false;
  return (filter[at] == "+" || filter[at] == topic[at]) && reference_matches(filter, topic, at + 1);
}

bool reference_valid(const Levels& filter) {
  for (std::size_t i = 0; i < filter.size(); ++i) {
    const bool wild = filter[i].find_first_of("+#") != std::string::npos;
    if (wild && filter[i].size() > 1) return false;
    if (filter[i] == "#" && i + 1 < filter.size()) return false;
  }
  return filter.size() > 1 || !filter[0].empty();
}

std::string random_text(std::mt19937_64& random, std::string_view letters) {
  std::string text;
  for (std::size_t i = random() % 9; i > 0; --i) text += letters[random() % letters.size()];
  return text;
}

TEST(MqttTopicProperty, FiltersAreCheckedAndMatchedAsTheReferenceDoes) {
  constexpr uint64_t kSeed = 47;
  std::mt19937_64 random(kSeed);
  int matched = 0;
  for (int round = 0; round < 30000; ++round) {
    const std::string filter = random_text(random, "a/+#$/");
    const std::string topic = random_text(random, "a/$/");
    const Levels filter_levels = split(filter);
    ASSERT_EQ(check_topic_filter(filter).ok(), reference_valid(filter_levels)) << filter;
    ASSERT_EQ(level_count(filter), filter_levels.size());
    if (!reference_valid(filter_levels) || topic.empty()) continue;
    ASSERT_TRUE(check_topic_name(topic).ok());
    const bool expected = reference_matches(filter_levels, split(topic));
    ASSERT_EQ(topic_matches(filter, topic), expected)
        << filter << " and " << topic << ", seed " << kSeed;
    matched += expected ? 1 : 0;
  }
  EXPECT_GT(matched, 100);  // the letters are few enough that it happens
}

TEST(MqttTopicProperty, NamesAreCheckedAsTheReferenceDoes) {
  using namespace std::string_view_literals;
  constexpr uint64_t kSeed = 48;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 30000; ++round) {
    // Neighbours of the special bytes, and of their upper halves, to trap a wrong carry.
    std::string topic(random() % 20, 'a');
    for (char& c : topic) {
      if (random() % 4 == 0) c = "/.0*,\"$\x01\x80\xab\xaf\xa3\xff"sv[random() % 13];
      if (random() % 64 == 0) c = "+#\0"sv[random() % 3];
    }
    const auto levels = static_cast<uint32_t>(split(topic).size());
    const bool valid = !topic.empty() && topic.find_first_of("+#\0"sv) == std::string::npos;
    ASSERT_EQ(check_topic_name(topic, {.levels_max = levels}).ok(), valid) << "seed " << kSeed;
    ASSERT_FALSE(check_topic_name(topic, {.levels_max = levels - 1}).ok()) << "seed " << kSeed;
  }
}

}  // namespace
}  // namespace fairlead::mqtt
