// UTF-8 and hashes of text.

#include <gtest/gtest.h>

#include <string>

#include "base/hash.h"
#include "base/random.h"
#include "base/utf8.h"

namespace fairlead {
namespace {

bool utf8(std::string_view text) { return is_utf8(as_bytes(text)); }

TEST(Utf8, TakesEveryLengthAtEveryPlace) {
  for (std::string_view c : {"a", "\xC2\xA2", "\xE2\x82\xAC", "\xF0\x90\x8D\x88",
                             "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80"}) {
    for (std::size_t before = 0; before < 20; ++before) {
      EXPECT_TRUE(utf8(std::string(before, 'x') + std::string(c) + "yyyyyyyyy")) << before;
    }
  }
}

TEST(Utf8, RefusesWhatIsIllFormed) {
  for (std::string_view c :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xED\xBF\xBF",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82", "\xC2",
        "\xE2\x28\xA1", "\xF0\x90\x8D"}) {
    for (std::size_t before = 0; before < 20; ++before) {
      EXPECT_FALSE(utf8(std::string(before, 'x') + std::string(c))) << before;
    }
  }
}

TEST(Utf8, MqttTextHasNoNul) {
  EXPECT_TRUE(is_mqtt_text(as_bytes("a\x01z")));
  EXPECT_FALSE(is_mqtt_text(as_bytes(std::string_view("a\0z", 3))));
  EXPECT_TRUE(is_mqtt_text({}));
}

// SipHash-1-3 of 00 01 02..., under the key of the authors' vectors.
TEST(SipHash, GivesTheReferenceVectors) {
  std::byte raw[16];
  for (int i = 0; i < 16; ++i) raw[i] = static_cast<std::byte>(i);
  const HashKey key{0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  EXPECT_EQ(siphash(key, {}), 0xabac0158050fc4dcu);
  EXPECT_EQ(siphash(key, Bytes(raw, 5)), 0xdef9d52f49533b67u);
  EXPECT_EQ(siphash(key, Bytes(raw, 15)), 0xd320d86d2a519956u);
  EXPECT_EQ(siphash(key, Bytes(raw, 16)), 0xcc4fdd1a7d908b66u);
}

// Where sessions live depends on it, on every machine and in every version.
TEST(StableHash, NeverChanges) {
  EXPECT_EQ(stable_hash(""), 0xecba3df2c3383c52u);
  EXPECT_EQ(stable_hash(std::string_view("d\0pk\0dn", 7)), 0x2f885779d405a9bfu);
}

TEST(RandomText, HasTheLengthAndTheAlphabet) {
  const std::string text = random_text(1000);
  EXPECT_EQ(text.size(), 1000u);
  EXPECT_EQ(
      text.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
      std::string::npos);
}

}  // namespace
}  // namespace fairlead
