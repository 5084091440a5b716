#include "conformance/fixture.h"

// SUBSCRIBE, UNSUBSCRIBE, PUBLISH and topics in detail: MQTT 3.1.1 sections 3.3, 3.8 to 3.11, 4.3
// and 4.7. The statements of 5.0 are the same where they have other numbers.

namespace fairlead::testing {
namespace {

using Request = mqtt::SubscriptionRequest;

class Filters : public ConformanceTest {};
FL_EVERY_VERSION(Filters);

TEST_P(Filters, MQTT_3_8_4_3_SubscribingAgainSendsRetainedMessagesAgain) {
  const std::string topic = unique("r");
  TestClient client = connected();
  client.publish(topic, "kept", kQos1, Retain::kYes);
  server().settle();
  for (const Qos qos : {kQos1, kQos0, kQos1}) {
    client.subscribe(topic, qos);
    client.expect_receive("PUBLISH " + topic + " kept q" + std::to_string(static_cast<int>(qos)) +
                          " retain");
  }
  client.expect_silence(server());
}

// A publisher goes on while the subscription is replaced, again and again: nothing is missing.
TEST_P(Filters, MQTT_3_8_4_3_ReplacingDoesNotInterruptTheFlow) {
  const std::string topic = unique("t");
  TestClient publisher = connected();
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  constexpr int kMessages = 30;
  for (int i = 0; i < kMessages; ++i) {
    publisher.send_publish(topic, std::to_string(i), kQos1);
    if (i % 3 == 0) {
      subscriber.send_subscribe({Request{.filter = topic, .options = {.qos = kQos1}}});
    }
  }
  for (int next = 0; next < kMessages;) {
    const std::string line = subscriber.next();
    if (line.starts_with("SUBACK ")) continue;
    ASSERT_EQ(line, "PUBLISH " + topic + " " + std::to_string(next) + " q1");
    subscriber.ack(PacketType::kPuback, subscriber.last_id());
    ++next;
  }
}

TEST_P(Filters, MQTT_3_8_4_4_OneFilterTwiceInAPacketIsAsTwoPackets) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  EXPECT_EQ(subscriber.subscribe({Request{.filter = topic, .options = {.qos = kQos0}},
                                  Request{.filter = topic, .options = {.qos = kQos2}},
                                  Request{.filter = topic, .options = {.qos = kQos1}}}),
            "00 02 01");
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos2);
  subscriber.expect_receive("PUBLISH " + topic + " x q1");
  subscriber.expect_silence(server());
}

TEST_P(Filters, MQTT_3_9_3_1_CodesAreInTheOrderOfTheFilters) {
  TestClient client = connected();
  const std::string root = unique("t");
  const std::string bad = is_v5() ? "8f" : "80";
  EXPECT_EQ(client.subscribe({Request{.filter = root + "/2", .options = {.qos = kQos2}},
                              Request{.filter = root + "#", .options = {.qos = kQos0}},
                              Request{.filter = root + "/0", .options = {.qos = kQos0}},
                              Request{.filter = root + "/1", .options = {.qos = kQos1}},
                              Request{.filter = root + "/a+", .options = {.qos = kQos1}}}),
            "02 " + bad + " 00 01 " + bad);
}

TEST_P(Filters, MQTT_3_10_3_2_EmptyUnsubscribeIsClosed) {
  TestClient client = connected();
  client.send(
      mqtt::UnsubscribePacket{.packet_id = PacketId{1}, .filters = {}, .user_properties = {}});
  client.expect_disconnect(ReasonCode::kProtocolError);
}

// Filters are compared as text: what one of them matches does not matter.
TEST_P(Filters, MQTT_3_10_4_1_OnlyTheVerySameFilterIsRemoved) {
  const std::string root = unique("t");
  TestClient client = connected();
  client.subscribe(root + "/a", kQos0);
  const std::string none = is_v5() ? "11" : "";
  for (const char* other : {"/+", "/#", "/A", "/a/", "/", ""}) {
    EXPECT_EQ(client.unsubscribe(root + other), none) << other;
  }
  client.send_publish(root + "/a", "x");
  client.expect("PUBLISH " + root + "/a x q0");
}

TEST_P(Filters, MQTT_3_10_4_2_OtherSubscriptionsGoOn) {
  const std::string root = unique("t");
  TestClient client = connected();
  client.subscribe(root + "/+", kQos0);
  client.subscribe(root + "/a", kQos0);
  client.unsubscribe(root + "/+");
  TestClient publisher = connected();
  publisher.publish(root + "/b", "not wanted", kQos1);
  publisher.publish(root + "/a", "wanted", kQos1);
  client.expect("PUBLISH " + root + "/a wanted q0");
  client.expect_silence(server());
}

TEST_P(Filters, MQTT_3_10_4_3_WhatIsInFlightIsCompletedAfterTheUnsubscribe) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient client = this->client();
  client.connect(client.hello(id, CleanStart::kNo));
  client.subscribe(topic, kQos2);
  TestClient publisher = connected();
  publisher.publish(topic, "one", kQos1);
  publisher.publish(topic, "two", kQos2);
  client.expect("PUBLISH " + topic + " one q1");
  client.expect("PUBLISH " + topic + " two q2");
  const uint16_t two = client.last_id();
  client.unsubscribe(topic);
  publisher.publish(topic, "three", kQos2);
  client.ack(PacketType::kPubrec, two);
  client.expect("PUBREL " + std::to_string(two));
  client.wire().reset();
  TestClient again = this->client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.expect_receive("PUBLISH " + topic + " one q1 dup");
  again.expect("PUBREL " + std::to_string(two));
  again.ack(PacketType::kPubcomp, two);
  again.expect_silence(server());
}

TEST_P(Filters, MQTT_3_10_4_6_ManyFiltersHaveOneUnsuback) {
  const std::string root = unique("t");
  TestClient client = connected();
  client.subscribe(root + "/a", kQos1);
  client.subscribe(root + "/b", kQos1);
  const std::string a = root + "/a";
  const std::string b = root + "/b";
  const std::string c = root + "/c";
  client.send(mqtt::UnsubscribePacket{
      .packet_id = PacketId{7}, .filters = {a, c, b}, .user_properties = {}});
  client.expect(is_v5() ? "UNSUBACK 7 00 11 00" : "UNSUBACK 7");
  TestClient publisher = connected();
  publisher.publish(a, "x", kQos1);
  publisher.publish(b, "x", kQos1);
  client.expect_silence(server());
}

TEST_P(Filters, MQTT_4_7_3_1_EmptyTopicsAndFiltersAreRefused) {
  TestClient subscriber = connected();
  EXPECT_EQ(subscriber.subscribe("", kQos0), is_v5() ? "8f" : "80");
  TestClient publisher = connected();
  publisher.send_publish("", "x");
  publisher.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Filters, MQTT_4_7_3_3_LongestTopicThereCanBe) {
  const std::string topic = unique("t") + "/" + std::string(65'000, 'x');
  const std::string longest = topic + std::string(65'535 - topic.size(), 'y');
  TestClient client = connected();
  EXPECT_EQ(client.subscribe(longest, kQos0), "00");
  client.publish(longest.substr(1), "another", kQos1);
  client.send_publish(longest, "x");
  client.expect("PUBLISH " + longest + " x q0");
}

// The same letter as one character and as two: other bytes are another topic.
TEST_P(Filters, MQTT_4_7_3_4_TextIsNotNormalized) {
  const std::string root = unique("t");
  const std::string composed = root + "/\xc3\xbc";
  const std::string in_two = root + "/u\xcc\x88";
  TestClient client = connected();
  client.subscribe(composed, kQos0);
  TestClient publisher = connected();
  for (const std::string& other : {in_two, root + "/\xc3\x9c", root + "/./\xc3\xbc"}) {
    publisher.publish(other, "x", kQos1);
  }
  client.expect_silence(server());
  publisher.publish(composed, "y", kQos1);
  client.expect("PUBLISH " + composed + " y q0");
}

class Messages : public ConformanceTest {
 protected:
  // PUBLISH with DUP set, as a client sends it that got no answer.
  void send_again(TestClient& client, std::string_view topic, uint16_t id, Qos qos) {
    client.send(mqtt::PublishPacket{.topic = topic,
                                    .payload = as_bytes("x"),
                                    .packet_id = PacketId{id},
                                    .qos = qos,
                                    .dup = mqtt::Dup::kYes,
                                    .properties = {}});
  }
};
FL_EVERY_VERSION(Messages);

TEST_P(Messages, MQTT_3_3_1_3_DupIsNotPassedOn) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  send_again(publisher, topic, 1, kQos1);
  subscriber.expect_receive("PUBLISH " + topic + " x q1");
  send_again(publisher, topic, 2, kQos2);
  subscriber.expect_receive("PUBLISH " + topic + " x q2");
}

TEST_P(Messages, MQTT_3_3_1_5_RetainedMessageKeepsItsQos) {
  const std::string topic = unique("r");
  TestClient publisher = connected();
  for (const Qos qos : {kQos0, kQos1, kQos2}) {
    const std::string name = std::to_string(static_cast<int>(qos));
    publisher.publish(topic + "/" + name, "kept", qos, Retain::kYes);
    server().settle();
    TestClient subscriber = connected();
    subscriber.subscribe(topic + "/" + name, kQos2);
    subscriber.expect_receive("PUBLISH " + topic + "/" + name + " kept q" + name + " retain");
  }
}

TEST_P(Messages, MQTT_3_3_1_7_RetainedMessageOfQos0ReplacesTheOneBefore) {
  const std::string topic = unique("r");
  TestClient publisher = connected();
  publisher.publish(topic, "old", kQos1, Retain::kYes);
  publisher.publish(topic, "new", kQos0, Retain::kYes);
  server().settle();
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  subscriber.expect_receive("PUBLISH " + topic + " new q0 retain");
  subscriber.expect_silence(server());
}

TEST_P(Messages, MQTT_3_3_1_9_RetainIsNotSetForAnEstablishedSubscription) {
  const std::string topic = unique("r");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  publisher.publish(topic, "kept", kQos0, Retain::kYes);
  subscriber.expect_receive("PUBLISH " + topic + " kept q0");
  publisher.publish(topic, "kept", kQos1, Retain::kYes);
  subscriber.expect_receive("PUBLISH " + topic + " kept q1");
}

TEST_P(Messages, MQTT_3_3_1_11_EmptyRetainedMessageIsPassedOnAndNotKept) {
  const std::string topic = unique("r");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  publisher.publish(topic, "", kQos1, Retain::kYes);
  subscriber.expect_receive("PUBLISH " + topic + "  q1");
  server().settle();
  TestClient late = connected();
  late.subscribe(topic, kQos1);
  late.expect_silence(server());
}

TEST_P(Messages, MQTT_3_3_1_12_OtherMessagesLeaveTheRetainedOneAlone) {
  const std::string topic = unique("r");
  TestClient publisher = connected();
  publisher.publish(topic, "passing", kQos1);
  server().settle();
  TestClient first = connected();
  first.subscribe(topic, kQos1);
  first.expect_silence(server());
  publisher.publish(topic, "kept", kQos1, Retain::kYes);
  publisher.publish(topic, "passing", kQos1);
  publisher.publish(topic, "", kQos1);
  server().settle();
  TestClient second = connected();
  second.subscribe(topic, kQos1);
  second.expect_receive("PUBLISH " + topic + " kept q1 retain");
  second.expect_silence(server());
}

TEST_P(Messages, MQTT_4_3_2_2_IdentifierIsFreeAfterThePuback) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  for (int i = 0; i < 3; ++i) {  // DUP or not: each is a message of its own
    send_again(publisher, topic, 7, kQos1);
    publisher.expect("PUBACK 7");
    subscriber.expect_receive("PUBLISH " + topic + " x q1");
  }
}

TEST_P(Messages, MQTT_4_3_3_2_IdentifierIsFreeAfterThePubcomp) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  for (int i = 0; i < 3; ++i) {
    send_again(publisher, topic, 7, kQos2);
    publisher.expect("PUBREC 7");
    publisher.ack(PacketType::kPubrel, 7);
    publisher.expect("PUBCOMP 7");
    publisher.ack(PacketType::kPubrel, 7);  // repeated: the answer is still there
    publisher.expect(is_v5() ? "PUBCOMP 7 0x92" : "PUBCOMP 7");
    subscriber.expect_receive("PUBLISH " + topic + " x q2");
  }
  subscriber.expect_silence(server());
}

TEST_P(Messages, MQTT_4_3_3_1_ServerDoesNotSendAgainWhatWasReceived) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient subscriber = client();
  subscriber.connect(subscriber.hello(id, CleanStart::kNo));
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos2);
  subscriber.expect("PUBLISH " + topic + " x q2");
  const uint16_t packet = subscriber.last_id();
  subscriber.ack(PacketType::kPubrec, packet);
  subscriber.expect("PUBREL " + std::to_string(packet));
  for (int i = 0; i < 2; ++i) {
    subscriber.wire().reset();
    subscriber = client();
    subscriber.connect(subscriber.hello(id, CleanStart::kNo));
    subscriber.expect("PUBREL " + std::to_string(packet));
  }
  subscriber.ack(PacketType::kPubcomp, packet);
  subscriber.expect_silence(server());
  subscriber.wire().reset();
  subscriber = client();
  subscriber.connect(subscriber.hello(id, CleanStart::kNo));
  subscriber.expect_silence(server());
}

// In 3.1.1 there is no code for it: the connection ends, and nothing of the packet was taken.
TEST_P(Messages, MQTT_4_8_0_2_PacketOverTheLimitEndsTheConnection) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  TestClient client = connected();
  client.send_bytes("\x32\xff\xff\x7f");  // 2 MiB are announced
  client.expect_disconnect(ReasonCode::kPacketTooLarge);
  subscriber.expect_silence(server());
}

}  // namespace
}  // namespace fairlead::testing
