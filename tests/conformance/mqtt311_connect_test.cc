#include "conformance/fixture.h"
#include "proto/mqtt/test_bytes.h"

// CONNECT in detail: MQTT 3.1.1 sections 3.1 and 3.2, which 5.0 repeats with other numbers.

namespace fairlead::testing {
namespace {

using mqtt::testing::hex;
using mqtt::testing::str;

// 3.1 says less about which fields and flags go together, and nothing is held against its clients.
class ConnectFields : public ConformanceTest {
 protected:
  // A CONNECT with these flags and this payload, as bytes.
  [[nodiscard]] std::string connect_bytes(unsigned flags, const std::string& payload) const {
    std::string body = str("MQTT") + hex(is_v5() ? 5 : 4, flags, 0, 60);
    if (is_v5()) body += hex(0);  // no properties
    body += payload;
    return hex(0x10, body.size()) + body;
  }
  // The will's place in a payload.
  [[nodiscard]] std::string will(std::string_view topic = "will") const {
    return (is_v5() ? hex(0) : std::string()) + str(topic) + str("gone");
  }
  // Ends without CONNACK in 3.x, and with the reason in 5.0.
  void expect_refused(unsigned flags, const std::string& payload) {
    SCOPED_TRACE(::testing::Message() << "flags " << flags);
    TestClient client = this->client();
    client.send_bytes(connect_bytes(flags, payload));
    if (is_v5()) client.expect("CONNACK 0x81");
    client.expect_closed();
  }
};
FL_ONLY(ConnectFields, ProtocolVersion::k311, ProtocolVersion::k5);

TEST_P(ConnectFields, MQTT_3_1_3_1_AllOfThemInTheirOrder) {
  const std::string topic = unique("will");
  TestClient watch = connected();
  watch.subscribe(topic, kQos0);
  TestClient client = this->client();
  client.send_bytes(
      connect_bytes(0xc6, str(unique("c")) + will(topic) + str("backend") + str("backend-pass")));
  client.expect("CONNACK 0");
  client.wire().reset();
  watch.expect("PUBLISH " + topic + " gone q0");
}

TEST_P(ConnectFields, MQTT_3_1_2_9_WillFlagWithoutAWillIsRefused) {
  expect_refused(0x06, str("c"));
  expect_refused(0x06, str("c") + will().substr(0, will().size() - 6));  // no message
}

TEST_P(ConnectFields, MQTT_3_1_2_11_WillWithoutTheFlagIsRefused) {
  expect_refused(0x02, str("c") + will());
}

TEST_P(ConnectFields, MQTT_3_1_2_13_WillQosWithoutAWillIsRefused) {
  expect_refused(0x0a, str("c"));
  expect_refused(0x12, str("c"));
}

TEST_P(ConnectFields, MQTT_3_1_2_14_WillQosThreeIsRefused) {
  expect_refused(0x1e, str("c") + will());
}

TEST_P(ConnectFields, MQTT_3_1_2_15_WillRetainWithoutAWillIsRefused) {
  expect_refused(0x22, str("c"));
}

TEST_P(ConnectFields, MQTT_3_1_2_18_UserNameWithoutItsFlagIsRefused) {
  expect_refused(0x02, str("c") + str("user"));
}

TEST_P(ConnectFields, MQTT_3_1_2_19_UserNameFlagWithoutANameIsRefused) {
  expect_refused(0x82, str("c"));
}

TEST_P(ConnectFields, MQTT_3_1_2_20_PasswordWithoutItsFlagIsRefused) {
  expect_refused(0x82, str("c") + str("user") + str("password"));
}

TEST_P(ConnectFields, MQTT_3_1_2_21_PasswordFlagWithoutAPasswordIsRefused) {
  expect_refused(0xc2, str("c") + str("user"));
}

TEST_P(ConnectFields, MQTT_3_1_3_3_ClientIdentifierMustBePresent) { expect_refused(0x02, ""); }

class ConnectFields311 : public ConnectFields {};
FL_ONLY(ConnectFields311, ProtocolVersion::k311);

TEST_P(ConnectFields311, MQTT_3_1_2_22_PasswordWithoutAUserNameIsRefused) {
  expect_refused(0x42, str("c") + str("password"));
}

class ConnectIds : public ConformanceTest {};
FL_EVERY_VERSION(ConnectIds);

TEST_P(ConnectIds, MQTT_3_1_3_5_EveryAllowedCharacterAndLengthIsTaken) {
  for (const std::string_view id :
       {"0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", "z"}) {
    TestClient client = connected(id);
    client.ping();
    client.expect("PINGRESP");
  }
}

TEST_P(ConnectIds, MQTT_3_1_3_2_SessionsBelongToTheirClientIdentifier) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient client = this->client();
  client.connect(client.hello(id, CleanStart::kNo));
  client.subscribe(topic, kQos1);
  client.disconnect();
  client.expect_closed();
  for (const std::string& other : {id + "x", "x" + id}) {
    TestClient stranger = this->client();
    stranger.send(stranger.hello(other, CleanStart::kNo));
    stranger.expect("CONNACK 0");
    stranger.publish(topic, "x", kQos1);
    stranger.expect_silence(server());
  }
}

class ConnectWithoutId : public ConformanceTest {};
FL_ONLY(ConnectWithoutId, ProtocolVersion::k311, ProtocolVersion::k5);

TEST_P(ConnectWithoutId, MQTT_3_1_3_6_EmptyClientIdentifiersAreToldApart) {
  TestClient first = client();
  first.connect(first.hello(""));
  TestClient second = client();
  second.connect(second.hello(""));
  first.ping();
  first.expect("PINGRESP");
  second.ping();
  second.expect("PINGRESP");
}

class ConnectAnswer : public ConformanceTest {};
FL_EVERY_VERSION(ConnectAnswer);

// What follows a CONNECT may come with it; behind one that is refused it does not count.
TEST_P(ConnectAnswer, MQTT_3_1_4_5_NothingBehindARefusedConnectIsProcessed) {
  const std::string topic = unique("t");
  TestClient watch = connected();
  watch.subscribe(topic, kQos1);
  TestClient wrong = client();
  mqtt::ConnectPacket hello = wrong.app_hello("backend", unique("app"));
  hello.password = as_bytes("wrong");
  ByteBuffer all;
  mqtt::write(all, hello);
  mqtt::write(all, version(),
              mqtt::PublishPacket{.topic = topic, .payload = as_bytes("x"), .properties = {}});
  mqtt::write(all, version(),
              mqtt::PublishPacket{.topic = topic,
                                  .payload = as_bytes("kept"),
                                  .packet_id = PacketId{1},
                                  .qos = kQos1,
                                  .retain = Retain::kYes,
                                  .properties = {}});
  wrong.wire().send(all.view());
  wrong.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  wrong.expect_closed();
  watch.expect_silence(server());
  TestClient late = connected();
  late.subscribe(topic, kQos1);
  late.expect_silence(server());
}

TEST_P(ConnectAnswer, WhatComesWithAGoodConnectIsProcessed) {
  const std::string topic = unique("t");
  TestClient watch = connected();
  watch.subscribe(topic, kQos1);
  TestClient client = this->client();
  ByteBuffer all;
  mqtt::write(all, client.hello(unique("c")));
  mqtt::write(all, version(),
              mqtt::PublishPacket{.topic = topic, .payload = as_bytes("x"), .properties = {}});
  mqtt::write(all, mqtt::PingreqPacket{});
  client.wire().send(all.view());
  client.expect("CONNACK 0");
  client.expect("PINGRESP");
  watch.expect("PUBLISH " + topic + " x q0");
}

TEST_P(ConnectAnswer, MQTT_3_2_2_4_RefusalSaysThatThereIsNoSession) {
  const std::string id = unique("app");
  {
    TestClient app = client();
    app.connect(app.app_hello("backend", id, CleanStart::kNo));
    app.disconnect();
    app.expect_closed();
  }
  TestClient wrong = client();
  mqtt::ConnectPacket hello = wrong.app_hello("backend", id, CleanStart::kNo);
  hello.password = as_bytes("wrong");
  wrong.send(hello);
  wrong.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  EXPECT_EQ(wrong.last_bytes()[2], std::byte{0});
  wrong.expect_closed();
  TestClient again = client();
  again.send(again.app_hello("backend", id, CleanStart::kNo));
  again.expect(version() == ProtocolVersion::k31 ? "CONNACK 0" : "CONNACK 0 present");
}

// No return code of 3.x says what is wrong here; 5.0 has one.
TEST_P(ConnectAnswer, MQTT_3_2_2_6_WithoutAFittingReturnCodeThereIsNoConnack) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.will = mqtt::Will{.topic = "", .payload = as_bytes("gone"), .properties = {}};
  client.send(hello);
  if (is_v5()) {
    EXPECT_TRUE(client.next().starts_with("CONNACK 0x8"));
  }
  client.expect_closed();
}

}  // namespace
}  // namespace fairlead::testing
