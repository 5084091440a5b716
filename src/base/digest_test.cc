#include "base/digest.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>
#include <thread>

namespace fairlead {
namespace {

std::string hex(const std::optional<DigestValue>& value) {
  std::string text;
  if (!value) return "refused";
  for (const std::byte byte : value->view()) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

TEST(Digest, GivesTheStandardsExamples) {
  const Bytes abc = as_bytes("abc");
  EXPECT_EQ(hex(digest_of(DigestKind::kMd5, {abc})), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(digest_of(DigestKind::kSha1, {abc})), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex(digest_of(DigestKind::kSha256, {abc})),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Digest, HashesPartsAsOneText) {
  EXPECT_EQ(hex(digest_of(DigestKind::kSha1, {as_bytes("a"), {}, as_bytes("bc")})),
            hex(digest_of(DigestKind::kSha1, {as_bytes("abc")})));
  EXPECT_EQ(hex(digest_of(DigestKind::kSha1, {})), hex(digest_of(DigestKind::kSha1, {Bytes{}})));
}

// RFC 2202 and RFC 4231, test case 2.
TEST(Hmac, GivesTheStandardsExamples) {
  const Bytes key = as_bytes("Jefe");
  const Bytes content = as_bytes("what do ya want for nothing?");
  EXPECT_EQ(hex(hmac_of(DigestKind::kMd5, key, content)), "750c783e6ab0b503eaa86e310a5db738");
  EXPECT_EQ(hex(hmac_of(DigestKind::kSha1, key, content)),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(hex(hmac_of(DigestKind::kSha256, key, content)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

// Keys of every length, those longer than a block too, against the library's own.
TEST(Hmac, IsTheLibrarysForEveryLengthOfKey) {
  const std::string all(200, 'k');
  const std::string content = "clientId1deviceNamed1productKeyp1";
  const auto* data = reinterpret_cast<const unsigned char*>(content.data());
  for (const auto& [kind, evp] :
       {std::pair{DigestKind::kMd5, EVP_md5()}, std::pair{DigestKind::kSha1, EVP_sha1()},
        std::pair{DigestKind::kSha256, EVP_sha256()}}) {
    for (std::size_t size = 0; size <= all.size(); ++size) {
      DigestValue expected;
      unsigned expected_size = 0;
      ASSERT_TRUE(HMAC(evp, all.data(), static_cast<int>(size), data, content.size(),
                       reinterpret_cast<unsigned char*>(expected.bytes.data()), &expected_size));
      expected.size = expected_size;
      const Bytes key = as_bytes(std::string_view(all).substr(0, size));
      EXPECT_EQ(hex(hmac_of(kind, key, as_bytes(content))), hex(expected)) << size;
    }
  }
}

TEST(Digest, IsTheSameInEveryThread) {
  const std::string here = hex(digest_of(DigestKind::kSha256, {as_bytes("x")}));
  std::string there;
  std::thread([&] { there = hex(digest_of(DigestKind::kSha256, {as_bytes("x")})); }).join();
  EXPECT_EQ(there, here);
}

}  // namespace
}  // namespace fairlead
