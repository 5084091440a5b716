#include "proto/ws/mask.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fairlead {
namespace {

constexpr MaskKey kKey{std::byte{0x37}, std::byte{0xfa}, std::byte{0x21}, std::byte{0x3d}};

TEST(Mask, UnmasksTheExampleOfTheSpecification) {
  std::vector<std::byte> data;
  for (int byte : {0x7f, 0x9f, 0x4d, 0x51, 0x58}) data.push_back(static_cast<std::byte>(byte));
  apply_mask(data, kKey, 0);
  EXPECT_EQ(as_text(data), "Hello");
}

TEST(Mask, EqualsTheNaiveLoopAtEveryAlignmentLengthAndOffset) {
  constexpr uint64_t kSeed = 7;
  std::mt19937_64 random(kSeed);
  std::vector<std::byte> original(16 + 200 + 16);
  for (std::byte& b : original) b = static_cast<std::byte>(random());
  for (size_t alignment = 0; alignment < 16; ++alignment) {
    for (size_t size = 0; size <= 200; ++size) {
      for (size_t offset = 0; offset < 4; ++offset) {
        auto expected = original;
        for (size_t i = 0; i < size; ++i) expected[alignment + i] ^= kKey[(offset + i) % 4];
        auto actual = original;
        apply_mask(MutableBytes(actual).subspan(alignment, size), kKey, offset);
        ASSERT_EQ(actual, expected) << alignment << ' ' << size << ' ' << offset;
      }
    }
  }
}

TEST(Mask, LargePayloadsAndFarOffsets) {
  for (size_t size : {4095u, 65536u, 65537u}) {
    std::vector<std::byte> actual(size), expected(size);
    const size_t offset = (size_t{1} << 40) + 3;
    for (size_t i = 0; i < size; ++i) expected[i] ^= kKey[(offset + i) % 4];
    apply_mask(actual, kKey, offset);
    ASSERT_EQ(actual, expected);
  }
}

}  // namespace
}  // namespace fairlead
