// A filter and a topic, apart by a line feed. A valid filter matches the topic that it is made of
// when its wildcards stand for a level, and every match respects section 4.7 of MQTT 5.0.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "proto/mqtt/topic.h"

namespace {

using namespace fairlead::mqtt;

// Levels compared one by one, by recursion.
bool reference_matches(std::string_view filter, std::string_view topic) {
  const auto slash = filter.find('/');
  const auto topic_slash = topic.find('/');
  const std::string_view level = filter.substr(0, slash);
  if (level == "#") return true;
  if (level != "+" && level != topic.substr(0, topic_slash)) return false;
  if (slash == filter.npos) return topic_slash == topic.npos;
  if (topic_slash == topic.npos) return filter.substr(slash) == "/#";
  return reference_matches(filter.substr(slash + 1), topic.substr(topic_slash + 1));
}

// A topic that the filter must match: wildcards become the level "x".
std::string instance_of(std::string_view filter) {
  std::string topic(filter);
  for (char& c : topic) {
    if (c == '+' || c == '#') c = 'x';
  }
  return topic;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;  // the reference recurses
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto end = text.find('\n');
  const std::string_view filter = text.substr(0, end);
  const std::string_view topic = end == text.npos ? std::string_view{} : text.substr(end + 1);
  const TopicLimits limits{.bytes_max = 65535, .levels_max = 65535};

  uint32_t levels = 0;
  for (LevelWalker walker(filter); walker.next();) ++levels;
  FL_ASSERT(levels == level_count(filter));

  const auto parts = split_filter(filter, limits);
  if (!parts) return 0;
  FL_ASSERT(check_topic_filter(parts->filter, limits).ok());
  FL_ASSERT(parts->group.find_first_of("/+#") == parts->group.npos);
  const std::string instance = instance_of(parts->filter);
  FL_ASSERT(check_topic_name(instance, limits).ok());
  FL_ASSERT(topic_matches(parts->filter, instance));
  if (!has_wildcard(parts->filter)) FL_ASSERT(check_topic_name(parts->filter, limits).ok());
  if (!check_topic_name(topic, limits)) return 0;
  const bool shielded = topic.starts_with('$') && parts->filter.find_first_of("+#") == 0;
  FL_ASSERT(topic_matches(parts->filter, topic) ==
            (!shielded && reference_matches(parts->filter, topic)));
  return 0;
}
