#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

// Topic names and topic filters (MQTT 5.0 section 4.7, shared subscriptions section 4.8.2).
// Texts are UTF-8 that the reader has checked. Nothing here allocates but a Reject's sentence.

namespace fairlead::mqtt {

struct TopicLimits {
  uint32_t bytes_max = 65535;
  uint32_t levels_max = 128;
};

// What a topic name is judged by, found in one pass: a name is checked with every PUBLISH.
struct NameShape {
  uint32_t levels = 1;
  bool wildcard = false;
  bool nul = false;
};
[[nodiscard]] NameShape shape_of(std::string_view topic);

// A name: not empty, no wildcard, no U+0000, within the limits. Rejects with kTopicNameInvalid.
[[nodiscard]] Status check_topic_name(std::string_view topic, const NameShape& shape,
                                      const TopicLimits& limits = {});
[[nodiscard]] inline Status check_topic_name(std::string_view topic,
                                             const TopicLimits& limits = {}) {
  return check_topic_name(topic, shape_of(topic), limits);
}

// A filter without `$share`: not empty, `+` and `#` alone in their level, `#` last. Rejects with
// kTopicFilterInvalid.
[[nodiscard]] Status check_topic_filter(std::string_view filter, const TopicLimits& limits = {});

// `$share/{group}/{filter}`, or a plain filter with an empty group.
struct FilterParts {
  std::string_view group;  // empty: not shared
  std::string_view filter;
};
// Checks the whole of it, group and filter (a group without wildcards and slashes, not empty).
[[nodiscard]] Result<FilterParts> split_filter(std::string_view filter,
                                               const TopicLimits& limits = {});

[[nodiscard]] bool has_wildcard(std::string_view filter);

// Section 4.7.2: a wildcard at the first level does not match a topic that begins with `$`.
[[nodiscard]] bool topic_matches(std::string_view filter, std::string_view topic);

// Walks the levels of a topic or filter from the left: "/a//b" has "", "a", "", "b".
class LevelWalker {
 public:
  explicit LevelWalker(std::string_view text) : rest_(text) {}
  // The next level, or nullopt after the last.
  [[nodiscard]] std::optional<std::string_view> next();

 private:
  std::optional<std::string_view> rest_;
};

[[nodiscard]] uint32_t level_count(std::string_view text);

}  // namespace fairlead::mqtt
