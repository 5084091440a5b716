#include "proto/ws/frame_writer.h"

#include <array>
#include <cstring>

#include "base/assert.h"
#include "proto/ws/mask.h"

namespace fairlead {
namespace {

// The longest front of `text` that has at most `limit` bytes and does not cut a character.
std::string_view cut_text(std::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text;
  while (limit > 0 && (static_cast<uint8_t>(text[limit]) & 0xC0) == 0x80) --limit;
  return text.substr(0, limit);
}

void append_control(ByteBuffer& out, Opcode opcode, Bytes payload, std::optional<MaskKey> key) {
  FL_ASSERT(payload.size() <= kControlPayloadMax);
  append_frame(out, opcode, payload, key);
}

}  // namespace

std::size_t write_frame_header(std::byte* out, Opcode opcode, uint64_t payload_size,
                               Fragment fragment, std::optional<MaskKey> key) {
  const uint8_t final_bit = fragment == Fragment::kFinal ? 0x80 : 0;
  const uint8_t mask_bit = key ? 0x80 : 0;
  out[0] = static_cast<std::byte>(final_bit | static_cast<uint8_t>(opcode));
  std::size_t size = 2;
  if (payload_size < 126) {
    out[1] = static_cast<std::byte>(mask_bit | payload_size);
  } else if (payload_size <= 0xffff) {
    out[1] = static_cast<std::byte>(mask_bit | 126);
    store_be(out + 2, static_cast<uint16_t>(payload_size));
    size = 4;
  } else {
    out[1] = static_cast<std::byte>(mask_bit | 127);
    store_be(out + 2, payload_size);
    size = 10;
  }
  if (key) {
    std::memcpy(out + size, key->data(), key->size());
    size += key->size();
  }
  return size;
}

void append_frame(ByteBuffer& out, Opcode opcode, Bytes payload, std::optional<MaskKey> key,
                  Fragment fragment) {
  const auto masking = key ? Masking::kMasked : Masking::kPlain;
  std::byte* at = out.extend(frame_header_size(payload.size(), masking) + payload.size());
  at += write_frame_header(at, opcode, payload.size(), fragment, key);
  if (payload.empty()) return;
  std::memcpy(at, payload.data(), payload.size());
  if (key) apply_mask({at, payload.size()}, *key, 0);
}

void append_close(ByteBuffer& out, CloseCode code, std::string_view reason,
                  std::optional<MaskKey> key) {
  if (code == CloseCode::kNoStatus) return append_control(out, Opcode::kClose, {}, key);
  std::array<std::byte, kControlPayloadMax> payload;
  const std::string_view cut = cut_text(reason, payload.size() - 2);
  store_be(payload.data(), static_cast<uint16_t>(code));
  if (!cut.empty()) std::memcpy(payload.data() + 2, cut.data(), cut.size());
  append_control(out, Opcode::kClose, Bytes{payload}.first(2 + cut.size()), key);
}

void append_ping(ByteBuffer& out, Bytes payload, std::optional<MaskKey> key) {
  append_control(out, Opcode::kPing, payload, key);
}

void append_pong(ByteBuffer& out, Bytes payload, std::optional<MaskKey> key) {
  append_control(out, Opcode::kPong, payload, key);
}

}  // namespace fairlead
