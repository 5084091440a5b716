#include <atomic>
#include <thread>

#include "hostile/hostile.h"

// More of everything than anybody needs: half-open handshakes, pings, wills, retained messages,
// subscriptions. What is there is bounded, what is gone is given back, and the rest is served.

namespace fairlead::testing {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr std::size_t kKiB = 1024;

// --- Handshakes ----------------------------------------------------------------------------------

// A connection that says `beginning`, and no more.
UniqueFd half_open(const SocketAddress& address, std::string_view beginning) {
  auto fd = start_connect(address);
  if (!fd) throw TestFailure(fd.error().sentence);
  // On loopback the connection is there at once, or the backlog is full.
  (void)tcp_send(fd->get(), as_bytes(beginning));
  return std::move(*fd);
}

TEST(Floods, HalfOpenHandshakesBesideHealthyTraffic) {
  const std::size_t count = under_sanitizer() ? 500 : 2'000;
  ASSERT_TRUE(allow_descriptors(2 * count + 500));
  TestServer server({.shard_count = 2, .adjust = [](ServerOptions& options) {
                       options.suspect.detect_max = milliseconds(3'000);
                       options.suspect.tls_handshake_max = milliseconds(3'000);
                       options.suspect.http_head_max = milliseconds(3'000);
                       options.suspect.connect_max = milliseconds(3'000);
                     }});
  std::vector<std::unique_ptr<TestClient>> healthy;
  for (const Transport transport : kAllTransports) {
    healthy.push_back(std::make_unique<TestClient>(server, transport, ProtocolVersion::k5));
    healthy.back()->connect(unique("healthy"));
    healthy.back()->subscribe("news", kQos1);
  }
  constexpr std::string_view kBeginnings[] = {
      ""sv, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"sv, "GET / HTTP/1.1\r\nHost: x\r\n"sv,
      "\x10\x40\x00\x04MQTT"sv};
  std::vector<UniqueFd> suspects;
  for (std::size_t i = 0; i < count; ++i) {
    suspects.push_back(half_open(server.address(), kBeginnings[i % 4]));
    if (i % 100 != 0) continue;
    server.settle(1);
    healthy[i / 100 % 4]->send_publish("news", std::to_string(i), kQos0);
    for (auto& client : healthy) {
      client->expect("PUBLISH news " + std::to_string(i) + " q0");
    }
  }
  // All who came in are closed when their time is up, without having to say anything.
  wait_for_connections(server, healthy.size());
  for (auto& client : healthy) {
    client->ping();
    client->expect("PINGRESP");
  }
}

// --- Pings ---------------------------------------------------------------------------------------

class PingFlood : public HostileTest {
 protected:
  TestServer& server() override {
    if (!server_) {
      server_ = std::make_unique<TestServer>(
          TestServerOptions{.shard_count = 1, .adjust = [](ServerOptions& options) {
                              options.connection.output_bytes_max = 64 * kKiB;
                              options.connection.stalled_max = milliseconds(200);
                              options.connection.linger_max = milliseconds(100);
                            }});
    }
    return *server_;
  }
  // The answers are not read: at last the server reads no more, and then it closes.
  void expect_bounded_and_closed(std::string_view bytes) {
    TestClient peer = connected();
    keep_receive_buffer_small(peer.wire());
    server().settle();
    const uint64_t before = server().engine().counters().clients_now;
    const HeapGrowth growth;
    flood(server(), peer.wire(), as_bytes(bytes));
    growth.expect_below(512 * kKiB);
    wait_until(server(), "the flood is closed",
               [&] { return server().engine().counters().clients_now == before - 1; });
  }
  std::unique_ptr<TestServer> server_;
};
INSTANTIATE_TEST_SUITE_P(All, PingFlood,
                         ::testing::Combine(kEveryTransport,
                                            ::testing::Values(ProtocolVersion::k311)),
                         param_name);

TEST_P(PingFlood, PingreqWhoseAnswersAreNotRead) {
  std::string pings;
  for (int i = 0; i < 12'000; ++i) pings += "\xc0\0"s;
  if (!is_ws(transport())) return expect_bounded_and_closed(pings);
  ByteBuffer frame;
  append_frame(frame, Opcode::kBinary, as_bytes(pings), MaskKey{std::byte{5}});
  expect_bounded_and_closed(as_text(frame.view()));
}

class WebSocketPingFlood : public PingFlood {};
FL_OVER_WEBSOCKET(WebSocketPingFlood);

TEST_P(WebSocketPingFlood, WhoseAnswersAreNotRead) {
  ByteBuffer pings;
  const std::string payload(125, 'p');
  for (int i = 0; i < 400; ++i) append_ping(pings, as_bytes(payload), MaskKey{std::byte{5}});
  expect_bounded_and_closed(as_text(pings.view()));
}

// --- Wills, retained messages, subscriptions -----------------------------------------------------

class Floods : public HostileTest {
 protected:
  // So many connections as this transport can have in a moment.
  [[nodiscard]] std::size_t crowd() const {
    if (transport() == Transport::kTcp) return under_sanitizer() ? 300 : 1'000;
    return is_tls(transport()) && under_sanitizer() ? 30 : 100;
  }
};
FL_EVERY_VERSION(Floods);

TEST_P(Floods, WillsOfACrowdThatDropsAtOnce) {
  ASSERT_TRUE(allow_descriptors(2 * crowd() + 500));
  const std::string topic = unique("wills");
  TestClient watcher = connected();
  watcher.subscribe(topic, kQos1);
  std::vector<std::unique_ptr<TestClient>> peers;
  for (std::size_t i = 0; i < crowd(); ++i) {
    peers.push_back(std::make_unique<TestClient>(client()));
    mqtt::ConnectPacket hello = peers.back()->hello(unique("mortal"));
    const std::string number = std::to_string(i);
    hello.will =
        mqtt::Will{.topic = topic, .payload = as_bytes(number), .qos = kQos1, .properties = {}};
    peers.back()->connect(hello);
  }
  for (auto& peer : peers) peer->wire().reset();
  std::set<std::string> wills;
  for (std::size_t i = 0; i < crowd(); ++i) {
    ASSERT_TRUE(watcher.receive().starts_with("PUBLISH " + topic)) << i;
    wills.emplace(as_text(watcher.last_publish().payload));
  }
  EXPECT_EQ(wills.size(), crowd());
  watcher.expect_silence(server());
}

TEST_P(Floods, RetainedMessagesAreBounded) {
  TestServer own({.shard_count = 2, .adjust = [](ServerOptions& options) {
                    options.retained = {.count_max = 100, .bytes_max = 64 * kKiB};
                    options.sys_interval = seconds(0);  // they are retained, too
                  }});
  auto join = [&] {
    TestClient made(own, transport(), version());
    made.connect(unique("c"));
    return made;
  };
  TestClient live = join();
  live.subscribe("flood/#", kQos0);
  TestClient peer = join();
  for (int i = 0; i < 1'000; ++i) {
    peer.send_publish("flood/" + std::to_string(i), "x", kQos0, Retain::kYes);
  }
  for (int i = 0; i < 1'000; ++i) live.expect("PUBLISH flood/" + std::to_string(i) + " x q0");
  own.settle();
  EXPECT_LE(own.engine().counters().retained_now, 100u);
  EXPECT_GE(own.engine().counters().messages_dropped, 900u);
  // Bytes are bounded, too.
  const std::string large(8 * kKiB, 'x');
  for (int i = 0; i < 100; ++i) peer.publish("flood/large", large, kQos1, Retain::kYes);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(live.next().starts_with("PUBLISH flood/large"));
  TestClient late = join();
  late.subscribe("flood/#", kQos0);
  uint64_t count = 0;
  late.ping();
  for (std::string line = late.next(); line != "PINGRESP"; line = late.next()) ++count;
  EXPECT_LE(count, 101u);
  EXPECT_GT(count, 50u);
  // What is there may be replaced, and cleared; then there is room again.
  for (int i = 0; i < 1'000; ++i) {
    peer.send_publish("flood/" + std::to_string(i), "", kQos0, Retain::kYes);
  }
  peer.publish("flood/large", "", kQos1, Retain::kYes);
  own.settle();
  EXPECT_EQ(own.engine().counters().retained_now, 0u);
  peer.publish("flood/again", "x", kQos1, Retain::kYes);
  own.settle();
  EXPECT_EQ(own.engine().counters().retained_now, 1u);
}

// Each of many SUBSCRIBEs asks for all retained messages again.
class SubscribeFlood : public HostileTest {
 protected:
  static constexpr int kRetained = 2'000;
  TestServer& server() override {
    if (!server_) {
      server_ = std::make_unique<TestServer>(
          TestServerOptions{.shard_count = 2, .adjust = [](ServerOptions& options) {
                              options.sys_interval = seconds(0);  // they are retained, too
                            }});
    }
    return *server_;
  }
  void SetUp() override {
    HostileTest::SetUp();
    TestClient publisher(server(), Transport::kTcp);
    publisher.connect(unique("p"));
    for (int i = 0; i < kRetained; ++i) {
      publisher.send_publish("flood/" + std::to_string(i), "x", kQos0, Retain::kYes);
    }
    publisher.ping();
    publisher.expect("PINGRESP");
    server().settle();
  }
  // So many in one piece; the packet identifiers count up.
  [[nodiscard]] std::string subscribes(int count, Qos qos) const {
    std::string bytes;
    for (int id = 1; id <= count; ++id) {
      bytes +=
          raw::packet(0x82, raw::u16(static_cast<std::size_t>(id)) + raw::properties(version()) +
                                raw::text("flood/#") + static_cast<char>(qos));
    }
    return bytes;
  }
  std::unique_ptr<TestServer> server_;
};
FL_EVERY_VERSION(SubscribeFlood);

TEST_P(SubscribeFlood, WhoseAnswersAreNotReadIsBounded) {
  for (const Qos qos : {kQos0, kQos1}) {
    TestClient peer = connected();
    keep_receive_buffer_small(peer.wire());
    server().settle();
    const std::string bytes = subscribes(1'000, qos);
    ByteBuffer frame;
    if (is_ws(transport())) append_frame(frame, Opcode::kBinary, as_bytes(bytes), MaskKey{});
    const HeapGrowth growth;
    std::atomic<bool> over = false;
    std::size_t peak = 0;
    std::thread watch([&] {
      for (; !over; std::this_thread::yield()) peak = std::max(peak, growth.bytes());
    });
    flood(server(), peer.wire(), is_ws(transport()) ? frame.view() : as_bytes(bytes));
    server().settle();
    over = true;
    watch.join();
    EXPECT_LT(peak, 3 * 1'024 * kKiB);  // of that, 1 MiB of output and 1 MiB of messages
    peer.wire().reset();
  }
}

// What they find waits for other shards, and for the disk.
TEST_P(SubscribeFlood, OfFiltersInOnePacketIsBounded) {
  constexpr int kFilters = 1'000;
  std::string filters;
  for (int i = 0; i < kFilters; ++i) filters += raw::text("flood/#") + std::string(1, '\0');
  TestClient peer = connected();
  server().settle();
  const HeapGrowth growth;
  std::atomic<bool> over = false;
  std::size_t peak = 0;
  std::thread watch([&] {
    for (; !over; std::this_thread::yield()) peak = std::max(peak, growth.bytes());
  });
  peer.send_bytes(raw::packet(0x82, raw::u16(1) + raw::properties(version()) + filters));
  peer.ping();
  std::string line = peer.next();
  EXPECT_TRUE(line.starts_with("SUBACK 1 00 00")) << line.substr(0, 80);
  int messages = 0;
  for (line = peer.next(); line != "PINGRESP"; line = peer.next()) ++messages;
  over = true;
  watch.join();
  EXPECT_GE(messages, kRetained);
  EXPECT_LT(peak, 16 * 1'024 * kKiB);  // a thousand times everything would be 32 MiB and more
}

TEST_P(SubscribeFlood, WhoseAnswersAreReadIsServedInOrder) {
  const int count = under_sanitizer() ? 10 : 30;
  TestClient peer = connected();
  peer.send_bytes(subscribes(count, kQos0));
  peer.ping();
  int messages = 0;
  int answered = 0;
  for (std::string line = peer.next(); line != "PINGRESP"; line = peer.next()) {
    if (line.starts_with("PUBLISH ")) {
      ++messages;
    } else {
      EXPECT_EQ(line, "SUBACK " + std::to_string(++answered) + " 00");
    }
  }
  EXPECT_EQ(answered, count);
  EXPECT_GT(messages, kRetained);
}

TEST_P(Floods, SubscriptionChurnGivesItsMemoryBack) {
  TestClient peer = connected();
  server().settle();
  const uint64_t before = server().engine().counters().subscriptions_now;
  auto round = [&](int number) {
    const std::string root = "churn/" + std::to_string(number) + "/";
    std::string subscribe = raw::u16(1) + raw::properties(version());
    std::string unsubscribe = subscribe;
    for (int i = 0; i < 200; ++i) {
      const std::string filter = root + std::to_string(i) +
                                 (i % 3 == 0   ? "/+/x"
                                  : i % 3 == 1 ? "/#"
                                               : "");
      subscribe += raw::text(filter) + "\0"s;
      unsubscribe += raw::text(filter);
    }
    peer.send_bytes(raw::packet(0x82, subscribe));
    EXPECT_TRUE(peer.next().starts_with("SUBACK 1 00"));
    peer.send_bytes(raw::packet(0xa2, unsubscribe));
    EXPECT_TRUE(peer.next().starts_with("UNSUBACK 1"));
    server().settle();
  };
  for (int number = 0; number < 5; ++number) round(number);  // tables have grown by now
  const HeapGrowth growth;
  for (int number = 5; number < 30; ++number) round(number);
  growth.expect_below(64 * kKiB);
  EXPECT_EQ(server().engine().counters().subscriptions_now, before);
}

TEST_P(Floods, ConnectionChurnGivesItsMemoryBack) {
  const int rounds = is_tls(transport()) ? 20 : 100;
  auto round = [&] {
    TestClient peer = connected();
    peer.subscribe(unique("t"), kQos1);
    peer.publish("nobody", "x", kQos1);
    peer.wire().reset();
  };
  const ServerCounters before = server().engine().counters();
  auto settled = [&] {
    wait_until(server(), "all have gone", [&] {
      return server().engine().counters().connections_now == before.connections_now &&
             server().engine().counters().sessions_now == before.sessions_now;
    });
  };
  for (int i = 0; i < rounds; ++i) round();
  settled();
  const HeapGrowth growth;
  for (int i = 0; i < rounds; ++i) round();
  settled();
  growth.expect_below(128 * kKiB);
}

}  // namespace
}  // namespace fairlead::testing
