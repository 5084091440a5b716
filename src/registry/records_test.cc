#include "registry/records.h"

#include <gtest/gtest.h>

#include <string>

#include "auth/password.h"

namespace fairlead {
namespace {

TEST(Records, ProductKeysAreShortAndPlain) {
  for (const char* key : {"pk", "a1Zd7n5yTt8", "with_under.dot-dash"}) {
    EXPECT_TRUE(check_product_key(key).ok()) << key;
  }
  EXPECT_TRUE(check_product_key(std::string(30, 'x')).ok());
  EXPECT_FALSE(check_product_key(std::string(31, 'x')).ok());
  for (const char* key : {"", "a b", "a/b", "a&b", "a+", "#", "a:b", "\xC3\xA9"}) {
    EXPECT_FALSE(check_product_key(key).ok()) << key;
  }
}

TEST(Records, AProductCannotBeNamedLikeASystemTopic) {
  for (const char* key : {"sys", "ext", "ota", "shadow", "broadcast"}) {
    EXPECT_FALSE(check_product_key(key).ok()) << key;
  }
}

TEST(Records, DeviceNamesMayHoldWhatThePlatformAllows) {
  EXPECT_TRUE(check_device_name("A-z_0.9:@x").ok());
  EXPECT_TRUE(check_device_name(std::string(64, 'x')).ok());
  EXPECT_FALSE(check_device_name(std::string(65, 'x')).ok());
  for (const char* name : {"", "a b", "a/b", "a&b", "a+", "#", "a|b"}) {
    EXPECT_FALSE(check_device_name(name).ok()) << name;
  }
}

TEST(Records, SecretsArePrintable) {
  EXPECT_TRUE(check_secret("s").ok());
  EXPECT_TRUE(check_secret("!~\"&,").ok());
  EXPECT_TRUE(check_secret(std::string(64, 'x')).ok());
  for (const std::string& secret :
       {std::string(), std::string("a b"), std::string("a\n"), std::string(65, 'x'),
        std::string("\xC3\xA9"), std::string("a\0b", 3)}) {
    EXPECT_FALSE(check_secret(secret).ok());
  }
}

TEST(Records, ApplicationNamesCannotLookLikeDevices) {
  EXPECT_TRUE(check_app_name("backend-1").ok());
  EXPECT_FALSE(check_app_name("d&pk").ok());
  EXPECT_FALSE(check_app_name("a b").ok());
  EXPECT_FALSE(check_app_name("").ok());
}

TEST(Records, GeneratedNamesAndSecretsAreValidAndDiffer) {
  EXPECT_TRUE(check_secret(generate_secret()).ok());
  EXPECT_EQ(generate_secret().size(), kGeneratedSecretBytes);
  EXPECT_NE(generate_secret(), generate_secret());
  EXPECT_TRUE(check_product_key(generate_product_key()).ok());
}

TEST(Records, AnApplicationKeepsAHashOfItsPassword) {
  auto app = make_app("backend", "P@ss", {{Permission::Kind::kPublish, "#"}});
  ASSERT_TRUE(app.ok());
  EXPECT_EQ(app->password_hash.find("P@ss"), std::string::npos);
  EXPECT_TRUE(verify_password(app->password_hash, "P@ss"));
  EXPECT_GT(app->created_ms, 0);
  EXPECT_FALSE(make_app("backend", "", {}).ok());
  EXPECT_FALSE(make_app("a&b", "p", {}).ok());
  EXPECT_FALSE(make_app("backend", "p", {{Permission::Kind::kPublish, "a#"}}).ok());
}

TEST(Records, TransportRulesRoundTrip) {
  for (TransportRule rule :
       {TransportRule::kAny, TransportRule::kTlsOnly, TransportRule::kSecureModeMatches}) {
    auto parsed = parse_transport_rule(transport_rule_name(rule));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, rule);
  }
  EXPECT_FALSE(parse_transport_rule("never").ok());
}

}  // namespace
}  // namespace fairlead
