#include <atomic>
#include <thread>

#include "conformance/fixture.h"

// Order: section 4.6 of MQTT 3.1.1 and of 5.0, across reconnects too; nothing before CONNACK,
// nothing after DISCONNECT.

namespace fairlead::testing {
namespace {

class Ordering : public ConformanceTest {
 protected:
  TestClient persistent(const std::string& id) {
    TestClient client = this->client();
    client.connect(client.hello(id, CleanStart::kNo));
    return client;
  }
  [[nodiscard]] std::string present() const {
    return version() == ProtocolVersion::k31 ? "CONNACK 0" : "CONNACK 0 present";
  }
  // Takes the server through the ladder of `count` messages of QoS 1 and 2 that were sent before.
  static void finish(TestClient& publisher, int count) {
    while (count > 0) {
      const std::string line = publisher.next();
      if (line.starts_with("PUBREC ")) publisher.ack(PacketType::kPubrel, publisher.last_id());
      if (line.starts_with("PUBACK ") || line.starts_with("PUBCOMP ")) --count;
      ASSERT_TRUE(line.starts_with("PUB")) << line;
    }
  }
  static void acknowledge(TestClient& subscriber) {
    const mqtt::PublishPacket packet = subscriber.last_publish();
    if (packet.qos == kQos0) return;
    subscriber.ack(packet.qos == kQos1 ? PacketType::kPuback : PacketType::kPubrec,
                   static_cast<uint16_t>(packet.packet_id));
  }
};
FL_EVERY_VERSION(Ordering);

TEST_P(Ordering, MQTT_4_6_0_6_EachTopicAndQosIsInTheOrderOfItsPublisher) {
  const std::string root = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(root + "/#", kQos2);
  TestClient publisher = connected();
  constexpr int kRounds = 12;
  for (int i = 0; i < kRounds; ++i) {
    for (const char* topic : {"/a", "/b"}) {
      for (const Qos qos : {kQos2, kQos0, kQos1}) {
        publisher.send_publish(root + topic, std::to_string(i), qos);
      }
    }
  }
  std::map<std::string, int> next;
  for (int received = 0; received < kRounds * 6;) {
    const std::string line = subscriber.next();
    if (line.starts_with("PUBREL ")) {
      subscriber.ack(PacketType::kPubcomp, subscriber.last_id());
      continue;
    }
    const mqtt::PublishPacket packet = subscriber.last_publish();
    int& wanted = next[std::string(packet.topic) + std::to_string(static_cast<int>(packet.qos))];
    ASSERT_EQ(as_text(packet.payload), std::to_string(wanted)) << line;
    ++wanted;
    ++received;
    acknowledge(subscriber);
  }
  EXPECT_EQ(next.size(), 6u);
  finish(publisher, kRounds * 4);
}

TEST_P(Ordering, MQTT_4_6_0_1_InFlightIsRepeatedInOrderThenComesWhatWaited) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient subscriber = persistent(id);
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  const auto expected = [&](int i) {
    return "PUBLISH " + topic + " " + std::to_string(i) + (i % 3 == 1 ? " q2" : " q1");
  };
  const auto publish = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      publisher.publish(topic, std::to_string(i), i % 3 == 1 ? kQos2 : kQos1);
    }
  };
  publish(0, 6);
  std::vector<uint16_t> ids;
  for (int i = 0; i < 6; ++i) {
    subscriber.expect(expected(i));
    ids.push_back(subscriber.last_id());
  }
  subscriber.disconnect();
  subscriber.expect_closed();
  publish(6, 12);
  for (int connection = 0; connection < 3; ++connection) {
    subscriber = client();
    subscriber.send(subscriber.hello(id, CleanStart::kNo));
    subscriber.expect(present());
    for (int i = 0; i < 12; ++i) {
      const bool repeated = connection > 0 || i < 6;
      subscriber.expect(expected(i) + (repeated ? " dup" : ""));
      if (!repeated) ids.push_back(subscriber.last_id());
      EXPECT_EQ(subscriber.last_id(), ids[static_cast<std::size_t>(i)]);
    }
    subscriber.expect_silence(server());
    subscriber.wire().reset();
  }
}

TEST_P(Ordering, MQTT_4_6_0_1_ReleasedAndUnreceivedKeepTheirPlaces) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient subscriber = persistent(id);
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    publisher.publish(topic, std::to_string(i), kQos2);
    subscriber.expect("PUBLISH " + topic + " " + std::to_string(i) + " q2");
    ids.push_back(std::to_string(subscriber.last_id()));
    if (i >= 3) continue;
    subscriber.ack(PacketType::kPubrec, subscriber.last_id());
    subscriber.expect("PUBREL " + ids.back());
  }
  subscriber.ack(PacketType::kPubcomp, static_cast<uint16_t>(std::stoi(ids[1])));
  subscriber.expect_silence(server());
  subscriber.wire().reset();
  TestClient again = persistent(id);
  again.expect("PUBREL " + ids[0]);
  again.expect("PUBREL " + ids[2]);
  again.expect("PUBLISH " + topic + " 3 q2 dup");
  again.expect("PUBLISH " + topic + " 4 q2 dup");
  again.expect_silence(server());
}

TEST_P(Ordering, MQTT_4_6_0_2_And3_AcknowledgementsAreInTheOrderOfThePublishes) {
  const std::string topic = unique("t");
  TestClient publisher = connected();
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    // Identifiers up and down, as a client may choose them.
    const uint16_t packet = static_cast<uint16_t>(i % 2 == 0 ? 1000 + i : 1000 - i);
    const Qos qos = i % 3 == 0 ? kQos2 : kQos1;
    publisher.send(mqtt::PublishPacket{
        .topic = topic, .packet_id = PacketId{packet}, .qos = qos, .properties = {}});
    expected.push_back((qos == kQos2 ? "PUBREC " : "PUBACK ") + std::to_string(packet));
  }
  for (const std::string& wanted : expected) {
    const std::string line = publisher.next();  // 5.0 may add that nobody subscribes
    EXPECT_EQ(line.substr(0, line.find(" 0x")), wanted);
  }
}

TEST_P(Ordering, MQTT_4_6_0_4_ReleasesAreInTheOrderOfThePubrecs) {
  const std::string topic = unique("t");
  TestClient subscriber = connected();
  subscriber.subscribe(topic, kQos2);
  TestClient publisher = connected();
  std::vector<uint16_t> ids;
  for (int i = 0; i < 8; ++i) publisher.publish(topic, std::to_string(i), kQos2);
  for (int i = 0; i < 8; ++i) {
    subscriber.expect("PUBLISH " + topic + " " + std::to_string(i) + " q2");
    ids.push_back(subscriber.last_id());
  }
  const std::size_t order[] = {3, 0, 7, 1, 6, 2, 5, 4};
  for (const std::size_t i : order) subscriber.ack(PacketType::kPubrec, ids[i]);
  for (const std::size_t i : order) subscriber.expect("PUBREL " + std::to_string(ids[i]));
}

// More than the window holds waits for it, and what is published meanwhile waits behind that.
TEST_P(Ordering, MQTT_4_6_0_6_LiveMessagesComeBehindTheQueue) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient subscriber = persistent(id);
  subscriber.subscribe(topic, kQos1);
  subscriber.disconnect();
  subscriber.expect_closed();
  TestClient publisher = connected();
  constexpr int kQueued = 130;
  constexpr int kLive = 30;
  for (int i = 0; i < kQueued; ++i) publisher.send_publish(topic, std::to_string(i), kQos1);
  finish(publisher, kQueued);
  subscriber = persistent(id);
  for (int i = 0; i < kQueued + kLive; ++i) {
    if (i < kLive) publisher.publish(topic, std::to_string(kQueued + i), kQos1);
    subscriber.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
  subscriber.expect_silence(server());
}

// The subscriber leaves and comes back, in every way, and never acknowledges all: what is open
// comes again, and what is new behind it, in one unbroken row.
TEST_P(Ordering, MQTT_4_6_0_1_ReconnectsInTheMiddleOfTheFlowKeepTheOrder) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient subscriber = persistent(id);
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  int published = 0;
  int acknowledged = 0;  // those before it may not come again
  int seen = 0;          // those before it have come, once at least
  for (int connection = 0; connection < 6; ++connection) {
    for (int i = 0; i < 10; ++i) {
      publisher.send_publish(topic, std::to_string(published++), kQos1);
    }
    finish(publisher, 10);
    server().settle();
    for (int next = acknowledged, budget = 7; next < published; ++next) {
      const bool repeated = next < seen && connection > 0;
      subscriber.expect("PUBLISH " + topic + " " + std::to_string(next) + " q1" +
                        (repeated ? " dup" : ""));
      if (budget-- <= 0) continue;
      acknowledge(subscriber);
      ++acknowledged;
    }
    seen = published;
    subscriber.expect_silence(server());  // and the acknowledgements have been read
    if (connection % 3 == 0) subscriber.wire().reset();
    if (connection % 3 == 1) subscriber.disconnect();
    TestClient next = persistent(id);  // or takes over
    subscriber = std::move(next);
  }
}

// A session with messages waiting, in flight and retained comes back while a publisher goes on:
// whatever is on its way to it, CONNACK comes first. One connection in two is taken over: it ends
// with its DISCONNECT, and nothing behind.
TEST_P(Ordering, MQTT_3_2_0_1_NothingComesBeforeConnackAndNothingAfterDisconnect) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient subscriber = persistent(id);
  subscriber.subscribe(topic, kQos1);
  std::atomic<bool> done{false};
  std::jthread hammer([&] {
    try {
      TestClient publisher = connected();
      publisher.publish(topic + "/kept", "kept", kQos1, Retain::kYes);
      while (!done) {
        publisher.send_publish(topic, "x", kQos0);
        publisher.publish(topic, "x", kQos1);
      }
    } catch (const std::exception& failure) {
      ADD_FAILURE() << failure.what();
    }
  });
  try {
    subscriber.receive();  // the hammer is at work
    for (int i = 0; i < 8; ++i) {
      if (i % 2 == 0) subscriber.wire().reset();
      TestClient next = client();
      ByteBuffer all;
      mqtt::write(all, next.hello(id, CleanStart::kNo));
      mqtt::write(all, version(),
                  mqtt::SubscribePacket{.packet_id = PacketId{1},
                                        .requests = {{.filter = topic + "/kept", .options = {}}},
                                        .properties = {}});
      next.wire().send(all.view());
      next.expect(present());
      std::string line = next.next();
      while (line.starts_with("PUBLISH " + topic + " ")) line = next.next();
      EXPECT_EQ(line, "SUBACK 1 00");
      if (i % 2 == 1) {
        line = subscriber.next();
        while (line.starts_with("PUBLISH ")) line = subscriber.next();
        EXPECT_EQ(line, is_v5() ? "DISCONNECT 0x8e" : "CLOSED");
        if (is_v5()) subscriber.expect_closed();
      }
      subscriber = std::move(next);
    }
  } catch (...) {
    done = true;
    throw;
  }
  done = true;
}

TEST_P(Ordering, MQTT_3_14_4_2_NothingBehindADisconnectIsProcessed) {
  const std::string topic = unique("t");
  TestClient watch = connected();
  watch.subscribe(topic, kQos1);
  TestClient client = connected();
  ByteBuffer all;
  mqtt::write(all, version(), mqtt::DisconnectPacket{.properties = {}});
  mqtt::write(all, mqtt::PingreqPacket{});
  mqtt::write(all, version(),
              mqtt::PublishPacket{.topic = topic, .payload = as_bytes("x"), .properties = {}});
  client.wire().send(all.view());
  client.expect_closed();
  watch.expect_silence(server());
}

// Messages go on arriving for a session whose client says goodbye: some reach the old connection
// before its end, none are lost, and the next connection continues the row.
TEST_P(Ordering, MQTT_4_6_0_6_DisconnectInTheMiddleOfTheFlowLosesNothing) {
  const std::string id = unique("c");
  const std::string topic = unique("t");
  TestClient subscriber = persistent(id);
  subscriber.subscribe(topic, kQos1);
  TestClient publisher = connected();
  constexpr int kMessages = 60;
  for (int i = 0; i < kMessages; ++i) {
    publisher.send_publish(topic, std::to_string(i), kQos1);
    if (i == kMessages / 2) subscriber.disconnect();
  }
  int seen = 0;
  for (std::string line = subscriber.next(); line != "CLOSED"; line = subscriber.next()) {
    ASSERT_EQ(line, "PUBLISH " + topic + " " + std::to_string(seen) + " q1");
    ++seen;
  }
  finish(publisher, kMessages);
  TestClient again = persistent(id);
  for (int i = 0; i < kMessages; ++i) {
    const std::string line = again.receive();
    const std::string wanted = "PUBLISH " + topic + " " + std::to_string(i) + " q1";
    ASSERT_TRUE(line == wanted || line == wanted + " dup") << line;
    if (i < seen) {
      ASSERT_EQ(line, wanted + " dup");
    }
  }
  again.expect_silence(server());
}

}  // namespace
}  // namespace fairlead::testing
