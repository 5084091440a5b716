#include "conformance/fixture.h"

// SUBSCRIBE, UNSUBSCRIBE, filters and shared subscriptions: sections 3.8 to 3.11, 4.7 and 4.8.

namespace fairlead::testing {
namespace {

using Request = mqtt::SubscriptionRequest;

class Subscribe : public ConformanceTest {};
FL_EVERY_VERSION(Subscribe);

TEST_P(Subscribe, MQTT_3_8_4_1_EachFilterHasItsCode) {
  TestClient client = connected();
  const std::string root = unique("t");
  EXPECT_EQ(client.subscribe({Request{.filter = root + "/0", .options = {.qos = kQos0}},
                              Request{.filter = root + "/1", .options = {.qos = kQos1}},
                              Request{.filter = root + "/2", .options = {.qos = kQos2}}}),
            "00 01 02");
}

TEST_P(Subscribe, MQTT_4_7_1_InvalidFiltersAreRefusedAlone) {
  TestClient client = connected();
  const std::string bad = is_v5() ? "8f" : "80";
  EXPECT_EQ(client.subscribe({Request{.filter = "a#", .options = {}},
                              Request{.filter = "a/#/b", .options = {}},
                              Request{.filter = "a+/b", .options = {}},
                              Request{.filter = unique("good"), .options = {}}}),
            bad + " " + bad + " " + bad + " 00");
  client.ping();
  client.expect("PINGRESP");
}

TEST_P(Subscribe, MQTT_4_7_Wildcards) {
  const std::string root = unique("t");
  struct Case {
    std::string_view filter, topic;
    bool matches;
  };
  const Case cases[] = {
      {"/+", "/a", true},    {"/+", "/a/b", false},  {"/#", "/a/b", true},
      {"/#", "", true},      {"/+/b", "/a/b", true}, {"/+/b", "/a/c", false},
      {"/a/+", "/a/", true}, {"/a/+", "/a", false},  {"/a", "/A", false},
      {"//+", "//x", true},  {"/a/#", "/ab", false},
  };
  TestClient publisher = connected();
  for (const Case& c : cases) {
    TestClient subscriber = connected();
    subscriber.subscribe(root + std::string(c.filter), kQos0);
    publisher.publish(root + std::string(c.topic), "x", kQos1);
    if (c.matches) subscriber.expect("PUBLISH " + root + std::string(c.topic) + " x q0");
    subscriber.expect_silence(server());
  }
}

TEST_P(Subscribe, MQTT_3_3_5_1_OverlappingSubscriptionsDeliverOnceAtTheHighestQos) {
  const std::string root = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(root + "/#", kQos0);
  subscriber.subscribe(root + "/a", kQos2);
  subscriber.subscribe(root + "/+", kQos1);
  TestClient publisher = connected();
  publisher.publish(root + "/a", "x", kQos2);
  subscriber.expect_receive("PUBLISH " + root + "/a x q2");
  subscriber.expect_silence(server());
}

TEST_P(Subscribe, MQTT_3_8_4_3_SubscribingAgainReplaces) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  subscriber.subscribe(topic, kQos0);
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos1);
  subscriber.expect("PUBLISH " + topic + " x q0");
  subscriber.expect_silence(server());
}

TEST_P(Subscribe, MQTT_3_10_4_UnsubscribeEndsDelivery) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos1);
  EXPECT_EQ(subscriber.unsubscribe(topic), is_v5() ? "00" : "");
  EXPECT_EQ(subscriber.unsubscribe(topic), is_v5() ? "11" : "");
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos1);
  subscriber.expect_silence(server());
}

TEST_P(Subscribe, MQTT_3_8_3_3_EmptySubscribeIsClosed) {
  TestClient client = connected();
  client.send_bytes(is_v5() ? std::string("\x82\x03\x00\x01\x00", 5)
                            : std::string("\x82\x02\x00\x01", 4));
  const std::string line = client.next();
  EXPECT_TRUE(line == "CLOSED" || line == "DISCONNECT 0x82" || line == "DISCONNECT 0x81") << line;
}

TEST_P(Subscribe, OwnMessagesComeBack) {
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe(topic, kQos1);
  client.send_publish(topic, "mine", kQos0);
  client.expect("PUBLISH " + topic + " mine q0");
}

TEST_P(Subscribe, MQTT_3_8_4_6_ManyFiltersInOnePacket) {
  TestClient client = connected();
  const std::string root = unique("t");
  std::vector<std::string> filters;
  std::vector<Request> requests;
  for (int i = 0; i < 100; ++i) filters.push_back(root + "/" + std::to_string(i));
  for (const std::string& filter : filters) requests.push_back({.filter = filter, .options = {}});
  std::string codes;
  for (int i = 0; i < 100; ++i) codes += i == 0 ? "00" : " 00";
  EXPECT_EQ(client.subscribe(requests), codes);
}

TEST_P(Subscribe, MQTT_4_7_2_1_WildcardsDoNotReachDollarTopics) {
  TestClient everything = connected();
  everything.subscribe({Request{.filter = "#", .options = {.qos = kQos0}},
                        Request{.filter = "+/broker/version", .options = {.qos = kQos0}}});
  TestClient app = client();
  app.connect(app.app_hello("backend", unique("app")));
  app.subscribe("$SYS/broker/version", kQos0);
  const std::string line = app.receive();
  EXPECT_TRUE(line.starts_with("PUBLISH $SYS/broker/version fairlead")) << line;
  // Whatever other tests publish may arrive here, but nothing below $SYS.
  server().settle();
  everything.ping();
  for (std::string got = everything.next(); got != "PINGRESP"; got = everything.next()) {
    EXPECT_FALSE(got.starts_with("PUBLISH $")) << got;
  }
}

TEST_P(Subscribe, SysTopicsForApplications) {
  TestClient app = client();
  app.connect(app.app_hello("backend", unique("app")));
  app.subscribe("$SYS/#", kQos0);
  std::set<std::string> seen;
  while (!seen.contains("$SYS/broker/clients/connected") || !seen.contains("$SYS/broker/uptime")) {
    app.receive();
    seen.emplace(app.last_publish().topic);
  }
}

TEST_P(Subscribe, MQTT_4_8_2_SharedGroupDeliversToOneMember) {
  const std::string topic = unique("t");
  const std::string filter = "$share/" + unique("g") + "/" + topic;
  TestClient first = connected();
  TestClient second = connected();
  TestClient third = connected();
  EXPECT_EQ(first.subscribe(filter, kQos1), "01");
  EXPECT_EQ(second.subscribe(filter, kQos1), "01");
  third.subscribe(topic, kQos1);
  TestClient publisher = connected();
  for (int i = 0; i < 6; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  for (int i = 0; i < 6; ++i) {
    third.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
  // Round robin: every other message, in order.
  const std::string line = first.receive();
  const int start = line == "PUBLISH " + topic + " 0 q1" ? 0 : 1;
  EXPECT_EQ(line, "PUBLISH " + topic + " " + std::to_string(start) + " q1");
  for (int i = start + 2; i < 6; i += 2) {
    first.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
  for (int i = 1 - start; i < 6; i += 2) {
    second.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
  first.expect_silence(server());
  second.expect_silence(server());
}

TEST_P(Subscribe, MQTT_4_8_2_SharedGroupGoesOnWithoutAMemberThatLeft) {
  const std::string topic = unique("t");
  const std::string filter = "$share/" + unique("g") + "/" + topic;
  TestClient stays = connected();
  stays.subscribe(filter, kQos1);
  {
    TestClient leaves = connected();
    leaves.subscribe(filter, kQos1);
    leaves.disconnect();
    leaves.expect_closed();
  }
  server().settle();
  TestClient publisher = connected();
  for (int i = 0; i < 4; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  for (int i = 0; i < 4; ++i) {
    stays.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
}

// More than the outlet holds, within the very read that asked for it.
TEST_P(Subscribe, BurstOfRetainedMessagesIsSentOnce) {
  TestServer& alone = shared_server(1);
  const std::string topic = unique("t");
  const std::string payload(20'000, 'x');
  TestClient publisher(alone, transport(), version());
  publisher.connect(unique("c"));
  for (int i = 10; i < 60; ++i) {
    publisher.publish(topic + "/" + std::to_string(i), payload, kQos1, Retain::kYes);
  }
  TestClient client(alone, transport(), version());
  client.connect(unique("c"));
  client.send_subscribe({{.filter = topic + "/+", .options = {.qos = kQos0}}});
  client.expect("SUBACK 1 00");
  std::set<std::string> topics;
  for (int i = 10; i < 60; ++i) {
    client.next();
    topics.emplace(client.last_publish().topic);
  }
  EXPECT_EQ(topics.size(), 50u);
  client.ping();
  client.expect("PINGRESP");
  for (const std::string& each : topics) publisher.publish(each, "", kQos1, Retain::kYes);
}

class Subscribe5 : public ConformanceTest {};
FL_ONLY(Subscribe5, ProtocolVersion::k5);

TEST_P(Subscribe5, MQTT_3_8_3_3_NoLocal) {
  const std::string topic = unique("t");
  TestClient client = connected();
  client.subscribe({Request{.filter = topic, .options = {.qos = kQos1, .no_local = true}}});
  client.publish(topic, "mine", kQos1);
  TestClient other = connected();
  other.publish(topic, "theirs", kQos1);
  client.expect_receive("PUBLISH " + topic + " theirs q1");
  client.expect_silence(server());
}

TEST_P(Subscribe5, MQTT_3_8_3_4_NoLocalOnASharedSubscriptionIsAProtocolError) {
  TestClient client = connected();
  client.send_subscribe({Request{.filter = "$share/g/t", .options = {.no_local = true}}});
  client.expect_disconnect(ReasonCode::kProtocolError);
}

TEST_P(Subscribe5, MQTT_3_3_1_12_RetainAsPublished) {
  const std::string topic = unique("t");
  TestClient plain = connected();
  plain.subscribe(topic, kQos1);
  TestClient as_published = connected();
  as_published.subscribe(
      {Request{.filter = topic, .options = {.qos = kQos1, .retain_as_published = true}}});
  TestClient publisher = connected();
  publisher.publish(topic, "x", kQos1, Retain::kYes);
  plain.expect_receive("PUBLISH " + topic + " x q1");
  as_published.expect_receive("PUBLISH " + topic + " x q1 retain");
  publisher.publish(topic, "y", kQos1);
  as_published.expect_receive("PUBLISH " + topic + " y q1");
}

TEST_P(Subscribe5, MQTT_3_3_1_9_RetainHandling) {
  const std::string topic = unique("t");
  TestClient publisher = connected();
  publisher.publish(topic, "kept", kQos1, Retain::kYes);
  server().settle();
  TestClient client = connected();
  auto subscribe = [&](RetainHandling handling) {
    client.subscribe(
        {Request{.filter = topic, .options = {.qos = kQos1, .retain_handling = handling}}});
  };
  subscribe(RetainHandling::kDoNotSend);
  client.expect_silence(server());
  subscribe(RetainHandling::kSendIfNew);  // it exists
  client.expect_silence(server());
  subscribe(RetainHandling::kSend);
  client.expect_receive("PUBLISH " + topic + " kept q1 retain");
  client.unsubscribe(topic);
  subscribe(RetainHandling::kSendIfNew);
  client.expect_receive("PUBLISH " + topic + " kept q1 retain");
  client.expect_silence(server());
}

TEST_P(Subscribe5, MQTT_3_3_4_SubscriptionIdentifiersOfAllThatMatched) {
  const std::string root = unique("t");
  TestClient client = connected();
  const std::string all = root + "/#";
  const std::string one = root + "/a";
  client.subscribe({Request{.filter = all, .options = {.qos = kQos1}}}, 7);
  client.subscribe({Request{.filter = one, .options = {.qos = kQos1}}}, 268'435'455);
  client.subscribe({Request{.filter = root + "/+", .options = {.qos = kQos1}}});
  TestClient publisher = connected();
  publisher.publish(one, "x", kQos1);
  client.receive();
  std::set<uint32_t> ids;
  client.last_publish().properties.subscription_identifiers.for_each(
      [&](uint32_t id) { ids.insert(id); });
  EXPECT_EQ(ids, (std::set<uint32_t>{7, 268'435'455}));
  publisher.publish(root + "/b", "x", kQos0);
  client.receive();
  ids.clear();
  client.last_publish().properties.subscription_identifiers.for_each(
      [&](uint32_t id) { ids.insert(id); });
  EXPECT_EQ(ids, std::set<uint32_t>{7});
  client.expect_silence(server());
}

TEST_P(Subscribe5, IdentifierOfARetainedMessage) {
  const std::string topic = unique("t");
  TestClient publisher = connected();
  publisher.publish(topic, "kept", kQos1, Retain::kYes);
  server().settle();
  TestClient client = connected();
  client.subscribe({Request{.filter = topic, .options = {.qos = kQos1}}}, 11);
  client.receive();
  uint32_t got = 0;
  client.last_publish().properties.subscription_identifiers.for_each(
      [&](uint32_t id) { got = id; });
  EXPECT_EQ(got, 11u);
}

TEST_P(Subscribe5, MQTT_4_8_2_1_ShareNameIsChecked) {
  TestClient client = connected();
  EXPECT_EQ(client.subscribe({Request{.filter = "$share//t", .options = {}},
                              Request{.filter = "$share/a+/t", .options = {}},
                              Request{.filter = "$share/g/", .options = {}}}),
            "8f 8f 8f");
}

TEST_P(Subscribe5, MQTT_4_8_2_RetainedIsNotSentToSharedSubscriptions) {
  const std::string topic = unique("t");
  TestClient publisher = connected();
  publisher.publish(topic, "kept", kQos1, Retain::kYes);
  server().settle();
  TestClient client = connected();
  client.subscribe("$share/" + unique("g") + "/" + topic, kQos1);
  client.expect_silence(server());
}

}  // namespace
}  // namespace fairlead::testing
