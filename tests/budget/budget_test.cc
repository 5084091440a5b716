#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include "budget/counting.h"
#include "shard/connection.h"
#include "shard/hosted_session.h"
#include "support/test_client.h"

// What a connection costs and what a message costs, by counting (STYLE section 6). The counters
// are in counting.cc: malloc, epoll_ctl, send and receive as this program calls them.

namespace fairlead::testing {
namespace {

static_assert(sizeof(Connection) <= 480, "times a million");
static_assert(sizeof(HostedSession) <= 640, "times a million");

// Clients of another process would not be counted: here both ends live in this one, so that the
// clients' own part is taken off by keeping them minimal: bare descriptors.
class BareClients {
 public:
  BareClients(TestServer& server, Transport transport, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      TestClient client(server, transport);
      client.connect(unique("idle"));
      client.subscribe("/idle/" + std::to_string(i), kQos1);
      fds_.push_back(UniqueFd(::dup(client.wire().fd())));
    }
  }

 private:
  std::vector<UniqueFd> fds_;
};

std::size_t heap_in_use() {
  ::malloc_trim(0);
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

std::size_t bytes_per_connection(Transport transport) {
  constexpr std::size_t kCount = 500;
  TestServer server({.shard_count = 1,
                     .adjust = [](ServerOptions& options) { options.sys_interval = seconds(0); }});
  const BareClients warm(server, transport, 50);  // tables and pools have their first size
  server.settle();
  const std::size_t before = heap_in_use();
  const BareClients idle(server, transport, kCount);
  server.settle();
  const std::size_t after = heap_in_use();
  EXPECT_EQ(server.engine().counters().clients_now, kCount + 50);
  return after > before ? (after - before) / kCount : 0;
}

TEST(IdleMemory, OfAWsConnection) {
  const std::size_t bytes = bytes_per_connection(Transport::kWs);
  RecordProperty("bytes", static_cast<int>(bytes));
  std::printf("idle ws connection: %zu bytes of heap\n", bytes);
  EXPECT_LE(bytes, 1'500u);
}

TEST(IdleMemory, OfAWssConnection) {
  const std::size_t bytes = bytes_per_connection(Transport::kWss);
  RecordProperty("bytes", static_cast<int>(bytes));
  std::printf("idle wss connection: %zu bytes of heap\n", bytes);
  EXPECT_LE(bytes, 14'200u + 1'500u);
}

// A pair over `transport`, QoS 0, warmed up.
struct Pair {
  explicit Pair(Transport transport)
      : server({.shard_count = 1,
                .adjust = [](ServerOptions& options) { options.sys_interval = seconds(0); }}),
        subscriber(server, transport),
        publisher(server, transport) {
    subscriber.connect("subscriber");
    subscriber.subscribe("/steady/topic", kQos0);
    publisher.connect("publisher");
    for (int i = 0; i < 200; ++i) round_trip();
  }
  void round_trip() {
    publisher.send_publish("/steady/topic", "sixty-four bytes or so of payload that says nothing");
    EXPECT_EQ(subscriber.next().substr(0, 7), "PUBLISH");
  }

  TestServer server;
  TestClient subscriber;
  TestClient publisher;
};

class Steady : public ::testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(All, Steady, ::testing::ValuesIn(kAllTransports), [](const auto& param) {
  return std::string(transport_name(param.param));
});

// One message: the server receives once and sends once; interest in a descriptor never changes.
TEST_P(Steady, SystemCallsOfAMessage) {
  constexpr uint64_t kMessages = 300;
  Pair pair(GetParam());
  const CallCounts before = server_calls();
  for (uint64_t i = 0; i < kMessages; ++i) pair.round_trip();
  const CallCounts after = server_calls();
  EXPECT_EQ(after.epoll_ctl, before.epoll_ctl);
  EXPECT_EQ(after.sends - before.sends, kMessages);
  EXPECT_EQ(after.receives - before.receives, kMessages);
  EXPECT_LE(after.waits - before.waits, kMessages + 3);  // and the housekeeping timer
  EXPECT_EQ(after.wakes, before.wakes);
}

// Many messages in one read leave in one write.
TEST_P(Steady, SystemCallsOfABatch) {
  Pair pair(GetParam());
  ByteBuffer batch;
  for (int i = 0; i < 100; ++i) {
    mqtt::write(
        batch, ProtocolVersion::k311,
        mqtt::PublishPacket{.topic = "/steady/topic", .payload = as_bytes("x"), .properties = {}});
  }
  const CallCounts before = server_calls();
  pair.publisher.wire().send(batch.view());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pair.subscriber.next().substr(0, 7), "PUBLISH");
  const CallCounts after = server_calls();
  EXPECT_EQ(after.epoll_ctl, before.epoll_ctl);
  EXPECT_LE(after.receives - before.receives, 2u);
  EXPECT_LE(after.sends - before.sends, 2u);
}

// The one copy into the Message, and nothing else.
TEST_P(Steady, AllocationsOfAMessage) {
  constexpr uint64_t kMessages = 300;
  Pair pair(GetParam());
  const uint64_t before = server_allocations();
  for (uint64_t i = 0; i < kMessages; ++i) pair.round_trip();
  const uint64_t count = server_allocations() - before;
  std::printf("allocations per message: %.2f\n",
              static_cast<double>(count) / static_cast<double>(kMessages));
  // OpenSSL lets go of its buffers after each record, so that an idle connection has none: it
  // allocates them anew, seven times for one that is received and one that is sent.
  const uint64_t each = is_tls(GetParam()) ? 8 : 1;
  EXPECT_LE(count, each * kMessages + kMessages / 20);
}

TEST(FanOut, OneSendForEachReceiverAndOneMessageForAll) {
  constexpr uint64_t kReceivers = 100;
  TestServer server({.shard_count = 1,
                     .adjust = [](ServerOptions& options) { options.sys_interval = seconds(0); }});
  std::vector<std::unique_ptr<TestClient>> receivers;
  for (uint64_t i = 0; i < kReceivers; ++i) {
    receivers.push_back(std::make_unique<TestClient>(server, Transport::kWs));
    receivers.back()->connect(unique("r"));
    receivers.back()->subscribe("/fan/out", kQos0);
  }
  TestClient publisher(server, Transport::kWs);
  publisher.connect("publisher");
  auto round = [&] {
    publisher.send_publish("/fan/out", "to everyone");
    for (auto& receiver : receivers) receiver->expect("PUBLISH /fan/out to everyone q0");
  };
  for (int i = 0; i < 5; ++i) round();
  const CallCounts before = server_calls();
  const uint64_t allocations = server_allocations();
  round();
  const CallCounts after = server_calls();
  EXPECT_EQ(after.sends - before.sends, kReceivers);
  EXPECT_EQ(after.receives - before.receives, 1u);
  EXPECT_EQ(after.epoll_ctl, before.epoll_ctl);
  EXPECT_LE(server_allocations() - allocations, 5u);
}

}  // namespace
}  // namespace fairlead::testing
