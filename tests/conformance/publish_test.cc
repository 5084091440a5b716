#include "conformance/fixture.h"

// PUBLISH and its acknowledgements, both ways: sections 3.3 to 3.7 and 4.3.

namespace fairlead::testing {
namespace {

class Publish : public ConformanceTest {};
FL_EVERY_VERSION(Publish);

TEST_P(Publish, MQTT_4_3_EveryQosArrivesAtTheLowerOfTwo) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  TestClient publisher = connected();
  for (const Qos granted : {kQos0, kQos1, kQos2}) {
    subscriber.subscribe(topic, granted);
    for (const Qos sent : {kQos0, kQos1, kQos2}) {
      publisher.publish(topic, "hello", sent);
      const int expected = std::min(static_cast<int>(granted), static_cast<int>(sent));
      subscriber.expect_receive("PUBLISH " + topic + " hello q" + std::to_string(expected));
    }
  }
  subscriber.expect_silence(server());
}

TEST_P(Publish, MQTT_4_3_3_2_RepeatedQos2IsDeliveredOnce) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  const uint16_t id = publisher.send_publish(topic, "once", kQos2);
  publisher.expect("PUBREC " + std::to_string(id));
  publisher.send(mqtt::PublishPacket{.topic = topic,
                                     .payload = as_bytes("once"),
                                     .packet_id = PacketId{id},
                                     .qos = kQos2,
                                     .dup = mqtt::Dup::kYes,
                                     .properties = {}});
  publisher.expect("PUBREC " + std::to_string(id));
  publisher.ack(PacketType::kPubrel, id);
  publisher.expect("PUBCOMP " + std::to_string(id));
  subscriber.expect_receive("PUBLISH " + topic + " once q2");
  subscriber.expect_silence(server());
}

TEST_P(Publish, MQTT_4_3_3_UnknownPubrelIsCompleted) {
  TestClient client = connected();
  client.ack(PacketType::kPubrel, 77);
  client.expect(is_v5() ? "PUBCOMP 77 0x92" : "PUBCOMP 77");
}

TEST_P(Publish, MQTT_4_4_0_1_UnacknowledgedIsRepeatedWithDupOnResume) {
  const std::string topic = unique("t");
  const std::string id = unique("c");
  {
    TestClient subscriber = client();
    subscriber.connect(subscriber.hello(id, CleanStart::kNo));
    subscriber.subscribe(topic, kQos2);
    TestClient publisher = connected();
    publisher.publish(topic, "one", kQos1);
    publisher.publish(topic, "two", kQos2);
    publisher.publish(topic, "three", kQos2);
    subscriber.expect("PUBLISH " + topic + " one q1");
    subscriber.expect("PUBLISH " + topic + " two q2");
    const uint16_t two = subscriber.last_id();
    subscriber.expect("PUBLISH " + topic + " three q2");
    subscriber.ack(PacketType::kPubrec, two);
    subscriber.expect("PUBREL " + std::to_string(two));
    subscriber.wire().reset();
  }
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.expect_receive("PUBLISH " + topic + " one q1 dup");
  // "two" has been received: only its release is repeated.
  const std::string release = again.next();
  EXPECT_TRUE(release.starts_with("PUBREL ")) << release;
  again.ack(PacketType::kPubcomp, again.last_id());
  again.expect_receive("PUBLISH " + topic + " three q2 dup");
  again.expect_silence(server());
}

TEST_P(Publish, MQTT_4_3_3_InboundQos2SurvivesAReconnect) {
  const std::string topic = unique("t");
  const std::string id = unique("c");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  uint16_t packet = 0;
  {
    TestClient publisher = client();
    publisher.connect(publisher.hello(id, CleanStart::kNo));
    packet = publisher.send_publish(topic, "once", kQos2);
    publisher.expect("PUBREC " + std::to_string(packet));
    publisher.wire().reset();
  }
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.send(mqtt::PublishPacket{.topic = topic,
                                 .payload = as_bytes("once"),
                                 .packet_id = PacketId{packet},
                                 .qos = kQos2,
                                 .dup = mqtt::Dup::kYes,
                                 .properties = {}});
  again.expect("PUBREC " + std::to_string(packet));
  again.ack(PacketType::kPubrel, packet);
  again.expect("PUBCOMP " + std::to_string(packet));
  subscriber.expect_receive("PUBLISH " + topic + " once q2");
  subscriber.expect_silence(server());
}

TEST_P(Publish, MQTT_4_6_0_6_OrderIsKept) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  for (int i = 0; i < 40; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  for (int i = 0; i < 40; ++i) {
    subscriber.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
}

TEST_P(Publish, MQTT_3_1_2_5_OfflineQueueIsDeliveredOnReturn) {
  const std::string topic = unique("t");
  const std::string id = unique("c");
  {
    TestClient subscriber = client();
    subscriber.connect(subscriber.hello(id, CleanStart::kNo));
    subscriber.subscribe(topic, kQos1);
    subscriber.disconnect();
    subscriber.expect_closed();
  }
  TestClient publisher = connected();
  publisher.publish(topic, "zero", kQos0);  // may be dropped, and is
  for (int i = 0; i < 150; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  for (int i = 0; i < 150; ++i) {
    again.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
  again.expect_silence(server());
}

TEST_P(Publish, MQTT_3_1_2_6_CleanSessionForgets) {
  const std::string topic = unique("t");
  const std::string id = unique("c");
  {
    TestClient subscriber = client();
    subscriber.connect(subscriber.hello(id, CleanStart::kNo));
    subscriber.subscribe(topic, kQos1);
    subscriber.disconnect();
    subscriber.expect_closed();
  }
  TestClient publisher = connected();
  publisher.publish(topic, "lost", kQos1);
  TestClient again = connected(id);
  publisher.publish(topic, "lost too", kQos1);
  again.expect_silence(server());
}

TEST_P(Publish, MQTT_3_3_1_5_RetainedIsKeptReplacedAndCleared) {
  const std::string topic = unique("r") + "/x";
  TestClient publisher = connected();
  publisher.publish(topic, "old", kQos1, Retain::kYes);
  publisher.publish(topic, "new", kQos1, Retain::kYes);
  server().settle();
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  subscriber.expect_receive("PUBLISH " + topic + " new q1 retain");
  // A live message to an existing subscription is not marked.
  publisher.publish(topic, "live", kQos1, Retain::kYes);
  subscriber.expect_receive("PUBLISH " + topic + " live q1");
  publisher.publish(topic, "", kQos1, Retain::kYes);
  subscriber.expect_receive("PUBLISH " + topic + "  q1");
  server().settle();
  TestClient late = connected();
  late.subscribe(topic, kQos1);
  late.expect_silence(server());
}

TEST_P(Publish, MQTT_3_3_1_6_RetainedAnswersWildcards) {
  const std::string root = unique("r");
  TestClient publisher = connected();
  publisher.publish(root + "/a", "1", kQos1, Retain::kYes);
  publisher.publish(root + "/b", "2", kQos1, Retain::kYes);
  publisher.publish(root + "/b/c", "3", kQos1, Retain::kYes);
  server().settle();
  TestClient subscriber = connected();
  subscriber.subscribe(root + "/+", kQos1);
  std::vector<std::string> got{subscriber.receive(), subscriber.receive()};
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got[0], "PUBLISH " + root + "/a 1 q1 retain");
  EXPECT_EQ(got[1], "PUBLISH " + root + "/b 2 q1 retain");
  subscriber.expect_silence(server());
  subscriber.subscribe(root + "/#", kQos0);
  std::vector<std::string> all{subscriber.receive(), subscriber.receive(), subscriber.receive()};
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all[2], "PUBLISH " + root + "/b/c 3 q0 retain");
  subscriber.expect_silence(server());
}

TEST_P(Publish, MQTT_3_3_2_2_WildcardInATopicNameIsClosed) {
  TestClient client = connected();
  client.send_publish("a/+/b", "x", kQos1);
  client.expect_disconnect(ReasonCode::kTopicNameInvalid);
}

TEST_P(Publish, MQTT_3_3_1_4_QosThreeIsClosed) {
  TestClient client = connected();
  client.send_bytes(std::string("\x36\x07\x00\x01t\x00\x01zz", 9));
  client.expect_disconnect(ReasonCode::kMalformedPacket);
}

TEST_P(Publish, MQTT_2_3_1_1_PacketIdentifierZeroIsClosed) {
  TestClient client = connected();
  client.send_bytes(is_v5() ? std::string("\x32\x07\x00\x01t\x00\x00\x00z", 9)
                            : std::string("\x32\x07\x00\x01t\x00\x00zz", 9));
  const std::string line = client.next();
  EXPECT_TRUE(line == "CLOSED" || line == "DISCONNECT 0x82" || line == "DISCONNECT 0x81") << line;
}

TEST_P(Publish, MQTT_3_3_LargePayloadAndEmptyPayload) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  const std::string large(200'000, 'L');
  publisher.publish(topic, large, kQos1);
  publisher.publish(topic, "", kQos1);
  subscriber.expect_receive("PUBLISH " + topic + " " + large + " q1");
  subscriber.expect_receive("PUBLISH " + topic + "  q1");
}

TEST_P(Publish, MQTT_3_3_2_1_TopicsMayBeAnyText) {
  const std::string topic = unique("t") + "/温度/ü/ ";
  TestClient client = connected();
  EXPECT_EQ(client.subscribe(topic, kQos0), "00");
  client.publish(topic, "x", kQos1);
  client.expect("PUBLISH " + topic + " x q0");
}

class Publish5 : public ConformanceTest {};
FL_ONLY(Publish5, ProtocolVersion::k5);

TEST_P(Publish5, MQTT_3_3_2_PropertiesPassThrough) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  ByteBuffer user;
  mqtt::append_user_property(user, "first", "1");
  mqtt::append_user_property(user, "second", "2");
  mqtt::append_user_property(user, "first", "3");
  mqtt::PublishProperties with;
  with.payload_format = 1;
  with.content_type = "text/plain";
  with.response_topic = "answers/here";
  with.correlation_data = as_bytes("42");
  with.message_expiry_seconds = 600;
  with.user_properties = mqtt::UserProperties(mqtt::PropertyBlock(user.view()));
  publisher.publish(topic, "ask", kQos1, Retain::kNo, with);
  subscriber.expect("PUBLISH " + topic + " ask q1");
  const auto got = subscriber.last_publish().properties;
  EXPECT_EQ(got.payload_format, 1);
  EXPECT_EQ(got.content_type, "text/plain");
  EXPECT_EQ(got.response_topic, "answers/here");
  ASSERT_TRUE(got.correlation_data);
  EXPECT_EQ(as_text(*got.correlation_data), "42");
  ASSERT_TRUE(got.message_expiry_seconds);
  EXPECT_LE(*got.message_expiry_seconds, 600u);
  EXPECT_GE(*got.message_expiry_seconds, 500u);
  std::string pairs;
  got.user_properties.for_each([&](std::string_view name, std::string_view value) {
    pairs += std::string(name) + "=" + std::string(value) + ";";
  });
  EXPECT_EQ(pairs, "first=1;second=2;first=3;");
}

TEST_P(Publish5, MQTT_3_3_2_PropertiesOfARetainedMessageToo) {
  const std::string topic = unique("t");
  TestClient publisher = connected();
  mqtt::PublishProperties with;
  with.content_type = "text/plain";
  publisher.publish(topic, "kept", kQos1, Retain::kYes, with);
  server().settle();
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  subscriber.expect("PUBLISH " + topic + " kept q1 retain");
  EXPECT_EQ(subscriber.last_publish().properties.content_type, "text/plain");
}

TEST_P(Publish5, TopicAliasOfTheClient) {
  const std::string topic = unique("a-long-topic");
  const std::string other = unique("another-topic");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  subscriber.subscribe(other, kQos1);
  TestClient publisher = connected();
  mqtt::PublishProperties alias;
  alias.topic_alias = 5;
  publisher.publish(topic, "set", kQos1, Retain::kNo, alias);
  publisher.publish("", "use", kQos1, Retain::kNo, alias);
  publisher.publish(other, "replace", kQos1, Retain::kNo, alias);
  publisher.publish("", "use again", kQos1, Retain::kNo, alias);
  subscriber.expect_receive("PUBLISH " + topic + " set q1");
  subscriber.expect_receive("PUBLISH " + topic + " use q1");
  subscriber.expect_receive("PUBLISH " + other + " replace q1");
  subscriber.expect_receive("PUBLISH " + other + " use again q1");
}

TEST_P(Publish5, MQTT_3_3_2_8_TopicAliasZeroOrTooHighIsInvalid) {
  for (const uint16_t value : {uint16_t{0}, uint16_t{101}}) {
    TestClient client = connected();
    mqtt::PublishProperties alias;
    alias.topic_alias = value;
    client.send_publish("topic", "x", kQos1, Retain::kNo, alias);
    client.expect_disconnect(ReasonCode::kTopicAliasInvalid);
  }
}

TEST_P(Publish5, MQTT_3_3_4_UnknownTopicAliasIsAProtocolError) {
  TestClient client = connected();
  mqtt::PublishProperties alias;
  alias.topic_alias = 3;
  client.send_publish("", "x", kQos1, Retain::kNo, alias);
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Publish5, MQTT_3_3_2_11_TopicAliasesOfTheServerStayInTheClientsLimit) {
  TestClient subscriber = client();
  mqtt::ConnectPacket hello = subscriber.hello(unique("c"));
  hello.properties.topic_alias_maximum = 2;
  subscriber.connect(hello);
  const std::string root = unique("alias-root");
  subscriber.subscribe(root + "/#", kQos1);
  TestClient publisher = connected();
  std::map<uint16_t, std::string> names;
  bool used = false;
  for (int i = 0; i < 12; ++i) {
    const std::string topic = root + "/" + std::to_string(i % 4);
    publisher.publish(topic, "x", kQos1);
    subscriber.receive();
    const auto packet = subscriber.last_publish();
    if (const auto alias = packet.properties.topic_alias) {
      ASSERT_GE(*alias, 1);
      ASSERT_LE(*alias, 2);
      if (!packet.topic.empty()) names[*alias] = packet.topic;
      used = used || packet.topic.empty();
      EXPECT_EQ(names[*alias], topic);
    } else {
      EXPECT_EQ(packet.topic, topic);
    }
  }
  EXPECT_TRUE(used) << "the server never used an alias";
}

TEST_P(Publish5, MQTT_3_3_4_9_ServerStaysWithinTheClientsReceiveMaximum) {
  const std::string topic = unique("t");
  TestClient subscriber = client();
  mqtt::ConnectPacket hello = subscriber.hello(unique("c"));
  hello.properties.receive_maximum = 2;
  subscriber.connect(hello);
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  for (int i = 0; i < 6; ++i) publisher.publish(topic, std::to_string(i), i % 2 ? kQos1 : kQos2);
  subscriber.expect("PUBLISH " + topic + " 0 q2");
  const uint16_t zero = subscriber.last_id();
  subscriber.expect("PUBLISH " + topic + " 1 q1");
  const uint16_t one = subscriber.last_id();
  subscriber.expect_silence(server());
  subscriber.ack(PacketType::kPuback, one);
  subscriber.expect("PUBLISH " + topic + " 2 q2");
  // QoS 2 counts until PUBCOMP.
  subscriber.ack(PacketType::kPubrec, zero);
  subscriber.expect("PUBREL " + std::to_string(zero));
  subscriber.expect_silence(server());
  subscriber.ack(PacketType::kPubcomp, zero);
  subscriber.expect("PUBLISH " + topic + " 3 q1");
}

// What waited for the window while others were served is sent as what it is.
TEST_P(Publish5, MessageThatWaitedIsNotTakenForAnother) {
  const std::string topic = unique("t");
  TestClient slow = client();
  mqtt::ConnectPacket hello = slow.hello(unique("c"));
  hello.properties.receive_maximum = 1;
  slow.connect(hello);
  slow.subscribe(topic, kQos1);
  std::vector<TestClient> others;
  for (int i = 0; i < 6; ++i) {
    others.push_back(connected());
    others.back().subscribe(topic, kQos1);
  }
  TestClient publisher = connected();
  for (int i = 0; i < 4; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  server().settle();
  for (int i = 0; i < 4; ++i) {
    slow.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
}

TEST_P(Publish5, MQTT_3_3_4_7_ClientOverReceiveMaximumIsDisconnected) {
  TestClient client = connected();
  const std::string topic = unique("t");
  for (int i = 0; i < 101; ++i) client.send_publish(topic, "x", kQos2);
  std::string line = client.next();
  for (int i = 0; i < 101 && line.starts_with("PUBREC "); ++i) line = client.next();
  EXPECT_EQ(line, "DISCONNECT 0x93");
}

TEST_P(Publish5, MQTT_3_1_2_24_TooLargeForTheClientIsNotSent) {
  const std::string topic = unique("t");
  TestClient subscriber = client();
  mqtt::ConnectPacket hello = subscriber.hello(unique("c"));
  hello.properties.maximum_packet_size = 100;
  subscriber.connect(hello);
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  publisher.publish(topic, std::string(200, 'x'), kQos1);
  publisher.publish(topic, "small", kQos1);
  subscriber.expect_receive("PUBLISH " + topic + " small q1");
}

TEST_P(Publish5, TooLargeForTheServerIsDisconnected) {
  TestClient client = connected();
  client.send_publish("t", std::string(300'000, 'x'), kQos0);
  // Over WebSocket the message is over its limit too, which may be seen first.
  std::string line;
  try {
    line = client.next();
  } catch (const TestFailure&) {
  }
  if (line == "CLOSED") {
    EXPECT_TRUE(is_ws(transport()));
    EXPECT_EQ(client.close_code(), 1009);
  } else {
    EXPECT_EQ(line, "DISCONNECT 0x95");
  }
}

TEST_P(Publish5, PayloadThatIsNotUtf8IsRefused) {
  TestClient client = connected();
  mqtt::PublishProperties with;
  with.payload_format = 1;
  const uint16_t id = client.send_publish(unique("t"), "\xff\xfe", kQos1, Retain::kNo, with);
  client.expect("PUBACK " + std::to_string(id) + " 0x99");
}

TEST_P(Publish5, MQTT_3_3_2_14_ResponseTopicWithAWildcardIsAProtocolError) {
  TestClient client = connected();
  mqtt::PublishProperties with;
  with.response_topic = "a/#";
  client.send_publish(unique("t"), "x", kQos1, Retain::kNo, with);
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Publish5, MQTT_3_3_4_6_SubscriptionIdentifierFromAClientIsAProtocolError) {
  TestClient client = connected();
  ByteBuffer ids;
  mqtt::append_subscription_identifier(ids, 9);
  mqtt::PublishProperties with;
  with.subscription_identifiers = mqtt::SubscriptionIdentifiers(mqtt::PropertyBlock(ids.view()));
  client.send_publish(unique("t"), "x", kQos1, Retain::kNo, with);
  client.expect_disconnect(ReasonCode::kProtocolError);
}

// Over all transports at once. The clock is a will that is due after two seconds.
TEST(MessageExpiry, MQTT_3_3_2_5_ExpiredMessageIsNotDelivered) {
  TestServer& server = shared_server();
  const std::string topic = unique("t");
  const std::string clock_topic = topic + "-clock";
  std::vector<std::string> ids;
  for (const Transport transport : kAllTransports) {
    ids.push_back(unique("c"));
    TestClient subscriber(server, transport, ProtocolVersion::k5);
    subscriber.connect(subscriber.hello(ids.back(), CleanStart::kNo));
    subscriber.subscribe(topic, kQos1);
    subscriber.disconnect();
    subscriber.expect_closed();
  }
  TestClient clock(server, Transport::kTcp);
  clock.connect(unique("c"));
  clock.subscribe(clock_topic, kQos0);
  TestClient publisher(server, Transport::kWss, ProtocolVersion::k5);
  publisher.connect(unique("c"));
  mqtt::PublishProperties soon;
  soon.message_expiry_seconds = 1;
  publisher.publish(topic, "expires", kQos1, Retain::kNo, soon);
  publisher.publish(topic, "stays", kQos1);
  {
    TestClient dying(server, Transport::kTcp, ProtocolVersion::k5);
    mqtt::ConnectPacket hello = dying.hello(unique("c"));
    hello.properties.session_expiry_seconds = 60;
    hello.will = mqtt::Will{.topic = clock_topic, .payload = as_bytes("tick"), .properties = {}};
    hello.will->properties.will_delay_seconds = 2;
    dying.connect(hello);
    dying.wire().reset();
  }
  clock.expect("PUBLISH " + clock_topic + " tick q0");
  for (std::size_t i = 0; i < ids.size(); ++i) {
    TestClient again(server, kAllTransports[i], ProtocolVersion::k5);
    again.connect(again.hello(ids[i], CleanStart::kNo));
    again.expect_receive("PUBLISH " + topic + " stays q1");
  }
}

}  // namespace
}  // namespace fairlead::testing
