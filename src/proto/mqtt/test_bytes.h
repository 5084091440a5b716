#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

// For unit tests: bodies written as one would write them by hand.

namespace fairlead::mqtt::testing {

// The bytes, each given as a number: hex(0x10, 0x02).
template <class... Byte>
[[nodiscard]] std::string hex(Byte... bytes) {
  return std::string{static_cast<char>(bytes)...};
}

// A string with its length in front.
[[nodiscard]] inline std::string str(std::string_view text) {
  return hex(text.size() >> 8, text.size() & 0xff) + std::string(text);
}

// The code with which something was refused; kSuccess when it was not.
template <class T>
[[nodiscard]] ReasonCode refusal(const Result<T>& result) {
  return result.ok() ? ReasonCode::kSuccess : result.error().code;
}

[[nodiscard]] inline std::string text_of(const ByteBuffer& buffer) {
  return std::string(as_text(buffer.view()));
}

}  // namespace fairlead::mqtt::testing
