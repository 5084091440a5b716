#include "auth/profile.h"

#include <algorithm>
#include <array>

namespace fairlead {

bool within_topic_limits(const ProtocolProfile& profile, std::string_view topic) {
  const auto slashes = std::count(topic.begin(), topic.end(), '/');
  return within_topic_limits(profile, topic, static_cast<std::size_t>(slashes));
}

bool within_topic_limits(const ProtocolProfile& profile, std::string_view topic,
                         std::size_t slashes) {
  const bool within =
      topic.size() <= profile.topic_bytes_max && slashes <= profile.topic_slashes_max;
  if (within && topic.size() <= profile.system_topic_bytes_max) return true;  // of either kind
  static constexpr std::array<std::string_view, 5> kSystemPrefixes = {"/sys/", "/ext/", "/ota/",
                                                                      "/shadow/", "/broadcast/"};
  const bool system = std::ranges::any_of(
      kSystemPrefixes, [topic](std::string_view prefix) { return topic.starts_with(prefix); });
  return system ? topic.size() <= profile.system_topic_bytes_max : within;
}

}  // namespace fairlead
