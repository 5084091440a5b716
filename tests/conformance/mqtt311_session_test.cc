#include "conformance/fixture.h"

// Session state, wills and what outlives them: MQTT 3.1.1 sections 3.1.2.4 to 3.1.2.7 and 4.1,
// which are 3.1.2.4 to 3.1.2.7 and 4.1 of 5.0 too.

namespace fairlead::testing {
namespace {

class SessionState : public ConformanceTest {
 protected:
  // A persistent session of that name: connects, and says whether the server had kept one.
  TestClient persistent(const std::string& id) {
    TestClient client = this->client();
    client.connect(client.hello(id, CleanStart::kNo));
    return client;
  }
  void leave(TestClient& client) {
    client.disconnect();
    client.expect_closed();
  }
};
FL_EVERY_VERSION(SessionState);

TEST_P(SessionState, MQTT_3_1_2_4_SubscriptionsAreKept) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient before = persistent(id);
  before.subscribe(topic + "/+", kQos1);
  leave(before);
  TestClient after = persistent(id);
  TestClient publisher = connected();
  publisher.publish(topic + "/a", "x", kQos1);
  after.expect_receive("PUBLISH " + topic + "/a x q1");
}

TEST_P(SessionState, MQTT_3_1_2_4_SessionIsKeptWhenTheConnectionBreaks) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient before = persistent(id);
  before.subscribe(topic, kQos1);
  before.wire().reset();
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos1);
  TestClient after = persistent(id);
  // It may have been sent once before the server saw the end.
  const std::string line = after.receive();
  EXPECT_TRUE(line == "PUBLISH " + topic + " x q1" || line == "PUBLISH " + topic + " x q1 dup")
      << line;
}

TEST_P(SessionState, MQTT_3_1_2_5_BothQosAreKeptForWhoIsAway) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient before = persistent(id);
  before.subscribe(topic, kQos2);
  leave(before);
  TestClient publisher = connected();
  publisher.publish(topic, "one", kQos1);
  publisher.publish(topic, "two", kQos2);
  TestClient after = persistent(id);
  after.expect_receive("PUBLISH " + topic + " one q1");
  after.expect_receive("PUBLISH " + topic + " two q2");
  after.expect_silence(server());
}

TEST_P(SessionState, MQTT_3_1_2_6_CleanSessionEndsWithItsConnection) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient before = connected(id);
  before.subscribe(topic, kQos1);
  leave(before);
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos1);
  TestClient after = client();
  after.send(after.hello(id, CleanStart::kNo));
  after.expect("CONNACK 0");
  publisher.publish(topic, "y", kQos1);
  after.expect_silence(server());
}

TEST_P(SessionState, MQTT_3_1_2_6_CleanSessionDropsWhatIsInFlight) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient before = persistent(id);
  before.subscribe(topic, kQos2);
  TestClient publisher = connected();
  publisher.publish(topic, "one", kQos1);
  publisher.publish(topic, "two", kQos2);
  before.expect("PUBLISH " + topic + " one q1");
  before.expect("PUBLISH " + topic + " two q2");
  before.wire().reset();
  connected(id).expect_silence(server());
  TestClient after = client();
  after.send(after.hello(id, CleanStart::kNo));
  after.expect("CONNACK 0");
  after.expect_silence(server());
}

TEST_P(SessionState, MQTT_3_1_2_7_RetainedMessagesOutliveTheSession) {
  const std::string id = unique("c");
  const std::string topic = unique("r");
  TestClient first = connected(id);
  first.publish(topic, "kept", kQos1, Retain::kYes);
  leave(first);
  TestClient second = connected(id);  // and with another session of that name
  server().settle();
  second.subscribe(topic, kQos1);
  second.expect_receive("PUBLISH " + topic + " kept q1 retain");
}

TEST_P(SessionState, MQTT_4_1_0_1_SubscriptionsLastAsLongAsTheConnection) {
  const std::string topic = unique("t");
  TestClient client = connected();  // a clean session: it has to last while it is connected
  client.subscribe(topic, kQos1);
  TestClient publisher = connected();
  for (int i = 0; i < 3; ++i) {
    publisher.publish(topic, std::to_string(i), kQos1);
    client.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
    client.expect_silence(server());
  }
}

class Will : public ConformanceTest {
 protected:
  // A client that has this will.
  TestClient mortal(const std::string& id, const std::string& topic, Qos qos = kQos1,
                    Retain retain = Retain::kNo) {
    TestClient client = this->client();
    mqtt::ConnectPacket hello = client.hello(id);
    hello.will = mqtt::Will{.topic = topic,
                            .payload = as_bytes("gone"),
                            .qos = qos,
                            .retain = retain,
                            .properties = {}};
    client.connect(hello);
    return client;
  }
  TestClient watcher(const std::string& topic) {
    TestClient client = connected();
    client.subscribe(topic, kQos2);
    return client;
  }
};
FL_EVERY_VERSION(Will);

TEST_P(Will, MQTT_3_1_2_9_IsPublishedAtItsQos) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  for (const Qos qos : {kQos0, kQos1, kQos2}) {
    mortal(unique("c"), topic, qos).wire().reset();
    watch.expect_receive("PUBLISH " + topic + " gone q" + std::to_string(static_cast<int>(qos)));
  }
}

TEST_P(Will, MQTT_3_1_2_10_IsPublishedOnce) {
  const std::string id = unique("c");
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  mortal(id, topic).wire().reset();
  watch.expect_receive("PUBLISH " + topic + " gone q1");
  connected(id).wire().reset();  // no will this time
  TestClient last = connected(id);
  watch.expect_silence(server());
}

TEST_P(Will, MQTT_3_1_2_12_NoneIsPublishedForAConnectionWithoutOne) {
  const std::string id = unique("c");
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  TestClient with = mortal(id, topic);
  with.disconnect();
  with.expect_closed();
  connected(id).wire().reset();
  TestClient last = connected(id);  // the one before is gone by now
  watch.expect_silence(server());
}

TEST_P(Will, MQTT_3_1_2_16_IsNotRetainedUnlessItSaysSo) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  mortal(unique("c"), topic).wire().reset();
  watch.expect_receive("PUBLISH " + topic + " gone q1");
  server().settle();
  watcher(topic).expect_silence(server());
}

TEST_P(Will, MQTT_3_1_2_17_IsRetainedAtItsQosWhenItSaysSo) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  mortal(unique("c"), topic, kQos2, Retain::kYes).wire().reset();
  watch.expect_receive("PUBLISH " + topic + " gone q2");
  server().settle();
  watcher(topic).expect_receive("PUBLISH " + topic + " gone q2 retain");
}

TEST_P(Will, MQTT_3_1_2_8_IsNotPublishedForAConnectThatWasRefused) {
  const std::string topic = unique("will");
  TestClient watch = watcher(topic);
  TestClient wrong = client();
  mqtt::ConnectPacket hello = wrong.app_hello("backend", unique("app"));
  hello.password = as_bytes("wrong");
  hello.will = mqtt::Will{.topic = topic, .payload = as_bytes("gone"), .properties = {}};
  wrong.send(hello);
  wrong.expect(is_v5() ? "CONNACK 0x86" : "CONNACK 4");
  wrong.expect_closed();
  watch.expect_silence(server());
}

// All at once, for it takes its time. The speaker has the same keep alive, came first, and is there
// when the last of the silent ones has gone.
TEST(KeepAlive, MQTT_3_1_2_24_KeepAliveExpiryCloses) {
  const std::string topic = unique("will");
  TestClient speaker(shared_server(), Transport::kTcp);
  mqtt::ConnectPacket hello = speaker.hello(unique("c"));
  hello.keep_alive_seconds = 1;
  speaker.connect(hello);
  speaker.subscribe(topic + "/#", kQos0);
  std::vector<TestClient> clients;
  std::set<std::string> silent;
  for (const Transport transport : kAllTransports) {
    for (const auto version : {ProtocolVersion::k31, ProtocolVersion::k311, ProtocolVersion::k5}) {
      const std::string name = topic + "/" + std::string(transport_name(transport)) + "_" +
                               std::string(version_name(version));
      silent.insert(name);
      clients.emplace_back(shared_server(), transport, version);
      hello = clients.back().hello(unique("c"));
      hello.keep_alive_seconds = 1;
      hello.will = mqtt::Will{.topic = name, .payload = as_bytes("gone"), .properties = {}};
      clients.back().connect(hello);
    }
  }
  std::set<std::string> gone;
  while (gone.size() < silent.size()) {
    speaker.ping();
    for (std::string line = speaker.next(); line != "PINGRESP"; line = speaker.next()) {
      ASSERT_TRUE(line.starts_with("PUBLISH ")) << line;
      gone.emplace(speaker.last_publish().topic);
    }
  }
  EXPECT_EQ(gone, silent);
  for (TestClient& client : clients) client.expect_disconnect(ReasonCode::kKeepAliveTimeout);
}

}  // namespace
}  // namespace fairlead::testing
