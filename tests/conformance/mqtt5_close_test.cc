#include "conformance/fixture.h"
#include "support/raw_packet.h"

// DISCONNECT, AUTH and the handling of errors in MQTT 5.0: sections 3.14, 3.15, 4.12 and 4.13.

namespace fairlead::testing {
namespace {

class Mqtt5Disconnect : public ConformanceTest {};
FL_ONLY(Mqtt5Disconnect, ProtocolVersion::k5);

TEST_P(Mqtt5Disconnect, MQTT_3_14_2_1_EveryReasonCodeOfAClient) {
  for (const unsigned reason : {0x00u, 0x04u, 0x80u, 0x81u, 0x82u, 0x83u, 0x90u, 0x93u, 0x94u,
                                0x95u, 0x96u, 0x97u, 0x98u, 0x99u}) {
    TestClient client = connected();
    client.send_bytes(Raw().u8(reason).packet(0xE0));
    EXPECT_EQ(client.next(), "CLOSED") << reason;  // without an answer
  }
}

TEST_P(Mqtt5Disconnect, MQTT_3_14_2_1_ReasonCodesOfAServerOrOfNobody) {
  for (unsigned reason = 1; reason < 256; ++reason) {
    const bool of_server = (reason >= 0x87 && reason <= 0x8F) || (reason >= 0x9A && reason <= 0xA2);
    const bool of_nobody = reason == 0x01 || reason == 0x03 || reason == 0x10 || reason == 0x18 ||
                           reason == 0x7F || reason == 0x84 || reason == 0x91 || reason == 0x92 ||
                           reason == 0xA3 || reason == 0xFF;
    if (!of_server && !of_nobody) continue;
    SCOPED_TRACE(reason);
    TestClient client = connected();
    client.send_bytes(Raw().u8(reason).packet(0xE0));
    client.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(Mqtt5Disconnect, MQTT_3_14_2_1_EveryFormOfDisconnect) {
  const std::string id = unique("c");
  TestClient watch = connected();
  watch.subscribe(id, kQos0);
  for (const std::string& packet :
       {Raw().packet(0xE0), Raw().u8(0).packet(0xE0), Raw().u8(0).properties().packet(0xE0),
        Raw()
            .u8(0)
            .properties(Raw().u8(0x1F).text("bye").u8(0x26).text("a").text("b").str())
            .packet(0xE0)}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(id);
    hello.will = mqtt::Will{.topic = id, .payload = as_bytes("will"), .properties = {}};
    client.connect(hello);
    client.send_bytes(packet);
    client.expect_closed();
  }
  watch.expect_silence(server());  // all of them are normal
}

TEST_P(Mqtt5Disconnect, MQTT_3_14_4_1_NothingIsTakenAfterDisconnect) {
  const std::string topic = unique("t");
  TestClient watch = connected();
  watch.subscribe(topic, kQos1);
  TestClient client = connected();
  client.send_bytes(Raw().packet(0xE0) + Raw().text(topic).properties().bytes("x").packet(0x30) +
                    Raw().packet(0xC0));
  client.expect_closed();
  watch.expect_silence(server());
}

TEST_P(Mqtt5Disconnect, MQTT_3_14_4_1_NothingIsSentAfterTheServersDisconnect) {
  TestClient client = connected();
  // Behind the error stand packets that would have answers.
  client.send_bytes(Raw().text("a/#").properties().packet(0x30) + Raw().packet(0xC0) +
                    Raw().text("t").u16(1).properties().packet(0x32));
  client.expect("DISCONNECT 0x90");
  client.expect_closed();  // MQTT-3.14.4-2
}

TEST_P(Mqtt5Disconnect, MQTT_3_14_2_2_ServersDisconnectHasNoExpiry) {
  const std::string id = unique("c");
  TestClient first = client();
  first.connect(first.hello(id, CleanStart::kNo));
  TestClient second = connected(id);
  first.expect("DISCONNECT 0x8e");
  EXPECT_FALSE(first.last_disconnect().properties.session_expiry_seconds);
}

TEST_P(Mqtt5Disconnect, MQTT_3_14_0_1_NoDisconnectBeforeConnack) {
  for (const std::string& first :
       {Raw().text("t").properties().packet(0x30), Raw().packet(0xC0), Raw().packet(0xE0),
        Raw().u16(1).properties().text("t").u8(0).packet(0x82),
        Raw().u8(0x19).properties(Raw().u8(0x15).text("m").str()).packet(0xF0)}) {
    TestClient client = this->client();
    client.send_bytes(first);
    // Over tcp and tls that is not even MQTT.
    EXPECT_EQ(client.next(), "CLOSED");
  }
  TestClient client = this->client();
  client.send_bytes(Raw().text("MQTT").u8(5).u8(3).u16(60).properties().text("c").packet(0x10));
  client.expect("CONNACK 0x81");
  client.expect_closed();
}

TEST_P(Mqtt5Disconnect, MQTT_4_13_2_1_ErrorsOfOneSessionHaveNoConsequenceForOthers) {
  const std::string topic = unique("t");
  TestClient healthy = connected();
  healthy.subscribe(topic, kQos1);
  for (const std::string& wrong :
       {Raw().u16(1).properties().text(topic).u8(3).packet(0x82), Raw().u8(1).packet(0xE0),
        Raw().text(topic).properties(Raw().u8(0x0B).u8(1).str()).packet(0x30)}) {
    TestClient client = connected();
    client.subscribe(topic, kQos1);
    client.send_bytes(wrong);
    EXPECT_TRUE(client.next().starts_with("DISCONNECT 0x8"));
    client.expect_closed();
  }
  healthy.send_publish(topic, "x");
  healthy.expect(std::string("PUBLISH ") + topic + " x q0");
}

TEST_P(Mqtt5Disconnect, MQTT_4_13_1_1_ServerOnlyPacketsAreProtocolErrors) {
  for (const std::string& packet :
       {Raw().u8(0).u8(0).properties().packet(0x20), Raw().u16(1).properties().u8(0).packet(0x90),
        Raw().u16(1).properties().u8(0).packet(0xB0), Raw().packet(0xD0)}) {
    TestClient client = connected();
    client.send_bytes(packet);
    client.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(Mqtt5Disconnect, MQTT_3_2_2_15_PacketOverTheServersMaximumIsTooLarge) {
  TestClient client = this->client();
  const uint32_t maximum = client.connect(unique("c")).properties.maximum_packet_size.value_or(0);
  ASSERT_GT(maximum, 0u);
  // The fixed header is enough, so that nothing needs to be sent that is not read.
  client.send_bytes(Raw().u8(0x30).varint(maximum).str());
  client.expect_disconnect(ReasonCode::kPacketTooLarge);
}

class Mqtt5Auth : public ConformanceTest {};
FL_ONLY(Mqtt5Auth, ProtocolVersion::k5);

TEST_P(Mqtt5Auth, MQTT_4_12_0_1_MethodsAreRefusedAndNothingElseIsSent) {
  for (std::string_view method : {"SCRAM-SHA-1", "GS2-KRB5", ""}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.app_hello("backend", unique("c"));  // the rest is right
    hello.properties.authentication_method = method;
    hello.properties.authentication_data = as_bytes("client-first");
    client.send(hello);
    client.expect("CONNACK 0x8c");
    client.expect_closed();
  }
}

TEST_P(Mqtt5Auth, MQTT_4_12_0_7_AuthWithoutAMethodIsAProtocolError) {
  const std::string method = Raw().u8(0x15).text("m").str();
  for (const std::string& packet :
       {Raw().packet(0xF0), Raw().u8(0x00).properties().packet(0xF0),
        Raw().u8(0x18).properties(method).packet(0xF0),
        Raw().u8(0x19).properties(method).packet(0xF0),     // MQTT-4.12.1-1
        Raw().u8(0x01).properties(method).packet(0xF0)}) {  // MQTT-3.15.2-1
    TestClient client = connected();
    client.send_bytes(packet);
    client.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(Mqtt5Auth, MQTT_3_15_1_1_ReservedFlagsAreMalformed) {
  for (const unsigned flags : {1u, 2u, 4u, 8u, 15u}) {
    TestClient client = connected();
    client.send_bytes(
        Raw().u8(0x18).properties(Raw().u8(0x15).text("m").str()).packet(0xF0 | flags));
    client.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(Mqtt5Auth, MQTT_3_1_2_30_AuthBehindARefusedConnectChangesNothing) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.properties.authentication_method = "X";
  ByteBuffer bytes;
  mqtt::write(bytes, hello);
  bytes.append(Raw().u8(0x18).properties(Raw().u8(0x15).text("X").str()).packet(0xF0));
  client.wire().send(bytes.view());
  client.expect("CONNACK 0x8c");
  client.expect_closed();
}

}  // namespace
}  // namespace fairlead::testing
