#include "conformance/fixture.h"

// One port, four protocols (DESIGN section 2): what the first bytes decide, HTTP on the device
// port, the WebSocket upgrade, names and addresses.

namespace fairlead::testing {
namespace {

// Sends `request` to the device port and reads to the end of what it answers.
std::string http(const SocketAddress& address, Transport transport, std::string_view request) {
  Wire wire(address, transport);
  wire.send_plain(as_bytes(request));
  while (wire.fill()) {
  }
  return std::string(as_text(wire.stream().view()));
}

class OnePortHttp : public ::testing::TestWithParam<Transport> {
 protected:
  [[nodiscard]] std::string http(std::string_view request) {
    return testing::http(shared_server().address(), GetParam(), request);
  }
};
INSTANTIATE_TEST_SUITE_P(All, OnePortHttp, ::testing::Values(Transport::kTcp, Transport::kTls),
                         [](const auto& param) {
                           return std::string(transport_name(param.param));
                         });

TEST_P(OnePortHttp, HealthzAnswers200) {
  const std::string answer = http("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nok\n")) << answer;
  const std::string head = http("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 200 ")) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
}

TEST_P(OnePortHttp, PlainRequestIsToldToUpgrade) {
  for (std::string_view request :
       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    const std::string answer = http(request);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 426 ")) << answer;
    EXPECT_NE(answer.find("Upgrade: websocket"), std::string::npos) << answer;
  }
}

TEST_P(OnePortHttp, RefusalsHaveStatusAndSentence) {
  const struct {
    std::string_view request, status;
  } cases[] = {
      {"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
       "Sec-WebSocket-Protocol: amqp\r\n\r\n",
       "400"},
      {"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
       "426"},
      {"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
       "400"},
      {"POST /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
       "405"},
      {"GET /mqtt HTTP/1.1\r\n\r\n", "400"},  // no Host
      {"GET / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n", "400"},
      {"GET / FTP/1.1\r\nHost: x\r\n\r\n", "400"},
  };
  for (const auto& c : cases) {
    const std::string answer = http(c.request);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::string(c.status) + " "))
        << c.request << answer;
    const std::size_t body = answer.find("\r\n\r\n");
    ASSERT_NE(body, std::string::npos);
    EXPECT_GT(answer.size(), body + 20) << "no sentence";
  }
}

TEST_P(OnePortHttp, HeadOverItsLimitIs431) {
  const std::string answer =
      http("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 431 ")) << answer.substr(0, 100);
}

TEST_P(OnePortHttp, UnknownFirstByteIsClosed) {
  for (std::string_view bytes : {std::string_view("\x00\x01\x02", 3), std::string_view("\xff\xff"),
                                 std::string_view("hello\r\n"), std::string_view("\x30\x03\x00")}) {
    EXPECT_EQ(http(bytes), "");
  }
}

// The first byte of an MQTT PUBREC is a P, and could yet become a POST; the second one could not.
TEST_P(OnePortHttp, PubrecIsRefusedAtOnce) {
  const std::string answer = http(std::string_view("\x50\x02\x00\x01", 4));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
}

class OnePortWs : public ::testing::TestWithParam<Transport> {
 protected:
  TestServer& server_ = shared_server();
};
INSTANTIATE_TEST_SUITE_P(All, OnePortWs, ::testing::Values(Transport::kWs, Transport::kWss),
                         [](const auto& param) {
                           return std::string(transport_name(param.param));
                         });

TEST_P(OnePortWs, AnyPathIsTaken) {
  for (std::string_view path : {"/", "/mqtt", "/a/b/c?x=1&y=%20", "/healthz", "//"}) {
    TestClient client(server_, GetParam(), ProtocolVersion::k311, {.path = std::string(path)});
    client.connect(unique("c"));
  }
}

TEST_P(OnePortWs, OfferedSubprotocolIsEchoed) {
  for (std::string_view name : {"mqtt", "mqttv3.1", "mqttv3.1.1"}) {
    TestClient client(server_, GetParam(), ProtocolVersion::k311,
                      {.subprotocol = std::string(name)});
    EXPECT_EQ(client.wire().subprotocol(), name);
    client.connect(unique("c"));
  }
}

TEST_P(OnePortWs, MqttV31IsSpokenUnderItsOwnName) {
  TestClient client(server_, GetParam(), ProtocolVersion::k31, {.subprotocol = "mqttv3.1"});
  client.connect(unique("c"));
}

TEST_P(OnePortWs, NoSubprotocolIsTakenToo) {
  TestClient client(server_, GetParam(), ProtocolVersion::k311, {.subprotocol = ""});
  EXPECT_EQ(client.wire().subprotocol(), "");
  client.connect(unique("c"));
}

TEST_P(OnePortWs, ExtensionsAreDeclined) {
  const HeaderLine deflate[] = {{"Sec-WebSocket-Extensions", "permessage-deflate"},
                                {"Origin", "https://elsewhere.example"}};
  TestClient client(server_, GetParam(), ProtocolVersion::k311,
                    {.headers = {std::begin(deflate), std::end(deflate)}});
  client.connect(unique("c"));
}

TEST_P(OnePortWs, RFC6455_5_5_2_PingIsAnsweredWithItsPayload) {
  TestClient client(server_, GetParam());
  client.connect(unique("c"));
  client.wire().send_frame(Opcode::kPing, as_bytes("beat"));
  client.ping();
  client.expect("PINGRESP");
  EXPECT_EQ(client.wire().pongs(), std::vector<std::string>{"beat"});
}

TEST_P(OnePortWs, RFC6455_5_5_1_CloseIsAnsweredWithTheSameCode) {
  TestClient client(server_, GetParam());
  client.connect(unique("c"));
  ByteBuffer frame;
  append_close(frame, CloseCode::kGoingAway, "bye", MaskKey{});
  client.wire().send_plain(frame.view());
  EXPECT_EQ(client.close_code(), 1001);
}

TEST_P(OnePortWs, MQTT_6_0_0_2_PacketsMaySpanFramesAndShareThem) {
  TestClient client(server_, GetParam());
  ByteBuffer both;
  mqtt::write(both, client.hello(unique("c")));
  mqtt::write(both, mqtt::PingreqPacket{});
  mqtt::write(both, mqtt::PingreqPacket{});
  const Bytes bytes = both.view();
  client.wire().send_frame(Opcode::kBinary, bytes.first(5), Fragment::kMoreFollow);
  client.wire().send_frame(Opcode::kPing, as_bytes("x"));
  client.wire().send_frame(Opcode::kContinuation, bytes.subspan(5, 4));
  client.wire().send_frame(Opcode::kBinary, {});
  client.wire().send_frame(Opcode::kBinary, bytes.subspan(9, 4));
  client.wire().send_frame(Opcode::kBinary, bytes.subspan(13));
  client.expect("CONNACK 0");
  client.expect("PINGRESP");
  client.expect("PINGRESP");
}

class OnePort : public ConformanceTest {};
FL_ONLY(OnePort, ProtocolVersion::k311);

TEST_P(OnePort, Ipv6ListensAsIpv4Does) {
  TestClient client(server().address6(), transport());
  client.connect(unique("c"));
}

// `wss://<productKey>.anything:443` style hosts: the name chooses the certificate and nothing else.
TEST_P(OnePort, HostWithTheProductKeyInAnyCase) {
  for (std::string_view host : {"pk.fairlead.test", "PK.Fairlead.TEST", "a1b2c3.fairlead.test"}) {
    TestClient client(server(), transport(), version(), {.host = std::string(host)});
    client.connect(client.device_hello({.name = "device"}));
  }
}

TEST_P(OnePort, UnknownHostGetsTheDefaultCertificate) {
  TestClient client(server(), transport(), version(),
                    {.host = "pk.iot-as-mqtt.cn-shanghai.example", .tls = careless_client_tls()});
  client.connect(unique("c"));
}

TEST(OnePortListener, ProtocolsThatAreNotAllowedAreRefused) {
  TestServer server({.shard_count = 1, .adjust = [](ServerOptions& options) {
                       ListenerOptions only = options.listeners[0];
                       options.listeners.clear();
                       only.protocols = {.mqtt = true, .mqtts = false, .ws = false, .wss = false};
                       options.listeners.push_back(only);
                       only.protocols = {.mqtt = false, .mqtts = true, .ws = false, .wss = false};
                       options.listeners.push_back(only);
                       only.protocols = {.mqtt = false, .mqtts = false, .ws = true, .wss = false};
                       options.listeners.push_back(only);
                       only.protocols = {.mqtt = false, .mqtts = false, .ws = false, .wss = true};
                       options.listeners.push_back(only);
                     }});
  for (std::size_t listener = 0; listener < 4; ++listener) {
    for (std::size_t i = 0; i < kAllTransports.size(); ++i) {
      SCOPED_TRACE(::testing::Message() << "listener " << listener << " transport " << i);
      auto attempt = [&] {
        TestClient client(server.address(listener), kAllTransports[i]);
        client.connect(unique("c"));
      };
      if (listener == i) {
        EXPECT_NO_THROW(attempt());
      } else {
        EXPECT_THROW(attempt(), TestFailure);
      }
    }
  }
}

TEST(OnePortListener, WithoutCertificatesTlsIsRefusedAndTheRestWorks) {
  TestServer server({.shard_count = 1, .adjust = [](ServerOptions& o) { o.tls = nullptr; }});
  EXPECT_THROW(TestClient(server, Transport::kTls), TestFailure);
  TestClient client(server, Transport::kWs);
  client.connect(unique("c"));
}

TEST(OnePortListener, NewCertificatesServeNewConnectionsOnly) {
  TestServer server({.shard_count = 2});
  TestClient before(server, Transport::kWss);
  before.connect(unique("c"));
  server.engine().set_tls(test_server_tls());
  TestClient after(server, Transport::kWss);
  after.connect(unique("c"));
  before.ping();
  before.expect("PINGRESP");
}

TEST(OnePortListener, Tls12IsSpokenToo) {
  auto context =
      TlsContext::client({.ca_file = test_certificates().ca_certificate, .tls12_only = true});
  ASSERT_TRUE(context);
  TestClient client(shared_server(), Transport::kWss, ProtocolVersion::k311, {.tls = *context});
  EXPECT_EQ(client.wire().tls()->version(), "TLSv1.2");
  client.connect(unique("c"));
}

}  // namespace
}  // namespace fairlead::testing
