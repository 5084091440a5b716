#include "conformance/fixture.h"
#include "support/raw_packet.h"

// PUBLISH of MQTT 5.0, section 3.3: flags, retained messages, properties and aliases.

namespace fairlead::testing {
namespace {

std::vector<uint32_t> identifiers_of(const mqtt::PublishPacket& packet) {
  std::vector<uint32_t> ids;
  packet.properties.subscription_identifiers.for_each([&](uint32_t id) { ids.push_back(id); });
  std::sort(ids.begin(), ids.end());
  return ids;
}

class Mqtt5Publish : public ConformanceTest {
 protected:
  std::string topic_ = unique("t");
  mqtt::PublishProperties alias(uint16_t number) {
    mqtt::PublishProperties with;
    with.topic_alias = number;
    return with;
  }
};
FL_ONLY(Mqtt5Publish, ProtocolVersion::k5);

TEST_P(Mqtt5Publish, MQTT_3_3_1_1_DupIsSetWhenRepeatedAndOnlyThen) {
  const std::string id = unique("c");
  TestClient publisher = connected();
  {
    TestClient first = client();
    first.connect(first.hello(id, CleanStart::kNo));
    first.subscribe(topic_, kQos2);
    publisher.publish(topic_, "one", kQos1);
    publisher.publish(topic_, "two", kQos2);
    first.expect("PUBLISH " + topic_ + " one q1");
    first.expect("PUBLISH " + topic_ + " two q2");
    first.disconnect();
    first.expect_closed();
  }
  publisher.publish(topic_, "three", kQos1);
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.expect("PUBLISH " + topic_ + " one q1 dup");
  again.expect("PUBLISH " + topic_ + " two q2 dup");
  again.expect("PUBLISH " + topic_ + " three q1");  // was never sent before
}

TEST_P(Mqtt5Publish, MQTT_3_3_1_2_DupWithQos0IsMalformed) {
  TestClient client = connected();
  client.send_bytes(Raw().text(topic_).properties().bytes("x").packet(0x38));
  client.expect_disconnect(ReasonCode::kMalformedPacket);
}

TEST_P(Mqtt5Publish, MQTT_3_3_1_3_DupIsNotPassedOn) {
  TestClient subscriber = connected();
  subscriber.subscribe(topic_, kQos2);
  TestClient publisher = connected();
  publisher.send_bytes(Raw().text(topic_).u16(1).properties().bytes("x").packet(0x3A));
  publisher.expect("PUBACK 1");
  publisher.send_bytes(Raw().text(topic_).u16(2).properties().bytes("y").packet(0x3C));
  publisher.expect("PUBREC 2");
  subscriber.expect("PUBLISH " + topic_ + " x q1");
  subscriber.expect("PUBLISH " + topic_ + " y q2");
}

TEST_P(Mqtt5Publish, MQTT_3_3_1_4_QosThreeIsMalformed) {
  for (const unsigned first : {0x36u, 0x37u, 0x3Eu}) {
    TestClient client = connected();
    client.send_bytes(Raw().text(topic_).u16(1).properties().bytes("x").packet(first));
    client.expect_disconnect(ReasonCode::kMalformedPacket);
  }
}

TEST_P(Mqtt5Publish, MQTT_3_3_1_5_RetainedReplacesRetainedOfAnyQos) {
  TestClient publisher = connected();
  for (const Qos qos : {kQos2, kQos1, kQos0}) {
    const std::string text = "q" + std::to_string(static_cast<int>(qos));
    publisher.publish(topic_, text, qos, Retain::kYes);
    server().settle();
    TestClient subscriber = connected();
    subscriber.subscribe(topic_, kQos2);
    subscriber.expect_receive("PUBLISH " + topic_ + " " + text + " " + text + " retain");
    subscriber.expect_silence(server());
  }
  publisher.publish(topic_, "", kQos0, Retain::kYes);
}

TEST_P(Mqtt5Publish, MQTT_3_3_1_6_EmptyRetainedIsDeliveredAndRemoves) {
  TestClient publisher = connected();
  publisher.publish(topic_, "kept", kQos1, Retain::kYes);
  server().settle();
  TestClient subscriber = connected();
  subscriber.subscribe({{.filter = topic_,
                         .options = {.qos = kQos1,
                                     .retain_as_published = true,
                                     .retain_handling = RetainHandling::kDoNotSend}}});
  publisher.publish(topic_, "", kQos1, Retain::kYes);
  subscriber.expect_receive("PUBLISH " + topic_ + "  q1 retain");
  server().settle();
  TestClient late = connected();
  late.subscribe(topic_, kQos1);
  late.expect_silence(server());  // MQTT-3.3.1-7: nor is the empty one stored
}

TEST_P(Mqtt5Publish, MQTT_3_3_1_8_OneThatIsNotRetainedChangesNothing) {
  TestClient publisher = connected();
  publisher.publish(topic_, "kept", kQos1, Retain::kYes);
  publisher.publish(topic_, "passing", kQos1);
  publisher.publish(topic_, "", kQos1);
  server().settle();
  TestClient subscriber = connected();
  subscriber.subscribe(topic_, kQos1);
  subscriber.expect_receive("PUBLISH " + topic_ + " kept q1 retain");
  subscriber.expect_silence(server());
  publisher.publish(topic_, "", kQos1, Retain::kYes);
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_1_EmptyTopicWithoutAliasIsAProtocolError) {
  for (const unsigned first : {0x30u, 0x32u}) {
    Raw packet = Raw().text("");
    if (first == 0x32) packet.u16(1);
    TestClient client = connected();
    client.send_bytes(packet.properties().bytes("x").packet(first));
    client.expect_disconnect(ReasonCode::kProtocolError);
  }
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_2_WildcardsInATopicNameAreInvalid) {
  for (std::string_view name : {"#", "+", "a/#", "a/+/b", "a+", "a#b", "$share/g/#"}) {
    for (const Qos qos : {kQos0, kQos1, kQos2}) {
      TestClient client = connected();
      client.send_publish(name, "x", qos);
      client.expect_disconnect(ReasonCode::kTopicNameInvalid);
    }
  }
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_4_AllPropertiesReachEveryKindOfReceiver) {
  ByteBuffer user;
  mqtt::append_user_property(user, "z", "1");
  mqtt::append_user_property(user, "a", "2");
  mqtt::append_user_property(user, "z", "1");
  mqtt::PublishProperties with;
  with.payload_format = 0;
  with.content_type = "";
  const std::string response = "r/" + topic_;
  with.response_topic = response;
  const std::string correlation("\0\x01\xff", 3);
  with.correlation_data = as_bytes(correlation);
  with.user_properties = mqtt::UserProperties(mqtt::PropertyBlock(user.view()));
  auto check = [&](TestClient& client, std::string_view line) {
    client.expect_receive(line);
    const mqtt::PublishPacket got = client.last_publish();
    EXPECT_EQ(got.properties.payload_format, 0);
    EXPECT_EQ(got.properties.content_type, "");
    EXPECT_EQ(got.properties.response_topic, response);
    ASSERT_TRUE(got.properties.correlation_data);
    EXPECT_EQ(as_text(*got.properties.correlation_data), correlation);
    EXPECT_FALSE(got.properties.message_expiry_seconds);
    std::string pairs;
    got.properties.user_properties.for_each([&](std::string_view name, std::string_view value) {
      pairs += std::string(name) + "=" + std::string(value) + ";";
    });
    EXPECT_EQ(pairs, "z=1;a=2;z=1;");
  };
  const std::string id = unique("c");
  {
    TestClient away = client();
    away.connect(away.hello(id, CleanStart::kNo));
    away.subscribe(topic_, kQos1);
    away.disconnect();
    away.expect_closed();
  }
  TestClient live = connected();
  live.subscribe(topic_, kQos0);
  TestClient shared = connected();
  shared.subscribe("$share/g/" + topic_, kQos2);
  TestClient publisher = connected();
  publisher.publish(topic_, "x", kQos2, Retain::kYes, with);
  check(live, "PUBLISH " + topic_ + " x q0");
  check(shared, "PUBLISH " + topic_ + " x q2");
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  check(again, "PUBLISH " + topic_ + " x q1");
  TestClient late = connected();
  late.subscribe(topic_, kQos2);
  check(late, "PUBLISH " + topic_ + " x q2 retain");
  publisher.publish(topic_, "", kQos1, Retain::kYes);
}

TEST_P(Mqtt5Publish, PropertiesAreLeftOutForOlderClients) {
  TestClient old(server(), transport(), ProtocolVersion::k311);
  old.connect(unique("c"));
  old.subscribe(topic_, kQos1);
  TestClient publisher = connected();
  mqtt::PublishProperties with;
  with.content_type = "text/plain";
  publisher.publish(topic_, "x", kQos1, Retain::kNo, with);
  old.expect_receive("PUBLISH " + topic_ + " x q1");
  TestClient young = connected();
  young.subscribe(topic_, kQos1);
  old.publish(topic_, "y", kQos1);
  young.expect_receive("PUBLISH " + topic_ + " y q1");
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_6_ExpiryIsPassedOn) {
  TestClient subscriber = connected();
  subscriber.subscribe(topic_, kQos1);
  TestClient publisher = connected();
  mqtt::PublishProperties with;
  for (const uint32_t seconds : {100u, 0xffffffffu}) {
    with.message_expiry_seconds = seconds;
    publisher.publish(topic_, "x", kQos1, Retain::kYes, with);
    subscriber.receive();
    const auto left = subscriber.last_publish().properties.message_expiry_seconds;
    ASSERT_TRUE(left);
    EXPECT_LE(*left, seconds);
    EXPECT_GE(*left, seconds - 20);
  }
  server().settle();
  TestClient late = connected();
  late.subscribe(topic_, kQos1);
  late.receive();
  EXPECT_TRUE(late.last_publish().properties.message_expiry_seconds);
  publisher.publish(topic_, "", kQos1, Retain::kYes);
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_7_AliasesEndWithTheirConnection) {
  const std::string id = unique("c");
  {
    TestClient first = client();
    first.connect(first.hello(id, CleanStart::kNo));
    first.publish(topic_, "set", kQos1, Retain::kNo, alias(1));
    first.publish("", "used", kQos1, Retain::kNo, alias(1));
    first.disconnect();
    first.expect_closed();
  }
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.send_publish("", "x", kQos1, Retain::kNo, alias(1));
  again.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_12_EveryAliasUpToTheMaximumIsTaken) {
  TestClient publisher = client();
  const uint16_t maximum =
      publisher.connect(unique("c")).properties.topic_alias_maximum.value_or(0);
  ASSERT_GT(maximum, 1);
  TestClient subscriber = connected();
  subscriber.subscribe(topic_ + "/+", kQos0);
  for (const uint16_t number : {uint16_t{1}, uint16_t{2}, maximum}) {
    publisher.send_publish(topic_ + "/" + std::to_string(number), "x", kQos0, Retain::kNo,
                           alias(number));
  }
  for (const uint16_t number : {maximum, uint16_t{1}, uint16_t{2}}) {
    publisher.send_publish("", "y", kQos0, Retain::kNo, alias(number));
  }
  for (const auto& [number, text] : {std::pair<int, const char*>{1, "x"},
                                     {2, "x"},
                                     {maximum, "x"},
                                     {maximum, "y"},
                                     {1, "y"},
                                     {2, "y"}}) {
    subscriber.expect("PUBLISH " + topic_ + "/" + std::to_string(number) + " " + text + " q0");
  }
  publisher.send_publish("t", "x", kQos0, Retain::kNo, alias(static_cast<uint16_t>(maximum + 1)));
  publisher.expect_disconnect(ReasonCode::kTopicAliasInvalid);
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_12_AliasIsSetByARepeatedOrRefusedPublishToo) {
  TestClient subscriber = connected();
  subscriber.subscribe(topic_, kQos0);
  const std::string id = unique("c");
  uint16_t packet = 0;
  {
    TestClient first = client();
    first.connect(first.hello(id, CleanStart::kNo));
    packet = first.send_publish(topic_, "once", kQos2);
    first.expect("PUBREC " + std::to_string(packet));
    first.wire().reset();
  }
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.send(mqtt::PublishPacket{.topic = topic_,
                                 .payload = as_bytes("once"),
                                 .packet_id = PacketId{packet},
                                 .qos = kQos2,
                                 .dup = mqtt::Dup::kYes,
                                 .properties = alias(7)});
  again.expect("PUBREC " + std::to_string(packet));
  mqtt::PublishProperties refused = alias(8);
  refused.payload_format = 1;
  const uint16_t other = again.send_publish(topic_, "\xff", kQos1, Retain::kNo, refused);
  again.expect("PUBACK " + std::to_string(other) + " 0x99");
  again.send_publish("", "by seven", kQos0, Retain::kNo, alias(7));
  again.send_publish("", "by eight", kQos0, Retain::kNo, alias(8));
  subscriber.expect("PUBLISH " + topic_ + " once q0");
  subscriber.expect("PUBLISH " + topic_ + " by seven q0");
  subscriber.expect("PUBLISH " + topic_ + " by eight q0");
}

TEST_P(Mqtt5Publish, MQTT_3_1_2_27_NoAliasesForAClientThatDoesNotAskForThem) {
  for (const std::optional<uint16_t> maximum : {std::optional<uint16_t>{}, {uint16_t{0}}}) {
    TestClient subscriber = client();
    mqtt::ConnectPacket hello = subscriber.hello(unique("c"));
    hello.properties.topic_alias_maximum = maximum;
    subscriber.connect(hello);
    subscriber.subscribe("a-long-topic/" + topic_, kQos1);
    TestClient publisher = connected();
    for (int i = 0; i < 3; ++i) {
      publisher.publish("a-long-topic/" + topic_, "x", kQos1, Retain::kNo, alias(1));
      subscriber.expect_receive("PUBLISH a-long-topic/" + topic_ + " x q1");
      EXPECT_FALSE(subscriber.last_publish().properties.topic_alias);
    }
  }
}

TEST_P(Mqtt5Publish, MQTT_3_3_2_7_AliasesOfTheServerEndWithTheirConnectionToo) {
  const std::string id = unique("c");
  const std::string topic = "a-long-topic/" + topic_;
  TestClient publisher = connected();
  for (int round = 0; round < 2; ++round) {
    TestClient subscriber = client();
    mqtt::ConnectPacket hello = subscriber.hello(id, CleanStart::kNo);
    hello.properties.topic_alias_maximum = 5;
    subscriber.connect(hello);
    if (round == 0) subscriber.subscribe(topic, kQos1);
    publisher.publish(topic, "x", kQos1);
    subscriber.expect_receive("PUBLISH " + topic + " x q1");  // named anew on each
    subscriber.disconnect();
    subscriber.expect_closed();
  }
}

TEST_P(Mqtt5Publish, MQTT_3_3_4_1_EveryQosGetsItsAnswer) {
  TestClient client = connected();
  client.send_publish(topic_, "x", kQos0);
  client.ping();
  client.expect("PINGRESP");
  const uint16_t one = client.send_publish(topic_, "x", kQos1);
  client.expect("PUBACK " + std::to_string(one));
  const uint16_t two = client.send_publish(topic_, "x", kQos2);
  client.expect("PUBREC " + std::to_string(two));
}

TEST_P(Mqtt5Publish, MQTT_3_3_4_4_IdentifiersOfAllSubscriptionsThatMatch) {
  TestClient client = connected();
  auto subscribe = [&](const std::string& filter, Qos qos, std::optional<uint32_t> identifier) {
    // "#" would bring what other tests have retained.
    client.subscribe({{.filter = filter,
                       .options = {.qos = qos, .retain_handling = RetainHandling::kDoNotSend}}},
                     identifier);
  };
  subscribe(topic_ + "/#", kQos0, 5);
  subscribe(topic_ + "/a", kQos1, 5);  // the same identifier once more
  subscribe(topic_ + "/+", kQos2, 128);
  subscribe("#", kQos0, {});
  TestClient publisher = connected();
  publisher.publish(topic_ + "/a", "x", kQos2);
  client.expect_receive("PUBLISH " + topic_ + "/a x q2");
  EXPECT_EQ(identifiers_of(client.last_publish()), (std::vector<uint32_t>{5, 5, 128}));
  client.unsubscribe("#");
  // A new subscription of the same filter has its own identifier, or none.
  subscribe(topic_ + "/+", kQos2, 129);
  subscribe(topic_ + "/a", kQos1, {});
  publisher.publish(topic_ + "/a", "y", kQos2);
  client.expect_receive("PUBLISH " + topic_ + "/a y q2");
  EXPECT_EQ(identifiers_of(client.last_publish()), (std::vector<uint32_t>{5, 129}));
}

TEST_P(Mqtt5Publish, MQTT_3_3_4_4_IdentifiersOfWhatWaitedAndOfWhatIsRepeated) {
  const std::string id = unique("c");
  TestClient publisher = connected();
  {
    TestClient first = client();
    first.connect(first.hello(id, CleanStart::kNo));
    first.subscribe({{.filter = topic_, .options = {.qos = kQos1}}}, 77);
    publisher.publish(topic_, "sent", kQos1);
    first.expect("PUBLISH " + topic_ + " sent q1");
    first.disconnect();
    first.expect_closed();
  }
  publisher.publish(topic_, "waits", kQos1);
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  for (std::string_view line : {" sent q1 dup", " waits q1"}) {
    again.expect_receive("PUBLISH " + topic_ + std::string(line));
    EXPECT_EQ(identifiers_of(again.last_publish()), std::vector<uint32_t>{77});
  }
}

TEST_P(Mqtt5Publish, MQTT_4_7_2_1_ClientsMayNotPublishBelowSys) {
  TestClient watch = client();
  watch.connect(watch.app_hello("backend", unique("app")));
  const std::string topic = "$SYS/" + topic_;
  watch.subscribe(topic, kQos0);
  TestClient publisher = connected();
  const uint16_t id = publisher.send_publish(topic, "x", kQos1);
  publisher.expect("PUBACK " + std::to_string(id) + " 0x87");
  watch.expect_silence(server());
}

TEST_P(Mqtt5Publish, MQTT_4_7_3_3_LongestTopicThereIs) {
  const std::string topic = topic_ + "/" + std::string(65'535 - topic_.size() - 1, 'x');
  TestClient client = connected();
  EXPECT_EQ(client.subscribe(topic, kQos0), "00");
  client.send_publish(topic, "x");
  client.expect("PUBLISH " + topic + " x q0");
}

}  // namespace
}  // namespace fairlead::testing
