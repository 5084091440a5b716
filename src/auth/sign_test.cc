#include "auth/sign.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "auth/hex.h"

namespace fairlead {
namespace {

using enum SignMethod;

struct Vector {
  const char* key;
  const char* content;
  const char* md5;
  const char* sha1;
  const char* sha256;  // empty: the reference has none
};

// Reference: aliyun-device-protocol appendix A.
constexpr Vector kVectors[] = {
    {"secret", "clientId12345deviceNamedeviceproductKeypktimestamp789",
     "14b198324fe55e1d3c88f2e705e201ee", "fafd82a3d602b37fb0fa8b7892f24a477f851a14",
     "6074a46a91b1ebb2cc4ea42790ad0e80202c9843859fc292e57c4eb19fad9e57"},
    {"secret", "clientId12345deviceNamedeviceproductKeypk", "2ce7304ec0ddd548eb1492d65ac0b334",
     "3504e4df7ce4766d30f796ee973c9ce7fc5425cb",
     "c8cb3dcb7159682438e5fd9a9c34f398e41bb8edb6f222795e307bafee151090"},
    {"secret", "deviceNamedeviceproductKeypktimestamp789", "eb2142b767837403c9a42deb2dc6b3cb",
     "8df5ca1bf11f2c9e427750f4967c85442496f68f",
     "df9f81c119373aab3e594e85db97c1d4aadacf4e8f345792bc4ab7eb50c4165d"},
    {"secret", "deviceNamedeviceproductKeypk", "c07c9fa9be69010bcfaaf59322258cc2",
     "ef1338106ebf173868958116f51797c8b9149855",
     "4e4fa898ea37565cb40779e7e48196c21a58565cf6c84eeffcd400c63633e7c8"},
    {"secret", "clientIdpk&devicedeviceNamedeviceproductKeypktimestamp789",
     "ed68957d0825add73acd39743aeb9d7d", "1ea0d72bdb58945ede5d20dbb701867c459a6940",
     "162a4422f5b5cd7255dd43f3496bb0a31924ba04cd2cb9a3f17c3635fd7fed70"},
    {"secret", "clientIdpk.devicedeviceNamedeviceproductKeypktimestamp2524608000000",
     "40a5925fc3f0ed3102160db7d0c5055c", "bda9a4dae972a03474f1bd535c7683cf411230cb",
     "2eab47d05ec94fab1a34e7e9f54aebd34a1e15770f932e05300193007e0091e9"},
    {"productsecret", "deviceNamedeviceproductKeypkrandom567345",
     "96a7e49061908820b0ad89f9744dac38", "c755c6adaa5ab9581bab421d25366d9a1a465bcf",
     "5b67d1f1d7737d667c9ee51c76c056601f8a434b132c26cf47e1310ffc1592ea"},
    {"subsecret", "clientIdsubpk.subdevdeviceNamesubdevproductKeysubpktimestamp789",
     "66e3523a902258bf650a21616f5b869f", "4ea66a53b0cd7cae56b08727065b522720f10d74",
     "130fef1e438c7ec7b88d246b38aa4a8d52b9bcf0de7af2516d0bba83352a7c97"},
    {"subsecret", "cleanSessiontrueclientIdsubpk.subdevdeviceNamesubdevproductKeysubpktimestamp789",
     "", "187422a65cc208233794294751b00fcf795b7dad", ""},
    {"subsecret",
     "clientIdsubpk.subdev|_ss=1,_v=sdk-c-3.2.0|deviceNamesubdevproductKeysubpktimestamp789", "",
     "b671c840f86aa761c4a69227b173f93af092839e", ""},
    {"secret", "idpk&devicetimestamp789", "", "",
     "dae047df46df5a2de8aa44b4d1d40e29ec56b76d5fe79cf78a19a7dfcb864c71"},
};

TEST(Sign, GivesTheVectorsOfTheReference) {
  for (const Vector& vector : kVectors) {
    SCOPED_TRACE(vector.content);
    if (*vector.md5) {
      EXPECT_EQ(sign(kHmacMd5, vector.key, vector.content), vector.md5);
    }
    if (*vector.sha1) {
      EXPECT_EQ(sign(kHmacSha1, vector.key, vector.content), vector.sha1);
    }
    if (*vector.sha256) {
      EXPECT_EQ(sign(kHmacSha256, vector.key, vector.content), vector.sha256);
    }
  }
}

TEST(Sign, TakesAnEmptyKeyAndContent) {
  EXPECT_EQ(sign(kHmacMd5, {}, {}), "74e6f7298a9c2d168935f58c001bad88");
  EXPECT_EQ(sign(kHmacSha256, "", ""),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Sign, SortsTheFieldsOfTheContent) {
  const std::array<SignField, 4> fields{SignField{"timestamp", "789"},
                                        {"productKey", "pk"},
                                        {"clientId", "12345"},
                                        {"deviceName", "device"}};
  EXPECT_EQ(canonical_content(fields), "clientId12345deviceNamedeviceproductKeypktimestamp789");
  const std::array<SignField, 3> registration{
      SignField{"random", "567345"}, {"productKey", "pk"}, {"deviceName", "device"}};
  EXPECT_EQ(canonical_content(registration), "deviceNamedeviceproductKeypkrandom567345");
  EXPECT_EQ(canonical_content({}), "");
}

TEST(Sign, ReadsEverySpellingOfAMethod) {
  for (const char* name : {"hmacmd5", "HmacMD5", "md5", "hmac-md5"}) {
    EXPECT_EQ(parse_sign_method(name), kHmacMd5) << name;
  }
  for (const char* name : {"hmacsha1", "hmacSha1", "HMACSHA1", "sha1"}) {
    EXPECT_EQ(parse_sign_method(name), kHmacSha1) << name;
  }
  for (const char* name : {"hmacsha256", "hmacSha256", "sha256", "Sha256", "hmac_sha256"}) {
    EXPECT_EQ(parse_sign_method(name), kHmacSha256) << name;
  }
  for (const char* name : {"", "hmac", "hmacsha512", "hmacsha2566", "sha256sha256sha256"}) {
    EXPECT_EQ(parse_sign_method(name), std::nullopt) << name;
  }
}

TEST(Sign, NamesAndSizesOfMethodsRoundTrip) {
  for (SignMethod method : {kHmacMd5, kHmacSha1, kHmacSha256}) {
    EXPECT_EQ(parse_sign_method(sign_method_name(method)), method);
    EXPECT_EQ(sign_method_of_hex_size(sign_hex_size(method)), method);
    EXPECT_EQ(sign(method, "k", "c").size(), sign_hex_size(method));
  }
  EXPECT_EQ(sign_method_of_hex_size(0), std::nullopt);
  EXPECT_EQ(sign_method_of_hex_size(41), std::nullopt);
}

TEST(Sign, ComparesHexWithoutRegardToCase) {
  EXPECT_TRUE(constant_time_equal_hex("fafd82", "FAFD82"));
  EXPECT_TRUE(constant_time_equal_hex("FaFd82", "fAfD82"));
  EXPECT_FALSE(constant_time_equal_hex("fafd82", "fafd83"));
  EXPECT_FALSE(constant_time_equal_hex("fafd82", "fafd8"));
  EXPECT_FALSE(constant_time_equal_hex("0a", "*a"));
  EXPECT_FALSE(constant_time_equal_hex("@a", "`a"));
}

TEST(Sign, AnEmptySignEqualsNothing) { EXPECT_FALSE(constant_time_equal_hex("", "")); }

TEST(Hex, RoundTripsAndRefusesOtherText) {
  const std::array<std::byte, 3> bytes{std::byte{0}, std::byte{0xab}, std::byte{0xff}};
  EXPECT_EQ(to_hex(bytes), "00abff");
  auto back = from_hex("00ABff");
  ASSERT_TRUE(back);
  EXPECT_TRUE(std::equal(back->begin(), back->end(), bytes.begin(), bytes.end()));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

}  // namespace
}  // namespace fairlead
