#include "bench/growth/names.h"

#include "base/assert.h"

namespace fairlead::growth {
namespace {

std::string crossed(const std::string& prefix, std::size_t number) {
  std::string filter;
  std::size_t bits = number;
  const std::string path = prefix + "/flow/";
  for (std::size_t at = 0; at < path.size(); bits >>= 1) {
    const std::size_t slash = path.find('/', at);
    filter += (bits & 1) != 0 ? "+" : path.substr(at, slash - at);
    filter += '/';
    at = slash + 1;
  }
  return filter + "x" + std::to_string(number);
}

std::string group_of(const std::string& prefix, std::size_t number) {
  return prefix + "/kept/" + std::to_string(number / kGroupSize);
}

}  // namespace

std::string filter_of(Shape shape, const std::string& prefix, std::size_t number) {
  const std::string device = prefix + "/flow/device-" + std::to_string(number);
  switch (shape) {
    case Shape::kExact:
      return device + "/set";
    case Shape::kPlus:
      return device + "/+/set";
    case Shape::kHash:
      return device + "/#";
    case Shape::kCrossed:
      return crossed(prefix, number);
  }
  unreachable();
}

std::string retained_topic(const std::string& prefix, std::size_t number) {
  return group_of(prefix, number) + "/" + std::to_string(number % kGroupSize) + "/state";
}

std::string question_filter(Question question, const std::string& prefix, std::size_t number) {
  switch (question) {
    case Question::kExact:
      return retained_topic(prefix, number);
    case Question::kDevice:
      return group_of(prefix, number) + "/" + std::to_string(number % kGroupSize) + "/#";
    case Question::kGroup:
      return group_of(prefix, number) + "/+/state";
    case Question::kSearch:
      return prefix + "/kept/+/+/none";
  }
  unreachable();
}

std::size_t answer_count(Question question) {
  switch (question) {
    case Question::kExact:
    case Question::kDevice:
      return 1;
    case Question::kGroup:
      return kGroupSize;
    case Question::kSearch:
      return 0;
  }
  unreachable();
}

}  // namespace fairlead::growth
