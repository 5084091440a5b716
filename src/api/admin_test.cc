#include "api/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>

namespace fairlead {
namespace {

using testing::HasSubstr;

SocketAddress address(const char* ip, uint16_t port) { return *SocketAddress::parse(ip, port); }

TEST(Metrics, EveryCounterHasHelpTypeAndValue) {
  ServerCounters counters;
  counters.connections_now = 3;
  counters.messages_dropped = 18'446'744'073'709'551'615u;
  const std::string text = metrics_text(counters, {});
  EXPECT_THAT(text, HasSubstr("# TYPE fairlead_connections gauge\nfairlead_connections 3\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE fairlead_messages_dropped_total counter\n"
                              "fairlead_messages_dropped_total 18446744073709551615\n"));
  EXPECT_THAT(text, HasSubstr("fairlead_build_info{version=\"" FAIRLEAD_VERSION "\"} 1\n"));
  EXPECT_TRUE(text.ends_with('\n'));
}

TEST(Metrics, EveryCertificateHasItsEnd) {
  using Kind = TlsExpiry::Kind;
  const std::string text = metrics_text(
      {}, {{Kind::kServer, "/etc/a \"b\".pem", "CN=iot.example.com", seconds(1'767'225'600)},
           {Kind::kAuthority, "ca.pem", "CN=Root", seconds(2'000)},
           {Kind::kAuthority, "ca.pem", "CN=Root", seconds(1'000)},
           {Kind::kRevocations, "crl.pem", "CN=Root", seconds(3'000)}});
  EXPECT_THAT(text, HasSubstr("# TYPE fairlead_certificate_expiry_timestamp_seconds gauge\n"));
  EXPECT_THAT(text,
              HasSubstr("fairlead_certificate_expiry_timestamp_seconds{kind=\"server\",file="
                        "\"/etc/a \\\"b\\\".pem\",subject=\"CN=iot.example.com\"} 1767225600\n"));
  EXPECT_THAT(text, HasSubstr("{kind=\"authority\",file=\"ca.pem\",subject=\"CN=Root\"} 1000\n"));
  EXPECT_THAT(text, HasSubstr("{kind=\"crl\",file=\"crl.pem\",subject=\"CN=Root\"} 3000\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr(" 2000\n")));
  EXPECT_THAT(metrics_text({}, {}), testing::Not(HasSubstr("certificate")));
}

TEST(Endpoints, FirstListenerThatTakesAProtocolIsNamed) {
  const ListenerProtocols plain{.mqtt = true, .mqtts = false, .ws = false, .wss = false};
  EXPECT_EQ(endpoints_json({{address("127.0.0.1", 1883), plain}, {address("::1", 8443), {}}}),
            "{\"endpoints\":{\"ws\":\"ws://[::1]:8443\",\"wss\":\"wss://[::1]:8443\","
            "\"mqtt\":\"mqtt://127.0.0.1:1883\",\"mqtts\":\"mqtts://[::1]:8443\"}}\n");
  EXPECT_EQ(endpoints_json({}), "{\"endpoints\":{}}\n");
}

class AdminServerTest : public testing::Test {
 protected:
  AdminServerTest() {
    AdminOptions options;
    options.address = address("127.0.0.1", 0);
    options.endpoints = {{address("0.0.0.0", 8443), {}}};
    options.counters = [] { return ServerCounters{}; };
    options.ready = [this] { return ready_.load(); };
    auto started = AdminServer::start(std::move(options));
    EXPECT_TRUE(started);
    server_ = std::move(*started);
  }
  httplib::Result get(const char* path, const httplib::Headers& headers = {}) {
    return httplib::Client("127.0.0.1", server_->address().port()).Get(path, headers);
  }
  std::atomic<bool> ready_ = true;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, ServesThePageWithAPolicyAndATag) {
  const auto page = get("/");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_THAT(page->get_header_value("Content-Type"), HasSubstr("text/html"));
  EXPECT_THAT(page->get_header_value("Content-Security-Policy"),
              HasSubstr("frame-ancestors 'none'"));
  EXPECT_EQ(page->get_header_value("Cache-Control"), "no-cache");
  const std::string tag = page->get_header_value("ETag");
  ASSERT_FALSE(tag.empty());
  const auto again = get("/", {{"If-None-Match", tag}});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->status, 304);
  EXPECT_TRUE(again->body.empty());
}

TEST_F(AdminServerTest, ReadinessFollowsTheServer) {
  EXPECT_EQ(get("/readyz")->status, 200);
  ready_ = false;
  EXPECT_EQ(get("/readyz")->status, 503);
  EXPECT_EQ(get("/healthz")->status, 200);
}

TEST_F(AdminServerTest, AnswersMetricsAndEndpoints) {
  EXPECT_THAT(get("/metrics")->get_header_value("Content-Type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(get("/config.json")->body, HasSubstr("\"wss\":\"wss://0.0.0.0:8443\""));
}

TEST_F(AdminServerTest, SaysWhatThereIsInsteadOfWhatIsNot) {
  for (const char* path : {"/nothing", "/../etc/passwd", "/index.html/"}) {
    const auto answer = get(path);
    ASSERT_TRUE(answer) << path;
    EXPECT_GE(answer->status, 400) << path;
    EXPECT_FALSE(answer->body.empty()) << path;
  }
  EXPECT_THAT(get("/nothing")->body, HasSubstr("/metrics"));
}

TEST_F(AdminServerTest, RefusesAnAddressThatIsTaken) {
  AdminOptions options;
  options.address = server_->address();
  auto second = AdminServer::start(std::move(options));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ReasonCode::kServerBusy);
  EXPECT_THAT(second.error().sentence, HasSubstr("--admin ADDRESS:PORT"));
}

}  // namespace
}  // namespace fairlead
