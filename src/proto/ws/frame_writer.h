#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "proto/ws/frame.h"

// Frames for sending (RFC 6455 section 5.2). The header is written apart, so that a payload can be
// sent from where it lies. A client passes a mask key and masks the payload itself
// (apply_mask with offset 0), or uses append_frame.

namespace fairlead {

enum class Fragment : uint8_t { kFinal, kMoreFollow };
enum class Masking : uint8_t { kPlain /* from a server */, kMasked /* from a client */ };

inline constexpr std::size_t kFrameHeaderMax = 14;

[[nodiscard]] constexpr std::size_t frame_header_size(uint64_t payload_size,
                                                      Masking masking = Masking::kPlain) {
  const std::size_t length = payload_size < 126 ? 0 : payload_size <= 0xffff ? 2 : 8;
  return 2 + length + (masking == Masking::kMasked ? sizeof(MaskKey) : 0);
}

// Writes the header to `out`, which has room for its frame_header_size(), and returns that.
std::size_t write_frame_header(std::byte* out, Opcode opcode, uint64_t payload_size,
                               Fragment fragment = Fragment::kFinal,
                               std::optional<MaskKey> key = std::nullopt);

// Header and a copy of the payload, masked if there is a key.
void append_frame(ByteBuffer& out, Opcode opcode, Bytes payload,
                  std::optional<MaskKey> key = std::nullopt, Fragment fragment = Fragment::kFinal);

// A close frame. A reason that does not fit into a control frame is cut between two characters.
// kNoStatus makes an empty frame, the answer to an empty one.
void append_close(ByteBuffer& out, CloseCode code, std::string_view reason = {},
                  std::optional<MaskKey> key = std::nullopt);

// Payloads of at most kControlPayloadMax bytes.
void append_ping(ByteBuffer& out, Bytes payload, std::optional<MaskKey> key = std::nullopt);
void append_pong(ByteBuffer& out, Bytes payload, std::optional<MaskKey> key = std::nullopt);

}  // namespace fairlead
