#include <atomic>
#include <thread>

#include "conformance/fixture.h"

// Two shards and more: what crosses between them, and many threads at once (the sanitizer for
// threads runs this too).

namespace fairlead::testing {
namespace {

class Shards : public ::testing::TestWithParam<unsigned> {
 protected:
  TestServer& server_ = shared_server(GetParam());
  TestClient connected(Transport transport = Transport::kWs,
                       ProtocolVersion version = ProtocolVersion::k5) {
    TestClient client(server_, transport, version);
    client.connect(unique("c"));
    return client;
  }
};
INSTANTIATE_TEST_SUITE_P(All, Shards, ::testing::Values(1u, 2u, 3u, 4u));

TEST_P(Shards, EveryPublisherReachesEverySubscriber) {
  const std::string root = unique("t");
  std::vector<TestClient> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(connected(kAllTransports[static_cast<std::size_t>(i) % 4]));
    // Filters of every kind: exact, wildcard late, wildcard early.
    const std::string filter = i % 3 == 0 ? root + "/x/y" : i % 3 == 1 ? root + "/#" : "+/x/y";
    clients.back().subscribe(filter, kQos1);
  }
  for (std::size_t from = 0; from < clients.size(); ++from) {
    const std::string payload = std::to_string(from);
    clients[from].send_publish(root + "/x/y", payload);
    for (TestClient& to : clients) to.expect("PUBLISH " + root + "/x/y " + payload + " q0");
  }
}

TEST_P(Shards, SubscriptionIsInForceWhenTheSubackLeaves) {
  TestClient publisher = connected();
  for (int i = 0; i < 30; ++i) {
    const std::string topic = unique("t");
    TestClient subscriber = connected();
    subscriber.subscribe(topic, kQos1);
    publisher.publish(topic, "x", kQos1);
    subscriber.expect_receive("PUBLISH " + topic + " x q1");
  }
}

TEST_P(Shards, RetainedIsSeenFromEveryShard) {
  const std::string root = unique("r");
  TestClient publisher = connected();
  for (int i = 0; i < 10; ++i) {
    publisher.publish(root + "/" + std::to_string(i), "kept", kQos1, Retain::kYes);
  }
  server_.settle();
  for (int n = 0; n < 6; ++n) {
    TestClient subscriber = connected();
    subscriber.subscribe(root + "/+", kQos1);
    std::set<std::string> topics;
    for (int i = 0; i < 10; ++i) {
      subscriber.receive();
      topics.emplace(subscriber.last_publish().topic);
    }
    EXPECT_EQ(topics.size(), 10u);
    subscriber.subscribe(root + "/3", kQos1);
    subscriber.expect_receive("PUBLISH " + root + "/3 kept q1 retain");
    subscriber.expect_silence(server_);
  }
}

TEST_P(Shards, RetainedComesBeforeWhatIsPublishedAfterTheSubscribe) {
  TestClient publisher = connected();
  for (int i = 0; i < 10; ++i) {
    const std::string topic = unique("r");
    publisher.publish(topic, "old", kQos1, Retain::kYes);
    server_.settle();
    // Both at once: the shard that keeps the old one is asked while the new one is on its way.
    TestClient subscriber = connected();
    subscriber.send_subscribe({{.filter = topic, .options = {.qos = kQos0}}});
    subscriber.send_publish(topic, "new", kQos0, Retain::kYes);
    subscriber.expect("SUBACK 1 00");
    subscriber.expect_receive("PUBLISH " + topic + " old q0 retain");
    subscriber.expect_receive("PUBLISH " + topic + " new q0");
  }
}

TEST_P(Shards, SubackComesBeforeTheEndThatADisconnectBehindTheSubscribeAsksFor) {
  for (int i = 0; i < 20; ++i) {
    const std::string topic = unique("s");
    TestClient client = connected();
    client.send_subscribe({{.filter = topic, .options = {.qos = kQos0}}});
    client.send_publish(topic, "echo", kQos0);
    client.disconnect();
    client.expect("SUBACK 1 00");
    client.expect_receive("PUBLISH " + topic + " echo q0");
    client.expect_closed();
  }
}

TEST_P(Shards, SharedGroupOverAllShardsGivesEachItsTurn) {
  const std::string topic = unique("t");
  const std::string filter = "$share/" + unique("g") + "/" + topic;
  std::vector<TestClient> members;
  for (int i = 0; i < 6; ++i) {
    members.push_back(connected());
    members.back().subscribe(filter, kQos1);
  }
  TestClient publisher = connected();
  for (int i = 0; i < 60; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  std::set<std::string> all;
  for (TestClient& member : members) {
    for (int i = 0; i < 10; ++i) all.insert(member.receive());
  }
  EXPECT_EQ(all.size(), 60u);
  for (TestClient& member : members) member.expect_silence(server_);
}

TEST_P(Shards, ClientOfEitherVersionTakesOverFromAnyTransport) {
  const std::string id = unique("c");
  TestClient first(server_, Transport::kWss, ProtocolVersion::k311);
  first.connect(first.hello(id, CleanStart::kNo));
  const std::string topic = unique("t");
  first.subscribe(topic, kQos1);
  for (const Transport transport : kAllTransports) {
    TestClient second(server_, transport, ProtocolVersion::k5);
    second.send(second.hello(id, CleanStart::kNo));
    second.expect("CONNACK 0 present");
    first.expect_closed();
    TestClient publisher = connected();
    publisher.publish(topic, "x", kQos1);
    second.expect_receive("PUBLISH " + topic + " x q1");
    first = TestClient(server_, transport, ProtocolVersion::k311);
    first.connect(first.hello(id, CleanStart::kNo));
    second.expect_disconnect(ReasonCode::kSessionTakenOver);
  }
}

// Threads that fight for one identity: at any time one connection is left, and the server lives.
TEST_P(Shards, ConcurrentTakeOvers) {
  const std::string id = unique("c");
  auto fight = [&](unsigned seed) {
    for (unsigned i = 0; i < 12; ++i) {
      TestClient client(server_, kAllTransports[(seed + i) % 4],
                        i % 2 ? ProtocolVersion::k5 : ProtocolVersion::k311);
      client.send(client.hello(id, i % 3 ? CleanStart::kNo : CleanStart::kYes));
      const std::string answer = client.next();
      // One that is replaced before its CONNACK was written down is closed without a word.
      EXPECT_TRUE(answer.starts_with("CONNACK 0") || answer == "CLOSED") << answer;
      if (answer == "CLOSED") continue;
      client.ping();
      (void)client.next();  // PINGRESP, or the take-over
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) threads.emplace_back(fight, t);
  }
  TestClient last(server_, Transport::kTcp);
  last.connect(last.hello(id));
  last.ping();
  last.expect("PINGRESP");
}

// Publishers and subscribers on all shards, all at once: every message of QoS 1 and 2 arrives, once
// and in the order of its publisher.
TEST_P(Shards, ConcurrentTrafficLosesAndReordersNothing) {
  constexpr int kClients = 4;
  constexpr int kMessages = 40;
  const std::string root = unique("t");
  std::atomic<int> ready{0};
  auto chat = [&](int me) {
    try {
      TestClient client(server_, kAllTransports[static_cast<std::size_t>(me) % 4],
                        me % 2 ? ProtocolVersion::k5 : ProtocolVersion::k311);
      client.connect(unique("c"));
      client.subscribe(root + "/#", kQos2);
      ++ready;
      while (ready < kClients) std::this_thread::yield();
      const std::string own = root + "/" + std::to_string(me);
      for (int i = 0; i < kMessages; ++i) {
        client.send_publish(own, std::to_string(i), i % 2 ? kQos1 : kQos2);
      }
      std::map<std::string, int> next;
      int received = 0;
      int finished = 0;
      while (received < kClients * kMessages || finished < kMessages) {
        const std::string line = client.next();
        if (line.starts_with("PUBREC ")) client.ack(PacketType::kPubrel, client.last_id());
        if (line.starts_with("PUBREL ")) client.ack(PacketType::kPubcomp, client.last_id());
        if (line.starts_with("PUBACK ") || line.starts_with("PUBCOMP ")) ++finished;
        if (!line.starts_with("PUBLISH ")) continue;
        ++received;
        const auto packet = client.last_publish();
        int& wanted = next[std::string(packet.topic)];
        ASSERT_EQ(as_text(packet.payload), std::to_string(wanted)) << packet.topic;
        ++wanted;
        client.ack(packet.qos == kQos1 ? PacketType::kPuback : PacketType::kPubrec,
                   static_cast<uint16_t>(packet.packet_id));
      }
    } catch (const std::exception& failure) {
      ADD_FAILURE() << "client " << me << ": " << failure.what();
      ready = kClients;
    }
  };
  std::vector<std::jthread> threads;
  for (int t = 0; t < kClients; ++t) threads.emplace_back(chat, t);
}

// Sessions, subscriptions, retained messages, groups and connections come and go on all shards.
TEST_P(Shards, ConcurrentComingAndGoing) {
  const std::string root = unique("t");
  auto live = [&](unsigned seed) {
    try {
      for (unsigned i = 0; i < 15; ++i) {
        TestClient client(server_, kAllTransports[(seed + i) % 4],
                          i % 2 ? ProtocolVersion::k5 : ProtocolVersion::k31);
        client.connect(client.hello(unique("c"), i % 3 ? CleanStart::kYes : CleanStart::kNo));
        const std::string topic = root + "/" + std::to_string(i % 5);
        client.send_subscribe({{.filter = topic, .options = {.qos = kQos1}},
                               {.filter = "$share/g" + std::to_string(i % 2) + "/" + topic,
                                .options = {.qos = kQos1}},
                               {.filter = root + "/#", .options = {.qos = kQos0}}});
        client.send_publish(topic, "x", kQos1, i % 4 ? Retain::kNo : Retain::kYes);
        client.ping();
        while (client.next() != "PINGRESP") {
        }
        if (i % 5 == 0) client.wire().reset();
      }
    } catch (const std::exception& failure) {
      ADD_FAILURE() << failure.what();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) threads.emplace_back(live, t);
  }
  TestClient last = connected();
  last.ping();
  last.expect("PINGRESP");
}

// The registry changes under load.
TEST(ShardsAndRegistry, DevicesAreDisabledWhileTheyConnect) {
  TestServer server({.shard_count = 4});
  std::atomic<bool> done{false};
  auto connect_forever = [&](const std::string& name) {
    while (!done) {
      try {
        TestClient client(server, Transport::kWs, ProtocolVersion::k5);
        client.send(client.device_hello({.name = name}));
        const std::string answer = client.next();
        if (answer == "CONNACK 0") {
          client.ping();
          (void)client.next();
        } else {
          EXPECT_EQ(answer, "CONNACK 0x87");
        }
      } catch (const std::exception& failure) {
        ADD_FAILURE() << failure.what();
        return;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (const char* name : {"d1", "d2", "d3"}) threads.emplace_back(connect_forever, name);
    for (int i = 0; i < 20; ++i) {
      for (const char* name : {"d1", "d2", "d3"}) {
        ASSERT_TRUE(server.database().set_device_enabled("pk", name, i % 2 == 1).ok());
      }
      server.apply();
    }
    done = true;
  }
  // Enabled at the end: and nobody who was refused has left anything behind.
  for (const char* name : {"d1", "d2", "d3"}) {
    TestClient client(server, Transport::kTcp);
    client.connect(client.device_hello({.name = name}));
  }
}

}  // namespace
}  // namespace fairlead::testing
