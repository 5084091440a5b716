#include "base/bytes.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead {
namespace {

TEST(ByteReader, ReadsBigEndianAndNeverPastTheEnd) {
  ByteReader reader(as_bytes(std::string_view("\x01\x02\x03\x04\x05\x06\x07", 7)));
  EXPECT_EQ(reader.u8(), 0x01);
  EXPECT_EQ(reader.u16(), 0x0203);
  EXPECT_EQ(reader.u64(), std::nullopt);
  EXPECT_EQ(reader.u32(), 0x04050607u);
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(reader.u8(), std::nullopt);
  EXPECT_FALSE(reader.take(1));
  EXPECT_TRUE(reader.take(0));
}

TEST(ByteReader, StaysWhereItIsWhenAReadDoesNotFit) {
  ByteReader reader(as_bytes("abc"));
  EXPECT_FALSE(reader.take(4));
  EXPECT_EQ(as_text(reader.rest()), "abc");
}

TEST(ByteBuffer, OwnsNothingWhenEmptyAndGrowsAsItIsFilled) {
  ByteBuffer buffer;
  EXPECT_EQ(buffer.capacity(), 0u);
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    buffer.u16(static_cast<uint16_t>(i));
    expected.push_back(static_cast<char>(i >> 8));
    expected.push_back(static_cast<char>(i & 0xff));
  }
  EXPECT_EQ(as_text(buffer.view()), expected);
  buffer.consume(1990);
  EXPECT_EQ(as_text(buffer.view()), expected.substr(1990));
  buffer.release();
  EXPECT_EQ(buffer.capacity(), 0u);
}

TEST(ByteBuffer, MovesItsMemory) {
  ByteBuffer a;
  a.append(std::string_view("hello"));
  ByteBuffer b = std::move(a);
  EXPECT_EQ(as_text(b.view()), "hello");
  EXPECT_EQ(a.size(), 0u);  // NOLINT(bugprone-use-after-move): that it is empty is the point
  a = std::move(b);
  EXPECT_EQ(as_text(a.view()), "hello");
}

TEST(StoreBe, IsWhatLoadBeReads) {
  std::byte raw[8];
  store_be<uint64_t>(raw, 0x0102030405060708u);
  EXPECT_EQ(load_be<uint64_t>(raw), 0x0102030405060708u);
  EXPECT_EQ(load_be<uint16_t>(raw), 0x0102);
}

}  // namespace
}  // namespace fairlead
