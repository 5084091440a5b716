#include "auth/credentials.h"

#include <gtest/gtest.h>

#include <string>

namespace fairlead {
namespace {

ClientIdParts parsed(std::string_view text) {
  auto parts = parse_client_id(text);
  EXPECT_TRUE(parts.ok()) << text;
  return parts ? *parts : ClientIdParts{};
}

TEST(ClientId, ReadsTheSeed) {
  auto parts = parsed("12345|securemode=3,signmethod=hmacsha1,timestamp=789|");
  EXPECT_EQ(parts.base, "12345");
  EXPECT_EQ(parts.secure_mode, 3);
  EXPECT_EQ(parts.sign_method, SignMethod::kHmacSha1);
  EXPECT_EQ(parts.timestamp, "789");
  EXPECT_EQ(parts.parameters.size(), 3u);
  EXPECT_FALSE(parts.auto_subscribe);
}

TEST(ClientId, ReadsLinkSdkFour) {
  auto parts = parsed(
      "pk.dn|timestamp=2524608000000,_ss=1,_v=sdk-c-4.2.0,securemode=2,signmethod=hmacsha256,"
      "ext=3,_conn=tls_5f|");
  EXPECT_EQ(parts.base, "pk.dn");
  EXPECT_TRUE(parts.auto_subscribe);
  EXPECT_EQ(parts.ext_bits, 3u);
  EXPECT_EQ(parts.version, "sdk-c-4.2.0");
  EXPECT_EQ(parts.timestamp, "2524608000000");
}

TEST(ClientId, ReadsAnAppliance) {
  auto parts = parsed(
      "pk.mac|securemode=2,tokenType=0,token=0123,_v=sdk-c-2.3.0_FY_1.6.6-16,"
      "timestamp=2524608000000,signmethod=hmacsha1,lan=C,pid=x,mid=y,authtype=custom-ilop,"
      "_fy=1.6.6-16,_ss=1|");
  EXPECT_EQ(parts.auth_type, "custom-ilop");
  EXPECT_EQ(parts.language, "C");
  EXPECT_TRUE(parts.auto_subscribe);
}

TEST(ClientId, ReadsDynamicRegistration) {
  auto parts = parsed(
      "d.pk|random=567345,authType=register,securemode=-2,signmethod=hmacsha256,instanceId=iot-1|");
  EXPECT_EQ(parts.random, "567345");
  EXPECT_EQ(parts.auth_type, "register");
  EXPECT_EQ(parts.instance_id, "iot-1");
  EXPECT_EQ(parts.secure_mode, -2);
}

TEST(ClientId, KeepsBarsInsideValues) {
  auto parts = parsed("id|securemode=2,lan=JS|Broswer ,sii=Eth|03AC..|,signmethod=hmacsha1|");
  EXPECT_EQ(parts.language, "JS|Broswer");
  EXPECT_EQ(parts.sign_method, SignMethod::kHmacSha1);
  EXPECT_EQ(parts.parameters[2].value, "Eth|03AC..|");
}

TEST(ClientId, ReadsParametersAfterTheClosingBar) {
  auto parts = parsed("id|securemode=2,lan=JS|Ali,_v=1.2.8|,ext=1");
  EXPECT_EQ(parts.version, "1.2.8");
  EXPECT_EQ(parts.ext_bits, 1u);
  EXPECT_EQ(parts.language, "JS|Ali");
}

TEST(ClientId, TrimsBlanksAndLineFeeds) {
  auto parts = parsed("id|securemode=2,\n        signmethod = hmacsha1 ,\r\n timestamp=789\t,|");
  EXPECT_EQ(parts.sign_method, SignMethod::kHmacSha1);
  EXPECT_EQ(parts.timestamp, "789");
}

TEST(ClientId, IgnoresWhatItDoesNotKnow) {
  auto parts = parsed("id|,,a,=x,b=,gw=1,ext=oops,SECUREMODE=2,SignMethod=Sha256,,|");
  EXPECT_EQ(parts.secure_mode, 2);
  EXPECT_EQ(parts.sign_method, SignMethod::kHmacSha256);
  EXPECT_EQ(parts.ext_bits, 0u);
  EXPECT_TRUE(parts.gateway);
}

TEST(ClientId, TheLaterOfTwoCounts) { EXPECT_EQ(parsed("id|ext=1,ext=2|").ext_bits, 2u); }

TEST(ClientId, ATextWithoutBarIsAllBase) {
  auto parts = parsed("pk&dn");
  EXPECT_EQ(parts.base, "pk&dn");
  EXPECT_TRUE(parts.parameters.empty());
  EXPECT_EQ(parsed("").base, "");
  EXPECT_EQ(parsed("|securemode=3|").base, "");
  EXPECT_EQ(parsed("x||").base, "x");
}

TEST(ClientId, OnlyTheBaseCountsToItsLimit) {
  const std::string longest(64, 'x');
  EXPECT_TRUE(parse_client_id(longest + "|_uuid=" + std::string(5000, 'y') + "|").ok());
  auto refused = parse_client_id(longest + "x|securemode=3|");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ReasonCode::kClientIdentifierNotValid);
}

TEST(ClientId, CountsCharactersNotBytes) {
  std::string text;
  for (int i = 0; i < 64; ++i) text += "\xE8\xAE\xBE";
  EXPECT_TRUE(parse_client_id(text).ok());
  EXPECT_FALSE(parse_client_id(text + "\xE8\xAE\xBE").ok());
}

TEST(ClientId, RefusesWhatIsMalformed) {
  std::string many = "id|";
  for (int i = 0; i < 65; ++i) many += "a=b,";
  many += "|";
  for (const std::string& text :
       {std::string("id|securemode=3,signmethod=hmacsha1"), std::string("id|"),
        std::string("id|securemode=two|"), std::string("id|securemode=2x|"),
        std::string("id|signmethod=hmacsha512|"), many}) {
    auto refused = parse_client_id(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ReasonCode::kClientIdentifierNotValid) << text;
  }
}

TEST(UserName, IsSplitAtTheLastAmpersand) {
  auto user = parse_device_user_name("dev&1&pk");
  ASSERT_TRUE(user);
  EXPECT_EQ(user->device_name, "dev&1");
  EXPECT_EQ(user->product_key, "pk");
}

TEST(UserName, RefusesAnythingElse) {
  for (const char* text : {"", "device", "&pk", "device&", "&"}) {
    auto refused = parse_device_user_name(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().code, ReasonCode::kBadUserNameOrPassword);
  }
}

constexpr DeviceUserName kUser{"device", "pk"};

TEST(VerifySign, AcceptsTheSeedInEveryMethodAndCase) {
  auto parts = parsed("12345|securemode=2,signmethod=hmacsha1,timestamp=789|");
  EXPECT_TRUE(verify_sign(parts, kUser, "fafd82a3d602b37fb0fa8b7892f24a477f851a14", "secret"));
  EXPECT_TRUE(verify_sign(parts, kUser, "FAFD82A3D602B37FB0FA8B7892F24A477F851A14", "secret"));
  EXPECT_FALSE(verify_sign(parts, kUser, "fafd82a3d602b37fb0fa8b7892f24a477f851a14", "other"));
  EXPECT_FALSE(verify_sign(parts, kUser, "fafd82a3d602b37fb0fa8b7892f24a477f851a15", "secret"));
}

TEST(VerifySign, ThePasswordsLengthDecidesAgainstTheLabel) {
  auto labelled_md5 = parsed("12345|signmethod=hmacmd5,timestamp=789|");
  auto unlabelled = parsed("12345|timestamp=789|");
  for (const auto& parts : {labelled_md5, unlabelled}) {
    EXPECT_TRUE(verify_sign(parts, kUser, "14b198324fe55e1d3c88f2e705e201ee", "secret"));
    EXPECT_TRUE(verify_sign(parts, kUser, "fafd82a3d602b37fb0fa8b7892f24a477f851a14", "secret"));
    EXPECT_TRUE(verify_sign(parts, kUser,
                            "6074a46a91b1ebb2cc4ea42790ad0e80202c9843859fc292e57c4eb19fad9e57",
                            "secret"));
  }
}

TEST(VerifySign, AcceptsEveryPresenceOfTheOptionalFields) {
  auto parts = parsed("12345|timestamp=789|");
  for (const char* password :
       {"14b198324fe55e1d3c88f2e705e201ee", "2ce7304ec0ddd548eb1492d65ac0b334",
        "eb2142b767837403c9a42deb2dc6b3cb", "c07c9fa9be69010bcfaaf59322258cc2"}) {
    EXPECT_TRUE(verify_sign(parts, kUser, password, "secret")) << password;
  }
}

TEST(VerifySign, FieldsThatWereNotSentCannotBeSigned) {
  EXPECT_FALSE(verify_sign(parsed("12345|securemode=3|"), kUser, "eb2142b767837403c9a42deb2dc6b3cb",
                           "secret"));
  EXPECT_FALSE(verify_sign(parsed("12345|timestamp=790|"), kUser,
                           "14b198324fe55e1d3c88f2e705e201ee", "secret"));
  EXPECT_TRUE(verify_sign(parsed(""), kUser, "c07c9fa9be69010bcfaaf59322258cc2", "secret"));
}

TEST(VerifySign, RefusesPasswordsOfNoMethodsLength) {
  auto parts = parsed("12345|timestamp=789|");
  for (const std::string& password : {std::string(), std::string(31, 'a'), std::string(128, 'a')}) {
    EXPECT_FALSE(verify_sign(parts, kUser, password, "secret"));
  }
}

TEST(ConnectCredentials, AreTheOnesOfTheSeed) {
  auto made = make_connect_credentials({.product_key = "pk",
                                        .device_name = "device",
                                        .device_secret = "secret",
                                        .client_id = "12345",
                                        .timestamp = "789",
                                        .method = SignMethod::kHmacSha1,
                                        .secure_mode = 3,
                                        .extra = {}});
  EXPECT_EQ(made.client_id, "12345|securemode=3,signmethod=hmacsha1,timestamp=789|");
  EXPECT_EQ(made.user_name, "device&pk");
  EXPECT_EQ(made.password, "fafd82a3d602b37fb0fa8b7892f24a477f851a14");
}

TEST(ConnectCredentials, AlwaysVerify) {
  for (auto method : {SignMethod::kHmacMd5, SignMethod::kHmacSha1, SignMethod::kHmacSha256}) {
    for (std::optional<std::string_view> id : {std::optional<std::string_view>(), {"a.b"}, {""}}) {
      for (std::optional<std::string_view> time : {std::optional<std::string_view>(), {"1"}}) {
        auto made = make_connect_credentials({.product_key = "p.k",
                                              .device_name = "d@1",
                                              .device_secret = "s",
                                              .client_id = id,
                                              .timestamp = time,
                                              .method = method,
                                              .secure_mode = 2,
                                              .extra = {{"_ss", "1"}, {"ext", "3"}}});
        auto parts = parsed(made.client_id);
        auto user = parse_device_user_name(made.user_name);
        ASSERT_TRUE(user);
        EXPECT_TRUE(verify_sign(parts, *user, made.password, "s")) << made.client_id;
        EXPECT_TRUE(parts.auto_subscribe);
        EXPECT_EQ(parts.ext_bits, 3u);
      }
    }
  }
}

}  // namespace
}  // namespace fairlead
