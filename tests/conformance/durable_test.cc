#include "support/fixture.h"

// What was acknowledged survives the end of the process without a word (MQTT 5.0 section 4.1: the
// session state of both sides; 3.1.1 the same). The server here is one of each test's own, ended
// as kill -9 would end it, and started again on what it had written.

namespace fairlead::testing {
namespace {

class Durable : public ConformanceTest {
 protected:
  TestServer& server() override { return server_; }

  // A client whose session is kept.
  TestClient kept(std::string_view id) {
    TestClient made = client();
    made.connect(made.hello(id, CleanStart::kNo));
    return made;
  }
  TestClient resumed(std::string_view id) {
    TestClient made = client();
    made.send(made.hello(id, CleanStart::kNo));
    // MQTT 3.1 has no session present flag.
    made.expect(version() == ProtocolVersion::k31 ? "CONNACK 0" : "CONNACK 0 present");
    return made;
  }
  void subscribed_and_gone(std::string_view id, std::string_view filter, Qos qos = kQos2) {
    TestClient made = kept(id);
    made.subscribe(filter, qos);
    made.disconnect();
    made.expect_closed();
  }

  TestServer server_;
};
// Each test has a server of its own, which takes its time: the barest transport and the fullest.
const auto kTwoTransports = ::testing::Values(Transport::kTcp, Transport::kWss);
INSTANTIATE_TEST_SUITE_P(All, Durable, ::testing::Combine(kTwoTransports, kEveryVersion),
                         param_name);

class Durable5 : public Durable {};
INSTANTIATE_TEST_SUITE_P(All, Durable5,
                         ::testing::Combine(kTwoTransports, ::testing::Values(ProtocolVersion::k5)),
                         param_name);

TEST_P(Durable, MessagesWaitInTheirOrder) {
  subscribed_and_gone("sub", "a/#");
  {
    TestClient publisher = connected();
    for (int i = 0; i < 10; ++i) {
      publisher.publish("a/" + std::to_string(i), "x", i % 2 == 0 ? kQos1 : kQos2);
    }
    publisher.publish("a/plain", "x", kQos0);
  }
  server_.crash();
  TestClient again = resumed("sub");
  for (int i = 0; i < 10; ++i) {
    again.expect_receive("PUBLISH a/" + std::to_string(i) + " x q" + (i % 2 == 0 ? "1" : "2"));
  }
  again.expect_silence(server_);
}

TEST_P(Durable, OneMessageForManySessions) {
  for (int i = 0; i < 5; ++i) subscribed_and_gone("sub" + std::to_string(i), "a/b");
  connected().publish("a/b", std::string(10'000, 'x'), kQos1);
  server_.crash();
  for (int i = 0; i < 4; ++i) {
    resumed("sub" + std::to_string(i))
        .expect_receive("PUBLISH a/b " + std::string(10'000, 'x') + " q1");
    server_.settle();
  }
  server_.crash();
  resumed("sub4").expect_receive("PUBLISH a/b " + std::string(10'000, 'x') + " q1");
}

TEST_P(Durable, SubscriptionsAreThere) {
  subscribed_and_gone("sub", "a/+", kQos1);
  subscribed_and_gone("all", "#", kQos2);
  server_.crash();
  TestClient again = resumed("sub");
  TestClient all = resumed("all");
  connected().publish("a/b", "x", kQos2);
  again.expect_receive("PUBLISH a/b x q1");
  all.expect_receive("PUBLISH a/b x q2");
}

TEST_P(Durable, WhatWasUnsubscribedStaysSo) {
  {
    TestClient made = kept("sub");
    made.subscribe("a", kQos1);
    made.subscribe("b", kQos1);
    made.unsubscribe("a");
  }
  server_.crash();
  TestClient again = resumed("sub");
  TestClient publisher = connected();
  publisher.publish("a", "x", kQos1);
  publisher.publish("b", "x", kQos1);
  again.expect_receive("PUBLISH b x q1");
  again.expect_silence(server_);
}

TEST_P(Durable, InFlightIsRepeatedUnderItsIdentifier) {
  uint16_t one = 0;
  uint16_t two = 0;
  {
    TestClient subscriber = kept("sub");
    subscriber.subscribe("t", kQos2);
    TestClient publisher = connected();
    publisher.publish("t", "one", kQos1);
    publisher.publish("t", "two", kQos2);
    publisher.publish("t", "three", kQos2);
    subscriber.expect("PUBLISH t one q1");
    one = subscriber.last_id();
    subscriber.expect("PUBLISH t two q2");
    two = subscriber.last_id();
    subscriber.ack(PacketType::kPubrec, two);
    subscriber.expect("PUBLISH t three q2");
    subscriber.expect("PUBREL " + std::to_string(two));
    server_.crash();
  }
  TestClient again = resumed("sub");
  again.expect("PUBLISH t one q1 dup");
  EXPECT_EQ(again.last_id(), one);
  again.ack(PacketType::kPuback, one);
  again.expect("PUBREL " + std::to_string(two));  // "two" has been received
  again.ack(PacketType::kPubcomp, two);
  again.expect_receive("PUBLISH t three q2 dup");
  again.expect_silence(server_);
}

TEST_P(Durable, AcknowledgedIsNotSentAgain) {
  {
    TestClient subscriber = kept("sub");
    subscriber.subscribe("t", kQos2);
    TestClient publisher = connected();
    publisher.publish("t", "one", kQos1);
    publisher.publish("t", "two", kQos2);
    subscriber.expect_receive("PUBLISH t one q1");
    subscriber.expect_receive("PUBLISH t two q2");
    subscriber.disconnect();
    subscriber.expect_closed();
    publisher.publish("t", "three", kQos1);
    server_.settle();  // what a client acknowledges last is nothing that it was promised
  }
  server_.crash();
  TestClient again = resumed("sub");
  again.expect_receive("PUBLISH t three q1");
  again.expect_silence(server_);
}

TEST_P(Durable, ReceivedIdentifiersAreRemembered) {
  subscribed_and_gone("sub", "t");
  TestClient publisher = kept("pub");
  const uint16_t id = publisher.send_publish("t", "once", kQos2);
  publisher.expect("PUBREC " + std::to_string(id));
  server_.crash();
  TestClient again = resumed("pub");
  again.send(mqtt::PublishPacket{.topic = "t",
                                 .payload = as_bytes("once"),
                                 .packet_id = PacketId{id},
                                 .qos = kQos2,
                                 .dup = mqtt::Dup::kYes,
                                 .properties = {}});
  again.expect("PUBREC " + std::to_string(id));
  again.ack(PacketType::kPubrel, id);
  again.expect("PUBCOMP " + std::to_string(id));
  server_.crash();
  // Released: the same identifier stands for a new message now.
  TestClient third = resumed("pub");
  third.send(mqtt::PublishPacket{.topic = "t",
                                 .payload = as_bytes("another"),
                                 .packet_id = PacketId{id},
                                 .qos = kQos2,
                                 .properties = {}});
  third.expect("PUBREC " + std::to_string(id));
  TestClient subscriber = resumed("sub");
  subscriber.expect_receive("PUBLISH t once q2");
  subscriber.expect_receive("PUBLISH t another q2");
  subscriber.expect_silence(server_);
}

TEST_P(Durable, RetainedMessages) {
  {
    TestClient publisher = connected();
    publisher.publish("kept", "old", kQos1, Retain::kYes);
    publisher.publish("kept", "new", kQos1, Retain::kYes);
    publisher.publish("plain", "x", kQos0, Retain::kYes);
    publisher.publish("cleared", "x", kQos2, Retain::kYes);
    publisher.publish("cleared", "", kQos1, Retain::kYes);
  }
  server_.crash();
  TestClient subscriber = connected();
  subscriber.subscribe("kept", kQos2);
  subscriber.expect_receive("PUBLISH kept new q1 retain");
  subscriber.subscribe("plain", kQos2);
  subscriber.expect_receive("PUBLISH plain x q0 retain");
  subscriber.subscribe("cleared", kQos2);
  subscriber.expect_silence(server_);
}

TEST_P(Durable, SessionsThatAreNotKeptAreGone) {
  TestClient gone = client();
  gone.connect(gone.hello("clean", CleanStart::kYes));
  gone.subscribe("t", kQos1);
  TestClient begun_anew = kept("anew");
  begun_anew.subscribe("t", kQos1);
  begun_anew = client();
  begun_anew.connect(begun_anew.hello("anew", CleanStart::kYes));
  server_.crash();
  for (const char* id : {"clean", "anew"}) {
    TestClient again = client();
    again.send(again.hello(id, CleanStart::kNo));
    again.expect("CONNACK 0");
  }
}

// MQTT 3.1.1 section 3.1.2.5: after a failure of the server, at the latest when it is back.
TEST_P(Durable, WillOfWhoWasConnected) {
  subscribed_and_gone("sub", "will");
  TestClient doomed = client();
  mqtt::ConnectPacket hello = doomed.hello("doomed", CleanStart::kNo);
  hello.will = mqtt::Will{.topic = "will", .payload = as_bytes("gone"), .qos = kQos1};
  doomed.connect(hello);
  TestClient polite = client();
  hello = polite.hello("polite", CleanStart::kNo);
  hello.will = mqtt::Will{.topic = "will", .payload = as_bytes("not said"), .qos = kQos1};
  polite.connect(hello);
  polite.disconnect();
  polite.expect_closed();
  connected().publish("any", "x", kQos1);
  server_.restart();
  TestClient again = resumed("sub");
  again.expect_receive("PUBLISH will gone q1");
  again.expect_silence(server_);
}

TEST_P(Durable, GracefulStopLosesNothing) {
  TestClient subscriber = kept("sub");
  subscriber.subscribe("t", kQos1);
  connected().publish("t", "one", kQos1);
  subscriber.expect("PUBLISH t one q1");
  server_.restart();
  resumed("sub").expect_receive("PUBLISH t one q1 dup");
}

TEST_P(Durable, OtherNumberOfShards) {
  for (int i = 0; i < 8; ++i) subscribed_and_gone("s" + std::to_string(i), "t/#");
  TestClient publisher = kept("pub");
  publisher.publish("t/1", "one", kQos2, Retain::kYes);
  publisher.publish("t/2", "two", kQos1);
  for (const unsigned shards : {5u, 1u, 3u}) {
    server_.set_shard_count(shards);
    server_.crash();
    resumed("pub").publish("t/" + std::to_string(shards), "more", kQos1);
  }
  for (int i = 0; i < 8; ++i) {
    TestClient again = resumed("s" + std::to_string(i));
    again.expect_receive("PUBLISH t/1 one q2");
    again.expect_receive("PUBLISH t/2 two q1");
    for (const char* topic : {"t/5", "t/1", "t/3"}) {
      again.expect_receive(std::string("PUBLISH ") + topic + " more q1");
    }
    again.expect_silence(server_);
  }
  TestClient fresh = connected();
  fresh.subscribe("t/1", kQos1);
  fresh.expect_receive("PUBLISH t/1 one q1 retain");
}

TEST_P(Durable, SharedSubscriptions) {
  if (version() == ProtocolVersion::k31) return;  // as 3.1.1
  subscribed_and_gone("m1", "$share/g/t", kQos1);
  subscribed_and_gone("m2", "$share/g/t", kQos1);
  server_.crash();
  TestClient one = resumed("m1");
  TestClient publisher = connected();
  publisher.publish("t", "x", kQos1);
  publisher.publish("t", "y", kQos1);
  one.expect_receive("PUBLISH t x q1");
  one.expect_receive("PUBLISH t y q1");
  one.expect_silence(server_);
}

TEST_P(Durable, WhatTheRegistryForgotMeanwhileIsForgotten) {
  {
    TestClient device = client();
    device.connect(device.device_hello({.name = "d1"}, CleanStart::kNo));
    device.subscribe("/pk/d1/user/get", kQos1);
    TestClient other = client();
    other.connect(other.device_hello({.name = "d2"}, CleanStart::kNo));
  }
  ASSERT_TRUE(server_.database().delete_device("pk", "d1").ok());
  server_.crash();
  server_.apply();
  EXPECT_EQ(server_.engine().counters().sessions_now, 1u);
  EXPECT_EQ(server_.engine().counters().subscriptions_now, 0u);
  server_.crash();
  EXPECT_EQ(server_.engine().counters().sessions_now, 1u);
}

TEST_P(Durable5, PropertiesAndOptions) {
  {
    TestClient made = kept("sub");
    made.subscribe(
        {{.filter = "t", .options = {.qos = kQos1, .no_local = true, .retain_as_published = true}}},
        77);
    made.disconnect();
    made.expect_closed();
  }
  mqtt::PublishProperties with;
  with.content_type = "text/plain";
  with.message_expiry_seconds = 1000;
  const std::string correlation = "corr";
  with.correlation_data = as_bytes(correlation);
  connected().publish("t", "x", kQos1, Retain::kYes, with);
  server_.crash();
  TestClient again = resumed("sub");
  again.expect("PUBLISH t x q1 retain");
  const mqtt::PublishPacket got = again.last_publish();
  EXPECT_EQ(got.properties.content_type, "text/plain");
  EXPECT_LE(got.properties.message_expiry_seconds.value_or(9999), 1000u);
  EXPECT_EQ(as_text(got.properties.correlation_data.value_or(Bytes{})), "corr");
  uint32_t identifier = 0;
  got.properties.subscription_identifiers.for_each([&](uint32_t id) { identifier = id; });
  EXPECT_EQ(identifier, 77u);
  again.ack(PacketType::kPuback, again.last_id());
  again.publish("t", "own", kQos1);  // No Local holds still
  again.expect_silence(server_);
}

// Of all sessions together: publishers are refused before anything that was acknowledged is
// dropped.
class Filled : public ConformanceTest {
 protected:
  TestServer& server() override { return server_; }
  TestServer server_{{.shard_count = 2, .adjust = [](ServerOptions& options) {
                        options.total_queue_bytes_max = 64 << 10;
                      }}};
};
INSTANTIATE_TEST_SUITE_P(All, Filled, ::testing::Combine(kTwoTransports, kEveryVersion),
                         param_name);

TEST_P(Filled, ServerRefusesWhatItCouldNotHold) {
  {
    TestClient made = client();
    made.connect(made.hello("sub", CleanStart::kNo));
    made.subscribe("a", kQos1);
    made.disconnect();
    made.expect_closed();
  }
  const std::string payload(4 << 10, 'x');
  TestClient publisher = connected();
  unsigned acknowledged = 0;
  for (; acknowledged < 900; ++acknowledged) {
    const uint16_t id = publisher.send_publish("a", payload, kQos1);
    const std::string line = publisher.next();
    if (line == "PUBACK " + std::to_string(id)) continue;
    EXPECT_EQ(line, version() == ProtocolVersion::k5 ? "PUBACK " + std::to_string(id) + " 0x97"
                                                     : "CLOSED");
    break;
  }
  ASSERT_LT(acknowledged, 900u);
  EXPECT_GE(acknowledged, 15u);
  EXPECT_GE(server_.engine().counters().queued_bytes, 60u << 10);
  server_.crash();
  TestClient again = client();
  again.send(again.hello("sub", CleanStart::kNo));
  again.expect(version() == ProtocolVersion::k31 ? "CONNACK 0" : "CONNACK 0 present");
  for (unsigned i = 0; i < acknowledged; ++i) again.expect_receive("PUBLISH a " + payload + " q1");
  again.expect_silence(server_);
  EXPECT_EQ(server_.engine().counters().queued_bytes, 0u);
  connected().publish("a", "there is room", kQos1);
  again.expect_receive("PUBLISH a there is room q1");
}

TEST_P(Durable5, WillWaitsForItsDelayAcrossTheRestart) {
  subscribed_and_gone("sub", "will");
  TestClient doomed = client();
  mqtt::ConnectPacket hello = doomed.hello("doomed", CleanStart::kNo);
  hello.will = mqtt::Will{.topic = "will", .payload = as_bytes("gone"), .qos = kQos1};
  hello.will->properties.will_delay_seconds = 3600;
  doomed.connect(hello);
  server_.crash();
  TestClient again = resumed("sub");
  again.expect_silence(server_);
  TestClient back = client();  // a clean start ends the session, and so the delay
  back.connect(back.hello("doomed", CleanStart::kYes));
  again.expect_receive("PUBLISH will gone q1");
}

}  // namespace
}  // namespace fairlead::testing
