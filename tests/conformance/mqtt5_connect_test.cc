#include "conformance/fixture.h"
#include "support/raw_packet.h"

// CONNECT and CONNACK of MQTT 5.0, sections 3.1 and 3.2. Wills are in mqtt5_will_test.cc.

namespace fairlead::testing {
namespace {

class Mqtt5Connect : public ConformanceTest {
 protected:
  // Variable header with the flags, and no properties.
  static Raw head(unsigned flags, unsigned keep_alive = 300) {
    return Raw().text("MQTT").u8(5).u8(flags).u16(keep_alive).properties();
  }
  std::string answer(const std::string& connect) {
    TestClient client = this->client();
    client.send_bytes(connect);
    std::string line = client.next();
    if (line != "CONNACK 0" && line != "CLOSED") client.expect_closed();
    return line;
  }
};
FL_ONLY(Mqtt5Connect, ProtocolVersion::k5);

TEST_P(Mqtt5Connect, MQTT_3_1_2_1_ProtocolNameIsMqttInCapitals) {
  for (std::string_view name : {"mqtt", "MQTt", "MQT", "MQTTT", "", "MQIsdp"}) {
    // Whatever is said is said in the form of 3.1.1: who does not speak 5.0 cannot read it.
    TestClient client(server(), transport());
    client.send_bytes(Raw().text(name).u8(5).u8(2).u16(60).properties().text("c").packet(0x10));
    const std::string line = client.next();
    if (line != "CLOSED") client.expect_closed();
    EXPECT_NE(line, "CONNACK 0") << name;
  }
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_2_OtherVersionsAreClosed) {
  for (const unsigned level : {0u, 1u, 2u, 6u, 0x85u, 255u}) {
    // Whatever is said is said in the form of 3.1.1: who does not speak 5.0 cannot read it.
    TestClient client(server(), transport());
    client.send_bytes(
        Raw().text("MQTT").u8(level).u8(2).u16(60).properties().text("c").packet(0x10));
    const std::string line = client.next();
    if (line != "CLOSED") client.expect_closed();
    EXPECT_NE(line, "CONNACK 0") << level;
  }
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_3_ReservedFlagIsMalformed) {
  EXPECT_EQ(answer(head(0x03).text(unique("c")).packet(0x10)), "CONNACK 0x81");
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_4_CleanStartDiscardsTheSession) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  {
    TestClient first = client();
    first.connect(first.hello(id, CleanStart::kNo));
    first.subscribe(topic, kQos1);
    first.disconnect();
    first.expect_closed();
  }
  TestClient publisher = connected();
  publisher.publish(topic, "for the old one", kQos1);
  TestClient clean = client();
  mqtt::ConnectPacket hello = clean.hello(id);
  hello.properties.session_expiry_seconds = 3600;
  clean.send(hello);
  clean.expect("CONNACK 0");
  publisher.publish(topic, "for nobody", kQos1);
  clean.expect_silence(server());
  // The session that began then is kept, as it asked.
  clean.disconnect();
  clean.expect_closed();
  TestClient again = client();
  again.send(again.hello(id, CleanStart::kNo));
  again.expect("CONNACK 0 present");
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_5_SessionGoesOnWithItsSubscriptionsAndTheirOptions) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  {
    TestClient first = client();
    first.connect(first.hello(id, CleanStart::kNo));
    first.subscribe({{.filter = topic, .options = {.qos = kQos1, .retain_as_published = true}}}, 9);
    first.disconnect();
    first.expect_closed();
  }
  TestClient again = client();
  again.send(again.hello(id, CleanStart::kNo));
  again.expect("CONNACK 0 present");
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos2, Retain::kYes);
  again.expect_receive("PUBLISH " + topic + " x q1 retain");
  again.last_publish().properties.subscription_identifiers.for_each(
      [](uint32_t identifier) { EXPECT_EQ(identifier, 9u); });
  publisher.publish(topic, "", kQos1, Retain::kYes);
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_6_WithoutASessionOneIsMade) {
  TestClient fresh = client();
  fresh.send(fresh.hello(unique("c"), CleanStart::kNo));
  fresh.expect("CONNACK 0");
  fresh.ping();
  fresh.expect("PINGRESP");
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_16_UserNameStandsThereWhenItsFlagSaysSo) {
  EXPECT_EQ(answer(head(0x82).text("c").packet(0x10)), "CONNACK 0x81");               // missing
  EXPECT_EQ(answer(head(0x02).text("c").text("user").packet(0x10)), "CONNACK 0x81");  // too many
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_18_PasswordStandsThereWhenItsFlagSaysSo) {
  EXPECT_EQ(answer(head(0xC2).text("c").text("user").packet(0x10)), "CONNACK 0x81");
  EXPECT_EQ(answer(head(0x82).text("c").text("user").text("pass").packet(0x10)), "CONNACK 0x81");
  // 5.0 allows a password alone: then it is for the server to judge, not malformed.
  EXPECT_NE(answer(head(0x42).text(unique("c")).text("pass").packet(0x10)), "CONNACK 0x81");
}

TEST_P(Mqtt5Connect, MQTT_3_1_3_3_ClientIdentifierMustBeThere) {
  EXPECT_EQ(answer(head(0x02).packet(0x10)), "CONNACK 0x81");
  EXPECT_EQ(answer(head(0x02).u8(0).packet(0x10)), "CONNACK 0x81");
  EXPECT_EQ(answer(head(0x02).u16(4).bytes("abc").packet(0x10)), "CONNACK 0x81");
}

TEST_P(Mqtt5Connect, MQTT_3_1_3_1_FieldsOfThePayloadInTheirOrder) {
  const std::string topic = unique("will");
  TestClient watch = connected();
  watch.subscribe(topic, kQos0);
  TestClient app = client();
  app.send_bytes(head(0xC6)
                     .text(unique("c"))
                     .properties(Raw().u8(0x03).text("a/type").str())
                     .text(topic)
                     .text("gone")
                     .text("backend")
                     .text("backend-pass")
                     .packet(0x10));
  app.expect("CONNACK 0");
  app.wire().reset();
  watch.expect("PUBLISH " + topic + " gone q0");
  EXPECT_EQ(watch.last_publish().properties.content_type, "a/type");
}

TEST_P(Mqtt5Connect, MQTT_3_1_3_2_StateBelongsToTheClientIdentifier) {
  const std::string id = unique("c");
  TestClient first = client();
  first.connect(first.hello(id, CleanStart::kNo));
  first.disconnect();
  first.expect_closed();
  // Another one, also one that differs in case only, has nothing to do with it.
  for (const std::string& other : {id + "x", "C" + id.substr(1), id + " "}) {
    TestClient stranger = client();
    stranger.send(stranger.hello(other, CleanStart::kNo));
    stranger.expect("CONNACK 0");
  }
}

TEST_P(Mqtt5Connect, MQTT_3_1_3_5_ClientIdentifiersOf1To23CharactersAndLongerOnes) {
  const std::string letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (std::size_t i = 0; i + 23 <= letters.size(); i += 13) {
    TestClient client = this->client();
    client.connect(letters.substr(i, 23));
  }
  TestClient(server(), transport(), version()).connect("z");
  TestClient(server(), transport(), version()).connect(letters + letters);
  TestClient(server(), transport(), version()).connect("ü/ #+$ " + letters.substr(0, 5));
}

TEST_P(Mqtt5Connect, MQTT_3_1_3_7_AssignedClientIdentifierIsTheSessionsName) {
  TestClient first = client();
  mqtt::ConnectPacket hello = first.hello("", CleanStart::kNo);
  const std::string id(first.connect(hello).properties.assigned_client_id.value_or(""));
  ASSERT_FALSE(id.empty());
  first.disconnect();
  first.expect_closed();
  TestClient again = client();
  again.send(again.hello(id, CleanStart::kNo));
  again.expect("CONNACK 0 present");
  EXPECT_FALSE(again.last_connack().properties.assigned_client_id);
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_16_AssignedClientIdentifiersAreNewOnes) {
  std::set<std::string> seen;
  std::vector<TestClient> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(client());
    const auto connack = clients.back().connect("");
    EXPECT_TRUE(seen.emplace(connack.properties.assigned_client_id.value_or("")).second);
  }
  EXPECT_FALSE(seen.contains(""));
}

TEST_P(Mqtt5Connect, MQTT_3_1_4_2_FailedAuthenticationIsClosed) {
  TestClient wrong = client();
  mqtt::ConnectPacket hello = wrong.app_hello("backend", unique("c"));
  hello.password = as_bytes("wrong");
  wrong.send(hello);
  wrong.expect("CONNACK 0x86");
  wrong.expect_closed();
}

TEST_P(Mqtt5Connect, MQTT_3_1_4_6_NothingBehindARefusedConnectIsProcessed) {
  const std::string topic = unique("t");
  TestClient watch = connected();
  watch.subscribe(topic, kQos1);
  TestClient wrong = client();
  mqtt::ConnectPacket hello = wrong.app_hello("backend", unique("c"));
  hello.password = as_bytes("wrong");
  ByteBuffer bytes;
  mqtt::write(bytes, hello);
  bytes.append(Raw().text(topic).properties().bytes("x").packet(0x31));
  wrong.wire().send(bytes.view());
  wrong.expect("CONNACK 0x86");
  wrong.expect_closed();
  watch.expect_silence(server());
  TestClient late = connected();
  late.subscribe(topic, kQos1);
  late.expect_silence(server());
}

TEST_P(Mqtt5Connect, MQTT_3_2_0_1_NothingComesBeforeConnack) {
  const std::string topic = unique("t");
  const std::string id = unique("c");
  {
    TestClient first = client();
    first.connect(first.hello(id, CleanStart::kNo));
    first.subscribe(topic, kQos1);
    first.disconnect();
    first.expect_closed();
  }
  TestClient publisher = connected();
  publisher.publish(topic, "waits", kQos1);
  TestClient again = client();
  ByteBuffer bytes;
  mqtt::write(bytes, again.hello(id, CleanStart::kNo));
  bytes.append(std::string_view("\xc0\x00", 2));
  again.wire().send(bytes.view());
  again.expect("CONNACK 0 present");
  std::set<std::string> rest{again.next(), again.next()};
  EXPECT_EQ(rest, (std::set<std::string>{"PUBLISH " + topic + " waits q1", "PINGRESP"}));
}

TEST_P(Mqtt5Connect, MQTT_3_2_0_2_OneConnackOnly) {
  TestClient client = connected();
  client.send(client.hello(unique("c")));
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_6_RefusalSaysNoSessionAndCloses) {
  const std::string id = unique("c");
  TestClient kept = client();
  kept.connect(kept.app_hello("backend", id, CleanStart::kNo));
  TestClient wrong = client();
  mqtt::ConnectPacket hello = wrong.app_hello("backend", id, CleanStart::kNo);
  hello.password = as_bytes("wrong");
  wrong.send(hello);
  wrong.expect("CONNACK 0x86");  // without "present"
  EXPECT_EQ(wrong.last_bytes()[2], std::byte{0});
  wrong.expect_closed();
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_1_AcknowledgeFlagsAreZeroButSessionPresent) {
  const std::string id = unique("c");
  for (const int flags : {0, 1}) {
    TestClient client = this->client();
    client.connect(client.hello(id, CleanStart::kNo));
    EXPECT_EQ(std::to_integer<int>(client.last_bytes()[2]), flags);
    client.disconnect();
    client.expect_closed();
  }
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_28_NoResponseInformationUnlessAskedFor) {
  for (const std::optional<bool> asked : {std::optional<bool>{}, {false}, {true}}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(unique("c"));
    hello.properties.request_response_information = asked;
    const auto connack = client.connect(hello);
    if (asked.value_or(false)) continue;  // then it may be there
    EXPECT_FALSE(connack.properties.response_information);
  }
}

TEST_P(Mqtt5Connect, MQTT_4_12_0_6_NoAuthenticationMethodThatWasNotAskedFor) {
  TestClient client = this->client();
  const auto connack = client.connect(unique("c"));
  EXPECT_FALSE(connack.properties.authentication_method);
  EXPECT_FALSE(connack.properties.authentication_data);
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_19_RefusalStaysWithinMaximumPacketSize) {
  for (const uint32_t packet_size_max : {5u, 20u, 1000u}) {
    TestClient wrong = client();
    mqtt::ConnectPacket hello = wrong.app_hello("backend", unique("c"));
    hello.password = as_bytes("wrong");
    hello.properties.maximum_packet_size = packet_size_max;
    wrong.send(hello);
    wrong.expect("CONNACK 0x86");
    EXPECT_LE(wrong.last_bytes().size(), packet_size_max);
    EXPECT_EQ(wrong.last_connack().properties.reason_string.has_value(), packet_size_max == 1000);
    wrong.expect_closed();
  }
}

TEST_P(Mqtt5Connect, MQTT_3_1_2_24_ClientThatTakesNoConnackIsToldSoInAShorterOne) {
  TestClient tiny = client();
  mqtt::ConnectPacket hello = tiny.hello(unique("c"));
  hello.properties.maximum_packet_size = 10;
  tiny.send(hello);
  tiny.expect("CONNACK 0x95");
  EXPECT_LE(tiny.last_bytes().size(), 10u);
  tiny.expect_closed();
  // And one byte, which nothing fits in.
  TestClient smallest = client();
  hello = smallest.hello(unique("c"));
  hello.properties.maximum_packet_size = 1;
  smallest.send(hello);
  smallest.expect_closed();
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_8_ConnackHasOneOfItsReasonCodes) {
  // The test client's reader refuses any other; each of these has a code of its own.
  const std::string id = unique("c");
  auto code = [&](auto&& adjust) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(id);
    adjust(hello);
    client.send(hello);
    return client.next();
  };
  EXPECT_EQ(code([](auto& hello) { hello.properties.authentication_method = "X"; }),
            "CONNACK 0x8c");
  EXPECT_EQ(code([](auto& hello) {
              hello.will = mqtt::Will{.topic = "a/#", .payload = {}, .properties = {}};
            }),
            "CONNACK 0x90");
  EXPECT_EQ(code([](auto& hello) {
              hello.will = mqtt::Will{.topic = "a", .payload = as_bytes("\xff"), .properties = {}};
              hello.will->properties.payload_format = 1;
            }),
            "CONNACK 0x99");
  EXPECT_EQ(code([](auto& hello) { hello.properties.receive_maximum = 0; }), "CONNACK 0x82");
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_12_WillQosAboveTheMaximumIsRefused) {
  // Devices of the compatible profile have Maximum QoS 1.
  TestClient device = client();
  mqtt::ConnectPacket hello = device.device_hello({.name = "d8"});
  hello.will = mqtt::Will{.topic = "/pk/d8/user/will", .payload = {}, .properties = {}};
  hello.will->qos = kQos2;
  device.send(hello);
  device.expect("CONNACK 0x9b");
  device.expect_closed();
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_9_MaximumQosIsToldAndSubscribesOfQos2AreTaken) {
  TestClient device = client();
  const auto connack = device.connect(device.device_hello({.name = "d8"}));
  EXPECT_EQ(connack.properties.maximum_qos, 1);
  EXPECT_EQ(device.subscribe("/pk/d8/user/get", kQos2), "01");
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_11_PublishAboveTheMaximumQosIsDisconnected) {
  TestClient device = client();
  device.connect(device.device_hello({.name = "d8"}));
  device.send_publish("/pk/d8/user/update", "x", kQos2);
  device.expect_disconnect(ReasonCode::kQosNotSupported);
}

// Keep alive in both halves of a second, over all transports at once: it takes its time.
TEST(Mqtt5KeepAlive, MQTT_3_1_2_22_SilenceOfOneAndAHalfTimesIsTakenForAFailureOfTheNetwork) {
  TestServer& server = shared_server();
  const std::string topic = unique("will");
  TestClient watch(server, Transport::kTcp, ProtocolVersion::k5);
  watch.connect(unique("c"));
  watch.subscribe(topic, kQos1);
  std::vector<TestClient> silent;
  for (const Transport transport : kAllTransports) {
    silent.emplace_back(server, transport, ProtocolVersion::k5);
    mqtt::ConnectPacket hello = silent.back().hello(unique("c"));
    hello.keep_alive_seconds = 1;
    hello.will = mqtt::Will{.topic = topic, .payload = as_bytes("x"), .properties = {}};
    const auto connack = silent.back().connect(hello);
    EXPECT_FALSE(connack.properties.server_keep_alive_seconds);  // MQTT-3.2.2-22: its own counts
  }
  for (TestClient& client : silent) client.expect_disconnect(ReasonCode::kKeepAliveTimeout);
  for (std::size_t i = 0; i < silent.size(); ++i)
    watch.expect_receive("PUBLISH " + topic + " x q0");
}

TEST_P(Mqtt5Connect, MQTT_3_2_2_22_KeepAliveZeroIsLeftAsItIs) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.keep_alive_seconds = 0;
  EXPECT_FALSE(client.connect(hello).properties.server_keep_alive_seconds);
}

}  // namespace
}  // namespace fairlead::testing
