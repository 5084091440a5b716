#include "hostile/hostile.h"

// Peers that do not do their part: that read nothing, that acknowledge nothing, that release
// nothing. Memory stays bounded, and only they feel it.

namespace fairlead::testing {
namespace {

constexpr std::size_t kKiB = 1024;

class SlowPeers : public HostileTest {
 protected:
  TestServer& server() override {
    if (!server_) {
      server_ = std::make_unique<TestServer>(TestServerOptions{
          .shard_count = 2, .adjust = [stalled_max = stalled_max_](ServerOptions& options) {
            options.connection.output_bytes_max = 64 * kKiB;
            options.connection.congested_bytes = 32 * kKiB;
            options.connection.stalled_max = stalled_max;
            options.connection.linger_max = milliseconds(200);
            options.session.queue_count_max = 200;
            options.session.queue_bytes_max = 512 * kKiB;
            options.session.congested_queue_bytes_max = 64 * kKiB;
          }});
    }
    return *server_;
  }
  // Whoever was stalled is closed, without its having read anything: `count` are left.
  void wait_for_clients(uint64_t count) {
    wait_until(server(), "a stalled client is closed",
               [&] { return server().engine().counters().clients_now == count; });
  }
  [[nodiscard]] uint64_t clients() { return server().engine().counters().clients_now; }
  // A session that outlives its connection.
  TestClient persistent(const std::string& id) {
    TestClient made = client();
    made.connect(made.hello(id, CleanStart::kNo));
    return made;
  }

  milliseconds stalled_max_ = kPatience;  // here a slow machine is no reason to be closed
  std::unique_ptr<TestServer> server_;
};
FL_EVERY_VERSION(SlowPeers);

class StalledPeers : public SlowPeers {
 protected:
  StalledPeers() { stalled_max_ = milliseconds(200); }
};
FL_EVERY_VERSION(StalledPeers);

TEST_P(StalledPeers, SubscriberThatStopsReadingIsClosed) {
  const std::string topic = unique("t");
  TestClient publisher(server(), Transport::kTcp, version());
  publisher.connect(unique("p"));
  TestClient sleeper = connected();
  keep_receive_buffer_small(sleeper.wire());
  sleeper.subscribe(topic, kQos0);
  server().settle();
  const uint64_t before = clients();
  const HeapGrowth growth;
  const std::string payload(8 * kKiB, 'x');
  // More than both sockets hold, of which the server's alone may take four megabytes.
  for (int i = 0; i < 800; ++i) publisher.send_publish(topic, payload);
  publisher.ping();
  publisher.expect("PINGRESP");
  server().settle();
  growth.expect_below(512 * kKiB);
  EXPECT_GT(server().engine().counters().messages_dropped, 0u);
  wait_for_clients(before - 1);
}

// Of what a slow one could not take, the newest is there; what is there has kept its order.
TEST_P(SlowPeers, OfQos0TheOldestIsDropped) {
  const std::string topic = unique("t");
  TestClient publisher(server(), Transport::kTcp, version());
  publisher.connect(unique("p"));
  TestClient sleeper = connected();
  keep_receive_buffer_small(sleeper.wire());
  sleeper.subscribe(topic, kQos0);
  constexpr int kCount = 800;
  const std::string filling(8 * kKiB, 'x');
  for (int i = 0; i < kCount; ++i) {
    publisher.send_publish(topic, std::to_string(i) + " " + filling);
  }
  publisher.ping();
  publisher.expect("PINGRESP");
  server().settle();
  int last = -1;
  int seen = 0;
  while (last < kCount - 1) {
    ASSERT_TRUE(sleeper.next().starts_with("PUBLISH ")) << "after " << last;
    const std::string payload(as_text(sleeper.last_publish().payload));
    const int number = std::stoi(payload);
    ASSERT_GT(number, last);
    last = number;
    ++seen;
  }
  EXPECT_LT(seen, kCount);
  sleeper.ping();
  sleeper.expect("PINGRESP");
}

TEST_P(StalledPeers, Qos1OfAStalledClientWaitsInItsSession) {
  const std::string topic = unique("t");
  const std::string id = unique("sleeper");
  TestClient publisher(server(), Transport::kTcp, version());
  publisher.connect(unique("p"));
  auto sleeper = std::make_unique<TestClient>(persistent(id));
  keep_receive_buffer_small(sleeper->wire());
  sleeper->subscribe(topic, kQos1);
  sleeper->subscribe(topic + "/fill", kQos0);
  server().settle();
  const uint64_t before = clients();
  const std::string filling(32 * kKiB, 'x');
  for (int i = 0; i < 200; ++i) publisher.send_publish(topic + "/fill", filling);
  for (int i = 0; i < 20; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  wait_for_clients(before - 1);
  sleeper.reset();
  TestClient back = persistent(id);
  for (int i = 0; i < 20; ++i) {
    const std::string line = back.receive();
    const std::string wanted = "PUBLISH " + topic + " " + std::to_string(i) + " q1";
    EXPECT_TRUE(line == wanted || line == wanted + " dup") << line;
  }
}

// No more than its window is sent to it, and what waits is bounded.
TEST_P(SlowPeers, SubscriberThatNeverAcknowledges) {
  const std::string topic = unique("t");
  TestClient publisher(server(), Transport::kTcp, version());
  publisher.connect(unique("p"));
  TestClient silent = connected();
  silent.subscribe(topic, kQos1);
  const HeapGrowth growth;
  const std::string payload(4 * kKiB, 'x');
  for (int i = 0; i < 1'000; ++i) publisher.publish(topic, payload, kQos1);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(silent.next().starts_with("PUBLISH ")) << i;
    EXPECT_EQ(silent.last_id(), i + 1);
  }
  silent.expect_silence(server());
  // 100 in flight, and the queue.
  growth.expect_below(100 * 5 * kKiB + 512 * kKiB + 256 * kKiB);
}

class SlowPeers5 : public SlowPeers {};
FL_ONLY(SlowPeers5, ProtocolVersion::k5);

TEST_P(SlowPeers5, ReceiveMaximumOfTheClientIsKept) {
  const std::string topic = unique("t");
  TestClient silent = client();
  mqtt::ConnectPacket hello = silent.hello(unique("c"));
  hello.properties.receive_maximum = 3;
  silent.connect(hello);
  silent.subscribe(topic, kQos2);
  TestClient publisher = connected();
  for (int i = 0; i < 10; ++i) publisher.publish(topic, std::to_string(i), i % 2 ? kQos1 : kQos2);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(silent.next().starts_with("PUBLISH "));
  silent.expect_silence(server());
  silent.ack(PacketType::kPubrec, 1);  // not settled yet
  silent.expect("PUBREL 1");
  silent.expect_silence(server());
  silent.ack(PacketType::kPubcomp, 1);
  EXPECT_TRUE(silent.next().starts_with("PUBLISH "));
}

TEST_P(SlowPeers5, PublisherThatNeverReleases) {
  TestClient peer = connected();
  for (int i = 0; i < 101; ++i) peer.send_publish("t", "x", kQos2);
  for (int i = 1; i <= 100; ++i) peer.expect("PUBREC " + std::to_string(i));
  peer.expect_disconnect(ReasonCode::kReceiveMaximumExceeded);
}

// All identifiers that there are: over one transport, for that is many packets.
class AllIdentifiers : public SlowPeers {};
INSTANTIATE_TEST_SUITE_P(All, AllIdentifiers,
                         ::testing::Combine(::testing::Values(Transport::kTcp),
                                            ::testing::Values(ProtocolVersion::k311)),
                         param_name);

// 3.x has no limit for what a publisher leaves unreleased but the identifiers.
TEST_P(AllIdentifiers, ArePublishedAndNeverReleased) {
  TestClient peer = connected();
  server().settle();
  const HeapGrowth growth;
  std::string batch;
  std::string answers;
  for (unsigned id = 1; id <= 65'535; ++id) {
    batch += raw::packet(0x34, raw::text("t") + raw::u16(id) + "x");
    if (id % 1'000 != 0 && id != 65'535) continue;
    peer.send_bytes(batch);
    batch.clear();
    for (unsigned n = (id - 1) / 1'000 * 1'000 + 1; n <= id; ++n) {
      peer.expect("PUBREC " + std::to_string(n));
    }
  }
  growth.expect_below(1'280 * kKiB);  // sixteen bytes each
  // All are in use: the next one can only be a repetition.
  peer.send_bytes(raw::packet(0x34, raw::text("t") + raw::u16(65'535) + "x"));
  peer.expect("PUBREC 65535");
  peer.ack(PacketType::kPubrel, 65'535);
  peer.expect("PUBCOMP 65535");
}

// Identifiers go round; none is used while it is in flight.
TEST_P(AllIdentifiers, GoRound) {
  const std::string topic = unique("t");
  TestClient keeper = connected();
  keeper.subscribe(topic, kQos1);
  TestClient publisher = connected();
  publisher.publish(topic, "held", kQos1);
  keeper.expect("PUBLISH " + topic + " held q1");
  const uint16_t held = keeper.last_id();
  uint16_t last = held;
  for (unsigned round = 0; round < 66'000 / 50; ++round) {
    std::string batch;
    for (unsigned i = 1; i <= 50; ++i) {
      batch += raw::packet(0x32, raw::text(topic) + raw::u16(i) + raw::properties(version()));
    }
    publisher.send_bytes(batch);
    for (unsigned i = 1; i <= 50; ++i) publisher.expect("PUBACK " + std::to_string(i));
    for (unsigned i = 1; i <= 50; ++i) {
      keeper.expect("PUBLISH " + topic + "  q1");
      ASSERT_NE(keeper.last_id(), held);
      ASSERT_NE(keeper.last_id(), 0);
      last = keeper.last_id();
      keeper.ack(PacketType::kPuback, last);
    }
  }
  keeper.ack(PacketType::kPuback, held);
  EXPECT_LT(last, 5'000) << "they have not gone round";
}

// An offline session keeps so many messages, the newest.
TEST_P(SlowPeers, QueueOfAnAbsentClientIsBounded) {
  const std::string topic = unique("t");
  const std::string id = unique("absent");
  {
    TestClient leaving = persistent(id);
    leaving.subscribe(topic, kQos1);
    leaving.disconnect();
    leaving.expect_closed();
  }
  TestClient publisher = connected();
  for (int i = 0; i < 500; ++i) publisher.publish(topic, std::to_string(i), kQos1);
  TestClient back = persistent(id);
  for (int i = 300; i < 500; ++i) {
    back.expect_receive("PUBLISH " + topic + " " + std::to_string(i) + " q1");
  }
  back.expect_silence(server());
}

}  // namespace
}  // namespace fairlead::testing
