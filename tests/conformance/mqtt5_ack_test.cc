#include "conformance/fixture.h"
#include "support/raw_packet.h"

// The ladders of QoS 1 and 2 in MQTT 5.0, both ways, and flow control: sections 3.4 to 3.7, 4.3,
// 4.4 and 4.9.

namespace fairlead::testing {
namespace {

class Mqtt5Ack : public ConformanceTest {
 protected:
  // Connected with a Receive Maximum, subscribed to topic_ at QoS 2.
  TestClient subscriber(uint16_t receive_maximum = 65'535) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(id_, CleanStart::kNo);
    hello.properties.receive_maximum = receive_maximum;
    client.connect(hello);
    if (!subscribed_) client.subscribe(topic_, kQos2);
    subscribed_ = true;
    return client;
  }
  static void leave(TestClient& client) {
    client.disconnect();
    client.expect_closed();
  }
  std::string line(std::string_view payload, std::string_view rest) const {
    return "PUBLISH " + topic_ + " " + std::string(payload) + " " + std::string(rest);
  }
  std::string topic_ = unique("t");
  std::string id_ = unique("c");
  bool subscribed_ = false;
};
FL_ONLY(Mqtt5Ack, ProtocolVersion::k5);

TEST_P(Mqtt5Ack, MQTT_3_4_2_1_EveryFormOfAnAcknowledgement) {
  TestClient client = subscriber();
  TestClient publisher = connected();
  // With reason code and property length, with the code alone, with neither.
  for (int form = 0; form < 3; ++form) {
    publisher.publish(topic_, "x", kQos1);
    client.expect(line("x", "q1"));
    Raw puback = Raw().u16(client.last_id());
    if (form > 0) puback.u8(0);
    if (form > 1) puback.properties(Raw().u8(0x1F).text("fine").str());
    client.send_bytes(puback.packet(0x40));
    publisher.publish(topic_, "y", kQos2);
    client.expect(line("y", "q2"));
    const uint16_t id = client.last_id();
    Raw pubrec = Raw().u16(id);
    if (form > 0) pubrec.u8(0);
    if (form > 1) pubrec.properties(Raw().u8(0x26).text("a").text("b").str());
    client.send_bytes(pubrec.packet(0x50));
    client.expect("PUBREL " + std::to_string(id));
    client.send_bytes(pubrec.packet(0x70));
  }
  leave(client);
  TestClient again = subscriber();
  again.expect_silence(server());  // nothing is left unacknowledged
}

TEST_P(Mqtt5Ack, MQTT_3_4_2_1_ReasonCodesOfOtherPacketsAreProtocolErrors) {
  for (const auto& [type, code] : {std::pair{0x40u, 0x92u},
                                   {0x40u, 0x01u},
                                   {0x50u, 0x92u},
                                   {0x62u, 0x80u},
                                   {0x62u, 0x10u},
                                   {0x70u, 0x87u}}) {
    TestClient client = connected();
    client.send_bytes(Raw().u16(1).u8(code).packet(type));
    client.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(Mqtt5Ack, MQTT_4_4_0_2_RefusedIsSettledAndNeverRepeated) {
  TestClient client = subscriber();
  TestClient publisher = connected();
  for (const unsigned code : {0x80u, 0x83u, 0x87u, 0x90u, 0x91u, 0x97u, 0x99u}) {
    publisher.publish(topic_, "x", kQos1);
    client.expect(line("x", "q1"));
    client.send_bytes(Raw().u16(client.last_id()).u8(code).packet(0x40));
    publisher.publish(topic_, "y", kQos2);
    client.expect(line("y", "q2"));
    client.send_bytes(Raw().u16(client.last_id()).u8(code).packet(0x50));
  }
  client.expect_silence(server());  // no PUBREL after a refusal
  leave(client);
  TestClient again = subscriber();
  again.expect_silence(server());
}

TEST_P(Mqtt5Ack, MQTT_4_3_2_5_SameIdentifierAfterPubackIsANewMessage) {
  TestClient client = subscriber();
  TestClient publisher = connected();
  for (const unsigned first : {0x32u, 0x32u, 0x3Au}) {
    publisher.send_bytes(Raw().text(topic_).u16(5).properties().bytes("x").packet(first));
    publisher.expect("PUBACK 5");
    client.expect_receive(line("x", "q1"));
  }
}

TEST_P(Mqtt5Ack, MQTT_4_3_3_10_UntilPubrelTheSameIdentifierIsTheSameMessage) {
  TestClient client = subscriber();
  TestClient publisher = connected();
  for (const unsigned first : {0x34u, 0x3Cu, 0x34u}) {
    publisher.send_bytes(Raw().text(topic_).u16(5).properties().bytes("x").packet(first));
    publisher.expect("PUBREC 5");
  }
  publisher.ack(PacketType::kPubrel, 5);
  publisher.expect("PUBCOMP 5");
  client.expect_receive(line("x", "q2"));
  client.expect_silence(server());
  // MQTT-4.3.3-12: and after it a new one.
  publisher.send_bytes(Raw().text(topic_).u16(5).properties().bytes("y").packet(0x34));
  publisher.expect("PUBREC 5");
  client.expect_receive(line("y", "q2"));
}

TEST_P(Mqtt5Ack, MQTT_4_3_3_9_AfterARefusalTheSameIdentifierIsANewMessage) {
  TestClient client = subscriber();
  TestClient publisher = connected();
  const std::string text = Raw().u8(0x01).u8(1).str();  // payload format: UTF-8
  publisher.send_bytes(Raw().text(topic_).u16(5).properties(text).bytes("\xff").packet(0x34));
  publisher.expect("PUBREC 5 0x99");
  publisher.send_bytes(Raw().text(topic_).u16(5).properties(text).bytes("fine").packet(0x34));
  publisher.expect("PUBREC 5");
  client.expect_receive(line("fine", "q2"));
}

TEST_P(Mqtt5Ack, MQTT_4_3_3_11_PubrelIsAlwaysAnswered) {
  TestClient client = connected();
  client.ack(PacketType::kPubrel, 9);
  client.expect("PUBCOMP 9 0x92");
  client.send_publish(topic_, "x", kQos2);
  client.expect("PUBREC 1");
  client.send_bytes(Raw().u16(1).u8(0x92).packet(0x62));  // says that it does not know it any more
  client.expect("PUBCOMP 1");
  client.ack(PacketType::kPubrel, 1);
  client.expect("PUBCOMP 1 0x92");
}

TEST_P(Mqtt5Ack, MQTT_4_3_3_4_PubrecIsAnsweredByPubrel) {
  TestClient client = subscriber();
  TestClient publisher = connected();
  publisher.publish(topic_, "x", kQos2);
  client.expect(line("x", "q2"));
  const uint16_t id = client.last_id();
  client.send_bytes(Raw().u16(id).u8(0x10).packet(0x50));  // below 0x80 is no refusal
  client.expect("PUBREL " + std::to_string(id));
  client.ack(PacketType::kPubcomp, id);
  client.ack(PacketType::kPubrec, id);
  client.expect("PUBREL " + std::to_string(id) + " 0x92");
}

TEST_P(Mqtt5Ack, MQTT_4_3_3_6_AfterPubrelOnlyPubrelIsRepeated) {
  TestClient publisher = connected();
  uint16_t id = 0;
  {
    TestClient client = subscriber();
    publisher.publish(topic_, "x", kQos2);
    client.expect(line("x", "q2"));
    id = client.last_id();
    client.ack(PacketType::kPubrec, id);
    client.expect("PUBREL " + std::to_string(id));
    leave(client);
  }
  for (int round = 0; round < 2; ++round) {  // MQTT-4.3.3-5: until PUBCOMP
    TestClient again = subscriber();
    again.expect("PUBREL " + std::to_string(id));
    if (round == 1) again.ack(PacketType::kPubcomp, id);
    leave(again);
  }
  TestClient last = subscriber();
  last.expect_silence(server());
}

TEST_P(Mqtt5Ack, MQTT_4_4_0_1_NothingIsRepeatedOnALiveConnection) {
  TestClient client = subscriber();
  TestClient publisher = connected();
  publisher.publish(topic_, "x", kQos1);
  publisher.publish(topic_, "y", kQos2);
  client.expect(line("x", "q1"));
  client.expect(line("y", "q2"));
  for (int i = 0; i < 3; ++i) client.expect_silence(server());
}

TEST_P(Mqtt5Ack, MQTT_4_4_0_1_RepeatedHaveTheirIdentifiersAndTheirOrder) {
  TestClient publisher = connected();
  std::vector<std::pair<std::string, uint16_t>> sent;
  {
    TestClient client = subscriber();
    for (int i = 0; i < 8; ++i) publisher.publish(topic_, std::to_string(i), i % 3 ? kQos1 : kQos2);
    for (int i = 0; i < 8; ++i) {
      const std::string got = client.next();
      sent.emplace_back(got, client.last_id());
    }
    // One out of the middle is settled.
    client.ack(PacketType::kPuback, sent[4].second);
    sent.erase(sent.begin() + 4);
    leave(client);
  }
  TestClient again = subscriber();
  for (const auto& [got, id] : sent) {
    again.expect(got + " dup");
    EXPECT_EQ(again.last_id(), id);
  }
  again.expect_silence(server());
}

TEST_P(Mqtt5Ack, MQTT_4_3_3_7_WhatWasSentDoesNotExpire) {
  TestClient publisher = connected();
  mqtt::PublishProperties soon;
  soon.message_expiry_seconds = 3600;
  {
    TestClient client = subscriber();
    publisher.publish(topic_, "x", kQos2, Retain::kNo, soon);
    client.expect(line("x", "q2"));
    leave(client);
  }
  TestClient again = subscriber();
  again.expect_receive(line("x", "q2 dup"));
  EXPECT_TRUE(again.last_publish().properties.message_expiry_seconds);
}

TEST_P(Mqtt5Ack, MQTT_4_9_0_2_WindowOfOneIsKeptAtEveryQos) {
  TestClient client = subscriber(1);
  TestClient publisher = connected();
  for (int i = 0; i < 4; ++i) publisher.publish(topic_, std::to_string(i), i % 2 ? kQos2 : kQos1);
  publisher.publish(topic_, "zero", kQos0);
  client.expect(line("0", "q1"));
  const uint16_t first = client.last_id();
  client.expect(line("zero", "q0"));  // QoS 0 needs no window
  client.expect_silence(server());
  client.ack(PacketType::kPuback, first);
  client.expect(line("1", "q2"));
  const uint16_t second = client.last_id();
  client.ack(PacketType::kPubrec, second);
  client.expect("PUBREL " + std::to_string(second));
  client.expect_silence(server());  // PUBREC gives no room back
  client.ack(PacketType::kPubcomp, second);
  client.expect(line("2", "q1"));
  client.send_bytes(Raw().u16(client.last_id()).u8(0x80).packet(0x40));  // a refusal does
  client.expect(line("3", "q2"));
  client.send_bytes(Raw().u16(client.last_id()).u8(0x80).packet(0x50));
  client.expect_silence(server());
}

TEST_P(Mqtt5Ack, MQTT_4_9_0_2_AcknowledgementsOfNothingGiveNoRoom) {
  TestClient client = subscriber(1);
  TestClient publisher = connected();
  publisher.publish(topic_, "0", kQos1);
  publisher.publish(topic_, "1", kQos1);
  client.expect(line("0", "q1"));
  const auto other = static_cast<uint16_t>(client.last_id() + 1);
  client.ack(PacketType::kPuback, other);
  client.ack(PacketType::kPubcomp, other);
  client.ack(PacketType::kPubcomp, client.last_id());  // does not fit its step
  client.expect_silence(server());
}

TEST_P(Mqtt5Ack, MQTT_4_9_0_1_WindowBelongsToTheConnection) {
  TestClient publisher = connected();
  {
    TestClient client = subscriber(2);
    for (int i = 0; i < 4; ++i) publisher.publish(topic_, std::to_string(i), kQos1);
    client.expect(line("0", "q1"));
    client.expect(line("1", "q1"));
    client.expect_silence(server());
    leave(client);
  }
  {
    TestClient smaller = subscriber(1);
    smaller.expect(line("0", "q1 dup"));
    smaller.expect_silence(server());
    leave(smaller);
  }
  TestClient wide = subscriber();
  for (std::string_view rest : {"0 q1 dup", "1 q1 dup", "2 q1", "3 q1"}) {
    wide.expect("PUBLISH " + topic_ + " " + std::string(rest));
  }
}

TEST_P(Mqtt5Ack, MQTT_4_9_0_3_OtherPacketsAreNotHeldUpByAFullWindow) {
  TestClient client = subscriber(1);
  TestClient publisher = connected();
  publisher.publish(topic_, "0", kQos2);
  publisher.publish(topic_, "1", kQos2);
  client.expect(line("0", "q2"));
  EXPECT_EQ(client.subscribe(topic_ + "/more", kQos1), "01");  // MQTT-3.3.4-10
  EXPECT_EQ(client.unsubscribe(topic_ + "/more"), "00");
  client.ping();
  client.expect("PINGRESP");
  client.publish(topic_ + "/out", "x", kQos1);
  client.publish(topic_ + "/out", "x", kQos2);
}

TEST_P(Mqtt5Ack, MQTT_3_3_4_7_ReceiveMaximumOfTheServerCountsUnreleasedOnly) {
  TestClient client = this->client();
  const uint16_t maximum = client.connect(id_).properties.receive_maximum.value_or(65'535);
  ASSERT_LE(maximum, 1000);
  for (uint16_t i = 0; i < maximum; ++i) client.send_publish(topic_, "x", kQos2);
  for (uint16_t i = 0; i < maximum; ++i) client.expect("PUBREC " + std::to_string(i + 1));
  // QoS 1 is settled as it comes, a release makes room, and the same message is no new one.
  client.publish(topic_, "x", kQos1);
  client.ack(PacketType::kPubrel, 1);
  client.expect("PUBCOMP 1");
  const uint16_t last = client.send_publish(topic_, "x", kQos2);
  client.expect("PUBREC " + std::to_string(last));
  client.send_bytes(Raw().text(topic_).u16(last).properties().packet(0x3C));
  client.expect("PUBREC " + std::to_string(last));
  client.send_publish(topic_, "x", kQos2);
  client.expect_disconnect(ReasonCode::kReceiveMaximumExceeded);
}

TEST_P(Mqtt5Ack, MQTT_4_3_3_13_LadderIsFinishedThoughTheMessageExpired) {
  TestClient publisher = connected();
  mqtt::PublishProperties at_once;
  at_once.message_expiry_seconds = 0;
  const uint16_t id = publisher.send_publish(topic_, "x", kQos2, Retain::kNo, at_once);
  publisher.expect("PUBREC " + std::to_string(id));
  publisher.ack(PacketType::kPubrel, id);
  publisher.expect("PUBCOMP " + std::to_string(id));
}

TEST_P(Mqtt5Ack, MQTT_3_1_2_29_NoReasonStringsOnAcknowledgementsWhenNotWanted) {
  for (const std::optional<bool> wanted : {std::optional<bool>{}, {true}, {false}}) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(unique("c"));
    hello.properties.request_problem_information = wanted;
    client.connect(hello);
    for (const Qos qos : {kQos1, kQos2}) {
      const uint16_t id = client.send_publish("$SYS/x", "x", qos);
      client.expect((qos == kQos1 ? "PUBACK " : "PUBREC ") + std::to_string(id) + " 0x87");
      EXPECT_EQ(client.last_ack().properties.reason_string.has_value(), wanted.value_or(true));
    }
  }
}

TEST_P(Mqtt5Ack, MQTT_3_4_2_2_ReasonStringsAreLeftOutWhereTheyDoNotFit) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.properties.maximum_packet_size = 24;
  client.connect(hello);
  for (const Qos qos : {kQos1, kQos2}) {
    const uint16_t id = client.send_publish("$SYS/x", "x", qos);
    client.expect((qos == kQos1 ? "PUBACK " : "PUBREC ") + std::to_string(id) + " 0x87");
    EXPECT_LE(client.last_bytes().size(), 24u);
    EXPECT_FALSE(client.last_ack().properties.reason_string);
  }
  client.send_publish("a/#", "x");  // MQTT-3.14.2-3
  client.expect("DISCONNECT 0x90");
  EXPECT_LE(client.last_bytes().size(), 24u);
  EXPECT_FALSE(client.last_disconnect().properties.reason_string);
}

TEST_P(Mqtt5Ack, MQTT_3_1_2_25_TooLargeIsTakenForDelivered) {
  const std::string id = unique("c");
  TestClient publisher = connected();
  auto connect = [&](CleanStart clean) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(id, clean);
    hello.properties.session_expiry_seconds = 3600;
    hello.properties.maximum_packet_size = 60;
    hello.properties.receive_maximum = 1;
    client.connect(hello);
    return client;
  };
  TestClient client = connect(CleanStart::kYes);
  client.subscribe(topic_, kQos2);
  for (const Qos qos : {kQos0, kQos1, kQos2}) {
    publisher.publish(topic_, std::string(100, 'x'), qos);
    publisher.publish(topic_, "fits", qos);  // its place in the window is not taken
    client.expect_receive(line("fits", "q" + std::to_string(static_cast<int>(qos))));
  }
  leave(client);
  publisher.publish(topic_, std::string(100, 'x'), kQos1);
  publisher.publish(topic_, "fits", kQos1);
  TestClient again = connect(CleanStart::kNo);
  again.expect_receive(line("fits", "q1"));
  again.expect_silence(server());
}

TEST_P(Mqtt5Ack, MQTT_3_1_2_24_PacketOfExactlyTheMaximumIsSent) {
  const std::string whole = Raw().text(topic_).properties().bytes("12345").packet(0x30);
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.properties.maximum_packet_size = static_cast<uint32_t>(std::max<size_t>(whole.size(), 30));
  client.connect(hello);
  client.subscribe(topic_, kQos0);
  const std::string fits(5 + *hello.properties.maximum_packet_size - whole.size(), 'x');
  TestClient publisher = connected();
  publisher.publish(topic_, fits + "x", kQos0);
  publisher.publish(topic_, fits, kQos0);
  client.expect(line(fits, "q0"));
  EXPECT_EQ(client.last_bytes().size(), *hello.properties.maximum_packet_size);
}

}  // namespace
}  // namespace fairlead::testing
