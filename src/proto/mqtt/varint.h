#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

// Variable Byte Integers (MQTT 5.0 section 1.5.5, Remaining Length of 3.1.1 section 2.2.3): seven
// bits a byte, the lowest first, one to four bytes.

namespace fairlead::mqtt {

inline constexpr uint32_t kVarintMax = 268435455;

struct Varint {
  enum class State : uint8_t { kDone, kIncomplete, kMalformed };
  State state = State::kIncomplete;
  uint8_t size = 0;  // bytes read; 0 unless kDone
  uint32_t value = 0;
};

// Refuses more than four bytes as soon as the fourth asks for a fifth, and, as MQTT 5.0 demands
// (3.1.1 nowhere allows it either, and no client is known to do it), a form that is not the
// shortest.
[[nodiscard]] inline Varint read_varint(Bytes bytes) {
  if (!bytes.empty() && std::to_integer<uint8_t>(bytes[0]) < 0x80) {
    return {Varint::State::kDone, 1, std::to_integer<uint8_t>(bytes[0])};
  }
  uint32_t value = 0;
  for (uint8_t i = 0; i < 4 && i < bytes.size(); ++i) {
    const auto byte = std::to_integer<uint8_t>(bytes[i]);
    value |= static_cast<uint32_t>(byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    if (byte == 0 && i > 0) return {Varint::State::kMalformed, 0, 0};
    return {Varint::State::kDone, static_cast<uint8_t>(i + 1), value};
  }
  return {bytes.size() < 4 ? Varint::State::kIncomplete : Varint::State::kMalformed, 0, 0};
}

[[nodiscard]] constexpr uint32_t varint_size(std::size_t value) {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4;
}

// Writes varint_size(value) bytes; value <= kVarintMax. Returns the place after them.
inline std::byte* store_varint(std::byte* at, std::size_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<std::byte>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<std::byte>(value);
  return at;
}

}  // namespace fairlead::mqtt
