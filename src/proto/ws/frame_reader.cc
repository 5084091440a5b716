#include "proto/ws/frame_reader.h"

#include <algorithm>
#include <cstring>

#include "base/utf8.h"
#include "proto/ws/deflate.h"

namespace fairlead {
namespace {

constexpr uint8_t kReservedBits = 0x70;
constexpr uint8_t kMaskBit = 0x80;

constexpr std::size_t length_field_size(uint8_t second) {
  const uint8_t length = second & 0x7f;
  return length == 127 ? 8 : length == 126 ? 2 : 0;
}

}  // namespace

// Byte by byte, and each byte is judged when it comes: so the verdict cannot depend on how the
// input was split. At most 14 bytes of a frame pass here.
std::optional<CloseCode> FrameReader::take_header(MutableBytes& in) {
  while (!in.empty() && stage_ == Stage::kHeader) {
    const auto byte = std::to_integer<uint8_t>(in[0]);
    in = in.subspan(1);
    const std::size_t position = header_size_++;
    if (position == 0) {
      first_ = byte;
      if (auto code = judge_first_byte()) return code;
      continue;
    }
    if (position == 1) second_ = byte;
    const std::size_t key_at = 2 + length_field_size(second_);
    if (position == 1) {
      if (auto code = judge_second_byte()) return code;
    } else if (position < key_at) {
      payload_left_ = payload_left_ << 8 | byte;
    } else {
      key_[position - key_at] = std::byte{byte};
    }
    if (position + 1 == key_at) {
      if (auto code = judge_length()) return code;
    }
    const std::size_t key_size = role_ == Role::kServer ? sizeof(MaskKey) : 0;
    if (position + 1 == key_at + key_size) begin_payload();
  }
  return std::nullopt;
}

std::optional<CloseCode> FrameReader::judge_first_byte() {
  const uint8_t reserved = first_ & kReservedBits;
  const bool begins = opcode() == Opcode::kText || opcode() == Opcode::kBinary;
  const bool compressed = reserved == std::to_integer<uint8_t>(kCompressedBit) && begins &&
                          compression_ == Compression::kNegotiated;
  if (reserved != 0 && !compressed) return CloseCode::kProtocolError;
  if (auto code = judge_opcode()) return code;
  if (begins) compressed_ = compressed;
  return std::nullopt;
}

std::optional<CloseCode> FrameReader::judge_opcode() const {
  const bool in_message = message_ != Opcode::kContinuation;
  switch (opcode()) {
    case Opcode::kContinuation:
      if (!in_message) return CloseCode::kProtocolError;
      return std::nullopt;
    case Opcode::kText:
      if (in_message) return CloseCode::kProtocolError;
      if (text_ == TextFrames::kRefuse) return CloseCode::kUnsupportedData;
      return std::nullopt;
    case Opcode::kBinary:
      if (in_message) return CloseCode::kProtocolError;
      return std::nullopt;
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (!is_final()) return CloseCode::kProtocolError;
      return std::nullopt;
  }
  return CloseCode::kProtocolError;  // an opcode of no meaning
}

std::optional<CloseCode> FrameReader::judge_second_byte() {
  const bool masked = (second_ & kMaskBit) != 0;
  if (masked != (role_ == Role::kServer)) return CloseCode::kProtocolError;
  const uint8_t length = second_ & 0x7f;
  if (is_control() && length > kControlPayloadMax) return CloseCode::kProtocolError;
  payload_left_ = length < 126 ? length : 0;
  return std::nullopt;
}

// The length is complete: minimal, below 2^63, and within what a message may have.
std::optional<CloseCode> FrameReader::judge_length() {
  const std::size_t field = length_field_size(second_);
  const uint64_t least = field == 8 ? 0x10000 : field == 2 ? 126 : 0;
  if (payload_left_ < least || payload_left_ >> 63 != 0) return CloseCode::kProtocolError;
  if (is_control()) return std::nullopt;
  const uint64_t most = compressed_ ? compressed_bytes_max(message_bytes_max_) : message_bytes_max_;
  if (message_size_ > most || payload_left_ > most - message_size_) {
    return CloseCode::kMessageTooBig;
  }
  message_size_ += payload_left_;
  return std::nullopt;
}

void FrameReader::begin_header() {
  stage_ = Stage::kHeader;
  header_size_ = 0;
}

void FrameReader::begin_payload() {
  stage_ = Stage::kPayload;
  mask_offset_ = 0;
  if (opcode() == Opcode::kText) utf8_.reset();
  if (opcode() == Opcode::kText || opcode() == Opcode::kBinary) message_ = opcode();
}

// After kStop between the payload and the end of a frame of the hot path: as if the general path
// had just taken its last byte.
void FrameReader::hold_message_end() {
  stage_ = Stage::kPayload;
  first_ = 0x82;
  message_ = Opcode::kBinary;
  payload_left_ = 0;
}

MutableBytes FrameReader::take_payload(MutableBytes& in) {
  const auto size = static_cast<std::size_t>(std::min<uint64_t>(payload_left_, in.size()));
  MutableBytes piece = in.first(size);
  in = in.subspan(size);
  payload_left_ -= size;
  if (role_ == Role::kServer) {
    apply_mask(piece, key_, mask_offset_);
    mask_offset_ = static_cast<uint8_t>((mask_offset_ + size) & 3);
  }
  return piece;
}

// True when the payload is complete: `whole` lies in the input, or in `owner` if it was cut.
bool FrameReader::collect_control(MutableBytes& in, Bytes& whole,
                                  std::unique_ptr<ControlPayload>& owner) {
  const Bytes piece = take_payload(in);
  if (payload_left_ == 0 && !control_) {
    whole = piece;
    return true;
  }
  if (!control_) control_ = std::make_unique<ControlPayload>();
  if (!piece.empty()) {
    std::memcpy(control_->bytes.data() + control_->size, piece.data(), piece.size());
    control_->size += piece.size();
  }
  if (payload_left_ > 0) return false;
  owner = std::move(control_);
  whole = Bytes{owner->bytes}.first(owner->size);
  return true;
}

std::optional<CloseCode> FrameReader::fail(CloseCode code) {
  stage_ = Stage::kClosed;
  control_.reset();
  return code;
}

// Section 5.5.1: nothing, or a code and a reason in UTF-8.
FrameReader::CloseFrame FrameReader::parse_close(Bytes payload) {
  if (payload.empty()) return {};
  CloseFrame close;
  if (payload.size() == 1) {
    close.broken = CloseCode::kProtocolError;
    return close;
  }
  close.code = static_cast<CloseCode>(load_be<uint16_t>(payload.data()));
  close.reason = as_text(payload.subspan(2));
  if (!is_sendable(close.code)) {
    close.broken = CloseCode::kProtocolError;
  } else if (!is_utf8(payload.subspan(2))) {
    close.broken = CloseCode::kInvalidPayload;
  }
  return close;
}

}  // namespace fairlead
