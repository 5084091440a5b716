#include "session/session_dialogue.h"

namespace fairlead::testing {
namespace {

using enum ProtocolVersion;

PublishPacket publish_packet(std::string_view topic, Qos qos, uint16_t id = 0) {
  PublishPacket packet;
  packet.topic = topic;
  packet.payload = as_bytes("x");
  packet.qos = qos;
  packet.packet_id = PacketId{id};
  return packet;
}

std::shared_ptr<const AccessPolicy> only(std::vector<Permission> permissions) {
  return AccessPolicy::for_application(std::move(permissions));
}

// --- PUBLISH: the ladders ----------------------------------------------------------------------

TEST(SessionPublish, AcknowledgesAfterRouting) {
  Dialogue d;
  d.connected(hello(k311));
  d.publish("a", kQos0).server("ROUTE a x q0");
  d.publish("a", kQos1, 7).server("ROUTE a x q1").server("PUBACK 7");
  d.publish("a", kQos2, 8).server("ROUTE a x q2").server("PUBREC 8");
  d.pubrel(8).server("PUBCOMP 8").silence();
}

TEST(SessionPublish, RepeatedQos1IsRoutedAgain) {
  Dialogue d;
  d.connected(hello(k311)).publish("a", kQos1, 7).server("ROUTE a x q1").server("PUBACK 7");
  d.publish("a", kQos1, 7).server("ROUTE a x q1").server("PUBACK 7");
}

TEST(SessionPublish, Qos2IsRoutedOnceAcrossReconnects) {
  Dialogue d;
  d.connected(hello(k311)).publish("a", kQos2, 7).server("ROUTE a x q2").server("PUBREC 7");
  d.publish("a", kQos2, 7).server("PUBREC 7").detach();
  d.connect(hello(k311)).server("CONNACK present");
  d.publish("a", kQos2, 7).server("PUBREC 7").pubrel(7).server("PUBCOMP 7");
  d.pubrel(7).server("PUBCOMP 7");
  d.publish("a", kQos2, 7).server("ROUTE a x q2").server("PUBREC 7");
}

TEST(SessionPublish, PubrelOfAnUnknownIdentifierIsToldSoInMqtt5) {
  Dialogue{}.connected(hello(k5)).pubrel(9).server("PUBCOMP 9 0x92");
  Dialogue{}.connected(hello(k311)).pubrel(9).server("PUBCOMP 9");
}

TEST(SessionPublish, MoreUnreleasedThanReceiveMaximumCloses) {
  Dialogue d;
  d.limits.inflight_count_max = 2;
  d.connected(hello(k5));
  EXPECT_EQ(d.recorder.connack.receive_maximum, 2);
  d.publish("a", kQos2, 1).server("ROUTE a x q2").server("PUBREC 1");
  d.publish("a", kQos2, 2).server("ROUTE a x q2").server("PUBREC 2");
  d.publish("a", kQos2, 2).server("PUBREC 2");
  d.publish("a", kQos1, 3).server("ROUTE a x q1").server("PUBACK 3");
  d.publish("a", kQos2, 3).server("CLOSE 0x93").detach();
  // Each connection begins with a full quota (MQTT 5.0 section 4.9).
  d.connect(hello(k5)).server("CONNACK present");
  d.publish("a", kQos2, 3).server("ROUTE a x q2").server("PUBREC 3");
}

TEST(SessionPublish, NothingIsHeardAfterAClose) {
  Dialogue d;
  d.connected(hello(k5)).publish("a/#", kQos0).server("CLOSE 0x90");
  d.publish("a", kQos1, 1).subscribe("a").unsubscribe({"a"}).pubrel(1).disconnect();
  d.session.on_pingreq(d.recorder);
  d.deliver("a", kQos0).dropped();
}

// --- PUBLISH: what is refused ------------------------------------------------------------------

TEST(SessionPublish, WildcardInTheTopicCloses) {
  Dialogue{}.connected(hello(k5)).publish("a/+", kQos1, 1).server("CLOSE 0x90").silence();
  Dialogue{}.connected(hello(k311)).publish("#", kQos0).server("CLOSE 0x90").silence();
}

TEST(SessionPublish, TopicOverTheLimitsIsRefusedInTheAcknowledgementOrCloses) {
  const std::string deep = "/a/b/c/d/e/f/g/h";
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k5)).publish(deep, kQos1, 1).server("PUBACK 1 0x90");
  EXPECT_EQ(d.recorder.reason_string, "PUBLISH: topic is too long or too deep");
  d.publish(std::string(129, 'a'), kQos1, 2).server("PUBACK 2 0x90");
  d.publish(deep, kQos0).server("CLOSE 0x90");
  Dialogue{kCompatibleProfile}.connected(hello(k311)).publish(deep, kQos1, 1).server("CLOSE 0x90");
}

TEST(SessionPublish, ReasonStringsAreLeftOutOnRequest) {
  Dialogue d(kCompatibleProfile);
  ConnectPacket connect = hello(k5);
  connect.properties.request_problem_information = false;
  d.connected(connect).publish(std::string(129, 'a'), kQos1, 2).server("PUBACK 2 0x90");
  EXPECT_EQ(d.recorder.reason_string, "");
}

TEST(SessionPublish, QosAboveTheMaximumCloses) {
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k5)).publish("a", kQos2, 1).server("CLOSE 0x9b");
  Dialogue e(kCompatibleProfile);
  e.connected(hello(k311)).publish("a", kQos2, 1).server("CLOSE 0x9b");
}

TEST(SessionPublish, PropertiesThatAreWrongClose) {
  PublishPacket packet = publish_packet("a", kQos0);
  packet.properties.response_topic = "b/#";
  Dialogue{}.connected(hello(k5)).publish(packet).server("CLOSE 0x82").silence();
  packet.properties.response_topic = "b";
  static constexpr std::byte kIdentifier[] = {std::byte{0x0b}, std::byte{1}};
  packet.properties.subscription_identifiers =
      mqtt::SubscriptionIdentifiers(mqtt::PropertyBlock(kIdentifier));
  Dialogue{}.connected(hello(k5)).publish(packet).server("CLOSE 0x82").silence();
}

TEST(SessionPublish, PayloadThatIsNotTheTextItSaysIsRefused) {
  PublishPacket packet = publish_packet("a", kQos1, 4);
  packet.payload = as_bytes("\xff");
  packet.properties.payload_format = uint8_t{1};
  Dialogue{}.connected(hello(k5)).publish(packet).server("PUBACK 4 0x99").silence();
  packet.payload = as_bytes("text");
  Dialogue{}.connected(hello(k5)).publish(packet).server("ROUTE a text q1").server("PUBACK 4");
}

TEST(SessionPublish, ForbiddenOneIsAcknowledgedAndJournaled) {
  const auto policy = only({{Permission::Kind::kPublish, "a"}});
  Dialogue d(kStandardProfile, policy);
  d.connected(hello(k311)).publish("b", kQos0).server("JOURNAL forbidden b");
  d.publish("b", kQos1, 1).server("JOURNAL forbidden b").server("PUBACK 1");
  d.publish("b", kQos2, 2).server("JOURNAL forbidden b").server("PUBREC 2");
  d.pubrel(2).server("PUBCOMP 2").publish("a", kQos0).server("ROUTE a x q0").silence();
}

TEST(SessionPublish, ForbiddenOneIsToldToStandardClientsOfMqtt5Only) {
  const auto policy = only({});
  Dialogue d(kStandardProfile, policy);
  d.connected(hello(k5)).publish("b", kQos1, 1).server("JOURNAL forbidden b");
  d.server("PUBACK 1 0x87").publish("b", kQos2, 2).server("JOURNAL forbidden b");
  d.server("PUBREC 2 0x87").silence();
  EXPECT_EQ(d.session.received_count(), 0u) << "PUBREC with an error ends the exchange";
  Dialogue e(kCompatibleProfile, policy);
  e.connected(hello(k5)).publish("b", kQos1, 1).server("JOURNAL forbidden b").server("PUBACK 1");
}

TEST(SessionPublish, OverTheRateIsAcknowledgedAndDropped) {
  Dialogue d(kCompatibleProfile);
  d.limits.device_publish_qos0_per_second_max = 30;
  d.limits.device_publish_qos1_per_second_max = 10;
  d.connected(hello(k311));
  for (uint16_t i = 1; i <= 10; ++i) {
    d.publish("a", kQos1, i).server("ROUTE a x q1").server("PUBACK " + std::to_string(i));
  }
  d.publish("a", kQos1, 11).server("JOURNAL over-rate a").server("PUBACK 11");
  for (int i = 0; i < 30; ++i) d.publish("a", kQos0).server("ROUTE a x q0");
  d.publish("a", kQos0).server("JOURNAL over-rate a").silence();
  d.wait(milliseconds(100)).publish("a", kQos1, 12).server("ROUTE a x q1").server("PUBACK 12");
  d.publish("a", kQos1, 13).server("JOURNAL over-rate a").server("PUBACK 13");
}

TEST(SessionPublish, RateIsNotLimitedUnlessToldSo) {
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k311));
  for (uint16_t i = 1; i <= 200; ++i) {
    d.publish("a", kQos1, i).server("ROUTE a x q1").server("PUBACK " + std::to_string(i));
  }
}

// --- PUBLISH: retain, expiry, aliases ----------------------------------------------------------

TEST(SessionPublish, CompatibleProfileIgnoresRetainOfMqtt3) {
  PublishPacket packet = publish_packet("a", kQos0);
  packet.retain = Retain::kYes;
  Dialogue{kCompatibleProfile}.connected(hello(k311)).publish(packet).server("ROUTE a x q0");
  Dialogue{kCompatibleProfile}.connected(hello(k5)).publish(packet).server("ROUTE a x q0 retain");
  Dialogue{}.connected(hello(k311)).publish(packet).server("ROUTE a x q0 retain");
}

TEST(SessionPublish, MessageExpiryRunsFromNow) {
  Dialogue d;
  PublishPacket packet = publish_packet("a", kQos0);
  packet.properties.message_expiry_seconds = 5;
  d.connected(hello(k5)).publish(packet).server("ROUTE a x q0");
  EXPECT_EQ(d.recorder.routed->expires_at(), d.now + seconds(5));
}

TEST(SessionPublish, TopicAliasStandsForTheTopic) {
  Dialogue d;
  PublishPacket set = publish_packet("topic/a", kQos0);
  set.properties.topic_alias = uint16_t{3};
  PublishPacket use = publish_packet("", kQos0);
  use.properties.topic_alias = uint16_t{3};
  d.connected(hello(k5)).publish(set).server("ROUTE topic/a x q0");
  d.publish(use).server("ROUTE topic/a x q0");
  set.topic = "topic/b";
  d.publish(set).server("ROUTE topic/b x q0").publish(use).server("ROUTE topic/b x q0");
  d.detach().connect(hello(k5)).server("CONNACK present");
  d.publish(use).server("CLOSE 0x82").silence();
}

TEST(SessionPublish, TopicAliasIsSetByARepeatedOrRefusedMessageToo) {
  Dialogue d;
  PublishPacket set = publish_packet("topic/a", kQos2, 5);
  set.properties.topic_alias = uint16_t{3};
  PublishPacket use = publish_packet("", kQos0);
  use.properties.topic_alias = uint16_t{3};
  d.connected(hello(k5)).publish(set).server("ROUTE topic/a x q2").server("PUBREC 5");
  d.detach().connect(hello(k5)).server("CONNACK present");
  d.publish(set).server("PUBREC 5").publish(use).server("ROUTE topic/a x q0");
  set.topic = "topic/b";
  set.packet_id = PacketId{6};
  set.payload = as_bytes("\xff");
  set.properties.payload_format = uint8_t{1};
  d.publish(set).server("PUBREC 6 0x99").publish(use).server("ROUTE topic/b x q0");
}

TEST(SessionPublish, TopicAliasOutOfRangeCloses) {
  for (const uint16_t alias : std::initializer_list<uint16_t>{0, 21, 65'535}) {
    PublishPacket packet = publish_packet("a", kQos0);
    packet.properties.topic_alias = alias;
    Dialogue{kCompatibleProfile}.connected(hello(k5)).publish(packet).server("CLOSE 0x94");
  }
}

TEST(SessionPublish, EmptyTopicWithoutAliasCloses) {
  Dialogue{}.connected(hello(k5)).publish("", kQos0).server("CLOSE 0x82");
  Dialogue{}.connected(hello(k311)).publish("", kQos0).server("CLOSE 0x90");
}

// --- SUBSCRIBE ---------------------------------------------------------------------------------

TEST(SessionSubscribe, GrantsAtMostTheMaximumQos) {
  Dialogue d;
  d.connected(hello(k311)).subscribe({{"a", {.qos = kQos0}}, {"b", {.qos = kQos2}}}, 5);
  d.server("GRANT a q0").server("GRANT b q2").server("SUBACK 5 00 02");
  Dialogue e(kCompatibleProfile);
  e.connected(hello(k5)).subscribe("b", kQos2).server("GRANT b q1").server("SUBACK 1 01");
}

TEST(SessionSubscribe, CompatibleProfileAlwaysSaysOneToMqtt3) {
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k311)).subscribe("a", kQos0).server("GRANT a q0").server("SUBACK 1 01");
  d.subscribe("b", kQos2).server("GRANT b q1").server("SUBACK 1 01");
}

TEST(SessionSubscribe, ReplacesTheSameFilter) {
  Dialogue d;
  d.connected(hello(k5)).subscribe("a", kQos0).server("GRANT a q0").server("SUBACK 1 00");
  d.subscribe("a", kQos1).server("GRANT a q1 existed").server("SUBACK 1 01");
  EXPECT_EQ(d.session.subscription_count(), 1u);
  d.session.for_each_subscription(
      [](std::string_view filter, const mqtt::SubscriptionOptions& options) {
        EXPECT_EQ(filter, "a");
        EXPECT_EQ(options.qos, kQos1);
      });
}

TEST(SessionSubscribe, OneRefusedFilterSpoilsNoOther) {
  Dialogue d(kStandardProfile, only({{Permission::Kind::kSubscribe, "a/#"}}));
  d.connected(hello(k5)).subscribe({{"a/1", {}}, {"b", {}}, {"a/#/x", {}}, {"a/2", {}}}, 6);
  d.server("JOURNAL refused b").server("JOURNAL refused a/#/x");
  d.server("GRANT a/1 q0").server("GRANT a/2 q0").server("SUBACK 6 00 87 8f 00").silence();
}

TEST(SessionSubscribe, LimitsFiltersPerPacketAndPerSession) {
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k5));
  std::deque<std::string> names;
  std::vector<mqtt::SubscriptionRequest> requests;
  for (int i = 0; i < 9; ++i) {
    requests.push_back({names.emplace_back("f" + std::to_string(i)), {}});
  }
  d.subscribe(requests).server("JOURNAL refused f8");
  for (int i = 0; i < 8; ++i) d.server("GRANT f" + std::to_string(i) + " q0");
  d.server("SUBACK 1 00 00 00 00 00 00 00 00 97");
  for (int i = 8; i < 100; ++i) d.subscribe(names.emplace_back("f" + std::to_string(i)));
  d.recorder.lines.clear();
  d.subscribe("one-more").server("JOURNAL refused one-more").server("SUBACK 1 97");
  d.subscribe("f7").server("GRANT f7 q1 existed").server("SUBACK 1 01").silence();
}

TEST(SessionSubscribe, LimitsTheTopicOfTheProfileOnly) {
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k311)).subscribe("/a/b/c/d/e/f/g/h");
  d.server("JOURNAL refused /a/b/c/d/e/f/g/h").server("SUBACK 1 8f");
  d.subscribe("/sys/pk/dn/thing/file/upload/mqtt/init_reply/x");
  d.server("GRANT /sys/pk/dn/thing/file/upload/mqtt/init_reply/x q1").server("SUBACK 1 01");
}

TEST(SessionSubscribe, SharedSubscriptionsFollowProfileAndVersion) {
  Dialogue{}.connected(hello(k311)).subscribe("$share/g/a").server("GRANT $share/g/a q1");
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k311)).subscribe("$share/g/a").server("JOURNAL refused $share/g/a");
  d.server("SUBACK 1 9e");
  Dialogue{kCompatibleProfile}
      .connected(hello(k5))
      .subscribe("$share/g/a")
      .server("GRANT $share/g/a q1");
}

TEST(SessionSubscribe, NoLocalOnASharedSubscriptionCloses) {
  Dialogue d;
  d.connected(hello(k5)).subscribe({{"b", {}}, {"$share/g/a", {.no_local = true}}});
  d.server("CLOSE 0x82").silence();
  EXPECT_EQ(d.session.subscription_count(), 0u);
}

TEST(SessionSubscribe, IdentifierThatIsNotAvailableCloses) {
  Dialogue d(kCompatibleProfile);
  d.connected(hello(k5)).subscribe({{"b", {}}}, 1, 9).server("CLOSE 0xa1").silence();
  Dialogue{}.connected(hello(k5)).subscribe({{"b", {}}}, 1, 9).server("GRANT b q0");
}

TEST(SessionUnsubscribe, SaysInMqtt5WhatBecameOfEachFilter) {
  Dialogue d;
  d.connected(hello(k5)).subscribe("a").server("GRANT a q1").server("SUBACK 1 01");
  d.unsubscribe({"a", "b", "c/#/d"}, 3).server("UNGRANT a").server("UNSUBACK 3 00 11 8f");
  d.unsubscribe({"a"}, 4).server("UNSUBACK 4 11").silence();
}

TEST(SessionUnsubscribe, IsAlwaysAcknowledgedInMqtt3) {
  Dialogue{}.connected(hello(k311)).unsubscribe({"b"}, 3).server("UNSUBACK 3").silence();
}

TEST(SessionPing, IsAnswered) {
  Dialogue d;
  d.connected(hello(k31));
  d.session.on_pingreq(d.recorder);
  d.server("PINGRESP");
}

}  // namespace
}  // namespace fairlead::testing
