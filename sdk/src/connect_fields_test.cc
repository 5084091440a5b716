#include "connect_fields.h"

#include <gtest/gtest.h>

namespace fairlead::sdk {
namespace {

Url url_of(std::string_view text) { return *parse_url(text); }

TEST(ConnectFields, SignsTheReferenceDevice) {
  Options options;
  options.device = Device{.product_key = "pk",
                          .device_name = "device",
                          .device_secret = "secret",
                          .client_id = "12345",
                          .timestamp = "789",
                          .method = SignMethod::kHmacSha1};
  const auto over_ws = connect_fields(options, url_of("ws://h"));
  ASSERT_TRUE(over_ws);
  EXPECT_EQ(over_ws->password, "fafd82a3d602b37fb0fa8b7892f24a477f851a14");
  EXPECT_EQ(over_ws->user_name, "device&pk");
  EXPECT_NE(over_ws->client_id.find("securemode=3"), std::string::npos);
  const auto over_wss = connect_fields(options, url_of("wss://h"));
  ASSERT_TRUE(over_wss);
  EXPECT_NE(over_wss->client_id.find("securemode=2"), std::string::npos);
}

TEST(ConnectFields, RefusesOptionsThatCannotWork) {
  const Url url = url_of("mqtt://h");
  const auto refused = [&](auto&& change) {
    Options options;
    change(options);
    return !connect_fields(options, url).ok();
  };
  EXPECT_TRUE(refused([](Options& o) { o.session = SessionMode::kPersistent; }));
  EXPECT_TRUE(refused([](Options& o) { o.version = Version::k31; }));
  EXPECT_TRUE(refused([](Options& o) { o.password = "p"; }));
  EXPECT_TRUE(refused([](Options& o) { o.keep_alive = std::chrono::seconds{70'000}; }));
  EXPECT_TRUE(refused([](Options& o) { o.will = Will{.topic = "a/#"}; }));
  EXPECT_TRUE(refused([](Options& o) { o.client_id = std::string(70'000, 'c'); }));
  EXPECT_TRUE(refused([](Options& o) { o.device = Device{.product_key = "pk"}; }));
  EXPECT_TRUE(refused([](Options& o) {
    o.device = Device{.product_key = "pk", .device_name = "d", .device_secret = "s"};
    o.client_id = "c";
  }));
  EXPECT_FALSE(refused([](Options&) {}));
}

}  // namespace
}  // namespace fairlead::sdk
