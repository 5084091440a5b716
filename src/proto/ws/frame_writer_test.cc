#include "proto/ws/frame_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace fairlead {
namespace {

using namespace std::string_literals;

constexpr MaskKey kKey{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

std::string text_of(const ByteBuffer& buffer) { return std::string(as_text(buffer.view())); }

std::string header(Opcode opcode, uint64_t size, Fragment fragment = Fragment::kFinal,
                   std::optional<MaskKey> key = std::nullopt) {
  std::byte out[kFrameHeaderMax];
  const size_t written = write_frame_header(out, opcode, size, fragment, key);
  EXPECT_EQ(written, frame_header_size(size, key ? Masking::kMasked : Masking::kPlain));
  return std::string(as_text(Bytes{out}.first(written)));
}

TEST(FrameWriter, WritesTheShortestLength) {
  EXPECT_EQ(header(Opcode::kBinary, 0), "\x82\x00"s);
  EXPECT_EQ(header(Opcode::kBinary, 125), "\x82\x7d"s);
  EXPECT_EQ(header(Opcode::kBinary, 126), "\x82\x7e\x00\x7e"s);
  EXPECT_EQ(header(Opcode::kBinary, 65535), "\x82\x7e\xff\xff"s);
  EXPECT_EQ(header(Opcode::kBinary, 65536), "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s);
}

TEST(FrameWriter, WritesKeyAndFragments) {
  EXPECT_EQ(header(Opcode::kText, 5, Fragment::kFinal, kKey), "\x81\x85\x37\xfa\x21\x3d"s);
  EXPECT_EQ(header(Opcode::kText, 3, Fragment::kMoreFollow), "\x01\x03"s);
  EXPECT_EQ(header(Opcode::kContinuation, 2), "\x80\x02"s);
  EXPECT_EQ(header(Opcode::kBinary, uint64_t{1} << 40, Fragment::kFinal, kKey).size(),
            kFrameHeaderMax);
}

// Section 5.7 of RFC 6455.
TEST(FrameWriter, WritesTheExamplesOfTheSpecification) {
  ByteBuffer out;
  append_frame(out, Opcode::kText, as_bytes("Hello"), kKey);
  append_ping(out, as_bytes("Hello"));
  append_pong(out, as_bytes("Hello"), kKey);
  EXPECT_EQ(text_of(out),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
            "\x89\x05Hello"
            "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

TEST(FrameWriter, CloseCarriesCodeAndReason) {
  ByteBuffer out;
  append_close(out, CloseCode::kNormal, "bye");
  append_close(out, CloseCode::kProtocolError);
  append_close(out, CloseCode::kNoStatus, "never sent");
  EXPECT_EQ(text_of(out),
            "\x88\x05\x03\xe8"
            "bye\x88\x02\x03\xea\x88\x00"s);
}

TEST(FrameWriter, LongReasonIsCutBetweenTwoCharacters) {
  ByteBuffer out;
  append_close(out, CloseCode::kNormal, std::string(123, 'x'));
  EXPECT_EQ(out.size(), 2 + kControlPayloadMax);
  out.clear();
  append_close(out, CloseCode::kNormal, std::string(122, 'x') + "\xe2\x82\xac");
  EXPECT_EQ(text_of(out), "\x88\x7c\x03\xe8" + std::string(122, 'x'));
}

}  // namespace
}  // namespace fairlead
