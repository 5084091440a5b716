#include "conformance/fixture.h"
#include "support/raw_packet.h"

// Shared subscriptions of MQTT 5.0, section 4.8.2.

namespace fairlead::testing {
namespace {

class Mqtt5Shared : public ConformanceTest {
 protected:
  std::string line(std::string_view payload, std::string_view rest) const {
    return "PUBLISH " + topic_ + " " + std::string(payload) + " " + std::string(rest);
  }
  TestClient member(const std::string& id, CleanStart clean = CleanStart::kNo, Qos qos = kQos2) {
    TestClient client = this->client();
    client.connect(client.hello(id, clean));
    client.subscribe(filter_, qos);
    return client;
  }
  // To whichever member comes first in its turn: the one that has something.
  static void leave(TestClient& client) {
    client.disconnect();
    client.expect_closed();
  }
  std::string topic_ = unique("t");
  std::string filter_ = "$share/" + unique("g") + "/" + topic_;
};
FL_ONLY(Mqtt5Shared, ProtocolVersion::k5);

TEST_P(Mqtt5Shared, MQTT_4_8_2_1_ShareNameIsAtLeastOneCharacter) {
  TestClient client = connected();
  EXPECT_EQ(client.subscribe({{.filter = "$share//" + topic_, .options = {}},
                              {.filter = "$share/", .options = {}},
                              {.filter = "$share/g", .options = {}},
                              {.filter = "$share/g/", .options = {}},
                              {.filter = "$share/g//", .options = {}},
                              {.filter = "$share/g/" + topic_, .options = {}},
                              {.filter = "$share/g/#", .options = {}}}),
            "8f 8f 8f 8f 00 00 00");
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_2_ShareNameHasNoWildcards) {
  TestClient client = connected();
  EXPECT_EQ(client.subscribe({{.filter = "$share/+/t", .options = {}},
                              {.filter = "$share/#/t", .options = {}},
                              {.filter = "$share/a#b/t", .options = {}},
                              {.filter = "$share/g/a/#/b", .options = {}}}),
            "8f 8f 8f 8f");
}

TEST_P(Mqtt5Shared, MQTT_3_8_3_4_NoLocalIsAProtocolError) {
  TestClient client = connected();
  client.send_bytes(Raw().u16(1).properties().text("t").u8(0).text(filter_).u8(4).packet(0x82));
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_ShareNameAndPrefixAreNotMatched) {
  TestClient client = connected();
  client.subscribe(filter_, kQos0);
  client.send_publish(filter_.substr(0, filter_.size() - topic_.size()) + topic_, "x");
  client.expect_silence(server());
  client.send_publish(topic_, "y");
  client.expect(line("y", "q0"));
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_3_EachMemberAtItsOwnQos) {
  TestClient zero = member(unique("c"), CleanStart::kYes, kQos0);
  TestClient one = member(unique("c"), CleanStart::kYes, kQos1);
  TestClient publisher = connected();
  for (int i = 0; i < 4; ++i) publisher.publish(topic_, "x", kQos2);
  server().settle();
  for (int i = 0; i < 2; ++i) {
    zero.expect_receive(line("x", "q0"));
    one.expect_receive(line("x", "q1"));
  }
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_4_Qos2IsFinishedWithTheMemberThatHasBegun) {
  const std::string id = unique("c");
  TestClient publisher = connected();
  uint16_t sent = 0;
  {
    TestClient first = member(id);
    publisher.publish(topic_, "x", kQos2);
    first.expect(line("x", "q2"));
    sent = first.last_id();
    leave(first);
  }
  TestClient other = member(unique("c"));
  other.expect_silence(server());
  TestClient again = client();
  again.connect(again.hello(id, CleanStart::kNo));
  again.expect_receive(line("x", "q2 dup"));
  EXPECT_EQ(again.last_id(), sent);
  other.expect_silence(server());
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_5_Qos2GoesToNobodyElseWhenTheSessionEnds) {
  TestClient publisher = connected();
  TestClient first = member(unique("c"), CleanStart::kYes);
  publisher.publish(topic_, "x", kQos2);
  first.expect(line("x", "q2"));
  TestClient other = member(unique("c"));
  leave(first);  // and its session ends
  other.expect_silence(server());
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_UnacknowledgedQos1GoesToAnotherWhenTheSessionEnds) {
  TestClient publisher = connected();
  const std::string id = unique("c");
  TestClient first = client();
  mqtt::ConnectPacket hello = first.hello(id, CleanStart::kNo);
  hello.properties.receive_maximum = 2;
  first.connect(hello);
  first.subscribe(filter_, kQos1);
  for (int i = 0; i < 4; ++i) publisher.publish(topic_, std::to_string(i), kQos1);
  first.expect(line("0", "q1"));
  const uint16_t acknowledged = first.last_id();
  first.expect(line("1", "q1"));
  first.ack(PacketType::kPuback, acknowledged);
  first.expect(line("2", "q1"));
  TestClient other = member(unique("c"));
  leave(first);
  other.expect_silence(server());    // it may come back
  TestClient clean = connected(id);  // it came back, and has forgotten
  for (std::string_view rest : {"1", "2", "3"}) other.expect_receive(line(rest, "q1"));
  other.expect_silence(server());
  clean.expect_silence(server());
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_LastMembersMessagesEndWithIt) {
  TestClient publisher = connected();
  const std::string id = unique("c");
  {
    TestClient only = member(id);
    publisher.publish(topic_, "x", kQos1);
    only.expect(line("x", "q1"));
    leave(only);
  }
  TestClient clean = connected(id);
  TestClient late = member(unique("c"));
  late.expect_silence(server());
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_6_RefusedIsOfferedToNobodyElse) {
  TestClient publisher = connected();
  TestClient first = member(unique("c"), CleanStart::kYes);
  publisher.publish(topic_, "x", kQos1);
  publisher.publish(topic_, "y", kQos2);
  first.expect(line("x", "q1"));
  const uint16_t x = first.last_id();
  first.expect(line("y", "q2"));
  const uint16_t y = first.last_id();
  TestClient other = member(unique("c"));
  first.ack(PacketType::kPuback, x, ReasonCode::kUnspecifiedError);
  first.ack(PacketType::kPubrec, y, ReasonCode::kQuotaExceeded);
  first.expect_silence(server());
  leave(first);
  other.expect_silence(server());
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_IdentifierIsThatOfTheMemberWhoGetsIt) {
  TestClient first = connected();
  first.subscribe({{.filter = filter_, .options = {.qos = kQos1}}}, 11);
  TestClient second = connected();
  second.subscribe({{.filter = filter_, .options = {.qos = kQos1}}}, 22);
  TestClient third = connected();
  third.subscribe({{.filter = filter_, .options = {.qos = kQos1}}});
  TestClient publisher = connected();
  for (int i = 0; i < 3; ++i) publisher.publish(topic_, "x", kQos1);
  auto sum = [&](TestClient& client) {
    client.expect_receive(line("x", "q1"));
    uint32_t total = 0;
    client.last_publish().properties.subscription_identifiers.for_each(
        [&](uint32_t id) { total += id; });
    return total;
  };
  EXPECT_EQ(sum(first), 11u);
  EXPECT_EQ(sum(second), 22u);
  EXPECT_EQ(sum(third), 0u);
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_OwnAndSharedSubscriptionGiveACopyEach) {
  TestClient client = connected();
  client.subscribe(filter_, kQos1);
  client.subscribe("$share/other/" + topic_, kQos1);
  client.subscribe(topic_, kQos1);
  TestClient publisher = connected();
  publisher.publish(topic_, "x", kQos1);
  server().settle();
  for (int i = 0; i < 3; ++i) client.expect_receive(line("x", "q1"));
  client.expect_silence(server());
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_SubscribingAgainIsNoSecondMembership) {
  TestClient first = connected();
  first.subscribe(filter_, kQos1);
  first.subscribe(filter_, kQos0);
  TestClient second = connected();
  second.subscribe(filter_, kQos1);
  TestClient publisher = connected();
  for (int i = 0; i < 4; ++i) publisher.publish(topic_, "x", kQos1);
  for (int i = 0; i < 2; ++i) first.expect_receive(line("x", "q0"));
  for (int i = 0; i < 2; ++i) second.expect_receive(line("x", "q1"));
  EXPECT_EQ(first.unsubscribe(filter_), "00");  // one UNSUBSCRIBE is enough
  EXPECT_EQ(first.unsubscribe(filter_), "11");
  for (int i = 0; i < 2; ++i) publisher.publish(topic_, "y", kQos1);
  for (int i = 0; i < 2; ++i) second.expect_receive(line("y", "q1"));
  first.expect_silence(server());
}

TEST_P(Mqtt5Shared, MQTT_4_8_2_NoRetainedMessagesWhateverTheOptions) {
  TestClient publisher = connected();
  publisher.publish(topic_, "kept", kQos1, Retain::kYes);
  server().settle();
  TestClient client = connected();
  for (const RetainHandling handling : {RetainHandling::kSend, RetainHandling::kSendIfNew}) {
    client.subscribe({{.filter = filter_, .options = {.qos = kQos1, .retain_handling = handling}}});
  }
  client.expect_silence(server());
  publisher.publish(topic_, "", kQos1, Retain::kYes);
  client.expect_receive(line("", "q1"));
}

}  // namespace
}  // namespace fairlead::testing
