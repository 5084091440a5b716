#pragma once

// For this folder's tests: random topics and filters from few levels, so that they often meet.

#include <array>
#include <random>
#include <string>

namespace fairlead::test {

using Random = std::mt19937_64;

inline std::size_t below(Random& random, std::size_t limit) { return random() % limit; }

inline std::string random_level(Random& random) {
  static const std::array<const char*, 8> kLevels = {"", "a", "b", "pk", "dn", "设备", "é", "$x"};
  return kLevels[below(random, kLevels.size())];
}

// Not empty; about one in eight begins with `$SYS`.
inline std::string random_topic(Random& random) {
  const std::size_t levels = 1 + below(random, 6);
  std::string topic = below(random, 8) == 0 ? "$SYS" : random_level(random);
  for (std::size_t i = 1; i < levels; ++i) topic += '/' + random_level(random);
  return topic.empty() ? "/" : topic;
}

inline std::string random_filter(Random& random) {
  const std::size_t levels = 1 + below(random, 6);
  std::string filter = below(random, 8) == 0 ? "$SYS" : "";
  for (std::size_t i = 0; i < levels; ++i) {
    if (i == 0 && !filter.empty()) continue;
    if (i > 0) filter += '/';
    const std::size_t kind = below(random, 8);
    if (kind == 0) return filter + '#';
    filter += kind <= 2 ? "+" : random_level(random);
  }
  return filter.empty() ? "/" : filter;
}

}  // namespace fairlead::test
