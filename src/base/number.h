#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>

namespace fairlead {

// The whole text as a decimal number; none when anything else stands in it, a plus or a blank
// included, or when it does not fit.
template <std::integral Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

// The same for protocols that have one way to write a number: no leading zeros.
template <std::unsigned_integral Number>
std::optional<Number> parse_plain_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  return parse_number<Number>(text);
}

}  // namespace fairlead
