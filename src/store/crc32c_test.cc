#include "store/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead {
namespace {

// RFC 3720 appendix B.4, and the usual check value.
TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c(0, as_bytes(std::string_view("123456789"))), 0xe3069283u);
  EXPECT_EQ(crc32c(0, as_bytes(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(crc32c(0, as_bytes(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(crc32c(0, {}), 0u);
}

TEST(Crc32c, IsTheSameByTableAndByInstructionAndInParts) {
  std::string text;
  for (unsigned i = 0; i < 70; ++i) {
    const Bytes bytes = as_bytes(text);
    const uint32_t whole = crc32c(0, bytes);
    EXPECT_EQ(whole, crc32c_by_table(0, bytes)) << i;
    for (std::size_t first = 0; first <= bytes.size(); ++first) {
      ASSERT_EQ(crc32c(crc32c(0, bytes.first(first)), bytes.subspan(first)), whole) << first;
    }
    text.push_back(static_cast<char>(i * 37 + 11));
  }
}

}  // namespace
}  // namespace fairlead
