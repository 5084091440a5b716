#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proto/ws/frame_log.h"
#include "proto/ws/frame_reader.h"
#include "proto/ws/frame_writer.h"

namespace fairlead {
namespace {

constexpr FrameReader::Limits kLimits{.message_bytes_max = 700, .text = TextFrames::kAccept};

class Frames {
 public:
  Frames(uint64_t seed, Role reader) : random_(seed), reader_(reader) {}

  size_t below(size_t limit) { return random_() % limit; }
  std::byte byte() { return static_cast<std::byte>(random_()); }

  // A stream of valid messages with control frames between their fragments, and its events.
  void append_message(ByteBuffer& wire, std::string& events) {
    static constexpr std::string_view kCharacters[] = {"a", "\xc3\xa9", "\xe2\x82\xac",
                                                       "\xf0\x9f\x98\x80"};
    const bool text = below(3) == 0;
    const bool compressed = below(3) == 0;
    std::string payload;
    for (size_t i = below(4) == 0 ? below(300) : below(20); i > 0; --i) {
      payload += text ? std::string(kCharacters[below(4)]) : std::string(1, char(below(256)));
    }
    payload.resize(std::min<size_t>(payload.size(), 700));
    if (text) payload = cut(payload);
    Opcode opcode = text ? Opcode::kText : Opcode::kBinary;
    std::string_view rest = payload;
    std::string shown;
    const size_t first = wire.size();
    while (below(3) == 0) {
      const size_t size = below(rest.size() + 1);
      append_frame(wire, opcode, as_bytes(rest.substr(0, size)), key(), Fragment::kMoreFollow);
      shown.append(rest.substr(0, size));
      rest.remove_prefix(size);
      opcode = Opcode::kContinuation;
      if (below(2) == 0) append_control(wire, events, shown);
    }
    append_frame(wire, opcode, as_bytes(rest), key());
    shown.append(rest);
    show(events, shown);
    if (compressed) wire.data()[first] |= kCompressedBit;
    events += compressed ? "deflated:" : "end:";
    events += text ? "text;" : "binary;";
  }

  // The same events, cut into reads of random size; the reader sees a copy, for it unmasks in
  // place.
  std::string read_in_pieces(Bytes wire, size_t piece_max) {
    std::vector<std::byte> bytes(wire.begin(), wire.end());
    FrameReader reader(reader_, kLimits);
    reader.set_compression(Compression::kNegotiated);
    FrameLog log;
    std::optional<CloseCode> code;
    for (size_t at = 0; at < bytes.size() && !code;) {
      const size_t size = std::min(bytes.size() - at, 1 + below(piece_max));
      code = reader.feed(MutableBytes(bytes).subspan(at, size), log);
      at += size;
    }
    log.verdict(code);
    return log.text();
  }

 private:
  std::optional<MaskKey> key() {
    if (reader_ == Role::kClient) return std::nullopt;
    return MaskKey{byte(), byte(), byte(), byte()};
  }
  static std::string cut(std::string text) {
    while (!text.empty() && !is_complete(text)) text.pop_back();
    return text;
  }
  static bool is_complete(std::string_view text) {
    Utf8Stream stream;
    return stream.accept(as_bytes(text)) == text.size() && stream.complete();
  }
  static void show(std::string& events, std::string& shown) {
    if (!shown.empty()) events += "data:" + shown + ";";
    shown.clear();
  }
  void append_control(ByteBuffer& wire, std::string& events, std::string& shown) {
    const std::string payload(below(126), 'p');
    show(events, shown);
    const bool ping = below(2) == 0;
    (ping ? append_ping : append_pong)(wire, as_bytes(payload), key());
    events += (ping ? "ping:" : "pong:") + payload + ";";
  }

  std::mt19937_64 random_;
  Role reader_;
};

TEST(FrameProperty, WhatIsWrittenIsReadInAnySplitByBothRoles) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    Frames frames(seed, seed % 2 == 0 ? Role::kServer : Role::kClient);
    ByteBuffer wire;
    std::string expected;
    for (size_t i = frames.below(12); i > 0; --i) frames.append_message(wire, expected);
    for (size_t piece_max : {size_t{1}, size_t{7}, size_t{200}, size_t{1} << 30}) {
      ASSERT_EQ(frames.read_in_pieces(wire.view(), piece_max), expected) << piece_max;
    }
  }
}

TEST(FrameProperty, DamagedStreamsGiveTheSameEventsAndVerdictInAnySplit) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    SCOPED_TRACE(seed);
    Frames frames(seed, seed % 2 == 0 ? Role::kServer : Role::kClient);
    ByteBuffer wire;
    std::string ignored;
    for (size_t i = 1 + frames.below(4); i > 0; --i) frames.append_message(wire, ignored);
    for (size_t i = 1 + frames.below(3); i > 0; --i) {
      const size_t at = frames.below(2) == 0 ? frames.below(std::min<size_t>(wire.size(), 4))
                                             : frames.below(wire.size());
      wire.data()[at] ^= frames.byte();
    }
    const std::string whole = frames.read_in_pieces(wire.view(), size_t{1} << 30);
    for (size_t piece_max : {size_t{1}, size_t{3}, size_t{50}}) {
      ASSERT_EQ(frames.read_in_pieces(wire.view(), piece_max), whole) << piece_max;
    }
  }
}

}  // namespace
}  // namespace fairlead
