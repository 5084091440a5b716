#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// The vocabulary of WebSocket frames (RFC 6455 sections 5.2 and 7.4).

namespace fairlead {

enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xA,
};

// 1012 to 1014 (service restart, try again later, bad gateway) and 3000 to 4999 may also occur.
enum class CloseCode : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kNoStatus = 1005,  // the close frame was empty; never sent
  kInvalidPayload = 1007,
  kPolicyViolation = 1008,
  kMessageTooBig = 1009,
  kMissingExtension = 1010,
  kInternalError = 1011,
};

// Whether a close frame may carry that code (section 7.4.1 and the IANA registry).
[[nodiscard]] constexpr bool is_sendable(CloseCode code) {
  const auto value = static_cast<uint16_t>(code);
  return (value >= 1000 && value <= 1003) || (value >= 1007 && value <= 1014) ||
         (value >= 3000 && value <= 4999);
}

using MaskKey = std::array<std::byte, 4>;

// RSV1 of the first frame of a message: it is compressed (RFC 7692 section 6).
inline constexpr std::byte kCompressedBit{0x40};

// A control frame carries at most this (section 5.5).
inline constexpr std::size_t kControlPayloadMax = 125;

}  // namespace fairlead
