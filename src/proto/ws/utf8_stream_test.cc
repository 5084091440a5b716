#include "proto/ws/utf8_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace fairlead {
namespace {

bool well_formed(std::string_view text) {
  Utf8Stream stream;
  return stream.accept(as_bytes(text)) == text.size() && stream.complete();
}

TEST(Utf8Stream, JudgesEveryPairAndTripleOfBytesAsTheWholeTextCheckDoes) {
  for (int lead = 0; lead < 256; ++lead) {
    for (int second = 0; second < 256; ++second) {
      const std::string pair{static_cast<char>(lead), static_cast<char>(second)};
      ASSERT_EQ(well_formed(pair), is_utf8(as_bytes(pair))) << lead << ' ' << second;
      for (std::string_view tail : {"\x80", "\xbf", "\x80\x80", "\xbf\xbf", "a", "\xc0"}) {
        const std::string text = pair + std::string(tail);
        ASSERT_EQ(well_formed(text), is_utf8(as_bytes(text))) << lead << ' ' << second;
      }
    }
  }
}

TEST(Utf8Stream, StopsAtTheByteThatBreaksTheText) {
  Utf8Stream stream;
  EXPECT_EQ(stream.accept(as_bytes("abcdefghijk\xed\xa0\x80z")), 12u);
  stream.reset();
  EXPECT_EQ(stream.accept(as_bytes("\xf0\x9f")), 2u);
  EXPECT_FALSE(stream.complete());
  EXPECT_EQ(stream.accept(as_bytes("\x98\x80")), 2u);
  EXPECT_TRUE(stream.complete());
}

TEST(Utf8Stream, AnyCutGivesTheSameAnswer) {
  constexpr uint64_t kSeed = 99;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  static constexpr std::string_view kPieces[] = {"plain text, long", "\xc3\xa9", "\xe2\x82\xac",
                                                 "\xf0\x9f\x98\x80", "\xff",     "\xe2\x82"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (size_t i = random() % 6; i > 0; --i) text += kPieces[random() % (random() % 3 ? 4 : 6)];
    Utf8Stream whole;
    const size_t accepted = whole.accept(as_bytes(text));
    Utf8Stream cut;
    size_t at = 0;
    while (at < text.size()) {
      const size_t size = std::min<size_t>(text.size() - at, 1 + random() % 5);
      const size_t taken = cut.accept(as_bytes(text).subspan(at, size));
      at += taken;
      if (taken < size) break;
    }
    ASSERT_EQ(at, accepted);
    ASSERT_EQ(accepted == text.size() && whole.complete(), is_utf8(as_bytes(text)));
  }
}

}  // namespace
}  // namespace fairlead
