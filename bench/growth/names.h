#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// The filters and topics that a broker is filled with, by number. Traffic is on PREFIX/flow/N, so
// that most filters share their first levels with it, as those of devices of one product do.

namespace fairlead::growth {

enum class Shape : uint8_t {
  kExact,    // PREFIX/flow/device-N/set
  kPlus,     // PREFIX/flow/device-N/+/set
  kHash,     // PREFIX/flow/device-N/#
  kCrossed,  // PREFIX/flow/xN, each level but the last one a `+` by a bit of N
};

[[nodiscard]] std::string filter_of(Shape shape, const std::string& prefix, std::size_t number);

// Retained messages are kept on these: by groups of kGroupSize, with one topic each.
inline constexpr std::size_t kGroupSize = 1'000;
[[nodiscard]] std::string retained_topic(const std::string& prefix, std::size_t number);

// What a client asks retained messages for.
enum class Question : uint8_t {
  kExact,   // one topic
  kDevice,  // the same with `#` at its end
  kGroup,   // `+` for the last but one level: kGroupSize messages
  kSearch,  // `+` for both numbers and a last level that no topic has: none, out of all
};
[[nodiscard]] std::string question_filter(Question question, const std::string& prefix,
                                          std::size_t number);
[[nodiscard]] std::size_t answer_count(Question question);

}  // namespace fairlead::growth
