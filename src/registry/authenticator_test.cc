#include "registry/authenticator.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "auth/credentials.h"
#include "base/temp_dir_for_test.h"

namespace fairlead {
namespace {

using namespace std::chrono_literals;
constexpr Instant kNow{1h};
constexpr std::string_view kSeedId = "12345|securemode=3,signmethod=hmacsha1,timestamp=789|";
constexpr std::string_view kSeedPassword = "fafd82a3d602b37fb0fa8b7892f24a477f851a14";
constexpr std::string_view kWrongPassword = "0000000000000000000000000000000000000000";

// What one client sends; the Authenticator gets views of it.
struct Client {
  std::string client_id{kSeedId};
  std::optional<std::string> user_name = "device&pk";
  std::optional<std::string> password{std::string(kSeedPassword)};
  std::string source = "192.0.2.1";
  TransportSecurity security = TransportSecurity::kPlain;
};

class AuthenticatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Database::open(dir_.path());
    ASSERT_TRUE(opened.ok());
    database_.emplace(std::move(*opened));
    ASSERT_TRUE(db().create_product({.key = "pk"}).ok());
    ASSERT_TRUE(
        db().create_device({.product_key = "pk", .name = "device", .secret = "secret"}).ok());
    auto registry = Registry::open(dir_.path());
    ASSERT_TRUE(registry.ok());
    registry_ = std::move(*registry);
    authenticator_.emplace(*registry_, AuthenticatorOptions{});
  }

  Database& db() { return *database_; }
  void apply() { ASSERT_TRUE(registry_->apply_changes().ok()); }
  void use(AuthenticatorOptions options) { authenticator_.emplace(*registry_, options); }

  AuthOutcome connect(const Client& client, Instant now = kNow) {
    ConnectRequest request{.client_id = client.client_id,
                           .user_name = {},
                           .password = {},
                           .source_address = client.source,
                           .security = client.security};
    if (client.user_name) request.user_name = *client.user_name;
    if (client.password) request.password = as_bytes(*client.password);
    return authenticator_->authenticate(request, now);
  }
  AuthFailure refusal(const Client& client, Instant now = kNow) {
    AuthOutcome outcome = connect(client, now);
    EXPECT_FALSE(outcome.ok());
    return outcome ? AuthFailure{ReasonCode::kSuccess, {}, {}, {}} : outcome.failure();
  }
  static Client wrong(std::string user = "device&pk", std::string source = "192.0.2.1") {
    return {.user_name = std::move(user),
            .password = std::string(kWrongPassword),
            .source = std::move(source)};
  }
  void add_app(std::vector<Permission> permissions = {{Permission::Kind::kPublish, "a/#"}}) {
    auto app = make_app("backend", "P", std::move(permissions));
    ASSERT_TRUE(app.ok());
    ASSERT_TRUE(db().create_app(*app).ok());
    apply();
  }

  TempDir dir_;
  std::optional<Database> database_;
  std::unique_ptr<Registry> registry_;
  std::optional<Authenticator> authenticator_;
};

TEST_F(AuthenticatorTest, AcceptsTheSeedOverWsAndWss) {
  for (const char* mode : {"3", "2"}) {
    auto outcome = connect({.client_id = "12345|securemode=" + std::string(mode) +
                                         ",signmethod=hmacsha1,timestamp=789|"});
    ASSERT_TRUE(outcome.ok());
    Identity& identity = outcome.identity();
    EXPECT_EQ(identity.kind, Identity::Kind::kDevice);
    EXPECT_EQ(identity.session_key, std::string("d\0pk\0device", 11));
    EXPECT_EQ(identity.name, "pk/device");
    EXPECT_EQ(identity.profile, ProfileKind::kCompatible);
    EXPECT_EQ(identity.product->key, "pk");
    EXPECT_EQ(identity.info.base_client_id, "12345");
    EXPECT_TRUE(identity.policy->may_publish("/pk/device/user/update"));
    EXPECT_FALSE(identity.policy->may_publish("/pk/other/user/update"));
  }
}

TEST_F(AuthenticatorTest, ReportsWhatTheDeviceSaysOfItself) {
  const auto made = make_connect_credentials(
      {.product_key = "pk",
       .device_name = "device",
       .device_secret = "secret",
       .client_id = {},
       .timestamp = {},
       .extra = {{"_ss", "1"}, {"ext", "3"}, {"_v", "sdk-c-4.2.0"}, {"lan", "C"}, {"gw", "1"}}});
  auto outcome = connect({made.client_id, made.user_name, made.password});
  ASSERT_TRUE(outcome.ok());
  const DeviceConnectInfo& info = outcome.identity().info;
  EXPECT_TRUE(info.auto_subscribe);
  EXPECT_TRUE(info.gateway);
  EXPECT_EQ(info.ext_bits, 3u);
  EXPECT_EQ(info.sdk_version, "sdk-c-4.2.0");
  EXPECT_EQ(info.sdk_language, "C");
  EXPECT_EQ(info.secure_mode, 2);
}

TEST_F(AuthenticatorTest, TheSessionIsTheDevicesWhateverItsClientId) {
  for (const char* id : {"a", "b"}) {
    const auto made = make_connect_credentials({.product_key = "pk",
                                                .device_name = "device",
                                                .device_secret = "secret",
                                                .client_id = id,
                                                .timestamp = {},
                                                .extra = {}});
    auto outcome = connect({made.client_id, made.user_name, made.password});
    ASSERT_TRUE(outcome.ok());
    EXPECT_EQ(outcome.identity().session_key, device_session_key("pk", "device"));
  }
}

TEST_F(AuthenticatorTest, AMalformedClientIdIs85) {
  for (const std::string& id : {std::string(65, 'x') + "|securemode=3,signmethod=hmacsha1|",
                                std::string("12345|securemode=3,signmethod=hmacsha1,timestamp=789"),
                                std::string("12345|signmethod=none|")}) {
    EXPECT_EQ(refusal({.client_id = id}).code, ReasonCode::kClientIdentifierNotValid) << id;
  }
}

TEST_F(AuthenticatorTest, AUserNameOrPasswordNotInFormIs86) {
  for (const char* user : {"device&", "&pk", "&"}) {
    EXPECT_EQ(refusal({.user_name = user}).code, ReasonCode::kBadUserNameOrPassword) << user;
  }
  EXPECT_EQ(refusal({.user_name = std::nullopt}).code, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(refusal({.password = std::nullopt}).code, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(refusal({.password = ""}).code, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(refusal({.password = std::string(70'000, 'f')}).code,
            ReasonCode::kBadUserNameOrPassword);
}

TEST_F(AuthenticatorTest, ThePeerCannotTellAnUnknownDeviceFromAWrongSign) {
  const AuthFailure sign = refusal(wrong());
  const AuthFailure device = refusal({.user_name = "nobody&pk"});
  const AuthFailure product = refusal({.user_name = "device&nowhere"});
  for (const AuthFailure& failure : {sign, device, product}) {
    EXPECT_EQ(failure.code, ReasonCode::kBadUserNameOrPassword);
    EXPECT_EQ(failure.peer_sentence, sign.peer_sentence);
  }
  EXPECT_EQ(sign.log_cause, "wrong sign");
  EXPECT_EQ(device.log_cause, "unknown device");
  EXPECT_EQ(product.log_cause, "unknown product");
  EXPECT_EQ(device.name, "pk/nobody");
}

TEST_F(AuthenticatorTest, TheDummySecretOpensNothing) {
  const auto made = make_connect_credentials({.product_key = "pk",
                                              .device_name = "nobody",
                                              .device_secret = "0123456789abcdefghijklmnopqrstuv",
                                              .client_id = {},
                                              .timestamp = {},
                                              .extra = {}});
  EXPECT_EQ(refusal({made.client_id, made.user_name, made.password}).log_cause, "unknown device");
}

TEST_F(AuthenticatorTest, ADisabledDeviceIs87OnlyForWhoHoldsItsSecret) {
  ASSERT_TRUE(db().set_device_enabled("pk", "device", false).ok());
  apply();
  EXPECT_EQ(refusal({}).code, ReasonCode::kNotAuthorized);
  EXPECT_EQ(refusal({}).log_cause, "device is disabled");
  EXPECT_EQ(refusal(wrong()).code, ReasonCode::kBadUserNameOrPassword);
  ASSERT_TRUE(db().set_device_enabled("pk", "device", true).ok());
  apply();
  EXPECT_TRUE(connect({}).ok());
}

TEST_F(AuthenticatorTest, ADeletedDeviceIsUnknownAtOnce) {
  ASSERT_TRUE(db().delete_device("pk", "device").ok());
  apply();
  EXPECT_EQ(refusal({}).code, ReasonCode::kBadUserNameOrPassword);
}

TEST_F(AuthenticatorTest, AProductMayDemandTls) {
  auto product = *db().product("pk");
  product->transport = TransportRule::kTlsOnly;
  ASSERT_TRUE(db().update_product(*product).ok());
  apply();
  EXPECT_EQ(refusal({}).code, ReasonCode::kNotAuthorized);
  EXPECT_TRUE(connect({.security = TransportSecurity::kTls}).ok());
}

TEST_F(AuthenticatorTest, AProductMayDemandTheRightSecureMode) {
  auto product = *db().product("pk");
  product->transport = TransportRule::kSecureModeMatches;
  ASSERT_TRUE(db().update_product(*product).ok());
  apply();
  EXPECT_TRUE(connect({}).ok());
  EXPECT_EQ(refusal({.security = TransportSecurity::kTls}).code, ReasonCode::kNotAuthorized);
}

TEST_F(AuthenticatorTest, OtherAuthenticationFlowsAreRefusedByName) {
  const AuthFailure failure =
      refusal({.client_id = "d|authType=register,random=1,securemode=2,signmethod=hmacsha1|"});
  EXPECT_EQ(failure.code, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(failure.log_cause, "authType=register is not offered");
  EXPECT_TRUE(
      connect({.client_id = "12345|authtype=custom-ilop,signmethod=hmacsha1,timestamp=789|"}).ok());
}

TEST_F(AuthenticatorTest, AcceptsAnApplicationWithItsPermissions) {
  add_app();
  for (int i = 0; i < 2; ++i) {  // the second time from the cache
    auto outcome = connect({"any|thing", "backend", "P"});
    ASSERT_TRUE(outcome.ok());
    Identity& identity = outcome.identity();
    EXPECT_EQ(identity.kind, Identity::Kind::kApplication);
    EXPECT_EQ(identity.session_key, std::string("a\0backend\0any|thing", 19));
    EXPECT_EQ(identity.profile, ProfileKind::kStandard);
    EXPECT_TRUE(identity.policy->may_publish("a/b"));
    EXPECT_FALSE(identity.policy->may_publish("b"));
  }
  EXPECT_EQ(refusal({"x", "backend", "Q"}).code, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(refusal({"x", "backend", std::nullopt}).code, ReasonCode::kBadUserNameOrPassword);
  EXPECT_EQ(refusal({"x", "nobody", "P"}).peer_sentence,
            refusal({"x", "backend", "Q"}).peer_sentence);
}

TEST_F(AuthenticatorTest, ANewPasswordEndsTheOldOneDespiteTheCache) {
  add_app();
  ASSERT_TRUE(connect({"x", "backend", "P"}).ok());
  auto changed = make_app("backend", "Q", {});
  ASSERT_TRUE(db().update_app(*changed).ok());
  apply();
  EXPECT_FALSE(connect({"x", "backend", "P"}).ok());
  EXPECT_TRUE(connect({"x", "backend", "Q"}).ok());
}

TEST_F(AuthenticatorTest, ADisabledApplicationIs87) {
  add_app();
  auto app = *db().app("backend");
  app->enabled = false;
  ASSERT_TRUE(db().update_app(*app).ok());
  apply();
  EXPECT_EQ(refusal({"x", "backend", "P"}).code, ReasonCode::kNotAuthorized);
}

TEST_F(AuthenticatorTest, AnonymousIsForThoseWhoDoNotLookLikeADevice) {
  use({.anonymous = AnonymousAccess::kAllowed});
  add_app();
  auto nameless = connect({"c1", std::nullopt, std::nullopt});
  ASSERT_TRUE(nameless.ok());
  EXPECT_EQ(nameless.identity().kind, Identity::Kind::kAnonymous);
  EXPECT_EQ(nameless.identity().session_key, std::string("c\0c1", 4));
  EXPECT_EQ(nameless.identity().profile, ProfileKind::kStandard);
  EXPECT_TRUE(connect({"c1", "somebody", "x"}).ok());
  EXPECT_FALSE(connect(wrong()).ok());
  EXPECT_FALSE(connect({"c1", "backend", "wrong"}).ok());
}

TEST_F(AuthenticatorTest, SessionKeysOfTheKindsNeverCollide) {
  EXPECT_NE(device_session_key("a", "b"), application_session_key("a", "b"));
  EXPECT_NE(anonymous_session_key(std::string("a\0b", 3)), application_session_key("a", "b"));
  Identity identity;
  identity.kind = Identity::Kind::kAnonymous;
  assign_client_id(identity, "auto-1");
  EXPECT_EQ(identity.session_key, anonymous_session_key("auto-1"));
  EXPECT_EQ(identity.name, "auto-1");
}

TEST_F(AuthenticatorTest, TooManyFailuresAre9FButTheRightSignIsAlwaysAccepted) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(refusal(wrong()).code, ReasonCode::kBadUserNameOrPassword) << i;
  }
  EXPECT_EQ(refusal(wrong()).code, ReasonCode::kConnectionRateExceeded);
  EXPECT_TRUE(connect({}).ok());
}

TEST_F(AuthenticatorTest, AnApplicationThatFailedTooOftenIsRefusedUnseenForAWhile) {
  add_app();
  const Client guess{"c1", "backend", "wrong"};
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(refusal(guess).code, ReasonCode::kBadUserNameOrPassword) << i;
  }
  EXPECT_EQ(refusal({"c1", "backend", "P"}).code, ReasonCode::kConnectionRateExceeded);
  EXPECT_TRUE(connect({"c1", "backend", "P"}, kNow + 60s).ok());
}

TEST_F(AuthenticatorTest, FailuresElsewhereDoNotLockADeviceOut) {
  for (int i = 0; i < 50; ++i) refusal(wrong("device&pk", "198.51.100.7"));
  EXPECT_TRUE(connect({}).ok());
}

TEST_F(AuthenticatorTest, AHealthyDeviceBehindTheAddressOfOthersGetsIn) {
  for (int i = 0; i < 50; ++i) refusal(wrong("guess" + std::to_string(i) + "&pk"));
  EXPECT_TRUE(connect({}).ok());
  // Over the source's budget the answer is the same for a known and an unknown name.
  EXPECT_EQ(refusal(wrong("fresh&pk")).code, ReasonCode::kConnectionRateExceeded);
  EXPECT_EQ(refusal(wrong("device&pk")).code, ReasonCode::kConnectionRateExceeded);
  EXPECT_TRUE(connect({}).ok());
}

TEST_F(AuthenticatorTest, SuccessCostsNothing) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(connect({}).ok());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(refusal(wrong()).code, ReasonCode::kBadUserNameOrPassword);
  }
}

TEST_F(AuthenticatorTest, WhatIsNoGuessIsNotCounted) {
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(refusal({.client_id = "x|"}).code, ReasonCode::kClientIdentifierNotValid);
    EXPECT_EQ(refusal({.user_name = "&pk"}).code, ReasonCode::kBadUserNameOrPassword);
  }
  EXPECT_TRUE(connect({}).ok());
}

TEST_F(AuthenticatorTest, LoopbackIsNotCountedUnlessToldSo) {
  auto guess = [this](const std::string& source) {
    for (int i = 0; i < 12; ++i) refusal(wrong("device&pk", source));
    return refusal(wrong("device&pk", source)).code;
  };
  for (const char* source : {"127.0.0.1", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(guess(source), ReasonCode::kBadUserNameOrPassword) << source;
  }
  use({.loopback = LoopbackBudget::kCounted});
  EXPECT_EQ(guess("127.0.0.1"), ReasonCode::kConnectionRateExceeded);
}

TEST_F(AuthenticatorTest, TheBudgetCanBeSwitchedOff) {
  use({.failures_per_minute_max = 0});
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(refusal(wrong()).code, ReasonCode::kBadUserNameOrPassword);
  }
}

TEST_F(AuthenticatorTest, AnswersSeveralThreadsWhileTheRegistryChanges) {
  add_app();
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 30; ++i) {
        connect({});
        connect(wrong("device&pk", "192.0.2." + std::to_string(10 + t)));
        EXPECT_TRUE(connect({"x", "backend", "P"}).ok());
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(db().set_device_enabled("pk", "device", i % 2 == 1).ok());
    EXPECT_TRUE(registry_->apply_changes().ok());
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(connect({}).ok());
}

}  // namespace
}  // namespace fairlead
