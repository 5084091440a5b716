#include "conformance/fixture.h"
#include "support/raw_packet.h"

// Wills, session expiry and take-over in MQTT 5.0: sections 3.1.2.5, 3.1.3.2, 3.1.4 and 4.1.

namespace fairlead::testing {
namespace {

class Mqtt5Will : public ConformanceTest {
 protected:
  void SetUp() override {
    topic_ = unique("will");
    watch_ = std::make_unique<TestClient>(connected());
    watch_->subscribe({{.filter = topic_, .options = {.qos = kQos2, .retain_as_published = true}}});
  }
  // CONNECT with a will "gone" at QoS 1.
  mqtt::ConnectPacket hello(TestClient& client, const std::string& id) {
    mqtt::ConnectPacket hello = client.hello(id);
    hello.will =
        mqtt::Will{.topic = topic_, .payload = as_bytes("gone"), .qos = kQos1, .properties = {}};
    return hello;
  }
  void expect_will() { watch_->expect_receive("PUBLISH " + topic_ + " gone q1"); }
  void expect_none() { watch_->expect_silence(server()); }
  std::string answer(const std::string& connect) {
    TestClient client = this->client();
    client.send_bytes(connect);
    return client.next();
  }

  std::string topic_;
  std::unique_ptr<TestClient> watch_;
};
FL_ONLY(Mqtt5Will, ProtocolVersion::k5);

TEST_P(Mqtt5Will, MQTT_3_1_2_9_FieldsOfTheWillMustBeThere) {
  const Raw head = Raw().text("MQTT").u8(5).u8(0x06).u16(60).properties().text("c");
  EXPECT_EQ(answer(head.packet(0x10)), "CONNACK 0x81");
  EXPECT_EQ(answer(Raw(head).properties().packet(0x10)), "CONNACK 0x81");
  EXPECT_EQ(answer(Raw(head).properties().text("topic").packet(0x10)), "CONNACK 0x81");
  EXPECT_EQ(answer(Raw(head).text("topic").text("payload").packet(0x10)), "CONNACK 0x81");
}

TEST_P(Mqtt5Will, MQTT_3_1_2_11_QosAndRetainWithoutAWillAreMalformed) {
  for (const unsigned flags : {0x0Au, 0x12u, 0x1Au, 0x22u, 0x2Au}) {
    EXPECT_EQ(
        answer(Raw().text("MQTT").u8(5).u8(flags).u16(60).properties().text("c").packet(0x10)),
        "CONNACK 0x81");
  }
}

TEST_P(Mqtt5Will, MQTT_3_1_2_12_EveryQosButThree) {
  EXPECT_EQ(answer(Raw()
                       .text("MQTT")
                       .u8(5)
                       .u8(0x1E)
                       .u16(60)
                       .properties()
                       .text("c")
                       .properties()
                       .text("t")
                       .text("x")
                       .packet(0x10)),
            "CONNACK 0x81");
  for (const Qos qos : {kQos0, kQos1, kQos2}) {
    TestClient dying = client();
    mqtt::ConnectPacket connect = hello(dying, unique("c"));
    connect.will->qos = qos;
    dying.connect(connect);
    dying.wire().reset();
    watch_->expect_receive("PUBLISH " + topic_ + " gone q" + std::to_string(static_cast<int>(qos)));
  }
}

TEST_P(Mqtt5Will, MQTT_3_1_2_14_WillThatIsNotRetainedLeavesNothingBehind) {
  TestClient dying = client();
  dying.connect(hello(dying, unique("c")));
  dying.wire().reset();
  expect_will();  // without "retain", though the watcher asks for Retain As Published
  server().settle();
  TestClient late = connected();
  late.subscribe(topic_, kQos1);
  late.expect_silence(server());
}

TEST_P(Mqtt5Will, MQTT_3_1_2_15_RetainedWillIsRetained) {
  TestClient dying = client();
  mqtt::ConnectPacket connect = hello(dying, unique("c"));
  connect.will->retain = Retain::kYes;
  dying.connect(connect);
  dying.wire().reset();
  watch_->expect_receive("PUBLISH " + topic_ + " gone q1 retain");
  server().settle();
  TestClient late = connected();
  late.subscribe(topic_, kQos1);
  late.expect_receive("PUBLISH " + topic_ + " gone q1 retain");
  late.publish(topic_, "", kQos1, Retain::kYes);
}

TEST_P(Mqtt5Will, MQTT_3_1_3_10_PropertiesAndTheirOrderArePublished) {
  ByteBuffer user;
  for (const auto& [name, value] : {std::pair{"b", "1"}, {"a", "2"}, {"b", "3"}, {"", ""}}) {
    mqtt::append_user_property(user, name, value);
  }
  TestClient dying = client();
  mqtt::ConnectPacket connect = hello(dying, unique("c"));
  mqtt::WillProperties& will = connect.will->properties;
  will.payload_format = 1;
  will.message_expiry_seconds = 100;
  will.content_type = "text/plain";
  will.response_topic = "answers";
  will.correlation_data = as_bytes(std::string_view("\0\xff", 2));
  will.user_properties = mqtt::UserProperties(mqtt::PropertyBlock(user.view()));
  dying.connect(connect);
  dying.wire().reset();
  expect_will();
  const mqtt::PublishPacket packet = watch_->last_publish();
  EXPECT_EQ(packet.properties.payload_format, 1);
  EXPECT_EQ(packet.properties.content_type, "text/plain");
  EXPECT_EQ(packet.properties.response_topic, "answers");
  EXPECT_EQ(as_text(packet.properties.correlation_data.value()), std::string_view("\0\xff", 2));
  EXPECT_GE(packet.properties.message_expiry_seconds.value_or(0), 90u);
  std::string pairs;
  packet.properties.user_properties.for_each([&](std::string_view name, std::string_view value) {
    pairs += std::string(name) + "=" + std::string(value) + ";";
  });
  EXPECT_EQ(pairs, "b=1;a=2;b=3;=;");
}

TEST_P(Mqtt5Will, MQTT_3_1_2_10_WillIsPublishedOnceAndNoMore) {
  const std::string id = unique("c");
  TestClient dying = client();
  mqtt::ConnectPacket connect = hello(dying, id);
  connect.properties.session_expiry_seconds = 3600;
  dying.connect(connect);
  dying.wire().reset();
  expect_will();
  // The session goes on without it.
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.wire().reset();
  TestClient last = client();
  last.connect(last.hello(id));
  expect_none();
}

TEST_P(Mqtt5Will, MQTT_3_14_4_3_NormalDisconnectDiscardsIt) {
  const std::string id = unique("c");
  TestClient leaving = client();
  mqtt::ConnectPacket connect = hello(leaving, id);
  connect.properties.session_expiry_seconds = 3600;
  connect.will->properties.will_delay_seconds = 1;
  leaving.connect(connect);
  leaving.disconnect();
  leaving.expect_closed();
  TestClient clean = connected(id);  // ends the session: nothing was left of the will
  expect_none();
}

TEST_P(Mqtt5Will, MQTT_3_1_2_8_EveryOtherDisconnectPublishesIt) {
  for (const unsigned reason : {0x04u, 0x80u, 0x81u, 0x82u, 0x83u, 0x90u, 0x93u, 0x94u, 0x95u,
                                0x96u, 0x97u, 0x98u, 0x99u}) {
    TestClient leaving = client();
    leaving.connect(hello(leaving, unique("c")));
    leaving.send_bytes(Raw().u8(reason).packet(0xE0));
    leaving.expect_closed();
    expect_will();
  }
}

TEST_P(Mqtt5Will, MQTT_3_1_2_8_DelayEndsWithTheSession) {
  // Expiry 0: the session ends with the connection, and so does the delay.
  TestClient dying = client();
  mqtt::ConnectPacket connect = hello(dying, unique("c"));
  connect.will->properties.will_delay_seconds = 3600;
  dying.connect(connect);
  dying.wire().reset();
  expect_will();
  // A DISCONNECT that asks for the will and ends the session at once.
  TestClient leaving = client();
  connect = hello(leaving, unique("c"));
  connect.properties.session_expiry_seconds = 3600;
  connect.will->properties.will_delay_seconds = 3600;
  leaving.connect(connect);
  leaving.send_bytes(Raw().u8(0x04).properties(Raw().u8(0x11).u32(0).str()).packet(0xE0));
  leaving.expect_closed();
  expect_will();
}

TEST_P(Mqtt5Will, MQTT_3_1_3_9_ReconnectAndTakeOverWithinTheDelayCancelIt) {
  const std::string id = unique("c");
  TestClient first = client();
  mqtt::ConnectPacket connect = hello(first, id);
  connect.properties.session_expiry_seconds = 7200;
  connect.will->properties.will_delay_seconds = 3600;
  first.connect(connect);
  TestClient second = client();  // takes over
  second.send(second.hello(id, CleanStart::kNo));
  second.expect("CONNACK 0 present");
  first.expect_disconnect(ReasonCode::kSessionTakenOver);
  second.wire().reset();
  TestClient clean = connected(id);
  expect_none();
}

TEST_P(Mqtt5Will, MQTT_3_1_4_3_TakeOverWithCleanStartEndsTheSessionAndPublishesIt) {
  const std::string id = unique("c");
  TestClient first = client();
  mqtt::ConnectPacket connect = hello(first, id);
  connect.properties.session_expiry_seconds = 7200;
  connect.will->properties.will_delay_seconds = 3600;
  first.connect(connect);
  TestClient second = client();
  second.send(second.hello(id));
  second.expect("CONNACK 0");
  first.expect_disconnect(ReasonCode::kSessionTakenOver);
  expect_will();
}

TEST_P(Mqtt5Will, MQTT_3_1_2_7_WillOfTheNewConnectionReplacesTheOld) {
  const std::string id = unique("c");
  TestClient first = client();
  mqtt::ConnectPacket connect = hello(first, id);
  connect.properties.session_expiry_seconds = 7200;
  connect.will->properties.will_delay_seconds = 3600;
  first.connect(connect);
  TestClient second = client();
  connect = second.hello(id, CleanStart::kNo);
  connect.will = mqtt::Will{.topic = topic_, .payload = as_bytes("new"), .properties = {}};
  second.connect(connect);
  second.wire().reset();
  watch_->expect_receive("PUBLISH " + topic_ + " new q0");
  expect_none();
}

TEST_P(Mqtt5Will, MQTT_4_7_3_1_WillTopicMustBeATopicName) {
  for (std::string_view name : {"", "a/+", "#", "a/#/b"}) {
    TestClient client = this->client();
    mqtt::ConnectPacket connect = hello(client, unique("c"));
    connect.will->topic = name;
    client.send(connect);
    EXPECT_EQ(client.next(), name.empty() ? "CONNACK 0x82" : "CONNACK 0x90") << name;
    client.expect_closed();
  }
}

TEST_P(Mqtt5Will, MQTT_3_1_2_23_DisconnectChangesTheExpiry) {
  auto present_after = [&](uint32_t at_connect, std::optional<uint32_t> at_disconnect) {
    const std::string id = unique("c");
    TestClient leaving = client();
    mqtt::ConnectPacket connect = leaving.hello(id);
    connect.properties.session_expiry_seconds = at_connect;
    leaving.connect(connect);
    mqtt::DisconnectPacket bye;
    bye.properties.session_expiry_seconds = at_disconnect;
    leaving.send(bye);
    leaving.expect_closed();
    TestClient again = client();
    again.send(again.hello(id, CleanStart::kNo));
    return again.next();
  };
  EXPECT_EQ(present_after(3600, {}), "CONNACK 0 present");
  EXPECT_EQ(present_after(3600, 60), "CONNACK 0 present");
  EXPECT_EQ(present_after(60, 0xffffffff), "CONNACK 0 present");
  EXPECT_EQ(present_after(3600, 0), "CONNACK 0");
  EXPECT_EQ(present_after(0, {}), "CONNACK 0");
  EXPECT_EQ(present_after(0, 0), "CONNACK 0");
}

TEST_P(Mqtt5Will, ExpiryThatIsAnErrorIsNoDisconnect) {
  TestClient leaving = client();
  leaving.connect(hello(leaving, unique("c")));  // expiry 0
  leaving.send_bytes(Raw().u8(0).properties(Raw().u8(0x11).u32(5).str()).packet(0xE0));
  leaving.expect_disconnect(ReasonCode::kProtocolError);
  expect_will();  // it was not taken for a normal disconnection
}

TEST_P(Mqtt5Will, MQTT_4_1_0_1_ExpiryDoesNotRunWhileConnected) {
  // The interval is over at once; the session is there as long as the connection is.
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe(topic, kQos1);
  server().settle();
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos1);
  client.expect_receive("PUBLISH " + topic + " x q1");
}

}  // namespace
}  // namespace fairlead::testing
