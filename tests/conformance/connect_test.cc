#include "conformance/fixture.h"

// CONNECT, CONNACK and keep alive: MQTT 3.1.1 and 5.0 sections 3.1 and 3.2.

namespace fairlead::testing {
namespace {

class Connect : public ConformanceTest {};
FL_EVERY_VERSION(Connect);

TEST_P(Connect, MQTT_3_1_4_5_AcceptedIsConnackZero) {
  TestClient client = this->client();
  client.send(client.hello(unique("c")));
  client.expect("CONNACK 0");
  if (!is_v5()) {
    // C SDKs demand exactly these bytes.
    EXPECT_EQ(as_text(client.last_bytes()), std::string_view("\x20\x02\x00\x00", 4));
  }
}

TEST_P(Connect, MQTT_3_1_0_1_FirstPacketMustBeConnect) {
  TestClient client = this->client();
  client.send_bytes(std::string("\x10\x00", 2));  // detected as MQTT, but malformed
  client.expect_closed();
}

// Elsewhere the first byte decides what is spoken, and this one is none of MQTT: see OnePort.
class BeforeConnect : public ConformanceTest {};
FL_OVER_WEBSOCKET(BeforeConnect);

TEST_P(BeforeConnect, MQTT_3_1_0_1_PublishBeforeConnectIsClosed) {
  TestClient client = this->client();
  client.send_publish("a", "b");
  client.expect_closed();
}

TEST_P(Connect, MQTT_3_1_0_2_SecondConnectIsClosed) {
  TestClient client = connected();
  client.send(client.hello(unique("c")));
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Connect, MQTT_3_1_2_2_UnknownProtocolLevelIsToldSo) {
  // Nobody knows the form of a later version's CONNACK: 3.1.1's it is.
  TestClient client(server(), transport());
  client.send_bytes(std::string("\x10\x0e\x00\x04MQTT\x09\x02\x00\x3c\x00\x02zz", 16));
  client.expect("CONNACK 1");
  client.expect_closed();
}

TEST_P(Connect, MQTT_3_1_2_1_UnknownProtocolNameIsClosed) {
  TestClient client = this->client();
  client.send_bytes(std::string("\x10\x0e\x00\x04HTTP\x04\x02\x00\x3c\x00\x02zz", 16));
  const std::string line = client.next();
  EXPECT_TRUE(line == "CLOSED" || line.starts_with("CONNACK 1") || line == "CONNACK 0x84") << line;
}

TEST_P(Connect, MQTT_3_1_2_3_ReservedFlagIsRefused) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  ByteBuffer bytes;
  mqtt::write(bytes, hello);
  const std::size_t flags = 2 + 2 + (version() == ProtocolVersion::k31 ? 6 : 4) + 1;
  bytes.data()[flags] |= std::byte{1};
  client.wire().send(bytes.view());
  const std::string line = client.next();
  if (version() == ProtocolVersion::k31) {
    EXPECT_TRUE(line == "CONNACK 0" || line == "CLOSED") << line;  // 3.1: the bit is unused
  } else if (is_v5()) {
    EXPECT_EQ(line, "CONNACK 0x81");
  } else {
    EXPECT_EQ(line, "CLOSED");
  }
}

TEST_P(Connect, MQTT_3_12_4_1_PingIsAnswered) {
  TestClient client = connected();
  for (int i = 0; i < 3; ++i) client.ping();
  for (int i = 0; i < 3; ++i) client.expect("PINGRESP");
}

TEST_P(Connect, MQTT_3_14_4_1_DisconnectIsAnsweredByTheEnd) {
  TestClient client = connected();
  client.disconnect();
  client.expect_closed();
}

class Connect3 : public ConformanceTest {};
FL_ONLY(Connect3, ProtocolVersion::k31, ProtocolVersion::k311);

TEST_P(Connect3, MQTT_3_1_3_8_EmptyClientIdOfAKeptSessionIsRefused) {  // 5.0 assigns one
  TestClient client = this->client();
  client.send(client.hello("", CleanStart::kNo));
  client.expect("CONNACK 2");
  client.expect_closed();
}

TEST_P(Connect, MQTT_3_1_3_6_EmptyClientIdOfACleanSession) {
  TestClient client = this->client();
  client.send(client.hello(""));
  if (version() == ProtocolVersion::k31) {
    client.expect("CONNACK 2");
    client.expect_closed();
    return;
  }
  client.expect("CONNACK 0");
  if (is_v5()) {
    EXPECT_FALSE(client.last_connack().properties.assigned_client_id.value_or("").empty());
  }
  client.ping();
  client.expect("PINGRESP");
}

TEST_P(Connect, MQTT_3_2_2_2_SessionPresentOnlyWhenASessionWasKept) {
  const std::string id = unique("c");
  {
    TestClient first = client();
    first.send(first.hello(id, CleanStart::kNo));
    first.expect("CONNACK 0");
    first.disconnect();
    first.expect_closed();
  }
  {
    TestClient again = client();
    again.send(again.hello(id, CleanStart::kNo));
    // 3.1 has no such flag.
    again.expect(version() == ProtocolVersion::k31 ? "CONNACK 0" : "CONNACK 0 present");
    again.disconnect();
    again.expect_closed();
  }
  TestClient clean = client();
  clean.send(clean.hello(id));
  clean.expect("CONNACK 0");
}

TEST_P(Connect, MQTT_3_1_4_3_SecondClientWithTheIdTakesOver) {
  const std::string id = unique("c");
  TestClient first = connected(id);
  TestClient second = connected(id);
  first.expect_disconnect(ReasonCode::kSessionTakenOver);
  second.ping();
  second.expect("PINGRESP");
}

TEST_P(Connect, BadPasswordOfAnApplicationIsFour) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.app_hello("backend", unique("c"));
  hello.password = as_bytes("wrong");
  client.send(hello);
  client.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  client.expect_closed();
}

class Connect5 : public ConformanceTest {};
FL_ONLY(Connect5, ProtocolVersion::k5);

TEST_P(Connect5, RefusalHasAReasonString) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.app_hello("backend", unique("c"));
  hello.password = as_bytes("wrong");
  client.send(hello);
  client.expect("CONNACK 0x86");
  EXPECT_FALSE(client.last_connack().properties.reason_string.value_or("").empty());
}

// Its CONNACK would have been left out, and the rest sent all the same.
TEST_P(Connect5, WhoHasNoRoomForConnackIsRefusedBeforeItsSessionIsTouched) {
  const std::string id = unique("c");
  TestClient first = this->client();
  first.connect(first.hello(id));
  TestClient second = this->client();
  mqtt::ConnectPacket hello = second.hello(id, CleanStart::kNo);
  hello.properties.maximum_packet_size = 10;
  second.send(hello);
  second.expect("CONNACK 0x95");
  EXPECT_LE(second.last_bytes().size(), 10u);
  second.expect_closed();
  first.ping();
  first.expect("PINGRESP");
}

TEST_P(Connect5, RefusalLeavesOutTheReasonThatDoesNotFit) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.app_hello("backend", unique("c"));
  hello.password = as_bytes("wrong");
  hello.properties.maximum_packet_size = 5;
  client.send(hello);
  client.expect("CONNACK 0x86");
  EXPECT_EQ(client.last_bytes().size(), 5u);
  client.expect_closed();
}

TEST_P(Connect5, ConnackSaysTheLimits) {
  TestClient client = this->client();
  const auto connack = client.connect(client.hello(unique("c")));
  EXPECT_EQ(connack.properties.receive_maximum, 100);
  EXPECT_EQ(connack.properties.maximum_packet_size, 256u << 10);
  EXPECT_EQ(connack.properties.topic_alias_maximum, 100);
  EXPECT_FALSE(connack.properties.maximum_qos);
  EXPECT_TRUE(connack.properties.wildcard_subscription_available.value_or(true));
  EXPECT_TRUE(connack.properties.shared_subscription_available.value_or(true));
  EXPECT_TRUE(connack.properties.retain_available.value_or(true));
}

TEST_P(Connect5, MQTT_3_1_2_21_ServerKeepAliveReplacesOneOutOfRange) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.keep_alive_seconds = 65'000;
  EXPECT_EQ(client.connect(hello).properties.server_keep_alive_seconds, 64'800);
}

TEST_P(Connect5, SessionExpiryOverTheLimitIsAnnounced) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.properties.session_expiry_seconds = 0xffffffff;
  EXPECT_EQ(client.connect(hello).properties.session_expiry_seconds, 7u * 24 * 3600);
}

TEST_P(Connect5, MQTT_4_12_0_1_UnknownAuthenticationMethodIsRefused) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.properties.authentication_method = "SCRAM-SHA-1";
  client.send(hello);
  client.expect("CONNACK 0x8c");
  client.expect_closed();
}

TEST_P(Connect5, MQTT_4_12_AuthWithoutAMethodIsAProtocolError) {
  TestClient client = connected();
  client.send(mqtt::AuthPacket{.reason = ReasonCode::kReauthenticate, .properties = {}});
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Connect5, ExpiryMayNotAppearInDisconnect) {
  TestClient client = connected();  // expiry 0
  mqtt::DisconnectPacket bye;
  bye.properties.session_expiry_seconds = 100;
  client.send(bye);
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Connect5, DisconnectMayEndTheSession) {
  const std::string id = unique("c");
  TestClient first = client();
  first.connect(first.hello(id, CleanStart::kNo));
  mqtt::DisconnectPacket bye;
  bye.properties.session_expiry_seconds = 0;
  first.send(bye);
  first.expect_closed();
  TestClient again = client();
  again.send(again.hello(id, CleanStart::kNo));
  again.expect("CONNACK 0");
}

}  // namespace
}  // namespace fairlead::testing
