#include "proto/http/header_fields.h"

#include <algorithm>

#include "proto/http/characters.h"

namespace fairlead {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return http::lower(x) == http::lower(y); });
}

HeaderValues::Iterator::Iterator(const std::vector<HeaderField>& fields, std::string_view name)
    : field_(fields.data()), end_(fields.data() + fields.size()), name_(name), done_(false) {
  advance();
}

void HeaderValues::Iterator::advance() {
  for (;;) {
    while (!rest_.empty()) {
      const std::size_t comma = std::min(rest_.find(','), rest_.size());
      element_ = http::trim_blanks(rest_.substr(0, comma));
      rest_.remove_prefix(std::min(comma + 1, rest_.size()));
      if (!element_.empty()) return;
    }
    while (field_ != end_ && !equals_ignoring_case(field_->first, name_)) ++field_;
    if (field_ == end_) {
      done_ = true;
      return;
    }
    rest_ = (field_++)->second;
  }
}

std::vector<std::string_view> HeaderFields::lines(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [field_name, value] : fields_) {
    if (equals_ignoring_case(field_name, name)) values.push_back(value);
  }
  return values;
}

std::optional<std::string_view> HeaderFields::first(std::string_view name) const {
  for (const auto& [field_name, value] : fields_) {
    if (equals_ignoring_case(field_name, name)) return value;
  }
  return std::nullopt;
}

std::size_t HeaderFields::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(fields_.begin(), fields_.end(), [&](auto& field) {
    return equals_ignoring_case(field.first, name);
  }));
}

bool HeaderFields::has_token(std::string_view name, std::string_view token) const {
  for (std::string_view element : values(name)) {
    if (equals_ignoring_case(element, token)) return true;
  }
  return false;
}

}  // namespace fairlead
