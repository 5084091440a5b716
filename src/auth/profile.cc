#include "auth/profile.h"

#include <algorithm>
#include <array>

namespace fairlead {

bool within_topic_limits(const ProtocolProfile& profile, std::string_view topic) {
  static constexpr std::array<std::string_view, 5> kSystemPrefixes = {"/sys/", "/ext/", "/ota/",
                                                                      "/shadow/", "/broadcast/"};
  for (std::string_view prefix : kSystemPrefixes) {
    if (topic.starts_with(prefix)) return topic.size() <= profile.system_topic_bytes_max;
  }
  return topic.size() <= profile.topic_bytes_max &&
         std::count(topic.begin(), topic.end(), '/') <= profile.topic_slashes_max;
}

}  // namespace fairlead
