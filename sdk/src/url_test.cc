#include "url.h"

#include <gtest/gtest.h>

namespace fairlead::sdk {
namespace {

TEST(Url, KnowsTheFourSchemesAndTheirAliasesAndPorts) {
  struct Case {
    std::string text;
    Scheme scheme;
    uint16_t port;
  };
  const std::vector<Case> cases{
      {"mqtt://h", Scheme::kMqtt, 1883},   {"tcp://h", Scheme::kMqtt, 1883},
      {"mqtts://h", Scheme::kMqtts, 8883}, {"ssl://h", Scheme::kMqtts, 8883},
      {"tls://h", Scheme::kMqtts, 8883},   {"ws://h", Scheme::kWs, 80},
      {"WSS://h", Scheme::kWss, 443},      {"wss://h:8443", Scheme::kWss, 8443}};
  for (const Case& c : cases) {
    const auto url = parse_url(c.text);
    ASSERT_TRUE(url) << c.text;
    EXPECT_EQ(url->scheme, c.scheme) << c.text;
    EXPECT_EQ(url->port, c.port) << c.text;
    EXPECT_EQ(url->host, "h");
  }
}

TEST(Url, KeepsPathAndQueryAndDefaultsToMqtt) {
  EXPECT_EQ(parse_url("ws://h")->path, "/mqtt");
  EXPECT_EQ(parse_url("ws://h/")->path, "/");
  EXPECT_EQ(parse_url("ws://h:1/a/b?c=d")->path, "/a/b?c=d");
  EXPECT_EQ(parse_url("ws://h?c=d")->path, "/?c=d");
}

TEST(Url, TakesBracketsOffAnIpv6AddressAndPutsThemBack) {
  const auto url = parse_url("wss://[::1]:8443/mqtt");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "::1");
  EXPECT_EQ(url->authority(), "[::1]:8443");
  EXPECT_EQ(parse_url("wss://[::1]")->authority(), "[::1]");
  EXPECT_EQ(parse_url("ws://h:80")->authority(), "h");
}

TEST(Url, RefusesWhatIsNoUrlOfAServer) {
  for (const std::string text :
       {"", "h:1883", "http://h", "mqtt://", "mqtt://:1883", "mqtt://h:", "mqtt://h:0",
        "mqtt://h:65536", "mqtt://h:1x", "mqtt://[::1", "mqtt://[::1]x", "mqtt://a b",
        "ws://h/a\r\nb", "mqtt://user:secret@h"}) {
    const auto url = parse_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_FALSE(url.error().sentence.empty());
    EXPECT_EQ(url.error().sentence.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace fairlead::sdk
