#include "proto/ws/deflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/number.h"
#include "proto/ws/frame_writer.h"

namespace fairlead {
namespace {

constexpr std::string_view kName = "permessage-deflate";

// What ends a flushed stream, and is left out of the message (section 7.2.1).
constexpr std::array<std::byte, 4> kFlushTail{std::byte{0}, std::byte{0}, std::byte{0xff},
                                              std::byte{0xff}};

// Raw DEFLATE over 32 KiB. Memory level 6 clears a fourth of what the usual 8 clears for each
// message; level 1 is within a few percent of the usual one on messages of this size.
constexpr int kRawWindow = -15;
constexpr int kMemoryLevel = 6;
constexpr int kLevel = 1;

Bytef* zlib_bytes(const std::byte* at) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(at));
}

// 8 to 15, without leading zeros (section 7.1.2).
std::optional<uint8_t> window_bits(std::string_view text) {
  const auto bits = parse_plain_number<uint8_t>(text);
  if (!bits || *bits < 8 || *bits > DeflateAgreement::kWindowBitsMax) return std::nullopt;
  return bits;
}

// False: the offer cannot be agreed to.
bool read_parameter(const ExtensionParameter& parameter, DeflateAgreement& agreement) {
  const auto& [name, value] = parameter;
  if (name == "server_no_context_takeover" || name == "client_no_context_takeover") return !value;
  if (name == "client_max_window_bits") return !value || window_bits(*value);
  if (name != "server_max_window_bits" || !value) return false;
  const auto bits = window_bits(*value);
  if (!bits) return false;
  agreement.server_window_bits = *bits;
  agreement.server_window_asked = true;
  return true;
}

std::optional<DeflateAgreement> read_offer(const Extension& offer) {
  if (offer.name != kName) return std::nullopt;
  DeflateAgreement agreement;
  for (std::size_t i = 0; i < offer.parameters.size(); ++i) {
    if (i >= 4 || !read_parameter(offer.parameters[i], agreement)) return std::nullopt;
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      if (offer.parameters[earlier].name == offer.parameters[i].name) return std::nullopt;
    }
  }
  return agreement;
}

}  // namespace

std::optional<DeflateAgreement> choose_deflate(std::span<const Extension> offers) {
  for (const Extension& offer : offers) {
    if (auto agreement = read_offer(offer)) return agreement;
  }
  return std::nullopt;
}

void append_deflate_answer(ByteBuffer& out, const DeflateAgreement& agreement) {
  out.append(kName);
  out.append("; server_no_context_takeover; client_no_context_takeover");
  if (!agreement.server_window_asked) return;
  out.append("; server_max_window_bits=");
  out.append(std::to_string(agreement.server_window_bits));
}

// --- Inflater ------------------------------------------------------------------------------------

struct Inflater::State {
  State() { FL_ASSERT(inflateInit2(&stream, kRawWindow) == Z_OK); }
  ~State() { inflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Outcome feed(Bytes in, std::size_t end, ByteBuffer& out);

  z_stream stream{};
  bool ended = false;  // at the end of a block that says that it is the last
};

Inflater::Inflater() = default;
Inflater::~Inflater() = default;

// Takes all of `in`; `out` gets no more than `end` bytes and one.
Inflater::Outcome Inflater::State::feed(Bytes in, std::size_t end, ByteBuffer& out) {
  constexpr std::size_t kStepMin = 2048;
  stream.next_in = zlib_bytes(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  for (;;) {
    const std::size_t before = out.size();
    if (before > end) return Outcome::kTooLarge;
    const std::size_t room = std::min(end + 1 - before, std::max(before, kStepMin));
    stream.next_out = zlib_bytes(out.extend(room));
    stream.avail_out = static_cast<uInt>(room);
    const int result = ::inflate(&stream, Z_SYNC_FLUSH);
    out.truncate(out.size() - stream.avail_out);
    ended = result == Z_STREAM_END;
    if (ended) {
      // A message may go on behind such a block (section 7.2.3.5).
      FL_ASSERT(inflateReset(&stream) == Z_OK);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Outcome::kCorrupt;
    }
    if (stream.avail_in == 0 && (ended || stream.avail_out > 0)) break;
  }
  return out.size() > end ? Outcome::kTooLarge : Outcome::kDone;
}

Inflater::Outcome Inflater::inflate(Bytes compressed, std::size_t bytes_max, ByteBuffer& out) {
  if (compressed.empty()) return Outcome::kDone;
  if (!state_) state_ = std::make_unique<State>();
  FL_ASSERT(inflateReset(&state_->stream) == Z_OK);
  const std::size_t end = out.size() + bytes_max;
  if (Outcome outcome = state_->feed(compressed, end, out); outcome != Outcome::kDone) {
    return outcome;
  }
  if (state_->ended) return Outcome::kDone;
  if (Outcome outcome = state_->feed(kFlushTail, end, out); outcome != Outcome::kDone) {
    return outcome;
  }
  // Between two blocks, as zlib tells it; otherwise the message was cut short.
  constexpr int kBetweenBlocks = 128;
  const bool complete = (state_->stream.data_type & kBetweenBlocks) != 0;
  return complete ? Outcome::kDone : Outcome::kCorrupt;
}

// --- Deflater ------------------------------------------------------------------------------------

struct Deflater::State {
  State() {
    FL_ASSERT(deflateInit2(&stream, kLevel, Z_DEFLATED, kRawWindow, kMemoryLevel,
                           Z_DEFAULT_STRATEGY) == Z_OK);
  }
  ~State() { deflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  z_stream stream{};
  ByteBuffer out;
};

Deflater::Deflater() = default;
Deflater::~Deflater() = default;

std::optional<Bytes> Deflater::deflate(Bytes message, std::size_t stored) {
  const std::size_t front = stored == 0 ? 0 : kStoredAt + stored;
  if (stored > 0xffff || front + kFlushTail.size() >= message.size()) return std::nullopt;
  if (!state_) state_ = std::make_unique<State>();
  z_stream& stream = state_->stream;
  ByteBuffer& out = state_->out;
  out.clear();
  if (stored > 0) {  // a block that is not compressed: RFC 1951 section 3.2.4, little-endian
    const auto size = static_cast<uint16_t>(stored);
    out.u8(0);
    for (unsigned value : {unsigned{size}, ~unsigned{size}}) {
      out.u8(static_cast<uint8_t>(value & 0xff));
      out.u8(static_cast<uint8_t>((value >> 8) & 0xff));
    }
    out.append(message.first(stored));
  }
  // No room for more than the message has: zlib then does not come to its end.
  const std::size_t room = message.size() - 1 + kFlushTail.size() - front;
  FL_ASSERT(deflateReset(&stream) == Z_OK);
  const Bytes rest = message.subspan(stored);
  stream.next_in = zlib_bytes(rest.data());
  stream.avail_in = static_cast<uInt>(rest.size());
  stream.next_out = zlib_bytes(out.extend(room));
  stream.avail_out = static_cast<uInt>(room);
  const int result = ::deflate(&stream, Z_SYNC_FLUSH);
  if (result != Z_OK || stream.avail_in > 0 || stream.avail_out == 0) return std::nullopt;
  return out.view().first(out.size() - stream.avail_out - kFlushTail.size());
}

std::size_t append_deflated_frame(ByteBuffer& out, Opcode opcode, Bytes message, Deflater& deflater,
                                  std::size_t stored) {
  const auto small = deflater.deflate(message, stored);
  const std::size_t size = small ? small->size() : message.size();
  append_frame(out, opcode, small ? *small : message);
  const std::size_t header_size = frame_header_size(size);
  if (!small) return header_size;
  std::byte* header = out.data() + out.size() - size - header_size;
  *header |= kCompressedBit;
  return header_size + (stored == 0 ? 0 : Deflater::kStoredAt);
}

}  // namespace fairlead
