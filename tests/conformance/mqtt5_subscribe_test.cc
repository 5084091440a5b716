#include "conformance/fixture.h"
#include "support/raw_packet.h"

// SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK of MQTT 5.0: sections 3.8 to 3.11 and 4.7.

namespace fairlead::testing {
namespace {

using Options = mqtt::SubscriptionOptions;

class Mqtt5Subscribe : public ConformanceTest {
 protected:
  std::string line(std::string_view payload, std::string_view rest) const {
    return "PUBLISH " + topic_ + " " + std::string(payload) + " " + std::string(rest);
  }
  std::string subscribe(TestClient& client, const Options& options) {
    return client.subscribe({{.filter = topic_, .options = options}});
  }
  // Retained on topic_ until the test ends.
  void retain(std::string_view payload, Qos qos = kQos1) {
    TestClient publisher = connected();
    publisher.publish(topic_, payload, qos, Retain::kYes);
    server().settle();
    retained_ = true;
  }
  void TearDown() override {
    if (!retained_) return;
    TestClient publisher = connected();
    publisher.publish(topic_, "", kQos1, Retain::kYes);
  }
  std::string topic_ = unique("t");
  bool retained_ = false;
};
FL_ONLY(Mqtt5Subscribe, ProtocolVersion::k5);

TEST_P(Mqtt5Subscribe, MQTT_3_8_3_2_NoFilterIsAProtocolError) {
  TestClient subscribing = connected();
  subscribing.send_bytes(Raw().u16(1).properties().packet(0x82));
  subscribing.expect_disconnect(ReasonCode::kProtocolError);
  TestClient leaving = connected();  // MQTT-3.10.3-2
  leaving.send_bytes(Raw().u16(1).properties().packet(0xA2));
  leaving.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_3_5_EveryValueOfTheOptions) {
  for (unsigned options = 0; options < 256; options += 1) {
    const bool reserved = (options & 0xC0) != 0;
    const bool wrong = (options & 3) == 3 || (options & 0x30) == 0x30;
    // Of the 192 that are malformed, these.
    if (reserved && options != 0x40 && options != 0x80 && options != 0xC1) continue;
    SCOPED_TRACE(options);
    TestClient client = connected();
    client.send_bytes(Raw().u16(1).properties().text(topic_).u8(options).packet(0x82));
    if (reserved) {
      client.expect_disconnect(ReasonCode::kMalformedPacket);
    } else if (wrong) {
      client.expect_disconnect(ReasonCode::kProtocolError);
    } else {
      client.expect("SUBACK 1 0" + std::to_string(options & 3));
    }
  }
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_3_3_NoLocalIsAboutTheClientThatPublishes) {
  const std::string id = unique("c");
  TestClient client = this->client();
  client.connect(client.hello(id, CleanStart::kNo));
  subscribe(client, {.qos = kQos1, .no_local = true});
  client.publish(topic_, "mine", kQos1);
  client.publish(topic_, "mine", kQos0);
  client.expect_silence(server());
  client.disconnect();
  client.expect_closed();
  // The same client on another connection.
  TestClient again = this->client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.publish(topic_, "mine too", kQos1);
  TestClient other = connected();
  other.publish(topic_, "theirs", kQos1);
  again.expect_receive(line("theirs", "q1"));
  again.expect_silence(server());
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_3_3_NoLocalHoldsForRetainedMessagesToo) {
  TestClient client = connected();
  client.publish(topic_, "mine", kQos1, Retain::kYes);
  server().settle();
  subscribe(client, {.qos = kQos1, .no_local = true});
  client.expect_silence(server());
  TestClient other = connected();
  subscribe(other, {.qos = kQos1, .no_local = true});
  other.expect_receive(line("mine", "q1 retain"));
  client.publish(topic_, "", kQos1, Retain::kYes);
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_3_3_AnotherSubscriptionWithoutNoLocalStillCounts) {
  TestClient client = connected();
  subscribe(client, {.qos = kQos2, .no_local = true});
  client.subscribe({{.filter = topic_ + "/#", .options = {.qos = kQos1}}}, 3);
  client.send_publish(topic_, "mine", kQos2);
  client.expect_ack("PUBREC 3");
  client.expect_receive(line("mine", "q1"));
}

TEST_P(Mqtt5Subscribe, MQTT_3_3_1_9_RetainHandlingZeroSendsAtEachSubscribe) {
  retain("kept");
  TestClient client = connected();
  for (int i = 0; i < 3; ++i) {
    subscribe(client, {.qos = kQos1, .retain_handling = RetainHandling::kSend});
    client.expect_receive(line("kept", "q1 retain"));
  }
  client.expect_silence(server());
}

TEST_P(Mqtt5Subscribe, MQTT_3_3_1_10_RetainHandlingOneSendsToNewSubscriptions) {
  retain("kept");
  TestClient client = connected();
  const Options options{.qos = kQos1, .retain_handling = RetainHandling::kSendIfNew};
  subscribe(client, options);
  client.expect_receive(line("kept", "q1 retain"));
  subscribe(client, options);
  subscribe(client, {.qos = kQos0, .retain_handling = RetainHandling::kSendIfNew});
  client.expect_silence(server());
  client.unsubscribe(topic_);
  subscribe(client, options);
  client.expect_receive(line("kept", "q1 retain"));
}

TEST_P(Mqtt5Subscribe, MQTT_3_3_1_10_SubscriptionOfAKeptSessionIsNotNew) {
  retain("kept");
  const std::string id = unique("c");
  const Options options{.qos = kQos1, .retain_handling = RetainHandling::kSendIfNew};
  for (int round = 0; round < 2; ++round) {
    TestClient client = this->client();
    client.connect(client.hello(id, CleanStart::kNo));
    subscribe(client, options);
    if (round == 0) client.expect_receive(line("kept", "q1 retain"));
    client.expect_silence(server());
    client.disconnect();
    client.expect_closed();
  }
}

TEST_P(Mqtt5Subscribe, MQTT_3_3_1_11_RetainHandlingTwoSendsNone) {
  retain("kept");
  TestClient client = connected();
  for (int i = 0; i < 2; ++i) {
    subscribe(client, {.qos = kQos1, .retain_handling = RetainHandling::kDoNotSend});
  }
  client.expect_silence(server());
}

TEST_P(Mqtt5Subscribe, MQTT_3_3_1_12_RetainFlagOfLiveMessages) {
  for (const bool as_published : {false, true}) {
    for (const Retain retain : {Retain::kNo, Retain::kYes}) {
      TestClient client = connected();
      subscribe(client, {.qos = kQos0,
                         .retain_as_published = as_published,
                         .retain_handling = RetainHandling::kDoNotSend});
      TestClient publisher = connected();
      publisher.publish(topic_, "x", kQos1, retain);
      client.expect(line("x", as_published && retain == Retain::kYes ? "q0 retain" : "q0"));
    }
  }
  retained_ = true;
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_4_8_RetainedAtTheLowerOfBothQos) {
  for (const Qos stored : {kQos0, kQos1, kQos2}) {
    retain("kept", stored);
    for (const Qos granted : {kQos0, kQos1, kQos2}) {
      TestClient client = connected();
      subscribe(client, {.qos = granted});
      client.expect_receive(line(
          "kept", "q" + std::to_string(static_cast<int>(std::min(stored, granted))) + " retain"));
    }
  }
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_4_3_NewOptionsReplaceTheOld) {
  TestClient client = connected();
  client.subscribe({{.filter = topic_,
                     .options = {.qos = kQos2, .no_local = true, .retain_as_published = true}}},
                   5);
  client.subscribe({{.filter = topic_, .options = {.qos = kQos1}}});
  client.send_publish(topic_, "x", kQos2, Retain::kYes);
  client.expect_ack("PUBREC 3");
  client.expect(line("x", "q1"));
  client.last_publish().properties.subscription_identifiers.for_each(
      [](uint32_t id) { ADD_FAILURE() << "identifier " << id << " is left"; });
  retained_ = true;
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_4_4_NothingIsLostWhileASubscriptionIsReplaced) {
  TestClient client = connected();
  client.subscribe(topic_, kQos1);
  TestClient publisher = connected();
  // The SUBSCRIBEs are under way while the messages are.
  for (int i = 0; i < 20; ++i) {
    client.send_subscribe({{.filter = topic_, .options = {.qos = kQos1}}});
    publisher.send_publish(topic_, std::to_string(i), kQos1);
  }
  for (int i = 0; i < 20; ++i) publisher.expect("PUBACK " + std::to_string(i + 1));
  int next = 0;
  for (int i = 0; i < 40; ++i) {
    const std::string got = client.next();
    if (got.starts_with("SUBACK ")) continue;
    EXPECT_EQ(got, line(std::to_string(next++), "q1"));
    client.ack(PacketType::kPuback, client.last_id());
  }
  EXPECT_EQ(next, 20);
}

TEST_P(Mqtt5Subscribe, MQTT_3_8_4_5_FiltersOfOnePacketAreTakenInTheirOrder) {
  retain("kept");
  TestClient client = connected();
  // The same filter twice: the later one replaces the earlier.
  EXPECT_EQ(client.subscribe({{.filter = topic_, .options = {.qos = kQos2}},
                              {.filter = "a/#/b", .options = {}},
                              {.filter = topic_, .options = {.qos = kQos0}},
                              {.filter = topic_ + "/+", .options = {.qos = kQos1}}}),
            "02 8f 00 01");
  client.expect_receive(line("kept", "q1 retain"));
  client.expect_receive(line("kept", "q0 retain"));
  TestClient publisher = connected();
  publisher.publish(topic_, "x", kQos2);
  client.expect(line("x", "q0"));
  client.expect_silence(server());
}

TEST_P(Mqtt5Subscribe, MQTT_3_9_3_2_RefusedFiltersHaveReasonCodesOfSuback) {
  TestClient client = this->client();  // may read /pk/+/user/# and no more
  client.connect(client.app_hello("watcher", unique("app")));
  EXPECT_EQ(client.subscribe({{.filter = topic_, .options = {}},
                              {.filter = "", .options = {}},
                              {.filter = "a+", .options = {}},
                              {.filter = "#/", .options = {}},
                              {.filter = "$share/g", .options = {}},
                              {.filter = "/pk/d1/user/" + topic_, .options = {}}}),
            "87 8f 8f 8f 8f 00");
}

TEST_P(Mqtt5Subscribe, MQTT_3_10_4_1_FiltersAreComparedCharacterByCharacter) {
  TestClient client = connected();
  client.subscribe(topic_ + "/+", kQos0);
  for (const std::string& other :
       {topic_ + "/a", topic_ + "/#", topic_ + "/+/", "T" + topic_.substr(1) + "/+"}) {
    EXPECT_EQ(client.unsubscribe(other), "11") << other;
  }
  client.send_publish(topic_ + "/a", "x");
  client.expect("PUBLISH " + topic_ + "/a x q0");
  EXPECT_EQ(client.unsubscribe(topic_ + "/+"), "00");
  client.send_publish(topic_ + "/a", "x");
  client.expect_silence(server());
}

TEST_P(Mqtt5Subscribe, MQTT_3_10_4_3_WhatWasSentIsFinishedAfterUnsubscribe) {
  const std::string id = unique("c");
  TestClient publisher = connected();
  {
    TestClient client = this->client();
    client.connect(client.hello(id, CleanStart::kNo));
    client.subscribe(topic_, kQos2);
    publisher.publish(topic_, "one", kQos1);
    publisher.publish(topic_, "two", kQos2);
    client.expect(line("one", "q1"));
    client.expect(line("two", "q2"));
    const uint16_t two = client.last_id();
    EXPECT_EQ(client.unsubscribe(topic_), "00");
    client.ack(PacketType::kPubrec, two);
    client.expect("PUBREL " + std::to_string(two));
    client.disconnect();
    client.expect_closed();
  }
  publisher.publish(topic_, "three", kQos1);  // MQTT-3.10.4-2
  TestClient again = this->client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.expect_receive(line("one", "q1 dup"));
  EXPECT_TRUE(again.next().starts_with("PUBREL "));
  again.ack(PacketType::kPubcomp, again.last_id());
  again.expect_silence(server());
}

TEST_P(Mqtt5Subscribe, MQTT_3_10_4_2_NoRetainedMessageAfterAnUnsubscribeInTheSameBreath) {
  retain("kept");
  TestClient client = connected();
  client.send_bytes(Raw().u16(1).properties().text(topic_).u8(1).packet(0x82) +
                    Raw().u16(2).properties().text(topic_).packet(0xA2));
  std::vector<std::string> got{client.next(), client.next()};
  if (got[1].starts_with("PUBLISH")) got[1] = client.next();  // it was quicker: no harm
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, (std::vector<std::string>{"SUBACK 1 01", "UNSUBACK 2 00"}));
  client.expect_silence(server());
}

TEST_P(Mqtt5Subscribe, MQTT_3_10_4_6_OneUnsubackForAllFiltersInTheirOrder) {
  TestClient client = connected();
  client.subscribe(topic_, kQos0);
  client.subscribe(topic_ + "/b", kQos0);
  client.send_bytes(Raw()
                        .u16(9)
                        .properties()
                        .text(topic_)
                        .text("nothing")
                        .text(topic_ + "/b")
                        .text(topic_)
                        .text("a/#/b")
                        .packet(0xA2));
  client.expect("UNSUBACK 9 00 11 00 11 8f");
}

TEST_P(Mqtt5Subscribe, MQTT_3_9_2_1_SubackAndUnsubackStayWithinMaximumPacketSize) {
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(unique("c"));
  hello.properties.maximum_packet_size = 20;
  client.connect(hello);
  EXPECT_EQ(client.subscribe("a/#/b", kQos0), "8f");
  EXPECT_LE(client.last_bytes().size(), 20u);
  EXPECT_EQ(client.unsubscribe("a/#/b"), "8f");
  EXPECT_LE(client.last_bytes().size(), 20u);
  // One that cannot be made small enough is left out; the subscriptions stand.
  std::vector<mqtt::SubscriptionRequest> many(30, {.filter = topic_, .options = {.qos = kQos0}});
  client.send_subscribe(many);
  client.send_publish(topic_, "x");
  client.expect("PUBLISH " + topic_ + " x q0");
}

TEST_P(Mqtt5Subscribe, MQTT_4_7_1_1_WhereWildcardsMayStand) {
  auto suback = [&](std::string_view filter) {
    TestClient client = connected();
    return client.subscribe(
        {{.filter = filter, .options = {.retain_handling = RetainHandling::kDoNotSend}}});
  };
  for (std::string_view good : {"#", "+", "/", "//", "+/+", "/+", "+/#", "a/+/#", "+/a/#", " "}) {
    EXPECT_EQ(suback(good), "00") << good;
  }
  for (std::string_view bad : {"a#", "#a", "a/#/b", "a/b#", "##", "a+", "+a", "a/+b/c", "++"}) {
    EXPECT_EQ(suback(bad), "8f") << bad;
  }
}

TEST_P(Mqtt5Subscribe, MQTT_4_7_3_4_NothingIsNormalised) {
  TestClient client = connected();
  // Composed and decomposed, slashes, dots, case, blanks: all different.
  const std::string e_acute = "\xc3\xa9";
  const std::string e_and_acute = "e\xcc\x81";
  client.subscribe(topic_ + "/" + e_acute, kQos0);
  for (const std::string& other :
       {topic_ + "/" + e_and_acute, topic_ + "//" + e_acute, topic_ + "/./" + e_acute,
        topic_ + "/" + e_acute + "/", "/" + topic_ + "/" + e_acute, topic_ + "/\xc3\x89",
        topic_ + "/" + e_acute + " "}) {
    client.send_publish(other, "x");
  }
  client.expect_silence(server());
  client.send_publish(topic_ + "/" + e_acute, "x");
  client.expect("PUBLISH " + topic_ + "/" + e_acute + " x q0");
}

TEST_P(Mqtt5Subscribe, MQTT_4_5_0_1_OfflineSessionsGetWhatWasTaken) {
  const std::string id = unique("c");
  {
    TestClient client = this->client();
    client.connect(client.hello(id, CleanStart::kNo));
    client.subscribe(topic_ + "/#", kQos2);
    client.disconnect();
    client.expect_closed();
  }
  TestClient publisher = connected();
  publisher.publish(topic_ + "/1", "x", kQos1);
  publisher.publish(topic_ + "/2", "y", kQos2);
  TestClient again = this->client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.expect_receive("PUBLISH " + topic_ + "/1 x q1");
  again.expect_receive("PUBLISH " + topic_ + "/2 y q2");
}

}  // namespace
}  // namespace fairlead::testing
