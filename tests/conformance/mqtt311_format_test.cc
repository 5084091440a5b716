#include "conformance/fixture.h"

// Text, flags and packet identifiers: MQTT 3.1.1 sections 1.5.3, 2.2.2, 2.3.1 and the fixed headers
// of chapter 3, which are sections 1.5.4, 2.1.3 and 2.2.1 of 5.0.

namespace fairlead::testing {
namespace {

using Request = mqtt::SubscriptionRequest;
using namespace std::string_view_literals;

class Format : public ConformanceTest {
 protected:
  enum class Field { kClientId, kWillTopic, kUserName, kTopic, kFilter, kUnsubscribe };

  // A client that says `text` in this field, and is closed for it.
  void expect_refused(Field field, std::string_view text) {
    SCOPED_TRACE(::testing::Message() << "field " << static_cast<int>(field) << ": " << text);
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(unique("c"));
    if (field == Field::kClientId) hello.client_id = text;
    if (field == Field::kUserName) hello.user_name = text;
    if (field == Field::kWillTopic) hello.will = mqtt::Will{.topic = text, .properties = {}};
    if (field <= Field::kUserName) {
      client.send(hello);
      if (is_v5()) client.expect("CONNACK 0x81");
      return client.expect_closed();
    }
    client.connect(hello);
    if (field == Field::kTopic) client.send_publish(text, "x");
    if (field == Field::kFilter) client.send_subscribe({Request{.filter = text, .options = {}}});
    if (field == Field::kUnsubscribe) {
      client.send(mqtt::UnsubscribePacket{
          .packet_id = PacketId{1}, .filters = {text}, .user_properties = {}});
    }
    client.expect_disconnect(ReasonCode::kMalformedPacket);
  }
  void expect_refused_everywhere(std::string_view text) {
    for (const Field field : {Field::kClientId, Field::kWillTopic, Field::kUserName, Field::kTopic,
                              Field::kFilter, Field::kUnsubscribe}) {
      expect_refused(field, text);
    }
  }
};
FL_EVERY_VERSION(Format);

TEST_P(Format, MQTT_1_5_3_1_IllFormedTextInAnyFieldCloses) {
  expect_refused_everywhere("a\xc3\x28"sv);
}

TEST_P(Format, MQTT_1_5_3_1_SurrogatesInAnyFieldClose) {
  expect_refused_everywhere("a\xed\xa0\x80"sv);
}

TEST_P(Format, MQTT_1_5_3_2_NulInAnyFieldCloses) { expect_refused_everywhere("a\0b"sv); }

TEST_P(Format, MQTT_1_5_3_3_ByteOrderMarkIsACharacterLikeAnyOther) {
  const std::string plain = unique("t");
  const std::string marked = "\xef\xbb\xbf" + plain;
  TestClient client = connected();
  client.subscribe(plain, kQos0);
  TestClient other = connected();
  other.subscribe(marked, kQos0);
  client.publish(marked, "x", kQos1);
  other.expect("PUBLISH " + marked + " x q0");
  client.expect_silence(server());
}

TEST_P(Format, MQTT_2_3_1_1_IdentifierZeroIsRefused) {
  TestClient subscriber = connected();
  subscriber.send(mqtt::SubscribePacket{
      .packet_id = PacketId{0}, .requests = {{.filter = "a", .options = {}}}, .properties = {}});
  subscriber.expect_disconnect(ReasonCode::kProtocolError);
  TestClient other = connected();
  other.send(
      mqtt::UnsubscribePacket{.packet_id = PacketId{0}, .filters = {"a"}, .user_properties = {}});
  other.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Format, MQTT_2_3_1_5_Qos0HasNoIdentifier) {
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe(topic, kQos2);
  client.send_publish(topic, "pay", kQos0);
  client.expect("PUBLISH " + topic + " pay q0");
  const std::size_t properties = is_v5() ? 1 : 0;
  EXPECT_EQ(client.last_bytes().size(), 2 + 2 + topic.size() + properties + 3);
}

TEST_P(Format, MQTT_2_3_1_4_ServersIdentifiersAreNotZeroAndNotInUse) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  std::set<uint16_t> in_use;
  for (int i = 0; i < 30; ++i) {
    publisher.publish(topic, "x", i % 2 == 0 ? kQos1 : kQos2);
    subscriber.expect("PUBLISH " + topic + (i % 2 == 0 ? " x q1" : " x q2"));
    const uint16_t id = subscriber.last_id();
    EXPECT_NE(id, 0);
    EXPECT_TRUE(in_use.insert(id).second) << id << " is in use";
    if (i % 4 != 0) continue;  // some are settled, and free again
    subscriber.ack(PacketType::kPuback, id);
    in_use.erase(id);
  }
}

TEST_P(Format, MQTT_2_3_1_6_AcknowledgementsHaveTheIdentifierOfThePublish) {
  TestClient client = connected();
  const std::string topic = unique("t");
  const auto published = [&](uint16_t id, Qos qos) {
    client.send(mqtt::PublishPacket{
        .topic = topic, .packet_id = PacketId{id}, .qos = qos, .properties = {}});
    // Nobody subscribes: 5.0 says so.
    return std::to_string(id) + (is_v5() ? " 0x10" : "");
  };
  for (const uint16_t id : {uint16_t{1}, uint16_t{0x0100}, uint16_t{65'535}}) {
    std::string line = published(id, kQos1);
    const std::string got = client.next();
    EXPECT_TRUE(got == "PUBACK " + line || got == "PUBACK " + std::to_string(id)) << got;
    (void)published(id, kQos2);
    EXPECT_TRUE(client.next().starts_with("PUBREC " + std::to_string(id)));
    client.ack(PacketType::kPubrel, id);
    client.expect("PUBCOMP " + std::to_string(id));
  }
}

TEST_P(Format, MQTT_2_3_1_7_SubackAndUnsubackHaveTheIdentifierOfTheirRequest) {
  TestClient client = connected();
  for (const uint16_t id : {uint16_t{1}, uint16_t{0x0100}, uint16_t{65'535}}) {
    client.send(mqtt::SubscribePacket{
        .packet_id = PacketId{id}, .requests = {{.filter = "a", .options = {}}}, .properties = {}});
    client.expect("SUBACK " + std::to_string(id) + " 00");
    client.send(mqtt::UnsubscribePacket{
        .packet_id = PacketId{id}, .filters = {"a"}, .user_properties = {}});
    client.expect("UNSUBACK " + std::to_string(id) + (is_v5() ? " 00" : ""));
  }
}

// 3.1 leaves these bits open: it has its own test below.
class StrictFlags : public ConformanceTest {
 protected:
  void expect_refused(std::string_view bytes) {
    TestClient client = connected();
    client.send_bytes(bytes);
    client.expect_disconnect(ReasonCode::kMalformedPacket);
  }
};
FL_ONLY(StrictFlags, ProtocolVersion::k311, ProtocolVersion::k5);

TEST_P(StrictFlags, MQTT_2_2_2_2_ConnectWithFlagsIsClosed) {
  TestClient client = this->client();
  ByteBuffer hello;
  mqtt::write(hello, client.hello(unique("c")));
  hello.data()[0] = std::byte{0x11};
  client.wire().send(hello.view());
  const std::string line = client.next();
  EXPECT_TRUE(line == "CLOSED" || line == "CONNACK 0x81") << line;
}

TEST_P(StrictFlags, MQTT_2_2_2_2_AcknowledgementsWithFlagsAreClosed) {
  for (const std::string_view bytes :
       {"\x41\x02\x00\x01"sv, "\x52\x02\x00\x01"sv, "\x78\x02\x00\x01"sv}) {
    expect_refused(bytes);
  }
}

TEST_P(StrictFlags, MQTT_2_2_2_2_PingreqWithFlagsIsClosed) { expect_refused("\xc1\x00"sv); }

TEST_P(StrictFlags, MQTT_3_6_1_1_PubrelWithOtherFlagsIsClosed) {
  for (const std::string_view bytes : {"\x60\x02\x00\x01"sv, "\x63\x02\x00\x01"sv}) {
    expect_refused(bytes);
  }
}

TEST_P(StrictFlags, MQTT_3_8_1_1_SubscribeWithOtherFlagsIsClosed) {
  expect_refused(is_v5() ? "\x80\x07\x00\x01\x00\x00\x01t\x00"sv
                         : "\x80\x06\x00\x01\x00\x01t\x00"sv);
}

TEST_P(StrictFlags, MQTT_3_10_1_1_UnsubscribeWithOtherFlagsIsClosed) {
  expect_refused(is_v5() ? "\xa0\x06\x00\x01\x00\x00\x01t"sv : "\xa0\x05\x00\x01\x00\x01t"sv);
}

TEST_P(StrictFlags, MQTT_3_14_1_1_DisconnectWithFlagsIsClosedAndLeavesTheWill) {
  const std::string topic = unique("will");
  TestClient watch = connected();
  watch.subscribe(topic, kQos0);
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.will = mqtt::Will{.topic = topic, .payload = as_bytes("gone"), .properties = {}};
  client.connect(hello);
  client.send_bytes("\xe1\x00"sv);
  client.expect_disconnect(ReasonCode::kMalformedPacket);
  watch.expect("PUBLISH " + topic + " gone q0");
}

TEST_P(StrictFlags, MQTT_3_8_3_4_ReservedBitsOfARequestedQosAreClosed) {
  const unsigned reserved = is_v5() ? 0x40 : 0x04;
  for (const unsigned options : {reserved, 0x80u}) {
    TestClient client = connected();
    std::string bytes = is_v5() ? std::string("\x82\x07\x00\x01\x00\x00\x01t", 8)
                                : std::string("\x82\x06\x00\x01\x00\x01t", 7);
    client.send_bytes(bytes += static_cast<char>(options));
    client.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(StrictFlags, MQTT_3_8_3_4_RequestedQosThreeIsClosed) {
  TestClient client = connected();
  client.send_bytes(is_v5() ? "\x82\x07\x00\x01\x00\x00\x01t\x03"sv
                            : "\x82\x06\x00\x01\x00\x01t\x03"sv);
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(StrictFlags, MQTT_3_3_1_2_DupAtQos0IsClosed) {
  TestClient client = connected();
  client.send_bytes(is_v5() ? "\x38\x05\x00\x01t\x00x"sv : "\x38\x04\x00\x01tx"sv);
  client.expect_disconnect(ReasonCode::kMalformedPacket);
}

class Flags31 : public ConformanceTest {};
FL_ONLY(Flags31, ProtocolVersion::k31);

TEST_P(Flags31, FlagsThat31LeavesOpenAreNotHeldAgainstAClient) {
  TestClient client = connected();
  client.send_bytes("\x8a\x06\x00\x01\x00\x01t\x00"sv);  // SUBSCRIBE, repeated
  client.expect("SUBACK 1 00");
  client.send_bytes("\xc1\x00"sv);
  client.expect("PINGRESP");
}

}  // namespace
}  // namespace fairlead::testing
