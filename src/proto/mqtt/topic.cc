#include "proto/mqtt/topic.h"

#include <cstring>

namespace fairlead::mqtt {
namespace {

constexpr std::string_view kSharePrefix = "$share/";

[[gnu::cold]] Reject refuse(ReasonCode code, std::string_view what, std::string_view problem) {
  std::string sentence(what);
  sentence += problem;
  return {code, std::move(sentence)};
}

// Why `text` breaks the rules that names and filters share, or empty.
std::string_view size_problem(std::string_view text, const TopicLimits& limits) {
  if (text.empty()) return " is empty";
  if (text.size() > limits.bytes_max || text.size() > 65535) return " is too long";
  return {};
}

// Why the wildcards of `filter` are misplaced (section 4.7.1), or empty.
std::string_view wildcard_problem(std::string_view filter) {
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] != '+' && filter[i] != '#') continue;
    const bool begins = i == 0 || filter[i - 1] == '/';
    const bool last = i + 1 == filter.size();
    if (!begins || (!last && filter[i + 1] != '/'))
      return " has a wildcard beside other characters";
    if (filter[i] == '#' && !last) return " has a # that is not the last level";
  }
  return {};
}

constexpr uint64_t kOnes = 0x0101010101010101;

// The high bit of each byte of `word` that equals `byte`, and nothing else.
[[nodiscard]] constexpr uint64_t equal_bytes(uint64_t word, char byte) {
  constexpr uint64_t kLows = 0x7f * kOnes;
  const uint64_t difference = word ^ (kOnes * static_cast<uint8_t>(byte));
  return ~(((difference & kLows) + kLows) | difference | kLows);
}

}  // namespace

// Eight bytes at a time. The last word ends with the text: what it has in common with the word
// before it is shifted out, and padding that means nothing is shifted in.
NameShape shape_of(std::string_view topic) {
  constexpr uint64_t kPlusToHash = ~(kOnes * ('+' ^ '#'));  // they differ in one bit
  NameShape shape;
  uint64_t wildcards = 0;
  uint64_t nuls = 0;
  const auto look_at = [&](uint64_t word) {
    wildcards |= equal_bytes(word & kPlusToHash, '#');
    nuls |= equal_bytes(word, '\0');
    shape.levels += static_cast<uint32_t>(((equal_bytes(word, '/') >> 7) * kOnes) >> 56);
  };
  const char* at = topic.data();
  std::size_t left = topic.size();
  uint64_t word = kOnes;
  for (; left >= 8; at += 8, left -= 8) {
    std::memcpy(&word, at, 8);
    look_at(word);
  }
  if (left > 0) {
    const unsigned padding = static_cast<unsigned>(8 - left) * 8;
    if (topic.size() >= 8) {
      std::memcpy(&word, at + left - 8, 8);
      word = (word >> padding) | (kOnes << (64 - padding));
    } else {
      word = kOnes;
      for (std::size_t i = 0; i < left; ++i) word = (word << 8) | static_cast<uint8_t>(at[i]);
    }
    look_at(word);
  }
  shape.wildcard = wildcards != 0;
  shape.nul = nuls != 0;
  return shape;
}

Status check_topic_name(std::string_view topic, const NameShape& shape, const TopicLimits& limits) {
  constexpr auto kCode = ReasonCode::kTopicNameInvalid;
  const std::string_view problem = size_problem(topic, limits);
  if (!problem.empty()) return refuse(kCode, "topic name", problem);
  if (shape.wildcard) return refuse(kCode, "topic name", " has a wildcard");
  if (shape.nul) return refuse(kCode, "topic name", " has U+0000");
  if (shape.levels > limits.levels_max) return refuse(kCode, "topic name", " has too many levels");
  return Done{};
}

Status check_topic_filter(std::string_view filter, const TopicLimits& limits) {
  constexpr auto kCode = ReasonCode::kTopicFilterInvalid;
  std::string_view problem = size_problem(filter, limits);
  if (problem.empty()) problem = wildcard_problem(filter);
  if (problem.empty() && filter.find('\0') != filter.npos) problem = " has U+0000";
  if (problem.empty() && level_count(filter) > limits.levels_max) problem = " has too many levels";
  if (!problem.empty()) return refuse(kCode, "topic filter", problem);
  return Done{};
}

Result<FilterParts> split_filter(std::string_view filter, const TopicLimits& limits) {
  constexpr auto kCode = ReasonCode::kTopicFilterInvalid;
  FilterParts parts{{}, filter};
  if (filter.starts_with(kSharePrefix)) {
    if (filter.size() > 65535) return refuse(kCode, "topic filter", " is too long");
    const std::string_view rest = filter.substr(kSharePrefix.size());
    const std::size_t slash = rest.find('/');
    if (slash == rest.npos) return refuse(kCode, "shared subscription", " has no topic filter");
    parts = {rest.substr(0, slash), rest.substr(slash + 1)};
    if (parts.group.empty()) return refuse(kCode, "shared subscription", " has an empty group");
    if (has_wildcard(parts.group) || parts.group.find('\0') != parts.group.npos) {
      return refuse(kCode, "shared subscription", " has a wildcard in its group");
    }
  } else if (filter == kSharePrefix.substr(0, kSharePrefix.size() - 1)) {
    return refuse(kCode, "shared subscription", " has no group");
  }
  Status checked = check_topic_filter(parts.filter, limits);
  if (!checked) return checked.error();
  return parts;
}

bool has_wildcard(std::string_view filter) { return filter.find_first_of("+#") != filter.npos; }

bool topic_matches(std::string_view filter, std::string_view topic) {
  if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) return false;
  LevelWalker filter_levels(filter);
  LevelWalker topic_levels(topic);
  for (;;) {
    const auto wanted = filter_levels.next();
    if (wanted == "#") return true;  // it stands for its parent's level, too: `a/#` matches `a`
    const auto level = topic_levels.next();
    if (!wanted || !level) return !wanted && !level;
    if (*wanted != "+" && *wanted != *level) return false;
  }
}

std::optional<std::string_view> LevelWalker::next() {
  if (!rest_) return std::nullopt;
  const std::string_view rest = *rest_;
  const std::size_t slash = rest.find('/');
  if (slash == rest.npos) {
    rest_.reset();
    return rest;
  }
  rest_ = rest.substr(slash + 1);
  return rest.substr(0, slash);
}

uint32_t level_count(std::string_view text) {
  uint32_t count = 1;
  for (const char c : text) count += c == '/' ? 1 : 0;
  return count;
}

}  // namespace fairlead::mqtt
