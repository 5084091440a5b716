#include "conformance/fixture.h"

// Bad input: each kind gets its code or status, and no other session is disturbed.

namespace fairlead::testing {
namespace {

class BadInput : public ConformanceTest {
 protected:
  // A session that is in the middle of its life, and must not notice anything.
  void SetUp() override {
    topic_ = unique("bystander");
    id_ = unique("bystander");
    bystander_ = std::make_unique<TestClient>(connected(id_));
    bystander_->subscribe(topic_, kQos1);
  }
  void TearDown() override {
    if (HasFatalFailure()) return;
    TestClient publisher = connected();
    publisher.publish(topic_, "still here", kQos1);
    bystander_->expect_receive("PUBLISH " + topic_ + " still here q1");
  }
  std::string topic_;
  std::string id_;
  std::unique_ptr<TestClient> bystander_;
};
FL_EVERY_VERSION(BadInput);

TEST_P(BadInput, FailedConnectWithSomebodysClientIdDisturbsNobody) {
  // An application's password is wrong; the client identifier is that of a live session.
  TestClient wrong = client();
  mqtt::ConnectPacket hello = wrong.app_hello("backend", id_);
  hello.password = as_bytes("wrong");
  wrong.send(hello);
  wrong.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  wrong.expect_closed();

  TestClient app = client();
  app.connect(app.app_hello("backend", id_));  // another name space: no take-over either
  app.subscribe(topic_ + "/app", kQos1);
  TestClient again = client();
  hello = again.app_hello("backend", id_);
  hello.password = as_bytes("wrong");
  again.send(hello);
  again.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  app.ping();
  app.expect("PINGRESP");
}

TEST_P(BadInput, WrongSignForALiveDeviceDisturbsNobody) {
  TestClient device = client();
  device.connect(device.device_hello({.name = "d9"}));
  TestClient wrong = client();
  wrong.send(wrong.device_hello({.name = "d9", .secret = "guessed"}));
  wrong.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  wrong.expect_closed();
  device.ping();
  device.expect("PINGRESP");
}

TEST_P(BadInput, UnknownDeviceAndProductLookLikeAWrongSign) {
  for (const TestDevice& device :
       {TestDevice{.name = "nobody"}, TestDevice{.product_key = "nothing", .name = "d1"}}) {
    TestClient client = this->client();
    client.send(client.device_hello(device));
    client.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
    client.expect_closed();
  }
}

TEST_P(BadInput, MalformedClientIdIsTwo) {
  for (const std::string& id :
       {std::string("12345|securemode=x|"), std::string("12345|signmethod=rot13|"),
        std::string("12345|securemode=3"), std::string(65, 'x') + "|securemode=3|"}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.device_hello({.name = "d1"});
    hello.client_id = id;
    client.send(hello);
    client.expect(is_v5() ? "CONNACK 0x85" : "CONNACK 2");
    client.expect_closed();
  }
}

TEST_P(BadInput, MalformedUserNameIsFour) {
  for (std::string_view user : {"&pk", "d1&"}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.device_hello({.name = "d1"});
    hello.user_name = user;
    client.send(hello);
    client.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  }
}

TEST_P(BadInput, ConnectWithoutPasswordIsFour) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.device_hello({.name = "d1"});
  hello.password.reset();
  client.send(hello);
  client.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
}

TEST_P(BadInput, TruncatedConnectThenTheEnd) {
  TestClient client = this->client();
  ByteBuffer hello;
  mqtt::write(hello, client.hello(unique("c")));
  client.wire().send(hello.view().first(hello.size() - 3));
  client.wire().reset();
}

TEST_P(BadInput, ConnectShorterThanItsContents) {
  TestClient client = this->client();
  ByteBuffer hello;
  mqtt::write(hello, client.hello(unique("c")));
  hello.data()[1] = std::byte{8};  // remaining length: the client id is cut off
  client.wire().send(hello.view());
  const std::string line = client.next();
  EXPECT_EQ(line, is_v5() ? "CONNACK 0x81" : "CLOSED");
}

TEST_P(BadInput, ConnectLongerThanItsContents) {
  TestClient client = this->client();
  ByteBuffer hello;
  mqtt::write(hello, client.hello(unique("c")));
  hello.data()[1] = static_cast<std::byte>(std::to_integer<int>(hello.data()[1]) + 2);
  hello.append(std::string_view("zz"));
  client.wire().send(hello.view());
  const std::string line = client.next();
  EXPECT_EQ(line, is_v5() ? "CONNACK 0x81" : "CLOSED");
}

TEST_P(BadInput, HugeConnectIsRefusedBeforeItArrives) {
  TestClient client = this->client();
  client.send_bytes("\x10\xff\xff\xff\x7f");  // 256 MB are announced
  const std::string line = client.next();
  EXPECT_TRUE(line == "CLOSED" || line == "CONNACK 0x95") << line;
}

TEST_P(BadInput, RemainingLengthOfFiveBytesIsClosed) {
  TestClient client = connected();
  client.send_bytes("\x30\xff\xff\xff\xff\x01");
  client.expect_disconnect(ReasonCode::kMalformedPacket);
}

TEST_P(BadInput, ReservedPacketTypesAreClosed) {
  TestClient zero = connected();
  zero.send_bytes(std::string("\x00\x00", 2));
  zero.expect_disconnect(ReasonCode::kMalformedPacket);
  if (!is_v5()) {
    TestClient fifteen = connected();
    fifteen.send_bytes(std::string("\xf0\x00", 2));
    fifteen.expect_closed();
  }
}

TEST_P(BadInput, PacketsOnlyAServerSendsAreClosed) {
  for (std::string_view bytes :
       {std::string_view("\x20\x02\x00\x00", 4), std::string_view("\xd0\x00", 2)}) {
    TestClient client = connected();
    client.send_bytes(bytes);
    const std::string line = client.next();
    EXPECT_TRUE(line == "CLOSED" || line == "DISCONNECT 0x82" || line == "DISCONNECT 0x81") << line;
  }
}

TEST_P(BadInput, TopicThatIsNotUtf8IsClosed) {
  TestClient client = connected();
  client.send_bytes(is_v5() ? std::string("\x30\x06\x00\x02\xc3\x28\x00x", 8)
                            : std::string("\x30\x05\x00\x02\xc3\x28x", 7));
  client.expect_disconnect(ReasonCode::kMalformedPacket);
}

class BadFrames : public BadInput {};
FL_OVER_WEBSOCKET(BadFrames);

TEST_P(BadFrames, TextFramesAreRefusedWith1003) {
  TestClient before = client();
  ByteBuffer hello;
  mqtt::write(hello, before.hello(unique("c")));
  before.wire().send_frame(Opcode::kText, hello.view());
  EXPECT_EQ(before.close_code(), 1003);
  TestClient after = connected();
  after.wire().send_frame(Opcode::kText, as_bytes("hello"));
  EXPECT_EQ(after.close_code(), 1003);
}

TEST_P(BadFrames, UnmaskedFramesAreRefusedWith1002) {
  TestClient client = connected();
  ByteBuffer frame;
  append_frame(frame, Opcode::kBinary, as_bytes(std::string_view("\xc0\x00", 2)));
  client.wire().send_plain(frame.view());
  EXPECT_EQ(client.close_code(), 1002);
}

TEST_P(BadFrames, ReservedBitsAndOpcodesAreRefusedWith1002) {
  for (std::string_view frame : {std::string_view("\xc2\x80zzzz"), std::string_view("\x83\x80zzzz"),
                                 std::string_view("\x09\x80zzzz"),     // a ping in fragments
                                 std::string_view("\x80\x80zzzz")}) {  // continues nothing
    TestClient client = connected();
    client.wire().send_plain(as_bytes(frame));
    EXPECT_EQ(client.close_code(), 1002);
  }
}

TEST_P(BadFrames, MessageOverTheLimitIsRefusedWith1009) {
  TestClient client = connected();
  const std::byte header[] = {std::byte{0x82}, std::byte{0xff}, std::byte{0}, std::byte{0},
                              std::byte{0},    std::byte{0},    std::byte{1}, std::byte{0},
                              std::byte{0},    std::byte{0},    std::byte{1}, std::byte{2},
                              std::byte{3},    std::byte{4}};
  client.wire().send_plain(header);
  EXPECT_EQ(client.close_code(), 1009);
}

class BadRecords : public BadInput {};
FL_OVER_TLS(BadRecords);

TEST_P(BadRecords, BrokenTlsRecordInALiveConnection) {
  TestClient client = connected();
  client.wire().send_socket(as_bytes("\x17\x03\x03 this was never encrypted, was it?"));
  client.wire().finish_sending();
  try {
    client.expect_closed();
  } catch (const TestFailure& alert) {
    EXPECT_NE(std::string(alert.what()).find("TLS"), std::string::npos) << alert.what();
  }
}

TEST_P(BadInput, PeerThatVanishesInTheMiddleOfAPacket) {
  TestClient client = connected();
  client.wire().send(as_bytes(std::string_view("\x30\x20\x00\x05top", 7)));
  client.wire().reset();
}

TEST(TlsGarbage, IsRefusedWithAnAlertAtMost) {
  using namespace std::string_view_literals;
  for (const std::string_view bytes :
       {"\x16\x03\x01\x00\x05garbage that is no hello"sv, "\x16\x03\x01\xff\xff\x01\x00"sv,
        "\x16\x00\x00\x00\x00\x00"sv, "\x16\x03\x01\x40\x00\x01\x10\x00\x00"sv}) {
    Wire wire(shared_server().address(), Transport::kTcp);
    wire.send_socket(as_bytes(bytes));
    while (wire.fill()) {
    }
    EXPECT_LE(wire.stream().size(), 7u);
  }
}

TEST(SuspectLimits, SilentConnectionsAreClosed) {
  TestServer server({.shard_count = 1, .adjust = [](ServerOptions& options) {
                       options.suspect.detect_max = milliseconds(100);
                       options.suspect.tls_handshake_max = milliseconds(100);
                       options.suspect.http_head_max = milliseconds(100);
                       options.suspect.connect_max = milliseconds(100);
                     }});
  const std::string_view beginnings[] = {"", "\x16\x03\x01", "GET / HTTP/1.1\r\n", "\x10\x20"};
  for (const std::string_view beginning : beginnings) {
    Wire wire(server.address(), Transport::kTcp);
    if (!beginning.empty()) wire.send_socket(as_bytes(beginning));
    while (wire.fill()) {
    }
    EXPECT_TRUE(wire.closed());
  }
  TestClient client(server, Transport::kWss);  // upgraded, and no CONNECT
  client.expect_closed();
}

TEST(SuspectLimits, BytesBeforeConnectAreBounded) {
  TestServer server({.shard_count = 1});
  TestClient client(server, Transport::kTcp);
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  const std::string user(40'000, 'u');
  hello.user_name = user;
  client.send(hello);
  client.expect_closed();
}

TEST(FailureBudget, TooManyFailuresOfOneDeviceAreToldApart) {
  TestServer server({.shard_count = 1,
                     .authenticator = {.anonymous = AnonymousAccess::kAllowed,
                                       .failures_per_minute_max = 3,
                                       .loopback = LoopbackBudget::kCounted}});
  auto attempt = [&](std::string_view secret, std::string_view name) {
    TestClient client(server, Transport::kTcp, ProtocolVersion::k5);
    client.send(client.device_hello({.name = std::string(name), .secret = std::string(secret)}));
    return client.next();
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(attempt("guess", "d1"), "CONNACK 0x86");
  EXPECT_EQ(attempt("guess", "d1"), "CONNACK 0x9f");
  EXPECT_EQ(attempt("secret-d1", "d1"), "CONNACK 0");  // it is not locked out
  EXPECT_EQ(attempt("secret-d2", "d2"), "CONNACK 0");
}

}  // namespace
}  // namespace fairlead::testing
