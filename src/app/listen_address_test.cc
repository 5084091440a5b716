#include "app/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fairlead {
namespace {

using testing::HasSubstr;

TEST(HostPort, TakesWhatPeopleWrite) {
  const struct {
    const char* text;
    const char* host;
    uint16_t port;
  } cases[] = {{"127.0.0.1:8443", "127.0.0.1", 8443},
               {"[::1]:8443", "::1", 8443},
               {":443", "", 443},
               {"localhost:0", "localhost", 0},
               {"0.0.0.0:65535", "0.0.0.0", 65535},
               {"[fe80::1%eth0]:1", "fe80::1%eth0", 1}};
  for (const auto& c : cases) {
    auto parsed = parse_host_port(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(parsed->host, c.host) << c.text;
    EXPECT_EQ(parsed->port, c.port) << c.text;
  }
}

TEST(HostPort, RefusesTheRestAndShowsHowToWriteIt) {
  for (const char* text : {"", "8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "h:65536", "h:-1",
                           "h:+1", "::1:8443", "[::1]", "[::1", "[127.0.0.1]:80", "h:80 "}) {
    auto parsed = parse_host_port(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().sentence, HasSubstr("as in 127.0.0.1:8443")) << text;
  }
}

TEST(Listen, TakesEveryProtocolUnlessToldWhich) {
  auto all = parse_listen("127.0.0.1:8443");
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_EQ(all->front().address.text(), "127.0.0.1:8443");
  EXPECT_TRUE(all->front().protocols.ws && all->front().protocols.mqtts);

  auto some = parse_listen("127.0.0.1:1883/mqtt,wss");
  ASSERT_TRUE(some);
  const ListenerProtocols& protocols = some->front().protocols;
  EXPECT_TRUE(protocols.mqtt && protocols.wss);
  EXPECT_FALSE(protocols.mqtts || protocols.ws);
}

TEST(Listen, CheckAsksForNoName) {
  EXPECT_TRUE(check_listen("name.invalid:8443/ws"));
  EXPECT_FALSE(check_listen("8443"));
  EXPECT_FALSE(check_listen(":8443/http"));
}

TEST(Listen, NamesTheProtocolThatIsNone) {
  for (const char* text : {"127.0.0.1:1/http", "127.0.0.1:1/", "127.0.0.1:1/mqtt,"}) {
    auto parsed = parse_listen(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().sentence, HasSubstr("choose from mqtt, mqtts, ws, wss")) << text;
  }
}

TEST(Listen, EveryAddressMeansIpv4AndIpv6WhereThereIsIpv6) {
  auto parsed = parse_listen(":8443");
  ASSERT_TRUE(parsed);
  ASSERT_FALSE(parsed->empty());
  EXPECT_EQ(parsed->front().address.text(), "0.0.0.0:8443");
  for (const ListenerOptions& listener : *parsed) EXPECT_TRUE(listener.address.is_any());
}

TEST(Listen, LocalhostIsLoopback) {
  auto parsed = parse_listen("localhost:8443");
  ASSERT_TRUE(parsed);
  for (const ListenerOptions& listener : *parsed) EXPECT_TRUE(listener.address.is_loopback());
}

}  // namespace
}  // namespace fairlead
