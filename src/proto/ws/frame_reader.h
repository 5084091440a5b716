#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "proto/ws/frame.h"
#include "proto/ws/mask.h"
#include "proto/ws/utf8_stream.h"

namespace fairlead {

enum class Role : uint8_t {
  kServer,  // the peer must mask
  kClient,  // the peer must not mask
};

enum class TextFrames : uint8_t {
  kRefuse,  // with 1003: MQTT is binary (MQTT 5.0 section 6)
  kAccept,  // after checking that they are UTF-8
};

// Of permessage-deflate (RFC 7692): what frame carries RSV1.
enum class Compression : uint8_t {
  kNone,       // nothing was agreed on: the bit is refused like the other reserved ones
  kNegotiated  // the first frame of a message may have it
};

enum class LastPiece : uint8_t { kNo, kYes };

// What a callback of the sink answers. After kStop no callback follows in this call.
enum class Flow : uint8_t { kContinue, kStop };

// WebSocket frames from bytes (RFC 6455 section 5): unmasks in place, joins nothing, copies only
// the payload of a control frame that was cut in two. Any split of the input gives the same events,
// but for where a payload is cut into pieces, and the same verdict. The sink has, all returning
// Flow:
//   on_data(MutableBytes piece)      a contiguous piece of a message's payload, never empty
//   on_message_end(Opcode kind)      kBinary or kText; an empty message has only this
//   on_ping(Bytes), on_pong(Bytes)   whole payloads
//   on_compressed(MutableBytes piece, LastPiece, Opcode kind)   only where compression was agreed
//                                    on, instead of both of the above, for a compressed message:
//                                    its payload as it is; the last piece may be empty, and text is
//                                    not yet checked
//   on_close(CloseCode, std::string_view reason)   kNoStatus if the frame was empty; whatever comes
//                                    behind it is ignored
// Views are valid during the callback. A callback must not destroy or move the reader.
// Idle it owns no memory. Cost per complete small binary frame: one pass over its bytes.
class FrameReader {
 public:
  struct Limits {
    uint64_t message_bytes_max = 256 * 1024 + 16;  // over all frames of a message
    TextFrames text = TextFrames::kRefuse;
  };

  FrameReader(Role role, Limits limits)
      : message_bytes_max_(limits.message_bytes_max), role_(role), text_(limits.text) {}

  // Takes all of `in`. Returns the close code to send when the peer broke RFC 6455: 1002, 1003,
  // 1007 or 1009 (judged from an announced length at once, nothing is allocated for it). After a
  // code, kStop, or on_close() nothing more needs to be fed.
  template <class Sink>
  [[nodiscard]] std::optional<CloseCode> feed(MutableBytes in, Sink&& sink) {
    return feed_some(in, sink);
  }

  // The same, but advances `in` over what was taken: after kStop the rest is still masked and the
  // reader is fit to go on with it, here or, moved, elsewhere (the handover of a connection). An
  // event that was held back by kStop comes first then, even if no bytes are left.
  template <class Sink>
  [[nodiscard]] std::optional<CloseCode> feed_some(MutableBytes& in, Sink&& sink);

  // From the next frame on; a product may allow more once its device is known.
  void set_message_bytes_max(uint64_t bytes) { message_bytes_max_ = bytes; }

  // From the next message on. The limit of a message then applies to what it holds, which is the
  // sink's to check; on the wire it may have compressed_bytes_max() of it.
  void set_compression(Compression compression) { compression_ = compression; }

  // Between two messages, with nothing pending: the state in which bytes can change hands freely.
  [[nodiscard]] bool at_rest() const {
    return stage_ == Stage::kHeader && header_size_ == 0 && message_ == Opcode::kContinuation;
  }

 private:
  enum class Stage : uint8_t { kHeader, kPayload, kClosed };
  struct ControlPayload {
    std::size_t size = 0;
    std::array<std::byte, kControlPayloadMax> bytes;
  };

  enum class Next : uint8_t { kGoOn, kReturn };
  struct Step {
    Next next;
    std::optional<CloseCode> code;
  };
  struct CloseFrame {
    CloseCode code = CloseCode::kNoStatus;
    std::string_view reason;
    std::optional<CloseCode> broken;
  };

  template <class Sink>
  Flow feed_whole_frames(MutableBytes& in, Sink& sink);
  template <class Sink>
  Step feed_data(MutableBytes& in, Sink& sink);
  template <class Sink>
  Step feed_control(MutableBytes& in, Sink& sink);
  template <class Sink>
  Step feed_compressed(MutableBytes& in, Sink& sink);

  std::optional<CloseCode> take_header(MutableBytes& in);
  std::optional<CloseCode> judge_first_byte();
  [[nodiscard]] std::optional<CloseCode> judge_opcode() const;
  std::optional<CloseCode> judge_second_byte();
  std::optional<CloseCode> judge_length();
  void begin_header();
  void begin_payload();
  void hold_message_end();
  MutableBytes take_payload(MutableBytes& in);
  bool collect_control(MutableBytes& in, Bytes& whole, std::unique_ptr<ControlPayload>& owner);
  std::optional<CloseCode> fail(CloseCode code);
  static CloseFrame parse_close(Bytes payload);

  [[nodiscard]] Opcode opcode() const { return static_cast<Opcode>(first_ & 0x0f); }
  [[nodiscard]] bool is_control() const { return (first_ & 0x08) != 0; }
  [[nodiscard]] bool is_final() const { return (first_ & 0x80) != 0; }

  uint64_t message_bytes_max_;
  uint64_t message_size_ = 0;  // announced so far by the frames of the present message
  uint64_t payload_left_ = 0;  // of the present frame; while in the header, the length so far
  std::unique_ptr<ControlPayload> control_;  // of a control frame that is cut in two
  MaskKey key_{};
  uint8_t header_size_ = 0;  // bytes of the present header that were taken
  uint8_t first_ = 0;
  uint8_t second_ = 0;
  uint8_t mask_offset_ = 0;                 // position in the payload, modulo 4
  Opcode message_ = Opcode::kContinuation;  // kind of the message in progress; kContinuation: none
  Stage stage_ = Stage::kHeader;
  Role role_;
  TextFrames text_;
  Compression compression_ = Compression::kNone;
  bool compressed_ = false;  // the message in progress
  Utf8Stream utf8_;
};

static_assert(sizeof(FrameReader) <= 48, "one per WebSocket connection: see the budget in STYLE");

template <class Sink>
std::optional<CloseCode> FrameReader::feed_some(MutableBytes& in, Sink&& sink) {
  for (;;) {
    switch (stage_) {
      case Stage::kHeader:
        if (at_rest() && feed_whole_frames(in, sink) == Flow::kStop) return std::nullopt;
        if (in.empty()) return std::nullopt;
        if (auto code = take_header(in)) return fail(*code);
        if (stage_ == Stage::kHeader) return std::nullopt;
        break;
      case Stage::kPayload: {
        Step step = is_control()  ? feed_control(in, sink)
                    : compressed_ ? feed_compressed(in, sink)
                                  : feed_data(in, sink);
        if (step.code) return fail(*step.code);
        if (step.next == Next::kReturn) return std::nullopt;
        break;
      }
      case Stage::kClosed:
        in = in.last(0);
        return std::nullopt;
    }
  }
}

// The hot path: unfragmented binary frames below 64 KiB that are all there. Whatever is anything
// else, or wrong, is left to the general path.
template <class Sink>
Flow FrameReader::feed_whole_frames(MutableBytes& in, Sink& sink) {
  const std::size_t key_size = role_ == Role::kServer ? sizeof(MaskKey) : 0;
  const std::byte mask_bit{role_ == Role::kServer ? uint8_t{0x80} : uint8_t{0}};
  std::byte* at = in.data();
  std::size_t left = in.size();
  Flow flow = Flow::kContinue;
  while (flow == Flow::kContinue && left >= 2 + key_size && at[0] == std::byte{0x82}) {
    std::size_t header = 2 + key_size;
    std::size_t size = std::to_integer<std::size_t>(at[1] ^ mask_bit);
    if (size > 125) {  // 127, or the mask bit is wrong: above 127
      if (size != 126 || left < header + 2) break;
      size = load_be<uint16_t>(at + 2);
      if (size < 126) break;
      header += 2;
    }
    if (size == 0 || size > left - header || size > message_bytes_max_) break;
    MutableBytes payload{at + header, size};
    if (key_size > 0) {
      MaskKey key;
      std::memcpy(key.data(), at + header - sizeof(MaskKey), sizeof(MaskKey));
      apply_mask(payload, key, 0);
    }
    at += header + size;
    left -= header + size;
    flow = sink.on_data(payload);
    if (flow == Flow::kStop) {
      hold_message_end();
    } else {
      flow = sink.on_message_end(Opcode::kBinary);
    }
  }
  in = in.last(left);
  return flow;
}

template <class Sink>
FrameReader::Step FrameReader::feed_data(MutableBytes& in, Sink& sink) {
  if (payload_left_ > 0) {
    if (in.empty()) return {Next::kReturn, std::nullopt};
    MutableBytes piece = take_payload(in);
    const std::size_t good = message_ == Opcode::kText ? utf8_.accept(piece) : piece.size();
    const Flow flow = good > 0 ? sink.on_data(piece.first(good)) : Flow::kContinue;
    if (good < piece.size()) return {Next::kReturn, CloseCode::kInvalidPayload};
    if (flow == Flow::kStop) return {Next::kReturn, std::nullopt};
    if (payload_left_ > 0) return {Next::kGoOn, std::nullopt};
  }
  begin_header();
  if (!is_final()) return {Next::kGoOn, std::nullopt};
  const Opcode kind = std::exchange(message_, Opcode::kContinuation);
  message_size_ = 0;
  if (kind == Opcode::kText && !utf8_.complete()) {
    return {Next::kReturn, CloseCode::kInvalidPayload};
  }
  const Flow flow = sink.on_message_end(kind);
  return {flow == Flow::kStop ? Next::kReturn : Next::kGoOn, std::nullopt};
}

template <class Sink>
FrameReader::Step FrameReader::feed_compressed(MutableBytes& in, Sink& sink) {
  if constexpr (requires { sink.on_compressed(in, LastPiece::kNo, Opcode::kBinary); }) {
    if (payload_left_ > 0 && in.empty()) return {Next::kReturn, std::nullopt};
    MutableBytes piece = take_payload(in);
    const Opcode kind = message_;
    const bool last = payload_left_ == 0 && is_final();
    if (payload_left_ == 0) begin_header();
    if (last) {
      message_ = Opcode::kContinuation;
      message_size_ = 0;
      compressed_ = false;
    }
    if (piece.empty() && !last) return {Next::kGoOn, std::nullopt};
    const Flow flow = sink.on_compressed(piece, last ? LastPiece::kYes : LastPiece::kNo, kind);
    return {flow == Flow::kStop ? Next::kReturn : Next::kGoOn, std::nullopt};
  } else {
    unreachable();  // such a sink must not agree on compression
  }
}

template <class Sink>
FrameReader::Step FrameReader::feed_control(MutableBytes& in, Sink& sink) {
  std::unique_ptr<ControlPayload> owner;
  Bytes payload;
  if (!collect_control(in, payload, owner)) return {Next::kReturn, std::nullopt};
  begin_header();
  Flow flow = Flow::kContinue;
  if (opcode() == Opcode::kClose) {
    const CloseFrame close = parse_close(payload);
    if (close.broken) return {Next::kReturn, close.broken};
    stage_ = Stage::kClosed;
    flow = sink.on_close(close.code, close.reason);
  } else if (opcode() == Opcode::kPing) {
    flow = sink.on_ping(payload);
  } else {
    flow = sink.on_pong(payload);
  }
  return {flow == Flow::kStop ? Next::kReturn : Next::kGoOn, std::nullopt};
}

}  // namespace fairlead
