#include "base/utf8.h"

namespace fairlead {
namespace {

bool is_continuation(std::byte b) { return (b & std::byte{0xC0}) == std::byte{0x80}; }

// Length of the well-formed sequence at the front of `rest` (its first byte is not ASCII), or 0.
std::size_t multibyte_length(Bytes rest) {
  const auto lead = std::to_integer<uint8_t>(rest[0]);
  std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || rest.size() < length) return 0;
  const auto second = std::to_integer<uint8_t>(rest[1]);
  if (lead == 0xE0 && second < 0xA0) return 0;  // overlong
  if (lead == 0xED && second > 0x9F) return 0;  // surrogate
  if (lead == 0xF0 && second < 0x90) return 0;  // overlong
  if (lead == 0xF4 && second > 0x8F) return 0;  // above U+10FFFF
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(rest[i])) return 0;
  }
  return length;
}

}  // namespace

std::size_t utf8_length(Bytes rest) {
  return std::to_integer<uint8_t>(rest[0]) < 0x80 ? 1 : multibyte_length(rest);
}

bool is_utf8(Bytes bytes) {
  while (!bytes.empty()) {
    if (bytes.size() >= 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), 8);
      if ((word & 0x8080808080808080u) == 0) {
        bytes = bytes.subspan(8);
        continue;
      }
    }
    const std::size_t length = utf8_length(bytes);
    if (length == 0) return false;
    bytes = bytes.subspan(length);
  }
  return true;
}

bool is_mqtt_text(Bytes bytes) {
  return (bytes.empty() || std::memchr(bytes.data(), 0, bytes.size()) == nullptr) && is_utf8(bytes);
}

}  // namespace fairlead
