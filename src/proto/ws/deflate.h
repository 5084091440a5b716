#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "proto/ws/extension.h"
#include "proto/ws/frame.h"

// permessage-deflate (RFC 7692), always without context takeover: each message is compressed by
// itself, so that one state serves all connections of a thread and an idle one owns nothing. Pure;
// the library is hidden in the .cc.

namespace fairlead {

// What was agreed on. The client's window is never narrowed: inflating takes any.
struct DeflateAgreement {
  static constexpr uint8_t kWindowBitsMax = 15;
  uint8_t server_window_bits = kWindowBitsMax;  // what the client asked for: 8 to 15
  bool server_window_asked = false;

  // A message may be sent compressed when no distance in it can exceed the window: larger ones go
  // uncompressed, which is always allowed (section 6).
  [[nodiscard]] bool fits(std::size_t message_bytes) const {
    return server_window_bits == kWindowBitsMax || message_bytes <= std::size_t{1}
                                                                        << server_window_bits;
  }
};

// The first offer that can be agreed to (section 5.1 and 7.1): one with a parameter that is
// unknown, repeated or out of bounds is passed over.
[[nodiscard]] std::optional<DeflateAgreement> choose_deflate(std::span<const Extension> offers);

// The value of Sec-WebSocket-Extensions in the answer.
void append_deflate_answer(ByteBuffer& out, const DeflateAgreement& agreement);

// Smaller messages are sent as they are: there is next to nothing to gain.
inline constexpr std::size_t kDeflateBytesMin = 128;

// What a compressed message of `message_bytes` may take on the wire: DEFLATE adds a little to what
// cannot be compressed.
[[nodiscard]] constexpr uint64_t compressed_bytes_max(uint64_t message_bytes) {
  return message_bytes + (message_bytes >> 8) + 64;
}

// Puts compressed messages back. One for all connections of a thread: 40 KiB from the first use on.
class Inflater {
 public:
  enum class Outcome : uint8_t {
    kDone,
    kTooLarge,  // close with 1009
    kCorrupt,   // close with 1007
  };

  Inflater();
  ~Inflater();

  // Appends the message whose payload (of all its frames) is `compressed`. `out` grows with what
  // comes out, and gets at most bytes_max + 1 bytes.
  [[nodiscard]] Outcome inflate(Bytes compressed, std::size_t bytes_max, ByteBuffer& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Compresses messages. One for all connections of a thread: about 140 KiB from the first use on.
class Deflater {
 public:
  Deflater();
  ~Deflater();

  // The payload of a compressed message, valid until the next call; nullopt: it would not become
  // smaller. The first `stored` bytes of the message stand in it as they are, from kStoredAt on, so
  // that they can be changed afterwards; with stored == 0 all is compressed.
  [[nodiscard]] std::optional<Bytes> deflate(Bytes message, std::size_t stored = 0);
  static constexpr std::size_t kStoredAt = 5;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Appends a message of one frame, compressed if that makes it smaller. Returns where the first
// `stored` bytes of the message stand, counted from the first byte appended.
std::size_t append_deflated_frame(ByteBuffer& out, Opcode opcode, Bytes message, Deflater& deflater,
                                  std::size_t stored = 0);

}  // namespace fairlead
