#include "conformance/fixture.h"

// Wills, expiry and take-over: sections 3.1.2.5, 3.1.2.11, 3.1.4 and 4.1.

namespace fairlead::testing {
namespace {

class SessionLife : public ConformanceTest {
 protected:
  mqtt::ConnectPacket with_will(TestClient& client, const std::string& id, const std::string& topic,
                                uint32_t delay = 0) {
    mqtt::ConnectPacket hello = client.hello(id);
    hello.will =
        mqtt::Will{.topic = topic, .payload = as_bytes("gone"), .qos = kQos1, .properties = {}};
    if (delay > 0) hello.will->properties.will_delay_seconds = delay;
    return hello;
  }
  TestClient watcher(const std::string& topic) {
    TestClient client = connected();
    client.subscribe(topic, kQos1);
    return client;
  }
};
FL_EVERY_VERSION(SessionLife);

TEST_P(SessionLife, MQTT_3_1_2_8_WillIsPublishedWhenTheConnectionBreaks) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  TestClient dying = client();
  dying.connect(with_will(dying, unique("c"), topic));
  dying.wire().reset();
  watch.expect_receive("PUBLISH " + topic + " gone q1");
}

TEST_P(SessionLife, MQTT_3_1_2_10_NoWillAfterDisconnect) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  TestClient leaving = client();
  leaving.connect(with_will(leaving, unique("c"), topic));
  leaving.disconnect();
  leaving.expect_closed();
  watch.expect_silence(server());
}

TEST_P(SessionLife, MQTT_3_1_2_8_WillIsPublishedAfterAProtocolError) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  TestClient wrong = client();
  wrong.connect(with_will(wrong, unique("c"), topic));
  wrong.send_publish("a/#", "x");
  wrong.expect_disconnect(ReasonCode::kTopicNameInvalid);
  watch.expect_receive("PUBLISH " + topic + " gone q1");
}

TEST_P(SessionLife, MQTT_3_1_2_8_WillIsPublishedAtTakeOver) {
  const std::string topic = unique("will");
  const std::string id = unique("c");
  TestClient watch = watcher(topic);
  TestClient first = client();
  first.connect(with_will(first, id, topic));
  TestClient second = connected(id);
  first.expect_disconnect(ReasonCode::kSessionTakenOver);
  watch.expect_receive("PUBLISH " + topic + " gone q1");
}

TEST_P(SessionLife, MQTT_3_1_2_17_RetainedWill) {
  const std::string topic = unique("will");
  TestClient dying = client();
  mqtt::ConnectPacket hello = with_will(dying, unique("c"), topic);
  hello.will->retain = Retain::kYes;
  TestClient watch = watcher(topic);
  dying.connect(hello);
  dying.wire().reset();
  watch.expect_receive("PUBLISH " + topic + " gone q1");
  server().settle();
  TestClient late = connected();
  late.subscribe(topic, kQos1);
  late.expect_receive("PUBLISH " + topic + " gone q1 retain");
}

TEST_P(SessionLife, MQTT_3_1_4_2_TakenOverSessionGoesOnWhereItWas) {
  const std::string topic = unique("t");
  const std::string id = unique("c");
  TestClient first = client();
  first.connect(first.hello(id, CleanStart::kNo));
  first.subscribe(topic, kQos1);
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos1);
  first.expect("PUBLISH " + topic + " x q1");  // and does not acknowledge
  TestClient second = client();
  second.connect(second.hello(id, CleanStart::kNo));
  first.expect_disconnect(ReasonCode::kSessionTakenOver);
  second.expect_receive("PUBLISH " + topic + " x q1 dup");
  publisher.publish(topic, "y", kQos1);
  second.expect_receive("PUBLISH " + topic + " y q1");
}

// A consumer that does not read for a while: QoS 0 may be dropped, the rest waits, and nobody else
// has to wait for it.
TEST_P(SessionLife, SlowConsumerLosesNoQos1AndHoldsNobodyUp) {
  const std::string topic = unique("t");
  TestClient slow = connected();
  slow.subscribe(topic + "/#", kQos1);
  TestClient quick = connected();
  quick.subscribe(topic + "/1", kQos1);
  TestClient publisher = connected();
  const std::string large(100'000, 'x');
  for (int i = 0; i < 60; ++i) publisher.publish(topic + "/0", large, kQos0);
  for (int i = 0; i < 50; ++i) {
    publisher.publish(topic + "/1", std::to_string(i), kQos1);
    quick.expect_receive("PUBLISH " + topic + "/1 " + std::to_string(i) + " q1");
  }
  for (int i = 0; i < 50;) {
    const std::string line = slow.receive();
    if (line.ends_with(" q0")) continue;
    ASSERT_EQ(line, "PUBLISH " + topic + "/1 " + std::to_string(i) + " q1");
    ++i;
  }
  slow.ping();
  std::string line = slow.next();
  while (line.starts_with("PUBLISH ")) line = slow.next();
  EXPECT_EQ(line, "PINGRESP");
}

TEST_P(SessionLife, ManyTakeOversInARow) {
  const std::string id = unique("c");
  TestClient last = connected(id);
  for (int i = 0; i < 20; ++i) {
    TestClient next = connected(id);
    last.expect_disconnect(ReasonCode::kSessionTakenOver);
    last = std::move(next);
  }
  last.ping();
  last.expect("PINGRESP");
}

class SessionLife5 : public SessionLife {};
FL_ONLY(SessionLife5, ProtocolVersion::k5);

TEST_P(SessionLife5, MQTT_3_14_4_DisconnectWithWill) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  TestClient leaving = client();
  leaving.connect(with_will(leaving, unique("c"), topic));
  leaving.disconnect(ReasonCode::kDisconnectWithWill);
  leaving.expect_closed();
  watch.expect_receive("PUBLISH " + topic + " gone q1");
}

TEST_P(SessionLife5, MQTT_3_1_3_9_WillWaitsForItsDelayAndAReconnectCancelsIt) {
  const std::string topic = unique("will");
  const std::string id = unique("c");
  TestClient watch = watcher(topic);
  {
    TestClient dying = client();
    mqtt::ConnectPacket hello = with_will(dying, id, topic, 3600);
    hello.properties.session_expiry_seconds = 7200;
    dying.connect(hello);
    dying.wire().reset();
  }
  watch.expect_silence(server());
  TestClient back = client();
  back.connect(back.hello(id, CleanStart::kNo));
  watch.expect_silence(server());
}

TEST_P(SessionLife5, SessionEndPublishesAWaitingWill) {
  const std::string topic = unique("will");
  const std::string id = unique("c");
  TestClient watch = watcher(topic);
  {
    TestClient dying = client();
    mqtt::ConnectPacket hello = with_will(dying, id, topic, 3600);
    hello.properties.session_expiry_seconds = 7200;
    dying.connect(hello);
    dying.wire().reset();
  }
  watch.expect_silence(server());
  TestClient clean = connected(id);
  watch.expect_receive("PUBLISH " + topic + " gone q1");
}

TEST_P(SessionLife5, MQTT_3_1_2_8_DelayedWillComes) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  TestClient dying = client();
  mqtt::ConnectPacket hello = with_will(dying, unique("c"), topic, 1);
  hello.properties.session_expiry_seconds = 60;
  hello.will->properties.content_type = "text/plain";
  dying.connect(hello);
  dying.wire().reset();
  watch.expect_receive("PUBLISH " + topic + " gone q1");
  EXPECT_EQ(watch.last_publish().properties.content_type, "text/plain");
}

TEST_P(SessionLife5, MQTT_4_1_0_2_SessionExpires) {
  const std::string id = unique("c");
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  {
    TestClient leaving = client();
    mqtt::ConnectPacket hello = with_will(leaving, id, topic, 3600);
    hello.properties.session_expiry_seconds = 1;
    leaving.connect(hello);
    leaving.wire().reset();
  }
  // The end of the session publishes the will: that is when to look.
  watch.expect_receive("PUBLISH " + topic + " gone q1");
  TestClient back = client();
  back.send(back.hello(id, CleanStart::kNo));
  back.expect("CONNACK 0");
}

TEST_P(SessionLife5, MQTT_3_1_2_23_ExpiryZeroEndsWithTheConnection) {
  const std::string id = unique("c");
  {
    TestClient leaving = client();
    mqtt::ConnectPacket hello = leaving.hello(id, CleanStart::kNo);
    hello.properties.session_expiry_seconds.reset();
    leaving.connect(hello);
    leaving.disconnect();
    leaving.expect_closed();
  }
  TestClient back = client();
  back.send(back.hello(id, CleanStart::kNo));
  back.expect("CONNACK 0");
}

TEST_P(SessionLife5, MQTT_3_1_2_29_NoReasonStringWhenNotWanted) {
  const std::string id = unique("c");
  TestClient client = this->client();
  mqtt::ConnectPacket hello = client.hello(id);
  hello.properties.request_problem_information = false;
  client.connect(hello);
  client.send_publish("a/#", "x");
  client.expect("DISCONNECT 0x90");
}

TEST_P(SessionLife5, MQTT_4_13_1_DisconnectSaysWhy) {
  TestClient client = connected();
  client.send_publish("a/#", "x");
  client.expect("DISCONNECT 0x90");
  EXPECT_FALSE(client.last_disconnect().properties.reason_string.value_or("").empty());
}

}  // namespace
}  // namespace fairlead::testing
